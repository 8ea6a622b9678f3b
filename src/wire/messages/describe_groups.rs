// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! DescribeGroups, API key 15, versions 0 to 6, flexible from 5.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for DescribeGroupsRequest<'_> {
    const API: ApiKey = ApiKey::DescribeGroups;
    const VERSIONS: RangeInclusive<i16> = 0..=6;
    const FLEXIBLE: i16 = 5;
    const THROTTLE: i16 = 1;
    type Response<'a> = DescribeGroupsResponse<'a>;
}

/// The request, versions 0 to 6, flexible from 5.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct DescribeGroupsRequest<'a> {
    pub(crate) groups: Vec<&'a str>,
    /// Versions 3+.
    pub(crate) include_authorized_operations: bool,
}

impl Encode for DescribeGroupsRequest<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.array("groups", &self.groups)?;
        if version >= 3 {
            to.bool(self.include_authorized_operations);
        } else {
            to.lacks("include_authorized_operations", self.include_authorized_operations)?;
        }
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 0 to 6, flexible from 5.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct DescribeGroupsResponse<'a> {
    /// Versions 1+.
    pub(crate) throttle_time_ms: i32,
    pub(crate) groups: Vec<DescribedGroup<'a>>,
}

impl<'a> Decode<'a> for DescribeGroupsResponse<'a> {
    const MIN_LEN: usize = 4;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            throttle_time_ms: if version >= 1 { from.i32("throttle_time_ms")? } else { 0 },
            groups: from.array("groups")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`DescribeGroupsResponse::groups`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DescribedGroup<'a> {
    pub(crate) error_code: i16,
    /// Versions 6+.
    pub(crate) error_message: Option<&'a str>,
    pub(crate) group_id: &'a str,
    pub(crate) group_state: &'a str,
    pub(crate) protocol_type: &'a str,
    pub(crate) protocol_data: &'a str,
    pub(crate) members: Vec<DescribedGroupMember<'a>>,
    /// Versions 3+.
    pub(crate) authorized_operations: i32,
}

impl Default for DescribedGroup<'_> {
    fn default() -> Self {
        Self {
            error_code: 0,
            error_message: None,
            group_id: "",
            group_state: "",
            protocol_type: "",
            protocol_data: "",
            members: Vec::new(),
            authorized_operations: i32::MIN,
        }
    }
}

impl<'a> Decode<'a> for DescribedGroup<'a> {
    const MIN_LEN: usize = 12;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            error_code: from.i16("error_code")?,
            error_message: if version >= 6 { from.nullable_string("error_message")? } else { None },
            group_id: from.string("group_id")?,
            group_state: from.string("group_state")?,
            protocol_type: from.string("protocol_type")?,
            protocol_data: from.string("protocol_data")?,
            members: from.array("members")?,
            authorized_operations: if version >= 3 { from.i32("authorized_operations")? } else { i32::MIN },
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`DescribedGroup::members`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct DescribedGroupMember<'a> {
    pub(crate) member_id: &'a str,
    /// Versions 4+.
    pub(crate) group_instance_id: Option<&'a str>,
    pub(crate) client_id: &'a str,
    pub(crate) client_host: &'a str,
    pub(crate) member_metadata: &'a [u8],
    pub(crate) member_assignment: &'a [u8],
}

impl<'a> Decode<'a> for DescribedGroupMember<'a> {
    const MIN_LEN: usize = 7;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            member_id: from.string("member_id")?,
            group_instance_id: if version >= 4 { from.nullable_string("group_instance_id")? } else { None },
            client_id: from.string("client_id")?,
            client_host: from.string("client_host")?,
            member_metadata: from.bytes("member_metadata")?,
            member_assignment: from.bytes("member_assignment")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
