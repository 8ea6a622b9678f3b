//! Configs of topics, brokers, groups, loggers and client metrics.

use std::collections::BTreeMap;
use std::fmt;

use super::wire_enum::numbered;
use super::{Admin, Outcomes, check, keys};
use crate::cluster::{Item, Route};
use crate::error::Result;
use crate::ids::BrokerId;
use crate::wire::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult,
    DescribeConfigsResponse,
};
use crate::wire::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
};
use crate::wire::messages::list_config_resources::{
    ListConfigResourcesRequest, ListConfigResourcesResponse,
};

numbered! {
    /// The type of a resource that has configs.
    ConfigResourceType(i8) {
        /// A topic.
        Topic = 2, "topic";
        /// A broker, or all brokers if the name is empty.
        Broker = 4, "broker";
        /// The loggers of a broker.
        BrokerLogger = 8, "broker-logger";
        /// A subscription to client metrics (KIP-714).
        ClientMetrics = 16, "client-metrics";
        /// A group.
        Group = 32, "group";
    }
}

numbered! {
    /// Where a config's value comes from.
    ConfigSource(i8) {
        /// Set for this topic.
        DynamicTopic = 1, "dynamic-topic";
        /// Set for this broker, dynamically.
        DynamicBroker = 2, "dynamic-broker";
        /// Set for all brokers, dynamically.
        DynamicDefaultBroker = 3, "dynamic-default-broker";
        /// Set in the broker's properties file.
        StaticBroker = 4, "static-broker";
        /// The default: not set anywhere.
        Default = 5, "default";
        /// Set for this broker's logger.
        DynamicBrokerLogger = 6, "dynamic-broker-logger";
        /// Set for this client metrics subscription.
        DynamicClientMetrics = 7, "dynamic-client-metrics";
        /// Set for this group.
        DynamicGroup = 8, "dynamic-group";
    }
}

numbered! {
    /// The type of a config's value.
    ConfigType(i8) {
        /// `true` or `false`.
        Boolean = 1, "boolean";
        /// Text.
        String = 2, "string";
        /// A 32-bit integer.
        Int = 3, "int";
        /// A 16-bit integer.
        Short = 4, "short";
        /// A 64-bit integer.
        Long = 5, "long";
        /// A floating-point number.
        Double = 6, "double";
        /// A comma-separated list.
        List = 7, "list";
        /// The name of a Java class.
        Class = 8, "class";
        /// A secret, which is not shown.
        Password = 9, "password";
    }
}

/// A resource that has configs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct ConfigResource {
    /// The type of the resource.
    pub kind: ConfigResourceType,
    /// The name of the resource; for a broker, its id.
    pub name: String,
}

impl ConfigResource {
    fn new(kind: ConfigResourceType, name: impl Into<String>) -> Self {
        Self { kind, name: name.into() }
    }

    /// A topic.
    pub fn topic(name: impl AsRef<str>) -> Self {
        Self::new(ConfigResourceType::Topic, name.as_ref())
    }

    /// A broker.
    pub fn broker(id: impl Into<BrokerId>) -> Self {
        Self::new(ConfigResourceType::Broker, id.into().to_string())
    }

    /// The configs of all brokers without a setting of their own.
    pub fn all_brokers() -> Self {
        Self::new(ConfigResourceType::Broker, "")
    }

    /// The loggers of a broker. Their configs are log levels.
    pub fn broker_loggers(id: impl Into<BrokerId>) -> Self {
        Self::new(ConfigResourceType::BrokerLogger, id.into().to_string())
    }

    /// A group (KIP-848, KIP-932).
    pub fn group(id: impl AsRef<str>) -> Self {
        Self::new(ConfigResourceType::Group, id.as_ref())
    }

    /// A subscription to client metrics (KIP-714).
    pub fn client_metrics(name: impl AsRef<str>) -> Self {
        Self::new(ConfigResourceType::ClientMetrics, name.as_ref())
    }

