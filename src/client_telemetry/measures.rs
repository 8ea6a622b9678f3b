//! What is measured, and the metrics that KIP-714 requires made of it.
//!
//! A measurement costs a batch, a request or a rebalance one short lock, and nothing while nobody
//! has subscribed; no record ever pays. Averages and maxima are of the time since the push before.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::ids::BrokerId;
use crate::observability::{ConsumerEvent, MemberEvent, ProducerEvent};

/// Whose metrics they are: their names begin with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientKind {
    Producer,
    Consumer,
}

/// Something whose duration is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Measure {
    /// From a Produce or Fetch request to its reply, by broker.
    Request(BrokerId),
    /// How long a broker has asked the client to pause.
    Throttle,
    /// From the first record of a batch to the first request with it.
    Queue,
    Commit,
    /// From wishing to join to the assignment.
    Rebalance,
    Fetch,
}

/// Takes measurements; shared by the tasks of one client.
#[derive(Debug)]
pub(crate) struct Meter {
    kind: ClientKind,
    is_on: AtomicBool,
    windows: Mutex<Windows>,
}

#[derive(Debug, Default)]
struct Windows {
    of: BTreeMap<Measure, Window>,
    /// Of all rebalances ever, in milliseconds.
    rebalances: f64,
}

/// The measurements since the last push, in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    count: f64,
    sum: f64,
    max: f64,
}

