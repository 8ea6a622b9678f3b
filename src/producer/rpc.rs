//! Produce and InitProducerId between the wire's words and ours. Here an error code becomes what
//! the sender does about it.

pub(super) mod transaction;

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;

use super::sender::Answer;
use super::sender::sequence::ProducerIdAndEpoch;
use crate::cluster::LeaderHint;
use crate::config::BrokerAddress;
use crate::error::{Error, ErrorCode, ErrorKind, Written};
use crate::ids::{
    BrokerId, LeaderEpoch, Offset, PartitionId, ProducerEpoch, ProducerId, Timestamp,
    TopicPartition, Uuid,
};
use crate::wire::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
pub(super) use crate::wire::messages::produce::ProduceRequest;
use crate::wire::messages::produce::{
    NodeEndpoint, PartitionProduceData, PartitionProduceResponse, ProduceResponse, TopicProduceData,
};

/// One batch of a request.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) partition: TopicPartition,
    /// Which one of the request's batches.
    pub(super) place: usize,
    /// Zero while it is not known: the broker then answers UNKNOWN_TOPIC_ID where it goes by ids.
    pub(super) topic_id: Uuid,
    /// Header and records.
    pub(super) bytes: [Bytes; 2],
}

/// The request for some batches, at most one for each partition.
pub(super) fn produce_request<'p>(
    transactional_id: Option<&'p str>,
    parcels: impl Iterator<Item = &'p Parcel>,
    acks: i16,
    timeout_ms: i32,
) -> ProduceRequest<'p> {
    let count = parcels.size_hint().1.unwrap_or(1);
    let mut topics: Vec<TopicProduceData<'_>> = Vec::new();
    // Where each topic is but the last, for requests about many.
    let mut places: HashMap<&str, usize> = HashMap::new();
    for Parcel { partition, topic_id, bytes, .. } in parcels {
        let data = PartitionProduceData { index: partition.partition.0, records: Some(bytes) };
        let name = partition.topic.as_str();
        // Partitions of one topic come together, but for the one at which the round began, and
        // those it has got later.
        let found = match topics.last() {
            Some(last) if last.name == name => Some(topics.len() - 1),
            _ => places.get(name).copied(),
        };
        match found.and_then(|place| topics.get_mut(place)) {
            Some(topic) => topic.partition_data.push(data),
            None => {
                if let Some(last) = topics.last() {
                    places.insert(last.name, topics.len() - 1);
                }
                // Most requests are about one topic.
                let mut partition_data =
                    Vec::with_capacity(if topics.is_empty() { count } else { 1 });
                partition_data.push(data);
                topics.push(TopicProduceData { name, topic_id: *topic_id, partition_data });
            }
        }
    }
    ProduceRequest { transactional_id, acks, timeout_ms, topic_data: topics }
}

/// What a reply says about each batch, in their order, and about leaders.
pub(super) fn read_produce(
    parcels: &[Parcel],
    response: &ProduceResponse<'_>,
) -> (Vec<Answer>, Vec<LeaderHint>) {
    let mut answers: Vec<Option<Answer>> = parcels.iter().map(|_| None).collect();
    let mut hints = Vec::new();
    // Brokers answer in the order of the request: each parcel is looked for behind the one before,
    // and else by its name.
    let mut next = 0;
    let mut places = None;
    for topic in &response.responses {
        let is_of = |parcel: &Parcel| {
            if topic.name.is_empty() {
                parcel.topic_id == topic.topic_id
            } else {
                *parcel.partition.topic == *topic.name
            }
        };
        for partition in &topic.partition_responses {
            let id = PartitionId(partition.index);
            let is_it = |parcel: &&Parcel| parcel.partition.partition == id && is_of(parcel);
            let place = match parcels.get(next).filter(is_it) {
                Some(_) => Some(next),
                None => {
                    let places = places.get_or_insert_with(|| Places::new(parcels));
                    let by_name = || places.by_name.get(&(topic.name, id)).copied();
                    if topic.name.is_empty() {
                        places.by_id.get(&(topic.topic_id, id)).copied()
                    } else {
                        by_name()
                    }
                }
            };
            // The broker speaks of what it was not asked: nothing follows from that.
            let Some((place, parcel)) = place.and_then(|place| Some((place, parcels.get(place)?)))
            else {
                continue;
            };
            let Some(answer) = answers.get_mut(place) else { continue };
            next = place + 1;
            answer.get_or_insert_with(|| read_partition(partition));
            hints.extend(read_hint(&parcel.partition, partition, &response.node_endpoints));
        }
    }
    let unmentioned = || Answer::Retry {
        error: Error::new(ErrorKind::Protocol, "the reply does not mention the partition"),
        written: Written::Maybe,
        is_leader_stale: false,
    };
    (answers.into_iter().map(|answer| answer.unwrap_or_else(unmentioned)).collect(), hints)
}

