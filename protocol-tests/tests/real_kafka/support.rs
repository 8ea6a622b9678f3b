//! What the tests share.

use std::env;
use std::time::Duration;

use kavka::{
    AutoOffsetReset, Client, ClientConfig, Consumer, ConsumerConfig, ProducerConfig, TopicPartition,
};
use kavka_testcontainers::apache::{Cluster, Config, Version};

/// How long a step may take before the test is taken for hung; generous, as machines of two cores
/// share their time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A number of the reduced size, or of the full one under `KAVKA_TEST_SIZE=full`.
pub(crate) fn sized<T>(reduced: T, full: T) -> T {
    if env::var("KAVKA_TEST_SIZE").as_deref() == Ok("full") { full } else { reduced }
}

/// A cluster of the version in `KAVKA_TEST_CLUSTER=apache:VERSION`, or of the launcher's default.
pub(crate) fn config() -> Config {
    let chosen = env::var("KAVKA_TEST_CLUSTER").unwrap_or_default();
    match chosen.strip_prefix("apache:") {
        Some(version) => Config::new().version(version.parse::<Version>().unwrap()),
        None => Config::new(),
    }
}

pub(crate) fn client(cluster: &Cluster) -> Client {
    let _ = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .try_init();
    Client::new(ClientConfig::new(cluster.bootstrap())).unwrap()
}

pub(crate) fn earliest() -> ConsumerConfig {
    ConsumerConfig::new().auto_offset_reset(AutoOffsetReset::Earliest)
}

/// A consumer of one partition from its beginning, without a group.
pub(crate) fn reader(client: &Client, topic: &str, partition: i32) -> Consumer {
    let consumer = client.consumer(earliest()).unwrap();
    consumer.assign([TopicPartition::new(topic, partition)]).unwrap();
    consumer
}

/// Produces numbered records and waits until all are acknowledged.
pub(crate) async fn produce(
    client: &Client,
    topic: &str,
    partitions: i32,
    numbers: std::ops::Range<u64>,
) {
    let producer = client.producer(ProducerConfig::new()).unwrap();
    let mut deliveries = Vec::new();
    for number in numbers {
        let value = number.to_string();
        let partition = i32::try_from(number % u64::from(partitions.unsigned_abs())).unwrap();
        let record = kavka::Record::to(topic).partition(partition).value(&value);
        deliveries.push(producer.send(record).await.unwrap());
    }
    for delivery in deliveries {
        delivery.await.unwrap();
    }
    producer.close(PATIENCE).await.unwrap();
}

/// Fails the test if a future does not end in time.
pub(crate) async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("{what} takes longer than {PATIENCE:?}"))
}

/// A stream of numbers from a seed, which a failing test prints.
pub(crate) struct Dice(u64);

impl Dice {
    /// From `KAVKA_SEED`, or a fixed seed.
    pub(crate) fn new() -> Self {
        let seed = env::var("KAVKA_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
        eprintln!("KAVKA_SEED={seed}");
        Self(seed)
    }

    /// From a seed that other dice have given.
    pub(crate) fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `end` (splitmix64).
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// kcat, with its output in a file.
pub(crate) struct Kcat {
    child: tokio::process::Child,
    out: std::path::PathBuf,
}

impl Kcat {
    /// Starts kcat; `name` tells its output from that of others on the same cluster.
    pub(crate) fn spawn(cluster: &Cluster, name: &str, arguments: &[&str]) -> Self {
        let out = cluster.file(&format!("{name}.kcat"), b"").unwrap();
        let mut command = tokio::process::Command::new("kcat");
        command.args(["-b", &cluster.bootstrap()]).args(arguments).kill_on_drop(true);
        command.stdin(std::process::Stdio::null()).stdout(std::fs::File::create(&out).unwrap());
        let child = command.spawn().expect("kcat is installed (Debian package kcat)");
        Self { child, out }
    }

    /// Waits for its end and returns what it wrote.
    pub(crate) async fn finish(mut self) -> String {
        let status = in_time("kcat", self.child.wait()).await.unwrap();
        assert!(status.success(), "kcat: {status}");
        self.output()
    }

    /// What it has written so far.
    pub(crate) fn output(&self) -> String {
        std::fs::read_to_string(&self.out).unwrap()
    }

    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }
}
