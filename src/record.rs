//! A record on its way to Kafka, borrowed from the caller, and what Kafka answers about it.

use crate::ids::{Offset, PartitionId, Timestamp, TopicPartition};

/// A record to send: it borrows what it carries, since `send` copies key, value and headers into a batch at once.
///
/// ```
/// use kavka::Record;
///
/// let record = Record::to("orders").key("customer-7").value(r#"{"item":"tea"}"#);
/// let tombstone = Record::to("orders").key("customer-7");
/// assert_eq!(tombstone.value, None);
/// # let _ = record;
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition, or `None` for the partitioner to choose.
    pub partition: Option<PartitionId>,
    /// The key. Records with equal keys go to the same partition.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is Kafka's null, which deletes the key from a compacted topic (a tombstone).
    pub value: Option<&'a [u8]>,
    /// The headers in order; names may repeat.
    pub headers: &'a [Header<'a>],
    /// When the event happened, or `None` for now.
    pub timestamp: Option<Timestamp>,
}

impl<'a> Record<'a> {
    /// A record without key and value for a topic.
    pub fn to(topic: &'a str) -> Self {
        Self { topic, partition: None, key: None, value: None, headers: &[], timestamp: None }
    }

    /// Sets the key.
    #[must_use]
    pub fn key(mut self, key: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        self.key = Some(key.as_ref());
        self
    }

    /// Sets the value.
    #[must_use]
    pub fn value(mut self, value: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        self.value = Some(value.as_ref());
        self
    }

    /// Sets the headers.
    #[must_use]
    pub fn headers(mut self, headers: &'a [Header<'a>]) -> Self {
        self.headers = headers;
        self
    }

    /// Sets the partition; the partitioner is not asked.
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
}

/// A header of a record (KIP-82).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// The name.
    pub name: &'a str,
    /// The value; `None` is Kafka's null, distinct from the empty value.
    pub value: Option<&'a [u8]>,
}

impl<'a> Header<'a> {
    /// A header with a value.
    pub fn new(name: &'a str, value: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self { name, value: Some(value.as_ref()) }
    }
}

/// Where an acknowledged record was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordMetadata {
    /// The partition.
    pub topic_partition: TopicPartition,
    /// The offset; `None` with `acks=0`, and for a record that the broker had already (DUPLICATE_SEQUENCE).
    pub offset: Option<Offset>,
    /// The timestamp that was stored: the record's own, or the broker's for topics with `LogAppendTime`.
    pub timestamp: Timestamp,
}

/// Which clock a record's timestamp comes from (`message.timestamp.type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimestampType {
    /// The producer's.
    CreateTime,
    /// The broker's, when it appended the record.
    LogAppendTime,
}
