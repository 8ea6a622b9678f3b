//! Share sessions: how they begin, go on and end.

use super::super::world::{ACCEPT, World, rest};
use super::Said;

pub(in super::super) async fn session_epochs(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    world.settle("a").await;
    world.produce(&[2]).await;
    said.say("no session", world.ask(&world.fetch("a", 1)).await);
    said.say("no session to close", world.ask(&world.fetch("a", -1)).await);
    said.say("nothing is open to say", world.say("a", 1, &[(0, 0, &[ACCEPT])]).await);
    said.say("says first", world.ask(&world.saying("a", 0, &[(0, 0, &[ACCEPT])])).await);
    said.say("opens", world.ask(&world.fetch("a", 0)).await);
    said.say("opens by saying", world.say("a", 0, &[(0, 0, &[ACCEPT])]).await);
    said.say("too far", world.ask(&world.fetch("a", 2)).await);
    said.say("next", world.ask(&world.fetch("a", 1)).await);
    said.say("the same again", world.ask(&world.fetch("a", 1)).await);
    said.say("says at the next", world.say("a", 2, &[(0, 0, &[ACCEPT])]).await);
    said.say("says at the same", world.say("a", 2, &[(1, 1, &[ACCEPT])]).await);
    said.say("goes on", world.ask(&world.fetch("a", 3)).await);
    said.say("closes", world.ask(&world.fetch("a", -1)).await);
    said.say("is closed", world.ask(&world.fetch("a", 4)).await);
    said.say("opens again and gets the other", world.ask(&world.fetch("a", 0)).await);
    said.say("opens anew, keeps it", world.ask(&world.fetch("a", 0)).await);
    said.say("closes by saying", world.say("a", -1, &[(1, 1, &[ACCEPT])]).await);
    said.say("is closed again", world.say("a", -1, &[(1, 1, &[ACCEPT])]).await);
    said.0
}

pub(in super::super) const SESSION_EPOCHS: &[&str] = &[
    "no session: ShareSessionNotFound",
    "no session to close: ShareSessionNotFound",
    "nothing is open to say: ShareSessionNotFound",
    "says first: InvalidRequest",
    "opens: 0: 0-1*1 of 1",
    "opens by saying: InvalidShareSessionEpoch",
    "too far: InvalidShareSessionEpoch",
    "next: nothing",
    "the same again: InvalidShareSessionEpoch",
    "says at the next: ok",
    "says at the same: InvalidShareSessionEpoch",
    "goes on: nothing",
    "closes: nothing",
    "is closed: ShareSessionNotFound",
    "opens again and gets the other: 0: 1-1*2 of 1",
    "opens anew, keeps it: 0: ok",
    "closes by saying: ok",
    "is closed again: ShareSessionNotFound",
];

pub(in super::super) async fn session_owners(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    world.settle("a").await;
    world.produce(&[2]).await;
    let mut fetch = world.fetch("a", 0);
    fetch.request.member_id = None;
    said.say("nobody", world.ask(&fetch).await);
    said.say("without a name", world.ask(&world.fetch("", 0)).await);
    said.say("a long name", world.ask(&world.fetch(&"a".repeat(37), 0)).await);
    let mut fetch = world.fetch("a", 0);
    fetch.request.group_id = None;
    said.say("no group", world.ask(&fetch).await);
    said.say("says without a name", world.say("", 1, &[]).await);
    said.say("who never joined", world.ask(&world.fetch("b", 0)).await);
    said.0
}

pub(in super::super) const SESSION_OWNERS: &[&str] = &[
    "nobody: InvalidRequest",
    "without a name: InvalidRequest",
    "a long name: InvalidRequest",
    "no group: InvalidRequest",
    "says without a name: InvalidRequest",
    "who never joined: 0: 0-1*1 of 1",
];

