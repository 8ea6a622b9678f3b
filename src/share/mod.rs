//! Consuming as a member of a share group: queues on Kafka (KIP-932).
//!
//! ```text
//!  application ── ShareConsumer ◀── shared (buffer) ◀── task ⇄ brokers (fetch, acknowledge)
//!       └── ShareRecord: accept, release, reject ──▶ acquisition ──▶ ┘ ⇄ coordinator (heartbeat)
//! ```
//! A broker locks records for a consumer and hands them over; the consumer says of each what became
//! of it. Beside [`consumer`](crate::consumer), on the same layers, and of its kind: no positions and
//! no commits of offsets, which are the brokers' here.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, Instant};

mod acknowledge;
mod acknowledgement;
mod acquisition;
mod bell;
mod broker;
mod config;
mod decode;
mod membership;
mod record;
mod rpc;
mod session;
mod shared;
mod task;

pub use acknowledge::AcknowledgeType;
pub use acknowledgement::Acknowledgement;
pub use config::{ShareAcknowledgementMode, ShareAcquireMode, ShareConsumerConfig};
pub use record::{ShareBatch, ShareRecord};

use acquisition::Acquisition;
use membership::{ShareMemberSettings, ShareMembership};
use rpc::{ShareFetchSettings, ShareRpc};
use shared::ShareShared;
use task::{ShareTask, ShareTaskParts};

use crate::cluster::{Cluster, GroupCoordinator, Lane, LaneGuard};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{Offset, TopicName, TopicPartition};
use crate::runtime::{self, Runtime, Turn};
use crate::sync::lock;
use crate::watch;
use crate::wire::batch::DecodeOptions;

/// Told what became of acknowledgements.
type AcknowledgementListener =
    Arc<dyn Fn(&TopicPartition, RangeInclusive<Offset>, &Result<()>) + Send + Sync>;

/// Receives records as a member of a share group (KIP-932): a queue, of which several consumers take
/// from the same partitions, each record going to one of them at a time.
///
/// The broker locks each record for the consumer that gets it. Say what became of it:
/// [`accept`](ShareRecord::accept), [`release`](ShareRecord::release) or
/// [`reject`](ShareRecord::reject). A record that nothing is said of comes again, to whichever
/// consumer, when its lock runs out. Records may be acknowledged in any order and from any task;
/// acknowledgements travel with a fetch, once something is said of all that came together, or after
/// 100 ms, or at once if somebody awaits them or [commits](ShareConsumer::commit).
///
/// It needs brokers of Kafka 4.2 or later, and receives in one task at a time. Dropping a consumer
/// ends its tasks at once: what was not acknowledged is released when the brokers see the connections
/// end, and its place in the group when its session is over; see [`ShareConsumer::close`].
///
/// ```no_run
/// # async fn run(client: kavka::Client) -> kavka::Result<()> {
/// # async fn send_mail(_: &kavka::ShareRecord) -> bool { true }
/// use kavka::{ShareAcknowledgementMode, ShareConsumerConfig};
///
/// let config = ShareConsumerConfig::new("mailers")
///     .share_acknowledgement_mode(ShareAcknowledgementMode::Explicit);
/// let mut consumer = client.share_consumer(config)?;
/// consumer.subscribe(["mails"])?;
/// loop {
///     let record = consumer.recv().await?;
///     tokio::spawn(async move {
///         match send_mail(&record).await {
///             true => record.accept(),
///             false => record.release(),
///         }
///     });
/// }
/// # }
/// ```
pub struct ShareConsumer {
    shared: Arc<ShareShared>,
    cluster: Cluster,
    runtime: Runtime,
    config: ShareConsumerConfig,
    member: String,
    listener: Arc<Mutex<Option<AcknowledgementListener>>>,
    /// Until when it is to have ended, once it is being closed.
    closing: watch::Publisher<Option<Instant>>,
    /// What was returned last, which the next call accepts.
    given: Option<(Arc<Acquisition>, std::ops::Range<u32>)>,
    turn: Turn,
    _lanes: LaneGuard,
}

