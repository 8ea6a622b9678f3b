// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! DescribeShareGroupOffsets, API key 90, versions 0 to 1, flexible.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::ids::TopicId;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for DescribeShareGroupOffsetsRequest<'_> {
    const API: ApiKey = ApiKey::DescribeShareGroupOffsets;
    const VERSIONS: RangeInclusive<i16> = 0..=1;
    const FLEXIBLE: i16 = 0;
    const THROTTLE: i16 = 0;
    type Response<'a> = DescribeShareGroupOffsetsResponse<'a>;
}

/// The request, versions 0 to 1, flexible.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct DescribeShareGroupOffsetsRequest<'a> {
    pub(crate) groups: Vec<DescribeShareGroupOffsetsRequestGroup<'a>>,
}

impl Encode for DescribeShareGroupOffsetsRequest<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.array("groups", &self.groups)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`DescribeShareGroupOffsetsRequest::groups`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DescribeShareGroupOffsetsRequestGroup<'a> {
    pub(crate) group_id: &'a str,
    pub(crate) topics: Option<Vec<DescribeShareGroupOffsetsRequestTopic<'a>>>,
}

impl Default for DescribeShareGroupOffsetsRequestGroup<'_> {
    fn default() -> Self {
        Self { group_id: "", topics: Some(Vec::new()) }
    }
}

impl Encode for DescribeShareGroupOffsetsRequestGroup<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("group_id", self.group_id)?;
        to.nullable_array("topics", self.topics.as_deref())?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`DescribeShareGroupOffsetsRequestGroup::topics`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct DescribeShareGroupOffsetsRequestTopic<'a> {
    pub(crate) topic_name: &'a str,
    pub(crate) partitions: Vec<i32>,
}

impl Encode for DescribeShareGroupOffsetsRequestTopic<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("topic_name", self.topic_name)?;
        to.array("partitions", &self.partitions)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 0 to 1, flexible.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct DescribeShareGroupOffsetsResponse<'a> {
    pub(crate) throttle_time_ms: i32,
    pub(crate) groups: Vec<DescribeShareGroupOffsetsResponseGroup<'a>>,
}

impl<'a> Decode<'a> for DescribeShareGroupOffsetsResponse<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { throttle_time_ms: from.i32("throttle_time_ms")?, groups: from.array("groups")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`DescribeShareGroupOffsetsResponse::groups`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct DescribeShareGroupOffsetsResponseGroup<'a> {
    pub(crate) group_id: &'a str,
    pub(crate) topics: Vec<DescribeShareGroupOffsetsResponseTopic<'a>>,
    pub(crate) error_code: i16,
    pub(crate) error_message: Option<&'a str>,
}

impl<'a> Decode<'a> for DescribeShareGroupOffsetsResponseGroup<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            group_id: from.string("group_id")?,
            topics: from.array("topics")?,
            error_code: from.i16("error_code")?,
            error_message: from.nullable_string("error_message")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`DescribeShareGroupOffsetsResponseGroup::topics`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DescribeShareGroupOffsetsResponseTopic<'a> {
    pub(crate) topic_name: &'a str,
    pub(crate) topic_id: TopicId,
    pub(crate) partitions: Vec<DescribeShareGroupOffsetsResponsePartition<'a>>,
}

impl Default for DescribeShareGroupOffsetsResponseTopic<'_> {
    fn default() -> Self {
        Self { topic_name: "", topic_id: TopicId::ZERO, partitions: Vec::new() }
    }
}

impl<'a> Decode<'a> for DescribeShareGroupOffsetsResponseTopic<'a> {
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

/// An element of [`DescribeShareGroupOffsetsResponseTopic::partitions`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DescribeShareGroupOffsetsResponsePartition<'a> {
    pub(crate) partition_index: i32,
    pub(crate) start_offset: i64,
    pub(crate) leader_epoch: i32,
    /// Versions 1+.
    pub(crate) lag: i64,
    pub(crate) error_code: i16,
    pub(crate) error_message: Option<&'a str>,
}

impl Default for DescribeShareGroupOffsetsResponsePartition<'_> {
    fn default() -> Self {
        Self { partition_index: 0, start_offset: 0, leader_epoch: 0, lag: -1, error_code: 0, error_message: None }
    }
}

impl<'a> Decode<'a> for DescribeShareGroupOffsetsResponsePartition<'a> {
    const MIN_LEN: usize = 20;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            partition_index: from.i32("partition_index")?,
            start_offset: from.i64("start_offset")?,
            leader_epoch: from.i32("leader_epoch")?,
            lag: if version >= 1 { from.i64("lag")? } else { -1 },
            error_code: from.i16("error_code")?,
            error_message: from.nullable_string("error_message")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
