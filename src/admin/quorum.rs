//! The controllers: who votes, and who follows (KIP-595, KIP-853).

use super::{Admin, check, non_negative};
use crate::cluster::Route;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{BrokerId, DirectoryId, LeaderEpoch, Offset, Timestamp};
use crate::wire::messages::add_raft_voter::{AddRaftVoterRequest, AddRaftVoterResponse, Listener};
use crate::wire::messages::describe_quorum::{
    DescribeQuorumRequest, DescribeQuorumResponse, ReplicaState, RequestPartitionData, RequestTopicData,
};
use crate::wire::messages::remove_raft_voter::{RemoveRaftVoterRequest, RemoveRaftVoterResponse};

/// The topic that is the log of the cluster's metadata.
const METADATA_TOPIC: &str = "__cluster_metadata";

/// The quorum of controllers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quorum {
    /// The active controller.
    pub leader: Option<BrokerId>,
    /// Counts the leaders.
    pub leader_epoch: Option<LeaderEpoch>,
    /// What a majority has.
    pub high_watermark: Option<Offset>,
    /// The controllers that vote.
    pub voters: Vec<QuorumReplica>,
    /// The brokers, and the controllers that do not vote.
    pub observers: Vec<QuorumReplica>,
    /// Where the voters listen, if the broker says so (3.9 and newer).
    pub nodes: Vec<(BrokerId, Vec<Endpoint>)>,
}

/// A node that has a copy of the metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QuorumReplica {
    /// Its number.
    pub id: BrokerId,
    /// The id of its folder, if it is known (3.9 and newer).
    pub directory_id: Option<DirectoryId>,
    /// How far its copy goes.
    pub log_end_offset: Option<Offset>,
    /// When it asked the leader last.
    pub last_fetch: Option<Timestamp>,
    /// When it had last all that the leader had.
    pub last_caught_up: Option<Timestamp>,
}

/// A controller that votes, or shall.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Voter {
    /// Its number.
    pub id: BrokerId,
    /// The id of its folder for metadata, as `kafka-storage` wrote it.
    pub directory_id: DirectoryId,
    /// Where it listens; not needed to remove it.
    pub endpoints: Vec<Endpoint>,
}

impl Voter {
    /// Names a controller with its folder.
    pub fn new(id: impl Into<BrokerId>, directory_id: DirectoryId) -> Self {
        Self { id: id.into(), directory_id, endpoints: Vec::new() }
    }

    /// Adds a place where it listens.
    #[must_use]
    pub fn endpoint(mut self, listener: impl Into<String>, host: impl Into<String>, port: u16) -> Self {
        self.endpoints.push(Endpoint { listener: listener.into(), host: host.into(), port });
        self
    }
}

/// A place where a controller listens.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Endpoint {
    /// The listener's name.
    pub listener: String,
    /// The host.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Admin {
    /// Describes the quorum of controllers.
    ///
    /// # Errors
    /// CLUSTER_AUTHORIZATION_FAILED; Unsupported before Kafka 3.3 and on ZooKeeper.
    pub async fn describe_quorum(&self) -> Result<Quorum> {
        let request = |_| DescribeQuorumRequest {
            topics: vec![RequestTopicData {
                topic_name: METADATA_TOPIC,
                partitions: vec![RequestPartitionData { partition_index: 0 }],
            }],
        };
        self.ask(Route::Any, request, quorum).await
    }

    /// Makes a controller vote.
    ///
    /// # Errors
    /// DUPLICATE_VOTER; UNSUPPORTED_VERSION if the cluster's voters are fixed (`kraft.version` 0), or before Kafka 3.9.
    pub async fn add_voter(&self, voter: Voter) -> Result<()> {
        let request = |_| AddRaftVoterRequest {
            cluster_id: None,
            timeout_ms: self.timeout_ms(),
            voter_id: voter.id.0,
            voter_directory_id: voter.directory_id.into(),
            listeners: voter
                .endpoints
                .iter()
                .map(|endpoint| Listener { name: &endpoint.listener, host: &endpoint.host, port: endpoint.port })
                .collect(),
            ..AddRaftVoterRequest::default()
        };
        let read = |response: &AddRaftVoterResponse<'_>| check(response.error_code, response.error_message);
        let outcome = self.change(Route::Controller, request, read).await;
        outcome.map_err(|error| error.with_context(format_args!("voter {}", voter.id)))
    }

    /// Makes a controller vote no more.
    ///
    /// # Errors
    /// VOTER_NOT_FOUND; UNSUPPORTED_VERSION if the cluster's voters are fixed (`kraft.version` 0), or before Kafka 3.9.
    pub async fn remove_voter(&self, voter: Voter) -> Result<()> {
        let request =
            |_| RemoveRaftVoterRequest { cluster_id: None, voter_id: voter.id.0, voter_directory_id: voter.directory_id.into() };
        let read = |response: &RemoveRaftVoterResponse<'_>| check(response.error_code, response.error_message);
        let outcome = self.change(Route::Controller, request, read).await;
        outcome.map_err(|error| error.with_context(format_args!("voter {}", voter.id)))
    }
}

fn quorum(response: &DescribeQuorumResponse<'_>) -> Result<Quorum> {
    check(response.error_code, response.error_message)?;
    let partition = response.topics.first().and_then(|topic| topic.partitions.first());
    let partition = partition.ok_or_else(|| Error::new(ErrorKind::Protocol, "the reply describes no quorum"))?;
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
