//! What senders tell the sender task: about batches and handles, never about a record.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

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
        /// The task may hear of it later; its time runs from here.
        at: Instant,
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
    state: Mutex<State>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct State {
    events: Vec<Event>,
    /// The task knows that there are some.
    is_told: bool,
}

impl Inbox {
    pub(super) fn push(&self, event: Event) {
        self.push_and_tell(event, || true);
    }

    /// Wakes the task only if `is_urgent`, which is asked once the event is in: else it finds the event when it next has something to do.
    pub(super) fn push_and_tell(&self, event: Event, is_urgent: impl FnOnce() -> bool) {
        let mut state = self.lock();
        state.events.push(event);
        if !state.is_told && is_urgent() {
            state.is_told = true;
            drop(state);
            self.filled.notify_one();
        }
    }

    /// Waits until something is there that is urgent, or was there before.
    ///
    /// # Cancel safety
    /// Safe: nothing is taken.
    pub(super) async fn filled(&self) {
        if self.lock().events.is_empty() {
            self.filled.notified().await;
        }
    }

    /// Moves everything to `into`, which is empty and whose room is used again.
    pub(super) fn take(&self, into: &mut Vec<Event>) {
        let mut state = self.lock();
        state.is_told = false;
        std::mem::swap(&mut state.events, into);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn what_is_not_urgent_is_found_by_who_looks_and_wakes_nobody() {
        let inbox = Inbox::default();
        assert!(inbox.filled().now_or_never().is_none());
        inbox.push_and_tell(Event::Pressed, || false);
        assert!(inbox.filled().now_or_never().is_some());
        assert!(inbox.filled.notified().now_or_never().is_none());
        inbox.push(Event::Pressed);
        assert!(inbox.filled.notified().now_or_never().is_some());
        let mut events = Vec::new();
        inbox.take(&mut events);
        assert_eq!(events.len(), 2);
        assert!(inbox.filled().now_or_never().is_none());
    }
}
