//! A consumer that is polled.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kavka::{ConsumerHandle, ErrorKind, OffsetAndMetadata, Timestamp, TopicPartition};

use crate::client::Client;
use crate::config::{ClientConfig, FromClientConfig, FromClientConfigAndContext};
use crate::consumer::inbox::{Caller, Inbox};
use crate::consumer::rebalance::{Change, ConsumerEvent, Handling, Listener};
use crate::consumer::{
    CommitMode, Consumer, ConsumerContext, ConsumerGroupMetadata, DefaultConsumerContext,
    RebalanceProtocol,
};
use crate::error::{KafkaError, KafkaResult, RDKafkaErrorCode, code_of};
use crate::events::{self, Events};
use crate::groups::GroupList;
use crate::log::warn;
use crate::message::{BorrowedMessage, Message};
use crate::metadata::Metadata;
use crate::runtime;
use crate::topic_partition_list::{Offset, TopicPartitionList};
use crate::types::RDKafkaRespErr;
use crate::util::{Deadline, Timeout};

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

impl<C: ConsumerContext> Consumer<C> for BaseConsumer<C> {
    fn client(&self) -> &Client<C> {
        &self.client
    }

    fn group_metadata(&self) -> Option<ConsumerGroupMetadata> {
        self.handle.group_metadata().ok().map(ConsumerGroupMetadata)
    }

    fn subscribe(&self, topics: &[&str]) -> KafkaResult<()> {
        let subscribed = |error: kavka::Error| KafkaError::Subscription(error.to_string());
        if topics.is_empty() {
            let why = RDKafkaErrorCode::InvalidArgument.text();
            return Err(KafkaError::Subscription(why.to_owned()));
        }
        let _runtime = runtime::enter();
        match pattern(topics) {
            Some(pattern) => self.handle.subscribe_pattern(&pattern),
            None => self.handle.subscribe(topics.iter().copied()),
        }
        .map_err(subscribed)?;
        let mut wanted = self.wanted();
        *wanted = Wanted::default();
        for topic in topics {
            wanted.subscription.add_topic_unassigned(topic);
        }
        drop(wanted);
        self.inbox.set_active(true);
        Ok(())
    }

    fn unsubscribe(&self) {
        let _runtime = runtime::enter();
        if let Err(error) = self.handle.unsubscribe() {
            warn!("unsubscribing: {error}");
        }
        *self.wanted() = Wanted::default();
        self.inbox.set_active(false);
        self.inbox.forget(|_| true);
    }

    fn assign(&self, assignment: &TopicPartitionList) -> KafkaResult<()> {
        if self.own_handling().is_some() {
            return self.incremental_assign(assignment);
        }
        let _runtime = runtime::enter();
        self.assign_by_hand(assignment.clone(), assignment)
    }

    fn unassign(&self) -> KafkaResult<()> {
        if self.own_handling().is_some() {
            return Ok(());
        }
        let _runtime = runtime::enter();
        let none = TopicPartitionList::new();
        self.assign_by_hand(none.clone(), &none)
    }

    fn incremental_assign(&self, assignment: &TopicPartitionList) -> KafkaResult<()> {
        let _runtime = runtime::enter();
        match self.own_handling() {
            Some(Change::Assigned) => self
                .start_at(assignment)
                .map_err(|error| KafkaError::Subscription(error.to_string())),
            Some(Change::Revoked | Change::Lost) => Ok(()),
            None => {
                let mut all = self.wanted().assignment.clone();
                all.extend(assignment);
                self.assign_by_hand(all, assignment)
            }
        }
    }

    fn incremental_unassign(&self, assignment: &TopicPartitionList) -> KafkaResult<()> {
        if self.own_handling().is_some() {
            return Ok(());
        }
        let _runtime = runtime::enter();
        let mut rest = self.wanted().assignment.clone();
        for element in assignment.elements() {
            if rest.find_partition(element.topic(), element.partition()).is_none() {
                let name = RDKafkaErrorCode::InvalidArgument.c_name();
                return Err(KafkaError::Subscription(name.to_owned()));
            }
            rest.remove(element.topic(), element.partition());
        }
        self.assign_by_hand(rest, &TopicPartitionList::new())
    }

