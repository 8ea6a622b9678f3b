//! What one answer to a ShareFetch has acquired of one partition: its records, what was said of each,
//! and what became of that.
//!
//! ```text
//!            handed over        said            sent            confirmed
//!  Buffered ────────────▶ InHand ───▶ Said ────────────▶ Sent ───────────▶ Confirmed
//!      │                      │         └─ lock lost ─┐    │ refused
//!      │ lock lost            └─ lock lost ──▶ Lost    └────┤
//!      │                                        └─ said ────┤
//!      └────────────────────────────────────────────────────┴─────────────▶ Failed
//! ```
//! Shared by the records that the application holds and the task that sends what is said of them.
//! Its lock is taken by both, for moments, and under no other but the consumer's.

mod standing;

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use self::standing::{Renewal, SaidOutcome, Standing};
use super::acknowledge::{AcknowledgeType, AcknowledgedRange};
use super::bell::Bell;
use super::decode::{Acquired, AcquiredBatch, AcquiredRecord};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{BrokerId, Offset, PartitionId, TopicId, TopicPartition};
use crate::runtime;
use crate::sync::lock;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Acquisition {
    pub(crate) partition: TopicPartition,
    pub(crate) topic_id: TopicId,
    /// The broker that has acquired it, which alone can be told.
    pub(crate) broker: BrokerId,
    records: Vec<AcquiredRecord>,
    batches: Vec<AcquiredBatch>,
    /// Whether a record that is dropped without a word is released.
    releases_dropped: bool,
    bell: Arc<Bell>,
    state: Mutex<AcquisitionState>,
}

#[derive(Debug)]
struct AcquisitionState {
    standings: Vec<Standing>,
    /// How many are neither confirmed nor lost nor failed.
    open: usize,
    lost: usize,
    /// How many are said something of that is not on its way.
    said: usize,
    /// Those before it were handed over.
    handed: u32,
    /// Offsets without a record, and what is to be said of them; none once that is on its way.
    others: Vec<AcknowledgedRange>,
    others_sent: Vec<AcknowledgedRange>,
    renewals: BTreeMap<u32, Renewal>,
    failures: BTreeMap<u32, Error>,
    /// What became of acknowledgements, and nobody was told yet.
    news: Vec<SaidOutcome>,
    /// Something has changed that somebody may wait for.
    has_changed: bool,
    lock_until: Instant,
    /// Of records whose locks were renewed.
    renewed_until: BTreeMap<u32, Instant>,
    wakers: Vec<Waker>,
}

/// What is to be sent of one acquisition.
#[derive(Debug, Default)]
pub(crate) struct OutgoingAcknowledgements {
    /// In offset order.
    pub(crate) ranges: Vec<AcknowledgedRange>,
    pub(crate) renews: bool,
}

impl Acquisition {
    pub(crate) fn new(
        partition: TopicPartition,
        topic_id: TopicId,
        broker: BrokerId,
        acquired: Acquired,
        lock_until: Instant,
        releases_dropped: bool,
        bell: Arc<Bell>,
    ) -> Self {
        let Acquired { batches, records, others, .. } = acquired;
        if !others.is_empty() {
            bell.say(1);
        }
        let state = AcquisitionState {
            standings: vec![Standing::Buffered; records.len()],
            open: records.len(),
            lost: 0,
            said: usize::from(!others.is_empty()),
            handed: 0,
            others,
            others_sent: Vec::new(),
            renewals: BTreeMap::new(),
            failures: BTreeMap::new(),
            news: Vec::new(),
            has_changed: false,
            lock_until,
            renewed_until: BTreeMap::new(),
            wakers: Vec::new(),
        };
        Self {
            partition,
            topic_id,
            broker,
            records,
            batches,
            releases_dropped,
            bell,
            state: Mutex::new(state),
        }
    }

    /// The partition, as requests name it.
    pub(crate) fn key(&self) -> (TopicId, PartitionId) {
        (self.topic_id, self.partition.partition)
    }

