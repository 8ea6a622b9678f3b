//! Writes the primitive types of the Kafka protocol into a request.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use super::frame::Frame;
use super::varint;
use crate::ids::Uuid;

/// What can be written into a message of a given version.
pub trait Encode {
    /// # Errors
    /// If a field that is set does not exist in this version, or a value has no form on the wire.
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError>;
}

/// A message in the making.
#[derive(Debug)]
pub struct Writer {
    /// All bytes but those of `spliced`.
    buffer: BytesMut,
    /// Segments that are sent as they are, each with the length of `buffer` when it came.
    spliced: Vec<(usize, Bytes)>,
    spliced_len: usize,
    message: &'static str,
    version: i16,
    /// Whether lengths are varints and structs end with tagged fields (KIP-482).
    is_flexible: bool,
}

/// Shorter chunks of records are copied: a segment costs a reference count and a slot of the
/// vectored write (guess).
const WORTH_A_SEGMENT: usize = 512;

/// The length that Kafka puts in front of every request.
const LENGTH_PREFIX: usize = 4;

impl Writer {
    /// A writer whose errors name `message` and `version`.
    pub(crate) fn new(message: &'static str, version: i16, is_flexible: bool) -> Self {
        Self {
            buffer: BytesMut::new(),
            spliced: Vec::new(),
            spliced_len: 0,
            message,
            version,
            is_flexible,
        }
    }

    /// A writer of a whole frame, not flexible yet: leaves room for its length, and has some for so
    /// many bytes.
    pub(super) fn framed(message: &'static str, version: i16, room: usize) -> Self {
        let mut writer = Self::new(message, version, false);
        writer.buffer.reserve(room.max(256));
        writer.i32(0);
        writer
    }

    /// Ends a frame that [`Writer::framed`] began.
    pub(super) fn into_frame(mut self) -> Result<Frame, EncodeError> {
        let length = self.buffer.len() + self.spliced_len - LENGTH_PREFIX;
        let length =
            i32::try_from(length).map_err(|_| self.error("", EncodeReason::TooLong(length)))?;
        if let Some(prefix) = self.buffer.first_chunk_mut() {
            *prefix = length.to_be_bytes();
        }
        let mut buffer = self.buffer.freeze();
        let mut frame = Frame::with_capacity(2 * self.spliced.len() + 1);
        let mut done = 0;
        for (position, segment) in self.spliced {
            frame.push(buffer.split_to(position - done));
            frame.push(segment);
            done = position;
        }
        frame.push(buffer);
        Ok(frame)
    }

    /// Ends a message that stands alone, such as the metadata of a group member.
    #[cfg(test)]
    pub(crate) fn into_bytes(self) -> Bytes {
        debug_assert!(self.spliced.is_empty(), "only requests carry records");
        self.buffer.freeze()
    }

    /// Ends a message for a test that looks at its bytes.
    #[cfg(test)]
    pub(crate) fn into_contiguous(self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut done = 0;
        for (position, segment) in &self.spliced {
            bytes.extend_from_slice(&self.buffer[done..*position]);
            bytes.extend_from_slice(segment);
            done = *position;
        }
        bytes.extend_from_slice(&self.buffer[done..]);
        bytes
    }

    /// What follows is of a flexible version, or not.
    pub(super) fn set_flexible(&mut self, is_flexible: bool) {
        self.is_flexible = is_flexible;
    }

    #[inline]
    pub(crate) fn bool(&mut self, value: bool) {
        self.buffer.put_u8(u8::from(value));
    }

    #[inline]
    pub(crate) fn i8(&mut self, value: i8) {
        self.buffer.put_i8(value);
    }

    #[inline]
    pub(crate) fn i16(&mut self, value: i16) {
        self.buffer.put_i16(value);
    }

    #[inline]
    #[cfg(feature = "admin")]
    pub(crate) fn u16(&mut self, value: u16) {
        self.buffer.put_u16(value);
    }

    #[inline]
    pub(crate) fn i32(&mut self, value: i32) {
        self.buffer.put_i32(value);
    }

    #[inline]
    pub(crate) fn i64(&mut self, value: i64) {
        self.buffer.put_i64(value);
    }

    #[inline]
    #[cfg(feature = "admin")]
    pub(crate) fn f64(&mut self, value: f64) {
        self.buffer.put_f64(value);
    }

    #[inline]
    pub(crate) fn uuid(&mut self, value: Uuid) {
        self.buffer.put_slice(&value.0);
    }

