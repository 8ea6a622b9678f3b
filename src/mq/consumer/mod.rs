//! Receiving messages: handlers for topics, on one consumer of a group.
//!
//! ```text
//!  crate::Consumer ─▶ receive ─▶ dispatch ─▶ handler queue ─▶ worker ─▶ Handler ─▶ done ─▶ committed
//!                        ▲        bounded; a full one pauses its     │    (progress, housekeeping)
//!                        │        partitions                         └─▶ failure: again, skipped, stopped, dead letter
//!  group ─ rebalance ────┴─▶ finish what is in hand, commit, let go
//! ```
//! Offsets of messages that handlers have finished are committed here, every `auto_commit_interval`, before partitions go, and at the
//! end: at least once, and a message that was handed over but not finished comes again.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

mod calls;
mod dispatch;
mod failure;
mod handler;
mod handler_queue;
mod housekeeping;
mod progress;
mod rebalance;
mod receive;
mod shared;
mod worker;

pub use handler::{Callback, FailurePolicy, Handler, HandlerFuture, HandlerOptions, Outcome, callback};
#[cfg(feature = "json")]
pub use handler::{Json, json};

use super::config::{Config, invalid};
use super::error::{Code, During, Error, Result};
use super::metrics::{ConsumerMeter, ConsumerMetrics, PartitionMetrics};
use crate::client::Client;
use crate::config::bounded;
use crate::consumer::ConsumerHandle;
use crate::ids::{Offset, TopicName, TopicPartition};
use crate::runtime::{self, Runtime};
use handler::{HandlerTopics, RegisteredHandler};
use shared::{ConsumerInner, lock};

/// Receives messages as one member of a group; cheap to clone.
///
/// A message goes to the first handler whose topics have its own. Dropping the last clone ends everything at once, without
/// committing: see [`Consumer::close`].
#[derive(Clone)]
pub struct Consumer {
    owner: Arc<TasksOwner>,
}

/// Ends the tasks with the last handle; the tasks do not hold it.
struct TasksOwner {
    shared: Arc<ConsumerInner>,
    runtime: Runtime,
    _client: Option<Client>,
}

impl Drop for TasksOwner {
    fn drop(&mut self) {
        self.runtime.cancel();
    }
}

impl Consumer {
    /// Makes a consumer with a client of its own, which ends with it.
    ///
    /// # Errors
    /// MISSING_CONFIG without `consumer.group_id`; INVALID_CONFIG names the key.
    pub fn new(config: impl Into<Config>) -> Result<Self> {
        let config = config.into();
        config.validate()?;
        let client = config.new_client()?;
        Self::on(&client, &config, Some(client.clone()))
    }

    pub(super) fn on(client: &Client, config: &Config, own: Option<Client>) -> Result<Self> {
        let consumer = client.consumer(config.core_consumer()?).map_err(invalid)?;
        let runtime = Runtime::current(false).map_err(invalid)?;
        let shared = Arc::new(ConsumerInner {
            handle: consumer.handle(),
            client: client.clone(),
            config: config.clone(),
            handlers: Mutex::default(),
            changed: Notify::new(),
            stopped: Notify::new(),
            progress: Mutex::default(),
            freed: Notify::new(),
            settled: Notify::new(),
            room: Notify::new(),
            is_full: false.into(),
            paused: Mutex::default(),
            lag: Mutex::default(),
            meter: ConsumerMeter::new(config.monitoring.enable_metrics, runtime::now()),
            dead_letters: Mutex::default(),
            closing: CancellationToken::new(),
            close_by: OnceLock::new(),
            ended: Mutex::default(),
        });
        consumer.rebalance_listener(rebalance::MqRebalanceListener(Arc::downgrade(&shared)));
        runtime.spawn(receive::run(Arc::clone(&shared), consumer, runtime.child()));
        runtime.spawn(housekeeping::housekeeping(Arc::clone(&shared)));
        Ok(Self { owner: Arc::new(TasksOwner { shared, runtime, _client: own }) })
    }

