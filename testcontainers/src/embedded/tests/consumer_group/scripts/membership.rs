//! Joining, reconciling, leaving, and being silent.

use super::super::world::{SESSION_MS, World, rest};
use super::Said;

/// Two members share a topic: one gives up before the other gets.
pub(in super::super) async fn reconciliation(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    said.say("a joins", world.beat(&world.join("a", &["t"])).await);
    said.say("a is alive", world.beat(&world.alive("a", 2)).await);
    said.say("a has all", world.beat(&world.owning("a", 2, &[("t", &[0, 1, 2, 3])])).await);
    said.say("b joins", world.beat(&world.join("b", &["t"])).await);
    said.say("b is alive", world.beat(&world.alive("b", 3)).await);
    said.say("a is told", world.beat(&world.alive("a", 2)).await);
    said.say("a says nothing", world.beat(&world.alive("a", 2)).await);
    said.say("a still has all", world.beat(&world.owning("a", 2, &[("t", &[0, 1, 2, 3])])).await);
    said.say("b still waits", world.beat(&world.alive("b", 3)).await);
    said.say("a gives up", world.beat(&world.owning("a", 2, &[("t", &[0, 1])])).await);
    said.say("b gets", world.beat(&world.alive("b", 3)).await);
    said.say("b is alive", world.beat(&world.alive("b", 3)).await);
    said.say("a says all", world.beat(&world.full("a", 3, &[("t", &[0, 1])])).await);
    said.say("b leaves", world.beat(&world.alive("b", -1)).await);
    said.say("a gets all", world.beat(&world.alive("a", 3)).await);
    said.say("b is unknown", world.beat(&world.alive("b", 3)).await);
    said.say("a leaves", world.beat(&world.alive("a", -1)).await);
    said.say("a leaves again", world.beat(&world.alive("a", -1)).await);
    said.say("c is new", world.beat(&world.join("c", &["t"])).await);
    said.0
}

pub(in super::super) const RECONCILIATION: &[&str] = &[
    "a joins: epoch 2, t [0, 1, 2, 3]",
    "a is alive: epoch 2",
    "a has all: epoch 2",
    "b joins: epoch 3, nothing",
    "b is alive: epoch 3",
    "a is told: epoch 2, t [0, 1]",
    "a says nothing: epoch 2",
    "a still has all: epoch 2",
    "b still waits: epoch 3",
    "a gives up: epoch 3",
    "b gets: epoch 3, t [2, 3]",
    "b is alive: epoch 3",
    "a says all: epoch 3, t [0, 1]",
    "b leaves: epoch -1",
    "a gets all: epoch 4, t [0, 1, 2, 3]",
    "b is unknown: UnknownMemberId",
    "a leaves: epoch -1",
    "a leaves again: UnknownMemberId",
    "c is new: epoch 6, t [0, 1, 2, 3]",
];

/// A third member comes while two are still at it, and a member joins again in the middle.
pub(in super::super) async fn overlap(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    world.settle("a").await;
    said.say("b joins", world.beat(&world.join("b", &["t"])).await);
    said.say("a is told", world.beat(&world.alive("a", 2)).await);
    said.say("c joins", world.beat(&world.join("c", &["t"])).await);
    said.say("a gives up 3", world.beat(&world.owning("a", 2, &[("t", &[0, 1, 2])])).await);
    said.say("a gives up 2", world.beat(&world.owning("a", 2, &[("t", &[0, 1])])).await);
    said.say("b", world.beat(&world.alive("b", 3)).await);
    said.say("c", world.beat(&world.alive("c", 4)).await);
    said.say("b joins again", world.beat(&world.join("b", &["t"])).await);
    said.say("a joins again", world.beat(&world.join("a", &["t"])).await);
    said.say("a", world.beat(&world.alive("a", 4)).await);
    said.say("c leaves", world.beat(&world.alive("c", -1)).await);
    said.say("a gets", world.beat(&world.alive("a", 4)).await);
    said.say("b gets", world.beat(&world.alive("b", 4)).await);
    said.0
}

pub(in super::super) const OVERLAP: &[&str] = &[
    "b joins: epoch 3, nothing",
    "a is told: epoch 2, t [0, 1]",
    "c joins: epoch 4, nothing",
    "a gives up 3: epoch 2",
    "a gives up 2: epoch 4",
    "b: epoch 4, t [2]",
    "c: epoch 4, t [3]",
    "b joins again: epoch 4, t [2]",
    "a joins again: epoch 4, t [0, 1]",
    "a: epoch 4",
    "c leaves: epoch -1",
    "a gets: epoch 5",
    "b gets: epoch 5, t [2, 3]",
];

