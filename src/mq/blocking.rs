//! The default instance for threads without a runtime: the same functions, which wait.
//!
//! Inside a runtime they would stop its thread, and with it perhaps what they wait for: there, each
//! is an INVALID_CONFIG.
//!
//! ```no_run
//! use kavka::mq::blocking;
//!
//! fn main() -> kavka::mq::Result<()> {
//!     blocking::send_sync("chat-messages", "Hello, World!")?;
//!     blocking::close()
//! }
//! ```

use std::sync::Arc;
use std::time::Duration;

use super::error::{Code, Error, Result};
use super::global::{self, Instance};
use super::handler::Handler;
use super::message::Message;
use super::producer::{BatchResult, Sent};
use crate::ids::{Offset, TopicName, TopicPartition};
use crate::runtime::Runtime;

/// Blocks on [`mq::send_sync`](super::send_sync).
///
/// # Errors
/// As that function, and [`Code::InvalidConfig`] inside a runtime.
pub fn send_sync(topic: &str, value: impl AsRef<[u8]>) -> Result<Sent> {
    settled(Message::new(topic, value.as_ref().to_vec()))
}

/// Blocks on [`mq::send_sync_with_key`](super::send_sync_with_key).
///
/// # Errors
/// As that function, and [`Code::InvalidConfig`] inside a runtime.
pub fn send_sync_with_key(
    topic: &str,
    key: impl AsRef<[u8]>,
    value: impl AsRef<[u8]>,
) -> Result<Sent> {
    settled(Message::new(topic, value.as_ref().to_vec()).key(key.as_ref().to_vec()))
}

/// Blocks on [`mq::send_async`](super::send_async), that is, only for buffer memory and the topic's
/// metadata.
///
/// # Errors
/// As that function, and [`Code::InvalidConfig`] inside a runtime.
pub fn send_async(
    topic: &str,
    value: impl AsRef<[u8]>,
    callback: impl FnOnce(Result<Sent>) + Send + 'static,
) -> Result<()> {
    let instance = instance()?;
    let producer = instance.mq.producer().clone();
    let (topic, value) = (topic.to_owned(), value.as_ref().to_vec());
    instance.block(async move { producer.send_async(&topic, value, callback).await })
}

/// Blocks on [`mq::send_batch_sync`](super::send_batch_sync).
///
/// # Errors
/// As that function, and [`Code::InvalidConfig`] inside a runtime.
pub fn send_batch_sync(messages: Vec<Message>) -> Result<Vec<BatchResult>> {
    let instance = instance()?;
    let producer = instance.mq.producer().clone();
    instance.block(async move { Ok(producer.send_batch_sync(&messages).await) })
}

/// Blocks on [`mq::send_batch_async`](super::send_batch_async).
///
/// # Errors
/// As that function, and [`Code::InvalidConfig`] inside a runtime.
pub fn send_batch_async(
    messages: Vec<Message>,
    callback: impl FnOnce(Vec<BatchResult>) + Send + 'static,
) -> Result<()> {
    let instance = instance()?;
    let producer = instance.mq.producer().clone();
    instance.block(async move { producer.send_batch_async(messages, callback) })
}

/// Blocks on [`mq::subscribe`](super::subscribe).
///
/// # Errors
/// As that function, and [`Code::InvalidConfig`] inside a runtime.
pub fn subscribe<T: Into<TopicName>>(
    topics: impl IntoIterator<Item = T>,
    handler: impl Handler,
) -> Result<()> {
    instance()?.consumer()?.subscribe(topics, handler)
}

/// Blocks on [`mq::unsubscribe`](super::unsubscribe).
///
/// # Errors
/// As that function, and [`Code::InvalidConfig`] inside a runtime.
pub fn unsubscribe<T: Into<TopicName>>(topics: impl IntoIterator<Item = T>) -> Result<()> {
    instance()?.consumer()?.unsubscribe(topics)
}

/// Blocks on [`mq::commit_offset`](super::commit_offset).
///
/// # Errors
/// As that function, and [`Code::InvalidConfig`] inside a runtime.
pub fn commit_offset(partition: &TopicPartition, offset: impl Into<Offset>) -> Result<()> {
    let instance = instance()?;
    let consumer = instance.consumer()?;
    let offsets = [(partition.clone(), offset.into())];
    instance.block(async move { consumer.commit_offsets(offsets).await })
}

/// Blocks on [`mq::ping`](super::ping).
///
/// # Errors
/// As that function, and [`Code::InvalidConfig`] inside a runtime.
pub fn ping() -> Result<Duration> {
    let instance = instance()?;
    let mq = instance.mq.clone();
    instance.block(async move { mq.ping().await })
}

/// Blocks on [`mq::close`](super::close).
///
/// # Errors
/// As that function, and [`Code::InvalidConfig`] inside a runtime.
pub fn close() -> Result<()> {
    outside_a_runtime()?;
    let Some(instance) = global::take() else { return Ok(()) };
    let mq = instance.mq.clone();
    instance.block(async move { mq.close().await })
}

fn settled(message: Message) -> Result<Sent> {
    let instance = instance()?;
    let producer = instance.mq.producer().clone();
    instance.block(async move { producer.send_message(&message).await?.await })
}

fn instance() -> Result<Arc<Instance>> {
    outside_a_runtime()?;
    global::instance()
}

fn outside_a_runtime() -> Result<()> {
    match Runtime::current(false) {
        Ok(_) => Err(Error::new(
            Code::InvalidConfig,
            "mq::blocking inside a runtime would stop it: use the async functions of mq",
        )),
        Err(_) => Ok(()),
    }
}
