//! What the members are to have: Kafka's `TargetAssignmentBuilder`.

use std::collections::BTreeMap;

use super::assignor::{Assignor, Plan, Subscriber};
use super::{ConsumerGroup, Context};

impl ConsumerGroup {
    /// Computes new targets if the group epoch has gone beyond them, but not too often.
    pub(super) fn maybe_assign(&mut self, cx: Context<'_>) {
        let interval = cx.settings.assignment_interval;
        if self.target_epoch >= self.epoch
            || self.assigned_at.is_some_and(|last| cx.now < last + interval)
        {
            return;
        }
        let plan = self.plan(cx);
        self.targets = self.assignor(cx).assign(&plan);
        self.target_epoch = self.epoch;
        self.assigned_at = Some(cx.now);
    }

    /// The assignor that most members name, or the default one.
    pub(super) fn assignor(&self, cx: Context<'_>) -> Assignor {
        let mut votes: BTreeMap<usize, usize> = BTreeMap::new();
        for name in self.members.values().filter_map(|member| member.assignor.as_deref()) {
            let named = cx.settings.assignors.iter().position(|one| one.name() == name);
            *votes.entry(named.unwrap_or(0)).or_default() += 1;
        }
        let most = votes.values().max();
        let winner = votes.iter().find(|(_, count)| Some(*count) == most).map(|(index, _)| *index);
        winner
            .and_then(|index| cx.settings.assignors.get(index).copied())
            .unwrap_or(cx.settings.default_assignor())
    }

    fn plan(&self, cx: Context<'_>) -> Plan {
        let subscriber = |member: &super::ConsumerMember| Subscriber {
            instance: member.instance.clone(),
            topics: self.topic_ids(member, cx),
            target: self.targets.get(&member.id).cloned().unwrap_or_default(),
        };
        let members: BTreeMap<String, Subscriber> =
            self.members.iter().map(|(id, member)| (id.clone(), subscriber(member))).collect();
        let sizes = cx
            .topics
            .values()
            .map(|topic| (topic.id, i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX)));
        Plan { members, sizes: sizes.collect(), is_homogeneous: self.is_homogeneous }
    }

    /// All members are subscribed to the same names, or all to one and the same expression:
    /// `ConsumerGroup.subscriptionType`.
    pub(super) fn subscribe_to_the_same(&self) -> bool {
        let count = self.members.len();
        let by_name = |topic: &str| {
            self.members.values().filter(|member| member.names.contains(topic)).count()
        };
        let by_regex = |topic: &str| {
            self.resolved.values().filter(|resolved| resolved.topics.contains(topic)).count()
        };
        let subscribed = self.subscribed();
        let regexes = self.regexes();
        let Some(regex) = regexes.first() else {
            return subscribed.into_iter().all(|topic| by_name(topic) == count);
        };
        let is_shared = self.members.values().all(|member| member.regex() == Some(regex));
        is_shared && subscribed.into_iter().all(|topic| by_name(topic) == 0 && by_regex(topic) == 1)
    }
}
