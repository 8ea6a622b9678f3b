//! Waiting until all partitions were read to their end.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};

use kavka_testcontainers::embedded::{
    ApiKey, ErrorCode as BrokerCode, Fault, Reaction, TransactionEnd,
};

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

fn reading(embedded: &EmbeddedCluster, config: ConsumerConfig, partitions: &[i32]) -> Consumer {
    let consumer = client(embedded).consumer(config).unwrap();
    consumer.assign(partitions.iter().map(|partition| tp(*partition))).unwrap();
    consumer
}

/// Reads until it has caught up, within a minute: how many records came, or the first error.
async fn caught_up(consumer: &mut Consumer) -> Result<usize> {
    let (mut count, mut caught_up) = (0, pin!(consumer.caught_up()));
    let reading = async {
        loop {
            tokio::select! {
                done = &mut caught_up => break done.map(|()| count),
                batch = consumer.next_batch() => count += batch?.iter().count(),
            }
        }
    };
    tokio::time::timeout(60 * SECOND, reading).await.expect("it catches up")
}

async fn is_done(waiting: &mut tokio::task::JoinHandle<Result<()>>) -> bool {
    match tokio::time::timeout(SECOND, waiting).await {
        Ok(done) => done.unwrap().is_ok(),
        Err(_) => false,
    }
}

#[tokio::test(start_paused = true)]
async fn all_partitions_are_read_to_their_end_as_of_the_call() {
    let embedded = brokers(3).await;
    append(&embedded, 0, 0..50);
    append_batch(&embedded, 1, 0..700);
    let mut consumer = reading(&embedded, from_earliest(), &[0, 1, 2]);
    assert_eq!(caught_up(&mut consumer).await.unwrap(), 750);
    assert_eq!(caught_up(&mut consumer).await.unwrap(), 0);
    append(&embedded, 2, 0..3);
    assert_eq!(caught_up(&mut consumer).await.unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_comes_after_the_call_is_not_waited_for() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..10);
    let mut consumer = reading(&embedded, from_earliest(), &[0]);
    let mut caught_up = tokio::spawn(consumer.caught_up());
    assert!(!is_done(&mut caught_up).await, "nobody receives");
    append(&embedded, 0, 10..20);
    assert_eq!(values(&mut consumer, 9).await.len(), 9);
    assert!(!is_done(&mut caught_up).await, "one is left");
    assert_eq!(values(&mut consumer, 2).await, [9, 10]);
    assert!(is_done(&mut caught_up).await);
}

#[tokio::test(start_paused = true)]
async fn what_was_received_before_the_call_counts() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..3);
    let mut consumer = reading(&embedded, from_earliest(), &[0, 1]);
    consumer.recv_many(3, HOUR).await.unwrap();
    consumer.caught_up().await.unwrap();
    append_batch(&embedded, 0, 3..9);
    assert_eq!(values(&mut consumer, 1).await, [3], "the rest is in hand");
    let mut caught_up = tokio::spawn(consumer.caught_up());
    tokio::time::sleep(SECOND).await;
    assert_eq!(values(&mut consumer, 5).await, [4, 5, 6, 7, 8]);
    assert!(nothing_comes(&mut consumer).await);
    assert!(is_done(&mut caught_up).await);
}

/// Its batch is begun by one call and ended by another, which takes nothing new.
#[tokio::test(start_paused = true)]
async fn recv_many_catches_up_in_the_middle_of_batches() {
    for max in [1, 2, 3, 7] {
        let embedded = brokers(1).await;
        append_batch(&embedded, 0, 0..6);
        append_batch(&embedded, 0, 6..9);
        let mut consumer = reading(&embedded, from_earliest(), &[0]);
        consumer.recv_many(1, HOUR).await.unwrap();
        let mut caught_up = tokio::spawn(consumer.caught_up());
        let mut count = 1;
        while count < 9 {
            assert!(!is_done(&mut caught_up).await);
            count += consumer.recv_many(max, SECOND).await.unwrap().len();
        }
        consumer.recv_many(max, SECOND).await.unwrap();
        assert!(is_done(&mut caught_up).await, "{max} at a time");
    }
}

