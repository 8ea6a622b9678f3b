//! A consumer whose handlers panic, never end or cannot get rid of a message, and whose client,
//! group or topics go away under it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use kavka_testcontainers::embedded::{ApiKey, ErrorCode as BrokerCode, Fault, Reaction};

use super::*;
use crate::ids::Offset;
use crate::mq::handler::HandlerFuture;
use crate::mq::{Code, Consumer, Error, FailurePolicy, Handler, HandlerOptions, Outcome};

type Told = Arc<Mutex<Vec<(Option<TopicPartition>, Error)>>>;

/// Notes what it sees and what it is told of, and fails on every message of a text.
#[derive(Clone, Default)]
struct Picky {
    seen: Seen,
    told: Told,
    fails_on: &'static str,
    calls: Arc<AtomicUsize>,
    stops: bool,
}

impl Handler for Picky {
    fn handle(&self, message: Message) -> HandlerFuture<'_> {
        let fails = message.text() == Some(self.fails_on);
        if fails {
            self.calls.fetch_add(1, Ordering::SeqCst);
        } else {
            self.seen.add(&message);
        }
        let outcome = if fails { Outcome::Failed("no good".into()) } else { Outcome::Continue };
        Box::pin(std::future::ready(outcome))
    }

    fn failed(&self, error: Error, partition: Option<TopicPartition>) -> HandlerFuture<'_> {
        self.told.lock().unwrap().push((partition, error));
        Box::pin(std::future::ready(if self.stops { Outcome::Stop } else { Outcome::Continue }))
    }
}

async fn committed(consumer: &Consumer, partition: i32) -> Option<i64> {
    consumer.committed_offset(&tp(partition)).await.unwrap().map(|offset| offset.0)
}

fn to_dead_letters(topic: &str) -> HandlerOptions {
    HandlerOptions::new().on_failure(FailurePolicy::dead_letter(topic))
}

