//! Calls of a service's code, which may take for ever or panic: neither is the end of whoever calls
//! it.

use std::cell::RefCell;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll};

use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::config::Config;
use super::error::{Code, Error};
use super::handler::{Handler, HandlerFuture, Outcome};
use super::message::Message;
use crate::ids::TopicPartition;

/// Who calls a handler.
#[derive(Clone, Copy)]
pub(super) struct Caller<'a> {
    /// Which consumer, by its place in memory.
    who: usize,
    config: &'a Config,
    closing: &'a CancellationToken,
}

impl<'a> Caller<'a> {
    pub(super) fn new<T>(who: &T, config: &'a Config, closing: &'a CancellationToken) -> Self {
        Self { who: std::ptr::from_ref(who).addr(), config, closing }
    }
}

/// One call of a handler.
pub(super) async fn call(caller: Caller<'_>, handler: &dyn Handler, message: Message) -> Outcome {
    if !caller.config.monitoring.enable_tracing {
        return in_time(caller, || handler.handle(message)).await;
    }
    let span = tracing::info_span!(
        "kafka.process",
        messaging.system = "kafka",
        messaging.destination.name = %message.topic,
        messaging.destination.partition.id = message.partition.map(|partition| partition.0),
        messaging.kafka.offset = message.offset.map(|offset| offset.0),
    );
    in_time(caller, || Box::pin(handler.handle(message).instrument(span))).await
}

/// Tells a handler of an error; whether it goes on.
pub(super) async fn tell(
    caller: Caller<'_>,
    handler: &dyn Handler,
    error: Error,
    partition: Option<TopicPartition>,
) -> bool {
    tokio::select! {
        outcome = in_time(caller, || handler.failed(error, partition)) => {
            !matches!(outcome, Outcome::Stop)
        }
        // Whoever closes waits for no opinion.
        () = caller.closing.cancelled() => true,
    }
}

/// Whether the caller is a handler of this consumer, at work.
pub(super) fn is_within(caller: Caller<'_>) -> bool {
    WITHIN.with_borrow(|within| within.contains(&caller.who))
}

async fn in_time<'a>(caller: Caller<'_>, begin: impl FnOnce() -> HandlerFuture<'a>) -> Outcome {
    let mut handling = pin!(guarded(caller, begin));
    // Most handlers are done at once: only the others are worth a timer.
    if let Poll::Ready(outcome) =
        poll_fn(|context| Poll::Ready(handling.as_mut().poll(context))).await
    {
        return outcome;
    }
    let longest = caller.config.consumer.max_poll_interval;
    match tokio::time::timeout(longest, handling).await {
        Ok(outcome) => outcome,
        Err(_) => Outcome::Failed(Box::new(Error::new(
            Code::Timeout,
            format!("the handler took longer than consumer.max_poll_interval, {longest:?}"),
        ))),
    }
}

/// A panic of a handler is a failure of its message.
async fn guarded<'a>(caller: Caller<'_>, begin: impl FnOnce() -> HandlerFuture<'a>) -> Outcome {
    match caught(caller, begin) {
        Ok(mut handling) => {
            let mut poll =
                |context: &mut Context<'_>| caught(caller, || handling.as_mut().poll(context));
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
fn caught<T>(caller: Caller<'_>, work: impl FnOnce() -> T) -> Result<T, Error> {
    WITHIN.with_borrow_mut(|within| within.push(caller.who));
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
    static WITHIN: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}
