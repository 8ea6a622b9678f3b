//! Client telemetry (KIP-714): what a broker with a receiver of metrics is told, and when.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use kavka::admin::{ConfigAlteration, ConfigResource};
use kavka::{Client, ClientConfig, ConsumerConfig, ErrorKind, ProducerConfig, Record};
use kavka_testcontainers::apache::{Cluster, Version};

use super::{one, part, until};
use crate::support::{PATIENCE, client, config, earliest, produce, sized};

const TOOL: &str = "org.apache.kafka.tools.ClientMetricsCommand";
const INTERVAL: Duration = Duration::from_secs(1);

/// A metric of one push.
#[derive(Debug)]
struct Metric {
    name: String,
    kind: String,
    labels: String,
    value: f64,
    attributes: String,
    start: u64,
    time: u64,
}

/// The metrics of a client, in the order in which they came.
fn metrics(cluster: &Cluster, instance: &str) -> Vec<Metric> {
    let received = cluster.received_metrics().unwrap();
    let own = received
        .lines()
        .map(|line| line.split('\t').collect::<Vec<_>>())
        .filter(|fields| fields[..2] == ["metric", instance]);
    own.map(|fields| Metric {
        labels: fields[2].into(),
        name: fields[3].into(),
        kind: fields[4].into(),
        value: fields[5].parse().unwrap(),
        attributes: fields[6].into(),
        start: fields[7].parse().unwrap(),
        time: fields[8].parse().unwrap(),
    })
    .collect()
}

/// The pushes of a client: whether each was its last.
fn pushes(cluster: &Cluster, instance: &str) -> Vec<bool> {
    let received = cluster.received_metrics().unwrap();
    let own = received
        .lines()
        .map(|line| line.split('\t').collect::<Vec<_>>())
        .filter(|fields| fields[..2] == ["push", instance]);
    own.map(|fields| fields[3] == "terminating").collect()
}

