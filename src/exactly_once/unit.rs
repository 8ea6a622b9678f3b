//! One transaction: what is read, processed and committed together.

use std::future::Future;

use tracing::{debug, warn};

use super::ExactlyOnce;
use super::ending::{abort, commit};
use super::input::{Filled, StopReason};
use crate::consumer::RecordBatch;
use crate::error::{Class, Error, Result};
use crate::producer::TransactionSender;
use crate::runtime;

impl ExactlyOnce {
    /// Reads, processes and commits once; or aborts, and then the records come again.
    pub(super) async fn unit<F, Fut, E>(&mut self, handler: &mut F) -> Result<(), E>
    where
        F: FnMut(RecordBatch, TransactionSender) -> Fut,
        Fut: Future<Output = Result<(), E>>,
        E: From<Error>,
    {
        let Some(first) = self.begin_unit().await? else { return Ok(()) };
        let until = runtime::now() + self.due.interval;
        let mut transaction = match self.producer.begin().await {
            Ok(transaction) => transaction,
            Err(error) if error.class() == Class::Retriable => {
                warn!(%error, "no transaction yet");
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let filled = self.input.fill(first, &transaction, self.due, until, handler).await;
        let Filled { offsets, reason } = filled;
        // Of a transaction that has failed the handler's senders have heard, and the handler says no
        // more than they.
        let has_failed = transaction.has_failed();
        let may_commit = match &reason {
            StopReason::Due => true,
            StopReason::Leaving(partitions) => !partitions.are_lost,
            StopReason::Failed(_) => false,
        };
        self.committing = may_commit.then(|| transaction.number());
        if may_commit && commit(&mut transaction, offsets, self.input.member()?).await? {
            self.input.committed();
        } else {
            abort(&mut transaction).await?;
        }
        self.committing = None;
        match reason {
            // They go now.
            StopReason::Due | StopReason::Leaving(_) => {}
            StopReason::Failed(error) if !has_failed => return Err(error),
            StopReason::Failed(_) => debug!("the transaction has failed: its records come again"),
        }
        Ok(())
    }

    /// Goes back to what is not committed, and waits for records; `None` if it has to be tried
    /// again.
    async fn begin_unit(&mut self) -> Result<Option<RecordBatch>> {
        if let Some(transaction) = self.committing {
            match self.producer.was_committed(transaction).await {
                Ok(true) => self.input.committed(),
                Ok(false) => {}
                Err(error) if error.class() == Class::Retriable => {
                    warn!(%error, "whether the last transaction is committed is not known yet");
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
            self.committing = None;
        }
        self.input.rewind();
        self.input.first_batch().await.map(Some)
    }
}
