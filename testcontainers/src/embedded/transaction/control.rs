//! What a test can do to transactions, and ask of them.

use std::ops::RangeInclusive;
use std::time::Duration;

use tokio::time::Instant;

use super::{Phase, Transaction};
use crate::embedded::EmbeddedCluster;
use crate::embedded::log::producers::PartitionProducer;
use crate::embedded::log::{Fate, StoredBatch};
use crate::embedded::state::{State, TRANSACTION_KEY};

/// The state of a transaction, by Kafka's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransactionState {
    /// The id has a producer, which has begun no transaction yet.
    Empty,
    /// The transaction has partitions.
    Ongoing,
    /// It will be committed: the markers are being written.
    PrepareCommit,
    /// It will be aborted: the markers are being written.
    PrepareAbort,
    /// It was committed, and its markers are written.
    CompleteCommit,
    /// It was aborted, and its markers are written.
    CompleteAbort,
}

/// A transactional id as its coordinator knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransactionDescription {
    /// The transactional id.
    pub transactional_id: String,
    /// The state of its last transaction.
    pub state: TransactionState,
    /// The producer id.
    pub producer_id: i64,
    /// The producer epoch.
    pub producer_epoch: i16,
    /// `transaction.timeout.ms` of its producer.
    pub timeout: Duration,
    /// When the first partition was added to the last transaction, in milliseconds since 1970.
    pub started_ms: Option<i64>,
    /// Its topics and partitions; while it ends, those whose marker is missing. A group's offsets
    /// are a partition of `__consumer_offsets`.
    pub partitions: Vec<(String, i32)>,
}

/// A state change of a transactional id.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransactionTransition {
    /// Since the cluster's start.
    pub at: Duration,
    /// The transactional id.
    pub transactional_id: String,
    /// The new state.
    pub state: TransactionState,
    /// The producer id.
    pub producer_id: i64,
    /// The producer epoch.
    pub producer_epoch: i16,
}

impl TransactionState {
    /// Returns Kafka's name for it, as in DescribeTransactions and ListTransactions.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Ongoing => "Ongoing",
            Self::PrepareCommit => "PrepareCommit",
            Self::PrepareAbort => "PrepareAbort",
            Self::CompleteCommit => "CompleteCommit",
            Self::CompleteAbort => "CompleteAbort",
        }
    }
}

impl Transaction {
    pub(crate) fn describe(&self, id: &str) -> TransactionDescription {
        TransactionDescription {
            transactional_id: id.to_owned(),
            state: self.state(),
            producer_id: self.producer_id,
            producer_epoch: self.epoch,
            timeout: self.timeout,
            started_ms: self.started.map(|started| started.ms),
            partitions: self.partitions(),
        }
    }
}

impl State {
    /// The transactional ids that `broker` coordinates, or all.
    pub(crate) fn describe_transactions(&self, broker: Option<i32>) -> Vec<TransactionDescription> {
        let is_asked =
            |id: &str| broker.is_none() || self.coordinator(TRANSACTION_KEY, id) == broker;
        let asked = self.transactions.by_id.iter().filter(|(id, _)| is_asked(id));
        asked.map(|(id, transaction)| transaction.describe(id)).collect()
    }

    /// Whether `broker` coordinates an id whose log it still reads.
    pub(crate) fn loads_transactions(&self, broker: i32, now: Instant) -> bool {
        let mut loading = self.transactions.loading.iter().filter(|(_, until)| **until > now);
        loading.any(|(id, _)| self.coordinator(TRANSACTION_KEY, id) == Some(broker))
    }

    /// The transactional id, if there is one and `broker` coordinates it.
    pub(crate) fn describe_transaction_at(
        &mut self,
        broker: i32,
        id: &str,
        now: crate::embedded::clock::Moment,
    ) -> Result<Option<TransactionDescription>, kafka_protocol::ResponseError> {
        Ok(self.transaction_at(broker, id, now)?.map(|transaction| transaction.describe(id)))
    }
}

