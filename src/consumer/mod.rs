//! Consuming: from brokers to records.
//!
//! ```text
//!  application ── Consumer ── receive ◀── buffer ◀── fetch task ⇄ brokers
//!       └──── ConsumerHandle ──▶ subscription ◀──▶ ┘
//!                                     ▲
//!                                group task ⇄ coordinator
//! ```
//! `subscription` is what all parts agree on; a change to it rings whom it concerns (`shared`).
//! Nobody else is told anything.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

mod assignor;
#[cfg(feature = "test-util")]
pub(crate) mod bench;
mod catch_up;
mod closing;
mod config;
mod fetch;
mod forward;
mod group;
mod handle;
mod isolation;
mod marks;
mod membership;
mod metrics;
mod observer;
mod offsets;
mod position;
mod rebalance;
mod receive;
mod record;
mod shared;
mod stream;
mod subscription;
mod watermarks;

pub use assignor::{
    GroupMember, GroupSubscription, MemberAssignment, MemberSubscription, PartitionAssignor, Racks,
    RebalanceProtocol,
};
pub use closing::{CloseOptions, GroupMembershipOperation};
pub use config::{
    AssignmentStrategy, AutoOffsetReset, ConsumerConfig, GroupProtocol, IsolationLevel,
};
pub use handle::ConsumerHandle;
#[cfg(feature = "mq")]
pub(crate) use marks::Marks;
pub use membership::{ConsumerMembership, MembershipState};
pub use offsets::OffsetAndTimestamp;
pub use rebalance::RebalanceListener;
pub use record::{BatchIter, BatchRecord, ConsumerRecord, RecordBatch};
pub use watermarks::Watermarks;

use fetch::buffer::Buffer;
use fetch::task::Fetcher;
use group::{Change, Group};
use handle::Core;
use observer::ConsumerObserver;
use receive::Receiver;
use shared::ConsumerShared;
use subscription::Subscription;

use crate::cluster::{Cluster, Lane};
use crate::error::{Error, ErrorKind, Result};
use crate::group_metadata::OffsetAndMetadata;
use crate::ids::TopicPartition;
use crate::runtime;
use crate::wire::batch::DecodeOptions;

/// Receives records.
///
/// A consumer is one member of its group, if it has one. It receives in one task at a time; other
/// tasks can control it through its [`ConsumerHandle`], whose methods it offers as well. Records of
/// one partition are received in offset order; partitions take turns.
///
/// Dropping a consumer ends its tasks at once, without committing and without leaving the group;
/// see [`Consumer::close`].
pub struct Consumer {
    handle: ConsumerHandle,
    receiver: Receiver,
}

impl Consumer {
    /// Starts a consumer's tasks.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for impossible settings.
    pub(crate) fn start(cluster: &Cluster, mut config: ConsumerConfig) -> Result<Self> {
        config.validate(cluster.config())?;
        config.client_rack = config.client_rack.or_else(|| cluster.config().client_rack.clone());
        let runtime = cluster.runtime().child();
        let decode = DecodeOptions {
            check_crc: config.check_crcs,
            max_decompressed: config.max_decompressed_batch_bytes,
        };
        let buffer = Buffer::new(
            config.fetch_buffer_bytes,
            usize::try_from(config.max_partition_fetch_bytes).unwrap_or(0),
        );
        let mut subscription =
            Subscription::new(config.auto_offset_reset, config.group_id.is_some(), buffer);
        if !config.enable_auto_offset_store {
            subscription = subscription.marked_by_application();
        }
        subscription.tells_ends = config.enable_partition_eof;
        let listeners = cluster.listeners();
        let observer = ConsumerObserver::new(cluster.recorder().consumer(), listeners.clone());
        let shared = Arc::new(ConsumerShared::new(
            subscription,
            runtime.cancelled().clone(),
            decode,
            observer,
        ));
        if let Some(statistics) = listeners.statistics() {
            statistics.add(metrics::reading(&shared, config.group_id.is_some()));
        }
        let lanes = cluster.lanes();
        let fetcher =
            Fetcher::new(Arc::clone(&shared), cluster, &runtime, Lane::Fetch(lanes.id()), &config);
        runtime.spawn(fetcher.run());
        let receiver = Receiver::new(Arc::clone(&shared), config.max_poll_records);
        let group = match config.group_id {
            Some(_) => Some(Group::start(&shared, cluster, &runtime, &config)?),
            None => None,
        };
        let metrics = metrics::start(&shared, group.as_ref(), cluster, &runtime, &config);
        let core = Core {
            shared,
            cluster: cluster.clone(),
            runtime,
            config,
            _lanes: lanes,
            group,
            metrics,
        };
        Ok(Self { handle: ConsumerHandle { core: Arc::new(core) }, receiver })
    }

