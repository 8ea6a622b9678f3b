//! What can be done with a consumer beside receiving from it, from any task.

mod ends;
mod membership;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::client_telemetry::ClientTelemetry;
use crate::cluster::{Cluster, LaneGuard};
use crate::consumer::config::{ConsumerConfig, GroupProtocol};
use crate::consumer::fetch::rpc::{EARLIEST, LATEST};
use crate::consumer::group::Group;
use crate::consumer::offsets::{self, OffsetAndTimestamp};
use crate::consumer::position::{DeliveryGate, Position, ResetTo};
use crate::consumer::record::ConsumerRecord;
use crate::consumer::shared::{ConsumerShared, closed};
use crate::consumer::subscription::{Pattern, Subscription};
use crate::error::{Error, ErrorKind, Result};
use crate::group_metadata::{ConsumerGroupMetadata, OffsetAndMetadata};
use crate::ids::{ClientInstanceId, Offset, Timestamp, TopicName, TopicPartition};
use crate::runtime::{self, Runtime};

/// What all handles of one consumer share.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) shared: Arc<ConsumerShared>,
    pub(crate) cluster: Cluster,
    /// The consumer's tasks: they end with it.
    pub(crate) runtime: Runtime,
    pub(crate) config: ConsumerConfig,
    pub(crate) _lanes: LaneGuard,
    /// The part in a group, if there is a `group.id`.
    pub(crate) group: Option<Group>,
    pub(crate) metrics: ClientTelemetry,
}

/// Controls a [`Consumer`](crate::Consumer) from other tasks: subscription, positions, pauses and
/// commits.
///
/// Cheap to clone. It does not keep the consumer alive: once the consumer is dropped or closed,
/// calls fail with [`ErrorKind::Closed`].
#[derive(Clone, Debug)]
pub struct ConsumerHandle {
    pub(crate) core: Arc<Core>,
}

impl ConsumerHandle {
    /// Subscribes to topics, whose partitions the group assigns to its members. Replaces an earlier
    /// subscription. An empty list ends it, as [`ConsumerHandle::unsubscribe`] does.
    ///
    /// # Errors
    /// - [`ErrorKind::Config`] without `group.id`, after [`ConsumerHandle::assign`], or for an
    ///   invalid topic name.
    /// - [`ErrorKind::Closed`] if the consumer was closed.
    pub fn subscribe<T: Into<TopicName>>(&self, topics: impl IntoIterator<Item = T>) -> Result<()> {
        let topics: BTreeSet<_> = topics.into_iter().map(Into::into).collect();
        self.update(|subscription| subscription.subscribe(topics))
    }

    /// Subscribes to all present and future topics whose whole name matches a regular expression.
    /// Replaces an earlier subscription.
    ///
    /// In a classic group this client reads the expression, by the syntax of the crate `regex-lite`,
    /// and asks for the metadata of all topics. With
    /// [`GroupProtocol::Consumer`] the group's coordinator reads it
    /// (RE2/J, KIP-848): `exclude.internal.topics` has no effect then, no other metadata is asked
    /// for, and an expression that it does not understand is told by the next call for records, with
    /// INVALID_REGULAR_EXPRESSION.
    ///
    /// # Errors
    /// - [`ErrorKind::Config`] without `group.id`, after [`ConsumerHandle::assign`], or for an
    ///   invalid pattern, if this client reads it.
    /// - [`ErrorKind::Closed`] if the consumer was closed.
    pub fn subscribe_pattern(&self, pattern: &str) -> Result<()> {
        let pattern = match self.core.config.group_protocol {
            GroupProtocol::Consumer => Pattern::of_coordinator(pattern)?,
            GroupProtocol::Classic | GroupProtocol::Auto => Pattern::new(pattern)?,
        };
        self.update(|subscription| subscription.subscribe_pattern(pattern))
    }

