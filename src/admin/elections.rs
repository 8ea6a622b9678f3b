//! Electing leaders of partitions.

use std::collections::BTreeMap;

use super::wire_enum::numbered;
use super::{Admin, Outcomes, by_topic, check, indexes, keys};
use crate::cluster::Route;
use crate::error::{Error, ErrorCode, Result};
use crate::ids::{PartitionId, TopicPartition};
use crate::wire::messages::elect_leaders::{
    ElectLeadersRequest, ElectLeadersResponse, TopicPartitions,
};

numbered! {
    /// The way a leader is elected (KIP-460).
    Election(i8) {
        /// Elects the preferred replica, if it is in sync.
        Preferred = 0, "preferred";
        /// Elects any live replica, at the risk of losing records.
        Unclean = 1, "unclean";
    }
}

impl Admin {
    /// Elects leaders for partitions.
    ///
    /// # Errors
    /// For a partition: [`ELECTION_NOT_NEEDED`](crate::ErrorCode::ELECTION_NOT_NEEDED) if it has
    /// the right leader already;
    /// [`PREFERRED_LEADER_NOT_AVAILABLE`](crate::ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE);
    /// [`UNKNOWN_TOPIC_OR_PARTITION`](crate::ErrorCode::UNKNOWN_TOPIC_OR_PARTITION).
    pub async fn elect_leaders(
        &self,
        election: Election,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Outcomes<TopicPartition, ()> {
        let partitions = keys::<TopicPartition>(partitions);
        let read = |_: &[_], response: &ElectLeadersResponse<'_>| elected(response);
        self.change_each(
            &partitions,
            |_| Route::Controller,
            |share, _| {
                let topics = by_topic(share);
                let topics = topics
                    .map(|(topic, list)| TopicPartitions { topic, partitions: indexes(&list) })
                    .collect();
                self.election(election, Some(topics))
            },
            read,
        )
        .await
    }

    /// Elects leaders for all partitions that need it, and returns their outcomes.
    ///
    /// # Errors
    /// [`CLUSTER_AUTHORIZATION_FAILED`](crate::ErrorCode::CLUSTER_AUTHORIZATION_FAILED). For a
    /// partition, as [`Admin::elect_leaders`].
    pub async fn elect_all_leaders(
        &self,
        election: Election,
    ) -> Result<Outcomes<TopicPartition, ()>> {
        let request = |_| self.election(election, None);
        let read = |response: &ElectLeadersResponse<'_>| {
            let not_needed = |(_, elected): &(TopicPartition, Result<()>)| {
                !elected
                    .as_ref()
                    .is_err_and(|error| error.code() == Some(ErrorCode::ELECTION_NOT_NEEDED))
            };
            Ok(BTreeMap::from_iter(elected(response)?.into_iter().filter(not_needed)))
        };
        self.change(Route::Controller, request, read).await
    }

    fn election<'a>(
        &self,
        election: Election,
        topic_partitions: Option<Vec<TopicPartitions<'a>>>,
    ) -> ElectLeadersRequest<'a> {
        ElectLeadersRequest {
            election_type: election.code(),
            topic_partitions,
            timeout_ms: self.timeout_ms(),
        }
    }
}

fn elected(response: &ElectLeadersResponse<'_>) -> Result<Vec<(TopicPartition, Result<()>)>> {
    ErrorCode::check(response.error_code).map_err(Error::broker)?;
    let elected = response.replica_election_results.iter().flat_map(|topic| {
        topic.partition_result.iter().map(|partition| {
            let key = TopicPartition::new(topic.topic, PartitionId(partition.partition_id));
            (key, check(partition.error_code, partition.error_message))
        })
    });
    Ok(elected.collect())
}
