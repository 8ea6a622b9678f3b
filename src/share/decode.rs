//! From the bytes of one partition's answer to the records that were acquired of it.
//!
//! Pure. A broker answers with whole batches and says which of their offsets it has acquired. Every
//! one of those must be said something of, or its lock holds up the group: of an offset that holds
//! no record (compacted away, or a marker of a transaction) that it is a gap, of one that cannot be
//! read that it is released.

use std::collections::VecDeque;

use bytes::Bytes;

use super::acknowledge::{AcknowledgeType, AcknowledgedRange};
use crate::error::Error;
use crate::ids::{LeaderEpoch, Offset, Timestamp};
use crate::record::TimestampType;
use crate::wire::batch::{Batch, Batches, DecodeOptions, RecordSpans};

/// Offsets that the broker has acquired for this consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AcquiredRange {
    pub(crate) first: Offset,
    pub(crate) last: Offset,
    pub(crate) delivery_count: u16,
}

/// What the records of one batch share.
#[derive(Debug)]
pub(crate) struct AcquiredBatch {
    pub(crate) data: Bytes,
    pub(crate) timestamp_type: TimestampType,
    pub(crate) leader_epoch: Option<LeaderEpoch>,
}

/// A record that was acquired.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AcquiredRecord {
    pub(crate) offset: Offset,
    pub(crate) timestamp: Timestamp,
    pub(crate) spans: RecordSpans,
    /// Its batch, by number.
    pub(crate) batch: u32,
    pub(crate) delivery_count: u16,
}

/// What came of an answer.
#[derive(Debug, Default)]
pub(crate) struct Acquired {
    pub(crate) batches: Vec<AcquiredBatch>,
    /// In offset order.
    pub(crate) records: Vec<AcquiredRecord>,
    /// What is to be said of offsets that no record is handed over for, in offset order.
    pub(crate) others: Vec<AcknowledgedRange>,
    /// What could not be read.
    pub(crate) failure: Option<Error>,
}

/// Reads what was acquired.
///
/// What cannot be read is released, and not rejected as in Java: if it was damaged on the way, it
/// comes again whole; if not, the broker gives it up by itself after `group.share.delivery.count.limit`
/// deliveries.
pub(crate) fn read(
    records: Bytes,
    acquired: Vec<AcquiredRange>,
    options: &DecodeOptions,
) -> Acquired {
    let mut reader = AcquiredReader { rest: in_order(acquired), acquired: Acquired::default() };
    for batch in Batches::new(records) {
        if reader.rest.is_empty() {
            break;
        }
        match batch {
            Ok(batch) => reader.take_batch(&batch, options),
            Err(error) => {
                reader.acquired.failure.get_or_insert(error.into());
                break;
            }
        }
    }
    // Not among the batches of the answer: whether there are records is not known.
    reader.skip_to(Offset(i64::MAX), Some(AcknowledgeType::Release));
    reader.acquired
}

/// Ranges of one word of a broker, which may say anything, in order and without overlaps.
fn in_order(mut ranges: Vec<AcquiredRange>) -> VecDeque<AcquiredRange> {
    ranges.sort_by_key(|range| range.first);
    let mut free = Offset(0);
    ranges.retain_mut(|range| {
        range.first = range.first.max(free);
        let is_some = range.first <= range.last && range.last.0 < i64::MAX;
        if is_some {
            free = range.last.advance(1);
        }
        is_some
    });
    ranges.into()
}

struct AcquiredReader {
    /// What nothing is known of yet.
    rest: VecDeque<AcquiredRange>,
    acquired: Acquired,
}

impl AcquiredReader {
    fn take_batch(&mut self, batch: &Batch, options: &DecodeOptions) {
        let next = batch.next_offset();
        if self.rest.front().is_none_or(|range| range.first >= next) {
            return;
        }
        if batch.is_control() {
            return self.skip_to(next, None);
        }
        let records = match batch.decode(options) {
            Ok(records) => records,
            Err(error) => {
                self.skip_to(batch.base_offset(), None);
                self.acquired.failure.get_or_insert(error.into());
                return self.skip_to(next, Some(AcknowledgeType::Release));
            }
        };
        let number = u32::try_from(self.acquired.batches.len()).unwrap_or(u32::MAX);
        self.acquired.batches.push(AcquiredBatch {
            data: records.data().clone(),
            timestamp_type: batch.timestamp_type(),
            leader_epoch: batch.leader_epoch(),
        });
        for record in records.iter() {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    self.acquired.failure.get_or_insert(error.into());
                    return self.skip_to(next, Some(AcknowledgeType::Release));
                }
            };
            self.skip_to(record.offset, None);
            let Some(delivery_count) = self.take(record.offset) else { continue };
            self.acquired.records.push(AcquiredRecord {
                offset: record.offset,
                timestamp: record.timestamp,
                spans: RecordSpans::of(&record, records.data()),
                batch: number,
                delivery_count,
            });
        }
        self.skip_to(next, None);
    }

    /// Takes one offset, if it was acquired.
    fn take(&mut self, offset: Offset) -> Option<u16> {
        let range = self.rest.front_mut().filter(|range| range.first == offset)?;
        let delivery_count = range.delivery_count;
        if range.last == offset {
            self.rest.pop_front();
        } else {
            range.first = offset.advance(1);
        }
        Some(delivery_count)
    }

    /// Says the same of all offsets before `next`; `None` is a gap.
    fn skip_to(&mut self, next: Offset, said: Option<AcknowledgeType>) {
        while let Some(range) = self.rest.front_mut().filter(|range| range.first < next) {
            let (first, last) = (range.first, range.last.min(next.advance(-1)));
            if last == range.last {
                self.rest.pop_front();
            } else {
                range.first = next;
            }
            AcknowledgedRange { first, last, said }.append_to(&mut self.acquired.others);
        }
    }
}

#[cfg(test)]
mod tests;
