//! What a handle tells of the membership in the group, and asks of it.

use crate::consumer::handle::ConsumerHandle;
use crate::consumer::membership::ConsumerMembership;
use crate::consumer::subscription::SubscriptionKind;
use crate::error::Result;
use crate::ids::TopicName;

impl ConsumerHandle {
    /// Returns the topics that the consumer is subscribed to; for a pattern, those that match it
    /// now, or if the coordinator reads it, those that are assigned of it. Empty without a
    /// subscription.
    pub fn subscription(&self) -> Vec<TopicName> {
        let (view, config) = (self.core.cluster.view(), &self.core.config);
        let topics = self.core.shared.read(|subscription| {
            let assigned = || subscription.assignment().map(|tp| tp.topic.clone()).collect();
            match subscription.interest() {
                SubscriptionKind::Pattern(pattern) if pattern.is_of_coordinator() => assigned(),
                interest => {
                    let topics = interest.topics(&view, config.exclude_internal_topics);
                    topics.unwrap_or_default()
                }
            }
        });
        topics.into_iter().collect()
    }

    /// Returns which member of its group the consumer is at this moment, and whether it is one.
    ///
    /// For offsets of records in a transaction, [`ConsumerHandle::group_metadata`] is right, which
    /// stays that of the records.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) without `group.id`.
    pub fn membership(&self) -> Result<ConsumerMembership> {
        Ok(self.group()?.membership())
    }

    /// Makes the consumer join its group again, so that partitions are assigned anew (Java's
    /// `enforceRebalance`, KIP-568). Returns at once; the consumer joins in the background.
    ///
    /// For what Kafka cannot notice: an assignor of your own that goes by something that has
    /// changed. The coordinator rebalances the group if the member is its leader or tells something
    /// new, such as other user data
    /// ([`PartitionAssignor::subscription_user_data`](crate::PartitionAssignor::subscription_user_data));
    /// if not, the member gets what it had. During a rebalance, or while the consumer is not a
    /// member, the call has no effect.
    ///
    /// Brokers log the reason, of which 255 characters are sent (KIP-800).
    ///
    /// Under the consumer protocol the coordinator assigns by itself: the call has no effect, and a
    /// warning is logged, as by Java's client.
    ///
    /// # Errors
    /// - [`ErrorKind::Config`](crate::ErrorKind::Config) without `group.id`.
    /// - [`ErrorKind::Closed`](crate::ErrorKind::Closed) if the consumer was closed.
    pub fn enforce_rebalance(&self, reason: &str) -> Result<()> {
        self.check_open()?;
        self.group()?.enforce_rebalance(reason);
        Ok(())
    }
}
