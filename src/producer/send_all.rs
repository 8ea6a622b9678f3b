//! Sending many records in one call: one lock, one choice of partition and one handle for each run
//! of records.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use super::Producer;
use super::accumulator::append::SendRefusal;
use super::accumulator::memory::Reservation;
use super::accumulator::partition::Appended;
use super::delivery::BatchOutcome;
use crate::error::{Error, Result};
use crate::record::Record;
use crate::runtime;

/// A future that resolves once every record of a [`Producer::send_all`] is acknowledged or has
/// failed.
///
/// # Errors
/// The error of the first record that failed, or the reason why one was not accepted. The other
/// records may have been acknowledged nevertheless: see [`Deliveries::failures`].
///
/// ```no_run
/// # async fn run(producer: kavka::Producer) -> kavka::Result<()> {
/// use kavka::Record;
///
/// let lines = ["a", "b", "c"];
/// let records = lines.iter().map(|line| Record::to("lines").value(line));
/// let mut deliveries = producer.send_all(records).await;
/// let all = (&mut deliveries).await;
/// for (place, error) in deliveries.failures() {
///     println!("{place}: {error}");
/// }
/// # all
/// # }
/// ```
///
/// # Cancel safety
/// Safe: it can be polled again, or dropped, at any time. The records are sent nevertheless.
#[must_use = "records may fail after `send_all` has returned: await their deliveries, or drop \
              them on purpose"]
#[derive(Debug)]
pub struct Deliveries {
    /// Those whose outcome has not been seen, the oldest first.
    runs: VecDeque<SentRun>,
    /// The number of records before them.
    settled: u64,
    failures: Vec<Failures>,
    accepted: u64,
    /// The place of our waker in the list of the first, once there is one.
    waker: Option<u32>,
    error: Option<Error>,
}

/// Consecutive records that are so in a batch too.
#[derive(Debug)]
struct SentRun {
    outcome: Arc<BatchOutcome>,
    first: u32,
    count: u32,
}

/// Consecutive records that failed in the same way, by their places.
#[derive(Debug)]
struct Failures(Range<u64>, Error);

impl Deliveries {
    /// Returns the number of accepted records: all of them, or those before the first that was
    /// refused.
    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Returns the records that are known to have failed, in order: the place of each among those
    /// given to [`Producer::send_all`], from 0 on, and its error.
    ///
    /// Once the deliveries have resolved, these are all; every other accepted record was
    /// acknowledged. It costs nothing while none fails. (Offsets are told by the [`Delivery`] of
    /// [`Producer::send`].)
    ///
    /// [`Delivery`]: super::Delivery
    pub fn failures(&self) -> impl Iterator<Item = (u64, &Error)> {
        self.failures
            .iter()
            .flat_map(|Failures(places, error)| places.clone().map(move |place| (place, error)))
    }

    pub(super) fn none() -> Self {
        Self {
            runs: VecDeque::new(),
            settled: 0,
            failures: Vec::new(),
            accepted: 0,
            waker: None,
            error: None,
        }
    }

    /// Forgets which records failed, but for the first error.
    pub(super) fn forget_failures(&mut self) {
        self.failures.clear();
    }

    fn note(&mut self, appended: Appended, count: u32) {
        let Appended { outcome, index: first, .. } = appended;
        self.accepted += u64::from(count);
        match self.runs.back_mut() {
            Some(last) if last.is_followed_by(&outcome, first) => last.count += count,
            _ => self.runs.push_back(SentRun { outcome, first, count }),
        }
    }

    /// Lets go of what has its verdict, so that a long call does not hold it all.
    pub(super) fn forget_decided(&mut self) {
        while self.runs.front().is_some_and(|run| run.outcome.is_decided()) {
            let Some(run) = self.runs.pop_front() else { return };
            for (first, count, error) in run.outcome.failures(run.first, run.count) {
                let start = self.settled + u64::from(first - run.first);
                self.error.get_or_insert_with(|| error.clone());
                self.failures.push(Failures(start..start + u64::from(count), error.clone()));
            }
            self.settled += u64::from(run.count);
            // It has no place in the list of another batch.
            self.waker = None;
        }
    }
}

