//! The feature `metrics` is off: the same words, which say nothing and cost nothing.

use std::time::{Duration, Instant};

use crate::ids::{BrokerId, TopicName, TopicPartition};

#[derive(Clone, Debug)]
pub(crate) struct ClientRecorder;

#[derive(Clone, Debug)]
pub(crate) struct ConnectionRecorder;

#[derive(Debug)]
pub(crate) struct OpenConnection;

#[derive(Debug)]
pub(crate) struct RequestTimer;

#[derive(Debug)]
pub(crate) struct ProducerRecorder;

#[derive(Debug)]
pub(crate) struct ConsumerRecorder;

#[derive(Debug)]
pub(crate) struct GroupRecorder;

#[allow(clippy::unused_self, reason = "as the feature has it")]
impl ClientRecorder {
    pub(crate) fn new(_client_id: &str) -> Self {
        Self
    }

    pub(crate) fn connections(&self) -> ConnectionRecorder {
        ConnectionRecorder
    }

    pub(crate) fn request(
        &self,
        _api: &'static str,
        _node: Option<BrokerId>,
        _clock: fn() -> Instant,
    ) -> RequestTimer {
        RequestTimer
    }

    pub(crate) fn throttled(
        &self,
        _api: &'static str,
        _node: Option<BrokerId>,
        _duration: Duration,
    ) {
    }

    pub(crate) fn producer(&self, _buffer: usize) -> ProducerRecorder {
        ProducerRecorder
    }

    pub(crate) fn consumer(&self) -> ConsumerRecorder {
        ConsumerRecorder
    }

    pub(crate) fn group(&self, _group: &str) -> GroupRecorder {
        GroupRecorder
    }
}

#[allow(clippy::unused_self, reason = "as the feature has it")]
impl ConnectionRecorder {
    pub(crate) fn opened(&self) -> OpenConnection {
        OpenConnection
    }

    pub(crate) fn failed(&self) {}

    pub(crate) fn sent(&self, _bytes: usize) {}

    pub(crate) fn received(&self, _bytes: usize) {}
}

#[allow(clippy::unused_self, reason = "as the feature has it")]
impl RequestTimer {
    pub(crate) fn answered(self) {}

    pub(crate) fn failed(self) {}
}

#[allow(clippy::unused_self, reason = "as the feature has it")]
impl ProducerRecorder {
    pub(crate) fn sent(
        &mut self,
        _: &TopicName,
        _records: u32,
        _bytes: usize,
        _raw: usize,
        _queued: Duration,
    ) {
    }

    pub(crate) fn retried(&mut self, _topic: &TopicName, _records: u32) {}

    pub(crate) fn requested(&mut self, _available: impl FnOnce() -> usize) {}

    pub(crate) fn split(&self) {}

    pub(crate) fn failed(&self, _topic: &TopicName, _records: u32) {}

    pub(crate) fn resolved(&mut self, _available: impl FnOnce() -> usize) {}

    pub(crate) fn lingers(&self, _linger: Duration) {}
}

#[allow(clippy::unused_self, reason = "as the feature has it")]
impl ConsumerRecorder {
    pub(crate) fn fetched(&self, _bytes: impl FnOnce() -> usize) {}

    pub(crate) fn delivered(&self, _partition: &TopicPartition, _records: usize, _bytes: usize) {}

    pub(crate) fn lags(&self, _partition: &TopicPartition, _lag: Option<u64>) {}

    pub(crate) fn left(&self, _partition: &TopicPartition) {}
}

#[allow(clippy::unused_self, reason = "as the feature has it")]
impl GroupRecorder {
    pub(crate) fn rebalanced(&self, _took: Duration) {}

    pub(crate) fn assigned(&mut self, _partitions: impl FnOnce() -> usize) {}

    pub(crate) fn committed(&self, _took: Duration, _has_failed: bool) {}
}
