//! ListTransactions, key 66, versions 0 and 1.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::list_transactions_response::TransactionState as Listed;
use kafka_protocol::messages::{
    ListTransactionsRequest, ListTransactionsResponse, ProducerId, TransactionalId,
};
use kafka_protocol::protocol::StrBytes;

use super::{Api, Call, owned};
use crate::embedded::transaction::{TransactionDescription, TransactionState};

/// The names that a filter may have; the last two are Kafka's, but no id is ever seen in them.
const STATES: [&str; 8] = [
    TransactionState::Empty.name(),
    TransactionState::Ongoing.name(),
    TransactionState::PrepareCommit.name(),
    TransactionState::PrepareAbort.name(),
    TransactionState::CompleteCommit.name(),
    TransactionState::CompleteAbort.name(),
    "Dead",
    "PrepareEpochFence",
];

impl Api for ListTransactionsRequest {
    const SERVED: (i16, i16) = (0, 1);

    async fn handle(self, call: &Call) -> Option<ListTransactionsResponse> {
        let now = call.shared.moment();
        let state = call.lock();
        let loads = state
            .loads_transactions(call.broker, now.at)
            .then_some(ResponseError::CoordinatorLoadInProgress);
        let response = ListTransactionsResponse::default();
        let response = match call.injected_any().or(loads) {
            Some(error) => response.with_error_code(error.code()),
            None => {
                let all = state.describe_transactions(Some(call.broker));
                let wanted = all.into_iter().filter(|one| fits(&self, one, now.ms));
                let listed = wanted.map(|one| {
                    Listed::default()
                        .with_transactional_id(TransactionalId(owned(&one.transactional_id)))
                        .with_producer_id(ProducerId(one.producer_id))
                        .with_transaction_state(owned(one.state.name()))
                });
                let unknown: Vec<StrBytes> = self
                    .state_filters
                    .iter()
                    .filter(|name| !STATES.contains(&name.as_str()))
                    .cloned()
                    .collect();
                response
                    .with_transaction_states(listed.collect())
                    .with_unknown_state_filters(unknown)
            }
        };
        drop(state);
        Some(response.with_throttle_time_ms(call.throttle_ms()))
    }
}

fn fits(request: &ListTransactionsRequest, one: &TransactionDescription, now_ms: i64) -> bool {
    let (ids, states) = (&request.producer_id_filters, &request.state_filters);
    let age = now_ms.saturating_sub(one.started_ms.unwrap_or(-1));
    (ids.is_empty() || ids.iter().any(|id| id.0 == one.producer_id))
        && (states.is_empty() || states.iter().any(|name| name.as_str() == one.state.name()))
        && (request.duration_filter < 0 || age > request.duration_filter)
}
