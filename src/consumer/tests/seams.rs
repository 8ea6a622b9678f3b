//! Calls in an unusual order, and ends in unusual places, against embedded brokers in memory under
//! paused time.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use kavka_testcontainers::embedded::{ApiKey, Fault, Reaction};

use super::*;
use crate::boxed::BoxFuture;
use crate::error::Class;
use crate::ids::Timestamp;

const SECOND: Duration = Duration::from_secs(1);

fn member_of(group: &str) -> ConsumerConfig {
    from_earliest()
        .group_id(group)
        .partition_assignment_strategy([AssignmentStrategy::CooperativeSticky])
}

async fn one_partition() -> EmbeddedCluster {
    let embedded =
        EmbeddedCluster::builder().brokers(1).in_memory().topic("t", 1, 1).start().await.unwrap();
    append(&embedded, 0, 0..10);
    embedded
}

async fn committed(embedded: &EmbeddedCluster, group: &str, offset: i64) {
    let begun = crate::runtime::now();
    while embedded.committed(group, "t", 0) != Some(offset) {
        assert!(
            crate::runtime::now() - begun < 20 * SECOND,
            "{:?}, not {offset}",
            embedded.committed(group, "t", 0)
        );
        tokio::time::sleep(SECOND / 10).await;
    }
}

