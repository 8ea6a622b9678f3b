// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! DescribeAcls, API key 29, versions 1 to 3, flexible from 2.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for DescribeAclsRequest<'_> {
    const API: ApiKey = ApiKey::DescribeAcls;
    const VERSIONS: RangeInclusive<i16> = 1..=3;
    const FLEXIBLE: i16 = 2;
    const THROTTLE: i16 = 1;
    type Response<'a> = DescribeAclsResponse<'a>;
}

/// The request, versions 1 to 3, flexible from 2.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DescribeAclsRequest<'a> {
    pub(crate) resource_type_filter: i8,
    pub(crate) resource_name_filter: Option<&'a str>,
    pub(crate) pattern_type_filter: i8,
    pub(crate) principal_filter: Option<&'a str>,
    pub(crate) host_filter: Option<&'a str>,
    pub(crate) operation: i8,
    pub(crate) permission_type: i8,
}

impl Default for DescribeAclsRequest<'_> {
    fn default() -> Self {
        Self {
            resource_type_filter: 0,
            resource_name_filter: Some(""),
            pattern_type_filter: 3,
            principal_filter: Some(""),
            host_filter: Some(""),
            operation: 0,
            permission_type: 0,
        }
    }
}

impl Encode for DescribeAclsRequest<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i8(self.resource_type_filter);
        to.nullable_string("resource_name_filter", self.resource_name_filter)?;
        to.i8(self.pattern_type_filter);
        to.nullable_string("principal_filter", self.principal_filter)?;
        to.nullable_string("host_filter", self.host_filter)?;
        to.i8(self.operation);
        to.i8(self.permission_type);
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 1 to 3, flexible from 2.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DescribeAclsResponse<'a> {
    pub(crate) throttle_time_ms: i32,
    pub(crate) error_code: i16,
    pub(crate) error_message: Option<&'a str>,
    pub(crate) resources: Vec<DescribeAclsResource<'a>>,
}

impl Default for DescribeAclsResponse<'_> {
    fn default() -> Self {
        Self { throttle_time_ms: 0, error_code: 0, error_message: Some(""), resources: Vec::new() }
    }
}

impl<'a> Decode<'a> for DescribeAclsResponse<'a> {
    const MIN_LEN: usize = 9;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            throttle_time_ms: from.i32("throttle_time_ms")?,
            error_code: from.i16("error_code")?,
            error_message: from.nullable_string("error_message")?,
            resources: from.array("resources")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`DescribeAclsResponse::resources`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DescribeAclsResource<'a> {
    pub(crate) resource_type: i8,
    pub(crate) resource_name: &'a str,
    pub(crate) pattern_type: i8,
    pub(crate) acls: Vec<AclDescription<'a>>,
}

impl Default for DescribeAclsResource<'_> {
    fn default() -> Self {
        Self { resource_type: 0, resource_name: "", pattern_type: 3, acls: Vec::new() }
    }
}

impl<'a> Decode<'a> for DescribeAclsResource<'a> {
    const MIN_LEN: usize = 5;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            resource_type: from.i8("resource_type")?,
            resource_name: from.string("resource_name")?,
            pattern_type: from.i8("pattern_type")?,
            acls: from.array("acls")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`DescribeAclsResource::acls`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct AclDescription<'a> {
    pub(crate) principal: &'a str,
    pub(crate) host: &'a str,
    pub(crate) operation: i8,
    pub(crate) permission_type: i8,
}

impl<'a> Decode<'a> for AclDescription<'a> {
    const MIN_LEN: usize = 5;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            principal: from.string("principal")?,
            host: from.string("host")?,
            operation: from.i8("operation")?,
            permission_type: from.i8("permission_type")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