/// Transactions: their coordinators, their markers, and what is left of them in the logs.
///
/// ```
/// # async fn example() -> std::io::Result<()> {
/// use std::time::Duration;
/// use kavka_testcontainers::embedded::{EmbeddedCluster, TransactionState};
///
/// let cluster = EmbeddedCluster::builder().in_memory().topic("t", 3, 1).transaction_version(1).start().await?;
/// // Clients see markers a while after their commit was answered.
/// cluster.set_marker_delay(Duration::from_millis(1)..=Duration::from_millis(50));
/// // The next transactions are of the new protocol.
/// cluster.set_transaction_version(2);
/// // ... a client commits ...
/// if let Some(transaction) = cluster.transaction("my-id") {
///     assert_eq!(transaction.state, TransactionState::CompleteCommit);
/// }
/// # Ok(()) }
/// ```
impl EmbeddedCluster {
    /// Describes a transactional id, if it is known.
    pub fn transaction(&self, id: &str) -> Option<TransactionDescription> {
        self.shared().lock().transactions.by_id.get(id).map(|transaction| transaction.describe(id))
    }

    /// Describes every known transactional id, in the order of their names.
    pub fn transactions(&self) -> Vec<TransactionDescription> {
        self.shared().lock().describe_transactions(None)
    }

    /// Returns the newest 100,000 state changes of transactional ids, oldest first.
    pub fn transaction_history(&self) -> Vec<TransactionTransition> {
        self.shared().lock().transactions.history.iter().cloned().collect()
    }

    /// Changes the finalized feature `transaction.version` of a running cluster: 2 for KIP-890, 1
    /// and 0 for the old protocol.
    ///
    /// Clients learn of it from their next ApiVersions response, which has a higher epoch of
    /// finalized features. As in Kafka, brokers go on serving both protocols: what a request does
    /// follows from its version, and the feature only decides how a coordinator aborts on its own.
    pub fn set_transaction_version(&self, level: i16) {
        let mut state = self.shared().lock();
        state.settings.transaction_version = level;
        state.features_epoch += 1;
    }

    /// Keeps a broker from learning of changes of the features, or lets it catch up. Meanwhile it
    /// reports the old features and their old epoch to clients: in Kafka, too, brokers learn of a
    /// change one after the other.
    pub fn hold_features(&self, broker: i32, held: bool) {
        let mut state = self.shared().lock();
        let now = state.finalized();
        if let Some(broker) = state.brokers.get_mut(&broker) {
            broker.stale_features = held.then_some(now);
        }
    }

    /// Returns the epoch of the finalized features, which increases with each change.
    pub fn features_epoch(&self) -> i64 {
        self.shared().lock().features_epoch
    }

    /// Sets how long after the end of a transaction each partition gets its marker; the seed draws
    /// a time for each of them.
    ///
    /// Applies to transactions that end from now on. Default 1 ms.
    pub fn set_marker_delay(&self, delay: RangeInclusive<Duration>) {
        self.shared().lock().settings.marker_delay = (*delay.start(), *delay.end());
    }

    /// Keeps markers from reaching a partition, or lets them through again. Meanwhile its
    /// transactions stay open, and their ids stay in `PrepareCommit` or `PrepareAbort`. For a
    /// group's offsets, name a partition of `__consumer_offsets`; see
    /// [`EmbeddedCluster::offsets_partition`].
    pub fn hold_markers(&self, topic: &str, partition: i32, held: bool) {
        let partition = (topic.to_owned(), partition);
        let mut state = self.shared().lock();
        let changed = if held {
            state.transactions.held.insert(partition)
        } else {
            state.transactions.held.remove(&partition)
        };
        drop(state);
        if changed {
            self.shared().timers.notify_one();
        }
    }

