//! The settings of a cluster, before it starts.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::ApiKey;
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::broker::Broker;
use super::clock::{Clock, Random};
use super::fault::Faults;
use super::group::config::GroupConfigs;
use super::group::consumer::assignor::Assignor;
use super::group::consumer::mixed::MigrationPolicy;
use super::metrics::Receiver;
use super::sasl::{Logins, Sasl};
use super::share::store::ShareStore;
use super::state::{Settings, Shared, State};
use super::transaction::Transactions;
use super::{EmbeddedCluster, Transport, api};

/// The port of every broker in memory, where only hosts differ.
const PORT: u16 = 9092;

/// What Kafka 3.9 serves of the APIs that the new protocol has changed.
const LAST_OF_OLD_TRANSACTIONS: [(ApiKey, i16); 3] =
    [(ApiKey::Produce, 11), (ApiKey::EndTxn, 4), (ApiKey::TxnOffsetCommit, 4)];

/// What brokers with share groups serve besides.
const SHARE_APIS: [ApiKey; 7] = [
    ApiKey::ShareGroupHeartbeat,
    ApiKey::ShareGroupDescribe,
    ApiKey::ShareFetch,
    ApiKey::ShareAcknowledge,
    ApiKey::DescribeShareGroupOffsets,
    ApiKey::AlterShareGroupOffsets,
    ApiKey::DeleteShareGroupOffsets,
];

/// The settings of an [`EmbeddedCluster`]. By default it is one broker over TCP that creates topics
/// on demand.
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    brokers: i32,
    transport: Transport,
    seed: u64,
    settings: Settings,
    racks: BTreeMap<i32, String>,
    topics: Vec<(String, i32, i16)>,
    receives_metrics: bool,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            brokers: 1,
            transport: Transport::Tcp,
            seed: 1,
            settings: Settings::default(),
            racks: BTreeMap::new(),
            topics: Vec::new(),
            receives_metrics: false,
        }
    }
}

impl Builder {
    /// Sets the number of brokers; their ids start at 1. Default 1.
    pub fn brokers(mut self, count: i32) -> Self {
        self.brokers = count;
        self
    }

    /// Keeps everything in memory: [`EmbeddedCluster::connect`] returns connections, and time is
    /// tokio's, which may be paused.
    pub fn in_memory(mut self) -> Self {
        self.transport = Transport::Memory;
        self
    }

    /// Lets brokers listen on ports of 127.0.0.1, with the system's time. This is the default.
    pub fn tcp(mut self) -> Self {
        self.transport = Transport::Tcp;
        self
    }

    /// Sets the seed for ids, garbage and the probabilities of fault rules.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Creates a topic before the cluster starts.
    pub fn topic(mut self, name: impl Into<String>, partitions: i32, replication: i16) -> Self {
        self.topics.push((name.into(), partitions, replication));
        self
    }

    /// Sets `auto.create.topics.enable`. Default true.
    pub fn auto_create_topics(mut self, yes: bool) -> Self {
        self.settings.auto_create_topics = yes;
        self
    }

    /// Sets `num.partitions`, for topics created without a number of partitions. Default 1.
    pub fn default_partitions(mut self, count: i32) -> Self {
        self.settings.default_partitions = count;
        self
    }

    /// Sets `default.replication.factor`. Default 1.
    pub fn default_replication(mut self, factor: i16) -> Self {
        self.settings.default_replication = factor;
        self
    }

    /// Sets `message.max.bytes`. Default 1,048,588.
    pub fn message_max_bytes(mut self, bytes: usize) -> Self {
        self.settings.message_max_bytes = bytes;
        self
    }

    /// Sets `max.incremental.fetch.session.cache.slots` of each broker. Default 1000.
    pub fn fetch_session_slots(mut self, slots: usize) -> Self {
        self.settings.fetch_session_slots = slots;
        self
    }

    /// Sets `group.initial.rebalance.delay.ms`. Default 0 (Kafka's is 3 s).
    pub fn initial_rebalance_delay(mut self, delay: Duration) -> Self {
        self.settings.initial_rebalance_delay = delay;
        self
    }

