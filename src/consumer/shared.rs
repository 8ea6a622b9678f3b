//! What the parts of one consumer share: the subscription with what is buffered, what the
//! application is to be told, and the bells between them.
//!
//! One lock, never held over an await: whoever looks sees assignment, positions and buffer agree.

use std::collections::VecDeque;
#[cfg(test)]
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::cluster::ClusterView;
use crate::consumer::catch_up::{CatchUpId, CatchUpStep, CatchUps};
use crate::consumer::fetch::buffer::{Buffer, BufferedBatch, DecodeJob, Piece};
use crate::consumer::fetch::session::Want;
use crate::consumer::observer::ConsumerObserver;
use crate::consumer::position::{AssignmentEpoch, PartitionAssignment};
use crate::consumer::subscription::{Subscription, SubscriptionKind};
use crate::error::{Error, ErrorKind, Result};
use crate::group_metadata::ConsumerGroupMetadata;
use crate::ids::{Offset, TopicName, TopicPartition};
use crate::runtime::{self, Activity};
use crate::wire::batch::DecodeOptions;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct ConsumerShared {
    state: Mutex<State>,
    /// Rings when partitions, positions or the room in the buffer have changed.
    pub(crate) to_fetcher: Notify,
    /// Rings when the interest has changed.
    pub(crate) to_group: Notify,
    /// Rings for all who wait for a position or an assignment.
    pub(crate) moved: Notify,
    pub(crate) activity: Activity,
    /// Ends with the consumer or its client.
    cancelled: CancellationToken,
    pub(crate) decode: DecodeOptions,
    pub(crate) observer: ConsumerObserver,
    /// How often `state` was locked.
    #[cfg(test)]
    pub(crate) locks: AtomicU64,
}

#[derive(Debug)]
struct State {
    subscription: Subscription,
    catch_ups: CatchUps,
    errors: VecDeque<Error>,
    waker: Option<Waker>,
    /// The fetcher has found no room and waits for some.
    is_starved: bool,
    closed: bool,
    /// What ended the membership for good: told each time that somebody asks.
    failure: Option<Error>,
    refusal: ClusterRefusal,
    /// Who this consumer is to its group, and who it was when the application got records last.
    member: Option<Arc<ConsumerGroupMetadata>>,
    received_as: Option<Arc<ConsumerGroupMetadata>>,
}

/// That the cluster does not let this client in. Each who asks for records is told, after it was
/// asked anew: what was refused may be allowed meanwhile, and nobody else tries again.
#[derive(Debug, Default)]
enum ClusterRefusal {
    #[default]
    None,
    Untold(Error),
    Told,
    /// Somebody waits for records since it was told.
    Doubted,
}

/// Errors that wait for the application beyond this many push out the oldest (a guess; each
/// partition adds few).
const MAX_ERRORS: usize = 1024;

impl ConsumerShared {
    pub(crate) fn new(
        subscription: Subscription,
        cancelled: CancellationToken,
        decode: DecodeOptions,
        observer: ConsumerObserver,
    ) -> Self {
        let state = State {
            subscription,
            catch_ups: CatchUps::default(),
            errors: VecDeque::new(),
            waker: None,
            is_starved: false,
            closed: false,
            failure: None,
            refusal: ClusterRefusal::None,
            member: None,
            received_as: None,
        };
        Self {
            state: Mutex::new(state),
            to_fetcher: Notify::new(),
            to_group: Notify::new(),
            moved: Notify::new(),
            activity: Activity::new(runtime::now()),
            cancelled,
            decode,
            observer,
            #[cfg(test)]
            locks: AtomicU64::new(0),
        }
    }

    /// Tells the subscription of a view of the cluster; called by each task that follows the view,
    /// before it acts on it.
    pub(crate) fn follow(&self, view: &ClusterView) {
        let id_of = |topic: &TopicName| view.topic(topic)?.id;
        for topic in self.update(|subscription| subscription.follow(view.version, id_of)) {
            warn!(
                %topic, "the topic was created anew; its partitions are read from their beginning"
            );
        }
    }

    /// Reads or changes the subscription, and rings for whoever the change concerns.
    pub(crate) fn update<T>(&self, change: impl FnOnce(&mut Subscription) -> T) -> T {
        let mut state = self.state();
        let interest = state.subscription.interest_version();
        let out = change(&mut state.subscription);
        let has_changed = state.subscription.has_changed();
        let has_new_interest = state.subscription.interest_version() != interest;
        let waker = if has_changed || has_new_interest { state.waker.take() } else { None };
        drop(state);
        if has_new_interest {
            self.to_group.notify_one();
        }
        if has_changed || has_new_interest {
            self.to_fetcher.notify_one();
            self.moved.notify_waiters();
        }
        self.woken(waker);
        out
    }

