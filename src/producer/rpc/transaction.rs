//! The requests of transactions between the wire's words and ours. Each is one attempt: what may be
//! tried again, and when, its caller decides.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{init_producer_id_code, read_identity};
use crate::cluster::{Cluster, CoordinatorKey, Lane, Route};
use crate::error::{ErrorCode, Result};
use crate::group_metadata::{ConsumerGroupMetadata, OffsetAndMetadata};
use crate::ids::{TopicPartition, TransactionalId};
use crate::producer::sender::sequence::ProducerIdAndEpoch;
use crate::producer::transaction::{TransactionEnd, TransactionProtocol};
use crate::runtime;
use crate::wire::call::{Reply, Request};
use crate::wire::messages::add_offsets_to_txn::AddOffsetsToTxnRequest;
use crate::wire::messages::add_partitions_to_txn::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, AddPartitionsToTxnTopic,
};
use crate::wire::messages::end_txn::EndTxnRequest;
use crate::wire::messages::init_producer_id::InitProducerIdRequest;
use crate::wire::messages::txn_offset_commit::{
    TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
    TxnOffsetCommitResponse,
};

/// Offsets that are committed with a transaction, and who commits them.
#[derive(Clone, Debug)]
pub(in crate::producer) struct TransactionOffsets {
    pub(in crate::producer) offsets: BTreeMap<TopicPartition, OffsetAndMetadata>,
    pub(in crate::producer) group: ConsumerGroupMetadata,
}

/// Who speaks of transactions, to whom.
#[derive(Clone, Debug)]
pub(in crate::producer) struct TransactionRpc {
    pub(in crate::producer) cluster: Cluster,
    pub(in crate::producer) id: TransactionalId,
}

impl TransactionRpc {
    /// Takes the transactional id over, or raises the epoch of an identity (KIP-360); either aborts
    /// what is open.
    pub(in crate::producer) async fn init_producer_id(
        &self,
        timeout: Duration,
        identity: Option<ProducerIdAndEpoch>,
    ) -> Result<ProducerIdAndEpoch> {
        let request = |version| {
            // Before version 3 a coordinator raises the epoch without being told which one.
            let identity = identity.filter(|_| version >= 3);
            InitProducerIdRequest {
                transactional_id: Some(&self.id),
                transaction_timeout_ms: crate::wire::millis(timeout),
                producer_id: identity.map_or(-1, |identity| identity.id.0),
                producer_epoch: identity.map_or(-1, |identity| identity.epoch.0),
            }
        };
        let reply = self.ask(i16::MAX, &self.coordinator(), request, init_producer_id_code).await?;
        read_identity(&reply.parse()?)
    }

    /// Adds partitions to the transaction: all of them, or none.
    pub(in crate::producer) async fn add_partitions(
        &self,
        identity: ProducerIdAndEpoch,
        partitions: &[TopicPartition],
    ) -> Result<()> {
        let topics = TopicPartition::by_topic(partitions.iter().map(|partition| (partition, ())));
        let request = |_version| AddPartitionsToTxnRequest {
            v3_and_below_transactional_id: &self.id,
            v3_and_below_producer_id: identity.id.0,
            v3_and_below_producer_epoch: identity.epoch.0,
            v3_and_below_topics: topics
                .iter()
                .map(|(name, partitions)| AddPartitionsToTxnTopic {
                    name,
                    partitions: partitions.iter().map(|(partition, ())| partition.0).collect(),
                })
                .collect(),
            ..AddPartitionsToTxnRequest::default()
        };
        self.ask(LAST_ADD_OF_CLIENTS, &self.coordinator(), request, add_partitions_code)
            .await
            .map(drop)
    }

    /// Has offsets committed with the transaction. Under the old protocol their group is added
    /// first.
    pub(in crate::producer) async fn add_offsets(
        &self,
        identity: ProducerIdAndEpoch,
        protocol: TransactionProtocol,
        offsets: &TransactionOffsets,
    ) -> Result<()> {
        let group = &offsets.group;
        if protocol == TransactionProtocol::V1 {
            let request = |_version| AddOffsetsToTxnRequest {
                transactional_id: &self.id,
                producer_id: identity.id.0,
                producer_epoch: identity.epoch.0,
                group_id: &group.group_id,
            };
            self.ask(i16::MAX, &self.coordinator(), request, |reply| {
                ErrorCode::check(reply.error_code).err()
            })
            .await?;
        }
        let request = |version| TxnOffsetCommitRequest {
            transactional_id: &self.id,
            group_id: &group.group_id,
            producer_id: identity.id.0,
            producer_epoch: identity.epoch.0,
            generation_id_or_member_epoch: group
                .generation
                .filter(|_| version >= BY_MEMBER)
                .map_or(-1, |generation| generation.0),
            member_id: if version >= BY_MEMBER { &group.member_id } else { "" },
            group_instance_id: group.group_instance_id.as_deref().filter(|_| version >= BY_MEMBER),
            topics: topics(&offsets.offsets, version),
        };
        let newest = match protocol {
            TransactionProtocol::V1 => LAST_OFFSETS_OF_V1,
            TransactionProtocol::V2 => LAST_OFFSETS_BY_NAME,
        };
        let route = Route::Coordinator(CoordinatorKey::group(&group.group_id));
        self.ask(newest, &route, request, offsets_code).await.map(drop)
    }

