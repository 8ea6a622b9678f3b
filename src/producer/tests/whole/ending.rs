//! Flush, close, drop, and many records in one call.

use super::*;

#[tokio::test(start_paused = true)]
async fn flush_does_not_linger_and_dropped_midway_changes_nothing() {
    let embedded = brokers(1).await;
    let producer = producer(&embedded, ProducerConfig::new().linger(Duration::from_secs(60)));
    let begun = tokio::time::Instant::now();
    let first = producer.send(to(0).value("x")).await.unwrap();
    assert!(tokio::time::timeout(Duration::ZERO, producer.flush()).await.is_err());
    producer.flush().await.unwrap();
    assert!(first.try_get().unwrap().is_ok());
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn close_sends_what_was_accepted_and_refuses_what_comes() {
    let embedded = brokers(1).await;
    let producer = producer(&embedded, ProducerConfig::new().linger(Duration::from_secs(60)));
    let delivery = producer.send(to(0).value("x")).await.unwrap();
    let other = producer.clone();
    producer.close(Duration::from_secs(5)).await.unwrap();
    assert!(delivery.try_get().unwrap().is_ok());
    assert_eq!(other.send(to(0).value("y")).await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(other.flush().await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(values(&embedded, 0), ["x"]);
}

#[tokio::test(start_paused = true)]
async fn close_gives_up_at_its_timeout_and_says_what_may_have_been_written() {
    let embedded = brokers(1).await;
    let producer = producer(&embedded, ProducerConfig::new());
    all(send_numbers(&producer, 0, 0..1).await).await;
    embedded.fault(Fault::on(ApiKey::Produce).then(Reaction::DropReply));
    let sent = producer.send(to(0).value("sent")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(
        producer.close(Duration::from_secs(3)).await.unwrap_err().kind(),
        ErrorKind::Timeout
    );
    let error = sent.await.unwrap_err();
    assert_eq!((error.kind(), error.written()), (ErrorKind::Closed, Some(Written::Maybe)));
}

#[tokio::test(start_paused = true)]
async fn close_dropped_midway_still_sends() {
    let embedded = brokers(1).await;
    let producer = producer(&embedded, ProducerConfig::new());
    let delivery = producer.send(to(0).value("x")).await.unwrap();
    let other = producer.clone();
    assert!(
        tokio::time::timeout(Duration::ZERO, producer.close(Duration::from_secs(5))).await.is_err()
    );
    delivery.await.unwrap();
    drop(other);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_producer_ends_its_deliveries() {
    let embedded = brokers(1).await;
    let producer = producer(&embedded, ProducerConfig::new().linger(Duration::from_secs(60)));
    let open = producer.send(to(0).value("x")).await.unwrap();
    drop(producer);
    assert_eq!(open.await.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test(start_paused = true)]
async fn send_all_keeps_the_order_and_tells_when_all_is_written() {
    let embedded = brokers(1).await;
    let producer = producer(&embedded, ProducerConfig::new().batch_size(500));
    let numbers = numbers(0..1000);
    let deliveries = producer.send_all(numbers.iter().map(|number| to(2).value(number))).await;
    assert_eq!(deliveries.accepted(), 1000);
    deliveries.await.unwrap();
    assert_eq!(values(&embedded, 2), numbers);
}

#[tokio::test(start_paused = true)]
async fn send_all_stops_at_a_record_that_is_refused() {
    let embedded = brokers(1).await;
    let producer = producer(&embedded, ProducerConfig::new());
    let records = [to(0).value("a"), to(0).value("b"), to(9).value("c"), to(0).value("d")];
    let deliveries = producer.send_all(records).await;
    assert_eq!(deliveries.accepted(), 2);
    assert_eq!(deliveries.await.unwrap_err().code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    assert_eq!(values(&embedded, 0), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn send_all_dropped_midway_has_sent_the_first_ones() {
    let embedded = brokers(1).await;
    let producer =
        producer(&embedded, ProducerConfig::new().buffer_memory(4_000).batch_size(1_000));
    all(send_numbers(&producer, 0, 0..1).await).await;
    let numbers = numbers(1..1000);
    let dropped = tokio::time::timeout(
        Duration::ZERO,
        producer.send_all(numbers.iter().map(|number| to(0).value(number))),
    )
    .await;
    assert!(dropped.is_err(), "there is no room for all");
    producer.flush().await.unwrap();
    let values = values(&embedded, 0);
    assert!(values.len() > 1 && values.len() < 1000);
    assert_eq!(values[1..], numbers[..values.len() - 1]);
}