/// What a member was to give up comes back to it on the way.
pub(in super::super) async fn coming_back_midway(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    let all: &[(&str, &[i32])] = &[("t", &[0, 1, 2, 3])];
    world.settle("a").await;
    world.beat(&world.join("b", &["t"])).await;
    said.say("a is told", world.beat(&world.alive("a", 2)).await);
    said.say("b leaves", world.beat(&world.alive("b", -1)).await);
    said.say("a has not begun", world.beat(&world.owning("a", 2, all)).await);
    said.say("a gives up 2", world.beat(&world.owning("a", 2, &[("t", &[0, 1, 3])])).await);
    said.say("a gives up 3", world.beat(&world.owning("a", 2, &[("t", &[0, 1])])).await);
    said.say("a", world.beat(&world.alive("a", 4)).await);
    said.0
}

pub(in super::super) const COMING_BACK_MIDWAY: &[&str] = &[
    "a is told: epoch 2, t [0, 1]",
    "b leaves: epoch -1",
    "a has not begun: epoch 2",
    "a gives up 2: epoch 2",
    "a gives up 3: epoch 4, t [0, 1, 2, 3]",
    "a: epoch 4",
];

/// Targets wait until an interval has passed since the last; the world's is a second.
pub(in super::super) async fn interval(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    said.say("a joins", world.beat(&world.join("a", &["t"])).await);
    said.say("b joins", world.beat(&world.join("b", &["t"])).await);
    said.say_all("described", &world.described().await);
    said.say("a", world.beat(&world.alive("a", 2)).await);
    rest(1_100).await;
    said.say("b", world.beat(&world.alive("b", 2)).await);
    said.say("a is told", world.beat(&world.alive("a", 2)).await);
    let nothing = world.full("b", 3, &[]).with_subscribed_topic_names(Some(Vec::new()));
    said.say("b wants nothing", world.beat(&nothing).await);
    said.say("a gives up", world.beat(&world.owning("a", 2, &[("t", &[0, 1])])).await);
    rest(1_100).await;
    said.say("a gets all", world.beat(&world.alive("a", 3)).await);
    said.0
}

pub(in super::super) const INTERVAL: &[&str] = &[
    "a joins: epoch 2, t [0, 1, 2, 3]",
    "b joins: epoch 2, nothing",
    "described: Assigning uniform 3 2",
    "described: a[] 2 type 1 for [\"t\"] \"\" has, t [0, 1, 2, 3] wants, t [0, 1, 2, 3]",
    "described: b[] 2 type 1 for [\"t\"] \"\" has, nothing wants, nothing",
    "a: epoch 2",
    "b: epoch 3",
    "a is told: epoch 2, t [0, 1]",
    "b wants nothing: epoch 3, nothing",
    "a gives up: epoch 3",
    "a gets all: epoch 4, t [0, 1, 2, 3]",
];

/// Who is silent for a session is fenced.
pub(in super::super) async fn silence(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    world.settle("a").await;
    rest(SESSION_MS * 3 / 4).await;
    said.say("a in time", world.beat(&world.alive("a", 2)).await);
    said.say("b joins", world.beat(&world.join("b", &["t"])).await);
    rest(SESSION_MS * 3 / 4).await;
    said.say("b in time", world.beat(&world.alive("b", 3)).await);
    rest(SESSION_MS / 2).await;
    said.say("a too late", world.beat(&world.alive("a", 2)).await);
    said.say("b gets all", world.beat(&world.alive("b", 3)).await);
    said.0
}

pub(in super::super) const SILENCE: &[&str] = &[
    "a in time: epoch 2",
    "b joins: epoch 3, nothing",
    "b in time: epoch 3",
    "a too late: UnknownMemberId",
    "b gets all: epoch 4, t [0, 1, 2, 3]",
];

/// Who does not give up in time is fenced, though it is alive.
pub(in super::super) async fn stubbornness(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    let all: &[(&str, &[i32])] = &[("t", &[0, 1, 2, 3])];
    let impatient = world.join("a", &["t"]).with_rebalance_timeout_ms(1000);
    said.say("a joins", world.beat(&impatient).await);
    said.say("b joins", world.beat(&world.join("b", &["t"])).await);
    said.say("a is told", world.beat(&world.owning("a", 2, all)).await);
    rest(500).await;
    said.say("a still has all", world.beat(&world.owning("a", 2, all)).await);
    rest(1000).await;
    said.say("a is too late", world.beat(&world.owning("a", 2, all)).await);
    said.say("b gets all", world.beat(&world.alive("b", 3)).await);
    said.0
}

pub(in super::super) const STUBBORNNESS: &[&str] = &[
    "a joins: epoch 2, t [0, 1, 2, 3]",
    "b joins: epoch 3, nothing",
    "a is told: epoch 2, t [0, 1]",
    "a still has all: epoch 2",
    "a is too late: UnknownMemberId",
    "b gets all: epoch 4, t [0, 1, 2, 3]",
];
