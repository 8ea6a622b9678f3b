//! What becomes of messages that a handler fails on, and of those that cannot be read.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::mq::{Code, DoNotRetry, Error, FailurePolicy, HandlerOptions};

/// A handler that fails on 3 as often as it is told.
fn failing_on_3(seen: &Seen, times: usize) -> impl crate::mq::Handler {
    let (seen, left) = (seen.clone(), AtomicUsize::new(times));
    move |message: Message| {
        let fails = message.text() == Some("3")
            && left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                .is_ok();
        if !fails {
            seen.add(&message);
        }
        std::future::ready(if fails { Err("three is no good") } else { Ok(()) })
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_message_is_tried_again_with_growing_pauses() {
    let embedded = brokers(1).await;
    append(&embedded, "t", 0, 0..6);
    let mq = mq(&embedded);
    let seen = Seen::default();
    let begun = crate::runtime::now();
    mq.consumer().unwrap().subscribe(["t"], failing_on_3(&seen, 3)).unwrap();
    seen.wait_for(6).await;
    assert_eq!(seen.of(0), numbers(0..6), "in order all the same");
    let waited = crate::runtime::now() - begun;
    assert!(waited >= Duration::from_millis(100 + 200 + 400), "{waited:?}");
    assert_eq!(mq.consumer().unwrap().metrics().failures, 3);
}

/// An error of a service, which says why.
#[derive(Debug)]
struct Because(DoNotRetry);

impl std::fmt::Display for Because {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "refused: {}", self.0)
    }
}

