//! Which partitions must ask their leader something before they can be fetched: an offset by time,
//! or where an epoch ended.
//!
//! Pure. Questions to one broker go together. A question that fails waits and is asked again; one
//! whose assignment has ended is forgotten, with its answer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::clock::Random;
use crate::cluster::Backoff;
use crate::consumer::fetch::planner::QUICK_MOVES;
use crate::consumer::fetch::resting::Resting;
use crate::consumer::position::{AssignmentEpoch, Position, ResetTo};
use crate::ids::{BrokerId, LeaderEpoch, TopicPartition};

/// What a leader is asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Lookup {
    /// Which offset to start at (ListOffsets).
    Offset(ResetTo),
    /// Whether the log still holds what was read up to here (OffsetForLeaderEpoch, KIP-320).
    Epoch(Position),
}

/// One question of a request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PendingLookup {
    pub(crate) partition: TopicPartition,
    pub(crate) assignment: AssignmentEpoch,
    pub(crate) question: Lookup,
    /// The epoch of the leader that is asked.
    pub(crate) leader_epoch: Option<LeaderEpoch>,
}

/// Questions of one kind to one broker.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LookupRequest {
    pub(crate) broker: BrokerId,
    pub(crate) questions: Vec<PendingLookup>,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Lookups {
    entries: BTreeMap<TopicPartition, LookupState>,
    ready: BTreeSet<TopicPartition>,
    resting: Resting,
    backoff: Backoff,
    random: Random,
}

#[derive(Debug)]
struct LookupState {
    assignment: AssignmentEpoch,
    question: Lookup,
    failures: u32,
    /// Who was asked last, as a leader of which epoch.
    asked: Option<(BrokerId, Option<LeaderEpoch>)>,
}

impl Lookups {
    pub(crate) fn new(backoff: Backoff, random: Random) -> Self {
        let (entries, ready, resting) = Default::default();
        Self { entries, ready, resting, backoff, random }
    }

    /// Has a question asked; one that is being asked already under the same assignment is not asked
    /// twice.
    pub(crate) fn want(
        &mut self,
        partition: &TopicPartition,
        assignment: AssignmentEpoch,
        question: Lookup,
    ) {
        if self
            .entries
            .get(partition)
            .is_some_and(|entry| entry.assignment == assignment && entry.question == question)
        {
            return;
        }
        self.forget(partition);
        self.entries.insert(
            partition.clone(),
            LookupState { assignment, question, failures: 0, asked: None },
        );
        self.ready.insert(partition.clone());
    }

    /// Asks nothing for a partition.
    pub(crate) fn forget(&mut self, partition: &TopicPartition) {
        self.entries.remove(partition);
        self.ready.remove(partition);
        self.resting.wake(partition);
    }

    /// Lets a question wait after a failure, if its assignment has not ended.
    pub(crate) fn failed(
        &mut self,
        partition: &TopicPartition,
        assignment: AssignmentEpoch,
        now: Instant,
    ) {
        let Some(entry) =
            self.entries.get_mut(partition).filter(|entry| entry.assignment == assignment)
        else {
            return;
        };
        entry.failures = entry.failures.saturating_add(1);
        self.resting.rest(partition, now + self.backoff.after(entry.failures, &mut self.random));
    }

    /// Requests to make now; a partition without a leader waits, and the second value says that
    /// there was one.
    pub(crate) fn poll(
        &mut self,
        leader: impl Fn(&TopicPartition) -> Option<(BrokerId, Option<LeaderEpoch>)>,
        now: Instant,
    ) -> (Vec<LookupRequest>, bool) {
        self.wake(now);
        let mut asks: BTreeMap<(BrokerId, bool), Vec<PendingLookup>> = BTreeMap::new();
        let mut is_leaderless = false;
        for partition in std::mem::take(&mut self.ready) {
            let Some(entry) = self.entries.get_mut(&partition) else { continue };
            entry.asked = leader(&partition);
            let Some((broker, leader_epoch)) = entry.asked else {
                is_leaderless = true;
                let assignment = entry.assignment;
                self.failed(&partition, assignment, now);
                continue;
            };
            let asked = PendingLookup {
                assignment: entry.assignment,
                question: entry.question,
                leader_epoch,
                partition,
            };
            let is_epoch = matches!(entry.question, Lookup::Epoch(_));
            asks.entry((broker, is_epoch)).or_default().push(asked);
        }
        let asks =
            asks.into_iter().map(|((broker, _), questions)| LookupRequest { broker, questions });
        (asks.collect(), is_leaderless)
    }

