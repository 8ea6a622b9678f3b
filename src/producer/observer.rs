//! The one to whom a producer's events are told, for all who count them.

use std::sync::Arc;

use super::stats::Counters;
use crate::client_telemetry::{ClientKind, Meter};
use crate::listeners::Listeners;
use crate::observability::{ProducerEvent, ProducerRecorder};

#[derive(Debug)]
pub(super) struct ProducerObserver {
    counters: Arc<Counters>,
    recorder: ProducerRecorder,
    meter: Arc<Meter>,
    listeners: Listeners,
}

impl ProducerObserver {
    pub(super) fn new(recorder: ProducerRecorder, listeners: Listeners) -> Self {
        let meter = Arc::new(Meter::new(ClientKind::Producer));
        Self { counters: Arc::default(), recorder, meter, listeners }
    }

    pub(super) fn tell(&mut self, event: ProducerEvent<'_>) {
        self.counters.note(event);
        self.recorder.note(event);
        self.meter.note_producer(event);
        self.listeners.note_producer(event);
    }

    /// What [`Producer::stats`](super::Producer::stats) reads.
    pub(super) fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// What is pushed.
    pub(super) fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.meter)
    }
}

#[cfg(all(test, feature = "metrics"))]
mod tests;
