//! A client on a current-thread runtime keeps to the memory that the README states, idle and under
//! load.
//!
//! The allocator of this process counts, on all its threads; the cluster runs in a child process,
//! whose memory is its own.
#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

#[path = "../seeds/dice.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod dice;
mod drawn;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use kavka::{
    AutoOffsetReset, Client, ClientConfig, Compression, ConsumerConfig, ProducerConfig, Record,
    TopicPartition,
};
use kavka_testcontainers::embedded::{ApiKey, EmbeddedCluster, Fault, Reaction};
use peak_alloc::PeakAlloc;
use tokio::time::timeout;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// What is left beside `buffer.memory`, `fetch.buffer.bytes` and one fetch on its way: the constant
/// of the README. Every thread that decodes keeps what its codec works with, and how many there are
/// depends on how busy the machine is.
const REST: usize = 4 << 20;

const BUFFER_MEMORY: usize = 4 << 20;
const FETCH_BUFFER: usize = 3 << 20;
const FETCH: i32 = 1 << 20;

const PARTITIONS: i32 = 4;
const VALUE: usize = 1000;
const RECORDS: usize = 12_000;
const PATIENCE: Duration = Duration::from_secs(60);
const MARK: &str = "the cluster is at ";
const IS_CHILD: &str = "KAVKA_TEST_MEMORY_BOUND_CHILD";

