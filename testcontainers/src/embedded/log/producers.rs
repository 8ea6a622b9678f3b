//! What a partition remembers of each producer, after Kafka's `ProducerStateManager`,
//! `ProducerAppendInfo` and `VerificationStateEntry`.

use std::collections::{BTreeMap, VecDeque};

use kafka_protocol::ResponseError;

use super::batch::{BatchHeader, advance_sequence};
use crate::embedded::transaction::{BUMPS_EPOCH, Identity, Marker};

/// Kafka keeps this many batches of a producer to recognise duplicates.
const REMEMBERED_BATCHES: usize = 5;

/// The producers of one partition, by id.
#[derive(Clone, Debug, Default)]
pub(crate) struct Producers {
    known: BTreeMap<i64, Producer>,
    /// Those whose transaction here waits for the coordinator's word, until the first append.
    verifying: BTreeMap<i64, Verification>,
}

/// A producer as a partition knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionProducer {
    /// The producer id.
    pub producer_id: i64,
    /// The producer epoch.
    pub producer_epoch: i16,
    /// The sequence of its last record, -1 after a marker that raised the epoch.
    pub last_sequence: i32,
    /// Milliseconds since 1970.
    pub last_timestamp: i64,
    /// Of the last marker, -1 before the first.
    pub coordinator_epoch: i32,
    /// The offset where its open transaction began.
    pub transaction_start: Option<i64>,
}

#[derive(Clone, Debug)]
struct Producer {
    epoch: i16,
    /// Oldest first; empty after an epoch bump by a marker.
    batches: VecDeque<Remembered>,
    /// First offset of the transaction that is open.
    open_since: Option<i64>,
    last_timestamp: i64,
    coordinator_epoch: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Remembered {
    pub(crate) first_sequence: i32,
    pub(crate) last_sequence: i32,
    pub(crate) base_offset: i64,
    pub(crate) timestamp: i64,
}

#[derive(Clone, Copy, Debug)]
struct Verification {
    /// A batch above it would overtake one that is refused until the coordinator answers.
    lowest_sequence: i32,
    epoch: i16,
    /// The transaction is of the new protocol, where each begins at sequence 0.
    bumps: bool,
}

/// What to do with a batch that came from a producer with an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Append,
    /// Written before: answer with the old offset and time.
    Duplicate(Remembered),
}

impl Producers {
    /// A transactional batch has come; true when the coordinator has to be asked about it.
    pub(crate) fn begin_verification(
        &mut self,
        (producer_id, epoch): Identity,
        sequence: i32,
        bumps: bool,
    ) -> Result<bool, ResponseError> {
        if let Some(known) = self.known.get(&producer_id) {
            if epoch < known.epoch {
                return Err(ResponseError::InvalidProducerEpoch);
            }
            if known.epoch == epoch && known.open_since.is_some() {
                return Ok(false);
            }
        }
        let entry = self.verifying.entry(producer_id).or_insert(Verification {
            lowest_sequence: sequence,
            epoch,
            bumps,
        });
        if epoch > entry.epoch {
            (entry.epoch, entry.lowest_sequence) = (epoch, sequence);
        } else if epoch == entry.epoch {
            entry.lowest_sequence = entry.lowest_sequence.min(sequence);
        }
        Ok(true)
    }

    /// Judges a batch before it is appended.
    pub(crate) fn check(&self, batch: &BatchHeader) -> Result<Verdict, ResponseError> {
        let producer = self.known.get(&batch.producer_id);
        if let Some(duplicate) = producer.and_then(|producer| producer.duplicate_of(batch)) {
            return Ok(Verdict::Duplicate(duplicate));
        }
        if producer.is_some_and(|producer| batch.producer_epoch < producer.epoch) {
            return Err(ResponseError::InvalidProducerEpoch);
        }
        self.check_verification(producer, batch)?;
        let Some(producer) = producer else {
            // Kafka takes any first sequence of a producer that it does not know.
            return Ok(Verdict::Append);
        };
        if batch.producer_epoch > producer.epoch {
            return if batch.base_sequence == 0 {
                Ok(Verdict::Append)
            } else {
                Err(ResponseError::OutOfOrderSequenceNumber)
            };
        }
        let follows = match producer.batches.back() {
            Some(last) => advance_sequence(last.last_sequence, 1) == batch.base_sequence,
            // After a marker of this epoch, the first sequence must be 0.
            None => batch.base_sequence == 0,
        };
        if !follows {
            return Err(ResponseError::OutOfOrderSequenceNumber);
        }
        if producer.open_since.is_some() && !batch.is_transactional() {
            return Err(ResponseError::InvalidTxnState);
        }
        Ok(Verdict::Append)
    }

