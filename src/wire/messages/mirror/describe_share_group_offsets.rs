// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::describe_share_group_offsets::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for DescribeShareGroupOffsetsRequest<'a> {
    const MIN_LEN: usize = 2;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { groups: from.array("groups")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for DescribeShareGroupOffsetsRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { groups: from.array(|from| DescribeShareGroupOffsetsRequestGroup::sample(from, version)) }
    }
}

impl<'a> Decode<'a> for DescribeShareGroupOffsetsRequestGroup<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { group_id: from.string("group_id")?, topics: from.nullable_array("topics")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for DescribeShareGroupOffsetsRequestGroup<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            group_id: from.string(),
            topics: from.option(|from| from.array(|from| DescribeShareGroupOffsetsRequestTopic::sample(from, version))),
        }
    }
}

impl<'a> Decode<'a> for DescribeShareGroupOffsetsRequestTopic<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { topic_name: from.string("topic_name")?, partitions: from.array("partitions")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for DescribeShareGroupOffsetsRequestTopic<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { topic_name: from.string(), partitions: from.array(|from| from.i32()) }
    }
}

impl Encode for DescribeShareGroupOffsetsResponse<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.throttle_time_ms);
        to.array("groups", &self.groups)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for DescribeShareGroupOffsetsResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            throttle_time_ms: from.i32(),
            groups: from.array(|from| DescribeShareGroupOffsetsResponseGroup::sample(from, version)),
        }
    }
}

impl Encode for DescribeShareGroupOffsetsResponseGroup<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("group_id", self.group_id)?;
        to.array("topics", &self.topics)?;
        to.i16(self.error_code);
        to.nullable_string("error_message", self.error_message)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for DescribeShareGroupOffsetsResponseGroup<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            group_id: from.string(),
            topics: from.array(|from| DescribeShareGroupOffsetsResponseTopic::sample(from, version)),
            error_code: from.i16(),
            error_message: from.option(|from| from.string()),
        }
    }
}

impl Encode for DescribeShareGroupOffsetsResponseTopic<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("topic_name", self.topic_name)?;
        to.uuid(self.topic_id);
        to.array("partitions", &self.partitions)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for DescribeShareGroupOffsetsResponseTopic<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            topic_name: from.string(),
            topic_id: from.uuid(),
            partitions: from.array(|from| DescribeShareGroupOffsetsResponsePartition::sample(from, version)),
        }
    }
}

impl Encode for DescribeShareGroupOffsetsResponsePartition<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.i32(self.partition_index);
        to.i64(self.start_offset);
        to.i32(self.leader_epoch);
        if version >= 1 {
            to.i64(self.lag);
        }
        to.i16(self.error_code);
        to.nullable_string("error_message", self.error_message)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for DescribeShareGroupOffsetsResponsePartition<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            partition_index: from.i32(),
            start_offset: from.i64(),
            leader_epoch: from.i32(),
            lag: if version >= 1 { from.i64() } else { -1 },
            error_code: from.i16(),
            error_message: from.option(|from| from.string()),
        }
    }
}
