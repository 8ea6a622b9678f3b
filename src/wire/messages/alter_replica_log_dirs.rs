// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! AlterReplicaLogDirs, API key 34, versions 1 to 2, flexible from 2.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for AlterReplicaLogDirsRequest<'_> {
    const API: ApiKey = ApiKey::AlterReplicaLogDirs;
    const VERSIONS: RangeInclusive<i16> = 1..=2;
    const FLEXIBLE: i16 = 2;
    const THROTTLE: i16 = 1;
    type Response<'a> = AlterReplicaLogDirsResponse<'a>;
}

/// The request, versions 1 to 2, flexible from 2.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct AlterReplicaLogDirsRequest<'a> {
    pub(crate) dirs: Vec<AlterReplicaLogDir<'a>>,
}

impl Encode for AlterReplicaLogDirsRequest<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.array("dirs", &self.dirs)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`AlterReplicaLogDirsRequest::dirs`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct AlterReplicaLogDir<'a> {
    pub(crate) path: &'a str,
    pub(crate) topics: Vec<AlterReplicaLogDirTopic<'a>>,
}

impl Encode for AlterReplicaLogDir<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("path", self.path)?;
        to.array("topics", &self.topics)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`AlterReplicaLogDir::topics`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct AlterReplicaLogDirTopic<'a> {
    pub(crate) name: &'a str,
    pub(crate) partitions: Vec<i32>,
}

impl Encode for AlterReplicaLogDirTopic<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("name", self.name)?;
        to.array("partitions", &self.partitions)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 1 to 2, flexible from 2.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct AlterReplicaLogDirsResponse<'a> {
    pub(crate) throttle_time_ms: i32,
    pub(crate) results: Vec<AlterReplicaLogDirTopicResult<'a>>,
}

impl<'a> Decode<'a> for AlterReplicaLogDirsResponse<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { throttle_time_ms: from.i32("throttle_time_ms")?, results: from.array("results")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`AlterReplicaLogDirsResponse::results`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct AlterReplicaLogDirTopicResult<'a> {
    pub(crate) topic_name: &'a str,
    pub(crate) partitions: Vec<AlterReplicaLogDirPartitionResult>,
}

impl<'a> Decode<'a> for AlterReplicaLogDirTopicResult<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { topic_name: from.string("topic_name")?, partitions: from.array("partitions")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`AlterReplicaLogDirTopicResult::partitions`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct AlterReplicaLogDirPartitionResult {
    pub(crate) partition_index: i32,
    pub(crate) error_code: i16,
}

impl<'a> Decode<'a> for AlterReplicaLogDirPartitionResult {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { partition_index: from.i32("partition_index")?, error_code: from.i16("error_code")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
