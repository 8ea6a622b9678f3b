//! The composition root: the one file that knows all layers.

use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "admin")]
use crate::admin::Admin;
use crate::clock::{Random, WallClock};
use crate::cluster::Cluster;
use crate::config::ClientConfig;
use crate::consumer::{Consumer, ConsumerConfig};
use crate::error::{Error, ErrorKind, Result};
use crate::net::{Connector, TcpConnector};
use crate::producer::{Producer, ProducerConfig};
use crate::runtime::{self, Runtime};

/// A client of one Kafka cluster: makes producers, consumers and admin handles, which share its connections and what it knows
/// of the cluster. Cheap to clone.
///
/// Nothing is connected before a handle needs it. The client lives until it and all handles made from it are dropped, or
/// until [`Client::close`].
#[derive(Clone, Debug)]
pub struct Client {
    cluster: Cluster,
}

/// A snapshot of what a client is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientStats {
    /// Connections that are open now.
    pub connections: usize,
    /// Open connections with a request waiting or in flight.
    pub active_connections: usize,
    /// Connections that were ever begun.
    pub connections_created: u64,
    /// Connections that could not be opened.
    pub connections_failed: u64,
    /// Brokers that the cluster is known to have.
    pub brokers: usize,
    /// Topics that are known.
    pub topics: usize,
}

impl Client {
    /// Makes a client; nothing is connected yet.
    ///
    /// # Errors
    /// Config if a setting is impossible or contradicts another, or outside a tokio runtime with timers and sockets.
    pub fn new(config: ClientConfig) -> Result<Self> {
        config.validate()?;
        let runtime = Runtime::current(config.seed.is_some())?;
        runtime::check_drivers(config.connector.is_none())?;
        let random = Random::new(match config.seed {
            Some(seed) => seed,
            None => getrandom::u64()
                .map_err(|error| Error::new(ErrorKind::Config, format!("the operating system gives no randomness: {error}")))?,
        });
        let connector = config.connector.clone().unwrap_or_else(|| {
            Arc::new(TcpConnector { send_buffer: config.send_buffer_bytes, receive_buffer: config.receive_buffer_bytes })
                as Arc<dyn Connector>
        });
        let wall_clock = config.wall_clock.clone().unwrap_or_else(WallClock::system);
        Ok(Self { cluster: Cluster::start(config, connector, runtime, wall_clock, random)? })
    }

    /// Starts a producer; it connects, and an idempotent one asks for its id at once.
    ///
    /// # Errors
    /// Config if a setting is impossible or contradicts another; Closed after [`Client::close`] or the end of the tokio runtime.
    pub fn producer(&self, config: ProducerConfig) -> Result<Producer> {
        self.cluster.check_open()?;
        Producer::start(&self.cluster, config)
    }

    /// Starts a consumer; it connects when it has something to consume.
    ///
    /// # Errors
    /// Config if a setting is impossible or contradicts another; Closed after [`Client::close`] or the end of the tokio runtime.
    pub fn consumer(&self, config: ConsumerConfig) -> Result<Consumer> {
        self.cluster.check_open()?;
        Consumer::start(&self.cluster, config)
    }

    /// A handle that administers the cluster. After [`Client::close`] each of its calls answers Closed.
    #[cfg(feature = "admin")]
    pub fn admin(&self) -> Admin {
        Admin::new(self.cluster.clone())
    }

    /// What its handles share.
    #[cfg(test)]
    pub(crate) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// What the client calls itself (`client.id`).
    pub fn client_id(&self) -> &str {
        &self.cluster.config().client_id
    }

    /// What the client is doing now.
    pub fn stats(&self) -> ClientStats {
        let counts = self.cluster.pool_counts();
        let view = self.cluster.view();
        ClientStats {
            connections: counts.open,
            active_connections: counts.active,
            connections_created: counts.created,
            connections_failed: counts.failed,
            brokers: view.brokers.len(),
            topics: view.topics().count(),
        }
    }

    /// Ends every task and connection of this client and of all handles made from it, and waits until they have ended.
    ///
    /// Handles are not flushed: close them first.
    ///
    /// # Errors
    /// Timeout if something has not ended in time; it ends all the same.
    ///
    /// # Cancel safety
    /// If the future is dropped, everything still ends.
    pub async fn close(self, timeout: Duration) -> Result<()> {
        let runtime = self.cluster.runtime();
        runtime.cancel();
        tokio::time::timeout(timeout, runtime.join())
            .await
            .map_err(|_| Error::new(ErrorKind::Timeout, format!("a task of the client did not end within {timeout:?}")))
    }
}
