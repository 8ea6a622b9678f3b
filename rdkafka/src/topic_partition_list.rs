//! Lists of topics, partitions and offsets.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kavka::{OffsetAndMetadata, TopicPartition};

use crate::error::{KafkaError, KafkaResult};
use crate::types::RDKafkaErrorCode;

/// What stands for no partition in particular.
const PARTITION_UNASSIGNED: i32 = -1;

const OFFSET_BEGINNING: i64 = -2;
const OFFSET_END: i64 = -1;
const OFFSET_STORED: i64 = -1000;
const OFFSET_INVALID: i64 = -1001;
const OFFSET_TAIL_BASE: i64 = -2000;

/// An offset, or a rule by which one is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offset {
    /// The first that there is.
    Beginning,
    /// Behind the last that there is.
    End,
    /// What the group has committed.
    Stored,
    /// None.
    Invalid,
    /// This one. Negative ones are refused.
    Offset(i64),
    /// So many before the end.
    OffsetTail(i64),
}

impl Offset {
    /// Reads librdkafka's number.
    pub fn from_raw(raw_offset: i64) -> Self {
        match raw_offset {
            OFFSET_BEGINNING => Self::Beginning,
            OFFSET_END => Self::End,
            OFFSET_STORED => Self::Stored,
            OFFSET_INVALID => Self::Invalid,
            n if n <= OFFSET_TAIL_BASE => Self::OffsetTail(OFFSET_TAIL_BASE.saturating_sub(n)),
            n => Self::Offset(n),
        }
    }

    /// Returns librdkafka's number, if there is one.
    pub fn to_raw(self) -> Option<i64> {
        match self {
            Self::Beginning => Some(OFFSET_BEGINNING),
            Self::End => Some(OFFSET_END),
            Self::Stored => Some(OFFSET_STORED),
            Self::Invalid => Some(OFFSET_INVALID),
            Self::Offset(n) if n >= 0 => Some(n),
            Self::OffsetTail(n) if n > 0 => OFFSET_TAIL_BASE.checked_sub(n),
            Self::Offset(_) | Self::OffsetTail(_) => None,
        }
    }
}

/// What the list keeps of one partition. An entry can be written to through a shared list, as
/// rust-rdkafka's can.
#[derive(Debug)]
struct Entry {
    topic: String,
    partition: i32,
    state: Mutex<State>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    offset: Offset,
    metadata: String,
    error: Option<RDKafkaErrorCode>,
}

impl Entry {
    fn new(topic: &str, partition: i32) -> Self {
        let state = State { offset: Offset::Invalid, metadata: String::new(), error: None };
        Self { topic: topic.to_owned(), partition, state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clone for Entry {
    fn clone(&self) -> Self {
        let state = Mutex::new(self.lock().clone());
        Self { topic: self.topic.clone(), partition: self.partition, state }
    }
}

/// One entry of a list; what is set is set in the list.
pub struct TopicPartitionListElem<'a> {
    entry: &'a Entry,
    metadata: String,
}

impl<'a> TopicPartitionListElem<'a> {
    fn of(entry: &'a Entry) -> Self {
        Self { entry, metadata: entry.lock().metadata.clone() }
    }

    /// Returns the topic.
    pub fn topic(&self) -> &str {
        &self.entry.topic
    }

    /// Returns what went wrong with this entry.
    ///
    /// # Errors
    /// [`KafkaError::OffsetFetch`].
    pub fn error(&self) -> KafkaResult<()> {
        self.entry.lock().error.map_or(Ok(()), |code| Err(KafkaError::OffsetFetch(code)))
    }

    /// Returns the partition.
    pub fn partition(&self) -> i32 {
        self.entry.partition
    }

    /// Returns the offset.
    pub fn offset(&self) -> Offset {
        self.entry.lock().offset
    }

    /// Sets the offset.
    ///
    /// # Errors
    /// [`KafkaError::SetPartitionOffset`] for a negative one.
    pub fn set_offset(&mut self, offset: Offset) -> KafkaResult<()> {
        self.entry.lock().offset = representable(offset)?;
        Ok(())
    }

    /// Returns what is kept beside the offset.
    pub fn metadata(&self) -> &str {
        &self.metadata
    }

    /// Sets what is kept beside the offset.
    pub fn set_metadata<M: AsRef<str>>(&mut self, metadata: M) {
        metadata.as_ref().clone_into(&mut self.metadata);
        self.entry.lock().metadata.clone_from(&self.metadata);
    }

    pub(crate) fn set_error(&self, error: Option<RDKafkaErrorCode>) {
        self.entry.lock().error = error;
    }
}

impl PartialEq for TopicPartitionListElem<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.topic() == other.topic()
            && self.partition() == other.partition()
            && self.offset() == other.offset()
            && self.metadata() == other.metadata()
    }
}

