//! Receiving messages as workers of a share group (KIP-932): more of them than partitions, each
//! message by itself.
//!
//! ```text
//!  crate::ShareConsumer ─▶ receive ─▶ a task for each message ─▶ a place ─▶ Handler ─▶ accepted
//!     one for each handler             renews its lock                          └─▶ released, to come again
//!                                      as long as that takes                    └─▶ rejected, skipped or as a dead letter
//! ```

use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

mod options;
mod receive;
mod worker;

pub use options::ShareHandlerOptions;

use super::calls::{self, Caller};
use super::config::{Config, invalid};
use super::error::{Code, Error, Result};
use super::handler::Handler;
use super::letters::Letters;
use super::metrics::{ConsumerMeter, ConsumerMetrics};
use crate::client::Client;
use crate::config::bounded;
use crate::ids::TopicName;
use crate::runtime::{self, Runtime};
use crate::sync::lock;
use worker::Workers;

/// Receives messages with the workers of a share group: any number of them share the same
/// partitions, and each message is done, or comes again, by itself and in no order. Cheap to clone.
///
/// ```no_run
/// # async fn resize(_: &[u8]) -> Result<(), std::io::Error> { Ok(()) }
/// # fn run(mq: kavka::mq::Mq) -> kavka::mq::Result<()> {
/// use kavka::mq::{FailurePolicy, Message, ShareHandlerOptions};
///
/// let workers = mq.share_consumer()?;
/// let options = ShareHandlerOptions::new()
///     .at_once(16)
///     .on_failure(FailurePolicy::retry(3).then_dead_letter("pictures.dead"));
/// workers.subscribe_with(["pictures"], options, async |message: Message| {
///     resize(message.value.as_deref().unwrap_or_default()).await
/// })
/// # }
/// ```
///
/// It takes the same handlers as a [`Consumer`](super::Consumer), and of the settings under
/// `consumer` those that concern neither offsets nor sessions, which the brokers decide:
/// `group_id`, `max_poll_records`, `max_poll_interval` and `fetch_*`. Where a new group begins and
/// how long a message is locked are settings of the group (`share.auto.offset.reset`, by default its
/// end, and `share.record.lock.duration.ms`), see [`Admin`](crate::Admin). It needs Kafka 4.2.
///
/// A message's lock is renewed for as long as its handler works, or it waits for that, so that a
/// handler may take longer than the lock. When it is lost all the same, [`Handler::failed`] is
/// called with the reason, such as [`Code::ConsumeFailed`], as another worker gets the message too.
///
/// Dropping the last clone ends everything at once: messages that are not done go to other workers.
#[derive(Clone)]
pub struct ShareConsumer {
    owner: Arc<ShareOwner>,
}

/// Ends the tasks with the last handle; the tasks do not hold it.
struct ShareOwner {
    shared: Arc<ShareInner>,
    runtime: Runtime,
    _client: Option<Client>,
}

impl Drop for ShareOwner {
    fn drop(&mut self) {
        self.runtime.cancel();
    }
}

/// What the handle and the workers share.
pub(super) struct ShareInner {
    client: Client,
    config: Config,
    handlers: Mutex<Vec<RegisteredWorkers>>,
    /// Rings for all when a handler has gone.
    stopped: Notify,
    meter: ConsumerMeter,
    letters: Letters,
    closing: CancellationToken,
    close_by: OnceLock<Instant>,
    /// What has not ended in time.
    ended: Mutex<Result<()>>,
}

struct RegisteredWorkers {
    id: usize,
    topics: Vec<TopicName>,
}

impl ShareInner {
    fn caller(&self) -> Caller<'_> {
        Caller::new(self, &self.config, &self.closing)
    }

    /// Removes a handler that has ended.
    fn forget(&self, id: usize) {
        lock(&self.handlers).retain(|handler| handler.id != id);
        self.stopped.notify_waiters();
    }
}

impl ShareConsumer {
    /// Creates a consumer with a client of its own, which is closed with it.
    ///
    /// # Errors
    /// - [`Code::MissingConfig`] without `consumer.group_id`.
    /// - [`Code::InvalidConfig`]; the message names the key.
    pub fn new(config: impl Into<Config>) -> Result<Self> {
        let config = config.into();
        config.validate()?;
        let client = config.new_client()?;
        Self::on(&client, &config, Some(client.clone()))
    }

    pub(super) fn on(client: &Client, config: &Config, own: Option<Client>) -> Result<Self> {
        config.core_share_consumer(1)?;
        let runtime = Runtime::current(false).map_err(invalid)?;
        let shared = Arc::new(ShareInner {
            client: client.clone(),
            config: config.clone(),
            handlers: Mutex::default(),
            stopped: Notify::new(),
            meter: ConsumerMeter::new(config.monitoring.enable_metrics, runtime::now()),
            letters: Letters::new(client, config),
            closing: CancellationToken::new(),
            close_by: OnceLock::new(),
            ended: Mutex::new(Ok(())),
        });
        Ok(Self { owner: Arc::new(ShareOwner { shared, runtime, _client: own }) })
    }

