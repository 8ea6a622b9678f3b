//! ShareFetch, key 78, versions 1 and 2: acknowledgements, then records, for which it may wait.

use std::collections::BTreeSet;
use std::pin::pin;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::ShareFetchResponse;
use kafka_protocol::messages::share_fetch_request::AcknowledgementBatch;
use kafka_protocol::messages::share_fetch_response::{
    LeaderIdAndEpoch, NodeEndpoint, PartitionData, ShareFetchableTopicResponse,
};
use tokio::time::{Instant, sleep_until};

use super::newer::share_fetch::ShareFetch;
use super::share_acknowledge::{
    Outcomes, SaidOfPartition, begin, hint, is_of_session, lock_timeout_ms, named, owner,
};
use super::share_fetch_read::{Fetching, ShareRead};
use super::{Api, Call, duration, owned};
use crate::embedded::share::sessions::{
    CLOSE, SessionOwner, SessionPartition, ShareOpened, ShareSessionRequest,
};
use crate::embedded::state::{State, TopicPartition};

impl Api for ShareFetch {
    const SERVED: (i16, i16) = (1, 2);

    fn touches(&self, state: &State, broker: i32) -> Vec<TopicPartition> {
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let group = text(self.request.group_id.as_ref().map(|group| group.as_str()));
        let member = text(self.request.member_id.as_deref());
        let held = state
            .broker(broker)
            .map(|broker| broker.share.sessions.partitions_of(&(group, member)))
            .unwrap_or_default();
        let all: BTreeSet<SessionPartition> = self.wanted().into_iter().chain(held).collect();
        all.into_iter().filter_map(|one| named(state, one)).collect()
    }

    async fn handle(self, call: &Call) -> Option<ShareFetchResponse> {
        let response = match serve(call, &self).await {
            Ok(response) => response,
            Err(error) => ShareFetchResponse::default()
                .with_error_code(error.code())
                .with_error_message(Some(owned(&error.to_string()))),
        };
        call.shared.timers.notify_one();
        Some(response.with_throttle_time_ms(call.throttle_ms()))
    }
}

impl ShareFetch {
    fn wanted(&self) -> Vec<SessionPartition> {
        let topics = self.request.topics.iter();
        topics
            .flat_map(|topic| {
                topic.partitions.iter().map(|one| (topic.topic_id, one.partition_index))
            })
            .collect()
    }

    fn forgotten(&self) -> Vec<SessionPartition> {
        let topics = self.request.forgotten_topics_data.iter();
        topics
            .flat_map(|topic| topic.partitions.iter().map(|index| (topic.topic_id, *index)))
            .collect()
    }

    /// What it says of records; empty if it says nothing of any.
    fn said(&self) -> Vec<SaidOfPartition> {
        let said = |batch: &AcknowledgementBatch| {
            (batch.first_offset, batch.last_offset, batch.acknowledge_types.clone())
        };
        let topics = self.request.topics.iter();
        let said: Vec<SaidOfPartition> = topics
            .flat_map(|topic| {
                topic.partitions.iter().map(move |one| SaidOfPartition {
                    partition: (topic.topic_id, one.partition_index),
                    batches: one.acknowledgement_batches.iter().map(said).collect(),
                })
            })
            .collect();
        if said.iter().all(|one| one.batches.is_empty()) { Vec::new() } else { said }
    }

    /// A renewal must not ask for records: their locks would run while it waits.
    fn check_renewal(&self) -> Result<(), ResponseError> {
        let asked = &self.request;
        let asks =
            [asked.max_bytes, asked.min_bytes, asked.max_records, asked.max_wait_ms] != [0; 4];
        if self.is_renew && asks { Err(ResponseError::InvalidRequest) } else { Ok(()) }
    }
}

async fn serve(call: &Call, request: &ShareFetch) -> Result<ShareFetchResponse, ResponseError> {
    let deadline = Instant::now() + duration(request.request.max_wait_ms);
    let asked = &request.request;
    let owner = owner(call, asked.group_id.as_ref(), asked.member_id.as_deref())?;
    request.check_renewal()?;
    let said = request.said();
    let opened = match open(call, request, &owner, !said.is_empty()) {
        Err(ResponseError::ShareSessionLimitReached) => {
            // So that the client does not ask again at once.
            sleep_until(deadline).await;
            return Err(ResponseError::ShareSessionLimitReached);
        }
        opened => opened?,
    };
    let (outcomes, reads) =
        acknowledge_and_fetch(call, request, &owner, &opened, said, deadline).await;
    let mut state = call.lock();
    let response = respond(call, &mut state, &owner, &opened, reads, outcomes);
    if asked.share_session_epoch == CLOSE {
        state.release_session(call.broker, &owner);
    }
    response
}

fn open(
    call: &Call,
    request: &ShareFetch,
    owner: &SessionOwner,
    acknowledges: bool,
) -> Result<ShareOpened, ResponseError> {
    if let Some(error) = call.injected_any().filter(|error| is_of_session(*error)) {
        return Err(error);
    }
    let mut state = call.lock();
    let broker = state.brokers.get_mut(&call.broker).ok_or(ResponseError::BrokerNotAvailable)?;
    broker.share.sessions.open(ShareSessionRequest {
        owner: owner.clone(),
        epoch: request.request.share_session_epoch,
        connection: call.connection,
        wanted: request.wanted(),
        forgotten: request.forgotten(),
        acknowledges,
    })
}

