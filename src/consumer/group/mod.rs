//! One consumer's part in its group: membership, committed offsets, and what the listener is told.
//!
//! The rules are in pure machines: the membership, by the [`classic`] protocol or by
//! [`reconciling`] with what the coordinator has decided, and the order of [`commits`]; [`task`] drives them, makes their calls ([`rpc`]) and tells the subscription what is
//! owned. A consumer that chose its partitions by itself has a group for its commits only. Not
//! here: where each partition stands (`subscription`), and records (`fetch`).

mod assignor;
mod classic;
mod commits;
mod consumer_protocol;
mod member;
mod membership;
mod reconciling;
mod rpc;
mod task;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use tokio::sync::oneshot;

use self::commits::{Commits, Offsets, Ticket};
use self::member::{MemberSettings, MemberStanding};
use self::rpc::Rpc;
use self::task::GroupTask;
use crate::cluster::{Cluster, GroupCoordinator};
use crate::consumer::closing::GroupMembershipOperation;
use crate::consumer::config::ConsumerConfig;
use crate::consumer::membership::ConsumerMembership;
use crate::consumer::shared::{ConsumerShared, closed};
use crate::consumer::subscription::{CommitPosition, Subscription, not_owned};
use crate::error::{Error, ErrorKind, Result};
use crate::group_metadata::OffsetAndMetadata;
use crate::ids::TopicPartition;
use crate::runtime::{self, Runtime};
use crate::sync::lock;
use crate::watch;

/// What a listener is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Assigned(Vec<TopicPartition>),
    Revoked(Vec<TopicPartition>),
    /// See [`MemberAction::Abandon`](member::MemberAction::Abandon).
    Abandoned(Vec<TopicPartition>),
    Lost(Vec<TopicPartition>),
}

/// Tells the application of a change and waits until it has dealt with it.
pub(crate) type ChangeListener =
    Arc<dyn Fn(Change) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Tells the application what became of a commit, by partition.
pub(crate) type CommitListener =
    Arc<dyn Fn(&BTreeMap<TopicPartition, Result<OffsetAndMetadata>>) + Send + Sync>;

/// The handle on a consumer's group; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    inner: Arc<GroupInner>,
}

struct GroupInner {
    shared: Arc<ConsumerShared>,
    rpc: Rpc,
    settings: MemberSettings,
    commits_automatically: bool,
    pending_commits: Mutex<PendingCommits>,
    listener: Mutex<Option<ChangeListener>>,
    commit_listener: Mutex<Option<CommitListener>>,
    standing: Mutex<MemberStanding>,
    /// Why the application wants the group to assign anew, until the task has seen it.
    enforced: Mutex<Option<String>>,
    /// How the group is left, once the consumer is being closed.
    closing: watch::Publisher<Option<Closing>>,
    ended: watch::Publisher<bool>,
}

/// How a group is left.
#[derive(Clone, Copy, Debug)]
struct Closing {
    deadline: Instant,
    operation: GroupMembershipOperation,
}

/// The commits under way, and who waits for them.
#[derive(Debug)]
struct PendingCommits {
    commits: Commits,
    waiters: BTreeMap<Ticket, oneshot::Sender<Vec<(TopicPartition, Error)>>>,
}

impl Group {
    /// Starts the group's task; nothing is joined before something is subscribed.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] without `group.id`.
    pub(crate) fn start(
        shared: &Arc<ConsumerShared>,
        cluster: &Cluster,
        runtime: &Runtime,
        config: &ConsumerConfig,
    ) -> Result<Self> {
        let group =
            config.group_id.clone().ok_or_else(|| Error::config("a group needs a group.id"))?;
        let instance = config.group_instance_id.clone();
        let settings = MemberSettings {
            group: group.as_str().into(),
            instance: instance.clone(),
            rack: config.client_rack.clone(),
            remote_assignor: config.group_remote_assignor.clone(),
            strategies: config.partition_assignment_strategy.clone(),
            session_timeout: config.session_timeout,
            heartbeat_interval: config.heartbeat_interval,
            max_poll_interval: config.max_poll_interval,
            backoff: cluster.retry_backoff(),
        };
        let commits = Commits::new(cluster.retry_backoff(), cluster.random());
        let inner = GroupInner {
            shared: Arc::clone(shared),
            rpc: Rpc {
                coordinator: GroupCoordinator { cluster: cluster.for_task(), group },
                instance,
            },
            settings,
            commits_automatically: config.commits_automatically(),
            pending_commits: Mutex::new(PendingCommits { commits, waiters: BTreeMap::new() }),
            listener: Mutex::new(None),
            commit_listener: Mutex::new(None),
            standing: Mutex::default(),
            enforced: Mutex::default(),
            closing: watch::Publisher::new(None),
            ended: watch::Publisher::new(false),
        };
        let group = Self { inner: Arc::new(inner) };
        runtime.spawn(GroupTask::new(Arc::clone(&group.inner), runtime.clone(), config).run());
        Ok(group)
    }

