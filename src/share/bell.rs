//! How the application tells the task of a share consumer that something was said of records.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Rings for the task: once when something was said, and not for each record.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    pub(crate) rung: Notify,
    /// How many records something was said of that is not on its way yet.
    said: AtomicUsize,
    /// Somebody waits for what becomes of it.
    is_urgent: AtomicBool,
}

/// So many acknowledgements do not wait for a fetch that takes them along (a guess: half of what a
/// broker lets a group have in flight of one partition by default).
const MANY: usize = 1_000;

impl Bell {
    /// Something was said of so many records more.
    pub(crate) fn say(&self, count: usize) {
        let before = self.said.fetch_add(count, Ordering::Relaxed);
        if before == 0 || (before < MANY && before + count >= MANY) {
            self.rung.notify_one();
        }
    }

    /// So many of them are on their way, or will never be.
    pub(crate) fn taken(&self, count: usize) {
        self.said.fetch_sub(count, Ordering::Relaxed);
    }

    /// Whether something waits to be sent.
    pub(crate) fn has_said(&self) -> bool {
        self.said.load(Ordering::Relaxed) > 0
    }

    /// Whether so much waits to be sent that it does not wait any longer.
    pub(crate) fn has_many(&self) -> bool {
        self.said.load(Ordering::Relaxed) >= MANY
    }

    /// Somebody waits: what was said is to be sent now.
    pub(crate) fn hurry(&self) {
        if !self.is_urgent.swap(true, Ordering::Relaxed) {
            self.rung.notify_one();
        }
    }

    /// Whether somebody waits, told once.
    pub(crate) fn take_urgency(&self) -> bool {
        self.is_urgent.swap(false, Ordering::Relaxed)
    }
}
