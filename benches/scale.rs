//! What many brokers, topics and partitions cost: `cargo bench --bench scale`.
//!
//! The embedded cluster runs in a process of its own, so that processor time and memory are the
//! client's. Linux only, by `/proc`.

use std::error::Error;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use kavka::{
    Client, ClientConfig, Consumer, ConsumerConfig, Producer, ProducerConfig, Properties, Record,
    TopicPartition,
};
use kavka_testcontainers::embedded::EmbeddedCluster;

const BROKERS: i32 = 100;
const PARTITIONS: i32 = 10;
const RECORDS: u64 = 500_000;
const HOT: &str = "hot";
const PATIENCE: Duration = Duration::from_secs(60);

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Outcome {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("cluster") {
        return cluster(arguments.next().ok_or("how many topics?")?.parse()?).await;
    }
    let cluster = Cluster::start(2_000)?;
    let client = cluster.client("60000")?;
    let (bytes, processor) = idle_cost(&client, 1_000).await?;
    println!(
        "10,000 idle partitions on 100 brokers: {bytes:.0} bytes for each, {processor:.1} ms of \
         processor time a second"
    );
    let few = producer_cost(&client, 0).await?;
    let many = producer_cost(&client, 1_000).await?;
    println!(
        "producer, ns a record: {few:.0} with no idle partitions, {many:.0} with 10,000 ({:.2})",
        many / few
    );
    let few = consumer_cost(&client, 0).await?;
    let many = consumer_cost(&client, 1_000).await?;
    println!(
        "consumer, ns a record: {few:.0} with no idle partitions, {many:.0} with 10,000 ({:.2})",
        many / few
    );
    drop(cluster);

    let cluster = Cluster::start(10_000)?;
    let client = cluster.client("1000")?;
    let (processor, bytes) = refresh_cost(&client).await?;
    println!(
        "metadata of 100,000 partitions: {processor:.0} ms of processor time a refresh, \
         {bytes:.0} bytes kept for each partition"
    );
    Ok(())
}

/// Runs a cluster until standard input ends.
async fn cluster(topics: i32) -> Outcome {
    let mut builder = EmbeddedCluster::builder().brokers(BROKERS).tcp().topic(HOT, PARTITIONS, 1);
    for topic in 0..topics {
        builder = builder.topic(idle(topic), PARTITIONS, 1);
    }
    let cluster = builder.start().await?;
    println!("{}", cluster.bootstrap_servers());
    let mut end = Vec::new();
    tokio::task::spawn_blocking(move || std::io::stdin().read_to_end(&mut end)).await??;
    Ok(())
}

struct Cluster {
    process: Child,
    bootstrap: String,
}

impl Cluster {
    fn start(topics: i32) -> Outcome<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["cluster", &topics.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut bootstrap = String::new();
        BufReader::new(process.stdout.take().ok_or("no output")?).read_line(&mut bootstrap)?;
        Ok(Self { process, bootstrap: bootstrap.trim().to_owned() })
    }

    fn client(&self, metadata_max_age: &str) -> Outcome<Client> {
        let settings = [
            ("bootstrap.servers", self.bootstrap.as_str()),
            ("metadata.max.age.ms", metadata_max_age),
        ];
        Ok(Client::new(ClientConfig::from_properties(&Properties::from_iter(settings))?)?)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ended = self.process.kill();
        let _status = self.process.wait();
    }
}

/// Nanoseconds of processor time for a record to one topic, after one record to each partition of
/// `idle_topics` others.
async fn producer_cost(client: &Client, idle_topics: i32) -> Outcome<f64> {
    let producer = client.producer(ProducerConfig::new())?;
    let mut deliveries = Vec::new();
    for topic in 0..idle_topics {
        let topic = idle(topic);
        for partition in 0..PARTITIONS {
            deliveries
                .push(producer.send(Record::to(&topic).partition(partition).value("once")).await?);
        }
    }
    for delivery in deliveries {
        delivery.await?;
    }
    send(&producer, RECORDS / 10).await?;
    let before = processor_nanos()?;
    send(&producer, RECORDS).await?;
    let nanos = processor_nanos()? - before;
    producer.close(PATIENCE).await?;
    Ok(per(nanos, RECORDS))
}

