//! Transactions as their coordinator keeps them, after Kafka's `TransactionCoordinator`; markers are written at once.
//!
//! ```text
//!                 add partitions or offsets            end
//!   Idle(None) ─────────────────────────────▶ Ongoing ─────▶ Idle(Some(committed))
//!       ▲   a new InitProducerId, or the timeout, aborts │
//!       └────────────────────────────────────────────────┘
//! ```

use std::collections::BTreeSet;
use std::time::Duration;

use kafka_protocol::ResponseError;
use tokio::time::Instant;

use super::state::{State, TopicPartition};

/// The largest epoch that a producer gets before it gets another id.
const LAST_EPOCH: i16 = i16::MAX - 1;

#[derive(Clone, Debug)]
pub(crate) struct Transaction {
    pub(crate) producer_id: i64,
    pub(crate) epoch: i16,
    pub(crate) timeout: Duration,
    phase: Phase,
    /// The producer before the last bump at an end (KIP-890): its repeated EndTxn is answered, not refused.
    before_end: Option<(i64, i16)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    /// None is open; the last one, if any, was committed or not.
    Idle(Option<bool>),
    Ongoing {
        since: Instant,
        partitions: BTreeSet<TopicPartition>,
        groups: BTreeSet<String>,
    },
}

/// What a transaction grows by.
#[derive(Clone, Debug)]
pub(crate) enum Addition {
    Partition(TopicPartition),
    Group(String),
}

impl State {
    /// Gives a transactional id its producer id and epoch, and fences whoever had it.
    pub(crate) fn init_transactional(
        &mut self,
        id: &str,
        timeout: Duration,
        known: Option<(i64, i16)>,
        now_ms: i64,
    ) -> Result<(i64, i16), ResponseError> {
        if id.is_empty() {
            return Err(ResponseError::InvalidRequest);
        }
        if timeout.is_zero() || timeout > self.settings.max_transaction_timeout {
            return Err(ResponseError::InvalidTransactionTimeout);
        }
        let Some(transaction) = self.transactions.get_mut(id) else {
            let producer_id = self.new_producer_id();
            let transaction = Transaction { producer_id, epoch: 0, timeout, phase: Phase::Idle(None), before_end: None };
            self.transactions.insert(id.to_owned(), transaction);
            return Ok((producer_id, 0));
        };
        if known.is_some_and(|known| known != (transaction.producer_id, transaction.epoch)) {
            return Err(ResponseError::ProducerFenced);
        }
        transaction.timeout = timeout;
        if matches!(transaction.phase, Phase::Ongoing { .. }) {
            self.abort_and_fence(id, now_ms);
            // The producer asks again when the markers are written.
            return Err(ResponseError::ConcurrentTransactions);
        }
        self.bump(id);
        self.producer_of(id).ok_or(ResponseError::UnknownServerError)
    }

    /// Puts a partition or a group into the transaction of a producer.
    pub(crate) fn add_to_transaction(&mut self, id: &str, producer: (i64, i16), addition: Addition) -> Result<(), ResponseError> {
        let transaction = self.transaction_of(id, producer)?;
        if let Phase::Idle(_) = transaction.phase {
            let since = Instant::now();
            transaction.phase = Phase::Ongoing { since, partitions: BTreeSet::new(), groups: BTreeSet::new() };
        }
        if let Phase::Ongoing { partitions, groups, .. } = &mut transaction.phase {
            match addition {
                Addition::Partition(partition) => drop(partitions.insert(partition)),
                Addition::Group(group) => drop(groups.insert(group)),
            }
        }
        Ok(())
    }

    /// Whether the transaction of a producer already has this.
    pub(crate) fn has_added(&self, id: &str, addition: &Addition) -> bool {
        let Some(Phase::Ongoing { partitions, groups, .. }) = self.transactions.get(id).map(|one| &one.phase) else {
            return false;
        };
        match addition {
            Addition::Partition(partition) => partitions.contains(partition),
            Addition::Group(group) => groups.contains(group),
        }
    }

