//! The records of one batch, plain: walked one by one, borrowed, and believing nothing that the
//! bytes do not bear out.
//!
//! ```text
//! Records ──RecordIter──▶ RecordRef ──Headers──▶ Header
//! ```
//! [`Records`] owns the plain bytes, and each [`RecordRef`] borrows from them: no allocation and no
//! reference count per record.

use bytes::Bytes;

use super::{BatchError, BatchErrorReason, zigzag};
use crate::ids::{Offset, Timestamp};
use crate::record::Header;
use crate::trace_context::TraceContext;

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
        RecordIter {
            rest: self.data.get(at..).unwrap_or_default(),
            read,
            next_delta,
            shape: self.shape,
        }
    }

    /// Where `iter`, a walk over these records, stands.
    #[inline]
    pub(crate) fn cursor(&self, iter: &RecordIter<'_>) -> RecordCursor {
        RecordCursor {
            at: self.data.len().saturating_sub(iter.rest.len()),
            read: iter.read,
            next_delta: iter.next_delta,
        }
    }

    /// The place behind the last record, if the header's count is to be believed.
    pub(crate) fn end(&self) -> RecordCursor {
        RecordCursor { at: self.data.len(), read: self.shape.count, next_delta: i32::MAX }
    }

    /// How many records the header claims: not to be believed before the walk has found them.
    pub(crate) fn claimed_count(&self) -> usize {
        usize::try_from(self.shape.count).unwrap_or(0)
    }

    /// How many bytes the records take; of a batch that came uncompressed they are part of the
    /// reply.
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
    /// How many records, and how many bytes, lie between an earlier place of the same records and
    /// this one.
    pub(crate) fn since(&self, earlier: Self) -> (usize, usize) {
        (
            usize::try_from(self.read.saturating_sub(earlier.read)).unwrap_or(0),
            self.at.saturating_sub(earlier.at),
        )
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
    /// Walks plain records of that shape.
    pub(super) fn new(plain: &'a [u8], shape: Shape) -> Self {
        Self { rest: plain, read: 0, next_delta: 0, shape }
    }

    #[inline]
    fn read(&mut self) -> Result<RecordRef<'a>, &'static str> {
        let mut rest = self.rest;
        let length = zigzag::take(&mut rest).ok_or("record cut off")?;
        let length = usize::try_from(length).map_err(|_| "negative record length")?;
        let (mut body, rest) =
            rest.split_at_checked(length).ok_or("record longer than its batch")?;
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
            None => self
                .shape
                .base_timestamp
                .checked_add(timestamp_delta)
                .ok_or("timestamp overflows")?,
            Some(time) => time,
        };
        let key = take_nullable(body).ok_or("key longer than its record")?;
        let value = take_nullable(body).ok_or("value longer than its record")?;
        let headers = if matches!(body, [0]) { Headers::NONE } else { Headers::check(body)? };
        self.rest = rest;
        // Below the batch's last delta, or at it: one more fits, since the header's check leaves
        // room.
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
            return if self.rest.is_empty() {
                None
            } else {
                Some(Err(self.fail("more bytes than records")))
            };
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
