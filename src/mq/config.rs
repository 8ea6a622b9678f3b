//! The settings of the messaging layer: one [`Config`], in groups, every field optional over its
//! default.
//!
//! Each field can be set in Rust, by [`Config::set`], from the environment, and with the feature
//! `serde` from JSON, YAML or TOML in camelCase or snake_case. All of these go through one table of
//! names and texts, so that a mistake is told in the same words everywhere, with the key.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::{Code, Error, Result};
use super::text::{FromText, normalized};
use crate::boxed::BoxFuture;
use crate::config::{BrokerAddress, Secret, SecurityProtocol};
use crate::consumer::{AutoOffsetReset, IsolationLevel};
use crate::net::{Connector, Io};
use crate::producer::{Acks, AdaptiveBatching};
use crate::wire::compress::Compression;

mod environment;
mod property_names;
#[cfg(test)]
mod readers;
mod under;
mod words;

pub(super) use property_names::in_our_words;

/// A group of settings that can be set by name.
trait SettingsGroup {
    const KEYS: &'static [&'static str];

    /// `None` if there is no such key; else what is allowed, unless the text is.
    fn set(&mut self, key: &str, text: &str) -> Option<Result<(), &'static str>>;
}

macro_rules! group {
    ($(#[$doc:meta])* $name:ident { $( $(#[$field_doc:meta])* $field:ident: $type:ty = $default:expr, )+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub struct $name { $( $(#[$field_doc])* pub $field: $type, )+ }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $field: $default, )+ }
            }
        }

        impl SettingsGroup for $name {
            const KEYS: &'static [&'static str] = &[$(stringify!($field)),+];

            fn set(&mut self, key: &str, text: &str) -> Option<Result<(), &'static str>> {
                match key {
                    $(stringify!($field) => Some(match <$type>::from_text(text) {
                        Some(value) => { self.$field = value; Ok(()) }
                        None => Err(<$type>::ALLOWED),
                    }),)+
                    _ => None,
                }
            }
        }
    };
}

group! {
    /// SASL authentication (`sasl`).
    SaslConfig {
        /// `PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512` or `OAUTHBEARER` (default none).
        mechanism: Option<String> = None,
        /// The user name.
        username: Option<String> = None,
        /// The password. It is never printed.
        password: Option<Secret> = None,
    }
}

group! {
    /// TLS (`ssl`).
    SslConfig {
        /// Enables TLS, as `security_protocol` also can (default false).
        enabled: bool = false,
        /// The client's certificate, a PEM file.
        cert_file: Option<String> = None,
        /// The certificate's private key, a PEM file.
        key_file: Option<String> = None,
        /// The trusted certificate authorities, a PEM file (default: the well-known authorities).
        ca_file: Option<String> = None,
        /// Whether to accept a certificate issued for another host, with a warning (default false).
        /// Its authority is still verified: name it in `ca_file`.
        insecure_skip_verify: bool = false,
    }
}

group! {
    /// Connections (`connection`).
    ConnectionConfig {
        /// How long connecting may take (default 10 s).
        dial_timeout: Duration = Duration::from_secs(10),
        /// How long an administrative call may take, in addition to `dial_timeout` (default 10 s).
        read_timeout: Duration = Duration::from_secs(10),
        /// Accepted for compatibility; ignored. A write ends with its request, after
        /// `producer.request_timeout` (default 10 s).
        write_timeout: Duration = Duration::from_secs(10),
        /// Accepted for compatibility; ignored. TCP keepalive probes idle sockets at the client's
        /// own interval (default 7 s).
        keep_alive: Duration = Duration::from_secs(7),
        /// Accepted for compatibility; ignored. Connecting is retried until the deadline of the
        /// call (default 3).
        max_retries: u32 = 3,
        /// The first backoff before reconnecting, which doubles up to 1 s (default 100 ms).
        retry_backoff: Duration = Duration::from_millis(100),
    }
}

