//! InitProducerId, key 22, versions 0 to 5.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};

use super::{Api, Call, duration, fenced};
use crate::embedded::state::{State, TRANSACTION_KEY};

/// From this version on a fenced producer is told by its own code.
const TELLS_FENCED: i16 = 4;

impl Api for InitProducerIdRequest {
    const SERVED: (i16, i16) = (0, 5);

    fn coordinated(&self) -> Option<(i8, String)> {
        self.transactional_id.as_ref().map(|id| (TRANSACTION_KEY, id.to_string()))
    }

    async fn handle(self, call: &Call) -> Option<InitProducerIdResponse> {
        let result = match call.injected_any() {
            Some(error) => Err(error),
            None => grant(call, &self, &mut call.lock()),
        };
        call.shared.wake();
        let response = InitProducerIdResponse::default().with_throttle_time_ms(call.throttle_ms());
        Some(match result.map_err(|error| fenced(error, call.version() >= TELLS_FENCED)) {
            Ok((id, epoch)) => response.with_producer_id(ProducerId(id)).with_producer_epoch(epoch),
            Err(error) => response
                .with_error_code(error.code())
                .with_producer_id(ProducerId(-1))
                .with_producer_epoch(-1),
        })
    }
}

fn grant(
    call: &Call,
    request: &InitProducerIdRequest,
    state: &mut State,
) -> Result<(i64, i16), ResponseError> {
    let expected = match (request.producer_id.0, request.producer_epoch) {
        (-1, -1) => None,
        (-1, _) | (_, -1) => return Err(ResponseError::InvalidRequest),
        known => Some(known),
    };
    let Some(id) = &request.transactional_id else {
        // Without a transactional id Kafka gives a fresh id, whatever the producer had
        // (`TransactionCoordinator`).
        return Ok((state.new_producer_id(), 0));
    };
    state.init_transactional(
        call.broker,
        id,
        duration(request.transaction_timeout_ms),
        expected,
        call.shared.moment(),
    )
}