    /// Assigns partitions manually, without group management. Replaces an earlier assignment;
    /// partitions in both keep their position. An empty list ends it, as
    /// [`ConsumerHandle::unsubscribe`] does.
    ///
    /// With a `group.id`, partitions start at the offset that the group has committed, otherwise as
    /// `auto.offset.reset` says.
    ///
    /// # Errors
    /// - [`ErrorKind::Config`] during a subscription, which [`ConsumerHandle::unsubscribe`] ends,
    ///   or for an invalid topic name.
    /// - [`ErrorKind::Closed`] if the consumer was closed.
    pub fn assign(&self, partitions: impl IntoIterator<Item = TopicPartition>) -> Result<()> {
        let partitions = partitions.into_iter().collect();
        self.update(|subscription| subscription.assign(partitions))
    }

    /// Gives up all partitions and leaves the group.
    ///
    /// No further records of these partitions are delivered. In the background, processed records
    /// are committed (`enable.auto.commit`), the rebalance listener is called and may still commit,
    /// and the group is left. A new subscription or assignment takes effect after that.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`] if the consumer was closed.
    pub fn unsubscribe(&self) -> Result<()> {
        self.update(|subscription| {
            subscription.unsubscribe();
            Ok(())
        })
    }

    /// Returns the partitions currently assigned to this consumer.
    pub fn assignment(&self) -> Vec<TopicPartition> {
        self.core.shared.read(|subscription| subscription.assignment().cloned().collect())
    }

    /// Seeks to an offset: the next record of the partition is the first at or after it. Buffered
    /// records of other partitions are kept.
    ///
    /// With the leader epoch of the record before it, as in an [`OffsetAndMetadata`] that was kept
    /// elsewhere, the leader is first asked whether its log still holds that record (KIP-320). If
    /// it was cut before it, the next call that asks for records returns
    /// [`ErrorKind::LogTruncated`] and the consumer goes on where the log was cut.
    ///
    /// # Errors
    /// - [`ErrorKind::Config`] if the partition is not assigned or the offset is negative.
    /// - [`ErrorKind::Closed`] if the consumer was closed.
    pub fn seek(
        &self,
        partition: &TopicPartition,
        offset: impl Into<OffsetAndMetadata>,
    ) -> Result<()> {
        let OffsetAndMetadata { offset, leader_epoch, .. } = offset.into();
        self.update(|subscription| subscription.seek(partition, Position { offset, leader_epoch }))
    }

