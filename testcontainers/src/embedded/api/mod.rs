//! Which APIs there are, and the way of a request: decode, track, meet the fault rules, serve,
//! encode.

mod add_offsets_to_txn;
mod add_partitions_to_txn;
mod alter_share_group_offsets;
mod api_versions;
mod consumer_group_describe;
mod consumer_group_heartbeat;
mod create_partitions;
mod create_topics;
mod delete_groups;
mod delete_records;
mod delete_share_group_offsets;
mod delete_topics;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_producers;
mod describe_share_group_offsets;
mod describe_topic_partitions;
mod describe_transactions;
mod end_txn;
pub(crate) mod exchange;
mod fetch;
mod fetch_partition;
mod find_coordinator;
mod get_telemetry_subscriptions;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod join_group;
mod leave_group;
mod list_groups;
mod list_offsets;
mod list_transactions;
mod metadata;
pub(crate) mod newer;
mod offset_commit;
mod offset_fetch;
mod offset_for_leader_epoch;
mod produce;
mod produce_transactional;
mod push_telemetry;
mod sasl_authenticate;
mod sasl_handshake;
mod share_acknowledge;
mod share_fetch;
mod share_fetch_read;
mod share_group_describe;
mod share_group_heartbeat;
mod sync_group;
mod txn_offset_commit;
mod write_txn_markers;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, AlterShareGroupOffsetsRequest, ApiKey,
    ApiVersionsRequest, ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest,
    CreatePartitionsRequest, CreateTopicsRequest, DeleteGroupsRequest, DeleteRecordsRequest,
    DeleteShareGroupOffsetsRequest, DeleteTopicsRequest, DescribeClusterRequest,
    DescribeConfigsRequest, DescribeGroupsRequest, DescribeProducersRequest,
    DescribeTopicPartitionsRequest, DescribeTransactionsRequest, EndTxnRequest, FetchRequest,
    FindCoordinatorRequest, GetTelemetrySubscriptionsRequest, HeartbeatRequest,
    IncrementalAlterConfigsRequest, InitProducerIdRequest, JoinGroupRequest, LeaveGroupRequest,
    ListGroupsRequest, ListOffsetsRequest, ListTransactionsRequest, MetadataRequest,
    OffsetCommitRequest, OffsetFetchRequest, OffsetForLeaderEpochRequest, ProduceRequest,
    PushTelemetryRequest, RequestHeader, ResponseHeader, SaslAuthenticateRequest,
    SaslHandshakeRequest, ShareGroupDescribeRequest, ShareGroupHeartbeatRequest, SyncGroupRequest,
    TxnOffsetCommitRequest, WriteTxnMarkersRequest,
};
use kafka_protocol::protocol::{Encodable, StrBytes};
use tokio::time::sleep;

use super::fault::{Facts, Hit, Reaction};
use super::lie;
use super::state::{Shared, State, TopicPartition};
use super::track::{REMEMBERED, TrackedRequest};

use exchange::Exchange;
use newer::describe_share_group_offsets::DescribeShareOffsets;
use newer::share_acknowledge::ShareAcknowledge;
use newer::share_fetch::ShareFetch;

pub(crate) use api_versions::unsupported_version;

/// An API that the brokers serve.
trait Api: Exchange + Send + 'static {
    /// The versions served, first and last.
    const SERVED: (i16, i16);

    /// The partitions that the request names, for fault rules and tracking.
    fn touches(&self, _state: &State, _broker: i32) -> Vec<TopicPartition> {
        Vec::new()
    }

    /// The group or transaction that the request is for: (key type, key).
    fn coordinated(&self) -> Option<(i8, String)> {
        None
    }

    /// Serves the request; `None` when there is no reply.
    fn handle(self, call: &Call) -> impl Future<Output = Option<Self::Response>> + Send;
}

macro_rules! apis {
    ($($request:ty),* $(,)?) => {
        /// The versions of every API served, by key.
        pub(crate) fn served() -> BTreeMap<i16, (i16, i16)> {
            BTreeMap::from([$((<$request as Exchange>::KEY, <$request>::SERVED)),*])
        }

        /// Serves one request from its header to its reply.
        pub(crate) async fn serve(call: Call, body: Bytes) -> Outcome {
            match call.header.request_api_key {
                $(key if key == <$request as Exchange>::KEY => run::<$request>(call, body).await,)*
                _ => Outcome::Close,
            }
        }
    };
}