    /// Reads the subscription.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&Subscription) -> T) -> T {
        look(&self.state().subscription)
    }

    /// Who this consumer is to its group from now on.
    pub(crate) fn set_member(&self, member: ConsumerGroupMetadata) {
        self.state().member = Some(Arc::new(member));
    }

    /// Who this consumer is, or was last.
    pub(crate) fn member(&self) -> Option<ConsumerGroupMetadata> {
        self.state().member.as_deref().cloned()
    }

    /// Who this consumer was when the application got records last; before that, who it is. `None`
    /// if it is not a member, as with partitions assigned by hand.
    pub(crate) fn received_as(&self) -> Option<ConsumerGroupMetadata> {
        let state = self.state();
        if !state.subscription.interest().is_shared() {
            return None;
        }
        state.received_as.as_ref().or(state.member.as_ref()).map(|member| (**member).clone())
    }

    /// The next piece for the application, or an error for it. One caller at a time.
    ///
    /// # Errors
    /// What was raised for the application; [`ErrorKind::Closed`]; [`ErrorKind::Config`] if nothing
    /// is subscribed or assigned.
    pub(crate) fn poll_piece(&self, context: &mut Context<'_>) -> Poll<Result<Piece>> {
        self.poll_buffer(context, None, Buffer::pop)
    }

    /// The pieces with so many records, as their batches claim, or with what there is if no more
    /// can come before some are taken, or if `is_late`; with the batch that the caller has begun.
    /// One caller at a time.
    ///
    /// # Errors
    /// As [`ConsumerShared::poll_piece`].
    pub(crate) fn poll_pieces(
        &self,
        context: &mut Context<'_>,
        in_hand: Option<&Arc<PartitionAssignment>>,
        records: usize,
        is_late: bool,
    ) -> Poll<Result<Vec<Piece>>> {
        self.poll_buffer(context, in_hand, |buffer| {
            (is_late || buffer.is_enough(records)).then(|| buffer.pop_many(records))
        })
    }

    fn poll_buffer<T>(
        &self,
        context: &mut Context<'_>,
        in_hand: Option<&Arc<PartitionAssignment>>,
        take: impl FnOnce(&mut Buffer) -> Option<T>,
    ) -> Poll<Result<T>> {
        let mut state = self.state();
        if !state.catch_ups.is_empty() && state.look(in_hand) {
            drop(state);
            self.moved.notify_waiters();
            state = self.state();
        }
        if let Some(error) = state.first_error(self.cancelled.is_cancelled()) {
            return Poll::Ready(Err(error));
        }
        state.subscription.forget_forfeited();
        if let Some(taken) = take(&mut state.subscription.buffer) {
            // Under the lock under which partitions are taken away: who it is now owned the
            // partition.
            if state.received_as.as_ref().map(Arc::as_ptr) != state.member.as_ref().map(Arc::as_ptr)
            {
                state.received_as = state.member.clone();
            }
            let is_starved = state.is_starved;
            let buffer = &mut state.subscription.buffer;
            let concerns_fetcher =
                buffer.has_relieved() || buffer.has_job() || (is_starved && buffer.has_room());
            drop(state);
            if concerns_fetcher {
                self.to_fetcher.notify_one();
            }
            self.activity.set_waiting(false);
            return Poll::Ready(Ok(taken));
        }
        if matches!(state.subscription.interest(), SubscriptionKind::Nothing) {
            return Poll::Ready(Err(Error::config(
                "nothing is subscribed or assigned: there is nothing to wait for",
            )));
        }
        if !state.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            state.waker = Some(context.waker().clone());
        }
        let doubts = matches!(state.refusal, ClusterRefusal::Told);
        if doubts {
            state.refusal = ClusterRefusal::Doubted;
        }
        drop(state);
        if doubts {
            self.to_fetcher.notify_one();
        }
        self.activity.set_waiting(true);
        Poll::Pending
    }

    /// Gives back what was taken from the buffer and cannot be used now.
    pub(crate) fn put_back(&self, assignment: &Arc<PartitionAssignment>, buffered: BufferedBatch) {
        self.state().subscription.buffer.put_back(assignment, buffered);
    }

    /// Has the application told of an error by its next call.
    pub(crate) fn raise(&self, error: Error) {
        let mut state = self.state();
        if state.errors.len() == MAX_ERRORS {
            state.errors.pop_front();
        }
        state.errors.push_back(error);
        let waker = state.waker.take();
        drop(state);
        self.woken(waker);
    }

    /// The cluster does not let this client in: whoever asks for records is told, each time after
    /// the cluster was asked anew.
    pub(crate) fn refuse(&self, error: Error) {
        let mut state = self.state();
        state.refusal = ClusterRefusal::Untold(error);
        let waker = state.waker.take();
        drop(state);
        self.woken(waker);
    }

    /// The cluster lets this client in.
    pub(crate) fn admit(&self) {
        self.state().refusal = ClusterRefusal::None;
    }

    /// Whether the cluster does not let this client in, and nobody has asked for records since that
    /// was found.
    pub(crate) fn is_refused(&self) -> bool {
        matches!(self.state().refusal, ClusterRefusal::Untold(_) | ClusterRefusal::Told)
    }

    /// Whether the cluster is to be asked anew, told once.
    pub(crate) fn take_doubt(&self) -> bool {
        let mut state = self.state();
        let doubts = matches!(state.refusal, ClusterRefusal::Doubted);
        if doubts {
            state.refusal = ClusterRefusal::None;
        }
        doubts
    }

    /// Ends the membership for good: whoever subscribes is told each time.
    pub(crate) fn fail(&self, error: Error) {
        let mut state = self.state();
        state.failure = Some(error);
        let waker = state.waker.take();
        drop(state);
        self.moved.notify_waiters();
        self.woken(waker);
    }

    /// What ended the membership for good.
    pub(crate) fn failure(&self) -> Option<Error> {
        self.state().failure.clone()
    }

    /// Works on the buffer.
    pub(crate) fn buffer<T>(&self, work: impl FnOnce(&mut Buffer) -> T) -> T {
        work(&mut self.state().subscription.buffer)
    }

    /// Wakes the application if it waits.
    pub(crate) fn wake(&self) {
        let waker = self.state().waker.take();
        self.woken(waker);
    }

    /// What wakes the application ends its waiting: whether it comes back for the news shows
    /// whether it lives.
    fn woken(&self, waker: Option<Waker>) {
        if let Some(waker) = waker {
            self.activity.set_waiting(false);
            waker.wake();
        }
    }

    /// Notes of which partitions all is fetched that may be read, after a broker has answered to
    /// all that it was asked for. `is_empty`: without a record.
    pub(crate) fn fetched_all<'a>(
        &self,
        asked: impl Iterator<Item = (&'a TopicPartition, &'a Want)>,
        is_empty: bool,
    ) {
        let mut state = self.state();
        if !state.subscription.tells_ends && state.catch_ups.is_empty() {
            return;
        }
        let mut is_news = false;
        for (partition, want) in asked {
            is_news |= state.subscription.fetched_all(partition, *want, is_empty);
        }
        drop(state);
        if is_news {
            self.moved.notify_waiters();
        }
    }

    /// Has it noted from now on how far the application comes.
    pub(crate) fn catch_up(self: &Arc<Self>) -> CatchUpGuard {
        let mut state = self.state();
        state.subscription.buffer.note(true);
        CatchUpGuard { shared: Arc::clone(self), id: state.catch_ups.begin() }
    }

    /// Whether a fetch may be made; if not, the fetcher is rung when that changes.
    pub(crate) fn has_room(&self) -> bool {
        let mut state = self.state();
        let has_room = state.subscription.buffer.has_room();
        state.is_starved = !has_room;
        has_room
    }

    /// Decodes one batch ahead.
    pub(crate) fn run(&self, job: &DecodeJob) {
        let outcome = job.run(&self.decode);
        self.state().subscription.buffer.decoded(job.assignment, job.number, outcome);
        self.wake();
    }

    /// Ends it for the application: every call fails from here on.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.subscription.close();
        let waker = state.waker.take();
        drop(state);
        self.woken(waker);
        self.moved.notify_waiters();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.cancelled.is_cancelled() || self.state().closed
    }

    fn state(&self) -> MutexGuard<'_, State> {
        #[cfg(test)]
        self.locks.fetch_add(1, Ordering::Relaxed);
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn look(&mut self, in_hand: Option<&Arc<PartitionAssignment>>) -> bool {
        self.catch_ups.look(&mut self.subscription, in_hand)
    }

    /// What the application is told before it gets anything.
    fn first_error(&mut self, is_cancelled: bool) -> Option<Error> {
        if self.closed || is_cancelled {
            return Some(closed());
        }
        if let Some(error) = self.errors.pop_front() {
            return Some(error);
        }
        if let Some(failure) =
            self.failure.as_ref().filter(|_| self.subscription.interest().is_shared())
        {
            return Some(failure.clone());
        }
        if let ClusterRefusal::Untold(_) = self.refusal
            && let ClusterRefusal::Untold(error) =
                std::mem::replace(&mut self.refusal, ClusterRefusal::Told)
        {
            return Some(error);
        }
        None
    }
}

/// One who waits until partitions were read to their end; ends with this.
#[derive(Debug)]
pub(crate) struct CatchUpGuard {
    shared: Arc<ConsumerShared>,
    id: CatchUpId,
}

impl CatchUpGuard {
    /// What is to be done next.
    ///
    /// # Errors
    /// As [`CatchUps::step`], and what ended the membership.
    pub(crate) fn step(&self) -> Result<CatchUpStep> {
        let State { subscription, catch_ups, failure, .. } = &mut *self.shared.state();
        match failure {
            Some(failure) if subscription.interest().is_shared() => Err(failure.clone()),
            _ => catch_ups.step(self.id, subscription),
        }
    }

    /// Notes where a partition ended that was to be asked for.
    pub(crate) fn ends_at(
        &self,
        partition: &TopicPartition,
        assignment: AssignmentEpoch,
        end: Offset,
    ) {
        self.shared.state().catch_ups.ends_at(self.id, partition, assignment, end);
    }
}

impl Drop for CatchUpGuard {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.catch_ups.end(self.id);
        let is_wanted = !state.catch_ups.is_empty();
        state.subscription.buffer.note(is_wanted);
    }
}

pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the consumer is closed")
}