impl ShareConsumer {
    /// Starts a consumer's task.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] for impossible settings.
    pub(crate) fn start(cluster: &Cluster, mut config: ShareConsumerConfig) -> Result<Self> {
        config.validate()?;
        config.client_rack = config.client_rack.or_else(|| cluster.config().client_rack.clone());
        let runtime = cluster.runtime().child();
        let shared =
            Arc::new(ShareShared::new(config.max_poll_records / 2, runtime.cancelled().clone()));
        let lanes = cluster.lanes();
        let settings = ShareFetchSettings {
            min_bytes: config.fetch_min_bytes,
            max_bytes: config.fetch_max_bytes.min(REPLY.max(config.fetch_min_bytes)),
            max_records: i32::try_from(config.max_poll_records).unwrap_or(i32::MAX),
            max_wait: config.fetch_max_wait,
            acquire_mode: config.share_acquire_mode,
            rack: config.client_rack.clone(),
            decode: DecodeOptions {
                check_crc: config.check_crcs,
                max_decompressed: config.max_decompressed_batch_bytes,
            },
        };
        let member_settings = ShareMemberSettings {
            max_poll_interval: config.max_poll_interval,
            backoff: cluster.retry_backoff(),
        };
        let machine = ShareMembership::new(member_settings, cluster.random(), runtime::now());
        let member = machine.member().to_owned();
        let listener = Arc::default();
        let closing = watch::Publisher::new(None);
        let task = ShareTask::new(ShareTaskParts {
            shared: Arc::clone(&shared),
            rpc: ShareRpc {
                coordinator: GroupCoordinator {
                    cluster: cluster.for_task(),
                    group: config.group_id.clone(),
                },
                lane: Lane::Fetch(lanes.id()),
                settings,
            },
            runtime: runtime.clone(),
            machine,
            listener: Arc::clone(&listener),
            closing: closing.subscribe(),
            max_poll_interval: config.max_poll_interval,
            releases_dropped: config.is_explicit(),
            auto_create: config.allow_auto_create_topics,
        });
        runtime.spawn(task.run());
        Ok(Self {
            shared,
            cluster: cluster.clone(),
            runtime,
            config,
            member,
            listener,
            closing,
            given: None,
            turn: Turn::default(),
            _lanes: lanes,
        })
    }

    /// Subscribes to topics, which may not exist yet. Replaces an earlier subscription.
    ///
    /// # Errors
    /// - [`ErrorKind::Config`] for a name that no topic can have.
    /// - [`ErrorKind::Closed`] after [`Client::close`](crate::Client::close).
    pub fn subscribe(&self, topics: impl IntoIterator<Item = impl Into<TopicName>>) -> Result<()> {
        let topics: BTreeSet<TopicName> = topics.into_iter().map(Into::into).collect();
        if let Some(illegal) = topics.iter().find(|topic| !topic.is_legal()) {
            return Err(Error::config(format!("{illegal} is not a name that a topic can have")));
        }
        // As Java does.
        self.shared.subscribe(Some(topics).filter(|topics| !topics.is_empty()))
    }

    /// Leaves the group, in the background: what was said of records is sent before, and what was
    /// not acknowledged is released.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`] after [`Client::close`](crate::Client::close).
    pub fn unsubscribe(&self) -> Result<()> {
        self.shared.subscribe(None)
    }

    /// Returns the topics that are subscribed.
    pub fn subscription(&self) -> Vec<TopicName> {
        self.shared.topics().0.into_iter().flatten().collect()
    }

    /// Returns the id of this member of the group.
    pub fn member_id(&self) -> &str {
        &self.member
    }

    /// Returns how long a record is locked for its consumer, as brokers have said
    /// (`share.record.lock.duration.ms` of the group); `None` before the first fetch.
    pub fn acquisition_lock_timeout(&self) -> Option<Duration> {
        self.shared.lock_timeout()
    }

