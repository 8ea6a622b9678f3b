//! Partitions that go, told to the loop that may have records of them in a transaction.

use tokio::sync::{mpsc, oneshot};

use crate::boxed::BoxFuture;
use crate::consumer::{ConsumerHandle, RebalanceListener};
use crate::ids::TopicPartition;

/// Partitions that go; the group waits until it is dropped.
#[derive(Debug)]
pub(super) struct LeavingPartitions {
    pub(super) partitions: Vec<TopicPartition>,
    /// They may be another member's already.
    pub(super) are_lost: bool,
    _told: oneshot::Sender<()>,
}

#[derive(Debug)]
pub(super) struct PassOn(mpsc::Sender<LeavingPartitions>);

impl PassOn {
    pub(super) fn new() -> (Self, mpsc::Receiver<LeavingPartitions>) {
        let (sender, receiver) = mpsc::channel(1);
        (Self(sender), receiver)
    }

    async fn pass(&self, partitions: &[TopicPartition], are_lost: bool) {
        let (_told, told) = oneshot::channel();
        let leaving = LeavingPartitions { partitions: partitions.to_vec(), are_lost, _told };
        if self.0.send(leaving).await.is_ok() {
            // Nothing is ever sent: it is dropped when it has been seen to.
            let _ended = told.await;
        }
    }
}

impl RebalanceListener for PassOn {
    fn on_revoked<'a>(
        &'a self,
        _: &'a ConsumerHandle,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a> {
        Box::pin(self.pass(partitions, false))
    }

    fn on_lost<'a>(
        &'a self,
        _: &'a ConsumerHandle,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a> {
        Box::pin(self.pass(partitions, true))
    }
}
