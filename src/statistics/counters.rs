//! What is counted for statistics, as the observers of each part tell it.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::config::BrokerAddress;
use crate::ids::{BrokerId, TopicPartition};
use crate::observability::{ConnectionEvent, ConsumerEvent, ProducerEvent};
use crate::runtime;
use crate::sync::lock;

/// The counts since the client was created.
#[derive(Debug, Default)]
pub(crate) struct StatisticsCounters {
    brokers: Mutex<BTreeMap<BrokerKey, BrokerCounts>>,
    partitions: Mutex<BTreeMap<TopicPartition, PartitionCounts>>,
    rebalances: Mutex<Rebalances>,
}

/// A broker, or an address that is known by itself alone.
pub(crate) type BrokerKey = (Option<BrokerId>, BrokerAddress);

#[derive(Clone, Debug)]
pub(crate) struct BrokerCounts {
    pub(crate) open: u64,
    /// Since when it is up, or down.
    pub(crate) since: Instant,
    pub(crate) connects: u64,
    pub(crate) disconnects: u64,
    pub(crate) sent: u64,
    pub(crate) sent_bytes: u64,
    pub(crate) received: u64,
    pub(crate) received_bytes: u64,
    /// By API.
    pub(crate) requests: BTreeMap<&'static str, u64>,
    pub(crate) round_trips: DurationWindow,
    pub(crate) throttles: DurationWindow,
}

/// Records and bytes of one partition; `None` if there were none yet.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PartitionCounts {
    pub(crate) produced: Option<(u64, u64)>,
    pub(crate) consumed: Option<(u64, u64)>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rebalances {
    pub(crate) count: u64,
    pub(crate) last: Option<Instant>,
}

/// Durations since the last report.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DurationWindow {
    pub(crate) count: u32,
    pub(crate) sum: Duration,
    pub(crate) least: Duration,
    pub(crate) most: Duration,
}

impl StatisticsCounters {
    #[deny(clippy::wildcard_enum_match_arm)]
    pub(crate) fn note_connection(
        &self,
        broker: Option<BrokerId>,
        address: &BrokerAddress,
        event: ConnectionEvent<'_>,
    ) {
        if matches!(event, ConnectionEvent::Attempted) {
            // What comes of it is counted.
            return;
        }
        let mut brokers = lock(&self.brokers);
        let counts = brokers.entry((broker, address.clone())).or_insert_with(BrokerCounts::new);
        match event {
            ConnectionEvent::Attempted => {}
            ConnectionEvent::Opened { .. } => {
                counts.connects += 1;
                counts.open += 1;
                counts.changed_if(counts.open == 1);
            }
            ConnectionEvent::Failed { .. } => counts.connects += 1,
            ConnectionEvent::Closed { .. } => {
                counts.disconnects += 1;
                counts.open = counts.open.saturating_sub(1);
                counts.changed_if(counts.open == 0);
            }
            ConnectionEvent::Sent { api, bytes } => {
                counts.sent += 1;
                counts.sent_bytes += whole(bytes);
                *counts.requests.entry(api).or_default() += 1;
            }
            ConnectionEvent::Received { bytes, took, .. } => {
                counts.received += 1;
                counts.received_bytes += whole(bytes);
                counts.round_trips.note(took);
            }
        }
    }

    /// A pause that a broker has asked for; that of one that is known by its address alone is not
    /// counted, as it is not said which.
    pub(crate) fn note_throttle(&self, broker: Option<BrokerId>, duration: Duration) {
        let mut brokers = lock(&self.brokers);
        let named = brokers.iter_mut().filter(|((id, _), _)| id.is_some() && *id == broker);
        if let Some((_, counts)) = named.last() {
            counts.throttles.note(duration);
        }
    }

    #[deny(clippy::wildcard_enum_match_arm)]
    pub(crate) fn note_producer(&self, event: ProducerEvent<'_>) {
        match event {
            ProducerEvent::BatchResolved {
                partition: Some(partition),
                records,
                size: Some(size),
                result: Ok(_),
                ..
            } => {
                let mut partitions = lock(&self.partitions);
                let counts = partitions.entry(partition.clone()).or_default();
                let (sum, bytes) = counts.produced.get_or_insert_default();
                *sum += u64::from(records);
                *bytes += whole(size.compressed);
            }
            // What is not written is not sent, to librdkafka; and requests are counted for every API.
            ProducerEvent::BatchResolved { .. }
            | ProducerEvent::BatchClosed { .. }
            | ProducerEvent::BatchSent { .. }
            | ProducerEvent::BatchRetried { .. }
            | ProducerEvent::RequestSent { .. }
            | ProducerEvent::RequestAnswered { .. }
            | ProducerEvent::BatchSplit
            | ProducerEvent::BatchFailed { .. }
            | ProducerEvent::TransactionBegun
            | ProducerEvent::TransactionEnded { .. }
            | ProducerEvent::TransactionRetried
            | ProducerEvent::LingerChosen { .. } => {}
        }
    }

    #[deny(clippy::wildcard_enum_match_arm)]
    pub(crate) fn note_consumer(&self, event: ConsumerEvent<'_>) {
        match event {
            ConsumerEvent::Delivered { partition, records, bytes } => {
                let mut partitions = lock(&self.partitions);
                let counts = partitions.entry(partition.clone()).or_default();
                let (sum, sum_of_bytes) = counts.consumed.get_or_insert_default();
                *sum += whole(records);
                *sum_of_bytes += whole(bytes);
            }
            ConsumerEvent::Rebalancing { .. } => {
                let mut rebalances = lock(&self.rebalances);
                rebalances.count += 1;
                rebalances.last = Some(runtime::now());
            }
            // A handle is asked for what these tell.
            ConsumerEvent::Fetched { .. }
            | ConsumerEvent::Lagging { .. }
            | ConsumerEvent::Left { .. } => {}
        }
    }

    /// Takes the durations, which a report tells of once, and copies the rest.
    pub(crate) fn take_brokers(&self) -> BTreeMap<BrokerKey, BrokerCounts> {
        let mut brokers = lock(&self.brokers);
        let copy = brokers.clone();
        for counts in brokers.values_mut() {
            (counts.round_trips, counts.throttles) =
                (DurationWindow::default(), DurationWindow::default());
        }
        copy
    }

    pub(crate) fn partitions(&self) -> BTreeMap<TopicPartition, PartitionCounts> {
        lock(&self.partitions).clone()
    }

    pub(crate) fn rebalances(&self) -> Rebalances {
        *lock(&self.rebalances)
    }
}

impl BrokerCounts {
    fn new() -> Self {
        Self {
            open: 0,
            since: runtime::now(),
            connects: 0,
            disconnects: 0,
            sent: 0,
            sent_bytes: 0,
            received: 0,
            received_bytes: 0,
            requests: BTreeMap::new(),
            round_trips: DurationWindow::default(),
            throttles: DurationWindow::default(),
        }
    }

    fn changed_if(&mut self, has_changed: bool) {
        if has_changed {
            self.since = runtime::now();
        }
    }
}

impl DurationWindow {
    fn note(&mut self, value: Duration) {
        self.least = if self.count == 0 { value } else { self.least.min(value) };
        self.most = self.most.max(value);
        self.sum += value;
        self.count = self.count.saturating_add(1);
    }
}

fn whole(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
