//! ConsumerGroupHeartbeat (KIP-848).

use std::time::{Duration, Instant};

use super::Rpc;
use crate::cluster::Lane;
use crate::consumer::group::member::{MemberHeartbeat, MemberSettings};
use crate::consumer::group::reconciling::HeartbeatAnswer;
use crate::error::{Error, ErrorCode, ErrorKind, Result};
use crate::ids::{PartitionsById, TopicName};
use crate::runtime;
use crate::wire::call::Reply;
use crate::wire::messages::consumer_group_heartbeat::{
    Assignment, ConsumerGroupHeartbeatRequest, RequestTopicPartitions,
};
use crate::wire::millis;

impl Rpc {
    pub(crate) async fn reconcile(
        &self,
        settings: &MemberSettings,
        heartbeat: &MemberHeartbeat,
    ) -> Result<HeartbeatAnswer> {
        let deadline = runtime::now() + self.coordinator.request_timeout();
        let full = heartbeat.is_full.then_some(settings);
        let request = |version| ConsumerGroupHeartbeatRequest {
            rack_id: full.and_then(|settings| settings.rack.as_deref()),
            rebalance_timeout_ms: full.map_or(-1, |settings| millis(settings.max_poll_interval)),
            subscribed_topic_names: heartbeat
                .topics
                .as_ref()
                .map(|topics| topics.iter().map(TopicName::as_str).collect()),
            // Version 0 knows none, so that there is none to forget; a real one it refuses to encode.
            subscribed_topic_regex: heartbeat
                .regex
                .as_deref()
                .filter(|regex| version >= 1 || !regex.is_empty()),
            server_assignor: full.and_then(|settings| settings.remote_assignor.as_deref()),
            topic_partitions: heartbeat.owned.as_ref().map(by_topic),
            ..self.heartbeat_of(heartbeat)
        };
        let reply: Reply<ConsumerGroupHeartbeatRequest<'_>> =
            self.coordinator.call(Lane::Control, deadline, request).await.map_err(explained)?;
        let response = reply.parse()?;
        self.coordinator.check(&reply, response.error_code).map_err(|error| {
            match response.error_message {
                Some(message) => explained(error.with_context(message)),
                None => explained(error),
            }
        })?;
        let target = response.assignment.map(|Assignment { topic_partitions }| {
            let ids = topic_partitions.into_iter().map(|topic| {
                let partitions = topic.partitions.into_iter().map(Into::into);
                (topic.topic_id.into(), partitions.collect())
            });
            ids.collect::<PartitionsById>()
        });
        Ok(HeartbeatAnswer {
            member: response.member_id.map(str::to_owned),
            epoch: response.member_epoch,
            interval: Duration::from_millis(
                u64::try_from(response.heartbeat_interval_ms).unwrap_or(0),
            ),
            target,
        })
    }

    /// Tells the coordinator that a member leaves, if it is known who that is, as
    /// [`Rpc::leave`] does.
    pub(crate) async fn leave_reconciled(
        &self,
        heartbeat: &MemberHeartbeat,
        deadline: Instant,
    ) -> Result<()> {
        self.coordinator.check_known()?;
        let reply: Reply<ConsumerGroupHeartbeatRequest<'_>> = self
            .coordinator
            .call(Lane::Control, deadline, |_| self.heartbeat_of(heartbeat))
            .await?;
        self.coordinator.check(&reply, reply.parse()?.error_code)
    }

    /// What every heartbeat has.
    fn heartbeat_of<'a>(
        &'a self,
        heartbeat: &'a MemberHeartbeat,
    ) -> ConsumerGroupHeartbeatRequest<'a> {
        ConsumerGroupHeartbeatRequest {
            group_id: &self.coordinator.group,
            member_id: &heartbeat.member,
            member_epoch: heartbeat.epoch,
            instance_id: self.instance.as_deref(),
            ..ConsumerGroupHeartbeatRequest::default()
        }
    }
}

/// What to do where the coordinator does not have the protocol.
fn explained(error: Error) -> Error {
    let is_missing = error.kind() == ErrorKind::Unsupported
        || error.code() == Some(ErrorCode::UNSUPPORTED_VERSION);
    if !is_missing {
        return error;
    }
    error.with_context(
        "group.protocol=consumer needs Kafka 4.0 or later with the feature group.version 1; \
         group.protocol=classic works with every broker",
    )
}

fn by_topic(partitions: &PartitionsById) -> Vec<RequestTopicPartitions> {
    let topics = partitions.iter().map(|(id, partitions)| RequestTopicPartitions {
        topic_id: (*id).into(),
        partitions: partitions.iter().map(|partition| partition.0).collect(),
    });
    topics.collect()
}
