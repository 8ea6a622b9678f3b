//! Administration: what a cluster has, and changing it. A file per resource; each request says for
//! each item what came of it.
//!
//! Every operation goes through `Cluster::fan_out`, which knows who must be asked, splits, joins
//! and asks again. A file here only translates between Kafka's messages and our words.
//!
//! ```no_run
//! use kavka::admin::{ConfigAlteration, ConfigResource};
//! use kavka::{Client, ClientConfig, NewTopic};
//!
//! # #[tokio::main]
//! # async fn main() -> kavka::Result<()> {
//! let admin = Client::new(ClientConfig::new("localhost:9092"))?.admin();
//! admin.create_topic(NewTopic::new("orders").partitions(6).replication_factor(3)).await?;
//! let change = ConfigAlteration::set("retention.ms", "86400000");
//! for (resource, outcome) in admin.alter_configs([(ConfigResource::topic("orders"), vec![change])]).await {
//!     println!("{resource}: {outcome:?}");
//! }
//! let mut pages = admin.all_topic_pages();
//! while let Some(page) = pages.next().await? {
//!     println!("{} more topics", page.len());
//! }
//! # Ok(())
//! # }
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use crate::cluster::{Cluster, Item, Route};
use crate::error::{Error, ErrorCode, ErrorKind, Result};
use crate::ids::{PartitionId, TopicPartition};
use crate::runtime;
use crate::shown::shown;
use crate::wire::call::Request;
use crate::wire::messages::ApiKey;

mod acls;
mod cluster;
mod configs;
mod elections;
mod features;
mod groups;
mod log_dirs;
mod offsets;
mod quorum;
mod quotas;
mod reassignments;
mod records;
mod scram;
#[cfg(test)]
mod tests;
mod tokens;
mod topic_pages;
mod topics;
mod transactions;
mod wire_enum;

pub use crate::cluster::PartitionDescription;
pub use acls::{
    AclBinding, AclFilter, AclOperation, AclPermission, PatternType, ResourcePattern,
    ResourcePatternFilter, ResourceType,
};
pub use cluster::{BrokerDescription, ClusterDescription};
pub use configs::{
    ConfigAlteration, ConfigEntry, ConfigResource, ConfigResourceType, ConfigSource, ConfigSynonym,
    ConfigType,
};
pub use elections::Election;
pub use features::{Feature, FeatureUpdate, FeatureUpgrade, FeatureVersions};
pub use groups::{
    ClassicGroup, ClassicMember, CommittedOffset, ConsumerGroup, ConsumerGroupMember, GroupFilter,
    GroupLag, GroupListing, GroupState, GroupType, Listing, MemberToRemove, NewOffset, ShareGroup,
    ShareGroupMember, ShareOffset, StreamsGroup, StreamsGroupMember, StreamsTasks, Subtopology,
};
pub use log_dirs::{LogDir, Replica, ReplicaLogDir};
pub use offsets::{FoundOffset, OffsetSpec};
pub use quorum::{Endpoint, Quorum, QuorumReplica, Voter};
pub use quotas::{Quota, QuotaAlteration, QuotaEntity, QuotaFilter, QuotaMatch};
pub use reassignments::Reassignment;
pub use scram::{ScramCredential, ScramMechanism};
pub use tokens::{DelegationToken, NewDelegationToken, Principal};
pub use topic_pages::{TopicDescription, TopicListing, TopicPages};
pub use topics::{CreatedTopic, NewPartitions, NewTopic};
pub use transactions::{
    ActiveProducer, HangingTransaction, TransactionDescription, TransactionFilter,
    TransactionListing, TransactionState,
};

/// The outcome of each item of an operation.
pub type Outcomes<K, T> = BTreeMap<K, Result<T>>;

