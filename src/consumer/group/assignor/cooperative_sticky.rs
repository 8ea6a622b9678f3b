//! `cooperative-sticky`: [`sticky`], but a partition that moves is first only taken away (KIP-429).
//!
//! Its old owner sees that it is gone, gives it up and joins again; that rebalance gives it to the
//! new owner. So no two members ever own it, and members keep consuming what stays theirs.

use std::collections::{BTreeMap, BTreeSet};

use super::super::consumer_protocol::{MemberDataReader, MemberDataWriter};
use super::{Assignments, Member, OwnedPartitions, TopicRacks, sticky};
use crate::ids::{Generation, TopicPartition};

/// The generation, for leaders that do not know version 2 of the subscription (before KIP-792).
pub(super) fn user_data(held: Option<&OwnedPartitions>) -> Vec<u8> {
    let mut to = MemberDataWriter::default();
    to.i32(held.and_then(|held| held.generation).map_or(-1, |generation| generation.0));
    to.0
}

pub(super) fn assign(topics: &TopicRacks, members: &[Member]) -> Assignments {
    let mut result = sticky::assign(topics, members, held_of);
    let mut claims: BTreeMap<&TopicPartition, BTreeSet<&str>> = BTreeMap::new();
    for member in members {
        for tp in &member.subscription.owned {
            claims.entry(tp).or_default().insert(&member.id);
        }
    }
    let contested = sticky::contested(members, held_of);
    for (id, partitions) in &mut result {
        partitions.retain(|tp| match claims.get(tp) {
            None => true,
            Some(owners) => owners.contains(id.as_str()) && !contested.contains(tp),
        });
    }
    result
}

pub(super) fn held_of(member: &Member) -> OwnedPartitions {
    let Member { subscription, .. } = member;
    let told = || {
        MemberDataReader::new(subscription.user_data.as_deref()?, "user data")
            .i32()
            .ok()
            .filter(|&generation| generation >= 0)
    };
    let generation = subscription.generation.or_else(|| told().map(Generation));
    OwnedPartitions { partitions: subscription.owned.clone(), generation }
}
