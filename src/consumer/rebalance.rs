//! What an application is told when the group moves partitions.

use crate::boxed::BoxFuture;
use crate::consumer::ConsumerHandle;
use crate::ids::TopicPartition;

/// Hears of partitions that come and go; the group waits for each call to end.
///
/// The calls of one consumer never overlap, and none is made while another waits. While partitions come, nothing of them is
/// delivered before `on_assigned` has returned; while they go, nothing of them is delivered from before `on_revoked` begins.
/// A call that takes longer than `max.poll.interval.ms` costs the membership.
///
/// ```
/// use kavka::{BoxFuture, ConsumerHandle, RebalanceListener, TopicPartition};
///
/// struct Flush;
///
/// impl RebalanceListener for Flush {
///     fn on_revoked<'a>(&'a self, _consumer: &'a ConsumerHandle, partitions: &'a [TopicPartition]) -> BoxFuture<'a> {
///         Box::pin(async move { println!("finishing with {partitions:?}") })
///     }
/// }
/// ```
pub trait RebalanceListener: Send + Sync + 'static {
    /// The consumer was given these partitions, in addition to those it had: the place to seek.
    fn on_assigned<'a>(&'a self, consumer: &'a ConsumerHandle, partitions: &'a [TopicPartition]) -> BoxFuture<'a> {
        let _ = (consumer, partitions);
        Box::pin(std::future::ready(()))
    }

    /// The consumer is about to give these partitions up: the last moment to commit what was processed.
    fn on_revoked<'a>(&'a self, consumer: &'a ConsumerHandle, partitions: &'a [TopicPartition]) -> BoxFuture<'a> {
        let _ = (consumer, partitions);
        Box::pin(std::future::ready(()))
    }

    /// These partitions belong to others by now, without notice: nothing of them can be committed.
    fn on_lost<'a>(&'a self, consumer: &'a ConsumerHandle, partitions: &'a [TopicPartition]) -> BoxFuture<'a> {
        let _ = (consumer, partitions);
        Box::pin(std::future::ready(()))
    }
}
