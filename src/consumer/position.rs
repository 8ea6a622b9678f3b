//! Where one assigned partition stands: what is fetched, what the application has, what it has
//! finished.
//!
//! Pure. A [`PartitionAssignment`] is the right to deliver a partition: from when it is assigned,
//! or its position jumps, until it goes or jumps again; everything fetched is tagged with it. A
//! seek, reset after truncation or revocation ends the assignment, and whatever still carries it is
//! worth nothing.
//!
//! ```text
//!   assigned ──▶ AwaitingCommitted ──none──▶ Resetting ──ListOffsets──┐
//!                       │                    ▲   │refused             │
//!                committed, or a seek        │   ▼                    ▼
//!                       └────────────────────┼─ Stopped ◀─refused─ Fetching ──newer leader──▶ Validating
//!                                            └──out of range───────┘   ▲                          │
//!                                                                      └───epoch holds, or cut────┘
//! ```
//! A seek leaves any phase: to `Fetching` or, for the beginning, the end or a time, to `Resetting`.

use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use crate::consumer::marks::Marks;
use crate::consumer::watermarks::Watermarks;
use crate::error::Error;
use crate::ids::{LeaderEpoch, Offset, Timestamp, TopicId, TopicPartition};
use crate::sync::atomic::{AtomicI32, AtomicI64, AtomicU8, Ordering};
use crate::sync::lock;

/// The next record of a partition, and the leader epoch of the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) offset: Offset,
    pub(crate) leader_epoch: Option<LeaderEpoch>,
}

impl Position {
    pub(crate) fn at(offset: Offset) -> Self {
        Self { offset, leader_epoch: None }
    }
}

/// Names one assignment; never reused within a consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AssignmentEpoch(pub(crate) u64);

/// Where a partition without a position starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResetTo {
    Earliest,
    Latest,
    /// The first record at or after a time, or the end.
    Time(Timestamp),
    /// The first record not older than this when the leader is asked, or the end.
    Ago(Duration),
}

/// What a partition waits for before, or while, it is fetched.
#[derive(Clone, Debug)]
pub(crate) enum FetchState {
    /// The group is asked for the committed offset.
    AwaitingCommitted,
    /// The leader is asked for an offset by time.
    Resetting(ResetTo),
    /// The leader is asked whether its log still holds what was read (KIP-320).
    Validating(Position),
    /// Records are fetched; the next one to fetch.
    Fetching(Position),
    /// Nothing happens until a seek; the application was, or will be, told why.
    Stopped(Error),
}

/// Whether an assignment may deliver. The application reads it before each record, so it is one
/// byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeliveryGate {
    Open,
    /// Paused by the application, or held during a rebalance: what is buffered stays.
    Held,
    /// The partition was revoked or has jumped: what is buffered is dropped.
    Ended,
}

/// The right to deliver one partition, from one assignment or jump to the next: see the
/// [module](self).
///
/// The application's side moves `position` and `done` without a lock, and reads `delivery` before
/// each record. There is one writer of each: the receiving half, except `delivery`, which
/// [`super::subscription`] sets, the watermarks and `end`, the fetcher, and `done` where the
/// application marks what is done (`enable.auto.offset.store=false`): whoever holds the lock of the
/// marks.
#[derive(Debug)]
pub(crate) struct PartitionAssignment {
    id: AssignmentEpoch,
    partition: TopicPartition,
    delivery: AtomicU8,
    consumed: Arc<Consumed>,
}

