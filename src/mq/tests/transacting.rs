//! Handlers whose output counts exactly once: what they return, and how far they are, in one
//! transaction.

use std::sync::atomic::{AtomicUsize, Ordering};

use kavka_testcontainers::embedded::{
    ApiKey, ErrorCode as BrokerCode, Fault, Reaction, TrackedRequest,
};

use super::*;
use crate::consumer::IsolationLevel;
use crate::mq::handler::HandlerFuture;
use crate::mq::{Code, Error, FailurePolicy, Handler, HandlerOptions, Outcome};

fn committed_only(embedded: &EmbeddedCluster) -> Config {
    let mut config = config(embedded);
    config.consumer.isolation_level = IsolationLevel::ReadCommitted;
    config
}

fn output(id: &str) -> HandlerOptions {
    HandlerOptions::new().transactional_id(id)
}

/// Returns each message for the topic `u`, notes it, and notes errors that it is told of.
#[derive(Clone, Default)]
struct Copying {
    seen: Seen,
    told: Arc<Mutex<Vec<Error>>>,
    takes: Duration,
}

impl Handler for Copying {
    fn handle(&self, message: Message) -> HandlerFuture<'_> {
        self.seen.add(&message);
        let value = message.value.clone().unwrap_or_default();
        Box::pin(async move {
            tokio::time::sleep(self.takes).await;
            Outcome::from(Message::new("u", value).partition(message.partition.unwrap()))
        })
    }

    fn failed(&self, error: Error, _: Option<TopicPartition>) -> HandlerFuture<'_> {
        self.told.lock().unwrap().push(error);
        Box::pin(std::future::ready(Outcome::Continue))
    }
}

/// Reads what is committed of the topic `u`.
fn reading(embedded: &EmbeddedCluster) -> (Mq, Seen) {
    let mut config = committed_only(embedded);
    config.consumer.group_id = Some("readers".to_owned());
    let (mq, seen) = (Mq::new(config).unwrap(), Seen::default());
    mq.consumer().unwrap().subscribe(["u"], noting(&seen)).unwrap();
    (mq, seen)
}

