//! The fetcher: one task per consumer that turns positions into lookups and fetches, and answers
//! into pieces of the buffer.
//!
//! It owns the planner and the lookups. Each request runs as a task of its own and reports by a
//! channel, which holds at most one event per request under way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tracing::{Instrument, warn};

use crate::clock::Random;
use crate::cluster::{Backoff, Cluster, ClusterView, InterestGuard, Lane, MetadataInterest};
use crate::consumer::config::ConsumerConfig;
use crate::consumer::fetch::buffer::DecodeJob;
use crate::consumer::fetch::lookup::{Lookup, LookupRequest, Lookups};
use crate::consumer::fetch::planner::{FetchPlan, Planner};
use crate::consumer::fetch::rpc::{self, FetchSettings, Fetched, LookupAnswer};
use crate::consumer::fetch::session::Want;
use crate::consumer::fetch::strikes::Strikes;
use crate::consumer::position::{AssignmentEpoch, FetchState, PartitionAssignment, Position};
use crate::consumer::shared::ConsumerShared;
use crate::consumer::subscription::{PartitionSnapshot, Subscription, SubscriptionKind};
use crate::error::{Class, Error, ErrorCode, ErrorKind, Result};
use crate::ids::{BrokerId, TopicId, TopicName, TopicPartition};
use crate::observability::{ConsumerEvent, spans};
use crate::runtime::{self, Runtime};

mod answers;

/// See the [module](self).
pub(crate) struct Fetcher {
    shared: Arc<ConsumerShared>,
    cluster: Cluster,
    runtime: Runtime,
    lane: Lane,
    settings: Arc<FetchSettings>,
    auto_create: bool,
    planner: Planner,
    lookups: Lookups,
    strikes: Strikes,
    /// What the planner and the lookups know of each partition.
    assignments: BTreeMap<TopicPartition, Arc<PartitionAssignment>>,
    topic_ids: BTreeMap<TopicName, TopicId>,
    names: Arc<BTreeMap<TopicId, TopicName>>,
    view: Arc<ClusterView>,
    topics: InterestGuard,
    wanted_topics: MetadataInterest,
    /// What the application subscribed to when it was looked at last.
    subscribed: MetadataInterest,
    /// Partitions have come or gone since `wanted_topics` was made up.
    has_other_assignments: bool,
    refresh: LeaderRefresh,
    /// Errors that the application was told, so that it is told once.
    told: BTreeSet<(AssignmentEpoch, ErrorCode)>,
    told_stopped: BTreeSet<AssignmentEpoch>,
    told_topics: BTreeSet<(TopicName, ErrorCode)>,
    decoders: usize,
    /// One core is left to the application, which decodes what nobody else has begun.
    most_decoders: usize,
    events: mpsc::Receiver<FetchEvent>,
    report: mpsc::Sender<FetchEvent>,
}

/// Asks for newer metadata while a partition has no leader, ever more seldom.
#[derive(Debug)]
struct LeaderRefresh {
    backoff: Backoff,
    random: Random,
    failures: u32,
    due: Option<Instant>,
}

enum FetchEvent {
    Fetched { broker: BrokerId, took: Duration, result: Result<Fetched> },
    Answered { ask: LookupRequest, result: Result<Vec<(TopicPartition, LookupAnswer)>> },
    Decoded,
}

/// Reports that wait for the fetcher; more make the reporting tasks wait.
const EVENTS: usize = 64;

/// Compressed bytes that one decoding job takes on (a guess: enough to be worth a thread, few
/// enough to share the work).
const JOB_BYTES: usize = 256 * 1024;

impl Fetcher {
    pub(crate) fn new(
        shared: Arc<ConsumerShared>,
        cluster: &Cluster,
        runtime: &Runtime,
        lane: Lane,
        config: &ConsumerConfig,
    ) -> Self {
        let backoff = cluster.retry_backoff();
        let client = cluster.config();
        let (report, events) = mpsc::channel(EVENTS);
        Self {
            shared,
            runtime: runtime.clone(),
            lane,
            settings: Arc::new(FetchSettings::new(config, client.request_timeout)),
            auto_create: config.allow_auto_create_topics,
            planner: Planner::new(backoff, client.metadata_max_age, cluster.random()),
            lookups: Lookups::new(backoff, cluster.random()),
            strikes: Strikes::new(backoff, cluster.random()),
            assignments: BTreeMap::new(),
            topic_ids: BTreeMap::new(),
            names: Arc::default(),
            view: cluster.view(),
            topics: cluster.want(MetadataInterest::default()),
            wanted_topics: MetadataInterest::default(),
            subscribed: MetadataInterest {
                auto_create: config.allow_auto_create_topics,
                ..MetadataInterest::default()
            },
            has_other_assignments: false,
            refresh: LeaderRefresh { backoff, random: cluster.random(), failures: 0, due: None },
            told: BTreeSet::new(),
            told_stopped: BTreeSet::new(),
            told_topics: BTreeSet::new(),
            decoders: 0,
            most_decoders: std::thread::available_parallelism()
                .map_or(1, |cores| usize::from(cores).saturating_sub(1).max(1)),
            events,
            report,
            cluster: cluster.for_task(),
        }
    }