    /// A record, with what it shares with its batch.
    pub(crate) fn record(&self, index: u32) -> Option<(&AcquiredRecord, &AcquiredBatch)> {
        let record = self.records.get(usize::try_from(index).ok()?)?;
        Some((record, self.batches.get(usize::try_from(record.batch).ok()?)?))
    }

    /// The record with an offset, by number.
    pub(crate) fn find(&self, offset: Offset) -> Option<u32> {
        let at = self.records.binary_search_by_key(&offset, |record| record.offset).ok()?;
        u32::try_from(at).ok()
    }

    /// How many records were not handed over.
    pub(crate) fn buffered(&self) -> usize {
        let handed = usize::try_from(self.state().handed).unwrap_or(usize::MAX);
        self.records.len().saturating_sub(handed)
    }

    /// Hands over up to `max` records, but none whose lock has been lost.
    pub(crate) fn hand_over(&self, max: usize, now: Instant) -> Option<Range<u32>> {
        let mut state = self.state();
        state.expire(now, self);
        let first = state.handed;
        let mut end = first;
        for standing in state.standings.iter_mut().skip(index(first)).take(max) {
            if *standing != Standing::Buffered {
                break;
            }
            *standing = Standing::InHand;
            end += 1;
        }
        state.handed = if end == first { self.len() } else { end };
        (end > first).then_some(first..end)
    }

    /// Says the same of records that the application has; false if something was said of all of them
    /// before, or all are lost.
    pub(crate) fn say(&self, records: Range<u32>, said: AcknowledgeType, now: Instant) -> bool {
        let mut state = self.state();
        state.expire(now, self);
        let (mut count, mut late) = (0, 0);
        for at in records {
            let AcquisitionState { standings, failures, news, has_changed, .. } = &mut *state;
            let Some(standing) = standings.get_mut(index(at)) else { break };
            match *standing {
                Standing::InHand => *standing = Standing::Said(said),
                Standing::Lost => {
                    *standing = Standing::Failed;
                    SaidOutcome::add(news, at, failures.get(&at));
                    *has_changed = true;
                    late += 1;
                    continue;
                }
                _ => continue,
            }
            if let Some(Renewal::Said) = state.renewals.get(&at) {
                state.renewals.remove(&at);
                state.said -= 1;
                self.bell.taken(1);
                state.has_changed = true;
            }
            count += 1;
        }
        state.said += count;
        state.lost -= late;
        drop(state);
        if count > 0 {
            self.bell.say(count);
        }
        if late > 0 {
            self.bell.rung.notify_one();
        }
        count > 0
    }

    /// Has the lock of a record that the application has begin anew.
    pub(crate) fn renew(&self, at: u32, now: Instant) -> bool {
        let mut state = self.state();
        state.expire(now, self);
        let is_in_hand = state.standings.get(index(at)) == Some(&Standing::InHand);
        let is_new = !matches!(state.renewals.get(&at), Some(Renewal::Said | Renewal::Sent));
        if is_in_hand && is_new {
            state.renewals.insert(at, Renewal::Said);
            state.said += 1;
            drop(state);
            self.bell.say(1);
        }
        is_in_hand
    }

    /// The application has dropped a record.
    pub(crate) fn dropped(&self, at: u32) {
        if self.releases_dropped {
            self.say(at..at + 1, AcknowledgeType::Release, runtime::now());
        }
    }

    /// When the lock of a record runs out that was handed over; `None` once it is not this consumer's
    /// any more.
    pub(crate) fn locked_until(&self, at: u32) -> Option<Instant> {
        let state = self.state();
        let standing = state.standings.get(index(at))?;
        let is_open = matches!(standing, Standing::InHand | Standing::Said(_) | Standing::Sent(_));
        is_open.then(|| state.lock_of(at))
    }

    /// Whether a record is known not to be this consumer's any more.
    pub(crate) fn has_failed(&self, at: u32) -> bool {
        self.state().failures.contains_key(&at)
    }

    /// Whether something is to be sent.
    pub(crate) fn has_said(&self) -> bool {
        self.state().said > 0
    }

