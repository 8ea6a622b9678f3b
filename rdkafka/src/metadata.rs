//! Brokers, topics and partitions, as a broker described them.

use crate::types::{RDKafkaErrorCode, RDKafkaRespErr};

/// A broker.
#[derive(Debug)]
pub struct MetadataBroker {
    pub(crate) id: i32,
    pub(crate) host: String,
    pub(crate) port: i32,
}

impl MetadataBroker {
    /// Returns its number.
    pub fn id(&self) -> i32 {
        self.id
    }

    /// Returns its host.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns its port.
    pub fn port(&self) -> i32 {
        self.port
    }
}

/// A partition.
#[derive(Debug)]
pub struct MetadataPartition {
    id: i32,
    leader: i32,
    replicas: Vec<i32>,
    isr: Vec<i32>,
    error: Option<RDKafkaErrorCode>,
}

impl MetadataPartition {
    pub(crate) fn new(partition: &kavka::PartitionDescription) -> Self {
        let ids = |brokers: &[kavka::BrokerId]| brokers.iter().map(|id| id.0).collect();
        Self {
            id: partition.id.0,
            leader: partition.leader.map_or(-1, |leader| leader.0),
            replicas: ids(&partition.replicas),
            isr: ids(&partition.in_sync_replicas),
            error: partition.leader.is_none().then_some(RDKafkaErrorCode::LeaderNotAvailable),
        }
    }

    /// Returns its number.
    pub fn id(&self) -> i32 {
        self.id
    }

    /// Returns the broker that leads it, or −1.
    pub fn leader(&self) -> i32 {
        self.leader
    }

    /// Returns what is wrong with it.
    pub fn error(&self) -> Option<RDKafkaRespErr> {
        self.error.map(Into::into)
    }

    /// Returns the brokers that have a replica.
    pub fn replicas(&self) -> &[i32] {
        &self.replicas
    }

    /// Returns the brokers whose replica is in sync.
    pub fn isr(&self) -> &[i32] {
        &self.isr
    }
}

/// A topic.
#[derive(Debug)]
pub struct MetadataTopic {
    pub(crate) name: String,
    pub(crate) partitions: Vec<MetadataPartition>,
    pub(crate) error: Option<RDKafkaErrorCode>,
}

impl MetadataTopic {
    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns its partitions.
    pub fn partitions(&self) -> &[MetadataPartition] {
        &self.partitions
    }

    /// Returns what is wrong with it.
    pub fn error(&self) -> Option<RDKafkaRespErr> {
        self.error.map(Into::into)
    }
}

/// What is known of a cluster.
#[derive(Debug)]
pub struct Metadata {
    pub(crate) orig_broker_id: i32,
    pub(crate) orig_broker_name: String,
    pub(crate) brokers: Vec<MetadataBroker>,
    pub(crate) topics: Vec<MetadataTopic>,
}

impl Metadata {
    /// Returns the broker that answered, or −1.
    pub fn orig_broker_id(&self) -> i32 {
        self.orig_broker_id
    }

    /// Returns the name of the broker that answered.
    pub fn orig_broker_name(&self) -> &str {
        &self.orig_broker_name
    }

    /// Returns the brokers.
    pub fn brokers(&self) -> &[MetadataBroker] {
        &self.brokers
    }

    /// Returns the topics.
    pub fn topics(&self) -> &[MetadataTopic] {
        &self.topics
    }
}
