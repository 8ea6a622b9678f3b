//! The ways from the receiving task to the handlers: for each handler as many as it handles
//! partitions at once, each with as many workers as it handles messages of one at once.
//!
//! A partition always takes the same queue, which keeps its order, or that of its keys. What does not fit into a queue
//! waits in `waiting`, until half of the queue is free. A quick handler is waited for; where that
//! takes long, the partitions that want more of its queue are paused, so that others go on: then
//! nothing of them is fetched, which would keep a quick handler waiting in turn.
//!
//! A partition that loses its handler, and is not taken away, is set aside: it is paused until
//! another handler wants it, and the message in hand is done; then it goes on with the first
//! message that is not. So is one whose last message is still on its way to the dead letters.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::handler_queue::HandlerQueue;
use super::line::{HandlerLine, HandlerWork};
use super::room::QueueLoad;
use super::shared::ConsumerInner;
use super::transacting::{self, id_of};
use super::worker::{self, WorkerPlace};
use crate::consumer::RecordBatch;
use crate::ids::TopicPartition;
use crate::mq::handler::RegisteredHandler;
use crate::runtime::Runtime;

pub(super) struct HandlerQueues {
    shared: Arc<ConsumerInner>,
    workers: Runtime,
    queues: BTreeMap<(u64, usize), HandlerQueue>,
}

impl HandlerQueues {
    pub(super) fn new(shared: Arc<ConsumerInner>, workers: Runtime) -> Self {
        Self { shared, workers, queues: BTreeMap::new() }
    }

    pub(super) fn push(&mut self, registered: &Arc<RegisteredHandler>, work: HandlerWork) {
        let number = queue_of(&work.partition, registered.options.parallel.max(1));
        let Self { shared, workers, queues } = self;
        let queue = queues
            .entry((registered.id, number))
            .or_insert_with(|| open(shared, workers, registered, number));
        if !queue.partitions.contains(&work.partition) {
            queue.partitions.insert(work.partition.clone());
        }
        let left = if queue.waiting.is_empty() { queue.line.push(work) } else { Some(work) };
        if let Some(work) = left {
            // Before `flush` looks at the queue again, so that whoever makes room from here on
            // rings.
            shared.room.set_full(true);
            if !queue.paused.is_empty() {
                queue.pause(&work.partition, shared);
            }
            queue.waiting.push_back(work);
        }
    }

    /// Whether a queue is full whose partitions are not paused.
    pub(super) fn is_waiting_for_room(&self) -> bool {
        self.is_full()
            && self
                .queues
                .values()
                .any(|queue| !queue.waiting.is_empty() && queue.paused.is_empty())
    }

    /// Pauses the partitions whose messages wait.
    pub(super) fn pause(&mut self) {
        for queue in self.queues.values_mut() {
            let partitions: BTreeSet<_> =
                queue.waiting.iter().map(|work| work.partition.clone()).collect();
            partitions.iter().for_each(|partition| queue.pause(partition, &self.shared));
        }
    }

    /// Moves on what waits, where there is room, and has its partitions come again.
    pub(super) fn flush(&mut self) {
        let mut is_full = false;
        for queue in self.queues.values_mut() {
            if !queue.line.load().is_half_free() && !queue.line.is_closed() {
                is_full |= !queue.waiting.is_empty();
                continue;
            }
            while let Some(work) = queue.waiting.pop_front() {
                if let Some(left) = queue.line.push(work) {
                    queue.waiting.push_front(left);
                    break;
                }
            }
            is_full |= !queue.waiting.is_empty();
            if queue.waiting.is_empty() {
                std::mem::take(&mut queue.paused)
                    .iter()
                    .for_each(|partition| self.shared.resume_if_allowed(partition));
            }
        }
        self.shared.room.set_full(is_full);
    }

    pub(super) fn is_full(&self) -> bool {
        self.shared.room.is_full()
    }

    /// Ends the queues of handlers that are gone, and sets partitions aside that their handler does
    /// not take any more.
    pub(super) fn retain(&mut self) {
        let handlers = self.shared.handlers().list.clone();
        let taker = |partition: &TopicPartition| {
            handlers.iter().find(|handler| handler.takes(&partition.topic))
        };
        let mut orphaned = BTreeSet::new();
        for ((handler, _), queue) in &mut self.queues {
            let stays = |partition: &TopicPartition| {
                taker(partition).is_some_and(|taker| taker.id == *handler)
            };
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

/// Gives the records of a batch to the queue of their handler; returns how many.
///
/// They are all walked here, so that the consumer, asked for more, tells of one that cannot be
/// read.
pub(super) fn dispatch(
    shared: &Arc<ConsumerInner>,
    queues: &mut HandlerQueues,
    batch: &RecordBatch,
) -> usize {
    let partition = batch.topic_partition();
    let registered = shared.handler_of(&partition.topic);
    let mut records: VecDeque<_> = batch.iter().map(|record| record.to_record()).collect();
    let mut progress = shared.progress();
    // A batch from before a seek is not of the generation that began with it.
    if !batch.is_current() {
        return 0;
    }
    if let Some(registered) = &registered {
        shared.leave_until_due(registered, &mut records);
    }
    let (Some(first), Some(last)) = (records.front(), records.back()) else { return 0 };
    let offsets = first.covered().start..last.offset().advance(1);
    let Some((part, generation)) = progress.received(partition, offsets) else { return 0 };
    // Whatever has it come, such as the user's `resume`: it goes on where it stopped, and not
    // before.
    let is_aside = progress.is_aside(partition);
    drop(progress);
    let Some(registered) = registered.filter(|_| !is_aside) else {
        queues.set_aside(partition);
        return 1;
    };
    let count = records.len();
    let work = HandlerWork { partition: partition.clone(), part, generation, records };
    queues.push(&registered, work);
    count
}

/// A queue and its workers.
fn open(
    shared: &Arc<ConsumerInner>,
    workers: &Runtime,
    registered: &Arc<RegisteredHandler>,
    number: usize,
) -> HandlerQueue {
    let options = &registered.options;
    let at_once = options.at_once.max(1);
    let most = (shared.config.consumer.max_poll_records / options.parallel.max(1)).max(at_once);
    let line = Arc::new(HandlerLine::new(QueueLoad::new(most, Arc::clone(&shared.room)), at_once));
    let place = WorkerPlace {
        shared: Arc::clone(shared),
        registered: Arc::clone(registered),
        workers: workers.clone(),
        line: Arc::clone(&line),
    };
    match &options.transactional_id {
        None => (0..at_once).for_each(|_| workers.spawn(worker::work(place.clone()))),
        Some(id) => workers.spawn(transacting::work(place, id_of(id, number))),
    }
    HandlerQueue::new(line)
}

fn queue_of(partition: &TopicPartition, parallel: usize) -> usize {
    let topic = partition
        .topic
        .bytes()
        .fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
    let number = usize::try_from(partition.partition.0).unwrap_or(0);
    topic.wrapping_add(number) % parallel
}
