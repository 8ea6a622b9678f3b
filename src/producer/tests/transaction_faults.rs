//! What each answer of a coordinator or leader does to a transaction: the cases of librdkafka's test
//! 0105 (`scenarios.md`), by the code of the answer, on whole producers.

use std::time::Duration;

use kavka_testcontainers::embedded::{ApiKey, EmbeddedCluster, ErrorCode as Code, Fault, Reaction};

use super::transactions::{cluster, committed, producer};
use super::whole::{client, to};
use crate::error::{Class, Error, ErrorKind, Result};
use crate::group_metadata::ConsumerGroupMetadata;
use crate::ids::TopicPartition;
use crate::producer::TransactionalProducer;

/// How the transaction ends that meets the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Committed,
    /// It must be aborted, and the next one works.
    Abortable,
    /// Another producer has the id.
    Fenced,
    /// The producer can do nothing more.
    Over,
}

use Outcome::{Abortable, Committed, Fenced, Over};

fn outcome(result: &Result<()>) -> Outcome {
    match result.as_ref().map_err(Error::class) {
        Ok(()) => Committed,
        Err(Class::Abortable) => Abortable,
        Err(_) if result.as_ref().is_err_and(|error| error.kind() == ErrorKind::ProducerFenced) => {
            Fenced
        }
        Err(_) => Over,
    }
}

/// Records of two partitions and an offset, committed; what was wrong first.
pub(super) async fn transact(producer: &mut TransactionalProducer, name: &str) -> Result<()> {
    let mut transaction = producer.begin().await?;
    let sent = async {
        for partition in 0..2 {
            let value = format!("{name}{partition}");
            let _delivery = transaction.send(to(partition).value(&value)).await?;
        }
        let offsets = [(TopicPartition::new("t", 2), 1)];
        transaction.send_offsets(offsets, &ConsumerGroupMetadata::new("g")).await
    };
    let sent = sent.await;
    let committed = sent.and(transaction.commit().await);
    if outcome(&committed) == Abortable {
        transaction.abort().await?;
    }
    committed
}

/// Lets one kind of request meet a reaction, and looks how that transaction and the next end.
async fn try_it(level: i16, api: ApiKey, reaction: Reaction, times: u64, expected: Outcome) {
    let case = format!("level {level}, {api:?} answered {reaction:?} {times} times");
    let embedded: EmbeddedCluster = cluster(level).await;
    let client = client(&embedded);
    let mut producer = producer(&client);
    transact(&mut producer, "first").await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let fault = embedded.fault(Fault::on(api).times(times).then(reaction));
    let result = transact(&mut producer, "met").await;
    assert!(embedded.fault_hits(fault) > 0, "{case}: was never asked");
    assert_eq!(outcome(&result), expected, "{case}: {result:?}");
    embedded.clear_faults();
    let next = transact(&mut producer, "next").await;
    let is_over = matches!(expected, Fenced | Over);
    assert_eq!(next.is_err(), is_over, "{case}: the next {next:?}");
    let mut values = vec!["first0", "first1"];
    if expected == Committed {
        values.extend(["met0", "met1"]);
    }
    if !is_over {
        values.extend(["next0", "next1"]);
    }
    assert_eq!(committed(&embedded).await, values, "{case}");
    let stuck: Vec<_> = (0..3)
        .filter(|partition| {
            !is_over
                && embedded.last_stable_offset("t", *partition)
                    != embedded.offsets("t", *partition).map(|(_, end)| end)
        })
        .collect();
    assert!(stuck.is_empty(), "{case}: {stuck:?} are held up by an open transaction");
}

/// Which requests a transaction makes, by the level of `transaction.version`.
fn is_used(api: ApiKey, level: i16) -> bool {
    level < 2 || !matches!(api, ApiKey::AddPartitionsToTxn | ApiKey::AddOffsetsToTxn)
}

