//! What was fetched and not yet handed over.
//!
//! Pure: bytes come in as batches whose headers were read, and leave one batch at a time,
//! partitions in turn. Compressed batches are decompressed ahead, in jobs that others run, each
//! within room that is set aside for it and as long as the budget lasts; a batch that is reached
//! before its job was given out, or that outgrew its room, leaves as it came, for the application's
//! side to decode. So the buffer always makes progress, and holds at most its budget.
//!
//! What counts is the memory that is really held: batches are slices of the reply they came in, so
//! the smallest keeps all of it. A reply of which little is left is let go by a copy of that little
//! when room is short.
//!
//! Each partition has a queue under its assignment. Whatever happens to one assignment touches no
//! other queue. What leaves otherwise than by [`Buffer::pop`] is either worth nothing, as its
//! assignment has ended, or returned to be fetched again ([`Buffer::evict_held`]).

mod decoding;
mod many;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

pub(crate) use self::decoding::DecodeJob;
use self::decoding::EXPANSION;
use crate::consumer::position::{AssignmentEpoch, DeliveryGate, PartitionAssignment, Position};
use crate::error::Error;
use crate::ids::Offset;
use crate::wire::batch::{Batch, Records};

/// What leaves the buffer, and for which partition.
pub(crate) type Piece = (Arc<PartitionAssignment>, BufferedBatch);

/// The next thing a partition has for the application.
#[derive(Debug)]
pub(crate) struct BufferedBatch {
    pub(crate) content: Content,
    /// Records before it were delivered already; with the leader epoch of the one before.
    pub(crate) start: Position,
    /// Where the partition stands after it: behind its last record and all that is skipped after
    /// that.
    pub(crate) next: Offset,
}

/// What a [`BufferedBatch`] holds.
#[derive(Debug)]
pub(crate) enum Content {
    /// A batch as it was fetched.
    Fetched(Batch),
    /// A batch that was decoded; one that came compressed without its bytes.
    Decoded { batch: Batch, records: Records },
    /// Nothing: markers, or batches of aborted transactions.
    Skipped,
    /// What follows cannot be read.
    Failed(Error),
    /// The end of what may be read, of which the application is to be told. Always the last piece.
    End,
}

/// The memory of a reply, which its batches share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReplyMemory {
    id: u64,
    size: usize,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Buffer {
    queues: BTreeMap<AssignmentEpoch, PartitionBuffer>,
    /// Leases with something in their queue, in turn; what a queue that has gone left behind has
    /// another number than the present one.
    turns: VecDeque<(AssignmentEpoch, u64)>,
    next_turn: u64,
    /// Compressed batches not yet given out, oldest first; may name what has left since.
    undecoded: VecDeque<(AssignmentEpoch, u64)>,
    replies: BTreeMap<u64, BufferedReply>,
    /// The replies of which little may be left.
    sparse: BTreeSet<u64>,
    /// The memory held, with what is set aside for jobs.
    held: usize,
    budget: usize,
    /// A partition with as many fetched bytes is not fetched further.
    partition_limit: usize,
    relieved: Vec<Arc<PartitionAssignment>>,
    /// Of what pieces were handed over, if somebody wants to know.
    noted: Option<Vec<Arc<PartitionAssignment>>>,
    /// How much room a job was refused for want of.
    short_of: Option<usize>,
    /// To how many times their size batches are expected to decompress.
    expansion: usize,
    /// Above every number that a slot has had.
    fresh: u64,
    next_memory: u64,
}

#[derive(Debug)]
struct PartitionBuffer {
    assignment: Arc<PartitionAssignment>,
    slots: VecDeque<BufferSlot>,
    /// The number of the first slot; numbers rise by one, and none is given twice under one
    /// assignment while a job may name it. A queue that has emptied is gone, so the next one under
    /// its assignment goes on at [`Buffer::fresh`].
    first: u64,
    /// As fetched.
    wire_bytes: usize,
    /// As their batches claim.
    records: usize,
    is_full: bool,
    /// Which of its turns is its own.
    turn: u64,
}

#[derive(Debug)]
struct BufferSlot {
    buffered: BufferedBatch,
    is_working: bool,
    wire_bytes: usize,
    /// As its batch claimed when it came.
    records: usize,
    /// The reply that it is a slice of.
    memory: Option<u64>,
    /// Memory of its own, or set aside.
    own: usize,
}

/// A reply of which batches are left.
#[derive(Debug)]
struct BufferedReply {
    size: usize,
    /// The bytes of the batches that are left, and their number.
    used: usize,
    count: usize,
    /// All that came in it; those that have left may have given their number to others.
    slots: Vec<(AssignmentEpoch, u64)>,
}

/// So many turns of queues that have gone are kept, and as many as there are queues.
const SPARE_TURNS: usize = 32;

