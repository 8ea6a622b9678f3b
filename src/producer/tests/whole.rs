//! Whole producers against embedded brokers in memory, under paused time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use kavka_testcontainers::embedded::{ApiKey, EmbeddedCluster, ErrorCode as Code, Fault, Reaction};

use crate::client::Client;
use crate::config::ClientConfig;
use crate::error::{ErrorCode, ErrorKind, Written};
use crate::ids::{Offset, PartitionId, Timestamp};
use crate::net::InMemory;
use crate::producer::{Acks, AdaptiveBatching, Delivery, Producer, ProducerConfig};
use crate::record::{Header, Record};
use crate::runtime;
use crate::wire::compress::Compression;

mod completing;
mod ending;
mod memory;
mod placing;
mod purging;
mod sinking;
mod topics;

/// Brokers with topic `t` of three partitions.
pub(super) async fn brokers(count: i32) -> EmbeddedCluster {
    let replication = i16::try_from(count).unwrap();
    EmbeddedCluster::builder()
        .brokers(count)
        .in_memory()
        .topic("t", 3, replication)
        .auto_create_topics(false)
        .start()
        .await
        .unwrap()
}

pub(super) fn config(embedded: &EmbeddedCluster) -> ClientConfig {
    ClientConfig::new(embedded.bootstrap_servers()).connector(InMemory(embedded.clone())).seed(1)
}

pub(super) fn client(embedded: &EmbeddedCluster) -> Client {
    Client::new(config(embedded)).unwrap()
}

pub(super) fn producer(embedded: &EmbeddedCluster, config: ProducerConfig) -> Producer {
    client(embedded).producer(config).unwrap()
}

pub(super) fn to(partition: i32) -> Record<'static> {
    Record::to("t").partition(partition)
}

/// The values of a partition, in order.
pub(super) fn values(embedded: &EmbeddedCluster, partition: i32) -> Vec<String> {
    let batches = embedded.log("t", partition);
    let text = |value: Option<&[u8]>| String::from_utf8(value.unwrap().to_vec()).unwrap();
    batches
        .iter()
        .flat_map(|batch| {
            batch
                .records()
                .unwrap()
                .into_iter()
                .map(|record| text(record.value))
                .collect::<Vec<_>>()
        })
        .collect()
}

pub(super) async fn send_numbers(
    producer: &Producer,
    partition: i32,
    numbers: std::ops::Range<u32>,
) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    for number in numbers {
        deliveries.push(producer.send(to(partition).value(&number.to_string())).await.unwrap());
    }
    deliveries
}

pub(super) async fn all(deliveries: Vec<Delivery>) {
    for delivery in deliveries {
        delivery.await.unwrap();
    }
}

fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_is_in_the_log_at_the_offset_that_is_told() {
    let embedded = brokers(1).await;
    let producer = producer(&embedded, ProducerConfig::new());
    let headers = [Header::new("h", "1"), Header::new("n", None::<&str>)];
    let first =
        producer.send(to(1).key("k").value("a").headers(&headers).timestamp(77)).await.unwrap();
    let second = producer.send(to(1).value("b")).await.unwrap();
    let first = first.await.unwrap();
    assert_eq!(
        (first.offset, first.timestamp.0, first.topic_partition.partition),
        (Some(Offset(0)), 77, PartitionId(1))
    );
    assert_eq!(second.await.unwrap().offset, Some(Offset(1)));
    assert_eq!(values(&embedded, 1), ["a", "b"]);
    assert_eq!(embedded.log("t", 1).len(), 1, "one batch");
}

#[tokio::test(start_paused = true)]
async fn one_request_carries_every_partition() {
    let embedded = brokers(1).await;
    let producer = producer(&embedded, ProducerConfig::new());
    let mut deliveries = Vec::new();
    for partition in 0..3 {
        deliveries.extend(send_numbers(&producer, partition, 0..5).await);
    }
    all(deliveries).await;
    assert_eq!(embedded.requests_of(ApiKey::Produce).len(), 1);
    assert_eq!(producer.stats().records, 15);
    assert_eq!(producer.stats().memory_used, 0);
}