/// Where each batch of a request is.
struct Places<'p> {
    by_name: HashMap<(&'p str, PartitionId), usize>,
    by_id: HashMap<(Uuid, PartitionId), usize>,
}

impl<'p> Places<'p> {
    fn new(parcels: &'p [Parcel]) -> Self {
        let ids = parcels.iter().map(|parcel| (parcel.topic_id, parcel.partition.partition));
        let names = parcels
            .iter()
            .map(|parcel| (parcel.partition.topic.as_str(), parcel.partition.partition));
        Self { by_name: names.zip(0..).collect(), by_id: ids.zip(0..).collect() }
    }
}

/// How long the broker wants to hear nothing more on this lane (KIP-219); the reply says so at its
/// end.
pub(super) fn throttle(response: &ProduceResponse<'_>) -> Duration {
    Duration::from_millis(u64::try_from(response.throttle_time_ms).unwrap_or(0))
}

/// What it means for each batch that there is no reply.
pub(super) fn read_failure(error: &Error) -> Answer {
    let written = error.written().unwrap_or(Written::Maybe);
    match error.kind() {
        // No broker of this cluster will take it in another form.
        ErrorKind::Unsupported => {
            Answer::Failed { error: error.clone(), written, records: Vec::new() }
        }
        _ => Answer::Retry { error: error.clone(), written, is_leader_stale: true },
    }
}

fn read_partition(response: &PartitionProduceResponse<'_>) -> Answer {
    let code = ErrorCode(response.error_code);
    let error = || {
        let error = Error::broker(code).in_api("Produce");
        match response.error_message {
            Some(message) => error.with_context(message),
            None => error,
        }
    };
    let retry = |written| Answer::Retry {
        error: error(),
        written,
        is_leader_stale: code.needs_metadata_refresh(),
    };
    match code {
        ErrorCode::NONE => Answer::Written {
            base_offset: (response.base_offset >= 0).then_some(Offset(response.base_offset)),
            append_time: (response.log_append_time_ms >= 0)
                .then_some(Timestamp(response.log_append_time_ms)),
        },
        // Rule (g): it is there since an attempt whose reply was lost.
        ErrorCode::DUPLICATE_SEQUENCE_NUMBER => {
            Answer::Written { base_offset: None, append_time: None }
        }
        ErrorCode::MESSAGE_TOO_LARGE => Answer::TooLarge(too_large(error())),
        ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER | ErrorCode::UNKNOWN_PRODUCER_ID => {
            Answer::OutOfSequence(error())
        }
        ErrorCode::INVALID_PRODUCER_EPOCH | ErrorCode::PRODUCER_FENCED => Answer::Fenced(error()),
        // The leader has appended it, or was about to when its time or its disk ended.
        ErrorCode::REQUEST_TIMED_OUT
        | ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND
        | ErrorCode::KAFKA_STORAGE_ERROR
        | ErrorCode::NETWORK_EXCEPTION => retry(Written::Maybe),
        ErrorCode::UNKNOWN_SERVER_ERROR => {
            Answer::Failed { error: error(), written: Written::Maybe, records: Vec::new() }
        }
        _ if code.is_retriable() => retry(Written::No),
        _ => Answer::Failed {
            error: error(),
            written: Written::No,
            records: read_records(code, response),
        },
    }
}

/// The records that a broker names as the reason for refusing the batch (KIP-467).
fn read_records(code: ErrorCode, response: &PartitionProduceResponse<'_>) -> Vec<(u32, Error)> {
    let own = response.record_errors.iter().filter_map(|record| {
        let index = u32::try_from(record.batch_index).ok()?;
        let error = Error::broker(code).in_api("Produce").with_written(Written::No);
        Some((
            index,
            record
                .batch_index_error_message
                .map_or(error.clone(), |message| error.with_context(message)),
        ))
    });
    own.collect()
}

fn too_large(cause: Error) -> Error {
    Error::new(
        ErrorKind::RecordTooLarge,
        "the topic takes no batch of this size: raise its max.message.bytes, or send less at \
         once (batch.size, or the record itself)",
    )
    .with_source(cause)
}

