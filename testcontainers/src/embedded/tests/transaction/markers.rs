//! Between the decision and its markers.

use std::time::Duration;

use kafka_protocol::ResponseError;

use super::super::client::one_broker;
use super::cluster;
use super::world::{World, rest};
use crate::embedded::{EmbeddedCluster, Fate, TransactionState};

const LONG: Duration = Duration::from_millis(500);

async fn slow(level: i16) -> (EmbeddedCluster, World) {
    let cluster =
        one_broker().transaction_version(level).marker_delay(LONG..=LONG).start().await.unwrap();
    let world = World::embedded(&cluster).await;
    (cluster, world)
}

#[tokio::test(start_paused = true)]
async fn while_markers_are_out_the_old_protocol_has_to_wait() {
    let (cluster, mut world) = slow(1).await;
    let me = world.begin().await;
    world.add_one(me).await.unwrap();
    world.produce(11, me, 0).await.unwrap();
    world.end(3, me, true).await.unwrap();
    assert_eq!(world.state().await.unwrap().0, "PrepareCommit");
    let concurrent = ResponseError::ConcurrentTransactions;
    assert_eq!(world.add_one(me).await, Err(concurrent));
    assert_eq!(world.end(3, me, true).await, Err(concurrent), "the same again");
    assert_eq!(world.end(3, me, false).await, Err(concurrent), "and the opposite");
    assert_eq!(world.init(4, (-1, -1)).await, Err(concurrent));
    assert_eq!(
        world.produce_to(11, me, 0, 1).await,
        Err(ResponseError::NotEnoughReplicas),
        "which is retried without a look-up"
    );
    assert_eq!(world.end(3, (me.0, me.1 - 1), true).await, Err(ResponseError::ProducerFenced));
    assert_eq!(cluster.fates(&world.topic, 0).last().unwrap().1, Fate::Open);
    rest(501).await;
    assert_eq!(
        cluster.fates(&world.topic, 0).iter().map(|one| one.1).collect::<Vec<_>>(),
        [Fate::Committed, Fate::Marker { committed: true }]
    );
    world.add_one(me).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn while_markers_are_out_a_leader_waits_a_little_for_the_new_protocol() {
    let (cluster, mut world) = slow(2).await;
    let me = world.begin().await;
    world.produce(12, me, 0).await.unwrap();
    let next = world.end(5, me, false).await.unwrap();
    let asked = tokio::time::Instant::now();
    assert_eq!(world.produce(12, next, 0).await, Err(ResponseError::ConcurrentTransactions));
    assert_eq!(asked.elapsed(), Duration::from_millis(100));
    assert_eq!(
        world.commit_offset(5, next, 1, super::world::NOBODY).await,
        Err(ResponseError::ConcurrentTransactions)
    );
    rest(330).await;
    let offset = world.produce(12, next, 0).await.unwrap();
    assert_eq!(offset, 2, "it came 70 ms before the marker, and lies behind it");
    assert_eq!(
        cluster.fates(&world.topic, 0).iter().map(|one| one.1).collect::<Vec<_>>(),
        [Fate::Aborted, Fate::Marker { committed: false }, Fate::Open]
    );
}

#[tokio::test(start_paused = true)]
async fn the_stable_end_is_never_below_the_first_offset() {
    let cluster = cluster(2).await;
    let mut world = World::embedded(&cluster).await;
    let me = world.begin().await;
    world.produce(12, me, 0).await.unwrap();
    world.produce(12, me, 1).await.unwrap();
    cluster.delete_records(&world.topic, 0, 1);
    assert_eq!(cluster.last_stable_offset(&world.topic, 0), Some(1));
}

/// Why a client that changes to the new protocol asks for an epoch first: Kafka's own comment in
/// `UnifiedLog` relies on it.
#[tokio::test(start_paused = true)]
async fn under_the_epoch_of_the_old_protocol_a_record_of_the_new_one_joins_what_is_ending() {
    let (cluster, mut world) = slow(2).await;
    let me = world.begin().await;
    world.add_one(me).await.unwrap();
    world.produce(11, me, 0).await.unwrap();
    world.end(4, me, true).await.unwrap();
    assert_eq!(world.produce(12, me, 1).await, Ok(1));
    world.settle().await;
    assert_eq!(
        cluster.committed_log(&world.topic, 0).len(),
        2,
        "it was committed before its transaction began"
    );
    assert_eq!(cluster.transaction(&world.id).unwrap().state, TransactionState::CompleteCommit);
}

#[tokio::test(start_paused = true)]
async fn a_partition_whose_markers_are_held_keeps_the_transaction_open() {
    let cluster = cluster(2).await;
    let mut world = World::embedded(&cluster).await;
    let me = world.begin().await;
    world.produce_to(12, me, 0, 0).await.unwrap();
    world.produce_to(12, me, 0, 1).await.unwrap();
    cluster.hold_markers(&world.topic, 1, true);
    let next = world.end(5, me, true).await.unwrap();
    rest(60_000).await;
    let transaction = cluster.transaction(&world.id).unwrap();
    assert_eq!(transaction.state, TransactionState::PrepareCommit);
    assert_eq!(transaction.partitions, [(world.topic.clone(), 1)]);
    assert_eq!(cluster.last_stable_offset(&world.topic, 0), Some(2));
    assert_eq!(cluster.last_stable_offset(&world.topic, 1), Some(0));
    assert_eq!(cluster.committed_log(&world.topic, 0).len(), 1);
    assert!(cluster.committed_log(&world.topic, 1).is_empty());
    assert_eq!(world.produce(12, next, 0).await, Err(ResponseError::ConcurrentTransactions));
    cluster.hold_markers(&world.topic, 1, false);
    rest(5).await;
    assert_eq!(cluster.transaction(&world.id).unwrap().state, TransactionState::CompleteCommit);
    assert_eq!(cluster.committed_log(&world.topic, 1).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn markers_come_at_times_of_their_own_by_the_seed() {
    let play = async |seed: u64| {
        let cluster = one_broker().seed(seed).start().await.unwrap();
        cluster.set_marker_delay(Duration::from_millis(1)..=Duration::from_millis(500));
        let mut world = World::embedded(&cluster).await;
        let me = world.begin().await;
        world.produce_to(12, me, 0, 0).await.unwrap();
        world.produce_to(12, me, 0, 1).await.unwrap();
        world.end(5, me, true).await.unwrap();
        rest(1000).await;
        let time = |partition| cluster.log(&world.topic, partition)[1].header.max_timestamp;
        (time(0), time(1), cluster.transaction_history().len())
    };
    let first = play(7).await;
    assert_eq!(first, play(7).await);
    assert_ne!(first.0, first.1);
    assert_ne!((first.0, first.1), {
        let other = play(8).await;
        (other.0, other.1)
    });
}

#[tokio::test(start_paused = true)]
async fn a_fetch_of_committed_records_wakes_up_with_the_marker() {
    let (cluster, mut world) = slow(2).await;
    let me = world.begin().await;
    world.produce(12, me, 0).await.unwrap();
    world.end(5, me, true).await.unwrap();
    let mut reader = World::at(&cluster, 1, &world);
    let asked = tokio::time::Instant::now();
    let found = reader.fetch_waiting(true, 60_000).await;
    assert_eq!(asked.elapsed(), LONG);
    assert!(!found.records.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn every_step_of_an_id_is_written_down() {
    let (cluster, mut world) = slow(2).await;
    let me = world.begin().await;
    world.produce(12, me, 0).await.unwrap();
    let next = world.end(5, me, true).await.unwrap();
    world.settle().await;
    world.end(5, next, false).await.unwrap();
    let steps: Vec<_> = cluster
        .transaction_history()
        .into_iter()
        .map(|one| (one.state, one.producer_epoch))
        .collect();
    assert_eq!(
        steps,
        [
            (TransactionState::Empty, 0),
            (TransactionState::Ongoing, 0),
            (TransactionState::PrepareCommit, 1),
            (TransactionState::CompleteCommit, 1),
            (TransactionState::PrepareAbort, 2),
            (TransactionState::CompleteAbort, 2),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_vanishes_holds_nothing_up() {
    let (cluster, mut world) = slow(2).await;
    let me = world.begin().await;
    world.produce(12, me, 0).await.unwrap();
    let _next = world.end(5, me, true).await.unwrap();
    cluster.delete_topic(&world.topic).unwrap();
    rest(600).await;
    assert_eq!(cluster.transaction(&world.id).unwrap().state, TransactionState::CompleteCommit);
}

#[tokio::test(start_paused = true)]
async fn the_stable_end_waits_until_consumers_may_see_the_marker() {
    let cluster = cluster(2).await;
    let mut world = World::embedded(&cluster).await;
    let me = world.begin().await;
    world.produce(12, me, 0).await.unwrap();
    cluster.hold_high_watermark(&world.topic, 0, Some(1));
    world.end(5, me, true).await.unwrap();
    rest(10).await;
    assert_eq!(cluster.last_stable_offset(&world.topic, 0), Some(0));
    cluster.hold_high_watermark(&world.topic, 0, None);
    assert_eq!(cluster.last_stable_offset(&world.topic, 0), Some(2));
}
