// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! Metadata, API key 3, versions 0 to 13, flexible from 9.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::ids::TopicId;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for MetadataRequest<'_> {
    const API: ApiKey = ApiKey::Metadata;
    const VERSIONS: RangeInclusive<i16> = 0..=13;
    const FLEXIBLE: i16 = 9;
    const THROTTLE: i16 = 3;
    type Response<'a> = MetadataResponse<'a>;
}

/// The request, versions 0 to 13, flexible from 9.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MetadataRequest<'a> {
    /// Null in versions 1+.
    pub(crate) topics: Option<Vec<MetadataRequestTopic<'a>>>,
    /// Versions 4+.
    pub(crate) allow_auto_topic_creation: bool,
    /// Versions 8 to 10.
    pub(crate) include_cluster_authorized_operations: bool,
    /// Versions 8+.
    pub(crate) include_topic_authorized_operations: bool,
}

impl Default for MetadataRequest<'_> {
    fn default() -> Self {
        Self {
            topics: Some(Vec::new()),
            allow_auto_topic_creation: true,
            include_cluster_authorized_operations: false,
            include_topic_authorized_operations: false,
        }
    }
}

impl Encode for MetadataRequest<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        if version >= 1 {
            to.nullable_array("topics", self.topics.as_deref())?;
        } else {
            let topics = to.not_null("topics", self.topics.as_deref())?;
            to.array("topics", topics)?;
        }
        if version >= 4 {
            to.bool(self.allow_auto_topic_creation);
        } else {
            to.lacks("allow_auto_topic_creation", !self.allow_auto_topic_creation)?;
        }
        if (8..=10).contains(&version) {
            to.bool(self.include_cluster_authorized_operations);
        } else {
            to.lacks("include_cluster_authorized_operations", self.include_cluster_authorized_operations)?;
        }
        if version >= 8 {
            to.bool(self.include_topic_authorized_operations);
        } else {
            to.lacks("include_topic_authorized_operations", self.include_topic_authorized_operations)?;
        }
        to.no_tagged_fields();
        Ok(())
    }
}

/// An element of [`MetadataRequest::topics`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MetadataRequestTopic<'a> {
    /// Versions 10+.
    pub(crate) topic_id: TopicId,
    /// Null in versions 10+.
    pub(crate) name: Option<&'a str>,
}

impl Default for MetadataRequestTopic<'_> {
    fn default() -> Self {
        Self { topic_id: TopicId::ZERO, name: Some("") }
    }
}

impl Encode for MetadataRequestTopic<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        if version >= 10 {
            to.uuid(self.topic_id);
        }
        if version >= 10 {
            to.nullable_string("name", self.name)?;
        } else {
            let name = to.not_null("name", self.name)?;
            to.string("name", name)?;
        }
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 0 to 13, flexible from 9.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MetadataResponse<'a> {
    /// Versions 3+.
    pub(crate) throttle_time_ms: i32,
    pub(crate) brokers: Vec<MetadataResponseBroker<'a>>,
    /// Versions 2+.
    pub(crate) cluster_id: Option<&'a str>,
    /// Versions 1+.
    pub(crate) controller_id: i32,
    pub(crate) topics: Vec<MetadataResponseTopic<'a>>,
    /// Versions 8 to 10.
    pub(crate) cluster_authorized_operations: i32,
    /// Versions 13+.
    pub(crate) error_code: i16,
}

impl Default for MetadataResponse<'_> {
    fn default() -> Self {
        Self {
            throttle_time_ms: 0,
            brokers: Vec::new(),
            cluster_id: None,
            controller_id: -1,
            topics: Vec::new(),
            cluster_authorized_operations: i32::MIN,
            error_code: 0,
        }
    }
}

impl<'a> Decode<'a> for MetadataResponse<'a> {
    const MIN_LEN: usize = 8;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            throttle_time_ms: if version >= 3 { from.i32("throttle_time_ms")? } else { 0 },
            brokers: from.array("brokers")?,
            cluster_id: if version >= 2 { from.nullable_string("cluster_id")? } else { None },
            controller_id: if version >= 1 { from.i32("controller_id")? } else { -1 },
            topics: from.array("topics")?,
            cluster_authorized_operations: if (8..=10).contains(&version) {
                from.i32("cluster_authorized_operations")?
            } else {
                i32::MIN
            },
            error_code: if version >= 13 { from.i16("error_code")? } else { 0 },
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`MetadataResponse::brokers`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct MetadataResponseBroker<'a> {
    pub(crate) node_id: i32,
    pub(crate) host: &'a str,
    pub(crate) port: i32,
    /// Versions 1+.
    pub(crate) rack: Option<&'a str>,
}

impl<'a> Decode<'a> for MetadataResponseBroker<'a> {
    const MIN_LEN: usize = 10;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            node_id: from.i32("node_id")?,
            host: from.string("host")?,
            port: from.i32("port")?,
            rack: if version >= 1 { from.nullable_string("rack")? } else { None },
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`MetadataResponse::topics`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MetadataResponseTopic<'a> {
    pub(crate) error_code: i16,
    /// Null in versions 12+.
    pub(crate) name: Option<&'a str>,
    /// Versions 10+.
    pub(crate) topic_id: TopicId,
    /// Versions 1+.
    pub(crate) is_internal: bool,
    pub(crate) partitions: Vec<MetadataResponsePartition>,
    /// Versions 8+.
    pub(crate) topic_authorized_operations: i32,
}

impl Default for MetadataResponseTopic<'_> {
    fn default() -> Self {
        Self {
            error_code: 0,
            name: Some(""),
            topic_id: TopicId::ZERO,
            is_internal: false,
            partitions: Vec::new(),
            topic_authorized_operations: i32::MIN,
        }
    }
}

impl<'a> Decode<'a> for MetadataResponseTopic<'a> {
    const MIN_LEN: usize = 8;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            error_code: from.i16("error_code")?,
            name: if version >= 12 { from.nullable_string("name")? } else { Some(from.string("name")?) },
            topic_id: if version >= 10 { from.uuid("topic_id")? } else { TopicId::ZERO },
            is_internal: if version >= 1 { from.bool("is_internal")? } else { false },
            partitions: from.array("partitions")?,
            topic_authorized_operations: if version >= 8 { from.i32("topic_authorized_operations")? } else { i32::MIN },
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`MetadataResponseTopic::partitions`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MetadataResponsePartition {
    pub(crate) error_code: i16,
    pub(crate) partition_index: i32,
    pub(crate) leader_id: i32,
    /// Versions 7+.
    pub(crate) leader_epoch: i32,
    pub(crate) replica_nodes: Vec<i32>,
    pub(crate) isr_nodes: Vec<i32>,
    /// Versions 5+.
    pub(crate) offline_replicas: Vec<i32>,
}

impl Default for MetadataResponsePartition {
    fn default() -> Self {
        Self {
            error_code: 0,
            partition_index: 0,
            leader_id: 0,
            leader_epoch: -1,
            replica_nodes: Vec::new(),
            isr_nodes: Vec::new(),
            offline_replicas: Vec::new(),
        }
    }
}

impl<'a> Decode<'a> for MetadataResponsePartition {
    const MIN_LEN: usize = 18;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            error_code: from.i16("error_code")?,
            partition_index: from.i32("partition_index")?,
            leader_id: from.i32("leader_id")?,
            leader_epoch: if version >= 7 { from.i32("leader_epoch")? } else { -1 },
            replica_nodes: from.array("replica_nodes")?,
            isr_nodes: from.array("isr_nodes")?,
            offline_replicas: if version >= 5 { from.array("offline_replicas")? } else { Vec::new() },
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
