//! Whether the application that a handle works for still asks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Whether the application still asks for records (`max.poll.interval.ms`): cheap enough to be told
/// with every record.
#[derive(Debug)]
pub(crate) struct Activity {
    calls: AtomicU64,
    /// How often the application has shown that it lives without asking for records.
    signs: AtomicU64,
    /// The beginning of its time, of which the rest are nanoseconds.
    origin: Instant,
    /// Since when the application waits; 0 if it does not.
    waits_since: AtomicU64,
    waited: AtomicU64,
}

impl Activity {
    pub(crate) fn new(origin: Instant) -> Self {
        Self {
            calls: AtomicU64::new(0),
            signs: AtomicU64::new(0),
            origin,
            waits_since: AtomicU64::new(0),
            waited: AtomicU64::new(0),
        }
    }

    /// The application has asked for records.
    #[inline]
    pub(crate) fn touch(&self) {
        // One writer, so a plain increment will do.
        self.calls.store(self.calls.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    /// The application lives, and asks for nothing.
    #[cfg(feature = "mq")]
    pub(crate) fn show_life(&self) {
        self.signs.fetch_add(1, Ordering::Relaxed);
    }

    /// Changes with whatever shows that the application lives.
    pub(crate) fn signs_of_life(&self) -> u64 {
        self.calls().wrapping_add(self.signs.load(Ordering::Relaxed))
    }

    /// The clock is read where a wait begins and ends, not for each record.
    pub(crate) fn set_waiting(&self, is_waiting: bool) {
        match (self.waits_since.load(Ordering::Relaxed), is_waiting) {
            (0, true) => self.waits_since.store(self.nanos(), Ordering::Relaxed),
            (0, false) | (1.., true) => {}
            (since, false) => {
                self.waits_since.store(0, Ordering::Relaxed);
                self.waited.fetch_add(self.nanos().saturating_sub(since), Ordering::Relaxed);
            }
        }
    }

    /// For as long as one call that asks for records may wait.
    pub(crate) fn claim(&self) -> WaitingClaim<'_> {
        WaitingClaim(self)
    }

    /// Changes with every call that asks for records.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Whether the application waits for records at this moment, which is not idleness.
    pub(crate) fn is_waiting(&self) -> bool {
        self.waits_since.load(Ordering::Relaxed) != 0
    }

    /// How long the application has waited for records so far, and of how long.
    pub(crate) fn waited(&self) -> (Duration, Duration) {
        let (now, since) = (self.nanos(), self.waits_since.load(Ordering::Relaxed));
        let under_way = if since == 0 { 0 } else { now.saturating_sub(since) };
        let waited = self.waited.load(Ordering::Relaxed).saturating_add(under_way);
        (Duration::from_nanos(waited), Duration::from_nanos(now))
    }

    /// Never 0, which would say that nobody waits.
    fn nanos(&self) -> u64 {
        let since = super::now().saturating_duration_since(self.origin);
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX).max(1)
    }
}

/// The application may wait as long as this lives; ends its waiting also when its future is dropped.
#[derive(Debug)]
pub(crate) struct WaitingClaim<'a>(&'a Activity);

impl Drop for WaitingClaim<'_> {
    fn drop(&mut self) {
        self.0.set_waiting(false);
    }
}