    /// Broker and logger configs are known to that broker only.
    fn broker_id(&self) -> Option<BrokerId> {
        match self.kind {
            ConfigResourceType::Broker | ConfigResourceType::BrokerLogger => {
                self.name.parse().ok().map(BrokerId)
            }
            _ => None,
        }
    }

    fn route(&self) -> Route {
        self.broker_id().map_or(Route::Any, Route::Broker)
    }

    /// Changes go to the controller, but those of a broker to it, which checks what others cannot.
    /// Controllers keep configs of brokers as they do all others, but each has loggers of its own
    /// (KIP-919).
    fn route_of_change(&self, asks_controllers: bool) -> Route {
        let of_active = asks_controllers && self.kind != ConfigResourceType::BrokerLogger;
        let broker = self.broker_id().filter(|_| !of_active);
        broker.map_or(Route::Controller, Route::Broker)
    }
}

impl fmt::Display for ConfigResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.as_str() {
            "" => write!(f, "{} (all)", self.kind),
            name => write!(f, "{} {name}", self.kind),
        }
    }
}

impl Item for ConfigResource {
    const KIND: &'static str = "configs of";
}

/// A config and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigEntry {
    /// The name of the config.
    pub name: String,
    /// The value; `None` if there is none or it is sensitive.
    pub value: Option<String>,
    /// Where the value comes from.
    pub source: ConfigSource,
    /// Whether the config cannot be changed while the broker runs.
    pub is_read_only: bool,
    /// Whether the value is never shown.
    pub is_sensitive: bool,
    /// The type of the value, if the broker tells (2.6 and newer).
    pub kind: Option<ConfigType>,
    /// The other sources of the value, in order of precedence.
    pub synonyms: Vec<ConfigSynonym>,
    /// The documentation of the config, if the broker tells (2.6 and newer).
    pub documentation: Option<String>,
}

impl ConfigEntry {
    pub(super) fn new(name: &str, source: ConfigSource) -> Self {
        Self {
            name: name.to_owned(),
            value: None,
            source,
            is_read_only: false,
            is_sensitive: false,
            kind: None,
            synonyms: Vec::new(),
            documentation: None,
        }
    }

    /// Returns whether the config has its default value because it is not set anywhere.
    pub fn is_default(&self) -> bool {
        self.source == ConfigSource::Default
    }
}

/// One source of a config's value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigSynonym {
    /// The name of the config in this source.
    pub name: String,
    /// The value in this source.
    pub value: Option<String>,
    /// The source.
    pub source: ConfigSource,
}

/// A change of one config (KIP-339).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigAlteration {
    /// Sets the config.
    Set {
        /// The name of the config.
        name: String,
        /// The new value.
        value: String,
    },
    /// Deletes the config, which reverts it to its inherited or default value.
    Delete {
        /// The name of the config.
        name: String,
    },
    /// Appends elements to a list.
    Append {
        /// The name of the config.
        name: String,
        /// The elements, comma-separated.
        values: String,
    },
    /// Removes elements from a list.
    Subtract {
        /// The name of the config.
        name: String,
        /// The elements, comma-separated.
        values: String,
    },
}

impl ConfigAlteration {
    /// Sets a config.
    pub fn set(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self::Set { name: name.into(), value: value.into() }
    }

    /// Deletes a config, which reverts it to its inherited or default value.
    pub fn delete(name: impl Into<String>) -> Self {
        Self::Delete { name: name.into() }
    }

    /// Appends comma-separated elements to a list.
    pub fn append(name: impl Into<String>, values: impl Into<String>) -> Self {
        Self::Append { name: name.into(), values: values.into() }
    }

    /// Removes comma-separated elements from a list.
    pub fn subtract(name: impl Into<String>, values: impl Into<String>) -> Self {
        Self::Subtract { name: name.into(), values: values.into() }
    }

