//! Everything the cluster knows, behind one lock that is never held over an await.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{BrokerId, TopicName};
use kafka_protocol::protocol::StrBytes;
use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;

use super::broker::{Broker, Finalized};
use super::clock::{Clock, Moment, Random};
use super::fault::Faults;
use super::group::config::GroupConfigs;
use super::group::consumer::Context;
use super::group::consumer::settings::ConsumerGroups;
use super::group::share::settings::ShareGroups;
use super::group::{CommitRequest, Group};
use super::metrics::Receiver;
use super::sasl::{Login, Logins, Sasl};
use super::share::store::ShareStore;
use super::topic::{Partition, Topic, is_valid_name};
use super::track::{TrackedCommit, TrackedRequest};
use super::transaction::Transactions;

/// How the cluster behaves; the defaults are Kafka's except where said.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) auto_create_topics: bool,
    pub(crate) default_partitions: i32,
    pub(crate) default_replication: i16,
    pub(crate) message_max_bytes: usize,
    pub(crate) fetch_session_slots: usize,
    /// Kafka waits 3 s; a test does not want to.
    pub(crate) initial_rebalance_delay: Duration,
    pub(crate) min_session_timeout: Duration,
    pub(crate) max_session_timeout: Duration,
    pub(crate) max_transaction_timeout: Duration,
    pub(crate) transactional_id_expiration: Duration,
    /// A leader asks whether a partition was added before it appends in a transaction (KIP-890 part
    /// 1).
    pub(crate) verifies_transactions: bool,
    /// How long after the end of a transaction its markers come, at least and at most.
    pub(crate) marker_delay: (Duration, Duration),
    /// How long a new coordinator of a transactional id reads its log.
    pub(crate) coordinator_load: Duration,
    pub(crate) max_offset_metadata: usize,
    /// How long a killed broker passes for alive; Kafka's session timeout is 9 s.
    pub(crate) failure_detection: Duration,
    /// The finalized `transaction.version`: 2 is KIP-890 part 2.
    pub(crate) transaction_version: i16,
    /// Brokers know that feature at all.
    pub(crate) has_transaction_version: bool,
    /// The finalized `group.version`: 1 is KIP-848.
    pub(crate) group_version: i16,
    /// Brokers know that feature, and consumer groups, at all.
    pub(crate) has_group_version: bool,
    pub(crate) consumer_groups: ConsumerGroups,
    /// The finalized `share.version`: 1 is KIP-932.
    pub(crate) share_version: i16,
    /// Brokers know that feature, and share groups, at all.
    pub(crate) has_share_version: bool,
    pub(crate) share_groups: ShareGroups,
    /// What clients must go through first.
    pub(crate) sasl: Option<Arc<Sasl>>,
    /// The nodes are controllers to those who ask what they are (KIP-919).
    pub(crate) has_controllers_only: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            auto_create_topics: true,
            default_partitions: 1,
            default_replication: 1,
            message_max_bytes: 1_048_588,
            fetch_session_slots: 1000,
            initial_rebalance_delay: Duration::ZERO,
            min_session_timeout: Duration::from_secs(6),
            max_session_timeout: Duration::from_secs(30 * 60),
            max_transaction_timeout: Duration::from_secs(15 * 60),
            transactional_id_expiration: Duration::from_secs(7 * 24 * 3600),
            verifies_transactions: true,
            marker_delay: (Duration::from_millis(1), Duration::from_millis(1)),
            coordinator_load: Duration::ZERO,
            max_offset_metadata: 4096,
            failure_detection: Duration::ZERO,
            transaction_version: 2,
            has_transaction_version: true,
            group_version: 1,
            has_group_version: true,
            consumer_groups: ConsumerGroups::default(),
            share_version: 1,
            has_share_version: true,
            share_groups: ShareGroups::default(),
            sasl: None,
            has_controllers_only: false,
        }
    }
}

