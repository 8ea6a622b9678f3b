//! Exactly once, by both protocols: what copiers that abort, are killed and come and go leave behind
//! while brokers are hurt, and who is fenced when.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kavka::{
    Client, ClientConfig, Consumer, ErrorKind, IsolationLevel, NewTopic, ProducerConfig, Record,
    TopicPartition,
};
use kavka_testcontainers::apache::{Cluster, Config, Running, Version};
use kavka_testcontainers::proxy::{Cut, Direction, Proxy};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::faults::torment;
use crate::support::{Dice, PATIENCE, client, earliest, in_time, produce, sized};

mod access;
mod copier;
mod franz_go;

use copier::Copier;

const PARTITIONS: i32 = 3;
/// As many as partitions, so that in a group each has one unless another is gone.
const COPIERS: usize = 3;

const FEATURES: &str = "org.apache.kafka.tools.FeatureCommand";
const JAVAS_COPIER: &str = "org.apache.kafka.tools.TransactionalMessageCopier";

#[tokio::test(flavor = "multi_thread")]
async fn exactly_once_by_the_old_protocol() {
    let config = Config::new().version(Version::new(3, 9, 2));
    exactly_once(config, Live::No, sized(&[false], &[false, true])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_once_by_the_new_protocol_and_while_it_is_switched() {
    let config = Config::new().version(Version::DEFAULT);
    exactly_once(config, Live::Switched, sized(&[true], &[false, true])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_once_by_the_old_protocol_on_new_brokers() {
    if sized(true, false) {
        // The test above comes here by its switch.
        return;
    }
    let config = Config::new().version(Version::DEFAULT).feature("transaction.version", 1);
    exactly_once(config, Live::No, &[false, true]).await;
}

/// What is copied, to where, and by which group.
#[derive(Clone, Copy)]
struct Topics {
    input: &'static str,
    output: &'static str,
    group: &'static str,
}

impl Topics {
    fn of(is_group: bool) -> Self {
        match is_group {
            false => Self { input: "in", output: "out", group: "assigned" },
            true => Self { input: "in-group", output: "out-group", group: "members" },
        }
    }
}

/// Whether `transaction.version` changes while records are copied.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Live {
    No,
    Switched,
}

/// `modes`: whether copiers share a group, or have partitions of their own.
async fn exactly_once(config: Config, live: Live, modes: &[bool]) {
    for nodes in sized(&[3][..], &[3, 1][..]) {
        // Through proxies, which cut connections.
        let config = config.clone().nodes(*nodes).behind_proxies();
        let cluster = Arc::new(Cluster::start(config).await.unwrap());
        let client = client(&cluster);
        who_is_fenced(&client).await;
        for is_group in modes {
            eprintln!("Kafka {}, nodes: {nodes}, group: {is_group}", cluster.version());
            copies(&cluster, &client, *is_group, live).await;
        }
        client.close(PATIENCE).await.unwrap();
        Arc::try_unwrap(cluster).unwrap().shutdown().await.unwrap();
    }
}

/// A crashed producer's successor begins at once, and the older is fenced by its next request.
async fn who_is_fenced(client: &Client) {
    client.admin().create_topic(NewTopic::new("fenced")).await.unwrap();
    let producer =
        || client.transactional_producer(ProducerConfig::new().transactional_id("fenced")).unwrap();
    let mut older = producer();
    let mut left_open = older.begin().await.unwrap();
    left_open.send(Record::to("fenced").value("older")).await.unwrap().await.unwrap();

    let begun = Instant::now();
    let mut newer = producer();
    let mut transaction = newer.begin().await.unwrap();
    transaction.send(Record::to("fenced").value("newer")).await.unwrap().await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());

    let error = left_open.commit().await.unwrap_err();
    if error.kind() == ErrorKind::TransactionAbortable {
        // What a leader says does not tell who else is there; the coordinator does.
        let error = left_open.abort().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ProducerFenced, "{error}");
    } else {
        assert_eq!(error.kind(), ErrorKind::ProducerFenced, "{error}");
    }
    drop(left_open);
    let error = older.begin().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ProducerFenced, "{error}");
    transaction.commit().await.unwrap();
    let read = read_to_end(client, "fenced", 1).await;
    assert_eq!(read, [["newer"]]);
}

