//! The settings that all handles of one client share.

use std::sync::Arc;

use super::*;
use crate::clock::WallClock;
use crate::hooks::{HookCaller, Hooks};
use crate::net::Connector;

mod statistics;

pub(crate) use statistics::{STATISTICS_INTERVAL, StatisticsCallback};

/// The settings of a [`Client`](crate::Client), shared by its producers, consumers and admin
/// handles.
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
    pub(crate) bootstrap_servers: BootstrapAddresses,
    pub(crate) bootstrap_controllers: BootstrapAddresses,
    pub(crate) client_id: String,
    pub(crate) client_software: (String, String),
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
    pub(crate) connections_max_lifetime: Option<Duration>,
    pub(crate) connections_min_idle: usize,
    pub(crate) metadata_max_age: Duration,
    pub(crate) metadata_max_idle: Duration,
    pub(crate) metadata_recovery_strategy: MetadataRecoveryStrategy,
    pub(crate) metadata_recovery_rebootstrap_trigger: Duration,
    /// `None`: the system's default.
    pub(crate) send_buffer_bytes: Option<u32>,
    /// `None`: the system's default.
    pub(crate) receive_buffer_bytes: Option<u32>,
    pub(crate) broker_address_family: AddressFamily,
    pub(crate) receive_message_max_bytes: usize,
    pub(crate) enable_metrics_push: bool,
    pub(crate) security: SecurityConfig,
    /// `None`: TCP.
    pub(crate) connector: Option<Arc<dyn Connector>>,
    /// By names or keys of APIs.
    pub(crate) max_api_versions: Vec<(String, i16)>,
    /// `None`: there is none.
    pub(crate) statistics_interval: Option<Duration>,
    pub(crate) statistics_callback: Option<StatisticsCallback>,
    /// `None`: nobody is told.
    pub(crate) hooks: Option<Arc<HookCaller>>,
    /// `None`: from the operating system.
    pub(crate) seed: Option<u64>,
    /// `None`: the system's.
    pub(crate) wall_clock: Option<WallClock>,
    pub(crate) words: Words,
}

/// What a client does when it cannot reach any of the brokers it knows (KIP-899, KIP-1102).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MetadataRecoveryStrategy {
    /// Keeps trying the known brokers.
    None,
    /// Starts over from `bootstrap.servers`.
    #[default]
    Rebootstrap,
}

impl ClientConfig {
    /// Creates a configuration for the cluster at `bootstrap_servers`, a comma-separated list of
    /// `host:port`.
    ///
    /// The list is validated when the client is created.
    pub fn new(bootstrap_servers: impl Into<String>) -> Self {
        Self::default().bootstrap_servers(bootstrap_servers)
    }

    /// Reads a configuration from Java's properties. Properties of producers and consumers are
    /// ignored.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if Kafka has no such property or a value is
    /// not allowed; the message names both.
    pub fn from_properties(properties: &Properties) -> Result<Self> {
        let settings = Settings::of(properties, HandleKind::Client)?;
        let mut config = Self { words: settings.words(), ..Self::default() };
        settings.set("bootstrap.servers", &mut config.bootstrap_servers.0)?;
        settings.set("bootstrap.controllers", &mut config.bootstrap_controllers.0)?;
        settings.set("client.id", &mut config.client_id)?;
        config.client_rack = settings.read("client.rack")?.filter(|rack: &String| !rack.is_empty());
        settings.set("request.timeout.ms", &mut config.request_timeout)?;
        settings.set("default.api.timeout.ms", &mut config.default_api_timeout)?;
        // The first before the longest, so that only an explicit longest can be too short.
        if let Some(first) = settings.read("retry.backoff.ms")? {
            config = config.retry_backoff(first);
        }
        settings.set("retry.backoff.max.ms", &mut config.retry_backoff_max)?;
        if let Some(first) = settings.read("reconnect.backoff.ms")? {
            config = config.reconnect_backoff(first);
        }
        settings.set("reconnect.backoff.max.ms", &mut config.reconnect_backoff_max)?;
        if let Some(first) = settings.read("socket.connection.setup.timeout.ms")? {
            config = config.socket_connection_setup_timeout(first);
        }
        settings.set(
            "socket.connection.setup.timeout.max.ms",
            &mut config.socket_connection_setup_timeout_max,
        )?;
        if let Some(OrNone(idle)) = settings.read("connections.max.idle.ms")? {
            config = config.connections_max_idle(idle);
        }
        settings.set("metadata.max.age.ms", &mut config.metadata_max_age)?;
        settings.set("metadata.max.idle.ms", &mut config.metadata_max_idle)?;
        settings.set("metadata.recovery.strategy", &mut config.metadata_recovery_strategy)?;
        settings.set(
            "metadata.recovery.rebootstrap.trigger.ms",
            &mut config.metadata_recovery_rebootstrap_trigger,
        )?;
        if let Some(OrNone(bytes)) = settings.read("send.buffer.bytes")? {
            config = config.send_buffer_bytes(bytes);
        }
        settings.set("broker.address.family", &mut config.broker_address_family)?;
        if let Some(OrNone(bytes)) = settings.read("receive.buffer.bytes")? {
            config = config.receive_buffer_bytes(bytes);
        }
        settings.set("receive.message.max.bytes", &mut config.receive_message_max_bytes)?;
        settings.set("enable.metrics.push", &mut config.enable_metrics_push)?;
        if let Some(interval) = settings.read(STATISTICS_INTERVAL)? {
            config = config.statistics_interval(Some(interval));
        }
        config.security =
            SecurityConfig::from_settings(&settings).map_err(|error| config.words.reword(error))?;
        config.check().map_err(|error| config.words.reword(error))?;
        Ok(config)
    }