#[tokio::test(start_paused = true)]
async fn trailing_markers_and_compacted_tails_are_caught_up_with() {
    let embedded = brokers(1).await;
    for end in [TransactionEnd::Committed, TransactionEnd::Aborted, TransactionEnd::Open] {
        embedded.append_transaction("t", 0, 7, &[(None, Some(b"0"))], end);
    }
    append(&embedded, 1, 0..1);
    let mut compacted = embedded.log("t", 1)[0].bytes.to_vec();
    compacted[..8].copy_from_slice(&1_i64.to_be_bytes());
    compacted[23..27].copy_from_slice(&9_i32.to_be_bytes());
    embedded.append_raw("t", 1, &compacted);
    for (isolation, count) in
        [(IsolationLevel::ReadUncommitted, 5), (IsolationLevel::ReadCommitted, 3)]
    {
        let config = from_earliest().isolation_level(isolation).check_crcs(false);
        let mut consumer = reading(&embedded, config.clone(), &[0, 1]);
        assert_eq!(caught_up(&mut consumer).await.unwrap(), count);
        // One by one, the position is behind the last record, and not yet behind what follows it.
        let mut consumer = reading(&embedded, config, &[0, 1]);
        let mut caught_up = tokio::spawn(consumer.caught_up());
        values(&mut consumer, count).await;
        assert!(nothing_comes(&mut consumer).await);
        assert!(is_done(&mut caught_up).await);
    }
}

#[tokio::test(start_paused = true)]
async fn partitions_that_are_paused_are_waited_for_and_those_that_have_gone_are_not() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..3);
    append(&embedded, 1, 0..3);
    let mut consumer = reading(&embedded, from_earliest(), &[0, 1]);
    consumer.pause(&[tp(0)]).unwrap();
    let mut caught_up = tokio::spawn(consumer.caught_up());
    values(&mut consumer, 3).await;
    assert!(nothing_comes(&mut consumer).await);
    assert!(!is_done(&mut caught_up).await);
    consumer.assign([tp(1), tp(2)]).unwrap();
    assert!(is_done(&mut caught_up).await);
    consumer.assign([tp(0)]).unwrap();
    consumer.pause(&[tp(0)]).unwrap();
    let mut caught_up = tokio::spawn(consumer.caught_up());
    assert!(nothing_comes(&mut consumer).await);
    consumer.resume(&[tp(0)]).unwrap();
    values(&mut consumer, 3).await;
    assert!(nothing_comes(&mut consumer).await);
    assert!(is_done(&mut caught_up).await);
}

#[tokio::test(start_paused = true)]
async fn a_member_waits_for_its_first_partitions() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..3);
    let client = client(&embedded);
    let mut consumer = client.consumer(from_earliest().group_id("g")).unwrap();
    let nothing = consumer.caught_up().await.unwrap_err();
    assert_eq!(nothing.kind(), ErrorKind::Config);
    consumer.subscribe(["t"]).unwrap();
    assert_eq!(caught_up(&mut consumer).await.unwrap(), 3);
    consumer.unsubscribe().unwrap();
    consumer.subscribe(["t"]).unwrap();
    assert_eq!(caught_up(&mut consumer).await.unwrap(), 0, "from what it has committed");
}

