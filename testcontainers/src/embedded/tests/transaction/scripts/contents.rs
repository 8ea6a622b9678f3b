//! What is in transactions: offsets, what consumers see, and what hangs.

use super::super::world::{NOBODY, World, headers, rest};
use super::Said;

/// Offsets are pending until the marker (KIP-447).
pub(in super::super) async fn offsets_old(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    let me = world.begin().await;
    said.say("before they are added, v3", &world.commit_offset(3, me, 1, NOBODY).await);
    said.say("before they are added, v4", &world.commit_offset(4, me, 1, NOBODY).await);
    said.say("add", &world.add_offsets(me).await);
    said.say("commit", &world.commit_offset(3, me, 7, NOBODY).await);
    said.say("fetch", &world.fetch_offset(false).await);
    said.say("fetch stable", &world.fetch_offset(true).await);
    said.say(
        "a generation of a group without members",
        &world.commit_offset(3, me, 1, ("m", 4)).await,
    );
    world.end(3, me, true).await.unwrap();
    world.settle().await;
    said.say("fetch stable when committed", &world.fetch_offset(true).await);
    said.say("commit after the end", &world.commit_offset(3, me, 8, NOBODY).await);
    world.add_offsets(me).await.unwrap();
    world.commit_offset(3, me, 9, NOBODY).await.unwrap();
    world.end(3, me, false).await.unwrap();
    world.settle().await;
    said.say("fetch stable when aborted", &world.fetch_offset(true).await);
    said.say("of an older epoch", &world.commit_offset(3, (me.0, me.1 - 1), 8, NOBODY).await);
    said.say("of another id", &world.commit_offset(3, (me.0 + 100_000, me.1), 8, NOBODY).await);
    said.0
}

pub(in super::super) const OFFSETS_OLD: &[&str] = &[
    "before they are added, v3: InvalidTxnState",
    "before they are added, v4: TransactionAbortable",
    "add: ()",
    "commit: ()",
    "fetch: -1",
    "fetch stable: UnstableOffsetCommit",
    "a generation of a group without members: UnknownMemberId",
    "fetch stable when committed: 7",
    "commit after the end: InvalidTxnState",
    "fetch stable when aborted: 7",
    "of an older epoch: InvalidProducerEpoch",
    "of another id: InvalidProducerIdMapping",
];

/// TxnOffsetCommit v5 adds them itself.
pub(in super::super) async fn offsets_new(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    let me = world.begin().await;
    // Before 4.0 it is UNKNOWN_MEMBER_ID.
    said.say(
        "a generation of a group that is not there",
        &world.commit_offset(5, me, 1, ("m", 4)).await,
    );
    said.say("commit", &world.commit_offset(5, me, 7, NOBODY).await);
    said.say("fetch stable", &world.fetch_offset(true).await);
    said.say_producer("end", me, &world.end(5, me, true).await);
    world.settle().await;
    said.say("fetch stable when committed", &world.fetch_offset(true).await);
    said.say("of the epoch before", &world.commit_offset(5, me, 8, NOBODY).await);
    let next = (me.0, me.1 + 1);
    said.say("of the next", &world.commit_offset(5, next, 9, NOBODY).await);
    said.say_producer("abort", me, &world.end(5, next, false).await);
    world.settle().await;
    said.say("fetch stable when aborted", &world.fetch_offset(true).await);
    said.0
}

pub(in super::super) const OFFSETS_NEW: &[&str] = &[
    "a generation of a group that is not there: IllegalGeneration",
    "commit: ()",
    "fetch stable: UnstableOffsetCommit",
    "end: 1",
    "fetch stable when committed: 7",
    "of the epoch before: InvalidProducerEpoch",
    "of the next: ()",
    "abort: 2",
    "fetch stable when aborted: 7",
];