async fn copies(cluster: &Arc<Cluster>, client: &Client, is_group: bool, live: Live) {
    let (topics, records) = (Topics::of(is_group), sized(3_000, 200_000));
    let expected = fill(client, topics, records).await;
    let concurrent = read_until(client, topics.output, &expected);
    let java = if is_group { Some(javas_copier(cluster, topics).await) } else { None };
    let began = Instant::now();
    let mut copiers = Copiers::start(cluster, is_group);
    under_faults(cluster, &mut copiers, live).await;
    until_copied(client, &mut copiers, records).await;
    let Copiers { killed, left, ended, .. } = copiers;
    let connections: u64 = cluster.nodes().map(|node| proxy_of(cluster, node).accepted()).sum();
    eprintln!(
        "{records} records copied in {:?}, {killed} copiers killed, {left} left, {ended} ended, \
         {connections} connections so far",
        began.elapsed(),
    );
    copiers.leave().await;
    if let Some(mut java) = java {
        java.kill().await.unwrap();
        let lines = java.stdout().unwrap();
        let last = lines.lines().last().unwrap_or_default();
        eprintln!("Java's copier: {last}");
        assert!(!last.contains("\"totalProcessed\":0,"), "Java's copier has copied nothing");
    }
    compare("the concurrent reader", &in_time("the reader", concurrent).await.unwrap(), &expected);
    compare("the last reader", &read_to_end(client, topics.output, PARTITIONS).await, &expected);
    compare("Java", &javas_reader(cluster, topics.output).await, &expected);
}

/// Writes the input; returns the values of each partition.
async fn fill(client: &Client, topics: Topics, records: u64) -> Vec<Vec<String>> {
    for topic in [topics.input, topics.output] {
        client.admin().create_topic(NewTopic::new(topic).partitions(PARTITIONS)).await.unwrap();
    }
    produce(client, topics.input, PARTITIONS, 0..records).await;
    let step = usize::try_from(PARTITIONS).unwrap();
    let values = |partition| (partition..records).step_by(step).map(|number| number.to_string());
    (0..PARTITIONS.unsigned_abs().into()).map(|partition| values(partition).collect()).collect()
}

/// Hurts brokers and copiers for a time; meanwhile the protocol changes, and changes back.
async fn under_faults(cluster: &Arc<Cluster>, copiers: &mut Copiers, live: Live) {
    let faults = sized(Duration::from_secs(12), Duration::from_secs(150));
    let began = Instant::now();
    let hurting = tokio::spawn({
        let (cluster, dice) = (Arc::clone(cluster), Dice::of(copiers.dice.below(u64::MAX)));
        async move {
            tokio::select! {
                () = torment(&cluster, faults) => {}
                () = cut_connections(&cluster, dice) => {}
            }
            cluster.nodes().for_each(|node| proxy_of(&cluster, node).heal());
        }
    });
    let mut switches = match live {
        Live::Switched => vec![("upgrade", 2), ("downgrade", 1)],
        Live::No => Vec::new(),
    };
    while !hurting.is_finished() {
        copiers.disturb().await;
        let is_due = began.elapsed() * u32::try_from(switches.len() + 1).unwrap() > faults;
        // A cluster that is being hurt may refuse it.
        if let Some((verb, level)) = switches.last().filter(|_| is_due)
            && switch(cluster, verb, *level).await
        {
            switches.pop();
        }
    }
    hurting.await.unwrap();
    while let Some((verb, level)) = switches.pop() {
        assert!(switch(cluster, verb, level).await, "{verb} to {level}");
        copiers.disturb().await;
    }
}

