//! Reading batches out of a fetch response: lazily, borrowed, and believing nothing that the bytes do not bear out.
//!
//! ```text
//! Bytes ──Batches──▶ Batch (header only) ──decode: checksum, decompress──▶ Records ──RecordIter──▶ RecordRef
//! ```
//! A [`Batch`] can be skipped for the price of its header (aborted transactions, control batches). [`Records`] owns the plain
//! bytes, and each [`RecordRef`] borrows from them: no allocation and no reference count per record.

use bytes::Bytes;

use super::{
    Attributes, BatchError, BatchErrorReason, CRC_START, HEADER_LEN, HeaderFields, MAGIC_AT, PREFIX_LEN, SealedRecords, checksum,
    legacy, zigzag,
};
use crate::ids::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};
use crate::record::{Header, TimestampType};
use crate::trace_context::TraceContext;
use crate::wire::compress::{self, Codec};

/// The batches of a fetch response's `records`, one after the other; ends silently at a last batch that is cut off.
///
/// After an error it ends: where one length is wrong, nothing behind it can be found.
#[derive(Clone, Debug)]
pub(crate) struct Batches {
    rest: Bytes,
}

impl Batches {
    pub(crate) fn new(records: Bytes) -> Self {
        Self { rest: records }
    }

    /// How many bytes are still to be read; after the end, the length of the batch that was cut off.
    #[cfg(test)]
    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    fn read(&mut self) -> Result<Option<Batch>, BatchError> {
        let Some(prefix) = Prefix::read(&self.rest) else { return Ok(None) };
        let fail = |reason| BatchError { offset: prefix.offset, reason };
        let smallest = match prefix.magic {
            0 => legacy::SMALLEST_V0,
            1 => legacy::SMALLEST_V1,
            2 => HEADER_LEN - PREFIX_LEN,
            unknown => return Err(fail(BatchErrorReason::Magic(unknown))),
        };
        let length = usize::try_from(prefix.length).ok().filter(|&length| length >= smallest);
        let Some(length) = length else { return Err(fail(BatchErrorReason::Length(prefix.length))) };
        if self.rest.len() - PREFIX_LEN < length {
            return Ok(None);
        }
        let malformed = |what| fail(BatchErrorReason::Malformed(what));
        let (len, format) = if prefix.magic == 2 {
            let header = read_header(&self.rest).ok_or_else(|| malformed("header fields that contradict each other"))?;
            (PREFIX_LEN + length, Format::V2(header))
        } else {
            let run = legacy::scan(&self.rest).ok_or_else(|| malformed("message shorter than its fields"))?;
            (run.len, Format::Legacy(run))
        };
        let bytes = self.rest.split_to(len);
        let epoch = matches!(format, Format::V2(_)).then(|| array(&bytes, PREFIX_LEN)).flatten().map(i32::from_be_bytes);
        let leader_epoch = epoch.filter(|epoch| *epoch >= 0).map(LeaderEpoch);
        Ok(Some(Batch { format, leader_epoch, bytes }))
    }
}

impl Iterator for Batches {
    type Item = Result<Batch, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        let read = self.read();
        if read.is_err() {
            self.rest.clear();
        }
        read.transpose()
    }
}

/// What all versions begin with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prefix {
    pub(super) offset: Offset,
    pub(super) length: i32,
    pub(super) magic: i8,
}

impl Prefix {
    /// `None` where the bytes are cut before the version.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            offset: Offset(i64::from_be_bytes(array(bytes, 0)?)),
            length: i32::from_be_bytes(array(bytes, 8)?),
            magic: i8::from_be_bytes(array(bytes, MAGIC_AT)?),
        })
    }
}

