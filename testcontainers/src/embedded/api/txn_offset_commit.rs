//! TxnOffsetCommit, key 28, versions 0 to 5.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::txn_offset_commit_request::TxnOffsetCommitRequestPartition;
use kafka_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use kafka_protocol::messages::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};

use super::{Api, Call};
use crate::embedded::clock::Moment;
use crate::embedded::group::offsets::Committed;
use crate::embedded::group::{Claim, CommitRequest};
use crate::embedded::state::{GROUP_KEY, State, TopicPartition};
use crate::embedded::transaction::{Admission, OFFSETS_TOPIC, offsets_partition};

/// From this version on a client knows that a coordinator may still be loading (KAFKA-7296).
const KNOWS_LOADING: i16 = 2;

impl Api for TxnOffsetCommitRequest {
    const SERVED: (i16, i16) = (0, 5);

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

    async fn handle(self, call: &Call) -> Option<TxnOffsetCommitResponse> {
        let now = call.shared.moment();
        let mut state = call.lock();
        // Only what is left after faults and unknown partitions is taken to the coordinators.
        let checked = |state: &State, topic: &str, index: i32| match call.injected(topic, index) {
            Some(error) => Err(error),
            None if state.partition(topic, index).is_none() => {
                Err(ResponseError::UnknownTopicOrPartition)
            }
            None => Ok(()),
        };
        let mut good = self.touches(&state, call.broker);
        good.retain(|(topic, index)| checked(&state, topic, *index).is_ok());
        let allowed =
            if good.is_empty() { Ok(()) } else { check(call, &mut state, &self, good, now) };
        let topics = self.topics.iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|one| {
                let result = checked(&state, &topic.name, one.partition_index).and(allowed);
                let result =
                    result.and_then(|()| commit(call, &mut state, &self, &topic.name, one));
                TxnOffsetCommitResponsePartition::default()
                    .with_partition_index(one.partition_index)
                    .with_error_code(super::code(&result))
            });
            let partitions = partitions.collect();
            TxnOffsetCommitResponseTopic::default()
                .with_name(topic.name.clone())
                .with_partitions(partitions)
        });
        let response = TxnOffsetCommitResponse::default().with_topics(topics.collect());
        drop(state);
        call.shared.timers.notify_one();
        Some(response.with_throttle_time_ms(call.throttle_ms()))
    }
}

/// The transaction first, then the member (KIP-447): as the coordinator of a group asks them.
fn check(
    call: &Call,
    state: &mut State,
    request: &TxnOffsetCommitRequest,
    partitions: Vec<TopicPartition>,
    now: Moment,
) -> Result<(), ResponseError> {
    let known =
        state.known_group_at(call.broker, &request.group_id).map_err(|error| match error {
            ResponseError::CoordinatorLoadInProgress => loading(call.version()),
            error => error,
        })?;
    let is_stranger = known.is_none() && request.generation_id >= 0;
    let offsets = (OFFSETS_TOPIC.to_owned(), offsets_partition(&request.group_id));
    let producer = (request.producer_id.0, request.producer_epoch);
    let admission = Admission::of_txn_offset_commit(call.version());
    let asks = admission == Admission::Add || state.settings.verifies_transactions;
    let asked = asks.then(|| {
        state.admit(&request.transactional_id, producer, &[(offsets, -1)], admission, now)
    });
    if let Some(error) = asked.unwrap_or_default().into_values().next() {
        return Err(match error {
            ResponseError::NetworkException | ResponseError::CoordinatorLoadInProgress => {
                loading(call.version())
            }
            error => error,
        });
    }
    if is_stranger {
        return Err(ResponseError::IllegalGeneration);
    }
    let claim = Claim {
        member_id: &request.member_id,
        instance: request.group_instance_id.as_deref(),
        generation: request.generation_id,
    };
    state.group_at(call.broker, &request.group_id)?;
    let commit =
        CommitRequest { claim, version: call.version(), is_transactional: true, partitions };
    state.check_commit(&request.group_id, &commit, now.at)
}

fn loading(version: i16) -> ResponseError {
    if version < KNOWS_LOADING {
        ResponseError::CoordinatorNotAvailable
    } else {
        ResponseError::CoordinatorLoadInProgress
    }
}

fn commit(
    call: &Call,
    state: &mut State,
    request: &TxnOffsetCommitRequest,
    topic: &str,
    wanted: &TxnOffsetCommitRequestPartition,
) -> Result<(), ResponseError> {
    let metadata = wanted.committed_metadata.as_deref().unwrap_or_default();
    if metadata.len() > state.settings.max_offset_metadata {
        return Err(ResponseError::OffsetMetadataTooLarge);
    }
    let committed = Committed {
        offset: wanted.committed_offset,
        leader_epoch: wanted.committed_leader_epoch,
        metadata: metadata.to_owned(),
        client_id: call.client_id().to_owned(),
    };
    let group =
        state.groups.get_mut(request.group_id.as_str()).ok_or(ResponseError::UnknownMemberId)?;
    group.offsets.commit_in(
        request.producer_id.0,
        (topic.to_owned(), wanted.partition_index),
        committed,
    );
    state.write_offsets(
        &request.group_id,
        (request.producer_id.0, request.producer_epoch),
        call.shared.moment(),
    );
    Ok(())
}
