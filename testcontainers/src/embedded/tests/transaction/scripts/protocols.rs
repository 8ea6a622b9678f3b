//! Adding, producing and ending, in either protocol and from one to the other.

use super::super::world::{World, batch, headers};
use super::Said;

/// Partitions are added first, the epoch stays, and an end may be repeated.
pub(in super::super) async fn old_protocol(world: &mut World) -> Vec<String> {
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
    let mut unknown: Vec<_> = world
        .add(3, me, &[0, 7])
        .await
        .into_iter()
        .filter_map(Result::err)
        .map(|one| one.code())
        .collect();
    unknown.sort_unstable();
    said.say("add with an unknown partition", &Ok(unknown));
    said.0
}

pub(in super::super) const OLD_PROTOCOL: &[&str] = &[
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
pub(in super::super) async fn verification(world: &mut World) -> Vec<String> {
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
    let response =
        world.client.call(&without, 11).await.responses[0].partition_responses[0].clone();
    said.say("produce v11 without the transactional id", &Ok(response.error_code));
    said.say("commit", &world.end(4, me, true).await.map(drop));
    said.0
}

pub(in super::super) const VERIFICATION: &[&str] = &[
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
pub(in super::super) async fn new_protocol(world: &mut World) -> Vec<String> {
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
    said.say_producer(
        "end of another id",
        me,
        &world.end(5, (me.0 + 100_000, last.1 + 1), true).await,
    );
    let found = world.fetch(false).await;
    let epochs = headers(&found.records.unwrap())
        .iter()
        .map(|one| (one.producer_epoch, one.is_control()))
        .collect::<Vec<_>>();
    said.say("epochs and markers", &Ok(epochs));
    said.0
}

pub(in super::super) const NEW_PROTOCOL: &[&str] = &[
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

/// Requests of one protocol after those of the other, as where the feature changes or a client goes
/// back.
pub(in super::super) async fn mixed(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    let me = world.begin().await;
    said.say("add", &world.add_one(me).await);
    said.say("produce v11", &world.produce(11, me, 0).await);
    said.say(
        "produce v12 to a partition that was not added",
        &world.produce_to(12, me, 0, 1).await,
    );
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

pub(in super::super) const MIXED: &[&str] = &[
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

/// What ApiVersions tells of `transaction.version`, and whether there is an epoch of features.
pub(in super::super) async fn features(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    for version in 2..=4 {
        let told = world.api_versions(version).await;
        let supported =
            told.supported_features.iter().find(|one| &*one.name == "transaction.version");
        let finalized =
            told.finalized_features.iter().find(|one| &*one.name == "transaction.version");
        said.say(
            &format!("v{version}, supported"),
            &Ok(supported.map(|one| (one.min_version, one.max_version))),
        );
        said.say(
            &format!("v{version}, finalized"),
            &Ok(finalized.map(|one| (one.min_version_level, one.max_version_level))),
        );
        said.say(&format!("v{version}, epoch"), &Ok(told.finalized_features_epoch >= 0));
    }
    said.0
}

pub(in super::super) const FEATURES_AT_2: &[&str] = &[
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
