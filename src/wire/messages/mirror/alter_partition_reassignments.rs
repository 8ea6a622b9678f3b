// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::alter_partition_reassignments::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for AlterPartitionReassignmentsRequest<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            timeout_ms: from.i32("timeout_ms")?,
            allow_replication_factor_change: if version >= 1 { from.bool("allow_replication_factor_change")? } else { true },
            topics: from.array("topics")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for AlterPartitionReassignmentsRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            timeout_ms: from.i32(),
            allow_replication_factor_change: if version >= 1 { from.bool() } else { true },
            topics: from.array(|from| ReassignableTopic::sample(from, version)),
        }
    }
}

impl<'a> Decode<'a> for ReassignableTopic<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { name: from.string("name")?, partitions: from.array("partitions")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for ReassignableTopic<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { name: from.string(), partitions: from.array(|from| ReassignablePartition::sample(from, version)) }
    }
}

impl<'a> Decode<'a> for ReassignablePartition {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { partition_index: from.i32("partition_index")?, replicas: from.nullable_array("replicas")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for ReassignablePartition {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { partition_index: from.i32(), replicas: from.option(|from| from.array(|from| from.i32())) }
    }
}

impl Encode for AlterPartitionReassignmentsResponse<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.i32(self.throttle_time_ms);
        if version >= 1 {
            to.bool(self.allow_replication_factor_change);
        }
        to.i16(self.error_code);
        to.nullable_string("error_message", self.error_message)?;
        to.array("responses", &self.responses)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for AlterPartitionReassignmentsResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            throttle_time_ms: from.i32(),
            allow_replication_factor_change: if version >= 1 { from.bool() } else { true },
            error_code: from.i16(),
            error_message: from.option(|from| from.string()),
            responses: from.array(|from| ReassignableTopicResponse::sample(from, version)),
        }
    }
}

impl Encode for ReassignableTopicResponse<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("name", self.name)?;
        to.array("partitions", &self.partitions)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for ReassignableTopicResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { name: from.string(), partitions: from.array(|from| ReassignablePartitionResponse::sample(from, version)) }
    }
}

impl Encode for ReassignablePartitionResponse<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.partition_index);
        to.i16(self.error_code);
        to.nullable_string("error_message", self.error_message)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for ReassignablePartitionResponse<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { partition_index: from.i32(), error_code: from.i16(), error_message: from.option(|from| from.string()) }
    }
}
