//! Whole share consumers, against embedded brokers in memory under paused time.

use std::time::Duration;

use kavka_testcontainers::embedded::{ApiKey, EmbeddedCluster, Fault, Reaction};

use super::*;
use crate::client::Client;
use crate::config::ClientConfig;
use crate::net::InMemory;

mod scenarios;

const SECOND: Duration = Duration::from_secs(1);

/// Brokers with topic `t` of three partitions, of which group `g` begins at the first record.
async fn brokers(count: i32) -> EmbeddedCluster {
    let embedded = EmbeddedCluster::builder()
        .brokers(count)
        .in_memory()
        .topic("t", 3, i16::try_from(count).unwrap())
        .start()
        .await
        .unwrap();
    embedded.set_group_config("g", "share.auto.offset.reset", "earliest");
    embedded
}

fn client(embedded: &EmbeddedCluster) -> Client {
    Client::new(
        ClientConfig::new(embedded.bootstrap_servers())
            .connector(InMemory(embedded.clone()))
            .seed(1),
    )
    .unwrap()
}

fn explicit() -> ShareConsumerConfig {
    ShareConsumerConfig::new("g").share_acknowledgement_mode(ShareAcknowledgementMode::Explicit)
}

fn member(client: &Client, config: ShareConsumerConfig) -> ShareConsumer {
    let consumer = client.share_consumer(config).unwrap();
    consumer.subscribe(["t"]).unwrap();
    consumer
}

fn append(embedded: &EmbeddedCluster, partition: i32, values: std::ops::Range<u32>) {
    for value in values {
        embedded.append("t", partition, &[(None, Some(value.to_string().as_bytes()))]).unwrap();
    }
}

/// Where what is not done begins.
fn start(embedded: &EmbeddedCluster, partition: i32) -> i64 {
    embedded.share_partition("g", "t", partition).unwrap().start
}

/// The next record, within a minute of paused time.
async fn next(consumer: &mut ShareConsumer) -> Result<ShareRecord> {
    tokio::time::timeout(Duration::from_secs(60), consumer.recv()).await.expect("a record")
}

/// Records as (partition, offset, deliveries).
async fn records(consumer: &mut ShareConsumer, count: usize) -> Vec<ShareRecord> {
    let mut records = Vec::new();
    for _ in 0..count {
        records.push(next(consumer).await.unwrap());
    }
    records
}

fn places(records: &[ShareRecord]) -> Vec<(i32, i64, u16)> {
    let place =
        |record: &ShareRecord| (record.partition().0, record.offset().0, record.delivery_count());
    let mut places: Vec<_> = records.iter().map(place).collect();
    places.sort_unstable();
    places
}

async fn nothing_comes(consumer: &mut ShareConsumer, within: Duration) -> bool {
    tokio::time::timeout(within, consumer.recv()).await.is_err()
}

#[tokio::test(start_paused = true)]
async fn what_was_returned_before_is_accepted_by_the_next_call() {
    let embedded = brokers(3).await;
    for partition in 0..3 {
        append(&embedded, partition, 0..10);
    }
    let client = client(&embedded);
    let mut consumer = member(&client, ShareConsumerConfig::new("g"));
    let received = records(&mut consumer, 30).await;
    let all: Vec<_> = (0..3).flat_map(|at| (0..10).map(move |offset| (at, offset, 1))).collect();
    assert_eq!(places(&received), all);
    let value = std::str::from_utf8(received[7].value().unwrap()).unwrap();
    assert_eq!(value, received[7].offset().0.to_string());
    assert_eq!(consumer.acquisition_lock_timeout(), Some(30 * SECOND));
    assert!(nothing_comes(&mut consumer, 60 * SECOND).await, "the last was accepted as well");
    for partition in 0..3 {
        assert_eq!(start(&embedded, partition), 10);
    }
    consumer.close(10 * SECOND).await.unwrap();
    assert!(embedded.share_group("g").unwrap().members.is_empty(), "it has left");
}

#[tokio::test(start_paused = true)]
async fn each_record_goes_by_what_is_said_of_it() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..4);
    let client = client(&embedded);
    let mut consumer = member(&client, explicit());
    let mut received = records(&mut consumer, 4).await.into_iter();
    let mut take = || received.next().unwrap();
    let accepted = take().accept();
    let rejected = take().reject();
    let released = take().release();
    drop(take());
    consumer.commit().await.unwrap();
    for outcome in [accepted, rejected, released] {
        outcome.await.unwrap();
    }
    let again = records(&mut consumer, 2).await;
    assert_eq!(places(&again), [(0, 2, 2), (0, 3, 2)], "what was released, or dropped");
    for record in again {
        record.accept().await.unwrap();
    }
    assert!(nothing_comes(&mut consumer, 60 * SECOND).await);
    assert_eq!(start(&embedded, 0), 4);
}

