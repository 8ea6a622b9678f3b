//! Fetch, ListOffsets and OffsetForLeaderEpoch between our words and the protocol's.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::cluster::{Cluster, Lane, LeaderHint};
use crate::config::BrokerAddress;
use crate::consumer::config::{ConsumerConfig, IsolationLevel};
use crate::consumer::fetch::lookup::{Lookup, LookupRequest, PendingLookup};
use crate::consumer::fetch::planner::FetchPlan;
use crate::consumer::isolation::Aborted;
use crate::consumer::position::{Position, ResetTo};
use crate::consumer::watermarks::Watermarks;
use crate::error::{Error, ErrorCode, ErrorKind, Result};
use crate::ids::{
    BrokerId, LeaderEpoch, Offset, PartitionId, ProducerId, Timestamp, TopicId, TopicName,
    TopicPartition, Uuid,
};
use crate::wire::call::{Reply, Request};
use crate::wire::messages::fetch::{
    FetchPartition, FetchRequest, FetchResponse, FetchTopic, ForgottenTopic, NodeEndpoint,
    PartitionData,
};
use crate::wire::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use crate::wire::messages::offset_for_leader_epoch::{
    OffsetForLeaderEpochRequest, OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use crate::wire::versions::ApiKey;
use crate::wire::{Encode, EncodeError, Writer, millis};

/// The settings of a consumer that a Fetch request carries.
#[derive(Clone, Debug)]
pub(crate) struct FetchSettings {
    pub(crate) min_bytes: i32,
    pub(crate) max_bytes: i32,
    pub(crate) max_partition_bytes: i32,
    pub(crate) max_wait: Duration,
    pub(crate) isolation: IsolationLevel,
    pub(crate) rack: Option<String>,
    /// How long a reply may take beyond `max_wait`.
    pub(crate) timeout: Duration,
}

impl FetchSettings {
    pub(crate) fn new(config: &ConsumerConfig, request_timeout: Duration) -> Self {
        Self {
            min_bytes: config.fetch_min_bytes,
            max_bytes: reply_limit(config),
            max_partition_bytes: config.max_partition_fetch_bytes,
            max_wait: config.fetch_max_wait,
            isolation: config.isolation_level,
            rack: config.client_rack.clone(),
            timeout: request_timeout,
        }
    }
}

/// How many bytes one reply is asked to bring: up to [`REPLY`], if that is enough for one partition
/// and for the least it must bring.
fn reply_limit(config: &ConsumerConfig) -> i32 {
    REPLY
        .max(config.max_partition_fetch_bytes)
        .max(config.fetch_min_bytes)
        .min(config.fetch_max_bytes)
}

/// Larger replies are cold, fresh memory each time: with 60 partitions, one of 50 MiB took 1.8
/// times the processor time of twelve of this size.
const REPLY: i32 = 4 * 1024 * 1024;

/// What a broker answered to a fetch.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) session: i32,
    pub(crate) error: Option<ErrorCode>,
    /// How many bytes the reply takes, which everything that is a slice of it keeps in memory.
    pub(crate) size: usize,
    pub(crate) partitions: Vec<FetchedPartition>,
    /// The client asks too much, and the broker answers nothing instead (KIP-219).
    pub(crate) is_withheld: bool,
    /// Leaders that the reply names (KIP-951).
    pub(crate) hints: Vec<LeaderHint>,
}

/// What a broker answered for one partition.
#[derive(Debug)]
pub(crate) struct FetchedPartition {
    pub(crate) partition: TopicPartition,
    pub(crate) error: Option<ErrorCode>,
    /// Where the log parted from what was read.
    pub(crate) diverging: Option<Position>,
    /// A replica that is nearer (KIP-392).
    pub(crate) preferred: Option<BrokerId>,
    pub(crate) aborted: Vec<Aborted>,
    pub(crate) watermarks: Option<Watermarks>,
    pub(crate) records: Bytes,
    /// Whether `records` is a slice of the reply, and no copy.
    pub(crate) is_slice: bool,
}