async fn try_all(apis: &[ApiKey], codes: &[Code], times: u64, expected: Outcome) {
    for level in [1, 2] {
        for &api in apis.iter().filter(|api| is_used(**api, level)) {
            for &code in codes {
                try_it(level, api, Reaction::Answer(code), times, expected).await;
            }
        }
    }
}

const COORDINATORS: [ApiKey; 4] =
    [ApiKey::AddPartitionsToTxn, ApiKey::AddOffsetsToTxn, ApiKey::TxnOffsetCommit, ApiKey::EndTxn];

#[tokio::test(start_paused = true)]
async fn scenario_0105_what_may_pass_is_tried_again_and_the_transaction_committed() {
    let codes = [
        Code::CoordinatorNotAvailable,
        Code::CoordinatorLoadInProgress,
        Code::NotCoordinator,
        Code::ConcurrentTransactions,
        Code::RequestTimedOut,
        Code::UnknownServerError,
    ];
    try_all(&COORDINATORS, &codes, 3, Committed).await;
    let topics = [ApiKey::AddPartitionsToTxn, ApiKey::TxnOffsetCommit];
    try_all(&topics, &[Code::UnknownTopicOrPartition], 3, Committed).await;
    let leader = [Code::NotLeaderOrFollower, Code::NotEnoughReplicas, Code::RequestTimedOut];
    try_all(&[ApiKey::Produce], &leader, 3, Committed).await;
}

