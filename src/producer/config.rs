//! The knobs of a producer.

mod reading;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use self::reading::compression;
use crate::config::{
    ClientConfig, FractionalMillis, HandleKind, MILLISECOND, OrNone, Properties, Settings, Words,
    bounded, check_millis, check_range,
};
use crate::error::{Error, Result};
use crate::ids::{TopicName, TransactionalId};
use crate::wire::compress::Compression;

use super::accumulator::compression_ratio::CompressionRatioEstimator;
use super::known_partitioner::KnownPartitioner;
use super::partitioner::Partitioner;
use super::sender::adaptive_linger::AdaptiveBatching;
use super::topic_config::ProducerTopicConfig;

/// The settings of a [`Producer`](crate::Producer). Settings shared by all handles are in
/// [`ClientConfig`].
///
/// ```
/// use std::time::Duration;
/// use kavka::{Compression, ProducerConfig};
///
/// let config = ProducerConfig::new().linger(Duration::from_millis(20)).compression(Compression::LZ4);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ProducerConfig {
    pub(crate) acks: Acks,
    /// `None`: not said by the user, see [`ProducerConfig::is_idempotent`].
    pub(crate) enable_idempotence: Option<bool>,
    pub(crate) linger: Duration,
    /// `None`: `linger` decides.
    pub(crate) adaptive_batching: Option<AdaptiveBatching>,
    pub(crate) batch_size: usize,
    pub(crate) buffer_memory: usize,
    pub(crate) max_block: Duration,
    /// `None`: not said by the user, see [`ProducerConfig::effective_delivery_timeout`].
    pub(crate) delivery_timeout: Option<Duration>,
    /// A request is given up when its records are too old, as in librdkafka; else the request
    /// timeout must fit in.
    cuts_requests_short: bool,
    pub(crate) max_request_size: usize,
    pub(crate) max_in_flight_requests_per_connection: usize,
    pub(crate) retries: u32,
    pub(crate) broker_error_retries: u32,
    pub(crate) compression: Compression,
    pub(crate) transactional_id: Option<TransactionalId>,
    pub(crate) transaction_timeout: Duration,
    /// `None`: Kafka's own way.
    pub(crate) partitioner: Option<Arc<dyn Partitioner>>,
    pub(crate) partitioner_ignore_keys: bool,
    pub(crate) partitioner_adaptive_partitioning_enable: bool,
    /// `None`: a broker is never taken for unavailable.
    pub(crate) partitioner_availability_timeout: Option<Duration>,
    pub(crate) partitioner_rack_aware: bool,
    /// Where they differ from the above.
    topics: BTreeMap<TopicName, ProducerTopicConfig>,
    words: Words,
}

/// Which replicas must acknowledge a record (`acks`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Acks {
    /// None: a record counts as sent once it is written to the socket (`0`).
    None,
    /// The partition's leader (`1`).
    Leader,
    /// All in-sync replicas (`all`, `-1`).
    #[default]
    All,
}

impl Acks {
    /// As the Produce request says it.
    pub(crate) fn wire(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Leader => 1,
            Self::All => -1,
        }
    }
}