/// Acknowledges, and waits until there is enough or no time left.
///
/// The first look at records comes before what is said has been written down: it does not find what
/// the same request has released. Nor is there another one until something changes.
async fn acknowledge_and_fetch(
    call: &Call,
    request: &ShareFetch,
    owner: &SessionOwner,
    opened: &ShareOpened,
    said: Vec<SaidOfPartition>,
    deadline: Instant,
) -> (Outcomes, Vec<ShareRead>) {
    let mut changed = pin!(call.shared.changed.notified());
    changed.as_mut().enable();
    let (outcomes, mut fetching) = {
        let mut state = call.lock();
        let begun = begin(call, &mut state, owner, said, request.is_renew);
        if request.is_renew {
            return (begun.finish(call, &mut state), Vec::new());
        }
        let mut fetching = Fetching::begin(call, &mut state, request, owner, opened);
        let reads = fetching.attempt(call, &mut state, Instant::now() >= deadline);
        let outcomes = begun.finish(call, &mut state);
        if let Some(reads) = reads {
            return (outcomes, reads);
        }
        (outcomes, fetching)
    };
    loop {
        tokio::select! {
            biased;
            () = changed.as_mut() => {}
            () = sleep_until(deadline) => {}
        }
        changed.set(call.shared.changed.notified());
        changed.as_mut().enable();
        let is_late = Instant::now() >= deadline;
        if let Some(reads) = fetching.attempt(call, &mut call.lock(), is_late) {
            return (outcomes, reads);
        }
    }
}

fn respond(
    call: &Call,
    state: &mut State,
    owner: &SessionOwner,
    opened: &ShareOpened,
    reads: Vec<ShareRead>,
    outcomes: Outcomes,
) -> Result<ShareFetchResponse, ResponseError> {
    let broker = state.brokers.get_mut(&call.broker).ok_or(ResponseError::BrokerNotAvailable)?;
    let sessions = &mut broker.share.sessions;
    if opened.resumed.is_some_and(|resumed| sessions.has_moved(owner, resumed)) {
        return Err(ResponseError::InvalidShareSessionEpoch);
    }
    let mut told: Vec<(SessionPartition, PartitionData)> = Vec::new();
    let mut leaders = BTreeSet::new();
    for read in reads {
        let (has_records, failure) = (!read.records.is_empty(), read.error);
        let is_told = opened.resumed.is_none()
            || sessions.tell(owner, read.partition, has_records, failure.is_some());
        if is_told {
            told.push((read.partition, read.into_response()));
        }
    }
    if told.iter().any(|((topic, _), _)| !state.topic_names.contains_key(topic)) {
        // Kafka 4.3 means to answer UNKNOWN_TOPIC_ID for the partition, and fails as it counts the
        // bytes of a topic without a name.
        return Err(ResponseError::UnknownServerError);
    }
    for (partition, data) in &mut told {
        let error = ResponseError::try_from_code(data.error_code);
        if let Some((leader, epoch)) = error.and_then(|error| hint(state, *partition, error)) {
            data.current_leader =
                LeaderIdAndEpoch::default().with_leader_id(leader).with_leader_epoch(epoch);
            leaders.insert(leader);
        }
    }
    for (partition, result) in outcomes {
        let at = told.iter().position(|(known, _)| *known == partition);
        let mut data = match at {
            Some(at) => told.remove(at).1,
            None => empty(partition.1),
        };
        data.acknowledge_error_code = super::code(&result);
        data.acknowledge_error_message = result.err().map(|error| owned(&error.to_string()));
        told.insert(at.unwrap_or(told.len()), (partition, data));
    }
    let endpoints = leaders.into_iter().filter_map(|id| state.endpoint(id)).map(|node| {
        NodeEndpoint::default()
            .with_node_id(node.id)
            .with_host(node.host)
            .with_port(node.port)
            .with_rack(node.rack)
    });
    Ok(ShareFetchResponse::default()
        .with_acquisition_lock_timeout_ms(lock_timeout_ms(state, &owner.0))
        .with_node_endpoints(endpoints.collect())
        .with_responses(by_topic(told)))
}

pub(super) fn empty(index: i32) -> PartitionData {
    PartitionData::default().with_partition_index(index).with_records(Some(Bytes::new()))
}

fn by_topic(told: Vec<(SessionPartition, PartitionData)>) -> Vec<ShareFetchableTopicResponse> {
    let mut topics: Vec<ShareFetchableTopicResponse> = Vec::new();
    for ((topic, _), data) in told {
        match topics.iter_mut().find(|known| known.topic_id == topic) {
            Some(known) => known.partitions.push(data),
            None => topics.push(
                ShareFetchableTopicResponse::default()
                    .with_topic_id(topic)
                    .with_partitions(vec![data]),
            ),
        }
    }
    topics
}
