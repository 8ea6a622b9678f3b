//! Drives one member: reads the clock, makes the calls of the machines, tells the subscription and
//! the listener.
//!
//! The loop never waits for a call or for the application: both run beside it and come back as an
//! [`GroupEvent`], so heartbeats go on. What the listener is told is queued and told one at a time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tracing::{debug, warn};

use super::assignor::GroupAssignment;
use super::classic::Classic;
use super::commits::{CommitIdentity, CommitOutcome, of_old_topic};
use super::member::{GroupMemberIdentity, MemberAction, WantedTopics};
use super::membership::GroupMembership;
use super::reconciling::HeartbeatAnswer;
use super::rpc::{Committed, Join};
use super::{Change, Closing, GroupInner};
use crate::cluster::{self, Asking, ClusterView, InterestGuard, LaneGuard};
use crate::consumer::config::{ConsumerConfig, GroupProtocol};
use crate::consumer::membership::MembershipState;
use crate::consumer::observer::MemberObserver;
use crate::consumer::position::AssignmentEpoch;
use crate::consumer::subscription::{Subscription, SubscriptionKind, not_owned};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{Attempt, TopicId, TopicName, TopicPartition};
use crate::observability::MemberEvent;
use crate::runtime::{self, Runtime};
use crate::sync::lock;
use crate::watch;

mod commits;
mod joining;
mod listener;
mod reconciling;

/// What came of something that runs beside the loop.
enum GroupEvent {
    Joined(Attempt, Result<Join>),
    Decided(Attempt, Result<GroupAssignment>),
    Synced(Attempt, Result<Vec<u8>>),
    HeartbeatDone {
        attempt: Attempt,
        sent: Instant,
        outcome: Result<()>,
    },
    Reconciled(Attempt, Result<HeartbeatAnswer>),
    Named(Result<BTreeMap<TopicId, TopicName>>),
    Left(Result<()>),
    Committed {
        sender: CommitIdentity,
        sent: Instant,
        outcome: CommitOutcome,
    },
    /// What is committed, as it was asked for by a member or by nobody in particular.
    Fetched {
        assignments: Vec<(TopicPartition, AssignmentEpoch)>,
        asker: Option<GroupMemberIdentity>,
        outcome: Result<Committed>,
    },
    Told(Change),
}

/// See the [module](self).
pub(super) struct GroupTask {
    group: Arc<GroupInner>,
    runtime: Runtime,
    machine: GroupMembership,
    protocol: GroupProtocol,
    /// In whose name the consumer speaks.
    published: GroupMemberIdentity,
    events: mpsc::Receiver<GroupEvent>,
    sender: mpsc::Sender<GroupEvent>,
    view: watch::Watcher<Arc<ClusterView>>,
    /// For JoinGroup and SyncGroup.
    lanes: LaneGuard,
    /// Of those, how many are not answered.
    joining: usize,
    interest: InterestGuard,
    interest_now: cluster::MetadataInterest,
    allows_auto_create: bool,
    excludes_internal: bool,
    /// The interest of the subscription and the view that were looked at last.
    seen: Option<(u64, u64)>,
    /// The leader's question, and when to answer it with what is known.
    describing: Option<(Attempt, Instant)>,
    /// The topics of all members, which a leader watches.
    led: BTreeSet<TopicName>,
    /// What topics are called that metadata does not know.
    naming: Asking,
    to_tell: VecDeque<Change>,
    is_telling: bool,
    /// Held until the application has given them up.
    giving: BTreeSet<TopicPartition>,
    /// What is committed of partitions that came.
    fetching: Asking,
    auto_commit_interval: Option<Duration>,
    next_auto_commit: Instant,
    /// How often the application had unsubscribed when it was looked at last.
    seen_unsubscribed: u64,
    seen_calls: u64,
    next_look: Instant,
    leaving: usize,
    closing: Option<Instant>,
    /// Since when the member wishes to join, for the metrics.
    rejoining: Option<Instant>,
    observer: MemberObserver,
}

