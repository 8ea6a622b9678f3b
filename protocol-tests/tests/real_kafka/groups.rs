//! A group of three clients: Java's, librdkafka's and ours.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use kavka::admin::GroupType;
use kavka::{AssignmentStrategy, Client, ClientConfig, Consumer, ErrorKind, GroupProtocol};
use kavka_testcontainers::apache::{Cluster, Running, Version};
use tokio::task::JoinHandle;

use crate::support::{Kcat, PATIENCE, client, config, earliest, in_time, produce};

const PARTITIONS: i32 = 12;
const RECORDS: u64 = 1200;

#[tokio::test(flavor = "multi_thread")]
async fn each_partition_has_exactly_one_owner_of_three_clients() {
    let cluster = Cluster::start(config()).await.unwrap();
    for (strategy, java, librdkafka) in [
        (AssignmentStrategy::Range, "RangeAssignor", "range"),
        (AssignmentStrategy::CooperativeSticky, "CooperativeStickyAssignor", "cooperative-sticky"),
    ] {
        eprintln!("{librdkafka}");
        mixed(&cluster, strategy, java, librdkafka).await;
    }
    cluster.shutdown().await.unwrap();
}

async fn mixed(cluster: &Cluster, strategy: AssignmentStrategy, java: &str, librdkafka: &str) {
    let topic = format!("mixed-{librdkafka}");
    let group = topic.as_str();
    cluster.create_topic(&topic, PARTITIONS.unsigned_abs(), 1, &[]).await.unwrap();
    let client = client(cluster);

    // Ours is the leader first, then hears of two others that assign by the same name.
    let consumer = client
        .consumer(earliest().group_id(group).partition_assignment_strategy([strategy]))
        .unwrap();
    consumer.subscribe([topic.as_str()]).unwrap();
    let handle = consumer.handle();
    let (seen, ours) = collect(consumer);
    in_time(
        "the first assignment",
        until(|| handle.assignment().len() == PARTITIONS.unsigned_abs() as usize),
    )
    .await;
    let java = spawn_java(cluster, &topic, group, java);
    let strategy = format!("partition.assignment.strategy={librdkafka}");
    let arguments = [
        "-u",
        "-X",
        &strategy,
        "-X",
        "auto.offset.reset=earliest",
        "-f",
        "%p %s\n",
        "-G",
        group,
        &topic,
    ];
    let mut kcat = Kcat::spawn(cluster, librdkafka, &arguments);

    let owners = stable(cluster, group, 3).await;
    let ours_by_kafka: BTreeSet<i32> = owners.get("kavka").cloned().unwrap_or_default();
    let ours_by_us: BTreeSet<i32> =
        handle.assignment().iter().map(|partition| partition.partition.0).collect();
    assert_eq!(
        ours_by_us, ours_by_kafka,
        "the group and its member differ on what the member owns"
    );

    // Every record goes to the owner of its partition, and to nobody else.
    produce(&client, &topic, PARTITIONS, 0..RECORDS).await;
    let read = || {
        let mut all: Vec<(i32, u64)> = seen.lock().unwrap().clone();
        all.extend(parse(&java.stdout().unwrap()));
        all.extend(parse(&kcat.output()));
        all
    };
    in_time("reading", until(|| read().len() >= usize::try_from(RECORDS).unwrap())).await;
    let mut all = read();
    all.sort_unstable_by_key(|&(_, number)| number);
    let expected: Vec<_> =
        (0..RECORDS).map(|number| (i32::try_from(number % 12).unwrap(), number)).collect();
    assert_eq!(all, expected, "a record was read by two members, or by none");

    // The partitions of a member that dies go to the others.
    kcat.kill().await;
    let owners = stable(cluster, group, 2).await;
    assert!(owners.contains_key("kavka"), "{owners:?}");
    ours.abort();
    let mut java = java;
    java.kill().await.unwrap();
    client.close(PATIENCE).await.unwrap();
}

