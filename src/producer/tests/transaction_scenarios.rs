//! Transactions by the numbers of `scenarios.md`: librdkafka's 0103 and 0105, and franz-go's 20, as
//! far as they are about more than one code (`transaction_faults.rs`), members of a group
//! (`protocol-tests/tests/exactly_once.rs`) or the order of calls (`transactions.rs`).

use std::time::Duration;

use kavka_testcontainers::embedded::{ApiKey, EmbeddedCluster, ErrorCode as Code, Fault, Reaction};

use super::transaction_faults::transact;
use super::transactions::{cluster, committed, config, producer};
use super::whole::{client, to};
use crate::error::{Class, ErrorKind};
use crate::group_metadata::ConsumerGroupMetadata;
use crate::ids::TopicPartition;
use crate::producer::ProducerConfig;
use crate::runtime;

const SECOND: Duration = Duration::from_secs(1);

/// A producer whose calls wait for at most five seconds.
fn impatient() -> ProducerConfig {
    config().max_block(5 * SECOND)
}

async fn restart(embedded: &EmbeddedCluster, broker: i32, after: Duration) {
    embedded.kill_broker(broker);
    tokio::time::sleep(after).await;
    embedded.start_broker(broker).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn scenario_0105_leaders_and_coordinators_that_are_down_for_a_while() {
    for level in [1, 2] {
        let embedded = cluster(level).await;
        let client = client(&embedded);
        let mut producer = producer(&client);
        transact(&mut producer, "first").await.unwrap();
        let brokers = [
            embedded.leader("t", 0).unwrap(),
            embedded.transaction_coordinator("x").unwrap(),
            embedded.group_coordinator("g").unwrap(),
        ];
        let mut expected = vec!["first0".to_owned(), "first1".to_owned()];
        for (number, broker) in brokers.into_iter().enumerate() {
            let down = restart(&embedded, broker, 3 * SECOND);
            let name = format!("met{number}-");
            let (done, ()) = tokio::join!(transact(&mut producer, &name), down);
            done.unwrap_or_else(|error| panic!("level {level}, {number}: {error}"));
            expected.extend([format!("{name}0"), format!("{name}1")]);
        }
        assert_eq!(committed(&embedded).await, expected, "level {level}");
    }
}

#[tokio::test(start_paused = true)]
async fn scenario_0105_a_commit_that_takes_too_long_is_asked_for_again() {
    for level in [1, 2] {
        let embedded = cluster(level).await;
        let client = client(&embedded);
        let mut producer = client.transactional_producer(impatient()).unwrap();
        producer.init().await.unwrap();
        let delay = Reaction::Answer(Code::CoordinatorLoadInProgress);
        let fault = embedded.fault(Fault::on(ApiKey::EndTxn).then(delay));
        let mut transaction = producer.begin().await.unwrap();
        let _delivery = transaction.send(to(0).value("v")).await.unwrap();
        for _ in 0..2 {
            let late = transaction.commit().await.unwrap_err();
            assert_eq!((late.kind(), late.class()), (ErrorKind::Timeout, Class::Retriable));
            assert_eq!(
                late.to_string().matches("COORDINATOR_LOAD_IN_PROGRESS").count(),
                1,
                "{late}"
            );
        }
        embedded.remove_fault(fault);
        transaction.commit().await.unwrap();
        assert_eq!(committed(&embedded).await, ["v"], "level {level}");
    }
}

#[tokio::test(start_paused = true)]
async fn scenario_0105_a_record_that_is_too_old_fails_the_commit() {
    for level in [1, 2] {
        let embedded = cluster(level).await;
        let client = client(&embedded);
        let mut producer =
            client.transactional_producer(config().delivery_timeout(60 * SECOND)).unwrap();
        transact(&mut producer, "first").await.unwrap();
        let fault = embedded
            .fault(Fault::on(ApiKey::Produce).then(Reaction::Answer(Code::NotEnoughReplicas)));
        let mut transaction = producer.begin().await.unwrap();
        let delivery = transaction.send(to(0).value("old")).await.unwrap();
        assert_eq!(delivery.await.unwrap_err().kind(), ErrorKind::Timeout);
        assert_eq!(transaction.commit().await.unwrap_err().class(), Class::Abortable);
        transaction.abort().await.unwrap();
        drop(transaction);
        embedded.remove_fault(fault);
        transact(&mut producer, "next").await.unwrap();
        let seen = committed(&embedded).await;
        assert_eq!(seen, ["first0", "first1", "next0", "next1"], "level {level}");
    }
}

#[tokio::test(start_paused = true)]
async fn scenario_0105_no_request_is_repeated_too_quickly() {
    for level in [1, 2] {
        let apis = [ApiKey::AddPartitionsToTxn, ApiKey::TxnOffsetCommit, ApiKey::EndTxn];
        for api in apis.into_iter().filter(|api| level < 2 || *api != ApiKey::AddPartitionsToTxn) {
            for (code, most) in
                [(Code::CoordinatorLoadInProgress, 20), (Code::ConcurrentTransactions, 25)]
            {
                let embedded = cluster(level).await;
                let client = client(&embedded);
                let mut producer = client.transactional_producer(impatient()).unwrap();
                producer.init().await.unwrap();
                let fault = embedded.fault(Fault::on(api).then(Reaction::Answer(code)));
                let transaction = transact(&mut producer, "v");
                let _late = tokio::time::timeout(10 * SECOND, transaction).await;
                let asked = embedded.fault_hits(fault);
                assert!((5..=most).contains(&asked), "{api:?} {code:?}: {asked} in 10 s");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn scenario_0105_brokers_without_transactions_say_so() {
    let embedded = cluster(2).await;
    for broker in 1..=3 {
        embedded.remove_api(broker, ApiKey::InitProducerId);
    }
    let client = client(&embedded);
    let mut producer = producer(&client);
    let since = runtime::now();
    let error = producer.init().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(runtime::now() - since < SECOND);
}

#[tokio::test(start_paused = true)]
async fn scenario_0105_an_id_that_is_forbidden_is_told_by_its_coordinator() {
    let embedded = cluster(2).await;
    let code = Code::TransactionalIdAuthorizationFailed;
    embedded.fault(Fault::on(ApiKey::FindCoordinator).then(Reaction::Answer(code)));
    let client = client(&embedded);
    let error = producer(&client).init().await.unwrap_err();
    assert_eq!(error.class(), Class::InvalidConfiguration, "{error}");
}

#[tokio::test(start_paused = true)]
async fn scenario_0105_a_new_epoch_that_comes_late_is_waited_for_and_one_that_is_refused_fences() {
    // Under the new protocol EndTxn brings the next epoch.
    for (reaction, is_fenced) in
        [(Reaction::Delay(8 * SECOND), false), (Reaction::Answer(Code::ProducerFenced), true)]
    {
        let embedded = cluster(1).await;
        let client = client(&embedded);
        let mut producer = client.transactional_producer(impatient()).unwrap();
        transact(&mut producer, "first").await.unwrap();
        tokio::time::sleep(SECOND).await;
        let gap = Reaction::Answer(Code::InvalidRecord);
        embedded.fault(Fault::on(ApiKey::Produce).times(1).then(gap));
        transact(&mut producer, "aborted").await.unwrap_err();
        embedded.fault(Fault::on(ApiKey::InitProducerId).times(1).then(reaction));
        let error = producer.begin().await.unwrap_err();
        let kind = if is_fenced { ErrorKind::ProducerFenced } else { ErrorKind::Timeout };
        assert_eq!(error.kind(), kind, "{error}");
        if !is_fenced {
            transact(&mut producer, "next").await.unwrap();
            assert_eq!(committed(&embedded).await, ["first0", "first1", "next0", "next1"]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn scenario_0103_a_new_incarnation_fences_the_old_one_whatever_it_does_next() {
    for level in [1, 2] {
        for act in ["send", "offsets", "commit", "begin"] {
            let embedded = cluster(level).await;
            let (one, other) = (client(&embedded), client(&embedded));
            let (mut old, mut new) = (producer(&one), producer(&other));
            let mut transaction = old.begin().await.unwrap();
            transaction.send(to(0).value("old")).await.unwrap().await.unwrap();
            new.init().await.unwrap();
            let group = ConsumerGroupMetadata::new("g");
            let failed = match act {
                "send" => {
                    async { transaction.send(to(1).value("late")).await?.await.map(drop) }.await
                }
                "offsets" => {
                    transaction.send_offsets([(TopicPartition::new("t", 2), 1)], &group).await
                }
                "commit" => transaction.commit().await,
                _ => Ok(()),
            };
            assert_eq!(failed.is_err(), act != "begin", "level {level}, {act}");
            drop(transaction);
            // Under the new protocol the abort of a producer that was fenced is no news to the
            // coordinator as long as the successor has not begun.
            transact(&mut new, "new").await.unwrap();
            let fenced = transact(&mut old, "again").await.unwrap_err();
            assert_eq!(fenced.kind(), ErrorKind::ProducerFenced, "level {level}, {act}: {fenced}");
            assert_eq!(committed(&embedded).await, ["new0", "new1"], "level {level}, {act}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn scenario_20_a_transaction_of_which_all_failed_ends_at_once() {
    for level in [1, 2] {
        let embedded = cluster(level).await;
        let client = client(&embedded);
        let mut producer = producer(&client);
        producer.init().await.unwrap();
        let refused = Reaction::Answer(Code::TopicAuthorizationFailed);
        let fault = embedded.fault(Fault::on(ApiKey::Produce).then(refused));
        let transaction = producer.begin().await.unwrap();
        let mut deliveries = Vec::new();
        for partition in 0..3 {
            deliveries.push(transaction.send(to(partition).value("refused")).await.unwrap());
        }
        for delivery in deliveries {
            delivery.await.unwrap_err();
        }
        let since = runtime::now();
        drop(transaction);
        embedded.remove_fault(fault);
        transact(&mut producer, "next").await.unwrap();
        assert!(runtime::now() - since < 5 * SECOND, "level {level}");
        assert_eq!(committed(&embedded).await, ["next0", "next1"], "level {level}");
    }
}
