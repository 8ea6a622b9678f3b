//! The settings that all handles of one client share.

use super::*;

/// The settings of a [`Client`](crate::Client): what its producers, consumers and admin handles have in common.
///
/// ```
/// use std::time::Duration;
/// use kavka::ClientConfig;
///
/// let config = ClientConfig::new("localhost:9092,[::1]:9093")
///     .client_id("billing")
///     .request_timeout(Duration::from_secs(10));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientConfig {
    /// As written; parsed by [`ClientConfig::addresses`] so that the setter cannot fail.
    pub(crate) bootstrap_servers: String,
    pub(crate) client_id: String,
    pub(crate) client_rack: Option<String>,
    pub(crate) request_timeout: Duration,
    pub(crate) default_api_timeout: Duration,
    pub(crate) retry_backoff: Duration,
    pub(crate) retry_backoff_max: Duration,
    pub(crate) reconnect_backoff: Duration,
    pub(crate) reconnect_backoff_max: Duration,
    pub(crate) socket_connection_setup_timeout: Duration,
    pub(crate) socket_connection_setup_timeout_max: Duration,
    /// `None`: an idle connection is never closed.
    pub(crate) connections_max_idle: Option<Duration>,
    pub(crate) metadata_max_age: Duration,
    pub(crate) metadata_max_idle: Duration,
    pub(crate) metadata_recovery_strategy: MetadataRecoveryStrategy,
    pub(crate) metadata_recovery_rebootstrap_trigger: Duration,
    /// `None`: the system's default.
    pub(crate) send_buffer_bytes: Option<u32>,
    /// `None`: the system's default.
    pub(crate) receive_buffer_bytes: Option<u32>,
    pub(crate) receive_message_max_bytes: usize,
    pub(crate) enable_metrics_push: bool,
}

/// What a client does when it can reach none of the brokers it knows (KIP-899, KIP-1102).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MetadataRecoveryStrategy {
    /// Keeps trying the brokers it knows.
    None,
    /// Starts again from `bootstrap.servers`.
    #[default]
    Rebootstrap,
}

impl ClientConfig {
    /// Settings for the cluster that answers at `bootstrap_servers`, a comma-separated list of `host:port`.
    ///
    /// The list is checked when the client is made.
    pub fn new(bootstrap_servers: impl Into<String>) -> Self {
        Self { bootstrap_servers: bootstrap_servers.into(), ..Self::default() }
    }
}

impl Default for ClientConfig {
    /// Kafka's defaults, with no `bootstrap.servers`.
    fn default() -> Self {
        Self {
            bootstrap_servers: String::new(),
            client_id: "kavka".to_owned(),
            client_rack: None,
            request_timeout: Duration::from_secs(30),
            default_api_timeout: Duration::from_secs(60),
            retry_backoff: Duration::from_millis(100),
            retry_backoff_max: Duration::from_millis(1000),
            reconnect_backoff: Duration::from_millis(50),
            reconnect_backoff_max: Duration::from_millis(1000),
            socket_connection_setup_timeout: Duration::from_secs(10),
            socket_connection_setup_timeout_max: Duration::from_secs(30),
            connections_max_idle: Some(Duration::from_secs(540)),
            metadata_max_age: Duration::from_secs(300),
            metadata_max_idle: Duration::from_secs(300),
            metadata_recovery_strategy: MetadataRecoveryStrategy::Rebootstrap,
            metadata_recovery_rebootstrap_trigger: Duration::from_secs(300),
            send_buffer_bytes: None,
            receive_buffer_bytes: None,
            receive_message_max_bytes: 100_000_000,
            enable_metrics_push: true,
        }
    }
}

impl ClientConfig {
    /// The parsed list of `bootstrap.servers`.
    ///
    /// # Errors
    /// Config if it is empty or an address is impossible.
    pub(crate) fn addresses(&self) -> Result<Vec<BrokerAddress>> {
        let list = BrokerAddress::parse_list(&self.bootstrap_servers)?;
        if list.is_empty() {
            return Err(Error::config("bootstrap.servers is empty: a comma-separated list of host:port is allowed"));
        }
        Ok(list)
    }
}
