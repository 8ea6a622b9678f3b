//! What a consumer does through its own handle, so that it stands where it is looked for.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::cluster::PartitionDescription;
use crate::consumer::{
    Consumer, ConsumerConfig, ConsumerMembership, ConsumerRecord, OffsetAndTimestamp, Watermarks,
};
use crate::error::Result;
use crate::group_metadata::{ConsumerGroupMetadata, OffsetAndMetadata};
use crate::ids::{ClientInstanceId, Offset, Timestamp, TopicName, TopicPartition};

impl Consumer {
    /// Subscribes to topics, whose partitions the group assigns to its members. Replaces an earlier
    /// subscription. An empty list ends it, as
    /// [`ConsumerHandle::unsubscribe`](crate::ConsumerHandle::unsubscribe) does.
    ///
    /// # Errors
    /// As [`ConsumerHandle::subscribe`](crate::ConsumerHandle::subscribe).
    pub fn subscribe<T: Into<TopicName>>(&self, topics: impl IntoIterator<Item = T>) -> Result<()> {
        self.handle.subscribe(topics)
    }

    /// Subscribes to all present and future topics whose whole name matches a regular expression.
    /// Replaces an earlier subscription.
    ///
    /// # Errors
    /// As [`ConsumerHandle::subscribe_pattern`](crate::ConsumerHandle::subscribe_pattern).
    pub fn subscribe_pattern(&self, pattern: &str) -> Result<()> {
        self.handle.subscribe_pattern(pattern)
    }

    /// Assigns partitions manually, without group management. Replaces an earlier assignment;
    /// partitions in both keep their position. An empty list ends it, as
    /// [`ConsumerHandle::unsubscribe`](crate::ConsumerHandle::unsubscribe) does.
    ///
    /// # Errors
    /// As [`ConsumerHandle::assign`](crate::ConsumerHandle::assign).
    pub fn assign(&self, partitions: impl IntoIterator<Item = TopicPartition>) -> Result<()> {
        self.handle.assign(partitions)
    }

    /// Gives up all partitions and leaves the group.
    ///
    /// # Errors
    /// As [`ConsumerHandle::unsubscribe`](crate::ConsumerHandle::unsubscribe).
    pub fn unsubscribe(&self) -> Result<()> {
        self.handle.unsubscribe()
    }

    /// Returns the partitions currently assigned to this consumer.
    pub fn assignment(&self) -> Vec<TopicPartition> {
        self.handle.assignment()
    }

    /// Seeks to an offset: the next record of the partition is the first at or after it. Buffered
    /// records of other partitions are kept.
    ///
    /// With the leader epoch of the record before it, a log that was cut before it is noticed
    /// (KIP-320).
    ///
    /// # Errors
    /// As [`ConsumerHandle::seek`](crate::ConsumerHandle::seek).
    pub fn seek(
        &self,
        partition: &TopicPartition,
        offset: impl Into<OffsetAndMetadata>,
    ) -> Result<()> {
        self.handle.seek(partition, offset)
    }

