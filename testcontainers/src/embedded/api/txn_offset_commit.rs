//! TxnOffsetCommit, key 28, versions 0 to 5.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::txn_offset_commit_request::TxnOffsetCommitRequestPartition;
use kafka_protocol::messages::txn_offset_commit_response::{TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic};
use kafka_protocol::messages::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};
use tokio::time::Instant;

use super::{Api, Call};
use crate::embedded::group::offsets::Committed;
use crate::embedded::group::serve::Claim;
use crate::embedded::state::{GROUP_KEY, State, TopicPartition};
use crate::embedded::transaction::Addition;

/// From this version on the commit itself puts the group into the transaction (KIP-890).
const ADDS_GROUP: i16 = 5;

impl Api for TxnOffsetCommitRequest {
    const SERVED: (i16, i16) = (0, 5);

    fn touches(&self, _state: &State, _broker: i32) -> Vec<TopicPartition> {
        let topics = self.topics.iter();
        topics.flat_map(|topic| topic.partitions.iter().map(|one| (topic.name.to_string(), one.partition_index))).collect()
    }

    fn coordinated(&self) -> Option<(i8, String)> {
        Some((GROUP_KEY, self.group_id.to_string()))
    }

    async fn handle(self, call: &Call) -> Option<TxnOffsetCommitResponse> {
        let mut state = call.lock();
        let allowed = check(call, &mut state, &self);
        let topics = self.topics.iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|one| {
                let result = match call.injected(&topic.name, one.partition_index) {
                    Some(error) => Err(error),
                    None => allowed.and_then(|()| commit(&mut state, &self, &topic.name, one)),
                };
                TxnOffsetCommitResponsePartition::default()
                    .with_partition_index(one.partition_index)
                    .with_error_code(super::code(&result))
            });
            let partitions = partitions.collect();
            TxnOffsetCommitResponseTopic::default().with_name(topic.name.clone()).with_partitions(partitions)
        });
        let response = TxnOffsetCommitResponse::default().with_topics(topics.collect());
        drop(state);
        call.shared.timers.notify_one();
        Some(response.with_throttle_time_ms(call.throttle_ms()))
    }
}

fn check(call: &Call, state: &mut State, request: &TxnOffsetCommitRequest) -> Result<(), ResponseError> {
    let claim = Claim {
        member_id: &request.member_id,
        instance: request.group_instance_id.as_deref(),
        generation: request.generation_id,
    };
    state.group_at(call.broker, &request.group_id)?.check_commit(claim, true, Instant::now())?;
    let group = Addition::Group(request.group_id.to_string());
    if state.has_added(&request.transactional_id, &group) {
        return Ok(());
    }
    if call.version() < ADDS_GROUP {
        return Err(ResponseError::InvalidTxnState);
    }
    let producer = (request.producer_id.0, request.producer_epoch);
    state.add_to_transaction(&request.transactional_id, producer, group)
}

fn commit(
    state: &mut State,
    request: &TxnOffsetCommitRequest,
    topic: &str,
    wanted: &TxnOffsetCommitRequestPartition,
) -> Result<(), ResponseError> {
    let metadata = wanted.committed_metadata.as_deref().unwrap_or_default();
    if metadata.len() > state.settings.max_offset_metadata {
        return Err(ResponseError::OffsetMetadataTooLarge);
    }
    if state.partition(topic, wanted.partition_index).is_none() {
        return Err(ResponseError::UnknownTopicOrPartition);
    }
    let current = state.transactions.get(request.transactional_id.as_str()).map(|one| (one.producer_id, one.epoch));
    if current != Some((request.producer_id.0, request.producer_epoch)) {
        return Err(ResponseError::InvalidProducerEpoch);
    }
    let committed =
        Committed { offset: wanted.committed_offset, leader_epoch: wanted.committed_leader_epoch, metadata: metadata.to_owned() };
    let group = state.groups.get_mut(request.group_id.as_str()).ok_or(ResponseError::UnknownMemberId)?;
    group.offsets.commit_in(request.producer_id.0, (topic.to_owned(), wanted.partition_index), committed);
    Ok(())
}