    /// Fetches until the consumer's runtime is cancelled.
    pub(crate) async fn run(mut self) {
        let mut views = self.cluster.watch();
        let mut failures = self.cluster.watch_failure();
        let shared = Arc::clone(&self.shared);
        loop {
            self.drive(runtime::now());
            let timeouts = [
                self.planner.poll_timeout(),
                self.lookups.poll_timeout(),
                self.strikes.poll_timeout(),
                self.refresh.due,
            ];
            let timeout = timeouts.into_iter().flatten().min();
            tokio::select! {
                biased;
                Some(event) = self.events.recv() => self.handle(event, runtime::now()),
                () = shared.to_fetcher.notified() => {}
                changed = views.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let view = Arc::clone(&views.borrow_and_update());
                    self.handle_view(view);
                }
                changed = failures.changed() => {
                    let failure = failures.borrow_and_update().clone();
                    match (changed, failure) {
                        (Err(_), _) => return,
                        (Ok(()), Some(error)) if error.is_final() => self.shared.refuse(error),
                        (Ok(()), Some(_)) => {}
                        (Ok(()), None) => self.shared.admit(),
                    }
                }
                () = runtime::sleep_until_some(timeout) => {}
            }
        }
    }

    /// Does all that can be done now.
    fn drive(&mut self, now: Instant) {
        if self.shared.take_doubt() {
            self.cluster.request_refresh();
        }
        self.follow_interest();
        for partition in self.strikes.wake(now) {
            self.look_at(&partition, now);
        }
        self.look_at_changes(now);
        if self.refresh.due.is_some_and(|due| due <= now) {
            self.refresh.due = None;
            // Who is not let in tries again when somebody asks for records: accounts are locked for
            // using wrong credentials often.
            if !self.shared.is_refused() {
                self.cluster.request_refresh();
                // Asked again unless the view brings a leader.
                self.refresh_later(now);
            }
        }
        self.start_lookups(now);
        self.start_fetches(now);
        self.start_decoding();
    }

    /// Has metadata known of what is assigned or subscribed.
    fn follow_interest(&mut self) {
        let known = &self.subscribed;
        let other = self.shared.read(|subscription| {
            let (topics, all) = match subscription.interest() {
                SubscriptionKind::Topics(topics) => (Some(topics), false),
                SubscriptionKind::Pattern(_) => (None, true),
                SubscriptionKind::Nothing | SubscriptionKind::Manual => (None, false),
            };
            let is_known = all == known.all
                && topics.map_or(known.topics.is_empty(), |topics| *topics == known.topics);
            (!is_known).then(|| MetadataInterest {
                topics: topics.cloned().unwrap_or_default(),
                all,
                auto_create: self.auto_create,
            })
        });
        let has_other_assignments = std::mem::take(&mut self.has_other_assignments);
        if other.is_none() && !has_other_assignments {
            return;
        }
        if let Some(other) = other {
            self.subscribed = other;
        }
        let mut wanted = self.subscribed.clone();
        wanted.topics.extend(self.assignments.keys().map(|tp| tp.topic.clone()));
        if wanted != self.wanted_topics {
            self.topics.set(wanted.clone());
            self.wanted_topics = wanted;
        }
    }

    fn look_at_changes(&mut self, now: Instant) {
        loop {
            let changed = self.shared.update(|subscription| {
                let mut changed = subscription.take_changed();
                changed.extend(
                    subscription
                        .buffer
                        .take_relieved()
                        .iter()
                        .map(|assignment| assignment.partition().clone()),
                );
                changed
            });
            if changed.is_empty() {
                return;
            }
            for partition in changed {
                self.look_at(&partition, now);
            }
            self.follow_interest();
        }
    }

    /// Has a partition looked up, fetched or left alone, as it stands.
    fn look_at(&mut self, partition: &TopicPartition, now: Instant) {
        let snapshot = self.shared.update(|subscription| self.snapshot_of(subscription, partition));
        self.act_on(partition, snapshot, now);
    }

    /// How a partition stands, told of its leader of now.
    fn snapshot_of(
        &self,
        subscription: &mut Subscription,
        partition: &TopicPartition,
    ) -> Option<PartitionSnapshot> {
        subscription.snapshot_under(partition, |assignment| {
            let (_, leader_epoch) = self.view.leader_and_epoch(partition)?;
            leader_epoch.filter(|_| !self.strikes.is_resting(partition, assignment))
        })
    }

    fn act_on(
        &mut self,
        partition: &TopicPartition,
        snapshot: Option<PartitionSnapshot>,
        now: Instant,
    ) {
        let Some(snapshot) = snapshot else {
            if let Some(ended) = self.assignments.remove(partition) {
                self.has_other_assignments = true;
                self.forget_assignment(&ended);
                let first =
                    TopicPartition { topic: partition.topic.clone(), partition: i32::MIN.into() };
                if self
                    .assignments
                    .range(first..)
                    .next()
                    .is_none_or(|(other, _)| other.topic != partition.topic)
                {
                    self.forget_identity(&partition.topic);
                }
            }
            self.strikes.forgive(partition);
            self.forget_partition(partition);
            return;
        };
        let before = self.assignments.insert(partition.clone(), Arc::clone(&snapshot.assignment));
        self.has_other_assignments |= before.is_none();
        if let Some(before) = before.filter(|before| before.id() != snapshot.assignment.id()) {
            self.forget_assignment(&before);
        }
        let assignment = snapshot.assignment.id();
        if self.strikes.is_resting(partition, assignment) {
            self.forget_partition(partition);
            return;
        }
        match snapshot.fetch_state {
            FetchState::AwaitingCommitted => self.forget_partition(partition),
            FetchState::Stopped(error) => {
                self.forget_partition(partition);
                // What else stops a partition is told in its place behind the records before it.
                if error.kind() == ErrorKind::NoOffset && self.told_stopped.insert(assignment) {
                    self.shared.raise(error);
                }
            }
            FetchState::Resetting(to) => {
                self.planner.forget(partition);
                self.lookups.want(partition, assignment, Lookup::Offset(to));
            }
            FetchState::Validating(position) => {
                self.planner.forget(partition);
                self.lookups.want(partition, assignment, Lookup::Epoch(position));
            }
            FetchState::Fetching(position) => {
                self.lookups.forget(partition);
                self.plan_fetch(partition, &snapshot, position, now);
            }
        }
    }

    /// Neither fetches a partition nor asks for it.
    fn forget_partition(&mut self, partition: &TopicPartition) {
        self.planner.forget(partition);
        self.lookups.forget(partition);
    }

    fn forget_assignment(&mut self, assignment: &Arc<PartitionAssignment>) {
        let id = assignment.id();
        self.told_stopped.remove(&id);
        self.shared.observer.tell(ConsumerEvent::Left { partition: assignment.partition() });
        self.told.retain(|(told, _)| *told != id);
    }

    fn plan_fetch(
        &mut self,
        partition: &TopicPartition,
        snapshot: &PartitionSnapshot,
        position: Position,
        now: Instant,
    ) {
        let assignment = snapshot.assignment.id();
        let Some((leader, leader_epoch)) = self.view.leader_and_epoch(partition) else {
            self.planner.suspend(partition, false);
            self.refresh_later(now);
            return;
        };
        if snapshot.held || snapshot.is_full {
            self.planner.suspend(partition, snapshot.is_full && !snapshot.held);
            return;
        }
        let topic_id = self.topic_id(&partition.topic);
        self.planner.want(
            partition,
            Want { assignment, offset: position.offset, leader_epoch, topic_id },
            leader,
            now,
        );
    }

    fn refresh_later(&mut self, now: Instant) {
        if self.refresh.due.is_none() {
            self.refresh.failures = self.refresh.failures.saturating_add(1);
            self.refresh.due = Some(
                now + self.refresh.backoff.after(self.refresh.failures, &mut self.refresh.random),
            );
        }
    }

    fn handle_view(&mut self, view: Arc<ClusterView>) {
        self.shared.follow(&view);
        self.view = view;
        self.refresh.due = None;
        // Of a pattern, those that came of it.
        let mut topics = self.wanted_topics.topics.clone();
        topics.extend(self.assignments.keys().map(|tp| tp.topic.clone()));
        for name in &topics {
            let Some(topic) = self.view.topic(name) else { continue };
            if topic.error == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
                && self.told_topics.insert((name.clone(), ErrorCode::UNKNOWN_TOPIC_OR_PARTITION))
            {
                warn!(topic = %name, "there is no such topic: its records are waited for until \
                                      it is made");
            }
            if let Some(code) = topic.error.filter(|code| code.class() != Class::Retriable)
                && self.told_topics.insert((name.clone(), code))
            {
                self.shared.raise(
                    Error::broker(code)
                        .in_api("Metadata")
                        .with_context(format_args!("topic {name}")),
                );
            }
            let Some(id) = topic.id else { continue };
            if self.topic_ids.get(name) == Some(&id) {
                continue;
            }
            self.identify(name, id);
        }
        let view = Arc::clone(&self.view);
        self.lookups.retry_now(|partition| view.leader_and_epoch(partition));
        let now = runtime::now();
        for partition in self.assignments.keys().cloned().collect::<Vec<_>>() {
            self.look_at(&partition, now);
        }
        if self.refresh.due.is_none() {
            self.refresh.failures = 0;
        }
    }

    /// The id under which a topic is consumed. One that the client knew before this consumer wanted
    /// it comes with no new view.
    fn topic_id(&mut self, name: &TopicName) -> Option<TopicId> {
        if let Some(id) = self.topic_ids.get(name) {
            return Some(*id);
        }
        let id = self.view.topic(name)?.id?;
        self.identify(name, id);
        Some(id)
    }

    /// Notes which topic it is that has a name.
    fn identify(&mut self, name: &TopicName, id: TopicId) {
        let replaced = self.topic_ids.insert(name.clone(), id);
        // Fetches that are under way keep theirs.
        let names = Arc::make_mut(&mut self.names);
        if let Some(replaced) = replaced {
            names.remove(&replaced);
        }
        names.insert(id, name.clone());
    }

    fn forget_identity(&mut self, name: &TopicName) {
        if let Some(known) = self.topic_ids.remove(name) {
            Arc::make_mut(&mut self.names).remove(&known);
        }
    }

    fn start_lookups(&mut self, now: Instant) {
        let view = Arc::clone(&self.view);
        let (asks, is_leaderless) =
            self.lookups.poll(|partition| view.leader_and_epoch(partition), now);
        if is_leaderless {
            self.refresh_later(now);
        }
        for ask in asks {
            let (cluster, report, isolation) =
                (self.cluster.clone(), self.report.clone(), self.settings.isolation);
            let deadline = now + self.settings.timeout;
            self.runtime.spawn(async move {
                let result = rpc::ask(&cluster, &ask, isolation, deadline).await;
                // The fetcher is gone only if the consumer is.
                let _ = report.send(FetchEvent::Answered { ask, result }).await;
            });
        }
    }

    fn start_fetches(&mut self, now: Instant) {
        let mut has_room = self.shared.has_room();
        if !has_room && self.planner.is_waiting(now) {
            self.shared.update(Subscription::evict_held);
            has_room = self.shared.has_room();
        }
        while let Some(plan) = self.planner.poll(now, has_room) {
            self.start_fetch(plan, now);
        }
    }

    fn start_fetch(&mut self, plan: FetchPlan, now: Instant) {
        let (cluster, report) = (self.cluster.clone(), self.report.clone());
        let (settings, names, lane) =
            (Arc::clone(&self.settings), Arc::clone(&self.names), self.lane);
        let deadline = now + settings.max_wait + settings.timeout;
        let span = spans::fetch(plan.broker, plan.request.fetch.len());
        self.runtime.spawn(async move {
            let result = rpc::fetch(&cluster, lane, &settings, &plan, &names, deadline)
                .instrument(span)
                .await;
            let took = runtime::now().saturating_duration_since(now);
            let _ = report.send(FetchEvent::Fetched { broker: plan.broker, took, result }).await;
        });
    }

    /// Gives compressed batches to other threads.
    fn start_decoding(&mut self) {
        while self.decoders < self.most_decoders {
            let jobs = self.shared.buffer(|buffer| {
                let (mut jobs, mut bytes): (Vec<DecodeJob>, usize) = (Vec::new(), 0);
                while bytes < JOB_BYTES
                    && let Some(job) = buffer.next_job()
                {
                    bytes += job.batch.len();
                    jobs.push(job);
                }
                jobs
            });
            if jobs.is_empty() {
                return;
            }
            self.decoders += 1;
            let (shared, runtime, report) =
                (Arc::clone(&self.shared), self.runtime.clone(), self.report.clone());
            self.runtime.spawn(async move {
                let bytes = jobs.iter().map(|job| job.batch.len()).sum();
                runtime.offload(bytes, move || jobs.iter().for_each(|job| shared.run(job))).await;
                let _ = report.send(FetchEvent::Decoded).await;
            });
        }
    }
}

/// However the task ends, by the end of the consumer, the client or the runtime: nothing comes any
/// more, and the application is told so.
impl Drop for Fetcher {
    fn drop(&mut self) {
        self.shared.close();
    }
}
