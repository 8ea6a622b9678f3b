//! What was fetched and not yet handed over.
//!
//! Pure: bytes come in as batches whose headers were read, and leave one batch at a time, partitions in turn. Compressed
//! batches are decompressed ahead, in jobs that others run, as long as the budget lasts; a batch that is reached before its
//! job was given out leaves as it came, for the application's side to decode. So the buffer always makes progress, and holds
//! at most its budget and what is being decompressed.
//!
//! Each partition has a queue under its lease. Whatever happens to one lease touches no other queue.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::consumer::position::{Delivery, Lease, LeaseId, Position};
use crate::error::Error;
use crate::ids::Offset;
use crate::wire::batch::{Batch, Records};

/// The next thing a partition has for the application.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) content: Content,
    /// Records before it were delivered already; with the leader epoch of the one before.
    pub(crate) start: Position,
    /// Where the partition stands after it: behind its last record and all that is skipped after that.
    pub(crate) next: Offset,
}

/// What a [`Piece`] holds.
#[derive(Debug)]
pub(crate) enum Content {
    /// A batch as it was fetched.
    Fetched(Batch),
    /// A batch that was decoded ahead.
    Decoded { batch: Batch, records: Records },
    /// Nothing: markers, or batches of aborted transactions.
    Skipped,
    /// What follows cannot be read.
    Failed(Error),
}

/// A batch to decode ahead.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) lease: LeaseId,
    pub(crate) number: u64,
    pub(crate) batch: Batch,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Buffer {
    queues: BTreeMap<LeaseId, Queue>,
    /// Leases with something in their queue, in turn.
    turns: VecDeque<LeaseId>,
    /// Compressed batches not yet given out, oldest first; may name what has left since.
    undecoded: VecDeque<(LeaseId, u64)>,
    held: usize,
    budget: usize,
    /// A partition with as many fetched bytes is not fetched further.
    partition_limit: usize,
    relieved: Vec<Arc<Lease>>,
    /// A job was refused for want of room.
    is_short: bool,
    /// Above every number that a slot has had.
    fresh: u64,
}

#[derive(Debug)]
struct Queue {
    lease: Arc<Lease>,
    slots: VecDeque<Slot>,
    /// The number of the first slot; numbers rise by one, and none is given twice under one lease.
    first: u64,
    /// As fetched.
    wire_bytes: usize,
    is_full: bool,
}

#[derive(Debug)]
struct Slot {
    piece: Piece,
    is_working: bool,
    wire_bytes: usize,
    held: usize,
}

/// How much room is set aside for a batch while it is decompressed (a guess: text shrinks 3 to 10 times).
const EXPANSION: usize = 4;

impl Buffer {
    pub(crate) fn new(budget: usize, partition_limit: usize) -> Self {
        Self {
            queues: BTreeMap::new(),
            turns: VecDeque::new(),
            undecoded: VecDeque::new(),
            held: 0,
            budget,
            partition_limit,
            relieved: Vec::new(),
            is_short: false,
            fresh: 1,
        }
    }

    /// Adds what was fetched for a lease, in offset order.
    pub(crate) fn push(&mut self, lease: &Arc<Lease>, piece: Piece) {
        let id = lease.id();
        let queue = self.queues.entry(id).or_insert_with(|| {
            self.turns.push_back(id);
            Queue { lease: Arc::clone(lease), slots: VecDeque::new(), first: self.fresh, wire_bytes: 0, is_full: false }
        });
        if let (Content::Skipped, Some(last)) = (&piece.content, queue.slots.back_mut())
            && !matches!(last.piece.content, Content::Failed(_))
        {
            last.piece.next = piece.next;
            return;
        }
        let wire_bytes = match &piece.content {
            Content::Fetched(batch) | Content::Decoded { batch, .. } => batch.len(),
            Content::Skipped | Content::Failed(_) => 0,
        };
        let number = queue.first.saturating_add(u64::try_from(queue.slots.len()).unwrap_or(u64::MAX));
        self.fresh = self.fresh.max(number.saturating_add(1));
        if let Content::Fetched(batch) = &piece.content
            && batch.is_heavy()
        {
            self.undecoded.push_back((id, number));
        }
        queue.wire_bytes += wire_bytes;
        queue.is_full |= queue.wire_bytes >= self.partition_limit;
        self.held += wire_bytes;
        queue.slots.push_back(Slot { piece, is_working: false, wire_bytes, held: wire_bytes });
    }

    /// Hands over the next piece of the next partition that may deliver; what belongs to ended leases is dropped on the way.
    pub(crate) fn pop(&mut self) -> Option<(Arc<Lease>, Piece)> {
        for _ in 0..self.turns.len() {
            let id = self.turns.pop_front()?;
            let Some(queue) = self.queues.get_mut(&id) else { continue };
            match queue.lease.delivery() {
                Delivery::Ended => {
                    self.drop_lease(id);
                    continue;
                }
                Delivery::Open if queue.slots.front().is_some_and(|slot| !slot.is_working) => {}
                _ => {
                    self.turns.push_back(id);
                    continue;
                }
            }
            let Some(slot) = queue.slots.pop_front() else { continue };
            queue.first += 1;
            queue.wire_bytes -= slot.wire_bytes;
            self.held -= slot.held;
            if queue.is_full && queue.wire_bytes <= self.partition_limit / 2 {
                queue.is_full = false;
                self.relieved.push(Arc::clone(&queue.lease));
            }
            let lease = Arc::clone(&queue.lease);
            if queue.slots.is_empty() {
                self.queues.remove(&id);
            } else {
                self.turns.push_back(id);
            }
            return Some((lease, slot.piece));
        }
        None
    }

