//! GetTelemetrySubscriptions, key 71, version 0; claimed by brokers with a receiver of metrics.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{
    GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse,
};

use super::{Api, Call};

impl Api for GetTelemetrySubscriptionsRequest {
    const SERVED: (i16, i16) = (0, 0);

    async fn handle(self, call: &Call) -> Option<GetTelemetrySubscriptionsResponse> {
        let response =
            GetTelemetrySubscriptionsResponse::default().with_throttle_time_ms(call.throttle_ms());
        if let Some(error) = call.injected_any() {
            return Some(response.with_error_code(error.code()));
        }
        let mut state = call.lock();
        let state = &mut *state;
        let Some(receiver) = &mut state.metrics else {
            return Some(response.with_error_code(ResponseError::UnsupportedVersion.code()));
        };
        let instance = if self.client_instance_id.is_nil() {
            state.random.uuid()
        } else {
            self.client_instance_id
        };
        receiver.register(instance);
        let subscription = &receiver.subscription;
        Some(
            response
                .with_client_instance_id(instance)
                .with_subscription_id(receiver.id)
                .with_accepted_compression_types(subscription.compressions.clone())
                .with_push_interval_ms(
                    i32::try_from(subscription.interval.as_millis()).unwrap_or(i32::MAX),
                )
                .with_telemetry_max_bytes(i32::try_from(subscription.max_bytes).unwrap_or(i32::MAX))
                .with_delta_temporality(subscription.delta_temporality)
                .with_requested_metrics(
                    subscription.metrics.iter().map(|name| super::owned(name)).collect(),
                ),
        )
    }
}
