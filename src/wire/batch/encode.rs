//! Building a batch: records are appended in their final wire form, so that nothing is encoded
//! twice.
//!
//! ```text
//! RecordsBuilder ──append──▶ RecordsBuilder ──seal──▶ SealedRecords ──BatchHeader::write──▶ 61 bytes
//! ```
//! The records are compressed once, at `seal`; the header, which names producer, epoch and
//! sequence, is written when the batch is sent, and again only if those change.

use bytes::Bytes;

use super::packed::{Few, Packed};
use super::records::{RecordIter, Shape};
use super::{Attributes, HEADER_LEN, HeaderFields, zigzag};
use crate::ids::{Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};
use crate::record::Header;
use crate::wire::compress::{self, Codec, CodecError, Compression};

/// What a batch keeps of a record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordFields<'a> {
    pub(crate) timestamp: Timestamp,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) headers: &'a [Header<'a>],
}

/// An open batch: records in wire form, to which more can be appended.
#[derive(Debug)]
pub(crate) struct RecordsBuilder {
    records: Vec<u8>,
    count: u32,
    base_timestamp: Timestamp,
    max_timestamp: Timestamp,
}

impl RecordsBuilder {
    /// An empty batch with room for `capacity` bytes of records; it grows beyond by doubling.
    ///
    /// Nothing is known about the first record yet: its timestamp becomes the base of all others.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self::in_buffer(Vec::with_capacity(capacity))
    }

    /// An empty batch in an empty buffer, beyond which it grows by doubling.
    pub(crate) fn in_buffer(records: Vec<u8>) -> Self {
        debug_assert!(records.is_empty());
        Self {
            records,
            count: 0,
            base_timestamp: Timestamp(NO_TIMESTAMP),
            max_timestamp: Timestamp(NO_TIMESTAMP),
        }
    }

    /// Appends a record if the whole batch then takes at most `limit` bytes, its header included
    /// and before compression; returns the record's index, or `None` and leaves the batch as it
    /// was.
    #[inline]
    pub(crate) fn append_within(&mut self, limit: usize, record: &RecordFields<'_>) -> Option<u32> {
        let form = self
            .short_form(record)
            .map_or_else(|| RecordForm::Long(self.measure(record)), RecordForm::Short);
        let len = self.len().checked_add(form.total())?;
        if len > limit || len > MAX_BATCH_LEN {
            return None;
        }
        let index = self.count;
        if index == 0 {
            self.base_timestamp = record.timestamp;
            self.max_timestamp = record.timestamp;
        } else if record.timestamp > self.max_timestamp {
            self.max_timestamp = record.timestamp;
        }
        match form {
            RecordForm::Short(short) => short.put(&mut self.records, record),
            RecordForm::Long(measured) => measured.put(&mut self.records, record),
        }
        self.count = index + 1;
        Some(index)
    }

    /// Appends a record whatever its size; `None` only beyond what a batch can hold at all (2 GiB).
    #[inline]
    pub(crate) fn append(&mut self, record: &RecordFields<'_>) -> Option<u32> {
        self.append_within(MAX_BATCH_LEN, record)
    }

    /// The usual form: no headers, and nothing that is 256 KiB long or a quarter of an hour away.
    #[inline]
    fn short_form(&self, record: &RecordFields<'_>) -> Option<ShortForm> {
        let (key_len, value_len) =
            (record.key.map_or(0, <[u8]>::len), record.value.map_or(0, <[u8]>::len));
        let timestamp_code = self.timestamp_code(record);
        let is_long = (key_len | value_len) >= SHORT_LEN
            || self.count >= SHORT_COUNT
            || timestamp_code >= Few::CODES;
        if is_long || !record.headers.is_empty() {
            return None;
        }
        let index_code = zigzag::zigzag(i64::from(self.count));
        let front = Few::default().zero().code(timestamp_code).code(index_code);
        let (key, value) =
            (Few::default().code(nullable_code(record.key)), nullable_code(record.value));
        // What stands before a key that is empty or null stands before the value.
        let (before, behind_key) = if key_len == 0 {
            (key.code(value), Few::default())
        } else {
            (key, Few::default().code(value))
        };
        let body = front.len() + before.len() + key_len + behind_key.len() + value_len + 1;
        let length = Few::default().code(length_code(body));
        Some(ShortForm {
            total: length.len() + body,
            front: Packed::from(length).then(front).then(before),
            behind_key: behind_key.into(),
        })
    }

    /// An empty batch takes its base from the record.
    #[inline]
    fn timestamp_code(&self, record: &RecordFields<'_>) -> u64 {
        let delta = if self.count == 0 {
            0
        } else {
            record.timestamp.0.wrapping_sub(self.base_timestamp.0)
        };
        zigzag::zigzag(delta)
    }

    /// How many bytes the batch would grow by with this record.
    pub(crate) fn encoded_len_of(&self, record: &RecordFields<'_>) -> usize {
        self.measure(record).total()
    }

    fn measure(&self, record: &RecordFields<'_>) -> Measured {
        let timestamp_code = self.timestamp_code(record);
        let index_code = zigzag::zigzag(i64::from(self.count));
        let headers = if record.headers.is_empty() { 1 } else { headers_len(record.headers) };
        // One byte is the attributes.
        let body = (1 + zigzag::code_len(timestamp_code) + zigzag::code_len(index_code))
            .saturating_add(nullable_len(record.key))
            .saturating_add(nullable_len(record.value))
            .saturating_add(headers);
        let body_code = length_code(body);
        Measured { body, body_code, timestamp_code, index_code }
    }

    /// How many bytes the batch takes before compression, its header included.
    pub(crate) fn len(&self) -> usize {
        HEADER_LEN + self.records.len()
    }

    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Ends the batch and compresses it.
    ///
    /// A batch that compression does not make smaller stays uncompressed.
    /// # Errors
    /// If the crate was built without the codec.
    pub(crate) fn seal(self, compression: Compression) -> Result<SealedRecords, CodecError> {
        let uncompressed_len = self.records.len();
        let compressed = match compression.codec() {
            Codec::None => None,
            _ => compress::compress(compression, &self.records)?
                .filter(|smaller| smaller.len() < uncompressed_len),
        };
        let (records, codec) = match compressed {
            Some(compressed) => (compressed, compression.codec()),
            None => (Bytes::from(self.records), Codec::None),
        };
        let Self { count, base_timestamp, max_timestamp, .. } = self;
        Ok(SealedRecords { records, codec, count, uncompressed_len, base_timestamp, max_timestamp })
    }
}

