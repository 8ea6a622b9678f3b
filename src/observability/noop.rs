//! The feature `metrics` is off: the same words, which say nothing and cost nothing.

use std::time::{Duration, Instant};

use super::{ConnectionEvent, ConsumerEvent, MemberEvent, ProducerEvent};
use crate::ids::BrokerId;
#[cfg(feature = "admin")]
use crate::ids::{GroupId, TopicPartition};

#[derive(Clone, Debug)]
pub(crate) struct ClientRecorder;

#[derive(Clone, Debug)]
pub(crate) struct ConnectionRecorder;

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

    #[cfg(feature = "admin")]
    pub(crate) fn group_lags<'a>(
        &self,
        _group: &GroupId,
        _lags: impl Iterator<Item = (&'a TopicPartition, i64)>,
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
    pub(crate) fn note(&self, _: ConnectionEvent<'_>) {}
}

#[allow(clippy::unused_self, reason = "as the feature has it")]
impl RequestTimer {
    pub(crate) fn answered(self) {}

    pub(crate) fn failed(self) {}
}

#[allow(clippy::unused_self, reason = "as the feature has it")]
impl ProducerRecorder {
    pub(crate) fn note(&mut self, _: ProducerEvent<'_>) {}
}

#[allow(clippy::unused_self, reason = "as the feature has it")]
impl ConsumerRecorder {
    pub(crate) fn note(&self, _: ConsumerEvent<'_>) {}
}

#[allow(clippy::unused_self, reason = "as the feature has it")]
impl GroupRecorder {
    pub(crate) fn note(&mut self, _: MemberEvent<'_>) {}
}
