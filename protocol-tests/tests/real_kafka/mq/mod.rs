//! The messaging layer on real brokers: a round trip in each codec, groups that change, and the
//! chat service while its broker restarts.

mod by_key;

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kavka::mq::{Code, Config, FailurePolicy, HandlerOptions, Message, Mq};
use kavka::{AutoOffsetReset, Compression, IsolationLevel, NewTopic, Record};
use kavka_testcontainers::apache::{Cluster, Security, USERS};
use tokio::io::AsyncReadExt;

use crate::support::{PATIENCE, client, config, in_time, produce, sized};

fn settings(cluster: &Cluster, group: &str) -> Config {
    let mut settings = Config::new(cluster.bootstrap());
    settings.consumer.group_id = Some(group.to_owned());
    settings.consumer.auto_offset_reset = AutoOffsetReset::Earliest;
    settings
}

/// Values by partition, in the order in which handlers saw them.
type Seen = Arc<Mutex<BTreeMap<i32, Vec<u64>>>>;

fn noting(seen: &Seen) -> impl kavka::mq::Handler + use<> {
    let seen = Arc::clone(seen);
    move |message: Message| {
        let number = message.text().unwrap().split(' ').next().unwrap().parse().unwrap();
        seen.lock().unwrap().entry(message.partition.unwrap().0).or_default().push(number);
        std::future::ready(())
    }
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    in_time(what, waiting).await;
}

