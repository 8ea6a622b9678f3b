//! Producing: from records to brokers.
//!
//! ```text
//!  Producer::send ─▶ topics (which partition?) ─▶ batch (append) ─▶ events ─▶ task ⇄ sender (the rules)
//!  Delivery ◀─ delivery (one outcome per batch) ◀──────────────────────────── task ⇄ rpc ⇄ cluster
//! ```
//! A record is copied once, by the caller, into the open batch of its partition. From there on only
//! batches move.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};

mod accumulator;
#[cfg(feature = "test-util")]
pub(crate) mod bench;
mod config;
mod delivery;
mod known_partitioner;
mod observer;
mod partitioner;
mod purge;
mod rpc;
mod send_all;
mod sender;
mod sink;
mod stats;
mod task;
mod topic_config;
mod topics_in_use;
mod transaction;
mod transactional;
mod unknown_topics;

pub use config::{Acks, ProducerConfig};
pub use delivery::Delivery;
pub use known_partitioner::KnownPartitioner;
pub use partitioner::{Partitioner, TopicPartitions};
pub use purge::Purge;
pub use send_all::{Deliveries, SendAll};
pub use sender::adaptive_linger::AdaptiveBatching;
pub use sink::ProducerSink;
pub use stats::ProducerStats;
pub use topic_config::ProducerTopicConfig;
pub use transactional::{Transaction, TransactionSender, TransactionalProducer};

use accumulator::append::SendRefusal;
use accumulator::buffer_pool::Buffers;
use accumulator::events::{SenderEvent, SenderEvents};
use accumulator::memory::BufferMemory;
use accumulator::partition::AccumulatorShared;
use accumulator::topics::{Intake, ProducerTopics};
use observer::ProducerObserver;
pub(crate) use sender::TransactionNumber;
use stats::Counters;
use task::SenderTask;
use transaction::{TransactionMachine, TransactionStatus};
use unknown_topics::Wishes;

use crate::client_telemetry::{ClientTelemetry, Readings};
use crate::clock::WallClock;
use crate::cluster::{Cluster, Lane, LaneGuard};
use crate::error::{Error, ErrorKind, Result, Written};
use crate::ids::ClientInstanceId;
use crate::record::Record;
use crate::runtime::{self, Runtime};
use crate::watch;

/// Sends records. Created by [`Client::producer`](crate::Client::producer). Cheap to clone; any
/// number of tasks can use it at once.
///
/// The records of one partition are written exactly once and in the order in which `send` accepted
/// them, also when batches are retried, unless idempotence is turned off
/// (`enable.idempotence=false`).
///
/// Dropping the last clone ends the producer at once: records not yet acknowledged fail with
/// [`ErrorKind::Closed`]. See [`Producer::close`].
#[derive(Clone, Debug)]
pub struct Producer {
    handle: Arc<Handle>,
    /// The transaction that its records are of; 0 for none.
    transaction: TransactionNumber,
}

/// What the clones of a producer share; its task does not hold it.
#[derive(Debug)]
struct Handle {
    shared: Arc<ProducerShared>,
    cluster: Cluster,
    runtime: Runtime,
    metrics: ClientTelemetry,
    counters: Arc<Counters>,
    _lanes: LaneGuard,
}

/// What a producer and its task share.
#[derive(Debug)]
struct ProducerShared {
    config: ProducerConfig,
    /// Some topic has a partitioner of the user's.
    has_partitioner: bool,
    accumulator: AccumulatorShared,
    topics: ProducerTopics,
    wishes: Wishes,
    /// The end of the task has left records without acknowledgement.
    has_lost: AtomicBool,
    /// Told when `topics` changes.
    changed: Notify,
    /// The `seq` of the oldest batch that has no verdict.
    oldest: watch::Publisher<Option<u64>>,
    /// Where a transactional producer stands.
    transactions: watch::Publisher<TransactionStatus>,
}

