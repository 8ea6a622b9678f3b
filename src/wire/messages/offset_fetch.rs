// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! OffsetFetch, API key 9, versions 1 to 10, flexible from 6.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::ids::TopicId;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for OffsetFetchRequest<'_> {
    const API: ApiKey = ApiKey::OffsetFetch;
    const VERSIONS: RangeInclusive<i16> = 1..=10;
    const FLEXIBLE: i16 = 6;
    const THROTTLE: i16 = 3;
    type Response<'a> = OffsetFetchResponse<'a>;
}

/// The request, versions 1 to 10, flexible from 6.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OffsetFetchRequest<'a> {
    /// Versions 1 to 7.
    pub(crate) group_id: &'a str,
    /// Versions 1 to 7, null in versions 2 to 7.
    pub(crate) topics: Option<Vec<OffsetFetchRequestTopic<'a>>>,
    /// Versions 8+.
    pub(crate) groups: Vec<OffsetFetchRequestGroup<'a>>,
    /// Versions 7+.
    pub(crate) require_stable: bool,
}

impl Default for OffsetFetchRequest<'_> {
    fn default() -> Self {
        Self { group_id: "", topics: Some(Vec::new()), groups: Vec::new(), require_stable: false }
    }
}

impl Encode for OffsetFetchRequest<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        if version <= 7 {
            to.string("group_id", self.group_id)?;
            if version >= 2 {
                to.nullable_array("topics", self.topics.as_deref())?;
            } else {
                let topics = to.not_null("topics", self.topics.as_deref())?;
                to.array("topics", topics)?;
            }
        } else {
            to.lacks("group_id", !self.group_id.is_empty())?;
            to.lacks("topics", self.topics.as_ref().is_none_or(|array| !array.is_empty()))?;
        }
        if version >= 8 {
            to.array("groups", &self.groups)?;
        } else {
            to.lacks("groups", !self.groups.is_empty())?;
        }
        if version >= 7 {
            to.bool(self.require_stable);
        } else {
            to.lacks("require_stable", self.require_stable)?;
        }
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`OffsetFetchRequest::topics`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct OffsetFetchRequestTopic<'a> {
    pub(crate) name: &'a str,
    pub(crate) partition_indexes: Vec<i32>,
}

impl Encode for OffsetFetchRequestTopic<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("name", self.name)?;
        to.array("partition_indexes", &self.partition_indexes)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`OffsetFetchRequest::groups`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OffsetFetchRequestGroup<'a> {
    pub(crate) group_id: &'a str,
    /// Versions 9+.
    pub(crate) member_id: Option<&'a str>,
    /// Versions 9+.
    pub(crate) member_epoch: i32,
    pub(crate) topics: Option<Vec<OffsetFetchRequestTopics<'a>>>,
}

impl Default for OffsetFetchRequestGroup<'_> {
    fn default() -> Self {
        Self { group_id: "", member_id: None, member_epoch: -1, topics: Some(Vec::new()) }
    }
}

impl Encode for OffsetFetchRequestGroup<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.string("group_id", self.group_id)?;
        if version >= 9 {
            to.nullable_string("member_id", self.member_id)?;
            to.i32(self.member_epoch);
        }
        to.nullable_array("topics", self.topics.as_deref())?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`OffsetFetchRequestGroup::topics`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OffsetFetchRequestTopics<'a> {
    /// Versions 8 to 9.
    pub(crate) name: &'a str,
    /// Versions 10+.
    pub(crate) topic_id: TopicId,
    pub(crate) partition_indexes: Vec<i32>,
}

impl Default for OffsetFetchRequestTopics<'_> {
    fn default() -> Self {
        Self { name: "", topic_id: TopicId::ZERO, partition_indexes: Vec::new() }
    }
}

impl Encode for OffsetFetchRequestTopics<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        if version <= 9 {
            to.string("name", self.name)?;
        }
        if version >= 10 {
            to.uuid(self.topic_id);
        }
        to.array("partition_indexes", &self.partition_indexes)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 1 to 10, flexible from 6.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct OffsetFetchResponse<'a> {
    /// Versions 3+.
    pub(crate) throttle_time_ms: i32,
    /// Versions 1 to 7.
    pub(crate) topics: Vec<OffsetFetchResponseTopic<'a>>,
    /// Versions 2 to 7.
    pub(crate) error_code: i16,
    /// Versions 8+.
    pub(crate) groups: Vec<OffsetFetchResponseGroup<'a>>,
}

