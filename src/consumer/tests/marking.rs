//! What is committed where the application says what is done (`enable.auto.offset.store=false`).

use kavka_testcontainers::embedded::TransactionEnd;

use super::groups::member;
use super::*;
use crate::boxed::BoxFuture;
use crate::error::{Class, ErrorCode};

fn marking(group: &str) -> ConsumerConfig {
    from_earliest().group_id(group).enable_auto_offset_store(false)
}

async fn records(consumer: &mut Consumer, count: usize) -> Vec<ConsumerRecord> {
    let mut records = Vec::new();
    for _ in 0..count {
        records.push(consumer.recv().await.unwrap());
    }
    records
}

/// The records of as many batches as it takes.
async fn of_batches(consumer: &mut Consumer, count: usize) -> Vec<ConsumerRecord> {
    let mut records = Vec::new();
    while records.len() < count {
        let batch = consumer.next_batch().await.unwrap();
        records.extend(batch.iter().map(|record| record.to_record()));
    }
    records
}

#[tokio::test(start_paused = true)]
async fn commits_cover_up_to_the_first_record_that_is_not_done() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..10);
    let client = client(&embedded);
    let mut consumer = member(&client, marking("g").enable_auto_commit(false));
    let records = records(&mut consumer, 8).await;
    consumer.commit().await.unwrap();
    assert_eq!(embedded.committed("g", "t", 0), Some(0), "where it began: nothing is done");
    for (done, committed) in [(2, 0), (0, 1), (1, 3), (4, 3), (3, 5)] {
        consumer.mark_done(&records[done]).unwrap();
        consumer.commit().await.unwrap();
        assert_eq!(embedded.committed("g", "t", 0), Some(committed), "after {done}");
    }
    consumer.close(Duration::from_secs(5)).await.unwrap();
    assert_eq!(embedded.committed("g", "t", 0), Some(5));
}

#[tokio::test(start_paused = true)]
async fn automatic_commits_and_the_last_one_cover_what_is_done_only() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..10);
    let client = client(&embedded);
    let mut consumer = member(&client, marking("g"));
    let records = records(&mut consumer, 8).await;
    consumer.mark_done(&records[0]).unwrap();
    consumer.mark_done(&records[2]).unwrap();
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(embedded.committed("g", "t", 0), Some(1));
    consumer.mark_done(&records[1]).unwrap();
    consumer.close(Duration::from_secs(5)).await.unwrap();
    assert_eq!(embedded.committed("g", "t", 0), Some(3));
}

/// Ten records by twos; behind each two a marker, and some that were aborted.
async fn with_transactions() -> EmbeddedCluster {
    let embedded = brokers(1).await;
    for (at, end) in
        [TransactionEnd::Committed, TransactionEnd::Aborted].iter().cycle().take(10).enumerate()
    {
        let records: [(Option<&[u8]>, Option<&[u8]>); 2] = [(None, Some(b"1")), (None, Some(b"2"))];
        let producer = i64::try_from(at).unwrap();
        embedded.append_transaction("t", 0, producer, &records, *end).unwrap();
    }
    embedded
}

