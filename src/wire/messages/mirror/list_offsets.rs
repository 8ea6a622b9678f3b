// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::list_offsets::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for ListOffsetsRequest<'a> {
    const MIN_LEN: usize = 7;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            replica_id: from.i32("replica_id")?,
            isolation_level: if version >= 2 { from.i8("isolation_level")? } else { 0 },
            topics: from.array("topics")?,
            timeout_ms: if version >= 10 { from.i32("timeout_ms")? } else { 0 },
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for ListOffsetsRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            replica_id: from.i32(),
            isolation_level: if version >= 2 { from.i8() } else { 0 },
            topics: from.array(|from| ListOffsetsTopic::sample(from, version)),
            timeout_ms: if version >= 10 { from.i32() } else { 0 },
        }
    }
}

impl<'a> Decode<'a> for ListOffsetsTopic<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { name: from.string("name")?, partitions: from.array("partitions")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for ListOffsetsTopic<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { name: from.string(), partitions: from.array(|from| ListOffsetsPartition::sample(from, version)) }
    }
}

impl<'a> Decode<'a> for ListOffsetsPartition {
    const MIN_LEN: usize = 12;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            partition_index: from.i32("partition_index")?,
            current_leader_epoch: if version >= 4 { from.i32("current_leader_epoch")? } else { -1 },
            timestamp: from.i64("timestamp")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for ListOffsetsPartition {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            partition_index: from.i32(),
            current_leader_epoch: if version >= 4 { from.i32() } else { -1 },
            timestamp: from.i64(),
        }
    }
}

impl Encode for ListOffsetsResponse<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        if version >= 2 {
            to.i32(self.throttle_time_ms);
        }
        to.array("topics", &self.topics)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for ListOffsetsResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            throttle_time_ms: if version >= 2 { from.i32() } else { 0 },
            topics: from.array(|from| ListOffsetsTopicResponse::sample(from, version)),
        }
    }
}

impl Encode for ListOffsetsTopicResponse<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("name", self.name)?;
        to.array("partitions", &self.partitions)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for ListOffsetsTopicResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { name: from.string(), partitions: from.array(|from| ListOffsetsPartitionResponse::sample(from, version)) }
    }
}

impl Encode for ListOffsetsPartitionResponse {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.i32(self.partition_index);
        to.i16(self.error_code);
        to.i64(self.timestamp);
        to.i64(self.offset);
        if version >= 4 {
            to.i32(self.leader_epoch);
        } else {
            to.lacks("leader_epoch", self.leader_epoch != -1)?;
        }
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for ListOffsetsPartitionResponse {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            partition_index: from.i32(),
            error_code: from.i16(),
            timestamp: from.i64(),
            offset: from.i64(),
            leader_epoch: if version >= 4 { from.i32() } else { -1 },
        }
    }
}