    /// Whether nothing is left that the application could say something of.
    pub(crate) fn is_said(&self) -> bool {
        let is_open =
            |standing: &Standing| matches!(standing, Standing::Buffered | Standing::InHand);
        !self.state().standings.iter().any(is_open)
    }

    /// Whether locks are to be renewed.
    pub(crate) fn renews(&self) -> bool {
        self.state().renewals.values().any(|renewal| matches!(renewal, Renewal::Said))
    }

    /// Nothing is left to be said, heard or told.
    pub(crate) fn is_over(&self) -> bool {
        let state = self.state();
        state.open == 0
            && state.lost == 0
            && state.others.is_empty()
            && state.others_sent.is_empty()
            && !state.has_changed
            && !state.renewals.values().any(|one| matches!(one, Renewal::Said | Renewal::Sent))
    }

    /// Tells what became of acknowledgements since the last time, and then whoever waits for them:
    /// what changes only leaves word, so that all is told in one place, under no lock.
    pub(crate) fn announce(&self, tell: impl Fn(RangeInclusive<Offset>, Result<()>)) {
        let mut state = self.state();
        if !std::mem::take(&mut state.has_changed) {
            return;
        }
        let news = std::mem::take(&mut state.news);
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        for SaidOutcome { records, error } in news {
            for offsets in self.runs(records) {
                tell(offsets, error.clone().map_or(Ok(()), Err));
            }
        }
        wakers.into_iter().for_each(Waker::wake);
    }

    /// The offsets of some records, which may have gaps between them.
    fn runs(&self, records: Range<u32>) -> Vec<RangeInclusive<Offset>> {
        let mut runs: Vec<RangeInclusive<Offset>> = Vec::new();
        for record in self.records.get(index(records.start)..index(records.end)).unwrap_or_default()
        {
            match runs.last_mut().filter(|run| run.end().advance(1) == record.offset) {
                Some(run) => *run = *run.start()..=record.offset,
                None => runs.push(record.offset..=record.offset),
            }
        }
        runs
    }

    /// All that is to be sent, which is on its way from now on; of locks that have run out nothing.
    pub(crate) fn send(&self, with_renewals: bool, now: Instant) -> OutgoingAcknowledgements {
        let mut state = self.state();
        state.expire(now, self);
        let mut outgoing = OutgoingAcknowledgements::default();
        let others = std::mem::take(&mut state.others);
        let mut taken = usize::from(!others.is_empty());
        let mut gaps = others.iter().copied().peekable();
        for at in 0..self.len() {
            let Some(offset) = self.records.get(index(at)).map(|record| record.offset) else {
                break;
            };
            while let Some(gap) = gaps.next_if(|gap| gap.first < offset) {
                gap.append_to(&mut outgoing.ranges);
            }
            let said = match state.standings.get_mut(index(at)) {
                Some(standing @ &mut Standing::Said(said)) => {
                    *standing = Standing::Sent(said);
                    said
                }
                Some(Standing::InHand) if with_renewals => match state.renewals.get_mut(&at) {
                    Some(renewal @ Renewal::Said) => {
                        *renewal = Renewal::Sent;
                        outgoing.renews = true;
                        AcknowledgeType::Renew
                    }
                    _ => continue,
                },
                _ => continue,
            };
            taken += 1;
            AcknowledgedRange { first: offset, last: offset, said: Some(said) }
                .append_to(&mut outgoing.ranges);
        }
        gaps.for_each(|gap| gap.append_to(&mut outgoing.ranges));
        state.others_sent.extend(others);
        state.said -= taken;
        self.bell.taken(taken);
        outgoing
    }

    /// The broker has taken what was sent; locks that were renewed hold until then.
    pub(crate) fn confirm(&self, renewed_until: Instant) {
        let mut state = self.state();
        state.others_sent.clear();
        state.has_changed = true;
        let AcquisitionState { standings, open, news, renewals, renewed_until: until, .. } =
            &mut *state;
        for (at, standing) in (0..).zip(standings) {
            if matches!(standing, Standing::Sent(_)) {
                *standing = Standing::Confirmed;
                *open -= 1;
                SaidOutcome::add(news, at, None);
            }
        }
        renewals.retain(|at, renewal| {
            let is_answered = matches!(renewal, Renewal::Sent);
            if is_answered {
                until.insert(*at, renewed_until);
            }
            !is_answered
        });
    }

