//! How many bytes of records, before compression, fill a batch.
//!
//! `batch.size` is meant for what is sent: a batch takes as many records as are expected to be
//! packed into it, by what became of the topic's batches before (Java's
//! `CompressionRatioEstimator`, with its constants). A topic whose records suddenly pack worse gets
//! larger batches for a moment; one that is too large for the broker is split, and everything is
//! expected to stay as large as it is.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use crate::wire::batch::HEADER_LEN;

/// Of one topic.
#[derive(Debug)]
pub(in crate::producer) struct CompressionRatioEstimator {
    batch_size: usize,
    /// However well records pack.
    most: usize,
    /// What a thousand bytes are expected to be packed into.
    ratio: AtomicU32,
    limit: AtomicUsize,
}

impl CompressionRatioEstimator {
    /// A limit of no bytes is one of a single byte, as in Java: a partition that has had its share
    /// must have had something.
    pub(in crate::producer) fn new(batch_size: usize, most: usize) -> Self {
        let batch_size = batch_size.max(1);
        Self { batch_size, most, ratio: AtomicU32::new(WHOLE), limit: AtomicUsize::new(batch_size) }
    }

    /// How many bytes a batch takes, its header included.
    #[inline]
    pub(in crate::producer) fn get(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    /// So many bytes of records have been packed into so many.
    pub(in crate::producer) fn packed(&self, from: usize, to: usize) {
        let observed =
            to.saturating_mul(1000).checked_div(from).and_then(|ratio| u32::try_from(ratio).ok());
        let observed = observed.unwrap_or(WHOLE).min(WHOLE);
        let expected = self.ratio.load(Ordering::Relaxed);
        self.expect(match observed > expected {
            true => observed.max(expected + STEP_UP),
            false => observed.max(expected.saturating_sub(STEP_DOWN)),
        });
    }

    /// A batch was too large for the broker.
    pub(in crate::producer) fn reset(&self) {
        self.expect(WHOLE);
    }

    fn expect(&self, ratio: u32) {
        self.ratio.store(ratio, Ordering::Relaxed);
        let safe =
            usize::try_from(ratio).unwrap_or(usize::MAX).saturating_mul(SAFETY_PERCENT).max(1);
        let records = self.batch_size.saturating_sub(HEADER_LEN).saturating_mul(100 * 1000) / safe;
        let limit = records.saturating_add(HEADER_LEN).min(self.most).max(self.batch_size);
        self.limit.store(limit, Ordering::Relaxed);
    }
}

/// As large as before.
const WHOLE: u32 = 1000;
/// How much worse at least, and how much better at most, is expected after a batch that was packed
/// worse, or better.
const STEP_UP: u32 = 50;
const STEP_DOWN: u32 = 5;
/// The expectation is taken for that much worse than it is.
const SAFETY_PERCENT: usize = 105;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_packs_well_fills_a_batch_with_more_and_not_at_once() {
        let limit = CompressionRatioEstimator::new(16_384, 1 << 20);
        assert_eq!(limit.get(), 16_384);
        limit.packed(10_000, 5_000);
        assert_eq!(limit.get(), 16_384, "within what is taken for safety");
        for _ in 0..99 {
            limit.packed(10_000, 5_000);
        }
        assert_eq!(limit.get(), HEADER_LEN + (16_384 - HEADER_LEN) * 100 * 1000 / (500 * 105));
        limit.packed(10_000, 7_000);
        assert_eq!(
            limit.get(),
            HEADER_LEN + (16_384 - HEADER_LEN) * 100 * 1000 / (700 * 105),
            "worse is believed at once"
        );
        limit.packed(10_000, 7_010);
        assert_eq!(
            limit.get(),
            HEADER_LEN + (16_384 - HEADER_LEN) * 100 * 1000 / (750 * 105),
            "and a little more"
        );
        limit.reset();
        assert_eq!(limit.get(), 16_384);
    }

    #[test]
    fn a_batch_is_bounded_however_well_it_packs() {
        let limit = CompressionRatioEstimator::new(16_384, 100_000);
        for _ in 0..300 {
            limit.packed(1_000_000, 1);
        }
        assert_eq!(limit.get(), 100_000);
        limit.packed(0, 0);
        assert!(limit.get() >= 16_384);
        let none = CompressionRatioEstimator::new(0, 0);
        none.packed(10, 1);
        assert_eq!(none.get(), 1, "every record has a batch of its own");
    }
}
