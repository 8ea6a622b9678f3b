//! Records of all partitions at once, as `recv_many` returns them.

use kavka_testcontainers::embedded::{ApiKey, TransactionEnd};

use super::*;
use crate::ids::LeaderEpoch;

const HOUR: Duration = Duration::from_secs(3_600);
const SECOND: Duration = Duration::from_secs(1);

/// Of each record its partition and offset, and how long it took to get them.
async fn many(consumer: &mut Consumer, max: usize, wait: Duration) -> (Vec<(i32, i64)>, Duration) {
    let begun = runtime::now();
    let records = consumer.recv_many(max, wait).await.unwrap();
    (places(&records), runtime::now() - begun)
}

fn places(records: &[ConsumerRecord]) -> Vec<(i32, i64)> {
    records.iter().map(|record| (record.partition().0, record.offset().0)).collect()
}

/// One that reads the partitions from the beginning, once it knows where that is.
async fn reading(
    embedded: &EmbeddedCluster,
    config: ConsumerConfig,
    partitions: &[i32],
) -> Consumer {
    let consumer = client(embedded).consumer(config).unwrap();
    consumer.assign(partitions.iter().map(|partition| tp(*partition))).unwrap();
    for partition in partitions {
        consumer.position(&tp(*partition)).await.unwrap();
    }
    consumer
}

#[tokio::test(start_paused = true)]
async fn many_records_come_of_all_partitions_as_soon_as_there_are_enough() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..4);
    append_batch(&embedded, 1, 0..4);
    let mut consumer = reading(&embedded, from_earliest(), &[0, 1]).await;
    let (mut records, waited) = many(&mut consumer, 8, HOUR).await;
    records.sort_unstable();
    let all: Vec<_> = (0..2).flat_map(|partition| (0..4).map(move |at| (partition, at))).collect();
    assert_eq!(records, all);
    assert!(waited < SECOND, "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn fewer_records_come_when_the_time_has_passed() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..3);
    let mut consumer = reading(&embedded, from_earliest(), &[0]).await;
    let (records, waited) = many(&mut consumer, 10, 20 * SECOND).await;
    assert_eq!(records, [(0, 0), (0, 1), (0, 2)]);
    assert!(waited >= 20 * SECOND && waited < 21 * SECOND, "{waited:?}");
    let (records, waited) = many(&mut consumer, 10, SECOND).await;
    assert_eq!((records, waited.as_secs()), (vec![], 1));
    append(&embedded, 0, 3..4);
    assert_eq!(many(&mut consumer, 1, HOUR).await.0, [(0, 3)]);
}