/// Administers a cluster. Created by [`Client::admin`](crate::Client::admin). Cheap to clone.
///
/// An operation on several items returns an outcome for each of them. Retriable failures, such as a
/// moved controller, coordinator or leader or an unreachable broker, are retried until
/// `default.api.timeout.ms`. An item that does not exist is reported after a second or two. If the
/// connection is lost after a change was sent, the retry finds the change made: creating a topic
/// may then fail because it exists.
///
/// A client of controllers ([`bootstrap_controllers`](crate::ClientConfig::bootstrap_controllers)) asks the
/// active one about the cluster, its features, quorum, ACLs and configs, about reassignments, and to
/// unregister nodes, as Java's does. All else fails with
/// [`UNSUPPORTED_ENDPOINT_TYPE`](ErrorCode::UNSUPPORTED_ENDPOINT_TYPE) before anything is sent.
///
/// # Cancel safety
/// If the future of a change is dropped, the change may still be made.
#[derive(Clone)]
pub struct Admin {
    cluster: Cluster,
    timeout: Duration,
    /// When an operation of several questions began, its end; else each question has its own.
    deadline: Option<Instant>,
    validates_only: bool,
}

impl Admin {
    pub(crate) fn new(cluster: Cluster) -> Self {
        let timeout = cluster.config().default_api_timeout;
        Self { cluster, timeout, deadline: None, validates_only: false }
    }

    /// Sets how long each operation of this handle may take, including all retries (default
    /// `default.api.timeout.ms`).
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = crate::config::bounded(timeout);
        self
    }

    /// Makes the cluster validate changes without making them.
    ///
    /// Kafka supports this for creating topics and partitions, altering configs and quotas, and
    /// updating features. With such a handle, every other change fails before anything is sent.
    #[must_use]
    pub fn validate_only(mut self) -> Self {
        self.validates_only = true;
        self
    }

    fn deadline(&self) -> Instant {
        self.deadline.unwrap_or_else(|| runtime::deadline(self.timeout))
    }

    /// The handle for an operation of several questions, which has one deadline for all.
    fn begun(&self) -> Self {
        Self { deadline: Some(self.deadline()), ..self.clone() }
    }

    /// How long a broker may work on a request, as its field says it: it should answer before the
    /// request times out.
    fn timeout_ms(&self) -> i32 {
        let longest = self.timeout.min(self.cluster.config().request_timeout);
        crate::wire::millis(longest)
    }

    /// Asks one broker one question.
    async fn ask<T, R: Request>(
        &self,
        route: Route,
        request: impl Fn(i16) -> R,
        read: impl for<'a> Fn(&R::Response<'a>) -> Result<T>,
    ) -> Result<T> {
        let whole = BTreeMap::from([(Whole, ())]);
        self.check_endpoint::<R>()?;
        let request = |_: &[(&Whole, &())], version: i16| request(version);
        let read =
            |_: &[(&Whole, &())], response: &R::Response<'_>| Ok(vec![(Whole, read(response))]);
        let answers =
            self.cluster.fan_out(&whole, |_| route.clone(), self.deadline(), request, read).await;
        only(answers)
    }

    /// Asks about items, each where `route` says.
    async fn ask_each<'k, K: Item, V, T, R: Request>(
        &self,
        items: &'k BTreeMap<K, V>,
        route: impl Fn(&K) -> Route,
        request: impl Fn(&[(&'k K, &'k V)], i16) -> R,
        read: impl for<'a> Fn(&[(&'k K, &'k V)], &R::Response<'a>) -> Result<Vec<(K, Result<T>)>>,
    ) -> Outcomes<K, T> {
        match self.check_endpoint::<R>() {
            Ok(()) => self.cluster.fan_out(items, route, self.deadline(), request, read).await,
            Err(error) => all_refused(items, &error),
        }
    }

    /// [`Admin::ask_each`] for a change that Kafka cannot validate without making it.
    async fn change_each<'k, K: Item, V, T, R: Request>(
        &self,
        items: &'k BTreeMap<K, V>,
        route: impl Fn(&K) -> Route,
        request: impl Fn(&[(&'k K, &'k V)], i16) -> R,
        read: impl for<'a> Fn(&[(&'k K, &'k V)], &R::Response<'a>) -> Result<Vec<(K, Result<T>)>>,
    ) -> Outcomes<K, T> {
        match self.check_is_for_real::<R>() {
            Ok(()) => self.ask_each(items, route, request, read).await,
            Err(error) => all_refused(items, &error),
        }
    }

    /// [`Admin::ask`] for a change that Kafka cannot validate without making it.
    async fn change<T, R: Request>(
        &self,
        route: Route,
        request: impl Fn(i16) -> R,
        read: impl for<'a> Fn(&R::Response<'a>) -> Result<T>,
    ) -> Result<T> {
        self.check_is_for_real::<R>()?;
        self.ask(route, request, read).await
    }

    /// Whether controllers are asked, and do not do this.
    fn check_endpoint<R: Request>(&self) -> Result<()> {
        if !self.cluster.config().asks_controllers() || OF_CONTROLLERS.contains(&R::API) {
            return Ok(());
        }
        Err(Error::broker(ErrorCode::UNSUPPORTED_ENDPOINT_TYPE)
            .with_context("controllers do not do this, but brokers do: use bootstrap.servers")
            .in_api(R::API.name()))
    }

    fn check_is_for_real<R: Request>(&self) -> Result<()> {
        match self.validates_only {
            true => Err(Error::config("Kafka cannot check this change without making it")
                .in_api(R::API.name())),
            false => Ok(()),
        }
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin")
            .field("timeout", &self.timeout)
            .field("validates_only", &self.validates_only)
            .finish_non_exhaustive()
    }
}