impl ProducerConfig {
    /// Creates a configuration with Kafka's defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a configuration from Java's properties. Properties of the client and of consumers are
    /// ignored.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if Kafka has no such property or a value is
    /// not allowed; the message names both.
    pub fn from_properties(properties: &Properties) -> Result<Self> {
        let settings = Settings::of(properties, HandleKind::Producer)?;
        let mut config = Self::default();
        settings.set("acks", &mut config.acks)?;
        config.enable_idempotence = settings.read("enable.idempotence")?;
        if let Some(FractionalMillis(linger)) = settings.read("linger.ms")? {
            config.linger = linger;
        }
        settings.set("batch.size", &mut config.batch_size)?;
        settings.set("buffer.memory", &mut config.buffer_memory)?;
        settings.set("max.block.ms", &mut config.max_block)?;
        config.delivery_timeout = settings.read("delivery.timeout.ms")?;
        config.cuts_requests_short =
            settings.is_written_as("delivery.timeout.ms", "message.timeout.ms");
        settings.set("max.request.size", &mut config.max_request_size)?;
        settings.set(
            "max.in.flight.requests.per.connection",
            &mut config.max_in_flight_requests_per_connection,
        )?;
        settings.set("retries", &mut config.retries)?;
        config.compression = compression(&settings)?;
        config.transactional_id =
            settings.read::<String>("transactional.id")?.map(TransactionalId::from);
        settings.set("transaction.timeout.ms", &mut config.transaction_timeout)?;
        settings.set("partitioner.ignore.keys", &mut config.partitioner_ignore_keys)?;
        settings.set(
            "partitioner.adaptive.partitioning.enable",
            &mut config.partitioner_adaptive_partitioning_enable,
        )?;
        let partitioner = settings.read::<KnownPartitioner>("partitioner.class")?;
        if let Some(partitioner) = partitioner.filter(|partitioner| !partitioner.is_default()) {
            config = config.partitioner(partitioner);
        }
        if let Some(OrNone(timeout)) = settings.read("partitioner.availability.timeout.ms")? {
            config = config.partitioner_availability_timeout(timeout);
        }
        settings.set("partitioner.rack.aware", &mut config.partitioner_rack_aware)?;
        config.words = settings.words();
        config.check().map_err(|error| config.words.reword(error))?;
        Ok(config)
    }

    /// Sets which replicas must acknowledge a record (`acks`; default [`Acks::All`]).
    #[must_use]
    pub fn acks(mut self, acks: Acks) -> Self {
        self.acks = acks;
        self
    }

    /// Sets whether brokers detect repeated batches, so that retries neither duplicate nor reorder
    /// records (`enable.idempotence`, KIP-98).
    ///
    /// Default true, or false if `acks` is not `all` or `retries` is 0. Requires `acks=all`,
    /// retries, and at most 5 requests in flight.
    #[must_use]
    pub fn enable_idempotence(mut self, enable: bool) -> Self {
        self.enable_idempotence = Some(enable);
        self
    }

    /// Sets how long a batch waits for more records before it is sent (`linger.ms`; default 5 ms).
    ///
    /// A batch without room for another record of its mean size is full and does not wait. (Java's
    /// producer waits until a record arrives that does not fit.)
    #[must_use]
    pub fn linger(mut self, linger: Duration) -> Self {
        self.linger = bounded(linger);
        self
    }

    /// Lets the producer decide how long a batch waits, instead of `linger.ms` (no Kafka property;
    /// default `None`).
    ///
    /// Meant for services whose rate varies: a lone record is sent at once, and records in quick
    /// succession are batched.
    #[must_use]
    pub fn adaptive_batching(mut self, adaptive: impl Into<Option<AdaptiveBatching>>) -> Self {
        self.adaptive_batching = adaptive.into();
        self
    }

    /// Sets the size of a batch of records, in bytes (`batch.size`; default 16,384).
    ///
    /// With compression, a batch takes as many bytes as are expected to compress to that size,
    /// judging by the topic's previous batches, as in Java, but at most four times the size. A
    /// record larger than a batch gets a batch of its own; with 0, every record does.
    #[must_use]
    pub fn batch_size(mut self, bytes: usize) -> Self {
        self.batch_size = bytes;
        self
    }

    /// Sets how many bytes of records, before compression, may await acknowledgement
    /// (`buffer.memory`; default 32 MiB).
    ///
    /// A batch counts for at least 1 KiB.
    #[must_use]
    pub fn buffer_memory(mut self, bytes: usize) -> Self {
        self.buffer_memory = bytes;
        self
    }

    /// Sets how long a send may wait for buffer memory or metadata (`max.block.ms`; default 60 s).
    #[must_use]
    pub fn max_block(mut self, longest: Duration) -> Self {
        self.max_block = bounded(longest);
        self
    }

