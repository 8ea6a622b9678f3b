//! What the parts of a share consumer share: what is subscribed, what is buffered, what the
//! application is to be told, and the bells between them.
//!
//! One lock, never held over an await. Locks of acquisitions are taken under it, and never the other
//! way round.

use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::acquisition::Acquisition;
use super::bell::Bell;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{BrokerId, TopicName};
use crate::runtime::{self, Activity};
use crate::sync::lock;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct ShareShared {
    state: Mutex<ShareState>,
    /// Rings for the task.
    pub(crate) bell: Arc<Bell>,
    pub(crate) activity: Activity,
    /// Up to so many buffered records, more may be fetched.
    room: usize,
    /// Ends with the consumer or its client.
    cancelled: CancellationToken,
}

#[derive(Debug, Default)]
struct ShareState {
    topics: Option<BTreeSet<TopicName>>,
    /// Changes with the topics.
    version: u64,
    /// What was acquired and is not all handed over.
    buffer: VecDeque<Arc<Acquisition>>,
    /// What is not all confirmed or failed.
    live: Vec<Arc<Acquisition>>,
    errors: VecDeque<Error>,
    /// Why the cluster does not let this client in.
    refusal: Option<Error>,
    waker: Option<Waker>,
    /// The task can do nothing before a broker has answered.
    is_busy: bool,
    is_closed: bool,
    /// How long brokers lock records, by their last word.
    lock: Option<Duration>,
}

/// Errors that wait for the application beyond this many push out the oldest (a guess; each
/// partition adds few).
const MAX_ERRORS: usize = 1024;

impl ShareState {
    fn take_buffered(
        &mut self,
        max: usize,
        now: Instant,
    ) -> Option<(Arc<Acquisition>, Range<u32>)> {
        while let Some(first) = self.buffer.front() {
            let taken = first.hand_over(max, now).map(|records| (Arc::clone(first), records));
            if taken.is_none() || first.buffered() == 0 {
                self.buffer.pop_front();
            }
            if taken.is_some() {
                return taken;
            }
        }
        None
    }
}

impl ShareShared {
    pub(crate) fn new(room: usize, cancelled: CancellationToken) -> Self {
        Self {
            state: Mutex::default(),
            bell: Arc::default(),
            activity: Activity::new(runtime::now()),
            room,
            cancelled,
        }
    }

    /// Wants these topics, or with `None` none.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`] once the consumer is closed.
    pub(crate) fn subscribe(&self, topics: Option<BTreeSet<TopicName>>) -> Result<()> {
        let mut state = self.state();
        if state.is_closed || self.cancelled.is_cancelled() {
            return Err(closed());
        }
        if state.topics != topics {
            state.topics = topics;
            state.version += 1;
        }
        drop(state);
        self.bell.rung.notify_one();
        Ok(())
    }

    /// What is wanted, and the number of that wish.
    pub(crate) fn topics(&self) -> (Option<BTreeSet<TopicName>>, u64) {
        let state = self.state();
        (state.topics.clone(), state.version)
    }

    /// The number of the newest wish.
    pub(crate) fn version(&self) -> u64 {
        self.state().version
    }

