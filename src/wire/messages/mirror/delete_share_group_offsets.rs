// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::delete_share_group_offsets::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for DeleteShareGroupOffsetsRequest<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { group_id: from.string("group_id")?, topics: from.array("topics")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for DeleteShareGroupOffsetsRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { group_id: from.string(), topics: from.array(|from| DeleteShareGroupOffsetsRequestTopic::sample(from, version)) }
    }
}

impl<'a> Decode<'a> for DeleteShareGroupOffsetsRequestTopic<'a> {
    const MIN_LEN: usize = 2;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { topic_name: from.string("topic_name")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for DeleteShareGroupOffsetsRequestTopic<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { topic_name: from.string() }
    }
}

impl Encode for DeleteShareGroupOffsetsResponse<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.throttle_time_ms);
        to.i16(self.error_code);
        to.nullable_string("error_message", self.error_message)?;
        to.array("responses", &self.responses)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for DeleteShareGroupOffsetsResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            throttle_time_ms: from.i32(),
            error_code: from.i16(),
            error_message: from.option(|from| from.string()),
            responses: from.array(|from| DeleteShareGroupOffsetsResponseTopic::sample(from, version)),
        }
    }
}

impl Encode for DeleteShareGroupOffsetsResponseTopic<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("topic_name", self.topic_name)?;
        to.uuid(self.topic_id);
        to.i16(self.error_code);
        to.nullable_string("error_message", self.error_message)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for DeleteShareGroupOffsetsResponseTopic<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self {
            topic_name: from.string(),
            topic_id: from.uuid(),
            error_code: from.i16(),
            error_message: from.option(|from| from.string()),
        }
    }
}
