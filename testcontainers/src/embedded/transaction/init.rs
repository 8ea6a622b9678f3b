//! InitProducerId: who the producer of a transactional id is, and who is it no more (KIP-98,
//! KIP-360).

use std::time::Duration;

use kafka_protocol::ResponseError;

use super::{Identity, NO_EPOCH, Phase, Transaction, is_exhausted};
use crate::embedded::clock::Moment;
use crate::embedded::state::State;

impl State {
    /// Gives a transactional id its producer id and epoch. Without `expected` it fences whoever has
    /// it; with it, only the owner, or who was the owner until a reply was lost, goes on.
    pub(crate) fn init_transactional(
        &mut self,
        broker: i32,
        id: &str,
        timeout: Duration,
        expected: Option<Identity>,
        now: Moment,
    ) -> Result<Identity, ResponseError> {
        if id.is_empty() {
            return Err(ResponseError::InvalidRequest);
        }
        if timeout.is_zero() || timeout > self.settings.max_transaction_timeout {
            return Err(ResponseError::InvalidTransactionTimeout);
        }
        if self.transaction_at(broker, id, now)?.is_none() {
            let producer_id = self.new_producer_id();
            self.transactions
                .by_id
                .insert(id.to_owned(), Transaction::new(producer_id, timeout, broker, now));
        }
        let transaction = self.known_transaction_at(broker, id, now)?;
        if transaction.is_pending() {
            return Err(ResponseError::ConcurrentTransactions);
        }
        if expected.is_some_and(|expected| !transaction.may_be(expected)) {
            return Err(ResponseError::ProducerFenced);
        }
        if matches!(transaction.phase, Phase::Ongoing { .. }) {
            self.abort_and_fence(id, now);
            // The client asks again: only then, with the markers written, it gets an epoch.
            return Err(ResponseError::ConcurrentTransactions);
        }
        let rotates = transaction.is_exhausted()
            && expected.is_none_or(|(_, epoch)| epoch == transaction.epoch);
        if rotates {
            let fresh = self.new_producer_id();
            self.known_transaction_at(broker, id, now)?.rotate(fresh, expected.is_some(), now);
        } else {
            transaction.next_epoch(expected.map(|(_, epoch)| epoch), now)?;
        }
        let transaction = self.known_transaction_at(broker, id, now)?;
        transaction.timeout = timeout;
        transaction.started = None;
        let identity = (transaction.producer_id, transaction.epoch);
        self.transactions.note(id, now);
        Ok(identity)
    }
}

impl Transaction {
    /// Whether who says so may still be this id's producer; its epoch is checked when it is raised.
    fn may_be(&self, (producer_id, epoch): Identity) -> bool {
        self.epoch == NO_EPOCH
            || producer_id == self.producer_id
            || (producer_id == self.previous_producer_id && is_exhausted(epoch))
    }

    /// `prepareIncrementProducerEpoch`.
    fn next_epoch(&mut self, expected: Option<i16>, now: Moment) -> Result<(), ResponseError> {
        if self.is_exhausted() {
            // An IllegalStateException of Kafka's.
            return Err(ResponseError::UnknownServerError);
        }
        match expected {
            None => {
                self.last_epoch = NO_EPOCH;
                self.epoch += 1;
            }
            Some(expected) if self.epoch == NO_EPOCH || expected == self.epoch => {
                self.last_epoch = self.epoch;
                self.epoch += 1;
            }
            // Its reply was lost.
            Some(expected) if expected == self.last_epoch => {}
            Some(_) => return Err(ResponseError::ProducerFenced),
        }
        self.step(Phase::Empty, self.producer_id, now);
        Ok(())
    }

    /// `prepareProducerIdRotation`: another producer id, as the epochs of this one are used up.
    fn rotate(&mut self, fresh: i64, by_its_owner: bool, now: Moment) {
        self.last_epoch = if by_its_owner { self.epoch } else { NO_EPOCH };
        self.step(Phase::Empty, self.producer_id, now);
        self.producer_id = fresh;
        self.epoch = 0;
    }
}
