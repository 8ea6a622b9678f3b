// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! JoinGroup, API key 11, versions 0 to 9, flexible from 6.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for JoinGroupRequest<'_> {
    const API: ApiKey = ApiKey::JoinGroup;
    const VERSIONS: RangeInclusive<i16> = 0..=9;
    const FLEXIBLE: i16 = 6;
    const THROTTLE: i16 = 2;
    type Response<'a> = JoinGroupResponse<'a>;
}

/// The request, versions 0 to 9, flexible from 6.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct JoinGroupRequest<'a> {
    pub(crate) group_id: &'a str,
    pub(crate) session_timeout_ms: i32,
    /// Versions 1+.
    pub(crate) rebalance_timeout_ms: i32,
    pub(crate) member_id: &'a str,
    /// Versions 5+.
    pub(crate) group_instance_id: Option<&'a str>,
    pub(crate) protocol_type: &'a str,
    pub(crate) protocols: Vec<JoinGroupRequestProtocol<'a>>,
    /// Versions 8+.
    pub(crate) reason: Option<&'a str>,
}

impl Default for JoinGroupRequest<'_> {
    fn default() -> Self {
        Self {
            group_id: "",
            session_timeout_ms: 0,
            rebalance_timeout_ms: -1,
            member_id: "",
            group_instance_id: None,
            protocol_type: "",
            protocols: Vec::new(),
            reason: None,
        }
    }
}

impl Encode for JoinGroupRequest<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.string("group_id", self.group_id)?;
        to.i32(self.session_timeout_ms);
        if version >= 1 {
            to.i32(self.rebalance_timeout_ms);
        }
        to.string("member_id", self.member_id)?;
        if version >= 5 {
            to.nullable_string("group_instance_id", self.group_instance_id)?;
        } else {
            to.lacks("group_instance_id", self.group_instance_id.is_some())?;
        }
        to.string("protocol_type", self.protocol_type)?;
        to.array("protocols", &self.protocols)?;
        if version >= 8 {
            to.nullable_string("reason", self.reason)?;
        }
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`JoinGroupRequest::protocols`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct JoinGroupRequestProtocol<'a> {
    pub(crate) name: &'a str,
    pub(crate) metadata: &'a [u8],
}

impl Encode for JoinGroupRequestProtocol<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("name", self.name)?;
        to.bytes("metadata", self.metadata)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 0 to 9, flexible from 6.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct JoinGroupResponse<'a> {
    /// Versions 2+.
    pub(crate) throttle_time_ms: i32,
    pub(crate) error_code: i16,
    pub(crate) generation_id: i32,
    /// Versions 7+.
    pub(crate) protocol_type: Option<&'a str>,
    /// Null in versions 7+.
    pub(crate) protocol_name: Option<&'a str>,
    pub(crate) leader: &'a str,
    /// Versions 9+.
    pub(crate) skip_assignment: bool,
    pub(crate) member_id: &'a str,
    pub(crate) members: Vec<JoinGroupResponseMember<'a>>,
}

impl Default for JoinGroupResponse<'_> {
    fn default() -> Self {
        Self {
            throttle_time_ms: 0,
            error_code: 0,
            generation_id: -1,
            protocol_type: None,
            protocol_name: Some(""),
            leader: "",
            skip_assignment: false,
            member_id: "",
            members: Vec::new(),
        }
    }
}

impl<'a> Decode<'a> for JoinGroupResponse<'a> {
    const MIN_LEN: usize = 15;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            throttle_time_ms: if version >= 2 { from.i32("throttle_time_ms")? } else { 0 },
            error_code: from.i16("error_code")?,
            generation_id: from.i32("generation_id")?,
            protocol_type: if version >= 7 { from.nullable_string("protocol_type")? } else { None },
            protocol_name: if version >= 7 {
                from.nullable_string("protocol_name")?
            } else {
                Some(from.string("protocol_name")?)
            },
            leader: from.string("leader")?,
            skip_assignment: if version >= 9 { from.bool("skip_assignment")? } else { false },
            member_id: from.string("member_id")?,
            members: from.array("members")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`JoinGroupResponse::members`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct JoinGroupResponseMember<'a> {
    pub(crate) member_id: &'a str,
    /// Versions 5+.
    pub(crate) group_instance_id: Option<&'a str>,
    pub(crate) metadata: &'a [u8],
}

impl<'a> Decode<'a> for JoinGroupResponseMember<'a> {
    const MIN_LEN: usize = 4;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            member_id: from.string("member_id")?,
            group_instance_id: if version >= 5 { from.nullable_string("group_instance_id")? } else { None },
            metadata: from.bytes("metadata")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