/// Makes one fetch.
///
/// # Errors
/// As [`Cluster::call_with`], and [`ErrorKind::Protocol`] if the reply cannot be read.
pub(crate) async fn fetch(
    cluster: &Cluster,
    lane: Lane,
    settings: &FetchSettings,
    plan: &FetchPlan,
    names: &BTreeMap<TopicId, TopicName>,
    deadline: Instant,
) -> Result<Fetched> {
    let request = |version| fetch_request(settings, plan, version);
    if plan.is_by_name {
        let reply = cluster
            .call_with(plan.broker, lane, deadline, |version| FetchByName(request(version)))
            .await?;
        return Ok(fetched(&reply.parse()?, reply.frame(), names));
    }
    let reply = cluster.call_with(plan.broker, lane, deadline, request).await?;
    read_fetch(&reply, names)
}

/// A Fetch of the versions that name topics: what a cluster speaks that gives them no ids yet, in
/// the middle of an upgrade, though its brokers speak newer ones.
struct FetchByName<'a>(FetchRequest<'a>);

impl Encode for FetchByName<'_> {
    fn encode(&self, to: &mut Writer, version: i16) -> std::result::Result<(), EncodeError> {
        self.0.encode(to, version)
    }
}

impl Request for FetchByName<'_> {
    const API: ApiKey = FetchRequest::API;
    const VERSIONS: RangeInclusive<i16> = *FetchRequest::VERSIONS.start()..=12;
    const FLEXIBLE: i16 = FetchRequest::FLEXIBLE;
    const THROTTLE: i16 = FetchRequest::THROTTLE;
    type Response<'a> = FetchResponse<'a>;
}

/// What a reply says; its records stay where they are.
///
/// # Errors
/// [`ErrorKind::Protocol`] if it cannot be read.
pub(crate) fn read_fetch(
    reply: &Reply<FetchRequest<'_>>,
    names: &BTreeMap<TopicId, TopicName>,
) -> Result<Fetched> {
    Ok(fetched(&reply.parse()?, reply.frame(), names))
}

fn fetch_request<'a>(
    settings: &'a FetchSettings,
    plan: &'a FetchPlan,
    version: i16,
) -> FetchRequest<'a> {
    let session = &plan.request;
    let mut topics: Vec<FetchTopic<'a>> = Vec::new();
    for (partition, want) in &session.fetch {
        let wanted = FetchPartition {
            partition: partition.partition.0,
            current_leader_epoch: want.leader_epoch.map_or(-1, |epoch| epoch.0),
            fetch_offset: want.offset.0,
            partition_max_bytes: settings.max_partition_bytes,
            ..FetchPartition::default()
        };
        let topic_id = Uuid::from(want.topic_id);
        match topics
            .last_mut()
            .filter(|topic| topic.topic == &*partition.topic && topic.topic_id == topic_id)
        {
            Some(topic) => topic.partitions.push(wanted),
            None => topics.push(FetchTopic {
                topic: &partition.topic,
                topic_id,
                partitions: vec![wanted],
            }),
        }
    }
    let mut forgotten: Vec<ForgottenTopic<'a>> = Vec::new();
    for (partition, topic_id) in &session.forget {
        let topic_id = Uuid::from(*topic_id);
        match forgotten
            .last_mut()
            .filter(|topic| topic.topic == &*partition.topic && topic.topic_id == topic_id)
        {
            Some(topic) => topic.partitions.push(partition.partition.0),
            None => {
                forgotten.push(ForgottenTopic {
                    topic: &partition.topic,
                    topic_id,
                    partitions: vec![partition.partition.0],
                });
            }
        }
    }
    // Before version 7 there are no sessions, and every request is a full one.
    let has_sessions = version >= 7;
    FetchRequest {
        max_wait_ms: millis(if plan.is_glance { Duration::ZERO } else { settings.max_wait }),
        min_bytes: settings.min_bytes,
        max_bytes: settings.max_bytes,
        isolation_level: settings.isolation.wire(),
        session_id: if has_sessions { session.id } else { 0 },
        session_epoch: if has_sessions { session.epoch } else { -1 },
        topics,
        forgotten_topics_data: if has_sessions { forgotten } else { Vec::new() },
        rack_id: settings.rack.as_deref().unwrap_or_default(),
        ..FetchRequest::default()
    }
}

