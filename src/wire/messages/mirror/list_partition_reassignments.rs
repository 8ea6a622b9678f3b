// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::list_partition_reassignments::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for ListPartitionReassignmentsRequest<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { timeout_ms: from.i32("timeout_ms")?, topics: from.nullable_array("topics")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for ListPartitionReassignmentsRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            timeout_ms: from.i32(),
            topics: from.option(|from| from.array(|from| ListPartitionReassignmentsTopics::sample(from, version))),
        }
    }
}

impl<'a> Decode<'a> for ListPartitionReassignmentsTopics<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { name: from.string("name")?, partition_indexes: from.array("partition_indexes")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for ListPartitionReassignmentsTopics<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { name: from.string(), partition_indexes: from.array(|from| from.i32()) }
    }
}

impl Encode for ListPartitionReassignmentsResponse<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.throttle_time_ms);
        to.i16(self.error_code);
        to.nullable_string("error_message", self.error_message)?;
        to.array("topics", &self.topics)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for ListPartitionReassignmentsResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            throttle_time_ms: from.i32(),
            error_code: from.i16(),
            error_message: from.option(|from| from.string()),
            topics: from.array(|from| OngoingTopicReassignment::sample(from, version)),
        }
    }
}

impl Encode for OngoingTopicReassignment<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("name", self.name)?;
        to.array("partitions", &self.partitions)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for OngoingTopicReassignment<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { name: from.string(), partitions: from.array(|from| OngoingPartitionReassignment::sample(from, version)) }
    }
}

impl Encode for OngoingPartitionReassignment {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.partition_index);
        to.array("replicas", &self.replicas)?;
        to.array("adding_replicas", &self.adding_replicas)?;
        to.array("removing_replicas", &self.removing_replicas)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for OngoingPartitionReassignment {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self {
            partition_index: from.i32(),
            replicas: from.array(|from| from.i32()),
            adding_replicas: from.array(|from| from.i32()),
            removing_replicas: from.array(|from| from.i32()),
        }
    }
}