#[tokio::test(start_paused = true)]
async fn a_missing_dead_letter_topic_holds_up_its_partition_and_no_other() {
    let embedded = brokers(1).await;
    for partition in 0..3 {
        append_batch(&embedded, "t", partition, 0..20);
    }
    // Of one partition alone.
    append(&embedded, "t", 0, 77..78);
    append_batch(&embedded, "t", 0, 21..40);
    let mq = mq(&embedded);
    let consumer = mq.consumer().unwrap();
    let picky = Picky { fails_on: "77", ..Picky::default() };
    let begun = crate::runtime::now();
    consumer.subscribe_with(["t"], to_dead_letters("nowhere"), picky.clone()).unwrap();
    picky.seen.wait_for(60).await;
    append_batch(&embedded, "t", 1, 20..40);
    append_batch(&embedded, "t", 2, 20..40);
    picky.seen.wait_for(100).await;
    assert!(crate::runtime::now() - begun < 3 * SECOND, "the others go on");
    assert_eq!(picky.seen.of(0), numbers(0..20), "and it does not");
    until(|| !picky.told.lock().unwrap().is_empty()).await;
    assert!(crate::runtime::now() - begun < 10 * SECOND, "the handler hears of it soon");
    let (partition, error) = picky.told.lock().unwrap()[0].clone();
    assert_eq!(partition, Some(tp(0)));
    assert!(
        error.to_string().contains("the dead-letter topic nowhere cannot be written"),
        "{error}"
    );
    // Whatever the user wants of it meanwhile, nothing overtakes.
    consumer.resume(&[tp(0)]).unwrap();
    tokio::time::sleep(30 * SECOND).await;
    assert_eq!(picky.seen.of(0), numbers(0..20));
    assert_eq!(committed(&consumer, 0).await, Some(20), "what is in hand is not committed");
    embedded.create_topic("nowhere", 1, 1).unwrap();
    picky.seen.wait_for(119).await;
    assert_eq!(
        picky.seen.of(0),
        [numbers(0..20), numbers(21..40)].concat(),
        "it goes on behind the message"
    );
    assert_eq!(log(&embedded, "nowhere", 0), ["77"]);
    assert_eq!(picky.calls.load(Ordering::SeqCst), 1, "the handler is not called for it again");
    mq.close().await.unwrap();
    assert_eq!(embedded.committed("g", "t", 0), Some(40));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_dead_letter_topic_ends_in_time_and_leaves_the_message_to_others() {
    let embedded = brokers(1).await;
    append_batch(&embedded, "t", 0, 0..10);
    for how in ["close", "unsubscribe", "stop", "client"] {
        let mq = mq(&embedded);
        let consumer = mq.consumer().unwrap();
        let picky = Picky { fails_on: "5", stops: how == "stop", ..Picky::default() };
        consumer.subscribe_with(["t"], to_dead_letters("nowhere"), picky.clone()).unwrap();
        until(|| !picky.told.lock().unwrap().is_empty()).await;
        let begun = crate::runtime::now();
        match how {
            "unsubscribe" => consumer.unsubscribe(["t"]).unwrap(),
            "client" => mq.client().clone().close(SECOND).await.unwrap(),
            _ => {}
        }
        if how != "close" {
            consumer.stopped().await;
        }
        let _ = mq.close().await;
        assert!(crate::runtime::now() - begun <= 3 * SECOND, "{how}");
        assert!(
            embedded.committed("g", "t", 0).is_none_or(|committed| committed <= 5),
            "{how}: it is not done"
        );
        tokio::time::sleep(30 * SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_has_failed_and_takes_nothing_along() {
    let embedded = brokers(1).await;
    append_batch(&embedded, "t", 0, 0..10);
    append_batch(&embedded, "t", 1, 0..10);
    let mq = mq(&embedded);
    let consumer = mq.consumer().unwrap();
    let (seen, panics) = (Seen::default(), Arc::new(AtomicUsize::new(0)));
    let handler = {
        let (seen, panics) = (seen.clone(), Arc::clone(&panics));
        move |message: Message| {
            let text = message.text().unwrap().to_owned();
            // In the call itself, and in its future.
            if text == "3" {
                panics.fetch_add(1, Ordering::SeqCst);
                panic!("three");
            }
            let (seen, panics) = (seen.clone(), Arc::clone(&panics));
            async move {
                tokio::task::yield_now().await;
                if text == "5" {
                    panics.fetch_add(1, Ordering::SeqCst);
                    panic!("five");
                }
                seen.add(&message);
            }
        }
    };
    let options =
        HandlerOptions::new().on_failure(FailurePolicy::retry(1).then_dead_letter("dead"));
    consumer.subscribe_with(["t"], options, handler).unwrap();
    seen.wait_for(16).await;
    until(|| log(&embedded, "dead", 0).len() == 4).await;
    assert_eq!(panics.load(Ordering::SeqCst), 8, "each is tried again");
    assert_eq!(seen.of(0), [0, 1, 2, 4, 6, 7, 8, 9]);
    mq.close().await.unwrap();
    assert_eq!(embedded.committed("g", "t", 0), Some(10));
}

#[tokio::test(start_paused = true)]
async fn a_callback_that_panics_takes_no_other_along() {
    let embedded = brokers(1).await;
    let mq = mq(&embedded);
    let told = Arc::new(AtomicUsize::new(0));
    for number in 0..5 {
        let told = Arc::clone(&told);
        let callback = move |sent: crate::mq::Result<_>| {
            sent.unwrap();
            assert!(number != 1, "a panic");
            told.fetch_add(1, Ordering::SeqCst);
        };
        mq.producer().send_async_with_key("t", "k", number.to_string(), callback).await.unwrap();
    }
    until(|| told.load(Ordering::SeqCst) == 4).await;
    assert_eq!(mq.producer().metrics().successful_messages, 5);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_closed_ends_its_consumer_and_all_who_ask_hear_of_it() {
    let embedded = brokers(1).await;
    append(&embedded, "t", 0, 0..3);
    let mq = mq(&embedded);
    let consumer = mq.consumer().unwrap();
    let picky = Picky { fails_on: "none", ..Picky::default() };
    consumer.subscribe(["t"], picky.clone()).unwrap();
    picky.seen.wait_for(3).await;
    let begun = crate::runtime::now();
    mq.client().clone().close(SECOND).await.unwrap();
    consumer.stopped().await;
    assert_eq!(
        picky.told.lock().unwrap().iter().map(|(_, error)| error.code()).collect::<Vec<_>>(),
        [Code::ConsumerClosed]
    );
    for _ in 0..2 {
        assert_eq!(
            consumer.subscribe(["u"], picky.clone()).unwrap_err().code(),
            Code::ConsumerClosed
        );
        assert_eq!(
            consumer.commit_offset(&tp(0), 1).await.unwrap_err().code(),
            Code::ConsumerClosed
        );
        assert!(consumer.close(SECOND).await.is_err(), "what was handled last is not committed");
    }
    assert!(crate::runtime::now() - begun <= SECOND);
    // And nothing goes on behind.
    let left = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    tokio::time::sleep(60 * SECOND).await;
    assert!(tokio::runtime::Handle::current().metrics().num_alive_tasks() <= left);
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_is_lost_is_not_tried_again() {
    let embedded = brokers(1).await;
    append(&embedded, "t", 0, 0..1);
    let mq = mq(&embedded);
    let calls: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let noted = Arc::clone(&calls);
    let handler = move |_: Message| {
        noted.lock().unwrap().push(crate::runtime::now());
        std::future::ready(Err::<(), _>("never"))
    };
    let policy = FailurePolicy::retry(1).backoff(60 * SECOND, 60 * SECOND).then_skip();
    mq.consumer()
        .unwrap()
        .subscribe_with(["t"], HandlerOptions::new().on_failure(policy), handler)
        .unwrap();
    until(|| !calls.lock().unwrap().is_empty()).await;
    let first = calls.lock().unwrap()[0];
    embedded.fault(
        Fault::on(ApiKey::Heartbeat).times(1).then(Reaction::Answer(BrokerCode::UnknownMemberId)),
    );
    until(|| calls.lock().unwrap().len() == 2).await;
    let second = calls.lock().unwrap()[1];
    assert!(
        second - first < 30 * SECOND,
        "it waits no more for a partition that has gone: its new owner begins at once"
    );
}

#[tokio::test(start_paused = true)]
async fn the_message_in_hand_is_the_next_offset_and_counts_as_lag() {
    let embedded = brokers(1).await;
    append_batch(&embedded, "t", 0, 0..10);
    let mq = mq(&embedded);
    let consumer = mq.consumer().unwrap();
    let begun = Arc::new(AtomicBool::new(false));
    let noted = Arc::clone(&begun);
    let handler = move |_: Message| {
        noted.store(true, Ordering::SeqCst);
        std::future::pending::<()>()
    };
    consumer.subscribe(["t"], handler).unwrap();
    until(|| begun.load(Ordering::SeqCst)).await;
    assert_eq!(consumer.current_offset(&tp(0)).await.unwrap(), Offset(0));
    assert_eq!(consumer.lag().await.unwrap(), 10);
    let error = consumer.close(3 * SECOND).await.unwrap_err();
    assert_eq!(error.to_string(), "TIMEOUT: a message in hand of t-0 did not end within 3s");
    assert_eq!(
        consumer.close(SECOND).await.unwrap_err().code(),
        Code::Timeout,
        "each time it is asked"
    );
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_fails_at_the_end_is_told() {
    let embedded = brokers(1).await;
    append(&embedded, "t", 0, 0..3);
    let mq = mq(&embedded);
    let picky = Picky { fails_on: "none", ..Picky::default() };
    mq.consumer().unwrap().subscribe(["t"], picky.clone()).unwrap();
    picky.seen.wait_for(3).await;
    embedded.fault(
        Fault::on(ApiKey::OffsetCommit)
            .then(Reaction::Answer(BrokerCode::GroupAuthorizationFailed)),
    );
    assert_eq!(
        mq.consumer().unwrap().close(10 * SECOND).await.unwrap_err().code(),
        Code::AuthorizationFailed
    );
}

#[tokio::test(start_paused = true)]
async fn no_duration_is_too_long() {
    let embedded = brokers(1).await;
    append(&embedded, "t", 0, 0..3);
    let mut config = config(&embedded);
    config.monitoring.metrics_interval = Duration::MAX;
    config.monitoring.health_timeout = Duration::MAX;
    config.pool.health_check_interval = Duration::MAX;
    config.connection.read_timeout = Duration::MAX;
    config.producer.delivery_timeout = Duration::from_millis(i32::MAX as u64);
    let mq = Mq::new(config).unwrap();
    let picky = Picky { fails_on: "1", ..Picky::default() };
    let policy = FailurePolicy::retry(1).backoff(Duration::MAX, Duration::MAX);
    mq.consumer()
        .unwrap()
        .subscribe_with(["t"], HandlerOptions::new().on_failure(policy), picky.clone())
        .unwrap();
    until(|| picky.calls.load(Ordering::SeqCst) == 1).await;
    mq.ping().await.unwrap();
    assert!(mq.health().check().await.is_healthy());
    mq.admin().list_topics().await.unwrap();
    tokio::time::sleep(6 * SECOND).await;
    assert_eq!(embedded.committed("g", "t", 0), Some(1), "the housekeeping lives");
    mq.consumer().unwrap().close(Duration::MAX).await.unwrap();
    mq.close_within(Duration::MAX).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_message_too_large_for_its_dead_letter_topic_is_told_and_goes_there_without_its_value() {
    let embedded = brokers(1).await;
    embedded.set_topic_config("dead", "max.message.bytes", "1000");
    let large = "7".repeat(2000);
    for value in ["1", &large, "2"] {
        embedded.append("t", 0, &[(Some(b"key"), Some(value.as_bytes()))]).unwrap();
    }
    for stops in [true, false] {
        let mq = mq(&embedded);
        let consumer = mq.consumer().unwrap();
        let picky = Picky {
            fails_on: Box::leak(large.clone().into_boxed_str()),
            stops,
            ..Picky::default()
        };
        consumer.subscribe_with(["t"], to_dead_letters("dead"), picky.clone()).unwrap();
        if stops {
            consumer.stopped().await;
        } else {
            until(|| picky.seen.of(0).last() == Some(&2)).await;
        }
        let told = picky.told.lock().unwrap().clone();
        let [(Some(partition), error)] = &told[..] else { panic!("{told:?}") };
        assert_eq!((partition, error.code()), (&tp(0), Code::MessageTooLarge), "{error}");
        mq.close().await.unwrap();
        let (committed, letters) = if stops { (Some(1), 0) } else { (Some(3), 1) };
        assert_eq!(
            (embedded.committed("g", "t", 0), log(&embedded, "dead", 0).len()),
            (committed, letters)
        );
    }
    let letters = embedded.log("dead", 0);
    let letter = &letters[0].records().unwrap()[0];
    assert_eq!((letter.key, letter.value), (Some(&b"key"[..]), None));
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_close_its_own_consumer() {
    let embedded = brokers(1).await;
    append(&embedded, "t", 0, 0..3);
    let mq = mq(&embedded);
    let consumer = mq.consumer().unwrap();
    let took = Arc::new(Mutex::new(Vec::new()));
    let handler = {
        let (consumer, took) = (consumer.clone(), Arc::clone(&took));
        move |_: Message| {
            let (consumer, took) = (consumer.clone(), Arc::clone(&took));
            async move {
                // Not at its first step either.
                tokio::task::yield_now().await;
                let begun = crate::runtime::now();
                consumer.close(30 * SECOND).await.unwrap();
                took.lock().unwrap().push(crate::runtime::now() - begun);
            }
        }
    };
    consumer.subscribe(["t"], handler).unwrap();
    let begun = crate::runtime::now();
    consumer.stopped().await;
    assert!(crate::runtime::now() - begun < 10 * SECOND, "{:?}", crate::runtime::now() - begun);
    assert_eq!(*took.lock().unwrap(), [Duration::ZERO]);
    assert_eq!(embedded.committed("g", "t", 0), Some(1), "the message in hand is done");
    consumer.close(SECOND).await.unwrap();
}