#[tokio::test(start_paused = true)]
async fn offsets_that_hold_no_record_are_done_with_those_around_them() {
    for by_batches in [false, true] {
        let embedded = with_transactions().await;
        let client = client(&embedded);
        let config = marking("g").isolation_level(IsolationLevel::ReadCommitted);
        let mut consumer = member(&client, config.enable_auto_commit(false));
        let records = match by_batches {
            true => of_batches(&mut consumer, 10).await,
            false => records(&mut consumer, 10).await,
        };
        assert!(nothing_comes(&mut consumer).await);
        let offsets: Vec<_> = records.iter().map(|record| record.offset().0).collect();
        assert_eq!(offsets, [0, 1, 6, 7, 12, 13, 18, 19, 24, 25]);
        for record in records.iter().rev() {
            consumer.commit().await.unwrap();
            assert_eq!(embedded.committed("g", "t", 0), Some(0));
            consumer.mark_done(&record.detach()).unwrap();
        }
        consumer.commit().await.unwrap();
        assert_eq!(embedded.committed("g", "t", 0), Some(30), "{by_batches}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_tail_without_records_is_not_done_before_the_last_record_is() {
    let embedded = with_transactions().await;
    let client = client(&embedded);
    let config = marking("g").isolation_level(IsolationLevel::ReadCommitted);
    let mut consumer = member(&client, config.enable_auto_commit(false));
    let records = records(&mut consumer, 10).await;
    assert!(nothing_comes(&mut consumer).await);
    assert_eq!(consumer.position(&tp(0)).await.unwrap(), Offset(30));
    for (record, committed) in records.iter().zip([1, 2, 7, 8, 13, 14, 19, 20, 25, 30]) {
        consumer.mark_done(record).unwrap();
        consumer.commit().await.unwrap();
        assert_eq!(embedded.committed("g", "t", 0), Some(committed));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stored_offset_covers_all_before_it_and_never_goes_back() {
    let embedded = brokers(1).await;
    append_batch(&embedded, 0, 0..10);
    append_batch(&embedded, 0, 10..20);
    let client = client(&embedded);
    let mut consumer = member(&client, marking("g").enable_auto_commit(false));
    let (first, second) =
        (consumer.next_batch().await.unwrap(), consumer.next_batch().await.unwrap());
    for (offset, committed) in
        [(first.next_offset(), 10), (Offset(4), 10), (second.next_offset(), 20)]
    {
        consumer.store_offset(&tp(0), offset).unwrap();
        consumer.commit().await.unwrap();
        assert_eq!(embedded.committed("g", "t", 0), Some(committed));
    }
    assert_eq!(consumer.store_offset(&tp(0), -1).unwrap_err().kind(), ErrorKind::Config);
}

#[tokio::test(start_paused = true)]
async fn what_was_returned_before_a_seek_does_not_count() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..10);
    let client = client(&embedded);
    let mut consumer = member(&client, marking("g").enable_auto_commit(false));
    let old = records(&mut consumer, 5).await;
    consumer.seek(&tp(0), 0).unwrap();
    let new = records(&mut consumer, 2).await;
    old.iter().for_each(|record| consumer.mark_done(record).unwrap());
    consumer.commit().await.unwrap();
    assert_eq!(embedded.committed("g", "t", 0), Some(0), "where it stands since the seek");
    new.iter().for_each(|record| consumer.mark_done(record).unwrap());
    consumer.commit().await.unwrap();
    assert_eq!(embedded.committed("g", "t", 0), Some(2));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_assigned_any_more_cannot_be_done() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..10);
    let client = client(&embedded);
    let mut consumer = client.consumer(marking("g")).unwrap();
    consumer.assign([tp(0)]).unwrap();
    let records = records(&mut consumer, 2).await;
    consumer.mark_done(&records[0]).unwrap();
    consumer.assign([tp(1)]).unwrap();
    // What it has given up is committed in the background, and gone by then.
    consumer.committed([tp(0)]).await.unwrap();
    assert_eq!(consumer.mark_done(&records[1]).unwrap_err().class(), Class::Rejoin);
    assert_eq!(consumer.store_offset(&tp(0), 2).unwrap_err().class(), Class::Rejoin);
    assert_eq!(embedded.committed("g", "t", 0), Some(1));
}

/// Finishes what is in hand when its partition goes.
struct Finishing(Arc<std::sync::Mutex<Vec<ConsumerRecord>>>);

impl RebalanceListener for Finishing {
    fn on_revoked<'a>(
        &'a self,
        consumer: &'a ConsumerHandle,
        _: &'a [TopicPartition],
    ) -> BoxFuture<'a> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            for record in self.0.lock().unwrap().drain(..) {
                consumer.mark_done(&record).unwrap();
            }
        })
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_done_while_its_partition_goes_is_committed() {
    for protocol in [GroupProtocol::Classic, GroupProtocol::Consumer] {
        let embedded = brokers(1).await;
        append(&embedded, 0, 0..10);
        let client = client(&embedded);
        let mut consumer = client.consumer(marking("g").group_protocol(protocol)).unwrap();
        let in_hand = Arc::new(std::sync::Mutex::default());
        consumer.rebalance_listener(Finishing(Arc::clone(&in_hand)));
        consumer.subscribe(["t"]).unwrap();
        let records = records(&mut consumer, 4).await;
        *in_hand.lock().unwrap() = records;
        consumer.close(Duration::from_secs(30)).await.unwrap();
        assert_eq!(embedded.committed("g", "t", 0), Some(4), "{protocol:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_marked_where_asking_for_more_says_what_is_done() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..2);
    let mut consumer = member(&client(&embedded), from_earliest().group_id("g"));
    let record = consumer.recv().await.unwrap();
    assert_eq!(consumer.mark_done(&record).unwrap_err().kind(), ErrorKind::Config);
    assert_eq!(consumer.store_offset(&tp(0), 1).unwrap_err().kind(), ErrorKind::Config);
}

#[tokio::test(start_paused = true)]
async fn a_listener_hears_what_became_of_each_commit() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..10);
    let client = client(&embedded);
    let mut consumer = member(&client, from_earliest().group_id("g"));
    let heard = Arc::new(std::sync::Mutex::new(Vec::new()));
    let told = Arc::clone(&heard);
    consumer.commit_listener(move |outcomes| {
        for (partition, outcome) in outcomes {
            let outcome = outcome.as_ref().map(|at| at.offset.0).map_err(Error::code);
            told.lock().unwrap().push((partition.partition.0, outcome));
        }
        panic!("which must not end the membership");
    });
    let take = || std::mem::take(&mut *heard.lock().unwrap());
    records(&mut consumer, 3).await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(take(), [(0, Ok(2)), (1, Ok(0)), (2, Ok(0))], "by itself");
    consumer.commit_offsets_async([(tp(0), 7), (tp(1), 1)]).unwrap();
    consumer.commit_offsets([(tp(2), 1)]).await.unwrap();
    assert_eq!(take(), [(0, Ok(7)), (1, Ok(1)), (2, Ok(1))], "in their order");
    let mut offset = OffsetAndMetadata::new(8);
    offset.metadata = "x".repeat(5_000);
    consumer.commit_offsets_async([(tp(0), offset)]).unwrap();
    consumer.commit_offsets([(tp(2), 2)]).await.unwrap();
    assert_eq!(take(), [(0, Err(Some(ErrorCode::OFFSET_METADATA_TOO_LARGE))), (2, Ok(2))]);
}