#[tokio::test(start_paused = true)]
async fn a_seek_back_is_read_to_the_end_again() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..5);
    let mut consumer = reading(&embedded, from_earliest(), &[0]);
    let mut caught_up = tokio::spawn(consumer.caught_up());
    tokio::time::sleep(SECOND).await;
    values(&mut consumer, 4).await;
    append(&embedded, 0, 5..50);
    consumer.seek(&tp(0), 1).unwrap();
    assert!(!is_done(&mut caught_up).await);
    assert_eq!(values(&mut consumer, 5).await, [1, 2, 3, 4, 5]);
    assert!(is_done(&mut caught_up).await, "to the end as of the call");
    let mut caught_up = tokio::spawn(consumer.caught_up());
    consumer.seek(&tp(0), 0).unwrap();
    consumer.seek(&tp(0), 77).unwrap();
    assert!(is_done(&mut caught_up).await, "it is behind the end");
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_is_created_anew_is_read_to_its_own_end() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..50);
    let mut consumer = reading(&embedded, from_earliest(), &[0]);
    let mut caught_up = tokio::spawn(consumer.caught_up());
    values(&mut consumer, 20).await;
    embedded.delete_topic("t").unwrap();
    embedded.create_topic("t", 1, 1).unwrap();
    append(&embedded, 0, 0..3);
    let reading = async { while consumer.recv().await.is_ok() {} };
    assert!(tokio::time::timeout(600 * SECOND, reading).await.is_err());
    assert!(is_done(&mut caught_up).await);
}

#[tokio::test(start_paused = true)]
async fn what_stops_a_partition_ends_the_wait_behind_the_records_before_it() {
    // The last byte, which is looked at when the batch is reached; the version, when it is fetched.
    for at in [None, Some(16)] {
        let embedded = brokers(1).await;
        append(&embedded, 0, 0..2);
        let mut damaged = embedded.log("t", 0)[1].bytes.to_vec();
        let at = at.unwrap_or(damaged.len() - 1);
        damaged[at] ^= 0xff;
        damaged[..8].copy_from_slice(&2_i64.to_be_bytes());
        embedded.append_raw("t", 0, &damaged);
        let mut consumer = reading(&embedded, from_earliest(), &[0]);
        let caught_up = tokio::spawn(consumer.caught_up());
        assert_eq!(values(&mut consumer, 1).await, [0]);
        tokio::time::sleep(SECOND).await;
        assert!(!caught_up.is_finished(), "the damage is there, but not met");
        assert_eq!(values(&mut consumer, 1).await, [1]);
        tokio::time::sleep(SECOND).await;
        assert_eq!(next(&mut consumer).await.unwrap_err().kind(), ErrorKind::Corrupt);
        let stopped = tokio::time::timeout(SECOND, caught_up).await.expect("it ends");
        assert_eq!(stopped.unwrap().unwrap_err().kind(), ErrorKind::Corrupt);
    }
    let embedded = brokers(1).await;
    let config = ConsumerConfig::new().auto_offset_reset(AutoOffsetReset::None);
    let error = caught_up_alone(&reading(&embedded, config, &[1])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoOffset);
}

async fn caught_up_alone(consumer: &Consumer) -> Result<()> {
    tokio::time::timeout(60 * SECOND, consumer.caught_up()).await.expect("an answer")
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_consumer_ends_the_wait() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..2);
    for is_closed in [true, false] {
        let consumer = reading(&embedded, from_earliest(), &[0]);
        let (handle, caught_up) = (consumer.handle(), tokio::spawn(consumer.caught_up()));
        tokio::time::sleep(SECOND).await;
        if is_closed {
            consumer.close(SECOND).await.unwrap();
        } else {
            drop(consumer);
        }
        let ended = tokio::time::timeout(SECOND, caught_up).await.expect("an answer").unwrap();
        assert_eq!(ended.unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(handle.caught_up().await.unwrap_err().kind(), ErrorKind::Closed);
    }
    // Also while it asks.
    embedded.fault(Fault::on(ApiKey::ListOffsets).then(Reaction::DropReply));
    let config = from_earliest().group_id("g");
    let consumer = reading(&embedded, config, &[0]);
    let caught_up = tokio::spawn(consumer.caught_up());
    tokio::time::sleep(SECOND).await;
    drop(consumer);
    let ended = tokio::time::timeout(SECOND, caught_up).await.expect("an answer").unwrap();
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_is_fenced_waits_no_more() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..3);
    let client = client(&embedded);
    let config = || from_earliest().group_id("g").group_instance_id("one");
    let mut first = client.consumer(config()).unwrap();
    first.subscribe(["t"]).unwrap();
    values(&mut first, 1).await;
    first.pause(&[tp(0)]).unwrap();
    let mut caught_up = tokio::spawn(first.caught_up());
    assert!(!is_done(&mut caught_up).await);
    let mut second = client.consumer(config()).unwrap();
    second.subscribe(["t"]).unwrap();
    values(&mut second, 1).await;
    let fenced = tokio::time::timeout(60 * SECOND, caught_up).await.expect("an answer").unwrap();
    let code = fenced.unwrap_err().code();
    assert_eq!(code, Some(crate::error::ErrorCode::FENCED_INSTANCE_ID));
}

