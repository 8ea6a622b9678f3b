//! What the brokers were asked, for assertions.

use std::time::Duration;

use kafka_protocol::messages::ApiKey;

/// How many requests are remembered.
pub(crate) const REMEMBERED: usize = 100_000;

/// A request that a broker received.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrackedRequest {
    /// When, counted from the cluster's start.
    pub at: Duration,
    /// The broker that received it.
    pub broker: i32,
    /// The number of the connection, counted from 1 in the whole cluster.
    pub connection: u64,
    /// The client id of its header.
    pub client_id: Option<String>,
    /// The API.
    pub api: ApiKey,
    /// The version of the API.
    pub version: i16,
    /// The correlation id of its header.
    pub correlation_id: i32,
    /// The partitions that it names, if the API has any.
    pub partitions: Vec<(String, i32)>,
    /// The size of the frame in bytes.
    pub size: usize,
}

/// An offset that a group has committed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrackedCommit {
    /// Since the cluster's start.
    pub at: Duration,
    /// The group.
    pub group: String,
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset: the next record to read.
    pub offset: i64,
    /// The client id of the committing client.
    pub client_id: String,
    /// The connection that it came by; not known of those of a transaction.
    pub connection: Option<u64>,
}