fn fetched(
    response: &FetchResponse<'_>,
    frame: &Bytes,
    names: &BTreeMap<TopicId, TopicName>,
) -> Fetched {
    let mut partitions = Vec::new();
    let mut hints = Vec::new();
    for topic in &response.responses {
        let name = match topic.topic_id.known() {
            Some(id) => names.get(&id).cloned(),
            None => Some(TopicName::from(topic.topic)),
        };
        // A topic that was not asked for: a session's memory of one that has been created anew.
        let Some(name) = name else { continue };
        for data in &topic.partitions {
            let partition = TopicPartition {
                topic: name.clone(),
                partition: PartitionId(data.partition_index),
            };
            if data.current_leader.leader_id >= 0 && data.current_leader.leader_epoch >= 0 {
                hints.push(hint(&partition, data, &response.node_endpoints));
            }
            partitions.push(fetched_partition(partition, data, frame));
        }
    }
    let error = ErrorCode::check(response.error_code).err();
    Fetched {
        session: response.session_id,
        error,
        size: frame.len(),
        partitions,
        is_withheld: response.throttle_time_ms > 0 && response.responses.is_empty(),
        hints,
    }
}

fn fetched_partition(
    partition: TopicPartition,
    data: &PartitionData<'_>,
    frame: &Bytes,
) -> FetchedPartition {
    let aborted = data.aborted_transactions.iter().flatten().map(|transaction| Aborted {
        producer: ProducerId(transaction.producer_id),
        first_offset: Offset(transaction.first_offset),
    });
    let records = data.records.unwrap_or_default();
    let is_slice = !is_few(records.len(), frame.len());
    FetchedPartition {
        partition,
        error: ErrorCode::check(data.error_code).err(),
        diverging: known_offset(data.diverging_epoch.end_offset).map(|offset| Position {
            offset,
            leader_epoch: known_epoch(data.diverging_epoch.epoch),
        }),
        preferred: (data.preferred_read_replica >= 0)
            .then_some(BrokerId(data.preferred_read_replica)),
        aborted: aborted.collect(),
        watermarks: known_offset(data.high_watermark).map(|high_watermark| Watermarks {
            log_start_offset: known_offset(data.log_start_offset),
            high_watermark,
            last_stable_offset: known_offset(data.last_stable_offset),
        }),
        records: if is_slice { frame.slice_ref(records) } else { Bytes::copy_from_slice(records) },
        is_slice,
    }
}

/// Whether so many bytes of a reply are better copied: whoever kept them, the buffer or the
/// application, would keep all of it.
fn is_few(bytes: usize, reply: usize) -> bool {
    bytes <= FEW || (bytes <= 4 * FEW && bytes <= reply / 8)
}

/// What costs little to copy, beside all else that is done for the records of a partition (a
/// guess).
const FEW: usize = 4 * 1024;

fn hint(
    partition: &TopicPartition,
    data: &PartitionData<'_>,
    endpoints: &[NodeEndpoint<'_>],
) -> LeaderHint {
    let leader = &data.current_leader;
    let endpoint = endpoints.iter().find(|endpoint| endpoint.node_id == leader.leader_id);
    let address = endpoint.and_then(|endpoint| {
        Some(BrokerAddress::new(endpoint.host, u16::try_from(endpoint.port).ok()?))
    });
    LeaderHint {
        partition: partition.clone(),
        leader: BrokerId(leader.leader_id),
        epoch: LeaderEpoch(leader.leader_epoch),
        address,
    }
}

/// What one partition answered to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LookupAnswer {
    /// The offset, with its leader epoch, and the timestamp of its record.
    Offset {
        position: Position,
        timestamp: Option<Timestamp>,
    },
    /// No record is that young.
    NoOffset,
    /// The newest epoch not above the one asked for, and where it ended; `None` if the broker does
    /// not know.
    EpochEnd(Option<Position>),
    Refused(ErrorCode),
}

