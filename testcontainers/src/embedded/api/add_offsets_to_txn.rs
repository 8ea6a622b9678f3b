//! AddOffsetsToTxn, key 25, versions 0 to 4.

use std::collections::BTreeSet;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};

use super::{Api, Call, fenced};
use crate::embedded::state::TRANSACTION_KEY;
use crate::embedded::transaction::{OFFSETS_TOPIC, offsets_partition};

/// From this version on a fenced producer is told by its own code.
const TELLS_FENCED: i16 = 2;

impl Api for AddOffsetsToTxnRequest {
    const SERVED: (i16, i16) = (0, 4);

    fn coordinated(&self) -> Option<(i8, String)> {
        Some((TRANSACTION_KEY, self.transactional_id.to_string()))
    }

    async fn handle(self, call: &Call) -> Option<AddOffsetsToTxnResponse> {
        let result =
            add(call, &self).map_err(|error| fenced(error, call.version() >= TELLS_FENCED));
        call.shared.timers.notify_one();
        let response = AddOffsetsToTxnResponse::default().with_error_code(super::code(&result));
        Some(response.with_throttle_time_ms(call.throttle_ms()))
    }
}

fn add(call: &Call, request: &AddOffsetsToTxnRequest) -> Result<(), ResponseError> {
    if let Some(error) = call.injected_any() {
        return Err(error);
    }
    let offsets = (OFFSETS_TOPIC.to_owned(), offsets_partition(&request.group_id));
    let producer = (request.producer_id.0, request.producer_epoch);
    let (id, now) = (&request.transactional_id, call.shared.moment());
    call.lock().add_to_transaction(call.broker, id, producer, BTreeSet::from([offsets]), now)
}
