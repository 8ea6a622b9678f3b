//! CreateTopics, key 19, versions 2 to 7.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::{
    CreatableTopicConfigs, CreatableTopicResult,
};
use kafka_protocol::messages::{CreateTopicsRequest, CreateTopicsResponse};
use kafka_protocol::protocol::StrBytes;

use super::{Api, Call};
use crate::embedded::state::State;
use crate::embedded::topic::is_valid_name;

/// The source of a setting that the topic itself has.
const TOPIC_CONFIG: i8 = 1;

impl Api for CreateTopicsRequest {
    const SERVED: (i16, i16) = (2, 7);

    async fn handle(self, call: &Call) -> Option<CreateTopicsResponse> {
        let mut state = call.lock();
        let topics = self.topics.into_iter().map(|topic| {
            let result = match call.injected(&topic.name, 0) {
                Some(error) => Err(error),
                None => create(&mut state, &topic, self.validate_only),
            };
            answer(&state, topic, result)
        });
        let response = CreateTopicsResponse::default().with_topics(topics.collect());
        drop(state);
        Some(response.with_throttle_time_ms(call.throttle_ms()))
    }
}

fn create(
    state: &mut State,
    topic: &CreatableTopic,
    validate_only: bool,
) -> Result<(), ResponseError> {
    if !is_valid_name(&topic.name) {
        return Err(ResponseError::InvalidTopicException);
    }
    if state.topics.contains_key(topic.name.as_str()) {
        return Err(ResponseError::TopicAlreadyExists);
    }
    let replicas = if topic.assignments.is_empty() {
        let partitions = if topic.num_partitions == -1 {
            state.settings.default_partitions
        } else {
            topic.num_partitions
        };
        let replication = if topic.replication_factor == -1 {
            state.settings.default_replication
        } else {
            topic.replication_factor
        };
        state.placement(partitions, replication)?
    } else {
        assigned(state, topic)?
    };
    if validate_only {
        return Ok(());
    }
    state.create_topic_on(&topic.name, replicas)?;
    if let Some(created) = state.topics.get_mut(topic.name.as_str()) {
        let set = topic.configs.iter().filter_map(|config| {
            Some((config.name.to_string(), config.value.as_ref()?.to_string()))
        });
        created.configs = set.collect();
    }
    Ok(())
}

/// The replicas that the request itself gives; they must name partitions 0 to n.
fn assigned(state: &State, topic: &CreatableTopic) -> Result<Vec<Vec<i32>>, ResponseError> {
    let mut assignments: Vec<_> = topic.assignments.iter().collect();
    assignments.sort_by_key(|assignment| assignment.partition_index);
    let is_dense =
        (0_i32..).zip(&assignments).all(|(index, assignment)| assignment.partition_index == index);
    let is_known = |id: &i32| state.brokers.contains_key(id);
    let replicas: Vec<Vec<i32>> = assignments
        .iter()
        .map(|assignment| assignment.broker_ids.iter().map(|id| id.0).collect())
        .collect();
    if is_dense && replicas.iter().all(|ids: &Vec<i32>| !ids.is_empty() && ids.iter().all(is_known))
    {
        Ok(replicas)
    } else {
        Err(ResponseError::InvalidReplicaAssignment)
    }
}

fn answer(
    state: &State,
    topic: CreatableTopic,
    result: Result<(), ResponseError>,
) -> CreatableTopicResult {
    let created = state.topics.get(topic.name.as_str()).filter(|_| result.is_ok());
    let mut response = CreatableTopicResult::default().with_error_code(super::code(&result));
    if let Err(error) = &result {
        response = response.with_error_message(Some(StrBytes::from_string(error.to_string())));
    }
    if let Some(created) = created {
        let partitions = i32::try_from(created.partitions.len()).unwrap_or(i32::MAX);
        let replication =
            created.partitions.first().map_or(0, |partition| partition.replicas.len());
        let configs = created.configs.iter().map(|(name, value)| {
            CreatableTopicConfigs::default()
                .with_name(StrBytes::from_string(name.clone()))
                .with_value(Some(StrBytes::from_string(value.clone())))
                .with_config_source(TOPIC_CONFIG)
        });
        response = response
            .with_topic_id(created.id)
            .with_num_partitions(partitions)
            .with_replication_factor(i16::try_from(replication).unwrap_or(i16::MAX))
            .with_configs(Some(configs.collect()));
    }
    response.with_name(topic.name)
}
