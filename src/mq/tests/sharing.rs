//! Handlers on a share group.

use super::*;
use crate::mq::{Code, FailurePolicy, ShareConsumer, ShareHandlerOptions};

/// Brokers whose share groups begin where topics do.
async fn sharing() -> EmbeddedCluster {
    let embedded = brokers(1).await;
    embedded.set_group_config("g", "share.auto.offset.reset", "earliest");
    embedded
}

/// What is not done of the group.
async fn left(embedded: &EmbeddedCluster, topic: &str) -> Vec<u32> {
    let client = mq(embedded).client().clone();
    let mut consumer = client.share_consumer(crate::ShareConsumerConfig::new("g")).unwrap();
    consumer.subscribe([topic]).unwrap();
    let mut left = Vec::new();
    while let Ok(received) = tokio::time::timeout(10 * SECOND, consumer.recv()).await {
        let value = received.unwrap().value().unwrap().to_vec();
        left.push(String::from_utf8(value).unwrap().parse().unwrap());
    }
    left.sort_unstable();
    left
}

/// A handler that takes its time, and notes what comes for the first time.
fn slow(seen: &Seen, pause: Duration) -> impl crate::mq::Handler {
    let seen = seen.clone();
    move |message: Message| {
        let seen = seen.clone();
        async move {
            tokio::time::sleep(pause).await;
            assert_eq!(message.attempt(), 1, "its lock was lost");
            seen.add(&message);
        }
    }
}

fn workers(mq: &Mq) -> ShareConsumer {
    mq.share_consumer().unwrap()
}

#[tokio::test(start_paused = true)]
async fn more_workers_than_partitions_share_them_and_each_message_is_done_once() {
    let embedded = sharing().await;
    // A topic of one partition.
    append(&embedded, "dead", 0, 0..60);
    let seen = Seen::default();
    let services: Vec<_> = (0..3).map(|_| mq(&embedded)).collect();
    for service in &services {
        let handler = slow(&seen, SECOND);
        let options = ShareHandlerOptions::new().at_once(4);
        workers(service).subscribe_with(["dead"], options, handler).unwrap();
    }
    let begun = tokio::time::Instant::now();
    seen.wait_for(60).await;
    // One at a time they would need a minute; twelve at a time 5 s, and a few to join.
    assert!(begun.elapsed() < 20 * SECOND, "{:?}", begun.elapsed());
    for service in &services {
        let done = workers(service).metrics().messages;
        assert!(done >= 8, "each has its share: {done}");
        service.close().await.unwrap();
    }
    let mut all = seen.of(0);
    all.sort_unstable();
    assert_eq!(all, numbers(0..60));
    assert_eq!(left(&embedded, "dead").await, numbers(0..0));
}

