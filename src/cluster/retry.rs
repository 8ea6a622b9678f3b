//! How long to wait before trying again.

use std::time::Duration;

use crate::clock::Random;

/// The jitter of every backoff: Kafka's 20 % (KIP-580).
const JITTER: f64 = 0.2;

/// The shortest first wait, whatever is configured: `retry.backoff.ms=0` means "at once", and an
/// answer that never changes would have a loop spin.
const SHORTEST: Duration = Duration::from_millis(1);

/// What waits may always grow to: a hundred tries a second are no burden (a guess).
const LEAST_LONGEST: Duration = Duration::from_millis(10);

/// An exponential backoff: `base · 2^failures`, at most `max`, within 20 % (KIP-580).
///
/// It is never zero, so that whatever waits for it between tries cannot spin: the first wait is at
/// least 1 ms, the longest at least 10 ms.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    base: Duration,
    max: Duration,
}

impl Backoff {
    pub(crate) fn new(base: Duration, max: Duration) -> Self {
        let base = base.max(SHORTEST);
        Self { base, max: max.max(base).max(LEAST_LONGEST) }
    }

    /// The shortest wait, without jitter.
    pub(crate) fn least(self) -> Duration {
        self.base
    }

    /// What waits grow to, without jitter.
    pub(crate) fn longest(self) -> Duration {
        self.max
    }

    /// How long to wait after so many failures in a row; `failures` counts from 1.
    pub(crate) fn after(self, failures: u32, random: &mut Random) -> Duration {
        let factor = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        let exact = self.base.checked_mul(factor).unwrap_or(self.max).min(self.max);
        random.jitter(exact, JITTER)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn waits_double_up_to_the_maximum() {
        let backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(1000));
        let mut random = Random::new(1);
        for (failures, exact) in
            [(1, 100), (2, 200), (3, 400), (4, 800), (5, 1000), (40, 1000), (u32::MAX, 1000)]
        {
            let wait = backoff.after(failures, &mut random).as_millis();
            assert!((exact * 8 / 10..=exact * 12 / 10).contains(&wait), "{failures}: {wait} ms");
        }
    }

    #[test]
    fn a_backoff_of_nothing_still_waits_and_grows() {
        let backoff = Backoff::new(Duration::ZERO, Duration::ZERO);
        let mut random = Random::new(1);
        let waited: Duration =
            (1..=1000).map(|failures| backoff.after(failures, &mut random)).sum();
        assert!(backoff.after(1, &mut random) >= Duration::from_micros(800));
        assert!(waited > Duration::from_secs(8), "1000 tries in {waited:?}");
    }

    proptest! {
        #[test]
        fn no_wait_exceeds_the_maximum_and_its_jitter(
            base in 0_u64..10_000,
            max in 0_u64..10_000,
            failures in 0_u32..,
            seed: u64,
        ) {
            let backoff = Backoff::new(Duration::from_millis(base), Duration::from_millis(max));
            let wait = backoff.after(failures, &mut Random::new(seed));
            prop_assert!(
                wait <= Duration::from_millis(base.max(max).max(10)).mul_f64(1.0 + JITTER)
            );
        }
    }
}
