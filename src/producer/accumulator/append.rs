//! What happens to a record in the call that sends it: find the partition, append.

use std::sync::Arc;

use super::memory::Reservation;
use super::partition::{AppendRefusal, Appended, PartitionBatches};
use super::topics::ProducerTopic;
use crate::error::{Error, ErrorCode, ErrorKind, Written};
use crate::ids::{PartitionId, Timestamp};
use crate::producer::ProducerShared;
use crate::producer::delivery::Delivery;
use crate::producer::sender::TransactionNumber;
use crate::record::Record;
use crate::wire::batch::HEADER_LEN;

/// Why a record was not accepted.
#[derive(Clone, Debug)]
pub(in crate::producer) enum SendRefusal {
    /// The topic is not known (yet).
    NoTopic,
    /// So many bytes of memory are missing.
    NoRoom(usize),
    /// It never will be.
    Failed(Error),
}

impl ProducerShared {
    /// Appends a record of a transaction, or with 0 of none, to the batch of its partition; `spare`
    /// is memory that was waited for.
    ///
    /// Locks are taken in the order [`ProducerTopics`](super::topics::ProducerTopics) (read, over
    /// all of it), the partition's slot, the events; `sticky` under the first alone.
    /// `docs/dev/locks.md` has all of them.
    #[inline]
    pub(in crate::producer) fn accept(
        &self,
        transaction: TransactionNumber,
        record: &Record<'_>,
        spare: &mut Option<Reservation>,
    ) -> Result<Delivery, SendRefusal> {
        let chosen = self.ask_partitioner(transaction, record)?;
        let known = self.topics.read();
        let topic = self.topic(&known, transaction, record)?;
        let (partition, is_unkeyed) = topic.choose(&self.config, record, chosen);
        let append =
            |slot: &PartitionBatches| slot.append(&self.accumulator, record, is_unkeyed, spare);
        let appended = self.append_or_move_on(topic, partition, is_unkeyed, append)?;
        Ok(Delivery::new(appended.outcome, appended.index, appended.timestamp))
    }

