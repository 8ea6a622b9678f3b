//! A cluster as members of a consumer group see it, embedded or real, and what they can ask of it.

use std::collections::BTreeMap;
use std::fmt::Write;

use kafka_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use kafka_protocol::messages::consumer_group_heartbeat_response::Assignment;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, CreatePartitionsRequest,
    CreateTopicsRequest, DeleteTopicsRequest, FindCoordinatorRequest, GroupId, JoinGroupResponse,
    TopicName,
};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::super::client::Client;
pub(super) use super::super::scripted::{error, rest, text};
use crate::embedded::EmbeddedCluster;

pub(super) struct World {
    pub(super) client: Client,
    pub(super) group: String,
    /// What the names of topics end with, which nobody is told.
    suffix: String,
    topics: BTreeMap<String, Uuid>,
    /// The epoch that each member was told last.
    epochs: BTreeMap<String, i32>,
    /// The id that a classic member was told last.
    last_id: String,
    /// The producer of its transactions.
    pub(super) producer: (i64, i16),
}

/// Partitions of topics.
pub(super) type Has<'a> = &'a [(&'a str, &'a [i32])];

impl World {
    pub(super) async fn embedded(cluster: &EmbeddedCluster) -> Self {
        Self::new(Client::to(cluster, 1), "").await
    }

    /// A world of its own, with a topic `t` of four partitions.
    pub(super) async fn new(client: Client, suffix: &str) -> Self {
        let (group, topics) = (format!("group{suffix}"), BTreeMap::new());
        let suffix = suffix.to_owned();
        let mut world = Self {
            client,
            group,
            suffix,
            topics,
            epochs: BTreeMap::new(),
            last_id: String::new(),
            producer: (-1, -1),
        };
        world.create("t", 4).await;
        loop {
            let request = FindCoordinatorRequest::default().with_key(text(&world.group));
            if world.client.call(&request, 3).await.error_code == 0 {
                return world;
            }
            rest(200).await;
        }
    }

    pub(super) fn group(&self) -> GroupId {
        GroupId(text(&self.group))
    }

    pub(super) fn topic(&self, name: &str) -> TopicName {
        TopicName(text(&format!("{name}{}", self.suffix)))
    }

