//! EndTxn, key 26, versions 0 to 5.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{EndTxnRequest, EndTxnResponse, ProducerId};

use super::{Api, Call, fenced};
use crate::embedded::state::TRANSACTION_KEY;

/// From this version on a fenced producer is told by its own code.
const TELLS_FENCED: i16 = 2;
/// From this version on the producer gets its next epoch with the reply (KIP-890).
const BUMPS: i16 = 5;

impl Api for EndTxnRequest {
    const SERVED: (i16, i16) = (0, 5);

    fn coordinated(&self) -> Option<(i8, String)> {
        Some((TRANSACTION_KEY, self.transactional_id.to_string()))
    }

    async fn handle(self, call: &Call) -> Option<EndTxnResponse> {
        let result =
            end(call, &self).map_err(|error| fenced(error, call.version() >= TELLS_FENCED));
        call.shared.wake();
        let response = EndTxnResponse::default().with_throttle_time_ms(call.throttle_ms());
        Some(match result {
            Ok((id, epoch)) if call.version() >= BUMPS => {
                response.with_producer_id(ProducerId(id)).with_producer_epoch(epoch)
            }
            result => response.with_error_code(super::code(&result)),
        })
    }
}

fn end(call: &Call, request: &EndTxnRequest) -> Result<(i64, i16), ResponseError> {
    if let Some(error) = call.injected_any() {
        return Err(error);
    }
    let producer = (request.producer_id.0, request.producer_epoch);
    let (bumps, now) = (call.version() >= BUMPS, call.shared.moment());
    call.lock().end_transaction_of(
        call.broker,
        &request.transactional_id,
        producer,
        request.committed,
        bumps,
        now,
    )
}
