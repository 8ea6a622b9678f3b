// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! DescribeTopicPartitions, API key 75, version 0, flexible.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::ids::TopicId;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for DescribeTopicPartitionsRequest<'_> {
    const API: ApiKey = ApiKey::DescribeTopicPartitions;
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    const FLEXIBLE: i16 = 0;
    const THROTTLE: i16 = 0;
    type Response<'a> = DescribeTopicPartitionsResponse<'a>;
}

/// The request, version 0, flexible.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DescribeTopicPartitionsRequest<'a> {
    pub(crate) topics: Vec<TopicRequest<'a>>,
    pub(crate) response_partition_limit: i32,
    pub(crate) cursor: Option<RequestCursor<'a>>,
}

impl Default for DescribeTopicPartitionsRequest<'_> {
    fn default() -> Self {
        Self { topics: Vec::new(), response_partition_limit: 2000, cursor: None }
    }
}

impl Encode for DescribeTopicPartitionsRequest<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.array("topics", &self.topics)?;
        to.i32(self.response_partition_limit);
        to.nullable_structure(self.cursor.as_ref())?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`DescribeTopicPartitionsRequest::topics`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct TopicRequest<'a> {
    pub(crate) name: &'a str,
}

impl Encode for TopicRequest<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("name", self.name)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// The type of [`DescribeTopicPartitionsRequest::cursor`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct RequestCursor<'a> {
    pub(crate) topic_name: &'a str,
    pub(crate) partition_index: i32,
}

impl Encode for RequestCursor<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("topic_name", self.topic_name)?;
        to.i32(self.partition_index);
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, version 0, flexible.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct DescribeTopicPartitionsResponse<'a> {
    pub(crate) throttle_time_ms: i32,
    pub(crate) topics: Vec<DescribeTopicPartitionsResponseTopic<'a>>,
    pub(crate) next_cursor: Option<ResponseCursor<'a>>,
}

impl<'a> Decode<'a> for DescribeTopicPartitionsResponse<'a> {
    const MIN_LEN: usize = 7;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            throttle_time_ms: from.i32("throttle_time_ms")?,
            topics: from.array("topics")?,
            next_cursor: from.nullable_structure("next_cursor")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`DescribeTopicPartitionsResponse::topics`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DescribeTopicPartitionsResponseTopic<'a> {
    pub(crate) error_code: i16,
    pub(crate) name: Option<&'a str>,
    pub(crate) topic_id: TopicId,
    pub(crate) is_internal: bool,
    pub(crate) partitions: Vec<DescribeTopicPartitionsResponsePartition>,
    pub(crate) topic_authorized_operations: i32,
}

impl Default for DescribeTopicPartitionsResponseTopic<'_> {
    fn default() -> Self {
        Self {
            error_code: 0,
            name: Some(""),
            topic_id: TopicId::ZERO,
            is_internal: false,
            partitions: Vec::new(),
            topic_authorized_operations: i32::MIN,
        }
    }
}

impl<'a> Decode<'a> for DescribeTopicPartitionsResponseTopic<'a> {
    const MIN_LEN: usize = 26;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            error_code: from.i16("error_code")?,
            name: from.nullable_string("name")?,
            topic_id: from.uuid("topic_id")?,
            is_internal: from.bool("is_internal")?,
            partitions: from.array("partitions")?,
            topic_authorized_operations: from.i32("topic_authorized_operations")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`DescribeTopicPartitionsResponseTopic::partitions`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DescribeTopicPartitionsResponsePartition {
    pub(crate) error_code: i16,
    pub(crate) partition_index: i32,
    pub(crate) leader_id: i32,
    pub(crate) leader_epoch: i32,
    pub(crate) replica_nodes: Vec<i32>,
    pub(crate) isr_nodes: Vec<i32>,
    pub(crate) eligible_leader_replicas: Option<Vec<i32>>,
    pub(crate) last_known_elr: Option<Vec<i32>>,
    pub(crate) offline_replicas: Vec<i32>,
}

impl Default for DescribeTopicPartitionsResponsePartition {
    fn default() -> Self {
        Self {
            error_code: 0,
            partition_index: 0,
            leader_id: 0,
            leader_epoch: -1,
            replica_nodes: Vec::new(),
            isr_nodes: Vec::new(),
            eligible_leader_replicas: None,
            last_known_elr: None,
            offline_replicas: Vec::new(),
        }
    }
}

impl<'a> Decode<'a> for DescribeTopicPartitionsResponsePartition {
    const MIN_LEN: usize = 20;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            error_code: from.i16("error_code")?,
            partition_index: from.i32("partition_index")?,
            leader_id: from.i32("leader_id")?,
            leader_epoch: from.i32("leader_epoch")?,
            replica_nodes: from.array("replica_nodes")?,
            isr_nodes: from.array("isr_nodes")?,
            eligible_leader_replicas: from.nullable_array("eligible_leader_replicas")?,
            last_known_elr: from.nullable_array("last_known_elr")?,
            offline_replicas: from.array("offline_replicas")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// The type of [`DescribeTopicPartitionsResponse::next_cursor`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct ResponseCursor<'a> {
    pub(crate) topic_name: &'a str,
    pub(crate) partition_index: i32,
}

impl<'a> Decode<'a> for ResponseCursor<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { topic_name: from.string("topic_name")?, partition_index: from.i32("partition_index")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
