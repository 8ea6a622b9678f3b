//! A partitioner of the program's own as one of kavka's.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use kavka::{PartitionId, Record, TopicPartitions};

use crate::producer::{Partitioner, ProducerContext};

/// The one that a context has.
pub(crate) struct OfContext<C, Part> {
    context: Arc<C>,
    /// It is not asked for records without a key (`sticky.partitioning.linger.ms` is not 0).
    is_for_keys: bool,
    partitioner: PhantomData<fn() -> Part>,
}

impl<C, Part> OfContext<C, Part> {
    pub(crate) fn new(context: Arc<C>, is_for_keys: bool) -> Self {
        Self { context, is_for_keys, partitioner: PhantomData }
    }
}

impl<C: ProducerContext<Part>, Part: Partitioner> kavka::Partitioner for OfContext<C, Part> {
    fn partition(&self, record: &Record<'_>, topic: &TopicPartitions) -> Option<PartitionId> {
        if self.is_for_keys && record.key.is_none() {
            return None;
        }
        let partitioner = self.context.get_custom_partitioner()?;
        let count = i32::try_from(topic.count()).unwrap_or(i32::MAX);
        let is_available = |partition| topic.available().contains(&PartitionId(partition));
        let chosen = partitioner.partition(record.topic, record.key, count, is_available);
        Some(PartitionId(chosen))
    }
}

impl<C, Part> fmt::Debug for OfContext<C, Part> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a partitioner of the program")
    }
}
