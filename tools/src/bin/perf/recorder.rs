//! A small recorder for the facade `metrics`, and the text in which Prometheus reads what it has.
//!
//! A service may as well take the crate `metrics-exporter-prometheus`; this has no dependency of its own.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use metrics::{Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit};

use super::{Outcome, Stop};

/// All that was registered, by name and then by labels as Prometheus writes them; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Registry(Arc<Mutex<BTreeMap<String, BTreeMap<String, Value>>>>);

#[derive(Clone, Debug)]
enum Value {
    Counter(Arc<AtomicU64>),
    /// The bits of a floating-point number.
    Gauge(Arc<AtomicU64>),
    Histogram(Arc<Buckets>),
}

#[derive(Debug)]
struct Buckets {
    bounds: &'static [f64],
    /// One more than there are bounds.
    counts: Vec<AtomicU64>,
    sum: Mutex<f64>,
}

/// Seconds, from half a millisecond on.
const SECONDS: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
const SHARES: &[f64] = &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0];
/// Bytes and records.
const SIZES: &[f64] = &[1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262_144.0, 1_048_576.0];

impl Registry {
    /// Makes it the recorder of the program: before the first client, whose metrics it is to hear.
    pub fn install() -> Outcome<Self> {
        let registry = Self::default();
        metrics::set_global_recorder(registry.clone()).map_err(Stop::failure)?;
        Ok(registry)
    }

    /// Everything, in Prometheus's text format.
    pub fn render(&self) -> String {
        let mut text = String::new();
        for (name, by_labels) in &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            let kind = match by_labels.values().next() {
                Some(Value::Counter(_)) => "counter",
                Some(Value::Gauge(_)) => "gauge",
                Some(Value::Histogram(_)) => "histogram",
                None => continue,
            };
            let _ = writeln!(text, "# TYPE {name} {kind}");
            for (labels, value) in by_labels {
                let _ = value.write(&mut text, name, labels);
            }
        }
        text
    }

    fn value(&self, key: &Key, make: impl FnOnce() -> Value) -> Value {
        let label = |label: &metrics::Label| format!("{}=\"{}\"", label.key(), escape(label.value()));
        let labels: Vec<String> = key.labels().map(label).collect();
        let mut values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        values.entry(key.name().to_owned()).or_default().entry(labels.join(",")).or_insert_with(make).clone()
    }
}

impl Value {
    fn write(&self, text: &mut String, name: &str, labels: &str) -> std::fmt::Result {
        match self {
            Self::Counter(value) => writeln!(text, "{name}{{{labels}}} {}", value.load(Relaxed)),
            Self::Gauge(value) => writeln!(text, "{name}{{{labels}}} {}", f64::from_bits(value.load(Relaxed))),
            Self::Histogram(buckets) => {
                let comma = if labels.is_empty() { "" } else { "," };
                let mut count = 0;
                let bounds = buckets.bounds.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
                for (bound, in_bucket) in bounds.zip(&buckets.counts) {
                    count += in_bucket.load(Relaxed);
                    writeln!(text, "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {count}")?;
                }
                let sum = *buckets.sum.lock().unwrap_or_else(PoisonError::into_inner);
                writeln!(text, "{name}_sum{{{labels}}} {sum}")?;
                writeln!(text, "{name}_count{{{labels}}} {count}")
            }
        }
    }
}

impl Buckets {
    fn of(name: &str) -> Self {
        let bounds = match name {
            _ if name.ends_with("_seconds") => SECONDS,
            _ if name.ends_with("_rate") => SHARES,
            _ => SIZES,
        };
        Self { bounds, counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(), sum: Mutex::default() }
    }
}

impl HistogramFn for Buckets {
    fn record(&self, value: f64) {
        let at = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get(at) {
            count.fetch_add(1, Relaxed);
        }
        *self.sum.lock().unwrap_or_else(PoisonError::into_inner) += value;
    }
}

impl Recorder for Registry {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        match self.value(key, || Value::Counter(Arc::default())) {
            Value::Counter(value) => Counter::from_arc(value),
            _ => Counter::noop(),
        }
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        match self.value(key, || Value::Gauge(Arc::default())) {
            Value::Gauge(value) => Gauge::from_arc(value),
            _ => Gauge::noop(),
        }
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        match self.value(key, || Value::Histogram(Arc::new(Buckets::of(key.name())))) {
            Value::Histogram(value) => Histogram::from_arc(value),
            _ => Histogram::noop(),
        }
    }
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
