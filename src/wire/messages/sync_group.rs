// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! SyncGroup, API key 14, versions 0 to 5, flexible from 4.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for SyncGroupRequest<'_> {
    const API: ApiKey = ApiKey::SyncGroup;
    const VERSIONS: RangeInclusive<i16> = 0..=5;
    const FLEXIBLE: i16 = 4;
    const THROTTLE: i16 = 1;
    type Response<'a> = SyncGroupResponse<'a>;
}

/// The request, versions 0 to 5, flexible from 4.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct SyncGroupRequest<'a> {
    pub(crate) group_id: &'a str,
    pub(crate) generation_id: i32,
    pub(crate) member_id: &'a str,
    /// Versions 3+.
    pub(crate) group_instance_id: Option<&'a str>,
    /// Versions 5+.
    pub(crate) protocol_type: Option<&'a str>,
    /// Versions 5+.
    pub(crate) protocol_name: Option<&'a str>,
    pub(crate) assignments: Vec<SyncGroupRequestAssignment<'a>>,
}

impl Encode for SyncGroupRequest<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.string("group_id", self.group_id)?;
        to.i32(self.generation_id);
        to.string("member_id", self.member_id)?;
        if version >= 3 {
            to.nullable_string("group_instance_id", self.group_instance_id)?;
        } else {
            to.lacks("group_instance_id", self.group_instance_id.is_some())?;
        }
        if version >= 5 {
            to.nullable_string("protocol_type", self.protocol_type)?;
            to.nullable_string("protocol_name", self.protocol_name)?;
        }
        to.array("assignments", &self.assignments)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`SyncGroupRequest::assignments`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct SyncGroupRequestAssignment<'a> {
    pub(crate) member_id: &'a str,
    pub(crate) assignment: &'a [u8],
}

impl Encode for SyncGroupRequestAssignment<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("member_id", self.member_id)?;
        to.bytes("assignment", self.assignment)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 0 to 5, flexible from 4.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct SyncGroupResponse<'a> {
    /// Versions 1+.
    pub(crate) throttle_time_ms: i32,
    pub(crate) error_code: i16,
    /// Versions 5+.
    pub(crate) protocol_type: Option<&'a str>,
    /// Versions 5+.
    pub(crate) protocol_name: Option<&'a str>,
    pub(crate) assignment: &'a [u8],
}

impl<'a> Decode<'a> for SyncGroupResponse<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            throttle_time_ms: if version >= 1 { from.i32("throttle_time_ms")? } else { 0 },
            error_code: from.i16("error_code")?,
            protocol_type: if version >= 5 { from.nullable_string("protocol_type")? } else { None },
            protocol_name: if version >= 5 { from.nullable_string("protocol_name")? } else { None },
            assignment: from.bytes("assignment")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
