// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::create_delegation_token::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for CreateDelegationTokenRequest<'a> {
    const MIN_LEN: usize = 10;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            owner_principal_type: if version >= 3 { from.nullable_string("owner_principal_type")? } else { Some("") },
            owner_principal_name: if version >= 3 { from.nullable_string("owner_principal_name")? } else { Some("") },
            renewers: from.array("renewers")?,
            max_lifetime_ms: from.i64("max_lifetime_ms")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for CreateDelegationTokenRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            owner_principal_type: if version >= 3 { from.option(|from| from.string()) } else { Some("") },
            owner_principal_name: if version >= 3 { from.option(|from| from.string()) } else { Some("") },
            renewers: from.array(|from| CreatableRenewers::sample(from, version)),
            max_lifetime_ms: from.i64(),
        }
    }
}

impl<'a> Decode<'a> for CreatableRenewers<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { principal_type: from.string("principal_type")?, principal_name: from.string("principal_name")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for CreatableRenewers<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { principal_type: from.string(), principal_name: from.string() }
    }
}

impl Encode for CreateDelegationTokenResponse<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.i16(self.error_code);
        to.string("principal_type", self.principal_type)?;
        to.string("principal_name", self.principal_name)?;
        if version >= 3 {
            to.string("token_requester_principal_type", self.token_requester_principal_type)?;
            to.string("token_requester_principal_name", self.token_requester_principal_name)?;
        } else {
            to.lacks("token_requester_principal_type", !self.token_requester_principal_type.is_empty())?;
            to.lacks("token_requester_principal_name", !self.token_requester_principal_name.is_empty())?;
        }
        to.i64(self.issue_timestamp_ms);
        to.i64(self.expiry_timestamp_ms);
        to.i64(self.max_timestamp_ms);
        to.string("token_id", self.token_id)?;
        to.bytes("hmac", self.hmac)?;
        to.i32(self.throttle_time_ms);
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for CreateDelegationTokenResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            error_code: from.i16(),
            principal_type: from.string(),
            principal_name: from.string(),
            token_requester_principal_type: if version >= 3 { from.string() } else { "" },
            token_requester_principal_name: if version >= 3 { from.string() } else { "" },
            issue_timestamp_ms: from.i64(),
            expiry_timestamp_ms: from.i64(),
            max_timestamp_ms: from.i64(),
            token_id: from.string(),
            hmac: from.bytes(),
            throttle_time_ms: from.i32(),
        }
    }
}
