// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! DeleteRecords, API key 21, versions 0 to 2, flexible from 2.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for DeleteRecordsRequest<'_> {
    const API: ApiKey = ApiKey::DeleteRecords;
    const VERSIONS: RangeInclusive<i16> = 0..=2;
    const FLEXIBLE: i16 = 2;
    const THROTTLE: i16 = 0;
    type Response<'a> = DeleteRecordsResponse<'a>;
}

/// The request, versions 0 to 2, flexible from 2.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct DeleteRecordsRequest<'a> {
    pub(crate) topics: Vec<DeleteRecordsTopic<'a>>,
    pub(crate) timeout_ms: i32,
}

impl Encode for DeleteRecordsRequest<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.array("topics", &self.topics)?;
        to.i32(self.timeout_ms);
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`DeleteRecordsRequest::topics`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct DeleteRecordsTopic<'a> {
    pub(crate) name: &'a str,
    pub(crate) partitions: Vec<DeleteRecordsPartition>,
}

impl Encode for DeleteRecordsTopic<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("name", self.name)?;
        to.array("partitions", &self.partitions)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`DeleteRecordsTopic::partitions`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct DeleteRecordsPartition {
    pub(crate) partition_index: i32,
    pub(crate) offset: i64,
}

impl Encode for DeleteRecordsPartition {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.partition_index);
        to.i64(self.offset);
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 0 to 2, flexible from 2.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct DeleteRecordsResponse<'a> {
    pub(crate) throttle_time_ms: i32,
    pub(crate) topics: Vec<DeleteRecordsTopicResult<'a>>,
}

impl<'a> Decode<'a> for DeleteRecordsResponse<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { throttle_time_ms: from.i32("throttle_time_ms")?, topics: from.array("topics")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`DeleteRecordsResponse::topics`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct DeleteRecordsTopicResult<'a> {
    pub(crate) name: &'a str,
    pub(crate) partitions: Vec<DeleteRecordsPartitionResult>,
}

impl<'a> Decode<'a> for DeleteRecordsTopicResult<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { name: from.string("name")?, partitions: from.array("partitions")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`DeleteRecordsTopicResult::partitions`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct DeleteRecordsPartitionResult {
    pub(crate) partition_index: i32,
    pub(crate) low_watermark: i64,
    pub(crate) error_code: i16,
}

impl<'a> Decode<'a> for DeleteRecordsPartitionResult {
    const MIN_LEN: usize = 14;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            partition_index: from.i32("partition_index")?,
            low_watermark: from.i64("low_watermark")?,
            error_code: from.i16("error_code")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