    /// When to poll again though nothing has happened.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.resting.next()
    }

    /// Asks at once what waits for a leader and has one, or another than the one that failed. What
    /// has the same one waits as long as it was to: whoever fails has metadata asked for, and a
    /// view with nothing new in it would have it asked again without a pause.
    pub(crate) fn retry_now(
        &mut self,
        leader: impl Fn(&TopicPartition) -> Option<(BrokerId, Option<LeaderEpoch>)>,
    ) {
        for (partition, entry) in &self.entries {
            let is_worth_a_try = match (entry.asked, leader(partition)) {
                (None, Some(_)) => true,
                (Some(before), Some(next)) => before != next && entry.failures <= QUICK_MOVES,
                (_, None) => false,
            };
            if is_worth_a_try && self.resting.has(partition) {
                self.resting.wake(partition);
                self.ready.insert(partition.clone());
            }
        }
    }

    fn wake(&mut self, now: Instant) {
        self.ready.extend(std::iter::from_fn(|| self.resting.pop_due(now)));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn tp(partition: i32) -> TopicPartition {
        TopicPartition::new("t", partition)
    }

    fn lookups() -> (Lookups, Instant) {
        let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        (Lookups::new(backoff, Random::new(1)), Instant::now())
    }

    const EARLIEST: Lookup = Lookup::Offset(ResetTo::Earliest);

    fn on_one(_: &TopicPartition) -> Option<(BrokerId, Option<LeaderEpoch>)> {
        Some((BrokerId(1), None))
    }

    #[test]
    fn questions_to_one_broker_go_together_and_once() {
        let (mut lookups, now) = lookups();
        lookups.want(&tp(0), AssignmentEpoch(1), EARLIEST);
        lookups.want(&tp(1), AssignmentEpoch(2), EARLIEST);
        let (asks, is_leaderless) = lookups.poll(on_one, now);
        assert_eq!((asks.len(), asks[0].questions.len(), is_leaderless), (1, 2, false));
        lookups.want(&tp(1), AssignmentEpoch(2), EARLIEST);
        assert_eq!(lookups.poll(on_one, now).0, []);
    }

    #[test]
    fn partition_without_leader_waits() {
        let (mut lookups, now) = lookups();
        lookups.want(&tp(0), AssignmentEpoch(1), EARLIEST);
        let (asks, is_leaderless) = lookups.poll(|_| None, now);
        assert!(asks.is_empty() && is_leaderless);
        let due = lookups.poll_timeout().expect("it waits");
        assert_eq!(lookups.poll(on_one, now).0, []);
        assert_eq!(lookups.poll(on_one, due).0.len(), 1);
    }

    #[test]
    fn a_view_hurries_only_what_has_another_leader_and_not_for_ever() {
        let (mut lookups, now) = lookups();
        lookups.want(&tp(0), AssignmentEpoch(1), EARLIEST);
        let mut ask_of = |broker: i32| {
            let leader = |_: &TopicPartition| Some((BrokerId(broker), None));
            lookups.retry_now(leader);
            let asks = lookups.poll(leader, now).0;
            lookups.failed(&tp(0), AssignmentEpoch(1), now);
            asks.len()
        };
        assert_eq!(ask_of(1), 1);
        assert_eq!((0..5).map(|_| ask_of(1)).sum::<usize>(), 0, "the same again");
        let (mut lookups, _) = self::lookups();
        lookups.want(&tp(0), AssignmentEpoch(1), EARLIEST);
        let moves = (0..10).map(|broker| {
            let leader = |_: &TopicPartition| Some((BrokerId(broker), None));
            lookups.retry_now(leader);
            let asked = lookups.poll(leader, now).0.len();
            if asked > 0 {
                lookups.failed(&tp(0), AssignmentEpoch(1), now);
            }
            asked
        });
        assert_eq!(moves.sum::<usize>(), 3, "leaders that move as fast as they fail");
    }

    #[test]
    fn failure_of_an_ended_assignment_delays_nothing() {
        let (mut lookups, now) = lookups();
        lookups.want(&tp(0), AssignmentEpoch(1), EARLIEST);
        lookups.poll(on_one, now);
        lookups.want(&tp(0), AssignmentEpoch(2), EARLIEST);
        lookups.failed(&tp(0), AssignmentEpoch(1), now);
        assert_eq!(lookups.poll(on_one, now).0[0].questions[0].assignment, AssignmentEpoch(2));
    }
}
