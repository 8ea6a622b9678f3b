//! What Apache Kafka's own system tests demand of a consumer, by their names (kafkatest's
//! `consumer_test`, `consumer_rolling_upgrade_test`, `consumer_protocol_migration_test`,
//! `truncation_test` and `fetch_from_follower_test`): `verifiable_consumer` and
//! `verifiable_producer` as processes that are stopped and killed, as brokers are.
//!
//! Full size is each version that matters, one node and three, both protocols; `.ci/run` runs a few
//! of the tests on one version.

use std::cell::Cell;
use std::time::{Duration, Instant};

use kavka::admin::ConsumerGroup;
use kavka::{Client, NewTopic, TopicPartition};
use kavka_testcontainers::apache::{Cluster, Config, Version};
use tokio::time::sleep;

use crate::support::{PATIENCE, client, config, in_time, sized};

mod assignment;
mod bounce;
mod failure;
mod follower;
mod group;
mod migration;
mod producer;
mod rules;
mod static_members;
mod truncation;

use group::Protocol;

/// A session that ends soon after its member was killed.
const SHORT_SESSION: Duration = Duration::from_secs(6);
/// A session that outlives restarts of members and brokers.
const LONG_SESSION: Duration = Duration::from_secs(60);

/// How long to wait before the cluster is asked again.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shutdown {
    Clean,
    Hard,
}

/// How members are restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bounce {
    All,
    Rolling,
}

/// A cluster, and who looks after it.
struct Bench {
    cluster: Cluster,
    client: Client,
    topics: Cell<u32>,
}

/// Runs a test on clusters of one node and of three.
async fn on_each(test: impl AsyncFn(&Bench)) {
    for nodes in sized(&[1][..], &[1, 3][..]) {
        on(*nodes, |config| config, &test).await;
    }
}

/// Runs a test on a cluster of each version.
async fn on(nodes: u16, adjust: impl Fn(Config) -> Config, test: &impl AsyncFn(&Bench)) {
    for config in versions() {
        let config = adjust(config.nodes(nodes))
            .property("group.consumer.heartbeat.interval.ms", 500)
            .property("group.consumer.max.session.timeout.ms", 120_000);
        let began = Instant::now();
        let cluster = Cluster::start(config).await.unwrap();
        let version = cluster.version();
        let bench = Bench { client: client(&cluster), cluster, topics: Cell::new(0) };
        test(&bench).await;
        bench.client.close(PATIENCE).await.unwrap();
        bench.cluster.shutdown().await.unwrap();
        eprintln!("Kafka {version}, nodes: {nodes}: passed in {:?}", began.elapsed());
    }
}

/// Those that matter, or the one that was asked for.
fn versions() -> Vec<Config> {
    let of = |(major, minor, patch)| Config::new().version(Version::new(major, minor, patch));
    let is_chosen =
        std::env::var("KAVKA_TEST_CLUSTER").is_ok_and(|chosen| chosen.starts_with("apache:"));
    match is_chosen || sized(true, false) {
        true => vec![config()],
        false => [(3, 9, 2), (4, 0, 2), (4, 3, 1)].map(of).into(),
    }
}

impl Bench {
    fn has_consumer_protocol(&self) -> bool {
        self.cluster.version() >= Version::new(4, 0, 0)
    }

    /// The protocols that the cluster has.
    fn protocols(&self) -> Vec<Protocol> {
        let mut all = vec![Protocol::RANGE];
        all.extend(self.has_consumer_protocol().then_some(Protocol::UNIFORM));
        all
    }

    fn nodes(&self) -> u16 {
        self.cluster.nodes().max().unwrap()
    }

    /// A new topic that survives the loss of a node, if there is another.
    async fn topic(&self, partitions: u32) -> String {
        self.topic_with(partitions, self.nodes()).await
    }

    async fn topic_with(&self, partitions: u32, replicas: u16) -> String {
        self.topics.set(self.topics.get() + 1);
        let name = format!("test_topic-{}", self.topics.get());
        let topic = NewTopic::new(name.as_str())
            .partitions(i32::try_from(partitions).unwrap())
            .replication_factor(i16::try_from(replicas).unwrap())
            .config("min.insync.replicas", "1");
        self.client.admin().create_topic(topic).await.unwrap();
        let count = partitions as usize;
        self.until_described("all partitions have leaders", &name, |leaders| {
            leaders.len() == count && leaders.iter().all(|(leader, _)| leader.is_some())
        })
        .await;
        name
    }

    /// Waits until leader and in-sync replicas of each partition are as they should be.
    async fn until_described(
        &self,
        what: &str,
        topic: &str,
        holds: impl Fn(&[(Option<u16>, Vec<u16>)]) -> bool,
    ) -> Vec<(Option<u16>, Vec<u16>)> {
        let id = |broker: kavka::BrokerId| u16::try_from(broker.0).unwrap();
        in_time(what, async {
            loop {
                let described = self.client.admin().describe_topics([topic]).await;
                if let Some((_, Ok(topic))) = described.into_iter().next() {
                    let all: Vec<_> = topic
                        .partitions
                        .iter()
                        .map(|partition| {
                            let in_sync = partition.in_sync_replicas.iter().copied().map(id);
                            (partition.leader.map(id), in_sync.collect())
                        })
                        .collect();
                    if holds(&all) {
                        return all;
                    }
                }
                sleep(BETWEEN_LOOKS).await;
            }
        })
        .await
    }

    /// The group as its coordinator sees it, once it has one.
    async fn describe(&self, group: &str) -> Option<ConsumerGroup> {
        let described = self.client.admin().describe_consumer_groups([group]).await;
        described.into_iter().next()?.1.ok()
    }

    /// What the group's coordinator has as committed.
    async fn committed(&self, group: &str) -> Vec<(TopicPartition, i64)> {
        let mut listed = self.client.admin().list_group_offsets([group]).await;
        let offsets = listed.pop_first().unwrap().1.unwrap();
        offsets
            .into_iter()
            .map(|(partition, committed)| (partition, committed.unwrap().offset.0))
            .collect()
    }

    /// Restarts a broker.
    async fn bounce(&self, node: u16, shutdown: Shutdown) {
        self.take_down(node, shutdown).await;
        self.cluster.restart(node).await.unwrap();
    }

    async fn take_down(&self, node: u16, shutdown: Shutdown) {
        match shutdown {
            Shutdown::Clean => self.cluster.stop(node).await.unwrap(),
            Shutdown::Hard => self.cluster.kill(node).await.unwrap(),
        }
    }
}
