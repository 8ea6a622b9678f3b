// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::offset_delete::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for OffsetDeleteRequest<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        Ok(Self { group_id: from.string("group_id")?, topics: from.array("topics")? })
    }
}

impl Sample for OffsetDeleteRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { group_id: from.string(), topics: from.array(|from| OffsetDeleteRequestTopic::sample(from, version)) }
    }
}

impl<'a> Decode<'a> for OffsetDeleteRequestTopic<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        Ok(Self { name: from.string("name")?, partitions: from.array("partitions")? })
    }
}

impl Sample for OffsetDeleteRequestTopic<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { name: from.string(), partitions: from.array(|from| OffsetDeleteRequestPartition::sample(from, version)) }
    }
}

impl<'a> Decode<'a> for OffsetDeleteRequestPartition {
    const MIN_LEN: usize = 4;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        Ok(Self { partition_index: from.i32("partition_index")? })
    }
}

impl Sample for OffsetDeleteRequestPartition {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { partition_index: from.i32() }
    }
}

impl Encode for OffsetDeleteResponse<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i16(self.error_code);
        to.i32(self.throttle_time_ms);
        to.array("topics", &self.topics)?;
        Ok(())
    }
}

impl Sample for OffsetDeleteResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            error_code: from.i16(),
            throttle_time_ms: from.i32(),
            topics: from.array(|from| OffsetDeleteResponseTopic::sample(from, version)),
        }
    }
}

impl Encode for OffsetDeleteResponseTopic<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("name", self.name)?;
        to.array("partitions", &self.partitions)?;
        Ok(())
    }
}

impl Sample for OffsetDeleteResponseTopic<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { name: from.string(), partitions: from.array(|from| OffsetDeleteResponsePartition::sample(from, version)) }
    }
}

impl Encode for OffsetDeleteResponsePartition {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.partition_index);
        to.i16(self.error_code);
        Ok(())
    }
}

impl Sample for OffsetDeleteResponsePartition {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { partition_index: from.i32(), error_code: from.i16() }
    }
}
