//! Topics and partitions that are to be made.

use kavka::BrokerId;

use crate::error::{KafkaError, KafkaResult};

/// A topic to be created.
#[derive(Debug)]
pub struct NewTopic<'a> {
    /// Its name.
    pub name: &'a str,
    /// How many partitions it has.
    pub num_partitions: i32,
    /// How they are replicated.
    pub replication: TopicReplication<'a>,
    /// Its configuration.
    pub config: Vec<(&'a str, &'a str)>,
}

impl<'a> NewTopic<'a> {
    /// Creates a topic to be created.
    pub fn new(name: &'a str, num_partitions: i32, replication: TopicReplication<'a>) -> Self {
        Self { name, num_partitions, replication, config: Vec::new() }
    }

    /// Sets a property of its configuration.
    #[must_use]
    pub fn set(mut self, key: &'a str, value: &'a str) -> Self {
        self.config.push((key, value));
        self
    }

    pub(super) fn checked(&self) -> KafkaResult<(String, kavka::NewTopic)> {
        let mut topic = kavka::NewTopic::new(self.name);
        topic = match self.replication {
            TopicReplication::Fixed(factor) => {
                let Ok(factor) = i16::try_from(factor) else {
                    let why = format!("a replication factor of {factor} is too large");
                    return Err(KafkaError::AdminOpCreation(why));
                };
                topic.partitions(self.num_partitions).replication_factor(factor)
            }
            TopicReplication::Variable(assignments) => {
                if usize::try_from(self.num_partitions) != Ok(assignments.len()) {
                    return Err(KafkaError::AdminOpCreation(format!(
                        "replication configuration for topic '{}' assigns {} partition(s), which \
                         does not match the specified number of partitions ({})",
                        self.name,
                        assignments.len(),
                        self.num_partitions
                    )));
                }
                topic.assignments(assignments.iter().map(|brokers| ids(brokers)))
            }
        };
        for (key, value) in &self.config {
            topic = topic.config(*key, *value);
        }
        Ok((self.name.to_owned(), topic))
    }
}

/// For each partition the brokers of its replicas.
pub type PartitionAssignment<'a> = &'a [&'a [i32]];

/// How a new topic is replicated.
#[derive(Debug)]
pub enum TopicReplication<'a> {
    /// So many replicas of each partition.
    Fixed(i32),
    /// On these brokers.
    Variable(PartitionAssignment<'a>),
}

/// Partitions to be added.
#[derive(Debug)]
pub struct NewPartitions<'a> {
    /// The topic.
    pub topic_name: &'a str,
    /// How many it is to have.
    pub new_partition_count: usize,
    /// The brokers of the new ones' replicas.
    pub assignment: Option<PartitionAssignment<'a>>,
}

impl<'a> NewPartitions<'a> {
    /// Creates partitions to be added.
    pub fn new(topic_name: &'a str, new_partition_count: usize) -> Self {
        Self { topic_name, new_partition_count, assignment: None }
    }

    /// Sets the brokers of the new ones' replicas.
    #[must_use]
    pub fn assign(mut self, assignment: PartitionAssignment<'a>) -> Self {
        self.assignment = Some(assignment);
        self
    }

    pub(super) fn checked(&self) -> KafkaResult<(String, kavka::admin::NewPartitions)> {
        let too_many = |assigned: usize| {
            KafkaError::AdminOpCreation(format!(
                "partition assignment for topic '{}' assigns {assigned} partition(s), which is more \
                 than the requested total number of partitions ({})",
                self.topic_name, self.new_partition_count
            ))
        };
        let assignment = self.assignment.unwrap_or_default();
        if assignment.len() > self.new_partition_count {
            return Err(too_many(assignment.len()));
        }
        let count = i32::try_from(self.new_partition_count).map_err(|_| too_many(0))?;
        let mut partitions = kavka::admin::NewPartitions::increase_to(count);
        if !assignment.is_empty() {
            partitions = partitions.assignments(assignment.iter().map(|brokers| ids(brokers)));
        }
        Ok((self.topic_name.to_owned(), partitions))
    }
}

fn ids(brokers: &[i32]) -> Vec<BrokerId> {
    brokers.iter().copied().map(BrokerId).collect()
}
