//! What a test can do to a cluster, and ask of it.

use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::ApiKey;
use tokio::time::sleep;

use super::clock::Moment;
use super::log::batch::{BatchHeader, build};
use super::log::records::{ScannedRecord, encode, scan};
use super::log::{Log, StoredBatch, batch};
use super::state::{GROUP_KEY, State, TRANSACTION_KEY};
use super::transaction::Marker;
use super::{
    EmbeddedCluster, Fault, FaultId, Logins, MetricsSubscription, PushedMetrics, TrackedCommit,
    TrackedRequest,
};

/// How a transaction ends that a test appends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionEnd {
    /// The transaction was committed.
    Committed,
    /// The transaction was aborted.
    Aborted,
    /// The transaction stays open: the last stable offset stays before it.
    Open,
}

/// Topics.
impl EmbeddedCluster {
    /// Creates a topic.
    ///
    /// # Errors
    /// The error code that CreateTopics would return.
    pub fn create_topic(
        &self,
        name: &str,
        partitions: i32,
        replication: i16,
    ) -> Result<(), ResponseError> {
        self.shared().lock().create_topic(name, partitions, replication).map(drop)
    }

    /// Deletes a topic.
    ///
    /// # Errors
    /// The error code that DeleteTopics would return.
    pub fn delete_topic(&self, name: &str) -> Result<(), ResponseError> {
        let deleted = self.shared().lock().delete_topic(name).map(drop);
        self.shared().changed.notify_waiters();
        deleted
    }

    /// Adds partitions, up to a total of `count`.
    ///
    /// # Errors
    /// The error code that CreatePartitions would return.
    pub fn grow_topic(&self, name: &str, count: i32) -> Result<(), ResponseError> {
        self.shared().lock().grow_topic(name, count)
    }

    /// Changes a config of a topic, such as `cleanup.policy`, `message.timestamp.type` or
    /// `min.insync.replicas`.
    pub fn set_topic_config(&self, name: &str, key: &str, value: &str) {
        if let Some(topic) = self.shared().lock().topics.get_mut(name) {
            topic.configs.insert(key.to_owned(), value.to_owned());
        }
    }

    /// Returns the batches of a partition, oldest first.
    pub fn log(&self, topic: &str, partition: i32) -> Vec<StoredBatch> {
        let state = self.shared().lock();
        state
            .partition(topic, partition)
            .map_or_else(Vec::new, |partition| partition.log.batches().to_vec())
    }

    /// Returns the first offset of a partition, and the one after its last.
    pub fn offsets(&self, topic: &str, partition: i32) -> Option<(i64, i64)> {
        let state = self.shared().lock();
        state
            .partition(topic, partition)
            .map(|partition| (partition.log.start(), partition.log.end()))
    }

    /// Returns how often clients have authenticated; see [`Builder::sasl`](super::Builder::sasl).
    pub fn logins(&self) -> Logins {
        self.shared().lock().login_counts
    }

    /// Deletes the records of a partition below `offset`.
    pub fn delete_records(&self, topic: &str, partition: i32, offset: i64) {
        self.with_log(topic, partition, |log| log.delete_below(offset));
    }

    /// Truncates a partition's log to `offset` and starts a new leader epoch, as an unclean
    /// election does.
    pub fn truncate(&self, topic: &str, partition: i32, offset: i64) {
        if let Some(partition) = self.shared().lock().partition_mut(topic, partition) {
            partition.log.truncate(offset);
            let leader = partition.leader;
            partition.leader = None;
            partition.elect(leader);
        }
        self.shared().changed.notify_waiters();
    }

    /// Keeps the high watermark at `offset`, so that consumers see nothing from there on, or lets
    /// it go again.
    pub fn hold_high_watermark(&self, topic: &str, partition: i32, offset: Option<i64>) {
        self.with_log(topic, partition, |log| log.hold_from(offset));
    }

    /// Forgets one producer, or all of them, in a partition, as expiry does.
    pub fn forget_producer(&self, topic: &str, partition: i32, producer_id: Option<i64>) {
        self.with_log(topic, partition, |log| log.producers.forget(producer_id));
    }

