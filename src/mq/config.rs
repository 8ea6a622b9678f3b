//! The settings of the messaging layer: one [`Config`], in groups, every field optional over its default.
//!
//! Each field can be set in Rust, by [`Config::set`], from the environment, and with the feature `serde` from JSON, YAML or TOML in
//! camelCase or snake_case. All of these go through one table of names and texts, so that a mistake is told in the same words
//! everywhere, with the key.

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
    /// How to log in (`sasl`).
    SaslConfig {
        /// `PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512` or `OAUTHBEARER` (default none).
        mechanism: Option<String> = None,
        /// The user's name.
        username: Option<String> = None,
        /// The password; never printed.
        password: Option<Secret> = None,
    }
}

group! {
    /// TLS (`ssl`).
    SslConfig {
        /// Turns TLS on, as `security_protocol` does (default false).
        enabled: bool = false,
        /// The client's certificate, a PEM file.
        cert_file: Option<String> = None,
        /// Its key, a PEM file.
        key_file: Option<String> = None,
        /// Whom to trust, a PEM file (default the well-known authorities).
        ca_file: Option<String> = None,
        /// Whether a certificate for another host will do, with a warning (default false). Its authority is checked all the same: name it
        /// in `ca_file`.
        insecure_skip_verify: bool = false,
    }
}

group! {
    /// Connections (`connection`).
    ConnectionConfig {
        /// How long connecting may take (default 10 s).
        dial_timeout: Duration = Duration::from_secs(10),
        /// How long, with `dial_timeout`, an administrative call may take (default 10 s).
        read_timeout: Duration = Duration::from_secs(10),
        /// Taken and without effect: writing ends with its request, at `producer.request_timeout` (default 10 s).
        write_timeout: Duration = Duration::from_secs(10),
        /// Taken and without effect: idle sockets are probed by TCP at an interval of the client's (default 7 s).
        keep_alive: Duration = Duration::from_secs(7),
        /// Taken and without effect: what ends connecting is the deadline of the call (default 3).
        max_retries: u32 = 3,
        /// The first pause before connecting again; it doubles up to 1 s (default 100 ms).
        retry_backoff: Duration = Duration::from_millis(100),
    }
}

group! {
    /// Sending (`producer`).
    ProducerConfig {
        /// `none`, `gzip`, `snappy`, `lz4` or `zstd` (default lz4, or none if that is not built in).
        compression: Compression = if cfg!(feature = "lz4") { Compression::LZ4 } else { Compression::NONE },
        /// How many bytes fill a batch (default 16,384).
        batch_size: usize = 16_384,
        /// How many milliseconds a batch waits (default `None`: adaptive batching decides).
        linger_ms: Option<u64> = None,
        /// The largest message (default 1 MiB).
        max_message_bytes: usize = 1024 * 1024,
        /// Whose word counts: all (-1), the leader (1), nobody (0) (default all; others need `enable_idempotence` false).
        required_acks: Acks = Acks::All,
        /// How long a request may take (default 30 s).
        request_timeout: Duration = Duration::from_secs(30),
        /// Whether repeated messages are recognised by the brokers (default true).
        enable_idempotence: bool = true,
        /// Requests on their way to one broker (default 5).
        max_in_flight_requests: usize = 5,
        /// The first pause before a message is sent again; it doubles up to 1 s (default 100 ms).
        retry_backoff: Duration = Duration::from_millis(100),
        /// How often a message is sent again after its leader answered with an error that may pass (default 3).
        ///
        /// Lost connections and partitions without a leader do not count: what ends those is `delivery_timeout`.
        max_retries: u32 = 3,
        /// How long a message may take from when it was accepted to its verdict (`delivery.timeout.ms`, default 120 s).
        ///
        /// As long, and 60 s at most, a message waits before for room and for its topic; and no request takes longer, whatever
        /// `request_timeout` says.
        delivery_timeout: Duration = Duration::from_secs(120),
    }
}

