//! A few bytes that are made in a register and stored at once: the varints in front of a record's
//! key and value are most of what encoding a small record costs.

/// At most 8 bytes, the first lowest.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Few {
    bytes: u64,
    bits: u32,
}

/// At most 16 bytes, the first lowest: made of [`Few`], since each shift of 128 bits costs several
/// of 64.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Packed {
    bytes: u128,
    bits: u32,
}

impl Few {
    /// Codes below this take at most 3 bytes.
    pub(super) const CODES: u64 = 1 << 21;

    /// A zero byte.
    #[inline]
    pub(super) fn zero(self) -> Self {
        debug_assert!(self.bits + 8 <= 64);
        Self { bits: self.bits + 8, ..self }
    }

    /// A zigzag code below [`Few::CODES`].
    #[inline]
    pub(super) fn code(self, code: u64) -> Self {
        debug_assert!(code < Self::CODES);
        let (bytes, bits) = match code {
            0..0x80 => (code, 8),
            0x80..0x4000 => (0x80 | code & 0x7f | (code & 0x3f80) << 1, 16),
            _ => (0x8080 | code & 0x7f | (code & 0x3f80) << 1 | (code & 0x1f_c000) << 2, 24),
        };
        debug_assert!(self.bits + bits <= 64);
        Self { bytes: self.bytes | bytes << self.bits, bits: self.bits + bits }
    }

    #[inline]
    pub(super) fn len(self) -> usize {
        usize::try_from(self.bits / 8).unwrap_or(0)
    }
}

impl From<Few> for Packed {
    #[inline]
    fn from(few: Few) -> Self {
        Self { bytes: few.bytes.into(), bits: few.bits }
    }
}

impl Packed {
    /// Room that [`Packed::put`] needs, whatever it puts.
    pub(super) const ROOM: usize = 16;

    /// These bytes and then others; together not more than 16.
    #[inline]
    pub(super) fn then(self, others: Few) -> Self {
        debug_assert!(self.bits + others.bits <= 128);
        Self {
            bytes: self.bytes | u128::from(others.bytes) << self.bits,
            bits: self.bits + others.bits,
        }
    }

    #[inline]
    pub(super) fn len(self) -> usize {
        usize::try_from(self.bits / 8).unwrap_or(0)
    }

    #[inline]
    pub(super) fn put(self, to: &mut Vec<u8>) {
        let end = to.len() + self.len();
        // Sixteen bytes are one store, fewer a call.
        to.extend_from_slice(&self.bytes.to_le_bytes());
        to.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::super::zigzag;
    use super::*;

    #[test]
    fn codes_are_those_of_the_long_way() {
        for code in [0, 1, 0x7f, 0x80, 0x3fff, 0x4000, 0x12_3456, Few::CODES - 1] {
            let (mut packed, mut long) = (vec![7], vec![7]);
            let few = Few::default().code(code).zero().code(code);
            Packed::from(few).then(few).put(&mut packed);
            for _ in 0..2 {
                zigzag::put_code(&mut long, code);
                long.push(0);
                zigzag::put_code(&mut long, code);
            }
            assert_eq!(packed, long, "{code:#x}");
        }
    }
}
