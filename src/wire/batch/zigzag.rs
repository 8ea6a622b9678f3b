//! The signed variable-length integers of records: zigzag, then seven bits a byte, low bits first.

/// The longest form of an `i32` on the wire.
pub(super) const MAX_VARINT: usize = 5;
/// The longest form of an `i64` on the wire.
pub(super) const MAX_VARLONG: usize = 10;

/// Maps small negative numbers to small codes: 0, -1, 1, -2 become 0, 1, 2, 3.
#[inline]
pub(super) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

#[inline]
fn unzigzag(code: u64) -> i64 {
    (code >> 1).cast_signed() ^ -((code & 1).cast_signed())
}

/// How many bytes a zigzag code takes.
#[inline]
pub(super) fn code_len(code: u64) -> usize {
    // Seven bits a byte; `| 1` gives zero its one byte. The product is ceil(bits / 7) for 1..=64
    // bits.
    let bits = 64 - (code | 1).leading_zeros();
    usize::try_from((bits * 9 + 64) >> 6).expect("at most 10")
}

/// How many bytes a number takes.
#[cfg(test)]
pub(super) fn len(value: i64) -> usize {
    code_len(zigzag(value))
}

/// Appends a zigzag code.
#[inline]
pub(super) fn put_code(to: &mut Vec<u8>, code: u64) {
    if code < 0x80 {
        to.push(low_byte(code));
    } else if code < 0x4000 {
        to.extend_from_slice(&[low_byte(code) | 0x80, low_byte(code >> 7)]);
    } else {
        put_long_code(to, code);
    }
}

fn put_long_code(to: &mut Vec<u8>, mut code: u64) {
    while code >= 0x80 {
        to.push(low_byte(code) | 0x80);
        code >>= 7;
    }
    to.push(low_byte(code));
}

#[inline]
fn low_byte(code: u64) -> u8 {
    code.to_le_bytes()[0]
}

/// Takes an `i64` from the front; `None` when the bytes end first, or when it takes more than 10
/// bytes.
#[inline]
pub(super) fn take_long(from: &mut &[u8]) -> Option<i64> {
    let (&first, rest) = from.split_first()?;
    if first < 0x80 {
        *from = rest;
        return Some(unzigzag(u64::from(first)));
    }
    take_code(from, MAX_VARLONG).map(unzigzag)
}

/// Takes an `i32` from the front; `None` when the bytes end first, or when it takes more than 5
/// bytes or 32 bits.
#[inline]
pub(super) fn take(from: &mut &[u8]) -> Option<i32> {
    let (&first, rest) = from.split_first()?;
    if first < 0x80 {
        *from = rest;
        return Some(unzigzag_short(u32::from(first)));
    }
    if let Some((&second, rest)) = rest.split_first()
        && second < 0x80
    {
        *from = rest;
        return Some(unzigzag_short(u32::from(first & 0x7f) | u32::from(second) << 7));
    }
    i32::try_from(unzigzag(take_code(from, MAX_VARINT)?)).ok()
}

#[inline]
fn unzigzag_short(code: u32) -> i32 {
    (code >> 1).cast_signed() ^ -((code & 1).cast_signed())
}

fn take_code(from: &mut &[u8], max: usize) -> Option<u64> {
    let mut code = 0_u64;
    let mut shift = 0;
    for (at, &byte) in from.iter().take(max).enumerate() {
        let bits = u64::from(byte & 0x7f);
        // The tenth byte has room for one bit.
        if shift == 63 && bits > 1 {
            return None;
        }
        code |= bits << shift;
        if byte < 0x80 {
            *from = from.get(at + 1..)?;
            return Some(code);
        }
        shift += 7;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(value: i64) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_code(&mut bytes, zigzag(value));
        bytes
    }

    #[test]
    fn small_numbers_take_one_byte() {
        assert_eq!(encoded(0), [0]);
        assert_eq!(encoded(-1), [1]);
        assert_eq!(encoded(63), [126]);
        assert_eq!(encoded(-64), [127]);
        assert_eq!(encoded(64), [0x80, 1]);
    }

    #[test]
    fn extremes_take_five_and_ten_bytes() {
        assert_eq!(encoded(i64::from(i32::MIN)).len(), MAX_VARINT);
        assert_eq!(encoded(i64::MIN).len(), MAX_VARLONG);
        assert_eq!(take(&mut &*encoded(i64::from(i32::MIN))), Some(i32::MIN));
        assert_eq!(take_long(&mut &*encoded(i64::MIN)), Some(i64::MIN));
    }

    #[test]
    fn forms_that_are_too_long_are_refused() {
        assert_eq!(take(&mut &[0x80, 0x80, 0x80, 0x80, 0x80, 0][..]), None);
        assert_eq!(take(&mut &encoded(i64::from(i32::MAX) + 1)[..]), None);
        assert_eq!(take_long(&mut &[0xff; 10][..]), None);
        assert_eq!(
            take_long(&mut &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2][..]),
            None
        );
        assert_eq!(take(&mut &[0x80][..]), None);
        assert_eq!(take(&mut &[][..]), None);
    }

    proptest! {
        #[test]
        fn every_number_comes_back_and_its_length_is_known(value: i64, rest: Vec<u8>) {
            let mut bytes = encoded(value);
            prop_assert_eq!(len(value), bytes.len());
            bytes.extend_from_slice(&rest);
            let mut from = &bytes[..];
            prop_assert_eq!(take_long(&mut from), Some(value));
            prop_assert_eq!(from, &rest[..]);
            let mut from = &bytes[..];
            let short = i32::try_from(value).ok();
            prop_assert_eq!(take(&mut from), short);
        }

        #[test]
        fn lengths_are_right_at_every_width(bits in 0_u32..64, low: u64) {
            let code = (1 << bits) | (low & ((1 << bits) - 1));
            let mut bytes = Vec::new();
            put_code(&mut bytes, code);
            prop_assert_eq!(bytes.len(), code_len(code));
        }
    }
}
