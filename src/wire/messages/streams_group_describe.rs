// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! StreamsGroupDescribe, API key 89, versions 0 to 1, flexible.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for StreamsGroupDescribeRequest<'_> {
    const API: ApiKey = ApiKey::StreamsGroupDescribe;
    const VERSIONS: RangeInclusive<i16> = 0..=1;
    const FLEXIBLE: i16 = 0;
    const THROTTLE: i16 = 0;
    type Response<'a> = StreamsGroupDescribeResponse<'a>;
}

/// The request, versions 0 to 1, flexible.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct StreamsGroupDescribeRequest<'a> {
    pub(crate) group_ids: Vec<&'a str>,
    pub(crate) include_authorized_operations: bool,
    /// Versions 1+.
    pub(crate) include_topology_description: bool,
}

impl Encode for StreamsGroupDescribeRequest<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.array("group_ids", &self.group_ids)?;
        to.bool(self.include_authorized_operations);
        if version >= 1 {
            to.bool(self.include_topology_description);
        } else {
            to.lacks("include_topology_description", self.include_topology_description)?;
        }
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 0 to 1, flexible.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct StreamsGroupDescribeResponse<'a> {
    pub(crate) throttle_time_ms: i32,
    pub(crate) groups: Vec<DescribedGroup<'a>>,
}

impl<'a> Decode<'a> for StreamsGroupDescribeResponse<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { throttle_time_ms: from.i32("throttle_time_ms")?, groups: from.array("groups")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`StreamsGroupDescribeResponse::groups`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DescribedGroup<'a> {
    pub(crate) error_code: i16,
    pub(crate) error_message: Option<&'a str>,
    pub(crate) group_id: &'a str,
    pub(crate) group_state: &'a str,
    pub(crate) group_epoch: i32,
    pub(crate) assignment_epoch: i32,
    pub(crate) topology: Option<Topology<'a>>,
    pub(crate) members: Vec<Member<'a>>,
    pub(crate) authorized_operations: i32,
    /// Versions 1+.
    pub(crate) topology_description: Option<TopologyDescription<'a>>,
    /// Versions 1+.
    pub(crate) topology_description_status: i8,
    /// Versions 1+.
    pub(crate) assignor_name: Option<&'a str>,
}

impl Default for DescribedGroup<'_> {
    fn default() -> Self {
        Self {
            error_code: 0,
            error_message: None,
            group_id: "",
            group_state: "",
            group_epoch: 0,
            assignment_epoch: 0,
            topology: None,
            members: Vec::new(),
            authorized_operations: i32::MIN,
            topology_description: None,
            topology_description_status: 0,
            assignor_name: None,
        }
    }
}

impl<'a> Decode<'a> for DescribedGroup<'a> {
    const MIN_LEN: usize = 20;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            error_code: from.i16("error_code")?,
            error_message: from.nullable_string("error_message")?,
            group_id: from.string("group_id")?,
            group_state: from.string("group_state")?,
            group_epoch: from.i32("group_epoch")?,
            assignment_epoch: from.i32("assignment_epoch")?,
            topology: from.nullable_structure("topology")?,
            members: from.array("members")?,
            authorized_operations: from.i32("authorized_operations")?,
            topology_description: if version >= 1 { from.nullable_structure("topology_description")? } else { None },
            topology_description_status: if version >= 1 { from.i8("topology_description_status")? } else { 0 },
            assignor_name: if version >= 1 { from.nullable_string("assignor_name")? } else { None },
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// The type of [`DescribedGroup::topology`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct Topology<'a> {
    pub(crate) epoch: i32,
    pub(crate) subtopologies: Option<Vec<Subtopology<'a>>>,
}

impl<'a> Decode<'a> for Topology<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { epoch: from.i32("epoch")?, subtopologies: from.nullable_array("subtopologies")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`Topology::subtopologies`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct Subtopology<'a> {
    pub(crate) subtopology_id: &'a str,
    pub(crate) source_topics: Vec<&'a str>,
    pub(crate) repartition_sink_topics: Vec<&'a str>,
    pub(crate) state_changelog_topics: Vec<TopicInfo<'a>>,
    pub(crate) repartition_source_topics: Vec<TopicInfo<'a>>,
}

impl<'a> Decode<'a> for Subtopology<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            subtopology_id: from.string("subtopology_id")?,
            source_topics: from.array("source_topics")?,
            repartition_sink_topics: from.array("repartition_sink_topics")?,
            state_changelog_topics: from.array("state_changelog_topics")?,
            repartition_source_topics: from.array("repartition_source_topics")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`Subtopology::state_changelog_topics`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct TopicInfo<'a> {
    pub(crate) name: &'a str,
    pub(crate) partitions: i32,
    pub(crate) replication_factor: i16,
    pub(crate) topic_configs: Vec<KeyValue<'a>>,
}

impl<'a> Decode<'a> for TopicInfo<'a> {
    const MIN_LEN: usize = 9;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            name: from.string("name")?,
            partitions: from.i32("partitions")?,
            replication_factor: from.i16("replication_factor")?,
            topic_configs: from.array("topic_configs")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`TopicInfo::topic_configs`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct KeyValue<'a> {
    pub(crate) key: &'a str,
    pub(crate) value: &'a str,
}