#[tokio::test(start_paused = true)]
async fn what_fails_comes_again_by_the_brokers_count_and_ends_as_a_dead_letter() {
    let embedded = sharing().await;
    append(&embedded, "t", 0, 0..3);
    let mq = mq(&embedded);
    let attempts = Arc::new(Mutex::new(Vec::new()));
    let tried = Arc::clone(&attempts);
    let handler = move |message: Message| {
        let is_bad = message.text() == Some("1");
        if is_bad {
            tried.lock().unwrap().push(message.attempt());
        }
        std::future::ready(if is_bad { Err("bad") } else { Ok(()) })
    };
    let policy = FailurePolicy::retry(2).then_dead_letter("dead");
    let options = ShareHandlerOptions::new().on_failure(policy);
    workers(&mq).subscribe_with(["t"], options, handler).unwrap();
    until(|| !log(&embedded, "dead", 0).is_empty()).await;
    mq.close().await.unwrap();
    assert_eq!(*attempts.lock().unwrap(), [1, 2, 3]);
    assert_eq!(log(&embedded, "dead", 0), ["1"]);
    assert_eq!(left(&embedded, "t").await, numbers(0..0));
    let metrics = workers(&mq).metrics();
    assert_eq!((metrics.messages, metrics.failures, metrics.dead_letters), (2, 3, 1));
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_take_longer_than_the_lock_also_for_what_waits() {
    let embedded = sharing().await;
    append(&embedded, "t", 0, 0..4);
    let mq = mq(&embedded);
    let seen = Seen::default();
    let handler = slow(&seen, 100 * SECOND);
    workers(&mq).subscribe(["t"], handler).unwrap();
    tokio::time::sleep(500 * SECOND).await;
    mq.close().await.unwrap();
    assert_eq!(seen.of(0), numbers(0..4));
    assert_eq!(left(&embedded, "t").await, numbers(0..0));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_is_busy_keeps_few_messages_from_others_and_stays_a_member() {
    let embedded = sharing().await;
    append(&embedded, "t", 0, 0..100);
    let mut config = config(&embedded);
    config.consumer.max_poll_interval = 60 * SECOND;
    let mq = Mq::new(config).unwrap();
    // It is given up, and its letter waits for a topic that is not there.
    let policy = FailurePolicy::dead_letter("nowhere");
    let options = ShareHandlerOptions::new().on_failure(policy);
    workers(&mq).subscribe_with(["t"], options, async |_: Message| Err::<(), _>("no")).unwrap();
    tokio::time::sleep(400 * SECOND).await;
    let partition = embedded.share_partition("g", "t", 0).unwrap();
    let locked = partition.records.iter().filter(|one| one.member.is_some()).count();
    assert!((1..=4).contains(&locked), "{locked}");
    assert_eq!(partition.records[0].delivery_count, 1, "it is held all the time");
    mq.close_within(SECOND).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_stops_leaves_its_message_to_others() {
    let embedded = sharing().await;
    append(&embedded, "t", 0, 0..1);
    let first = mq(&embedded);
    let options = ShareHandlerOptions::new().on_failure(FailurePolicy::stop());
    let consumer = workers(&first);
    consumer.subscribe_with(["t"], options, async |_: Message| Err::<(), _>("no")).unwrap();
    tokio::time::timeout(60 * SECOND, consumer.stopped()).await.unwrap();
    let seen = Seen::default();
    let second = mq(&embedded);
    workers(&second).subscribe(["t"], noting(&seen)).unwrap();
    seen.wait_for(1).await;
    second.close().await.unwrap();
    first.close().await.unwrap();
    let closed = consumer.subscribe(["u"], noting(&seen)).unwrap_err();
    assert_eq!(closed.code(), Code::ConsumerClosed);
}

#[tokio::test(start_paused = true)]
async fn closing_finishes_what_is_in_hand_and_releases_what_waits() {
    let embedded = sharing().await;
    append(&embedded, "t", 0, 0..8);
    let mq = mq(&embedded);
    let seen = Seen::default();
    let handler = slow(&seen, 2 * SECOND);
    workers(&mq).subscribe(["t"], handler).unwrap();
    seen.wait_for(1).await;
    tokio::time::sleep(SECOND).await;
    mq.close().await.unwrap();
    assert_eq!(seen.of(0), numbers(0..2), "the second was in hand");
    assert_eq!(left(&embedded, "t").await, numbers(2..8));
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_a_share_group_is_refused() {
    let embedded = sharing().await;
    let mq = mq(&embedded);
    let seen = Seen::default();
    let consumer = workers(&mq);
    consumer.subscribe(["t"], noting(&seen)).unwrap();
    let code = |refused: crate::mq::Result<()>| refused.unwrap_err().code();
    assert_eq!(code(consumer.subscribe(["t"], noting(&seen))), Code::InvalidConfig);
    assert_eq!(code(consumer.subscribe(["not a name"], noting(&seen))), Code::InvalidConfig);
    let policy = FailurePolicy::retry(1).then_retry_topics([("later", SECOND)]);
    let options = ShareHandlerOptions::new().on_failure(policy);
    assert_eq!(code(consumer.subscribe_with(["u"], options, noting(&seen))), Code::InvalidConfig);
    mq.close().await.unwrap();
}
