//! Statistics in the form of librdkafka (its `STATISTICS.md`): what is counted for them, and what
//! handles tell of themselves when a report is made (`client/statistics.rs`). Nothing of it is there
//! unless the program has set a callback and an interval.

use std::fmt;
use std::sync::Mutex;
use std::time::Instant;

mod counters;
mod json;

pub(crate) use counters::{BrokerCounts, DurationWindow, PartitionCounts, StatisticsCounters};
pub(crate) use json::{Object, object};

use crate::ids::{Offset, TopicPartition};
use crate::runtime;
use crate::sync::lock;

/// Of one client.
pub(crate) struct Statistics {
    pub(crate) counters: StatisticsCounters,
    pub(crate) begun: Instant,
    handles: Mutex<Vec<ReadHandle>>,
}

/// Adds what a handle knows of itself; false if the handle is gone.
type ReadHandle = Box<dyn Fn(&mut HandleReadings) -> bool + Send + Sync>;

/// What the handles of a client know at a moment.
#[derive(Debug, Default)]
pub(crate) struct HandleReadings {
    pub(crate) producers: Option<Memory>,
    pub(crate) consumers: Option<Assignment>,
    /// Whether one of the consumers is in a group.
    pub(crate) has_group: bool,
}

/// The memory of producers, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    pub(crate) used: usize,
    pub(crate) size: usize,
}

/// What consumers have.
#[derive(Debug, Default)]
pub(crate) struct Assignment(pub(crate) Vec<(TopicPartition, PartitionReading)>);

/// Where a consumer stands in a partition, as far as that is known.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PartitionReading {
    /// The next record to hand over.
    pub(crate) position: Option<Offset>,
    /// What may be committed.
    pub(crate) stored: Option<Offset>,
    pub(crate) committed: Option<Offset>,
    pub(crate) log_start: Option<Offset>,
    pub(crate) high_watermark: Option<Offset>,
    pub(crate) last_stable: Option<Offset>,
    /// Where what may be read ends.
    pub(crate) end: Option<Offset>,
}

impl Statistics {
    pub(crate) fn new() -> Self {
        Self {
            counters: StatisticsCounters::default(),
            begun: runtime::now(),
            handles: Mutex::default(),
        }
    }

    pub(crate) fn add(&self, handle: impl Fn(&mut HandleReadings) -> bool + Send + Sync + 'static) {
        lock(&self.handles).push(Box::new(handle));
    }

    pub(crate) fn read(&self) -> HandleReadings {
        let mut readings = HandleReadings::default();
        lock(&self.handles).retain(|handle| handle(&mut readings));
        readings
    }
}

impl fmt::Debug for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Statistics").field("counters", &self.counters).finish_non_exhaustive()
    }
}
