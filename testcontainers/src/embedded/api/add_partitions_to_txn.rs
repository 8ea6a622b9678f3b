//! AddPartitionsToTxn, key 24, versions 0 to 5: up to 3 for clients, from 4 on in batches, for
//! brokers.

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::ResponseError;
use kafka_protocol::messages::add_partitions_to_txn_request::{
    AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
};
use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResult, AddPartitionsToTxnTopicResult,
};
use kafka_protocol::messages::{AddPartitionsToTxnRequest, AddPartitionsToTxnResponse};

use super::{Api, Call, fenced};
use crate::embedded::state::{State, TRANSACTION_KEY, TopicPartition};
use crate::embedded::transaction::OFFSETS_TOPIC;

/// From this version on a fenced producer is told by its own code.
const TELLS_FENCED: i16 = 2;
/// From this version on one request is for many transactions.
const BATCHED: i16 = 4;

impl Api for AddPartitionsToTxnRequest {
    const SERVED: (i16, i16) = (0, 5);

    fn touches(&self, _state: &State, _broker: i32) -> Vec<TopicPartition> {
        let topics =
            self.transactions.iter().flat_map(|one| &one.topics).chain(&self.v3_and_below_topics);
        topics.flat_map(named).collect()
    }

    fn coordinated(&self) -> Option<(i8, String)> {
        let id = self
            .transactions
            .first()
            .map_or(&self.v3_and_below_transactional_id, |one| &one.transactional_id);
        Some((TRANSACTION_KEY, id.to_string()))
    }

    async fn handle(self, call: &Call) -> Option<AddPartitionsToTxnResponse> {
        let response = AddPartitionsToTxnResponse::default();
        let response = if call.version() < BATCHED {
            let transaction = AddPartitionsToTxnTransaction::default()
                .with_transactional_id(self.v3_and_below_transactional_id)
                .with_producer_id(self.v3_and_below_producer_id)
                .with_producer_epoch(self.v3_and_below_producer_epoch)
                .with_topics(self.v3_and_below_topics);
            response.with_results_by_topic_v3_and_below(answer(call, &transaction))
        } else {
            let results = self.transactions.iter().map(|transaction| {
                AddPartitionsToTxnResult::default()
                    .with_transactional_id(transaction.transactional_id.clone())
                    .with_topic_results(answer(call, transaction))
            });
            response.with_results_by_transaction(results.collect())
        };
        call.shared.timers.notify_one();
        Some(response.with_throttle_time_ms(call.throttle_ms()))
    }
}

fn answer(
    call: &Call,
    transaction: &AddPartitionsToTxnTransaction,
) -> Vec<AddPartitionsToTxnTopicResult> {
    let errors = add(call, transaction);
    let topics = transaction.topics.iter().map(|topic| {
        let partitions = named(topic).map(|partition| {
            let error =
                errors.get(&partition).map(|error| fenced(*error, call.version() >= TELLS_FENCED));
            AddPartitionsToTxnPartitionResult::default()
                .with_partition_index(partition.1)
                .with_partition_error_code(error.map_or(0, |error| error.code()))
        });
        let partitions = partitions.collect();
        AddPartitionsToTxnTopicResult::default()
            .with_name(topic.name.clone())
            .with_results_by_partition(partitions)
    });
    topics.collect()
}

/// All are added or none; gives the errors.
fn add(
    call: &Call,
    transaction: &AddPartitionsToTxnTransaction,
) -> BTreeMap<TopicPartition, ResponseError> {
    let asked: BTreeSet<TopicPartition> = transaction.topics.iter().flat_map(named).collect();
    let mut state = call.lock();
    let is_known = |(topic, index): &TopicPartition| {
        topic == OFFSETS_TOPIC || state.partition(topic, *index).is_some()
    };
    let check = |partition: &TopicPartition| {
        let injected = call.injected(&partition.0, partition.1);
        injected
            .or_else(|| (!is_known(partition)).then_some(ResponseError::UnknownTopicOrPartition))
    };
    let bad: BTreeMap<TopicPartition, ResponseError> =
        asked.iter().filter_map(|partition| Some((partition.clone(), check(partition)?))).collect();
    if !bad.is_empty() {
        let rest =
            asked.into_iter().map(|partition| (partition, ResponseError::OperationNotAttempted));
        return rest.chain(bad).collect();
    }
    let (id, now) = (&transaction.transactional_id, call.shared.moment());
    let producer = (transaction.producer_id.0, transaction.producer_epoch);
    let result = if transaction.verify_only {
        state.verify_in_transaction(call.broker, id, producer, &asked, now)
    } else {
        state
            .add_to_transaction(call.broker, id, producer, asked.clone(), now)
            .map(|()| BTreeSet::new())
    };
    match result {
        Ok(missing) => missing
            .into_iter()
            .map(|partition| (partition, ResponseError::TransactionAbortable))
            .collect(),
        Err(error) => asked.into_iter().map(|partition| (partition, error)).collect(),
    }
}

fn named(topic: &AddPartitionsToTxnTopic) -> impl Iterator<Item = TopicPartition> + '_ {
    topic.partitions.iter().map(|index| (topic.name.to_string(), *index))
}