/// How a record is encoded.
enum RecordForm {
    Short(ShortForm),
    Long(Measured),
}

impl RecordForm {
    #[inline]
    fn total(&self) -> usize {
        match self {
            Self::Short(short) => short.total,
            Self::Long(measured) => measured.total(),
        }
    }
}

/// A record without headers, but for key and value.
struct ShortForm {
    /// All up to the key; the length of the value, too, if there is no key.
    front: Packed,
    behind_key: Packed,
    total: usize,
}

impl ShortForm {
    #[inline]
    fn put(&self, to: &mut Vec<u8>, record: &RecordFields<'_>) {
        to.reserve(self.total + Packed::ROOM);
        self.front.put(to);
        if let Some(key) = record.key.filter(|key| !key.is_empty()) {
            to.extend_from_slice(key);
            self.behind_key.put(to);
        }
        to.extend_from_slice(record.value.unwrap_or_default());
        // No headers.
        to.push(0);
    }
}

/// The parts of a record's encoding that depend on its batch.
struct Measured {
    body: usize,
    body_code: u64,
    timestamp_code: u64,
    index_code: u64,
}

impl Measured {
    #[inline]
    fn total(&self) -> usize {
        self.body.saturating_add(zigzag::code_len(self.body_code))
    }

    fn put(&self, to: &mut Vec<u8>, record: &RecordFields<'_>) {
        to.reserve(self.total());
        zigzag::put_code(to, self.body_code);
        to.push(0);
        zigzag::put_code(to, self.timestamp_code);
        zigzag::put_code(to, self.index_code);
        put_nullable(to, record.key);
        put_nullable(to, record.value);
        put_headers(to, record.headers);
    }
}

/// The records of a batch that is complete: what is kept for every attempt to send it.
#[derive(Clone, Debug)]
pub(crate) struct SealedRecords {
    pub(crate) records: Bytes,
    /// The codec used; none where compressing did not help.
    pub(crate) codec: Codec,
    pub(crate) count: u32,
    /// How many bytes the records took before compression.
    pub(crate) uncompressed_len: usize,
    pub(crate) base_timestamp: Timestamp,
    pub(crate) max_timestamp: Timestamp,
}

impl SealedRecords {
    /// How many bytes the batch takes on the wire, its header included.
    pub(crate) fn len(&self) -> usize {
        HEADER_LEN + self.records.len()
    }

    /// Divides the batch into consecutive parts of at most `limit` bytes each before compression, a
    /// single larger record excepted.
    ///
    /// A batch of more than one record gives at least two parts, whatever the limit, so that a
    /// caller who halves gets somewhere (MESSAGE_TOO_LARGE, `ProducerBatch.split` in Java).
    /// # Errors
    /// If the crate was built without the codec, or if the records do not decode, which would be a
    /// bug of this module.
    pub(crate) fn split(
        &self,
        limit: usize,
        compression: Compression,
    ) -> Result<Vec<Self>, CodecError> {
        let plain = compress::decompress(self.codec, &self.records, self.uncompressed_len)?;
        let half = HEADER_LEN + self.uncompressed_len / 2;
        let limit = limit.min(half);
        let mut parts = Vec::new();
        let mut open = RecordsBuilder::with_capacity(limit.min(self.uncompressed_len));
        let mut headers = Vec::new();
        for record in RecordIter::new(&plain, self.shape()) {
            let record = record.map_err(|_| CodecError::Damaged {
                codec: self.codec,
                what: "sealed records do not decode",
            })?;
            headers.clear();
            headers.extend(record.headers());
            let fields = RecordFields {
                timestamp: record.timestamp,
                key: record.key,
                value: record.value,
                headers: &headers,
            };
            if open.append_within(limit, &fields).is_none() {
                if !open.is_empty() {
                    parts.push(
                        std::mem::replace(&mut open, RecordsBuilder::with_capacity(limit))
                            .seal(compression)?,
                    );
                }
                // The record was in a batch before, so it fits one.
                open.append(&fields);
            }
        }
        if !open.is_empty() {
            parts.push(open.seal(compression)?);
        }
        Ok(parts)
    }

