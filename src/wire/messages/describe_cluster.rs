// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! DescribeCluster, API key 60, versions 0 to 2, flexible.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for DescribeClusterRequest {
    const API: ApiKey = ApiKey::DescribeCluster;
    const VERSIONS: RangeInclusive<i16> = 0..=2;
    const FLEXIBLE: i16 = 0;
    const THROTTLE: i16 = 0;
    type Response<'a> = DescribeClusterResponse<'a>;
}

/// The request, versions 0 to 2, flexible.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DescribeClusterRequest {
    pub(crate) include_cluster_authorized_operations: bool,
    /// Versions 1+.
    pub(crate) endpoint_type: i8,
    /// Versions 2+.
    pub(crate) include_fenced_brokers: bool,
}

impl Default for DescribeClusterRequest {
    fn default() -> Self {
        Self { include_cluster_authorized_operations: false, endpoint_type: 1, include_fenced_brokers: false }
    }
}

impl Encode for DescribeClusterRequest {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.bool(self.include_cluster_authorized_operations);
        if version >= 1 {
            to.i8(self.endpoint_type);
        } else {
            to.lacks("endpoint_type", self.endpoint_type != 1)?;
        }
        if version >= 2 {
            to.bool(self.include_fenced_brokers);
        } else {
            to.lacks("include_fenced_brokers", self.include_fenced_brokers)?;
        }
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 0 to 2, flexible.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DescribeClusterResponse<'a> {
    pub(crate) throttle_time_ms: i32,
    pub(crate) error_code: i16,
    pub(crate) error_message: Option<&'a str>,
    /// Versions 1+.
    pub(crate) endpoint_type: i8,
    pub(crate) cluster_id: &'a str,
    pub(crate) controller_id: i32,
    pub(crate) brokers: Vec<DescribeClusterBroker<'a>>,
    pub(crate) cluster_authorized_operations: i32,
}

impl Default for DescribeClusterResponse<'_> {
    fn default() -> Self {
        Self {
            throttle_time_ms: 0,
            error_code: 0,
            error_message: None,
            endpoint_type: 1,
            cluster_id: "",
            controller_id: -1,
            brokers: Vec::new(),
            cluster_authorized_operations: i32::MIN,
        }
    }
}

impl<'a> Decode<'a> for DescribeClusterResponse<'a> {
    const MIN_LEN: usize = 18;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            throttle_time_ms: from.i32("throttle_time_ms")?,
            error_code: from.i16("error_code")?,
            error_message: from.nullable_string("error_message")?,
            endpoint_type: if version >= 1 { from.i8("endpoint_type")? } else { 1 },
            cluster_id: from.string("cluster_id")?,
            controller_id: from.i32("controller_id")?,
            brokers: from.array("brokers")?,
            cluster_authorized_operations: from.i32("cluster_authorized_operations")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`DescribeClusterResponse::brokers`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct DescribeClusterBroker<'a> {
    pub(crate) broker_id: i32,
    pub(crate) host: &'a str,
    pub(crate) port: i32,
    pub(crate) rack: Option<&'a str>,
    /// Versions 2+.
    pub(crate) is_fenced: bool,
}

impl<'a> Decode<'a> for DescribeClusterBroker<'a> {
    const MIN_LEN: usize = 11;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            broker_id: from.i32("broker_id")?,
            host: from.string("host")?,
            port: from.i32("port")?,
            rack: from.nullable_string("rack")?,
            is_fenced: if version >= 2 { from.bool("is_fenced")? } else { false },
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