    /// Sets the comma-separated list of `host:port` used to discover the cluster
    /// (`bootstrap.servers`; no default).
    ///
    /// A host is a name, an IPv4 address, or an IPv6 address in brackets. Two or three brokers
    /// suffice: the client discovers the others.
    #[must_use]
    pub fn bootstrap_servers(mut self, servers: impl Into<String>) -> Self {
        self.bootstrap_servers = BootstrapAddresses(servers.into());
        self
    }

    /// Sets the comma-separated list of `host:port` of KRaft controllers to administer directly,
    /// without a broker (`bootstrap.controllers`, KIP-919; no default; Kafka 3.7 or later). Excludes
    /// `bootstrap.servers`: begin with [`ClientConfig::default`].
    ///
    /// Such a client has an [`Admin`](crate::Admin) only, which says what controllers can be asked.
    /// Some of the controllers suffice: the client discovers the others.
    #[cfg(feature = "admin")]
    #[cfg_attr(docsrs, doc(cfg(feature = "admin")))]
    #[must_use]
    pub fn bootstrap_controllers(mut self, controllers: impl Into<String>) -> Self {
        self.bootstrap_controllers = BootstrapAddresses(controllers.into());
        self
    }

    /// Sets the name of this client in broker logs and for quotas (`client.id`; default `kavka`).
    #[must_use]
    pub fn client_id(mut self, id: impl Into<String>) -> Self {
        self.client_id = id.into();
        self
    }

    /// Sets the rack of the client, which lets consumers fetch from the closest replica
    /// (`client.rack`, KIP-392; default none).
    #[must_use]
    pub fn client_rack(mut self, rack: impl Into<String>) -> Self {
        self.client_rack = Some(rack.into()).filter(|rack: &String| !rack.is_empty());
        self
    }

