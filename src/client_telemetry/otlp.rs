//! Metrics as OTLP writes them: `MetricsData` of opentelemetry-proto 1.0, as far as a gauge and a
//! sum need it, in protobuf.
//!
//! Written by hand: it is four rules of protobuf, and this way no build needs its compiler.

use std::collections::BTreeMap;

use super::measures::{MetricValue, Point};
use crate::ids::{BrokerId, Timestamp};

/// What was told last of each total, so that only what was added can be told.
#[derive(Debug, Default)]
pub(super) struct ReportedTotals {
    told: BTreeMap<(String, Option<BrokerId>), f64>,
    is_delta: Option<bool>,
    since: Option<Timestamp>,
}

impl ReportedTotals {
    /// Metrics that began to be measured at a time.
    pub(super) fn new(began: Timestamp) -> Self {
        Self { told: BTreeMap::new(), is_delta: None, since: Some(began) }
    }

    /// The bytes of some metrics, of a client with some labels.
    pub(super) fn write(
        &mut self,
        labels: &[(&'static str, String)],
        points: &[Point],
        is_delta: bool,
        began: Timestamp,
        now: Timestamp,
    ) -> Vec<u8> {
        // What was told in the other way is of no use for the next difference.
        if self.is_delta.replace(is_delta).is_some_and(|before| before != is_delta) {
            self.told.clear();
            self.since = Some(began);
        }
        let start = if is_delta { self.since.unwrap_or(began) } else { began };
        let mut scope = ProtobufMessage::default();
        for point in points {
            scope.message(2, &self.metric(point, is_delta, start, now));
        }
        self.since = Some(now);
        let mut resource = ProtobufMessage::default();
        for (key, value) in labels {
            resource.message(1, &attribute(key, value));
        }
        let mut resource_metrics = ProtobufMessage::default();
        resource_metrics.message(1, &resource);
        resource_metrics.message(2, &scope);
        let mut data = ProtobufMessage::default();
        data.message(1, &resource_metrics);
        data.0
    }

    fn metric(
        &mut self,
        point: &Point,
        is_delta: bool,
        start: Timestamp,
        now: Timestamp,
    ) -> ProtobufMessage {
        let mut metric = ProtobufMessage::default();
        metric.bytes(1, point.name.as_bytes());
        match point.value {
            MetricValue::Gauge(value) => {
                let mut gauge = ProtobufMessage::default();
                gauge.message(1, &data_point(point.node, None, now, value));
                metric.message(5, &gauge);
            }
            MetricValue::Total(total) => {
                let key = (point.name.clone(), point.node);
                let value = if is_delta {
                    total - self.told.insert(key, total).unwrap_or(0.0)
                } else {
                    total
                };
                let mut sum = ProtobufMessage::default();
                sum.message(1, &data_point(point.node, Some(start), now, value));
                sum.varint(2, if is_delta { DELTA } else { CUMULATIVE });
                sum.varint(3, 1); // is_monotonic
                metric.message(7, &sum);
            }
        }
        metric
    }
}

/// `NumberDataPoint`.
fn data_point(
    node: Option<BrokerId>,
    start: Option<Timestamp>,
    now: Timestamp,
    value: f64,
) -> ProtobufMessage {
    let mut point = ProtobufMessage::default();
    if let Some(start) = start {
        point.fixed64(2, nanos(start));
    }
    point.fixed64(3, nanos(now));
    point.fixed64(4, value.to_bits());
    if let Some(node) = node {
        point.message(7, &attribute("node_id", &node.to_string()));
    }
    point
}

/// `KeyValue` with a text.
fn attribute(key: &str, text: &str) -> ProtobufMessage {
    let mut value = ProtobufMessage::default();
    value.bytes(1, text.as_bytes());
    let mut attribute = ProtobufMessage::default();
    attribute.bytes(1, key.as_bytes());
    attribute.message(2, &value);
    attribute
}

fn nanos(time: Timestamp) -> u64 {
    u64::try_from(time.0).unwrap_or(0).saturating_mul(1_000_000)
}

/// `AggregationTemporality`.
const DELTA: u64 = 1;
const CUMULATIVE: u64 = 2;

/// The fields of a protobuf message.
#[derive(Debug, Default)]
struct ProtobufMessage(Vec<u8>);

impl ProtobufMessage {
    fn varint(&mut self, field: u64, value: u64) {
        self.number(field << 3);
        self.number(value);
    }

    fn fixed64(&mut self, field: u64, bits: u64) {
        self.number(field << 3 | 1);
        self.0.extend_from_slice(&bits.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.number(field << 3 | 2);
        self.number(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.0.extend_from_slice(bytes);
    }

    fn message(&mut self, field: u64, message: &Self) {
        self.bytes(field, &message.0);
    }

    fn number(&mut self, mut value: u64) {
        while value > 0x7f {
            self.0.push(u8::try_from(value & 0x7f).unwrap_or(0) | 0x80);
            value >>= 7;
        }
        self.0.push(u8::try_from(value).unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_and_a_sum_have_these_bytes() {
        let points = [
            Point { name: "g".into(), node: Some(BrokerId(300)), value: MetricValue::Gauge(1.5) },
            Point { name: "t".into(), node: None, value: MetricValue::Total(2.0) },
        ];
        let (began, now) = (Timestamp(1), Timestamp(2));
        let bytes = ReportedTotals::new(began).write(
            &[("group_id", "a".into())],
            &points,
            false,
            began,
            now,
        );
        let (began, now) = (1_000_000_u64.to_le_bytes(), 2_000_000_u64.to_le_bytes());
        let gauge_point: Vec<u8> = [
            &[0x19][..],
            &now,
            &[0x21],
            &1.5_f64.to_le_bytes(),
            &[0x3a, 16, 0x0a, 7],
            b"node_id",
            &[0x12, 5, 0x0a, 3],
            b"300",
        ]
        .concat();
        let gauge = [&[0x0a, 1, b'g', 0x2a, 38, 0x0a, 36][..], &gauge_point].concat();
        let sum_point =
            [&[0x11][..], &began, &[0x19], &now, &[0x21], &2.0_f64.to_le_bytes()].concat();
        let sum =
            [&[0x0a, 1, b't', 0x3a, 33, 0x0a, 27][..], &sum_point, &[0x10, 2, 0x18, 1]].concat();
        let scope = [&[0x12, 43][..], &gauge, &[0x12, 38], &sum].concat();
        let resource = [&[0x0a, 15, 0x0a, 8][..], b"group_id", &[0x12, 3, 0x0a, 1, b'a']].concat();
        let metrics = [&[0x0a, 17][..], &resource, &[0x12, 85], &scope].concat();
        assert_eq!(bytes, [&[0x0a, 106][..], &metrics].concat());
    }

    #[test]
    fn long_lengths_take_more_bytes() {
        let mut message = ProtobufMessage::default();
        message.bytes(1, &[0; 300]);
        assert_eq!(message.0[..3], [0x0a, 0xac, 0x02]);
    }

    /// The value of the only sum, and its start.
    fn sum(totals: &mut ReportedTotals, total: f64, is_delta: bool, now: i64) -> (f64, u64) {
        let points = [Point { name: "t".into(), node: None, value: MetricValue::Total(total) }];
        let bytes = totals.write(&[], &points, is_delta, Timestamp(10), Timestamp(now));
        let at = bytes.len() - 4 - 8;
        let float = f64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        let at = bytes.len() - 4 - 27 + 1;
        (float, u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) / 1_000_000)
    }

    #[test]
    fn a_delta_is_what_was_added_since_it_was_told_last_and_a_new_temporality_begins_anew() {
        let mut totals = ReportedTotals::new(Timestamp(10));
        assert_eq!(sum(&mut totals, 5.0, true, 20), (5.0, 10));
        assert_eq!(sum(&mut totals, 7.0, true, 30), (2.0, 20));
        assert_eq!(sum(&mut totals, 8.0, false, 40), (8.0, 10));
        assert_eq!(sum(&mut totals, 9.0, false, 50), (9.0, 10));
        assert_eq!(
            sum(&mut totals, 9.0, true, 60),
            (9.0, 10),
            "what was told in the other way does not count"
        );
    }
}
