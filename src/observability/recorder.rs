//! The feature `metrics` is on: what happens is told to the recorder that the program has
//! installed.
//!
//! Handles are taken from the recorder when a part is made, or something is first met, and kept; a
//! recorder that is installed later hears nothing. Gauges of what several parts have are sums: each
//! adds and takes away its own.

use std::collections::BTreeMap;
#[cfg(feature = "admin")]
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use metrics::{Counter, Gauge, Histogram, Label, SharedString};

use super::{ConnectionEvent, ConsumerEvent, MemberEvent, ProducerEvent};
#[cfg(feature = "admin")]
use crate::ids::GroupId;
use crate::ids::{BrokerId, TopicName, TopicPartition};

/// Tells of one client.
#[derive(Clone, Debug)]
pub(crate) struct ClientRecorder {
    labels: Labels,
    connections: ConnectionRecorder,
    in_flight: Gauge,
    requests: Arc<HandleCache<(&'static str, Option<BrokerId>), Requests>>,
    #[cfg(feature = "admin")]
    group_lags: Arc<HandleCache<(GroupId, TopicPartition), Gauge>>,
}

/// Tells of the client's connections.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionRecorder {
    count: Gauge,
    created: Counter,
    closed: Counter,
    failed: Counter,
    sent: Counter,
    received: Counter,
}

/// Requests of one API to one broker.
#[derive(Debug)]
struct Requests {
    total: Counter,
    failures: Counter,
    latency: Histogram,
    throttle: Histogram,
}

/// A request that was handed over, until its reply or its end.
#[derive(Debug)]
pub(crate) struct RequestTimer {
    of: Arc<Requests>,
    in_flight: Gauge,
    began: Instant,
    clock: fn() -> Instant,
}

/// Tells of one producer.
#[derive(Debug)]
pub(crate) struct ProducerRecorder {
    client: ClientRecorder,
    topics: HandleCache<TopicName, TopicOfProducer>,
    batch_size: Histogram,
    compression_rate: Histogram,
    queue_time: Histogram,
    records_per_request: Histogram,
    splits: Counter,
    linger: Gauge,
    transactions_begun: Counter,
    transactions_committed: Counter,
    transactions_aborted: Counter,
    transaction_retries: Counter,
    transaction_time: Histogram,
    _buffer_total: Share,
    buffer_available: Share,
    in_request: u32,
}

#[derive(Debug)]
struct TopicOfProducer {
    sent: Counter,
    bytes: Counter,
    retries: Counter,
    errors: Counter,
}

/// Tells of one consumer.
#[derive(Debug)]
pub(crate) struct ConsumerRecorder {
    labels: Labels,
    fetch_size: Histogram,
    topics: HandleCache<TopicName, TopicOfConsumer>,
    lags: HandleCache<TopicPartition, Gauge>,
}

#[derive(Debug)]
struct TopicOfConsumer {
    records: Counter,
    bytes: Counter,
}

/// Tells of one member of a group.
#[derive(Debug)]
pub(crate) struct GroupRecorder {
    assigned: Share,
    rebalances: Counter,
    rebalance_latency: Histogram,
    commits: Counter,
    commit_errors: Counter,
    commit_latency: Histogram,
}

impl ClientRecorder {
    pub(crate) fn new(client_id: &str) -> Self {
        let labels = Labels(vec![Label::new("client_id", client_id.to_owned())]);
        let connections = ConnectionRecorder {
            count: labels.gauge("kafka_client_connection_count"),
            created: labels.counter("kafka_client_connection_creation_total"),
            closed: labels.counter("kafka_client_connection_close_total"),
            failed: labels.counter("kafka_client_connection_failure_total"),
            sent: labels.counter("kafka_client_outgoing_byte_total"),
            received: labels.counter("kafka_client_incoming_byte_total"),
        };
        let in_flight = labels.gauge("kafka_client_requests_in_flight");
        Self {
            labels,
            connections,
            in_flight,
            requests: Arc::default(),
            #[cfg(feature = "admin")]
            group_lags: Arc::default(),
        }
    }

    pub(crate) fn connections(&self) -> ConnectionRecorder {
        self.connections.clone()
    }