group! {
    /// Producer settings (`producer`).
    ProducerConfig {
        /// `none`, `gzip`, `snappy`, `lz4` or `zstd` (default lz4, or none if that is not built
        /// in).
        compression: Compression = if cfg!(feature = "lz4") { Compression::LZ4 } else { Compression::NONE },
        /// The size of a batch in bytes (default 16,384).
        batch_size: usize = 16_384,
        /// How long a batch waits, in milliseconds (default `None`: decided by adaptive batching).
        linger_ms: Option<u64> = None,
        /// The maximum size of a message in bytes (default 1 MiB).
        max_message_bytes: usize = 1024 * 1024,
        /// Which replicas must acknowledge a message: all (-1), the leader (1) or none (0) (default
        /// all; others require `enable_idempotence` to be false).
        required_acks: Acks = Acks::All,
        /// How long a request may take (default 30 s).
        request_timeout: Duration = Duration::from_secs(30),
        /// Whether brokers detect repeated messages (default true).
        enable_idempotence: bool = true,
        /// The maximum number of requests in flight to one broker (default 5).
        max_in_flight_requests: usize = 5,
        /// The first backoff before a message is sent again, which doubles up to 1 s (default 100
        /// ms).
        retry_backoff: Duration = Duration::from_millis(100),
        /// How often a message is sent again after its leader answered with a retriable error
        /// (default 3).
        ///
        /// Lost connections and partitions without a leader do not count; `delivery_timeout` bounds
        /// these.
        max_retries: u32 = 3,
        /// How long a message may take to be acknowledged after it was accepted
        /// (`delivery.timeout.ms`, default 120 s).
        ///
        /// A message also waits that long, but at most 60 s, for buffer memory and metadata before
        /// it is accepted. A request takes no longer than this either, whatever `request_timeout`
        /// says.
        delivery_timeout: Duration = Duration::from_secs(120),
    }
}

group! {
    /// Consumer settings (`consumer`).
    ConsumerConfig {
        /// The group. Required to consume.
        group_id: Option<String> = None,
        /// Where to start without a committed offset: `latest`, `earliest` or `none` (default
        /// latest).
        auto_offset_reset: AutoOffsetReset = AutoOffsetReset::Latest,
        /// Whether offsets of handled messages are committed automatically (default true).
        enable_auto_commit: bool = true,
        /// The interval of automatic commits (default 5 s).
        auto_commit_interval: Duration = Duration::from_secs(5),
        /// The time without a heartbeat after which the group removes the member (default 10 s).
        session_timeout: Duration = Duration::from_secs(10),
        /// The interval between heartbeats (default 3 s).
        heartbeat_interval: Duration = Duration::from_secs(3),
        /// The maximum number of messages waiting for handlers (default 500).
        max_poll_records: usize = 500,
        /// How long handlers may take no message before the member leaves the group (default 5
        /// min).
        max_poll_interval: Duration = Duration::from_secs(300),
        /// How many bytes a broker collects before it answers a fetch (default 1).
        fetch_min_bytes: i32 = 1,
        /// The maximum size of a fetch in bytes (default 50 MiB).
        fetch_max_bytes: i32 = 50 * 1024 * 1024,
        /// How long a broker waits for `fetch_min_bytes` (default 500 ms).
        fetch_max_wait: Duration = Duration::from_millis(500),
        /// `read_uncommitted` or `read_committed` (default read_uncommitted).
        isolation_level: IsolationLevel = IsolationLevel::ReadUncommitted,
        /// How many bytes of messages may be buffered before their handlers (`fetch.buffer.bytes`;
        /// default `None`: the client's default).
        fetch_buffer_bytes: Option<usize> = None,
    }
}

group! {
    /// Connection pool settings (`pool`).
    PoolConfig {
        /// Reported by the pool's statistics, but not a limit: the client opens the connections it
        /// needs. At least 4, the number needed for one broker (default 10).
        max_connections: usize = 10,
        /// How many idle connections are kept open, at most `max_idle_connections` (default 2).
        /// Connections are opened on demand, never in advance.
        min_idle_connections: usize = 2,
        /// Accepted for compatibility; only limits `min_idle_connections`. Idle connections are
        /// closed after `connection_max_idle_time`. At most `max_connections` (default 5).
        max_idle_connections: usize = 5,
        /// The age at which a connection is closed once it has no request in flight (default 1 h).
        connection_max_lifetime: Duration = Duration::from_secs(3600),
        /// The idle time after which a connection is closed (default 30 min).
        connection_max_idle_time: Duration = Duration::from_secs(1800),
        /// The age at which the result of [`Health`](super::Health) is refreshed (default 30 s).
        health_check_interval: Duration = Duration::from_secs(30),
    }
}

