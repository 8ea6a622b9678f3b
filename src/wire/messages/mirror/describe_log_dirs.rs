// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::describe_log_dirs::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for DescribeLogDirsRequest<'a> {
    const MIN_LEN: usize = 2;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { topics: from.nullable_array("topics")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for DescribeLogDirsRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { topics: from.option(|from| from.array(|from| DescribableLogDirTopic::sample(from, version))) }
    }
}

impl<'a> Decode<'a> for DescribableLogDirTopic<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { topic: from.string("topic")?, partitions: from.array("partitions")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for DescribableLogDirTopic<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { topic: from.string(), partitions: from.array(|from| from.i32()) }
    }
}

impl Encode for DescribeLogDirsResponse<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.i32(self.throttle_time_ms);
        if version >= 3 {
            to.i16(self.error_code);
        }
        to.array("results", &self.results)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for DescribeLogDirsResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            throttle_time_ms: from.i32(),
            error_code: if version >= 3 { from.i16() } else { 0 },
            results: from.array(|from| DescribeLogDirsResult::sample(from, version)),
        }
    }
}

impl Encode for DescribeLogDirsResult<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.i16(self.error_code);
        to.string("log_dir", self.log_dir)?;
        to.array("topics", &self.topics)?;
        if version >= 4 {
            to.i64(self.total_bytes);
            to.i64(self.usable_bytes);
        }
        if version >= 5 {
            to.bool(self.is_cordoned);
        }
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for DescribeLogDirsResult<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            error_code: from.i16(),
            log_dir: from.string(),
            topics: from.array(|from| DescribeLogDirsTopic::sample(from, version)),
            total_bytes: if version >= 4 { from.i64() } else { -1 },
            usable_bytes: if version >= 4 { from.i64() } else { -1 },
            is_cordoned: if version >= 5 { from.bool() } else { false },
        }
    }
}

impl Encode for DescribeLogDirsTopic<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("name", self.name)?;
        to.array("partitions", &self.partitions)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for DescribeLogDirsTopic<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { name: from.string(), partitions: from.array(|from| DescribeLogDirsPartition::sample(from, version)) }
    }
}

impl Encode for DescribeLogDirsPartition {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.partition_index);
        to.i64(self.partition_size);
        to.i64(self.offset_lag);
        to.bool(self.is_future_key);
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for DescribeLogDirsPartition {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { partition_index: from.i32(), partition_size: from.i64(), offset_lag: from.i64(), is_future_key: from.bool() }
    }
}
