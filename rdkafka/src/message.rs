//! Messages, their headers, and conversions from and to bytes.

use std::fmt;
use std::marker::PhantomData;
use std::str;
use std::sync::OnceLock;
use std::time::SystemTime;

use kavka::{ConsumerRecord, TimestampType};

use crate::error::KafkaError;
use crate::util::millis_to_epoch;

/// When a message was made or written, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timestamp {
    /// There is none.
    NotAvailable,
    /// When the producer made the message.
    CreateTime(i64),
    /// When the broker appended it to its log.
    LogAppendTime(i64),
}

impl Timestamp {
    /// Returns the milliseconds since 1970, if there are any.
    pub fn to_millis(self) -> Option<i64> {
        match self {
            Self::NotAvailable | Self::CreateTime(-1) | Self::LogAppendTime(-1) => None,
            Self::CreateTime(millis) | Self::LogAppendTime(millis) => Some(millis),
        }
    }

    /// Returns the present time, as a [`Timestamp::CreateTime`].
    pub fn now() -> Self {
        Self::from(SystemTime::now())
    }
}

impl From<i64> for Timestamp {
    fn from(millis: i64) -> Self {
        Self::CreateTime(millis)
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        Self::CreateTime(millis_to_epoch(time))
    }
}

/// Headers of a message, to be read.
pub trait Headers {
    /// Returns how many there are.
    fn count(&self) -> usize;

    /// Returns the header at a place, counted from 0.
    ///
    /// # Panics
    /// If there are not so many.
    fn get(&self, idx: usize) -> Header<'_, &[u8]> {
        self.try_get(idx).unwrap_or_else(|| out_of_bounds(self.count(), idx))
    }

    /// Returns the header at a place, its value converted.
    ///
    /// # Errors
    /// That of the conversion.
    ///
    /// # Panics
    /// If there are not so many.
    fn get_as<V>(&self, idx: usize) -> Result<Header<'_, &V>, V::Error>
    where
        V: FromBytes + ?Sized,
    {
        self.try_get_as(idx).unwrap_or_else(|| out_of_bounds(self.count(), idx))
    }

    /// Returns the header at a place, if there is one.
    fn try_get(&self, idx: usize) -> Option<Header<'_, &[u8]>>;

    /// Returns the header at a place, its value converted, if there is one.
    fn try_get_as<V>(&self, idx: usize) -> Option<Result<Header<'_, &V>, V::Error>>
    where
        V: FromBytes + ?Sized,
    {
        self.try_get(idx).map(|header| header.parse())
    }

    /// Iterates over all, in their order.
    fn iter(&self) -> HeadersIter<'_, Self>
    where
        Self: Sized,
    {
        HeadersIter { headers: self, index: 0 }
    }
}

fn out_of_bounds(count: usize, index: usize) -> ! {
    panic!("headers index out of bounds: the count is {count} but the index is {index}")
}

/// One header.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Header<'a, V> {
    /// The name.
    pub key: &'a str,
    /// The value, which may be missing.
    pub value: Option<V>,
}

impl<'a> Header<'a, &'a [u8]> {
    fn parse<V>(&self) -> Result<Header<'a, &'a V>, V::Error>
    where
        V: FromBytes + ?Sized,
    {
        let value = self.value.map(V::from_bytes).transpose()?;
        Ok(Header { key: self.key, value })
    }
}

/// What [`Headers::iter`] returns.
#[derive(Debug)]
pub struct HeadersIter<'a, H> {
    headers: &'a H,
    index: usize,
}

impl<'a, H: Headers> Iterator for HeadersIter<'a, H> {
    type Item = Header<'a, &'a [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        let header = self.headers.try_get(self.index)?;
        self.index += 1;
        Some(header)
    }
}

/// A message, to be read.
pub trait Message {
    /// The type of its headers.
    type Headers: Headers;

    /// Returns the key, if there is one.
    fn key(&self) -> Option<&[u8]>;

    /// Returns the value, if there is one.
    fn payload(&self) -> Option<&[u8]>;

    /// Returns the topic.
    fn topic(&self) -> &str;

    /// Returns the partition.
    fn partition(&self) -> i32;

    /// Returns the offset.
    fn offset(&self) -> i64;

    /// Returns the timestamp.
    fn timestamp(&self) -> Timestamp;

    /// Returns the value as another view of the same bytes.
    fn payload_view<P: ?Sized + FromBytes>(&self) -> Option<Result<&P, P::Error>> {
        self.payload().map(P::from_bytes)
    }

    /// Returns the key as another view of the same bytes.
    fn key_view<K: ?Sized + FromBytes>(&self) -> Option<Result<&K, K::Error>> {
        self.key().map(K::from_bytes)
    }

    /// Returns the headers, if there are any.
    fn headers(&self) -> Option<&Self::Headers>;
}

/// Headers that belong to a message.
#[derive(Clone, Debug, Default)]
pub struct BorrowedHeaders {
    entries: Vec<(String, Option<Vec<u8>>)>,
}