    /// Remembers a batch that was appended at `base_offset`.
    pub(crate) fn appended(&mut self, batch: &BatchHeader, base_offset: i64, timestamp: i64) {
        self.verifying.remove(&batch.producer_id);
        let producer = self
            .known
            .entry(batch.producer_id)
            .or_insert_with(|| Producer::new(batch.producer_epoch));
        producer.reach_epoch(batch.producer_epoch);
        if producer.batches.len() == REMEMBERED_BATCHES {
            producer.batches.pop_front();
        }
        producer.batches.push_back(Remembered {
            first_sequence: batch.base_sequence,
            last_sequence: batch.last_sequence(),
            base_offset,
            timestamp,
        });
        producer.last_timestamp = timestamp;
        if batch.is_transactional() {
            producer.open_since.get_or_insert(base_offset);
        }
    }

    /// Remembers offsets that were written in a transaction: batches without a sequence.
    pub(crate) fn wrote_offsets(&mut self, (producer_id, epoch): Identity, now_ms: i64) {
        self.verifying.remove(&producer_id);
        let producer = self.known.entry(producer_id).or_insert_with(|| Producer::new(epoch));
        producer.reach_epoch(epoch);
        producer.last_timestamp = now_ms;
        producer.open_since.get_or_insert(0);
    }

    /// Judges a marker before it is written (KIP-1228).
    pub(crate) fn check_marker(&self, marker: &Marker) -> Result<(), ResponseError> {
        let Some(producer) = self.known.get(&marker.producer_id) else { return Ok(()) };
        let bumps = marker.version >= BUMPS_EPOCH;
        let is_repeated = marker.epoch == producer.epoch
            && (producer.open_since.is_none() || marker.epoch == i16::MAX);
        if marker.epoch < producer.epoch
            || (bumps && marker.epoch == producer.epoch && !is_repeated)
        {
            return Err(ResponseError::InvalidProducerEpoch);
        }
        if marker.coordinator_epoch < producer.coordinator_epoch {
            return Err(ResponseError::TransactionCoordinatorFenced);
        }
        Ok(())
    }

    /// Ends the transaction of a producer; gives the offset where it began.
    pub(crate) fn end_transaction(&mut self, marker: &Marker, timestamp: i64) -> Option<i64> {
        // With the new protocol a batch of the next transaction, under the marker's epoch, may be
        // here before it.
        let is_of_next = |entry: &Verification| entry.bumps && entry.epoch == marker.epoch;
        if !self.verifying.get(&marker.producer_id).is_some_and(is_of_next) {
            self.verifying.remove(&marker.producer_id);
        }
        let producer =
            self.known.entry(marker.producer_id).or_insert_with(|| Producer::new(marker.epoch));
        producer.reach_epoch(marker.epoch);
        producer.coordinator_epoch = marker.coordinator_epoch;
        producer.last_timestamp = timestamp;
        producer.open_since.take()
    }

    /// Where the oldest open transaction began.
    pub(crate) fn first_open(&self) -> Option<i64> {
        self.known.values().filter_map(|producer| producer.open_since).min()
    }

    /// Another replica leads: what the old leader was asking its coordinators was in its memory
    /// alone.
    pub(crate) fn forget_verifications(&mut self) {
        self.verifying.clear();
    }

    /// Forgets producers, as expiry does.
    pub(crate) fn forget(&mut self, producer_id: Option<i64>) {
        match producer_id {
            Some(id) => {
                self.known.remove(&id);
                self.verifying.remove(&id);
            }
            None => *self = Self::default(),
        }
    }

    pub(crate) fn describe(&self) -> Vec<PartitionProducer> {
        let describe = |(id, producer): (&i64, &Producer)| PartitionProducer {
            producer_id: *id,
            producer_epoch: producer.epoch,
            last_sequence: producer.batches.back().map_or(-1, |batch| batch.last_sequence),
            last_timestamp: producer.last_timestamp,
            coordinator_epoch: producer.coordinator_epoch,
            transaction_start: producer.open_since,
        };
        self.known.iter().map(describe).collect()
    }

    fn check_verification(
        &self,
        known: Option<&Producer>,
        batch: &BatchHeader,
    ) -> Result<(), ResponseError> {
        let Some(entry) = self.verifying.get(&batch.producer_id) else { return Ok(()) };
        let is_fresh = known.is_none_or(|producer| producer.batches.is_empty());
        let skips = entry.bumps && is_fresh && batch.base_sequence != 0;
        if skips || batch.base_sequence > entry.lowest_sequence {
            return Err(ResponseError::OutOfOrderSequenceNumber);
        }
        Ok(())
    }
}

impl Producer {
    fn new(epoch: i16) -> Self {
        Self {
            epoch,
            batches: VecDeque::new(),
            open_since: None,
            last_timestamp: -1,
            coordinator_epoch: -1,
        }
    }

    /// Sequences begin anew with another epoch.
    fn reach_epoch(&mut self, epoch: i16) {
        if self.epoch != epoch {
            self.epoch = epoch;
            self.batches.clear();
        }
    }

    fn duplicate_of(&self, batch: &BatchHeader) -> Option<Remembered> {
        if batch.producer_epoch != self.epoch {
            return None;
        }
        let last = batch.last_sequence();
        self.batches
            .iter()
            .find(|old| old.first_sequence == batch.base_sequence && old.last_sequence == last)
            .copied()
    }
}
