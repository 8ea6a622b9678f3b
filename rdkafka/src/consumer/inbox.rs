//! Where messages are from kavka's consumer until the program polls: in the queue of the consumer, or
//! in that of their partition, if it has been split off.
//!
//! Nothing is taken from kavka's consumer before somebody polls, so that what the program has not
//! asked for counts as not delivered. A queue holds what came while another one was polled; at
//! [`ROOM`] its partition is paused.

use std::collections::{HashMap, HashSet, VecDeque};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};

use futures_core::Stream;
use kavka::{ConsumerHandle, ConsumerRecord, ErrorKind, TopicPartition};
use tokio::task::unconstrained;

use crate::runtime::{self, Wakers};

/// How many messages a queue takes while others are polled (a guess).
const ROOM: usize = 10_000;

type Item = Result<ConsumerRecord, kavka::Error>;
type Callback = Arc<dyn Fn() + Send + Sync>;

pub(crate) struct Inbox {
    handle: ConsumerHandle,
    wakers: Arc<Wakers>,
    /// `enable.auto.offset.store`.
    stores_offsets: bool,
    state: Mutex<State>,
    waker: Waker,
}

struct State {
    consumer: Option<kavka::Consumer>,
    /// Something is subscribed or assigned.
    is_active: bool,
    main: Queue,
    split: HashMap<TopicPartition, Queue>,
    /// By the program.
    paused: HashSet<TopicPartition>,
    progress: HashMap<TopicPartition, Progress>,
}

/// How far the program is in a partition.
#[derive(Clone, Copy, Default)]
struct Progress {
    /// Behind the last message that it was handed.
    position: Option<i64>,
    /// What is to be committed next.
    stored: Option<i64>,
}

#[derive(Default)]
struct Queue {
    items: VecDeque<Item>,
    /// Its partition is paused, as it is full.
    is_full: bool,
    on_nonempty: Option<Callback>,
}

impl Inbox {
    pub(crate) fn new(
        consumer: kavka::Consumer,
        wakers: Arc<Wakers>,
        stores_offsets: bool,
    ) -> Arc<Self> {
        Arc::new_cyclic(|inbox| Self {
            handle: consumer.handle(),
            wakers,
            stores_offsets,
            state: Mutex::new(State {
                consumer: Some(consumer),
                is_active: false,
                main: Queue::default(),
                split: HashMap::new(),
                paused: HashSet::new(),
                progress: HashMap::new(),
            }),
            waker: Waker::from(Arc::new(InboxWaker(Weak::clone(inbox)))),
        })
    }

    /// The next message of a queue.
    pub(crate) fn take(&self, queue: Option<&TopicPartition>, caller: Caller) -> Option<Item> {
        let mut state = self.lock();
        let item = match state.pop(queue, &self.handle) {
            Some(item) => item,
            None => {
                self.fill(&mut state, Some(queue), caller);
                state.pop(queue, &self.handle)?
            }
        };
        if let Ok(record) = &item {
            let progress = state.progress(record.topic_partition());
            progress.position = Some(record.offset().0 + 1);
            // A partition that was taken away meanwhile has nothing to store.
            if self.stores_offsets && self.handle.mark_done(record).is_ok() {
                progress.stored = progress.position;
            }
        }
        Some(item)
    }

    /// Asks kavka's consumer for messages, until the queue that is `wanted` has one, or it has none.
    fn fill(&self, state: &mut State, wanted: Option<Option<&TopicPartition>>, caller: Caller) {
        let _runtime = runtime::enter();
        let mut has_put_elsewhere = false;
        while state.is_active && state.main.items.len() < ROOM {
            let Some(consumer) = &mut state.consumer else { break };
            let mut context = Context::from_waker(&self.waker);
            let mut poll = || Pin::new(&mut *consumer).poll_next(&mut context);
            let next = match caller {
                Caller::Task => poll(),
                Caller::Thread => on_a_thread(poll),
            };
            let item = match next {
                Poll::Ready(Some(item)) => item,
                Poll::Ready(None) => {
                    state.consumer = None;
                    break;
                }
                Poll::Pending => break,
            };
            let is_wanted = state.put(item, &self.handle, wanted);
            if is_wanted {
                break;
            }
            has_put_elsewhere = true;
        }
        if has_put_elsewhere {
            self.wakers.wake_all();
        }
    }

