//! Every operation of the admin handle on a cluster of three nodes: its effect as Kafka's own tools
//! see it, and its typical error.

use std::time::{Duration, Instant};

use kavka::admin::Outcomes;
use kavka::{Admin, Client, Error, ErrorCode, NewTopic, Result, TopicPartition};
use kavka_testcontainers::apache::{Cluster, Version};

use crate::support::{PATIENCE, client, config, in_time, sized};

mod access;
mod controllers;
mod groups;
mod moving;
mod placement;
mod quorum;
mod size;
mod telemetry;
mod tokens;
mod topics;
mod transactions;

/// What the parts of the test work with.
struct Bench {
    cluster: Cluster,
    client: Client,
    admin: Admin,
}

impl Bench {
    async fn start(version: Option<Version>) -> Self {
        let config = version.map_or_else(config, |version| config().version(version));
        // Whoever does not log in, as all do here, may do everything; with the authorizer there are
        // ACLs to manage.
        let config = config
            .nodes(3)
            .property(
                "authorizer.class.name",
                "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            )
            .property("super.users", "User:ANONYMOUS");
        let cluster = Cluster::start(config).await.unwrap();
        let client = client(&cluster);
        Self { admin: client.admin(), client, cluster }
    }

    /// Whether the cluster is of this release or a later one.
    fn is_at_least(&self, major: u16, minor: u16) -> bool {
        self.cluster.version() >= Version::new(major, minor, 0)
    }

    /// Runs one of Kafka's own tools and returns what it printed.
    async fn java(&self, class: &str, arguments: &[&str]) -> String {
        let bootstrap = self.cluster.internal_bootstrap();
        let tool = self
            .cluster
            .tool(class)
            .args(["--bootstrap-server", &bootstrap])
            .args(arguments.iter().copied());
        tool.run().await.unwrap()
    }

    /// Runs a tool until what it prints satisfies a condition.
    async fn java_until(
        &self,
        class: &str,
        arguments: &[&str],
        condition: impl Fn(&str) -> bool,
    ) -> String {
        let started = Instant::now();
        loop {
            let printed = self.java(class, arguments).await;
            if condition(&printed) {
                return printed;
            }
            assert!(started.elapsed() < PATIENCE, "{class} {arguments:?} still prints\n{printed}");
        }
    }

    async fn close(self) {
        self.client.close(PATIENCE).await.unwrap();
        self.cluster.shutdown().await.unwrap();
    }
}

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const CONFIGS: &str = "kafka.admin.ConfigCommand";
const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";

/// The answer about one item.
#[track_caller]
fn one<K: Ord, T>(mut outcomes: Outcomes<K, T>) -> Result<T> {
    assert_eq!(outcomes.len(), 1);
    outcomes.pop_first().unwrap().1
}

/// The code of a failure, whose text must name the item.
#[track_caller]
fn refused<T>(outcome: Result<T>, item: &str) -> ErrorCode {
    let Err(error) = outcome else { panic!("{item} is not refused") };
    assert!(error.to_string().contains(item), "{item} is not in: {error}");
    code(&error)
}

#[track_caller]
fn code(error: &Error) -> ErrorCode {
    error.code().unwrap_or_else(|| panic!("no code: {error:?}"))
}

/// Asks until the answer satisfies a condition.
///
/// Any of the three brokers may answer, and each learns of a change when it has read that far in
/// the metadata log: what one of them has shown says nothing about the next answer.
async fn until<T>(
    what: &str,
    mut ask: impl AsyncFnMut() -> T,
    condition: impl Fn(&T) -> bool,
) -> T {
    in_time(what, async {
        loop {
            let answer = ask().await;
            if condition(&answer) {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_has_its_effect_and_refuses_what_cannot_be() {
    for version in sized(&[None][..], &[None, Some(Version::new(3, 9, 2))][..]) {
        let bench = Bench::start(*version).await;
        eprintln!("Kafka {}", bench.cluster.version());
        part("topics", topics::topics(&bench)).await;
        part("records and offsets", topics::records(&bench)).await;
        part("configs", topics::configs(&bench)).await;
        part("groups", groups::classic(&bench)).await;
        if bench.is_at_least(4, 0) {
            part("groups of KIP-848", groups::consumer(&bench)).await;
        }
        if bench.is_at_least(4, 2) {
            part("share groups", groups::share(&bench)).await;
        }
        part("placement", placement::placement(&bench)).await;
        part("log dirs", placement::log_dirs(&bench)).await;
        part("cluster", placement::cluster(&bench)).await;
        part("controllers", controllers::check(&bench)).await;
        part("acls", access::acls(&bench)).await;
        part("quotas", access::quotas(&bench)).await;
        part("SCRAM users", access::scram(&bench)).await;
        part("tokens", access::tokens(&bench)).await;
        part("transactions", transactions::transactions(&bench)).await;
        bench.close().await;
    }
}

async fn part(name: &str, work: impl Future<Output = ()>) {
    let started = Instant::now();
    in_time(name, work).await;
    eprintln!("{name}: {:.1} s", started.elapsed().as_secs_f32());
}

async fn topic(bench: &Bench, name: &str, partitions: i32, replicas: i16) {
    bench
        .admin
        .create_topic(NewTopic::new(name).partitions(partitions).replication_factor(replicas))
        .await
        .unwrap();
}

fn partition(topic: &str, number: i32) -> TopicPartition {
    TopicPartition::new(topic, number)
}
