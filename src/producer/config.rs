//! The knobs of a producer.

use std::time::Duration;

/// The settings of a [`Producer`](crate::Producer); [`ClientConfig`](crate::ClientConfig) has those that all handles share.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ProducerConfig {
    pub(crate) acks: Acks,
    /// `None`: not said by the user, see [`ProducerConfig::is_idempotent`].
    pub(crate) enable_idempotence: Option<bool>,
    pub(crate) linger: Duration,
    pub(crate) batch_size: usize,
    pub(crate) buffer_memory: usize,
    pub(crate) max_block: Duration,
    /// `None`: not said by the user, see [`ProducerConfig::effective_delivery_timeout`].
    pub(crate) delivery_timeout: Option<Duration>,
    pub(crate) max_request_size: usize,
    pub(crate) max_in_flight_requests_per_connection: usize,
    pub(crate) retries: u32,
    pub(crate) partitioner_ignore_keys: bool,
    pub(crate) partitioner_adaptive_partitioning_enable: bool,
    /// `None`: a broker is never taken for unavailable.
    pub(crate) partitioner_availability_timeout: Option<Duration>,
}

/// Whose word a producer waits for (`acks`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Acks {
    /// Nobody's: a record counts as sent when it is written to the socket (`0`).
    None,
    /// The leader's (`1`).
    Leader,
    /// That of all in-sync replicas (`all`, `-1`).
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
    /// Kafka's defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the producer has a producer id and numbers its records (KIP-98): if the user did not say, then unless what he did
    /// say rules it out, as Java since 3.0.
    pub(crate) fn is_idempotent(&self) -> bool {
        self.enable_idempotence.unwrap_or(self.acks == Acks::All && self.retries > 0)
    }

    /// `delivery.timeout.ms`, which a longer linger and request timeout stretch unless the user set it, as Java does.
    pub(crate) fn effective_delivery_timeout(&self, request_timeout: Duration) -> Duration {
        self.delivery_timeout.unwrap_or_else(|| DELIVERY_TIMEOUT.max(self.linger.saturating_add(request_timeout)))
    }
}

impl Default for ProducerConfig {
    fn default() -> Self {
        Self {
            acks: Acks::All,
            enable_idempotence: None,
            linger: Duration::from_millis(5),
            batch_size: 16_384,
            buffer_memory: 32 * 1024 * 1024,
            max_block: Duration::from_secs(60),
            delivery_timeout: None,
            max_request_size: 1024 * 1024,
            max_in_flight_requests_per_connection: 5,
            retries: 2_147_483_647,
            partitioner_ignore_keys: false,
            partitioner_adaptive_partitioning_enable: true,
            partitioner_availability_timeout: None,
        }
    }
}

/// Kafka's default of `delivery.timeout.ms`.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(120);
