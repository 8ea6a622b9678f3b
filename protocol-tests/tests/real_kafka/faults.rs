//! An idempotent producer while brokers are killed, paused and stopped under it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kavka::{Producer, ProducerConfig, Record, RecordMetadata, Result, Written};
use kavka_testcontainers::apache::Cluster;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::support::{Dice, Kcat, PATIENCE, client, config, sized};

const PARTITIONS: u64 = 6;
/// Enough that every batch has company, and few enough that a reader is through in seconds.
const RECORDS_A_TICK: u64 = 20;
const TICK: Duration = Duration::from_millis(5);

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_records_are_neither_lost_nor_doubled_nor_reordered() {
    let cluster = Arc::new(Cluster::start(config().nodes(3)).await.unwrap());
    cluster.create_topic("faults", 6, 3, &[]).await.unwrap();
    let client = client(&cluster);
    let producer = client.producer(ProducerConfig::new()).unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let writing = tokio::spawn(write(producer.clone(), Arc::clone(&over)));
    torment(&cluster, sized(Duration::from_secs(30), Duration::from_secs(180))).await;
    over.store(true, Ordering::Relaxed);
    let verdicts = writing.await.unwrap();
    producer.close(PATIENCE).await.unwrap();
    client.close(PATIENCE).await.unwrap();
    check(&cluster, &verdicts).await;
    Arc::try_unwrap(cluster).unwrap().shutdown().await.unwrap();
}

/// Sends numbers in turn to each partition until told to stop; returns what became of each.
async fn write(producer: Producer, over: Arc<AtomicBool>) -> BTreeMap<u64, Result<RecordMetadata>> {
    let mut waiting = JoinSet::new();
    let mut verdicts = BTreeMap::new();
    let mut number = 0;
    while !over.load(Ordering::Relaxed) {
        for _ in 0..RECORDS_A_TICK {
            let (value, partition) =
                (number.to_string(), i32::try_from(number % PARTITIONS).unwrap());
            let sent = producer.send(Record::to("faults").partition(partition).value(&value)).await;
            let sequence = number;
            match sent {
                Ok(delivery) => drop(waiting.spawn(async move { (sequence, delivery.await) })),
                Err(error) => drop(verdicts.insert(sequence, Err(error))),
            }
            number += 1;
        }
        while let Some(verdict) = waiting.try_join_next() {
            let (number, verdict) = verdict.unwrap();
            verdicts.insert(number, verdict);
        }
        sleep(TICK).await;
    }
    while let Some(verdict) = waiting.join_next().await {
        let (number, verdict) = verdict.unwrap();
        verdicts.insert(number, verdict);
    }
    verdicts
}

/// Hurts one node after another: never two at once, so that two replicas can always be in sync.
pub(crate) async fn torment(cluster: &Cluster, time: Duration) {
    let mut dice = Dice::new();
    let started = Instant::now();
    let nodes = cluster.nodes().count() as u64;
    while started.elapsed() < time {
        let node = u16::try_from(1 + dice.below(nodes)).unwrap();
        let down = Duration::from_millis(500 + dice.below(6000));
        match dice.below(4) {
            0 => {
                eprintln!("{:?}: node {node} paused for {down:?}", started.elapsed());
                cluster.pause(node).await.unwrap();
                sleep(down).await;
                cluster.resume(node).await.unwrap();
            }
            1 => {
                eprintln!("{:?}: node {node} stopped for {down:?}", started.elapsed());
                cluster.stop(node).await.unwrap();
                sleep(down).await;
                cluster.restart(node).await.unwrap();
            }
            _ => {
                eprintln!("{:?}: node {node} killed for {down:?}", started.elapsed());
                cluster.kill(node).await.unwrap();
                sleep(down).await;
                cluster.restart(node).await.unwrap();
            }
        }
        sleep(Duration::from_millis(dice.below(4000))).await;
    }
}

/// Reads all by librdkafka and compares it with what the producer was told.
async fn check(cluster: &Cluster, verdicts: &BTreeMap<u64, Result<RecordMetadata>>) {
    let (mut acknowledged, mut unknown) = (0, 0);
    for partition in 0..PARTITIONS {
        let name = format!("partition{partition}");
        let arguments = [
            "-C",
            "-t",
            "faults",
            "-p",
            &partition.to_string(),
            "-o",
            "beginning",
            "-e",
            "-q",
            "-f",
            "%o %s\n",
        ];
        let read = Kcat::spawn(cluster, &name, &arguments).finish().await;
        let stored: Vec<(i64, u64)> = read
            .lines()
            .map(|line| {
                line.split_once(' ')
                    .map(|(offset, number)| (offset.parse().unwrap(), number.parse().unwrap()))
                    .unwrap()
            })
            .collect();
        for pair in stored.windows(2) {
            assert!(
                pair[0].1 < pair[1].1,
                "partition {partition}: {} is stored before {}",
                pair[0].1,
                pair[1].1
            );
        }
        let offsets: BTreeMap<u64, i64> =
            stored.iter().map(|&(offset, number)| (number, offset)).collect();
        for (number, verdict) in
            verdicts.iter().filter(|(number, _)| *number % PARTITIONS == partition)
        {
            match (verdict, offsets.get(number)) {
                (Ok(written), Some(&offset)) => {
                    assert_eq!(
                        written.offset.map(|offset| offset.0),
                        Some(offset),
                        "{number} is elsewhere than its acknowledgement said"
                    );
                    acknowledged += 1;
                }
                (Ok(written), None) => {
                    panic!("{number} was acknowledged at {written:?} and is lost")
                }
                (Err(error), stored) => {
                    let may_be_stored = error.written() != Some(Written::No);
                    assert!(
                        stored.is_none() || may_be_stored,
                        "{number} is stored, but was told not to be: {error}"
                    );
                    unknown += 1;
                }
            }
        }
        let unsent = offsets.keys().find(|number| !verdicts.contains_key(number));
        assert_eq!(unsent, None, "a record is stored that was never sent");
    }
    eprintln!("{acknowledged} records acknowledged, {unknown} failed");
    assert!(
        acknowledged > unknown,
        "the cluster was hurt, not ended: {acknowledged} acknowledged, {unknown} failed"
    );
}
