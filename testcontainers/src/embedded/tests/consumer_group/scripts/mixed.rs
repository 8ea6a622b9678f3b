//! Members by either protocol in one group, and groups that go from one to the other with them.

use super::super::world::{World, error, rest, text};
use super::Said;

/// A classic member alone, settled in a classic group; gives its id.
async fn settle_classic(world: &mut World, said: &mut Said) -> String {
    said.say("c joins", world.join_as(&world.classic("", &[]), 3).await);
    let id = world.last_id();
    let all = world.leading(&id, 1, &[0, 1, 2, 3]);
    said.say("c syncs", world.sync_as(&all).await);
    id
}

/// A member by the new protocol comes to a classic group, and goes again.
pub(in super::super) async fn upgrade(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    let id = settle_classic(world, &mut said).await;
    let c = id.as_str();
    said.say("listed", world.listed().await);
    said.say("a, who did not join", world.beat(&world.alive("a", 1)).await);
    said.say("a joins", world.beat(&world.join("a", &["t"])).await);
    said.say("listed", world.listed().await);
    said.say("described as classic", world.described_as_classic(6).await);
    said.say("c commits", world.commit(8, c, 1, &[0]).await);
    said.say("c commits too far", world.commit(9, c, 2, &[0]).await);
    said.say("c, by another generation", world.beat_classic(c, 2).await);
    said.say("c is told", world.beat_classic(c, 1).await);
    said.say("c syncs", world.sync_classic(c, 1).await);
    let owning = world.classic(c, &[("t", &[0, 1, 2, 3])]);
    said.say("c joins with all", world.join_as(&owning, 9).await);
    said.say("c is to give up", world.sync_classic(c, 1).await);
    said.say("c is told", world.beat_classic(c, 1).await);
    said.say("a still waits", world.beat(&world.alive("a", 2)).await);
    let half = world.classic(c, &[("t", &[0, 1])]);
    said.say("c joins with half", world.join_as(&half, 9).await);
    said.say("a gets", world.beat(&world.alive("a", 2)).await);
    said.say("c syncs", world.sync_classic(c, 2).await);
    said.say("c is well", world.beat_classic(c, 2).await);
    said.say("c commits", world.commit(9, c, 2, &[0]).await);
    said.say("c commits by an old generation", world.commit(9, c, 1, &[0]).await);
    said.say("c commits by one it never had", world.commit(9, c, 0, &[0]).await);
    said.say("c fetches", world.fetch(Some(c), 2, &[0]).await);
    said.say("c fetches too far", world.fetch(Some(c), 3, &[0]).await);
    said.say("a beats classically", world.beat_classic("a", 2).await);
    said.say("a syncs classically", world.sync_classic("a", 2).await);
    said.say("a leaves", world.beat(&world.alive("a", -1)).await);
    said.say("listed", world.listed().await);
    said.say("c is told", world.beat_classic(c, 2).await);
    said.say("c joins", world.join_as(&half, 9).await);
    said.say("c syncs", world.sync_as(&world.leading(c, 3, &[0, 1, 2, 3])).await);
    said.say("c is well", world.beat_classic(c, 3).await);
    said.say("listed", world.listed().await);
    said.0
}

pub(in super::super) const UPGRADE: &[&str] = &[
    "c joins: generation 1, null range, leads, 1 members, another id",
    "c syncs: consumer range, version 3, t [0, 1, 2, 3]",
    "listed: classic \"consumer\" Stable",
    "a, who did not join: GroupIdNotFound",
    "a joins: epoch 2, nothing",
    "listed: consumer \"consumer\" Reconciling",
    "described as classic: GroupIdNotFound Dead \"\" 0",
    "c commits: ok",
    "c commits too far: IllegalGeneration",
    "c, by another generation: IllegalGeneration",
    "c is told: RebalanceInProgress",
    "c syncs: RebalanceInProgress",
    "c joins with all: generation 1, consumer range, no leader, 0 members",
    "c is to give up: consumer range, version 3, t [0, 1]",
    "c is told: RebalanceInProgress",
    "a still waits: epoch 2",
    "c joins with half: generation 2, consumer range, no leader, 0 members",
    "a gets: epoch 2, t [2, 3]",
    "c syncs: consumer range, version 3, t [0, 1]",
    "c is well: ok",
    "c commits: ok",
    "c commits by an old generation: ok",
    "c commits by one it never had: IllegalGeneration",
    "c fetches: ok [100]",
    "c fetches too far: IllegalGeneration []",
    "a beats classically: UnknownMemberId",
    "a syncs classically: UnknownMemberId",
    "a leaves: epoch -1",
    "listed: classic \"consumer\" PreparingRebalance",
    "c is told: RebalanceInProgress",
    "c joins: generation 3, consumer range, leads, 1 members",
    "c syncs: consumer range, version 3, t [0, 1, 2, 3]",
    "c is well: ok",
    "listed: classic \"consumer\" Stable",
];

