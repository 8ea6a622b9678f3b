//! Who gets which partition: the rules by which the leader of a classic group decides for everyone.
//!
//! The four of Kafka's own consumer, with its results, because in a group of several clients any of
//! them may lead; and those of the user's own ([`custom`]). The state that the sticky ones carry
//! from one generation to the next is an argument ([`OwnedPartitions`]), so an assignor is a plain
//! value. Racks are heeded as Kafka does since KIP-881: only if members and replicas have racks and
//! not every partition is on every rack.
//!
//! With a cooperative assignor, what moves is first only taken away (KIP-429): its old owner sees
//! that it is gone, gives it up and joins again; that rebalance gives it to the new owner. So no two
//! members ever own it, and members keep consuming what stays theirs.

mod cooperative_sticky;
mod custom;
mod range;
mod round_robin;
mod sticky;

use std::collections::{BTreeMap, BTreeSet};

use crate::consumer::assignor::{
    GroupMember, GroupSubscription, MemberAssignment, Racks, RebalanceProtocol,
};
pub(crate) use crate::consumer::config::AssignmentStrategy as Assignor;
use crate::error::Result;
use crate::group_metadata::ConsumerGroupMetadata;
use crate::ids::{Generation, TopicName, TopicPartition};

/// The topics that exist, with the racks of the replicas of each partition.
pub(crate) type TopicRacks = BTreeMap<TopicName, Vec<Racks>>;

/// Partitions by member id; every member has an entry.
pub(crate) type Assignments = BTreeMap<String, Vec<TopicPartition>>;

/// What every member is assigned, by its id.
pub(crate) type GroupAssignment = BTreeMap<String, MemberAssignment>;

/// What a member held last, and since which generation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OwnedPartitions {
    pub(crate) partitions: Vec<TopicPartition>,
    pub(crate) generation: Option<Generation>,
}

impl Assignor {
    /// Whether a member keeps what it owns during a rebalance (KIP-429).
    pub(crate) fn is_cooperative(&self) -> bool {
        match self {
            Self::Range | Self::RoundRobin | Self::Sticky => false,
            Self::CooperativeSticky => true,
            Self::Custom(assignor) => assignor.protocol() == RebalanceProtocol::Cooperative,
        }
    }

    /// What a member adds to its subscription for this assignor; `held` is `None` before its first
    /// assignment.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if the user's own panics.
    pub(crate) fn user_data(
        &self,
        topics: &BTreeSet<TopicName>,
        held: Option<&OwnedPartitions>,
    ) -> Result<Option<Vec<u8>>> {
        match self {
            Self::Range | Self::RoundRobin => Ok(None),
            Self::Sticky => held.map(sticky::user_data).transpose(),
            Self::CooperativeSticky => Ok(Some(cooperative_sticky::user_data(held))),
            Self::Custom(assignor) => custom::user_data(&**assignor, topics),
        }
    }

    /// Decides for all members; every one has an entry.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if the user's own fails, or decides what
    /// cannot be.
    pub(crate) fn decide(&self, group: &GroupSubscription) -> Result<GroupAssignment> {
        let GroupSubscription { topics, members } = group;
        let mut decided = match self {
            Self::Range => plain(range::assign(topics, members)),
            Self::RoundRobin => plain(round_robin::assign(topics, members)),
            Self::Sticky => plain(sticky::assign(topics, members, sticky::held_of)),
            Self::CooperativeSticky => {
                plain(sticky::assign(topics, members, cooperative_sticky::held_of))
            }
            Self::Custom(assignor) => custom::assign(&**assignor, group)?,
        };
        match self {
            Self::CooperativeSticky => {
                withhold(&mut decided, members, cooperative_sticky::held_of);
            }
            Self::Custom(_) if self.is_cooperative() => {
                withhold(&mut decided, members, custom::held_of);
            }
            _ => {}
        }
        Ok(decided)
    }

    /// Tells the assignor of what its member is assigned.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if the user's own panics.
    pub(crate) fn on_assignment(
        &self,
        assignment: &MemberAssignment,
        metadata: &ConsumerGroupMetadata,
    ) -> Result<()> {
        match self {
            Self::Custom(assignor) => custom::on_assignment(&**assignor, assignment, metadata),
            _ => Ok(()),
        }
    }

    /// As how many bytes to work on a decision counts: so that a large one, or one of which nothing
    /// is known, does not hold up heartbeats.
    pub(crate) fn work(&self, group: &GroupSubscription) -> usize {
        match self {
            Self::Custom(_) => usize::MAX,
            _ => {
                let wishes = group.members.iter().map(|member| member.subscription.topics.len());
                let partitions = group.topics.values().map(Vec::len);
                wishes.chain(partitions).sum::<usize>().saturating_mul(BYTES_A_STEP)
            }
        }
    }
}

/// A guess: a step costs a few look-ups in trees of names.
const BYTES_A_STEP: usize = 64;

fn plain(assignments: Assignments) -> GroupAssignment {
    assignments
        .into_iter()
        .map(|(member, partitions)| (member, MemberAssignment { partitions, user_data: None }))
        .collect()
}

/// Takes out what another member owns, or what two claim in the same generation.
fn withhold(
    decided: &mut GroupAssignment,
    members: &[GroupMember],
    held_of: fn(&GroupMember) -> OwnedPartitions,
) {
    let mut claims: BTreeMap<&TopicPartition, BTreeSet<&str>> = BTreeMap::new();
    for member in members {
        for tp in &member.subscription.owned_partitions {
            claims.entry(tp).or_default().insert(&member.id);
        }
    }
    let contested = sticky::contested(members, held_of);
    for (id, assignment) in decided {
        assignment.partitions.retain(|tp| match claims.get(tp) {
            None => true,
            Some(owners) => owners.contains(id.as_str()) && !contested.contains(tp),
        });
    }
}

impl GroupMember {
    fn rack(&self) -> Option<&str> {
        self.subscription.rack.as_deref().filter(|rack| !rack.is_empty())
    }

    /// The order of members: static ones by instance id, then the others by member id, so that a
    /// restarted static member gets the same place (KIP-345).
    fn order(&self) -> (bool, &str) {
        match &self.group_instance_id {
            Some(instance) => (false, instance),
            None => (true, &self.id),
        }
    }
}

/// Whether racks can make a difference (KIP-881).
fn racks_matter<'a>(members: impl Iterator<Item = &'a GroupMember>, partitions: &[&Racks]) -> bool {
    let wanted: BTreeSet<&str> = members.filter_map(GroupMember::rack).collect();
    let there: BTreeSet<&str> =
        partitions.iter().flat_map(|racks| racks.iter().map(|rack| &**rack)).collect();
    !wanted.is_disjoint(&there)
        && partitions.iter().any(|racks| {
            racks.iter().map(|rack| &**rack).collect::<BTreeSet<_>>().len() != there.len()
        })
}

/// An entry for every member.
fn nothing_for(members: &[GroupMember]) -> Assignments {
    members.iter().map(|member| (member.id.clone(), Vec::new())).collect()
}

#[cfg(test)]
mod tests;
