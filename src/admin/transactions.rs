//! Transactions and the producers behind them (KIP-664).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::groups::Listing;
use super::wire_enum::worded;
use super::{Admin, Outcomes, by_topic, check, indexes, keys, non_negative, only};
use crate::cluster::{CoordinatorKey, Item, Route};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{
    BrokerId, Offset, PartitionId, ProducerEpoch, ProducerId, Sequence, Timestamp, TopicPartition, TransactionalId,
};
use crate::wire::messages::describe_producers::{
    DescribeProducersRequest, DescribeProducersResponse, ProducerState, TopicRequest,
};
use crate::wire::messages::describe_transactions::{DescribeTransactionsRequest, DescribeTransactionsResponse};
use crate::wire::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use crate::wire::messages::list_transactions::{ListTransactionsRequest, ListTransactionsResponse};
use crate::wire::messages::write_txn_markers::{
    WritableTxnMarker, WritableTxnMarkerTopic, WriteTxnMarkersRequest, WriteTxnMarkersResponse,
};

worded! {
    /// How far a transaction is.
    TransactionState {
        /// There is none.
        Empty = "Empty";
        /// It is open.
        Ongoing = "Ongoing";
        /// It is being committed.
        PrepareCommit = "PrepareCommit";
        /// It is being aborted.
        PrepareAbort = "PrepareAbort";
        /// It was committed.
        CompleteCommit = "CompleteCommit";
        /// It was aborted.
        CompleteAbort = "CompleteAbort";
        /// Another incarnation of its producer is taking over.
        PrepareEpochFence = "PrepareEpochFence";
        /// It is forgotten.
        Dead = "Dead";
    }
}

/// Which transactions are listed; by default all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransactionFilter {
    states: Vec<TransactionState>,
    producer_ids: Vec<ProducerId>,
    longer_than: Option<Duration>,
    pattern: Option<String>,
}

impl TransactionFilter {
    /// All transactions.
    pub fn all() -> Self {
        Self::default()
    }

    /// Those in one of these states.
    #[must_use]
    pub fn states(mut self, states: impl IntoIterator<Item = TransactionState>) -> Self {
        self.states = states.into_iter().collect();
        self
    }

    /// Those of these producers.
    #[must_use]
    pub fn producer_ids(mut self, ids: impl IntoIterator<Item = ProducerId>) -> Self {
        self.producer_ids = ids.into_iter().collect();
        self
    }

    /// Those that have been open for longer (Kafka 3.8).
    #[must_use]
    pub fn longer_than(mut self, duration: Duration) -> Self {
        self.longer_than = Some(duration);
        self
    }

    /// Those whose id matches a regular expression of RE2 (Kafka 4.1).
    #[must_use]
    pub fn transactional_id_pattern(mut self, pattern: impl Into<String>) -> Self {
        self.pattern = Some(pattern.into());
        self
    }
}

/// A transaction in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransactionListing {
    /// The id of its producer.
    pub transactional_id: TransactionalId,
    /// The number of its producer.
    pub producer_id: ProducerId,
    /// How far it is.
    pub state: TransactionState,
}

/// What a coordinator knows of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransactionDescription {
    /// The broker that coordinates it.
    pub coordinator: Option<BrokerId>,
    /// How far it is.
    pub state: TransactionState,
    /// The number of its producer.
    pub producer_id: ProducerId,
    /// The incarnation of its producer.
    pub producer_epoch: ProducerEpoch,
    /// How long it may be open.
    pub timeout: Duration,
    /// When it began, if it is open.
    pub started: Option<Timestamp>,
    /// The partitions that it has written to.
    pub partitions: BTreeSet<TopicPartition>,
}

/// A producer that a partition remembers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ActiveProducer {
    /// Its number.
    pub id: ProducerId,
    /// Its incarnation.
    pub epoch: i32,
    /// The sequence of its last record.
    pub last_sequence: Option<Sequence>,
    /// The time of its last record.
    pub last_timestamp: Option<Timestamp>,
    /// The epoch of the coordinator that ended its last transaction here.
    pub coordinator_epoch: Option<i32>,
    /// Where its open transaction begins here.
    pub transaction_start: Option<Offset>,
}

/// A transaction that is open in one partition and that no coordinator will end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HangingTransaction {
    partition: TopicPartition,
    producer_id: ProducerId,
    producer_epoch: ProducerEpoch,
    coordinator_epoch: i32,
}

