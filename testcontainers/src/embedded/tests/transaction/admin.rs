//! What an admin sees of transactions, and how it ends one that hangs (KIP-664).

use kafka_protocol::ResponseError;
use kafka_protocol::messages::add_partitions_to_txn_request::{
    AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
};
use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::write_txn_markers_request::{
    WritableTxnMarker, WritableTxnMarkerTopic,
};
use kafka_protocol::messages::{
    AddPartitionsToTxnRequest, DescribeProducersRequest, DescribeTransactionsRequest,
    ListTransactionsRequest, ProducerId, TransactionalId, WriteTxnMarkersRequest,
};
use kafka_protocol::protocol::StrBytes;

use super::cluster;
use super::world::{NOBODY, World, rest};
use crate::embedded::{EmbeddedCluster, Fate};

fn id(name: &'static str) -> TransactionalId {
    TransactionalId(StrBytes::from_static_str(name))
}

#[tokio::test(start_paused = true)]
async fn a_transaction_is_described_with_what_is_in_it() {
    let cluster = cluster(2).await;
    let mut world = World::embedded(&cluster).await;
    let me = world.begin().await;
    world.produce(12, me, 0).await.unwrap();
    world.commit_offset(5, me, 1, NOBODY).await.unwrap();
    let request = DescribeTransactionsRequest::default().with_transactional_ids(vec![
        id("x"),
        id("unknown"),
        id(""),
    ]);
    let states = world.client.call(&request, 0).await.transaction_states;
    let known = &states[0];
    assert_eq!(
        (known.error_code, &*known.transaction_state, known.transaction_timeout_ms),
        (0, "Ongoing", 60_000)
    );
    assert_eq!((known.producer_id.0, known.producer_epoch), me);
    assert!(known.transaction_start_time_ms >= 1_700_000_000_000);
    let topics: Vec<_> = known
        .topics
        .iter()
        .map(|topic| (topic.topic.to_string(), topic.partitions.clone()))
        .collect();
    let offsets = EmbeddedCluster::offsets_partition(&world.group);
    assert_eq!(
        topics,
        [("__consumer_offsets".to_owned(), vec![offsets]), ("topic".to_owned(), vec![0])]
    );
    assert_eq!(states[1].error_code, ResponseError::TransactionalIdNotFound.code());
    assert_eq!(states[2].error_code, ResponseError::InvalidRequest.code());
}

#[tokio::test(start_paused = true)]
async fn transactions_are_listed_by_state_producer_and_age() {
    let cluster = cluster(2).await;
    let mut world = World::embedded(&cluster).await;
    let me = world.begin().await;
    world.produce(12, me, 0).await.unwrap();
    rest(5_000).await;
    let mut count = async |request: ListTransactionsRequest| {
        let response = world.client.call(&request, 1).await;
        (response.transaction_states.len(), response.unknown_state_filters.len())
    };
    let all = ListTransactionsRequest::default;
    let text = StrBytes::from_static_str;
    assert_eq!(count(all()).await, (1, 0));
    assert_eq!(
        count(all().with_state_filters(vec![text("Ongoing"), text("Nonsense")])).await,
        (1, 1)
    );
    assert_eq!(count(all().with_state_filters(vec![text("Empty")])).await, (0, 0));
    assert_eq!(count(all().with_producer_id_filters(vec![ProducerId(me.0 + 1)])).await, (0, 0));
    assert_eq!(count(all().with_duration_filter(4_000)).await, (1, 0));
    assert_eq!(count(all().with_duration_filter(6_000)).await, (0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_admin_finds_the_producer_that_hangs_and_ends_its_transaction() {
    let cluster = cluster(2).await;
    let mut world = World::embedded(&cluster).await;
    let me = world.begin().await;
    world.produce(12, me, 0).await.unwrap();
    let topic = TopicRequest::default().with_name(world.topic()).with_partition_indexes(vec![0, 9]);
    let asked = DescribeProducersRequest::default().with_topics(vec![topic]);
    let partitions = world.client.call(&asked, 0).await.topics[0].partitions.clone();
    let hanging = &partitions[0].active_producers[0];
    assert_eq!(
        (hanging.producer_id.0, hanging.last_sequence, hanging.current_txn_start_offset),
        (me.0, 0, 0)
    );
    assert_eq!(hanging.coordinator_epoch, -1);
    assert_eq!(partitions[1].error_code, ResponseError::UnknownTopicOrPartition.code());

    let mut write = async |epoch: i16, coordinator_epoch: i32| {
        let topic = WritableTxnMarkerTopic::default()
            .with_name(world.topic())
            .with_partition_indexes(vec![0]);
        let marker = WritableTxnMarker::default()
            .with_producer_id(ProducerId(me.0))
            .with_producer_epoch(epoch)
            .with_coordinator_epoch(coordinator_epoch)
            .with_topics(vec![topic]);
        let response = world
            .client
            .call(&WriteTxnMarkersRequest::default().with_markers(vec![marker]), 1)
            .await;
        response.markers[0].topics[0].partitions[0].error_code
    };
    assert_eq!(write(me.1 - 1, 0).await, ResponseError::InvalidProducerEpoch.code());
    assert_eq!(write(me.1, 3).await, 0);
    assert_eq!(write(me.1, 2).await, ResponseError::TransactionCoordinatorFenced.code());
    let fates: Vec<_> = cluster.fates("topic", 0).into_iter().map(|one| one.1).collect();
    assert_eq!(fates, [Fate::Aborted, Fate::Marker { committed: false }]);
}

#[tokio::test(start_paused = true)]
async fn brokers_add_and_verify_for_many_transactions_at_once() {
    let cluster = cluster(2).await;
    let mut world = World::embedded(&cluster).await;
    let me = world.begin().await;
    let mut codes = async |verify_only: bool| {
        let topic =
            AddPartitionsToTxnTopic::default().with_name(world.topic()).with_partitions(vec![0]);
        let one = AddPartitionsToTxnTransaction::default()
            .with_producer_id(ProducerId(me.0))
            .with_producer_epoch(me.1)
            .with_verify_only(verify_only)
            .with_topics(vec![topic]);
        let transactions = vec![
            one.clone().with_transactional_id(id("x")),
            one.with_transactional_id(id("unknown")),
        ];
        let response = world
            .client
            .call(&AddPartitionsToTxnRequest::default().with_transactions(transactions), 4)
            .await;
        let code = |at: usize| {
            response.results_by_transaction[at].topic_results[0].results_by_partition[0]
                .partition_error_code
        };
        (code(0), code(1))
    };
    let unknown = ResponseError::InvalidProducerIdMapping.code();
    assert_eq!(codes(true).await, (ResponseError::TransactionAbortable.code(), unknown));
    assert_eq!(codes(false).await, (0, unknown));
    assert_eq!(codes(true).await, (0, unknown));
}
