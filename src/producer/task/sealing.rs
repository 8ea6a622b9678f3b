//! From records to the bytes of a batch: sealed once it is closed, and split where it is too large.

use std::sync::Arc;
use std::time::Instant;

use tracing::debug;

use super::{BatchRecords, ClosedBatchState, SenderTask, SenderTaskEvent};
use crate::error::{Error, ErrorKind, Result};
use crate::observability::ProducerEvent;
use crate::producer::accumulator::closed_batch::ClosedBatch;
use crate::producer::sender::batch_queue::BatchId;
use crate::producer::sender::ready::PartitionIndex;
use crate::runtime;
use crate::wire::batch::{HEADER_LEN, SealedRecords};
use crate::wire::compress::{Codec, CodecError, Compression};

impl SenderTask {
    pub(super) fn seal(&mut self, partition: PartitionIndex, closed: ClosedBatch, now: Instant) {
        let ClosedBatch { id, records, memory, promise, opened } = closed;
        self.observer
            .tell(ProducerEvent::BatchClosed { records: records.count(), bytes: records.len() });
        if let Some(verdict) = self.early.remove(&id) {
            let records = BatchRecords { count: records.count(), size: None };
            return self.resolve_batch(partition, promise, memory, records, verdict);
        }
        self.batches.insert(
            id,
            ClosedBatchState {
                promise,
                memory,
                count: records.count(),
                records: None,
                opened,
                has_been_sent: false,
            },
        );
        let compression = self.compression(partition);
        if compression.codec() == Codec::None {
            let records = records.seal(compression);
            return self.sealed(id, records, now);
        }
        let runtime = self.cluster.runtime().clone();
        let len = records.len();
        let limit = self.slot(partition).map(|slot| Arc::clone(&slot.limit));
        self.work.push(Box::pin(async move {
            let seal = move || {
                let sealed = records.seal(compression)?;
                if let Some(limit) = limit {
                    limit.packed(sealed.uncompressed_len, sealed.records.len());
                }
                Ok(sealed)
            };
            SenderTaskEvent::Sealed { batch: id, records: runtime.offload(len, seal).await }
        }));
    }

    /// What the batches of a partition are compressed by.
    pub(super) fn compression(&self, partition: PartitionIndex) -> Compression {
        let config = &self.shared.config;
        self.slot(partition)
            .and_then(|slot| config.of_topic(&slot.topic_partition.topic)?.compression)
            .unwrap_or(config.compression)
    }

    pub(super) fn sealed(
        &mut self,
        batch: BatchId,
        records: Result<SealedRecords, CodecError>,
        now: Instant,
    ) {
        let Some(held) = self.batches.get_mut(&batch) else { return };
        match records {
            Ok(records) => {
                let (count, len) = (records.count, records.len());
                // Compressed batches hold what they took before, as in Java: else five times as
                // many would wait, and no sooner be sent.
                held.memory.shrink_to(HEADER_LEN + records.uncompressed_len);
                held.records = Some(records);
                self.machine.handle_sealed(batch, count, len, now);
            }
            // The codecs that are built in were checked when the producer was made.
            Err(error) => {
                let error = Error::config(format!("a batch cannot be compressed: {error}"));
                self.machine.handle_unfit(batch, error, now);
            }
        }
    }

    pub(super) fn split(&mut self, partition: PartitionIndex, batch: BatchId) {
        let Some(records) = self.batches.get(&batch).and_then(|held| held.records.clone()) else {
            return;
        };
        let compression = self.compression(partition);
        if let Some(slot) = self.slot(partition) {
            slot.limit.reset();
        }
        let limit = self.shared.config.batch_size;
        let runtime = self.cluster.runtime().clone();
        self.work.push(Box::pin(async move {
            let split = move || records.split(limit, compression);
            SenderTaskEvent::Split { partition, batch, parts: runtime.offload(limit, split).await }
        }));
    }

    pub(super) fn divide(
        &mut self,
        partition: PartitionIndex,
        batch: BatchId,
        parts: Result<Vec<SealedRecords>, CodecError>,
    ) {
        let parts = match parts {
            Ok(parts) => parts,
            Err(error) => {
                let error = Error::new(
                    ErrorKind::RecordTooLarge,
                    format!("a batch is too large and cannot be split: {error}"),
                );
                return self.machine.handle_unfit(batch, error, runtime::now());
            }
        };
        let Some(held) = self.batches.remove(&batch) else { return };
        let mut first = batch.first;
        let mut ids = Vec::with_capacity(parts.len());
        for part in &parts {
            ids.push((BatchId { seq: batch.seq, first }, part.count, part.len()));
            first = first.saturating_add(part.count);
        }
        if !self.machine.handle_split(batch, &ids, runtime::now()) {
            return;
        }
        if let Some(slot) = self.slot(partition) {
            slot.divided(ids.len());
            debug!(
                partition = %slot.topic_partition,
                parts = parts.len(),
                "batch was too large and is split",
            );
            self.observer.tell(ProducerEvent::BatchSplit);
        }
        let firsts: Vec<_> = ids.iter().map(|(id, ..)| id.first).collect();
        let mut memory = Some(held.memory);
        for (((id, _, len), promise), records) in
            ids.into_iter().zip(held.promise.divide(&firsts)).zip(parts)
        {
            // What the whole held is shared out, and the last part keeps the rest: together they
            // free it once.
            let own =
                memory.as_mut().and_then(|memory| memory.split_off(len)).or_else(|| memory.take());
            let Some(memory) = own.or_else(|| self.shared.accumulator.memory.try_reserve(0)) else {
                continue;
            };
            let (count, opened) = (records.count, held.opened);
            self.batches.insert(
                id,
                ClosedBatchState {
                    promise,
                    memory,
                    count,
                    records: Some(records),
                    opened,
                    has_been_sent: true,
                },
            );
        }
    }
}
