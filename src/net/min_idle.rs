//! How many connections are kept although nothing uses them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts a client's open connections, so that not all of them close when nothing is to do.
#[derive(Debug)]
pub(crate) struct MinIdleConnections {
    least: usize,
    open: AtomicUsize,
}

/// An open connection, counted until it is dropped or may close.
#[derive(Debug)]
pub(super) struct CountedConnection {
    warm: Arc<MinIdleConnections>,
    is_counted: bool,
}

impl MinIdleConnections {
    /// At least so many stay open once they are.
    pub(crate) fn new(least: usize) -> Arc<Self> {
        Arc::new(Self { least, open: AtomicUsize::new(0) })
    }

    pub(super) fn enter(self: &Arc<Self>) -> CountedConnection {
        self.open.fetch_add(1, Ordering::Relaxed);
        CountedConnection { warm: Arc::clone(self), is_counted: true }
    }
}

impl CountedConnection {
    /// Whether this connection may close for want of use; it then counts no more, so that two do
    /// not both go.
    pub(super) fn may_close(&mut self) -> bool {
        let least = self.warm.least;
        let one_less = |open: usize| (open > least).then(|| open - 1);
        let may_close =
            self.warm.open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok();
        self.is_counted = self.is_counted && !may_close;
        may_close
    }
}

impl Drop for CountedConnection {
    fn drop(&mut self) {
        if self.is_counted {
            self.warm.open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