impl GroupTask {
    pub(super) fn new(group: Arc<GroupInner>, runtime: Runtime, config: &ConsumerConfig) -> Self {
        let now = runtime::now();
        let cluster = &group.rpc.coordinator.cluster;
        // As many as can be under way at once, with room to spare.
        let (sender, events) = mpsc::channel(32);
        Self {
            machine: GroupMembership::Classic(Classic::new(
                group.settings.clone(),
                cluster.random(),
                now,
            )),
            protocol: config.group_protocol,
            published: GroupMemberIdentity::default(),
            view: cluster.watch(),
            lanes: cluster.lanes(),
            joining: 0,
            interest: cluster.want(cluster::MetadataInterest::default()),
            interest_now: cluster::MetadataInterest::default(),
            allows_auto_create: config.allow_auto_create_topics,
            excludes_internal: config.exclude_internal_topics,
            auto_commit_interval: config
                .commits_automatically()
                .then_some(config.auto_commit_interval),
            next_auto_commit: now + config.auto_commit_interval,
            runtime,
            events,
            sender,
            seen: None,
            describing: None,
            led: BTreeSet::new(),
            naming: Asking::default(),
            to_tell: VecDeque::new(),
            is_telling: false,
            giving: BTreeSet::new(),
            fetching: Asking::default(),
            seen_unsubscribed: 0,
            seen_calls: 0,
            next_look: now,
            leaving: 0,
            closing: None,
            rejoining: None,
            observer: group
                .shared
                .observer
                .member(cluster.recorder().group(&group.rpc.coordinator.group)),
            group,
        }
    }

    pub(super) async fn run(mut self) {
        let shared = Arc::clone(&self.group.shared);
        let mut closing = self.group.closing.subscribe();
        loop {
            let now = runtime::now();
            self.look_at_closing(*closing.borrow_and_update(), now);
            self.look_at_activity(now);
            self.look_at_interest(now);
            self.look_at_enforced(now);
            if self.machine.poll_timeout().is_some_and(|due| due <= now) {
                self.machine.handle_timeout(now);
            }
            while let Some(action) = self.machine.poll() {
                self.act(action, now);
            }
            if self.machine.is_idle() {
                // One that has left, or was refused a moment after the last look, comes back soon.
                self.next_look = self.next_look.min(now + IDLE_LOOK);
            }
            self.publish_identity();
            self.answer_question(now);
            if self.naming.is_due(now) {
                self.name_topics(now);
            }
            self.commit_automatically(now);
            self.fetch_committed(now);
            self.send_commits(now);
            self.tell_next(now);
            if self.is_over(now) {
                break;
            }
            let timeout = self.timeout(now);
            tokio::select! {
                biased;
                Some(event) = self.events.recv() => self.handle(event),
                () = shared.to_group.notified() => {}
                changed = self.view.changed() => if changed.is_err() { break },
                changed = closing.changed() => if changed.is_err() { break },
                () = runtime::sleep_until_some(timeout) => {}
            }
        }
    }

    fn look_at_closing(&mut self, closing: Option<Closing>, now: Instant) {
        if let (None, Some(Closing { deadline, operation })) = (self.closing, closing) {
            self.closing = Some(deadline);
            if self.auto_commit_interval.take().is_some() {
                let finished = self.group.finished();
                let deadline = self.commit_deadline(now);
                self.group.pending_commits().commits.submit(finished, deadline);
            }
            self.machine.handle_close(operation, now);
        }
    }

