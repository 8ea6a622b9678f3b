//! Groups of several clients: Java's, librdkafka's and ours.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use kavka::admin::GroupType;
use kavka::{
    AssignmentStrategy, Client, ClientConfig, Consumer, ConsumerConfig, ErrorKind, GroupProtocol,
    GroupSubscription, MemberAssignment, PartitionAssignor, TopicName,
};
use kavka_testcontainers::apache::{Cluster, Config, Running, Version};
use tokio::task::JoinHandle;

use crate::support::{Kcat, PATIENCE, client, config, earliest, in_time, produce};

const PARTITIONS: i32 = 12;
const RECORDS: u64 = 1200;

#[tokio::test(flavor = "multi_thread")]
async fn each_partition_has_exactly_one_owner_of_three_clients() {
    let cluster = Cluster::start(config()).await.unwrap();
    for (strategy, java) in [
        (AssignmentStrategy::Range, "RangeAssignor"),
        (AssignmentStrategy::RoundRobin, "RoundRobinAssignor"),
        (AssignmentStrategy::Sticky, "StickyAssignor"),
        (AssignmentStrategy::CooperativeSticky, "CooperativeStickyAssignor"),
    ] {
        eprintln!("{java}");
        let name = strategy.name().to_owned();
        let topic = format!("mixed-{name}");
        let ours = earliest().group_id(&topic).partition_assignment_strategy([strategy]);
        let strategy =
            format!("partition.assignment.strategy=org.apache.kafka.clients.consumer.{java}");
        // librdkafka has no sticky one that is eager.
        let librdkafka = (name != "sticky").then_some(name.as_str());
        mixed(&cluster, &topic, ours, &[&strategy], librdkafka).await;
    }
    cluster.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_partition_has_exactly_one_owner_under_each_assignor_of_the_broker() {
    let cluster = Cluster::start(with_short_sessions()).await.unwrap();
    if cluster.version() < Version::new(4, 0, 0) {
        return cluster.shutdown().await.unwrap();
    }
    for assignor in ["uniform", "range"] {
        eprintln!("{assignor}");
        let topic = format!("mixed-{assignor}");
        let ours = earliest()
            .group_id(&topic)
            .group_protocol(GroupProtocol::Consumer)
            .group_remote_assignor(assignor);
        let remote = format!("group.remote.assignor={assignor}");
        let owners =
            mixed(&cluster, &topic, ours, &["group.protocol=consumer", &remote], None).await;
        assert!(owners.values().all(|owned| owned.len() == 6), "{owners:?}");
        if assignor == "range" {
            let halves = [0..6, 6..12].map(BTreeSet::from_iter);
            assert!(owners.values().all(|owned| halves.contains(owned)), "{owners:?}");
        }
    }
    cluster.shutdown().await.unwrap();
}

/// Ours, Java's and perhaps librdkafka's, by the name it has for the strategy, share a topic, and
/// what a member that dies had. Returns who had what.
async fn mixed(
    cluster: &Cluster,
    topic: &str,
    ours: ConsumerConfig,
    java: &[&str],
    librdkafka: Option<&str>,
) -> BTreeMap<String, BTreeSet<i32>> {
    cluster.create_topic(topic, PARTITIONS.unsigned_abs(), 1, &[]).await.unwrap();
    let client = client(cluster);

    // Ours is the leader first, then hears of the others that assign by the same name.
    let consumer = client.consumer(ours).unwrap();
    consumer.subscribe([topic]).unwrap();
    let handle = consumer.handle();
    let (seen, ours) = collect(consumer);
    in_time(
        "the first assignment",
        until(|| handle.assignment().len() == PARTITIONS.unsigned_abs() as usize),
    )
    .await;
    let mut java = spawn_java(cluster, topic, topic, java);
    let mut kcat = librdkafka.map(|strategy| spawn_librdkafka(cluster, topic, strategy));
    let others = 1 + usize::from(kcat.is_some());

    let owners = stable(cluster, topic, 1 + others).await;
    let ours_by_kafka: BTreeSet<i32> = owners.get("kavka").cloned().unwrap_or_default();
    let ours_by_us =
        || handle.assignment().iter().map(|tp| tp.partition.0).collect::<BTreeSet<_>>();
    in_time("the same of the member", until(|| ours_by_us() == ours_by_kafka)).await;

    // Every record goes to the owner of its partition, and to nobody else.
    produce(&client, topic, PARTITIONS, 0..RECORDS).await;
    let read = || {
        let mut all: Vec<(i32, u64)> = seen.lock().unwrap().clone();
        all.extend(parse(&java.stdout().unwrap()));
        all.extend(kcat.iter().flat_map(|kcat| parse(&kcat.output())));
        all
    };
    in_time("reading", until(|| read().len() >= usize::try_from(RECORDS).unwrap())).await;
    let mut all = read();
    all.sort_unstable_by_key(|&(_, number)| number);
    let expected: Vec<_> =
        (0..RECORDS).map(|number| (i32::try_from(number % 12).unwrap(), number)).collect();
    assert_eq!(all, expected, "a record was read by two members, or by none");

    // The partitions of a member that dies go to the others.
    match &mut kcat {
        Some(kcat) => kcat.kill().await,
        None => java.kill().await.unwrap(),
    }
    let left = stable(cluster, topic, others).await;
    assert!(left.contains_key("kavka"), "{left:?}");
    ours.abort();
    if kcat.is_some() {
        java.kill().await.unwrap();
    }
    client.close(PATIENCE).await.unwrap();
    owners
}

/// Gives every third partition to the members that have user data, and the others to the rest. It
/// has the name of one of Java's, so that it can lead a member of Java's.
#[derive(Debug)]
struct Thirds;

impl PartitionAssignor for Thirds {
    fn name(&self) -> &str {
        "range"
    }

    fn subscription_user_data(&self, _: &BTreeSet<TopicName>) -> Option<Vec<u8>> {
        Some(b"a third".to_vec())
    }

    fn assign(
        &self,
        group: &GroupSubscription,
    ) -> Result<BTreeMap<String, MemberAssignment>, Box<dyn std::error::Error + Send + Sync>> {
        let mut shares: BTreeMap<String, MemberAssignment> = BTreeMap::new();
        for partition in group.partitions() {
            let is_third = partition.partition.0 % 3 == 0;
            let suits = group
                .members
                .iter()
                .find(|member| member.subscription.user_data.is_some() == is_third);
            let member = suits.or(group.members.first()).ok_or("nobody is there")?;
            shares.entry(member.id.clone()).or_default().partitions.push(partition);
        }
        Ok(shares)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assignor_of_the_users_own_decides_for_a_member_of_java() {
    let cluster = Cluster::start(config()).await.unwrap();
    let topic = "thirds";
    cluster.create_topic(topic, PARTITIONS.unsigned_abs(), 1, &[]).await.unwrap();
    let client = client(&cluster);
    let strategy = [AssignmentStrategy::custom(Thirds)];
    let config = earliest().group_id(topic).partition_assignment_strategy(strategy);
    let consumer = client.consumer(config).unwrap();
    consumer.subscribe([topic]).unwrap();
    let handle = consumer.handle();
    let (seen, ours) = collect(consumer);
    in_time("the first assignment", until(|| handle.assignment().len() == 12)).await;
    let range = "partition.assignment.strategy=org.apache.kafka.clients.consumer.RangeAssignor";
    let mut java = spawn_java(&cluster, topic, topic, &[range]);
    let owners = stable(&cluster, topic, 2).await;
    assert_eq!(owners["kavka"], BTreeSet::from([0, 3, 6, 9]));
    produce(&client, topic, PARTITIONS, 0..RECORDS).await;
    let read = || seen.lock().unwrap().len() + parse(&java.stdout().unwrap()).len();
    in_time("reading", until(|| read() >= usize::try_from(RECORDS).unwrap())).await;
    assert_eq!(seen.lock().unwrap().len(), usize::try_from(RECORDS / 3).unwrap());
    ours.abort();
    java.kill().await.unwrap();
    client.close(PATIENCE).await.unwrap();
    cluster.shutdown().await.unwrap();
}

/// Whoever dies is missed soon, also under the consumer protocol.
fn with_short_sessions() -> Config {
    let settings = [
        ("group.consumer.min.session.timeout.ms", "6000"),
        ("group.consumer.session.timeout.ms", "6000"),
        ("group.consumer.min.heartbeat.interval.ms", "500"),
        ("group.consumer.heartbeat.interval.ms", "1000"),
    ];
    settings.into_iter().fold(config(), |config, (name, value)| config.property(name, value))
}

/// One group in which members of both protocols come and go, Java's and ours: whoever is there shares
/// the partitions, and each record goes to one of them.
#[tokio::test(flavor = "multi_thread")]
async fn members_of_both_protocols_share_a_group_that_changes_from_one_to_the_other() {
    let cluster = Cluster::start(with_short_sessions()).await.unwrap();
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

    let mut java = spawn_java(&cluster, topic, topic, &["group.protocol=consumer"]);
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

fn spawn_java(cluster: &Cluster, topic: &str, group: &str, properties: &[&str]) -> Running {
    let bootstrap = cluster.bootstrap();
    let mut java = cluster.tool("org.apache.kafka.tools.consumer.ConsoleConsumer").args([
        "--bootstrap-server",
        &bootstrap,
        "--topic",
        topic,
        "--group",
        group,
        "--from-beginning",
        "--property",
        "print.partition=true",
    ]);
    for property in properties {
        java = java.args(["--consumer-property", property]);
    }
    java.spawn().unwrap()
}

/// A member of librdkafka's in the group of the topic's name.
fn spawn_librdkafka(cluster: &Cluster, topic: &str, strategy: &str) -> Kcat {
    let strategy = format!("partition.assignment.strategy={strategy}");
    let arguments = [
        "-u",
        "-X",
        &strategy,
        "-X",
        "auto.offset.reset=earliest",
        "-f",
        "%p %s\n",
        "-G",
        topic,
        topic,
    ];
    Kcat::spawn(cluster, topic, &arguments)
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
