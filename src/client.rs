//! The composition root: the one file that knows all layers.

use std::sync::Arc;
use std::time::Duration;

use tracing::warn;

#[cfg(feature = "admin")]
use crate::admin::Admin;
use crate::clock::{Random, WallClock};
#[cfg(feature = "unstable-wire")]
use crate::cluster::Lane;
use crate::cluster::{Cluster, ClusterView, MetadataInterest};
use crate::config::{ClientConfig, STATISTICS_INTERVAL};
use crate::consumer::{Consumer, ConsumerConfig};
use crate::error::{Error, ErrorKind, Result};
use crate::exactly_once::ExactlyOnce;
use crate::net::{Connector, TcpConnector};
use crate::producer::{Producer, ProducerConfig, TransactionalProducer};
use crate::runtime::{self, Runtime};
use crate::share::{ShareConsumer, ShareConsumerConfig};

mod statistics;

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
        let told = config.statistics().map(|(interval, callback)| (interval, callback.clone()));
        if config.statistics_interval.is_some() && told.is_none() {
            warn!(
                property = STATISTICS_INTERVAL,
                instead = "ClientConfig::statistics_callback sets who is given statistics",
                "ignored: nobody is told"
            );
        }
        let cluster = Cluster::start(config, connector, runtime, wall_clock, random)?;
        if let (Some(statistics), Some((interval, callback))) =
            (cluster.listeners().statistics(), told)
        {
            let statistics = Arc::clone(statistics);
            let run = statistics::run(cluster.for_task(), statistics, interval, callback);
            cluster.runtime().spawn(run);
        }
        Ok(Self { cluster })
    }

    /// Finds out now whether the cluster can be reached and logged in to: has a broker describe it.
    /// Handles do so by themselves when they need it; this is for a program that had better not
    /// start without its cluster.
    ///
    /// # Errors
    /// - [`ErrorKind::Authentication`], [`ErrorKind::Config`] or [`ErrorKind::Protocol`] at once, if
    ///   no attempt can succeed.
    /// - After `timeout` why the last attempt failed, mostly [`ErrorKind::Connect`]; or
    ///   [`ErrorKind::Timeout`], if none has failed yet.
    /// - [`ErrorKind::Closed`] after [`Client::close`] or the end of the tokio runtime.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn connect(&self, timeout: Duration) -> Result<()> {
        self.cluster.check_open()?;
        let seen = self.cluster.view().version;
        let _interest = self.cluster.want(MetadataInterest::default());
        self.cluster.request_refresh();
        let is_new = |view: &ClusterView| view.version > seen && !view.brokers.is_empty();
        self.cluster.wait_for_view(runtime::deadline(timeout), is_new).await.map(drop)
    }

    /// Creates a producer. It connects at once, and an idempotent producer requests its producer
    /// id.
    ///
    /// # Errors
    /// - [`ErrorKind::Config`] if a setting is invalid or contradicts another.
    /// - [`ErrorKind::Closed`] after [`Client::close`] or the end of the tokio runtime.
    pub fn producer(&self, config: ProducerConfig) -> Result<Producer> {
        self.check_keeps_records()?;
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
        self.check_keeps_records()?;
        TransactionalProducer::start(&self.cluster, config)
    }

    /// Creates a consumer. It connects once it has something to consume.
    ///
    /// # Errors
    /// - [`ErrorKind::Config`] if a setting is invalid or contradicts another.
    /// - [`ErrorKind::Closed`] after [`Client::close`] or the end of the tokio runtime.
    pub fn consumer(&self, config: ConsumerConfig) -> Result<Consumer> {
        self.check_keeps_records()?;
        Consumer::start(&self.cluster, config)
    }

    /// Creates a member of a share group (KIP-932). It connects once it has something to consume.
    ///
    /// # Errors
    /// - [`ErrorKind::Config`] if a setting is invalid or contradicts another.
    /// - [`ErrorKind::Closed`] after [`Client::close`] or the end of the tokio runtime.
    pub fn share_consumer(&self, config: ShareConsumerConfig) -> Result<ShareConsumer> {
        self.check_keeps_records()?;
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
        self.check_keeps_records()?;
        ExactlyOnce::start(&self.cluster, consumer, producer)
    }

    /// Returns a handle that administers the cluster. After [`Client::close`], each of its calls
    /// fails with [`ErrorKind::Closed`].
    #[cfg(feature = "admin")]
    pub fn admin(&self) -> Admin {
        Admin::new(self.cluster.clone())
    }

    /// Sends a request of the Kafka protocol as it is, and returns the reply as it comes.
    ///
    /// Goes out in the newest version that both this client and the broker speak, once a connection
    /// is open; fields that this version lacks must have their defaults. Error codes in the reply
    /// are not looked at, nothing is tried again, and the client learns nothing from it. Requests of
    /// this kind to one broker wait for each other, and for those of [`Client::admin`].
    ///
    /// Takes at most `default.api.timeout.ms`, of which the broker has `request.timeout.ms`. To
    /// Produce with `acks` 0 there is no reply.
    ///
    /// # Errors
    /// - [`ErrorKind::Unsupported`] if there is no version that both speak, or a field is set that
    ///   the version lacks.
    /// - [`ErrorKind::Connect`], [`ErrorKind::Disconnected`], [`ErrorKind::Timeout`], with
    ///   [`Error::written`].
    /// - Why there is no such broker or coordinator, by its [`Error::code`].
    /// - [`ErrorKind::Closed`] after [`Client::close`] or the end of the tokio runtime.
    ///
    /// # Cancel safety
    /// If the future is dropped, the request may still be sent.
    #[cfg(feature = "unstable-wire")]
    pub async fn request<R: crate::unstable::Request>(
        &self,
        target: crate::unstable::Target<'_>,
        request: &R,
    ) -> Result<crate::unstable::Reply<R>> {
        let deadline = runtime::deadline(self.cluster.config().default_api_timeout);
        self.cluster.call_raw(&target.route(), Lane::Admin, deadline, request).await
    }

    /// Whether those who are asked keep records.
    fn check_keeps_records(&self) -> Result<()> {
        self.cluster.check_open()?;
        match self.cluster.config().asks_controllers() {
            true => Err(Error::config(
                "bootstrap.controllers is set: controllers keep no records, so only an Admin can \
                 be made, or use bootstrap.servers",
            )),
            false => Ok(()),
        }
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

#[cfg(all(test, feature = "tls"))]
mod vendors;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kavka_testcontainers::embedded::{ApiKey, EmbeddedCluster};

    use super::*;
    use crate::net::InMemory;

    const SECOND: Duration = Duration::from_secs(1);

    fn client(embedded: &EmbeddedCluster, bootstrap: &str) -> Client {
        let config = ClientConfig::new(bootstrap).connector(InMemory(embedded.clone())).seed(1);
        Client::new(config.client_software("orders", "7.1-rc.2")).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn connecting_asks_each_time() {
        let embedded = EmbeddedCluster::builder().in_memory().start().await.unwrap();
        let client = client(&embedded, &embedded.bootstrap_servers());
        for _ in 0..2 {
            client.connect(5 * SECOND).await.unwrap();
        }
        assert!(embedded.requests_of(ApiKey::Metadata).len() >= 2);
        embedded.kill_broker(1);
        let error = client.connect(5 * SECOND).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect);
        client.close(SECOND).await.unwrap();
    }

    #[cfg(feature = "admin")]
    #[tokio::test]
    async fn controllers_keep_no_records() {
        let config = ClientConfig::default().bootstrap_controllers("a:1").seed(1);
        let client = Client::new(config).unwrap();
        let error = client.producer(ProducerConfig::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        let error = client.consumer(ConsumerConfig::new()).unwrap_err();
        assert!(error.to_string().contains("bootstrap.controllers"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn why_nothing_can_be_reached_is_told() {
        let embedded = EmbeddedCluster::builder().in_memory().start().await.unwrap();
        let error = client(&embedded, "nowhere:1").connect(3 * SECOND).await.unwrap_err();
        let text = format!("{error}: {:?}", std::error::Error::source(&error));
        assert!(text.contains("nowhere:1"), "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn no_request_goes_out_above_its_cap() {
        let embedded =
            EmbeddedCluster::builder().in_memory().topic("t", 1, 1).start().await.unwrap();
        let config = ClientConfig::new(embedded.bootstrap_servers()).seed(1);
        let config = config.connector(InMemory(embedded.clone()));
        let capped = |api: &str, version| Client::new(config.clone().max_api_version(api, version));
        for (name, api, version) in [
            ("ApiVersions", ApiKey::ApiVersions, 2),
            ("3", ApiKey::Metadata, 5),
            ("Produce", ApiKey::Produce, 8),
        ] {
            embedded.clear_requests();
            let producer = capped(name, version).unwrap().producer(ProducerConfig::new()).unwrap();
            let record = crate::record::Record::to("t").value("x");
            producer.send(record).await.unwrap().await.unwrap();
            let seen = embedded.requests_of(api);
            assert!(!seen.is_empty() && seen.iter().all(|one| one.version <= version), "{seen:?}");
        }
        let error = capped("Metadata", -1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        embedded.set_versions(1, ApiKey::Metadata, 7, 12);
        let error = capped("Metadata", 6).unwrap().connect(SECOND).await.unwrap_err();
        let text = format!("{error}: {:?}", std::error::Error::source(&error));
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{text}");
        assert!(text.contains("has Metadata from v7: raise max_api_version from 6"), "{text}");
    }

    #[test]
    fn a_name_that_brokers_would_refuse_is_refused() {
        for (name, version) in [("", "1"), ("a b", "1"), ("-a", "1"), ("a", "1."), ("a", "1\n")] {
            let config = ClientConfig::new("a:1").client_software(name, version);
            let error = config.validate().unwrap_err().to_string();
            assert!(error.contains("allowed"), "{error}");
        }
        ClientConfig::new("a:1").client_software("a", "1.0-b.2").validate().unwrap();
    }
}
