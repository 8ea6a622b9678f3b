//! Which partitions are fetched from which broker, and when.
//!
//! Pure. At most one fetch per broker is under way; the next is due as soon as it has been answered and the buffer has room.
//! A partition is fetched from its leader, or from the replica that the leader named as nearer (KIP-392). What fails waits
//! by itself: a partition with a bad answer does not hold up its broker, and a broker that is gone does not hold up others.
//!
//! While a partition has more buffered than it may, its broker is left alone: a fetch of the others may find nothing and be
//! parked there, and nothing could be fetched behind it when the buffer has drained (KAFKA-17182, as Java).

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::clock::Random;
use crate::cluster::Backoff;
use crate::consumer::fetch::session::{Session, SessionRequest, Want};
use crate::ids::{BrokerId, TopicPartition};

/// A fetch to be made now.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) broker: BrokerId,
    pub(crate) request: SessionRequest,
}

/// How a broker answered a fetch as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// With this session id.
    Answered { session: i32 },
    /// It does not know the session.
    SessionNotFound,
    /// It refuses the request in its session, which is to be opened anew.
    SessionRefused,
    /// The request or its reply was lost.
    Lost,
}

/// How often in a row a partition follows its leader without a wait (a guess: a move takes one or two).
const QUICK_MOVES: u32 = 2;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Planner {
    routes: BTreeMap<TopicPartition, Route>,
    sources: BTreeMap<BrokerId, Source>,
    /// Partitions that wait after a failure, by when they are due.
    resting: BTreeSet<(Instant, TopicPartition)>,
    backoff: Backoff,
    /// How long a nearer replica is believed (`metadata.max.age.ms`).
    preference_age: Duration,
    random: Random,
}

#[derive(Clone, Copy, Debug)]
struct Route {
    want: Want,
    leader: BrokerId,
    preferred: Option<(BrokerId, Instant)>,
    /// Where it is fetched now; `None` while it rests.
    source: Option<BrokerId>,
    /// The broker that is left alone because of it.
    full_at: Option<BrokerId>,
    failures: u32,
    due: Option<Instant>,
}

#[derive(Debug, Default)]
struct Source {
    session: Session,
    wanted: BTreeMap<TopicPartition, Want>,
    changed: BTreeSet<TopicPartition>,
    full: BTreeSet<TopicPartition>,
    is_asked: bool,
    failures: u32,
    due: Option<Instant>,
}

impl Source {
    /// Whether there is something to ask and nothing is asked.
    fn is_waiting(&self) -> bool {
        !self.is_asked && !self.wanted.is_empty() && self.full.is_empty()
    }
}

impl Planner {
    pub(crate) fn new(backoff: Backoff, preference_age: Duration, random: Random) -> Self {
        let (routes, sources, resting) = Default::default();
        Self { routes, sources, resting, backoff, preference_age, random }
    }

    /// Has a partition fetched, from where it says now.
    pub(crate) fn want(&mut self, partition: &TopicPartition, want: Want, leader: BrokerId, now: Instant) {
        let route = self.routes.entry(partition.clone()).or_insert(Route {
            want,
            leader,
            preferred: None,
            source: None,
            full_at: None,
            failures: 0,
            due: None,
        });
        if route.want.lease != want.lease {
            route.failures = 0;
            if let Some(due) = route.due.take() {
                self.resting.remove(&(due, partition.clone()));
            }
        }
        if route.leader != leader {
            route.preferred = None;
            // A new leader is tried at once, unless leaders change as fast as they fail.
            if route.failures <= QUICK_MOVES
                && let Some(due) = route.due.take()
            {
                self.resting.remove(&(due, partition.clone()));
            }
        }
        route.want = want;
        route.leader = leader;
        let full_at = route.full_at.take();
        self.drained(partition, full_at);
        self.place(partition, now);
    }

