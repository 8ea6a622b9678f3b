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
async fn send_all_tells_which_records_failed_by_their_places() {
    let embedded = brokers(1).await;
    embedded.create_topic("u", 1, 1).unwrap();
    let client = client(&embedded);
    let producer = client.producer(ProducerConfig::new().linger(Duration::from_secs(1))).unwrap();
    all(vec![
        producer.send(to(0).value("0")).await.unwrap(),
        producer.send(Record::to("u").value("0")).await.unwrap(),
    ])
    .await;
    embedded.fault(
        Fault::on(ApiKey::Produce)
            .topic("u")
            .then(Reaction::Answer(Code::TopicAuthorizationFailed)),
    );
    // Another's record stands in the same batch, between two of the call.
    let records = (0..6).map(|place| match place {
        1 | 4 | 5 => Record::to("u").value("refused"),
        2 => {
            drop(producer.try_send(Record::to("u").value("another's")).unwrap());
            to(0).value("written")
        }
        _ => to(0).value("written"),
    });
    let mut deliveries = producer.send_all(records).await;
    assert_eq!(deliveries.failures().count(), 0, "none is known to have failed");
    let first = (&mut deliveries).await.unwrap_err();
    assert_eq!(first.code(), Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED));
    let failed: Vec<_> =
        deliveries.failures().map(|(place, error)| (place, error.code())).collect();
    assert_eq!(failed, [1, 4, 5].map(|place| (place, Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED))));
    assert_eq!(deliveries.accepted(), 6);
}

#[tokio::test(start_paused = true)]
async fn send_all_counts_the_places_of_a_long_call() {
    let embedded = brokers(1).await;
    let producer = producer(&embedded, ProducerConfig::new().batch_size(200));
    all(send_numbers(&producer, 1, 0..1).await).await;
    let numbers = numbers(0..1_000);
    let fault = embedded.fault(
        Fault::on(ApiKey::Produce)
            .partition("t", 1)
            .then(Reaction::Answer(Code::TopicAuthorizationFailed)),
    );
    let is_refused = |place: usize| place >= 500 && place % 7 < 2;
    let records = numbers
        .iter()
        .enumerate()
        .map(|(place, number)| to(i32::from(is_refused(place))).value(number));
    let mut deliveries = producer.send_all(records).await;
    assert!((&mut deliveries).await.is_err());
    let failed = deliveries.failures().map(|(place, _)| usize::try_from(place).unwrap());
    assert_eq!(
        failed.collect::<Vec<_>>(),
        (0..1_000).filter(|place| is_refused(*place)).collect::<Vec<_>>()
    );
    embedded.remove_fault(fault);
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
