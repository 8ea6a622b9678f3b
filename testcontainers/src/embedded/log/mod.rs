//! The log of one partition: opaque batches, producers, leader epochs and ended transactions.

pub(crate) mod batch;
pub(crate) mod producers;
pub(crate) mod records;

use bytes::{Bytes, BytesMut};
use kafka_protocol::ResponseError;

use batch::{BatchHeader, HEADER_LEN};
use producers::{Producers, Verdict};

use super::transaction::Marker;

/// A batch as stored in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBatch {
    /// The header as stored, with offset and leader epoch.
    pub header: BatchHeader,
    /// Header and records.
    pub bytes: Bytes,
}

/// A transaction that has ended in this partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EndedTransaction {
    pub(crate) producer_id: i64,
    pub(crate) first_offset: i64,
    /// The offset of its marker.
    pub(crate) last_offset: i64,
    committed: bool,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is not part of a transaction.
    Plain,
    /// The transaction was committed.
    Committed,
    /// The transaction was aborted.
    Aborted,
    /// Its transaction is still open.
    Open,
    /// It is itself a marker.
    Marker {
        /// Whether it commits the transaction or aborts it.
        committed: bool,
    },
}

impl Fate {
    /// Whether a `read_committed` consumer gets its records.
    pub fn is_readable(self) -> bool {
        matches!(self, Self::Plain | Self::Committed)
    }
}

/// One log; all replicas of a partition share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    batches: Vec<StoredBatch>,
    start: i64,
    end: i64,
    /// (leader epoch, its first offset), rising.
    epochs: Vec<(i32, i64)>,
    /// In the order of their markers.
    ended: Vec<EndedTransaction>,
    /// Offsets from here on are hidden from consumers, when a test says so.
    held_from: Option<i64>,
    pub(crate) producers: Producers,
}

/// What a topic demands of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AppendRules {
    pub(crate) max_bytes: usize,
    pub(crate) compacted: bool,
    pub(crate) append_time: Option<i64>,
    pub(crate) leader_epoch: i32,
}

/// Where a batch lies after an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Appended {
    pub(crate) base_offset: i64,
    pub(crate) append_time: Option<i64>,
    /// Nothing was written: it had been before.
    pub(crate) duplicate: bool,
}

/// Why a batch was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) error: ResponseError,
    pub(crate) message: &'static str,
    /// The bad records of the batch (KIP-467).
    pub(crate) records: Vec<i32>,
}

impl Refused {
    pub(crate) fn new(error: ResponseError, message: &'static str) -> Self {
        Self { error, message, records: Vec::new() }
    }
}

impl Log {
    /// Checks and appends what a producer sent, in the order of Kafka's `UnifiedLog.append`.
    pub(crate) fn append(
        &mut self,
        records: &[u8],
        rules: AppendRules,
    ) -> Result<Appended, Refused> {
        let header = check_shape(records)?;
        if records.len() > rules.max_bytes {
            return Err(Refused::new(
                ResponseError::MessageTooLarge,
                "the batch is larger than max.message.bytes",
            ));
        }
        if !batch::crc_matches(records, &header) {
            return Err(Refused::new(ResponseError::CorruptMessage, "the batch has a wrong CRC"));
        }
        check_records(records, &header, rules.compacted)?;
        if header.has_producer_id() {
            match self.producers.check(&header) {
                Ok(Verdict::Append) => {}
                Ok(Verdict::Duplicate(old)) => {
                    let append_time = rules.append_time.map(|_| old.timestamp);
                    return Ok(Appended {
                        base_offset: old.base_offset,
                        append_time,
                        duplicate: true,
                    });
                }
                Err(error) => {
                    return Err(Refused::new(error, "the producer state forbids the batch"));
                }
            }
        }
        let base_offset = self.append_unchecked(records, rules.leader_epoch, rules.append_time);
        if header.has_producer_id() {
            let timestamp = rules.append_time.unwrap_or(header.max_timestamp);
            self.producers.appended(&header, base_offset, timestamp);
        }
        Ok(Appended { base_offset, append_time: rules.append_time, duplicate: false })
    }

    /// Appends a batch without any check.
    pub(crate) fn append_unchecked(
        &mut self,
        records: &[u8],
        leader_epoch: i32,
        append_time: Option<i64>,
    ) -> i64 {
        let base_offset = self.end;
        let bytes = batch::stored(records, base_offset, leader_epoch, append_time);
        let Some(header) = BatchHeader::read(&bytes) else { return base_offset };
        self.end = header.last_offset() + 1;
        self.batches.push(StoredBatch { header, bytes });
        self.note_epoch(leader_epoch, base_offset);
        base_offset
    }

    /// Ends a transaction here by a control batch.
    pub(crate) fn append_marker(&mut self, marker: Marker, leader_epoch: i32, now: i64) {
        let batch = batch::end_marker(&marker, now);
        let last_offset = self.append_unchecked(&batch, leader_epoch, None);
        if let Some(first_offset) = self.producers.end_transaction(&marker, now) {
            let (producer_id, committed) = (marker.producer_id, marker.committed);
            self.ended.push(EndedTransaction { producer_id, first_offset, last_offset, committed });
        }
    }