    /// Appends the first record, and those after it that go to the same partition and fit the same
    /// batch.
    pub(in crate::producer) fn accept_run(
        &self,
        transaction: TransactionNumber,
        records: &[Record<'_>],
        spare: &mut Option<Reservation>,
    ) -> Result<(Appended, u32), SendRefusal> {
        let Some(first) = records.first() else { return Err(SendRefusal::NoRoom(0)) };
        let chosen = self.ask_partitioner(transaction, first)?;
        // What the user's partitioner says of the others is asked for before anything is locked,
        // too.
        let follows = |record: &&Record<'_>| {
            self.ask_partitioner(transaction, record).is_ok_and(|next| next == chosen)
        };
        let most = if self.has_partitioner {
            1 + records.iter().skip(1).take_while(follows).count()
        } else {
            records.len()
        };
        let known = self.topics.read();
        let topic = self.topic(&known, transaction, first)?;
        let (partition, is_unkeyed) = topic.choose(&self.config, first, chosen);
        let fits = |record: &&Record<'_>| {
            (std::ptr::eq(record.topic, first.topic) || record.topic == first.topic)
                && self.check(record).is_ok()
                && topic.choose(&self.config, record, chosen) == (partition, is_unkeyed)
        };
        let run = || records.iter().take(most).take_while(fits);
        self.append_or_move_on(topic, partition, is_unkeyed, |slot| {
            slot.append_run(&self.accumulator, run(), is_unkeyed, spare)
        })
    }

    /// What the user's partitioner chooses. It runs outside of every lock: it may well send records
    /// itself.
    #[inline]
    fn ask_partitioner(
        &self,
        transaction: TransactionNumber,
        record: &Record<'_>,
    ) -> Result<Option<PartitionId>, SendRefusal> {
        if !self.has_partitioner || record.partition.is_some() {
            return Ok(None);
        }
        let topic = Arc::clone(self.topic(&self.topics.read(), transaction, record)?);
        let partitioner = topic.partitioner.as_ref();
        Ok(partitioner.and_then(|partitioner| partitioner.partition(record, &topic.partitions)))
    }

    /// Appends to a partition, or where records without a key go after it has had enough of them.
    #[inline]
    fn append_or_move_on<T>(
        &self,
        topic: &ProducerTopic,
        mut partition: PartitionId,
        is_unkeyed: bool,
        mut append: impl FnMut(&PartitionBatches) -> Result<T, AppendRefusal>,
    ) -> Result<T, SendRefusal> {
        loop {
            let slot = topic
                .slot(partition)
                .ok_or_else(|| SendRefusal::Failed(no_partition(partition, topic)))?;
            match append(slot) {
                Ok(appended) => return Ok(appended),
                Err(AppendRefusal::NoRoom(bytes)) => return Err(SendRefusal::NoRoom(bytes)),
                Err(AppendRefusal::MoveOn(bytes)) => {
                    debug_assert!(is_unkeyed);
                    topic.move_on(partition, bytes);
                    partition = topic.unkeyed_partition();
                }
            }
        }
    }

    #[inline]
    fn topic<'k>(
        &self,
        known: &'k super::topics::Known,
        transaction: TransactionNumber,
        record: &Record<'_>,
    ) -> Result<&'k Arc<ProducerTopic>, SendRefusal> {
        if let Some(ended) = known.refusal(transaction) {
            let ended = ended.with_written(Written::No);
            let is_refused = ended.kind() == ErrorKind::Broker;
            return Err(SendRefusal::Failed(if is_refused {
                ended.with_context(format_args!("topic {}", record.topic))
            } else {
                ended
            }));
        }
        self.check(record).map_err(SendRefusal::Failed)?;
        match known.topics.get(record.topic) {
            Some(Ok(topic)) => Ok(topic),
            Some(Err(error)) => Err(SendRefusal::Failed(error.clone())),
            None => Err(SendRefusal::NoTopic),
        }
    }

    /// Refuses what could never be sent.
    #[inline]
    fn check(&self, record: &Record<'_>) -> Result<(), Error> {
        if let Some(timestamp) = record.timestamp.filter(|timestamp| timestamp.0 < 0) {
            return Err(negative(timestamp));
        }
        let payload =
            record.key.map_or(0, <[u8]>::len).saturating_add(record.value.map_or(0, <[u8]>::len));
        let limit = self.config.max_request_size.min(self.accumulator.memory.size());
        if payload.saturating_add(OVERHEAD) <= limit && record.headers.is_empty() {
            return Ok(());
        }
        check_exact_size(record, payload, limit)
    }
}

/// Java's `ProducerRecord` refuses them too; −1 means in a batch that there is none.
#[cold]
fn negative(timestamp: Timestamp) -> Error {
    Error::config(format!("the timestamp is {}: 0 or more is allowed", timestamp.0))
        .with_written(Written::No)
}

#[cold]
fn check_exact_size(record: &Record<'_>, payload: usize, limit: usize) -> Result<(), Error> {
    let of_header = |header: &crate::record::Header<'_>| {
        header.name.len().saturating_add(header.value.map_or(0, <[u8]>::len)) + 10
    };
    let headers = record.headers.iter().map(of_header).fold(0_usize, usize::saturating_add);
    let size = payload.saturating_add(headers).saturating_add(OVERHEAD);
    if size <= limit {
        return Ok(());
    }
    let message = format!(
        "the record takes up to {size} bytes: max.request.size and buffer.memory allow {limit}"
    );
    Err(Error::new(ErrorKind::RecordTooLarge, message).with_written(Written::No))
}

#[cold]
fn no_partition(partition: PartitionId, topic: &ProducerTopic) -> Error {
    let count = topic.partitions.count();
    Error::broker(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
        .with_context(format_args!("there is no partition {partition}, of {count}"))
        .with_written(Written::No)
}

/// What a record takes at most beside key, value and headers, with the header of a batch of its
/// own.
const OVERHEAD: usize = HEADER_LEN + 36;