#[tokio::test(start_paused = true)]
async fn without_time_to_wait_comes_what_is_there() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..3);
    let mut consumer = reading(&embedded, from_earliest(), &[0]).await;
    assert_eq!(consumer.recv_many(0, HOUR).await.unwrap().len(), 0);
    tokio::time::sleep(SECOND).await;
    let (records, waited) = many(&mut consumer, 10, Duration::ZERO).await;
    assert_eq!((records.len(), waited), (3, Duration::ZERO));
    let (records, waited) = many(&mut consumer, 10, Duration::ZERO).await;
    assert_eq!((records.len(), waited), (0, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn max_ends_within_a_batch_and_the_rest_comes_by_any_call() {
    let embedded = brokers(1).await;
    append_batch(&embedded, 0, 0..10);
    append_batch(&embedded, 0, 10..12);
    let mut consumer = reading(&embedded, from_earliest(), &[0]).await;
    let offsets = |records: Vec<(i32, i64)>| records.iter().map(|(_, at)| *at).collect::<Vec<_>>();
    assert_eq!(offsets(many(&mut consumer, 3, HOUR).await.0), [0, 1, 2]);
    assert_eq!(consumer.position(&tp(0)).await.unwrap(), Offset(3));
    assert_eq!(values(&mut consumer, 1).await, [3]);
    assert_eq!(offsets(many(&mut consumer, 2, HOUR).await.0), [4, 5]);
    assert_eq!(consumer.next_batch().await.unwrap().iter().count(), 4);
    assert_eq!(offsets(many(&mut consumer, 2, HOUR).await.0), [10, 11]);
    assert_eq!(consumer.position(&tp(0)).await.unwrap(), Offset(12));
}

/// What is left of a batch counts, as much as is left of it, and no more.
#[tokio::test(start_paused = true)]
async fn the_rest_of_a_batch_is_counted_before_more_is_waited_for() {
    let embedded = brokers(1).await;
    append_batch(&embedded, 0, 0..6);
    let mut consumer = reading(&embedded, from_earliest(), &[0]).await;
    assert_eq!(many(&mut consumer, 2, HOUR).await.0.len(), 2);
    let (records, waited) = many(&mut consumer, 2, HOUR).await;
    assert_eq!((records.len(), waited), (2, Duration::ZERO));
    let later = {
        let embedded = embedded.clone();
        async move {
            tokio::time::sleep(10 * SECOND).await;
            append(&embedded, 0, 6..7);
        }
    };
    let ((records, _), ()) = tokio::join!(many(&mut consumer, 3, HOUR), later);
    assert_eq!(records, [(0, 4), (0, 5), (0, 6)]);
}

/// Of a batch into which one seeks, what comes before does not count.
#[tokio::test(start_paused = true)]
async fn what_a_seek_passes_over_is_not_counted() {
    let embedded = brokers(1).await;
    append_batch(&embedded, 0, 0..6);
    let mut consumer = reading(&embedded, from_earliest(), &[0]).await;
    consumer.seek(&tp(0), 4).unwrap();
    let later = {
        let embedded = embedded.clone();
        async move {
            tokio::time::sleep(10 * SECOND).await;
            append(&embedded, 0, 6..8);
        }
    };
    let ((records, _), ()) = tokio::join!(many(&mut consumer, 4, HOUR), later);
    assert_eq!(records, [(0, 4), (0, 5), (0, 6), (0, 7)]);
}

#[tokio::test(start_paused = true)]
async fn dropped_recv_many_takes_nothing() {
    let embedded = brokers(1).await;
    append_batch(&embedded, 0, 0..10);
    append(&embedded, 1, 0..3);
    let mut consumer = reading(&embedded, from_earliest(), &[0, 1]).await;
    assert_eq!(values(&mut consumer, 1).await.len(), 1);
    let positions = [consumer.position(&tp(0)).await, consumer.position(&tp(1)).await];
    for _ in 0..3 {
        assert!(tokio::time::timeout(SECOND, consumer.recv_many(100, HOUR)).await.is_err());
    }
    assert_eq!(
        positions.map(Result::unwrap),
        [consumer.position(&tp(0)).await.unwrap(), consumer.position(&tp(1)).await.unwrap()]
    );
    let (records, _) = many(&mut consumer, 100, SECOND).await;
    assert_eq!(records.len(), 12);
}

/// More can only come when some are taken, so waiting for it is in vain.
#[tokio::test(start_paused = true)]
async fn a_full_partition_or_buffer_is_not_waited_upon() {
    let limits: [fn() -> ConsumerConfig; 2] = [
        || from_earliest().max_partition_fetch_bytes(1_000),
        || from_earliest().fetch_buffer_bytes(4_000).fetch_max_bytes(1_000),
    ];
    for config in limits {
        let embedded = brokers(1).await;
        append(&embedded, 0, 0..200);
        let mut consumer = reading(&embedded, config(), &[0, 1]).await;
        let (mut seen, begun) = (Vec::new(), runtime::now());
        while seen.len() < 200 {
            let wanted = 200 - seen.len();
            let (records, _) = many(&mut consumer, wanted, HOUR).await;
            assert!(!records.is_empty());
            seen.extend(records);
        }
        assert_eq!(seen, (0..200).map(|at| (0, at)).collect::<Vec<_>>());
        let waited = runtime::now() - begun;
        assert!(waited < 60 * SECOND, "{waited:?}");
    }
}

/// Its records are of several batches, behind which there is a marker, which is none.
#[tokio::test(start_paused = true)]
async fn what_recv_many_returned_is_committed_once_more_is_asked_for() {
    let embedded = brokers(1).await;
    let records: [(Option<&[u8]>, Option<&[u8]>); 2] = [(None, Some(b"0")), (None, Some(b"1"))];
    embedded.append_transaction("t", 0, 7, &records, TransactionEnd::Committed);
    append(&embedded, 0, 3..5);
    append_batch(&embedded, 0, 5..8);
    let config = from_earliest().group_id("g").auto_commit_interval(SECOND);
    let mut consumer = reading(&embedded, config, &[0]).await;
    let (records, _) = many(&mut consumer, 5, HOUR).await;
    assert_eq!(records, [(0, 0), (0, 1), (0, 3), (0, 4), (0, 5)]);
    tokio::time::sleep(10 * SECOND).await;
    assert!(embedded.committed("g", "t", 0).unwrap_or(0) == 0, "they may be in work still");
    assert_eq!(many(&mut consumer, 1, HOUR).await.0, [(0, 6)]);
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(embedded.committed("g", "t", 0), Some(6));
    consumer.close(10 * SECOND).await.unwrap();
    assert_eq!(embedded.committed("g", "t", 0), Some(7), "closing finishes what was returned");
    assert!(!embedded.requests_of(ApiKey::OffsetCommit).is_empty());
}

/// What ends with an aborted transaction: the last batch that is returned is not the last read.
#[tokio::test(start_paused = true)]
async fn what_is_passed_over_behind_records_does_not_finish_them() {
    let embedded = brokers(3).await;
    append(&embedded, 0, 0..2);
    embedded.append_transaction("t", 0, 7, &[(None, Some(b"2"))], TransactionEnd::Aborted);
    append(&embedded, 0, 4..5);
    let config = from_earliest()
        .group_id("g")
        .isolation_level(IsolationLevel::ReadCommitted)
        .auto_commit_interval(SECOND);
    let mut consumer = reading(&embedded, config, &[0]).await;
    assert_eq!(many(&mut consumer, 4, SECOND).await.0, [(0, 0), (0, 1), (0, 4)]);
    tokio::time::sleep(10 * SECOND).await;
    assert!(embedded.committed("g", "t", 0).unwrap_or(0) == 0);
    assert_eq!(many(&mut consumer, 4, SECOND).await.0, []);
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(embedded.committed("g", "t", 0), Some(5));
    embedded.append_transaction("t", 0, 7, &[(None, Some(b"5"))], TransactionEnd::Aborted);
    let leader = embedded.leader("t", 0).unwrap();
    embedded.move_leader("t", 0, Some(leader % 3 + 1));
    append(&embedded, 0, 7..8);
    embedded.append_transaction("t", 0, 7, &[(None, Some(b"8"))], TransactionEnd::Aborted);
    assert_eq!(many(&mut consumer, 4, SECOND).await.0, [(0, 7)]);
    consumer.close(10 * SECOND).await.unwrap();
    assert_eq!(embedded.committed("g", "t", 0), Some(10), "what holds nothing behind it as well");
    let epoch = embedded.leader_epoch("t", 0).map(LeaderEpoch);
    let other = client(&embedded).consumer(from_earliest().group_id("g")).unwrap();
    let committed = other.committed([tp(0)]).await.unwrap().remove(&tp(0)).flatten().unwrap();
    assert_eq!((epoch, committed.leader_epoch), (Some(LeaderEpoch(1)), epoch));
}

#[tokio::test(start_paused = true)]
async fn an_error_behind_records_is_returned_by_the_next_call() {
    for check in [true, false] {
        let embedded = brokers(1).await;
        append(&embedded, 0, 0..2);
        let mut damaged = embedded.log("t", 0)[1].bytes.to_vec();
        // The checksum is wrong; else the length of the record.
        let at = if check { damaged.len() - 1 } else { 61 };
        damaged[at] ^= 0x7f;
        damaged[..8].copy_from_slice(&2_i64.to_be_bytes());
        embedded.append_raw("t", 0, &damaged);
        append(&embedded, 0, 3..5);
        append(&embedded, 1, 0..1);
        let mut consumer = reading(&embedded, from_earliest().check_crcs(check), &[0, 1]).await;
        let (mut seen, mut errors) = (Vec::new(), Vec::new());
        for _ in 0..4 {
            match consumer.recv_many(100, SECOND).await {
                Ok(records) => seen.extend(places(&records)),
                Err(error) => errors.push((error.kind(), error.context().partition.clone())),
            }
        }
        seen.sort_unstable();
        assert_eq!(seen, [(0, 0), (0, 1), (1, 0)], "and nothing behind the damage");
        assert_eq!(errors, [(ErrorKind::Corrupt, Some(tp(0)))]);
        assert_eq!(consumer.position(&tp(0)).await.unwrap(), Offset(2));
        consumer.seek(&tp(0), 3).unwrap();
        assert_eq!(many(&mut consumer, 2, HOUR).await.0, [(0, 3), (0, 4)]);
    }
}

#[tokio::test(start_paused = true)]
async fn paused_partitions_give_nothing_and_lose_nothing() {
    let embedded = brokers(1).await;
    append_batch(&embedded, 0, 0..6);
    append(&embedded, 0, 6..9);
    append(&embedded, 1, 0..3);
    let mut consumer = reading(&embedded, from_earliest(), &[0, 1]).await;
    tokio::time::sleep(SECOND).await;
    consumer.pause(&[tp(1)]).unwrap();
    assert_eq!(many(&mut consumer, 2, HOUR).await.0, [(0, 0), (0, 1)]);
    consumer.pause(&[tp(0)]).unwrap();
    consumer.resume(&[tp(1)]).unwrap();
    let (records, waited) = many(&mut consumer, 3, Duration::ZERO).await;
    assert_eq!((records, waited), (vec![(1, 0), (1, 1), (1, 2)], Duration::ZERO));
    assert_eq!(many(&mut consumer, 10, SECOND).await.0, []);
    consumer.resume(&[tp(0)]).unwrap();
    let rest: Vec<_> = (2..9).map(|at| (0, at)).collect();
    assert_eq!(many(&mut consumer, 10, SECOND).await.0, rest);
}

#[tokio::test(start_paused = true)]
async fn partitions_that_have_gone_give_nothing() {
    let embedded = brokers(1).await;
    append_batch(&embedded, 0, 0..6);
    append(&embedded, 1, 0..3);
    let mut consumer = reading(&embedded, from_earliest(), &[0]).await;
    assert_eq!(many(&mut consumer, 2, HOUR).await.0, [(0, 0), (0, 1)]);
    consumer.assign([tp(1)]).unwrap();
    assert_eq!(many(&mut consumer, 10, SECOND).await.0, [(1, 0), (1, 1), (1, 2)]);
    consumer.unsubscribe().unwrap();
    assert_eq!(consumer.recv_many(1, HOUR).await.unwrap_err().kind(), ErrorKind::Config);
    let handle = consumer.handle();
    consumer.close(SECOND).await.unwrap();
    assert_eq!(handle.unsubscribe().unwrap_err().kind(), ErrorKind::Closed);
}
