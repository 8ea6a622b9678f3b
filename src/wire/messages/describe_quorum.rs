// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! DescribeQuorum, API key 55, versions 0 to 2, flexible.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::ids::TopicId;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for DescribeQuorumRequest<'_> {
    const API: ApiKey = ApiKey::DescribeQuorum;
    const VERSIONS: RangeInclusive<i16> = 0..=2;
    const FLEXIBLE: i16 = 0;
    const THROTTLE: i16 = i16::MAX;
    type Response<'a> = DescribeQuorumResponse<'a>;
}

/// The request, versions 0 to 2, flexible.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct DescribeQuorumRequest<'a> {
    pub(crate) topics: Vec<RequestTopicData<'a>>,
}

impl Encode for DescribeQuorumRequest<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.array("topics", &self.topics)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`DescribeQuorumRequest::topics`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct RequestTopicData<'a> {
    pub(crate) topic_name: &'a str,
    pub(crate) partitions: Vec<RequestPartitionData>,
}

impl Encode for RequestTopicData<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("topic_name", self.topic_name)?;
        to.array("partitions", &self.partitions)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`RequestTopicData::partitions`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct RequestPartitionData {
    pub(crate) partition_index: i32,
}

impl Encode for RequestPartitionData {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.partition_index);
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 0 to 2, flexible.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DescribeQuorumResponse<'a> {
    pub(crate) error_code: i16,
    /// Versions 2+.
    pub(crate) error_message: Option<&'a str>,
    pub(crate) topics: Vec<ResponseTopicData<'a>>,
    /// Versions 2+.
    pub(crate) nodes: Vec<Node<'a>>,
}

impl Default for DescribeQuorumResponse<'_> {
    fn default() -> Self {
        Self { error_code: 0, error_message: Some(""), topics: Vec::new(), nodes: Vec::new() }
    }
}

impl<'a> Decode<'a> for DescribeQuorumResponse<'a> {
    const MIN_LEN: usize = 4;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            error_code: from.i16("error_code")?,
            error_message: if version >= 2 { from.nullable_string("error_message")? } else { Some("") },
            topics: from.array("topics")?,
            nodes: if version >= 2 { from.array("nodes")? } else { Vec::new() },
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`DescribeQuorumResponse::topics`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct ResponseTopicData<'a> {
    pub(crate) topic_name: &'a str,
    pub(crate) partitions: Vec<ResponsePartitionData<'a>>,
}

impl<'a> Decode<'a> for ResponseTopicData<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { topic_name: from.string("topic_name")?, partitions: from.array("partitions")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`ResponseTopicData::partitions`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ResponsePartitionData<'a> {
    pub(crate) partition_index: i32,
    pub(crate) error_code: i16,
    /// Versions 2+.
    pub(crate) error_message: Option<&'a str>,
    pub(crate) leader_id: i32,
    pub(crate) leader_epoch: i32,
    pub(crate) high_watermark: i64,
    pub(crate) current_voters: Vec<ReplicaState>,
    pub(crate) observers: Vec<ReplicaState>,
}

impl Default for ResponsePartitionData<'_> {
    fn default() -> Self {
        Self {
            partition_index: 0,
            error_code: 0,
            error_message: Some(""),
            leader_id: 0,
            leader_epoch: 0,
            high_watermark: 0,
            current_voters: Vec::new(),
            observers: Vec::new(),
        }
    }
}

impl<'a> Decode<'a> for ResponsePartitionData<'a> {
    const MIN_LEN: usize = 25;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            partition_index: from.i32("partition_index")?,
            error_code: from.i16("error_code")?,
            error_message: if version >= 2 { from.nullable_string("error_message")? } else { Some("") },
            leader_id: from.i32("leader_id")?,
            leader_epoch: from.i32("leader_epoch")?,
            high_watermark: from.i64("high_watermark")?,
            current_voters: from.array("current_voters")?,
            observers: from.array("observers")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`ResponsePartitionData::current_voters`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ReplicaState {
    pub(crate) replica_id: i32,
    /// Versions 2+.
    pub(crate) replica_directory_id: TopicId,
    pub(crate) log_end_offset: i64,
    /// Versions 1+.
    pub(crate) last_fetch_timestamp: i64,
    /// Versions 1+.
    pub(crate) last_caught_up_timestamp: i64,
}

impl Default for ReplicaState {
    fn default() -> Self {
        Self {
            replica_id: 0,
            replica_directory_id: TopicId::ZERO,
            log_end_offset: 0,
            last_fetch_timestamp: -1,
            last_caught_up_timestamp: -1,
        }
    }
}

impl<'a> Decode<'a> for ReplicaState {
    const MIN_LEN: usize = 13;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            replica_id: from.i32("replica_id")?,
            replica_directory_id: if version >= 2 { from.uuid("replica_directory_id")? } else { TopicId::ZERO },
            log_end_offset: from.i64("log_end_offset")?,
            last_fetch_timestamp: if version >= 1 { from.i64("last_fetch_timestamp")? } else { -1 },
            last_caught_up_timestamp: if version >= 1 { from.i64("last_caught_up_timestamp")? } else { -1 },
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`DescribeQuorumResponse::nodes`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct Node<'a> {
    pub(crate) node_id: i32,
    pub(crate) listeners: Vec<Listener<'a>>,
}

impl<'a> Decode<'a> for Node<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { node_id: from.i32("node_id")?, listeners: from.array("listeners")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`Node::listeners`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct Listener<'a> {
    pub(crate) name: &'a str,
    pub(crate) host: &'a str,
    pub(crate) port: u16,
}

impl<'a> Decode<'a> for Listener<'a> {
    const MIN_LEN: usize = 5;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { name: from.string("name")?, host: from.string("host")?, port: from.u16("port")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
