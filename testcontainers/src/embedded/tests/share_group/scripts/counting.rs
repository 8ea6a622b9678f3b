//! How often records are delivered, and for how long.

use super::super::world::{ACCEPT, RELEASE, RENEW, World, rest};
use super::Said;

/// A record is delivered so often, and the last times alone (limit 5).
pub(in super::super) async fn deliveries(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    world.settle("a").await;
    world.produce(&[4]).await;
    let mut epoch = 0;
    for turn in 0..16 {
        let fetched = world.ask(&world.fetch("a", epoch)).await;
        said.say(&format!("fetch {turn}"), &fetched);
        epoch += 1;
        let Some((first, last)) = acquired(&fetched) else { continue };
        let back = world.say("a", epoch, &[(first, last, &[RELEASE])]).await;
        if back != "ok" {
            said.say("gives back", back);
        }
        epoch += 1;
    }
    world.produce(&[1]).await;
    said.say("then", world.ask(&world.fetch("a", epoch)).await);
    said.0
}

/// The first offset acquired and the last.
fn acquired(shown: &str) -> Option<(i64, i64)> {
    let ranges: Vec<&str> = shown.split(' ').filter(|word| word.contains('*')).collect();
    let first = ranges.first()?.split('-').next()?.parse().ok()?;
    let last = ranges.last()?.split('-').nth(1)?.split('*').next()?.parse().ok()?;
    Some((first, last))
}

pub(in super::super) const DELIVERIES: &[&str] = &[
    "fetch 0: 0: 0-3*1 of 1",
    "fetch 1: 0: 0-3*2 of 1",
    "fetch 2: 0: 0-3*3 of 1",
    "fetch 3: 0: 0-1*4 of 1",
    "fetch 4: 0: 0-0*5 of 1",
    "fetch 5: 0: 1-1*5 of 1",
    "fetch 6: 0: 2-3*4 of 1",
    "fetch 7: 0: 2-2*5 of 1",
    "fetch 8: 0: 3-3*5 of 1",
    "fetch 9: nothing",
    "fetch 10: nothing",
    "fetch 11: nothing",
    "fetch 12: nothing",
    "fetch 13: nothing",
    "fetch 14: nothing",
    "fetch 15: nothing",
    "then: 0: 4-4*1 of 1",
];

/// A lock ends (`group.share.record.lock.duration.ms`, 2 s), and the count stays.
pub(in super::super) async fn lock_timeouts(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    world.settle("a").await;
    world.produce(&[3, 2]).await;
    said.say("a opens", world.ask(&world.fetch("a", 0)).await);
    said.say("b opens", world.ask(&world.fetch("b", 0)).await);
    said.say("a accepts one", world.say("a", 1, &[(0, 0, &[ACCEPT])]).await);
    rest(1200).await;
    said.say("a renews one", world.say("a", 2, &[(1, 1, &[RENEW])]).await);
    rest(1300).await;
    said.say("b gets what a has not renewed", world.ask(&world.fetch("b", 1)).await);
    said.say("a is late", world.say("a", 3, &[(2, 2, &[ACCEPT])]).await);
    said.say("a is not", world.say("a", 4, &[(1, 1, &[ACCEPT])]).await);
    said.say("b accepts", world.say("b", 2, &[(2, 4, &[ACCEPT])]).await);
    said.say("all are done", world.ask(&world.fetch("b", 3)).await);
    said.0
}

pub(in super::super) const LOCK_TIMEOUTS: &[&str] = &[
    "a opens: 0: 0-4*1 of 2",
    "b opens: 0: ok",
    "a accepts one: ok",
    "a renews one: ok",
    "b gets what a has not renewed: 0: 2-4*2 of 2",
    "a is late: InvalidRecordState",
    "a is not: ok",
    "b accepts: ok",
    "all are done: nothing",
];

