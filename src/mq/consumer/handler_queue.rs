//! The ways from the receiving task to the handlers: for each handler as many as it handles partitions at once, each with a worker.
//!
//! A partition always takes the same queue, which keeps its order. What does not fit into a queue waits in `waiting`, until half of the
//! queue is free. A quick handler is waited for; where that takes long, the partitions that want more of its queue are paused, so that
//! others go on: then nothing of them is fetched, which would keep a quick handler waiting in turn.
//!
//! A partition that loses its handler, and is not taken away, is set aside: it is paused until another handler wants it, and the message in hand
//! is done; then it goes on with the first message that is not. So is one whose last message is still on its way to the dead letters.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

use super::handler::RegisteredHandler;
use super::progress::Part;
use super::{ConsumerInner, task};
use crate::consumer::ConsumerRecord;
use crate::ids::TopicPartition;
use crate::runtime::Runtime;

/// Messages of one partition on their way to their handler; never none.
pub(super) struct HandlerWork {
    pub(super) partition: TopicPartition,
    pub(super) part: Arc<Part>,
    pub(super) generation: u64,
    pub(super) records: Vec<ConsumerRecord>,
}

pub(super) struct HandlerQueues {
    shared: Arc<ConsumerInner>,
    workers: Runtime,
    queues: BTreeMap<(u64, usize), HandlerQueue>,
}

struct HandlerQueue {
    to_worker: mpsc::Sender<HandlerWork>,
    load: Arc<QueueLoad>,
    /// Those whose messages it has taken.
    partitions: BTreeSet<TopicPartition>,
    waiting: VecDeque<HandlerWork>,
    paused: BTreeSet<TopicPartition>,
}

/// How many messages are on a queue, and how many may be.
pub(super) struct QueueLoad {
    messages: AtomicUsize,
    most: usize,
}

impl HandlerQueues {
    pub(super) fn new(shared: Arc<ConsumerInner>, workers: Runtime) -> Self {
        Self { shared, workers, queues: BTreeMap::new() }
    }

    pub(super) fn push(&mut self, registered: &Arc<RegisteredHandler>, work: HandlerWork) {
        let parallel = registered.options.parallel.max(1);
        let number = lane_of(&work.partition, parallel);
        let Self { shared, workers, queues } = self;
        let queue = queues.entry((registered.id, number)).or_insert_with(|| {
            let load = Arc::new(QueueLoad::new((shared.config.consumer.max_poll_records / parallel).max(1)));
            // At most as many parts as messages.
            let (to_worker, from_task) = mpsc::channel(load.most);
            workers.spawn(task::work(Arc::clone(shared), Arc::clone(registered), workers.clone(), from_task, Arc::clone(&load)));
            HandlerQueue { to_worker, load, partitions: BTreeSet::new(), waiting: VecDeque::new(), paused: BTreeSet::new() }
        });
        if !queue.partitions.contains(&work.partition) {
            queue.partitions.insert(work.partition.clone());
        }
        let left = if queue.waiting.is_empty() { queue.take(work) } else { Some(work) };
        if let Some(work) = left {
            // It is told before the queue is looked at again, so that whoever makes room from here on rings:
            // here `is_full` is written and then `messages` read (by `flush`), in the worker `messages` is
            // written and then `is_full` read. In one order for all (SeqCst), one of the two sees what the
            // other wrote; else both could miss it, and the queue would stand still, empty.
            shared.is_full.store(true, Ordering::SeqCst);
            if !queue.paused.is_empty() {
                queue.pause(&work.partition, shared);
            }
            queue.waiting.push_back(work);
        }
    }

    /// Whether a queue is full whose partitions are not paused.
    pub(super) fn is_waiting_for_room(&self) -> bool {
        self.is_full() && self.queues.values().any(|queue| !queue.waiting.is_empty() && queue.paused.is_empty())
    }

    /// Pauses the partitions whose messages wait.
    pub(super) fn pause(&mut self) {
        for queue in self.queues.values_mut() {
            let partitions: BTreeSet<_> = queue.waiting.iter().map(|work| work.partition.clone()).collect();
            partitions.iter().for_each(|partition| queue.pause(partition, &self.shared));
        }
    }

