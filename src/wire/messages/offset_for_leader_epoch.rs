// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! OffsetForLeaderEpoch, API key 23, versions 2 to 4, flexible from 4.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for OffsetForLeaderEpochRequest<'_> {
    const API: ApiKey = ApiKey::OffsetForLeaderEpoch;
    const VERSIONS: RangeInclusive<i16> = 2..=4;
    const FLEXIBLE: i16 = 4;
    const THROTTLE: i16 = 2;
    type Response<'a> = OffsetForLeaderEpochResponse<'a>;
}

/// The request, versions 2 to 4, flexible from 4.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OffsetForLeaderEpochRequest<'a> {
    /// Versions 3+.
    pub(crate) replica_id: i32,
    pub(crate) topics: Vec<OffsetForLeaderTopic<'a>>,
}

impl Default for OffsetForLeaderEpochRequest<'_> {
    fn default() -> Self {
        Self { replica_id: -2, topics: Vec::new() }
    }
}

impl Encode for OffsetForLeaderEpochRequest<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        if version >= 3 {
            to.i32(self.replica_id);
        }
        to.array("topics", &self.topics)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`OffsetForLeaderEpochRequest::topics`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct OffsetForLeaderTopic<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partitions: Vec<OffsetForLeaderPartition>,
}

impl Encode for OffsetForLeaderTopic<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("topic", self.topic)?;
        to.array("partitions", &self.partitions)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`OffsetForLeaderTopic::partitions`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OffsetForLeaderPartition {
    pub(crate) partition: i32,
    pub(crate) current_leader_epoch: i32,
    pub(crate) leader_epoch: i32,
}

impl Default for OffsetForLeaderPartition {
    fn default() -> Self {
        Self { partition: 0, current_leader_epoch: -1, leader_epoch: 0 }
    }
}

impl Encode for OffsetForLeaderPartition {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.partition);
        to.i32(self.current_leader_epoch);
        to.i32(self.leader_epoch);
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 2 to 4, flexible from 4.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct OffsetForLeaderEpochResponse<'a> {
    pub(crate) throttle_time_ms: i32,
    pub(crate) topics: Vec<OffsetForLeaderTopicResult<'a>>,
}

impl<'a> Decode<'a> for OffsetForLeaderEpochResponse<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { throttle_time_ms: from.i32("throttle_time_ms")?, topics: from.array("topics")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`OffsetForLeaderEpochResponse::topics`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct OffsetForLeaderTopicResult<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partitions: Vec<EpochEndOffset>,
}

impl<'a> Decode<'a> for OffsetForLeaderTopicResult<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { topic: from.string("topic")?, partitions: from.array("partitions")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`OffsetForLeaderTopicResult::partitions`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EpochEndOffset {
    pub(crate) error_code: i16,
    pub(crate) partition: i32,
    pub(crate) leader_epoch: i32,
    pub(crate) end_offset: i64,
}

impl Default for EpochEndOffset {
    fn default() -> Self {
        Self { error_code: 0, partition: 0, leader_epoch: -1, end_offset: -1 }
    }
}

impl<'a> Decode<'a> for EpochEndOffset {
    const MIN_LEN: usize = 18;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            error_code: from.i16("error_code")?,
            partition: from.i32("partition")?,
            leader_epoch: from.i32("leader_epoch")?,
            end_offset: from.i64("end_offset")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
