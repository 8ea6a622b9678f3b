//! Which partitions are fetched from which broker, and when.
//!
//! Pure. At most one fetch per broker is under way; the next is due as soon as it has been answered
//! and the buffer has room. A partition is fetched from its leader, or from the replica that the
//! leader named as nearer (KIP-392). What fails waits by itself: a partition with a bad answer does
//! not hold up its broker, and a broker that is gone does not hold up others.
//!
//! While a partition has more buffered than it may, the others of its broker are fetched at a
//! glance: now and then, and without waiting there for records. A fetch that is parked would hold
//! up the full one when it has drained (KAFKA-17182, where Java leaves the whole broker alone, so
//! that a quiet partition waits until a busy one has been worked off).
//!
//! A reply that is longer than the client accepts says nothing of which partition it was too long
//! for: each of them is fetched alone until that is found.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use crate::clock::Random;
use crate::cluster::Backoff;
use crate::consumer::fetch::resting::Resting;
use crate::consumer::fetch::session::{FetchSession, SessionRequest, Want};
use crate::ids::{BrokerId, TopicPartition};

/// A fetch to be made now.
#[derive(Clone, Debug)]
pub(crate) struct FetchPlan {
    pub(crate) broker: BrokerId,
    pub(crate) request: SessionRequest,
    /// Takes what there is, and does not wait for more.
    pub(crate) is_glance: bool,
    /// Names topics, since the id of one of them is not known: possible up to version 12 only.
    pub(crate) is_by_name: bool,
}

/// How a broker answered a fetch as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FetchOutcome {
    /// With this session id, and with or without records that were taken.
    Answered { session: i32, has_news: bool },
    /// It does not know the session.
    SessionNotFound,
    /// It refuses the request in its session, which is to be opened anew.
    SessionRefused,
    /// The request or its reply was lost.
    Lost,
    /// The reply was longer than is accepted (`receive.message.max.bytes`).
    TooLong,
}

/// How often in a row a partition follows its leader without a wait (a guess: a move takes one or
/// two).
pub(super) const QUICK_MOVES: u32 = 2;

/// How long after an answer the next glance is made (a guess: what a quiet partition may wait
/// beside a busy one).
const GLANCE: Duration = Duration::from_millis(50);

