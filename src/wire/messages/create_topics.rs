// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! CreateTopics, API key 19, versions 2 to 7, flexible from 5.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::ids::TopicId;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for CreateTopicsRequest<'_> {
    const API: ApiKey = ApiKey::CreateTopics;
    const VERSIONS: RangeInclusive<i16> = 2..=7;
    const FLEXIBLE: i16 = 5;
    const THROTTLE: i16 = 2;
    type Response<'a> = CreateTopicsResponse<'a>;
}

/// The request, versions 2 to 7, flexible from 5.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CreateTopicsRequest<'a> {
    pub(crate) topics: Vec<CreatableTopic<'a>>,
    pub(crate) timeout_ms: i32,
    pub(crate) validate_only: bool,
}

impl Default for CreateTopicsRequest<'_> {
    fn default() -> Self {
        Self { topics: Vec::new(), timeout_ms: 60000, validate_only: false }
    }
}

impl Encode for CreateTopicsRequest<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.array("topics", &self.topics)?;
        to.i32(self.timeout_ms);
        to.bool(self.validate_only);
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`CreateTopicsRequest::topics`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct CreatableTopic<'a> {
    pub(crate) name: &'a str,
    pub(crate) num_partitions: i32,
    pub(crate) replication_factor: i16,
    pub(crate) assignments: Vec<CreatableReplicaAssignment>,
    pub(crate) configs: Vec<CreatableTopicConfig<'a>>,
}

impl Encode for CreatableTopic<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("name", self.name)?;
        to.i32(self.num_partitions);
        to.i16(self.replication_factor);
        to.array("assignments", &self.assignments)?;
        to.array("configs", &self.configs)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`CreatableTopic::assignments`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct CreatableReplicaAssignment {
    pub(crate) partition_index: i32,
    pub(crate) broker_ids: Vec<i32>,
}

impl Encode for CreatableReplicaAssignment {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.partition_index);
        to.array("broker_ids", &self.broker_ids)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`CreatableTopic::configs`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CreatableTopicConfig<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: Option<&'a str>,
}

impl Default for CreatableTopicConfig<'_> {
    fn default() -> Self {
        Self { name: "", value: Some("") }
    }
}

impl Encode for CreatableTopicConfig<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("name", self.name)?;
        to.nullable_string("value", self.value)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 2 to 7, flexible from 5.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct CreateTopicsResponse<'a> {
    pub(crate) throttle_time_ms: i32,
    pub(crate) topics: Vec<CreatableTopicResult<'a>>,
}

impl<'a> Decode<'a> for CreateTopicsResponse<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { throttle_time_ms: from.i32("throttle_time_ms")?, topics: from.array("topics")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`CreateTopicsResponse::topics`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CreatableTopicResult<'a> {
    pub(crate) name: &'a str,
    /// Versions 7+.
    pub(crate) topic_id: TopicId,
    pub(crate) error_code: i16,
    pub(crate) error_message: Option<&'a str>,
    /// Versions 5+, tag 0.
    pub(crate) topic_config_error_code: i16,
    /// Versions 5+.
    pub(crate) num_partitions: i32,
    /// Versions 5+.
    pub(crate) replication_factor: i16,
    /// Versions 5+.
    pub(crate) configs: Option<Vec<CreatableTopicConfigs<'a>>>,
}

impl Default for CreatableTopicResult<'_> {
    fn default() -> Self {
        Self {
            name: "",
            topic_id: TopicId::ZERO,
            error_code: 0,
            error_message: Some(""),
            topic_config_error_code: 0,
            num_partitions: -1,
            replication_factor: -1,
            configs: Some(Vec::new()),
        }
    }
}

impl<'a> Decode<'a> for CreatableTopicResult<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let mut this = Self {
            name: from.string("name")?,
            topic_id: if version >= 7 { from.uuid("topic_id")? } else { TopicId::ZERO },
            error_code: from.i16("error_code")?,
            error_message: from.nullable_string("error_message")?,
            topic_config_error_code: 0,
            num_partitions: if version >= 5 { from.i32("num_partitions")? } else { -1 },
            replication_factor: if version >= 5 { from.i16("replication_factor")? } else { -1 },
            configs: if version >= 5 { from.nullable_array("configs")? } else { Some(Vec::new()) },
        };
        from.tagged_fields(|from, tag| {
            match tag {
                0 => this.topic_config_error_code = from.i16("topic_config_error_code")?,
                _ => from.skip_rest(),
            }
            Ok(())
        })?;
        Ok(this)
    }
}

/// An element of [`CreatableTopicResult::configs`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CreatableTopicConfigs<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: Option<&'a str>,
    pub(crate) read_only: bool,
    pub(crate) config_source: i8,
    pub(crate) is_sensitive: bool,
}

impl Default for CreatableTopicConfigs<'_> {
    fn default() -> Self {
        Self { name: "", value: Some(""), read_only: false, config_source: -1, is_sensitive: false }
    }
}

impl<'a> Decode<'a> for CreatableTopicConfigs<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            name: from.string("name")?,
            value: from.nullable_string("value")?,
            read_only: from.bool("read_only")?,
            config_source: from.i8("config_source")?,
            is_sensitive: from.bool("is_sensitive")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
