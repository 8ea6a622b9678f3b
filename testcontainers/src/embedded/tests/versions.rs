use kafka_protocol::ResponseError;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{
    AlterShareGroupOffsetsRequest, ApiVersionsRequest, ApiVersionsResponse, CreateTopicsRequest,
    DeleteShareGroupOffsetsRequest, DeleteTopicsRequest, DescribeClusterRequest,
    DescribeGroupsRequest, FetchRequest, FindCoordinatorRequest, GroupId, HeartbeatRequest,
    InitProducerIdRequest, JoinGroupRequest, LeaveGroupRequest, ListGroupsRequest,
    ListOffsetsRequest, MetadataRequest, OffsetCommitRequest, OffsetFetchRequest,
    OffsetForLeaderEpochRequest, ProduceRequest, ShareGroupDescribeRequest,
    ShareGroupHeartbeatRequest, SyncGroupRequest,
};
use kafka_protocol::protocol::{Decodable, StrBytes};

use super::client::{Client, fetch_request, name, one_broker, plain, produce_request};
use crate::embedded::api;
use crate::embedded::api::exchange::Asked;
use crate::embedded::api::newer::describe_share_group_offsets::DescribeShareOffsets;
use crate::embedded::api::newer::share_acknowledge::ShareAcknowledge;
use crate::embedded::api::newer::share_fetch::ShareFetch;

async fn every_version<R: Asked>(request: impl Fn(i16) -> R) {
    let cluster = one_broker().start().await.unwrap();
    cluster.append("t", 0, &[(None, Some(b"v"))]).unwrap();
    let (min, max) = api::served()[&R::KEY];
    for version in min..=max {
        let mut client = Client::to(&cluster, 1);
        client.send(&request(version), version).await;
        let answered = client.receive::<R>(version).await.is_some();
        assert!(answered, "key {} version {version} got no reply", R::KEY);
    }
}

#[tokio::test(start_paused = true)]
async fn every_version_of_every_api_is_answered() {
    let text = StrBytes::from_static_str;
    let group = || GroupId(text("g"));
    every_version(|_| {
        ApiVersionsRequest::default()
            .with_client_software_name(text("n"))
            .with_client_software_version(text("1"))
    })
    .await;
    every_version(|version| {
        MetadataRequest::default().with_topics(if version > 0 { None } else { Some(Vec::new()) })
    })
    .await;
    every_version(|version| match version {
        13 => ProduceRequest::default().with_acks(-1),
        _ => produce_request(plain(&["x"])),
    })
    .await;
    every_version(|version| if version < 13 { fetch_request(0) } else { FetchRequest::default() })
        .await;
    every_version(|_| {
        let partition = ListOffsetsPartition::default().with_timestamp(-1);
        let topic =
            ListOffsetsTopic::default().with_name(name("t")).with_partitions(vec![partition]);
        ListOffsetsRequest::default().with_topics(vec![topic])
    })
    .await;
    every_version(|_| InitProducerIdRequest::default().with_transactional_id(None)).await;
    every_version(|_| CreateTopicsRequest::default()).await;
    every_version(|_| DeleteTopicsRequest::default()).await;
    every_version(|_| DescribeClusterRequest::default()).await;
    every_version(|_| DescribeGroupsRequest::default().with_groups(vec![group()])).await;
    every_version(|_| ListGroupsRequest::default()).await;
    every_version(|_| OffsetForLeaderEpochRequest::default()).await;
    every_version(|version| {
        let request = FindCoordinatorRequest::default();
        if version < 4 {
            request.with_key(text("g"))
        } else {
            request.with_coordinator_keys(vec![text("g")])
        }
    })
    .await;
    every_version(|_| JoinGroupRequest::default().with_group_id(group())).await;
    every_version(|_| SyncGroupRequest::default().with_group_id(group())).await;
    every_version(|_| HeartbeatRequest::default().with_group_id(group())).await;
    every_version(|_| LeaveGroupRequest::default().with_group_id(group())).await;
    every_version(|_| OffsetCommitRequest::default().with_group_id(group())).await;
    every_version(|version| {
        let request = OffsetFetchRequest::default();
        if version < 8 { request.with_group_id(group()) } else { request }
    })
    .await;
    every_version(|_| ShareGroupHeartbeatRequest::default().with_group_id(group())).await;
    every_version(|_| ShareGroupDescribeRequest::default().with_group_ids(vec![group()])).await;
    every_version(|_| ShareFetch::default()).await;
    every_version(|_| ShareAcknowledge::default()).await;
    every_version(|_| DescribeShareOffsets::default()).await;
    every_version(|_| AlterShareGroupOffsetsRequest::default().with_group_id(group())).await;
    every_version(|_| DeleteShareGroupOffsetsRequest::default().with_group_id(group())).await;
}

#[tokio::test(start_paused = true)]
async fn an_unknown_version_of_api_versions_is_answered_in_version_0() {
    let cluster = one_broker().start().await.unwrap();
    cluster.set_versions(1, kafka_protocol::messages::ApiKey::ApiVersions, 0, 2);
    let mut client = Client::to(&cluster, 1);
    client.send(&ApiVersionsRequest::default(), 3).await;
    let mut frame = client.frame().await.unwrap().slice(4..);
    let response = ApiVersionsResponse::decode(&mut frame, 0).unwrap();
    assert_eq!(response.error_code, ResponseError::UnsupportedVersion.code());
    assert_eq!((response.api_keys[0].api_key, response.api_keys[0].max_version), (18, 2));
}

#[tokio::test(start_paused = true)]
async fn a_topic_is_made_when_asked_for_and_found_the_next_time() {
    use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
    let cluster = one_broker().default_partitions(3).start().await.unwrap();
    let topic = MetadataRequestTopic::default().with_name(Some(name("new")));
    let request = MetadataRequest::default()
        .with_topics(Some(vec![topic]))
        .with_allow_auto_topic_creation(true);
    let mut client = Client::to(&cluster, 1);
    let first = client.call(&request, 12).await;
    assert_eq!(first.topics[0].error_code, ResponseError::UnknownTopicOrPartition.code());
    let second = client.call(&request, 12).await;
    assert_eq!((second.topics[0].error_code, second.topics[0].partitions.len()), (0, 3));
}
