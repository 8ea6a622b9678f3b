// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! GetTelemetrySubscriptions, API key 71, version 0, flexible.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::ids::TopicId;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for GetTelemetrySubscriptionsRequest {
    const API: ApiKey = ApiKey::GetTelemetrySubscriptions;
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    const FLEXIBLE: i16 = 0;
    const THROTTLE: i16 = 0;
    type Response<'a> = GetTelemetrySubscriptionsResponse<'a>;
}

/// The request, version 0, flexible.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GetTelemetrySubscriptionsRequest {
    pub(crate) client_instance_id: TopicId,
}

impl Default for GetTelemetrySubscriptionsRequest {
    fn default() -> Self {
        Self { client_instance_id: TopicId::ZERO }
    }
}

impl Encode for GetTelemetrySubscriptionsRequest {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.uuid(self.client_instance_id);
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, version 0, flexible.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GetTelemetrySubscriptionsResponse<'a> {
    pub(crate) throttle_time_ms: i32,
    pub(crate) error_code: i16,
    pub(crate) client_instance_id: TopicId,
    pub(crate) subscription_id: i32,
    pub(crate) accepted_compression_types: Vec<i8>,
    pub(crate) push_interval_ms: i32,
    pub(crate) telemetry_max_bytes: i32,
    pub(crate) delta_temporality: bool,
    pub(crate) requested_metrics: Vec<&'a str>,
}

impl Default for GetTelemetrySubscriptionsResponse<'_> {
    fn default() -> Self {
        Self {
            throttle_time_ms: 0,
            error_code: 0,
            client_instance_id: TopicId::ZERO,
            subscription_id: 0,
            accepted_compression_types: Vec::new(),
            push_interval_ms: 0,
            telemetry_max_bytes: 0,
            delta_temporality: false,
            requested_metrics: Vec::new(),
        }
    }
}

impl<'a> Decode<'a> for GetTelemetrySubscriptionsResponse<'a> {
    const MIN_LEN: usize = 38;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            throttle_time_ms: from.i32("throttle_time_ms")?,
            error_code: from.i16("error_code")?,
            client_instance_id: from.uuid("client_instance_id")?,
            subscription_id: from.i32("subscription_id")?,
            accepted_compression_types: from.array("accepted_compression_types")?,
            push_interval_ms: from.i32("push_interval_ms")?,
            telemetry_max_bytes: from.i32("telemetry_max_bytes")?,
            delta_temporality: from.bool("delta_temporality")?,
            requested_metrics: from.array("requested_metrics")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