    fn seek<T: Into<Timeout>>(
        &self,
        topic: &str,
        partition: i32,
        offset: Offset,
        timeout: T,
    ) -> KafkaResult<()> {
        if offset.to_raw().is_none() {
            return Err(KafkaError::Seek("Local: Unrepresentable offset".to_owned()));
        }
        let _runtime = runtime::enter();
        self.go_to(&TopicPartition::new(topic, partition), offset, timeout.into())
            .map_err(|error| KafkaError::Seek(error.to_string()))
    }

    fn seek_partitions<T: Into<Timeout>>(
        &self,
        topic_partition_list: TopicPartitionList,
        timeout: T,
    ) -> KafkaResult<TopicPartitionList> {
        let _runtime = runtime::enter();
        let timeout = timeout.into();
        for element in topic_partition_list.elements() {
            let partition = TopicPartition::new(element.topic(), element.partition());
            let outcome = self.go_to(&partition, element.offset(), timeout);
            element.set_error(outcome.err().as_ref().map(state_code));
        }
        Ok(topic_partition_list)
    }

    fn commit(
        &self,
        topic_partition_list: &TopicPartitionList,
        mode: CommitMode,
    ) -> KafkaResult<()> {
        let offsets = topic_partition_list.committable();
        if offsets.is_empty() {
            return Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset));
        }
        self.commit_offsets(offsets, mode)
    }

    fn commit_consumer_state(&self, mode: CommitMode) -> KafkaResult<()> {
        let stored = self.inbox.take_stored();
        if stored.is_empty() {
            return Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset));
        }
        let offsets: Vec<_> = stored
            .iter()
            .map(|(partition, offset)| (partition.clone(), OffsetAndMetadata::new(*offset)))
            .collect();
        self.commit_offsets(offsets, mode).inspect_err(|_| self.inbox.put_back(stored))
    }

    fn commit_message(&self, message: &BorrowedMessage<'_>, mode: CommitMode) -> KafkaResult<()> {
        self.commit(&behind(message), mode)
    }

    fn store_offset(&self, topic: &str, partition: i32, offset: i64) -> KafkaResult<()> {
        self.inbox
            .store(&TopicPartition::new(topic, partition), offset.saturating_add(1))
            .map_err(|error| KafkaError::StoreOffset(state_code(&error)))
    }

    fn store_offset_from_message(&self, message: &BorrowedMessage<'_>) -> KafkaResult<()> {
        self.store_offset(message.topic(), message.partition(), message.offset())
    }

    fn store_offsets(&self, tpl: &TopicPartitionList) -> KafkaResult<()> {
        tpl.committable().into_iter().try_for_each(|(partition, offset)| {
            self.inbox
                .store(&partition, offset.offset.0)
                .map_err(|error| KafkaError::StoreOffset(state_code(&error)))
        })
    }

    fn subscription(&self) -> KafkaResult<TopicPartitionList> {
        Ok(self.wanted().subscription.clone())
    }

    fn assignment(&self) -> KafkaResult<TopicPartitionList> {
        let wanted = self.wanted();
        if wanted.subscription.count() == 0 {
            return Ok(wanted.assignment.clone());
        }
        drop(wanted);
        let mut list: TopicPartitionList = self.handle.assignment().iter().collect();
        list.set_all_offsets(Offset::Stored)?;
        Ok(list)
    }

    fn assignment_lost(&self) -> bool {
        self.own_handling() == Some(Change::Lost)
    }

    fn committed<T: Into<Timeout>>(&self, timeout: T) -> KafkaResult<TopicPartitionList> {
        self.committed_offsets(self.assignment()?, timeout)
    }

    fn committed_offsets<T: Into<Timeout>>(
        &self,
        tpl: TopicPartitionList,
        timeout: T,
    ) -> KafkaResult<TopicPartitionList> {
        let (handle, asked) = (self.handle.clone(), tpl.partitions());
        let found = self.client.ask(timeout, KafkaError::MetadataFetch, async move {
            handle.committed(asked).await
        })?;
        for mut element in tpl.elements() {
            let partition = TopicPartition::new(element.topic(), element.partition());
            match found.get(&partition).and_then(Option::as_ref) {
                Some(committed) => {
                    element.set_offset(Offset::Offset(committed.offset.0))?;
                    element.set_metadata(&committed.metadata);
                }
                None => element.set_offset(Offset::Invalid)?,
            }
        }
        Ok(tpl)
    }

    fn offsets_for_timestamp<T: Into<Timeout>>(
        &self,
        timestamp: i64,
        timeout: T,
    ) -> KafkaResult<TopicPartitionList> {
        let mut timestamps = self.assignment()?;
        timestamps.set_all_offsets(Offset::Offset(timestamp))?;
        self.offsets_for_times(timestamps, timeout)
    }

    fn offsets_for_times<T: Into<Timeout>>(
        &self,
        timestamps: TopicPartitionList,
        timeout: T,
    ) -> KafkaResult<TopicPartitionList> {
        let handle = self.handle.clone();
        let asked: Vec<_> = timestamps
            .elements()
            .iter()
            .map(|element| {
                let partition = TopicPartition::new(element.topic(), element.partition());
                (partition, Timestamp(element.offset().to_raw().unwrap_or_default()))
            })
            .collect();
        let found = self.client.ask(timeout, KafkaError::MetadataFetch, async move {
            handle.offsets_for_times(asked).await
        })?;
        for mut element in timestamps.elements() {
            let partition = TopicPartition::new(element.topic(), element.partition());
            let found = found.get(&partition).and_then(Option::as_ref);
            element.set_offset(found.map_or(Offset::End, |at| Offset::Offset(at.offset.0)))?;
        }
        Ok(timestamps)
    }

    fn position(&self) -> KafkaResult<TopicPartitionList> {
        if !self.has_group {
            return Err(KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownGroup));
        }
        let list = self.assignment()?;
        for mut element in list.elements() {
            let partition = TopicPartition::new(element.topic(), element.partition());
            let position = self.inbox.position(&partition);
            element.set_offset(position.map_or(Offset::Invalid, Offset::Offset))?;
        }
        Ok(list)
    }

    fn fetch_metadata<T: Into<Timeout>>(
        &self,
        topic: Option<&str>,
        timeout: T,
    ) -> KafkaResult<Metadata> {
        self.client.fetch_metadata(topic, timeout)
    }

    fn fetch_watermarks<T: Into<Timeout>>(
        &self,
        topic: &str,
        partition: i32,
        timeout: T,
    ) -> KafkaResult<(i64, i64)> {
        self.client.fetch_watermarks(topic, partition, timeout)
    }

    fn fetch_group_list<T: Into<Timeout>>(
        &self,
        group: Option<&str>,
        timeout: T,
    ) -> KafkaResult<GroupList> {
        self.client.fetch_group_list(group, timeout)
    }

    fn pause(&self, partitions: &TopicPartitionList) -> KafkaResult<()> {
        self.inbox
            .pause(&partitions.partitions())
            .map_err(|error| KafkaError::PauseResume(error.to_string()))
    }

    fn resume(&self, partitions: &TopicPartitionList) -> KafkaResult<()> {
        self.inbox
            .resume(&partitions.partitions())
            .map_err(|error| KafkaError::PauseResume(error.to_string()))
    }

    fn rebalance_protocol(&self) -> RebalanceProtocol {
        self.protocol
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

/// What [`BaseConsumer::iter`] returns.
#[derive(Debug)]
pub struct Iter<'a, C>(&'a BaseConsumer<C>)
where
    C: ConsumerContext;

