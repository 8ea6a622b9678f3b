//! Configs of topics, brokers, groups, loggers and client metrics.

use std::collections::BTreeMap;
use std::fmt;

use super::wire_enum::numbered;
use super::{Admin, Outcomes, check, keys};
use crate::cluster::{Item, Route};
use crate::error::Result;
use crate::ids::BrokerId;
use crate::wire::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResourceResult, DescribeConfigsResponse,
};
use crate::wire::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};
use crate::wire::messages::list_config_resources::{ListConfigResourcesRequest, ListConfigResourcesResponse};

numbered! {
    /// What has configs.
    ConfigResourceType(i8) {
        /// A topic.
        Topic = 2, "topic";
        /// A broker, or with an empty name all brokers.
        Broker = 4, "broker";
        /// The loggers of a broker.
        BrokerLogger = 8, "broker-logger";
        /// A subscription to metrics of clients (KIP-714).
        ClientMetrics = 16, "client-metrics";
        /// A group.
        Group = 32, "group";
    }
}

numbered! {
    /// Where a config's value comes from.
    ConfigSource(i8) {
        /// It was set for this topic.
        DynamicTopic = 1, "dynamic-topic";
        /// It was set for this broker while it ran.
        DynamicBroker = 2, "dynamic-broker";
        /// It was set for all brokers while they ran.
        DynamicDefaultBroker = 3, "dynamic-default-broker";
        /// It stands in the broker's file.
        StaticBroker = 4, "static-broker";
        /// Nobody has set it.
        Default = 5, "default";
        /// It was set for this broker's logger.
        DynamicBrokerLogger = 6, "dynamic-broker-logger";
        /// It was set for this subscription.
        DynamicClientMetrics = 7, "dynamic-client-metrics";
        /// It was set for this group.
        DynamicGroup = 8, "dynamic-group";
    }
}

numbered! {
    /// What values a config takes.
    ConfigType(i8) {
        /// `true` or `false`.
        Boolean = 1, "boolean";
        /// Text.
        String = 2, "string";
        /// 32 bits.
        Int = 3, "int";
        /// 16 bits.
        Short = 4, "short";
        /// 64 bits.
        Long = 5, "long";
        /// A number with a fraction.
        Double = 6, "double";
        /// Words with commas between.
        List = 7, "list";
        /// The name of a Java class.
        Class = 8, "class";
        /// What is not shown.
        Password = 9, "password";
    }
}

/// One thing that has configs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct ConfigResource {
    /// What it is.
    pub kind: ConfigResourceType,
    /// Its name, which for a broker is its number.
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

    /// What holds for every broker that has nothing else set.
    pub fn all_brokers() -> Self {
        Self::new(ConfigResourceType::Broker, "")
    }

    /// The loggers of a broker, whose configs are their levels.
    pub fn broker_loggers(id: impl Into<BrokerId>) -> Self {
        Self::new(ConfigResourceType::BrokerLogger, id.into().to_string())
    }

    /// A group (KIP-848, KIP-932).
    pub fn group(id: impl AsRef<str>) -> Self {
        Self::new(ConfigResourceType::Group, id.as_ref())
    }

    /// A subscription to metrics of clients (KIP-714).
    pub fn client_metrics(name: impl AsRef<str>) -> Self {
        Self::new(ConfigResourceType::ClientMetrics, name.as_ref())
    }

    /// Broker and logger configs are known to that broker only.
    fn broker_id(&self) -> Option<BrokerId> {
        match self.kind {
            ConfigResourceType::Broker | ConfigResourceType::BrokerLogger => self.name.parse().ok().map(BrokerId),
            _ => None,
        }
    }

    fn route(&self) -> Route {
        self.broker_id().map_or(Route::Any, Route::Broker)
    }

    /// Changes go to the controller, but those of a broker to it, which checks what others cannot.
    fn route_of_change(&self) -> Route {
        self.broker_id().map_or(Route::Controller, Route::Broker)
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
    /// Its name.
    pub name: String,
    /// Its value; `None` if there is none, or if it is sensitive.
    pub value: Option<String>,
    /// Where the value comes from.
    pub source: ConfigSource,
    /// Whether it cannot be changed while the broker runs.
    pub is_read_only: bool,
    /// Whether its value is never shown.
    pub is_sensitive: bool,
    /// What values it takes, if the broker says so (2.6 and newer).
    pub kind: Option<ConfigType>,
    /// Where the value would come from if it were not set here, in the order in which Kafka looks.
    pub synonyms: Vec<ConfigSynonym>,
    /// What it is for, if the broker says so (2.6 and newer).
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

    /// Whether nobody has set it.
    pub fn is_default(&self) -> bool {
        self.source == ConfigSource::Default
    }
}

