//! The controllers: who votes, and who follows (KIP-595, KIP-853).

use super::{Admin, check, non_negative};
use crate::cluster::Route;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{BrokerId, DirectoryId, LeaderEpoch, Offset, Timestamp};
use crate::wire::messages::add_raft_voter::{AddRaftVoterRequest, AddRaftVoterResponse, Listener};
use crate::wire::messages::describe_quorum::{
    DescribeQuorumRequest, DescribeQuorumResponse, ReplicaState, RequestPartitionData,
    RequestTopicData,
};
use crate::wire::messages::remove_raft_voter::{RemoveRaftVoterRequest, RemoveRaftVoterResponse};

/// The topic that is the log of the cluster's metadata.
const METADATA_TOPIC: &str = "__cluster_metadata";

/// The KRaft controller quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quorum {
    /// The active controller.
    pub leader: Option<BrokerId>,
    /// The epoch of the leader.
    pub leader_epoch: Option<LeaderEpoch>,
    /// The offset up to which a majority has the metadata.
    pub high_watermark: Option<Offset>,
    /// The voting controllers.
    pub voters: Vec<QuorumReplica>,
    /// The observers: brokers and non-voting controllers.
    pub observers: Vec<QuorumReplica>,
    /// The endpoints of the voters, if the broker tells (3.9 and newer).
    pub nodes: Vec<(BrokerId, Vec<Endpoint>)>,
}

/// A replica of the metadata log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QuorumReplica {
    /// The node's id.
    pub id: BrokerId,
    /// The id of the node's metadata directory, if known (3.9 and newer).
    pub directory_id: Option<DirectoryId>,
    /// The end offset of the node's log.
    pub log_end_offset: Option<Offset>,
    /// The time of the node's last fetch from the leader.
    pub last_fetch: Option<Timestamp>,
    /// The time at which the node was last fully caught up with the leader.
    pub last_caught_up: Option<Timestamp>,
}

/// A voter of the controller quorum.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Voter {
    /// The controller's id.
    pub id: BrokerId,
    /// The id of the controller's metadata directory, as written by `kafka-storage`.
    pub directory_id: DirectoryId,
    /// The controller's endpoints; not needed to remove it.
    pub endpoints: Vec<Endpoint>,
    /// The id of the cluster that it is meant for; `None` is any.
    pub cluster_id: Option<String>,
}

impl Voter {
    /// Creates the identifier of a voter from the controller's id and directory.
    pub fn new(id: impl Into<BrokerId>, directory_id: DirectoryId) -> Self {
        Self { id: id.into(), directory_id, endpoints: Vec::new(), cluster_id: None }
    }

    /// Has the change made in the cluster with this id only.
    #[must_use]
    pub fn cluster_id(mut self, id: impl Into<String>) -> Self {
        self.cluster_id = Some(id.into());
        self
    }

    /// Adds an endpoint of the controller.
    #[must_use]
    pub fn endpoint(
        mut self,
        listener: impl Into<String>,
        host: impl Into<String>,
        port: u16,
    ) -> Self {
        self.endpoints.push(Endpoint { listener: listener.into(), host: host.into(), port });
        self
    }
}

