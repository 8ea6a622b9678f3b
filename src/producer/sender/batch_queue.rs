//! The batches of one partition that have not been sent yet, and when the first of them is due.
//!
//! ```text
//!  opened ─▶ Open ──full, or due and taken──▶ Sealing ──▶ Sealed ──▶ (in flight: super::sequence)
//! ```
//!
//! Records are not here: they are in the open batch of the partition
//! ([`crate::producer::accumulator::partition`]), to which senders append without asking this
//! machine. An open batch stays open, and grows, for as long as others are before it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::adaptive_linger::ForReply;

/// Names a batch: orders the batches of a partition as their records were accepted.
///
/// The parts of a split batch keep its `seq`; `first` is the index of their first record in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::producer) struct BatchId {
    pub(in crate::producer) seq: u64,
    pub(in crate::producer) first: u32,
}

/// The batches of one partition that wait for their first attempt, in order.
#[derive(Debug, Default)]
pub(in crate::producer) struct BatchQueue(VecDeque<QueuedBatch>);

#[derive(Debug)]
struct QueuedBatch {
    batch: BatchId,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Open { since: Instant, is_urgent: bool },
    Sealing,
    Sealed,
}

/// What stands first in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::producer) enum Head {
    Nothing,
    /// Takes more records until then at the latest.
    Open {
        batch: BatchId,
        due: Instant,
    },
    /// Being compressed.
    Sealing,
    Sealed(BatchId),
}

/// When an open batch has waited long enough.
#[derive(Clone, Copy, Debug)]
pub(in crate::producer) struct DueRule {
    pub(in crate::producer) linger: Duration,
    /// Overrules `linger` for batches that are younger than a broker's last reply but one.
    pub(in crate::producer) for_reply: Option<ForReply>,
    /// Batches up to this `seq` are due at once: a flush, or memory is exhausted.
    pub(in crate::producer) due_up_to: Option<u64>,
}

impl DueRule {
    fn of_batch(&self, since: Instant) -> Duration {
        match self.for_reply {
            Some(reply) if reply.reply_before.is_none_or(|reply| since >= reply) => reply.longest,
            _ => self.linger,
        }
    }
}

impl BatchId {
    pub(in crate::producer) fn unsplit(birth: u64) -> Self {
        Self { seq: birth, first: 0 }
    }
}

impl BatchQueue {
    pub(in crate::producer) fn opened(&mut self, batch: BatchId, now: Instant) {
        self.insert(batch, Stage::Open { since: now, is_urgent: false });
    }

    /// The batch is due at once.
    pub(in crate::producer) fn expedite(&mut self, batch: BatchId) {
        if let Some(QueuedBatch { stage: Stage::Open { is_urgent, .. }, .. }) = self.find(batch) {
            *is_urgent = true;
        }
    }

    /// The batch takes no more records.
    pub(in crate::producer) fn closed(&mut self, batch: BatchId) {
        if let Some(queued) = self.find(batch)
            && matches!(queued.stage, Stage::Open { .. })
        {
            queued.stage = Stage::Sealing;
        }
    }

    pub(in crate::producer) fn sealed(&mut self, batch: BatchId) {
        if let Some(queued) = self.find(batch) {
            queued.stage = Stage::Sealed;
        }
    }

    /// Puts a sealed batch back in its place: it must be numbered anew.
    pub(in crate::producer) fn put_back(&mut self, batch: BatchId) {
        self.insert(batch, Stage::Sealed);
    }

    /// Takes the first batch, which is sealed.
    pub(in crate::producer) fn take(&mut self, batch: BatchId) {
        self.remove(batch);
    }

    /// Whether the batch was here.
    pub(in crate::producer) fn remove(&mut self, batch: BatchId) -> bool {
        let at = self.0.binary_search_by(|queued| queued.batch.cmp(&batch)).ok();
        at.and_then(|at| self.0.remove(at)).is_some()
    }

