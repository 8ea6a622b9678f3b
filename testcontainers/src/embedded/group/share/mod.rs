//! The coordinator of a share group (KIP-932), after Kafka's `GroupMetadataManager`.
//!
//! ```text
//!  subscription or topic changed, member gone,
//!  partitions initialized                          heartbeat of anyone
//!       ──────────────▶ group epoch + 1 ─────────────────────────▶ target, at that epoch
//!                                                                    │ heartbeat of a member
//!                                                                    ▼
//!                                                                 it has its target
//! ```
//!
//! Nobody has to give up anything first: several members may have one partition. A partition is
//! assigned once the share coordinator has begun its state, which the heartbeat that brings its
//! topic sets off; so it is in the answer to a later one.

mod assignor;
mod heartbeat;
pub(crate) mod offsets;
pub(crate) mod settings;

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;
use uuid::Uuid;

use super::consumer::Context;
use super::consumer::member::Partitions;

pub(crate) use heartbeat::{ShareBeat, ShareBeaten, is_member_id};

/// The members of a share group, and what each is to have.
#[derive(Clone, Debug)]
pub(crate) struct ShareGroup {
    name: String,
    epoch: i32,
    /// The group epoch that the targets are for.
    target_epoch: i32,
    /// When they were computed.
    assigned_at: Option<Instant>,
    members: BTreeMap<String, ShareMember>,
    targets: BTreeMap<String, Partitions>,
    /// The subscribed topics as they were at the last bump: Kafka keeps a hash of them.
    topics: BTreeMap<String, (Uuid, usize)>,
    /// A subscribed topic may have changed since the last bump.
    is_stale: bool,
    /// The partitions whose state has begun.
    initialized: Partitions,
}

/// A member of a share group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShareMember {
    pub(crate) id: String,
    pub(crate) rack: Option<String>,
    pub(crate) client_id: String,
    pub(crate) names: BTreeSet<String>,
    pub(crate) epoch: i32,
    previous_epoch: i32,
    pub(crate) assigned: Partitions,
    /// Fenced if it is not heard of until then.
    alive_until: Instant,
}

impl ShareGroup {
    /// A group without members, whose epochs begin at 1 as in Kafka 4.3.
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            epoch: 1,
            target_epoch: 1,
            assigned_at: None,
            members: BTreeMap::new(),
            targets: BTreeMap::new(),
            topics: BTreeMap::new(),
            is_stale: true,
            initialized: Partitions::new(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(crate) fn state_name(&self) -> &'static str {
        if self.members.is_empty() { "Empty" } else { "Stable" }
    }

    pub(crate) fn epoch(&self) -> i32 {
        self.epoch
    }

    pub(crate) fn target_epoch(&self) -> i32 {
        self.target_epoch
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &ShareMember> {
        self.members.values()
    }

    pub(crate) fn initialized(&self) -> &Partitions {
        &self.initialized
    }

    /// The state of these partitions has begun.
    pub(crate) fn initialize(&mut self, partitions: &Partitions) {
        for (topic, of) in partitions {
            self.initialized.entry(*topic).or_default().extend(of);
        }
    }

    /// The state of a topic is no more.
    pub(crate) fn uninitialize(&mut self, topic: &Uuid) -> Option<BTreeSet<i32>> {
        self.initialized.remove(topic)
    }

    /// A topic was made, deleted or changed.
    pub(crate) fn topic_changed(&mut self, name: &str) {
        self.is_stale |= self.members.values().any(|member| member.names.contains(name));
    }

    /// A new coordinator reads what the old one has written: all but when it has heard of whom.
    pub(crate) fn unload(&mut self, cx: Context<'_>) {
        self.is_stale = true;
        let until = cx.now + cx.configs.share_session_timeout(&self.name, cx.share);
        self.members.values_mut().for_each(|member| member.alive_until = until);
    }

    /// Members that were silent for too long.
    pub(crate) fn late(&self, now: Instant) -> Vec<String> {
        let late = self.members.values().filter(|member| member.alive_until <= now);
        late.map(|member| member.id.clone()).collect()
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.members.values().map(|member| member.alive_until).min()
    }

    /// A member is no more.
    pub(crate) fn fence(&mut self, id: &str, cx: Context<'_>) {
        self.members.remove(id);
        self.targets.remove(id);
        self.topics = self.metadata(cx);
        self.epoch += 1;
    }

    /// The topics that members are subscribed to and that are there.
    fn metadata(&self, cx: Context<'_>) -> BTreeMap<String, (Uuid, usize)> {
        let names = self.members.values().flat_map(|member| &member.names);
        let described = names.filter_map(|name| {
            let topic = cx.topics.get(name)?;
            Some((name.clone(), (topic.id, topic.partitions.len())))
        });
        described.collect()
    }
}