    fn as_request(&self) -> AlterableConfig<'_> {
        let (config_operation, name, value) = match self {
            Self::Set { name, value } => (0, name, Some(value.as_str())),
            Self::Delete { name } => (1, name, None),
            Self::Append { name, values } => (2, name, Some(values.as_str())),
            Self::Subtract { name, values } => (3, name, Some(values.as_str())),
        };
        AlterableConfig { name, config_operation, value }
    }
}

impl Admin {
    /// Describes all configs, with their synonyms, of topics, brokers, groups, loggers and client
    /// metrics.
    ///
    /// # Errors
    /// For a resource:
    /// [`UNKNOWN_TOPIC_OR_PARTITION`](crate::ErrorCode::UNKNOWN_TOPIC_OR_PARTITION); the class
    /// [`Class::InvalidConfiguration`](crate::Class::InvalidConfiguration) if the client lacks the
    /// permission.
    pub async fn describe_configs(
        &self,
        resources: impl IntoIterator<Item = ConfigResource>,
    ) -> Outcomes<ConfigResource, Vec<ConfigEntry>> {
        self.configs(resources, false).await
    }

    /// As [`Admin::describe_configs`], including the documentation of each config: about 50 kB per
    /// resource.
    ///
    /// # Errors
    /// As [`Admin::describe_configs`], and
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) before Kafka 2.6.
    pub async fn describe_configs_with_documentation(
        &self,
        resources: impl IntoIterator<Item = ConfigResource>,
    ) -> Outcomes<ConfigResource, Vec<ConfigEntry>> {
        self.configs(resources, true).await
    }

    async fn configs(
        &self,
        resources: impl IntoIterator<Item = ConfigResource>,
        with_documentation: bool,
    ) -> Outcomes<ConfigResource, Vec<ConfigEntry>> {
        let resources = keys::<ConfigResource>(resources);
        let read = |_: &[_], response: &DescribeConfigsResponse<'_>| {
            let described = response.results.iter().map(|result| {
                let resource = ConfigResource::new(
                    ConfigResourceType::from_code(result.resource_type),
                    result.resource_name,
                );
                let entries = || result.configs.iter().map(entry).collect();
                (resource, check(result.error_code, result.error_message).map(|()| entries()))
            });
            Ok(described.collect())
        };
        self.ask_each(
            &resources,
            ConfigResource::route,
            |share, _| DescribeConfigsRequest {
                resources: share
                    .iter()
                    .map(|(resource, ())| DescribeConfigsResource {
                        resource_type: resource.kind.code(),
                        resource_name: &resource.name,
                        configuration_keys: None,
                    })
                    .collect(),
                include_synonyms: true,
                include_documentation: with_documentation,
            },
            read,
        )
        .await
    }

    /// Changes configs incrementally; other configs keep their values.
    ///
    /// # Errors
    /// For a resource, none of whose configs is then changed: the class
    /// [`Class::Rejected`](crate::Class::Rejected), for example
    /// [`INVALID_CONFIG`](crate::ErrorCode::INVALID_CONFIG);
    /// [`UNKNOWN_TOPIC_OR_PARTITION`](crate::ErrorCode::UNKNOWN_TOPIC_OR_PARTITION).
    pub async fn alter_configs(
        &self,
        alterations: impl IntoIterator<Item = (ConfigResource, Vec<ConfigAlteration>)>,
    ) -> Outcomes<ConfigResource, ()> {
        let mut merged: BTreeMap<ConfigResource, Vec<ConfigAlteration>> = BTreeMap::new();
        for (resource, alterations) in alterations {
            merged.entry(resource).or_default().extend(alterations);
        }
        let read = |_: &[_], response: &IncrementalAlterConfigsResponse<'_>| {
            let altered = response.responses.iter().map(|result| {
                let resource = ConfigResource::new(
                    ConfigResourceType::from_code(result.resource_type),
                    result.resource_name,
                );
                (resource, check(result.error_code, result.error_message))
            });
            Ok(altered.collect())
        };
        let asks_controllers = self.cluster.config().asks_controllers();
        self.ask_each(
            &merged,
            |resource| resource.route_of_change(asks_controllers),
            |share, _| IncrementalAlterConfigsRequest {
                resources: share
                    .iter()
                    .map(|(resource, alterations)| AlterConfigsResource {
                        resource_type: resource.kind.code(),
                        resource_name: &resource.name,
                        configs: alterations.iter().map(ConfigAlteration::as_request).collect(),
                    })
                    .collect(),
                validate_only: self.validates_only,
            },
            read,
        )
        .await
    }

    /// Lists the resources of some types that have configs; with no type given, those of every
    /// type.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) before Kafka 4.1, or before 3.7
    /// for client metrics only.
    pub async fn list_config_resources(
        &self,
        kinds: impl IntoIterator<Item = ConfigResourceType>,
    ) -> Result<Vec<ConfigResource>> {
        let mut kinds: Vec<ConfigResourceType> = kinds.into_iter().collect();
        if kinds.is_empty() {
            use ConfigResourceType::{Broker, BrokerLogger, ClientMetrics, Group, Topic};
            kinds = vec![Topic, Broker, BrokerLogger, ClientMetrics, Group];
        }
        // Version 0 lists client metrics and cannot be asked for more: that is refused when the
        // request is written.
        let only_metrics = kinds == [ConfigResourceType::ClientMetrics];
        let request = |version| ListConfigResourcesRequest {
            resource_types: kinds
                .iter()
                .filter(|_| version >= 1 || !only_metrics)
                .map(|kind| kind.code())
                .collect(),
        };
        let read = |response: &ListConfigResourcesResponse<'_>| {
            check(response.error_code, None)?;
            let listed = response.config_resources.iter();
            let listed = listed.map(|found| {
                ConfigResource::new(
                    ConfigResourceType::from_code(found.resource_type),
                    found.resource_name,
                )
            });
            Ok(listed.collect())
        };
        self.ask(Route::Any, request, read).await
    }
}

