//! Deleting the oldest records of partitions.

use super::{Admin, Outcomes, by_topic, check};
use crate::cluster::Route;
use crate::ids::{Offset, PartitionId, TopicPartition};
use crate::wire::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsResponse, DeleteRecordsTopic,
};

/// With this a broker is told to delete up to the high watermark.
const UP_TO_THE_END: Offset = Offset(-1);

impl Admin {
    /// Deletes the records before an offset, and returns the first remaining offset.
    ///
    /// # Errors
    /// For a partition: [`OFFSET_OUT_OF_RANGE`](crate::ErrorCode::OFFSET_OUT_OF_RANGE);
    /// [`POLICY_VIOLATION`](crate::ErrorCode::POLICY_VIOLATION) if the topic is compacted only;
    /// [`UNKNOWN_TOPIC_OR_PARTITION`](crate::ErrorCode::UNKNOWN_TOPIC_OR_PARTITION).
    pub async fn delete_records(
        &self,
        before: impl IntoIterator<Item = (TopicPartition, Offset)>,
    ) -> Outcomes<TopicPartition, Offset> {
        let before = before.into_iter().collect();
        let read = |_: &[_], response: &DeleteRecordsResponse<'_>| {
            let deleted = response.topics.iter().flat_map(|topic| {
                topic.partitions.iter().map(|partition| {
                    let key =
                        TopicPartition::new(topic.name, PartitionId(partition.partition_index));
                    (
                        key,
                        check(partition.error_code, None).map(|()| Offset(partition.low_watermark)),
                    )
                })
            });
            Ok(deleted.collect())
        };
        self.change_each(
            &before,
            |partition| Route::Leader(partition.clone()),
            |share, _| DeleteRecordsRequest {
                topics: by_topic(share)
                    .map(|(name, partitions)| DeleteRecordsTopic {
                        name,
                        partitions: partitions
                            .into_iter()
                            .map(|(partition, offset)| DeleteRecordsPartition {
                                partition_index: partition.0,
                                offset: offset.0,
                            })
                            .collect(),
                    })
                    .collect(),
                timeout_ms: self.timeout_ms(),
            },
            read,
        )
        .await
    }

    /// Deletes all records up to the high watermark, as [`Admin::delete_records`] does.
    ///
    /// # Errors
    /// As [`Admin::delete_records`].
    pub async fn delete_all_records(
        &self,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Outcomes<TopicPartition, Offset> {
        // Not the iterator: a future that holds an adaptor of the caller's closure cannot be
        // spawned.
        let before: Vec<_> =
            partitions.into_iter().map(|partition| (partition, UP_TO_THE_END)).collect();
        self.delete_records(before).await
    }
}