    /// Appends bytes as they are, except for offset and leader epoch; they need not be a valid
    /// batch.
    pub fn append_raw(&self, topic: &str, partition: i32, batch: &[u8]) {
        if let Some(partition) = self.shared().lock().partition_mut(topic, partition) {
            let epoch = partition.leader_epoch;
            partition.log.append_unchecked(batch, epoch, None);
        }
        self.shared().changed.notify_waiters();
    }

    /// Appends a batch of records (key, value), and returns its first offset.
    pub fn append(
        &self,
        topic: &str,
        partition: i32,
        records: &[(Option<&[u8]>, Option<&[u8]>)],
    ) -> Option<i64> {
        self.append_as(topic, partition, (0, -1, -1, -1), records)
    }

    /// Appends a batch of a transaction and, unless it stays open, its marker. Returns the first
    /// offset.
    ///
    /// The producer is known only to this partition: no coordinator has the transaction.
    pub fn append_transaction(
        &self,
        topic: &str,
        partition: i32,
        producer_id: i64,
        records: &[(Option<&[u8]>, Option<&[u8]>)],
        end: TransactionEnd,
    ) -> Option<i64> {
        const TRANSACTIONAL: i16 = 1 << 4;
        let offset =
            self.append_as(topic, partition, (TRANSACTIONAL, producer_id, 0, 0), records)?;
        if end != TransactionEnd::Open {
            self.end_transaction(topic, partition, producer_id, end == TransactionEnd::Committed);
        }
        Some(offset)
    }

    /// Writes the marker of a transaction that [`EmbeddedCluster::append_transaction`] left open.
    pub fn end_transaction(&self, topic: &str, partition: i32, producer_id: i64, committed: bool) {
        let now = self.shared().now_ms();
        if let Some(partition) = self.shared().lock().partition_mut(topic, partition) {
            let marker =
                Marker { producer_id, epoch: 0, committed, coordinator_epoch: 0, version: 0 };
            partition.log.append_marker(marker, partition.leader_epoch, now);
        }
        self.shared().changed.notify_waiters();
    }

    fn append_as(
        &self,
        topic: &str,
        partition: i32,
        (attributes, producer_id, epoch, sequence): (i16, i64, i16, i32),
        records: &[(Option<&[u8]>, Option<&[u8]>)],
    ) -> Option<i64> {
        let count = i32::try_from(records.len()).ok()?;
        let now = self.shared().now_ms();
        let bytes = build(attributes, now, producer_id, epoch, sequence, count, &encode(records));
        let mut state = self.shared().lock();
        let partition = state.partition_mut(topic, partition)?;
        let offset = partition.log.append_unchecked(&bytes, partition.leader_epoch, None);
        if let Some(header) = BatchHeader::read(&bytes).filter(BatchHeader::has_producer_id) {
            partition.log.producers.appended(&header, offset, now);
        }
        drop(state);
        self.shared().changed.notify_waiters();
        Some(offset)
    }

    fn with_log(&self, topic: &str, partition: i32, change: impl FnOnce(&mut Log)) {
        if let Some(partition) = self.shared().lock().partition_mut(topic, partition) {
            change(&mut partition.log);
        }
        self.shared().changed.notify_waiters();
    }
}

/// Brokers.
impl EmbeddedCluster {
    /// Stops a broker in a controlled way: its partitions move first, then its connections close.
    pub fn stop_broker(&self, id: i32) {
        self.down(id, true);
    }

    /// Kills a broker; its partitions move once the controller has noticed.
    pub fn kill_broker(&self, id: i32) {
        let delay = self.shared().lock().settings.failure_detection;
        self.down(id, delay.is_zero());
        if !delay.is_zero() {
            let (cluster, ended) = (std::sync::Arc::clone(self.shared()), self.inner.ended.clone());
            self.inner.tasks.spawn(async move {
                tokio::select! {
                    biased;
                    () = ended.cancelled() => {}
                    () = sleep(delay) => {
                        let now = cluster.moment();
                        let mut state = cluster.lock();
                        if state.broker(id).is_some_and(|broker| broker.running.is_none()) {
                            state.unregister(id, now);
                        }
                        drop(state);
                        cluster.wake();
                    }
                }
            });
        }
    }

