//! A partition as its leader shares it among the members of a group: Kafka's `SharePartition`.
//!
//! ```text
//!             acquire: count + 1                    accept
//!  Available ────────────────────▶ Acquired ───────────────────────▶ Acknowledged
//!      ▲                             │  │   reject, gap; too often
//!      └── release, lock ran out ────┘  └──────────────────────────▶ Archived
//!
//!   final    start                       end      not delivered yet
//!  ──────────┃ batches in flight ────────┃──────────────────────────▶ offsets
//! ```
//!
//! Only what is not `Acquired` is written down, so that a new leader knows of no locks.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_protocol::ResponseError;
use tokio::time::Instant;

use super::in_flight::{InFlightBatch, InFlightState, Kept, ShareRecordState};
use super::store::{ShareKey, ShareStore, StateBatch, Write};

/// What a group's settings say of its partitions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShareTerms {
    /// `share.record.lock.duration.ms`.
    pub(crate) lock: Duration,
    /// `share.delivery.count.limit`.
    pub(crate) most_deliveries: i32,
    /// `share.partition.max.record.locks`.
    pub(crate) most_locks: i64,
    /// `share.renew.acknowledge.enable`.
    pub(crate) renews: bool,
    /// `share.isolation.level` is `read_committed`.
    pub(crate) committed_only: bool,
}

/// A partition that a group shares, at its leader.
#[derive(Clone, Debug)]
pub(crate) struct SharePartition {
    /// Tells it from one that was there before.
    pub(crate) id: u64,
    pub(crate) leader_epoch: i32,
    pub(super) state_epoch: i32,
    /// Everything below is final.
    pub(super) start: i64,
    /// The last offset that was delivered; the next one to be when nothing is in flight.
    pub(super) end: i64,
    pub(super) batches: BTreeMap<i64, InFlightBatch>,
    /// Something in flight may be available.
    pub(super) looks_again: bool,
    /// Offsets that an earlier leader may have delivered, and of which nothing was written.
    pub(super) gap: Option<Gap>,
    /// How many records from the start on are final: `deliveryCompleteCount`.
    pub(super) complete: i64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Gap {
    pub(super) start: i64,
    /// The end of the partition while the gap counts.
    end: i64,
}

impl SharePartition {
    /// Goes on from what is written; `reset` says where a new group begins.
    pub(crate) fn load(
        id: u64,
        key: &ShareKey,
        leader_epoch: i32,
        store: &mut ShareStore,
        reset: impl FnOnce() -> Result<i64, ResponseError>,
    ) -> Result<Self, ResponseError> {
        let written = store.read(key, leader_epoch)?;
        let start = match written.start {
            Some(start) => start,
            None => reset()?,
        };
        let mut partition = Self {
            id,
            leader_epoch,
            state_epoch: written.state_epoch,
            start,
            end: start,
            batches: BTreeMap::new(),
            looks_again: false,
            gap: None,
            complete: 0,
        };
        let (mut next, mut gap) = (start, None);
        for (first, last, state, deliveries) in written.batches() {
            gap = gap.or((first > next).then_some(next));
            next = last + 1;
            let kept = InFlightState::new(state, deliveries, None, None);
            partition.batches.insert(first, InFlightBatch::new(first, last, kept));
            partition.complete += if state.is_final() { last - first + 1 } else { 0 };
        }
        if let Some(last) = partition.last_cached() {
            partition.looks_again = true;
            partition.end = last;
            partition.gap = gap.map(|start| Gap { start, end: last });
            partition.advance();
        }
        Ok(partition)
    }

    pub(crate) fn start(&self) -> i64 {
        self.start
    }

    /// The last offset of the last batch in flight.
    fn last_cached(&self) -> Option<i64> {
        self.batches.last_key_value().map(|(_, batch)| batch.last)
    }

    /// Where the next fetch begins: at what is available again, or behind all that was delivered.
    pub(crate) fn next_fetch_offset(&mut self) -> i64 {
        let Some(last) = self.last_cached().filter(|last| self.start <= *last) else {
            self.looks_again = false;
            return self.end;
        };
        debug_assert!(last <= self.end, "nothing in flight is behind the end");
        if !self.looks_again {
            return self.end + 1;
        }
        let mut gap = self.open_gap();
        for (first, batch) in &self.batches {
            if let Some(start) = gap {
                if *first > start {
                    return start;
                }
                gap = Some(start.max(batch.last + 1));
            }
            let states = batch.states();
            let found = states.iter().find(|(.., state)| state.is_available());
            if let Some((offset, ..)) = found {
                return *offset;
            }
        }
        self.looks_again = false;
        self.end + 1
    }

    /// Whether a fetch could bring anything.
    pub(crate) fn can_acquire(&mut self, terms: &ShareTerms) -> bool {
        self.next_fetch_offset() != self.end + 1 || self.in_flight() < terms.most_locks
    }

