//! Members of a group that copy the input: what they read, write and commit is one transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kavka::{
    AutoOffsetReset, BoxFuture, Consumer, ConsumerConfig, ConsumerGroupMetadata, ConsumerHandle,
    ErrorKind, IsolationLevel, Offset, RebalanceListener, Record, TopicPartition, Transaction,
    TransactionalProducer,
};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::calls::Called;
use super::writers::goes_on;
use super::{CLOSE, GROUP, INPUT, OUTPUT, Settings, Stage};
use crate::dice::Dice;

/// Part of the input, to be copied in one transaction.
#[derive(Default)]
struct Portion {
    /// Of each batch: the partition, the values and the offset after it.
    batches: Vec<(TopicPartition, Vec<String>, Offset)>,
}

/// How a copy has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Copied {
    Yes,
    No,
    /// Nobody has waited for its end.
    Unsettled,
    /// The producer is of no more use.
    Lost,
}

struct Copier {
    stage: Arc<Stage>,
    number: usize,
    settings: Settings,
    dice: Dice,
}

/// Counts what happens to the assignment.
struct Changes(Arc<AtomicU64>);

impl RebalanceListener for Changes {
    fn on_assigned<'a>(&'a self, _: &'a ConsumerHandle, _: &'a [TopicPartition]) -> BoxFuture<'a> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::ready(()))
    }

    fn on_revoked<'a>(&'a self, _: &'a ConsumerHandle, _: &'a [TopicPartition]) -> BoxFuture<'a> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::ready(()))
    }

    fn on_lost<'a>(&'a self, _: &'a ConsumerHandle, _: &'a [TopicPartition]) -> BoxFuture<'a> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::ready(()))
    }
}

/// Runs copiers that come and go; one at least is left, until told to end.
pub(super) async fn churn(stage: Arc<Stage>, mut dice: Dice, end: oneshot::Receiver<()>) {
    let plan = stage.world.plan.groups[0].clone();
    let mut next = 0;
    let mut copiers = Vec::new();
    for _ in 0..plan.members {
        copiers.push(start(&stage, next, &mut dice));
        next += 1;
    }
    let trouble = u64::try_from(stage.world.plan.trouble.as_millis()).unwrap();
    for _ in 0..plan.changes {
        sleep(dice.millis(100..=2 * trouble / plan.changes)).await;
        if copiers.len() > 1 && dice.once_in(2) {
            let at = usize::try_from(dice.next() % copiers.len() as u64).unwrap();
            let (leave, task): (oneshot::Sender<()>, JoinHandle<()>) = copiers.swap_remove(at);
            if dice.once_in(2) {
                stage.world.log.say("a copier dies");
                task.abort();
                let _ = task.await;
            } else {
                let _ = leave.send(());
                task.await.unwrap();
            }
        } else {
            copiers.push(start(&stage, next, &mut dice));
            next += 1;
        }
    }
    let _ = end.await;
    for (leave, task) in copiers {
        let _ = leave.send(());
        task.await.unwrap();
    }
}

fn start(
    stage: &Arc<Stage>,
    number: usize,
    dice: &mut Dice,
) -> (oneshot::Sender<()>, JoinHandle<()>) {
    let settings = Settings::new(dice, &stage.world.plan);
    let mut copier = Copier { stage: Arc::clone(stage), number, settings, dice: dice.fork() };
    let (leave, mut left) = oneshot::channel();
    let task = tokio::spawn(async move {
        while copier.live(&mut left).await {
            sleep(copier.dice.millis(0..=500)).await;
        }
    });
    (leave, task)
}