    /// Waits for the next record of any assigned partition.
    ///
    /// Records of one partition are received in offset order. The call moves the position by one
    /// record and marks the record returned before as processed, so that an automatic commit may
    /// cover it (`enable.auto.commit`).
    ///
    /// # Errors
    /// - [`ErrorKind::Config`] if nothing is subscribed or assigned.
    /// - [`ErrorKind::Closed`] if the consumer was closed.
    /// - [`ErrorKind::Authentication`], [`ErrorKind::Tls`] or [`ErrorKind::Unsupported`] while the
    ///   cluster does not accept this client: returned by every call. Each call makes the client
    ///   try again, after a backoff that grows from `retry.backoff.ms` to `retry.backoff.max.ms`.
    ///   Buffered records are not lost.
    /// - [`ErrorKind::Broker`] with FENCED_INSTANCE_ID, returned by every call, once another
    ///   consumer with the same `group.instance.id` has fenced this one.
    /// - [`ErrorKind::MaxPollExceeded`], returned once, if the application has not asked for
    ///   records within `max.poll.interval.ms`. The consumer joins its group again.
    /// - [`ErrorKind::Corrupt`], [`ErrorKind::NoOffset`], [`ErrorKind::LogTruncated`] or
    ///   [`ErrorKind::Broker`] for one partition, which the error names. It is returned once; the
    ///   next call continues with the other partitions.
    /// - With [`enable_partition_eof`](ConsumerConfig::enable_partition_eof),
    ///   [`ErrorKind::PartitionEof`] each time that the end of a partition is reached, which the
    ///   error names; the next call waits for more.
    ///
    /// # Cancel safety
    /// Safe: if the future is dropped, no record is lost and the position is unchanged.
    pub async fn recv(&mut self) -> Result<ConsumerRecord> {
        let Self { handle, receiver } = self;
        let _waiting = handle.core.shared.activity.claim();
        poll_fn(|context| receiver.poll_record(context)).await
    }

    /// Waits for the next records of any one partition. The cheapest way to consume.
    ///
    /// The records are those of one batch as stored by the broker, at most `max.poll.records` of
    /// them. The call moves the position past them and marks the records returned before as
    /// processed.
    ///
    /// # Errors
    /// As [`Consumer::recv`].
    ///
    /// # Cancel safety
    /// Safe: if the future is dropped, no record is lost and the position is unchanged.
    pub async fn next_batch(&mut self) -> Result<RecordBatch> {
        let Self { handle, receiver } = self;
        let _waiting = handle.core.shared.activity.claim();
        poll_fn(|context| receiver.poll_batch(context)).await
    }

