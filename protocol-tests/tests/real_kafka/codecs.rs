//! Every codec and every acks, written by ours and read by Java's, and the reverse.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};

use kavka::{Acks, Client, Compression, Header, ProducerConfig, Record};
use kavka_testcontainers::apache::Cluster;

use crate::support::{PATIENCE, client, config, in_time, reader, sized};

const CONSOLE_CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
const CONSOLE_PRODUCER: &str = "org.apache.kafka.tools.ConsoleProducer";

/// What record `number` holds. Long enough to compress, and of changing length.
fn key(number: u64) -> String {
    format!("key {}", number % 1000)
}

fn value(number: u64) -> String {
    let filler = usize::try_from(number % 7).unwrap_or(0);
    format!("record {number} {}", "kavka writes, Java reads; ".repeat(filler))
}

/// Each tenth record has two headers.
fn header(number: u64) -> Option<String> {
    number.is_multiple_of(10).then(|| number.to_string())
}

/// The record as Java's console tools write and read it, with headers in front.
fn line(number: u64) -> String {
    let headers = header(number)
        .map_or_else(|| "NO_HEADERS".to_owned(), |header| format!("number:{header},number:again"));
    format!("{headers}\t{}\t{}", key(number), value(number))
}

fn codecs() -> Vec<(&'static str, Compression)> {
    vec![
        ("none", Compression::NONE),
        ("gzip", Compression::GZIP),
        ("snappy", Compression::SNAPPY),
        ("lz4", Compression::LZ4),
        ("zstd", Compression::ZSTD),
    ]
}

const ACKS: [(&str, Acks); 3] = [("all", Acks::All), ("1", Acks::Leader), ("0", Acks::None)];

/// Every codec with every acks, or, in the reduced size, each codec once and each acks at least
/// once.
fn matrix() -> Vec<(&'static str, Compression, &'static str, Acks)> {
    let all = codecs().into_iter().enumerate();
    all.flat_map(|(at, (name, codec))| {
        let acks = sized(vec![ACKS[at % 3]], ACKS.to_vec());
        acks.into_iter().map(move |(acks_name, acks)| (name, codec, acks_name, acks))
    })
    .collect()
}

fn count() -> u64 {
    sized(100_000, 1_000_000)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ours_writes_is_what_ours_and_java_read() {
    let cluster = Cluster::start(config()).await.unwrap();
    let client = client(&cluster);
    for (codec, compression, acks_name, acks) in matrix() {
        let topic = format!("ours-{codec}-{acks_name}");
        eprintln!("{topic}");
        cluster.create_topic(&topic, 1, 1, &[]).await.unwrap();
        let producer = ProducerConfig::new()
            .compression(compression)
            .acks(acks)
            .enable_idempotence(acks_name == "all");
        write_all(&client, producer, &topic).await;
        in_time("reading by ours", read_by_ours(&client, &topic)).await;
        read_by_java(&cluster, &topic).await;
    }
    cluster.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_java_writes_is_what_ours_reads() {
    let cluster = Cluster::start(config()).await.unwrap();
    let client = client(&cluster);
    let input = cluster.file("lines", b"").unwrap();
    let mut lines = BufWriter::new(File::create(&input).unwrap());
    (0..count()).for_each(|number| writeln!(lines, "{}", line(number)).unwrap());
    lines.into_inner().unwrap();
    for (codec, _, acks, _) in matrix() {
        let topic = format!("java-{codec}-{acks}");
        eprintln!("{topic}");
        cluster.create_topic(&topic, 1, 1, &[]).await.unwrap();
        let bootstrap = cluster.bootstrap();
        let idempotence = format!("enable.idempotence={}", acks == "all");
        cluster
            .tool(CONSOLE_PRODUCER)
            .args([
                "--bootstrap-server",
                &bootstrap,
                "--topic",
                &topic,
                "--compression-codec",
                codec,
            ])
            .args(["--request-required-acks", acks, "--producer-property", &idempotence])
            .args([
                "--property",
                "parse.key=true",
                "--property",
                "parse.headers=true",
                "--property",
                "null.marker=NO_HEADERS",
            ])
            .input(&input)
            .within(10 * PATIENCE)
            .run()
            .await
            .unwrap();
        in_time("reading by ours", read_by_ours(&client, &topic)).await;
    }
    cluster.shutdown().await.unwrap();
}

async fn write_all(client: &Client, config: ProducerConfig, topic: &str) {
    let producer = client.producer(config).unwrap();
    for number in 0..count() {
        let (key, value, header) = (key(number), value(number), header(number));
        let headers = header
            .iter()
            .flat_map(|header| [Header::new("number", header), Header::new("number", "again")]);
        let headers: Vec<_> = headers.collect();
        let delivery = producer
            .send(Record::to(topic).key(&key).value(&value).headers(&headers))
            .await
            .unwrap();
        // `flush` fails if a record does; readers check what arrived.
        drop(delivery);
    }
    in_time("the flush", producer.flush()).await.unwrap();
    producer.close(PATIENCE).await.unwrap();
}

async fn read_by_ours(client: &Client, topic: &str) {
    let mut consumer = reader(client, topic, 0);
    let mut number = 0;
    while number < count() {
        for record in &consumer.next_batch().await.unwrap() {
            assert_eq!(record.key().unwrap(), key(number).as_bytes());
            assert_eq!(record.value().unwrap(), value(number).as_bytes());
            let headers: Vec<_> =
                record.headers().map(|header| header.value.unwrap_or_default().to_vec()).collect();
            let expected =
                header(number).map(|header| vec![header.into_bytes(), b"again".to_vec()]);
            assert_eq!(headers, expected.unwrap_or_default());
            number += 1;
        }
    }
    assert_eq!(number, count(), "more records than were written");
    consumer.close(PATIENCE).await.unwrap();
}

async fn read_by_java(cluster: &Cluster, topic: &str) {
    let (bootstrap, count) = (cluster.bootstrap(), count().to_string());
    let print = ["--property", "print.headers=true", "--property", "print.key=true"];
    let arguments = [
        "--bootstrap-server",
        &bootstrap,
        "--topic",
        topic,
        "--from-beginning",
        "--max-messages",
        &count,
    ];
    let mut running = cluster.tool(CONSOLE_CONSUMER).args(arguments).args(print).spawn().unwrap();
    let status = running.wait(10 * PATIENCE).await.unwrap();
    assert!(status.success(), "{}", running.stderr_tail());
    let mut number = 0;
    for read in BufReader::new(File::open(running.stdout_file()).unwrap()).lines() {
        let read = read.unwrap();
        if number == 0 && read.starts_with("Option ") {
            // Kafka 4.2 and later warn of old options there.
            continue;
        }
        assert_eq!(read, line(number));
        number += 1;
    }
    assert_eq!(number.to_string(), count);
}
