//! What can be done with a consumer beside receiving from it, from any task.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::client_telemetry::ClientTelemetry;
use crate::cluster::{Cluster, LaneGuard};
use crate::consumer::config::ConsumerConfig;
use crate::consumer::fetch::rpc::{EARLIEST, LATEST};
use crate::consumer::group::Group;
use crate::consumer::offsets::{self, OffsetAndTimestamp};
use crate::consumer::position::OffsetAndMetadata;
use crate::consumer::position::{Position, ResetTo};
use crate::consumer::shared::{ConsumerShared, closed};
use crate::consumer::subscription::{Pattern, Subscription};
use crate::error::{Error, ErrorKind, Result};
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

/// Steers a [`Consumer`](crate::Consumer) from other tasks: subscriptions, positions, pauses, commits, the end.
///
/// Cheap to clone. It does not keep the consumer alive: once that is dropped or closed, every call fails with
/// [`ErrorKind::Closed`].
#[derive(Clone, Debug)]
pub struct ConsumerHandle {
    pub(crate) core: Arc<Core>,
}

impl ConsumerHandle {
    /// Subscribes to topics: the group shares their partitions out. Replaces an earlier subscription; no topics at all end it, as
    /// [`ConsumerHandle::unsubscribe`] does.
    ///
    /// # Errors
    /// Config without `group.id`, after [`ConsumerHandle::assign`], and for an impossible name.
    pub fn subscribe<T: Into<TopicName>>(&self, topics: impl IntoIterator<Item = T>) -> Result<()> {
        let topics: BTreeSet<_> = topics.into_iter().map(Into::into).collect();
        self.update(|subscription| subscription.subscribe(topics))
    }

    /// Subscribes to all topics, now or later, whose whole name matches a regular expression. Replaces an earlier subscription.
    ///
    /// # Errors
    /// Config without `group.id`, after [`ConsumerHandle::assign`], and if the pattern cannot be read.
    pub fn subscribe_pattern(&self, pattern: &str) -> Result<()> {
        let pattern = Pattern::new(pattern)?;
        self.update(|subscription| subscription.subscribe_pattern(pattern))
    }

    /// Consumes these partitions, whatever others do; no group shares them out. Replaces an earlier assignment, of which the
    /// partitions that stay keep their position. No partitions at all end it, as [`ConsumerHandle::unsubscribe`] does.
    ///
    /// With a `group.id` they start where the group has committed, else where `auto.offset.reset` says.
    ///
    /// # Errors
    /// Config after a subscription without [`ConsumerHandle::unsubscribe`], and for an impossible name.
    pub fn assign(&self, partitions: impl IntoIterator<Item = TopicPartition>) -> Result<()> {
        let partitions = partitions.into_iter().collect();
        self.update(|subscription| subscription.assign(partitions))
    }

    /// Gives up every partition, and leaves the group.
    ///
    /// Nothing of them is delivered from here on. In the background what is processed is committed (`enable.auto.commit`), the listener
    /// hears that they are revoked and may still commit, and the group is left; whatever is subscribed or assigned meanwhile waits for that.
    ///
    /// # Errors
    /// Closed.
    pub fn unsubscribe(&self) -> Result<()> {
        self.update(|subscription| {
            subscription.unsubscribe();
            Ok(())
        })
    }

    /// The partitions that this consumer has now.
    pub fn assignment(&self) -> Vec<TopicPartition> {
        self.core.shared.read(|subscription| subscription.assignment().cloned().collect())
    }

    /// Goes on at an offset: the next record of the partition is the first at or after it. What is buffered for other
    /// partitions stays.
    ///
    /// # Errors
    /// Config if the partition is not assigned or the offset is negative.
    pub fn seek(&self, partition: &TopicPartition, offset: impl Into<Offset>) -> Result<()> {
        let offset = offset.into();
        self.update(|subscription| subscription.seek(partition, Position::at(offset)))
    }