impl Copier {
    /// Lives as one process does; whether another has to take its place.
    async fn live(&mut self, left: &mut oneshot::Receiver<()>) -> bool {
        let stage = Arc::clone(&self.stage);
        let log = &stage.world.log;
        let client = stage.world.client(&format!("copier-{}", self.number), &mut self.dice);
        let config = self.settings.config.clone();
        let config = config.transactional_id(format!("copier-{}", self.number));
        let mut producer = client.transactional_producer(config).unwrap();
        // Whatever the process before has left open has ended before anything is read.
        if !self.init(&mut producer, left).await {
            return left.try_recv().is_err();
        }
        let changes = Arc::new(AtomicU64::new(0));
        let mut consumer = client.consumer(self.consumer_config()).unwrap();
        consumer.rebalance_listener(Changes(Arc::clone(&changes)));
        consumer.subscribe([INPUT]).unwrap();
        log.say(format_args!("copier {} joins", self.number));
        loop {
            let Some((portion, group)) = self.read(&mut consumer, left).await else { break };
            let copied = match group {
                Some(group) => self.copy(&mut producer, &portion, &group).await,
                // Half of it was read as another member.
                None => Copied::No,
            };
            let is_settled = match copied {
                Copied::Yes => continue,
                Copied::No => true,
                Copied::Unsettled => self.settle(&mut producer).await,
                Copied::Lost => false,
            };
            if !is_settled || !self.go_back(&consumer, &changes).await {
                log.say(format_args!("copier {} begins anew", self.number));
                return true;
            }
        }
        stage.world.leaves_in_time(CLOSE, consumer.close(CLOSE)).await;
        let _it_may_not_end = producer.close(CLOSE).await;
        stage.world.in_time("client.close", CLOSE, client.close(CLOSE)).await;
        log.say(format_args!("copier {} has left", self.number));
        false
    }

    fn consumer_config(&mut self) -> ConsumerConfig {
        let plan = &self.stage.world.plan.groups[0];
        ConsumerConfig::new()
            .group_id(GROUP)
            .auto_offset_reset(AutoOffsetReset::Earliest)
            .isolation_level(IsolationLevel::ReadCommitted)
            .partition_assignment_strategy(plan.strategies.clone())
            .enable_auto_commit(false)
            .session_timeout(plan.session_timeout)
            .heartbeat_interval(plan.session_timeout / 6)
            .max_poll_interval(Duration::from_secs(20))
            .max_poll_records(usize::try_from(self.dice.within(1..=50)).unwrap())
    }

    /// Takes the transactional id over; whether that was possible.
    async fn init(
        &mut self,
        producer: &mut TransactionalProducer,
        left: &mut oneshot::Receiver<()>,
    ) -> bool {
        let (stage, longest) = (Arc::clone(&self.stage), self.settings.max_block);
        while left.is_empty() && !left.is_terminated() {
            match stage.call("init", longest, &mut self.dice, 6, producer.init()).await {
                Called::Ended(Ok(())) => return true,
                Called::Ended(Err(error)) if !goes_on(&error) => return false,
                _ => {}
            }
        }
        false
    }

    /// Reads what is to be copied, and who has read it, unless that has changed meanwhile; `None`
    /// when it is time to leave.
    async fn read(
        &mut self,
        consumer: &mut Consumer,
        left: &mut oneshot::Receiver<()>,
    ) -> Option<(Portion, Option<ConsumerGroupMetadata>)> {
        let mut portion = Portion::default();
        let mut group = None;
        let most = self.dice.within(1..=4);
        while portion.batches.len() < usize::try_from(most).unwrap() {
            let batch = tokio::select! {
                biased;
                _ = &mut *left => return None,
                batch = timeout(Duration::from_millis(50), consumer.next_batch()) => batch,
            };
            let batch = match batch {
                Ok(Ok(batch)) => batch,
                Ok(Err(error)) => {
                    self.stage.world.log.say(format_args!("cannot receive: {error}"));
                    continue;
                }
                Err(_) if portion.batches.is_empty() => continue,
                Err(_) => break,
            };
            let text = |value: Option<&[u8]>| String::from_utf8(value.unwrap().to_vec()).unwrap();
            let values = batch.iter().map(|record| text(record.value())).collect();
            portion.batches.push((batch.topic_partition().clone(), values, batch.next_offset()));
            let reader = consumer.group_metadata().unwrap();
            if *group.get_or_insert_with(|| reader.clone()) != reader {
                return Some((portion, None));
            }
        }
        Some((portion, group))
    }

    async fn copy(
        &mut self,
        producer: &mut TransactionalProducer,
        portion: &Portion,
        group: &ConsumerGroupMetadata,
    ) -> Copied {
        let (stage, longest) = (Arc::clone(&self.stage), self.settings.max_block);
        let begun = stage.call("begin", longest, &mut self.dice, 12, producer.begin()).await;
        let mut transaction = match begun {
            Called::Ended(Ok(transaction)) => transaction,
            Called::Ended(Err(error)) if !goes_on(&error) => return Copied::Lost,
            _ => return Copied::No,
        };
        let offsets_first = self.dice.once_in(4);
        let is_sent = (!offsets_first || self.send_offsets(&transaction, portion, group).await)
            && self.send(&transaction, portion).await
            && (offsets_first || self.send_offsets(&transaction, portion, group).await);
        if is_sent && !self.dice.once_in(6) {
            self.commit(&mut transaction).await
        } else {
            self.abort(&mut transaction).await
        }
    }