    /// Has a partition fetched no more.
    pub(crate) fn forget(&mut self, partition: &TopicPartition) {
        let Some(route) = self.routes.remove(partition) else { return };
        self.leave(partition, route.source);
        self.drained(partition, route.full_at);
        if let Some(due) = route.due {
            self.resting.remove(&(due, partition.clone()));
        }
    }

    /// Leaves a partition out of fetches until it is wanted again, and with `is_full` its broker, too.
    pub(crate) fn suspend(&mut self, partition: &TopicPartition, is_full: bool) {
        let Some(route) = self.routes.get_mut(partition) else { return };
        let source = route.source.take();
        let broker = source.unwrap_or_else(|| route.preferred.map_or(route.leader, |(replica, _)| replica));
        let before = std::mem::replace(&mut route.full_at, is_full.then_some(broker));
        self.leave(partition, source);
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
            self.place(partition, now);
        }
    }

    /// Goes back to the leader. False if it is fetched from there already.
    pub(crate) fn unprefer(&mut self, partition: &TopicPartition, now: Instant) -> bool {
        let Some(route) = self.routes.get_mut(partition) else { return false };
        let was_preferred = route.preferred.take().is_some();
        self.place(partition, now);
        was_preferred
    }

    /// Lets a partition wait after a failure, longer after each in a row.
    pub(crate) fn rest(&mut self, partition: &TopicPartition, now: Instant) {
        let Some(route) = self.routes.get_mut(partition) else { return };
        route.failures = route.failures.saturating_add(1);
        route.preferred = None;
        let due = now + self.backoff.after(route.failures, &mut self.random);
        if let Some(before) = route.due.replace(due) {
            self.resting.remove(&(before, partition.clone()));
        }
        self.resting.insert((due, partition.clone()));
        let source = route.source.take();
        self.leave(partition, source);
    }

    /// Notes that a partition was answered well.
    pub(crate) fn succeeded(&mut self, partition: &TopicPartition) {
        if let Some(route) = self.routes.get_mut(partition) {
            route.failures = 0;
        }
    }

    /// What was asked of a broker for a partition in the fetch that is under way, or was answered last.
    pub(crate) fn asked(&self, broker: BrokerId, partition: &TopicPartition) -> Option<Want> {
        self.sources.get(&broker)?.session.told(partition).copied()
    }

    /// Whether a partition is fetched from another replica than its leader.
    pub(crate) fn is_follower(&self, broker: BrokerId, partition: &TopicPartition) -> bool {
        self.routes.get(partition).is_some_and(|route| route.leader != broker)
    }

    /// Ends the fetch that was under way.
    pub(crate) fn handle_outcome(&mut self, broker: BrokerId, outcome: Outcome, now: Instant) {
        let Some(source) = self.sources.get_mut(&broker) else { return };
        source.is_asked = false;
        match outcome {
            Outcome::Answered { session } => {
                source.failures = 0;
                source.due = None;
                source.session.answered(session);
                return;
            }
            Outcome::SessionNotFound => source.session.not_found(),
            Outcome::SessionRefused | Outcome::Lost => source.session.failed(),
        }
        source.failures = source.failures.saturating_add(1);
        // A session that is merely gone is opened anew at once, but not twice in a row.
        if outcome == Outcome::Lost || source.failures > 1 {
            source.due = Some(now + self.backoff.after(source.failures, &mut self.random));
        }
        if outcome == Outcome::Lost {
            let partitions: Vec<_> = source.wanted.keys().cloned().collect();
            for partition in partitions.iter().filter(|tp| self.is_follower(broker, tp)).cloned().collect::<Vec<_>>() {
                self.unprefer(&partition, now);
            }
        }
    }

    /// The next fetch to make; call until `None`. Nothing is planned while the buffer has no room.
    pub(crate) fn poll(&mut self, now: Instant, has_room: bool) -> Option<Plan> {
        self.wake(now);
        if !has_room {
            return None;
        }
        let is_ready = |source: &Source| source.is_waiting() && source.due.is_none_or(|due| due <= now);
        let (broker, source) = self.sources.iter_mut().find(|(_, source)| is_ready(source))?;
        let changed = std::mem::take(&mut source.changed);
        let request = source.session.request(&source.wanted, &changed);
        source.is_asked = true;
        Some(Plan { broker: *broker, request })
    }

    /// When to poll again though nothing has happened.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let resting = self.resting.first().map(|(due, _)| *due);
        let sources = self.sources.values().filter(|source| source.is_waiting()).filter_map(|source| source.due);
        sources.chain(resting).min()
    }

    fn wake(&mut self, now: Instant) {
        while let Some((due, _)) = self.resting.first()
            && *due <= now
        {
            let Some((_, partition)) = self.resting.pop_first() else { return };
            if let Some(route) = self.routes.get_mut(&partition) {
                route.due = None;
            }
            self.place(&partition, now);
        }
    }

    /// Puts a partition where it is to be fetched.
    fn place(&mut self, partition: &TopicPartition, now: Instant) {
        let Some(route) = self.routes.get_mut(partition) else { return };
        if route.preferred.is_some_and(|(_, until)| until <= now) {
            route.preferred = None;
        }
        if route.due.is_some() {
            return;
        }
        let target = route.preferred.map_or(route.leader, |(replica, _)| replica);
        let before = route.source.replace(target).filter(|before| *before != target);
        let want = route.want;
        self.leave(partition, before);
        let source = self.sources.entry(target).or_default();
        source.wanted.insert(partition.clone(), want);
        source.changed.insert(partition.clone());
    }

    fn leave(&mut self, partition: &TopicPartition, source: Option<BrokerId>) {
        if let Some(source) = source.and_then(|broker| self.sources.get_mut(&broker)) {
            source.wanted.remove(partition);
            source.changed.insert(partition.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consumer::position::LeaseId;
    use crate::ids::Offset;

    const ONE: BrokerId = BrokerId(1);
    const TWO: BrokerId = BrokerId(2);

    fn tp(partition: i32) -> TopicPartition {
        TopicPartition::new("t", partition)
    }

    fn want(offset: i64) -> Want {
        Want { lease: LeaseId(1), offset: Offset(offset), leader_epoch: None, topic_id: None }
    }

    fn planner() -> (Planner, Instant) {
        let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        (Planner::new(backoff, Duration::from_secs(300), Random::new(1)), Instant::now())
    }

    fn asked(planner: &mut Planner, now: Instant) -> Vec<(BrokerId, Vec<i32>)> {
        std::iter::from_fn(|| planner.poll(now, true))
            .map(|plan| (plan.broker, plan.request.fetch.iter().map(|(tp, _)| tp.partition.0).collect()))
            .collect()
    }

    #[test]
    fn one_fetch_per_broker_carries_all_its_partitions() {
        let (mut planner, now) = planner();
        planner.want(&tp(0), want(0), ONE, now);
        planner.want(&tp(1), want(0), TWO, now);
        planner.want(&tp(2), want(0), TWO, now);
        let mut plans = asked(&mut planner, now);
        plans[1].1.sort_unstable();
        assert_eq!(plans, [(ONE, vec![0]), (TWO, vec![1, 2])]);
        assert_eq!(asked(&mut planner, now), []);
    }

    #[test]
    fn next_fetch_is_due_with_the_answer() {
        let (mut planner, now) = planner();
        planner.want(&tp(0), want(0), ONE, now);
        asked(&mut planner, now);
        planner.want(&tp(0), want(9), ONE, now);
        planner.handle_outcome(ONE, Outcome::Answered { session: 5 }, now);
        assert!(planner.poll(now, false).is_none());
        let plan = planner.poll(now, true).expect("due");
        assert_eq!(plan.request.fetch, [(tp(0), want(9))]);
    }

    #[test]
    fn partition_that_moves_is_forgotten_at_its_old_broker() {
        let (mut planner, now) = planner();
        planner.want(&tp(0), want(0), ONE, now);
        planner.want(&tp(1), want(0), ONE, now);
        asked(&mut planner, now);
        planner.handle_outcome(ONE, Outcome::Answered { session: 5 }, now);
        planner.want(&tp(1), want(0), TWO, now);
        let plan = planner.poll(now, true).expect("due");
        assert_eq!(plan.request.forget, [(tp(1), None)]);
        assert_eq!(planner.poll(now, true).expect("due").broker, TWO);
    }

    #[test]
    fn lost_fetch_is_made_again_after_a_growing_wait() {
        let (mut planner, mut now) = planner();
        planner.want(&tp(0), want(0), ONE, now);
        let mut waits = Vec::new();
        for _ in 0..3 {
            assert_eq!(asked(&mut planner, now).len(), 1);
            planner.handle_outcome(ONE, Outcome::Lost, now);
            assert_eq!(asked(&mut planner, now), []);
            let due = planner.poll_timeout().expect("it waits");
            waits.push(due - now);
            now = due;
        }
        assert!(waits[0] < waits[1] && waits[1] < waits[2]);
    }

    #[test]
    fn failing_partition_does_not_hold_up_its_neighbours() {
        let (mut planner, now) = planner();
        planner.want(&tp(0), want(0), ONE, now);
        planner.want(&tp(1), want(0), ONE, now);
        planner.rest(&tp(0), now);
        assert_eq!(asked(&mut planner, now), [(ONE, vec![1])]);
        planner.handle_outcome(ONE, Outcome::Answered { session: 5 }, now);
        let due = planner.poll_timeout().expect("it waits");
        assert_eq!(asked(&mut planner, due), [(ONE, vec![0])]);
    }

    #[test]
    fn full_partition_holds_up_its_broker_until_it_has_drained() {
        let (mut planner, now) = planner();
        planner.want(&tp(0), want(0), ONE, now);
        planner.want(&tp(1), want(0), ONE, now);
        planner.suspend(&tp(0), true);
        assert_eq!(asked(&mut planner, now), []);
        planner.want(&tp(0), want(5), ONE, now);
        assert_eq!(asked(&mut planner, now).len(), 1);

        planner.handle_outcome(ONE, Outcome::Answered { session: 1 }, now);
        planner.suspend(&tp(0), true);
        planner.suspend(&tp(0), false);
        assert_eq!(asked(&mut planner, now).len(), 1, "a paused partition holds up nobody");
    }

    #[test]
    fn nearer_replica_is_used_until_it_expires_or_fails() {
        let (mut planner, now) = planner();
        planner.want(&tp(0), want(0), ONE, now);
        planner.prefer(&tp(0), TWO, now);
        assert_eq!(asked(&mut planner, now), [(TWO, vec![0])]);
        assert!(planner.is_follower(TWO, &tp(0)));

        planner.handle_outcome(TWO, Outcome::Lost, now);
        assert_eq!(asked(&mut planner, now), [(ONE, vec![0])]);

        planner.prefer(&tp(0), TWO, now);
        planner.handle_outcome(ONE, Outcome::Answered { session: 1 }, now);
        let later = now + Duration::from_secs(301);
        planner.want(&tp(0), want(1), ONE, later);
        assert_eq!(asked(&mut planner, later), [(ONE, vec![0])]);
    }

    #[test]
    fn vanished_session_is_opened_anew_at_once_but_only_once() {
        let (mut planner, now) = planner();
        planner.want(&tp(0), want(0), ONE, now);
        asked(&mut planner, now);
        planner.handle_outcome(ONE, Outcome::SessionNotFound, now);
        assert_eq!(asked(&mut planner, now).len(), 1);
        planner.handle_outcome(ONE, Outcome::SessionNotFound, now);
        assert_eq!(asked(&mut planner, now).len(), 0);
    }
}
