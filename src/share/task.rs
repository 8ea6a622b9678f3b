//! Drives one share consumer: its membership, and a session with each broker that leads what it is
//! assigned.
//!
//! The loop never waits for a call: each runs beside it and comes back as a [`ShareEvent`].

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tracing::{debug, error, warn};

use super::AcknowledgementListener;
use super::acquisition::Acquisition;
use super::broker::ShareBroker;
use super::membership::{ShareHeartbeat, ShareHeartbeatAnswer, ShareMemberAction, ShareMembership};
use super::rpc::{ShareAnswer, ShareRpc};
use super::session::SharedPartition;
use super::shared::{ShareShared, closed};
use crate::clock::Random;
use crate::cluster::{Asking, Backoff, ClusterView, InterestGuard, MetadataInterest};
use crate::error::{Error, ErrorCode, Result};
use crate::ids::{Attempt, BrokerId, PartitionsById, TopicId, TopicName, TopicPartition};
use crate::runtime::{self, Runtime};
use crate::sync::lock;
use crate::watch;

mod brokers;

/// What came of something that runs beside the loop.
enum ShareEvent {
    Heartbeat(Attempt, Result<ShareHeartbeatAnswer>),
    Left(Result<()>),
    Named(Result<BTreeMap<TopicId, TopicName>>),
    Answered {
        broker: BrokerId,
        kind: CallKind,
        sent: Vec<Arc<Acquisition>>,
        outcome: Result<ShareAnswer>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CallKind {
    Fetch,
    Acknowledge,
    Close,
}

/// What a share consumer's task is made of.
pub(super) struct ShareTaskParts {
    pub(super) shared: Arc<ShareShared>,
    pub(super) rpc: ShareRpc,
    pub(super) runtime: Runtime,
    pub(super) machine: ShareMembership,
    pub(super) listener: Arc<Mutex<Option<AcknowledgementListener>>>,
    pub(super) closing: watch::Watcher<Option<Instant>>,
    pub(super) max_poll_interval: Duration,
    pub(super) releases_dropped: bool,
    pub(super) auto_create: bool,
}

/// See the [module](self).
pub(super) struct ShareTask {
    parts: ShareTaskParts,
    brokers: BTreeMap<BrokerId, ShareBroker>,
    assigned: PartitionsById,
    /// What assigned topics are called, as far as that is known.
    names: BTreeMap<TopicId, TopicName>,
    naming: Asking,
    events: mpsc::Receiver<ShareEvent>,
    sender: mpsc::Sender<ShareEvent>,
    view: watch::Watcher<Arc<ClusterView>>,
    failure: watch::Watcher<Option<Error>>,
    interest: InterestGuard,
    wanted_topics: BTreeSet<TopicName>,
    seen_version: Option<u64>,
    seen_signs: u64,
    next_look: Instant,
    backoff: Backoff,
    random: Random,
    /// When to ask for newer metadata, as a partition has no leader or another one.
    refresh_at: Option<Instant>,
    refreshes: u32,
    /// Errors that the application was told, so that it is told once.
    told: BTreeSet<(SharedPartition, ErrorCode)>,
    /// The last heartbeat, which waits until the sessions are closed.
    leave: Option<ShareHeartbeat>,
    leaving: usize,
    closing: Option<Instant>,
}

impl ShareTask {
    pub(super) fn new(parts: ShareTaskParts) -> Self {
        let cluster = &parts.rpc.coordinator.cluster;
        // As many as can be under way at once, with room to spare.
        let (sender, events) = mpsc::channel(32);
        Self {
            brokers: BTreeMap::new(),
            assigned: PartitionsById::new(),
            names: BTreeMap::new(),
            naming: Asking::default(),
            events,
            sender,
            view: cluster.watch(),
            failure: cluster.watch_failure(),
            interest: cluster.want(MetadataInterest::default()),
            wanted_topics: BTreeSet::new(),
            seen_version: None,
            seen_signs: 0,
            next_look: runtime::now(),
            backoff: cluster.retry_backoff(),
            random: cluster.random(),
            refresh_at: None,
            refreshes: 0,
            told: BTreeSet::new(),
            leave: None,
            leaving: 0,
            closing: None,
            parts,
        }
    }

    /// Runs until the consumer is closed or its runtime is cancelled.
    pub(super) async fn run(mut self) {
        let shared = Arc::clone(&self.parts.shared);
        let mut closing = self.parts.closing.clone();
        loop {
            let now = runtime::now();
            self.look_at_closing(*closing.borrow_and_update(), now);
            self.look_at_activity(now);
            self.look_at_topics(now);
            if self.parts.machine.poll_timeout().is_some_and(|due| due <= now) {
                self.parts.machine.handle_timeout(now);
            }
            while let Some(action) = self.parts.machine.poll() {
                self.act(action, now);
            }
            if self.naming.is_due(now) {
                self.name_topics(now);
            }
            if self.refresh_at.is_some_and(|at| at <= now) {
                self.refresh_at = None;
                self.parts.rpc.coordinator.cluster.request_refresh();
            }
            let live = self.parts.shared.live();
            live.iter().for_each(|acquisition| acquisition.expire(now));
            self.announce(&live);
            self.ask_brokers(&live, now);
            self.leave_at_last();
            if self.is_over(now) {
                return;
            }
            let timeout = self.timeout(&live, now);
            tokio::select! {
                biased;
                Some(event) = self.events.recv() => self.handle(event),
                () = shared.bell.rung.notified() => {}
                changed = self.view.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.refreshes = 0;
                    self.follow(runtime::now());
                }
                changed = self.failure.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let failure = self.failure.borrow_and_update().clone();
                    shared.refuse(failure.filter(Error::is_final));
                }
                changed = closing.changed() => if changed.is_err() { return },
                () = runtime::sleep_until_some(timeout) => {}
            }
        }
    }

