//! The calls of a membership of the consumer protocol: its heartbeats, and the names of the topics
//! that it is assigned.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use tracing::debug;

use super::{GroupEvent, GroupTask};
use crate::cluster::ClusterView;
use crate::consumer::config::GroupProtocol;
use crate::consumer::group::member::MemberHeartbeat;
use crate::consumer::group::membership::GroupMembership;
use crate::consumer::group::reconciling::{HeartbeatAnswer, Reconciling};
use crate::error::Result;
use crate::ids::{Attempt, TopicId, TopicName};

impl GroupTask {
    /// Decides, before the group is joined for the first time, by which protocol it is; false if that
    /// is not known yet. What the cluster can do is known as soon as one of its brokers is.
    pub(super) fn choose_protocol(&mut self, view: &ClusterView, now: Instant) -> bool {
        let cluster = &self.group.rpc.coordinator.cluster;
        let is_consumer = match self.protocol {
            GroupProtocol::Classic => false,
            GroupProtocol::Consumer => true,
            GroupProtocol::Auto if view.version == 0 => return false,
            GroupProtocol::Auto => cluster.feature_level(GROUP_VERSION) >= 1,
        };
        self.protocol = if is_consumer { GroupProtocol::Consumer } else { GroupProtocol::Classic };
        if is_consumer && self.machine.classic().is_some() {
            let machine = Reconciling::new(self.group.settings.clone(), cluster.random(), now);
            self.machine = GroupMembership::Consumer(machine);
        }
        true
    }

    pub(super) fn reconcile(&mut self, attempt: Attempt, heartbeat: MemberHeartbeat, now: Instant) {
        if heartbeat.epoch == 0 {
            self.rejoining.get_or_insert(now);
        }
        let group = Arc::clone(&self.group);
        self.spawn(async move {
            let outcome = group.rpc.reconcile(&group.settings, &heartbeat).await;
            GroupEvent::Reconciled(attempt, outcome)
        });
    }

    pub(super) fn reconciled(
        &mut self,
        attempt: Attempt,
        outcome: Result<HeartbeatAnswer>,
        now: Instant,
    ) {
        match &outcome {
            Ok(answer) if answer.target.is_some() => self.has_rebalanced(now),
            Ok(_) => {}
            Err(error) => {
                debug!(group = self.group.rpc.coordinator.group, %error, "a heartbeat was in vain")
            }
        }
        if let Some(machine) = self.machine.reconciling() {
            machine.handle_heartbeat(attempt, outcome, now);
        }
    }

    /// Says what the topics of the target are called; of those that metadata does not know, as they
    /// are new or came of a pattern, the coordinator is asked.
    pub(super) fn name_topics(&mut self, now: Instant) {
        let Some(machine) = self.machine.reconciling() else { return };
        let view = self.group.rpc.coordinator.cluster.view();
        machine.handle_names(|id| view.name_of(id).cloned(), now);
        let nameless = machine.nameless();
        if nameless.is_empty() {
            return self.naming.settle();
        }
        if !self.naming.may_begin(now) {
            return;
        }
        self.naming.begin();
        let group = Arc::clone(&self.group);
        self.spawn(
            async move { GroupEvent::Named(group.rpc.coordinator.names_of(&nameless).await) },
        );
    }

    pub(super) fn named(&mut self, outcome: Result<BTreeMap<TopicId, TopicName>>, now: Instant) {
        let names = outcome.unwrap_or_else(|error| {
            debug!(group = self.group.rpc.coordinator.group, %error, "topics could not be named");
            BTreeMap::new()
        });
        let mut again = false;
        if let Some(machine) = self.machine.reconciling() {
            machine.handle_names(|id| names.get(&id).cloned(), now);
            again = machine.misses_names();
        }
        self.naming.answered(again, &self.group.rpc.coordinator.cluster, now);
    }
}

/// The feature that the consumer protocol is on with (KIP-584).
const GROUP_VERSION: &str = "group.version";
