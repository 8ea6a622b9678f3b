//! The open batch of a partition, to which senders append, and what it is handed on as when it
//! takes no more.
//!
//! ```text
//!  PartitionBatches (one lock)           SenderEvents ─▶ sender task
//!    open batch ── full ──▶ ClosedBatch ─────▲
//!              └── due: take ──▶ ClosedBatch ─▶ sender task
//! ```
//!
//! Key, value and headers are copied once, here, into their final wire form. A record costs one
//! lock, and nothing that grows with the number of records waiting; memory, identity and outcome
//! are taken once per batch, and the sender task is told of a batch, never of a record.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use super::buffer_pool::Buffers;
use super::closed_batch::ClosedBatch;
use super::compression_ratio::CompressionRatioEstimator;
use super::events::{SenderEvent, SenderEvents};
use super::memory::{BufferMemory, Reservation};
use crate::clock::WallClock;
use crate::ids::{Timestamp, TopicPartition};
use crate::producer::delivery::{BatchOutcome, Promise};
use crate::producer::sender::batch_queue::BatchId;
use crate::producer::sender::ready::PartitionIndex;
use crate::record::Record;
use crate::runtime;
use crate::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use crate::sync::{Mutex, MutexGuard};
use crate::wire::batch::{HEADER_LEN, RecordFields, RecordsBuilder};

/// What every slot of a producer shares.
#[derive(Debug)]
pub(in crate::producer) struct AccumulatorShared {
    pub(in crate::producer) memory: BufferMemory,
    pub(in crate::producer) buffers: Buffers,
    pub(in crate::producer) events: SenderEvents,
    pub(in crate::producer) wall_clock: WallClock,
    /// A record with more bytes of key and value does not wait for company.
    pub(in crate::producer) small_record: usize,
    pub(in crate::producer) next_batch_seq: AtomicU64,
    /// With more batches of a partition without a verdict, one is sure to wait for others to end
    /// before a new one can be sent.
    pub(in crate::producer) backlog: u32,
}

/// One partition as senders see it.
#[derive(Debug)]
pub(in crate::producer) struct PartitionBatches {
    pub(in crate::producer) topic_partition: TopicPartition,
    pub(in crate::producer) index: PartitionIndex,
    pub(in crate::producer) limit: Arc<CompressionRatioEstimator>,
    /// Batches that have no verdict yet.
    queued: AtomicU32,
    /// Its broker takes nothing.
    is_stuck: AtomicBool,
    /// Records without a key go elsewhere with every new batch.
    moves_with_every_batch: bool,
    open: Mutex<OpenState>,
}

#[derive(Debug, Default)]
struct OpenState {
    batch: Option<OpenBatch>,
    /// Bytes of records without a key since the partition was chosen for them.
    unkeyed: usize,
    /// What the last batch came to: how much to reserve for the next.
    last_len: usize,
}

#[derive(Debug)]
struct OpenBatch {
    id: BatchId,
    records: RecordsBuilder,
    /// What the records may take without asking again.
    room: usize,
    memory: Reservation,
    outcome: Arc<BatchOutcome>,
    promise: Promise,
    opened: Instant,
    is_expedited: bool,
}

/// Where a record is.
#[derive(Debug)]
pub(in crate::producer) struct Appended {
    pub(in crate::producer) outcome: Arc<BatchOutcome>,
    pub(in crate::producer) index: u32,
    pub(in crate::producer) timestamp: Timestamp,
}

/// Why a record was not appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::producer) enum AppendRefusal {
    /// So many bytes of memory are missing.
    NoRoom(usize),
    /// Records without a key should go to another partition: this one had so many bytes of them.
    MoveOn(usize),
}

impl AccumulatorShared {
    #[inline]
    fn is_large(&self, record: &Record<'_>) -> bool {
        let payload =
            record.key.map_or(0, <[u8]>::len).saturating_add(record.value.map_or(0, <[u8]>::len));
        payload > self.small_record
    }
}

impl PartitionBatches {
    pub(in crate::producer) fn new(
        topic_partition: TopicPartition,
        index: PartitionIndex,
        limit: Arc<CompressionRatioEstimator>,
        moves_with_every_batch: bool,
    ) -> Self {
        Self {
            topic_partition,
            index,
            limit,
            queued: AtomicU32::new(0),
            is_stuck: AtomicBool::new(false),
            moves_with_every_batch,
            open: Mutex::default(),
        }
    }

