//! Values to try codecs with: from a seed, small, and often at the edges of their types.

use bytes::Bytes;

use crate::clock::Random;
use crate::ids::Uuid;

/// What can be made up for a given version: fields that it lacks keep their defaults.
pub(in crate::wire::messages) trait Sample {
    fn sample(from: &mut Samples, version: i16) -> Self;
}

/// A source of primitive values.
#[derive(Debug)]
pub(in crate::wire::messages) struct Samples {
    random: Random,
    /// How many more elements arrays may have, so that nested ones do not grow beyond measure.
    elements: u64,
}

const STRINGS: [&str; 6] =
    ["", "a", "orders", "grüße-日本", "0123456789012345678901234567890123456789", "\0"];
const BYTES: [&[u8]; 4] = [&[], &[0], &[0xff; 3], &[7; 600]];

impl Samples {
    pub(in crate::wire::messages) fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), elements: 300 }
    }

    pub(in crate::wire::messages) fn bool(&mut self) -> bool {
        self.random.below(2) == 1
    }

    pub(in crate::wire::messages) fn i8(&mut self) -> i8 {
        self.integer().to_be_bytes().map(u8::cast_signed)[7]
    }

    pub(in crate::wire::messages) fn i16(&mut self) -> i16 {
        self.u16().cast_signed()
    }

    pub(in crate::wire::messages) fn u16(&mut self) -> u16 {
        let [.., high, low] = self.integer().to_be_bytes();
        u16::from_be_bytes([high, low])
    }

    pub(in crate::wire::messages) fn i32(&mut self) -> i32 {
        let [.., a, b, c, d] = self.integer().to_be_bytes();
        i32::from_be_bytes([a, b, c, d])
    }

    pub(in crate::wire::messages) fn i64(&mut self) -> i64 {
        self.integer()
    }

    pub(in crate::wire::messages) fn f64(&mut self) -> f64 {
        self.random.unit() * 1e6 - 5e5
    }

    pub(in crate::wire::messages) fn uuid(&mut self) -> Uuid {
        let half = |value: u64| u128::from(value);
        Uuid((half(self.random.next_u64()) << 64 | half(self.random.next_u64())).to_be_bytes())
    }

    pub(in crate::wire::messages) fn string(&mut self) -> &'static str {
        self.one_of(&STRINGS)
    }

    pub(in crate::wire::messages) fn bytes(&mut self) -> &'static [u8] {
        self.one_of(&BYTES)
    }

    pub(in crate::wire::messages) fn option<T>(
        &mut self,
        value: impl FnOnce(&mut Self) -> T,
    ) -> Option<T> {
        (self.random.below(4) > 0).then(|| value(self))
    }

    pub(in crate::wire::messages) fn array<T>(
        &mut self,
        mut element: impl FnMut(&mut Self) -> T,
    ) -> Vec<T> {
        // Mostly short; at times past what one byte of a varint counts.
        let count = if self.random.below(50) == 0 { 130 } else { self.random.below(4) };
        let count = count.min(self.elements);
        self.elements -= count;
        (0..count).map(|_| element(self)).collect()
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        let index = self.random.below(choices.len().try_into().expect("a short list"));
        choices[usize::try_from(index).expect("an index")]
    }

    /// All bits, few bits, or none but the sign's.
    fn integer(&mut self) -> i64 {
        let bits = self.random.next_u64().cast_signed();
        match self.random.below(4) {
            0 => bits,
            1 => -1,
            2 => i64::MAX,
            _ => bits >> 59,
        }
    }
}

/// Records of a request that was read: one chunk, which the test never frees.
pub(in crate::wire::messages) fn chunks(bytes: &[u8]) -> &'static [Bytes] {
    Box::leak(Box::new([Bytes::copy_from_slice(bytes)]))
}
