//! Takes a member towards its target: Kafka's `CurrentAssignmentBuilder`.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::member::{ConsumerMember, MemberState, Owned, Partitions, epoch_of};
use super::{ConsumerGroup, Context};

/// What a member has, and what it says that it has.
struct Step<'a> {
    /// The group before the heartbeat: who holds what.
    before: &'a ConsumerGroup,
    /// The topics that it is subscribed to.
    topics: BTreeSet<Uuid>,
    target: Partitions,
    target_epoch: i32,
    owned: Option<&'a Partitions>,
}

impl ConsumerGroup {
    /// Takes the member one step towards the target; `has_changed` says that its subscription has.
    pub(super) fn reconcile(
        &self,
        before: &Self,
        member: &mut ConsumerMember,
        has_changed: bool,
        owned: Option<&Partitions>,
        cx: Context<'_>,
    ) {
        if !has_changed && member.is_reconciled_to(self.target_epoch) {
            return;
        }
        let step = Step {
            before,
            topics: self.topic_ids(member, cx),
            target: self.targets.get(&member.id).cloned().unwrap_or_default(),
            target_epoch: self.target_epoch,
            owned,
        };
        let was = member.clone();
        match member.state {
            MemberState::Stable if member.epoch != self.target_epoch => step.advance(member),
            MemberState::Stable => step.drop_unsubscribed(member),
            MemberState::UnrevokedPartitions if step.still_owns(&member.revoking) => {
                if has_changed {
                    step.drop_unsubscribed(member);
                }
            }
            MemberState::UnrevokedPartitions | MemberState::UnreleasedPartitions => {
                step.advance(member);
            }
        }
        // A classic member has its own time to join and to sync.
        if *member != was && member.classic.is_none() {
            member.revoke_until = (member.state == MemberState::UnrevokedPartitions)
                .then_some((cx.now + member.rebalance_timeout, member.epoch));
        }
    }
}

impl Step<'_> {
    /// Towards the target, as far as what must be given up first allows: Kafka's
    /// `computeNextAssignment`.
    fn advance(&self, member: &mut ConsumerMember) {
        let (mut assigned, mut revoking) = (Owned::new(), Owned::new());
        for (topic, partition, epoch) in each(&member.assigned) {
            let to = if self.wants(&topic, partition) { &mut assigned } else { &mut revoking };
            to.entry(topic).or_default().insert(partition, epoch);
        }
        member.previous_epoch = member.epoch;
        if self.still_owns(&revoking) {
            member.state = MemberState::UnrevokedPartitions;
            member.assigned = assigned;
            member.revoking = revoking;
            return;
        }
        let mut is_waiting = false;
        for (topic, partitions) in &self.target {
            for partition in partitions.iter().copied() {
                let has = epoch_of(&assigned, topic, partition).is_some();
                if has || !self.topics.contains(topic) {
                    continue;
                }
                if self.is_free(member, topic, partition) {
                    let of = assigned.entry(*topic).or_default();
                    of.insert(partition, self.target_epoch);
                } else {
                    is_waiting = true;
                }
            }
        }
        member.state =
            if is_waiting { MemberState::UnreleasedPartitions } else { MemberState::Stable };
        member.epoch = self.target_epoch;
        member.assigned = assigned;
        member.revoking = Owned::new();
    }

    /// Takes away what the member is not subscribed to any more, within its epoch: Kafka's
    /// `updateCurrentAssignment`.
    fn drop_unsubscribed(&self, member: &mut ConsumerMember) {
        let (mut assigned, mut revoking) = (Owned::new(), member.revoking.clone());
        for (topic, partition, epoch) in each(&member.assigned) {
            let to = if self.topics.contains(&topic) { &mut assigned } else { &mut revoking };
            to.entry(topic).or_default().insert(partition, epoch);
        }
        if assigned == member.assigned {
            return;
        }
        member.previous_epoch = member.epoch;
        member.assigned = assigned;
        if self.still_owns(&revoking) {
            member.state = MemberState::UnrevokedPartitions;
            member.revoking = revoking;
        }
    }

    fn wants(&self, topic: &Uuid, partition: i32) -> bool {
        self.topics.contains(topic)
            && self.target.get(topic).is_some_and(|of| of.contains(&partition))
    }

    /// A member that does not say what it has still has all of it.
    fn still_owns(&self, revoking: &Owned) -> bool {
        let Some(owned) = self.owned else { return !revoking.is_empty() };
        let is_revoking = |topic, one: &i32| epoch_of(revoking, topic, *one).is_some();
        owned.iter().any(|(topic, of)| of.iter().any(|one| is_revoking(topic, one)))
    }

    /// Nobody holds it, or the member itself does and has just given it up.
    fn is_free(&self, member: &ConsumerMember, topic: &Uuid, partition: i32) -> bool {
        epoch_of(&member.revoking, topic, partition).is_some()
            || !self.before.members.values().any(|one| one.holds(topic, partition))
    }
}

fn each(owned: &Owned) -> Vec<(Uuid, i32, i32)> {
    let partitions = owned
        .iter()
        .flat_map(|(topic, of)| of.iter().map(|(partition, epoch)| (*topic, *partition, *epoch)));
    partitions.collect()
}
