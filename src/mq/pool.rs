//! The client's connections, told as a pool.

use std::time::Duration;

use super::admin;
use super::config::Config;
use super::error::Result;
use crate::client::Client;

/// Tells of the connections: they are those that producing, consuming and administering use, and there are no others.
#[derive(Clone, Debug)]
pub struct ConnectionPool {
    client: Client,
    config: Config,
}

/// How many connections there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// Open.
    pub total_connections: usize,
    /// Open, with a request waiting or on its way.
    pub active_connections: usize,
    /// Open, without one.
    pub idle_connections: usize,
    /// `pool.max_connections`.
    pub max_connections: usize,
    /// Ever begun.
    pub created: u64,
    /// Closed again, for whatever reason.
    pub closed: u64,
    /// That could not be opened.
    pub errors: u64,
}

impl ConnectionPool {
    pub(super) fn new(client: Client, config: Config) -> Self {
        Self { client, config }
    }

    /// How many connections there are now.
    pub fn stats(&self) -> PoolStats {
        let stats = self.client.stats();
        let open = u64::try_from(stats.connections).unwrap_or(u64::MAX);
        PoolStats {
            total_connections: stats.connections,
            active_connections: stats.active_connections,
            idle_connections: stats.connections.saturating_sub(stats.active_connections),
            max_connections: self.config.pool.max_connections,
            created: stats.connections_created,
            closed: stats.connections_created.saturating_sub(stats.connections_failed).saturating_sub(open),
            errors: stats.connections_failed,
        }
    }

    /// Asks a broker something small, and tells how long its answer took.
    ///
    /// # Errors
    /// As [`Mq::ping`](super::Mq::ping).
    pub async fn health_check(&self) -> Result<Duration> {
        admin::ping(&self.client, &self.config).await
    }
}
