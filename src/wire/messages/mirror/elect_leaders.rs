// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::elect_leaders::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for ElectLeadersRequest<'a> {
    const MIN_LEN: usize = 7;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            election_type: if version >= 1 { from.i8("election_type")? } else { 0 },
            topic_partitions: from.nullable_array("topic_partitions")?,
            timeout_ms: from.i32("timeout_ms")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for ElectLeadersRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            election_type: if version >= 1 { from.i8() } else { 0 },
            topic_partitions: from.option(|from| from.array(|from| TopicPartitions::sample(from, version))),
            timeout_ms: from.i32(),
        }
    }
}

impl<'a> Decode<'a> for TopicPartitions<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { topic: from.string("topic")?, partitions: from.array("partitions")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for TopicPartitions<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { topic: from.string(), partitions: from.array(|from| from.i32()) }
    }
}

impl Encode for ElectLeadersResponse<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.i32(self.throttle_time_ms);
        if version >= 1 {
            to.i16(self.error_code);
        } else {
            to.lacks("error_code", self.error_code != 0)?;
        }
        to.array("replica_election_results", &self.replica_election_results)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for ElectLeadersResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            throttle_time_ms: from.i32(),
            error_code: if version >= 1 { from.i16() } else { 0 },
            replica_election_results: from.array(|from| ReplicaElectionResult::sample(from, version)),
        }
    }
}

impl Encode for ReplicaElectionResult<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("topic", self.topic)?;
        to.array("partition_result", &self.partition_result)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for ReplicaElectionResult<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { topic: from.string(), partition_result: from.array(|from| PartitionResult::sample(from, version)) }
    }
}

impl Encode for PartitionResult<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.partition_id);
        to.i16(self.error_code);
        to.nullable_string("error_message", self.error_message)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for PartitionResult<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { partition_id: from.i32(), error_code: from.i16(), error_message: from.option(|from| from.string()) }
    }
}
