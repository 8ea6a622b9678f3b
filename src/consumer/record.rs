//! Records as an application receives them: views into the batch they came in.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::consumer::position::PartitionAssignment;
use crate::error::Error;
use crate::ids::{LeaderEpoch, Offset, PartitionId, Timestamp, TopicPartition};
use crate::record::{Record, TimestampType};
use crate::wire::batch::{Headers, RecordCursor, RecordIter, RecordRef, RecordSpans, Records};

/// What the records of one batch share.
pub(super) struct BatchContext {
    pub(super) assignment: Arc<PartitionAssignment>,
    pub(super) data: Bytes,
    pub(super) timestamp_type: TimestampType,
    pub(super) leader_epoch: Option<LeaderEpoch>,
}

/// A record consumed from Kafka.
///
/// It shares the memory of its batch, so receiving it copies nothing. Keeping a record therefore
/// keeps its whole batch in memory, and for an uncompressed batch the broker's whole reply.
/// [`ConsumerRecord::detach`] makes an independent copy.
#[derive(Clone)]
pub struct ConsumerRecord {
    batch_context: Arc<BatchContext>,
    offset: Offset,
    timestamp: Timestamp,
    spans: RecordSpans,
    /// How many offsets without a record are between it and the one handed over before it.
    gap: u32,
}

impl ConsumerRecord {
    #[inline]
    pub(super) fn new(
        batch_context: &Arc<BatchContext>,
        record: &RecordRef<'_>,
        before: Offset,
    ) -> Self {
        Self {
            offset: record.offset,
            timestamp: record.timestamp,
            spans: RecordSpans::of(record, &batch_context.data),
            gap: gap_between(before, record.offset, batch_context),
            batch_context: Arc::clone(batch_context),
        }
    }

    /// Returns the topic.
    pub fn topic(&self) -> &str {
        &self.topic_partition().topic
    }

    /// Returns the number of the partition within the topic.
    pub fn partition(&self) -> PartitionId {
        self.topic_partition().partition
    }

    /// Returns the topic and partition.
    pub fn topic_partition(&self) -> &TopicPartition {
        self.batch_context.assignment.partition()
    }

    /// Returns the offset of the record within its partition.
    pub fn offset(&self) -> Offset {
        self.offset
    }

    /// Returns the timestamp, which was set by the clock that [`ConsumerRecord::timestamp_type`]
    /// names.
    pub fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    /// Returns which clock set the timestamp.
    pub fn timestamp_type(&self) -> TimestampType {
        self.batch_context.timestamp_type
    }

    /// Returns the key. `None` is Kafka's null, which is distinct from an empty key.
    #[inline]
    pub fn key(&self) -> Option<&[u8]> {
        self.spans.key(&self.batch_context.data)
    }

    /// Returns the value. `None` is Kafka's null: the record is a tombstone.
    #[inline]
    pub fn value(&self) -> Option<&[u8]> {
        self.spans.value(&self.batch_context.data)
    }

    /// Returns the key as [`Bytes`] that share the memory of the batch.
    pub fn key_bytes(&self) -> Option<Bytes> {
        self.key().map(|key| self.batch_context.data.slice_ref(key))
    }

    /// Returns the value as [`Bytes`] that share the memory of the batch.
    pub fn value_bytes(&self) -> Option<Bytes> {
        self.value().map(|value| self.batch_context.data.slice_ref(value))
    }

    /// Returns an iterator over the headers, in order and including duplicates. They are decoded on
    /// the fly.
    pub fn headers(&self) -> Headers<'_> {
        self.spans.headers(&self.batch_context.data)
    }

    /// Returns the epoch of the leader that appended the record (KIP-101), or `None` for old record
    /// formats.
    pub fn leader_epoch(&self) -> Option<LeaderEpoch> {
        self.batch_context.leader_epoch
    }

    /// The right to deliver it under which it was handed over.
    pub(super) fn assignment(&self) -> &PartitionAssignment {
        &self.batch_context.assignment
    }

    /// The offsets that are done with the record: its own, and those before it that hold none.
    pub(crate) fn covered(&self) -> Range<Offset> {
        Offset(self.offset.0.saturating_sub(self.gap.into()))..self.offset.advance(1)
    }

    /// Returns a copy that does not share the memory of the batch.
    #[must_use]
    pub fn detach(&self) -> Self {
        let (spans, data) = self.spans.detach(&self.batch_context.data);
        Self {
            spans,
            batch_context: Arc::new(BatchContext {
                data,
                assignment: Arc::clone(&self.batch_context.assignment),
                ..*self.batch_context
            }),
            ..*self
        }
    }
}

