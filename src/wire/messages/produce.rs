// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! Produce, API key 0, versions 3 to 13, flexible from 9.

use std::ops::RangeInclusive;

use bytes::Bytes;

use super::ApiKey;
use crate::ids::TopicId;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for ProduceRequest<'_> {
    const API: ApiKey = ApiKey::Produce;
    const VERSIONS: RangeInclusive<i16> = 3..=13;
    const FLEXIBLE: i16 = 9;
    const THROTTLE: i16 = i16::MAX;
    type Response<'a> = ProduceResponse<'a>;
}

/// The request, versions 3 to 13, flexible from 9.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct ProduceRequest<'a> {
    pub(crate) transactional_id: Option<&'a str>,
    pub(crate) acks: i16,
    pub(crate) timeout_ms: i32,
    pub(crate) topic_data: Vec<TopicProduceData<'a>>,
}

impl Encode for ProduceRequest<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.nullable_string("transactional_id", self.transactional_id)?;
        to.i16(self.acks);
        to.i32(self.timeout_ms);
        to.array("topic_data", &self.topic_data)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`ProduceRequest::topic_data`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TopicProduceData<'a> {
    /// Versions 3 to 12.
    pub(crate) name: &'a str,
    /// Versions 13+.
    pub(crate) topic_id: TopicId,
    pub(crate) partition_data: Vec<PartitionProduceData<'a>>,
}

impl Default for TopicProduceData<'_> {
    fn default() -> Self {
        Self { name: "", topic_id: TopicId::ZERO, partition_data: Vec::new() }
    }
}

impl Encode for TopicProduceData<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        if version <= 12 {
            to.string("name", self.name)?;
        }
        if version >= 13 {
            to.uuid(self.topic_id);
        }
        to.array("partition_data", &self.partition_data)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`TopicProduceData::partition_data`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct PartitionProduceData<'a> {
    pub(crate) index: i32,
    pub(crate) records: Option<&'a [Bytes]>,
}

impl Encode for PartitionProduceData<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.index);
        to.nullable_records("records", self.records)?;
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 3 to 13, flexible from 9.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct ProduceResponse<'a> {
    pub(crate) responses: Vec<TopicProduceResponse<'a>>,
    pub(crate) throttle_time_ms: i32,
    /// Versions 10+, tag 0.
    pub(crate) node_endpoints: Vec<NodeEndpoint<'a>>,
}

impl<'a> Decode<'a> for ProduceResponse<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let mut this = Self {
            responses: from.array("responses")?,
            throttle_time_ms: from.i32("throttle_time_ms")?,
            node_endpoints: Vec::new(),
        };
        from.tagged_fields(|from, tag| {
            match tag {
                0 if version >= 10 => this.node_endpoints = from.array("node_endpoints")?,
                _ => from.skip_rest(),
            }
            Ok(())
        })?;
        Ok(this)
    }
}

/// An element of [`ProduceResponse::responses`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TopicProduceResponse<'a> {
    /// Versions 3 to 12.
    pub(crate) name: &'a str,
    /// Versions 13+.
    pub(crate) topic_id: TopicId,
    pub(crate) partition_responses: Vec<PartitionProduceResponse<'a>>,
}

impl Default for TopicProduceResponse<'_> {
    fn default() -> Self {
        Self { name: "", topic_id: TopicId::ZERO, partition_responses: Vec::new() }
    }
}

impl<'a> Decode<'a> for TopicProduceResponse<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            name: if version <= 12 { from.string("name")? } else { "" },
            topic_id: if version >= 13 { from.uuid("topic_id")? } else { TopicId::ZERO },
            partition_responses: from.array("partition_responses")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`TopicProduceResponse::partition_responses`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PartitionProduceResponse<'a> {
    pub(crate) index: i32,
    pub(crate) error_code: i16,
    pub(crate) base_offset: i64,
    pub(crate) log_append_time_ms: i64,
    /// Versions 5+.
    pub(crate) log_start_offset: i64,
    /// Versions 8+.
    pub(crate) record_errors: Vec<BatchIndexAndErrorMessage<'a>>,
    /// Versions 8+.
    pub(crate) error_message: Option<&'a str>,
    /// Versions 10+, tag 0.
    pub(crate) current_leader: LeaderIdAndEpoch,
}

impl Default for PartitionProduceResponse<'_> {
    fn default() -> Self {
        Self {
            index: 0,
            error_code: 0,
            base_offset: 0,
            log_append_time_ms: -1,
            log_start_offset: -1,
            record_errors: Vec::new(),
            error_message: None,
            current_leader: LeaderIdAndEpoch::default(),
        }
    }
}

impl<'a> Decode<'a> for PartitionProduceResponse<'a> {
    const MIN_LEN: usize = 22;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let mut this = Self {
            index: from.i32("index")?,
            error_code: from.i16("error_code")?,
            base_offset: from.i64("base_offset")?,
            log_append_time_ms: from.i64("log_append_time_ms")?,
            log_start_offset: if version >= 5 { from.i64("log_start_offset")? } else { -1 },
            record_errors: if version >= 8 { from.array("record_errors")? } else { Vec::new() },
            error_message: if version >= 8 { from.nullable_string("error_message")? } else { None },
            current_leader: LeaderIdAndEpoch::default(),
        };
        from.tagged_fields(|from, tag| {
            match tag {
                0 if version >= 10 => this.current_leader = from.structure("current_leader")?,
                _ => from.skip_rest(),
            }
            Ok(())
        })?;
        Ok(this)
    }
}

/// An element of [`PartitionProduceResponse::record_errors`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct BatchIndexAndErrorMessage<'a> {
    pub(crate) batch_index: i32,
    pub(crate) batch_index_error_message: Option<&'a str>,
}

impl<'a> Decode<'a> for BatchIndexAndErrorMessage<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            batch_index: from.i32("batch_index")?,
            batch_index_error_message: from.nullable_string("batch_index_error_message")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// The type of [`PartitionProduceResponse::current_leader`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LeaderIdAndEpoch {
    pub(crate) leader_id: i32,
    pub(crate) leader_epoch: i32,
}

impl Default for LeaderIdAndEpoch {
    fn default() -> Self {
        Self { leader_id: -1, leader_epoch: -1 }
    }
}

impl<'a> Decode<'a> for LeaderIdAndEpoch {
    const MIN_LEN: usize = 9;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { leader_id: from.i32("leader_id")?, leader_epoch: from.i32("leader_epoch")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`ProduceResponse::node_endpoints`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct NodeEndpoint<'a> {
    pub(crate) node_id: i32,
    pub(crate) host: &'a str,
    pub(crate) port: i32,
    pub(crate) rack: Option<&'a str>,
}

impl<'a> Decode<'a> for NodeEndpoint<'a> {
    const MIN_LEN: usize = 11;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            node_id: from.i32("node_id")?,
            host: from.string("host")?,
            port: from.i32("port")?,
            rack: from.nullable_string("rack")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
