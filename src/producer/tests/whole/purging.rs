//! Records that are given up before their time: their verdicts, their memory, and who waits.

use super::*;
use crate::producer::Purge;

fn verdict(delivery: &Delivery) -> (ErrorKind, Option<Written>) {
    let error = delivery.try_get().expect("a verdict").expect_err("purged");
    (error.kind(), error.written())
}

const NOT_WRITTEN: (ErrorKind, Option<Written>) = (ErrorKind::Purged, Some(Written::No));
const MAYBE_WRITTEN: (ErrorKind, Option<Written>) = (ErrorKind::Purged, Some(Written::Maybe));

#[tokio::test(start_paused = true)]
async fn what_lingers_is_purged_and_what_comes_after_is_sent() {
    let embedded = brokers(1).await;
    let producer = producer(&embedded, ProducerConfig::new().linger(Duration::from_secs(60)));
    producer.send_all([to(0).value("0")]).await.accepted();
    producer.flush().await.unwrap();
    let purged = send_numbers(&producer, 0, 1..3).await;
    producer.purge(Purge::in_flight()).await.unwrap();
    assert!(purged[0].try_get().is_none(), "it is not in flight");
    producer.purge(Purge::queue()).await.unwrap();
    assert_eq!(verdict(&purged[0]), NOT_WRITTEN);
    assert_eq!(verdict(&purged[1]), NOT_WRITTEN);
    assert_eq!(producer.stats().memory_used, 0);
    let next = send_numbers(&producer, 0, 3..4).await;
    producer.flush().await.unwrap();
    all(next).await;
    assert_eq!(values(&embedded, 0), ["0", "3"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_silent_broker_has_is_purged_as_maybe_written_and_ends_a_flush() {
    let embedded = brokers(1).await;
    let producer = producer(&embedded, ProducerConfig::new());
    all(send_numbers(&producer, 0, 0..1).await).await;
    let fault = embedded.fault(Fault::on(ApiKey::Produce).then(Reaction::DropReply));
    let purged = send_numbers(&producer, 0, 1..2).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut flush = Box::pin(producer.flush());
    assert!(futures_util::poll!(&mut flush).is_pending());
    producer.purge(Purge::queue()).await.unwrap();
    assert!(futures_util::poll!(&mut flush).is_pending(), "nothing waits in the queue");
    producer.purge(Purge::all()).await.unwrap();
    assert_eq!(verdict(&purged[0]), MAYBE_WRITTEN);
    flush.await.unwrap();
    assert_eq!(producer.stats().memory_used, 0);
    embedded.remove_fault(fault);
    all(send_numbers(&producer, 0, 2..50).await).await;
    // The broker had written what it said nothing of.
    assert_eq!(values(&embedded, 0), numbers(0..50));
}

#[tokio::test(start_paused = true)]
async fn what_is_to_be_sent_again_is_purged_and_the_sequence_goes_on() {
    let embedded = brokers(1).await;
    let producer = producer(&embedded, ProducerConfig::new().batch_size(0));
    all(send_numbers(&producer, 0, 0..1).await).await;
    let fault =
        embedded.fault(Fault::on(ApiKey::Produce).then(Reaction::Answer(Code::NotEnoughReplicas)));
    let purged = send_numbers(&producer, 0, 1..20).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(producer.stats().retries > 0);
    producer.purge(Purge::all()).await.unwrap();
    embedded.remove_fault(fault);
    for delivery in &purged {
        assert_eq!(delivery.try_get().unwrap().unwrap_err().kind(), ErrorKind::Purged);
    }
    all(send_numbers(&producer, 0, 20..40).await).await;
    let mut expected = vec!["0".to_owned()];
    expected.extend(numbers(20..40));
    assert_eq!(values(&embedded, 0), expected);
}

#[tokio::test(start_paused = true)]
async fn a_send_that_waits_for_memory_goes_on() {
    let embedded = brokers(1).await;
    let config = ProducerConfig::new().buffer_memory(4_000).batch_size(1_000);
    let producer = producer(&embedded, config);
    all(send_numbers(&producer, 0, 0..1).await).await;
    let fault =
        embedded.fault(Fault::on(ApiKey::Produce).then(Reaction::Answer(Code::NotEnoughReplicas)));
    let value = [b'x'; 500];
    while producer.try_send(to(0).value(&value)).is_ok() {}
    let mut waiting = Box::pin(producer.send(to(0).value("next")));
    assert!(futures_util::poll!(&mut waiting).is_pending());
    let begun = runtime::now();
    producer.purge(Purge::all()).await.unwrap();
    embedded.remove_fault(fault);
    waiting.await.unwrap().await.unwrap();
    assert!(runtime::now() - begun < Duration::from_secs(1));
    assert_eq!(values(&embedded, 0), ["0", "next"]);
}

#[tokio::test(start_paused = true)]
async fn the_records_of_other_topics_are_spared() {
    let embedded = brokers(1).await;
    embedded.create_topic("u", 1, 1).unwrap();
    let producer = producer(&embedded, ProducerConfig::new().linger(Duration::from_secs(60)));
    let purged = producer.send(Record::to("u").value("x")).await.unwrap();
    let spared = producer.send(to(0).value("x")).await.unwrap();
    producer.purge(Purge::all().topics(["u"])).await.unwrap();
    assert_eq!(verdict(&purged), NOT_WRITTEN);
    producer.flush().await.unwrap();
    assert!(spared.try_get().unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn without_idempotence_what_is_purged_leaves_nothing_behind() {
    let embedded = brokers(1).await;
    let producer = producer(&embedded, ProducerConfig::new().acks(Acks::Leader).batch_size(0));
    all(send_numbers(&producer, 0, 0..1).await).await;
    let fault = embedded
        .fault(Fault::on(ApiKey::Produce).then(Reaction::DelayReply(Duration::from_secs(5))));
    let purged = send_numbers(&producer, 0, 1..20).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    producer.purge(Purge::all()).await.unwrap();
    embedded.remove_fault(fault);
    assert_eq!(verdict(&purged[0]), MAYBE_WRITTEN);
    assert_eq!(verdict(purged.last().unwrap()), NOT_WRITTEN);
    assert_eq!(producer.stats().memory_used, 0);
    all(send_numbers(&producer, 0, 20..21).await).await;
}

#[tokio::test(start_paused = true)]
async fn a_purge_that_meets_a_close_leaves_every_record_one_verdict() {
    let embedded = brokers(1).await;
    for closes_first in [false, true] {
        let producer = producer(&embedded, ProducerConfig::new());
        all(send_numbers(&producer, 0, 0..1).await).await;
        let fault = embedded.fault(Fault::on(ApiKey::Produce).then(Reaction::DropReply));
        let sent = send_numbers(&producer, 0, 1..2).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let other = producer.clone();
        let close = producer.close(Duration::from_secs(60));
        let begun = runtime::now();
        let (purged, closed) = if closes_first {
            let (closed, purged) = tokio::join!(close, other.purge(Purge::all()));
            (purged, closed)
        } else {
            tokio::join!(other.purge(Purge::all()), close)
        };
        purged.unwrap();
        closed.unwrap();
        assert!(runtime::now() - begun < Duration::from_secs(1), "nothing is left to wait for");
        assert_eq!(verdict(&sent[0]), MAYBE_WRITTEN);
        assert_eq!(other.purge(Purge::all()).await.unwrap_err().kind(), ErrorKind::Closed);
        embedded.remove_fault(fault);
    }
}

#[tokio::test(start_paused = true)]
async fn a_purge_dropped_midway_purges_nevertheless() {
    let embedded = brokers(1).await;
    let producer = producer(&embedded, ProducerConfig::new().linger(Duration::from_secs(60)));
    let delivery = producer.send(to(0).value("x")).await.unwrap();
    let dropped = tokio::time::timeout(Duration::ZERO, producer.purge(Purge::all())).await;
    assert!(dropped.is_err());
    assert_eq!(delivery.await.unwrap_err().kind(), ErrorKind::Purged);
}
