//! A question that is asked again, after growing pauses, while something of its answer is missing.

use std::time::Instant;

use super::Cluster;

#[derive(Debug, Default)]
pub(crate) struct Asking {
    is_under_way: bool,
    failures: u32,
    again_at: Option<Instant>,
}

impl Asking {
    /// Whether it may be asked now: one at a time, and not before the pause is over.
    pub(crate) fn may_begin(&self, now: Instant) -> bool {
        !self.is_under_way && self.again_at.is_none_or(|at| at <= now)
    }

    pub(crate) fn begin(&mut self) {
        self.is_under_way = true;
    }

    /// It was answered, and must be asked `again` or not.
    pub(crate) fn answered(&mut self, again: bool, cluster: &Cluster, now: Instant) {
        self.is_under_way = false;
        self.failures = if again { self.failures + 1 } else { 0 };
        self.again_at = again
            .then(|| now + cluster.retry_backoff().after(self.failures, &mut cluster.random()));
    }

    /// What was missing is known from elsewhere.
    pub(crate) fn settle(&mut self) {
        self.failures = 0;
        self.again_at = None;
    }

    /// Whether a pause is over.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        !self.is_under_way && self.again_at.is_some_and(|at| at <= now)
    }

    /// When a pause will be over.
    pub(crate) fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        self.again_at.filter(|at| *at > now)
    }
}
