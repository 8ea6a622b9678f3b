//! Rebalances, which the group's task tells of and the program's thread handles when it polls.

use std::sync::Arc;
use std::thread::{self, ThreadId};

use kavka::{BoxFuture, ConsumerHandle, TopicPartition};
use tokio::sync::oneshot;

use crate::error::KafkaResult;
use crate::events::{ClientEvent, Events};
use crate::topic_partition_list::TopicPartitionList;

/// What the context is to hear, when the consumer is polled.
#[derive(Debug)]
pub(crate) enum ConsumerEvent {
    Client(ClientEvent),
    Rebalance(Change, Vec<TopicPartition>, oneshot::Sender<()>),
    Committed(KafkaResult<()>, TopicPartitionList),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Assigned,
    Revoked,
    Lost,
}

/// The rebalance that a thread is handling: what it does meanwhile belongs to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handling {
    pub(crate) change: Change,
    thread: ThreadId,
}

impl Handling {
    pub(crate) fn here(change: Change) -> Self {
        Self { change, thread: thread::current().id() }
    }

    pub(crate) fn is_here(self) -> bool {
        self.thread == thread::current().id()
    }
}

/// Passes rebalances on, and waits until they are handled.
pub(crate) struct Listener(pub(crate) Arc<Events<ConsumerEvent>>);

impl Listener {
    fn tell(&self, change: Change, partitions: &[TopicPartition]) -> BoxFuture<'_> {
        let partitions = partitions.to_vec();
        Box::pin(async move {
            let (done, handled) = oneshot::channel();
            self.0.push(ConsumerEvent::Rebalance(change, partitions, done));
            let _ = handled.await;
        })
    }
}

impl kavka::RebalanceListener for Listener {
    fn on_assigned<'a>(
        &'a self,
        _consumer: &'a ConsumerHandle,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a> {
        self.tell(Change::Assigned, partitions)
    }

    fn on_revoked<'a>(
        &'a self,
        _consumer: &'a ConsumerHandle,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a> {
        self.tell(Change::Revoked, partitions)
    }

    fn on_lost<'a>(
        &'a self,
        _consumer: &'a ConsumerHandle,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a> {
        self.tell(Change::Lost, partitions)
    }
}
