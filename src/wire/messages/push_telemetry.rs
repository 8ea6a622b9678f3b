// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! PushTelemetry, API key 72, version 0, flexible.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::ids::TopicId;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for PushTelemetryRequest<'_> {
    const API: ApiKey = ApiKey::PushTelemetry;
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    const FLEXIBLE: i16 = 0;
    const THROTTLE: i16 = 0;
    type Response<'a> = PushTelemetryResponse;
}

/// The request, version 0, flexible.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PushTelemetryRequest<'a> {
    pub(crate) client_instance_id: TopicId,
    pub(crate) subscription_id: i32,
    pub(crate) terminating: bool,
    pub(crate) compression_type: i8,
    pub(crate) metrics: &'a [u8],
}

impl Default for PushTelemetryRequest<'_> {
    fn default() -> Self {
        Self { client_instance_id: TopicId::ZERO, subscription_id: 0, terminating: false, compression_type: 0, metrics: &[] }
    }
}

impl Encode for PushTelemetryRequest<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.uuid(self.client_instance_id);
        to.i32(self.subscription_id);
        to.bool(self.terminating);
        to.i8(self.compression_type);
        to.bytes("metrics", self.metrics)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, version 0, flexible.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct PushTelemetryResponse {
    pub(crate) throttle_time_ms: i32,
    pub(crate) error_code: i16,
}

impl<'a> Decode<'a> for PushTelemetryResponse {
    const MIN_LEN: usize = 7;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { throttle_time_ms: from.i32("throttle_time_ms")?, error_code: from.i16("error_code")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
