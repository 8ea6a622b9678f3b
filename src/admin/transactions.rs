//! Transactions and the producers behind them (KIP-664).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::groups::Listing;
use super::wire_enum::worded;
use super::{Admin, Outcomes, by_topic, check, indexes, keys, non_negative, only};
use crate::cluster::{CoordinatorKey, Item, Route};
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{
    BrokerId, Offset, PartitionId, ProducerEpoch, ProducerId, Sequence, Timestamp, TopicPartition,
    TransactionalId,
};
use crate::wire::messages::describe_producers::{
    DescribeProducersRequest, DescribeProducersResponse, ProducerState, TopicRequest,
};
use crate::wire::messages::describe_transactions::{
    DescribeTransactionsRequest, DescribeTransactionsResponse,
};
use crate::wire::messages::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use crate::wire::messages::list_transactions::{ListTransactionsRequest, ListTransactionsResponse};
use crate::wire::messages::write_txn_markers::{
    WritableTxnMarker, WritableTxnMarkerTopic, WriteTxnMarkersRequest, WriteTxnMarkersResponse,
};

worded! {
    /// The state of a transaction.
    TransactionState {
        /// No transaction has been started.
        Empty = "Empty";
        /// The transaction is open.
        Ongoing = "Ongoing";
        /// The transaction is being committed.
        PrepareCommit = "PrepareCommit";
        /// The transaction is being aborted.
        PrepareAbort = "PrepareAbort";
        /// The transaction was committed.
        CompleteCommit = "CompleteCommit";
        /// The transaction was aborted.
        CompleteAbort = "CompleteAbort";
        /// The producer is being fenced by another incarnation.
        PrepareEpochFence = "PrepareEpochFence";
        /// The transactional id has expired.
        Dead = "Dead";
    }
}

/// Selects transactions; by default, all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransactionFilter {
    states: Vec<TransactionState>,
    producer_ids: Vec<ProducerId>,
    longer_than: Option<Duration>,
    pattern: Option<String>,
}

impl TransactionFilter {
    /// Selects all transactions.
    pub fn all() -> Self {
        Self::default()
    }

    /// Selects transactions in one of these states.
    #[must_use]
    pub fn states(mut self, states: impl IntoIterator<Item = TransactionState>) -> Self {
        self.states = states.into_iter().collect();
        self
    }

    /// Selects transactions of these producers.
    #[must_use]
    pub fn producer_ids(mut self, ids: impl IntoIterator<Item = ProducerId>) -> Self {
        self.producer_ids = ids.into_iter().collect();
        self
    }

    /// Selects transactions that have been open for longer (Kafka 3.8).
    #[must_use]
    pub fn longer_than(mut self, duration: Duration) -> Self {
        self.longer_than = Some(duration);
        self
    }

    /// Selects transactions whose id matches an RE2 regular expression (Kafka 4.1).
    #[must_use]
    pub fn transactional_id_pattern(mut self, pattern: impl Into<String>) -> Self {
        self.pattern = Some(pattern.into());
        self
    }
}

/// A transaction in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransactionListing {
    /// The transactional id.
    pub transactional_id: TransactionalId,
    /// The producer id.
    pub producer_id: ProducerId,
    /// The state of the transaction.
    pub state: TransactionState,
}

/// The description of a transaction by its coordinator.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransactionDescription {
    /// The coordinator.
    pub coordinator: Option<BrokerId>,
    /// The state of the transaction.
    pub state: TransactionState,
    /// The producer id.
    pub producer_id: ProducerId,
    /// The producer epoch.
    pub producer_epoch: ProducerEpoch,
    /// The transaction timeout.
    pub timeout: Duration,
    /// When the transaction started, if it is open.
    pub started: Option<Timestamp>,
    /// The partitions in the transaction.
    pub partitions: BTreeSet<TopicPartition>,
}