/// What the connections of all brokers share.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    /// Something was appended or moved: parked fetches look again.
    pub(crate) changed: Notify,
    /// A deadline may have come nearer: the timer looks again.
    pub(crate) timers: Notify,
    pub(crate) clock: Clock,
    pub(crate) started: Instant,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) settings: Settings,
    pub(crate) random: Random,
    pub(crate) cluster_id: String,
    pub(crate) controller: i32,
    pub(crate) brokers: BTreeMap<i32, Broker>,
    pub(crate) topics: BTreeMap<String, Topic>,
    pub(crate) topic_names: BTreeMap<Uuid, String>,
    /// Counts the topics that were ever made.
    pub(crate) topics_created: u64,
    /// Coordinators that a test placed, by (key type, key).
    pub(crate) coordinators: BTreeMap<(i8, String), i32>,
    pub(crate) groups: BTreeMap<String, Group>,
    pub(crate) group_configs: GroupConfigs,
    /// What is written down of share groups.
    pub(crate) share_store: ShareStore,
    /// Counts the partitions that leaders ever began to share.
    pub(crate) shares_made: u64,
    /// Groups whose coordinator reads its log until then.
    pub(crate) loading_groups: BTreeMap<String, Instant>,
    pub(crate) transactions: Transactions,
    /// Counts the changes of finalized features.
    pub(crate) features_epoch: i64,
    pub(crate) next_producer_id: i64,
    pub(crate) next_connection: u64,
    /// How far connections are that have begun to prove who they are.
    pub(crate) logins: BTreeMap<u64, Login>,
    pub(crate) login_counts: Logins,
    pub(crate) faults: Faults,
    pub(crate) requests: VecDeque<TrackedRequest>,
    pub(crate) commits: Vec<TrackedCommit>,
    /// The receiver of clients' metrics, if brokers have one.
    pub(crate) metrics: Option<Receiver>,
}

/// A topic and a partition in it.
pub(crate) type TopicPartition = (String, i32);

/// The types of coordinator keys.
pub(crate) const GROUP_KEY: i8 = 0;
pub(crate) const TRANSACTION_KEY: i8 = 1;

impl Shared {
    pub(crate) fn new(state: State, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(state),
            changed: Notify::new(),
            timers: Notify::new(),
            clock,
            started: Instant::now(),
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    pub(crate) fn moment(&self) -> Moment {
        let at = Instant::now();
        Moment { at, ms: self.clock.now_ms(), elapsed: at.saturating_duration_since(self.started) }
    }

    /// Somebody leads or coordinates who did not, or there is more to read: all who wait look
    /// again.
    pub(crate) fn wake(&self) {
        self.changed.notify_waiters();
        self.timers.notify_one();
    }
}

impl State {
    /// The features as they are.
    pub(crate) fn finalized(&self) -> Finalized {
        Finalized {
            transaction_version: self.settings.transaction_version,
            group_version: self.settings.group_version,
            share_version: self.settings.share_version,
            epoch: self.features_epoch,
        }
    }

    pub(crate) fn broker(&self, id: i32) -> Option<&Broker> {
        self.brokers.get(&id)
    }

    pub(crate) fn up_brokers(&self) -> impl Iterator<Item = (i32, &Broker)> {
        self.brokers.iter().filter(|(_, broker)| broker.is_up()).map(|(id, broker)| (*id, broker))
    }

    /// The brokers that metadata shows.
    pub(crate) fn visible_brokers(&self) -> impl Iterator<Item = (i32, &Broker)> {
        self.up_brokers().filter(|(_, broker)| !broker.hidden)
    }

    pub(crate) fn partition(&self, topic: &str, index: i32) -> Option<&Partition> {
        self.topics.get(topic)?.partition(index)
    }

    pub(crate) fn partition_mut(&mut self, topic: &str, index: i32) -> Option<&mut Partition> {
        self.topics.get_mut(topic)?.partition_mut(index)
    }

