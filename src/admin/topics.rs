//! Creating and deleting topics.

use std::collections::BTreeMap;

use super::Admin;
use crate::cluster::{Lane, Route};
use crate::error::{Error, ErrorCode, ErrorKind, Result};
use crate::ids::{BrokerId, TopicId, TopicName};
use crate::wire::messages::create_topics::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreatableTopicResult, CreateTopicsRequest,
    CreateTopicsResponse,
};
use crate::wire::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse};

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
    /// A topic with as many partitions and replicas as the cluster gives it.
    pub fn new(name: impl Into<TopicName>) -> Self {
        Self { name: name.into(), partitions: None, replication_factor: None, assignments: Vec::new(), configs: BTreeMap::new() }
    }

    /// Sets the number of partitions (default the broker's `num.partitions`).
    #[must_use]
    pub fn partitions(mut self, count: i32) -> Self {
        self.partitions = Some(count);
        self
    }

    /// Sets how many brokers keep each partition (default the broker's `default.replication.factor`).
    #[must_use]
    pub fn replication_factor(mut self, factor: i16) -> Self {
        self.replication_factor = Some(factor);
        self
    }

    /// Sets which brokers keep each partition, the preferred leader first, in place of the two numbers.
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
            configs: self.configs.iter().map(|(name, value)| CreatableTopicConfig { name, value: Some(value) }).collect(),
        }
    }
}

/// A topic that was created.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreatedTopic {
    /// The topic's id, which brokers before 2.8 do not have.
    pub id: Option<TopicId>,
    /// The number of partitions, if the broker says so (2.4 and newer, with permission to see it).
    pub partitions: Option<i32>,
    /// How many brokers keep each partition, likewise.
    pub replication_factor: Option<i16>,
}

impl Admin {
    /// Creates topics, and says for each what came of it.
    ///
    /// # Errors
    /// Retriable if the controller could not be asked in time. Of a topic: Rejected, such as TOPIC_ALREADY_EXISTS.
    ///
    /// # Cancel safety
    /// If the future is dropped, the topics may still be created.
    pub async fn create_topics(
        &self,
        topics: impl IntoIterator<Item = NewTopic>,
    ) -> Result<BTreeMap<TopicName, Result<CreatedTopic>>> {
        let topics: Vec<NewTopic> = topics.into_iter().collect();
        let request = |_| CreateTopicsRequest {
            topics: topics.iter().map(NewTopic::as_request).collect(),
            timeout_ms: self.timeout_ms(),
            validate_only: false,
        };
        let moved = |response: &CreateTopicsResponse<'_>| moved(response.topics.iter().map(|topic| topic.error_code));
        let reply = self
            .cluster
            .call_routed::<CreateTopicsRequest<'_>>(&Route::Controller, Lane::Control, self.deadline(), request, moved)
            .await?;
        let response = reply.parse()?;
        Ok(response.topics.iter().map(|topic| (TopicName::from(topic.name), created(topic))).collect())
    }

    /// Creates one topic.
    ///
    /// # Errors
    /// As [`Admin::create_topics`], of the topic too.
    ///
    /// # Cancel safety
    /// If the future is dropped, the topic may still be created.
    pub async fn create_topic(&self, topic: NewTopic) -> Result<CreatedTopic> {
        let name = topic.name.clone();
        only(self.create_topics([topic]).await?, &name)
    }

