//! Where share groups stand, as administration asks and sets it.

use std::collections::BTreeSet;

use kafka_protocol::ResponseError;
use uuid::Uuid;

use super::ShareGroup;
use crate::embedded::group::Group;
use crate::embedded::share::store::ShareKey;
use crate::embedded::state::State;

/// Where a group stands in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ShareStanding {
    pub(crate) start: Option<i64>,
    pub(crate) leader_epoch: i32,
    /// How many records are still to be done.
    pub(crate) lag: Option<i64>,
}

/// The leader epoch of a partition that no leader has read.
const UNREAD: i32 = 0;

impl State {
    /// Where a group stands; `UNREAD` and nothing where it has no state.
    pub(crate) fn share_standing(&self, group: &str, topic: &str, partition: i32) -> ShareStanding {
        let nothing = ShareStanding { start: None, leader_epoch: UNREAD, lag: None };
        let Some(id) = self.topics.get(topic).map(|topic| topic.id) else { return nothing };
        let key = ShareKey { group: group.to_owned(), topic: id, partition };
        let Some(written) = self.share_store.get(&key) else { return nothing };
        let end = self.partition(topic, partition).map(|one| one.log.high_watermark());
        let lag = written.start.zip(written.complete).zip(end);
        let lag = lag.map(|((start, complete), end)| end - start - complete);
        ShareStanding { start: written.start, leader_epoch: written.leader_epoch, lag }
    }

    /// The partitions that a share group has a state of, by topic; empty if it is none.
    pub(crate) fn share_partitions(&self, group: &str) -> Vec<(String, Uuid, Vec<i32>)> {
        let known = self.groups.get(group).and_then(Group::share);
        let initialized = known.map(ShareGroup::initialized).into_iter().flatten();
        let named = initialized.filter_map(|(id, of)| {
            Some((self.topic_names.get(id)?.clone(), *id, of.iter().copied().collect()))
        });
        named.collect()
    }

    /// The share group, which must have no members; made if need be.
    pub(crate) fn empty_share_group(
        &mut self,
        broker: i32,
        name: &str,
    ) -> Result<&mut ShareGroup, ResponseError> {
        self.check_group(broker, name)?;
        let group = self.groups.entry(name.to_owned()).or_insert_with(|| Group::new_share(name));
        group.coordinator = Some(broker);
        let share = group.share_mut().ok_or(ResponseError::GroupIdNotFound)?;
        if share.is_empty() { Ok(share) } else { Err(ResponseError::NonEmptyGroup) }
    }

    /// Sets where a group without members stands.
    pub(crate) fn set_share_start(
        &mut self,
        group: &str,
        topic: Uuid,
        partition: i32,
        start: i64,
    ) -> Result<(), ResponseError> {
        let share = self.groups.get_mut(group).and_then(Group::share_mut);
        let share = share.ok_or(ResponseError::GroupIdNotFound)?;
        let key = ShareKey { group: group.to_owned(), topic, partition };
        self.share_store.initialize(key, share.epoch(), Some(start))?;
        share.initialize(&[(topic, BTreeSet::from([partition]))].into());
        Ok(())
    }

    /// Forgets where a group without members stands in a topic.
    pub(crate) fn forget_share_topic(
        &mut self,
        group: &str,
        topic: Uuid,
    ) -> Result<(), ResponseError> {
        let share = self.groups.get_mut(group).and_then(Group::share_mut);
        let share = share.ok_or(ResponseError::GroupIdNotFound)?;
        share.uninitialize(&topic).ok_or(ResponseError::UnknownTopicOrPartition)?;
        self.share_store.forget(|key| key.group == group && key.topic == topic);
        Ok(())
    }
}
