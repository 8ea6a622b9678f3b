// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! Heartbeat, API key 12, versions 0 to 4, flexible from 4.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for HeartbeatRequest<'_> {
    const API: ApiKey = ApiKey::Heartbeat;
    const VERSIONS: RangeInclusive<i16> = 0..=4;
    const FLEXIBLE: i16 = 4;
    const THROTTLE: i16 = 1;
    type Response<'a> = HeartbeatResponse;
}

/// The request, versions 0 to 4, flexible from 4.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct HeartbeatRequest<'a> {
    pub(crate) group_id: &'a str,
    pub(crate) generation_id: i32,
    pub(crate) member_id: &'a str,
    /// Versions 3+.
    pub(crate) group_instance_id: Option<&'a str>,
}

impl Encode for HeartbeatRequest<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.string("group_id", self.group_id)?;
        to.i32(self.generation_id);
        to.string("member_id", self.member_id)?;
        if version >= 3 {
            to.nullable_string("group_instance_id", self.group_instance_id)?;
        } else {
            to.lacks("group_instance_id", self.group_instance_id.is_some())?;
        }
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 0 to 4, flexible from 4.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct HeartbeatResponse {
    /// Versions 1+.
    pub(crate) throttle_time_ms: i32,
    pub(crate) error_code: i16,
}

impl<'a> Decode<'a> for HeartbeatResponse {
    const MIN_LEN: usize = 2;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            throttle_time_ms: if version >= 1 { from.i32("throttle_time_ms")? } else { 0 },
            error_code: from.i16("error_code")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