impl ProducerShared {
    fn new(config: ProducerConfig, wall_clock: WallClock) -> Self {
        let accumulator = AccumulatorShared {
            memory: BufferMemory::new(config.buffer_memory),
            buffers: Buffers::new(config.batch_size),
            events: SenderEvents::default(),
            wall_clock,
            small_record: config
                .adaptive_batching
                .map_or(usize::MAX, |adaptive| adaptive.small_record),
            next_batch_seq: AtomicU64::new(0),
            // The window, and the batch itself; but packing can begin while a batch waits.
            backlog: u32::try_from(config.max_in_flight_requests_per_connection)
                .ok()
                .filter(|_| !config.has_compression())
                .map_or(u32::MAX, |window| window + 1),
        };
        let topics = ProducerTopics::default();
        let (wishes, has_lost) = (Wishes::default(), AtomicBool::new(false));
        if config.transactional_id.is_some() {
            topics.change(|known| known.intake = Intake::Closed(0, transaction::over()));
        }
        Self {
            has_partitioner: config.has_partitioner(),
            config,
            accumulator,
            topics,
            wishes,
            has_lost,
            changed: Notify::new(),
            oldest: watch::Publisher::new(None),
            transactions: watch::Publisher::new(TransactionMachine::new().status()),
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.runtime.cancel();
    }
}

impl Producer {
    /// Starts a producer's task.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for impossible settings.
    pub(crate) fn start(cluster: &Cluster, config: ProducerConfig) -> Result<Self> {
        config.validate(cluster.config())?;
        let runtime = cluster.runtime().child();
        let shared = Arc::new(ProducerShared::new(config, cluster.wall_clock().clone()));
        let lanes = cluster.lanes();
        let recorder = cluster.recorder().producer(shared.accumulator.memory.size());
        let listeners = cluster.listeners();
        let observer = ProducerObserver::new(recorder, listeners.clone());
        let (counters, meter) = (observer.counters(), observer.meter());
        if let Some(statistics) = listeners.statistics() {
            statistics.add(stats::reading(&shared));
        }
        let lane = Lane::Produce(lanes.id());
        let task = SenderTask::new(Arc::clone(&shared), cluster, lane, observer);
        runtime.spawn(task.run());
        let metrics = ClientTelemetry::start(cluster, &runtime, meter, Readings::default);
        Ok(Self {
            handle: Arc::new(Handle {
                shared,
                cluster: cluster.clone(),
                runtime,
                metrics,
                counters,
                _lanes: lanes,
            }),
            transaction: 0,
        })
    }

    /// Adds a record to a batch, and returns a future that resolves to the record's outcome.
    ///
    /// Key, value and headers are copied. The call waits, for at most `max.block.ms`, while the
    /// topic's partitions are unknown or `buffer.memory` is exhausted; it never waits for a
    /// broker's acknowledgement. The batch is sent when `batch.size` is reached, or after
    /// `linger.ms` at the latest.
    ///
    /// ```no_run
    /// # async fn run(producer: kavka::Producer) -> kavka::Result<()> {
    /// use kavka::Record;
    ///
    /// let delivery = producer.send(Record::to("orders").key("customer-7").value("tea")).await?;
    /// let metadata = delivery.await?;
    /// println!("{:?}", metadata.offset);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The record was not sent:
    /// - [`ErrorKind::BufferFull`] if `buffer.memory` had no room, or [`ErrorKind::Timeout`] if the
    ///   topic's partitions were not known, within `max.block.ms`.
    /// - [`ErrorKind::RecordTooLarge`] if the record exceeds `max.request.size` or `buffer.memory`.
    /// - [`ErrorKind::Closed`] if the producer or its client was closed.
    /// - [`ErrorKind::Broker`] and others with the reason for which the cluster refuses the topic
    ///   or this client.
    ///
    /// # Ordering
    /// Records sent by one task to one partition are written in that order. A task that has to wait
    /// may be overtaken by other tasks.
    ///
    /// # Cancel safety
    /// If the future is dropped before it completes, the record is not sent.
    pub async fn send<'a>(&self, record: impl Into<Record<'a>>) -> Result<Delivery> {
        let record = record.into();
        if self.handle.runtime.should_yield(record.value.map_or(0, <[u8]>::len)) {
            return Box::pin(self.send_after_yield(record)).await;
        }
        match self.handle.shared.accept(self.transaction, &record, &mut None) {
            Ok(delivery) => Ok(delivery),
            Err(refusal) => Box::pin(self.send_patiently(record, refusal)).await,
        }
    }

