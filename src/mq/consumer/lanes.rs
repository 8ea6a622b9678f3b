//! The ways from the receiving task to the handlers: for each handler as many as it handles partitions at once, each with a worker.
//!
//! A partition always takes the same lane, which keeps its order. A lane that is full pauses the partitions that want more of it: what
//! has been received of them by then waits in `waiting`, at most one message each, until half of the lane is free: pausing costs more
//! than a message.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::handler::Registered;
use super::{Shared, lock, task};
use crate::ids::{Offset, TopicPartition};
use crate::mq::message::Message;
use crate::runtime::Runtime;

/// A message on its way to its handler.
pub(super) struct Work {
    pub(super) partition: TopicPartition,
    pub(super) generation: u64,
    pub(super) next: Offset,
    pub(super) message: Message,
}

pub(super) struct Lanes {
    shared: Arc<Shared>,
    workers: Runtime,
    lanes: BTreeMap<(u64, usize), Lane>,
}

struct Lane {
    to_worker: mpsc::Sender<Work>,
    waiting: VecDeque<Work>,
    paused: BTreeSet<TopicPartition>,
}

impl Lanes {
    pub(super) fn new(shared: Arc<Shared>, workers: Runtime) -> Self {
        Self { shared, workers, lanes: BTreeMap::new() }
    }

    pub(super) fn push(&mut self, registered: &Arc<Registered>, work: Work) {
        let parallel = registered.options.parallel.max(1);
        let number = lane_of(&work.partition, parallel);
        let Self { shared, workers, lanes } = self;
        let lane = lanes.entry((registered.id, number)).or_insert_with(|| {
            let room = (shared.config.consumer.max_poll_records / parallel).max(1);
            let (to_worker, from_task) = mpsc::channel(room);
            workers.spawn(task::work(Arc::clone(shared), Arc::clone(registered), from_task));
            Lane { to_worker, waiting: VecDeque::new(), paused: BTreeSet::new() }
        });
        let refused = if lane.waiting.is_empty() { lane.to_worker.try_send(work).err() } else { Some(TrySendError::Full(work)) };
        if let Some(TrySendError::Full(work)) = refused {
            // It is told before the lane is looked at again, so that whoever makes room from here on rings.
            shared.is_full.store(true, Ordering::SeqCst);
            // If the partition goes away in this moment, there is nothing to pause.
            let _ = shared.handle.pause([&work.partition]);
            lane.paused.insert(work.partition.clone());
            lane.waiting.push_back(work);
        }
    }

    /// Moves on what waits, where there is room, and has its partitions come again.
    pub(super) fn flush(&mut self) {
        let mut is_full = false;
        for lane in self.lanes.values_mut() {
            if !lane.is_half_free() {
                is_full |= !lane.waiting.is_empty();
                continue;
            }
            while let Some(work) = lane.waiting.pop_front() {
                match lane.to_worker.try_send(work) {
                    Ok(()) | Err(TrySendError::Closed(_)) => {}
                    Err(TrySendError::Full(work)) => {
                        lane.waiting.push_front(work);
                        break;
                    }
                }
            }
            is_full |= !lane.waiting.is_empty();
            if lane.waiting.is_empty() {
                for partition in std::mem::take(&mut lane.paused) {
                    if !lock(&self.shared.paused).contains(&partition) {
                        let _ = self.shared.handle.resume([&partition]);
                    }
                }
            }
        }
        self.shared.is_full.store(is_full, Ordering::SeqCst);
    }

    pub(super) fn is_full(&self) -> bool {
        self.shared.is_full.load(Ordering::SeqCst)
    }

    /// Ends the lanes of handlers that are gone.
    pub(super) fn retain(&mut self) {
        let left: BTreeSet<u64> = self.shared.handlers().list.iter().map(|registered| registered.id).collect();
        self.lanes.retain(|(handler, _), _| left.contains(handler));
    }

    /// Ends all lanes; each worker finishes the message in hand. Waits for that.
    pub(super) async fn end(self) {
        drop(self.lanes);
        self.workers.join().await;
    }
}

impl Lane {
    fn is_half_free(&self) -> bool {
        let taken = self.to_worker.max_capacity() - self.to_worker.capacity();
        self.to_worker.is_closed() || taken <= self.to_worker.max_capacity() / 2
    }
}

fn lane_of(partition: &TopicPartition, parallel: usize) -> usize {
    let topic = partition.topic.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
    let number = usize::try_from(partition.partition.0).unwrap_or(0);
    topic.wrapping_add(number) % parallel
}
