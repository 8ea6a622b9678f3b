//! What a ShareFetch gives: Kafka's `DelayedShareFetch`.

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::share_fetch_response::{AcquiredRecords, PartitionData};
use tokio::time::Instant;

use super::Call;
use super::newer::share_fetch::ShareFetch;
use super::share_fetch::empty;
use crate::embedded::log::Log;
use crate::embedded::log::batch::BatchHeader;
use crate::embedded::share::NotShared;
use crate::embedded::share::acquire::{Acquired, Fetched, Wish};
use crate::embedded::share::partition::ShareTerms;
use crate::embedded::share::sessions::{SessionOwner, SessionPartition, ShareOpened};
use crate::embedded::share::store::ShareKey;
use crate::embedded::state::State;

/// The acquire mode in which no record more than asked for is acquired (KIP-1206).
const RECORD_LIMIT: i8 = 1;

/// What a partition gives.
#[derive(Clone, Debug)]
pub(super) struct ShareRead {
    pub(super) partition: SessionPartition,
    pub(super) error: Option<ResponseError>,
    pub(super) records: Bytes,
    acquired: Vec<Acquired>,
}

/// A fetch that waits.
#[derive(Debug)]
pub(super) struct Fetching {
    owner: SessionOwner,
    is_exact: bool,
    most: i64,
    batch_size: i64,
    min_bytes: usize,
    max_bytes: usize,
    /// The partitions that can give records, each with the id that it had when the fetch came.
    shared: Vec<(ShareKey, u64)>,
    failed: Vec<ShareRead>,
    /// There is nothing to wait for.
    is_over: bool,
}

impl ShareRead {
    fn failed(partition: SessionPartition, error: ResponseError) -> Self {
        Self { partition, error: Some(error), records: Bytes::new(), acquired: Vec::new() }
    }

    fn nothing(partition: SessionPartition) -> Self {
        Self { partition, error: None, records: Bytes::new(), acquired: Vec::new() }
    }

    pub(super) fn into_response(self) -> PartitionData {
        let acquired = self.acquired.iter().map(|one| {
            AcquiredRecords::default()
                .with_first_offset(one.first)
                .with_last_offset(one.last)
                .with_delivery_count(i16::try_from(one.deliveries).unwrap_or(i16::MAX))
        });
        empty(self.partition.1)
            .with_error_code(self.error.map_or(0, |error| error.code()))
            .with_records(Some(self.records))
            .with_acquired_records(acquired.collect())
    }
}

impl Fetching {
    pub(super) fn begin(
        call: &Call,
        state: &mut State,
        request: &ShareFetch,
        owner: &SessionOwner,
        opened: &ShareOpened,
    ) -> Self {
        let asked = &request.request;
        let bytes = |bytes: i32| usize::try_from(bytes).unwrap_or(0);
        let max_bytes = bytes(asked.max_bytes);
        let mut fetching = Self {
            owner: owner.clone(),
            is_exact: request.acquire_mode == RECORD_LIMIT,
            most: i64::from(asked.max_records),
            batch_size: i64::from(asked.batch_size),
            min_bytes: bytes(asked.min_bytes).min(max_bytes),
            max_bytes,
            shared: Vec::new(),
            failed: Vec::new(),
            is_over: false,
        };
        let mut wanted = Vec::new();
        for one in &opened.partitions {
            match fetching.resolve(call, state, *one) {
                Ok(()) => wanted.push(*one),
                Err(error) => fetching.failed.push(ShareRead::failed(*one, error)),
            }
        }
        if wanted.is_empty() || fetching.most == 0 || max_bytes == 0 {
            fetching.is_over = true;
            return fetching;
        }
        // So that no partition is always the first.
        let turn = usize::try_from(asked.share_session_epoch.max(0)).unwrap_or(0);
        let count = wanted.len();
        wanted.rotate_left(turn % count);
        let mut refused = 0;
        for (topic, partition) in wanted {
            let key = ShareKey { group: owner.0.clone(), topic, partition };
            match state.share(call.broker, &key, call.shared.now_ms()) {
                Ok(id) => fetching.shared.push((key, id)),
                Err(NotShared::AtOnce(error)) => {
                    refused += 1;
                    fetching.failed.push(ShareRead::failed((topic, partition), error));
                }
                Err(NotShared::Later(error)) => {
                    fetching.failed.push(ShareRead::failed((topic, partition), error));
                }
            }
        }
        fetching.is_over = refused == count;
        fetching
    }

    /// Whether there is such a partition, and no rule wants an error for it.
    fn resolve(
        &mut self,
        call: &Call,
        state: &State,
        (topic, index): SessionPartition,
    ) -> Result<(), ResponseError> {
        let name = state.topic_names.get(&topic).ok_or(ResponseError::UnknownTopicId)?;
        if let Some(error) = call.injected(name, index) {
            self.is_over = true;
            return Err(error);
        }
        state.partition(name, index).map(drop).ok_or(ResponseError::UnknownTopicOrPartition)
    }