    /// Goes on at the first record there is.
    ///
    /// # Errors
    /// Config if a partition is not assigned; those before it have moved.
    pub fn seek_to_beginning<'a>(&self, partitions: impl IntoIterator<Item = &'a TopicPartition>) -> Result<()> {
        self.seek_to(partitions, ResetTo::Earliest)
    }

    /// Goes on at the end: with records that come later.
    ///
    /// # Errors
    /// Config if a partition is not assigned; those before it have moved.
    pub fn seek_to_end<'a>(&self, partitions: impl IntoIterator<Item = &'a TopicPartition>) -> Result<()> {
        self.seek_to(partitions, ResetTo::Latest)
    }

    /// Goes on at the first record that is not older than a time, or at the end if there is none.
    ///
    /// # Errors
    /// Config for a time before 1970, and if a partition is not assigned; those before it have moved.
    pub fn seek_to_time<'a>(&self, partitions: impl IntoIterator<Item = &'a TopicPartition>, time: Timestamp) -> Result<()> {
        if time.0 < 0 {
            return Err(Error::config(format!("a time to seek must not be negative, but is {}", time.0)));
        }
        self.seek_to(partitions, ResetTo::Time(time))
    }

    /// Stops fetching and delivering partitions until [`ConsumerHandle::resume`]; what is buffered for them is kept.
    ///
    /// They stay assigned and the member stays alive. A partition that the group takes away and gives back is not paused.
    ///
    /// # Errors
    /// Config if a partition is not assigned; then none is paused.
    pub fn pause<'a>(&self, partitions: impl IntoIterator<Item = &'a TopicPartition> + Clone) -> Result<()> {
        self.update(|subscription| subscription.set_paused(partitions, true))
    }

    /// Ends a pause; needless calls change nothing.
    ///
    /// # Errors
    /// Config if a partition is not assigned; then none is resumed.
    pub fn resume<'a>(&self, partitions: impl IntoIterator<Item = &'a TopicPartition> + Clone) -> Result<()> {
        self.update(|subscription| subscription.set_paused(partitions, false))
    }

    /// The partitions that are paused.
    pub fn paused(&self) -> Vec<TopicPartition> {
        self.core.shared.read(|subscription| subscription.paused().cloned().collect())
    }

    /// The id under which brokers tell this consumer's metrics on (KIP-714); waits until a broker has given one.
    ///
    /// # Errors
    /// Config with `enable.metrics.push=false`; Timeout, as where no broker has a receiver of metrics; Closed.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn client_instance_id(&self, timeout: Duration) -> Result<ClientInstanceId> {
        self.core.metrics.client_instance_id(runtime::deadline(timeout)).await
    }

    /// The offset of the next record that will be delivered; waits, up to `default.api.timeout.ms`, until it is known.
    ///
    /// # Errors
    /// Config if the partition is not assigned; [`ErrorKind::NoOffset`]; Timeout; Closed.
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
                        "neither a committed offset nor one of the log could be had within {limit} ms (default.api.timeout.ms): the \
                         warnings of this client say what it waits for"
                    );
                    return Err(Error::new(ErrorKind::Timeout, message).at_partition(partition.clone()));
                }
            }
        }
    }

    /// The first offset of each partition, assigned or not.
    ///
    /// # Errors
    /// Timeout, or the leaders' last failure, after `default.api.timeout.ms`; what the brokers refuse.
    /// # Cancel safety
    /// Safe.
    pub async fn beginning_offsets(
        &self,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Result<BTreeMap<TopicPartition, Offset>> {
        self.ends(partitions, EARLIEST).await
    }

    /// The offset after the last record of each partition, assigned or not; under `read_committed` the last stable offset.
    ///
    /// # Errors
    /// As [`ConsumerHandle::beginning_offsets`].
    /// # Cancel safety
    /// Safe.
    pub async fn end_offsets(
        &self,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Result<BTreeMap<TopicPartition, Offset>> {
        self.ends(partitions, LATEST).await
    }

    /// The first record of each partition that is not older than a time; `None` where there is none.
    ///
    /// # Errors
    /// As [`ConsumerHandle::beginning_offsets`]; Config for a time before 1970.
    /// # Cancel safety
    /// Safe.
    pub async fn offsets_for_times(
        &self,
        times: impl IntoIterator<Item = (TopicPartition, Timestamp)>,
    ) -> Result<BTreeMap<TopicPartition, Option<OffsetAndTimestamp>>> {
        let times: BTreeMap<_, _> = times.into_iter().map(|(partition, time)| (partition, time.0)).collect();
        if let Some((partition, _)) = times.iter().find(|(_, time)| **time < 0) {
            return Err(Error::config("a time to look for must not be negative").at_partition(partition.clone()));
        }
        self.find(times).await
    }

    /// Commits everything that was handed over to the application, and waits until it is committed.
    ///
    /// # Errors
    /// Rejoin if a partition was taken away since records were asked for last, with some that are not committed, or meanwhile: another
    /// member may work on it again. Timeout after `default.api.timeout.ms`; Config without `group.id`; what the coordinator refuses; what
    /// ended the membership for good, as a consumer with the same `group.instance.id`; Closed.
    ///
    /// # Ordering
    /// Commits of one consumer are applied in the order in which they were asked for.
    ///
    /// # Cancel safety
    /// If the future is dropped, the offsets are committed all the same.
    pub async fn commit(&self) -> Result<()> {
        self.group()?.commit(None, self.api_deadline()).await
    }

    /// Commits everything that was handed over to the application, in the background; a failure is logged.
    ///
    /// # Errors
    /// Config without `group.id`; Rejoin if some of it was taken away, as of [`ConsumerHandle::commit`]; Closed.
    ///
    /// # Ordering
    /// As [`ConsumerHandle::commit`].
    pub fn commit_async(&self) -> Result<()> {
        self.group()?.commit_later(self.api_deadline())
    }

    /// Commits these offsets, each the next to consume, and waits until they are committed.
    ///
    /// # Errors
    /// As [`ConsumerHandle::commit`]; Config for a negative offset.
    ///
    /// # Ordering
    /// As [`ConsumerHandle::commit`].
    ///
    /// # Cancel safety
    /// If the future is dropped, the offsets are committed all the same.
    pub async fn commit_offsets<O: Into<OffsetAndMetadata>>(
        &self,
        offsets: impl IntoIterator<Item = (TopicPartition, O)>,
    ) -> Result<()> {
        let offsets = offsets.into_iter().map(|(partition, offset)| (partition, offset.into())).collect();
        self.group()?.commit(Some(offsets), self.api_deadline()).await
    }

    /// What the group has committed for each partition, assigned or not; `None` where there is nothing.
    ///
    /// # Errors
    /// Config without `group.id`; Timeout after `default.api.timeout.ms`; what the coordinator refuses.
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

    /// The settings.
    pub fn config(&self) -> &ConsumerConfig {
        &self.core.config
    }

    fn group(&self) -> Result<&Group> {
        self.core.group.as_ref().ok_or_else(|| Error::config("committed offsets need a group.id"))
    }

    async fn ends(
        &self,
        partitions: impl IntoIterator<Item = TopicPartition>,
        end: i64,
    ) -> Result<BTreeMap<TopicPartition, Offset>> {
        let found = self.find(partitions.into_iter().map(|partition| (partition, end)).collect()).await?;
        Ok(found.into_iter().filter_map(|(partition, found)| Some((partition, found?.offset))).collect())
    }

    async fn find(&self, times: BTreeMap<TopicPartition, i64>) -> Result<BTreeMap<TopicPartition, Option<OffsetAndTimestamp>>> {
        let Core { cluster, config, .. } = &*self.core;
        self.while_open(offsets::find(cluster, &times, config.isolation_level, self.api_deadline())).await
    }

    /// Waits for an answer as long as the consumer is there to want it.
    async fn while_open<T>(&self, answer: impl Future<Output = Result<T>>) -> Result<T> {
        self.check_open()?;
        self.core.runtime.cancelled().run_until_cancelled(Box::pin(answer)).await.unwrap_or_else(|| Err(closed()))
    }

    fn seek_to<'a>(&self, partitions: impl IntoIterator<Item = &'a TopicPartition>, to: ResetTo) -> Result<()> {
        self.update(|subscription| partitions.into_iter().try_for_each(|partition| subscription.seek_to(partition, to)))
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
