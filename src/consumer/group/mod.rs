//! One consumer's part in its group: membership, committed offsets, and what the listener is told.
//!
//! The rules are in two machines, [`classic`] (the membership) and [`commits`] (the order of commits); [`task`] drives both,
//! makes their calls ([`rpc`]) and tells the subscription what is owned. A consumer that chose its partitions by itself has a
//! group for its commits only. Not here: where each partition stands (`subscription`), and records (`fetch`).

mod assignor;
mod classic;
mod commits;
mod consumer_protocol;
mod rpc;
mod task;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::oneshot;

use self::classic::{Identity, Settings};
use self::commits::{Commits, Offsets, Ticket, not_owned};
use self::rpc::Rpc;
use self::task::Task;
use crate::cluster::{Cluster, Lane};
use crate::consumer::config::ConsumerConfig;
use crate::consumer::position::OffsetAndMetadata;
use crate::consumer::shared::{Shared, closed};
use crate::consumer::subscription::{Commit, Interest};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::TopicPartition;
use crate::runtime::{self, Runtime};
use crate::watch;

/// What a listener is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Assigned(Vec<TopicPartition>),
    Revoked(Vec<TopicPartition>),
    Lost(Vec<TopicPartition>),
}

/// Tells the application of a change and waits until it has dealt with it.
pub(crate) type Listener = Arc<dyn Fn(Change) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// The handle on a consumer's group; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    rpc: Rpc,
    settings: Settings,
    commits_automatically: bool,
    ledger: Mutex<Ledger>,
    listener: Mutex<Option<Listener>>,
    identity: Mutex<Identity>,
    /// When the group must have been left, once the consumer is being closed.
    closing: watch::Sender<Option<Instant>>,
    ended: watch::Sender<bool>,
}

/// The commits under way, and who waits for them.
#[derive(Debug)]
struct Ledger {
    commits: Commits,
    waiters: BTreeMap<Ticket, oneshot::Sender<Vec<(TopicPartition, Error)>>>,
}

impl Group {
    /// Starts the group's task; nothing is joined before something is subscribed.
    ///
    /// # Errors
    /// Config without `group.id`.
    pub(crate) fn start(
        shared: &Arc<Shared>,
        cluster: &Cluster,
        runtime: &Runtime,
        lane: Lane,
        config: &ConsumerConfig,
    ) -> Result<Self> {
        let group = config.group_id.clone().ok_or_else(|| Error::config("a group needs a group.id"))?;
        let instance = config.group_instance_id.clone();
        let settings = Settings {
            instance: instance.clone(),
            rack: config.client_rack.clone(),
            strategies: config.partition_assignment_strategy.clone(),
            session_timeout: config.session_timeout,
            heartbeat_interval: config.heartbeat_interval,
            max_poll_interval: config.max_poll_interval,
            backoff: cluster.retry_backoff(),
        };
        let commits = Commits::new(cluster.retry_backoff(), cluster.random());
        let inner = Inner {
            shared: Arc::clone(shared),
            rpc: Rpc { cluster: cluster.for_task(), group, instance, lane },
            settings,
            commits_automatically: config.commits_automatically(),
            ledger: Mutex::new(Ledger { commits, waiters: BTreeMap::new() }),
            listener: Mutex::new(None),
            identity: Mutex::default(),
            closing: watch::Sender::new(None),
            ended: watch::Sender::new(false),
        };
        let group = Self { inner: Arc::new(inner) };
        runtime.spawn(Task::new(Arc::clone(&group.inner), runtime.clone(), config).run());
        Ok(group)
    }

    /// Sets who is told of changes from now on.
    pub(crate) fn set_listener(&self, listener: Listener) {
        *lock(&self.inner.listener) = Some(listener);
    }

    /// The id that the coordinator gave this member, if it is one.
    pub(crate) fn member_id(&self) -> Option<String> {
        Some(lock(&self.inner.identity).member.clone()).filter(|id| !id.is_empty())
    }

    /// Commits what was handed over to the application, of all partitions.
    pub(crate) fn delivered(&self) -> Offsets {
        offsets(self.inner.shared.read(|subscription| subscription.delivered()))
    }

