use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    GroupId, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, OffsetCommitRequest,
    OffsetFetchRequest, SyncGroupRequest,
};
use kafka_protocol::protocol::StrBytes;

use super::client::{Client, name, one_broker};

fn group() -> GroupId {
    GroupId(StrBytes::from_static_str("g"))
}

fn join_request(member: &StrBytes) -> JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(StrBytes::from_static_str("range"))
        .with_metadata(Bytes::from_static(b"m"));
    JoinGroupRequest::default()
        .with_group_id(group())
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(60_000)
        .with_member_id(member.clone())
        .with_protocol_type(StrBytes::from_static_str("consumer"))
        .with_protocols(vec![protocol])
}

/// Joins as a new member, who is first told its id.
async fn join(client: &mut Client) -> JoinGroupResponse {
    let first = client.call(&join_request(&StrBytes::new()), 9).await;
    assert_eq!(first.error_code, ResponseError::MemberIdRequired.code());
    client.call(&join_request(&first.member_id), 9).await
}

async fn heartbeat(client: &mut Client, joined: &JoinGroupResponse) -> i16 {
    let request = HeartbeatRequest::default()
        .with_group_id(group())
        .with_generation_id(joined.generation_id)
        .with_member_id(joined.member_id.clone());
    client.call(&request, 4).await.error_code
}

fn sync_request(
    joined: &JoinGroupResponse,
    assignments: &[(&StrBytes, &'static [u8])],
) -> SyncGroupRequest {
    let assignments = assignments.iter().map(|(member, bytes)| {
        SyncGroupRequestAssignment::default()
            .with_member_id((*member).clone())
            .with_assignment(Bytes::from_static(bytes))
    });
    SyncGroupRequest::default()
        .with_group_id(group())
        .with_generation_id(joined.generation_id)
        .with_member_id(joined.member_id.clone())
        .with_assignments(assignments.collect())
}

#[tokio::test(start_paused = true)]
async fn two_members_share_a_generation() {
    let cluster = one_broker().start().await.unwrap();
    let (mut one, mut two) = (Client::to(&cluster, 1), Client::to(&cluster, 1));
    let alone = join(&mut one).await;
    assert_eq!(alone.leader, alone.member_id);
    let synced = one.call(&sync_request(&alone, &[(&alone.member_id, b"all")]), 5).await;
    assert_eq!(&synced.assignment[..], b"all");

    let told = two.call(&join_request(&StrBytes::new()), 9).await;
    two.send(&join_request(&told.member_id), 9).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(heartbeat(&mut one, &alone).await, ResponseError::RebalanceInProgress.code());
    let leader = one.call(&join_request(&alone.member_id), 9).await;
    let follower = two.receive::<JoinGroupRequest>(9).await.unwrap();
    assert_eq!((leader.generation_id, follower.generation_id), (2, 2));
    assert_eq!((leader.members.len(), follower.members.len()), (2, 0));

    two.send(&sync_request(&follower, &[]), 5).await;
    let assignments: [(&StrBytes, &'static [u8]); 2] =
        [(&leader.member_id, b"a"), (&follower.member_id, b"b")];
    assert_eq!(&one.call(&sync_request(&leader, &assignments), 5).await.assignment[..], b"a");
    assert_eq!(&two.receive::<SyncGroupRequest>(5).await.unwrap().assignment[..], b"b");
    assert_eq!(heartbeat(&mut two, &follower).await, 0);
    assert_eq!(heartbeat(&mut one, &alone).await, ResponseError::IllegalGeneration.code());
}

#[tokio::test(start_paused = true)]
async fn a_silent_member_is_dropped_after_its_session() {
    let cluster = one_broker().start().await.unwrap();
    let mut client = Client::to(&cluster, 1);
    let joined = join(&mut client).await;
    client.call(&sync_request(&joined, &[(&joined.member_id, b"all")]), 5).await;
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert_eq!(heartbeat(&mut client, &joined).await, 0);
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(heartbeat(&mut client, &joined).await, ResponseError::UnknownMemberId.code());
}

#[tokio::test(start_paused = true)]
async fn a_static_member_comes_back_without_a_rebalance_and_fences_its_old_self() {
    let cluster = one_broker().start().await.unwrap();
    let mut client = Client::to(&cluster, 1);
    let instance = Some(StrBytes::from_static_str("i"));
    let request = join_request(&StrBytes::new()).with_group_instance_id(instance.clone());
    let old = client.call(&request, 9).await;
    client.call(&sync_request(&old, &[(&old.member_id, b"all")]), 5).await;
    let new = client.call(&request, 9).await;
    assert_eq!((new.generation_id, new.skip_assignment), (old.generation_id, true));
    let synced = client.call(&sync_request(&new, &[]), 5).await;
    assert_eq!(&synced.assignment[..], b"all");
    let beat = HeartbeatRequest::default()
        .with_group_id(group())
        .with_generation_id(old.generation_id)
        .with_member_id(old.member_id.clone())
        .with_group_instance_id(instance);
    assert_eq!(client.call(&beat, 4).await.error_code, ResponseError::FencedInstanceId.code());
}

#[tokio::test(start_paused = true)]
async fn a_moved_coordinator_knows_the_members() {
    let cluster = one_broker().brokers(2).start().await.unwrap();
    cluster.move_group_coordinator("g", Some(1));
    let mut client = Client::to(&cluster, 1);
    let joined = join(&mut client).await;
    client.call(&sync_request(&joined, &[(&joined.member_id, b"all")]), 5).await;
    cluster.move_group_coordinator("g", Some(2));
    assert_eq!(heartbeat(&mut client, &joined).await, ResponseError::NotCoordinator.code());
    assert_eq!(heartbeat(&mut Client::to(&cluster, 2), &joined).await, 0);
}

#[tokio::test(start_paused = true)]
async fn offsets_are_committed_by_members_of_the_generation() {
    let cluster = one_broker().start().await.unwrap();
    let mut client = Client::to(&cluster, 1);
    let joined = join(&mut client).await;
    client.call(&sync_request(&joined, &[(&joined.member_id, b"all")]), 5).await;
    let commit = |generation: i32| {
        let partition = OffsetCommitRequestPartition::default()
            .with_committed_offset(7)
            .with_committed_leader_epoch(0);
        let topic = OffsetCommitRequestTopic::default()
            .with_name(name("t"))
            .with_partitions(vec![partition]);
        OffsetCommitRequest::default()
            .with_group_id(group())
            .with_member_id(joined.member_id.clone())
            .with_generation_id_or_member_epoch(generation)
            .with_topics(vec![topic])
    };
    let code = |response: kafka_protocol::messages::OffsetCommitResponse| {
        response.topics[0].partitions[0].error_code
    };
    let late = client.call(&commit(joined.generation_id - 1), 9).await;
    assert_eq!(code(late), ResponseError::IllegalGeneration.code());
    assert_eq!(code(client.call(&commit(joined.generation_id), 9).await), 0);
    let topic =
        OffsetFetchRequestTopics::default().with_name(name("t")).with_partition_indexes(vec![0, 1]);
    let wanted =
        OffsetFetchRequestGroup::default().with_group_id(group()).with_topics(Some(vec![topic]));
    let found = client.call(&OffsetFetchRequest::default().with_groups(vec![wanted]), 9).await;
    let partitions = &found.groups[0].topics[0].partitions;
    assert_eq!(partitions.iter().map(|one| one.committed_offset).collect::<Vec<_>>(), [7, -1]);
}
