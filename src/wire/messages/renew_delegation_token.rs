// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! RenewDelegationToken, API key 39, versions 1 to 2, flexible from 2.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for RenewDelegationTokenRequest<'_> {
    const API: ApiKey = ApiKey::RenewDelegationToken;
    const VERSIONS: RangeInclusive<i16> = 1..=2;
    const FLEXIBLE: i16 = 2;
    const THROTTLE: i16 = i16::MAX;
    type Response<'a> = RenewDelegationTokenResponse;
}

/// The request, versions 1 to 2, flexible from 2.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct RenewDelegationTokenRequest<'a> {
    pub(crate) hmac: &'a [u8],
    pub(crate) renew_period_ms: i64,
}

impl Encode for RenewDelegationTokenRequest<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.bytes("hmac", self.hmac)?;
        to.i64(self.renew_period_ms);
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 1 to 2, flexible from 2.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct RenewDelegationTokenResponse {
    pub(crate) error_code: i16,
    pub(crate) expiry_timestamp_ms: i64,
    pub(crate) throttle_time_ms: i32,
}

impl<'a> Decode<'a> for RenewDelegationTokenResponse {
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
