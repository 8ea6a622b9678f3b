//! Messages that are tried again later, from other topics.

use std::collections::BTreeMap;

use super::*;
use crate::client::Client;
use crate::clock::WallClock;
use crate::ids::{Offset, Timestamp};
use crate::mq::{Code, DoNotRetry, FailurePolicy, HandlerOptions};

const MINUTE: Duration = Duration::from_secs(60);

/// A consumer whose clock goes with that of the test.
fn consumer(embedded: &EmbeddedCluster, clock: &WallClock) -> Consumer {
    let config = config(embedded);
    let mut client = config.client().unwrap();
    client.wall_clock = Some(clock.clone());
    let client = Client::new(client).unwrap();
    Consumer::on(&client, &config, Some(client.clone())).unwrap()
}

fn clock() -> WallClock {
    let began = crate::runtime::now();
    WallClock::from_fn(move || {
        let elapsed = (crate::runtime::now() - began).as_millis();
        Timestamp(1_700_000_000_000 + i64::try_from(elapsed).unwrap())
    })
}

async fn with_retry_topics() -> EmbeddedCluster {
    let embedded = brokers(1).await;
    embedded.create_topic("r1", 2, 1).unwrap();
    embedded.create_topic("r2", 1, 1).unwrap();
    embedded
}

fn policy() -> FailurePolicy {
    FailurePolicy::retry(1)
        .backoff(SECOND / 100, SECOND)
        .then_retry_topics([("r1", MINUTE), ("r2", 10 * MINUTE)])
        .then_dead_letter("dead")
}

/// What a handler was called with, and after how many seconds.
type Calls = Arc<Mutex<Vec<(u64, Message)>>>;

/// Notes what comes, and fails on 3.
fn failing_on_3(calls: &Calls) -> impl crate::mq::Handler + use<> {
    let (calls, began) = (Arc::clone(calls), crate::runtime::now());
    move |message: Message| {
        let fails = message.text() == Some("3");
        calls.lock().unwrap().push(((crate::runtime::now() - began).as_secs(), message));
        std::future::ready(if fails { Err("three is no good") } else { Ok(()) })
    }
}

fn headers(message: &Message) -> BTreeMap<&str, String> {
    let text = |value: &bytes::Bytes| String::from_utf8(value.to_vec()).unwrap();
    let headers = message.headers.iter();
    headers.map(|header| (header.name.as_str(), text(header.value.as_ref().unwrap()))).collect()
}

