//! The end of a partition as an event, and where logs begin and end as fetches say.

use kavka_testcontainers::embedded::{ApiKey, ErrorCode, Fault, Reaction, TransactionEnd};

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

fn telling() -> ConsumerConfig {
    from_earliest().enable_partition_eof(true)
}

fn reading(embedded: &EmbeddedCluster, config: ConsumerConfig, partitions: &[i32]) -> Consumer {
    let consumer = client(embedded).consumer(config).unwrap();
    consumer.assign(partitions.iter().map(|partition| tp(*partition))).unwrap();
    consumer
}

/// What comes within ten seconds: records by partition and offset, and ends by partition and -1.
async fn told(consumer: &mut Consumer) -> Vec<(i32, i64)> {
    let mut told = Vec::new();
    while let Ok(came) = tokio::time::timeout(10 * SECOND, consumer.recv()).await {
        told.push(match came {
            Ok(record) => (record.partition().0, record.offset().0),
            Err(error) => end(&error),
        });
    }
    told
}

fn end(error: &Error) -> (i32, i64) {
    assert_eq!(error.kind(), ErrorKind::PartitionEof, "{error}");
    assert!(error.is_retriable());
    (error.context().partition.as_ref().unwrap().partition.0, -1)
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_partition_is_told_once_each_time_it_is_reached() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..2);
    let mut consumer = reading(&embedded, telling(), &[0]);
    assert_eq!(told(&mut consumer).await, [(0, 0), (0, 1), (0, -1)]);
    append(&embedded, 0, 2..3);
    assert_eq!(told(&mut consumer).await, [(0, 2), (0, -1)]);
    append_batch(&embedded, 0, 3..5);
    let batch = consumer.next_batch().await.unwrap();
    assert_eq!(batch.iter().count(), 2);
    assert_eq!(end(&consumer.next_batch().await.unwrap_err()), (0, -1));
    assert_eq!(told(&mut consumer).await, []);
}

#[tokio::test(start_paused = true)]
async fn empty_partitions_end_at_once_and_nothing_is_told_unless_asked_for() {
    let embedded = brokers(1).await;
    let mut consumer = reading(&embedded, telling(), &[0, 1, 2]);
    let mut ends = told(&mut consumer).await;
    ends.sort_unstable();
    assert_eq!(ends, [(0, -1), (1, -1), (2, -1)]);
    let mut consumer = reading(&embedded, from_earliest(), &[0]);
    assert_eq!(told(&mut consumer).await, []);
}

/// The fetcher may find it again before the application has told that it heard of it.
#[tokio::test(start_paused = true)]
async fn an_end_that_was_found_twice_is_told_once() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..2);
    let mut consumer = reading(&embedded, telling(), &[0]);
    assert_eq!(told(&mut consumer).await, [(0, 0), (0, 1), (0, -1)]);
    let shared = Arc::clone(&consumer.handle.core.shared);
    let of = shared.read(|subscription| subscription.assignment_of(&tp(0)).cloned()).unwrap();
    shared.buffer(|buffer| buffer.push_end(&of, position::Position::at(Offset(2))));
    assert_eq!(told(&mut consumer).await, []);
}

/// A leader that names a nearer replica sends no records, which does not say that there are none.
#[tokio::test(start_paused = true)]
async fn the_end_is_that_of_the_nearer_replica() {
    let embedded = with_a_nearer_replica().await;
    append(&embedded, 0, 0..2);
    let mut consumer = reading(&embedded, telling().client_rack("b"), &[0]);
    // A task of its own has its turn between the answers of the two.
    let told = tokio::spawn(async move { told(&mut consumer).await });
    assert_eq!(told.await.unwrap(), [(0, 0), (0, 1), (0, -1)]);
    assert_eq!(embedded.requests_of(ApiKey::Fetch).last().unwrap().broker, 2);
}

/// The broker says nothing of a partition of which nothing has changed since it was asked.
#[tokio::test(start_paused = true)]
async fn the_end_is_told_after_each_seek_there() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..3);
    let mut consumer =
        reading(&embedded, telling().auto_offset_reset(AutoOffsetReset::Latest), &[0]);
    assert_eq!(told(&mut consumer).await, [(0, -1)]);
    consumer.seek_to_end(&[tp(0)]).unwrap();
    assert_eq!(told(&mut consumer).await, [(0, -1)]);
    consumer.seek(&tp(0), 3).unwrap();
    assert_eq!(told(&mut consumer).await, [(0, -1)]);
    consumer.seek(&tp(0), 2).unwrap();
    assert_eq!(told(&mut consumer).await, [(0, 2), (0, -1)]);
}

#[tokio::test(start_paused = true)]
async fn read_committed_ends_at_the_last_stable_offset_and_behind_markers() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..2);
    embedded.append_transaction("t", 0, 7, &[(None, Some(b"2"))], TransactionEnd::Open);
    append(&embedded, 0, 3..4);
    let config = telling().isolation_level(IsolationLevel::ReadCommitted);
    let mut consumer = reading(&embedded, config, &[0]);
    assert_eq!(told(&mut consumer).await, [(0, 0), (0, 1), (0, -1)]);
    embedded.end_transaction("t", 0, 7, true);
    assert_eq!(told(&mut consumer).await, [(0, 2), (0, 3), (0, -1)]);
    embedded.append_transaction("t", 0, 8, &[(None, Some(b"5"))], TransactionEnd::Aborted);
    assert_eq!(told(&mut consumer).await, [(0, -1)]);
    assert_eq!(consumer.position(&tp(0)).await.unwrap(), Offset(7));
}