/// `N` bytes from `at` on, if there are that many.
#[inline]
pub(super) fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// `None` where fields contradict each other.
fn read_header(bytes: &[u8]) -> Option<HeaderFields> {
    let header = HeaderFields {
        base_offset: Offset(i64::from_be_bytes(array(bytes, 0)?)),
        attributes: Attributes(i16::from_be_bytes(array(bytes, 21)?)),
        last_offset_delta: i32::from_be_bytes(array(bytes, 23)?),
        base_timestamp: i64::from_be_bytes(array(bytes, 27)?),
        max_timestamp: i64::from_be_bytes(array(bytes, 35)?),
        producer_id: i64::from_be_bytes(array(bytes, 43)?),
        producer_epoch: i16::from_be_bytes(array(bytes, 51)?),
        base_sequence: i32::from_be_bytes(array(bytes, 53)?),
        count: i32::from_be_bytes(array(bytes, 57)?),
    };
    let last = header.base_offset.0.checked_add(i64::from(header.last_offset_delta))?;
    let is_sound = header.base_offset.0 >= 0 && header.last_offset_delta >= 0 && last < i64::MAX && header.count >= 0;
    is_sound.then_some(header)
}

/// One batch, of which only the header has been read.
///
/// Consecutive uncompressed messages of the old versions count as one batch.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    format: Format,
    leader_epoch: Option<LeaderEpoch>,
    bytes: Bytes,
}

#[derive(Clone, Debug)]
enum Format {
    V2(HeaderFields),
    Legacy(legacy::Run),
}

impl Batch {
    /// The offset that the batch begins at; of a compressed message of the old versions only the last offset is known
    /// before it is decoded, and this is it.
    pub(crate) fn base_offset(&self) -> Offset {
        match &self.format {
            Format::V2(header) => header.base_offset,
            Format::Legacy(run) => run.base_offset,
        }
    }

    /// The last offset that the batch stands for, whether or not a record with it has survived compaction.
    pub(crate) fn last_offset(&self) -> Offset {
        match &self.format {
            Format::V2(header) => header.base_offset.advance(i64::from(header.last_offset_delta)),
            Format::Legacy(run) => run.last_offset,
        }
    }

    /// Where to read on after the batch, even if it has no records left.
    pub(crate) fn next_offset(&self) -> Offset {
        self.last_offset().advance(1)
    }

    /// The idempotent producer that wrote it.
    pub(crate) fn producer(&self) -> Option<(ProducerId, ProducerEpoch)> {
        match &self.format {
            Format::V2(header) if header.producer_id >= 0 => {
                Some((ProducerId(header.producer_id), ProducerEpoch(header.producer_epoch)))
            }
            _ => None,
        }
    }

    pub(crate) fn is_transactional(&self) -> bool {
        self.has(Attributes::TRANSACTIONAL)
    }

    /// Whether it holds markers for clients instead of records for applications.
    pub(crate) fn is_control(&self) -> bool {
        self.has(Attributes::CONTROL)
    }

    fn has(&self, bit: i16) -> bool {
        matches!(&self.format, Format::V2(header) if header.attributes.has(bit))
    }

    pub(crate) fn timestamp_type(&self) -> TimestampType {
        let is_log_append_time = match &self.format {
            Format::V2(header) => header.attributes.has(Attributes::LOG_APPEND_TIME),
            Format::Legacy(run) => run.is_log_append_time,
        };
        if is_log_append_time { TimestampType::LogAppendTime } else { TimestampType::CreateTime }
    }

    /// How many bytes it took in the response.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The epoch of the leader that appended it (KIP-101); the old versions do not say.
    pub(crate) fn leader_epoch(&self) -> Option<LeaderEpoch> {
        self.leader_epoch
    }

    /// Parts with the memory that the batch came in by a copy of its bytes.
    pub(crate) fn detach(&mut self) {
        self.bytes = Bytes::copy_from_slice(&self.bytes);
    }

    /// What the header says, without the bytes: for a batch that was decoded.
    #[must_use]
    pub(crate) fn header(&self) -> Self {
        Self { bytes: Bytes::new(), ..self.clone() }
    }

    /// Whether decoding takes more than a checksum.
    pub(crate) fn is_heavy(&self) -> bool {
        match &self.format {
            Format::V2(header) => header.attributes.codec_id() != Codec::None.id(),
            Format::Legacy(_) => true,
        }
    }

