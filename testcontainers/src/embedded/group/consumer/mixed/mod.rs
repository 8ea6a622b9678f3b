//! Members by the classic protocol in a consumer group, and groups with members that go from one
//! protocol to the other (`group.consumer.migration.policy`).
//!
//! A classic member is served its part of the target over JoinGroup, SyncGroup and Heartbeat: its
//! generation is its epoch, and REBALANCE_IN_PROGRESS is how it hears of something new.

mod convert;
mod embedded;
mod join;
mod serve;

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

pub(crate) use join::ClassicJoin;

/// Which way groups with members may go: `group.consumer.migration.policy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MigrationPolicy {
    /// Both ways.
    #[default]
    Bidirectional,
    /// From classic to consumer groups.
    Upgrade,
    /// From consumer to classic groups.
    Downgrade,
    /// Neither, and no classic member joins a consumer group.
    Disabled,
}

/// What a member has beyond others that joined by the classic protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ByClassic {
    pub(crate) session_timeout: Duration,
    /// (name, subscription), preferred first.
    pub(crate) protocols: Vec<(String, Bytes)>,
    /// Fenced if it has not joined again by then.
    pub(crate) join_until: Option<Instant>,
    /// Fenced if it has not fetched its assignment by then.
    pub(crate) sync_until: Option<Instant>,
}

impl MigrationPolicy {
    fn may_upgrade(self) -> bool {
        matches!(self, Self::Bidirectional | Self::Upgrade)
    }

    fn may_downgrade(self) -> bool {
        matches!(self, Self::Bidirectional | Self::Downgrade)
    }
}

impl ByClassic {
    /// All protocols of a member have the same subscription, and the first is what it is told.
    pub(crate) fn first(&self) -> (&str, Bytes) {
        let first = self.protocols.first();
        first.map(|(name, subscription)| (name.as_str(), subscription.clone())).unwrap_or_default()
    }

    pub(crate) fn deadlines(&self) -> impl Iterator<Item = Instant> {
        self.join_until.into_iter().chain(self.sync_until)
    }
}