/// Asks what [`super::lookup`] planned; the answers are in no order.
///
/// # Errors
/// As [`Cluster::call_with`], and [`ErrorKind::Protocol`] if the reply cannot be read.
pub(crate) async fn ask(
    cluster: &Cluster,
    ask: &LookupRequest,
    isolation: IsolationLevel,
    deadline: Instant,
) -> Result<Vec<(TopicPartition, LookupAnswer)>> {
    match ask.questions.first().map(|asked| asked.question) {
        Some(Lookup::Offset(_)) => {
            let now = cluster.wall_clock().now();
            let time_of = |asked: &PendingLookup| match asked.question {
                Lookup::Offset(to) => time_of(to, now),
                Lookup::Epoch(_) => LATEST,
            };
            let asked: Vec<_> = ask
                .questions
                .iter()
                .map(|asked| (&asked.partition, asked.leader_epoch, time_of(asked)))
                .collect();
            list_offsets(cluster, ask.broker, &asked, isolation, deadline).await
        }
        Some(Lookup::Epoch(_)) => match epoch_ends(cluster, ask, deadline).await {
            // A broker that cannot say is believed, as by Java's consumer.
            Err(error) if error.kind() == ErrorKind::Unsupported => Ok(ask
                .questions
                .iter()
                .map(|asked| (asked.partition.clone(), LookupAnswer::EpochEnd(None)))
                .collect()),
            answers => answers,
        },
        None => Ok(Vec::new()),
    }
}

/// The times by which ListOffsets is asked for an end of the log.
pub(crate) const LATEST: i64 = -1;
pub(crate) const EARLIEST: i64 = -2;

fn time_of(to: ResetTo, now: Timestamp) -> i64 {
    match to {
        ResetTo::Earliest => EARLIEST,
        ResetTo::Latest => LATEST,
        ResetTo::Time(time) => time.0,
        ResetTo::Ago(ago) => {
            now.0.saturating_sub(i64::try_from(ago.as_millis()).unwrap_or(i64::MAX)).max(0)
        }
    }
}

/// Asks a leader for offsets by time.
///
/// # Errors
/// As [`Cluster::call_with`], and [`ErrorKind::Protocol`] if the reply cannot be read.
pub(crate) async fn list_offsets(
    cluster: &Cluster,
    broker: BrokerId,
    asked: &[(&TopicPartition, Option<LeaderEpoch>, i64)],
    isolation: IsolationLevel,
    deadline: Instant,
) -> Result<Vec<(TopicPartition, LookupAnswer)>> {
    let request = |version: i16| {
        let mut topics: Vec<ListOffsetsTopic<'_>> = Vec::new();
        for (partition, epoch, timestamp) in asked {
            let current_leader_epoch =
                if version >= 4 { epoch.map_or(-1, |epoch| epoch.0) } else { -1 };
            let wanted = ListOffsetsPartition {
                partition_index: partition.partition.0,
                current_leader_epoch,
                timestamp: *timestamp,
            };
            match topics.last_mut().filter(|topic| topic.name == &*partition.topic) {
                Some(topic) => topic.partitions.push(wanted),
                None => topics
                    .push(ListOffsetsTopic { name: &partition.topic, partitions: vec![wanted] }),
            }
        }
        ListOffsetsRequest {
            replica_id: -1,
            isolation_level: isolation.wire(),
            topics,
            // Kafka's own consumer gives tiered storage as long as a request may take.
            timeout_ms: millis(cluster.config().request_timeout),
        }
    };
    let reply = cluster.call_with(broker, Lane::Control, deadline, request).await?;
    let response = reply.parse()?;
    let mut answers = Vec::with_capacity(asked.len());
    for topic in &response.topics {
        for found in &topic.partitions {
            let partition = TopicPartition::new(topic.name, found.partition_index);
            let answer = match (ErrorCode::check(found.error_code), known_offset(found.offset)) {
                (Err(code), _) => LookupAnswer::Refused(code),
                (Ok(()), Some(offset)) => LookupAnswer::Offset {
                    position: Position { offset, leader_epoch: known_epoch(found.leader_epoch) },
                    timestamp: (found.timestamp >= 0).then_some(Timestamp(found.timestamp)),
                },
                (Ok(()), None) => LookupAnswer::NoOffset,
            };
            answers.push((partition, answer));
        }
    }
    Ok(answers)
}

