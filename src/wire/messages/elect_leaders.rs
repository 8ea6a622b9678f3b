// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! ElectLeaders, API key 43, versions 0 to 2, flexible from 2.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for ElectLeadersRequest<'_> {
    const API: ApiKey = ApiKey::ElectLeaders;
    const VERSIONS: RangeInclusive<i16> = 0..=2;
    const FLEXIBLE: i16 = 2;
    const THROTTLE: i16 = 0;
    type Response<'a> = ElectLeadersResponse<'a>;
}

/// The request, versions 0 to 2, flexible from 2.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ElectLeadersRequest<'a> {
    /// Versions 1+.
    pub(crate) election_type: i8,
    pub(crate) topic_partitions: Option<Vec<TopicPartitions<'a>>>,
    pub(crate) timeout_ms: i32,
}

impl Default for ElectLeadersRequest<'_> {
    fn default() -> Self {
        Self { election_type: 0, topic_partitions: Some(Vec::new()), timeout_ms: 60000 }
    }
}

impl Encode for ElectLeadersRequest<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        if version >= 1 {
            to.i8(self.election_type);
        } else {
            to.lacks("election_type", self.election_type != 0)?;
        }
        to.nullable_array("topic_partitions", self.topic_partitions.as_deref())?;
        to.i32(self.timeout_ms);
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`ElectLeadersRequest::topic_partitions`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct TopicPartitions<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partitions: Vec<i32>,
}

impl Encode for TopicPartitions<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("topic", self.topic)?;
        to.array("partitions", &self.partitions)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 0 to 2, flexible from 2.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct ElectLeadersResponse<'a> {
    pub(crate) throttle_time_ms: i32,
    /// Versions 1+.
    pub(crate) error_code: i16,
    pub(crate) replica_election_results: Vec<ReplicaElectionResult<'a>>,
}

impl<'a> Decode<'a> for ElectLeadersResponse<'a> {
    const MIN_LEN: usize = 8;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            throttle_time_ms: from.i32("throttle_time_ms")?,
            error_code: if version >= 1 { from.i16("error_code")? } else { 0 },
            replica_election_results: from.array("replica_election_results")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`ElectLeadersResponse::replica_election_results`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct ReplicaElectionResult<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partition_result: Vec<PartitionResult<'a>>,
}

impl<'a> Decode<'a> for ReplicaElectionResult<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { topic: from.string("topic")?, partition_result: from.array("partition_result")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`ReplicaElectionResult::partition_result`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PartitionResult<'a> {
    pub(crate) partition_id: i32,
    pub(crate) error_code: i16,
    pub(crate) error_message: Option<&'a str>,
}

impl Default for PartitionResult<'_> {
    fn default() -> Self {
        Self { partition_id: 0, error_code: 0, error_message: Some("") }
    }
}

impl<'a> Decode<'a> for PartitionResult<'a> {
    const MIN_LEN: usize = 8;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            partition_id: from.i32("partition_id")?,
            error_code: from.i16("error_code")?,
            error_message: from.nullable_string("error_message")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
