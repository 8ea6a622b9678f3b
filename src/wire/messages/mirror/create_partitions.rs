// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::create_partitions::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for CreatePartitionsRequest<'a> {
    const MIN_LEN: usize = 7;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            topics: from.array("topics")?,
            timeout_ms: from.i32("timeout_ms")?,
            validate_only: from.bool("validate_only")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for CreatePartitionsRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            topics: from.array(|from| CreatePartitionsTopic::sample(from, version)),
            timeout_ms: from.i32(),
            validate_only: from.bool(),
        }
    }
}

impl<'a> Decode<'a> for CreatePartitionsTopic<'a> {
    const MIN_LEN: usize = 7;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this =
            Self { name: from.string("name")?, count: from.i32("count")?, assignments: from.nullable_array("assignments")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for CreatePartitionsTopic<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            name: from.string(),
            count: from.i32(),
            assignments: from.option(|from| from.array(|from| CreatePartitionsAssignment::sample(from, version))),
        }
    }
}

impl<'a> Decode<'a> for CreatePartitionsAssignment {
    const MIN_LEN: usize = 2;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { broker_ids: from.array("broker_ids")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for CreatePartitionsAssignment {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { broker_ids: from.array(|from| from.i32()) }
    }
}

impl Encode for CreatePartitionsResponse<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.throttle_time_ms);
        to.array("results", &self.results)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for CreatePartitionsResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { throttle_time_ms: from.i32(), results: from.array(|from| CreatePartitionsTopicResult::sample(from, version)) }
    }
}

impl Encode for CreatePartitionsTopicResult<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("name", self.name)?;
        to.i16(self.error_code);
        to.nullable_string("error_message", self.error_message)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for CreatePartitionsTopicResult<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { name: from.string(), error_code: from.i16(), error_message: from.option(|from| from.string()) }
    }
}