    /// Sets how long a broker may take to answer a request (`request.timeout.ms`; default 30 s).
    ///
    /// A connection on which a request times out is closed.
    #[must_use]
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = bounded(timeout);
        self
    }

    /// Sets how long an operation without a timeout of its own may take, including all retries
    /// (`default.api.timeout.ms`; default 60 s).
    #[must_use]
    pub fn default_api_timeout(mut self, timeout: Duration) -> Self {
        self.default_api_timeout = bounded(timeout);
        self
    }

    /// Sets the backoff before the first retry of a request (`retry.backoff.ms`; default 100 ms).
    ///
    /// It doubles with every retry, up to `retry.backoff.max.ms`, with a jitter of 20 %. Raises the
    /// maximum if it is lower.
    #[must_use]
    pub fn retry_backoff(mut self, first: Duration) -> Self {
        self.retry_backoff = bounded(first);
        self.retry_backoff_max = self.retry_backoff_max.max(self.retry_backoff);
        self
    }

    /// Sets the maximum backoff before a retry of a request (`retry.backoff.max.ms`; default 1 s).
    #[must_use]
    pub fn retry_backoff_max(mut self, longest: Duration) -> Self {
        self.retry_backoff_max = bounded(longest);
        self
    }

    /// Sets the backoff before reconnecting to a broker (`reconnect.backoff.ms`; default 50 ms).
    ///
    /// It doubles with every failure, up to `reconnect.backoff.max.ms`, with a jitter of 20 %.
    /// Raises the maximum if it is lower.
    #[must_use]
    pub fn reconnect_backoff(mut self, first: Duration) -> Self {
        self.reconnect_backoff = bounded(first);
        self.reconnect_backoff_max = self.reconnect_backoff_max.max(self.reconnect_backoff);
        self
    }

    /// Sets the maximum backoff before reconnecting (`reconnect.backoff.max.ms`; default 1 s).
    #[must_use]
    pub fn reconnect_backoff_max(mut self, longest: Duration) -> Self {
        self.reconnect_backoff_max = bounded(longest);
        self
    }

    /// Sets how long the first attempt to connect to a broker may take
    /// (`socket.connection.setup.timeout.ms`; default 10 s).
    ///
    /// It doubles with every failure, up to `socket.connection.setup.timeout.max.ms`. Raises the
    /// maximum if it is lower.
    #[must_use]
    pub fn socket_connection_setup_timeout(mut self, first: Duration) -> Self {
        self.socket_connection_setup_timeout = bounded(first);
        self.socket_connection_setup_timeout_max =
            self.socket_connection_setup_timeout_max.max(self.socket_connection_setup_timeout);
        self
    }

    /// Sets how long any attempt to connect may take (`socket.connection.setup.timeout.max.ms`;
    /// default 30 s).
    #[must_use]
    pub fn socket_connection_setup_timeout_max(mut self, longest: Duration) -> Self {
        self.socket_connection_setup_timeout_max = bounded(longest);
        self
    }

    /// Sets the idle time after which a connection is closed (`connections.max.idle.ms`; default 9
    /// min).
    ///
    /// `None` or zero (-1 or 0 in a properties file) means never. By default, brokers close idle
    /// connections after 10 min.
    #[must_use]
    pub fn connections_max_idle(mut self, idle: impl Into<Option<Duration>>) -> Self {
        self.connections_max_idle = idle.into().filter(|idle| !idle.is_zero()).map(bounded);
        self
    }

    /// Sets the maximum age of a connection. An older connection is closed as soon as it has no
    /// request in flight; the next request opens another, possibly to a new address behind the same
    /// name. Not a Kafka property; default `None`.
    #[must_use]
    pub fn connections_max_lifetime(mut self, lifetime: impl Into<Option<Duration>>) -> Self {
        self.connections_max_lifetime =
            lifetime.into().filter(|lifetime| !lifetime.is_zero()).map(bounded);
        self
    }

    /// Sets how many connections are kept open beyond `connections.max.idle.ms`, so that the first
    /// requests after a quiet period need not wait for a connection. Not a Kafka property; default
    /// 0.
    #[must_use]
    pub fn connections_min_idle(mut self, connections: usize) -> Self {
        self.connections_min_idle = connections;
        self
    }

    /// Sets the age at which metadata is refreshed even without a sign that it is stale
    /// (`metadata.max.age.ms`; default 5 min).
    #[must_use]
    pub fn metadata_max_age(mut self, age: Duration) -> Self {
        self.metadata_max_age = bounded(age);
        self
    }

    /// Sets the time without records after which a producer forgets a topic
    /// (`metadata.max.idle.ms`, KIP-526; default 5 min, at least 5 s).
    #[must_use]
    pub fn metadata_max_idle(mut self, idle: Duration) -> Self {
        self.metadata_max_idle = bounded(idle);
        self
    }

    /// Sets what the client does when it cannot reach any of the known brokers
    /// (`metadata.recovery.strategy`, KIP-899; default rebootstrap).
    #[must_use]
    pub fn metadata_recovery_strategy(mut self, strategy: MetadataRecoveryStrategy) -> Self {
        self.metadata_recovery_strategy = strategy;
        self
    }

    /// Sets the time without metadata after which the client starts over from `bootstrap.servers`
    /// (`metadata.recovery.rebootstrap.trigger.ms`, KIP-1102; default 5 min).
    #[must_use]
    pub fn metadata_recovery_rebootstrap_trigger(mut self, trigger: Duration) -> Self {
        self.metadata_recovery_rebootstrap_trigger = bounded(trigger);
        self
    }

    /// Sets the size of the socket's send buffer, in bytes (`send.buffer.bytes`).
    ///
    /// Default `None` (-1 or 0 in a properties file): the operating system's, which adapts itself.
    /// Java's default is 128 KiB.
    #[must_use]
    pub fn send_buffer_bytes(mut self, bytes: impl Into<Option<u32>>) -> Self {
        self.send_buffer_bytes = bytes.into().filter(|bytes| *bytes > 0);
        self
    }

    /// Sets which addresses of brokers' names are used, IPv4, IPv6 or both (librdkafka's
    /// `broker.address.family`; default both). A [`Connector`] of your own chooses for itself.
    #[must_use]
    pub fn broker_address_family(mut self, family: AddressFamily) -> Self {
        self.broker_address_family = family;
        self
    }

    /// Sets the size of the socket's receive buffer, in bytes (`receive.buffer.bytes`).
    ///
    /// Default `None` (-1 or 0 in a properties file): the operating system's, which adapts itself.
    /// Java's default is 32 or 64 KiB.
    #[must_use]
    pub fn receive_buffer_bytes(mut self, bytes: impl Into<Option<u32>>) -> Self {
        self.receive_buffer_bytes = bytes.into().filter(|bytes| *bytes > 0);
        self
    }

    /// Sets the maximum size of a broker's response, in bytes (librdkafka's
    /// `receive.message.max.bytes`; default 100,000,000).
    #[must_use]
    pub fn receive_message_max_bytes(mut self, bytes: usize) -> Self {
        self.receive_message_max_bytes = bytes;
        self
    }

    /// Sets whether the client pushes its metrics to brokers that subscribe to them
    /// (`enable.metrics.push`, KIP-714; default true).
    #[must_use]
    pub fn enable_metrics_push(mut self, enable: bool) -> Self {
        self.enable_metrics_push = enable;
        self
    }

    /// The parsed list of `bootstrap.servers`, or of `bootstrap.controllers`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if both are empty, or neither is, or an
    /// address is impossible.
    pub(crate) fn addresses(&self) -> Result<Vec<BrokerAddress>> {
        let (servers, controllers) = self.lists()?;
        match (servers.is_empty(), controllers.is_empty()) {
            (false, true) => Ok(servers),
            (true, false) => Ok(controllers),
            (true, true) => Err(Error::config(
                "bootstrap.servers is empty: a comma-separated list of host:port is allowed",
            )),
            (false, false) => Err(Error::config(
                "bootstrap.servers and bootstrap.controllers are both set: one of them is allowed",
            )),
        }
    }

    /// Whether controllers are asked in place of brokers (KIP-919).
    pub(crate) fn asks_controllers(&self) -> bool {
        !self.bootstrap_controllers.0.trim().is_empty()
    }

    fn lists(&self) -> Result<(Vec<BrokerAddress>, Vec<BrokerAddress>)> {
        let servers = BrokerAddress::parse_list("bootstrap.servers", &self.bootstrap_servers.0)?;
        let controllers =
            BrokerAddress::parse_list("bootstrap.controllers", &self.bootstrap_controllers.0)?;
        if !controllers.is_empty() && !cfg!(feature = "admin") {
            return Err(Error::config(
                "bootstrap.controllers is set: it needs kavka's feature admin",
            ));
        }
        Ok((servers, controllers))
    }

    /// Checks every value and that none contradicts another.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config): names the property and what is allowed.
    pub(crate) fn validate(&self) -> Result<()> {
        self.addresses().and_then(|_| self.check()).map_err(|error| self.words.reword(error))
    }

    /// All but that there is a `bootstrap.servers`, which a file may leave to a setter.
    fn check(&self) -> Result<()> {
        self.lists()?;
        check_text("client.id", &self.client_id)?;
        let (name, version) = &self.client_software;
        if !is_software(name) || !is_software(version) {
            return Err(Error::config(
                "client_software has a name or a version that brokers refuse: letters, digits, \
                 hyphens and full stops are allowed, and at both ends no hyphen or full stop",
            ));
        }
        check_text("client.rack", self.client_rack.as_deref().unwrap_or(""))?;
        check_millis("request.timeout.ms", self.request_timeout, MILLISECOND)?;
        check_millis("default.api.timeout.ms", self.default_api_timeout, MILLISECOND)?;
        for (key, first, max_key, longest) in [
            (
                "retry.backoff.ms",
                self.retry_backoff,
                "retry.backoff.max.ms",
                self.retry_backoff_max,
            ),
            (
                "reconnect.backoff.ms",
                self.reconnect_backoff,
                "reconnect.backoff.max.ms",
                self.reconnect_backoff_max,
            ),
            (
                "socket.connection.setup.timeout.ms",
                self.socket_connection_setup_timeout,
                "socket.connection.setup.timeout.max.ms",
                self.socket_connection_setup_timeout_max,
            ),
        ] {
            let (first, longest) = (first.as_millis(), longest.as_millis());
            if first > longest {
                return Err(Error::config(format!(
                    "{key} is {first}: at most {max_key}, which is {longest}, is allowed"
                )));
            }
        }
        let forever = FOREVER.as_millis();
        let setup = self.socket_connection_setup_timeout.as_millis();
        check_range("socket.connection.setup.timeout.ms", setup, 1, forever)?;
        check_range("metadata.max.age.ms", self.metadata_max_age.as_millis(), 1, forever)?;
        // 5 s is Kafka's own bound.
        check_range("metadata.max.idle.ms", self.metadata_max_idle.as_millis(), 5000, forever)?;
        // librdkafka's bound.
        let statistics = self.statistics_interval.unwrap_or(MILLISECOND).as_millis();
        check_range(STATISTICS_INTERVAL, statistics, 1, 86_400_000)?;
        // librdkafka's bounds; a frame's length is a 32-bit number.
        check_range(
            "receive.message.max.bytes",
            self.receive_message_max_bytes,
            1000,
            2_147_483_647,
        )?;
        self.security.validate()
    }
}

