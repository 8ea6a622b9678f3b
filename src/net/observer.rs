//! The one to whom connections tell what happens to them, for all who count that.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::observability::{ConnectionEvent, ConnectionRecorder};

/// Shared by all connections of a client.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionObserver {
    counters: Arc<ConnectionCounters>,
    recorder: ConnectionRecorder,
}

#[derive(Debug, Default)]
struct ConnectionCounters {
    attempted: AtomicU64,
    opened: AtomicU64,
    failed: AtomicU64,
}

/// How many connections there were since the client was created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ConnectionCounts {
    pub(crate) attempted: u64,
    /// What client telemetry tells of.
    pub(crate) opened: u64,
    pub(crate) failed: u64,
}

/// An open connection, until it is dropped.
#[derive(Debug)]
pub(super) struct OpenConnection<'a>(&'a ConnectionObserver);

impl ConnectionObserver {
    pub(crate) fn new(recorder: ConnectionRecorder) -> Self {
        Self { counters: Arc::default(), recorder }
    }

    pub(crate) fn counts(&self) -> ConnectionCounts {
        ConnectionCounts {
            attempted: self.counters.attempted.load(Relaxed),
            opened: self.counters.opened.load(Relaxed),
            failed: self.counters.failed.load(Relaxed),
        }
    }

    pub(super) fn tell(&self, event: ConnectionEvent) {
        self.counters.note(event);
        self.recorder.note(event);
    }

    pub(super) fn opened(&self) -> OpenConnection<'_> {
        self.tell(ConnectionEvent::Opened);
        OpenConnection(self)
    }
}

impl Drop for OpenConnection<'_> {
    fn drop(&mut self) {
        self.0.tell(ConnectionEvent::Closed);
    }
}

impl ConnectionCounters {
    #[deny(clippy::wildcard_enum_match_arm)]
    fn note(&self, event: ConnectionEvent) {
        match event {
            ConnectionEvent::Attempted => {
                self.attempted.fetch_add(1, Relaxed);
            }
            ConnectionEvent::Opened => {
                self.opened.fetch_add(1, Relaxed);
            }
            ConnectionEvent::Failed => {
                self.failed.fetch_add(1, Relaxed);
            }
            // What is open is known to the pool.
            ConnectionEvent::Closed
            | ConnectionEvent::Sent { .. }
            | ConnectionEvent::Received { .. } => {}
        }
    }
}

#[cfg(all(test, feature = "metrics"))]
mod tests;
