//! The end of a transaction, waited for until it has an answer.

use std::collections::BTreeMap;

use tracing::{debug, warn};

use crate::error::{Class, Result};
use crate::group_metadata::{ConsumerGroupMetadata, OffsetAndMetadata};
use crate::ids::TopicPartition;
use crate::producer::Transaction;

/// Commits with the offsets; false if that cannot be done.
pub(crate) async fn commit(
    transaction: &mut Transaction<'_>,
    offsets: BTreeMap<TopicPartition, OffsetAndMetadata>,
    member: ConsumerGroupMetadata,
) -> Result<bool> {
    let mut offsets = Some((offsets, member));
    loop {
        let Err(error) = transaction.commit_with(offsets.take()).await else { return Ok(true) };
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

/// Aborts, until that has an answer.
pub(crate) async fn abort(transaction: &mut Transaction<'_>) -> Result<()> {
    loop {
        match transaction.abort().await {
            Err(error) if error.class() == Class::Retriable => {
                warn!(%error, "the transaction is not aborted yet");
            }
            ended => return ended,
        }
    }
}
