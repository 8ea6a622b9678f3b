//! Partitions that are left alone until a time of their own.
//!
//! Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::ids::TopicPartition;

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Resting {
    until: BTreeMap<TopicPartition, Instant>,
    /// The same, the soonest first.
    order: BTreeSet<(Instant, TopicPartition)>,
}

impl Resting {
    /// Leaves a partition alone until then, whatever was said before.
    pub(crate) fn rest(&mut self, partition: &TopicPartition, until: Instant) {
        self.wake(partition);
        self.until.insert(partition.clone(), until);
        self.order.insert((until, partition.clone()));
    }

    /// Ends the rest of a partition, if it has one.
    pub(crate) fn wake(&mut self, partition: &TopicPartition) {
        if let Some(until) = self.until.remove(partition) {
            self.order.remove(&(until, partition.clone()));
        }
    }

    pub(crate) fn has(&self, partition: &TopicPartition) -> bool {
        self.until.contains_key(partition)
    }

    /// Ends the rest of the next partition whose time has come; call until `None`.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<TopicPartition> {
        self.next().filter(|until| *until <= now)?;
        let (_, partition) = self.order.pop_first()?;
        self.until.remove(&partition);
        Some(partition)
    }

    /// When the first of them has rested.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.order.first().map(|(until, _)| *until)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_rests_until_the_time_named_last_and_comes_in_its_turn() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let tp = |partition| TopicPartition::new("t", partition);
        let mut resting = Resting::default();
        resting.rest(&tp(0), after(1));
        resting.rest(&tp(1), after(2));
        resting.rest(&tp(0), after(3));
        resting.rest(&tp(2), after(1));
        resting.wake(&tp(2));
        assert!(resting.has(&tp(0)) && !resting.has(&tp(2)));
        assert_eq!((resting.next(), resting.pop_due(after(1))), (Some(after(2)), None));
        assert_eq!(
            (resting.pop_due(after(9)), resting.pop_due(after(9)), resting.pop_due(after(9))),
            (Some(tp(1)), Some(tp(0)), None)
        );
        assert_eq!(resting.next(), None);
    }
}
