//! An application with one consumer: a task that receives, and tasks that call everything else.

mod calls;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_core::Stream;
use kavka::{
    BoxFuture, Consumer, ConsumerConfig, ConsumerHandle, ConsumerRecord, Error, ErrorCode,
    ErrorKind, RebalanceListener, TopicPartition,
};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::books::{Books, How, MemberPlan};
use crate::dice::Dice;
use crate::promise::Promise::{
    CallsEnd, CloseCommits, CommitHolds, DeliversItsOwn, NoNeedlessError, Tells,
};
use crate::world::{EAGER, Life, World};

/// What the application waits for when it closes.
pub(crate) const CLOSE: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
pub(crate) struct SeatPlan {
    pub(crate) config: ConsumerConfig,
    /// `auto.commit.interval.ms`, if the client commits.
    pub(crate) commits_each: Option<Duration>,
    /// Brokers answer its fetches at once, with or without records.
    pub(crate) is_eager: bool,
    pub(crate) callers: u64,
    pub(crate) member: MemberPlan,
    /// The longest pause of the application between two receives.
    pub(crate) pace: u64,
    pub(crate) start: Start,
}

/// How a consumer begins.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Start {
    Subscribed,
    Assigned,
    Idle,
}

/// How an application lets go of its consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Close,
    Drop,
    /// Its client is closed first.
    CloseClient,
}

/// What the tasks of one application share.
#[derive(Clone, Debug)]
pub(crate) struct Seat {
    pub(crate) world: Arc<World>,
    pub(crate) books: Arc<Books>,
    pub(crate) number: usize,
    pub(crate) plan: SeatPlan,
    /// The trouble is over: no more calls, and records are taken as they come.
    pub(crate) calm: watch::Receiver<bool>,
    /// The consumer has ended.
    pub(crate) life: Life,
    pub(crate) handle: Arc<std::sync::OnceLock<ConsumerHandle>>,
    /// It was told that it can do no more.
    pub(crate) is_over: Arc<AtomicBool>,
}

struct Notes {
    seat: Seat,
    dice: std::sync::Mutex<Dice>,
}

impl Seat {
    /// Lives until told how to end.
    pub(crate) async fn live(
        self,
        died: watch::Sender<bool>,
        mut end: watch::Receiver<Option<End>>,
        mut dice: Dice,
    ) {
        let Self { world, number, .. } = &self;
        let name = if self.plan.is_eager { EAGER } else { "consumer" };
        let client = world.client(&format!("{name}-{}-{number}", self.books.group), &mut dice);
        let mut consumer = client.consumer(self.plan.config.clone()).unwrap();
        consumer.rebalance_listener(Notes {
            seat: self.clone(),
            dice: std::sync::Mutex::new(dice.fork()),
        });
        self.books.sits(*number, self.plan.member);
        let handle = consumer.handle();
        let _ = self.handle.set(consumer.handle());
        match self.plan.start {
            Start::Subscribed => {
                self.subscribe(&handle, world.topics.iter().map(|(name, _)| name.as_str()))
            }
            Start::Assigned => self.assign(&handle, world.partitions().into_iter().collect()),
            Start::Idle => {}
        }
        let mut callers = JoinSet::new();
        for _ in 0..self.plan.callers {
            callers.spawn(self.clone().call_everything(
                handle.clone(),
                client.admin(),
                dice.fork(),
            ));
        }
        let mut calm = self.calm.clone();
        let how = loop {
            if let Some(how) = *end.borrow() {
                break how;
            }
            tokio::select! {
                biased;
                _ = end.changed() => {}
                _ = calm.changed() => {}
                () = self.receive(&mut consumer, &mut dice) => {}
            }
        };
        world.log.say(format_args!("{number} ends by {how:?}"));
        match how {
            End::Close => self.close(consumer, &died).await,
            End::Drop => {
                died.send_replace(true);
                drop(consumer);
                self.books.ended(*number);
            }
            End::CloseClient => {
                died.send_replace(true);
                let closed = timeout(CLOSE, client.clone().close(CLOSE)).await;
                world.check(matches!(closed, Ok(Ok(()))), CallsEnd, || {
                    format!("client.close: {closed:?}")
                });
                self.books.ended(*number);
                self.is_told_closed(&mut consumer).await;
            }
        }
        while let Some(ended) = callers.join_next().await {
            ended.unwrap();
        }
        let refused = handle.seek(&world.partitions()[0], 0);
        world.check(
            refused.is_err_and(|error| error.kind() == ErrorKind::Closed),
            CallsEnd,
            || format!("{number} has ended and can be used"),
        );
        drop(handle);
        let closed = timeout(CLOSE, client.close(CLOSE)).await;
        world.check(matches!(closed, Ok(Ok(()))), CallsEnd, || format!("client.close: {closed:?}"));
        world.log.say(format_args!("{number} has ended"));
    }

