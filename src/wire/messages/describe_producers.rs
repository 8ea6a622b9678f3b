// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! DescribeProducers, API key 61, version 0, flexible.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for DescribeProducersRequest<'_> {
    const API: ApiKey = ApiKey::DescribeProducers;
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    const FLEXIBLE: i16 = 0;
    const THROTTLE: i16 = 0;
    type Response<'a> = DescribeProducersResponse<'a>;
}

/// The request, version 0, flexible.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct DescribeProducersRequest<'a> {
    pub(crate) topics: Vec<TopicRequest<'a>>,
}

impl Encode for DescribeProducersRequest<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.array("topics", &self.topics)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`DescribeProducersRequest::topics`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct TopicRequest<'a> {
    pub(crate) name: &'a str,
    pub(crate) partition_indexes: Vec<i32>,
}

impl Encode for TopicRequest<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("name", self.name)?;
        to.array("partition_indexes", &self.partition_indexes)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, version 0, flexible.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct DescribeProducersResponse<'a> {
    pub(crate) throttle_time_ms: i32,
    pub(crate) topics: Vec<TopicResponse<'a>>,
}

impl<'a> Decode<'a> for DescribeProducersResponse<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { throttle_time_ms: from.i32("throttle_time_ms")?, topics: from.array("topics")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`DescribeProducersResponse::topics`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct TopicResponse<'a> {
    pub(crate) name: &'a str,
    pub(crate) partitions: Vec<PartitionResponse<'a>>,
}

impl<'a> Decode<'a> for TopicResponse<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { name: from.string("name")?, partitions: from.array("partitions")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`TopicResponse::partitions`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct PartitionResponse<'a> {
    pub(crate) partition_index: i32,
    pub(crate) error_code: i16,
    pub(crate) error_message: Option<&'a str>,
    pub(crate) active_producers: Vec<ProducerState>,
}

impl<'a> Decode<'a> for PartitionResponse<'a> {
    const MIN_LEN: usize = 9;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            partition_index: from.i32("partition_index")?,
            error_code: from.i16("error_code")?,
            error_message: from.nullable_string("error_message")?,
            active_producers: from.array("active_producers")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`PartitionResponse::active_producers`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ProducerState {
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i32,
    pub(crate) last_sequence: i32,
    pub(crate) last_timestamp: i64,
    pub(crate) coordinator_epoch: i32,
    pub(crate) current_txn_start_offset: i64,
}

impl Default for ProducerState {
    fn default() -> Self {
        Self {
            producer_id: 0,
            producer_epoch: 0,
            last_sequence: -1,
            last_timestamp: -1,
            coordinator_epoch: 0,
            current_txn_start_offset: -1,
        }
    }
}

impl<'a> Decode<'a> for ProducerState {
    const MIN_LEN: usize = 37;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            producer_id: from.i64("producer_id")?,
            producer_epoch: from.i32("producer_epoch")?,
            last_sequence: from.i32("last_sequence")?,
            last_timestamp: from.i64("last_timestamp")?,
            coordinator_epoch: from.i32("coordinator_epoch")?,
            current_txn_start_offset: from.i64("current_txn_start_offset")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
