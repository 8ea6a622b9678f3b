//! Scripts of raw requests with what a broker answers to each: the same for the embedded cluster and for real Kafka.
//!
//! `real` plays them on Apache Kafka, which is right where they differ. Each script has a world of its own.

use kafka_protocol::ResponseError;

use super::world::{Answer, NOBODY, Producer, World, batch, headers, rest};

/// What was answered, a line each.
#[derive(Default)]
struct Said(Vec<String>);

impl Said {
    fn say<T: std::fmt::Debug>(&mut self, what: &str, answer: &Answer<T>) {
        let answer = match answer {
            Ok(value) => format!("{value:?}"),
            Err(error) => format!("{error:?}"),
        };
        self.0.push(format!("{what}: {answer}"));
    }

    /// Tells the epoch of a producer, and its id only if it is another one.
    fn say_producer(&mut self, what: &str, of: Producer, answer: &Answer<Producer>) {
        match answer {
            Ok((id, epoch)) if *id == of.0 => self.say(what, &Ok(epoch)),
            Ok((-1, epoch)) => self.say(what, &Ok(("no id", epoch))),
            Ok((_, epoch)) => self.say(what, &Ok(("another id", epoch))),
            Err(error) => self.say::<()>(what, &Err(*error)),
        }
    }
}

/// Partitions are added first, the epoch stays, and an end may be repeated.
pub(super) async fn old_protocol(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    let me = world.begin().await;
    said.say("first epoch", &Ok(me.1));
    said.say("commit of nothing", &world.end(3, me, true).await.map(drop));
    said.say("abort of nothing", &world.end(3, me, false).await.map(drop));
    said.say("produce v9 before it is added", &world.produce(9, me, 0).await);
    said.say("add", &world.add_one(me).await);
    said.say("add again", &world.add_one(me).await);
    said.say("produce v9", &world.produce(9, me, 0).await);
    said.say("produce v9 again", &world.produce(9, me, 0).await);
    said.say("produce v9 another", &world.produce(9, me, 1).await);
    said.say("produce v9 to a partition that was not added", &world.produce_to(9, me, 0, 1).await);
    said.say("sequence left out", &world.produce(9, me, 3).await);
    said.say("commit", &world.end(3, me, true).await.map(drop));
    world.settle().await;
    said.say("commit again", &world.end(3, me, true).await.map(drop));
    said.say("abort instead", &world.end(3, me, false).await.map(drop));
    said.say("produce v9 after the end", &world.produce(9, me, 2).await);
    said.say("add for the next", &world.add_one(me).await);
    said.say("produce v9 in the next, sequences go on", &world.produce(9, me, 2).await);
    said.say("abort", &world.end(3, me, false).await.map(drop));
    world.settle().await;
    said.say("abort again", &world.end(3, me, false).await.map(drop));
    said.say("commit instead", &world.end(3, me, true).await.map(drop));
    let stale = (me.0, me.1 - 1);
    said.say("add of an older epoch, v1", &world.add(1, stale, &[0]).await.remove(0));
    said.say("add of an older epoch, v3", &world.add(3, stale, &[0]).await.remove(0));
    said.say("end of an older epoch, v1", &world.end(1, stale, true).await.map(drop));
    said.say("end of an older epoch, v3", &world.end(3, stale, true).await.map(drop));
    said.say("add of another id", &world.add_one((me.0 + 100_000, me.1)).await);
    said.say("end of another id", &world.end(3, (me.0 + 100_000, me.1), true).await.map(drop));
    // In no order of their own.
    let mut unknown: Vec<_> = world.add(3, me, &[0, 7]).await.into_iter().filter_map(Result::err).map(|one| one.code()).collect();
    unknown.sort_unstable();
    said.say("add with an unknown partition", &Ok(unknown));
    said.0
}

