//! A consumer whose messages are a stream.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use kavka::TopicPartition;
use tokio::task::coop::poll_proceed;

use crate::client::Client;
use crate::config::{ClientConfig, FromClientConfig, FromClientConfigAndContext};
use crate::consumer::base_consumer::{BaseConsumer, PartitionQueue, Turn};
use crate::consumer::inbox::Caller;
use crate::consumer::{
    CommitMode, Consumer, ConsumerContext, ConsumerGroupMetadata, DefaultConsumerContext,
    RebalanceProtocol,
};
use crate::error::KafkaResult;
use crate::groups::GroupList;
use crate::message::BorrowedMessage;
use crate::metadata::Metadata;
use crate::runtime::Slot;
use crate::topic_partition_list::{Offset, TopicPartitionList};
use crate::util::{AsyncRuntime, DefaultRuntime, Timeout};

/// The messages of a consumer or of one partition; it never ends.
pub struct MessageStream<'a, C: ConsumerContext> {
    consumer: &'a BaseConsumer<C>,
    queue: Option<&'a TopicPartition>,
    slot: Slot,
}

impl<'a, C: ConsumerContext> MessageStream<'a, C> {
    fn new(consumer: &'a BaseConsumer<C>, queue: Option<&'a TopicPartition>) -> Self {
        Self { consumer, queue, slot: consumer.events().wakers().slot() }
    }
}

impl<'a, C: ConsumerContext> Stream for MessageStream<'a, C> {
    type Item = KafkaResult<BorrowedMessage<'a>>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // A task with many messages must let others have their turn.
        let turn = ready!(poll_proceed(context));
        // What comes while it is looked for is not missed.
        self.slot.watch(context.waker());
        match self.consumer.turn(self.queue, Caller::Task) {
            Turn::Message(message) => {
                turn.made_progress();
                Poll::Ready(Some(message))
            }
            Turn::Told => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Turn::Nothing => Poll::Pending,
        }
    }
}

impl<C: ConsumerContext> fmt::Debug for MessageStream<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageStream").field("queue", &self.queue).finish_non_exhaustive()
    }
}

/// A consumer whose messages are a stream: see [`BaseConsumer`] for what polling is good for.
#[must_use = "dropping a consumer leaves its group"]
pub struct StreamConsumer<C = DefaultConsumerContext, R = DefaultRuntime>
where
    C: ConsumerContext,
{
    base: Arc<BaseConsumer<C>>,
    runtime: PhantomData<fn() -> R>,
}

impl<R: AsyncRuntime> FromClientConfig for StreamConsumer<DefaultConsumerContext, R> {
    fn from_config(config: &ClientConfig) -> KafkaResult<Self> {
        Self::from_config_and_context(config, DefaultConsumerContext)
    }
}

impl<C: ConsumerContext, R: AsyncRuntime> FromClientConfigAndContext<C> for StreamConsumer<C, R> {
    fn from_config_and_context(config: &ClientConfig, context: C) -> KafkaResult<Self> {
        let base = Arc::new(BaseConsumer::from_config_and_context(config, context)?);
        Ok(Self { base, runtime: PhantomData })
    }
}

impl<C: ConsumerContext, R> StreamConsumer<C, R> {
    /// Returns the messages. Several streams share them.
    pub fn stream(&self) -> MessageStream<'_, C> {
        MessageStream::new(&self.base, None)
    }

    /// Returns the next message.
    ///
    /// # Errors
    /// As [`BaseConsumer::poll`].
    ///
    /// # Cancel safety
    /// Safe: a message is handed over or stays.
    pub async fn recv(&self) -> KafkaResult<BorrowedMessage<'_>> {
        next(self.stream()).await
    }

    /// Gives a partition a queue of its own: see [`BaseConsumer::split_partition_queue`].
    pub fn split_partition_queue(
        self: &Arc<Self>,
        topic: &str,
        partition: i32,
    ) -> Option<StreamPartitionQueue<C, R>> {
        let queue = self.base.split_partition_queue(topic, partition)?;
        Some(StreamPartitionQueue { queue, consumer: Arc::clone(self) })
    }
}

async fn next<'a, C: ConsumerContext>(
    mut stream: MessageStream<'a, C>,
) -> KafkaResult<BorrowedMessage<'a>> {
    let item = std::future::poll_fn(|context| Pin::new(&mut stream).poll_next(context)).await;
    item.unwrap_or_else(|| unreachable!("the stream never ends"))
}

impl<C: ConsumerContext, R> Consumer<C> for StreamConsumer<C, R> {
    fn client(&self) -> &Client<C> {
        self.base.client()
    }

    fn group_metadata(&self) -> Option<ConsumerGroupMetadata> {
        self.base.group_metadata()
    }

    fn subscribe(&self, topics: &[&str]) -> KafkaResult<()> {
        self.base.subscribe(topics)
    }

    fn unsubscribe(&self) {
        self.base.unsubscribe();
    }

    fn assign(&self, assignment: &TopicPartitionList) -> KafkaResult<()> {
        self.base.assign(assignment)
    }

    fn unassign(&self) -> KafkaResult<()> {
        self.base.unassign()
    }

    fn incremental_assign(&self, assignment: &TopicPartitionList) -> KafkaResult<()> {
        self.base.incremental_assign(assignment)
    }