    /// Gives a partition a queue of its own.
    pub(crate) fn split(&self, partition: TopicPartition) {
        let mut state = self.lock();
        let State { main, split, .. } = &mut *state;
        let queue = split.entry(partition.clone()).or_default();
        // What has come before it was split off.
        let (own, others) = std::mem::take(&mut main.items)
            .into_iter()
            .partition(|item| partition_of(item) == Some(&partition));
        queue.items.extend::<VecDeque<_>>(own);
        main.items = others;
    }

    /// Calls `callback` whenever a queue has been empty and is not any more.
    pub(crate) fn on_nonempty(
        self: &Arc<Self>,
        queue: Option<&TopicPartition>,
        callback: Option<Callback>,
    ) {
        let mut state = self.lock();
        if let Some(queue) = state.queue(queue) {
            queue.on_nonempty = callback;
        }
    }

    pub(crate) fn set_active(&self, is_active: bool) {
        self.lock().is_active = is_active;
        self.wakers.wake_all();
    }

    /// The consumer, to be closed.
    pub(crate) fn take_consumer(&self) -> Option<kavka::Consumer> {
        let mut state = self.lock();
        state.is_active = false;
        state.consumer.take()
    }

    /// Forgets what has come of partitions: they are not assigned any more, or go on elsewhere.
    pub(crate) fn forget(&self, is_forgotten: impl Fn(&TopicPartition) -> bool) {
        let mut state = self.lock();
        let State { main, split, progress, .. } = &mut *state;
        let keeps = |item: &Item| !partition_of(item).is_some_and(&is_forgotten);
        main.items.retain(keeps);
        for (partition, queue) in split {
            queue.items.retain(keeps);
            queue.make_room(partition, &self.handle);
        }
        for (partition, progress) in progress.iter_mut() {
            if is_forgotten(partition) {
                progress.position = None;
            }
        }
    }

    pub(crate) fn position(&self, partition: &TopicPartition) -> Option<i64> {
        self.lock().progress.get(partition)?.position
    }

    /// Stores an offset, to be committed with the next commit.
    pub(crate) fn store(&self, partition: &TopicPartition, offset: i64) -> kavka::Result<()> {
        self.handle.store_offset(partition, offset)?;
        self.lock().progress(partition).stored = Some(offset);
        Ok(())
    }

    /// What is stored and has not been taken for a commit yet.
    pub(crate) fn take_stored(&self) -> Vec<(TopicPartition, i64)> {
        let mut state = self.lock();
        let stored = state.progress.iter_mut();
        stored
            .filter_map(|(partition, progress)| Some((partition.clone(), progress.stored.take()?)))
            .collect()
    }

    /// What is given back, as its commit failed; what has been stored since counts more.
    pub(crate) fn put_back(&self, stored: Vec<(TopicPartition, i64)>) {
        let mut state = self.lock();
        for (partition, offset) in stored {
            state.progress(&partition).stored.get_or_insert(offset);
        }
    }

    pub(crate) fn pause(&self, partitions: &[TopicPartition]) -> kavka::Result<()> {
        let mut state = self.lock();
        self.handle.pause(partitions)?;
        state.paused.extend(partitions.iter().cloned());
        Ok(())
    }

    pub(crate) fn resume(&self, partitions: &[TopicPartition]) -> kavka::Result<()> {
        let mut state = self.lock();
        let is_full = |partition: &&TopicPartition| {
            state.split.get(*partition).is_some_and(|queue| queue.is_full)
        };
        let resumed: Vec<_> =
            partitions.iter().filter(|partition| !is_full(partition)).cloned().collect();
        self.handle.resume(&resumed)?;
        for partition in partitions {
            state.paused.remove(partition);
        }
        drop(state);
        self.wakers.wake_all();
        Ok(())
    }