/// What is committed is not what will be: the commit before is still under way.
#[tokio::test(start_paused = true)]
async fn a_commit_comes_behind_those_that_were_asked_for_before() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..3);
    let client = client(&embedded);
    let mut consumer = member(&client, marking("g").enable_auto_offset_store(true));
    records(&mut consumer, 3).await;
    consumer.commit().await.unwrap();
    consumer.commit_offsets_async([(tp(0), 1)]).unwrap();
    consumer.commit().await.unwrap();
    assert_eq!(embedded.committed("g", "t", 0), Some(3));
    consumer.commit_offsets_async([(tp(0), 1)]).unwrap();
    consumer.commit_async().unwrap();
    consumer.close(Duration::from_secs(5)).await.unwrap();
    assert_eq!(embedded.committed("g", "t", 0), Some(3));
}

/// As those of Java's consumer, which has no rule against going back.
#[tokio::test(start_paused = true)]
async fn automatic_commits_follow_a_reset_back() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..3);
    let client = client(&embedded);
    let mut consumer = member(&client, marking("g").enable_auto_offset_store(true));
    records(&mut consumer, 3).await;
    consumer.seek(&tp(0), 22).unwrap();
    consumer.commit().await.unwrap();
    assert_eq!(embedded.committed("g", "t", 0), Some(22), "beyond the end");
    records(&mut consumer, 2).await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(embedded.committed("g", "t", 0), Some(1));
}