    pub(in crate::producer) fn has(&self, batch: BatchId) -> bool {
        self.0.binary_search_by(|queued| queued.batch.cmp(&batch)).is_ok()
    }

    pub(in crate::producer) fn head(&self, due_rule: DueRule) -> Head {
        let Some(first) = self.0.front() else { return Head::Nothing };
        match first.stage {
            Stage::Open { since, is_urgent } => {
                let is_pressed =
                    is_urgent || due_rule.due_up_to.is_some_and(|up_to| first.batch.seq <= up_to);
                let due = if is_pressed { since } else { since + due_rule.of_batch(since) };
                Head::Open { batch: first.batch, due }
            }
            Stage::Sealing => Head::Sealing,
            Stage::Sealed => Head::Sealed(first.batch),
        }
    }

    fn insert(&mut self, batch: BatchId, stage: Stage) {
        let at = self.0.partition_point(|queued| queued.batch < batch);
        self.0.insert(at, QueuedBatch { batch, stage });
    }

    /// Batches are found from the front for sealing and from the back for closing; queues are
    /// short.
    fn find(&mut self, batch: BatchId) -> Option<&mut QueuedBatch> {
        let at = self.0.binary_search_by(|queued| queued.batch.cmp(&batch)).ok()?;
        self.0.get_mut(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINGER: Duration = Duration::from_millis(5);

    fn due_rule(due_up_to: Option<u64>) -> DueRule {
        DueRule { linger: LINGER, for_reply: None, due_up_to }
    }

    #[test]
    fn a_batch_younger_than_two_replies_waits_for_the_next() {
        let last = Instant::now();
        let longest = Duration::from_millis(9);
        let due_rule = DueRule {
            for_reply: Some(ForReply { reply_before: Some(last), longest }),
            ..due_rule(None)
        };
        for (since, wait) in [(last, longest), (last - Duration::from_micros(1), LINGER)] {
            let mut queue = BatchQueue::default();
            let batch = BatchId::unsplit(1);
            queue.opened(batch, since);
            assert_eq!(queue.head(due_rule), Head::Open { batch, due: since + wait });
            queue.expedite(batch);
            assert_eq!(queue.head(due_rule), Head::Open { batch, due: since });
        }
    }

    #[test]
    fn an_open_batch_is_due_after_linger_or_at_once_under_pressure() {
        let now = Instant::now();
        let batch = BatchId::unsplit(3);
        let mut queue = BatchQueue::default();
        queue.opened(batch, now);
        assert_eq!(queue.head(due_rule(None)), Head::Open { batch, due: now + LINGER });
        assert_eq!(queue.head(due_rule(Some(2))), Head::Open { batch, due: now + LINGER });
        assert_eq!(queue.head(due_rule(Some(3))), Head::Open { batch, due: now });
    }

    #[test]
    fn a_later_batch_waits_for_the_one_that_is_sealing() {
        let now = Instant::now();
        let (first, second) = (BatchId::unsplit(1), BatchId::unsplit(2));
        let mut queue = BatchQueue::default();
        queue.opened(first, now);
        queue.closed(first);
        queue.opened(second, now);
        queue.closed(second);
        queue.sealed(second);
        assert_eq!(queue.head(due_rule(None)), Head::Sealing);
        queue.sealed(first);
        assert_eq!(queue.head(due_rule(None)), Head::Sealed(first));
    }

    #[test]
    fn a_batch_put_back_comes_before_younger_ones_and_parts_keep_their_order() {
        let now = Instant::now();
        let mut queue = BatchQueue::default();
        queue.opened(BatchId::unsplit(4), now);
        for first in [30, 0] {
            queue.put_back(BatchId { seq: 2, first });
        }
        let mut order = Vec::new();
        while let Head::Sealed(batch) = queue.head(due_rule(None)) {
            order.push(batch.first);
            queue.take(batch);
        }
        assert_eq!(order, [0, 30]);
    }
}
