//! A producer as the end of a stream.

use std::fmt;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use futures_sink::Sink;
use tokio::sync::oneshot;

use super::Producer;
use super::accumulator::append::SendRefusal;
use super::accumulator::events::SenderEvent;
use super::send_all::{Deliveries, Handover};
use crate::error::{Error, Result};
use crate::record::Record;
use crate::runtime;

/// A [`Sink`] of whatever can be sent as a record. Made by [`Producer::sink`].
///
/// - `poll_ready` waits until the item before has been accepted, for at most `max.block.ms`, as
///   [`Producer::send`] does.
/// - `start_send` adds the item's record to a batch; if it cannot yet, the sink keeps the item.
/// - `poll_flush` sends all accepted records without lingering, and waits until each one of this
///   sink is acknowledged or has failed.
/// - `poll_close` flushes. The producer goes on.
///
/// # Errors
/// The reason why an item was not accepted, as from [`Producer::send`], is told by the next call;
/// the first failure of a record since the last flush by `poll_flush`. The sink can be used after
/// either.
///
/// # Ordering
/// As if the records had been sent one by one, in order.
///
/// # Cancel safety
/// Safe: an item that was accepted is sent even if the sink is dropped. One that waits for room is
/// dropped with it.
#[must_use = "a sink does nothing before something is sent to it"]
pub struct ProducerSink<T, F> {
    producer: Producer,
    record_of: F,
    /// Not accepted yet.
    item: Option<T>,
    handover: Handover,
    deliveries: Deliveries,
    /// All of them are due.
    is_flushing: bool,
}

impl Producer {
    /// Makes a [`Sink`] of the producer, which sends the record that `record_of` makes of each item.
    ///
    /// ```no_run
    /// # async fn run(
    /// #     producer: kavka::Producer,
    /// #     lines: impl futures_core::Stream<Item = kavka::Result<String>>,
    /// # ) -> kavka::Result<()> {
    /// use futures_util::StreamExt;
    /// use kavka::Record;
    ///
    /// let sink = producer.sink(|line: &String| Record::to("lines").value(line));
    /// lines.forward(sink).await
    /// # }
    /// ```
    pub fn sink<T, F>(&self, record_of: F) -> ProducerSink<T, F>
    where
        F: for<'a> FnMut(&'a T) -> Record<'a>,
    {
        ProducerSink {
            producer: self.clone(),
            record_of,
            item: None,
            handover: Handover::default(),
            deliveries: Deliveries::none(),
            is_flushing: false,
        }
    }
}

impl<T, F> ProducerSink<T, F>
where
    F: for<'a> FnMut(&'a T) -> Record<'a>,
{
    /// Hands the item over that was kept, if one was.
    fn poll_item(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        let Self { producer, record_of, item, handover, deliveries, .. } = self;
        let Some(kept) = item else { return Poll::Ready(Ok(())) };
        let record = record_of(kept);
        let accepted =
            ready!(handover.poll_run(producer, std::slice::from_ref(&record), deliveries, context));
        drop(record);
        *item = None;
        Poll::Ready(accepted.map(drop))
    }
}

impl<T, F> Sink<T> for ProducerSink<T, F>
where
    F: for<'a> FnMut(&'a T) -> Record<'a>,
{
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.poll_item(context))?;
        // Who always has the next item at once does not keep the producer's task from its own work.
        pin!(runtime::yield_now()).poll(context).map(Ok)
    }

    fn start_send(mut self: Pin<&mut Self>, item: T) -> Result<()> {
        let this = &mut *self;
        this.is_flushing = false;
        this.deliveries.forget_decided();
        this.deliveries.forget_failures();
        let record = (this.record_of)(&item);
        let records = std::slice::from_ref(&record);
        match this.handover.try_run(&this.producer, records, &mut this.deliveries) {
            Ok(_one) => Ok(()),
            Err(SendRefusal::Failed(error)) => Err(error),
            Err(SendRefusal::NoTopic | SendRefusal::NoRoom(_)) => {
                drop(record);
                this.item = Some(item);
                Ok(())
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let this = &mut *self;
        ready!(this.poll_item(context))?;
        if !std::mem::replace(&mut this.is_flushing, true) {
            // Nobody waits for all of the producer's records.
            let (done, _) = oneshot::channel();
            this.producer.handle.shared.accumulator.events.push(SenderEvent::Flush(done));
        }
        let settled = ready!(Pin::new(&mut this.deliveries).poll(context));
        this.deliveries.forget_failures();
        Poll::Ready(settled)
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.poll_flush(context)
    }
}

/// Nothing of it is pinned in its place.
impl<T, F> Unpin for ProducerSink<T, F> {}

impl<T, F> fmt::Debug for ProducerSink<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProducerSink")
            .field("accepted", &self.deliveries.accepted())
            .finish_non_exhaustive()
    }
}