/// Waits until so many messages are out, and for those that should not be.
async fn out(seen: &Seen, partitions: i32, each: u32) {
    seen.wait_for(usize::try_from(partitions).unwrap() * usize::try_from(each).unwrap()).await;
    tokio::time::sleep(10 * SECOND).await;
    for partition in 0..partitions {
        assert_eq!(seen.of(partition), numbers(0..each), "of partition {partition}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_message_counts_once_in_and_out() {
    let embedded = brokers(1).await;
    let mq = Mq::new(committed_only(&embedded)).unwrap();
    let consumer = mq.consumer().unwrap();
    let copying = Copying::default();
    consumer
        .subscribe_with(["t"], output("copy").partitions_in_parallel(2), copying.clone())
        .unwrap();
    let (_reader, seen) = reading(&embedded);
    for partition in 0..3 {
        append(&embedded, "t", partition, 0..700);
    }
    out(&seen, 3, 700).await;
    assert_eq!(copying.seen.len(), 2_100);
    let admin = mq.client().admin();
    let listed = admin.list_transactions(crate::admin::TransactionFilter::all()).await.unwrap();
    let ids: Vec<_> = listed.items.iter().map(|item| item.transactional_id.as_str()).collect();
    assert_eq!(ids, ["copy", "copy-1"], "one producer for each partition in parallel");
    let commits = embedded.requests_of(ApiKey::EndTxn).len();
    assert!(commits < 200, "{commits} commits are of many messages each");
    for partition in 0..3 {
        assert_eq!(committed(&consumer, partition).await, Some(700));
    }
    let commits = embedded.requests_of(ApiKey::OffsetCommit);
    let of_input =
        |commit: &TrackedRequest| commit.partitions.iter().any(|(topic, _)| topic == "t");
    assert!(!commits.iter().any(of_input), "offsets go with the output");
}

#[tokio::test(start_paused = true)]
async fn what_was_aborted_is_written_again_and_its_handler_is_not_called_again() {
    for (api, reaction) in [
        (ApiKey::TxnOffsetCommit, Reaction::Answer(BrokerCode::IllegalGeneration)),
        (ApiKey::Produce, Reaction::Answer(BrokerCode::InvalidProducerEpoch)),
        (ApiKey::EndTxn, Reaction::Answer(BrokerCode::TransactionAbortable)),
        (ApiKey::EndTxn, Reaction::CloseAfter),
        (ApiKey::InitProducerId, Reaction::Answer(BrokerCode::CoordinatorLoadInProgress)),
    ] {
        let embedded = brokers(1).await;
        append(&embedded, "t", 0, 0..20);
        let fault = embedded.fault(Fault::on(api).times(3).then(reaction));
        let mq = Mq::new(committed_only(&embedded)).unwrap();
        let copying = Copying::default();
        mq.consumer().unwrap().subscribe_with(["t"], output("copy"), copying.clone()).unwrap();
        let (_reader, seen) = reading(&embedded);
        out(&seen, 1, 20).await;
        assert!(embedded.fault_hits(fault) > 0, "{api:?} {reaction:?}");
        assert_eq!(copying.seen.of(0), numbers(0..20), "{api:?} {reaction:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn partitions_that_move_between_members_take_nothing_along_that_is_not_committed() {
    let embedded = brokers(1).await;
    let (_reader, seen) = reading(&embedded);
    let member = |id: &str| {
        let copying = Copying { takes: Duration::from_millis(7), ..Copying::default() };
        let mq = Mq::new(committed_only(&embedded)).unwrap();
        mq.consumer().unwrap().subscribe_with(["t"], output(id), copying.clone()).unwrap();
        (mq, copying)
    };
    for partition in 0..3 {
        append(&embedded, "t", partition, 0..400);
    }
    let (first, _) = member("a");
    seen.wait_for(50).await;
    let (second, of_second) = member("b");
    until(|| of_second.seen.len() > 50).await;
    // One leaves in order, one vanishes in the middle of its work, and comes again.
    first.consumer().unwrap().close(10 * SECOND).await.unwrap();
    seen.wait_for(600).await;
    drop(second);
    let (_third, _) = member("b");
    out(&seen, 3, 400).await;
}

#[tokio::test(start_paused = true)]
async fn a_seek_takes_the_output_back_that_is_not_committed_and_no_other() {
    // Slow, and the second to come is sought: messages of both are in hand. Quick, and the first:
    // it comes again while messages of the other are still in hand with the one from before.
    for (takes, is_first) in [(20, false), (5, true)] {
        let embedded = brokers(1).await;
        append_batch(&embedded, "t", 0, 0..8);
        append_batch(&embedded, "t", 1, 0..8);
        let mut config = committed_only(&embedded);
        config.consumer.fetch_max_wait = Duration::from_millis(1);
        let mq = Mq::new(config).unwrap();
        let consumer = mq.consumer().unwrap();
        let copying = Copying { takes: Duration::from_millis(takes), ..Copying::default() };
        consumer.subscribe_with(["t"], output("copy"), copying.clone()).unwrap();
        let (_reader, seen) = reading(&embedded);
        until(|| copying.seen.len() > 0).await;
        let sought = i32::from(copying.seen.of(0).is_empty() == is_first);
        until(|| !copying.seen.of(sought).is_empty()).await;
        let before = copying.seen.of(sought);
        assert_eq!(seen.of(sought).len(), 0);
        consumer.seek(&tp(sought), 0).unwrap();
        seen.wait_for(16).await;
        tokio::time::sleep(10 * SECOND).await;
        assert_eq!((seen.of(0), seen.of(1)), (numbers(0..8), numbers(0..8)));
        assert_eq!(copying.seen.of(sought), [before, numbers(0..8)].concat());
        assert_eq!(committed(&consumer, sought).await, Some(8));
    }
}

#[tokio::test(start_paused = true)]
async fn whose_id_another_takes_hears_of_it_and_stops() {
    let embedded = brokers(1).await;
    append(&embedded, "t", 0, 0..5);
    let mq = Mq::new(committed_only(&embedded)).unwrap();
    let consumer = mq.consumer().unwrap();
    let copying = Copying::default();
    consumer.subscribe_with(["t"], output("copy"), copying.clone()).unwrap();
    let (_reader, seen) = reading(&embedded);
    seen.wait_for(5).await;
    let other = Mq::new(config(&embedded)).unwrap();
    let client = other.client();
    let taken = crate::ProducerConfig::new().transactional_id("copy");
    client.transactional_producer(taken).unwrap().init().await.unwrap();
    append(&embedded, "t", 0, 5..6);
    consumer.stopped().await;
    assert!(
        copying.told.lock().unwrap()[0].to_string().contains("has taken over"),
        "{:?}",
        copying.told
    );
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(committed(&consumer, 0).await, Some(5));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_given_up_does_not_hold_back_the_output_of_others() {
    let embedded = brokers(1).await;
    append(&embedded, "t", 0, 0..6);
    let mq = Mq::new(committed_only(&embedded)).unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let handler = move |message: Message| {
        counted.fetch_add(1, Ordering::Relaxed);
        std::future::ready(match message.text() {
            Some("3") => Err("three is no good"),
            text => Ok(vec![Message::new("u", text.unwrap().to_owned()).partition(0)]),
        })
    };
    let options = output("copy").on_failure(FailurePolicy::retry(2).then_dead_letter("dead"));
    mq.consumer().unwrap().subscribe_with(["t"], options, handler).unwrap();
    let (_reader, seen) = reading(&embedded);
    seen.wait_for(5).await;
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(seen.of(0), [0, 1, 2, 4, 5]);
    assert_eq!(
        (log(&embedded, "dead", 0), calls.load(Ordering::Relaxed)),
        (vec!["3".to_owned()], 8)
    );
    assert_eq!(committed(&mq.consumer().unwrap(), 0).await, Some(6));
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_exactly_once_is_refused() {
    let embedded = brokers(1).await;
    append(&embedded, "t", 0, 0..1);
    let uncommitted = mq(&embedded);
    let refused = |mq: &Mq, topic: &'static str, id: &str| {
        let consumer = mq.consumer().unwrap();
        consumer.subscribe_with([topic], output(id), Copying::default()).unwrap_err()
    };
    let error = refused(&uncommitted, "t", "copy");
    assert_eq!(error.code(), Code::InvalidConfig);
    assert!(error.to_string().contains("consumer.isolation_level=read_committed"), "{error}");
    let committed = Mq::new(committed_only(&embedded)).unwrap();
    assert_eq!(refused(&committed, "t", "").code(), Code::InvalidConfig);
    let consumer = committed.consumer().unwrap();
    consumer.subscribe_with(["t"], output("copy"), Copying::default()).unwrap();
    assert!(refused(&committed, "u", "copy").to_string().contains("its own"));
    // Without an id there is no transaction to put messages into.
    let copying = Copying::default();
    let consumer = uncommitted.consumer().unwrap();
    consumer.subscribe(["t"], copying.clone()).unwrap();
    consumer.stopped().await;
    assert_eq!((copying.seen.len(), log(&embedded, "u", 0).len()), (1, 0), "it is not tried again");
}