/// A classic member comes to a consumer group.
pub(in super::super) async fn classic_guest(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    world.settle("a").await;
    let new = world.classic("", &[]);
    let mut other = new.clone();
    other.protocols[0].name = text("sticky");
    said.say("of another kind", world.join_as(&new.clone().with_protocol_type(text("x")), 9).await);
    said.say("without protocols", world.join_as(&new.clone().with_protocols(Vec::new()), 9).await);
    said.say("c is to know its id", world.join_as(&new, 9).await);
    said.say("c joins", world.join_as(&world.classic("c", &[]), 9).await);
    said.say("c syncs", world.sync_classic("c", 3).await);
    said.say(
        "by another protocol than c",
        world.join_as(&other.with_member_id(text("d")), 9).await,
    );
    said.say("a is told", world.beat(&world.alive("a", 2)).await);
    said.say("c waits", world.beat_classic("c", 3).await);
    said.say("a gives up", world.beat(&world.owning("a", 2, &[("t", &[0, 1])])).await);
    said.say("c is told", world.beat_classic("c", 3).await);
    said.say("c has what it had", world.sync_classic("c", 3).await);
    said.say("c joins", world.join_as(&world.classic("c", &[]), 9).await);
    said.say(
        "c, under a wrong name",
        world.sync_as(&world.sync_request("c", 3).with_protocol_name(Some(text("x")))).await,
    );
    said.say("c syncs", world.sync_classic("c", 3).await);
    said.say_all("described", &world.described().await);
    said.say("c goes over", world.beat(&world.join("c", &["t"])).await);
    said.say("c beats classically", world.beat_classic("c", 3).await);
    said.say("c", world.beat(&world.alive("c", 3)).await);
    said.say("a leaves by the old way", error(world.leave_classic(&text("a")).await));
    said.say("c gets all", world.beat(&world.alive("c", 3)).await);
    said.say("x leaves", error(world.leave_classic(&text("x")).await));
    said.0
}

pub(in super::super) const CLASSIC_GUEST: &[&str] = &[
    "of another kind: InconsistentGroupProtocol",
    "without protocols: InconsistentGroupProtocol",
    "c is to know its id: MemberIdRequired, another id",
    "c joins: generation 3, consumer range, no leader, 0 members",
    "c syncs: consumer range, version 3",
    "by another protocol than c: InconsistentGroupProtocol, another id",
    "a is told: epoch 2, t [0, 1]",
    "c waits: ok",
    "a gives up: epoch 3",
    "c is told: RebalanceInProgress",
    "c has what it had: consumer range, version 3",
    "c joins: generation 3, consumer range, no leader, 0 members",
    "c, under a wrong name: InconsistentGroupProtocol",
    "c syncs: consumer range, version 3, t [2, 3]",
    "described: Stable uniform 3 3",
    "described: a[] 3 type 1 for [\"t\"] \"\" has, t [0, 1] wants, t [0, 1]",
    "described: c[] 3 type 0 for [\"t\"] \"\" has, t [2, 3] wants, t [2, 3]",
    "c goes over: epoch 3, t [2, 3]",
    "c beats classically: UnknownMemberId",
    "c: epoch 3",
    "a leaves by the old way: ok",
    "c gets all: epoch 4, t [0, 1, 2, 3]",
    "x leaves: UnknownMemberId",
];

/// A classic member has so long to join, to sync, and between two heartbeats.
pub(in super::super) async fn classic_haste(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    world.settle("a").await;
    said.say("c joins", world.join_as(&world.classic("c", &[]), 9).await);
    rest(1_500).await;
    said.say("c has time", world.beat_classic("c", 3).await);
    said.say("a is alive", world.beat(&world.owning("a", 2, &[("t", &[0, 1])])).await);
    rest(1_000).await;
    said.say("c has not synced", world.beat_classic("c", 3).await);
    said.say("c joins", world.join_as(&world.classic("c", &[]), 9).await);
    said.say("c syncs", world.sync_classic("c", 5).await);
    for _ in 0..2 {
        rest(2_500).await;
        said.say("c is well", world.beat_classic("c", 5).await);
        world.beat(&world.owning("a", 3, &[("t", &[0, 1])])).await;
    }
    said.say("a is alive", world.beat(&world.owning("a", 3, &[("t", &[0, 1])])).await);
    said.say("b joins", world.beat(&world.join("b", &["t"])).await);
    said.say("c is told", world.beat_classic("c", 5).await);
    rest(1_500).await;
    said.say("c is told again", world.beat_classic("c", 5).await);
    said.say("a is alive", world.beat(&world.owning("a", 5, &[("t", &[0])])).await);
    rest(1_000).await;
    said.say("c has not joined", world.beat_classic("c", 5).await);
    said.0
}