    /// Sets the time after its send within which a record is either acknowledged or failed
    /// (`delivery.timeout.ms`; default 120 s).
    ///
    /// Must be at least `linger.ms` plus `request.timeout.ms`; the default grows with them.
    #[must_use]
    pub fn delivery_timeout(mut self, timeout: Duration) -> Self {
        self.delivery_timeout = Some(bounded(timeout));
        self
    }

    /// Sets the maximum size of a request, and of a record before compression, in bytes
    /// (`max.request.size`; default 1 MiB).
    ///
    /// The broker has a limit of its own, `message.max.bytes`.
    #[must_use]
    pub fn max_request_size(mut self, bytes: usize) -> Self {
        self.max_request_size = bytes;
        self
    }

    /// Sets the maximum number of requests in flight to one broker
    /// (`max.in.flight.requests.per.connection`; default 5).
    ///
    /// With more than one, and without idempotence, a retry may reorder records.
    #[must_use]
    pub fn max_in_flight_requests_per_connection(mut self, requests: usize) -> Self {
        self.max_in_flight_requests_per_connection = requests;
        self
    }

    /// Sets how often a batch is sent again after a retriable failure (`retries`; default
    /// 2,147,483,647).
    ///
    /// Prefer `delivery.timeout.ms` to bound retries.
    #[must_use]
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// Sets how often a batch is sent again after its leader answered with a retriable error, such
    /// as too few in-sync replicas (no Kafka property; default: the value of `retries`).
    ///
    /// Failures without an answer, and errors of a broker that does not lead the partition, do not
    /// count, so that a restart of the cluster does not use these retries up.
    #[must_use]
    pub fn broker_error_retries(mut self, retries: u32) -> Self {
        self.broker_error_retries = retries;
        self
    }

    /// Sets the compression of batches (`compression.type` and `compression.<codec>.level`; default
    /// none).
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// Sets the name under which a producer has its transactions (`transactional.id`, KIP-98; default
    /// none).
    ///
    /// For [`Client::transactional_producer`](crate::Client::transactional_producer) alone. A
    /// producer with the same id, in this process or another, fences the one before: give each
    /// instance of a service an id of its own that it keeps when it restarts. Requires
    /// idempotence.
    #[must_use]
    pub fn transactional_id(mut self, id: impl Into<TransactionalId>) -> Self {
        self.transactional_id = Some(id.into());
        self
    }

    /// Sets for how long a transaction may be open before the coordinator aborts it
    /// (`transaction.timeout.ms`; default 60 s).
    ///
    /// At most the broker's `transaction.max.timeout.ms` (default 15 min). It bounds for how long
    /// readers of committed records wait for a producer that has crashed.
    #[must_use]
    pub fn transaction_timeout(mut self, timeout: Duration) -> Self {
        self.transaction_timeout = bounded(timeout);
        self
    }

    /// Sets the partitioner (`partitioner.class`; default: Kafka's built-in partitioning): one of
    /// your own, or one that another client has ([`KnownPartitioner`]).
    ///
    /// The partitioning settings below still apply to records for which the partitioner returns
    /// `None`.
    #[must_use]
    pub fn partitioner(mut self, partitioner: impl Partitioner + 'static) -> Self {
        self.partitioner = Some(Arc::new(partitioner));
        self
    }

    /// Sets whether records with a key are distributed like records without one
    /// (`partitioner.ignore.keys`; default false).
    #[must_use]
    pub fn partitioner_ignore_keys(mut self, ignore: bool) -> Self {
        self.partitioner_ignore_keys = ignore;
        self
    }

    /// Sets whether records without a key prefer partitions whose broker keeps up
    /// (`partitioner.adaptive.partitioning.enable`, KIP-794; default true).
    #[must_use]
    pub fn partitioner_adaptive_partitioning_enable(mut self, enable: bool) -> Self {
        self.partitioner_adaptive_partitioning_enable = enable;
        self
    }

    /// Sets for how long a broker may be unable to accept batches before records without a key
    /// avoid its partitions (`partitioner.availability.timeout.ms`, KIP-794).
    ///
    /// Default `None`, which is 0 in a properties file: they never avoid them.
    #[must_use]
    pub fn partitioner_availability_timeout(
        mut self,
        timeout: impl Into<Option<Duration>>,
    ) -> Self {
        self.partitioner_availability_timeout =
            timeout.into().filter(|timeout| !timeout.is_zero()).map(bounded);
        self
    }

