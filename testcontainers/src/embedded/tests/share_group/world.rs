//! A cluster as members of a share group see it, embedded or real, and what they can ask of it.

use std::fmt::Write;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::share_fetch_request::{
    AcknowledgementBatch, FetchPartition, FetchTopic, ForgottenTopic,
};
use kafka_protocol::messages::share_fetch_response::PartitionData;
use kafka_protocol::messages::{
    CreateTopicsRequest, FindCoordinatorRequest, GroupId, IncrementalAlterConfigsRequest,
    ProduceRequest, ShareFetchRequest, ShareFetchResponse, ShareGroupHeartbeatRequest,
    ShareGroupHeartbeatResponse, TopicName,
};
use tokio::time::timeout;
use uuid::Uuid;

use super::super::client::Client;
pub(super) use super::super::scripted::{error, rest, text};
use crate::embedded::api::newer::share_acknowledge::ShareAcknowledge;
use crate::embedded::api::newer::share_fetch::ShareFetch;
use crate::embedded::log::batch::build;
use crate::embedded::log::records::encode;

/// Opens another connection to the same broker.
pub(super) type Connect = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Client> + Send>> + Send>;

pub(super) struct World {
    pub(super) client: Client,
    connect: Connect,
    pub(super) group: String,
    /// What the names of topics end with, which nobody is told.
    suffix: String,
    /// The topic `t`.
    pub(super) topic: Uuid,
    /// The version of ShareFetch and ShareAcknowledge.
    pub(super) version: i16,
    /// The producer of the newest transaction.
    pub(super) producer: (i64, i16),
}