    /// Closes every connection to a broker, which goes on running.
    pub fn cut_connections(&self, id: i32) {
        let fresh = self.inner.ended.child_token();
        let old = self.shared().lock().brokers.get_mut(&id).and_then(|broker| {
            let running = broker.running.as_mut()?;
            Some(std::mem::replace(running, fresh))
        });
        if let Some(old) = old {
            old.cancel();
        }
    }

    /// Returns the brokers that are running.
    pub fn running_brokers(&self) -> Vec<i32> {
        let state = self.shared().lock();
        state
            .brokers
            .iter()
            .filter(|(_, broker)| broker.running.is_some())
            .map(|(id, _)| *id)
            .collect()
    }

    /// Returns the broker that leads a partition.
    pub fn leader(&self, topic: &str, partition: i32) -> Option<i32> {
        self.shared().lock().partition(topic, partition)?.leader
    }

    /// Returns the leader epoch of a partition.
    pub fn leader_epoch(&self, topic: &str, partition: i32) -> Option<i32> {
        Some(self.shared().lock().partition(topic, partition)?.leader_epoch)
    }

    /// Moves the leadership of a partition to `to`, or to its next replica that is running.
    pub fn move_leader(&self, topic: &str, partition: i32, to: Option<i32>) {
        self.shared().lock().move_leader(topic, partition, to);
        self.shared().wake();
    }

    /// Directs consumers that name their rack to this replica (KIP-392).
    pub fn set_preferred_replica(&self, topic: &str, partition: i32, replica: Option<i32>) {
        if let Some(partition) = self.shared().lock().partition_mut(topic, partition) {
            partition.preferred_replica = replica;
        }
        self.shared().changed.notify_waiters();
    }

    /// Returns the broker that coordinates a group.
    pub fn group_coordinator(&self, group: &str) -> Option<i32> {
        self.shared().lock().coordinator(GROUP_KEY, group)
    }

    /// Makes `to`, or the next broker, the coordinator of a group.
    pub fn move_group_coordinator(&self, group: &str, to: Option<i32>) {
        let now = self.shared().moment();
        self.shared().lock().move_coordinator(GROUP_KEY, group, to, now);
    }

    /// Returns the offset that a group has committed for a partition.
    pub fn committed(&self, group: &str, topic: &str, partition: i32) -> Option<i64> {
        let state = self.shared().lock();
        state.groups.get(group)?.offsets.get(topic, partition).map(|committed| committed.offset)
    }

    /// Returns the broker that coordinates a transactional id.
    pub fn transaction_coordinator(&self, id: &str) -> Option<i32> {
        self.shared().lock().coordinator(TRANSACTION_KEY, id)
    }

    /// Makes `to`, or the next broker, the coordinator of a transactional id.
    pub fn move_transaction_coordinator(&self, id: &str, to: Option<i32>) {
        let now = self.shared().moment();
        self.shared().lock().move_coordinator(TRANSACTION_KEY, id, to, now);
        self.shared().wake();
    }

    /// Changes the address of a broker in metadata, but not where it listens.
    pub fn set_advertised_address(&self, id: i32, host: &str, port: u16) {
        self.with_broker(id, |broker| broker.advertised = (host.to_owned(), port));
    }

    /// Removes a broker from metadata, or adds it back, while it goes on serving.
    pub fn hide_broker(&self, id: i32, hidden: bool) {
        self.with_broker(id, |broker| broker.hidden = hidden);
    }

    /// Changes the versions of an API that a broker advertises and serves.
    pub fn set_versions(&self, id: i32, api: ApiKey, min: i16, max: i16) {
        self.with_broker(id, |broker| {
            broker.versions.insert(api as i16, (min, max));
        });
    }

    /// Removes an API from a broker.
    pub fn remove_api(&self, id: i32, api: ApiKey) {
        self.with_broker(id, |broker| {
            broker.versions.remove(&(api as i16));
        });
    }