    /// Tells the listener, and whoever waits, what became of acknowledgements.
    fn announce(&self, live: &[Arc<Acquisition>]) {
        let listener = lock(&self.parts.listener).clone();
        for acquisition in live {
            acquisition.announce(|offsets, outcome| {
                let Some(listener) = &listener else { return };
                let call = || listener(&acquisition.partition, offsets, &outcome);
                if catch_unwind(AssertUnwindSafe(call)).is_err() {
                    error!(
                        group = self.parts.rpc.coordinator.group,
                        "the acknowledgement listener has panicked"
                    );
                }
            });
        }
    }

    fn look_at_closing(&mut self, closing: Option<Instant>, now: Instant) {
        if self.closing.is_none() && closing.is_some() {
            self.closing = closing;
            self.parts.machine.handle_wanted(None, now);
        }
    }

    /// Learns from time to time whether the application still asks for records.
    fn look_at_activity(&mut self, now: Instant) {
        let is_idle = self.parts.machine.is_idle();
        if now < self.next_look && !is_idle {
            return;
        }
        let activity = &self.parts.shared.activity;
        let signs = activity.signs_of_life();
        if activity.is_waiting() || signs != self.seen_signs {
            self.seen_signs = signs;
            self.parts.machine.handle_polled(now);
        }
        if activity.is_waiting() {
            // Whoever still waits asks again. One that has stopped to, with the waiting future kept,
            // does not.
            self.parts.shared.look_again();
        }
        // Late by at most a twentieth of the interval.
        self.next_look = now + self.parts.max_poll_interval / 20;
    }

    fn look_at_topics(&mut self, now: Instant) {
        if self.closing.is_some() || self.seen_version == Some(self.parts.shared.version()) {
            return;
        }
        let (topics, version) = self.parts.shared.topics();
        self.seen_version = Some(version);
        self.wanted_topics = topics.clone().unwrap_or_default();
        self.interest.set(MetadataInterest {
            topics: self.wanted_topics.clone(),
            auto_create: self.parts.auto_create,
            ..MetadataInterest::default()
        });
        if topics.is_some() || self.parts.machine.is_member() {
            self.parts.machine.handle_wanted(topics, now);
        }
    }

    fn act(&mut self, action: ShareMemberAction, now: Instant) {
        debug!(group = self.parts.rpc.coordinator.group, ?action, "share group");
        match action {
            ShareMemberAction::Heartbeat { attempt, heartbeat } => {
                // Nobody leaves who has come back.
                self.leave = None;
                let rpc = self.parts.rpc.clone();
                self.spawn(async move {
                    ShareEvent::Heartbeat(attempt, rpc.heartbeat(&heartbeat).await)
                });
            }
            ShareMemberAction::Leave(heartbeat) => {
                self.leave = Some(heartbeat);
                for broker in self.brokers.values_mut() {
                    broker.close();
                }
            }
            ShareMemberAction::Assign(assigned) => {
                self.assigned = assigned;
                self.names.retain(|id, _| self.assigned.contains_key(id));
                self.follow(now);
            }
            ShareMemberAction::Report(error) => self.parts.shared.raise(error),
        }
    }

