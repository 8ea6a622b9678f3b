// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::join_group::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for JoinGroupRequest<'a> {
    const MIN_LEN: usize = 14;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            group_id: from.string("group_id")?,
            session_timeout_ms: from.i32("session_timeout_ms")?,
            rebalance_timeout_ms: if version >= 1 { from.i32("rebalance_timeout_ms")? } else { -1 },
            member_id: from.string("member_id")?,
            group_instance_id: if version >= 5 { from.nullable_string("group_instance_id")? } else { None },
            protocol_type: from.string("protocol_type")?,
            protocols: from.array("protocols")?,
            reason: if version >= 8 { from.nullable_string("reason")? } else { None },
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for JoinGroupRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            group_id: from.string(),
            session_timeout_ms: from.i32(),
            rebalance_timeout_ms: if version >= 1 { from.i32() } else { -1 },
            member_id: from.string(),
            group_instance_id: if version >= 5 { from.option(|from| from.string()) } else { None },
            protocol_type: from.string(),
            protocols: from.array(|from| JoinGroupRequestProtocol::sample(from, version)),
            reason: if version >= 8 { from.option(|from| from.string()) } else { None },
        }
    }
}

impl<'a> Decode<'a> for JoinGroupRequestProtocol<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { name: from.string("name")?, metadata: from.bytes("metadata")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for JoinGroupRequestProtocol<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { name: from.string(), metadata: from.bytes() }
    }
}

impl Encode for JoinGroupResponse<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        if version >= 2 {
            to.i32(self.throttle_time_ms);
        }
        to.i16(self.error_code);
        to.i32(self.generation_id);
        if version >= 7 {
            to.nullable_string("protocol_type", self.protocol_type)?;
        }
        if version >= 7 {
            to.nullable_string("protocol_name", self.protocol_name)?;
        } else {
            let protocol_name = to.not_null("protocol_name", self.protocol_name)?;
            to.string("protocol_name", protocol_name)?;
        }
        to.string("leader", self.leader)?;
        if version >= 9 {
            to.bool(self.skip_assignment);
        } else {
            to.lacks("skip_assignment", self.skip_assignment)?;
        }
        to.string("member_id", self.member_id)?;
        to.array("members", &self.members)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for JoinGroupResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            throttle_time_ms: if version >= 2 { from.i32() } else { 0 },
            error_code: from.i16(),
            generation_id: from.i32(),
            protocol_type: if version >= 7 { from.option(|from| from.string()) } else { None },
            protocol_name: if version >= 7 { from.option(|from| from.string()) } else { Some(from.string()) },
            leader: from.string(),
            skip_assignment: if version >= 9 { from.bool() } else { false },
            member_id: from.string(),
            members: from.array(|from| JoinGroupResponseMember::sample(from, version)),
        }
    }
}

impl Encode for JoinGroupResponseMember<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.string("member_id", self.member_id)?;
        if version >= 5 {
            to.nullable_string("group_instance_id", self.group_instance_id)?;
        }
        to.bytes("metadata", self.metadata)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for JoinGroupResponseMember<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            member_id: from.string(),
            group_instance_id: if version >= 5 { from.option(|from| from.string()) } else { None },
            metadata: from.bytes(),
        }
    }
}
