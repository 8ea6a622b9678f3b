// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! ExpireDelegationToken, API key 40, versions 1 to 2, flexible from 2.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for ExpireDelegationTokenRequest<'_> {
    const API: ApiKey = ApiKey::ExpireDelegationToken;
    const VERSIONS: RangeInclusive<i16> = 1..=2;
    const FLEXIBLE: i16 = 2;
    const THROTTLE: i16 = i16::MAX;
    type Response<'a> = ExpireDelegationTokenResponse;
}

/// The request, versions 1 to 2, flexible from 2.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct ExpireDelegationTokenRequest<'a> {
    pub(crate) hmac: &'a [u8],
    pub(crate) expiry_time_period_ms: i64,
}

impl Encode for ExpireDelegationTokenRequest<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.bytes("hmac", self.hmac)?;
        to.i64(self.expiry_time_period_ms);
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 1 to 2, flexible from 2.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct ExpireDelegationTokenResponse {
    pub(crate) error_code: i16,
    pub(crate) expiry_timestamp_ms: i64,
    pub(crate) throttle_time_ms: i32,
}

impl<'a> Decode<'a> for ExpireDelegationTokenResponse {
    const MIN_LEN: usize = 14;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            error_code: from.i16("error_code")?,
            expiry_timestamp_ms: from.i64("expiry_timestamp_ms")?,
            throttle_time_ms: from.i32("throttle_time_ms")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
