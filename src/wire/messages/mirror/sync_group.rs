// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::sync_group::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for SyncGroupRequest<'a> {
    const MIN_LEN: usize = 9;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            group_id: from.string("group_id")?,
            generation_id: from.i32("generation_id")?,
            member_id: from.string("member_id")?,
            group_instance_id: if version >= 3 { from.nullable_string("group_instance_id")? } else { None },
            protocol_type: if version >= 5 { from.nullable_string("protocol_type")? } else { None },
            protocol_name: if version >= 5 { from.nullable_string("protocol_name")? } else { None },
            assignments: from.array("assignments")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for SyncGroupRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            group_id: from.string(),
            generation_id: from.i32(),
            member_id: from.string(),
            group_instance_id: if version >= 3 { from.option(|from| from.string()) } else { None },
            protocol_type: if version >= 5 { from.option(|from| from.string()) } else { None },
            protocol_name: if version >= 5 { from.option(|from| from.string()) } else { None },
            assignments: from.array(|from| SyncGroupRequestAssignment::sample(from, version)),
        }
    }
}

impl<'a> Decode<'a> for SyncGroupRequestAssignment<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { member_id: from.string("member_id")?, assignment: from.bytes("assignment")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for SyncGroupRequestAssignment<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { member_id: from.string(), assignment: from.bytes() }
    }
}

impl Encode for SyncGroupResponse<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        if version >= 1 {
            to.i32(self.throttle_time_ms);
        }
        to.i16(self.error_code);
        if version >= 5 {
            to.nullable_string("protocol_type", self.protocol_type)?;
            to.nullable_string("protocol_name", self.protocol_name)?;
        }
        to.bytes("assignment", self.assignment)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for SyncGroupResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            throttle_time_ms: if version >= 1 { from.i32() } else { 0 },
            error_code: from.i16(),
            protocol_type: if version >= 5 { from.option(|from| from.string()) } else { None },
            protocol_name: if version >= 5 { from.option(|from| from.string()) } else { None },
            assignment: from.bytes(),
        }
    }
}