    /// Gives back, in front, what was taken and cannot be used now.
    pub(crate) fn put_back(&mut self, lease: &Arc<Lease>, piece: Piece) {
        let id = lease.id();
        let queue = self.queues.entry(id).or_insert_with(|| {
            self.turns.push_back(id);
            self.fresh += 1;
            Queue { lease: Arc::clone(lease), slots: VecDeque::new(), first: self.fresh, wire_bytes: 0, is_full: false }
        });
        let (wire_bytes, held) = match &piece.content {
            Content::Fetched(batch) => (batch.len(), batch.len()),
            Content::Decoded { batch, records } => (batch.len(), records.len().max(batch.len())),
            Content::Skipped | Content::Failed(_) => (0, 0),
        };
        queue.first = queue.first.wrapping_sub(1);
        queue.wire_bytes += wire_bytes;
        self.held += held;
        queue.slots.push_front(Slot { piece, is_working: false, wire_bytes, held });
    }

    /// The next batch to decode ahead, while there is room for what comes out.
    pub(crate) fn next_job(&mut self) -> Option<Job> {
        while self.held < self.budget {
            let (lease, number) = self.undecoded.pop_front()?;
            let Some(slot) = self.slot(lease, number).filter(|slot| !slot.is_working) else { continue };
            let Content::Fetched(batch) = &slot.piece.content else { continue };
            let batch = batch.clone();
            let reserved = slot.wire_bytes.saturating_mul(EXPANSION);
            let before = std::mem::replace(&mut slot.held, reserved);
            slot.is_working = true;
            self.held = self.held - before + reserved;
            self.is_short = false;
            return Some(Job { lease, number, batch });
        }
        self.is_short = !self.undecoded.is_empty();
        None
    }

    /// Whether [`Buffer::next_job`] has room now for what it refused before.
    pub(crate) fn has_job(&self) -> bool {
        self.is_short && self.held < self.budget
    }

    /// Takes the result of a job; of a lease that has ended it is dropped.
    pub(crate) fn decoded(&mut self, lease: LeaseId, number: u64, result: Result<Records, Error>) {
        let Some(slot) = self.slot(lease, number).filter(|slot| slot.is_working) else { return };
        slot.is_working = false;
        let before = slot.held;
        let Content::Fetched(batch) = &slot.piece.content else { return };
        let batch = batch.clone();
        slot.piece.content = match result {
            Ok(records) => {
                slot.held = records.len();
                Content::Decoded { batch, records }
            }
            Err(error) => {
                slot.held = slot.wire_bytes;
                Content::Failed(error)
            }
        };
        let after = slot.held;
        self.held = self.held - before + after;
    }

    /// Drops what is buffered for a lease.
    pub(crate) fn drop_lease(&mut self, lease: LeaseId) {
        if let Some(queue) = self.queues.remove(&lease) {
            self.held -= queue.slots.iter().map(|slot| slot.held).sum::<usize>();
            self.turns.retain(|id| *id != lease);
        }
    }

    /// Whether another fetch may be made: no sooner than when a good part of the budget is free, so that fetches stay large.
    pub(crate) fn has_room(&self) -> bool {
        self.held <= self.budget / 2
    }

    /// Whether a partition has so much buffered that it is not fetched further.
    pub(crate) fn is_full(&self, lease: LeaseId) -> bool {
        self.queues.get(&lease).is_some_and(|queue| queue.is_full)
    }

    /// Whether [`Buffer::take_relieved`] has something.
    pub(crate) fn has_relieved(&self) -> bool {
        !self.relieved.is_empty()
    }

    /// Leases that are full no more.
    pub(crate) fn take_relieved(&mut self) -> Vec<Arc<Lease>> {
        std::mem::take(&mut self.relieved)
    }

    /// If paused partitions hold so much that nothing else can be fetched: theirs is dropped, and returned is from where each is to
    /// be fetched again.
    pub(crate) fn evict_held(&mut self) -> Vec<(Arc<Lease>, Position)> {
        if self.has_room() {
            return Vec::new();
        }
        let held = self.queues.values().filter(|queue| queue.lease.delivery() == Delivery::Held);
        let evicted: Vec<_> =
            held.filter_map(|queue| Some((Arc::clone(&queue.lease), queue.slots.front()?.piece.start))).collect();
        for (lease, _) in &evicted {
            self.drop_lease(lease.id());
        }
        evicted
    }

    /// The bytes held, decompressed where they are.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    fn slot(&mut self, lease: LeaseId, number: u64) -> Option<&mut Slot> {
        let queue = self.queues.get_mut(&lease)?;
        let index = usize::try_from(number.checked_sub(queue.first)?).ok()?;
        queue.slots.get_mut(index)
    }
}

#[cfg(test)]
mod tests;