    /// Adds a record to a batch without waiting, or fails.
    ///
    /// # Errors
    /// - [`ErrorKind::BufferFull`] if `buffer.memory` has no room.
    /// - [`ErrorKind::NoMetadata`] if the topic's partitions are not known; the call requests them,
    ///   so that a later attempt may succeed.
    /// - Otherwise as [`Producer::send`].
    pub fn try_send<'a>(&self, record: impl Into<Record<'a>>) -> Result<Delivery> {
        let shared = &self.handle.shared;
        let record = record.into();
        shared.accept(self.transaction, &record, &mut None).map_err(|refusal| match refusal {
            SendRefusal::NoTopic => {
                if shared.wishes.attempt(record.topic, runtime::now()) {
                    shared.accumulator.events.push(SenderEvent::UnknownTopic);
                }
                Error::new(
                    ErrorKind::NoMetadata,
                    format!("the partitions of {} are not known yet", record.topic),
                )
                .with_written(Written::No)
            }
            SendRefusal::NoRoom(bytes) => {
                shared.accumulator.events.push(SenderEvent::MemoryExhausted);
                let size = shared.accumulator.memory.size();
                let message = format!(
                    "{bytes} bytes find no room in buffer.memory, {size} bytes: wait for \
                     deliveries, or raise it"
                );
                Error::new(ErrorKind::BufferFull, message).with_written(Written::No)
            }
            SendRefusal::Failed(error) => self.look_again(error),
        })
    }

    /// A topic that the cluster refused to describe may be permitted by now: the next record finds
    /// out.
    fn look_again(&self, error: Error) -> Error {
        if error.kind() == ErrorKind::Broker {
            self.handle.cluster.request_refresh();
        }
        error
    }

    /// Sends all accepted records without lingering, and waits until each is acknowledged or has
    /// failed.
    ///
    /// Records accepted in the meantime are not waited for. Failures are reported by each record's
    /// [`Delivery`].
    ///
    /// # Errors
    /// [`ErrorKind::Closed`] if the producer or its client is closed before that.
    ///
    /// # Cancel safety
    /// Safe: the accepted records are sent nevertheless.
    pub async fn flush(&self) -> Result<()> {
        let (done, told) = oneshot::channel();
        self.handle.shared.accumulator.events.push(SenderEvent::Flush(done));
        let settled = async {
            let Ok(newest) = told.await else { return Err(closed()) };
            // The task keeps nothing of whoever waits, and may give up at any time.
            let mut oldest = self.handle.shared.oldest.subscribe();
            oldest
                .wait_for(|oldest| *oldest > newest || oldest.is_none())
                .await
                .map(drop)
                .map_err(|_| closed())
        };
        tokio::select! {
            biased;
            settled = settled => settled,
            () = self.handle.runtime.cancelled().cancelled() => Err(closed()),
        }
    }

    /// Fails records that have no acknowledgement yet, at once, as librdkafka's `rd_kafka_purge`.
    ///
    /// Their [`Delivery`] ends with [`ErrorKind::Purged`], and [`Error::written`] tells whether they
    /// may be in the log nevertheless; their memory is free again. When this returns, that is so of
    /// all records that were accepted before the call. Records accepted meanwhile may be purged too.
    /// Records of a transaction are purged by [`Transaction::abort`].
    ///
    /// ```no_run
    /// # async fn run(producer: kavka::Producer) -> kavka::Result<()> {
    /// use kavka::Purge;
    ///
    /// // The topic has been deleted: nothing of it can be written any more.
    /// producer.purge(Purge::all().topics(["orders"])).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Closed`] if the producer or its client is closed.
    ///
    /// # Cancel safety
    /// From the first poll on, the records are purged even if the future is dropped.
    pub async fn purge(&self, records: Purge) -> Result<()> {
        let (done, told) = oneshot::channel();
        self.handle.shared.accumulator.events.push(SenderEvent::Purge(records, done));
        tokio::select! {
            biased;
            told = told => told.map_err(|_| closed()),
            () = self.handle.runtime.cancelled().cancelled() => Err(closed()),
        }
    }

    /// Stops accepting records, waits until every accepted record is acknowledged or has failed,
    /// and ends the producer with all its clones.
    ///
    /// # Errors
    /// Records without an acknowledgement have failed with [`ErrorKind::Closed`]:
    /// - [`ErrorKind::Timeout`] if some were not acknowledged within `timeout`.
    /// - [`ErrorKind::Closed`] if the client or its runtime ended first.
    ///
    /// # Cancel safety
    /// If the future is dropped, no further records are accepted; those already accepted are still
    /// sent, until the last clone is dropped.
    pub async fn close(self, timeout: Duration) -> Result<()> {
        self.handle.shared.topics.end(&closed());
        self.handle.shared.changed.notify_waiters();
        let deadline = runtime::deadline(timeout);
        let flushed = tokio::time::timeout_at(deadline.into(), self.flush()).await;
        if flushed.is_err() {
            let (done, told) = oneshot::channel();
            self.handle.shared.accumulator.events.push(SenderEvent::Abort(done));
            tokio::select! {
                biased;
                _told = told => {}
                () = self.handle.runtime.cancelled().cancelled() => {}
            }
        }
        self.handle.metrics.close(deadline).await;
        self.handle.runtime.cancel();
        self.handle.runtime.join().await;
        match flushed {
            Ok(Err(ended)) if self.handle.shared.has_lost.load(Ordering::Relaxed) => {
                Err(ended.with_context("some records were not acknowledged before the end"))
            }
            Ok(_) => Ok(()),
            Err(_) => Err(Error::new(
                ErrorKind::Timeout,
                format!(
                    "some records were not acknowledged within {timeout:?}, after which the \
                     producer was closed"
                ),
            )),
        }
    }

    /// Returns the producer's counters.
    pub fn stats(&self) -> ProducerStats {
        self.handle.counters.snapshot(&self.handle.shared.accumulator.memory)
    }

    /// Returns the client instance id under which brokers expose this producer's metrics (KIP-714),
    /// once a broker has assigned one.
    ///
    /// # Errors
    /// - [`ErrorKind::Config`] with `enable.metrics.push=false`.
    /// - [`ErrorKind::Timeout`] if no broker has assigned one within `timeout`, as in a cluster
    ///   without a metrics receiver.
    /// - [`ErrorKind::Closed`] if the producer or its client was closed.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn client_instance_id(&self, timeout: Duration) -> Result<ClientInstanceId> {
        self.handle.metrics.client_instance_id(runtime::deadline(timeout)).await
    }

    async fn send_after_yield(&self, record: Record<'_>) -> Result<Delivery> {
        self.handle.runtime.yield_now().await;
        match self.handle.shared.accept(self.transaction, &record, &mut None) {
            Ok(delivery) => Ok(delivery),
            Err(refusal) => self.send_patiently(record, refusal).await,
        }
    }

    async fn send_patiently(
        &self,
        record: Record<'_>,
        mut refusal: SendRefusal,
    ) -> Result<Delivery> {
        let deadline = runtime::now() + self.handle.shared.config.max_block;
        loop {
            let mut spare = self.wait_out_refusal(refusal, record.topic, deadline).await?;
            match self.handle.shared.accept(self.transaction, &record, &mut spare) {
                Ok(delivery) => return Ok(delivery),
                Err(next) => refusal = next,
            }
        }
    }

    /// Waits until what a record was refused for has passed; returns memory if that is what was
    /// waited for.
    async fn wait_out_refusal(
        &self,
        refusal: SendRefusal,
        topic: &str,
        deadline: Instant,
    ) -> Result<Option<accumulator::memory::Reservation>> {
        let shared = &self.handle.shared;
        let waited = async {
            match refusal {
                SendRefusal::NoTopic => self.wait_for_topic(topic).await.map(|()| None),
                SendRefusal::NoRoom(bytes) => {
                    shared.accumulator.events.push(SenderEvent::MemoryExhausted);
                    let patience = deadline.min(runtime::now() + MEMORY_WAIT);
                    shared.accumulator.memory.reserve_among_many(bytes, patience).await.map(Some)
                }
                SendRefusal::Failed(error) => Err(self.look_again(error)),
            }
        };
        let waited = tokio::select! {
            biased;
            waited = waited => waited,
            () = self.handle.runtime.cancelled().cancelled() => Err(closed()),
            () = runtime::sleep_until(deadline) => {
                Err(self.blocked_too_long(refusal_kind(shared, topic), topic))
            }
        };
        waited.map_err(|error| error.with_written(Written::No))
    }

    async fn wait_for_topic(&self, topic: &str) -> Result<()> {
        let shared = &self.handle.shared;
        let mut failure = self.handle.cluster.watch_failure();
        let _waits = shared.wishes.wait(topic, runtime::now());
        shared.accumulator.events.push(SenderEvent::UnknownTopic);
        loop {
            let changed = shared.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let known = shared.topics.read();
                if known.refusal(self.transaction).is_some() || known.topics.contains_key(topic) {
                    return Ok(());
                }
            }
            drop(failure.borrow_and_update());
            if let Some(error) = self.handle.cluster.refusal() {
                return Err(error);
            }
            tokio::select! {
                biased;
                () = changed => {}
                Ok(()) = failure.changed() => {}
            }
        }
    }

    fn blocked_too_long(&self, kind: ErrorKind, topic: &str) -> Error {
        let limit = self.handle.shared.config.max_block.as_millis();
        if kind == ErrorKind::BufferFull {
            let size = self.handle.shared.accumulator.memory.size();
            return Error::new(
                kind,
                format!("no room in {size} bytes (buffer.memory) within {limit} ms (max.block.ms)"),
            );
        }
        let message =
            format!("the cluster did not describe topic {topic} within {limit} ms (max.block.ms)");
        let code = self.handle.cluster.view().topic(topic).and_then(|topic| topic.error);
        let error = Error::new(ErrorKind::Timeout, message);
        let error = code.map_or(error.clone(), |code| error.with_code(code));
        match self.handle.cluster.watch_failure().borrow().clone() {
            Some(failure) => error.with_context(&failure).with_source(failure),
            None => error,
        }
    }
}

/// How long a sender waits for more memory than it needs (a guess; at full speed, brokers set as
/// much free in 2 ms).
const MEMORY_WAIT: Duration = Duration::from_millis(5);

/// What a record to the topic waits for.
fn refusal_kind(shared: &ProducerShared, topic: &str) -> ErrorKind {
    if shared.topics.read().topics.contains_key(topic) {
        ErrorKind::BufferFull
    } else {
        ErrorKind::Timeout
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the producer is closed").with_written(Written::No)
}

#[cfg(test)]
mod tests;
