//! What a consumer does through its own handle, so that it stands where it is looked for.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::consumer::{Consumer, ConsumerConfig, OffsetAndMetadata, OffsetAndTimestamp};
use crate::error::Result;
use crate::ids::{ClientInstanceId, Offset, Timestamp, TopicName, TopicPartition};

impl Consumer {
    /// Subscribes to topics: the group shares their partitions out. Replaces an earlier subscription; no topics at all end it, as
    /// [`ConsumerHandle::unsubscribe`](crate::ConsumerHandle::unsubscribe) does.
    ///
    /// # Errors
    /// As [`ConsumerHandle::subscribe`](crate::ConsumerHandle::subscribe).
    pub fn subscribe<T: Into<TopicName>>(&self, topics: impl IntoIterator<Item = T>) -> Result<()> {
        self.handle.subscribe(topics)
    }

    /// Subscribes to all topics, now or later, whose whole name matches a regular expression. Replaces an earlier subscription.
    ///
    /// # Errors
    /// As [`ConsumerHandle::subscribe_pattern`](crate::ConsumerHandle::subscribe_pattern).
    pub fn subscribe_pattern(&self, pattern: &str) -> Result<()> {
        self.handle.subscribe_pattern(pattern)
    }

    /// Consumes these partitions, whatever others do; no group shares them out. Replaces an earlier assignment, of which the
    /// partitions that stay keep their position. No partitions at all end it, as [`ConsumerHandle::unsubscribe`](crate::ConsumerHandle::unsubscribe) does.
    ///
    /// # Errors
    /// As [`ConsumerHandle::assign`](crate::ConsumerHandle::assign).
    pub fn assign(&self, partitions: impl IntoIterator<Item = TopicPartition>) -> Result<()> {
        self.handle.assign(partitions)
    }

    /// Gives up every partition, and leaves the group.
    ///
    /// # Errors
    /// As [`ConsumerHandle::unsubscribe`](crate::ConsumerHandle::unsubscribe).
    pub fn unsubscribe(&self) -> Result<()> {
        self.handle.unsubscribe()
    }

    /// The partitions that this consumer has now.
    pub fn assignment(&self) -> Vec<TopicPartition> {
        self.handle.assignment()
    }

    /// Goes on at an offset: the next record of the partition is the first at or after it. What is buffered for other
    /// partitions stays.
    ///
    /// # Errors
    /// As [`ConsumerHandle::seek`](crate::ConsumerHandle::seek).
    pub fn seek(&self, partition: &TopicPartition, offset: impl Into<Offset>) -> Result<()> {
        self.handle.seek(partition, offset)
    }