async fn send(producer: &Producer, records: u64) -> Outcome {
    let value = [b'v'; 128];
    for _ in 0..records / 1_000 {
        producer.send_all((0..1_000).map(|_| Record::to(HOT).value(&value[..]))).await.await?;
    }
    Ok(())
}

/// Nanoseconds of processor time for a record from one topic, while all partitions of `idle_topics`
/// empty ones are assigned too.
async fn consumer_cost(client: &Client, idle_topics: i32) -> Outcome<f64> {
    let settings =
        Properties::from_iter([("auto.offset.reset", "earliest"), ("max.poll.records", "5000")]);
    let mut consumer = client.consumer(ConsumerConfig::from_properties(&settings)?)?;
    consumer.assign(partitions(HOT.to_owned()).chain(empty(idle_topics)))?;
    read(&mut consumer, RECORDS / 10).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = processor_nanos()?;
    read(&mut consumer, RECORDS / 2).await?;
    let nanos = processor_nanos()? - before;
    consumer.close(PATIENCE).await?;
    Ok(per(nanos, RECORDS / 2))
}

/// The memory for each empty partition that is assigned, and the milliseconds of processor time
/// that fetching them takes in a second.
async fn idle_cost(client: &Client, idle_topics: i32) -> Outcome<(f64, f64)> {
    let consumer = client.consumer(ConsumerConfig::new())?;
    // What a connection to each broker takes is not counted.
    let few = idle_topics / 10;
    consumer.assign(empty(idle_topics).take(usize::try_from(few * PARTITIONS)?))?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let memory = resident_bytes()?;
    consumer.assign(empty(idle_topics))?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let memory = resident_bytes()?.saturating_sub(memory);
    let before = processor_nanos()?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let nanos = processor_nanos()? - before;
    consumer.close(PATIENCE).await?;
    Ok((per(memory, u64::try_from((idle_topics - few) * PARTITIONS)?), per(nanos, 5) / 1e6))
}

fn partitions(topic: String) -> impl Iterator<Item = TopicPartition> {
    (0..PARTITIONS).map(move |partition| TopicPartition::new(topic.as_str(), partition))
}

/// Partitions that nobody has written to: the producer used as many topics before them.
fn empty(idle_topics: i32) -> impl Iterator<Item = TopicPartition> {
    (idle_topics..2 * idle_topics).flat_map(|topic| partitions(idle(topic)))
}

async fn read(consumer: &mut Consumer, records: u64) -> Outcome {
    let mut count = 0;
    while count < records {
        let batch = tokio::time::timeout(PATIENCE, consumer.next_batch()).await??;
        count += u64::try_from(batch.iter().count())?;
    }
    Ok(())
}

/// Milliseconds of processor time for one refresh of all topics, and the memory for each partition
/// known.
async fn refresh_cost(client: &Client) -> Outcome<(f64, f64)> {
    const REFRESHES: u32 = 10;
    let memory = resident_bytes()?;
    let consumer = client.consumer(ConsumerConfig::new().group_id("scale"))?;
    // It is interested in every topic, and matches none.
    consumer.handle().subscribe_pattern("none-of-them")?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let memory = resident_bytes()?.saturating_sub(memory);
    let before = processor_nanos()?;
    tokio::time::sleep(Duration::from_secs(1) * REFRESHES).await;
    let nanos = processor_nanos()? - before;
    consumer.close(PATIENCE).await?;
    Ok((per(nanos, u64::from(REFRESHES)) / 1e6, per(memory, 100_000)))
}

fn idle(topic: i32) -> String {
    format!("idle-{topic}")
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn per(sum: u64, count: u64) -> f64 {
    sum as f64 / count.max(1) as f64
}

/// Of all threads that live.
fn processor_nanos() -> Outcome<u64> {
    let mut sum = 0;
    for thread in std::fs::read_dir("/proc/self/task")? {
        let statistics = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        sum += statistics.split_whitespace().next().ok_or("no time")?.parse::<u64>()?;
    }
    Ok(sum)
}

fn resident_bytes() -> Outcome<u64> {
    let pages = std::fs::read_to_string("/proc/self/statm")?;
    Ok(pages.split_whitespace().nth(1).ok_or("no pages")?.parse::<u64>()? * 4096)
}
