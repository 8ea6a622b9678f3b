//! The cluster's wall clock and its randomness.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;
use uuid::Uuid;

/// Where the cluster's timestamps come from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Clock {
    System,
    /// A fixed moment plus what tokio's clock has gone on since; stands still with it.
    Virtual {
        epoch_ms: i64,
        started: Instant,
    },
}

/// Now, by each of the ways in which the cluster counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) at: Instant,
    /// Milliseconds since 1970.
    pub(crate) ms: i64,
    /// Since the cluster's start.
    pub(crate) elapsed: Duration,
}

impl Clock {
    /// 2023-11-14, a round number of milliseconds since 1970: what tests see first.
    pub(crate) const VIRTUAL_EPOCH_MS: i64 = 1_700_000_000_000;

    /// Milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> i64 {
        let (epoch_ms, since) = match self {
            Self::System => {
                (0, SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO))
            }
            Self::Virtual { epoch_ms, started } => (*epoch_ms, started.elapsed()),
        };
        epoch_ms.saturating_add(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// SplitMix64: ids, garbage and the dice of fault rules, the same for the same seed.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, or 0 when `bound` is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.next_u64()) * u128::from(bound);
        u64::try_from(wide >> 64).expect("the high half of a product of two u64")
    }

    /// True with a probability in millionths.
    pub(crate) fn chance(&mut self, millionths: u32) -> bool {
        self.below(1_000_000) < u64::from(millionths)
    }

    pub(crate) fn uuid(&mut self) -> Uuid {
        // Version 4, so that no id is one of Kafka's reserved small numbers.
        let bits = (u128::from(self.next_u64()) << 64) | u128::from(self.next_u64());
        let bits = bits & !(0xf << 76) & !(0x3 << 62);
        Uuid::from_u128(bits | (0x4 << 76) | (0x2 << 62))
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut to = Vec::with_capacity(count + 8);
        while to.len() < count {
            to.extend_from_slice(&self.next_u64().to_be_bytes());
        }
        to.truncate(count);
        to
    }
}
