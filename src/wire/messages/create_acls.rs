// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! CreateAcls, API key 30, versions 1 to 3, flexible from 2.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for CreateAclsRequest<'_> {
    const API: ApiKey = ApiKey::CreateAcls;
    const VERSIONS: RangeInclusive<i16> = 1..=3;
    const FLEXIBLE: i16 = 2;
    const THROTTLE: i16 = 1;
    type Response<'a> = CreateAclsResponse<'a>;
}

/// The request, versions 1 to 3, flexible from 2.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct CreateAclsRequest<'a> {
    pub(crate) creations: Vec<AclCreation<'a>>,
}

impl Encode for CreateAclsRequest<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.array("creations", &self.creations)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`CreateAclsRequest::creations`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AclCreation<'a> {
    pub(crate) resource_type: i8,
    pub(crate) resource_name: &'a str,
    pub(crate) resource_pattern_type: i8,
    pub(crate) principal: &'a str,
    pub(crate) host: &'a str,
    pub(crate) operation: i8,
    pub(crate) permission_type: i8,
}

impl Default for AclCreation<'_> {
    fn default() -> Self {
        Self {
            resource_type: 0,
            resource_name: "",
            resource_pattern_type: 3,
            principal: "",
            host: "",
            operation: 0,
            permission_type: 0,
        }
    }
}

impl Encode for AclCreation<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i8(self.resource_type);
        to.string("resource_name", self.resource_name)?;
        to.i8(self.resource_pattern_type);
        to.string("principal", self.principal)?;
        to.string("host", self.host)?;
        to.i8(self.operation);
        to.i8(self.permission_type);
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 1 to 3, flexible from 2.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct CreateAclsResponse<'a> {
    pub(crate) throttle_time_ms: i32,
    pub(crate) results: Vec<AclCreationResult<'a>>,
}

impl<'a> Decode<'a> for CreateAclsResponse<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { throttle_time_ms: from.i32("throttle_time_ms")?, results: from.array("results")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`CreateAclsResponse::results`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AclCreationResult<'a> {
    pub(crate) error_code: i16,
    pub(crate) error_message: Option<&'a str>,
}

impl Default for AclCreationResult<'_> {
    fn default() -> Self {
        Self { error_code: 0, error_message: Some("") }
    }
}

impl<'a> Decode<'a> for AclCreationResult<'a> {
    const MIN_LEN: usize = 4;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { error_code: from.i16("error_code")?, error_message: from.nullable_string("error_message")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