pub(super) const OLD_PROTOCOL: &[&str] = &[
    "first epoch: 0",
    "commit of nothing: InvalidTxnState",
    "abort of nothing: InvalidTxnState",
    "produce v9 before it is added: InvalidTxnState",
    "add: ()",
    "add again: ()",
    "produce v9: 0",
    "produce v9 again: 0",
    "produce v9 another: 1",
    "produce v9 to a partition that was not added: InvalidTxnState",
    "sequence left out: OutOfOrderSequenceNumber",
    "commit: ()",
    "commit again: ()",
    "abort instead: InvalidTxnState",
    "produce v9 after the end: InvalidTxnState",
    "add for the next: ()",
    "produce v9 in the next, sequences go on: 3",
    "abort: ()",
    "abort again: ()",
    "commit instead: InvalidTxnState",
    "add of an older epoch, v1: InvalidProducerEpoch",
    "add of an older epoch, v3: ProducerFenced",
    "end of an older epoch, v1: InvalidProducerEpoch",
    "end of an older epoch, v3: ProducerFenced",
    "add of another id: InvalidProducerIdMapping",
    "end of another id: InvalidProducerIdMapping",
    "add with an unknown partition: [3, 55]",
];

/// The codes that versions 10 and 11 of Produce tell apart (KIP-890 part 1).
pub(super) async fn verification(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    let me = world.begin().await;
    said.say("produce v10", &world.produce(10, me, 0).await);
    said.say("produce v11", &world.produce(11, me, 0).await);
    said.say("produce v11 of an older epoch", &world.produce(11, (me.0, me.1 - 1), 0).await);
    said.say("produce v11 of another id", &world.produce(11, (me.0 + 100_000, me.1), 0).await);
    said.say("add", &world.add_one(me).await);
    said.say("produce v11 above a sequence that was refused", &world.produce(11, me, 5).await);
    said.say("produce v11 when added", &world.produce(11, me, 0).await);
    let without = world.produce_request(batch(me, 1), 0);
    let response = world.client.call(&without, 11).await.responses[0].partition_responses[0].clone();
    said.say("produce v11 without the transactional id", &Ok(response.error_code));
    said.say("commit", &world.end(4, me, true).await.map(drop));
    said.0
}

pub(super) const VERIFICATION: &[&str] = &[
    "produce v10: InvalidTxnState",
    "produce v11: TransactionAbortable",
    "produce v11 of an older epoch: InvalidProducerEpoch",
    "produce v11 of another id: InvalidProducerIdMapping",
    "add: ()",
    "produce v11 above a sequence that was refused: OutOfOrderSequenceNumber",
    "produce v11 when added: 0",
    "produce v11 without the transactional id: 53",
    "commit: ()",
];

/// Producing adds, and each end gives the next epoch (KIP-890 part 2).
pub(super) async fn new_protocol(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    let me = world.begin().await;
    said.say_producer("commit of nothing", me, &world.end(5, me, true).await);
    said.say_producer("abort of nothing", me, &world.end(5, me, false).await);
    world.settle().await;
    let me = (me.0, me.1 + 1);
    said.say("a first sequence above 0", &world.produce(12, me, 1).await);
    said.say("produce v12", &world.produce(12, me, 0).await);
    said.say("produce v12 again", &world.produce(12, me, 0).await);
    said.say_producer("commit", me, &world.end(5, me, true).await);
    world.settle().await;
    said.say_producer("commit again", me, &world.end(5, me, true).await);
    said.say_producer("abort instead", me, &world.end(5, me, false).await);
    said.say("produce v12 of the epoch before", &world.produce(12, me, 1).await);
    let next = (me.0, me.1 + 1);
    said.say_producer("commit of nothing", me, &world.end(5, next, true).await);
    said.say("sequences go on", &world.produce(12, next, 1).await);
    said.say("sequences begin anew", &world.produce(12, next, 0).await);
    said.say_producer("end of the epoch before last", me, &world.end(5, me, true).await);
    said.say_producer("abort", me, &world.end(5, next, false).await);
    world.settle().await;
    said.say_producer("abort again", me, &world.end(5, next, false).await);
    said.say_producer("commit instead", me, &world.end(5, next, true).await);
    let last = (me.0, next.1 + 1);
    said.say_producer("abort of nothing", me, &world.end(5, last, false).await);
    world.settle().await;
    said.say_producer("abort of nothing again", me, &world.end(5, last, false).await);
    said.say_producer("end of another id", me, &world.end(5, (me.0 + 100_000, last.1 + 1), true).await);
    let found = world.fetch(false).await;
    let epochs = headers(&found.records.unwrap()).iter().map(|one| (one.producer_epoch, one.is_control())).collect::<Vec<_>>();
    said.say("epochs and markers", &Ok(epochs));
    said.0
}

