//! The offsets that groups have committed.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::super::{Admin, Outcomes, by_topic, check, keys, non_negative};
use super::coordinator;
use crate::error::{Error, ErrorCode, Result};
use crate::ids::{GroupId, LeaderEpoch, Offset, PartitionId, TopicPartition};
use crate::wire::call::Request;
use crate::wire::messages::ApiKey;
use crate::wire::messages::offset_commit::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
    OffsetCommitResponse,
};
use crate::wire::messages::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
    OffsetDeleteResponse,
};
use crate::wire::messages::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchResponse,
};
use crate::wire::{Encode, EncodeError, Writer};

/// The last version of OffsetCommit and OffsetFetch that names topics; later ones have ids, for
/// which names would have to be looked up.
const LAST_WITH_NAMES: i16 = 9;

/// The first version of OffsetFetch that can be asked for stable offsets.
const FIRST_WITH_STABLE: i16 = 7;

/// A request in those versions that name topics.
#[derive(Debug)]
struct ByName<R>(R);

impl<R: Encode> Encode for ByName<R> {
    fn encode(&self, to: &mut Writer, version: i16) -> Result<(), EncodeError> {
        self.0.encode(to, version)
    }
}

impl<R: Request> Request for ByName<R> {
    const API: ApiKey = R::API;
    const VERSIONS: RangeInclusive<i16> = *R::VERSIONS.start()..=LAST_WITH_NAMES;
    const FLEXIBLE: i16 = R::FLEXIBLE;
    const THROTTLE: i16 = R::THROTTLE;
    type Response<'a> = R::Response<'a>;
}

/// The committed offset of a group in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommittedOffset {
    /// The offset of the next record to consume.
    pub offset: Offset,
    /// The leader epoch of the last consumed record.
    pub leader_epoch: Option<LeaderEpoch>,
    /// The metadata committed with the offset.
    pub metadata: String,
}

/// An offset to commit for a group.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewOffset {
    offset: Offset,
    leader_epoch: Option<LeaderEpoch>,
    metadata: String,
}

impl NewOffset {
    /// Creates an offset, that of the next record to consume.
    pub fn new(offset: impl Into<Offset>) -> Self {
        Self { offset: offset.into(), leader_epoch: None, metadata: String::new() }
    }

    /// Sets the leader epoch of the last consumed record.
    #[must_use]
    pub fn leader_epoch(mut self, epoch: LeaderEpoch) -> Self {
        self.leader_epoch = Some(epoch);
        self
    }

    /// Sets the metadata stored with the offset.
    #[must_use]
    pub fn metadata(mut self, metadata: impl Into<String>) -> Self {
        self.metadata = metadata.into();
        self
    }
}

impl Admin {
    /// Lists all committed offsets of consumer and streams groups.
    ///
    /// Offsets of open transactions are not waited for. A group that does not exist has none.
    ///
    /// # Errors
    /// For a group: [`GROUP_AUTHORIZATION_FAILED`](crate::ErrorCode::GROUP_AUTHORIZATION_FAILED).
    /// For a partition:
    /// [`TOPIC_AUTHORIZATION_FAILED`](crate::ErrorCode::TOPIC_AUTHORIZATION_FAILED).
    pub async fn list_group_offsets(
        &self,
        groups: impl IntoIterator<Item = impl Into<GroupId>>,
    ) -> Outcomes<GroupId, Outcomes<TopicPartition, CommittedOffset>> {
        self.group_offsets(keys(groups), false).await
    }

    /// Lists all committed offsets of consumer and streams groups once no open transaction may
    /// change one of them (Java's `requireStable`, KIP-447). Before Kafka 2.5 as
    /// [`Admin::list_group_offsets`].
    ///
    /// # Errors
    /// As [`Admin::list_group_offsets`], and for a group
    /// [`UNSTABLE_OFFSET_COMMIT`](crate::ErrorCode::UNSTABLE_OFFSET_COMMIT) if a transaction with
    /// offsets of it was still open when the time was up.
    pub async fn list_stable_group_offsets(
        &self,
        groups: impl IntoIterator<Item = impl Into<GroupId>>,
    ) -> Outcomes<GroupId, Outcomes<TopicPartition, CommittedOffset>> {
        self.group_offsets(keys(groups), true).await
    }

