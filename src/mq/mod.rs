//! A messaging layer for services: send, subscribe, and see what is going on, with one
//! configuration and no clients to wire up.
//!
//! ```no_run
//! use kavka::mq::{Config, Message, Mq};
//!
//! #[tokio::main]
//! async fn main() -> kavka::mq::Result<()> {
//!     let mut config = Config::new("localhost:9092");
//!     config.consumer.group_id = Some("greeters".to_owned());
//!     let mq = Mq::new(config)?;
//!     mq.consumer()?.subscribe(["chat-messages"], async |message: Message| {
//!         println!("{}", message.text().unwrap_or("?"));
//!     })?;
//!     mq.producer().send_sync_with_key("chat-messages", "room-7", "Hello, World!").await?;
//!     mq.close().await
//! }
//! ```
//!
//! It stands on [`Client`], [`Producer`](crate::Producer), [`Consumer`](crate::Consumer) and
//! [`Admin`](crate::Admin), and adds no second pool of connections and no second queue of messages:
//!
//! ```text
//!  Mq ── producer ──▶ crate::Producer ─┐
//!   ├── consumer ──▶ crate::Consumer ──┼─▶ crate::Client ─▶ brokers
//!   ├── admin ─────▶ crate::Admin ─────┤
//!   └── connection_pool, health, ping ─┘
//! ```
//! [`send_sync`] and its like work on a default instance, which is made at first use; [`blocking`]
//! has the same for threads without a runtime.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::OptionFuture;

mod admin;
pub mod blocking;
mod calls;
mod config;
mod consumer;
mod error;
mod global;
mod handler;
mod health;
mod histogram;
mod letters;
mod message;
mod metrics;
#[cfg(feature = "serde")]
mod parse;
mod pool;
mod producer;
#[cfg(feature = "metrics")]
mod publish;
mod receive_errors;
mod retry_topics;
mod share;
mod text;
mod trace_context;

pub use admin::Admin;
pub use config::{
    Config, ConnectionConfig, ConsumerConfig, LogLevel, MonitoringConfig, PerformanceConfig,
    PoolConfig, ProducerConfig, SaslConfig, SslConfig,
};
pub use consumer::Consumer;
pub use error::{Code, Error, Result};
pub use global::{
    close, commit_offset, configure, ping, producer_metrics, send_async, send_batch_async,
    send_batch_sync, send_sync, send_sync_with_key, subscribe, unsubscribe,
};
pub use handler::{
    Callback, DoNotRetry, FailurePolicy, Handler, HandlerFuture, HandlerOptions, Outcome, callback,
};
#[cfg(feature = "json")]
pub use handler::{Json, json};
pub use health::{CheckStatus, Health, HealthStatus};
pub use histogram::Latencies;
pub use message::{Message, MessageHeader};
pub use metrics::{ConsumerMetrics, PartitionMetrics, ProducerMetrics};
pub use pool::{ConnectionPool, PoolStats};
pub use producer::{BatchResult, Producer, Receipt, Sent};
pub use share::{ShareConsumer, ShareHandlerOptions};

use crate::client::Client;
pub use crate::config::{Secret, SecurityProtocol};
use crate::sync::lock;
pub use crate::trace_context::TraceContext;

/// An instance of the messaging layer: a client, its producer and, once requested, its consumer.
/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Mq {
    inner: Arc<MqInner>,
}

#[derive(Debug)]
struct MqInner {
    client: Client,
    config: Config,
    producer: Producer,
    consumer: Mutex<Option<Consumer>>,
    share_consumer: Mutex<Option<ShareConsumer>>,
    health: Health,
}

impl Mq {
    /// Creates an instance. It starts to connect in the background.
    ///
    /// # Errors
    /// [`Code::MissingConfig`] or
    /// [`Code::InvalidConfig`]; the message names the key.
    /// [`Code::InvalidConfig`] outside a tokio runtime.
    pub fn new(config: impl Into<Config>) -> Result<Self> {
        let config = config.into();
        config.validate()?;
        let client = config.new_client()?;
        Self::with_client(client, config)
    }

    /// Creates an instance on an existing client, whose settings replace `brokers`, `client_id`,
    /// security and `connection`. Closing the instance closes the client.
    ///
    /// # Errors
    /// As [`Mq::new`].
    pub fn with_client(client: Client, config: impl Into<Config>) -> Result<Self> {
        let config = config.into();
        config.validate()?;
        let producer = Producer::on(&client, &config, None)?;
        let health = Health::new(client.clone(), config.clone());
        let mq = Self {
            inner: Arc::new(MqInner {
                client,
                config,
                producer,
                consumer: Mutex::default(),
                share_consumer: Mutex::default(),
                health,
            }),
        };
        #[cfg(feature = "metrics")]
        if mq.config().monitoring.enable_metrics {
            mq.keep_publishing();
        }
        Ok(mq)
    }

