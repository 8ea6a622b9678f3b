//! Moving partitions to other brokers.

use std::collections::BTreeMap;

use super::{Admin, Outcomes, by_topic, check, indexes};
use crate::cluster::Route;
use crate::error::Result;
use crate::ids::{BrokerId, PartitionId, TopicPartition};
use crate::wire::messages::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ReassignablePartition,
    ReassignableTopic,
};
use crate::wire::messages::list_partition_reassignments::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
    ListPartitionReassignmentsTopics,
};

/// An ongoing reassignment of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reassignment {
    /// All current replicas, including those being added or removed.
    pub replicas: Vec<BrokerId>,
    /// The replicas being added.
    pub adding: Vec<BrokerId>,
    /// The replicas being removed.
    pub removing: Vec<BrokerId>,
}

impl Admin {
    /// Reassigns partitions to these brokers, the preferred leader first; `None` cancels an ongoing
    /// reassignment.
    ///
    /// Returns once the cluster has begun; [`Admin::list_reassignments`] shows the progress.
    ///
    /// # Errors
    /// For a partition:
    /// [`INVALID_REPLICA_ASSIGNMENT`](crate::ErrorCode::INVALID_REPLICA_ASSIGNMENT);
    /// [`NO_REASSIGNMENT_IN_PROGRESS`](crate::ErrorCode::NO_REASSIGNMENT_IN_PROGRESS) if there is
    /// none to cancel;
    /// [`UNKNOWN_TOPIC_OR_PARTITION`](crate::ErrorCode::UNKNOWN_TOPIC_OR_PARTITION).
    pub async fn alter_reassignments(
        &self,
        targets: impl IntoIterator<Item = (TopicPartition, Option<Vec<BrokerId>>)>,
    ) -> Outcomes<TopicPartition, ()> {
        self.reassign(targets, true).await
    }

    /// As [`Admin::alter_reassignments`], but refuses to change the replication factor (KIP-860).
    ///
    /// # Errors
    /// For a partition:
    /// [`INVALID_REPLICATION_FACTOR`](crate::ErrorCode::INVALID_REPLICATION_FACTOR);
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) before Kafka 4.1.
    pub async fn alter_reassignments_of_same_size(
        &self,
        targets: impl IntoIterator<Item = (TopicPartition, Option<Vec<BrokerId>>)>,
    ) -> Outcomes<TopicPartition, ()> {
        self.reassign(targets, false).await
    }

    async fn reassign(
        &self,
        targets: impl IntoIterator<Item = (TopicPartition, Option<Vec<BrokerId>>)>,
        allow_replication_factor_change: bool,
    ) -> Outcomes<TopicPartition, ()> {
        let targets = targets.into_iter().collect();
        let read = |_: &[_], response: &AlterPartitionReassignmentsResponse<'_>| {
            check(response.error_code, response.error_message)?;
            let begun = response.responses.iter().flat_map(|topic| {
                topic.partitions.iter().map(|partition| {
                    let key =
                        TopicPartition::new(topic.name, PartitionId(partition.partition_index));
                    (key, check(partition.error_code, partition.error_message))
                })
            });
            Ok(begun.collect())
        };
        self.change_each(
            &targets,
            |_| Route::Controller,
            |share, _| AlterPartitionReassignmentsRequest {
                timeout_ms: self.timeout_ms(),
                allow_replication_factor_change,
                topics: by_topic(share)
                    .map(|(name, partitions)| ReassignableTopic {
                        name,
                        partitions: partitions
                            .into_iter()
                            .map(|(partition, target)| ReassignablePartition {
                                partition_index: partition.0,
                                replicas: target
                                    .as_ref()
                                    .map(|brokers| brokers.iter().map(|broker| broker.0).collect()),
                            })
                            .collect(),
                    })
                    .collect(),
            },
            read,
        )
        .await
    }

    /// Lists the ongoing reassignments.
    ///
    /// # Errors
    /// - [`CLUSTER_AUTHORIZATION_FAILED`](crate::ErrorCode::CLUSTER_AUTHORIZATION_FAILED).
    /// - The last failure, of the class [`Class::Retriable`](crate::Class::Retriable), if the
    ///   controller did not answer in time.
    pub async fn list_reassignments(&self) -> Result<BTreeMap<TopicPartition, Reassignment>> {
        self.reassignments(None).await
    }

    /// Lists the ongoing reassignments of some partitions. Partitions that are not being reassigned
    /// are left out.
    ///
    /// # Errors
    /// As [`Admin::list_reassignments`].
    pub async fn list_reassignments_of(
        &self,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Result<BTreeMap<TopicPartition, Reassignment>> {
        self.reassignments(Some(partitions.into_iter().collect())).await
    }

    async fn reassignments(
        &self,
        of: Option<Vec<TopicPartition>>,
    ) -> Result<BTreeMap<TopicPartition, Reassignment>> {
        let share: Option<Vec<_>> = of
            .as_ref()
            .map(|partitions| partitions.iter().map(|partition| (partition, &())).collect());
        let request = |_| ListPartitionReassignmentsRequest {
            timeout_ms: self.timeout_ms(),
            topics: share.as_ref().map(|share| {
                by_topic(share)
                    .map(|(name, partitions)| ListPartitionReassignmentsTopics {
                        name,
                        partition_indexes: indexes(&partitions),
                    })
                    .collect()
            }),
        };
        let brokers = |ids: &[i32]| ids.iter().copied().map(BrokerId).collect();
        let read = |response: &ListPartitionReassignmentsResponse<'_>| {
            check(response.error_code, response.error_message)?;
            let moves = response.topics.iter().flat_map(|topic| {
                topic.partitions.iter().map(move |partition| {
                    let key =
                        TopicPartition::new(topic.name, PartitionId(partition.partition_index));
                    let reassignment = Reassignment {
                        replicas: brokers(&partition.replicas),
                        adding: brokers(&partition.adding_replicas),
                        removing: brokers(&partition.removing_replicas),
                    };
                    (key, reassignment)
                })
            });
            Ok(moves.collect())
        };
        self.ask(Route::Controller, request, read).await
    }
}
