//! Share groups at the leaders of partitions (KIP-932): who fetches what, who has which record.
//!
//! Their members, and who fetches from where, are the group coordinator's: `group/share`.

pub(crate) mod acknowledge;
pub(crate) mod acquire;
pub(crate) mod control;
pub(crate) mod in_flight;
pub(crate) mod partition;
pub(crate) mod sessions;
pub(crate) mod store;

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_protocol::ResponseError;
use tokio::time::Instant;

use super::group::config::Reset;
use super::state::State;
use super::topic::Partition;
use acknowledge::Acknowledgement;
use partition::{SharePartition, ShareTerms};
use sessions::{SessionOwner, ShareSessions};
use store::ShareKey;

/// What a broker knows of share groups.
#[derive(Debug)]
pub(crate) struct ShareBroker {
    pub(crate) sessions: ShareSessions,
    /// Those that it leads and that somebody has fetched from.
    pub(crate) partitions: BTreeMap<ShareKey, SharePartition>,
}

/// Whether the start of a partition has moved. Only then do fetches that wait look again, and not
/// when records are available again: Kafka wakes them before it has written that down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moved(pub(crate) bool);

/// Why a partition cannot be shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotShared {
    /// The request is told at once if nothing is left of it.
    AtOnce(ResponseError),
    /// Kafka finds out while the request waits.
    Later(ResponseError),
}

impl ShareBroker {
    pub(crate) fn new(slots: usize) -> Self {
        Self { sessions: ShareSessions::new(slots), partitions: BTreeMap::new() }
    }

    /// Forgets everything, as a restart does.
    pub(crate) fn clear(&mut self) {
        self.sessions.clear();
        self.partitions.clear();
    }
}

impl State {
    /// Whether share groups are on.
    pub(crate) fn check_shares(&self) -> Result<(), ResponseError> {
        if self.settings.share_version < 1 {
            Err(ResponseError::UnsupportedVersion)
        } else {
            Ok(())
        }
    }

    /// What a group's settings say of its partitions.
    pub(crate) fn share_terms(&self, group: &str) -> ShareTerms {
        self.group_configs.share_terms(group, &self.settings.share_groups)
    }

    /// The partition as the group shares it, of which `broker` must be the leader; gives its id.
    pub(crate) fn share(
        &mut self,
        broker: i32,
        key: &ShareKey,
        now_ms: i64,
    ) -> Result<u64, NotShared> {
        let name = self.topic_names.get(&key.topic).cloned().unwrap_or_default();
        let leader_epoch =
            self.led_by(broker, &name, key.partition).map_err(NotShared::AtOnce)?.leader_epoch;
        let Some(at) = self.brokers.get_mut(&broker) else {
            return Err(NotShared::AtOnce(ResponseError::BrokerNotAvailable));
        };
        if let Some(known) = at.share.partitions.get(key) {
            return Ok(known.id);
        }
        self.shares_made += 1;
        let id = self.shares_made;
        let reset = self.group_configs.reset(&key.group);
        let partition = self.topics.get(&name).and_then(|topic| topic.partition(key.partition));
        let Some(partition) = partition else {
            return Err(NotShared::AtOnce(ResponseError::UnknownTopicOrPartition));
        };
        let begin = || begin_of(partition, reset, now_ms);
        let share = SharePartition::load(id, key, leader_epoch, &mut self.share_store, begin)
            .map_err(NotShared::Later)?;
        at.share.partitions.insert(key.clone(), share);
        Ok(id)
    }

    /// Begins what a member says of records of a partition.
    pub(crate) fn begin_acknowledge(
        &mut self,
        broker: i32,
        key: &ShareKey,
        member: &str,
        said: &[Acknowledgement],
        now: Instant,
    ) -> Result<(), ResponseError> {
        let terms = self.share_terms(&key.group);
        let unknown = ResponseError::UnknownTopicOrPartition;
        let at = self.brokers.get_mut(&broker).ok_or(unknown)?;
        let share = at.share.partitions.get_mut(key).ok_or(unknown)?;
        share.acknowledge(member, said, &terms, now)
    }

