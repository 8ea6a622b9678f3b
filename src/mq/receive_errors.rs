//! How errors without a message between them are paced.

use std::time::{Duration, Instant};

use crate::runtime;

/// Errors without a message between them. One for each partition is none too many; then they are
/// paced.
#[derive(Debug, Default)]
pub(super) struct ReceiveErrors {
    count: usize,
    /// Until when nothing is to be asked for.
    pub(super) quiet_until: Option<Instant>,
}

impl ReceiveErrors {
    pub(super) fn one_more(&mut self, partitions: usize) {
        self.count = self.count.saturating_add(1);
        if let Some(too_many @ 1..) = self.count.checked_sub(partitions) {
            let pause = Duration::from_millis(1 << too_many.min(10));
            self.quiet_until = Some(runtime::now() + pause);
        }
    }
}
