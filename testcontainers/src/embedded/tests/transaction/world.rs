//! A cluster as a transactional producer sees it, embedded or real, and what it can ask of it.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::describe_producers_response::ProducerState;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::write_txn_markers_request::{
    WritableTxnMarker, WritableTxnMarkerTopic,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, ApiVersionsRequest, ApiVersionsResponse,
    BrokerId, CreateTopicsRequest, DescribeProducersRequest, DescribeTransactionsRequest,
    EndTxnRequest, FetchRequest, FindCoordinatorRequest, GroupId, InitProducerIdRequest,
    ListOffsetsRequest, OffsetFetchRequest, ProduceRequest, ProducerId, TopicName, TransactionalId,
    TxnOffsetCommitRequest, WriteTxnMarkersRequest,
};
use kafka_protocol::protocol::StrBytes;

use super::super::client::Client;
pub(super) use super::super::scripted::rest;
use crate::embedded::log::batch::build;
use crate::embedded::log::records::encode;
use crate::embedded::{BatchHeader, EmbeddedCluster};

const TRANSACTIONAL: i16 = 1 << 4;

/// A producer: its id and its epoch.
pub(super) type Producer = (i64, i16);

/// An answer: what it gives, or the error.
pub(super) type Answer<T> = Result<T, ResponseError>;

pub(super) struct World {
    pub(super) client: Client,
    pub(super) id: String,
    pub(super) topic: String,
    pub(super) group: String,
    /// `transaction.timeout.ms` of the producers.
    pub(super) timeout_ms: i32,
}