pub(super) const NEW_PROTOCOL: &[&str] = &[
    "commit of nothing: InvalidTxnState",
    "abort of nothing: 1",
    "a first sequence above 0: OutOfOrderSequenceNumber",
    "produce v12: 0",
    "produce v12 again: 0",
    "commit: 2",
    "commit again: 2",
    "abort instead: InvalidTxnState",
    "produce v12 of the epoch before: InvalidProducerEpoch",
    "commit of nothing: InvalidTxnState",
    "sequences go on: OutOfOrderSequenceNumber",
    "sequences begin anew: 2",
    "end of the epoch before last: ProducerFenced",
    "abort: 3",
    "abort again: 3",
    "commit instead: InvalidTxnState",
    "abort of nothing: 4",
    "abort of nothing again: 4",
    "end of another id: InvalidProducerIdMapping",
    "epochs and markers: [(1, false), (2, true), (2, false), (3, true)]",
];

/// Who comes later aborts and fences, where the cluster's feature is at level 1 or below.
pub(super) async fn fencing_old(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    let old = world.begin().await;
    world.add_one(old).await.unwrap();
    world.produce(11, old, 0).await.unwrap();
    said.say_producer("another comes", old, &world.init(4, (-1, -1)).await);
    world.settle().await;
    said.say("state", &world.state().await);
    said.say("commit of the old", &world.end(3, old, true).await.map(drop));
    said.say("abort of the old", &world.end(3, old, false).await.map(drop));
    said.say("add of the old", &world.add_one(old).await);
    said.say("produce of the old", &world.produce(11, old, 1).await);
    said.say_producer("init of the old", old, &world.init(4, old).await);
    said.say_producer("init of the old, v3", old, &world.init(3, old).await);
    said.say_producer("another comes again", old, &world.init(4, (-1, -1)).await);
    said.say("commit of the old", &world.end(3, old, true).await.map(drop));
    said.0
}

pub(super) const FENCING_OLD: &[&str] = &[
    "another comes: ConcurrentTransactions",
    "state: (\"CompleteAbort\", 1)",
    "commit of the old: ProducerFenced",
    "abort of the old: ProducerFenced",
    "add of the old: ProducerFenced",
    "produce of the old: InvalidProducerEpoch",
    "init of the old: ProducerFenced",
    "init of the old, v3: InvalidProducerEpoch",
    "another comes again: 2",
    "commit of the old: ProducerFenced",
];

/// The same at level 2: until the successor has its epoch, the old one may still repeat an abort.
pub(super) async fn fencing_new(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    let old = world.begin().await;
    world.produce(12, old, 0).await.unwrap();
    said.say_producer("another comes", old, &world.init(4, (-1, -1)).await);
    world.settle().await;
    said.say("state", &world.state().await);
    said.say_producer("commit of the old", old, &world.end(5, old, true).await);
    said.say_producer("abort of the old", old, &world.end(5, old, false).await);
    said.say("produce of the old", &world.produce(12, old, 1).await);
    said.say("produce to a partition that is new", &world.produce_to(12, old, 0, 1).await);
    said.say_producer("init of the old", old, &world.init(4, old).await);
    said.say_producer("another comes again", old, &world.init(4, (-1, -1)).await);
    said.say_producer("commit of the old", old, &world.end(5, old, true).await);
    said.say_producer("abort of the old", old, &world.end(5, old, false).await);
    said.say_producer("init of the old", old, &world.init(4, old).await);
    said.0
}

