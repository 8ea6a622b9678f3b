//! Which metrics brokers ask clients for, and what clients have pushed (KIP-714).

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_protocol::ResponseError;
use tokio::time::Instant;
use uuid::Uuid;

/// A subscription to the metrics of every client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsSubscription {
    /// Prefixes of the names of the metrics; `*` alone means all, and an empty list none.
    pub metrics: Vec<String>,
    /// How often clients push.
    pub interval: Duration,
    /// Whether totals are pushed as the difference to the previous push.
    pub delta_temporality: bool,
    /// The numbers of the codecs that brokers accept, the best first.
    pub compressions: Vec<i8>,
    /// `telemetry.max.bytes`.
    pub max_bytes: usize,
}

/// What a client has pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushedMetrics {
    /// The broker that received it.
    pub broker: i32,
    /// The client instance id, a UUID.
    pub client_instance_id: [u8; 16],
    /// Whether it is the last push of a client that closes.
    pub is_terminating: bool,
    /// The number of the codec.
    pub compression: i8,
    /// The metrics as received.
    pub metrics: bytes::Bytes,
}

/// The receiver of all brokers; without one they do not claim the APIs.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) subscription: MetricsSubscription,
    /// Grows with every change of the subscription.
    pub(crate) id: i32,
    pub(crate) pushed: Vec<PushedMetrics>,
    instances: BTreeMap<Uuid, Instance>,
}

#[derive(Debug, Default)]
struct Instance {
    pushed: Option<Instant>,
    /// The subscription that it knows.
    id: Option<i32>,
    has_ended: bool,
}

/// Pushes that are kept; the newest push out the oldest.
const KEPT: usize = 10_000;

impl Default for MetricsSubscription {
    /// Nothing, every five minutes, as deltas and in any codec: what Kafka answers while nobody has
    /// subscribed.
    fn default() -> Self {
        Self {
            metrics: Vec::new(),
            interval: Duration::from_secs(300),
            delta_temporality: true,
            compressions: vec![4, 3, 1, 2],
            max_bytes: 1024 * 1024,
        }
    }
}

impl Receiver {
    pub(crate) fn new() -> Self {
        Self {
            subscription: MetricsSubscription::default(),
            id: 1,
            pushed: Vec::new(),
            instances: BTreeMap::new(),
        }
    }

    pub(crate) fn subscribe(&mut self, subscription: MetricsSubscription) {
        self.subscription = subscription;
        self.id += 1;
    }

    pub(crate) fn register(&mut self, instance: Uuid) {
        self.instances.entry(instance).or_default().id = Some(self.id);
    }

    /// Takes a push, or refuses it as a broker does.
    pub(crate) fn push(
        &mut self,
        instance: Uuid,
        id: i32,
        push: PushedMetrics,
        now: Instant,
    ) -> Result<(), ResponseError> {
        let known = self.instances.entry(instance).or_default();
        let interval = self.subscription.interval;
        let is_early = known.pushed.is_some_and(|before| now < before + interval);
        if instance.is_nil() || known.has_ended {
            return Err(ResponseError::InvalidRequest);
        }
        if is_early && !push.is_terminating && known.id == Some(self.id) {
            return Err(ResponseError::ThrottlingQuotaExceeded);
        }
        known.has_ended = push.is_terminating;
        if id != self.id {
            return Err(ResponseError::UnknownSubscriptionId);
        }
        if push.compression != 0 && !self.subscription.compressions.contains(&push.compression) {
            return Err(ResponseError::UnsupportedCompressionType);
        }
        if push.metrics.len() > self.subscription.max_bytes {
            return Err(ResponseError::TelemetryTooLarge);
        }
        known.pushed = Some(now);
        if self.pushed.len() == KEPT {
            self.pushed.remove(0);
        }
        self.pushed.push(push);
        Ok(())
    }
}