    /// Sets `group.min.session.timeout.ms`. Default 6 s.
    pub fn min_session_timeout(mut self, timeout: Duration) -> Self {
        self.settings.min_session_timeout = timeout;
        self
    }

    /// Sets how long the controller takes to notice that a killed broker is dead. Default 0 (in
    /// Kafka 9 s).
    pub fn failure_detection(mut self, delay: Duration) -> Self {
        self.settings.failure_detection = delay;
        self
    }

    /// Makes nodes that are KRaft controllers to whoever asks (KIP-919): they describe the cluster as
    /// one of controllers, and do not have Metadata. The others forward to the active one, where
    /// Kafka's refuse.
    pub fn only_controllers(mut self) -> Self {
        self.settings.has_controllers_only = true;
        self
    }

    /// Sets the finalized feature `transaction.version`: 2 is KIP-890, 1 and 0 are the old
    /// protocol. Default 2.
    ///
    /// It can be changed while the cluster runs: [`EmbeddedCluster::set_transaction_version`].
    pub fn transaction_version(mut self, level: i16) -> Self {
        self.settings.transaction_version = level;
        self
    }

    /// Makes brokers like those before Kafka 4.0, which only support the old protocol: no feature
    /// `transaction.version`, Produce up to version 11, EndTxn and TxnOffsetCommit up to 4. They
    /// have [classic groups](Self::only_classic_groups) only.
    pub fn only_old_transactions(mut self) -> Self {
        self.settings.transaction_version = 0;
        self.settings.has_transaction_version = false;
        self.only_classic_groups()
    }

    /// Sets the finalized feature `group.version`: 1 is KIP-848, 0 is classic groups only. Default
    /// 1.
    ///
    /// It can be changed while the cluster runs: [`EmbeddedCluster::set_group_version`].
    pub fn group_version(mut self, level: i16) -> Self {
        self.settings.group_version = level;
        self
    }

    /// Makes brokers like those before Kafka 3.7, which know classic groups only: no feature
    /// `group.version`, no ConsumerGroupHeartbeat, no ConsumerGroupDescribe, and
    /// [no share groups](Self::no_share_groups).
    pub fn only_classic_groups(mut self) -> Self {
        self.settings.group_version = 0;
        self.settings.has_group_version = false;
        self.no_share_groups()
    }

    /// Sets the finalized feature `share.version`: 1 is KIP-932, 0 is no share groups. Default 1.
    ///
    /// It can be changed while the cluster runs: [`EmbeddedCluster::set_share_version`].
    pub fn share_version(mut self, level: i16) -> Self {
        self.settings.share_version = level;
        self
    }

    /// Makes brokers like those before Kafka 4.1, which do not know share groups: no feature
    /// `share.version`, and none of their APIs.
    pub fn no_share_groups(mut self) -> Self {
        self.settings.share_version = 0;
        self.settings.has_share_version = false;
        self
    }

    /// Sets `group.share.heartbeat.interval.ms`. Default 5 s.
    pub fn share_heartbeat_interval(mut self, interval: Duration) -> Self {
        self.settings.share_groups.heartbeat_interval = interval;
        self
    }

    /// Sets `group.share.session.timeout.ms`. Default 45 s.
    pub fn share_session_timeout(mut self, timeout: Duration) -> Self {
        self.settings.share_groups.session_timeout = timeout;
        self
    }

    /// Sets `group.share.max.size`. Default 200.
    pub fn share_group_max_size(mut self, members: usize) -> Self {
        self.settings.share_groups.max_size = members;
        self
    }

    /// Sets `group.share.assignment.interval.ms`, the least time between two target assignments of
    /// a group. Default 0 (Kafka's is 1 s since 4.3).
    pub fn share_assignment_interval(mut self, interval: Duration) -> Self {
        self.settings.share_groups.assignment_interval = interval;
        self
    }

    /// Sets `group.share.record.lock.duration.ms`, how long a member has a record. Default 30 s.
    pub fn share_record_lock_duration(mut self, duration: Duration) -> Self {
        self.settings.share_groups.record_lock_duration = duration;
        self
    }