/// First and last offset, and what is said of them.
pub(super) type Says<'a> = &'a [(i64, i64, &'a [i8])];

pub(super) const GAP: i8 = 0;
pub(super) const ACCEPT: i8 = 1;
pub(super) const RELEASE: i8 = 2;
pub(super) const REJECT: i8 = 3;
pub(super) const RENEW: i8 = 4;

impl World {
    /// A world of its own, with a topic `t` of one partition, which its group reads from the
    /// beginning.
    pub(super) async fn new(connect: Connect, suffix: &str) -> Self {
        let client = connect().await;
        let mut world = Self {
            client,
            connect,
            group: format!("group{suffix}"),
            suffix: suffix.to_owned(),
            topic: Uuid::nil(),
            version: 2,
            producer: (-1, -1),
        };
        world.topic = world.create("t", 1).await;
        loop {
            let request = FindCoordinatorRequest::default().with_key(text(&world.group));
            if world.client.call(&request, 3).await.error_code == 0 {
                break;
            }
            rest(200).await;
        }
        assert_eq!(world.configure("share.auto.offset.reset", "earliest").await, "ok");
        rest(300).await;
        world
    }

    /// Another client of the same broker.
    pub(super) async fn another(&self) -> Client {
        (self.connect)().await
    }

    pub(super) fn group(&self) -> GroupId {
        GroupId(text(&self.group))
    }

    pub(super) fn name(&self, name: &str) -> TopicName {
        TopicName(text(&format!("{name}{}", self.suffix)))
    }

    pub(super) async fn create(&mut self, name: &str, partitions: i32) -> Uuid {
        let topic = CreatableTopic::default()
            .with_name(self.name(name))
            .with_num_partitions(partitions)
            .with_replication_factor(1);
        let create =
            CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000);
        let created = self.client.call(&create, 7).await.topics[0].clone();
        assert_eq!(created.error_code, 0);
        // Until brokers and the coordinator have heard of it.
        rest(500).await;
        created.topic_id
    }

    /// Sets a setting of the group; gives the error.
    pub(super) async fn configure(&mut self, name: &str, value: &str) -> String {
        const GROUP: i8 = 32;
        let config = AlterableConfig::default().with_name(text(name)).with_value(Some(text(value)));
        let resource = AlterConfigsResource::default()
            .with_resource_type(GROUP)
            .with_resource_name(text(&self.group))
            .with_configs(vec![config]);
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
        error(self.client.call(&request, 1).await.responses[0].error_code)
    }

    /// Produces batches of so many records each to partition 0 of `t`.
    pub(super) async fn produce(&mut self, batches: &[usize]) {
        for count in batches {
            let batch = batch((-1, -1, -1), 0, *count);
            self.append(batch).await;
        }
    }

    pub(super) async fn append(&mut self, batch: Bytes) {
        let partition = PartitionProduceData::default().with_index(0).with_records(Some(batch));
        let topic = TopicProduceData::default()
            .with_name(self.name("t"))
            .with_partition_data(vec![partition]);
        let request = ProduceRequest::default()
            .with_acks(-1)
            .with_timeout_ms(1000)
            .with_topic_data(vec![topic]);
        let produced = self.client.call(&request, 9).await;
        assert_eq!(produced.responses[0].partition_responses[0].error_code, 0);
    }

    pub(super) fn alive(&self, member: &str, epoch: i32) -> ShareGroupHeartbeatRequest {
        ShareGroupHeartbeatRequest::default()
            .with_group_id(self.group())
            .with_member_id(text(member))
            .with_member_epoch(epoch)
    }

    pub(super) fn join(&self, member: &str, topics: &[&str]) -> ShareGroupHeartbeatRequest {
        let names = topics.iter().map(|name| self.name(name)).collect();
        self.alive(member, 0).with_subscribed_topic_names(Some(names))
    }

    pub(super) async fn send(
        &mut self,
        request: &ShareGroupHeartbeatRequest,
    ) -> ShareGroupHeartbeatResponse {
        self.client.call(request, 1).await
    }

    /// Sends a heartbeat, and tells the reply: error, or epoch and assignment.
    pub(super) async fn beat(&mut self, request: &ShareGroupHeartbeatRequest) -> String {
        let response = self.send(request).await;
        if response.error_code != 0 {
            assert!(response.assignment.is_none());
            return error(response.error_code);
        }
        assert_eq!(response.member_id.as_ref(), Some(&request.member_id));
        let mut told = format!("epoch {}", response.member_epoch);
        if let Some(assignment) = response.assignment {
            let mut topics: Vec<_> = assignment
                .topic_partitions
                .into_iter()
                .map(|mut topic| {
                    topic.partitions.sort_unstable();
                    let name = if topic.topic_id == self.topic { "t" } else { "?" };
                    format!(", {name} {:?}", topic.partitions)
                })
                .collect();
            topics.sort();
            told += &if topics.is_empty() { ", nothing".to_owned() } else { topics.concat() };
        }
        told
    }

    /// A member joins, and the state of its partition begins.
    pub(super) async fn settle(&mut self, member: &str) {
        let joined = self.send(&self.join(member, &["t"])).await;
        assert_eq!(joined.error_code, 0);
    }

    /// A fetch of `t` by a member, which does not wait.
    pub(super) fn fetch(&self, member: &str, epoch: i32) -> ShareFetch {
        let partition = FetchPartition::default().with_partition_index(0);
        let topic =
            FetchTopic::default().with_topic_id(self.topic).with_partitions(vec![partition]);
        let topics = if epoch == 0 { vec![topic] } else { Vec::new() };
        let request = ShareFetchRequest::default()
            .with_group_id(Some(self.group()))
            .with_member_id(Some(text(member)))
            .with_share_session_epoch(epoch)
            .with_max_wait_ms(500)
            .with_min_bytes(1)
            .with_max_bytes(1 << 20)
            .with_max_records(500)
            .with_batch_size(500)
            .with_topics(topics);
        ShareFetch { request, acquire_mode: 0, is_renew: false }
    }

    /// A fetch that says something of records.
    pub(super) fn saying(&self, member: &str, epoch: i32, says: Says<'_>) -> ShareFetch {
        let mut fetch = self.fetch(member, epoch);
        let partition = FetchPartition::default()
            .with_partition_index(0)
            .with_acknowledgement_batches(says.iter().map(acknowledgement).collect());
        let topic =
            FetchTopic::default().with_topic_id(self.topic).with_partitions(vec![partition]);
        fetch.request = fetch.request.with_topics(vec![topic]);
        fetch
    }

    pub(super) fn forgetting(&self, member: &str, epoch: i32) -> ShareFetch {
        let mut fetch = self.fetch(member, epoch);
        let gone = ForgottenTopic::default().with_topic_id(self.topic).with_partitions(vec![0]);
        fetch.request = fetch.request.with_forgotten_topics_data(vec![gone]);
        fetch
    }

    pub(super) async fn ask(&mut self, fetch: &ShareFetch) -> String {
        let version = self.version;
        show(&self.client.call(fetch, version).await, self.topic)
    }

    /// The same by another connection.
    pub(super) async fn ask_by(&self, client: &mut Client, fetch: &ShareFetch) -> String {
        show(&client.call(fetch, self.version).await, self.topic)
    }

    /// Whether a fetch is answered within a time.
    pub(super) async fn is_parked(&self, client: &mut Client, fetch: &ShareFetch) -> bool {
        client.send(fetch, self.version).await;
        timeout(Duration::from_millis(200), client.frame()).await.is_err()
    }

    pub(super) fn acknowledge(&self, member: &str, epoch: i32, says: Says<'_>) -> ShareAcknowledge {
        use kafka_protocol::messages::ShareAcknowledgeRequest;
        use kafka_protocol::messages::share_acknowledge_request::{
            AcknowledgePartition, AcknowledgeTopic, AcknowledgementBatch,
        };
        let batches = says.iter().map(|(first, last, types)| {
            AcknowledgementBatch::default()
                .with_first_offset(*first)
                .with_last_offset(*last)
                .with_acknowledge_types(types.to_vec())
        });
        let partition = AcknowledgePartition::default()
            .with_partition_index(0)
            .with_acknowledgement_batches(batches.collect());
        let topic =
            AcknowledgeTopic::default().with_topic_id(self.topic).with_partitions(vec![partition]);
        let topics = if says.is_empty() { Vec::new() } else { vec![topic] };
        let request = ShareAcknowledgeRequest::default()
            .with_group_id(Some(self.group()))
            .with_member_id(Some(text(member)))
            .with_share_session_epoch(epoch)
            .with_topics(topics);
        let is_renew = says.iter().any(|(_, _, types)| types.contains(&RENEW));
        ShareAcknowledge { request, is_renew }
    }

    /// Says something of records; gives the error of the request or of the partition.
    pub(super) async fn say(&mut self, member: &str, epoch: i32, says: Says<'_>) -> String {
        let request = self.acknowledge(member, epoch, says);
        self.tell(&request).await
    }

    pub(super) async fn tell(&mut self, request: &ShareAcknowledge) -> String {
        let version = self.version;
        let reply = self.client.call(request, version).await.response;
        if reply.error_code != 0 {
            return error(reply.error_code);
        }
        let partitions = reply.responses.iter().flat_map(|topic| &topic.partitions);
        let told: Vec<String> = partitions.map(|one| error(one.error_code)).collect();
        if told.is_empty() { "nothing".to_owned() } else { told.join(", ") }
    }
}

/// A batch of a producer (id, epoch, first sequence), its attributes and how many records it has.
pub(super) fn batch(producer: (i64, i16, i32), attributes: i16, count: usize) -> Bytes {
    // As markers have it: a log begins another segment when times are far apart, and a fetch reads
    // of one only.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let now = i64::try_from(now).unwrap();
    let records: Vec<_> = (0..count).map(|_| (None, Some(&b"value"[..]))).collect();
    let count = i32::try_from(count).unwrap();
    build(attributes, now, producer.0, producer.1, producer.2, count, &encode(&records))
}

fn acknowledgement((first, last, types): &(i64, i64, &[i8])) -> AcknowledgementBatch {
    AcknowledgementBatch::default()
        .with_first_offset(*first)
        .with_last_offset(*last)
        .with_acknowledge_types(types.to_vec())
}

/// A reply: errors, what was acquired as `first-last*deliveries`, how many batches came.
fn show(response: &ShareFetchResponse, topic: Uuid) -> String {
    if response.error_code != 0 {
        return error(response.error_code);
    }
    let mut shown = String::new();
    for told in &response.responses {
        let name = if told.topic_id == topic { "" } else { "other " };
        for one in &told.partitions {
            write!(shown, "{name}{}: {}; ", one.partition_index, show_partition(one)).unwrap();
        }
    }
    if shown.is_empty() { "nothing".to_owned() } else { shown.trim_end_matches("; ").to_owned() }
}

fn show_partition(one: &PartitionData) -> String {
    let mut shown = Vec::new();
    if one.error_code != 0 {
        shown.push(error(one.error_code));
    }
    if one.acknowledge_error_code != 0 {
        shown.push(format!("said {}", error(one.acknowledge_error_code)));
    }
    for range in &one.acquired_records {
        shown
            .push(format!("{}-{}*{}", range.first_offset, range.last_offset, range.delivery_count));
    }
    let (mut records, mut batches) = (one.records.clone().unwrap_or_default(), 0);
    while let Some(header) = crate::embedded::BatchHeader::read(&records) {
        batches += 1;
        let length = (usize::try_from(header.length).unwrap() + 12).min(records.len());
        records = records.slice(length..);
    }
    if batches > 0 {
        shown.push(format!("of {batches}"));
    }
    if shown.is_empty() { "ok".to_owned() } else { shown.join(" ") }
}
