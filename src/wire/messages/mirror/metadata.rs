// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::ids::TopicId;
use crate::wire::messages::metadata::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for MetadataRequest<'a> {
    const MIN_LEN: usize = 4;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            topics: if version >= 1 { from.nullable_array("topics")? } else { Some(from.array("topics")?) },
            allow_auto_topic_creation: if version >= 4 { from.bool("allow_auto_topic_creation")? } else { true },
            include_cluster_authorized_operations: if (8..=10).contains(&version) {
                from.bool("include_cluster_authorized_operations")?
            } else {
                false
            },
            include_topic_authorized_operations: if version >= 8 {
                from.bool("include_topic_authorized_operations")?
            } else {
                false
            },
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for MetadataRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            topics: if version >= 1 {
                from.option(|from| from.array(|from| MetadataRequestTopic::sample(from, version)))
            } else {
                Some(from.array(|from| MetadataRequestTopic::sample(from, version)))
            },
            allow_auto_topic_creation: if version >= 4 { from.bool() } else { true },
            include_cluster_authorized_operations: if (8..=10).contains(&version) { from.bool() } else { false },
            include_topic_authorized_operations: if version >= 8 { from.bool() } else { false },
        }
    }
}

impl<'a> Decode<'a> for MetadataRequestTopic<'a> {
    const MIN_LEN: usize = 2;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            topic_id: if version >= 10 { from.uuid("topic_id")? } else { TopicId::ZERO },
            name: if version >= 10 { from.nullable_string("name")? } else { Some(from.string("name")?) },
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for MetadataRequestTopic<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            topic_id: if version >= 10 { from.uuid() } else { TopicId::ZERO },
            name: if version >= 10 { from.option(|from| from.string()) } else { Some(from.string()) },
        }
    }
}

impl Encode for MetadataResponse<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        if version >= 3 {
            to.i32(self.throttle_time_ms);
        }
        to.array("brokers", &self.brokers)?;
        if version >= 2 {
            to.nullable_string("cluster_id", self.cluster_id)?;
        }
        if version >= 1 {
            to.i32(self.controller_id);
        }
        to.array("topics", &self.topics)?;
        if (8..=10).contains(&version) {
            to.i32(self.cluster_authorized_operations);
        } else {
            to.lacks("cluster_authorized_operations", self.cluster_authorized_operations != i32::MIN)?;
        }
        if version >= 13 {
            to.i16(self.error_code);
        }
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for MetadataResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            throttle_time_ms: if version >= 3 { from.i32() } else { 0 },
            brokers: from.array(|from| MetadataResponseBroker::sample(from, version)),
            cluster_id: if version >= 2 { from.option(|from| from.string()) } else { None },
            controller_id: if version >= 1 { from.i32() } else { -1 },
            topics: from.array(|from| MetadataResponseTopic::sample(from, version)),
            cluster_authorized_operations: if (8..=10).contains(&version) { from.i32() } else { i32::MIN },
            error_code: if version >= 13 { from.i16() } else { 0 },
        }
    }
}

impl Encode for MetadataResponseBroker<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.i32(self.node_id);
        to.string("host", self.host)?;
        to.i32(self.port);
        if version >= 1 {
            to.nullable_string("rack", self.rack)?;
        }
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for MetadataResponseBroker<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            node_id: from.i32(),
            host: from.string(),
            port: from.i32(),
            rack: if version >= 1 { from.option(|from| from.string()) } else { None },
        }
    }
}

impl Encode for MetadataResponseTopic<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.i16(self.error_code);
        if version >= 12 {
            to.nullable_string("name", self.name)?;
        } else {
            let name = to.not_null("name", self.name)?;
            to.string("name", name)?;
        }
        if version >= 10 {
            to.uuid(self.topic_id);
        }
        if version >= 1 {
            to.bool(self.is_internal);
        }
        to.array("partitions", &self.partitions)?;
        if version >= 8 {
            to.i32(self.topic_authorized_operations);
        } else {
            to.lacks("topic_authorized_operations", self.topic_authorized_operations != i32::MIN)?;
        }
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for MetadataResponseTopic<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            error_code: from.i16(),
            name: if version >= 12 { from.option(|from| from.string()) } else { Some(from.string()) },
            topic_id: if version >= 10 { from.uuid() } else { TopicId::ZERO },
            is_internal: if version >= 1 { from.bool() } else { false },
            partitions: from.array(|from| MetadataResponsePartition::sample(from, version)),
            topic_authorized_operations: if version >= 8 { from.i32() } else { i32::MIN },
        }
    }
}

impl Encode for MetadataResponsePartition {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.i16(self.error_code);
        to.i32(self.partition_index);
        to.i32(self.leader_id);
        if version >= 7 {
            to.i32(self.leader_epoch);
        }
        to.array("replica_nodes", &self.replica_nodes)?;
        to.array("isr_nodes", &self.isr_nodes)?;
        if version >= 5 {
            to.array("offline_replicas", &self.offline_replicas)?;
        }
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for MetadataResponsePartition {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            error_code: from.i16(),
            partition_index: from.i32(),
            leader_id: from.i32(),
            leader_epoch: if version >= 7 { from.i32() } else { -1 },
            replica_nodes: from.array(|from| from.i32()),
            isr_nodes: from.array(|from| from.i32()),
            offline_replicas: if version >= 5 { from.array(|from| from.i32()) } else { Vec::new() },
        }
    }
}
