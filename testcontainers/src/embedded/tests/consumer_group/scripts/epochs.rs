//! Which epochs a member may come with.

use super::super::world::World;
use super::Said;

pub(in super::super) async fn epochs(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    let all: &[(&str, &[i32])] = &[("t", &[0, 1, 2, 3])];
    let half: &[(&str, &[i32])] = &[("t", &[0, 1])];
    world.settle("a").await;
    said.say("ahead", world.beat(&world.alive("a", 3)).await);
    said.say("behind", world.beat(&world.alive("a", 1)).await);
    // The reply with the new epoch is lost: the member comes with the one before.
    said.say("b joins", world.beat(&world.join("b", &["t"])).await);
    said.say("a is told", world.beat(&world.owning("a", 2, all)).await);
    said.say("a gives up", world.beat(&world.owning("a", 2, half)).await);
    said.say("a has not heard, says nothing", world.beat(&world.alive("a", 2)).await);
    said.say("a has not heard", world.beat(&world.owning("a", 2, half)).await);
    said.say("a has less", world.beat(&world.owning("a", 2, &[("t", &[1])])).await);
    said.say("a has nothing", world.beat(&world.owning("a", 2, &[])).await);
    said.say("a has more", world.beat(&world.owning("a", 2, all)).await);
    said.say("a says all", world.beat(&world.full("a", 2, half)).await);
    said.say("a has heard", world.beat(&world.alive("a", 3)).await);
    said.say("a two behind", world.beat(&world.owning("a", 1, half)).await);
    // The reply to a join is lost, and the member joins again.
    said.say("b joins again", world.beat(&world.join("b", &["t"])).await);
    said.say("c joins", world.beat(&world.join("c", &["t"])).await);
    said.say("c, before its first epoch", world.beat(&world.owning("c", 3, &[])).await);
    said.0
}

pub(in super::super) const EPOCHS: &[&str] = &[
    "ahead: FencedMemberEpoch",
    "behind: FencedMemberEpoch",
    "b joins: epoch 3, nothing",
    "a is told: epoch 2, t [0, 1]",
    "a gives up: epoch 3",
    "a has not heard, says nothing: FencedMemberEpoch",
    "a has not heard: epoch 3",
    "a has less: epoch 3",
    "a has nothing: epoch 3",
    "a has more: FencedMemberEpoch",
    "a says all: epoch 3, t [0, 1]",
    "a has heard: epoch 3",
    "a two behind: FencedMemberEpoch",
    "b joins again: epoch 3, t [2, 3]",
    "c joins: epoch 4, nothing",
    "c, before its first epoch: FencedMemberEpoch",
];
