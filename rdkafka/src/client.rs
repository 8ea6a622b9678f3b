//! What all clients have: a context whose methods they call, and questions about the cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use kavka::admin::{GroupFilter, OffsetSpec};
use kavka::hooks::{ConnectFailed, Hooks};
use kavka::{BoxFuture, BrokerAddress, Connector, Io, Sasl, SaslError, Token, TokenSource};
use tokio::sync::oneshot;

use crate::config::{NativeClientConfig, RDKafkaLogLevel};
use crate::error::{KafkaError, KafkaResult, RDKafkaErrorCode, code_of};
use crate::events::ClientEvent;
use crate::groups::{GroupInfo, GroupList, GroupMemberInfo};
use crate::log::{debug, error, info, warn};
use crate::metadata::{Metadata, MetadataBroker, MetadataPartition, MetadataTopic};
use crate::runtime;
use crate::statistics::Statistics;
use crate::util::Timeout;

/// What a client tells the program, and asks of it. It is called on the thread that polls.
pub trait ClientContext: Send + Sync {
    /// Whether tokens come from [`ClientContext::generate_oauth_token`].
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = false;

    /// Logs. It is not called: kavka logs by way of `tracing`, and without a subscriber there by way
    /// of `log`.
    fn log(&self, level: RDKafkaLogLevel, fac: &str, log_message: &str) {
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error => {
                error!(target: "librdkafka", "librdkafka: {fac} {log_message}")
            }
            RDKafkaLogLevel::Warning => {
                warn!(target: "librdkafka", "librdkafka: {fac} {log_message}")
            }
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
                info!(target: "librdkafka", "librdkafka: {fac} {log_message}");
            }
            RDKafkaLogLevel::Debug => {
                debug!(target: "librdkafka", "librdkafka: {fac} {log_message}")
            }
        }
    }

    /// Takes the statistics of each `statistics.interval.ms`.
    fn stats(&self, statistics: Statistics) {
        info!("Client stats: {statistics:?}");
    }

    /// Takes the same as JSON.
    fn stats_raw(&self, statistics: &[u8]) {
        match serde_json::from_slice(statistics) {
            Ok(statistics) => self.stats(statistics),
            Err(error) => error!("Could not parse statistics JSON: {error}"),
        }
    }

    /// Hears of what goes wrong where no call can tell of it.
    fn error(&self, error: KafkaError, reason: &str) {
        error!("librdkafka: {error}: {reason}");
    }

    /// Returns a token, if [`ClientContext::ENABLE_REFRESH_OAUTH_TOKEN`] says so.
    ///
    /// # Errors
    /// Why there is none.
    fn generate_oauth_token(
        &self,
        _oauthbearer_config: Option<&str>,
    ) -> Result<OAuthToken, Box<dyn Error>> {
        Err("Default implementation of generate_oauth_token must be overridden".into())
    }
}

/// A context that does nothing of its own.
#[derive(Clone, Debug, Default)]
pub struct DefaultClientContext;

impl ClientContext for DefaultClientContext {}

/// A token of OAUTHBEARER.
#[derive(Clone)]
pub struct OAuthToken {
    /// The token.
    pub token: String,
    /// Whose it is.
    pub principal_name: String,
    /// When it ends, in milliseconds since 1970.
    pub lifetime_ms: i64,
}

impl fmt::Debug for OAuthToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthToken")
            .field("principal_name", &self.principal_name)
            .field("lifetime_ms", &self.lifetime_ms)
            .finish_non_exhaustive()
    }
}

/// What all clients share.
pub struct Client<C: ClientContext = DefaultClientContext> {
    kavka: kavka::Client,
    context: Arc<C>,
}

impl<C: ClientContext> Client<C> {
    /// Makes one whose events go to `tell`.
    pub(crate) fn create(
        config: &NativeClientConfig,
        context: Arc<C>,
        tell: impl Fn(ClientEvent) + Clone + Send + Sync + 'static,
    ) -> KafkaResult<Self> {
        let created = |error: kavka::Error| KafkaError::ClientCreation(error.to_string());
        let mut properties = config.properties();
        let asks_for_tokens = C::ENABLE_REFRESH_OAUTH_TOKEN
            && config.text("sasl.mechanisms").is_some_and(|name| name == "OAUTHBEARER")
            && config.get("sasl.oauthbearer.method")? == "default";
        if asks_for_tokens {
            properties = properties
                .iter()
                .filter(|(name, _)| !matches!(*name, "sasl.mechanisms" | "sasl.mechanism"))
                .collect();
        }
        let has_nowhere_to_go = config.text("bootstrap.servers").is_none();
        if has_nowhere_to_go {
            properties.set("bootstrap.servers", NOWHERE);
        }
        let mut settings = kavka::ClientConfig::from_properties(&properties).map_err(created)?;
        if has_nowhere_to_go {
            settings = settings.connector(Nowhere);
        }
        let told = tell.clone();
        settings = settings
            .statistics_callback(move |json| told(ClientEvent::Statistics(json.to_owned())))
            .hooks(Troubles(tell.clone()));
        if asks_for_tokens {
            let config = config.text("sasl.oauthbearer.config");
            settings = settings.sasl(Sasl::oauthbearer(Tokens { config, tell: Box::new(tell) }));
        }
        let _runtime = runtime::enter();
        let kavka = kavka::Client::new(settings).map_err(created)?;
        Ok(Self { kavka, context })
    }