    fn shape(&self) -> Shape {
        let count = i32::try_from(self.count).unwrap_or(i32::MAX);
        let base_timestamp = self.base_timestamp.0;
        Shape {
            base_offset: 0,
            last_offset_delta: count - 1,
            base_timestamp,
            append_time: None,
            count,
        }
    }
}

/// Who sends a batch, and as which of its batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BatchHeader {
    /// `None` for a producer that is not idempotent.
    pub(crate) producer: Option<ProducerStamp>,
}

/// The part of a batch header by which brokers recognise duplicates (KIP-98).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProducerStamp {
    pub(crate) id: ProducerId,
    pub(crate) epoch: ProducerEpoch,
    /// The sequence of the first record.
    pub(crate) sequence: Sequence,
    pub(crate) is_transactional: bool,
}

impl BatchHeader {
    /// The header of a batch with these records.
    pub(crate) fn write(&self, records: &SealedRecords) -> [u8; HEADER_LEN] {
        let fields = HeaderFields {
            // Brokers set the offset and the leader epoch.
            base_offset: Offset(0),
            attributes: Attributes::new(
                records.codec,
                self.producer.is_some_and(|producer| producer.is_transactional),
            ),
            last_offset_delta: i32::try_from(records.count).unwrap_or(i32::MAX) - 1,
            base_timestamp: records.base_timestamp.0,
            max_timestamp: records.max_timestamp.0,
            producer_id: self.producer.map_or(-1, |producer| producer.id.0),
            producer_epoch: self.producer.map_or(-1, |producer| producer.epoch.0),
            base_sequence: self.producer.map_or(-1, |producer| producer.sequence.0),
            count: i32::try_from(records.count).unwrap_or(i32::MAX),
        };
        fields.write(&records.records)
    }
}

/// Shorter keys and values have codes that fit [`Few`], and so has a record of both.
const SHORT_LEN: usize = 1 << 18;

/// Records of a batch whose indexes fit [`Few`].
const SHORT_COUNT: u32 = 1 << 20;

/// A batch's length field counts from byte 12 and is an `i32`.
const MAX_BATCH_LEN: usize = 0x7fff_ffff;

/// What stands for "no timestamp".
const NO_TIMESTAMP: i64 = -1;

/// The zigzag code of a length; saturates for what no batch can hold, which `append_within`
/// refuses.
#[inline]
fn length_code(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX).saturating_mul(2)
}

/// The zigzag code of a length, or of the -1 that stands for null.
#[inline]
fn nullable_code(bytes: Option<&[u8]>) -> u64 {
    bytes.map_or(u64::from(NULL), |bytes| length_code(bytes.len()))
}

#[inline]
fn nullable_len(bytes: Option<&[u8]>) -> usize {
    match bytes {
        Some(bytes) => zigzag::code_len(length_code(bytes.len())).saturating_add(bytes.len()),
        None => 1,
    }
}

fn headers_len(headers: &[Header<'_>]) -> usize {
    headers.iter().fold(zigzag::code_len(length_code(headers.len())), |sum, header| {
        sum.saturating_add(nullable_len(Some(header.name)))
            .saturating_add(nullable_len(header.value))
    })
}

fn put_nullable(to: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => {
            zigzag::put_code(to, length_code(bytes.len()));
            to.extend_from_slice(bytes);
        }
        None => to.push(NULL),
    }
}

fn put_headers(to: &mut Vec<u8>, headers: &[Header<'_>]) {
    zigzag::put_code(to, length_code(headers.len()));
    for header in headers {
        put_nullable(to, Some(header.name));
        put_nullable(to, header.value);
    }
}

/// Appends a record without headers, whose deltas the caller has worked out.
pub(super) fn put_bare_record(
    to: &mut Vec<u8>,
    timestamp_delta: i64,
    offset_delta: i32,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
) {
    let timestamp_code = zigzag::zigzag(timestamp_delta);
    let index_code = zigzag::zigzag(i64::from(offset_delta));
    let codes = zigzag::code_len(timestamp_code) + zigzag::code_len(index_code);
    // Two bytes are the attributes and the number of headers.
    zigzag::put_code(to, length_code(2 + codes + nullable_len(key) + nullable_len(value)));
    to.push(0);
    zigzag::put_code(to, timestamp_code);
    zigzag::put_code(to, index_code);
    put_nullable(to, key);
    put_nullable(to, value);
    to.push(0);
}

/// The length -1 in zigzag.
const NULL: u8 = 1;