    /// Checks the checksum if that is wanted, and decompresses.
    /// # Errors
    /// Names the batch's offset; nothing of the batch can be read then.
    pub(crate) fn decode(&self, options: &DecodeOptions) -> Result<Records, BatchError> {
        match &self.format {
            Format::V2(header) => self.decode_v2(header, options),
            Format::Legacy(run) => legacy::decode(&self.bytes, run, options),
        }
        .map_err(|reason| BatchError { offset: self.base_offset(), reason })
    }

    fn decode_v2(&self, header: &HeaderFields, options: &DecodeOptions) -> Result<Records, BatchErrorReason> {
        const SHORT: BatchErrorReason = BatchErrorReason::Malformed("batch shorter than its header");
        if options.check_crc {
            let stored = u32::from_be_bytes(array(&self.bytes, 17).ok_or(SHORT)?);
            let computed = checksum(&[], self.bytes.get(CRC_START..).ok_or(SHORT)?);
            if stored != computed {
                return Err(BatchErrorReason::Checksum { stored, computed });
            }
        }
        let compressed = self.bytes.get(HEADER_LEN..).ok_or(SHORT)?;
        let codec = Codec::from_id(header.attributes.codec_id())?;
        let data = match codec {
            Codec::None => self.bytes.slice_ref(compressed),
            // A batch that compaction has emptied may keep its codec and no bytes.
            _ if header.count == 0 && compressed.is_empty() => Bytes::new(),
            _ => compress::decompress(codec, compressed, options.max_decompressed)?,
        };
        let is_log_append_time = header.attributes.has(Attributes::LOG_APPEND_TIME);
        let shape = Shape {
            base_offset: header.base_offset.0,
            last_offset_delta: header.last_offset_delta,
            base_timestamp: header.base_timestamp,
            append_time: is_log_append_time.then_some(header.max_timestamp),
            count: header.count,
        };
        Ok(Records { data, shape })
    }

    /// The marker of a control batch; `None` for an empty one.
    /// # Errors
    /// As for [`Batch::decode`], and if the record is not a marker.
    pub(crate) fn control(&self, options: &DecodeOptions) -> Result<Option<ControlRecord>, BatchError> {
        let records = self.decode(options)?;
        let Some(record) = records.iter().next().transpose()? else { return Ok(None) };
        let malformed = BatchErrorReason::Malformed("control record that is not a marker");
        ControlRecord::read(&record).map(Some).ok_or(BatchError { offset: record.offset, reason: malformed })
    }
}

/// How carefully, and how far, batches are decoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DecodeOptions {
    /// Whether checksums are verified (`check.crcs`).
    pub(crate) check_crc: bool,
    /// The most bytes that one batch may decompress to.
    pub(crate) max_decompressed: usize,
}

/// The records of a batch, plain, in the form of version 2 whatever they came in.
#[derive(Clone, Debug)]
pub(crate) struct Records {
    data: Bytes,
    shape: Shape,
}

/// What a record's encoding is relative to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) base_offset: i64,
    pub(super) last_offset_delta: i32,
    pub(super) base_timestamp: i64,
    /// The broker's time, which then is the time of every record.
    pub(super) append_time: Option<i64>,
    pub(super) count: i32,
}

impl Records {
    pub(super) fn new(data: Bytes, shape: Shape) -> Self {
        Self { data, shape }
    }

