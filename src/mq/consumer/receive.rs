//! The task that receives: it takes batches from the client's consumer, gives them to the handlers'
//! queues, and ends both in order.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tracing::warn;

use super::dispatch::{HandlerQueues, dispatch};
use super::failure::stop;
use super::shared::ConsumerInner;
use crate::consumer::{Consumer, RecordBatch};
use crate::error::{ErrorCode, ErrorKind};
use crate::mq::calls;
use crate::mq::error::{Code, During, Error};
use crate::mq::receive_errors::ReceiveErrors;
use crate::runtime::{self, Runtime};
use crate::sync::lock;

/// Receives until the consumer is closed, by its user or with its client, then ends it in order.
pub(super) async fn run(shared: Arc<ConsumerInner>, mut consumer: Consumer, workers: Runtime) {
    let mut queues = HandlerQueues::new(Arc::clone(&shared), workers);
    let mut errors = ReceiveErrors::default();
    loop {
        let has_handlers = !shared.handlers().list.is_empty();
        if queues.is_full() {
            queues.flush();
        }
        queues.resettle();
        let due = shared.next_due();
        let is_patient = queues.is_waiting_for_room();
        tokio::select! {
            biased;
            () = shared.closing.cancelled() => break,
            () = shared.changed.notified() => queues.retain(),
            () = shared.settled.notified() => {}
            () = runtime::sleep_until_some(due), if due.is_some() => shared.resume_what_is_due(),
            () = shared.room.has_come(), if queues.is_full() => {}
            () = runtime::sleep_until(runtime::now() + PATIENCE), if is_patient => queues.pause(),
            () = runtime::sleep_until_some(errors.quiet_until), if errors.quiet_until.is_some() => {
                errors.quiet_until = None
            }
            received = consumer.next_batch(), if has_handlers && !is_patient && errors.quiet_until.is_none() => {
                match take(&shared, &mut queues, &mut consumer, received) {
                    Ok(()) => errors = ReceiveErrors::default(),
                    // The handlers have changed between the look and the call, or the user must
                    // change something.
                    Err(error) if error.kind() == ErrorKind::Config && error.context().partition.is_none() => {
                        tokio::select! {
                            () = shared.changed.notified() => queues.retain(),
                            () = shared.closing.cancelled() => break,
                        }
                    }
                    Err(error) => {
                        let is_last = is_last(&error);
                        report_error(&shared, error).await;
                        if is_last {
                            break;
                        }
                        errors.one_more(consumer.assignment().len());
                    }
                }
            }
        }
    }
    // Whoever asks from here on hears that it is closed.
    shared.closing.cancel();
    let ended = end(&shared, queues, consumer).await;
    lock(&shared.ended).get_or_insert(ended);
    lock(&shared.handlers).list.clear();
    shared.stopped.notify_waiters();
}

/// Whether a consumer can receive nothing more after an error.
fn is_last(error: &crate::error::Error) -> bool {
    error.kind() == ErrorKind::Closed || error.code() == Some(ErrorCode::FENCED_INSTANCE_ID)
}

/// Finishes what is in hand, commits and leaves the group.
async fn end(
    shared: &ConsumerInner,
    queues: HandlerQueues,
    consumer: Consumer,
) -> crate::mq::Result<()> {
    queues.end().await;
    // Of those that are being given up, the listener commits; of all, if the user's is to hear of
    // them first.
    let assigned = shared.handle.assignment();
    let is_listened_to = lock(&shared.listener).is_some();
    *lock(&shared.uncommitted) = None;
    let committed = if shared.config.consumer.enable_auto_commit && !is_listened_to {
        shared.commit_done(Some(&assigned)).await
    } else {
        Ok(())
    };
    if let Err(error) = &committed {
        warn!(%error, "what was handled last is not committed, and will come again");
    }
    let now = runtime::now();
    let left = shared.close_by.get().map_or(Duration::ZERO, |by| by.saturating_duration_since(now));
    let closed = consumer.close(left).await;
    let committed = committed.and(lock(&shared.uncommitted).take().map_or(Ok(()), Err));
    if let Err(error) = &closed {
        warn!(%error, "the group was not left in time");
    }
    // Nobody goes on in a topic that was deleted.
    let committed = committed
        .or_else(|error| if error.code() == Code::TopicNotFound { Ok(()) } else { Err(error) });
    committed.and(closed.map_err(|error| Error::from_client(error, During::Commit)))
}

/// How long a full queue keeps all others waiting before its partitions are paused (a guess: a
/// handler that needs less than 4 µs a message has made room by then).
const PATIENCE: Duration = Duration::from_millis(1);

/// Gives a batch to its queue, and others that are there already: waiting for all that may happen
/// costs more than a batch.
fn take(
    shared: &Arc<ConsumerInner>,
    queues: &mut HandlerQueues,
    consumer: &mut Consumer,
    first: crate::error::Result<RecordBatch>,
) -> crate::error::Result<()> {
    let mut taken = dispatch(shared, queues, &first?);
    while taken < TAKEN_AT_ONCE && !queues.is_full() {
        match consumer.next_batch().now_or_never() {
            Some(received) => taken += dispatch(shared, queues, &received?),
            None => break,
        }
    }
    Ok(())
}

/// So many records are taken before anything else is looked at (a guess: some 50 µs of work).
const TAKEN_AT_ONCE: usize = 512;

/// Tells the handler of a partition, or all of them, of an error.
async fn report_error(shared: &Arc<ConsumerInner>, error: crate::error::Error) {
    let partition = error.context().partition.clone();
    let error = Error::from_client(error, During::Consume);
    let told: Vec<_> = match &partition {
        Some(partition) => shared.handler_of(&partition.topic).into_iter().collect(),
        None => shared.handlers().list.clone(),
    };
    for registered in told {
        if !calls::tell(
            shared.caller(),
            registered.handler.as_ref(),
            error.clone(),
            partition.clone(),
        )
        .await
        {
            stop(shared, &registered);
        }
    }
}
