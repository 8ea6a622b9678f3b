//! Where the parts of one record stand in the bytes of its batch: what a record keeps that outlives
//! the walk over its batch.

use std::ops::Range;

use bytes::Bytes;

use super::records::{Headers, RecordRef};

/// Key, value and headers of a record, as places in the bytes of its batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordSpans {
    key: Span,
    value: Span,
    headers: Span,
    header_count: u32,
}

/// A part of the batch's data, or null.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    len: u32,
}

impl Span {
    const NULL: Self = Self { start: 0, len: u32::MAX };

    #[inline]
    fn of(part: Option<&[u8]>, data: &[u8]) -> Self {
        let Some(part) = part else { return Self::NULL };
        // Both point into one allocation of at most `i32::MAX` bytes, as the protocol's lengths are
        // 32 bits wide.
        let start = part.as_ptr().addr().wrapping_sub(data.as_ptr().addr());
        match (u32::try_from(start), u32::try_from(part.len())) {
            (Ok(start), Ok(len)) => Self { start, len },
            _ => Self { start: 0, len: 0 },
        }
    }

    fn range(self) -> Option<Range<usize>> {
        let (start, len) = (usize::try_from(self.start).ok()?, usize::try_from(self.len).ok()?);
        (self.len != u32::MAX).then(|| start..start + len)
    }

    #[inline]
    fn slice(self, data: &[u8]) -> Option<&[u8]> {
        data.get(self.range()?)
    }
}

impl RecordSpans {
    /// Of a record that was read out of `data`.
    #[inline]
    pub(crate) fn of(record: &RecordRef<'_>, data: &[u8]) -> Self {
        let (header_count, headers) = record.headers().as_parts();
        Self {
            key: Span::of(record.key, data),
            value: Span::of(record.value, data),
            headers: if header_count == 0 {
                Span { start: 0, len: 0 }
            } else {
                Span::of(Some(headers), data)
            },
            header_count: u32::try_from(header_count).unwrap_or(u32::MAX),
        }
    }

    #[inline]
    pub(crate) fn key<'a>(&self, data: &'a [u8]) -> Option<&'a [u8]> {
        self.key.slice(data)
    }

    #[inline]
    pub(crate) fn value<'a>(&self, data: &'a [u8]) -> Option<&'a [u8]> {
        self.value.slice(data)
    }

    pub(crate) fn headers<'a>(&self, data: &'a [u8]) -> Headers<'a> {
        let bytes = self.headers.slice(data).unwrap_or_default();
        Headers::from_parts(usize::try_from(self.header_count).unwrap_or(0), bytes)
    }

    /// The same record in bytes of its own.
    pub(crate) fn detach(&self, data: &[u8]) -> (Self, Bytes) {
        let of = |span: Span| span.slice(data).unwrap_or_default();
        let parts = [of(self.key), of(self.value), of(self.headers)];
        let mut at = 0;
        let mut place = |span: Span, part: &[u8]| {
            let start = at;
            at += u32::try_from(part.len()).unwrap_or(0);
            if span.len == u32::MAX { Span::NULL } else { Span { start, ..span } }
        };
        let spans = Self {
            key: place(self.key, parts[0]),
            value: place(self.value, parts[1]),
            headers: place(self.headers, parts[2]),
            header_count: self.header_count,
        };
        (spans, parts.concat().into())
    }
}