/// A place where a config's value may come from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigSynonym {
    /// The config's name there.
    pub name: String,
    /// The value there.
    pub value: Option<String>,
    /// The place.
    pub source: ConfigSource,
}

/// A change of one config (KIP-339).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigAlteration {
    /// Sets it.
    Set {
        /// Its name.
        name: String,
        /// Its new value.
        value: String,
    },
    /// Goes back to what holds without it.
    Delete {
        /// Its name.
        name: String,
    },
    /// Adds words to a list.
    Append {
        /// Its name.
        name: String,
        /// The words, with commas between.
        values: String,
    },
    /// Takes words out of a list.
    Subtract {
        /// Its name.
        name: String,
        /// The words, with commas between.
        values: String,
    },
}

impl ConfigAlteration {
    /// Sets a config.
    pub fn set(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self::Set { name: name.into(), value: value.into() }
    }

    /// Goes back to what holds without it.
    pub fn delete(name: impl Into<String>) -> Self {
        Self::Delete { name: name.into() }
    }

    /// Adds words, with commas between, to a list.
    pub fn append(name: impl Into<String>, values: impl Into<String>) -> Self {
        Self::Append { name: name.into(), values: values.into() }
    }

    /// Takes words, with commas between, out of a list.
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
    /// Describes the configs of topics, brokers, groups, loggers and client metrics: all of them, with their synonyms.
    ///
    /// # Errors
    /// Of a resource: UNKNOWN_TOPIC_OR_PARTITION; Config if the client may not see it.
    pub async fn describe_configs(
        &self,
        resources: impl IntoIterator<Item = ConfigResource>,
    ) -> Outcomes<ConfigResource, Vec<ConfigEntry>> {
        self.configs(resources, false).await
    }

    /// [`Admin::describe_configs`], with what each is for: an answer of some 50 kB for each resource.
    ///
    /// # Errors
    /// As [`Admin::describe_configs`]; Unsupported before Kafka 2.6.
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
                let resource = ConfigResource::new(ConfigResourceType::from_code(result.resource_type), result.resource_name);
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

    /// Changes configs, and leaves alone what is not named.
    ///
    /// # Errors
    /// Of a resource: Rejected, such as INVALID_CONFIG; UNKNOWN_TOPIC_OR_PARTITION. Then none of its configs is changed.
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
                let resource = ConfigResource::new(ConfigResourceType::from_code(result.resource_type), result.resource_name);
                (resource, check(result.error_code, result.error_message))
            });
            Ok(altered.collect())
        };
        self.ask_each(
            &merged,
            ConfigResource::route_of_change,
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

    /// Lists what has configs of some kinds; of none, of every kind.
    ///
    /// # Errors
    /// Unsupported before Kafka 4.1, but for client metrics, which 3.7 lists.
    pub async fn list_config_resources(
        &self,
        kinds: impl IntoIterator<Item = ConfigResourceType>,
    ) -> Result<Vec<ConfigResource>> {
        let mut kinds: Vec<ConfigResourceType> = kinds.into_iter().collect();
        if kinds.is_empty() {
            use ConfigResourceType::{Broker, BrokerLogger, ClientMetrics, Group, Topic};
            kinds = vec![Topic, Broker, BrokerLogger, ClientMetrics, Group];
        }
        // Version 0 lists client metrics and cannot be asked for more: that is refused when the request is written.
        let only_metrics = kinds == [ConfigResourceType::ClientMetrics];
        let request = |version| ListConfigResourcesRequest {
            resource_types: kinds.iter().filter(|_| version >= 1 || !only_metrics).map(|kind| kind.code()).collect(),
        };
        let read = |response: &ListConfigResourcesResponse<'_>| {
            check(response.error_code, None)?;
            let listed = response.config_resources.iter();
            let listed =
                listed.map(|found| ConfigResource::new(ConfigResourceType::from_code(found.resource_type), found.resource_name));
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
        assert_eq!(ConfigResource::broker_loggers(3).route_of_change(), Route::Broker(BrokerId(3)));
        assert_eq!(ConfigResource::all_brokers().route(), Route::Any);
        assert_eq!(ConfigResource::topic("3").route(), Route::Any, "a topic may be named like a broker");
        assert_eq!(ConfigResource::group("g").route_of_change(), Route::Controller);
    }

    #[test]
    fn a_deletion_has_no_value() {
        let request = ConfigAlteration::delete("cleanup.policy");
        assert_eq!(request.as_request(), AlterableConfig { name: "cleanup.policy", config_operation: 1, value: None });
        let request = ConfigAlteration::append("cleanup.policy", "compact");
        assert_eq!(request.as_request(), AlterableConfig { name: "cleanup.policy", config_operation: 2, value: Some("compact") });
    }
}