/// The log begins later than the group is.
pub(in super::super) async fn log_starts(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    world.settle("a").await;
    world.produce(&[3, 3, 3, 3]).await;
    let mut fetch = world.fetch("a", 0);
    fetch.request.max_records = 6;
    said.say("six", world.ask(&fetch).await);
    said.say("gives back some", world.say("a", 1, &[(1, 4, &[RELEASE])]).await);
    world.delete_records(4).await;
    said.say("the start moves", world.ask(&world.fetch("a", 2)).await);
    said.say("then it goes on", world.ask(&world.fetch("a", 3)).await);
    said.say("of what is gone", world.say("a", 4, &[(0, 0, &[ACCEPT])]).await);
    said.say("of what is there", world.say("a", 5, &[(5, 5, &[ACCEPT])]).await);
    world.delete_records(10).await;
    said.say("what is acquired", world.say("a", 6, &[(6, 11, &[ACCEPT])]).await);
    said.say("nothing", world.ask(&world.fetch("a", 7)).await);
    said.0
}

/// The log begins within records that a member has: those before are gone when its lock ends.
pub(in super::super) async fn log_starts_within(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    world.settle("a").await;
    world.produce(&[5, 5]).await;
    let mut fetch = world.fetch("a", 0);
    fetch.request.batch_size = 1;
    said.say("in two batches", world.ask(&fetch).await);
    said.say("gives one back", world.say("a", 1, &[(0, 0, &[RELEASE])]).await);
    world.delete_records(7).await;
    said.say("the start moves", world.ask(&world.fetch("a", 2)).await);
    rest(2200).await;
    said.say("what is left", world.ask(&world.fetch("a", 3)).await);
    world.produce(&[1]).await;
    said.say("all of it", world.say("a", 4, &[(5, 9, &[ACCEPT])]).await);
    said.say("then", world.ask(&world.fetch("a", 5)).await);
    said.0
}

pub(in super::super) const LOG_STARTS_WITHIN: &[&str] = &[
    "in two batches: 0: 0-4*1 5-9*1 of 2",
    "gives one back: ok",
    "the start moves: nothing",
    "what is left: 0: 7-9*2 of 1",
    "all of it: ok",
    "then: 0: 10-10*1 of 1",
];

/// A record that was delivered more often than its neighbours comes apart from them.
pub(in super::super) async fn suspects(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    world.settle("a").await;
    world.produce(&[4, 4]).await;
    let mut fetch = world.fetch("a", 0);
    fetch.request.batch_size = 1;
    said.say("in two batches", world.ask(&fetch).await);
    let mut epoch = 1;
    for range in [(2, 2), (2, 2), (4, 7), (4, 7), (2, 2)] {
        assert_eq!(world.say("a", epoch, &[(range.0, range.1, &[RELEASE])]).await, "ok");
        said.say("again", world.ask(&world.fetch("a", epoch + 1)).await);
        epoch += 2;
    }
    let back: &[i8] = &[RELEASE];
    said.say("gives back", world.say("a", epoch, &[(0, 7, back)]).await);
    for turn in 1..7 {
        said.say("then", world.ask(&world.fetch("a", epoch + turn)).await);
    }
    said.0
}

pub(in super::super) const SUSPECTS: &[&str] = &[
    "in two batches: 0: 0-3*1 4-7*1 of 2",
    "again: 0: 2-2*2 of 1",
    "again: 0: 2-2*3 of 1",
    "again: 0: 4-7*2 of 1",
    "again: 0: 4-7*3 of 1",
    "again: 0: 2-2*4 of 1",
    "gives back: ok",
    "then: 0: 0-1*2 of 1",
    "then: 0: 2-2*5 of 1",
    "then: 0: 3-3*2 of 1",
    "then: 0: 4-5*4 of 1",
    "then: 0: 6-7*4 of 1",
    "then: nothing",
];

pub(in super::super) const LOG_STARTS: &[&str] = &[
    "six: 0: 0-5*1 of 2",
    "gives back some: ok",
    "the start moves: nothing",
    "then it goes on: 0: 4-4*2 6-11*1 of 3",
    "of what is gone: ok",
    "of what is there: ok",
    "what is acquired: ok",
    "nothing: nothing",
];
