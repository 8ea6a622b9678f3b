//! Fetch, key 1, versions 4 to 17: with sessions, and parked until there is enough.

use std::collections::BTreeSet;
use std::pin::pin;
use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, NodeEndpoint};
use kafka_protocol::messages::{FetchRequest, FetchResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use tokio::time::{Instant, sleep_until};

use super::fetch_partition::{Limits, Read, Reader};
use super::{Api, Call};
use crate::embedded::sessions::{Opened, PartitionKey, SessionRequest, Told, TopicKey, Wanted};
use crate::embedded::state::{State, TopicPartition};

const READ_COMMITTED: i8 = 1;

impl Api for FetchRequest {
    const SERVED: (i16, i16) = (4, 17);

    fn touches(&self, state: &State, broker: i32) -> Vec<TopicPartition> {
        let named = wanted(&self.topics).into_iter().map(|(key, _)| key);
        let held = state
            .broker(broker)
            .into_iter()
            .flat_map(|broker| broker.sessions.partitions_of(self.session_id));
        let keys: BTreeSet<PartitionKey> = named.chain(held.cloned()).collect();
        keys.iter().filter_map(|(topic, index)| Some((resolve(state, topic)?, *index))).collect()
    }

    async fn handle(self, call: &Call) -> Option<FetchResponse> {
        let deadline =
            Instant::now() + Duration::from_millis(u64::try_from(self.max_wait_ms).unwrap_or(0));
        let opened = match open(call, &self) {
            Ok(opened) => opened,
            Err(error) => return Some(failed(call, error)),
        };
        loop {
            let mut changed = pin!(call.shared.changed.notified());
            changed.as_mut().enable();
            if let Some(response) = attempt(call, &self, &opened, Instant::now() >= deadline) {
                return Some(response);
            }
            tokio::select! {
                biased;
                () = changed => {}
                () = sleep_until(deadline) => {}
            }
        }
    }
}

fn open(call: &Call, request: &FetchRequest) -> Result<Opened, ResponseError> {
    if let Some(error) = call.injected_any().filter(|error| is_of_session(*error)) {
        return Err(error);
    }
    let mut state = call.lock();
    // Positive, and never 0: that means "no session".
    let fresh_id =
        i32::try_from(1 + state.random.below(i32::MAX.unsigned_abs().into())).unwrap_or(1);
    let broker = state.brokers.get_mut(&call.broker).ok_or(ResponseError::BrokerNotAvailable)?;
    let session = SessionRequest {
        id: request.session_id,
        epoch: request.session_epoch,
        uses_ids: call.version() >= 13,
        wanted: wanted(&request.topics),
        forgotten: forgotten(&request.forgotten_topics_data),
    };
    broker.sessions.open(session, fresh_id, Instant::now())
}

/// The reply, if there is enough for one or no time left.
fn attempt(
    call: &Call,
    request: &FetchRequest,
    opened: &Opened,
    is_late: bool,
) -> Option<FetchResponse> {
    let mut state = call.lock();
    let reader = Reader {
        broker: call.broker,
        version: call.version(),
        committed_only: request.isolation_level == READ_COMMITTED,
        names_rack: !request.rack_id.is_empty(),
    };
    let enough = usize::try_from(request.min_bytes).unwrap_or(0);
    if !is_late && !opened.partitions.is_empty() && !is_ready(call, &state, reader, opened, enough)
    {
        return None;
    }
    let mut limits = Limits::new(request.max_bytes);
    let mut reads = Vec::new();
    for (key, wanted, told) in &opened.partitions {
        let read = read(call, &state, reader, key, *wanted, &mut limits);
        reads.push((key.clone(), *told, read));
    }
    if opened.id != 0 {
        let told: Vec<(PartitionKey, Told, bool)> = reads
            .iter()
            .map(|(key, _, read)| (key.clone(), read.told(), read.has_records()))
            .collect();
        if let Some(broker) = state.brokers.get_mut(&call.broker) {
            broker.sessions.told(opened.id, &told);
        }
    }
    let leaders: BTreeSet<i32> =
        reads.iter().filter_map(|(.., read)| read.hinted_leader()).collect();
    let endpoints = leaders
        .into_iter()
        .filter(|_| call.version() >= 16)
        .filter_map(|id| state.endpoint(id))
        .map(|node| {
            NodeEndpoint::default()
                .with_node_id(node.id)
                .with_host(node.host)
                .with_port(node.port)
                .with_rack(node.rack)
        });
    let endpoints = endpoints.collect();
    drop(state);
    let changed =
        reads.into_iter().filter(|(_, told, read)| !opened.incremental || read.is_news(*told));
    let response = FetchResponse::default()
        .with_session_id(opened.id)
        .with_responses(by_topic(changed.map(|(key, _, read)| (key, read))))
        .with_node_endpoints(endpoints);
    Some(response.with_throttle_time_ms(call.throttle_ms()))
}

fn is_ready(call: &Call, state: &State, reader: Reader, opened: &Opened, enough: usize) -> bool {
    let mut sum = 0_usize;
    for ((topic, index), wanted, _) in &opened.partitions {
        let Some(name) = resolve(state, topic) else { return true };
        if call.injected(&name, *index).is_some() {
            return true;
        }
        match reader.available(state, &name, *index, *wanted, enough) {
            Some(bytes) => sum = sum.saturating_add(bytes),
            None => return true,
        }
    }
    sum >= enough
}

fn read(
    call: &Call,
    state: &State,
    reader: Reader,
    key: &PartitionKey,
    wanted: Wanted,
    limits: &mut Limits,
) -> Read {
    let Some(name) = resolve(state, &key.0) else {
        return Read::failed(key.1, ResponseError::UnknownTopicId);
    };
    match call.injected(&name, key.1) {
        Some(error) => Read::failed(key.1, error),
        None => reader.read(state, &name, key.1, wanted, limits),
    }
}

fn failed(call: &Call, error: ResponseError) -> FetchResponse {
    FetchResponse::default().with_error_code(error.code()).with_throttle_time_ms(call.throttle_ms())
}

fn is_of_session(error: ResponseError) -> bool {
    matches!(
        error,
        ResponseError::FetchSessionIdNotFound
            | ResponseError::InvalidFetchSessionEpoch
            | ResponseError::FetchSessionTopicIdError
    )
}

fn resolve(state: &State, topic: &TopicKey) -> Option<String> {
    match topic {
        TopicKey::Name(name) => Some(name.clone()),
        TopicKey::Id(id) => state.topic_names.get(id).cloned(),
    }
}

fn key_of(name: &TopicName, id: uuid::Uuid) -> TopicKey {
    if id.is_nil() { TopicKey::Name(name.to_string()) } else { TopicKey::Id(id) }
}

fn wanted(topics: &[FetchTopic]) -> Vec<(PartitionKey, Wanted)> {
    let entry = |topic: &FetchTopic, one: &FetchPartition| {
        let wanted = Wanted {
            offset: one.fetch_offset,
            current_leader_epoch: one.current_leader_epoch,
            last_fetched_epoch: one.last_fetched_epoch,
            max_bytes: one.partition_max_bytes,
        };
        ((key_of(&topic.topic, topic.topic_id), one.partition), wanted)
    };
    topics
        .iter()
        .flat_map(|topic| topic.partitions.iter().map(move |one| entry(topic, one)))
        .collect()
}

fn forgotten(topics: &[ForgottenTopic]) -> Vec<PartitionKey> {
    let keys = |topic: &ForgottenTopic| {
        let key = key_of(&topic.topic, topic.topic_id);
        topic.partitions.iter().map(move |index| (key.clone(), *index)).collect::<Vec<_>>()
    };
    topics.iter().flat_map(keys).collect()
}

/// Consecutive partitions of a topic go under one entry, as a broker groups them.
fn by_topic(reads: impl Iterator<Item = (PartitionKey, Read)>) -> Vec<FetchableTopicResponse> {
    let mut topics: Vec<(TopicKey, FetchableTopicResponse)> = Vec::new();
    for ((key, _), read) in reads {
        match topics.last_mut().filter(|(last, _)| *last == key) {
            Some((_, topic)) => topic.partitions.push(read.into_response()),
            None => {
                let topic =
                    FetchableTopicResponse::default().with_partitions(vec![read.into_response()]);
                let topic = match &key {
                    TopicKey::Name(name) => {
                        topic.with_topic(TopicName(StrBytes::from_string(name.clone())))
                    }
                    TopicKey::Id(id) => topic.with_topic_id(*id),
                };
                topics.push((key, topic));
            }
        }
    }
    topics.into_iter().map(|(_, topic)| topic).collect()
}