/// What a broker does not say of a partition that was asked for at its end tells that it is there,
/// but not if it says nothing of anything, or refuses.
#[tokio::test(start_paused = true)]
async fn no_end_is_told_by_a_broker_that_does_not_answer() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..3);
    let mut consumer = reading(&embedded, telling(), &[0]);
    assert_eq!(told(&mut consumer).await, [(0, 0), (0, 1), (0, 2), (0, -1)]);
    let refusal = Reaction::Answer(ErrorCode::NotLeaderOrFollower);
    for reaction in [Reaction::Throttle(SECOND / 10), refusal] {
        embedded.fault(Fault::on(ApiKey::Fetch).then(reaction));
        tokio::time::sleep(10 * SECOND).await;
        consumer.seek(&tp(0), 3).unwrap();
        assert_eq!(told(&mut consumer).await, [], "{reaction:?}");
        embedded.clear_faults();
        assert_eq!(told(&mut consumer).await, [(0, -1)]);
    }
}

/// A batch stands for more offsets than it has records left.
#[tokio::test(start_paused = true)]
async fn a_compacted_tail_ends_where_its_batch_does() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..1);
    let mut compacted = embedded.log("t", 0)[0].bytes.to_vec();
    compacted[..8].copy_from_slice(&1_i64.to_be_bytes());
    compacted[23..27].copy_from_slice(&9_i32.to_be_bytes());
    embedded.append_raw("t", 0, &compacted);
    let mut consumer = reading(&embedded, telling().check_crcs(false), &[0]);
    assert_eq!(told(&mut consumer).await, [(0, 0), (0, 1), (0, -1)]);
    assert_eq!(consumer.position(&tp(0)).await.unwrap(), Offset(11));
}

#[tokio::test(start_paused = true)]
async fn a_paused_partition_is_at_no_end() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..1);
    let mut consumer = reading(&embedded, telling(), &[0]);
    assert_eq!(values(&mut consumer, 1).await, [0]);
    tokio::time::sleep(SECOND).await;
    consumer.pause(&[tp(0)]).unwrap();
    assert_eq!(told(&mut consumer).await, []);
    consumer.resume(&[tp(0)]).unwrap();
    assert_eq!(told(&mut consumer).await, [(0, -1)]);
    consumer.pause(&[tp(0)]).unwrap();
    consumer.resume(&[tp(0)]).unwrap();
    assert_eq!(told(&mut consumer).await, [], "it is where it was");
}

/// What has come since goes first: the application is not at the end.
#[tokio::test(start_paused = true)]
async fn an_end_that_was_passed_meanwhile_is_not_told() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..1);
    let mut consumer = reading(&embedded, telling(), &[0]);
    assert_eq!(values(&mut consumer, 1).await, [0]);
    append(&embedded, 0, 1..2);
    tokio::time::sleep(10 * SECOND).await;
    append(&embedded, 0, 2..3);
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(told(&mut consumer).await, [(0, 1), (0, 2), (0, -1)]);
}

#[tokio::test(start_paused = true)]
async fn recv_many_returns_what_comes_before_an_end_and_then_the_end() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..3);
    let mut consumer = reading(&embedded, telling(), &[0]);
    let begun = runtime::now();
    assert_eq!(consumer.recv_many(10, HOUR).await.unwrap().len(), 3);
    assert_eq!(end(&consumer.recv_many(10, HOUR).await.unwrap_err()), (0, -1));
    assert!(runtime::now() - begun < SECOND, "there is nothing to wait for");
    assert_eq!(consumer.recv_many(10, SECOND).await.unwrap().len(), 0);
    append(&embedded, 0, 3..4);
    assert_eq!(consumer.recv_many(1, HOUR).await.unwrap().len(), 1);
    assert_eq!(end(&consumer.recv_many(10, HOUR).await.unwrap_err()), (0, -1));
}

#[tokio::test(start_paused = true)]
async fn watermarks_and_lag_are_what_the_last_fetch_said() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..5);
    embedded.append_transaction("t", 0, 7, &[(None, Some(b"5"))], TransactionEnd::Open);
    append(&embedded, 0, 6..8);
    embedded.delete_records("t", 0, 2);
    for (isolation, lag) in
        [(IsolationLevel::ReadUncommitted, 6), (IsolationLevel::ReadCommitted, 3)]
    {
        let mut consumer = reading(&embedded, from_earliest().isolation_level(isolation), &[0]);
        assert_eq!((consumer.watermarks(&tp(0)), consumer.current_lag(&tp(0))), (None, None));
        assert_eq!(values(&mut consumer, 1).await, [2]);
        let watermarks = consumer.watermarks(&tp(0)).unwrap();
        assert_eq!(watermarks.log_start_offset, Some(Offset(2)));
        assert_eq!(watermarks.high_watermark, Offset(8));
        assert_eq!(watermarks.last_stable_offset, Some(Offset(5)));
        assert_eq!(consumer.current_lag(&tp(0)), Some(lag - 1));
        embedded.clear_requests();
        consumer.seek(&tp(0), 2).unwrap();
        assert_eq!(consumer.current_lag(&tp(0)), Some(lag), "it is the same log");
        consumer.seek(&tp(0), 100).unwrap();
        assert_eq!(consumer.current_lag(&tp(0)), Some(0), "behind the end nothing is missing");
        assert_eq!((consumer.watermarks(&tp(1)), consumer.current_lag(&tp(1))), (None, None));
        assert_eq!(embedded.requests_of(ApiKey::ListOffsets).len(), 0);
    }
}
