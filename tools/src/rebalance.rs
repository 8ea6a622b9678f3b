//! Rebalances, told to the one task of a program that reads and writes: the group waits for it.

use kavka::{BoxFuture, ConsumerHandle, RebalanceListener, TopicPartition};
use tokio::sync::{mpsc, oneshot};

/// Partitions that came or went, lost ones included; the group waits until this is dropped.
#[derive(Debug)]
pub struct Rebalance {
    pub is_assigned: bool,
    pub partitions: Vec<TopicPartition>,
    _heard: oneshot::Sender<()>,
}

/// Passes rebalances on.
#[derive(Debug)]
pub struct PassOn(mpsc::Sender<Rebalance>);

impl PassOn {
    pub fn new() -> (Self, mpsc::Receiver<Rebalance>) {
        let (sender, receiver) = mpsc::channel(1);
        (Self(sender), receiver)
    }

    async fn pass(&self, is_assigned: bool, partitions: &[TopicPartition]) {
        let (_heard, heard) = oneshot::channel();
        let rebalance = Rebalance { is_assigned, partitions: partitions.to_vec(), _heard };
        if self.0.send(rebalance).await.is_ok() {
            // Nothing is ever sent: it is dropped when it has been seen to.
            let _ = heard.await;
        }
    }
}

impl RebalanceListener for PassOn {
    fn on_assigned<'a>(
        &'a self,
        _: &'a ConsumerHandle,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a> {
        Box::pin(self.pass(true, partitions))
    }

    fn on_revoked<'a>(
        &'a self,
        _: &'a ConsumerHandle,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a> {
        Box::pin(self.pass(false, partitions))
    }

    fn on_lost<'a>(
        &'a self,
        _: &'a ConsumerHandle,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a> {
        Box::pin(self.pass(false, partitions))
    }
}