impl SentRun {
    fn is_followed_by(&self, outcome: &Arc<BatchOutcome>, first: u32) -> bool {
        Arc::ptr_eq(&self.outcome, outcome) && self.first.checked_add(self.count) == Some(first)
    }
}

impl Future for Deliveries {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            this.forget_decided();
            let Some(first) = this.runs.front() else {
                return Poll::Ready(this.error.take().map_or(Ok(()), Err));
            };
            first.outcome.register(context.waker(), &mut this.waker);
            if !first.outcome.is_decided() {
                return Poll::Pending;
            }
        }
    }
}

impl Producer {
    /// Adds many records to batches, and returns a future that resolves once all of them are
    /// acknowledged or have failed.
    ///
    /// Costs less than a [`Producer::send`] per record, in particular if consecutive records go to
    /// the same partition, as records without a key do. It waits as `send` does, and stops at the
    /// first record that is refused: see [`Deliveries::accepted`].
    ///
    /// ```no_run
    /// # async fn run(producer: kavka::Producer) -> kavka::Result<()> {
    /// use kavka::Record;
    ///
    /// let lines = ["a", "b", "c"];
    /// producer.send_all(lines.iter().map(|line| Record::to("lines").value(line))).await.await?;
    /// // In a task of its own, too.
    /// tokio::spawn(async move {
    ///     producer.send_all(lines.iter().map(|line| Record::to("lines").value(line))).await.await
    /// });
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Ordering
    /// As if the records had been sent one by one, in order.
    ///
    /// # Cancel safety
    /// If the future is dropped before it completes, some of the first records may have been
    /// accepted; these are sent.
    pub fn send_all<'p, 'a, I, R>(&'p self, records: I) -> SendAll<'p, 'a, I::IntoIter>
    where
        I: IntoIterator<Item = R>,
        R: Into<Record<'a>>,
    {
        SendAll {
            producer: self,
            records: records.into_iter(),
            chunk: std::array::from_fn(|_| Record::to("")),
            place: 0,
            len: 0,
            handover: Handover::default(),
            deliveries: Deliveries::none(),
        }
    }
}

/// The future returned by [`Producer::send_all`], which adds the records to batches.
///
/// It is a named type because the future of an `async fn` that holds a caller's closure is not
/// [`Send`] for every lifetime, as `tokio::spawn` requires.
///
/// # Cancel safety
/// If it is dropped before it completes, some of the first records may have been accepted; these
/// are sent.
#[must_use = "nothing is sent before it is awaited"]
pub struct SendAll<'p, 'a, I> {
    producer: &'p Producer,
    records: I,
    /// Taken from `records`; those before `place` are accepted, those from `len` on are none.
    chunk: [Record<'a>; CHUNK],
    place: usize,
    len: usize,
    handover: Handover,
    deliveries: Deliveries,
}

/// Hands records over one after the other, of which each may have to wait for `max.block.ms`.
#[derive(Default)]
pub(super) struct Handover {
    /// Memory that was waited for.
    spare: Option<Reservation>,
    /// Of the record that had to wait.
    deadline: Option<Instant>,
    waiting: Option<RoomFuture>,
}

/// Until what a record was refused for has passed; rare enough to be boxed.
type RoomFuture = Pin<Box<dyn Future<Output = Result<Option<Reservation>>> + Send>>;

impl Handover {
    /// Appends the first of some records, and those after it that go along; tells how many.
    pub(super) fn poll_run(
        &mut self,
        producer: &Producer,
        records: &[Record<'_>],
        deliveries: &mut Deliveries,
        context: &mut Context<'_>,
    ) -> Poll<Result<u32>> {
        loop {
            if let Some(waiting) = &mut self.waiting {
                self.spare = ready!(waiting.as_mut().poll(context)).inspect_err(|_| {
                    (self.waiting, self.deadline) = (None, None);
                })?;
                self.waiting = None;
            }
            let Some(first) = records.first() else { return Poll::Ready(Ok(0)) };
            match self.try_run(producer, records, deliveries) {
                Ok(count) => return Poll::Ready(Ok(count)),
                Err(SendRefusal::Failed(error)) => return Poll::Ready(Err(error)),
                Err(refusal) => {
                    let max_block = producer.handle.shared.config.max_block;
                    let deadline = *self.deadline.get_or_insert_with(|| runtime::now() + max_block);
                    let (producer, topic) = (producer.clone(), first.topic.to_owned());
                    self.waiting = Some(Box::pin(async move {
                        producer.wait_out_refusal(refusal, &topic, deadline).await
                    }));
                }
            }
        }
    }

    /// [`Handover::poll_run`] without waiting.
    pub(super) fn try_run(
        &mut self,
        producer: &Producer,
        records: &[Record<'_>],
        deliveries: &mut Deliveries,
    ) -> Result<u32, SendRefusal> {
        let mut spare = self.spare.take();
        let shared = &producer.handle.shared;
        match shared.accept_run(producer.transaction, records, &mut spare) {
            Ok((appended, count)) => {
                deliveries.note(appended, count);
                self.deadline = None;
                Ok(count)
            }
            Err(SendRefusal::Failed(error)) => {
                self.deadline = None;
                Err(SendRefusal::Failed(producer.look_again(error)))
            }
            Err(refusal) => Err(refusal),
        }
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }
}

impl<'a, I, R> SendAll<'_, 'a, I>
where
    I: Iterator<Item = R>,
    R: Into<Record<'a>>,
{
    /// Takes records from the caller, outside of every lock: its iterator may well send records
    /// itself.
    fn fill(&mut self) {
        (self.place, self.len) = (0, 0);
        for (place, record) in self.chunk.iter_mut().zip(&mut self.records) {
            *place = record.into();
            self.len += 1;
        }
    }

    /// Hands over what is left of the chunk; an error ends it all.
    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        while let Some(chunk) =
            self.chunk.get(self.place..self.len).filter(|chunk| !chunk.is_empty())
        {
            let Self { producer, handover, deliveries, .. } = self;
            let count = ready!(handover.poll_run(producer, chunk, deliveries, context))?;
            self.place =
                usize::try_from(count).map_or(self.len, |count| self.place.saturating_add(count));
        }
        Poll::Ready(Ok(()))
    }
}

impl<'a, I, R> Future for SendAll<'_, 'a, I>
where
    I: Iterator<Item = R>,
    R: Into<Record<'a>>,
{
    type Output = Deliveries;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Deliveries> {
        let this = &mut *self;
        loop {
            if !this.handover.is_waiting() {
                ready!(pin!(runtime::yield_now()).poll(context));
            }
            if this.place >= this.len {
                this.fill();
            }
            let handed_over = if this.len == 0 { Ok(()) } else { ready!(this.poll_chunk(context)) };
            this.deliveries.forget_decided();
            if this.len == 0 || handed_over.is_err() {
                let mut deliveries = std::mem::replace(&mut this.deliveries, Deliveries::none());
                deliveries.error = handed_over.err().or(deliveries.error);
                return Poll::Ready(deliveries);
            }
        }
    }
}

/// Nothing of it is pinned in its place.
impl<I> Unpin for SendAll<'_, '_, I> {}

impl<I> fmt::Debug for SendAll<'_, '_, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendAll")
            .field("accepted", &self.deliveries.accepted)
            .finish_non_exhaustive()
    }
}

/// How many records are taken from the caller at a time.
const CHUNK: usize = 64;