/// One group in which members of both protocols come and go, Java's and ours: whoever is there shares
/// the partitions, and each record goes to one of them.
#[tokio::test(flavor = "multi_thread")]
async fn members_of_both_protocols_share_a_group_that_changes_from_one_to_the_other() {
    let group_settings = [
        ("group.consumer.min.session.timeout.ms", "6000"),
        ("group.consumer.session.timeout.ms", "6000"),
        ("group.consumer.min.heartbeat.interval.ms", "500"),
        ("group.consumer.heartbeat.interval.ms", "1000"),
    ];
    let config = group_settings
        .into_iter()
        .fold(config(), |config, (name, value)| config.property(name, value));
    let cluster = Cluster::start(config).await.unwrap();
    if cluster.version() < Version::new(4, 0, 0) {
        return cluster.shutdown().await.unwrap();
    }
    let topic = "changing";
    cluster.create_topic(topic, PARTITIONS.unsigned_abs(), 1, &[]).await.unwrap();
    let writer = client(&cluster);
    let mut sent = 0..0;
    let member = |name: &str, protocol| {
        let client = Client::new(ClientConfig::new(cluster.bootstrap()).client_id(name)).unwrap();
        let config = earliest().group_id(topic).group_protocol(protocol);
        let consumer = client.consumer(config).unwrap();
        consumer.subscribe([topic]).unwrap();
        let handle = consumer.handle();
        (client, handle, collect(consumer))
    };
    // Each round is of those who are there when it begins, and they do not change in it.
    let mut round = async |readers: &[&dyn Fn() -> Vec<(i32, u64)>]| {
        sent = sent.end..sent.end + RECORDS;
        produce(&writer, topic, PARTITIONS, sent.clone()).await;
        let read = || {
            let all = readers.iter().flat_map(|reader| reader());
            let mut of_round: Vec<_> = all.filter(|(_, number)| sent.contains(number)).collect();
            of_round.sort_unstable_by_key(|&(_, number)| number);
            of_round
        };
        in_time("reading", until(|| read().len() >= usize::try_from(RECORDS).unwrap())).await;
        let expected: Vec<_> =
            sent.clone().map(|number| (i32::try_from(number % 12).unwrap(), number)).collect();
        assert!(read() == expected, "a record was read by two members, or by none");
    };

    let (first, _, (seen, _)) = member("first", GroupProtocol::Consumer);
    let first_reads = || seen.lock().unwrap().clone();
    stable(&cluster, topic, 1).await;
    round(&[&first_reads]).await;
    assert_eq!(kind(&writer, topic).await, GroupType::Consumer);

    let mut java = spawn_java_with(&cluster, topic, topic, "group.protocol=consumer");
    let (second, _, (seen, _)) = member("second", GroupProtocol::Classic);
    let second_reads = || seen.lock().unwrap().clone();
    stable(&cluster, topic, 3).await;
    round(&[&first_reads, &|| parse(&java.stdout().unwrap()), &second_reads]).await;

    // One dies, one leaves: what is left is a classic group.
    java.kill().await.unwrap();
    stable(&cluster, topic, 2).await;
    round(&[&first_reads, &second_reads]).await;
    first.close(PATIENCE).await.unwrap();
    stable(&cluster, topic, 1).await;
    round(&[&second_reads]).await;
    assert_eq!(kind(&writer, topic).await, GroupType::Classic);

    // The first that comes by the other protocol changes it again.
    let (third, _, (seen, _)) = member("third", GroupProtocol::Auto);
    let third_reads = || seen.lock().unwrap().clone();
    stable(&cluster, topic, 2).await;
    round(&[&second_reads, &third_reads]).await;
    assert_eq!(kind(&writer, topic).await, GroupType::Consumer);
    read_by_pattern(&cluster, &writer, sent.end).await;
    for client in [second, third, writer] {
        client.close(PATIENCE).await.unwrap();
    }
    cluster.shutdown().await.unwrap();
}

/// What a pattern matches the coordinator says (RE2/J), also of topics that come later.
async fn read_by_pattern(cluster: &Cluster, client: &Client, records: u64) {
    let config = earliest().group_id("by pattern").group_protocol(GroupProtocol::Consumer);
    let consumer = client.consumer(config).unwrap();
    consumer.subscribe_pattern("chang(?i:ING)(-later)?").unwrap();
    let (seen, reading) = collect(consumer);
    let read = || u64::try_from(seen.lock().unwrap().len()).unwrap();
    in_time("reading by a pattern", until(|| read() == records)).await;
    cluster.create_topic("changing-later", 1, 1, &[]).await.unwrap();
    produce(client, "changing-later", 1, records..records + 10).await;
    in_time("reading what came later", until(|| read() == records + 10)).await;
    reading.abort();
}

async fn kind(client: &Client, group: &str) -> GroupType {
    let mut described = client.admin().describe_consumer_groups([group]).await;
    described.pop_first().unwrap().1.unwrap().kind
}

type Seen = std::sync::Arc<std::sync::Mutex<Vec<(i32, u64)>>>;

/// Receives in a task, and notes partition and number of each record.
fn collect(mut consumer: Consumer) -> (Seen, JoinHandle<()>) {
    let seen = Seen::default();
    let notes = seen.clone();
    let task = tokio::spawn(async move {
        loop {
            let record = match consumer.recv().await {
                Err(error) if error.kind() == ErrorKind::Closed => return,
                received => received.unwrap(),
            };
            let number = std::str::from_utf8(record.value().unwrap()).unwrap().parse().unwrap();
            notes.lock().unwrap().push((record.partition().0, number));
        }
    });
    (seen, task)
}

