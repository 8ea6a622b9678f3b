//! Who may commit offsets in a transaction.

use super::super::world::World;
use super::Said;

pub(in super::super) async fn transactions(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    world.begin_transactions().await;
    said.say("no group, an epoch", world.commit_in_transaction("a", 2, &[0]).await);
    world.settle("a").await;
    said.say("nobody", world.commit_in_transaction("", -1, &[0]).await);
    said.say("a", world.commit_in_transaction("a", 2, &[0, 1]).await);
    said.say("a stranger", world.commit_in_transaction("b", 2, &[0]).await);
    said.say("ahead", world.commit_in_transaction("a", 3, &[0]).await);
    said.say("behind", world.commit_in_transaction("a", 1, &[0]).await);
    said.say("what is not there", world.commit_in_transaction("a", 2, &[0, 9]).await);
    world.beat(&world.join("b", &["t"])).await;
    said.say("a is told", world.beat(&world.alive("a", 2)).await);
    said.say("what is to be given up", world.commit_in_transaction("a", 2, &[3]).await);
    said.say("a gives up", world.beat(&world.owning("a", 2, &[("t", &[0, 1])])).await);
    said.say("what it has kept", world.commit_in_transaction("a", 2, &[0, 1]).await);
    said.say("what it has not", world.commit_in_transaction("a", 2, &[0, 3]).await);
    said.say("c joins", world.join_as(&world.classic("c", &[]), 9).await);
    said.say("c", world.commit_in_transaction("c", 4, &[0]).await);
    said.say("c too far", world.commit_in_transaction("c", 5, &[0]).await);
    said.0
}

pub(in super::super) const TRANSACTIONS: &[&str] = &[
    "no group, an epoch: IllegalGeneration",
    "nobody: ok",
    "a: ok, ok",
    "a stranger: UnknownMemberId",
    "ahead: IllegalGeneration",
    "behind: IllegalGeneration",
    "what is not there: ok, UnknownTopicOrPartition",
    "a is told: epoch 2, t [0, 1]",
    "what is to be given up: ok",
    "a gives up: epoch 3",
    "what it has kept: ok, ok",
    "what it has not: IllegalGeneration, IllegalGeneration",
    "c joins: generation 4, consumer range, no leader, 0 members",
    "c: ok",
    "c too far: IllegalGeneration",
];
