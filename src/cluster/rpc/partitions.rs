//! The partitions of one topic, asked for whoever wants to know more of them than routing needs.

use std::time::Instant;

use super::{metadata_request, partition_description};
use crate::cluster::{Cluster, Lane, PartitionDescription, Route};
use crate::error::{Error, ErrorCode, Result};
use crate::ids::TopicName;
use crate::wire::messages::metadata::MetadataResponse;

impl Cluster {
    /// Asks any broker for the partitions of a topic, again while that fails for a reason that may
    /// pass.
    ///
    /// # Errors
    /// As [`Cluster::call_routed`], with what the broker says of the topic;
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for an invalid name.
    pub(crate) async fn describe_partitions(
        &self,
        topic: &TopicName,
        may_create: bool,
        deadline: Instant,
    ) -> Result<Vec<PartitionDescription>> {
        if !topic.is_legal() {
            return Err(Error::config(format!("{topic:?} is no topic name")));
        }
        let request = |_| metadata_request(Some(std::slice::from_ref(topic)), may_create);
        let described = |response: &MetadataResponse<'_>| -> Option<ErrorCode> {
            let described = response.topics.iter().find(|other| other.name == Some(topic.as_str()));
            let code = described.map_or(Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION), |topic| {
                ErrorCode::check(response.error_code).and(ErrorCode::check(topic.error_code))
            });
            code.err()
        };
        let reply = self
            .call_routed(&Route::Any, Lane::Control, deadline, request, described)
            .await
            .map_err(|error| error.with_context(format_args!("topic {topic}")))?;
        let response = reply.parse()?;
        let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
        let mut partitions: Vec<_> = partitions.map(partition_description).collect();
        partitions.sort_by_key(|partition| partition.id);
        Ok(partitions)
    }
}