    /// Ends a transaction; with `bumps` the producer gets its next epoch (KIP-890 part 2).
    pub(crate) fn end_transaction_of(
        &mut self,
        id: &str,
        producer: (i64, i16),
        committed: bool,
        bumps: bool,
        now_ms: i64,
    ) -> Result<(i64, i16), ResponseError> {
        let known = self.transactions.get(id).ok_or(ResponseError::InvalidProducerIdMapping)?;
        if bumps && known.before_end == Some(producer) && known.phase == Phase::Idle(Some(committed)) {
            return Ok((known.producer_id, known.epoch));
        }
        let transaction = self.transaction_of(id, producer)?;
        match transaction.phase {
            Phase::Ongoing { .. } => {}
            // Its reply was lost.
            Phase::Idle(Some(last)) if last == committed && !bumps => return Ok(producer),
            // KIP-890: an abort of nothing still gives an epoch.
            Phase::Idle(_) if bumps && !committed => {}
            Phase::Idle(_) => return Err(ResponseError::InvalidTxnState),
        }
        self.finish(id, committed, bumps, now_ms);
        self.producer_of(id).ok_or(ResponseError::UnknownServerError)
    }

    /// Aborts what has been open for too long.
    pub(crate) fn expire_transactions(&mut self, now: Instant, now_ms: i64) {
        let late = self.transactions.iter().filter(|(_, one)| one.deadline().is_some_and(|deadline| deadline <= now));
        let late: Vec<String> = late.map(|(id, _)| id.clone()).collect();
        for id in late {
            tracing::debug!(%id, "transaction timed out");
            self.abort_and_fence(&id, now_ms);
        }
    }

    /// When [`State::expire_transactions`] is due.
    pub(crate) fn transaction_deadline(&self) -> Option<Instant> {
        self.transactions.values().filter_map(Transaction::deadline).min()
    }

    /// The transaction, if it is this producer's.
    fn transaction_of(&mut self, id: &str, producer: (i64, i16)) -> Result<&mut Transaction, ResponseError> {
        let transaction = self.transactions.get_mut(id).ok_or(ResponseError::InvalidProducerIdMapping)?;
        if transaction.producer_id != producer.0 {
            return Err(ResponseError::InvalidProducerIdMapping);
        }
        if transaction.epoch != producer.1 {
            return Err(ResponseError::ProducerFenced);
        }
        Ok(transaction)
    }

    fn producer_of(&self, id: &str) -> Option<(i64, i16)> {
        self.transactions.get(id).map(|transaction| (transaction.producer_id, transaction.epoch))
    }

    /// Aborts under the next epoch, so that the producer that was at it can write no more.
    fn abort_and_fence(&mut self, id: &str, now_ms: i64) {
        self.finish(id, false, true, now_ms);
        if let Some(transaction) = self.transactions.get_mut(id) {
            transaction.before_end = None;
        }
    }

    fn finish(&mut self, id: &str, committed: bool, bumps: bool, now_ms: i64) {
        let Some(transaction) = self.transactions.get_mut(id) else { return };
        let before = (transaction.producer_id, transaction.epoch);
        let phase = std::mem::replace(&mut transaction.phase, Phase::Idle(Some(committed)));
        let marker = if bumps { (before.0, before.1.saturating_add(1)) } else { before };
        if bumps {
            transaction.before_end = Some(before);
            self.bump(id);
        }
        let Phase::Ongoing { partitions, groups, .. } = phase else { return };
        for (topic, index) in partitions {
            if let Some(partition) = self.partition_mut(&topic, index) {
                let leader_epoch = partition.leader_epoch;
                partition.log.append_marker(marker, committed, leader_epoch, now_ms);
            }
        }
        for group in groups {
            if let Some(group) = self.groups.get_mut(&group) {
                group.offsets.end(before.0, committed);
            }
        }
    }

    fn bump(&mut self, id: &str) {
        let fresh = self.new_producer_id();
        let Some(transaction) = self.transactions.get_mut(id) else { return };
        if transaction.epoch >= LAST_EPOCH {
            (transaction.producer_id, transaction.epoch) = (fresh, 0);
        } else {
            transaction.epoch += 1;
        }
    }
}

impl Transaction {
    fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Ongoing { since, .. } => Some(since + self.timeout),
            Phase::Idle(_) => None,
        }
    }
}
