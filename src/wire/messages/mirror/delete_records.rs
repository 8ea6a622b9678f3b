// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::delete_records::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for DeleteRecordsRequest<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { topics: from.array("topics")?, timeout_ms: from.i32("timeout_ms")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for DeleteRecordsRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { topics: from.array(|from| DeleteRecordsTopic::sample(from, version)), timeout_ms: from.i32() }
    }
}

impl<'a> Decode<'a> for DeleteRecordsTopic<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { name: from.string("name")?, partitions: from.array("partitions")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for DeleteRecordsTopic<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { name: from.string(), partitions: from.array(|from| DeleteRecordsPartition::sample(from, version)) }
    }
}

impl<'a> Decode<'a> for DeleteRecordsPartition {
    const MIN_LEN: usize = 12;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { partition_index: from.i32("partition_index")?, offset: from.i64("offset")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for DeleteRecordsPartition {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { partition_index: from.i32(), offset: from.i64() }
    }
}

impl Encode for DeleteRecordsResponse<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.throttle_time_ms);
        to.array("topics", &self.topics)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for DeleteRecordsResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { throttle_time_ms: from.i32(), topics: from.array(|from| DeleteRecordsTopicResult::sample(from, version)) }
    }
}

impl Encode for DeleteRecordsTopicResult<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("name", self.name)?;
        to.array("partitions", &self.partitions)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for DeleteRecordsTopicResult<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { name: from.string(), partitions: from.array(|from| DeleteRecordsPartitionResult::sample(from, version)) }
    }
}

impl Encode for DeleteRecordsPartitionResult {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.partition_index);
        to.i64(self.low_watermark);
        to.i16(self.error_code);
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for DeleteRecordsPartitionResult {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { partition_index: from.i32(), low_watermark: from.i64(), error_code: from.i16() }
    }
}