    fn incremental_unassign(&self, assignment: &TopicPartitionList) -> KafkaResult<()> {
        self.base.incremental_unassign(assignment)
    }

    fn seek<T: Into<Timeout>>(
        &self,
        topic: &str,
        partition: i32,
        offset: Offset,
        timeout: T,
    ) -> KafkaResult<()> {
        self.base.seek(topic, partition, offset, timeout)
    }

    fn seek_partitions<T: Into<Timeout>>(
        &self,
        topic_partition_list: TopicPartitionList,
        timeout: T,
    ) -> KafkaResult<TopicPartitionList> {
        self.base.seek_partitions(topic_partition_list, timeout)
    }

    fn commit(
        &self,
        topic_partition_list: &TopicPartitionList,
        mode: CommitMode,
    ) -> KafkaResult<()> {
        self.base.commit(topic_partition_list, mode)
    }

    fn commit_consumer_state(&self, mode: CommitMode) -> KafkaResult<()> {
        self.base.commit_consumer_state(mode)
    }

    fn commit_message(&self, message: &BorrowedMessage<'_>, mode: CommitMode) -> KafkaResult<()> {
        self.base.commit_message(message, mode)
    }

    fn store_offset(&self, topic: &str, partition: i32, offset: i64) -> KafkaResult<()> {
        self.base.store_offset(topic, partition, offset)
    }

    fn store_offset_from_message(&self, message: &BorrowedMessage<'_>) -> KafkaResult<()> {
        self.base.store_offset_from_message(message)
    }

    fn store_offsets(&self, tpl: &TopicPartitionList) -> KafkaResult<()> {
        self.base.store_offsets(tpl)
    }

    fn subscription(&self) -> KafkaResult<TopicPartitionList> {
        self.base.subscription()
    }

    fn assignment(&self) -> KafkaResult<TopicPartitionList> {
        self.base.assignment()
    }

    fn assignment_lost(&self) -> bool {
        self.base.assignment_lost()
    }

    fn committed<T: Into<Timeout>>(&self, timeout: T) -> KafkaResult<TopicPartitionList> {
        self.base.committed(timeout)
    }

    fn committed_offsets<T: Into<Timeout>>(
        &self,
        tpl: TopicPartitionList,
        timeout: T,
    ) -> KafkaResult<TopicPartitionList> {
        self.base.committed_offsets(tpl, timeout)
    }

    fn offsets_for_timestamp<T: Into<Timeout>>(
        &self,
        timestamp: i64,
        timeout: T,
    ) -> KafkaResult<TopicPartitionList> {
        self.base.offsets_for_timestamp(timestamp, timeout)
    }

    fn offsets_for_times<T: Into<Timeout>>(
        &self,
        timestamps: TopicPartitionList,
        timeout: T,
    ) -> KafkaResult<TopicPartitionList> {
        self.base.offsets_for_times(timestamps, timeout)
    }

    fn position(&self) -> KafkaResult<TopicPartitionList> {
        self.base.position()
    }

    fn fetch_metadata<T: Into<Timeout>>(
        &self,
        topic: Option<&str>,
        timeout: T,
    ) -> KafkaResult<Metadata> {
        self.base.fetch_metadata(topic, timeout)
    }

    fn fetch_watermarks<T: Into<Timeout>>(
        &self,
        topic: &str,
        partition: i32,
        timeout: T,
    ) -> KafkaResult<(i64, i64)> {
        self.base.fetch_watermarks(topic, partition, timeout)
    }

    fn fetch_group_list<T: Into<Timeout>>(
        &self,
        group: Option<&str>,
        timeout: T,
    ) -> KafkaResult<GroupList> {
        self.base.fetch_group_list(group, timeout)
    }

    fn pause(&self, partitions: &TopicPartitionList) -> KafkaResult<()> {
        self.base.pause(partitions)
    }

    fn resume(&self, partitions: &TopicPartitionList) -> KafkaResult<()> {
        self.base.resume(partitions)
    }

    fn rebalance_protocol(&self) -> RebalanceProtocol {
        self.base.rebalance_protocol()
    }
}

impl<C: ConsumerContext, R> fmt::Debug for StreamConsumer<C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamConsumer").field("base", &self.base).finish()
    }
}

/// The queue of one partition, as a stream.
pub struct StreamPartitionQueue<C, R = DefaultRuntime>
where
    C: ConsumerContext,
{
    queue: PartitionQueue<C>,
    consumer: Arc<StreamConsumer<C, R>>,
}

impl<C: ConsumerContext, R> StreamPartitionQueue<C, R> {
    /// Returns the messages of the partition.
    pub fn stream(&self) -> MessageStream<'_, C> {
        MessageStream::new(&self.consumer.base, Some(self.queue.partition()))
    }

    /// Returns the next message of the partition.
    ///
    /// # Errors
    /// As [`BaseConsumer::poll`].
    ///
    /// # Cancel safety
    /// Safe: a message is handed over or stays.
    pub async fn recv(&self) -> KafkaResult<BorrowedMessage<'_>> {
        next(self.stream()).await
    }
}

impl<C: ConsumerContext, R> fmt::Debug for StreamPartitionQueue<C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamPartitionQueue").field("queue", &self.queue).finish_non_exhaustive()
    }
}
