//! The configuration of clients, by librdkafka's properties.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::Duration;

use kavka::Properties;

use crate::client::ClientContext;
use crate::error::{KafkaError, KafkaResult};
use crate::types::RDKafkaConfRes;

mod table;

/// What must not be shown.
const SECRET: &[&str] = &[
    "sasl.password",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.password",
    "ssl.truststore.password",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.client.credentials.client.secret",
    "sasl.oauthbearer.assertion.private.key.pem",
    "sasl.oauthbearer.assertion.private.key.passphrase",
];

const HIDDEN: &str = "[sanitized for safety]";

/// Where librdkafka's default is not kavka's.
const DEFAULTS: &[&str] = &[
    "allow.auto.create.topics",
    "client.id",
    "isolation.level",
    "message.max.bytes",
    "message.timeout.ms",
    "partition.assignment.strategy",
    "partitioner",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.ms",
];

/// What this crate does itself, or what concerns librdkafka's inside only.
const NOT_KAVKAS: &[&str] = &[
    "api.version.fallback.ms",
    "api.version.request",
    "api.version.request.timeout.ms",
    "broker.version.fallback",
    "debug",
    "delivery.report.only.error",
    "enable.auto.offset.store",
    "enabled_events",
    "log.connection.close",
    "log.queue",
    "log.thread.name",
    "log_level",
    "produce.offset.report",
    "queue.buffering.max.messages",
];

/// librdkafka's levels of logging.
#[derive(Clone, Copy, Debug)]
pub enum RDKafkaLogLevel {
    /// The system cannot be used.
    Emerg = 0,
    /// Act at once.
    Alert = 1,
    /// Critical.
    Critical = 2,
    /// An error.
    Error = 3,
    /// A warning.
    Warning = 4,
    /// Normal, but of importance.
    Notice = 5,
    /// For information.
    Info = 6,
    /// For whoever looks for a mistake.
    Debug = 7,
}

/// A configuration whose values have been checked, with the defaults of those that are not set.
pub struct NativeClientConfig {
    given: HashMap<String, String>,
}

impl NativeClientConfig {
    /// Returns the value of a property, or its default.
    ///
    /// # Errors
    /// [`KafkaError::ClientConfig`] if there is no such property.
    pub fn get(&self, key: &str) -> KafkaResult<String> {
        let given = table::names(key).find_map(|name| self.given.get(name));
        let value = given.map(String::as_str).or_else(|| table::default(key));
        value.map(str::to_owned).ok_or_else(|| {
            let why = "Unknown configuration name".to_owned();
            let how = RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN;
            KafkaError::ClientConfig(how, why, key.to_owned(), String::new())
        })
    }

    pub(crate) fn is_set(&self, key: &str) -> bool {
        table::names(key).any(|name| self.given.contains_key(name))
    }

    /// A value that is not empty.
    pub(crate) fn text(&self, key: &str) -> Option<String> {
        self.get(key).ok().filter(|value| !value.is_empty())
    }

    pub(crate) fn flag(&self, key: &str) -> bool {
        let value = self.get(key).unwrap_or_default();
        ["true", "t", "1"].iter().any(|yes| value.eq_ignore_ascii_case(yes))
    }

    pub(crate) fn number(&self, key: &str) -> u64 {
        self.get(key).ok().and_then(|value| value.trim().parse().ok()).unwrap_or_default()
    }

    /// A time in milliseconds, 0 for none.
    pub(crate) fn time(&self, key: &str) -> Option<Duration> {
        Some(Duration::from_millis(self.number(key))).filter(|time| !time.is_zero())
    }

    /// What kavka is to be told.
    pub(crate) fn properties(&self) -> Properties {
        let mut properties: Properties =
            self.given.iter().filter(|(name, _)| !NOT_KAVKAS.contains(&name.as_str())).collect();
        if let Some(servers) = self.text("bootstrap.servers") {
            properties.set("bootstrap.servers", with_ports(&servers));
        }
        for name in DEFAULTS.iter().filter(|name| !self.is_set(name)) {
            properties.set(*name, table::default(name).unwrap_or_default());
        }
        properties
    }
}

impl fmt::Debug for NativeClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(shown(&self.given)).finish()
    }
}

/// The configuration of a client.
///
/// Each property is one of librdkafka's, with librdkafka's default: what it means to kavka, and which
/// are without effect, is in the table of properties of kavka's documentation.
#[derive(Clone)]
pub struct ClientConfig {
    properties: HashMap<String, String>,
    /// How much is to be logged. It is without effect: kavka logs by way of `tracing`, and without a
    /// subscriber there by way of `log`, whose levels count.
    pub log_level: RDKafkaLogLevel,
}

impl ClientConfig {
    /// Creates a configuration without properties.
    pub fn new() -> Self {
        Self { properties: HashMap::new(), log_level: RDKafkaLogLevel::Info }
    }