impl fmt::Debug for TopicPartitionListElem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopicPartitionListElem")
            .field("topic", &self.topic())
            .field("partition", &self.partition())
            .field("offset", &self.offset())
            .field("metadata", &self.metadata())
            .field("error", &self.error())
            .finish()
    }
}

fn representable(offset: Offset) -> KafkaResult<Offset> {
    match offset.to_raw() {
        Some(_) => Ok(offset),
        None => Err(KafkaError::SetPartitionOffset(RDKafkaErrorCode::InvalidArgument)),
    }
}

/// A list of topics and partitions, each with an offset.
#[derive(Clone, Default)]
pub struct TopicPartitionList {
    entries: Vec<Entry>,
}

impl TopicPartitionList {
    /// Creates an empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates an empty list with room for `capacity` entries.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { entries: Vec::with_capacity(capacity) }
    }

    /// Creates a list of the partitions of a map.
    ///
    /// # Errors
    /// [`KafkaError::SetPartitionOffset`] for a negative offset.
    pub fn from_topic_map(topic_map: &HashMap<(String, i32), Offset>) -> KafkaResult<Self> {
        let mut list = Self::with_capacity(topic_map.len());
        for ((topic, partition), offset) in topic_map {
            list.add_partition_offset(topic, *partition, *offset)?;
        }
        Ok(list)
    }

    /// Returns how many entries there are.
    pub fn count(&self) -> usize {
        self.entries.len()
    }

    /// Returns how many entries there is room for.
    pub fn capacity(&self) -> usize {
        self.entries.capacity()
    }

    /// Adds a topic without a partition.
    pub fn add_topic_unassigned<'a>(&'a mut self, topic: &str) -> TopicPartitionListElem<'a> {
        self.add_partition(topic, PARTITION_UNASSIGNED)
    }

    /// Adds a partition, without an offset.
    pub fn add_partition<'a>(
        &'a mut self,
        topic: &str,
        partition: i32,
    ) -> TopicPartitionListElem<'a> {
        let at = self.entries.len();
        self.entries.push(Entry::new(topic, partition));
        TopicPartitionListElem::of(&self.entries[at])
    }

    /// Adds the partitions from `start_partition` to `stop_partition`, both included.
    pub fn add_partition_range(&mut self, topic: &str, start_partition: i32, stop_partition: i32) {
        for partition in start_partition..=stop_partition {
            self.add_partition(topic, partition);
        }
    }

    /// Sets the offset of a partition that is in the list.
    ///
    /// # Errors
    /// [`KafkaError::SetPartitionOffset`] if it is not, or for a negative offset.
    pub fn set_partition_offset(
        &mut self,
        topic: &str,
        partition: i32,
        offset: Offset,
    ) -> KafkaResult<()> {
        let unknown = KafkaError::SetPartitionOffset(RDKafkaErrorCode::UnknownPartition);
        let offset = representable(offset)?;
        self.find_partition(topic, partition).ok_or(unknown)?.set_offset(offset)
    }

    /// Adds a partition with an offset.
    ///
    /// # Errors
    /// [`KafkaError::SetPartitionOffset`] for a negative offset.
    pub fn add_partition_offset(
        &mut self,
        topic: &str,
        partition: i32,
        offset: Offset,
    ) -> KafkaResult<()> {
        self.add_partition(topic, partition).set_offset(offset)
    }

    /// Returns the entry of a partition.
    pub fn find_partition(
        &self,
        topic: &str,
        partition: i32,
    ) -> Option<TopicPartitionListElem<'_>> {
        let is_it = |entry: &&Entry| entry.topic == topic && entry.partition == partition;
        self.entries.iter().find(is_it).map(TopicPartitionListElem::of)
    }

    /// Sets the offset of all.
    ///
    /// # Errors
    /// [`KafkaError::SetPartitionOffset`] for a negative offset.
    pub fn set_all_offsets(&mut self, offset: Offset) -> KafkaResult<()> {
        self.elements().iter_mut().try_for_each(|element| element.set_offset(offset))
    }

    /// Returns all entries.
    pub fn elements(&self) -> Vec<TopicPartitionListElem<'_>> {
        self.entries.iter().map(TopicPartitionListElem::of).collect()
    }

    /// Returns the entries of a topic.
    pub fn elements_for_topic<'a>(&'a self, topic: &str) -> Vec<TopicPartitionListElem<'a>> {
        let of_topic = self.entries.iter().filter(|entry| entry.topic == topic);
        of_topic.map(TopicPartitionListElem::of).collect()
    }

    /// Returns the list as a map.
    pub fn to_topic_map(&self) -> HashMap<(String, i32), Offset> {
        let entries = self.entries.iter();
        entries.map(|entry| ((entry.topic.clone(), entry.partition), entry.lock().offset)).collect()
    }

    /// Adds what is not there, and sets the offset of what is.
    pub(crate) fn extend(&mut self, other: &Self) {
        for entry in &other.entries {
            self.remove(&entry.topic, entry.partition);
            self.entries.push(entry.clone());
        }
    }

    /// Removes a partition.
    pub(crate) fn remove(&mut self, topic: &str, partition: i32) {
        self.entries.retain(|entry| entry.topic != topic || entry.partition != partition);
    }

    /// The offsets that can be committed: those that are numbers.
    pub(crate) fn committable(&self) -> Vec<(TopicPartition, OffsetAndMetadata)> {
        let entries = self.entries.iter();
        entries
            .filter_map(|entry| {
                let state = entry.lock();
                let Offset::Offset(offset) = state.offset else { return None };
                let partition = TopicPartition::new(entry.topic.as_str(), entry.partition);
                let offset = OffsetAndMetadata::new(offset).metadata(state.metadata.clone());
                Some((partition, offset))
            })
            .collect()
    }

    /// The partitions as kavka names them.
    pub(crate) fn partitions(&self) -> Vec<TopicPartition> {
        let entries = self.entries.iter();
        entries.map(|entry| TopicPartition::new(entry.topic.as_str(), entry.partition)).collect()
    }
}

