//! A consumer that is polled.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kavka::{ConsumerHandle, OffsetAndMetadata, TopicPartition};

use crate::client::Client;
use crate::config::{ClientConfig, FromClientConfig, FromClientConfigAndContext};
use crate::consumer::inbox::{Caller, Inbox};
use crate::consumer::rebalance::{Change, ConsumerEvent, Handling, Listener};
use crate::consumer::{CommitMode, ConsumerContext, DefaultConsumerContext, RebalanceProtocol};
use crate::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use crate::events::{self, Events};
use crate::log::warn;
use crate::message::BorrowedMessage;
use crate::runtime;
use crate::topic_partition_list::{Offset, TopicPartitionList};
use crate::types::RDKafkaRespErr;
use crate::util::{Deadline, Timeout};

mod consumer;
mod queues;
mod translate;

pub use self::queues::{Iter, PartitionQueue};
use self::translate::{commit_code, committed, consumption_error};

/// How long closing may take (Java's default of `close`).
const CLOSING: Duration = Duration::from_secs(30);

/// How often a consumer that is being dropped looks whether it has closed.
const TURN: Duration = Duration::from_millis(100);

/// A consumer that has to be polled: for messages, and so that its context hears of rebalances and
/// commits.
///
/// A consumer that is not polled for `max.poll.interval.ms` leaves its group. Dropping it commits what
/// is stored, if `enable.auto.commit` says so, and leaves the group.
pub struct BaseConsumer<C = DefaultConsumerContext>
where
    C: ConsumerContext,
{
    client: Client<C>,
    handle: ConsumerHandle,
    inbox: Arc<Inbox>,
    events: Arc<Events<ConsumerEvent>>,
    has_group: bool,
    protocol: RebalanceProtocol,
    wanted: Mutex<Wanted>,
    handling: Mutex<Option<Handling>>,
    is_closed: Arc<AtomicBool>,
}

/// What the program reads.
#[derive(Default)]
struct Wanted {
    subscription: TopicPartitionList,
    /// By hand.
    assignment: TopicPartitionList,
}

impl FromClientConfig for BaseConsumer {
    fn from_config(config: &ClientConfig) -> KafkaResult<Self> {
        Self::from_config_and_context(config, DefaultConsumerContext)
    }
}

impl<C: ConsumerContext> FromClientConfigAndContext<C> for BaseConsumer<C> {
    fn from_config_and_context(config: &ClientConfig, context: C) -> KafkaResult<Self> {
        let created = |error: kavka::Error| KafkaError::ClientCreation(error.to_string());
        let config = config.create_native_config()?;
        let events = Arc::new(Events::default());
        let client = {
            let events = Arc::clone(&events);
            let tell = move |event| events::tell(&events, event, ConsumerEvent::Client);
            Client::create(&config, Arc::new(context), tell)?
        };
        let settings =
            kavka::ConsumerConfig::from_properties(&config.properties()).map_err(created)?;
        let _runtime = runtime::enter();
        // What is handed over is stored here, as it may stand in a queue before.
        let settings = settings.enable_auto_offset_store(false);
        let consumer = client.kavka().consumer(settings).map_err(created)?;
        let has_group = config.text("group.id").is_some();
        if has_group {
            consumer.rebalance_listener(Listener(Arc::clone(&events)));
            let events = Arc::clone(&events);
            consumer.commit_listener(move |offsets| {
                let (result, list) = committed(offsets);
                events.push(ConsumerEvent::Committed(result, list));
            });
        }
        let strategy = config.get("partition.assignment.strategy")?;
        let is_cooperative =
            config.get("group.protocol")? == "consumer" || strategy.contains("cooperative");
        let protocol = match has_group {
            true if is_cooperative => RebalanceProtocol::Cooperative,
            true => RebalanceProtocol::Eager,
            false => RebalanceProtocol::None,
        };
        let stores_offsets = config.flag("enable.auto.offset.store");
        Ok(Self {
            client,
            handle: consumer.handle(),
            inbox: Inbox::new(consumer, Arc::clone(events.wakers()), stores_offsets),
            events,
            has_group,
            protocol,
            wanted: Mutex::default(),
            handling: Mutex::default(),
            is_closed: Arc::default(),
        })
    }
}