    /// Learns from time to time whether the application still asks for records.
    fn look_at_activity(&mut self, now: Instant) {
        if now < self.next_look {
            return;
        }
        let activity = &self.group.shared.activity;
        let calls = activity.calls();
        if activity.is_waiting() || calls != self.seen_calls {
            self.seen_calls = calls;
            self.machine.handle_polled(now);
        }
        if activity.is_waiting() {
            // Whoever still waits asks again. One that has stopped to, with the waiting future or
            // stream kept, does not.
            self.group.shared.wake();
        }
        // Late by at most a twentieth of the interval.
        self.next_look = now + self.group.settings.max_poll_interval / 20;
    }

    /// Works out what the application wants, by the newest view.
    fn look_at_interest(&mut self, now: Instant) {
        let view = Arc::clone(&self.view.borrow_and_update());
        let version = self.group.shared.read(|subscription| subscription.interest_version());
        if self.closing.is_some() || self.seen == Some((version, view.version)) {
            return;
        }
        self.seen = Some((version, view.version));
        self.group.shared.follow(&view);
        let recreated = self.group.shared.update(Subscription::take_recreated);
        self.group.pending_commits().commits.handle_gone(&recreated, of_old_topic);
        self.part_with_abandoned(now);
        let unsubscribed = self.group.shared.read(Subscription::unsubscribed);
        if unsubscribed != self.seen_unsubscribed {
            // Whatever is wanted since, what the application has given up must be given back first.
            self.seen_unsubscribed = unsubscribed;
            self.machine.handle_wanted(None, now);
        }
        let is_shared = self.group.shared.read(|subscription| subscription.interest().is_shared());
        if is_shared && !self.choose_protocol(&view, now) {
            return;
        }
        let wanted = self.wanted(&view);
        let matches_here = self.machine.reconciling().is_none()
            && wanted.as_ref().is_some_and(|wanted| wanted.pattern.is_some());
        let mut topics = self.led.clone();
        if let Some(wanted) = &wanted {
            topics.extend(wanted.topics.iter().cloned());
        }
        self.watch_topics(topics, matches_here);
        // There is no classic group to join for a pattern that nothing matches yet.
        let wanted = wanted.filter(|wanted| {
            !matches_here || !wanted.topics.is_empty() || self.machine.is_member()
        });
        if wanted.is_some() || !self.machine.is_away() {
            self.machine.handle_wanted(wanted, now);
        }
        self.look_at_led_topics(&view, now);
        self.name_topics(now);
    }

    /// What the application wants to share with the group.
    fn wanted(&mut self, view: &ClusterView) -> Option<WantedTopics> {
        let matches_here = self.machine.reconciling().is_none();
        self.group.shared.read(|subscription| {
            let interest = subscription.interest();
            let pattern =
                if let SubscriptionKind::Pattern(it) = interest { Some(it.clone()) } else { None };
            let topics = if pattern.is_none() || matches_here {
                interest.topics(view, self.excludes_internal)?
            } else {
                BTreeSet::new()
            };
            Some(WantedTopics { topics, pattern })
        })
    }

    /// Learns whether the application wants the group to assign anew.
    fn look_at_enforced(&mut self, now: Instant) {
        let Some(reason) = lock(&self.group.enforced).take() else { return };
        match self.machine.classic() {
            Some(classic) => classic.handle_enforced(reason, now),
            None => warn!(
                group = self.group.rpc.coordinator.group,
                "a rebalance cannot be enforced under the consumer protocol: the coordinator assigns"
            ),
        }
    }

    fn watch_topics(&mut self, topics: BTreeSet<TopicName>, all: bool) {
        let interest =
            cluster::MetadataInterest { topics, all, auto_create: self.allows_auto_create };
        if interest != self.interest_now {
            self.interest_now = interest.clone();
            self.interest.set(interest);
        }
    }

    fn publish_identity(&mut self) {
        let state = self.machine.state();
        let mut standing = lock(&self.group.standing);
        standing.identity.clone_from(self.machine.identity());
        standing.state = state;
        drop(standing);
        // One that joins again may still hold partitions, and get records of them: as long as it has
        // no new assignment it speaks in the name of the old one, which is not believed any more.
        let confirmed = self.machine.confirmed();
        if confirmed.generation.is_none() || self.published == *confirmed {
            return;
        }
        self.published.clone_from(confirmed);
        self.group.shared.set_member(self.group.settings.metadata(confirmed));
    }