impl BorrowedHeaders {
    /// Returns a copy that may outlive the message.
    pub fn detach(&self) -> OwnedHeaders {
        OwnedHeaders(self.clone())
    }

    fn of(record: &ConsumerRecord) -> Option<Self> {
        let entries: Vec<_> = record
            .headers()
            .map(|header| (header.name().into_owned(), header.value.map(<[u8]>::to_vec)))
            .collect();
        (!entries.is_empty()).then_some(Self { entries })
    }
}

impl Headers for BorrowedHeaders {
    fn count(&self) -> usize {
        self.entries.len()
    }

    fn try_get(&self, idx: usize) -> Option<Header<'_, &[u8]>> {
        let (key, value) = self.entries.get(idx)?;
        Some(Header { key, value: value.as_deref() })
    }
}

/// A message that belongs to the client it came from.
///
/// It shares the memory of the broker's answer. [`BorrowedMessage::detach`] makes a copy that may
/// outlive the client.
pub struct BorrowedMessage<'a> {
    content: Content,
    _client: PhantomData<&'a ()>,
}

enum Content {
    Consumed { record: ConsumerRecord, headers: OnceLock<Option<BorrowedHeaders>> },
    Produced(OwnedMessage),
}

impl<'a> BorrowedMessage<'a> {
    pub(crate) fn consumed(record: ConsumerRecord) -> Self {
        let content = Content::Consumed { record, headers: OnceLock::new() };
        Self { content, _client: PhantomData }
    }

    pub(crate) fn produced(message: OwnedMessage) -> Self {
        Self { content: Content::Produced(message), _client: PhantomData }
    }

    /// Returns the length of the key.
    pub fn key_len(&self) -> usize {
        self.key().map_or(0, <[u8]>::len)
    }

    /// Returns the length of the value.
    pub fn payload_len(&self) -> usize {
        self.payload().map_or(0, <[u8]>::len)
    }

    /// Returns a copy that may outlive the client.
    pub fn detach(&self) -> OwnedMessage {
        OwnedMessage {
            key: self.key().map(<[u8]>::to_vec),
            payload: self.payload().map(<[u8]>::to_vec),
            topic: self.topic().to_owned(),
            timestamp: self.timestamp(),
            partition: self.partition(),
            offset: self.offset(),
            headers: self.headers().map(BorrowedHeaders::detach),
        }
    }
}

impl Message for BorrowedMessage<'_> {
    type Headers = BorrowedHeaders;

    fn key(&self) -> Option<&[u8]> {
        match &self.content {
            Content::Consumed { record, .. } => record.key(),
            Content::Produced(message) => message.key(),
        }
    }

    fn payload(&self) -> Option<&[u8]> {
        match &self.content {
            Content::Consumed { record, .. } => record.value(),
            Content::Produced(message) => message.payload(),
        }
    }

    fn topic(&self) -> &str {
        match &self.content {
            Content::Consumed { record, .. } => record.topic(),
            Content::Produced(message) => message.topic(),
        }
    }

    fn partition(&self) -> i32 {
        match &self.content {
            Content::Consumed { record, .. } => record.partition().0,
            Content::Produced(message) => message.partition,
        }
    }

    fn offset(&self) -> i64 {
        match &self.content {
            Content::Consumed { record, .. } => record.offset().0,
            Content::Produced(message) => message.offset,
        }
    }

    fn timestamp(&self) -> Timestamp {
        match &self.content {
            Content::Consumed { record, .. } => {
                match (record.timestamp().0, record.timestamp_type()) {
                    (-1, _) => Timestamp::NotAvailable,
                    (millis, TimestampType::LogAppendTime) => Timestamp::LogAppendTime(millis),
                    (millis, _) => Timestamp::CreateTime(millis),
                }
            }
            Content::Produced(message) => message.timestamp,
        }
    }

    fn headers(&self) -> Option<&BorrowedHeaders> {
        match &self.content {
            Content::Consumed { record, headers } => {
                headers.get_or_init(|| BorrowedHeaders::of(record)).as_ref()
            }
            Content::Produced(message) => message.headers.as_ref().map(OwnedHeaders::as_borrowed),
        }
    }
}

impl fmt::Debug for BorrowedMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BorrowedMessage")
            .field("topic", &self.topic())
            .field("partition", &self.partition())
            .field("offset", &self.offset())
            .finish_non_exhaustive()
    }
}

/// Headers of their own, to be sent or kept.
#[derive(Clone, Debug, Default)]
pub struct OwnedHeaders(BorrowedHeaders);

impl OwnedHeaders {
    /// Creates an empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates an empty list with room for `initial_capacity` headers.
    pub fn new_with_capacity(initial_capacity: usize) -> Self {
        Self(BorrowedHeaders { entries: Vec::with_capacity(initial_capacity) })
    }