    /// Lets a broker throttle every client for this long (KIP-219), and read nothing from it
    /// meanwhile.
    pub fn set_throttle(&self, id: i32, throttle: Duration) {
        self.with_broker(id, |broker| broker.throttle = throttle);
    }

    /// Changes how many fetch sessions a broker keeps, and drops those in excess.
    pub fn set_fetch_session_slots(&self, id: i32, slots: usize) {
        self.with_broker(id, |broker| broker.sessions.set_slots(slots));
    }

    /// Drops every fetch session of a broker.
    pub fn evict_fetch_sessions(&self, id: i32) {
        self.with_broker(id, |broker| broker.sessions.clear());
    }

    /// Changes which metrics clients are asked for; needs
    /// [`Builder::metrics_receiver`](super::Builder::metrics_receiver).
    pub fn subscribe_to_metrics(&self, subscription: MetricsSubscription) {
        if let Some(receiver) = &mut self.shared().lock().metrics {
            receiver.subscribe(subscription);
        }
    }

    /// Returns what clients have pushed, oldest first.
    pub fn pushed_metrics(&self) -> Vec<PushedMetrics> {
        self.shared()
            .lock()
            .metrics
            .as_ref()
            .map(|receiver| receiver.pushed.clone())
            .unwrap_or_default()
    }

    fn with_broker(&self, id: i32, change: impl FnOnce(&mut super::broker::Broker)) {
        if let Some(broker) = self.shared().lock().brokers.get_mut(&id) {
            change(broker);
        }
    }

    fn down(&self, id: i32, at_once: bool) {
        let now = self.shared().moment();
        let running = {
            let mut state = self.shared().lock();
            let broker = state.brokers.get_mut(&id);
            let running = broker.and_then(|broker| {
                // It has told nobody of the locks that it gave.
                broker.share.clear();
                broker.running.take()
            });
            if at_once {
                state.unregister(id, now);
            }
            running
        };
        if let Some(running) = running {
            running.cancel();
        }
        self.shared().wake();
    }
}

/// Faults and what was asked.
impl EmbeddedCluster {
    /// Adds a rule, after those already there.
    pub fn fault(&self, fault: Fault) -> FaultId {
        self.shared().lock().faults.add(fault)
    }

    /// Removes a rule before it is used up.
    pub fn remove_fault(&self, id: FaultId) {
        self.shared().lock().faults.remove(id);
    }

    /// Removes all rules.
    pub fn clear_faults(&self) {
        self.shared().lock().faults.clear();
    }

    /// Returns how often a rule was applied.
    pub fn fault_hits(&self, id: FaultId) -> u64 {
        self.shared().lock().faults.hits(id)
    }

    /// Returns the newest 100,000 requests that brokers received, oldest first.
    pub fn requests(&self) -> Vec<TrackedRequest> {
        self.shared().lock().requests.iter().cloned().collect()
    }

    /// Returns those requests that are of one API.
    pub fn requests_of(&self, api: ApiKey) -> Vec<TrackedRequest> {
        self.shared().lock().requests.iter().filter(|request| request.api == api).cloned().collect()
    }

    /// Returns the offsets that groups have committed, oldest first, except the first `known`.
    pub fn commits_after(&self, known: usize) -> Vec<TrackedCommit> {
        self.shared().lock().commits.iter().skip(known).cloned().collect()
    }

    /// Forgets the requests received so far.
    pub fn clear_requests(&self) {
        self.shared().lock().requests.clear();
    }
}

impl StoredBatch {
    /// Returns the records of an uncompressed batch; `None` for a compressed or malformed one.
    pub fn records(&self) -> Option<Vec<ScannedRecord<'_>>> {
        if self.header.compression() != 0 {
            return None;
        }
        scan(self.bytes.get(batch::HEADER_LEN..)?, self.header.record_count)
    }
}

impl State {
    /// The controller takes a broker for dead.
    fn unregister(&mut self, id: i32, now: Moment) {
        if let Some(broker) = self.brokers.get_mut(&id) {
            broker.registered = false;
        }
        self.elect_leaders(now);
    }
}
