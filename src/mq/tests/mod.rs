//! Whole instances against embedded brokers in memory, under paused time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kavka_testcontainers::embedded::EmbeddedCluster;

use super::{Config, Consumer, Message, Mq};
use crate::ids::{PartitionId, TopicPartition};
use crate::net::InMemory;

mod by_key;
mod consuming;
mod failing;
mod instance;
mod listening;
mod observing;
mod promises;
mod retrying;
mod seams;
mod sending;
mod sharing;
mod transacting;

const SECOND: Duration = Duration::from_secs(1);

/// Brokers with the topics `t` and `u`, of three partitions each.
pub(super) async fn brokers(count: i32) -> EmbeddedCluster {
    let replication = i16::try_from(count).unwrap();
    let builder = EmbeddedCluster::builder().brokers(count).in_memory().auto_create_topics(false);
    builder
        .topic("t", 3, replication)
        .topic("u", 3, replication)
        .topic("dead", 1, replication)
        .start()
        .await
        .unwrap()
}

pub(super) fn config(embedded: &EmbeddedCluster) -> Config {
    let mut config =
        Config::new(embedded.bootstrap_servers()).connector(InMemory(embedded.clone()));
    // So that the embedded log can be read.
    config.producer.compression = crate::wire::compress::Compression::NONE;
    config.consumer.group_id = Some("g".to_owned());
    config.consumer.auto_offset_reset = crate::consumer::AutoOffsetReset::Earliest;
    config
}

fn mq(embedded: &EmbeddedCluster) -> Mq {
    Mq::new(config(embedded)).unwrap()
}

fn tp(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

/// Appends records with the values `from` up to `to`, one batch each.
fn append(embedded: &EmbeddedCluster, topic: &str, partition: i32, values: std::ops::Range<u32>) {
    for value in values {
        embedded.append(topic, partition, &[(None, Some(value.to_string().as_bytes()))]).unwrap();
    }
}

/// Appends records with the values `from` up to `to`, in one batch.
fn append_batch(
    embedded: &EmbeddedCluster,
    topic: &str,
    partition: i32,
    values: std::ops::Range<u32>,
) {
    let values: Vec<_> = values.map(|value| value.to_string()).collect();
    let records: Vec<_> = values.iter().map(|value| (None, Some(value.as_bytes()))).collect();
    embedded.append(topic, partition, &records).unwrap();
}

/// The values of a partition, in order.
fn log(embedded: &EmbeddedCluster, topic: &str, partition: i32) -> Vec<String> {
    let text =
        |value: Option<&[u8]>| String::from_utf8(value.unwrap_or_default().to_vec()).unwrap();
    let batches = embedded.log(topic, partition);
    batches
        .iter()
        .flat_map(|batch| {
            batch
                .records()
                .unwrap()
                .into_iter()
                .map(|record| text(record.value))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// What handlers have seen: partition and number of each message.
#[derive(Clone, Default)]
pub(super) struct Seen(Arc<Mutex<Vec<(PartitionId, u32)>>>);

impl Seen {
    pub(super) fn add(&self, message: &Message) {
        let number = message.text().unwrap().parse().unwrap();
        self.0.lock().unwrap().push((message.partition.unwrap(), number));
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn of(&self, partition: i32) -> Vec<u32> {
        let seen = self.0.lock().unwrap();
        seen.iter().filter(|(of, _)| of.0 == partition).map(|(_, number)| *number).collect()
    }

    /// Waits until so many have been seen, within a minute of paused time.
    pub(super) async fn wait_for(&self, count: usize) {
        until(|| self.len() >= count).await;
    }
}

/// Waits, within two minutes of paused time, until something holds.
async fn until(holds: impl Fn() -> bool) {
    for _ in 0..120_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it never came to hold");
}

fn numbers(range: std::ops::Range<u32>) -> Vec<u32> {
    range.collect()
}

/// A handler that notes what it sees.
fn noting(seen: &Seen) -> impl crate::mq::Handler {
    let seen = seen.clone();
    move |message: Message| {
        seen.add(&message);
        std::future::ready(())
    }
}

async fn committed(consumer: &Consumer, partition: i32) -> Option<i64> {
    consumer.committed_offset(&tp(partition)).await.unwrap().map(|offset| offset.0)
}
