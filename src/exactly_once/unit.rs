//! One transaction: what is read, processed and committed together.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use tracing::{debug, warn};

use super::rebalance::Change;
use super::{ExactlyOnce, passes};
use crate::consumer::{ConsumerHandle, RecordBatch};
use crate::error::{Class, Error, Result};
use crate::group_metadata::OffsetAndMetadata;
use crate::ids::{Offset, TopicPartition};
use crate::producer::{Transaction, TransactionSender};
use crate::runtime;

/// When a transaction is committed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due {
    pub(super) interval: Duration,
    pub(super) records: usize,
}

impl Default for Due {
    fn default() -> Self {
        Self { interval: Duration::from_millis(100), records: 10_000 }
    }
}

/// Why no more records are read into a transaction.
enum Last<E> {
    Due,
    /// Partitions go; they wait for the end of the transaction.
    Change(Change),
    Failed(E),
}

impl ExactlyOnce {
    /// Reads, processes and commits once; or aborts, and then the records come again.
    pub(super) async fn unit<F, Fut, E>(&mut self, handler: &mut F) -> Result<(), E>
    where
        F: FnMut(RecordBatch, TransactionSender) -> Fut,
        Fut: Future<Output = Result<(), E>>,
        E: From<Error>,
    {
        match self.rewind().await {
            Err(error) if error.class() == Class::Retriable => {
                warn!(%error, "whether the last transaction is committed is not known yet");
                return Ok(());
            }
            rewound => rewound?,
        }
        let first = self.first_batch().await?;
        let Self { consumer, producer, changes, due, uncommitted, committing } = self;
        let deadline = runtime::now() + due.interval;
        let mut transaction = match producer.begin().await {
            Ok(transaction) => transaction,
            Err(error) if error.class() == Class::Retriable => {
                warn!(%error, "no transaction yet");
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let mut offsets = BTreeMap::new();
        let mut records = 0;
        let mut next = Some(first);
        let last = loop {
            if let Some(batch) = next.take() {
                records += batch.iter().count();
                offsets.insert(batch.topic_partition().clone(), offset_after(&batch));
                if let Err(error) = handler(batch, transaction.sender()).await {
                    break Last::Failed(error);
                }
            }
            if records >= due.records {
                break Last::Due;
            }
            tokio::select! {
                biased;
                Some(change) = changes.recv() => break Last::Change(change),
                () = runtime::sleep_until(deadline) => break Last::Due,
                received = consumer.next_batch() => match received {
                    Ok(batch) => {
                        note(uncommitted, &batch);
                        next = Some(batch);
                    }
                    Err(error) if passes(&error) => debug!(%error, "the consumer goes on"),
                    Err(error) => break Last::Failed(error.into()),
                },
            }
        };
        // Of a transaction that has failed the handler's senders have heard, and the handler says no
        // more than they.
        let has_failed = transaction.has_failed();
        let may_commit = match &last {
            Last::Due => true,
            Last::Change(change) => !change.is_lost,
            Last::Failed(_) => false,
        };
        *committing = may_commit.then(|| transaction.number());
        let is_committed =
            may_commit && commit(&mut transaction, &consumer.handle(), offsets).await?;
        if is_committed {
            uncommitted.clear();
        } else {
            abort(&mut transaction).await?;
        }
        *committing = None;
        drop(transaction);
        match last {
            Last::Due => {}
            Last::Change(change) => self.forget(&change),
            Last::Failed(error) if !has_failed => return Err(error),
            Last::Failed(_) => debug!("the transaction has failed, and its records come again"),
        }
        Ok(())
    }

    /// Waits for something to do; partitions may come and go meanwhile.
    async fn first_batch(&mut self) -> Result<RecordBatch> {
        loop {
            tokio::select! {
                biased;
                Some(change) = self.changes.recv() => self.forget(&change),
                received = self.consumer.next_batch() => match received {
                    Ok(batch) => {
                        note(&mut self.uncommitted, &batch);
                        return Ok(batch);
                    }
                    Err(error) if passes(&error) => debug!(%error, "the consumer goes on"),
                    Err(error) => return Err(error),
                },
            }
        }
    }
}

/// Commits with the offsets; false if that cannot be done.
///
/// They are sent in the name of the member as it is now, not as it was when the records came: that
/// is safe here, since each partition of the transaction has been this member's all the time.
async fn commit(
    transaction: &mut Transaction<'_>,
    consumer: &ConsumerHandle,
    offsets: BTreeMap<TopicPartition, OffsetAndMetadata>,
) -> Result<bool> {
    let mut offsets = Some((offsets, consumer.member()?));
    loop {
        let error = match transaction.commit_with(offsets.take()).await {
            Ok(()) => return Ok(true),
            Err(error) => error,
        };
        match error.class() {
            Class::Retriable => warn!(%error, "the transaction is not committed yet"),
            Class::Abortable => {
                debug!(%error, "the transaction cannot be committed");
                return Ok(false);
            }
            _ => return Err(error),
        }
    }
}

async fn abort(transaction: &mut Transaction<'_>) -> Result<()> {
    loop {
        match transaction.abort().await {
            Err(error) if error.class() == Class::Retriable => {
                warn!(%error, "the transaction is not aborted yet");
            }
            ended => return ended,
        }
    }
}

/// Takes note of where records begin that are not committed.
fn note(uncommitted: &mut BTreeMap<TopicPartition, Offset>, batch: &RecordBatch) {
    if let Some(first) = batch.iter().next() {
        uncommitted.entry(batch.topic_partition().clone()).or_insert(first.offset());
    }
}

fn offset_after(batch: &RecordBatch) -> OffsetAndMetadata {
    let offset = OffsetAndMetadata::new(batch.next_offset());
    match batch.leader_epoch() {
        Some(epoch) => offset.leader_epoch(epoch),
        None => offset,
    }
}