impl Default for ClientConfig {
    /// Kafka's defaults, with no `bootstrap.servers`.
    fn default() -> Self {
        Self {
            bootstrap_servers: BootstrapAddresses::default(),
            bootstrap_controllers: BootstrapAddresses::default(),
            client_id: "kavka".to_owned(),
            client_software: ("kavka".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
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
            connections_max_lifetime: None,
            connections_min_idle: 0,
            metadata_max_age: Duration::from_secs(300),
            metadata_max_idle: Duration::from_secs(300),
            metadata_recovery_strategy: MetadataRecoveryStrategy::Rebootstrap,
            metadata_recovery_rebootstrap_trigger: Duration::from_secs(300),
            send_buffer_bytes: None,
            receive_buffer_bytes: None,
            broker_address_family: AddressFamily::Any,
            receive_message_max_bytes: 100_000_000,
            enable_metrics_push: true,
            security: SecurityConfig::default(),
            connector: None,
            max_api_versions: Vec::new(),
            statistics_interval: None,
            statistics_callback: None,
            hooks: None,
            seed: None,
            wall_clock: None,
            words: Words::default(),
        }
    }
}

impl FromProperty for MetadataRecoveryStrategy {
    const ALLOWED: &'static str = "none or rebootstrap";

    fn from_property(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "none" => Some(Self::None),
            "rebootstrap" => Some(Self::Rebootstrap),
            _ => None,
        }
    }
}

