//! Creating and deleting topics, and adding partitions to them.

use std::collections::BTreeMap;

use super::configs::{ConfigEntry, ConfigSource};
use super::{Admin, Outcomes, check, keys, non_negative, only};
use crate::cluster::{Item, Route};
use crate::error::{ErrorCode, Result};
use crate::ids::{BrokerId, TopicId, TopicName};
use crate::wire::messages::create_partitions::{
    CreatePartitionsAssignment, CreatePartitionsRequest, CreatePartitionsResponse,
    CreatePartitionsTopic,
};
use crate::wire::messages::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreatableTopicResult,
    CreateTopicsRequest, CreateTopicsResponse,
};
use crate::wire::messages::delete_topics::{
    DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse,
};

/// A topic to create.
///
/// ```
/// use kavka::NewTopic;
///
/// let topic = NewTopic::new("orders").partitions(6).replication_factor(3).config("cleanup.policy", "compact");
/// # let _ = topic;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewTopic {
    name: TopicName,
    partitions: Option<i32>,
    replication_factor: Option<i16>,
    assignments: Vec<Vec<BrokerId>>,
    configs: BTreeMap<String, String>,
}

impl NewTopic {
    /// Creates a topic with the cluster's default number of partitions and replicas.
    pub fn new(name: impl Into<TopicName>) -> Self {
        Self {
            name: name.into(),
            partitions: None,
            replication_factor: None,
            assignments: Vec::new(),
            configs: BTreeMap::new(),
        }
    }

    /// Sets the number of partitions (default: the broker's `num.partitions`).
    #[must_use]
    pub fn partitions(mut self, count: i32) -> Self {
        self.partitions = Some(count);
        self
    }

    /// Sets the number of replicas of each partition (default: the broker's
    /// `default.replication.factor`).
    #[must_use]
    pub fn replication_factor(mut self, factor: i16) -> Self {
        self.replication_factor = Some(factor);
        self
    }

    /// Sets the replicas of each partition, the preferred leader first, instead of the two numbers.
    #[must_use]
    pub fn assignments(mut self, replicas: impl IntoIterator<Item = Vec<BrokerId>>) -> Self {
        self.assignments = replicas.into_iter().collect();
        self
    }

    /// Sets a config of the topic.
    #[must_use]
    pub fn config(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.configs.insert(name.into(), value.into());
        self
    }

    fn as_request(&self) -> CreatableTopic<'_> {
        let has_assignments = !self.assignments.is_empty();
        CreatableTopic {
            name: &self.name,
            num_partitions: self.partitions.filter(|_| !has_assignments).unwrap_or(-1),
            replication_factor: self.replication_factor.filter(|_| !has_assignments).unwrap_or(-1),
            assignments: (0..)
                .zip(&self.assignments)
                .map(|(partition_index, brokers)| CreatableReplicaAssignment {
                    partition_index,
                    broker_ids: brokers.iter().map(|broker| broker.0).collect(),
                })
                .collect(),
            configs: self
                .configs
                .iter()
                .map(|(name, value)| CreatableTopicConfig { name, value: Some(value) })
                .collect(),
        }
    }
}

/// A topic that was created.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreatedTopic {
    /// The topic's id; `None` from brokers before 2.8.
    pub id: Option<TopicId>,
    /// The number of partitions, if the broker tells (2.4 and newer, with the permission to see
    /// it).
    pub partitions: Option<i32>,
    /// The number of replicas of each partition, if the broker tells (2.4 and newer, with the
    /// permission to see it).
    pub replication_factor: Option<i16>,
    /// The topic's configs, including defaults, if the broker tells (2.4 and newer, with the
    /// permission to see them).
    pub configs: Vec<ConfigEntry>,
}

/// The new number of partitions of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewPartitions {
    total: i32,
    assignments: Vec<Vec<BrokerId>>,
}

impl NewPartitions {
    /// Increases the number of partitions to `count`. Kafka chooses the replicas of the new ones.
    pub fn increase_to(count: i32) -> Self {
        Self { total: count, assignments: Vec::new() }
    }

    /// Sets the replicas of each new partition, the preferred leader first.
    #[must_use]
    pub fn assignments(mut self, replicas: impl IntoIterator<Item = Vec<BrokerId>>) -> Self {
        self.assignments = replicas.into_iter().collect();
        self
    }

