// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::describe_producers::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for DescribeProducersRequest<'a> {
    const MIN_LEN: usize = 2;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { topics: from.array("topics")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for DescribeProducersRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { topics: from.array(|from| TopicRequest::sample(from, version)) }
    }
}

impl<'a> Decode<'a> for TopicRequest<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { name: from.string("name")?, partition_indexes: from.array("partition_indexes")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for TopicRequest<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { name: from.string(), partition_indexes: from.array(|from| from.i32()) }
    }
}

impl Encode for DescribeProducersResponse<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.throttle_time_ms);
        to.array("topics", &self.topics)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for DescribeProducersResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { throttle_time_ms: from.i32(), topics: from.array(|from| TopicResponse::sample(from, version)) }
    }
}

impl Encode for TopicResponse<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("name", self.name)?;
        to.array("partitions", &self.partitions)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for TopicResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { name: from.string(), partitions: from.array(|from| PartitionResponse::sample(from, version)) }
    }
}

impl Encode for PartitionResponse<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.partition_index);
        to.i16(self.error_code);
        to.nullable_string("error_message", self.error_message)?;
        to.array("active_producers", &self.active_producers)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for PartitionResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            partition_index: from.i32(),
            error_code: from.i16(),
            error_message: from.option(|from| from.string()),
            active_producers: from.array(|from| ProducerState::sample(from, version)),
        }
    }
}

impl Encode for ProducerState {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i64(self.producer_id);
        to.i32(self.producer_epoch);
        to.i32(self.last_sequence);
        to.i64(self.last_timestamp);
        to.i32(self.coordinator_epoch);
        to.i64(self.current_txn_start_offset);
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for ProducerState {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self {
            producer_id: from.i64(),
            producer_epoch: from.i32(),
            last_sequence: from.i32(),
            last_timestamp: from.i64(),
            coordinator_epoch: from.i32(),
            current_txn_start_offset: from.i64(),
        }
    }
}