    /// Has a handler take the messages of topics, one at a time, with [`FailurePolicy::default`].
    ///
    /// ```no_run
    /// # fn run(consumer: kavka::mq::Consumer) -> kavka::mq::Result<()> {
    /// use kavka::mq::Message;
    ///
    /// consumer.subscribe(["chat-messages"], async |message: Message| {
    ///     println!("{}: {}", message.topic, message.text().unwrap_or("?"));
    /// })
    /// # }
    /// ```
    ///
    /// # Errors
    /// INVALID_CONFIG if another handler has one of the topics, or a name is impossible; CONSUMER_CLOSED.
    pub fn subscribe<T: Into<TopicName>>(&self, topics: impl IntoIterator<Item = T>, handler: impl Handler) -> Result<()> {
        self.subscribe_with(topics, HandlerOptions::new(), handler)
    }

    /// [`Consumer::subscribe`] with a policy for failures, or several partitions at once.
    ///
    /// # Errors
    /// As [`Consumer::subscribe`].
    pub fn subscribe_with<T: Into<TopicName>>(
        &self,
        topics: impl IntoIterator<Item = T>,
        options: HandlerOptions,
        handler: impl Handler,
    ) -> Result<()> {
        let topics: Vec<TopicName> = topics.into_iter().map(Into::into).collect();
        if topics.is_empty() {
            return Err(Error::new(Code::InvalidConfig, "no topic is named: one or more are needed"));
        }
        self.shared().register(HandlerTopics::Named(topics), options, Arc::new(handler))
    }

    /// Has a handler take the messages of all topics, now or later, whose whole name matches a regular expression.
    ///
    /// # Errors
    /// INVALID_CONFIG if the pattern cannot be read; CONSUMER_CLOSED.
    pub fn subscribe_pattern(&self, pattern: &str, options: HandlerOptions, handler: impl Handler) -> Result<()> {
        let regex = regex_lite::Regex::new(&format!("^(?:{pattern})$")).map_err(|error| {
            Error::new(Code::InvalidConfig, format!("the pattern {pattern:?} is no regular expression: {error}"))
        })?;
        self.shared().register(HandlerTopics::Pattern { text: pattern.to_owned(), regex }, options, Arc::new(handler))
    }

    /// Takes topics from their handlers; a handler without a topic ends when its message in hand is done.
    ///
    /// # Errors
    /// CONSUMER_CLOSED.
    pub fn unsubscribe<T: Into<TopicName>>(&self, topics: impl IntoIterator<Item = T>) -> Result<()> {
        let topics: BTreeSet<TopicName> = topics.into_iter().map(Into::into).collect();
        self.shared().change(|handlers| {
            for registered in &mut handlers.list {
                let HandlerTopics::Named(names) = &registered.topics else { continue };
                if names.iter().any(|name| topics.contains(name)) {
                    let left = names.iter().filter(|name| !topics.contains(*name)).cloned().collect();
                    *registered = Arc::new(RegisteredHandler {
                        topics: HandlerTopics::Named(left),
                        handler: Arc::clone(&registered.handler),
                        options: registered.options.clone(),
                        id: registered.id,
                    });
                }
            }
            handlers.list.retain(|registered| !matches!(&registered.topics, HandlerTopics::Named(names) if names.is_empty()));
            Ok(())
        })
    }

    /// Ends every handler, and leaves the group.
    ///
    /// # Errors
    /// CONSUMER_CLOSED.
    pub fn unsubscribe_all(&self) -> Result<()> {
        self.shared().change(|handlers| {
            handlers.list.clear();
            Ok(())
        })
    }

