//! The line of messages before a handler, and which of them may be begun.
//!
//! ```text
//!  receiving task ─▶ ready ─▶ worker ─▶ ended: who waits for its key comes next
//!                      │                        ▲
//!                      └─▶ behind: its key is in hand
//! ```
//! As many workers take from a line as messages are handled at once. Two messages with one key are
//! never with two of them, so that each key keeps its order; with one worker there is nothing to
//! compare, and all keep theirs. Keys are known by their hashes: two of one hash wait for each other,
//! which harms no order.
//!
//! Whoever puts something in wakes one worker, and that the next if there is more: a wake-up is kept
//! if nobody waits, but only one is.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use super::progress::Part;
use super::room::QueueLoad;
use crate::consumer::ConsumerRecord;
use crate::ids::TopicPartition;
use crate::sync::lock;

/// Messages of one partition on their way to their handler; never none.
pub(super) struct HandlerWork {
    pub(super) partition: TopicPartition,
    pub(super) part: Arc<Part>,
    pub(super) generation: u64,
    pub(super) records: VecDeque<ConsumerRecord>,
}

/// A message that a worker may begin.
pub(super) struct QueuedMessage {
    pub(super) part: Arc<Part>,
    pub(super) generation: u64,
    pub(super) record: ConsumerRecord,
    /// What nobody else begins a message with before it has ended.
    pub(super) key: Option<KeyHash>,
}

/// A key of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct KeyHash(u64);

/// What a worker finds in a line.
pub(super) enum NextInLine {
    Message(QueuedMessage),
    /// Nothing that may be begun.
    Nothing,
    /// Nothing more is begun.
    Closed,
}

/// See the [module](self).
pub(super) struct HandlerLine {
    state: Mutex<LineState>,
    arrived: Notify,
    load: QueueLoad,
    /// `None` if one message is handled at a time.
    keys: Option<RandomState>,
}

#[derive(Default)]
struct LineState {
    ready: VecDeque<HandlerWork>,
    /// The keys in hand, and what waits for each.
    behind: HashMap<KeyHash, VecDeque<QueuedMessage>>,
    /// Workers that wait.
    idle: usize,
    is_closed: bool,
}

impl HandlerLine {
    pub(super) fn new(load: QueueLoad, at_once: usize) -> Self {
        let keys = (at_once > 1).then(RandomState::new);
        Self { state: Mutex::default(), arrived: Notify::new(), load, keys }
    }

    pub(super) fn load(&self) -> &QueueLoad {
        &self.load
    }

    /// Puts messages in as far as there is room; returns the others.
    pub(super) fn push(&self, mut work: HandlerWork) -> Option<HandlerWork> {
        let mut state = lock(&self.state);
        if state.is_closed {
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
        state.ready.push_back(work);
        self.wake_one_of(&state);
        left
    }

    /// Takes the next message that may be begun, after one with this key has ended, and waits for
    /// it; `None` once nothing more is begun.
    pub(super) async fn next(&self, mut ended: Option<KeyHash>) -> Option<QueuedMessage> {
        loop {
            match self.try_next(ended.take()) {
                NextInLine::Message(message) => return Some(message),
                NextInLine::Nothing => self.wait().await,
                NextInLine::Closed => {
                    self.arrived.notify_one();
                    return None;
                }
            }
        }
    }

    /// [`HandlerLine::next`], of what is there.
    pub(super) fn try_next(&self, ended: Option<KeyHash>) -> NextInLine {
        let mut state = lock(&self.state);
        if state.is_closed {
            return NextInLine::Closed;
        }
        let next =
            ended.and_then(|key| state.next_of(key)).or_else(|| self.first_ready(&mut state));
        let Some(message) = next else { return NextInLine::Nothing };
        self.wake_one_of(&state);
        drop(state);
        self.load.release();
        NextInLine::Message(message)
    }

    /// Nothing more is begun.
    pub(super) fn close(&self) {
        let mut state = lock(&self.state);
        state.is_closed = true;
        state.ready.clear();
        state.behind.clear();
        drop(state);
        self.arrived.notify_one();
    }

    pub(super) fn is_closed(&self) -> bool {
        lock(&self.state).is_closed
    }

    async fn wait(&self) {
        {
            let mut state = lock(&self.state);
            if !state.ready.is_empty() || state.is_closed {
                return;
            }
            state.idle += 1;
        }
        self.arrived.notified().await;
        lock(&self.state).idle -= 1;
    }

    fn wake_one_of(&self, state: &LineState) {
        if state.idle > 0 && !state.ready.is_empty() {
            self.arrived.notify_one();
        }
    }

    /// The first message whose key is not in hand; those before it go behind theirs.
    fn first_ready(&self, state: &mut LineState) -> Option<QueuedMessage> {
        loop {
            let mut message = state.pop_ready()?;
            message.key = self.key_of(&message.record);
            let Some(key) = message.key else { return Some(message) };
            match state.behind.get_mut(&key) {
                None => {
                    state.behind.insert(key, VecDeque::new());
                    return Some(message);
                }
                Some(behind) => {
                    // It may wait for long, and would keep a whole batch in memory.
                    message.record = message.record.detach();
                    behind.push_back(message);
                }
            }
        }
    }

    /// What a message shares with those that it must stay in order with; none if there are none.
    fn key_of(&self, record: &ConsumerRecord) -> Option<KeyHash> {
        let (keys, key) = (self.keys.as_ref()?, record.key()?);
        Some(KeyHash(keys.hash_one((record.topic_partition(), key))))
    }
}

impl LineState {
    fn pop_ready(&mut self) -> Option<QueuedMessage> {
        loop {
            let work = self.ready.front_mut()?;
            let record = work.records.pop_front();
            let (part, generation) = (&work.part, work.generation);
            let message = record.map(|record| QueuedMessage {
                part: Arc::clone(part),
                generation,
                record,
                key: None,
            });
            if work.records.is_empty() {
                self.ready.pop_front();
            }
            if message.is_some() {
                return message;
            }
        }
    }

    /// The next message with a key of which one has ended; if there is none, the key is free.
    fn next_of(&mut self, key: KeyHash) -> Option<QueuedMessage> {
        let next = self.behind.get_mut(&key)?.pop_front();
        if next.is_none() {
            self.behind.remove(&key);
        }
        next
    }
}