    /// How many offsets are between start and end, whatever their state.
    pub(super) fn in_flight(&self) -> i64 {
        if self.batches.is_empty() { 0 } else { self.end - self.start + 1 }
    }

    /// Where the gap begins, while it counts.
    pub(super) fn open_gap(&self) -> Option<i64> {
        self.gap.filter(|gap| gap.end == self.end).map(|gap| gap.start)
    }

    /// What is up to `offset` was acquired: the gap begins there.
    pub(super) fn narrow_gap(&mut self, offset: i64) {
        let end = self.end;
        self.gap = self
            .gap
            .filter(|gap| gap.end == end && offset <= gap.end)
            .map(|gap| Gap { start: offset, ..gap });
    }

    /// The start lies within the offsets, but not at the first.
    pub(super) fn starts_within(&self, first: i64, last: i64) -> bool {
        first < self.start && last >= self.start
    }

    /// How many of the offsets are not behind the start.
    fn counted(&self, first: i64, last: i64) -> i64 {
        if last >= self.start { last - self.start.max(first) + 1 } else { 0 }
    }

    /// What a member has is available again, as its session has ended.
    pub(crate) fn release(
        &mut self,
        member: &str,
        key: &ShareKey,
        terms: &ShareTerms,
        store: &mut ShareStore,
    ) -> Result<(), ResponseError> {
        self.part_at_start(|state| state.is_held_by(member));
        let start = self.start;
        for batch in self.batches.values_mut() {
            for (_, last, state) in batch.states_mut() {
                if state.state == ShareRecordState::Acquired && state.is_held_by(member) {
                    state.begin(next_of(last, start), terms.most_deliveries);
                }
            }
        }
        self.finish(key, store)
    }

    /// Locks that have run out; false if there were none.
    pub(crate) fn expire(
        &mut self,
        now: Instant,
        key: &ShareKey,
        terms: &ShareTerms,
        store: &mut ShareStore,
    ) -> bool {
        let is_late = |state: &InFlightState| state.lock.is_some_and(|until| until <= now);
        self.part_at_start(is_late);
        let (start, mut written) = (self.start, Vec::new());
        for batch in self.batches.values_mut() {
            for (first, last, state) in batch.states_mut() {
                let is_held = state.state == ShareRecordState::Acquired;
                if is_held
                    && is_late(state)
                    && state.give_up(next_of(last, start), terms.most_deliveries)
                {
                    state.lock = None;
                    written.push((first, last, state.state, state.deliveries));
                }
            }
        }
        if written.is_empty() {
            return false;
        }
        self.count(&written, 1);
        self.looks_again |=
            written.iter().any(|(_, _, state, _)| *state == ShareRecordState::Available);
        // The records are free even if that cannot be written.
        if let Err(error) = store.write(key, &self.write(written)) {
            tracing::debug!(?key, %error, "the end of a lock is not written");
        }
        self.advance();
        true
    }

    /// When the next lock runs out.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.locks().min()
    }

    pub(crate) fn locks(&self) -> impl Iterator<Item = Instant> {
        let held = self.states().filter(|(.., state)| state.state == ShareRecordState::Acquired);
        held.filter_map(|(.., state)| state.lock)
    }

    /// All states in flight, with the offsets that each is for.
    pub(crate) fn states(&self) -> impl Iterator<Item = (i64, i64, &InFlightState)> {
        self.batches.values().flat_map(InFlightBatch::states)
    }

    /// A batch in which the start lies has records of their own states: those below it are gone.
    fn part_at_start(&mut self, which: impl Fn(&InFlightState) -> bool) {
        let start = self.start;
        for batch in self.batches.values_mut() {
            let is_acquired = |state: &&InFlightState| state.state == ShareRecordState::Acquired;
            let held = batch.whole().filter(is_acquired).is_some_and(&which);
            if held && batch.first < start && batch.last >= start {
                batch.split();
            }
        }
    }

    /// The log begins later than this partition: what is available before is archived; what is
    /// acquired stays so until its lock ends.
    pub(crate) fn log_start_moved(&mut self, log_start: i64) {
        if log_start <= self.start {
            return;
        }
        if self.batches.is_empty() {
            (self.start, self.end, self.complete) = (log_start, log_start, 0);
            return;
        }
        let is_counted = |offset: i64| offset >= self.start && offset < log_start;
        let gone = self.states().filter(|(.., state)| state.state.is_final());
        let gone = gone.map(|(first, last, _)| (first..=last).filter(|at| is_counted(*at)).count());
        let gone = i64::try_from(gone.sum::<usize>()).unwrap_or(0);
        self.looks_again |=
            self.archive(self.start, log_start, i64::MIN, ShareRecordState::Available, false);
        self.start = log_start;
        self.complete -= gone;
        self.end = self.end.max(log_start);
    }

