//! OffsetCommit, key 8, versions 2 to 9.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_commit_request::OffsetCommitRequestPartition;
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::{GroupId, OffsetCommitRequest, OffsetCommitResponse, TopicName};
use tokio::time::Instant;

use super::{Api, Call};
use crate::embedded::group::offsets::Committed;
use crate::embedded::group::{Claim, CommitRequest};
use crate::embedded::state::{GROUP_KEY, State, TopicPartition};
use crate::embedded::track::TrackedCommit;

/// From this version on an unknown group is told as such, and members have epochs (KIP-848).
const KNOWS_MISSING_GROUPS: i16 = 9;

impl Api for OffsetCommitRequest {
    const SERVED: (i16, i16) = (2, 9);

    fn touches(&self, _state: &State, _broker: i32) -> Vec<TopicPartition> {
        let topics = self.topics.iter();
        topics
            .flat_map(|topic| {
                topic.partitions.iter().map(|one| (topic.name.to_string(), one.partition_index))
            })
            .collect()
    }

    fn coordinated(&self) -> Option<(i8, String)> {
        Some((GROUP_KEY, self.group_id.to_string()))
    }

    async fn handle(self, call: &Call) -> Option<OffsetCommitResponse> {
        let mut state = call.lock();
        let allowed = check(call, &mut state, &self);
        let topics = self.topics.iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|one| {
                let result = match call.injected(&topic.name, one.partition_index) {
                    Some(error) => Err(error),
                    None => allowed
                        .and_then(|()| commit(call, &mut state, &self.group_id, &topic.name, one)),
                };
                if result.is_ok() {
                    let tracked = track(call, &self.group_id, &topic.name, one);
                    state.commits.push(tracked);
                }
                OffsetCommitResponsePartition::default()
                    .with_partition_index(one.partition_index)
                    .with_error_code(super::code(&result))
            });
            let partitions = partitions.collect();
            OffsetCommitResponseTopic::default()
                .with_name(topic.name.clone())
                .with_partitions(partitions)
        });
        let response = OffsetCommitResponse::default().with_topics(topics.collect());
        drop(state);
        Some(response.with_throttle_time_ms(call.throttle_ms()))
    }
}

/// Whether the coordinator takes the request: all of it or nothing. It sees what is left after
/// faults and unknown partitions, and is not asked about nothing.
fn check(
    call: &Call,
    state: &mut State,
    request: &OffsetCommitRequest,
) -> Result<(), ResponseError> {
    let claim = Claim {
        member_id: &request.member_id,
        instance: request.group_instance_id.as_deref(),
        generation: request.generation_id_or_member_epoch,
    };
    let is_good = |(topic, index): &TopicPartition| {
        call.injected(topic, *index).is_none() && state.partition(topic, *index).is_some()
    };
    let most = state.settings.max_offset_metadata;
    let (mut partitions, mut is_any_good) = (Vec::new(), false);
    for topic in &request.topics {
        for one in &topic.partitions {
            let partition = (topic.name.to_string(), one.partition_index);
            if is_good(&partition) {
                is_any_good = true;
                if one.committed_metadata.as_ref().is_none_or(|text| text.len() <= most) {
                    partitions.push(partition);
                }
            }
        }
    }
    if !is_any_good {
        return Ok(());
    }
    let is_new = state.known_group_at(call.broker, &request.group_id)?.is_none();
    if is_new && claim.generation >= 0 {
        return Err(if call.version() >= KNOWS_MISSING_GROUPS {
            ResponseError::GroupIdNotFound
        } else {
            ResponseError::IllegalGeneration
        });
    }
    state.group_at(call.broker, &request.group_id)?;
    let commit =
        CommitRequest { claim, version: call.version(), is_transactional: false, partitions };
    state.check_commit(&request.group_id, &commit, Instant::now())
}

fn track(
    call: &Call,
    group: &GroupId,
    topic: &TopicName,
    one: &OffsetCommitRequestPartition,
) -> TrackedCommit {
    TrackedCommit {
        at: call.shared.started.elapsed(),
        group: group.to_string(),
        topic: topic.to_string(),
        partition: one.partition_index,
        offset: one.committed_offset,
        client_id: call.client_id().to_owned(),
        connection: Some(call.connection),
    }
}

fn commit(
    call: &Call,
    state: &mut State,
    group: &str,
    topic: &str,
    wanted: &OffsetCommitRequestPartition,
) -> Result<(), ResponseError> {
    let metadata = wanted.committed_metadata.as_deref().unwrap_or_default();
    if metadata.len() > state.settings.max_offset_metadata {
        return Err(ResponseError::OffsetMetadataTooLarge);
    }
    if state.partition(topic, wanted.partition_index).is_none() {
        return Err(ResponseError::UnknownTopicOrPartition);
    }
    let committed = Committed {
        offset: wanted.committed_offset,
        leader_epoch: wanted.committed_leader_epoch,
        metadata: metadata.to_owned(),
        client_id: call.client_id().to_owned(),
    };
    let group = state.groups.get_mut(group).ok_or(ResponseError::UnknownMemberId)?;
    group.offsets.commit((topic.to_owned(), wanted.partition_index), committed);
    Ok(())
}
