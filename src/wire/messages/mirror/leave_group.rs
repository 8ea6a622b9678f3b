// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::leave_group::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for LeaveGroupRequest<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            group_id: from.string("group_id")?,
            member_id: if version <= 2 { from.string("member_id")? } else { "" },
            members: if version >= 3 { from.array("members")? } else { Vec::new() },
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for LeaveGroupRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            group_id: from.string(),
            member_id: if version <= 2 { from.string() } else { "" },
            members: if version >= 3 { from.array(|from| MemberIdentity::sample(from, version)) } else { Vec::new() },
        }
    }
}

impl<'a> Decode<'a> for MemberIdentity<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            member_id: from.string("member_id")?,
            group_instance_id: from.nullable_string("group_instance_id")?,
            reason: if version >= 5 { from.nullable_string("reason")? } else { None },
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for MemberIdentity<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            member_id: from.string(),
            group_instance_id: from.option(|from| from.string()),
            reason: if version >= 5 { from.option(|from| from.string()) } else { None },
        }
    }
}

impl Encode for LeaveGroupResponse<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        if version >= 1 {
            to.i32(self.throttle_time_ms);
        }
        to.i16(self.error_code);
        if version >= 3 {
            to.array("members", &self.members)?;
        } else {
            to.lacks("members", !self.members.is_empty())?;
        }
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for LeaveGroupResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            throttle_time_ms: if version >= 1 { from.i32() } else { 0 },
            error_code: from.i16(),
            members: if version >= 3 { from.array(|from| MemberResponse::sample(from, version)) } else { Vec::new() },
        }
    }
}

impl Encode for MemberResponse<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("member_id", self.member_id)?;
        to.nullable_string("group_instance_id", self.group_instance_id)?;
        to.i16(self.error_code);
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for MemberResponse<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { member_id: from.string(), group_instance_id: from.option(|from| from.string()), error_code: from.i16() }
    }
}
