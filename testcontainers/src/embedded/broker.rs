//! One broker: its addresses, what it serves, and whether it runs.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::sessions::FetchSessions;
use super::share::ShareBroker;

/// A host and a port.
pub(crate) type Address = (String, u16);

/// The levels of the finalized features, and how often they have changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Finalized {
    pub(crate) transaction_version: i16,
    pub(crate) group_version: i16,
    pub(crate) share_version: i16,
    pub(crate) epoch: i64,
}

#[derive(Debug)]
pub(crate) struct Broker {
    /// Where it listens.
    pub(crate) listen: Address,
    /// Where metadata says that it listens.
    pub(crate) advertised: Address,
    pub(crate) rack: Option<String>,
    /// Ends its connections; `None` while it is down.
    pub(crate) running: Option<CancellationToken>,
    /// The controller takes it for alive: true for a while after it was killed.
    pub(crate) registered: bool,
    /// Serves, but is not in metadata.
    pub(crate) hidden: bool,
    /// The finalized features that it tells when it has not heard of newer ones.
    pub(crate) stale_features: Option<Finalized>,
    /// The versions it admits to, by API key.
    pub(crate) versions: BTreeMap<i16, (i16, i16)>,
    pub(crate) throttle: Duration,
    pub(crate) sessions: FetchSessions,
    pub(crate) share: ShareBroker,
}

impl Broker {
    pub(crate) fn new(
        listen: Address,
        versions: BTreeMap<i16, (i16, i16)>,
        (session_slots, share_slots): (usize, usize),
    ) -> Self {
        Self {
            advertised: listen.clone(),
            listen,
            rack: None,
            running: None,
            registered: false,
            hidden: false,
            stale_features: None,
            versions,
            throttle: Duration::ZERO,
            sessions: FetchSessions::new(session_slots),
            share: ShareBroker::new(share_slots),
        }
    }

    /// As far as the controller knows.
    pub(crate) fn is_up(&self) -> bool {
        self.registered
    }

    pub(crate) fn throttle_ms(&self) -> i32 {
        i32::try_from(self.throttle.as_millis()).unwrap_or(i32::MAX)
    }
}
