// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::describe_cluster::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for DescribeClusterRequest {
    const MIN_LEN: usize = 2;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            include_cluster_authorized_operations: from.bool("include_cluster_authorized_operations")?,
            endpoint_type: if version >= 1 { from.i8("endpoint_type")? } else { 1 },
            include_fenced_brokers: if version >= 2 { from.bool("include_fenced_brokers")? } else { false },
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for DescribeClusterRequest {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            include_cluster_authorized_operations: from.bool(),
            endpoint_type: if version >= 1 { from.i8() } else { 1 },
            include_fenced_brokers: if version >= 2 { from.bool() } else { false },
        }
    }
}

impl Encode for DescribeClusterResponse<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.i32(self.throttle_time_ms);
        to.i16(self.error_code);
        to.nullable_string("error_message", self.error_message)?;
        if version >= 1 {
            to.i8(self.endpoint_type);
        } else {
            to.lacks("endpoint_type", self.endpoint_type != 1)?;
        }
        to.string("cluster_id", self.cluster_id)?;
        to.i32(self.controller_id);
        to.array("brokers", &self.brokers)?;
        to.i32(self.cluster_authorized_operations);
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for DescribeClusterResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            throttle_time_ms: from.i32(),
            error_code: from.i16(),
            error_message: from.option(|from| from.string()),
            endpoint_type: if version >= 1 { from.i8() } else { 1 },
            cluster_id: from.string(),
            controller_id: from.i32(),
            brokers: from.array(|from| DescribeClusterBroker::sample(from, version)),
            cluster_authorized_operations: from.i32(),
        }
    }
}

impl Encode for DescribeClusterBroker<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.i32(self.broker_id);
        to.string("host", self.host)?;
        to.i32(self.port);
        to.nullable_string("rack", self.rack)?;
        if version >= 2 {
            to.bool(self.is_fenced);
        } else {
            to.lacks("is_fenced", self.is_fenced)?;
        }
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for DescribeClusterBroker<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            broker_id: from.i32(),
            host: from.string(),
            port: from.i32(),
            rack: from.option(|from| from.string()),
            is_fenced: if version >= 2 { from.bool() } else { false },
        }
    }
}