    pub(crate) fn string(&mut self, field: &'static str, value: &str) -> Result<(), EncodeError> {
        self.nullable_string(field, Some(value))
    }

    pub(crate) fn nullable_string(
        &mut self,
        field: &'static str,
        value: Option<&str>,
    ) -> Result<(), EncodeError> {
        let length = value.map(str::len);
        // Flexible versions too: brokers refuse longer strings in them.
        let short = i16::try_from(length.unwrap_or(0)).map_err(|_| self.too_long(field, length))?;
        if self.is_flexible {
            self.length(field, length)?;
        } else {
            self.i16(if value.is_some() { short } else { -1 });
        }
        self.buffer.put_slice(value.unwrap_or_default().as_bytes());
        Ok(())
    }

    pub(crate) fn bytes(&mut self, field: &'static str, value: &[u8]) -> Result<(), EncodeError> {
        self.nullable_bytes(field, Some(value))
    }

    pub(crate) fn nullable_bytes(
        &mut self,
        field: &'static str,
        value: Option<&[u8]>,
    ) -> Result<(), EncodeError> {
        self.length(field, value.map(<[u8]>::len))?;
        self.buffer.put_slice(value.unwrap_or_default());
        Ok(())
    }

    /// Writes batches of records, which come in chunks; a large chunk is not copied but becomes a
    /// segment of the frame.
    pub(crate) fn nullable_records(
        &mut self,
        field: &'static str,
        chunks: Option<&[Bytes]>,
    ) -> Result<(), EncodeError> {
        self.length(field, chunks.map(|chunks| chunks.iter().map(Bytes::len).sum()))?;
        for chunk in chunks.unwrap_or_default() {
            if chunk.len() < WORTH_A_SEGMENT {
                self.buffer.put_slice(chunk);
            } else {
                self.spliced_len += chunk.len();
                self.spliced.push((self.buffer.len(), chunk.clone()));
            }
        }
        Ok(())
    }

    pub(crate) fn array<T: Encode>(
        &mut self,
        field: &'static str,
        elements: &[T],
    ) -> Result<(), EncodeError> {
        self.nullable_array(field, Some(elements))
    }

    pub(crate) fn nullable_array<T: Encode>(
        &mut self,
        field: &'static str,
        elements: Option<&[T]>,
    ) -> Result<(), EncodeError> {
        self.length(field, elements.map(<[T]>::len))?;
        elements
            .unwrap_or_default()
            .iter()
            .try_for_each(|element| element.encode(self, self.version))
    }

    /// A struct after a byte that says whether it is there (KIP-893).
    #[cfg(feature = "admin")]
    pub(crate) fn nullable_structure<T: Encode>(
        &mut self,
        value: Option<&T>,
    ) -> Result<(), EncodeError> {
        self.i8(if value.is_some() { 1 } else { -1 });
        value.map_or(Ok(()), |value| value.encode(self, self.version))
    }

    /// Ends a struct with the tagged fields that `write` adds.
    pub(crate) fn tagged_fields(
        &mut self,
        write: impl FnOnce(&mut TaggedFields) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        if !self.is_flexible {
            return Ok(());
        }
        let mut fields = TaggedFields { count: 0, all: self.empty(), one: self.empty() };
        write(&mut fields)?;
        varint::put_u32(&mut self.buffer, fields.count);
        self.buffer.put_slice(&fields.all.buffer);
        Ok(())
    }

    /// Ends a struct that has no tagged fields.
    #[inline]
    pub(crate) fn no_tagged_fields(&mut self) {
        if self.is_flexible {
            self.buffer.put_u8(0);
        }
    }

    /// Says of a field that this version lacks whether it was set all the same.
    pub(crate) fn lacks(&self, field: &'static str, is_set: bool) -> Result<(), EncodeError> {
        if is_set { Err(self.error(field, EncodeReason::NotInVersion)) } else { Ok(()) }
    }

    /// The value of a field that may not be null in this version.
    pub(crate) fn not_null<T>(
        &self,
        field: &'static str,
        value: Option<T>,
    ) -> Result<T, EncodeError> {
        value.ok_or_else(|| self.error(field, EncodeReason::Null))
    }