    async fn send(&mut self, transaction: &Transaction<'_>, portion: &Portion) -> bool {
        let (stage, longest) = (Arc::clone(&self.stage), self.settings.max_block);
        for (partition, values, _) in &portion.batches {
            for value in values {
                let record = Record::to(OUTPUT).partition(partition.partition).value(value);
                let sending = transaction.send(record);
                let sent = stage.call("send", longest, &mut self.dice, 200, sending).await;
                if !matches!(sent, Called::Ended(Ok(_))) {
                    return false;
                }
            }
        }
        true
    }

    /// Whether the transaction may be committed.
    async fn send_offsets(
        &mut self,
        transaction: &Transaction<'_>,
        portion: &Portion,
        group: &ConsumerGroupMetadata,
    ) -> bool {
        let (stage, longest) = (Arc::clone(&self.stage), self.settings.max_block);
        let offsets = portion.batches.iter().map(|(partition, _, next)| (partition.clone(), *next));
        let sending = transaction.send_offsets(offsets, group);
        match stage.call("send_offsets", longest, &mut self.dice, 6, sending).await {
            Called::Ended(Ok(())) => true,
            // They are on their way, and the commit waits for them.
            Called::Dropped => true,
            Called::Ended(Err(error)) => error.kind() == ErrorKind::Timeout,
        }
    }

    async fn commit(&mut self, transaction: &mut Transaction<'_>) -> Copied {
        let (stage, longest) = (Arc::clone(&self.stage), self.settings.max_block);
        for _ in 0..4 {
            let commit = transaction.commit();
            match stage.call("commit", longest, &mut self.dice, 6, commit).await {
                Called::Ended(Ok(())) => return Copied::Yes,
                Called::Ended(Err(error)) => match error.kind() {
                    ErrorKind::TransactionAbortable => return self.abort(transaction).await,
                    ErrorKind::TransactionEnded => return Copied::No,
                    ErrorKind::Timeout => {}
                    _ => return Copied::Lost,
                },
                Called::Dropped if self.dice.once_in(3) => return Copied::Unsettled,
                Called::Dropped => {}
            }
        }
        Copied::Lost
    }

    async fn abort(&mut self, transaction: &mut Transaction<'_>) -> Copied {
        let (stage, longest) = (Arc::clone(&self.stage), self.settings.max_block);
        match stage.call("abort", longest, &mut self.dice, 6, transaction.abort()).await {
            Called::Ended(Ok(())) => Copied::No,
            Called::Ended(Err(error)) if !goes_on(&error) => Copied::Lost,
            _ => Copied::Unsettled,
        }
    }

    /// Waits for the end of the transaction that was left; whether it has come.
    async fn settle(&mut self, producer: &mut TransactionalProducer) -> bool {
        let (stage, longest) = (Arc::clone(&self.stage), self.settings.max_block);
        for _ in 0..4 {
            let begun = stage.call("begin", longest, &mut self.dice, 12, producer.begin()).await;
            match begun {
                Called::Ended(Ok(_left_again)) => return true,
                Called::Ended(Err(error)) if !goes_on(&error) => return false,
                _ => {}
            }
        }
        false
    }

    /// Goes back to what is committed; whether that was possible.
    async fn go_back(&mut self, consumer: &Consumer, changes: &AtomicU64) -> bool {
        for _ in 0..20 {
            let before = changes.load(Ordering::Relaxed);
            let assigned = consumer.assignment();
            match consumer.committed(assigned).await {
                // What was given anew meanwhile stands where it should.
                Ok(committed) if changes.load(Ordering::Relaxed) == before => {
                    for (partition, committed) in committed {
                        let offset = committed.map_or(Offset(0), |committed| committed.offset);
                        let _not_ours_any_more = consumer.seek(&partition, offset);
                    }
                    return true;
                }
                Ok(_) => {}
                Err(error) => {
                    self.stage.world.log.say(format_args!("nothing is known: {error}"));
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
        false
    }
}
