//! What a session reads: the consumer, the partitions that go, and what is not committed yet.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tracing::debug;

use super::rebalance::LeavingPartitions;
use crate::consumer::{Consumer, RecordBatch};
use crate::error::{Class, Error, ErrorCode, Result};
use crate::group_metadata::{ConsumerGroupMetadata, OffsetAndMetadata};
use crate::ids::{Offset, TopicPartition};
use crate::producer::{Transaction, TransactionSender};
use crate::runtime;

#[derive(Debug)]
pub(super) struct Input {
    pub(super) consumer: Consumer,
    leaving: mpsc::Receiver<LeavingPartitions>,
    /// Where the records begin that were received, are not committed, and will come again if their
    /// transaction fails.
    uncommitted: BTreeMap<TopicPartition, Offset>,
}

/// When a transaction is committed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due {
    pub(super) interval: Duration,
    pub(super) records: usize,
}

/// What was read into a transaction, and why no more is.
pub(super) struct Filled<E> {
    /// Where the group stands once they are processed.
    pub(super) offsets: BTreeMap<TopicPartition, OffsetAndMetadata>,
    pub(super) reason: StopReason<E>,
}

/// Why no more records are read into a transaction.
pub(super) enum StopReason<E> {
    Due,
    /// Partitions go; they wait for the end of the transaction.
    Leaving(LeavingPartitions),
    Failed(E),
}

impl Default for Due {
    fn default() -> Self {
        Self { interval: Duration::from_millis(100), records: 10_000 }
    }
}

impl Input {
    pub(super) fn new(consumer: Consumer, leaving: mpsc::Receiver<LeavingPartitions>) -> Self {
        Self { consumer, leaving, uncommitted: BTreeMap::new() }
    }

    /// Which member of the group this is now. That may be said of all that is in a transaction,
    /// whenever it was received: each partition of it has been this member's all the time.
    pub(super) fn member(&self) -> Result<ConsumerGroupMetadata> {
        self.consumer.handle().member()
    }

    /// Waits for something to do; partitions may come and go meanwhile.
    ///
    /// # Cancel safety
    /// Safe: what was received comes again, by [`Input::rewind`].
    pub(super) async fn first_batch(&mut self) -> Result<RecordBatch> {
        loop {
            tokio::select! {
                biased;
                Some(leaving) = self.leaving.recv() => self.forget(&leaving),
                received = self.consumer.next_batch() => match received {
                    Ok(batch) => {
                        self.note(&batch);
                        return Ok(batch);
                    }
                    Err(error) if passes(&error) => debug!(%error, "the consumer goes on"),
                    Err(error) => return Err(error),
                },
            }
        }
    }

    /// Has batches processed, from `first` on, until it is time to end the transaction.
    pub(super) async fn fill<F, Fut, E>(
        &mut self,
        first: RecordBatch,
        transaction: &Transaction<'_>,
        due: Due,
        until: Instant,
        handler: &mut F,
    ) -> Filled<E>
    where
        F: FnMut(RecordBatch, TransactionSender) -> Fut,
        Fut: Future<Output = Result<(), E>>,
        E: From<Error>,
    {
        let mut offsets = BTreeMap::new();
        let mut records = 0;
        let mut next = Some(first);
        let reason = loop {
            if let Some(batch) = next.take() {
                records += batch.claimed_count();
                offsets.insert(batch.topic_partition().clone(), offset_after(&batch));
                if let Err(error) = handler(batch, transaction.sender()).await {
                    break StopReason::Failed(error);
                }
            }
            if records >= due.records {
                break StopReason::Due;
            }
            tokio::select! {
                biased;
                Some(leaving) = self.leaving.recv() => {
                    // Whatever becomes of the transaction. If nobody waits for its end any more,
                    // they go at once, may come back after another member has copied them, and must
                    // not be gone back to when it turns out to have failed.
                    self.forget(&leaving);
                    break StopReason::Leaving(leaving);
                }
                () = runtime::sleep_until(until) => break StopReason::Due,
                received = self.consumer.next_batch() => match received {
                    Ok(batch) => {
                        self.note(&batch);
                        next = Some(batch);
                    }
                    Err(error) if passes(&error) => debug!(%error, "the consumer goes on"),
                    Err(error) => break StopReason::Failed(error.into()),
                },
            }
        };
        Filled { offsets, reason }
    }

    /// All that was received is committed.
    pub(super) fn committed(&mut self) {
        self.uncommitted.clear();
    }

    /// Goes back to the first record that is not committed.
    pub(super) fn rewind(&mut self) {
        for (partition, offset) in std::mem::take(&mut self.uncommitted) {
            // What is not assigned any more is another member's.
            if let Err(error) = self.consumer.handle().go_back(&partition, offset) {
                debug!(%partition, %error, "its records are another member's");
            }
        }
    }

    /// Nothing is read any more: partitions go without waiting for a transaction.
    pub(super) fn into_consumer(self) -> Consumer {
        self.consumer
    }

    /// Takes note of partitions that go. They do when `leaving` is dropped.
    fn forget(&mut self, leaving: &LeavingPartitions) {
        for partition in &leaving.partitions {
            self.uncommitted.remove(partition);
        }
    }

    fn note(&mut self, batch: &RecordBatch) {
        if let Some(first) = batch.iter().next() {
            let partition = batch.topic_partition().clone();
            self.uncommitted.entry(partition).or_insert(first.offset());
        }
    }
}

fn offset_after(batch: &RecordBatch) -> OffsetAndMetadata {
    let offset = OffsetAndMetadata::new(batch.next_offset());
    match batch.leader_epoch() {
        Some(epoch) => offset.leader_epoch(epoch),
        None => offset,
    }
}

/// Whether the consumer goes on by itself: the same call may do better later, or was about a
/// membership that comes back.
fn passes(error: &Error) -> bool {
    matches!(error.class(), Class::Retriable | Class::Rejoin)
        // Its place is another's now, for good.
        && error.code() != Some(ErrorCode::FENCED_INSTANCE_ID)
}
