//! Messages of one partition, and of all one after the other.

use std::fmt;
use std::sync::Arc;

use kavka::TopicPartition;

use super::BaseConsumer;
use crate::consumer::ConsumerContext;
use crate::error::KafkaResult;
use crate::message::BorrowedMessage;
use crate::util::Timeout;

/// What [`BaseConsumer::iter`] returns.
#[derive(Debug)]
pub struct Iter<'a, C>(pub(super) &'a BaseConsumer<C>)
where
    C: ConsumerContext;

impl<'a, C: ConsumerContext> Iterator for Iter<'a, C> {
    type Item = KafkaResult<BorrowedMessage<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.0.poll(None) {
                return Some(item);
            }
        }
    }
}

impl<'a, C: ConsumerContext> IntoIterator for &'a BaseConsumer<C> {
    type Item = KafkaResult<BorrowedMessage<'a>>;
    type IntoIter = Iter<'a, C>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The queue of one partition.
pub struct PartitionQueue<C>
where
    C: ConsumerContext,
{
    pub(super) consumer: Arc<BaseConsumer<C>>,
    pub(super) partition: TopicPartition,
}

impl<C: ConsumerContext> PartitionQueue<C> {
    /// Returns the next message of the partition: see [`BaseConsumer::poll`]. The consumer has to be
    /// polled, too, if only part of its partitions have queues of their own.
    pub fn poll<T: Into<Timeout>>(&self, timeout: T) -> Option<KafkaResult<BorrowedMessage<'_>>> {
        self.consumer.poll_queue(Some(&self.partition), timeout.into())
    }

    /// Calls `f` whenever the queue has been empty and has a message.
    pub fn set_nonempty_callback<F>(&mut self, f: F)
    where
        F: Fn() + Send + Sync + 'static,
    {
        self.consumer.inbox.on_nonempty(Some(&self.partition), Some(Arc::new(f)));
    }

    pub(crate) fn partition(&self) -> &TopicPartition {
        &self.partition
    }
}

impl<C: ConsumerContext> Drop for PartitionQueue<C> {
    fn drop(&mut self) {
        self.consumer.inbox.on_nonempty(Some(&self.partition), None);
    }
}

impl<C: ConsumerContext> fmt::Debug for PartitionQueue<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartitionQueue").field("partition", &self.partition).finish_non_exhaustive()
    }
}
