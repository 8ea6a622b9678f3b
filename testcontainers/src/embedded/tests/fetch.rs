use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::fetch_request::FetchPartition;
use kafka_protocol::messages::{FetchRequest, FetchResponse};
use tokio::time::Instant;

use super::client::{Client, fetch_request, one_broker, plain};
use crate::embedded::{BatchHeader, TransactionEnd};

#[tokio::test(start_paused = true)]
async fn a_fetch_waits_for_an_append() {
    let cluster = one_broker().start().await.unwrap();
    let mut client = Client::to(&cluster, 1);
    let started = Instant::now();
    client.send(&fetch_request(0).with_max_wait_ms(60_000), 12).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    cluster.append("t", 0, &[(None, Some(b"v"))]).unwrap();
    let response = client.receive::<FetchRequest>(12).await.unwrap();
    assert!(!response.responses[0].partitions[0].records.as_ref().unwrap().is_empty());
    assert_eq!(started.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_fetch_ends_when_its_time_is_up_and_blocks_what_is_behind_it() {
    let cluster = one_broker().start().await.unwrap();
    let mut client = Client::to(&cluster, 1);
    let started = Instant::now();
    client.send(&fetch_request(0).with_max_wait_ms(500), 12).await;
    client.send(&fetch_request(7), 12).await;
    assert!(client.frame().await.is_some());
    assert_eq!(started.elapsed(), Duration::from_millis(500));
    let second = client.receive::<FetchRequest>(12).await.unwrap();
    let code = second.responses[0].partitions[0].error_code;
    assert_eq!(code, ResponseError::OffsetOutOfRange.code());
}

#[tokio::test(start_paused = true)]
async fn the_first_batch_comes_whole_and_the_last_may_be_cut() {
    let cluster = one_broker().start().await.unwrap();
    let mut client = Client::to(&cluster, 1);
    let large = plain(&[&"x".repeat(1000)]);
    client.produce(large.clone()).await;
    client.produce(large.clone()).await;
    let read = async |client: &mut Client, limit: i32| {
        let response: FetchResponse =
            client.call(&fetch_request(0).with_max_bytes(limit), 12).await;
        response.responses[0].partitions[0].records.clone().unwrap()
    };
    assert_eq!(read(&mut client, 1).await.len(), large.len());
    let cut = read(&mut client, i32::try_from(large.len()).unwrap() + 100).await;
    assert_eq!(cut.len(), large.len() + 100);
    let second = BatchHeader::read(&cut[large.len()..]).unwrap();
    assert_eq!(second.base_offset, 1);
}

#[tokio::test(start_paused = true)]
async fn a_session_tells_only_what_changed() {
    let cluster = one_broker().start().await.unwrap();
    cluster.append("t", 0, &[(None, Some(b"v"))]).unwrap();
    let mut client = Client::to(&cluster, 1);
    let first: FetchResponse = client.call(&fetch_request(0).with_session_epoch(0), 12).await;
    let id = first.session_id;
    assert_ne!(id, 0);
    let at = |epoch: i32| {
        FetchRequest::default()
            .with_max_bytes(1 << 20)
            .with_session_id(id)
            .with_session_epoch(epoch)
    };
    let moved = fetch_request(1).with_session_id(id).with_session_epoch(1);
    assert!(client.call(&moved, 12).await.responses.is_empty(), "nothing new");
    assert_eq!(
        client.call(&at(1), 12).await.error_code,
        ResponseError::InvalidFetchSessionEpoch.code()
    );
    cluster.append("t", 0, &[(None, Some(b"v"))]).unwrap();
    let news = client.call(&at(2), 12).await;
    assert_eq!(news.responses[0].partitions[0].high_watermark, 2);
    cluster.evict_fetch_sessions(1);
    assert_eq!(
        client.call(&at(3), 12).await.error_code,
        ResponseError::FetchSessionIdNotFound.code()
    );
}

#[tokio::test(start_paused = true)]
async fn a_full_broker_gives_no_session() {
    let cluster = one_broker().fetch_session_slots(1).start().await.unwrap();
    let mut client = Client::to(&cluster, 1);
    let open = fetch_request(0).with_session_epoch(0);
    assert_ne!(client.call(&open, 12).await.session_id, 0);
    assert_eq!(client.call(&open, 12).await.session_id, 0);
    tokio::time::sleep(Duration::from_secs(121)).await;
    assert_ne!(client.call(&open, 12).await.session_id, 0, "the idle one was evicted");
}

#[tokio::test(start_paused = true)]
async fn leader_epochs_fence() {
    let cluster = one_broker().brokers(2).start().await.unwrap();
    cluster.move_leader("t", 0, Some(2));
    cluster.move_leader("t", 0, Some(1));
    let mut client = Client::to(&cluster, 1);
    let mut code = async |epoch: i32| {
        let mut request = fetch_request(0);
        request.topics[0].partitions[0].current_leader_epoch = epoch;
        client.call(&request, 12).await.responses[0].partitions[0].error_code
    };
    assert_eq!(code(1).await, ResponseError::FencedLeaderEpoch.code());
    assert_eq!(code(3).await, ResponseError::UnknownLeaderEpoch.code());
    assert_eq!(code(2).await, 0);
}

#[tokio::test(start_paused = true)]
async fn read_committed_stops_at_open_transactions_and_lists_aborted_ones() {
    let cluster = one_broker().start().await.unwrap();
    let records: &[(Option<&[u8]>, Option<&[u8]>)] = &[(None, Some(b"v"))];
    cluster.append_transaction("t", 0, 5, records, TransactionEnd::Aborted).unwrap();
    cluster.append_transaction("t", 0, 6, records, TransactionEnd::Open).unwrap();
    let mut client = Client::to(&cluster, 1);
    let response = client.call(&fetch_request(0).with_isolation_level(1), 12).await;
    let partition = &response.responses[0].partitions[0];
    assert_eq!((partition.last_stable_offset, partition.high_watermark), (2, 3));
    let aborted = partition.aborted_transactions.as_ref().unwrap();
    assert_eq!((aborted[0].producer_id.0, aborted[0].first_offset), (5, 0));
    let second = BatchHeader::read(&partition.records.as_ref().unwrap()[69..]).unwrap();
    assert!(second.is_control());
    cluster.end_transaction("t", 0, 6, true);
    let response = client.call(&fetch_request(2).with_isolation_level(1), 12).await;
    assert_eq!(response.responses[0].partitions[0].last_stable_offset, 4);
}

#[tokio::test(start_paused = true)]
async fn a_truncated_log_tells_where_it_parts() {
    let cluster = one_broker().start().await.unwrap();
    cluster.append("t", 0, &[(None, Some(b"a"))]).unwrap();
    cluster.append("t", 0, &[(None, Some(b"b"))]).unwrap();
    cluster.truncate("t", 0, 1);
    cluster.append("t", 0, &[(None, Some(b"c"))]).unwrap();
    let mut request = fetch_request(2);
    request.topics[0].partitions[0].last_fetched_epoch = 0;
    let response = Client::to(&cluster, 1).call(&request, 12).await;
    let end = &response.responses[0].partitions[0].diverging_epoch;
    assert_eq!((end.epoch, end.end_offset), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn topic_ids_find_topics_and_unknown_ones_are_told() {
    let cluster = one_broker().start().await.unwrap();
    cluster.append("t", 0, &[(None, Some(b"a"))]).unwrap();
    let id = cluster.shared().lock().topics["t"].id;
    let mut request = fetch_request(0);
    request.topics[0].topic_id = id;
    let mut stranger = request.topics[0].clone();
    stranger.topic_id = uuid::Uuid::from_u128(9);
    stranger.partitions = vec![FetchPartition::default()];
    request.topics.push(stranger);
    let response = Client::to(&cluster, 1).call(&request, 17).await;
    assert_eq!(response.responses[0].topic_id, id);
    assert!(!response.responses[0].partitions[0].records.as_ref().unwrap().is_empty());
    assert_eq!(
        response.responses[1].partitions[0].error_code,
        ResponseError::UnknownTopicId.code()
    );
}
