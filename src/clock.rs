//! Wall time and randomness as values, so that a machine given the same inputs does the same
//! things.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::ids::Timestamp;

/// Where record timestamps come from.
#[derive(Clone)]
pub(crate) struct WallClock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl WallClock {
    /// The system's clock.
    #[allow(clippy::disallowed_methods, reason = "this is where it comes from")]
    pub(crate) fn system() -> Self {
        Self(Arc::new(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
            Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
        }))
    }

    /// A clock that a test drives.
    #[cfg(any(test, feature = "test-util"))]
    pub(crate) fn from_fn(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl std::fmt::Debug for WallClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WallClock")
    }
}

/// A small pseudo-random generator (SplitMix64): for jitter, partition choice and ids, not for
/// secrets.
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

    /// A number in `0.0..1.0`.
    pub(crate) fn unit(&mut self) -> f64 {
        // 53 bits: the precision of an f64.
        #[expect(clippy::cast_precision_loss, reason = "both operands fit 53 bits")]
        let value = (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        value
    }

    /// `duration` times a factor in `1 - spread ..= 1 + spread`.
    pub(crate) fn jitter(&mut self, duration: Duration, spread: f64) -> Duration {
        duration.mul_f64(1.0 - spread + 2.0 * spread * self.unit())
    }

    /// A generator of its own, for another owner.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.next_u64())
    }
}
