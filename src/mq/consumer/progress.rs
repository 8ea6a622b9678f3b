//! How far the messages of each partition are handled, and what of that is committed.
//!
//! ```text
//!  assigned ─▶ (generation n) ── handed over ─▶ in hand ─▶ done ─▶ committed
//!                     ▲                                              │
//!                     └──────── seek: generation n + 1 ◀─────────────┘      revoked ─▶ gone
//! ```
//! A message belongs to the generation in which it was received. One of an older generation, which
//! waited while its partition moved or was sought, is dropped.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::consumer::Marks;
use crate::ids::{Offset, TopicPartition};

#[derive(Debug, Default)]
pub(super) struct Progress {
    parts: BTreeMap<TopicPartition, Arc<Part>>,
    generations: u64,
}

/// One partition, from when it came until it has gone; shared with what is handed over of it.
#[derive(Debug, Default)]
pub(super) struct Part(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    generation: u64,
    /// What was received before this generation does not count any more.
    since: u64,
    /// How many messages are, of whatever generation.
    in_hand: usize,
    /// Nobody can take it at the moment; nothing of it is begun until [`Progress::resettled`].
    is_aside: bool,
    /// The first offset that was received.
    first: Option<Offset>,
    /// The offset behind the last message that was received.
    end: Option<Offset>,
    /// The next offset to be handled: all before it are done.
    done: Option<Offset>,
    /// What is done behind messages that are not.
    ahead: Marks,
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
    }

    /// What waits of a partition is not to be begun, as it goes.
    pub(super) fn going(&mut self, partition: &TopicPartition) {
        self.generations += 1;
        if let Some(part) = self.parts.get(partition) {
            part.state().generation = self.generations;
        }
    }

    /// Nobody can take a partition at the moment: it has no handler, or a message of it is still in
    /// hand elsewhere.
    pub(super) fn set_aside(&mut self, partition: &TopicPartition) {
        if let Some(part) = self.parts.get(partition) {
            part.state().is_aside = true;
        }
    }

    pub(super) fn is_aside(&self, partition: &TopicPartition) -> bool {
        self.parts.get(partition).is_some_and(|part| part.state().is_aside)
    }

    pub(super) fn aside(&self) -> impl Iterator<Item = &TopicPartition> {
        self.those(|state| state.is_aside)
    }

    /// Somebody takes a partition again, of which nothing is in hand, from the offset that this
    /// returns; where it stands if that is `None`. What waits of it comes from there too, and what
    /// is done ahead is passed over.
    pub(super) fn resettled(&mut self, partition: &TopicPartition) -> Option<Offset> {
        let next = self.unhandled(partition);
        self.going(partition);
        let mut state = self.parts.get(partition)?.state();
        state.is_aside = false;
        state.end = next.or(state.end);
        next
    }

    /// A partition goes on elsewhere.
    pub(super) fn sought(&mut self, partition: &TopicPartition) {
        self.going(partition);
        if let Some(part) = self.parts.get(partition) {
            let mut state = part.state();
            let State { generation, in_hand, is_aside, .. } = *state;
            *state = State { generation, since: generation, in_hand, is_aside, ..State::default() };
        }
    }

    /// Messages of these offsets were received. Returns their partition and its generation, if it
    /// is assigned.
    pub(super) fn received(
        &mut self,
        partition: &TopicPartition,
        offsets: Range<Offset>,
    ) -> Option<(Arc<Part>, u64)> {
        let part = Arc::clone(self.parts.get(partition)?);
        if part.state().end.is_some_and(|end| offsets.start < end) {
            // The log was cut or is another: what was done of it says nothing.
            self.sought(partition);
        }
        let mut state = part.state();
        if state.end.is_some_and(|end| end < offsets.start) {
            // What is between is not in the log any more.
            (state.done, state.first, state.ahead) = (None, None, Marks::default());
        }
        state.first.get_or_insert(offsets.start);
        state.end = Some(offsets.end);
        let generation = state.generation;
        drop(state);
        Some((part, generation))
    }

    /// Those with a message in hand.
    pub(super) fn in_hand(&self) -> impl Iterator<Item = &TopicPartition> {
        self.those(|state| state.in_hand > 0)
    }

    pub(super) fn is_in_hand(&self, partition: &TopicPartition) -> bool {
        self.parts.get(partition).is_some_and(|part| part.state().in_hand > 0)
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

    fn those(&self, are: impl Fn(&State) -> bool) -> impl Iterator<Item = &TopicPartition> {
        let those = self.parts.iter().filter(move |(_, part)| are(&part.state()));
        those.map(|(partition, _)| partition)
    }
}