group! {
    /// Receiving (`consumer`).
    ConsumerConfig {
        /// The group, which must be set to consume.
        group_id: Option<String> = None,
        /// Where to start without a committed offset: `latest`, `earliest` or `none` (default latest).
        auto_offset_reset: AutoOffsetReset = AutoOffsetReset::Latest,
        /// Whether offsets of handled messages are committed by themselves (default true).
        enable_auto_commit: bool = true,
        /// How often (default 5 s).
        auto_commit_interval: Duration = Duration::from_secs(5),
        /// After how long of silence the group takes the member for dead (default 10 s).
        session_timeout: Duration = Duration::from_secs(10),
        /// How often the member says that it lives (default 3 s).
        heartbeat_interval: Duration = Duration::from_secs(3),
        /// How many messages wait for handlers at most (default 500).
        max_poll_records: usize = 500,
        /// How long handlers may take none before the member leaves the group (default 5 min).
        max_poll_interval: Duration = Duration::from_secs(300),
        /// Bytes that a broker waits for before it answers a fetch (default 1).
        fetch_min_bytes: i32 = 1,
        /// Bytes that one fetch brings at most (default 50 MiB).
        fetch_max_bytes: i32 = 50 * 1024 * 1024,
        /// How long a broker waits for `fetch_min_bytes` (default 500 ms).
        fetch_max_wait: Duration = Duration::from_millis(500),
        /// `read_uncommitted` or `read_committed` (default read_uncommitted).
        isolation_level: IsolationLevel = IsolationLevel::ReadUncommitted,
        /// How many bytes of messages are kept that no handler has been given (`fetch.buffer.bytes`, default `None`: the client's).
        fetch_buffer_bytes: Option<usize> = None,
    }
}

group! {
    /// The connections as a pool (`pool`).
    PoolConfig {
        /// Told by the pool's statistics, and no limit: a client opens one connection a queue; at least the 4 that one broker needs
        /// (default 10).
        max_connections: usize = 10,
        /// How many open connections stay so although nothing uses them; at most `max_idle_connections` (default 2). They are opened when
        /// they are needed, and none before.
        min_idle_connections: usize = 2,
        /// Taken and without effect but that it bounds `min_idle_connections`: idle connections are closed by their age,
        /// `connection_max_idle_time`. At most `max_connections` (default 5).
        max_idle_connections: usize = 5,
        /// A connection that is so old closes once nothing is on its way (default 1 h).
        connection_max_lifetime: Duration = Duration::from_secs(3600),
        /// After how long without a request a connection is closed (default 30 min).
        connection_max_idle_time: Duration = Duration::from_secs(1800),
        /// How old the health that [`Health`](super::Health) tells may be before it is looked at again (default 30 s).
        health_check_interval: Duration = Duration::from_secs(30),
    }
}

group! {
    /// The targets of adaptive batching (`performance`), which `producer.linger_ms` turns off.
    PerformanceConfig {
        /// How long a message may wait for others, in microseconds (default 1,000).
        target_latency_micros: u64 = 1000,
        /// At how many messages per second all of that is used (default 100,000).
        target_throughput_per_sec: u64 = 100_000,
        /// Whether a message above the threshold is sent without waiting for company (default true).
        optimize_for_small_messages: bool = true,
        /// Up to how many bytes a message is small (default 1,024).
        small_message_threshold_bytes: usize = 1024,
    }
}

