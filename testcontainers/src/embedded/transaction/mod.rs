//! Transactions as their coordinator keeps them, after Kafka's `TransactionCoordinator` and
//! `TransactionMetadata`.
//!
//! ```text
//!           AddPartitionsToTxn, Produce v12,                    EndTxn                       every marker
//!           AddOffsetsToTxn, TxnOffsetCommit v5                                              is written
//!   Empty ─────────────────────────────────────▶ Ongoing ─────────────────▶ Prepared{committed} ─────▶ Complete{committed}
//!     ▲                                             │ time is up, or a new InitProducerId: ▲               │  │  ▲
//!     │                                             └ abort under the next epoch ──────────┘               │  │  │
//!     ├────────────────────────── InitProducerId ──────────────────────────────────────────────────────────┘  │  │
//!     └─▶ Ongoing, as above, also from Complete ◀──────────────────────────────────────────────────────────────┘  │
//!         Prepared{aborted} from Empty and Complete, with EndTxn v5 alone: an abort of nothing still bumps ───────┘
//! ```
//!
//! While markers are out every other step is answered CONCURRENT_TRANSACTIONS. The old protocol
//! (EndTxn up to v4) keeps the epoch at the end of a transaction; the new one (KIP-890, EndTxn v5)
//! raises it, and the markers carry the raised one.
//!
//! ```text
//! init     InitProducerId        add      partitions of a transaction, and what a leader asks before it appends
//! end      EndTxn, time-outs     markers  control batches, completion, and a coordinator that moves
//! control  what a test does to transactions and asks of them
//! ```

mod add;
mod control;
mod end;
mod init;
mod markers;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use kafka_protocol::ResponseError;
use tokio::time::Instant;

pub use control::{TransactionDescription, TransactionState, TransactionTransition};

pub(crate) use add::{Admission, OFFSETS_TOPIC, offsets_partition};
pub(crate) use markers::Marker;

use super::clock::Moment;
use super::log::producers::Producers;
use super::state::{State, TRANSACTION_KEY, TopicPartition};
use super::track::REMEMBERED;

/// A producer: its id and its epoch.
pub(crate) type Identity = (i64, i16);

/// The epoch of a transactional id that nobody has initialised yet, and the last epoch of one that
/// may not be asked for again.
const NO_EPOCH: i16 = -1;

/// From this `transaction.version` on the end of a transaction raises the epoch (KIP-890).
pub(crate) const BUMPS_EPOCH: i16 = 2;

/// Every transactional id, and what belongs to the coordinators of all of them.
#[derive(Debug, Default)]
pub(crate) struct Transactions {
    by_id: BTreeMap<String, Transaction>,
    /// Ids whose coordinator still reads its log, until when.
    loading: BTreeMap<String, Instant>,
    /// Partitions to which a test lets no marker through.
    held: BTreeSet<TopicPartition>,
    /// What the partitions of `__consumer_offsets` know of producers.
    offsets: BTreeMap<i32, Producers>,
    history: VecDeque<TransactionTransition>,
}

/// A transactional id.
#[derive(Clone, Debug)]
pub(crate) struct Transaction {
    pub(crate) producer_id: i64,
    /// The producer id before the last step.
    previous_producer_id: i64,
    /// The one to come when the markers are written, if the epochs are used up.
    next_producer_id: Option<i64>,
    pub(crate) epoch: i16,
    /// The epoch whose owner may ask again for what it was given (KIP-360).
    last_epoch: i16,
    pub(crate) timeout: Duration,
    phase: Phase,
    /// 2 when the client ended it by EndTxn v5, else 0.
    version: i16,
    started: Option<Moment>,
    updated: Instant,
    coordinator: Option<i32>,
    coordinator_epoch: i32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    Empty,
    Ongoing {
        partitions: BTreeSet<TopicPartition>,
    },
    /// The decision is in the coordinator's log, and the markers are on their way.
    Prepared {
        committed: bool,
        partitions: BTreeSet<TopicPartition>,
        /// Those without a marker yet, and when it comes.
        waiting: BTreeMap<TopicPartition, Instant>,
        /// A partition refused its marker for good: this coordinator never completes it.
        is_stuck: bool,
    },
    Complete {
        committed: bool,
    },
}

impl Transaction {
    fn new(producer_id: i64, timeout: Duration, coordinator: i32, now: Moment) -> Self {
        Self {
            producer_id,
            previous_producer_id: -1,
            next_producer_id: None,
            epoch: NO_EPOCH,
            last_epoch: NO_EPOCH,
            timeout,
            phase: Phase::Empty,
            version: 0,
            started: None,
            updated: now.at,
            coordinator: Some(coordinator),
            coordinator_epoch: 0,
        }
    }

    /// A step was decided and is not done: `pendingTransitionInProgress`.
    fn is_pending(&self) -> bool {
        matches!(self.phase, Phase::Prepared { .. })
    }

    /// The next step would leave no epoch to fence this producer with.
    fn is_exhausted(&self) -> bool {
        is_exhausted(self.epoch)
    }

