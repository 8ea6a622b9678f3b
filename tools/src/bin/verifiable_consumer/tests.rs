//! The program against the embedded cluster.

use kavka::{ProducerConfig, Record};
use kavka_testcontainers::embedded::EmbeddedCluster;

use super::*;

fn read(line: &str) -> Outcome<Options> {
    cli::parse_from(line.split_whitespace())
}

#[test]
fn javas_options_are_understood() {
    let options = read(
        "--topic t --group-id g --bootstrap-server h:1 --group-instance-id i \
         --group-protocol classic --session-timeout 6000 --assignment-strategy \
         org.apache.kafka.clients.consumer.CooperativeStickyAssignor --reset-policy latest \
         --max-messages 7 --close-timeout 100 --enable-autocommit --verbose \
         --consumer.config /dev/null",
    );
    let options = options.expect("good options");
    options.config().expect("good settings");
    assert!(options.enable_autocommit && options.verbose && options.max_messages == 7);
    read("--topic t --group-id g --group-protocol CONSUMER --session-timeout 6000")
        .expect("good options")
        .config()
        .expect("what the other protocol has is left out");
    read("--topic t --group-id g --broker-list h:1")
        .expect("the older name")
        .config()
        .expect("good defaults");
}

#[test]
fn what_this_client_does_not_have_is_a_wrong_argument() {
    for line in [
        "--group-protocol streams",
        "--assignment-strategy org.example.Mine",
        "--reset-policy never",
    ] {
        let refused =
            read(&format!("--topic t --group-id g {line}")).and_then(|options| options.config());
        assert!(matches!(refused, Err(Stop::Usage(_))), "{line}");
    }
    assert!(matches!(read("--topic t --group-id g --nonsense"), Err(Stop::Usage(_))));
    assert!(matches!(read("--topic t"), Err(Stop::Usage(_))));
}

#[test]
fn a_failed_commit_says_why() {
    let offsets = BTreeMap::from([(TopicPartition::new("t", 1), Offset(5))]);
    let failed = offsets_committed(&offsets, Some("no".to_owned()));
    assert_eq!(
        failed,
        json!({"offsets": [{"topic": "t", "partition": 1, "offset": 5}], "success": false, "error": "no"})
    );
    assert!(offsets_committed(&offsets, None).get("error").is_none());
}

/// The events of a consumer of 20 records, in a group of its own.
async fn events_of(options: &str) -> (Vec<Value>, BTreeMap<TopicPartition, i64>) {
    let cluster = EmbeddedCluster::builder().tcp().start().await.expect("a cluster");
    let bootstrap = cluster.bootstrap_servers();
    let client = Client::new(kavka::ClientConfig::new(&bootstrap)).expect("good settings");
    client.admin().create_topic(kavka::NewTopic::new("t").partitions(2)).await.expect("a topic");
    let producer = client.producer(ProducerConfig::new()).expect("good settings");
    for number in 0..30 {
        let record = Record::to("t").value("v").partition(number % 2);
        let _ = producer.send(record).await.expect("accepted").await.expect("acknowledged");
    }
    let options =
        read(&format!("--topic t --group-id g --max-messages 20 {options}")).expect("good options");
    let interrupt = Interrupt::listen().expect("signals");
    let (out, ended) =
        consume(options, &bootstrap, interrupt, Events::new(Vec::new())).await.expect("it wrote");
    ended.expect("no failure");
    let witness = client.consumer(ConsumerConfig::new().group_id("g")).expect("good settings");
    let partitions = [0, 1].map(|partition| TopicPartition::new("t", partition));
    let committed = witness.committed(partitions).await.expect("an answer");
    cluster.shutdown().await;
    let lines = out.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let events = lines.map(|line| serde_json::from_slice(line).expect("JSON")).collect();
    (
        events,
        committed
            .into_iter()
            .filter_map(|(partition, offset)| Some((partition, offset?.offset.0)))
            .collect(),
    )
}

fn names(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["name"].as_str().unwrap_or_default()).collect()
}

/// The end of what was told of each partition; checks that it was told without a gap.
fn positions(events: &[Value]) -> BTreeMap<TopicPartition, i64> {
    let mut positions = BTreeMap::new();
    for event in events.iter().filter(|event| event["name"] == "records_consumed") {
        for part in event["partitions"].as_array().expect("a list") {
            let number = |name: &str| part[name].as_i64().expect("a number");
            let partition =
                TopicPartition::new("t", i32::try_from(number("partition")).expect("small"));
            let position = positions.entry(partition).or_insert(0);
            assert_eq!(
                (number("minOffset"), number("maxOffset") + 1),
                (*position, *position + number("count"))
            );
            *position += number("count");
        }
    }
    positions
}

