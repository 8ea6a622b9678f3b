// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::ids::TopicId;
use crate::wire::messages::offset_fetch::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for OffsetFetchRequest<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            group_id: if version <= 7 { from.string("group_id")? } else { "" },
            topics: if version <= 7 {
                if version >= 2 { from.nullable_array("topics")? } else { Some(from.array("topics")?) }
            } else {
                Some(Vec::new())
            },
            groups: if version >= 8 { from.array("groups")? } else { Vec::new() },
            require_stable: if version >= 7 { from.bool("require_stable")? } else { false },
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for OffsetFetchRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            group_id: if version <= 7 { from.string() } else { "" },
            topics: if version <= 7 {
                if version >= 2 {
                    from.option(|from| from.array(|from| OffsetFetchRequestTopic::sample(from, version)))
                } else {
                    Some(from.array(|from| OffsetFetchRequestTopic::sample(from, version)))
                }
            } else {
                Some(Vec::new())
            },
            groups: if version >= 8 { from.array(|from| OffsetFetchRequestGroup::sample(from, version)) } else { Vec::new() },
            require_stable: if version >= 7 { from.bool() } else { false },
        }
    }
}

impl<'a> Decode<'a> for OffsetFetchRequestTopic<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { name: from.string("name")?, partition_indexes: from.array("partition_indexes")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for OffsetFetchRequestTopic<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { name: from.string(), partition_indexes: from.array(|from| from.i32()) }
    }
}

impl<'a> Decode<'a> for OffsetFetchRequestGroup<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            group_id: from.string("group_id")?,
            member_id: if version >= 9 { from.nullable_string("member_id")? } else { None },
            member_epoch: if version >= 9 { from.i32("member_epoch")? } else { -1 },
            topics: from.nullable_array("topics")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for OffsetFetchRequestGroup<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            group_id: from.string(),
            member_id: if version >= 9 { from.option(|from| from.string()) } else { None },
            member_epoch: if version >= 9 { from.i32() } else { -1 },
            topics: from.option(|from| from.array(|from| OffsetFetchRequestTopics::sample(from, version))),
        }
    }
}

impl<'a> Decode<'a> for OffsetFetchRequestTopics<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            name: if version <= 9 { from.string("name")? } else { "" },
            topic_id: if version >= 10 { from.uuid("topic_id")? } else { TopicId::ZERO },
            partition_indexes: from.array("partition_indexes")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for OffsetFetchRequestTopics<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            name: if version <= 9 { from.string() } else { "" },
            topic_id: if version >= 10 { from.uuid() } else { TopicId::ZERO },
            partition_indexes: from.array(|from| from.i32()),
        }
    }
}

impl Encode for OffsetFetchResponse<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        if version >= 3 {
            to.i32(self.throttle_time_ms);
        }
        if version <= 7 {
            to.array("topics", &self.topics)?;
        } else {
            to.lacks("topics", !self.topics.is_empty())?;
        }
        if (2..=7).contains(&version) {
            to.i16(self.error_code);
        }
        if version >= 8 {
            to.array("groups", &self.groups)?;
        } else {
            to.lacks("groups", !self.groups.is_empty())?;
        }
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for OffsetFetchResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            throttle_time_ms: if version >= 3 { from.i32() } else { 0 },
            topics: if version <= 7 { from.array(|from| OffsetFetchResponseTopic::sample(from, version)) } else { Vec::new() },
            error_code: if (2..=7).contains(&version) { from.i16() } else { 0 },
            groups: if version >= 8 { from.array(|from| OffsetFetchResponseGroup::sample(from, version)) } else { Vec::new() },
        }
    }
}

impl Encode for OffsetFetchResponseTopic<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("name", self.name)?;
        to.array("partitions", &self.partitions)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for OffsetFetchResponseTopic<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { name: from.string(), partitions: from.array(|from| OffsetFetchResponsePartition::sample(from, version)) }
    }
}

impl Encode for OffsetFetchResponsePartition<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.i32(self.partition_index);
        to.i64(self.committed_offset);
        if version >= 5 {
            to.i32(self.committed_leader_epoch);
        }
        to.nullable_string("metadata", self.metadata)?;
        to.i16(self.error_code);
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for OffsetFetchResponsePartition<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            partition_index: from.i32(),
            committed_offset: from.i64(),
            committed_leader_epoch: if version >= 5 { from.i32() } else { -1 },
            metadata: from.option(|from| from.string()),
            error_code: from.i16(),
        }
    }
}

impl Encode for OffsetFetchResponseGroup<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("group_id", self.group_id)?;
        to.array("topics", &self.topics)?;
        to.i16(self.error_code);
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for OffsetFetchResponseGroup<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            group_id: from.string(),
            topics: from.array(|from| OffsetFetchResponseTopics::sample(from, version)),
            error_code: from.i16(),
        }
    }
}

impl Encode for OffsetFetchResponseTopics<'_> {
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

impl Sample for OffsetFetchResponseTopics<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            name: if version <= 9 { from.string() } else { "" },
            topic_id: if version >= 10 { from.uuid() } else { TopicId::ZERO },
            partitions: from.array(|from| OffsetFetchResponsePartitions::sample(from, version)),
        }
    }
}

impl Encode for OffsetFetchResponsePartitions<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.partition_index);
        to.i64(self.committed_offset);
        to.i32(self.committed_leader_epoch);
        to.nullable_string("metadata", self.metadata)?;
        to.i16(self.error_code);
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for OffsetFetchResponsePartitions<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self {
            partition_index: from.i32(),
            committed_offset: from.i64(),
            committed_leader_epoch: from.i32(),
            metadata: from.option(|from| from.string()),
            error_code: from.i16(),
        }
    }
}
