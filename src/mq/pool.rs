//! The client's connections, told as a pool.

use std::time::Duration;

use super::admin;
use super::config::Config;
use super::error::Result;
use crate::client::Client;

/// Reports on the connections of the client, which serve producing, consuming and administration.
#[derive(Clone, Debug)]
pub struct ConnectionPool {
    client: Client,
    config: Config,
}

/// Statistics of connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// The number of open connections.
    pub total_connections: usize,
    /// The number of open connections with a request queued or in flight.
    pub active_connections: usize,
    /// The number of open connections without one.
    pub idle_connections: usize,
    /// The setting `pool.max_connections`.
    pub max_connections: usize,
    /// The number of connection attempts so far.
    pub created: u64,
    /// The number of connections closed so far, for any reason.
    pub closed: u64,
    /// The number of connection attempts that failed.
    pub errors: u64,
}

impl ConnectionPool {
    pub(super) fn new(client: Client, config: Config) -> Self {
        Self { client, config }
    }

    /// Returns the current statistics.
    pub fn stats(&self) -> PoolStats {
        let stats = self.client.stats();
        let open = u64::try_from(stats.connections).unwrap_or(u64::MAX);
        PoolStats {
            total_connections: stats.connections,
            active_connections: stats.active_connections,
            idle_connections: stats.connections.saturating_sub(stats.active_connections),
            max_connections: self.config.pool.max_connections,
            created: stats.connections_created,
            closed: stats
                .connections_created
                .saturating_sub(stats.connections_failed)
                .saturating_sub(open),
            errors: stats.connections_failed,
        }
    }

    /// Sends a small request to a broker and returns the time to its reply.
    ///
    /// # Errors
    /// As [`Mq::ping`](super::Mq::ping).
    pub async fn health_check(&self) -> Result<Duration> {
        admin::ping(&self.client, &self.config).await
    }
}
