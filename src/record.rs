//! A record on its way to Kafka, borrowed from the caller, and what Kafka answers about it.

use std::borrow::Cow;

use crate::ids::{Offset, PartitionId, Timestamp, TopicPartition};

/// A record to send. It borrows its contents, since `send` copies key, value and headers into a
/// batch immediately.
///
/// ```
/// use kavka::Record;
///
/// let record = Record::to("orders").key("customer-7").value(r#"{"item":"tea"}"#);
/// let tombstone = Record::to("orders").key("customer-7");
/// assert_eq!(tombstone.value, None);
/// let traced = record.header("source", "shop").header("trace", None::<&str>);
/// assert_eq!(traced.headers.len(), 2);
/// ```
///
/// `Record::from(&consumed)` turns a consumed record into one to send, keeping its topic, key,
/// value, headers and, if it has one, timestamp; the partition is chosen anew.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Record<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition, or `None` to let the partitioner choose.
    pub partition: Option<PartitionId>,
    /// The key. Records with equal keys go to the same partition.
    pub key: Option<&'a [u8]>,
    /// The value. `None` is Kafka's null, which deletes the key from a compacted topic (a
    /// tombstone).
    pub value: Option<&'a [u8]>,
    /// The headers, in order. Names may repeat.
    pub headers: HeaderList<'a>,
    /// The event time, or `None` for the time of the send.
    pub timestamp: Option<Timestamp>,
}

impl<'a> Record<'a> {
    /// Creates a record for a topic, without key or value.
    pub fn to(topic: &'a str) -> Self {
        Self {
            topic,
            partition: None,
            key: None,
            value: None,
            headers: HeaderList::default(),
            timestamp: None,
        }
    }

    /// Sets the topic.
    #[must_use]
    pub fn topic(mut self, topic: &'a str) -> Self {
        self.topic = topic;
        self
    }

    /// Sets the key: bytes, text, or an `Option` of either.
    #[must_use]
    pub fn key(mut self, key: impl NullableBytes<'a>) -> Self {
        self.key = key.nullable_bytes();
        self
    }

    /// Sets the value: bytes, text, or an `Option` of either. `None` makes the record a tombstone.
    #[must_use]
    pub fn value(mut self, value: impl NullableBytes<'a>) -> Self {
        self.value = value.nullable_bytes();
        self
    }

    /// Appends a header. The existing headers are first copied into a list owned by the record, so
    /// [`Record::headers`] is cheaper when many records share the same headers.
    #[must_use]
    pub fn header(mut self, name: &'a str, value: impl NullableBytes<'a>) -> Self {
        self.headers.push(Header::new(name, value));
        self
    }

    /// Replaces all headers.
    #[must_use]
    pub fn headers(mut self, headers: &'a [Header<'a>]) -> Self {
        self.headers = headers.into();
        self
    }

    /// Sets the partition, bypassing the partitioner.
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

/// Types accepted as a key or as the value of a record or header: bytes, text, or an `Option` of
/// either, where `None` is Kafka's null.
pub trait NullableBytes<'a> {
    /// Returns the bytes, or `None` for null.
    fn nullable_bytes(self) -> Option<&'a [u8]>;
}

impl<'a, T: AsRef<[u8]> + ?Sized> NullableBytes<'a> for &'a T {
    fn nullable_bytes(self) -> Option<&'a [u8]> {
        Some(self.as_ref())
    }
}

impl<'a, T: AsRef<[u8]> + ?Sized> NullableBytes<'a> for Option<&'a T> {
    fn nullable_bytes(self) -> Option<&'a [u8]> {
        self.map(AsRef::as_ref)
    }
}

/// A record header (KIP-82), either to send or received.
///
/// Header names should be UTF-8, but brokers do not check it. Records are received and forwarded
/// whatever their header names are: [`name`](Self::name) replaces invalid UTF-8, as the Java client
/// does, and [`name_bytes`](Self::name_bytes) returns the bytes as sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    pub(crate) name: &'a [u8],
    /// The value. `None` is Kafka's null, which is distinct from an empty value.
    pub value: Option<&'a [u8]>,
}

impl<'a> Header<'a> {
    /// Creates a header; a value of `None` is null.
    pub fn new(name: &'a str, value: impl NullableBytes<'a>) -> Self {
        Self { name: name.as_bytes(), value: value.nullable_bytes() }
    }

    /// Returns the name, with U+FFFD in place of invalid UTF-8.
    pub fn name(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.name)
    }

    /// Returns the bytes of the name as sent.
    pub fn name_bytes(&self) -> &'a [u8] {
        self.name
    }
}

/// The headers of a record to send: a slice borrowed from the caller, or a list owned by the
/// record.
#[derive(Clone, Debug)]
pub struct HeaderList<'a>(RecordHeaders<'a>);

// No `Cow`: a record with one could not be used where one of a shorter life is wanted.
#[derive(Clone, Debug)]
enum RecordHeaders<'a> {
    Borrowed(&'a [Header<'a>]),
    Owned(Vec<Header<'a>>),
}

impl<'a> HeaderList<'a> {
    /// Appends a header. The first call copies a borrowed slice.
    pub fn push(&mut self, header: Header<'a>) {
        match &mut self.0 {
            RecordHeaders::Owned(list) => list.push(header),
            RecordHeaders::Borrowed(slice) => {
                let mut list = Vec::with_capacity(slice.len() + 1);
                list.extend_from_slice(slice);
                list.push(header);
                self.0 = RecordHeaders::Owned(list);
            }
        }
    }
}

impl Default for HeaderList<'_> {
    fn default() -> Self {
        Self(RecordHeaders::Borrowed(&[]))
    }
}

impl<'a> std::ops::Deref for HeaderList<'a> {
    type Target = [Header<'a>];

    fn deref(&self) -> &[Header<'a>] {
        match &self.0 {
            RecordHeaders::Borrowed(slice) => slice,
            RecordHeaders::Owned(list) => list,
        }
    }
}

impl<'a> From<&'a [Header<'a>]> for HeaderList<'a> {
    fn from(headers: &'a [Header<'a>]) -> Self {
        Self(RecordHeaders::Borrowed(headers))
    }
}

impl<'a> From<Vec<Header<'a>>> for HeaderList<'a> {
    fn from(headers: Vec<Header<'a>>) -> Self {
        Self(RecordHeaders::Owned(headers))
    }
}

impl<'a> FromIterator<Header<'a>> for HeaderList<'a> {
    fn from_iter<I: IntoIterator<Item = Header<'a>>>(headers: I) -> Self {
        headers.into_iter().collect::<Vec<_>>().into()
    }
}

/// Where an acknowledged record was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordMetadata {
    /// The partition the record was written to.
    pub topic_partition: TopicPartition,
    /// The offset. `None` with `acks=0`, and for a record that the broker had already written
    /// (DUPLICATE_SEQUENCE).
    pub offset: Option<Offset>,
    /// The timestamp stored in the log: the record's own, or the broker's for topics with
    /// `LogAppendTime`.
    pub timestamp: Timestamp,
}

/// The clock that a record's timestamp comes from (`message.timestamp.type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimestampType {
    /// The producer's clock, when the record was created.
    CreateTime,
    /// The broker's clock, when it appended the record.
    LogAppendTime,
}
