//! Captures what the Java client and librdkafka (kcat) say to real brokers, as the golden bytes of
//! `vectors/`.
//!
//! ```sh
//! cargo run -p kavka-protocol-tests --features real-kafka --example capture -- 2.8.2 3.9.2 4.3.1
//! ```
//! Needs Java, Maven and kcat. Runs clients through a proxy with a tap, cuts the bytes into frames,
//! pairs requests with responses, and keeps a few of each API, version and client. The Java client
//! is of the broker's version, so old versions of messages are there too.
#![allow(clippy::unwrap_used, reason = "a tool for developers ends at its first surprise")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kafka_protocol::messages::ApiKey;
use kavka_testcontainers::apache::{Cluster, Config, Version};
use kavka_testcontainers::proxy::Direction;
use tokio::process::Command;

/// How many exchanges are kept of one API in one version by one client: the first ones, and later
/// ones of other sizes.
const KEPT: usize = 4;
/// Frames beyond it are left out: they would teach nothing more.
const LONGEST: usize = 6 * 1024;

#[tokio::main]
async fn main() {
    for version in std::env::args().skip(1) {
        let version: Version = version.parse().unwrap();
        let cluster =
            Cluster::start(Config::new().version(version).behind_proxies()).await.unwrap();
        let tape = Arc::new(Mutex::new(Tape::default()));
        let tap = Arc::clone(&tape);
        let proxy = cluster.proxy(1).unwrap();
        proxy.tap(move |connection, direction, bytes| {
            tap.lock().unwrap().hear(connection, direction, bytes)
        });
        drive(&cluster, &tape).await;
        cluster.shutdown().await.unwrap();
        let lines = tape.lock().unwrap().lines(version);
        let file =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("vectors/kafka-{version}.jsonl"));
        std::fs::write(&file, &lines).unwrap();
        println!("{version}: {} frames, {} bytes", lines.lines().count(), lines.len());
    }
}

/// Lets both clients do what a client does.
async fn drive(cluster: &Cluster, tape: &Mutex<Tape>) {
    tape.lock().unwrap().client = "java";
    java(cluster).await;
    tape.lock().unwrap().client = "librdkafka";
    librdkafka(cluster).await;
}

async fn java(cluster: &Cluster) {
    let b = cluster.bootstrap();
    let b = b.as_str();
    let topics = "org.apache.kafka.tools.TopicCommand";
    let producer = "org.apache.kafka.tools.ConsoleProducer";
    let consumer = "org.apache.kafka.tools.consumer.ConsoleConsumer";
    tool(
        cluster,
        topics,
        &["--bootstrap-server", b, "--create", "--topic", "java", "--partitions", "3"],
    )
    .await;
    tool(
        cluster,
        topics,
        &[
            "--bootstrap-server",
            b,
            "--create",
            "--topic",
            "doomed",
            "--config",
            "retention.ms=1000",
        ],
    )
    .await;
    tool(cluster, topics, &["--bootstrap-server", b, "--describe"]).await;
    tool(
        cluster,
        topics,
        &["--bootstrap-server", b, "--alter", "--topic", "java", "--partitions", "4"],
    )
    .await;
    let input = cluster.file("input", b"one:1\ntwo:2\nthree:3\nfour:4\nfive:5\n").unwrap();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let keys = [
            "--bootstrap-server",
            b,
            "--topic",
            "java",
            "--property",
            "parse.key=true",
            "--property",
            "key.separator=:",
        ];
        let run =
            cluster.tool(producer).args(keys).args(["--compression-codec", codec]).input(&input);
        report(producer, run.run().await);
    }
    for idempotence in ["true", "false"] {
        let setting = format!("enable.idempotence={idempotence}");
        let to = [
            "--bootstrap-server",
            b,
            "--topic",
            "java",
            "--request-required-acks",
            "all",
            "--producer-property",
            &setting,
        ];
        report(producer, cluster.tool(producer).args(to).input(&input).run().await);
    }
    // No response comes back for acks 0.
    let careless = ["--bootstrap-server", b, "--topic", "java", "--request-required-acks", "0"];
    let careless = cluster
        .tool(producer)
        .args(careless)
        .args(["--producer-property", "enable.idempotence=false"]);
    report(producer, careless.input(&input).run().await);
    let performance = "org.apache.kafka.tools.ProducerPerformance";
    let props = format!("bootstrap.servers={b}");
    let record = [
        "--topic",
        "java",
        "--num-records",
        "6",
        "--record-size",
        "20",
        "--throughput",
        "6",
        "--producer-props",
        &props,
    ];
    tool(
        cluster,
        performance,
        &[&record[..], &["--transactional-id", "tx", "--transaction-duration-ms", "300"]].concat(),
    )
    .await;
    copier(cluster).await;
    // Two members of one group under each assignor and protocol, for a rebalance that both hear of.
    let assignors = ["Range", "CooperativeSticky", "Sticky", "RoundRobin"].map(|assignor| {
        let class = format!("org.apache.kafka.clients.consumer.{assignor}Assignor");
        (assignor, format!("partition.assignment.strategy={class}"))
    });
    let mut ways = assignors.to_vec();
    if cluster.version() >= Version::new(4, 0, 0) {
        ways.push(("consumer", "group.protocol=consumer".to_owned()));
    }
    for (name, strategy) in ways {
        let group = format!("group-{name}");
        let member = |topic| {
            let arguments = [
                "--bootstrap-server",
                b,
                "--topic",
                topic,
                "--from-beginning",
                "--group",
                &group,
                "--consumer-property",
                &strategy,
            ];
            cluster.tool(consumer).args(arguments).spawn().unwrap()
        };
        let mut members = [member("java")];
        wait_for_output(&members).await;
        let mut second = [member("java")];
        // Long enough for the second to have joined, a heartbeat and an automatic commit, all with
        // default settings.
        tokio::time::sleep(Duration::from_secs(12)).await;
        for member in members.iter_mut().chain(&mut second) {
            member.terminate().unwrap();
            member.wait(Duration::from_secs(30)).await.unwrap();
        }
        let groups = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
        tool(cluster, groups, &["--bootstrap-server", b, "--describe", "--group", &group]).await;
    }
    let isolation =
        ["--isolation-level", "read_committed", "--from-beginning", "--timeout-ms", "5000"];
    tool(
        cluster,
        consumer,
        &[&["--bootstrap-server", b, "--topic", "java", "--partition", "0"], &isolation[..]]
            .concat(),
    )
    .await;
    tool(
        cluster,
        consumer,
        &["--bootstrap-server", b, "--topic", "missing", "--timeout-ms", "2000"],
    )
    .await;
    let server = if cluster.version() < Version::new(3, 0, 0) {
        "--broker-list"
    } else {
        "--bootstrap-server"
    };
    let offsets = if cluster.version() < Version::new(3, 5, 0) {
        "kafka.tools.GetOffsetShell"
    } else {
        "org.apache.kafka.tools.GetOffsetShell"
    };
    for time in ["-1", "-2", "1"] {
        tool(cluster, offsets, &[server, b, "--topic", "java", "--time", time]).await;
    }
    tool(cluster, topics, &["--bootstrap-server", b, "--delete", "--topic", "doomed"]).await;
}