    /// Sets who is told of changes from now on.
    pub(crate) fn set_listener(&self, listener: ChangeListener) {
        *lock(&self.inner.listener) = Some(listener);
    }

    /// Sets who is told of commits from now on.
    pub(crate) fn set_commit_listener(&self, listener: CommitListener) {
        *lock(&self.inner.commit_listener) = Some(listener);
    }

    /// The group's id.
    pub(crate) fn id(&self) -> &str {
        &self.inner.rpc.coordinator.group
    }

    /// The id that the coordinator gave this member, if it is one.
    pub(crate) fn member_id(&self) -> Option<String> {
        Some(lock(&self.inner.standing).identity.member.clone()).filter(|id| !id.is_empty())
    }

    /// Who this member is, and how it stands.
    pub(crate) fn membership(&self) -> ConsumerMembership {
        let MemberStanding { identity, state } = lock(&self.inner.standing).clone();
        ConsumerMembership { state, metadata: self.inner.settings.metadata(&identity) }
    }

    /// Has the group assign anew, in the background.
    pub(crate) fn enforce_rebalance(&self, reason: &str) {
        let reason = if reason.is_empty() { ENFORCED } else { reason };
        *lock(&self.inner.enforced) = Some(reason.chars().take(LONGEST_REASON).collect());
        self.inner.shared.to_group.notify_one();
    }

    /// Whether something may still be committed.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`] once the group's task has ended.
    pub(crate) fn check_running(&self) -> Result<()> {
        self.inner.check_running()
    }

    /// Commits offsets, or with `None` all that was handed over to the application, and waits until
    /// they are committed.
    ///
    /// # Errors
    /// The first partition that failed: [`Class::Rejoin`](crate::Class::Rejoin) if it is not this
    /// consumer's any more; [`ErrorKind::Timeout`]; what the coordinator refuses; what ended the
    /// membership; [`ErrorKind::Closed`].
    ///
    /// # Cancel safety
    /// If the future is dropped, the offsets are committed all the same.
    pub(crate) async fn commit(&self, offsets: Option<Offsets>, deadline: Instant) -> Result<()> {
        let begun = runtime::now();
        let (waiter, forfeited) = {
            let mut pending_commits = self.inner.pending_commits();
            let (commits, forfeited) = self.inner.committable(&pending_commits.commits, offsets)?;
            (pending_commits.submit_awaited(commits, deadline), forfeited)
        };
        self.inner.shared.to_group.notify_one();
        // An attempt that began before the deadline may end after it.
        let late = |_| self.late("the coordinator has not taken the offsets", begun, None);
        let failures = tokio::time::timeout_at(deadline.into(), waiter)
            .await
            .map_err(late)?
            .map_err(|_| closed())?;
        let failure = failures.into_iter().map(|(_, error)| error).chain(forfeited).next();
        failure.map_or(Ok(()), Err)
    }

    /// Commits offsets, or with `None` all that was handed over to the application, in the background;
    /// a failure is told to the listener, or logged.
    ///
    /// # Errors
    /// As [`Group::commit`], but for what only the coordinator says.
    pub(crate) fn commit_later(&self, offsets: Option<Offsets>, deadline: Instant) -> Result<()> {
        let mut pending_commits = self.inner.pending_commits();
        let (commits, forfeited) = self.inner.committable(&pending_commits.commits, offsets)?;
        pending_commits.commits.submit(commits, deadline);
        drop(pending_commits);
        self.inner.shared.to_group.notify_one();
        forfeited.map_or(Ok(()), Err)
    }

    /// The committed offset of each partition, `None` where there is none.
    ///
    /// # Errors
    /// At the deadline, the last failure that might have passed; at once, what the coordinator
    /// refuses.
    ///
    /// # Cancel safety
    /// Safe.
    pub(crate) async fn committed(
        &self,
        partitions: &[TopicPartition],
        deadline: Instant,
    ) -> Result<BTreeMap<TopicPartition, Option<OffsetAndMetadata>>> {
        let rpc = &self.inner.rpc;
        let mut retries = rpc.coordinator.cluster.retries(deadline);
        let (begun, mut last) = (runtime::now(), None);
        loop {
            let attempt =
                tokio::time::timeout_at(deadline.into(), rpc.committed(partitions, None)).await;
            let late = |last| {
                Err(self.late("the coordinator has not told the committed offsets", begun, last))
            };
            let outcome = attempt.unwrap_or_else(|_| late(last.take()));
            let outcome = outcome.and_then(|found| {
                found.into_iter().map(|(tp, offset)| Ok((tp, offset?))).collect()
            });
            let error = match outcome {
                Ok(committed) => return Ok(committed),
                Err(error) => error,
            };
            let Some(pause) = retries.pause().filter(|_| error.is_retriable()) else {
                return Err(error);
            };
            last = Some(error);
            pause.await?;
        }
    }