    /// Returns the context.
    pub fn context(&self) -> &Arc<C> {
        &self.context
    }

    /// Returns kavka's client, for what rust-rdkafka has no call for.
    pub fn kavka(&self) -> &kavka::Client {
        &self.kavka
    }

    /// Asks for brokers, topics and partitions: of one topic, or of all.
    ///
    /// # Errors
    /// [`KafkaError::MetadataFetch`].
    pub fn fetch_metadata<T: Into<Timeout>>(
        &self,
        topic: Option<&str>,
        timeout: T,
    ) -> KafkaResult<Metadata> {
        let (kavka, topic) = (self.kavka.clone(), topic.map(str::to_owned));
        self.ask(timeout, KafkaError::MetadataFetch, async move { metadata(&kavka, topic).await })
    }

    /// Asks for the first offset of a partition, and for the one behind the last.
    ///
    /// # Errors
    /// [`KafkaError::MetadataFetch`].
    pub fn fetch_watermarks<T: Into<Timeout>>(
        &self,
        topic: &str,
        partition: i32,
        timeout: T,
    ) -> KafkaResult<(i64, i64)> {
        let partition = kavka::TopicPartition::new(topic, partition);
        let admin = self.kavka.admin();
        self.ask(timeout, KafkaError::MetadataFetch, async move {
            let mut ends = [-1; 2];
            for (end, spec) in ends.iter_mut().zip([OffsetSpec::Earliest, OffsetSpec::Latest]) {
                let found = admin.list_offsets([(partition.clone(), spec)]).await;
                for found in found.into_values() {
                    *end = found?.offset.map_or(-1, |offset| offset.0);
                }
            }
            let [low, high] = ends;
            Ok((low, high))
        })
    }

    /// Asks for the cluster's id.
    pub fn fetch_cluster_id<T: Into<Timeout>>(&self, timeout: T) -> Option<String> {
        let admin = self.kavka.admin();
        let asked = async move { admin.describe_cluster().await };
        self.ask(timeout, KafkaError::MetadataFetch, asked).ok()?.cluster_id
    }

    /// Asks for groups and their members: for one, or for all.
    ///
    /// # Errors
    /// [`KafkaError::GroupListFetch`].
    pub fn fetch_group_list<T: Into<Timeout>>(
        &self,
        group: Option<&str>,
        timeout: T,
    ) -> KafkaResult<GroupList> {
        let (admin, group) = (self.kavka.admin(), group.map(str::to_owned));
        self.ask(timeout, KafkaError::GroupListFetch, async move { groups(&admin, group).await })
    }

    /// Returns why the client cannot be used any longer. An error that is the end of a producer or
    /// consumer is told by its calls, so that there is none to be asked for here.
    pub fn fatal_error(&self) -> Option<(RDKafkaErrorCode, String)> {
        None
    }

    /// Waits for an answer, for so long.
    pub(crate) fn ask<T: Send + 'static>(
        &self,
        timeout: impl Into<Timeout>,
        failed: impl Fn(RDKafkaErrorCode) -> KafkaError,
        task: impl Future<Output = kavka::Result<T>> + Send + 'static,
    ) -> KafkaResult<T> {
        match runtime::block_on(timeout.into().deadline(), task) {
            Some(answer) => answer.map_err(|error| failed(code_of(&error))),
            None => Err(failed(RDKafkaErrorCode::OperationTimedOut)),
        }
    }
}

impl<C: ClientContext> fmt::Debug for Client<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("kavka", &self.kavka).finish_non_exhaustive()
    }
}

async fn metadata(client: &kavka::Client, topic: Option<String>) -> kavka::Result<Metadata> {
    let admin = client.admin();
    let cluster = admin.describe_cluster().await?;
    let names = match topic {
        Some(topic) => vec![kavka::TopicName::from(topic)],
        None => admin.list_topics().await?.into_iter().map(|topic| topic.name).collect(),
    };
    let topics = admin.describe_topics(names).await.into_iter();
    let topics = topics.map(|(name, described)| {
        let (partitions, error) = match described {
            Ok(topic) => (topic.partitions.iter().map(MetadataPartition::new).collect(), None),
            // Whoever asked in vain has asked for all.
            Err(error) if error.code().is_none() => return Err(error),
            Err(error) => (Vec::new(), Some(code_of(&error))),
        };
        Ok(MetadataTopic { name: name.to_string(), partitions, error })
    });
    let topics = topics.collect::<kavka::Result<_>>()?;
    let brokers: Vec<_> = cluster.brokers.iter().map(broker).collect();
    let named = |broker: &MetadataBroker| format!("{}:{}/{}", broker.host, broker.port, broker.id);
    Ok(Metadata {
        // Which of them has answered is not told.
        orig_broker_id: -1,
        orig_broker_name: brokers.first().map(named).unwrap_or_default(),
        brokers,
        topics,
    })
}

