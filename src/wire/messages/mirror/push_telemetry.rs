// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::push_telemetry::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for PushTelemetryRequest<'a> {
    const MIN_LEN: usize = 24;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            client_instance_id: from.uuid("client_instance_id")?,
            subscription_id: from.i32("subscription_id")?,
            terminating: from.bool("terminating")?,
            compression_type: from.i8("compression_type")?,
            metrics: from.bytes("metrics")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for PushTelemetryRequest<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self {
            client_instance_id: from.uuid(),
            subscription_id: from.i32(),
            terminating: from.bool(),
            compression_type: from.i8(),
            metrics: from.bytes(),
        }
    }
}

impl Encode for PushTelemetryResponse {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.throttle_time_ms);
        to.i16(self.error_code);
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for PushTelemetryResponse {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { throttle_time_ms: from.i32(), error_code: from.i16() }
    }
}
