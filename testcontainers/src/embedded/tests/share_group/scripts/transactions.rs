//! Records of transactions.

use super::super::world::{ACCEPT, GAP, World, rest};
use super::Said;

pub(in super::super) async fn isolation(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    assert_eq!(world.configure("share.isolation.level", "read_committed").await, "ok");
    rest(500).await;
    world.settle("a").await;
    world.produce(&[2]).await;
    world.transact(3, Some(false)).await;
    world.produce(&[1]).await;
    said.say("without the aborted", world.ask(&world.fetch("a", 0)).await);
    said.say("of all", world.say("a", 1, &[(0, 6, &[ACCEPT])]).await);
    said.say("of what was given", world.say("a", 2, &[(0, 1, &[ACCEPT]), (5, 6, &[ACCEPT])]).await);
    world.transact(2, Some(true)).await;
    said.say("the committed", world.ask(&world.fetch("a", 3)).await);
    world.transact(2, None).await;
    let accepted = [(7, 8, &[ACCEPT][..]), (9, 9, &[GAP])];
    said.say("not the open", world.ask(&world.saying("a", 4, &accepted)).await);
    world.end_transaction(true).await;
    said.say("when it is committed", world.ask(&world.fetch("a", 5)).await);
    said.say("is accepted", world.say("a", 6, &[(10, 12, &[ACCEPT])]).await);
    world.transact(2, Some(false)).await;
    said.say("nothing but aborted", world.ask(&world.fetch("a", 7)).await);
    world.produce(&[1]).await;
    said.say("behind it", world.ask(&world.fetch("a", 8)).await);
    said.say("is accepted", world.say("a", 9, &[(15, 16, &[ACCEPT])]).await);
    world.transact(1, Some(false)).await;
    world.transact(2, Some(true)).await;
    said.say("aborted, then committed", world.ask(&world.fetch("a", 10)).await);
    said.0
}

pub(in super::super) const ISOLATION: &[&str] = &[
    "without the aborted: 0: 0-1*1 5-6*1 of 4",
    "of all: InvalidRecordState",
    "of what was given: ok",
    "the committed: 0: 7-9*1 of 2",
    "not the open: 0: ok",
    "when it is committed: 0: 10-12*1 of 2",
    "is accepted: ok",
    "nothing but aborted: 0: 15-15*1 of 1",
    "behind it: 0: 16-16*1 of 1",
    "is accepted: ok",
    "aborted, then committed: 0: 18-21*1 of 3",
];

pub(in super::super) async fn no_isolation(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    world.settle("a").await;
    world.transact(2, Some(false)).await;
    world.transact(2, None).await;
    said.say("everything", world.ask(&world.fetch("a", 0)).await);
    world.end_transaction(true).await;
    said.0
}

pub(in super::super) const NO_ISOLATION: &[&str] = &["everything: 0: 0-4*1 of 3"];