    /// Messages have come, of whichever partition.
    fn woken(self: Arc<Self>) {
        self.wakers.wake_all();
        // Not here: kavka may be in the midst of something.
        runtime::spawn(async move {
            let mut state = self.lock();
            let has_callback = |queue: &Queue| queue.on_nonempty.is_some();
            if has_callback(&state.main) || state.split.values().any(has_callback) {
                self.fill(&mut state, None, Caller::Task);
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn progress(&mut self, partition: &TopicPartition) -> &mut Progress {
        // Looked up twice, as a name is copied for a new one only.
        if !self.progress.contains_key(partition) {
            self.progress.insert(partition.clone(), Progress::default());
        }
        self.progress.get_mut(partition).expect("it is there")
    }

    fn queue(&mut self, queue: Option<&TopicPartition>) -> Option<&mut Queue> {
        match queue {
            Some(partition) => self.split.get_mut(partition),
            None => Some(&mut self.main),
        }
    }

    /// The next of a queue that is not paused.
    fn pop(&mut self, queue: Option<&TopicPartition>, handle: &ConsumerHandle) -> Option<Item> {
        let Self { main, split, paused, .. } = self;
        let is_held = |item: &Item| partition_of(item).is_some_and(|of| paused.contains(of));
        match queue {
            None => {
                let at = main.items.iter().position(|item| !is_held(item))?;
                main.items.remove(at)
            }
            Some(partition) => {
                let queue = split.get_mut(partition)?;
                if queue.items.front().is_none_or(is_held) {
                    return None;
                }
                let item = queue.items.pop_front();
                if !paused.contains(partition) {
                    queue.make_room(partition, handle);
                }
                item
            }
        }
    }

    /// Puts something into its queue; returns whether that is the one that is wanted.
    fn put(
        &mut self,
        item: Item,
        handle: &ConsumerHandle,
        wanted: Option<Option<&TopicPartition>>,
    ) -> bool {
        let own = partition_of(&item).and_then(|of| self.split.get_key_value(of));
        let own = own.map(|(partition, _)| partition.clone());
        let is_wanted = wanted.is_some_and(|wanted| wanted == own.as_ref());
        let Some(queue) = self.queue(own.as_ref()) else { return false };
        queue.items.push_back(item);
        if queue.items.len() == 1
            && !is_wanted
            && let Some(callback) = queue.on_nonempty.clone()
        {
            // The program's: it must not find anything locked.
            runtime::spawn(async move { callback() });
        }
        if let Some(partition) = own.filter(|_| queue.items.len() >= ROOM && !queue.is_full) {
            queue.is_full = handle.pause([&partition]).is_ok();
        }
        is_wanted
    }
}

impl Queue {
    fn make_room(&mut self, partition: &TopicPartition, handle: &ConsumerHandle) {
        if self.is_full && self.items.len() <= ROOM / 2 {
            // A partition that is not assigned any more needs no resuming.
            let _ = handle.resume([partition]);
            self.is_full = false;
        }
    }
}

/// Which partition something is of. The end of one counts, other errors concern the consumer.
fn partition_of(item: &Item) -> Option<&TopicPartition> {
    match item {
        Ok(record) => Some(record.topic_partition()),
        Err(error) if error.kind() == ErrorKind::PartitionEof => error.context().partition.as_ref(),
        Err(_) => None,
    }
}

/// Who asks for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// A task, which goes to sleep when there are none.
    Task,
    /// A thread that waits.
    Thread,
}

/// Asks on a thread that waits, which may be in the midst of a task of tokio's: there, what a task
/// may do in one turn is used up before long, and when it is asked to let others run, it is woken
/// after it has, which is never. So there is no limit, and one that was asked asks again.
fn on_a_thread<T>(mut poll: impl FnMut() -> Poll<T>) -> Poll<T> {
    let mut twice = unconstrained(poll_fn(|_| match poll() {
        Poll::Pending => poll(),
        ready => ready,
    }));
    Pin::new(&mut twice).poll(&mut Context::from_waker(Waker::noop()))
}

struct InboxWaker(Weak<Inbox>);

impl Wake for InboxWaker {
    fn wake(self: Arc<Self>) {
        if let Some(inbox) = self.0.upgrade() {
            inbox.woken();
        }
    }
}
