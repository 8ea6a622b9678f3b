// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! OffsetCommit, API key 8, versions 2 to 10, flexible from 8.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::ids::TopicId;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for OffsetCommitRequest<'_> {
    const API: ApiKey = ApiKey::OffsetCommit;
    const VERSIONS: RangeInclusive<i16> = 2..=10;
    const FLEXIBLE: i16 = 8;
    const THROTTLE: i16 = 3;
    type Response<'a> = OffsetCommitResponse<'a>;
}

/// The request, versions 2 to 10, flexible from 8.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OffsetCommitRequest<'a> {
    pub(crate) group_id: &'a str,
    pub(crate) generation_id_or_member_epoch: i32,
    pub(crate) member_id: &'a str,
    /// Versions 7+.
    pub(crate) group_instance_id: Option<&'a str>,
    /// Versions 2 to 4.
    pub(crate) retention_time_ms: i64,
    pub(crate) topics: Vec<OffsetCommitRequestTopic<'a>>,
}

impl Default for OffsetCommitRequest<'_> {
    fn default() -> Self {
        Self {
            group_id: "",
            generation_id_or_member_epoch: -1,
            member_id: "",
            group_instance_id: None,
            retention_time_ms: -1,
            topics: Vec::new(),
        }
    }
}

impl Encode for OffsetCommitRequest<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.string("group_id", self.group_id)?;
        to.i32(self.generation_id_or_member_epoch);
        to.string("member_id", self.member_id)?;
        if version >= 7 {
            to.nullable_string("group_instance_id", self.group_instance_id)?;
        } else {
            to.lacks("group_instance_id", self.group_instance_id.is_some())?;
        }
        if version <= 4 {
            to.i64(self.retention_time_ms);
        }
        to.array("topics", &self.topics)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`OffsetCommitRequest::topics`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OffsetCommitRequestTopic<'a> {
    /// Versions 2 to 9.
    pub(crate) name: &'a str,
    /// Versions 10+.
    pub(crate) topic_id: TopicId,
    pub(crate) partitions: Vec<OffsetCommitRequestPartition<'a>>,
}

impl Default for OffsetCommitRequestTopic<'_> {
    fn default() -> Self {
        Self { name: "", topic_id: TopicId::ZERO, partitions: Vec::new() }
    }
}

impl Encode for OffsetCommitRequestTopic<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        if version <= 9 {
            to.string("name", self.name)?;
        }
        if version >= 10 {
            to.uuid(self.topic_id);
        }
        to.array("partitions", &self.partitions)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`OffsetCommitRequestTopic::partitions`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OffsetCommitRequestPartition<'a> {
    pub(crate) partition_index: i32,
    pub(crate) committed_offset: i64,
    /// Versions 6+.
    pub(crate) committed_leader_epoch: i32,
    pub(crate) committed_metadata: Option<&'a str>,
}

impl Default for OffsetCommitRequestPartition<'_> {
    fn default() -> Self {
        Self { partition_index: 0, committed_offset: 0, committed_leader_epoch: -1, committed_metadata: Some("") }
    }
}

impl Encode for OffsetCommitRequestPartition<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.i32(self.partition_index);
        to.i64(self.committed_offset);
        if version >= 6 {
            to.i32(self.committed_leader_epoch);
        }
        to.nullable_string("committed_metadata", self.committed_metadata)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 2 to 10, flexible from 8.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct OffsetCommitResponse<'a> {
    /// Versions 3+.
    pub(crate) throttle_time_ms: i32,
    pub(crate) topics: Vec<OffsetCommitResponseTopic<'a>>,
}

impl<'a> Decode<'a> for OffsetCommitResponse<'a> {
    const MIN_LEN: usize = 4;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            throttle_time_ms: if version >= 3 { from.i32("throttle_time_ms")? } else { 0 },
            topics: from.array("topics")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`OffsetCommitResponse::topics`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OffsetCommitResponseTopic<'a> {
    /// Versions 2 to 9.
    pub(crate) name: &'a str,
    /// Versions 10+.
    pub(crate) topic_id: TopicId,
    pub(crate) partitions: Vec<OffsetCommitResponsePartition>,
}

impl Default for OffsetCommitResponseTopic<'_> {
    fn default() -> Self {
        Self { name: "", topic_id: TopicId::ZERO, partitions: Vec::new() }
    }
}

impl<'a> Decode<'a> for OffsetCommitResponseTopic<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            name: if version <= 9 { from.string("name")? } else { "" },
            topic_id: if version >= 10 { from.uuid("topic_id")? } else { TopicId::ZERO },
            partitions: from.array("partitions")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`OffsetCommitResponseTopic::partitions`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct OffsetCommitResponsePartition {
    pub(crate) partition_index: i32,
    pub(crate) error_code: i16,
}

impl<'a> Decode<'a> for OffsetCommitResponsePartition {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { partition_index: from.i32("partition_index")?, error_code: from.i16("error_code")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
