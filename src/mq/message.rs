//! A message, as a service sends and receives it.

use std::fmt;

use bytes::Bytes;

use crate::consumer::ConsumerRecord;
use crate::ids::{Offset, PartitionId, Timestamp, TopicName, TopicPartition};
use crate::record;
use crate::share::ShareRecord;
use crate::wire::batch::Headers;

/// A message. It owns its bytes, which are shared, so it is cheap to clone.
///
/// ```
/// use kavka::mq::Message;
///
/// let message = Message::new("chat-messages", "Hello").key("room-7").header("trace", "abc").header("trace", "def");
/// assert_eq!(message.headers.len(), 2);
/// ```
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Message {
    /// The topic.
    pub topic: TopicName,
    /// The partition. In a message to send, `None` lets the key decide.
    pub partition: Option<PartitionId>,
    /// The offset within the partition, once the message has been written.
    pub offset: Option<Offset>,
    /// The key. Messages with the same key keep their order.
    pub key: Option<Bytes>,
    /// The value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// The headers, in order. Names may repeat.
    pub headers: Vec<MessageHeader>,
    /// The timestamp. In a message to send, `None` stands for the time of the send.
    pub timestamp: Option<Timestamp>,
    pub(super) attempt: u32,
}

/// A header of a [`Message`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageHeader {
    /// The name.
    pub name: String,
    /// The value; `None` is Kafka's null.
    pub value: Option<Bytes>,
}

impl MessageHeader {
    /// Creates a header with a value.
    pub fn new(name: impl Into<String>, value: impl Into<Bytes>) -> Self {
        Self { name: name.into(), value: Some(value.into()) }
    }
}

impl Message {
    /// Creates a message with a value.
    pub fn new(topic: impl Into<TopicName>, value: impl Into<Bytes>) -> Self {
        Self { value: Some(value.into()), ..Self::tombstone(topic) }
    }

    /// Creates a message without a value, which deletes its key from a compacted topic.
    pub fn tombstone(topic: impl Into<TopicName>) -> Self {
        Self {
            topic: topic.into(),
            partition: None,
            offset: None,
            key: None,
            value: None,
            headers: Vec::new(),
            timestamp: None,
            attempt: 1,
        }
    }

    /// Sets the key.
    #[must_use]
    pub fn key(mut self, key: impl Into<Bytes>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Bytes>) -> Self {
        self.headers.push(MessageHeader::new(name, value));
        self
    }

    /// Sets the partition.
    #[must_use]
    pub fn partition(mut self, partition: impl Into<PartitionId>) -> Self {
        self.partition = Some(partition.into());
        self
    }

    /// Sets the timestamp.
    #[must_use]
    pub fn timestamp(mut self, timestamp: impl Into<Timestamp>) -> Self {
        self.timestamp = Some(timestamp.into());
        self
    }

    /// Returns the value as text, if there is one and it is UTF-8.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(self.value.as_deref()?).ok()
    }

    /// Returns the value of the last header of this name that has one.
    pub fn last_header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().rev().find(|header| header.name == name)?.value.as_deref()
    }

    /// Returns for the how manieth time a handler is called with the message: 1, 2 and so on, as its
    /// [`FailurePolicy`](super::FailurePolicy) has it tried again.
    ///
    /// It begins with 1 again when the message is received again, as after a crash or a rebalance; of a
    /// [share group](super::ShareConsumer) the brokers count, and it does not.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Returns the topic and partition of a received message.
    pub fn topic_partition(&self) -> Option<TopicPartition> {
        Some(TopicPartition { topic: self.topic.clone(), partition: self.partition? })
    }

    pub(super) fn received(record: &ConsumerRecord) -> Self {
        Self {
            partition: Some(record.topic_partition().partition),
            offset: Some(record.offset()),
            key: record.key_bytes(),
            value: record.value_bytes(),
            headers: owned(record.headers()),
            timestamp: Some(record.timestamp()).filter(|time| time.0 >= 0),
            ..Self::tombstone(record.topic_partition().topic.clone())
        }
    }

    pub(super) fn shared(record: &ShareRecord) -> Self {
        Self {
            partition: Some(record.partition()),
            offset: Some(record.offset()),
            key: record.key_bytes(),
            value: record.value_bytes(),
            headers: owned(record.headers()),
            timestamp: Some(record.timestamp()).filter(|time| time.0 >= 0),
            attempt: record.delivery_count().into(),
            ..Self::tombstone(record.topic_partition().topic.clone())
        }
    }

    /// The client's record of this.
    pub(super) fn record(&self) -> record::Record<'_> {
        let mut made =
            record::Record::to(&self.topic).key(self.key.as_deref()).value(self.value.as_deref());
        made.partition = self.partition;
        made.headers = self
            .headers
            .iter()
            .map(|header| record::Header::new(&header.name, header.value.as_deref()))
            .collect();
        made.timestamp = self.timestamp;
        made
    }
}

/// The names are copied; the values share the batch's memory only if that is kept anyway, so they are
/// copied too.
fn owned(headers: Headers<'_>) -> Vec<MessageHeader> {
    let owned = headers.map(|header| MessageHeader {
        name: header.name().into_owned(),
        value: header.value.map(Bytes::copy_from_slice),
    });
    owned.collect()
}

impl fmt::Debug for Message {
    /// Writes where the message is, not what is in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("topic", &self.topic)
            .field("partition", &self.partition)
            .field("offset", &self.offset)
            .field("key_len", &self.key.as_ref().map(Bytes::len))
            .field("value_len", &self.value.as_ref().map(Bytes::len))
            .field("headers", &self.headers.len())
            .finish_non_exhaustive()
    }
}
