//! Writers of the input: transactions of records that count what they were told.

use std::sync::Arc;

use kavka::{
    Class, Error, ErrorKind, Record, Transaction, TransactionSender, TransactionalProducer,
};
use tokio::time::sleep;

use super::calls::Called;
use super::ledger::{Outcome, Told};
use super::{CLOSE, INPUT, Stage, WriterPlan};
use crate::dice::Dice;

/// How often a commit is asked for again before its end is given up.
const COMMITS: usize = 4;

struct Writer {
    stage: Arc<Stage>,
    index: usize,
    plan: WriterPlan,
    dice: Dice,
    begun: u64,
    is_worn: bool,
}

pub(super) async fn write(stage: Arc<Stage>, index: usize, plan: WriterPlan, dice: Dice) {
    let mut writer = Writer { stage, index, plan, dice, begun: 0, is_worn: false };
    while writer.begun < writer.plan.transactions {
        writer.live().await;
    }
    writer.stage.world.log.say(format_args!("writer {index} is done"));
}

impl Writer {
    /// Lives as one process does.
    async fn live(&mut self) {
        let stage = Arc::clone(&self.stage);
        let client = stage.world.client(&format!("writer-{}", self.index), &mut self.dice);
        let config = self.plan.settings.config.clone();
        let config = config.transactional_id(self.plan.transactional_id.as_str());
        let mut producer = client.transactional_producer(config).unwrap();
        let mut is_usable = true;
        while is_usable && self.begun < self.plan.transactions {
            self.begun += 1;
            let name = format!("{}-{}", self.index, self.begun);
            is_usable = self.transact(&mut producer, &name).await && !self.dice.once_in(8);
            sleep(self.dice.millis(0..=300)).await;
        }
        self.wear_epochs();
        if self.dice.once_in(2) {
            let closing = async {
                let _it_may_not_end = producer.close(CLOSE).await;
                client.close(CLOSE).await
            };
            stage.world.in_time("closing a writer", 2 * CLOSE, closing).await;
        }
        stage.world.log.say(format_args!("writer {} is gone", self.index));
    }

    /// The epochs of the producer id are nearly used up, once.
    fn wear_epochs(&mut self) {
        if self.plan.is_alone && !self.is_worn && self.dice.once_in(4) {
            let epoch = i16::try_from(self.dice.within(32_755..=32_766)).unwrap();
            let id = &self.plan.transactional_id;
            self.is_worn = self.stage.world.embedded.set_producer_epoch(id, epoch);
            self.stage.world.log.say(format_args!("{id} is at epoch {epoch}: {}", self.is_worn));
        }
    }

    /// One transaction; whether the producer can go on.
    async fn transact(&mut self, producer: &mut TransactionalProducer, name: &str) -> bool {
        let stage = Arc::clone(&self.stage);
        let longest = self.plan.settings.max_block;
        let begun = stage.call("begin", longest, &mut self.dice, 12, producer.begin()).await;
        let mut transaction = match begun {
            Called::Ended(Ok(transaction)) => transaction,
            Called::Ended(Err(error)) => return goes_on(&error),
            Called::Dropped => return true,
        };
        stage.world.log.say(format_args!("{name} has begun"));
        // Another task sends to it, and does not know when it ends.
        let straggler = self.dice.once_in(3).then(|| {
            let (stage, dice) = (Arc::clone(&stage), self.dice.fork());
            tokio::spawn(straggle(stage, transaction.sender(), name.to_owned(), dice))
        });
        let values = self.fill(&transaction, name).await;
        let (outcome, is_usable) = match self.dice.within(0..=9) {
            0 => {
                drop(transaction);
                (Outcome::NotCommitted, !self.dice.once_in(2))
            }
            1 | 2 => (Outcome::NotCommitted, self.abort(&mut transaction).await),
            _ => self.commit(&mut transaction).await,
        };
        stage.world.log.say(format_args!("{name} of {} is {outcome:?}", values.len()));
        let mut senders = vec![values];
        if let Some(straggler) = straggler {
            senders.push(straggler.await.unwrap());
        }
        stage.ledger.tell(name, Told { senders, outcome });
        if outcome == Outcome::Committed && self.plan.is_alone && self.dice.once_in(12) {
            let has_expired =
                stage.world.embedded.expire_transactional_id(&self.plan.transactional_id);
            stage.world.log.say(format_args!("the id of {name} expires: {has_expired}"));
        }
        is_usable
    }