    /// Deletes topics, and says for each what came of it.
    ///
    /// # Errors
    /// Retriable if the controller could not be asked in time. Of a topic: Rejected, such as UNKNOWN_TOPIC_OR_PARTITION.
    ///
    /// # Cancel safety
    /// If the future is dropped, the topics may still be deleted.
    pub async fn delete_topics(
        &self,
        names: impl IntoIterator<Item = impl Into<TopicName>>,
    ) -> Result<BTreeMap<TopicName, Result<()>>> {
        let names: Vec<TopicName> = names.into_iter().map(Into::into).collect();
        let request = |version| {
            // From version 6 on a topic is named or identified by a struct of its own.
            let (topics, topic_names) = if version >= 6 {
                let topic = |name| DeleteTopicState { name: Some(TopicName::as_str(name)), ..DeleteTopicState::default() };
                (names.iter().map(topic).collect(), Vec::new())
            } else {
                (Vec::new(), names.iter().map(TopicName::as_str).collect())
            };
            DeleteTopicsRequest { topics, topic_names, timeout_ms: self.timeout_ms() }
        };
        let moved = |response: &DeleteTopicsResponse<'_>| moved(response.responses.iter().map(|topic| topic.error_code));
        let reply = self
            .cluster
            .call_routed::<DeleteTopicsRequest<'_>>(&Route::Controller, Lane::Control, self.deadline(), request, moved)
            .await?;
        let response = reply.parse()?;
        let outcome = |topic: &crate::wire::messages::delete_topics::DeletableTopicResult<'_>| {
            Some((TopicName::from(topic.name?), item(topic.error_code, topic.error_message)))
        };
        Ok(response.responses.iter().filter_map(outcome).collect())
    }

    /// Deletes one topic.
    ///
    /// # Errors
    /// As [`Admin::delete_topics`], of the topic too.
    ///
    /// # Cancel safety
    /// If the future is dropped, the topic may still be deleted.
    pub async fn delete_topic(&self, name: impl Into<TopicName>) -> Result<()> {
        let name = name.into();
        only(self.delete_topics([name.clone()]).await?, &name)
    }
}

fn created(topic: &CreatableTopicResult<'_>) -> Result<CreatedTopic> {
    item(topic.error_code, topic.error_message)?;
    Ok(CreatedTopic {
        id: topic.topic_id.known(),
        partitions: Some(topic.num_partitions).filter(|count| *count >= 0),
        replication_factor: Some(topic.replication_factor).filter(|factor| *factor >= 0),
    })
}

/// What came of one item of a request.
pub(super) fn item(code: i16, message: Option<&str>) -> Result<()> {
    ErrorCode::check(code).map_err(|code| match message {
        Some(message) => Error::broker(code).context(message.trim_end_matches('.')),
        None => Error::broker(code),
    })
}

/// Whether another node must be asked: a controller that has moved says so item by item.
fn moved(codes: impl IntoIterator<Item = i16>) -> Option<ErrorCode> {
    codes.into_iter().map(ErrorCode).find(|code| *code == ErrorCode::NOT_CONTROLLER)
}

/// What came of the one item that was asked for.
pub(super) fn only<T>(mut outcomes: BTreeMap<TopicName, Result<T>>, name: &TopicName) -> Result<T> {
    outcomes
        .remove(name)
        .unwrap_or_else(|| Err(Error::new(ErrorKind::Protocol, format!("the reply does not speak of topic {name}"))))
        .map_err(|error| error.context(format_args!("topic {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_is_left_to_the_broker() {
        let topic = NewTopic::new("t").config("cleanup.policy", "compact");
        let request = topic.as_request();
        assert_eq!((request.name, request.num_partitions, request.replication_factor), ("t", -1, -1));
        assert_eq!(request.configs.len(), 1);
    }

    #[test]
    fn assignments_take_the_place_of_the_numbers() {
        let topic = NewTopic::new("t").partitions(5).replication_factor(2).assignments([vec![BrokerId(1)], vec![BrokerId(2)]]);
        let request = topic.as_request();
        assert_eq!((request.num_partitions, request.replication_factor), (-1, -1));
        assert_eq!(request.assignments.iter().map(|a| a.partition_index).collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn an_error_of_an_item_keeps_code_and_message() {
        let error = item(36, Some("Topic 't' already exists.")).expect_err("a code");
        assert_eq!(error.code(), Some(ErrorCode::TOPIC_ALREADY_EXISTS));
        assert!(error.to_string().starts_with("Topic 't' already exists: TOPIC_ALREADY_EXISTS"), "{error}");
    }

    #[test]
    fn a_moved_controller_is_seen_in_any_item() {
        assert_eq!(moved([0, 41]), Some(ErrorCode::NOT_CONTROLLER));
        assert_eq!(moved([0, 36]), None);
    }

    #[test]
    fn a_reply_that_forgets_a_topic_is_an_error() {
        let error = only::<()>(BTreeMap::new(), &TopicName::from("t")).expect_err("missing");
        assert_eq!(error.kind(), ErrorKind::Protocol);
    }
}
