//! Whole clients that push to embedded brokers, in memory under paused time.

use std::time::Duration;

use kavka_testcontainers::embedded::{
    ApiKey, EmbeddedCluster, ErrorCode, Fault, MetricsSubscription, PushedMetrics, Reaction,
};

use crate::client::Client;
use crate::config::ClientConfig;
use crate::consumer::{AutoOffsetReset, ConsumerConfig};
use crate::error::ErrorKind;
use crate::net::InMemory;
use crate::producer::ProducerConfig;
use crate::record::Record;
use crate::wire::compress::{Codec, decompress};

const INTERVAL: Duration = Duration::from_secs(10);

async fn brokers() -> EmbeddedCluster {
    EmbeddedCluster::builder()
        .brokers(2)
        .in_memory()
        .metrics_receiver()
        .topic("t", 1, 2)
        .start()
        .await
        .unwrap()
}

fn config(embedded: &EmbeddedCluster) -> ClientConfig {
    ClientConfig::new(embedded.bootstrap_servers())
        .connector(InMemory(embedded.clone()))
        .seed(1)
        .client_rack("r1")
}

fn subscribe(embedded: &EmbeddedCluster, metrics: &[&str], compressions: &[i8]) {
    embedded.subscribe_to_metrics(MetricsSubscription {
        metrics: metrics.iter().map(|name| (*name).to_owned()).collect(),
        interval: INTERVAL,
        compressions: compressions.to_vec(),
        ..MetricsSubscription::default()
    });
}

