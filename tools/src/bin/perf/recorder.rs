//! A recorder of the facade `metrics` for `--metrics`: it counts as a service's does, and nobody
//! reads it.
//!
//! Own, and small, so that another crate's cost is not measured along with the client's.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use kavka_programs::{Outcome, Stop};
use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};

/// Seconds, from half a millisecond on.
const BOUNDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

#[derive(Debug, Default)]
struct Counting {
    numbers: Mutex<BTreeMap<Key, Arc<AtomicU64>>>,
    histograms: Mutex<BTreeMap<Key, Arc<Buckets>>>,
}

#[derive(Debug, Default)]
struct Buckets {
    counts: [AtomicU64; BOUNDS.len() + 1],
    sum: Mutex<f64>,
}

/// Makes it the recorder of the program: before the first client, whose metrics it is to hear.
pub(crate) fn install() -> Outcome<()> {
    metrics::set_global_recorder(Counting::default()).map_err(Stop::failure)
}

fn of<T: Default>(values: &Mutex<BTreeMap<Key, Arc<T>>>, key: &Key) -> Arc<T> {
    Arc::clone(
        values.lock().unwrap_or_else(PoisonError::into_inner).entry(key.clone()).or_default(),
    )
}

impl HistogramFn for Buckets {
    fn record(&self, value: f64) {
        let at = BOUNDS.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get(at) {
            count.fetch_add(1, Relaxed);
        }
        *self.sum.lock().unwrap_or_else(PoisonError::into_inner) += value;
    }
}

impl Recorder for Counting {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(of(&self.numbers, key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(of(&self.numbers, key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(of(&self.histograms, key))
    }
}
