//! Reads the primitive types of the Kafka protocol out of a reply, borrowing from it and believing
//! nothing.

use std::fmt;

use super::varint::{self, VarintError};
use crate::ids::Uuid;

/// What can be read out of a message of a given version.
pub trait Decode<'a>: Sized {
    /// No value of this type takes fewer bytes on the wire, in any version; at least 1.
    ///
    /// It bounds how many elements an array may claim.
    const MIN_LEN: usize;

    /// Reads one value and leaves the reader behind it.
    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError>;
}

/// Bytes of a message that are still to be read.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    /// The offset of the end of `rest` within the frame.
    end: usize,
    message: &'static str,
    version: i16,
    /// Whether lengths are varints and structs end with tagged fields (KIP-482).
    is_flexible: bool,
}

/// Memory for so many elements is taken before the first of them has been read.
const TRUSTED_COUNT: usize = 1000;

impl<'a> Reader<'a> {
    /// A reader of `bytes`, whose errors name `message` and `version`.
    pub(crate) fn new(
        bytes: &'a [u8],
        message: &'static str,
        version: i16,
        is_flexible: bool,
    ) -> Self {
        Self { rest: bytes, end: bytes.len(), message, version, is_flexible }
    }

    /// # Errors
    /// If bytes are left over: then what was read was not what the peer meant.
    pub(crate) fn finish(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.error("", DecodeReason::LeftOver(self.rest.len())))
        }
    }

    #[cfg(feature = "admin")]
    /// What follows is of this version.
    pub(super) fn set_version(&mut self, version: i16) {
        self.version = version;
    }

    /// Passes over all that is left.
    pub(crate) fn skip_rest(&mut self) {
        self.rest = &[];
    }

    #[inline]
    pub(crate) fn bool(&mut self, field: &'static str) -> Result<bool, DecodeError> {
        Ok(self.i8(field)? != 0)
    }

    #[inline]
    pub(crate) fn i8(&mut self, field: &'static str) -> Result<i8, DecodeError> {
        Ok(i8::from_be_bytes(self.array_of(field)?))
    }

    #[inline]
    pub(crate) fn i16(&mut self, field: &'static str) -> Result<i16, DecodeError> {
        Ok(i16::from_be_bytes(self.array_of(field)?))
    }

    #[inline]
    #[cfg(feature = "admin")]
    pub(crate) fn u16(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        Ok(u16::from_be_bytes(self.array_of(field)?))
    }

    #[inline]
    pub(crate) fn i32(&mut self, field: &'static str) -> Result<i32, DecodeError> {
        Ok(i32::from_be_bytes(self.array_of(field)?))
    }

    #[inline]
    pub(crate) fn i64(&mut self, field: &'static str) -> Result<i64, DecodeError> {
        Ok(i64::from_be_bytes(self.array_of(field)?))
    }

    #[inline]
    #[cfg(feature = "admin")]
    pub(crate) fn f64(&mut self, field: &'static str) -> Result<f64, DecodeError> {
        Ok(f64::from_be_bytes(self.array_of(field)?))
    }

    #[inline]
    pub(crate) fn uuid(&mut self, field: &'static str) -> Result<Uuid, DecodeError> {
        Ok(Uuid(self.array_of(field)?))
    }

    #[inline]
    pub(crate) fn string(&mut self, field: &'static str) -> Result<&'a str, DecodeError> {
        let string = self.nullable_string(field)?;
        self.not_null(field, string)
    }

    pub(crate) fn nullable_string(
        &mut self,
        field: &'static str,
    ) -> Result<Option<&'a str>, DecodeError> {
        let length = if self.is_flexible {
            self.compact_length(field)?
        } else {
            i32::from(self.i16(field)?)
        };
        let Some(bytes) = self.sized(field, length)? else { return Ok(None) };
        std::str::from_utf8(bytes).map(Some).map_err(|_| self.error(field, DecodeReason::NotUtf8))
    }

    #[inline]
    pub(crate) fn bytes(&mut self, field: &'static str) -> Result<&'a [u8], DecodeError> {
        let bytes = self.nullable_bytes(field)?;
        self.not_null(field, bytes)
    }

    /// Also reads record batches, which are sent as bytes.
    pub(crate) fn nullable_bytes(
        &mut self,
        field: &'static str,
    ) -> Result<Option<&'a [u8]>, DecodeError> {
        let length = self.length(field)?;
        self.sized(field, length)
    }

    #[inline]
    pub(crate) fn array<T: Decode<'a>>(
        &mut self,
        field: &'static str,
    ) -> Result<Vec<T>, DecodeError> {
        let array = self.nullable_array(field)?;
        self.not_null(field, array)
    }

    pub(crate) fn nullable_array<T: Decode<'a>>(
        &mut self,
        field: &'static str,
    ) -> Result<Option<Vec<T>>, DecodeError> {
        let count = self.length(field)?;
        let Some(count) = self.checked_count(field, count, T::MIN_LEN)? else { return Ok(None) };
        let mut array = Vec::with_capacity(count.min(TRUSTED_COUNT));
        for _ in 0..count {
            array.push(T::decode(self, self.version).map_err(|error| error.within(field))?);
        }
        Ok(Some(array))
    }

    #[inline]
    pub(crate) fn structure<T: Decode<'a>>(
        &mut self,
        field: &'static str,
    ) -> Result<T, DecodeError> {
        T::decode(self, self.version).map_err(|error| error.within(field))
    }

    /// A struct after a byte that says whether it is there (KIP-893).
    pub(crate) fn nullable_structure<T: Decode<'a>>(
        &mut self,
        field: &'static str,
    ) -> Result<Option<T>, DecodeError> {
        if self.i8(field)? < 0 { Ok(None) } else { self.structure(field).map(Some) }
    }

    /// Hands each tagged field to `read`, in a reader of its own that `read` has to empty.
    pub(crate) fn tagged_fields(
        &mut self,
        mut read: impl FnMut(&mut Self, u32) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        if !self.is_flexible {
            return Ok(());
        }
        let count = self.varint("tagged fields")?;
        for _ in 0..count {
            let tag = self.varint("tag")?;
            let size = self.varint("size of a tagged field")?;
            let bytes = self.take("tagged field", usize::try_from(size).unwrap_or(usize::MAX))?;
            let mut field = Self { rest: bytes, end: self.offset(), ..*self };
            read(&mut field, tag)?;
            field.finish().map_err(|error| error.within("tagged field"))?;
        }
        Ok(())
    }

    /// Passes over the tagged fields of a struct that has none we know.
    #[inline]
    pub(crate) fn skip_tagged_fields(&mut self) -> Result<(), DecodeError> {
        // Almost always there are none, which is one zero byte.
        if let ([0, tail @ ..], true) = (self.rest, self.is_flexible) {
            self.rest = tail;
            return Ok(());
        }
        self.tagged_fields(|field, _| {
            field.skip_rest();
            Ok(())
        })
    }

    /// The length of bytes or an array; negative is null.
    fn length(&mut self, field: &'static str) -> Result<i32, DecodeError> {
        if self.is_flexible { self.compact_length(field) } else { self.i32(field) }
    }

    /// A length as flexible versions send it: one more than it is, so that 0 is null.
    fn compact_length(&mut self, field: &'static str) -> Result<i32, DecodeError> {
        let raised = self.varint(field)?;
        match i32::try_from(raised) {
            Ok(raised) => Ok(raised - 1),
            Err(_) => Err(self.error(field, DecodeReason::Length(i64::from(raised) - 1))),
        }
    }

    fn varint(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        varint::read_u32(&mut self.rest).map_err(|error| self.error(field, error.into()))
    }

    /// `None` for null.
    fn sized(&mut self, field: &'static str, length: i32) -> Result<Option<&'a [u8]>, DecodeError> {
        match usize::try_from(length) {
            Ok(length) => self.take(field, length).map(Some),
            Err(_) if length == -1 => Ok(None),
            Err(_) => Err(self.error(field, DecodeReason::Length(i64::from(length)))),
        }
    }

    /// `None` for null; an error if so many elements cannot be in the bytes that are left.
    fn checked_count(
        &self,
        field: &'static str,
        count: i32,
        min_len: usize,
    ) -> Result<Option<usize>, DecodeError> {
        match usize::try_from(count) {
            Ok(count) if count <= self.rest.len() / min_len => Ok(Some(count)),
            Err(_) if count == -1 => Ok(None),
            _ => {
                Err(self
                    .error(field, DecodeReason::Count { claimed: count, bytes: self.rest.len() }))
            }
        }
    }

    fn not_null<T>(&self, field: &'static str, value: Option<T>) -> Result<T, DecodeError> {
        value.ok_or_else(|| self.error(field, DecodeReason::Null))
    }

    #[inline]
    fn array_of<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        match self.rest.split_first_chunk() {
            Some((head, tail)) => {
                self.rest = tail;
                Ok(*head)
            }
            None => Err(self.error(field, DecodeReason::Truncated)),
        }
    }

    #[inline]
    fn take(&mut self, field: &'static str, length: usize) -> Result<&'a [u8], DecodeError> {
        match self.rest.split_at_checked(length) {
            Some((head, tail)) => {
                self.rest = tail;
                Ok(head)
            }
            None => Err(self.error(field, DecodeReason::Truncated)),
        }
    }

    fn offset(&self) -> usize {
        self.end - self.rest.len()
    }

    #[cold]
    fn error(&self, field: &'static str, reason: DecodeReason) -> DecodeError {
        let path = if field.is_empty() { vec![] } else { vec![field] };
        DecodeError(Box::new(Fault {
            message: self.message,
            version: self.version,
            path,
            offset: self.offset(),
            reason,
        }))
    }
}

