//! How far the messages of each partition are handled, and what of that is committed.
//!
//! ```text
//!  assigned ─▶ (generation n) ── handed over ─▶ in hand ─▶ done ─▶ committed
//!                     ▲                                              │
//!                     └──────── seek: generation n + 1 ◀─────────────┘      revoked ─▶ gone
//! ```
//! A message belongs to the generation in which it was received. One of an older generation, which
//! waited while its partition moved or was sought, is dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::ids::{Offset, TopicPartition};

#[derive(Debug, Default)]
pub(super) struct Progress {
    parts: BTreeMap<TopicPartition, Arc<Part>>,
    generations: u64,
    /// Those that nobody can take at the moment; nothing of them is begun until
    /// [`Progress::resettled`].
    aside: BTreeSet<TopicPartition>,
}

/// One partition, from when it came until it has gone; shared with what is handed over of it.
#[derive(Debug, Default)]
pub(super) struct Part(Mutex<State>);

#[derive(Clone, Copy, Debug, Default)]
struct State {
    generation: u64,
    /// What was received before this generation does not count any more.
    since: u64,
    is_in_hand: bool,
    /// The first offset that was received.
    first: Option<Offset>,
    /// The offset behind the last message that was received.
    end: Option<Offset>,
    /// The next offset to be handled.
    done: Option<Offset>,
    committed: Option<Offset>,
}

/// Where a partition stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PartitionProgress {
    pub(super) done: Option<Offset>,
    pub(super) committed: Option<Offset>,
}

impl Progress {
    /// A partition has come.
    pub(super) fn assigned(&mut self, partition: &TopicPartition) {
        self.gone(partition);
        self.generations += 1;
        let state =
            State { generation: self.generations, since: self.generations, ..State::default() };
        self.parts.insert(partition.clone(), Arc::new(Part(Mutex::new(state))));
    }

    /// A partition has gone.
    pub(super) fn gone(&mut self, partition: &TopicPartition) {
        self.going(partition);
        self.parts.remove(partition);
        self.aside.remove(partition);
    }

    /// What waits of a partition is not to be begun, as it goes.
    pub(super) fn going(&mut self, partition: &TopicPartition) {
        self.generations += 1;
        if let Some(part) = self.parts.get(partition) {
            part.state().generation = self.generations;
        }
    }

    /// Nobody can take a partition at the moment: it has no handler, or its last message is still
    /// in hand elsewhere.
    pub(super) fn set_aside(&mut self, partition: &TopicPartition) {
        if self.parts.contains_key(partition) {
            self.aside.insert(partition.clone());
        }
    }

    pub(super) fn is_aside(&self, partition: &TopicPartition) -> bool {
        self.aside.contains(partition)
    }

    pub(super) fn aside(&self) -> impl Iterator<Item = &TopicPartition> {
        self.aside.iter()
    }

    /// Somebody takes a partition again, from the offset that this returns; where it stands if that
    /// is `None`.
    pub(super) fn resettled(&mut self, partition: &TopicPartition) -> Option<Offset> {
        self.aside.remove(partition);
        self.unhandled(partition)
    }

    /// A partition goes on elsewhere.
    pub(super) fn sought(&mut self, partition: &TopicPartition) {
        self.going(partition);
        if let Some(part) = self.parts.get(partition) {
            let mut state = part.state();
            let (generation, is_in_hand) = (state.generation, state.is_in_hand);
            *state = State { generation, since: generation, is_in_hand, ..State::default() };
        }
    }

    /// A partition and its generation, if it is assigned.
    pub(super) fn part(&self, partition: &TopicPartition) -> Option<(Arc<Part>, u64)> {
        let part = self.parts.get(partition)?;
        Some((Arc::clone(part), part.state().generation))
    }

    /// Those with a message in hand.
    pub(super) fn in_hand(&self) -> impl Iterator<Item = &TopicPartition> {
        self.parts
            .iter()
            .filter(|(_, part)| part.state().is_in_hand)
            .map(|(partition, _)| partition)
    }

    pub(super) fn is_in_hand(&self, partition: &TopicPartition) -> bool {
        self.parts.get(partition).is_some_and(|part| part.state().is_in_hand)
    }

    /// What is done and not committed, of these partitions or of all.
    pub(super) fn to_commit(
        &self,
        only: Option<&[TopicPartition]>,
    ) -> Vec<(TopicPartition, Offset)> {
        let wanted = |partition: &TopicPartition| only.is_none_or(|only| only.contains(partition));
        let open =
            self.standings().filter(|(partition, at)| wanted(partition) && at.done != at.committed);
        open.filter_map(|(partition, at)| Some((partition.clone(), at.done?))).collect()
    }

    /// Whether what was begun of a partition in this generation counts when it is done: the
    /// partition has neither gone nor been sought since.
    pub(super) fn counts(
        &self,
        partition: &TopicPartition,
        part: &Arc<Part>,
        generation: u64,
    ) -> bool {
        let is_here = self.parts.get(partition).is_some_and(|here| Arc::ptr_eq(here, part));
        is_here && generation >= part.state().since
    }

    pub(super) fn committed(&mut self, offsets: &[(TopicPartition, Offset)]) {
        for (partition, offset) in offsets {
            if let Some(part) = self.parts.get(partition) {
                part.state().committed = Some(*offset);
            }
        }
    }