    fn handle(&mut self, event: ShareEvent) {
        let now = runtime::now();
        match event {
            ShareEvent::Heartbeat(attempt, outcome) => {
                if let Err(error) = &outcome {
                    let group = &self.parts.rpc.coordinator.group;
                    debug!(group, %error, "a heartbeat was in vain");
                }
                self.parts.machine.handle_heartbeat(attempt, outcome, now);
            }
            ShareEvent::Left(outcome) => {
                self.leaving -= 1;
                if let Err(error) = outcome {
                    let group = &self.parts.rpc.coordinator.group;
                    warn!(group, %error, "could not say that the share group is left");
                }
            }
            ShareEvent::Named(outcome) => self.named(outcome, now),
            ShareEvent::Answered { broker, kind, sent, outcome } => {
                self.answered(broker, kind, &sent, outcome, now);
            }
        }
    }

    /// Says what assigned topics are called; of those that metadata does not know, the coordinator is
    /// asked.
    fn name_topics(&mut self, now: Instant) {
        let view = self.view.borrow();
        for id in self.assigned.keys() {
            if let Some(name) = view.name_of(*id) {
                self.names.insert(*id, name.clone());
            }
        }
        drop(view);
        let nameless: BTreeSet<TopicId> =
            self.assigned.keys().filter(|id| !self.names.contains_key(*id)).copied().collect();
        if nameless.is_empty() {
            return self.naming.settle();
        }
        if !self.naming.may_begin(now) {
            return;
        }
        self.naming.begin();
        let rpc = self.parts.rpc.clone();
        self.spawn(async move { ShareEvent::Named(rpc.coordinator.names_of(&nameless).await) });
    }

    fn named(&mut self, outcome: Result<BTreeMap<TopicId, TopicName>>, now: Instant) {
        match outcome {
            Ok(names) => self.names.extend(names),
            Err(error) => debug!(%error, "topics could not be named"),
        }
        self.names.retain(|id, _| self.assigned.contains_key(id));
        let again = self.names.len() < self.assigned.len();
        self.naming.answered(again, &self.parts.rpc.coordinator.cluster, now);
        self.follow(now);
    }

    /// Has newer metadata asked for, ever more seldom while it does not help.
    fn refresh_later(&mut self, now: Instant) {
        if self.refresh_at.is_none() {
            self.refreshes = self.refreshes.saturating_add(1);
            self.refresh_at = Some(now + self.backoff.after(self.refreshes, &mut self.random));
        }
    }

    /// A member has left once its sessions are closed: what it has is released before.
    fn leave_at_last(&mut self) {
        if self.leave.is_none() || self.brokers.values().any(|broker| !broker.is_idle()) {
            return;
        }
        let Some(heartbeat) = self.leave.take() else { return };
        self.leaving += 1;
        let rpc = self.parts.rpc.clone();
        let deadline = runtime::now() + rpc.coordinator.request_timeout();
        self.spawn(async move { ShareEvent::Left(rpc.leave(&heartbeat, deadline).await) });
    }

    fn is_over(&self, now: Instant) -> bool {
        let Some(deadline) = self.closing else { return false };
        let is_left = self.leave.is_none() && self.leaving == 0;
        (is_left && self.brokers.values().all(ShareBroker::is_idle)) || now >= deadline
    }

    fn timeout(&self, live: &[Arc<Acquisition>], now: Instant) -> Option<Instant> {
        let brokers = self.brokers.values().filter_map(|broker| broker.poll_timeout(now));
        let locks = live.iter().filter_map(|acquisition| acquisition.next_expiry(now));
        let look = self.parts.machine.is_member().then_some(self.next_look);
        let due = [
            self.parts.machine.poll_timeout(),
            self.naming.poll_timeout(now),
            self.refresh_at,
            look,
            self.closing,
        ];
        due.into_iter().flatten().chain(brokers).chain(locks).min()
    }

    fn spawn(&self, work: impl Future<Output = ShareEvent> + Send + 'static) {
        let sender = self.sender.clone();
        self.parts.runtime.spawn(async move {
            // Nobody listens any more when the consumer is gone.
            let _ = sender.send(work.await).await;
        });
    }

    fn name_of(&self, partition: &SharedPartition) -> Option<TopicPartition> {
        let (id, number) = partition;
        let topic = self.names.get(id)?.clone();
        Some(TopicPartition { topic, partition: *number })
    }
}

/// However the task ends, nobody waits for it any more.
impl Drop for ShareTask {
    fn drop(&mut self) {
        self.parts.shared.close();
        let live = self.parts.shared.live();
        live.iter().for_each(|acquisition| acquisition.lose(&closed()));
        self.announce(&live);
    }
}
