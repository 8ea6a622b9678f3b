//! Which of the records read a member gets: `SharePartition.acquire`.

use std::collections::BTreeSet;

use tokio::time::Instant;

use super::in_flight::{InFlightBatch, InFlightState, Kept, ShareRecordState};
use super::partition::{SharePartition, ShareTerms};
use crate::embedded::log::batch::{BatchHeader, read_marker};

/// What a member wants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish<'a> {
    pub(crate) member: &'a str,
    /// Not a record more than `most` (KIP-1206), rather than whole batches.
    pub(crate) is_exact: bool,
    pub(crate) most: i64,
    /// How many records are acquired as one, if their batches are smaller.
    pub(crate) batch_size: i64,
}

/// What was read from the log.
#[derive(Clone, Debug)]
pub(crate) struct Fetched<'a> {
    pub(crate) offset: i64,
    pub(crate) batches: Vec<(BatchHeader, &'a [u8])>,
    /// Transactions that were aborted: producer and first offset. Empty unless only committed
    /// records are wanted.
    pub(crate) aborted: Vec<(i64, i64)>,
}

/// Records that a member has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Acquired {
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) deliveries: i32,
}

/// Delivery counts from here on are suspect: the records come in ever smaller parts.
const FEWEST_TO_THROTTLE: i32 = 2;

/// One call of `acquire`: what it takes, and what it has taken.
struct Taking<'a> {
    wish: Wish<'a>,
    terms: ShareTerms,
    until: Instant,
    /// The offsets that were read: base of the first batch, and the last that may be acquired.
    first: i64,
    last: i64,
    most: i64,
    taken: Vec<Acquired>,
    count: i64,
}

impl SharePartition {
    /// Gives a member what it may have of the records read, and how many they are.
    pub(crate) fn acquire(
        &mut self,
        wish: Wish<'_>,
        fetched: &Fetched<'_>,
        terms: ShareTerms,
        now: Instant,
    ) -> (Vec<Acquired>, i64) {
        let (Some(first), Some(last)) = (fetched.batches.first(), fetched.batches.last()) else {
            return (Vec::new(), 0);
        };
        let last = last.0.last_offset();
        let (last, most) = self.room(fetched.offset, wish.most, last, &terms);
        if wish.most <= 0 || last < self.start || most <= 0 {
            return (Vec::new(), 0);
        }
        let first = first.0.base_offset;
        self.archive_stale(fetched.offset, first);
        let until = now + terms.lock;
        let mut taking =
            Taking { wish, terms, until, first, last, most, taken: Vec::new(), count: 0 };
        self.take(&mut taking, fetched);
        let (taken, count) = (taking.taken, taking.count);
        self.without_aborted(taken, count, fetched)
    }

    /// How far, and how many, the limit of locks allows.
    fn room(&self, offset: i64, most: i64, last: i64, terms: &ShareTerms) -> (i64, i64) {
        let room = most.min(terms.most_locks - self.in_flight());
        if room > 0 || offset > self.end {
            return (last, room);
        }
        // What is between start and end has its place already.
        (last.min(self.end), most.min(self.end - offset + 1))
    }

    /// Compaction has removed what is between the offset asked for and what came.
    fn archive_stale(&mut self, offset: i64, base: i64) {
        if offset >= base {
            return;
        }
        let holding = self.batches.range(..=offset).next_back();
        let from = holding.filter(|(_, batch)| batch.last >= offset).map_or(offset, |(at, _)| *at);
        self.looks_again |= self.archive(offset, base, from, ShareRecordState::Available, true);
    }

    fn take(&mut self, taking: &mut Taking<'_>, fetched: &Fetched<'_>) {
        let mut base = taking.first;
        match self.batches.range(..=base).next_back() {
            None => base = base.max(self.start),
            Some((at, batch)) if batch.last >= base => base = *at,
            Some(_) => {}
        }
        let from = taking.first.min(base);
        let known: Vec<i64> =
            self.batches.range(from..=taking.last.max(from)).map(|(at, _)| *at).collect();
        if known.is_empty() {
            self.take_new(taking, fetched, base, taking.last);
            return;
        }
        let (mut gap, mut end) = (base, base - 1);
        for at in known {
            if taking.is_full() {
                break;
            }
            let Some(last) = self.batches.get(&at).map(|batch| batch.last) else { continue };
            end = last;
            if self.open_gap().is_some() {
                if gap < at {
                    self.take_new(taking, fetched, gap, at - 1);
                }
                gap = last + 1;
                if taking.is_full() {
                    break;
                }
            }
            if let Some(batch) = self.batches.get_mut(&at) {
                take_known(taking, batch);
            }
        }
        let last_known = self.batches.range(..=taking.last).next_back();
        let end = last_known.map_or(end, |(_, batch)| batch.last);
        if !taking.is_full() && end < taking.last {
            self.take_new(taking, fetched, end + 1, taking.last);
        }
        if let Some(last) = taking.taken.last() {
            self.narrow_gap(last.last + 1);
        }
    }

