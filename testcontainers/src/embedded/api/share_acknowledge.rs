//! ShareAcknowledge, key 79, versions 1 and 2, and what ShareFetch brings of the same.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::share_acknowledge_request::AcknowledgementBatch;
use kafka_protocol::messages::share_acknowledge_response::{
    LeaderIdAndEpoch, NodeEndpoint, PartitionData, ShareAcknowledgeTopicResponse,
};
use kafka_protocol::messages::{GroupId, ShareAcknowledgeResponse};
use tokio::time::Instant;

use super::newer::share_acknowledge::{ShareAcknowledge, ShareAcknowledged};
use super::{Api, Call, owned};
use crate::embedded::group::share::is_member_id;
use crate::embedded::share::Moved;
use crate::embedded::share::acknowledge::{Acknowledgement, Said};
use crate::embedded::share::sessions::{CLOSE, SessionOwner, SessionPartition};
use crate::embedded::share::store::ShareKey;
use crate::embedded::state::{State, TopicPartition};

/// What a request says of the records of one partition.
#[derive(Clone, Debug)]
pub(super) struct SaidOfPartition {
    pub(super) partition: SessionPartition,
    /// First and last offset, and the numbers of what is said.
    pub(super) batches: Vec<(i64, i64, Vec<i8>)>,
}

/// What became of it.
pub(super) type Outcomes = Vec<(SessionPartition, Result<(), ResponseError>)>;

impl Api for ShareAcknowledge {
    const SERVED: (i16, i16) = (1, 2);

    fn touches(&self, state: &State, _broker: i32) -> Vec<TopicPartition> {
        self.said().iter().filter_map(|said| named(state, said.partition)).collect()
    }

    async fn handle(self, call: &Call) -> Option<ShareAcknowledged> {
        let reply = match serve(call, &self) {
            Ok(outcomes) => respond(call, &self, outcomes),
            Err(error) => {
                let response = ShareAcknowledgeResponse::default()
                    .with_error_code(error.code())
                    .with_error_message(Some(owned(&error.to_string())));
                ShareAcknowledged { response, lock_timeout_ms: 0 }
            }
        };
        call.shared.timers.notify_one();
        let response = reply.response.with_throttle_time_ms(call.throttle_ms());
        Some(ShareAcknowledged { response, ..reply })
    }
}

impl ShareAcknowledge {
    fn said(&self) -> Vec<SaidOfPartition> {
        let said = |batch: &AcknowledgementBatch| {
            (batch.first_offset, batch.last_offset, batch.acknowledge_types.clone())
        };
        let topics = self.request.topics.iter();
        topics
            .flat_map(|topic| {
                topic.partitions.iter().map(move |one| SaidOfPartition {
                    partition: (topic.topic_id, one.partition_index),
                    batches: one.acknowledgement_batches.iter().map(said).collect(),
                })
            })
            .collect()
    }
}

fn serve(call: &Call, request: &ShareAcknowledge) -> Result<Outcomes, ResponseError> {
    if let Some(error) = call.injected_any().filter(|error| is_of_session(*error)) {
        return Err(error);
    }
    let asked = &request.request;
    let owner = owner(call, asked.group_id.as_ref(), asked.member_id.as_deref())?;
    let epoch = asked.share_session_epoch;
    let mut state = call.lock();
    let broker = state.brokers.get_mut(&call.broker).ok_or(ResponseError::BrokerNotAvailable)?;
    broker.share.sessions.acknowledge(&owner, epoch)?;
    let begun = begin(call, &mut state, &owner, request.said(), request.is_renew);
    let outcomes = begun.finish(call, &mut state);
    if epoch == CLOSE {
        state.release_session(call.broker, &owner);
    }
    Ok(outcomes)
}

/// Whose the request is, if share groups are on.
pub(super) fn owner(
    call: &Call,
    group: Option<&GroupId>,
    member: Option<&str>,
) -> Result<SessionOwner, ResponseError> {
    call.lock().check_shares()?;
    let group = group.ok_or(ResponseError::InvalidRequest)?;
    let member = member.filter(|id| is_member_id(id)).ok_or(ResponseError::InvalidRequest)?;
    Ok((group.to_string(), member.to_owned()))
}

pub(super) fn is_of_session(error: ResponseError) -> bool {
    matches!(
        error,
        ResponseError::ShareSessionNotFound
            | ResponseError::InvalidShareSessionEpoch
            | ResponseError::ShareSessionLimitReached
            | ResponseError::GroupAuthorizationFailed
    )
}

pub(super) fn named(state: &State, (topic, partition): SessionPartition) -> Option<TopicPartition> {
    Some((state.topic_names.get(&topic)?.clone(), partition))
}

/// What was begun of what a request says.
#[derive(Debug, Default)]
pub(super) struct Begun {
    outcomes: Outcomes,
    /// Partitions of which nothing is said.
    nothing: Outcomes,
    begun: Vec<ShareKey>,
    /// Something is said of some partition: else Kafka does not answer for those it could.
    is_any: bool,
}

