//! Which partitions could be served now, broker by broker, and when the others want to be looked at
//! again.
//!
//! It makes a poll of [`crate::producer::sender`] cost what is ready, not what exists.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::ids::BrokerId;

/// Numbers the partitions that a producer has written to, in the order in which it met them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::producer) struct PartitionIndex(pub(in crate::producer) u32);

/// Where a partition waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::producer) enum PartitionReadiness {
    /// For some event.
    #[default]
    Nowhere,
    /// For a free slot at its leader.
    At(BrokerId),
    /// For time to pass.
    Until(Instant),
}

#[derive(Debug)]
pub(in crate::producer) struct Ready {
    brokers: BTreeMap<BrokerId, Outbox>,
    /// The brokers that have a free slot and something to send.
    servable: BTreeSet<BrokerId>,
    timers: BTreeSet<(Instant, PartitionIndex)>,
    max_in_flight: usize,
}

#[derive(Debug, Default)]
struct Outbox {
    in_flight: usize,
    ready: BTreeSet<PartitionIndex>,
    /// The last partition served: the next round starts behind it, so that none starves when not
    /// all fit.
    last: Option<PartitionIndex>,
}

impl Ready {
    pub(in crate::producer) fn new(max_in_flight: usize) -> Self {
        Self {
            brokers: BTreeMap::new(),
            servable: BTreeSet::new(),
            timers: BTreeSet::new(),
            max_in_flight,
        }
    }

    pub(in crate::producer) fn put(
        &mut self,
        partition: PartitionIndex,
        place: &mut PartitionReadiness,
        to: PartitionReadiness,
    ) {
        if *place == to {
            return;
        }
        match *place {
            PartitionReadiness::Nowhere => {}
            PartitionReadiness::At(broker) => {
                if let Some(outbox) = self.brokers.get_mut(&broker) {
                    outbox.ready.remove(&partition);
                }
                self.judge(broker);
            }
            PartitionReadiness::Until(time) => {
                self.timers.remove(&(time, partition));
            }
        }
        *place = to;
        match to {
            PartitionReadiness::Nowhere => {}
            PartitionReadiness::At(broker) => {
                self.brokers.entry(broker).or_default().ready.insert(partition);
                self.judge(broker);
            }
            PartitionReadiness::Until(time) => {
                self.timers.insert((time, partition));
            }
        }
    }

    /// A broker that can be sent a request now.
    pub(in crate::producer) fn next_broker(&self) -> Option<BrokerId> {
        self.servable.first().copied()
    }

    /// The partitions ready at a broker, each once, beginning behind the one served last.
    pub(in crate::producer) fn round(&self, broker: BrokerId) -> Vec<PartitionIndex> {
        let Some(outbox) = self.brokers.get(&broker) else { return Vec::new() };
        match outbox.last {
            None => outbox.ready.iter().copied().collect(),
            Some(last) => {
                let (before, behind) =
                    outbox.ready.iter().partition::<Vec<_>, _>(|partition| **partition <= last);
                behind.into_iter().chain(before).collect()
            }
        }
    }

    /// A request has left, whose last partition is `last`.
    pub(in crate::producer) fn sent(&mut self, broker: BrokerId, last: PartitionIndex) {
        let outbox = self.brokers.entry(broker).or_default();
        outbox.in_flight += 1;
        outbox.last = Some(last);
        self.judge(broker);
    }

    /// A request has ended.
    pub(in crate::producer) fn ended(&mut self, broker: BrokerId) {
        if let Some(outbox) = self.brokers.get_mut(&broker) {
            outbox.in_flight = outbox.in_flight.saturating_sub(1);
        }
        self.judge(broker);
    }

    /// A partition whose time has come.
    pub(in crate::producer) fn next_due(&self, now: Instant) -> Option<PartitionIndex> {
        self.timers.first().filter(|(time, _)| *time <= now).map(|(_, partition)| *partition)
    }

    pub(in crate::producer) fn timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(time, _)| *time)
    }

    /// Whether requests are on their way to a broker.
    pub(in crate::producer) fn is_busy(&self, broker: BrokerId) -> bool {
        self.brokers.get(&broker).is_some_and(|outbox| outbox.in_flight > 0)
    }

    /// Whether as many requests are on their way to a broker as may be.
    pub(in crate::producer) fn is_full(&self, broker: BrokerId) -> bool {
        self.brokers.get(&broker).is_some_and(|outbox| outbox.in_flight >= self.max_in_flight)
    }

    fn judge(&mut self, broker: BrokerId) {
        let Some(outbox) = self.brokers.get(&broker) else { return };
        if outbox.in_flight < self.max_in_flight && !outbox.ready.is_empty() {
            self.servable.insert(broker);
        } else {
            self.servable.remove(&broker);
        }
    }
}