    /// Seeks to the earliest offset of partitions.
    ///
    /// # Errors
    /// As [`ConsumerHandle::seek_to_beginning`](crate::ConsumerHandle::seek_to_beginning).
    pub fn seek_to_beginning<'a>(
        &self,
        partitions: impl IntoIterator<Item = &'a TopicPartition>,
    ) -> Result<()> {
        self.handle.seek_to_beginning(partitions)
    }

    /// Seeks to the end of partitions: only later records are consumed.
    ///
    /// # Errors
    /// As [`ConsumerHandle::seek_to_end`](crate::ConsumerHandle::seek_to_end).
    pub fn seek_to_end<'a>(
        &self,
        partitions: impl IntoIterator<Item = &'a TopicPartition>,
    ) -> Result<()> {
        self.handle.seek_to_end(partitions)
    }

    /// Seeks to the first record whose timestamp is at or after a time, or to the end if there is
    /// none.
    ///
    /// # Errors
    /// As [`ConsumerHandle::seek_to_time`](crate::ConsumerHandle::seek_to_time).
    pub fn seek_to_time<'a>(
        &self,
        partitions: impl IntoIterator<Item = &'a TopicPartition>,
        time: Timestamp,
    ) -> Result<()> {
        self.handle.seek_to_time(partitions, time)
    }

    /// Pauses partitions: they are neither fetched nor delivered until
    /// [`ConsumerHandle::resume`](crate::ConsumerHandle::resume). Their buffered records are kept.
    ///
    /// # Errors
    /// As [`ConsumerHandle::pause`](crate::ConsumerHandle::pause).
    pub fn pause<'a>(
        &self,
        partitions: impl IntoIterator<Item = &'a TopicPartition> + Clone,
    ) -> Result<()> {
        self.handle.pause(partitions)
    }

    /// Resumes paused partitions. Has no effect on partitions that are not paused.
    ///
    /// # Errors
    /// As [`ConsumerHandle::resume`](crate::ConsumerHandle::resume).
    pub fn resume<'a>(
        &self,
        partitions: impl IntoIterator<Item = &'a TopicPartition> + Clone,
    ) -> Result<()> {
        self.handle.resume(partitions)
    }

    /// Returns the paused partitions.
    pub fn paused(&self) -> Vec<TopicPartition> {
        self.handle.paused()
    }

    /// Returns the client instance id under which brokers expose this consumer's metrics (KIP-714),
    /// once a broker has assigned one.
    ///
    /// # Errors
    /// As [`ConsumerHandle::client_instance_id`](crate::ConsumerHandle::client_instance_id),
    /// including its cancel safety.
    pub async fn client_instance_id(&self, timeout: Duration) -> Result<ClientInstanceId> {
        self.handle.client_instance_id(timeout).await
    }

    /// Returns the offset of the next record to be delivered, waiting up to
    /// `default.api.timeout.ms` until it is known.
    ///
    /// # Errors
    /// As [`ConsumerHandle::position`](crate::ConsumerHandle::position), including its cancel
    /// safety.
    pub async fn position(&self, partition: &TopicPartition) -> Result<Offset> {
        self.handle.position(partition).await
    }

    /// Waits until the application has received all that there was to read when it was called; see
    /// [`ConsumerHandle::caught_up`](crate::ConsumerHandle::caught_up). The future borrows nothing,
    /// so that it can be waited for beside the records: a compacted topic is a table, and this reads
    /// it.
    ///
    /// ```no_run
    /// # use std::{collections::HashMap, pin::pin};
    /// # use kavka::{Consumer, Result, TopicPartition};
    /// # async fn read(mut consumer: Consumer) -> Result<HashMap<Vec<u8>, Option<Vec<u8>>>> {
    /// let (mut table, mut caught_up) = (HashMap::new(), pin!(consumer.caught_up()));
    /// loop {
    ///     tokio::select! {
    ///         done = &mut caught_up => break done.map(|()| table),
    ///         batch = consumer.next_batch() => table.extend(
    ///             batch?.iter().map(|it| (it.key().unwrap_or_default().to_vec(), it.value().map(Vec::from))),
    ///         ),
    ///     }
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`ConsumerHandle::caught_up`](crate::ConsumerHandle::caught_up), including its cancel
    /// safety.
    pub fn caught_up(&self) -> impl Future<Output = Result<()>> + Send + use<> {
        self.handle.caught_up()
    }

    /// Returns by how many offsets the next record to be delivered is behind the end of what may be
    /// read, as the last fetch said. Asks no broker; see
    /// [`ConsumerHandle::current_lag`](crate::ConsumerHandle::current_lag).
    pub fn current_lag(&self, partition: &TopicPartition) -> Option<u64> {
        self.handle.current_lag(partition)
    }

    /// Returns where the log of a partition begins and ends, as the last fetch said. Asks no
    /// broker; see [`ConsumerHandle::watermarks`](crate::ConsumerHandle::watermarks).
    pub fn watermarks(&self, partition: &TopicPartition) -> Option<Watermarks> {
        self.handle.watermarks(partition)
    }

    /// Returns the first offset of each partition, which need not be assigned.
    ///
    /// # Errors
    /// As [`ConsumerHandle::beginning_offsets`](crate::ConsumerHandle::beginning_offsets),
    /// including its cancel safety.
    pub async fn beginning_offsets(
        &self,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Result<BTreeMap<TopicPartition, Offset>> {
        self.handle.beginning_offsets(partitions).await
    }

    /// Returns the offset after the last record of each partition, which need not be assigned; with
    /// `read_committed`, the last stable offset.
    ///
    /// # Errors
    /// As [`ConsumerHandle::end_offsets`](crate::ConsumerHandle::end_offsets), including its cancel
    /// safety.
    pub async fn end_offsets(
        &self,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Result<BTreeMap<TopicPartition, Offset>> {
        self.handle.end_offsets(partitions).await
    }

    /// Returns, for each partition, the first record whose timestamp is at or after a time, or
    /// `None` if there is none.
    ///
    /// # Errors
    /// As [`ConsumerHandle::offsets_for_times`](crate::ConsumerHandle::offsets_for_times),
    /// including its cancel safety.
    pub async fn offsets_for_times(
        &self,
        times: impl IntoIterator<Item = (TopicPartition, Timestamp)>,
    ) -> Result<BTreeMap<TopicPartition, Option<OffsetAndTimestamp>>> {
        self.handle.offsets_for_times(times).await
    }

    /// Returns the partitions of a topic, in order. Asks a broker each time.
    ///
    /// # Errors
    /// As [`ConsumerHandle::partitions_for`](crate::ConsumerHandle::partitions_for), including its
    /// cancel safety.
    pub async fn partitions_for(
        &self,
        topic: impl Into<TopicName>,
    ) -> Result<Vec<PartitionDescription>> {
        self.handle.partitions_for(topic).await
    }

    /// Commits the positions of all records returned to the application, and waits until they are
    /// committed.
    ///
    /// # Errors
    /// As [`ConsumerHandle::commit`](crate::ConsumerHandle::commit), including its cancel safety.
    pub async fn commit(&self) -> Result<()> {
        self.handle.commit().await
    }

    /// Returns which member of its group this consumer was when it returned records last, for
    /// [`Transaction::send_offsets`](crate::Transaction::send_offsets).
    ///
    /// # Errors
    /// As [`ConsumerHandle::group_metadata`](crate::ConsumerHandle::group_metadata).
    pub fn group_metadata(&self) -> Result<ConsumerGroupMetadata> {
        self.handle.group_metadata()
    }

    /// Returns the topics that the consumer is subscribed to; for a pattern, those that match it
    /// now.
    pub fn subscription(&self) -> Vec<TopicName> {
        self.handle.subscription()
    }

    /// Returns which member of its group the consumer is at this moment, and whether it is one.
    ///
    /// # Errors
    /// As [`ConsumerHandle::membership`](crate::ConsumerHandle::membership).
    pub fn membership(&self) -> Result<ConsumerMembership> {
        self.handle.membership()
    }

    /// Makes the consumer join its group again, so that partitions are assigned anew (KIP-568).
    ///
    /// # Errors
    /// As [`ConsumerHandle::enforce_rebalance`](crate::ConsumerHandle::enforce_rebalance).
    pub fn enforce_rebalance(&self, reason: &str) -> Result<()> {
        self.handle.enforce_rebalance(reason)
    }

    /// Commits what [`Consumer::commit`] does in the background; a failure is told to the
    /// [listener](Consumer::commit_listener), or logged.
    ///
    /// # Errors
    /// As [`ConsumerHandle::commit_async`](crate::ConsumerHandle::commit_async).
    pub fn commit_async(&self) -> Result<()> {
        self.handle.commit_async()
    }

    /// Commits the given offsets, each that of the next record to consume, in the background.
    ///
    /// # Errors
    /// As [`ConsumerHandle::commit_offsets_async`](crate::ConsumerHandle::commit_offsets_async).
    pub fn commit_offsets_async<O: Into<OffsetAndMetadata>>(
        &self,
        offsets: impl IntoIterator<Item = (TopicPartition, O)>,
    ) -> Result<()> {
        self.handle.commit_offsets_async(offsets)
    }

    /// Marks a record as done, with `enable.auto.offset.store=false`.
    ///
    /// # Errors
    /// As [`ConsumerHandle::mark_done`](crate::ConsumerHandle::mark_done), which says more.
    pub fn mark_done(&self, record: &ConsumerRecord) -> Result<()> {
        self.handle.mark_done(record)
    }

    /// Marks all records of a partition before an offset as done, with
    /// `enable.auto.offset.store=false`.
    ///
    /// # Errors
    /// As [`ConsumerHandle::store_offset`](crate::ConsumerHandle::store_offset).
    pub fn store_offset(
        &self,
        partition: &TopicPartition,
        offset: impl Into<Offset>,
    ) -> Result<()> {
        self.handle.store_offset(partition, offset)
    }

    /// Commits the given offsets, each that of the next record to consume, and waits until they are
    /// committed.
    ///
    /// # Errors
    /// As [`ConsumerHandle::commit_offsets`](crate::ConsumerHandle::commit_offsets), including its
    /// cancel safety.
    pub async fn commit_offsets<O: Into<OffsetAndMetadata>>(
        &self,
        offsets: impl IntoIterator<Item = (TopicPartition, O)>,
    ) -> Result<()> {
        self.handle.commit_offsets(offsets).await
    }

    /// Returns the committed offset of each partition, which need not be assigned, or `None` if the
    /// group has committed none.
    ///
    /// # Errors
    /// As [`ConsumerHandle::committed`](crate::ConsumerHandle::committed), including its cancel
    /// safety.
    pub async fn committed(
        &self,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Result<BTreeMap<TopicPartition, Option<OffsetAndMetadata>>> {
        self.handle.committed(partitions).await
    }

    /// Returns the consumer's configuration.
    pub fn config(&self) -> &ConsumerConfig {
        self.handle.config()
    }
}