fn entry(config: &DescribeConfigsResourceResult<'_>) -> ConfigEntry {
    let synonyms = config.synonyms.iter().map(|synonym| ConfigSynonym {
        name: synonym.name.to_owned(),
        value: synonym.value.map(str::to_owned),
        source: ConfigSource::from_code(synonym.source),
    });
    ConfigEntry {
        value: config.value.map(str::to_owned),
        is_read_only: config.read_only,
        is_sensitive: config.is_sensitive,
        kind: Some(config.config_type).filter(|kind| *kind != 0).map(ConfigType::from_code),
        synonyms: synonyms.collect(),
        documentation: config.documentation.map(str::to_owned),
        ..ConfigEntry::new(config.name, ConfigSource::from_code(config.config_source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_a_broker_knows_is_asked_of_it() {
        assert_eq!(ConfigResource::broker(3).route(), Route::Broker(BrokerId(3)));
        assert_eq!(
            ConfigResource::broker_loggers(3).route_of_change(true),
            Route::Broker(BrokerId(3))
        );
        assert_eq!(ConfigResource::broker(3).route_of_change(false), Route::Broker(BrokerId(3)));
        assert_eq!(ConfigResource::broker(3).route_of_change(true), Route::Controller);
        assert_eq!(ConfigResource::all_brokers().route(), Route::Any);
        assert_eq!(
            ConfigResource::topic("3").route(),
            Route::Any,
            "a topic may be named like a broker"
        );
        assert_eq!(ConfigResource::group("g").route_of_change(false), Route::Controller);
    }

    #[test]
    fn a_deletion_has_no_value() {
        let request = ConfigAlteration::delete("cleanup.policy");
        assert_eq!(
            request.as_request(),
            AlterableConfig { name: "cleanup.policy", config_operation: 1, value: None }
        );
        let request = ConfigAlteration::append("cleanup.policy", "compact");
        assert_eq!(
            request.as_request(),
            AlterableConfig { name: "cleanup.policy", config_operation: 2, value: Some("compact") }
        );
    }
}