/// How far the application has come. An assignment that ends only because what was fetched has
/// become worthless leaves it to its successor: what the application still has in hand stays
/// unfinished, and is finished for both.
#[derive(Debug)]
struct Consumed {
    /// The next offset to hand over, or [`UNKNOWN`].
    position: AtomicI64,
    /// The leader epoch of the record before `position`, or -1.
    position_epoch: AtomicI32,
    /// The next offset to process: everything before it is finished. Or [`UNKNOWN`].
    done: AtomicI64,
    /// The leader epoch of the record before `done`, or -1.
    done_epoch: AtomicI32,
    /// The offset behind the last record handed over, or [`UNKNOWN`]: `position` may be further on,
    /// behind offsets that hold none.
    records_end: AtomicI64,
    /// What the application has marked as done ahead of `done`, if it marks.
    marks: Option<Mutex<Marks>>,
    /// Where what may be read of the log ended at the last fetch, or [`UNKNOWN`].
    end: AtomicI64,
    /// What [`Watermarks`] has, as of the last fetch, or [`UNKNOWN`].
    log_start: AtomicI64,
    high_watermark: AtomicI64,
    last_stable: AtomicI64,
    /// The end that the application was told of last, or [`UNKNOWN`].
    told_end: AtomicI64,
    /// Where delivery began, or [`UNKNOWN`].
    start: AtomicI64,
    /// Which of the topics that have had its name it was read of. Before that a position is one in
    /// whatever topic there is.
    topic: OnceLock<TopicId>,
}

/// Stands for "no offset yet" inside the atomics of a [`PartitionAssignment`].
const UNKNOWN: i64 = i64::MIN;
const NO_EPOCH: i32 = -1;

impl PartitionAssignment {
    pub(crate) fn new(id: AssignmentEpoch, partition: TopicPartition) -> Self {
        Self::with_marks(id, partition, None)
    }

    /// What is handed over is finished only once the application has marked it.
    pub(crate) fn marked_by_application(id: AssignmentEpoch, partition: TopicPartition) -> Self {
        Self::with_marks(id, partition, Some(Mutex::default()))
    }

    fn with_marks(
        id: AssignmentEpoch,
        partition: TopicPartition,
        marks: Option<Mutex<Marks>>,
    ) -> Self {
        let consumed = Consumed {
            position: AtomicI64::new(UNKNOWN),
            position_epoch: AtomicI32::new(NO_EPOCH),
            done: AtomicI64::new(UNKNOWN),
            done_epoch: AtomicI32::new(NO_EPOCH),
            records_end: AtomicI64::new(UNKNOWN),
            marks,
            end: AtomicI64::new(UNKNOWN),
            log_start: AtomicI64::new(UNKNOWN),
            high_watermark: AtomicI64::new(UNKNOWN),
            last_stable: AtomicI64::new(UNKNOWN),
            told_end: AtomicI64::new(UNKNOWN),
            start: AtomicI64::new(UNKNOWN),
            topic: OnceLock::new(),
        };
        Self { id, partition, delivery: AtomicU8::new(0), consumed: Arc::new(consumed) }
    }

    /// An assignment that goes on where the application is in this one.
    pub(super) fn successor(&self, id: AssignmentEpoch) -> Self {
        let consumed = Arc::clone(&self.consumed);
        Self { id, partition: self.partition.clone(), delivery: AtomicU8::new(0), consumed }
    }

    pub(crate) fn id(&self) -> AssignmentEpoch {
        self.id
    }

    pub(crate) fn partition(&self) -> &TopicPartition {
        &self.partition
    }

    #[inline]
    pub(crate) fn delivery(&self) -> DeliveryGate {
        match self.delivery.load(Ordering::Acquire) {
            0 => DeliveryGate::Open,
            1 => DeliveryGate::Held,
            _ => DeliveryGate::Ended,
        }
    }

    pub(crate) fn set_delivery(&self, delivery: DeliveryGate) {
        let value = match delivery {
            DeliveryGate::Open => 0,
            DeliveryGate::Held => 1,
            DeliveryGate::Ended => 2,
        };
        self.delivery.store(value, Ordering::Release);
    }

    /// Notes of which topic records were asked for and answered.
    pub(crate) fn is_of(&self, topic: TopicId) {
        self.consumed.topic.get_or_init(|| topic);
    }