    pub(super) async fn create(&mut self, name: &str, partitions: i32) {
        let topic = CreatableTopic::default()
            .with_name(self.topic(name))
            .with_num_partitions(partitions)
            .with_replication_factor(1);
        let create =
            CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000);
        let created = self.client.call(&create, 7).await.topics[0].clone();
        assert_eq!(created.error_code, 0);
        self.topics.insert(name.to_owned(), created.topic_id);
        // Until the coordinator has heard of it.
        rest(500).await;
    }

    pub(super) async fn grow(&mut self, name: &str, count: i32) {
        let topic = CreatePartitionsTopic::default()
            .with_name(self.topic(name))
            .with_count(count)
            .with_assignments(None);
        let grow =
            CreatePartitionsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000);
        assert_eq!(self.client.call(&grow, 3).await.results[0].error_code, 0);
        rest(500).await;
    }

    pub(super) async fn delete(&mut self, name: &str) {
        let topic = DeleteTopicState::default().with_name(Some(self.topic(name)));
        let delete =
            DeleteTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000);
        assert_eq!(self.client.call(&delete, 6).await.responses[0].error_code, 0);
        rest(500).await;
    }

    /// A heartbeat that says nothing but who and when.
    pub(super) fn alive(&self, member: &str, epoch: i32) -> ConsumerGroupHeartbeatRequest {
        ConsumerGroupHeartbeatRequest::default()
            .with_group_id(self.group())
            .with_member_id(text(member))
            .with_member_epoch(epoch)
            .with_topic_partitions(None)
    }

    /// A heartbeat that says what the member has.
    pub(super) fn owning(
        &self,
        member: &str,
        epoch: i32,
        owned: Has<'_>,
    ) -> ConsumerGroupHeartbeatRequest {
        let topics = owned.iter().map(|(topic, partitions)| {
            let id = self.topics.get(*topic).copied().unwrap();
            TopicPartitions::default().with_topic_id(id).with_partitions(partitions.to_vec())
        });
        self.alive(member, epoch).with_topic_partitions(Some(topics.collect()))
    }

    /// A request to join, for `topics`.
    pub(super) fn join(&self, member: &str, topics: &[&str]) -> ConsumerGroupHeartbeatRequest {
        self.owning(member, 0, &[])
            .with_rebalance_timeout_ms(60_000)
            .with_subscribed_topic_names(Some(self.names(topics)))
    }

    /// A request that says all that a member can say.
    pub(super) fn full(
        &self,
        member: &str,
        epoch: i32,
        owned: Has<'_>,
    ) -> ConsumerGroupHeartbeatRequest {
        self.owning(member, epoch, owned)
            .with_rebalance_timeout_ms(60_000)
            .with_subscribed_topic_names(Some(self.names(&["t"])))
    }

    pub(super) fn names(&self, topics: &[&str]) -> Vec<TopicName> {
        topics.iter().map(|name| self.topic(name)).collect()
    }

    /// The name of a topic as it is here.
    pub(super) fn unnamed<'a>(&self, name: &'a str) -> &'a str {
        name.strip_suffix(&self.suffix).unwrap_or(name)
    }

    /// A pattern of the world's own topics.
    pub(super) fn pattern(&self, pattern: &str) -> Option<StrBytes> {
        Some(text(&format!("{pattern}{}", self.suffix)))
    }

    pub(super) async fn send(
        &mut self,
        request: &ConsumerGroupHeartbeatRequest,
        version: i16,
    ) -> ConsumerGroupHeartbeatResponse {
        let response = self.client.call(request, version).await;
        if response.error_code == 0 {
            self.epochs.insert(request.member_id.to_string(), response.member_epoch);
        }
        response
    }

    pub(super) fn note(&mut self, joined: &JoinGroupResponse) {
        self.last_id = joined.member_id.to_string();
    }

    /// The id that a classic member was told last.
    pub(super) fn last_id(&self) -> String {
        self.last_id.clone()
    }

    /// The epoch that a member was told last.
    pub(super) fn epoch(&self, member: &str) -> i32 {
        self.epochs.get(member).copied().unwrap_or(0)
    }

    /// Sends a heartbeat, and tells the reply: error, or epoch and assignment.
    pub(super) async fn beat(&mut self, request: &ConsumerGroupHeartbeatRequest) -> String {
        self.beat_as(request, 1).await
    }

    pub(super) async fn beat_as(
        &mut self,
        request: &ConsumerGroupHeartbeatRequest,
        version: i16,
    ) -> String {
        let response = self.send(request, version).await;
        if response.error_code != 0 {
            assert!(response.error_message.is_some() && response.assignment.is_none());
            return error(response.error_code);
        }
        if request.member_id.is_empty() {
            assert!(response.member_id.is_some_and(|id| !id.is_empty()));
        } else {
            assert_eq!(response.member_id.as_ref(), Some(&request.member_id));
        }
        let interval = if request.member_epoch < 0 { 0 } else { INTERVAL_MS };
        assert_eq!(response.heartbeat_interval_ms, interval);
        let told = response.assignment.as_ref();
        format!(
            "epoch {}{}",
            response.member_epoch,
            told.map(|told| self.show(told)).unwrap_or_default()
        )
    }

    /// An assignment, as its topics are named here.
    fn show(&self, assignment: &Assignment) -> String {
        let topics = assignment.topic_partitions.iter().map(|topic| {
            let mut partitions = topic.partitions.clone();
            partitions.sort_unstable();
            (topic.topic_id, partitions)
        });
        self.show_ids(topics)
    }

    pub(super) fn show_ids(&self, topics: impl Iterator<Item = (Uuid, Vec<i32>)>) -> String {
        let name = |id: Uuid| {
            let found = self.topics.iter().find(|(_, known)| **known == id);
            found.map_or("?", |(name, _)| name)
        };
        let sorted: BTreeMap<&str, Vec<i32>> =
            topics.map(|(id, partitions)| (name(id), partitions)).collect();
        let mut shown = String::new();
        for (name, partitions) in sorted {
            write!(shown, ", {name} {partitions:?}").unwrap();
        }
        if shown.is_empty() { ", nothing".to_owned() } else { shown }
    }

    /// A member joins alone and has all of `t`; gives its epoch.
    pub(super) async fn settle(&mut self, member: &str) -> i32 {
        let joined = self.send(&self.join(member, &["t"]), 1).await;
        assert_eq!(joined.error_code, 0);
        joined.member_epoch
    }
}

/// `group.consumer.heartbeat.interval.ms` of the clusters that are asked.
pub(super) const INTERVAL_MS: i32 = 1000;
/// `group.consumer.session.timeout.ms` of them.
pub(super) const SESSION_MS: u64 = 4000;
/// `group.consumer.max.size` of them.
pub(super) const MOST_MEMBERS: usize = 4;
