//! Records of many batches at once: whether there are enough, and all of them.

use super::{Buffer, BufferSlot, BufferedBatch, Content, PartitionBuffer, Piece};
use crate::consumer::position::DeliveryGate;

impl Buffer {
    /// Whether so many records can be handed over, as their batches claim, or no more will come
    /// before some are: the buffer is full, a partition has as much as is fetched ahead of it, or
    /// there is something to tell.
    pub(crate) fn is_enough(&mut self, records: usize) -> bool {
        let (mut claimed, mut has_any, mut is_urgent) = (0_usize, false, false);
        for queue in self.queues.values().filter(|queue| queue.can_deliver()) {
            has_any = true;
            is_urgent |= queue.is_full || queue.has_event();
            claimed = claimed.saturating_add(queue.records);
        }
        if records == 0 || (has_any && (is_urgent || !self.has_room())) {
            return true;
        }
        // Usually too few, which is found without a look at each batch.
        claimed >= records && self.has_ready(records)
    }

    /// Whether there are so many records before the batches that are being decoded.
    fn has_ready(&self, records: usize) -> bool {
        let mut found = 0_usize;
        let queues = self.queues.values().filter(|queue| queue.can_deliver());
        let mut ready =
            queues.flat_map(|queue| queue.slots.iter().take_while(|slot| !slot.is_working));
        ready.any(|slot| {
            found = found.saturating_add(slot.records);
            found >= records
        })
    }

    /// Hands over pieces, partitions in turn, until they have so many records as their batches
    /// claim, or there are no more. At once, so that they are all of one moment.
    pub(crate) fn pop_many(&mut self, records: usize) -> Vec<Piece> {
        let (mut pieces, mut found) = (Vec::new(), 0_usize);
        while found < records
            && let Some(piece) = self.pop()
        {
            found = found.saturating_add(piece.1.claimed_count());
            pieces.push(piece);
        }
        pieces
    }
}

impl BufferedBatch {
    /// Whether it is to be told instead of records.
    pub(crate) fn is_event(&self) -> bool {
        matches!(self.content, Content::Failed(_) | Content::End)
    }

    /// How many records it has at most, as its batch claims: not to be believed before they are
    /// found, and of a compressed batch of the old formats it is less.
    pub(super) fn claimed_count(&self) -> usize {
        let claimed = match &self.content {
            Content::Fetched(batch) => batch.claimed_count(),
            Content::Decoded { records, .. } => records.claimed_count(),
            Content::Skipped | Content::Failed(_) | Content::End => 0,
        };
        let offsets = self.next.0.saturating_sub(self.start.offset.0);
        claimed.min(usize::try_from(offsets).unwrap_or(0))
    }
}

impl PartitionBuffer {
    /// Whether its next piece can be taken now.
    fn can_deliver(&self) -> bool {
        self.assignment.delivery() == DeliveryGate::Open
            && self.slots.front().is_some_and(|slot| !slot.is_working)
    }

    /// Whether the application is to be told of something next, or behind all records.
    fn has_event(&self) -> bool {
        let is_event = |slot: &BufferSlot| slot.buffered.is_event();
        self.slots.front().is_some_and(is_event) || self.slots.back().is_some_and(is_event)
    }
}
