// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::describe_topic_partitions::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for DescribeTopicPartitionsRequest<'a> {
    const MIN_LEN: usize = 7;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            topics: from.array("topics")?,
            response_partition_limit: from.i32("response_partition_limit")?,
            cursor: from.nullable_structure("cursor")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for DescribeTopicPartitionsRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            topics: from.array(|from| TopicRequest::sample(from, version)),
            response_partition_limit: from.i32(),
            cursor: from.option(|from| RequestCursor::sample(from, version)),
        }
    }
}

impl<'a> Decode<'a> for TopicRequest<'a> {
    const MIN_LEN: usize = 2;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { name: from.string("name")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for TopicRequest<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { name: from.string() }
    }
}

impl<'a> Decode<'a> for RequestCursor<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { topic_name: from.string("topic_name")?, partition_index: from.i32("partition_index")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for RequestCursor<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { topic_name: from.string(), partition_index: from.i32() }
    }
}

impl Encode for DescribeTopicPartitionsResponse<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.throttle_time_ms);
        to.array("topics", &self.topics)?;
        to.nullable_structure(self.next_cursor.as_ref())?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for DescribeTopicPartitionsResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            throttle_time_ms: from.i32(),
            topics: from.array(|from| DescribeTopicPartitionsResponseTopic::sample(from, version)),
            next_cursor: from.option(|from| ResponseCursor::sample(from, version)),
        }
    }
}

impl Encode for DescribeTopicPartitionsResponseTopic<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i16(self.error_code);
        to.nullable_string("name", self.name)?;
        to.uuid(self.topic_id);
        to.bool(self.is_internal);
        to.array("partitions", &self.partitions)?;
        to.i32(self.topic_authorized_operations);
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for DescribeTopicPartitionsResponseTopic<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            error_code: from.i16(),
            name: from.option(|from| from.string()),
            topic_id: from.uuid(),
            is_internal: from.bool(),
            partitions: from.array(|from| DescribeTopicPartitionsResponsePartition::sample(from, version)),
            topic_authorized_operations: from.i32(),
        }
    }
}

impl Encode for DescribeTopicPartitionsResponsePartition {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i16(self.error_code);
        to.i32(self.partition_index);
        to.i32(self.leader_id);
        to.i32(self.leader_epoch);
        to.array("replica_nodes", &self.replica_nodes)?;
        to.array("isr_nodes", &self.isr_nodes)?;
        to.nullable_array("eligible_leader_replicas", self.eligible_leader_replicas.as_deref())?;
        to.nullable_array("last_known_elr", self.last_known_elr.as_deref())?;
        to.array("offline_replicas", &self.offline_replicas)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for DescribeTopicPartitionsResponsePartition {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self {
            error_code: from.i16(),
            partition_index: from.i32(),
            leader_id: from.i32(),
            leader_epoch: from.i32(),
            replica_nodes: from.array(|from| from.i32()),
            isr_nodes: from.array(|from| from.i32()),
            eligible_leader_replicas: from.option(|from| from.array(|from| from.i32())),
            last_known_elr: from.option(|from| from.array(|from| from.i32())),
            offline_replicas: from.array(|from| from.i32()),
        }
    }
}

impl Encode for ResponseCursor<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("topic_name", self.topic_name)?;
        to.i32(self.partition_index);
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for ResponseCursor<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { topic_name: from.string(), partition_index: from.i32() }
    }
}