/// What consumers of either isolation see of a transaction that is open, and of one that was
/// aborted.
pub(in super::super) async fn isolation(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    let me = world.begin().await;
    world.add_one(me).await.unwrap();
    world.produce(11, me, 0).await.unwrap();
    let look = async |said: &mut Said, world: &mut World, when: &str| {
        for committed_only in [false, true] {
            let found = world.fetch(committed_only).await;
            let bases: Vec<i64> = headers(&found.records.unwrap_or_default())
                .iter()
                .map(|one| one.base_offset)
                .collect();
            let aborted: Vec<i64> = found
                .aborted_transactions
                .into_iter()
                .flatten()
                .map(|one| one.first_offset)
                .collect();
            let (high, stable) = (found.high_watermark, found.last_stable_offset);
            let end = world.end_offset(committed_only).await;
            said.say(
                &format!("{when}, committed only {committed_only}"),
                &Ok((high, stable, bases, aborted, end)),
            );
        }
    };
    look(&mut said, world, "open").await;
    world.end(3, me, false).await.unwrap();
    world.settle().await;
    look(&mut said, world, "aborted").await;
    world.add_one(me).await.unwrap();
    world.produce(11, me, 1).await.unwrap();
    world.end(3, me, true).await.unwrap();
    world.settle().await;
    look(&mut said, world, "committed").await;
    said.0
}

pub(in super::super) const ISOLATION: &[&str] = &[
    "open, committed only false: (1, 0, [0], [], 1)",
    "open, committed only true: (1, 0, [], [], 0)",
    "aborted, committed only false: (2, 2, [0, 1], [], 2)",
    "aborted, committed only true: (2, 2, [0, 1], [0], 2)",
    "committed, committed only false: (4, 4, [0, 1, 2, 3], [], 4)",
    "committed, committed only true: (4, 4, [0, 1, 2, 3], [0], 4)",
];

/// Batches in and out of transactions by one producer.
pub(in super::super) async fn outside(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    let me = world.begin().await;
    world.add_one(me).await.unwrap();
    said.say("in it", &world.produce(11, me, 0).await);
    said.say("outside while it is open", &world.produce_outside(me, 1).await);
    said.say("in it again", &world.produce(11, me, 1).await);
    world.end(4, me, true).await.unwrap();
    world.settle().await;
    said.say("outside when it has ended", &world.produce_outside(me, 2).await);
    said.say("outside under an older epoch", &world.produce_outside((me.0, me.1 - 1), 3).await);
    said.0
}

pub(in super::super) const OUTSIDE: &[&str] = &[
    "in it: 0",
    "outside while it is open: InvalidTxnState",
    "in it again: 1",
    "outside when it has ended: 3",
    "outside under an older epoch: InvalidProducerEpoch",
];

/// What an admin sees of a producer, and how it ends a transaction that hangs (KIP-664).
pub(in super::super) async fn hanging(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    world.begin().await;
    let me = world.begin().await;
    world.produce(11, me, 0).await.unwrap_err();
    world.add_one(me).await.unwrap();
    said.say("producers before the first batch", &Ok(world.producers().await.len()));
    world.produce(11, me, 0).await.unwrap();
    let look = async |said: &mut Said, world: &mut World, when: &str| {
        let one = world.producers().await.remove(0);
        let sees = (
            one.producer_epoch,
            one.last_sequence,
            one.coordinator_epoch,
            one.current_txn_start_offset,
        );
        said.say(when, &Ok(sees));
    };
    look(&mut said, world, "open").await;
    said.say("a marker of an older epoch", &world.write_marker((me.0, me.1 - 1), 0).await);
    said.say("a marker", &world.write_marker(me, 7).await);
    look(&mut said, world, "ended by an admin").await;
    said.say("a marker of a coordinator of before", &world.write_marker(me, 6).await);
    said.say("the same marker again", &world.write_marker(me, 7).await);
    said.say("a marker of a higher epoch", &world.write_marker((me.0, me.1 + 5), 7).await);
    look(&mut said, world, "under a higher epoch").await;
    said.say("commit, whose own marker is refused", &world.end(3, me, true).await.map(drop));
    rest(300).await;
    said.say("state", &world.state().await);
    said.0
}

pub(in super::super) const HANGING: &[&str] = &[
    "producers before the first batch: 0",
    "open: (1, 0, -1, 0)",
    "a marker of an older epoch: InvalidProducerEpoch",
    "a marker: ()",
    "ended by an admin: (1, 0, 7, -1)",
    "a marker of a coordinator of before: TransactionCoordinatorFenced",
    "the same marker again: ()",
    "a marker of a higher epoch: ()",
    "under a higher epoch: (6, -1, 7, -1)",
    "commit, whose own marker is refused: ()",
    "state: (\"PrepareCommit\", 1)",
];
