// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! ConsumerGroupDescribe, API key 69, versions 0 to 1, flexible.

use std::ops::RangeInclusive;

use super::ApiKey;
use crate::ids::TopicId;
use crate::wire::call::Request;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl Request for ConsumerGroupDescribeRequest<'_> {
    const API: ApiKey = ApiKey::ConsumerGroupDescribe;
    const VERSIONS: RangeInclusive<i16> = 0..=1;
    const FLEXIBLE: i16 = 0;
    const THROTTLE: i16 = 0;
    type Response<'a> = ConsumerGroupDescribeResponse<'a>;
}

/// The request, versions 0 to 1, flexible.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct ConsumerGroupDescribeRequest<'a> {
    pub(crate) group_ids: Vec<&'a str>,
    pub(crate) include_authorized_operations: bool,
}

impl Encode for ConsumerGroupDescribeRequest<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.array("group_ids", &self.group_ids)?;
        to.bool(self.include_authorized_operations);
        to.no_tagged_fields();
        Ok(())
    }
}

/// The response, versions 0 to 1, flexible.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct ConsumerGroupDescribeResponse<'a> {
    pub(crate) throttle_time_ms: i32,
    pub(crate) groups: Vec<DescribedGroup<'a>>,
}

impl<'a> Decode<'a> for ConsumerGroupDescribeResponse<'a> {
    const MIN_LEN: usize = 6;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { throttle_time_ms: from.i32("throttle_time_ms")?, groups: from.array("groups")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`ConsumerGroupDescribeResponse::groups`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DescribedGroup<'a> {
    pub(crate) error_code: i16,
    pub(crate) error_message: Option<&'a str>,
    pub(crate) group_id: &'a str,
    pub(crate) group_state: &'a str,
    pub(crate) group_epoch: i32,
    pub(crate) assignment_epoch: i32,
    pub(crate) assignor_name: &'a str,
    pub(crate) members: Vec<Member<'a>>,
    pub(crate) authorized_operations: i32,
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
            assignor_name: "",
            members: Vec::new(),
            authorized_operations: i32::MIN,
        }
    }
}

impl<'a> Decode<'a> for DescribedGroup<'a> {
    const MIN_LEN: usize = 20;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            error_code: from.i16("error_code")?,
            error_message: from.nullable_string("error_message")?,
            group_id: from.string("group_id")?,
            group_state: from.string("group_state")?,
            group_epoch: from.i32("group_epoch")?,
            assignment_epoch: from.i32("assignment_epoch")?,
            assignor_name: from.string("assignor_name")?,
            members: from.array("members")?,
            authorized_operations: from.i32("authorized_operations")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`DescribedGroup::members`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Member<'a> {
    pub(crate) member_id: &'a str,
    pub(crate) instance_id: Option<&'a str>,
    pub(crate) rack_id: Option<&'a str>,
    pub(crate) member_epoch: i32,
    pub(crate) client_id: &'a str,
    pub(crate) client_host: &'a str,
    pub(crate) subscribed_topic_names: Vec<&'a str>,
    pub(crate) subscribed_topic_regex: Option<&'a str>,
    pub(crate) assignment: Assignment<'a>,
    pub(crate) target_assignment: Assignment<'a>,
    /// Versions 1+.
    pub(crate) member_type: i8,
}

impl Default for Member<'_> {
    fn default() -> Self {
        Self {
            member_id: "",
            instance_id: None,
            rack_id: None,
            member_epoch: 0,
            client_id: "",
            client_host: "",
            subscribed_topic_names: Vec::new(),
            subscribed_topic_regex: None,
            assignment: Assignment::default(),
            target_assignment: Assignment::default(),
            member_type: -1,
        }
    }
}

impl<'a> Decode<'a> for Member<'a> {
    const MIN_LEN: usize = 16;

    fn decode(from: &mut Reader<'a>, version: i16) -> Result<Self, DecodeError> {
        let this = Self {
            member_id: from.string("member_id")?,
            instance_id: from.nullable_string("instance_id")?,
            rack_id: from.nullable_string("rack_id")?,
            member_epoch: from.i32("member_epoch")?,
            client_id: from.string("client_id")?,
            client_host: from.string("client_host")?,
            subscribed_topic_names: from.array("subscribed_topic_names")?,
            subscribed_topic_regex: from.nullable_string("subscribed_topic_regex")?,
            assignment: from.structure("assignment")?,
            target_assignment: from.structure("target_assignment")?,
            member_type: if version >= 1 { from.i8("member_type")? } else { -1 },
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// The type of [`Member::assignment`].
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct Assignment<'a> {
    pub(crate) topic_partitions: Vec<TopicPartitions<'a>>,
}

impl<'a> Decode<'a> for Assignment<'a> {
    const MIN_LEN: usize = 2;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self { topic_partitions: from.array("topic_partitions")? };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

/// An element of [`Assignment::topic_partitions`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TopicPartitions<'a> {
    pub(crate) topic_id: TopicId,
    pub(crate) topic_name: &'a str,
    pub(crate) partitions: Vec<i32>,
}

impl Default for TopicPartitions<'_> {
    fn default() -> Self {
        Self { topic_id: TopicId::ZERO, topic_name: "", partitions: Vec::new() }
    }
}

impl<'a> Decode<'a> for TopicPartitions<'a> {
    const MIN_LEN: usize = 19;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            topic_id: from.uuid("topic_id")?,
            topic_name: from.string("topic_name")?,
            partitions: from.array("partitions")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}
