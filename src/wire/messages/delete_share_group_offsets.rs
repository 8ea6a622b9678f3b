// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! DeleteShareGroupOffsets, API key 92, version 0, flexible.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::ids::TopicId;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for DeleteShareGroupOffsetsRequest<'_> {
    const API: ApiKey = ApiKey::DeleteShareGroupOffsets;
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    const FLEXIBLE: i16 = 0;
    const THROTTLE: i16 = 0;
    type Response<'a> = DeleteShareGroupOffsetsResponse<'a>;
}

/// The request, version 0, flexible.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct DeleteShareGroupOffsetsRequest<'a> {
    pub(crate) group_id: &'a str,
    pub(crate) topics: Vec<DeleteShareGroupOffsetsRequestTopic<'a>>,
}

impl Encode for DeleteShareGroupOffsetsRequest<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("group_id", self.group_id)?;
        to.array("topics", &self.topics)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`DeleteShareGroupOffsetsRequest::topics`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct DeleteShareGroupOffsetsRequestTopic<'a> {
    pub(crate) topic_name: &'a str,
}

impl Encode for DeleteShareGroupOffsetsRequestTopic<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("topic_name", self.topic_name)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, version 0, flexible.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct DeleteShareGroupOffsetsResponse<'a> {
    pub(crate) throttle_time_ms: i32,
    pub(crate) error_code: i16,
    pub(crate) error_message: Option<&'a str>,
    pub(crate) responses: Vec<DeleteShareGroupOffsetsResponseTopic<'a>>,
}

impl<'a> Decode<'a> for DeleteShareGroupOffsetsResponse<'a> {
    const MIN_LEN: usize = 9;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            throttle_time_ms: from.i32("throttle_time_ms")?,
            error_code: from.i16("error_code")?,
            error_message: from.nullable_string("error_message")?,
            responses: from.array("responses")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`DeleteShareGroupOffsetsResponse::responses`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DeleteShareGroupOffsetsResponseTopic<'a> {
    pub(crate) topic_name: &'a str,
    pub(crate) topic_id: TopicId,
    pub(crate) error_code: i16,
    pub(crate) error_message: Option<&'a str>,
}

impl Default for DeleteShareGroupOffsetsResponseTopic<'_> {
    fn default() -> Self {
        Self { topic_name: "", topic_id: TopicId::ZERO, error_code: 0, error_message: None }
    }
}

impl<'a> Decode<'a> for DeleteShareGroupOffsetsResponseTopic<'a> {
    const MIN_LEN: usize = 21;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            topic_name: from.string("topic_name")?,
            topic_id: from.uuid("topic_id")?,
            error_code: from.i16("error_code")?,
            error_message: from.nullable_string("error_message")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