fn read_hint(
    partition: &TopicPartition,
    response: &PartitionProduceResponse<'_>,
    nodes: &[NodeEndpoint<'_>],
) -> Option<LeaderHint> {
    let leader = &response.current_leader;
    if leader.leader_id < 0 || leader.leader_epoch < 0 {
        return None;
    }
    let node = nodes.iter().find(|node| node.node_id == leader.leader_id);
    let address =
        node.and_then(|node| Some(BrokerAddress::new(node.host, u16::try_from(node.port).ok()?)));
    Some(LeaderHint {
        partition: partition.clone(),
        leader: BrokerId(leader.leader_id),
        epoch: LeaderEpoch(leader.leader_epoch),
        address,
    })
}

/// The request for an id of an idempotent producer.
pub(super) fn init_producer_id_request() -> InitProducerIdRequest<'static> {
    InitProducerIdRequest {
        transactional_id: None,
        transaction_timeout_ms: i32::MAX,
        producer_id: -1,
        producer_epoch: -1,
    }
}

/// The error of a reply as a whole.
pub(super) fn init_producer_id_code(response: &InitProducerIdResponse) -> Option<ErrorCode> {
    ErrorCode::check(response.error_code).err()
}

/// The identity that a reply gives.
///
/// # Errors
/// [`ErrorKind::Protocol`] if it is none.
pub(super) fn read_identity(
    response: &InitProducerIdResponse,
) -> Result<ProducerIdAndEpoch, Error> {
    identity_of(response.producer_id, response.producer_epoch, "InitProducerId")
}

