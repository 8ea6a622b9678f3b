// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::list_groups::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for ListGroupsRequest<'a> {
    const MIN_LEN: usize = 1;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            states_filter: if version >= 4 { from.array("states_filter")? } else { Vec::new() },
            types_filter: if version >= 5 { from.array("types_filter")? } else { Vec::new() },
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for ListGroupsRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            states_filter: if version >= 4 { from.array(|from| from.string()) } else { Vec::new() },
            types_filter: if version >= 5 { from.array(|from| from.string()) } else { Vec::new() },
        }
    }
}

impl Encode for ListGroupsResponse<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        if version >= 1 {
            to.i32(self.throttle_time_ms);
        }
        to.i16(self.error_code);
        to.array("groups", &self.groups)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for ListGroupsResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            throttle_time_ms: if version >= 1 { from.i32() } else { 0 },
            error_code: from.i16(),
            groups: from.array(|from| ListedGroup::sample(from, version)),
        }
    }
}

impl Encode for ListedGroup<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.string("group_id", self.group_id)?;
        to.string("protocol_type", self.protocol_type)?;
        if version >= 4 {
            to.string("group_state", self.group_state)?;
        }
        if version >= 5 {
            to.string("group_type", self.group_type)?;
        }
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for ListedGroup<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            group_id: from.string(),
            protocol_type: from.string(),
            group_state: if version >= 4 { from.string() } else { "" },
            group_type: if version >= 5 { from.string() } else { "" },
        }
    }
}
