//! What a transaction consists of, and what the leader of a partition asks its coordinator before
//! it appends (KIP-890).

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::ResponseError;

use super::{Identity, Phase};
use crate::embedded::clock::Moment;
use crate::embedded::log::producers::Producers;
use crate::embedded::state::{State, TRANSACTION_KEY, TopicPartition};

/// The topic where groups keep their offsets; it has no log here.
pub(crate) const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// `offsets.topic.num.partitions`.
const OFFSETS_PARTITIONS: i32 = 50;

/// The partition of [`OFFSETS_TOPIC`] that a group is in: Java's `hashCode` over the partitions.
pub(crate) fn offsets_partition(group: &str) -> i32 {
    let hash = group
        .encode_utf16()
        .fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    hash.checked_abs().unwrap_or(0) % OFFSETS_PARTITIONS
}

/// What a leader does about a partition that is new to a transaction: Kafka's
/// `TransactionSupportedOperation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Asks whether it was added; the client knows no TRANSACTION_ABORTABLE.
    Verify,
    /// Asks whether it was added.
    VerifyAbortable,
    /// Adds it.
    Add,
}

impl Admission {
    pub(crate) fn of_produce(version: i16) -> Self {
        match version {
            12.. => Self::Add,
            11 => Self::VerifyAbortable,
            _ => Self::Verify,
        }
    }

    pub(crate) fn of_txn_offset_commit(version: i16) -> Self {
        match version {
            5.. => Self::Add,
            4 => Self::VerifyAbortable,
            _ => Self::Verify,
        }
    }
}

impl State {
    /// Puts partitions into the transaction of a producer, all or none.
    pub(crate) fn add_to_transaction(
        &mut self,
        broker: i32,
        id: &str,
        producer: Identity,
        added: BTreeSet<TopicPartition>,
        now: Moment,
    ) -> Result<(), ResponseError> {
        let transaction = self.known_transaction_at(broker, id, now)?;
        if transaction.is_pending() {
            // First of all: the producer may already have the id that is still to come.
            return Err(ResponseError::ConcurrentTransactions);
        }
        transaction.check_producer(producer)?;
        match &mut transaction.phase {
            Phase::Ongoing { partitions } if partitions.is_superset(&added) => return Ok(()),
            Phase::Ongoing { partitions } => {
                partitions.extend(added);
                transaction.previous_producer_id = transaction.producer_id;
                transaction.updated = now.at;
            }
            _ => {
                transaction.step(
                    Phase::Ongoing { partitions: added },
                    transaction.producer_id,
                    now,
                );
                transaction.started = Some(now);
            }
        }
        self.transactions.note(id, now);
        Ok(())
    }

    /// Which of the partitions are not in the transaction of a producer.
    pub(crate) fn verify_in_transaction(
        &mut self,
        broker: i32,
        id: &str,
        producer: Identity,
        asked: &BTreeSet<TopicPartition>,
        now: Moment,
    ) -> Result<BTreeSet<TopicPartition>, ResponseError> {
        let transaction = self.known_transaction_at(broker, id, now)?;
        transaction.check_producer(producer)?;
        match &transaction.phase {
            Phase::Prepared { .. } => Err(ResponseError::ConcurrentTransactions),
            Phase::Ongoing { partitions } => Ok(asked.difference(partitions).cloned().collect()),
            Phase::Empty | Phase::Complete { .. } => Ok(asked.clone()),
        }
    }

    /// Asks the coordinator about the partitions, each with its batch's first sequence, that begin
    /// a transaction here.
    ///
    /// Gives the partitions that must not be appended to. Who appends under the same lock needs no
    /// verification guard.
    pub(crate) fn admit(
        &mut self,
        id: &str,
        producer: Identity,
        batches: &[(TopicPartition, i32)],
        admission: Admission,
        now: Moment,
    ) -> BTreeMap<TopicPartition, ResponseError> {
        let mut refused = BTreeMap::new();
        let mut unknown = BTreeSet::new();
        for (partition, sequence) in batches {
            let begun = match self.producers_of(partition) {
                Some(producers) => {
                    producers.begin_verification(producer, *sequence, admission == Admission::Add)
                }
                None => Err(ResponseError::NotLeaderOrFollower),
            };
            match begun {
                Ok(true) => drop(unknown.insert(partition.clone())),
                Ok(false) => {}
                Err(error) => drop(refused.insert(partition.clone(), error)),
            }
        }
        if !unknown.is_empty() {
            refused.extend(self.ask_coordinator(id, producer, unknown, admission, now));
        }
        refused
    }

    fn ask_coordinator(
        &mut self,
        id: &str,
        producer: Identity,
        partitions: BTreeSet<TopicPartition>,
        admission: Admission,
        now: Moment,
    ) -> BTreeMap<TopicPartition, ResponseError> {
        let answer = match self.coordinator(TRANSACTION_KEY, id) {
            None => Err(ResponseError::CoordinatorNotAvailable),
            Some(broker) if !self.runs(broker) => Err(ResponseError::NetworkException),
            Some(broker) if admission == Admission::Add => self
                .add_to_transaction(broker, id, producer, partitions.clone(), now)
                .map(|()| BTreeSet::new()),
            Some(broker) => self.verify_in_transaction(broker, id, producer, &partitions, now),
        };
        match answer {
            Ok(missing) => {
                let error = match admission {
                    Admission::Verify => ResponseError::InvalidTxnState,
                    Admission::VerifyAbortable | Admission::Add => {
                        ResponseError::TransactionAbortable
                    }
                };
                missing.into_iter().map(|partition| (partition, error)).collect()
            }
            Err(error) => {
                // Who produces is told of its epoch by the partition's code.
                let error = if error == ResponseError::ProducerFenced {
                    ResponseError::InvalidProducerEpoch
                } else {
                    error
                };
                partitions.into_iter().map(|partition| (partition, error)).collect()
            }
        }
    }

    /// Notes that a producer's transaction has written offsets of a group.
    pub(crate) fn write_offsets(&mut self, group: &str, producer: Identity, now: Moment) {
        self.transactions
            .offsets
            .entry(offsets_partition(group))
            .or_default()
            .wrote_offsets(producer, now.ms);
    }

    /// What a partition, also one of [`OFFSETS_TOPIC`], knows of producers.
    pub(super) fn producers_of(
        &mut self,
        (topic, index): &TopicPartition,
    ) -> Option<&mut Producers> {
        if topic == OFFSETS_TOPIC {
            return Some(self.transactions.offsets.entry(*index).or_default());
        }
        self.partition_mut(topic, *index).map(|partition| &mut partition.log.producers)
    }
}

impl super::Transaction {
    fn check_producer(&self, (producer_id, epoch): Identity) -> Result<(), ResponseError> {
        if self.producer_id != producer_id {
            return Err(ResponseError::InvalidProducerIdMapping);
        }
        if self.epoch == epoch { Ok(()) } else { Err(ResponseError::ProducerFenced) }
    }
}