    /// Walks the records.
    pub(crate) fn iter(&self) -> RecordIter<'_> {
        self.resume(RecordCursor::default())
    }

    /// Walks on from where another walk over the same records stopped.
    #[inline]
    pub(crate) fn resume(&self, cursor: RecordCursor) -> RecordIter<'_> {
        let RecordCursor { at, read, next_delta } = cursor;
        RecordIter { rest: self.data.get(at..).unwrap_or_default(), read, next_delta, shape: self.shape }
    }

    /// Where `iter`, a walk over these records, stands.
    #[inline]
    pub(crate) fn cursor(&self, iter: &RecordIter<'_>) -> RecordCursor {
        RecordCursor { at: self.data.len().saturating_sub(iter.rest.len()), read: iter.read, next_delta: iter.next_delta }
    }

    /// The place behind the last record, if the header's count is to be believed.
    pub(crate) fn end(&self) -> RecordCursor {
        RecordCursor { at: self.data.len(), read: self.shape.count, next_delta: i32::MAX }
    }

    /// How many records the header claims: not to be believed before the walk has found them.
    pub(crate) fn claimed_count(&self) -> usize {
        usize::try_from(self.shape.count).unwrap_or(0)
    }

    /// How many bytes the records take; of a batch that came uncompressed they are part of the reply.
    pub(crate) fn len(&self) -> usize {
        self.data.len()
    }

    /// The offset that no record is below.
    pub(crate) fn base_offset(&self) -> Offset {
        Offset(self.shape.base_offset)
    }

    /// Parts with the memory that the records came in by a copy of their bytes.
    pub(crate) fn detach(&mut self) {
        self.data = Bytes::copy_from_slice(&self.data);
    }

    /// All of them, as they are encoded.
    pub(crate) fn data(&self) -> &Bytes {
        &self.data
    }
}

/// A place between two records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RecordCursor {
    at: usize,
    read: i32,
    next_delta: i32,
}

impl RecordCursor {
    /// How many records, and how many bytes, lie between an earlier place of the same records and this one.
    pub(crate) fn since(&self, earlier: Self) -> (usize, usize) {
        (usize::try_from(self.read.saturating_sub(earlier.read)).unwrap_or(0), self.at.saturating_sub(earlier.at))
    }
}

/// Walks records; ends after the first error.
#[derive(Clone, Debug)]
pub(crate) struct RecordIter<'a> {
    rest: &'a [u8],
    read: i32,
    /// The smallest offset delta that the next record may have.
    next_delta: i32,
    shape: Shape,
}

impl<'a> RecordIter<'a> {
    /// The records of a batch that has not been sent, once they are decompressed.
    pub(super) fn over_sealed(plain: &'a [u8], sealed: &SealedRecords) -> Self {
        let count = i32::try_from(sealed.count).unwrap_or(i32::MAX);
        let shape = Shape {
            base_offset: 0,
            last_offset_delta: count - 1,
            base_timestamp: sealed.base_timestamp.0,
            append_time: None,
            count,
        };
        Self { rest: plain, read: 0, next_delta: 0, shape }
    }

    #[inline]
    fn read(&mut self) -> Result<RecordRef<'a>, &'static str> {
        let mut rest = self.rest;
        let length = zigzag::take(&mut rest).ok_or("record cut off")?;
        let length = usize::try_from(length).map_err(|_| "negative record length")?;
        let (mut body, rest) = rest.split_at_checked(length).ok_or("record longer than its batch")?;
        let body = &mut body;
        // The attributes of a record are unused.
        let (_, fields) = body.split_first().ok_or("record without attributes")?;
        *body = fields;
        let timestamp_delta = zigzag::take_long(body).ok_or("bad timestamp")?;
        let offset_delta = zigzag::take(body).ok_or("bad offset")?;
        if offset_delta < self.next_delta || offset_delta > self.shape.last_offset_delta {
            return Err("offset out of order or beyond the batch");
        }
        let timestamp = match self.shape.append_time {
            None => self.shape.base_timestamp.checked_add(timestamp_delta).ok_or("timestamp overflows")?,
            Some(time) => time,
        };
        let key = take_nullable(body).ok_or("key longer than its record")?;
        let value = take_nullable(body).ok_or("value longer than its record")?;
        let headers = if matches!(body, [0]) { Headers::NONE } else { Headers::check(body)? };
        self.rest = rest;
        // Below the batch's last delta, or at it: one more fits, since the header's check leaves room.
        self.next_delta = offset_delta.saturating_add(1);
        self.read += 1;
        // The header's check: base and last delta add up to less than the largest offset.
        let offset = Offset(self.shape.base_offset.wrapping_add(i64::from(offset_delta)));
        Ok(RecordRef { offset, timestamp: Timestamp(timestamp), key, value, headers })
    }

    #[cold]
    fn fail(&mut self, what: &'static str) -> BatchError {
        let offset = Offset(self.shape.base_offset.saturating_add(i64::from(self.next_delta)));
        self.rest = &[];
        self.read = self.shape.count;
        BatchError { offset, reason: BatchErrorReason::Malformed(what) }
    }
}