    /// Sets `group.share.delivery.count.limit`, how often a record is delivered. Default 5.
    pub fn share_delivery_count_limit(mut self, deliveries: i32) -> Self {
        self.settings.share_groups.delivery_count_limit = deliveries;
        self
    }

    /// Sets `group.share.partition.max.record.locks`, how many records of a partition may be in
    /// flight. Default 2000.
    pub fn share_partition_max_record_locks(mut self, records: i64) -> Self {
        self.settings.share_groups.partition_max_record_locks = records;
        self
    }

    /// Sets `group.share.max.share.sessions` of each broker. Default 2000.
    pub fn share_session_slots(mut self, slots: usize) -> Self {
        self.settings.share_groups.max_share_sessions = slots;
        self
    }

    /// Sets `group.consumer.heartbeat.interval.ms`. Default 5 s.
    pub fn consumer_heartbeat_interval(mut self, interval: Duration) -> Self {
        self.settings.consumer_groups.heartbeat_interval = interval;
        self
    }

    /// Sets `group.consumer.session.timeout.ms`. Default 45 s.
    pub fn consumer_session_timeout(mut self, timeout: Duration) -> Self {
        self.settings.consumer_groups.session_timeout = timeout;
        self
    }

    /// Sets `group.consumer.max.size`. Default no limit.
    pub fn consumer_group_max_size(mut self, members: usize) -> Self {
        self.settings.consumer_groups.max_size = members;
        self
    }

    /// Sets `group.consumer.assignors`, the default first. Default uniform, then range.
    pub fn consumer_assignors(mut self, assignors: &[Assignor]) -> Self {
        self.settings.consumer_groups.assignors = assignors.to_vec();
        self
    }

    /// Sets `group.consumer.assignment.interval.ms`, the least time between two target assignments
    /// of a group. Default 0 (Kafka's is 1 s since 4.3, and 0 before).
    pub fn consumer_assignment_interval(mut self, interval: Duration) -> Self {
        self.settings.consumer_groups.assignment_interval = interval;
        self
    }

    /// Sets `group.consumer.migration.policy`. Default bidirectional.
    pub fn consumer_migration_policy(mut self, policy: MigrationPolicy) -> Self {
        self.settings.consumer_groups.migration_policy = policy;
        self
    }

    /// Sets `group.consumer.regex.refresh.interval.ms`. Default 10 min.
    pub fn consumer_regex_refresh_interval(mut self, interval: Duration) -> Self {
        self.settings.consumer_groups.regex_refresh = interval;
        self
    }

    /// Sets `transaction.partition.verification.enable`. Default true. Brokers before Kafka 3.6
    /// verify nothing: they append to a partition that was never added to the transaction.
    pub fn transaction_verification(mut self, yes: bool) -> Self {
        self.settings.verifies_transactions = yes;
        self
    }

    /// Sets `transaction.max.timeout.ms`. Default 15 min.
    pub fn transaction_max_timeout(mut self, timeout: Duration) -> Self {
        self.settings.max_transaction_timeout = timeout;
        self
    }

    /// Sets `transactional.id.expiration.ms`, after which an unused id is forgotten. Default 7
    /// days.
    pub fn transactional_id_expiration(mut self, expiration: Duration) -> Self {
        self.settings.transactional_id_expiration = expiration;
        self
    }

    /// Sets how long after the end of a transaction each partition gets its marker; see
    /// [`EmbeddedCluster::set_marker_delay`]. Default 1 ms.
    pub fn marker_delay(mut self, delay: RangeInclusive<Duration>) -> Self {
        self.settings.marker_delay = (*delay.start(), *delay.end());
        self
    }

    /// Gives brokers a receiver for client metrics (KIP-714); see
    /// [`EmbeddedCluster::subscribe_to_metrics`]. Default off.
    pub fn metrics_receiver(mut self) -> Self {
        self.receives_metrics = true;
        self
    }