    /// The partition, if `broker` leads it.
    pub(crate) fn led_by(
        &mut self,
        broker: i32,
        topic: &str,
        index: i32,
    ) -> Result<&mut Partition, ResponseError> {
        let partition =
            self.partition_mut(topic, index).ok_or(ResponseError::UnknownTopicOrPartition)?;
        if partition.leader == Some(broker) {
            Ok(partition)
        } else {
            Err(ResponseError::NotLeaderOrFollower)
        }
    }

    /// Compares the epoch that a client knows with the partition's (KIP-320).
    pub(crate) fn check_epoch(partition: &Partition, known: i32) -> Result<(), ResponseError> {
        match known {
            known if known < 0 || known == partition.leader_epoch => Ok(()),
            known if known < partition.leader_epoch => Err(ResponseError::FencedLeaderEpoch),
            _ => Err(ResponseError::UnknownLeaderEpoch),
        }
    }

    /// Replicas that are up, all of which are in sync.
    pub(crate) fn in_sync(&self, partition: &Partition) -> Vec<i32> {
        let is_up = |id: &i32| self.broker(*id).is_some_and(Broker::is_up);
        partition.replicas.iter().copied().filter(is_up).collect()
    }

    /// Makes a topic whose replicas are spread over the brokers that are up.
    pub(crate) fn create_topic(
        &mut self,
        name: &str,
        partitions: i32,
        replication: i16,
    ) -> Result<Uuid, ResponseError> {
        let replicas = self.placement(partitions, replication)?;
        self.create_topic_on(name, replicas)
    }

    /// Replicas for the partitions of a new topic.
    pub(crate) fn placement(
        &self,
        partitions: i32,
        replication: i16,
    ) -> Result<Vec<Vec<i32>>, ResponseError> {
        let brokers: Vec<i32> = self.up_brokers().map(|(id, _)| id).collect();
        let replication = usize::try_from(replication).unwrap_or(0);
        if partitions < 1 {
            return Err(ResponseError::InvalidPartitions);
        }
        if replication < 1 || replication > brokers.len() {
            return Err(ResponseError::InvalidReplicationFactor);
        }
        let partitions = usize::try_from(partitions).unwrap_or(0);
        Ok((0..partitions)
            .map(|index| spread(&brokers, self.topics.len() + index, replication))
            .collect())
    }

    /// Makes a topic with the replicas given for each partition.
    pub(crate) fn create_topic_on(
        &mut self,
        name: &str,
        replicas: Vec<Vec<i32>>,
    ) -> Result<Uuid, ResponseError> {
        if !is_valid_name(name) {
            return Err(ResponseError::InvalidTopicException);
        }
        if self.topics.contains_key(name) {
            return Err(ResponseError::TopicAlreadyExists);
        }
        let id = self.random.uuid();
        let partitions = replicas.into_iter().map(Partition::new).collect();
        self.topics.insert(name.to_owned(), Topic { id, partitions, configs: BTreeMap::new() });
        self.topic_names.insert(id, name.to_owned());
        self.topics_created += 1;
        self.tell_groups(name);
        Ok(id)
    }

    /// Adds partitions until there are `count`.
    pub(crate) fn grow_topic(&mut self, name: &str, count: i32) -> Result<(), ResponseError> {
        let brokers: Vec<i32> = self.up_brokers().map(|(id, _)| id).collect();
        let topic = self.topics.get_mut(name).ok_or(ResponseError::UnknownTopicOrPartition)?;
        let count = usize::try_from(count).unwrap_or(0);
        if count <= topic.partitions.len() {
            return Err(ResponseError::InvalidPartitions);
        }
        let replication = topic.partitions.first().map_or(1, |partition| partition.replicas.len());
        for index in topic.partitions.len()..count {
            topic.partitions.push(Partition::new(spread(&brokers, index, replication)));
        }
        self.tell_groups(name);
        Ok(())
    }

