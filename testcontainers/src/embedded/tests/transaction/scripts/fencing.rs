//! Who the producer is, and who is it no more.

use kafka_protocol::ResponseError;

use super::super::world::{World, rest};
use super::Said;

/// Who comes later aborts and fences, where the cluster's feature is at level 1 or below.
pub(in super::super) async fn fencing_old(world: &mut World) -> Vec<String> {
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

pub(in super::super) const FENCING_OLD: &[&str] = &[
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
pub(in super::super) async fn fencing_new(world: &mut World) -> Vec<String> {
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

pub(in super::super) const FENCING_NEW: &[&str] = &[
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
pub(in super::super) async fn recovery(world: &mut World) -> Vec<String> {
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

pub(in super::super) const RECOVERY: &[&str] = &[
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
pub(in super::super) async fn time_out(world: &mut World, is_new: bool) -> Vec<String> {
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

pub(in super::super) const TIME_OUT_OLD: &[&str] = &[
    "state: (\"CompleteAbort\", 1)",
    "produce: InvalidProducerEpoch",
    "commit: ProducerFenced",
    "abort: ProducerFenced",
    "init: ProducerFenced",
];

pub(in super::super) const TIME_OUT_NEW: &[&str] = &[
    "state: (\"CompleteAbort\", 1)",
    "produce: InvalidProducerEpoch",
    "commit: InvalidTxnState",
    "abort: 1",
    "init: 1",
];

/// The largest epoch is never given: after 32,766 there is another producer id. Takes minutes where
/// epochs begin at 0.
pub(in super::super) async fn exhaustion(world: &mut World) -> Vec<String> {
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

pub(in super::super) const EXHAUSTION: &[&str] = &[
    "commit with the last epoch: (\"another id\", 0)",
    "again: (\"another id\", 0)",
    "abort instead: InvalidTxnState",
    "init: (\"another id\", 0)",
];
