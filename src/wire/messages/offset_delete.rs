// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! OffsetDelete, API key 47, version 0, none flexible.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for OffsetDeleteRequest<'_> {
    const API: ApiKey = ApiKey::OffsetDelete;
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    const FLEXIBLE: i16 = i16::MAX;
    const THROTTLE: i16 = i16::MAX;
    type Response<'a> = OffsetDeleteResponse<'a>;
}

/// The request, version 0, none flexible.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct OffsetDeleteRequest<'a> {
    pub(crate) group_id: &'a str,
    pub(crate) topics: Vec<OffsetDeleteRequestTopic<'a>>,
}

impl Encode for OffsetDeleteRequest<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("group_id", self.group_id)?;
        to.array("topics", &self.topics)?;
        Ok(())
    }
}

/// An element of [`OffsetDeleteRequest::topics`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct OffsetDeleteRequestTopic<'a> {
    pub(crate) name: &'a str,
    pub(crate) partitions: Vec<OffsetDeleteRequestPartition>,
}

impl Encode for OffsetDeleteRequestTopic<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("name", self.name)?;
        to.array("partitions", &self.partitions)?;
        Ok(())
    }
}

/// An element of [`OffsetDeleteRequestTopic::partitions`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct OffsetDeleteRequestPartition {
    pub(crate) partition_index: i32,
}

impl Encode for OffsetDeleteRequestPartition {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.partition_index);
        Ok(())
    }
}

/// The response, version 0, none flexible.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct OffsetDeleteResponse<'a> {
    pub(crate) error_code: i16,
    pub(crate) throttle_time_ms: i32,
    pub(crate) topics: Vec<OffsetDeleteResponseTopic<'a>>,
}

impl<'a> Decode<'a> for OffsetDeleteResponse<'a> {
    const MIN_LEN: usize = 10;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        Ok(Self {
            error_code: from.i16("error_code")?,
            throttle_time_ms: from.i32("throttle_time_ms")?,
            topics: from.array("topics")?,
        })
    }
}

/// An element of [`OffsetDeleteResponse::topics`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct OffsetDeleteResponseTopic<'a> {
    pub(crate) name: &'a str,
    pub(crate) partitions: Vec<OffsetDeleteResponsePartition>,
}

impl<'a> Decode<'a> for OffsetDeleteResponseTopic<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        Ok(Self { name: from.string("name")?, partitions: from.array("partitions")? })
    }
}

/// An element of [`OffsetDeleteResponseTopic::partitions`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct OffsetDeleteResponsePartition {
    pub(crate) partition_index: i32,
    pub(crate) error_code: i16,
}

impl<'a> Decode<'a> for OffsetDeleteResponsePartition {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        Ok(Self { partition_index: from.i32("partition_index")?, error_code: from.i16("error_code")? })
    }
}