/// Cuts connections for as long as it is polled: all of a node at once, or some soon, within a
/// request or a reply.
async fn cut_connections(cluster: &Cluster, mut dice: Dice) {
    let nodes: Vec<u16> = cluster.nodes().collect();
    loop {
        sleep(Duration::from_millis(200 + dice.below(3000))).await;
        let proxy = proxy_of(cluster, nodes[usize::try_from(dice.below(3)).unwrap() % nodes.len()]);
        let bytes = 200 + dice.below(20_000);
        match dice.below(4) {
            0 => proxy.cut_next(3, Cut::Bytes(Direction::Request, bytes)),
            1 => proxy.cut_next(3, Cut::Bytes(Direction::Response, bytes)),
            _ => {}
        }
        proxy.cut();
    }
}

fn proxy_of(cluster: &Cluster, node: u16) -> &Proxy {
    cluster.proxy(node).expect("each node has one")
}

/// Waits until the group has committed all of the input.
async fn until_copied(client: &Client, copiers: &mut Copiers, records: u64) {
    let (admin, calm) = (client.admin(), Instant::now());
    loop {
        copiers.restart_ended();
        let committed = admin.list_group_offsets([copiers.topics.group]).await;
        let committed = committed.into_values().flatten().flatten();
        let copied: u64 =
            committed.filter_map(|(_, offset)| u64::try_from(offset.ok()?.offset.0).ok()).sum();
        if copied == records {
            return;
        }
        assert!(calm.elapsed() < sized(1, 5) * PATIENCE, "{copied} of {records} were copied");
        sleep(Duration::from_millis(300)).await;
    }
}

/// The copiers that are at work, each with a transactional id that its successor takes over.
struct Copiers {
    bootstrap: String,
    topics: Topics,
    is_group: bool,
    running: Vec<Copier>,
    dice: Dice,
    killed: u32,
    left: u32,
    ended: u32,
}

impl Copiers {
    fn start(cluster: &Cluster, is_group: bool) -> Self {
        let mut copiers = Self {
            bootstrap: cluster.bootstrap(),
            topics: Topics::of(is_group),
            is_group,
            running: Vec::new(),
            dice: Dice::new(),
            killed: 0,
            left: 0,
            ended: 0,
        };
        for slot in 0..COPIERS {
            let copier = copiers.successor(slot);
            copiers.running.push(copier);
        }
        copiers
    }

    fn successor(&mut self, slot: usize) -> Copier {
        let partition = i32::try_from(slot).ok().filter(|_| !self.is_group);
        let dice = Dice::of(self.dice.below(u64::MAX));
        Copier::start(ClientConfig::new(&self.bootstrap), self.topics, slot, partition, dice)
    }

    /// One is killed, or leaves in good order; another takes its place.
    async fn disturb(&mut self) {
        sleep(Duration::from_millis(500 + self.dice.below(3000))).await;
        self.restart_ended();
        let slot = usize::try_from(self.dice.below(COPIERS as u64)).unwrap();
        let successor = self.successor(slot);
        let copier = std::mem::replace(&mut self.running[slot], successor);
        // The successor may be faster, and fences it then.
        if self.dice.below(3) > 0 {
            copier.kill();
            self.killed += 1;
        } else {
            let _fenced = in_time("leaving", copier.leave()).await;
            self.left += 1;
        }
    }

    /// One that was fenced, as by a request of its predecessor that came late, ends.
    fn restart_ended(&mut self) {
        for slot in 0..COPIERS {
            if self.running[slot].has_ended() {
                let successor = self.successor(slot);
                std::mem::replace(&mut self.running[slot], successor).kill();
                self.ended += 1;
            }
        }
    }

    async fn leave(self) {
        for copier in self.running {
            in_time("leaving", copier.leave()).await.unwrap();
        }
    }
}

async fn switch(cluster: &Cluster, verb: &str, level: u16) -> bool {
    let feature = format!("transaction.version={level}");
    let bootstrap = cluster.bootstrap();
    let command = cluster.tool(FEATURES);
    let arguments = ["--bootstrap-server", &bootstrap, verb, "--feature", &feature];
    let switched = command.args(arguments).run().await;
    eprintln!(
        "{verb} to {feature}: {}",
        switched.as_ref().map_or_else(ToString::to_string, |_| "done".into())
    );
    switched.is_ok()
}

