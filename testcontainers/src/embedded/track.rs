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
    pub broker: i32,
    /// Counts the connections of the whole cluster from 1.
    pub connection: u64,
    pub client_id: Option<String>,
    pub api: ApiKey,
    pub version: i16,
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
    pub group: String,
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    /// Who asked for it.
    pub client_id: String,
}
