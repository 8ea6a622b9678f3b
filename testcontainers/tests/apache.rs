//! The launcher of real Kafka, on real Kafka. Needs Java and Maven, so it is compiled by the
//! feature `real-kafka` only.
#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

use std::time::Duration;

use kavka_testcontainers::apache::{Cluster, Config, Version};

const PRODUCER: &str = "org.apache.kafka.tools.VerifiableProducer";
const CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";

async fn produce(cluster: &Cluster, bootstrap: &str, topic: &str, count: u32) {
    let count = count.to_string();
    let arguments = [
        "--bootstrap-server",
        bootstrap,
        "--topic",
        topic,
        "--max-messages",
        &count,
        "--acks",
        "-1",
    ];
    cluster.tool(PRODUCER).args(arguments).run().await.unwrap();
}

async fn consume(cluster: &Cluster, topic: &str, count: usize) -> usize {
    let (bootstrap, count) = (cluster.bootstrap(), count.to_string());
    let arguments = [
        "--bootstrap-server",
        &bootstrap,
        "--topic",
        topic,
        "--from-beginning",
        "--max-messages",
        &count,
    ];
    cluster.tool(CONSUMER).args(arguments).run().await.unwrap().lines().count()
}

#[tokio::test]
async fn one_node_keeps_its_records_over_kill_pause_and_stop() {
    let cluster = Cluster::start(Config::new()).await.unwrap();
    cluster.create_topic("letters", 1, 1, &[]).await.unwrap();
    produce(&cluster, &cluster.bootstrap(), "letters", 10).await;
    cluster.kill(1).await.unwrap();
    cluster.restart(1).await.unwrap();
    produce(&cluster, &cluster.bootstrap(), "letters", 10).await;
    cluster.pause(1).await.unwrap();
    cluster.resume(1).await.unwrap();
    cluster.stop(1).await.unwrap();
    cluster.restart(1).await.unwrap();
    assert_eq!(consume(&cluster, "letters", 20).await, 20);
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn three_nodes_behind_proxies_survive_the_loss_of_one() {
    let cluster = Cluster::start(Config::new().nodes(3).behind_proxies()).await.unwrap();
    cluster.create_topic("letters", 3, 3, &[]).await.unwrap();
    cluster.kill(2).await.unwrap();
    produce(&cluster, &cluster.bootstrap(), "letters", 30).await;
    cluster.restart(2).await.unwrap();
    assert_eq!(consume(&cluster, "letters", 30).await, 30);
    assert!(cluster.nodes().any(|node| cluster.proxy(node).unwrap().accepted() > 0));
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_version_before_kraft_runs_with_zookeeper() {
    let cluster = Cluster::start(Config::new().version(Version::new(2, 8, 2))).await.unwrap();
    cluster.create_topic("letters", 1, 1, &[]).await.unwrap();
    produce(&cluster, &cluster.bootstrap(), "letters", 10).await;
    assert_eq!(consume(&cluster, "letters", 10).await, 10);
    cluster.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_bad_property_is_told_with_the_nodes_log() {
    let error = Cluster::start(Config::new().property("log.segment.bytes", "many"))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("log.segment.bytes"), "{error}");
}

#[tokio::test]
async fn a_tool_that_takes_too_long_is_told_and_ended() {
    let cluster = Cluster::start(Config::new()).await.unwrap();
    let bootstrap = cluster.bootstrap();
    let forever = cluster
        .tool(CONSUMER)
        .args(["--bootstrap-server", &bootstrap, "--topic", "none"])
        .within(Duration::from_secs(3));
    assert!(forever.run().await.unwrap_err().to_string().contains("not at its end"));
}
