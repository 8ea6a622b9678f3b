//! What the leader of partitions asks about transactional batches before it appends them (KIP-890).

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::ResponseError;
use kafka_protocol::messages::ProduceRequest;

use super::Call;
use crate::embedded::log::batch::BatchHeader;
use crate::embedded::state::{State, TopicPartition};
use crate::embedded::transaction::Admission;

/// The partitions of a request that must not be appended to, by the word of the transaction's
/// coordinator.
pub(super) fn admit(
    call: &Call,
    state: &mut State,
    request: &ProduceRequest,
) -> BTreeMap<TopicPartition, ResponseError> {
    let batches = transactional(call, state, request);
    let all = || batches.iter().map(|(partition, _)| partition.clone());
    let Some(id) = &request.transactional_id else {
        return all()
            .map(|partition| (partition, ResponseError::TransactionalIdAuthorizationFailed))
            .collect();
    };
    let producers: BTreeSet<(i64, i16)> =
        batches.iter().map(|(_, batch)| (batch.producer_id, batch.producer_epoch)).collect();
    if producers.len() > 1 {
        return all()
            .map(|partition| (partition, ResponseError::InvalidProducerIdMapping))
            .collect();
    }
    let Some(producer) = producers.first() else { return BTreeMap::new() };
    let admission = Admission::of_produce(call.version());
    if admission != Admission::Add && !state.settings.verifies_transactions {
        return BTreeMap::new();
    }
    let led: Vec<(TopicPartition, i32)> = batches
        .iter()
        .filter(|((topic, index), _)| {
            state.partition(topic, *index).is_some_and(|one| one.leader == Some(call.broker))
        })
        .map(|(partition, batch)| (partition.clone(), batch.base_sequence))
        .collect();
    let refused = state.admit(id, *producer, &led, admission, call.shared.moment());
    refused.into_iter().map(|(partition, error)| (partition, told(error, admission))).collect()
}

/// Markers of the transaction before are on their way: the leader waits for them rather than its
/// client.
pub(super) fn is_worth_a_retry(
    version: i16,
    barred: &BTreeMap<TopicPartition, ResponseError>,
) -> bool {
    let waits = Admission::of_produce(version) == Admission::Add;
    waits && barred.values().any(|error| *error == ResponseError::ConcurrentTransactions)
}

/// Older clients retry NOT_ENOUGH_REPLICAS without a look-up, and know no coordinator's code in a
/// reply to Produce.
fn told(error: ResponseError, admission: Admission) -> ResponseError {
    match error {
        ResponseError::NetworkException
        | ResponseError::CoordinatorLoadInProgress
        | ResponseError::CoordinatorNotAvailable
        | ResponseError::NotCoordinator => ResponseError::NotEnoughReplicas,
        ResponseError::ConcurrentTransactions if admission != Admission::Add => {
            ResponseError::NotEnoughReplicas
        }
        error => error,
    }
}

/// The transactional batches of a request, without those that a fault rule answers.
fn transactional(
    call: &Call,
    state: &State,
    request: &ProduceRequest,
) -> Vec<(TopicPartition, BatchHeader)> {
    let mut found = Vec::new();
    for topic in &request.topic_data {
        for data in &topic.partition_data {
            let batch = data.records.as_ref().and_then(|records| BatchHeader::read(records));
            let Some(batch) =
                batch.filter(|batch| batch.is_transactional() && batch.has_producer_id())
            else {
                continue;
            };
            let Some(name) = state.topic_name(&topic.name, topic.topic_id) else { continue };
            if call.injected(&name, data.index).is_none() {
                found.push(((name, data.index), batch));
            }
        }
    }
    found
}