macro_rules! decode_primitive {
    ($($type:ty, $len:expr, $read:ident;)*) => {
        $(impl<'a> Decode<'a> for $type {
            const MIN_LEN: usize = $len;

            #[inline]
            fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
                from.$read("")
            }
        })*
    };
}

decode_primitive! {
    i8, 1, i8;
    i16, 2, i16;
    i32, 4, i32;
    i64, 8, i64;
    Uuid, 16, uuid;
    &'a str, 1, string;
}

/// A message that is not what the protocol says it must be.
#[derive(Clone, PartialEq, Eq)]
pub struct DecodeError(Box<Fault>);

#[derive(Clone, PartialEq, Eq)]
struct Fault {
    message: &'static str,
    version: i16,
    /// From the inside out.
    path: Vec<&'static str>,
    offset: usize,
    reason: DecodeReason,
}

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DecodeReason {
    /// The frame ends within it.
    Truncated,
    /// A length that no field can have.
    Length(i64),
    /// An array claims more elements than the bytes that follow can hold.
    Count { claimed: i32, bytes: usize },
    /// A string is not UTF-8.
    NotUtf8,
    /// A varint has more bits than its type.
    Varint,
    /// It is null, which it must not be.
    Null,
    /// Bytes follow that belong to nothing.
    LeftOver(usize),
}

