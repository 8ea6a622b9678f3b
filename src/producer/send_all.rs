//! Sending many records in one call: one lock, one choice of partition and one handle for each run of records.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::Producer;
use super::batch::Appended;
use super::delivery::Outcome;
use super::intake::Refusal;
use crate::error::{Error, Result};
use crate::record::Record;
use crate::runtime;

/// Tells what became of the records of [`Producer::send_all`]: a future that ends when all have their verdict.
///
/// # Errors
/// The first error of a record, or why one was not accepted; the others may have been acknowledged all the same.
///
/// # Cancel safety
/// Safe: it can be polled again, or dropped, at any time. The records are sent all the same.
#[must_use = "records may fail after `send_all` has returned: await their deliveries, or drop them on purpose"]
#[derive(Debug)]
pub struct Deliveries {
    /// Those of batches whose outcome has not been seen, the oldest first.
    outcomes: std::collections::VecDeque<Arc<Outcome>>,
    accepted: u64,
    waker: Option<u32>,
    error: Option<Error>,
}

impl Deliveries {
    /// How many records were accepted: all, unless one was refused, after which none was taken.
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
    /// Hands many records over, and returns a future that tells when all of them have their verdict.
    ///
    /// It costs less than [`Producer::send`] for each, the less the more consecutive records go to one partition, as those without a
    /// key do. It waits as `send` does. At the first record that is refused it stops: see [`Deliveries::accepted`].
    ///
    /// ```no_run
    /// # async fn run(producer: kavka::Producer) -> kavka::Result<()> {
    /// use kavka::Record;
    ///
    /// let lines = ["a", "b", "c"];
    /// producer.send_all(lines.iter().map(|line| Record::to("lines").value(line))).await.await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Ordering
    /// As if each had been sent by itself, in order.
    ///
    /// # Cancel safety
    /// If the future is dropped before it returns, some of the records, the first ones, have been accepted and are sent.
    pub async fn send_all<'a, R: Into<Record<'a>>>(&self, records: impl IntoIterator<Item = R>) -> Deliveries {
        let mut deliveries = Deliveries { outcomes: [].into(), accepted: 0, waker: None, error: None };
        let mut records = records.into_iter().map(Into::into);
        // The caller's iterator is run outside of every lock: it may well send records itself.
        let mut chunk = [Record::to(""); CHUNK];
        loop {
            let mut len = 0;
            for (place, record) in chunk.iter_mut().zip(&mut records) {
                *place = record;
                len += 1;
            }
            if len == 0 {
                return deliveries;
            }
            runtime::breathe().await;
            if let Err(error) = self.send_chunk(chunk.get(..len).unwrap_or_default(), &mut deliveries).await {
                deliveries.error = Some(error);
                return deliveries;
            }
            deliveries.forget_acknowledged();
        }
    }

    async fn send_chunk(&self, mut chunk: &[Record<'_>], deliveries: &mut Deliveries) -> Result<()> {
        let shared = &self.handle.shared;
        let mut spare = None;
        let mut deadline = None;
        while let Some(first) = chunk.first() {
            match shared.accept_run(chunk, &mut spare) {
                Ok((appended, count)) => {
                    deliveries.note(appended, count);
                    chunk = usize::try_from(count).ok().and_then(|count| chunk.get(count..)).unwrap_or_default();
                    deadline = None;
                    spare = None;
                }
                Err(Refusal::Failed(error)) => return Err(error),
                Err(refusal) => {
                    let deadline = *deadline.get_or_insert_with(|| runtime::now() + shared.config.max_block);
                    drop(spare.take());
                    spare = Box::pin(self.overcome(refusal, first.topic, deadline)).await?;
                }
            }
        }
        Ok(())
    }
}

/// How many records are taken from the caller at a time.
const CHUNK: usize = 64;
