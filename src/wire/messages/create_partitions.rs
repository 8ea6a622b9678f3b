// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! CreatePartitions, API key 37, versions 0 to 3, flexible from 2.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for CreatePartitionsRequest<'_> {
    const API: ApiKey = ApiKey::CreatePartitions;
    const VERSIONS: RangeInclusive<i16> = 0..=3;
    const FLEXIBLE: i16 = 2;
    const THROTTLE: i16 = 0;
    type Response<'a> = CreatePartitionsResponse<'a>;
}

/// The request, versions 0 to 3, flexible from 2.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct CreatePartitionsRequest<'a> {
    pub(crate) topics: Vec<CreatePartitionsTopic<'a>>,
    pub(crate) timeout_ms: i32,
    pub(crate) validate_only: bool,
}

impl Encode for CreatePartitionsRequest<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.array("topics", &self.topics)?;
        to.i32(self.timeout_ms);
        to.bool(self.validate_only);
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`CreatePartitionsRequest::topics`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CreatePartitionsTopic<'a> {
    pub(crate) name: &'a str,
    pub(crate) count: i32,
    pub(crate) assignments: Option<Vec<CreatePartitionsAssignment>>,
}

impl Default for CreatePartitionsTopic<'_> {
    fn default() -> Self {
        Self { name: "", count: 0, assignments: Some(Vec::new()) }
    }
}

impl Encode for CreatePartitionsTopic<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("name", self.name)?;
        to.i32(self.count);
        to.nullable_array("assignments", self.assignments.as_deref())?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`CreatePartitionsTopic::assignments`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct CreatePartitionsAssignment {
    pub(crate) broker_ids: Vec<i32>,
}

impl Encode for CreatePartitionsAssignment {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.array("broker_ids", &self.broker_ids)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 0 to 3, flexible from 2.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct CreatePartitionsResponse<'a> {
    pub(crate) throttle_time_ms: i32,
    pub(crate) results: Vec<CreatePartitionsTopicResult<'a>>,
}

impl<'a> Decode<'a> for CreatePartitionsResponse<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { throttle_time_ms: from.i32("throttle_time_ms")?, results: from.array("results")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`CreatePartitionsResponse::results`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct CreatePartitionsTopicResult<'a> {
    pub(crate) name: &'a str,
    pub(crate) error_code: i16,
    pub(crate) error_message: Option<&'a str>,
}

impl<'a> Decode<'a> for CreatePartitionsTopicResult<'a> {
    const MIN_LEN: usize = 5;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            name: from.string("name")?,
            error_code: from.i16("error_code")?,
            error_message: from.nullable_string("error_message")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