    /// Registers who is told what became of acknowledgements, replacing an earlier listener: of each
    /// run of offsets of a partition whether the broker has confirmed them (Java's
    /// `AcknowledgementCommitCallback`), once of each record. Of renewals only their futures tell.
    ///
    /// It is called by a task that the consumer's membership depends on, and must not block.
    pub fn acknowledgement_listener(
        &self,
        listener: impl Fn(&TopicPartition, RangeInclusive<Offset>, &Result<()>) + Send + Sync + 'static,
    ) {
        *lock(&self.listener) = Some(Arc::new(listener));
    }

    /// Waits for the next record.
    ///
    /// With [`ShareAcknowledgementMode::Implicit`], the call accepts what was returned before.
    ///
    /// # Errors
    /// - [`ErrorKind::Config`] if nothing is subscribed.
    /// - [`ErrorKind::Closed`] after [`Client::close`](crate::Client::close).
    /// - [`ErrorKind::Authentication`], [`ErrorKind::Tls`] or [`ErrorKind::Unsupported`] while the
    ///   cluster does not accept this client, or has no share groups. Each call makes the client try
    ///   again.
    /// - [`ErrorKind::MaxPollExceeded`], returned once, if the application has not asked for records
    ///   within `max.poll.interval.ms`. The consumer joins its group again.
    /// - [`ErrorKind::Corrupt`] for records that cannot be read, which are released, and
    ///   [`ErrorKind::Broker`] for what a broker refuses, such as GROUP_AUTHORIZATION_FAILED; returned
    ///   once each.
    ///
    /// # Cancel safety
    /// Safe: if the future is dropped, no record is taken.
    pub async fn recv(&mut self) -> Result<ShareRecord> {
        let (acquisition, records) = self.take(1).await?;
        Ok(ShareRecord::new(acquisition, records.start))
    }

    /// Waits for the next records of any one partition, up to `max.poll.records` of them.
    ///
    /// With [`ShareAcknowledgementMode::Implicit`], the call accepts what was returned before.
    ///
    /// # Errors
    /// As [`ShareConsumer::recv`].
    ///
    /// # Cancel safety
    /// Safe: if the future is dropped, no record is taken.
    pub async fn next_batch(&mut self) -> Result<ShareBatch> {
        let (acquisition, records) = self.take(self.config.max_poll_records).await?;
        Ok(ShareBatch::new(&acquisition, records))
    }

    async fn take(&mut self, max: usize) -> Result<(Arc<Acquisition>, std::ops::Range<u32>)> {
        self.accept_given();
        self.shared.activity.touch();
        let shared = &self.shared;
        let _waiting = shared.activity.claim();
        let (acquisition, records) = poll_fn(|context| {
            if self.turn.poll(context).is_pending() {
                return Poll::Pending;
            }
            // One that always finds something must still let others run.
            let coop = std::task::ready!(tokio::task::coop::poll_proceed(context));
            let taken = shared.poll_records(context, max);
            match &taken {
                Poll::Ready(_) => coop.made_progress(),
                Poll::Pending => self.turn.end(),
            }
            taken
        })
        .await?;
        if !self.config.is_explicit() {
            self.given = Some((Arc::clone(&acquisition), records.clone()));
        }
        Ok((acquisition, records))
    }

    /// What is buffered of one partition, if there is something, without asking for more: for who has
    /// to know what is locked for it. The group keeps who does that.
    #[cfg(feature = "mq")]
    pub(crate) fn take_buffered(&self) -> Option<ShareBatch> {
        self.shared.activity.show_life();
        let (acquisition, records) = self.shared.take_buffered(self.config.max_poll_records)?;
        Some(ShareBatch::new(&acquisition, records))
    }

    fn accept_given(&mut self) {
        if let Some((acquisition, records)) = self.given.take() {
            acquisition.say(records, AcknowledgeType::Accept, runtime::now());
        }
    }