    /// Commits offsets and waits until they are committed.
    ///
    /// # Errors
    /// The first partition that failed: Rejoin if it is not this consumer's any more; Timeout; what the coordinator refuses.
    ///
    /// # Cancel safety
    /// If the future is dropped, the offsets are committed all the same.
    pub(crate) async fn commit(&self, offsets: Offsets, deadline: Instant) -> Result<()> {
        let waiter = {
            let mut ledger = self.inner.ledger();
            self.inner.check_owned(&offsets)?;
            ledger.submit_awaited(offsets, deadline)
        };
        self.inner.shared.to_group.notify_one();
        // An attempt that began before the deadline may end after it.
        let late = |_| Error::new(ErrorKind::Timeout, "the offsets were not committed in time");
        let failures = tokio::time::timeout_at(deadline.into(), waiter).await.map_err(late)?.map_err(|_| closed())?;
        failures.into_iter().next().map_or(Ok(()), |(_, error)| Err(error))
    }

    /// Commits offsets in the background; a failure is logged.
    ///
    /// # Errors
    /// Rejoin if a partition is not this consumer's any more.
    pub(crate) fn commit_later(&self, offsets: Offsets, deadline: Instant) -> Result<()> {
        if *self.inner.ended.borrow() {
            return Err(closed());
        }
        let mut ledger = self.inner.ledger();
        self.inner.check_owned(&offsets)?;
        ledger.commits.submit(offsets, deadline);
        drop(ledger);
        self.inner.shared.to_group.notify_one();
        Ok(())
    }

    /// The committed offset of each partition, `None` where there is none.
    ///
    /// # Errors
    /// At the deadline, the last failure that might have passed; at once, what the coordinator refuses.
    ///
    /// # Cancel safety
    /// Safe.
    pub(crate) async fn committed(
        &self,
        partitions: &[TopicPartition],
        deadline: Instant,
    ) -> Result<BTreeMap<TopicPartition, Option<OffsetAndMetadata>>> {
        let rpc = &self.inner.rpc;
        let backoff = rpc.cluster.retry_backoff();
        let mut random = rpc.cluster.random();
        let mut failures = 0;
        loop {
            let attempt = tokio::time::timeout_at(deadline.into(), rpc.committed(partitions)).await;
            let late = || Err(Error::new(ErrorKind::Timeout, "the committed offsets could not be had in time"));
            let outcome = attempt.unwrap_or_else(|_| late());
            let outcome = outcome.and_then(|found| found.into_iter().map(|(tp, offset)| Ok((tp, offset?))).collect());
            let error = match outcome {
                Ok(committed) => return Ok(committed),
                Err(error) => error,
            };
            failures += 1;
            let again = runtime::now() + backoff.after(failures, &mut random);
            if !error.is_retriable() || again >= deadline {
                return Err(error);
            }
            runtime::sleep_until(again).await;
        }
    }

    /// Gives up every partition, commits if the client commits by itself, and leaves the group, so that others take over.
    ///
    /// # Errors
    /// Timeout if that was not done in time.
    ///
    /// # Cancel safety
    /// If the future is dropped, it goes on in the background.
    pub(crate) async fn close(&self, deadline: Instant) -> Result<()> {
        self.inner.closing.send_if_modified(|closing| closing.is_none() && closing.replace(deadline).is_none());
        self.inner.shared.to_group.notify_one();
        let mut ended = self.inner.ended.subscribe();
        let late = || Error::new(ErrorKind::Timeout, "the group could not be left in time");
        match tokio::time::timeout_at(deadline.into(), ended.wait_for(|ended| *ended)).await {
            Ok(_) => Ok(()),
            Err(_) => Err(late()),
        }
    }
}

impl Inner {
    /// In a group that shares partitions out, only what is owned may be committed.
    fn check_owned(&self, offsets: &Offsets) -> Result<()> {
        self.shared.read(|subscription| {
            if !matches!(subscription.interest(), Interest::Topics(_) | Interest::Pattern(_)) {
                return Ok(());
            }
            let foreign = offsets.keys().find(|tp| !subscription.is_assigned(tp));
            foreign.map_or(Ok(()), |tp| Err(not_owned(tp)))
        })
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }
}

impl Ledger {
    fn submit_awaited(&mut self, offsets: Offsets, deadline: Instant) -> oneshot::Receiver<Vec<(TopicPartition, Error)>> {
        let (sender, receiver) = oneshot::channel();
        let ticket = self.commits.submit_awaited(offsets, deadline);
        self.waiters.insert(ticket, sender);
        receiver
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Group").field("rpc", &self.rpc).finish_non_exhaustive()
    }
}

fn offsets(commits: Vec<Commit>) -> Offsets {
    commits.into_iter().map(|commit| (commit.partition, commit.offset)).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