impl DecodeError {
    /// Puts the field around the one that failed in front of it.
    #[cold]
    fn within(mut self, field: &'static str) -> Self {
        self.0.path.push(field);
        self
    }

    /// The API, such as `Fetch`.
    pub(crate) fn message(&self) -> &'static str {
        self.0.message
    }

    pub(crate) fn version(&self) -> i16 {
        self.0.version
    }

    /// The field with those around it, such as `responses.partitions.records`.
    pub(crate) fn field(&self) -> String {
        let path: Vec<_> =
            self.0.path.iter().rev().filter(|field| !field.is_empty()).copied().collect();
        path.join(".")
    }

    /// Where in the frame it was noticed.
    #[cfg(test)]
    pub(crate) fn offset(&self) -> usize {
        self.0.offset
    }

    #[cfg(test)]
    pub(crate) fn reason(&self) -> DecodeReason {
        self.0.reason
    }
}

impl std::error::Error for DecodeError {}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault { message, version, offset, reason, .. } = &*self.0;
        let field = self.field();
        write!(f, "{message} v{version}")?;
        if !field.is_empty() {
            write!(f, ", field {field}")?;
        }
        write!(f, ", byte {offset}: {reason}")
    }
}

impl fmt::Debug for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for DecodeReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the frame ends too early"),
            Self::Length(length) => write!(f, "a length of {length}"),
            Self::Count { claimed, bytes } => write!(f, "{claimed} elements in {bytes} bytes"),
            Self::NotUtf8 => f.write_str("not UTF-8"),
            Self::Varint => f.write_str("a varint that is too long"),
            Self::Null => f.write_str("null, which is not allowed"),
            Self::LeftOver(count) => write!(f, "{count} bytes too many"),
        }
    }
}