    /// Waits until no handler is left: all have stopped, or the consumer is closed.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn stopped(&self) {
        let shared = self.shared();
        loop {
            let stopped = shared.stopped.notified();
            tokio::pin!(stopped);
            stopped.as_mut().enable();
            if shared.handlers().list.is_empty() || shared.closing.is_cancelled() {
                return;
            }
            tokio::select! {
                () = stopped => {}
                () = shared.closing.cancelled() => return,
            }
        }
    }

    /// Stops taking messages of partitions until [`Consumer::resume`]; those that wait for their handler already still come.
    ///
    /// # Errors
    /// INVALID_PARTITION if one is not assigned; CONSUMER_CLOSED.
    pub fn pause(&self, partitions: &[TopicPartition]) -> Result<()> {
        let shared = self.shared();
        // Both under one lock, as in `resume_if_allowed`, which would end the pause between them.
        let mut paused = lock(&shared.paused);
        shared.handle.pause(partitions).map_err(unassigned)?;
        paused.extend(partitions.iter().cloned());
        Ok(())
    }

    /// Ends a pause.
    ///
    /// # Errors
    /// INVALID_PARTITION if one is not assigned; CONSUMER_CLOSED.
    pub fn resume(&self, partitions: &[TopicPartition]) -> Result<()> {
        let shared = self.shared();
        let mut paused = lock(&shared.paused);
        paused.retain(|paused| !partitions.contains(paused));
        // One that nobody can take comes when somebody can.
        let aside: Vec<_> = shared.progress().aside().cloned().collect();
        shared.handle.resume(partitions.iter().filter(|partition| !aside.contains(partition))).map_err(unassigned)
    }

    /// Commits everything that handlers have finished, and waits until it is committed.
    ///
    /// # Errors
    /// OFFSET_COMMIT_FAILED, REBALANCE_IN_PROGRESS and others for what the coordinator says; TIMEOUT.
    pub async fn commit(&self) -> Result<()> {
        self.shared().commit_done(None).await
    }

    /// Commits an offset, the next to consume, and waits until it is committed.
    ///
    /// # Errors
    /// As [`Consumer::commit`].
    pub async fn commit_offset(&self, partition: &TopicPartition, offset: impl Into<Offset>) -> Result<()> {
        self.commit_offsets([(partition.clone(), offset.into())]).await
    }

    /// Commits offsets, each the next to consume, and waits until they are committed.
    ///
    /// # Errors
    /// As [`Consumer::commit`].
    pub async fn commit_offsets(&self, offsets: impl IntoIterator<Item = (TopicPartition, Offset)>) -> Result<()> {
        self.shared().commit_offsets(offsets.into_iter().collect()).await
    }

    /// What the group has committed for a partition, if anything.
    ///
    /// # Errors
    /// TIMEOUT, or what the coordinator refuses.
    pub async fn committed_offset(&self, partition: &TopicPartition) -> Result<Option<Offset>> {
        let committed = self.shared().handle.committed([partition.clone()]).await;
        let mut committed = committed.map_err(|error| Error::from_client(error, During::Commit))?;
        Ok(committed.remove(partition).flatten().map(|committed| committed.offset))
    }

    /// The next offset of a partition that a handler will see; waits until it is known.
    ///
    /// # Errors
    /// INVALID_PARTITION if it is not assigned; TIMEOUT; CONSUMER_CLOSED.
    pub async fn current_offset(&self, partition: &TopicPartition) -> Result<Offset> {
        let next = self.shared().progress().unhandled(partition);
        match next {
            Some(next) => Ok(next),
            None => self.shared().handle.position(partition).await.map_err(unassigned),
        }
    }

    /// Goes on at an offset of a partition. Messages that wait for their handler are dropped; the one that it has in hand is finished.
    ///
    /// # Errors
    /// INVALID_PARTITION if it is not assigned; INVALID_OFFSET if it is negative; CONSUMER_CLOSED.
    pub fn seek(&self, partition: &TopicPartition, offset: impl Into<Offset>) -> Result<()> {
        let offset = offset.into();
        if offset.0 < 0 {
            return Err(Error::new(Code::InvalidOffset, format!("the offset is {offset}: 0 or more is allowed")));
        }
        self.seek_with(std::slice::from_ref(partition), |handle| handle.seek(partition, offset))
    }

    /// Goes on at the first message there is; as [`Consumer::seek`].
    ///
    /// # Errors
    /// INVALID_PARTITION if one is not assigned; CONSUMER_CLOSED.
    pub fn seek_to_beginning(&self, partitions: &[TopicPartition]) -> Result<()> {
        self.seek_with(partitions, |handle| handle.seek_to_beginning(partitions))
    }

    /// Goes on with messages that come later; as [`Consumer::seek`].
    ///
    /// # Errors
    /// INVALID_PARTITION if one is not assigned; CONSUMER_CLOSED.
    pub fn seek_to_end(&self, partitions: &[TopicPartition]) -> Result<()> {
        self.seek_with(partitions, |handle| handle.seek_to_end(partitions))
    }

    /// The partitions that this consumer has now.
    pub fn assignment(&self) -> Vec<TopicPartition> {
        self.shared().handle.assignment()
    }

    /// What the consumer has done.
    pub fn metrics(&self) -> ConsumerMetrics {
        let shared = self.shared();
        let mut metrics = shared.meter.snapshot(runtime::now());
        let lag = lock(&shared.lag).clone();
        for (partition, standing) in shared.progress().standings() {
            let lag = lag.get(partition).copied();
            metrics.lag = metrics.lag.saturating_add(lag.unwrap_or(0));
            let of_partition = PartitionMetrics { current_offset: standing.done, committed_offset: standing.committed, lag };
            metrics.partitions.insert(partition.clone(), of_partition);
        }
        metrics
    }

    /// Looks up how many messages have not been handled; [`Consumer::metrics`] then tells it, too.
    ///
    /// # Errors
    /// TIMEOUT, or what the brokers refuse.
    pub async fn lag(&self) -> Result<u64> {
        self.shared().measure_lag().await.map_err(|error| Error::from_client(error, During::Consume))
    }

    /// Ends it in order: takes no more, lets each handler finish the message in hand, commits, leaves the group.
    ///
    /// Called by one of its own handlers, whose message would never finish, it begins all that, returns at once, and ends when the handler
    /// has returned; [`Consumer::stopped`] tells when.
    ///
    /// # Errors
    /// TIMEOUT if a handler, or the group, took longer, and what the coordinator says to the commit; it has ended all the same, and what
    /// was not committed comes again.
    ///
    /// # Cancel safety
    /// If the future is dropped, everything still ends, until the last clone is dropped.
    pub async fn close(&self, timeout: Duration) -> Result<()> {
        let TasksOwner { shared, runtime, .. } = &*self.owner;
        let timeout = bounded(timeout);
        let deadline = *shared.close_by.get_or_init(|| runtime::now() + timeout);
        shared.closing.cancel();
        if calls::is_within(shared) {
            return Ok(());
        }
        let ended = tokio::time::timeout_at(deadline.into(), runtime.join()).await;
        runtime.cancel();
        lock(&shared.handlers).list.clear();
        shared.stopped.notify_waiters();
        if ended.is_err() {
            let in_hand: Vec<_> = shared.progress().in_hand().map(ToString::to_string).collect();
            let who =
                if in_hand.is_empty() { "the group".to_owned() } else { format!("a message in hand of {}", in_hand.join(", ")) };
            let late = Error::new(Code::Timeout, format!("{who} did not end within {timeout:?}"));
            lock(&shared.ended).get_or_insert(Err(late));
        }
        lock(&shared.ended).clone().unwrap_or(Ok(()))
    }

    fn seek_with(
        &self,
        partitions: &[TopicPartition],
        seek: impl FnOnce(&ConsumerHandle) -> crate::error::Result<()>,
    ) -> Result<()> {
        // Both under one lock, under which a batch is given its generation.
        let mut progress = self.shared().progress();
        partitions.iter().for_each(|partition| progress.sought(partition));
        let sought = seek(&self.shared().handle);
        drop(progress);
        self.shared().has_settled();
        sought.map_err(unassigned)
    }

    fn shared(&self) -> &Arc<ConsumerInner> {
        &self.owner.shared
    }
}

impl std::fmt::Debug for Consumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consumer").field("handle", &self.owner.shared.handle).finish_non_exhaustive()
    }
}

/// A partition that the client calls impossible is one that is not assigned.
fn unassigned(error: crate::error::Error) -> Error {
    if error.kind() == crate::error::ErrorKind::Config {
        return Error::new(Code::InvalidPartition, error.to_string()).with_source(error);
    }
    Error::from_client(error, During::Consume)
}