pub(super) const FENCING_NEW: &[&str] = &[
    "another comes: ConcurrentTransactions",
    "state: (\"CompleteAbort\", 1)",
    "commit of the old: InvalidTxnState",
    "abort of the old: 1",
    "produce of the old: InvalidProducerEpoch",
    "produce to a partition that is new: InvalidProducerEpoch",
    "init of the old: 1",
    "another comes again: 2",
    "commit of the old: ProducerFenced",
    "abort of the old: ProducerFenced",
    "init of the old: ProducerFenced",
];

/// A producer that asks for its next epoch itself (KIP-360).
pub(super) async fn recovery(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    said.say_producer("an epoch without an id", (0, 0), &world.init(4, (-1, 3)).await);
    let me = world.begin().await;
    said.say_producer("the owner", me, &world.init(4, me).await);
    said.say_producer("the owner again, its reply was lost", me, &world.init(4, me).await);
    let next = (me.0, me.1 + 1);
    said.say_producer("the owner, further", me, &world.init(4, next).await);
    said.say_producer("an older one", me, &world.init(4, me).await);
    said.say_producer("another id", me, &world.init(4, (me.0 + 100_000, 2)).await);
    said.say_producer("another comes", me, &world.init(4, (-1, -1)).await);
    said.say_producer("the owner of before", me, &world.init(4, (me.0, 2)).await);
    world.timeout_ms = 0;
    said.say_producer("no timeout", me, &world.init(4, (-1, -1)).await);
    world.timeout_ms = 15 * 60 * 1000 + 1;
    said.say_producer("too long a timeout", me, &world.init(4, (-1, -1)).await);
    world.timeout_ms = 60_000;
    world.id = String::new();
    said.say_producer("an empty id", me, &world.init(4, (-1, -1)).await);
    said.say("an empty id ends", &world.end(3, me, true).await.map(drop));
    said.say("an empty id adds", &world.add_one(me).await);
    world.id = format!("{}-unknown", world.topic);
    said.say("an unknown id ends", &world.end(3, me, true).await.map(drop));
    said.say("an unknown id adds", &world.add_one(me).await);
    said.say("an unknown id is described", &world.state().await);
    said.say("an unknown id produces", &world.produce(11, me, 0).await);
    said.say_producer("an unknown id with a producer", me, &world.init(4, (me.0, 2)).await);
    said.0
}

pub(super) const RECOVERY: &[&str] = &[
    "an epoch without an id: InvalidRequest",
    "the owner: 1",
    "the owner again, its reply was lost: 1",
    "the owner, further: 2",
    "an older one: ProducerFenced",
    "another id: ProducerFenced",
    "another comes: 3",
    "the owner of before: ProducerFenced",
    "no timeout: InvalidTransactionTimeout",
    "too long a timeout: InvalidTransactionTimeout",
    "an empty id: InvalidRequest",
    "an empty id ends: InvalidRequest",
    "an empty id adds: InvalidRequest",
    "an unknown id ends: InvalidProducerIdMapping",
    "an unknown id adds: InvalidProducerIdMapping",
    "an unknown id is described: TransactionalIdNotFound",
    "an unknown id produces: InvalidProducerIdMapping",
    "an unknown id with a producer: (\"another id\", 0)",
];

/// A transaction that is open for too long is aborted, by the protocol of the cluster's feature.
pub(super) async fn time_out(world: &mut World, is_new: bool) -> Vec<String> {
    let mut said = Said::default();
    world.timeout_ms = 500;
    let me = world.begin().await;
    if !is_new {
        world.add_one(me).await.unwrap();
    }
    let (produce, end) = if is_new { (12, 5) } else { (11, 3) };
    world.produce(produce, me, 0).await.unwrap();
    while world.state().await.unwrap().0 != "CompleteAbort" {
        rest(50).await;
    }
    said.say("state", &world.state().await);
    said.say("produce", &world.produce(produce, me, 1).await);
    said.say_producer("commit", me, &world.end(end, me, true).await);
    said.say_producer("abort", me, &world.end(end, me, false).await);
    said.say_producer("init", me, &world.init(4, me).await);
    said.0
}

pub(super) const TIME_OUT_OLD: &[&str] = &[
    "state: (\"CompleteAbort\", 1)",
    "produce: InvalidProducerEpoch",
    "commit: ProducerFenced",
    "abort: ProducerFenced",
    "init: ProducerFenced",
];

