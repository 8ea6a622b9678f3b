//! The calls of a classic membership: JoinGroup, SyncGroup, and what its leader must know.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{Instrument, debug};

use super::{GroupEvent, GroupTask};
use crate::cluster::{ClusterView, Lane};
use crate::consumer::assignor::{GroupSubscription, Racks};
use crate::consumer::group::assignor::{Assignor, TopicRacks};
use crate::consumer::group::member::{GroupMemberIdentity, JoinReason};
use crate::consumer::group::rpc::Join;
use crate::error::{ErrorCode, Result};
use crate::ids::{Attempt, TopicName};
use crate::observability::spans;

impl GroupTask {
    pub(super) fn join(
        &mut self,
        attempt: Attempt,
        member: String,
        protocols: Vec<(String, Vec<u8>)>,
        reason: JoinReason,
    ) {
        let group = Arc::clone(&self.group);
        if self.joining > 0 {
            // What is not answered holds up what comes behind it on its connection, perhaps
            // for ever.
            self.lanes = group.rpc.coordinator.cluster.lanes();
        }
        self.joining += 1;
        let lane = Lane::Group(self.lanes.id());
        let span = spans::join(&group.rpc.coordinator.group);
        self.spawn(async move {
            let joined = group
                .rpc
                .join(lane, &group.settings, &member, &protocols, &reason)
                .instrument(span)
                .await;
            GroupEvent::Joined(attempt, joined)
        });
    }

    /// Decides for the group, beside heartbeats: it may take its time.
    pub(super) fn decide(
        &mut self,
        attempt: Attempt,
        strategy: Assignor,
        group: GroupSubscription,
    ) {
        let runtime = self.runtime.clone();
        self.spawn(async move {
            let work = strategy.work(&group);
            let decided = runtime.offload(work, move || strategy.decide(&group)).await;
            GroupEvent::Decided(attempt, decided)
        });
    }

    pub(super) fn sync(
        &mut self,
        attempt: Attempt,
        identity: GroupMemberIdentity,
        protocol: String,
        assignments: Vec<(String, Vec<u8>)>,
    ) {
        let group = Arc::clone(&self.group);
        self.joining += 1;
        let lane = Lane::Group(self.lanes.id());
        let span = spans::sync(&group.rpc.coordinator.group);
        self.spawn(async move {
            let synced = group
                .rpc
                .sync(lane, &group.settings, &identity, &protocol, &assignments)
                .instrument(span)
                .await;
            GroupEvent::Synced(attempt, synced)
        });
    }

    pub(super) fn joined(&mut self, attempt: Attempt, outcome: Result<Join>, now: Instant) {
        self.joining -= 1;
        let Some(classic) = self.machine.classic() else { return };
        match outcome {
            Ok(Join::MemberId(member)) => classic.handle_member_id(attempt, member, now),
            Ok(Join::Joined(joined)) => classic.handle_joined(attempt, Ok(joined), now),
            Err(error) => {
                debug!(group = self.group.rpc.coordinator.group, %error, "could not join");
                classic.handle_joined(attempt, Err(error), now);
            }
        }
    }

    pub(super) fn synced(&mut self, attempt: Attempt, outcome: Result<Vec<u8>>, now: Instant) {
        self.joining -= 1;
        if outcome.is_ok() {
            self.has_rebalanced(now);
        }
        if let Some(classic) = self.machine.classic() {
            classic.handle_synced(attempt, outcome, now);
        }
    }

    /// Tells the leader what the topics look like that it decides on.
    pub(super) fn look_at_led_topics(&mut self, view: &ClusterView, now: Instant) {
        let led = self.machine.classic().and_then(|classic| classic.led_topics().cloned());
        let Some(led) = led else { return };
        let topics = self.describe(view, Some(&led));
        if let Some(classic) = self.machine.classic() {
            classic.handle_topics(&topics, now);
        }
    }

    /// Asks for what the leader has to decide on.
    pub(super) fn begin_to_lead(
        &mut self,
        attempt: Attempt,
        topics: BTreeSet<TopicName>,
        now: Instant,
    ) {
        self.led = topics;
        self.describing = Some((attempt, now + DESCRIBE_AT_MOST));
        self.watch_topics(&self.led | &self.interest_now.topics, self.interest_now.all);
    }

    /// Answers the leader's question as soon as all topics are known.
    pub(super) fn answer_question(&mut self, now: Instant) {
        let Some((attempt, deadline)) = self.describing else { return };
        let view = self.group.rpc.coordinator.cluster.view();
        if now >= deadline || self.led.iter().all(|name| view.topic(name).is_some()) {
            self.describing = None;
            let topics = self.describe(&view, None);
            if let Some(classic) = self.machine.classic() {
                classic.handle_described(attempt, topics, now);
            }
            while let Some(action) = self.machine.poll() {
                self.act(action, now);
            }
        }
    }

    /// The topics that this member leads; `before` is what was known of them.
    fn describe(&self, view: &ClusterView, before: Option<&TopicRacks>) -> TopicRacks {
        let mut topics = TopicRacks::new();
        for name in &self.led {
            let Some(topic) = view.topic(name) else { continue };
            let racks = |replicas: &[crate::ids::BrokerId]| -> Racks {
                replicas.iter().filter_map(|id| view.broker(*id)?.rack.clone()).collect()
            };
            let partitions: Vec<Racks> =
                topic.partitions.iter().map(|partition| racks(&partition.replicas)).collect();
            let is_gone =
                topic.error.is_none_or(|error| error == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
            let before = before.and_then(|led| led.get(name));
            match (partitions.is_empty(), before) {
                (false, _) => topics.insert(name.clone(), partitions),
                // A passing failure to describe it does not make it go.
                (true, Some(before)) if !is_gone => topics.insert(name.clone(), before.clone()),
                (true, _) => None,
            };
        }
        topics
    }
}

/// How long a leader waits for metadata of topics that only others want, before it decides without
/// them (a guess).
const DESCRIBE_AT_MOST: Duration = Duration::from_secs(10);
