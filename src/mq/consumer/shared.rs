//! What the handle, the tasks and the group's listener share.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Instant;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::progress::{Part, Progress};
use super::room::RoomSignal;
use crate::client::Client;
use crate::consumer::{ConsumerHandle, ConsumerRecord, IsolationLevel, RebalanceListener};
use crate::ids::{TopicName, TopicPartition};
use crate::mq::calls::Caller;
use crate::mq::config::Config;
use crate::mq::error::{Code, During, Error, Result};
use crate::mq::handler::{Handler, HandlerOptions, HandlerTopics, RegisteredHandler};
use crate::mq::letters::Letters;
use crate::mq::metrics::ConsumerMeter;
use crate::runtime;
use crate::sync::lock;

/// What the handle, the tasks and the group's listener share.
pub(super) struct ConsumerInner {
    pub(super) handle: ConsumerHandle,
    pub(super) client: Client,
    pub(super) config: Config,
    pub(super) handlers: Mutex<Handlers>,
    /// Rings when `handlers` has changed.
    pub(super) changed: Notify,
    /// Rings for all when a handler has gone.
    pub(super) stopped: Notify,
    pub(super) progress: Mutex<Progress>,
    /// Rings for all when a message has ended that somebody may wait for, or its partition goes.
    pub(super) freed: Notify,
    /// Rings likewise for the task that receives, which does not wait all the time.
    pub(super) settled: Notify,
    pub(super) room: Arc<RoomSignal>,
    /// By the user; others are paused while their queue is full.
    pub(super) paused: Mutex<BTreeSet<TopicPartition>>,
    /// Partitions of retry topics whose next message is not due before this.
    pub(super) due: Mutex<BTreeMap<TopicPartition, Instant>>,
    pub(super) lag: Mutex<BTreeMap<TopicPartition, u64>>,
    pub(super) meter: ConsumerMeter,
    pub(super) letters: Letters,
    pub(super) closing: CancellationToken,
    pub(super) close_by: OnceLock<Instant>,
    /// How it has ended.
    pub(super) ended: Mutex<Option<Result<()>>>,
    /// Why what was handled last of partitions that have gone is not committed.
    pub(super) uncommitted: Mutex<Option<Error>>,
    /// The user's.
    pub(super) listener: Mutex<Option<Arc<dyn RebalanceListener>>>,
}

#[derive(Default)]
pub(super) struct Handlers {
    pub(super) list: Vec<Arc<RegisteredHandler>>,
    pub(super) next_id: u64,
}

impl ConsumerInner {
    pub(super) fn register(
        &self,
        topics: HandlerTopics,
        options: HandlerOptions,
        handler: Arc<dyn Handler>,
    ) -> Result<()> {
        if self.closing.is_cancelled() {
            return Err(Error::new(Code::ConsumerClosed, "the consumer is closed"));
        }
        self.check_options(&options)?;
        let mut id = None;
        let registered = self.change(|handlers| {
            let is_taken = handlers.list.iter().any(|other| {
                options.transactional_id.is_some()
                    && other.options.transactional_id == options.transactional_id
            });
            if is_taken {
                return Err(Error::new(
                    Code::InvalidConfig,
                    "another handler has this transactional.id: each needs its own",
                ));
            }
            let is_named = |name: &TopicName| topics.names(&options).any(|own| own == name);
            let taken = handlers.list.iter().find_map(|other| {
                other.topics.names(&other.options).find(|name| is_named(name)).cloned()
            });
            if let Some(name) = taken {
                return Err(Error::new(
                    Code::InvalidConfig,
                    format!("topic {name} has a handler: unsubscribe that first"),
                ));
            }
            id = Some(handlers.next_id);
            handlers.list.push(Arc::new(RegisteredHandler {
                id: handlers.next_id,
                topics,
                handler,
                options,
            }));
            handlers.next_id += 1;
            Ok(())
        });
        if registered.is_err() {
            lock(&self.handlers).list.retain(|registered| Some(registered.id) != id);
        }
        registered
    }