    /// The topic that the position is a place in, if that is known.
    pub(super) fn topic(&self) -> Option<TopicId> {
        self.consumed.topic.get().copied()
    }

    /// Sets where delivery starts; everything before counts as finished.
    pub(super) fn start_at(&self, position: Position) {
        let epoch = encode_epoch(position.leader_epoch);
        let mut marks = self.consumed.marks.as_ref().map(lock);
        if let Some(marks) = &mut marks {
            marks.clear();
        }
        self.consumed.records_end.store(position.offset.0, Ordering::Relaxed);
        self.consumed.start.store(position.offset.0, Ordering::Relaxed);
        self.consumed.done_epoch.store(epoch, Ordering::Relaxed);
        self.consumed.position_epoch.store(epoch, Ordering::Relaxed);
        self.consumed.done.store(position.offset.0, Ordering::Release);
        self.consumed.position.store(position.offset.0, Ordering::Release);
    }

    /// Notes that everything before `next` was handed over, and that the last record of it ends at
    /// `records_end`. In this order: see [`PartitionAssignment::done`].
    #[inline]
    pub(crate) fn deliver_records(&self, records_end: Offset, next: Offset) {
        self.consumed.records_end.store(records_end.0, Ordering::Release);
        self.deliver_to(next);
    }

    /// The offset behind the last record handed over; before the first, where delivery began.
    #[inline]
    pub(crate) fn records_end(&self) -> Option<Offset> {
        let end = self.consumed.records_end.load(Ordering::Acquire);
        (end != UNKNOWN).then_some(Offset(end))
    }

    /// Notes that everything before `offset` was handed over.
    #[inline]
    pub(crate) fn deliver_to(&self, offset: Offset) {
        self.consumed.position.store(offset.0, Ordering::Release);
    }

    /// Notes the leader epoch of what was handed over last. Called after
    /// [`PartitionAssignment::deliver_to`] and read before it, so that a reader in between sees the
    /// older epoch, which is the safe one.
    pub(crate) fn deliver_epoch(&self, epoch: Option<LeaderEpoch>) {
        self.consumed.position_epoch.store(encode_epoch(epoch), Ordering::Release);
    }

    /// Whether the application says what is done (`enable.auto.offset.store=false`).
    #[inline]
    pub(crate) fn is_marked_by_application(&self) -> bool {
        self.consumed.marks.is_some()
    }

    /// Notes that the application asks for more: everything before `offset` is finished and may be
    /// committed, unless it marks what is.
    #[inline]
    pub(crate) fn finish_to(&self, offset: Offset) {
        if !self.is_marked_by_application() {
            self.consumed.done.store(offset.0, Ordering::Release);
        }
    }

    /// Notes the leader epoch of what was finished last; as [`PartitionAssignment::deliver_epoch`].
    pub(crate) fn finish_epoch(&self, epoch: Option<LeaderEpoch>) {
        if !self.is_marked_by_application() {
            self.consumed.done_epoch.store(encode_epoch(epoch), Ordering::Release);
        }
    }

    /// Finishes what was handed over, unless the application marks what is done. Returns what may be
    /// committed.
    pub(super) fn finish_delivered(&self) -> Option<Position> {
        if self.is_marked_by_application() {
            return self.done();
        }
        let delivered = self.delivered()?;
        self.finish_to(delivered.offset);
        self.finish_epoch(delivered.leader_epoch);
        Some(delivered)
    }

    /// Marks the records of these offsets as done, if the application says what is.
    pub(super) fn mark(&self, offsets: Range<Offset>, epoch: Option<LeaderEpoch>) {
        let Some(marks) = &self.consumed.marks else { return };
        let mut marks = lock(marks);
        // Under the lock, as others may mark; `UNKNOWN` is before all offsets, but nothing of a
        // partition that has not begun can be done.
        let done = self.consumed.done.load(Ordering::Relaxed);
        if done != UNKNOWN
            && let Some((now, epoch)) = marks.mark(Offset(done), offsets, epoch)
        {
            self.consumed.done.store(now.0, Ordering::Release);
            // Without one that of an earlier record stays, which is the safe side.
            if let Some(epoch) = epoch {
                self.consumed.done_epoch.store(epoch.0, Ordering::Release);
            }
        }
    }