    fn as_request<'a>(&self, name: &'a TopicName) -> CreatePartitionsTopic<'a> {
        let assignment = |brokers: &Vec<BrokerId>| CreatePartitionsAssignment {
            broker_ids: brokers.iter().map(|broker| broker.0).collect(),
        };
        CreatePartitionsTopic {
            name,
            count: self.total,
            assignments: (!self.assignments.is_empty())
                .then(|| self.assignments.iter().map(assignment).collect()),
        }
    }
}

impl Item for TopicId {
    const KIND: &'static str = "topic id";
}

impl Admin {
    /// Creates topics. If two have the same name, the later one counts.
    ///
    /// # Errors
    /// For a topic: the class [`Class::Rejected`](crate::Class::Rejected), for example
    /// [`TOPIC_ALREADY_EXISTS`](crate::ErrorCode::TOPIC_ALREADY_EXISTS),
    /// [`INVALID_REPLICATION_FACTOR`](crate::ErrorCode::INVALID_REPLICATION_FACTOR) or
    /// [`INVALID_CONFIG`](crate::ErrorCode::INVALID_CONFIG).
    pub async fn create_topics(
        &self,
        topics: impl IntoIterator<Item = NewTopic>,
    ) -> Outcomes<TopicName, CreatedTopic> {
        let topics: BTreeMap<_, _> =
            topics.into_iter().map(|topic| (topic.name.clone(), topic)).collect();
        let read = |_: &[_], response: &CreateTopicsResponse<'_>| {
            Ok(response
                .topics
                .iter()
                .map(|topic| (TopicName::from(topic.name), created(topic)))
                .collect())
        };
        self.ask_each(
            &topics,
            |_| Route::Controller,
            |share, _| CreateTopicsRequest {
                topics: share.iter().map(|(_, topic)| topic.as_request()).collect(),
                timeout_ms: self.timeout_ms(),
                validate_only: self.validates_only,
            },
            read,
        )
        .await
    }

    /// Creates one topic.
    ///
    /// # Errors
    /// As [`Admin::create_topics`].
    pub async fn create_topic(&self, topic: NewTopic) -> Result<CreatedTopic> {
        only(self.create_topics([topic]).await)
    }

    /// Deletes topics.
    ///
    /// # Errors
    /// For a topic: the class [`Class::Rejected`](crate::Class::Rejected), for example
    /// [`TOPIC_DELETION_DISABLED`](crate::ErrorCode::TOPIC_DELETION_DISABLED);
    /// [`UNKNOWN_TOPIC_OR_PARTITION`](crate::ErrorCode::UNKNOWN_TOPIC_OR_PARTITION).
    pub async fn delete_topics(
        &self,
        names: impl IntoIterator<Item = impl Into<TopicName>>,
    ) -> Outcomes<TopicName, ()> {
        let names = keys::<TopicName>(names);
        let read = |_: &[_], response: &DeleteTopicsResponse<'_>| {
            let deleted = response.responses.iter();
            Ok(deleted
                .filter_map(|topic| {
                    Some((
                        TopicName::from(topic.name?),
                        check(topic.error_code, topic.error_message),
                    ))
                })
                .collect())
        };
        self.change_each(
            &names,
            |_| Route::Controller,
            |share, version| {
                // From version 6 on a topic is named or identified by a struct of its own.
                let (topics, topic_names) = if version >= 6 {
                    let topic = |name| DeleteTopicState {
                        name: Some(TopicName::as_str(name)),
                        ..DeleteTopicState::default()
                    };
                    (share.iter().map(|(name, ())| topic(name)).collect(), Vec::new())
                } else {
                    (Vec::new(), share.iter().map(|(name, ())| name.as_str()).collect())
                };
                DeleteTopicsRequest { topics, topic_names, timeout_ms: self.timeout_ms() }
            },
            read,
        )
        .await
    }

    /// Deletes one topic.
    ///
    /// # Errors
    /// As [`Admin::delete_topics`].
    pub async fn delete_topic(&self, name: impl Into<TopicName>) -> Result<()> {
        only(self.delete_topics([name.into()]).await)
    }

    /// Deletes topics by their ids, which spares a topic recreated under the same name.
    ///
    /// # Errors
    /// For a topic: [`UNKNOWN_TOPIC_ID`](crate::ErrorCode::UNKNOWN_TOPIC_ID);
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) before Kafka 2.8.
    pub async fn delete_topics_by_id(
        &self,
        ids: impl IntoIterator<Item = TopicId>,
    ) -> Outcomes<TopicId, ()> {
        let ids = keys::<TopicId>(ids);
        let read = |_: &[_], response: &DeleteTopicsResponse<'_>| {
            let deleted = response.responses.iter();
            Ok(deleted
                .map(|topic| (topic.topic_id.into(), check(topic.error_code, topic.error_message)))
                .collect())
        };
        self.change_each(
            &ids,
            |_| Route::Controller,
            |share, _| DeleteTopicsRequest {
                topics: share
                    .iter()
                    .map(|(id, ())| DeleteTopicState { name: None, topic_id: (**id).into() })
                    .collect(),
                topic_names: Vec::new(),
                timeout_ms: self.timeout_ms(),
            },
            read,
        )
        .await
    }

    /// Increases the number of partitions of topics.
    ///
    /// # Errors
    /// For a topic: [`INVALID_PARTITIONS`](crate::ErrorCode::INVALID_PARTITIONS) if it has as many
    /// already; [`UNKNOWN_TOPIC_OR_PARTITION`](crate::ErrorCode::UNKNOWN_TOPIC_OR_PARTITION).
    pub async fn create_partitions(
        &self,
        partitions: impl IntoIterator<Item = (impl Into<TopicName>, NewPartitions)>,
    ) -> Outcomes<TopicName, ()> {
        let partitions: BTreeMap<TopicName, NewPartitions> =
            partitions.into_iter().map(|(name, new)| (name.into(), new)).collect();
        let read = |_: &[_], response: &CreatePartitionsResponse<'_>| {
            let results = response.results.iter();
            Ok(results
                .map(|topic| {
                    (TopicName::from(topic.name), check(topic.error_code, topic.error_message))
                })
                .collect())
        };
        self.ask_each(
            &partitions,
            |_| Route::Controller,
            |share, _| CreatePartitionsRequest {
                topics: share.iter().map(|(name, new)| new.as_request(name)).collect(),
                timeout_ms: self.timeout_ms(),
                validate_only: self.validates_only,
            },
            read,
        )
        .await
    }
}

