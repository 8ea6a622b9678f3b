//! What a test can do to share groups, and ask of them.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::in_flight::{InFlightState, ShareRecordState};
use super::partition::SharePartition;
use super::store::ShareKey;
use crate::embedded::EmbeddedCluster;
use crate::embedded::group::Group;
use crate::embedded::group::consumer::Context;
use crate::embedded::group::share::{ShareGroup, ShareMember};
use crate::embedded::state::State;

/// A share group (KIP-932) as its coordinator knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShareGroupDescription {
    /// The state, by Kafka's name: `Empty` or `Stable`.
    pub state: String,
    /// The group epoch.
    pub epoch: i32,
    /// The epoch of the target assignment.
    pub assignment_epoch: i32,
    /// Its members, in the order of their ids.
    pub members: Vec<ShareGroupMember>,
}

/// A member of a share group as its coordinator knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShareGroupMember {
    /// The member id.
    pub id: String,
    /// `client.rack`.
    pub rack: Option<String>,
    /// `client.id`.
    pub client_id: String,
    /// The member's epoch.
    pub epoch: i32,
    /// The topics that it is subscribed to.
    pub topics: Vec<String>,
    /// What it may fetch: topic and partition.
    pub assignment: Vec<(String, i32)>,
}

/// A partition as its leader shares it among the members of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SharePartitionDescription {
    /// Which of the times that a leader has read the state of a partition of the cluster: locks, and
    /// deliveries that nothing was said of, did not outlive another.
    pub loaded: u64,
    /// The share-partition start offset: everything below is done.
    pub start: i64,
    /// The records from there on that were delivered, or are archived, in the order of their offsets.
    pub records: Vec<ShareRecord>,
}

/// A record in flight in a share group.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShareRecord {
    /// Its offset.
    pub offset: i64,
    /// What has become of it.
    pub state: ShareRecordState,
    /// How often it was delivered.
    pub delivery_count: i32,
    /// The member that has it.
    pub member: Option<String>,
    /// How long its lock still holds.
    pub lock_left: Option<Duration>,
}

/// Share groups: their members, and the records that those have.
///
/// ```
/// # async fn example() -> std::io::Result<()> {
/// use std::time::Duration;
/// use kavka_testcontainers::embedded::{EmbeddedCluster, ShareRecordState};
///
/// let cluster = EmbeddedCluster::builder()
///     .in_memory()
///     .topic("t", 1, 1)
///     .share_record_lock_duration(Duration::from_secs(5))
///     .start()
///     .await?;
/// cluster.set_group_config("my-group", "share.auto.offset.reset", "earliest");
/// // ... a share consumer fetches ...
/// if let Some(partition) = cluster.share_partition("my-group", "t", 0) {
///     let held = partition.records.iter().filter(|one| one.state == ShareRecordState::Acquired);
///     assert!(held.count() > 0);
/// }
/// cluster.expire_share_locks("my-group", "t", 0);
/// # Ok(()) }
/// ```
impl EmbeddedCluster {
    /// Describes a share group; `None` if there is none of this name.
    pub fn share_group(&self, group: &str) -> Option<ShareGroupDescription> {
        let mut state = self.shared().lock();
        let (groups, cx) = state.groups_with(Instant::now());
        Some(describe_group(groups.get(group)?.share()?, cx))
    }

    /// Describes a partition as its leader shares it; `None` until a member has fetched from it
    /// there.
    pub fn share_partition(
        &self,
        group: &str,
        topic: &str,
        partition: i32,
    ) -> Option<SharePartitionDescription> {
        let mut state = self.shared().lock();
        state.share_at_leader(group, topic, partition).map(|(_, share)| describe(share))
    }

    /// Returns the start offset of a share partition as the share coordinator has it written down:
    /// where a new leader begins. It follows the leader's own with the next acknowledgement, as in
    /// Kafka.
    pub fn share_start_offset(&self, group: &str, topic: &str, partition: i32) -> Option<i64> {
        self.shared().lock().share_standing(group, topic, partition).start
    }

