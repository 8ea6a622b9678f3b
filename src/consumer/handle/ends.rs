//! What there is of partitions and topics, and whether all of it was read.

use super::{ConsumerHandle, Core};
use crate::cluster::PartitionDescription;
use crate::consumer::catch_up::CatchUpStep;
use crate::consumer::watermarks::Watermarks;
use crate::error::Result;
use crate::ids::{Offset, TopicName, TopicPartition};

impl ConsumerHandle {
    /// Waits until the application has received all that there was to read when it was called: each
    /// partition that is assigned now, up to its end of now (`read_committed`: its last stable
    /// offset).
    ///
    /// It needs somebody who receives at the same time: this task, as in the example of
    /// [`Consumer::caught_up`](crate::Consumer::caught_up), or another, which may then still be at
    /// work on what it received last. The call is made when the future is first polled.
    ///
    /// - A partition that is not assigned any more is not waited for. A member of a group without
    ///   partitions waits until it has some: at the beginning, and in the middle of a rebalance.
    /// - A partition that is paused is waited for until it is resumed and read.
    /// - After a seek, a partition is read to its end as of the call or of the seek, whichever
    ///   comes first.
    ///
    /// # Errors
    /// - [`ErrorKind::Config`](crate::ErrorKind::Config) if nothing is subscribed or assigned.
    /// - As [`ConsumerHandle::end_offsets`], if the ends cannot be had.
    /// - What has stopped a partition before its end, such as [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) or
    ///   [`ErrorKind::NoOffset`](crate::ErrorKind::NoOffset); [`ErrorKind::Broker`](crate::ErrorKind::Broker) with FENCED_INSTANCE_ID.
    /// - [`ErrorKind::Closed`](crate::ErrorKind::Closed) if the consumer was closed.
    ///
    /// # Cancel safety
    /// Safe.
    pub fn caught_up(&self) -> impl Future<Output = Result<()>> + Send + use<> {
        let handle = self.clone();
        async move {
            handle.check_open()?;
            let shared = &handle.core.shared;
            let catch_up = shared.catch_up();
            loop {
                let moved = shared.moved.notified();
                tokio::pin!(moved);
                moved.as_mut().enable();
                handle.check_open()?;
                match catch_up.step()? {
                    CatchUpStep::Done => return Ok(()),
                    CatchUpStep::Wait => moved.await,
                    CatchUpStep::Ask(partitions) => {
                        let ends = handle.end_offsets(partitions.keys().cloned()).await?;
                        for (partition, assignment) in partitions {
                            let end = ends.get(&partition).copied().unwrap_or(Offset(0));
                            catch_up.ends_at(&partition, assignment, end);
                        }
                    }
                }
            }
        }
    }

    /// Returns by how many offsets the next record to be delivered is behind the end of what may be
    /// read, as the last fetch said (Java's `currentLag`). Asks no broker.
    ///
    /// `None` if the partition is not assigned, has no position yet, or was not fetched yet. A
    /// paused partition is not fetched, so its end is that of before.
    pub fn current_lag(&self, partition: &TopicPartition) -> Option<u64> {
        self.core.shared.read(|subscription| subscription.assignment_of(partition)?.lag())
    }

    /// Returns where the log of a partition begins and ends, as the last fetch said (librdkafka's
    /// `rd_kafka_get_watermark_offsets`). Asks no broker.
    ///
    /// `None` if the partition is not assigned or was not fetched yet. A paused partition is not
    /// fetched, so what is known of it is that of before.
    pub fn watermarks(&self, partition: &TopicPartition) -> Option<Watermarks> {
        self.core.shared.read(|subscription| subscription.assignment_of(partition)?.watermarks())
    }

    /// Returns the partitions of a topic, in order (Java's `partitionsFor`). Asks a broker each
    /// time, which may create the topic (`allow.auto.create.topics`).
    ///
    /// # Errors
    /// - [`ErrorKind::Broker`](crate::ErrorKind::Broker) with what the broker says of the topic: at once if that does not
    ///   pass, such as a missing right; else, such as for a topic that does not exist, after
    ///   `default.api.timeout.ms`.
    /// - [`ErrorKind::Config`](crate::ErrorKind::Config) for an invalid topic name.
    /// - [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) after `default.api.timeout.ms`.
    /// - [`ErrorKind::Closed`](crate::ErrorKind::Closed) if the consumer was closed.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn partitions_for(
        &self,
        topic: impl Into<TopicName>,
    ) -> Result<Vec<PartitionDescription>> {
        let Core { cluster, config, .. } = &*self.core;
        let (topic, deadline) = (topic.into(), self.api_deadline());
        let may_create = config.allow_auto_create_topics;
        self.while_open(cluster.describe_partitions(&topic, may_create, deadline)).await
    }
}
