//! `cooperative-sticky`: [`sticky`](super::sticky), but a partition that moves is first only taken
//! away (KIP-429), as with every cooperative assignor.

use super::super::consumer_protocol::{MemberDataReader, MemberDataWriter};
use super::{GroupMember, OwnedPartitions};
use crate::ids::Generation;

/// The generation, for leaders that do not know version 2 of the subscription (before KIP-792).
pub(super) fn user_data(held: Option<&OwnedPartitions>) -> Vec<u8> {
    let mut to = MemberDataWriter::default();
    to.i32(held.and_then(|held| held.generation).map_or(-1, |generation| generation.0));
    to.0
}

pub(super) fn held_of(member: &GroupMember) -> OwnedPartitions {
    let GroupMember { subscription, .. } = member;
    let told = || {
        MemberDataReader::new(subscription.user_data.as_deref()?, "user data")
            .i32()
            .ok()
            .filter(|&generation| generation >= 0)
    };
    let generation = subscription.generation.or_else(|| told().map(Generation));
    OwnedPartitions { partitions: subscription.owned_partitions.clone(), generation }
}
