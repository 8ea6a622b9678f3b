//! Produce, key 0, versions 3 to 13.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::MutexGuard;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse,
    TopicProduceResponse,
};
use kafka_protocol::messages::{BrokerId, ProduceRequest, ProduceResponse};
use kafka_protocol::protocol::StrBytes;

use tokio::time::{Instant, sleep};

use super::produce_transactional::{admit, is_worth_a_retry};
use super::{Api, Call, text};
use crate::embedded::log::batch::BatchHeader;
use crate::embedded::log::{Appended, Refused};
use crate::embedded::state::{State, TopicPartition};

const ZSTD: i16 = 4;
/// `add.partitions.to.txn.retry.backoff.ms` and `add.partitions.to.txn.retry.backoff.max.ms`: how a
/// leader waits for the markers of the transaction before.
const RETRY_AFTER: Duration = Duration::from_millis(20);
const RETRY_FOR: Duration = Duration::from_millis(100);

impl Api for ProduceRequest {
    const SERVED: (i16, i16) = (3, 13);

    fn touches(&self, state: &State, _broker: i32) -> Vec<TopicPartition> {
        let mut touched = Vec::new();
        for topic in &self.topic_data {
            let Some(name) = state.topic_name(&topic.name, topic.topic_id) else { continue };
            touched.extend(topic.partition_data.iter().map(|data| (name.clone(), data.index)));
        }
        touched
    }

    async fn handle(self, call: &Call) -> Option<ProduceResponse> {
        let asked = Instant::now();
        loop {
            {
                let mut state = call.lock();
                let barred = admit(call, &mut state, &self);
                if asked.elapsed() >= RETRY_FOR || !is_worth_a_retry(call.version(), &barred) {
                    return append(self, call, state, barred);
                }
            }
            sleep(RETRY_AFTER).await;
        }
    }
}

/// Appends what the coordinators of transactions do not bar, under the lock under which they were
/// asked.
fn append(
    request: ProduceRequest,
    call: &Call,
    mut state: MutexGuard<'_, State>,
    barred: BTreeMap<TopicPartition, ResponseError>,
) -> Option<ProduceResponse> {
    let is_transactional = !barred.is_empty() || request.transactional_id.is_some();
    let mut work =
        Work { call, acks: request.acks, barred, hinted: BTreeSet::new(), failed: false };
    let responses =
        request.topic_data.into_iter().map(|topic| work.topic(&mut state, topic)).collect();
    let endpoints = work.hinted.iter().filter_map(|id| state.endpoint(*id)).map(|endpoint| {
        NodeEndpoint::default()
            .with_node_id(endpoint.id)
            .with_host(endpoint.host)
            .with_port(endpoint.port)
            .with_rack(endpoint.rack)
    });
    let response = ProduceResponse::default()
        .with_responses(responses)
        .with_node_endpoints(endpoints.collect());
    let failed = work.failed;
    drop(state);
    call.shared.changed.notify_waiters();
    if is_transactional {
        call.shared.timers.notify_one();
    }
    if request.acks == 0 {
        // Nobody waits for an answer: Kafka says that it failed by closing.
        if failed {
            call.close_connection();
        }
        return None;
    }
    Some(response.with_throttle_time_ms(call.throttle_ms()))
}

struct Work<'a> {
    call: &'a Call,
    acks: i16,
    /// Partitions that the coordinator of the transaction does not let in.
    barred: BTreeMap<TopicPartition, ResponseError>,
    /// Brokers that the reply names as leaders (KIP-951).
    hinted: BTreeSet<i32>,
    failed: bool,
}

