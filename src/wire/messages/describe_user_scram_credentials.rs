// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! DescribeUserScramCredentials, API key 50, version 0, flexible.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for DescribeUserScramCredentialsRequest<'_> {
    const API: ApiKey = ApiKey::DescribeUserScramCredentials;
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    const FLEXIBLE: i16 = 0;
    const THROTTLE: i16 = 0;
    type Response<'a> = DescribeUserScramCredentialsResponse<'a>;
}

/// The request, version 0, flexible.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DescribeUserScramCredentialsRequest<'a> {
    pub(crate) users: Option<Vec<UserName<'a>>>,
}

impl Default for DescribeUserScramCredentialsRequest<'_> {
    fn default() -> Self {
        Self { users: Some(Vec::new()) }
    }
}

impl Encode for DescribeUserScramCredentialsRequest<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.nullable_array("users", self.users.as_deref())?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`DescribeUserScramCredentialsRequest::users`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct UserName<'a> {
    pub(crate) name: &'a str,
}

impl Encode for UserName<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("name", self.name)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, version 0, flexible.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DescribeUserScramCredentialsResponse<'a> {
    pub(crate) throttle_time_ms: i32,
    pub(crate) error_code: i16,
    pub(crate) error_message: Option<&'a str>,
    pub(crate) results: Vec<DescribeUserScramCredentialsResult<'a>>,
}

impl Default for DescribeUserScramCredentialsResponse<'_> {
    fn default() -> Self {
        Self { throttle_time_ms: 0, error_code: 0, error_message: Some(""), results: Vec::new() }
    }
}

impl<'a> Decode<'a> for DescribeUserScramCredentialsResponse<'a> {
    const MIN_LEN: usize = 9;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            throttle_time_ms: from.i32("throttle_time_ms")?,
            error_code: from.i16("error_code")?,
            error_message: from.nullable_string("error_message")?,
            results: from.array("results")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`DescribeUserScramCredentialsResponse::results`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DescribeUserScramCredentialsResult<'a> {
    pub(crate) user: &'a str,
    pub(crate) error_code: i16,
    pub(crate) error_message: Option<&'a str>,
    pub(crate) credential_infos: Vec<CredentialInfo>,
}

impl Default for DescribeUserScramCredentialsResult<'_> {
    fn default() -> Self {
        Self { user: "", error_code: 0, error_message: Some(""), credential_infos: Vec::new() }
    }
}

impl<'a> Decode<'a> for DescribeUserScramCredentialsResult<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            user: from.string("user")?,
            error_code: from.i16("error_code")?,
            error_message: from.nullable_string("error_message")?,
            credential_infos: from.array("credential_infos")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`DescribeUserScramCredentialsResult::credential_infos`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct CredentialInfo {
    pub(crate) mechanism: i8,
    pub(crate) iterations: i32,
}

impl<'a> Decode<'a> for CredentialInfo {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { mechanism: from.i8("mechanism")?, iterations: from.i32("iterations")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
