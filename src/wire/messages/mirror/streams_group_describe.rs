// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::streams_group_describe::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for StreamsGroupDescribeRequest<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            group_ids: from.array("group_ids")?,
            include_authorized_operations: from.bool("include_authorized_operations")?,
            include_topology_description: if version >= 1 { from.bool("include_topology_description")? } else { false },
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for StreamsGroupDescribeRequest<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            group_ids: from.array(|from| from.string()),
            include_authorized_operations: from.bool(),
            include_topology_description: if version >= 1 { from.bool() } else { false },
        }
    }
}

impl Encode for StreamsGroupDescribeResponse<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.throttle_time_ms);
        to.array("groups", &self.groups)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for StreamsGroupDescribeResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { throttle_time_ms: from.i32(), groups: from.array(|from| DescribedGroup::sample(from, version)) }
    }
}

impl Encode for DescribedGroup<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.i16(self.error_code);
        to.nullable_string("error_message", self.error_message)?;
        to.string("group_id", self.group_id)?;
        to.string("group_state", self.group_state)?;
        to.i32(self.group_epoch);
        to.i32(self.assignment_epoch);
        to.nullable_structure(self.topology.as_ref())?;
        to.array("members", &self.members)?;
        to.i32(self.authorized_operations);
        if version >= 1 {
            to.nullable_structure(self.topology_description.as_ref())?;
            to.i8(self.topology_description_status);
            to.nullable_string("assignor_name", self.assignor_name)?;
        } else {
            to.lacks("topology_description", self.topology_description.is_some())?;
            to.lacks("topology_description_status", self.topology_description_status != 0)?;
        }
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for DescribedGroup<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            error_code: from.i16(),
            error_message: from.option(|from| from.string()),
            group_id: from.string(),
            group_state: from.string(),
            group_epoch: from.i32(),
            assignment_epoch: from.i32(),
            topology: from.option(|from| Topology::sample(from, version)),
            members: from.array(|from| Member::sample(from, version)),
            authorized_operations: from.i32(),
            topology_description: if version >= 1 {
                from.option(|from| TopologyDescription::sample(from, version))
            } else {
                None
            },
            topology_description_status: if version >= 1 { from.i8() } else { 0 },
            assignor_name: if version >= 1 { from.option(|from| from.string()) } else { None },
        }
    }
}

impl Encode for Topology<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.epoch);
        to.nullable_array("subtopologies", self.subtopologies.as_deref())?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for Topology<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { epoch: from.i32(), subtopologies: from.option(|from| from.array(|from| Subtopology::sample(from, version))) }
    }
}

impl Encode for Subtopology<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("subtopology_id", self.subtopology_id)?;
        to.array("source_topics", &self.source_topics)?;
        to.array("repartition_sink_topics", &self.repartition_sink_topics)?;
        to.array("state_changelog_topics", &self.state_changelog_topics)?;
        to.array("repartition_source_topics", &self.repartition_source_topics)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for Subtopology<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            subtopology_id: from.string(),
            source_topics: from.array(|from| from.string()),
            repartition_sink_topics: from.array(|from| from.string()),
            state_changelog_topics: from.array(|from| TopicInfo::sample(from, version)),
            repartition_source_topics: from.array(|from| TopicInfo::sample(from, version)),
        }
    }
}

impl Encode for TopicInfo<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("name", self.name)?;
        to.i32(self.partitions);
        to.i16(self.replication_factor);
        to.array("topic_configs", &self.topic_configs)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for TopicInfo<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            name: from.string(),
            partitions: from.i32(),
            replication_factor: from.i16(),
            topic_configs: from.array(|from| KeyValue::sample(from, version)),
        }
    }
}

impl Encode for KeyValue<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("key", self.key)?;
        to.string("value", self.value)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for KeyValue<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { key: from.string(), value: from.string() }
    }
}

