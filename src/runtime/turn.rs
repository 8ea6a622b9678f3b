//! Letting other tasks run while the application never has to wait.

use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// Lets other tasks run by time: an application that works for long on each record, and never has
/// to wait for the next, would keep its thread from the very tasks that keep it in its group.
///
/// The clock is read ever more seldom while records are quick, and at each as soon as they are
/// slow.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    since: Option<Instant>,
    looked: Option<Instant>,
    /// Calls until the clock is read next, and how many of them there were last.
    left: u32,
    stride: u32,
}

/// How long an application keeps its thread (a guess: letting others run costs some microseconds).
const SLICE: Duration = Duration::from_millis(5);

/// Calls between two looks at the clock (a guess).
const LONGEST_STRIDE: u32 = 32;

impl Turn {
    #[inline]
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Poll::Ready(())
            }
            None => self.look(context),
        }
    }

    fn look(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let now = super::now();
        let since = *self.since.get_or_insert(now);
        let is_quick = self
            .looked
            .replace(now)
            .is_some_and(|looked| now.saturating_duration_since(looked) < SLICE / 8);
        self.stride = if is_quick { (self.stride * 2).clamp(1, LONGEST_STRIDE) } else { 0 };
        self.left = self.stride;
        if now.saturating_duration_since(since) < SLICE {
            return Poll::Ready(());
        }
        *self = Self::default();
        super::let_others_run(context);
        Poll::Pending
    }

    /// The application waits, and others run.
    pub(crate) fn end(&mut self) {
        *self = Self::default();
    }
}