    /// Subscribes a handler to topics, with [`ShareHandlerOptions::default`].
    ///
    /// # Errors
    /// As [`ShareConsumer::subscribe_with`].
    pub fn subscribe<T: Into<TopicName>>(
        &self,
        topics: impl IntoIterator<Item = T>,
        handler: impl Handler,
    ) -> Result<()> {
        self.subscribe_with(topics, ShareHandlerOptions::new(), handler)
    }

    /// Subscribes a handler to topics. Each handler is a member of the group of its own, so that one
    /// that is slow keeps no other waiting.
    ///
    /// # Errors
    /// - [`Code::InvalidConfig`] if another handler of this consumer is subscribed to one of the
    ///   topics, a name is not allowed, or options do not fit a share group.
    /// - [`Code::ConsumerClosed`] if the consumer was closed.
    pub fn subscribe_with<T: Into<TopicName>>(
        &self,
        topics: impl IntoIterator<Item = T>,
        options: ShareHandlerOptions,
        handler: impl Handler,
    ) -> Result<()> {
        let ShareOwner { shared, runtime, .. } = &*self.owner;
        options.check()?;
        let topics: Vec<TopicName> = topics.into_iter().map(Into::into).collect();
        let refuse = |text: String| Err(Error::new(Code::InvalidConfig, text));
        if topics.is_empty() {
            return refuse("no topic is named: one or more are needed".to_owned());
        }
        let mut handlers = lock(&shared.handlers);
        if shared.closing.is_cancelled() {
            return Err(Error::new(Code::ConsumerClosed, "the consumer is closed"));
        }
        let mut taken = handlers.iter().flat_map(|handler| &handler.topics);
        if let Some(name) = taken.find(|name| topics.contains(name)) {
            return refuse(format!("topic {name} has a handler already"));
        }
        let config = shared.config.core_share_consumer(options.at_once)?;
        let consumer = shared.client.share_consumer(config).map_err(invalid)?;
        consumer.subscribe(topics.iter().cloned()).map_err(invalid)?;
        let id = handlers.last().map_or(0, |last| last.id + 1);
        handlers.push(RegisteredWorkers { id, topics });
        drop(handlers);
        let workers = Workers::new(Arc::clone(shared), Arc::new(handler), options, runtime.child());
        let shared = Arc::clone(shared);
        runtime.spawn(async move {
            receive::run(&workers, consumer).await;
            shared.forget(id);
        });
        Ok(())
    }

    /// Waits until no handler is left, because all have stopped or the consumer is closed.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn stopped(&self) {
        let shared = &self.owner.shared;
        loop {
            let stopped = shared.stopped.notified();
            tokio::pin!(stopped);
            stopped.as_mut().enable();
            if lock(&shared.handlers).is_empty() {
                return;
            }
            stopped.await;
        }
    }

    /// Returns the consumer's metrics. There is no lag in them, which only brokers know
    /// ([`Admin::list_share_group_offsets`](crate::Admin::list_share_group_offsets)).
    pub fn metrics(&self) -> ConsumerMetrics {
        self.owner.shared.meter.snapshot(runtime::now())
    }

    /// Shuts down in order: stops taking messages, lets each handler finish the messages in hand,
    /// releases those that wait, and leaves the group.
    ///
    /// If one of the consumer's own handlers calls it, it starts the shutdown and returns at once,
    /// since that message could never finish otherwise; [`ShareConsumer::stopped`] tells when the
    /// consumer has ended.
    ///
    /// # Errors
    /// [`Code::Timeout`] if a handler or the group took longer. The consumer has ended nevertheless,
    /// and messages that are not done go to other workers.
    ///
    /// # Cancel safety
    /// If the future is dropped, the shutdown continues until the last clone is dropped.
    pub async fn close(&self, timeout: Duration) -> Result<()> {
        let ShareOwner { shared, runtime, .. } = &*self.owner;
        let timeout = bounded(timeout);
        let deadline = *shared.close_by.get_or_init(|| runtime::now() + timeout);
        // Under the lock, so that no handler is added that nobody waits for.
        let handlers = lock(&shared.handlers);
        shared.closing.cancel();
        drop(handlers);
        if calls::is_within(shared.caller()) {
            return Ok(());
        }
        let ended = tokio::time::timeout_at(deadline.into(), runtime.join()).await;
        runtime.cancel();
        lock(&shared.handlers).clear();
        shared.stopped.notify_waiters();
        if ended.is_err() {
            let text = format!("a message in hand, or the group, did not end within {timeout:?}");
            return Err(Error::new(Code::Timeout, text));
        }
        lock(&shared.ended).clone()
    }
}

impl std::fmt::Debug for ShareConsumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShareConsumer")
            .field("group_id", &self.owner.shared.config.consumer.group_id)
            .finish_non_exhaustive()
    }
}
