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
    runs: VecDeque<Run>,
    /// The number of records before them.
    settled: u64,
    failures: Vec<Failures>,
    accepted: u64,
    waker: Option<u32>,
    error: Option<Error>,
}

/// Consecutive records that are so in a batch too.
#[derive(Debug)]
struct Run {
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

    fn note(&mut self, appended: Appended, count: u32) {
        let Appended { outcome, index: first, .. } = appended;
        self.accepted += u64::from(count);
        match self.runs.back_mut() {
            Some(last) if last.is_followed_by(&outcome, first) => last.count += count,
            _ => self.runs.push_back(Run { outcome, first, count }),
        }
    }

    /// Lets go of what has its verdict, so that a long call does not hold it all.
    fn forget_decided(&mut self) {
        while self.runs.front().is_some_and(|run| run.outcome.is_decided()) {
            let Some(run) = self.runs.pop_front() else { return };
            for (first, count, error) in run.outcome.failures(run.first, run.count) {
                let start = self.settled + u64::from(first - run.first);
                self.error.get_or_insert_with(|| error.clone());
                self.failures.push(Failures(start..start + u64::from(count), error.clone()));
            }
            self.settled += u64::from(run.count);
        }
    }
}

impl Run {
    fn is_followed_by(&self, outcome: &Arc<BatchOutcome>, first: u32) -> bool {
        Arc::ptr_eq(&self.outcome, outcome) && self.first.checked_add(self.count) == Some(first)
    }
}

impl Future for Deliveries {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            let before = this.runs.len();
            this.forget_decided();
            if this.runs.len() != before {
                this.waker = None;
            }
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
            spare: None,
            deadline: None,
            waiting: None,
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
    /// Memory that was waited for.
    spare: Option<Reservation>,
    /// Of the record at `place`, if it had to wait.
    deadline: Option<Instant>,
    waiting: Option<RoomFuture>,
    deliveries: Deliveries,
}

/// Until what a record was refused for has passed; rare enough to be boxed.
type RoomFuture = Pin<Box<dyn Future<Output = Result<Option<Reservation>>> + Send>>;

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
        let shared = &self.producer.handle.shared;
        loop {
            if let Some(waiting) = &mut self.waiting {
                self.spare = ready!(waiting.as_mut().poll(context))?;
                self.waiting = None;
            }
            let chunk = self.chunk.get(self.place..self.len).unwrap_or_default();
            let Some(first) = chunk.first() else { return Poll::Ready(Ok(())) };
            match shared.accept_run(self.producer.transaction, chunk, &mut self.spare) {
                Ok((appended, count)) => {
                    self.deliveries.note(appended, count);
                    self.place = usize::try_from(count)
                        .map_or(self.len, |count| self.place.saturating_add(count));
                    (self.deadline, self.spare) = (None, None);
                }
                Err(SendRefusal::Failed(error)) => return Poll::Ready(Err(error)),
                Err(refusal) => {
                    let deadline = *self
                        .deadline
                        .get_or_insert_with(|| runtime::now() + shared.config.max_block);
                    self.spare = None;
                    let (producer, topic) = (self.producer.clone(), first.topic.to_owned());
                    self.waiting = Some(Box::pin(async move {
                        producer.wait_out_refusal(refusal, &topic, deadline).await
                    }));
                }
            }
        }
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
            if this.waiting.is_none() {
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