    /// Marks everything before `offset` as done, if the application says what is.
    pub(super) fn mark_to(&self, offset: Offset) {
        self.mark(Offset(0)..offset, None);
    }

    /// Notes where the log begins and ends, and of that what may be read.
    pub(crate) fn ends_at(&self, watermarks: Watermarks, end: Option<Offset>) {
        let Consumed { log_start, high_watermark, last_stable, .. } = &*self.consumed;
        log_start.store(encode(watermarks.log_start_offset), Ordering::Relaxed);
        last_stable.store(encode(watermarks.last_stable_offset), Ordering::Relaxed);
        high_watermark.store(watermarks.high_watermark.0, Ordering::Relaxed);
        self.consumed.end.store(encode(end), Ordering::Relaxed);
    }

    /// Takes over where the log begins and ends: it is that of `other`.
    pub(super) fn ends_as(&self, other: &Self) {
        if let Some(watermarks) = other.watermarks() {
            self.ends_at(watermarks, other.end());
        }
    }

    /// Where the log began and ended at the last fetch.
    pub(crate) fn watermarks(&self) -> Option<Watermarks> {
        let Consumed { log_start, high_watermark, last_stable, .. } = &*self.consumed;
        Some(Watermarks {
            high_watermark: known(high_watermark)?,
            log_start_offset: known(log_start),
            last_stable_offset: known(last_stable),
        })
    }

    /// Where what may be read ended at the last fetch.
    pub(crate) fn end(&self) -> Option<Offset> {
        known(&self.consumed.end)
    }

    /// The application is told that it has reached an end. False if it was told of that before.
    pub(crate) fn tell_end(&self, end: Offset) -> bool {
        self.consumed.told_end.swap(end.0, Ordering::Relaxed) != end.0
    }

    /// The end that the application was told of last.
    pub(crate) fn told_end(&self) -> Option<Offset> {
        known(&self.consumed.told_end)
    }

    /// How far what was handed over is behind the log's end, if both are known.
    pub(crate) fn lag(&self) -> Option<u64> {
        let (position, end) = (self.position()?, self.end()?);
        Some(u64::try_from(end.0.saturating_sub(position.0)).unwrap_or(0))
    }

    /// Where delivery began.
    pub(super) fn started_at(&self) -> Option<Offset> {
        let start = self.consumed.start.load(Ordering::Relaxed);
        (start != UNKNOWN).then_some(Offset(start))
    }

    /// The next offset to hand over.
    pub(crate) fn position(&self) -> Option<Offset> {
        self.delivered().map(|position| position.offset)
    }

    /// The position up to which everything was handed over.
    pub(crate) fn delivered(&self) -> Option<Position> {
        let epoch = self.consumed.position_epoch.load(Ordering::Acquire);
        decode(self.consumed.position.load(Ordering::Acquire), epoch)
    }

    /// The position up to which everything is finished.
    pub(crate) fn done(&self) -> Option<Position> {
        if self.is_marked_by_application() { self.marked() } else { self.finished() }
    }

    fn finished(&self) -> Option<Position> {
        let epoch = self.consumed.done_epoch.load(Ordering::Acquire);
        decode(self.consumed.done.load(Ordering::Acquire), epoch)
    }

    /// Behind the last record, once that is marked, come offsets that hold none, as those of
    /// markers of transactions: then all that was handed over is finished.
    ///
    /// A record is handed over by `records_end` first and `position` second, so these are read the
    /// other way round: what `position` is behind, `records_end` is behind too.
    fn marked(&self) -> Option<Position> {
        let delivered = self.delivered()?;
        let records_end = self.records_end()?;
        let finished = self.finished()?;
        let is_all = records_end <= finished.offset && finished.offset <= delivered.offset;
        Some(if is_all { delivered } else { finished })
    }
}

