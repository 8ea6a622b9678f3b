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
use crate::exactly_once::ExactlyOnce;
use crate::net::{Connector, TcpConnector};
use crate::producer::{Producer, ProducerConfig, TransactionalProducer};
use crate::runtime::{self, Runtime};
use crate::share::{ShareConsumer, ShareConsumerConfig};

/// A client of one Kafka cluster: creates producers, consumers and admin handles that share its
/// connections and cluster metadata. Cheap to clone.
///
/// No connection is opened until a handle needs one. The client lives until it and every handle
/// created from it are dropped, or until [`Client::close`].
#[derive(Clone, Debug)]
pub struct Client {
    cluster: Cluster,
}

/// A snapshot of a client's connections and cluster metadata.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientStats {
    /// The number of open connections.
    pub connections: usize,
    /// The number of open connections with a request queued or in flight.
    pub active_connections: usize,
    /// The number of connection attempts since the client was created.
    pub connections_created: u64,
    /// The number of connection attempts that failed.
    pub connections_failed: u64,
    /// The number of brokers in the cluster metadata.
    pub brokers: usize,
    /// The number of topics in the cluster metadata.
    pub topics: usize,
}

impl Client {
    /// Creates a client. No connection is opened yet.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if a setting is invalid or contradicts another, or if called outside a
    /// tokio runtime with time and I/O enabled.
    pub fn new(config: ClientConfig) -> Result<Self> {
        config.validate()?;
        let runtime = Runtime::current(config.seed.is_some())?;
        runtime::check_drivers(config.connector.is_none())?;
        let random = Random::new(match config.seed {
            Some(seed) => seed,
            None => getrandom::u64().map_err(|error| {
                Error::new(
                    ErrorKind::Config,
                    format!("the operating system gives no randomness: {error}"),
                )
            })?,
        });
        let connector = config.connector.clone().unwrap_or_else(|| {
            Arc::new(TcpConnector {
                send_buffer: config.send_buffer_bytes,
                receive_buffer: config.receive_buffer_bytes,
                family: config.broker_address_family,
            }) as Arc<dyn Connector>
        });
        let wall_clock = config.wall_clock.clone().unwrap_or_else(WallClock::system);
        Ok(Self { cluster: Cluster::start(config, connector, runtime, wall_clock, random)? })
    }

    /// Creates a producer. It connects at once, and an idempotent producer requests its producer
    /// id.
    ///
    /// # Errors
    /// - [`ErrorKind::Config`] if a setting is invalid or contradicts another.
    /// - [`ErrorKind::Closed`] after [`Client::close`] or the end of the tokio runtime.
    pub fn producer(&self, config: ProducerConfig) -> Result<Producer> {
        self.cluster.check_open()?;
        if config.transactional_id.is_some() {
            return Err(Error::config(
                "transactional.id is set: Client::transactional_producer makes such a producer",
            ));
        }
        Producer::start(&self.cluster, config)
    }

    /// Creates a transactional producer, for which [`ProducerConfig::transactional_id`] must be set.
    /// It does nothing before its first transaction, or [`TransactionalProducer::init`].
    ///
    /// # Errors
    /// - [`ErrorKind::Config`] if a setting is invalid or contradicts another.
    /// - [`ErrorKind::Closed`] after [`Client::close`] or the end of the tokio runtime.
    pub fn transactional_producer(&self, config: ProducerConfig) -> Result<TransactionalProducer> {
        self.cluster.check_open()?;
        TransactionalProducer::start(&self.cluster, config)
    }

    /// Creates a consumer. It connects once it has something to consume.
    ///
    /// # Errors
    /// - [`ErrorKind::Config`] if a setting is invalid or contradicts another.
    /// - [`ErrorKind::Closed`] after [`Client::close`] or the end of the tokio runtime.
    pub fn consumer(&self, config: ConsumerConfig) -> Result<Consumer> {
        self.cluster.check_open()?;
        Consumer::start(&self.cluster, config)
    }

    /// Creates a member of a share group (KIP-932). It connects once it has something to consume.
    ///
    /// # Errors
    /// - [`ErrorKind::Config`] if a setting is invalid or contradicts another.
    /// - [`ErrorKind::Closed`] after [`Client::close`] or the end of the tokio runtime.
    pub fn share_consumer(&self, config: ShareConsumerConfig) -> Result<ShareConsumer> {
        self.cluster.check_open()?;
        ShareConsumer::start(&self.cluster, config)
    }

    /// Creates a session that consumes, transforms and produces exactly once.
    ///
    /// The consumer needs a `group.id`, and the producer a `transactional.id`. Offsets are committed
    /// by the session (`enable.auto.commit=false`), and only committed records are read
    /// (`isolation.level=read_committed`), whatever the configuration says.
    ///
    /// # Errors
    /// - [`ErrorKind::Config`] if a setting is invalid or contradicts another.
    /// - [`ErrorKind::Closed`] after [`Client::close`] or the end of the tokio runtime.
    pub fn exactly_once(
        &self,
        consumer: ConsumerConfig,
        producer: ProducerConfig,
    ) -> Result<ExactlyOnce> {
        self.cluster.check_open()?;
        ExactlyOnce::start(&self.cluster, consumer, producer)
    }

    /// Returns a handle that administers the cluster. After [`Client::close`], each of its calls
    /// fails with [`ErrorKind::Closed`].
    #[cfg(feature = "admin")]
    pub fn admin(&self) -> Admin {
        Admin::new(self.cluster.clone())
    }

    /// What its handles share.
    #[cfg(any(test, feature = "mq"))]
    pub(crate) fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Returns the client id that requests carry (`client.id`).
    pub fn client_id(&self) -> &str {
        &self.cluster.config().client_id
    }

    /// Returns a snapshot of connection and metadata counters.
    pub fn stats(&self) -> ClientStats {
        let counts = self.cluster.pool_counts();
        let view = self.cluster.view();
        ClientStats {
            connections: counts.open,
            active_connections: counts.active,
            connections_created: counts.ever.attempted,
            connections_failed: counts.ever.failed,
            brokers: view.brokers.len(),
            topics: view.topics().count(),
        }
    }

    /// Stops every task and closes every connection of this client and of all handles created from
    /// it, and waits until they have ended.
    ///
    /// Does not flush the handles: close them first.
    ///
    /// # Errors
    /// [`ErrorKind::Timeout`] if something has not ended within `timeout`; it is stopped all the
    /// same.
    ///
    /// # Cancel safety
    /// If the future is dropped, everything is still stopped.
    pub async fn close(self, timeout: Duration) -> Result<()> {
        let runtime = self.cluster.runtime();
        runtime.cancel();
        tokio::time::timeout(timeout, runtime.join()).await.map_err(|_| {
            Error::new(
                ErrorKind::Timeout,
                format!("a task of the client did not end within {timeout:?}"),
            )
        })
    }
}
