//! What a fetch acquires.

use super::super::world::{ACCEPT, RELEASE, World, batch, rest};
use super::Said;

pub(in super::super) async fn acquired_batches(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    world.settle("a").await;
    world.produce(&[3, 3, 3, 3]).await;
    let limited = |world: &World, member: &str, epoch, most, size| {
        let mut fetch = world.fetch(member, epoch);
        fetch.request.max_records = most;
        fetch.request.batch_size = size;
        fetch
    };
    said.say("up to the end of a batch", world.ask(&limited(world, "a", 0, 4, 500)).await);
    said.say("one is a batch", world.ask(&limited(world, "b", 0, 1, 500)).await);
    said.say("none", world.ask(&limited(world, "a", 1, 0, 500)).await);
    said.say("the rest", world.ask(&limited(world, "a", 2, 500, 500)).await);
    world.produce(&[2, 2, 5, 1]).await;
    said.say("in parts of at least three", world.ask(&limited(world, "a", 3, 500, 3)).await);
    said.say("nothing more", world.ask(&limited(world, "a", 4, 500, 500)).await);
    said.say("gives back two", world.say("a", 5, &[(4, 5, &[RELEASE])]).await);
    said.say("gets them", world.ask(&limited(world, "a", 6, 500, 500)).await);
    world.produce(&[2]).await;
    said.say("gives back one", world.say("a", 7, &[(7, 7, &[RELEASE])]).await);
    said.say("gets it and what is new", world.ask(&limited(world, "a", 8, 500, 500)).await);
    said.0
}

pub(in super::super) const ACQUIRED_BATCHES: &[&str] = &[
    "up to the end of a batch: 0: 0-5*1 of 2",
    "one is a batch: 0: 6-8*1 of 1",
    "none: nothing",
    "the rest: 0: 9-11*1 of 1",
    "in parts of at least three: 0: 12-15*1 16-20*1 21-21*1 of 4",
    "nothing more: nothing",
    "gives back two: ok",
    "gets them: 0: 4-5*2 of 1",
    "gives back one: InvalidRecordState",
    "gets it and what is new: 0: 22-23*1 of 1",
];

pub(in super::super) async fn acquired_records(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    world.settle("a").await;
    world.produce(&[5, 5]).await;
    let exact = |world: &World, member: &str, epoch, most| {
        let mut fetch = world.fetch(member, epoch);
        fetch.request.max_records = most;
        fetch.acquire_mode = 1;
        fetch
    };
    said.say("two", world.ask(&exact(world, "a", 0, 2)).await);
    said.say("four of the other", world.ask(&exact(world, "b", 0, 4)).await);
    said.say("the rest", world.ask(&exact(world, "a", 1, 100)).await);
    said.say("gives back the first", world.say("a", 2, &[(0, 1, &[RELEASE])]).await);
    said.say("one of them", world.ask(&exact(world, "b", 1, 1)).await);
    said.say("and the other", world.ask(&exact(world, "b", 2, 1)).await);
    world.produce(&[4]).await;
    said.say("all of a batch", world.ask(&exact(world, "b", 3, 4)).await);
    said.say("gives it back", world.say("b", 4, &[(10, 13, &[RELEASE])]).await);
    said.say("three of it", world.ask(&exact(world, "b", 5, 3)).await);
    said.0
}

pub(in super::super) const ACQUIRED_RECORDS: &[&str] = &[
    "two: 0: 0-1*1 of 1",
    "four of the other: 0: 2-4*1 5-5*1 of 2",
    "the rest: 0: 6-9*1 of 1",
    "gives back the first: ok",
    "one of them: 0: 0-0*2 of 1",
    "and the other: 0: 1-1*2 of 1",
    "all of a batch: 0: 10-13*1 of 1",
    "gives it back: ok",
    "three of it: 0: 10-12*2 of 1",
];

