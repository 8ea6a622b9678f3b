//! Which offset belongs to a time, or to an end of a partition.

use super::{Admin, Outcomes, by_topic, check, non_negative};
use crate::cluster::Route;
use crate::ids::{LeaderEpoch, Offset, PartitionId, Timestamp, TopicPartition};
use crate::wire::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsTopic,
};

/// The offset to look up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum OffsetSpec {
    /// The first offset in the log.
    Earliest,
    /// The offset of the next record to be written; with read_committed, the last stable offset.
    Latest,
    /// The offset of the first record whose timestamp is at or after this time.
    At(Timestamp),
    /// The offset of the record with the latest timestamp (Kafka 3.0).
    MaxTimestamp,
    /// The first offset on the leader's local disk, with tiered storage (Kafka 3.4).
    EarliestLocal,
    /// The last offset in remote storage (Kafka 3.9).
    LatestTiered,
    /// The first offset not yet uploaded to remote storage (Kafka 4.2).
    EarliestPendingUpload,
}

impl OffsetSpec {
    fn timestamp(self) -> i64 {
        match self {
            Self::At(time) => time.0,
            Self::Latest => -1,
            Self::Earliest => -2,
            Self::MaxTimestamp => -3,
            Self::EarliestLocal => -4,
            Self::LatestTiered => -5,
            Self::EarliestPendingUpload => -6,
        }
    }

    /// The first version of ListOffsets that knows it.
    fn since(self) -> i16 {
        match self {
            Self::At(_) | Self::Latest | Self::Earliest => 1,
            Self::MaxTimestamp => 7,
            Self::EarliestLocal => 8,
            Self::LatestTiered => 9,
            Self::EarliestPendingUpload => 11,
        }
    }
}

/// The result of an offset lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoundOffset {
    /// The offset; `None` if no record is that recent, or nothing is in remote storage.
    pub offset: Option<Offset>,
    /// The timestamp of the record, if a time was looked up.
    pub timestamp: Option<Timestamp>,
    /// The epoch of the leader that appended the record.
    pub leader_epoch: Option<LeaderEpoch>,
}

impl Admin {
    /// Looks up offsets, including those of records of open transactions.
    ///
    /// # Errors
    /// For a partition:
    /// [`UNKNOWN_TOPIC_OR_PARTITION`](crate::ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) if its leader is too old for the
    /// lookup.
    pub async fn list_offsets(
        &self,
        wanted: impl IntoIterator<Item = (TopicPartition, OffsetSpec)>,
    ) -> Outcomes<TopicPartition, FoundOffset> {
        self.offsets(wanted, 0).await
    }

    /// Looks up offsets as a consumer with `isolation.level=read_committed`: [`OffsetSpec::Latest`]
    /// is the offset of the first open transaction.
    ///
    /// # Errors
    /// As [`Admin::list_offsets`].
    pub async fn list_committed_offsets(
        &self,
        wanted: impl IntoIterator<Item = (TopicPartition, OffsetSpec)>,
    ) -> Outcomes<TopicPartition, FoundOffset> {
        self.offsets(wanted, 1).await
    }

    async fn offsets(
        &self,
        wanted: impl IntoIterator<Item = (TopicPartition, OffsetSpec)>,
        isolation_level: i8,
    ) -> Outcomes<TopicPartition, FoundOffset> {
        let wanted = wanted.into_iter().collect();
        let read = |share: &[(&TopicPartition, &OffsetSpec)],
                    response: &ListOffsetsResponse<'_>| {
            let found = response.topics.iter().flat_map(|topic| {
                topic.partitions.iter().map(|partition| {
                    let key =
                        TopicPartition::new(topic.name, PartitionId(partition.partition_index));
                    (key, check(partition.error_code, None).map(|()| found(partition)))
                })
            });
            let mut found: Vec<_> = found.collect();
            // What the leader is too old for was not asked.
            let silent = share.iter().filter(|(key, spec)| {
                spec.since() > 1 && !found.iter().any(|(other, _)| other == *key)
            });
            let silent: Vec<_> =
                silent.map(|(key, spec)| ((*key).clone(), Err(too_old(**spec)))).collect();
            found.extend(silent);
            Ok(found)
        };
        self.ask_each(
            &wanted,
            |partition| Route::Leader(partition.clone()),
            |share, version| ListOffsetsRequest {
                replica_id: -1,
                isolation_level,
                topics: by_topic(share)
                    .map(|(name, partitions)| ListOffsetsTopic {
                        name,
                        partitions: partitions
                            .into_iter()
                            .filter(|(_, spec)| version >= spec.since())
                            .map(|(partition, spec)| ListOffsetsPartition {
                                partition_index: partition.0,
                                timestamp: spec.timestamp(),
                                ..ListOffsetsPartition::default()
                            })
                            .collect(),
                    })
                    .collect(),
                timeout_ms: if version >= 10 { self.timeout_ms() } else { 0 },
            },
            read,
        )
        .await
    }
}

fn too_old(spec: OffsetSpec) -> crate::error::Error {
    crate::error::Error::new(
        crate::error::ErrorKind::Unsupported,
        format!("the broker is too old to look for {spec:?}"),
    )
}

fn found(partition: &ListOffsetsPartitionResponse) -> FoundOffset {
    FoundOffset {
        offset: non_negative(partition.offset),
        timestamp: non_negative(partition.timestamp),
        leader_epoch: non_negative(partition.leader_epoch),
    }
}