    pub(super) fn caller(&self) -> Caller<'_> {
        Caller::new(self, &self.config, &self.closing)
    }

    /// Whether a handler's options go together, and its output can be written exactly once.
    fn check_options(&self, options: &HandlerOptions) -> Result<()> {
        if options.at_once > 1 && options.policy.retry_topics.names().next().is_some() {
            return Err(Error::new(
                Code::InvalidConfig,
                "HandlerOptions::ordered_by_key and FailurePolicy::then_retry_topics do not go \
                 together: a message in a retry topic is overtaken by others of its key",
            ));
        }
        let Some(id) = &options.transactional_id else { return Ok(()) };
        let refusal = if id.is_empty() {
            "transactional.id is empty: any other text is allowed"
        } else if self.config.consumer.isolation_level != IsolationLevel::ReadCommitted {
            "exactly once needs consumer.isolation_level=read_committed: an aborted message would \
             count otherwise"
        } else if options.at_once > 1 {
            "HandlerOptions::ordered_by_key and transactional_id do not go together: what a handler \
             returns is written in the order of its partition"
        } else {
            return Ok(());
        };
        Err(Error::new(Code::InvalidConfig, refusal))
    }

    /// Changes the handlers, and subscribes to what they take together.
    pub(super) fn change(&self, change: impl FnOnce(&mut Handlers) -> Result<()>) -> Result<()> {
        let mut handlers = self.handlers();
        change(&mut handlers)?;
        let mut names = Vec::new();
        let mut patterns = Vec::new();
        for registered in &handlers.list {
            names.extend(registered.topics.names(&registered.options).cloned());
            if let HandlerTopics::Pattern { text, .. } = &registered.topics {
                patterns.push(format!("(?:{text})"));
            }
        }
        let subscribed = if !patterns.is_empty() {
            patterns.extend(names.iter().map(|name| regex_lite::escape(name)));
            self.handle.subscribe_pattern(&patterns.join("|"))
        } else if names.is_empty() {
            self.handle.unsubscribe()
        } else {
            self.handle.subscribe(names)
        };
        drop(handlers);
        self.changed.notify_one();
        self.stopped.notify_waiters();
        subscribed.map_err(|error| Error::from_client(error, During::Consume))
    }

    /// The handler of a topic.
    pub(super) fn handler_of(&self, topic: &str) -> Option<Arc<RegisteredHandler>> {
        self.handlers().list.iter().find(|registered| registered.takes(topic)).map(Arc::clone)
    }

    /// Keeps a partition from coming, for as long as nobody can take its messages.
    pub(super) fn hold_back(&self, partition: &TopicPartition) {
        // If it goes away in this moment, there is nothing to pause.
        let _ = self.handle.pause([partition]);
    }

    /// Ends [`ConsumerInner::hold_back`], unless the user has paused the partition, or nobody can
    /// take it.
    pub(super) fn resume_if_allowed(&self, partition: &TopicPartition) {
        let paused = lock(&self.paused);
        let is_due = !lock(&self.due).contains_key(partition);
        if !paused.contains(partition) && is_due && !self.progress().is_aside(partition) {
            // It may go away in this moment.
            let _ = self.handle.resume([partition]);
        }
    }

    /// Of messages of a retry topic, takes away those that are not due: their partition is paused until
    /// the first of them is. Under the lock of the progress, or a seek of the user might be undone.
    pub(super) fn leave_until_due(
        &self,
        registered: &RegisteredHandler,
        records: &mut VecDeque<ConsumerRecord>,
    ) {
        let (topics, now) = (&registered.options.policy.retry_topics, runtime::now());
        let Some(topic) = records.front().map(ConsumerRecord::topic) else { return };
        if !topics.has(topic) {
            return;
        }
        let wall_now = self.client.cluster().wall_clock().now();
        let mut due = records.iter().map(|record| topics.due(record, wall_now, now)).enumerate();
        let Some((at, due)) = due.find_map(|(at, due)| Some((at, due?))) else { return };
        if let Some(record) = records.get(at) {
            let partition = record.topic_partition();
            self.hold_back(partition);
            // It may go away in this moment.
            let _ = self.handle.seek(partition, record.covered().start);
            lock(&self.due).insert(partition.clone(), due);
        }
        records.truncate(at);
    }

    /// When the next partition is due that waits for that.
    pub(super) fn next_due(&self) -> Option<Instant> {
        lock(&self.due).values().min().copied()
    }

    pub(super) fn resume_what_is_due(&self) {
        let now = runtime::now();
        let mut due = Vec::new();
        lock(&self.due).retain(|partition, at| {
            if *at <= now {
                due.push(partition.clone());
            }
            *at > now
        });
        due.iter().for_each(|partition| self.resume_if_allowed(partition));
    }

    /// A message has ended that somebody may wait for, or its partition goes.
    pub(super) fn has_settled(&self) {
        self.freed.notify_waiters();
        self.settled.notify_one();
    }

    pub(super) fn progress(&self) -> MutexGuard<'_, Progress> {
        lock(&self.progress)
    }

    pub(super) fn handlers(&self) -> MutexGuard<'_, Handlers> {
        lock(&self.handlers)
    }
}

/// Waits until what is in hand of a partition should not be begun again, as that goes or was
/// sought.
pub(super) async fn stale(shared: &ConsumerInner, part: &Part, generation: u64) {
    when(shared, || !part.is_current(generation)).await;
}

/// Waits until something holds of the progress.
pub(super) async fn when(shared: &ConsumerInner, holds: impl Fn() -> bool) {
    loop {
        let freed = shared.freed.notified();
        tokio::pin!(freed);
        freed.as_mut().enable();
        if holds() {
            return;
        }
        freed.await;
    }
}