/// Whether brokers take it for the name or version of a client's software (KIP-511).
fn is_software(text: &str) -> bool {
    let is_inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    let is_end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.chars().all(is_inner) && is_end(text.chars().next()) && is_end(text.chars().last())
}

/// What a client stands on; these have no property.
impl ClientConfig {
    /// Sets the name and version under which brokers see this client software in their metrics and
    /// logs (KIP-511; default this crate's): that of a library or program on top of it.
    #[must_use]
    pub fn client_software(mut self, name: impl Into<String>, version: impl Into<String>) -> Self {
        self.client_software = (name.into(), version.into());
        self
    }

    /// Sets how connections are opened, instead of TCP: through a proxy, a tunnel or an in-memory
    /// network.
    #[must_use]
    pub fn connector(mut self, connector: impl Connector) -> Self {
        self.connector = Some(Arc::new(connector));
        self
    }

    /// Caps the version of an API, by its name in Kafka's schemas or its key, such as `Fetch` or `1`
    /// (franz-go's `MaxVersions`; no default). Can be called for several APIs.
    ///
    /// For debugging: an old version lacks what newer ones have, such as a transaction's partitions
    /// that Produce adds itself from version 12, and nothing else of the client knows that it must
    /// do without. Creating the client fails if there is no such API, or this crate speaks no
    /// version of it up to the cap.
    #[must_use]
    pub fn max_api_version(mut self, api: impl Into<String>, version: i16) -> Self {
        self.max_api_versions.push((api.into(), version));
        self
    }

    /// Sets who is told what happens to the client's connections, requests, batches and groups;
    /// unset, the default, that costs nothing. All handles of the client share the hooks.
    #[must_use]
    pub fn hooks(mut self, hooks: impl Hooks) -> Self {
        self.hooks = Some(HookCaller::new(hooks));
        self
    }

    /// Sets the seed of all randomness and keeps all work on the runtime's own threads, so that a
    /// test is repeatable.
    #[cfg(any(test, feature = "test-util"))]
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Replaces the wall clock that provides record timestamps.
    #[cfg(any(test, feature = "test-util"))]
    #[must_use]
    pub fn wall_clock(
        mut self,
        now: impl Fn() -> crate::ids::Timestamp + Send + Sync + 'static,
    ) -> Self {
        self.wall_clock = Some(WallClock::from_fn(now));
        self
    }
}

#[cfg(test)]
mod tests;
