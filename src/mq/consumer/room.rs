//! Whether a handler queue has room, and how the receiving task, which waits for some, hears of it.
//!
//! ```text
//!  receiving task                              worker
//!    1. is_full = true    (set_full)             1. messages -= 1     (release)
//!    2. reads messages    (is_half_free)         2. reads is_full: does somebody wait? then rings
//! ```
//! Each writes what the other reads. If both read the old value, the task would sleep with the
//! queue empty. Both therefore *change* `messages`, the task by nothing: changes of one atomic have
//! an order. If the worker's comes first, the task finds the room. If the task's comes first, the
//! worker acquires with its own what the task wrote before, and sees `is_full`. Two plain reads
//! would not do: a processor may put off the writes before them.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// How workers tell the receiving task of room.
#[derive(Debug, Default)]
pub(super) struct RoomSignal {
    /// Messages wait for room on some queue.
    is_full: AtomicBool,
    /// Rings when such a queue has room.
    room: Notify,
}

/// How many messages are on a queue, and how many may be.
#[derive(Debug)]
pub(super) struct QueueLoad {
    messages: AtomicUsize,
    most: usize,
    signal: Arc<RoomSignal>,
}

impl RoomSignal {
    /// Notes whether messages wait for room. The receiving task says so before it asks for the last
    /// time, ahead of its wait, whether their queue is half free.
    pub(super) fn set_full(&self, is_full: bool) {
        self.is_full.store(is_full, Ordering::Relaxed);
    }

    pub(super) fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }

    /// Waits until a queue that was full has room.
    ///
    /// # Cancel safety
    /// Safe: a ring that nobody waited for is kept for the next who does.
    pub(super) async fn has_come(&self) {
        self.room.notified().await;
    }
}

impl QueueLoad {
    pub(super) fn new(most: usize, signal: Arc<RoomSignal>) -> Self {
        Self { messages: AtomicUsize::new(0), most, signal }
    }

    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// Takes room for so many messages, or for as many as there is; one task does. Returns how many.
    pub(super) fn reserve(&self, wanted: usize) -> usize {
        let taken = self.most.saturating_sub(self.messages.load(Ordering::Acquire)).min(wanted);
        self.messages.fetch_add(taken, Ordering::AcqRel);
        taken
    }

    /// A message leaves the queue, whatever becomes of it.
    pub(super) fn release(&self) {
        let left = self.messages.fetch_sub(1, Ordering::AcqRel).saturating_sub(1);
        if self.is_half(left) && self.signal.is_full() {
            self.signal.room.notify_one();
        }
    }

    /// Whether half of the queue is free; to be asked after [`RoomSignal::set_full`].
    pub(super) fn is_half_free(&self) -> bool {
        // A change, not a read: see the module.
        self.is_half(self.messages.fetch_add(0, Ordering::AcqRel))
    }

    fn is_half(&self, messages: usize) -> bool {
        messages <= self.most / 2
    }
}

#[cfg(all(test, kavka_loom))]
mod models {
    use loom::future::block_on;
    use loom::thread;

    use super::*;
    use crate::sync::model;

    #[test]
    fn who_waits_for_room_hears_of_it() {
        model(|| {
            let signal = Arc::new(RoomSignal::default());
            let load = Arc::new(QueueLoad::new(2, Arc::clone(&signal)));
            assert_eq!(load.reserve(3), 2);
            let worker = thread::spawn({
                let load = Arc::clone(&load);
                move || (0..2).for_each(|_| load.release())
            });
            // The third message waits.
            signal.set_full(true);
            while !load.is_half_free() {
                block_on(signal.has_come());
            }
            assert_eq!(load.reserve(1), 1);
            signal.set_full(false);
            worker.join().unwrap();
        });
    }

    #[test]
    fn of_two_queues_that_are_full_each_is_found_to_have_room() {
        model(|| {
            let signal = Arc::new(RoomSignal::default());
            let loads = [(); 2].map(|()| Arc::new(QueueLoad::new(1, Arc::clone(&signal))));
            let workers = loads.clone().map(|load| {
                assert_eq!(load.reserve(2), 1);
                thread::spawn(move || load.release())
            });
            signal.set_full(true);
            let mut waiting = loads.to_vec();
            loop {
                waiting.retain(|load| !load.is_half_free());
                signal.set_full(!waiting.is_empty());
                if waiting.is_empty() {
                    break;
                }
                block_on(signal.has_come());
            }
            for worker in workers {
                worker.join().unwrap();
            }
        });
    }
}