async fn subscribe(client: &Client, metrics: &str) {
    let resource = ConfigResource::client_metrics("all");
    let interval = INTERVAL.as_millis().to_string();
    let alterations = vec![
        ConfigAlteration::set("metrics", metrics),
        ConfigAlteration::set("interval.ms", interval),
    ];
    one(client.admin().alter_configs([(resource, alterations)]).await).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn brokers_are_told_the_metrics_that_they_have_subscribed_to() {
    for version in sized(&[None][..], &[None, Some(Version::new(3, 9, 2))][..]) {
        let config = version.map_or_else(config, |version| config().version(version));
        let cluster = Cluster::start(config.metrics_receiver()).await.unwrap();
        eprintln!("Kafka {}", cluster.version());
        let client = client(&cluster);
        cluster.create_topic("t", 1, 1, &[]).await.unwrap();
        part("producer", producer(&cluster, &client)).await;
        part("consumer", consumer(&cluster, &client)).await;
        part("off", off(&cluster, &client)).await;
        client.close(PATIENCE).await.unwrap();
        cluster.shutdown().await.unwrap();
    }
}

async fn producer(cluster: &Cluster, client: &Client) {
    let bootstrap = cluster.internal_bootstrap();
    subscribe(client, "*").await;
    let listed = cluster
        .tool(TOOL)
        .args(["--bootstrap-server", &bootstrap, "--describe", "--name", "all"])
        .run()
        .await
        .unwrap();
    assert!(listed.contains("metrics=*") && listed.contains("interval.ms=1000"), "{listed}");
    let producer = client.producer(ProducerConfig::new()).unwrap();
    let send = async || producer.send(Record::to("t").value("v")).await.unwrap().await.unwrap();
    send().await;
    let id = producer.client_instance_id(PATIENCE).await.unwrap().to_string();
    let seen = until(
        "pushes",
        async || (send().await, pushes(cluster, &id).len()),
        |(_, pushes)| *pushes >= 4,
    )
    .await;
    eprintln!("{} pushes of producer {id}", seen.1);
    let told = metrics(cluster, &id);
    let names: BTreeSet<&str> = told.iter().map(|metric| metric.name.as_str()).collect();
    let required = [
        "org.apache.kafka.producer.connection.creation.rate",
        "org.apache.kafka.producer.connection.creation.total",
        "org.apache.kafka.producer.node.request.latency.avg",
        "org.apache.kafka.producer.node.request.latency.max",
        "org.apache.kafka.producer.produce.throttle.time.avg",
        "org.apache.kafka.producer.produce.throttle.time.max",
        "org.apache.kafka.producer.record.queue.time.avg",
        "org.apache.kafka.producer.record.queue.time.max",
    ];
    assert_eq!(names.into_iter().collect::<Vec<_>>(), required);
    for metric in &told {
        let is_node = metric.name.contains(".node.");
        assert_eq!(metric.attributes, if is_node { "{node_id=1}" } else { "{}" }, "{metric:?}");
        let is_total = metric.name.ends_with(".total");
        assert_eq!(
            metric.kind,
            if is_total { "AGGREGATION_TEMPORALITY_DELTA" } else { "GAUGE" },
            "{metric:?}"
        );
        assert!((0.0..60_000.0).contains(&metric.value) && metric.labels == "{}", "{metric:?}");
        assert!(!is_total || (metric.start > 0 && metric.start < metric.time), "{metric:?}");
    }
    let totals: Vec<_> =
        told.iter().filter(|metric| metric.name.ends_with("connection.creation.total")).collect();
    assert!(totals[0].value >= 2.0 && totals[1].value == 0.0, "deltas: {totals:?}");
    assert_eq!(totals[1].start, totals[0].time, "each begins where the one before ended");
    assert!(told.iter().any(|metric| metric.name.ends_with("latency.max") && metric.value > 0.0));

    subscribe(client, "org.apache.kafka.producer.node.").await;
    let fresh =
        |metrics: &Vec<Metric>| metrics.last().is_some_and(|last| last.name.contains(".node."));
    until("the new subscription", async || (send().await, metrics(cluster, &id)).1, fresh).await;
    let before = pushes(cluster, &id).len();
    send().await;
    let started = Instant::now();
    producer.close(PATIENCE).await.unwrap();
    eprintln!("closed with a last push in {:.0} ms", started.elapsed().as_secs_f64() * 1000.0);
    let all = pushes(cluster, &id);
    assert!(all.len() > before && all.last() == Some(&true), "{all:?}");
    let old = metrics(cluster, &id);
    let (_, new) =
        old.split_at(old.iter().rposition(|metric| !metric.name.contains(".node.")).unwrap() + 1);
    assert!(new.len() >= 2, "{new:?}");
}

async fn consumer(cluster: &Cluster, client: &Client) {
    subscribe(client, "org.apache.kafka.consumer.").await;
    produce(client, "t", 1, 0..10).await;
    let consumer_config: ConsumerConfig = earliest().group_id("g").client_rack("r1");
    let mut consumer = client.consumer(consumer_config).unwrap();
    consumer.subscribe(["t"]).unwrap();
    consumer.recv().await.unwrap();
    let id = consumer.client_instance_id(PATIENCE).await.unwrap().to_string();
    let required = [
        "connection.creation.rate",
        "connection.creation.total",
        "coordinator.assigned.partitions",
        "coordinator.commit.latency.avg",
        "coordinator.commit.latency.max",
        "coordinator.rebalance.latency.avg",
        "coordinator.rebalance.latency.max",
        "coordinator.rebalance.latency.total",
        "fetch.manager.fetch.latency.avg",
        "fetch.manager.fetch.latency.max",
        "node.request.latency.avg",
        "node.request.latency.max",
        "poll.idle.ratio.avg",
    ];
    let collect = async || {
        let _idle = tokio::time::timeout(Duration::from_millis(200), consumer.recv()).await;
        consumer.commit().await.unwrap();
        metrics(cluster, &id)
    };
    let has_all = |told: &Vec<Metric>| {
        required.iter().all(|name| {
            told.iter().any(|metric| metric.name == format!("org.apache.kafka.consumer.{name}"))
        })
    };
    let told = until("the consumer's metrics", collect, has_all).await;
    let last = |name: &str| told.iter().rfind(|metric| metric.name.ends_with(name)).unwrap();
    assert_eq!(last("assigned.partitions").value, 1.0);
    assert!((0.0..=1.0).contains(&last("idle.ratio.avg").value));
    assert!(
        told.iter().all(|metric| metric.labels.contains("group_id=g")
            && metric.labels.contains("group_member_id="))
    );
    assert!(told.iter().all(|metric| metric.labels.contains("client_rack=r1")), "{told:?}");
    let total = told
        .iter()
        .filter(|metric| metric.name.ends_with("rebalance.latency.total"))
        .map(|metric| metric.value);
    assert!(total.sum::<f64>() > 0.0, "there was one rebalance");
    consumer.close(PATIENCE).await.unwrap();
    assert_eq!(pushes(cluster, &id).last(), Some(&true));
}

/// A client that pushes nothing gets no id, and its broker is told nothing.
async fn off(cluster: &Cluster, on: &Client) {
    subscribe(on, "*").await;
    let other = on.producer(ProducerConfig::new()).unwrap();
    let other_id = other.client_instance_id(PATIENCE).await.unwrap().to_string();
    let client = Client::new(
        ClientConfig::new(cluster.bootstrap()).client_id("off").enable_metrics_push(false),
    )
    .unwrap();
    let producer = client.producer(ProducerConfig::new()).unwrap();
    producer.send(Record::to("t").value("v")).await.unwrap().await.unwrap();
    assert_eq!(producer.client_instance_id(PATIENCE).await.unwrap_err().kind(), ErrorKind::Config);
    // Long enough for others to push several times.
    until("pushes of another", async || pushes(cluster, &other_id).len(), |count| *count >= 3)
        .await;
    producer.close(PATIENCE).await.unwrap();
    client.close(PATIENCE).await.unwrap();
    let received = cluster.received_metrics().unwrap();
    let clients: BTreeSet<_> = received
        .lines()
        .filter_map(|line| line.strip_prefix("push\t")?.split('\t').nth(1))
        .collect();
    assert_eq!(clients.into_iter().collect::<Vec<_>>(), ["kavka"], "not the client called off");
    other.close(PATIENCE).await.unwrap();
}
