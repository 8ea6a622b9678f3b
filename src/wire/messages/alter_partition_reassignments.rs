// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! AlterPartitionReassignments, API key 45, versions 0 to 1, flexible.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for AlterPartitionReassignmentsRequest<'_> {
    const API: ApiKey = ApiKey::AlterPartitionReassignments;
    const VERSIONS: RangeInclusive<i16> = 0..=1;
    const FLEXIBLE: i16 = 0;
    const THROTTLE: i16 = 0;
    type Response<'a> = AlterPartitionReassignmentsResponse<'a>;
}

/// The request, versions 0 to 1, flexible.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AlterPartitionReassignmentsRequest<'a> {
    pub(crate) timeout_ms: i32,
    /// Versions 1+.
    pub(crate) allow_replication_factor_change: bool,
    pub(crate) topics: Vec<ReassignableTopic<'a>>,
}

impl Default for AlterPartitionReassignmentsRequest<'_> {
    fn default() -> Self {
        Self { timeout_ms: 60000, allow_replication_factor_change: true, topics: Vec::new() }
    }
}

impl Encode for AlterPartitionReassignmentsRequest<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.i32(self.timeout_ms);
        if version >= 1 {
            to.bool(self.allow_replication_factor_change);
        } else {
            to.lacks("allow_replication_factor_change", !self.allow_replication_factor_change)?;
        }
        to.array("topics", &self.topics)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`AlterPartitionReassignmentsRequest::topics`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct ReassignableTopic<'a> {
    pub(crate) name: &'a str,
    pub(crate) partitions: Vec<ReassignablePartition>,
}

impl Encode for ReassignableTopic<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("name", self.name)?;
        to.array("partitions", &self.partitions)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`ReassignableTopic::partitions`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct ReassignablePartition {
    pub(crate) partition_index: i32,
    pub(crate) replicas: Option<Vec<i32>>,
}

impl Encode for ReassignablePartition {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.partition_index);
        to.nullable_array("replicas", self.replicas.as_deref())?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 0 to 1, flexible.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AlterPartitionReassignmentsResponse<'a> {
    pub(crate) throttle_time_ms: i32,
    /// Versions 1+.
    pub(crate) allow_replication_factor_change: bool,
    pub(crate) error_code: i16,
    pub(crate) error_message: Option<&'a str>,
    pub(crate) responses: Vec<ReassignableTopicResponse<'a>>,
}

impl Default for AlterPartitionReassignmentsResponse<'_> {
    fn default() -> Self {
        Self {
            throttle_time_ms: 0,
            allow_replication_factor_change: true,
            error_code: 0,
            error_message: Some(""),
            responses: Vec::new(),
        }
    }
}

impl<'a> Decode<'a> for AlterPartitionReassignmentsResponse<'a> {
    const MIN_LEN: usize = 9;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            throttle_time_ms: from.i32("throttle_time_ms")?,
            allow_replication_factor_change: if version >= 1 { from.bool("allow_replication_factor_change")? } else { true },
            error_code: from.i16("error_code")?,
            error_message: from.nullable_string("error_message")?,
            responses: from.array("responses")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`AlterPartitionReassignmentsResponse::responses`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct ReassignableTopicResponse<'a> {
    pub(crate) name: &'a str,
    pub(crate) partitions: Vec<ReassignablePartitionResponse<'a>>,
}

impl<'a> Decode<'a> for ReassignableTopicResponse<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { name: from.string("name")?, partitions: from.array("partitions")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`ReassignableTopicResponse::partitions`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ReassignablePartitionResponse<'a> {
    pub(crate) partition_index: i32,
    pub(crate) error_code: i16,
    pub(crate) error_message: Option<&'a str>,
}

impl Default for ReassignablePartitionResponse<'_> {
    fn default() -> Self {
        Self { partition_index: 0, error_code: 0, error_message: Some("") }
    }
}

impl<'a> Decode<'a> for ReassignablePartitionResponse<'a> {
    const MIN_LEN: usize = 8;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            partition_index: from.i32("partition_index")?,
            error_code: from.i16("error_code")?,
            error_message: from.nullable_string("error_message")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