impl<'a> Decode<'a> for OffsetFetchResponse<'a> {
    const MIN_LEN: usize = 4;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            throttle_time_ms: if version >= 3 { from.i32("throttle_time_ms")? } else { 0 },
            topics: if version <= 7 { from.array("topics")? } else { Vec::new() },
            error_code: if (2..=7).contains(&version) { from.i16("error_code")? } else { 0 },
            groups: if version >= 8 { from.array("groups")? } else { Vec::new() },
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`OffsetFetchResponse::topics`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct OffsetFetchResponseTopic<'a> {
    pub(crate) name: &'a str,
    pub(crate) partitions: Vec<OffsetFetchResponsePartition<'a>>,
}

impl<'a> Decode<'a> for OffsetFetchResponseTopic<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { name: from.string("name")?, partitions: from.array("partitions")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`OffsetFetchResponseTopic::partitions`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OffsetFetchResponsePartition<'a> {
    pub(crate) partition_index: i32,
    pub(crate) committed_offset: i64,
    /// Versions 5+.
    pub(crate) committed_leader_epoch: i32,
    pub(crate) metadata: Option<&'a str>,
    pub(crate) error_code: i16,
}

impl Default for OffsetFetchResponsePartition<'_> {
    fn default() -> Self {
        Self { partition_index: 0, committed_offset: 0, committed_leader_epoch: -1, metadata: Some(""), error_code: 0 }
    }
}

impl<'a> Decode<'a> for OffsetFetchResponsePartition<'a> {
    const MIN_LEN: usize = 16;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            partition_index: from.i32("partition_index")?,
            committed_offset: from.i64("committed_offset")?,
            committed_leader_epoch: if version >= 5 { from.i32("committed_leader_epoch")? } else { -1 },
            metadata: from.nullable_string("metadata")?,
            error_code: from.i16("error_code")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`OffsetFetchResponse::groups`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct OffsetFetchResponseGroup<'a> {
    pub(crate) group_id: &'a str,
    pub(crate) topics: Vec<OffsetFetchResponseTopics<'a>>,
    pub(crate) error_code: i16,
}

impl<'a> Decode<'a> for OffsetFetchResponseGroup<'a> {
    const MIN_LEN: usize = 5;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this =
            Self { group_id: from.string("group_id")?, topics: from.array("topics")?, error_code: from.i16("error_code")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`OffsetFetchResponseGroup::topics`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OffsetFetchResponseTopics<'a> {
    /// Versions 8 to 9.
    pub(crate) name: &'a str,
    /// Versions 10+.
    pub(crate) topic_id: TopicId,
    pub(crate) partitions: Vec<OffsetFetchResponsePartitions<'a>>,
}

impl Default for OffsetFetchResponseTopics<'_> {
    fn default() -> Self {
        Self { name: "", topic_id: TopicId::ZERO, partitions: Vec::new() }
    }
}

impl<'a> Decode<'a> for OffsetFetchResponseTopics<'a> {
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

/// An element of [`OffsetFetchResponseTopics::partitions`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OffsetFetchResponsePartitions<'a> {
    pub(crate) partition_index: i32,
    pub(crate) committed_offset: i64,
    pub(crate) committed_leader_epoch: i32,
    pub(crate) metadata: Option<&'a str>,
    pub(crate) error_code: i16,
}

impl Default for OffsetFetchResponsePartitions<'_> {
    fn default() -> Self {
        Self { partition_index: 0, committed_offset: 0, committed_leader_epoch: -1, metadata: Some(""), error_code: 0 }
    }
}

impl<'a> Decode<'a> for OffsetFetchResponsePartitions<'a> {
    const MIN_LEN: usize = 20;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            partition_index: from.i32("partition_index")?,
            committed_offset: from.i64("committed_offset")?,
            committed_leader_epoch: from.i32("committed_leader_epoch")?,
            metadata: from.nullable_string("metadata")?,
            error_code: from.i16("error_code")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