/// Begins what is said of records, partition by partition: Kafka's `handleAcknowledgements`.
pub(super) fn begin(
    call: &Call,
    state: &mut State,
    owner: &SessionOwner,
    said: Vec<SaidOfPartition>,
    is_renew: bool,
) -> Begun {
    let mut begun = Begun::default();
    for one in said {
        let (topic, partition) = one.partition;
        match read(call, state, one, is_renew) {
            Err(error) => begun.outcomes.push(((topic, partition), Err(error))),
            Ok(said) if said.is_empty() => begun.nothing.push(((topic, partition), Ok(()))),
            Ok(said) => {
                begun.is_any = true;
                let key = ShareKey { group: owner.0.clone(), topic, partition };
                let now = Instant::now();
                match state.begin_acknowledge(call.broker, &key, &owner.1, &said, now) {
                    Ok(()) => begun.begun.push(key),
                    Err(error) => begun.outcomes.push(((topic, partition), Err(error))),
                }
            }
        }
    }
    begun
}

impl Begun {
    /// Writes it down.
    pub(super) fn finish(mut self, call: &Call, state: &mut State) -> Outcomes {
        for key in self.begun {
            let result = state.finish_acknowledge(call.broker, &key);
            if result == Ok(Moved(true)) {
                call.shared.changed.notify_waiters();
            }
            self.outcomes.push(((key.topic, key.partition), result.map(drop)));
        }
        if self.is_any {
            self.outcomes.append(&mut self.nothing);
        }
        self.outcomes
    }
}

/// What is said, if it can be meant: Kafka's `validateAcknowledgementBatches`.
fn read(
    call: &Call,
    state: &State,
    said: SaidOfPartition,
    is_renew: bool,
) -> Result<Vec<Acknowledgement>, ResponseError> {
    let named = named(state, said.partition).ok_or(ResponseError::UnknownTopicId)?;
    if let Some(error) = call.injected(&named.0, named.1) {
        return Err(error);
    }
    let (mut end, mut read) = (-1, Vec::new());
    for (first, last, numbers) in said.batches {
        let fits = numbers.len() == 1
            || usize::try_from(last - first).is_ok_and(|more| more + 1 == numbers.len());
        if first > last || first < end || numbers.is_empty() || !fits {
            return Err(ResponseError::InvalidRequest);
        }
        let said: Option<Vec<Said>> = numbers.into_iter().map(Said::read).collect();
        let said = said.ok_or(ResponseError::InvalidRequest)?;
        // Before version 2 no request is a renewal.
        if said.contains(&Said::Renew) && !is_renew {
            return Err(ResponseError::InvalidRequest);
        }
        read.push(Acknowledgement { first, last, said });
        end = last;
    }
    if state.partition(&named.0, named.1).is_none() {
        return Err(ResponseError::UnknownTopicOrPartition);
    }
    Ok(read)
}

fn respond(call: &Call, request: &ShareAcknowledge, outcomes: Outcomes) -> ShareAcknowledged {
    let state = call.lock();
    let (mut topics, mut leaders) = (Vec::<ShareAcknowledgeTopicResponse>::new(), Vec::new());
    for ((topic, partition), result) in outcomes {
        let mut data = PartitionData::default()
            .with_partition_index(partition)
            .with_error_code(super::code(&result))
            .with_error_message(result.err().map(|error| owned(&error.to_string())));
        if let Some((leader, epoch)) =
            result.err().and_then(|error| hint(&state, (topic, partition), error))
        {
            data.current_leader =
                LeaderIdAndEpoch::default().with_leader_id(leader).with_leader_epoch(epoch);
            leaders.push(leader);
        }
        match topics.iter_mut().find(|known| known.topic_id == topic) {
            Some(known) => known.partitions.push(data),
            None => topics.push(
                ShareAcknowledgeTopicResponse::default()
                    .with_topic_id(topic)
                    .with_partitions(vec![data]),
            ),
        }
    }
    leaders.sort_unstable();
    leaders.dedup();
    let endpoints = leaders.into_iter().filter_map(|id| state.endpoint(id)).map(|node| {
        NodeEndpoint::default()
            .with_node_id(node.id)
            .with_host(node.host)
            .with_port(node.port)
            .with_rack(node.rack)
    });
    let response = ShareAcknowledgeResponse::default()
        .with_responses(topics)
        .with_node_endpoints(endpoints.collect());
    let group = request.request.group_id.as_ref().map_or("", |group| group.as_str());
    ShareAcknowledged { response, lock_timeout_ms: lock_timeout_ms(&state, group) }
}

/// The leader that a reply names: id and epoch.
pub(super) fn hint(
    state: &State,
    partition: SessionPartition,
    error: ResponseError,
) -> Option<(i32, i32)> {
    let moved =
        matches!(error, ResponseError::NotLeaderOrFollower | ResponseError::FencedLeaderEpoch);
    let (topic, index) = named(state, partition).filter(|_| moved)?;
    let partition = state.partition(&topic, index)?;
    Some((partition.leader.unwrap_or(-1), partition.leader_epoch))
}

pub(super) fn lock_timeout_ms(state: &State, group: &str) -> i32 {
    i32::try_from(state.share_terms(group).lock.as_millis()).unwrap_or(i32::MAX)
}
