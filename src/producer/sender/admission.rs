//! Which partitions are in the transaction that is open.
//!
//! Under the old protocol the coordinator must know of a partition before its leader is sent a batch:
//! the leader would refuse it or, before Kafka 3.6, take it, and nobody would ever end what it is of.
//! With `transaction.version` 2 the leader itself tells the coordinator (KIP-890).

use std::time::Instant;

use super::ready::PartitionIndex;
use super::sequence::ProducerIdAndEpoch;
use super::{Action, ProducerIdState, Sender, index};
use crate::error::Error;

/// Numbers the transactions of one producer, from 1 on; 0 stands for none.
pub(crate) type TransactionNumber = u64;

/// What a partition needs before it is sent a batch.
#[derive(Debug, Default)]
pub(super) struct Admission {
    transaction: TransactionNumber,
    /// The coordinator has to be asked first.
    is_needed: bool,
}

/// The last transaction that a partition was part of.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Membership {
    announced: TransactionNumber,
    admitted: TransactionNumber,
}

impl Admission {
    pub(super) fn admits(&self, membership: Membership) -> bool {
        !self.is_needed || membership.admitted == self.transaction
    }
}

impl Sender {
    /// A transaction begins, under this identity; whether its partitions wait for
    /// [`Sender::handle_admitted`]. Every batch of the one before has its verdict.
    pub(in crate::producer) fn handle_begin(
        &mut self,
        transaction: TransactionNumber,
        identity: ProducerIdAndEpoch,
        waits_for_admission: bool,
    ) {
        self.producer = ProducerIdState::Known(identity);
        self.admission = Admission { transaction, is_needed: waits_for_admission };
    }

    /// The coordinator has added these partitions to the transaction.
    pub(in crate::producer) fn handle_admitted(
        &mut self,
        partitions: &[PartitionIndex],
        now: Instant,
    ) {
        self.now = now;
        let transaction = self.admission.transaction;
        for &partition in partitions {
            if let Some(state) = self.partition(partition) {
                state.membership.admitted = transaction;
            }
            self.refresh_readiness(partition);
        }
    }

    /// Gives up every batch, and those that are yet to come of this transaction: it will be aborted.
    pub(in crate::producer) fn handle_refusal(&mut self, error: &Error, now: Instant) {
        self.now = now;
        self.producer = ProducerIdState::Refused(error.clone());
        self.fail_all(error);
    }

    /// Whether every batch has its verdict and every request its end.
    pub(in crate::producer) fn is_quiet(&self) -> bool {
        self.batches.is_empty() && self.requests.is_empty()
    }

    /// Whether a sequence of this identity will never be written, so that it can write no more to
    /// some partition.
    pub(in crate::producer) fn has_gap(&self, identity: ProducerIdAndEpoch) -> bool {
        self.partitions.iter().any(|partition| partition.sequences.has_gap(identity))
    }

    /// Tells once of each transaction that a partition is part of it.
    pub(super) fn announce(&mut self, partition: PartitionIndex) {
        let transaction = self.admission.transaction;
        let Some(state) = self.partitions.get_mut(index(partition)) else { return };
        if state.membership.announced != transaction {
            state.membership.announced = transaction;
            self.actions.push_back(Action::JoinTransaction(partition));
        }
    }
}
