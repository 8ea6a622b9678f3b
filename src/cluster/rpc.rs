//! Metadata and FindCoordinator between the wire's words and ours.

#[cfg(feature = "admin")]
mod controllers;
mod group_coordinator;
mod partitions;

#[cfg(feature = "admin")]
pub(crate) use controllers::CONTROLLER;
pub(crate) use group_coordinator::GroupCoordinator;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::try_join_all;

use super::coordinators::CoordinatorKey;
use super::pool::Node;
use super::view::{Broker, Partition, PartitionDescription, Snapshot, Topic};
use super::{Cluster, Lane};
use crate::config::BrokerAddress;
use crate::error::{Error, ErrorCode, ErrorKind, Result};
use crate::ids::{BrokerId, LeaderEpoch, PartitionId, TopicName};
use crate::shown::shown;
use crate::wire::call::Reply;
use crate::wire::messages::find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse};
use crate::wire::messages::metadata::{
    MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponsePartition,
    MetadataResponseTopic,
};

/// What one node is asked for: topics that may be created are asked for apart from those that may
/// not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct MetadataQuery {
    /// Every topic of the cluster. Brokers create none for that, so those below are asked for by
    /// name if they are missing.
    pub(super) all: bool,
    pub(super) may_create: Vec<TopicName>,
    pub(super) must_exist: Vec<TopicName>,
}

impl MetadataQuery {
    /// Asks for topics; those that no broker could have are left out.
    pub(super) fn new<'a>(
        all: bool,
        topics: impl IntoIterator<Item = (&'a TopicName, bool)>,
    ) -> Self {
        let mut ask = Self { all, ..Self::default() };
        for (topic, may_create) in topics.into_iter().filter(|(topic, _)| topic.is_legal()) {
            if may_create { &mut ask.may_create } else { &mut ask.must_exist }.push(topic.clone());
        }
        ask
    }

    /// What is missing in the answer.
    fn without(&self, snapshot: &Snapshot) -> Self {
        let known: BTreeSet<&TopicName> = snapshot.topics.iter().map(|topic| &topic.name).collect();
        let missing = |names: &[TopicName]| {
            names.iter().filter(|name| !known.contains(name)).cloned().collect()
        };
        Self {
            all: false,
            may_create: missing(&self.may_create),
            must_exist: missing(&self.must_exist),
        }
    }

    /// The requests, by their topics: at least one, which brings the brokers.
    fn requests(&self) -> Vec<(Option<&[TopicName]>, bool)> {
        if self.all {
            return vec![(None, false)];
        }
        let mut requests = Vec::with_capacity(2);
        if !self.may_create.is_empty() {
            requests.push((Some(self.may_create.as_slice()), true));
        }
        if !self.must_exist.is_empty() || requests.is_empty() {
            requests.push((Some(self.must_exist.as_slice()), false));
        }
        requests
    }
}

/// Asks one node for metadata.
///
/// # Errors
/// As [`Cluster::exchange`]; [`ErrorKind::Protocol`] if the reply cannot be read, or names no
/// broker.
pub(super) async fn ask_metadata(
    cluster: &Cluster,
    node: Node,
    ask: &MetadataQuery,
    deadline: Instant,
) -> Result<Snapshot> {
    #[cfg(feature = "admin")]
    if cluster.config().asks_controllers() {
        return controllers::ask(cluster, node, deadline).await;
    }
    let mut answer = ask_once(cluster, node, ask, deadline).await?;
    if ask.all {
        let missing = ask.without(&answer);
        if !missing.may_create.is_empty() || !missing.must_exist.is_empty() {
            answer.topics.extend(ask_once(cluster, node, &missing, deadline).await?.topics);
        }
    }
    Ok(answer)
}