    /// Returns the partition of `__consumer_offsets` that holds a group.
    pub fn offsets_partition(group: &str) -> i32 {
        super::offsets_partition(group)
    }

    /// Aborts the open transaction of an id now, as its coordinator does after the timeout. Returns
    /// false if none is open.
    pub fn time_out_transaction(&self, id: &str) -> bool {
        let now = self.shared().moment();
        let mut state = self.shared().lock();
        let is_open = state
            .transactions
            .by_id
            .get(id)
            .is_some_and(|one| matches!(one.phase, Phase::Ongoing { .. }));
        if is_open {
            state.abort_and_fence(id, now);
        }
        drop(state);
        self.shared().wake();
        is_open
    }

    /// Forgets a transactional id, as `transactional.id.expiration.ms` does. Returns false while a
    /// transaction is open or ending.
    pub fn expire_transactional_id(&self, id: &str) -> bool {
        let mut state = self.shared().lock();
        let may = state
            .transactions
            .by_id
            .get(id)
            .is_some_and(|one| one.expiry(Duration::ZERO).is_some());
        may && state.transactions.by_id.remove(id).is_some()
    }

    /// Sets the epoch of a transactional id that has no transaction, for tests near the highest
    /// epoch, 32,766. Returns false if that is not possible.
    ///
    /// Partitions learn of it with the next transaction. The current producer is fenced and must
    /// initialise again.
    pub fn set_producer_epoch(&self, id: &str, epoch: i16) -> bool {
        let mut state = self.shared().lock();
        let idle =
            state.transactions.by_id.get_mut(id).filter(|one| one.expiry(Duration::ZERO).is_some());
        idle.is_some_and(|transaction| {
            transaction.epoch = epoch;
            true
        })
    }

    /// Lets the coordinator of a transactional id answer COORDINATOR_LOAD_IN_PROGRESS for this
    /// long; partition leaders that must ask it refuse with NOT_ENOUGH_REPLICAS.
    pub fn load_transaction_coordinator(&self, id: &str, during: Duration) {
        let until = Instant::now() + during;
        self.shared().lock().transactions.loading.insert(id.to_owned(), until);
    }

    /// Sets how long a broker that becomes the coordinator of a transactional id takes to load its
    /// log. Default 0.
    pub fn set_coordinator_load(&self, during: Duration) {
        self.shared().lock().settings.coordinator_load = during;
    }

    /// Returns the producers that a partition knows, as DescribeProducers does.
    pub fn partition_producers(&self, topic: &str, partition: i32) -> Vec<PartitionProducer> {
        let mut state = self.shared().lock();
        state
            .producers_of(&(topic.to_owned(), partition))
            .map(|producers| producers.describe())
            .unwrap_or_default()
    }

    /// Returns the last stable offset of a partition, below which `read_committed` consumers read.
    pub fn last_stable_offset(&self, topic: &str, partition: i32) -> Option<i64> {
        Some(self.shared().lock().partition(topic, partition)?.log.last_stable_offset())
    }

    /// Returns the batches of a partition, oldest first, each with the fate of its transaction.
    pub fn fates(&self, topic: &str, partition: i32) -> Vec<(StoredBatch, Fate)> {
        self.shared()
            .lock()
            .partition(topic, partition)
            .map(|partition| partition.log.fates())
            .unwrap_or_default()
    }

    /// Returns the batches that a `read_committed` consumer gets from a partition: those below the
    /// last stable offset that were committed or are not part of a transaction, without markers.
    pub fn committed_log(&self, topic: &str, partition: i32) -> Vec<StoredBatch> {
        let state = self.shared().lock();
        let Some(log) = state.partition(topic, partition).map(|partition| &partition.log) else {
            return Vec::new();
        };
        let stable = log.last_stable_offset();
        let readable = log
            .fates()
            .into_iter()
            .filter(|(batch, fate)| fate.is_readable() && batch.header.base_offset < stable);
        readable.map(|(batch, _)| batch).collect()
    }
}