/// Java's copier, whose transactions have offsets: of no member of a group, and of one.
async fn copier(cluster: &Cluster) {
    let b = cluster.bootstrap();
    cluster.create_topic("copied", 4, 1, &[]).await.unwrap();
    for (group, mode) in [("assigned", &[][..]), ("members", &["--group-mode"][..])] {
        let copy = [
            ["--transactional-id", group],
            ["--consumer-group", group],
            ["--input-topic", "java"],
            ["--input-partition", "0"],
            ["--output-topic", "copied"],
            ["--broker-list", &b],
            ["--transaction-size", "3"],
            ["--max-messages", "6"],
        ];
        let copy = copy.concat();
        let class = "org.apache.kafka.tools.TransactionalMessageCopier";
        let copier =
            cluster.tool(class).args([&copy[..], mode, &["--use-group-metadata"]].concat());
        // As a member it takes markers for records that it has yet to read, and does not end.
        report(class, copier.within(Duration::from_secs(20)).run().await);
    }
}

async fn librdkafka(cluster: &Cluster) {
    let b = cluster.bootstrap();
    let b = b.as_str();
    cluster.create_topic("rdkafka", 2, 1, &[]).await.unwrap();
    let input = cluster.file("lines", b"one:1\ntwo:2\nthree:3\nfour:4\n").unwrap();
    let input = input.to_str().unwrap();
    kcat(&["-L", "-b", b]).await;
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        kcat(&[
            "-P", "-b", b, "-t", "rdkafka", "-K", ":", "-z", codec, "-H", "h=1", "-H", "h=2", "-l",
            input,
        ])
        .await;
    }
    kcat(&["-P", "-b", b, "-t", "rdkafka", "-X", "enable.idempotence=true", "-l", input]).await;
    kcat(&["-P", "-b", b, "-t", "rdkafka", "-X", "transactional.id=kcat", "-l", input]).await;
    for level in ["read_committed", "read_uncommitted"] {
        kcat(&["-C", "-b", b, "-t", "rdkafka", "-e", "-X", &format!("isolation.level={level}")])
            .await;
    }
    for assignor in ["range", "roundrobin", "cooperative-sticky"] {
        let strategy = format!("partition.assignment.strategy={assignor}");
        let group = format!("kcat-{assignor}");
        let earliest =
            ["-X", "auto.offset.reset=earliest", "-X", "heartbeat.interval.ms=500", "-e"];
        kcat(&[&["-b", b, "-X", &strategy], &earliest[..], &["-G", &group, "rdkafka"]].concat())
            .await;
    }
    kcat(&["-Q", "-b", b, "-t", "rdkafka:0:1"]).await;
}

