//! Calls of a service's code, which may take for ever or panic: neither is the end of whoever calls it.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use tracing::Instrument;

use super::Shared;
use super::handler::{HandlerFuture, Outcome, Registered};
use crate::ids::TopicPartition;
use crate::mq::error::{Code, Error};
use crate::mq::message::Message;

/// One call of a handler.
pub(super) async fn call(shared: &Shared, registered: &Registered, message: Message) -> Outcome {
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
pub(super) async fn tell(shared: &Shared, registered: &Registered, error: Error, partition: Option<TopicPartition>) -> bool {
    tokio::select! {
        outcome = in_time(shared, || registered.handler.failed(error, partition)) => !matches!(outcome, Outcome::Stop),
        // Whoever closes waits for no opinion.
        () = shared.closing.cancelled() => true,
    }
}

async fn in_time<'a>(shared: &Shared, begin: impl FnOnce() -> HandlerFuture<'a>) -> Outcome {
    let mut handling = pin!(guarded(begin));
    // Most handlers are done at once: only the others are worth a timer.
    if let Poll::Ready(outcome) = poll_fn(|context| Poll::Ready(handling.as_mut().poll(context))).await {
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
async fn guarded<'a>(begin: impl FnOnce() -> HandlerFuture<'a>) -> Outcome {
    match caught(begin) {
        Ok(mut handling) => {
            poll_fn(|context| caught(|| handling.as_mut().poll(context)).unwrap_or_else(|error| Poll::Ready(failed(error)))).await
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
fn caught<T>(work: impl FnOnce() -> T) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Error::new(Code::ConsumeFailed, format!("the handler panicked: {}", text.unwrap_or("without a text")))
    })
}
