//! ShareGroupHeartbeat, ShareFetch and ShareAcknowledge (KIP-932) between our words and the
//! protocol's.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::acknowledge::{AcknowledgeType, AcknowledgedRange};
use super::config::ShareAcquireMode;
use super::decode::{self, Acquired, AcquiredRange};
use super::membership::{ShareHeartbeat, ShareHeartbeatAnswer};
use super::session::{ShareSessionRequest, SharedPartition};
use crate::cluster::{GroupCoordinator, Lane, LeaderHint};
use crate::config::BrokerAddress;
use crate::error::{Error, ErrorCode, ErrorKind, Result};
use crate::ids::{BrokerId, LeaderEpoch, Offset, PartitionId, TopicId, TopicPartition};
use crate::runtime::{self, Runtime};
use crate::wire::batch::DecodeOptions;
use crate::wire::call::{Reply, Request};
use crate::wire::messages::share_acknowledge::{
    AcknowledgePartition, AcknowledgeTopic, AcknowledgementBatch as AcknowledgedBatch,
    ShareAcknowledgeRequest,
};
use crate::wire::messages::share_fetch::{
    AcknowledgementBatch, AcquiredRecords, FetchPartition, FetchTopic, ForgottenTopic,
    PartitionData, ShareFetchRequest,
};
use crate::wire::messages::share_group_heartbeat::ShareGroupHeartbeatRequest;
use crate::wire::millis;

/// The settings of a consumer that its requests carry.
#[derive(Clone, Debug)]
pub(crate) struct ShareFetchSettings {
    pub(crate) min_bytes: i32,
    pub(crate) max_bytes: i32,
    pub(crate) max_records: i32,
    pub(crate) max_wait: Duration,
    pub(crate) acquire_mode: ShareAcquireMode,
    pub(crate) rack: Option<String>,
    pub(crate) decode: DecodeOptions,
}

/// The calls of one member of a share group.
#[derive(Clone, Debug)]
pub(crate) struct ShareRpc {
    pub(crate) coordinator: GroupCoordinator,
    pub(crate) lane: Lane,
    pub(crate) settings: ShareFetchSettings,
}

/// What one fetch asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FetchWish {
    /// Whether the broker may wait for records.
    pub(crate) may_wait: bool,
    /// About so many times `max.poll.records`.
    pub(crate) polls: i32,
}

/// What is said of records, by partition.
pub(crate) type Said = BTreeMap<SharedPartition, Vec<AcknowledgedRange>>;

/// What a broker answered to a fetch, or to acknowledgements alone.
#[derive(Debug, Default)]
pub(crate) struct ShareAnswer {
    /// Of the request as a whole.
    pub(crate) error: Option<Error>,
    /// How long the broker keeps records for this consumer.
    pub(crate) lock: Option<Duration>,
    pub(crate) partitions: Vec<SharedPartitionAnswer>,
    /// Leaders that the reply names (KIP-951).
    pub(crate) leaders: Vec<(SharedPartition, BrokerId, LeaderEpoch)>,
    addresses: BTreeMap<BrokerId, BrokerAddress>,
}

/// What a broker answered for one partition.
#[derive(Debug)]
pub(crate) struct SharedPartitionAnswer {
    pub(crate) partition: SharedPartition,
    pub(crate) error: Option<ErrorCode>,
    /// Why what was said of its records was not taken.
    pub(crate) refused: Option<ErrorCode>,
    pub(crate) acquired: Acquired,
}

/// The records of a partition as they came.
struct Raw {
    at: usize,
    records: Bytes,
    ranges: Vec<AcquiredRange>,
}

impl ShareRpc {
    pub(crate) async fn heartbeat(
        &self,
        heartbeat: &ShareHeartbeat,
    ) -> Result<ShareHeartbeatAnswer> {
        let deadline = runtime::now() + self.coordinator.request_timeout();
        let request = |_| self.heartbeat_of(heartbeat);
        let reply: Reply<ShareGroupHeartbeatRequest<'_>> =
            self.coordinator.call(Lane::Control, deadline, request).await.map_err(explained)?;
        let response = reply.parse()?;
        self.coordinator.check(&reply, response.error_code).map_err(|error| {
            match response.error_message {
                Some(message) => explained(error.with_context(message)),
                None => explained(error),
            }
        })?;
        let assignment = response.assignment.map(|assignment| {
            let ids = assignment.topic_partitions.into_iter().map(|topic| {
                let partitions = topic.partitions.into_iter().map(Into::into);
                (topic.topic_id.into(), partitions.collect())
            });
            ids.collect()
        });
        Ok(ShareHeartbeatAnswer {
            epoch: response.member_epoch,
            interval: millis_of(response.heartbeat_interval_ms),
            assignment,
        })
    }

