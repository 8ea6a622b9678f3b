//! Static members: those that will be back.

use kafka_protocol::messages::ConsumerGroupHeartbeatRequest;

use super::super::world::{SESSION_MS, World, rest, text};
use super::Said;

fn named(request: ConsumerGroupHeartbeatRequest) -> ConsumerGroupHeartbeatRequest {
    request.with_instance_id(Some(text("i")))
}

/// A static member goes and comes back under another id, with what it had.
pub(in super::super) async fn coming_back(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    said.say("a joins", world.beat(&named(world.join("a", &["t"]))).await);
    said.say("b joins", world.beat(&world.join("b", &["t"])).await);
    let half: &[(&str, &[i32])] = &[("t", &[0, 1])];
    said.say("a is told", world.beat(&named(world.alive("a", 2))).await);
    said.say("a gives up", world.beat(&named(world.owning("a", 2, half))).await);
    said.say("c, too early", world.beat(&named(world.join("c", &["t"]))).await);
    said.say("a again, too early", world.beat(&named(world.join("a", &["t"]))).await);
    said.say("c leaves in the name of a", world.beat(&named(world.alive("c", -2))).await);
    said.say("a goes for now", world.beat(&named(world.alive("a", -2))).await);
    said.say("b does not get it", world.beat(&world.alive("b", 3)).await);
    said.say("a is away", world.beat(&named(world.alive("a", 3))).await);
    said.say("c comes", world.beat(&named(world.join("c", &["t"]))).await);
    said.say("c is alive", world.beat(&named(world.alive("c", 3))).await);
    said.say("a is fenced", world.beat(&named(world.alive("a", 3))).await);
    said.say("a is fenced as it leaves", world.beat(&named(world.alive("a", -1))).await);
    said.say("a without its instance", world.beat(&world.alive("a", 3)).await);
    said.say("c without its instance", world.beat(&world.alive("c", 3)).await);
    said.say("b", world.beat(&world.alive("b", 3)).await);
    said.say("c leaves for good", world.beat(&named(world.alive("c", -1))).await);
    said.say("b gets all", world.beat(&world.alive("b", 3)).await);
    said.say("c", world.beat(&named(world.alive("c", 3))).await);
    said.0
}

pub(in super::super) const COMING_BACK: &[&str] = &[
    "a joins: epoch 2, t [0, 1, 2, 3]",
    "b joins: epoch 3, nothing",
    "a is told: epoch 2, t [0, 1]",
    "a gives up: epoch 3",
    "c, too early: UnreleasedInstanceId",
    "a again, too early: UnreleasedInstanceId",
    "c leaves in the name of a: FencedInstanceId",
    "a goes for now: epoch -2",
    "b does not get it: epoch 3, t [2, 3]",
    "a is away: FencedMemberEpoch",
    "c comes: epoch 3, t [0, 1]",
    "c is alive: epoch 3",
    "a is fenced: FencedInstanceId",
    "a is fenced as it leaves: FencedInstanceId",
    "a without its instance: UnknownMemberId",
    "c without its instance: epoch 3",
    "b: epoch 3",
    "c leaves for good: epoch -1",
    "b gets all: epoch 4, t [0, 1, 2, 3]",
    "c: UnknownMemberId",
];

/// What a static member comes back to counts as its own since the beginning.
pub(in super::super) async fn old_commits(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    world.settle("b").await;
    said.say("a joins", world.beat(&named(world.join("a", &["t"]))).await);
    said.say("b gives up", world.beat(&world.owning("b", 2, &[("t", &[0, 1])])).await);
    said.say("a gets", world.beat(&named(world.alive("a", 3))).await);
    said.say("a commits by an old epoch", world.commit(9, "a", 2, &[2]).await);
    said.say("a goes for now", world.beat(&named(world.alive("a", -2))).await);
    said.say("a commits as it is away", world.commit(9, "a", 3, &[2]).await);
    said.say("a fetches as it is away", world.fetch(Some("a"), 3, &[2]).await);
    said.say("a comes back", world.beat(&named(world.join("a", &["t"]))).await);
    said.say("a commits by an old epoch", world.commit(9, "a", 1, &[2]).await);
    said.say("a commits what it has not", world.commit(9, "a", 1, &[0]).await);
    said.0
}

