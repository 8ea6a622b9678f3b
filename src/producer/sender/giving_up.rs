//! Batches that are given up: as their time is over, they are purged, or the producer ends.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::batch_queue::BatchId;
use super::ready::PartitionIndex;
use super::{
    Departure, InflightProduce, Leader, ProducerBatch, ProducerIdState, Sender, Verdict, index,
};
use crate::error::{Error, ErrorCode, ErrorKind, Written};
use crate::producer::purge::Purge;

impl Sender {
    pub(super) fn expire(&mut self, batch: BatchId, has_left: bool) {
        let Some(partition) = self.batches.get(&batch).map(|known| known.partition) else { return };
        let limit = self.delivery_timeout(partition).as_millis();
        let mut message = format!("not acknowledged within {limit} ms (delivery.timeout.ms)");
        let cause = self.cause(partition, batch);
        if let Some(cause) = cause.as_ref().filter(|cause| cause.code().is_none()) {
            message = format!("{message}: {cause}");
        }
        let mut error = Error::new(ErrorKind::Timeout, message);
        if let Some(cause) = cause {
            error = error.caused_by(cause);
        }
        self.give_up(batch, error, has_left);
        self.refresh_readiness(partition);
    }

    /// Why a batch has not been acknowledged, as far as that is known.
    fn cause(&self, partition: PartitionIndex, batch: BatchId) -> Option<Error> {
        let state = self.partitions.get(index(partition))?;
        if let Some(trouble) = &state.trouble {
            return Some(trouble.clone());
        }
        let asks =
            matches!(self.producer, ProducerIdState::Asked | ProducerIdState::AskAgain { .. });
        if let Some(trouble) = self.id_trouble.as_ref().filter(|_| asks) {
            return Some(trouble.clone().with_context("there is no producer id"));
        }
        let Some(Leader { broker, .. }) = state.leader else {
            return Some(Error::broker(ErrorCode::LEADER_NOT_AVAILABLE));
        };
        let silent =
            || Error::new(ErrorKind::Timeout, "the broker has not answered").at_broker(broker);
        (asks || !state.queue.has(batch)).then(silent)
    }

    /// Gives up the batches of some partitions, if they are in a stage that is meant.
    pub(in crate::producer) fn handle_purge(
        &mut self,
        records: &Purge,
        now: Instant,
        has: impl Fn(PartitionIndex) -> bool,
    ) {
        self.now = now;
        let is_meant = |(batch, known): &(&BatchId, &ProducerBatch)| {
            let state = self.partitions.get(index(known.partition));
            let is_queued = state.is_some_and(|state| state.queue.has(**batch));
            has(known.partition) && records.has_stage(is_queued)
        };
        let purged = self.batches.iter().filter(is_meant).map(|(batch, _)| *batch).collect();
        self.fail(purged, &Error::new(ErrorKind::Purged, "the record was purged"));
    }

    pub(super) fn fail_all(&mut self, error: &Error) {
        self.fail(self.batches.keys().copied().collect(), error);
    }

    /// Fails batches, and only then looks what their partitions can do next.
    fn fail(&mut self, batches: Vec<BatchId>, error: &Error) {
        let departed = self.under_way();
        let mut partitions = BTreeSet::new();
        for batch in batches {
            partitions.extend(self.batches.get(&batch).map(|known| known.partition));
            self.give_up(batch, error.clone(), has_left(&departed, batch));
        }
        partitions.into_iter().for_each(|partition| self.refresh_readiness(partition));
    }

    /// Fails a batch wherever it is.
    pub(super) fn give_up(&mut self, batch: BatchId, error: Error, has_left: bool) {
        let Some(partition) = self.batches.get(&batch).map(|known| known.partition) else { return };
        let Some(state) = self.partition(partition) else { return };
        let in_flight =
            if state.queue.remove(batch) { None } else { state.sequences.expire(batch, has_left) };
        let error = error.with_written(in_flight.unwrap_or(Written::No));
        self.resolve(batch, Verdict::Failed { error, records: Vec::new() });
    }

    /// The batches of all requests that are under way, and whether they have left.
    pub(super) fn under_way(&self) -> BTreeMap<BatchId, (Departure, usize)> {
        let placed = |request: &InflightProduce| {
            let departure = request.departure.clone();
            request
                .batches
                .iter()
                .enumerate()
                .map(move |(place, (_, batch))| (*batch, (departure.clone(), place)))
                .collect::<Vec<_>>()
        };
        self.requests.values().flat_map(placed).collect()
    }
}

/// Withdraws a batch that is given up, if its request is still to be made.
pub(super) fn has_left(under_way: &BTreeMap<BatchId, (Departure, usize)>, batch: BatchId) -> bool {
    under_way.get(&batch).is_some_and(|(departure, place)| !departure.withdraw(*place))
}
