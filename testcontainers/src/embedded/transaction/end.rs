//! The end of a transaction: by EndTxn of either protocol, by a successor, or because its time is
//! up.

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::ResponseError;

use super::{BUMPS_EPOCH, Identity, NO_EPOCH, Phase, Transaction};
use crate::embedded::clock::Moment;
use crate::embedded::state::State;

/// What an EndTxn comes to.
enum Step {
    /// The decision is to be written.
    Prepare,
    /// It was written before; the reply was lost.
    Again,
}

impl State {
    /// EndTxn. With `bumps`, as from version 5 on, the reply names the producer of the next
    /// transaction.
    pub(crate) fn end_transaction_of(
        &mut self,
        broker: i32,
        id: &str,
        producer: Identity,
        committed: bool,
        bumps: bool,
        now: Moment,
    ) -> Result<Identity, ResponseError> {
        let transaction = self.known_transaction_at(broker, id, now)?;
        let step = if bumps {
            transaction.judge_new(producer, committed)?
        } else {
            transaction.judge_old(producer, committed)?
        };
        match step {
            Step::Again => Ok((transaction.producer_id, transaction.epoch)),
            Step::Prepare => {
                let version = if bumps { BUMPS_EPOCH } else { 0 };
                self.prepare(id, committed, version, now);
                let transaction =
                    self.transactions.by_id.get(id).ok_or(ResponseError::UnknownServerError)?;
                Ok(transaction.successor())
            }
        }
    }

    /// Aborts what has been open for too long.
    pub(super) fn abort_overdue(&mut self, now: Moment) {
        let is_late = |one: &Transaction| one.deadline().is_some_and(|deadline| deadline <= now.at);
        let late = self
            .transactions
            .by_id
            .iter()
            .filter(|(_, one)| is_late(one) && self.coordinator_runs(one));
        let late: Vec<String> = late.map(|(id, _)| id.clone()).collect();
        for id in late {
            tracing::debug!(%id, "transaction timed out");
            self.abort_and_fence(&id, now);
        }
    }

    /// Aborts under the next epoch, so that the producer that was at it can write no more. By which
    /// protocol is the cluster's to say, not the client's.
    pub(super) fn abort_and_fence(&mut self, id: &str, now: Moment) {
        let version = self.settings.transaction_version;
        let Some(transaction) = self.transactions.by_id.get_mut(id) else { return };
        if version < BUMPS_EPOCH {
            transaction.epoch = transaction.epoch.saturating_add(1);
            transaction.last_epoch = NO_EPOCH;
        }
        self.prepare(id, false, if version < BUMPS_EPOCH { 0 } else { BUMPS_EPOCH }, now);
    }

    /// Writes the decision down and sends the markers out.
    fn prepare(&mut self, id: &str, committed: bool, version: i16, now: Moment) {
        let bumps = version >= BUMPS_EPOCH;
        let rotates =
            bumps && self.transactions.by_id.get(id).is_some_and(Transaction::is_exhausted);
        let fresh = rotates.then(|| self.new_producer_id());
        let Some(transaction) = self.transactions.by_id.get_mut(id) else { return };
        if bumps {
            transaction.last_epoch = transaction.epoch;
            transaction.epoch = transaction.epoch.saturating_add(1);
        }
        transaction.next_producer_id = fresh;
        transaction.version = version;
        let partitions = match &mut transaction.phase {
            Phase::Ongoing { partitions } => std::mem::take(partitions),
            _ => {
                transaction.started = Some(now);
                BTreeSet::new()
            }
        };
        let prepared =
            Phase::Prepared { committed, partitions, waiting: BTreeMap::new(), is_stuck: false };
        transaction.step(prepared, transaction.producer_id, now);
        self.transactions.note(id, now);
        self.send_markers(id, now);
    }
}

impl Transaction {
    /// `endTransactionWithTV1`: an end may be repeated under its own epoch.
    fn judge_old(
        &self,
        (producer_id, epoch): Identity,
        committed: bool,
    ) -> Result<Step, ResponseError> {
        if producer_id != self.producer_id {
            return Err(ResponseError::InvalidProducerIdMapping);
        }
        if epoch != self.epoch {
            return Err(ResponseError::ProducerFenced);
        }
        match self.phase {
            Phase::Prepared { .. } => Err(ResponseError::ConcurrentTransactions),
            Phase::Ongoing { .. } => Ok(Step::Prepare),
            Phase::Complete { committed: last } if last == committed => Ok(Step::Again),
            Phase::Complete { .. } | Phase::Empty => Err(ResponseError::InvalidTxnState),
        }
    }

    /// `endTransaction` of version 2: a repeated end comes under the epoch before, and an abort of
    /// nothing gives an epoch.
    fn judge_new(
        &self,
        (producer_id, epoch): Identity,
        committed: bool,
    ) -> Result<Step, ResponseError> {
        if self.is_pending() {
            // First of all: the producer may already have the id that is still to come.
            return Err(ResponseError::ConcurrentTransactions);
        }
        let is_complete = matches!(self.phase, Phase::Complete { .. });
        let over_rotation =
            self.previous_producer_id == producer_id && epoch == i16::MAX - 1 && self.epoch == 0;
        let is_retry = over_rotation || epoch.checked_add(1) == Some(self.epoch);
        if producer_id != self.producer_id && !over_rotation {
            return Err(ResponseError::InvalidProducerIdMapping);
        }
        if epoch != self.epoch && !(is_complete && is_retry) {
            return Err(ResponseError::ProducerFenced);
        }
        match self.phase {
            Phase::Ongoing { .. } => Ok(Step::Prepare),
            Phase::Complete { committed: last } if is_retry && last == committed => Ok(Step::Again),
            Phase::Complete { .. } if is_retry => Err(ResponseError::InvalidTxnState),
            Phase::Complete { .. } | Phase::Empty if !committed => Ok(Step::Prepare),
            _ => Err(ResponseError::InvalidTxnState),
        }
    }
}