/// Waits until a consumer has printed a record, and so is in its group.
async fn wait_for_output(running: &[kavka_testcontainers::apache::Running]) {
    for member in running {
        while member.stdout().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn tool(cluster: &Cluster, class: &str, arguments: &[&str]) {
    report(class, cluster.tool(class).args(arguments.iter().copied()).run().await);
}

/// A tool that fails has spoken too, so the capture goes on.
fn report(class: &str, result: Result<String, kavka_testcontainers::apache::Error>) {
    if let Err(error) = result {
        eprintln!("{class}: {error}");
    }
}

async fn kcat(arguments: &[&str]) {
    let mut command = Command::new("kcat");
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    match tokio::time::timeout(Duration::from_secs(30), command.status()).await {
        Ok(status) if status.as_ref().is_ok_and(std::process::ExitStatus::success) => {}
        other => eprintln!("kcat {arguments:?}: {other:?}"),
    }
}

/// What was heard on all connections.
#[derive(Default)]
struct Tape {
    client: &'static str,
    partial: BTreeMap<(u64, bool), Vec<u8>>,
    /// Requests that have no response yet, by connection and correlation id.
    waiting: BTreeMap<(u64, i32), Exchange>,
    kept: BTreeMap<(i16, i16, &'static str), Vec<Exchange>>,
}

#[derive(Clone)]
struct Exchange {
    api: i16,
    version: i16,
    client: &'static str,
    request: Vec<u8>,
    response: Option<Vec<u8>>,
}

impl Tape {
    fn hear(&mut self, connection: u64, direction: Direction, bytes: &[u8]) {
        let is_request = direction == Direction::Request;
        let mut buffer = self.partial.remove(&(connection, is_request)).unwrap_or_default();
        buffer.extend_from_slice(bytes);
        let mut rest = buffer.as_slice();
        while let Some((length, after)) = rest.split_first_chunk() {
            let length = usize::try_from(i32::from_be_bytes(*length)).unwrap();
            let Some((frame, after)) = after.split_at_checked(length) else { break };
            if is_request {
                self.request(connection, frame)
            } else {
                self.response(connection, frame)
            }
            rest = after;
        }
        let rest = rest.to_vec();
        self.partial.insert((connection, is_request), rest);
    }

    fn request(&mut self, connection: u64, frame: &[u8]) {
        let short = |at: usize| i16::from_be_bytes(frame[at..at + 2].try_into().unwrap());
        let correlation = i32::from_be_bytes(frame[4..8].try_into().unwrap());
        let exchange = Exchange {
            api: short(0),
            version: short(2),
            client: self.client,
            request: frame.to_vec(),
            response: None,
        };
        self.waiting.insert((connection, correlation), exchange);
    }

    fn response(&mut self, connection: u64, frame: &[u8]) {
        let correlation = i32::from_be_bytes(frame[..4].try_into().unwrap());
        if let Some(mut exchange) = self.waiting.remove(&(connection, correlation)) {
            exchange.response = Some(frame.to_vec());
            self.keep(exchange);
        }
    }

    /// Keeps an exchange if none of the same sizes is kept, and room is left.
    fn keep(&mut self, exchange: Exchange) {
        let sizes = |exchange: &Exchange| {
            (exchange.request.len(), exchange.response.as_ref().map_or(0, Vec::len))
        };
        let (request, response) = sizes(&exchange);
        let kept = self.kept.entry((exchange.api, exchange.version, exchange.client)).or_default();
        if request.max(response) > LONGEST
            || kept.iter().any(|other| sizes(other) == (request, response))
        {
            return;
        }
        kept.push(exchange);
        // Records are where most differs, so more of those are kept.
        let most = if matches!(kept[0].api, 0 | 1) { 3 * KEPT } else { KEPT };
        if kept.len() > most {
            // The first one stays, and of the others those whose answers say most.
            let least = (1..kept.len()).min_by_key(|&at| sizes(&kept[at]).1).unwrap();
            kept.remove(least);
        }
    }

    fn lines(&mut self, broker: Version) -> String {
        // A request without an answer, such as a produce with acks 0, is worth keeping too.
        for exchange in
            std::mem::take(&mut self.waiting).into_values().filter(|exchange| exchange.api == 0)
        {
            self.keep(exchange);
        }
        let mut lines = String::new();
        let mut unknown = BTreeSet::new();
        for (pair, exchange) in self.kept.values().flatten().enumerate() {
            let Ok(api) = ApiKey::try_from(exchange.api) else {
                unknown.insert(exchange.api);
                continue;
            };
            let headers = [
                api.request_header_version(exchange.version),
                api.response_header_version(exchange.version),
            ];
            let frames =
                [("request", Some(&exchange.request)), ("response", exchange.response.as_ref())];
            for ((direction, frame), header) in frames.into_iter().zip(headers) {
                let Some(frame) = frame else { continue };
                let hex: String = frame.iter().fold(String::new(), |mut hex, byte| {
                    write!(hex, "{byte:02x}").unwrap();
                    hex
                });
                let Exchange { client, version, api: key, .. } = exchange;
                writeln!(
                    lines,
                    r#"{{"broker":"{broker}","client":"{client}","pair":{pair},"direction":"{direction}","api":{key},"name":"{api:?}","version":{version},"header":{header},"frame":"{hex}"}}"#
                )
                .unwrap();
            }
        }
        if !unknown.is_empty() {
            eprintln!("left out, since kafka-protocol does not know them: {unknown:?}");
        }
        lines
    }
}