/// How long it takes to end, which is at once.
async fn ends<T>(call: impl Future<Output = Result<T>>) -> ErrorKind {
    let Ok(outcome) = tokio::time::timeout(SECOND, call).await else { panic!("it still waits") };
    match outcome {
        Ok(_) => panic!("it succeeds"),
        Err(error) => error.kind(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_is_subscribed_again_at_once_goes_on() {
    for strategy in [AssignmentStrategy::CooperativeSticky, AssignmentStrategy::Range] {
        let embedded = one_partition().await;
        let client = client(&embedded);
        let mut consumer =
            client.consumer(member_of("g").partition_assignment_strategy([strategy])).unwrap();
        consumer.subscribe(["t"]).unwrap();
        assert_eq!(values(&mut consumer, 3).await, [0, 1, 2]);
        consumer.unsubscribe().unwrap();
        assert_eq!(consumer.assignment(), []);
        consumer.subscribe(["t"]).unwrap();
        assert_eq!(
            values(&mut consumer, 3).await,
            [3, 4, 5],
            "the last is processed, as more is asked for"
        );
    }
}

/// Every few turns of the group's task, at every place of the protocol.
#[tokio::test(start_paused = true)]
async fn a_topic_is_given_up_and_subscribed_again_at_any_moment() {
    for turns in 0..60 {
        let embedded = one_partition().await;
        let client = client(&embedded);
        let mut consumer = client.consumer(member_of("g")).unwrap();
        consumer.subscribe(["t"]).unwrap();
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
        consumer.unsubscribe().unwrap();
        for _ in 0..turns % 7 {
            tokio::task::yield_now().await;
        }
        consumer.subscribe(["t"]).unwrap();
        assert_eq!(values(&mut consumer, 3).await, [0, 1, 2], "after {turns} turns");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_assigned_by_hand_is_not_taken_away_by_the_group_that_was_left() {
    let embedded = one_partition().await;
    let client = client(&embedded);
    let mut consumer = client.consumer(member_of("g")).unwrap();
    consumer.subscribe(["t"]).unwrap();
    assert_eq!(values(&mut consumer, 3).await, [0, 1, 2]);
    consumer.unsubscribe().unwrap();
    consumer.assign([tp(0)]).unwrap();
    assert_eq!(
        values(&mut consumer, 3).await,
        [3, 4, 5],
        "behind what was committed when it was given up"
    );
    tokio::time::sleep(60 * SECOND).await;
    assert_eq!(consumer.assignment(), [tp(0)]);
    assert_eq!(values(&mut consumer, 2).await, [6, 7]);
    consumer.assign([]).unwrap();
    committed(&embedded, "g", 7).await;
}

/// Commits when it must give partitions up.
struct Committing(Arc<Mutex<Vec<Result<()>>>>);

impl RebalanceListener for Committing {
    fn on_revoked<'a>(
        &'a self,
        consumer: &'a ConsumerHandle,
        _: &'a [TopicPartition],
    ) -> BoxFuture<'a> {
        Box::pin(async move {
            let outcome = consumer.commit().await;
            self.0.lock().unwrap().push(outcome);
        })
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_processed_is_committed_though_it_was_given_up_by_the_application() {
    let embedded = one_partition().await;
    let client = client(&embedded);
    let mut consumer = client.consumer(member_of("automatic")).unwrap();
    consumer.subscribe(["t"]).unwrap();
    values(&mut consumer, 5).await;
    consumer.unsubscribe().unwrap();
    committed(&embedded, "automatic", 4).await;

    let mut consumer = client.consumer(member_of("listener").enable_auto_commit(false)).unwrap();
    let outcomes = Arc::default();
    consumer.rebalance_listener(Committing(Arc::clone(&outcomes)));
    consumer.subscribe(["t"]).unwrap();
    values(&mut consumer, 5).await;
    consumer.unsubscribe().unwrap();
    committed(&embedded, "listener", 5).await;
    assert!(matches!(outcomes.lock().unwrap()[..], [Ok(())]));

    let mut consumer =
        client.consumer(member_of("chosen twice").enable_auto_commit(false)).unwrap();
    let outcomes = Arc::default();
    consumer.rebalance_listener(Committing(Arc::clone(&outcomes)));
    consumer.subscribe(["t"]).unwrap();
    values(&mut consumer, 5).await;
    consumer.unsubscribe().unwrap();
    consumer.assign([tp(0)]).unwrap();
    consumer.assign([tp(1)]).unwrap();
    committed(&embedded, "chosen twice", 5).await;

    let mut consumer = client.consumer(member_of("by hand")).unwrap();
    consumer.assign([tp(0)]).unwrap();
    values(&mut consumer, 5).await;
    consumer.assign([tp(1)]).unwrap();
    committed(&embedded, "by hand", 4).await;
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_client_ends_every_call_of_its_consumers() {
    let embedded = one_partition().await;
    let client = client(&embedded);
    let mut consumer = client.consumer(member_of("g")).unwrap();
    consumer.subscribe(["t"]).unwrap();
    values(&mut consumer, 10).await;
    let handle = consumer.handle();
    let waiting = tokio::spawn(async move {
        let error = consumer.recv().await.unwrap_err();
        (error.kind(), consumer)
    });
    tokio::time::sleep(SECOND).await;
    client.clone().close(SECOND).await.unwrap();
    let (kind, mut consumer) =
        tokio::time::timeout(SECOND, waiting).await.expect("it does not wait").unwrap();
    assert_eq!(kind, ErrorKind::Closed);
    assert_eq!(ends(consumer.recv()).await, ErrorKind::Closed, "and says so each time");
    assert_eq!(ends(handle.commit()).await, ErrorKind::Closed);
    assert_eq!(ends(handle.commit_offsets([(tp(0), 1)])).await, ErrorKind::Closed);
    assert_eq!(ends(handle.committed([tp(0)])).await, ErrorKind::Closed);
    assert_eq!(ends(handle.position(&tp(0))).await, ErrorKind::Closed);
    assert_eq!(ends(handle.end_offsets([tp(0)])).await, ErrorKind::Closed);
    assert_eq!(handle.commit_async().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(handle.subscribe(["t"]).unwrap_err().kind(), ErrorKind::Closed);
    tokio::time::timeout(SECOND, consumer.close(60 * SECOND))
        .await
        .expect("there is nothing to wait for")
        .unwrap();

    let late = client.consumer(member_of("late"));
    if let Ok(mut late) = late {
        let _ = late.subscribe(["t"]);
        assert_eq!(
            ends(late.recv()).await,
            ErrorKind::Closed,
            "of a client that was closed before"
        );
        assert_eq!(ends(late.commit()).await, ErrorKind::Closed);
    }
}

#[tokio::test(start_paused = true)]
async fn commits_of_a_consumer_that_is_gone_end_at_once() {
    let embedded = one_partition().await;
    let client = client(&embedded);
    for is_closed in [true, false] {
        let mut consumer = client.consumer(member_of("g")).unwrap();
        consumer.subscribe(["t"]).unwrap();
        values(&mut consumer, 1).await;
        let handle = consumer.handle();
        if is_closed {
            consumer.close(SECOND).await.unwrap();
        } else {
            drop(consumer);
        }
        assert_eq!(ends(handle.commit()).await, ErrorKind::Closed);
        assert_eq!(ends(handle.commit_offsets([(tp(0), 1)])).await, ErrorKind::Closed);
        assert_eq!(ends(handle.committed([tp(0)])).await, ErrorKind::Closed);
    }
}

/// One that is on its way when the consumer goes.
#[tokio::test(start_paused = true)]
async fn a_commit_under_way_ends_with_its_consumer() {
    let embedded = one_partition().await;
    let client = client(&embedded);
    let mut consumer = client.consumer(member_of("g")).unwrap();
    consumer.subscribe(["t"]).unwrap();
    values(&mut consumer, 3).await;
    embedded.fault(Fault::on(ApiKey::OffsetCommit).then(Reaction::DropReply));
    let handle = consumer.handle();
    let commit = tokio::spawn(async move { handle.commit().await });
    tokio::time::sleep(SECOND).await;
    drop(consumer);
    assert_eq!(ends(async { commit.await.unwrap() }).await, ErrorKind::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_fenced_member_is_told_each_time_it_asks() {
    let embedded = one_partition().await;
    let client = client(&embedded);
    let config = || member_of("g").group_instance_id("one");
    let mut first = client.consumer(config()).unwrap();
    first.subscribe(["t"]).unwrap();
    values(&mut first, 1).await;
    let mut second = client.consumer(config()).unwrap();
    second.subscribe(["t"]).unwrap();
    values(&mut second, 1).await;
    let fenced = |error: &Error| error.code() == Some(crate::error::ErrorCode::FENCED_INSTANCE_ID);
    let mut told = 0;
    while told < 3 {
        match tokio::time::timeout(60 * SECOND, first.recv()).await.expect("it is not silent") {
            Ok(_) => {}
            Err(error) => {
                assert!(fenced(&error), "{error}");
                told += 1;
            }
        }
    }
    assert!(fenced(&first.commit().await.unwrap_err()));
    first.unsubscribe().unwrap();
    first.subscribe(["t"]).unwrap();
    assert!(fenced(&first.recv().await.unwrap_err()));
    first.unsubscribe().unwrap();
    first.assign([tp(0)]).unwrap();
    first.seek(&tp(0), 3).unwrap();
    assert_eq!(values(&mut first, 1).await, [3], "what needs no membership goes on");
}

#[tokio::test(start_paused = true)]
async fn a_seek_into_a_topic_that_was_created_anew_while_it_was_not_assigned_counts() {
    let embedded = one_partition().await;
    let client = client(&embedded);
    let mut consumer = client.consumer(from_earliest()).unwrap();
    consumer.assign([tp(0)]).unwrap();
    values(&mut consumer, 3).await;
    consumer.unsubscribe().unwrap();
    tokio::time::sleep(SECOND).await;
    embedded.delete_topic("t").unwrap();
    embedded.create_topic("t", 1, 1).unwrap();
    append(&embedded, 0, 100..110);
    consumer.assign([tp(0)]).unwrap();
    consumer.seek(&tp(0), 8).unwrap();
    assert_eq!(values(&mut consumer, 2).await, [108, 109]);
}

#[tokio::test(start_paused = true)]
async fn going_back_is_committed_though_a_commit_is_under_way() {
    let embedded = one_partition().await;
    append(&embedded, 0, 10..100);
    let client = client(&embedded);
    let mut consumer = client.consumer(member_of("g")).unwrap();
    consumer.subscribe(["t"]).unwrap();
    values(&mut consumer, 50).await;
    embedded.fault(Fault::on(ApiKey::OffsetCommit).nth(1).then(Reaction::DelayReply(3 * SECOND)));
    consumer.commit_async().unwrap();
    tokio::time::sleep(SECOND).await;
    consumer.seek(&tp(0), 10).unwrap();
    committed(&embedded, "g", 10).await;
}

#[tokio::test(start_paused = true)]
async fn offsets_of_topics_that_the_client_does_not_know_are_committed_and_found() {
    let embedded = one_partition().await;
    let (first, second) = (client(&embedded), client(&embedded));
    let other = first.consumer(ConsumerConfig::new().group_id("g")).unwrap();
    other.commit_offsets([(tp(0), 5)]).await.unwrap();
    let asking = second.consumer(ConsumerConfig::new().group_id("g")).unwrap();
    let found = asking.committed([tp(0)]).await.unwrap();
    assert_eq!(found[&tp(0)].as_ref().map(|at| at.offset), Some(Offset(5)));
}

/// Cooperative, so that it goes on with what it owns while it joins again; its JoinGroup is
/// answered into the void.
#[tokio::test(start_paused = true)]
async fn a_member_whose_join_is_never_answered_does_not_stay_an_owner() {
    let embedded = brokers(1).await;
    let config = || member_of("g").session_timeout(10 * SECOND);
    let named = ClientConfig::new(embedded.bootstrap_servers())
        .connector(InMemory(embedded.clone()))
        .client_id("deaf")
        .seed(2);
    let (deaf, client) = (Client::new(named).unwrap(), client(&embedded));
    let mut first = deaf.consumer(config()).unwrap();
    first.subscribe(["t"]).unwrap();
    while first.assignment().len() < 3 {
        let _ = tokio::time::timeout(SECOND / 100, first.recv()).await;
    }
    embedded
        .fault(Fault::on(ApiKey::JoinGroup).client_id("deaf").times(1).then(Reaction::DropReply));
    let mut second = client.consumer(config()).unwrap();
    second.subscribe(["t"]).unwrap();
    let begun = crate::runtime::now();
    loop {
        for member in [&mut first, &mut second] {
            let _ = tokio::time::timeout(SECOND / 100, member.recv()).await;
        }
        let (one, two) = (first.assignment(), second.assignment());
        assert!(
            one.iter().all(|partition| !two.contains(partition)),
            "two owners after {:?}",
            crate::runtime::now() - begun
        );
        if one.len() + two.len() == 3 && !one.is_empty() && !two.is_empty() {
            break;
        }
        assert!(crate::runtime::now() - begun < 90 * SECOND, "not settled: {one:?}, {two:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn offsets_of_idle_partitions_are_refreshed() {
    let embedded = one_partition().await;
    let client = client(&embedded);
    let mut consumer = client.consumer(member_of("g")).unwrap();
    consumer.assign([tp(0)]).unwrap();
    values(&mut consumer, 10).await;
    assert!(nothing_comes(&mut consumer).await);
    embedded.clear_requests();
    assert!(nothing_comes(&mut consumer).await);
    assert!(!embedded.requests_of(ApiKey::OffsetCommit).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_not_polled_gives_its_partitions_up() {
    use futures_core::Stream;
    use std::task::{Context, Poll, Waker};
    let embedded = one_partition().await;
    let client = client(&embedded);
    let mut consumer = client.consumer(member_of("g").max_poll_interval(10 * SECOND)).unwrap();
    consumer.subscribe(["t"]).unwrap();
    values(&mut consumer, 10).await;
    let polled =
        std::pin::Pin::new(&mut consumer).poll_next(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(polled, Poll::Pending));
    tokio::time::sleep(12 * SECOND).await;
    assert_eq!(consumer.assignment(), []);

    let alive = tokio::spawn(async move {
        loop {
            let _ = std::future::poll_fn(|context| {
                std::pin::Pin::new(&mut consumer).poll_next(context)
            })
            .await;
            if consumer.assignment().is_empty() {
                continue;
            }
            return consumer;
        }
    });
    tokio::time::sleep(30 * SECOND).await;
    append(&embedded, 0, 10..11);
    let consumer =
        tokio::time::timeout(SECOND, alive).await.expect("a stream that waits is alive").unwrap();
    assert_eq!(consumer.assignment(), [tp(0)]);
}

#[tokio::test(start_paused = true)]
async fn arguments_out_of_range_are_refused_or_mean_what_they_mean_in_java() {
    let embedded = one_partition().await;
    let client = client(&embedded);
    let mut consumer = client.consumer(member_of("g")).unwrap();
    consumer.subscribe(["t"]).unwrap();
    values(&mut consumer, 1).await;
    assert_eq!(
        consumer.seek_to_time([&tp(0)], Timestamp(-1)).unwrap_err().kind(),
        ErrorKind::Config
    );
    assert_eq!(consumer.seek(&tp(0), -1).unwrap_err().kind(), ErrorKind::Config);
    assert_eq!(consumer.commit_offsets([(tp(0), -5)]).await.unwrap_err().kind(), ErrorKind::Config);
    consumer.subscribe::<&str>([]).unwrap();
    assert_eq!(consumer.assignment(), []);
    assert_eq!(ends(consumer.recv()).await, ErrorKind::Config, "nothing is subscribed");
    tokio::time::sleep(SECOND).await;
    assert!(!embedded.requests_of(ApiKey::LeaveGroup).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_commit_after_the_partitions_were_lost_does_not_say_that_it_is_done() {
    let embedded = one_partition().await;
    let client = client(&embedded);
    let config = member_of("g").max_poll_interval(10 * SECOND).enable_auto_commit(false);
    let mut consumer = client.consumer(config).unwrap();
    consumer.subscribe(["t"]).unwrap();
    values(&mut consumer, 3).await;
    tokio::time::sleep(15 * SECOND).await;
    assert_eq!(consumer.commit().await.unwrap_err().class(), Class::Rejoin);
    assert_eq!(embedded.committed("g", "t", 0), None);
}

/// In real time: what is done on a record is done on the only thread there is.
#[tokio::test]
async fn others_are_let_run_by_an_application_that_works_on_each_record() {
    let embedded =
        EmbeddedCluster::builder().brokers(1).in_memory().topic("t", 1, 1).start().await.unwrap();
    append_batch(&embedded, 0, 0..2000);
    let client = client(&embedded);
    let mut consumer = client.consumer(from_earliest()).unwrap();
    consumer.assign([tp(0)]).unwrap();
    consumer.recv().await.unwrap();
    let turns = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let counted = Arc::clone(&turns);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(1)).await;
            counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    });
    tokio::task::yield_now().await;
    for _ in 0..400 {
        consumer.recv().await.unwrap();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_micros(500) {}
    }
    let turns = turns.load(std::sync::atomic::Ordering::Relaxed);
    assert!(turns >= 10, "{turns} turns in 200 ms");
}

/// Ends as soon as the group is left, and so does a commit that comes after.
#[tokio::test(start_paused = true)]
async fn a_commit_while_the_consumer_closes_holds_nothing_up() {
    let embedded = one_partition().await;
    let client = client(&embedded);
    let mut consumer = client.consumer(member_of("g").enable_auto_commit(false)).unwrap();
    consumer.subscribe(["t"]).unwrap();
    values(&mut consumer, 3).await;
    let handle = consumer.handle();
    embedded.fault(Fault::on(ApiKey::LeaveGroup).then(Reaction::DelayReply(2 * SECOND)));
    let closing = tokio::spawn(consumer.close(60 * SECOND));
    tokio::time::sleep(SECOND).await;
    let _ = handle.commit_async();
    let late = tokio::spawn(async move { handle.commit_offsets([(tp(0), 2)]).await });
    tokio::time::timeout(5 * SECOND, closing).await.expect("it is not held up").unwrap().unwrap();
    assert!(
        matches!(ends(async { late.await.unwrap() }).await, ErrorKind::Closed | ErrorKind::Broker),
        "it is not owned, or too late"
    );
}

/// What it did by itself is not to be committed over what the group has done since.
#[tokio::test(start_paused = true)]
async fn what_was_done_by_hand_is_not_committed_by_a_member() {
    let embedded = one_partition().await;
    let client = client(&embedded);
    let mut consumer = client.consumer(member_of("g")).unwrap();
    consumer.assign([tp(0)]).unwrap();
    values(&mut consumer, 5).await;
    // Holds up the commits of what was done by hand until it is a member.
    embedded.fault(Fault::on(ApiKey::OffsetCommit).nth(1).then(Reaction::DelayReply(5 * SECOND)));
    let under_way =
        tokio::time::timeout(SECOND / 1000, consumer.commit_offsets([(tp(0), 1)])).await;
    assert!(under_way.is_err());
    consumer.unsubscribe().unwrap();
    consumer.subscribe(["t"]).unwrap();
    assert_eq!(values(&mut consumer, 1).await, [1]);
    tokio::time::sleep(20 * SECOND).await;
    assert!(embedded.committed("g", "t", 0) <= Some(2), "{:?}", embedded.committed("g", "t", 0));
}

/// Another consumer of the group has committed the partition since.
#[tokio::test(start_paused = true)]
async fn a_commit_of_what_was_chosen_by_hand_holds_though_another_went_over_it() {
    let embedded = one_partition().await;
    let client = client(&embedded);
    let mut consumer = client.consumer(member_of("g").enable_auto_commit(false)).unwrap();
    consumer.assign([tp(0)]).unwrap();
    values(&mut consumer, 5).await;
    consumer.commit().await.unwrap();
    let other = client.consumer(member_of("g").enable_auto_commit(false)).unwrap();
    other.commit_offsets([(tp(0), 2)]).await.unwrap();
    consumer.commit().await.unwrap();
    assert_eq!(embedded.committed("g", "t", 0), Some(5));
}

/// What a listener is told: whether partitions are lost, and what came of its commit.
struct Noting(Arc<Mutex<Vec<(bool, Option<Result<()>>)>>>);

impl RebalanceListener for Noting {
    fn on_revoked<'a>(
        &'a self,
        consumer: &'a ConsumerHandle,
        _: &'a [TopicPartition],
    ) -> BoxFuture<'a> {
        Box::pin(async move {
            let outcome = consumer.commit().await;
            self.0.lock().unwrap().push((false, Some(outcome)));
        })
    }

    fn on_lost<'a>(&'a self, _: &'a ConsumerHandle, _: &'a [TopicPartition]) -> BoxFuture<'a> {
        self.0.lock().unwrap().push((true, None));
        Box::pin(std::future::ready(()))
    }
}

/// The coordinator cannot be reached from when the partition is given up until after the session.
#[tokio::test(start_paused = true)]
async fn what_is_lost_while_its_last_commit_is_under_way_is_told_as_lost() {
    let embedded = one_partition().await;
    let client = client(&embedded);
    let mut consumer = client
        .consumer(member_of("g").session_timeout(6 * SECOND).heartbeat_interval(SECOND))
        .unwrap();
    let told = Arc::default();
    consumer.rebalance_listener(Noting(Arc::clone(&told)));
    consumer.subscribe(["t"]).unwrap();
    values(&mut consumer, 5).await;
    for api in [ApiKey::Heartbeat, ApiKey::OffsetCommit] {
        embedded.fault(Fault::on(api).then(Reaction::Answer(
            kavka_testcontainers::embedded::ErrorCode::CoordinatorNotAvailable,
        )));
    }
    consumer.unsubscribe().unwrap();
    for _ in 0..120 {
        // It asks on, and by that has taken notice of what was taken away.
        let _ = consumer.recv().await;
        tokio::time::sleep(SECOND).await;
    }
    assert!(matches!(told.lock().unwrap()[..], [(true, None)]), "{:?}", told.lock().unwrap());
}

/// What is dropped while its tasks are at work on another thread ends all the same.
#[test]
fn consumers_dropped_while_their_tasks_work_leave_no_task() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let ended = runtime.block_on(async {
        let embedded = brokers(1).await;
        append(&embedded, 0, 0..10);
        let client = client(&embedded);
        let mut ended = Vec::new();
        for turn in 0..300 {
            let protocol = [GroupProtocol::Classic, GroupProtocol::Consumer][turn % 2];
            let consumer =
                client.consumer(from_earliest().group_id("g").group_protocol(protocol)).unwrap();
            let task = consumer.handle.core.runtime.clone();
            for _ in 0..20 {
                consumer.subscribe(["t"]).unwrap();
                tokio::task::yield_now().await;
            }
            drop(consumer);
            ended.push(tokio::time::timeout(SECOND, task.join()).await.is_ok());
            if ended.last() == Some(&false) {
                break;
            }
        }
        ended
    });
    runtime.shutdown_timeout(SECOND);
    assert!(ended.iter().all(|ended| *ended), "the {}. goes on for ever", ended.len());
}
