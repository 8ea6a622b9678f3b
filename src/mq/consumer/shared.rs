//! What the handle, the tasks and the group's listener share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::handler::{Handler, HandlerOptions, HandlerTopics, RegisteredHandler};
use super::progress::{Part, Progress};
use super::room::RoomSignal;
use crate::client::Client;
use crate::consumer::{ConsumerHandle, IsolationLevel, RebalanceListener};
use crate::ids::TopicPartition;
use crate::mq::config::Config;
use crate::mq::error::{Code, During, Error, Result};
use crate::mq::metrics::ConsumerMeter;
use crate::producer;

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
    pub(super) lag: Mutex<BTreeMap<TopicPartition, u64>>,
    pub(super) meter: ConsumerMeter,
    pub(super) dead_letters: Mutex<Option<producer::Producer>>,
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
        self.check_output(&options)?;
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
            let others = handlers.list.iter().filter_map(|other| match &other.topics {
                HandlerTopics::Named(names) => Some(names),
                HandlerTopics::Pattern { .. } => None,
            });
            if let HandlerTopics::Named(names) = &topics
                && let Some(name) = others.flatten().find(|name| names.contains(name))
            {
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

    /// Whether a handler's output can be written exactly once.
    fn check_output(&self, options: &HandlerOptions) -> Result<()> {
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
            match &registered.topics {
                HandlerTopics::Named(some) => names.extend(some.iter().cloned()),
                HandlerTopics::Pattern { text, .. } => patterns.push(format!("(?:{text})")),
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
        self.handlers().list.iter().find(|registered| registered.topics.take(topic)).map(Arc::clone)
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
        if !paused.contains(partition) && !self.progress().is_aside(partition) {
            // It may go away in this moment.
            let _ = self.handle.resume([partition]);
        }
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

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