    /// Requires SASL on all listeners. Default off.
    pub fn sasl(mut self, sasl: Sasl) -> Self {
        self.settings.sasl = Some(Arc::new(sasl));
        self
    }

    /// Sets the rack of a broker.
    pub fn rack(mut self, broker: i32, rack: impl Into<String>) -> Self {
        self.racks.insert(broker, rack.into());
        self
    }

    /// Starts the brokers.
    ///
    /// # Errors
    /// If a port cannot be bound, or a topic of the builder cannot be created.
    pub async fn start(self) -> io::Result<EmbeddedCluster> {
        let mut random = Random::new(self.seed);
        let cluster_id = random.uuid().simple().to_string();
        let (mut brokers, mut listeners) = (BTreeMap::new(), BTreeMap::new());
        for id in 1..=self.brokers {
            let listen = match self.transport {
                Transport::Memory => (format!("broker-{id}"), PORT),
                Transport::Tcp => {
                    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
                    let port = listener.local_addr()?.port();
                    listeners.insert(id, listener);
                    ("127.0.0.1".to_owned(), port)
                }
            };
            let slots =
                (self.settings.fetch_session_slots, self.settings.share_groups.max_share_sessions);
            let mut broker = Broker::new(listen, self.versions(), slots);
            broker.rack = self.racks.get(&id).cloned();
            brokers.insert(id, broker);
        }
        let clock = match self.transport {
            Transport::Memory => {
                Clock::Virtual { epoch_ms: Clock::VIRTUAL_EPOCH_MS, started: Instant::now() }
            }
            Transport::Tcp => Clock::System,
        };
        let shared = Shared::new(self.state(random, cluster_id, brokers), clock);
        let cluster = EmbeddedCluster::new(shared, self.transport);
        for id in 1..=self.brokers {
            cluster.run_broker(id, listeners.remove(&id));
        }
        for (name, partitions, replication) in &self.topics {
            cluster.create_topic(name, *partitions, *replication).map_err(refused)?;
        }
        Ok(cluster)
    }

    fn versions(&self) -> BTreeMap<i16, (i16, i16)> {
        let mut versions = api::served();
        if !self.receives_metrics {
            for api in [ApiKey::GetTelemetrySubscriptions, ApiKey::PushTelemetry] {
                versions.remove(&(api as i16));
            }
        }
        if !self.settings.has_transaction_version {
            for (api, last) in LAST_OF_OLD_TRANSACTIONS {
                versions.entry(api as i16).and_modify(|range| range.1 = last);
            }
        }
        if !self.settings.has_group_version {
            for api in [ApiKey::ConsumerGroupHeartbeat, ApiKey::ConsumerGroupDescribe] {
                versions.remove(&(api as i16));
            }
        }
        if !self.settings.has_share_version {
            for api in SHARE_APIS {
                versions.remove(&(api as i16));
            }
        }
        if self.settings.has_controllers_only {
            versions.remove(&(ApiKey::Metadata as i16));
        }
        if self.settings.sasl.is_none() {
            for api in [ApiKey::SaslHandshake, ApiKey::SaslAuthenticate] {
                versions.remove(&(api as i16));
            }
        }
        versions
    }

    fn state(&self, random: Random, cluster_id: String, brokers: BTreeMap<i32, Broker>) -> State {
        State {
            settings: self.settings.clone(),
            random,
            cluster_id,
            controller: 1,
            brokers,
            topics: BTreeMap::new(),
            topic_names: BTreeMap::new(),
            topics_created: 0,
            coordinators: BTreeMap::new(),
            groups: BTreeMap::new(),
            group_configs: GroupConfigs::default(),
            share_store: ShareStore::default(),
            shares_made: 0,
            loading_groups: BTreeMap::new(),
            transactions: Transactions::default(),
            features_epoch: 1,
            next_producer_id: 1000,
            next_connection: 0,
            logins: BTreeMap::new(),
            login_counts: Logins::default(),
            faults: Faults::default(),
            requests: VecDeque::new(),
            commits: Vec::new(),
            metrics: self.receives_metrics.then(Receiver::new),
        }
    }
}

fn refused(error: ResponseError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, error)
}
