// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::alter_replica_log_dirs::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for AlterReplicaLogDirsRequest<'a> {
    const MIN_LEN: usize = 2;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { dirs: from.array("dirs")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for AlterReplicaLogDirsRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { dirs: from.array(|from| AlterReplicaLogDir::sample(from, version)) }
    }
}

impl<'a> Decode<'a> for AlterReplicaLogDir<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { path: from.string("path")?, topics: from.array("topics")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for AlterReplicaLogDir<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { path: from.string(), topics: from.array(|from| AlterReplicaLogDirTopic::sample(from, version)) }
    }
}

impl<'a> Decode<'a> for AlterReplicaLogDirTopic<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { name: from.string("name")?, partitions: from.array("partitions")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for AlterReplicaLogDirTopic<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { name: from.string(), partitions: from.array(|from| from.i32()) }
    }
}

impl Encode for AlterReplicaLogDirsResponse<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.throttle_time_ms);
        to.array("results", &self.results)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for AlterReplicaLogDirsResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { throttle_time_ms: from.i32(), results: from.array(|from| AlterReplicaLogDirTopicResult::sample(from, version)) }
    }
}

impl Encode for AlterReplicaLogDirTopicResult<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("topic_name", self.topic_name)?;
        to.array("partitions", &self.partitions)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for AlterReplicaLogDirTopicResult<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            topic_name: from.string(),
            partitions: from.array(|from| AlterReplicaLogDirPartitionResult::sample(from, version)),
        }
    }
}

impl Encode for AlterReplicaLogDirPartitionResult {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.partition_index);
        to.i16(self.error_code);
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for AlterReplicaLogDirPartitionResult {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { partition_index: from.i32(), error_code: from.i16() }
    }
}