    /// Tells the coordinator that a member leaves, if it is known who that is.
    pub(crate) async fn leave(&self, heartbeat: &ShareHeartbeat, deadline: Instant) -> Result<()> {
        self.coordinator.check_known()?;
        let request = |_| self.heartbeat_of(heartbeat);
        let reply: Reply<ShareGroupHeartbeatRequest<'_>> =
            self.coordinator.call(Lane::Control, deadline, request).await?;
        self.coordinator.check(&reply, reply.parse()?.error_code)
    }

    fn heartbeat_of<'a>(&'a self, heartbeat: &'a ShareHeartbeat) -> ShareGroupHeartbeatRequest<'a> {
        ShareGroupHeartbeatRequest {
            group_id: &self.coordinator.group,
            member_id: &heartbeat.member,
            member_epoch: heartbeat.epoch,
            rack_id: self.settings.rack.as_deref().filter(|_| heartbeat.is_full),
            subscribed_topic_names: heartbeat
                .topics
                .as_ref()
                .map(|topics| topics.iter().map(|topic| topic.as_str()).collect()),
        }
    }

    /// Makes one fetch, which acknowledges by the way, and reads what it has acquired.
    ///
    /// # Errors
    /// As [`crate::cluster::Cluster::call_with`], and [`ErrorKind::Protocol`] if the reply cannot be
    /// read.
    pub(crate) async fn fetch(
        &self,
        runtime: &Runtime,
        broker: BrokerId,
        member: &str,
        session: &ShareSessionRequest,
        said: &Said,
        wish: FetchWish,
    ) -> Result<ShareAnswer> {
        let max_wait = if wish.may_wait { self.settings.max_wait } else { Duration::ZERO };
        let deadline = runtime::now() + max_wait + self.coordinator.request_timeout();
        let request = |version| {
            let mut request = self.fetch_request(version, member, session, said, max_wait);
            request.max_records = request.max_records.saturating_mul(wish.polls);
            request
        };
        let reply = self.coordinator.cluster.call_with(broker, self.lane, deadline, request).await;
        let reply: Reply<ShareFetchRequest<'_>> = reply.map_err(explained)?;
        let (mut answer, raw) = self.read_fetch(&reply)?;
        let options = self.settings.decode;
        let bytes = raw.iter().map(|raw| raw.records.len()).sum();
        let acquired = runtime
            .offload(bytes, move || {
                let read = |raw: Raw| (raw.at, decode::read(raw.records, raw.ranges, &options));
                raw.into_iter().map(read).collect::<Vec<_>>()
            })
            .await;
        for (at, acquired) in acquired {
            if let Some(partition) = answer.partitions.get_mut(at) {
                partition.acquired = acquired;
            }
        }
        Ok(answer)
    }

