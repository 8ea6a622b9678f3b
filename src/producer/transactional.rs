//! Transactions as an application has them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::accumulator::events::{SenderEvent, TransactionCommand};
use super::rpc::transaction::TransactionOffsets;
use super::sender::TransactionNumber;
use super::transaction::{Phase, TransactionEnd, TransactionStatus, over};
use super::{Delivery, Producer, ProducerConfig, ProducerStats, SendAll, closed};
use crate::cluster::Cluster;
use crate::error::{Error, ErrorKind, Result};
use crate::group_metadata::{ConsumerGroupMetadata, OffsetAndMetadata};
use crate::ids::{TopicPartition, TransactionalId};
use crate::record::Record;
use crate::runtime;

/// Sends records in transactions: consumers with
/// [`IsolationLevel::ReadCommitted`](crate::IsolationLevel::ReadCommitted) see all records of one, or
/// none. Created by [`Client::transactional_producer`](crate::Client::transactional_producer).
///
/// It has one transaction at a time. [`TransactionalProducer::begin`] begins one and borrows the
/// producer until the [`Transaction`] is dropped.
///
/// ```no_run
/// # async fn run(client: kavka::Client) -> kavka::Result<()> {
/// use kavka::{ProducerConfig, Record};
///
/// let config = ProducerConfig::new().transactional_id("billing-1");
/// let mut producer = client.transactional_producer(config)?;
/// let mut transaction = producer.begin().await?;
/// transaction.send(Record::to("debits").key("alice").value("10")).await?;
/// transaction.send(Record::to("credits").key("bob").value("10")).await?;
/// transaction.commit().await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors of its methods
/// How to react is in [`Error::class`]:
/// - [`Class::Retriable`](crate::Class::Retriable): call the same method again.
/// - [`Class::Abortable`](crate::Class::Abortable) ([`ErrorKind::TransactionAbortable`]): abort the
///   transaction, by [`Transaction::abort`] or by dropping it, and go on with the next.
/// - Any other: the producer can do nothing more, as after [`ErrorKind::ProducerFenced`].
#[derive(Debug)]
pub struct TransactionalProducer {
    producer: Producer,
    id: TransactionalId,
}

/// A transaction that is open. Begun by [`TransactionalProducer::begin`].
///
/// Dropping it without [`Transaction::commit`] aborts it; the next
/// [`TransactionalProducer::begin`] waits for that.
#[derive(Debug)]
pub struct Transaction<'p> {
    sender: TransactionSender,
    is_over: bool,
    /// The type system's word that there is one transaction at a time.
    _producer: &'p mut TransactionalProducer,
}

/// Sends records to one transaction. Cheap to clone; any number of tasks can use it at once.
///
/// It may outlive its transaction: then each send fails with [`ErrorKind::TransactionEnded`].
#[derive(Clone, Debug)]
pub struct TransactionSender {
    producer: Producer,
}

impl TransactionalProducer {
    pub(crate) fn start(cluster: &Cluster, config: ProducerConfig) -> Result<Self> {
        let id = config.transactional_id.clone();
        let id =
            id.ok_or_else(|| Error::config("a transactional producer needs a transactional.id"))?;
        Ok(Self { producer: Producer::start(cluster, config)?, id })
    }

    /// Takes the transactional id over: the producer that had it before is fenced, and the
    /// transaction that it left open is aborted.
    ///
    /// [`TransactionalProducer::begin`] does so if it was not done before; call this to find out
    /// early whether it can be done. Waits for at most `max.block.ms`.
    ///
    /// # Errors
    /// - [`ErrorKind::Timeout`] after `max.block.ms`; the producer goes on trying.
    /// - [`ErrorKind::Broker`] with what the coordinator refuses: the id is not allowed, or
    ///   `transaction.timeout.ms` is too long. A later call asks again.
    /// - [`ErrorKind::Closed`] if the client was closed.
    ///
    /// # Cancel safety
    /// Safe: the producer goes on, and the next call waits for the same.
    pub async fn init(&mut self) -> Result<()> {
        let deadline = self.producer.block_deadline();
        let before = self.producer.transaction_status().failures;
        self.producer.command(TransactionCommand::Init);
        self.producer
            .wait_for_transactions("a producer id", deadline, |status| match &status.phase {
                Phase::Ended(error) => Some(Err(error.clone())),
                Phase::Unready if status.failures > before => status.failure.clone().map(Err),
                Phase::Unready => None,
                Phase::Busy if status.ended.is_none() => None,
                Phase::Busy | Phase::Ready | Phase::Open(_) | Phase::Failed(..) => Some(Ok(())),
            })
            .await
    }

