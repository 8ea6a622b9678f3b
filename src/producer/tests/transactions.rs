//! Whole transactional producers against embedded brokers, under paused time.

use std::collections::HashMap;
use std::time::Duration;

use kavka_testcontainers::embedded::{ApiKey, EmbeddedCluster};

use super::whole::{client, to};
use crate::client::Client;
use crate::error::{Class, ErrorKind};
use crate::group_metadata::ConsumerGroupMetadata;
use crate::ids::TopicPartition;
use crate::producer::{ProducerConfig, TransactionalProducer};
use crate::record::Record;
use crate::runtime;

/// Three brokers at a level of `transaction.version`.
pub(super) async fn cluster(level: i16) -> EmbeddedCluster {
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

pub(super) fn config() -> ProducerConfig {
    ProducerConfig::new().transactional_id("x")
}

pub(super) fn producer(client: &Client) -> TransactionalProducer {
    client.transactional_producer(config()).unwrap()
}

/// What readers of committed records see once the markers are written, sorted.
pub(super) async fn committed(embedded: &EmbeddedCluster) -> Vec<String> {
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

/// How often each API was asked, but for what looks after the cluster.
fn asked(embedded: &EmbeddedCluster) -> HashMap<ApiKey, usize> {
    let mut asked = HashMap::new();
    for request in embedded.requests() {
        if !matches!(request.api, ApiKey::ApiVersions | ApiKey::Metadata | ApiKey::FindCoordinator)
        {
            *asked.entry(request.api).or_default() += 1;
        }
    }
    asked
}

#[tokio::test(start_paused = true)]
async fn a_transaction_takes_no_more_round_trips_than_its_protocol_needs() {
    let least = |level: i16| {
        let old = [(ApiKey::AddPartitionsToTxn, 1), (ApiKey::AddOffsetsToTxn, 1)];
        let both = [(ApiKey::Produce, 1), (ApiKey::TxnOffsetCommit, 1), (ApiKey::EndTxn, 1)];
        let old = old.into_iter().filter(move |_| level < 2);
        old.chain(both).collect::<HashMap<_, _>>()
    };
    for level in [0, 1, 2] {
        let embedded = cluster(level).await;
        let client = client(&embedded);
        let mut producer = producer(&client);
        producer.init().await.unwrap();
        for round in 0..3 {
            // The first learns who leads and coordinates.
            embedded.clear_requests();
            let mut transaction = producer.begin().await.unwrap();
            let records = (0..10).map(|_| to(0).value("v"));
            transaction.send_all(records).await.await.unwrap();
            let offsets = [(TopicPartition::new("t", 2), round)];
            let group = ConsumerGroupMetadata::new("g");
            transaction.send_offsets(offsets, &group).await.unwrap();
            transaction.commit().await.unwrap();
            assert_eq!(asked(&embedded), least(level), "level {level}");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        // Nothing is asked for a transaction with nothing in it.
        embedded.clear_requests();
        producer.begin().await.unwrap().commit().await.unwrap();
        producer.begin().await.unwrap().abort().await.unwrap();
        assert_eq!(asked(&embedded), HashMap::new(), "level {level}");
    }
}

#[tokio::test(start_paused = true)]
async fn several_batches_of_a_partition_fly_at_once_from_the_first_on() {
    for level in [1, 2] {
        let embedded = cluster(level).await;
        let client = client(&embedded);
        let mut producer = producer(&client);
        for _ in 0..2 {
            let mut transaction = producer.begin().await.unwrap();
            let value = vec![b'x'; 10_000];
            transaction.send_all((0..12).map(|_| to(0).value(&value))).await.await.unwrap();
            transaction.commit().await.unwrap();
        }
        assert_eq!(committed(&embedded).await.len(), 24, "level {level}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_is_dropped_is_aborted_before_the_next_begins() {
    for level in [1, 2] {
        let embedded = cluster(level).await;
        let client = client(&embedded);
        let mut producer = producer(&client);
        let transaction = producer.begin().await.unwrap();
        transaction.send(to(0).value("dropped")).await.unwrap().await.unwrap();
        let (outlived, delivery) =
            (transaction.sender(), transaction.send(to(1).value("late")).await.unwrap());
        drop(transaction);
        let error = outlived.send(to(0).value("outside")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TransactionEnded, "{error}");
        assert_eq!(delivery.await.unwrap_err().kind(), ErrorKind::TransactionEnded);

        let mut next = producer.begin().await.unwrap();
        let error = outlived.try_send(to(0).value("outside")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TransactionEnded, "{error}");
        next.send(to(0).value("next")).await.unwrap().await.unwrap();
        next.commit().await.unwrap();
        assert_eq!(committed(&embedded).await, ["next"], "level {level}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_was_dropped_goes_on_and_gives_the_same_answer_again() {
    for level in [1, 2] {
        let embedded = cluster(level).await;
        let client = client(&embedded);
        let mut producer = producer(&client);
        for micros in (0..5_000).step_by(250) {
            let mut transaction = producer.begin().await.unwrap();
            let _delivery = transaction.send(to(0).value("v")).await.unwrap();
            let _dropped =
                tokio::time::timeout(Duration::from_micros(micros), transaction.commit()).await;
            for _ in 0..2 {
                transaction.commit().await.unwrap();
            }
            let error = transaction.abort().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TransactionEnded, "{error}");
        }
        assert_eq!(committed(&embedded).await.len(), 20, "level {level}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_successor_begins_at_once_and_the_older_is_fenced_by_its_next_request() {
    for level in [0, 1, 2] {
        let embedded = cluster(level).await;
        let (one, other) = (client(&embedded), client(&embedded));
        let (mut old, mut new) = (producer(&one), producer(&other));
        let mut left = old.begin().await.unwrap();
        left.send(to(0).value("old")).await.unwrap().await.unwrap();

        let since = runtime::now();
        let mut transaction = new.begin().await.unwrap();
        let took = runtime::now() - since;
        assert!(took < Duration::from_secs(5), "level {level}: {took:?}");
        transaction.send(to(0).value("new")).await.unwrap().await.unwrap();

        let failed = left.send(to(0).value("late")).await.unwrap().await.unwrap_err();
        assert!(failed.code().is_some(), "level {level}: {failed}");
        let error = left.commit().await.unwrap_err();
        assert!(matches!(error.class(), Class::Abortable | Class::Fatal), "level {level}: {error}");
        transaction.commit().await.unwrap();
        drop((left, transaction));
        let fenced = old.begin().await.unwrap_err();
        assert_eq!(fenced.kind(), ErrorKind::ProducerFenced, "level {level}: {fenced}");
        assert_eq!(committed(&embedded).await, ["new"], "level {level}");
        for producer in [old, new] {
            producer.close(Duration::from_secs(5)).await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_that_fails_fails_the_transaction_and_the_next_one_works() {
    for level in [0, 1, 2] {
        let embedded = cluster(level).await;
        let client = client(&embedded);
        let config = config().max_request_size(3_000_000);
        let mut producer = client.transactional_producer(config).unwrap();
        let mut transaction = producer.begin().await.unwrap();
        transaction.send(to(0).value("first")).await.unwrap().await.unwrap();
        let large = vec![b'x'; 2_000_000];
        let error = transaction.send(to(1).value(&large)).await.unwrap().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RecordTooLarge, "{error}");
        let error = transaction.send(Record::to("t").value("more")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TransactionAbortable, "{error}");
        for _ in 0..2 {
            let error = transaction.commit().await.unwrap_err();
            assert_eq!(error.class(), Class::Abortable, "{error}");
        }
        transaction.abort().await.unwrap();
        drop(transaction);

        let mut transaction = producer.begin().await.unwrap();
        for partition in 0..3 {
            let _delivery = transaction.send(to(partition).value("next")).await.unwrap();
        }
        transaction.commit().await.unwrap();
        assert_eq!(committed(&embedded).await, ["next", "next", "next"], "level {level}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_protocol_that_is_changed_live_is_followed_between_transactions() {
    let embedded = cluster(2).await;
    let client = client(&embedded);
    let mut producer = producer(&client);
    for level in [2, 1, 2] {
        embedded.set_transaction_version(level);
        for round in 0..3 {
            // Brokers say it to new connections; the first transaction opens them.
            (1..=3).for_each(|broker| embedded.cut_connections(broker));
            tokio::time::sleep(Duration::from_secs(1)).await;
            embedded.clear_requests();
            let mut transaction = producer.begin().await.unwrap();
            let _delivery = transaction.send(to(0).value("v")).await.unwrap();
            transaction.commit().await.unwrap();
            drop(transaction);
            let is_old = asked(&embedded).contains_key(&ApiKey::AddPartitionsToTxn);
            assert!(is_old == (level < 2) || round == 0, "level {level}, round {round}");
        }
    }
    assert_eq!(committed(&embedded).await.len(), 9);
}

#[tokio::test(start_paused = true)]
async fn nothing_of_the_old_protocol_is_asked_of_a_cluster_that_has_the_new_one() {
    let embedded = cluster(2).await;
    let client = client(&embedded);
    let mut producer = producer(&client);
    let mut transaction = producer.begin().await.unwrap();
    let _delivery = transaction.send(to(0).value("v")).await.unwrap();
    transaction.commit().await.unwrap();
    let expected = [(ApiKey::InitProducerId, 1), (ApiKey::Produce, 1), (ApiKey::EndTxn, 1)];
    assert_eq!(asked(&embedded), HashMap::from(expected));
}