    /// Returns the producer.
    pub fn producer(&self) -> &Producer {
        &self.inner.producer
    }

    /// Returns the consumer, which the first call creates.
    ///
    /// # Errors
    /// [`Code::MissingConfig`] without `consumer.group_id`.
    pub fn consumer(&self) -> Result<Consumer> {
        let MqInner { consumer, client, config, .. } = &*self.inner;
        made_once(consumer, || Consumer::on(client, config, None))
    }

    /// Returns the consumer of the share group `consumer.group_id`, which the first call creates: the
    /// same handlers, with more workers than there are partitions, and each message by itself.
    ///
    /// # Errors
    /// [`Code::MissingConfig`] without `consumer.group_id`.
    pub fn share_consumer(&self) -> Result<ShareConsumer> {
        let MqInner { share_consumer, client, config, .. } = &*self.inner;
        made_once(share_consumer, || ShareConsumer::on(client, config, None))
    }

    #[cfg(feature = "metrics")]
    fn consumer_if_made(&self) -> Option<Consumer> {
        lock(&self.inner.consumer).clone()
    }

    /// Returns the statistics of connections.
    pub fn connection_pool(&self) -> ConnectionPool {
        ConnectionPool::new(self.inner.client.clone(), self.inner.config.clone())
    }

    /// Returns the administration of topics.
    pub fn admin(&self) -> Admin {
        Admin::new(&self.inner.client, &self.inner.config)
    }

    /// Returns the health checks.
    pub fn health(&self) -> &Health {
        &self.inner.health
    }

    /// Returns the underlying client, for what this layer does not offer.
    pub fn client(&self) -> &Client {
        &self.inner.client
    }

    /// Returns the settings.
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// Sends a small request to a broker and returns the time to its reply, at most
    /// `monitoring.health_timeout`.
    ///
    /// # Errors
    /// [`Code::ConnectionFailed`],
    /// [`Code::ConnectionTimeout`],
    /// [`Code::AuthenticationFailed`], or another code for
    /// the reason why no broker answers.
    pub async fn ping(&self) -> Result<Duration> {
        admin::ping(&self.inner.client, &self.inner.config).await
    }

    /// Shuts down in order, within 30 s: handlers finish their current message, offsets are
    /// committed, sent messages are flushed, the group is left, and connections are closed.
    ///
    /// # Errors
    /// As [`Mq::close_within`].
    pub async fn close(&self) -> Result<()> {
        self.close_within(CLOSE_TIMEOUT).await
    }

    /// Shuts down as [`Mq::close`] does, with another limit.
    ///
    /// # Errors
    /// [`Code::Timeout`] if something took longer; everything is stopped
    /// all the same.
    ///
    /// # Cancel safety
    /// If the future is dropped, what has not ended yet continues until the last clone is dropped.
    pub async fn close_within(&self, timeout: Duration) -> Result<()> {
        let deadline = crate::runtime::deadline(timeout);
        let left = || deadline.saturating_duration_since(crate::runtime::now());
        let consumer = lock(&self.inner.consumer).clone();
        let share_consumer = lock(&self.inner.share_consumer).clone();
        // Handlers may send until they have ended.
        let consumed = OptionFuture::from(consumer.as_ref().map(|one| one.close(left())));
        let shared = OptionFuture::from(share_consumer.as_ref().map(|one| one.close(left())));
        let (consumed, shared) = tokio::join!(consumed, shared);
        let consumed = consumed.unwrap_or(Ok(())).and(shared.unwrap_or(Ok(())));
        let produced = self.inner.producer.close(left()).await;
        let closed = self.inner.client.clone().close(left()).await;
        consumed
            .and(produced)
            .and(closed.map_err(|error| Error::from_client(error, error::During::Close)))
    }
}

/// What the first call makes.
fn made_once<T: Clone>(place: &Mutex<Option<T>>, make: impl FnOnce() -> Result<T>) -> Result<T> {
    let mut place = lock(place);
    if let Some(made) = &*place {
        return Ok(made.clone());
    }
    Ok(place.insert(make()?).clone())
}

/// How long closing may take (a guess: what supervisors wait before they kill).
const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
