//! Who may commit and fetch offsets.

use super::super::world::{World, error, rest, text};
use super::Said;

pub(in super::super) async fn offsets(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    said.say("no group, an epoch", world.commit(9, "a", 1, &[0]).await);
    said.say("no group, an epoch, before v9", world.commit(8, "a", 1, &[0]).await);
    said.say("no group, fetched by a member", world.fetch(Some("a"), 1, &[0]).await);
    world.settle("a").await;
    said.say("a commits", world.commit(9, "a", 2, &[0, 1]).await);
    said.say("a commits before v9", world.commit(8, "a", 2, &[0]).await);
    said.say("a commits what is not there", world.commit(9, "a", 2, &[0, 9]).await);
    said.say("nothing is there", world.commit(9, "x", 7, &[9]).await);
    said.say("ahead", world.commit(9, "a", 3, &[0]).await);
    said.say("behind", world.commit(9, "a", 1, &[0]).await);
    said.say("nobody", world.commit(9, "", -1, &[0]).await);
    said.say("somebody without an epoch", world.commit(9, "a", -1, &[0]).await);
    said.say("a stranger", world.commit(9, "b", 2, &[0]).await);
    said.say("fetched by a", world.fetch(Some("a"), 2, &[0, 1, 2]).await);
    said.say("fetched ahead", world.fetch(Some("a"), 3, &[0]).await);
    said.say("fetched behind", world.fetch(Some("a"), 1, &[0]).await);
    said.say("fetched by a stranger", world.fetch(Some("b"), 2, &[0]).await);
    said.say("fetched by nobody", world.fetch(None, -1, &[0]).await);
    said.say("fetched by an empty name", world.fetch(Some(""), -1, &[0]).await);
    said.say("fetched by nobody with an epoch", world.fetch(None, 2, &[0]).await);
    said.0
}

pub(in super::super) const OFFSETS: &[&str] = &[
    "no group, an epoch: GroupIdNotFound",
    "no group, an epoch, before v9: IllegalGeneration",
    "no group, fetched by a member: ok [-1]",
    "a commits: ok, ok",
    "a commits before v9: UnsupportedVersion",
    "a commits what is not there: ok, UnknownTopicOrPartition",
    "nothing is there: UnknownTopicOrPartition",
    "ahead: StaleMemberEpoch",
    "behind: StaleMemberEpoch",
    "nobody: UnknownMemberId",
    "somebody without an epoch: StaleMemberEpoch",
    "a stranger: UnknownMemberId",
    "fetched by a: ok [100, 101, -1]",
    "fetched ahead: StaleMemberEpoch []",
    "fetched behind: StaleMemberEpoch []",
    "fetched by a stranger: UnknownMemberId []",
    "fetched by nobody: ok [100]",
    "fetched by an empty name: UnknownMemberId []",
    "fetched by nobody with an epoch: UnknownServerError []",
];

/// An older epoch is good for what the member has had since then (KIP-1251).
pub(in super::super) async fn older_epochs(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    world.settle("a").await;
    world.beat(&world.join("b", &["t"])).await;
    said.say("a is told", world.beat(&world.alive("a", 2)).await);
    said.say("what is to be given up", world.commit(9, "a", 2, &[3]).await);
    said.say("a gives up", world.beat(&world.owning("a", 2, &[("t", &[0, 1])])).await);
    said.say("b gets", world.beat(&world.alive("b", 3)).await);
    said.say("a, what it has kept", world.commit(9, "a", 2, &[0, 1]).await);
    said.say("a, what it has not", world.commit(9, "a", 2, &[0, 3]).await);
    said.say("a, before it had it", world.commit(9, "a", 1, &[0]).await);
    said.say("a, at its epoch, not its own", world.commit(9, "a", 3, &[3]).await);
    said.say("b, before it had it", world.commit(9, "b", 2, &[3]).await);
    said.say("a fetches behind", world.fetch(Some("a"), 2, &[0]).await);
    world.beat(&world.join("c", &["t"])).await;
    world.beat(&world.join("d", &["t"])).await;
    said.say("a is to give up more", world.beat(&world.alive("a", 3)).await);
    said.say("a, what it still has", world.commit(9, "a", 2, &[0, 1]).await);
    said.say("c leaves", world.beat(&world.alive("c", -1)).await);
    said.say("d leaves", world.beat(&world.alive("d", -1)).await);
    said.say("b leaves", world.beat(&world.alive("b", -1)).await);
    said.say("a gets", world.beat(&world.owning("a", 3, &[("t", &[0])])).await);
    said.say("a, old and new", world.commit(9, "a", 3, &[0, 3]).await);
    said.say("a, old", world.commit(9, "a", 3, &[0]).await);
    said.say("a leaves", world.beat(&world.alive("a", -1)).await);
    said.say("nobody is left", world.commit(9, "", -1, &[0]).await);
    said.say("nobody is left, but an epoch", world.commit(9, "a", 8, &[0]).await);
    said.0
}

pub(in super::super) const OLDER_EPOCHS: &[&str] = &[
    "a is told: epoch 2, t [0, 1]",
    "what is to be given up: ok",
    "a gives up: epoch 3",
    "b gets: epoch 3, t [2, 3]",
    "a, what it has kept: ok, ok",
    "a, what it has not: StaleMemberEpoch, StaleMemberEpoch",
    "a, before it had it: StaleMemberEpoch",
    "a, at its epoch, not its own: ok",
    "b, before it had it: StaleMemberEpoch",
    "a fetches behind: StaleMemberEpoch []",
    "a is to give up more: epoch 3, t [0]",
    "a, what it still has: ok, ok",
    "c leaves: epoch -1",
    "d leaves: epoch -1",
    "b leaves: epoch -1",
    "a gets: epoch 8, t [0, 1, 2, 3]",
    "a, old and new: StaleMemberEpoch, StaleMemberEpoch",
    "a, old: ok",
    "a leaves: epoch -1",
    "nobody is left: ok",
    "nobody is left, but an epoch: UnknownMemberId",
];

