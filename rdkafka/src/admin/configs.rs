//! Configurations of topics, groups and brokers.

use std::collections::HashMap;

use crate::error::RDKafkaErrorCode;

/// The configuration of a resource, or why it cannot be had.
pub type ConfigResourceResult = Result<ConfigResource, RDKafkaErrorCode>;

/// What has a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceSpecifier<'a> {
    /// A topic.
    Topic(&'a str),
    /// A group.
    Group(&'a str),
    /// A broker.
    Broker(i32),
}

impl ResourceSpecifier<'_> {
    pub(super) fn into_owned(self) -> OwnedResourceSpecifier {
        match self {
            Self::Topic(name) => OwnedResourceSpecifier::Topic(name.to_owned()),
            Self::Group(name) => OwnedResourceSpecifier::Group(name.to_owned()),
            Self::Broker(id) => OwnedResourceSpecifier::Broker(id),
        }
    }
}

/// The same with a name of its own.
#[derive(Debug, PartialEq, Eq)]
pub enum OwnedResourceSpecifier {
    /// A topic.
    Topic(String),
    /// A group.
    Group(String),
    /// A broker.
    Broker(i32),
}

impl OwnedResourceSpecifier {
    pub(super) fn resource(&self) -> kavka::admin::ConfigResource {
        match self {
            Self::Topic(name) => kavka::admin::ConfigResource::topic(name),
            Self::Group(name) => kavka::admin::ConfigResource::group(name),
            Self::Broker(id) => kavka::admin::ConfigResource::broker(*id),
        }
    }

    /// Whether an entry has been set for just this resource.
    pub(super) fn has_set(&self, entry: &kavka::admin::ConfigEntry) -> bool {
        use kavka::admin::ConfigSource;
        entry.source
            == match self {
                Self::Topic(_) => ConfigSource::DynamicTopic,
                Self::Group(_) => ConfigSource::DynamicGroup,
                Self::Broker(_) => ConfigSource::DynamicBroker,
            }
    }
}

/// Where the value of an entry is from.
#[derive(Debug, PartialEq, Eq)]
pub enum ConfigSource {
    /// From somewhere else.
    Unknown,
    /// From the topic.
    DynamicTopic,
    /// From the broker, at run time.
    DynamicBroker,
    /// From the default of all brokers, at run time.
    DynamicDefaultBroker,
    /// From the broker's file.
    StaticBroker,
    /// From Kafka.
    Default,
}

/// An entry of a configuration.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Its name.
    pub name: String,
    /// Its value, unless it is a secret.
    pub value: Option<String>,
    /// Where the value is from.
    pub source: ConfigSource,
    /// It cannot be changed.
    pub is_read_only: bool,
    /// The value is Kafka's default.
    pub is_default: bool,
    /// It is a secret.
    pub is_sensitive: bool,
}

impl ConfigEntry {
    pub(super) fn of(entry: kavka::admin::ConfigEntry) -> Self {
        let source = match entry.source {
            kavka::admin::ConfigSource::DynamicTopic => ConfigSource::DynamicTopic,
            kavka::admin::ConfigSource::DynamicBroker => ConfigSource::DynamicBroker,
            kavka::admin::ConfigSource::DynamicDefaultBroker => ConfigSource::DynamicDefaultBroker,
            kavka::admin::ConfigSource::StaticBroker => ConfigSource::StaticBroker,
            kavka::admin::ConfigSource::Default => ConfigSource::Default,
            _ => ConfigSource::Unknown,
        };
        Self {
            name: entry.name,
            value: entry.value,
            is_default: source == ConfigSource::Default,
            source,
            is_read_only: entry.is_read_only,
            is_sensitive: entry.is_sensitive,
        }
    }
}

/// A resource with its configuration.
#[derive(Debug)]
pub struct ConfigResource {
    /// Whose it is.
    pub specifier: OwnedResourceSpecifier,
    /// Its entries.
    pub entries: Vec<ConfigEntry>,
}

impl ConfigResource {
    /// Returns the entries by name.
    pub fn entry_map(&self) -> HashMap<&str, &ConfigEntry> {
        self.entries.iter().map(|entry| (entry.name.as_str(), entry)).collect()
    }

    /// Returns an entry.
    pub fn get(&self, name: &str) -> Option<&ConfigEntry> {
        self.entries.iter().find(|entry| entry.name == name)
    }
}

/// What became of the configuration of a resource.
pub type AlterConfigsResult =
    Result<OwnedResourceSpecifier, (OwnedResourceSpecifier, RDKafkaErrorCode)>;

/// The configuration that a resource is to have.
#[derive(Debug)]
pub struct AlterConfig<'a> {
    /// Whose it is.
    pub specifier: ResourceSpecifier<'a>,
    /// Its entries.
    pub entries: HashMap<&'a str, &'a str>,
}

impl<'a> AlterConfig<'a> {
    /// Creates a configuration without entries.
    pub fn new(specifier: ResourceSpecifier<'_>) -> AlterConfig<'_> {
        AlterConfig { specifier, entries: HashMap::new() }
    }

    /// Sets an entry.
    #[must_use]
    pub fn set(mut self, key: &'a str, value: &'a str) -> Self {
        self.entries.insert(key, value);
        self
    }

    pub(super) fn owned(&self) -> (OwnedResourceSpecifier, Vec<(String, String)>) {
        let entries = self.entries.iter();
        let entries = entries.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        (self.specifier.into_owned(), entries.collect())
    }
}