fn spawn_java(cluster: &Cluster, topic: &str, group: &str, assignor: &str) -> Running {
    let strategy =
        format!("partition.assignment.strategy=org.apache.kafka.clients.consumer.{assignor}");
    spawn_java_with(cluster, topic, group, &strategy)
}

fn spawn_java_with(cluster: &Cluster, topic: &str, group: &str, property: &str) -> Running {
    let bootstrap = cluster.bootstrap();
    cluster
        .tool("org.apache.kafka.tools.consumer.ConsoleConsumer")
        .args([
            "--bootstrap-server",
            &bootstrap,
            "--topic",
            topic,
            "--group",
            group,
            "--from-beginning",
        ])
        .args(["--consumer-property", property, "--property", "print.partition=true"])
        .spawn()
        .unwrap()
}

/// Lines of a partition and a number: `Partition:3\t17` by Java, `3 17` by kcat. The last may still
/// be on its way.
fn parse(text: &str) -> Vec<(i32, u64)> {
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let pair = |line: &str| {
        let numbers = line.trim_start_matches("Partition:").split_once(['\t', ' ']);
        let pair = numbers
            .and_then(|(partition, number)| Some((partition.parse().ok()?, number.parse().ok()?)));
        pair.unwrap_or_else(|| panic!("{line:?} is no partition and number"))
    };
    // Kafka 4.2 and later warn of old options there.
    whole.lines().filter(|line| !line.starts_with("Option ")).map(pair).collect()
}

/// Who owns what, by the group's coordinator, once the group has so many members that all own
/// something: the client's id up to its first `-` (`kavka`, `console`, `rdkafka`), and its
/// partitions.
///
/// # Panics
/// If a partition has no owner then, or two.
async fn stable(cluster: &Cluster, group: &str, members: usize) -> BTreeMap<String, BTreeSet<i32>> {
    let started = Instant::now();
    loop {
        let bootstrap = cluster.internal_bootstrap();
        let listed = cluster
            .tool("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand")
            .args([
                "--bootstrap-server",
                &bootstrap,
                "--describe",
                "--members",
                "--verbose",
                "--group",
                group,
            ])
            .run()
            .await
            .unwrap_or_default();
        let owners = owners(&listed);
        let all: Vec<i32> = owners.values().flatten().copied().collect();
        if owners.len() == members
            && owners.values().all(|owned| !owned.is_empty())
            && all.len() == 12
        {
            assert_eq!(
                all.iter().collect::<BTreeSet<_>>().len(),
                12,
                "a partition has two owners:\n{listed}"
            );
            return owners;
        }
        assert!(started.elapsed() < PATIENCE, "the group does not settle:\n{listed}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Reads the table of members: an assignment is `topic(0,1,2)`, or `topic:0,1,2` from Kafka 4.0 on,
/// where more columns follow.
fn owners(listed: &str) -> BTreeMap<String, BTreeSet<i32>> {
    let mut lines = listed.lines().filter(|line| !line.trim().is_empty());
    let Some(header) = lines.find(|line| line.contains("CLIENT-ID")) else {
        return BTreeMap::new();
    };
    let column = |names: [&str; 2]| {
        header.split_whitespace().position(|name| names.contains(&name)).unwrap()
    };
    let (client, assignment) =
        (column(["CLIENT-ID"; 2]), column(["ASSIGNMENT", "CURRENT-ASSIGNMENT"]));
    let member = |line: &str| {
        let columns: Vec<_> = line.split_whitespace().collect();
        let name = columns.get(client)?.split('-').next()?.to_owned();
        let numbers = columns.get(assignment)?.rsplit(['(', ':']).next()?.trim_end_matches(')');
        Some((name, numbers.split(',').filter_map(|number| number.parse().ok()).collect()))
    };
    lines.filter_map(member).collect()
}

/// Waits until a condition holds.
async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[test]
fn lists_of_members_are_read_in_the_form_of_every_version() {
    let old = "\nGROUP CONSUMER-ID HOST CLIENT-ID #PARTITIONS ASSIGNMENT\ng c-1 /127.0.0.1 \
               rdkafka 2 mixed-range(0,1)\n";
    assert_eq!(owners(old), BTreeMap::from([("rdkafka".to_owned(), BTreeSet::from([0, 1]))]));
    let new = "\nGROUP CONSUMER-ID HOST CLIENT-ID #PARTITIONS CURRENT-EPOCH CURRENT-ASSIGNMENT \
               TARGET-EPOCH\ng c-1 / console-consumer 1 - m:7 -\n";
    assert_eq!(owners(new), BTreeMap::from([("console".to_owned(), BTreeSet::from([7]))]));
}
