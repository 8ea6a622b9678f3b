//! Values: the same bytes in every client that takes part in the comparison.

use std::fmt::Write;

/// What values are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Payload {
    Zero,
    Random,
    /// Log lines in JSON, which compress well.
    Text,
}

/// Enough bytes that a codec does not meet the same value again too soon.
const POOL: usize = 8 << 20;

/// The values; record `i` has the `i`-th slice, round and round.
#[derive(Debug)]
pub(crate) struct Values {
    pool: Vec<u8>,
    size: usize,
    slots: u64,
}

impl Values {
    pub(crate) fn new(payload: Payload, size: usize) -> Self {
        let len = POOL.max(size);
        let pool = match payload {
            Payload::Zero => vec![0; len],
            Payload::Random => random(len),
            Payload::Text => text(len),
        };
        Self { pool, size, slots: (len / size.max(1)).try_into().unwrap_or(1) }
    }

    #[inline]
    pub(crate) fn get(&self, record: u64) -> &[u8] {
        let slot = usize::try_from(record % self.slots).unwrap_or(0);
        self.pool.get(slot * self.size..(slot + 1) * self.size).unwrap_or_default()
    }
}

/// The generator SplitMix64.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 33) % limit
    }
}

fn random(len: usize) -> Vec<u8> {
    let mut random = SplitMix(1);
    let mut bytes: Vec<u8> = std::iter::repeat_with(|| random.next().to_le_bytes())
        .take(len.div_ceil(8))
        .flatten()
        .collect();
    bytes.truncate(len);
    bytes
}

fn text(len: usize) -> Vec<u8> {
    let mut random = SplitMix(7);
    let mut time = 1_763_900_000_000_u64;
    let mut text = String::with_capacity(len + 256);
    while text.len() < len {
        time += random.below(50);
        let level =
            ["INFO", "INFO", "WARN", "DEBUG"][usize::try_from(random.below(4)).unwrap_or(0)];
        let (service, host) = (random.below(8), random.below(20));
        let path = ["/api/v1/items", "/api/v1/orders", "/api/v1/users", "/healthz"]
            [usize::try_from(random.below(4)).unwrap_or(0)];
        let id = random.below(100_000);
        let status = if random.below(20) == 0 { 500 } else { 200 };
        let duration = random.below(500);
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{{\"ts\":{time},\"level\":\"{level}\",\"service\":\"orders-{service}\",\"host\":\"node-{host}.example.internal\",\"method\":\"GET\",\"path\":\"{path}/{id}\",\"status\":{status},\"duration_ms\":{duration},\"message\":\"request \
             completed\"}}"
        );
    }
    text.truncate(len);
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FNV-1a, 64 bits.
    fn hash(bytes: &[u8]) -> u64 {
        bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }

    #[test]
    fn the_bytes_are_those_of_the_other_clients() {
        assert_eq!(hash(&Values::new(Payload::Text, 128).pool), TEXT);
        assert_eq!(hash(&Values::new(Payload::Random, 128).pool), RANDOM);
    }

    #[test]
    fn values_follow_each_other_in_the_pool_and_begin_again() {
        let values = Values::new(Payload::Random, 3 << 20);
        assert_eq!(values.get(1), &values.pool[3 << 20..6 << 20]);
        assert_eq!(values.get(2), values.get(0));
        assert_eq!(Values::new(Payload::Text, 0).get(5), b"");
    }

    /// Taken from the program that the Rust clients of the comparison share.
    const TEXT: u64 = 0x6125_0cbd_0f1d_36b2;
    const RANDOM: u64 = 0xcc67_110d_63c5_36d7;
}
