//! What members are subscribed to, by names and by patterns, and topics that change.

use kafka_protocol::messages::ConsumerGroupHeartbeatRequest;

use super::super::world::{World, rest, text};
use super::Said;

/// Names change, and topics come, grow and go.
pub(in super::super) async fn topics(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    let all: &[(&str, &[i32])] = &[("t", &[0, 1, 2, 3])];
    world.settle("a").await;
    world.grow("t", 6).await;
    said.say("t has grown", world.beat(&world.alive("a", 2)).await);
    world.create("u", 2).await;
    said.say("u has come, unwanted", world.beat(&world.alive("a", 3)).await);
    let both = world.alive("a", 3).with_subscribed_topic_names(Some(world.names(&["t", "u"])));
    said.say("a wants u, too", world.beat(&both).await);
    said.say("a wants u, still", world.beat(&both.with_member_epoch(4)).await);
    let just_u = world.alive("a", 4).with_subscribed_topic_names(Some(world.names(&["u"])));
    said.say("a wants u alone", world.beat(&just_u).await);
    said.say("a is alive", world.beat(&world.alive("a", 4)).await);
    said.say("a still has t", world.beat(&world.owning("a", 4, all)).await);
    said.say("a has given up t", world.beat(&world.owning("a", 4, &[("u", &[0, 1])])).await);
    world.delete("u").await;
    said.say("u has gone", world.beat(&world.alive("a", 5)).await);
    said.say("a has u no more", world.beat(&world.owning("a", 5, &[])).await);
    world.create("u", 1).await;
    said.say("u is another one", world.beat(&world.alive("a", 6)).await);
    let nothing = world.owning("a", 7, &[]).with_subscribed_topic_names(Some(Vec::new()));
    said.say("a wants nothing", world.beat(&nothing).await);
    said.0
}

pub(in super::super) const TOPICS: &[&str] = &[
    "t has grown: epoch 3, t [0, 1, 2, 3, 4, 5]",
    "u has come, unwanted: epoch 3",
    "a wants u, too: epoch 4, t [0, 1, 2, 3, 4, 5], u [0, 1]",
    "a wants u, still: epoch 4",
    "a wants u alone: epoch 4, u [0, 1]",
    "a is alive: epoch 4",
    "a still has t: epoch 4",
    "a has given up t: epoch 5",
    "u has gone: epoch 5, nothing",
    "a has u no more: epoch 6",
    "u is another one: epoch 7, u [0]",
    "a wants nothing: epoch 8, nothing",
];

/// A member's subscription changes while it still has something to give up.
pub(in super::super) async fn change_of_mind(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    world.create("u", 4).await;
    let join =
        |world: &World, id| world.join(id, &["t", "u"]).with_server_assignor(Some(text("range")));
    said.say("a joins", world.beat(&join(world, "a")).await);
    said.say("b joins", world.beat(&join(world, "b")).await);
    said.say("a is told", world.beat(&world.alive("a", 2)).await);
    let only = |topic| world.alive("a", 2).with_subscribed_topic_names(Some(world.names(&[topic])));
    let (just_t, just_u) = (only("t"), only("u"));
    said.say("a wants t alone", world.beat(&just_t).await);
    said.say("a wants u alone", world.beat(&just_u).await);
    said.say("b", world.beat(&world.alive("b", 3)).await);
    said.say("a has u", world.beat(&world.owning("a", 2, &[("u", &[0, 1])])).await);
    said.say("b", world.beat(&world.alive("b", 5)).await);
    said.0
}

pub(in super::super) const CHANGE_OF_MIND: &[&str] = &[
    "a joins: epoch 2, t [0, 1, 2, 3], u [0, 1, 2, 3]",
    "b joins: epoch 3, nothing",
    "a is told: epoch 2, t [0, 1], u [0, 1]",
    "a wants t alone: epoch 2, t [0, 1]",
    "a wants u alone: epoch 2, nothing",
    "b: epoch 5",
    "a has u: epoch 2",
    "b: epoch 5",
];

fn by_pattern(world: &World, member: &str, pattern: &str) -> ConsumerGroupHeartbeatRequest {
    world
        .join(member, &[])
        .with_subscribed_topic_names(None)
        .with_server_assignor(Some(text("range")))
        .with_subscribed_topic_regex(world.pattern(pattern))
}

/// A pattern is resolved after the heartbeat that brings it.
pub(in super::super) async fn patterns(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    world.create("ta", 2).await;
    world.create("u", 1).await;
    said.say("not a pattern", world.beat(&by_pattern(world, "a", "t[")).await);
    said.say("no pattern after all", world.beat(&world.alive("a", 1)).await);
    said.say("a joins", world.beat(&by_pattern(world, "a", "t.?")).await);
    rest(500).await;
    said.say("a gets", world.beat(&world.alive("a", 1)).await);
    said.say("b joins by the same", world.beat(&by_pattern(world, "b", "t.?")).await);
    said.say("a is told", world.beat(&world.alive("a", 2)).await);
    let left: &[(&str, &[i32])] = &[("t", &[0, 1]), ("ta", &[0])];
    said.say("a gives up", world.beat(&world.owning("a", 2, left)).await);
    said.say("b leaves", world.beat(&world.alive("b", -1)).await);
    said.say("a", world.beat(&world.alive("a", 3)).await);
    let same = world.alive("a", 4).with_subscribed_topic_regex(world.pattern("t.?"));
    said.say("a says its pattern again", world.beat(&same).await);
    let bad = world.alive("a", 4).with_subscribed_topic_regex(Some(text("(")));
    said.say("a has a bad idea", world.beat(&bad).await);
    said.say("a goes on", world.beat(&world.alive("a", 4)).await);
    let other = world.alive("a", 4).with_subscribed_topic_regex(world.pattern("t|u"));
    said.say("a has another pattern", world.beat(&other).await);
    let empty = world.alive("a", 4).with_subscribed_topic_regex(Some(text("")));
    said.say("a wants nothing", world.beat(&empty).await);
    said.say("a has nothing", world.beat(&world.owning("a", 4, &[])).await);
    let names = world.alive("a", 5).with_subscribed_topic_names(Some(world.names(&["u"])));
    said.say("a wants u by name", world.beat(&names).await);
    // Nobody is subscribed to it any more.
    world.grow("t", 5).await;
    said.say("t has grown", world.beat(&world.alive("a", 6)).await);
    said.say("b joins by a part of a name", world.beat(&by_pattern(world, "b", "a")).await);
    rest(500).await;
    said.say("b gets nothing by that", world.beat(&world.alive("b", 6)).await);
    said.0
}