    /// The next records of one partition, up to `max`, or an error for the application.
    ///
    /// # Errors
    /// What was raised for the application; [`ErrorKind::Closed`]; [`ErrorKind::Config`] if nothing
    /// is subscribed.
    pub(crate) fn poll_records(
        &self,
        context: &mut Context<'_>,
        max: usize,
    ) -> Poll<Result<(Arc<Acquisition>, Range<u32>)>> {
        let now = runtime::now();
        let mut state = self.state();
        if state.is_closed || self.cancelled.is_cancelled() {
            return Poll::Ready(Err(closed()));
        }
        if let Some(error) = state.errors.pop_front() {
            return Poll::Ready(Err(error));
        }
        if let Some(taken) = state.take_buffered(max, now) {
            // Only then does the task have something to do: what is said rings by itself.
            let concerns_task = !state.is_busy && self.has_room_in(&state);
            drop(state);
            self.activity.set_waiting(false);
            if concerns_task {
                self.bell.rung.notify_one();
            }
            return Poll::Ready(Ok(taken));
        }
        if state.topics.is_none() {
            return Poll::Ready(Err(Error::config(
                "nothing is subscribed: there is nothing to wait for",
            )));
        }
        if let Some(refusal) = state.refusal.take() {
            drop(state);
            // Whoever asks again has the cluster asked again.
            self.bell.rung.notify_one();
            return Poll::Ready(Err(refusal));
        }
        if !state.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            state.waker = Some(context.waker().clone());
        }
        drop(state);
        self.activity.set_waiting(true);
        self.bell.rung.notify_one();
        Poll::Pending
    }

    /// The next records of one partition, up to `max`, if some are buffered.
    #[cfg(feature = "mq")]
    pub(crate) fn take_buffered(&self, max: usize) -> Option<(Arc<Acquisition>, Range<u32>)> {
        self.state().take_buffered(max, runtime::now())
    }

    /// Adds what was acquired.
    pub(crate) fn add(&self, acquired: Vec<Arc<Acquisition>>) {
        let mut state = self.state();
        for acquisition in acquired {
            state.live.iter().for_each(|older| older.give_way(&acquisition));
            if acquisition.buffered() > 0 {
                state.buffer.push_back(Arc::clone(&acquisition));
            }
            state.live.push(acquisition);
        }
        self.wake(state);
    }

    /// What is not all confirmed or failed; forgets the rest.
    pub(crate) fn live(&self) -> Vec<Arc<Acquisition>> {
        let mut state = self.state();
        state.live.retain(|acquisition| !acquisition.is_over());
        state.live.clone()
    }

    /// What of that one broker has acquired.
    pub(crate) fn live_of(&self, broker: BrokerId) -> Vec<Arc<Acquisition>> {
        let mut live = self.live();
        live.retain(|acquisition| acquisition.broker == broker);
        live
    }

    /// Whether so few records are buffered that more may come.
    pub(crate) fn has_room(&self) -> bool {
        self.has_room_in(&self.state())
    }

    /// Whether every broker is to answer first: calls that find records need not ring then, as the
    /// task looks for itself. To be taken back before it looks.
    pub(crate) fn set_busy(&self, is_busy: bool) {
        self.state().is_busy = is_busy;
    }

    fn has_room_in(&self, state: &ShareState) -> bool {
        let buffered = state.buffer.iter().map(|acquisition| acquisition.buffered());
        buffered.sum::<usize>() <= self.room
    }

    /// How long brokers lock records, if that is known.
    pub(crate) fn lock_timeout(&self) -> Option<Duration> {
        self.state().lock
    }

    pub(crate) fn set_lock_timeout(&self, lock: Duration) {
        self.state().lock = Some(lock);
    }

    /// Has the application told of an error by its next call.
    pub(crate) fn raise(&self, error: Error) {
        let mut state = self.state();
        if state.errors.len() == MAX_ERRORS {
            state.errors.pop_front();
        }
        state.errors.push_back(error);
        self.wake(state);
    }

    /// The cluster does not let this client in, or with `None` it does.
    pub(crate) fn refuse(&self, refusal: Option<Error>) {
        let mut state = self.state();
        state.refusal = refusal;
        if state.refusal.is_some() {
            self.wake(state);
        }
    }

    /// Wakes the application if it waits.
    pub(crate) fn look_again(&self) {
        self.wake(self.state());
    }

    /// Ends it for the application: every call fails from here on, and nothing more is handed over.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        state.buffer.clear();
        self.wake(state);
        self.bell.rung.notify_one();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.cancelled.is_cancelled() || self.state().is_closed
    }

    /// What wakes the application ends its waiting: whether it comes back for the news shows whether
    /// it lives.
    fn wake(&self, mut state: MutexGuard<'_, ShareState>) {
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            self.activity.set_waiting(false);
            waker.wake();
        }
    }

    fn state(&self) -> MutexGuard<'_, ShareState> {
        lock(&self.state)
    }
}

pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the share consumer is closed")
}

/// The instant at which a lock that was taken now runs out.
pub(crate) fn lock_until(lock: Option<Duration>, now: Instant) -> Instant {
    // A broker that does not say how long has Kafka's default.
    now + lock.unwrap_or(Duration::from_secs(30))
}