    /// Ends all pauses, and has a consumer that wants nothing want everything.
    pub(crate) fn settle(&self) {
        let Some(handle) = self.handle.get().filter(|_| !self.is_over.load(Ordering::Relaxed))
        else {
            return;
        };
        if self.books.mode(self.number).is_none() {
            self.unsubscribe(handle);
            self.subscribe(handle, self.world.topics.iter().map(|(name, _)| name.as_str()));
        }
        self.said("resume", handle.resume(&handle.paused()));
    }

    async fn close(&self, consumer: Consumer, died: &watch::Sender<bool>) {
        let Self { world, books, number, .. } = self;
        // What was returned last counts as done: who closes is through with it, as in Java.
        let snapshot = books.commits(*number, None);
        let is_member = books.mode(*number) == Some(How::Group);
        let begun = Instant::now();
        let closed = timeout(CLOSE, consumer.close(CLOSE)).await;
        died.send_replace(true);
        match closed {
            Ok(Ok(())) => {
                // Who chose partitions by itself cannot commit while the group has members.
                if self.plan.commits_each.is_some()
                    && !world.is_troubled
                    && is_member
                    && !books.was_converted_away(*number)
                {
                    books.check_committed(CloseCommits, "close", &snapshot);
                }
            }
            Ok(Err(error)) => {
                let is_excused = world.is_troubled
                    && error.kind() == ErrorKind::Timeout
                    && begun.elapsed() >= world.request_timeout;
                world
                    .check(is_excused, NoNeedlessError, || format!("close of {number}: {error:?}"));
            }
            Err(_) => world.wrong(CallsEnd, format_args!("close of {number}")),
        }
        books.ended(*number);
    }

    /// A consumer whose client is closed says so, each time it is asked.
    async fn is_told_closed(&self, consumer: &mut Consumer) {
        for _ in 0..2 {
            // What is there may still be given.
            let told = loop {
                match timeout(Duration::from_secs(1), consumer.recv()).await {
                    Ok(Ok(_)) => {}
                    told => break told,
                }
            };
            let is_told = matches!(&told, Ok(Err(error)) if error.kind() == ErrorKind::Closed);
            self.world.check(is_told, CallsEnd, || {
                format!("recv of {} after client.close: {told:?}", self.number)
            });
        }
    }

    /// Asks once, perhaps without the patience to wait, and works on what comes.
    async fn receive(&self, consumer: &mut Consumer, dice: &mut Dice) {
        let is_calm = *self.calm.borrow();
        self.books.finish(self.number);
        let patience = if is_calm || !dice.once_in(4) {
            Duration::from_secs(3_600)
        } else {
            dice.millis(0..=300)
        };
        let of_one = |record: ConsumerRecord| {
            vec![(
                record.topic_partition().clone(),
                record.offset().0,
                record.value().map(<[u8]>::len),
            )]
        };
        let received = match dice.within(0..=6) {
            0 | 1 => timeout(patience, consumer.recv()).await.map(|received| received.map(of_one)),
            2 => timeout(patience, next(consumer)).await.map(|received| received.map(of_one)),
            3 | 4 => {
                let (max, wait) = (dice.within(1..=50), dice.millis(0..=500));
                let max = usize::try_from(max).unwrap();
                timeout(patience, consumer.recv_many(max, wait)).await.map(|received| {
                    received.map(|records| records.into_iter().flat_map(of_one).collect())
                })
            }
            _ => timeout(patience, consumer.next_batch()).await.map(|received| {
                received.map(|batch| {
                    let partition = batch.topic_partition();
                    batch
                        .iter()
                        .map(|one| {
                            (partition.clone(), one.offset().0, one.value().map(<[u8]>::len))
                        })
                        .collect()
                })
            }),
        };
        self.books.went_away(self.number);
        match received {
            // It lost its patience.
            Err(_) => {}
            Ok(Ok(records)) => {
                for (partition, offset, len) in &records {
                    self.books.delivered(self.number, partition, *offset);
                    let written = self.world.len_of(partition, *offset);
                    self.world.check(*len == Some(written), DeliversItsOwn, || {
                        format!("{partition} {offset} has {len:?} bytes, not {written}")
                    });
                }
                if !is_calm && self.plan.pace > 0 {
                    sleep(dice.millis(0..=self.plan.pace)).await;
                }
            }
            Ok(Err(error)) => self.is_refused(consumer, &error).await,
        }
    }

