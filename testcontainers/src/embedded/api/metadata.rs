//! Metadata, key 3, versions 0 to 13.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{BrokerId, MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::{Api, Call};
use crate::embedded::state::{State, TopicPartition};
use crate::embedded::topic::{Partition, is_valid_name};

impl Api for MetadataRequest {
    const SERVED: (i16, i16) = (0, 13);

    fn touches(&self, state: &State, _broker: i32) -> Vec<TopicPartition> {
        let named = self.topics.iter().flatten();
        named.filter_map(|topic| topic.name.as_ref()).flat_map(|name| all_of(state, name)).collect()
    }

    async fn handle(self, call: &Call) -> Option<MetadataResponse> {
        let mut state = call.lock();
        let wants_all =
            self.topics.as_ref().is_none_or(|topics| call.version() == 0 && topics.is_empty());
        let may_create = state.settings.auto_create_topics
            && (call.version() < 4 || self.allow_auto_topic_creation);
        let topics = if wants_all {
            let names: Vec<String> = state.topics.keys().cloned().collect();
            names.iter().map(|name| describe(call, &state, name)).collect()
        } else {
            let wanted = self.topics.unwrap_or_default();
            wanted
                .into_iter()
                .map(|topic| match topic.name {
                    Some(name) => named(call, &mut state, &name, may_create),
                    None => by_id(call, &state, topic.topic_id),
                })
                .collect()
        };
        let brokers =
            state.visible_brokers().filter_map(|(id, _)| state.endpoint(id)).map(|endpoint| {
                MetadataResponseBroker::default()
                    .with_node_id(endpoint.id)
                    .with_host(endpoint.host)
                    .with_port(endpoint.port)
                    .with_rack(endpoint.rack)
            });
        let response = MetadataResponse::default()
            .with_brokers(brokers.collect())
            .with_cluster_id(Some(StrBytes::from_string(state.cluster_id.clone())))
            .with_controller_id(BrokerId(state.controller))
            .with_topics(topics);
        drop(state);
        Some(response.with_throttle_time_ms(call.throttle_ms()))
    }
}

fn all_of<'a>(state: &'a State, name: &'a TopicName) -> impl Iterator<Item = TopicPartition> + 'a {
    let topic = state.topics.get(name.as_str());
    let indexes = topic.into_iter().flat_map(|topic| (0_i32..).zip(&topic.partitions));
    indexes.map(|(index, _)| (name.to_string(), index))
}

fn named(
    call: &Call,
    state: &mut State,
    name: &TopicName,
    may_create: bool,
) -> MetadataResponseTopic {
    if state.topics.contains_key(name.as_str()) {
        return describe(call, state, name);
    }
    let failed = |error: ResponseError| {
        MetadataResponseTopic::default().with_name(Some(name.clone())).with_error_code(error.code())
    };
    if !is_valid_name(name) {
        return failed(ResponseError::InvalidTopicException);
    }
    if !may_create {
        return failed(ResponseError::UnknownTopicOrPartition);
    }
    let (partitions, replication) =
        (state.settings.default_partitions, state.settings.default_replication);
    match state.create_topic(name, partitions, replication) {
        // As KRaft brokers answer while the controller makes it; the next request finds it.
        Ok(_) => failed(ResponseError::UnknownTopicOrPartition),
        Err(error) => failed(error),
    }
}

fn by_id(call: &Call, state: &State, id: Uuid) -> MetadataResponseTopic {
    match state.topic_names.get(&id) {
        Some(name) => describe(call, state, name),
        None => {
            let error = ResponseError::UnknownTopicId;
            MetadataResponseTopic::default()
                .with_name(None)
                .with_topic_id(id)
                .with_error_code(error.code())
        }
    }
}

fn describe(call: &Call, state: &State, name: &str) -> MetadataResponseTopic {
    let Some(topic) = state.topics.get(name) else { return MetadataResponseTopic::default() };
    let named = MetadataResponseTopic::default()
        .with_name(Some(TopicName(StrBytes::from_string(name.to_owned()))));
    // This code is one of topics, and hides all else; others are of partitions.
    if let Some(error @ ResponseError::TopicAuthorizationFailed) = call.injected(name, 0) {
        return named.with_error_code(error.code());
    }
    let partitions = (0_i32..).zip(&topic.partitions).map(|(index, partition)| {
        describe_partition(state, index, partition, call.injected(name, index))
    });
    named
        .with_topic_id(topic.id)
        .with_is_internal(name.starts_with("__"))
        .with_partitions(partitions.collect())
}

fn describe_partition(
    state: &State,
    index: i32,
    partition: &Partition,
    injected: Option<ResponseError>,
) -> MetadataResponsePartition {
    let no_leader = partition.leader.is_none().then_some(ResponseError::LeaderNotAvailable);
    let error = injected.or(no_leader);
    let in_sync = state.in_sync(partition);
    let offline = partition.replicas.iter().copied().filter(|id| !in_sync.contains(id));
    MetadataResponsePartition::default()
        .with_error_code(error.map_or(0, |error| error.code()))
        .with_partition_index(index)
        .with_leader_id(BrokerId(partition.leader.unwrap_or(-1)))
        .with_leader_epoch(partition.leader_epoch)
        .with_offline_replicas(offline.map(BrokerId).collect())
        .with_replica_nodes(partition.replicas.iter().copied().map(BrokerId).collect())
        .with_isr_nodes(in_sync.into_iter().map(BrokerId).collect())
}