    /// Takes records that were not delivered yet, in whole batches.
    fn take_new(&mut self, taking: &mut Taking<'_>, fetched: &Fetched<'_>, from: i64, to: i64) {
        let most = taking.most - taking.count;
        let first = if self.batches.is_empty() { from.max(self.end) } else { from };
        let mut last = to;
        if most < last - first + 1 {
            last = end_of_batch(fetched, first + most - 1);
            if self.open_gap().is_some() {
                last = last.min(to);
            }
        }
        if last < first {
            return;
        }
        let is_exact = taking.wish.is_exact;
        let taken = if is_exact && last - first + 1 > most {
            vec![self.put_part(taking, first, last, most)]
        } else {
            let parts = if is_exact {
                vec![(first, last)]
            } else {
                parts_of(fetched, first, last, taking.wish.batch_size)
            };
            parts.into_iter().map(|(first, last)| self.put(taking, first, last)).collect()
        };
        if self.batches.first_key_value().is_some_and(|(at, _)| *at == first) {
            self.start = first;
        }
        self.end = self.end.max(last);
        if is_exact {
            last = taken.first().map_or(last, |taken| taken.last);
        }
        self.narrow_gap(last + 1);
        taking.count += last - first + 1;
        taking.taken.extend(taken);
    }

    fn put(&mut self, taking: &Taking<'_>, first: i64, last: i64) -> Acquired {
        let member = Some(taking.wish.member.to_owned());
        let state = InFlightState::new(ShareRecordState::Acquired, 1, member, Some(taking.until));
        self.batches.insert(first, InFlightBatch::new(first, last, state));
        Acquired { first, last, deliveries: 1 }
    }

    /// Takes the first records of a batch; the others are available.
    fn put_part(&mut self, taking: &Taking<'_>, first: i64, last: i64, most: i64) -> Acquired {
        let free = InFlightState::new(ShareRecordState::Available, 0, None, None);
        let mut batch = InFlightBatch::new(first, last, free);
        let end = first + most - 1;
        for state in batch.split().range_mut(..=end).map(|(_, state)| state) {
            state.acquire(taking.wish.member, taking.until);
        }
        self.batches.insert(first, batch);
        self.looks_again = true;
        Acquired { first, last: end, deliveries: 1 }
    }

    /// Archives batches of aborted transactions, which nobody gets.
    fn without_aborted(
        &mut self,
        taken: Vec<Acquired>,
        count: i64,
        fetched: &Fetched<'_>,
    ) -> (Vec<Acquired>, i64) {
        if fetched.aborted.is_empty() || taken.is_empty() {
            return (taken, count);
        }
        let gone = aborted_batches(fetched);
        for (first, last) in &gone {
            if let Some(from) = self.batches.range(..=*first).next_back().map(|(at, _)| *at) {
                self.archive(*first, last + 1, from, ShareRecordState::Acquired, true);
            }
        }
        let left: Vec<Acquired> =
            taken.into_iter().flat_map(|taken| taken.without(&gone)).collect();
        let count = left.iter().map(|taken| taken.last - taken.first + 1).sum();
        (left, count)
    }
}

impl Taking<'_> {
    fn is_full(&self) -> bool {
        self.count >= self.most
    }
}

/// Takes what is available of a batch that was delivered before.
fn take_known(taking: &mut Taking<'_>, batch: &mut InFlightBatch) {
    let left = taking.most - taking.count;
    let limit = throttle_limit(taking.terms.most_deliveries);
    let is_suspect = most_deliveries(batch, taking.first, taking.last) >= limit;
    if is_suspect && taking.count > 0 {
        // It goes alone, in a fetch of its own.
        taking.most = 0;
        return;
    }
    let is_whole = batch.is_within(taking.first, taking.last)
        && !(taking.wish.is_exact && batch.count() > left)
        && !is_suspect;
    let count = batch.count();
    match &mut batch.kept {
        Kept::Whole(state) if !state.is_available() => return,
        Kept::Whole(state) if is_whole => {
            state.acquire(taking.wish.member, taking.until);
            let deliveries = state.deliveries;
            taking.taken.push(Acquired { first: batch.first, last: batch.last, deliveries });
            taking.count += count;
            return;
        }
        _ => {}
    }
    let taken = take_each(taking, batch, left, limit);
    if is_suspect && taken > 0 {
        taking.most = 0;
    }
    taking.count += taken;
}