    /// Goes on at the first record there is.
    ///
    /// # Errors
    /// As [`ConsumerHandle::seek_to_beginning`](crate::ConsumerHandle::seek_to_beginning).
    pub fn seek_to_beginning<'a>(&self, partitions: impl IntoIterator<Item = &'a TopicPartition>) -> Result<()> {
        self.handle.seek_to_beginning(partitions)
    }

    /// Goes on at the end: with records that come later.
    ///
    /// # Errors
    /// As [`ConsumerHandle::seek_to_end`](crate::ConsumerHandle::seek_to_end).
    pub fn seek_to_end<'a>(&self, partitions: impl IntoIterator<Item = &'a TopicPartition>) -> Result<()> {
        self.handle.seek_to_end(partitions)
    }

    /// Goes on at the first record that is not older than a time, or at the end if there is none.
    ///
    /// # Errors
    /// As [`ConsumerHandle::seek_to_time`](crate::ConsumerHandle::seek_to_time).
    pub fn seek_to_time<'a>(&self, partitions: impl IntoIterator<Item = &'a TopicPartition>, time: Timestamp) -> Result<()> {
        self.handle.seek_to_time(partitions, time)
    }

    /// Stops fetching and delivering partitions until [`ConsumerHandle::resume`](crate::ConsumerHandle::resume); what is buffered for them is kept.
    ///
    /// # Errors
    /// As [`ConsumerHandle::pause`](crate::ConsumerHandle::pause).
    pub fn pause<'a>(&self, partitions: impl IntoIterator<Item = &'a TopicPartition> + Clone) -> Result<()> {
        self.handle.pause(partitions)
    }

    /// Ends a pause; needless calls change nothing.
    ///
    /// # Errors
    /// As [`ConsumerHandle::resume`](crate::ConsumerHandle::resume).
    pub fn resume<'a>(&self, partitions: impl IntoIterator<Item = &'a TopicPartition> + Clone) -> Result<()> {
        self.handle.resume(partitions)
    }

    /// The partitions that are paused.
    pub fn paused(&self) -> Vec<TopicPartition> {
        self.handle.paused()
    }

    /// The id under which brokers tell this consumer's metrics on (KIP-714); waits until a broker has given one.
    ///
    /// # Errors
    /// As [`ConsumerHandle::client_instance_id`](crate::ConsumerHandle::client_instance_id), whose cancel safety it has.
    pub async fn client_instance_id(&self, timeout: Duration) -> Result<ClientInstanceId> {
        self.handle.client_instance_id(timeout).await
    }

    /// The offset of the next record that will be delivered; waits, up to `default.api.timeout.ms`, until it is known.
    ///
    /// # Errors
    /// As [`ConsumerHandle::position`](crate::ConsumerHandle::position), whose cancel safety it has.
    pub async fn position(&self, partition: &TopicPartition) -> Result<Offset> {
        self.handle.position(partition).await
    }

    /// The first offset of each partition, assigned or not.
    ///
    /// # Errors
    /// As [`ConsumerHandle::beginning_offsets`](crate::ConsumerHandle::beginning_offsets), whose cancel safety it has.
    pub async fn beginning_offsets(
        &self,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Result<BTreeMap<TopicPartition, Offset>> {
        self.handle.beginning_offsets(partitions).await
    }

    /// The offset after the last record of each partition, assigned or not; under `read_committed` the last stable offset.
    ///
    /// # Errors
    /// As [`ConsumerHandle::end_offsets`](crate::ConsumerHandle::end_offsets), whose cancel safety it has.
    pub async fn end_offsets(
        &self,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Result<BTreeMap<TopicPartition, Offset>> {
        self.handle.end_offsets(partitions).await
    }

    /// The first record of each partition that is not older than a time; `None` where there is none.
    ///
    /// # Errors
    /// As [`ConsumerHandle::offsets_for_times`](crate::ConsumerHandle::offsets_for_times), whose cancel safety it has.
    pub async fn offsets_for_times(
        &self,
        times: impl IntoIterator<Item = (TopicPartition, Timestamp)>,
    ) -> Result<BTreeMap<TopicPartition, Option<OffsetAndTimestamp>>> {
        self.handle.offsets_for_times(times).await
    }

    /// Commits everything that was handed over to the application, and waits until it is committed.
    ///
    /// # Errors
    /// As [`ConsumerHandle::commit`](crate::ConsumerHandle::commit), whose cancel safety it has.
    pub async fn commit(&self) -> Result<()> {
        self.handle.commit().await
    }

    /// Commits everything that was handed over to the application, in the background; a failure is logged.
    ///
    /// # Errors
    /// As [`ConsumerHandle::commit_async`](crate::ConsumerHandle::commit_async).
    pub fn commit_async(&self) -> Result<()> {
        self.handle.commit_async()
    }

    /// Commits these offsets, each the next to consume, and waits until they are committed.
    ///
    /// # Errors
    /// As [`ConsumerHandle::commit_offsets`](crate::ConsumerHandle::commit_offsets), whose cancel safety it has.
    pub async fn commit_offsets<O: Into<OffsetAndMetadata>>(
        &self,
        offsets: impl IntoIterator<Item = (TopicPartition, O)>,
    ) -> Result<()> {
        self.handle.commit_offsets(offsets).await
    }

    /// What the group has committed for each partition, assigned or not; `None` where there is nothing.
    ///
    /// # Errors
    /// As [`ConsumerHandle::committed`](crate::ConsumerHandle::committed), whose cancel safety it has.
    pub async fn committed(
        &self,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Result<BTreeMap<TopicPartition, Option<OffsetAndMetadata>>> {
        self.handle.committed(partitions).await
    }

    /// The settings.
    pub fn config(&self) -> &ConsumerConfig {
        self.handle.config()
    }
}