/// A reply is let go by a copy when no more than this part of it is left.
const SPARSE: usize = 8;

impl Buffer {
    pub(crate) fn new(budget: usize, partition_limit: usize) -> Self {
        Self {
            queues: BTreeMap::new(),
            turns: VecDeque::new(),
            next_turn: 0,
            undecoded: VecDeque::new(),
            replies: BTreeMap::new(),
            sparse: BTreeSet::new(),
            held: 0,
            budget,
            partition_limit,
            relieved: Vec::new(),
            noted: None,
            short_of: None,
            expansion: EXPANSION,
            fresh: 1,
            next_memory: 0,
        }
    }

    /// Names the memory of a reply.
    pub(crate) fn reply(&mut self, size: usize) -> ReplyMemory {
        self.next_memory += 1;
        ReplyMemory { id: self.next_memory, size }
    }

    /// Adds what was fetched for an assignment, in offset order: a slice of a reply's memory, or in
    /// memory of its own.
    pub(crate) fn push(
        &mut self,
        assignment: &Arc<PartitionAssignment>,
        buffered: BufferedBatch,
        memory: Option<ReplyMemory>,
    ) {
        let id = assignment.id();
        let queue = self.queues.entry(id).or_insert_with(|| {
            self.next_turn += 1;
            self.turns.push_back((id, self.next_turn));
            PartitionBuffer::new(assignment, self.fresh, self.next_turn)
        });
        if queue.ends() {
            queue.slots.pop_back();
        }
        if let (Content::Skipped, Some(last)) = (&buffered.content, queue.slots.back_mut())
            && !matches!(last.buffered.content, Content::Failed(_))
        {
            last.buffered.next = buffered.next;
            return;
        }
        let number =
            queue.first.saturating_add(u64::try_from(queue.slots.len()).unwrap_or(u64::MAX));
        self.fresh = self.fresh.max(number.saturating_add(1));
        let records = buffered.claimed_count();
        let mut slot = BufferSlot {
            buffered,
            is_working: false,
            wire_bytes: 0,
            records,
            memory: None,
            own: 0,
        };
        if let Content::Fetched(batch) = &slot.buffered.content {
            slot.wire_bytes = batch.len();
            if let Some(memory) = memory {
                slot.memory = Some(memory.id);
                let reply = self.replies.entry(memory.id).or_insert_with(|| {
                    self.held += memory.size;
                    self.sparse.insert(memory.id);
                    BufferedReply { size: memory.size, used: 0, count: 0, slots: Vec::new() }
                });
                reply.used += batch.len();
                reply.count += 1;
                reply.slots.push((id, number));
            } else {
                slot.own = batch.len();
                self.held += batch.len();
            }
            if batch.is_heavy() {
                self.undecoded.push_back((id, number));
            }
        }
        queue.wire_bytes += slot.wire_bytes;
        queue.records = queue.records.saturating_add(records);
        queue.is_full |= queue.wire_bytes >= self.partition_limit;
        queue.slots.push_back(slot);
    }

    /// Adds, behind all that was fetched for an assignment, that this is the end.
    pub(crate) fn push_end(&mut self, assignment: &Arc<PartitionAssignment>, at: Position) {
        if !self.queues.get(&assignment.id()).is_some_and(PartitionBuffer::ends) {
            let end = BufferedBatch { content: Content::End, start: at, next: at.offset };
            self.push(assignment, end, None);
        }
    }

    /// Hands over the next piece of the next partition that may deliver; what belongs to ended
    /// assignments is dropped on the way.
    pub(crate) fn pop(&mut self) -> Option<Piece> {
        for _ in 0..self.turns.len() {
            let (id, turn) = self.turns.pop_front()?;
            let Some(queue) = self.queues.get_mut(&id).filter(|queue| queue.turn == turn) else {
                continue;
            };
            match queue.assignment.delivery() {
                DeliveryGate::Ended => {
                    self.drop_assignment(id);
                    continue;
                }
                DeliveryGate::Open if queue.slots.front().is_some_and(|slot| !slot.is_working) => {}
                _ => {
                    self.turns.push_back((id, turn));
                    continue;
                }
            }
            let Some(slot) = queue.slots.pop_front() else { continue };
            queue.first += 1;
            queue.wire_bytes -= slot.wire_bytes;
            queue.records = queue.records.saturating_sub(slot.records);
            if queue.is_full && queue.wire_bytes <= self.partition_limit / 2 {
                queue.is_full = false;
                self.relieved.push(Arc::clone(&queue.assignment));
            }
            let assignment = Arc::clone(&queue.assignment);
            if queue.slots.is_empty() {
                self.queues.remove(&id);
            } else {
                self.turns.push_back((id, turn));
            }
            self.let_go(&slot);
            if let Some(noted) = &mut self.noted {
                noted.push(Arc::clone(&assignment));
            }
            return Some((assignment, slot.buffered));
        }
        None
    }

