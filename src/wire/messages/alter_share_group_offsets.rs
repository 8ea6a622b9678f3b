// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! AlterShareGroupOffsets, API key 91, version 0, flexible.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::ids::TopicId;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for AlterShareGroupOffsetsRequest<'_> {
    const API: ApiKey = ApiKey::AlterShareGroupOffsets;
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    const FLEXIBLE: i16 = 0;
    const THROTTLE: i16 = 0;
    type Response<'a> = AlterShareGroupOffsetsResponse<'a>;
}

/// The request, version 0, flexible.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct AlterShareGroupOffsetsRequest<'a> {
    pub(crate) group_id: &'a str,
    pub(crate) topics: Vec<AlterShareGroupOffsetsRequestTopic<'a>>,
}

impl Encode for AlterShareGroupOffsetsRequest<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("group_id", self.group_id)?;
        to.array("topics", &self.topics)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`AlterShareGroupOffsetsRequest::topics`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct AlterShareGroupOffsetsRequestTopic<'a> {
    pub(crate) topic_name: &'a str,
    pub(crate) partitions: Vec<AlterShareGroupOffsetsRequestPartition>,
}

impl Encode for AlterShareGroupOffsetsRequestTopic<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("topic_name", self.topic_name)?;
        to.array("partitions", &self.partitions)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`AlterShareGroupOffsetsRequestTopic::partitions`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct AlterShareGroupOffsetsRequestPartition {
    pub(crate) partition_index: i32,
    pub(crate) start_offset: i64,
}

impl Encode for AlterShareGroupOffsetsRequestPartition {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.partition_index);
        to.i64(self.start_offset);
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, version 0, flexible.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct AlterShareGroupOffsetsResponse<'a> {
    pub(crate) throttle_time_ms: i32,
    pub(crate) error_code: i16,
    pub(crate) error_message: Option<&'a str>,
    pub(crate) responses: Vec<AlterShareGroupOffsetsResponseTopic<'a>>,
}

impl<'a> Decode<'a> for AlterShareGroupOffsetsResponse<'a> {
    const MIN_LEN: usize = 9;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            throttle_time_ms: from.i32("throttle_time_ms")?,
            error_code: from.i16("error_code")?,
            error_message: from.nullable_string("error_message")?,
            responses: from.array("responses")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`AlterShareGroupOffsetsResponse::responses`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AlterShareGroupOffsetsResponseTopic<'a> {
    pub(crate) topic_name: &'a str,
    pub(crate) topic_id: TopicId,
    pub(crate) partitions: Vec<AlterShareGroupOffsetsResponsePartition<'a>>,
}

impl Default for AlterShareGroupOffsetsResponseTopic<'_> {
    fn default() -> Self {
        Self { topic_name: "", topic_id: TopicId::ZERO, partitions: Vec::new() }
    }
}

impl<'a> Decode<'a> for AlterShareGroupOffsetsResponseTopic<'a> {
    const MIN_LEN: usize = 19;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            topic_name: from.string("topic_name")?,
            topic_id: from.uuid("topic_id")?,
            partitions: from.array("partitions")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`AlterShareGroupOffsetsResponseTopic::partitions`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct AlterShareGroupOffsetsResponsePartition<'a> {
    pub(crate) partition_index: i32,
    pub(crate) error_code: i16,
    pub(crate) error_message: Option<&'a str>,
}

impl<'a> Decode<'a> for AlterShareGroupOffsetsResponsePartition<'a> {
    const MIN_LEN: usize = 8;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            partition_index: from.i32("partition_index")?,
            error_code: from.i16("error_code")?,
            error_message: from.nullable_string("error_message")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