group! {
    /// The targets of adaptive batching (`performance`), which `producer.linger_ms` turns off.
    PerformanceConfig {
        /// How long a message may wait for others, in microseconds (default 1,000).
        target_latency_micros: u64 = 1000,
        /// The rate, in messages per second, at which batches wait for the whole target latency
        /// (default 100,000).
        target_throughput_per_sec: u64 = 100_000,
        /// Whether a message above the threshold is sent without waiting for others (default true).
        optimize_for_small_messages: bool = true,
        /// The size, in bytes, up to which a message is small (default 1,024).
        small_message_threshold_bytes: usize = 1024,
    }
}

group! {
    /// Metrics, tracing, logs and health (`monitoring`).
    MonitoringConfig {
        /// Whether messages and latencies are recorded (default true).
        enable_metrics: bool = true,
        /// The interval at which lag is looked up and metrics are published (default 10 s).
        metrics_interval: Duration = Duration::from_secs(10),
        /// Whether sending and handling a message create `tracing` spans (default false).
        enable_tracing: bool = false,
        /// `error`, `warn`, `info`, `debug` or `trace` (default info); see [`Config::log_filter`].
        log_level: LogLevel = LogLevel::Info,
        /// How long a ping or a health check may take (default 2 s).
        health_timeout: Duration = Duration::from_secs(2),
    }
}

/// The amount of logging.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogLevel {
    /// Only failures that need action.
    Error,
    /// Also failures that were recovered from.
    Warn,
    /// Also lifecycle events.
    Info,
    /// Also decisions.
    Debug,
    /// Everything.
    Trace,
}

impl FromText for LogLevel {
    const ALLOWED: &'static str = "error, warn, info, debug or trace";

    fn from_text(text: &str) -> Option<Self> {
        match text {
            "error" => Some(Self::Error),
            "warn" => Some(Self::Warn),
            "info" => Some(Self::Info),
            "debug" => Some(Self::Debug),
            "trace" => Some(Self::Trace),
            _ => None,
        }
    }
}

/// The settings of an [`Mq`](super::Mq). Everything has a default.
///
/// ```
/// use kavka::mq::Config;
///
/// let mut config = Config::new("localhost:9092");
/// config.client_id = "my-chat-app".to_owned();
/// config.consumer.group_id = Some("my-consumer-group".to_owned());
/// config.producer.linger_ms = Some(5);
/// config.validate()?;
/// # Ok::<(), kavka::mq::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The bootstrap brokers (default `localhost:9092`).
    pub brokers: Vec<String>,
    /// The name of the client in broker logs (default `kavka-mq`).
    pub client_id: String,
    /// How connections are secured (default plaintext).
    pub security_protocol: SecurityProtocol,
    /// SASL authentication.
    pub sasl: SaslConfig,
    /// TLS.
    pub ssl: SslConfig,
    /// Connection settings.
    pub connection: ConnectionConfig,
    /// Producer settings.
    pub producer: ProducerConfig,
    /// Consumer settings.
    pub consumer: ConsumerConfig,
    /// Connection pool settings.
    pub pool: PoolConfig,
    /// The targets of adaptive batching.
    pub performance: PerformanceConfig,
    /// Metrics, tracing, logs and health.
    pub monitoring: MonitoringConfig,
    /// How connections are opened, if not by TCP.
    connector: Option<SharedConnector>,
}

/// A connector that several clients can share.
#[derive(Clone, Debug)]
struct SharedConnector(Arc<dyn Connector>);

impl Connector for SharedConnector {
    fn connect<'a>(
        &'a self,
        address: &'a BrokerAddress,
        deadline: Instant,
    ) -> BoxFuture<'a, std::io::Result<Box<dyn Io>>> {
        self.0.connect(address, deadline)
    }
}