/// How a group member names itself.
pub(super) type Member = (&'static str, i32);

pub(super) const NOBODY: Member = ("", -1);

impl World {
    /// A world of its own, with a topic of two partitions, on broker 1 of an embedded cluster.
    pub(super) async fn embedded(cluster: &EmbeddedCluster) -> Self {
        Self::new(Client::to(cluster, 1), "").await
    }

    /// The same world, seen from another broker or over another connection.
    pub(super) fn at(cluster: &EmbeddedCluster, broker: i32, other: &Self) -> Self {
        let (id, topic, group) = (other.id.clone(), other.topic.clone(), other.group.clone());
        Self { client: Client::to(cluster, broker), id, topic, group, timeout_ms: other.timeout_ms }
    }

    pub(super) async fn new(client: Client, suffix: &str) -> Self {
        let mut world = Self {
            client,
            id: format!("x{suffix}"),
            topic: format!("topic{suffix}"),
            group: format!("group{suffix}"),
            timeout_ms: 60_000,
        };
        let topic = CreatableTopic::default()
            .with_name(world.topic())
            .with_num_partitions(2)
            .with_replication_factor(1);
        let create =
            CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000);
        assert_eq!(world.client.call(&create, 7).await.topics[0].error_code, 0);
        for (kind, key) in [(1, world.id.clone()), (0, world.group.clone())] {
            world.find_coordinator(kind, key).await;
        }
        world
    }

    pub(super) fn topic(&self) -> TopicName {
        TopicName(StrBytes::from_string(self.topic.clone()))
    }

    fn id(&self) -> TransactionalId {
        TransactionalId(StrBytes::from_string(self.id.clone()))
    }

    fn group(&self) -> GroupId {
        GroupId(StrBytes::from_string(self.group.clone()))
    }

    /// Real brokers make the topics of their coordinators when they are first asked.
    async fn find_coordinator(&mut self, kind: i8, key: String) {
        loop {
            let request = FindCoordinatorRequest::default()
                .with_key_type(kind)
                .with_key(StrBytes::from_string(key.clone()));
            if self.client.call(&request, 3).await.error_code == 0 {
                return;
            }
            rest(200).await;
        }
    }

    pub(super) async fn init(&mut self, version: i16, expected: Producer) -> Answer<Producer> {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(self.id()))
            .with_transaction_timeout_ms(self.timeout_ms)
            .with_producer_id(ProducerId(expected.0))
            .with_producer_epoch(expected.1);
        let response = self.client.call(&request, version).await;
        answer(response.error_code, (response.producer_id.0, response.producer_epoch))
    }

    /// Initialises as whoever comes new, and waits for what was before.
    pub(super) async fn begin(&mut self) -> Producer {
        loop {
            match self.init(4, (-1, -1)).await {
                Ok(producer) => return producer,
                Err(ResponseError::ConcurrentTransactions | ResponseError::NotCoordinator) => {
                    rest(20).await
                }
                Err(
                    ResponseError::CoordinatorNotAvailable
                    | ResponseError::CoordinatorLoadInProgress,
                ) => rest(20).await,
                Err(error) => panic!("{error}"),
            }
        }
    }

    pub(super) async fn add(
        &mut self,
        version: i16,
        producer: Producer,
        partitions: &[i32],
    ) -> Vec<Answer<()>> {
        let topic = AddPartitionsToTxnTopic::default()
            .with_name(self.topic())
            .with_partitions(partitions.to_vec());
        let request = AddPartitionsToTxnRequest::default()
            .with_v3_and_below_transactional_id(self.id())
            .with_v3_and_below_producer_id(ProducerId(producer.0))
            .with_v3_and_below_producer_epoch(producer.1)
            .with_v3_and_below_topics(vec![topic]);
        let response = self.client.call(&request, version).await;
        let results = &response.results_by_topic_v3_and_below[0].results_by_partition;
        results.iter().map(|result| answer(result.partition_error_code, ())).collect()
    }

    pub(super) async fn add_one(&mut self, producer: Producer) -> Answer<()> {
        self.add(3, producer, &[0]).await.remove(0)
    }

    /// Produces a record in the transaction to partition 0; gives its offset.
    pub(super) async fn produce(
        &mut self,
        version: i16,
        producer: Producer,
        sequence: i32,
    ) -> Answer<i64> {
        self.produce_to(version, producer, sequence, 0).await
    }

    pub(super) async fn produce_to(
        &mut self,
        version: i16,
        producer: Producer,
        sequence: i32,
        partition: i32,
    ) -> Answer<i64> {
        self.produce_batch(version, batch(producer, sequence), partition).await
    }

    pub(super) async fn produce_batch(
        &mut self,
        version: i16,
        batch: Bytes,
        partition: i32,
    ) -> Answer<i64> {
        let id = Some(self.id());
        let request = self.produce_request(batch, partition).with_transactional_id(id);
        let response =
            self.client.call(&request, version).await.responses[0].partition_responses[0].clone();
        answer(response.error_code, response.base_offset)
    }

    /// Produces a record outside of the transaction.
    pub(super) async fn produce_outside(
        &mut self,
        producer: Producer,
        sequence: i32,
    ) -> Answer<i64> {
        let records = encode(&[(None, Some(b"v"))]);
        let batch = build(0, now_ms(), producer.0, producer.1, sequence, 1, &records);
        let id = Some(self.id());
        let request = self.produce_request(batch, 0).with_transactional_id(id);
        let response =
            self.client.call(&request, 11).await.responses[0].partition_responses[0].clone();
        answer(response.error_code, response.base_offset)
    }

    /// The producers that partition 0 knows.
    pub(super) async fn producers(&mut self) -> Vec<ProducerState> {
        let topic = TopicRequest::default().with_name(self.topic()).with_partition_indexes(vec![0]);
        let request = DescribeProducersRequest::default().with_topics(vec![topic]);
        self.client.call(&request, 0).await.topics[0].partitions[0].active_producers.clone()
    }

    /// Aborts in partition 0, as an admin does.
    pub(super) async fn write_marker(
        &mut self,
        producer: Producer,
        coordinator_epoch: i32,
    ) -> Answer<()> {
        let topic = WritableTxnMarkerTopic::default()
            .with_name(self.topic())
            .with_partition_indexes(vec![0]);
        let marker = WritableTxnMarker::default()
            .with_producer_id(ProducerId(producer.0))
            .with_producer_epoch(producer.1)
            .with_coordinator_epoch(coordinator_epoch)
            .with_topics(vec![topic]);
        let response = self
            .client
            .call(&WriteTxnMarkersRequest::default().with_markers(vec![marker]), 1)
            .await;
        answer(response.markers[0].topics[0].partitions[0].error_code, ())
    }

    pub(super) fn produce_request(&self, batch: Bytes, partition: i32) -> ProduceRequest {
        let data = PartitionProduceData::default().with_index(partition).with_records(Some(batch));
        let topic =
            TopicProduceData::default().with_name(self.topic()).with_partition_data(vec![data]);
        ProduceRequest::default().with_acks(-1).with_timeout_ms(5000).with_topic_data(vec![topic])
    }

    pub(super) async fn end(
        &mut self,
        version: i16,
        producer: Producer,
        committed: bool,
    ) -> Answer<Producer> {
        let request = EndTxnRequest::default()
            .with_transactional_id(self.id())
            .with_producer_id(ProducerId(producer.0))
            .with_producer_epoch(producer.1)
            .with_committed(committed);
        let response = self.client.call(&request, version).await;
        answer(response.error_code, (response.producer_id.0, response.producer_epoch))
    }

    /// Asks for the owner's next epoch; `None` when the connection ends without a reply.
    pub(super) async fn try_init(&mut self, me: Producer) -> Option<i16> {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(self.id()))
            .with_transaction_timeout_ms(self.timeout_ms)
            .with_producer_id(ProducerId(me.0))
            .with_producer_epoch(me.1);
        self.client.send(&request, 4).await;
        Some(self.client.receive::<InitProducerIdRequest>(4).await?.error_code)
    }

    /// Commits; `None` when the connection ends without a reply.
    pub(super) async fn try_end(&mut self, me: Producer) -> Option<i16> {
        let request = EndTxnRequest::default()
            .with_transactional_id(self.id())
            .with_producer_id(ProducerId(me.0))
            .with_producer_epoch(me.1)
            .with_committed(true);
        self.client.send(&request, 5).await;
        Some(self.client.receive::<EndTxnRequest>(5).await?.error_code)
    }

    pub(super) async fn add_offsets(&mut self, producer: Producer) -> Answer<()> {
        let request = AddOffsetsToTxnRequest::default()
            .with_transactional_id(self.id())
            .with_producer_id(ProducerId(producer.0))
            .with_producer_epoch(producer.1)
            .with_group_id(self.group());
        let response = self.client.call(&request, 3).await;
        answer(response.error_code, ())
    }

    pub(super) async fn commit_offset(
        &mut self,
        version: i16,
        producer: Producer,
        offset: i64,
        member: Member,
    ) -> Answer<()> {
        self.commit_offset_as(version, producer, offset, member, None).await
    }

    /// Commits as a member that may be static.
    pub(super) async fn commit_offset_as(
        &mut self,
        version: i16,
        producer: Producer,
        offset: i64,
        member: Member,
        instance: Option<&'static str>,
    ) -> Answer<()> {
        let partition = TxnOffsetCommitRequestPartition::default()
            .with_committed_offset(offset)
            .with_committed_leader_epoch(-1)
            .with_committed_metadata(Some(StrBytes::new()));
        let topic = TxnOffsetCommitRequestTopic::default()
            .with_name(self.topic())
            .with_partitions(vec![partition]);
        let request = TxnOffsetCommitRequest::default()
            .with_transactional_id(self.id())
            .with_group_id(self.group())
            .with_producer_id(ProducerId(producer.0))
            .with_producer_epoch(producer.1)
            .with_member_id(StrBytes::from_static_str(member.0))
            .with_generation_id(member.1)
            .with_group_instance_id(instance.map(StrBytes::from_static_str))
            .with_topics(vec![topic]);
        let response = self.client.call(&request, version).await;
        answer(response.topics[0].partitions[0].error_code, ())
    }

    pub(super) async fn fetch_offset(&mut self, stable: bool) -> Answer<i64> {
        let topic = OffsetFetchRequestTopics::default()
            .with_name(self.topic())
            .with_partition_indexes(vec![0]);
        let group = OffsetFetchRequestGroup::default()
            .with_group_id(self.group())
            .with_topics(Some(vec![topic]));
        let request =
            OffsetFetchRequest::default().with_groups(vec![group]).with_require_stable(stable);
        let response = self.client.call(&request, 8).await;
        let found = &response.groups[0].topics[0].partitions[0];
        answer(found.error_code, found.committed_offset)
    }

    /// Partition 0 from its start, as either kind of consumer gets it.
    pub(super) async fn fetch(&mut self, committed_only: bool) -> PartitionData {
        self.fetch_waiting(committed_only, 0).await
    }

    pub(super) async fn fetch_waiting(
        &mut self,
        committed_only: bool,
        max_wait_ms: i32,
    ) -> PartitionData {
        let partition = FetchPartition::default().with_partition_max_bytes(1 << 20);
        let topic = FetchTopic::default().with_topic(self.topic()).with_partitions(vec![partition]);
        let request = FetchRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_max_wait_ms(max_wait_ms)
            .with_min_bytes(1)
            .with_max_bytes(1 << 20)
            .with_isolation_level(committed_only.into())
            .with_topics(vec![topic]);
        self.client.call(&request, 11).await.responses[0].partitions[0].clone()
    }

    pub(super) async fn end_offset(&mut self, committed_only: bool) -> i64 {
        let partition =
            ListOffsetsPartition::default().with_timestamp(-1).with_current_leader_epoch(-1);
        let topic =
            ListOffsetsTopic::default().with_name(self.topic()).with_partitions(vec![partition]);
        let request = ListOffsetsRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_isolation_level(committed_only.into())
            .with_topics(vec![topic]);
        self.client.call(&request, 5).await.topics[0].partitions[0].offset
    }

    pub(super) async fn api_versions(&mut self, version: i16) -> ApiVersionsResponse {
        let text = StrBytes::from_static_str;
        let request = ApiVersionsRequest::default()
            .with_client_software_name(text("n"))
            .with_client_software_version(text("1"));
        self.client.call(&request, version).await
    }

    /// The state of the transactional id, with its epoch and whether anything is in it.
    pub(super) async fn state(&mut self) -> Answer<(String, i16)> {
        let request =
            DescribeTransactionsRequest::default().with_transactional_ids(vec![self.id()]);
        let response = self.client.call(&request, 0).await.transaction_states[0].clone();
        answer(
            response.error_code,
            (response.transaction_state.to_string(), response.producer_epoch),
        )
    }

    /// Waits until no marker is on its way.
    pub(super) async fn settle(&mut self) {
        while self.state().await.is_ok_and(|(state, _)| state.starts_with("Prepare")) {
            rest(5).await;
        }
    }
}

/// A batch of one record in a transaction, of now: real brokers begin another segment when times
/// are far apart.
pub(super) fn batch(producer: Producer, sequence: i32) -> Bytes {
    batch_of(producer, sequence, "v")
}

pub(super) fn batch_of(producer: Producer, sequence: i32, value: &str) -> Bytes {
    build(
        TRANSACTIONAL,
        now_ms(),
        producer.0,
        producer.1,
        sequence,
        1,
        &encode(&[(None, Some(value.as_bytes()))]),
    )
}

fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// The headers of the batches in a reply to Fetch.
pub(super) fn headers(mut records: &[u8]) -> Vec<BatchHeader> {
    let mut found = Vec::new();
    while let Some(header) = BatchHeader::read(records) {
        found.push(header);
        records = records.get(usize::try_from(header.length).unwrap() + 12..).unwrap_or_default();
    }
    found
}

fn answer<T>(code: i16, value: T) -> Answer<T> {
    ResponseError::try_from_code(code).map_or(Ok(value), Err)
}
