//! Offsets of groups in transactions (KIP-447).

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::{GroupId, JoinGroupRequest, OffsetCommitRequest};
use kafka_protocol::protocol::StrBytes;

use super::cluster;
use super::world::{NOBODY, World};
use crate::embedded::EmbeddedCluster;

/// Joins the world's group; gives the member and its generation.
async fn join(world: &mut World, instance: Option<&'static str>) -> (&'static str, i32) {
    let text = StrBytes::from_static_str;
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(text("range"))
        .with_metadata(Bytes::from_static(b"m"));
    let request = JoinGroupRequest::default()
        .with_group_id(GroupId(StrBytes::from_string(world.group.clone())))
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(60_000)
        .with_protocol_type(text("consumer"))
        .with_group_instance_id(instance.map(text))
        .with_protocols(vec![protocol]);
    let told = world.client.call(&request, 9).await;
    if instance.is_some() {
        return (told.member_id.to_string().leak(), told.generation_id);
    }
    let joined = world.client.call(&request.with_member_id(told.member_id.clone()), 9).await;
    (told.member_id.to_string().leak(), joined.generation_id)
}

#[tokio::test(start_paused = true)]
async fn only_members_of_the_generation_commit_in_a_transaction() {
    let cluster = cluster(2).await;
    let mut world = World::embedded(&cluster).await;
    let me = world.begin().await;
    let (member, generation) = join(&mut world, None).await;
    let code = async |world: &mut World, member| world.commit_offset(5, me, 1, member).await;
    assert_eq!(
        code(&mut world, (member, generation - 1)).await,
        Err(ResponseError::IllegalGeneration)
    );
    assert_eq!(code(&mut world, ("nobody", generation)).await, Err(ResponseError::UnknownMemberId));
    assert_eq!(code(&mut world, NOBODY).await, Ok(()), "clients from before KIP-447 say nothing");
    assert_eq!(
        code(&mut world, (member, generation)).await,
        Ok(()),
        "also before the assignment is there"
    );
}

#[tokio::test(start_paused = true)]
async fn a_static_member_that_was_replaced_commits_nothing() {
    let cluster = cluster(2).await;
    let mut world = World::embedded(&cluster).await;
    let me = world.begin().await;
    let old = join(&mut world, Some("i")).await;
    let new = join(&mut world, Some("i")).await;
    assert_ne!(old.0, new.0);
    assert_eq!(
        world.commit_offset_as(5, me, 1, old, Some("i")).await,
        Err(ResponseError::FencedInstanceId)
    );
    assert_eq!(
        world.commit_offset_as(5, me, 1, new, Some("other")).await,
        Err(ResponseError::UnknownMemberId)
    );
    assert_eq!(world.commit_offset_as(5, me, 1, new, Some("i")).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn an_offset_that_is_committed_outside_later_stays() {
    let cluster = cluster(2).await;
    let mut world = World::embedded(&cluster).await;
    let me = world.begin().await;
    world.commit_offset(5, me, 3, NOBODY).await.unwrap();
    let partition = OffsetCommitRequestPartition::default().with_committed_offset(9);
    let topic = OffsetCommitRequestTopic::default()
        .with_name(world.topic())
        .with_partitions(vec![partition]);
    let outside = OffsetCommitRequest::default()
        .with_group_id(GroupId(StrBytes::from_string(world.group.clone())))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic]);
    assert_eq!(world.client.call(&outside, 8).await.topics[0].partitions[0].error_code, 0);
    assert_eq!(world.fetch_offset(true).await, Err(ResponseError::UnstableOffsetCommit));
    world.end(5, me, true).await.unwrap();
    world.settle().await;
    assert_eq!(world.fetch_offset(true).await, Ok(9));
}

#[tokio::test(start_paused = true)]
async fn offsets_stay_unstable_until_their_own_marker() {
    let cluster = cluster(2).await;
    let mut world = World::embedded(&cluster).await;
    let me = world.begin().await;
    world.produce(12, me, 0).await.unwrap();
    world.commit_offset(5, me, 3, NOBODY).await.unwrap();
    let offsets = EmbeddedCluster::offsets_partition(&world.group);
    cluster.hold_markers("__consumer_offsets", offsets, true);
    world.end(5, me, true).await.unwrap();
    super::world::rest(1_000).await;
    assert_eq!(cluster.committed_log(&world.topic, 0).len(), 1, "the record's marker is there");
    assert_eq!(world.fetch_offset(true).await, Err(ResponseError::UnstableOffsetCommit));
    assert_eq!(cluster.commits_after(0).len(), 0);
    cluster.hold_markers("__consumer_offsets", offsets, false);
    world.settle().await;
    assert_eq!(world.fetch_offset(true).await, Ok(3));
    let commits = cluster.commits_after(0);
    assert_eq!((commits.len(), commits[0].offset, &*commits[0].client_id), (1, 3, "test"));
}

#[tokio::test(start_paused = true)]
async fn a_group_is_found_in_its_partition_as_java_finds_it() {
    // "group".hashCode() is 98629247, "a-b".hashCode() 94710, and "zzzzzzzzzz".hashCode()
    // -1580979136.
    assert_eq!(EmbeddedCluster::offsets_partition("group"), 98_629_247 % 50);
    assert_eq!(EmbeddedCluster::offsets_partition("a-b"), 94_710 % 50);
    assert_eq!(EmbeddedCluster::offsets_partition("zzzzzzzzzz"), 1_580_979_136 % 50);
}