    /// The broker has refused what was sent, or nobody knows whether it has taken it.
    pub(crate) fn refuse(&self, error: &Error) {
        let mut state = self.state();
        state.fail_where(error, |standing| matches!(standing, Standing::Sent(_)));
        state.others_sent.clear();
        state.fail_renewals(error, |renewal, _| matches!(renewal, Renewal::Sent));
    }

    /// What was sent has not arrived, and is to be sent again.
    pub(crate) fn unsend(&self) {
        let mut state = self.state();
        let mut count = 0;
        for standing in &mut state.standings {
            if let Standing::Sent(said) = *standing {
                *standing = Standing::Said(said);
                count += 1;
            }
        }
        let AcquisitionState { renewals, standings, failures, has_changed, .. } = &mut *state;
        renewals.retain(|at, renewal| {
            if !matches!(renewal, Renewal::Sent) {
                return true;
            }
            if let Some(error) = failures.get(at) {
                *renewal = Renewal::Failed(error.clone());
                *has_changed = true;
                return true;
            }
            // Whatever was said of the record since takes its place, as it does before it is sent.
            let is_in_hand = standings.get(index(*at)) == Some(&Standing::InHand);
            if is_in_hand {
                *renewal = Renewal::Said;
                count += 1;
            }
            *has_changed |= !is_in_hand;
            is_in_hand
        });
        if !state.others_sent.is_empty() {
            state.others = std::mem::take(&mut state.others_sent);
            count += 1;
        }
        state.said += count;
        drop(state);
        if count > 0 {
            self.bell.say(count);
        }
    }

    /// Nothing of it is this consumer's any more.
    pub(crate) fn lose(&self, error: &Error) {
        let mut state = self.state();
        self.bell.taken(state.said);
        state.fail_where(error, Standing::is_open);
        state.others.clear();
        state.others_sent.clear();
        state.fail_renewals(error, |_, _| true);
        state.said = 0;
    }

    /// Fails what this consumer has acquired once more: the lock of the first time had run out at the
    /// broker, whose clock is ahead by the way of the answer. What is said of it counts for the newer
    /// one only.
    pub(crate) fn give_way(&self, newer: &Self) {
        let span = |of: &Self| Some((of.records.first()?.offset, of.records.last()?.offset));
        let (Some(own), Some(other)) = (span(self), span(newer)) else { return };
        if self.key() != newer.key() || own.1 < other.0 || other.1 < own.0 {
            return;
        }
        let error = self.lock_lost();
        let mut records = self.records.iter();
        let mut state = self.state();
        let said = state.said;
        state.fail_where(&error, |standing| {
            let is_there = records.next().is_some_and(|record| newer.find(record.offset).is_some());
            is_there && standing.is_open()
        });
        state.fail_lost_renewals(&error);
        self.bell.taken(said - state.said);
    }

    fn lock_lost(&self) -> Error {
        Error::new(
            ErrorKind::LockLost,
            "the acquisition lock has run out: the record is delivered again",
        )
        .at_partition(self.partition.clone())
    }

    /// Fails what has a lock that has run out.
    pub(crate) fn expire(&self, now: Instant) {
        self.state().expire(now, self);
    }

    /// When a lock runs out next.
    pub(crate) fn next_expiry(&self, now: Instant) -> Option<Instant> {
        let state = self.state();
        let expiries = state.renewed_until.values().copied().chain([state.lock_until]);
        if state.open > 0 { expiries.filter(|at| *at > now).min() } else { None }
    }

    /// The records that something was said of and nothing was heard of yet.
    pub(crate) fn pending(&self) -> Vec<Range<u32>> {
        let state = self.state();
        let mut ranges: Vec<Range<u32>> = Vec::new();
        for (at, standing) in (0..self.len()).zip(&state.standings) {
            if !matches!(standing, Standing::Said(_) | Standing::Sent(_)) {
                continue;
            }
            match ranges.last_mut() {
                Some(last) if last.end == at => last.end = at + 1,
                _ => ranges.push(at..at + 1),
            }
        }
        ranges
    }

