//! Consumers: one that is polled, and one whose messages are a stream.

use std::sync::Arc;
use std::time::Duration;

use crate::client::{Client, ClientContext};
use crate::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use crate::groups::GroupList;
use crate::log::error;
use crate::message::BorrowedMessage;
use crate::metadata::Metadata;
use crate::topic_partition_list::{Offset, TopicPartitionList};
use crate::types::RDKafkaRespErr;
use crate::util::Timeout;

pub mod base_consumer;
mod inbox;
mod rebalance;
pub mod stream_consumer;

#[doc(inline)]
pub use self::base_consumer::BaseConsumer;
#[doc(inline)]
pub use self::stream_consumer::{MessageStream, StreamConsumer};

/// What a rebalance does.
#[derive(Clone, Debug)]
pub enum Rebalance<'a> {
    /// Partitions are assigned.
    Assign(&'a TopicPartitionList),
    /// Partitions are revoked.
    Revoke(&'a TopicPartitionList),
    /// Something went wrong.
    Error(KafkaError),
}

/// What a consumer tells the program, on the thread that polls.
pub trait ConsumerContext: ClientContext + Sized {
    /// Handles a rebalance: calls [`ConsumerContext::pre_rebalance`], takes over the assignment, and
    /// calls [`ConsumerContext::post_rebalance`].
    ///
    /// One of the program's own decides with [`Consumer::assign`] or
    /// [`Consumer::incremental_assign`] where partitions that it is assigned begin. Which partitions
    /// there are is the group's decision: what else is handed to these calls here has no effect.
    fn rebalance(
        &self,
        base_consumer: &BaseConsumer<Self>,
        err: RDKafkaRespErr,
        tpl: &mut TopicPartitionList,
    ) {
        let rebalance = match err {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Rebalance::Assign(tpl),
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS => Rebalance::Revoke(tpl),
            _ => {
                let code = RDKafkaErrorCode::from(err);
                error!("Error rebalancing: {code}");
                Rebalance::Error(KafkaError::Rebalance(code))
            }
        };
        self.pre_rebalance(base_consumer, &rebalance);
        if let Rebalance::Assign(tpl) = &rebalance
            && let Err(error) = base_consumer.incremental_assign(tpl)
        {
            error!("Error rebalancing: {error}");
        }
        self.post_rebalance(base_consumer, &rebalance);
    }

    /// Hears of a rebalance before it happens. Offsets of partitions that are revoked can still be
    /// committed.
    #[allow(unused_variables)]
    fn pre_rebalance(&self, base_consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {}

    /// Hears of a rebalance that has happened.
    #[allow(unused_variables)]
    fn post_rebalance(&self, base_consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {}

    /// Hears what became of a commit for which nobody waits.
    #[allow(unused_variables)]
    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {}

    /// How often events are looked for while a poll waits. It is without effect: a poll is woken by
    /// them.
    fn main_queue_min_poll_interval(&self) -> Timeout {
        Timeout::After(Duration::from_secs(1))
    }
}

/// A context that does nothing of its own.
#[derive(Clone, Debug, Default)]
pub struct DefaultConsumerContext;

impl ClientContext for DefaultConsumerContext {}
impl ConsumerContext for DefaultConsumerContext {}

/// Whether a commit is waited for.
#[derive(Clone, Copy, Debug)]
pub enum CommitMode {
    /// It is.
    Sync = 0,
    /// It is not; [`ConsumerContext::commit_callback`] hears of it.
    Async = 1,
}

/// Which member of its group a consumer is, for
/// [`Producer::send_offsets_to_transaction`](crate::producer::Producer::send_offsets_to_transaction).
#[derive(Debug)]
pub struct ConsumerGroupMetadata(pub(crate) kavka::ConsumerGroupMetadata);

/// How partitions move between members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RebalanceProtocol {
    /// The consumer is in no group.
    None,
    /// All are revoked before any is assigned.
    Eager,
    /// Those that stay are left alone.
    Cooperative,
}

/// What all consumers can.
pub trait Consumer<C = DefaultConsumerContext>
where
    C: ConsumerContext,
{
    /// Returns the client, for questions about the cluster.
    fn client(&self) -> &Client<C>;

    /// Returns the context.
    fn context(&self) -> &Arc<C> {
        self.client().context()
    }

    /// Returns which member of its group the consumer is; `None` without a `group.id`.
    fn group_metadata(&self) -> Option<ConsumerGroupMetadata>;

    /// Subscribes to topics, in place of any before. A name that begins with `^` is a pattern.
    ///
    /// # Errors
    /// [`KafkaError::Subscription`].
    fn subscribe(&self, topics: &[&str]) -> KafkaResult<()>;

    /// Unsubscribes from all.
    fn unsubscribe(&self);

    /// Reads these partitions from these offsets, in place of any before. A partition without an
    /// offset begins at the group's committed one, or as `auto.offset.reset` says.
    ///
    /// # Errors
    /// [`KafkaError::Subscription`].
    fn assign(&self, assignment: &TopicPartitionList) -> KafkaResult<()>;

    /// Reads nothing any more.
    ///
    /// # Errors
    /// [`KafkaError::Subscription`].
    fn unassign(&self) -> KafkaResult<()>;

    /// Reads these partitions, too.
    ///
    /// # Errors
    /// [`KafkaError::Subscription`].
    fn incremental_assign(&self, assignment: &TopicPartitionList) -> KafkaResult<()>;

    /// Does not read these partitions any more.
    ///
    /// # Errors
    /// [`KafkaError::Subscription`] if one of them was not.
    fn incremental_unassign(&self, assignment: &TopicPartitionList) -> KafkaResult<()>;

    /// Goes on with a partition at an offset.
    ///
    /// # Errors
    /// [`KafkaError::Seek`].
    fn seek<T: Into<Timeout>>(
        &self,
        topic: &str,
        partition: i32,
        offset: Offset,
        timeout: T,
    ) -> KafkaResult<()>;

    /// Goes on with each partition at its offset. What failed is told by the entries of the list that
    /// is returned.
    ///
    /// # Errors
    /// [`KafkaError::Seek`].
    fn seek_partitions<T: Into<Timeout>>(
        &self,
        topic_partition_list: TopicPartitionList,
        timeout: T,
    ) -> KafkaResult<TopicPartitionList>;

    /// Commits offsets, each that of the next message to be read.
    ///
    /// # Errors
    /// [`KafkaError::ConsumerCommit`].
    fn commit(
        &self,
        topic_partition_list: &TopicPartitionList,
        mode: CommitMode,
    ) -> KafkaResult<()>;

    /// Commits what is stored: unless `enable.auto.offset.store` is false, all messages that have been
    /// handed over.
    ///
    /// # Errors
    /// [`KafkaError::ConsumerCommit`].
    fn commit_consumer_state(&self, mode: CommitMode) -> KafkaResult<()>;

    /// Commits a message, and all before it in its partition.
    ///
    /// # Errors
    /// [`KafkaError::ConsumerCommit`].
    fn commit_message(&self, message: &BorrowedMessage<'_>, mode: CommitMode) -> KafkaResult<()>;

    /// Stores the message at an offset as done, to be committed with the next commit.
    ///
    /// # Errors
    /// [`KafkaError::StoreOffset`] if the partition is not assigned.
    fn store_offset(&self, topic: &str, partition: i32, offset: i64) -> KafkaResult<()>;

    /// Stores a message as done.
    ///
    /// # Errors
    /// [`KafkaError::StoreOffset`] if its partition is not assigned.
    fn store_offset_from_message(&self, message: &BorrowedMessage<'_>) -> KafkaResult<()>;

    /// Stores offsets, each that of the next message to be read.
    ///
    /// # Errors
    /// [`KafkaError::StoreOffset`] if a partition is not assigned.
    fn store_offsets(&self, tpl: &TopicPartitionList) -> KafkaResult<()>;

    /// Returns what is subscribed.
    ///
    /// # Errors
    /// None.
    fn subscription(&self) -> KafkaResult<TopicPartitionList>;

    /// Returns what is assigned.
    ///
    /// # Errors
    /// None.
    fn assignment(&self) -> KafkaResult<TopicPartitionList>;

    /// Returns, while a rebalance is handled, whether partitions are not revoked but lost: other
    /// members may have them, so that a commit is too late.
    fn assignment_lost(&self) -> bool;

    /// Asks for the committed offsets of what is assigned.
    ///
    /// # Errors
    /// [`KafkaError::MetadataFetch`].
    fn committed<T>(&self, timeout: T) -> KafkaResult<TopicPartitionList>
    where
        T: Into<Timeout>,
        Self: Sized;

    /// Asks for the committed offsets of partitions.
    ///
    /// # Errors
    /// [`KafkaError::MetadataFetch`].
    fn committed_offsets<T>(
        &self,
        tpl: TopicPartitionList,
        timeout: T,
    ) -> KafkaResult<TopicPartitionList>
    where
        T: Into<Timeout>;

    /// Asks for the first offset of each assigned partition at or after a time.
    ///
    /// # Errors
    /// [`KafkaError::MetadataFetch`].
    fn offsets_for_timestamp<T>(
        &self,
        timestamp: i64,
        timeout: T,
    ) -> KafkaResult<TopicPartitionList>
    where
        T: Into<Timeout>,
        Self: Sized;

    /// Asks the same, with a time in place of each offset.
    ///
    /// # Errors
    /// [`KafkaError::MetadataFetch`].
    fn offsets_for_times<T>(
        &self,
        timestamps: TopicPartitionList,
        timeout: T,
    ) -> KafkaResult<TopicPartitionList>
    where
        T: Into<Timeout>,
        Self: Sized;

    /// Returns behind which message of each assigned partition the program is.
    ///
    /// # Errors
    /// [`KafkaError::MetadataFetch`] without a `group.id`.
    fn position(&self) -> KafkaResult<TopicPartitionList>;

    /// Asks for brokers, topics and partitions: of one topic, or of all.
    ///
    /// # Errors
    /// [`KafkaError::MetadataFetch`].
    fn fetch_metadata<T>(&self, topic: Option<&str>, timeout: T) -> KafkaResult<Metadata>
    where
        T: Into<Timeout>,
        Self: Sized;

    /// Asks for the first offset of a partition, and for the one behind the last.
    ///
    /// # Errors
    /// [`KafkaError::MetadataFetch`].
    fn fetch_watermarks<T>(
        &self,
        topic: &str,
        partition: i32,
        timeout: T,
    ) -> KafkaResult<(i64, i64)>
    where
        T: Into<Timeout>,
        Self: Sized;

    /// Asks for groups and their members: for one, or for all.
    ///
    /// # Errors
    /// [`KafkaError::GroupListFetch`].
    fn fetch_group_list<T>(&self, group: Option<&str>, timeout: T) -> KafkaResult<GroupList>
    where
        T: Into<Timeout>,
        Self: Sized;

    /// Holds partitions back.
    ///
    /// # Errors
    /// [`KafkaError::PauseResume`] if one is not assigned.
    fn pause(&self, partitions: &TopicPartitionList) -> KafkaResult<()>;

    /// Goes on with partitions.
    ///
    /// # Errors
    /// [`KafkaError::PauseResume`] if one is not assigned.
    fn resume(&self, partitions: &TopicPartitionList) -> KafkaResult<()>;

    /// Returns how partitions move between members.
    fn rebalance_protocol(&self) -> RebalanceProtocol;
}