    async fn group_offsets(
        &self,
        groups: BTreeMap<GroupId, ()>,
        require_stable: bool,
    ) -> Outcomes<GroupId, Outcomes<TopicPartition, CommittedOffset>> {
        let read = |share: &[(&GroupId, &())], response: &OffsetFetchResponse<'_>| {
            Ok(committed(share, response))
        };
        self.ask_each(
            &groups,
            coordinator,
            |share, version| {
                let mut request = OffsetFetchRequest {
                    require_stable: require_stable && version >= FIRST_WITH_STABLE,
                    ..OffsetFetchRequest::default()
                };
                if version >= 8 {
                    let group = |id| OffsetFetchRequestGroup {
                        group_id: id,
                        topics: None,
                        ..OffsetFetchRequestGroup::default()
                    };
                    request.groups = share.iter().map(|(id, ())| group(id)).collect();
                } else {
                    // One group at a time.
                    request.group_id = share.first().map_or("", |(id, ())| id);
                    request.topics = None;
                }
                ByName(request)
            },
            read,
        )
        .await
    }

    /// Commits offsets for a consumer or streams group without members. A group that does not exist
    /// is created.
    ///
    /// # Errors
    /// For a partition: [`UNKNOWN_MEMBER_ID`](crate::ErrorCode::UNKNOWN_MEMBER_ID) if the group has
    /// members, [`UNKNOWN_TOPIC_OR_PARTITION`](crate::ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
    /// [`OFFSET_METADATA_TOO_LARGE`](crate::ErrorCode::OFFSET_METADATA_TOO_LARGE).
    pub async fn alter_group_offsets(
        &self,
        group: impl Into<GroupId>,
        offsets: impl IntoIterator<Item = (TopicPartition, NewOffset)>,
    ) -> Outcomes<TopicPartition, ()> {
        let group = group.into();
        let offsets: BTreeMap<TopicPartition, NewOffset> = offsets.into_iter().collect();
        let read = |_: &[_], response: &OffsetCommitResponse<'_>| {
            let altered = response.topics.iter().flat_map(|topic| {
                topic.partitions.iter().map(|partition| {
                    let key =
                        TopicPartition::new(topic.name, PartitionId(partition.partition_index));
                    (key, check(partition.error_code, None))
                })
            });
            Ok(altered.collect())
        };
        self.change_each(
            &offsets,
            |_| coordinator(&group),
            |share, version| {
                let partition = |partition: PartitionId, new: &NewOffset| {
                    (partition.0, new.offset.0, new.leader_epoch)
                };
                let topics = by_topic(share).map(|(name, partitions)| OffsetCommitRequestTopic {
                    name,
                    partitions: partitions
                        .into_iter()
                        .map(|(id, new)| {
                            let (partition_index, committed_offset, epoch) = partition(id, new);
                            OffsetCommitRequestPartition {
                                partition_index,
                                committed_offset,
                                committed_leader_epoch: epoch
                                    .filter(|_| version >= 6)
                                    .map_or(-1, |epoch| epoch.0),
                                committed_metadata: Some(&new.metadata),
                            }
                        })
                        .collect(),
                    ..OffsetCommitRequestTopic::default()
                });
                ByName(OffsetCommitRequest {
                    group_id: &group,
                    generation_id_or_member_epoch: -1,
                    topics: topics.collect(),
                    ..OffsetCommitRequest::default()
                })
            },
            read,
        )
        .await
    }

    /// Deletes a group's offsets for partitions that none of its members subscribes to.
    ///
    /// # Errors
    /// For a partition: [`GROUP_SUBSCRIBED_TO_TOPIC`](crate::ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC),
    /// [`GROUP_ID_NOT_FOUND`](crate::ErrorCode::GROUP_ID_NOT_FOUND),
    /// [`UNKNOWN_TOPIC_OR_PARTITION`](crate::ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) before Kafka 2.4.
    pub async fn delete_group_offsets(
        &self,
        group: impl Into<GroupId>,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Outcomes<TopicPartition, ()> {
        let group = group.into();
        let partitions = keys::<TopicPartition>(partitions);
        let read = |_: &[_], response: &OffsetDeleteResponse<'_>| {
            check(response.error_code, None)?;
            let deleted = response.topics.iter().flat_map(|topic| {
                topic.partitions.iter().map(|partition| {
                    let key =
                        TopicPartition::new(topic.name, PartitionId(partition.partition_index));
                    (key, check(partition.error_code, None))
                })
            });
            Ok(deleted.collect())
        };
        self.change_each(
            &partitions,
            |_| coordinator(&group),
            |share, _| OffsetDeleteRequest {
                group_id: &group,
                topics: by_topic(share)
                    .map(|(name, partitions)| OffsetDeleteRequestTopic {
                        name,
                        partitions: partitions
                            .into_iter()
                            .map(|(partition, ())| OffsetDeleteRequestPartition {
                                partition_index: partition.0,
                            })
                            .collect(),
                    })
                    .collect(),
            },
            read,
        )
        .await
    }
}