const TOP: [&str; 3] = ["brokers", "client_id", "security_protocol"];

impl Config {
    /// Creates the default settings for a cluster, given as a comma-separated list of brokers.
    pub fn new(brokers: impl AsRef<str>) -> Self {
        Self { brokers: Vec::from_text(brokers.as_ref()).unwrap_or_default(), ..Self::default() }
    }

    /// Sets one field from text, by its key: `client_id`, `producer.linger_ms`, or in camelCase
    /// `producer.lingerMs`.
    ///
    /// A duration has a unit, such as `5s`, `100ms` or `1m30s`. Brokers are separated by commas.
    ///
    /// # Errors
    /// [`Code::InvalidConfig`]; the message names the key, and what is allowed or which key was
    /// probably meant.
    pub fn set(&mut self, key: &str, text: &str) -> Result<()> {
        self.set_as(key, key, text)
    }

    /// [`Config::set`] for a key that the user wrote in another way.
    fn set_as(&mut self, written: &str, key: &str, text: &str) -> Result<()> {
        let name = normalized(key);
        let (group, field) = match name.split_once('.') {
            Some((group, field)) => (group.strip_suffix("_config").unwrap_or(group), field),
            None => ("", name.as_str()),
        };
        let set = match group {
            "" => self.set_top(field, text),
            "sasl" => self.sasl.set(field, text),
            "ssl" => self.ssl.set(field, text),
            "connection" => self.connection.set(field, text),
            "producer" => self.producer.set(field, text),
            "consumer" => self.consumer.set(field, text),
            "pool" => self.pool.set(field, text),
            "performance" => self.performance.set(field, text),
            "monitoring" => self.monitoring.set(field, text),
            _ => None,
        };
        match set {
            Some(Ok(())) => Ok(()),
            Some(Err(allowed)) if name.ends_with("password") => {
                Err(Error::new(Code::InvalidConfig, format!("{written}: {allowed} is allowed")))
            }
            Some(Err(allowed)) => Err(Error::new(
                Code::InvalidConfig,
                format!("{written} is {text:?}: {allowed} is allowed"),
            )),
            None => Err(words::unknown(written)),
        }
    }

    /// Sets how connections are opened, instead of TCP: through a proxy, a tunnel or an in-memory
    /// network.
    #[must_use]
    pub fn connector(mut self, connector: impl Connector) -> Self {
        self.connector = Some(SharedConnector(Arc::new(connector)));
        self
    }

    /// Returns a `tracing` filter that shows this library's logs at `monitoring.log_level`.
    pub fn log_filter(&self) -> String {
        format!("kavka={:?}", self.monitoring.log_level).to_lowercase()
    }

    /// Checks that every value is valid and that none contradicts another.
    ///
    /// # Errors
    /// [`Code::MissingConfig`] or [`Code::InvalidConfig`]; the message names the key.
    pub fn validate(&self) -> Result<()> {
        self.check_values()?;
        let client = self.client()?;
        client.validate().map_err(invalid)?;
        self.core_producer()?.validate(&client).map_err(invalid)?;
        if self.consumer.group_id.is_some() {
            self.core_consumer()?.validate(&client).map_err(invalid)?;
        }
        Ok(())
    }

    /// Every key, with its group.
    pub(super) fn keys() -> Vec<String> {
        let groups: [(&str, &[&str]); 9] = [
            ("", &TOP),
            ("sasl.", SaslConfig::KEYS),
            ("ssl.", SslConfig::KEYS),
            ("connection.", ConnectionConfig::KEYS),
            ("producer.", ProducerConfig::KEYS),
            ("consumer.", ConsumerConfig::KEYS),
            ("pool.", PoolConfig::KEYS),
            ("performance.", PerformanceConfig::KEYS),
            ("monitoring.", MonitoringConfig::KEYS),
        ];
        groups
            .iter()
            .flat_map(|(group, keys)| keys.iter().map(move |key| format!("{group}{key}")))
            .collect()
    }

