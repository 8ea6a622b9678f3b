//! PushTelemetry, key 72, version 0; claimed by brokers with a receiver of metrics.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{PushTelemetryRequest, PushTelemetryResponse};
use tokio::time::Instant;

use super::{Api, Call};
use crate::embedded::metrics::PushedMetrics;

impl Api for PushTelemetryRequest {
    const SERVED: (i16, i16) = (0, 0);

    async fn handle(self, call: &Call) -> Option<PushTelemetryResponse> {
        let code = super::code(&push(call, &self));
        Some(
            PushTelemetryResponse::default()
                .with_error_code(code)
                .with_throttle_time_ms(call.throttle_ms()),
        )
    }
}

fn push(call: &Call, request: &PushTelemetryRequest) -> Result<(), ResponseError> {
    if let Some(error) = call.injected_any() {
        return Err(error);
    }
    let push = PushedMetrics {
        broker: call.broker,
        client_instance_id: request.client_instance_id.into_bytes(),
        is_terminating: request.terminating,
        compression: request.compression_type,
        metrics: request.metrics.clone(),
    };
    let mut state = call.lock();
    let receiver = state.metrics.as_mut().ok_or(ResponseError::UnsupportedVersion)?;
    receiver.push(request.client_instance_id, request.subscription_id, push, Instant::now())
}
