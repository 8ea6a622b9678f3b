//! Receiving messages: handlers for topics, on one consumer of a group.
//!
//! ```text
//!  crate::Consumer ─▶ receive ─▶ dispatch ─▶ handler queue ─▶ line ─▶ workers ─▶ Handler ─▶ done ─▶ committed
//!                        ▲        bounded; a full one pauses its        │      (progress, housekeeping)
//!                        │        partitions                            └─▶ failure: again, later, skipped, stopped, dead letter
//!  group ─ rebalance ────┴─▶ finish what is in hand, commit, let go
//! ```
//! Offsets of messages that handlers have finished are committed here, every
//! `auto_commit_interval`, before partitions go, and at the end: at least once, and a message that
//! was handed over but not finished comes again, with all behind it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

mod dispatch;
mod failure;
mod handler_queue;
mod housekeeping;
mod line;
mod progress;
mod rebalance;
mod receive;
mod room;
mod shared;
mod transacting;
mod worker;

use super::calls;
use super::config::{Config, invalid};
use super::error::{Code, During, Error, Result};
use super::handler::{Handler, HandlerOptions, HandlerTopics, RegisteredHandler};
use super::letters::Letters;
use super::metrics::{ConsumerMeter, ConsumerMetrics, PartitionMetrics};
use crate::client::Client;
use crate::config::bounded;
use crate::consumer::{ConsumerHandle, RebalanceListener};
use crate::ids::{Offset, TopicName, TopicPartition};
use crate::runtime::{self, Runtime};
use crate::sync::lock;
use shared::ConsumerInner;