    /// Gives up every partition, commits if the client commits by itself, and leaves the group, so
    /// that others take over, or remains in it.
    ///
    /// # Errors
    /// [`ErrorKind::Timeout`] if that was not done in time.
    ///
    /// # Cancel safety
    /// If the future is dropped, it goes on in the background.
    pub(crate) async fn close(
        &self,
        deadline: Instant,
        operation: GroupMembershipOperation,
    ) -> Result<()> {
        let how = Closing { deadline, operation };
        self.inner
            .closing
            .send_if_modified(|closing| closing.is_none() && closing.replace(how).is_none());
        self.inner.shared.to_group.notify_one();
        let mut ended = self.inner.ended.subscribe();
        let begun = runtime::now();
        let late = || {
            self.late("the last commit, the listener or the coordinator has not ended", begun, None)
        };
        match tokio::time::timeout_at(deadline.into(), ended.wait_for(|ended| *ended)).await {
            Ok(_) => Ok(()),
            Err(_) => Err(late()),
        }
    }
}

impl Group {
    /// Something of the group has taken too long.
    fn late(&self, what: &str, since: Instant, cause: Option<Error>) -> Error {
        let rpc = &self.inner.rpc;
        let message = format!(
            "group {:?}: {what} within {:.1?}",
            rpc.coordinator.group,
            runtime::now() - since
        );
        // Whoever cannot reach the cluster most often cannot reach the coordinator.
        match cause.or_else(|| rpc.coordinator.cluster.watch_failure().borrow().clone()) {
            Some(cause) => {
                Error::new(ErrorKind::Timeout, format!("{message}: {cause}")).caused_by(cause)
            }
            None => Error::new(ErrorKind::Timeout, message),
        }
    }
}

impl GroupInner {
    /// What may be committed now of these offsets, or with `None` of all that was handed over; and
    /// the error of what was handed over and is not this consumer's any more. Called under the lock
    /// of the pending_commits, so that nothing is submitted to a task that has ended.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`]; what ended the membership; [`ErrorKind::Config`] for a negative
    /// offset; [`Class::Rejoin`](crate::Class::Rejoin) for offsets of what is not owned.
    fn committable(
        &self,
        under_way: &Commits,
        offsets: Option<Offsets>,
    ) -> Result<(Vec<CommitPosition>, Option<Error>)> {
        self.check_running()?;
        if let Some(error) = self.shared.failure() {
            return Err(error);
        }
        self.shared.read(|subscription| match offsets {
            None => {
                let committable = subscription.committable(|tp| under_way.is_under_way(tp));
                Ok((committable, subscription.forfeited().next().map(not_owned)))
            }
            Some(offsets) => {
                if let Some((partition, at)) = offsets.iter().find(|(_, at)| at.offset.0 < 0) {
                    let message =
                        format!("an offset to commit must not be negative, but is {}", at.offset.0);
                    return Err(Error::config(message).at_partition(partition.clone()));
                }
                match subscription.not_owned(offsets.keys()) {
                    Some(foreign) => Err(not_owned(foreign)),
                    None => Ok((subscription.commits_of(offsets), None)),
                }
            }
        })
    }

    fn check_running(&self) -> Result<()> {
        if *self.ended.borrow() { Err(closed()) } else { Ok(()) }
    }

    /// What automatic commits may cover.
    fn finished(&self) -> Vec<CommitPosition> {
        let mut finished = self.shared.read(Subscription::finished);
        self.pending_commits().commits.retain_newer(&mut finished);
        finished
    }

    /// Commits offsets after all that were asked for before, unless the task has ended.
    fn submit_awaited(
        &self,
        commits: Vec<CommitPosition>,
        deadline: Instant,
    ) -> Option<oneshot::Receiver<Vec<(TopicPartition, Error)>>> {
        let mut pending_commits = self.pending_commits();
        self.check_running().ok()?;
        let waiter = pending_commits.submit_awaited(commits, deadline);
        drop(pending_commits);
        self.shared.to_group.notify_one();
        Some(waiter)
    }

    fn pending_commits(&self) -> MutexGuard<'_, PendingCommits> {
        lock(&self.pending_commits)
    }
}

impl PendingCommits {
    fn submit_awaited(
        &mut self,
        commits: Vec<CommitPosition>,
        deadline: Instant,
    ) -> oneshot::Receiver<Vec<(TopicPartition, Error)>> {
        let (sender, receiver) = oneshot::channel();
        let ticket = self.commits.submit_awaited(commits, deadline);
        self.waiters.insert(ticket, sender);
        receiver
    }
}

impl std::fmt::Debug for GroupInner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Group").field("rpc", &self.rpc).finish_non_exhaustive()
    }
}

/// What Java says where the application does not.
const ENFORCED: &str = "rebalance enforced by user";

/// Of a reason, in characters, as in Java (KIP-800).
const LONGEST_REASON: usize = 255;
