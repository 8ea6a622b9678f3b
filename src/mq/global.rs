//! The default instance: made at first use, on a thread with a runtime of its own, so that it
//! outlives whichever runtime calls it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::config::Config;
use super::error::{Code, Error, Result};
use super::handler::Handler;
use super::message::Message;
use super::metrics::ProducerMetrics;
use super::producer::{BatchResult, Sent};
use super::{Mq, consumer};
use crate::ids::{Offset, TopicName, TopicPartition};
use crate::runtime::Background;

static DEFAULT: Mutex<DefaultInstance> =
    Mutex::new(DefaultInstance { config: None, instance: None });

struct DefaultInstance {
    config: Option<Config>,
    instance: Option<Arc<Instance>>,
}

/// The instance and the thread that it lives on.
pub(super) struct Instance {
    pub(super) mq: Mq,
    background: Background,
}

impl Instance {
    /// Runs something on the thread of the instance. If the future is dropped, it is run to its end
    /// all the same.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        self.background.run(work).await.unwrap_or_else(|| Err(ended()))
    }

    /// [`Instance::run`] from a thread that may wait.
    pub(super) fn block<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        self.background.block(work).unwrap_or_else(|| Err(ended()))
    }

    pub(super) fn consumer(&self) -> Result<consumer::Consumer> {
        self.background.enter(|| self.mq.consumer())
    }
}

fn ended() -> Error {
    Error::new(Code::ConnectionClosed, "the default instance was closed")
}

fn default() -> MutexGuard<'static, DefaultInstance> {
    DEFAULT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The default instance, made if there is none.
pub(super) fn instance() -> Result<Arc<Instance>> {
    let mut default = default();
    if let Some(instance) = &default.instance {
        return Ok(Arc::clone(instance));
    }
    let config = match &default.config {
        Some(config) => config.clone(),
        None => Config::from_env()?,
    };
    let background = Background::start("kavka-mq").map_err(super::config::invalid)?;
    let mq = background.enter(|| Mq::new(config))?;
    let instance = Arc::new(Instance { mq, background });
    default.instance = Some(Arc::clone(&instance));
    Ok(instance)
}

/// Takes the default instance away.
pub(super) fn take() -> Option<Arc<Instance>> {
    default().instance.take()
}

/// Sets the configuration of the default instance, before its first use. Without it, the
/// environment is used ([`Config::from_env`]).
///
/// # Errors
/// [`Code::InvalidConfig`] if the default instance is already in use, or the configuration is
/// invalid.
pub fn configure(config: impl Into<Config>) -> Result<()> {
    let config = config.into();
    config.validate()?;
    let mut default = default();
    if default.instance.is_some() {
        return Err(Error::new(
            Code::InvalidConfig,
            "the default instance is in use: configure it before, or close it",
        ));
    }
    default.config = Some(config);
    Ok(())
}

/// Calls [`Producer::send_sync`](super::Producer::send_sync) on the default instance.
///
/// ```no_run
/// # async fn run() -> kavka::mq::Result<()> {
/// kavka::mq::send_sync("chat-messages", "Hello, World!").await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As that method, and as [`Mq::new`] at the first use.
///
/// # Cancel safety
/// If the future is dropped, the message is sent nevertheless.
pub async fn send_sync(topic: &str, value: impl AsRef<[u8]>) -> Result<Sent> {
    let message = Message::new(topic, value.as_ref().to_vec());
    settled(message).await
}

/// Sends as [`send_sync`] does, with a key. Messages with the same key keep their order.
///
/// # Errors
/// As [`send_sync`].
///
/// # Cancel safety
/// As [`send_sync`].
pub async fn send_sync_with_key(
    topic: &str,
    key: impl AsRef<[u8]>,
    value: impl AsRef<[u8]>,
) -> Result<Sent> {
    settled(Message::new(topic, value.as_ref().to_vec()).key(key.as_ref().to_vec())).await
}

async fn settled(message: Message) -> Result<Sent> {
    let instance = instance()?;
    let producer = instance.mq.producer().clone();
    instance.run(async move { producer.send_message(&message).await?.await }).await
}

