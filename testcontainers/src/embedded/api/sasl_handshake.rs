//! SaslHandshake, key 17, version 1.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{SaslHandshakeRequest, SaslHandshakeResponse};

use super::{Api, Call, owned};
use crate::embedded::sasl::Login;

impl Api for SaslHandshakeRequest {
    const SERVED: (i16, i16) = (1, 1);

    async fn handle(self, call: &Call) -> Option<SaslHandshakeResponse> {
        let mut state = call.lock();
        let sasl = state.settings.sasl.clone()?;
        let mut response = SaslHandshakeResponse::default()
            .with_mechanisms(sasl.names().into_iter().map(owned).collect());
        if let Some(error) = call.injected_any() {
            response = response.with_error_code(error.code());
        } else if !state
            .logins
            .entry(call.connection)
            .or_insert_with(Login::new)
            .shake(&sasl, &self.mechanism)
        {
            state.login_counts.refused += 1;
            response = response.with_error_code(ResponseError::UnsupportedSaslMechanism.code());
            call.close_after_reply();
        }
        Some(response)
    }
}