    /// Returns what was written down as the end of records of a share partition: that they were
    /// accepted, or are archived, and how often they had been delivered. Unlike in Kafka it is kept
    /// when the start offset has passed.
    pub fn share_ends(&self, group: &str, topic: &str, partition: i32) -> Vec<ShareRecord> {
        let state = self.shared().lock();
        let Some(id) = state.topics.get(topic).map(|topic| topic.id) else { return Vec::new() };
        let key = ShareKey { group: group.to_owned(), topic: id, partition };
        let ends = state.share_store.ends(&key).into_iter().flatten();
        let end = |(offset, (state, deliveries)): (&i64, &(ShareRecordState, i32))| ShareRecord {
            offset: *offset,
            state: *state,
            delivery_count: *deliveries,
            member: None,
            lock_left: None,
        };
        ends.map(end).collect()
    }

    /// Returns the share sessions of a broker: group, member and epoch.
    pub fn share_sessions(&self, broker: i32) -> Vec<(String, String, i32)> {
        let state = self.shared().lock();
        let sessions = state.broker(broker).into_iter().flat_map(|one| one.share.sessions.all());
        sessions.map(|((group, member), epoch)| (group.clone(), member.clone(), epoch)).collect()
    }

    /// Ends the locks of a share partition, as time does. Returns how many there were: one for
    /// each batch or record.
    pub fn expire_share_locks(&self, group: &str, topic: &str, partition: i32) -> usize {
        let mut state = self.shared().lock();
        let terms = state.share_terms(group);
        let Some((key, share)) = state.share_at_leader(group, topic, partition) else { return 0 };
        let locks: Vec<Instant> = share.locks().collect();
        if let Some(last) = locks.iter().max().copied() {
            let broker = state.partition(topic, partition).and_then(|one| one.leader);
            let State { brokers, share_store, .. } = &mut *state;
            let broker = broker.and_then(|id| brokers.get_mut(&id));
            let share = broker.and_then(|broker| broker.share.partitions.get_mut(&key));
            if let Some(share) = share {
                share.expire(last, &key, &terms, share_store);
            }
        }
        drop(state);
        self.shared().wake();
        locks.len()
    }

    /// Sets the state and the delivery count of a record in flight; one that becomes acquired stays
    /// with the member that had it last, or goes to `member`. Returns false if it is not in flight.
    pub fn set_share_record(
        &self,
        (group, topic, partition): (&str, &str, i32),
        offset: i64,
        record: (ShareRecordState, i32),
        member: Option<&str>,
    ) -> bool {
        let mut state = self.shared().lock();
        let terms = state.share_terms(group);
        let Some((_, share)) = state.share_at_leader(group, topic, partition) else { return false };
        let is_held = record.0 == ShareRecordState::Acquired;
        let lock = is_held.then(|| Instant::now() + terms.lock);
        let member = member.filter(|_| is_held).map(str::to_owned);
        let is_set = share.set(offset, InFlightState::new(record.0, record.1, member, lock));
        drop(state);
        self.shared().wake();
        is_set
    }

    /// Ends a share session as the end of its connection does, which itself goes on. Returns false
    /// if there was none.
    pub fn drop_share_session(&self, broker: i32, group: &str, member: &str) -> bool {
        let owner = (group.to_owned(), member.to_owned());
        let mut state = self.shared().lock();
        let sessions = state.broker(broker).map(|one| &one.share.sessions);
        let is_there = sessions.is_some_and(|one| one.all().any(|(known, _)| *known == owner));
        state.release_session(broker, &owner);
        drop(state);
        self.shared().wake();
        is_there
    }

    /// Changes how many share sessions a broker admits (`group.share.max.share.sessions`); those
    /// that are there stay.
    pub fn set_share_session_slots(&self, broker: i32, slots: usize) {
        if let Some(broker) = self.shared().lock().brokers.get_mut(&broker) {
            broker.share.sessions.set_slots(slots);
        }
    }