    /// Begins a transaction, once the one before has ended. Waits for at most `max.block.ms`.
    ///
    /// # Errors
    /// - [`ErrorKind::Timeout`] after `max.block.ms`: call it again.
    /// - [`ErrorKind::ProducerFenced`] if another producer has the transactional id.
    /// - [`ErrorKind::Broker`] as for [`TransactionalProducer::init`].
    /// - [`ErrorKind::Closed`] if the client was closed.
    ///
    /// # Cancel safety
    /// Safe: what was begun for nobody is aborted by the next call.
    pub async fn begin(&mut self) -> Result<Transaction<'_>> {
        let deadline = self.producer.block_deadline();
        self.settle(deadline).await?;
        let before = self.producer.transaction_status().failures;
        self.producer.command(TransactionCommand::Begin);
        let begun = self
            .producer
            .wait_for_transactions("a transaction", deadline, |status| match &status.phase {
                Phase::Open(transaction) => Some(Ok(*transaction)),
                Phase::Ended(error) => Some(Err(error.clone())),
                Phase::Ready | Phase::Unready if status.failures > before => {
                    status.failure.clone().map(Err)
                }
                _ => None,
            })
            .await?;
        let sender = TransactionSender { producer: self.producer.of_transaction(begun) };
        Ok(Transaction { sender, is_over: false, _producer: self })
    }

    /// Returns the transactional id.
    pub fn transactional_id(&self) -> &TransactionalId {
        &self.id
    }

    /// Returns the producer's counters.
    pub fn stats(&self) -> ProducerStats {
        self.producer.stats()
    }

    /// Aborts the transaction that is open, if one is, and ends the producer.
    ///
    /// # Errors
    /// - [`ErrorKind::Timeout`] if a transaction had not ended within `timeout`; its coordinator
    ///   aborts it after `transaction.timeout.ms`, unless it was being committed.
    /// - [`ErrorKind::Closed`] if the client or its runtime ended first.
    ///
    /// # Cancel safety
    /// If the future is dropped, the producer is dropped with it.
    pub async fn close(mut self, timeout: Duration) -> Result<()> {
        let deadline = runtime::deadline(timeout);
        let settled = self.settle(deadline).await;
        let has_ended = matches!(self.producer.transaction_status().phase, Phase::Ended(_));
        let left = deadline.saturating_duration_since(runtime::now());
        self.producer.close(left).await?;
        if has_ended { Ok(()) } else { settled }
    }

    /// Whether a transaction of this producer was committed, once it has ended; one that nobody has
    /// any more is aborted, unless it is being committed.
    pub(crate) async fn was_committed(&mut self, transaction: TransactionNumber) -> Result<bool> {
        self.settle(self.producer.block_deadline()).await?;
        let ended = self.producer.transaction_status().ended;
        Ok(ended == Some((transaction, TransactionEnd::Commit)))
    }

    /// Waits until no transaction is under way; one that nobody has any more is aborted.
    async fn settle(&mut self, deadline: Instant) -> Result<()> {
        let mut aborts = None;
        let producer = &self.producer;
        producer
            .wait_for_transactions("the end of the last transaction", deadline, |status| {
                match &status.phase {
                    Phase::Ready | Phase::Unready => Some(Ok(())),
                    Phase::Ended(error) => Some(Err(error.clone())),
                    Phase::Open(left) | Phase::Failed(left, _) => {
                        if aborts.replace(*left) != Some(*left) {
                            producer.of_transaction(*left).decide(TransactionEnd::Abort);
                        }
                        None
                    }
                    Phase::Busy => None,
                }
            })
            .await
    }
}