    fn set_top(&mut self, key: &str, text: &str) -> Option<Result<(), &'static str>> {
        fn put<T: FromText>(place: &mut T, text: &str) -> Option<Result<(), &'static str>> {
            Some(T::from_text(text).map(|value| *place = value).ok_or(T::ALLOWED))
        }
        match key {
            "brokers" => put(&mut self.brokers, text),
            "client_id" => put(&mut self.client_id, text),
            "security_protocol" => put(&mut self.security_protocol, text),
            _ => None,
        }
    }

    fn check_values(&self) -> Result<()> {
        let pool = &self.pool;
        let refuse = |message: String| Err(Error::new(Code::InvalidConfig, message));
        if pool.max_connections < LANES {
            return refuse(format!(
                "pool.max_connections is {}: at least {LANES} are allowed, as one broker needs \
                 one each for producing, fetching, the group and short requests",
                pool.max_connections
            ));
        }
        if pool.max_idle_connections > pool.max_connections {
            let (idle, most) = (pool.max_idle_connections, pool.max_connections);
            return refuse(format!(
                "pool.max_idle_connections is {idle}: at most pool.max_connections, which is \
                 {most}, is allowed"
            ));
        }
        if pool.min_idle_connections > pool.max_idle_connections {
            let (idle, most) = (pool.min_idle_connections, pool.max_idle_connections);
            return refuse(format!(
                "pool.min_idle_connections is {idle}: at most pool.max_idle_connections, which \
                 is {most}, is allowed"
            ));
        }
        for (key, duration) in [
            ("pool.connection_max_idle_time", pool.connection_max_idle_time),
            ("pool.health_check_interval", pool.health_check_interval),
            ("monitoring.health_timeout", self.monitoring.health_timeout),
            ("monitoring.metrics_interval", self.monitoring.metrics_interval),
            ("consumer.auto_commit_interval", self.consumer.auto_commit_interval),
        ] {
            if duration.is_zero() {
                return refuse(format!("{key} is 0: more is allowed"));
            }
        }
        let (longest, linger) = (self.producer.delivery_timeout, self.linger());
        if longest <= linger {
            return refuse(format!(
                "producer.delivery_timeout is {longest:?}: more than a batch waits, {linger:?}, \
                 is allowed"
            ));
        }
        for (key, value) in [
            ("performance.target_latency_micros", self.performance.target_latency_micros),
            ("performance.target_throughput_per_sec", self.performance.target_throughput_per_sec),
        ] {
            if value == 0 {
                return refuse(format!("{key} is 0: 1 or more is allowed"));
            }
        }
        Ok(())
    }
}

impl PerformanceConfig {
    fn batching(&self) -> AdaptiveBatching {
        AdaptiveBatching::new()
            .target_latency(Duration::from_micros(self.target_latency_micros))
            .target_throughput(self.target_throughput_per_sec)
            .small_record(if self.optimize_for_small_messages {
                self.small_message_threshold_bytes
            } else {
                usize::MAX
            })
    }
}

/// Connections that one instance needs to one broker.
const LANES: usize = 4;

impl Default for Config {
    fn default() -> Self {
        Self {
            brokers: vec!["localhost:9092".to_owned()],
            client_id: "kavka-mq".to_owned(),
            security_protocol: SecurityProtocol::Plaintext,
            sasl: SaslConfig::default(),
            ssl: SslConfig::default(),
            connection: ConnectionConfig::default(),
            producer: ProducerConfig::default(),
            consumer: ConsumerConfig::default(),
            pool: PoolConfig::default(),
            performance: PerformanceConfig::default(),
            monitoring: MonitoringConfig::default(),
            connector: None,
        }
    }
}

impl From<ProducerConfig> for Config {
    fn from(producer: ProducerConfig) -> Self {
        Self { producer, ..Self::default() }
    }
}

impl From<ConsumerConfig> for Config {
    fn from(consumer: ConsumerConfig) -> Self {
        Self { consumer, ..Self::default() }
    }
}

/// The failure of something that no message or partition has to do with.
pub(super) fn invalid(error: crate::error::Error) -> Error {
    Error::from_client(error, super::error::During::Connect)
}

#[cfg(test)]
mod tests;