    /// Waits for up to `max` records of any assigned partitions, but no longer than `wait`
    /// (librdkafka's `rd_kafka_consume_batch_queue`).
    ///
    /// Returns as soon as there are `max` records, or no more can be fetched before some are taken:
    /// a partition has `max.partition.fetch.bytes` buffered, or the consumer as much as
    /// `fetch.buffer.bytes` allows. After `wait`, it returns what there is, which may be nothing.
    /// Records of one partition are in offset order; partitions take turns, batch by batch.
    /// `max.poll.records` has no meaning here.
    ///
    /// The call moves the positions past the records it returns, and marks those returned before as
    /// processed.
    ///
    /// ```no_run
    /// # async fn run(mut consumer: kavka::Consumer) -> kavka::Result<()> {
    /// # fn insert(_: &[kavka::ConsumerRecord]) {}
    /// loop {
    ///     let records = consumer.recv_many(1_000, std::time::Duration::from_millis(200)).await?;
    ///     insert(&records);
    ///     consumer.commit().await?;
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Consumer::recv`]. One that comes after records is returned by the next call.
    ///
    /// # Cancel safety
    /// Safe: if the future is dropped, no record is lost and no position is changed.
    pub async fn recv_many(&mut self, max: usize, wait: Duration) -> Result<Vec<ConsumerRecord>> {
        let Self { handle, receiver } = self;
        let _waiting = handle.core.shared.activity.claim();
        let mut late = pin!(runtime::sleep_until(runtime::deadline(wait)));
        let mut is_late = wait.is_zero();
        poll_fn(|context| {
            is_late = is_late || late.as_mut().poll(context).is_ready();
            receiver.poll_many(context, max, is_late)
        })
        .await
    }

    /// Returns a handle for other tasks.
    pub fn handle(&self) -> ConsumerHandle {
        self.handle.clone()
    }

    /// Registers a listener for changes of the assignment, replacing an earlier one. Register it
    /// before `subscribe` to receive every change.
    ///
    /// Without a `group.id`, the listener is never called.
    pub fn rebalance_listener(&self, listener: impl RebalanceListener) {
        let Some(group) = &self.handle.core.group else { return };
        let listener = Arc::new(listener);
        // The listener's handle must not keep the consumer alive.
        let core = Arc::downgrade(&self.handle.core);
        group.set_listener(Arc::new(move |change| {
            let (listener, core) = (Arc::clone(&listener), core.clone());
            Box::pin(async move {
                let Some(core) = core.upgrade() else { return };
                let handle = ConsumerHandle { core };
                match &change {
                    Change::Assigned(partitions) => listener.on_assigned(&handle, partitions).await,
                    Change::Revoked(partitions) => listener.on_revoked(&handle, partitions).await,
                    Change::Abandoned(partitions) | Change::Lost(partitions) => {
                        listener.on_lost(&handle, partitions).await;
                    }
                }
            })
        }));
    }

    /// Registers who is told what became of commits, replacing an earlier listener: of each partition
    /// the offset that was committed, or why it could not be. It hears of every commit, also of
    /// automatic ones (librdkafka's `offset_commit_cb`).
    ///
    /// It is called by a task that the consumer's membership depends on, and must not block.
    ///
    /// Without a `group.id`, the listener is never called.
    pub fn commit_listener(
        &self,
        listener: impl Fn(&BTreeMap<TopicPartition, Result<OffsetAndMetadata>>) + Send + Sync + 'static,
    ) {
        if let Some(group) = &self.handle.core.group {
            group.set_commit_listener(Arc::new(listener));
        }
    }

    /// Commits (with `enable.auto.commit`), leaves the group so that other members take over at
    /// once, unless it is a static member, and waits until the consumer's tasks have ended.
    ///
    /// All records returned to the application count as processed, as after another call of
    /// [`Consumer::recv`], unless the application marks what is done
    /// (`enable.auto.offset.store=false`). To leave them uncommitted, drop the consumer instead. The
    /// call waits for
    /// the coordinator for at most `request.timeout.ms`.
    ///
    /// # Errors
    /// [`ErrorKind::Timeout`] if something has not ended within `timeout`; it is stopped all the
    /// same.
    ///
    /// # Cancel safety
    /// If the future is dropped, the tasks are still stopped, but the group may not be left.
    pub async fn close(self, timeout: Duration) -> Result<()> {
        self.close_with(CloseOptions::new().timeout(timeout)).await
    }

    /// Closes the consumer as [`Consumer::close`] does, and says whether it leaves its group or
    /// remains in it (KIP-1092).
    ///
    /// # Errors
    /// As [`Consumer::close`], including its cancel safety.
    pub async fn close_with(mut self, options: CloseOptions) -> Result<()> {
        let CloseOptions { timeout, operation } = options;
        self.receiver.finish();
        let core = &self.handle.core;
        let deadline = runtime::deadline(timeout);
        core.shared.close();
        let left = match &core.group {
            // As in Java; a coordinator that cannot be reached for so long will not be.
            Some(group) => {
                let limit = runtime::now() + core.cluster.config().request_timeout;
                group.close(deadline.min(limit), operation).await
            }
            None => Ok(()),
        };
        core.metrics.close(deadline).await;
        core.runtime.cancel();
        tokio::time::timeout_at(deadline.into(), core.runtime.join()).await.map_err(|_| {
            Error::new(
                ErrorKind::Timeout,
                format!("a task of the consumer did not end within {timeout:?}"),
            )
        })?;
        left
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.handle.core.shared.close();
        self.handle.core.runtime.cancel();
    }
}

impl std::fmt::Debug for Consumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consumer").field("handle", &self.handle).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
