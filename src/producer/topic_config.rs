//! What a producer does otherwise for one topic.

use std::sync::Arc;
use std::time::Duration;

use super::partitioner::Partitioner;
use crate::config::bounded;
use crate::wire::compress::Compression;

/// Settings of one topic that differ from those of its producer, as librdkafka's topic
/// configuration. Given to [`ProducerConfig::topic`](super::ProducerConfig::topic).
///
/// `acks` is not among them: a request has one for all its topics, and idempotence needs `all`.
///
/// ```
/// use kavka::{Compression, KnownPartitioner, ProducerConfig, ProducerTopicConfig};
///
/// let images = ProducerTopicConfig::new().compression(Compression::NONE);
/// let events = ProducerTopicConfig::new().partitioner(KnownPartitioner::consistent_random());
/// let config = ProducerConfig::new()
///     .compression(Compression::LZ4)
///     .topic("images", images)
///     .topic("events", events);
/// ```
#[derive(Clone, Debug, Default)]
pub struct ProducerTopicConfig {
    pub(super) compression: Option<Compression>,
    pub(super) partitioner: Option<Arc<dyn Partitioner>>,
    pub(super) delivery_timeout: Option<Duration>,
}

impl ProducerTopicConfig {
    /// Creates settings that do not differ from the producer's.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the compression of the topic's batches, as
    /// [`ProducerConfig::compression`](super::ProducerConfig::compression).
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = Some(compression);
        self
    }

    /// Sets the topic's partitioner, as
    /// [`ProducerConfig::partitioner`](super::ProducerConfig::partitioner). With a partitioner for
    /// all topics, [`KnownPartitioner::murmur2_random`](super::KnownPartitioner::murmur2_random)
    /// gives one of them Kafka's own.
    #[must_use]
    pub fn partitioner(mut self, partitioner: impl Partitioner + 'static) -> Self {
        self.partitioner = Some(Arc::new(partitioner));
        self
    }

    /// Sets the time within which a record of the topic is acknowledged or failed, as
    /// [`ProducerConfig::delivery_timeout`](super::ProducerConfig::delivery_timeout)
    /// (`message.timeout.ms` of librdkafka's topics), and with the same bounds.
    #[must_use]
    pub fn delivery_timeout(mut self, timeout: Duration) -> Self {
        self.delivery_timeout = Some(bounded(timeout));
        self
    }
}