async fn ask_once(
    cluster: &Cluster,
    node: Node,
    ask: &MetadataQuery,
    deadline: Instant,
) -> Result<Snapshot> {
    let asked = ask.requests().into_iter().map(|(topics, may_create)| async move {
        let request = metadata_request(topics, may_create);
        let reply = cluster
            .exchange::<MetadataRequest<'_>, _>(node, Lane::Control, deadline, |_| &request)
            .await?;
        // It may be large, and whoever else runs on this thread must not wait for it to be read.
        let bytes = reply.frame().len();
        let reply = Reply::<MetadataRequest<'static>>::new(
            reply.frame().clone(),
            reply.version(),
            reply.broker(),
        );
        cluster.runtime().offload(bytes, move || snapshot(&reply.parse()?)).await
    });
    let mut answers = try_join_all(asked).await?.into_iter();
    let mut answer = answers.next().unwrap_or_default();
    answer.topics.extend(answers.flat_map(|other| other.topics));
    if answer.brokers.is_empty() {
        return Err(Error::new(
            ErrorKind::Protocol,
            "the metadata names no broker: one that starts does not know any yet",
        ));
    }
    Ok(answer)
}

/// Asks one node who coordinates groups, or transactions: keys of one kind.
pub(super) async fn ask_coordinators(
    cluster: &Cluster,
    node: Node,
    keys: &[CoordinatorKey],
    deadline: Instant,
) -> Result<Vec<(CoordinatorKey, Result<Broker>)>> {
    let mut answers = Vec::with_capacity(keys.len());
    // Before version 4 a request holds one key.
    while let Some(rest) = keys.get(answers.len()..).filter(|rest| !rest.is_empty()) {
        let request = |version| find_coordinator_request(rest, version);
        let reply = cluster
            .exchange::<FindCoordinatorRequest<'_>, _>(node, Lane::Control, deadline, request)
            .await?;
        let found = coordinators(rest, &reply.parse()?, reply.version());
        answers.extend(
            found
                .into_iter()
                .map(|(key, found)| (key, found.map_err(|error| error.in_api("FindCoordinator")))),
        );
    }
    Ok(answers)
}

/// A partition as metadata describes it.
pub(crate) fn partition_description(partition: &MetadataResponsePartition) -> PartitionDescription {
    let brokers = |ids: &[i32]| ids.iter().copied().map(BrokerId).collect();
    PartitionDescription {
        id: PartitionId(partition.partition_index),
        leader: known_broker(partition.leader_id),
        leader_epoch: (partition.leader_epoch >= 0).then_some(LeaderEpoch(partition.leader_epoch)),
        replicas: brokers(&partition.replica_nodes),
        in_sync_replicas: brokers(&partition.isr_nodes),
        offline_replicas: brokers(&partition.offline_replicas),
        eligible_leader_replicas: None,
        last_known_eligible_leader_replicas: None,
    }
}

/// The request for some topics, or for all.
pub(super) fn metadata_request(
    topics: Option<&[TopicName]>,
    may_create: bool,
) -> MetadataRequest<'_> {
    let topic = |name| MetadataRequestTopic {
        name: Some(TopicName::as_str(name)),
        ..MetadataRequestTopic::default()
    };
    let topics = topics.map(|names| names.iter().map(topic).collect());
    MetadataRequest { topics, allow_auto_topic_creation: may_create, ..MetadataRequest::default() }
}

/// What a reply says.
///
/// # Errors
/// The error of the reply as a whole (v13 and later, KIP-1102).
pub(super) fn snapshot(response: &MetadataResponse<'_>) -> Result<Snapshot> {
    ErrorCode::check(response.error_code).map_err(Error::broker)?;
    let brokers = response
        .brokers
        .iter()
        .map(|found| broker(found.node_id, found.host, found.port, found.rack));
    Ok(Snapshot {
        cluster_id: response.cluster_id.map(|id| shown(id).to_string().into()),
        controller: known_broker(response.controller_id),
        brokers: brokers.collect::<Result<_>>()?,
        topics: response.topics.iter().filter_map(topic).collect(),
    })
}