/// An endpoint of a controller.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Endpoint {
    /// The name of the listener.
    pub listener: String,
    /// The host.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Admin {
    /// Describes the controller quorum.
    ///
    /// # Errors
    /// - [`CLUSTER_AUTHORIZATION_FAILED`](crate::ErrorCode::CLUSTER_AUTHORIZATION_FAILED).
    /// - [`ErrorKind::Unsupported`] before Kafka 3.3 and on ZooKeeper.
    pub async fn describe_quorum(&self) -> Result<Quorum> {
        let request = |_| DescribeQuorumRequest {
            topics: vec![RequestTopicData {
                topic_name: METADATA_TOPIC,
                partitions: vec![RequestPartitionData { partition_index: 0 }],
            }],
        };
        self.ask(Route::Any, request, quorum).await
    }

    /// Adds a controller to the voters.
    ///
    /// # Errors
    /// [`DUPLICATE_VOTER`](crate::ErrorCode::DUPLICATE_VOTER);
    /// [`INCONSISTENT_CLUSTER_ID`](crate::ErrorCode::INCONSISTENT_CLUSTER_ID) in another cluster;
    /// [`UNSUPPORTED_VERSION`](crate::ErrorCode::UNSUPPORTED_VERSION) if the cluster has static
    /// voters (`kraft.version` 0), or before Kafka 3.9.
    pub async fn add_voter(&self, voter: Voter) -> Result<()> {
        let request = |_| AddRaftVoterRequest {
            cluster_id: voter.cluster_id.as_deref(),
            timeout_ms: self.timeout_ms(),
            voter_id: voter.id.0,
            voter_directory_id: voter.directory_id.into(),
            listeners: voter
                .endpoints
                .iter()
                .map(|endpoint| Listener {
                    name: &endpoint.listener,
                    host: &endpoint.host,
                    port: endpoint.port,
                })
                .collect(),
            ..AddRaftVoterRequest::default()
        };
        let read = |response: &AddRaftVoterResponse<'_>| {
            check(response.error_code, response.error_message)
        };
        let outcome = self.change(Route::Controller, request, read).await;
        outcome.map_err(|error| error.with_context(format_args!("voter {}", voter.id)))
    }

    /// Removes a controller from the voters.
    ///
    /// # Errors
    /// [`VOTER_NOT_FOUND`](crate::ErrorCode::VOTER_NOT_FOUND);
    /// [`INCONSISTENT_CLUSTER_ID`](crate::ErrorCode::INCONSISTENT_CLUSTER_ID) in another cluster;
    /// [`UNSUPPORTED_VERSION`](crate::ErrorCode::UNSUPPORTED_VERSION) if the cluster has static
    /// voters (`kraft.version` 0), or before Kafka 3.9.
    pub async fn remove_voter(&self, voter: Voter) -> Result<()> {
        let request = |_| RemoveRaftVoterRequest {
            cluster_id: voter.cluster_id.as_deref(),
            voter_id: voter.id.0,
            voter_directory_id: voter.directory_id.into(),
        };
        let read = |response: &RemoveRaftVoterResponse<'_>| {
            check(response.error_code, response.error_message)
        };
        let outcome = self.change(Route::Controller, request, read).await;
        outcome.map_err(|error| error.with_context(format_args!("voter {}", voter.id)))
    }
}

fn quorum(response: &DescribeQuorumResponse<'_>) -> Result<Quorum> {
    check(response.error_code, response.error_message)?;
    let partition = response.topics.first().and_then(|topic| topic.partitions.first());
    let partition = partition
        .ok_or_else(|| Error::new(ErrorKind::Protocol, "the reply describes no quorum"))?;
    check(partition.error_code, partition.error_message)?;
    let nodes = response.nodes.iter().map(|node| {
        let endpoints = node.listeners.iter().map(|listener| Endpoint {
            listener: listener.name.to_owned(),
            host: listener.host.to_owned(),
            port: listener.port,
        });
        (BrokerId(node.node_id), endpoints.collect())
    });
    Ok(Quorum {
        leader: non_negative(partition.leader_id),
        leader_epoch: non_negative(partition.leader_epoch),
        high_watermark: non_negative(partition.high_watermark),
        voters: partition.current_voters.iter().map(replica).collect(),
        observers: partition.observers.iter().map(replica).collect(),
        nodes: nodes.collect(),
    })
}

fn replica(replica: &ReplicaState) -> QuorumReplica {
    QuorumReplica {
        id: BrokerId(replica.replica_id),
        directory_id: replica.replica_directory_id.known(),
        log_end_offset: non_negative(replica.log_end_offset),
        last_fetch: non_negative(replica.last_fetch_timestamp),
        last_caught_up: non_negative(replica.last_caught_up_timestamp),
    }
}
