//! `range`: of each topic, a run of neighbouring partitions to each member.
//!
//! Topics with as many partitions and the same members are cut at the same places, so one member
//! gets the same partition numbers of all of them (co-partitioning). If racks matter (KIP-881),
//! partitions go first to members on a rack of one of their replicas, within the same shares and
//! keeping co-partitioning; the rest is then cut as ever.

use std::collections::{BTreeMap, BTreeSet};

use super::{Assignments, GroupMember, Racks, TopicRacks, nothing_for, racks_matter};
use crate::ids::{TopicName, TopicPartition};

pub(super) fn assign(topics: &TopicRacks, members: &[GroupMember]) -> Assignments {
    let mut ordered: Vec<&GroupMember> = members.iter().collect();
    ordered.sort_by(|a, b| a.order().cmp(&b.order()));
    let mut wanted_by = wanted_by(topics, &ordered);
    let mut states: Vec<RangeTopic<'_>> = topics
        .iter()
        .map(|(topic, racks)| {
            RangeTopic::new(topic, racks, wanted_by.remove(topic).unwrap_or_default())
        })
        .collect();
    let mut result = nothing_for(members);
    if states.iter().any(|topic| topic.racks_matter) {
        match_racks(&mut states, &mut result);
    }
    for topic in &mut states {
        topic.cut(&mut result, |_, _, _| true);
    }
    for partitions in result.values_mut() {
        partitions.sort_unstable();
    }
    result
}

/// Who wants each topic, in order. Made in one walk over what members want: to look for each topic
/// in each member's list is quadratic in topics.
fn wanted_by<'a>(
    topics: &TopicRacks,
    ordered: &[&'a GroupMember],
) -> BTreeMap<TopicName, Vec<&'a GroupMember>> {
    let mut wanted_by: BTreeMap<TopicName, Vec<&GroupMember>> =
        topics.keys().map(|topic| (topic.clone(), Vec::new())).collect();
    for &member in ordered {
        for topic in &member.subscription.topics {
            // A member may name a topic twice.
            if let Some(members) = wanted_by
                .get_mut(topic)
                .filter(|members| members.last().is_none_or(|last| last.id != member.id))
            {
                members.push(member);
            }
        }
    }
    wanted_by
}

/// One topic, half assigned.
struct RangeTopic<'a> {
    name: &'a TopicName,
    racks: &'a [Racks],
    racks_matter: bool,
    /// Those who want it, in order.
    members: Vec<&'a GroupMember>,
    /// How many partitions each has; as `members`.
    taken: Vec<usize>,
    share: usize,
    /// How many members may still get one more than `share`.
    extra: usize,
    open: BTreeSet<usize>,
}

impl<'a> RangeTopic<'a> {
    fn new(name: &'a TopicName, racks: &'a [Racks], members: Vec<&'a GroupMember>) -> Self {
        let count = members.len().max(1);
        let all: Vec<&Racks> = racks.iter().collect();
        Self {
            name,
            racks,
            racks_matter: racks_matter(members.iter().copied(), &all),
            taken: vec![0; members.len()],
            members,
            share: racks.len() / count,
            extra: racks.len() % count,
            open: (0..racks.len()).collect(),
        }
    }

    /// Gives each member in turn the first open partitions up to its share.
    fn cut(&mut self, result: &mut Assignments, may: impl Fn(&Self, usize, usize) -> bool) {
        for member in 0..self.members.len() {
            let room = self.room(member);
            let run: Vec<usize> =
                self.open.iter().copied().filter(|&p| may(self, member, p)).take(room).collect();
            self.give(member, &run, result);
        }
    }

    fn give(&mut self, member: usize, run: &[usize], result: &mut Assignments) {
        if run.is_empty() {
            return;
        }
        self.taken[member] += run.len();
        if self.taken[member] > self.share {
            self.extra = self.extra.saturating_sub(1);
        }
        for partition in run {
            self.open.remove(partition);
        }
        if let Some(partitions) = result.get_mut(&self.members[member].id) {
            let numbers = run.iter().filter_map(|&partition| i32::try_from(partition).ok());
            partitions.extend(numbers.map(|number| TopicPartition {
                topic: self.name.clone(),
                partition: number.into(),
            }));
        }
    }

    fn room(&self, member: usize) -> usize {
        (self.share + usize::from(self.extra > 0)).saturating_sub(self.taken[member])
    }

    /// Whether a replica is on the member's rack; a member without one is at home everywhere.
    fn is_near(&self, member: usize, partition: usize) -> bool {
        self.members[member]
            .rack()
            .is_none_or(|rack| self.racks[partition].iter().any(|there| &**there == rack))
    }
}

/// Assigns what can be assigned within racks; topics that are co-partitioned go together or not at
/// all.
fn match_racks<'a>(topics: &mut [RangeTopic<'a>], result: &mut Assignments) {
    let mut groups: BTreeMap<(Vec<&'a str>, usize), Vec<usize>> = BTreeMap::new();
    for (at, topic) in topics.iter().enumerate() {
        let ids = topic.members.iter().map(|member| member.id.as_str()).collect();
        groups.entry((ids, topic.racks.len())).or_default().push(at);
    }
    for ((members, partitions), group) in groups {
        match group[..] {
            [alone] => {
                let topic = &mut topics[alone];
                if topic.racks_matter {
                    topic.cut(result, RangeTopic::is_near);
                }
            }
            // Without a rack among the members there is nothing to match.
            [first, ..] if topics[first].members.iter().any(|member| member.rack().is_some()) => {
                match_racks_together(topics, &group, members.len(), partitions, result);
            }
            _ => {}
        }
    }
}

fn match_racks_together(
    topics: &mut [RangeTopic<'_>],
    group: &[usize],
    members: usize,
    partitions: usize,
    result: &mut Assignments,
) {
    let mut remaining: Vec<usize> = (0..members).collect();
    for partition in 0..partitions {
        let near = |&member: &usize| {
            group
                .iter()
                .all(|&at| topics[at].is_near(member, partition) && topics[at].room(member) > 0)
        };
        let Some(chosen) = remaining.iter().copied().find(near) else { continue };
        for &at in group {
            topics[at].give(chosen, &[partition], result);
        }
        if group.iter().all(|&at| topics[at].room(chosen) == 0) {
            remaining.retain(|&member| member != chosen);
        }
    }
}