impl HangingTransaction {
    /// The transaction that a producer has open in a partition, as [`Admin::describe_producers`] told.
    ///
    /// # Errors
    /// Config if the producer has none open there.
    pub fn of(partition: TopicPartition, producer: &ActiveProducer) -> Result<Self> {
        if producer.transaction_start.is_none() {
            return Err(Error::config(format!("producer {} has no transaction open in {partition}", producer.id)));
        }
        let epoch = i16::try_from(producer.epoch)
            .map_err(|_| Error::new(ErrorKind::Protocol, format!("a producer has the epoch {}", producer.epoch)))?;
        Ok(Self {
            partition,
            producer_id: producer.id,
            producer_epoch: ProducerEpoch(epoch),
            // A partition that no coordinator has written a marker to takes that of any.
            coordinator_epoch: producer.coordinator_epoch.unwrap_or(0),
        })
    }
}

impl Item for TransactionalId {
    const KIND: &'static str = "transactional id";
}

impl Admin {
    /// Lists the transactions that the coordinators know.
    ///
    /// # Errors
    /// Retriable if the brokers could not be found in time; Unsupported before Kafka 3.0. What single brokers failed with is in the list.
    pub async fn list_transactions(&self, filter: TransactionFilter) -> Result<Listing<TransactionListing>> {
        let request = |version| ListTransactionsRequest {
            state_filters: filter.states.iter().map(TransactionState::as_str).collect(),
            producer_id_filters: filter.producer_ids.iter().map(|id| id.0).collect(),
            duration_filter: filter.longer_than.map_or(-1, |longer| i64::try_from(longer.as_millis()).unwrap_or(i64::MAX)),
            transactional_id_pattern: filter.pattern.as_deref().filter(|pattern| version >= 2 || !pattern.is_empty()),
        };
        let read = |response: &ListTransactionsResponse<'_>| {
            check(response.error_code, None)?;
            if !response.unknown_state_filters.is_empty() {
                let states = response.unknown_state_filters.join(", ");
                return Err(Error::config(format!("the broker knows no transaction state {states}")));
            }
            let listed = response.transaction_states.iter().map(|transaction| TransactionListing {
                transactional_id: transaction.transactional_id.into(),
                producer_id: ProducerId(transaction.producer_id),
                state: transaction.transaction_state.into(),
            });
            Ok(listed.collect())
        };
        self.list_everywhere(request, read).await
    }

    /// Describes transactions.
    ///
    /// # Errors
    /// Of a transaction: TRANSACTIONAL_ID_NOT_FOUND, TRANSACTIONAL_ID_AUTHORIZATION_FAILED; Unsupported before Kafka 3.0.
    pub async fn describe_transactions(
        &self,
        ids: impl IntoIterator<Item = impl Into<TransactionalId>>,
    ) -> Outcomes<TransactionalId, TransactionDescription> {
        let ids = keys::<TransactionalId>(ids);
        let read = |_: &[_], response: &DescribeTransactionsResponse<'_>| {
            let described = response.transaction_states.iter().map(|found| {
                let id = TransactionalId::from(found.transactional_id);
                let partitions = found.topics.iter().flat_map(|topic| {
                    topic.partitions.iter().map(|partition| TopicPartition::new(topic.topic, PartitionId(*partition)))
                });
                let description = || TransactionDescription {
                    coordinator: self.cluster.known_coordinator(&CoordinatorKey::transaction(&id)),
                    state: found.transaction_state.into(),
                    producer_id: ProducerId(found.producer_id),
                    producer_epoch: ProducerEpoch(found.producer_epoch),
                    timeout: Duration::from_millis(u64::try_from(found.transaction_timeout_ms).unwrap_or(0)),
                    started: non_negative(found.transaction_start_time_ms),
                    partitions: partitions.collect(),
                };
                let outcome = check(found.error_code, None).map(|()| description());
                (id, outcome)
            });
            Ok(described.collect())
        };
        self.ask_each(
            &ids,
            |id| Route::Coordinator(CoordinatorKey::transaction(id)),
            |share, _| DescribeTransactionsRequest { transactional_ids: share.iter().map(|(id, ())| id.as_str()).collect() },
            read,
        )
        .await
    }

    /// Describes the producers that the leaders of partitions remember.
    ///
    /// # Errors
    /// Of a partition: UNKNOWN_TOPIC_OR_PARTITION, TOPIC_AUTHORIZATION_FAILED; Unsupported before Kafka 2.8.
    pub async fn describe_producers(
        &self,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Outcomes<TopicPartition, Vec<ActiveProducer>> {
        self.producers(partitions, |partition| Route::Leader(partition.clone())).await
    }

    /// Describes the producers that a broker remembers, which need not lead the partitions.
    ///
    /// # Errors
    /// As [`Admin::describe_producers`]; NOT_LEADER_OR_FOLLOWER if the broker does not keep a partition.
    pub async fn describe_producers_on(
        &self,
        broker: impl Into<BrokerId>,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Outcomes<TopicPartition, Vec<ActiveProducer>> {
        let broker = broker.into();
        self.producers(partitions, |_| Route::Broker(broker)).await
    }

    async fn producers(
        &self,
        partitions: impl IntoIterator<Item = TopicPartition>,
        route: impl Fn(&TopicPartition) -> Route,
    ) -> Outcomes<TopicPartition, Vec<ActiveProducer>> {
        let partitions = keys::<TopicPartition>(partitions);
        let read = |_: &[_], response: &DescribeProducersResponse<'_>| {
            let described = response.topics.iter().flat_map(|topic| {
                topic.partitions.iter().map(|partition| {
                    let key = TopicPartition::new(topic.name, PartitionId(partition.partition_index));
                    let producers = || partition.active_producers.iter().map(producer).collect();
                    (key, check(partition.error_code, partition.error_message).map(|()| producers()))
                })
            });
            Ok(described.collect())
        };
        self.ask_each(
            &partitions,
            route,
            |share, _| DescribeProducersRequest {
                topics: by_topic(share)
                    .map(|(name, partitions)| TopicRequest { name, partition_indexes: indexes(&partitions) })
                    .collect(),
            },
            read,
        )
        .await
    }

    /// Ends a transaction that hangs in one partition, by a marker that aborts it.
    ///
    /// # Errors
    /// INVALID_PRODUCER_EPOCH if the producer has gone on, TRANSACTION_COORDINATOR_FENCED, CLUSTER_AUTHORIZATION_FAILED.
    pub async fn abort_transaction(&self, transaction: HangingTransaction) -> Result<()> {
        let HangingTransaction { partition, producer_id, producer_epoch, coordinator_epoch } = transaction;
        let partition = BTreeMap::from([(partition, ())]);
        let read = |_: &[_], response: &WriteTxnMarkersResponse<'_>| {
            let written = response.markers.iter().flat_map(|marker| &marker.topics).flat_map(|topic| {
                topic.partitions.iter().map(|partition| {
                    let key = TopicPartition::new(topic.name, PartitionId(partition.partition_index));
                    (key, check(partition.error_code, None))
                })
            });
            Ok(written.collect())
        };
        only(
            self.change_each(
                &partition,
                |partition| Route::Leader(partition.clone()),
                |share, _| WriteTxnMarkersRequest {
                    markers: vec![WritableTxnMarker {
                        producer_id: producer_id.0,
                        producer_epoch: producer_epoch.0,
                        transaction_result: false,
                        topics: by_topic(share)
                            .map(|(name, partitions)| WritableTxnMarkerTopic { name, partition_indexes: indexes(&partitions) })
                            .collect(),
                        coordinator_epoch,
                        ..WritableTxnMarker::default()
                    }],
                },
                read,
            )
            .await,
        )
    }

    /// Fences the producers of transactional ids: aborts what they have open, and refuses what they send from now on.
    ///
    /// # Errors
    /// Of an id: TRANSACTIONAL_ID_AUTHORIZATION_FAILED.
    pub async fn fence_producers(
        &self,
        ids: impl IntoIterator<Item = impl Into<TransactionalId>>,
    ) -> Outcomes<TransactionalId, (ProducerId, ProducerEpoch)> {
        let ids = keys::<TransactionalId>(ids);
        // A request is for one id; the next is asked for when this one is answered.
        let read = |share: &[(&TransactionalId, &())], response: &InitProducerIdResponse| {
            let fenced = || (ProducerId(response.producer_id), ProducerEpoch(response.producer_epoch));
            let outcome = check(response.error_code, None).map(|()| fenced());
            Ok(share.first().map(|(id, ())| ((*id).clone(), outcome)).into_iter().collect())
        };
        self.change_each(
            &ids,
            |id| Route::Coordinator(CoordinatorKey::transaction(id)),
            |share, _| InitProducerIdRequest {
                transactional_id: share.first().map(|(id, ())| id.as_str()),
                // Of a transaction that nobody begins.
                transaction_timeout_ms: self.timeout_ms(),
                ..InitProducerIdRequest::default()
            },
            read,
        )
        .await
    }

    /// Ends the transaction of a transactional id by fencing its producer.
    ///
    /// # Errors
    /// As [`Admin::fence_producers`].
    pub async fn force_terminate_transaction(&self, id: impl Into<TransactionalId>) -> Result<()> {
        only(self.fence_producers([id.into()]).await).map(drop)
    }
}

fn producer(state: &ProducerState) -> ActiveProducer {
    ActiveProducer {
        id: ProducerId(state.producer_id),
        epoch: state.producer_epoch,
        last_sequence: non_negative(state.last_sequence),
        last_timestamp: non_negative(state.last_timestamp),
        coordinator_epoch: non_negative(state.coordinator_epoch),
        transaction_start: non_negative(state.current_txn_start_offset),
    }
}