fn encode(offset: Option<Offset>) -> i64 {
    offset.map_or(UNKNOWN, |offset| offset.0)
}

fn known(offset: &AtomicI64) -> Option<Offset> {
    let offset = offset.load(Ordering::Relaxed);
    (offset != UNKNOWN).then_some(Offset(offset))
}

fn encode_epoch(epoch: Option<LeaderEpoch>) -> i32 {
    epoch.map_or(NO_EPOCH, |epoch| epoch.0)
}

fn decode(offset: i64, epoch: i32) -> Option<Position> {
    let leader_epoch = (epoch != NO_EPOCH).then_some(LeaderEpoch(epoch));
    (offset != UNKNOWN).then_some(Position { offset: Offset(offset), leader_epoch })
}

#[cfg(all(test, kavka_loom))]
mod models {
    use loom::thread;

    use super::*;
    use crate::sync::model;

    /// Leader epoch 1 wrote the records up to 11, 2 the record 12, 3 the record 13.
    fn epoch_before(offset: Offset) -> i32 {
        match offset.0 {
            ..=12 => 1,
            13 => 2,
            _ => 3,
        }
    }

    fn at(offset: i64, epoch: i32) -> Position {
        Position { offset: Offset(offset), leader_epoch: Some(LeaderEpoch(epoch)) }
    }

    fn claims_too_much(position: Position) -> bool {
        position.leader_epoch.is_some_and(|epoch| epoch.0 > epoch_before(position.offset))
    }

    #[test]
    fn no_position_claims_an_epoch_that_the_record_before_it_did_not_have() {
        model(|| {
            let assignment =
                PartitionAssignment::new(AssignmentEpoch(1), TopicPartition::new("t", 0));
            assignment.start_at(at(11, 1));
            let assignment = Arc::new(assignment);
            let application = thread::spawn({
                let assignment = Arc::clone(&assignment);
                move || {
                    for (offset, epoch) in [(13, 2), (14, 3)] {
                        assignment.deliver_to(Offset(offset));
                        assignment.deliver_epoch(Some(LeaderEpoch(epoch)));
                        assignment.finish_to(Offset(offset));
                        assignment.finish_epoch(Some(LeaderEpoch(epoch)));
                    }
                }
            });
            let (delivered, done) = (assignment.delivered().unwrap(), assignment.done().unwrap());
            assert!(!claims_too_much(delivered), "{delivered:?}");
            assert!(!claims_too_much(done), "{done:?}");
            application.join().unwrap();
            assert_eq!(
                (assignment.delivered(), assignment.done()),
                (Some(at(14, 3)), Some(at(14, 3)))
            );
        });
    }

    #[test]
    fn what_holds_no_record_is_not_done_before_the_records_in_front_of_it() {
        model(|| {
            let partition = TopicPartition::new("t", 0);
            let assignment =
                PartitionAssignment::marked_by_application(AssignmentEpoch(1), partition);
            assignment.start_at(at(0, 1));
            let assignment = Arc::new(assignment);
            // Records 0 and 3, and markers between and behind them.
            let application = thread::spawn({
                let assignment = Arc::clone(&assignment);
                move || {
                    for (end, behind_marker) in [(1, 3), (4, 5)] {
                        assignment.deliver_records(Offset(end), Offset(end));
                        assignment.deliver_to(Offset(behind_marker));
                    }
                }
            });
            assignment.mark(Offset(0)..Offset(1), None);
            let done = assignment.done().unwrap().offset;
            assert!(done <= Offset(3), "{done:?} is behind a record that is not done");
            application.join().unwrap();
            assignment.mark(Offset(1)..Offset(4), None);
            assert_eq!(assignment.done().unwrap().offset, Offset(5));
        });
    }
}