#[tokio::test(start_paused = true)]
async fn a_member_that_is_fenced_before_it_has_partitions_waits_no_more() {
    let embedded = brokers(1).await;
    let config = from_earliest().group_id("g").group_instance_id("one");
    let consumer = client(&embedded).consumer(config).unwrap();
    embedded.fault(Fault::on(ApiKey::JoinGroup).then(Reaction::Delay(10 * SECOND)));
    let refusal = Reaction::Answer(BrokerCode::FencedInstanceId);
    embedded.fault(Fault::on(ApiKey::JoinGroup).then(refusal));
    consumer.subscribe(["t"]).unwrap();
    let error = caught_up_alone(&consumer).await.unwrap_err();
    assert_eq!(error.code(), Some(crate::error::ErrorCode::FENCED_INSTANCE_ID));
}

/// A leader that names a nearer replica sends no records, which does not say that there are none.
#[tokio::test(start_paused = true)]
async fn what_a_nearer_replica_has_is_waited_for() {
    let embedded = with_a_nearer_replica().await;
    append(&embedded, 0, 0..3);
    let mut consumer = reading(&embedded, from_earliest().client_rack("b"), &[0]);
    // A task of its own has its turn between the answers of the two.
    let read = tokio::spawn(async move { caught_up(&mut consumer).await });
    assert_eq!(read.await.unwrap().unwrap(), 3);
}

/// However many batches there are: whoever waits is not woken for each, and leaves nothing behind.
#[tokio::test(start_paused = true)]
async fn waiting_is_woken_seldom_and_ends_with_its_future() {
    let embedded = brokers(1).await;
    append(&embedded, 0, 0..2_000);
    let mut consumer = reading(&embedded, from_earliest(), &[0, 1, 2]);
    let polls = Arc::new(AtomicU32::new(0));
    let mut counted = Box::pin(consumer.caught_up());
    let count = Arc::clone(&polls);
    let caught_up = tokio::spawn(poll_fn(move |context| {
        count.fetch_add(1, Ordering::Relaxed);
        counted.as_mut().poll(context)
    }));
    for _ in 0..2_000 {
        consumer.recv().await.unwrap();
        tokio::task::yield_now().await;
    }
    assert!(nothing_comes(&mut consumer).await);
    caught_up.await.unwrap().unwrap();
    let polls = polls.load(Ordering::Relaxed);
    assert!(polls < 40, "woken {polls} times for 2,000 batches");

    append(&embedded, 0, 0..2);
    let waiting = tokio::spawn(consumer.caught_up());
    tokio::time::sleep(SECOND).await;
    waiting.abort();
    assert!(waiting.await.is_err());
    values(&mut consumer, 2).await;
    let shared = &consumer.handle.core.shared;
    assert_eq!(shared.buffer(|buffer| buffer.take_noted().len()), 0, "nobody wants to know");
}
