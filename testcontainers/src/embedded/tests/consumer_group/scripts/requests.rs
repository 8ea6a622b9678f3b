//! What is refused before anything else, and who may come.

use kafka_protocol::messages::GroupId;

use super::super::world::{MOST_MEMBERS, World, text};
use super::Said;

pub(in super::super) async fn invalid(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    let join = world.join("a", &["t"]);
    let mut requests = vec![
        ("no member id", join.clone().with_member_id(text(""))),
        ("blank member id", join.clone().with_member_id(text(" "))),
        ("no group id", join.clone().with_group_id(GroupId(text("")))),
        ("empty instance id", join.clone().with_instance_id(Some(text("")))),
        ("empty rack", join.clone().with_rack_id(Some(text("")))),
        ("no rebalance timeout", join.clone().with_rebalance_timeout_ms(-1)),
        ("no owned partitions", join.clone().with_topic_partitions(None)),
        ("no subscription", join.clone().with_subscribed_topic_names(None)),
        ("an assignor that is not there", join.clone().with_server_assignor(Some(text("sticky")))),
        ("an empty assignor", join.clone().with_server_assignor(Some(text("")))),
        ("epoch -3", join.clone().with_member_epoch(-3)),
        ("epoch -2, no instance", world.alive("a", -2)),
        ("epoch -1, no member id", world.alive("", -1)),
        ("epoch 5, no member id", world.alive("", 5)),
        ("epoch 5, no group", world.alive("a", 5)),
        ("epoch -1, no group", world.alive("a", -1)),
    ];
    let owning = world.owning("a", 0, &[("t", &[0])]);
    requests.push(("owned partitions", join.with_topic_partitions(owning.topic_partitions)));
    for (what, request) in requests {
        said.say(what, world.beat(&request).await);
    }
    said.say("v0, no member id", world.beat_as(&world.join("", &["t"]), 0).await);
    said.say("v0, epoch -2, no id", world.beat_as(&world.alive("", -2), 0).await);
    said.say("unknown member", world.beat(&world.alive("a", 2)).await);
    said.say("unknown member leaves", world.beat(&world.alive("a", -1)).await);
    let instance = Some(text("i"));
    said.say(
        "unknown instance",
        world.beat(&world.alive("a", 2).with_instance_id(instance.clone())).await,
    );
    let leave = world.alive("a", -2).with_instance_id(instance);
    said.say("unknown instance leaves", world.beat(&leave).await);
    said.0
}

pub(in super::super) const INVALID: &[&str] = &[
    "no member id: InvalidRequest",
    "blank member id: InvalidRequest",
    "no group id: InvalidRequest",
    "empty instance id: InvalidRequest",
    "empty rack: InvalidRequest",
    "no rebalance timeout: InvalidRequest",
    "no owned partitions: InvalidRequest",
    "no subscription: InvalidRequest",
    "an assignor that is not there: UnsupportedAssignor",
    "an empty assignor: UnsupportedAssignor",
    "epoch -3: InvalidRequest",
    "epoch -2, no instance: InvalidRequest",
    "epoch -1, no member id: InvalidRequest",
    "epoch 5, no member id: InvalidRequest",
    "epoch 5, no group: GroupIdNotFound",
    "epoch -1, no group: GroupIdNotFound",
    "owned partitions: InvalidRequest",
    "v0, no member id: epoch 2, t [0, 1, 2, 3]",
    "v0, epoch -2, no id: InvalidRequest",
    "unknown member: UnknownMemberId",
    "unknown member leaves: UnknownMemberId",
    "unknown instance: UnknownMemberId",
    "unknown instance leaves: UnknownMemberId",
];

/// A group has room for so many, who may still join again.
pub(in super::super) async fn fullness(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    assert_eq!(MOST_MEMBERS, 4);
    for member in ["a", "b", "c", "d", "e"] {
        let joined = world.send(&world.join(member, &["t"]), 1).await;
        said.say(member, super::super::world::error(joined.error_code));
    }
    said.say("e classically", world.join_as(&world.classic("e", &[]), 9).await);
    said.say("a again", world.beat(&world.join("a", &["t"])).await);
    said.say("e, known to nobody", world.beat(&world.alive("e", 5)).await);
    said.0
}

pub(in super::super) const FULLNESS: &[&str] = &[
    "a: ok",
    "b: ok",
    "c: ok",
    "d: ok",
    "e: GroupMaxSizeReached",
    "e classically: GroupMaxSizeReached, another id",
    "a again: epoch 5, t [0]",
    "e, known to nobody: GroupMaxSizeReached",
];

/// Members subscribe to nothing, and to a topic that is not there yet.
pub(in super::super) async fn nothing(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    said.say("a joins for nothing", world.beat(&world.join("a", &[])).await);
    said.say("b joins for what is not there", world.beat(&world.join("b", &["u"])).await);
    said.say("a", world.beat(&world.alive("a", 1)).await);
    world.create("u", 2).await;
    said.say("b, now that it is there", world.beat(&world.alive("b", 2)).await);
    said.say("a", world.beat(&world.alive("a", 2)).await);
    said.0
}

pub(in super::super) const NOTHING: &[&str] = &[
    "a joins for nothing: epoch 1, nothing",
    "b joins for what is not there: epoch 2, nothing",
    "a: epoch 2",
    "b, now that it is there: epoch 3, u [0, 1]",
    "a: epoch 3",
];
