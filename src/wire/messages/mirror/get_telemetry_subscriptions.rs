// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::get_telemetry_subscriptions::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for GetTelemetrySubscriptionsRequest {
    const MIN_LEN: usize = 17;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { client_instance_id: from.uuid("client_instance_id")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for GetTelemetrySubscriptionsRequest {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { client_instance_id: from.uuid() }
    }
}

impl Encode for GetTelemetrySubscriptionsResponse<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.throttle_time_ms);
        to.i16(self.error_code);
        to.uuid(self.client_instance_id);
        to.i32(self.subscription_id);
        to.array("accepted_compression_types", &self.accepted_compression_types)?;
        to.i32(self.push_interval_ms);
        to.i32(self.telemetry_max_bytes);
        to.bool(self.delta_temporality);
        to.array("requested_metrics", &self.requested_metrics)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for GetTelemetrySubscriptionsResponse<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self {
            throttle_time_ms: from.i32(),
            error_code: from.i16(),
            client_instance_id: from.uuid(),
            subscription_id: from.i32(),
            accepted_compression_types: from.array(|from| from.i8()),
            push_interval_ms: from.i32(),
            telemetry_max_bytes: from.i32(),
            delta_temporality: from.bool(),
            requested_metrics: from.array(|from| from.string()),
        }
    }
}