    /// Who the producer is once the markers are written.
    fn successor(&self) -> Identity {
        match self.next_producer_id {
            Some(next) if self.version >= BUMPS_EPOCH => (next, 0),
            _ => (self.producer_id, self.epoch),
        }
    }

    fn state(&self) -> TransactionState {
        match self.phase {
            Phase::Empty => TransactionState::Empty,
            Phase::Ongoing { .. } => TransactionState::Ongoing,
            Phase::Prepared { committed: true, .. } => TransactionState::PrepareCommit,
            Phase::Prepared { committed: false, .. } => TransactionState::PrepareAbort,
            Phase::Complete { committed: true } => TransactionState::CompleteCommit,
            Phase::Complete { committed: false } => TransactionState::CompleteAbort,
        }
    }

    /// The partitions in it; while it ends, those that wait for their marker.
    fn partitions(&self) -> Vec<TopicPartition> {
        match &self.phase {
            Phase::Ongoing { partitions } => partitions.iter().cloned().collect(),
            Phase::Prepared { waiting, .. } => waiting.keys().cloned().collect(),
            Phase::Empty | Phase::Complete { .. } => Vec::new(),
        }
    }

    /// When it has been open for too long.
    fn deadline(&self) -> Option<Instant> {
        let is_open = matches!(self.phase, Phase::Ongoing { .. });
        self.started.filter(|_| is_open).map(|started| started.at + self.timeout)
    }

    /// Takes a step; the producer id from before it is remembered.
    fn step(&mut self, phase: Phase, previous_producer_id: i64, now: Moment) {
        self.previous_producer_id = previous_producer_id;
        self.phase = phase;
        self.updated = now.at;
    }
}

impl State {
    /// The transactional id, if there is one and `broker` coordinates it and knows it already.
    fn transaction_at(
        &mut self,
        broker: i32,
        id: &str,
        now: Moment,
    ) -> Result<Option<&mut Transaction>, ResponseError> {
        self.check_coordinator(broker, TRANSACTION_KEY, id)?;
        if self.transactions.is_loading(id, now.at) {
            return Err(ResponseError::CoordinatorLoadInProgress);
        }
        Ok(self.transactions.by_id.get_mut(id))
    }

    /// Fails unless `broker` coordinates the id, and for an empty id.
    fn known_transaction_at(
        &mut self,
        broker: i32,
        id: &str,
        now: Moment,
    ) -> Result<&mut Transaction, ResponseError> {
        if id.is_empty() {
            return Err(ResponseError::InvalidRequest);
        }
        self.transaction_at(broker, id, now)?.ok_or(ResponseError::InvalidProducerIdMapping)
    }

    /// Does what time has brought; true when a log has changed.
    pub(crate) fn tick_transactions(&mut self, now: Moment) -> bool {
        self.abort_overdue(now);
        self.expire_transactional_ids(now.at);
        self.transactions.loading.retain(|_, until| *until > now.at);
        self.write_due_markers(now)
    }

    /// When [`State::tick_transactions`] is due.
    pub(crate) fn transactions_deadline(&self) -> Option<Instant> {
        let expiration = self.settings.transactional_id_expiration;
        let living = self.transactions.by_id.values().filter(|one| self.coordinator_runs(one));
        let each =
            living.flat_map(|one| [one.deadline(), one.expiry(expiration), self.next_marker(one)]);
        each.flatten().min()
    }

    /// Forgets ids that nobody has used for long.
    fn expire_transactional_ids(&mut self, now: Instant) {
        let expiration = self.settings.transactional_id_expiration;
        self.transactions
            .by_id
            .retain(|_, one| one.expiry(expiration).is_none_or(|expiry| expiry > now));
    }

    /// Nothing happens on a coordinator that is dead, until another is made of it.
    fn coordinator_runs(&self, transaction: &Transaction) -> bool {
        transaction.coordinator.is_some_and(|id| self.runs(id))
    }

    fn runs(&self, broker: i32) -> bool {
        self.broker(broker).is_some_and(|broker| broker.running.is_some())
    }
}

impl Transaction {
    fn expiry(&self, expiration: Duration) -> Option<Instant> {
        let may_expire = matches!(self.phase, Phase::Empty | Phase::Complete { .. });
        may_expire.then(|| self.updated + expiration)
    }
}

impl Transactions {
    fn is_loading(&self, id: &str, now: Instant) -> bool {
        self.loading.get(id).is_some_and(|until| *until > now)
    }

    /// Writes down where an id has come to.
    fn note(&mut self, id: &str, now: Moment) {
        let Some(transaction) = self.by_id.get(id) else { return };
        if self.history.len() == REMEMBERED {
            self.history.pop_front();
        }
        self.history.push_back(TransactionTransition {
            at: now.elapsed,
            transactional_id: id.to_owned(),
            state: transaction.state(),
            producer_id: transaction.producer_id,
            producer_epoch: transaction.epoch,
        });
    }
}

/// A client never gets the largest epoch, that there is always one to fence it with.
fn is_exhausted(epoch: i16) -> bool {
    epoch >= i16::MAX - 1
}
