// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! DescribeDelegationToken, API key 41, versions 1 to 3, flexible from 2.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for DescribeDelegationTokenRequest<'_> {
    const API: ApiKey = ApiKey::DescribeDelegationToken;
    const VERSIONS: RangeInclusive<i16> = 1..=3;
    const FLEXIBLE: i16 = 2;
    const THROTTLE: i16 = i16::MAX;
    type Response<'a> = DescribeDelegationTokenResponse<'a>;
}

/// The request, versions 1 to 3, flexible from 2.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DescribeDelegationTokenRequest<'a> {
    pub(crate) owners: Option<Vec<DescribeDelegationTokenOwner<'a>>>,
}

impl Default for DescribeDelegationTokenRequest<'_> {
    fn default() -> Self {
        Self { owners: Some(Vec::new()) }
    }
}

impl Encode for DescribeDelegationTokenRequest<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.nullable_array("owners", self.owners.as_deref())?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`DescribeDelegationTokenRequest::owners`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct DescribeDelegationTokenOwner<'a> {
    pub(crate) principal_type: &'a str,
    pub(crate) principal_name: &'a str,
}

impl Encode for DescribeDelegationTokenOwner<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("principal_type", self.principal_type)?;
        to.string("principal_name", self.principal_name)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 1 to 3, flexible from 2.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct DescribeDelegationTokenResponse<'a> {
    pub(crate) error_code: i16,
    pub(crate) tokens: Vec<DescribedDelegationToken<'a>>,
    pub(crate) throttle_time_ms: i32,
}

impl<'a> Decode<'a> for DescribeDelegationTokenResponse<'a> {
    const MIN_LEN: usize = 8;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            error_code: from.i16("error_code")?,
            tokens: from.array("tokens")?,
            throttle_time_ms: from.i32("throttle_time_ms")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`DescribeDelegationTokenResponse::tokens`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct DescribedDelegationToken<'a> {
    pub(crate) principal_type: &'a str,
    pub(crate) principal_name: &'a str,
    /// Versions 3+.
    pub(crate) token_requester_principal_type: &'a str,
    /// Versions 3+.
    pub(crate) token_requester_principal_name: &'a str,
    pub(crate) issue_timestamp: i64,
    pub(crate) expiry_timestamp: i64,
    pub(crate) max_timestamp: i64,
    pub(crate) token_id: &'a str,
    pub(crate) hmac: &'a [u8],
    pub(crate) renewers: Vec<DescribedDelegationTokenRenewer<'a>>,
}

impl<'a> Decode<'a> for DescribedDelegationToken<'a> {
    const MIN_LEN: usize = 30;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            principal_type: from.string("principal_type")?,
            principal_name: from.string("principal_name")?,
            token_requester_principal_type: if version >= 3 { from.string("token_requester_principal_type")? } else { "" },
            token_requester_principal_name: if version >= 3 { from.string("token_requester_principal_name")? } else { "" },
            issue_timestamp: from.i64("issue_timestamp")?,
            expiry_timestamp: from.i64("expiry_timestamp")?,
            max_timestamp: from.i64("max_timestamp")?,
            token_id: from.string("token_id")?,
            hmac: from.bytes("hmac")?,
            renewers: from.array("renewers")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`DescribedDelegationToken::renewers`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct DescribedDelegationTokenRenewer<'a> {
    pub(crate) principal_type: &'a str,
    pub(crate) principal_name: &'a str,
}

impl<'a> Decode<'a> for DescribedDelegationTokenRenewer<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { principal_type: from.string("principal_type")?, principal_name: from.string("principal_name")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
