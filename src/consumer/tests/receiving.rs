//! What an application sees while nothing fails.

use std::pin::pin;
use std::sync::atomic::Ordering;

use super::*;
use crate::consumer::position::FetchState;

#[tokio::test(start_paused = true)]
async fn assigned_partitions_come_whole_and_in_order() {
    let embedded = brokers(3).await;
    for partition in 0..3 {
        append(&embedded, partition, 0..50);
    }
    let client = client(&embedded);
    let mut consumer = client.consumer(from_earliest()).unwrap();
    consumer.assign((0..3).map(tp)).unwrap();

    let mut seen = [0_u32; 3];
    for _ in 0..150 {
        let (partition, offset, value) = next(&mut consumer).await.unwrap();
        let expected = &mut seen[usize::try_from(partition).unwrap()];
        assert_eq!((value, offset), (*expected, i64::from(*expected)));
        *expected += 1;
    }
    assert!(nothing_comes(&mut consumer).await);
    append(&embedded, 1, 50..51);
    assert_eq!(next(&mut consumer).await.unwrap(), (1, 50, 50));
}

#[tokio::test(start_paused = true)]
async fn latest_delivers_only_what_comes_later() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..5);
    let mut consumer = client(&embedded).consumer(ConsumerConfig::new()).unwrap();
    consumer.assign([tp(0)]).unwrap();
    assert_eq!(consumer.position(&tp(0)).await.unwrap(), Offset(5));
    append(&embedded, 0, 5..6);
    assert_eq!(values(&mut consumer, 1).await, [5]);
}

#[tokio::test(start_paused = true)]
async fn seek_moves_one_partition_and_keeps_what_is_buffered_of_others() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..10);
    append(&embedded, 1, 100..110);
    let mut consumer = client(&embedded).consumer(from_earliest()).unwrap();
    consumer.assign([tp(0), tp(1)]).unwrap();
    next(&mut consumer).await.unwrap();
    consumer.seek(&tp(0), 7).unwrap();
    assert_eq!(consumer.position(&tp(0)).await.unwrap(), Offset(7));

    let (mut zero, mut one) = (Vec::new(), 0);
    for _ in 0..12 {
        match next(&mut consumer).await.unwrap() {
            (0, offset, _) => zero.push(offset),
            _ => one += 1,
        }
    }
    assert_eq!(zero, [7, 8, 9]);
    assert!(one >= 9);
}

#[tokio::test(start_paused = true)]
async fn seek_into_a_batch_begins_at_the_very_record() {
    let embedded = brokers(1).await;
    append_batch(&embedded, 0, 0..10);
    let mut consumer = client(&embedded).consumer(from_earliest()).unwrap();
    consumer.assign([tp(0)]).unwrap();
    consumer.seek(&tp(0), 6).unwrap();
    assert_eq!(next(&mut consumer).await.unwrap(), (0, 6, 6));
    consumer.seek(&tp(0), 3).unwrap();
    let batch = consumer.next_batch().await.unwrap();
    assert_eq!(
        batch.iter().map(|record| record.offset().0).collect::<Vec<_>>(),
        [3, 4, 5, 6, 7, 8, 9]
    );
    assert_eq!(consumer.position(&tp(0)).await.unwrap(), Offset(10));
}

#[cfg(feature = "mq")]
#[tokio::test(start_paused = true)]
async fn batch_from_before_a_seek_or_a_revocation_is_not_current() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..2);
    append(&embedded, 1, 10..12);
    let mut consumer = client(&embedded).consumer(from_earliest()).unwrap();
    consumer.assign([tp(0)]).unwrap();
    let batch = consumer.next_batch().await.unwrap();
    consumer.handle().pause([&tp(0)]).unwrap();
    assert!(batch.is_current());
    consumer.handle().seek(&tp(0), 0).unwrap();
    assert!(!batch.is_current());
    consumer.assign([tp(1)]).unwrap();
    let batch = consumer.next_batch().await.unwrap();
    assert!(batch.is_current());
    consumer.assign([tp(0)]).unwrap();
    assert!(!batch.is_current());
}

