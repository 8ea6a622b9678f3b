//! The folders in which brokers keep partitions.

use std::collections::BTreeMap;
use std::fmt;

use super::{Admin, Outcomes, check, keys};
use crate::cluster::{Item, Route};
use crate::error::{Error, ErrorKind};
use crate::ids::{BrokerId, PartitionId, TopicPartition};
use crate::wire::messages::alter_replica_log_dirs::{
    AlterReplicaLogDir, AlterReplicaLogDirTopic, AlterReplicaLogDirsRequest,
    AlterReplicaLogDirsResponse,
};
use crate::wire::messages::describe_log_dirs::{
    DescribeLogDirsRequest, DescribeLogDirsResponse, DescribeLogDirsResult,
};

/// A log directory of a broker.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LogDir {
    /// The path of the directory on the broker.
    pub path: String,
    /// The reason why the directory cannot be used, such as KAFKA_STORAGE_ERROR.
    pub error: Option<Error>,
    /// The size of its volume in bytes, if the broker tells (3.3 and newer).
    pub total_bytes: Option<u64>,
    /// The free space of its volume in bytes, if the broker tells (3.3 and newer).
    pub usable_bytes: Option<u64>,
    /// Whether the directory takes no new partitions (KIP-1066).
    pub is_cordoned: bool,
    /// The replicas in the directory.
    pub replicas: BTreeMap<TopicPartition, ReplicaLogDir>,
}

/// A replica in a log directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplicaLogDir {
    /// The size of the replica in bytes.
    pub size: u64,
    /// The lag of the replica in records: of a future replica behind the current one, otherwise
    /// behind the high watermark.
    pub offset_lag: u64,
    /// Whether it is a future replica, which will replace the one in another directory.
    pub is_future: bool,
}

/// A replica: a partition on one broker.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Replica {
    /// The partition.
    pub partition: TopicPartition,
    /// The broker.
    pub broker: BrokerId,
}

impl Replica {
    /// Creates the identifier of a replica.
    pub fn new(partition: TopicPartition, broker: impl Into<BrokerId>) -> Self {
        Self { partition, broker: broker.into() }
    }
}

impl fmt::Display for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on broker {}", self.partition, self.broker)
    }
}

impl Item for Replica {
    const KIND: &'static str = "replica";
}

