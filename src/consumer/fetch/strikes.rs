//! Partitions whose position their leader has refused: each time in a row makes the next attempt
//! wait longer.
//!
//! Pure. A refused position is looked up anew, and the answer is fetched from at once; a leader
//! that refuses that as well would be asked without end. The first time costs no wait. A seek by
//! the application, which is another assignment, does not wait either.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::clock::Random;
use crate::cluster::Backoff;
use crate::consumer::fetch::resting::Resting;
use crate::consumer::position::AssignmentEpoch;
use crate::ids::{Offset, TopicPartition};

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Strikes {
    entries: BTreeMap<TopicPartition, Strike>,
    resting: Resting,
    backoff: Backoff,
    random: Random,
}

/// What is held against a partition.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Strike {
    /// The assignment that goes on.
    assignment: AssignmentEpoch,
    /// The offset that was refused.
    pub(crate) refused: Offset,
    /// How often in a row.
    pub(crate) count: u32,
}

impl Strikes {
    pub(crate) fn new(backoff: Backoff, random: Random) -> Self {
        Self { entries: BTreeMap::new(), resting: Resting::default(), backoff, random }
    }

    /// Notes that an offset was refused, and which assignment goes on from there.
    pub(crate) fn add(
        &mut self,
        partition: &TopicPartition,
        assignment: AssignmentEpoch,
        refused: Offset,
        now: Instant,
    ) {
        let before = self.forgive(partition).map_or(0, |strike| strike.count);
        if before > 0 {
            self.resting.rest(partition, now + self.backoff.after(before, &mut self.random));
        }
        self.entries.insert(
            partition.clone(),
            Strike { assignment, refused, count: before.saturating_add(1) },
        );
    }

    /// The position was served, or the partition is gone: nothing is held against it.
    pub(crate) fn forgive(&mut self, partition: &TopicPartition) -> Option<Strike> {
        self.resting.wake(partition);
        self.entries.remove(partition)
    }

    /// What is held against a partition under its assignment.
    pub(crate) fn of(
        &self,
        partition: &TopicPartition,
        assignment: AssignmentEpoch,
    ) -> Option<&Strike> {
        self.entries.get(partition).filter(|strike| strike.assignment == assignment)
    }

    /// Whether nothing is to be asked for a partition.
    pub(crate) fn is_resting(
        &self,
        partition: &TopicPartition,
        assignment: AssignmentEpoch,
    ) -> bool {
        self.of(partition, assignment).is_some() && self.resting.has(partition)
    }

    /// The partitions that have rested.
    pub(crate) fn wake(&mut self, now: Instant) -> Vec<TopicPartition> {
        std::iter::from_fn(|| self.resting.pop_due(now)).collect()
    }

    /// When to wake though nothing has happened.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.resting.next()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn tp() -> TopicPartition {
        TopicPartition::new("t", 0)
    }

    #[test]
    fn each_refusal_in_a_row_rests_longer_and_the_first_not_at_all() {
        let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        let mut strikes = Strikes::new(backoff, Random::new(1));
        let mut now = Instant::now();
        strikes.add(&tp(), AssignmentEpoch(1), Offset(5), now);
        assert!(!strikes.is_resting(&tp(), AssignmentEpoch(1)));
        let mut waits = Vec::new();
        for assignment in 2..5 {
            strikes.add(&tp(), AssignmentEpoch(assignment), Offset(5), now);
            assert!(strikes.is_resting(&tp(), AssignmentEpoch(assignment)));
            assert!(!strikes.is_resting(&tp(), AssignmentEpoch(9)), "a seek does not wait");
            let due = strikes.poll_timeout().expect("it rests");
            waits.push(due - now);
            now = due;
            assert_eq!(strikes.wake(now), [tp()]);
            assert!(!strikes.is_resting(&tp(), AssignmentEpoch(assignment)));
        }
        assert!(waits[0] < waits[1] && waits[1] < waits[2], "{waits:?}");
        strikes.forgive(&tp());
        strikes.add(&tp(), AssignmentEpoch(6), Offset(5), now);
        assert_eq!(
            (strikes.is_resting(&tp(), AssignmentEpoch(6)), strikes.poll_timeout()),
            (false, None)
        );
    }
}
