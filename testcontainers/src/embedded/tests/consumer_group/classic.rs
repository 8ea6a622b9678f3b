//! What members by the classic protocol ask of a world.

use std::fmt::Write;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::consumer_protocol_assignment::TopicPartition as Assigned;
use kafka_protocol::messages::consumer_protocol_subscription::TopicPartition;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    ConsumerProtocolAssignment, ConsumerProtocolSubscription, HeartbeatRequest, JoinGroupRequest,
    JoinGroupResponse, LeaveGroupRequest, SyncGroupRequest,
};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

use super::world::{Has, World, error, text};

/// The version of subscriptions, which have owned partitions and a rack.
const VERSION: i16 = 3;

impl World {
    /// What a classic member joins with: subscribed to `t`, with what it has.
    pub(super) fn classic(&self, member: &str, owned: Has<'_>) -> JoinGroupRequest {
        let owned = owned.iter().map(|(topic, partitions)| {
            TopicPartition::default()
                .with_topic(self.topic(topic))
                .with_partitions(partitions.to_vec())
        });
        let subscription = ConsumerProtocolSubscription::default()
            .with_topics(vec![self.topic("t").0])
            .with_owned_partitions(owned.collect());
        let mut metadata = BytesMut::new();
        metadata.put_i16(VERSION);
        subscription.encode(&mut metadata, VERSION).unwrap();
        let protocol = JoinGroupRequestProtocol::default()
            .with_name(text("range"))
            .with_metadata(metadata.freeze());
        JoinGroupRequest::default()
            .with_group_id(self.group())
            .with_session_timeout_ms(4_000)
            .with_rebalance_timeout_ms(2_000)
            .with_member_id(text(member))
            .with_protocol_type(text("consumer"))
            .with_protocols(vec![protocol])
    }

    /// Joins; shows what came, but for a member id that was made.
    pub(super) async fn join_as(&mut self, request: &JoinGroupRequest, version: i16) -> String {
        let response = self.client.call(request, version).await;
        let own = if response.member_id == request.member_id { "" } else { ", another id" };
        self.note(&response);
        if response.error_code != 0 {
            return format!("{}{own}", error(response.error_code));
        }
        let leader = match &*response.leader {
            "" => "no leader",
            leader if leader == &*response.member_id => "leads",
            _ => "follows",
        };
        format!(
            "generation {}, {} {}, {leader}, {} members{own}",
            response.generation_id,
            response.protocol_type.as_deref().unwrap_or("null"),
            response.protocol_name.as_deref().unwrap_or("null"),
            response.members.len(),
        )
    }

    pub(super) async fn join_classic(&mut self, member: &str, version: i16) -> JoinGroupResponse {
        let request = self.classic(member, &[]);
        self.client.call(&request, version).await
    }

    pub(super) async fn leave_classic(&mut self, member: &StrBytes) -> i16 {
        let leaving = MemberIdentity::default().with_member_id(member.clone());
        let request =
            LeaveGroupRequest::default().with_group_id(self.group()).with_members(vec![leaving]);
        let response = self.client.call(&request, 5).await;
        if response.error_code == 0 { response.members[0].error_code } else { response.error_code }
    }

    pub(super) async fn beat_classic(&mut self, member: &str, generation: i32) -> String {
        let request = HeartbeatRequest::default()
            .with_group_id(self.group())
            .with_member_id(text(member))
            .with_generation_id(generation);
        error(self.client.call(&request, 4).await.error_code)
    }

    /// Syncs as a follower; shows what came.
    pub(super) async fn sync_classic(&mut self, member: &str, generation: i32) -> String {
        let request = self.sync_request(member, generation);
        self.sync_as(&request).await
    }

    pub(super) fn sync_request(&self, member: &str, generation: i32) -> SyncGroupRequest {
        SyncGroupRequest::default()
            .with_group_id(self.group())
            .with_member_id(text(member))
            .with_generation_id(generation)
            .with_protocol_type(Some(text("consumer")))
            .with_protocol_name(Some(text("range")))
    }

    pub(super) async fn sync_as(&mut self, request: &SyncGroupRequest) -> String {
        let response = self.client.call(request, 5).await;
        if response.error_code != 0 {
            return error(response.error_code);
        }
        let named = [&response.protocol_type, &response.protocol_name];
        let named: Vec<&str> = named.into_iter().flatten().map(|name| &**name).collect();
        format!("{}{}", named.join(" "), self.show_embedded(response.assignment))
    }

    /// The leader gives itself partitions of `t`.
    pub(super) fn leading(
        &self,
        member: &str,
        generation: i32,
        partitions: &[i32],
    ) -> SyncGroupRequest {
        let assigned =
            Assigned::default().with_topic(self.topic("t")).with_partitions(partitions.to_vec());
        let mut bytes = BytesMut::new();
        bytes.put_i16(VERSION);
        let assignment =
            ConsumerProtocolAssignment::default().with_assigned_partitions(vec![assigned]);
        assignment.encode(&mut bytes, VERSION).unwrap();
        let assignment = SyncGroupRequestAssignment::default()
            .with_member_id(text(member))
            .with_assignment(bytes.freeze());
        self.sync_request(member, generation).with_assignments(vec![assignment])
    }

    fn show_embedded(&self, mut bytes: Bytes) -> String {
        if bytes.is_empty() {
            return ", no bytes".to_owned();
        }
        let version = bytes.get_i16();
        let read = ConsumerProtocolAssignment::decode(&mut bytes, version).unwrap();
        let mut shown = format!(", version {version}");
        for topic in &read.assigned_partitions {
            let mut partitions = topic.partitions.clone();
            partitions.sort_unstable();
            write!(shown, ", {} {partitions:?}", self.unnamed(&topic.topic)).unwrap();
        }
        shown
    }
}