    /// The first message of a partition that was received and is not handled, if there is one. If
    /// there is none, the partition stands where its consumer does, which may be further on: behind
    /// the marker of a transaction.
    pub(super) fn unhandled(&self, partition: &TopicPartition) -> Option<Offset> {
        let state = self.parts.get(partition)?.state();
        state.done.or(state.first).filter(|next| Some(*next) != state.end)
    }

    pub(super) fn standings(&self) -> impl Iterator<Item = (&TopicPartition, PartitionProgress)> {
        self.parts.iter().map(|(partition, part)| {
            let State { done, committed, .. } = *part.state();
            (partition, PartitionProgress { done, committed })
        })
    }
}

impl Part {
    /// Messages from `first` to `last` were received.
    pub(super) fn received(&self, first: Offset, last: Offset) {
        let mut state = self.state();
        state.first.get_or_insert(first);
        state.end = Some(last.advance(1));
    }

    /// Begins a message; `false` if it is of an older generation, or the one before it is still in
    /// hand elsewhere.
    pub(super) fn begin(&self, generation: u64) -> bool {
        let mut state = self.state();
        let is_next = state.generation == generation && !state.is_in_hand;
        state.is_in_hand |= is_next;
        is_next
    }

    /// Ends a message, after which `next` is to be handled if it is done. What is done while a
    /// partition goes counts, what is done after a seek does not. Returns whether the partition
    /// goes or was sought meanwhile, for which somebody may wait.
    pub(super) fn end(&self, generation: u64, next: Option<Offset>) -> bool {
        let mut state = self.state();
        state.is_in_hand = false;
        if next.is_some() && generation >= state.since {
            state.done = next;
        }
        state.generation != generation
    }

    pub(super) fn is_current(&self, generation: u64) -> bool {
        self.state().generation == generation
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        let (part, generation) = progress.part(&tp()).unwrap();
        assert!(part.begin(generation));
        assert_eq!(progress.to_commit(None), []);
        part.end(generation, Some(Offset(8)));
        let offsets = progress.to_commit(None);
        assert_eq!(offsets, [(tp(), Offset(8))]);
        assert_eq!(progress.to_commit(Some(&[])), []);
        progress.committed(&offsets);
        assert_eq!(progress.to_commit(None), []);
    }

    #[test]
    fn a_partition_of_which_all_is_handled_stands_where_its_consumer_does() {
        let mut progress = Progress::default();
        progress.assigned(&tp());
        assert_eq!(progress.unhandled(&tp()), None);
        let (part, generation) = progress.part(&tp()).unwrap();
        part.received(Offset(2), Offset(3));
        for (next, unhandled) in [(3, Some(Offset(3))), (4, None)] {
            assert_eq!(progress.unhandled(&tp()), Some(Offset(next - 1)));
            part.begin(generation);
            part.end(generation, Some(Offset(next)));
            assert_eq!(progress.unhandled(&tp()), unhandled);
        }
        part.received(Offset(7), Offset(7));
        assert_eq!(progress.unhandled(&tp()), Some(Offset(4)));
        progress.sought(&tp());
        assert_eq!(progress.unhandled(&tp()), None);
    }

    #[test]
    fn what_waited_through_a_rebalance_or_a_seek_is_not_begun() {
        let mut progress = Progress::default();
        progress.assigned(&tp());
        let (part, old) = progress.part(&tp()).unwrap();
        progress.sought(&tp());
        assert!(!part.begin(old));
        progress.gone(&tp());
        assert!(progress.part(&tp()).is_none());
        progress.assigned(&tp());
        assert!(!part.begin(old));
    }

    #[test]
    fn what_is_in_hand_while_its_partition_is_sought_does_not_count() {
        let mut progress = Progress::default();
        progress.assigned(&tp());
        let (part, generation) = progress.part(&tp()).unwrap();
        part.begin(generation);
        progress.sought(&tp());
        part.end(generation, Some(Offset(3)));
        assert_eq!(progress.to_commit(None), []);
    }

    #[test]
    fn nothing_is_begun_while_a_message_is_in_hand_and_a_partition_comes_again_behind_it() {
        let mut progress = Progress::default();
        progress.assigned(&tp());
        let (part, generation) = progress.part(&tp()).unwrap();
        part.received(Offset(2), Offset(5));
        assert!(part.begin(generation));
        progress.set_aside(&tp());
        assert!(!part.begin(generation), "what waits behind it in the queue");
        progress.going(&tp());
        part.end(generation, Some(Offset(3)));
        assert!(!part.begin(generation), "nor when it has ended");
        assert_eq!(progress.resettled(&tp()), Some(Offset(3)));
        progress.set_aside(&tp());
        progress.gone(&tp());
        assert!(!progress.is_aside(&tp()), "it is another's");
        progress.set_aside(&tp());
        assert!(!progress.is_aside(&tp()), "a stranger");
    }

    #[test]
    fn what_is_in_hand_while_its_partition_goes_still_counts() {
        let mut progress = Progress::default();
        progress.assigned(&tp());
        let (part, generation) = progress.part(&tp()).unwrap();
        part.begin(generation);
        progress.going(&tp());
        assert!(progress.is_in_hand(&tp()));
        part.end(generation, Some(Offset(3)));
        assert_eq!(progress.to_commit(Some(&[tp()])), [(tp(), Offset(3))]);
        assert!(!part.begin(generation), "but nothing after it");
    }
}