#[tokio::test]
async fn records_are_told_before_their_commit_and_before_their_partition_goes() {
    let (events, committed) = events_of("--verbose").await;
    let names = names(&events);
    assert_eq!(names[..2], ["startup_complete", "partitions_assigned"]);
    assert_eq!(
        names[names.len() - 3..],
        ["partitions_revoked", "shutdown_complete", "shutdown_requested"]
    );
    let polls: Vec<_> =
        names[2..names.len() - 3].iter().filter(|name| **name != "record_data").collect();
    assert!(
        polls.chunks(2).all(|pair| pair == [&"records_consumed", &"offsets_committed"]),
        "{names:?}"
    );
    let positions = positions(&events);
    assert_eq!(positions.values().sum::<i64>(), 20);
    assert_eq!(committed, positions);
    assert_eq!(names.iter().filter(|name| **name == "record_data").count(), 20);
}

#[tokio::test]
async fn automatic_commits_end_where_the_last_record_told_was() {
    let (events, committed) = events_of("--enable-autocommit").await;
    assert!(!names(&events).contains(&"offsets_committed"));
    let positions = positions(&events);
    assert_eq!(positions.values().sum::<i64>(), 20);
    assert_eq!(committed, positions);
}

/// Ten records are read and committed, four are cut off, and four others come.
async fn after_a_cut(policy: &str) -> (Vec<Value>, Outcome<()>) {
    let cluster = EmbeddedCluster::builder().tcp().start().await.expect("a cluster");
    let bootstrap = cluster.bootstrap_servers();
    let client = Client::new(kavka::ClientConfig::new(&bootstrap)).expect("good settings");
    client.admin().create_topic(kavka::NewTopic::new("t")).await.expect("a topic");
    let producer = client.producer(ProducerConfig::new()).expect("good settings");
    let write = async |count| {
        for _ in 0..count {
            let sent = producer.send(Record::to("t").value("v")).await.expect("accepted");
            sent.await.expect("acknowledged");
        }
    };
    write(10).await;
    let witness = client.consumer(ConsumerConfig::new().group_id("g")).expect("good settings");
    let partition = TopicPartition::new("t", 0);
    // Without a policy, one must have been there before.
    witness.handle().commit_offsets([(partition.clone(), 0)]).await.expect("committed");
    let line = format!("--topic t --group-id g --max-messages 14 --reset-policy {policy}");
    let options = read(&line).expect("good options");
    let interrupt = Interrupt::listen().expect("signals");
    let consuming = consume(options, &bootstrap, interrupt, Events::new(Vec::new()));
    let cutting = async {
        loop {
            let committed = witness.committed([partition.clone()]).await.expect("an answer");
            if committed[&partition].as_ref().is_some_and(|committed| committed.offset.0 == 10) {
                break;
            }
        }
        cluster.truncate("t", 0, 6);
        write(4).await;
    };
    let (consumed, ()) = tokio::join!(consuming, cutting);
    let (out, ended) = consumed.expect("it wrote");
    cluster.shutdown().await;
    let lines = out.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    (lines.map(|line| serde_json::from_slice(line).expect("JSON")).collect(), ended)
}

#[tokio::test]
async fn a_log_that_was_cut_is_read_on_from_there_if_there_is_a_reset_policy() {
    let (events, ended) = after_a_cut("earliest").await;
    ended.expect("no failure");
    let parts = events.iter().filter_map(|event| event["partitions"].as_array());
    let read = parts.flatten().filter_map(|part| part["minOffset"].as_i64());
    let offsets: Vec<_> = read.filter(|offset| [0, 6].contains(offset)).collect();
    assert_eq!(offsets, [0, 6], "{events:?}");

    let (_, ended) = after_a_cut("none").await;
    assert!(matches!(ended, Err(Stop::Failure(why)) if why.contains("was cut")));
}

#[tokio::test]
async fn a_static_member_ends_when_another_takes_its_place() {
    let cluster = EmbeddedCluster::builder().tcp().start().await.expect("a cluster");
    let bootstrap = cluster.bootstrap_servers();
    let client = Client::new(kavka::ClientConfig::new(&bootstrap)).expect("good settings");
    client.admin().create_topic(kavka::NewTopic::new("t")).await.expect("a topic");
    let member = |most| {
        let line = format!("--topic t --group-id g --group-instance-id i --max-messages {most}");
        let options = read(&line).expect("good options");
        let interrupt = Interrupt::listen().expect("signals");
        consume(options, &bootstrap, interrupt, Events::new(Vec::new()))
    };
    let producer = client.producer(ProducerConfig::new()).expect("good settings");
    let writing = async {
        loop {
            let sent = producer.send(Record::to("t").value("v")).await.expect("accepted");
            sent.await.expect("acknowledged");
            tokio::task::yield_now().await;
        }
    };
    let older = member(-1);
    let newer = async {
        // The older one is there once it has committed.
        let witness = client.consumer(ConsumerConfig::new().group_id("g")).expect("settings");
        let partition = TopicPartition::new("t", 0);
        while witness.committed([partition.clone()]).await.expect("an answer")[&partition].is_none()
        {
        }
        member(-1).await
    };
    let ended = tokio::select! {
        ended = older => ended.expect("it wrote").1,
        _ = newer => panic!("the newer one has ended"),
        () = writing => unreachable!("it never ends"),
    };
    assert!(matches!(ended, Err(Stop::Failure(why)) if why.contains("FENCED_INSTANCE_ID")));
    cluster.shutdown().await;
}