    /// Whether all of these records are settled.
    pub(crate) fn poll_settled(
        &self,
        records: &[Range<u32>],
        renews: bool,
        context: &mut Context<'_>,
    ) -> Poll<Result<()>> {
        let mut state = self.state();
        let mut failure = None;
        for at in records.iter().cloned().flatten() {
            let is_open = match state.renewals.get(&at) {
                Some(Renewal::Said | Renewal::Sent) if renews => true,
                Some(Renewal::Failed(error)) if renews => {
                    failure = failure.or_else(|| Some(error.clone()));
                    false
                }
                _ => matches!(
                    state.standings.get(index(at)),
                    Some(Standing::Said(_) | Standing::Sent(_)) if !renews
                ),
            };
            if is_open {
                if !state.wakers.iter().any(|waker| waker.will_wake(context.waker())) {
                    state.wakers.push(context.waker().clone());
                }
                drop(state);
                self.bell.hurry();
                return Poll::Pending;
            }
            failure = failure.or_else(|| state.failures.get(&at).cloned());
        }
        Poll::Ready(failure.map_or(Ok(()), Err))
    }

    fn len(&self) -> u32 {
        u32::try_from(self.records.len()).unwrap_or(u32::MAX)
    }

    fn state(&self) -> MutexGuard<'_, AcquisitionState> {
        lock(&self.state)
    }
}

impl AcquisitionState {
    fn lock_of(&self, at: u32) -> Instant {
        self.renewed_until.get(&at).copied().unwrap_or(self.lock_until)
    }

    /// Fails what has a lock that has run out, but for what is on its way: the answer decides.
    fn expire(&mut self, now: Instant, acquisition: &Acquisition) {
        if self.open == 0 || self.lock_until > now {
            return;
        }
        let error = acquisition.lock_lost();
        let renewed_until = std::mem::take(&mut self.renewed_until);
        let mut at = 0;
        let said = self.said;
        self.fail_where(&error, |standing| {
            let is_held = renewed_until.get(&at).is_some_and(|until| *until > now);
            at += 1;
            !is_held
                && matches!(standing, Standing::Buffered | Standing::InHand | Standing::Said(_))
        });
        self.renewed_until = renewed_until;
        self.fail_lost_renewals(&error);
        acquisition.bell.taken(said - self.said);
    }

    /// Fails the renewals that are not on their way of records that have failed.
    fn fail_lost_renewals(&mut self, error: &Error) {
        self.fail_renewals(error, |renewal, is_lost| is_lost && matches!(renewal, Renewal::Said));
    }

    /// Fails renewals, by where they stand and whether their record has failed.
    fn fail_renewals(&mut self, error: &Error, fails: impl Fn(&Renewal, bool) -> bool) {
        for (at, renewal) in &mut self.renewals {
            let is_lost = self.failures.contains_key(at);
            if matches!(renewal, Renewal::Failed(_)) || !fails(renewal, is_lost) {
                continue;
            }
            if matches!(renewal, Renewal::Said) {
                self.said -= 1;
            }
            *renewal = Renewal::Failed(error.clone());
            self.has_changed = true;
        }
    }

    fn fail_where(&mut self, error: &Error, mut fails: impl FnMut(Standing) -> bool) {
        for (at, standing) in (0..).zip(&mut self.standings) {
            if !fails(*standing) {
                continue;
            }
            if matches!(standing, Standing::Said(_)) {
                self.said -= 1;
            }
            if matches!(standing, Standing::Said(_) | Standing::Sent(_)) {
                SaidOutcome::add(&mut self.news, at, Some(error));
            }
            let is_in_hand = *standing == Standing::InHand;
            self.lost += usize::from(is_in_hand);
            *standing = if is_in_hand { Standing::Lost } else { Standing::Failed };
            self.has_changed = true;
            self.open -= 1;
            self.failures.insert(at, error.clone());
        }
    }
}

fn index(at: u32) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
