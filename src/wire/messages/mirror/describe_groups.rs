// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::describe_groups::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for DescribeGroupsRequest<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            groups: from.array("groups")?,
            include_authorized_operations: if version >= 3 { from.bool("include_authorized_operations")? } else { false },
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for DescribeGroupsRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            groups: from.array(|from| from.string()),
            include_authorized_operations: if version >= 3 { from.bool() } else { false },
        }
    }
}

impl Encode for DescribeGroupsResponse<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        if version >= 1 {
            to.i32(self.throttle_time_ms);
        }
        to.array("groups", &self.groups)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for DescribeGroupsResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            throttle_time_ms: if version >= 1 { from.i32() } else { 0 },
            groups: from.array(|from| DescribedGroup::sample(from, version)),
        }
    }
}

impl Encode for DescribedGroup<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.i16(self.error_code);
        if version >= 6 {
            to.nullable_string("error_message", self.error_message)?;
        } else {
            to.lacks("error_message", self.error_message.is_some())?;
        }
        to.string("group_id", self.group_id)?;
        to.string("group_state", self.group_state)?;
        to.string("protocol_type", self.protocol_type)?;
        to.string("protocol_data", self.protocol_data)?;
        to.array("members", &self.members)?;
        if version >= 3 {
            to.i32(self.authorized_operations);
        } else {
            to.lacks("authorized_operations", self.authorized_operations != i32::MIN)?;
        }
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for DescribedGroup<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            error_code: from.i16(),
            error_message: if version >= 6 { from.option(|from| from.string()) } else { None },
            group_id: from.string(),
            group_state: from.string(),
            protocol_type: from.string(),
            protocol_data: from.string(),
            members: from.array(|from| DescribedGroupMember::sample(from, version)),
            authorized_operations: if version >= 3 { from.i32() } else { i32::MIN },
        }
    }
}

impl Encode for DescribedGroupMember<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.string("member_id", self.member_id)?;
        if version >= 4 {
            to.nullable_string("group_instance_id", self.group_instance_id)?;
        }
        to.string("client_id", self.client_id)?;
        to.string("client_host", self.client_host)?;
        to.bytes("member_metadata", self.member_metadata)?;
        to.bytes("member_assignment", self.member_assignment)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for DescribedGroupMember<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            member_id: from.string(),
            group_instance_id: if version >= 4 { from.option(|from| from.string()) } else { None },
            client_id: from.string(),
            client_host: from.string(),
            member_metadata: from.bytes(),
            member_assignment: from.bytes(),
        }
    }
}
