//! How far the messages of each partition are handled, and what of that is committed.
//!
//! ```text
//!  assigned ─▶ (generation n) ── handed over ─▶ in hand ─▶ done ─▶ committed
//!                     ▲                                              │
//!                     └──────── seek: generation n + 1 ◀─────────────┘      revoked ─▶ gone
//! ```
//! A message belongs to the generation in which it was received. One of an older generation, which waited while its partition moved or
//! was sought, is dropped.

use std::collections::BTreeMap;

use crate::ids::{Offset, TopicPartition};

#[derive(Debug, Default)]
pub(super) struct Progress {
    parts: BTreeMap<TopicPartition, Part>,
    generations: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Part {
    generation: u64,
    /// What was received before this generation does not count any more.
    since: u64,
    is_in_hand: bool,
    /// The next offset to be handled.
    done: Option<Offset>,
    committed: Option<Offset>,
}

/// Where a partition stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) done: Option<Offset>,
    pub(super) committed: Option<Offset>,
}

impl Progress {
    /// A partition has come.
    pub(super) fn assigned(&mut self, partition: &TopicPartition) {
        self.generations += 1;
        self.parts.insert(partition.clone(), Part { generation: self.generations, since: self.generations, ..Part::default() });
    }

    /// A partition has gone.
    pub(super) fn gone(&mut self, partition: &TopicPartition) {
        self.parts.remove(partition);
    }

    /// What waits of a partition is not to be begun, as it goes.
    pub(super) fn going(&mut self, partition: &TopicPartition) {
        self.generations += 1;
        if let Some(part) = self.parts.get_mut(partition) {
            part.generation = self.generations;
        }
    }

    /// A partition goes on elsewhere.
    pub(super) fn sought(&mut self, partition: &TopicPartition) {
        self.going(partition);
        if let Some(part) = self.parts.get_mut(partition) {
            (part.since, part.done, part.committed) = (part.generation, None, None);
        }
    }

    /// The generation of a partition, if it is assigned.
    pub(super) fn generation(&self, partition: &TopicPartition) -> Option<u64> {
        self.parts.get(partition).map(|part| part.generation)
    }

    /// Begins a message; `false` if it is of an older generation.
    pub(super) fn begin(&mut self, partition: &TopicPartition, generation: u64) -> bool {
        match self.parts.get_mut(partition).filter(|part| part.generation == generation) {
            Some(part) => {
                part.is_in_hand = true;
                true
            }
            None => false,
        }
    }

    /// Ends a message, after which `next` is to be handled if it is done. What is done while a partition goes counts, what is done after a seek does not.
    pub(super) fn end(&mut self, partition: &TopicPartition, generation: u64, next: Option<Offset>) {
        if let Some(part) = self.parts.get_mut(partition) {
            part.is_in_hand = false;
            if next.is_some() && generation >= part.since {
                part.done = next;
            }
        }
    }

    pub(super) fn is_in_hand(&self, partition: &TopicPartition) -> bool {
        self.parts.get(partition).is_some_and(|part| part.is_in_hand)
    }

    /// What is done and not committed, of these partitions or of all.
    pub(super) fn to_commit(&self, only: Option<&[TopicPartition]>) -> Vec<(TopicPartition, Offset)> {
        let wanted = |partition: &TopicPartition| only.is_none_or(|only| only.contains(partition));
        let open = self.parts.iter().filter(|(partition, part)| wanted(partition) && part.done != part.committed);
        open.filter_map(|(partition, part)| Some((partition.clone(), part.done?))).collect()
    }

    pub(super) fn committed(&mut self, offsets: &[(TopicPartition, Offset)]) {
        for (partition, offset) in offsets {
            if let Some(part) = self.parts.get_mut(partition) {
                part.committed = Some(*offset);
            }
        }
    }

    pub(super) fn standings(&self) -> impl Iterator<Item = (&TopicPartition, Standing)> {
        self.parts.iter().map(|(partition, part)| (partition, Standing { done: part.done, committed: part.committed }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tp() -> TopicPartition {
        TopicPartition::new("t", 0)
    }

    #[test]
    fn only_what_is_done_is_committed_and_once() {
        let mut progress = Progress::default();
        progress.assigned(&tp());
        let generation = progress.generation(&tp()).unwrap();
        assert!(progress.begin(&tp(), generation));
        assert_eq!(progress.to_commit(None), []);
        progress.end(&tp(), generation, Some(Offset(8)));
        let offsets = progress.to_commit(None);
        assert_eq!(offsets, [(tp(), Offset(8))]);
        assert_eq!(progress.to_commit(Some(&[])), []);
        progress.committed(&offsets);
        assert_eq!(progress.to_commit(None), []);
    }

    #[test]
    fn what_waited_through_a_rebalance_or_a_seek_is_not_begun() {
        let mut progress = Progress::default();
        progress.assigned(&tp());
        let old = progress.generation(&tp()).unwrap();
        progress.sought(&tp());
        assert!(!progress.begin(&tp(), old));
        progress.gone(&tp());
        assert_eq!(progress.generation(&tp()), None);
        progress.assigned(&tp());
        assert!(!progress.begin(&tp(), old));
    }

    #[test]
    fn what_is_in_hand_while_its_partition_is_sought_does_not_count() {
        let mut progress = Progress::default();
        progress.assigned(&tp());
        let generation = progress.generation(&tp()).unwrap();
        progress.begin(&tp(), generation);
        progress.sought(&tp());
        progress.end(&tp(), generation, Some(Offset(3)));
        assert_eq!(progress.to_commit(None), []);
    }

    #[test]
    fn what_is_in_hand_while_its_partition_goes_still_counts() {
        let mut progress = Progress::default();
        progress.assigned(&tp());
        let generation = progress.generation(&tp()).unwrap();
        progress.begin(&tp(), generation);
        progress.going(&tp());
        assert!(progress.is_in_hand(&tp()));
        progress.end(&tp(), generation, Some(Offset(3)));
        assert_eq!(progress.to_commit(Some(&[tp()])), [(tp(), Offset(3))]);
        assert!(!progress.begin(&tp(), generation), "but nothing after it");
    }
}
