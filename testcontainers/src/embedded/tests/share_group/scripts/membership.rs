//! Who is in a share group, and what each has.

use super::super::world::{World, rest};
use super::Said;

pub(in super::super) async fn members(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    said.say("a joins", world.beat(&world.join("a", &["t"])).await);
    said.say("a", world.beat(&world.alive("a", 2)).await);
    said.say("a again", world.beat(&world.alive("a", 3)).await);
    said.say("a says all", {
        let names = world.join("a", &["t"]).subscribed_topic_names;
        world.beat(&world.alive("a", 3).with_subscribed_topic_names(names)).await
    });
    said.say("b joins", world.beat(&world.join("b", &["t"])).await);
    said.say("a then", world.beat(&world.alive("a", 3)).await);
    said.say("a by the one before", world.beat(&world.alive("a", 3)).await);
    said.say("a two before", world.beat(&world.alive("a", 2)).await);
    said.say("a ahead", world.beat(&world.alive("a", 9)).await);
    said.say("a joins again", world.beat(&world.join("a", &["t"])).await);
    said.say("b leaves", world.beat(&world.alive("b", -1)).await);
    said.say("b is gone", world.beat(&world.alive("b", 4)).await);
    said.say("b leaves again", world.beat(&world.alive("b", -1)).await);
    said.say("a after it", world.beat(&world.alive("a", 4)).await);
    said.say("who knows c", world.beat(&world.alive("c", 5)).await);
    said.0
}

pub(in super::super) const MEMBERS: &[&str] = &[
    "a joins: epoch 2, nothing",
    "a: epoch 3, t [0]",
    "a again: epoch 3",
    "a says all: epoch 3, t [0]",
    "b joins: epoch 4, t [0]",
    "a then: epoch 4",
    "a by the one before: epoch 4",
    "a two before: FencedMemberEpoch",
    "a ahead: FencedMemberEpoch",
    "a joins again: epoch 4, t [0]",
    "b leaves: epoch -1",
    "b is gone: UnknownMemberId",
    "b leaves again: UnknownMemberId",
    "a after it: epoch 5",
    "who knows c: UnknownMemberId",
];

pub(in super::super) async fn bad_heartbeats(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    said.say("no group yet", world.beat(&world.alive("a", 1)).await);
    said.say("leaves no group", world.beat(&world.alive("a", -1)).await);
    said.say("for nothing", world.beat(&world.join("a", &[])).await);
    said.say("silent", world.beat(&world.alive("a", 0)).await);
    said.say("no name", world.beat(&world.join("", &["t"])).await);
    said.say("a long name", world.beat(&world.join(&"a".repeat(37), &["t"])).await);
    said.say("a negative epoch", world.beat(&world.alive("a", -2)).await);
    let rackless = world.join("a", &["t"]).with_rack_id(Some(super::super::world::text("")));
    said.say("an empty rack", world.beat(&rackless).await);
    said.say("a topic that is not there", world.beat(&world.join("a", &["x"])).await);
    said.say("and then", world.beat(&world.alive("a", 2)).await);
    said.say("full", {
        for member in ["b", "c", "d"] {
            world.beat(&world.join(member, &["t"])).await;
        }
        world.beat(&world.join("e", &["t"])).await
    });
    said.0
}

pub(in super::super) const BAD_HEARTBEATS: &[&str] = &[
    "no group yet: GroupIdNotFound",
    "leaves no group: GroupIdNotFound",
    "for nothing: InvalidRequest",
    "silent: InvalidRequest",
    "no name: InvalidRequest",
    "a long name: InvalidRequest",
    "a negative epoch: InvalidRequest",
    "an empty rack: InvalidRequest",
    "a topic that is not there: epoch 2, nothing",
    "and then: epoch 2",
    "full: GroupMaxSizeReached",
];

/// A member that is silent for its session (4 s) is fenced.
pub(in super::super) async fn silence(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    said.say("a joins", world.beat(&world.join("a", &["t"])).await);
    rest(2500).await;
    said.say("b joins", world.beat(&world.join("b", &["t"])).await);
    rest(2500).await;
    said.say("a was silent", world.beat(&world.alive("a", 2)).await);
    said.say("b was not", world.beat(&world.alive("b", 3)).await);
    said.0
}

pub(in super::super) const SILENCE: &[&str] = &[
    "a joins: epoch 2, nothing",
    "b joins: epoch 3, t [0]",
    "a was silent: UnknownMemberId",
    "b was not: epoch 4",
];

