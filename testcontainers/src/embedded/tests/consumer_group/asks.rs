//! What else a world can be asked: offsets, descriptions, and what classic members ask.

use std::collections::BTreeSet;
use std::fmt::Write;

use kafka_protocol::messages::consumer_group_describe_response::{Assignment, Member};
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, DeleteGroupsRequest, DescribeGroupsRequest, ListGroupsRequest,
    OffsetCommitRequest, OffsetFetchRequest,
};

use super::world::{World, error, text};

/// The offset that is committed for a partition.
fn offset_of(partition: i32) -> i64 {
    100 + i64::from(partition)
}

impl World {
    /// Commits for partitions of `t`; gives the answer for each.
    pub(super) async fn commit(
        &mut self,
        version: i16,
        member: &str,
        epoch: i32,
        partitions: &[i32],
    ) -> String {
        let wanted = partitions.iter().map(|partition| {
            OffsetCommitRequestPartition::default()
                .with_partition_index(*partition)
                .with_committed_offset(offset_of(*partition))
        });
        let topic = OffsetCommitRequestTopic::default()
            .with_name(self.topic("t"))
            .with_partitions(wanted.collect());
        let request = OffsetCommitRequest::default()
            .with_group_id(self.group())
            .with_member_id(text(member))
            .with_generation_id_or_member_epoch(epoch)
            .with_topics(vec![topic]);
        let response = self.client.call(&request, version).await;
        let mut answers = response.topics[0].partitions.clone();
        answers.sort_by_key(|one| one.partition_index);
        let answers: Vec<String> = answers.iter().map(|one| error(one.error_code)).collect();
        answers.join(", ")
    }

    /// Fetches what is committed for partitions of `t`.
    pub(super) async fn fetch(
        &mut self,
        member: Option<&str>,
        epoch: i32,
        partitions: &[i32],
    ) -> String {
        let topic = OffsetFetchRequestTopics::default()
            .with_name(self.topic("t"))
            .with_partition_indexes(partitions.to_vec());
        let group = OffsetFetchRequestGroup::default()
            .with_group_id(self.group())
            .with_member_id(member.map(text))
            .with_member_epoch(epoch)
            .with_topics(Some(vec![topic]));
        let request = OffsetFetchRequest::default().with_groups(vec![group]);
        let response = self.client.call(&request, 9).await.groups[0].clone();
        let found = response.topics.iter().flat_map(|topic| &topic.partitions);
        let found: Vec<String> = found
            .map(|one| {
                assert_eq!(one.error_code, 0);
                one.committed_offset.to_string()
            })
            .collect();
        format!("{} [{}]", error(response.error_code), found.join(", "))
    }

    pub(super) async fn listed(&mut self) -> String {
        let group = self.group();
        let response = self.client.call(&ListGroupsRequest::default(), 5).await;
        let found = response.groups.iter().find(|one| one.group_id == group);
        found.map_or_else(
            || "no".to_owned(),
            |one| format!("{} {:?} {}", &*one.group_type, &*one.protocol_type, &*one.group_state),
        )
    }

    pub(super) async fn assignor(&mut self) -> String {
        let request = ConsumerGroupDescribeRequest::default().with_group_ids(vec![self.group()]);
        self.client.call(&request, 1).await.groups[0].assignor_name.to_string()
    }

    pub(super) async fn described(&mut self) -> String {
        let request = ConsumerGroupDescribeRequest::default().with_group_ids(vec![self.group()]);
        let group = self.client.call(&request, 1).await.groups[0].clone();
        if group.error_code != 0 {
            assert!(group.error_message.is_some());
            return error(group.error_code);
        }
        let mut members = group.members.clone();
        members.sort_by(|one, other| one.member_id.cmp(&other.member_id));
        let mut shown = format!("{} {}", &*group.group_state, &*group.assignor_name);
        write!(shown, " {} {}", group.group_epoch, group.assignment_epoch).unwrap();
        members.iter().for_each(|one| write!(shown, "; {}", self.describe_member(one)).unwrap());
        shown
    }

    fn describe_member(&self, member: &Member) -> String {
        assert_eq!((&*member.client_id, &*member.client_host), ("test", "/127.0.0.1"));
        let named = [member.instance_id.as_deref(), member.rack_id.as_deref()];
        let named: Vec<&str> = named.into_iter().flatten().collect();
        let topics = member.subscribed_topic_names.iter().map(|name| self.unnamed(name));
        let topics: BTreeSet<&str> = topics.collect();
        format!(
            "{}{named:?} {} type {} for {:?} {:?} has{} wants{}",
            &*member.member_id,
            member.member_epoch,
            member.member_type,
            topics.iter().collect::<Vec<_>>(),
            member.subscribed_topic_regex.as_deref().unwrap_or("null"),
            self.show_described(&member.assignment),
            self.show_described(&member.target_assignment),
        )
    }

    fn show_described(&self, assignment: &Assignment) -> String {
        let topics = assignment.topic_partitions.iter().map(|topic| {
            let mut partitions = topic.partitions.clone();
            partitions.sort_unstable();
            (topic.topic_id, partitions)
        });
        self.show_ids(topics)
    }

    pub(super) async fn described_as_classic(&mut self, version: i16) -> String {
        let request = DescribeGroupsRequest::default().with_groups(vec![self.group()]);
        let group = self.client.call(&request, version).await.groups[0].clone();
        let (state, members) = (&*group.group_state, group.members.len());
        format!("{} {state} {:?} {members}", error(group.error_code), &*group.protocol_type)
    }

    pub(super) async fn delete_group(&mut self) -> String {
        let request = DeleteGroupsRequest::default().with_groups_names(vec![self.group()]);
        error(self.client.call(&request, 2).await.results[0].error_code)
    }
}