    /// Records that a leader of `epoch` leads from the log's end on.
    pub(crate) fn note_epoch(&mut self, epoch: i32, from: i64) {
        if self.epochs.last().is_none_or(|(last, _)| *last < epoch) {
            self.epochs.push((epoch, from));
        }
    }

    /// Deletes what lies below `offset`, as DeleteRecords and retention do.
    pub(crate) fn delete_below(&mut self, offset: i64) {
        self.start = self.start.max(offset.min(self.end));
        let start = self.start;
        self.batches.retain(|batch| batch.header.last_offset() >= start);
        self.ended.retain(|ended| ended.last_offset >= start);
    }

    /// Cuts the log at `offset`, as an unclean election does.
    pub(crate) fn truncate(&mut self, offset: i64) {
        self.batches.retain(|batch| batch.header.last_offset() < offset);
        self.end = self.batches.last().map_or(self.start, |batch| batch.header.last_offset() + 1);
        let end = self.end;
        self.epochs.retain(|(_, from)| *from < end);
        self.ended.retain(|ended| ended.last_offset < end);
        self.producers.forget(None);
        for batch in &self.batches {
            let header = batch.header;
            if header.has_producer_id() && !header.is_control() {
                self.producers.appended(&header, header.base_offset, header.max_timestamp);
            } else if let Some(marker) = batch::read_marker(&batch.bytes, &header) {
                self.producers.end_transaction(&marker, header.max_timestamp);
            }
        }
    }

    /// Hides what lies from `offset` on from consumers: the high watermark stays there.
    pub(crate) fn hold_from(&mut self, offset: Option<i64>) {
        self.held_from = offset;
    }

    pub(crate) fn start(&self) -> i64 {
        self.start
    }

    pub(crate) fn end(&self) -> i64 {
        self.end
    }

    pub(crate) fn high_watermark(&self) -> i64 {
        self.held_from.map_or(self.end, |held| held.clamp(self.start, self.end))
    }

    /// Everything below is decided, by markers that consumers may see.
    pub(crate) fn last_stable_offset(&self) -> i64 {
        let high = self.high_watermark();
        let hidden = self
            .ended
            .iter()
            .rev()
            .take_while(|ended| ended.last_offset >= high)
            .map(|ended| ended.first_offset);
        hidden.chain(self.producers.first_open()).fold(high, i64::min).max(self.start)
    }

    /// The batches, each with what became of its transaction.
    pub(crate) fn fates(&self) -> Vec<(StoredBatch, Fate)> {
        self.batches.iter().map(|batch| (batch.clone(), self.fate(batch))).collect()
    }

    fn fate(&self, batch: &StoredBatch) -> Fate {
        let header = batch.header;
        if let Some(marker) = batch::read_marker(&batch.bytes, &header) {
            return Fate::Marker { committed: marker.committed };
        }
        if !header.is_transactional() {
            return Fate::Plain;
        }
        let holds = |ended: &&EndedTransaction| {
            ended.producer_id == header.producer_id
                && (ended.first_offset..ended.last_offset).contains(&header.base_offset)
        };
        match self.ended.iter().find(holds) {
            Some(ended) if ended.committed => Fate::Committed,
            Some(_) => Fate::Aborted,
            None => Fate::Open,
        }
    }

    pub(crate) fn batches(&self) -> &[StoredBatch] {
        &self.batches
    }

    /// The bytes of a fetch: from the batch that holds `offset` up to `limit` bytes and below
    /// `below`.
    ///
    /// As a broker that sends a slice of its file, it may cut the last batch. The first batch comes
    /// whole or, unless `whole_first`, not at all.
    pub(crate) fn read(&self, offset: i64, below: i64, limit: usize, whole_first: bool) -> Bytes {
        let from = self.batches.partition_point(|batch| batch.header.last_offset() < offset);
        let readable =
            || self.batches.iter().skip(from).take_while(|batch| batch.header.base_offset < below);
        let Some(first) = readable().next() else { return Bytes::new() };
        if first.bytes.len() >= limit {
            return if whole_first || first.bytes.len() == limit {
                first.bytes.clone()
            } else {
                Bytes::new()
            };
        }
        let mut to = BytesMut::new();
        for batch in readable() {
            let room = limit - to.len();
            to.extend_from_slice(batch.bytes.get(..room).unwrap_or(&batch.bytes));
            if to.len() == limit {
                break;
            }
        }
        to.freeze()
    }

    /// How many bytes a fetch from `offset` could give, as far as `enough`.
    pub(crate) fn available(&self, offset: i64, below: i64, enough: usize) -> usize {
        let from = self.batches.partition_point(|batch| batch.header.last_offset() < offset);
        let mut sum = 0;
        for batch in
            self.batches.iter().skip(from).take_while(|batch| batch.header.base_offset < below)
        {
            sum += batch.bytes.len();
            if sum >= enough {
                break;
            }
        }
        sum
    }

