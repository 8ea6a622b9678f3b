//! Variable-length integers: 7 bits a byte, the lowest first, the high bit set on all but the last.
//!
//! Lengths and tags are unsigned; record fields are signed, folded so that small negatives stay short (zigzag).

use bytes::BufMut;

/// Why bytes are no varint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VarintError {
    /// The bytes end before it does.
    Truncated,
    /// It holds more bits than the type: longer than 5 bytes, or 10 for 64 bits.
    TooLong,
}

/// Reads an unsigned 32-bit varint off the front of `rest`.
#[inline]
pub(crate) fn read_u32(rest: &mut &[u8]) -> Result<u32, VarintError> {
    // Nearly all are one byte.
    if let [byte @ 0..=0x7f, tail @ ..] = *rest {
        *rest = tail;
        return Ok(u32::from(*byte));
    }
    read_u64(rest).and_then(|value| u32::try_from(value).map_err(|_| VarintError::TooLong))
}

/// Reads a signed 32-bit varint off the front of `rest`.
#[inline]
pub(crate) fn read_i32(rest: &mut &[u8]) -> Result<i32, VarintError> {
    let folded = read_u32(rest)?;
    Ok((folded >> 1).cast_signed() ^ -(folded & 1).cast_signed())
}

/// Reads a signed 64-bit varint off the front of `rest`.
#[inline]
pub(crate) fn read_i64(rest: &mut &[u8]) -> Result<i64, VarintError> {
    let folded = read_u64(rest)?;
    Ok((folded >> 1).cast_signed() ^ -(folded & 1).cast_signed())
}

fn read_u64(rest: &mut &[u8]) -> Result<u64, VarintError> {
    let mut value = 0_u64;
    for (shift, index) in (0..64).step_by(7).zip(0_usize..) {
        let byte = *rest.get(index).ok_or(VarintError::Truncated)?;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return Err(VarintError::TooLong);
        }
        value |= bits << shift;
        if byte < 0x80 {
            *rest = rest.get(index + 1..).unwrap_or_default();
            return Ok(value);
        }
    }
    Err(VarintError::TooLong)
}

/// Writes an unsigned 32-bit varint.
#[inline]
pub(crate) fn put_u32(to: &mut impl BufMut, value: u32) {
    put_u64(to, u64::from(value));
}

/// Writes a signed 32-bit varint.
#[inline]
pub(crate) fn put_i32(to: &mut impl BufMut, value: i32) {
    put_u32(to, fold_i32(value));
}

/// Writes a signed 64-bit varint.
#[inline]
pub(crate) fn put_i64(to: &mut impl BufMut, value: i64) {
    put_u64(to, fold_i64(value));
}

#[inline]
fn put_u64(to: &mut impl BufMut, mut value: u64) {
    while value >= 0x80 {
        let [low, ..] = value.to_le_bytes();
        to.put_u8(low | 0x80);
        value >>= 7;
    }
    let [low, ..] = value.to_le_bytes();
    to.put_u8(low);
}

/// How many bytes [`put_u32`] writes.
pub(crate) fn len_u32(value: u32) -> usize {
    len_u64(u64::from(value))
}

/// How many bytes [`put_i32`] writes.
pub(crate) fn len_i32(value: i32) -> usize {
    len_u32(fold_i32(value))
}

/// How many bytes [`put_i64`] writes.
pub(crate) fn len_i64(value: i64) -> usize {
    len_u64(fold_i64(value))
}

#[inline]
fn len_u64(value: u64) -> usize {
    // One byte for each 7 bits begun; zero takes a byte too.
    match value.checked_ilog2() {
        Some(highest) => usize::try_from(highest / 7).map_or(usize::MAX, |bytes| bytes + 1),
        None => 1,
    }
}

fn fold_i32(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)).cast_unsigned()
}

fn fold_i64(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn signed_32_bits_come_back_and_their_length_is_foretold(value: i32) {
            let mut bytes = Vec::new();
            put_i32(&mut bytes, value);
            prop_assert_eq!(bytes.len(), len_i32(value));
            let mut rest = bytes.as_slice();
            prop_assert_eq!(read_i32(&mut rest), Ok(value));
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn signed_64_bits_come_back_and_their_length_is_foretold(value: i64, shift in 0_u32..64) {
            let value = value >> shift;
            let mut bytes = Vec::new();
            put_i64(&mut bytes, value);
            prop_assert_eq!(bytes.len(), len_i64(value));
            let mut rest = bytes.as_slice();
            prop_assert_eq!(read_i64(&mut rest), Ok(value));
            prop_assert!(rest.is_empty());
        }
    }

    #[test]
    fn small_numbers_of_either_sign_take_one_byte() {
        for (value, byte) in [(0, 0), (-1, 1), (1, 2), (-64, 0x7f), (63, 0x7e)] {
            let mut bytes = Vec::new();
            put_i32(&mut bytes, value);
            assert_eq!(bytes, [byte]);
        }
        assert_eq!((len_u32(0x7f), len_u32(0x80), len_u32(u32::MAX)), (1, 2, 5));
    }

    #[test]
    fn more_bits_than_the_type_holds_are_refused() {
        assert_eq!(read_u32(&mut [0xff, 0xff, 0xff, 0xff, 0x0f].as_slice()), Ok(u32::MAX));
        assert_eq!(read_u32(&mut [0xff, 0xff, 0xff, 0xff, 0x1f].as_slice()), Err(VarintError::TooLong));
        assert_eq!(read_u32(&mut [0x80, 0x80, 0x80, 0x80, 0x80, 0x01].as_slice()), Err(VarintError::TooLong));
        assert_eq!(read_i64(&mut [0xff; 11].as_slice()), Err(VarintError::TooLong));
    }

    #[test]
    fn an_unfinished_varint_is_truncated() {
        assert_eq!(read_u32(&mut [].as_slice()), Err(VarintError::Truncated));
        assert_eq!(read_i64(&mut [0x80, 0x80].as_slice()), Err(VarintError::Truncated));
    }
}