    /// Moves on what waits, where there is room, and has its partitions come again.
    pub(super) fn flush(&mut self) {
        let mut is_full = false;
        for queue in self.queues.values_mut() {
            if !queue.load.is_half_free() && !queue.to_worker.is_closed() {
                is_full |= !queue.waiting.is_empty();
                continue;
            }
            while let Some(work) = queue.waiting.pop_front() {
                if let Some(left) = queue.take(work) {
                    queue.waiting.push_front(left);
                    break;
                }
            }
            is_full |= !queue.waiting.is_empty();
            if queue.waiting.is_empty() {
                std::mem::take(&mut queue.paused).iter().for_each(|partition| self.shared.resume_if_allowed(partition));
            }
        }
        self.shared.is_full.store(is_full, Ordering::SeqCst);
    }

    pub(super) fn is_full(&self) -> bool {
        self.shared.is_full.load(Ordering::SeqCst)
    }

    /// Ends the queues of handlers that are gone, and sets partitions aside that their handler does not take any more.
    pub(super) fn retain(&mut self) {
        let handlers = self.shared.handlers().list.clone();
        let taker = |partition: &TopicPartition| handlers.iter().find(|handler| handler.topics.take(&partition.topic));
        let mut orphaned = BTreeSet::new();
        for ((handler, _), queue) in &mut self.queues {
            let stays = |partition: &TopicPartition| taker(partition).is_some_and(|taker| taker.id == *handler);
            orphaned.extend(queue.partitions.iter().filter(|partition| !stays(partition)).cloned());
            queue.partitions.retain(stays);
            queue.paused.retain(stays);
            queue.waiting.retain(|work| stays(&work.partition));
        }
        self.queues.retain(|(handler, _), _| handlers.iter().any(|left| left.id == *handler));
        for partition in &orphaned {
            self.shared.progress().going(partition);
            self.set_aside(partition);
        }
        self.shared.has_settled();
    }

    /// Keeps a partition from coming until a handler can take it.
    pub(super) fn set_aside(&self, partition: &TopicPartition) {
        self.shared.progress().set_aside(partition);
        self.shared.hold_back(partition);
    }

    /// Has partitions come again that were set aside and that a handler can take.
    pub(super) fn resettle(&self) {
        let aside: Vec<_> = self.shared.progress().aside().cloned().collect();
        for partition in aside {
            let is_wanted = self.shared.handler_of(&partition.topic).is_some();
            let mut progress = self.shared.progress();
            if !is_wanted || progress.is_in_hand(&partition) {
                continue;
            }
            if let Some(next) = progress.resettled(&partition) {
                // It may go away in this moment.
                let _ = self.shared.handle.seek(&partition, next);
            }
            drop(progress);
            self.shared.resume_if_allowed(&partition);
        }
    }

    /// Ends all queues; each worker finishes the message in hand. Waits for that.
    pub(super) async fn end(self) {
        drop(self.queues);
        self.workers.join().await;
    }
}

impl HandlerQueue {
    fn pause(&mut self, partition: &TopicPartition, shared: &ConsumerInner) {
        shared.hold_back(partition);
        self.paused.insert(partition.clone());
    }

    /// Hands messages to the worker as far as there is room; returns the others.
    fn take(&self, mut work: HandlerWork) -> Option<HandlerWork> {
        if self.to_worker.is_closed() {
            // The handler has gone, and with it whoever wanted the messages.
            return None;
        }
        let room = self.load.room().min(work.records.len());
        if room == 0 {
            return Some(work);
        }
        let left = work.records.split_off(room);
        let left = (!left.is_empty()).then(|| HandlerWork {
            partition: work.partition.clone(),
            part: Arc::clone(&work.part),
            records: left,
            ..work
        });
        self.load.messages.fetch_add(room, Ordering::SeqCst);
        self.to_worker.try_send(work).map_or(None, |()| left)
    }
}

impl QueueLoad {
    fn new(most: usize) -> Self {
        Self { messages: AtomicUsize::new(0), most }
    }

    fn room(&self) -> usize {
        self.most.saturating_sub(self.messages.load(Ordering::SeqCst))
    }

    /// A message leaves the queue.
    pub(super) fn release(&self) {
        self.messages.fetch_sub(1, Ordering::SeqCst);
    }

    pub(super) fn is_half_free(&self) -> bool {
        self.messages.load(Ordering::SeqCst) <= self.most / 2
    }
}

fn lane_of(partition: &TopicPartition, parallel: usize) -> usize {
    let topic = partition.topic.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
    let number = usize::try_from(partition.partition.0).unwrap_or(0);
    topic.wrapping_add(number) % parallel
}