impl<'a> Iterator for RecordIter<'a> {
    type Item = Result<RecordRef<'a>, BatchError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.read == self.shape.count {
            return if self.rest.is_empty() { None } else { Some(Err(self.fail("more bytes than records"))) };
        }
        match self.read() {
            Ok(record) => Some(Ok(record)),
            Err(what) => Some(Err(self.fail(what))),
        }
    }
}

/// Any negative length is null, as for Java.
#[inline]
fn take_nullable<'a>(from: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let Ok(length) = usize::try_from(zigzag::take(from)?) else { return Some(None) };
    let (bytes, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some(Some(bytes))
}

/// A record, borrowed from its batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordRef<'a> {
    pub(crate) offset: Offset,
    pub(crate) timestamp: Timestamp,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    headers: Headers<'a>,
}

impl<'a> RecordRef<'a> {
    /// The headers in order, duplicates included.
    pub(crate) fn headers(&self) -> Headers<'a> {
        self.headers
    }
}

/// An iterator over the headers of a consumed record, which decodes them on the fly.
#[derive(Clone, Copy, Debug)]
pub struct Headers<'a> {
    count: usize,
    rest: &'a [u8],
}

impl<'a> Headers<'a> {
    pub(crate) const NONE: Self = Self { count: 0, rest: &[] };

    /// Walks headers once to know that they fill what is left of their record exactly.
    fn check(mut bytes: &'a [u8]) -> Result<Self, &'static str> {
        let count = zigzag::take(&mut bytes).ok_or("bad header count")?;
        let count = usize::try_from(count).map_err(|_| "negative header count")?;
        let headers = Self { count, rest: bytes };
        let mut walk = headers;
        for _ in 0..count {
            walk.read().ok_or("header longer than its record")?;
        }
        if walk.rest.is_empty() { Ok(headers) } else { Err("record longer than its fields") }
    }

    #[inline]
    fn read(&mut self) -> Option<Header<'a>> {
        let length = usize::try_from(zigzag::take(&mut self.rest)?).ok()?;
        let (name, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        let value = take_nullable(&mut self.rest)?;
        Some(Header { name, value })
    }

    /// Returns the trace context of the last `traceparent` header, or `None` if there is no such
    /// header or it is not valid.
    pub fn trace_context(self) -> Option<TraceContext> {
        let carriers = self.filter(|header| header.name == TraceContext::HEADER.as_bytes());
        TraceContext::of_value(carriers.last()?.value?)
    }

    /// The bytes from which `Headers::restore` makes the same headers again.
    pub(crate) fn as_parts(&self) -> (usize, &'a [u8]) {
        (self.count, self.rest)
    }

    /// Headers out of what `as_parts` gave.
    pub(crate) fn from_parts(count: usize, bytes: &'a [u8]) -> Self {
        Self { count, rest: bytes }
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = Header<'a>;

    #[inline]
    fn next(&mut self) -> Option<Header<'a>> {
        self.count = self.count.checked_sub(1)?;
        self.read()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.count, Some(self.count))
    }
}

impl ExactSizeIterator for Headers<'_> {}

/// What a control batch says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ControlRecord {
    pub(crate) marker: ControlMarker,
}

/// The kinds of control records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ControlMarker {
    /// The producer's transaction was aborted.
    Abort,
    /// The producer's transaction was committed.
    Commit,
    /// Not meant for clients, or newer than this one.
    Other(i16),
}

impl ControlRecord {
    /// Newer versions are read as the newest known: the fields of a version are kept by its successors.
    fn read(record: &RecordRef<'_>) -> Option<Self> {
        let key = record.key?;
        let version = i16::from_be_bytes(array(key, 0)?);
        let kind = i16::from_be_bytes(array(key, 2)?);
        let marker = match kind {
            0 => ControlMarker::Abort,
            1 => ControlMarker::Commit,
            other => ControlMarker::Other(other),
        };
        (version >= 0).then_some(Self { marker })
    }
}
