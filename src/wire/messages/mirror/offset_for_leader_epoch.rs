// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::offset_for_leader_epoch::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for OffsetForLeaderEpochRequest<'a> {
    const MIN_LEN: usize = 4;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self { replica_id: if version >= 3 { from.i32("replica_id")? } else { -2 }, topics: from.array("topics")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for OffsetForLeaderEpochRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            replica_id: if version >= 3 { from.i32() } else { -2 },
            topics: from.array(|from| OffsetForLeaderTopic::sample(from, version)),
        }
    }
}

impl<'a> Decode<'a> for OffsetForLeaderTopic<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { topic: from.string("topic")?, partitions: from.array("partitions")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for OffsetForLeaderTopic<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { topic: from.string(), partitions: from.array(|from| OffsetForLeaderPartition::sample(from, version)) }
    }
}

impl<'a> Decode<'a> for OffsetForLeaderPartition {
    const MIN_LEN: usize = 12;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            partition: from.i32("partition")?,
            current_leader_epoch: from.i32("current_leader_epoch")?,
            leader_epoch: from.i32("leader_epoch")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for OffsetForLeaderPartition {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { partition: from.i32(), current_leader_epoch: from.i32(), leader_epoch: from.i32() }
    }
}

impl Encode for OffsetForLeaderEpochResponse<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.throttle_time_ms);
        to.array("topics", &self.topics)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for OffsetForLeaderEpochResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { throttle_time_ms: from.i32(), topics: from.array(|from| OffsetForLeaderTopicResult::sample(from, version)) }
    }
}

impl Encode for OffsetForLeaderTopicResult<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("topic", self.topic)?;
        to.array("partitions", &self.partitions)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for OffsetForLeaderTopicResult<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { topic: from.string(), partitions: from.array(|from| EpochEndOffset::sample(from, version)) }
    }
}

impl Encode for EpochEndOffset {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i16(self.error_code);
        to.i32(self.partition);
        to.i32(self.leader_epoch);
        to.i64(self.end_offset);
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for EpochEndOffset {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { error_code: from.i16(), partition: from.i32(), leader_epoch: from.i32(), end_offset: from.i64() }
    }
}