/// Two lists are equal if they have the same entries, in whatever order.
impl PartialEq for TopicPartitionList {
    fn eq(&self, other: &Self) -> bool {
        self.count() == other.count()
            && self.elements().iter().all(|element| {
                other.find_partition(element.topic(), element.partition()).as_ref() == Some(element)
            })
    }
}

impl<'a> FromIterator<&'a TopicPartition> for TopicPartitionList {
    fn from_iter<I: IntoIterator<Item = &'a TopicPartition>>(partitions: I) -> Self {
        let mut list = Self::new();
        for partition in partitions {
            list.add_partition(&partition.topic, partition.partition.0);
        }
        list
    }
}

impl FromIterator<(String, i32, Offset)> for TopicPartitionList {
    fn from_iter<I: IntoIterator<Item = (String, i32, Offset)>>(entries: I) -> Self {
        let mut list = Self::new();
        for (topic, partition, offset) in entries {
            list.add_partition(&topic, partition)
                .set_offset(offset)
                .unwrap_or_else(|error| panic!("the offset of {topic}:{partition}: {error}"));
        }
        list
    }
}

impl FromIterator<((String, i32), Offset)> for TopicPartitionList {
    fn from_iter<I: IntoIterator<Item = ((String, i32), Offset)>>(entries: I) -> Self {
        let entries = entries.into_iter();
        entries.map(|((topic, partition), offset)| (topic, partition, offset)).collect()
    }
}

impl fmt::Debug for TopicPartitionList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.elements()).finish()
    }
}