    async fn is_refused(&self, consumer: &mut Consumer, error: &Error) {
        if error.kind() != ErrorKind::Config {
            self.world.log.say(format_args!("{} cannot receive: {error}", self.number));
        }
        if is_the_end(error) {
            self.is_over.store(true, Ordering::Relaxed);
            self.books.unsubscribed(self.number);
            let again = timeout(Duration::from_secs(2), consumer.recv()).await;
            let is_told = matches!(&again, Ok(Err(again)) if is_the_end(again));
            self.world.check(is_told, Tells, || {
                format!("{} was told {error}, then {again:?}", self.number)
            });
            return sleep(Duration::from_secs(5)).await;
        }
        match (error.kind(), error.context().partition.clone()) {
            (ErrorKind::NoOffset, Some(partition)) => {
                if consumer.seek(&partition, 0).is_ok() {
                    self.books.sought(self.number, &partition, Some(0));
                }
            }
            // Nothing is subscribed: asked again soon.
            (ErrorKind::Config, _) => sleep(Duration::from_millis(180)).await,
            (ErrorKind::MaxPollExceeded, _) => {}
            _ => self.world.check(self.world.is_troubled, NoNeedlessError, || {
                format!("{} cannot receive: {error:?}", self.number)
            }),
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// The next item of the stream of records, which ends where `recv` says that the consumer is
/// closed.
async fn next(consumer: &mut Consumer) -> kavka::Result<ConsumerRecord> {
    match poll_fn(|context| Pin::new(&mut *consumer).poll_next(context)).await {
        Some(item) => item,
        None => consumer.recv().await,
    }
}

/// Whether a consumer can do no more.
fn is_the_end(error: &Error) -> bool {
    error.code() == Some(ErrorCode::FENCED_INSTANCE_ID)
}

impl RebalanceListener for Notes {
    fn on_assigned<'a>(
        &'a self,
        consumer: &'a ConsumerHandle,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a> {
        let Seat { books, number, .. } = &self.seat;
        books.assigned(*number, partitions);
        let busy = books.busy(*number);
        Box::pin(async move {
            let _busy = busy;
            let mut dice = self.dice.lock().unwrap().fork();
            if !*self.seat.calm.borrow() && dice.once_in(5) {
                self.seat.seek(consumer, partitions, &mut dice);
            }
            if dice.once_in(5) {
                sleep(dice.millis(0..=500)).await;
            }
        })
    }

    fn on_revoked<'a>(
        &'a self,
        consumer: &'a ConsumerHandle,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a> {
        let Seat { books, number, world, plan, life, .. } = &self.seat;
        books.going(*number, partitions);
        let busy = books.busy(*number);
        Box::pin(async move {
            let _busy = busy;
            let mut dice = self.dice.lock().unwrap().fork();
            if plan.commits_each.is_none() || dice.once_in(3) {
                let snapshot = books.commits(*number, Some(partitions));
                if world
                    .call(
                        "commit in on_revoked",
                        world.api_timeout(),
                        life,
                        None,
                        consumer.commit(),
                    )
                    .await
                    .is_ok()
                {
                    books.check_committed(CommitHolds, "commit in on_revoked", &snapshot);
                }
            }
            books.gone(*number, partitions);
        })
    }

    fn on_lost<'a>(
        &'a self,
        _: &'a ConsumerHandle,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a> {
        self.seat.books.lost(self.seat.number, partitions);
        Box::pin(std::future::ready(()))
    }
}
