// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

use super::Sample;
use super::Samples;
use crate::wire::messages::consumer_group_describe::*;
use crate::wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

impl<'a> Decode<'a> for ConsumerGroupDescribeRequest<'a> {
    const MIN_LEN: usize = 3;

    fn decode(from: &mut Reader<'a>, _: i16) -> Result<Self, DecodeError> {
        let this = Self {
            group_ids: from.array("group_ids")?,
            include_authorized_operations: from.bool("include_authorized_operations")?,
        };
        from.skip_tagged_fields()?;
        Ok(this)
    }
}

impl Sample for ConsumerGroupDescribeRequest<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { group_ids: from.array(|from| from.string()), include_authorized_operations: from.bool() }
    }
}

impl Encode for ConsumerGroupDescribeResponse<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i32(self.throttle_time_ms);
        to.array("groups", &self.groups)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for ConsumerGroupDescribeResponse<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { throttle_time_ms: from.i32(), groups: from.array(|from| DescribedGroup::sample(from, version)) }
    }
}

impl Encode for DescribedGroup<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.i16(self.error_code);
        to.nullable_string("error_message", self.error_message)?;
        to.string("group_id", self.group_id)?;
        to.string("group_state", self.group_state)?;
        to.i32(self.group_epoch);
        to.i32(self.assignment_epoch);
        to.string("assignor_name", self.assignor_name)?;
        to.array("members", &self.members)?;
        to.i32(self.authorized_operations);
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
            assignor_name: from.string(),
            members: from.array(|from| Member::sample(from, version)),
            authorized_operations: from.i32(),
        }
    }
}

impl Encode for Member<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        to.string("member_id", self.member_id)?;
        to.nullable_string("instance_id", self.instance_id)?;
        to.nullable_string("rack_id", self.rack_id)?;
        to.i32(self.member_epoch);
        to.string("client_id", self.client_id)?;
        to.string("client_host", self.client_host)?;
        to.array("subscribed_topic_names", &self.subscribed_topic_names)?;
        to.nullable_string("subscribed_topic_regex", self.subscribed_topic_regex)?;
        self.assignment.encode(to, version)?;
        self.target_assignment.encode(to, version)?;
        if version >= 1 {
            to.i8(self.member_type);
        }
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for Member<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self {
            member_id: from.string(),
            instance_id: from.option(|from| from.string()),
            rack_id: from.option(|from| from.string()),
            member_epoch: from.i32(),
            client_id: from.string(),
            client_host: from.string(),
            subscribed_topic_names: from.array(|from| from.string()),
            subscribed_topic_regex: from.option(|from| from.string()),
            assignment: Assignment::sample(from, version),
            target_assignment: Assignment::sample(from, version),
            member_type: if version >= 1 { from.i8() } else { -1 },
        }
    }
}

impl Encode for Assignment<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.array("topic_partitions", &self.topic_partitions)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for Assignment<'_> {
    fn sample(from: &mut Samples, version: i16) -> Self {
        Self { topic_partitions: from.array(|from| TopicPartitions::sample(from, version)) }
    }
}

impl Encode for TopicPartitions<'_> {
    fn encode(&self, to: &mut Writer, _: i16) -> Result<(), EncodeError> {
        to.uuid(self.topic_id);
        to.string("topic_name", self.topic_name)?;
        to.array("partitions", &self.partitions)?;
        to.no_tagged_fields();
        Ok(())
    }
}

impl Sample for TopicPartitions<'_> {
    fn sample(from: &mut Samples, _: i16) -> Self {
        Self { topic_id: from.uuid(), topic_name: from.string(), partitions: from.array(|from| from.i32()) }
    }
}
