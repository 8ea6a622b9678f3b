//! Topics: made, deleted, listed, looked for.

use std::time::Duration;

use super::config::Config;
use super::error::{Code, During, Error, Result};
use crate::admin::{self as client_admin, NewTopic};
use crate::client::Client;
use crate::error::ErrorCode;
use crate::ids::TopicName;
use crate::runtime;

/// Administers topics. [`Client::admin`] offers more.
#[derive(Clone, Debug)]
pub struct Admin {
    admin: client_admin::Admin,
}

impl Admin {
    pub(super) fn new(client: &Client, config: &Config) -> Self {
        Self { admin: client.admin().timeout(patience(config)) }
    }

    /// Creates a topic, with the cluster's defaults for what is not set.
    ///
    /// ```no_run
    /// # async fn run(mq: kavka::mq::Mq) -> kavka::mq::Result<()> {
    /// use kavka::NewTopic;
    ///
    /// mq.admin().create_topic(NewTopic::new("room-7").partitions(3).replication_factor(1).config("retention.ms", "86400000")).await
    /// # }
    /// ```
    ///
    /// # Errors
    /// - [`Code::InvalidTopic`] if the name is not allowed or is in use.
    /// - [`Code::InvalidConfig`] if the cluster rejects the settings.
    /// - [`Code::AuthorizationFailed`] if the client lacks the permission.
    /// - [`Code::ConnectionTimeout`] if no broker answered in time.
    ///
    /// [`Error::client_error`] has Kafka's error code, such as TOPIC_ALREADY_EXISTS.
    pub async fn create_topic(&self, topic: NewTopic) -> Result<()> {
        self.admin.create_topic(topic).await.map(drop).map_err(during)
    }

    /// Creates a topic unless it exists, and returns whether it was created.
    ///
    /// # Errors
    /// As [`Admin::create_topic`].
    pub async fn ensure_topic(&self, topic: NewTopic) -> Result<bool> {
        match self.admin.create_topic(topic).await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some(ErrorCode::TOPIC_ALREADY_EXISTS) => Ok(false),
            Err(error) => Err(during(error)),
        }
    }

    /// Deletes a topic with all its messages.
    ///
    /// # Errors
    /// [`Code::TopicNotFound`], or another code for the reason why the cluster refuses.
    pub async fn delete_topic(&self, name: &str) -> Result<()> {
        let mut deleted = self.admin.delete_topics([name]).await;
        match deleted.remove(&TopicName::from(name)) {
            Some(deleted) => deleted.map_err(during),
            None => {
                Err(Error::new(Code::TopicNotFound, format!("the reply does not mention {name}")))
            }
        }
    }

    /// Returns the names of all topics, except Kafka's internal ones.
    ///
    /// # Errors
    /// [`Code::ConnectionTimeout`] if no broker answered in time.
    pub async fn list_topics(&self) -> Result<Vec<TopicName>> {
        let topics = self.admin.list_topics().await.map_err(during)?;
        Ok(topics.into_iter().filter(|topic| !topic.is_internal).map(|topic| topic.name).collect())
    }

    /// Returns whether a topic exists.
    ///
    /// # Errors
    /// - [`Code::ConnectionTimeout`] if no broker answered in time.
    /// - [`Code::AuthorizationFailed`] if the client may not see the topic.
    pub async fn topic_exists(&self, name: &str) -> Result<bool> {
        match self.admin.describe_topic(name).await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => Ok(false),
            Err(error) => Err(during(error)),
        }
    }
}

/// How long an administrative call may take.
fn patience(config: &Config) -> Duration {
    config.connection.dial_timeout.saturating_add(config.connection.read_timeout)
}

/// How long a broker takes to answer something small.
pub(super) async fn ping(client: &Client, config: &Config) -> Result<Duration> {
    let begun = runtime::now();
    let described =
        client.admin().timeout(config.monitoring.health_timeout).describe_cluster().await;
    described.map_err(|error| Error::from_client(error, During::Connect))?;
    Ok(runtime::now() - begun)
}

fn during(error: crate::error::Error) -> Error {
    Error::from_client(error, During::Administer)
}