#[tokio::test(start_paused = true)]
async fn records_arrive_once_and_in_order_through_lost_replies_and_cut_connections() {
    let embedded = brokers(3).await;
    embedded
        .fault(Fault::on(ApiKey::Produce).probability(0.1).times(20).then(Reaction::CloseAfter));
    embedded
        .fault(Fault::on(ApiKey::Produce).probability(0.1).times(20).then(Reaction::CloseBefore));
    embedded.fault(
        Fault::on(ApiKey::Produce)
            .probability(0.1)
            .times(20)
            .then(Reaction::Answer(Code::NotEnoughReplicas)),
    );
    embedded.fault(
        Fault::on(ApiKey::Produce).probability(0.05).times(20).then(Reaction::MoveLeader(None)),
    );
    let config = ProducerConfig::new().batch_size(200).linger(Duration::ZERO);
    let producer = producer(&embedded, config);
    let mut deliveries = Vec::new();
    for round in 0..50 {
        for partition in 0..3 {
            deliveries
                .extend(send_numbers(&producer, partition, round * 20..(round + 1) * 20).await);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    all(deliveries).await;
    for partition in 0..3 {
        assert_eq!(values(&embedded, partition), numbers(0..1000), "partition {partition}");
    }
    assert!(producer.stats().retries > 0);
}

#[tokio::test(start_paused = true)]
async fn a_killed_broker_is_waited_for() {
    let embedded = brokers(1).await;
    let producer = producer(&embedded, ProducerConfig::new());
    all(send_numbers(&producer, 0, 0..1).await).await;
    embedded.kill_broker(1);
    let waiting = send_numbers(&producer, 0, 1..3).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    embedded.start_broker(1).await.unwrap();
    all(waiting).await;
    assert_eq!(values(&embedded, 0), ["0", "1", "2"]);
}

#[tokio::test(start_paused = true)]
async fn after_delivery_timeout_a_record_fails_and_the_next_is_sent() {
    let embedded = brokers(1).await;
    let producer =
        producer(&embedded, ProducerConfig::new().delivery_timeout(Duration::from_secs(40)));
    all(send_numbers(&producer, 0, 0..1).await).await;
    let fault =
        embedded.fault(Fault::on(ApiKey::Produce).then(Reaction::Answer(Code::NotEnoughReplicas)));
    let error = producer.send(to(0).value("x")).await.unwrap().await.unwrap_err();
    assert_eq!((error.kind(), error.written()), (ErrorKind::Timeout, Some(Written::No)));
    assert!(
        std::error::Error::source(&error).unwrap().to_string().contains("NOT_ENOUGH_REPLICAS"),
        "{error:?}"
    );
    embedded.remove_fault(fault);
    all(send_numbers(&producer, 0, 1..2).await).await;
    assert_eq!(values(&embedded, 0), ["0", "1"]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_too_large_for_the_broker_is_split() {
    let embedded = EmbeddedCluster::builder()
        .brokers(1)
        .in_memory()
        .topic("t", 3, 1)
        .message_max_bytes(1000)
        .start()
        .await
        .unwrap();
    let producer = producer(&embedded, ProducerConfig::new());
    all(send_numbers(&producer, 0, 0..1).await).await;
    let deliveries = send_numbers(&producer, 0, 1..400).await;
    let mut offsets = Vec::new();
    for delivery in deliveries {
        offsets.push(delivery.await.unwrap().offset.unwrap().0);
    }
    assert_eq!(offsets, (1..400).collect::<Vec<_>>());
    assert_eq!(values(&embedded, 0), numbers(0..400));
    assert_eq!(producer.stats().memory_used, 0);
    let large = producer.send(to(0).value(&[0; 2000])).await.unwrap().await.unwrap_err();
    assert_eq!((large.kind(), large.written()), (ErrorKind::RecordTooLarge, Some(Written::No)));
}

#[tokio::test(start_paused = true)]
async fn what_packs_well_fills_a_batch_with_more_and_what_is_too_large_then_is_split() {
    for most in [10_000, 700] {
        let embedded = EmbeddedCluster::builder()
            .brokers(1)
            .in_memory()
            .topic("t", 3, 1)
            .message_max_bytes(most)
            .start()
            .await
            .unwrap();
        let config = ProducerConfig::new()
            .batch_size(1000)
            .compression(Compression::LZ4)
            .linger(Duration::from_secs(60));
        let producer = producer(&embedded, config);
        let mut deliveries = Vec::new();
        for number in 0..2000 {
            let value =
                format!("a line that is like all the others but for its number, which is {number}");
            deliveries.push(producer.send(to(0).value(&value)).await.unwrap());
        }
        producer.flush().await.unwrap();
        for (offset, delivery) in (0..2000).zip(deliveries) {
            assert_eq!(delivery.await.unwrap().offset, Some(Offset(offset)));
        }
        let log = embedded.log("t", 0);
        assert!(log.iter().all(|batch| batch.bytes.len() <= most.min(1000)), "{most}");
        let counts: Vec<_> = log.iter().map(|batch| batch.header.record_count).collect();
        // Of some 80 bytes each, a thousand bytes hold twelve as they are.
        assert!(counts[0] <= 12 && counts.iter().max() > Some(&20), "{counts:?}");
        assert_eq!(producer.stats().memory_used, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_has_the_time_of_its_sending_whatever_came_before() {
    let embedded = brokers(1).await;
    let time = Arc::new(AtomicI64::new(1_000));
    let shown = Arc::clone(&time);
    let clock = move || Timestamp(shown.load(Ordering::Relaxed));
    let producer = Client::new(config(&embedded).wall_clock(clock))
        .unwrap()
        .producer(ProducerConfig::new())
        .unwrap();
    for now in [1_000, 5_000, 5_001, 9_000_000] {
        time.store(now, Ordering::Relaxed);
        let mut deliveries = send_numbers(&producer, 0, 0..50).await;
        let batch = producer.send_all((0..50).map(|_| to(0).value("x"))).await;
        time.store(now + 100_000, Ordering::Relaxed);
        deliveries.extend(send_numbers(&producer, 0, 50..51).await);
        let mut times = Vec::new();
        for delivery in deliveries {
            times.push(delivery.await.unwrap().timestamp.0 - now);
        }
        assert_eq!(times, [vec![0; 50], vec![100_000]].concat());
        batch.await.unwrap();
    }
    let stored: BTreeSet<_> =
        embedded.log("t", 0).iter().map(|batch| batch.header.base_timestamp).collect();
    assert!(
        stored
            .iter()
            .all(|time| [1_000, 5_000, 5_001, 101_000, 105_000, 105_001, 9_000_000, 9_100_000]
                .contains(time)),
        "{stored:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_record_larger_than_a_request_is_refused_at_once() {
    let embedded = brokers(1).await;
    let producer = producer(&embedded, ProducerConfig::new().max_request_size(1000));
    all(send_numbers(&producer, 0, 0..1).await).await;
    let error = producer.send(to(0).value(&[0; 1000])).await.unwrap_err();
    assert_eq!((error.kind(), error.written()), (ErrorKind::RecordTooLarge, Some(Written::No)));
}

#[tokio::test(start_paused = true)]
async fn every_codec_and_every_acks_arrives() {
    let codecs = [
        Compression::NONE,
        Compression::GZIP,
        Compression::SNAPPY,
        Compression::LZ4,
        Compression::ZSTD,
    ];
    for (codec, acks) in
        codecs.into_iter().zip([Acks::All, Acks::Leader, Acks::All, Acks::Leader, Acks::All])
    {
        let embedded = brokers(1).await;
        let config = ProducerConfig::new().compression(codec).acks(acks);
        let producer = producer(&embedded, config);
        all(send_numbers(&producer, 0, 0..500).await).await;
        assert_eq!(embedded.offsets("t", 0).map(|(_, end)| end), Some(500), "{codec:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn with_acks_0_a_record_is_done_when_it_has_left() {
    let embedded = brokers(1).await;
    let producer = producer(&embedded, ProducerConfig::new().acks(Acks::None));
    for delivery in send_numbers(&producer, 0, 0..10).await {
        assert_eq!(delivery.await.unwrap().offset, None);
    }
    producer.flush().await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(values(&embedded, 0), numbers(0..10));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_topic_is_waited_for_until_max_block_and_found_when_it_is_created() {
    let embedded = brokers(1).await;
    let producer = producer(&embedded, ProducerConfig::new().max_block(Duration::from_secs(5)));
    let begun = tokio::time::Instant::now();
    let error = producer.send(Record::to("late").value("x")).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.written()),
        (ErrorKind::Timeout, Some(Written::No)),
        "{error:?}"
    );
    assert_eq!(begun.elapsed().as_secs(), 5);
    assert_eq!(producer.try_send(Record::to("late")).unwrap_err().kind(), ErrorKind::NoMetadata);
    let (sent, ()) = tokio::join!(producer.send(Record::to("late").value("x")), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        embedded.create_topic("late", 1, 1).unwrap();
    });
    sent.unwrap().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_does_not_exist_is_said_at_once() {
    let embedded = brokers(1).await;
    let producer = producer(&embedded, ProducerConfig::new());
    let error = producer.send(to(3).value("x")).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
}

#[tokio::test(start_paused = true)]
async fn send_dropped_midway_sends_nothing() {
    let embedded = brokers(1).await;
    let producer = producer(&embedded, ProducerConfig::new());
    let dropped = tokio::time::timeout(Duration::ZERO, producer.send(to(0).value("dropped"))).await;
    assert!(dropped.is_err(), "the topic is not known yet");
    all(send_numbers(&producer, 0, 0..1).await).await;
    assert_eq!(values(&embedded, 0), ["0"]);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_delivery_still_sends() {
    let embedded = brokers(1).await;
    let producer = producer(&embedded, ProducerConfig::new());
    drop(producer.send(to(0).value("x")).await.unwrap());
    producer.flush().await.unwrap();
    assert_eq!(values(&embedded, 0), ["x"]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_without_room_for_another_like_its_records_does_not_linger() {
    let embedded = brokers(1).await;
    let hour = Duration::from_secs(3600);
    let producer = producer(
        &embedded,
        ProducerConfig::new().linger(hour).delivery_timeout(2 * hour).batch_size(1024),
    );
    let begun = runtime::now();
    // A header of 61 bytes and eight records of 109 leave 91.
    let value = "x".repeat(100);
    let send = async |partition, count| {
        let mut deliveries = Vec::new();
        for _ in 0..count {
            deliveries.push(producer.send(to(partition).value(&value)).await.unwrap());
        }
        deliveries
    };
    let seven = send(0, 7).await;
    all(send(1, 8).await).await;
    assert!(runtime::now() - begun < Duration::from_secs(1));
    assert!(seven.iter().all(|delivery| delivery.try_get().is_none()), "an eighth would fit");
    // One that takes more than the half is alone from the beginning.
    producer.send(to(2).value(&"x".repeat(600))).await.unwrap().await.unwrap();
    assert!(runtime::now() - begun < Duration::from_secs(1));
    producer.flush().await.unwrap();
    all(seven).await;
}

#[tokio::test(start_paused = true)]
async fn records_without_a_key_fill_all_partitions_evenly() {
    for seed in 0..10 {
        let embedded = brokers(1).await;
        let config = config(&embedded).seed(seed);
        let producer =
            Client::new(config).unwrap().producer(ProducerConfig::new().batch_size(100)).unwrap();
        for number in 0..9_000_u32 {
            drop(producer.send(Record::to("t").value(&number.to_string())).await.unwrap());
        }
        producer.flush().await.unwrap();
        // Some 1,000 draws: five standard deviations are 8 % of all.
        let counts = [0, 1, 2].map(|partition| embedded.offsets("t", partition).unwrap().1);
        assert_eq!(counts.iter().sum::<i64>(), 9_000);
        assert!(
            counts.iter().all(|count| (2_300..3_700).contains(count)),
            "seed {seed}: {counts:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttled_producer_is_silent_for_as_long_as_the_broker_asks() {
    let embedded = brokers(1).await;
    let producer = producer(&embedded, ProducerConfig::new());
    embedded
        .fault(Fault::on(ApiKey::Produce).nth(1).then(Reaction::Throttle(Duration::from_secs(3))));
    all(send_numbers(&producer, 0, 0..1).await).await;
    let at = tokio::time::Instant::now();
    all(send_numbers(&producer, 1, 0..1).await).await;
    assert!(at.elapsed() >= Duration::from_secs(3), "{:?}", at.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_refused_topic_is_said_at_once() {
    let embedded = brokers(1).await;
    embedded.fault(
        Fault::on(ApiKey::Produce)
            .topic("t")
            .then(Reaction::Answer(Code::TopicAuthorizationFailed)),
    );
    let producer = producer(&embedded, ProducerConfig::new());
    let error = producer.send(to(0).value("x")).await.unwrap().await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED));
    assert_eq!(error.written(), Some(Written::No));
    assert_eq!(error.context().partition.as_ref().map(ToString::to_string), Some("t-0".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn an_adaptive_producer_lets_small_records_wait_at_high_rates_and_large_ones_never() {
    let embedded = brokers(1).await;
    let second = Duration::from_secs(1);
    let targets = AdaptiveBatching::new().target_latency(second).target_throughput(500);
    let producer = producer(&embedded, ProducerConfig::new().adaptive_batching(targets));
    let took = async |value: &str| {
        let begun = crate::runtime::now();
        producer.send(to(0).value(value)).await.unwrap().await.unwrap();
        crate::runtime::now() - begun
    };
    took("connects").await;
    tokio::time::advance(second).await;
    assert_eq!(took("alone").await, Duration::ZERO);
    // A thousand a second is above the target throughput, so that all of the target latency is
    // used.
    let mut deliveries = Vec::new();
    for number in 0..300 {
        deliveries.push(producer.send(to(0).value(&number.to_string())).await.unwrap());
        tokio::time::advance(Duration::from_millis(1)).await;
        tokio::task::yield_now().await;
    }
    all(deliveries).await;
    assert!(
        producer.stats().adaptive_linger > second / 2,
        "{:?}",
        producer.stats().adaptive_linger
    );
    let small = producer.send(to(0).value("small")).await.unwrap();
    let large = took(&"x".repeat(2000)).await;
    assert_eq!(large, Duration::ZERO);
    assert!(small.try_get().is_some(), "it has gone along");
    assert!(took("small").await > second / 2);
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_was_refused_is_asked_about_again() {
    let embedded = brokers(1).await;
    embedded.fault(
        Fault::on(ApiKey::Metadata)
            .topic("t")
            .times(1)
            .then(Reaction::Answer(Code::TopicAuthorizationFailed)),
    );
    let producer = producer(&embedded, ProducerConfig::new());
    let error = producer.send(to(0).value("x")).await.expect_err("refused");
    assert_eq!(error.code(), Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED));
    let permitted = async {
        while producer.send(to(0).value("x")).await.is_err() {
            runtime::sleep_until(runtime::now() + Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), permitted).await.expect("permitted by now");
}

#[tokio::test(start_paused = true)]
async fn brokers_that_number_no_producers_are_written_to_without_idempotence() {
    let embedded = brokers(1).await;
    embedded.remove_api(1, ApiKey::InitProducerId);
    let record = || to(0).value("1");
    let refused = producer(&embedded, ProducerConfig::new()).send(record()).await;
    let error = refused.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("or set enable.idempotence=false"), "{error}");
    let without = producer(&embedded, ProducerConfig::new().enable_idempotence(false));
    without.send(record()).await.unwrap().await.unwrap();
    assert_eq!(values(&embedded, 0), ["1"]);
}