pub(super) const TIME_OUT_NEW: &[&str] =
    &["state: (\"CompleteAbort\", 1)", "produce: InvalidProducerEpoch", "commit: InvalidTxnState", "abort: 1", "init: 1"];

/// Offsets are pending until the marker (KIP-447).
pub(super) async fn offsets_old(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    let me = world.begin().await;
    said.say("before they are added, v3", &world.commit_offset(3, me, 1, NOBODY).await);
    said.say("before they are added, v4", &world.commit_offset(4, me, 1, NOBODY).await);
    said.say("add", &world.add_offsets(me).await);
    said.say("commit", &world.commit_offset(3, me, 7, NOBODY).await);
    said.say("fetch", &world.fetch_offset(false).await);
    said.say("fetch stable", &world.fetch_offset(true).await);
    said.say("a generation of a group without members", &world.commit_offset(3, me, 1, ("m", 4)).await);
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

pub(super) const OFFSETS_OLD: &[&str] = &[
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
pub(super) async fn offsets_new(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    let me = world.begin().await;
    // Before 4.0 it is UNKNOWN_MEMBER_ID.
    said.say("a generation of a group that is not there", &world.commit_offset(5, me, 1, ("m", 4)).await);
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

pub(super) const OFFSETS_NEW: &[&str] = &[
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

/// What consumers of either isolation see of a transaction that is open, and of one that was aborted.
pub(super) async fn isolation(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    let me = world.begin().await;
    world.add_one(me).await.unwrap();
    world.produce(11, me, 0).await.unwrap();
    let look = async |said: &mut Said, world: &mut World, when: &str| {
        for committed_only in [false, true] {
            let found = world.fetch(committed_only).await;
            let bases: Vec<i64> = headers(&found.records.unwrap_or_default()).iter().map(|one| one.base_offset).collect();
            let aborted: Vec<i64> = found.aborted_transactions.into_iter().flatten().map(|one| one.first_offset).collect();
            let (high, stable) = (found.high_watermark, found.last_stable_offset);
            let end = world.end_offset(committed_only).await;
            said.say(&format!("{when}, committed only {committed_only}"), &Ok((high, stable, bases, aborted, end)));
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

pub(super) const ISOLATION: &[&str] = &[
    "open, committed only false: (1, 0, [0], [], 1)",
    "open, committed only true: (1, 0, [], [], 0)",
    "aborted, committed only false: (2, 2, [0, 1], [], 2)",
    "aborted, committed only true: (2, 2, [0, 1], [0], 2)",
    "committed, committed only false: (4, 4, [0, 1, 2, 3], [], 4)",
    "committed, committed only true: (4, 4, [0, 1, 2, 3], [0], 4)",
];

/// Requests of one protocol after those of the other, as where the feature changes or a client goes back.
pub(super) async fn mixed(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    let me = world.begin().await;
    said.say("add", &world.add_one(me).await);
    said.say("produce v11", &world.produce(11, me, 0).await);
    said.say("produce v12 to a partition that was not added", &world.produce_to(12, me, 0, 1).await);
    said.say_producer("end by v5", me, &world.end(5, me, true).await);
    world.settle().await;
    let me = (me.0, me.1 + 1);
    said.say("end again by v4", &world.end(4, me, true).await.map(drop));
    said.say("abort by v4", &world.end(4, me, false).await.map(drop));
    said.say("produce v12", &world.produce(12, me, 0).await);
    said.say("end by v4", &world.end(4, me, false).await.map(drop));
    world.settle().await;
    said.say("state", &world.state().await);
    // Under the same epoch it is taken for the batch of before, and nothing is written.
    said.say("produce v12, sequences anew", &world.produce(12, me, 0).await);
    said.say("produce v12, sequences go on", &world.produce(12, me, 1).await);
    said.say_producer("end by v5", me, &world.end(5, me, true).await);
    world.settle().await;
    said.say_producer("the owner asks for an epoch", me, &world.init(5, (me.0, me.1 + 1)).await);
    said.say_producer("the owner of before", me, &world.init(5, me).await);
    said.0
}

pub(super) const MIXED: &[&str] = &[
    "add: ()",
    "produce v11: 0",
    "produce v12 to a partition that was not added: 0",
    "end by v5: 1",
    "end again by v4: ()",
    "abort by v4: InvalidTxnState",
    "produce v12: 2",
    "end by v4: ()",
    "state: (\"CompleteAbort\", 1)",
    "produce v12, sequences anew: 2",
    "produce v12, sequences go on: OutOfOrderSequenceNumber",
    "end by v5: 2",
    "the owner asks for an epoch: 3",
    "the owner of before: ProducerFenced",
];

/// Batches in and out of transactions by one producer.
pub(super) async fn outside(world: &mut World) -> Vec<String> {
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

pub(super) const OUTSIDE: &[&str] = &[
    "in it: 0",
    "outside while it is open: InvalidTxnState",
    "in it again: 1",
    "outside when it has ended: 3",
    "outside under an older epoch: InvalidProducerEpoch",
];

/// What an admin sees of a producer, and how it ends a transaction that hangs (KIP-664).
pub(super) async fn hanging(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    world.begin().await;
    let me = world.begin().await;
    world.produce(11, me, 0).await.unwrap_err();
    world.add_one(me).await.unwrap();
    said.say("producers before the first batch", &Ok(world.producers().await.len()));
    world.produce(11, me, 0).await.unwrap();
    let look = async |said: &mut Said, world: &mut World, when: &str| {
        let one = world.producers().await.remove(0);
        let sees = (one.producer_epoch, one.last_sequence, one.coordinator_epoch, one.current_txn_start_offset);
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

pub(super) const HANGING: &[&str] = &[
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

/// What ApiVersions tells of `transaction.version`, and whether there is an epoch of features.
pub(super) async fn features(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    for version in 2..=4 {
        let told = world.api_versions(version).await;
        let supported = told.supported_features.iter().find(|one| &*one.name == "transaction.version");
        let finalized = told.finalized_features.iter().find(|one| &*one.name == "transaction.version");
        said.say(&format!("v{version}, supported"), &Ok(supported.map(|one| (one.min_version, one.max_version))));
        said.say(&format!("v{version}, finalized"), &Ok(finalized.map(|one| (one.min_version_level, one.max_version_level))));
        said.say(&format!("v{version}, epoch"), &Ok(told.finalized_features_epoch >= 0));
    }
    said.0
}

pub(super) const FEATURES_AT_2: &[&str] = &[
    "v2, supported: None",
    "v2, finalized: None",
    "v2, epoch: false",
    "v3, supported: None",
    "v3, finalized: Some((2, 2))",
    "v3, epoch: true",
    "v4, supported: Some((0, 2))",
    "v4, finalized: Some((2, 2))",
    "v4, epoch: true",
];

/// The largest epoch is never given: after 32,766 there is another producer id. Takes minutes where epochs begin at 0.
pub(super) async fn exhaustion(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    let me = world.begin().await;
    let mut epoch = world.state().await.unwrap().1;
    while epoch < i16::MAX - 1 {
        match world.end(5, (me.0, epoch), false).await {
            Ok((_, next)) => epoch = next,
            Err(ResponseError::ConcurrentTransactions) => rest(1).await,
            Err(error) => panic!("{error}"),
        }
    }
    let last = (me.0, epoch);
    world.settle().await;
    world.produce(12, last, 0).await.unwrap();
    said.say_producer("commit with the last epoch", me, &world.end(5, last, true).await);
    world.settle().await;
    said.say_producer("again", me, &world.end(5, last, true).await);
    said.say_producer("abort instead", me, &world.end(5, last, false).await);
    said.say_producer("init", me, &world.init(4, last).await);
    said.0
}

pub(super) const EXHAUSTION: &[&str] = &[
    "commit with the last epoch: (\"another id\", 0)",
    "again: (\"another id\", 0)",
    "abort instead: InvalidTxnState",
    "init: (\"another id\", 0)",
];
