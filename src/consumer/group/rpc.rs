//! Between the group's machines and the messages of the wire.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::classic::Joined;
use super::commits::{CommitIdentity, CommitOutcome, Offsets};
use super::member::{GroupMemberIdentity, MemberSettings};
use crate::cluster::{ClusterView, GroupCoordinator, Lane};
use crate::error::{Error, ErrorCode, ErrorKind, Result};
use crate::group_metadata::OffsetAndMetadata;
use crate::ids::{Generation, LeaderEpoch, Offset, PartitionId, TopicName, TopicPartition, Uuid};
use crate::runtime;
use crate::wire::call::Reply;
use crate::wire::messages::heartbeat::HeartbeatRequest;
use crate::wire::messages::join_group::{JoinGroupRequest, JoinGroupRequestProtocol};
use crate::wire::messages::leave_group::{LeaveGroupRequest, MemberIdentity};
use crate::wire::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use crate::wire::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use crate::wire::messages::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment};
use crate::wire::millis;

/// The committed offset of each partition, `None` where there is none.
pub(crate) type Committed = BTreeMap<TopicPartition, Result<Option<OffsetAndMetadata>>>;

/// What JoinGroup answered.
#[derive(Debug)]
pub(crate) enum Join {
    Joined(Joined),
    /// Join again with this member id (KIP-394).
    MemberId(String),
}

/// The calls of one group of consumers to its coordinator.
#[derive(Clone, Debug)]
pub(crate) struct Rpc {
    pub(crate) coordinator: GroupCoordinator,
    pub(crate) instance: Option<String>,
}

mod reconciling;

impl Rpc {
    /// JoinGroup and SyncGroup wait at the broker, so that they have a connection of their own.
    pub(crate) async fn join(
        &self,
        lane: Lane,
        settings: &MemberSettings,
        member: &str,
        protocols: &[(String, Vec<u8>)],
        reason: &str,
    ) -> Result<Join> {
        // The coordinator answers when all members have joined or the rebalance timeout, which is
        // max.poll.interval, is over.
        let deadline = runtime::now()
            + settings.max_poll_interval.max(self.coordinator.request_timeout())
            + GRACE;
        let request = |version| JoinGroupRequest {
            group_id: &self.coordinator.group,
            session_timeout_ms: millis(settings.session_timeout),
            rebalance_timeout_ms: millis(settings.max_poll_interval),
            member_id: member,
            group_instance_id: self.instance.as_deref().filter(|_| version >= 5),
            protocol_type: PROTOCOL_TYPE,
            protocols: protocols
                .iter()
                .map(|(name, metadata)| JoinGroupRequestProtocol { name, metadata })
                .collect(),
            reason: Some(reason).filter(|_| version >= 8),
        };
        let reply: Reply<JoinGroupRequest<'_>> =
            self.coordinator.call(lane, deadline, request).await?;
        let response = reply.parse()?;
        if response.error_code == ErrorCode::MEMBER_ID_REQUIRED.0 {
            return Ok(Join::MemberId(response.member_id.to_owned()));
        }
        self.coordinator.check(&reply, response.error_code)?;
        self.check_protocol_type(response.protocol_type)?;
        let members = response.members.iter().map(|member| {
            (
                member.member_id.to_owned(),
                member.group_instance_id.map(str::to_owned),
                member.metadata.to_vec(),
            )
        });
        Ok(Join::Joined(Joined {
            member: response.member_id.to_owned(),
            generation: Generation(response.generation_id),
            protocol: response.protocol_name.unwrap_or_default().to_owned(),
            leader: response.leader.to_owned(),
            skips_assignment: response.skip_assignment,
            members: members.collect(),
        }))
    }

    pub(crate) async fn sync(
        &self,
        lane: Lane,
        settings: &MemberSettings,
        identity: &GroupMemberIdentity,
        protocol: &str,
        assignments: &[(String, Vec<u8>)],
    ) -> Result<Vec<u8>> {
        // The coordinator answers when the leader has decided.
        let deadline = runtime::now()
            + settings.max_poll_interval.max(self.coordinator.request_timeout())
            + GRACE;
        let request = |version| SyncGroupRequest {
            group_id: &self.coordinator.group,
            generation_id: generation(identity),
            member_id: &identity.member,
            group_instance_id: self.instance.as_deref().filter(|_| version >= 3),
            protocol_type: Some(PROTOCOL_TYPE).filter(|_| version >= 5),
            protocol_name: Some(protocol).filter(|_| version >= 5),
            assignments: assignments
                .iter()
                .map(|(member_id, assignment)| SyncGroupRequestAssignment { member_id, assignment })
                .collect(),
        };
        let reply: Reply<SyncGroupRequest<'_>> =
            self.coordinator.call(lane, deadline, request).await?;
        let response = reply.parse()?;
        self.coordinator.check(&reply, response.error_code)?;
        self.check_protocol_type(response.protocol_type)?;
        if let Some(theirs) = response.protocol_name.filter(|theirs| *theirs != protocol) {
            return Err(Error::new(
                ErrorKind::Protocol,
                format!("joined with {protocol:?}, but the group uses {theirs:?}"),
            ));
        }
        Ok(response.assignment.to_vec())
    }