fn identity_of(id: i64, epoch: i16, api: &'static str) -> Result<ProducerIdAndEpoch, Error> {
    if id < 0 || epoch < 0 {
        return Err(Error::new(ErrorKind::Protocol, "the broker gave no producer id").in_api(api));
    }
    Ok(ProducerIdAndEpoch { id: ProducerId(id), epoch: ProducerEpoch(epoch) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::messages::produce::{
        BatchIndexAndErrorMessage, LeaderIdAndEpoch, TopicProduceResponse,
    };

    fn parcel(topic: &str, id: u8, partition: i32) -> Parcel {
        let bytes = [Bytes::from_static(b"header"), Bytes::from_static(b"records")];
        Parcel {
            partition: TopicPartition::new(topic, partition),
            place: 0,
            topic_id: Uuid([id; 16]),
            bytes,
        }
    }

    #[test]
    fn requests_and_replies_about_many_topics_take_time_in_proportion() {
        let time_of = |topics: usize, times: usize| {
            let names: Vec<String> = (0..topics).map(|topic| format!("topic-{topic:05}")).collect();
            // Two partitions of each, and never one behind the other.
            let parcels: Vec<_> = (0..2)
                .flat_map(|number| names.iter().map(move |name| parcel(name, 0, number)))
                .collect();
            let of_topic = |name| {
                let partition_responses = vec![partition(1, 0, 7), partition(0, 0, 7)];
                TopicProduceResponse {
                    name,
                    partition_responses,
                    ..TopicProduceResponse::default()
                }
            };
            let responses = names.iter().rev().map(|name| of_topic(name.as_str())).collect();
            let response = ProduceResponse { responses, ..ProduceResponse::default() };
            crate::runtime::time_of(|| {
                for _ in 0..times {
                    assert_eq!(
                        produce_request(None, parcels.iter(), -1, 0).topic_data.len(),
                        topics
                    );
                    let (answers, _) = read_produce(&parcels, &response);
                    assert!(answers.iter().all(|answer| matches!(answer, Answer::Written { .. })));
                }
            })
        };
        let (few, many) = (time_of(100, 40), time_of(4000, 1));
        // It would be forty times as long if each were looked for among all.
        assert!(many < few * 8, "{few:?} for 40 times 100 topics, {many:?} for 4000");
    }

    fn partition(
        index: i32,
        error_code: i16,
        base_offset: i64,
    ) -> PartitionProduceResponse<'static> {
        PartitionProduceResponse { index, error_code, base_offset, ..Default::default() }
    }

    fn offsets(answers: &[Answer]) -> Vec<Option<i64>> {
        let offset = |answer: &Answer| match answer {
            Answer::Written { base_offset, .. } => base_offset.map(|offset| offset.0),
            _ => None,
        };
        answers.iter().map(offset).collect()
    }

    #[test]
    fn a_topic_stands_once_in_a_request() {
        let parcels = [parcel("a", 1, 2), parcel("b", 2, 0), parcel("a", 1, 0)];
        let request = produce_request(None, parcels.iter(), -1, 5);
        let shape: Vec<_> = request
            .topic_data
            .iter()
            .map(|topic| {
                (
                    topic.name,
                    topic
                        .partition_data
                        .iter()
                        .map(|partition| partition.index)
                        .collect::<Vec<_>>(),
                )
            })
            .collect();
        assert_eq!(shape, [("a", vec![2, 0]), ("b", vec![0])]);
    }

    #[test]
    fn answers_are_matched_by_name_or_id_in_any_order_and_what_is_missing_is_in_doubt() {
        let parcels = [parcel("a", 1, 0), parcel("b", 2, 0), parcel("b", 2, 1)];
        let by_name = ["b", "a"].map(|name| TopicProduceResponse {
            name,
            partition_responses: vec![partition(0, 0, 7)],
            ..Default::default()
        });
        let by_id = [2, 1].map(|id| TopicProduceResponse {
            topic_id: Uuid([id; 16]),
            partition_responses: vec![partition(0, 0, i64::from(id)), partition(9, 0, 1)],
            ..Default::default()
        });
        for (responses, expected) in
            [(by_name, [Some(7), Some(7), None]), (by_id, [Some(1), Some(2), None])]
        {
            let response = ProduceResponse { responses: responses.into(), ..Default::default() };
            let (answers, _) = read_produce(&parcels, &response);
            assert_eq!(offsets(&answers), expected);
            assert!(matches!(answers[2], Answer::Retry { written: Written::Maybe, .. }));
        }
    }

    #[test]
    fn a_code_says_whether_the_attempt_may_have_written() {
        let written = |code: ErrorCode| match read_partition(&partition(0, code.0, -1)) {
            Answer::Retry { written, is_leader_stale, .. } => (true, written, is_leader_stale),
            Answer::Failed { written, .. } => (false, written, false),
            other => panic!("{other:?}"),
        };
        assert_eq!(written(ErrorCode::NOT_LEADER_OR_FOLLOWER), (true, Written::No, true));
        assert_eq!(written(ErrorCode::NOT_ENOUGH_REPLICAS), (true, Written::No, false));
        assert_eq!(
            written(ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND),
            (true, Written::Maybe, false)
        );
        assert_eq!(written(ErrorCode::REQUEST_TIMED_OUT), (true, Written::Maybe, false));
        assert_eq!(written(ErrorCode::TOPIC_AUTHORIZATION_FAILED), (false, Written::No, false));
        assert_eq!(written(ErrorCode::UNKNOWN_SERVER_ERROR), (false, Written::Maybe, false));
        assert!(matches!(
            read_partition(&partition(0, ErrorCode::DUPLICATE_SEQUENCE_NUMBER.0, -1)),
            Answer::Written { base_offset: None, .. }
        ));
    }

    #[test]
    fn a_refused_record_keeps_the_brokers_words() {
        let own =
            BatchIndexAndErrorMessage { batch_index: 3, batch_index_error_message: Some("no key") };
        let response = PartitionProduceResponse {
            record_errors: vec![own],
            ..partition(0, ErrorCode::INVALID_RECORD.0, -1)
        };
        let Answer::Failed { records, .. } = read_partition(&response) else { panic!() };
        assert_eq!(records[0].0, 3);
        assert!(records[0].1.to_string().starts_with("no key"), "{}", records[0].1);
    }

    #[test]
    fn a_reply_names_the_new_leader_and_where_it_is() {
        let current_leader = LeaderIdAndEpoch { leader_id: 2, leader_epoch: 5 };
        let stale = PartitionProduceResponse {
            current_leader,
            ..partition(0, ErrorCode::NOT_LEADER_OR_FOLLOWER.0, -1)
        };
        let response = ProduceResponse {
            responses: vec![TopicProduceResponse {
                name: "a",
                partition_responses: vec![stale],
                ..Default::default()
            }],
            node_endpoints: vec![NodeEndpoint { node_id: 2, host: "h", port: 9, rack: None }],
            ..Default::default()
        };
        let (_, hints) = read_produce(&[parcel("a", 1, 0)], &response);
        assert_eq!((hints[0].leader, hints[0].epoch), (BrokerId(2), LeaderEpoch(5)));
        assert_eq!(hints[0].address.as_ref().map(BrokerAddress::port), Some(9));
    }
}