/// What was pushed, as text: names are in it as they are.
fn text(push: &PushedMetrics) -> String {
    let codec = Codec::from_id(push.compression.try_into().unwrap()).unwrap();
    let bytes = match codec {
        Codec::None => push.metrics.clone(),
        codec => decompress(codec, &push.metrics, 1 << 20).unwrap(),
    };
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn produce(client: &Client, count: usize) -> crate::producer::Producer {
    let producer = client.producer(ProducerConfig::new()).unwrap();
    for _ in 0..count {
        producer.send(Record::to("t").value("v")).await.unwrap().await.unwrap();
    }
    producer
}

#[tokio::test(start_paused = true)]
async fn a_producer_pushes_what_is_required_every_interval_and_once_more_at_its_end() {
    let embedded = brokers().await;
    subscribe(&embedded, &["*"], &[]);
    let client = Client::new(config(&embedded)).unwrap();
    let producer = produce(&client, 1).await;
    let id = producer.client_instance_id(Duration::from_secs(60)).await.unwrap();
    producer.send(Record::to("t").value("v")).await.unwrap().await.unwrap();
    tokio::time::sleep(INTERVAL * 4).await;
    let pushed = embedded.pushed_metrics();
    assert!((3..=4).contains(&pushed.len()), "{}", pushed.len());
    assert!(pushed.iter().all(|push| push.client_instance_id == id.0
        && !push.is_terminating
        && push.compression == 0));
    let first = text(&pushed[0]);
    for name in [
        "connection.creation.rate",
        "connection.creation.total",
        "node.request.latency.avg",
        "node.request.latency.max",
        "produce.throttle.time.avg",
        "produce.throttle.time.max",
        "record.queue.time.avg",
        "record.queue.time.max",
    ] {
        assert!(
            first.contains(&format!("org.apache.kafka.producer.{name}")),
            "{name} is not in {first:?}"
        );
    }
    assert!(
        first.contains("client_rack") && first.contains("r1") && first.contains("node_id"),
        "{first:?}"
    );
    assert!(!text(&pushed[1]).contains("queue.time"), "nothing was produced since");
    producer.close(Duration::from_secs(10)).await.unwrap();
    let last = embedded.pushed_metrics();
    assert_eq!(last.len(), pushed.len() + 1);
    assert!(last.last().unwrap().is_terminating);
}

#[tokio::test(start_paused = true)]
async fn a_consumer_pushes_what_is_required_in_the_codec_that_brokers_prefer() {
    let embedded = brokers().await;
    let codec = if cfg!(feature = "zstd") { 4 } else { 0 };
    subscribe(&embedded, &["org.apache.kafka.consumer."], &[4]);
    embedded.append("t", 0, &[(None, Some(b"v"))]).unwrap();
    let client = Client::new(config(&embedded)).unwrap();
    let consumer_config =
        ConsumerConfig::new().group_id("g").auto_offset_reset(AutoOffsetReset::Earliest);
    let mut consumer = client.consumer(consumer_config).unwrap();
    consumer.subscribe(["t"]).unwrap();
    consumer.recv().await.unwrap();
    let id = consumer.client_instance_id(Duration::from_secs(60)).await.unwrap();
    consumer.commit().await.unwrap();
    embedded.append("t", 0, &[(None, Some(b"w"))]).unwrap();
    consumer.recv().await.unwrap();
    let waiting = tokio::time::timeout(INTERVAL * 2, consumer.recv()).await;
    assert!(waiting.is_err());
    let pushed = embedded.pushed_metrics();
    let all: String = pushed.iter().map(text).collect();
    for name in [
        "connection.creation.rate",
        "connection.creation.total",
        "node.request.latency.avg",
        "node.request.latency.max",
        "poll.idle.ratio.avg",
        "coordinator.commit.latency.avg",
        "coordinator.commit.latency.max",
        "coordinator.assigned.partitions",
        "coordinator.rebalance.latency.avg",
        "coordinator.rebalance.latency.max",
        "coordinator.rebalance.latency.total",
        "fetch.manager.fetch.latency.avg",
        "fetch.manager.fetch.latency.max",
    ] {
        assert!(
            all.contains(&format!("org.apache.kafka.consumer.{name}")),
            "{name} is not in {all:?}"
        );
    }
    assert!(all.contains("group_id") && all.contains("group_member_id"), "{all:?}");
    assert!(pushed.iter().all(|push| push.client_instance_id == id.0 && push.compression == codec));
    consumer.close(Duration::from_secs(10)).await.unwrap();
    assert!(embedded.pushed_metrics().last().unwrap().is_terminating);
}

/// The value of a total that a push carries, which is uncompressed.
fn total(push: &PushedMetrics, name: &str) -> f64 {
    let at = push.metrics.windows(name.len()).position(|bytes| bytes == name.as_bytes()).unwrap();
    // The fields before it: the sum, its data point, and two times.
    let value = &push.metrics[at + name.len() + 23..];
    f64::from_le_bytes(*value.first_chunk().unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_could_not_be_opened_is_none() {
    const TOTAL: &str = "org.apache.kafka.producer.connection.creation.total";
    let embedded = brokers().await;
    subscribe(&embedded, &[TOTAL], &[]);
    let mut servers = embedded.bootstrap_servers();
    servers.insert_str(0, "a:1,b:1,c:1,d:1,");
    let config = ClientConfig::new(servers).connector(InMemory(embedded.clone())).seed(1);
    let client = Client::new(config).unwrap();
    let producer = produce(&client, 1).await;
    producer.client_instance_id(Duration::from_secs(60)).await.unwrap();
    tokio::time::sleep(INTERVAL * 2).await;
    let stats = client.stats();
    assert!(stats.connections_failed > 0, "{stats:?}");
    let opened = stats.connections_created - stats.connections_failed;
    // Each push tells what is new since the one before.
    let told: f64 = embedded.pushed_metrics().iter().map(|push| total(push, TOTAL)).sum();
    assert_eq!(told.to_string(), opened.to_string());
}

#[tokio::test(start_paused = true)]
async fn another_subscription_is_taken_up_by_the_next_push() {
    let embedded = brokers().await;
    let client = Client::new(config(&embedded)).unwrap();
    subscribe(&embedded, &[], &[]);
    let producer = produce(&client, 1).await;
    let id = producer.client_instance_id(Duration::from_secs(60)).await.unwrap();
    tokio::time::sleep(INTERVAL * 3).await;
    assert_eq!(embedded.pushed_metrics(), [], "nothing is wanted");
    subscribe(&embedded, &["org.apache.kafka.producer.connection"], &[]);
    tokio::time::sleep(INTERVAL * 3).await;
    let before = embedded.pushed_metrics();
    assert!(
        before.iter().all(|push| push.client_instance_id == id.0 && !text(push).contains("node"))
    );
    assert!(!before.is_empty());
    subscribe(&embedded, &["org.apache.kafka.producer.node"], &[]);
    produce(&client, 1).await.close(INTERVAL).await.unwrap();
    let asked = embedded.requests_of(ApiKey::GetTelemetrySubscriptions).len();
    producer.send(Record::to("t").value("v")).await.unwrap().await.unwrap();
    tokio::time::sleep(INTERVAL * 3).await;
    assert_eq!(
        embedded.requests_of(ApiKey::GetTelemetrySubscriptions).len(),
        asked + 1,
        "UNKNOWN_SUBSCRIPTION_ID"
    );
    let after = embedded.pushed_metrics();
    let new: Vec<_> =
        after[before.len()..].iter().filter(|push| push.client_instance_id == id.0).collect();
    assert!(
        !new.is_empty() && new.iter().all(|push| !text(push).contains("connection")),
        "{new:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_receiver_or_with_the_setting_off_nothing_is_sent() {
    let without = EmbeddedCluster::builder().in_memory().topic("t", 1, 1).start().await.unwrap();
    let with = brokers().await;
    subscribe(&with, &["*"], &[]);
    for (embedded, config, refusal) in [
        (&without, config(&without), ErrorKind::Timeout),
        (&with, config(&with).enable_metrics_push(false), ErrorKind::Config),
    ] {
        let client = Client::new(config).unwrap();
        let producer = produce(&client, 1).await;
        let connections = client.stats().connections_created;
        let error = producer.client_instance_id(INTERVAL * 60).await.expect_err("no id");
        assert_eq!(error.kind(), refusal);
        let apis = [ApiKey::GetTelemetrySubscriptions, ApiKey::PushTelemetry];
        assert!(embedded.requests().iter().all(|request| !apis.contains(&request.api)));
        let begun = tokio::time::Instant::now();
        producer.close(Duration::from_secs(10)).await.unwrap();
        assert!(begun.elapsed() < Duration::from_millis(10), "there is no last push to wait for");
        assert_eq!(client.stats().connections_created, connections);
    }
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_does_not_answer_the_last_push_keeps_no_client_from_its_end() {
    let embedded = brokers().await;
    subscribe(&embedded, &["*"], &[]);
    let client = Client::new(config(&embedded)).unwrap();
    let producer = produce(&client, 1).await;
    producer.client_instance_id(Duration::from_secs(60)).await.unwrap();
    embedded.fault(Fault::on(ApiKey::PushTelemetry).then(Reaction::DropReply));
    let begun = tokio::time::Instant::now();
    producer.close(Duration::from_secs(30)).await.unwrap();
    assert!(begun.elapsed() <= super::LAST_PUSH_AT_MOST, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_for_good_ends_it() {
    let embedded = brokers().await;
    subscribe(&embedded, &["*"], &[]);
    let fault = embedded
        .fault(Fault::on(ApiKey::PushTelemetry).then(Reaction::Answer(ErrorCode::InvalidRecord)));
    let client = Client::new(config(&embedded)).unwrap();
    let producer = produce(&client, 1).await;
    tokio::time::sleep(INTERVAL * 100).await;
    assert_eq!(embedded.fault_hits(fault), 1);
    producer.close(Duration::from_secs(10)).await.unwrap();
    assert_eq!(embedded.requests_of(ApiKey::PushTelemetry).len(), 1, "no last push either");
}