    pub(crate) async fn heartbeat(
        &self,
        settings: &MemberSettings,
        identity: &GroupMemberIdentity,
    ) -> Result<()> {
        // So early that another try fits in the session.
        let deadline =
            runtime::now() + self.coordinator.request_timeout().min(settings.session_timeout / 3);
        let request = |version| HeartbeatRequest {
            group_id: &self.coordinator.group,
            generation_id: generation(identity),
            member_id: &identity.member,
            group_instance_id: self.instance.as_deref().filter(|_| version >= 3),
        };
        let reply: Reply<HeartbeatRequest<'_>> =
            self.coordinator.call(Lane::Control, deadline, request).await?;
        self.coordinator.check(&reply, reply.parse()?.error_code)
    }

    /// Tells the coordinator that a member leaves, if it is known who that is: as in Java none is
    /// looked for, since the session ends by itself.
    pub(crate) async fn leave(&self, member: &str, reason: &str, deadline: Instant) -> Result<()> {
        let request = |version| {
            let reason = Some(reason).filter(|_| version >= 5);
            let identity = MemberIdentity { member_id: member, group_instance_id: None, reason };
            LeaveGroupRequest {
                group_id: &self.coordinator.group,
                member_id: if version < 3 { member } else { "" },
                members: if version < 3 { Vec::new() } else { vec![identity] },
            }
        };
        self.coordinator.check_known()?;
        let reply: Reply<LeaveGroupRequest<'_>> =
            self.coordinator.call(Lane::Control, deadline, request).await?;
        let response = reply.parse()?;
        self.coordinator.check(&reply, response.error_code)?;
        response
            .members
            .iter()
            .try_for_each(|member| self.coordinator.check(&reply, member.error_code))
    }

    pub(crate) async fn commit(&self, sender: &CommitIdentity, offsets: &Offsets) -> CommitOutcome {
        let deadline = runtime::now() + self.coordinator.request_timeout();
        let nobody = GroupMemberIdentity::default();
        let identity =
            if let CommitIdentity::Member(identity) = sender { identity } else { &nobody };
        let view = self.coordinator.cluster.view();
        let request = |version| OffsetCommitRequest {
            group_id: &self.coordinator.group,
            generation_id_or_member_epoch: generation(identity),
            member_id: &identity.member,
            group_instance_id: self
                .instance
                .as_deref()
                .filter(|_| version >= 7 && identity.generation.is_some()),
            topics: TopicPartition::by_topic(offsets)
                .into_iter()
                .map(|(topic, partitions)| OffsetCommitRequestTopic {
                    name: if version < BY_TOPIC_ID { topic } else { "" },
                    topic_id: if version < BY_TOPIC_ID {
                        Uuid::ZERO
                    } else {
                        topic_id(&view, topic)
                    },
                    partitions: partitions
                        .into_iter()
                        .map(|(partition, offset)| OffsetCommitRequestPartition {
                            partition_index: partition.0,
                            committed_offset: offset.offset.0,
                            committed_leader_epoch: offset
                                .leader_epoch
                                .filter(|_| version >= 6)
                                .map_or(-1, |epoch| epoch.0),
                            committed_metadata: Some(&offset.metadata),
                        })
                        .collect(),
                })
                .collect(),
            ..OffsetCommitRequest::default()
        };
        let newest = newest_for(&view, offsets.keys());
        let reply: Reply<OffsetCommitRequest<'_>> =
            self.coordinator.call_up_to(newest, Lane::Control, deadline, request).await?;
        let mut outcome = Vec::new();
        for topic in reply.parse()?.topics {
            let Some(name) = topic_name(&view, topic.name, topic.topic_id) else { continue };
            for partition in topic.partitions {
                let tp = TopicPartition {
                    topic: name.clone(),
                    partition: partition.partition_index.into(),
                };
                outcome.push((tp, self.coordinator.check(&reply, partition.error_code)));
            }
        }
        Ok(outcome)
    }