    /// Gives back, in front, what was taken and cannot be used now. It is kept in memory of its own
    /// from then on.
    pub(crate) fn put_back(
        &mut self,
        assignment: &Arc<PartitionAssignment>,
        mut buffered: BufferedBatch,
    ) {
        let id = assignment.id();
        let queue = self.queues.entry(id).or_insert_with(|| {
            self.next_turn += 1;
            self.turns.push_back((id, self.next_turn));
            self.fresh += 1;
            PartitionBuffer::new(assignment, self.fresh, self.next_turn)
        });
        let (wire_bytes, own) = match &mut buffered.content {
            Content::Fetched(batch) => {
                batch.detach();
                (batch.len(), batch.len())
            }
            Content::Decoded { batch, records } => {
                // It came plain, as a slice of its reply, and has not been here before.
                if batch.len() > 0 && !batch.is_heavy() {
                    records.detach();
                }
                *batch = batch.header();
                (records.len(), records.len())
            }
            Content::End if !queue.slots.is_empty() => return,
            Content::Skipped | Content::Failed(_) | Content::End => (0, 0),
        };
        // The piece takes the number before the first: its own if the queue was there all the time,
        // so that a job or note that names it means it; else one that no slot has had, as `fresh`
        // was raised before. `fresh` begins at 1, so there is always one before.
        queue.first = queue.first.wrapping_sub(1);
        queue.wire_bytes += wire_bytes;
        let records = buffered.claimed_count();
        queue.records = queue.records.saturating_add(records);
        self.held += own;
        queue.slots.push_front(BufferSlot {
            buffered,
            is_working: false,
            wire_bytes,
            records,
            memory: None,
            own,
        });
    }

    /// Ends an assignment: nothing of it is delivered any more, and what is buffered for it is
    /// dropped.
    pub(crate) fn end(&mut self, assignment: &PartitionAssignment) {
        assignment.set_delivery(DeliveryGate::Ended);
        self.drop_assignment(assignment.id());
    }

    /// Drops what is buffered for an assignment.
    pub(crate) fn drop_assignment(&mut self, assignment: AssignmentEpoch) {
        if let Some(queue) = self.queues.remove(&assignment) {
            for slot in &queue.slots {
                self.let_go(slot);
            }
            // Each of many that go would else look through all that are left.
            if self.turns.len() > 2 * self.queues.len() + SPARE_TURNS {
                self.turns.retain(|(id, turn)| {
                    self.queues.get(id).is_some_and(|queue| queue.turn == *turn)
                });
            }
        }
    }

    /// Has it noted of what pieces are handed over, or no more.
    pub(crate) fn note(&mut self, is_wanted: bool) {
        self.noted = is_wanted.then(|| self.noted.take().unwrap_or_default());
    }

