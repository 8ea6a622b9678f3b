//! InitProducerId, key 22, versions 0 to 5.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};

use super::{Api, Call};
use crate::embedded::state::{State, TRANSACTION_KEY};

impl Api for InitProducerIdRequest {
    const SERVED: (i16, i16) = (0, 5);

    fn coordinated(&self) -> Option<(i8, String)> {
        self.transactional_id.as_ref().map(|id| (TRANSACTION_KEY, id.to_string()))
    }

    async fn handle(self, call: &Call) -> Option<InitProducerIdResponse> {
        let result = match call.injected_any() {
            Some(error) => Err(error),
            None => grant(&self, &mut call.lock()),
        };
        let response = InitProducerIdResponse::default().with_throttle_time_ms(call.throttle_ms());
        Some(match result {
            Ok((id, epoch)) => response.with_producer_id(ProducerId(id)).with_producer_epoch(epoch),
            Err(error) => response.with_error_code(error.code()).with_producer_id(ProducerId(-1)).with_producer_epoch(-1),
        })
    }
}

fn grant(request: &InitProducerIdRequest, state: &mut State) -> Result<(i64, i16), ResponseError> {
    if request.transactional_id.is_some() {
        return Err(ResponseError::TransactionalIdAuthorizationFailed);
    }
    // Without a transactional id Kafka gives a fresh id, whatever the producer had (`TransactionCoordinator`).
    Ok((state.new_producer_id(), 0))
}
