//! The way to one worker: messages that it has room for, and those that wait for room.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use tokio::sync::mpsc;

use super::progress::Part;
use super::room::QueueLoad;
use super::shared::ConsumerInner;
use crate::consumer::ConsumerRecord;
use crate::ids::TopicPartition;

/// Messages of one partition on their way to their handler; never none.
pub(super) struct HandlerWork {
    pub(super) partition: TopicPartition,
    pub(super) part: Arc<Part>,
    pub(super) generation: u64,
    pub(super) records: Vec<ConsumerRecord>,
}

pub(super) struct HandlerQueue {
    pub(super) to_worker: mpsc::Sender<HandlerWork>,
    pub(super) load: Arc<QueueLoad>,
    /// Those whose messages it has taken.
    pub(super) partitions: BTreeSet<TopicPartition>,
    pub(super) waiting: VecDeque<HandlerWork>,
    pub(super) paused: BTreeSet<TopicPartition>,
}

impl HandlerQueue {
    pub(super) fn pause(&mut self, partition: &TopicPartition, shared: &ConsumerInner) {
        shared.hold_back(partition);
        self.paused.insert(partition.clone());
    }

    /// Hands messages to the worker as far as there is room; returns the others.
    pub(super) fn take(&self, mut work: HandlerWork) -> Option<HandlerWork> {
        if self.to_worker.is_closed() {
            // The handler has gone, and with it whoever wanted the messages.
            return None;
        }
        let taken = self.load.reserve(work.records.len());
        if taken == 0 {
            return Some(work);
        }
        let left = work.records.split_off(taken);
        let left = (!left.is_empty()).then(|| HandlerWork {
            partition: work.partition.clone(),
            part: Arc::clone(&work.part),
            records: left,
            ..work
        });
        self.to_worker.try_send(work).map_or(None, |()| left)
    }
}
