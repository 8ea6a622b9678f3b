//! Where a group stands, and how that is set.

use super::super::world::{ACCEPT, REJECT, RELEASE, World};
use super::Said;

pub(in super::super) async fn standings(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    said.say("no group", world.standing().await);
    said.say("of no group, all", world.standings().await);
    said.say("none to set", world.set_start(0).await);
    said.say("then", world.standing().await);
    said.say("forgotten", world.forget_topic().await);
    said.say("forgotten again", world.forget_topic().await);
    world.settle("a").await;
    world.produce(&[5, 5]).await;
    said.say("joined", world.standing().await);
    said.say("all", world.standings().await);
    said.say("opens", world.ask(&world.fetch("a", 0)).await);
    said.say("fetched", world.standing().await);
    said.say("accepts", world.say("a", 1, &[(0, 2, &[ACCEPT])]).await);
    said.say("accepted", world.standing().await);
    said.say("more", world.say("a", 2, &[(3, 5, &[ACCEPT, REJECT, RELEASE])]).await);
    said.say("then", world.standing().await);
    said.say("and out of order", world.say("a", 3, &[(7, 7, &[ACCEPT])]).await);
    said.say("then", world.standing().await);
    said.say("set with a member", world.set_start(1).await);
    said.say("forgotten with a member", world.forget_topic().await);
    said.say("closes", world.ask(&world.fetch("a", -1)).await);
    said.say("leaves", world.beat(&world.alive("a", -1)).await);
    said.say("then", world.standing().await);
    said.say("set", world.set_start(8).await);
    said.say("then", world.standing().await);
    said.0
}

pub(in super::super) const STANDINGS: &[&str] = &[
    "no group: 0: -1 lag -1 leader 0",
    "of no group, all: nothing",
    "none to set: 0 ok, 7 UnknownTopicOrPartition",
    "then: 0: 0 lag 0 leader 0",
    "forgotten: ok",
    "forgotten again: UnknownTopicOrPartition",
    "joined: 0: -1 lag -1 leader 0",
    "all: 0: -1 lag -1 leader 0",
    "opens: 0: 0-9*1 of 2",
    "fetched: 0: -1 lag -1 leader 0",
    "accepts: ok",
    "accepted: 0: 0 lag 7 leader 0",
    "more: ok",
    "then: 0: 3 lag 5 leader 0",
    "and out of order: ok",
    "then: 0: 5 lag 4 leader 0",
    "set with a member: NonEmptyGroup",
    "forgotten with a member: NonEmptyGroup",
    "closes: nothing",
    "leaves: epoch -1",
    "then: 0: 5 lag 4 leader 0",
    "set: 0 ok, 7 UnknownTopicOrPartition",
    "then: 0: 8 lag 2 leader 0",
];

/// A group goes on where it is set, if its members have gone with their connections.
pub(in super::super) async fn set_starts(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    world.settle("a").await;
    world.produce(&[5, 5]).await;
    let mut client = world.another().await;
    said.say("opens", world.ask_by(&mut client, &world.fetch("a", 0)).await);
    said.say("leaves", world.beat(&world.alive("a", -1)).await);
    drop(client);
    super::super::world::rest(500).await;
    said.say("set", world.set_start(7).await);
    world.settle("a").await;
    said.say("goes on", world.ask(&world.fetch("a", 0)).await);
    said.say("accepts", world.say("a", 1, &[(7, 9, &[ACCEPT])]).await);
    said.say("then", world.standing().await);
    said.say("leaves", world.beat(&world.alive("a", -1)).await);
    said.say("set under a session", world.set_start(2).await);
    said.say("goes on as before", world.ask(&world.fetch("a", 2)).await);
    world.produce(&[1]).await;
    said.say("gets", world.ask(&world.fetch("a", 3)).await);
    said.say("accepts", world.say("a", 4, &[(10, 10, &[ACCEPT])]).await);
    said.say("then", world.standing().await);
    said.say("again", world.ask(&world.fetch("a", 5)).await);
    said.0
}

pub(in super::super) const SET_STARTS: &[&str] = &[
    "opens: 0: 0-9*1 of 2",
    "leaves: epoch -1",
    "set: 0 ok, 7 UnknownTopicOrPartition",
    "goes on: 0: 7-9*1 of 1",
    "accepts: ok",
    "then: 0: 7 lag 0 leader 0",
    "leaves: epoch -1",
    "set under a session: 0 ok, 7 UnknownTopicOrPartition",
    "goes on as before: nothing",
    "gets: 0: 10-10*1 of 1",
    "accepts: NotLeaderOrFollower",
    "then: 0: 2 lag 9 leader 0",
    "again: 0: 2-10*1 of 3",
];

pub(in super::super) async fn settings(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    for (name, value) in [
        ("share.record.lock.duration.ms", "20000"),
        ("share.record.lock.duration.ms", "70000"),
        ("share.record.lock.duration.ms", "much"),
        ("share.delivery.count.limit", "3"),
        ("share.delivery.count.limit", "1"),
        ("share.delivery.count.limit", "11"),
        ("share.partition.max.record.locks", "99"),
        ("share.partition.max.record.locks", "4001"),
        ("share.auto.offset.reset", "none"),
        ("share.auto.offset.reset", "by_duration:PT1H"),
        ("share.auto.offset.reset", "by_duration:-PT1H"),
        ("share.auto.offset.reset", "by_duration:1H"),
        ("share.isolation.level", "read_committed"),
        ("share.isolation.level", "serializable"),
        ("share.renew.acknowledge.enable", "no"),
        ("share.renew.acknowledge.enable", "false"),
        ("share.heartbeat.interval.ms", "15001"),
        ("share.assignment.interval.ms", "0"),
        ("share.unheard.of", "1"),
    ] {
        said.say(&format!("{name}={value}"), world.configure(name, value).await);
    }
    super::super::world::rest(500).await;
    for line in world.configs().await {
        said.0.push(line);
    }
    said.0
}

pub(in super::super) const SETTINGS: &[&str] = &[
    "share.record.lock.duration.ms=20000: ok",
    "share.record.lock.duration.ms=70000: InvalidConfig",
    "share.record.lock.duration.ms=much: InvalidConfig",
    "share.delivery.count.limit=3: ok",
    "share.delivery.count.limit=1: InvalidConfig",
    "share.delivery.count.limit=11: InvalidConfig",
    "share.partition.max.record.locks=99: InvalidConfig",
    "share.partition.max.record.locks=4001: InvalidConfig",
    "share.auto.offset.reset=none: InvalidConfig",
    "share.auto.offset.reset=by_duration:PT1H: ok",
    "share.auto.offset.reset=by_duration:-PT1H: InvalidConfig",
    "share.auto.offset.reset=by_duration:1H: InvalidConfig",
    "share.isolation.level=read_committed: ok",
    "share.isolation.level=serializable: InvalidConfig",
    "share.renew.acknowledge.enable=no: InvalidConfig",
    "share.renew.acknowledge.enable=false: ok",
    "share.heartbeat.interval.ms=15001: InvalidConfig",
    "share.assignment.interval.ms=0: ok",
    "share.unheard.of=1: InvalidConfig",
    "share.assignment.interval.ms 0 set",
    "share.auto.offset.reset by_duration:PT1H set",
    "share.delivery.count.limit 3 set",
    "share.heartbeat.interval.ms 1000",
    "share.isolation.level read_committed set",
    "share.partition.max.record.locks 2000",
    "share.record.lock.duration.ms 20000 set",
    "share.renew.acknowledge.enable false set",
    "share.session.timeout.ms 4000",
];
