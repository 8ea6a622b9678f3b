//! Records of a share group as an application receives them: each with the right, and the duty, to
//! say what became of it.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::acknowledge::AcknowledgeType;
use super::acknowledgement::Acknowledgement;
use super::acquisition::Acquisition;
use super::decode::{AcquiredBatch, AcquiredRecord};
use crate::error::{Error, ErrorKind};
use crate::ids::{LeaderEpoch, Offset, PartitionId, Timestamp, TopicPartition};
use crate::record::{Record, TimestampType};
use crate::runtime;
use crate::wire::batch::Headers;

/// A record of a share group, locked for this consumer until it says what became of it, or the lock
/// runs out (`share.record.lock.duration.ms` of the group, default 30 s).
///
/// It may be sent to other tasks and be acknowledged from there, in any order. With
/// [`ShareAcknowledgementMode::Explicit`](crate::ShareAcknowledgementMode::Explicit) one that is
/// dropped without a word is released: it is delivered again, to whichever consumer.
///
/// It shares the memory of what one fetch has brought of its partition.
pub struct ShareRecord {
    acquisition: Arc<Acquisition>,
    index: u32,
}

impl ShareRecord {
    pub(super) fn new(acquisition: Arc<Acquisition>, index: u32) -> Self {
        Self { acquisition, index }
    }

    /// Returns the topic.
    pub fn topic(&self) -> &str {
        &self.acquisition.partition.topic
    }

    /// Returns the number of the partition within the topic.
    pub fn partition(&self) -> PartitionId {
        self.acquisition.partition.partition
    }

    /// Returns the topic and partition.
    pub fn topic_partition(&self) -> &TopicPartition {
        &self.acquisition.partition
    }

    /// Returns the offset of the record within its partition.
    pub fn offset(&self) -> Offset {
        self.record().map_or(Offset(-1), |(record, _)| record.offset)
    }

    /// Returns the timestamp, which was set by the clock that [`ShareRecord::timestamp_type`] names.
    pub fn timestamp(&self) -> Timestamp {
        self.record().map_or(Timestamp(-1), |(record, _)| record.timestamp)
    }

    /// Returns which clock set the timestamp.
    pub fn timestamp_type(&self) -> TimestampType {
        self.record().map_or(TimestampType::CreateTime, |(_, batch)| batch.timestamp_type)
    }

    /// Returns the key. `None` is Kafka's null, which is distinct from an empty key.
    pub fn key(&self) -> Option<&[u8]> {
        self.record().and_then(|(record, batch)| record.spans.key(&batch.data))
    }

    /// Returns the value. `None` is Kafka's null.
    pub fn value(&self) -> Option<&[u8]> {
        self.record().and_then(|(record, batch)| record.spans.value(&batch.data))
    }

    /// Returns the key as [`Bytes`] that share the memory of the batch.
    pub fn key_bytes(&self) -> Option<Bytes> {
        let (record, batch) = self.record()?;
        record.spans.key(&batch.data).map(|key| batch.data.slice_ref(key))
    }

    /// Returns the value as [`Bytes`] that share the memory of the batch.
    pub fn value_bytes(&self) -> Option<Bytes> {
        let (record, batch) = self.record()?;
        record.spans.value(&batch.data).map(|value| batch.data.slice_ref(value))
    }

    /// Returns an iterator over the headers, in order and including duplicates. They are decoded on
    /// the fly.
    pub fn headers(&self) -> Headers<'_> {
        self.record().map_or(Headers::NONE, |(record, batch)| record.spans.headers(&batch.data))
    }

    /// Returns the epoch of the leader that appended the record (KIP-101).
    pub fn leader_epoch(&self) -> Option<LeaderEpoch> {
        self.record().and_then(|(_, batch)| batch.leader_epoch)
    }

    /// Returns how often the record has been delivered, to whichever consumers, this time included.
    ///
    /// When the group's limit is reached (`group.share.delivery.count.limit` of the broker, default
    /// 5), the record is not delivered again.
    pub fn delivery_count(&self) -> u16 {
        self.record().map_or(0, |(record, _)| record.delivery_count)
    }

    /// Returns how long the record is still locked for this consumer, or `None` once it is not any
    /// more: it was acknowledged, its lock has run out, or the connection over which it came has
    /// ended.
    pub fn lock_time_left(&self) -> Option<Duration> {
        let until = self.acquisition.locked_until(self.index)?;
        until.checked_duration_since(runtime::now())
    }

    /// Says that the record was processed ([`AcknowledgeType::Accept`]).
    pub fn accept(self) -> Acknowledgement {
        self.say(AcknowledgeType::Accept)
    }

    /// Has the record delivered again, to whichever consumer ([`AcknowledgeType::Release`]).
    pub fn release(self) -> Acknowledgement {
        self.say(AcknowledgeType::Release)
    }

    /// Says that the record cannot be processed ([`AcknowledgeType::Reject`]).
    pub fn reject(self) -> Acknowledgement {
        self.say(AcknowledgeType::Reject)
    }

    /// Has the lock of the record begin anew, as it is still being processed
    /// ([`AcknowledgeType::Renew`], KIP-1222).
    ///
    /// Fails with [`ErrorKind::Unsupported`] at brokers before Kafka 4.2, and with INVALID_RECORD_STATE
    /// if the group forbids it (`share.renew.acknowledge.enable`).
    pub fn renew(&self) -> Acknowledgement {
        renew(&self.acquisition, self.index)
    }

    fn say(self, said: AcknowledgeType) -> Acknowledgement {
        say(&self.acquisition, self.index..self.index + 1, said)
    }

    fn record(&self) -> Option<(&AcquiredRecord, &AcquiredBatch)> {
        self.acquisition.record(self.index)
    }
}