    /// The answer, if there is enough for one or no time left.
    pub(super) fn attempt(
        &mut self,
        call: &Call,
        state: &mut State,
        is_late: bool,
    ) -> Option<Vec<ShareRead>> {
        let terms = state.share_terms(&self.owner.0);
        let open = if self.is_over && self.shared.is_empty() {
            Vec::new()
        } else {
            self.open(call, state, &terms)
        };
        let is_ready = self.is_over || is_late || self.is_enough(state, &open, &terms);
        if !is_ready {
            return None;
        }
        let mut reads = Vec::new();
        let (mut most, mut left) = (self.most, self.max_bytes);
        let each = self.max_bytes / open.len().max(1);
        for (key, offset) in open {
            let limit = (each.min(left), left == self.max_bytes);
            let (read, count) = self.read(call, state, &key, offset, limit, most, terms);
            most -= count;
            left = left.saturating_sub(read.records.len());
            reads.push(read);
        }
        reads.append(&mut self.failed);
        Some(reads)
    }

    /// The partitions that could give something, each with where it would be read.
    fn open(&self, call: &Call, state: &mut State, terms: &ShareTerms) -> Vec<(ShareKey, i64)> {
        let Some(broker) = state.brokers.get_mut(&call.broker) else { return Vec::new() };
        let mut open = Vec::new();
        for (key, id) in &self.shared {
            // One that was given up meanwhile gives nothing, even if it is back.
            let share = broker.share.partitions.get_mut(key).filter(|share| share.id == *id);
            if let Some(share) = share
                && share.can_acquire(terms)
            {
                open.push((key.clone(), share.next_fetch_offset()));
            }
        }
        open
    }

    fn is_enough(&self, state: &State, open: &[(ShareKey, i64)], terms: &ShareTerms) -> bool {
        let each = self.max_bytes / open.len().max(1);
        let mut sum = 0;
        for (key, offset) in open {
            let Some(log) = log(state, key) else { return true };
            if *offset < log.start() || *offset > log.end() {
                return true;
            }
            sum += log.available(*offset, end(log, terms), each).min(each);
        }
        !open.is_empty() && sum >= self.min_bytes
    }

    #[expect(clippy::too_many_arguments, reason = "what is left of the whole answer")]
    fn read(
        &self,
        call: &Call,
        state: &mut State,
        key: &ShareKey,
        offset: i64,
        (limit, is_first): (usize, bool),
        most: i64,
        terms: ShareTerms,
    ) -> (ShareRead, i64) {
        let place = (key.topic, key.partition);
        let Some(log) = log(state, key) else {
            return (ShareRead::failed(place, ResponseError::UnknownTopicOrPartition), 0);
        };
        let (start, log_end, end) = (log.start(), log.end(), end(log, &terms));
        let records = log.read(offset, end, limit, is_first);
        let aborted = if terms.committed_only {
            let ended = log.aborted_between(offset, end);
            ended.map(|ended| (ended.producer_id, ended.first_offset)).collect()
        } else {
            Vec::new()
        };
        let share = state
            .brokers
            .get_mut(&call.broker)
            .and_then(|broker| broker.share.partitions.get_mut(key));
        let Some(share) = share else { return (ShareRead::nothing(place), 0) };
        if offset < start || offset > log_end {
            share.log_start_moved(start);
            return (ShareRead::nothing(place), 0);
        }
        let fetched = Fetched { offset, batches: whole_batches(&records), aborted };
        let wish = Wish {
            member: &self.owner.1,
            is_exact: self.is_exact,
            most,
            batch_size: self.batch_size,
        };
        let (acquired, count) = share.acquire(wish, &fetched, terms, Instant::now());
        let records = around(&records, &fetched, &acquired);
        (ShareRead { partition: place, error: None, records, acquired }, count)
    }
}

fn log<'a>(state: &'a State, key: &ShareKey) -> Option<&'a Log> {
    let name = state.topic_names.get(&key.topic)?;
    Some(&state.partition(name, key.partition)?.log)
}

fn end(log: &Log, terms: &ShareTerms) -> i64 {
    if terms.committed_only { log.last_stable_offset() } else { log.high_watermark() }
}

/// The batches that are whole, of which the last may be cut.
fn whole_batches(mut records: &[u8]) -> Vec<(BatchHeader, &[u8])> {
    let mut batches = Vec::new();
    while let Some(header) = BatchHeader::read(records) {
        let length = usize::try_from(header.length).unwrap_or(usize::MAX).saturating_add(12);
        let Some((batch, rest)) = records.split_at_checked(length) else { break };
        batches.push((header, batch));
        records = rest;
    }
    batches
}

/// The batches from the first to the last record acquired: `ShareFetchUtils.maybeSliceFetchRecords`.
fn around(records: &Bytes, fetched: &Fetched<'_>, acquired: &[Acquired]) -> Bytes {
    let (Some(first), Some(last)) = (acquired.first(), acquired.last()) else {
        return Bytes::new();
    };
    if fetched.batches.len() <= 1 {
        return records.clone();
    }
    let (mut from, mut to) = (0, 0);
    for (header, batch) in &fetched.batches {
        if header.base_offset <= first.first {
            from = to;
        } else if header.base_offset > last.last {
            break;
        }
        to += batch.len();
    }
    records.slice(from..to)
}
