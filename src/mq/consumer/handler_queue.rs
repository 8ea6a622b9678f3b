//! The way to the workers of one line: messages that it has room for, and those that wait for room.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use super::line::{HandlerLine, HandlerWork};
use super::shared::ConsumerInner;
use crate::ids::TopicPartition;

pub(super) struct HandlerQueue {
    pub(super) line: Arc<HandlerLine>,
    /// Those whose messages it has taken.
    pub(super) partitions: BTreeSet<TopicPartition>,
    pub(super) waiting: VecDeque<HandlerWork>,
    pub(super) paused: BTreeSet<TopicPartition>,
}

impl HandlerQueue {
    pub(super) fn new(line: Arc<HandlerLine>) -> Self {
        Self {
            line,
            partitions: BTreeSet::new(),
            waiting: VecDeque::new(),
            paused: BTreeSet::new(),
        }
    }

    pub(super) fn pause(&mut self, partition: &TopicPartition, shared: &ConsumerInner) {
        shared.hold_back(partition);
        self.paused.insert(partition.clone());
    }
}

/// Its workers end after what they have in hand.
impl Drop for HandlerQueue {
    fn drop(&mut self) {
        self.line.close();
    }
}