    fn fetch_request<'a>(
        &'a self,
        version: i16,
        member: &'a str,
        session: &ShareSessionRequest,
        said: &Said,
        max_wait: Duration,
    ) -> ShareFetchRequest<'a> {
        let mut asked: BTreeMap<SharedPartition, Vec<AcknowledgementBatch>> = BTreeMap::new();
        asked.extend(session.add.iter().map(|partition| (*partition, Vec::new())));
        for (partition, ranges) in said {
            let batches = ranges.iter().map(|range| AcknowledgementBatch {
                first_offset: range.first.0,
                last_offset: range.last.0,
                acknowledge_types: vec![number(range.said)],
            });
            asked.entry(*partition).or_default().extend(batches);
        }
        let topics = by_topic(asked).into_iter().map(|(topic, partitions)| FetchTopic {
            topic_id: topic.into(),
            partitions: partitions
                .into_iter()
                .map(|(partition, acknowledgement_batches)| FetchPartition {
                    partition_index: partition.0,
                    acknowledgement_batches,
                })
                .collect(),
        });
        let forgotten = by_topic(session.forget.iter().map(|partition| (*partition, ())));
        let forgotten = forgotten.into_iter().map(|(topic, partitions)| ForgottenTopic {
            topic_id: topic.into(),
            partitions: partitions.into_iter().map(|(partition, ())| partition.0).collect(),
        });
        let acquire_mode = match self.settings.acquire_mode {
            ShareAcquireMode::RecordLimit if version >= 2 => 1,
            _ => 0,
        };
        ShareFetchRequest {
            group_id: Some(&self.coordinator.group),
            member_id: Some(member),
            share_session_epoch: session.epoch,
            max_wait_ms: millis(max_wait),
            min_bytes: self.settings.min_bytes,
            max_bytes: self.settings.max_bytes,
            max_records: self.settings.max_records,
            batch_size: self.settings.max_records,
            share_acquire_mode: acquire_mode,
            is_renew_ack: false,
            topics: topics.collect(),
            forgotten_topics_data: forgotten.collect(),
        }
    }

    fn read_fetch(&self, reply: &Reply<ShareFetchRequest<'_>>) -> Result<(ShareAnswer, Vec<Raw>)> {
        let response = reply.parse()?;
        let error = of_whole(reply, response.error_code, response.error_message);
        let mut answer = ShareAnswer {
            error,
            lock: Some(millis_of(response.acquisition_lock_timeout_ms))
                .filter(|lock| !lock.is_zero()),
            ..ShareAnswer::default()
        };
        for node in &response.node_endpoints {
            answer.add_address(node.node_id, node.host, node.port);
        }
        let mut raw = Vec::new();
        for topic in &response.responses {
            let id = TopicId::from(topic.topic_id);
            for data in &topic.partitions {
                let partition = (id, PartitionId(data.partition_index));
                let leader = &data.current_leader;
                answer.add_leader(partition, leader.leader_id, leader.leader_epoch);
                if !data.acquired_records.is_empty() {
                    raw.push(raw_of(data, reply.frame(), answer.partitions.len()));
                }
                answer.partitions.push(SharedPartitionAnswer {
                    partition,
                    error: ErrorCode::check(data.error_code).err(),
                    refused: ErrorCode::check(data.acknowledge_error_code).err(),
                    acquired: Acquired::default(),
                });
            }
        }
        Ok((answer, raw))
    }

    /// Acknowledges alone, renews locks, or ends the session.
    ///
    /// # Errors
    /// As [`ShareRpc::fetch`]; [`ErrorKind::Unsupported`] if locks are to be renewed by a broker that
    /// cannot.
    pub(crate) async fn acknowledge(
        &self,
        broker: BrokerId,
        member: &str,
        epoch: i32,
        said: &Said,
        renews: bool,
    ) -> Result<ShareAnswer> {
        let deadline = runtime::now() + self.coordinator.request_timeout();
        let request = |_| self.acknowledge_request(member, epoch, said, renews);
        let cluster = &self.coordinator.cluster;
        let reply: Reply<ShareAcknowledgeRequest<'_>> =
            cluster.call_with(broker, self.lane, deadline, request).await?;
        let response = reply.parse()?;
        let mut answer = ShareAnswer {
            error: of_whole(&reply, response.error_code, response.error_message),
            lock: Some(millis_of(response.acquisition_lock_timeout_ms))
                .filter(|lock| !lock.is_zero()),
            ..ShareAnswer::default()
        };
        for node in &response.node_endpoints {
            answer.add_address(node.node_id, node.host, node.port);
        }
        for topic in &response.responses {
            let id = TopicId::from(topic.topic_id);
            for data in &topic.partitions {
                let partition = (id, PartitionId(data.partition_index));
                let leader = &data.current_leader;
                answer.add_leader(partition, leader.leader_id, leader.leader_epoch);
                answer.partitions.push(SharedPartitionAnswer {
                    partition,
                    error: None,
                    refused: ErrorCode::check(data.error_code).err(),
                    acquired: Acquired::default(),
                });
            }
        }
        Ok(answer)
    }

    fn acknowledge_request<'a>(
        &'a self,
        member: &'a str,
        epoch: i32,
        said: &Said,
        renews: bool,
    ) -> ShareAcknowledgeRequest<'a> {
        let batches_of = |ranges: &[AcknowledgedRange]| {
            let batches = ranges.iter().map(|range| AcknowledgedBatch {
                first_offset: range.first.0,
                last_offset: range.last.0,
                acknowledge_types: vec![number(range.said)],
            });
            batches.collect()
        };
        let topics =
            by_topic(said.iter().map(|(partition, ranges)| (*partition, ranges.as_slice())))
                .into_iter()
                .map(|(topic, partitions)| AcknowledgeTopic {
                    topic_id: topic.into(),
                    partitions: partitions
                        .into_iter()
                        .map(|(partition, ranges)| AcknowledgePartition {
                            partition_index: partition.0,
                            acknowledgement_batches: batches_of(ranges),
                        })
                        .collect(),
                });
        ShareAcknowledgeRequest {
            group_id: Some(&self.coordinator.group),
            member_id: Some(member),
            share_session_epoch: epoch,
            is_renew_ack: renews,
            topics: topics.collect(),
        }
    }
}