    /// A request is handed over; `None` is a broker that is known by its address alone.
    pub(crate) fn request(
        &self,
        api: &'static str,
        node: Option<BrokerId>,
        clock: fn() -> Instant,
    ) -> RequestTimer {
        let of = self.requests_of(api, node);
        of.total.increment(1);
        self.in_flight.increment(1.0);
        RequestTimer { of, in_flight: self.in_flight.clone(), began: clock(), clock }
    }

    /// A reply has asked for silence.
    pub(crate) fn throttled(&self, api: &'static str, node: Option<BrokerId>, duration: Duration) {
        self.requests_of(api, node).throttle.record(duration.as_secs_f64());
    }

    /// How far a group is behind in all that it has offsets of.
    #[cfg(feature = "admin")]
    pub(crate) fn group_lags<'a>(
        &self,
        group: &GroupId,
        lags: impl Iterator<Item = (&'a TopicPartition, i64)>,
    ) {
        let mut told = BTreeSet::new();
        for (partition, lag) in lags {
            let key = (group.clone(), partition.clone());
            let gauge = self.group_lags.get(&key, || {
                self.labels
                    .with("group_id", group.to_string())
                    .with("topic", partition.topic.to_string())
                    .with("partition", partition.partition.to_string())
                    .gauge("kafka_consumer_group_lag")
            });
            gauge.set(number(lag));
            told.insert(key);
        }
        // A recorder cannot forget, so the lag of what the group has no offset of any more is none.
        for gauge in self.group_lags.remove_where(|key| key.0 == *group && !told.contains(key)) {
            gauge.set(0.0);
        }
    }

    pub(crate) fn producer(&self, buffer: usize) -> ProducerRecorder {
        let labels = &self.labels;
        ProducerRecorder {
            client: self.clone(),
            topics: HandleCache::default(),
            batch_size: labels.histogram("kafka_producer_batch_size_bytes"),
            compression_rate: labels.histogram("kafka_producer_compression_rate"),
            queue_time: labels.histogram("kafka_producer_record_queue_time_seconds"),
            records_per_request: labels.histogram("kafka_producer_records_per_request"),
            splits: labels.counter("kafka_producer_batch_split_total"),
            linger: labels.gauge("kafka_producer_adaptive_linger_seconds"),
            transactions_begun: labels.counter("kafka_producer_transaction_begin_total"),
            transactions_committed: labels.counter("kafka_producer_transaction_commit_total"),
            transactions_aborted: labels.counter("kafka_producer_transaction_abort_total"),
            transaction_retries: labels.counter("kafka_producer_transaction_retry_total"),
            transaction_time: labels.histogram("kafka_producer_transaction_time_seconds"),
            _buffer_total: Share::new(
                labels.gauge("kafka_producer_buffer_total_bytes"),
                number(buffer),
            ),
            buffer_available: Share::new(
                labels.gauge("kafka_producer_buffer_available_bytes"),
                number(buffer),
            ),
            in_request: 0,
        }
    }

    pub(crate) fn consumer(&self) -> ConsumerRecorder {
        let labels = self.labels.clone();
        let fetch_size = labels.histogram("kafka_consumer_fetch_size_bytes");
        ConsumerRecorder {
            labels,
            fetch_size,
            topics: HandleCache::default(),
            lags: HandleCache::default(),
        }
    }

    pub(crate) fn group(&self, group: &str) -> GroupRecorder {
        let labels = self.labels.with("group_id", group.to_owned());
        GroupRecorder {
            assigned: Share::new(labels.gauge("kafka_consumer_assigned_partitions"), 0.0),
            rebalances: labels.counter("kafka_consumer_rebalance_total"),
            rebalance_latency: labels.histogram("kafka_consumer_rebalance_latency_seconds"),
            commits: labels.counter("kafka_consumer_commit_total"),
            commit_errors: labels.counter("kafka_consumer_commit_error_total"),
            commit_latency: labels.histogram("kafka_consumer_commit_latency_seconds"),
        }
    }

    fn requests_of(&self, api: &'static str, node: Option<BrokerId>) -> Arc<Requests> {
        self.requests.get(&(api, node), || {
            let node = node.map_or("bootstrap".to_owned(), |id| id.to_string());
            let labels = self.labels.with("api", api).with("node_id", node);
            Requests {
                total: labels.counter("kafka_client_request_total"),
                failures: labels.counter("kafka_client_request_failure_total"),
                latency: labels.histogram("kafka_client_request_latency_seconds"),
                throttle: labels.histogram("kafka_client_throttle_time_seconds"),
            }
        })
    }
}

