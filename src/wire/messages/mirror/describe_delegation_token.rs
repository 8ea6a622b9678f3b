// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::describe_delegation_token::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for DescribeDelegationTokenRequest<'a> {
    const MIN_LEN: usize = 2;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { owners: from.nullable_array("owners")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for DescribeDelegationTokenRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { owners: from.option(|from| from.array(|from| DescribeDelegationTokenOwner::sample(from, version))) }
    }
}

impl<'a> Decode<'a> for DescribeDelegationTokenOwner<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { principal_type: from.string("principal_type")?, principal_name: from.string("principal_name")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for DescribeDelegationTokenOwner<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { principal_type: from.string(), principal_name: from.string() }
    }
}

impl Encode for DescribeDelegationTokenResponse<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i16(self.error_code);
        to.array("tokens", &self.tokens)?;
        to.i32(self.throttle_time_ms);
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for DescribeDelegationTokenResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            error_code: from.i16(),
            tokens: from.array(|from| DescribedDelegationToken::sample(from, version)),
            throttle_time_ms: from.i32(),
        }
    }
}

impl Encode for DescribedDelegationToken<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.string("principal_type", self.principal_type)?;
        to.string("principal_name", self.principal_name)?;
        if version >= 3 {
            to.string("token_requester_principal_type", self.token_requester_principal_type)?;
            to.string("token_requester_principal_name", self.token_requester_principal_name)?;
        } else {
            to.lacks("token_requester_principal_type", !self.token_requester_principal_type.is_empty())?;
            to.lacks("token_requester_principal_name", !self.token_requester_principal_name.is_empty())?;
        }
        to.i64(self.issue_timestamp);
        to.i64(self.expiry_timestamp);
        to.i64(self.max_timestamp);
        to.string("token_id", self.token_id)?;
        to.bytes("hmac", self.hmac)?;
        to.array("renewers", &self.renewers)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for DescribedDelegationToken<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            principal_type: from.string(),
            principal_name: from.string(),
            token_requester_principal_type: if version >= 3 { from.string() } else { "" },
            token_requester_principal_name: if version >= 3 { from.string() } else { "" },
            issue_timestamp: from.i64(),
            expiry_timestamp: from.i64(),
            max_timestamp: from.i64(),
            token_id: from.string(),
            hmac: from.bytes(),
            renewers: from.array(|from| DescribedDelegationTokenRenewer::sample(from, version)),
        }
    }
}

impl Encode for DescribedDelegationTokenRenewer<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("principal_type", self.principal_type)?;
        to.string("principal_name", self.principal_name)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for DescribedDelegationTokenRenewer<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { principal_type: from.string(), principal_name: from.string() }
    }
}
