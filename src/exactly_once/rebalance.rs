//! Partitions that go, told to the loop that may have records of them in a transaction.

use tokio::sync::{mpsc, oneshot};

use crate::boxed::BoxFuture;
use crate::consumer::{ConsumerHandle, RebalanceListener};
use crate::ids::TopicPartition;

/// Partitions that go; the group waits until it is dropped.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) partitions: Vec<TopicPartition>,
    /// They may be another member's already.
    pub(super) is_lost: bool,
    _told: oneshot::Sender<()>,
}

#[derive(Debug)]
pub(super) struct PassOn(mpsc::Sender<Change>);

impl PassOn {
    pub(super) fn new() -> (Self, mpsc::Receiver<Change>) {
        let (sender, receiver) = mpsc::channel(1);
        (Self(sender), receiver)
    }

    async fn pass(&self, partitions: &[TopicPartition], is_lost: bool) {
        let (_told, told) = oneshot::channel();
        let change = Change { partitions: partitions.to_vec(), is_lost, _told };
        if self.0.send(change).await.is_ok() {
            // Nothing is ever sent: the change is dropped when it has been seen to.
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