    /// Appends a record; `spare` is memory that was waited for.
    pub(in crate::producer) fn append(
        &self,
        accumulator: &AccumulatorShared,
        record: &Record<'_>,
        is_unkeyed: bool,
        spare: &mut Option<Reservation>,
    ) -> Result<Appended, AppendRefusal> {
        let mut open = self.lock();
        let (index, timestamp) = self.push(&mut open, accumulator, record, is_unkeyed, spare)?;
        let outcome = open
            .batch
            .as_ref()
            .map(|batch| Arc::clone(&batch.outcome))
            .ok_or(AppendRefusal::NoRoom(0))?;
        self.notify_sender(&mut open, accumulator, index == 0, accumulator.is_large(record));
        Ok(Appended { outcome, index, timestamp })
    }

    /// Appends records for as long as they fit one batch, under one lock; tells how many did, and
    /// where the first is.
    pub(in crate::producer) fn append_run<'r, 'a: 'r>(
        &self,
        accumulator: &AccumulatorShared,
        records: impl IntoIterator<Item = &'r Record<'a>>,
        is_unkeyed: bool,
        spare: &mut Option<Reservation>,
    ) -> Result<(Appended, u32), AppendRefusal> {
        let mut open = self.lock();
        let mut records = records.into_iter();
        let first = records.next().ok_or(AppendRefusal::NoRoom(0))?;
        let (index, timestamp) = self.push(&mut open, accumulator, first, is_unkeyed, spare)?;
        let mut count = 1;
        let mut has_large = accumulator.is_large(first);
        let OpenState { batch, unkeyed, .. } = &mut *open;
        let batch = batch.as_mut().ok_or(AppendRefusal::NoRoom(0))?;
        // One look at the clock for records that come in one call.
        let mut now = first.timestamp.is_none().then_some(timestamp);
        for record in records {
            let timestamp = record
                .timestamp
                .unwrap_or_else(|| *now.get_or_insert_with(|| accumulator.wall_clock.now()));
            let fields = RecordFields {
                timestamp,
                key: record.key,
                value: record.value,
                headers: &record.headers,
            };
            if batch.append(&fields, is_unkeyed, unkeyed).is_none() {
                break;
            }
            count += 1;
            has_large |= accumulator.is_large(record);
        }
        let outcome = Arc::clone(&batch.outcome);
        self.notify_sender(&mut open, accumulator, index == 0, has_large);
        Ok((Appended { outcome, index, timestamp }, count))
    }

    /// Takes whatever batch is open, when no more records come.
    pub(in crate::producer) fn end(&self) -> Option<ClosedBatch> {
        self.lock().batch.take().map(OpenBatch::close)
    }

    /// Takes the open batch away if it is this one.
    pub(in crate::producer) fn take(&self, batch: BatchId) -> Option<ClosedBatch> {
        let mut open = self.lock();
        let taken = open.batch.take_if(|current| current.id == batch)?;
        open.last_len = taken.records.len();
        Some(taken.close())
    }

    /// Tells the sender task of an open batch that is new, full, or has a large record and so is to
    /// be sent as soon as that is possible.
    #[inline]
    fn notify_sender(
        &self,
        open: &mut OpenState,
        accumulator: &AccumulatorShared,
        is_new: bool,
        has_large: bool,
    ) {
        let Some(batch) = &mut open.batch else { return };
        let is_full = batch.is_full(self.limit.get());
        if is_new {
            let event =
                SenderEvent::Opened { partition: self.index, batch: batch.id, at: batch.opened };
            // What follows at once wakes the task for both.
            accumulator
                .events
                .push_and_tell(event, || !is_full && !has_large && self.is_next(accumulator));
        }
        if is_full {
            self.close(open, accumulator);
        } else if has_large && !std::mem::replace(&mut batch.is_expedited, true) {
            accumulator
                .events
                .push(SenderEvent::Expedite { partition: self.index, batch: batch.id });
        }
    }

    /// Takes the open batch, and hands it on.
    fn close(&self, open: &mut OpenState, accumulator: &AccumulatorShared) {
        if let Some(full) = open.batch.take() {
            open.last_len = full.records.len();
            let event =
                SenderEvent::Closed { partition: self.index, batch: Box::new(full.close()) };
            accumulator.events.push_and_tell(event, || self.is_next(accumulator));
        }
    }

    /// Whether the sender task has to hear of a new or full batch now: not if the batch has to wait
    /// for others, whose end will wake the task.
    ///
    /// To be asked under the lock of the events, with the event in it; a relaxed count will do
    /// then. Suppose that the last of the others ends meanwhile: the task counts down before it
    /// looks, under the same lock, whether it may sleep. If it looks after the event came in, it
    /// finds that; if before, the count that is read here includes what it has counted, and it is
    /// woken.
    fn is_next(&self, accumulator: &AccumulatorShared) -> bool {
        self.queued() <= accumulator.backlog
    }

    /// How many batches have no verdict yet.
    pub(in crate::producer) fn queued(&self) -> u32 {
        self.queued.load(Ordering::Relaxed)
    }

    pub(in crate::producer) fn set_stuck(&self, is_stuck: bool) {
        self.is_stuck.store(is_stuck, Ordering::Relaxed);
    }

    pub(in crate::producer) fn is_stuck(&self) -> bool {
        self.is_stuck.load(Ordering::Relaxed)
    }

    /// A batch has its verdict.
    pub(in crate::producer) fn resolved(&self) {
        let before = self.queued.fetch_sub(1, Ordering::Relaxed);
        debug_assert!(before > 0, "a batch was resolved twice");
    }

    /// A batch has become several, each of which will have its verdict.
    pub(in crate::producer) fn divided(&self, parts: usize) {
        let more = u32::try_from(parts.saturating_sub(1)).unwrap_or(u32::MAX);
        self.queued.fetch_add(more, Ordering::Relaxed);
    }

    #[inline]
    fn push(
        &self,
        open: &mut OpenState,
        accumulator: &AccumulatorShared,
        record: &Record<'_>,
        is_unkeyed: bool,
        spare: &mut Option<Reservation>,
    ) -> Result<(u32, Timestamp), AppendRefusal> {
        let timestamp = match record.timestamp {
            Some(timestamp) => timestamp,
            None => accumulator.wall_clock.now(),
        };
        let fields = RecordFields {
            timestamp,
            key: record.key,
            value: record.value,
            headers: &record.headers,
        };
        if let Some(batch) = &mut open.batch
            && let Some(index) = batch.append(&fields, is_unkeyed, &mut open.unkeyed)
        {
            return Ok((index, timestamp));
        }
        self.make_room(open, accumulator, &fields, is_unkeyed, spare)?;
        let batch = open.batch.as_mut().ok_or(AppendRefusal::NoRoom(0))?;
        let index =
            batch.append(&fields, is_unkeyed, &mut open.unkeyed).ok_or(AppendRefusal::NoRoom(0))?;
        Ok((index, timestamp))
    }

    /// Lets the open batch grow, or hands it on and opens the next, so that a record fits.
    #[cold]
    fn make_room(
        &self,
        open: &mut OpenState,
        accumulator: &AccumulatorShared,
        fields: &RecordFields<'_>,
        is_unkeyed: bool,
        spare: &mut Option<Reservation>,
    ) -> Result<(), AppendRefusal> {
        let limit = self.limit.get();
        if let Some(batch) = &mut open.batch {
            let needed = batch.records.len().saturating_add(batch.records.encoded_len_of(fields));
            if needed <= limit {
                return batch.grow(accumulator, needed, limit, spare);
            }
            self.close(open, accumulator);
        }
        let most = if self.moves_with_every_batch { 1 } else { limit };
        if is_unkeyed && open.unkeyed >= most {
            return Err(AppendRefusal::MoveOn(std::mem::take(&mut open.unkeyed)));
        }
        self.open_batch(open, accumulator, fields, spare)
    }

    fn open_batch(
        &self,
        open: &mut OpenState,
        accumulator: &AccumulatorShared,
        fields: &RecordFields<'_>,
        spare: &mut Option<Reservation>,
    ) -> Result<(), AppendRefusal> {
        let alone =
            RecordsBuilder::with_capacity(0).encoded_len_of(fields).saturating_add(HEADER_LEN);
        let limit = self.limit.get();
        let needed = alone.max(least_held(accumulator.memory.size()));
        let wanted = needed.max(open.last_len.max(FIRST_CHUNK).min(limit));
        let memory =
            obtain(accumulator, needed, wanted, spare).ok_or(AppendRefusal::NoRoom(needed))?;
        let id = BatchId::unsplit(accumulator.next_batch_seq.fetch_add(1, Ordering::Relaxed));
        let (outcome, promise) = BatchOutcome::new(self.topic_partition.clone());
        let room = memory.bytes().min(limit.max(alone));
        let records = RecordsBuilder::in_buffer(accumulator.buffers.take(room));
        let opened = runtime::now();
        open.batch = Some(OpenBatch {
            id,
            records,
            room,
            memory,
            outcome,
            promise,
            opened,
            is_expedited: false,
        });
        self.queued.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, OpenState> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenBatch {
    #[inline]
    fn append(
        &mut self,
        fields: &RecordFields<'_>,
        is_unkeyed: bool,
        unkeyed: &mut usize,
    ) -> Option<u32> {
        let before = self.records.len();
        let index = self.records.append_within(self.room, fields)?;
        if is_unkeyed {
            *unkeyed = unkeyed.saturating_add(self.records.len() - before);
        }
        Some(index)
    }

    /// Whether another record like those it has would not fit: it then need not linger until one
    /// has come.
    #[inline]
    fn is_full(&self, limit: usize) -> bool {
        let len = self.records.len();
        // What is left is less than the mean only beyond the half.
        len > limit / 2 && {
            let count = usize::try_from(self.records.count()).unwrap_or(usize::MAX);
            limit.saturating_sub(len).saturating_mul(count) < len.saturating_sub(HEADER_LEN)
        }
    }

    /// Takes memory for at least `needed` bytes, rather twice what there is.
    fn grow(
        &mut self,
        accumulator: &AccumulatorShared,
        needed: usize,
        limit: usize,
        spare: &mut Option<Reservation>,
    ) -> Result<(), AppendRefusal> {
        let held = self.memory.bytes();
        let missing = needed.saturating_sub(held);
        let wanted = needed.max(held.saturating_mul(2).min(limit)).saturating_sub(held);
        self.memory.add(
            obtain(accumulator, missing, wanted, spare).ok_or(AppendRefusal::NoRoom(missing))?,
        );
        self.room = self.memory.bytes().min(limit.max(needed));
        Ok(())
    }

    fn close(self) -> ClosedBatch {
        let Self { id, records, memory, promise, opened, .. } = self;
        ClosedBatch { id, records, memory, promise, opened }
    }
}

/// Memory for `wanted` bytes, or at least for `needed`; what was waited for comes first.
fn obtain(
    accumulator: &AccumulatorShared,
    needed: usize,
    wanted: usize,
    spare: &mut Option<Reservation>,
) -> Option<Reservation> {
    if let Some(spare) = spare.take_if(|spare| spare.bytes() >= needed) {
        return Some(spare);
    }
    accumulator.memory.try_reserve(wanted).or_else(|| accumulator.memory.try_reserve(needed))
}

/// What a batch counts for at least in a `buffer.memory` of some size: as much as what is kept
/// beside its records (measured: about 1 KiB), or batches of one small record each would take many
/// times the memory that was allowed.
pub(in crate::producer) fn least_held(size: usize) -> usize {
    FIRST_CHUNK.min(size)
}

/// What the first batch of a partition reserves, as little is known of it (a guess).
const FIRST_CHUNK: usize = 1024;

#[cfg(all(test, kavka_loom))]
mod models {
    use loom::future::block_on;
    use loom::thread;

    use super::*;
    use crate::sync::model;

    fn accumulator() -> AccumulatorShared {
        AccumulatorShared {
            memory: BufferMemory::new(1 << 20),
            buffers: Buffers::new(1024),
            events: SenderEvents::default(),
            wall_clock: WallClock::from_fn(|| Timestamp(0)),
            small_record: usize::MAX,
            next_batch_seq: AtomicU64::new(0),
            backlog: 1,
        }
    }

    /// Waits as the sender task does until it hears of a batch that was opened.
    fn opened(accumulator: &AccumulatorShared) -> BatchId {
        let mut events = Vec::new();
        loop {
            block_on(accumulator.events.filled());
            accumulator.events.take(&mut events);
            let opened = events.drain(..).find_map(|event| match event {
                SenderEvent::Opened { batch, .. } => Some(batch),
                _ => None,
            });
            if let Some(batch) = opened {
                return batch;
            }
        }
    }

    #[test]
    fn a_batch_behind_others_is_heard_of_when_the_last_of_them_ends_meanwhile() {
        model(|| {
            let accumulator = Arc::new(accumulator());
            let limit = Arc::new(CompressionRatioEstimator::new(1024, 1024));
            let partition = Arc::new(PartitionBatches::new(
                TopicPartition::new("t", 0),
                PartitionIndex(0),
                limit,
                false,
            ));
            let record = Record::to("t").value("v");
            // As many have no verdict as a new one must wait for.
            partition.append(&accumulator, &record, false, &mut None).unwrap();
            let first = partition.take(opened(&accumulator)).unwrap();
            let sender = thread::spawn({
                let (accumulator, partition) = (Arc::clone(&accumulator), Arc::clone(&partition));
                move || {
                    let record = Record::to("t").value("v");
                    partition.append(&accumulator, &record, false, &mut None).unwrap();
                }
            });
            partition.resolved();
            assert_ne!(opened(&accumulator), first.id);
            sender.join().unwrap();
        });
    }
}
