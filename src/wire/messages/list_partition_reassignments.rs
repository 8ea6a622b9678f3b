// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! ListPartitionReassignments, API key 46, version 0, flexible.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for ListPartitionReassignmentsRequest<'_> {
    const API: ApiKey = ApiKey::ListPartitionReassignments;
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    const FLEXIBLE: i16 = 0;
    const THROTTLE: i16 = 0;
    type Response<'a> = ListPartitionReassignmentsResponse<'a>;
}

/// The request, version 0, flexible.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ListPartitionReassignmentsRequest<'a> {
    pub(crate) timeout_ms: i32,
    pub(crate) topics: Option<Vec<ListPartitionReassignmentsTopics<'a>>>,
}

impl Default for ListPartitionReassignmentsRequest<'_> {
    fn default() -> Self {
        Self { timeout_ms: 60000, topics: None }
    }
}

impl Encode for ListPartitionReassignmentsRequest<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.timeout_ms);
        to.nullable_array("topics", self.topics.as_deref())?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`ListPartitionReassignmentsRequest::topics`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct ListPartitionReassignmentsTopics<'a> {
    pub(crate) name: &'a str,
    pub(crate) partition_indexes: Vec<i32>,
}

impl Encode for ListPartitionReassignmentsTopics<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("name", self.name)?;
        to.array("partition_indexes", &self.partition_indexes)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, version 0, flexible.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ListPartitionReassignmentsResponse<'a> {
    pub(crate) throttle_time_ms: i32,
    pub(crate) error_code: i16,
    pub(crate) error_message: Option<&'a str>,
    pub(crate) topics: Vec<OngoingTopicReassignment<'a>>,
}

impl Default for ListPartitionReassignmentsResponse<'_> {
    fn default() -> Self {
        Self { throttle_time_ms: 0, error_code: 0, error_message: Some(""), topics: Vec::new() }
    }
}

impl<'a> Decode<'a> for ListPartitionReassignmentsResponse<'a> {
    const MIN_LEN: usize = 9;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            throttle_time_ms: from.i32("throttle_time_ms")?,
            error_code: from.i16("error_code")?,
            error_message: from.nullable_string("error_message")?,
            topics: from.array("topics")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`ListPartitionReassignmentsResponse::topics`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct OngoingTopicReassignment<'a> {
    pub(crate) name: &'a str,
    pub(crate) partitions: Vec<OngoingPartitionReassignment>,
}

impl<'a> Decode<'a> for OngoingTopicReassignment<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { name: from.string("name")?, partitions: from.array("partitions")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`OngoingTopicReassignment::partitions`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct OngoingPartitionReassignment {
    pub(crate) partition_index: i32,
    pub(crate) replicas: Vec<i32>,
    pub(crate) adding_replicas: Vec<i32>,
    pub(crate) removing_replicas: Vec<i32>,
}

impl<'a> Decode<'a> for OngoingPartitionReassignment {
    const MIN_LEN: usize = 8;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            partition_index: from.i32("partition_index")?,
            replicas: from.array("replicas")?,
            adding_replicas: from.array("adding_replicas")?,
            removing_replicas: from.array("removing_replicas")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
