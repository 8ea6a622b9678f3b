//! Unsigned variable-length integers of messages, such as lengths and tags: 7 bits a byte, the
//! lowest first, the high bit set on all but the last. The signed ones of records are in `batch`.

use bytes::BufMut;

/// Why bytes are no varint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VarintError {
    /// The bytes end before it does.
    Truncated,
    /// It has more than 32 bits.
    TooLong,
}

/// Takes a varint off the front of `rest`.
#[inline]
pub(crate) fn read_u32(rest: &mut &[u8]) -> Result<u32, VarintError> {
    // Nearly all are one byte.
    if let [byte @ 0..=0x7f, tail @ ..] = *rest {
        *rest = tail;
        return Ok(u32::from(*byte));
    }
    read_long(rest)
}

fn read_long(rest: &mut &[u8]) -> Result<u32, VarintError> {
    let mut tail = *rest;
    let mut value = 0_u64;
    for shift in (0..35).step_by(7) {
        let (byte, after) = tail.split_first().ok_or(VarintError::Truncated)?;
        tail = after;
        value |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            *rest = tail;
            return u32::try_from(value).map_err(|_| VarintError::TooLong);
        }
    }
    Err(VarintError::TooLong)
}

/// Appends a varint.
#[inline]
pub(crate) fn put_u32(to: &mut impl BufMut, mut value: u32) {
    while value >= 0x80 {
        let [low, ..] = value.to_le_bytes();
        to.put_u8(low | 0x80);
        value >>= 7;
    }
    let [low, ..] = value.to_le_bytes();
    to.put_u8(low);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_come_back(value: u32, shift in 0_u32..32) {
            let value = value >> shift;
            let mut bytes = Vec::new();
            put_u32(&mut bytes, value);
            bytes.push(0xaa);
            let mut rest = bytes.as_slice();
            prop_assert_eq!(read_u32(&mut rest), Ok(value));
            prop_assert_eq!(rest, [0xaa]);
        }
    }

    #[test]
    fn the_length_grows_with_every_7_bits() {
        for (value, expected) in [
            (0, &[0][..]),
            (0x7f, &[0x7f]),
            (0x80, &[0x80, 1]),
            (u32::MAX, &[255, 255, 255, 255, 15]),
        ] {
            let mut bytes = Vec::new();
            put_u32(&mut bytes, value);
            assert_eq!(bytes, expected);
        }
    }

    #[test]
    fn more_bits_than_32_are_refused() {
        assert_eq!(
            read_u32(&mut [0xff, 0xff, 0xff, 0xff, 0x1f].as_slice()),
            Err(VarintError::TooLong)
        );
        assert_eq!(
            read_u32(&mut [0x80, 0x80, 0x80, 0x80, 0x80, 0x01].as_slice()),
            Err(VarintError::TooLong)
        );
    }

    #[test]
    fn an_unfinished_varint_is_truncated() {
        assert_eq!(read_u32(&mut [].as_slice()), Err(VarintError::Truncated));
        assert_eq!(read_u32(&mut [0x80, 0x80].as_slice()), Err(VarintError::Truncated));
    }

    #[test]
    fn hostile_bytes() {
        let valid = |random: &mut crate::clock::Random| {
            let mut bytes = Vec::new();
            (0..4).for_each(|_| put_u32(&mut bytes, u32::try_from(random.below(1 << 32)).unwrap()));
            (bytes, ())
        };
        let decode =
            |mut bytes: &[u8], ()| while !bytes.is_empty() && read_u32(&mut bytes).is_ok() {};
        crate::wire::hostile::survive("varint", valid, decode, |_| 0);
    }
}