pub(in super::super) const OLD_COMMITS: &[&str] = &[
    "a joins: epoch 3, nothing",
    "b gives up: epoch 3, t [0, 1]",
    "a gets: epoch 3, t [2, 3]",
    "a commits by an old epoch: StaleMemberEpoch",
    "a goes for now: epoch -2",
    "a commits as it is away: StaleMemberEpoch",
    "a fetches as it is away: StaleMemberEpoch []",
    "a comes back: epoch 3, t [2, 3]",
    "a commits by an old epoch: ok",
    "a commits what it has not: StaleMemberEpoch",
];

/// A static member stays away for longer than its session, and one subscribes to something else as
/// it comes back.
pub(in super::super) async fn staying_away(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    world.create("u", 1).await;
    said.say("a joins", world.beat(&named(world.join("a", &["t"]))).await);
    rest(SESSION_MS / 2).await;
    said.say("a goes for now", world.beat(&named(world.alive("a", -2))).await);
    said.say("a comes for another topic", world.beat(&named(world.join("a", &["u"]))).await);
    said.say("a goes for now", world.beat(&named(world.alive("a", -2))).await);
    said.say("a goes again", world.beat(&named(world.alive("a", -2))).await);
    said.say("b joins", world.beat(&world.join("b", &["t", "u"])).await);
    rest(SESSION_MS * 3 / 4).await;
    said.say("b is alive", world.beat(&world.alive("b", 4)).await);
    rest(SESSION_MS / 2).await;
    said.say("b gets what a had", world.beat(&world.alive("b", 4)).await);
    said.say("a is not known", world.beat(&named(world.alive("a", -2))).await);
    said.0
}

pub(in super::super) const STAYING_AWAY: &[&str] = &[
    "a joins: epoch 2, t [0, 1, 2, 3]",
    "a goes for now: epoch -2",
    "a comes for another topic: epoch 3, u [0]",
    "a goes for now: epoch -2",
    "a goes again: epoch -2",
    "b joins: epoch 4, t [0, 1, 2, 3]",
    "b is alive: epoch 4",
    "b gets what a had: epoch 5, t [0, 1, 2, 3], u [0]",
    "a is not known: UnknownMemberId",
];

/// A static member goes while it has something to give up.
pub(in super::super) async fn going_midway(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    said.say("a joins", world.beat(&named(world.join("a", &["t"]))).await);
    said.say("b joins", world.beat(&world.join("b", &["t"])).await);
    said.say("a is told", world.beat(&named(world.alive("a", 2))).await);
    said.say("a goes for now", world.beat(&named(world.alive("a", -2))).await);
    said.say("b gets its half", world.beat(&world.alive("b", 3)).await);
    said.say("c comes", world.beat(&named(world.join("c", &["t"]))).await);
    said.say("c", world.beat(&named(world.alive("c", 3))).await);
    said.say("a dynamic member takes the name", world.beat(&named(world.full("b", 3, &[]))).await);
    said.say("c leaves without its name", world.beat(&world.alive("c", -1)).await);
    said.say("b", world.beat(&world.alive("b", 3)).await);
    said.0
}

pub(in super::super) const GOING_MIDWAY: &[&str] = &[
    "a joins: epoch 2, t [0, 1, 2, 3]",
    "b joins: epoch 3, nothing",
    "a is told: epoch 2, t [0, 1]",
    "a goes for now: epoch -2",
    "b gets its half: epoch 3, t [2, 3]",
    "c comes: epoch 3, t [0, 1]",
    "c: epoch 3",
    "a dynamic member takes the name: FencedInstanceId",
    "c leaves without its name: epoch -1",
    "b: epoch 4, t [0, 1, 2, 3]",
];
