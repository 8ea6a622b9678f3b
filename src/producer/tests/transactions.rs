//! Whole transactional producers against embedded brokers, under paused time.

use std::time::Duration;

use kavka_testcontainers::embedded::EmbeddedCluster;

use super::whole::{client, to};
use crate::client::Client;
use crate::producer::{ProducerConfig, TransactionalProducer};

/// Three brokers at a level of `transaction.version`.
async fn cluster(level: i16) -> EmbeddedCluster {
    EmbeddedCluster::builder()
        .brokers(3)
        .in_memory()
        .topic("t", 3, 3)
        .auto_create_topics(false)
        .transaction_version(level)
        .start()
        .await
        .unwrap()
}

fn config() -> ProducerConfig {
    ProducerConfig::new().transactional_id("x")
}

fn producer(client: &Client) -> TransactionalProducer {
    client.transactional_producer(config()).unwrap()
}

/// What readers of committed records see once the markers are written, sorted.
async fn committed(embedded: &EmbeddedCluster) -> Vec<String> {
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut values: Vec<_> = (0..3)
        .flat_map(|partition| embedded.committed_log("t", partition))
        .flat_map(|batch| {
            let records = batch.records().unwrap();
            let text = |value: Option<&[u8]>| String::from_utf8(value.unwrap().to_vec()).unwrap();
            records.into_iter().map(|record| text(record.value)).collect::<Vec<_>>()
        })
        .collect();
    values.sort();
    values
}

#[tokio::test(start_paused = true)]
async fn what_is_committed_is_seen_and_what_is_aborted_is_not() {
    for level in [0, 1, 2] {
        let embedded = cluster(level).await;
        let client = client(&embedded);
        let mut producer = producer(&client);
        for (name, commits) in [("a", true), ("b", false), ("c", true)] {
            let mut transaction = producer.begin().await.unwrap();
            for partition in 0..3 {
                let value = format!("{name}{partition}");
                let _delivery = transaction.send(to(partition).value(&value)).await.unwrap();
            }
            if commits {
                transaction.commit().await.unwrap();
            } else {
                transaction.abort().await.unwrap();
            }
        }
        assert_eq!(
            committed(&embedded).await,
            ["a0", "a1", "a2", "c0", "c1", "c2"],
            "level {level}"
        );
    }
}