impl Encode for Member<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.string("member_id", self.member_id)?;
        to.i32(self.member_epoch);
        to.nullable_string("instance_id", self.instance_id)?;
        to.nullable_string("rack_id", self.rack_id)?;
        to.string("client_id", self.client_id)?;
        to.string("client_host", self.client_host)?;
        to.i32(self.topology_epoch);
        to.string("process_id", self.process_id)?;
        to.nullable_structure(self.user_endpoint.as_ref())?;
        to.array("client_tags", &self.client_tags)?;
        to.array("task_offsets", &self.task_offsets)?;
        to.array("task_end_offsets", &self.task_end_offsets)?;
        self.assignment.encode(to, version)?;
        self.target_assignment.encode(to, version)?;
        to.bool(self.is_classic);
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for Member<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            member_id: from.string(),
            member_epoch: from.i32(),
            instance_id: from.option(|from| from.string()),
            rack_id: from.option(|from| from.string()),
            client_id: from.string(),
            client_host: from.string(),
            topology_epoch: from.i32(),
            process_id: from.string(),
            user_endpoint: from.option(|from| Endpoint::sample(from, version)),
            client_tags: from.array(|from| KeyValue::sample(from, version)),
            task_offsets: from.array(|from| TaskOffset::sample(from, version)),
            task_end_offsets: from.array(|from| TaskOffset::sample(from, version)),
            assignment: Assignment::sample(from, version),
            target_assignment: Assignment::sample(from, version),
            is_classic: from.bool(),
        }
    }
}

impl Encode for Endpoint<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("host", self.host)?;
        to.u16(self.port);
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for Endpoint<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { host: from.string(), port: from.u16() }
    }
}

impl Encode for TaskOffset<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("subtopology_id", self.subtopology_id)?;
        to.i32(self.partition);
        to.i64(self.offset);
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for TaskOffset<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { subtopology_id: from.string(), partition: from.i32(), offset: from.i64() }
    }
}

impl Encode for Assignment<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.array("active_tasks", &self.active_tasks)?;
        to.array("standby_tasks", &self.standby_tasks)?;
        to.array("warmup_tasks", &self.warmup_tasks)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for Assignment<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            active_tasks: from.array(|from| TaskIds::sample(from, version)),
            standby_tasks: from.array(|from| TaskIds::sample(from, version)),
            warmup_tasks: from.array(|from| TaskIds::sample(from, version)),
        }
    }
}

impl Encode for TaskIds<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("subtopology_id", self.subtopology_id)?;
        to.array("partitions", &self.partitions)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for TaskIds<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { subtopology_id: from.string(), partitions: from.array(|from| from.i32()) }
    }
}

impl Encode for TopologyDescription<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.array("subtopologies", &self.subtopologies)?;
        to.array("global_stores", &self.global_stores)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for TopologyDescription<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            subtopologies: from.array(|from| TopologyDescriptionSubtopology::sample(from, version)),
            global_stores: from.array(|from| TopologyDescriptionGlobalStore::sample(from, version)),
        }
    }
}

impl Encode for TopologyDescriptionSubtopology<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("subtopology_id", self.subtopology_id)?;
        to.array("nodes", &self.nodes)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for TopologyDescriptionSubtopology<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { subtopology_id: from.string(), nodes: from.array(|from| TopologyDescriptionNode::sample(from, version)) }
    }
}

impl Encode for TopologyDescriptionNode<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.string("name", self.name)?;
        to.i8(self.node_type);
        to.array("source_topics", &self.source_topics)?;
        to.nullable_string("sink_topic", self.sink_topic)?;
        to.array("stores", &self.stores)?;
        to.array("successors", &self.successors)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for TopologyDescriptionNode<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self {
            name: from.string(),
            node_type: from.i8(),
            source_topics: from.array(|from| from.string()),
            sink_topic: from.option(|from| from.string()),
            stores: from.array(|from| from.string()),
            successors: from.array(|from| from.string()),
        }
    }
}

impl Encode for TopologyDescriptionGlobalStore<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        self.source.encode(to, version)?;
        self.processor.encode(to, version)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for TopologyDescriptionGlobalStore<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { source: TopologyDescriptionNode::sample(from, version), processor: TopologyDescriptionNode::sample(from, version) }
    }
}