/// The two kinds of group become each other when they are empty.
pub(in super::super) async fn conversion(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    said.say("offsets make a group", world.commit(9, "", -1, &[0]).await);
    said.say("listed", world.listed().await);
    world.settle("a").await;
    said.say("listed", world.listed().await);
    said.say("the offsets are there", world.fetch(None, -1, &[0]).await);
    said.say_all("described", &world.described().await);
    said.say("described as classic", world.described_as_classic(5).await);
    said.say("described as classic, v6", world.described_as_classic(6).await);
    said.say("deleted", world.delete_group().await);
    said.say("a leaves", world.beat(&world.alive("a", -1)).await);
    said.say("listed", world.listed().await);
    let joined = world.join_classic("", 3).await;
    said.say("a classic member joins", error(joined.error_code));
    said.say("listed", world.listed().await);
    said.say("the offsets are there", world.fetch(None, -1, &[0]).await);
    said.say_all("described", &world.described().await);
    world.leave_classic(&joined.member_id).await;
    said.say("listed", world.listed().await);
    said.say("not joined", world.beat(&world.alive("a", 2)).await);
    said.say("b joins", world.beat(&world.join("b", &["t"])).await);
    said.say("listed", world.listed().await);
    said.say("a sync", world.sync_classic("b", 2).await);
    said.say("a classic heartbeat", world.beat_classic("b", 2).await);
    said.say("a classic goodbye", error(world.leave_classic(&text("x")).await));
    said.say("b leaves", world.beat(&world.alive("b", -1)).await);
    said.say_all("described", &world.described().await);
    said.say("deleted", world.delete_group().await);
    rest(300).await;
    said.say_all("described", &world.described().await);
    said.say("listed", world.listed().await);
    said.0
}

pub(in super::super) const CONVERSION: &[&str] = &[
    "offsets make a group: ok",
    "listed: classic \"\" Empty",
    "listed: consumer \"consumer\" Stable",
    "the offsets are there: ok [100]",
    "described: Stable uniform 2 2",
    "described: a[] 2 type 1 for [\"t\"] \"\" has, t [0, 1, 2, 3] wants, t [0, 1, 2, 3]",
    "described as classic: ok Dead \"\" 0",
    "described as classic, v6: GroupIdNotFound Dead \"\" 0",
    "deleted: NonEmptyGroup",
    "a leaves: epoch -1",
    "listed: consumer \"consumer\" Empty",
    "a classic member joins: ok",
    "listed: classic \"consumer\" CompletingRebalance",
    "the offsets are there: ok [100]",
    "described: GroupIdNotFound",
    "listed: classic \"consumer\" Empty",
    "not joined: GroupIdNotFound",
    "b joins: epoch 2, t [0, 1, 2, 3]",
    "listed: consumer \"consumer\" Stable",
    "a sync: UnknownMemberId",
    "a classic heartbeat: UnknownMemberId",
    "a classic goodbye: UnknownMemberId",
    "b leaves: epoch -1",
    "described: Empty uniform 3 2",
    "deleted: ok",
    "described: GroupIdNotFound",
    "listed: no",
];

/// What ConsumerGroupDescribe shows.
pub(in super::super) async fn description(world: &mut World) -> Vec<String> {
    let mut said = Said::default();
    said.say_all("no group", &world.described().await);
    let a = world.join("a", &["t"]).with_rack_id(Some(text("r")));
    world.beat(&a.with_instance_id(Some(text("i")))).await;
    said.say_all("a alone", &world.described().await);
    world.beat(&world.join("b", &["t"])).await;
    said.say_all("b has joined", &world.described().await);
    let b = world.alive("a", 2).with_instance_id(Some(text("i")));
    world.beat(&b).await;
    said.say_all("a was told", &world.described().await);
    world.beat(&b.with_member_epoch(-2)).await;
    said.say_all("a is away", &world.described().await);
    said.0
}

pub(in super::super) const DESCRIPTION: &[&str] = &[
    "no group: GroupIdNotFound",
    "a alone: Stable uniform 2 2",
    "a alone: a[\"i\", \"r\"] 2 type 1 for [\"t\"] \"\" has, t [0, 1, 2, 3] wants, t [0, 1, 2, 3]",
    "b has joined: Reconciling uniform 3 3",
    "b has joined: a[\"i\", \"r\"] 2 type 1 for [\"t\"] \"\" has, t [0, 1, 2, 3] wants, t [0, 1]",
    "b has joined: b[] 3 type 1 for [\"t\"] \"\" has, nothing wants, t [2, 3]",
    "a was told: Reconciling uniform 3 3",
    "a was told: a[\"i\", \"r\"] 2 type 1 for [\"t\"] \"\" has, t [0, 1, 2, 3] wants, t [0, 1]",
    "a was told: b[] 3 type 1 for [\"t\"] \"\" has, nothing wants, t [2, 3]",
    "a is away: Reconciling uniform 3 3",
    "a is away: a[\"i\", \"r\"] -2 type 1 for [\"t\"] \"\" has, t [0, 1] wants, t [0, 1]",
    "a is away: b[] 3 type 1 for [\"t\"] \"\" has, nothing wants, t [2, 3]",
];
