//! Which batches of a fetch response the application may see (`isolation.level`).
//!
//! Pure. Control batches are never delivered. Under `read_committed` the broker sends nothing
//! beyond the last stable offset, and lists the transactions among what it sends that were aborted;
//! their batches are skipped by header alone, before they are decompressed. A list is good for the
//! one response it came with.

use std::collections::{BTreeSet, VecDeque};

use crate::ids::{Offset, ProducerId};

/// A transaction that was aborted: which producer's, and where it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Aborted {
    pub(crate) producer: ProducerId,
    pub(crate) first_offset: Offset,
}

/// What a batch is to transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BatchKind {
    /// Records outside transactions.
    Plain,
    /// Records of a transaction.
    Transactional,
    /// A marker that aborts the producer's transaction.
    AbortMarker,
    /// Any other control batch.
    Control,
}

/// Walks the batches of one partition of one response.
#[derive(Clone, Debug, Default)]
pub(crate) struct Isolation {
    /// By first offset: the order of the list is not promised.
    pending: VecDeque<Aborted>,
    /// Whose transaction is aborted, from its first offset to its marker.
    aborted: BTreeSet<ProducerId>,
}

impl Isolation {
    /// `aborted` is empty under `read_uncommitted`.
    pub(crate) fn new(mut aborted: Vec<Aborted>) -> Self {
        aborted.sort_by_key(|transaction| transaction.first_offset);
        Self { pending: aborted.into(), aborted: BTreeSet::new() }
    }

    /// Whether markers matter, so that control batches must be decoded.
    pub(crate) fn needs_markers(&self) -> bool {
        !self.pending.is_empty() || !self.aborted.is_empty()
    }

    /// Whether the next batch is delivered; call once for each, in order.
    #[must_use]
    pub(crate) fn admits(
        &mut self,
        kind: BatchKind,
        producer: Option<ProducerId>,
        last_offset: Offset,
    ) -> bool {
        if let Some(producer) = producer {
            while let Some(begun) =
                self.pending.front().filter(|transaction| transaction.first_offset <= last_offset)
            {
                self.aborted.insert(begun.producer);
                self.pending.pop_front();
            }
            match kind {
                BatchKind::AbortMarker => {
                    self.aborted.remove(&producer);
                }
                BatchKind::Transactional if self.aborted.contains(&producer) => return false,
                _ => {}
            }
        }
        !matches!(kind, BatchKind::AbortMarker | BatchKind::Control)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Option<ProducerId> = Some(ProducerId(1));
    const B: Option<ProducerId> = Some(ProducerId(2));

    fn aborted(producer: i64, first_offset: i64) -> Aborted {
        Aborted { producer: ProducerId(producer), first_offset: Offset(first_offset) }
    }

    #[test]
    fn aborted_batches_are_skipped_up_to_their_marker() {
        let mut isolation = Isolation::new(vec![aborted(1, 0)]);
        assert!(!isolation.admits(BatchKind::Transactional, A, Offset(1)));
        assert!(isolation.admits(BatchKind::Transactional, B, Offset(2)));
        assert!(!isolation.admits(BatchKind::AbortMarker, A, Offset(3)));
        assert!(isolation.admits(BatchKind::Transactional, A, Offset(4)));
    }

    #[test]
    fn list_may_be_unordered_and_begin_before_the_fetch_offset() {
        let mut isolation = Isolation::new(vec![aborted(1, 50), aborted(2, 3)]);
        assert!(!isolation.admits(BatchKind::Transactional, B, Offset(20)));
        assert!(isolation.admits(BatchKind::Transactional, A, Offset(30)));
        assert!(!isolation.admits(BatchKind::AbortMarker, B, Offset(31)));
        assert!(!isolation.admits(BatchKind::Transactional, A, Offset(51)));
    }

    #[test]
    fn second_abort_marker_changes_nothing() {
        let mut isolation = Isolation::new(vec![aborted(1, 0)]);
        assert!(!isolation.admits(BatchKind::AbortMarker, A, Offset(3)));
        assert!(!isolation.admits(BatchKind::AbortMarker, A, Offset(4)));
        assert!(isolation.admits(BatchKind::Transactional, A, Offset(5)));
    }

    #[test]
    fn two_aborted_transactions_of_one_producer_are_both_skipped() {
        let mut isolation = Isolation::new(vec![aborted(1, 0), aborted(1, 10)]);
        assert!(!isolation.admits(BatchKind::Transactional, A, Offset(3)));
        assert!(!isolation.admits(BatchKind::AbortMarker, A, Offset(4)));
        assert!(isolation.admits(BatchKind::Transactional, A, Offset(9)));
        assert!(!isolation.admits(BatchKind::Transactional, A, Offset(12)));
    }

    #[test]
    fn plain_batches_of_an_idempotent_producer_pass() {
        let mut isolation = Isolation::new(vec![aborted(1, 0)]);
        assert!(isolation.admits(BatchKind::Plain, A, Offset(1)));
        assert!(isolation.admits(BatchKind::Plain, None, Offset(2)));
    }

    #[test]
    fn control_batches_are_never_delivered() {
        let mut isolation = Isolation::default();
        assert!(!isolation.admits(BatchKind::Control, A, Offset(1)));
        assert!(isolation.admits(BatchKind::Transactional, A, Offset(2)));
    }
}
