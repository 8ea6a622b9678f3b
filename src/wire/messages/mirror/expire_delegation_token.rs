// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::expire_delegation_token::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for ExpireDelegationTokenRequest<'a> {
    const MIN_LEN: usize = 10;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { hmac: from.bytes("hmac")?, expiry_time_period_ms: from.i64("expiry_time_period_ms")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for ExpireDelegationTokenRequest<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { hmac: from.bytes(), expiry_time_period_ms: from.i64() }
    }
}

impl Encode for ExpireDelegationTokenResponse {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i16(self.error_code);
        to.i64(self.expiry_timestamp_ms);
        to.i32(self.throttle_time_ms);
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for ExpireDelegationTokenResponse {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { error_code: from.i16(), expiry_timestamp_ms: from.i64(), throttle_time_ms: from.i32() }
    }
}