/// The offsets between a record and the end of the one before it. Few logs have any, and none but a
/// forged one more than fit, which are marked as done at once.
#[inline]
fn gap_between(before: Offset, offset: Offset, batch_context: &BatchContext) -> u32 {
    let gap = offset.0.saturating_sub(before.0);
    u32::try_from(gap).unwrap_or_else(|_| {
        if gap > 0 {
            batch_context.assignment.mark(before..offset, None);
        }
        0
    })
}

impl<'a> From<&'a ConsumerRecord> for Record<'a> {
    /// The record to send on: with topic, key, value, headers and, if it has one, timestamp; the
    /// partition is chosen anew.
    fn from(record: &'a ConsumerRecord) -> Self {
        to_send(record.topic(), record.key(), record.value(), record.headers(), record.timestamp())
    }
}

impl<'a> From<&BatchRecord<'a>> for Record<'a> {
    /// As of a [`ConsumerRecord`].
    fn from(record: &BatchRecord<'a>) -> Self {
        to_send(record.topic(), record.key(), record.value(), record.headers(), record.timestamp())
    }
}

fn to_send<'a>(
    topic: &'a str,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    headers: Headers<'a>,
    timestamp: Timestamp,
) -> Record<'a> {
    let mut record = Record::to(topic).key(key).value(value);
    record.headers = headers.collect();
    // Kafka writes -1 for none, and a record to send may not have that.
    record.timestamp = (timestamp.0 >= 0).then_some(timestamp);
    record
}

impl fmt::Debug for ConsumerRecord {
    /// Writes where the record stands, not what is in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsumerRecord")
            .field("topic_partition", self.topic_partition())
            .field("offset", &self.offset)
            .field("timestamp", &self.timestamp)
            .field("key_len", &self.key().map(<[u8]>::len))
            .field("value_len", &self.value().map(<[u8]>::len))
            .finish_non_exhaustive()
    }
}

/// Records of one partition in offset order, as returned by
/// [`Consumer::next_batch`](crate::Consumer::next_batch).
///
/// Iterating decodes one record at a time and borrows from the batch; nothing is allocated or
/// copied per record.
pub struct RecordBatch {
    batch_context: Arc<BatchContext>,
    records: Records,
    from: RecordCursor,
    /// The offset behind the record handed over before.
    before: Offset,
    limit: usize,
    progress: Arc<BatchProgress>,
}

/// How a batch that was handed over is coming along; shared by the batch and the consumer.
#[derive(Debug)]
pub(super) struct BatchProgress {
    pub(super) assignment: Arc<PartitionAssignment>,
    /// Where the consumer stands after the batch.
    pub(super) next: Offset,
    /// What the walk met: a record that cannot be read.
    pub(super) failure: OnceLock<Error>,
}

impl RecordBatch {
    pub(super) fn new(
        batch_context: Arc<BatchContext>,
        records: Records,
        from: RecordCursor,
        before: Offset,
        limit: usize,
        progress: Arc<BatchProgress>,
    ) -> Self {
        Self { batch_context, records, from, before, limit, progress }
    }

    /// Returns the topic.
    pub fn topic(&self) -> &str {
        &self.topic_partition().topic
    }

    /// Returns the number of the partition within the topic.
    pub fn partition(&self) -> PartitionId {
        self.topic_partition().partition
    }

    /// Returns the topic and partition.
    pub fn topic_partition(&self) -> &TopicPartition {
        self.batch_context.assignment.partition()
    }

    /// Returns which clock set the timestamps.
    pub fn timestamp_type(&self) -> TimestampType {
        self.batch_context.timestamp_type
    }

    /// Returns the epoch of the leader that appended the records (KIP-101), or `None` for old
    /// record formats.
    pub fn leader_epoch(&self) -> Option<LeaderEpoch> {
        self.batch_context.leader_epoch
    }

    /// Returns the position after the batch, that is, the next offset to consume.
    pub fn next_offset(&self) -> Offset {
        self.progress.next
    }

