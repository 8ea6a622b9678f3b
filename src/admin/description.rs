//! What a cluster has: brokers, topics and partitions.

use std::collections::BTreeMap;

use super::{Admin, topics};
use crate::cluster::{Lane, Route};
use crate::config::BrokerAddress;
use crate::error::{Error, ErrorCode, ErrorKind, Result};
use crate::ids::{BrokerId, LeaderEpoch, PartitionId, TopicId, TopicName};
use crate::wire::messages::metadata::{
    MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponsePartition, MetadataResponseTopic,
};

/// The nodes of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClusterDescription {
    /// The cluster's id.
    pub cluster_id: Option<String>,
    /// The controller; on KRaft some broker, which forwards to it.
    pub controller: Option<BrokerId>,
    /// The brokers that are up, by id.
    pub brokers: Vec<BrokerDescription>,
}

/// A broker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrokerDescription {
    /// Its id.
    pub id: BrokerId,
    /// Where it listens, as it tells clients.
    pub address: BrokerAddress,
    /// Where it stands (`broker.rack`).
    pub rack: Option<String>,
}

/// A topic in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicListing {
    /// The topic's name.
    pub name: TopicName,
    /// The topic's id, which brokers before 2.8 do not have.
    pub id: Option<TopicId>,
    /// Whether it is one of Kafka's own.
    pub is_internal: bool,
}

/// A topic and its partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicDescription {
    /// The topic's name.
    pub name: TopicName,
    /// The topic's id, which brokers before 2.8 do not have.
    pub id: Option<TopicId>,
    /// Whether it is one of Kafka's own.
    pub is_internal: bool,
    /// Its partitions in order.
    pub partitions: Vec<PartitionDescription>,
}

/// A partition and who keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionDescription {
    /// Its number.
    pub id: PartitionId,
    /// The broker that serves it, if one does.
    pub leader: Option<BrokerId>,
    /// Counts the leaders it has had, if the broker says so.
    pub leader_epoch: Option<LeaderEpoch>,
    /// The brokers that keep it, the preferred leader first.
    pub replicas: Vec<BrokerId>,
    /// Those of them that have all that is acknowledged.
    pub in_sync_replicas: Vec<BrokerId>,
    /// Those of them that are down.
    pub offline_replicas: Vec<BrokerId>,
}

impl Admin {
    /// Describes the nodes of the cluster.
    ///
    /// # Errors
    /// Retriable if no broker answered in time.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn describe_cluster(&self) -> Result<ClusterDescription> {
        self.metadata(Some(&[]), cluster).await
    }

    /// Lists the topics that there are and that the client may see, by name.
    ///
    /// # Errors
    /// Retriable if no broker answered in time.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn list_topics(&self) -> Result<Vec<TopicListing>> {
        self.metadata(None, |response| {
            let mut topics: Vec<TopicListing> = response.topics.iter().filter_map(listing).collect();
            topics.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(topics)
        })
        .await
    }

    /// Describes topics, and says for each why it cannot.
    ///
    /// # Errors
    /// Retriable if no broker answered in time. Of a topic: UNKNOWN_TOPIC_OR_PARTITION if it does not exist, or not yet on the
    /// broker that was asked; Config if the client may not see it.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn describe_topics(
        &self,
        names: impl IntoIterator<Item = impl Into<TopicName>>,
    ) -> Result<BTreeMap<TopicName, Result<TopicDescription>>> {
        let names: Vec<TopicName> = names.into_iter().map(Into::into).collect();
        if names.is_empty() {
            return Ok(BTreeMap::new());
        }
        self.metadata(Some(&names), |response| {
            let described = |topic: &MetadataResponseTopic<'_>| Some((TopicName::from(topic.name?), description(topic)));
            Ok(response.topics.iter().filter_map(described).collect())
        })
        .await
    }

    /// Describes one topic.
    ///
    /// # Errors
    /// As [`Admin::describe_topics`], of the topic too.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn describe_topic(&self, name: impl Into<TopicName>) -> Result<TopicDescription> {
        let name = name.into();
        topics::only(self.describe_topics([name.clone()]).await?, &name)
    }

    /// Asks for some topics, or with `None` for all, and reads the reply.
    async fn metadata<T>(
        &self,
        topics: Option<&[TopicName]>,
        read: impl FnOnce(&MetadataResponse<'_>) -> Result<T>,
    ) -> Result<T> {
        let request = |_| {
            let topic = |name| MetadataRequestTopic { name: Some(TopicName::as_str(name)), ..MetadataRequestTopic::default() };
            MetadataRequest {
                topics: topics.map(|names| names.iter().map(topic).collect()),
                allow_auto_topic_creation: false,
                ..MetadataRequest::default()
            }
        };
        let code = |response: &MetadataResponse<'_>| ErrorCode::check(response.error_code).err();
        let reply =
            self.cluster.call_routed::<MetadataRequest<'_>>(&Route::Any, Lane::Control, self.deadline(), request, code).await?;
        read(&reply.parse()?)
    }
}

fn cluster(response: &MetadataResponse<'_>) -> Result<ClusterDescription> {
    let mut brokers = Vec::with_capacity(response.brokers.len());
    for broker in &response.brokers {
        let id = BrokerId(broker.node_id);
        let port = u16::try_from(broker.port)
            .map_err(|_| Error::new(ErrorKind::Protocol, format!("broker {id} has the port {}", broker.port)))?;
        let address = BrokerAddress::new(broker.host, port);
        brokers.push(BrokerDescription { id, address, rack: broker.rack.map(str::to_owned) });
    }
    brokers.sort_by_key(|broker| broker.id);
    Ok(ClusterDescription {
        cluster_id: response.cluster_id.map(str::to_owned),
        controller: known(response.controller_id),
        brokers,
    })
}

fn listing(topic: &MetadataResponseTopic<'_>) -> Option<TopicListing> {
    if topic.error_code == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0 {
        return None;
    }
    Some(TopicListing { name: TopicName::from(topic.name?), id: topic.topic_id.known(), is_internal: topic.is_internal })
}

fn description(topic: &MetadataResponseTopic<'_>) -> Result<TopicDescription> {
    topics::item(topic.error_code, None)?;
    let mut partitions: Vec<PartitionDescription> = topic.partitions.iter().map(partition).collect();
    partitions.sort_by_key(|partition| partition.id);
    Ok(TopicDescription {
        name: TopicName::from(topic.name.unwrap_or_default()),
        id: topic.topic_id.known(),
        is_internal: topic.is_internal,
        partitions,
    })
}

fn partition(partition: &MetadataResponsePartition) -> PartitionDescription {
    let brokers = |ids: &[i32]| ids.iter().copied().map(BrokerId).collect();
    PartitionDescription {
        id: PartitionId(partition.partition_index),
        leader: known(partition.leader_id),
        leader_epoch: Some(LeaderEpoch(partition.leader_epoch)).filter(|epoch| epoch.0 >= 0),
        replicas: brokers(&partition.replica_nodes),
        in_sync_replicas: brokers(&partition.isr_nodes),
        offline_replicas: brokers(&partition.offline_replicas),
    }
}

fn known(broker: i32) -> Option<BrokerId> {
    (broker >= 0).then_some(BrokerId(broker))
}