    fn act(&mut self, action: MemberAction, now: Instant) {
        let group = Arc::clone(&self.group);
        debug!(group = group.rpc.coordinator.group, ?action, "group");
        match action {
            MemberAction::Join { attempt, member, protocols, reason } => {
                self.rejoining.get_or_insert(now);
                self.join(attempt, member, protocols, reason);
            }
            MemberAction::Describe { attempt, topics } => self.begin_to_lead(attempt, topics, now),
            MemberAction::Decide { attempt, strategy, group } => {
                self.decide(attempt, strategy, group)
            }
            MemberAction::Sync { attempt, identity, protocol, assignments } => {
                self.sync(attempt, identity, protocol, assignments)
            }
            MemberAction::Heartbeat { attempt, identity } => self.spawn(async move {
                let outcome = group.rpc.heartbeat(&group.settings, &identity).await;
                GroupEvent::HeartbeatDone { attempt, sent: now, outcome }
            }),
            MemberAction::Reconcile { attempt, heartbeat } => {
                self.reconcile(attempt, heartbeat, now)
            }
            MemberAction::NameTopics => self.name_topics(now),
            MemberAction::LeaveReconciled(heartbeat) => {
                self.leaving += 1;
                let deadline = self.commit_deadline(now);
                self.spawn(async move {
                    GroupEvent::Left(group.rpc.leave_reconciled(&heartbeat, deadline).await)
                });
            }
            MemberAction::Leave { member, reason } => {
                self.leaving += 1;
                let deadline = self.commit_deadline(now);
                self.spawn(async move {
                    GroupEvent::Left(group.rpc.leave(&member, reason, deadline).await)
                });
            }
            MemberAction::Revoke(partitions) => self.give_up(partitions, Change::Revoked),
            MemberAction::Abandon(partitions) => self.give_up(partitions, Change::Abandoned),
            MemberAction::Drop(partitions) => self.take_away(&partitions),
            MemberAction::Lost(partitions) => {
                warn!(group = group.rpc.coordinator.group, ?partitions, "partitions lost");
                self.take_away(&partitions);
                self.to_tell.push_back(Change::Lost(partitions));
            }
            MemberAction::Assign(partitions) => {
                group
                    .shared
                    .update(|subscription| subscription.assigned(partitions.iter().cloned()));
                self.tell_assigned();
                self.to_tell.push_back(Change::Assigned(partitions));
            }
            MemberAction::Report(error) => group.shared.raise(error),
            MemberAction::Fail(error) => group.shared.fail(error),
        }
    }

    fn handle(&mut self, event: GroupEvent) {
        let now = runtime::now();
        match event {
            GroupEvent::Joined(attempt, outcome) => self.joined(attempt, outcome, now),
            GroupEvent::Decided(attempt, outcome) => {
                if let Some(classic) = self.machine.classic() {
                    classic.handle_decided(attempt, outcome, now);
                }
            }
            GroupEvent::Synced(attempt, outcome) => self.synced(attempt, outcome, now),
            GroupEvent::HeartbeatDone { attempt, sent, outcome } => {
                if let Some(classic) = self.machine.classic() {
                    classic.handle_heartbeat(attempt, outcome, sent, now);
                }
            }
            GroupEvent::Reconciled(attempt, outcome) => self.reconciled(attempt, outcome, now),
            GroupEvent::Named(outcome) => self.named(outcome, now),
            GroupEvent::Left(outcome) => {
                self.leaving -= 1;
                if let Err(error) = outcome {
                    warn!(
                        group = self.group.rpc.coordinator.group, %error, "could not say that the group is left"
                    );
                }
            }
            GroupEvent::Committed { sender, sent, outcome } => {
                self.committed(&sender, sent, outcome, now)
            }
            GroupEvent::Fetched { assignments, asker, outcome } => {
                self.fetched(&assignments, asker.as_ref(), outcome, now)
            }
            GroupEvent::Told(change) => self.told(change, now),
        }
    }

