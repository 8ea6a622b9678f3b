//! Who gets which partition: the rules by which the leader of a classic group decides for everyone.
//!
//! The four of Kafka's own consumer, with its results, because in a group of several clients any of
//! them may lead. The state that the sticky ones carry from one generation to the next is an
//! argument ([`OwnedPartitions`]), so an assignor is a plain value. Racks are heeded as Kafka does
//! since KIP-881: only if members and replicas have racks and not every partition is on every rack.

mod cooperative_sticky;
mod range;
mod round_robin;
mod sticky;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::consumer_protocol::MemberSubscription;
pub(crate) use crate::consumer::config::AssignmentStrategy as Assignor;
use crate::error::Result;
use crate::ids::{Generation, TopicName, TopicPartition};

/// A member as the leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) id: String,
    /// `group.instance.id` (KIP-345).
    pub(crate) instance: Option<String>,
    pub(crate) subscription: MemberSubscription,
}

/// The topics that exist, with the racks of the replicas of each partition.
pub(crate) type TopicRacks = BTreeMap<TopicName, Vec<Racks>>;

/// The racks of a partition's replicas, empty if unknown.
pub(crate) type Racks = Vec<Arc<str>>;

/// Partitions by member id; every member has an entry.
pub(crate) type Assignments = BTreeMap<String, Vec<TopicPartition>>;

/// What a member held last, and since which generation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OwnedPartitions {
    pub(crate) partitions: Vec<TopicPartition>,
    pub(crate) generation: Option<Generation>,
}

impl Assignor {
    /// Whether a member keeps what it owns during a rebalance (KIP-429).
    pub(crate) fn is_cooperative(self) -> bool {
        self == Self::CooperativeSticky
    }

    /// What a member adds to its subscription for this assignor; `held` is `None` before its first
    /// assignment.
    pub(crate) fn user_data(self, held: Option<&OwnedPartitions>) -> Result<Option<Vec<u8>>> {
        match self {
            Self::Range | Self::RoundRobin => Ok(None),
            Self::Sticky => held.map(sticky::user_data).transpose(),
            Self::CooperativeSticky => Ok(Some(cooperative_sticky::user_data(held))),
        }
    }

    /// Decides for all members. Topics nobody wants and topics that do not exist are left out.
    pub(crate) fn assign(self, topics: &TopicRacks, members: &[Member]) -> Assignments {
        let mut wanted = BTreeMap::new();
        for topic in members.iter().flat_map(|member| &member.subscription.topics) {
            if wanted.contains_key(topic) {
                continue;
            }
            if let Some(racks) = topics.get(topic).filter(|racks| !racks.is_empty()) {
                wanted.insert(topic.clone(), racks.clone());
            }
        }
        match self {
            Self::Range => range::assign(&wanted, members),
            Self::RoundRobin => round_robin::assign(&wanted, members),
            Self::Sticky => sticky::assign(&wanted, members, sticky::held_of),
            Self::CooperativeSticky => cooperative_sticky::assign(&wanted, members),
        }
    }
}

impl Member {
    fn rack(&self) -> Option<&str> {
        self.subscription.rack.as_deref().filter(|rack| !rack.is_empty())
    }

    /// The order of members: static ones by instance id, then the others by member id, so that a
    /// restarted static member gets the same place (KIP-345).
    fn order(&self) -> (bool, &str) {
        match &self.instance {
            Some(instance) => (false, instance),
            None => (true, &self.id),
        }
    }
}

/// Whether racks can make a difference (KIP-881).
fn racks_matter<'a>(members: impl Iterator<Item = &'a Member>, partitions: &[&Racks]) -> bool {
    let wanted: BTreeSet<&str> = members.filter_map(Member::rack).collect();
    let there: BTreeSet<&str> =
        partitions.iter().flat_map(|racks| racks.iter().map(|rack| &**rack)).collect();
    !wanted.is_disjoint(&there)
        && partitions.iter().any(|racks| {
            racks.iter().map(|rack| &**rack).collect::<BTreeSet<_>>().len() != there.len()
        })
}

/// An entry for every member.
fn nothing_for(members: &[Member]) -> Assignments {
    members.iter().map(|member| (member.id.clone(), Vec::new())).collect()
}

#[cfg(test)]
mod tests;