pub(in super::super) const PATTERNS: &[&str] = &[
    "not a pattern: InvalidRegularExpression",
    "no pattern after all: GroupIdNotFound",
    "a joins: epoch 1, nothing",
    "a gets: epoch 2, t [0, 1, 2, 3], ta [0, 1]",
    "b joins by the same: epoch 3, nothing",
    "a is told: epoch 2, t [0, 1], ta [0]",
    "a gives up: epoch 3",
    "b leaves: epoch -1",
    "a: epoch 4, t [0, 1, 2, 3], ta [0, 1]",
    "a says its pattern again: epoch 4",
    "a has a bad idea: InvalidRegularExpression",
    "a goes on: epoch 4",
    "a has another pattern: epoch 4, nothing",
    "a wants nothing: epoch 4",
    "a has nothing: epoch 5",
    "a wants u by name: epoch 6, u [0]",
    "t has grown: epoch 6",
    "b joins by a part of a name: epoch 6, nothing",
    "b gets nothing by that: epoch 6",
];

/// Members with different patterns, by the uniform assignor.
pub(in super::super) async fn two_patterns(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    world.create("u", 3).await;
    for (member, pattern) in [("a", "t"), ("b", "u")] {
        let request = by_pattern(world, member, pattern).with_server_assignor(None);
        said.say(member, world.beat(&request).await);
        rest(500).await;
    }
    said.say("a", world.beat(&world.alive("a", 1)).await);
    said.say("b, not looked at yet", world.beat(&world.alive("b", 2)).await);
    for _ in 0..6 {
        rest(1_900).await;
        for member in ["a", "b"] {
            let epoch = world.epoch(member);
            world.beat(&world.alive(member, epoch)).await;
        }
    }
    for member in ["a", "b"] {
        said.say(member, world.beat(&world.join(member, &[])).await);
    }
    said.0
}

pub(in super::super) const TWO_PATTERNS: &[&str] = &[
    "a: epoch 1, nothing",
    "b: epoch 2, nothing",
    "a: epoch 2, t [0, 1]",
    "b, not looked at yet: epoch 2",
    "a: epoch 3, t [0, 1, 2, 3]",
    "b: epoch 3, u [0, 1, 2]",
];

/// Patterns are not looked at more often than every ten seconds, whatever changes.
pub(in super::super) async fn new_topics(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    said.say("a joins", world.beat(&by_pattern(world, "a", "t.?")).await);
    rest(500).await;
    said.say("a gets", world.beat(&world.alive("a", 1)).await);
    world.create("ta", 2).await;
    let b = by_pattern(world, "b", "ta").with_subscribed_topic_names(Some(world.names(&["t"])));
    said.say("b joins by another and by name", world.beat(&b).await);
    rest(500).await;
    said.say("a", world.beat(&world.alive("a", 2)).await);
    said.say("b", world.beat(&world.alive("b", 3)).await);
    for _ in 0..6 {
        rest(1900).await;
        let epoch = world.epoch("a");
        world.send(&world.owning("a", epoch, &[]), 1).await;
        let epoch = world.epoch("b");
        world.send(&world.owning("b", epoch, &[]), 1).await;
    }
    rest(500).await;
    said.say("a, after ten seconds", world.beat(&world.join("a", &[])).await);
    said.say("b, after ten seconds", world.beat(&world.join("b", &["t"])).await);
    said.say("a again", world.beat(&world.join("a", &[])).await);
    said.say("b again", world.beat(&world.join("b", &["t"])).await);
    world.create("tb", 1).await;
    let epoch = world.epoch("a");
    said.say("a, too soon", world.beat(&world.alive("a", epoch)).await);
    for _ in 0..5 {
        rest(2_000).await;
        world.beat(&world.alive("b", epoch)).await;
        world.beat(&world.alive("a", epoch)).await;
    }
    rest(500).await;
    said.say("a, after ten seconds more", world.beat(&world.join("a", &[])).await);
    rest(500).await;
    said.say("a has heard of tb", world.beat(&world.join("a", &[])).await);
    said.0
}

pub(in super::super) const NEW_TOPICS: &[&str] = &[
    "a joins: epoch 1, nothing",
    "a gets: epoch 2, t [0, 1, 2, 3]",
    "b joins by another and by name: epoch 3, nothing",
    "a: epoch 2, t [0, 1]",
    "b: epoch 3",
    "a, after ten seconds: epoch 4, t [0, 1], ta [0]",
    "b, after ten seconds: epoch 4, t [2, 3], ta [1]",
    "a again: epoch 4, t [0, 1], ta [0]",
    "b again: epoch 4, t [2, 3], ta [1]",
    "a, too soon: epoch 4",
    "a, after ten seconds more: epoch 5, t [0, 1], ta [0], tb [0]",
    "a has heard of tb: epoch 5, t [0, 1], ta [0], tb [0]",
];