/// What is read when metrics are pushed, rather than measured when it happens.
#[derive(Debug, Default)]
pub(crate) struct Readings {
    /// Which client it is, as `group_id`.
    pub(crate) labels: Vec<(&'static str, String)>,
    /// The values of metrics by the rest of their names.
    pub(crate) gauges: Vec<(&'static str, f64)>,
}

/// One metric with its value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) name: String,
    pub(super) node: Option<BrokerId>,
    pub(super) value: MetricValue,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum MetricValue {
    Gauge(f64),
    /// It only grows.
    Total(f64),
}

impl Meter {
    pub(crate) fn new(kind: ClientKind) -> Self {
        Self { kind, is_on: AtomicBool::new(false), windows: Mutex::default() }
    }

    /// One that somebody has subscribed to.
    #[cfg(all(test, feature = "metrics"))]
    pub(crate) fn subscribed(kind: ClientKind) -> Self {
        let meter = Self::new(kind);
        meter.turn(true);
        meter
    }

    /// Whether anything was measured since the last push.
    #[cfg(all(test, feature = "metrics"))]
    pub(crate) fn has_measured(&self) -> bool {
        !self.windows().of.is_empty()
    }

    #[deny(clippy::wildcard_enum_match_arm)]
    pub(crate) fn note_producer(&self, event: ProducerEvent<'_>) {
        match event {
            ProducerEvent::BatchSent { queued, .. } => self.record(Measure::Queue, queued),
            ProducerEvent::RequestAnswered { broker, took, throttle } => {
                self.record(Measure::Request(broker), took);
                self.record(Measure::Throttle, throttle);
            }
            ProducerEvent::BatchClosed { .. }
            | ProducerEvent::BatchRetried { .. }
            | ProducerEvent::RequestSent { .. }
            | ProducerEvent::BatchSplit
            | ProducerEvent::BatchResolved { .. }
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
            ConsumerEvent::Fetched { broker, took, .. } => {
                self.record(Measure::Fetch, took);
                self.record(Measure::Request(broker), took);
            }
            ConsumerEvent::Delivered { .. }
            | ConsumerEvent::Lagging { .. }
            | ConsumerEvent::Left { .. }
            | ConsumerEvent::Rebalancing { .. } => {}
        }
    }

    #[deny(clippy::wildcard_enum_match_arm)]
    pub(crate) fn note_member(&self, event: MemberEvent<'_>) {
        match event {
            MemberEvent::Rebalanced { took } => self.record(Measure::Rebalance, took),
            MemberEvent::Committed { took, .. } => self.record(Measure::Commit, took),
            // How many there are is read when it is pushed.
            MemberEvent::Assigned { .. } => {}
        }
    }

    /// Notes how long something took.
    fn record(&self, measure: Measure, took: Duration) {
        // Of rebalances the total is told too, which begins with the client; they are few.
        if !self.is_on.load(Ordering::Relaxed) && measure != Measure::Rebalance {
            return;
        }
        let millis = took.as_secs_f64() * 1000.0;
        let mut windows = self.windows();
        if measure == Measure::Rebalance {
            windows.rebalances += millis;
        }
        let window = windows.of.entry(measure).or_default();
        window.count += 1.0;
        window.sum += millis;
        window.max = window.max.max(millis);
    }

    /// Whether measuring is of use to anybody.
    pub(super) fn turn(&self, is_on: bool) {
        self.is_on.store(is_on, Ordering::Relaxed);
    }

    pub(super) fn kind(&self) -> ClientKind {
        self.kind
    }

    /// The metrics since the last call.
    pub(super) fn collect(
        &self,
        connections: f64,
        connections_before: f64,
        since: Duration,
        readings: &Readings,
    ) -> Vec<Point> {
        let prefix = match self.kind {
            ClientKind::Producer => "org.apache.kafka.producer.",
            ClientKind::Consumer => "org.apache.kafka.consumer.",
        };
        let point =
            |name: &str, node, value| Point { name: format!("{prefix}{name}"), node, value };
        let rate = (connections - connections_before) / since.as_secs_f64().max(0.001);
        let mut points = vec![
            point("connection.creation.rate", None, MetricValue::Gauge(rate)),
            point("connection.creation.total", None, MetricValue::Total(connections)),
        ];
        points.extend(
            readings
                .gauges
                .iter()
                .map(|(name, value)| point(name, None, MetricValue::Gauge(*value))),
        );
        let (windows, rebalances) = {
            let mut windows = self.windows();
            (std::mem::take(&mut windows.of), windows.rebalances)
        };
        for (measure, window) in windows {
            let (name, node) = match measure {
                Measure::Request(node) => ("node.request.latency", Some(node)),
                Measure::Throttle => ("produce.throttle.time", None),
                Measure::Queue => ("record.queue.time", None),
                Measure::Commit => ("coordinator.commit.latency", None),
                Measure::Rebalance => ("coordinator.rebalance.latency", None),
                Measure::Fetch => ("fetch.manager.fetch.latency", None),
            };
            points.push(point(
                &format!("{name}.avg"),
                node,
                MetricValue::Gauge(window.sum / window.count.max(1.0)),
            ));
            points.push(point(&format!("{name}.max"), node, MetricValue::Gauge(window.max)));
        }
        if self.kind == ClientKind::Consumer {
            points.push(point(
                "coordinator.rebalance.latency.total",
                None,
                MetricValue::Total(rebalances),
            ));
        }
        points
    }

    fn windows(&self) -> MutexGuard<'_, Windows> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(points: &[Point]) -> Vec<(&str, Option<i32>, MetricValue)> {
        points
            .iter()
            .map(|point| (point.name.as_str(), point.node.map(|node| node.0), point.value))
            .collect()
    }

    #[test]
    fn averages_and_maxima_are_of_the_time_since_the_push_before() {
        let meter = Meter::new(ClientKind::Producer);
        meter.record(Measure::Queue, Duration::from_secs(9));
        meter.turn(true);
        for millis in [10, 30] {
            meter.record(Measure::Request(BrokerId(4)), Duration::from_millis(millis));
        }
        let points = meter.collect(3.0, 1.0, Duration::from_secs(4), &Readings::default());
        assert_eq!(
            values(&points),
            [
                (
                    "org.apache.kafka.producer.connection.creation.rate",
                    None,
                    MetricValue::Gauge(0.5)
                ),
                (
                    "org.apache.kafka.producer.connection.creation.total",
                    None,
                    MetricValue::Total(3.0)
                ),
                (
                    "org.apache.kafka.producer.node.request.latency.avg",
                    Some(4),
                    MetricValue::Gauge(20.0)
                ),
                (
                    "org.apache.kafka.producer.node.request.latency.max",
                    Some(4),
                    MetricValue::Gauge(30.0)
                ),
            ]
        );
        let points = meter.collect(3.0, 3.0, Duration::from_secs(4), &Readings::default());
        assert_eq!(points.len(), 2, "nothing was measured since: {points:?}");
    }

    #[test]
    fn the_total_of_rebalances_counts_those_before_anybody_subscribed() {
        let meter = Meter::new(ClientKind::Consumer);
        meter.record(Measure::Rebalance, Duration::from_millis(250));
        let readings = Readings { labels: Vec::new(), gauges: vec![("poll.idle.ratio.avg", 0.25)] };
        for _ in 0..2 {
            let points = meter.collect(0.0, 0.0, Duration::from_secs(1), &readings);
            let total = (
                "org.apache.kafka.consumer.coordinator.rebalance.latency.total",
                None,
                MetricValue::Total(250.0),
            );
            assert!(values(&points).contains(&total), "{points:?}");
            assert!(values(&points).contains(&(
                "org.apache.kafka.consumer.poll.idle.ratio.avg",
                None,
                MetricValue::Gauge(0.25)
            )));
        }
    }
}