/// Takes records of a batch one by one; gives how many.
fn take_each(taking: &mut Taking<'_>, batch: &mut InFlightBatch, left: i64, limit: i32) -> i64 {
    let most_deliveries = taking.terms.most_deliveries;
    let isolates = most_deliveries > FEWEST_TO_THROTTLE;
    let size = batch.count();
    let (mut taken, mut portion) = (Vec::<Acquired>::new(), None);
    let mut count = 0;
    for (offset, state) in batch.split().range_mut(taking.first..=taking.last) {
        if !state.is_available() {
            continue;
        }
        if isolates && state.deliveries == most_deliveries - 1 && count > 0 {
            // The last delivery of a record is of it alone.
            break;
        }
        if state.deliveries >= limit {
            let halvings = u32::try_from(state.deliveries - limit + 1).unwrap_or(u32::MAX);
            portion = portion.or(Some(size.checked_shr(halvings).unwrap_or(0).max(1)));
        }
        state.acquire(taking.wish.member, taking.until);
        let deliveries = state.deliveries;
        count += 1;
        match taken.last_mut() {
            Some(last) if last.last + 1 == *offset && last.deliveries == deliveries => {
                last.last = *offset;
            }
            _ => taken.push(Acquired { first: *offset, last: *offset, deliveries }),
        }
        if isolates && deliveries == most_deliveries
            || taking.wish.is_exact && count == left
            || portion == Some(count)
        {
            break;
        }
    }
    taking.taken.extend(taken);
    count
}

/// From how many deliveries on records come in ever smaller parts: half of the limit, at least 2.
fn throttle_limit(most_deliveries: i32) -> i32 {
    FEWEST_TO_THROTTLE.max((most_deliveries + 1) / 2)
}

/// The most deliveries of an available record of the batch between the offsets.
fn most_deliveries(batch: &InFlightBatch, first: i64, last: i64) -> i32 {
    let is_whole = batch.whole().is_some();
    let states = batch.states();
    let states = states
        .iter()
        .filter(|(at, _, state)| state.is_available() && (is_whole || (first..=last).contains(at)));
    states.map(|(.., state)| state.deliveries).max().unwrap_or(0)
}

/// The last offset of the batch that holds `offset`.
fn end_of_batch(fetched: &Fetched<'_>, offset: i64) -> i64 {
    let batches = fetched.batches.iter().map(|(header, _)| header);
    let holding = batches.take_while(|header| header.base_offset <= offset).last();
    holding.map_or(offset, |header| header.last_offset().max(offset))
}

/// Offsets in parts of at least `size`, which begin where batches do.
fn parts_of(fetched: &Fetched<'_>, first: i64, last: i64, size: i64) -> Vec<(i64, i64)> {
    let (mut parts, mut from) = (Vec::new(), first);
    if last - first + 1 > size {
        let bases = fetched.batches.iter().map(|(header, _)| header.base_offset);
        for base in bases.take_while(|base| *base <= last) {
            if base - from >= size {
                parts.push((from, base - 1));
                from = base;
            }
        }
    }
    parts.push((from, last));
    parts
}

impl Acquired {
    /// What is left of it without some batches, which rise.
    fn without(self, gone: &[(i64, i64)]) -> Vec<Self> {
        let (mut left, mut from) = (Vec::new(), self.first);
        for (first, last) in gone {
            if *last < from || *first > self.last {
                continue;
            }
            if from < *first {
                left.push(Self { first: from, last: first - 1, ..self });
            }
            from = last + 1;
        }
        if from <= self.last {
            left.push(Self { first: from, ..self });
        }
        left
    }
}

/// The batches of aborted transactions: first and last offset.
fn aborted_batches(fetched: &Fetched<'_>) -> Vec<(i64, i64)> {
    let mut aborted = fetched.aborted.clone();
    aborted.sort_by_key(|(_, first)| *first);
    let mut aborted = aborted.into_iter().peekable();
    let (mut open, mut gone) = (BTreeSet::new(), Vec::new());
    for (header, bytes) in fetched.batches.iter().filter(|(header, _)| header.has_producer_id()) {
        while let Some((producer, _)) = aborted.next_if(|(_, first)| *first <= header.last_offset())
        {
            open.insert(producer);
        }
        let producer = header.producer_id;
        if read_marker(bytes, header).is_some_and(|marker| !marker.committed) {
            open.remove(&producer);
        } else if header.is_transactional() && open.contains(&producer) {
            gone.push((header.base_offset, header.last_offset()));
        }
    }
    gone
}