    /// Seeks to the earliest offset of partitions.
    ///
    /// # Errors
    /// - [`ErrorKind::Config`] if a partition is not assigned; the partitions before it have been
    ///   moved.
    /// - [`ErrorKind::Closed`] if the consumer was closed.
    pub fn seek_to_beginning<'a>(
        &self,
        partitions: impl IntoIterator<Item = &'a TopicPartition>,
    ) -> Result<()> {
        self.seek_to(partitions, ResetTo::Earliest)
    }

    /// Seeks to the end of partitions: only later records are consumed.
    ///
    /// # Errors
    /// - [`ErrorKind::Config`] if a partition is not assigned; the partitions before it have been
    ///   moved.
    /// - [`ErrorKind::Closed`] if the consumer was closed.
    pub fn seek_to_end<'a>(
        &self,
        partitions: impl IntoIterator<Item = &'a TopicPartition>,
    ) -> Result<()> {
        self.seek_to(partitions, ResetTo::Latest)
    }

    /// Seeks to the first record whose timestamp is at or after a time, or to the end if there is
    /// none.
    ///
    /// # Errors
    /// - [`ErrorKind::Config`] for a time before 1970, or if a partition is not assigned; the
    ///   partitions before it have been moved.
    /// - [`ErrorKind::Closed`] if the consumer was closed.
    pub fn seek_to_time<'a>(
        &self,
        partitions: impl IntoIterator<Item = &'a TopicPartition>,
        time: Timestamp,
    ) -> Result<()> {
        if time.0 < 0 {
            return Err(Error::config(format!(
                "a time to seek must not be negative, but is {}",
                time.0
            )));
        }
        self.seek_to(partitions, ResetTo::Time(time))
    }

    /// Pauses partitions: they are neither fetched nor delivered until [`ConsumerHandle::resume`].
    /// Their buffered records are kept.
    ///
    /// The partitions stay assigned, and the member stays in the group. A partition that is revoked
    /// and assigned again is no longer paused.
    ///
    /// # Errors
    /// - [`ErrorKind::Config`] if a partition is not assigned; none is paused then.
    /// - [`ErrorKind::Closed`] if the consumer was closed.
    pub fn pause<'a>(
        &self,
        partitions: impl IntoIterator<Item = &'a TopicPartition> + Clone,
    ) -> Result<()> {
        self.update(|subscription| subscription.set_paused(partitions, true))
    }

    /// Resumes paused partitions. Has no effect on partitions that are not paused.
    ///
    /// # Errors
    /// - [`ErrorKind::Config`] if a partition is not assigned; none is resumed then.
    /// - [`ErrorKind::Closed`] if the consumer was closed.
    pub fn resume<'a>(
        &self,
        partitions: impl IntoIterator<Item = &'a TopicPartition> + Clone,
    ) -> Result<()> {
        self.update(|subscription| subscription.set_paused(partitions, false))
    }

    /// Returns the paused partitions.
    pub fn paused(&self) -> Vec<TopicPartition> {
        self.core.shared.read(|subscription| subscription.paused().cloned().collect())
    }

    /// Returns the client instance id under which brokers expose this consumer's metrics (KIP-714),
    /// once a broker has assigned one.
    ///
    /// # Errors
    /// - [`ErrorKind::Config`] with `enable.metrics.push=false`.
    /// - [`ErrorKind::Timeout`] if no broker has assigned one within `timeout`, as in a cluster
    ///   without a metrics receiver.
    /// - [`ErrorKind::Closed`] if the consumer was closed.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn client_instance_id(&self, timeout: Duration) -> Result<ClientInstanceId> {
        self.core.metrics.client_instance_id(runtime::deadline(timeout)).await
    }

    /// Returns the offset of the next record to be delivered, waiting up to
    /// `default.api.timeout.ms` until it is known.
    ///
    /// # Errors
    /// - [`ErrorKind::Config`] if the partition is not assigned.
    /// - [`ErrorKind::NoOffset`] if it has no valid offset and `auto.offset.reset` is `none`, or
    ///   another failure that stopped the partition before it had a position.
    /// - [`ErrorKind::Timeout`] after `default.api.timeout.ms`.
    /// - [`ErrorKind::Closed`] if the consumer was closed.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn position(&self, partition: &TopicPartition) -> Result<Offset> {
        let deadline = self.api_deadline();
        let shared = &self.core.shared;
        loop {
            let moved = shared.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            self.check_open()?;
            if let Some(offset) = shared.read(|subscription| subscription.position(partition))? {
                return Ok(offset);
            }
            tokio::select! {
                biased;
                () = moved => {}
                () = runtime::sleep_until(deadline) => {
                    let limit = self.core.cluster.config().default_api_timeout.as_millis();
                    let message = format!(
                        "neither a committed offset nor one of the log could be had within \
                         {limit} ms (default.api.timeout.ms): the warnings of this client say \
                         what it waits for"
                    );
                    return Err(Error::new(ErrorKind::Timeout, message).at_partition(partition.clone()));
                }
            }
        }
    }

    /// Returns the first offset of each partition, which need not be assigned.
    ///
    /// # Errors
    /// - [`ErrorKind::Timeout`], or the last failure of a partition leader, after
    ///   `default.api.timeout.ms`.
    /// - [`ErrorKind::Broker`] if a broker refuses the request.
    /// - [`ErrorKind::Closed`] if the consumer was closed.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn beginning_offsets(
        &self,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Result<BTreeMap<TopicPartition, Offset>> {
        self.ends(partitions, EARLIEST).await
    }

    /// Returns the offset after the last record of each partition, which need not be assigned; with
    /// `read_committed`, the last stable offset.
    ///
    /// # Errors
    /// As [`ConsumerHandle::beginning_offsets`].
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn end_offsets(
        &self,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Result<BTreeMap<TopicPartition, Offset>> {
        self.ends(partitions, LATEST).await
    }

    /// Returns, for each partition, the first record whose timestamp is at or after a time, or
    /// `None` if there is none.
    ///
    /// # Errors
    /// As [`ConsumerHandle::beginning_offsets`], and [`ErrorKind::Config`] for a time before 1970.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn offsets_for_times(
        &self,
        times: impl IntoIterator<Item = (TopicPartition, Timestamp)>,
    ) -> Result<BTreeMap<TopicPartition, Option<OffsetAndTimestamp>>> {
        let times: BTreeMap<_, _> =
            times.into_iter().map(|(partition, time)| (partition, time.0)).collect();
        if let Some((partition, _)) = times.iter().find(|(_, time)| **time < 0) {
            return Err(Error::config("a time to look for must not be negative")
                .at_partition(partition.clone()));
        }
        self.find(times).await
    }

    /// Commits the positions of all records returned to the application, or with
    /// `enable.auto.offset.store=false` of those that are done, and waits until they are committed.
    ///
    /// # Errors
    /// - The class [`Class::Rejoin`](crate::Class::Rejoin) if a partition with uncommitted records
    ///   was taken away since records were last requested, or during the call: another member may
    ///   process these records again.
    /// - [`ErrorKind::Timeout`] after `default.api.timeout.ms`.
    /// - [`ErrorKind::Config`] without `group.id`.
    /// - [`ErrorKind::Broker`] if the coordinator refuses the commit, or if the membership has
    ///   ended for good, for example because of another consumer with the same `group.instance.id`.
    /// - [`ErrorKind::Closed`] if the consumer was closed.
    ///
    /// # Ordering
    /// Commits of one consumer are applied in the order in which they were requested.
    ///
    /// # Cancel safety
    /// If the future is dropped, the offsets are committed nevertheless.
    pub async fn commit(&self) -> Result<()> {
        self.group()?.commit(None, self.api_deadline()).await
    }

    /// Returns which member of its group this consumer was when it returned records last, for
    /// [`Transaction::send_offsets`](crate::Transaction::send_offsets) (Java's `groupMetadata`,
    /// KIP-447).
    ///
    /// Offsets of these records are accepted only while that generation of the group lasts. Offsets
    /// of records that were returned earlier need the metadata of then: ask for it before you ask
    /// for more records, if you work on several batches at a time.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] without `group.id`.
    pub fn group_metadata(&self) -> Result<ConsumerGroupMetadata> {
        let group = self.group()?;
        Ok(self.core.shared.received_as().unwrap_or_else(|| ConsumerGroupMetadata::new(group.id())))
    }

    /// Which member of its group this consumer is now; only for whoever lets no partition go
    /// between receiving its records and sending their offsets.
    pub(crate) fn member(&self) -> Result<ConsumerGroupMetadata> {
        let group = self.group()?;
        Ok(self.core.shared.member().unwrap_or_else(|| ConsumerGroupMetadata::new(group.id())))
    }

    /// Moves a partition back to an offset, unless it stands before it.
    pub(crate) fn go_back(&self, partition: &TopicPartition, offset: Offset) -> Result<()> {
        self.update(|subscription| subscription.go_back(partition, offset))
    }

    /// Commits what [`ConsumerHandle::commit`] does in the background; a failure is told to the
    /// [listener](crate::Consumer::commit_listener), or logged.
    ///
    /// # Errors
    /// - [`ErrorKind::Config`] without `group.id`.
    /// - The class [`Class::Rejoin`](crate::Class::Rejoin) if a partition was taken away, as in
    ///   [`ConsumerHandle::commit`].
    /// - [`ErrorKind::Closed`] if the consumer was closed.
    ///
    /// # Ordering
    /// As [`ConsumerHandle::commit`].
    pub fn commit_async(&self) -> Result<()> {
        self.group()?.commit_later(None, self.api_deadline())
    }

    /// Commits the given offsets, each that of the next record to consume, in the background; a
    /// failure is told to the [listener](crate::Consumer::commit_listener), or logged.
    ///
    /// # Errors
    /// As [`ConsumerHandle::commit_async`], and [`ErrorKind::Config`] for a negative offset.
    ///
    /// # Ordering
    /// As [`ConsumerHandle::commit`].
    pub fn commit_offsets_async<O: Into<OffsetAndMetadata>>(
        &self,
        offsets: impl IntoIterator<Item = (TopicPartition, O)>,
    ) -> Result<()> {
        self.group()?.commit_later(Some(with_metadata(offsets)), self.api_deadline())
    }

    /// Commits the given offsets, each that of the next record to consume, and waits until they are
    /// committed.
    ///
    /// # Errors
    /// As [`ConsumerHandle::commit`], and [`ErrorKind::Config`] for a negative offset.
    ///
    /// # Ordering
    /// As [`ConsumerHandle::commit`].
    ///
    /// # Cancel safety
    /// If the future is dropped, the offsets are committed nevertheless.
    pub async fn commit_offsets<O: Into<OffsetAndMetadata>>(
        &self,
        offsets: impl IntoIterator<Item = (TopicPartition, O)>,
    ) -> Result<()> {
        self.group()?.commit(Some(with_metadata(offsets)), self.api_deadline()).await
    }

    /// Marks a record as done, with `enable.auto.offset.store=false`: commits, automatic ones too,
    /// then cover each partition up to the first record that was returned and is not done. Records may
    /// be done in any order and by any task, and a partition of which all is done is committed up to
    /// its position.
    ///
    /// A record that was returned before a seek of its partition is passed over.
    ///
    /// ```no_run
    /// # async fn work(_: &kavka::ConsumerRecord) {}
    /// # async fn run(mut consumer: kavka::Consumer) -> kavka::Result<()> {
    /// // Commits come by themselves (`enable.auto.commit`) and by `commit`.
    /// loop {
    ///     let (record, handle) = (consumer.recv().await?, consumer.handle());
    ///     tokio::spawn(async move {
    ///         work(&record).await;
    ///         handle.mark_done(&record)
    ///     });
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// - [`ErrorKind::Config`] unless `enable.auto.offset.store` is false.
    /// - The class [`Class::Rejoin`](crate::Class::Rejoin) if the partition is not assigned any more:
    ///   another member processes the record again.
    /// - [`ErrorKind::Closed`] if the consumer was closed.
    pub fn mark_done(&self, record: &ConsumerRecord) -> Result<()> {
        self.check_marking()?;
        let assignment = record.assignment();
        // Without the lock as long as nothing has happened to the partition.
        if assignment.delivery() == DeliveryGate::Ended {
            self.core
                .shared
                .read(|subscription| subscription.check_owned(assignment.partition()))?;
        }
        assignment.mark(record.covered(), record.leader_epoch());
        Ok(())
    }

    /// Marks all records of a partition before an offset as done, as [`ConsumerHandle::mark_done`]
    /// does one of them; that of [`RecordBatch::next_offset`](crate::RecordBatch::next_offset) for a
    /// batch that is done (librdkafka's `rd_kafka_offsets_store`). What is done stays so if the offset
    /// is behind an earlier one.
    ///
    /// # Errors
    /// As [`ConsumerHandle::mark_done`], and [`ErrorKind::Config`] for a negative offset.
    pub fn store_offset(
        &self,
        partition: &TopicPartition,
        offset: impl Into<Offset>,
    ) -> Result<()> {
        self.check_marking()?;
        let offset = offset.into();
        if offset.0 < 0 {
            return Err(Error::config("an offset to store must not be negative")
                .at_partition(partition.clone()));
        }
        self.core.shared.read(|subscription| subscription.mark_to(partition, offset))
    }

    /// As commits, this goes on while a consumer is being closed: its listener may finish what is in
    /// hand.
    fn check_marking(&self) -> Result<()> {
        match &self.core.group {
            Some(group) => group.check_running()?,
            None => self.check_open()?,
        }
        if self.core.config.enable_auto_offset_store {
            return Err(Error::config(
                "what is done is marked with enable.auto.offset.store=false only: with true, a record \
                 counts as done when the next one is asked for",
            ));
        }
        Ok(())
    }

    /// Returns the committed offset of each partition, which need not be assigned, or `None` if the
    /// group has committed none.
    ///
    /// # Errors
    /// - [`ErrorKind::Config`] without `group.id`.
    /// - [`ErrorKind::Timeout`], or the last retriable failure, after `default.api.timeout.ms`.
    /// - [`ErrorKind::Broker`] if the coordinator refuses the request.
    /// - [`ErrorKind::Closed`] if the consumer was closed.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn committed(
        &self,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Result<BTreeMap<TopicPartition, Option<OffsetAndMetadata>>> {
        let partitions: Vec<_> = partitions.into_iter().collect();
        let group = self.group()?;
        self.while_open(group.committed(&partitions, self.api_deadline())).await
    }

    /// Returns the consumer's configuration.
    pub fn config(&self) -> &ConsumerConfig {
        &self.core.config
    }

    fn group(&self) -> Result<&Group> {
        self.core
            .group
            .as_ref()
            .ok_or_else(|| Error::config("a consumer without group.id has no group"))
    }

    async fn ends(
        &self,
        partitions: impl IntoIterator<Item = TopicPartition>,
        end: i64,
    ) -> Result<BTreeMap<TopicPartition, Offset>> {
        let found =
            self.find(partitions.into_iter().map(|partition| (partition, end)).collect()).await?;
        Ok(found
            .into_iter()
            .filter_map(|(partition, found)| Some((partition, found?.offset)))
            .collect())
    }

    async fn find(
        &self,
        times: BTreeMap<TopicPartition, i64>,
    ) -> Result<BTreeMap<TopicPartition, Option<OffsetAndTimestamp>>> {
        let Core { cluster, config, .. } = &*self.core;
        self.while_open(offsets::find(cluster, &times, config.isolation_level, self.api_deadline()))
            .await
    }

    /// Waits for an answer as long as the consumer is there to want it.
    async fn while_open<T>(&self, answer: impl Future<Output = Result<T>>) -> Result<T> {
        self.check_open()?;
        self.core
            .runtime
            .cancelled()
            .run_until_cancelled(Box::pin(answer))
            .await
            .unwrap_or_else(|| Err(closed()))
    }

    fn seek_to<'a>(
        &self,
        partitions: impl IntoIterator<Item = &'a TopicPartition>,
        to: ResetTo,
    ) -> Result<()> {
        self.update(|subscription| {
            partitions.into_iter().try_for_each(|partition| subscription.seek_to(partition, to))
        })
    }

    fn update<T>(&self, change: impl FnOnce(&mut Subscription) -> Result<T>) -> Result<T> {
        self.check_open()?;
        self.core.shared.update(change)
    }

    fn check_open(&self) -> Result<()> {
        if self.core.shared.is_closed() { Err(closed()) } else { Ok(()) }
    }

    /// When a call of this moment must have ended (`default.api.timeout.ms`).
    pub(crate) fn api_deadline(&self) -> Instant {
        runtime::now() + self.core.cluster.config().default_api_timeout
    }
}

fn with_metadata<O: Into<OffsetAndMetadata>>(
    offsets: impl IntoIterator<Item = (TopicPartition, O)>,
) -> BTreeMap<TopicPartition, OffsetAndMetadata> {
    offsets.into_iter().map(|(partition, offset)| (partition, offset.into())).collect()
}
