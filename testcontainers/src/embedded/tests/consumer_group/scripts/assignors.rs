//! The two assignors.

use super::super::world::{World, text};
use super::Said;

/// Ranges by the order of the ids, and static members before others.
pub(in super::super) async fn range(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    world.create("u", 3).await;
    let range = Some(text("range"));
    let join = |world: &World, id: &str, topics: &[&str]| {
        world.join(id, topics).with_server_assignor(range.clone())
    };
    said.say("b joins", world.beat(&join(world, "b", &["t", "u"])).await);
    said.say("a joins", world.beat(&join(world, "a", &["t", "u"])).await);
    said.say("b", world.beat(&world.owning("b", 2, &[])).await);
    said.say("a", world.beat(&world.alive("a", 3)).await);
    let c = join(world, "c", &["t"]).with_instance_id(Some(text("z")));
    said.say("c joins, static, for t", world.beat(&c).await);
    said.say("a", world.beat(&world.owning("a", 3, &[])).await);
    said.say("b", world.beat(&world.owning("b", 3, &[])).await);
    said.say("c", world.beat(&world.join("c", &["t"]).with_member_epoch(4)).await);
    said.say("a", world.beat(&world.alive("a", 4)).await);
    said.0
}

pub(in super::super) const RANGE: &[&str] = &[
    "b joins: epoch 2, t [0, 1, 2, 3], u [0, 1, 2]",
    "a joins: epoch 3, nothing",
    "b: epoch 3, t [2, 3], u [2]",
    "a: epoch 3, t [0, 1], u [0, 1]",
    "c joins, static, for t: epoch 4, nothing",
    "a: epoch 4, u [0, 1]",
    "b: epoch 4, t [3], u [2]",
    "c: epoch 4, t [0, 1]",
    "a: epoch 4, t [2], u [0, 1]",
];

/// The assignor is what most members name.
pub(in super::super) async fn votes(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    let (range, uniform) = (Some(text("range")), Some(text("uniform")));
    world.beat(&world.join("b", &["t"]).with_server_assignor(uniform)).await;
    said.say("b wants uniform", world.assignor().await);
    world.beat(&world.join("a", &["t"]).with_server_assignor(range.clone())).await;
    said.say("one each", world.assignor().await);
    world.beat(&world.join("c", &["t"]).with_server_assignor(range.clone())).await;
    said.say("two for range", world.assignor().await);
    world.beat(&world.alive("c", -1)).await;
    said.say("one each", world.assignor().await);
    world.beat(&world.owning("b", 2, &[]).with_server_assignor(range)).await;
    said.say("all for range", world.assignor().await);
    said.say("no new target for that", world.beat(&world.join("a", &["t"])).await);
    said.0
}

pub(in super::super) const VOTES: &[&str] = &[
    "b wants uniform: uniform",
    "one each: uniform",
    "two for range: range",
    "one each: uniform",
    "all for range: range",
    "no new target for that: epoch 5, t [0, 1]",
];

/// Members with different subscriptions, by the uniform assignor.
pub(in super::super) async fn different(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    world.create("u", 5).await;
    said.say("a joins for t", world.beat(&world.join("a", &["t"])).await);
    said.say("b joins for both", world.beat(&world.join("b", &["t", "u"])).await);
    said.say("a", world.beat(&world.alive("a", 2)).await);
    said.say("c joins for u", world.beat(&world.join("c", &["u"])).await);
    said.say("b", world.beat(&world.owning("b", 3, &[])).await);
    said.say("c", world.beat(&world.alive("c", 4)).await);
    said.say("d joins for both", world.beat(&world.join("d", &["t", "u"])).await);
    for (member, epoch) in [("a", 3), ("b", 4), ("c", 4)] {
        said.say(member, world.beat(&world.owning(member, epoch, &[])).await);
    }
    said.say("d", world.beat(&world.alive("d", 5)).await);
    said.0
}

pub(in super::super) const DIFFERENT: &[&str] = &[
    "a joins for t: epoch 2, t [0, 1, 2, 3]",
    "b joins for both: epoch 3, u [0, 1, 2, 3, 4]",
    "a: epoch 3",
    "c joins for u: epoch 4, nothing",
    "b: epoch 4, u [0, 1, 2]",
    "c: epoch 4, u [3, 4]",
    "d joins for both: epoch 5, nothing",
    "a: epoch 5, t [0, 1, 2]",
    "b: epoch 5, u [0, 1]",
    "c: epoch 5",
    "d: epoch 5, t [3], u [2]",
];