    /// Ends the transaction; gives the identity of the next one under the new protocol.
    pub(in crate::producer) async fn end(
        &self,
        identity: ProducerIdAndEpoch,
        protocol: TransactionProtocol,
        end: TransactionEnd,
    ) -> Result<Option<ProducerIdAndEpoch>> {
        let request = |_version| EndTxnRequest {
            transactional_id: &self.id,
            producer_id: identity.id.0,
            producer_epoch: identity.epoch.0,
            committed: end == TransactionEnd::Commit,
        };
        let newest = match protocol {
            TransactionProtocol::V1 => LAST_END_OF_V1,
            TransactionProtocol::V2 => i16::MAX,
        };
        let reply = self
            .ask(newest, &self.coordinator(), request, |reply| {
                ErrorCode::check(reply.error_code).err()
            })
            .await?;
        if protocol == TransactionProtocol::V1 {
            return Ok(None);
        }
        let response = reply.parse()?;
        super::identity_of(response.producer_id, response.producer_epoch, "EndTxn").map(Some)
    }

    fn coordinator(&self) -> Route {
        Route::Coordinator(CoordinatorKey::Transaction(Arc::from(self.id.as_str())))
    }

    /// One attempt, in a version of at most `newest`.
    async fn ask<R: Request>(
        &self,
        newest: i16,
        route: &Route,
        request: impl Fn(i16) -> R,
        code: impl for<'a> Fn(&R::Response<'a>) -> Option<ErrorCode>,
    ) -> Result<Reply<R>> {
        let deadline = runtime::now() + self.cluster.config().request_timeout;
        self.cluster.call_once(newest, route, Lane::Control, deadline, request, code).await
    }
}

/// Why the partitions were not added. What is final comes before what may pass; a partition that
/// was left out as another one failed says nothing.
fn add_partitions_code(reply: &AddPartitionsToTxnResponse<'_>) -> Option<ErrorCode> {
    let partitions =
        reply.results_by_topic_v3_and_below.iter().flat_map(|topic| &topic.results_by_partition);
    most_final(partitions.map(|partition| partition.partition_error_code))
}

fn offsets_code(reply: &TxnOffsetCommitResponse<'_>) -> Option<ErrorCode> {
    let partitions = reply.topics.iter().flat_map(|topic| &topic.partitions);
    most_final(partitions.map(|partition| partition.error_code))
}

fn most_final(codes: impl Iterator<Item = i16>) -> Option<ErrorCode> {
    let failed: Vec<_> = codes.filter_map(|code| ErrorCode::check(code).err()).collect();
    let is_cause = |code: &&ErrorCode| **code != ErrorCode::OPERATION_NOT_ATTEMPTED;
    failed
        .iter()
        .filter(is_cause)
        .find(|code| !code.is_retriable())
        .or_else(|| failed.iter().find(is_cause))
        .or_else(|| failed.first())
        .copied()
}

fn topics(
    offsets: &BTreeMap<TopicPartition, OffsetAndMetadata>,
    version: i16,
) -> Vec<TxnOffsetCommitRequestTopic<'_>> {
    TopicPartition::by_topic(offsets)
        .into_iter()
        .map(|(name, partitions)| TxnOffsetCommitRequestTopic {
            name,
            partitions: partitions
                .into_iter()
                .map(|(partition, offset)| TxnOffsetCommitRequestPartition {
                    partition_index: partition.0,
                    committed_offset: offset.offset.0,
                    committed_leader_epoch: offset
                        .leader_epoch
                        .filter(|_| version >= BY_LEADER_EPOCH)
                        .map_or(-1, |epoch| epoch.0),
                    committed_metadata: Some(&offset.metadata),
                })
                .collect(),
            ..TxnOffsetCommitRequestTopic::default()
        })
        .collect()
}

/// From version 4 on AddPartitionsToTxn is what brokers ask for many transactions.
const LAST_ADD_OF_CLIENTS: i16 = 3;

/// Version 5 adds the offsets to the transaction by itself (KIP-890).
const LAST_OFFSETS_OF_V1: i16 = 4;

/// Version 6 names topics by their ids (KIP-1319).
const LAST_OFFSETS_BY_NAME: i16 = 5;

/// Version 5 raises the epoch (KIP-890).
const LAST_END_OF_V1: i16 = 4;

/// The first version of TxnOffsetCommit that says which member commits (KIP-447).
const BY_MEMBER: i16 = 3;

/// The first version of TxnOffsetCommit with leader epochs (KIP-320).
const BY_LEADER_EPOCH: i16 = 2;