impl ShareAnswer {
    fn add_address(&mut self, node: i32, host: &str, port: i32) {
        if let Ok(port) = u16::try_from(port) {
            self.addresses.insert(BrokerId(node), BrokerAddress::new(host, port));
        }
    }

    fn add_leader(&mut self, partition: SharedPartition, leader: i32, epoch: i32) {
        if leader >= 0 && epoch > 0 {
            self.leaders.push((partition, BrokerId(leader), LeaderEpoch(epoch)));
        }
    }

    /// The leaders that it names, of topics whose names are known.
    pub(crate) fn hints(
        &self,
        name: impl Fn(&SharedPartition) -> Option<TopicPartition>,
    ) -> Vec<LeaderHint> {
        let hint = |(partition, leader, epoch): &(SharedPartition, BrokerId, LeaderEpoch)| {
            Some(LeaderHint {
                partition: name(partition)?,
                leader: *leader,
                epoch: *epoch,
                address: self.addresses.get(leader).cloned(),
            })
        };
        self.leaders.iter().filter_map(hint).collect()
    }
}

/// The records of one partition, whose bytes stay where they are.
fn raw_of(data: &PartitionData<'_>, frame: &Bytes, at: usize) -> Raw {
    let range = |acquired: &AcquiredRecords| AcquiredRange {
        first: Offset(acquired.first_offset),
        last: Offset(acquired.last_offset),
        delivery_count: u16::try_from(acquired.delivery_count).unwrap_or(0),
    };
    Raw {
        at,
        records: frame.slice_ref(data.records),
        ranges: data.acquired_records.iter().map(range).collect(),
    }
}

fn of_whole<R: Request>(reply: &Reply<R>, code: i16, message: Option<&str>) -> Option<Error> {
    let code = ErrorCode::check(code).err()?;
    let mut error = Error::broker(code).in_api(R::API.name());
    if let Some(message) = message {
        error = error.with_context(message);
    }
    Some(if let Some(broker) = reply.broker() { error.at_broker(broker) } else { error })
}

/// What to do where the brokers do not have share groups.
fn explained(error: Error) -> Error {
    let is_missing = error.kind() == ErrorKind::Unsupported
        || error.code() == Some(ErrorCode::UNSUPPORTED_VERSION);
    if !is_missing {
        return error;
    }
    error.with_context(
        "share groups need Kafka 4.2 or later, or 4.1 with the feature share.version 1",
    )
}

/// Partitions by topic, as requests name them.
fn by_topic<T>(
    partitions: impl IntoIterator<Item = (SharedPartition, T)>,
) -> BTreeMap<TopicId, Vec<(PartitionId, T)>> {
    let mut topics: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for ((topic, partition), value) in partitions {
        topics.entry(topic).or_default().push((partition, value));
    }
    topics
}

/// The protocol's number of an acknowledgement.
fn number(said: Option<AcknowledgeType>) -> i8 {
    match said {
        None => 0,
        Some(AcknowledgeType::Accept) => 1,
        Some(AcknowledgeType::Release) => 2,
        Some(AcknowledgeType::Reject) => 3,
        Some(AcknowledgeType::Renew) => 4,
    }
}

fn millis_of(count: i32) -> Duration {
    Duration::from_millis(u64::try_from(count).unwrap_or(0))
}
