//! Partitions that come and go: what is in hand of them is finished, and committed, before they go.

use std::sync::Weak;

use tracing::warn;

use super::shared::{ConsumerInner, lock, when};
use crate::boxed::BoxFuture;
use crate::consumer::{ConsumerHandle, RebalanceListener};
use crate::ids::TopicPartition;
use crate::runtime;

/// Hears of partitions that come and go.
pub(super) struct MqRebalanceListener(pub(super) Weak<ConsumerInner>);

impl RebalanceListener for MqRebalanceListener {
    fn on_assigned<'a>(
        &'a self,
        _: &'a ConsumerHandle,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a> {
        if let Some(shared) = self.0.upgrade() {
            let mut progress = shared.progress();
            partitions.iter().for_each(|partition| progress.assigned(partition));
        }
        Box::pin(std::future::ready(()))
    }

    fn on_revoked<'a>(
        &'a self,
        _: &'a ConsumerHandle,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a> {
        Box::pin(async move {
            let Some(shared) = self.0.upgrade() else { return };
            partitions.iter().for_each(|partition| shared.progress().going(partition));
            shared.has_settled();
            let by = runtime::now() + shared.config.consumer.max_poll_interval / 2;
            if tokio::time::timeout_at(by.into(), settled(&shared, partitions)).await.is_err() {
                warn!(
                    ?partitions,
                    "partitions go while a handler still works on them: its message will come again"
                );
            }
            if shared.config.consumer.enable_auto_commit
                && let Err(error) = shared.commit_done(Some(partitions)).await
            {
                warn!(%error, "what was handled last is not committed, and will come again");
            }
            forget(&shared, partitions);
        })
    }

    fn on_lost<'a>(
        &'a self,
        _: &'a ConsumerHandle,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a> {
        if let Some(shared) = self.0.upgrade() {
            forget(&shared, partitions);
        }
        Box::pin(std::future::ready(()))
    }
}

fn forget(shared: &ConsumerInner, partitions: &[TopicPartition]) {
    let mut progress = shared.progress();
    partitions.iter().for_each(|partition| progress.gone(partition));
    drop(progress);
    lock(&shared.paused).retain(|paused| !partitions.contains(paused));
    lock(&shared.lag).retain(|partition, _| !partitions.contains(partition));
    // Who waits to call its handler again does so no more.
    shared.has_settled();
}

/// Waits until no message of the partitions is in hand.
async fn settled(shared: &ConsumerInner, partitions: &[TopicPartition]) {
    when(shared, || !partitions.iter().any(|partition| shared.progress().is_in_hand(partition)))
        .await;
}
