// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::ids::TopicId;
use crate::wire::messages::describe_quorum::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for DescribeQuorumRequest<'a> {
    const MIN_LEN: usize = 2;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { topics: from.array("topics")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for DescribeQuorumRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { topics: from.array(|from| RequestTopicData::sample(from, version)) }
    }
}

impl<'a> Decode<'a> for RequestTopicData<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { topic_name: from.string("topic_name")?, partitions: from.array("partitions")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for RequestTopicData<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { topic_name: from.string(), partitions: from.array(|from| RequestPartitionData::sample(from, version)) }
    }
}

impl<'a> Decode<'a> for RequestPartitionData {
    const MIN_LEN: usize = 5;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { partition_index: from.i32("partition_index")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for RequestPartitionData {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { partition_index: from.i32() }
    }
}

impl Encode for DescribeQuorumResponse<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.i16(self.error_code);
        if version >= 2 {
            to.nullable_string("error_message", self.error_message)?;
        }
        to.array("topics", &self.topics)?;
        if version >= 2 {
            to.array("nodes", &self.nodes)?;
        } else {
            to.lacks("nodes", !self.nodes.is_empty())?;
        }
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for DescribeQuorumResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            error_code: from.i16(),
            error_message: if version >= 2 { from.option(|from| from.string()) } else { Some("") },
            topics: from.array(|from| ResponseTopicData::sample(from, version)),
            nodes: if version >= 2 { from.array(|from| Node::sample(from, version)) } else { Vec::new() },
        }
    }
}

impl Encode for ResponseTopicData<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("topic_name", self.topic_name)?;
        to.array("partitions", &self.partitions)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for ResponseTopicData<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { topic_name: from.string(), partitions: from.array(|from| ResponsePartitionData::sample(from, version)) }
    }
}

impl Encode for ResponsePartitionData<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.i32(self.partition_index);
        to.i16(self.error_code);
        if version >= 2 {
            to.nullable_string("error_message", self.error_message)?;
        }
        to.i32(self.leader_id);
        to.i32(self.leader_epoch);
        to.i64(self.high_watermark);
        to.array("current_voters", &self.current_voters)?;
        to.array("observers", &self.observers)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for ResponsePartitionData<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            partition_index: from.i32(),
            error_code: from.i16(),
            error_message: if version >= 2 { from.option(|from| from.string()) } else { Some("") },
            leader_id: from.i32(),
            leader_epoch: from.i32(),
            high_watermark: from.i64(),
            current_voters: from.array(|from| ReplicaState::sample(from, version)),
            observers: from.array(|from| ReplicaState::sample(from, version)),
        }
    }
}

impl Encode for ReplicaState {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.i32(self.replica_id);
        if version >= 2 {
            to.uuid(self.replica_directory_id);
        } else {
            to.lacks("replica_directory_id", self.replica_directory_id != TopicId::ZERO)?;
        }
        to.i64(self.log_end_offset);
        if version >= 1 {
            to.i64(self.last_fetch_timestamp);
            to.i64(self.last_caught_up_timestamp);
        }
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for ReplicaState {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            replica_id: from.i32(),
            replica_directory_id: if version >= 2 { from.uuid() } else { TopicId::ZERO },
            log_end_offset: from.i64(),
            last_fetch_timestamp: if version >= 1 { from.i64() } else { -1 },
            last_caught_up_timestamp: if version >= 1 { from.i64() } else { -1 },
        }
    }
}

impl Encode for Node<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.node_id);
        to.array("listeners", &self.listeners)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for Node<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { node_id: from.i32(), listeners: from.array(|from| Listener::sample(from, version)) }
    }
}

impl Encode for Listener<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("name", self.name)?;
        to.string("host", self.host)?;
        to.u16(self.port);
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for Listener<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { name: from.string(), host: from.string(), port: from.u16() }
    }
}
