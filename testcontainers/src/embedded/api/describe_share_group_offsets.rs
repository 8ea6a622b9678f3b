//! DescribeShareGroupOffsets, key 90, versions 0 and 1.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_share_group_offsets_request::DescribeShareGroupOffsetsRequestGroup;
use kafka_protocol::messages::describe_share_group_offsets_response::{
    DescribeShareGroupOffsetsResponseGroup, DescribeShareGroupOffsetsResponsePartition,
    DescribeShareGroupOffsetsResponseTopic,
};
use uuid::Uuid;

use super::newer::describe_share_group_offsets::{DescribeShareOffsets, ShareOffsetsDescribed};
use super::{Api, Call, owned};
use crate::embedded::state::{GROUP_KEY, State};

/// No start offset, or no lag.
const NONE: i64 = -1;

impl Api for DescribeShareOffsets {
    const SERVED: (i16, i16) = (0, 1);

    fn coordinated(&self) -> Option<(i8, String)> {
        self.0.groups.first().map(|group| (GROUP_KEY, group.group_id.to_string()))
    }

    async fn handle(self, call: &Call) -> Option<ShareOffsetsDescribed> {
        let state = call.lock();
        let mut reply = ShareOffsetsDescribed::default();
        for group in &self.0.groups {
            let response = DescribeShareGroupOffsetsResponseGroup::default()
                .with_group_id(group.group_id.clone());
            let response = match describe(call, &state, group, &mut reply.lags) {
                Ok(topics) => response.with_topics(topics),
                Err(error) => response
                    .with_error_code(error.code())
                    .with_error_message(Some(owned(&error.to_string()))),
            };
            reply.response.groups.push(response);
        }
        drop(state);
        reply.response.throttle_time_ms = call.throttle_ms();
        Some(reply)
    }
}

fn describe(
    call: &Call,
    state: &State,
    group: &DescribeShareGroupOffsetsRequestGroup,
    lags: &mut Vec<i64>,
) -> Result<Vec<DescribeShareGroupOffsetsResponseTopic>, ResponseError> {
    if let Some(error) = call.injected_any() {
        return Err(error);
    }
    state.check_shares()?;
    state.check_group(call.broker, &group.group_id)?;
    let asked = group.topics.as_ref().map(|topics| {
        let named = topics.iter().map(|topic| {
            let name = topic.topic_name.to_string();
            let id = state.topics.get(&name).map_or(Uuid::nil(), |known| known.id);
            (name, id, topic.partitions.clone())
        });
        // Topics that are not there come last.
        let (known, unknown): (Vec<_>, Vec<_>) = named.partition(|(_, id, _)| !id.is_nil());
        known.into_iter().chain(unknown).collect()
    });
    let topics = asked.unwrap_or_else(|| state.share_partitions(&group.group_id));
    let topics = topics.into_iter().map(|(name, id, partitions)| {
        let partitions = partitions.into_iter().map(|index| {
            let standing = state.share_standing(&group.group_id, &name, index);
            lags.push(standing.lag.unwrap_or(NONE));
            DescribeShareGroupOffsetsResponsePartition::default()
                .with_partition_index(index)
                .with_start_offset(standing.start.unwrap_or(NONE))
                .with_leader_epoch(standing.leader_epoch)
        });
        let partitions = partitions.collect();
        DescribeShareGroupOffsetsResponseTopic::default()
            .with_topic_name(owned(&name).into())
            .with_topic_id(id)
            .with_partitions(partitions)
    });
    Ok(topics.collect())
}