#[tokio::test(start_paused = true)]
async fn scenario_0105_requests_and_replies_that_are_lost_are_sent_again() {
    for level in [1, 2] {
        for api in COORDINATORS.into_iter().chain([ApiKey::Produce]) {
            for reaction in [Reaction::CloseBefore, Reaction::CloseAfter, Reaction::DropReply] {
                if is_used(api, level) {
                    try_it(level, api, reaction, 1, Committed).await;
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn scenario_0105_coordinators_that_move_are_followed() {
    for level in [1, 2] {
        for api in COORDINATORS {
            if is_used(api, level) {
                try_it(level, api, Reaction::MoveCoordinator(None), 2, Committed).await;
            }
        }
        try_it(level, ApiKey::Produce, Reaction::MoveLeader(None), 2, Committed).await;
    }
}

#[tokio::test(start_paused = true)]
async fn scenario_0105_what_fails_one_transaction_is_aborted_and_the_next_one_works() {
    let coordinator = [
        Code::InvalidTxnState,
        Code::InvalidProducerIdMapping,
        Code::UnknownProducerId,
        Code::TransactionAbortable,
    ];
    try_all(&COORDINATORS, &coordinator, 1, Abortable).await;
    let group = [
        Code::GroupAuthorizationFailed,
        Code::IllegalGeneration,
        Code::UnknownMemberId,
        Code::FencedInstanceId,
        Code::OffsetMetadataTooLarge,
    ];
    try_all(&[ApiKey::TxnOffsetCommit], &group, 1, Abortable).await;
    try_all(&[ApiKey::AddOffsetsToTxn], &[Code::GroupAuthorizationFailed], 1, Abortable).await;
    let topic = [Code::TopicAuthorizationFailed];
    try_all(&[ApiKey::AddPartitionsToTxn, ApiKey::Produce], &topic, 1, Abortable).await;
    let leader = [
        Code::InvalidProducerEpoch,
        Code::OutOfOrderSequenceNumber,
        Code::UnknownProducerId,
        Code::InvalidTxnState,
        Code::TransactionAbortable,
        Code::InvalidRecord,
        Code::UnknownServerError,
    ];
    try_all(&[ApiKey::Produce], &leader, 1, Abortable).await;
}

#[tokio::test(start_paused = true)]
async fn scenario_0105_whoever_is_fenced_or_forbidden_is_told_and_sends_nothing_more() {
    try_all(&COORDINATORS, &[Code::ProducerFenced, Code::InvalidProducerEpoch], 1, Fenced).await;
    try_all(&[ApiKey::Produce], &[Code::ProducerFenced], 1, Fenced).await;
    let forbidden = [Code::TransactionalIdAuthorizationFailed];
    try_all(&COORDINATORS, &forbidden, 1, Over).await;
    try_all(&[ApiKey::Produce], &forbidden, 1, Over).await;
}

#[tokio::test(start_paused = true)]
async fn scenario_0105_an_id_that_cannot_be_had_is_told_and_may_be_asked_for_again() {
    for code in [
        Code::TransactionalIdAuthorizationFailed,
        Code::ClusterAuthorizationFailed,
        Code::InvalidTransactionTimeout,
    ] {
        let embedded = cluster(2).await;
        let client = client(&embedded);
        let mut producer = producer(&client);
        embedded.fault(Fault::on(ApiKey::InitProducerId).times(2).then(Reaction::Answer(code)));
        for _ in 0..2 {
            let error = producer.begin().await.unwrap_err();
            assert_eq!(error.class(), Class::InvalidConfiguration, "{error}");
        }
        transact(&mut producer, "next").await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn scenario_0105_a_topic_that_vanishes_is_not_waited_for_longer_than_its_records_are() {
    for level in [1, 2] {
        let embedded = cluster(level).await;
        let client = client(&embedded);
        let mut producer = producer(&client);
        transact(&mut producer, "first").await.unwrap();
        let transaction = producer.begin().await.unwrap();
        embedded.delete_topic("t").unwrap();
        let delivery = transaction.send(to(0).value("gone")).await.unwrap();
        let failed = delivery.await.unwrap_err();
        assert_eq!(failed.kind(), ErrorKind::Timeout, "level {level}: {failed}");
        drop(transaction);
        embedded.create_topic("t", 3, 3).unwrap();
        // The new partitions do not know the producer, whose sequences have gone on.
        let met = outcome(&transact(&mut producer, "met").await);
        assert!(matches!(met, Abortable | Committed), "level {level}: {met:?}");
        transact(&mut producer, "next").await.unwrap();
        let seen = committed(&embedded).await;
        assert!(seen.iter().any(|value| value == "next1"), "level {level}: {seen:?}");
        assert_eq!(seen.iter().any(|value| value == "met0"), met == Committed, "{seen:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn scenario_0105_a_transaction_that_took_too_long_fails_and_its_id_can_be_had_anew() {
    for level in [1, 2] {
        let embedded = cluster(level).await;
        let client = client(&embedded);
        let mut old = producer(&client);
        let transaction = old.begin().await.unwrap();
        transaction.send(to(0).value("slow")).await.unwrap().await.unwrap();
        assert!(embedded.time_out_transaction("x"));
        tokio::time::sleep(Duration::from_secs(1)).await;
        let sent = async { transaction.send(to(0).value("late")).await?.await.map(drop) };
        let failed = sent.await.unwrap_err();
        assert!(failed.code().is_some(), "level {level}: {failed}");
        drop(transaction);
        // The coordinator says of a producer whose transaction it ended what it says of one that was
        // fenced (KIP-588).
        let next = transact(&mut old, "same").await;
        assert!(matches!(outcome(&next), Committed | Fenced), "level {level}: {next:?}");
        let mut new = producer(&client);
        transact(&mut new, "new").await.unwrap();
        let seen = committed(&embedded).await;
        assert!(!seen.iter().any(|value| value == "slow" || value == "late"), "{seen:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn scenario_0105_an_id_that_has_expired_gets_a_new_producer_id() {
    for level in [1, 2] {
        let embedded = cluster(level).await;
        let client = client(&embedded);
        let mut producer = producer(&client);
        transact(&mut producer, "first").await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(embedded.expire_transactional_id("x"));
        let met = transact(&mut producer, "met").await;
        assert_eq!(outcome(&met), Abortable, "level {level}: {met:?}");
        transact(&mut producer, "next").await.unwrap();
        assert_eq!(committed(&embedded).await, ["first0", "first1", "next0", "next1"]);
    }
}
