// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::ids::TopicId;
use crate::wire::messages::offset_commit::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for OffsetCommitRequest<'a> {
    const MIN_LEN: usize = 9;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            group_id: from.string("group_id")?,
            generation_id_or_member_epoch: from.i32("generation_id_or_member_epoch")?,
            member_id: from.string("member_id")?,
            group_instance_id: if version >= 7 { from.nullable_string("group_instance_id")? } else { None },
            retention_time_ms: if version <= 4 { from.i64("retention_time_ms")? } else { -1 },
            topics: from.array("topics")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for OffsetCommitRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            group_id: from.string(),
            generation_id_or_member_epoch: from.i32(),
            member_id: from.string(),
            group_instance_id: if version >= 7 { from.option(|from| from.string()) } else { None },
            retention_time_ms: if version <= 4 { from.i64() } else { -1 },
            topics: from.array(|from| OffsetCommitRequestTopic::sample(from, version)),
        }
    }
}

impl<'a> Decode<'a> for OffsetCommitRequestTopic<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            name: if version <= 9 { from.string("name")? } else { "" },
            topic_id: if version >= 10 { from.uuid("topic_id")? } else { TopicId::ZERO },
            partitions: from.array("partitions")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for OffsetCommitRequestTopic<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            name: if version <= 9 { from.string() } else { "" },
            topic_id: if version >= 10 { from.uuid() } else { TopicId::ZERO },
            partitions: from.array(|from| OffsetCommitRequestPartition::sample(from, version)),
        }
    }
}

impl<'a> Decode<'a> for OffsetCommitRequestPartition<'a> {
    const MIN_LEN: usize = 14;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            partition_index: from.i32("partition_index")?,
            committed_offset: from.i64("committed_offset")?,
            committed_leader_epoch: if version >= 6 { from.i32("committed_leader_epoch")? } else { -1 },
            committed_metadata: from.nullable_string("committed_metadata")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for OffsetCommitRequestPartition<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            partition_index: from.i32(),
            committed_offset: from.i64(),
            committed_leader_epoch: if version >= 6 { from.i32() } else { -1 },
            committed_metadata: from.option(|from| from.string()),
        }
    }
}

impl Encode for OffsetCommitResponse<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        if version >= 3 {
            to.i32(self.throttle_time_ms);
        }
        to.array("topics", &self.topics)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for OffsetCommitResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            throttle_time_ms: if version >= 3 { from.i32() } else { 0 },
            topics: from.array(|from| OffsetCommitResponseTopic::sample(from, version)),
        }
    }
}

impl Encode for OffsetCommitResponseTopic<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        if version <= 9 {
            to.string("name", self.name)?;
        }
        if version >= 10 {
            to.uuid(self.topic_id);
        }
        to.array("partitions", &self.partitions)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for OffsetCommitResponseTopic<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            name: if version <= 9 { from.string() } else { "" },
            topic_id: if version >= 10 { from.uuid() } else { TopicId::ZERO },
            partitions: from.array(|from| OffsetCommitResponsePartition::sample(from, version)),
        }
    }
}

impl Encode for OffsetCommitResponsePartition {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.partition_index);
        to.i16(self.error_code);
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for OffsetCommitResponsePartition {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { partition_index: from.i32(), error_code: from.i16() }
    }
}
