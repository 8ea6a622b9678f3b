//! FindCoordinator, key 10, versions 0 to 6.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::{BrokerId, FindCoordinatorRequest, FindCoordinatorResponse};
use kafka_protocol::protocol::StrBytes;

use super::{Api, Call, text};
use crate::embedded::state::{Endpoint, GROUP_KEY, State, TRANSACTION_KEY};

/// From this version on one request asks for many keys.
const BATCHED: i16 = 4;

impl Api for FindCoordinatorRequest {
    const SERVED: (i16, i16) = (0, 6);

    fn coordinated(&self) -> Option<(i8, String)> {
        let key = self.coordinator_keys.first().unwrap_or(&self.key);
        Some((self.key_type, key.to_string()))
    }

    async fn handle(self, call: &Call) -> Option<FindCoordinatorResponse> {
        let state = call.lock();
        let look = |key: &StrBytes| match call.injected_any() {
            Some(error) => Err(error),
            None => find(&state, self.key_type, key),
        };
        let response = FindCoordinatorResponse::default();
        let response = if call.version() >= BATCHED {
            let found = self.coordinator_keys.iter().map(|key| entry(key, look(key)));
            response.with_coordinators(found.collect())
        } else {
            match look(&self.key) {
                Ok(node) => {
                    response.with_node_id(node.id).with_host(node.host).with_port(node.port)
                }
                Err(error) => response
                    .with_error_code(error.code())
                    .with_error_message(text("there is no coordinator"))
                    .with_node_id(BrokerId(-1))
                    .with_port(-1),
            }
        };
        drop(state);
        Some(response.with_throttle_time_ms(call.throttle_ms()))
    }
}

fn find(state: &State, key_type: i8, key: &str) -> Result<Endpoint, ResponseError> {
    match key_type {
        GROUP_KEY if key.is_empty() => Err(ResponseError::InvalidGroupId),
        GROUP_KEY | TRANSACTION_KEY => {
            let found = state.coordinator(key_type, key).and_then(|id| state.endpoint(id));
            found.ok_or(ResponseError::CoordinatorNotAvailable)
        }
        _ => Err(ResponseError::InvalidRequest),
    }
}

fn entry(key: &StrBytes, found: Result<Endpoint, ResponseError>) -> Coordinator {
    let coordinator = Coordinator::default().with_key(key.clone());
    match found {
        Ok(node) => coordinator.with_node_id(node.id).with_host(node.host).with_port(node.port),
        Err(error) => {
            coordinator.with_error_code(error.code()).with_node_id(BrokerId(-1)).with_port(-1)
        }
    }
}