    pub(crate) fn delete_topic(&mut self, name: &str) -> Result<Uuid, ResponseError> {
        let topic = self.topics.remove(name).ok_or(ResponseError::UnknownTopicOrPartition)?;
        self.topic_names.remove(&topic.id);
        for group in self.groups.values_mut() {
            group.offsets.forget_topic(name);
            if let Some(group) = group.share_mut() {
                group.uninitialize(&topic.id);
            }
        }
        self.share_store.forget(|key| key.topic == topic.id);
        self.settle_shares();
        self.tell_groups(name);
        Ok(topic.id)
    }

    /// The coordinators hear that a topic was made, deleted or changed.
    fn tell_groups(&mut self, topic: &str) {
        self.groups.values_mut().for_each(|group| group.topic_changed(topic));
    }

    /// The name of a topic that a request names by name or by id.
    pub(crate) fn topic_name(&self, name: &TopicName, id: Uuid) -> Option<String> {
        if id.is_nil() { Some(name.to_string()) } else { self.topic_names.get(&id).cloned() }
    }

    /// Elects a leader for every partition that has none that is up, or could have one again.
    pub(crate) fn elect_leaders(&mut self, now: Moment) {
        let up: Vec<i32> = self.up_brokers().map(|(id, _)| id).collect();
        for partition in self.topics.values_mut().flat_map(|topic| &mut topic.partitions) {
            if partition.leader.is_some_and(|leader| up.contains(&leader)) {
                continue;
            }
            let next = partition.replicas.iter().copied().find(|replica| up.contains(replica));
            partition.elect(next);
        }
        if !up.contains(&self.controller) {
            self.controller = up.first().copied().unwrap_or(self.controller);
        }
        self.settle_shares();
        self.settle_coordinators(now);
    }

    /// Unloads the groups, and tells the transactions, whose coordinator is not the one that it
    /// was.
    pub(crate) fn settle_coordinators(&mut self, now: Moment) {
        self.settle_transactions(now);
        let names: Vec<String> = self.groups.keys().cloned().collect();
        for name in names {
            let coordinator = self.coordinator(GROUP_KEY, &name);
            let (groups, cx) = self.groups_with(now.at);
            if let Some(group) =
                groups.get_mut(&name).filter(|group| group.coordinator != coordinator)
            {
                group.coordinator = coordinator;
                group.unload(cx);
            }
        }
    }

    /// The group, made if need be, if `broker` coordinates it.
    pub(crate) fn group_at(
        &mut self,
        broker: i32,
        name: &str,
    ) -> Result<&mut Group, ResponseError> {
        self.check_group(broker, name)?;
        let group = self.groups.entry(name.to_owned()).or_default();
        group.coordinator = Some(broker);
        Ok(group)
    }

    /// The group, if there is one and `broker` coordinates it.
    pub(crate) fn known_group_at(
        &mut self,
        broker: i32,
        name: &str,
    ) -> Result<Option<&mut Group>, ResponseError> {
        self.check_group(broker, name)?;
        Ok(self.groups.get_mut(name))
    }

    /// Whether a known group takes a commit.
    pub(crate) fn check_commit(
        &mut self,
        group: &str,
        request: &CommitRequest<'_>,
        now: Instant,
    ) -> Result<(), ResponseError> {
        let (groups, cx) = self.groups_with(now);
        let group = groups.get_mut(group).ok_or(ResponseError::UnknownMemberId)?;
        group.check_commit(request, cx)
    }

    /// Fails unless `broker` coordinates the group, and has read its log.
    pub(crate) fn check_group(&self, broker: i32, name: &str) -> Result<(), ResponseError> {
        if name.is_empty() {
            return Err(ResponseError::InvalidGroupId);
        }
        self.check_coordinator(broker, GROUP_KEY, name)?;
        if self.loading_groups.get(name).is_some_and(|until| Instant::now() < *until) {
            return Err(ResponseError::CoordinatorLoadInProgress);
        }
        Ok(())
    }