/// Calls [`Producer::send_async`](super::Producer::send_async) on the default instance.
///
/// # Errors
/// As that method, and as [`Mq::new`] at the first use. The callback is then not called.
///
/// # Cancel safety
/// If the future is dropped, the message may be sent nevertheless.
pub async fn send_async(
    topic: &str,
    value: impl AsRef<[u8]>,
    callback: impl FnOnce(Result<Sent>) + Send + 'static,
) -> Result<()> {
    let instance = instance()?;
    let producer = instance.mq.producer().clone();
    // Mostly there is nothing to wait for, and no reason to change threads.
    let Some(callback) = producer.try_send_async(topic, value.as_ref(), Box::new(callback)) else {
        return Ok(());
    };
    let (topic, value) = (topic.to_owned(), value.as_ref().to_vec());
    instance.run(async move { producer.send_async(&topic, value, callback).await }).await
}

/// Calls [`Producer::send_batch_sync`](super::Producer::send_batch_sync) on the default instance.
///
/// # Errors
/// As [`Mq::new`] at the first use. Each message's failure is in its result.
pub async fn send_batch_sync(messages: Vec<Message>) -> Result<Vec<BatchResult>> {
    let instance = instance()?;
    let producer = instance.mq.producer().clone();
    instance.run(async move { Ok(producer.send_batch_sync(&messages).await) }).await
}

/// Calls [`Producer::send_batch_async`](super::Producer::send_batch_async) on the default instance.
///
/// # Errors
/// As [`Mq::new`] at the first use.
pub async fn send_batch_async(
    messages: Vec<Message>,
    callback: impl FnOnce(Vec<BatchResult>) + Send + 'static,
) -> Result<()> {
    let instance = instance()?;
    let producer = instance.mq.producer().clone();
    instance.run(async move { producer.send_batch_async(messages, callback) }).await
}

/// Calls [`Consumer::subscribe`](super::Consumer::subscribe) on the default instance. The handler
/// runs on the instance's own thread.
///
/// # Errors
/// As that method, [`Code::MissingConfig`] without `consumer.group_id` (`KAVKA_CONSUMER_GROUP_ID`),
/// and as [`Mq::new`] at the first use.
pub async fn subscribe<T: Into<TopicName>>(
    topics: impl IntoIterator<Item = T>,
    handler: impl Handler,
) -> Result<()> {
    instance()?.consumer()?.subscribe(topics, handler)
}

/// Calls [`Consumer::unsubscribe`](super::Consumer::unsubscribe) on the default instance.
///
/// # Errors
/// As that method.
pub async fn unsubscribe<T: Into<TopicName>>(topics: impl IntoIterator<Item = T>) -> Result<()> {
    instance()?.consumer()?.unsubscribe(topics)
}

/// Calls [`Consumer::commit_offset`](super::Consumer::commit_offset) on the default instance.
///
/// # Errors
/// As that method.
pub async fn commit_offset(partition: &TopicPartition, offset: impl Into<Offset>) -> Result<()> {
    let instance = instance()?;
    let consumer = instance.consumer()?;
    let offsets = [(partition.clone(), offset.into())];
    instance.run(async move { consumer.commit_offsets(offsets).await }).await
}

/// Calls [`Mq::ping`] on the default instance.
///
/// # Errors
/// As that method, and as [`Mq::new`] at the first use.
pub async fn ping() -> Result<Duration> {
    let instance = instance()?;
    let mq = instance.mq.clone();
    instance.run(async move { mq.ping().await }).await
}

/// Returns the producer metrics of the default instance.
///
/// # Errors
/// As [`Mq::new`] at the first use.
pub fn producer_metrics() -> Result<ProducerMetrics> {
    Ok(instance()?.mq.producer().metrics())
}

/// Closes the default instance, as [`Mq::close`] does. The next call of another function creates a
/// new one.
///
/// # Errors
/// As that method.
pub async fn close() -> Result<()> {
    let Some(instance) = take() else { return Ok(()) };
    let mq = instance.mq.clone();
    instance.run(async move { mq.close().await }).await
}