fn count(seen: &Seen) -> usize {
    seen.lock().unwrap().values().map(Vec::len).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_every_codec_come_back_whole_with_all_that_they_had() {
    let cluster = Cluster::start(config()).await.unwrap();
    let other = Mq::new(settings(&cluster, "other")).unwrap();
    for (number, compression) in ["none", "gzip", "snappy", "lz4", "zstd"].into_iter().enumerate() {
        let topic = format!("mq-{compression}");
        let mut settings = settings(&cluster, &topic);
        settings.producer.compression = compression.parse::<Compression>().unwrap();
        let mq = Mq::new(settings).unwrap();
        mq.admin()
            .create_topic(NewTopic::new(topic.as_str()).partitions(1).replication_factor(1))
            .await
            .unwrap();
        // The controller answers before the broker has read what it has written down.
        let exists = async {
            while !mq.admin().topic_exists(&topic).await.unwrap() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        in_time("the topic", exists).await;
        let heard: Arc<Mutex<Vec<Message>>> = Arc::default();
        let noted = Arc::clone(&heard);
        let handler = move |message: Message| {
            noted.lock().unwrap().push(message);
            std::future::ready(())
        };
        mq.consumer().unwrap().subscribe([topic.as_str()], handler).unwrap();
        let value = format!("{number} the tea is ready, the tea is ready");
        let message =
            Message::new(topic.as_str(), value).key("k").header("h", "1").header("h", "2");
        let results = mq.producer().send_batch_sync(&vec![message.clone(); 100]).await;
        assert!(results.iter().all(|result| result.result.is_ok()), "{results:?}");
        until("100 messages", || heard.lock().unwrap().len() == 100).await;
        for (offset, got) in (0_i64..).zip(heard.lock().unwrap().iter()) {
            assert_eq!(got.offset, Some(offset.into()));
            assert_eq!(
                (&got.key, &got.value, &got.headers),
                (&message.key, &message.value, &message.headers)
            );
        }
        assert!(mq.health().check().await.is_healthy());
        // Closed first: what is deleted under a member may be taken from it before its last commit.
        mq.close().await.unwrap();
        other.admin().delete_topic(&topic).await.unwrap();
    }
    cluster.shutdown().await.unwrap();
}

/// Handlers copy a topic in transactions while one member vanishes and comes again; Java's reader
/// of committed records finds each number once, and in order.
#[tokio::test(flavor = "multi_thread")]
async fn the_output_of_handlers_counts_once_although_members_vanish() {
    let cluster = Cluster::start(config()).await.unwrap();
    let (partitions, count) = (3, sized(3_000_u64, 60_000));
    let client = client(&cluster);
    for topic in ["orders", "invoices"] {
        let topic = NewTopic::new(topic).partitions(partitions).replication_factor(1);
        client.admin().create_topic(topic).await.unwrap();
    }
    let member = |id: &str| {
        let mut settings = settings(&cluster, "billing");
        settings.consumer.isolation_level = IsolationLevel::ReadCommitted;
        settings.consumer.session_timeout = Duration::from_secs(6);
        let mq = Mq::new(settings).unwrap();
        let seen = Arc::new(Mutex::new(0));
        let (noted, options) = (Arc::clone(&seen), HandlerOptions::new().transactional_id(id));
        let handler = move |order: Message| {
            *noted.lock().unwrap() += 1;
            let value = order.value.unwrap_or_default();
            std::future::ready(Message::new("invoices", value).partition(order.partition.unwrap()))
        };
        mq.consumer().unwrap().subscribe_with(["orders"], options, handler).unwrap();
        (mq, seen)
    };
    let (_first, _) = member("billing-1");
    for part in 0..4 {
        let (second, seen) = member("billing-2");
        let numbers = part * count / 4..(part + 1) * count / 4;
        let is_assigned = || !second.consumer().unwrap().assignment().is_empty();
        until("partitions for the second", is_assigned).await;
        let (producing, vanishing) = (produce(&client, "orders", partitions, numbers), async {
            until("work for the second", || *seen.lock().unwrap() > 0).await;
            // In the middle of its work, without a word to the group.
            drop(second);
        });
        tokio::join!(producing, vanishing);
    }
    // It comes again, or what it has left open would be open for a minute.
    let _second = member("billing-2");
    let reader = cluster
        .tool("org.apache.kafka.tools.consumer.ConsoleConsumer")
        .args(["--bootstrap-server", &cluster.internal_bootstrap(), "--topic", "invoices"])
        .args(["--from-beginning", "--isolation-level", "read_committed"])
        .args(["--formatter-property", "print.partition=true", "--timeout-ms", "15000"]);
    let printed = reader.run().await.unwrap();
    let mut read = BTreeMap::<&str, Vec<u64>>::new();
    for (partition, number) in printed.lines().filter_map(|line| line.split_once('\t')) {
        read.entry(partition).or_default().push(number.parse().unwrap());
    }
    assert_eq!(read.len(), usize::try_from(partitions).unwrap());
    for (number, numbers) in (0..).zip(read.values()) {
        let all = (number..count).step_by(usize::try_from(partitions).unwrap());
        let wrong = numbers.iter().copied().zip(all.clone()).position(|(is, of_all)| is != of_all);
        assert_eq!((wrong, numbers.len()), (None, all.count()), "partition {number}");
    }
    client.close(PATIENCE).await.unwrap();
    cluster.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_come_and_go_in_order_lose_and_repeat_nothing() {
    let cluster = Cluster::start(config()).await.unwrap();
    let (partitions, each) = (6, sized(500_u64, 5000));
    let producer = Mq::new(settings(&cluster, "unused")).unwrap();
    producer
        .admin()
        .create_topic(NewTopic::new("moves").partitions(partitions).replication_factor(1))
        .await
        .unwrap();
    let seen: Seen = Arc::default();
    let member = async |_| {
        let mq = Mq::new(settings(&cluster, "movers")).unwrap();
        mq.consumer()
            .unwrap()
            .subscribe_with(
                ["moves"],
                HandlerOptions::new().partitions_in_parallel(3),
                noting(&seen),
            )
            .unwrap();
        mq
    };
    let mut members = vec![member(0).await];
    for number in 0..each {
        let value = number.to_string();
        for partition in 0..partitions {
            drop(
                producer
                    .producer()
                    .send(Record::to("moves").partition(partition).value(&value))
                    .await
                    .unwrap(),
            );
        }
        if number % (each / 5) == each / 10 {
            if members.len() < 2 {
                members.push(member(1).await);
            } else {
                members.remove(0).close().await.unwrap();
            }
        }
    }
    producer.producer().flush().await.unwrap();
    let total = usize::try_from(each).unwrap() * usize::try_from(partitions).unwrap();
    until("all messages", || count(&seen) >= total).await;
    for mq in members {
        mq.close().await.unwrap();
    }
    for (partition, numbers) in seen.lock().unwrap().iter() {
        assert!(
            numbers.iter().copied().eq(0..each),
            "partition {partition}: each once and in order"
        );
    }
    producer.close().await.unwrap();
    cluster.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_kept_on_real_brokers() {
    let cluster = Cluster::start(config()).await.unwrap();
    let mq = Mq::new(settings(&cluster, "letters")).unwrap();
    for topic in ["letters", "letters.dead"] {
        mq.admin()
            .create_topic(NewTopic::new(topic).partitions(1).replication_factor(1))
            .await
            .unwrap();
    }
    let consumer = mq.consumer().unwrap();
    let policy = FailurePolicy::retry(1).then_dead_letter("letters.dead");
    let refusing = |_: Message| std::future::ready(Err::<(), _>("no"));
    consumer
        .subscribe_with(["letters"], HandlerOptions::new().on_failure(policy), refusing)
        .unwrap();
    let seen: Seen = Arc::default();
    consumer.subscribe(["letters.dead"], noting(&seen)).unwrap();
    mq.producer().send_sync("letters", "7").await.unwrap();
    until("the dead letter", || count(&seen) == 1).await;
    mq.close().await.unwrap();
    cluster.shutdown().await.unwrap();
}

/// The chat example is its own judge: it ends with an error if a room lost, doubled or reordered
/// something.
#[tokio::test(flavor = "multi_thread")]
async fn the_chat_goes_on_while_its_broker_restarts_twice() {
    let cluster = Cluster::start(config()).await.unwrap();
    let (users, seconds) = sized((40_u32, 40_u64), (200, 600));
    let mut command = tokio::process::Command::new(chat());
    command.args([
        "--bootstrap-server",
        &cluster.bootstrap(),
        "--simulate",
        &users.to_string(),
        "--seconds",
        &seconds.to_string(),
    ]);
    let mut chat = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_secs(seconds / 4)).await;
        cluster.kill(1).await.unwrap();
        cluster.restart(1).await.unwrap();
    }
    let ended =
        tokio::time::timeout(Duration::from_secs(seconds) + 2 * PATIENCE, chat.wait()).await;
    let mut said = String::new();
    if ended.is_ok() {
        chat.stdout.take().unwrap().read_to_string(&mut said).await.unwrap();
    }
    eprintln!("{said}");
    assert!(ended.expect("chat ends").unwrap().success(), "{said}");
    cluster.shutdown().await.unwrap();
}

/// The chat example, built if it is not there.
fn chat() -> std::path::PathBuf {
    let tests = std::env::current_exe().unwrap();
    let profile = tests.ancestors().nth(2).unwrap();
    let mut cargo = std::process::Command::new(env!("CARGO"));
    cargo.args(["build", "-q", "-p", "kavka-examples", "--example", "chat"]);
    if profile.file_name().unwrap() == "release" {
        cargo.arg("--release");
    }
    assert!(cargo.status().unwrap().success(), "the chat example builds");
    profile.join("examples").join("chat")
}

/// TLS and a login by the settings of `mq`; and a certificate for another host, which passes only
/// where that is said to be good.
#[tokio::test]
async fn a_service_goes_by_tls_and_a_login() {
    let [_, (alice, password), _] = USERS;
    let cluster = Cluster::start(config().secured([Security::SaslSsl, Security::SslWrongName]))
        .await
        .unwrap();
    let authority = cluster.certificates().unwrap().authority.to_str().unwrap().to_owned();
    for mechanism in ["PLAIN", "SCRAM-SHA-512"] {
        let mut settings = Config::new(cluster.bootstrap_of(Security::SaslSsl).unwrap());
        for (key, value) in [
            ("security_protocol", "SASL_SSL"),
            ("sasl.mechanism", mechanism),
            ("sasl.username", alice),
            ("sasl.password", password),
            ("ssl.ca_file", &authority),
            ("consumer.group_id", mechanism),
            ("consumer.auto_offset_reset", "earliest"),
        ] {
            settings.set(key, value).unwrap();
        }
        let mut wrong = settings.clone();
        wrong.set("sasl.password", "no").unwrap();
        let error = in_time("a refusal", Mq::new(wrong).unwrap().ping())
            .await
            .expect_err("a wrong password");
        assert_eq!(error.code(), Code::AuthenticationFailed, "{error}");

        let mq = Mq::new(settings).unwrap();
        mq.admin()
            .create_topic(NewTopic::new(mechanism).partitions(1).replication_factor(1))
            .await
            .unwrap();
        let seen: Seen = Arc::default();
        mq.consumer().unwrap().subscribe([mechanism], noting(&seen)).unwrap();
        mq.producer().send_sync(mechanism, "7").await.unwrap();
        until("the message", || count(&seen) == 1).await;
        mq.close().await.unwrap();
    }
    let mut settings = Config::new(cluster.bootstrap_of(Security::SslWrongName).unwrap());
    for (key, value) in [
        ("security_protocol", "SSL"),
        ("ssl.ca_file", &authority),
        ("connection.dial_timeout", "30s"),
    ] {
        settings.set(key, value).unwrap();
    }
    let error = in_time("a refusal", Mq::new(settings.clone()).unwrap().ping())
        .await
        .expect_err("a name that does not fit");
    eprintln!("{error}");
    settings.set("ssl.insecure_skip_verify", "true").unwrap();
    let mq = Mq::new(settings.clone()).unwrap();
    eprintln!("without a check of the name: {:?}", in_time("a ping", mq.ping()).await.unwrap());
    // The authority is checked all the same.
    settings.ssl.ca_file = None;
    in_time("a refusal", Mq::new(settings).unwrap().ping())
        .await
        .expect_err("an authority that nobody trusts");
    cluster.shutdown().await.unwrap();
}
