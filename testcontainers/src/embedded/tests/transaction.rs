use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::{
    AddPartitionsToTxnRequest, EndTxnRequest, InitProducerIdRequest, InitProducerIdResponse, ProducerId, TransactionalId,
};
use kafka_protocol::protocol::StrBytes;

use super::client::{Client, name, one_broker, produce_request};
use crate::embedded::log::batch::build;
use crate::embedded::log::records::encode;

const TRANSACTIONAL: i16 = 1 << 4;

fn id() -> TransactionalId {
    TransactionalId(StrBytes::from_static_str("x"))
}

async fn init(client: &mut Client) -> InitProducerIdResponse {
    let request = InitProducerIdRequest::default()
        .with_transactional_id(Some(id()))
        .with_transaction_timeout_ms(60_000)
        .with_producer_id(ProducerId(-1))
        .with_producer_epoch(-1);
    client.call(&request, 5).await
}

fn batch(producer: &InitProducerIdResponse, sequence: i32) -> Bytes {
    let records = encode(&[(None, Some(b"v"))]);
    build(TRANSACTIONAL, 0, producer.producer_id.0, producer.producer_epoch, sequence, 1, &records)
}

async fn produce(client: &mut Client, version: i16, batch: Bytes) -> i16 {
    let request = produce_request(batch).with_transactional_id(Some(id()));
    client.call(&request, version).await.responses[0].partition_responses[0].error_code
}

async fn end(client: &mut Client, version: i16, producer: &InitProducerIdResponse, committed: bool) -> (i16, i16) {
    let request = EndTxnRequest::default()
        .with_transactional_id(id())
        .with_producer_id(producer.producer_id)
        .with_producer_epoch(producer.producer_epoch)
        .with_committed(committed);
    let response = client.call(&request, version).await;
    (response.error_code, response.producer_epoch)
}

#[tokio::test(start_paused = true)]
async fn the_old_protocol_adds_partitions_first_and_keeps_the_epoch() {
    let cluster = one_broker().start().await.unwrap();
    let mut client = Client::to(&cluster, 1);
    let producer = init(&mut client).await;
    assert_eq!(produce(&mut client, 11, batch(&producer, 0)).await, ResponseError::InvalidTxnState.code());
    let topic = AddPartitionsToTxnTopic::default().with_name(name("t")).with_partitions(vec![0]);
    let add = AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(id())
        .with_v3_and_below_producer_id(producer.producer_id)
        .with_v3_and_below_producer_epoch(producer.producer_epoch)
        .with_v3_and_below_topics(vec![topic]);
    let added = client.call(&add, 3).await;
    assert_eq!(added.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code, 0);
    assert_eq!(produce(&mut client, 11, batch(&producer, 0)).await, 0);
    assert_eq!(end(&mut client, 4, &producer, false).await.0, 0);
    let log = cluster.log("t", 0);
    assert!(log[1].header.is_control());
    assert_eq!(log[1].header.producer_epoch, producer.producer_epoch);
    assert_eq!(end(&mut client, 4, &producer, false).await.0, 0, "the same end again");
    assert_eq!(end(&mut client, 4, &producer, true).await.0, ResponseError::InvalidTxnState.code());
}

#[tokio::test(start_paused = true)]
async fn the_new_protocol_adds_by_producing_and_bumps_at_the_end() {
    let cluster = one_broker().start().await.unwrap();
    let mut client = Client::to(&cluster, 1);
    let producer = init(&mut client).await;
    assert_eq!(produce(&mut client, 12, batch(&producer, 0)).await, 0);
    assert_eq!(end(&mut client, 5, &producer, true).await, (0, producer.producer_epoch + 1));
    assert_eq!(end(&mut client, 5, &producer, true).await, (0, producer.producer_epoch + 1), "its reply was lost");
    let late = produce(&mut client, 12, batch(&producer, 1)).await;
    assert_eq!(late, ResponseError::InvalidProducerEpoch.code());
}

#[tokio::test(start_paused = true)]
async fn who_comes_later_fences_and_aborts() {
    let cluster = one_broker().start().await.unwrap();
    let mut client = Client::to(&cluster, 1);
    let old = init(&mut client).await;
    assert_eq!(produce(&mut client, 12, batch(&old, 0)).await, 0);
    assert_eq!(init(&mut client).await.error_code, ResponseError::ConcurrentTransactions.code());
    let new = init(&mut client).await;
    assert!(new.producer_epoch > old.producer_epoch);
    assert!(cluster.log("t", 0)[1].header.is_control());
    assert_eq!(end(&mut client, 5, &old, true).await.0, ResponseError::ProducerFenced.code());
}

#[tokio::test(start_paused = true)]
async fn a_transaction_is_aborted_when_its_time_is_up() {
    let cluster = one_broker().start().await.unwrap();
    let mut client = Client::to(&cluster, 1);
    let producer = init(&mut client).await;
    assert_eq!(produce(&mut client, 12, batch(&producer, 0)).await, 0);
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert!(cluster.log("t", 0)[1].header.is_control());
    assert_eq!(end(&mut client, 5, &producer, true).await.0, ResponseError::ProducerFenced.code());
}