    /// The length of bytes or an array; in flexible versions one more, so that 0 is null.
    fn length(&mut self, field: &'static str, length: Option<usize>) -> Result<(), EncodeError> {
        let checked =
            length.map_or(Ok(-1), i32::try_from).map_err(|_| self.too_long(field, length))?;
        if self.is_flexible {
            varint::put_u32(&mut self.buffer, checked.wrapping_add(1).cast_unsigned());
        } else {
            self.i32(checked);
        }
        Ok(())
    }

    fn empty(&self) -> Self {
        Self::new(self.message, self.version, self.is_flexible)
    }

    #[cold]
    fn too_long(&self, field: &'static str, length: Option<usize>) -> EncodeError {
        self.error(field, EncodeReason::TooLong(length.unwrap_or(0)))
    }

    #[cold]
    fn error(&self, field: &'static str, reason: EncodeReason) -> EncodeError {
        EncodeError { message: self.message, version: self.version, field, reason }
    }
}

/// The optional fields at the end of a struct, lowest tag first.
#[derive(Debug)]
pub(crate) struct TaggedFields {
    count: u32,
    all: Writer,
    /// The one being written; its length goes in front of it.
    one: Writer,
}

impl TaggedFields {
    pub(crate) fn add(
        &mut self,
        tag: u32,
        write: impl FnOnce(&mut Writer) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        self.one.buffer.clear();
        write(&mut self.one)?;
        self.count += 1;
        let all = &mut self.all.buffer;
        varint::put_u32(all, tag);
        let size = self.one.buffer.len();
        let size = u32::try_from(size)
            .map_err(|_| self.one.error("tagged field", EncodeReason::TooLong(size)))?;
        varint::put_u32(all, size);
        all.put_slice(&self.one.buffer);
        Ok(())
    }
}

macro_rules! encode_primitive {
    ($($type:ty, $write:ident;)*) => {
        $(impl Encode for $type {
            #[inline]
            fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
                to.$write(*self);
                Ok(())
            }
        })*
    };
}

encode_primitive! {
    i8, i8;
    i16, i16;
    i32, i32;
    i64, i64;
    Uuid, uuid;
}

impl Encode for &str {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("", self)
    }
}

/// A request that has no form in the version it was to be sent in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} v{version}, field {field}: {reason}")]
pub struct EncodeError {
    pub(crate) message: &'static str,
    pub(crate) version: i16,
    pub(crate) field: &'static str,
    pub(crate) reason: EncodeReason,
}

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EncodeReason {
    /// It is set, but the version does not have it.
    NotInVersion,
    /// It is null, which the version does not allow.
    Null,
    /// It is longer than its length field can say.
    TooLong(usize),
}

impl fmt::Display for EncodeReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInVersion => f.write_str("it is set, but this version lacks it"),
            Self::Null => f.write_str("it is null, which this version does not allow"),
            Self::TooLong(length) => write!(f, "a length of {length} is too much"),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Buf;

    use super::*;

    #[test]
    fn large_chunks_of_records_leave_uncopied() {
        let (small, large) = (Bytes::from(vec![1; 61]), Bytes::from(vec![2; 4096]));
        let mut to = Writer::framed("Test", 9, 0);
        to.set_flexible(true);
        to.nullable_records("records", Some(&[small, large.clone()])).expect("short");
        to.i8(7);
        let mut frame = to.into_frame().expect("short");
        assert_eq!(frame.len(), 4 + 2 + 61 + 4096 + 1);
        assert_eq!(usize::try_from(frame.get_i32()), Ok(frame.len()));
        frame.advance(2 + 61);
        assert_eq!(frame.chunk().as_ptr(), large.as_ptr());
        frame.advance(4096);
        assert_eq!(frame.chunk(), [7]);
    }

    #[test]
    fn a_string_longer_than_its_length_can_say_is_refused() {
        let long = "x".repeat(40_000);
        for is_flexible in [false, true] {
            let refused = Writer::new("Test", 1, is_flexible).string("name", &long);
            assert_eq!(
                refused.expect_err("refused").to_string(),
                "Test v1, field name: a length of 40000 is too much"
            );
        }
    }

    #[test]
    fn tagged_fields_are_counted_and_sized() {
        let mut to = Writer::new("Test", 1, true);
        to.tagged_fields(|fields| {
            fields.add(0, |to| to.string("a", "abc"))?;
            fields.add(300, |to| {
                to.i16(5);
                Ok(())
            })
        })
        .expect("short");
        assert_eq!(to.into_contiguous(), [2, 0, 4, 4, b'a', b'b', b'c', 0xac, 2, 2, 0, 5]);
    }
}
