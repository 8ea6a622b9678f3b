// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! DescribeLogDirs, API key 35, versions 1 to 5, flexible from 2.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for DescribeLogDirsRequest<'_> {
    const API: ApiKey = ApiKey::DescribeLogDirs;
    const VERSIONS: RangeInclusive<i16> = 1..=5;
    const FLEXIBLE: i16 = 2;
    const THROTTLE: i16 = 1;
    type Response<'a> = DescribeLogDirsResponse<'a>;
}

/// The request, versions 1 to 5, flexible from 2.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DescribeLogDirsRequest<'a> {
    pub(crate) topics: Option<Vec<DescribableLogDirTopic<'a>>>,
}

impl Default for DescribeLogDirsRequest<'_> {
    fn default() -> Self {
        Self { topics: Some(Vec::new()) }
    }
}

impl Encode for DescribeLogDirsRequest<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.nullable_array("topics", self.topics.as_deref())?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`DescribeLogDirsRequest::topics`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct DescribableLogDirTopic<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partitions: Vec<i32>,
}

impl Encode for DescribableLogDirTopic<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("topic", self.topic)?;
        to.array("partitions", &self.partitions)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 1 to 5, flexible from 2.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct DescribeLogDirsResponse<'a> {
    pub(crate) throttle_time_ms: i32,
    /// Versions 3+.
    pub(crate) error_code: i16,
    pub(crate) results: Vec<DescribeLogDirsResult<'a>>,
}

impl<'a> Decode<'a> for DescribeLogDirsResponse<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            throttle_time_ms: from.i32("throttle_time_ms")?,
            error_code: if version >= 3 { from.i16("error_code")? } else { 0 },
            results: from.array("results")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`DescribeLogDirsResponse::results`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DescribeLogDirsResult<'a> {
    pub(crate) error_code: i16,
    pub(crate) log_dir: &'a str,
    pub(crate) topics: Vec<DescribeLogDirsTopic<'a>>,
    /// Versions 4+.
    pub(crate) total_bytes: i64,
    /// Versions 4+.
    pub(crate) usable_bytes: i64,
    /// Versions 5+.
    pub(crate) is_cordoned: bool,
}

impl Default for DescribeLogDirsResult<'_> {
    fn default() -> Self {
        Self { error_code: 0, log_dir: "", topics: Vec::new(), total_bytes: -1, usable_bytes: -1, is_cordoned: false }
    }
}

impl<'a> Decode<'a> for DescribeLogDirsResult<'a> {
    const MIN_LEN: usize = 5;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            error_code: from.i16("error_code")?,
            log_dir: from.string("log_dir")?,
            topics: from.array("topics")?,
            total_bytes: if version >= 4 { from.i64("total_bytes")? } else { -1 },
            usable_bytes: if version >= 4 { from.i64("usable_bytes")? } else { -1 },
            is_cordoned: if version >= 5 { from.bool("is_cordoned")? } else { false },
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`DescribeLogDirsResult::topics`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct DescribeLogDirsTopic<'a> {
    pub(crate) name: &'a str,
    pub(crate) partitions: Vec<DescribeLogDirsPartition>,
}

impl<'a> Decode<'a> for DescribeLogDirsTopic<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { name: from.string("name")?, partitions: from.array("partitions")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`DescribeLogDirsTopic::partitions`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct DescribeLogDirsPartition {
    pub(crate) partition_index: i32,
    pub(crate) partition_size: i64,
    pub(crate) offset_lag: i64,
    pub(crate) is_future_key: bool,
}

impl<'a> Decode<'a> for DescribeLogDirsPartition {
    const MIN_LEN: usize = 21;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            partition_index: from.i32("partition_index")?,
            partition_size: from.i64("partition_size")?,
            offset_lag: from.i64("offset_lag")?,
            is_future_key: from.bool("is_future_key")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
