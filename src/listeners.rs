//! Who else is told what each part of a client tells of itself: the program's hooks, and what counts
//! for librdkafka's statistics. Each of them is there if the program has asked for it.

use std::sync::Arc;
use std::time::Duration;

use crate::config::BrokerAddress;
use crate::hooks::{HookCaller, Throttled};
use crate::ids::BrokerId;
use crate::observability::{ConnectionEvent, ConsumerEvent, ProducerEvent};
use crate::statistics::Statistics;

/// Shared by all observers of a client.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listeners {
    hooks: Option<Arc<HookCaller>>,
    statistics: Option<Arc<Statistics>>,
}

impl Listeners {
    pub(crate) fn new(hooks: Option<Arc<HookCaller>>, statistics: Option<Arc<Statistics>>) -> Self {
        Self { hooks, statistics }
    }

    /// If the user wants to be told of them.
    pub(crate) fn statistics(&self) -> Option<&Arc<Statistics>> {
        self.statistics.as_ref()
    }

    pub(crate) fn note_connection(
        &self,
        broker: Option<BrokerId>,
        address: &BrokerAddress,
        event: ConnectionEvent<'_>,
    ) {
        if let Some(hooks) = &self.hooks {
            hooks.note_connection(broker, address, event);
        }
        if let Some(statistics) = &self.statistics {
            statistics.counters.note_connection(broker, address, event);
        }
    }

    pub(crate) fn note_throttle(
        &self,
        api: &'static str,
        broker: Option<BrokerId>,
        duration: Duration,
    ) {
        if let Some(hooks) = &self.hooks {
            let event = Throttled { broker, api, duration };
            hooks.call(|hooks| hooks.throttled(&event));
        }
        if let Some(statistics) = &self.statistics {
            statistics.counters.note_throttle(broker, duration);
        }
    }

    pub(crate) fn note_producer(&self, event: ProducerEvent<'_>) {
        if let Some(hooks) = &self.hooks {
            hooks.note_producer(event);
        }
        if let Some(statistics) = &self.statistics {
            statistics.counters.note_producer(event);
        }
    }

    pub(crate) fn note_consumer(&self, event: ConsumerEvent<'_>) {
        if let Some(hooks) = &self.hooks {
            hooks.note_consumer(event);
        }
        if let Some(statistics) = &self.statistics {
            statistics.counters.note_consumer(event);
        }
    }
}
