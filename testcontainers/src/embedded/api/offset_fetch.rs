//! OffsetFetch, key 9, versions 1 to 9.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{GroupId, OffsetFetchRequest, OffsetFetchResponse, TopicName};

use super::{Api, Call, owned};
use crate::embedded::group::offsets::Committed;
use crate::embedded::state::{GROUP_KEY, State};

/// From this version on one request asks for many groups.
const BATCHED: i16 = 8;
/// From this version on the leader epoch is told.
const TELLS_EPOCH: i16 = 5;

/// Topics and their partitions.
type Wanted = Vec<(TopicName, Vec<i32>)>;

/// Of one partition: what is committed, if anything, or an error.
type Found = Result<Option<Committed>, ResponseError>;

impl Api for OffsetFetchRequest {
    const SERVED: (i16, i16) = (1, 9);

    fn coordinated(&self) -> Option<(i8, String)> {
        let group = self.groups.first().map_or(&self.group_id, |group| &group.group_id);
        Some((GROUP_KEY, group.to_string()))
    }

    async fn handle(self, call: &Call) -> Option<OffsetFetchResponse> {
        let response = if call.version() >= BATCHED { many(call, self) } else { one(call, self) };
        Some(response.with_throttle_time_ms(call.throttle_ms()))
    }
}

fn many(call: &Call, request: OffsetFetchRequest) -> OffsetFetchResponse {
    let mut state = call.lock();
    let groups = request.groups.into_iter().map(|group| {
        let response = OffsetFetchResponseGroup::default().with_group_id(group.group_id.clone());
        let wanted = group.topics.map(|topics| {
            topics.into_iter().map(|one| (one.name, one.partition_indexes)).collect()
        });
        let member = (group.member_id.as_deref(), group.member_epoch);
        match look(call, &mut state, &group.group_id, member, wanted, request.require_stable) {
            Err(error) => response.with_error_code(error.code()),
            Ok(topics) => response.with_topics(
                topics.into_iter().map(|(name, found)| topics_entry(name, found)).collect(),
            ),
        }
    });
    OffsetFetchResponse::default().with_groups(groups.collect())
}

fn one(call: &Call, request: OffsetFetchRequest) -> OffsetFetchResponse {
    let mut state = call.lock();
    let wanted = request
        .topics
        .map(|topics| topics.into_iter().map(|one| (one.name, one.partition_indexes)).collect());
    let nobody = (None, -1);
    let found = look(call, &mut state, &request.group_id, nobody, wanted, request.require_stable);
    let response = OffsetFetchResponse::default();
    match found {
        // Before version 2 there is no place for it but the partitions; nobody has asked for that
        // yet.
        Err(error) => response.with_error_code(error.code()),
        Ok(topics) => {
            let with_epoch = call.version() >= TELLS_EPOCH;
            response.with_topics(
                topics
                    .into_iter()
                    .map(|(name, found)| topic_entry(name, found, with_epoch))
                    .collect(),
            )
        }
    }
}

fn look(
    call: &Call,
    state: &mut State,
    group: &GroupId,
    (member_id, epoch): (Option<&str>, i32),
    wanted: Option<Wanted>,
    require_stable: bool,
) -> Result<Vec<(TopicName, Vec<(i32, Found)>)>, ResponseError> {
    if let Some(error) = call.injected_any() {
        return Err(error);
    }
    let group = state.known_group_at(call.broker, group)?;
    if let Some(group) = &group {
        group.check_fetch(member_id, epoch)?;
    }
    let offsets = group.map(|group| &group.offsets);
    let all = || {
        let mut all: BTreeMap<TopicName, Vec<i32>> = BTreeMap::new();
        for ((topic, partition), _) in offsets.iter().flat_map(|offsets| offsets.all()) {
            all.entry(TopicName(owned(topic))).or_default().push(*partition);
        }
        all.into_iter().collect()
    };
    let find = |topic: &TopicName, partition: i32| match offsets {
        Some(offsets) if require_stable && offsets.is_unstable(topic, partition) => {
            Err(ResponseError::UnstableOffsetCommit)
        }
        Some(offsets) => Ok(offsets.get(topic, partition).cloned()),
        None => Ok(None),
    };
    let wanted: Wanted = wanted.unwrap_or_else(all);
    let answer = |(topic, partitions): (TopicName, Vec<i32>)| {
        let found =
            partitions.into_iter().map(|partition| (partition, find(&topic, partition))).collect();
        (topic, found)
    };
    Ok(wanted.into_iter().map(answer).collect())
}

fn topic_entry(
    name: TopicName,
    found: Vec<(i32, Found)>,
    with_epoch: bool,
) -> OffsetFetchResponseTopic {
    let partitions = found.into_iter().map(|(index, found)| {
        let response = OffsetFetchResponsePartition::default().with_partition_index(index);
        match found {
            Ok(Some(committed)) => response
                .with_committed_offset(committed.offset)
                .with_committed_leader_epoch(if with_epoch { committed.leader_epoch } else { -1 })
                .with_metadata(Some(owned(&committed.metadata))),
            Ok(None) => response.with_committed_offset(-1).with_metadata(Some(owned(""))),
            Err(error) => response
                .with_error_code(error.code())
                .with_committed_offset(-1)
                .with_metadata(Some(owned(""))),
        }
    });
    OffsetFetchResponseTopic::default().with_name(name).with_partitions(partitions.collect())
}

fn topics_entry(name: TopicName, found: Vec<(i32, Found)>) -> OffsetFetchResponseTopics {
    let partitions = found.into_iter().map(|(index, found)| {
        let response = OffsetFetchResponsePartitions::default()
            .with_partition_index(index)
            .with_metadata(Some(owned("")));
        match found {
            Ok(Some(committed)) => response
                .with_committed_offset(committed.offset)
                .with_committed_leader_epoch(committed.leader_epoch)
                .with_metadata(Some(owned(&committed.metadata))),
            Ok(None) => response.with_committed_offset(-1),
            Err(error) => response.with_error_code(error.code()).with_committed_offset(-1),
        }
    });
    OffsetFetchResponseTopics::default().with_name(name).with_partitions(partitions.collect())
}