/// How many partitions of a topic of four each member has, and how many have none.
pub(in super::super) async fn sharing_out(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    let topic = world.create("u", 4).await;
    let mut members: Vec<(&str, i32)> = Vec::new();
    for (joins, leaves) in [("a", None), ("b", None), ("c", None), ("d", None), ("", Some("a"))] {
        if let Some(gone) = leaves {
            world.beat(&world.alive(gone, -1)).await;
            members.retain(|(member, _)| *member != gone);
        } else {
            let names = if joins == "d" { vec!["u", "t"] } else { vec!["u"] };
            let joined = world.send(&world.join(joins, &names)).await;
            members.push((joins, joined.member_epoch));
        }
        let (mut counts, mut covered) = (Vec::new(), std::collections::BTreeSet::new());
        for _ in 0..2 {
            (counts, covered) = (Vec::new(), std::collections::BTreeSet::new());
            for (member, epoch) in &mut members {
                let names = if *member == "d" { vec!["u", "t"] } else { vec!["u"] };
                let names = world.join(member, &names).subscribed_topic_names;
                let beat = world.alive(member, *epoch).with_subscribed_topic_names(names);
                let told = world.send(&beat).await;
                *epoch = told.member_epoch;
                let topics = told.assignment.unwrap_or_default().topic_partitions;
                let of = topics.into_iter().filter(|one| one.topic_id == topic);
                let partitions: Vec<i32> = of.flat_map(|one| one.partitions).collect();
                counts.push(partitions.len());
                covered.extend(partitions);
            }
        }
        counts.sort_unstable();
        said.say(&format!("{} members", members.len()), format!("{counts:?} of {}", covered.len()));
    }
    said.0
}

pub(in super::super) const SHARING_OUT: &[&str] = &[
    "1 members: [4] of 4",
    "2 members: [2, 2] of 4",
    "3 members: [1, 1, 2] of 4",
    "4 members: [1, 1, 1, 1] of 4",
    "3 members: [1, 1, 2] of 4",
];

/// Groups of other kinds.
pub(in super::super) async fn kinds(world: &mut World) -> Vec<String> {
    use kafka_protocol::messages::{ConsumerGroupHeartbeatRequest, JoinGroupRequest};
    let mut said = Said::default();
    world.settle("a").await;
    let consumer = ConsumerGroupHeartbeatRequest::default()
        .with_group_id(world.group())
        .with_member_id(super::super::world::text("m"))
        .with_rebalance_timeout_ms(1000)
        .with_subscribed_topic_names(Some(vec![world.name("t")]))
        .with_topic_partitions(Some(Vec::new()));
    let code = world.client.call(&consumer, 1).await.error_code;
    said.say("a consumer", super::super::world::error(code));
    let protocol =
        kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol::default()
            .with_name(super::super::world::text("range"));
    let classic = JoinGroupRequest::default()
        .with_group_id(world.group())
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(10_000)
        .with_protocol_type(super::super::world::text("consumer"))
        .with_protocols(vec![protocol]);
    let code = world.client.call(&classic, 9).await.error_code;
    said.say("a classic member", super::super::world::error(code));
    said.say("described", world.describe().await);
    said.say("listed", world.listed().await);
    said.say("described as classic", world.described_as_classic().await);
    said.say("deleted", world.delete_group().await);
    said.say("a leaves", world.beat(&world.alive("a", -1)).await);
    said.say("described then", world.describe().await);
    said.say("deleted then", world.delete_group().await);
    said.say("described at last", world.describe().await);
    said.say("a consumer then", {
        let code = world.client.call(&consumer, 1).await.error_code;
        super::super::world::error(code)
    });
    said.say("a joins", world.beat(&world.join("a", &["t"])).await);
    said.0
}

pub(in super::super) const KINDS: &[&str] = &[
    "a consumer: GroupIdNotFound",
    "a classic member: InconsistentGroupProtocol",
    "described: Stable 2/2 simple, a at 2 has []",
    "listed: share Stable share",
    "described as classic: GroupIdNotFound Dead",
    "deleted: NonEmptyGroup",
    "a leaves: epoch -1",
    "described then: Empty 3/2 simple",
    "deleted then: ok",
    "described at last: GroupIdNotFound",
    "a consumer then: ok",
    "a joins: GroupIdNotFound",
];