impl ConnectionRecorder {
    #[deny(clippy::wildcard_enum_match_arm)]
    pub(crate) fn note(&self, event: ConnectionEvent<'_>) {
        match event {
            ConnectionEvent::Attempted => {}
            ConnectionEvent::Opened { .. } => {
                self.created.increment(1);
                self.count.increment(1.0);
            }
            ConnectionEvent::Failed { .. } => self.failed.increment(1),
            ConnectionEvent::Closed { .. } => {
                self.closed.increment(1);
                self.count.decrement(1.0);
            }
            ConnectionEvent::Sent { bytes, .. } => self.sent.increment(whole(bytes)),
            ConnectionEvent::Received { bytes, .. } => self.received.increment(whole(bytes)),
        }
    }
}

impl RequestTimer {
    /// The reply has come.
    pub(crate) fn answered(self) {
        self.of.latency.record((self.clock)().saturating_duration_since(self.began).as_secs_f64());
    }

    /// There will be no reply.
    pub(crate) fn failed(self) {
        self.of.failures.increment(1);
    }
}

impl Drop for RequestTimer {
    fn drop(&mut self) {
        self.in_flight.decrement(1.0);
    }
}

impl ProducerRecorder {
    #[deny(clippy::wildcard_enum_match_arm)]
    pub(crate) fn note(&mut self, event: ProducerEvent<'_>) {
        match event {
            // What goes out is counted, by topic.
            ProducerEvent::BatchClosed { .. } => {}
            ProducerEvent::BatchSent { topic, records, bytes, uncompressed, queued } => {
                let of = self.topic(topic);
                of.sent.increment(records.into());
                of.bytes.increment(whole(bytes));
                self.batch_size.record(number(bytes));
                self.compression_rate.record(number(bytes) / number(uncompressed.max(1)));
                self.queue_time.record(queued.as_secs_f64());
                self.in_request = self.in_request.saturating_add(records);
            }
            ProducerEvent::BatchRetried { topic, records } => {
                self.topic(topic).retries.increment(records.into());
                self.in_request = self.in_request.saturating_add(records);
            }
            ProducerEvent::TransactionBegun => self.transactions_begun.increment(1),
            ProducerEvent::TransactionEnded { is_committed, took } => {
                let ended = match is_committed {
                    true => &self.transactions_committed,
                    false => &self.transactions_aborted,
                };
                ended.increment(1);
                self.transaction_time.record(took.as_secs_f64());
            }
            ProducerEvent::TransactionRetried => self.transaction_retries.increment(1),
            ProducerEvent::RequestSent { available } => {
                let records = std::mem::take(&mut self.in_request);
                self.records_per_request.record(f64::from(records));
                self.buffer_available.set(number(available()));
            }
            // How long it took, and the pause it asks for, are told by the client, for every API.
            ProducerEvent::RequestAnswered { .. } => {}
            ProducerEvent::BatchSplit => self.splits.increment(1),
            ProducerEvent::BatchResolved { available, .. } => {
                self.buffer_available.set(number(available()));
            }
            ProducerEvent::BatchFailed { topic, records } => {
                if let Some(topic) = topic {
                    self.topic(topic).errors.increment(records.into());
                }
            }
            ProducerEvent::LingerChosen { linger, .. } => self.linger.set(linger.as_secs_f64()),
        }
    }

    fn topic(&self, topic: &TopicName) -> Arc<TopicOfProducer> {
        self.topics.get(topic, || {
            let labels = self.client.labels.with("topic", topic.to_string());
            TopicOfProducer {
                sent: labels.counter("kafka_producer_record_send_total"),
                bytes: labels.counter("kafka_producer_byte_total"),
                retries: labels.counter("kafka_producer_record_retry_total"),
                errors: labels.counter("kafka_producer_record_error_total"),
            }
        })
    }
}