    /// Fences a member of a share group, as the end of its session with the coordinator does.
    /// Returns false if there is no such member.
    pub fn expire_share_member(&self, group: &str, member: &str) -> bool {
        let mut state = self.shared().lock();
        let (groups, cx) = state.groups_with(Instant::now());
        let Some(group) = groups.get_mut(group).and_then(Group::share_mut) else { return false };
        let is_there = group.members().any(|one| one.id == member);
        if is_there {
            group.fence(member, cx);
        }
        is_there
    }

    /// Changes the finalized feature `share.version` of a running cluster: 1 for share groups
    /// (KIP-932), 0 for none. As in Kafka, brokers then forget their share sessions and what they
    /// know of locks, and answer UNSUPPORTED_VERSION.
    pub fn set_share_version(&self, level: i16) {
        let mut state = self.shared().lock();
        state.settings.share_version = level;
        state.features_epoch += 1;
        if level < 1 {
            state.brokers.values_mut().for_each(|broker| broker.share.clear());
        }
    }

    /// Sets a setting of a group, such as `share.auto.offset.reset` or
    /// `share.record.lock.duration.ms`, without the limits that IncrementalAlterConfigs has.
    pub fn set_group_config(&self, group: &str, name: &str, value: &str) {
        let mut state = self.shared().lock();
        let mut values = state.group_configs.of(group);
        values.insert(name.to_owned(), value.to_owned());
        state.group_configs.replace(group, values);
    }

    /// Returns the settings that were set on a group, by name.
    pub fn group_config(&self, group: &str) -> BTreeMap<String, String> {
        self.shared().lock().group_configs.of(group)
    }
}

impl State {
    /// The partition as its leader shares it.
    fn share_at_leader(
        &mut self,
        group: &str,
        topic: &str,
        partition: i32,
    ) -> Option<(ShareKey, &mut SharePartition)> {
        let known = self.topics.get(topic)?;
        let key = ShareKey { group: group.to_owned(), topic: known.id, partition };
        let leader = known.partition(partition)?.leader?;
        let share = self.brokers.get_mut(&leader)?.share.partitions.get_mut(&key)?;
        Some((key, share))
    }
}

impl SharePartition {
    /// Gives a record in flight another state.
    fn set(&mut self, offset: i64, state: InFlightState) -> bool {
        let holding = self.batches.range_mut(..=offset).next_back();
        let Some((_, batch)) = holding.filter(|(_, batch)| batch.last >= offset) else {
            return false;
        };
        let Some(known) = batch.split().get_mut(&offset) else { return false };
        let before = known.member.clone();
        *known = state;
        if known.state == ShareRecordState::Acquired && known.member.is_none() {
            known.member = before;
        }
        self.looks_again = true;
        true
    }
}

fn describe(share: &SharePartition) -> SharePartitionDescription {
    let now = Instant::now();
    let records = share.states().flat_map(|(first, last, state)| {
        let record = move |offset| ShareRecord {
            offset,
            state: state.state,
            delivery_count: state.deliveries,
            member: state.member.clone(),
            lock_left: state.lock.map(|until| until.saturating_duration_since(now)),
        };
        (first..=last).map(record)
    });
    let start = share.start();
    SharePartitionDescription {
        loaded: share.id,
        start,
        records: records.filter(|one| one.offset >= start).collect(),
    }
}

fn describe_group(group: &ShareGroup, cx: Context<'_>) -> ShareGroupDescription {
    ShareGroupDescription {
        state: group.state_name().to_owned(),
        epoch: group.epoch(),
        assignment_epoch: group.target_epoch(),
        members: group.members().map(|one| describe_member(one, cx)).collect(),
    }
}

fn describe_member(member: &ShareMember, cx: Context<'_>) -> ShareGroupMember {
    let named = member.assigned.iter().filter_map(|(topic, of)| Some((cx.names.get(topic)?, of)));
    let assigned = named.flat_map(|(name, of)| of.iter().map(|one| (name.clone(), *one)));
    let mut assignment: Vec<(String, i32)> = assigned.collect();
    assignment.sort();
    ShareGroupMember {
        id: member.id.clone(),
        rack: member.rack.clone(),
        client_id: member.client_id.clone(),
        epoch: member.epoch,
        topics: member.names.iter().cloned().collect(),
        assignment,
    }
}