impl Transaction<'_> {
    /// Returns a sender of this transaction for other tasks.
    pub fn sender(&self) -> TransactionSender {
        self.sender.clone()
    }

    /// Adds a record to the transaction, as [`TransactionSender::send`].
    ///
    /// # Errors
    /// As [`TransactionSender::send`].
    ///
    /// # Cancel safety
    /// As [`TransactionSender::send`].
    pub async fn send<'a>(&self, record: impl Into<Record<'a>>) -> Result<Delivery> {
        self.sender.send(record).await
    }

    /// Adds many records to the transaction, as [`TransactionSender::send_all`].
    ///
    /// # Cancel safety
    /// As [`TransactionSender::send_all`].
    pub fn send_all<'p, 'a, I, R>(&'p self, records: I) -> SendAll<'p, 'a, I::IntoIter>
    where
        I: IntoIterator<Item = R>,
        R: Into<Record<'a>>,
    {
        self.sender.send_all(records)
    }

    /// Commits offsets with the transaction: they count if it is committed, and only then (Java's
    /// `sendOffsetsToTransaction`).
    ///
    /// `group` is what [`Consumer::group_metadata`](crate::Consumer::group_metadata) says once the
    /// records have been received, and before others are. Waits for at most `max.block.ms`. Turn `enable.auto.commit` of the consumer
    /// off.
    ///
    /// # Errors
    /// - [`ErrorKind::TransactionAbortable`] if the group has gone on without this member
    ///   (KIP-447), or the group refuses the offsets.
    /// - [`ErrorKind::Timeout`] after `max.block.ms`; the producer goes on trying, and the commit
    ///   waits for it.
    /// - [`ErrorKind::TransactionEnded`] after the transaction.
    /// - [`ErrorKind::ProducerFenced`], [`ErrorKind::Broker`], [`ErrorKind::Closed`]: the producer
    ///   can do nothing more.
    ///
    /// # Cancel safety
    /// If the future is dropped, the offsets are sent all the same.
    pub async fn send_offsets<O: Into<OffsetAndMetadata>>(
        &self,
        offsets: impl IntoIterator<Item = (TopicPartition, O)>,
        group: &ConsumerGroupMetadata,
    ) -> Result<()> {
        let offsets: BTreeMap<_, _> =
            offsets.into_iter().map(|(partition, offset)| (partition, offset.into())).collect();
        if offsets.is_empty() {
            return Ok(());
        }
        let producer = &self.sender.producer;
        let deadline = producer.block_deadline();
        let (reply, answer) = oneshot::channel();
        let sent = Box::new(TransactionOffsets { offsets, group: group.clone() });
        producer.command(TransactionCommand::SendOffsets(producer.transaction, sent, reply));
        tokio::select! {
            biased;
            answer = answer => answer.unwrap_or_else(|_| Err(closed())),
            () = producer.handle.runtime.cancelled().cancelled() => Err(closed()),
            () = runtime::sleep_until(deadline) => Err(producer.late("the group's answer")),
        }
    }

    /// Commits the transaction, once every record of it is written.
    ///
    /// No record is accepted from this call on. Waits for at most `max.block.ms`.
    ///
    /// # Errors
    /// - [`ErrorKind::TransactionAbortable`] if a record, a partition or offsets failed: nothing of
    ///   the transaction is visible, and it must be aborted.
    /// - [`ErrorKind::Timeout`] after `max.block.ms`: the commit goes on; call this again to learn
    ///   its end. Whoever starts over instead does twice what is committed yet.
    /// - [`ErrorKind::TransactionEnded`] if it was aborted.
    /// - [`ErrorKind::ProducerFenced`], [`ErrorKind::Broker`], [`ErrorKind::Closed`]: the producer
    ///   can do nothing more. Whether the transaction was committed is not known.
    ///
    /// # Cancel safety
    /// Safe: the decision stands from the first poll. If the future is dropped the transaction is
    /// committed all the same, and another call returns the same answer.
    pub async fn commit(&mut self) -> Result<()> {
        let outcome = self.end(TransactionEnd::Commit).await;
        self.is_over |= outcome.is_ok();
        outcome
    }

    /// Aborts the transaction: records that have no verdict fail with
    /// [`ErrorKind::TransactionEnded`], and nothing of the others becomes visible to readers of
    /// committed records. Waits for at most `max.block.ms`.
    ///
    /// # Errors
    /// - [`ErrorKind::TransactionEnded`] if it was committed.
    /// - [`ErrorKind::Timeout`] after `max.block.ms`: the abort goes on.
    /// - [`ErrorKind::ProducerFenced`], [`ErrorKind::Broker`], [`ErrorKind::Closed`]: the producer
    ///   can do nothing more. The coordinator has aborted the transaction, or will.
    ///
    /// # Cancel safety
    /// Safe: if the future is dropped, the transaction is aborted all the same.
    pub async fn abort(&mut self) -> Result<()> {
        let outcome = self.end(TransactionEnd::Abort).await;
        self.is_over |= outcome.is_ok();
        outcome
    }

    /// Sends offsets, if any are given, and commits, without waiting in between: one round trip less
    /// than [`Transaction::send_offsets`] and [`Transaction::commit`], and their errors.
    pub(crate) async fn commit_with(
        &mut self,
        offsets: Option<(BTreeMap<TopicPartition, OffsetAndMetadata>, ConsumerGroupMetadata)>,
    ) -> Result<()> {
        if let Some((offsets, group)) = offsets {
            let producer = &self.sender.producer;
            // Why they are refused the commit says, too.
            let (reply, _) = oneshot::channel();
            let sent = Box::new(TransactionOffsets { offsets, group });
            producer.command(TransactionCommand::SendOffsets(producer.transaction, sent, reply));
        }
        self.commit().await
    }

    pub(crate) fn number(&self) -> TransactionNumber {
        self.sender.producer.transaction
    }

    /// Whether it can only be aborted.
    pub(crate) fn has_failed(&self) -> bool {
        let own = self.sender.producer.transaction;
        match self.sender.producer.transaction_status().phase {
            Phase::Failed(failed, _) => failed == own,
            Phase::Ended(_) => true,
            _ => false,
        }
    }

    async fn end(&mut self, end: TransactionEnd) -> Result<()> {
        let producer = &self.sender.producer;
        let deadline = producer.block_deadline();
        producer.decide(end);
        let own = producer.transaction;
        producer
            .wait_for_transactions("the end of the transaction", deadline, |status| {
                match (&status.phase, status.ended) {
                    (_, Some((ended, how))) if ended == own => {
                        Some(if how == end { Ok(()) } else { Err(ended_otherwise(how)) })
                    }
                    (Phase::Ended(error), _) => Some(Err(error.clone())),
                    (Phase::Failed(failed, error), _)
                        if *failed == own && end == TransactionEnd::Commit =>
                    {
                        Some(Err(error.clone()))
                    }
                    _ => None,
                }
            })
            .await
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.sender.producer.decide(TransactionEnd::Abort);
        }
    }
}

