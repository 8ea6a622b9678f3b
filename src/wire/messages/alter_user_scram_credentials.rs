// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! AlterUserScramCredentials, API key 51, version 0, flexible.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for AlterUserScramCredentialsRequest<'_> {
    const API: ApiKey = ApiKey::AlterUserScramCredentials;
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    const FLEXIBLE: i16 = 0;
    const THROTTLE: i16 = 0;
    type Response<'a> = AlterUserScramCredentialsResponse<'a>;
}

/// The request, version 0, flexible.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct AlterUserScramCredentialsRequest<'a> {
    pub(crate) deletions: Vec<ScramCredentialDeletion<'a>>,
    pub(crate) upsertions: Vec<ScramCredentialUpsertion<'a>>,
}

impl Encode for AlterUserScramCredentialsRequest<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.array("deletions", &self.deletions)?;
        to.array("upsertions", &self.upsertions)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`AlterUserScramCredentialsRequest::deletions`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct ScramCredentialDeletion<'a> {
    pub(crate) name: &'a str,
    pub(crate) mechanism: i8,
}

impl Encode for ScramCredentialDeletion<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("name", self.name)?;
        to.i8(self.mechanism);
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`AlterUserScramCredentialsRequest::upsertions`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct ScramCredentialUpsertion<'a> {
    pub(crate) name: &'a str,
    pub(crate) mechanism: i8,
    pub(crate) iterations: i32,
    pub(crate) salt: &'a [u8],
    pub(crate) salted_password: &'a [u8],
}

impl Encode for ScramCredentialUpsertion<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("name", self.name)?;
        to.i8(self.mechanism);
        to.i32(self.iterations);
        to.bytes("salt", self.salt)?;
        to.bytes("salted_password", self.salted_password)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, version 0, flexible.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct AlterUserScramCredentialsResponse<'a> {
    pub(crate) throttle_time_ms: i32,
    pub(crate) results: Vec<AlterUserScramCredentialsResult<'a>>,
}

impl<'a> Decode<'a> for AlterUserScramCredentialsResponse<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { throttle_time_ms: from.i32("throttle_time_ms")?, results: from.array("results")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`AlterUserScramCredentialsResponse::results`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AlterUserScramCredentialsResult<'a> {
    pub(crate) user: &'a str,
    pub(crate) error_code: i16,
    pub(crate) error_message: Option<&'a str>,
}

impl Default for AlterUserScramCredentialsResult<'_> {
    fn default() -> Self {
        Self { user: "", error_code: 0, error_message: Some("") }
    }
}

impl<'a> Decode<'a> for AlterUserScramCredentialsResult<'a> {
    const MIN_LEN: usize = 5;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            user: from.string("user")?,
            error_code: from.i16("error_code")?,
            error_message: from.nullable_string("error_message")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