    /// Writes down what was begun.
    pub(crate) fn finish_acknowledge(
        &mut self,
        broker: i32,
        key: &ShareKey,
    ) -> Result<Moved, ResponseError> {
        let unknown = ResponseError::UnknownTopicOrPartition;
        let at = self.brokers.get_mut(&broker).ok_or(unknown)?;
        let share = at.share.partitions.get_mut(key).ok_or(unknown)?;
        let before = share.start();
        let result = share.finish(key, &mut self.share_store);
        let moved = Moved(share.start() != before);
        self.drop_if_fenced(broker, key, result).map(|()| moved)
    }

    /// Ends a session: what the member has of its partitions is available again.
    pub(crate) fn release_session(&mut self, broker: i32, owner: &SessionOwner) {
        let terms = self.share_terms(&owner.0);
        let Some(at) = self.brokers.get_mut(&broker) else { return };
        let Some(partitions) = at.share.sessions.remove(owner) else { return };
        for (topic, partition) in partitions {
            let key = ShareKey { group: owner.0.clone(), topic, partition };
            let Some(at) = self.brokers.get_mut(&broker) else { return };
            let Some(share) = at.share.partitions.get_mut(&key) else { continue };
            let result = share.release(&owner.1, &key, &terms, &mut self.share_store);
            if let Err(error) = self.drop_if_fenced(broker, &key, result) {
                tracing::debug!(?key, %error, "records are not released");
            }
        }
    }

    /// A leader that is not the newest any more, or of a group that is gone, gives up.
    fn drop_if_fenced(
        &mut self,
        broker: i32,
        key: &ShareKey,
        result: Result<(), ResponseError>,
    ) -> Result<(), ResponseError> {
        let is_fenced = matches!(
            result,
            Err(ResponseError::NotLeaderOrFollower | ResponseError::UnknownTopicOrPartition)
        );
        if let Some(at) = self.brokers.get_mut(&broker).filter(|_| is_fenced) {
            at.share.partitions.remove(key);
        }
        result
    }

    /// A connection is gone, and with it the session that it had opened; a broker forgets a group
    /// that has no session any more.
    pub(crate) fn share_disconnected(&mut self, broker: i32, connection: u64) {
        let Some(at) = self.brokers.get_mut(&broker) else { return };
        let Some((owner, ends)) = at.share.sessions.disconnected(connection) else { return };
        if ends {
            self.release_session(broker, &owner);
        }
        if let Some(at) = self.brokers.get_mut(&broker)
            && !at.share.sessions.has_group(&owner.0)
        {
            at.share.partitions.retain(|key, _| key.group != owner.0);
        }
    }

    /// Brokers forget what they do not lead any more.
    pub(crate) fn settle_shares(&mut self) {
        let (topics, names) = (&self.topics, &self.topic_names);
        let leader =
            |key: &ShareKey| topics.get(names.get(&key.topic)?)?.partition(key.partition)?.leader;
        for (id, broker) in &mut self.brokers {
            broker.share.partitions.retain(|key, _| leader(key) == Some(*id));
        }
    }

    /// Locks that have run out; false if there were none.
    pub(crate) fn tick_shares(&mut self, now: Instant) -> bool {
        let mut expired = false;
        for broker in self.brokers.values_mut() {
            for (key, share) in &mut broker.share.partitions {
                if share.deadline().is_some_and(|deadline| deadline <= now) {
                    let terms =
                        self.group_configs.share_terms(&key.group, &self.settings.share_groups);
                    expired |= share.expire(now, key, &terms, &mut self.share_store);
                }
            }
        }
        expired
    }

    /// When [`State::tick_shares`] is due next.
    pub(crate) fn shares_deadline(&self) -> Option<Instant> {
        let shares = self.brokers.values().flat_map(|broker| broker.share.partitions.values());
        shares.filter_map(SharePartition::deadline).min()
    }
}

/// Where a group begins that has read nothing.
fn begin_of(partition: &Partition, reset: Reset, now_ms: i64) -> Result<i64, ResponseError> {
    let log = &partition.log;
    match reset {
        Reset::Latest => Ok(log.high_watermark()),
        Reset::Earliest => Ok(log.start()),
        Reset::ByDuration(back) => {
            let since = now_ms.saturating_sub(millis(back));
            let found = log.offset_for_time(since, log.high_watermark());
            found.map(|(offset, _)| offset).ok_or(ResponseError::OffsetNotAvailable)
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
