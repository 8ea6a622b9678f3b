//! Which records are given up before their time.

use std::collections::BTreeSet;

use crate::ids::TopicName;

/// Which records [`Producer::purge`](super::Producer::purge) fails, as the flags of librdkafka's
/// `rd_kafka_purge`.
#[derive(Clone, Debug)]
pub struct Purge {
    stages: Stages,
    /// `None`: of all topics.
    topics: Option<BTreeSet<TopicName>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stages {
    Queue,
    InFlight,
    All,
}

impl Purge {
    /// Records that wait for their first attempt (`RD_KAFKA_PURGE_F_QUEUE`): none of them is in the
    /// log, and the producer goes on at once.
    pub fn queue() -> Self {
        Self { stages: Stages::Queue, topics: None }
    }

    /// Records that have been given to a request, also while it waits for a connection, or they for
    /// another attempt (`RD_KAFKA_PURGE_F_INFLIGHT`).
    ///
    /// Some of them may be in the log. With idempotence, a partition takes up again once every
    /// attempt to write to it has ended, after `request.timeout.ms` at the latest.
    pub fn in_flight() -> Self {
        Self { stages: Stages::InFlight, topics: None }
    }

    /// All records without an acknowledgement.
    pub fn all() -> Self {
        Self { stages: Stages::All, topics: None }
    }

    /// Spares the records of all other topics.
    #[must_use]
    pub fn topics<T: Into<TopicName>>(mut self, topics: impl IntoIterator<Item = T>) -> Self {
        self.topics = Some(topics.into_iter().map(Into::into).collect());
        self
    }

    pub(super) fn has_topic(&self, topic: &TopicName) -> bool {
        self.topics.as_ref().is_none_or(|topics| topics.contains(topic))
    }

    /// Whether it is of batches that have, or have not, been given to a request.
    pub(super) fn has_stage(&self, is_queued: bool) -> bool {
        match self.stages {
            Stages::Queue => is_queued,
            Stages::InFlight => !is_queued,
            Stages::All => true,
        }
    }
}
