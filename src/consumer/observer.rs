//! The ones to whom a consumer's events are told, for all who count them.

use std::sync::Arc;

use crate::client_telemetry::{ClientKind, Meter};
use crate::listeners::Listeners;
use crate::observability::{ConsumerEvent, ConsumerRecorder, GroupRecorder, MemberEvent};

/// Is told of what is fetched and delivered.
#[derive(Debug)]
pub(crate) struct ConsumerObserver {
    recorder: ConsumerRecorder,
    meter: Arc<Meter>,
    listeners: Listeners,
}

/// Is told of the membership in a group.
#[derive(Debug)]
pub(crate) struct MemberObserver {
    recorder: GroupRecorder,
    meter: Arc<Meter>,
}

impl ConsumerObserver {
    pub(crate) fn new(recorder: ConsumerRecorder, listeners: Listeners) -> Self {
        Self { recorder, meter: Arc::new(Meter::new(ClientKind::Consumer)), listeners }
    }

    pub(crate) fn tell(&self, event: ConsumerEvent<'_>) {
        self.recorder.note(event);
        self.meter.note_consumer(event);
        self.listeners.note_consumer(event);
    }

    /// One for a member whose metrics are pushed with this consumer's.
    pub(crate) fn member(&self, recorder: GroupRecorder) -> MemberObserver {
        MemberObserver { recorder, meter: Arc::clone(&self.meter) }
    }

    /// What is pushed.
    pub(crate) fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.meter)
    }
}

impl MemberObserver {
    pub(crate) fn tell(&mut self, event: MemberEvent<'_>) {
        self.recorder.note(event);
        self.meter.note_member(event);
    }
}

#[cfg(all(test, feature = "metrics"))]
mod tests;