    /// Asks for committed offsets, as a member of the consumer protocol if it is one: to one that the
    /// coordinator has moved on it does not tell them. Those of open transactions are not final and fail with
    /// UNSTABLE_OFFSET_COMMIT (KIP-447).
    pub(crate) async fn committed(
        &self,
        partitions: &[TopicPartition],
        asker: Option<&GroupMemberIdentity>,
    ) -> Result<Committed> {
        let deadline = runtime::now() + self.coordinator.request_timeout();
        let view = self.coordinator.cluster.view();
        let topics = TopicPartition::by_topic(partitions.iter().map(|tp| (tp, ())));
        let request = |version| self.offset_fetch_request(version, &topics, &view, asker);
        let newest = newest_for(&view, partitions.iter());
        let reply: Reply<OffsetFetchRequest<'_>> =
            self.coordinator.call_up_to(newest, Lane::Control, deadline, request).await?;
        let response = reply.parse()?;
        self.coordinator.check(&reply, response.error_code)?;
        let mut committed = Committed::new();
        let mut add = |name: &TopicName,
                       partition: i32,
                       code,
                       offset: i64,
                       epoch: i32,
                       metadata: Option<&str>| {
            let tp = TopicPartition { topic: name.clone(), partition: partition.into() };
            let found = (offset >= 0).then(|| OffsetAndMetadata {
                offset: Offset(offset),
                leader_epoch: (epoch >= 0).then_some(LeaderEpoch(epoch)),
                metadata: metadata.unwrap_or_default().to_owned(),
            });
            committed.insert(tp, self.coordinator.check(&reply, code).map(|()| found));
        };
        for topic in &response.topics {
            let name = TopicName::from(topic.name);
            for p in &topic.partitions {
                add(
                    &name,
                    p.partition_index,
                    p.error_code,
                    p.committed_offset,
                    p.committed_leader_epoch,
                    p.metadata,
                );
            }
        }
        for group in &response.groups {
            self.coordinator.check(&reply, group.error_code)?;
            for topic in &group.topics {
                let Some(name) = topic_name(&view, topic.name, topic.topic_id) else { continue };
                for p in &topic.partitions {
                    add(
                        &name,
                        p.partition_index,
                        p.error_code,
                        p.committed_offset,
                        p.committed_leader_epoch,
                        p.metadata,
                    );
                }
            }
        }
        Ok(committed)
    }

    fn offset_fetch_request<'a>(
        &'a self,
        version: i16,
        topics: &'a BTreeMap<&TopicName, Vec<(PartitionId, ())>>,
        view: &ClusterView,
        asker: Option<&'a GroupMemberIdentity>,
    ) -> OffsetFetchRequest<'a> {
        let numbers =
            |partitions: &[(PartitionId, ())]| partitions.iter().map(|(id, ())| id.0).collect();
        let mut request =
            OffsetFetchRequest { require_stable: version >= 7, ..OffsetFetchRequest::default() };
        if version < 8 {
            request.group_id = &self.coordinator.group;
            let topics = topics.iter().map(|(name, partitions)| OffsetFetchRequestTopic {
                name,
                partition_indexes: numbers(partitions),
            });
            request.topics = Some(topics.collect());
        } else {
            let topics = topics.iter().map(|(name, partitions)| OffsetFetchRequestTopics {
                name: if version < BY_TOPIC_ID { name } else { "" },
                topic_id: if version < BY_TOPIC_ID { Uuid::ZERO } else { topic_id(view, name) },
                partition_indexes: numbers(partitions),
            });
            request.groups = vec![OffsetFetchRequestGroup {
                group_id: &self.coordinator.group,
                topics: Some(topics.collect()),
                member_id: asker.filter(|_| version >= 9).map(|asker| asker.member.as_str()),
                member_epoch: asker.filter(|_| version >= 9).map_or(-1, generation),
            }];
        }
        request
    }

    /// A group id in use by something else, such as Kafka Connect (KIP-559).
    fn check_protocol_type(&self, theirs: Option<&str>) -> Result<()> {
        match theirs.filter(|theirs| *theirs != PROTOCOL_TYPE) {
            None => Ok(()),
            Some(theirs) => Err(Error::broker(ErrorCode::INCONSISTENT_GROUP_PROTOCOL)
                .with_context(format!(
                    "group {:?} is one of {theirs:?}, not of consumers",
                    self.coordinator.group
                ))),
        }
    }
}

/// OffsetCommit and OffsetFetch name topics by their ids from this version on.
const BY_TOPIC_ID: i16 = 10;

/// The newest version in which all of these topics can be named: the client knows the ids only of
/// those that its handles want, and whoever commits or asks may name any.
fn newest_for<'a>(
    view: &ClusterView,
    mut partitions: impl Iterator<Item = &'a TopicPartition>,
) -> i16 {
    let has_id =
        |tp: &TopicPartition| view.topic(&tp.topic).is_some_and(|topic| topic.id.is_some());
    if partitions.all(has_id) { i16::MAX } else { BY_TOPIC_ID - 1 }
}

/// Known, or else the request goes in a version that does not ask for it.
fn topic_id(view: &ClusterView, name: &TopicName) -> Uuid {
    view.topic(name).and_then(|topic| topic.id).into()
}

fn topic_name(view: &ClusterView, name: &str, id: Uuid) -> Option<TopicName> {
    if name.is_empty() { view.name_of(id.into()).cloned() } else { Some(TopicName::from(name)) }
}

fn generation(identity: &GroupMemberIdentity) -> i32 {
    identity.generation.map_or(-1, |generation| generation.0)
}

/// What all consumers call their kind of group.
const PROTOCOL_TYPE: &str = "consumer";

/// For the answer to arrive, as Kafka's consumer allows.
const GRACE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_whose_ids_are_not_known_are_asked_for_by_name() {
        let (view, unknown) = (ClusterView::default(), TopicPartition::new("t", 0));
        assert_eq!(newest_for(&view, [&unknown].into_iter()), BY_TOPIC_ID - 1);
        assert_eq!(newest_for(&view, std::iter::empty()), i16::MAX);
    }
}