apis!(
    AddOffsetsToTxnRequest,
    AddPartitionsToTxnRequest,
    AlterShareGroupOffsetsRequest,
    ApiVersionsRequest,
    ConsumerGroupDescribeRequest,
    ConsumerGroupHeartbeatRequest,
    CreatePartitionsRequest,
    CreateTopicsRequest,
    DeleteGroupsRequest,
    DeleteRecordsRequest,
    DeleteShareGroupOffsetsRequest,
    DeleteTopicsRequest,
    DescribeClusterRequest,
    DescribeConfigsRequest,
    DescribeGroupsRequest,
    DescribeProducersRequest,
    DescribeShareOffsets,
    DescribeTopicPartitionsRequest,
    DescribeTransactionsRequest,
    EndTxnRequest,
    FetchRequest,
    FindCoordinatorRequest,
    GetTelemetrySubscriptionsRequest,
    HeartbeatRequest,
    IncrementalAlterConfigsRequest,
    InitProducerIdRequest,
    JoinGroupRequest,
    LeaveGroupRequest,
    ListGroupsRequest,
    ListOffsetsRequest,
    ListTransactionsRequest,
    MetadataRequest,
    OffsetCommitRequest,
    OffsetFetchRequest,
    OffsetForLeaderEpochRequest,
    ProduceRequest,
    PushTelemetryRequest,
    SaslAuthenticateRequest,
    SaslHandshakeRequest,
    ShareAcknowledge,
    ShareFetch,
    ShareGroupDescribeRequest,
    ShareGroupHeartbeatRequest,
    SyncGroupRequest,
    TxnOffsetCommitRequest,
    WriteTxnMarkersRequest,
);

/// A request on its way.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) shared: Arc<Shared>,
    pub(crate) broker: i32,
    pub(crate) connection: u64,
    pub(crate) header: RequestHeader,
    /// Bytes of the frame.
    pub(crate) size: usize,
    hits: Vec<Hit>,
    close: AtomicBool,
    is_last: AtomicBool,
}

/// How a request ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The reply, from the correlation id on.
    Reply(BytesMut),
    /// The reply, then the end of the connection.
    Last(BytesMut),
    /// The reply's first bytes, then the end of the connection.
    Truncated(BytesMut),
    /// The reply under another length.
    Misframed(i32, BytesMut),
    /// Nothing is to be said.
    Nothing,
    /// Nothing will ever be said again.
    Mute,
    Close,
}

impl Call {
    pub(crate) fn new(
        shared: Arc<Shared>,
        broker: i32,
        connection: u64,
        header: RequestHeader,
        size: usize,
    ) -> Self {
        Self {
            shared,
            broker,
            connection,
            header,
            size,
            hits: Vec::new(),
            close: AtomicBool::new(false),
            is_last: AtomicBool::new(false),
        }
    }

    fn version(&self) -> i16 {
        self.header.request_api_version
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.lock()
    }

    fn client_id(&self) -> &str {
        self.header.client_id.as_deref().unwrap_or_default()
    }

    /// Ends the connection after this request, as a broker does that cannot answer an error.
    fn close_connection(&self) {
        self.close.store(true, Ordering::Relaxed);
    }

    /// Ends the connection after the reply to this request.
    fn close_after_reply(&self) {
        self.is_last.store(true, Ordering::Relaxed);
    }

    /// The error that a rule wants answered for a partition.
    fn injected(&self, topic: &str, partition: i32) -> Option<ResponseError> {
        self.hits.iter().filter(|hit| hit.is_for(topic, partition)).find_map(answer)
    }

    /// The error that a rule wants answered for the whole request.
    fn injected_any(&self) -> Option<ResponseError> {
        self.hits.iter().find_map(answer)
    }

    fn throttle_ms(&self) -> i32 {
        let asked = self.delay(|reaction| {
            if let Reaction::Throttle(silence) = reaction { Some(silence) } else { None }
        });
        if !asked.is_zero() {
            return i32::try_from(asked.as_millis()).unwrap_or(i32::MAX);
        }
        self.lock().broker(self.broker).map_or(0, super::broker::Broker::throttle_ms)
    }

    /// Notes the request and finds the rules that it meets; moves what they move.
    fn meet(
        &mut self,
        api: ApiKey,
        partitions: Vec<TopicPartition>,
        coordinated: Option<(i8, String)>,
    ) {
        let shared = Arc::clone(&self.shared);
        let now = shared.moment();
        let mut state = shared.lock();
        let state = &mut *state;
        let client_id = self.header.client_id.as_deref();
        let facts = Facts {
            api,
            broker: self.broker,
            version: self.header.request_api_version,
            client_id,
            partitions: &partitions,
        };
        self.hits = state.faults.judge(&facts, &mut state.random);
        for hit in &self.hits {
            match hit.reaction() {
                Reaction::MoveLeader(to) => {
                    for (topic, partition) in
                        partitions.iter().filter(|(topic, index)| hit.is_for(topic, *index))
                    {
                        state.move_leader(topic, *partition, to);
                    }
                    shared.wake();
                }
                Reaction::MoveCoordinator(to) => {
                    if let Some((key_type, key)) = &coordinated {
                        state.move_coordinator(*key_type, key, to, now);
                        shared.wake();
                    }
                }
                Reaction::SetVersions { api, min, max } => {
                    if let Some(broker) = state.brokers.get_mut(&self.broker) {
                        broker.versions.insert(api as i16, (min, max));
                    }
                }
                _ => {}
            }
        }
        if state.requests.len() == REMEMBERED {
            state.requests.pop_front();
        }
        state.requests.push_back(TrackedRequest {
            at: now.elapsed,
            broker: self.broker,
            connection: self.connection,
            client_id: self.header.client_id.as_deref().map(str::to_owned),
            api,
            version: self.version(),
            correlation_id: self.header.correlation_id,
            partitions,
            size: self.size,
        });
    }

