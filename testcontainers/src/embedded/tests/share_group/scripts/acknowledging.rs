//! What members say of records.

use super::super::world::{ACCEPT, GAP, REJECT, RELEASE, RENEW, World};
use super::Said;

pub(in super::super) async fn said_of_records(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    world.settle("a").await;
    world.produce(&[10]).await;
    said.say("opens", world.ask(&world.fetch("a", 0)).await);
    said.say("b opens", world.ask(&world.fetch("b", 0)).await);
    said.say(
        "of each",
        world.say("a", 1, &[(0, 4, &[ACCEPT, RELEASE, REJECT, GAP, ACCEPT])]).await,
    );
    said.say("of one again", world.say("a", 2, &[(0, 0, &[ACCEPT])]).await);
    said.say("of what was given back", world.say("a", 3, &[(1, 1, &[ACCEPT])]).await);
    said.say("of what was rejected", world.say("a", 4, &[(2, 2, &[ACCEPT])]).await);
    said.say("by another", world.say("b", 1, &[(5, 5, &[ACCEPT])]).await);
    said.say("the released", world.ask(&world.fetch("b", 2)).await);
    said.say("by who had it", world.say("a", 5, &[(1, 1, &[ACCEPT])]).await);
    said.say("by who has it", world.say("b", 3, &[(1, 1, &[ACCEPT])]).await);
    said.say("all that is left", world.say("a", 6, &[(5, 9, &[ACCEPT])]).await);
    said.say("of what is done", world.say("a", 7, &[(0, 9, &[ACCEPT])]).await);
    said.say("of what is to come", world.say("a", 8, &[(10, 12, &[ACCEPT])]).await);
    said.say("nothing", world.say("a", 9, &[]).await);
    said.0
}

pub(in super::super) const SAID_OF_RECORDS: &[&str] = &[
    "opens: 0: 0-9*1 of 1",
    "b opens: 0: ok",
    "of each: ok",
    "of one again: ok",
    "of what was given back: InvalidRecordState",
    "of what was rejected: InvalidRecordState",
    "by another: InvalidRecordState",
    "the released: 0: 1-1*2 of 1",
    "by who had it: InvalidRecordState",
    "by who has it: ok",
    "all that is left: ok",
    "of what is done: ok",
    "of what is to come: InvalidRecordState",
    "nothing: nothing",
];

/// All of a request is taken or none.
pub(in super::super) async fn said_together(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    world.settle("a").await;
    world.produce(&[4, 4]).await;
    said.say("opens", world.ask(&world.fetch("a", 0)).await);
    said.say("beyond", world.say("a", 1, &[(0, 9, &[ACCEPT])]).await);
    said.say("wholly beyond", world.say("a", 2, &[(8, 9, &[ACCEPT])]).await);
    said.say("one twice", world.say("a", 3, &[(0, 1, &[ACCEPT]), (1, 2, &[ACCEPT])]).await);
    said.say(
        "a good one and a bad one",
        world.say("a", 4, &[(0, 0, &[ACCEPT]), (8, 8, &[ACCEPT])]).await,
    );
    said.say("the good one", world.say("a", 5, &[(0, 0, &[ACCEPT])]).await);
    said.say("with it", world.say("a", 6, &[(0, 7, &[ACCEPT])]).await);
    said.say("from it on", world.say("a", 7, &[(1, 7, &[ACCEPT])]).await);
    said.0
}

pub(in super::super) const SAID_TOGETHER: &[&str] = &[
    "opens: 0: 0-7*1 of 2",
    "beyond: InvalidRequest",
    "wholly beyond: InvalidRequest",
    "one twice: InvalidRecordState",
    "a good one and a bad one: InvalidRequest",
    "the good one: ok",
    "with it: ok",
    "from it on: ok",
];

