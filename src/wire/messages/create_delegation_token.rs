// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! CreateDelegationToken, API key 38, versions 1 to 3, flexible from 2.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for CreateDelegationTokenRequest<'_> {
    const API: ApiKey = ApiKey::CreateDelegationToken;
    const VERSIONS: RangeInclusive<i16> = 1..=3;
    const FLEXIBLE: i16 = 2;
    const THROTTLE: i16 = i16::MAX;
    type Response<'a> = CreateDelegationTokenResponse<'a>;
}

/// The request, versions 1 to 3, flexible from 2.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CreateDelegationTokenRequest<'a> {
    /// Versions 3+.
    pub(crate) owner_principal_type: Option<&'a str>,
    /// Versions 3+.
    pub(crate) owner_principal_name: Option<&'a str>,
    pub(crate) renewers: Vec<CreatableRenewers<'a>>,
    pub(crate) max_lifetime_ms: i64,
}

impl Default for CreateDelegationTokenRequest<'_> {
    fn default() -> Self {
        Self { owner_principal_type: Some(""), owner_principal_name: Some(""), renewers: Vec::new(), max_lifetime_ms: 0 }
    }
}

impl Encode for CreateDelegationTokenRequest<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        if version >= 3 {
            to.nullable_string("owner_principal_type", self.owner_principal_type)?;
            to.nullable_string("owner_principal_name", self.owner_principal_name)?;
        } else {
            to.lacks("owner_principal_type", self.owner_principal_type != Some(""))?;
            to.lacks("owner_principal_name", self.owner_principal_name != Some(""))?;
        }
        to.array("renewers", &self.renewers)?;
        to.i64(self.max_lifetime_ms);
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`CreateDelegationTokenRequest::renewers`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct CreatableRenewers<'a> {
    pub(crate) principal_type: &'a str,
    pub(crate) principal_name: &'a str,
}

impl Encode for CreatableRenewers<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("principal_type", self.principal_type)?;
        to.string("principal_name", self.principal_name)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 1 to 3, flexible from 2.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct CreateDelegationTokenResponse<'a> {
    pub(crate) error_code: i16,
    pub(crate) principal_type: &'a str,
    pub(crate) principal_name: &'a str,
    /// Versions 3+.
    pub(crate) token_requester_principal_type: &'a str,
    /// Versions 3+.
    pub(crate) token_requester_principal_name: &'a str,
    pub(crate) issue_timestamp_ms: i64,
    pub(crate) expiry_timestamp_ms: i64,
    pub(crate) max_timestamp_ms: i64,
    pub(crate) token_id: &'a str,
    pub(crate) hmac: &'a [u8],
    pub(crate) throttle_time_ms: i32,
}

impl<'a> Decode<'a> for CreateDelegationTokenResponse<'a> {
    const MIN_LEN: usize = 35;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            error_code: from.i16("error_code")?,
            principal_type: from.string("principal_type")?,
            principal_name: from.string("principal_name")?,
            token_requester_principal_type: if version >= 3 { from.string("token_requester_principal_type")? } else { "" },
            token_requester_principal_name: if version >= 3 { from.string("token_requester_principal_name")? } else { "" },
            issue_timestamp_ms: from.i64("issue_timestamp_ms")?,
            expiry_timestamp_ms: from.i64("expiry_timestamp_ms")?,
            max_timestamp_ms: from.i64("max_timestamp_ms")?,
            token_id: from.string("token_id")?,
            hmac: from.bytes("hmac")?,
            throttle_time_ms: from.i32("throttle_time_ms")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