impl From<VarintError> for DecodeReason {
    fn from(error: VarintError) -> Self {
        match error {
            VarintError::Truncated => Self::Truncated,
            VarintError::TooLong => Self::Varint,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(bytes: &[u8], is_flexible: bool) -> Reader<'_> {
        Reader::new(bytes, "Test", 3, is_flexible)
    }

    fn reason<T: fmt::Debug>(result: Result<T, DecodeError>) -> DecodeReason {
        result.expect_err("refused").reason()
    }

    #[test]
    fn a_count_beyond_what_the_bytes_can_hold_is_refused() {
        let bytes = [0, 0, 0, 3, 1, 1, 1, 1, 2, 2, 2, 2];
        assert_eq!(
            reason(reader(&bytes, false).array::<i32>("x")),
            DecodeReason::Count { claimed: 3, bytes: 8 }
        );
        assert_eq!(
            reason(reader(&[0x7f, 0xff, 0xff, 0xff], false).array::<i8>("x")),
            DecodeReason::Count { claimed: i32::MAX, bytes: 0 }
        );
    }

    #[test]
    fn a_negative_length_is_null_only_if_it_is_minus_one() {
        assert_eq!(reader(&[0xff, 0xff], false).nullable_string("x"), Ok(None));
        assert_eq!(
            reason(reader(&[0xff, 0xfe], false).nullable_string("x")),
            DecodeReason::Length(-2)
        );
        assert_eq!(reason(reader(&[0xff, 0xff], false).string("x")), DecodeReason::Null);
        assert_eq!(reader(&[0], true).nullable_bytes("x"), Ok(None));
        let largest = [0xff, 0xff, 0xff, 0xff, 0x0f];
        assert_eq!(reason(reader(&largest, true).bytes("x")), DecodeReason::Length(4_294_967_294));
    }

    #[test]
    fn strings_borrow_and_must_be_utf_8() {
        assert_eq!(reader(&[3, b'a', b'b'], true).string("x"), Ok("ab"));
        assert_eq!(reason(reader(&[3, 0xc3, 0x28], true).string("x")), DecodeReason::NotUtf8);
        assert_eq!(reason(reader(&[9, b'a'], true).string("x")), DecodeReason::Truncated);
    }

    #[test]
    fn unknown_tagged_fields_are_passed_over_and_known_ones_must_be_used_up() {
        let bytes = [2, 0, 1, 42, 200, 1, 3, 7, 7, 7];
        let mut from = reader(&bytes, true);
        let mut known = None;
        let read = from.tagged_fields(|field, tag| {
            match tag {
                0 => known = Some(field.i8("known")?),
                _ => field.skip_rest(),
            }
            Ok(())
        });
        assert_eq!((read, known, from.finish()), (Ok(()), Some(42), Ok(())));
        assert_eq!(
            reason(reader(&bytes, true).tagged_fields(|_, _| Ok(()))),
            DecodeReason::LeftOver(1)
        );
        assert_eq!(
            reason(reader(&[1, 0, 9, 0], true).skip_tagged_fields()),
            DecodeReason::Truncated
        );
    }

    #[test]
    fn an_error_names_message_version_field_and_byte() {
        struct Inner;
        impl<'a> Decode<'a> for Inner {
            const MIN_LEN: usize = 1;
            fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
                from.array::<i16>("partitions").map(|_| Self)
            }
        }
        let bytes = [2, 3, 0, 0, 0];
        let error = reader(&bytes, true).array::<Inner>("topics").map(|_| ()).expect_err("refused");
        assert_eq!(
            error.to_string(),
            "Test v3, field topics.partitions, byte 2: 2 elements in 3 bytes"
        );
        assert_eq!((error.field().as_str(), error.offset()), ("topics.partitions", 2));
    }
}