/// Java's copier as a member of the group, once it is one.
async fn javas_copier(cluster: &Cluster, topics: Topics) -> Running {
    let bootstrap = cluster.bootstrap();
    let arguments = [
        ["--transactional-id", "java"],
        ["--input-topic", topics.input],
        ["--input-partition", "-1"],
        ["--output-topic", topics.output],
        ["--broker-list", &bootstrap],
        ["--consumer-group", topics.group],
        ["--transaction-size", sized("5", "750")],
        ["--transaction-timeout", "20000"],
    ];
    let java = cluster
        .tool(JAVAS_COPIER)
        .args(arguments.concat())
        .args(["--enable-random-aborts", "--group-mode", "--use-group-metadata"])
        .spawn()
        .unwrap();
    in_time("Java's joining", async {
        while !java.stdout().unwrap().contains("RebalanceComplete") {
            sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    java
}

fn committed_reader(client: &Client, topic: &str, partitions: i32) -> Consumer {
    let consumer = client.consumer(earliest().isolation_level(IsolationLevel::ReadCommitted));
    let consumer = consumer.unwrap();
    consumer.assign((0..partitions).map(|at| TopicPartition::new(topic, at))).unwrap();
    consumer
}

/// Reads while it is written, until as much was read as there will be.
fn read_until(
    client: &Client,
    topic: &str,
    expected: &[Vec<String>],
) -> JoinHandle<Vec<Vec<String>>> {
    let mut consumer = committed_reader(client, topic, PARTITIONS);
    let wanted: usize = expected.iter().map(Vec::len).sum();
    tokio::spawn(async move {
        let mut read = vec![Vec::new(); usize::try_from(PARTITIONS).unwrap()];
        for _ in 0..wanted {
            let record = consumer.recv().await.unwrap();
            let value = String::from_utf8(record.value().unwrap().to_vec()).unwrap();
            read[usize::try_from(record.partition().0).unwrap()].push(value);
        }
        read
    })
}

/// What there is for readers of committed records, and nothing of what may follow.
async fn read_to_end(client: &Client, topic: &str, partitions: i32) -> Vec<Vec<String>> {
    // Markers are written behind the answer to a commit.
    sleep(Duration::from_secs(1)).await;
    let mut consumer = committed_reader(client, topic, partitions);
    let mut read = vec![Vec::new(); usize::try_from(partitions).unwrap()];
    while let Ok(record) = tokio::time::timeout(Duration::from_secs(2), consumer.recv()).await {
        let record = record.unwrap();
        let value = String::from_utf8(record.value().unwrap().to_vec()).unwrap();
        read[usize::try_from(record.partition().0).unwrap()].push(value);
    }
    read
}

/// What Java's console consumer reads of committed records, by the partition that the number says.
async fn javas_reader(cluster: &Cluster, topic: &str) -> Vec<Vec<String>> {
    let bootstrap = cluster.bootstrap();
    let printed = cluster
        .tool("org.apache.kafka.tools.consumer.ConsoleConsumer")
        .args(["--bootstrap-server", &bootstrap, "--topic", topic, "--from-beginning"])
        .args(["--isolation-level", "read_committed", "--timeout-ms", "4000"])
        .run()
        .await
        .unwrap();
    let mut read = vec![Vec::new(); usize::try_from(PARTITIONS).unwrap()];
    for line in printed.lines() {
        let number: usize = line.parse().unwrap();
        read[number % usize::try_from(PARTITIONS).unwrap()].push(line.to_owned());
    }
    read
}

/// Fails with the first difference.
fn compare(who: &str, read: &[Vec<String>], expected: &[Vec<String>]) {
    for (partition, (read, expected)) in read.iter().zip(expected).enumerate() {
        let same =
            read.iter().zip(expected).take_while(|(read, expected)| read == expected).count();
        assert!(
            same == expected.len() && same == read.len(),
            "{who}: partition {partition} has {} of {} records; the first other at {same}: {:?} in place of {:?}",
            read.len(),
            expected.len(),
            read.get(same),
            expected.get(same)
        );
    }
}