    /// Gives what the transaction has taken.
    async fn fill(&mut self, transaction: &Transaction<'_>, name: &str) -> Vec<(i32, String)> {
        let stage = Arc::clone(&self.stage);
        let mut values = Vec::new();
        for number in 0..self.dice.within(1..=self.plan.most_records) {
            let padding = "x".repeat(usize::try_from(self.dice.within(0..=120)).unwrap());
            let value = format!("{name}-{number}-{padding}");
            let partitions = u64::from(stage.partitions.unsigned_abs());
            let partition = i32::try_from(self.dice.next() % partitions).unwrap();
            let record = Record::to(INPUT).partition(partition).value(&value);
            let sending = transaction.send(record);
            let longest = self.plan.settings.max_block;
            match stage.call("send", longest, &mut self.dice, 40, sending).await {
                Called::Ended(Ok(_)) => values.push((partition, value)),
                Called::Ended(Err(_)) => {
                    stage.ledger.refused(value);
                    break;
                }
                Called::Dropped => stage.ledger.refused(value),
            }
            if self.dice.once_in(4) {
                sleep(self.dice.millis(0..=300)).await;
            }
        }
        values
    }

    async fn commit(&mut self, transaction: &mut Transaction<'_>) -> (Outcome, bool) {
        let stage = Arc::clone(&self.stage);
        let longest = self.plan.settings.max_block;
        for _ in 0..COMMITS {
            let commit = transaction.commit();
            match stage.call("commit", longest, &mut self.dice, 6, commit).await {
                Called::Ended(Ok(())) => {
                    if self.dice.once_in(10) {
                        let is_refused = transaction.abort().await.is_err();
                        stage.world.log.check(is_refused, || "an abort after a commit".to_owned());
                    }
                    return (Outcome::Committed, true);
                }
                Called::Ended(Err(error)) => match error.kind() {
                    ErrorKind::TransactionAbortable => {
                        return (Outcome::NotCommitted, self.abort(transaction).await);
                    }
                    ErrorKind::TransactionEnded => return (Outcome::NotCommitted, true),
                    ErrorKind::Timeout => {}
                    _ => return (Outcome::Unknown, goes_on(&error)),
                },
                Called::Dropped if self.dice.once_in(2) => break,
                Called::Dropped => {}
            }
        }
        (Outcome::Unknown, !self.dice.once_in(3))
    }

    /// Whether the producer can go on.
    async fn abort(&mut self, transaction: &mut Transaction<'_>) -> bool {
        let stage = Arc::clone(&self.stage);
        let longest = self.plan.settings.max_block;
        match stage.call("abort", longest, &mut self.dice, 6, transaction.abort()).await {
            Called::Ended(Ok(())) => {
                if self.dice.once_in(10) {
                    let is_refused = transaction.commit().await.is_err();
                    stage.world.log.check(is_refused, || "a commit after an abort".to_owned());
                }
                true
            }
            Called::Ended(Err(error)) => {
                stage.world.log.check(error.kind() != ErrorKind::TransactionEnded, || {
                    "it was committed, but nobody has asked for that".to_owned()
                });
                goes_on(&error)
            }
            Called::Dropped => true,
        }
    }
}

/// Sends to a transaction for as long as it takes something; gives what that was.
async fn straggle(
    stage: Arc<Stage>,
    sender: TransactionSender,
    name: String,
    mut dice: Dice,
) -> Vec<(i32, String)> {
    let mut values = Vec::new();
    for number in 0..dice.within(1..=200) {
        let value = format!("{name}-straggler-{number}-");
        let partitions = u64::from(stage.partitions.unsigned_abs());
        let partition = i32::try_from(dice.next() % partitions).unwrap();
        if sender.send(Record::to(INPUT).partition(partition).value(&value)).await.is_err() {
            stage.ledger.refused(value);
            break;
        }
        values.push((partition, value));
        sleep(dice.millis(0..=20)).await;
    }
    values
}

/// Whether the producer is of use after an error.
pub(super) fn goes_on(error: &Error) -> bool {
    matches!(error.class(), Class::Retriable | Class::Abortable)
        || error.kind() == ErrorKind::TransactionEnded
}
