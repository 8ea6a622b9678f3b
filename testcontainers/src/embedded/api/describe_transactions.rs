//! DescribeTransactions, key 65, version 0.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_transactions_response::{TopicData, TransactionState};
use kafka_protocol::messages::{
    DescribeTransactionsRequest, DescribeTransactionsResponse, ProducerId, TransactionalId,
};

use super::{Api, Call, owned};
use crate::embedded::state::TRANSACTION_KEY;
use crate::embedded::transaction::TransactionDescription;

impl Api for DescribeTransactionsRequest {
    const SERVED: (i16, i16) = (0, 0);

    fn coordinated(&self) -> Option<(i8, String)> {
        self.transactional_ids.first().map(|id| (TRANSACTION_KEY, id.to_string()))
    }

    async fn handle(self, call: &Call) -> Option<DescribeTransactionsResponse> {
        let states = self.transactional_ids.into_iter().map(|id| {
            let described = describe(call, &id);
            let response = TransactionState::default().with_transactional_id(id);
            match described {
                Ok(transaction) => fill(response, transaction),
                Err(error) => response.with_error_code(error.code()),
            }
        });
        let response =
            DescribeTransactionsResponse::default().with_transaction_states(states.collect());
        Some(response.with_throttle_time_ms(call.throttle_ms()))
    }
}

fn describe(call: &Call, id: &TransactionalId) -> Result<TransactionDescription, ResponseError> {
    if let Some(error) = call.injected_any() {
        return Err(error);
    }
    if id.is_empty() {
        return Err(ResponseError::InvalidRequest);
    }
    let now = call.shared.moment();
    call.lock()
        .describe_transaction_at(call.broker, id, now)?
        .ok_or(ResponseError::TransactionalIdNotFound)
}

fn fill(response: TransactionState, transaction: TransactionDescription) -> TransactionState {
    let mut topics: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    for (topic, partition) in transaction.partitions {
        topics.entry(topic).or_default().push(partition);
    }
    let topics = topics.into_iter().map(|(topic, partitions)| {
        TopicData::default().with_topic(owned(&topic).into()).with_partitions(partitions)
    });
    response
        .with_transaction_state(owned(transaction.state.name()))
        .with_transaction_timeout_ms(
            i32::try_from(transaction.timeout.as_millis()).unwrap_or(i32::MAX),
        )
        .with_transaction_start_time_ms(transaction.started_ms.unwrap_or(-1))
        .with_producer_id(ProducerId(transaction.producer_id))
        .with_producer_epoch(transaction.producer_epoch)
        .with_topics(topics.collect())
}
