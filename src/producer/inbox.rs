//! What senders tell the sender task: about batches and handles, never about a record.

use std::sync::{Mutex, PoisonError};

use tokio::sync::{Notify, oneshot};

use super::accumulator::BatchId;
use super::batch::ClosedBatch;
use super::ready::PartitionIndex;
use crate::ids::TopicName;

#[derive(Debug)]
pub(super) enum Event {
    Opened {
        partition: PartitionIndex,
        batch: BatchId,
    },
    Closed {
        partition: PartitionIndex,
        batch: Box<ClosedBatch>,
    },
    /// A batch holds a record that does not wait for company.
    Hurried {
        partition: PartitionIndex,
        batch: BatchId,
    },
    /// Somebody sends to a topic that is not known, or not any more.
    Wanted(TopicName),
    /// Somebody waits for memory.
    Pressed,
    Flush(oneshot::Sender<()>),
    /// Give up whatever has no verdict.
    Abort(oneshot::Sender<()>),
}

/// A queue that the memory of the producer bounds: each batch stands in it three times at most.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    events: Mutex<Vec<Event>>,
    filled: Notify,
}

impl Inbox {
    pub(super) fn push(&self, event: Event) {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let was_empty = events.is_empty();
        events.push(event);
        drop(events);
        if was_empty {
            self.filled.notify_one();
        }
    }

    /// Waits until something is there.
    ///
    /// # Cancel safety
    /// Safe: nothing is taken.
    pub(super) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Moves everything to `into`, which is empty and whose room is used again.
    pub(super) fn take(&self, into: &mut Vec<Event>) {
        std::mem::swap(&mut *self.events.lock().unwrap_or_else(PoisonError::into_inner), into);
    }
}