    /// The member has its place in the group's newest assignment.
    fn has_rebalanced(&mut self, now: Instant) {
        if let Some(since) = self.rejoining.take() {
            let took = now.saturating_duration_since(since);
            self.observer.tell(MemberEvent::Rebalanced { took });
        }
    }

    fn give_up(
        &mut self,
        partitions: Vec<TopicPartition>,
        change: fn(Vec<TopicPartition>) -> Change,
    ) {
        self.group.shared.update(|subscription| subscription.hold(&partitions));
        self.giving.extend(partitions.iter().cloned());
        self.to_tell.push_back(change(partitions));
    }

    fn take_away(&mut self, partitions: &[TopicPartition]) {
        for tp in partitions {
            self.giving.remove(tp);
        }
        let gone = self.group.shared.update(|subscription| subscription.revoke(partitions));
        self.tell_assigned();
        self.group.pending_commits().commits.handle_gone(&gone, not_owned);
    }

    fn tell_assigned(&mut self) {
        let shared = &self.group.shared;
        let partitions = &|| shared.read(|subscription| subscription.assignment().count());
        self.observer.tell(MemberEvent::Assigned { partitions });
    }

    fn is_over(&self, now: Instant) -> bool {
        let Some(deadline) = self.closing else { return false };
        let pending_commits = self.group.pending_commits();
        // What has come since the group was left cannot be committed any more.
        let can_commit =
            self.machine.is_member() || matches!(self.commits_as(), CommitIdentity::Alone);
        let is_committed = pending_commits.commits.is_idle()
            || (!can_commit && !pending_commits.commits.is_in_flight());
        let is_done = self.machine.is_away()
            && self.to_tell.is_empty()
            && !self.is_telling
            && self.leaving == 0
            && is_committed;
        is_done || now >= deadline
    }

    fn timeout(&self, now: Instant) -> Option<Instant> {
        // What is due and still there waits for the membership, not for the time.
        let commits = self.group.pending_commits().commits.poll_timeout().filter(|at| *at > now);
        let auto_commit = self.auto_commit_interval.map(|_| self.next_auto_commit);
        let look = (self.machine.is_member() || self.machine.is_idle()).then_some(self.next_look);
        let question = self.describing.map(|(_, deadline)| deadline);
        let (fetch, names) = (self.fetching.poll_timeout(now), self.naming.poll_timeout(now));
        let due = [self.machine.poll_timeout(), commits, auto_commit, look, question, fetch, names];
        due.into_iter().chain([self.closing]).flatten().min()
    }

    fn spawn(&self, work: impl Future<Output = GroupEvent> + Send + 'static) {
        let sender = self.sender.clone();
        self.runtime.spawn(async move {
            // Nobody listens any more when the consumer is gone.
            let _ = sender.send(work.await).await;
        });
    }
}

/// However the task ends, nobody waits for it any more.
impl Drop for GroupTask {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let message = "the task of the group has panicked, and the consumer is not a member";
            self.group.shared.fail(Error::new(ErrorKind::Closed, message));
        }
        // One that holds a handle of the consumer would keep it for ever.
        *lock(&self.group.listener) = None;
        *lock(&self.group.commit_listener) = None;
        lock(&self.group.standing).state = MembershipState::NotMember;
        self.group.ended.send_replace(true);
        self.group.pending_commits().waiters.clear();
    }
}

/// How soon a consumer that has left its group comes back after it asks for records again (a
/// guess).
const IDLE_LOOK: Duration = Duration::from_millis(100);