impl ConsumerRecorder {
    #[deny(clippy::wildcard_enum_match_arm)]
    pub(crate) fn note(&self, event: ConsumerEvent<'_>) {
        match event {
            // How long it took is told by the client, for every API.
            ConsumerEvent::Fetched { bytes, .. } => self.fetch_size.record(number(bytes())),
            ConsumerEvent::Delivered { partition, records, bytes } => {
                let of = self.topic(&partition.topic);
                of.records.increment(whole(records));
                of.bytes.increment(whole(bytes));
            }
            ConsumerEvent::Lagging { partition, lag } => {
                if let Some(lag) = lag {
                    self.lag(partition).set(number(lag));
                }
            }
            // What the member has is told.
            ConsumerEvent::Rebalancing { .. } => {}
            // A recorder cannot forget, so its lag is none.
            ConsumerEvent::Left { partition } => {
                if let Some(gauge) = self.lags.remove(partition) {
                    gauge.set(0.0);
                }
            }
        }
    }

    fn topic(&self, topic: &TopicName) -> Arc<TopicOfConsumer> {
        self.topics.get(topic, || {
            let labels = self.labels.with("topic", topic.to_string());
            TopicOfConsumer {
                records: labels.counter("kafka_consumer_records_consumed_total"),
                bytes: labels.counter("kafka_consumer_bytes_consumed_total"),
            }
        })
    }

    fn lag(&self, partition: &TopicPartition) -> Arc<Gauge> {
        self.lags.get(partition, || {
            let labels = self.labels.with("topic", partition.topic.to_string());
            labels
                .with("partition", partition.partition.to_string())
                .gauge("kafka_consumer_records_lag")
        })
    }
}

impl GroupRecorder {
    #[deny(clippy::wildcard_enum_match_arm)]
    pub(crate) fn note(&mut self, event: MemberEvent<'_>) {
        match event {
            MemberEvent::Rebalanced { took } => {
                self.rebalances.increment(1);
                self.rebalance_latency.record(took.as_secs_f64());
            }
            MemberEvent::Assigned { partitions } => self.assigned.set(number(partitions())),
            MemberEvent::Committed { took, has_failed } => {
                self.commits.increment(1);
                self.commit_errors.increment(has_failed.into());
                self.commit_latency.record(took.as_secs_f64());
            }
        }
    }
}

/// What is the same in all of the labels of some metrics.
#[derive(Clone, Debug)]
struct Labels(Vec<Label>);

impl Labels {
    fn with(&self, name: &'static str, value: impl Into<SharedString>) -> Self {
        let mut labels = self.0.clone();
        labels.push(Label::new(name, value));
        Self(labels)
    }

    fn counter(&self, name: &'static str) -> Counter {
        metrics::counter!(name, self.0.clone())
    }

    fn gauge(&self, name: &'static str) -> Gauge {
        metrics::gauge!(name, self.0.clone())
    }

    fn histogram(&self, name: &'static str) -> Histogram {
        metrics::histogram!(name, self.0.clone())
    }
}

/// Handles that are made when something is first met: as many as there are brokers, topics or
/// partitions.
#[derive(Debug)]
struct HandleCache<K, M>(Mutex<BTreeMap<K, Arc<M>>>);

impl<K, M> Default for HandleCache<K, M> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Ord + Clone, M> HandleCache<K, M> {
    fn get(&self, key: &K, make: impl FnOnce() -> M) -> Arc<M> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = kept.get(key) {
            return Arc::clone(found);
        }
        Arc::clone(kept.entry(key.clone()).or_insert_with(|| Arc::new(make())))
    }

    #[cfg(feature = "admin")]
    fn remove_where(&self, is_gone: impl Fn(&K) -> bool) -> Vec<Arc<M>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut gone = Vec::new();
        kept.retain(|key, handle| {
            let is_gone = is_gone(key);
            if is_gone {
                gone.push(Arc::clone(handle));
            }
            !is_gone
        });
        gone
    }

    fn remove(&self, key: &K) -> Option<Arc<M>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key)
    }
}

/// One part's share of a gauge, which it takes away when it is dropped.
#[derive(Debug)]
struct Share {
    gauge: Gauge,
    told: f64,
}

impl Share {
    fn new(gauge: Gauge, value: f64) -> Self {
        gauge.increment(value);
        Self { gauge, told: value }
    }

    fn set(&mut self, value: f64) {
        self.gauge.increment(value - self.told);
        self.told = value;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.gauge.decrement(self.told);
    }
}

fn whole(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// A count as gauges have it; exact up to 2^53.
#[allow(
    clippy::cast_precision_loss,
    reason = "gauges are floating point, and a count above 2^53 may be rounded"
)]
fn number<T: TryInto<u64>>(count: T) -> f64 {
    count.try_into().map_or(f64::MAX, |count| count as f64)
}
