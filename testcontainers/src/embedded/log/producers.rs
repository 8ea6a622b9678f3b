//! What a partition remembers of each producer, after Kafka's `ProducerStateManager` and `ProducerAppendInfo`.

use std::collections::{BTreeMap, VecDeque};

use kafka_protocol::ResponseError;

use super::batch::BatchHeader;

/// Kafka keeps this many batches of a producer to recognise duplicates.
const REMEMBERED_BATCHES: usize = 5;

/// The producers of one partition, by id.
#[derive(Clone, Debug, Default)]
pub(crate) struct Producers(BTreeMap<i64, Producer>);

#[derive(Clone, Debug)]
struct Producer {
    epoch: i16,
    /// Oldest first; empty after an epoch bump by a marker.
    batches: VecDeque<Remembered>,
    /// First offset of the transaction that is open.
    open_since: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Remembered {
    pub(crate) first_sequence: i32,
    pub(crate) last_sequence: i32,
    pub(crate) base_offset: i64,
    pub(crate) timestamp: i64,
}

/// What to do with a batch that came from a producer with an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Append,
    /// Written before: answer with the old offset and time.
    Duplicate(Remembered),
}

impl Producers {
    /// Judges a batch before it is appended.
    pub(crate) fn check(&self, batch: &BatchHeader) -> Result<Verdict, ResponseError> {
        let Some(producer) = self.0.get(&batch.producer_id) else {
            // Kafka takes any first sequence of a producer that it does not know.
            return Ok(Verdict::Append);
        };
        if let Some(duplicate) = producer.duplicate_of(batch) {
            return Ok(Verdict::Duplicate(duplicate));
        }
        if batch.producer_epoch < producer.epoch {
            return Err(ResponseError::InvalidProducerEpoch);
        }
        if batch.producer_epoch > producer.epoch {
            return if batch.base_sequence == 0 { Ok(Verdict::Append) } else { Err(ResponseError::OutOfOrderSequenceNumber) };
        }
        let follows = match producer.batches.back() {
            Some(last) => super::batch::advance_sequence(last.last_sequence, 1) == batch.base_sequence,
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
        let producer = self.0.entry(batch.producer_id).or_insert_with(|| Producer::new(batch.producer_epoch));
        if producer.epoch != batch.producer_epoch {
            producer.epoch = batch.producer_epoch;
            producer.batches.clear();
        }
        if producer.batches.len() == REMEMBERED_BATCHES {
            producer.batches.pop_front();
        }
        producer.batches.push_back(Remembered {
            first_sequence: batch.base_sequence,
            last_sequence: batch.last_sequence(),
            base_offset,
            timestamp,
        });
        if batch.is_transactional() {
            producer.open_since.get_or_insert(base_offset);
        }
    }

    /// Ends the transaction of a producer; gives the offset where it began.
    pub(crate) fn end_transaction(&mut self, producer_id: i64, epoch: i16) -> Option<i64> {
        let producer = self.0.entry(producer_id).or_insert_with(|| Producer::new(epoch));
        if epoch > producer.epoch {
            producer.epoch = epoch;
            producer.batches.clear();
        }
        producer.open_since.take()
    }

    /// Where the oldest open transaction began.
    pub(crate) fn first_open(&self) -> Option<i64> {
        self.0.values().filter_map(|producer| producer.open_since).min()
    }

    /// Forgets producers, as expiry does.
    pub(crate) fn forget(&mut self, producer_id: Option<i64>) {
        match producer_id {
            Some(id) => drop(self.0.remove(&id)),
            None => self.0.clear(),
        }
    }
}

impl Producer {
    fn new(epoch: i16) -> Self {
        Self { epoch, batches: VecDeque::new(), open_since: None }
    }

    fn duplicate_of(&self, batch: &BatchHeader) -> Option<Remembered> {
        if batch.producer_epoch != self.epoch {
            return None;
        }
        let last = batch.last_sequence();
        self.batches.iter().find(|old| old.first_sequence == batch.base_sequence && old.last_sequence == last).copied()
    }
}
