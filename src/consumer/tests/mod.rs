//! The fetch side as a whole, against embedded brokers in memory under paused time.

use std::time::Duration;

use kavka_testcontainers::embedded::EmbeddedCluster;

use super::*;
use crate::client::Client;
use crate::config::ClientConfig;
use crate::ids::{Offset, TopicPartition};
use crate::net::InMemory;

mod assignors;
mod catching_up;
mod ends;
mod faults;
mod groups;
mod many;
mod marking;
mod membership;
#[cfg(feature = "gzip")]
mod model;
mod old_formats;
mod places;
mod receiving;
mod reconciling;
mod refusals;
mod scenarios;
mod seams;

fn tp(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

/// Brokers with topic `t` of three partitions.
async fn brokers(count: i32) -> EmbeddedCluster {
    let replication = i16::try_from(count).unwrap();
    EmbeddedCluster::builder()
        .brokers(count)
        .in_memory()
        .topic("t", 3, replication)
        .start()
        .await
        .unwrap()
}

/// Brokers of which 2 is in rack `b`, and named by the leader of `t`-0, which is 1, as nearer.
async fn with_a_nearer_replica() -> EmbeddedCluster {
    let embedded = EmbeddedCluster::builder()
        .brokers(3)
        .in_memory()
        .rack(2, "b")
        .topic("t", 1, 3)
        .start()
        .await
        .unwrap();
    embedded.move_leader("t", 0, Some(1));
    embedded.set_preferred_replica("t", 0, Some(2));
    embedded
}

fn client(embedded: &EmbeddedCluster) -> Client {
    Client::new(
        ClientConfig::new(embedded.bootstrap_servers())
            .connector(InMemory(embedded.clone()))
            .seed(1),
    )
    .unwrap()
}

fn from_earliest() -> ConsumerConfig {
    ConsumerConfig::new().auto_offset_reset(AutoOffsetReset::Earliest)
}

/// Appends records with the values `from` up to `to`, one batch each.
fn append(embedded: &EmbeddedCluster, partition: i32, values: std::ops::Range<u32>) {
    for value in values {
        embedded.append("t", partition, &[(None, Some(value.to_string().as_bytes()))]).unwrap();
    }
}

/// Appends records as one batch.
fn append_batch(embedded: &EmbeddedCluster, partition: i32, values: std::ops::Range<u32>) {
    let values: Vec<_> = values.map(|value| value.to_string()).collect();
    let records: Vec<_> = values.iter().map(|value| (None, Some(value.as_bytes()))).collect();
    embedded.append("t", partition, &records).unwrap();
}

/// What the next record holds, within a minute of paused time.
async fn next(consumer: &mut Consumer) -> Result<(i32, i64, u32)> {
    let record = tokio::time::timeout(Duration::from_secs(60), consumer.recv())
        .await
        .expect("a record or an error")?;
    let value = std::str::from_utf8(record.value().unwrap()).unwrap().parse().unwrap();
    Ok((record.partition().0, record.offset().0, value))
}

async fn values(consumer: &mut Consumer, count: usize) -> Vec<u32> {
    let mut values = Vec::new();
    for _ in 0..count {
        values.push(next(consumer).await.unwrap().2);
    }
    values
}

/// Nothing comes within ten seconds of paused time.
async fn nothing_comes(consumer: &mut Consumer) -> bool {
    tokio::time::timeout(Duration::from_secs(10), consumer.recv()).await.is_err()
}