/// Receives messages as one member of a group. Cheap to clone.
///
/// A message goes to the first handler that is subscribed to its topic. Dropping the last clone
/// ends everything at once, without committing; see [`Consumer::close`].
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
            room: Arc::default(),
            paused: Mutex::default(),
            due: Mutex::default(),
            lag: Mutex::default(),
            meter: ConsumerMeter::new(config.monitoring.enable_metrics, runtime::now()),
            letters: Letters::new(client, config),
            closing: CancellationToken::new(),
            close_by: OnceLock::new(),
            ended: Mutex::default(),
            uncommitted: Mutex::default(),
            listener: Mutex::default(),
        });
        consumer.rebalance_listener(rebalance::MqRebalanceListener(Arc::downgrade(&shared)));
        runtime.spawn(receive::run(Arc::clone(&shared), consumer, runtime.child()));
        runtime.spawn(housekeeping::housekeeping(Arc::clone(&shared)));
        Ok(Self { owner: Arc::new(TasksOwner { shared, runtime, _client: own }) })
    }

    /// Subscribes a handler to topics. It handles one message at a time, with
    /// the default [`FailurePolicy`](crate::mq::FailurePolicy).
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
    /// - [`Code::InvalidConfig`] if another handler is subscribed to one of the topics, or a name
    ///   is not allowed.
    /// - [`Code::ConsumerClosed`] if the consumer was closed.
    pub fn subscribe<T: Into<TopicName>>(
        &self,
        topics: impl IntoIterator<Item = T>,
        handler: impl Handler,
    ) -> Result<()> {
        self.subscribe_with(topics, HandlerOptions::new(), handler)
    }

    /// Subscribes a handler as [`Consumer::subscribe`] does, with a failure policy, several
    /// partitions in parallel, or several messages of each at once.
    ///
    /// # Errors
    /// As [`Consumer::subscribe`], and [`Code::InvalidConfig`] for options that do not go together.
    pub fn subscribe_with<T: Into<TopicName>>(
        &self,
        topics: impl IntoIterator<Item = T>,
        options: HandlerOptions,
        handler: impl Handler,
    ) -> Result<()> {
        let topics: Vec<TopicName> = topics.into_iter().map(Into::into).collect();
        if topics.is_empty() {
            return Err(Error::new(
                Code::InvalidConfig,
                "no topic is named: one or more are needed",
            ));
        }
        self.shared().register(HandlerTopics::Named(topics), options, Arc::new(handler))
    }

    /// Subscribes a handler to all present and future topics whose whole name matches a regular
    /// expression.
    ///
    /// # Errors
    /// - [`Code::InvalidConfig`] if the pattern is not valid.
    /// - [`Code::ConsumerClosed`] if the consumer was closed.
    pub fn subscribe_pattern(
        &self,
        pattern: &str,
        options: HandlerOptions,
        handler: impl Handler,
    ) -> Result<()> {
        let regex = regex_lite::Regex::new(&format!("^(?:{pattern})$")).map_err(|error| {
            Error::new(
                Code::InvalidConfig,
                format!("the pattern {pattern:?} is no regular expression: {error}"),
            )
        })?;
        self.shared().register(
            HandlerTopics::Pattern { text: pattern.to_owned(), regex },
            options,
            Arc::new(handler),
        )
    }

    /// Has a listener told of partitions that come and go, instead of the one before. Set it before
    /// the first handler, so that it hears of all.
    ///
    /// - `on_assigned`: before any message of the partitions is handled.
    /// - `on_revoked`: once what handlers had in hand of the partitions is finished, and before that
    ///   is committed: what the listener makes durable is covered by the commit. Handlers have half of
    ///   `consumer.max_poll_interval` for it.
    /// - `on_lost`: at once, while handlers may still have messages of the partitions in hand. Nothing
    ///   of them is committed.
    ///
    /// The listener is given a handle of the client's consumer. It should not hold a clone of this
    /// one, which would never be the last.
    ///
    /// ```no_run
    /// use kavka::{BoxFuture, ConsumerHandle, RebalanceListener, TopicPartition};
    ///
    /// struct Caches;
    ///
    /// impl RebalanceListener for Caches {
    ///     fn on_revoked<'a>(&'a self, _: &'a ConsumerHandle, partitions: &'a [TopicPartition]) -> BoxFuture<'a> {
    ///         Box::pin(async move { println!("writing back what is cached of {partitions:?}") })
    ///     }
    /// }
    ///
    /// # fn run(consumer: kavka::mq::Consumer) {
    /// consumer.rebalance_listener(Caches);
    /// # }
    /// ```
    pub fn rebalance_listener(&self, listener: impl RebalanceListener) {
        *lock(&self.shared().listener) = Some(Arc::new(listener));
    }

    /// Unsubscribes topics from their handlers. A handler without topics ends after its current
    /// message.
    ///
    /// # Errors
    /// [`Code::ConsumerClosed`] if the consumer was closed.
    pub fn unsubscribe<T: Into<TopicName>>(
        &self,
        topics: impl IntoIterator<Item = T>,
    ) -> Result<()> {
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

    /// Ends every handler and leaves the group.
    ///
    /// # Errors
    /// [`Code::ConsumerClosed`] if the consumer was closed.
    pub fn unsubscribe_all(&self) -> Result<()> {
        self.shared().change(|handlers| {
            handlers.list.clear();
            Ok(())
        })
    }

    /// Waits until no handler is left, because all have stopped or the consumer is closed.
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

    /// Pauses partitions until [`Consumer::resume`]. Messages already waiting for their handler are
    /// still handled.
    ///
    /// # Errors
    /// - [`Code::InvalidPartition`] if a partition is not assigned.
    /// - [`Code::ConsumerClosed`] if the consumer was closed.
    pub fn pause(&self, partitions: &[TopicPartition]) -> Result<()> {
        let shared = self.shared();
        // Both under one lock, as in `resume_if_allowed`, which would end the pause between them.
        let mut paused = lock(&shared.paused);
        shared.handle.pause(partitions).map_err(unassigned)?;
        paused.extend(partitions.iter().cloned());
        Ok(())
    }

    /// Resumes paused partitions.
    ///
    /// # Errors
    /// - [`Code::InvalidPartition`] if a partition is not assigned.
    /// - [`Code::ConsumerClosed`] if the consumer was closed.
    pub fn resume(&self, partitions: &[TopicPartition]) -> Result<()> {
        let shared = self.shared();
        let mut paused = lock(&shared.paused);
        paused.retain(|paused| !partitions.contains(paused));
        // One that nobody can take comes when somebody can.
        let mut aside: BTreeSet<_> = shared.progress().aside().cloned().collect();
        aside.extend(lock(&shared.due).keys().cloned());
        shared
            .handle
            .resume(partitions.iter().filter(|partition| !aside.contains(partition)))
            .map_err(unassigned)
    }

    /// Commits the offsets of all handled messages, and waits until they are committed.
    ///
    /// # Errors
    /// - [`Code::OffsetCommitFailed`], [`Code::RebalanceInProgress`] and others for the reason why
    ///   the coordinator refuses.
    /// - [`Code::Timeout`] if it takes too long.
    pub async fn commit(&self) -> Result<()> {
        self.shared().commit_done(None).await
    }

    /// Commits an offset, that of the next message to consume, and waits until it is committed.
    ///
    /// # Errors
    /// As [`Consumer::commit`].
    pub async fn commit_offset(
        &self,
        partition: &TopicPartition,
        offset: impl Into<Offset>,
    ) -> Result<()> {
        self.commit_offsets([(partition.clone(), offset.into())]).await
    }

    /// Commits offsets, each that of the next message to consume, and waits until they are
    /// committed.
    ///
    /// # Errors
    /// As [`Consumer::commit`].
    pub async fn commit_offsets(
        &self,
        offsets: impl IntoIterator<Item = (TopicPartition, Offset)>,
    ) -> Result<()> {
        self.shared().commit_offsets(offsets.into_iter().collect()).await
    }

    /// Returns the group's committed offset of a partition, if there is one.
    ///
    /// # Errors
    /// [`Code::Timeout`], or another code for the reason why the coordinator refuses.
    pub async fn committed_offset(&self, partition: &TopicPartition) -> Result<Option<Offset>> {
        let committed = self.shared().handle.committed([partition.clone()]).await;
        let mut committed = committed.map_err(|error| Error::from_client(error, During::Commit))?;
        Ok(committed.remove(partition).flatten().map(|committed| committed.offset))
    }

    /// Returns the offset of the next message of a partition to be handled, once it is known.
    ///
    /// # Errors
    /// - [`Code::InvalidPartition`] if the partition is not assigned.
    /// - [`Code::Timeout`] if the offset is not known in time.
    /// - [`Code::ConsumerClosed`] if the consumer was closed.
    pub async fn current_offset(&self, partition: &TopicPartition) -> Result<Offset> {
        let next = self.shared().progress().unhandled(partition);
        match next {
            Some(next) => Ok(next),
            None => self.shared().handle.position(partition).await.map_err(unassigned),
        }
    }

    /// Seeks to an offset of a partition. Messages waiting for their handler are discarded; the
    /// handler finishes its current one.
    ///
    /// # Errors
    /// - [`Code::InvalidPartition`] if the partition is not assigned.
    /// - [`Code::InvalidOffset`] if the offset is negative.
    /// - [`Code::ConsumerClosed`] if the consumer was closed.
    pub fn seek(&self, partition: &TopicPartition, offset: impl Into<Offset>) -> Result<()> {
        let offset = offset.into();
        if offset.0 < 0 {
            return Err(Error::new(
                Code::InvalidOffset,
                format!("the offset is {offset}: 0 or more is allowed"),
            ));
        }
        self.seek_with(std::slice::from_ref(partition), |handle| handle.seek(partition, offset))
    }

    /// Seeks to the earliest offset of partitions, as [`Consumer::seek`] does.
    ///
    /// # Errors
    /// - [`Code::InvalidPartition`] if a partition is not assigned.
    /// - [`Code::ConsumerClosed`] if the consumer was closed.
    pub fn seek_to_beginning(&self, partitions: &[TopicPartition]) -> Result<()> {
        self.seek_with(partitions, |handle| handle.seek_to_beginning(partitions))
    }

    /// Seeks to the end of partitions, as [`Consumer::seek`] does.
    ///
    /// # Errors
    /// - [`Code::InvalidPartition`] if a partition is not assigned.
    /// - [`Code::ConsumerClosed`] if the consumer was closed.
    pub fn seek_to_end(&self, partitions: &[TopicPartition]) -> Result<()> {
        self.seek_with(partitions, |handle| handle.seek_to_end(partitions))
    }

    /// Returns the partitions currently assigned to this consumer.
    pub fn assignment(&self) -> Vec<TopicPartition> {
        self.shared().handle.assignment()
    }

    /// Returns the consumer's metrics.
    pub fn metrics(&self) -> ConsumerMetrics {
        let shared = self.shared();
        let mut metrics = shared.meter.snapshot(runtime::now());
        let lag = lock(&shared.lag).clone();
        for (partition, standing) in shared.progress().standings() {
            let lag = lag.get(partition).copied();
            metrics.lag = metrics.lag.saturating_add(lag.unwrap_or(0));
            let of_partition = PartitionMetrics {
                current_offset: standing.done,
                committed_offset: standing.committed,
                lag,
            };
            metrics.partitions.insert(partition.clone(), of_partition);
        }
        metrics
    }

    /// Looks up the number of messages not yet handled, which [`Consumer::metrics`] then reports as
    /// well.
    ///
    /// # Errors
    /// [`Code::Timeout`], or another code for the reason why a broker refuses.
    pub async fn lag(&self) -> Result<u64> {
        self.shared()
            .measure_lag()
            .await
            .map_err(|error| Error::from_client(error, During::Consume))
    }

    /// Shuts down in order: stops taking messages, lets each handler finish its current message,
    /// commits, and leaves the group.
    ///
    /// If one of the consumer's own handlers calls it, it starts the shutdown and returns at once,
    /// since that message could never finish otherwise. The consumer ends once the handler has
    /// returned; [`Consumer::stopped`] tells when.
    ///
    /// # Errors
    /// [`Code::Timeout`] if a handler or the group took longer, or the coordinator's error for the
    /// commit. The consumer has ended nevertheless, and uncommitted messages are consumed again.
    ///
    /// # Cancel safety
    /// If the future is dropped, the shutdown continues until the last clone is dropped.
    pub async fn close(&self, timeout: Duration) -> Result<()> {
        let TasksOwner { shared, runtime, .. } = &*self.owner;
        let timeout = bounded(timeout);
        let deadline = *shared.close_by.get_or_init(|| runtime::now() + timeout);
        shared.closing.cancel();
        if calls::is_within(shared.caller()) {
            return Ok(());
        }
        let ended = tokio::time::timeout_at(deadline.into(), runtime.join()).await;
        runtime.cancel();
        lock(&shared.handlers).list.clear();
        shared.stopped.notify_waiters();
        if ended.is_err() {
            let in_hand: Vec<_> = shared.progress().in_hand().map(ToString::to_string).collect();
            let who = if in_hand.is_empty() {
                "the group".to_owned()
            } else {
                format!("a message in hand of {}", in_hand.join(", "))
            };
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
        let shared = self.shared();
        for partition in partitions {
            let is_waiting = lock(&shared.due).remove(partition).is_some();
            if is_waiting {
                shared.resume_if_allowed(partition);
            }
        }
        shared.has_settled();
        sought.map_err(unassigned)
    }

    fn shared(&self) -> &Arc<ConsumerInner> {
        &self.owner.shared
    }
}

impl std::fmt::Debug for Consumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consumer")
            .field("handle", &self.owner.shared.handle)
            .finish_non_exhaustive()
    }
}

/// A partition that the client calls impossible is one that is not assigned.
fn unassigned(error: crate::error::Error) -> Error {
    if error.kind() == crate::error::ErrorKind::Config {
        return Error::new(Code::InvalidPartition, error.to_string()).with_source(error);
    }
    Error::from_client(error, During::Consume)
}