impl<'a, C: ConsumerContext> Iterator for Iter<'a, C> {
    type Item = KafkaResult<BorrowedMessage<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.0.poll(None) {
                return Some(item);
            }
        }
    }
}

impl<'a, C: ConsumerContext> IntoIterator for &'a BaseConsumer<C> {
    type Item = KafkaResult<BorrowedMessage<'a>>;
    type IntoIter = Iter<'a, C>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The queue of one partition.
pub struct PartitionQueue<C>
where
    C: ConsumerContext,
{
    consumer: Arc<BaseConsumer<C>>,
    partition: TopicPartition,
}

impl<C: ConsumerContext> PartitionQueue<C> {
    /// Returns the next message of the partition: see [`BaseConsumer::poll`]. The consumer has to be
    /// polled, too, if only part of its partitions have queues of their own.
    pub fn poll<T: Into<Timeout>>(&self, timeout: T) -> Option<KafkaResult<BorrowedMessage<'_>>> {
        self.consumer.poll_queue(Some(&self.partition), timeout.into())
    }

    /// Calls `f` whenever the queue has been empty and has a message.
    pub fn set_nonempty_callback<F>(&mut self, f: F)
    where
        F: Fn() + Send + Sync + 'static,
    {
        self.consumer.inbox.on_nonempty(Some(&self.partition), Some(Arc::new(f)));
    }