#[tokio::test(start_paused = true)]
async fn a_message_is_tried_again_later_from_other_topics_while_its_partition_goes_on() {
    let (embedded, clock) = (with_retry_topics().await, clock());
    append(&embedded, "t", 0, 0..6);
    let consumer = consumer(&embedded, &clock);
    let calls = Calls::default();
    let options = HandlerOptions::new().on_failure(policy());
    consumer.subscribe_with(["t"], options, failing_on_3(&calls)).unwrap();
    tokio::time::sleep(20 * SECOND).await;
    let of_topic = |topic: &str| {
        let calls = calls.lock().unwrap();
        let of_topic = calls.iter().filter(|(_, message)| message.topic.as_str() == topic);
        of_topic.map(|(at, message)| (*at, message.clone())).collect::<Vec<_>>()
    };
    let in_place: Vec<_> = of_topic("t")
        .iter()
        .map(|(_, message)| (message.text().unwrap().to_owned(), message.attempt()))
        .collect();
    let expected = [("0", 1), ("1", 1), ("2", 1), ("3", 1), ("3", 2), ("4", 1), ("5", 1)];
    assert_eq!(in_place, expected.map(|(text, attempt)| (text.to_owned(), attempt)));
    assert_eq!(committed(&consumer, 0).await, Some(6), "it waits for nothing");
    tokio::time::sleep(12 * MINUTE).await;

    let [(first_at, first)] = &of_topic("r1")[..] else { panic!("once in the first") };
    let [(second_at, second)] = &of_topic("r2")[..] else { panic!("once in the second") };
    assert!((60..75).contains(first_at), "{first_at}");
    assert!((first_at + 600..first_at + 615).contains(second_at), "{second_at}");
    assert_eq!((first.attempt(), second.attempt()), (3, 4));
    let told = headers(first);
    let expected = [
        ("kavka.retry.attempt", "2"),
        ("kavka.retry.error", "three is no good"),
        ("kavka.retry.offset", "3"),
        ("kavka.retry.partition", "0"),
        ("kavka.retry.topic", "t"),
    ];
    for (name, value) in expected {
        assert_eq!(told[name], value, "{name}");
    }
    assert!(told["kavka.retry.timestamp"].parse::<i64>().is_ok());
    let of_second = headers(second);
    assert_eq!(second.headers.len(), of_second.len(), "no header of the way before is left");
    assert_eq!(of_second["kavka.retry.attempt"], "3");
    assert_eq!(of_second["kavka.retry.topic"], "t");
    assert_eq!(of_second["kavka.retry.timestamp"], told["kavka.retry.timestamp"]);

    let letters = Calls::default();
    consumer.subscribe(["dead"], failing_on_3(&letters)).unwrap();
    until(|| !letters.lock().unwrap().is_empty()).await;
    let letter = letters.lock().unwrap()[0].1.clone();
    let told: Vec<_> = headers(&letter).into_iter().collect();
    let expected = [
        ("kavka.dead-letter.error", "three is no good"),
        ("kavka.dead-letter.offset", "3"),
        ("kavka.dead-letter.partition", "0"),
        ("kavka.dead-letter.topic", "t"),
    ];
    assert_eq!(told, expected.map(|(name, value)| (name, value.to_owned())));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_due_holds_no_worker_and_is_there_for_the_next() {
    let (embedded, clock) = (with_retry_topics().await, clock());
    append(&embedded, "t", 0, 3..4);
    let first = consumer(&embedded, &clock);
    let calls = Calls::default();
    let options = || HandlerOptions::new().on_failure(policy());
    first.subscribe_with(["t"], options(), failing_on_3(&calls)).unwrap();
    tokio::time::sleep(20 * SECOND).await;
    append(&embedded, "t", 1, 7..9);
    until(|| calls.lock().unwrap().len() == 4).await;
    // Whatever the user wants of it meanwhile.
    let waiting: Vec<_> = [0, 1].map(|partition| TopicPartition::new("r1", partition)).into();
    first.resume(&waiting).unwrap();
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(calls.lock().unwrap().len(), 4);
    let begun = crate::runtime::now();
    first.close(10 * SECOND).await.unwrap();
    assert!(crate::runtime::now() - begun < SECOND, "nothing is in hand");

    let second = consumer(&embedded, &clock);
    let calls = Calls::default();
    second.subscribe_with(["t"], options(), failing_on_3(&calls)).unwrap();
    until(|| !calls.lock().unwrap().is_empty()).await;
    let called = calls.lock().unwrap()[0].1.clone();
    assert_eq!((called.topic.as_str(), called.attempt()), ("r1", 3));
    let age = clock.now().0 - called.timestamp.unwrap().0;
    assert!(age >= 60_000, "{age}");
    // What was not due is gone for nobody: a seek goes there at once.
    assert_eq!(called.offset, Some(Offset(0)));
}

#[tokio::test(start_paused = true)]
async fn an_error_that_no_attempt_mends_goes_by_no_retry_topic() {
    let (embedded, clock) = (with_retry_topics().await, clock());
    append(&embedded, "t", 0, 0..1);
    let consumer = consumer(&embedded, &clock);
    let options = HandlerOptions::new().on_failure(policy());
    let handler = async |_: Message| Err::<(), _>(DoNotRetry::new("never"));
    consumer.subscribe_with(["t"], options, handler).unwrap();
    until(|| !log(&embedded, "dead", 0).is_empty()).await;
    assert!(log(&embedded, "r1", 0).is_empty() && log(&embedded, "r1", 1).is_empty());
}

#[tokio::test(start_paused = true)]
async fn retry_topics_belong_to_one_handler_and_keep_no_order_by_key() {
    let (embedded, clock) = (with_retry_topics().await, clock());
    let consumer = consumer(&embedded, &clock);
    let handler = async |_: Message| {};
    let options = HandlerOptions::new().on_failure(policy());
    let refused = |options: HandlerOptions, topic: &'static str| {
        consumer.subscribe_with([topic], options, handler).unwrap_err().code()
    };
    assert_eq!(refused(options.clone().ordered_by_key(2), "t"), Code::InvalidConfig);
    consumer.subscribe_with(["t"], options.clone(), handler).unwrap();
    assert_eq!(refused(options, "u"), Code::InvalidConfig);
    assert_eq!(refused(HandlerOptions::new(), "r2"), Code::InvalidConfig);
}