    #[cfg(feature = "mq")]
    /// Whether the consumer goes on behind this batch: not once its partition was sought, or has
    /// gone.
    pub(crate) fn is_current(&self) -> bool {
        self.progress.assignment.delivery() != crate::consumer::position::DeliveryGate::Ended
    }

    /// How many records it has, by the header of the batch as it was stored: not to be believed
    /// before they are found.
    pub(crate) fn claimed_count(&self) -> usize {
        let (before, _) = self.from.since(RecordCursor::default());
        self.records.claimed_count().saturating_sub(before).min(self.limit)
    }

    /// Returns an iterator over the records.
    ///
    /// A record that cannot be decoded ends the iteration: the position falls back to that record,
    /// and the consumer's next call returns the error and stops the partition there.
    pub fn iter(&self) -> BatchIter<'_> {
        let records = self.records.resume(self.from);
        BatchIter { batch: self, records, before: self.before, left: self.limit }
    }
}

impl fmt::Debug for RecordBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordBatch")
            .field("topic_partition", self.topic_partition())
            .field("next_offset", &self.progress.next)
            .finish_non_exhaustive()
    }
}

impl<'a> IntoIterator for &'a RecordBatch {
    type Item = BatchRecord<'a>;
    type IntoIter = BatchIter<'a>;

    fn into_iter(self) -> BatchIter<'a> {
        self.iter()
    }
}

/// An iterator over the records of a [`RecordBatch`].
#[derive(Clone, Debug)]
pub struct BatchIter<'a> {
    batch: &'a RecordBatch,
    records: RecordIter<'a>,
    /// The offset behind the record before.
    before: Offset,
    left: usize,
}

impl<'a> Iterator for BatchIter<'a> {
    type Item = BatchRecord<'a>;

    #[inline]
    fn next(&mut self) -> Option<BatchRecord<'a>> {
        self.left = self.left.checked_sub(1)?;
        match self.records.next()? {
            Ok(record) => {
                let before = std::mem::replace(&mut self.before, record.offset.advance(1));
                Some(BatchRecord { batch: self.batch, record, before })
            }
            Err(error) => {
                self.batch.progress.fail(error.offset, error.into());
                None
            }
        }
    }
}

impl BatchProgress {
    #[cold]
    fn fail(&self, at: Offset, error: Error) {
        if self.failure.set(error.at_partition(self.assignment.partition().clone())).is_ok()
            && self.assignment.position() == Some(self.next)
        {
            self.assignment.deliver_to(at);
        }
    }
}

/// A record that borrows from its [`RecordBatch`].
#[derive(Clone, Copy)]
pub struct BatchRecord<'a> {
    batch: &'a RecordBatch,
    record: RecordRef<'a>,
    before: Offset,
}

impl<'a> BatchRecord<'a> {
    /// Returns the topic.
    pub fn topic(&self) -> &'a str {
        self.batch.topic()
    }

    /// Returns the number of the partition within the topic.
    pub fn partition(&self) -> PartitionId {
        self.batch.partition()
    }

    /// Returns the offset of the record within its partition.
    #[inline]
    pub fn offset(&self) -> Offset {
        self.record.offset
    }

    /// Returns the timestamp, which was set by the clock that [`RecordBatch::timestamp_type`]
    /// names.
    #[inline]
    pub fn timestamp(&self) -> Timestamp {
        self.record.timestamp
    }

    /// Returns the key. `None` is Kafka's null, which is distinct from an empty key.
    #[inline]
    pub fn key(&self) -> Option<&'a [u8]> {
        self.record.key
    }

    /// Returns the value. `None` is Kafka's null: the record is a tombstone.
    #[inline]
    pub fn value(&self) -> Option<&'a [u8]> {
        self.record.value
    }

    /// Returns an iterator over the headers, in order and including duplicates. They are decoded on
    /// the fly.
    pub fn headers(&self) -> Headers<'a> {
        self.record.headers()
    }

    /// Returns a record that shares the memory of the batch and can outlive this borrow.
    pub fn to_record(&self) -> ConsumerRecord {
        ConsumerRecord::new(&self.batch.batch_context, &self.record, self.before)
    }
}

impl fmt::Debug for BatchRecord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_record(), f)
    }
}
