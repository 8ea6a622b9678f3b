//! A share session with one broker (KIP-932): what it was told of last, and the epoch of the next
//! request.
//!
//! Pure. The broker takes one request of a session after the other, fetches and acknowledgements
//! alike; any that is lost begins another session, which alone cannot acknowledge.
//!
//! ```text
//!  New (0) ──answered──▶ Open 1, 2, … then 1 again after the largest
//!    ▲                     │
//!    └──── lost, refused ──┘
//! ```

use std::collections::BTreeSet;

use crate::ids::{PartitionId, TopicId};

/// A partition, as requests name it.
pub(crate) type SharedPartition = (TopicId, PartitionId);

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct ShareSession {
    /// Of the next request.
    epoch: i32,
    /// What the broker fetches from.
    told: BTreeSet<SharedPartition>,
}

/// What a fetch says of its session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShareSessionRequest {
    pub(crate) epoch: i32,
    pub(crate) add: Vec<SharedPartition>,
    pub(crate) forget: Vec<SharedPartition>,
}

/// Begins a session.
const OPENS: i32 = 0;
/// Ends it: what was acquired and not acknowledged is released.
pub(crate) const CLOSES: i32 = -1;

impl ShareSession {
    /// Whether acknowledgements can be sent.
    pub(crate) fn is_open(&self) -> bool {
        self.epoch != OPENS
    }

    /// The epoch of the next request.
    pub(crate) fn epoch(&self) -> i32 {
        self.epoch
    }

    /// What the next fetch says.
    pub(crate) fn request(&mut self, wanted: &BTreeSet<SharedPartition>) -> ShareSessionRequest {
        let request = ShareSessionRequest {
            epoch: self.epoch,
            add: wanted.difference(&self.told).copied().collect(),
            forget: self.told.difference(wanted).copied().collect(),
        };
        self.told.clone_from(wanted);
        request
    }

    /// A request of the session was answered.
    pub(crate) fn answered(&mut self) {
        self.epoch = if self.epoch == i32::MAX { 1 } else { self.epoch + 1 };
    }

    /// A request was refused or lost: the next begins another session.
    pub(crate) fn failed(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(partitions: &[i32]) -> BTreeSet<SharedPartition> {
        partitions.iter().map(|at| (TopicId([1; 16]), PartitionId(*at))).collect()
    }

    fn list(partitions: &[i32]) -> Vec<SharedPartition> {
        of(partitions).into_iter().collect()
    }

    #[test]
    fn a_request_says_what_has_changed() {
        let mut session = ShareSession::default();
        assert!(!session.is_open());
        let ask = |session: &mut ShareSession, wanted: &[i32]| session.request(&of(wanted));
        let first = ask(&mut session, &[0, 1]);
        assert_eq!((first.epoch, first.add, first.forget), (0, list(&[0, 1]), vec![]));
        session.answered();
        assert!(session.is_open());
        let second = ask(&mut session, &[1, 2]);
        assert_eq!((second.epoch, second.add, second.forget), (1, list(&[2]), list(&[0])));
        session.answered();
        let third = ask(&mut session, &[1, 2]);
        assert_eq!((third.epoch, third.add, third.forget), (2, vec![], vec![]));
        session.failed();
        let again = ask(&mut session, &[1, 2]);
        assert_eq!((again.epoch, again.add, again.forget), (0, list(&[1, 2]), vec![]));
    }

    #[test]
    fn after_the_largest_epoch_comes_one() {
        let mut session = ShareSession { epoch: i32::MAX, ..ShareSession::default() };
        session.answered();
        assert_eq!(session.epoch(), 1);
    }
}