impl TransactionSender {
    /// Adds a record to the transaction, as [`Producer::send`](crate::Producer::send).
    ///
    /// A [`Delivery`] that fails fails the transaction; a record that this call refuses is not part
    /// of it.
    ///
    /// # Errors
    /// - [`ErrorKind::TransactionEnded`] after the transaction, or when its commit has begun.
    /// - [`ErrorKind::TransactionAbortable`] if the transaction has failed.
    /// - [`ErrorKind::ProducerFenced`] if another producer has the transactional id.
    /// - Otherwise as [`Producer::send`](crate::Producer::send).
    ///
    /// # Cancel safety
    /// If the future is dropped before it completes, the record is not sent.
    pub async fn send<'a>(&self, record: impl Into<Record<'a>>) -> Result<Delivery> {
        self.producer.send(record).await
    }

    /// Adds a record to the transaction without waiting, or fails, as
    /// [`Producer::try_send`](crate::Producer::try_send).
    ///
    /// # Errors
    /// As [`TransactionSender::send`] and [`Producer::try_send`](crate::Producer::try_send).
    pub fn try_send<'a>(&self, record: impl Into<Record<'a>>) -> Result<Delivery> {
        self.producer.try_send(record)
    }

    /// Adds many records to the transaction, as [`Producer::send_all`](crate::Producer::send_all).
    ///
    /// # Cancel safety
    /// If the future is dropped before it completes, some of the first records may have been
    /// accepted; these are sent.
    pub fn send_all<'p, 'a, I, R>(&'p self, records: I) -> SendAll<'p, 'a, I::IntoIter>
    where
        I: IntoIterator<Item = R>,
        R: Into<Record<'a>>,
    {
        self.producer.send_all(records)
    }

    /// Sends all accepted records without lingering, and waits until each is acknowledged or has
    /// failed, as [`Producer::flush`](crate::Producer::flush).
    ///
    /// # Errors
    /// [`ErrorKind::Closed`] if the producer or its client is closed before that.
    ///
    /// # Cancel safety
    /// Safe: the accepted records are sent nevertheless.
    pub async fn flush(&self) -> Result<()> {
        self.producer.flush().await
    }
}

