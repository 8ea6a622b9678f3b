//! The exactly-once session: what goes in comes out once, whatever happens to members, handlers and
//! futures; on embedded brokers under paused time, by both protocols.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use kavka::{
    AutoOffsetReset, Client, ClientConfig, ConsumerConfig, Error, ErrorKind, ExactlyOnce,
    ProducerConfig, Record, RecordBatch, TransactionSender,
};
use kavka_protocol_tests::InMemory;
use kavka_testcontainers::embedded::EmbeddedCluster;

const PARTITIONS: i32 = 4;
const EACH: u32 = 200;

async fn cluster(level: i16) -> EmbeddedCluster {
    let cluster = EmbeddedCluster::builder()
        .brokers(3)
        .in_memory()
        .topic("in", PARTITIONS, 3)
        .topic("out", PARTITIONS, 3)
        .transaction_version(level)
        .start()
        .await
        .expect("a cluster");
    for partition in 0..PARTITIONS {
        for value in 0..EACH {
            let value = format!("{partition}-{value}");
            cluster.append("in", partition, &[(None, Some(value.as_bytes()))]).expect("appended");
        }
    }
    cluster
}

fn client(cluster: &EmbeddedCluster, seed: u64) -> Client {
    let config = ClientConfig::new(cluster.bootstrap_servers())
        .connector(InMemory(cluster.clone()))
        .seed(seed);
    Client::new(config).expect("a client")
}

fn session(client: &Client, id: &str) -> ExactlyOnce {
    let input =
        ConsumerConfig::new().group_id("copiers").auto_offset_reset(AutoOffsetReset::Earliest);
    let output = ProducerConfig::new().transactional_id(id);
    let session = client.exactly_once(input, output).expect("a session").max_records(37);
    session.subscribe(["in"]).expect("subscribed");
    session
}

/// Copies each record to the same partition.
async fn copy(batch: RecordBatch, output: TransactionSender) -> Result<(), Error> {
    for record in &batch {
        let copied = Record::to("out").partition(record.partition()).value(record.value());
        drop(output.send(copied).await?);
    }
    Ok(())
}

async fn copy_slowly(batch: RecordBatch, output: TransactionSender) -> Result<(), Error> {
    tokio::time::sleep(Duration::from_millis(40)).await;
    copy(batch, output).await
}

/// What readers of committed records see of each partition, in order.
fn copied(cluster: &EmbeddedCluster) -> BTreeMap<i32, Vec<String>> {
    let of = |partition| {
        let batches = cluster.committed_log("out", partition);
        let values = batches.iter().flat_map(|batch| {
            let records = batch.records().expect("readable");
            let text = |value: Option<&[u8]>| {
                String::from_utf8_lossy(value.expect("a value")).into_owned()
            };
            records.into_iter().map(|record| text(record.value)).collect::<Vec<_>>()
        });
        (partition, values.collect())
    };
    (0..PARTITIONS).map(of).collect()
}

fn all() -> BTreeMap<i32, Vec<String>> {
    let of =
        |partition| (partition, (0..EACH).map(|value| format!("{partition}-{value}")).collect());
    (0..PARTITIONS).map(of).collect()
}

#[track_caller]
fn assert_copied_once(cluster: &EmbeddedCluster, case: &str) {
    for (partition, values) in copied(cluster) {
        assert_eq!(values, all()[&partition], "{case}, partition {partition}");
    }
}

#[tokio::test(start_paused = true)]
async fn members_that_come_and_go_copy_each_record_once() {
    for level in [1, 2] {
        let cluster = cluster(level).await;
        let mut running = Vec::new();
        for (number, life) in [(1, 3_000), (2, 9_000), (3, 60_000)] {
            let client = client(&cluster, number);
            let mut session = session(&client, &format!("copier-{number}"));
            running.push(tokio::spawn(async move {
                let ended =
                    tokio::time::timeout(Duration::from_millis(life), session.run(copy_slowly));
                assert!(ended.await.is_err(), "it runs until it is dropped");
                session.close(Duration::from_secs(10)).await.expect("closed");
            }));
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        for member in running {
            member.await.expect("no panic");
        }
        assert_copied_once(&cluster, &format!("level {level}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_fails_gets_the_same_records_again() {
    for level in [1, 2] {
        let cluster = cluster(level).await;
        let client = client(&cluster, 7);
        let mut session = session(&client, "copier");
        let calls = Arc::new(AtomicU32::new(0));
        for _ in 0..20 {
            let calls = &calls;
            let run = session.run(|batch, output| async move {
                copy(batch, output).await?;
                match calls.fetch_add(1, Ordering::Relaxed) % 5 {
                    3 => Err(std::io::Error::other("no").into()),
                    _ => Ok::<_, Box<dyn std::error::Error + Send + Sync>>(()),
                }
            });
            match tokio::time::timeout(Duration::from_secs(5), run).await {
                Ok(failed) => assert_eq!(failed.unwrap_err().to_string(), "no"),
                Err(_) => break,
            }
        }
        // Futures that are dropped anywhere lose nothing, too.
        for millis in 1..60 {
            let run = session.run(copy);
            let _dropped = tokio::time::timeout(Duration::from_millis(millis), run).await;
        }
        let _dropped = tokio::time::timeout(Duration::from_secs(20), session.run(copy)).await;
        session.close(Duration::from_secs(10)).await.expect("closed");
        assert_copied_once(&cluster, &format!("level {level}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_session_of_the_same_id_fences_the_first() {
    for level in [1, 2] {
        let cluster = cluster(level).await;
        let (old, new) = (client(&cluster, 1), client(&cluster, 2));
        let (mut old, mut new) = (session(&old, "copier"), session(&new, "copier"));
        let first = tokio::spawn(async move { old.run(copy_slowly).await });
        tokio::time::sleep(Duration::from_millis(300)).await;
        let second = tokio::spawn(async move {
            let _dropped = tokio::time::timeout(Duration::from_secs(120), new.run(copy)).await;
            new.close(Duration::from_secs(10)).await
        });
        let fenced = tokio::time::timeout(Duration::from_secs(90), first).await;
        let fenced = fenced.expect("in time").expect("no panic").expect_err("fenced");
        assert_eq!(fenced.kind(), ErrorKind::ProducerFenced, "{fenced}");
        second.await.expect("no panic").expect("closed");
        assert_copied_once(&cluster, &format!("level {level}"));
    }
}
