//! Assignors of the user's own: called so that a panic ends nothing else, and what they decide is
//! checked before anybody is told.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::{GroupAssignment, GroupMember, GroupSubscription, MemberAssignment, OwnedPartitions};
use crate::consumer::assignor::PartitionAssignor;
use crate::error::{Error, Result};
use crate::group_metadata::ConsumerGroupMetadata;
use crate::ids::{TopicName, TopicPartition};

pub(super) fn user_data(
    assignor: &dyn PartitionAssignor,
    topics: &BTreeSet<TopicName>,
) -> Result<Option<Vec<u8>>> {
    caught(assignor, || assignor.subscription_user_data(topics))
}

/// What it decides, with an entry for every member, if it can be.
pub(super) fn assign(
    assignor: &dyn PartitionAssignor,
    group: &GroupSubscription,
) -> Result<GroupAssignment> {
    let mut decided = caught(assignor, || assignor.assign(group))?.map_err(|error| {
        failure(assignor, format_args!("it could not assign: {error}"))
            .with_shared_source(Arc::from(error))
    })?;
    check(&decided, group).map_err(|fault| failure(assignor, fault))?;
    for member in &group.members {
        decided.entry(member.id.clone()).or_default();
    }
    Ok(decided)
}

pub(super) fn on_assignment(
    assignor: &dyn PartitionAssignor,
    assignment: &MemberAssignment,
    metadata: &ConsumerGroupMetadata,
) -> Result<()> {
    caught(assignor, || assignor.on_assignment(assignment, metadata))
}

/// What a member of a cooperative group owns, as it told.
pub(super) fn held_of(member: &GroupMember) -> OwnedPartitions {
    let subscription = &member.subscription;
    OwnedPartitions {
        partitions: subscription.owned_partitions.clone(),
        generation: subscription.generation,
    }
}

/// What is wrong with a decision, in words that follow the name of the assignor.
fn check(decided: &GroupAssignment, group: &GroupSubscription) -> Result<(), String> {
    let members: BTreeMap<&str, BTreeSet<&TopicName>> = group
        .members
        .iter()
        .map(|member| (member.id.as_str(), member.subscription.topics.iter().collect()))
        .collect();
    let mut owners: BTreeMap<&TopicPartition, &str> = BTreeMap::new();
    for (member, assignment) in decided {
        let Some(topics) = members.get(member.as_str()) else {
            return Err(format!("it assigned to {member:?}, which is not a member of the group"));
        };
        for tp in &assignment.partitions {
            let count = group.topics.get(&tp.topic).map_or(0, Vec::len);
            if !usize::try_from(tp.partition.0).is_ok_and(|number| number < count) {
                return Err(format!(
                    "it assigned {tp} to {member:?}, but the topic has {count} partitions"
                ));
            }
            if !topics.contains(&tp.topic) {
                return Err(format!(
                    "it assigned {tp} to {member:?}, which is not subscribed to the topic"
                ));
            }
            if let Some(other) = owners.insert(tp, member) {
                return Err(format!("it assigned {tp} twice, to {other:?} and to {member:?}"));
            }
        }
    }
    Ok(())
}

/// Runs the user's code.
fn caught<T>(assignor: &dyn PartitionAssignor, work: impl FnOnce() -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        failure(assignor, format_args!("it panicked: {}", text.unwrap_or("without a text")))
    })
}

fn failure(assignor: &dyn PartitionAssignor, fault: impl std::fmt::Display) -> Error {
    Error::config(format!("the assignor {:?} has failed: {fault}", assignor.name()))
}

#[cfg(test)]
mod tests;