impl Admin {
    /// Describes the log directories of brokers and the replicas in them.
    ///
    /// # Errors
    /// For a broker:
    /// [`CLUSTER_AUTHORIZATION_FAILED`](crate::ErrorCode::CLUSTER_AUTHORIZATION_FAILED);
    /// [`BROKER_NOT_AVAILABLE`](crate::ErrorCode::BROKER_NOT_AVAILABLE) if no broker has the id.
    pub async fn describe_log_dirs(
        &self,
        brokers: impl IntoIterator<Item = impl Into<BrokerId>>,
    ) -> Outcomes<BrokerId, Vec<LogDir>> {
        let brokers = keys::<BrokerId>(brokers);
        let request = |_: &[_], _: i16| DescribeLogDirsRequest { topics: None };
        let read = |share: &[(&BrokerId, &())], response: &DescribeLogDirsResponse<'_>| {
            check(response.error_code, None)?;
            let described = || response.results.iter().map(log_dir).collect();
            Ok(share.iter().map(|(broker, ())| (**broker, Ok(described()))).collect())
        };
        self.ask_each(&brokers, |broker| Route::Broker(*broker), request, read).await
    }

    /// Moves replicas to other log directories of their broker.
    ///
    /// Returns once the broker has begun; [`Admin::describe_log_dirs`] shows the progress.
    ///
    /// # Errors
    /// For a replica: [`LOG_DIR_NOT_FOUND`](crate::ErrorCode::LOG_DIR_NOT_FOUND),
    /// [`KAFKA_STORAGE_ERROR`](crate::ErrorCode::KAFKA_STORAGE_ERROR);
    /// [`BROKER_NOT_AVAILABLE`](crate::ErrorCode::BROKER_NOT_AVAILABLE).
    pub async fn alter_replica_log_dirs(
        &self,
        moves: impl IntoIterator<Item = (Replica, impl Into<String>)>,
    ) -> Outcomes<Replica, ()> {
        let moves: BTreeMap<Replica, String> =
            moves.into_iter().map(|(replica, path)| (replica, path.into())).collect();
        let read = |share: &[(&Replica, &String)], response: &AlterReplicaLogDirsResponse<'_>| {
            let Some((Replica { broker, .. }, _)) = share.first() else { return Ok(Vec::new()) };
            let begun = response.results.iter().flat_map(|topic| {
                topic.partitions.iter().map(|partition| {
                    let key = TopicPartition::new(
                        topic.topic_name,
                        PartitionId(partition.partition_index),
                    );
                    (Replica::new(key, *broker), check(partition.error_code, None))
                })
            });
            Ok(begun.collect())
        };
        self.change_each(
            &moves,
            |replica| Route::Broker(replica.broker),
            |share, _| {
                let mut dirs: BTreeMap<&str, BTreeMap<&str, Vec<i32>>> = BTreeMap::new();
                for (replica, path) in share {
                    let topics = dirs.entry(path.as_str()).or_default();
                    topics
                        .entry(replica.partition.topic.as_str())
                        .or_default()
                        .push(replica.partition.partition.0);
                }
                let topics = |topics: BTreeMap<_, _>| {
                    topics
                        .into_iter()
                        .map(|(name, partitions)| AlterReplicaLogDirTopic { name, partitions })
                        .collect()
                };
                AlterReplicaLogDirsRequest {
                    dirs: dirs
                        .into_iter()
                        .map(|(path, of)| AlterReplicaLogDir { path, topics: topics(of) })
                        .collect(),
                }
            },
            read,
        )
        .await
    }

    /// Returns the log directories of replicas: the current one, and the one a replica is being
    /// moved to.
    ///
    /// # Errors
    /// As [`Admin::describe_log_dirs`]. For a replica:
    /// [`REPLICA_NOT_AVAILABLE`](crate::ErrorCode::REPLICA_NOT_AVAILABLE) if the broker does not
    /// have it.
    pub async fn describe_replica_log_dirs(
        &self,
        replicas: impl IntoIterator<Item = Replica>,
    ) -> Outcomes<Replica, BTreeMap<String, ReplicaLogDir>> {
        let replicas: Vec<Replica> = replicas.into_iter().collect();
        let brokers = self.describe_log_dirs(replicas.iter().map(|replica| replica.broker)).await;
        let of = |replica: &Replica| match brokers.get(&replica.broker) {
            Some(Ok(dirs)) => {
                let found = dirs.iter().filter_map(|dir| {
                    Some((dir.path.clone(), *dir.replicas.get(&replica.partition)?))
                });
                let found: BTreeMap<_, _> = found.collect();
                let absent = || {
                    Error::broker(crate::error::ErrorCode::REPLICA_NOT_AVAILABLE)
                        .with_context(replica)
                };
                if found.is_empty() { Err(absent()) } else { Ok(found) }
            }
            Some(Err(error)) => Err(error.clone().with_context(replica)),
            None => Err(Error::new(ErrorKind::Protocol, "the reply does not speak of it")
                .with_context(replica)),
        };
        replicas.iter().map(|replica| (replica.clone(), of(replica))).collect()
    }
}

fn log_dir(dir: &DescribeLogDirsResult<'_>) -> LogDir {
    let unsigned = |number: i64| u64::try_from(number).unwrap_or(0);
    let replicas = dir.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(move |partition| {
            let replica = ReplicaLogDir {
                size: unsigned(partition.partition_size),
                offset_lag: unsigned(partition.offset_lag),
                is_future: partition.is_future_key,
            };
            (TopicPartition::new(topic.name, PartitionId(partition.partition_index)), replica)
        })
    });
    LogDir {
        path: dir.log_dir.to_owned(),
        error: check(dir.error_code, None).err(),
        total_bytes: u64::try_from(dir.total_bytes).ok(),
        usable_bytes: u64::try_from(dir.usable_bytes).ok(),
        is_cordoned: dir.is_cordoned,
        replicas: replicas.collect(),
    }
}