    /// Returns what has been set, without secrets.
    pub fn config_map(&self) -> BTreeMap<&str, &str> {
        shown(&self.properties).collect()
    }

    /// Returns what a property has been set to.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.properties.get(key).map(String::as_str)
    }

    /// Sets a property.
    pub fn set<K, V>(&mut self, key: K, value: V) -> &mut Self
    where
        K: Into<String>,
        V: Into<String>,
    {
        self.properties.insert(key.into(), value.into());
        self
    }

    /// Removes a property.
    pub fn remove<'a>(&'a mut self, key: &str) -> &'a mut Self {
        self.properties.remove(key);
        self
    }

    /// Sets how much is to be logged, which is without effect: see [`ClientConfig::log_level`].
    pub fn set_log_level(&mut self, log_level: RDKafkaLogLevel) -> &mut Self {
        self.log_level = log_level;
        self
    }

    /// Checks all values.
    ///
    /// # Errors
    /// [`KafkaError::ClientConfig`] for a property that there is not, or a value that is not allowed.
    pub fn create_native_config(&self) -> KafkaResult<NativeClientConfig> {
        let mut names: Vec<_> = self.properties.iter().collect();
        // So that of several mistakes the same is told each time.
        names.sort();
        names.into_iter().try_for_each(|(name, value)| table::check(name, value))?;
        Ok(NativeClientConfig { given: self.properties.clone() })
    }

    /// Creates a client with a context that does nothing.
    ///
    /// # Errors
    /// [`KafkaError::ClientConfig`] and [`KafkaError::ClientCreation`] for a configuration that is
    /// refused.
    pub fn create<T: FromClientConfig>(&self) -> KafkaResult<T> {
        T::from_config(self)
    }

    /// Creates a client with a context.
    ///
    /// # Errors
    /// As [`ClientConfig::create`].
    pub fn create_with_context<C, T>(&self, context: C) -> KafkaResult<T>
    where
        C: ClientContext,
        T: FromClientConfigAndContext<C>,
    {
        T::from_config_and_context(self, context)
    }
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConfig")
            .field("log_level", &self.log_level)
            .field("conf_map", &self.config_map())
            .finish()
    }
}

impl FromIterator<(String, String)> for ClientConfig {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        let mut config = Self::new();
        config.extend(pairs);
        config
    }
}

impl Extend<(String, String)> for ClientConfig {
    fn extend<I: IntoIterator<Item = (String, String)>>(&mut self, pairs: I) {
        self.properties.extend(pairs);
    }
}

/// librdkafka's list of brokers as kavka reads it, which wants a port.
fn with_ports(servers: &str) -> String {
    let servers = servers.split(',').map(str::trim).filter(|server| !server.is_empty());
    let servers = servers.map(|server| {
        let address = server.split_once("://").map_or(server, |(_protocol, address)| address);
        let host_end = address.rfind(']').unwrap_or(0);
        match address[host_end..].contains(':') {
            true => server.to_owned(),
            false => format!("{server}:9092"),
        }
    });
    servers.collect::<Vec<_>>().join(",")
}

fn shown(properties: &HashMap<String, String>) -> impl Iterator<Item = (&str, &str)> {
    properties.iter().map(|(name, value)| {
        (name.as_str(), if SECRET.contains(&name.as_str()) { HIDDEN } else { value })
    })
}

/// What can be made of a configuration.
pub trait FromClientConfig: Sized {
    /// Creates it, with a context that does nothing.
    ///
    /// # Errors
    /// As [`ClientConfig::create`].
    fn from_config(config: &ClientConfig) -> KafkaResult<Self>;
}

/// What can be made of a configuration and a context.
pub trait FromClientConfigAndContext<C: ClientContext>: Sized {
    /// Creates it.
    ///
    /// # Errors
    /// As [`ClientConfig::create`].
    fn from_config_and_context(config: &ClientConfig, context: C) -> KafkaResult<Self>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brokers_may_lack_a_port_and_have_a_protocol() {
        assert_eq!(
            with_ports("a, b:1,PLAINTEXT://c,[::1],[::1]:2"),
            "a:9092,b:1,PLAINTEXT://c:9092,[::1]:9092,[::1]:2"
        );
    }

    #[test]
    fn defaults_are_librdkafkas_and_values_that_were_set_are_found_by_any_name() {
        let mut config = ClientConfig::new();
        config.set("delivery.timeout.ms", "7").set("sasl.password", "secret");
        let native = config.create_native_config().expect("all are allowed");
        assert_eq!(native.get("session.timeout.ms"), Ok("45000".to_owned()));
        assert_eq!(native.get("message.timeout.ms"), Ok("7".to_owned()));
        assert_eq!(native.properties().get("partitioner"), Some("consistent_random"));
        assert!(!format!("{config:?}{native:?}").contains("secret"));
    }
}