pub(in super::super) async fn said_wrongly(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    world.settle("a").await;
    world.produce(&[10]).await;
    said.say("opens", world.ask(&world.fetch("a", 0)).await);
    said.say("backwards", world.say("a", 1, &[(3, 2, &[ACCEPT])]).await);
    said.say("no word", world.say("a", 2, &[(0, 1, &[])]).await);
    said.say("too few words", world.say("a", 3, &[(0, 2, &[ACCEPT, ACCEPT])]).await);
    said.say("too many words", world.say("a", 4, &[(0, 0, &[ACCEPT, ACCEPT])]).await);
    said.say("an unknown word", world.say("a", 5, &[(0, 0, &[5])]).await);
    said.say("a negative word", world.say("a", 6, &[(0, 0, &[-1])]).await);
    said.say("out of order", world.say("a", 7, &[(4, 5, &[ACCEPT]), (2, 3, &[ACCEPT])]).await);
    said.say("touching", world.say("a", 8, &[(4, 5, &[ACCEPT]), (5, 6, &[ACCEPT])]).await);
    let mut request = world.acknowledge("a", 9, &[(0, 0, &[RENEW])]);
    request.is_renew = false;
    said.say("a renewal that is none", world.tell(&request).await);
    let mut request = world.acknowledge("a", 10, &[(0, 0, &[ACCEPT])]);
    request.request.topics[0].topic_id = uuid::Uuid::from_u128(77);
    said.say("of another topic", world.tell(&request).await);
    let mut request = world.acknowledge("a", 11, &[(0, 0, &[ACCEPT])]);
    request.request.topics[0].partitions[0].partition_index = 7;
    said.say("of another partition", world.tell(&request).await);
    let mut request = world.acknowledge("a", 12, &[(0, 0, &[ACCEPT])]);
    request.request.topics[0].partitions[0].acknowledgement_batches.clear();
    said.say("nothing of it", world.tell(&request).await);
    said.say("with a fetch", world.ask(&world.saying("a", 13, &[(3, 2, &[ACCEPT])])).await);
    said.say("well", world.ask(&world.saying("a", 14, &[(0, 9, &[ACCEPT])])).await);
    world.version = 1;
    said.say("renewal in version 1", world.say("a", 15, &[(0, 0, &[RENEW])]).await);
    said.0
}

pub(in super::super) const SAID_WRONGLY: &[&str] = &[
    "opens: 0: 0-9*1 of 1",
    "backwards: InvalidRequest",
    "no word: InvalidRequest",
    "too few words: InvalidRequest",
    "too many words: InvalidRequest",
    "an unknown word: InvalidRequest",
    "a negative word: InvalidRequest",
    "out of order: InvalidRequest",
    "touching: InvalidRecordState",
    "a renewal that is none: InvalidRequest",
    "of another topic: UnknownTopicId",
    "of another partition: UnknownTopicOrPartition",
    "nothing of it: nothing",
    "with a fetch: 0: said InvalidRequest",
    "well: 0: ok",
    "renewal in version 1: InvalidRequest",
];

/// Renewal (KIP-1222), with fetches and alone.
pub(in super::super) async fn renewals(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    world.settle("a").await;
    world.produce(&[4, 2]).await;
    said.say("opens", world.ask(&world.fetch("a", 0)).await);
    said.say("renews a batch", world.say("a", 1, &[(0, 5, &[RENEW])]).await);
    said.say("renews one", world.say("a", 2, &[(1, 1, &[RENEW])]).await);
    said.say("and accepts", world.say("a", 3, &[(0, 3, &[ACCEPT, RENEW, RENEW, RELEASE])]).await);
    said.say("what is done", world.say("a", 4, &[(0, 0, &[RENEW])]).await);
    let mut fetch = world.saying("a", 5, &[(1, 1, &[RENEW])]);
    fetch.is_renew = true;
    said.say("and asks for records", world.ask(&fetch).await);
    let asked = &mut fetch.request;
    (asked.max_wait_ms, asked.min_bytes, asked.max_bytes, asked.max_records) = (0, 0, 0, 0);
    said.say("with a fetch", world.ask(&fetch).await);
    let mut fetch = world.fetch("a", 6);
    fetch.request.max_wait_ms = 0;
    said.say("the released", world.ask(&fetch).await);
    assert_eq!(world.configure("share.renew.acknowledge.enable", "false").await, "ok");
    super::super::world::rest(500).await;
    said.say("off", world.say("a", 7, &[(1, 1, &[RENEW])]).await);
    said.0
}

pub(in super::super) const RENEWALS: &[&str] = &[
    "opens: 0: 0-5*1 of 2",
    "renews a batch: ok",
    "renews one: ok",
    "and accepts: ok",
    "what is done: ok",
    "and asks for records: InvalidRequest",
    "with a fetch: 0: ok",
    "the released: 0: 3-3*2 of 1",
    "off: InvalidRecordState",
];