    /// Archives what is in `state` from `first` to below `below`, of batches from `from` on. Gives
    /// whether there was any.
    pub(super) fn archive(
        &mut self,
        first: i64,
        below: i64,
        from: i64,
        state: ShareRecordState,
        counts: bool,
    ) -> bool {
        let mut archived = 0;
        for batch in self.batches.range_mut(from..below.max(from)).map(|(_, batch)| batch) {
            let is_within = batch.is_within(first, below - 1);
            match &mut batch.kept {
                Kept::Whole(whole) if whole.state != state => continue,
                Kept::Whole(whole) if is_within => {
                    whole.archive();
                    archived += batch.count();
                    continue;
                }
                _ => {}
            }
            for one in batch.split().range_mut(first..below).map(|(_, one)| one) {
                if one.state == state {
                    one.archive();
                    archived += 1;
                }
            }
        }
        if counts {
            self.complete += archived;
        }
        archived > 0
    }

    /// Ends what was begun: writes it down or, if it cannot be written, takes it back.
    pub(crate) fn finish(
        &mut self,
        key: &ShareKey,
        store: &mut ShareStore,
    ) -> Result<(), ResponseError> {
        let changing = self.states().filter(|(.., state)| state.is_changing());
        let changed: Vec<StateBatch> = changing
            .map(|(first, last, state)| (first, last, state.state, state.deliveries))
            .collect();
        if changed.is_empty() {
            return Ok(());
        }
        self.count(&changed, 1);
        let result = store.write(key, &self.write(changed.clone()));
        self.settle(result.is_ok());
        match result {
            Ok(()) => self.advance(),
            Err(_) => self.count(&changed, -1),
        }
        result
    }

    /// Takes back what was begun.
    pub(super) fn take_back(&mut self) {
        self.settle(false);
    }

    fn settle(&mut self, is_written: bool) {
        for batch in self.batches.values_mut() {
            for (_, _, state) in batch.states_mut() {
                let is_changing = state.is_changing();
                state.complete(is_written);
                self.looks_again |= is_changing && state.state == ShareRecordState::Available;
            }
        }
    }

    /// Counts what has become final, or is not any more.
    fn count(&mut self, changed: &[StateBatch], sign: i64) {
        for (first, last, state, _) in changed {
            if state.is_final() {
                self.complete += sign * self.counted(*first, *last);
            }
        }
    }

    fn write(&self, batches: Vec<StateBatch>) -> Write {
        Write {
            state_epoch: self.state_epoch,
            leader_epoch: self.leader_epoch,
            start: self.start,
            complete: self.complete,
            batches,
        }
    }

    /// Moves the start over what is final, and forgets batches that are final as a whole.
    fn advance(&mut self) {
        let Some(done) = self.last_final() else { return };
        let last = self.last_cached().unwrap_or(done);
        if done == last {
            (self.start, self.end, self.complete) = (last + 1, last + 1, 0);
            self.batches.clear();
            return;
        }
        self.complete -= self.final_up_to(done);
        let holding = self.batches.range(..=done).next_back();
        let (first, ends_there) =
            holding.map_or((done, false), |(first, batch)| (*first, batch.last == done));
        if ends_there {
            let next = self.batches.range(done + 1..).next().map_or(done + 1, |(first, _)| *first);
            self.start = self.start.max(next);
            if let Some(gap) = self.open_gap() {
                self.start = self.start.min(gap);
            }
            self.batches = self.batches.split_off(&(first + 1));
        } else {
            self.start = self.start.max(done + 1);
            self.batches = self.batches.split_off(&first);
        }
    }

    /// The last offset of those that are final without a break from the start on.
    fn last_final(&self) -> Option<i64> {
        let holding = self.batches.range(..=self.start).next_back()?.1;
        let states = holding.states();
        let at_start =
            states.iter().find(|(first, last, _)| (*first..=*last).contains(&self.start));
        // A batch behind which the start lies is final, too: Kafka looks at its state.
        let (.., state) = at_start.or(states.last())?;
        if !state.state.is_final() {
            return None;
        }
        let gap = self.open_gap();
        let mut done = None;
        for batch in self.batches.values() {
            if gap.is_some_and(|gap| batch.last >= gap) {
                return done;
            }
            for (_, last, state) in batch.states() {
                if state.is_changing() || !state.state.is_final() {
                    return done;
                }
                done = Some(last);
            }
        }
        done
    }

    fn final_up_to(&self, done: i64) -> i64 {
        let states = self.states().filter(|(_, last, _)| *last <= done);
        states.map(|(first, last, _)| self.counted(first, last)).sum()
    }
}

/// What becomes of records that are given up: those behind the start are gone.
fn next_of(last: i64, start: i64) -> ShareRecordState {
    if last < start { ShareRecordState::Archived } else { ShareRecordState::Available }
}