    /// The groups, and what their coordinators know besides.
    pub(crate) fn groups_with(
        &mut self,
        now: Instant,
    ) -> (&mut BTreeMap<String, Group>, Context<'_>) {
        let cx = Context {
            topics: &self.topics,
            names: &self.topic_names,
            created: self.topics_created,
            settings: &self.settings.consumer_groups,
            share: &self.settings.share_groups,
            configs: &self.group_configs,
            now,
        };
        (&mut self.groups, cx)
    }

    /// Gives a partition another leader that is up: `to`, or the next replica.
    pub(crate) fn move_leader(&mut self, topic: &str, index: i32, to: Option<i32>) {
        let up: Vec<i32> = self.up_brokers().map(|(id, _)| id).collect();
        let Some(partition) = self.partition_mut(topic, index) else { return };
        let current = partition.leader;
        let next = || {
            partition.replicas.iter().copied().find(|id| up.contains(id) && Some(*id) != current)
        };
        let Some(leader) = to.or_else(next) else { return };
        if !partition.replicas.contains(&leader) {
            partition.replicas.push(leader);
        }
        partition.elect(Some(leader));
        self.settle_shares();
    }

    /// Gives a group or transaction another coordinator that is up: `to`, or the next broker.
    pub(crate) fn move_coordinator(
        &mut self,
        key_type: i8,
        key: &str,
        to: Option<i32>,
        now: Moment,
    ) {
        let current = self.coordinator(key_type, key);
        let up: Vec<i32> = self.up_brokers().map(|(id, _)| id).collect();
        let next = up.iter().find(|id| Some(**id) > current).or(up.first()).copied();
        if let Some(broker) = to.or(next) {
            self.coordinators.insert((key_type, key.to_owned()), broker);
            self.settle_coordinators(now);
        }
    }

    /// A producer id that nobody has.
    pub(crate) fn new_producer_id(&mut self) -> i64 {
        self.next_producer_id += 1;
        self.next_producer_id
    }

    /// The broker that coordinates a key: where a test put it, else by a hash over the brokers.
    pub(crate) fn coordinator(&self, key_type: i8, key: &str) -> Option<i32> {
        let up: Vec<i32> = self.up_brokers().map(|(id, _)| id).collect();
        if let Some(placed) =
            self.coordinators.get(&(key_type, key.to_owned())).filter(|id| up.contains(id))
        {
            return Some(*placed);
        }
        let all: Vec<i32> = self.brokers.keys().copied().collect();
        // FNV-1a: stable over runs and Rust versions.
        let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let slots = u64::try_from(all.len()).ok().filter(|slots| *slots > 0)?;
        let first = usize::try_from(hash % slots).unwrap_or(0);
        all.iter().cycle().skip(first).take(all.len()).copied().find(|id| up.contains(id))
    }

    /// Fails unless `broker` coordinates the key.
    pub(crate) fn check_coordinator(
        &self,
        broker: i32,
        key_type: i8,
        key: &str,
    ) -> Result<(), ResponseError> {
        if self.coordinator(key_type, key) == Some(broker) {
            Ok(())
        } else {
            Err(ResponseError::NotCoordinator)
        }
    }

    /// The address that metadata gives for a broker.
    pub(crate) fn endpoint(&self, id: i32) -> Option<Endpoint> {
        let broker = self.broker(id)?;
        Some(Endpoint {
            id: BrokerId(id),
            host: StrBytes::from_string(broker.advertised.0.clone()),
            port: i32::from(broker.advertised.1),
            rack: broker.rack.clone().map(StrBytes::from_string),
        })
    }
}

/// A broker as replies name it.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) id: BrokerId,
    pub(crate) host: StrBytes,
    pub(crate) port: i32,
    pub(crate) rack: Option<StrBytes>,
}

fn spread(brokers: &[i32], from: usize, replication: usize) -> Vec<i32> {
    brokers.iter().cycle().skip(from % brokers.len().max(1)).take(replication).copied().collect()
}