#[tokio::test(start_paused = true)]
async fn who_is_too_late_hears_of_it_and_the_record_goes_to_another() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..1);
    let client = client(&embedded);
    let mut slow = member(&client, explicit());
    let record = next(&mut slow).await.unwrap();
    assert!(record.lock_time_left().unwrap() > 29 * SECOND);
    let mut other = member(&client, explicit());
    tokio::time::sleep(31 * SECOND).await;
    assert_eq!(record.lock_time_left(), None);
    let again = next(&mut other).await.unwrap();
    assert_eq!((again.offset(), again.delivery_count()), (Offset(0), 2));
    let error = record.accept().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LockLost, "{error}");
    again.accept().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_is_renewed_holds() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..1);
    let client = client(&embedded);
    let mut consumer = member(&client, explicit());
    let record = next(&mut consumer).await.unwrap();
    for _ in 0..5 {
        tokio::time::sleep(20 * SECOND).await;
        record.renew().await.unwrap();
        assert!(record.lock_time_left().unwrap() > 29 * SECOND);
    }
    record.accept().await.unwrap();
    assert_eq!(start(&embedded, 0), 1);
}

#[tokio::test(start_paused = true)]
async fn closing_sends_what_was_said_and_releases_the_rest() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..3);
    let client = client(&embedded);
    let mut consumer = member(&client, explicit());
    let mut received = records(&mut consumer, 3).await;
    let kept = received.pop().unwrap();
    let accepted = received.remove(0).accept();
    let other = received.pop().unwrap();
    consumer.close(10 * SECOND).await.unwrap();
    accepted.await.unwrap();
    assert_eq!(kept.accept().await.unwrap_err().kind(), ErrorKind::LockLost);
    drop(other);
    let mut next_one = member(&client, explicit());
    let again = records(&mut next_one, 2).await;
    assert_eq!(places(&again), [(0, 1, 2), (0, 2, 2)], "at once, not when locks run out");
}

#[tokio::test(start_paused = true)]
async fn what_was_said_of_a_partition_that_went_to_another_does_not_wait_for_records() {
    let embedded = brokers(1).await;
    let client = client(&embedded);
    for partition in 0..3 {
        append(&embedded, partition, 0..1);
    }
    let mut consumer = member(&client, explicit());
    let records = records(&mut consumer, 3).await;
    let mut other = member(&client, explicit());
    let id = consumer.member_id().to_owned();
    let has_all = || {
        let group = embedded.share_group("g").unwrap();
        group.members.iter().any(|one| one.id == id && one.assignment.len() == 3)
    };
    while has_all() {
        assert!(nothing_comes(&mut consumer, SECOND).await);
        assert!(nothing_comes(&mut other, SECOND).await);
    }
    // Until it has heard of it.
    assert!(nothing_comes(&mut consumer, SECOND).await);
    records.into_iter().for_each(|record| drop(record.accept()));
    assert!(nothing_comes(&mut consumer, 2 * SECOND).await);
    assert_eq!([0, 1, 2].map(|partition| start(&embedded, partition)), [1; 3]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_ends_takes_the_locks_with_it() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..2);
    let client = client(&embedded);
    let mut consumer = member(&client, explicit());
    let mut received = records(&mut consumer, 2).await;
    embedded.fault(Fault::on(ApiKey::ShareFetch).then(Reaction::CloseBefore).times(1));
    let error = received.remove(0).accept().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Disconnected, "{error}");
    let error = received.remove(0).accept().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LockLost, "{error}");
    let again = records(&mut consumer, 2).await;
    assert_eq!(places(&again), [(0, 0, 2), (0, 1, 2)]);
    again.into_iter().for_each(|record| drop(record.accept()));
    consumer.commit().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_session_that_the_broker_has_dropped_is_opened_again() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..2);
    let client = client(&embedded);
    let mut consumer = member(&client, explicit());
    let record = next(&mut consumer).await.unwrap();
    assert!(embedded.drop_share_session(1, "g", consumer.member_id()));
    let error = record.accept().await.unwrap_err();
    assert_eq!(
        error.kind(),
        ErrorKind::LockLost,
        "it was released, and is here once more: {error}"
    );
    let again = records(&mut consumer, 2).await;
    assert_eq!(places(&again), [(0, 0, 2), (0, 1, 2)]);
    for record in again {
        record.accept().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn the_new_leader_of_a_partition_is_fetched_from() {
    let embedded = brokers(3).await;
    embedded.move_leader("t", 0, Some(1));
    append(&embedded, 0, 0..1);
    let client = client(&embedded);
    let mut consumer = member(&client, explicit());
    next(&mut consumer).await.unwrap().accept().await.unwrap();
    embedded.move_leader("t", 0, Some(2));
    append(&embedded, 0, 1..2);
    let record = next(&mut consumer).await.unwrap();
    assert_eq!((record.offset(), record.delivery_count()), (Offset(1), 1));
    record.accept().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_record_that_nobody_can_process_comes_no_more_after_the_limit() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..1);
    let client = client(&embedded);
    let mut consumer = member(&client, explicit());
    for deliveries in 1..=5 {
        let record = next(&mut consumer).await.unwrap();
        assert_eq!(record.delivery_count(), deliveries);
        record.release().await.unwrap();
    }
    assert!(nothing_comes(&mut consumer, 60 * SECOND).await);
    assert_eq!(start(&embedded, 0), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_buffered_for_nobody_is_not_delivered_again_and_again() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..2);
    let client = client(&embedded);
    let mut consumer = member(&client, explicit());
    let record = next(&mut consumer).await.unwrap();
    tokio::time::sleep(200 * SECOND).await;
    drop(record);
    let received = records(&mut consumer, 2).await;
    let counts: Vec<_> = places(&received).iter().map(|(.., count)| *count).collect();
    assert_eq!(counts, [2, 2], "once for the call before, and once for this one");
}