impl Work<'_> {
    fn topic(&mut self, state: &mut State, topic: TopicProduceData) -> TopicProduceResponse {
        let name = state.topic_name(&topic.name, topic.topic_id);
        let partitions = topic.partition_data.into_iter().map(|data| match &name {
            Some(name) => self.partition(state, name, data),
            None => {
                self.failed = true;
                PartitionProduceResponse::default()
                    .with_index(data.index)
                    .with_base_offset(-1)
                    .with_error_code(ResponseError::UnknownTopicId.code())
            }
        });
        let partitions = partitions.collect();
        TopicProduceResponse::default()
            .with_name(topic.name)
            .with_topic_id(topic.topic_id)
            .with_partition_responses(partitions)
    }

    fn partition(
        &mut self,
        state: &mut State,
        topic: &str,
        data: PartitionProduceData,
    ) -> PartitionProduceResponse {
        let index = data.index;
        let result = self.append(state, topic, index, data.records);
        let response = PartitionProduceResponse::default().with_index(index);
        let partition = state.partition(topic, index);
        match result {
            Ok(appended) => response
                .with_base_offset(appended.base_offset)
                .with_log_append_time_ms(appended.append_time.unwrap_or(-1))
                .with_log_start_offset(partition.map_or(-1, |partition| partition.log.start())),
            Err(refused) => {
                self.failed = true;
                let mut response = refuse(response, &refused);
                if let (ResponseError::NotLeaderOrFollower, Some(partition)) =
                    (refused.error, partition)
                {
                    // A later version's field: the codec refuses to drop what is not its default.
                    if self.call.version() >= 10 {
                        self.hinted.extend(partition.leader);
                        response = response.with_current_leader(
                            LeaderIdAndEpoch::default()
                                .with_leader_id(BrokerId(partition.leader.unwrap_or(-1)))
                                .with_leader_epoch(partition.leader_epoch),
                        );
                    }
                }
                response
            }
        }
    }

    fn append(
        &self,
        state: &mut State,
        name: &str,
        index: i32,
        records: Option<Bytes>,
    ) -> Result<Appended, Refused> {
        let refuse = |error, message| Refused::new(error, message);
        if let Some(error) = self.call.injected(name, index) {
            return Err(refuse(error, "a fault rule says so"));
        }
        if let Some(error) = self.barred.get(&(name.to_owned(), index)) {
            return Err(refuse(
                *error,
                "the transaction does not have the partition, or is another's",
            ));
        }
        if !matches!(self.acks, -1..=1) {
            return Err(refuse(ResponseError::InvalidRequiredAcks, "acks must be -1, 0 or 1"));
        }
        let now_ms = self.call.shared.now_ms();
        let max_bytes = state.settings.message_max_bytes;
        let partition = state
            .led_by(self.call.broker, name, index)
            .map_err(|error| refuse(error, "this broker does not lead the partition"))?;
        let leader_epoch = partition.leader_epoch;
        let in_sync =
            state.partition(name, index).map_or(0, |partition| state.in_sync(partition).len());
        let topic = state
            .topics
            .get(name)
            .ok_or(refuse(ResponseError::UnknownTopicOrPartition, "there is no such topic"))?;
        if self.acks == -1 && in_sync < topic.number("min.insync.replicas").unwrap_or(1) {
            return Err(refuse(
                ResponseError::NotEnoughReplicas,
                "fewer in-sync replicas than min.insync.replicas",
            ));
        }
        let rules = topic.append_rules(leader_epoch, max_bytes, now_ms);
        let records = records.unwrap_or_default();
        if self.call.version() < 7
            && BatchHeader::read(&records).is_some_and(|batch| batch.compression() == ZSTD)
        {
            return Err(refuse(ResponseError::UnsupportedCompressionType, "zstd needs version 7"));
        }
        let log = state.partition_mut(name, index).map(|partition| &mut partition.log);
        log.ok_or(refuse(ResponseError::UnknownTopicOrPartition, "there is no such partition"))?
            .append(&records, rules)
    }
}

fn refuse(response: PartitionProduceResponse, refused: &Refused) -> PartitionProduceResponse {
    let records = refused.records.iter().map(|index| {
        BatchIndexAndErrorMessage::default()
            .with_batch_index(*index)
            .with_batch_index_error_message(text("record without a key"))
    });
    response
        .with_base_offset(-1)
        .with_log_append_time_ms(-1)
        .with_log_start_offset(-1)
        .with_error_code(refused.error.code())
        .with_error_message(Some(StrBytes::from_static_str(refused.message)))
        .with_record_errors(records.collect())
}