    fn delay(&self, of: fn(Reaction) -> Option<Duration>) -> Duration {
        self.hits.iter().filter_map(|hit| of(hit.reaction())).sum()
    }

    fn is_hit_by(&self, reaction: Reaction) -> bool {
        self.hits.iter().any(|hit| hit.reaction() == reaction)
    }

    /// Bends an honest reply as the rules say.
    fn bend(&self, mut reply: BytesMut) -> Outcome {
        for hit in &self.hits {
            match hit.reaction() {
                Reaction::Garbage(length) => {
                    reply.truncate(4);
                    reply.extend_from_slice(&self.lock().random.bytes(length));
                }
                Reaction::WrongCorrelation => {
                    if let Some(id) = reply.first_chunk_mut() {
                        *id = self.header.correlation_id.wrapping_add(1).to_be_bytes();
                    }
                }
                Reaction::Mutate => lie::mutate(&mut reply, &mut self.lock().random),
                Reaction::WrongLength(length) => return Outcome::Misframed(length, reply),
                Reaction::Truncate(length) => {
                    reply.truncate(length);
                    return Outcome::Truncated(reply);
                }
                _ => {}
            }
        }
        Outcome::Reply(reply)
    }
}

fn answer(hit: &Hit) -> Option<ResponseError> {
    match hit.reaction() {
        Reaction::Answer(error) => Some(error),
        _ => None,
    }
}

async fn run<A: Api>(mut call: Call, mut body: Bytes) -> Outcome {
    let Ok(api) = ApiKey::try_from(A::KEY) else { return Outcome::Close };
    let request = match A::read(&mut body, call.version()) {
        Ok(request) if !body.has_remaining() => request,
        Ok(_) => {
            tracing::error!(
                ?api,
                version = call.version(),
                left = body.remaining(),
                "request has bytes left over"
            );
            return Outcome::Close;
        }
        Err(error) => {
            tracing::error!(?api, version = call.version(), %error, "request cannot be decoded");
            return Outcome::Close;
        }
    };
    let touches = request.touches(&call.lock(), call.broker);
    call.meet(api, touches, request.coordinated());
    wait(
        call.delay(
            |reaction| if let Reaction::Delay(delay) = reaction { Some(delay) } else { None },
        ),
    )
    .await;
    if call.is_hit_by(Reaction::CloseBefore) {
        return Outcome::Close;
    }
    tracing::trace!(
        broker = call.broker,
        connection = call.connection,
        ?api,
        version = call.version(),
        "serving"
    );
    let response = request.handle(&call).await;
    wait(call.delay(
        |reaction| if let Reaction::DelayReply(delay) = reaction { Some(delay) } else { None },
    ))
    .await;
    if call.is_hit_by(Reaction::CloseAfter) || call.close.load(Ordering::Relaxed) {
        return Outcome::Close;
    }
    if call.is_hit_by(Reaction::DropReply) {
        return Outcome::Mute;
    }
    let Some(response) = response else { return Outcome::Nothing };
    match encode::<A>(&call.header, &response) {
        Ok(reply) => match call.bend(reply) {
            Outcome::Reply(reply) if call.is_last.load(Ordering::Relaxed) => Outcome::Last(reply),
            bent => bent,
        },
        Err(error) => {
            tracing::error!(?api, version = call.version(), %error, "reply cannot be encoded");
            Outcome::Close
        }
    }
}

async fn wait(duration: Duration) {
    if !duration.is_zero() {
        sleep(duration).await;
    }
}

/// The reply's frame without its length.
fn encode<A: Exchange>(
    request: &RequestHeader,
    response: &A::Response,
) -> Result<BytesMut, exchange::Malformed> {
    let version = request.request_api_version;
    let mut to = BytesMut::new();
    let header = ResponseHeader::default().with_correlation_id(request.correlation_id);
    header.encode(&mut to, A::reply_header(version)).map_err(exchange::text)?;
    A::write(response, &mut to, version)?;
    Ok(to)
}

/// The code of an outcome: 0 for success.
fn code<T>(result: &Result<T, ResponseError>) -> i16 {
    result.as_ref().err().map_or(0, ResponseError::code)
}

fn text(text: &'static str) -> Option<StrBytes> {
    Some(StrBytes::from_static_str(text))
}

fn owned(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// A duration in a request; a negative one is none.
fn duration(ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

/// How a fenced producer is told: older versions know only a wrong epoch.
fn fenced(error: ResponseError, by_its_own_code: bool) -> ResponseError {
    match error {
        ResponseError::ProducerFenced if !by_its_own_code => ResponseError::InvalidProducerEpoch,
        error => error,
    }
}