    /// Of what pieces were handed over since this was last asked.
    pub(crate) fn take_noted(&mut self) -> Vec<Arc<PartitionAssignment>> {
        self.noted.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Whether anything is buffered for an assignment.
    pub(crate) fn has(&self, assignment: AssignmentEpoch) -> bool {
        self.queues.contains_key(&assignment)
    }

    /// Whether another fetch may be made: no sooner than when a good part of the budget is free, so
    /// that fetches stay large.
    ///
    /// If nothing of what is held may be delivered, that need not come by itself: less must do
    /// then.
    pub(crate) fn has_room(&mut self) -> bool {
        if self.held <= self.budget / 2 {
            return true;
        }
        self.compact();
        let enough =
            if self.is_deliverable() { self.budget / 2 } else { self.budget - self.budget / 8 };
        self.held <= enough
    }

    /// Whether a partition has so much buffered that it is not fetched further.
    pub(crate) fn is_full(&self, assignment: AssignmentEpoch) -> bool {
        self.queues.get(&assignment).is_some_and(|queue| queue.is_full)
    }

    /// Whether [`Buffer::take_relieved`] has something.
    pub(crate) fn has_relieved(&self) -> bool {
        !self.relieved.is_empty()
    }

    /// Leases that are full no more.
    pub(crate) fn take_relieved(&mut self) -> Vec<Arc<PartitionAssignment>> {
        std::mem::take(&mut self.relieved)
    }

    /// If all that is held is of paused partitions, and so much that nothing else can be fetched:
    /// as much of it is dropped as must be, from behind and the largest first. Returned is from
    /// where each of them is to be fetched again: what comes before is still here, or in the
    /// application's hands.
    pub(crate) fn evict_held(&mut self) -> Vec<(Arc<PartitionAssignment>, Position)> {
        if self.has_room() || self.is_deliverable() {
            return Vec::new();
        }
        let held = |queue: &&PartitionBuffer| queue.assignment.delivery() == DeliveryGate::Held;
        let mut queues: Vec<_> = self
            .queues
            .values()
            .filter(held)
            .map(|queue| (queue.wire_bytes, Arc::clone(&queue.assignment)))
            .collect();
        queues.sort_by_key(|(bytes, assignment)| (std::cmp::Reverse(*bytes), assignment.id()));
        let mut evicted = BTreeMap::new();
        // Of each partition its first piece stays as long as that will do.
        for kept in [1, 0] {
            for (_, assignment) in &queues {
                while !self.has_room()
                    && let Some(from) = self.drop_last(assignment.id(), kept)
                {
                    evicted.insert(assignment.id(), (Arc::clone(assignment), from));
                }
            }
        }
        evicted.into_values().collect()
    }

    /// The bytes held, decompressed where they are.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// Drops the last piece of a queue, and says where it began.
    fn drop_last(&mut self, assignment: AssignmentEpoch, kept: usize) -> Option<Position> {
        let queue = self.queues.get_mut(&assignment)?;
        // A job names its slot by number, which the next piece would get.
        if queue.slots.len() <= kept || queue.slots.back().is_none_or(|slot| slot.is_working) {
            return None;
        }
        let slot = queue.slots.pop_back()?;
        queue.wire_bytes -= slot.wire_bytes;
        queue.records = queue.records.saturating_sub(slot.records);
        queue.is_full &= queue.wire_bytes > self.partition_limit / 2;
        let is_empty = queue.slots.is_empty();
        self.let_go(&slot);
        if is_empty {
            self.drop_assignment(assignment);
        }
        Some(slot.buffered.start)
    }

    /// Whether any piece is, or will soon be, for the application to take.
    fn is_deliverable(&self) -> bool {
        self.queues.values().any(|queue| queue.assignment.delivery() == DeliveryGate::Open)
    }

    /// Lets replies go of which little is left, by a copy of that.
    fn compact(&mut self) {
        for id in std::mem::take(&mut self.sparse) {
            let Some(reply) = self.replies.get_mut(&id).filter(|reply| reply.is_sparse()) else {
                continue;
            };
            let slots = std::mem::take(&mut reply.slots);
            let mut left = Vec::new();
            for (assignment, number) in slots {
                let Some(slot) =
                    self.slot(assignment, number).filter(|slot| slot.memory == Some(id))
                else {
                    continue;
                };
                // What is being decoded leaves its reply by that.
                if slot.is_working {
                    left.push((assignment, number));
                    continue;
                }
                if let Content::Fetched(batch) = &mut slot.buffered.content {
                    batch.detach();
                }
                slot.memory = None;
                slot.own += slot.wire_bytes;
                let bytes = slot.wire_bytes;
                self.held += bytes;
                self.leave_reply(id, bytes);
            }
            if let Some(reply) = self.replies.get_mut(&id) {
                reply.slots = left;
                self.sparse.insert(id);
            }
        }
    }

    /// A slot leaves, with the memory it held.
    fn let_go(&mut self, slot: &BufferSlot) {
        self.held -= slot.own;
        if let Some(memory) = slot.memory {
            self.leave_reply(memory, slot.wire_bytes);
        }
    }

    fn leave_reply(&mut self, memory: u64, bytes: usize) {
        let Some(reply) = self.replies.get_mut(&memory) else { return };
        reply.used -= bytes;
        reply.count -= 1;
        if reply.count == 0 {
            self.held -= reply.size;
            self.replies.remove(&memory);
            self.sparse.remove(&memory);
        } else if reply.is_sparse() {
            self.sparse.insert(memory);
        }
    }

    fn slot(&mut self, assignment: AssignmentEpoch, number: u64) -> Option<&mut BufferSlot> {
        let queue = self.queues.get_mut(&assignment)?;
        let index = usize::try_from(number.checked_sub(queue.first)?).ok()?;
        queue.slots.get_mut(index)
    }
}

impl PartitionBuffer {
    fn new(assignment: &Arc<PartitionAssignment>, first: u64, turn: u64) -> Self {
        Self {
            assignment: Arc::clone(assignment),
            slots: VecDeque::new(),
            first,
            wire_bytes: 0,
            records: 0,
            is_full: false,
            turn,
        }
    }

    fn ends(&self) -> bool {
        self.slots.back().is_some_and(|slot| matches!(slot.buffered.content, Content::End))
    }
}

impl BufferedReply {
    fn is_sparse(&self) -> bool {
        self.used.saturating_mul(SPARSE) <= self.size
    }
}

#[cfg(test)]
mod tests;
