//! The coordinator of a consumer group (KIP-848), after Kafka's `GroupMetadataManager`.
//!
//! ```text
//!   subscription or topic changed, member gone        next heartbeat of anyone
//!        ──────────────▶ group epoch + 1 ──────────────────────────▶ target, at that epoch
//!                                                                      │ heartbeat of a member
//!                                                                      ▼
//!              ┌────────────────────────────  still has what it is to give up  ◀──┐
//!   Stable ────┤                                    UnrevokedPartitions ──────────┘
//!     ▲  ▲     │                                           │ owns it no more
//!     │  └─────┼───────────────  nothing to wait for  ◀────┤
//!     │        │                                           │ others have not given up yet
//!     └────────┴─────────────── given up by others ◀── UnreleasedPartitions
//! ```
//!
//! The epoch of a member goes up to that of the target once it has given up what it had to. A
//! heartbeat works on a copy of the group, so that one that is refused changes nothing.

pub(crate) mod assignor;
mod commit;
mod describe;
pub(crate) mod heartbeat;
mod leave;
pub(crate) mod member;
pub(crate) mod mixed;
mod reconcile;
mod regex;
pub(crate) mod request;
pub(crate) mod settings;
mod target;

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;
use uuid::Uuid;

use crate::embedded::group::config::GroupConfigs;
use crate::embedded::group::share::settings::ShareGroups;
use crate::embedded::topic::Topic;
use member::{ConsumerMember, MemberState, Partitions};
use regex::Resolved;
use settings::ConsumerGroups;

/// The members of a consumer group, and what each is to have.
#[derive(Clone, Debug)]
pub(crate) struct ConsumerGroup {
    epoch: i32,
    /// The group epoch that the targets are for.
    target_epoch: i32,
    /// When they were computed.
    assigned_at: Option<Instant>,
    members: BTreeMap<String, ConsumerMember>,
    targets: BTreeMap<String, Partitions>,
    /// What the regular expressions of members were found to mean.
    resolved: BTreeMap<String, Resolved>,
    /// The subscribed topics as they were at the last bump: Kafka keeps a hash of them.
    topics: Metadata,
    /// All members subscribed to the same when the last of them was written down: a pattern that was
    /// resolved since then is not seen yet, as in Kafka.
    is_homogeneous: bool,
    /// A subscribed topic may have changed since the last bump.
    is_stale: bool,
}

/// Topics that are there, with their ids and how many partitions they have.
type Metadata = BTreeMap<String, (Uuid, usize)>;

/// What a coordinator knows besides its groups.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    pub(crate) topics: &'a BTreeMap<String, Topic>,
    pub(crate) names: &'a BTreeMap<Uuid, String>,
    /// Counts the topics that were ever created.
    pub(crate) created: u64,
    pub(crate) settings: &'a ConsumerGroups,
    pub(crate) share: &'a ShareGroups,
    pub(crate) configs: &'a GroupConfigs,
    pub(crate) now: Instant,
}

impl ConsumerGroup {
    /// A group without members, whose epochs begin at 1 as in Kafka 4.3.
    pub(crate) fn new() -> Self {
        Self {
            epoch: 1,
            target_epoch: 1,
            assigned_at: None,
            members: BTreeMap::new(),
            targets: BTreeMap::new(),
            resolved: BTreeMap::new(),
            topics: Metadata::new(),
            is_homogeneous: true,
            is_stale: true,
        }
    }

    /// A topic was made, deleted or changed.
    pub(crate) fn topic_changed(&mut self, name: &str) {
        self.is_stale |= self.subscribed().contains(name);
    }

    /// A new coordinator reads what the old one has written: all but when it has heard of whom.
    pub(crate) fn unload(&mut self, settings: &ConsumerGroups, now: Instant) {
        self.is_stale = true;
        for member in self.members.values_mut() {
            member.alive_until = now + settings.session_timeout;
            if let Some(by) = &mut member.classic {
                (by.join_until, by.sync_until) = (None, None);
            }
            member.revoke_until = (member.state == MemberState::UnrevokedPartitions)
                .then_some((now + member.rebalance_timeout, member.epoch));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(crate) fn state_name(&self) -> &'static str {
        if self.members.is_empty() {
            "Empty"
        } else if self.epoch > self.target_epoch {
            "Assigning"
        } else if self.members.values().all(|one| one.is_reconciled_to(self.target_epoch)) {
            "Stable"
        } else {
            "Reconciling"
        }
    }

    /// The topics that members are subscribed to, whether they are there or not.
    fn subscribed(&self) -> BTreeSet<&str> {
        let names = self.members.values().flat_map(|member| &member.names);
        let found = self.resolved.values().flat_map(|resolved| &resolved.topics);
        names.chain(found).map(String::as_str).collect()
    }

    fn metadata(&self, cx: Context<'_>) -> Metadata {
        let describe = |name: &str| {
            let topic = cx.topics.get(name)?;
            Some((name.to_owned(), (topic.id, topic.partitions.len())))
        };
        self.subscribed().into_iter().filter_map(describe).collect()
    }

    /// Takes note of how the topics are; the group epoch goes up if they have changed, or anyway.
    fn look_at_topics(&mut self, anyway: bool, cx: Context<'_>) {
        let topics = self.metadata(cx);
        if anyway || topics != self.topics {
            self.epoch += 1;
            self.topics = topics;
        }
    }

    /// The member that a static instance is now.
    fn owner_of(&self, instance: &str) -> Option<&ConsumerMember> {
        self.members.values().find(|one| one.instance.as_deref() == Some(instance))
    }

    /// The ids of the topics that a member is subscribed to and that are there.
    fn topic_ids(&self, member: &ConsumerMember, cx: Context<'_>) -> BTreeSet<Uuid> {
        let found = member.regex().and_then(|regex| self.resolved.get(regex));
        let names = member.names.iter().chain(found.iter().flat_map(|found| &found.topics));
        names.filter_map(|name| cx.topics.get(name)).map(|topic| topic.id).collect()
    }
}