#[tokio::test(start_paused = true)]
async fn batch_is_bounded_by_max_poll_records() {
    let embedded = brokers(1).await;
    append_batch(&embedded, 0, 0..10);
    let mut consumer = client(&embedded).consumer(from_earliest().max_poll_records(4)).unwrap();
    consumer.assign([tp(0)]).unwrap();
    let mut sizes = Vec::new();
    for _ in 0..3 {
        let batch = consumer.next_batch().await.unwrap();
        assert_eq!(batch.claimed_count(), batch.iter().count());
        sizes.push((batch.iter().count(), batch.next_offset().0));
    }
    assert_eq!(sizes, [(4, 4), (4, 8), (2, 10)]);
}

#[tokio::test(start_paused = true)]
async fn paused_partition_waits_mid_batch_and_loses_nothing() {
    let embedded = brokers(1).await;
    append_batch(&embedded, 0, 0..6);
    let mut consumer = client(&embedded).consumer(from_earliest()).unwrap();
    consumer.assign([tp(0)]).unwrap();
    assert_eq!(values(&mut consumer, 2).await, [0, 1]);
    consumer.pause(&[tp(0)]).unwrap();
    assert!(nothing_comes(&mut consumer).await);
    consumer.resume(&[tp(0)]).unwrap();
    consumer.resume(&[tp(0)]).unwrap();
    assert_eq!(values(&mut consumer, 4).await, [2, 3, 4, 5]);
}

#[tokio::test(start_paused = true)]
async fn seek_while_paused_is_honoured() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..6);
    let mut consumer = client(&embedded).consumer(from_earliest()).unwrap();
    consumer.assign([tp(0)]).unwrap();
    values(&mut consumer, 2).await;
    consumer.pause(&[tp(0)]).unwrap();
    consumer.seek(&tp(0), 5).unwrap();
    assert!(nothing_comes(&mut consumer).await);
    consumer.resume(&[tp(0)]).unwrap();
    assert_eq!(values(&mut consumer, 1).await, [5]);
}

#[tokio::test(start_paused = true)]
async fn unassigned_partition_delivers_no_more() {
    let embedded = brokers(1).await;
    append_batch(&embedded, 0, 0..6);
    append_batch(&embedded, 1, 10..12);
    let mut consumer = client(&embedded).consumer(from_earliest()).unwrap();
    consumer.assign([tp(0)]).unwrap();
    values(&mut consumer, 2).await;
    consumer.assign([tp(1)]).unwrap();
    assert_eq!(values(&mut consumer, 2).await, [10, 11]);
    assert!(nothing_comes(&mut consumer).await);
}

#[tokio::test(start_paused = true)]
async fn dropped_recv_loses_no_record() {
    let embedded = brokers(1).await;
    let mut consumer = client(&embedded).consumer(from_earliest()).unwrap();
    consumer.assign([tp(0)]).unwrap();
    for value in 0..20 {
        assert!(
            tokio::time::timeout(Duration::from_millis(u64::from(value) * 7), consumer.recv())
                .await
                .is_err()
        );
        append(&embedded, 0, value..value + 1);
        let mut midway = Box::pin(consumer.recv());
        for _ in 0..value {
            let polled = futures_poll(&mut midway).await;
            if let Some(record) = polled {
                assert_eq!(record.unwrap().offset().0, i64::from(value));
                break;
            }
        }
        drop(midway);
        let handle = consumer.handle();
        if handle.position(&tp(0)).await.unwrap() == Offset(i64::from(value)) {
            assert_eq!(values(&mut consumer, 1).await, [value]);
        }
    }
}