#[test]
fn a_client_keeps_to_its_memory() {
    if std::env::var_os(IS_CHILD).is_some() {
        return serve();
    }
    let (mut child, bootstrap) = cluster();
    for compression in [Compression::NONE, Compression::LZ4, Compression::ZSTD] {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let [idle, loaded, drained] =
            runtime.block_on(work(&bootstrap, compression)).map(|peak| peak - before);
        drop(runtime);
        let left = MEMORY.current_usage().saturating_sub(before);
        println!(
            "{compression:?}: idle {idle}, producing {loaded}, consuming {drained}, left {left}"
        );
        assert!(idle <= REST, "{compression:?}: {idle} bytes while idle");
        assert!(loaded <= BUFFER_MEMORY + REST, "{compression:?}: {loaded} bytes while producing");
        let fetch = usize::try_from(FETCH).unwrap();
        assert!(
            drained <= FETCH_BUFFER + fetch + REST,
            "{compression:?}: {drained} bytes while consuming"
        );
        if compression == Compression::NONE {
            assert!(
                loaded > BUFFER_MEMORY * 3 / 4 && drained > FETCH_BUFFER * 3 / 4,
                "there was no load: {loaded}, {drained}"
            );
        }
    }
    drawn::keep_to_their_memory(&bootstrap);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (topic, most) in [("refused", 160 << 20), ("many", (64 << 20) + (128 << 20))] {
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        runtime.block_on(read_bombs(&bootstrap, topic));
        let peak = MEMORY.peak_usage() - before;
        println!("{topic}: {peak}");
        assert!(peak < most, "{topic}: {peak} bytes");
        assert!(peak > 50 << 20, "{topic}: nothing was decompressed: {peak}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Batches of a few kilobytes that decompress to more than the client allows, or to less, but are
/// many: with the default settings.
async fn read_bombs(bootstrap: &str, topic: &str) {
    let client = Client::new(ClientConfig::new(bootstrap)).unwrap();
    let config =
        ConsumerConfig::new().auto_offset_reset(AutoOffsetReset::Earliest).check_crcs(false);
    let mut consumer = client.consumer(config).unwrap();
    consumer.assign([TopicPartition::new(topic, 0)]).unwrap();
    match timeout(PATIENCE, consumer.recv()).await.unwrap() {
        Ok(record) => assert_eq!((topic, record.value().unwrap().len()), ("many", MANY_MIB << 20)),
        Err(error) => assert_eq!((topic, error.kind()), ("refused", kavka::ErrorKind::Corrupt)),
    }
    // The application takes its time, in which batches are decoded ahead.
    let _ = timeout(Duration::from_secs(1), std::future::pending::<()>()).await;
    consumer.close(PATIENCE).await.unwrap();
    client.close(PATIENCE).await.unwrap();
}

/// What each of many batches decompresses to.
const MANY_MIB: usize = 60;

/// A batch of one record whose value is that many MiB of zeros: a zstd frame of runs.
fn bomb(mib: usize) -> Vec<u8> {
    let varint = |value: i64| {
        let mut rest = (value << 1 ^ value >> 63).cast_unsigned();
        let mut bytes = Vec::new();
        while rest >= 0x80 {
            bytes.push((rest & 0x7f | 0x80).to_le_bytes()[0]);
            rest >>= 7;
        }
        bytes.push(rest.to_le_bytes()[0]);
        bytes
    };
    let length = |bytes: usize| varint(i64::try_from(bytes).unwrap());
    let fields = [vec![0], varint(0), varint(0), varint(-1), length(mib << 20)].concat();
    let head = [length(fields.len() + (mib << 20) + 1), fields].concat();
    let block = |kind: u32, size: usize, last: u32| {
        (last | kind << 1 | u32::try_from(size).unwrap() << 3).to_le_bytes()[..3].to_vec()
    };
    let run = [block(1, 128 << 10, 0), vec![0]].concat();
    // A magic number, no content size, a window of 128 KiB; then the record's fields, its value,
    // and the count of its headers.
    let mut zstd =
        [0xFD2F_B528_u32.to_le_bytes().to_vec(), vec![0, 7 << 3], block(0, head.len(), 0), head]
            .concat();
    (0..mib * 8).for_each(|_| zstd.extend(&run));
    zstd.extend([block(0, 1, 1), vec![0]].concat());
    let mut rest = vec![0, 4, 0, 0, 0, 0];
    rest.extend([1_700_000_000_000_i64.to_be_bytes(); 2].concat());
    rest.extend([0xff; 14]);
    rest.extend(1_i32.to_be_bytes());
    rest.extend(zstd);
    let length = i32::try_from(rest.len() + 9).unwrap();
    [&[0; 8][..], &length.to_be_bytes(), &[0xff; 4], &[2], &[0; 4], &rest].concat()
}

/// The peaks while idle, while more is sent than the broker takes, and while more is fetched than
/// is asked for.
async fn work(bootstrap: &str, compression: Compression) -> [usize; 3] {
    let client = Client::new(ClientConfig::new(bootstrap)).unwrap();
    let topic = format!("{compression:?}").replace(|c: char| !c.is_alphanumeric(), "-");
    let config = ProducerConfig::new()
        .buffer_memory(BUFFER_MEMORY)
        .compression(compression)
        .max_block(PATIENCE);
    let producer = client.producer(config).unwrap();
    let first = timeout(PATIENCE, producer.send(Record::to(&topic).partition(0).value("first")))
        .await
        .unwrap()
        .unwrap();
    first.await.unwrap();
    let reading = || {
        ConsumerConfig::new()
            .fetch_buffer_bytes(FETCH_BUFFER)
            .fetch_max_bytes(FETCH)
            .max_partition_fetch_bytes(FETCH)
            .auto_offset_reset(AutoOffsetReset::Earliest)
    };
    let mut member = client.consumer(reading().group_id(topic.clone())).unwrap();
    member.subscribe([&topic]).unwrap();
    timeout(PATIENCE, member.recv()).await.unwrap().unwrap();
    // Fetches without records, heartbeats and metadata come and go.
    let _ = timeout(Duration::from_secs(1), member.recv()).await;
    let idle = MEMORY.peak_usage();
    member.close(PATIENCE).await.unwrap();

    MEMORY.reset_peak_usage();
    // The same each time, and no codec gains much by it.
    let mut noise = 1_u64;
    let mut value = [0; VALUE];
    for _ in 0..RECORDS {
        for byte in &mut value {
            noise = noise
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            *byte = noise.to_be_bytes()[0] & 0x3f;
        }
        drop(
            timeout(PATIENCE, producer.send(Record::to(&topic).value(&value)))
                .await
                .unwrap()
                .unwrap(),
        );
    }
    producer.close(PATIENCE).await.unwrap();
    let producing = MEMORY.peak_usage();

    MEMORY.reset_peak_usage();
    let mut consumer = client.consumer(reading()).unwrap();
    consumer
        .assign((0..PARTITIONS).map(|partition| TopicPartition::new(topic.clone(), partition)))
        .unwrap();
    let mut bytes = 0;
    for number in 0..=RECORDS {
        let record = timeout(PATIENCE, consumer.recv()).await.unwrap().unwrap();
        bytes += record.value().unwrap().len();
        if number.is_multiple_of(1000) {
            // Fetches fill the buffer while nobody asks for records.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        }
    }
    assert!(bytes >= RECORDS * VALUE, "{bytes}");
    consumer.close(PATIENCE).await.unwrap();
    let consuming = MEMORY.peak_usage();
    client.close(PATIENCE).await.unwrap();
    [idle, producing, consuming]
}

/// This program again, as the cluster.
fn cluster() -> (Child, String) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_client_keeps_to_its_memory", "--nocapture"])
        .env(IS_CHILD, "")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let bootstrap = lines
        .map(Result::unwrap)
        .find_map(|line| line.split_once(MARK).map(|(_, address)| address.to_owned()));
    (child, bootstrap.unwrap())
}

/// A cluster that takes its time with records, until its parent is gone.
fn serve() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let builder = EmbeddedCluster::builder().tcp().default_partitions(PARTITIONS);
    let embedded = runtime.block_on(builder.start()).unwrap();
    embedded.fault(Fault::on(ApiKey::Produce).then(Reaction::Delay(Duration::from_millis(5))));
    for (topic, mib, count) in [("refused", 250, 1), ("many", MANY_MIB, 24)] {
        embedded.create_topic(topic, 1, 1).unwrap();
        (0..count).for_each(|_| embedded.append_raw(topic, 0, &bomb(mib)));
    }
    println!("{MARK}{}", embedded.bootstrap_servers());
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    runtime.block_on(embedded.shutdown());
}
