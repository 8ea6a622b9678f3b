//! Sending many records in one call: one lock, one choice of partition and one handle for each run
//! of records.

use std::fmt;
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
/// records may have been acknowledged nevertheless.
///
/// # Cancel safety
/// Safe: it can be polled again, or dropped, at any time. The records are sent nevertheless.
#[must_use = "records may fail after `send_all` has returned: await their deliveries, or drop \
              them on purpose"]
#[derive(Debug)]
pub struct Deliveries {
    /// Those of batches whose outcome has not been seen, the oldest first.
    outcomes: std::collections::VecDeque<Arc<BatchOutcome>>,
    accepted: u64,
    waker: Option<u32>,
    error: Option<Error>,
}

impl Deliveries {
    /// Returns the number of accepted records: all of them, or those before the first that was
    /// refused.
    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    fn note(&mut self, appended: Appended, count: u32) {
        self.accepted += u64::from(count);
        if self.outcomes.back().is_none_or(|last| !Arc::ptr_eq(last, &appended.outcome)) {
            self.outcomes.push_back(appended.outcome);
        }
    }

    /// Lets go of what was acknowledged, so that a long call does not hold it all.
    fn forget_acknowledged(&mut self) {
        while let Some(summary) = self.outcomes.front().and_then(|first| first.summary()) {
            self.outcomes.pop_front();
            if let Err(error) = summary {
                self.error.get_or_insert(error);
            }
        }
    }
}

impl Future for Deliveries {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            let before = this.outcomes.len();
            this.forget_acknowledged();
            if this.outcomes.len() != before {
                this.waker = None;
            }
            let Some(first) = this.outcomes.front() else {
                return Poll::Ready(this.error.take().map_or(Ok(()), Err));
            };
            first.register(context.waker(), &mut this.waker);
            if first.summary().is_none() {
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
            deliveries: Deliveries { outcomes: [].into(), accepted: 0, waker: None, error: None },
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
            this.deliveries.forget_acknowledged();
            if this.len == 0 || handed_over.is_err() {
                let none =
                    Deliveries { outcomes: [].into(), accepted: 0, waker: None, error: None };
                let mut deliveries = std::mem::replace(&mut this.deliveries, none);
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
