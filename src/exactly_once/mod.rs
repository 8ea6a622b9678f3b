//! Consume, transform, produce: exactly once.
//!
//! ```text
//!  next_batch ─▶ handler ─▶ sender of the transaction ─▶ … until it is due ─▶ offsets, commit
//!       ▲                                                       │
//!       └── back to what is committed ◀── abort ◀── anything fails, partitions are lost
//! ```
//!
//! The rebalance listener and this loop take turns: a partition goes only when the transaction that
//! has records of it has ended, so that what is sent under the member's present generation is always
//! its own (KIP-447).

mod ending;
mod input;
mod rebalance;
mod unit;

use std::future::Future;
use std::time::Duration;

#[cfg(feature = "mq")]
pub(crate) use self::ending::{abort, commit};
use self::input::{Due, Input};
use self::rebalance::PassOn;
use crate::cluster::Cluster;
use crate::consumer::{Consumer, ConsumerConfig, ConsumerHandle, IsolationLevel, RecordBatch};
use crate::error::{Error, Result};
use crate::ids::TopicName;
use crate::producer::{
    ProducerConfig, TransactionNumber, TransactionSender, TransactionalProducer,
};
use crate::runtime;

/// Reads records as a member of a group, has them processed, and writes the results so that each
/// record counts exactly once: outputs and the group's offsets are committed in one transaction, or
/// not at all. Created by [`Client::exactly_once`](crate::Client::exactly_once).
///
/// ```no_run
/// # async fn run(client: kavka::Client) -> kavka::Result<()> {
/// use kavka::{AutoOffsetReset, ConsumerConfig, ProducerConfig, Record};
///
/// let input = ConsumerConfig::new().group_id("billing").auto_offset_reset(AutoOffsetReset::Earliest);
/// let output = ProducerConfig::new().transactional_id("billing-1");
/// let mut session = client.exactly_once(input, output)?;
/// session.subscribe(["orders"])?;
/// session
///     .run(|batch, output| async move {
///         for order in &batch {
///             drop(output.send(Record::to("invoices").key(order.key()).value(order.value())).await?);
///         }
///         kavka::Result::Ok(())
///     })
///     .await
/// # }
/// ```
///
/// What the outputs depend on must be in the records: a handler is called again with records whose
/// transaction was aborted, as after a rebalance. Effects outside of Kafka happen as often as it is
/// called.
///
/// Give every instance of a service a `transactional.id` of its own, and the same one when it is
/// started anew: it then aborts at once what its predecessor has left open.
#[derive(Debug)]
pub struct ExactlyOnce {
    input: Input,
    producer: TransactionalProducer,
    due: Due,
    /// A transaction that is being committed, which goes on if nobody waits for it.
    committing: Option<TransactionNumber>,
}

impl ExactlyOnce {
    pub(crate) fn start(
        cluster: &Cluster,
        consumer: ConsumerConfig,
        producer: ProducerConfig,
    ) -> Result<Self> {
        if consumer.group_id.is_none() {
            return Err(Error::config("exactly once needs a group.id, whose offsets it commits"));
        }
        let consumer = consumer
            .enable_auto_commit(false)
            .enable_auto_offset_store(true)
            .isolation_level(IsolationLevel::ReadCommitted);
        let consumer = Consumer::start(cluster, consumer)?;
        let (pass_on, leaving) = PassOn::new();
        consumer.rebalance_listener(pass_on);
        let producer = TransactionalProducer::start(cluster, producer)?;
        Ok(Self {
            input: Input::new(consumer, leaving),
            producer,
            due: Due::default(),
            committing: None,
        })
    }

    /// Sets after how long a transaction is committed, counted from its first record (default
    /// 100 ms, as `commit.interval.ms` of Kafka Streams with exactly once).
    ///
    /// Consumers that read committed records see outputs that much later; each commit costs
    /// requests and a marker in each partition.
    #[must_use]
    pub fn commit_interval(mut self, interval: Duration) -> Self {
        self.due.interval = interval;
        self
    }

    /// Sets after how many records a transaction is committed before its time (default 10,000).
    #[must_use]
    pub fn max_records(mut self, records: usize) -> Self {
        self.due.records = records.max(1);
        self
    }

    /// Subscribes to topics, as [`Consumer::subscribe`](crate::Consumer::subscribe).
    ///
    /// # Errors
    /// As [`Consumer::subscribe`](crate::Consumer::subscribe).
    pub fn subscribe<T: Into<TopicName>>(&self, topics: impl IntoIterator<Item = T>) -> Result<()> {
        self.input.consumer.subscribe(topics)
    }

    /// Returns the consumer's handle, to look at lag and positions. Seeks and commits through it
    /// are not part of a transaction.
    pub fn consumer(&self) -> ConsumerHandle {
        self.input.consumer.handle()
    }

    /// Calls a handler with batches of records and commits, until the handler fails or the session
    /// cannot go on.
    ///
    /// The handler gets the records of one partition at a time, in order, and a sender of the
    /// transaction. It need not await deliveries: the commit does, and if one fails the transaction
    /// is aborted and its records come again. When the handler returns an error of its own, the
    /// transaction is aborted and the error returned; a further call of `run` begins with the same
    /// records.
    ///
    /// # Errors
    /// - The handler's own.
    /// - [`ErrorKind::ProducerFenced`](crate::ErrorKind::ProducerFenced) if another instance has the
    ///   `transactional.id`.
    /// - As [`Consumer::next_batch`](crate::Consumer::next_batch) and
    ///   [`TransactionalProducer::begin`](crate::TransactionalProducer::begin), but for what passes
    ///   by itself.
    ///
    /// # Cancel safety
    /// Safe: if the future is dropped, the transaction is aborted, and a further call begins with
    /// its records. To stop, drop it and call [`ExactlyOnce::close`].
    pub async fn run<F, Fut, E>(&mut self, mut handler: F) -> Result<(), E>
    where
        F: FnMut(RecordBatch, TransactionSender) -> Fut,
        Fut: Future<Output = Result<(), E>>,
        E: From<Error>,
    {
        loop {
            self.unit(&mut handler).await?;
        }
    }

    /// Aborts what is open, leaves the group, and ends the session.
    ///
    /// # Errors
    /// As [`TransactionalProducer::close`](crate::TransactionalProducer::close) and
    /// [`Consumer::close`](crate::Consumer::close).
    ///
    /// # Cancel safety
    /// If the future is dropped, the session is dropped with it.
    pub async fn close(self, timeout: Duration) -> Result<()> {
        let deadline = runtime::deadline(timeout);
        let consumer = self.input.into_consumer();
        let produced = self.producer.close(timeout).await;
        let left = deadline.saturating_duration_since(runtime::now());
        consumer.close(left).await.and(produced)
    }
}