/// What ends with a session, and with its connection.
pub(in super::super) async fn session_ends(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    world.settle("a").await;
    world.produce(&[2]).await;
    said.say("a opens", world.ask(&world.fetch("a", 0)).await);
    said.say("b gets nothing", world.ask(&world.fetch("b", 0)).await);
    said.say("a closes", world.ask(&world.fetch("a", -1)).await);
    said.say("b gets all", world.ask(&world.fetch("b", 1)).await);
    said.say("b forgets", world.ask(&world.forgetting("b", 2)).await);
    said.say("b closes", world.ask(&world.fetch("b", -1)).await);
    said.say("a does not get them", world.ask(&world.fetch("a", 0)).await);
    said.say("a closes", world.ask(&world.fetch("a", -1)).await);
    rest(2200).await;
    said.say("their locks have ended", world.ask(&world.fetch("a", 0)).await);
    said.say("a accepts", world.say("a", 1, &[(0, 1, &[ACCEPT])]).await);
    let mut other = world.another().await;
    world.produce(&[1]).await;
    said.say("c opens elsewhere", world.ask_by(&mut other, &world.fetch("c", 0)).await);
    said.say("a gets nothing", world.ask(&world.fetch("a", 2)).await);
    drop(other);
    said.say("a gets it", world.ask(&world.fetch("a", 3)).await);
    // A session that has moved to another connection does not end with the old one.
    let mut old = world.another().await;
    world.produce(&[1]).await;
    said.say("d opens", world.ask_by(&mut old, &world.fetch("d", 0)).await);
    let mut new = world.another().await;
    said.say("d opens elsewhere", world.ask_by(&mut new, &world.fetch("d", 0)).await);
    drop(old);
    said.say("a gets nothing of d", world.ask(&world.fetch("a", 4)).await);
    said.say("d goes on", world.ask_by(&mut new, &world.fetch("d", 1)).await);
    said.0
}

pub(in super::super) const SESSION_ENDS: &[&str] = &[
    "a opens: 0: 0-1*1 of 1",
    "b gets nothing: 0: ok",
    "a closes: nothing",
    "b gets all: 0: 0-1*2 of 1",
    "b forgets: nothing",
    "b closes: nothing",
    "a does not get them: 0: ok",
    "a closes: nothing",
    "their locks have ended: 0: 0-1*3 of 1",
    "a accepts: ok",
    "c opens elsewhere: 0: 2-2*1 of 1",
    "a gets nothing: nothing",
    "a gets it: 0: 2-2*2 of 1",
    "d opens: 0: 3-3*1 of 1",
    "d opens elsewhere: 0: ok",
    "a gets nothing of d: nothing",
    "d goes on: nothing",
];

/// What replies tell of partitions.
pub(in super::super) async fn session_news(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    let topic = world.topic;
    world.settle("a").await;
    let mut fetch = world.fetch("a", 0);
    fetch.request.topics[0].partitions[0].partition_index = 7;
    said.say("no such partition", world.ask(&fetch).await);
    said.say("still", world.ask(&world.fetch("a", 1)).await);
    let mut fetch = world.fetch("a", 0);
    fetch.request.topics[0].topic_id = uuid::Uuid::from_u128(77);
    said.say("no such topic", world.ask(&fetch).await);
    said.say("it stays", world.ask(&world.fetch("a", 1)).await);
    said.say("nothing at first", world.ask(&world.fetch("a", 0)).await);
    said.say("nothing then", world.ask(&world.fetch("a", 1)).await);
    let mut fetch = world.fetch("a", 0);
    fetch.request.topics.clear();
    said.say("for nothing", world.ask(&fetch).await);
    let mut fetch = world.fetch("a", 1);
    fetch.request.topics = world.fetch("a", 0).request.topics;
    said.say("added", world.ask(&fetch).await);
    said.say("known", world.ask(&world.fetch("a", 2)).await);
    world.produce(&[1]).await;
    said.say("there is one", world.ask(&world.fetch("a", 3)).await);
    said.say("says, and hears of it", world.ask(&world.saying("a", 4, &[(0, 0, &[ACCEPT])])).await);
    assert_eq!(world.topic, topic);
    said.0
}

/// A topic goes while sessions have it.
pub(in super::super) async fn topics_gone(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    world.settle("a").await;
    world.produce(&[2]).await;
    said.say("opens", world.ask(&world.fetch("a", 0)).await);
    world.delete_topic().await;
    said.say("says", world.say("a", 1, &[(0, 1, &[ACCEPT])]).await);
    said.say("fetches", world.ask(&world.fetch("a", 2)).await);
    said.say("forgets", world.ask(&world.forgetting("a", 3)).await);
    said.say("goes on", world.ask(&world.fetch("a", 4)).await);
    said.say("heartbeat", world.beat(&world.alive("a", 3)).await);
    said.0
}

pub(in super::super) const TOPICS_GONE: &[&str] = &[
    "opens: 0: 0-1*1 of 1",
    "says: UnknownTopicId",
    "fetches: UnknownServerError",
    "forgets: nothing",
    "goes on: nothing",
    "heartbeat: FencedMemberEpoch",
];

pub(in super::super) const SESSION_NEWS: &[&str] = &[
    "no such partition: 7: UnknownTopicOrPartition",
    "still: 7: UnknownTopicOrPartition",
    "no such topic: UnknownServerError",
    "it stays: UnknownServerError",
    "nothing at first: 0: ok",
    "nothing then: nothing",
    "for nothing: nothing",
    "added: 0: ok",
    "known: nothing",
    "there is one: 0: 0-0*1 of 1",
    "says, and hears of it: 0: ok",
];