fn created(topic: &CreatableTopicResult<'_>) -> Result<CreatedTopic> {
    check(topic.error_code, topic.error_message)?;
    let config =
        |config: &crate::wire::messages::create_topics::CreatableTopicConfigs<'_>| ConfigEntry {
            value: config.value.map(str::to_owned),
            is_read_only: config.read_only,
            is_sensitive: config.is_sensitive,
            ..ConfigEntry::new(config.name, ConfigSource::from_code(config.config_source))
        };
    let may_see = ErrorCode::check(topic.topic_config_error_code).is_ok();
    Ok(CreatedTopic {
        id: topic.topic_id.known(),
        partitions: non_negative(topic.num_partitions),
        replication_factor: non_negative(topic.replication_factor),
        configs: topic.configs.iter().flatten().filter(|_| may_see).map(config).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_is_left_to_the_broker() {
        let topic = NewTopic::new("t").config("cleanup.policy", "compact");
        let request = topic.as_request();
        assert_eq!(
            (request.name, request.num_partitions, request.replication_factor),
            ("t", -1, -1)
        );
        assert_eq!(request.configs.len(), 1);
    }

    #[test]
    fn assignments_take_the_place_of_the_numbers() {
        let topic = NewTopic::new("t")
            .partitions(5)
            .replication_factor(2)
            .assignments([vec![BrokerId(1)], vec![BrokerId(2)]]);
        let request = topic.as_request();
        assert_eq!((request.num_partitions, request.replication_factor), (-1, -1));
        assert_eq!(
            request.assignments.iter().map(|a| a.partition_index).collect::<Vec<_>>(),
            [0, 1]
        );
    }

    #[test]
    fn new_partitions_without_a_place_are_placed_by_kafka() {
        let name = TopicName::from("t");
        assert_eq!(NewPartitions::increase_to(6).as_request(&name).assignments, None);
        let placed = NewPartitions::increase_to(2).assignments([vec![BrokerId(3)]]);
        let assignments = placed.as_request(&name).assignments.expect("placed");
        assert_eq!(assignments[0].broker_ids, [3]);
    }
}