type GroupOffsets = Result<Outcomes<TopicPartition, CommittedOffset>>;

fn committed(
    share: &[(&GroupId, &())],
    response: &OffsetFetchResponse<'_>,
) -> Vec<(GroupId, GroupOffsets)> {
    let offset = |code, offset: i64, epoch: i32, metadata: Option<&str>| {
        check(code, None).map(|()| {
            non_negative(offset).map(|offset| CommittedOffset {
                offset,
                leader_epoch: non_negative(epoch),
                metadata: metadata.unwrap_or_default().to_owned(),
            })
        })
    };
    // A partition without an offset is left out.
    let known = |(key, offset): (TopicPartition, Result<Option<CommittedOffset>>)| {
        Some((key, offset.transpose()?))
    };
    let groups = response.groups.iter().map(|group| {
        let offsets = group.topics.iter().flat_map(|topic| {
            topic.partitions.iter().map(|found| {
                let key = TopicPartition::new(topic.name, PartitionId(found.partition_index));
                let metadata = found.metadata;
                (
                    key,
                    offset(
                        found.error_code,
                        found.committed_offset,
                        found.committed_leader_epoch,
                        metadata,
                    ),
                )
            })
        });
        let outcome = check(group.error_code, None).map(|()| offsets.filter_map(known).collect());
        (GroupId::from(group.group_id), outcome.and_then(stable))
    });
    let groups: Vec<_> = groups.collect();
    let (true, Some((group, ()))) = (groups.is_empty(), share.first()) else { return groups };
    let offsets = response.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|found| {
            let key = TopicPartition::new(topic.name, PartitionId(found.partition_index));
            let metadata = found.metadata;
            (
                key,
                offset(
                    found.error_code,
                    found.committed_offset,
                    found.committed_leader_epoch,
                    metadata,
                ),
            )
        })
    });
    let outcome = check(response.error_code, None).map(|()| offsets.filter_map(known).collect());
    vec![((*group).clone(), outcome.and_then(stable))]
}

/// The whole group is asked again for the sake of one partition, as Java's
/// `ListConsumerGroupOffsetsHandler` does.
fn stable(offsets: Outcomes<TopicPartition, CommittedOffset>) -> GroupOffsets {
    let is_unstable = |offset: &Result<CommittedOffset>| matches!(offset, Err(error) if error.code() == Some(ErrorCode::UNSTABLE_OFFSET_COMMIT));
    match offsets.values().any(is_unstable) {
        true => Err(Error::broker(ErrorCode::UNSTABLE_OFFSET_COMMIT)),
        false => Ok(offsets),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::messages::offset_fetch::{
        OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponseTopic,
    };

    #[test]
    fn an_older_reply_is_about_the_first_group() {
        let groups = ["a", "b"].map(GroupId::from);
        let share: Vec<_> = groups.iter().map(|group| (group, &())).collect();
        let none = OffsetFetchResponsePartition {
            partition_index: 1,
            committed_offset: -1,
            ..Default::default()
        };
        let some = OffsetFetchResponsePartition {
            partition_index: 0,
            committed_offset: 7,
            ..Default::default()
        };
        let topic = OffsetFetchResponseTopic { name: "t", partitions: vec![some, none] };
        let response =
            OffsetFetchResponse { topics: vec![topic], ..OffsetFetchResponse::default() };
        let read = committed(&share, &response);
        let [(group, Ok(offsets))] = read.as_slice() else { panic!("one group: {read:?}") };
        assert_eq!((group.as_str(), offsets.len()), ("a", 1));
        let offset = offsets[&TopicPartition::new("t", 0)].as_ref().expect("committed");
        assert_eq!(offset.offset, Offset(7));
    }

    #[test]
    fn a_newer_reply_names_its_groups() {
        let group = GroupId::from("a");
        let refused = OffsetFetchResponseGroup {
            group_id: "b",
            error_code: 30,
            ..OffsetFetchResponseGroup::default()
        };
        let response =
            OffsetFetchResponse { groups: vec![refused], ..OffsetFetchResponse::default() };
        let read = committed(&[(&group, &())], &response);
        assert!(matches!(read.as_slice(), [(group, Err(_))] if group.as_str() == "b"), "{read:?}");
    }
}
