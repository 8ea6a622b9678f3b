//! Producers: one that is polled, one with a thread that polls, and one whose deliveries are futures.

use std::fmt;
use std::sync::Arc;

use crate::client::{Client, ClientContext};
use crate::consumer::ConsumerGroupMetadata;
use crate::error::KafkaResult;
use crate::topic_partition_list::TopicPartitionList;
use crate::util::{IntoOpaque, Timeout};

pub mod base_producer;
pub mod future_producer;
mod outbox;
mod partitioning;
mod transactions;

#[doc(inline)]
pub use self::base_producer::{BaseProducer, BaseRecord, DeliveryResult, ThreadedProducer};
#[doc(inline)]
pub use self::future_producer::{DeliveryFuture, FutureProducer, FutureRecord};

/// What a producer tells the program.
pub trait ProducerContext<Part: Partitioner = NoCustomPartitioner>:
    ClientContext + 'static
{
    /// What the program hangs on a message.
    type DeliveryOpaque: IntoOpaque;

    /// Hears what became of a message, on the thread that polls.
    fn delivery(&self, delivery_result: &DeliveryResult<'_>, delivery_opaque: Self::DeliveryOpaque);

    /// Returns a partitioner, which then chooses the partition of each message that names none.
    fn get_custom_partitioner(&self) -> Option<&Part> {
        None
    }
}

/// What stands for no partition in particular.
pub const PARTITION_UA: i32 = -1;

/// Chooses the partitions of messages.
pub trait Partitioner: Send + Sync + 'static {
    /// Returns the partition of a message, from 0 to `partition_cnt`, exclusive.
    fn partition(
        &self,
        topic_name: &str,
        key: Option<&[u8]>,
        partition_cnt: i32,
        is_partition_available: impl Fn(i32) -> bool,
    ) -> i32;
}

/// For a producer that leaves the choice to the property `partitioner`.
#[derive(Clone, Debug)]
pub struct NoCustomPartitioner {}

impl Partitioner for NoCustomPartitioner {
    fn partition(
        &self,
        _topic_name: &str,
        _key: Option<&[u8]>,
        _partition_cnt: i32,
        _is_partition_available: impl Fn(i32) -> bool,
    ) -> i32 {
        panic!("NoCustomPartitioner should not be called");
    }
}

/// A context that does nothing of its own.
#[derive(Clone, Debug)]
pub struct DefaultProducerContext;

impl ClientContext for DefaultProducerContext {}

impl ProducerContext<NoCustomPartitioner> for DefaultProducerContext {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &DeliveryResult<'_>, (): Self::DeliveryOpaque) {}
}

/// What all producers can.
///
/// # Errors of transactions
/// [`KafkaError::Transaction`](crate::error::KafkaError::Transaction), whose
/// [`RDKafkaError`](crate::error::RDKafkaError) says how to react.
pub trait Producer<C = DefaultProducerContext, Part = NoCustomPartitioner>
where
    Part: Partitioner,
    C: ProducerContext<Part>,
{
    /// Returns the client, for questions about the cluster.
    fn client(&self) -> &Client<C>;

    /// Returns the context.
    fn context(&self) -> &Arc<C> {
        self.client().context()
    }

    /// Returns how many messages the context has not heard of yet.
    fn in_flight_count(&self) -> i32;

    /// Waits until the context has heard of all messages, and polls meanwhile.
    ///
    /// # Errors
    /// [`KafkaError::Flush`](crate::error::KafkaError::Flush) if the time runs out.
    fn flush<T: Into<Timeout>>(&self, timeout: T) -> KafkaResult<()>;

    /// Gives up messages: those that wait, those that are on their way, or both.
    fn purge(&self, flags: PurgeConfig);

    /// Makes the producer ready for transactions: waits for those of an earlier producer with the
    /// same `transactional.id`, and fences it.
    ///
    /// # Errors
    /// [`KafkaError::Transaction`](crate::error::KafkaError::Transaction).
    fn init_transactions<T: Into<Timeout>>(&self, timeout: T) -> KafkaResult<()>;

    /// Begins a transaction.
    ///
    /// # Errors
    /// [`KafkaError::Transaction`](crate::error::KafkaError::Transaction).
    fn begin_transaction(&self) -> KafkaResult<()>;

    /// Adds offsets of a group to the transaction.
    ///
    /// # Errors
    /// [`KafkaError::Transaction`](crate::error::KafkaError::Transaction).
    fn send_offsets_to_transaction<T: Into<Timeout>>(
        &self,
        offsets: &TopicPartitionList,
        cgm: &ConsumerGroupMetadata,
        timeout: T,
    ) -> KafkaResult<()>;

    /// Flushes, and commits the transaction.
    ///
    /// # Errors
    /// [`KafkaError::Flush`](crate::error::KafkaError::Flush) and
    /// [`KafkaError::Transaction`](crate::error::KafkaError::Transaction).
    fn commit_transaction<T: Into<Timeout>>(&self, timeout: T) -> KafkaResult<()>;

    /// Aborts the transaction.
    ///
    /// # Errors
    /// [`KafkaError::Transaction`](crate::error::KafkaError::Transaction).
    fn abort_transaction<T: Into<Timeout>>(&self, timeout: T) -> KafkaResult<()>;
}

/// Which messages to give up.
#[derive(Clone, Copy, Default)]
pub struct PurgeConfig {
    pub(crate) queue: bool,
    pub(crate) inflight: bool,
    non_blocking: bool,
}

impl PurgeConfig {
    /// Those that wait.
    #[must_use]
    pub fn queue(self) -> Self {
        Self { queue: true, ..self }
    }

    /// Not those that wait.
    #[must_use]
    pub fn no_queue(self) -> Self {
        Self { queue: false, ..self }
    }

    /// Those that are on their way.
    #[must_use]
    pub fn inflight(self) -> Self {
        Self { inflight: true, ..self }
    }

    /// Not those that are on their way.
    #[must_use]
    pub fn no_inflight(self) -> Self {
        Self { inflight: false, ..self }
    }

    /// Does not wait until they are given up; kavka never does.
    #[must_use]
    pub fn non_blocking(self) -> Self {
        Self { non_blocking: true, ..self }
    }

    /// Waits until they are given up.
    #[must_use]
    pub fn blocking(self) -> Self {
        Self { non_blocking: false, ..self }
    }
}

impl fmt::Debug for PurgeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PurgeConfig")
            .field("queue", &self.queue)
            .field("inflight", &self.inflight)
            .field("non_blocking", &self.non_blocking)
            .finish()
    }
}
