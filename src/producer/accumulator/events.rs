//! What senders tell the sender task: about batches and handles, never about a record.

use std::sync::PoisonError;
use std::time::Instant;

use tokio::sync::{Notify, oneshot};

use super::closed_batch::ClosedBatch;
use crate::error::Result;
use crate::producer::purge::Purge;
use crate::producer::rpc::transaction::TransactionOffsets;
use crate::producer::sender::TransactionNumber;
use crate::producer::sender::batch_queue::BatchId;
use crate::producer::sender::ready::PartitionIndex;
use crate::sync::{Mutex, MutexGuard};

#[derive(Debug)]
pub(in crate::producer) enum SenderEvent {
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
    Expedite {
        partition: PartitionIndex,
        batch: BatchId,
    },
    /// Somebody sends to a topic that is not known, or not any more: see
    /// [`crate::producer::unknown_topics`].
    UnknownTopic,
    /// Somebody waits for memory.
    MemoryExhausted,
    /// Answered with the `seq` of the newest batch that is there, if one is.
    Flush(oneshot::Sender<Option<u64>>),
    /// Give some batches up; answered by [`SenderEvent::Purged`].
    Purge(Purge, oneshot::Sender<()>),
    /// It stands behind the batches that were closed, and so not found, when they were given up.
    Purged(oneshot::Sender<()>),
    /// Give up whatever has no verdict.
    Abort(oneshot::Sender<()>),
    Transaction(TransactionCommand),
}

/// What the application wants of a transactional producer. What became of it is in
/// [`ProducerShared::transactions`](crate::producer::ProducerShared), so that it goes on without
/// whoever waits for it.
#[derive(Debug)]
pub(in crate::producer) enum TransactionCommand {
    Init,
    Begin,
    Commit(TransactionNumber),
    Abort(TransactionNumber),
    SendOffsets(TransactionNumber, Box<TransactionOffsets>, oneshot::Sender<Result<()>>),
}

/// A queue that the memory of the producer bounds: each batch stands in it three times at most,
/// what says nothing new only once.
#[derive(Debug, Default)]
pub(in crate::producer) struct SenderEvents {
    state: Mutex<State>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct State {
    events: Vec<SenderEvent>,
    /// The task knows that there are some.
    is_told: bool,
    has_memory_exhausted: bool,
    has_unknown_topic: bool,
    /// Nobody will take anything any more.
    is_ended: bool,
}

impl SenderEvents {
    pub(in crate::producer) fn push(&self, event: SenderEvent) {
        self.push_and_tell(event, || true);
    }

    /// Wakes the task only if `is_urgent`, which is asked once the event is in: else it finds the
    /// event when it next has something to do.
    ///
    /// It is asked under the lock, on which
    /// [`PartitionBatches::is_next`](super::partition::PartitionBatches) counts. Asked before, it
    /// could say "no" of batches that have ended by the time that the event is in, and the task
    /// would sleep on.
    pub(in crate::producer) fn push_and_tell(
        &self,
        event: SenderEvent,
        is_urgent: impl FnOnce() -> bool,
    ) {
        let mut state = self.lock();
        let has_said = match event {
            SenderEvent::MemoryExhausted => {
                std::mem::replace(&mut state.has_memory_exhausted, true)
            }
            SenderEvent::UnknownTopic => std::mem::replace(&mut state.has_unknown_topic, true),
            _ => false,
        };
        if state.is_ended {
            // What it holds may wake somebody when it is dropped.
            return drop((state, event));
        }
        if !has_said {
            state.events.push(event);
        }
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
    pub(in crate::producer) async fn filled(&self) {
        if self.lock().events.is_empty() {
            self.filled.notified().await;
        }
    }

    /// Moves everything to `into`, which is empty and whose room is used again.
    pub(in crate::producer) fn take(&self, into: &mut Vec<SenderEvent>) {
        let mut state = self.lock();
        (state.is_told, state.has_memory_exhausted, state.has_unknown_topic) =
            (false, false, false);
        std::mem::swap(&mut state.events, into);
    }

    /// Drops what is here and what comes, and with it the promises and answers that it holds; tells
    /// whether there was any.
    pub(in crate::producer) fn end(&self) -> bool {
        let mut state = self.lock();
        state.is_ended = true;
        let events = std::mem::take(&mut state.events);
        drop(state);
        events.iter().any(|event| matches!(event, SenderEvent::Closed { .. }))
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
        let events = SenderEvents::default();
        assert!(events.filled().now_or_never().is_none());
        events.push_and_tell(SenderEvent::MemoryExhausted, || false);
        assert!(events.filled().now_or_never().is_some());
        assert!(events.filled.notified().now_or_never().is_none());
        events.push(SenderEvent::MemoryExhausted);
        assert!(events.filled.notified().now_or_never().is_some());
        let mut taken = Vec::new();
        events.take(&mut taken);
        assert_eq!(taken.len(), 1);
        assert!(events.filled().now_or_never().is_none());
    }

    #[test]
    fn what_is_said_again_and_again_stands_in_it_once_and_what_comes_after_its_end_not_at_all() {
        let events = SenderEvents::default();
        let mut taken = Vec::new();
        for _ in 0..2 {
            for _ in 0..1000 {
                events.push(SenderEvent::MemoryExhausted);
                events.push(SenderEvent::UnknownTopic);
            }
            events.take(&mut taken);
            assert_eq!(taken.drain(..).count(), 2);
        }
        let (done, mut told) = oneshot::channel();
        events.push(SenderEvent::Flush(done));
        events.end();
        assert!(told.try_recv().is_err_and(|error| error == oneshot::error::TryRecvError::Closed));
        events.push(SenderEvent::MemoryExhausted);
        events.take(&mut taken);
        assert!(taken.is_empty());
    }
}

#[cfg(all(test, kavka_loom))]
mod models {
    use std::sync::Arc;

    use loom::future::block_on;
    use loom::thread;

    use super::*;
    use crate::sync::model;

    #[test]
    fn all_that_is_urgent_is_heard_of() {
        model(|| {
            let events = Arc::new(SenderEvents::default());
            let senders = [1, 2].map(|number| {
                let (events, batch) = (Arc::clone(&events), BatchId::unsplit(number));
                thread::spawn(move || {
                    events.push(SenderEvent::Expedite { partition: PartitionIndex(0), batch });
                })
            });
            let (mut heard, mut taken) = (0, Vec::new());
            while heard < senders.len() {
                block_on(events.filled());
                events.take(&mut taken);
                heard += taken.drain(..).count();
            }
            for sender in senders {
                sender.join().unwrap();
            }
        });
    }
}
