// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! ListOffsets, API key 2, versions 1 to 11, flexible from 6.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for ListOffsetsRequest<'_> {
    const API: ApiKey = ApiKey::ListOffsets;
    const VERSIONS: RangeInclusive<i16> = 1..=11;
    const FLEXIBLE: i16 = 6;
    const THROTTLE: i16 = 2;
    type Response<'a> = ListOffsetsResponse<'a>;
}

/// The request, versions 1 to 11, flexible from 6.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct ListOffsetsRequest<'a> {
    pub(crate) replica_id: i32,
    /// Versions 2+.
    pub(crate) isolation_level: i8,
    pub(crate) topics: Vec<ListOffsetsTopic<'a>>,
    /// Versions 10+.
    pub(crate) timeout_ms: i32,
}

impl Encode for ListOffsetsRequest<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.i32(self.replica_id);
        if version >= 2 {
            to.i8(self.isolation_level);
        } else {
            to.lacks("isolation_level", self.isolation_level != 0)?;
        }
        to.array("topics", &self.topics)?;
        if version >= 10 {
            to.i32(self.timeout_ms);
        }
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`ListOffsetsRequest::topics`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct ListOffsetsTopic<'a> {
    pub(crate) name: &'a str,
    pub(crate) partitions: Vec<ListOffsetsPartition>,
}

impl Encode for ListOffsetsTopic<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("name", self.name)?;
        to.array("partitions", &self.partitions)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`ListOffsetsTopic::partitions`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ListOffsetsPartition {
    pub(crate) partition_index: i32,
    /// Versions 4+.
    pub(crate) current_leader_epoch: i32,
    pub(crate) timestamp: i64,
}

impl Default for ListOffsetsPartition {
    fn default() -> Self {
        Self { partition_index: 0, current_leader_epoch: -1, timestamp: 0 }
    }
}

impl Encode for ListOffsetsPartition {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.i32(self.partition_index);
        if version >= 4 {
            to.i32(self.current_leader_epoch);
        }
        to.i64(self.timestamp);
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 1 to 11, flexible from 6.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct ListOffsetsResponse<'a> {
    /// Versions 2+.
    pub(crate) throttle_time_ms: i32,
    pub(crate) topics: Vec<ListOffsetsTopicResponse<'a>>,
}

impl<'a> Decode<'a> for ListOffsetsResponse<'a> {
    const MIN_LEN: usize = 4;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            throttle_time_ms: if version >= 2 { from.i32("throttle_time_ms")? } else { 0 },
            topics: from.array("topics")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`ListOffsetsResponse::topics`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct ListOffsetsTopicResponse<'a> {
    pub(crate) name: &'a str,
    pub(crate) partitions: Vec<ListOffsetsPartitionResponse>,
}

impl<'a> Decode<'a> for ListOffsetsTopicResponse<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { name: from.string("name")?, partitions: from.array("partitions")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`ListOffsetsTopicResponse::partitions`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ListOffsetsPartitionResponse {
    pub(crate) partition_index: i32,
    pub(crate) error_code: i16,
    pub(crate) timestamp: i64,
    pub(crate) offset: i64,
    /// Versions 4+.
    pub(crate) leader_epoch: i32,
}

impl Default for ListOffsetsPartitionResponse {
    fn default() -> Self {
        Self { partition_index: 0, error_code: 0, timestamp: -1, offset: -1, leader_epoch: -1 }
    }
}

impl<'a> Decode<'a> for ListOffsetsPartitionResponse {
    const MIN_LEN: usize = 22;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            partition_index: from.i32("partition_index")?,
            error_code: from.i16("error_code")?,
            timestamp: from.i64("timestamp")?,
            offset: from.i64("offset")?,
            leader_epoch: if version >= 4 { from.i32("leader_epoch")? } else { -1 },
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
