//! Latencies, counted without a lock: a histogram whose buckets grow with what they hold.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Each doubling is divided into so many buckets, so that a quantile is exact to 3 %.
const STEPS: usize = 32;
const STEPS_U64: u64 = 32;
/// 2^40 ns are 18 minutes; what takes longer counts as that.
const DOUBLINGS: usize = 41;

/// On cache lines of its own: other threads count what is sent beside it.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Histogram {
    buckets: Box<[AtomicU64]>,
    nanos: AtomicU64,
    least: AtomicU64,
    most: AtomicU64,
}

/// A snapshot of a latency histogram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Latencies {
    /// The number of measurements.
    pub count: u64,
    /// The mean.
    pub average: Duration,
    /// The minimum.
    pub min: Duration,
    /// The maximum.
    pub max: Duration,
    /// The median. All quantiles are accurate to 3 %.
    pub p50: Duration,
    /// The 95th percentile.
    pub p95: Duration,
    /// The 99th percentile.
    pub p99: Duration,
    /// The 99.9th percentile.
    pub p999: Duration,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: (0..STEPS * DOUBLINGS).map(|_| AtomicU64::new(0)).collect(),
            nanos: AtomicU64::new(0),
            least: AtomicU64::new(u64::MAX),
            most: AtomicU64::new(0),
        }
    }
}

impl Histogram {
    pub(super) fn record(&self, latency: Duration) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get(bucket(nanos)) {
            bucket.fetch_add(1, Relaxed);
        }
        self.nanos.fetch_add(nanos, Relaxed);
        if nanos < self.least.load(Relaxed) {
            self.least.fetch_min(nanos, Relaxed);
        }
        if nanos > self.most.load(Relaxed) {
            self.most.fetch_max(nanos, Relaxed);
        }
    }

    pub(super) fn snapshot(&self) -> Latencies {
        let counts: Vec<u64> = self.buckets.iter().map(|bucket| bucket.load(Relaxed)).collect();
        let count: u64 = counts.iter().sum();
        if count == 0 {
            return Latencies::default();
        }
        let most = self.most.load(Relaxed);
        let quantile = |of_thousand: u64| {
            let rank = (count * of_thousand).div_ceil(1000).max(1);
            let mut seen = 0;
            let at = counts.iter().position(|bucket| {
                seen += bucket;
                seen >= rank
            });
            Duration::from_nanos(at.map_or(most, upper_bound).min(most))
        };
        Latencies {
            count,
            average: Duration::from_nanos(self.nanos.load(Relaxed) / count),
            min: Duration::from_nanos(self.least.load(Relaxed)),
            max: Duration::from_nanos(most),
            p50: quantile(500),
            p95: quantile(950),
            p99: quantile(990),
            p999: quantile(999),
        }
    }
}

/// Below `STEPS` a bucket for each value; above, the highest bits tell.
fn bucket(nanos: u64) -> usize {
    let steps = STEPS.trailing_zeros();
    let index = if nanos < STEPS_U64 {
        nanos
    } else {
        let doubling = 63 - nanos.leading_zeros();
        let within = (nanos >> (doubling - steps)) & (STEPS_U64 - 1);
        u64::from(doubling - steps + 1) * STEPS_U64 + within
    };
    usize::try_from(index).unwrap_or(usize::MAX).min(STEPS * DOUBLINGS - 1)
}

/// The largest value in a bucket.
fn upper_bound(index: usize) -> u64 {
    let (group, within) = (index / STEPS, u64::try_from(index % STEPS).unwrap_or(0));
    if group == 0 {
        return within;
    }
    let shift = u32::try_from(group - 1).unwrap_or(0);
    ((STEPS_U64 + within + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_lies_in_its_bucket_and_is_known_to_three_percent() {
        let mut before = 0;
        for nanos in
            (0..200).chain((8..40).flat_map(|power| {
                [(1 << power) - 1, 1 << power, (1 << power) + (1 << (power - 1))]
            }))
        {
            let at = bucket(nanos);
            let upper = upper_bound(at);
            assert!(upper >= nanos && upper - nanos <= nanos / 32, "{nanos} {upper}");
            assert!(at >= before, "in order");
            before = at;
        }
    }

    #[test]
    fn quantiles_are_those_of_what_was_recorded() {
        let histogram = Histogram::default();
        for micros in 1..=1000 {
            histogram.record(Duration::from_micros(micros));
        }
        let seen = histogram.snapshot();
        assert_eq!(
            (seen.count, seen.min, seen.max),
            (1000, Duration::from_micros(1), Duration::from_micros(1000))
        );
        assert_eq!(seen.average, Duration::from_nanos(500_500));
        for (found, micros) in
            [(seen.p50, 500.0), (seen.p95, 950.0), (seen.p99, 990.0), (seen.p999, 999.0)]
        {
            assert!((found.as_secs_f64() * 1e6 / micros - 1.0).abs() < 0.035, "{found:?} {micros}");
        }
    }

    #[test]
    fn nothing_and_too_much_are_counted_too() {
        assert_eq!(Histogram::default().snapshot(), Latencies::default());
        let histogram = Histogram::default();
        histogram.record(Duration::MAX);
        assert_eq!(histogram.snapshot().count, 1);
    }
}