/// The first pause after an answer that was empty and came at once; it doubles up to [`GLANCE`].
const HASTE: Duration = Duration::from_millis(1);

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Planner {
    routes: BTreeMap<TopicPartition, FetchRoute>,
    sources: BTreeMap<BrokerId, Source>,
    /// Partitions that wait after a failure, by when they are due.
    resting: Resting,
    backoff: Backoff,
    /// How long a nearer replica is believed (`metadata.max.age.ms`).
    preference_age: Duration,
    random: Random,
    /// When it was polled last, if there was no room then.
    starved: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct FetchRoute {
    want: Want,
    leader: BrokerId,
    preferred: Option<(BrokerId, Instant)>,
    /// Where it is fetched now; `None` while it rests.
    source: Option<BrokerId>,
    /// The broker that is left alone because of it.
    full_at: Option<BrokerId>,
    failures: u32,
}

#[derive(Debug, Default)]
struct Source {
    session: FetchSession,
    wanted: BTreeMap<TopicPartition, Want>,
    changed: BTreeSet<TopicPartition>,
    full: BTreeSet<TopicPartition>,
    /// Of `wanted`, those without a topic id.
    nameless: usize,
    is_by_name: bool,
    asked: Option<InflightFetch>,
    /// Those of whom one may be what made a reply too long, each to be fetched alone.
    suspects: VecDeque<TopicPartition>,
    failures: u32,
    /// Answers in a row that were empty and came at once, though the broker was asked to wait for
    /// records.
    hasty: u32,
    due: Option<Instant>,
    /// No fetch is made sooner while a partition is full.
    glance: Option<Instant>,
}

/// The fetch that is under way.
#[derive(Debug)]
struct InflightFetch {
    at: Instant,
    is_glance: bool,
    alone: Option<TopicPartition>,
}

impl Source {
    /// Whether there is something to ask and nothing is asked.
    fn is_waiting(&self) -> bool {
        self.asked.is_none() && !self.wanted.is_empty()
    }

    fn is_ready(&self, now: Instant) -> bool {
        self.is_waiting() && self.earliest().is_none_or(|earliest| earliest <= now)
    }

    /// Before when nothing may be asked.
    fn earliest(&self) -> Option<Instant> {
        self.due.max(self.glance.filter(|_| !self.full.is_empty()))
    }

    fn put(&mut self, partition: &TopicPartition, want: Want) {
        self.take(partition);
        self.nameless += usize::from(want.topic_id.is_none());
        self.wanted.insert(partition.clone(), want);
    }

    fn take(&mut self, partition: &TopicPartition) {
        if let Some(before) = self.wanted.remove(partition) {
            self.nameless -= usize::from(before.topic_id.is_none());
        }
        self.changed.insert(partition.clone());
    }

    fn plan(&mut self, broker: BrokerId, now: Instant) -> FetchPlan {
        let is_by_name = self.nameless > 0;
        if std::mem::replace(&mut self.is_by_name, is_by_name) != is_by_name {
            // A session names topics in one way (KIP-516).
            self.session.failed();
        }
        while self.suspects.front().is_some_and(|partition| !self.wanted.contains_key(partition)) {
            self.acquit();
        }
        let changed = std::mem::take(&mut self.changed);
        let alone = self.suspects.front().cloned();
        let request = match &alone {
            None => self.session.request(&self.wanted, &changed),
            Some(partition) => {
                let changed = self.session.partitions().chain([partition]).cloned().collect();
                let alone = self.wanted.get(partition).map(|want| (partition.clone(), *want));
                self.session.request(&alone.into_iter().collect(), &changed)
            }
        };
        let is_glance = alone.is_some() || !self.full.is_empty();
        self.asked = Some(InflightFetch { at: now, is_glance, alone });
        FetchPlan { broker, request, is_glance, is_by_name }
    }

    fn answered(&mut self, asked: &InflightFetch, session: i32, has_news: bool, now: Instant) {
        self.session.answered(session);
        self.failures = 0;
        self.due = None;
        self.glance = Some(now + GLANCE);
        if asked.alone.is_some() && asked.alone.as_ref() == self.suspects.front() {
            self.acquit();
        }
        if asked.is_glance {
            return;
        }
        // A broker that does not wait though it has nothing would be asked without end.
        if has_news || now.saturating_duration_since(asked.at) >= GLANCE {
            self.hasty = 0;
            return;
        }
        let pause =
            HASTE.saturating_mul(1_u32.checked_shl(self.hasty).unwrap_or(u32::MAX)).min(GLANCE);
        self.hasty = self.hasty.saturating_add(1);
        self.due = Some(asked.at + pause).filter(|due| *due > now);
    }

    /// The next suspect is none; after the last, all partitions are fetched together again.
    fn acquit(&mut self) {
        self.suspects.pop_front();
        if self.suspects.is_empty() {
            self.changed.extend(self.wanted.keys().cloned());
        }
    }

    /// Finds, or begins to find, what made a reply too long.
    fn too_long(&mut self, asked: InflightFetch) -> Option<TopicPartition> {
        if let Some(alone) = asked.alone {
            self.acquit();
            return Some(alone);
        }
        let asked: Vec<_> = self.session.partitions().cloned().collect();
        match &asked[..] {
            [only] => Some(only.clone()),
            _ => {
                self.suspects = asked.into();
                None
            }
        }
    }
}

impl Planner {
    pub(crate) fn new(backoff: Backoff, preference_age: Duration, random: Random) -> Self {
        let (routes, sources, resting) = Default::default();
        Self { routes, sources, resting, backoff, preference_age, random, starved: None }
    }

    /// Has a partition fetched, from where it says now.
    pub(crate) fn want(
        &mut self,
        partition: &TopicPartition,
        want: Want,
        leader: BrokerId,
        now: Instant,
    ) {
        let route = self.routes.entry(partition.clone()).or_insert(FetchRoute {
            want,
            leader,
            preferred: None,
            source: None,
            full_at: None,
            failures: 0,
        });
        if route.want.assignment != want.assignment {
            route.failures = 0;
            self.resting.wake(partition);
        }
        if route.leader != leader {
            route.preferred = None;
            // A new leader is tried at once, unless leaders change as fast as they fail.
            if route.failures <= QUICK_MOVES {
                self.resting.wake(partition);
            }
        }
        route.want = want;
        route.leader = leader;
        let full_at = route.full_at.take();
        self.drained(partition, full_at);
        self.choose_source(partition, now);
    }

    /// Has a partition fetched no more.
    pub(crate) fn forget(&mut self, partition: &TopicPartition) {
        let Some(route) = self.routes.remove(partition) else { return };
        self.leave_source(partition, route.source);
        self.drained(partition, route.full_at);
        self.resting.wake(partition);
    }

    /// Leaves a partition out of fetches until it is wanted again; with `is_full` nothing may hold
    /// it up then.
    pub(crate) fn suspend(&mut self, partition: &TopicPartition, is_full: bool) {
        let Some(route) = self.routes.get_mut(partition) else { return };
        let source = route.source.take();
        let broker =
            source.unwrap_or_else(|| route.preferred.map_or(route.leader, |(replica, _)| replica));
        let before = std::mem::replace(&mut route.full_at, is_full.then_some(broker));
        self.leave_source(partition, source);
        self.drained(partition, before);
        if is_full {
            self.sources.entry(broker).or_default().full.insert(partition.clone());
        }
    }

    fn drained(&mut self, partition: &TopicPartition, full_at: Option<BrokerId>) {
        if let Some(source) = full_at.and_then(|broker| self.sources.get_mut(&broker)) {
            source.full.remove(partition);
        }
    }

    /// Fetches a partition from a nearer replica from now on.
    pub(crate) fn prefer(&mut self, partition: &TopicPartition, replica: BrokerId, now: Instant) {
        if let Some(route) = self.routes.get_mut(partition) {
            route.preferred = Some((replica, now + self.preference_age));
            self.choose_source(partition, now);
        }
    }

    /// Goes back to the leader. False if it is fetched from there already.
    pub(crate) fn unprefer(&mut self, partition: &TopicPartition, now: Instant) -> bool {
        let Some(route) = self.routes.get_mut(partition) else { return false };
        let was_preferred = route.preferred.take().is_some();
        self.choose_source(partition, now);
        was_preferred
    }

    /// Lets a partition wait after a failure, longer after each in a row.
    pub(crate) fn rest(&mut self, partition: &TopicPartition, now: Instant) {
        let Some(route) = self.routes.get_mut(partition) else { return };
        route.failures = route.failures.saturating_add(1);
        route.preferred = None;
        self.resting.rest(partition, now + self.backoff.after(route.failures, &mut self.random));
        let source = route.source.take();
        self.leave_source(partition, source);
    }

    /// Notes that a partition was answered well.
    pub(crate) fn succeeded(&mut self, partition: &TopicPartition) {
        if let Some(route) = self.routes.get_mut(partition) {
            route.failures = 0;
        }
    }

    /// What was asked of a broker for a partition in the fetch that is under way, or was answered
    /// last.
    pub(crate) fn asked(&self, broker: BrokerId, partition: &TopicPartition) -> Option<Want> {
        self.sources.get(&broker)?.session.told(partition).copied()
    }

    /// All that was asked of a broker in that fetch.
    pub(crate) fn all_asked(
        &self,
        broker: BrokerId,
    ) -> impl Iterator<Item = (&TopicPartition, &Want)> {
        self.sources.get(&broker).into_iter().flat_map(|source| source.session.wants())
    }

    /// Whether a partition is fetched from another replica than its leader.
    pub(crate) fn is_follower(&self, broker: BrokerId, partition: &TopicPartition) -> bool {
        self.routes.get(partition).is_some_and(|route| route.leader != broker)
    }

    /// Ends the fetch that was under way. Returned is the partition that cannot be fetched because
    /// its reply is too long.
    pub(crate) fn handle_outcome(
        &mut self,
        broker: BrokerId,
        outcome: FetchOutcome,
        now: Instant,
    ) -> Option<TopicPartition> {
        let source = self.sources.get_mut(&broker)?;
        let asked = source.asked.take()?;
        let mut culprit = None;
        match outcome {
            FetchOutcome::Answered { session, has_news } => {
                source.answered(&asked, session, has_news, now);
                return None;
            }
            FetchOutcome::SessionNotFound => source.session.not_found(),
            FetchOutcome::SessionRefused | FetchOutcome::Lost => source.session.failed(),
            FetchOutcome::TooLong => {
                culprit = source.too_long(asked);
                source.session.failed();
            }
        }
        source.failures = source.failures.saturating_add(1);
        // A session that is merely gone is opened anew at once, but not twice in a row.
        if matches!(outcome, FetchOutcome::Lost | FetchOutcome::TooLong) || source.failures > 1 {
            source.due = Some(now + self.backoff.after(source.failures, &mut self.random));
        }
        if outcome == FetchOutcome::Lost {
            let partitions: Vec<_> = source.wanted.keys().cloned().collect();
            for partition in partitions
                .iter()
                .filter(|tp| self.is_follower(broker, tp))
                .cloned()
                .collect::<Vec<_>>()
            {
                self.unprefer(&partition, now);
            }
        }
        culprit
    }

    /// The next fetch to make; call until `None`. Nothing is planned while the buffer has no room.
    pub(crate) fn poll(&mut self, now: Instant, has_room: bool) -> Option<FetchPlan> {
        self.wake(now);
        self.starved = (!has_room).then_some(now);
        if !has_room {
            return None;
        }
        let (broker, source) = self.sources.iter_mut().find(|(_, source)| source.is_ready(now))?;
        Some(source.plan(*broker, now))
    }

    /// Whether a fetch would be made if the buffer had room.
    pub(crate) fn is_waiting(&self, now: Instant) -> bool {
        self.sources.values().any(|source| source.is_ready(now))
    }

    /// When to poll again though nothing has happened.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let resting = self.resting.next();
        let sources =
            self.sources.values().filter(|source| source.is_waiting()).filter_map(Source::earliest);
        // What was due at a poll without room waits for room, not for the time.
        let sources = sources.filter(|due| self.starved.is_none_or(|polled| *due > polled));
        sources.chain(resting).min()
    }

    fn wake(&mut self, now: Instant) {
        while let Some(partition) = self.resting.pop_due(now) {
            self.choose_source(&partition, now);
        }
    }

    /// Puts a partition where it is to be fetched.
    fn choose_source(&mut self, partition: &TopicPartition, now: Instant) {
        let Some(route) = self.routes.get_mut(partition) else { return };
        if route.preferred.is_some_and(|(_, until)| until <= now) {
            route.preferred = None;
        }
        if self.resting.has(partition) {
            return;
        }
        let target = route.preferred.map_or(route.leader, |(replica, _)| replica);
        let before = route.source.replace(target).filter(|before| *before != target);
        let want = route.want;
        self.leave_source(partition, before);
        self.sources.entry(target).or_default().put(partition, want);
    }

    fn leave_source(&mut self, partition: &TopicPartition, source: Option<BrokerId>) {
        if let Some(source) = source.and_then(|broker| self.sources.get_mut(&broker)) {
            source.take(partition);
        }
    }
}

#[cfg(test)]
mod tests;
