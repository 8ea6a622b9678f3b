// Made by message-generator from the schemas of Apache Kafka 4.4; change it there.

//! The other half of every message, which only tests need: reading requests, writing responses, making values.

mod api_versions;
mod consumer_protocol_assignment;
mod consumer_protocol_subscription;
mod create_partitions;
mod create_topics;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod fetch;
mod find_coordinator;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod join_group;
mod leave_group;
mod list_groups;
mod list_offsets;
mod metadata;
mod offset_commit;
mod offset_fetch;
mod offset_for_leader_epoch;
mod produce;
mod sasl_authenticate;
mod sasl_handshake;
mod sync_group;

pub(super) use super::tests::samples::{Sample, Samples, chunks};

/// Hands `name: Request, Response;` of every API to a macro.
macro_rules! for_each_api {
    ($do:ident) => {
        $do! { produce: ProduceRequest, ProduceResponse;
        fetch: FetchRequest, FetchResponse;
        list_offsets: ListOffsetsRequest, ListOffsetsResponse;
        metadata: MetadataRequest, MetadataResponse;
        offset_commit: OffsetCommitRequest, OffsetCommitResponse;
        offset_fetch: OffsetFetchRequest, OffsetFetchResponse;
        find_coordinator: FindCoordinatorRequest, FindCoordinatorResponse;
        join_group: JoinGroupRequest, JoinGroupResponse;
        heartbeat: HeartbeatRequest, HeartbeatResponse;
        leave_group: LeaveGroupRequest, LeaveGroupResponse;
        sync_group: SyncGroupRequest, SyncGroupResponse;
        describe_groups: DescribeGroupsRequest, DescribeGroupsResponse;
        list_groups: ListGroupsRequest, ListGroupsResponse;
        sasl_handshake: SaslHandshakeRequest, SaslHandshakeResponse;
        api_versions: ApiVersionsRequest, ApiVersionsResponse;
        create_topics: CreateTopicsRequest, CreateTopicsResponse;
        delete_topics: DeleteTopicsRequest, DeleteTopicsResponse;
        delete_records: DeleteRecordsRequest, DeleteRecordsResponse;
        init_producer_id: InitProducerIdRequest, InitProducerIdResponse;
        offset_for_leader_epoch: OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse;
        describe_configs: DescribeConfigsRequest, DescribeConfigsResponse;
        sasl_authenticate: SaslAuthenticateRequest, SaslAuthenticateResponse;
        create_partitions: CreatePartitionsRequest, CreatePartitionsResponse;
        delete_groups: DeleteGroupsRequest, DeleteGroupsResponse;
        incremental_alter_configs: IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse;
        describe_cluster: DescribeClusterRequest, DescribeClusterResponse;
         }
    };
}
pub(super) use for_each_api;
