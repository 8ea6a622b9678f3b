// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::delete_groups::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for DeleteGroupsRequest<'a> {
    const MIN_LEN: usize = 2;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { groups_names: from.array("groups_names")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for DeleteGroupsRequest<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { groups_names: from.array(|from| from.string()) }
    }
}

impl Encode for DeleteGroupsResponse<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.throttle_time_ms);
        to.array("results", &self.results)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for DeleteGroupsResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { throttle_time_ms: from.i32(), results: from.array(|from| DeletableGroupResult::sample(from, version)) }
    }
}

impl Encode for DeletableGroupResult<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.string("group_id", self.group_id)?;
        to.i16(self.error_code);
        if version >= 3 {
            to.nullable_string("error_message", self.error_message)?;
        }
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for DeletableGroupResult<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            group_id: from.string(),
            error_code: from.i16(),
            error_message: if version >= 3 { from.option(|from| from.string()) } else { None },
        }
    }
}