/// A producer with state in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ActiveProducer {
    /// The producer id.
    pub id: ProducerId,
    /// The producer epoch.
    pub epoch: i32,
    /// The sequence number of its last record.
    pub last_sequence: Option<Sequence>,
    /// The timestamp of its last record.
    pub last_timestamp: Option<Timestamp>,
    /// The epoch of the coordinator that ended its last transaction in this partition.
    pub coordinator_epoch: Option<i32>,
    /// The first offset of its open transaction in this partition.
    pub transaction_start: Option<Offset>,
}

/// A hanging transaction: one that is open in a partition but unknown to its coordinator.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HangingTransaction {
    partition: TopicPartition,
    producer_id: ProducerId,
    producer_epoch: ProducerEpoch,
    coordinator_epoch: i32,
}

impl HangingTransaction {
    /// Creates the identifier of a producer's open transaction in a partition, from a result of
    /// [`Admin::describe_producers`].
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the producer has no open transaction there.
    pub fn of(partition: TopicPartition, producer: &ActiveProducer) -> Result<Self> {
        if producer.transaction_start.is_none() {
            return Err(Error::config(format!(
                "producer {} has no transaction open in {partition}",
                producer.id
            )));
        }
        let epoch = i16::try_from(producer.epoch).map_err(|_| {
            Error::new(ErrorKind::Protocol, format!("a producer has the epoch {}", producer.epoch))
        })?;
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
    /// Lists the transactions of all coordinators.
    ///
    /// # Errors
    /// - [`ErrorKind::Unsupported`] before Kafka 3.0.
    /// - The last failure, of the class [`Class::Retriable`](crate::Class::Retriable), if the
    ///   brokers could not be discovered in time.
    /// - Failures of single brokers are in the listing.
    pub async fn list_transactions(
        &self,
        filter: TransactionFilter,
    ) -> Result<Listing<TransactionListing>> {
        let request = |version| ListTransactionsRequest {
            state_filters: filter.states.iter().map(TransactionState::as_str).collect(),
            producer_id_filters: filter.producer_ids.iter().map(|id| id.0).collect(),
            duration_filter: filter
                .longer_than
                .map_or(-1, |longer| i64::try_from(longer.as_millis()).unwrap_or(i64::MAX)),
            transactional_id_pattern: filter
                .pattern
                .as_deref()
                .filter(|pattern| version >= 2 || !pattern.is_empty()),
        };
        let read = |response: &ListTransactionsResponse<'_>| {
            check(response.error_code, None)?;
            if !response.unknown_state_filters.is_empty() {
                let states = response.unknown_state_filters.join(", ");
                return Err(Error::config(format!(
                    "the broker knows no transaction state {states}"
                )));
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
    /// For a transaction:
    /// [`TRANSACTIONAL_ID_NOT_FOUND`](crate::ErrorCode::TRANSACTIONAL_ID_NOT_FOUND),
    /// [`TRANSACTIONAL_ID_AUTHORIZATION_FAILED`](crate::ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    /// [`ErrorKind::Unsupported`] before Kafka 3.0.
    pub async fn describe_transactions(
        &self,
        ids: impl IntoIterator<Item = impl Into<TransactionalId>>,
    ) -> Outcomes<TransactionalId, TransactionDescription> {
        let ids = keys::<TransactionalId>(ids);
        let read = |_: &[_], response: &DescribeTransactionsResponse<'_>| {
            let described = response.transaction_states.iter().map(|found| {
                let id = TransactionalId::from(found.transactional_id);
                let partitions = found.topics.iter().flat_map(|topic| {
                    topic
                        .partitions
                        .iter()
                        .map(|partition| TopicPartition::new(topic.topic, PartitionId(*partition)))
                });
                let description = || TransactionDescription {
                    coordinator: self.cluster.known_coordinator(&CoordinatorKey::transaction(&id)),
                    state: found.transaction_state.into(),
                    producer_id: ProducerId(found.producer_id),
                    producer_epoch: ProducerEpoch(found.producer_epoch),
                    timeout: Duration::from_millis(
                        u64::try_from(found.transaction_timeout_ms).unwrap_or(0),
                    ),
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
            |share, _| DescribeTransactionsRequest {
                transactional_ids: share.iter().map(|(id, ())| id.as_str()).collect(),
            },
            read,
        )
        .await
    }

    /// Describes the active producers of partitions, as known to their leaders.
    ///
    /// # Errors
    /// For a partition:
    /// [`UNKNOWN_TOPIC_OR_PARTITION`](crate::ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
    /// [`TOPIC_AUTHORIZATION_FAILED`](crate::ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    /// [`ErrorKind::Unsupported`] before Kafka 2.8.
    pub async fn describe_producers(
        &self,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Outcomes<TopicPartition, Vec<ActiveProducer>> {
        self.producers(partitions, |partition| Route::Leader(partition.clone())).await
    }

    /// Describes the active producers of partitions, as known to a broker that need not lead them.
    ///
    /// # Errors
    /// As [`Admin::describe_producers`], and
    /// [`NOT_LEADER_OR_FOLLOWER`](crate::ErrorCode::NOT_LEADER_OR_FOLLOWER) if the broker has no
    /// replica of the partition.
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
                    let key =
                        TopicPartition::new(topic.name, PartitionId(partition.partition_index));
                    let producers = || partition.active_producers.iter().map(producer).collect();
                    (
                        key,
                        check(partition.error_code, partition.error_message).map(|()| producers()),
                    )
                })
            });
            Ok(described.collect())
        };
        self.ask_each(
            &partitions,
            route,
            |share, _| DescribeProducersRequest {
                topics: by_topic(share)
                    .map(|(name, partitions)| TopicRequest {
                        name,
                        partition_indexes: indexes(&partitions),
                    })
                    .collect(),
            },
            read,
        )
        .await
    }