/// Polls once after letting others run.
async fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    tokio::task::yield_now().await;
    let mut future = pin!(future);
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(match future.as_mut().poll(context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn offsets_are_found_by_end_and_by_time() {
    let embedded = brokers(3).await;
    append(&embedded, 0, 0..5);
    let consumer = client(&embedded).consumer(from_earliest()).unwrap();
    assert_eq!(
        consumer.beginning_offsets([tp(0), tp(1)]).await.unwrap(),
        [(tp(0), Offset(0)), (tp(1), Offset(0))].into()
    );
    assert_eq!(
        consumer.end_offsets([tp(0), tp(1)]).await.unwrap(),
        [(tp(0), Offset(5)), (tp(1), Offset(0))].into()
    );
    let far = consumer.offsets_for_times([(tp(0), crate::Timestamp(i64::MAX))]).await.unwrap();
    assert_eq!(far, [(tp(0), None)].into());
    let first = consumer.offsets_for_times([(tp(0), crate::Timestamp(0))]).await.unwrap();
    assert_eq!(first[&tp(0)].map(|found| found.offset), Some(Offset(0)));
}

#[tokio::test(start_paused = true)]
async fn offsets_of_a_missing_partition_end_with_the_deadline() {
    let embedded = brokers(1).await;
    let consumer = client(&embedded).consumer(from_earliest()).unwrap();
    let error = consumer.end_offsets([tp(99)]).await.unwrap_err();
    assert!(error.is_retriable(), "{error}");
}

#[tokio::test(start_paused = true)]
async fn nothing_assigned_is_an_error_and_not_a_wait() {
    let embedded = brokers(1).await;
    let mut consumer = client(&embedded).consumer(from_earliest()).unwrap();
    assert_eq!(consumer.recv().await.unwrap_err().kind(), ErrorKind::Config);
}

#[tokio::test(start_paused = true)]
async fn close_leaves_no_task_and_ends_every_handle() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..3);
    let mut consumer = client(&embedded).consumer(from_earliest()).unwrap();
    consumer.assign([tp(0)]).unwrap();
    values(&mut consumer, 1).await;
    let handle = consumer.handle();
    let runtime = handle.core.runtime.clone();
    consumer.close(Duration::from_secs(1)).await.unwrap();
    assert_eq!(runtime.tasks(), 0);
    assert_eq!(handle.seek(&tp(0), 0).unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(handle.position(&tp(0)).await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(handle.end_offsets([tp(0)]).await.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test(start_paused = true)]
async fn drop_ends_every_task() {
    let embedded = brokers(1).await;
    let mut consumer = client(&embedded).consumer(from_earliest()).unwrap();
    consumer.assign([tp(0)]).unwrap();
    assert!(nothing_comes(&mut consumer).await);
    let runtime = consumer.handle.core.runtime.clone();
    drop(consumer);
    tokio::time::timeout(Duration::from_secs(1), runtime.join()).await.expect("no task is left");
}

#[tokio::test(start_paused = true)]
async fn record_keeps_its_bytes_after_the_consumer_is_gone() {
    let embedded = brokers(1).await;
    embedded
        .append("t", 0, &[(Some(b"k"), Some(b"v")), (Some(b""), None), (None, Some(b""))])
        .unwrap();
    let mut consumer = client(&embedded).consumer(from_earliest()).unwrap();
    consumer.assign([tp(0)]).unwrap();
    let records = [
        consumer.recv().await.unwrap(),
        consumer.recv().await.unwrap(),
        consumer.recv().await.unwrap(),
    ];
    drop(consumer);
    for records in [records.clone(), records.map(|record| record.detach())] {
        let parts: Vec<_> = records.iter().map(|record| (record.key(), record.value())).collect();
        assert_eq!(
            parts,
            [(Some(&b"k"[..]), Some(&b"v"[..])), (Some(&b""[..]), None), (None, Some(&b""[..]))]
        );
        assert_eq!(records[0].value_bytes().unwrap(), "v");
        assert_eq!((records[2].topic(), records[2].offset()), ("t", Offset(2)));
    }
}

#[tokio::test(start_paused = true)]
async fn dropped_calls_change_nothing() {
    let embedded = brokers(1).await;
    append_batch(&embedded, 0, 0..4);
    let mut consumer = client(&embedded).consumer(from_earliest()).unwrap();
    consumer.assign([tp(0)]).unwrap();
    for _ in 0..40 {
        assert!(
            futures_poll(&mut Box::pin(consumer.position(&tp(1)))).await.is_some(),
            "not assigned"
        );
        drop(Box::pin(consumer.position(&tp(0))));
        let mut midway = Box::pin(consumer.end_offsets([tp(0)]));
        let _ = futures_poll(&mut midway).await;
        drop(midway);
        let mut midway = Box::pin(consumer.next_batch());
        if let Some(batch) = futures_poll(&mut midway).await {
            assert_eq!(batch.unwrap().iter().count(), 4);
            return;
        }
    }
    assert_eq!(consumer.next_batch().await.unwrap().iter().count(), 4);
}

#[tokio::test(start_paused = true)]
async fn stream_ends_when_the_consumer_is_closed_and_not_before() {
    use futures_core::Stream;

    let embedded = brokers(1).await;
    append(&embedded, 0, 0..2);
    let mut consumer = client(&embedded).consumer(from_earliest()).unwrap();
    consumer.assign([tp(0)]).unwrap();
    for offset in 0..2 {
        let item =
            std::future::poll_fn(|context| std::pin::Pin::new(&mut consumer).poll_next(context))
                .await;
        assert_eq!(item.unwrap().unwrap().offset(), Offset(offset));
    }
    consumer.handle.core.shared.close();
    let end =
        std::future::poll_fn(|context| std::pin::Pin::new(&mut consumer).poll_next(context)).await;
    assert!(end.is_none());
}

#[tokio::test(start_paused = true)]
async fn record_is_finished_when_the_next_is_asked_for() {
    let embedded = brokers(1).await;
    append_batch(&embedded, 0, 0..3);
    let mut consumer = client(&embedded).consumer(from_earliest()).unwrap();
    consumer.assign([tp(0)]).unwrap();
    let done = |consumer: &Consumer| {
        consumer.handle.core.shared.read(|subscription| subscription.finished()[0].offset.offset)
    };
    values(&mut consumer, 2).await;
    assert_eq!(done(&consumer), Offset(1));
    assert_eq!(consumer.position(&tp(0)).await.unwrap(), Offset(2));
    values(&mut consumer, 1).await;
    assert_eq!(done(&consumer), Offset(2));
    assert!(nothing_comes(&mut consumer).await);
    assert_eq!(done(&consumer), Offset(3));
}

#[tokio::test(start_paused = true)]
async fn what_was_received_is_sent_on_whole() {
    let embedded = brokers(1).await;
    let client = client(&embedded);
    let producer = client.producer(crate::ProducerConfig::new()).unwrap();
    let mut consumer = client.consumer(from_earliest()).unwrap();
    consumer.assign([tp(0)]).unwrap();
    let sent = crate::Record::to("t")
        .partition(0)
        .key(None::<&str>)
        .value("v")
        .header("h", "1")
        .header("n", None::<&str>)
        .timestamp(7);
    drop(producer.send(sent).await.unwrap());
    let first = consumer.recv().await.unwrap();
    drop(producer.send(crate::Record::from(&first).partition(0)).await.unwrap());
    let second = consumer.recv().await.unwrap();
    for record in [&first, &second] {
        assert_eq!(
            (record.key(), record.value(), record.timestamp().0),
            (None, Some(&b"v"[..]), 7)
        );
        let headers: Vec<_> =
            record.headers().map(|header| (header.name().into_owned(), header.value)).collect();
        assert_eq!(headers, [("h".to_owned(), Some(&b"1"[..])), ("n".to_owned(), None)]);
    }
}

/// How often the state is locked while one fetch is answered, and until it has gone out again, that
/// brings a batch for each of `partitions`.
async fn locks_of_a_fetch(partitions: i32) -> u64 {
    let embedded =
        EmbeddedCluster::builder().in_memory().topic("t", partitions, 1).start().await.unwrap();
    let consumer = client(&embedded).consumer(from_earliest()).unwrap();
    consumer.assign((0..partitions).map(tp)).unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let shared = Arc::clone(&consumer.handle.core.shared);
    let before = shared.locks.load(Ordering::Relaxed);
    (0..partitions).for_each(|partition| append_batch(&embedded, partition, 0..3));
    tokio::time::sleep(Duration::from_millis(1)).await;
    let locks = shared.locks.load(Ordering::Relaxed) - before;
    let fetched = shared.read(|it| {
        let at = |partition| it.snapshot(&tp(partition)).expect("assigned").fetch_state;
        (0..partitions)
            .filter(|partition| matches!(at(*partition), FetchState::Fetching(position) if position.offset.0 == 3))
            .count()
    });
    assert_eq!(fetched, usize::try_from(partitions).unwrap(), "all that was appended is fetched");
    locks
}

#[tokio::test(start_paused = true)]
async fn a_fetched_partition_takes_the_lock_twice() {
    let (few, many) = (locks_of_a_fetch(8).await, locks_of_a_fetch(40).await);
    assert_eq!(many - few, 2 * 32, "{few} locks for 8 partitions, {many} for 40");
}
