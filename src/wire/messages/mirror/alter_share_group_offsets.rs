// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::alter_share_group_offsets::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for AlterShareGroupOffsetsRequest<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { group_id: from.string("group_id")?, topics: from.array("topics")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for AlterShareGroupOffsetsRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { group_id: from.string(), topics: from.array(|from| AlterShareGroupOffsetsRequestTopic::sample(from, version)) }
    }
}

impl<'a> Decode<'a> for AlterShareGroupOffsetsRequestTopic<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { topic_name: from.string("topic_name")?, partitions: from.array("partitions")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for AlterShareGroupOffsetsRequestTopic<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            topic_name: from.string(),
            partitions: from.array(|from| AlterShareGroupOffsetsRequestPartition::sample(from, version)),
        }
    }
}

impl<'a> Decode<'a> for AlterShareGroupOffsetsRequestPartition {
    const MIN_LEN: usize = 13;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { partition_index: from.i32("partition_index")?, start_offset: from.i64("start_offset")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for AlterShareGroupOffsetsRequestPartition {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { partition_index: from.i32(), start_offset: from.i64() }
    }
}

impl Encode for AlterShareGroupOffsetsResponse<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.throttle_time_ms);
        to.i16(self.error_code);
        to.nullable_string("error_message", self.error_message)?;
        to.array("responses", &self.responses)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for AlterShareGroupOffsetsResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            throttle_time_ms: from.i32(),
            error_code: from.i16(),
            error_message: from.option(|from| from.string()),
            responses: from.array(|from| AlterShareGroupOffsetsResponseTopic::sample(from, version)),
        }
    }
}

impl Encode for AlterShareGroupOffsetsResponseTopic<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("topic_name", self.topic_name)?;
        to.uuid(self.topic_id);
        to.array("partitions", &self.partitions)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for AlterShareGroupOffsetsResponseTopic<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            topic_name: from.string(),
            topic_id: from.uuid(),
            partitions: from.array(|from| AlterShareGroupOffsetsResponsePartition::sample(from, version)),
        }
    }
}

impl Encode for AlterShareGroupOffsetsResponsePartition<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.partition_index);
        to.i16(self.error_code);
        to.nullable_string("error_message", self.error_message)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for AlterShareGroupOffsetsResponsePartition<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { partition_index: from.i32(), error_code: from.i16(), error_message: from.option(|from| from.string()) }
    }
}