    /// Aborts a hanging transaction by writing an abort marker to its partition.
    ///
    /// # Errors
    /// [`INVALID_PRODUCER_EPOCH`](crate::ErrorCode::INVALID_PRODUCER_EPOCH) if the producer has
    /// moved on,
    /// [`TRANSACTION_COORDINATOR_FENCED`](crate::ErrorCode::TRANSACTION_COORDINATOR_FENCED),
    /// [`CLUSTER_AUTHORIZATION_FAILED`](crate::ErrorCode::CLUSTER_AUTHORIZATION_FAILED).
    pub async fn abort_transaction(&self, transaction: HangingTransaction) -> Result<()> {
        let HangingTransaction { partition, producer_id, producer_epoch, coordinator_epoch } =
            transaction;
        let partition = BTreeMap::from([(partition, ())]);
        let read = |_: &[_], response: &WriteTxnMarkersResponse<'_>| {
            let written =
                response.markers.iter().flat_map(|marker| &marker.topics).flat_map(|topic| {
                    topic.partitions.iter().map(|partition| {
                        let key =
                            TopicPartition::new(topic.name, PartitionId(partition.partition_index));
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
                            .map(|(name, partitions)| WritableTxnMarkerTopic {
                                name,
                                partition_indexes: indexes(&partitions),
                            })
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

    /// Fences the producers of transactional ids: aborts their open transactions and makes the
    /// brokers reject their further requests.
    ///
    /// # Errors
    /// For a transactional id:
    /// [`TRANSACTIONAL_ID_AUTHORIZATION_FAILED`](crate::ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED).
    pub async fn fence_producers(
        &self,
        ids: impl IntoIterator<Item = impl Into<TransactionalId>>,
    ) -> Outcomes<TransactionalId, (ProducerId, ProducerEpoch)> {
        let ids = keys::<TransactionalId>(ids);
        // A request is for one id; the next is asked for when this one is answered.
        let read = |share: &[(&TransactionalId, &())], response: &InitProducerIdResponse| {
            let fenced =
                || (ProducerId(response.producer_id), ProducerEpoch(response.producer_epoch));
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

    /// Terminates the transaction of a transactional id by fencing its producer.
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