impl std::error::Error for Because {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_is_told_its_attempt_and_can_say_that_no_other_is_worth_it() {
    let embedded = brokers(1).await;
    append(&embedded, "t", 0, 0..4);
    let mq = mq(&embedded);
    let attempts: Arc<Mutex<Vec<(u32, u32)>>> = Arc::default();
    let noted = Arc::clone(&attempts);
    let handler = move |message: Message| {
        let number = message.text().unwrap().parse().unwrap();
        noted.lock().unwrap().push((number, message.attempt()));
        std::future::ready(match (number, message.attempt()) {
            (1, 1..=2) => Err("not yet".into()),
            (1, 3) => {
                Err(Box::new(DoNotRetry::new("never")) as Box<dyn std::error::Error + Send + Sync>)
            }
            (2, _) => Err(Box::new(Because(DoNotRetry::new("nor this"))) as _),
            _ => Ok(()),
        })
    };
    let policy = FailurePolicy::retry(9).then_dead_letter("dead");
    let options = HandlerOptions::new().on_failure(policy);
    mq.consumer().unwrap().subscribe_with(["t"], options, handler).unwrap();
    until(|| attempts.lock().unwrap().len() == 6).await;
    assert_eq!(*attempts.lock().unwrap(), [(0, 1), (1, 1), (1, 2), (1, 3), (2, 1), (3, 1)]);
    let whys: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = Arc::clone(&whys);
    let gravedigger = move |letter: Message| {
        let why = letter.last_header("kavka.dead-letter.error").unwrap().to_vec();
        noted.lock().unwrap().push(String::from_utf8(why).unwrap());
        std::future::ready(())
    };
    mq.consumer().unwrap().subscribe(["dead"], gravedigger).unwrap();
    until(|| whys.lock().unwrap().len() == 2).await;
    assert_eq!(*whys.lock().unwrap(), ["never", "refused: nor this"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_can_be_passed_over() {
    let embedded = brokers(1).await;
    append(&embedded, "t", 0, 0..6);
    let mq = mq(&embedded);
    let seen = Seen::default();
    let options = HandlerOptions::new().on_failure(FailurePolicy::skip());
    mq.consumer().unwrap().subscribe_with(["t"], options, failing_on_3(&seen, usize::MAX)).unwrap();
    seen.wait_for(5).await;
    assert_eq!(seen.of(0), [0, 1, 2, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_says_where_it_came_from_and_why() {
    let embedded = brokers(1).await;
    append(&embedded, "t", 2, 0..6);
    let mq = mq(&embedded);
    let seen = Seen::default();
    let policy = FailurePolicy::retry(1).then_dead_letter("dead");
    let options = HandlerOptions::new().on_failure(policy);
    mq.consumer().unwrap().subscribe_with(["t"], options, failing_on_3(&seen, usize::MAX)).unwrap();
    seen.wait_for(5).await;
    let letters: Arc<Mutex<Vec<Message>>> = Arc::default();
    let noted = Arc::clone(&letters);
    let gravedigger = move |letter: Message| {
        noted.lock().unwrap().push(letter);
        std::future::ready(())
    };
    mq.consumer().unwrap().subscribe(["dead"], gravedigger).unwrap();
    until(|| !letters.lock().unwrap().is_empty()).await;
    let letter = letters.lock().unwrap()[0].clone();
    assert_eq!(letter.text(), Some("3"));
    let text =
        |value: &Option<bytes::Bytes>| String::from_utf8(value.as_ref().unwrap().to_vec()).unwrap();
    let headers: Vec<_> =
        letter.headers.iter().map(|header| (header.name.clone(), text(&header.value))).collect();
    let expected = [
        ("kavka.dead-letter.topic", "t"),
        ("kavka.dead-letter.partition", "2"),
        ("kavka.dead-letter.offset", "3"),
        ("kavka.dead-letter.error", "three is no good"),
    ];
    assert_eq!(headers, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(mq.consumer().unwrap().metrics().dead_letters, 1);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_stops_at_a_failure_leaves_the_message_to_others() {
    let embedded = brokers(1).await;
    append(&embedded, "t", 0, 0..6);
    let first = mq(&embedded);
    let seen = Seen::default();
    let options = HandlerOptions::new().on_failure(FailurePolicy::stop());
    first
        .consumer()
        .unwrap()
        .subscribe_with(["t"], options, failing_on_3(&seen, usize::MAX))
        .unwrap();
    first.consumer().unwrap().stopped().await;
    first.close().await.unwrap();
    let (second, rest) = (mq(&embedded), Seen::default());
    second.consumer().unwrap().subscribe(["t"], noting(&rest)).unwrap();
    rest.wait_for(3).await;
    assert_eq!((seen.of(0), rest.of(0)), (numbers(0..3), numbers(3..6)));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_takes_too_long_has_failed() {
    let embedded = brokers(1).await;
    append(&embedded, "t", 0, 0..2);
    let mut config = config(&embedded);
    config.consumer.max_poll_interval = Duration::from_secs(20);
    let mq = Mq::new(config).unwrap();
    let seen = Seen::default();
    let noted = seen.clone();
    let handler = move |message: Message| {
        let noted = noted.clone();
        async move {
            if message.text() == Some("0") {
                std::future::pending::<()>().await;
            }
            noted.add(&message);
        }
    };
    let options = HandlerOptions::new().on_failure(FailurePolicy::skip());
    mq.consumer().unwrap().subscribe_with(["t"], options, handler).unwrap();
    seen.wait_for(1).await;
    assert_eq!(seen.of(0), [1]);
}

#[tokio::test(start_paused = true)]
async fn what_comes_before_damage_is_handled_and_nothing_behind_it() {
    let embedded = brokers(1).await;
    append_batch(&embedded, "t", 0, 0..4);
    append_batch(&embedded, "t", 0, 4..8);
    let mut damaged = embedded.log("t", 0)[1].bytes.to_vec();
    *damaged.last_mut().unwrap() ^= 0xff;
    damaged[..8].copy_from_slice(&8_i64.to_be_bytes());
    embedded.append_raw("t", 0, &damaged);
    append_batch(&embedded, "t", 0, 12..16);
    let mq = mq(&embedded);
    let (seen, told): (_, Arc<Mutex<Vec<Error>>>) = (Seen::default(), Arc::default());
    let (noted, noted_errors) = (seen.clone(), Arc::clone(&told));
    let handler = crate::mq::callback(move |message: Option<Message>, _, error| {
        message.iter().for_each(|message| noted.add(message));
        noted_errors.lock().unwrap().extend(error);
        true
    });
    mq.consumer().unwrap().subscribe(["t"], handler).unwrap();
    until(|| !told.lock().unwrap().is_empty()).await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(seen.of(0), numbers(0..8));
    assert_eq!(committed(&mq.consumer().unwrap(), 0).await, Some(8));
    assert_eq!(told.lock().unwrap().len(), 1);
    mq.consumer().unwrap().seek(&tp(0), 12).unwrap();
    seen.wait_for(12).await;
    assert_eq!(seen.of(0)[8..], numbers(12..16));
}

#[tokio::test(start_paused = true)]
async fn an_error_of_a_partition_is_told_to_its_handler() {
    let embedded = brokers(1).await;
    append(&embedded, "t", 0, 0..1);
    let mut config = config(&embedded);
    config.consumer.auto_offset_reset = crate::consumer::AutoOffsetReset::None;
    let mq = Mq::new(config).unwrap();
    let told: Arc<Mutex<Vec<(Option<TopicPartition>, Error)>>> = Arc::default();
    let noted = Arc::clone(&told);
    let handler = crate::mq::callback(move |_, partition, error| {
        noted.lock().unwrap().extend(error.map(|error| (partition, error)));
        true
    });
    mq.consumer().unwrap().subscribe(["t"], handler).unwrap();
    until(|| told.lock().unwrap().len() >= 3).await;
    let told = told.lock().unwrap();
    assert!(told.iter().all(|(_, error)| error.code() == Code::InvalidOffset), "{told:?}");
    let partitions: BTreeSet<_> =
        told.iter().filter_map(|(partition, _)| partition.clone()).collect();
    assert_eq!(partitions, (0..3).map(tp).collect());
}

#[cfg(feature = "json")]
#[tokio::test(start_paused = true)]
async fn json_is_read_for_a_typed_handler_and_what_is_none_is_not_tried_again() {
    let embedded = brokers(1).await;
    append(&embedded, "t", 0, 0..1);
    embedded.append("t", 0, &[(None, Some(b"{no json"))]).unwrap();
    append(&embedded, "t", 0, 2..3);
    let mq = mq(&embedded);
    let seen: Arc<Mutex<Vec<u64>>> = Arc::default();
    let noted = Arc::clone(&seen);
    let handler = crate::mq::json(move |number: u64, message: Message| {
        assert!(message.offset.is_some());
        noted.lock().unwrap().push(number);
        std::future::ready(crate::mq::Outcome::Continue)
    });
    let options =
        HandlerOptions::new().on_failure(FailurePolicy::retry(5).then_dead_letter("dead"));
    mq.consumer().unwrap().subscribe_with(["t"], options, handler).unwrap();
    until(|| seen.lock().unwrap().len() == 2).await;
    assert_eq!(*seen.lock().unwrap(), [0, 2]);
    assert_eq!(mq.consumer().unwrap().metrics().failures, 1);
    assert_eq!(log(&embedded, "dead", 0), ["{no json"]);
}
