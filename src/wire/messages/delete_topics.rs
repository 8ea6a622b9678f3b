// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! DeleteTopics, API key 20, versions 1 to 6, flexible from 4.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::ids::TopicId;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for DeleteTopicsRequest<'_> {
    const API: ApiKey = ApiKey::DeleteTopics;
    const VERSIONS: RangeInclusive<i16> = 1..=6;
    const FLEXIBLE: i16 = 4;
    const THROTTLE: i16 = 1;
    type Response<'a> = DeleteTopicsResponse<'a>;
}

/// The request, versions 1 to 6, flexible from 4.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct DeleteTopicsRequest<'a> {
    /// Versions 6+.
    pub(crate) topics: Vec<DeleteTopicState<'a>>,
    /// Versions 1 to 5.
    pub(crate) topic_names: Vec<&'a str>,
    pub(crate) timeout_ms: i32,
}

impl Encode for DeleteTopicsRequest<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        if version >= 6 {
            to.array("topics", &self.topics)?;
        } else {
            to.lacks("topics", !self.topics.is_empty())?;
        }
        if version <= 5 {
            to.array("topic_names", &self.topic_names)?;
        }
        to.i32(self.timeout_ms);
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`DeleteTopicsRequest::topics`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DeleteTopicState<'a> {
    pub(crate) name: Option<&'a str>,
    pub(crate) topic_id: TopicId,
}

impl Default for DeleteTopicState<'_> {
    fn default() -> Self {
        Self { name: None, topic_id: TopicId::ZERO }
    }
}

impl Encode for DeleteTopicState<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.nullable_string("name", self.name)?;
        to.uuid(self.topic_id);
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 1 to 6, flexible from 4.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct DeleteTopicsResponse<'a> {
    pub(crate) throttle_time_ms: i32,
    pub(crate) responses: Vec<DeletableTopicResult<'a>>,
}

impl<'a> Decode<'a> for DeleteTopicsResponse<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { throttle_time_ms: from.i32("throttle_time_ms")?, responses: from.array("responses")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`DeleteTopicsResponse::responses`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DeletableTopicResult<'a> {
    /// Null in versions 6+.
    pub(crate) name: Option<&'a str>,
    /// Versions 6+.
    pub(crate) topic_id: TopicId,
    pub(crate) error_code: i16,
    /// Versions 5+.
    pub(crate) error_message: Option<&'a str>,
}

impl Default for DeletableTopicResult<'_> {
    fn default() -> Self {
        Self { name: Some(""), topic_id: TopicId::ZERO, error_code: 0, error_message: None }
    }
}

impl<'a> Decode<'a> for DeletableTopicResult<'a> {
    const MIN_LEN: usize = 4;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            name: if version >= 6 { from.nullable_string("name")? } else { Some(from.string("name")?) },
            topic_id: if version >= 6 { from.uuid("topic_id")? } else { TopicId::ZERO },
            error_code: from.i16("error_code")?,
            error_message: if version >= 5 { from.nullable_string("error_message")? } else { None },
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