fn broker(broker: &kavka::admin::BrokerDescription) -> MetadataBroker {
    let port = i32::from(broker.address.port());
    MetadataBroker { id: broker.id.0, host: broker.address.host().to_owned(), port }
}

async fn groups(admin: &kavka::admin::Admin, group: Option<String>) -> kavka::Result<GroupList> {
    let names: Vec<_> = match group {
        Some(group) => vec![kavka::GroupId::from(group)],
        None => {
            let listed = admin.list_groups(GroupFilter::all()).await?;
            listed.items.into_iter().map(|group| group.id).collect()
        }
    };
    let mut groups = Vec::new();
    for (name, described) in admin.describe_consumer_groups(names).await {
        match described {
            Ok(group) => groups.push(GroupInfo {
                name: name.to_string(),
                members: group.members.iter().map(member).collect(),
                state: group.state.to_string(),
                protocol: group.assignor.unwrap_or_default(),
                protocol_type: "consumer".to_owned(),
            }),
            // A group of another kind, or none: librdkafka lists what it can read.
            Err(error) if error.code().is_some() => debug!("group {name}: {error}"),
            Err(error) => return Err(error),
        }
    }
    Ok(GroupList { groups })
}

fn member(member: &kavka::admin::ConsumerGroupMember) -> GroupMemberInfo {
    GroupMemberInfo {
        id: member.id.clone(),
        client_id: member.client_id.clone(),
        client_host: member.host.clone(),
        assignment: assignment(&member.assignment),
    }
}

/// What the member was assigned, as Kafka's consumers write it (ConsumerProtocolAssignment v0).
fn assignment(partitions: &BTreeSet<kavka::TopicPartition>) -> Vec<u8> {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for partition in partitions {
        topics.entry(&partition.topic).or_default().push(partition.partition.0);
    }
    let count = |length: usize| i32::try_from(length).unwrap_or(i32::MAX).to_be_bytes();
    let mut bytes = 0_i16.to_be_bytes().to_vec();
    bytes.extend(count(topics.len()));
    for (topic, partitions) in topics {
        // A topic's name has at most 249 characters.
        bytes.extend(i16::try_from(topic.len()).unwrap_or(i16::MAX).to_be_bytes());
        bytes.extend(topic.as_bytes());
        bytes.extend(count(partitions.len()));
        bytes.extend(partitions.into_iter().flat_map(i32::to_be_bytes));
    }
    // No data of the user's.
    bytes.extend((-1_i32).to_be_bytes());
    bytes
}

/// A name that no address has (RFC 6761).
const NOWHERE: &str = "nowhere.invalid:9092";

/// How a client without `bootstrap.servers` connects, which librdkafka allows.
#[derive(Debug)]
struct Nowhere;

impl Connector for Nowhere {
    fn connect<'a>(
        &'a self,
        _address: &'a BrokerAddress,
        _deadline: std::time::Instant,
    ) -> BoxFuture<'a, std::io::Result<Box<dyn Io>>> {
        Box::pin(async { Err(std::io::Error::other("no bootstrap.servers are configured")) })
    }
}

/// What the context hears of connections.
struct Troubles<F>(F);

impl<F: Fn(ClientEvent) + Send + Sync + 'static> Hooks for Troubles<F> {
    fn connect_failed(&self, event: &ConnectFailed<'_>) {
        let error = KafkaError::Global(code_of(event.error));
        (self.0)(ClientEvent::Error(error, format!("{}: {}", event.address, event.error)));
    }
}

/// Tokens that the program's context makes, when it polls.
struct Tokens {
    config: Option<String>,
    tell: Box<dyn Fn(ClientEvent) + Send + Sync>,
}

impl TokenSource for Tokens {
    fn token(&self, _now: kavka::Timestamp) -> BoxFuture<'_, Result<Token, SaslError>> {
        Box::pin(async {
            let (reply, answer) = oneshot::channel();
            (self.tell)(ClientEvent::Token { config: self.config.clone(), reply });
            let token = match answer.await {
                Ok(Ok(token)) => token,
                Ok(Err(why)) => return Err(SaslError::from(why)),
                Err(_) => return Err(SaslError::from("the client was dropped")),
            };
            Ok(Token::new(token.token).expires_at(kavka::Timestamp(token.lifetime_ms)))
        })
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_is_written_as_consumers_write_it() {
        let partitions = [("t", 1), ("t", 2)].map(|(t, p)| kavka::TopicPartition::new(t, p));
        let expected = b"\0\0\0\0\0\x01\0\x01t\0\0\0\x02\0\0\0\x01\0\0\0\x02\xff\xff\xff\xff";
        assert_eq!(assignment(&BTreeSet::from(partitions)), expected);
    }
}
