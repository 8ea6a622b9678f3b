//! The one to whom connections tell what happens to them, for all who count that.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::config::BrokerAddress;
use crate::error::Error;
use crate::ids::BrokerId;
use crate::listeners::Listeners;
use crate::observability::{ConnectionEvent, ConnectionRecorder};

/// Shared by all connections of a client.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionObserver {
    counters: Arc<ConnectionCounters>,
    recorder: ConnectionRecorder,
    listeners: Listeners,
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
pub(super) struct OpenConnection<'a> {
    observer: &'a ConnectionObserver,
    broker: Option<BrokerId>,
    address: &'a BrokerAddress,
    /// Why it has ended.
    reason: Option<Error>,
}

impl ConnectionObserver {
    pub(crate) fn new(recorder: ConnectionRecorder, listeners: Listeners) -> Self {
        Self { counters: Arc::default(), recorder, listeners }
    }

    pub(crate) fn counts(&self) -> ConnectionCounts {
        ConnectionCounts {
            attempted: self.counters.attempted.load(Relaxed),
            opened: self.counters.opened.load(Relaxed),
            failed: self.counters.failed.load(Relaxed),
        }
    }

    /// Tells what happens to a connection to an address, which is that of `broker` if the cluster
    /// has named it.
    pub(super) fn tell(
        &self,
        broker: Option<BrokerId>,
        address: &BrokerAddress,
        event: ConnectionEvent<'_>,
    ) {
        self.counters.note(event);
        self.recorder.note(event);
        self.listeners.note_connection(broker, address, event);
    }

    pub(super) fn opened<'a>(
        &'a self,
        broker: Option<BrokerId>,
        address: &'a BrokerAddress,
        took: Duration,
    ) -> OpenConnection<'a> {
        self.tell(broker, address, ConnectionEvent::Opened { took });
        OpenConnection { observer: self, broker, address, reason: None }
    }
}

impl OpenConnection<'_> {
    pub(super) fn ended(mut self, reason: &Error) {
        self.reason = Some(reason.clone());
    }
}

impl Drop for OpenConnection<'_> {
    fn drop(&mut self) {
        let event = ConnectionEvent::Closed { reason: self.reason.as_ref() };
        self.observer.tell(self.broker, self.address, event);
    }
}

impl ConnectionCounters {
    #[deny(clippy::wildcard_enum_match_arm)]
    fn note(&self, event: ConnectionEvent<'_>) {
        match event {
            ConnectionEvent::Attempted => {
                self.attempted.fetch_add(1, Relaxed);
            }
            ConnectionEvent::Opened { .. } => {
                self.opened.fetch_add(1, Relaxed);
            }
            ConnectionEvent::Failed { .. } => {
                self.failed.fetch_add(1, Relaxed);
            }
            // What is open is known to the pool.
            ConnectionEvent::Closed { .. }
            | ConnectionEvent::Sent { .. }
            | ConnectionEvent::Received { .. } => {}
        }
    }
}

#[cfg(all(test, feature = "metrics"))]
mod tests;
