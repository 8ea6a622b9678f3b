//! `roundrobin`: all partitions in order, one by one to the members in turn, passing over those
//! that do not want the topic.

use std::collections::BTreeSet;

use super::{Assignments, GroupMember, TopicRacks, nothing_for};
use crate::ids::{TopicName, TopicPartition};

pub(super) fn assign(topics: &TopicRacks, members: &[GroupMember]) -> Assignments {
    let mut result = nothing_for(members);
    let mut circle: Vec<(&GroupMember, BTreeSet<&TopicName>)> = members
        .iter()
        .map(|member| (member, member.subscription.topics.iter().collect()))
        .collect();
    circle.sort_by(|(a, _), (b, _)| a.order().cmp(&b.order()));
    let mut turn = 0;
    for (topic, racks) in topics {
        for (_, partition) in racks.iter().zip(0_i32..) {
            // Somebody wants it: `topics` holds nothing else.
            let Some(step) = (0..circle.len())
                .find(|step| circle[(turn + step) % circle.len()].1.contains(topic))
            else {
                continue;
            };
            let chosen = (turn + step) % circle.len();
            turn = (chosen + 1) % circle.len();
            if let Some(partitions) = result.get_mut(&circle[chosen].0.id) {
                partitions
                    .push(TopicPartition { topic: topic.clone(), partition: partition.into() });
            }
        }
    }
    result
}