    /// Adds a header.
    #[must_use]
    pub fn insert<V>(mut self, header: Header<'_, &V>) -> Self
    where
        V: ToBytes + ?Sized,
    {
        let value = header.value.map(|value| value.to_bytes().to_vec());
        self.0.entries.push((header.key.to_owned(), value));
        self
    }

    /// Returns them as those of a message.
    pub fn as_borrowed(&self) -> &BorrowedHeaders {
        &self.0
    }
}

impl Headers for OwnedHeaders {
    fn count(&self) -> usize {
        self.0.count()
    }

    fn try_get(&self, idx: usize) -> Option<Header<'_, &[u8]>> {
        self.0.try_get(idx)
    }
}

/// A message with memory of its own.
#[derive(Clone, Debug)]
pub struct OwnedMessage {
    pub(crate) payload: Option<Vec<u8>>,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) topic: String,
    pub(crate) timestamp: Timestamp,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) headers: Option<OwnedHeaders>,
}

impl OwnedMessage {
    /// Creates a message.
    pub fn new(
        payload: Option<Vec<u8>>,
        key: Option<Vec<u8>>,
        topic: String,
        timestamp: Timestamp,
        partition: i32,
        offset: i64,
        headers: Option<OwnedHeaders>,
    ) -> Self {
        Self { payload, key, topic, timestamp, partition, offset, headers }
    }

    /// Takes the headers out of the message.
    pub fn detach_headers(&mut self) -> Option<OwnedHeaders> {
        self.headers.take()
    }

    /// Replaces the headers.
    #[must_use]
    pub fn replace_headers(mut self, headers: Option<OwnedHeaders>) -> Self {
        self.headers = headers;
        self
    }

    /// Sets the value.
    #[must_use]
    pub fn set_payload(mut self, payload: Option<Vec<u8>>) -> Self {
        self.payload = payload;
        self
    }

    /// Sets the key.
    #[must_use]
    pub fn set_key(mut self, key: Option<Vec<u8>>) -> Self {
        self.key = key;
        self
    }

    /// Sets the topic.
    #[must_use]
    pub fn set_topic(mut self, topic: String) -> Self {
        self.topic = topic;
        self
    }

    /// Sets the timestamp.
    #[must_use]
    pub fn set_timestamp(mut self, timestamp: Timestamp) -> Self {
        self.timestamp = timestamp;
        self
    }

    /// Sets the partition.
    #[must_use]
    pub fn set_partition(mut self, partition: i32) -> Self {
        self.partition = partition;
        self
    }

    /// Sets the offset.
    #[must_use]
    pub fn set_offset(mut self, offset: i64) -> Self {
        self.offset = offset;
        self
    }
}

impl Message for OwnedMessage {
    type Headers = OwnedHeaders;

    fn key(&self) -> Option<&[u8]> {
        self.key.as_deref()
    }

    fn payload(&self) -> Option<&[u8]> {
        self.payload.as_deref()
    }

    fn topic(&self) -> &str {
        &self.topic
    }

    fn partition(&self) -> i32 {
        self.partition
    }

    fn offset(&self) -> i64 {
        self.offset
    }

    fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    fn headers(&self) -> Option<&OwnedHeaders> {
        self.headers.as_ref()
    }
}

/// What became of a message that was sent, with the message. One that failed has the partition −1,
/// if none was chosen yet, and the offset 0.
pub type DeliveryResult<'a> = Result<BorrowedMessage<'a>, (KafkaError, BorrowedMessage<'a>)>;

/// A view of bytes as something else, without a copy.
pub trait FromBytes {
    /// Why bytes are not of that type.
    type Error;

    /// Converts.
    ///
    /// # Errors
    /// If they are not of that type.
    fn from_bytes(bytes: &[u8]) -> Result<&Self, Self::Error>;
}

impl FromBytes for [u8] {
    type Error = ();

    fn from_bytes(bytes: &[u8]) -> Result<&Self, Self::Error> {
        Ok(bytes)
    }
}

impl FromBytes for str {
    type Error = str::Utf8Error;

    fn from_bytes(bytes: &[u8]) -> Result<&Self, Self::Error> {
        str::from_utf8(bytes)
    }
}

/// The bytes of a value, without a copy.
pub trait ToBytes {
    /// Converts.
    fn to_bytes(&self) -> &[u8];
}

impl ToBytes for [u8] {
    fn to_bytes(&self) -> &[u8] {
        self
    }
}

impl ToBytes for str {
    fn to_bytes(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl ToBytes for Vec<u8> {
    fn to_bytes(&self) -> &[u8] {
        self
    }
}

impl ToBytes for String {
    fn to_bytes(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl<T: ToBytes> ToBytes for &T {
    fn to_bytes(&self) -> &[u8] {
        (*self).to_bytes()
    }
}

impl ToBytes for () {
    fn to_bytes(&self) -> &[u8] {
        &[]
    }
}

impl<const N: usize> ToBytes for [u8; N] {
    fn to_bytes(&self) -> &[u8] {
        self
    }
}
