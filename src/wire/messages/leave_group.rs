// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! LeaveGroup, API key 13, versions 0 to 5, flexible from 4.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for LeaveGroupRequest<'_> {
    const API: ApiKey = ApiKey::LeaveGroup;
    const VERSIONS: RangeInclusive<i16> = 0..=5;
    const FLEXIBLE: i16 = 4;
    const THROTTLE: i16 = 1;
    type Response<'a> = LeaveGroupResponse<'a>;
}

/// The request, versions 0 to 5, flexible from 4.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct LeaveGroupRequest<'a> {
    pub(crate) group_id: &'a str,
    /// Versions 0 to 2.
    pub(crate) member_id: &'a str,
    /// Versions 3+.
    pub(crate) members: Vec<MemberIdentity<'a>>,
}

impl Encode for LeaveGroupRequest<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.string("group_id", self.group_id)?;
        if version <= 2 {
            to.string("member_id", self.member_id)?;
        } else {
            to.lacks("member_id", !self.member_id.is_empty())?;
        }
        if version >= 3 {
            to.array("members", &self.members)?;
        } else {
            to.lacks("members", !self.members.is_empty())?;
        }
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`LeaveGroupRequest::members`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct MemberIdentity<'a> {
    pub(crate) member_id: &'a str,
    pub(crate) group_instance_id: Option<&'a str>,
    /// Versions 5+.
    pub(crate) reason: Option<&'a str>,
}

impl Encode for MemberIdentity<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.string("member_id", self.member_id)?;
        to.nullable_string("group_instance_id", self.group_instance_id)?;
        if version >= 5 {
            to.nullable_string("reason", self.reason)?;
        }
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 0 to 5, flexible from 4.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct LeaveGroupResponse<'a> {
    /// Versions 1+.
    pub(crate) throttle_time_ms: i32,
    pub(crate) error_code: i16,
    /// Versions 3+.
    pub(crate) members: Vec<MemberResponse<'a>>,
}

impl<'a> Decode<'a> for LeaveGroupResponse<'a> {
    const MIN_LEN: usize = 2;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            throttle_time_ms: if version >= 1 { from.i32("throttle_time_ms")? } else { 0 },
            error_code: from.i16("error_code")?,
            members: if version >= 3 { from.array("members")? } else { Vec::new() },
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`LeaveGroupResponse::members`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MemberResponse<'a> {
    pub(crate) member_id: &'a str,
    pub(crate) group_instance_id: Option<&'a str>,
    pub(crate) error_code: i16,
}

impl Default for MemberResponse<'_> {
    fn default() -> Self {
        Self { member_id: "", group_instance_id: Some(""), error_code: 0 }
    }
}

impl<'a> Decode<'a> for MemberResponse<'a> {
    const MIN_LEN: usize = 5;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            member_id: from.string("member_id")?,
            group_instance_id: from.nullable_string("group_instance_id")?,
            error_code: from.i16("error_code")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