async fn epoch_ends(
    cluster: &Cluster,
    ask: &LookupRequest,
    deadline: Instant,
) -> Result<Vec<(TopicPartition, LookupAnswer)>> {
    let request = |_| {
        let mut topics: Vec<OffsetForLeaderTopic<'_>> = Vec::new();
        for PendingLookup { partition, question, leader_epoch, .. } in &ask.questions {
            let Lookup::Epoch(Position { leader_epoch: Some(read_in), .. }) = question else {
                continue;
            };
            let wanted = OffsetForLeaderPartition {
                partition: partition.partition.0,
                current_leader_epoch: leader_epoch.map_or(-1, |epoch| epoch.0),
                leader_epoch: read_in.0,
            };
            match topics.last_mut().filter(|topic| topic.topic == &*partition.topic) {
                Some(topic) => topic.partitions.push(wanted),
                None => topics.push(OffsetForLeaderTopic {
                    topic: &partition.topic,
                    partitions: vec![wanted],
                }),
            }
        }
        // -1: a consumer, not a replica. The schema's default of -2 is a debugging consumer.
        OffsetForLeaderEpochRequest { replica_id: -1, topics }
    };
    let reply = cluster.call_with(ask.broker, Lane::Control, deadline, request).await?;
    let response = reply.parse()?;
    let mut answers = Vec::with_capacity(ask.questions.len());
    for topic in &response.topics {
        for end in &topic.partitions {
            let partition = TopicPartition::new(topic.topic, end.partition);
            let answer = match ErrorCode::check(end.error_code) {
                // Before version 3 this was for brokers only.
                Err(ErrorCode::CLUSTER_AUTHORIZATION_FAILED | ErrorCode::UNSUPPORTED_VERSION) => {
                    LookupAnswer::EpochEnd(None)
                }
                Err(code) => LookupAnswer::Refused(code),
                Ok(()) => {
                    let position = known_offset(end.end_offset).zip(known_epoch(end.leader_epoch));
                    LookupAnswer::EpochEnd(
                        position
                            .map(|(offset, epoch)| Position { offset, leader_epoch: Some(epoch) }),
                    )
                }
            };
            answers.push((partition, answer));
        }
    }
    Ok(answers)
}

/// The error of a partition's answer.
pub(crate) fn refusal(code: ErrorCode, api: &'static str, partition: &TopicPartition) -> Error {
    Error::broker(code).in_api(api).at_partition(partition.clone())
}

fn known_offset(offset: i64) -> Option<Offset> {
    (offset >= 0).then_some(Offset(offset))
}

fn known_epoch(epoch: i32) -> Option<LeaderEpoch> {
    (epoch >= 0).then_some(LeaderEpoch(epoch))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consumer::fetch::session::SessionRequest;

    #[test]
    fn a_reply_is_asked_to_be_of_a_moderate_size() {
        let config = ConsumerConfig::new();
        assert_eq!(reply_limit(&config), REPLY);
        assert_eq!(
            reply_limit(&config.clone().fetch_max_bytes(1_000)),
            1_000,
            "what the user allows"
        );
        assert_eq!(
            reply_limit(&config.clone().max_partition_fetch_bytes(REPLY + 1)),
            REPLY + 1,
            "a partition is brought whole"
        );
        assert_eq!(
            reply_limit(&config.fetch_min_bytes(REPLY + 2)),
            REPLY + 2,
            "what a broker waits for can come"
        );
    }

    /// One that is parked at a broker would hold up the full partition when it has drained.
    #[test]
    fn a_glance_does_not_wait_for_records() {
        let settings = FetchSettings::new(&ConsumerConfig::new(), Duration::from_secs(30));
        for (is_glance, wait) in [(false, 500), (true, 0)] {
            let request =
                SessionRequest { id: 0, epoch: -1, fetch: Vec::new(), forget: Vec::new() };
            let plan = FetchPlan { broker: BrokerId(1), request, is_glance, is_by_name: false };
            assert_eq!(fetch_request(&settings, &plan, 17).max_wait_ms, wait);
        }
    }

    #[test]
    fn few_records_of_a_large_reply_do_not_keep_it() {
        let frame = Bytes::from(vec![0; 64 * 1024]);
        let of = |bytes: usize| {
            let data = PartitionData { records: frame.get(..bytes), ..PartitionData::default() };
            fetched_partition(TopicPartition::new("t", 0), &data, &frame)
        };
        let (few, many) = (of(70), of(32 * 1024));
        assert!(!few.is_slice && many.is_slice);
        assert_ne!(few.records.as_ptr(), frame.as_ptr(), "it is in memory of its own");
        assert_eq!(many.records.as_ptr(), frame.as_ptr(), "it is not copied");
    }
}