/// When a fetch is answered.
pub(in super::super) async fn waiting(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    let (mut one, mut two) = (world.another().await, world.another().await);
    world.settle("a").await;
    let patient = |world: &World, member: &str, epoch| {
        let mut fetch = world.fetch(member, epoch);
        fetch.request.max_wait_ms = 60_000;
        fetch
    };
    let answer = async |client: &mut super::super::super::client::Client| {
        let got = tokio::time::timeout(std::time::Duration::from_secs(10), client.frame()).await;
        if got.is_ok() { "comes" } else { "does not come" }
    };
    let parked = world.is_parked(&mut one, &patient(world, "a", 0)).await;
    said.say("a waits", parked.to_string());
    world.produce(&[1]).await;
    said.say("the record", answer(&mut one).await);
    let parked = world.is_parked(&mut two, &patient(world, "b", 0)).await;
    said.say("b waits", parked.to_string());
    said.say("a gives it back", world.say("a", 1, &[(0, 0, &[RELEASE])]).await);
    said.say("it is b's", answer(&mut two).await);
    let parked = world.is_parked(&mut one, &patient(world, "a", 2)).await;
    said.say("a waits", parked.to_string());
    said.say("b accepts", world.say("b", 1, &[(0, 0, &[ACCEPT])]).await);
    rest(200).await;
    let mut much = patient(world, "b", 2);
    much.request.min_bytes = 1000;
    let parked = world.is_parked(&mut two, &much).await;
    said.say("b waits for much", parked.to_string());
    world.append(batch((-1, -1, -1), 0, 100)).await;
    said.say("a's", answer(&mut one).await);
    world.append(batch((-1, -1, -1), 0, 100)).await;
    said.say("b's", answer(&mut two).await);
    said.0
}

pub(in super::super) const WAITING: &[&str] = &[
    "a waits: true",
    "the record: comes",
    "b waits: true",
    "a gives it back: ok",
    "it is b's: does not come",
    "a waits: false",
    "b accepts: InvalidRecordState",
    "b waits for much: true",
    "a's: does not come",
    "b's: comes",
];

/// So many records may be in flight (`group.share.partition.max.record.locks`, 100).
pub(in super::super) async fn record_locks(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    world.settle("a").await;
    assert_eq!(world.configure("share.partition.max.record.locks", "100").await, "ok");
    rest(500).await;
    world.produce(&[60, 60, 60]).await;
    said.say("first", world.ask(&world.fetch("a", 0)).await);
    said.say("full", world.ask(&world.fetch("a", 1)).await);
    said.say("one of the middle is done", world.say("a", 2, &[(10, 10, &[ACCEPT])]).await);
    said.say("still full", world.ask(&world.fetch("a", 3)).await);
    said.say("the first are done", world.say("a", 4, &[(0, 9, &[ACCEPT])]).await);
    said.say("still", world.ask(&world.fetch("a", 5)).await);
    said.say("one is given back", world.say("a", 6, &[(30, 30, &[RELEASE])]).await);
    said.say("it comes", world.ask(&world.fetch("a", 7)).await);
    said.say("half is done", world.say("a", 8, &[(11, 59, &[ACCEPT])]).await);
    said.say("more", world.ask(&world.fetch("a", 9)).await);
    said.0
}

pub(in super::super) const RECORD_LOCKS: &[&str] = &[
    "first: 0: 0-119*1 of 2",
    "full: nothing",
    "one of the middle is done: ok",
    "still full: nothing",
    "the first are done: ok",
    "still: nothing",
    "one is given back: ok",
    "it comes: 0: 30-30*2 of 1",
    "half is done: ok",
    "more: 0: 120-179*1 of 1",
];

/// A group begins where its settings say, and only once its coordinator has it.
pub(in super::super) async fn beginnings(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    world.produce(&[2]).await;
    said.say("nobody has joined", world.ask(&world.fetch("a", 0)).await);
    said.say("and says", world.say("a", 1, &[(0, 0, &[ACCEPT])]).await);
    assert_eq!(world.configure("share.auto.offset.reset", "latest").await, "ok");
    rest(500).await;
    world.settle("a").await;
    said.say("from the end", world.ask(&world.fetch("a", 2)).await);
    world.produce(&[1]).await;
    said.say("what is new", world.ask(&world.fetch("a", 3)).await);
    said.0
}

pub(in super::super) const BEGINNINGS: &[&str] = &[
    "nobody has joined: 0: UnknownServerError",
    "and says: UnknownTopicOrPartition",
    "from the end: nothing",
    "what is new: 0: 2-2*1 of 1",
];
