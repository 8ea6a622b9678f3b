//! Partitions that come and go: what is in hand of them is finished, and committed, before they go.
//! The user's listener hears of it in between, so that the commit covers what it has made of that.

use std::sync::{Arc, Weak};

use tracing::warn;

use super::shared::{ConsumerInner, when};
use crate::boxed::BoxFuture;
use crate::consumer::{ConsumerHandle, RebalanceListener};
use crate::ids::TopicPartition;
use crate::runtime;
use crate::sync::lock;

/// Hears of partitions that come and go.
pub(super) struct MqRebalanceListener(pub(super) Weak<ConsumerInner>);

impl RebalanceListener for MqRebalanceListener {
    fn on_assigned<'a>(
        &'a self,
        consumer: &'a ConsumerHandle,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a> {
        Box::pin(async move {
            let Some(listener) = self.0.upgrade().and_then(|shared| {
                let mut progress = shared.progress();
                partitions.iter().for_each(|partition| progress.assigned(partition));
                drop(progress);
                listener(&shared)
            }) else {
                return;
            };
            listener.on_assigned(consumer, partitions).await;
        })
    }

    fn on_revoked<'a>(
        &'a self,
        consumer: &'a ConsumerHandle,
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
            if let Some(listener) = listener(&shared) {
                listener.on_revoked(consumer, partitions).await;
            }
            if shared.config.consumer.enable_auto_commit
                && let Err(error) = shared.commit_done(Some(partitions)).await
            {
                warn!(%error, "what was handled last is not committed, and will come again");
                *lock(&shared.uncommitted) = Some(error);
            }
            forget(&shared, partitions);
        })
    }

    fn on_lost<'a>(
        &'a self,
        consumer: &'a ConsumerHandle,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a> {
        Box::pin(async move {
            let Some(listener) = self.0.upgrade().and_then(|shared| {
                forget(&shared, partitions);
                listener(&shared)
            }) else {
                return;
            };
            listener.on_lost(consumer, partitions).await;
        })
    }
}

/// The user's. Whoever calls it keeps nothing else alive meanwhile.
fn listener(shared: &ConsumerInner) -> Option<Arc<dyn RebalanceListener>> {
    lock(&shared.listener).clone()
}

fn forget(shared: &ConsumerInner, partitions: &[TopicPartition]) {
    let mut progress = shared.progress();
    partitions.iter().for_each(|partition| progress.gone(partition));
    drop(progress);
    lock(&shared.paused).retain(|paused| !partitions.contains(paused));
    lock(&shared.due).retain(|partition, _| !partitions.contains(partition));
    lock(&shared.lag).retain(|partition, _| !partitions.contains(partition));
    // Who waits to call its handler again does so no more.
    shared.has_settled();
}

/// Waits until no message of the partitions is in hand.
async fn settled(shared: &ConsumerInner, partitions: &[TopicPartition]) {
    when(shared, || !partitions.iter().any(|partition| shared.progress().is_in_hand(partition)))
        .await;
}