pub(in super::super) const CLASSIC_HASTE: &[&str] = &[
    "c joins: generation 3, consumer range, no leader, 0 members",
    "c has time: ok",
    "a is alive: epoch 3, t [0, 1]",
    "c has not synced: UnknownMemberId",
    "c joins: generation 5, consumer range, no leader, 0 members",
    "c syncs: consumer range, version 3, t [2, 3]",
    "c is well: ok",
    "c is well: ok",
    "a is alive: epoch 5",
    "b joins: epoch 6, nothing",
    "c is told: RebalanceInProgress",
    "c is told again: RebalanceInProgress",
    "a is alive: epoch 6",
    "c has not joined: UnknownMemberId",
];

/// The same, but it wants something else than before.
pub(in super::super) async fn downgrade_and_change(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    world.create("u", 2).await;
    let instance = Some(text("i"));
    let a = world.join("a", &["t", "u"]).with_instance_id(instance.clone());
    said.say("a joins", world.beat(&a).await);
    let c = world.classic("", &[]).with_group_instance_id(instance.clone());
    said.say("c takes its place", world.join_as(&c, 9).await);
    let id = world.last_id();
    said.say("listed", world.listed().await);
    let again = world.classic(&id, &[]).with_group_instance_id(instance.clone());
    said.say("c joins", world.join_as(&again, 9).await);
    said.0
}

pub(in super::super) const DOWNGRADE_AND_CHANGE: &[&str] = &[
    "a joins: epoch 2, t [0, 1, 2, 3], u [0, 1]",
    "c takes its place: generation 0, consumer range, no leader, 0 members, another id",
    "listed: classic \"consumer\" PreparingRebalance",
    "c joins: generation 3, consumer range, leads, 1 members",
];

/// A static member goes back to the classic protocol, and its group with it.
pub(in super::super) async fn downgrade(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    let instance = Some(text("i"));
    let a = world.join("a", &["t"]).with_instance_id(instance.clone());
    said.say("a joins", world.beat(&a).await);
    let c = world.classic("", &[]).with_group_instance_id(instance.clone());
    said.say("c takes its place", world.join_as(&c, 9).await);
    let id = world.last_id();
    said.say("listed", world.listed().await);
    let named = |world: &World, generation| {
        world.sync_request(&id, generation).with_group_instance_id(instance.clone())
    };
    said.say("c syncs", world.sync_as(&named(world, 2)).await);
    said.say(
        "a is gone",
        world.beat(&world.alive("a", 2).with_instance_id(instance.clone())).await,
    );
    said.say("b joins", world.beat(&world.join("b", &["t"])).await);
    said.say("listed", world.listed().await);
    said.say("c is told", world.beat_classic(&id, 2).await);
    let again = world.classic(&id, &[("t", &[0, 1])]).with_group_instance_id(instance.clone());
    said.say("c joins", world.join_as(&again, 9).await);
    said.say("c syncs", world.sync_as(&named(world, 3)).await);
    let d = world.join("d", &["t"]).with_instance_id(instance.clone());
    said.say("d takes its place by the new protocol", world.beat(&d).await);
    said.say("c is fenced", world.sync_as(&named(world, 3)).await);
    said.0
}

pub(in super::super) const DOWNGRADE: &[&str] = &[
    "a joins: epoch 2, t [0, 1, 2, 3]",
    "c takes its place: generation 2, consumer range, no leader, 0 members, another id",
    "listed: classic \"consumer\" Stable",
    "c syncs: consumer range, version 3, t [0, 1, 2, 3]",
    "a is gone: GroupIdNotFound",
    "b joins: epoch 3, nothing",
    "listed: consumer \"consumer\" Reconciling",
    "c is told: RebalanceInProgress",
    "c joins: generation 3, consumer range, no leader, 0 members",
    "c syncs: consumer range, version 3, t [0, 1]",
    "d takes its place by the new protocol: epoch 3, t [0, 1]",
    "c is fenced: FencedInstanceId",
];