impl<'a> Decode<'a> for KeyValue<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { key: from.string("key")?, value: from.string("value")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`DescribedGroup::members`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct Member<'a> {
    pub(crate) member_id: &'a str,
    pub(crate) member_epoch: i32,
    pub(crate) instance_id: Option<&'a str>,
    pub(crate) rack_id: Option<&'a str>,
    pub(crate) client_id: &'a str,
    pub(crate) client_host: &'a str,
    pub(crate) topology_epoch: i32,
    pub(crate) process_id: &'a str,
    pub(crate) user_endpoint: Option<Endpoint<'a>>,
    pub(crate) client_tags: Vec<KeyValue<'a>>,
    pub(crate) task_offsets: Vec<TaskOffset<'a>>,
    pub(crate) task_end_offsets: Vec<TaskOffset<'a>>,
    pub(crate) assignment: Assignment<'a>,
    pub(crate) target_assignment: Assignment<'a>,
    pub(crate) is_classic: bool,
}

impl<'a> Decode<'a> for Member<'a> {
    const MIN_LEN: usize = 28;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            member_id: from.string("member_id")?,
            member_epoch: from.i32("member_epoch")?,
            instance_id: from.nullable_string("instance_id")?,
            rack_id: from.nullable_string("rack_id")?,
            client_id: from.string("client_id")?,
            client_host: from.string("client_host")?,
            topology_epoch: from.i32("topology_epoch")?,
            process_id: from.string("process_id")?,
            user_endpoint: from.nullable_structure("user_endpoint")?,
            client_tags: from.array("client_tags")?,
            task_offsets: from.array("task_offsets")?,
            task_end_offsets: from.array("task_end_offsets")?,
            assignment: from.structure("assignment")?,
            target_assignment: from.structure("target_assignment")?,
            is_classic: from.bool("is_classic")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// The type of [`Member::user_endpoint`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct Endpoint<'a> {
    pub(crate) host: &'a str,
    pub(crate) port: u16,
}

impl<'a> Decode<'a> for Endpoint<'a> {
    const MIN_LEN: usize = 4;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { host: from.string("host")?, port: from.u16("port")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`Member::task_offsets`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct TaskOffset<'a> {
    pub(crate) subtopology_id: &'a str,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

impl<'a> Decode<'a> for TaskOffset<'a> {
    const MIN_LEN: usize = 14;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            subtopology_id: from.string("subtopology_id")?,
            partition: from.i32("partition")?,
            offset: from.i64("offset")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// The type of [`Member::assignment`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct Assignment<'a> {
    pub(crate) active_tasks: Vec<TaskIds<'a>>,
    pub(crate) standby_tasks: Vec<TaskIds<'a>>,
    pub(crate) warmup_tasks: Vec<TaskIds<'a>>,
}

impl<'a> Decode<'a> for Assignment<'a> {
    const MIN_LEN: usize = 4;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            active_tasks: from.array("active_tasks")?,
            standby_tasks: from.array("standby_tasks")?,
            warmup_tasks: from.array("warmup_tasks")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`Assignment::active_tasks`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct TaskIds<'a> {
    pub(crate) subtopology_id: &'a str,
    pub(crate) partitions: Vec<i32>,
}

impl<'a> Decode<'a> for TaskIds<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { subtopology_id: from.string("subtopology_id")?, partitions: from.array("partitions")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// The type of [`DescribedGroup::topology_description`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct TopologyDescription<'a> {
    pub(crate) subtopologies: Vec<TopologyDescriptionSubtopology<'a>>,
    pub(crate) global_stores: Vec<TopologyDescriptionGlobalStore<'a>>,
}

impl<'a> Decode<'a> for TopologyDescription<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { subtopologies: from.array("subtopologies")?, global_stores: from.array("global_stores")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`TopologyDescription::subtopologies`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct TopologyDescriptionSubtopology<'a> {
    pub(crate) subtopology_id: &'a str,
    pub(crate) nodes: Vec<TopologyDescriptionNode<'a>>,
}

impl<'a> Decode<'a> for TopologyDescriptionSubtopology<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { subtopology_id: from.string("subtopology_id")?, nodes: from.array("nodes")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`TopologyDescriptionSubtopology::nodes`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct TopologyDescriptionNode<'a> {
    pub(crate) name: &'a str,
    pub(crate) node_type: i8,
    pub(crate) source_topics: Vec<&'a str>,
    pub(crate) sink_topic: Option<&'a str>,
    pub(crate) stores: Vec<&'a str>,
    pub(crate) successors: Vec<&'a str>,
}

impl<'a> Decode<'a> for TopologyDescriptionNode<'a> {
    const MIN_LEN: usize = 7;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            name: from.string("name")?,
            node_type: from.i8("node_type")?,
            source_topics: from.array("source_topics")?,
            sink_topic: from.nullable_string("sink_topic")?,
            stores: from.array("stores")?,
            successors: from.array("successors")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`TopologyDescription::global_stores`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct TopologyDescriptionGlobalStore<'a> {
    pub(crate) source: TopologyDescriptionNode<'a>,
    pub(crate) processor: TopologyDescriptionNode<'a>,
}

impl<'a> Decode<'a> for TopologyDescriptionGlobalStore<'a> {
    const MIN_LEN: usize = 15;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { source: from.structure("source")?, processor: from.structure("processor")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