#[tokio::test(start_paused = true)]
async fn records_are_acknowledged_by_their_offset_and_a_listener_is_told() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..3);
    let client = client(&embedded);
    let mut consumer = member(&client, explicit());
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    consumer.acknowledgement_listener(move |partition, offsets, outcome| {
        lock(&heard).push((
            partition.partition.0,
            *offsets.start(),
            *offsets.end(),
            outcome.is_ok(),
        ));
    });
    let received = records(&mut consumer, 3).await;
    let partition = TopicPartition::new("t", 0);
    let accept = |offset| consumer.acknowledge(&partition, Offset(offset), AcknowledgeType::Accept);
    let (first, second) = (accept(0).unwrap(), accept(1).unwrap());
    first.await.unwrap();
    second.await.unwrap();
    assert_eq!(*lock(&told), [(0, Offset(0), Offset(1), true)]);
    assert_eq!(accept(7).unwrap_err().kind(), ErrorKind::LockLost);
    let mut received = received.into_iter();
    let error = received.next().unwrap().reject().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_listener_hears_of_what_is_said_too_late_and_may_panic() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..1);
    let client = client(&embedded);
    let mut consumer = member(&client, ShareConsumerConfig::new("g"));
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    consumer.acknowledgement_listener(move |_, offsets, outcome| {
        let kind = outcome.as_ref().err().map(Error::kind);
        lock(&heard).push((*offsets.start(), *offsets.end(), kind));
        panic!("the application's fault");
    });
    next(&mut consumer).await.unwrap();
    tokio::time::sleep(Duration::from_secs(31)).await;
    // Accepts what came before, which comes again.
    let again = next(&mut consumer).await.unwrap();
    assert_eq!(places(&[again]), [(0, 0, 2)]);
    consumer.commit().await.unwrap();
    let told = lock(&told);
    let first = Offset(0);
    assert_eq!(*told, [(first, first, Some(ErrorKind::LockLost)), (first, first, None)]);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_ask_for_records_leaves_and_comes_back() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..1);
    let client = client(&embedded);
    let mut consumer = member(&client, explicit().max_poll_interval(60 * SECOND));
    next(&mut consumer).await.unwrap().accept().await.unwrap();
    tokio::time::sleep(70 * SECOND).await;
    assert!(embedded.share_group("g").unwrap().members.is_empty());
    let error = next(&mut consumer).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MaxPollExceeded);
    append(&embedded, 0, 1..2);
    next(&mut consumer).await.unwrap().accept().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_member_that_its_coordinator_has_forgotten_joins_again() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..1);
    let client = client(&embedded);
    let mut consumer = member(&client, explicit());
    next(&mut consumer).await.unwrap().accept().await.unwrap();
    assert!(embedded.expire_share_member("g", consumer.member_id()));
    append(&embedded, 0, 1..2);
    next(&mut consumer).await.unwrap().accept().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn clusters_without_share_groups_say_so() {
    let embedded =
        EmbeddedCluster::builder().in_memory().topic("t", 1, 1).no_share_groups().start().await;
    let embedded = embedded.unwrap();
    let client = client(&embedded);
    let mut consumer = member(&client, explicit());
    for _ in 0..2 {
        let error = next(&mut consumer).await.unwrap_err();
        assert!(error.to_string().contains("Kafka 4.2"), "{error}");
    }
}

/// What is dropped while its task is at work on another thread ends all the same.
#[test]
fn a_consumer_dropped_while_its_task_works_leaves_no_task() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let ended = runtime.block_on(async {
        let embedded = brokers(1).await;
        let client = client(&embedded);
        let mut ended = Vec::new();
        for _ in 0..500 {
            let consumer = member(&client, explicit());
            let task = consumer.runtime.clone();
            for _ in 0..20 {
                consumer.subscribe(["t"]).unwrap();
                tokio::task::yield_now().await;
            }
            drop(consumer);
            ended.push(tokio::time::timeout(SECOND, task.join()).await.is_ok());
            if ended.last() == Some(&false) {
                break;
            }
        }
        ended
    });
    runtime.shutdown_timeout(SECOND);
    assert!(ended.iter().all(|ended| *ended), "the {}. goes on for ever", ended.len());
}
