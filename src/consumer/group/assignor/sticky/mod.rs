//! `sticky`: as balanced as the subscriptions allow, and of the balanced ones an assignment that
//! moves little (KIP-54).
//!
//! Members say what they held and since when; of two that claim one partition, the later generation
//! is right (KIP-341), and of two in the same generation neither. If all members want the same
//! topics, shares are known beforehand and [`quota`] fills them; if not, [`balance`] searches. The
//! former gives what Kafka's own assignor gives; the latter is at least as balanced, since it also
//! shifts partitions through third members.

mod balance;
mod quota;

use std::collections::{BTreeMap, BTreeSet};

use super::super::consumer_protocol::{MemberDataReader, MemberDataWriter};
use super::{
    Assignments, GroupMember, OwnedPartitions, Racks, TopicRacks, nothing_for, racks_matter,
};
use crate::error::Result;
use crate::ids::{Generation, TopicPartition};

/// `[topic [partition]] generation:i32`, version 1 of Kafka's `StickyAssignor`.
pub(super) fn user_data(held: &OwnedPartitions) -> Result<Vec<u8>> {
    let mut to = MemberDataWriter::default();
    to.partitions(&held.partitions)?;
    to.i32(held.generation.map_or(-1, |generation| generation.0));
    Ok(to.0)
}

/// What a member of an eager group held, from its user data: version 0 lacks the generation, and
/// what cannot be read counts as nothing held.
pub(super) fn held_of(member: &GroupMember) -> OwnedPartitions {
    let Some(bytes) = member.subscription.user_data.as_deref() else {
        return OwnedPartitions::default();
    };
    let mut from = MemberDataReader::new(bytes, "user data");
    let Ok(partitions) = from.partitions() else { return OwnedPartitions::default() };
    let generation = from.i32().ok().filter(|&generation| generation >= 0);
    OwnedPartitions { partitions, generation: generation.map(Generation) }
}

pub(super) fn assign(
    topics: &TopicRacks,
    members: &[GroupMember],
    held_of: fn(&GroupMember) -> OwnedPartitions,
) -> Assignments {
    let mut result = nothing_for(members);
    let mut plan = AssignmentPlan::new(topics, members, held_of);
    if members.is_empty() {
        return result;
    }
    if plan.wants.windows(2).all(|pair| pair[0] == pair[1]) {
        quota::fill(&mut plan);
    } else {
        balance::search(&mut plan);
    }
    for (partition, owner) in plan.partitions.iter().zip(&plan.owner) {
        if let Some(mine) = owner.and_then(|owner| result.get_mut(&plan.members[owner].id)) {
            mine.push(partition.tp.clone());
        }
    }
    result
}

/// The partitions that several members of the latest generation claim.
pub(super) fn contested(
    members: &[GroupMember],
    held_of: fn(&GroupMember) -> OwnedPartitions,
) -> BTreeSet<TopicPartition> {
    let contested =
        claims(members.iter(), held_of).into_iter().filter(|(_, claim)| claim.is_contested);
    contested.map(|(tp, _)| tp).collect()
}

/// The assignment in the making: members and partitions are numbers.
struct AssignmentPlan<'a> {
    /// By id.
    members: Vec<&'a GroupMember>,
    /// The topics each member wants; as `members`.
    wants: Vec<BTreeSet<usize>>,
    /// By topic and number.
    partitions: Vec<StickyPartition<'a>>,
    /// Who has it; as `partitions`. At first, who had it and may keep it.
    owner: Vec<Option<usize>>,
    racks_matter: bool,
}

struct StickyPartition<'a> {
    tp: TopicPartition,
    topic: usize,
    racks: &'a Racks,
    /// Who had it.
    before: Option<usize>,
}

impl<'a> AssignmentPlan<'a> {
    fn new(
        topics: &'a TopicRacks,
        members: &'a [GroupMember],
        held_of: fn(&GroupMember) -> OwnedPartitions,
    ) -> Self {
        let mut members: Vec<&GroupMember> = members.iter().collect();
        members.sort_by(|a, b| a.id.cmp(&b.id));
        let number: BTreeMap<_, usize> = topics.keys().zip(0..).collect();
        let wants: Vec<BTreeSet<usize>> = members
            .iter()
            .map(|member| {
                member
                    .subscription
                    .topics
                    .iter()
                    .filter_map(|topic| number.get(topic).copied())
                    .collect()
            })
            .collect();
        let claims = claims(members.iter().copied(), held_of);
        let mut partitions = Vec::new();
        for ((topic, racks), at) in topics.iter().zip(0..) {
            for (racks, partition) in racks.iter().zip(0_i32..) {
                let tp = TopicPartition { topic: topic.clone(), partition: partition.into() };
                let before =
                    claims.get(&tp).filter(|claim| !claim.is_contested).map(|claim| claim.member);
                partitions.push(StickyPartition { tp, topic: at, racks, before });
            }
        }
        let all: Vec<&Racks> = partitions.iter().map(|partition| partition.racks).collect();
        let racks_matter = racks_matter(members.iter().copied(), &all);
        let mut plan = Self { members, wants, partitions, owner: Vec::new(), racks_matter };
        plan.owner = plan
            .partitions
            .iter()
            .map(|partition| {
                partition.before.filter(|&owner| {
                    plan.wants[owner].contains(&partition.topic) && plan.suits(owner, partition)
                })
            })
            .collect();
        plan
    }

    /// Whether the member is not on a foreign rack.
    fn suits(&self, member: usize, partition: &StickyPartition<'_>) -> bool {
        !self.racks_matter
            || self.members[member].rack().is_none()
            || self.is_near(member, partition)
    }

    /// Whether member and a replica are known to share a rack, and that counts.
    fn is_near(&self, member: usize, partition: &StickyPartition<'_>) -> bool {
        let rack = self.members[member].rack();
        self.racks_matter
            && rack.is_some_and(|rack| partition.racks.iter().any(|there| &**there == rack))
    }
}

/// The claim that counts on one partition.
struct Claim {
    member: usize,
    generation: Option<Generation>,
    /// Whether another member claims it in the same generation.
    is_contested: bool,
}

fn claims<'a>(
    members: impl Iterator<Item = &'a GroupMember>,
    held_of: fn(&GroupMember) -> OwnedPartitions,
) -> BTreeMap<TopicPartition, Claim> {
    let mut claims: BTreeMap<TopicPartition, Claim> = BTreeMap::new();
    for (member, at) in members.zip(0..) {
        let OwnedPartitions { partitions, generation } = held_of(member);
        for tp in partitions {
            let claim = Claim { member: at, generation, is_contested: false };
            match claims.get_mut(&tp) {
                Some(other) if other.member == at || other.generation > generation => {}
                Some(other) if other.generation == generation => other.is_contested = true,
                Some(other) => *other = claim,
                None => {
                    claims.insert(tp, claim);
                }
            }
        }
    }
    claims
}