/// Says something of records that were handed over.
pub(super) fn say(
    acquisition: &Arc<Acquisition>,
    records: Range<u32>,
    said: AcknowledgeType,
) -> Acknowledgement {
    if said == AcknowledgeType::Renew {
        return renew(acquisition, records.start);
    }
    let is_new = acquisition.say(records.clone(), said, runtime::now());
    acknowledgement(acquisition, records, false, is_new)
}

fn renew(acquisition: &Arc<Acquisition>, index: u32) -> Acknowledgement {
    let is_new = acquisition.renew(index, runtime::now());
    acknowledgement(acquisition, index..index + 1, true, is_new)
}

fn acknowledgement(
    acquisition: &Arc<Acquisition>,
    records: Range<u32>,
    renews: bool,
    is_new: bool,
) -> Acknowledgement {
    let is_lost = acquisition.has_failed(records.start);
    Acknowledgement {
        acquisition: Arc::clone(acquisition),
        ranges: std::iter::once(records).collect(),
        renews,
        refused: (!is_new && !is_lost).then(|| acknowledged_before(acquisition)),
    }
}

fn acknowledged_before(acquisition: &Acquisition) -> Error {
    Error::new(ErrorKind::Config, "the record has been acknowledged before")
        .at_partition(acquisition.partition.clone())
}

impl Drop for ShareRecord {
    fn drop(&mut self) {
        self.acquisition.dropped(self.index);
    }
}

impl fmt::Debug for ShareRecord {
    /// Writes where the record stands, not what is in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShareRecord")
            .field("topic_partition", self.topic_partition())
            .field("offset", &self.offset())
            .field("delivery_count", &self.delivery_count())
            .finish_non_exhaustive()
    }
}

impl<'a> From<&'a ShareRecord> for Record<'a> {
    /// The record to send on: with topic, key, value, headers and, if it has one, timestamp; the
    /// partition is chosen anew.
    fn from(record: &'a ShareRecord) -> Self {
        let mut to_send = Self::to(record.topic()).key(record.key()).value(record.value());
        to_send.headers = record.headers().collect();
        // Kafka writes -1 for none, and a record to send may not have that.
        to_send.timestamp = Some(record.timestamp()).filter(|timestamp| timestamp.0 >= 0);
        to_send
    }
}

/// Records of one partition in offset order, as returned by
/// [`ShareConsumer::next_batch`](crate::ShareConsumer::next_batch). There may be gaps between them:
/// other members have what is missing, or had it.
#[derive(Debug)]
pub struct ShareBatch {
    acquisition: Arc<Acquisition>,
    range: Range<u32>,
    records: Vec<ShareRecord>,
}

impl ShareBatch {
    pub(super) fn new(acquisition: &Arc<Acquisition>, records: Range<u32>) -> Self {
        Self {
            acquisition: Arc::clone(acquisition),
            range: records.clone(),
            records: records
                .map(|index| ShareRecord { acquisition: Arc::clone(acquisition), index })
                .collect(),
        }
    }

    /// Returns the topic and partition.
    pub fn topic_partition(&self) -> &TopicPartition {
        &self.acquisition.partition
    }

    /// Returns the number of records.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Returns whether there is no record left.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Returns the records.
    pub fn records(&self) -> &[ShareRecord] {
        &self.records
    }

    /// Accepts all of its records, as [`ShareRecord::accept`] does.
    pub fn accept(self) -> Acknowledgement {
        self.say(AcknowledgeType::Accept)
    }

    /// Releases all of its records, as [`ShareRecord::release`] does.
    pub fn release(self) -> Acknowledgement {
        self.say(AcknowledgeType::Release)
    }

    /// Rejects all of its records, as [`ShareRecord::reject`] does.
    pub fn reject(self) -> Acknowledgement {
        self.say(AcknowledgeType::Reject)
    }

    fn say(self, said: AcknowledgeType) -> Acknowledgement {
        say(&self.acquisition, self.range.clone(), said)
    }
}

impl IntoIterator for ShareBatch {
    type Item = ShareRecord;
    type IntoIter = std::vec::IntoIter<ShareRecord>;

    fn into_iter(self) -> Self::IntoIter {
        self.records.into_iter()
    }
}

impl<'a> IntoIterator for &'a ShareBatch {
    type Item = &'a ShareRecord;
    type IntoIter = std::slice::Iter<'a, ShareRecord>;

    fn into_iter(self) -> Self::IntoIter {
        self.records.iter()
    }
}
