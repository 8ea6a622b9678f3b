//! Calls of a service's code, which may take for ever or panic: neither is the end of whoever calls
//! it.

use std::cell::RefCell;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll};

use tracing::Instrument;

use super::handler::{HandlerFuture, Outcome, RegisteredHandler};
use super::shared::ConsumerInner;
use crate::ids::TopicPartition;
use crate::mq::error::{Code, Error};
use crate::mq::message::Message;

/// One call of a handler.
pub(super) async fn call(
    shared: &ConsumerInner,
    registered: &RegisteredHandler,
    message: Message,
) -> Outcome {
    if !shared.config.monitoring.enable_tracing {
        return in_time(shared, || registered.handler.handle(message)).await;
    }
    let span = tracing::info_span!(
        "kafka.process",
        messaging.system = "kafka",
        messaging.destination.name = %message.topic,
        messaging.destination.partition.id = message.partition.map(|partition| partition.0),
        messaging.kafka.offset = message.offset.map(|offset| offset.0),
    );
    in_time(shared, || Box::pin(registered.handler.handle(message).instrument(span))).await
}

/// Tells a handler of an error; whether it goes on.
pub(super) async fn tell(
    shared: &ConsumerInner,
    registered: &RegisteredHandler,
    error: Error,
    partition: Option<TopicPartition>,
) -> bool {
    tokio::select! {
        outcome = in_time(shared, || registered.handler.failed(error, partition)) => {
            !matches!(outcome, Outcome::Stop)
        }
        // Whoever closes waits for no opinion.
        () = shared.closing.cancelled() => true,
    }
}

/// Whether the caller is a handler of this consumer, at work.
pub(super) fn is_within(shared: &ConsumerInner) -> bool {
    WITHIN.with_borrow(|within| {
        within.iter().any(|id| std::ptr::eq(*id, std::ptr::from_ref(shared).cast()))
    })
}

async fn in_time<'a>(shared: &ConsumerInner, begin: impl FnOnce() -> HandlerFuture<'a>) -> Outcome {
    let mut handling = pin!(guarded(shared, begin));
    // Most handlers are done at once: only the others are worth a timer.
    if let Poll::Ready(outcome) =
        poll_fn(|context| Poll::Ready(handling.as_mut().poll(context))).await
    {
        return outcome;
    }
    let longest = shared.config.consumer.max_poll_interval;
    match tokio::time::timeout(longest, handling).await {
        Ok(outcome) => outcome,
        Err(_) => Outcome::Failed(Box::new(Error::new(
            Code::Timeout,
            format!("the handler took longer than consumer.max_poll_interval, {longest:?}"),
        ))),
    }
}

/// A panic of a handler is a failure of its message.
async fn guarded<'a>(shared: &ConsumerInner, begin: impl FnOnce() -> HandlerFuture<'a>) -> Outcome {
    match caught(shared, begin) {
        Ok(mut handling) => {
            let mut poll =
                |context: &mut Context<'_>| caught(shared, || handling.as_mut().poll(context));
            poll_fn(|context| poll(context).unwrap_or_else(|error| Poll::Ready(failed(error))))
                .await
        }
        Err(error) => failed(error),
    }
}

fn failed(error: Error) -> Outcome {
    Outcome::Failed(Box::new(error))
}

/// Runs a service's code; CONSUME_FAILED if it panics.
///
/// What it panicked in is not polled or called with the same data again.
fn caught<T>(shared: &ConsumerInner, work: impl FnOnce() -> T) -> Result<T, Error> {
    WITHIN.with_borrow_mut(|within| within.push(std::ptr::from_ref(shared).cast()));
    let done = catch_unwind(AssertUnwindSafe(work));
    WITHIN.with_borrow_mut(Vec::pop);
    done.map_err(|panic| {
        let text = panic
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Error::new(
            Code::ConsumeFailed,
            format!("the handler panicked: {}", text.unwrap_or("without a text")),
        )
    })
}

thread_local! {
    /// The consumers whose handlers this thread is in, by their places: several where one polls
    /// another's.
    static WITHIN: RefCell<Vec<*const ()>> = const { RefCell::new(Vec::new()) };
}