    /// Sets whether records without a key go to partitions whose leader is in the client's rack
    /// ([`ClientConfig::client_rack`]), while there are any (`partitioner.rack.aware`, KIP-1123;
    /// default false).
    ///
    /// Saves traffic between the racks, or availability zones, and keeps the load even only if
    /// producers and leaders are spread over the racks alike. Records without a key avoid brokers
    /// that are unavailable, as above, before they prefer near ones.
    #[must_use]
    pub fn partitioner_rack_aware(mut self, aware: bool) -> Self {
        self.partitioner_rack_aware = aware;
        self
    }

    /// Sets what differs for one topic, in place of what was set for it before.
    #[must_use]
    pub fn topic(mut self, name: impl Into<TopicName>, config: ProducerTopicConfig) -> Self {
        self.topics.insert(name.into(), config);
        self
    }

    /// What differs for a topic.
    pub(super) fn of_topic(&self, topic: &TopicName) -> Option<&ProducerTopicConfig> {
        self.topics.get(topic)
    }

    /// Whether some topic has a partitioner of the user's.
    pub(super) fn has_partitioner(&self) -> bool {
        self.partitioner.is_some() || self.topics.values().any(|own| own.partitioner.is_some())
    }

    /// Whether batches of some topic are compressed.
    pub(super) fn has_compression(&self) -> bool {
        let own = self.topics.values().filter_map(|own| own.compression);
        own.chain([self.compression]).any(|compression| compression != Compression::NONE)
    }

    /// Whether the producer has a producer id and numbers its records (KIP-98): what the user said,
    /// or unless `acks` or `retries` rule it out, as in Java.
    pub(crate) fn is_idempotent(&self) -> bool {
        self.enable_idempotence.unwrap_or(self.acks == Acks::All && self.retries > 0)
    }

    /// How many bytes of records, before compression, fill a batch of a topic.
    pub(super) fn batch_limit(&self) -> CompressionRatioEstimator {
        // A batch must leave room in a request, and never wait for more memory than there is.
        let batch_size = self.batch_size.min(self.max_request_size).min(self.buffer_memory);
        let most =
            batch_size.saturating_mul(4).min(self.max_request_size).min(self.buffer_memory / 8);
        CompressionRatioEstimator::new(batch_size, most)
    }

    /// `delivery.timeout.ms`, which a longer linger and request timeout stretch unless the user set
    /// it, as in Java.
    pub(crate) fn effective_delivery_timeout(&self, request_timeout: Duration) -> Duration {
        self.delivery_timeout
            .unwrap_or_else(|| DELIVERY_TIMEOUT.max(self.linger.saturating_add(request_timeout)))
    }

    /// How long a request waits for its answer: the client's `request.timeout.ms`, or what the
    /// delivery timeout leaves of it.
    pub(crate) fn request_timeout(&self, client: &ClientConfig) -> Duration {
        let rest =
            self.effective_delivery_timeout(client.request_timeout).saturating_sub(self.linger);
        client.request_timeout.min(rest.max(MILLISECOND))
    }

    /// Checks every value, and that none contradicts another or one of the client's.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config): names the property and what is allowed.
    pub(crate) fn validate(&self, client: &ClientConfig) -> Result<()> {
        self.check_beside(client).map_err(|error| client.words.reword(self.words.reword(error)))
    }

    fn check_beside(&self, client: &ClientConfig) -> Result<()> {
        self.check()?;
        if self.partitioner_rack_aware && client.client_rack.is_none() {
            return Err(Error::config("partitioner.rack.aware=true needs client.rack"));
        }
        let needed = self.linger.saturating_add(client.request_timeout);
        let of_topics = self.topics.values().filter_map(|own| own.delivery_timeout);
        let shortest = of_topics.chain(self.delivery_timeout).min();
        match shortest.filter(|shortest| *shortest < needed && !self.cuts_requests_short) {
            Some(shortest) => Err(Error::config(format!(
                "delivery.timeout.ms is {}: at least linger.ms plus request.timeout.ms, which is \
                 {}, is allowed",
                shortest.as_millis(),
                needed.as_millis()
            ))),
            None => Ok(()),
        }
    }