/// What Java's `KafkaAdminClient` asks of controllers: the calls whose `NodeProvider` supports them.
const OF_CONTROLLERS: &[ApiKey] = &[
    ApiKey::AddRaftVoter,
    ApiKey::AlterPartitionReassignments,
    ApiKey::ApiVersions,
    ApiKey::CreateAcls,
    ApiKey::DeleteAcls,
    ApiKey::DescribeAcls,
    ApiKey::DescribeCluster,
    ApiKey::DescribeConfigs,
    ApiKey::DescribeQuorum,
    ApiKey::IncrementalAlterConfigs,
    ApiKey::ListPartitionReassignments,
    ApiKey::RemoveRaftVoter,
    ApiKey::UnregisterBroker,
    ApiKey::UnregisterController,
    ApiKey::UpdateFeatures,
];

/// The item of a question that has no parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Whole;

impl fmt::Display for Whole {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

impl Item for Whole {
    const KIND: &'static str = "";
}

/// Items without anything to say of them.
fn keys<K: Item>(keys: impl IntoIterator<Item = impl Into<K>>) -> BTreeMap<K, ()> {
    keys.into_iter().map(|key| (key.into(), ())).collect()
}

fn all_refused<K: Item, V, T>(items: &BTreeMap<K, V>, error: &Error) -> Outcomes<K, T> {
    items.keys().map(|key| (key.clone(), Err(error.clone()))).collect()
}

/// What came of the one item that was asked for.
fn only<K, T>(outcomes: Outcomes<K, T>) -> Result<T> {
    let silent = || Err(Error::new(ErrorKind::Protocol, "the reply does not speak of it"));
    outcomes.into_values().next().unwrap_or_else(silent)
}

/// A code and what the broker says about it.
fn check(code: i16, message: Option<&str>) -> Result<()> {
    ErrorCode::check(code).map_err(|code| match message {
        Some(message) if !message.is_empty() => {
            Error::broker(code).with_context(shown(message.trim_end_matches('.')))
        }
        _ => Error::broker(code),
    })
}

/// Partitions by topic, as most requests name them.
fn by_topic<'k, V>(
    share: &[(&'k TopicPartition, &'k V)],
) -> impl Iterator<Item = (&'k str, Vec<(PartitionId, &'k V)>)> + use<'k, V> {
    let topics = TopicPartition::by_topic(share.iter().copied());
    topics.into_iter().map(|(topic, partitions)| (topic.as_str(), partitions))
}

/// Numbers of partitions, by topic.
fn indexes<V>(partitions: &[(PartitionId, &V)]) -> Vec<i32> {
    partitions.iter().map(|(partition, _)| partition.0).collect()
}

/// A number that says "none" by being negative.
fn non_negative<T: PartialOrd + Default, U: From<T>>(number: T) -> Option<U> {
    (number >= T::default()).then(|| U::from(number))
}

/// A text that says "none" by being empty.
fn non_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