    /// Acknowledges a record by its offset, as long as it is in the application's hands (Java's
    /// `acknowledge(topic, partition, offset, type)`).
    ///
    /// # Errors
    /// [`ErrorKind::LockLost`] if this consumer does not have the record, or does not have it any
    /// more.
    pub fn acknowledge(
        &self,
        partition: &TopicPartition,
        offset: Offset,
        acknowledge_type: AcknowledgeType,
    ) -> Result<Acknowledgement> {
        let found = self.shared.live().into_iter().rev().find_map(|acquisition| {
            let index =
                (acquisition.partition == *partition).then(|| acquisition.find(offset))??;
            acquisition.locked_until(index).map(|_| (acquisition, index))
        });
        let Some((acquisition, index)) = found else {
            let message = format!("the record at offset {offset} is not this consumer's");
            return Err(Error::new(ErrorKind::LockLost, message).at_partition(partition.clone()));
        };
        Ok(record::say(&acquisition, index..index + 1, acknowledge_type))
    }

    /// Sends what was said of records and waits until the brokers have answered (Java's
    /// `commitSync`). With [`ShareAcknowledgementMode::Implicit`] it accepts what was returned last.
    ///
    /// An acknowledgement waits for a fetch that is under way, for at most `fetch.max.wait.ms`.
    ///
    /// # Errors
    /// The first of an [`Acknowledgement`]'s; [`ErrorKind::Timeout`] after `default.api.timeout.ms`.
    ///
    /// # Cancel safety
    /// If the future is dropped, the acknowledgements are sent all the same.
    pub async fn commit(&mut self) -> Result<()> {
        self.accept_given();
        let timeout = self.cluster.config().default_api_timeout;
        let deadline = runtime::deadline(timeout);
        let pending: Vec<Acknowledgement> = self
            .shared
            .live()
            .into_iter()
            .map(|acquisition| Acknowledgement {
                ranges: acquisition.pending(),
                acquisition,
                renews: false,
                refused: None,
            })
            .collect();
        let all = async {
            let mut outcome = Ok(());
            for acknowledgement in pending {
                outcome = outcome.and(acknowledgement.await);
            }
            outcome
        };
        tokio::time::timeout_at(deadline.into(), all).await.map_err(|_| {
            Error::new(
                ErrorKind::Timeout,
                format!("the brokers have not taken the acknowledgements within {timeout:?}"),
            )
        })?
    }

    /// Sends what was said of records, releases what was not acknowledged, leaves the group, and
    /// waits until the consumer's task has ended.
    ///
    /// Nothing is accepted that the application has not accepted, or had accepted by a later call.
    ///
    /// # Errors
    /// [`ErrorKind::Timeout`] if something has not ended within `timeout`; it is stopped all the
    /// same.
    ///
    /// # Cancel safety
    /// If the future is dropped, the task is still stopped, but the group may not be left.
    pub async fn close(self, timeout: Duration) -> Result<()> {
        let deadline = runtime::deadline(timeout);
        self.shared.close();
        self.closing.send_replace(Some(deadline));
        let late = || {
            let message = format!("the share consumer has not ended within {timeout:?}");
            Error::new(ErrorKind::Timeout, message)
        };
        let ended = tokio::time::timeout_at(deadline.into(), self.runtime.join()).await;
        self.runtime.cancel();
        ended.map_err(|_| late())
    }
}

impl Drop for ShareConsumer {
    fn drop(&mut self) {
        self.shared.close();
        self.runtime.cancel();
    }
}

impl std::fmt::Debug for ShareConsumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShareConsumer")
            .field("group_id", &self.config.group_id)
            .field("member_id", &self.member)
            .finish_non_exhaustive()
    }
}

/// Larger replies cost more per record.
const REPLY: i32 = 4 * 1024 * 1024;

#[cfg(test)]
mod tests;