    fn check(&self) -> Result<()> {
        const MOST: usize = 2_147_483_647;
        check_millis("linger.ms", self.linger, Duration::ZERO)?;
        check_millis(
            "delivery.timeout.ms",
            self.delivery_timeout.unwrap_or(DELIVERY_TIMEOUT),
            MILLISECOND,
        )?;
        check_range("batch.size", self.batch_size, 0, MOST)?;
        check_range("max.request.size", self.max_request_size, 1, MOST)?;
        check_range("retries", self.retries, 0, 2_147_483_647)?;
        check_range(
            "max.in.flight.requests.per.connection",
            self.max_in_flight_requests_per_connection,
            1,
            MOST,
        )?;
        if self.buffer_memory < self.batch_size.max(1) {
            let (memory, batch) = (self.buffer_memory, self.batch_size);
            return Err(Error::config(format!(
                "buffer.memory is {memory}: at least batch.size, which is {batch}, is allowed"
            )));
        }
        if let Some(adaptive) = &self.adaptive_batching {
            adaptive.check()?;
        }
        check_millis("transaction.timeout.ms", self.transaction_timeout, MILLISECOND)?;
        if self.is_idempotent() {
            self.check_idempotence()?;
        } else if self.transactional_id.is_some() {
            return Err(Error::config("transactional.id needs enable.idempotence=true"));
        }
        if self.transactional_id.as_ref().is_some_and(|id| id.is_empty()) {
            return Err(Error::config("transactional.id is empty: any other text is allowed"));
        }
        for own in self.topics.values() {
            let timeout = own.delivery_timeout.unwrap_or(DELIVERY_TIMEOUT);
            check_millis("delivery.timeout.ms", timeout, MILLISECOND)?;
        }
        let of_topics = self.topics.values().filter_map(|own| own.compression);
        of_topics.chain([self.compression]).try_for_each(|compression| {
            compression.ensure_built().map_err(|error| {
                Error::config(format!("compression.type is {compression}: {error}"))
            })
        })
    }

    fn check_idempotence(&self) -> Result<()> {
        let needs = |what: &str| {
            Err(Error::config(format!("enable.idempotence needs {what}, or must be false")))
        };
        if self.acks != Acks::All {
            return needs("acks=all");
        }
        if self.retries == 0 {
            return needs("retries above 0");
        }
        if self.max_in_flight_requests_per_connection > MOST_IN_FLIGHT {
            return needs("max.in.flight.requests.per.connection of at most 5");
        }
        Ok(())
    }
}

impl Default for ProducerConfig {
    fn default() -> Self {
        Self {
            acks: Acks::All,
            enable_idempotence: None,
            linger: Duration::from_millis(5),
            adaptive_batching: None,
            batch_size: 16_384,
            buffer_memory: 32 * 1024 * 1024,
            max_block: Duration::from_secs(60),
            delivery_timeout: None,
            cuts_requests_short: false,
            max_request_size: 1024 * 1024,
            max_in_flight_requests_per_connection: MOST_IN_FLIGHT,
            retries: 2_147_483_647,
            broker_error_retries: u32::MAX,
            compression: Compression::NONE,
            transactional_id: None,
            transaction_timeout: Duration::from_secs(60),
            partitioner: None,
            partitioner_ignore_keys: false,
            partitioner_adaptive_partitioning_enable: true,
            partitioner_availability_timeout: None,
            partitioner_rack_aware: false,
            topics: BTreeMap::new(),
            words: Words::default(),
        }
    }
}

/// Kafka's default of `delivery.timeout.ms`.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(120);

/// For how many batches of a producer a broker remembers the sequence.
const MOST_IN_FLIGHT: usize = 5;

#[cfg(test)]
mod tests;