    /// Aborted transactions that touch the offsets from `from` to below `to`.
    pub(crate) fn aborted_between(
        &self,
        from: i64,
        to: i64,
    ) -> impl Iterator<Item = &EndedTransaction> {
        self.ended.iter().filter(move |ended| {
            !ended.committed && ended.last_offset >= from && ended.first_offset < to
        })
    }

    /// The end of the largest epoch that is at most `epoch` (KIP-320): (that epoch, its end
    /// offset).
    pub(crate) fn end_of_epoch(&self, epoch: i32) -> Option<(i32, i64)> {
        let index = self.epochs.partition_point(|(known, _)| *known <= epoch);
        let (found, _) = *self.epochs.get(index.checked_sub(1)?)?;
        let end = self.epochs.get(index).map_or(self.end, |(_, from)| *from);
        Some((found, end))
    }

    /// The leader epoch under which the record at `offset` was written.
    pub(crate) fn epoch_at(&self, offset: i64) -> Option<i32> {
        let index = self.epochs.partition_point(|(_, from)| *from <= offset);
        Some(self.epochs.get(index.checked_sub(1)?)?.0)
    }

    /// The first record at or after a time: (its offset, its time), exact for uncompressed batches.
    pub(crate) fn offset_for_time(&self, time: i64, below: i64) -> Option<(i64, i64)> {
        self.batches
            .iter()
            .filter(|batch| batch.header.max_timestamp >= time && !batch.header.is_control())
            .take_while(|batch| batch.header.base_offset < below)
            .find_map(|batch| first_at(batch, time, self.start))
    }

    /// The record with the largest time: (its offset, its time).
    pub(crate) fn max_timestamp(&self) -> Option<(i64, i64)> {
        let newest = self.batches.iter().map(|batch| batch.header.max_timestamp).max()?;
        self.offset_for_time(newest, i64::MAX)
    }
}

fn check_shape(records: &[u8]) -> Result<BatchHeader, Refused> {
    let invalid = |message| Refused::new(ResponseError::InvalidRecord, message);
    let header = BatchHeader::read(records)
        .ok_or(invalid("the request has no whole batch for the partition"))?;
    if header.magic != 2 {
        return Err(invalid("produce requests hold only batches of format 2"));
    }
    if usize::try_from(header.length).is_ok_and(|length| length + 12 != records.len())
        || header.length < 0
    {
        return Err(invalid("produce requests hold exactly one batch for each partition"));
    }
    if header.record_count <= 0 || header.last_offset_delta != header.record_count - 1 {
        return Err(invalid("the count of records does not fit their offsets"));
    }
    if header.is_control() {
        return Err(invalid("clients must not write control batches"));
    }
    if header.has_producer_id() && header.base_sequence < 0 {
        return Err(invalid("a batch with a producer id needs a sequence"));
    }
    if header.is_transactional() && !header.has_producer_id() {
        return Err(invalid("a transactional batch needs a producer id"));
    }
    if header.compression() > 4 {
        return Err(invalid("the batch names an unknown codec"));
    }
    Ok(header)
}

/// Looks into uncompressed batches only; see `GAPS.md`.
fn check_records(batch: &[u8], header: &BatchHeader, compacted: bool) -> Result<(), Refused> {
    if header.compression() != 0 {
        return Ok(());
    }
    let body = batch.get(HEADER_LEN..).unwrap_or_default();
    let Some(records) = records::scan(body, header.record_count) else {
        return Err(Refused::new(
            ResponseError::InvalidRecord,
            "a record of the batch is malformed",
        ));
    };
    if (0_i64..).zip(&records).any(|(at, record)| record.offset_delta != at) {
        return Err(Refused::new(
            ResponseError::InvalidRecord,
            "the offsets of the records are not consecutive",
        ));
    }
    let without_key = (0_i32..).zip(&records).filter(|(_, record)| record.key.is_none());
    let bad: Vec<i32> =
        if compacted { without_key.map(|(index, _)| index).collect() } else { Vec::new() };
    if bad.is_empty() {
        return Ok(());
    }
    let message = "a record of a compacted topic has no key";
    Err(Refused { error: ResponseError::InvalidRecord, message, records: bad })
}

fn first_at(batch: &StoredBatch, time: i64, start: i64) -> Option<(i64, i64)> {
    let header = batch.header;
    if header.is_log_append_time() {
        return Some((header.base_offset.max(start), header.max_timestamp));
    }
    if header.compression() != 0 {
        // Not decoded: the batch's own times, as near as its header knows.
        let exact = header.base_timestamp >= time;
        let found = if exact { header.base_timestamp } else { header.max_timestamp };
        return Some((header.base_offset.max(start), found));
    }
    let records = records::scan(batch.bytes.get(HEADER_LEN..)?, header.record_count)?;
    records
        .iter()
        .map(|record| {
            (
                header.base_offset + record.offset_delta,
                header.base_timestamp + record.timestamp_delta,
            )
        })
        .find(|(offset, timestamp)| *timestamp >= time && *offset >= start)
}