group! {
    /// What can be observed (`monitoring`).
    MonitoringConfig {
        /// Whether latencies and messages are counted (default true).
        enable_metrics: bool = true,
        /// How often lag is looked up and metrics are published (default 10 s).
        metrics_interval: Duration = Duration::from_secs(10),
        /// Whether sending and handling a message are `tracing` spans (default false).
        enable_tracing: bool = false,
        /// `error`, `warn`, `info`, `debug` or `trace` (default info); see [`Config::log_filter`].
        log_level: LogLevel = LogLevel::Info,
        /// How long a ping, or a check of health, may take (default 2 s).
        health_timeout: Duration = Duration::from_secs(2),
    }
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogLevel {
    /// Only what the user must act on.
    Error,
    /// What recovered by itself, too.
    Warn,
    /// Beginnings and ends, too.
    Info,
    /// Decisions, too.
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

/// The settings of an [`Mq`](super::Mq): what is not set has its default.
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
    /// Where to begin (default `localhost:9092`).
    pub brokers: Vec<String>,
    /// The name that brokers log (default `kavka-mq`).
    pub client_id: String,
    /// How connections are secured (default plaintext).
    pub security_protocol: SecurityProtocol,
    /// How to log in.
    pub sasl: SaslConfig,
    /// TLS.
    pub ssl: SslConfig,
    /// Connections.
    pub connection: ConnectionConfig,
    /// Sending.
    pub producer: ProducerConfig,
    /// Receiving.
    pub consumer: ConsumerConfig,
    /// The connections as a pool.
    pub pool: PoolConfig,
    /// The targets of adaptive batching.
    pub performance: PerformanceConfig,
    /// What can be observed.
    pub monitoring: MonitoringConfig,
    /// How connections are opened, if not by TCP.
    connector: Option<SharedConnector>,
}

/// A connector that several clients can share.
#[derive(Clone, Debug)]
struct SharedConnector(Arc<dyn Connector>);

impl Connector for SharedConnector {
    fn connect<'a>(&'a self, address: &'a BrokerAddress, deadline: Instant) -> BoxFuture<'a, std::io::Result<Box<dyn Io>>> {
        self.0.connect(address, deadline)
    }
}

const TOP: [&str; 3] = ["brokers", "client_id", "security_protocol"];

impl Config {
    /// The defaults for a cluster, whose addresses are separated by commas.
    pub fn new(brokers: impl AsRef<str>) -> Self {
        Self { brokers: Vec::from_text(brokers.as_ref()).unwrap_or_default(), ..Self::default() }
    }

    /// Sets one field from text, by its key: `client_id`, `producer.linger_ms`, or in camelCase `producer.lingerMs`.
    ///
    /// A duration has a unit, such as `5s`, `100ms` or `1m30s`; several brokers are separated by commas.
    ///
    /// # Errors
    /// INVALID_CONFIG names the key, and what is allowed or which key was meant.
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
            Some(Err(allowed)) => Err(Error::new(Code::InvalidConfig, format!("{written} is {text:?}: {allowed} is allowed"))),
            None => Err(words::unknown(written)),
        }
    }

    /// Opens connections by other means than TCP: a proxy, a tunnel, an in-memory network.
    #[must_use]
    pub fn connector(mut self, connector: impl Connector) -> Self {
        self.connector = Some(SharedConnector(Arc::new(connector)));
        self
    }

    /// What to give a `tracing` filter so that it shows as much of this library as `monitoring.log_level` says.
    pub fn log_filter(&self) -> String {
        format!("kavka={:?}", self.monitoring.log_level).to_lowercase()
    }

    /// Checks every value, and that none contradicts another.
    ///
    /// # Errors
    /// MISSING_CONFIG or INVALID_CONFIG names the key.
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
        groups.iter().flat_map(|(group, keys)| keys.iter().map(move |key| format!("{group}{key}"))).collect()
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
                "pool.max_connections is {}: at least {LANES} are allowed, as one broker needs one each for producing, fetching, the \
                 group and short requests",
                pool.max_connections
            ));
        }
        if pool.max_idle_connections > pool.max_connections {
            let (idle, most) = (pool.max_idle_connections, pool.max_connections);
            return refuse(format!(
                "pool.max_idle_connections is {idle}: at most pool.max_connections, which is {most}, is allowed"
            ));
        }
        if pool.min_idle_connections > pool.max_idle_connections {
            let (idle, most) = (pool.min_idle_connections, pool.max_idle_connections);
            return refuse(format!(
                "pool.min_idle_connections is {idle}: at most pool.max_idle_connections, which is {most}, is allowed"
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
            return refuse(format!("producer.delivery_timeout is {longest:?}: more than a batch waits, {linger:?}, is allowed"));
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
            .small_record(if self.optimize_for_small_messages { self.small_message_threshold_bytes } else { usize::MAX })
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