impl Part {
    /// Begins the message at an offset; `false` if it is of an older generation, its partition is
    /// set aside, or it was done before that was.
    pub(super) fn begin(&self, generation: u64, offset: Offset) -> bool {
        let mut state = self.state();
        let is_done = state.done.is_some_and(|done| offset < done) || state.ahead.is_marked(offset);
        let is_next = state.generation == generation && !state.is_aside && !is_done;
        state.in_hand += usize::from(is_next);
        is_next
    }

    /// Ends what was begun once, and with it these offsets if they are done. What is done while a
    /// partition goes counts, what is done after a seek does not. Returns whether somebody may wait
    /// for it, as the partition goes, was sought or is set aside.
    pub(super) fn end(&self, generation: u64, done: Option<Range<Offset>>) -> bool {
        let mut state = self.state();
        state.in_hand = state.in_hand.saturating_sub(1);
        if let Some(offsets) = done.filter(|_| generation >= state.since)
            && let Some(all_before) = state.done.or(state.first)
            && let Some((next, _)) = state.ahead.mark(all_before, offsets, None)
        {
            state.done = Some(next);
        }
        state.generation != generation || state.is_aside
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

    fn offsets(range: Range<i64>) -> Range<Offset> {
        Offset(range.start)..Offset(range.end)
    }

    /// A partition of which these offsets were received.
    fn received(progress: &mut Progress, range: Range<i64>) -> (Arc<Part>, u64) {
        progress.assigned(&tp());
        progress.received(&tp(), offsets(range)).unwrap()
    }

    /// Has messages done, one offset each, that were begun.
    fn end(part: &Part, generation: u64, done: &[i64]) {
        for at in done {
            part.end(generation, Some(offsets(*at..*at + 1)));
        }
    }

    #[test]
    fn only_what_is_done_is_committed_and_once() {
        let mut progress = Progress::default();
        let (part, generation) = received(&mut progress, 7..9);
        assert!(part.begin(generation, Offset(7)));
        assert_eq!(progress.to_commit(None), []);
        end(&part, generation, &[7]);
        let offsets = progress.to_commit(None);
        assert_eq!(offsets, [(tp(), Offset(8))]);
        assert_eq!(progress.to_commit(Some(&[])), []);
        progress.committed(&offsets);
        assert_eq!(progress.to_commit(None), []);
    }

    #[test]
    fn what_is_done_behind_a_message_that_is_not_is_not_committed() {
        let mut progress = Progress::default();
        let (part, generation) = received(&mut progress, 0..10);
        (0..5).for_each(|at| assert!(part.begin(generation, Offset(at))));
        end(&part, generation, &[4, 1, 0]);
        assert_eq!(progress.to_commit(None), [(tp(), Offset(2))]);
        assert!(progress.is_in_hand(&tp()));
        end(&part, generation, &[3, 2]);
        assert_eq!(progress.to_commit(None), [(tp(), Offset(5))]);
        assert!(!progress.is_in_hand(&tp()));
    }

    #[test]
    fn a_partition_of_which_all_is_handled_stands_where_its_consumer_does() {
        let mut progress = Progress::default();
        progress.assigned(&tp());
        assert_eq!(progress.unhandled(&tp()), None);
        let (part, generation) = received(&mut progress, 2..4);
        for (at, unhandled) in [(2, Some(Offset(3))), (3, None)] {
            assert_eq!(progress.unhandled(&tp()), Some(Offset(at)));
            part.begin(generation, Offset(at));
            end(&part, generation, &[at]);
            assert_eq!(progress.unhandled(&tp()), unhandled);
        }
        progress.received(&tp(), offsets(4..8)).unwrap();
        assert_eq!(progress.unhandled(&tp()), Some(Offset(4)));
        progress.sought(&tp());
        assert_eq!(progress.unhandled(&tp()), None);
    }

    #[test]
    fn what_waited_through_a_rebalance_or_a_seek_is_not_begun() {
        let mut progress = Progress::default();
        let (part, old) = received(&mut progress, 0..1);
        progress.sought(&tp());
        assert!(!part.begin(old, Offset(0)));
        progress.gone(&tp());
        assert!(progress.received(&tp(), offsets(0..1)).is_none());
        progress.assigned(&tp());
        assert!(!part.begin(old, Offset(0)));
    }

    #[test]
    fn what_is_in_hand_while_its_partition_is_sought_does_not_count() {
        let mut progress = Progress::default();
        let (part, generation) = received(&mut progress, 2..9);
        part.begin(generation, Offset(2));
        progress.sought(&tp());
        progress.received(&tp(), offsets(2..9)).unwrap();
        end(&part, generation, &[2]);
        assert_eq!(progress.to_commit(None), []);
    }

    #[test]
    fn a_log_that_begins_anew_or_further_on_is_counted_from_there() {
        let mut progress = Progress::default();
        let (part, generation) = received(&mut progress, 0..10);
        part.begin(generation, Offset(0));
        end(&part, generation, &[0]);
        let (part, same) = progress.received(&tp(), offsets(500..502)).unwrap();
        assert_eq!(same, generation, "what waits is handled all the same");
        part.begin(same, Offset(500));
        end(&part, same, &[1, 500]);
        assert_eq!(progress.to_commit(None), [(tp(), Offset(501))]);
        let (part, new) = progress.received(&tp(), offsets(3..5)).unwrap();
        assert!(!part.begin(generation, Offset(501)), "what waits is of a log that is gone");
        assert!(part.begin(new, Offset(3)), "nothing of it is done");
        end(&part, generation, &[501]);
        end(&part, new, &[3]);
        assert_eq!(progress.to_commit(None), [(tp(), Offset(4))]);
    }

    #[test]
    fn a_partition_that_was_set_aside_comes_again_without_what_is_done_of_it() {
        let mut progress = Progress::default();
        let (part, generation) = received(&mut progress, 2..8);
        [2, 3, 5].iter().for_each(|at| assert!(part.begin(generation, Offset(*at))));
        end(&part, generation, &[5]);
        progress.set_aside(&tp());
        assert!(!part.begin(generation, Offset(4)), "what waits behind them in the queue");
        end(&part, generation, &[2]);
        assert!(
            part.end(generation, Some(offsets(3..4))),
            "somebody waits for the last that is in hand"
        );
        assert_eq!(progress.resettled(&tp()), Some(Offset(4)));
        assert!(!part.begin(generation, Offset(4)), "nor when they have ended");
        let (part, new) = progress.received(&tp(), offsets(4..8)).unwrap();
        let begun: Vec<_> = (2..8).filter(|at| part.begin(new, Offset(*at))).collect();
        assert_eq!(begun, [4, 6, 7]);
    }

    #[test]
    fn nobody_is_set_aside_who_is_not_there() {
        let mut progress = Progress::default();
        progress.assigned(&tp());
        progress.set_aside(&tp());
        progress.gone(&tp());
        assert!(!progress.is_aside(&tp()), "it is another's");
        progress.set_aside(&tp());
        assert!(!progress.is_aside(&tp()), "a stranger");
    }

    #[test]
    fn what_is_in_hand_while_its_partition_goes_still_counts() {
        let mut progress = Progress::default();
        let (part, generation) = received(&mut progress, 2..9);
        part.begin(generation, Offset(2));
        progress.going(&tp());
        assert!(progress.is_in_hand(&tp()));
        end(&part, generation, &[2]);
        assert_eq!(progress.to_commit(Some(&[tp()])), [(tp(), Offset(3))]);
        assert!(!part.begin(generation, Offset(3)), "but nothing after it");
    }
}
