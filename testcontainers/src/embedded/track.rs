//! What the brokers were asked, for assertions.

use std::time::Duration;

use kafka_protocol::messages::ApiKey;

/// How many requests are remembered.
pub(crate) const REMEMBERED: usize = 100_000;

/// A request that a broker received.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrackedRequest {
    /// Since the cluster's start.
    pub at: Duration,
    /// The broker that received it.
    pub broker: i32,
    /// Counts the connections of the whole cluster from 1.
    pub connection: u64,
    /// The client id of its header.
    pub client_id: Option<String>,
    /// The API.
    pub api: ApiKey,
    /// The version of the API.
    pub version: i16,
    /// The correlation id of its header.
    pub correlation_id: i32,
    /// The partitions that it names, where the API names some.
    pub partitions: Vec<(String, i32)>,
    /// Bytes of the frame.
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
    /// Who asked for it.
    pub client_id: String,
}
