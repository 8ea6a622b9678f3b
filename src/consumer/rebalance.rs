//! What an application is told when the group moves partitions.

use crate::boxed::BoxFuture;
use crate::consumer::ConsumerHandle;
use crate::ids::TopicPartition;

/// Receives changes of a consumer's assignment. The rebalance waits for each call to complete.
///
/// Calls for one consumer never overlap. No record of a newly assigned partition is delivered
/// before `on_assigned` has returned, and no record of a revoked partition is delivered once
/// `on_revoked` has begun. If a call takes longer than `max.poll.interval.ms`, the member loses its
/// membership.
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
    /// Called when partitions are assigned in addition to those the consumer already has: at the end
    /// of each rebalance of this consumer, with none if none came. The place to seek.
    fn on_assigned<'a>(
        &'a self,
        consumer: &'a ConsumerHandle,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a> {
        let _ = (consumer, partitions);
        Box::pin(std::future::ready(()))
    }

    /// Called when partitions are about to be revoked. The last chance to commit what was
    /// processed.
    fn on_revoked<'a>(
        &'a self,
        consumer: &'a ConsumerHandle,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a> {
        let _ = (consumer, partitions);
        Box::pin(std::future::ready(()))
    }

    /// Called when partitions were lost without notice and may already belong to other members.
    /// Nothing of them can be committed. Called also for those of a member that leaves while it
    /// joins its group again: what it commits may not count (Java's
    /// `ConsumerCoordinator.onLeavePrepare`).
    fn on_lost<'a>(
        &'a self,
        consumer: &'a ConsumerHandle,
        partitions: &'a [TopicPartition],
    ) -> BoxFuture<'a> {
        let _ = (consumer, partitions);
        Box::pin(std::future::ready(()))
    }
}