fn broker(id: i32, host: &str, port: i32, rack: Option<&str>) -> Result<(BrokerId, Broker)> {
    let id = BrokerId(id);
    let port = u16::try_from(port)
        .map_err(|_| Error::new(ErrorKind::Protocol, format!("broker {id} has the port {port}")))?;
    let address = BrokerAddress::new(host, port);
    Ok((id, Broker { id, address, rack: rack.map(Arc::from) }))
}

fn topic(topic: &MetadataResponseTopic<'_>) -> Option<Topic> {
    let mut partitions: Vec<Partition> = topic.partitions.iter().map(partition).collect();
    partitions.sort_by_key(|partition| partition.id);
    // Numbers index the list; a reply with a gap describes less than it claims and is cut before
    // it.
    let whole = partitions
        .iter()
        .zip(0..)
        .take_while(|(partition, index)| partition.id.0 == *index)
        .count();
    partitions.truncate(whole);
    Some(Topic {
        name: TopicName::from(topic.name?),
        id: topic.topic_id.known(),
        is_internal: topic.is_internal,
        error: ErrorCode::check(topic.error_code).err(),
        partitions,
    })
}

fn partition(partition: &MetadataResponsePartition) -> Partition {
    Partition {
        id: PartitionId(partition.partition_index),
        leader: known_broker(partition.leader_id),
        leader_epoch: (partition.leader_epoch >= 0).then_some(LeaderEpoch(partition.leader_epoch)),
        replicas: partition.replica_nodes.iter().copied().map(BrokerId).collect(),
        error: ErrorCode::check(partition.error_code).err(),
    }
}

fn known_broker(id: i32) -> Option<BrokerId> {
    (id >= 0).then_some(BrokerId(id))
}

/// The first version that takes several keys in one request (KIP-699).
const BATCHED_KEYS: i16 = 4;

/// The request for coordinators in a version's form: an older one asks for the first alone.
pub(super) fn find_coordinator_request(
    keys: &[CoordinatorKey],
    version: i16,
) -> FindCoordinatorRequest<'_> {
    let mut request = FindCoordinatorRequest {
        key_type: keys.first().map_or(0, CoordinatorKey::kind),
        ..Default::default()
    };
    if version >= BATCHED_KEYS {
        request.coordinator_keys = keys.iter().map(CoordinatorKey::name).collect();
    } else {
        request.key = keys.first().map_or("", CoordinatorKey::name);
    }
    request
}

/// The coordinators that a reply names: in an older version of the first key, else of all.
pub(super) fn coordinators(
    keys: &[CoordinatorKey],
    response: &FindCoordinatorResponse<'_>,
    version: i16,
) -> Vec<(CoordinatorKey, Result<Broker>)> {
    if version < BATCHED_KEYS {
        let FindCoordinatorResponse { error_code, error_message, node_id, host, port, .. } =
            *response;
        let found = coordinator(error_code, error_message, node_id, host, port);
        return keys.first().map(|key| (key.clone(), found)).into_iter().collect();
    }
    let found: BTreeMap<&str, _> =
        response.coordinators.iter().map(|found| (found.key, found)).collect();
    let answer = |key: &CoordinatorKey| match found.get(key.name()) {
        Some(found) => coordinator(
            found.error_code,
            found.error_message,
            found.node_id,
            found.host,
            found.port,
        ),
        None => Err(Error::new(ErrorKind::Protocol, "the reply names no coordinator")),
    };
    keys.iter().map(|key| (key.clone(), answer(key))).collect()
}

fn coordinator(code: i16, message: Option<&str>, id: i32, host: &str, port: i32) -> Result<Broker> {
    ErrorCode::check(code).map_err(|code| match message {
        Some(message) => Error::broker(code).with_context(shown(message)),
        None => Error::broker(code),
    })?;
    let port = u16::try_from(port).map_err(|_| {
        Error::new(ErrorKind::Protocol, format!("the coordinator has the port {port}"))
    })?;
    Ok(Broker { id: BrokerId(id), address: BrokerAddress::new(host, port), rack: None })
}