/// What the handles above share.
impl Producer {
    fn of_transaction(&self, transaction: TransactionNumber) -> Self {
        Self { handle: self.handle.clone(), transaction }
    }

    fn command(&self, command: TransactionCommand) {
        self.handle.shared.accumulator.events.push(SenderEvent::Transaction(command));
    }

    /// Says how the transaction is to end. Whoever was appending to it has finished before that is
    /// said, so that a commit is of all that was accepted.
    fn decide(&self, end: TransactionEnd) {
        self.handle.shared.topics.close(self.transaction, &over());
        self.handle.shared.changed.notify_waiters();
        self.command(match end {
            TransactionEnd::Commit => TransactionCommand::Commit(self.transaction),
            TransactionEnd::Abort => TransactionCommand::Abort(self.transaction),
        });
    }

    fn block_deadline(&self) -> Instant {
        runtime::now() + self.handle.shared.config.max_block
    }

    fn transaction_status(&self) -> TransactionStatus {
        self.handle.shared.transactions.borrow().clone()
    }

    /// Waits until the status has an answer.
    async fn wait_for_transactions<T>(
        &self,
        what: &str,
        deadline: Instant,
        mut answer: impl FnMut(&TransactionStatus) -> Option<Result<T>>,
    ) -> Result<T> {
        let mut status = self.handle.shared.transactions.subscribe();
        loop {
            let told = status.borrow_and_update().clone();
            if let Some(answer) = answer(&told) {
                return answer;
            }
            tokio::select! {
                biased;
                changed = status.changed() => changed.map_err(|_| closed())?,
                () = self.handle.runtime.cancelled().cancelled() => return Err(closed()),
                () = runtime::sleep_until(deadline) => return Err(self.late(what)),
            }
        }
    }

    fn late(&self, what: &str) -> Error {
        let limit = self.handle.shared.config.max_block.as_millis();
        let message = format!("waited for {what} longer than {limit} ms (max.block.ms)");
        let error = Error::new(ErrorKind::Timeout, message);
        let failure = self.transaction_status().failure;
        match failure.or_else(|| self.handle.cluster.watch_failure().borrow().clone()) {
            Some(failure) => error.with_context(&failure).with_source(failure),
            None => error,
        }
    }
}

fn ended_otherwise(how: TransactionEnd) -> Error {
    let message = match how {
        TransactionEnd::Commit => "the transaction was committed",
        TransactionEnd::Abort => "the transaction was aborted",
    };
    Error::new(ErrorKind::TransactionEnded, message)
}
