//! What every consumer can, by a consumer that is polled.

use kavka::{OffsetAndMetadata, Timestamp, TopicPartition};

use super::translate::{behind, pattern, state_code};
use super::{BaseConsumer, Wanted};
use crate::client::Client;
use crate::consumer::rebalance::Change;
use crate::consumer::{
    CommitMode, Consumer, ConsumerContext, ConsumerGroupMetadata, RebalanceProtocol,
};
use crate::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use crate::groups::GroupList;
use crate::log::warn;
use crate::message::{BorrowedMessage, Message};
use crate::metadata::Metadata;
use crate::runtime;
use crate::topic_partition_list::{Offset, TopicPartitionList};
use crate::util::Timeout;

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