impl<C: ConsumerContext> BaseConsumer<C> {
    /// Returns the next message, or what went wrong; `None` if there is none within `timeout`, or if
    /// the context has heard of a rebalance or a commit instead.
    pub fn poll<T: Into<Timeout>>(&self, timeout: T) -> Option<KafkaResult<BorrowedMessage<'_>>> {
        self.poll_queue(None, timeout.into())
    }

    fn poll_queue(
        &self,
        queue: Option<&TopicPartition>,
        timeout: Timeout,
    ) -> Option<KafkaResult<BorrowedMessage<'_>>> {
        runtime::wait_for(self.events.wakers(), timeout.deadline(), || {
            loop {
                match self.turn(queue, Caller::Thread) {
                    Turn::Message(message) => return Some(Some(message)),
                    Turn::Told if timeout != Timeout::Never => return Some(None),
                    Turn::Told => {}
                    Turn::Nothing => return None,
                }
            }
        })
        .flatten()
    }

    /// What a poll finds at once.
    pub(crate) fn turn(&self, queue: Option<&TopicPartition>, caller: Caller) -> Turn<'_> {
        while let Some(event) = self.events.pop() {
            match event {
                ConsumerEvent::Client(event) => event.serve(&**self.client.context()),
                ConsumerEvent::Committed(result, offsets) => {
                    self.client.context().commit_callback(result, &offsets);
                    return Turn::Told;
                }
                ConsumerEvent::Rebalance(change, partitions, done) => {
                    self.handle_rebalance(change, &partitions);
                    let _ = done.send(());
                    return Turn::Told;
                }
            }
        }
        match self.inbox.take(queue, caller) {
            Some(Ok(record)) => Turn::Message(Ok(BorrowedMessage::consumed(record))),
            Some(Err(error)) => Turn::Message(Err(consumption_error(&error))),
            None => Turn::Nothing,
        }
    }

    fn handle_rebalance(&self, change: Change, partitions: &[TopicPartition]) {
        let error = match change {
            Change::Assigned => RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS,
            Change::Revoked | Change::Lost => RDKafkaRespErr::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS,
        };
        let mut list: TopicPartitionList = partitions.iter().collect();
        *self.handling() = Some(Handling::here(change));
        self.client.context().rebalance(self, error, &mut list);
        *self.handling() = None;
        if change != Change::Assigned {
            self.inbox.forget(|partition| partitions.contains(partition));
        }
    }

    /// Returns an iterator over messages, which polls for ever.
    pub fn iter(&self) -> Iter<'_, C> {
        Iter(self)
    }

    /// Gives a partition a queue of its own, in which its messages are instead of in the consumer's.
    pub fn split_partition_queue(
        self: &Arc<Self>,
        topic: &str,
        partition: i32,
    ) -> Option<PartitionQueue<C>> {
        let partition = TopicPartition::new(topic, partition);
        self.inbox.split(partition.clone());
        Some(PartitionQueue { consumer: Arc::clone(self), partition })
    }

    /// Begins to close the consumer, which has to be polled until it is [closed](Self::closed).
    ///
    /// # Errors
    /// None.
    pub fn close_queue(&self) -> KafkaResult<()> {
        if let Some(consumer) = self.inbox.take_consumer() {
            let (is_closed, events) = (Arc::clone(&self.is_closed), Arc::clone(&self.events));
            runtime::spawn(async move {
                if let Err(error) = consumer.close(CLOSING).await {
                    warn!("closing a consumer: {error}");
                }
                is_closed.store(true, Ordering::Release);
                events.wakers().wake_all();
            });
        }
        Ok(())
    }

    /// Returns whether the consumer has been closed.
    pub fn closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// Calls `f` whenever the consumer's queue has been empty and has a message.
    pub fn set_nonempty_callback<F>(&mut self, f: F)
    where
        F: Fn() + Send + Sync + 'static,
    {
        self.inbox.on_nonempty(None, Some(Arc::new(f)));
    }

    pub(crate) fn events(&self) -> &Arc<Events<ConsumerEvent>> {
        &self.events
    }

    /// The rebalance that this thread is handling.
    fn own_handling(&self) -> Option<Change> {
        self.handling().filter(|handling| handling.is_here()).map(|handling| handling.change)
    }

    fn handling(&self) -> MutexGuard<'_, Option<Handling>> {
        self.handling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wanted(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what is assigned by hand, and lets new partitions begin at their offsets.
    fn assign_by_hand(
        &self,
        list: TopicPartitionList,
        new: &TopicPartitionList,
    ) -> KafkaResult<()> {
        let subscribed = |error: kavka::Error| KafkaError::Subscription(error.to_string());
        let partitions = list.partitions();
        self.handle.assign(partitions.iter().cloned()).map_err(subscribed)?;
        self.inbox.forget(|partition| !partitions.contains(partition));
        self.start_at(new).map_err(subscribed)?;
        self.inbox.set_active(!partitions.is_empty());
        self.wanted().assignment = list;
        Ok(())
    }

    /// Lets partitions begin where the list says, if it does.
    fn start_at(&self, list: &TopicPartitionList) -> kavka::Result<()> {
        for element in list.elements() {
            let partition = TopicPartition::new(element.topic(), element.partition());
            self.go_to(&partition, element.offset(), Timeout::Never)?;
        }
        Ok(())
    }

    fn go_to(
        &self,
        partition: &TopicPartition,
        offset: Offset,
        timeout: Timeout,
    ) -> kavka::Result<()> {
        match offset {
            Offset::Beginning => self.handle.seek_to_beginning([partition])?,
            Offset::End => self.handle.seek_to_end([partition])?,
            Offset::Offset(offset) => self.handle.seek(partition, offset)?,
            Offset::OffsetTail(count) => {
                let (handle, asked) = (self.handle.clone(), partition.clone());
                let ends = async move { handle.end_offsets([asked]).await };
                if let Some(ends) = runtime::block_on(timeout.deadline(), ends) {
                    let end = ends?.get(partition).map_or(0, |end| end.0);
                    self.handle.seek(partition, end.saturating_sub(count).max(0))?;
                }
            }
            // Where it would begin anyway.
            Offset::Stored | Offset::Invalid => return Ok(()),
        }
        self.inbox.forget(|forgotten| forgotten == partition);
        Ok(())
    }

    /// Waits for a commit, or not.
    fn commit_offsets(
        &self,
        offsets: Vec<(TopicPartition, OffsetAndMetadata)>,
        mode: CommitMode,
    ) -> KafkaResult<()> {
        let outcome = match mode {
            CommitMode::Sync => {
                let handle = self.handle.clone();
                let committed = async move { handle.commit_offsets(offsets).await };
                runtime::block_on(Deadline(None), committed)
                    .ok_or(KafkaError::ConsumerCommit(RDKafkaErrorCode::Fail))?
            }
            CommitMode::Async => {
                let _runtime = runtime::enter();
                self.handle.commit_offsets_async(offsets)
            }
        };
        outcome.map_err(|error| KafkaError::ConsumerCommit(commit_code(&error)))
    }
}

impl<C: ConsumerContext> Drop for BaseConsumer<C> {
    fn drop(&mut self) {
        // As there is no queue to be closed, nothing can go wrong.
        let _ = self.close_queue();
        while self.has_group && !self.closed() {
            self.poll(TURN);
        }
    }
}

impl<C: ConsumerContext> fmt::Debug for BaseConsumer<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BaseConsumer").field("client", &self.client).finish_non_exhaustive()
    }
}

/// What a poll finds at once.
pub(crate) enum Turn<'a> {
    Message(KafkaResult<BorrowedMessage<'a>>),
    /// The context has heard of something.
    Told,
    Nothing,
}
