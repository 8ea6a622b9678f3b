//! A recorder of the facade that keeps what it is told, for tests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

/// The value of each metric by name and labels: a histogram's is how many values it has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Noted(Arc<Mutex<BTreeMap<String, f64>>>);

struct Cell(Noted, String);

impl Cell {
    fn change(&self, change: impl FnOnce(f64) -> f64) {
        let mut noted = self.0.0.lock().expect("nobody panics with it");
        let value = noted.entry(self.1.clone()).or_default();
        *value = change(*value);
    }
}

impl CounterFn for Cell {
    fn increment(&self, by: u64) {
        if by > 0 {
            self.change(|value| value + f64::from(u32::try_from(by).expect("tests count little")));
        }
    }

    fn absolute(&self, to: u64) {
        self.change(|_| f64::from(u32::try_from(to).expect("tests count little")));
    }
}

impl GaugeFn for Cell {
    fn increment(&self, by: f64) {
        self.change(|value| value + by);
    }

    fn decrement(&self, by: f64) {
        self.change(|value| value - by);
    }

    fn set(&self, to: f64) {
        self.change(|_| to);
    }
}

impl HistogramFn for Cell {
    fn record(&self, _: f64) {
        self.change(|count| count + 1.0);
    }
}

impl Noted {
    fn cell(&self, kind: &str, key: &Key) -> Arc<Cell> {
        let mut labels: Vec<_> =
            key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        labels.sort();
        Arc::new(Cell(self.clone(), format!("{} {kind} {}", key.name(), labels.join(","))))
    }

    /// Everything told so far, counters that never counted excepted: name, kind and names of
    /// labels as the table has them.
    pub(crate) fn rows(&self) -> BTreeSet<(String, String, String)> {
        let told = self.0.lock().expect("nobody panics with it");
        told.keys()
            .map(|key| {
                let mut parts = key.splitn(3, ' ');
                let mut part = || parts.next().unwrap_or_default();
                let (name, kind, labels) = (part(), part(), part());
                let labels =
                    labels.split(',').map(|label| label.split('=').next().unwrap_or_default());
                let labels: BTreeSet<&str> = labels.filter(|label| *label != "client_id").collect();
                (name.to_owned(), kind.to_owned(), labels.into_iter().collect::<Vec<_>>().join(" "))
            })
            .collect()
    }

    /// All that was told so far.
    pub(crate) fn snapshot(&self) -> BTreeMap<String, f64> {
        self.0.lock().expect("nobody panics with it").clone()
    }

    /// The sum over all labels that have all of `wanted`.
    pub(crate) fn sum(&self, name: &str, wanted: &[&str]) -> f64 {
        let told = self.0.lock().expect("nobody panics with it");
        let fits = |key: &&String| {
            let labels = key.rsplit(' ').next().unwrap_or_default();
            key.split(' ').next() == Some(name)
                && wanted.iter().all(|label| labels.split(',').any(|own| own == *label))
        };
        told.keys().filter(fits).map(|key| told[key]).sum()
    }
}

impl Recorder for Noted {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.cell("counter", key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.cell("gauge", key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.cell("histogram", key))
    }
}
