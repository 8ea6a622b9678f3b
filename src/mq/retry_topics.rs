//! Retry topics: where a message goes that its handler has failed on, to be handled again later while
//! its partition goes on.
//!
//! ```text
//!  topic ─▶ failed ─▶ retry topic 1, after its delay ─▶ failed ─▶ retry topic 2 ─▶ ... ─▶ the last resort
//! ```
//! A message in a retry topic is due a delay after it was written there. They come in the order in
//! which they are due, so that one that is not due holds up none that is: its partition is paused
//! until then, and holds no worker.

use std::time::{Duration, Instant};

use crate::consumer::ConsumerRecord;
use crate::ids::{Timestamp, TopicName};
use crate::mq::message::{Message, MessageHeader};

/// The retry topics of a handler, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RetryTopics(Vec<(TopicName, Duration)>);

impl RetryTopics {
    pub(super) fn new(topics: impl IntoIterator<Item = (TopicName, Duration)>) -> Self {
        Self(topics.into_iter().collect())
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &TopicName> {
        self.0.iter().map(|(topic, _)| topic)
    }

    pub(super) fn has(&self, topic: &str) -> bool {
        self.place(topic).is_some()
    }

    /// Where a message of a topic goes next, if there is one left.
    pub(super) fn after(&self, topic: &str) -> Option<&TopicName> {
        let next = self.place(topic).map_or(0, |place| place + 1);
        self.0.get(next).map(|(topic, _)| topic)
    }

    /// When a record may be handled, if that is later.
    pub(super) fn due(
        &self,
        record: &ConsumerRecord,
        wall_now: Timestamp,
        now: Instant,
    ) -> Option<Instant> {
        let (_, delay) = self.0.get(self.place(record.topic())?)?;
        let age = wall_now.0.saturating_sub(record.timestamp().0);
        // Of one that claims to be of the future, from now.
        let age = Duration::from_millis(u64::try_from(age).unwrap_or(0));
        let left = delay.checked_sub(age).filter(|left| !left.is_zero())?;
        Some(now + left)
    }

    fn place(&self, topic: &str) -> Option<usize> {
        self.names().position(|name| name.as_str() == topic)
    }
}

/// How often a handler has been called with a message before it came to a retry topic.
pub(super) fn attempts_before(message: &Message) -> u32 {
    let attempts = || std::str::from_utf8(message.last_header(ATTEMPT)?).ok()?.parse().ok();
    attempts().unwrap_or(0)
}

/// Adds headers that tell where a message came from, whichever retry topics it has been in, and takes
/// away those of its way so far. From elsewhere than a retry topic, such headers say nothing.
pub(super) fn with_origin(
    mut message: Message,
    from: &Message,
    topics: &RetryTopics,
    names: &OriginHeaders,
) -> Message {
    let of_way = |name: &str| from.last_header(name).map(<[u8]>::to_vec);
    let here = |what: Option<String>| what.unwrap_or_default().into_bytes();
    let is_first = !topics.has(&from.topic) || from.last_header(TOPIC).is_none();
    let origin = if is_first {
        [
            from.topic.as_str().as_bytes().to_vec(),
            here(from.partition.map(|partition| partition.to_string())),
            here(from.offset.map(|offset| offset.to_string())),
            here(from.timestamp.map(|timestamp| timestamp.0.to_string())),
        ]
    } else {
        [TOPIC, PARTITION, OFFSET, TIMESTAMP].map(|name| of_way(name).unwrap_or_default())
    };
    message.headers.retain(|header| !header.name.starts_with(PREFIX));
    let [topic, partition, offset, timestamp] = origin;
    let added = [
        (Some(names.topic), topic),
        (Some(names.partition), partition),
        (Some(names.offset), offset),
        (names.timestamp, timestamp),
    ];
    let added =
        added.into_iter().filter_map(|(name, value)| Some(MessageHeader::new(name?, value)));
    message.headers.extend(added);
    message
}

/// What the headers are called that tell where a message came from.
pub(super) struct OriginHeaders {
    pub(super) topic: &'static str,
    pub(super) partition: &'static str,
    pub(super) offset: &'static str,
    pub(super) timestamp: Option<&'static str>,
}

/// Those of a message in a retry topic.
pub(super) const RETRY_ORIGIN: OriginHeaders = OriginHeaders {
    topic: TOPIC,
    partition: PARTITION,
    offset: OFFSET,
    timestamp: Some(TIMESTAMP),
};

const PREFIX: &str = "kavka.retry.";
const TOPIC: &str = "kavka.retry.topic";
const PARTITION: &str = "kavka.retry.partition";
const OFFSET: &str = "kavka.retry.offset";
const TIMESTAMP: &str = "kavka.retry.timestamp";
/// How often a handler has been called with it.
pub(super) const ATTEMPT: &str = "kavka.retry.attempt";
/// Why it failed last.
pub(super) const ERROR: &str = "kavka.retry.error";