    pub(crate) fn partition(&self) -> &TopicPartition {
        &self.partition
    }
}

impl<C: ConsumerContext> Drop for PartitionQueue<C> {
    fn drop(&mut self) {
        self.consumer.inbox.on_nonempty(Some(&self.partition), None);
    }
}

impl<C: ConsumerContext> fmt::Debug for PartitionQueue<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartitionQueue").field("partition", &self.partition).finish_non_exhaustive()
    }
}

/// The offset behind a message.
fn behind(message: &BorrowedMessage<'_>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    // An offset that was read is not negative.
    let _ = list.add_partition_offset(
        message.topic(),
        message.partition(),
        Offset::Offset(message.offset().saturating_add(1)),
    );
    list
}

/// One pattern for topics of which some are patterns.
fn pattern(topics: &[&str]) -> Option<String> {
    topics.iter().any(|topic| topic.starts_with('^')).then(|| {
        let alternatives: Vec<_> = topics
            .iter()
            .map(|topic| match topic.starts_with('^') {
                true => (*topic).to_owned(),
                // The only character of a topic's name that means something else in a pattern.
                false => format!("^{}$", topic.replace('.', "\\.")),
            })
            .collect();
        alternatives.join("|")
    })
}

fn committed(
    offsets: &std::collections::BTreeMap<TopicPartition, kavka::Result<kavka::OffsetAndMetadata>>,
) -> (KafkaResult<()>, TopicPartitionList) {
    let mut list = TopicPartitionList::new();
    let mut result = Ok(());
    for (partition, outcome) in offsets {
        let mut element = list.add_partition(&partition.topic, partition.partition.0);
        match outcome {
            Ok(committed) => {
                // An offset that was committed is not negative.
                let _ = element.set_offset(Offset::Offset(committed.offset.0));
                element.set_metadata(&committed.metadata);
            }
            Err(error) => {
                let code = commit_code(error);
                element.set_error(Some(code));
                result = Err(KafkaError::ConsumerCommit(code));
            }
        }
    }
    (result, list)
}

fn consumption_error(error: &kavka::Error) -> KafkaError {
    match (error.kind(), &error.context().partition) {
        (ErrorKind::PartitionEof, Some(of)) => KafkaError::PartitionEOF(of.partition.0),
        _ if error.class() == kavka::Class::Fatal => {
            KafkaError::MessageConsumptionFatal(code_of(error))
        }
        _ => KafkaError::MessageConsumption(code_of(error)),
    }
}

fn commit_code(error: &kavka::Error) -> RDKafkaErrorCode {
    match error.kind() {
        ErrorKind::Config => RDKafkaErrorCode::UnknownGroup,
        _ => code_of(error),
    }
}

/// Of a partition that is not assigned.
fn state_code(error: &kavka::Error) -> RDKafkaErrorCode {
    match error.kind() {
        ErrorKind::Config => RDKafkaErrorCode::State,
        _ => code_of(error),
    }
}
