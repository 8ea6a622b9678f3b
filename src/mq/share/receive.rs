//! The task of one handler that takes messages from its member of the group.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tracing::warn;

use super::worker::Workers;
use crate::error::{Error as ClientError, ErrorKind, Result};
use crate::ids::TopicPartition;
use crate::mq::calls;
use crate::mq::error::{During, Error};
use crate::mq::receive_errors::ReceiveErrors;
use crate::runtime;
use crate::share::{ShareConsumer, ShareRecord};
use crate::sync::lock;

/// What is to be done next.
enum Next {
    Received(Result<ShareRecord>, tokio::sync::OwnedSemaphorePermit),
    /// Acknowledgements have failed.
    InVain(TopicPartition, ClientError),
    Look,
    Stop,
}

/// Has messages handled until the handler stops or its consumer is closed; then leaves the group.
pub(super) async fn run(workers: &Workers, mut consumer: ShareConsumer) {
    let (sender, mut failures) = mpsc::channel(FAILURES);
    consumer.acknowledgement_listener(move |partition, offsets, outcome| {
        let Err(error) = outcome else { return };
        warn!(%error, %partition, ?offsets, "messages may be handled again, by any worker");
        // The handler is not told of more at a time than it can hear.
        let _ = sender.try_send((partition.clone(), error.clone()));
    });
    let mut errors = ReceiveErrors::default();
    loop {
        match next(workers, &mut consumer, &mut failures, errors.quiet_until).await {
            Next::Stop => break,
            Next::Received(Ok(record), room) => {
                errors = ReceiveErrors::default();
                workers.take(record, Some(room));
            }
            Next::Received(Err(error), _) => {
                let is_last = error.kind() == ErrorKind::Closed;
                let partition = error.context().partition.clone();
                if !is_last || !workers.is_stopping() {
                    tell(workers, error, partition).await;
                }
                if is_last {
                    break;
                }
                errors.one_more(0);
            }
            Next::InVain(partition, error) => tell(workers, error, Some(partition)).await,
            // While all are busy nothing is asked for, but what has come is kept locked.
            Next::Look => {
                while let Some(batch) = consumer.take_buffered() {
                    batch.into_iter().for_each(|record| workers.take(record, None));
                }
            }
        }
    }
    end(workers, consumer).await;
}

async fn next(
    workers: &Workers,
    consumer: &mut ShareConsumer,
    failures: &mut mpsc::Receiver<(TopicPartition, ClientError)>,
    quiet_until: Option<Instant>,
) -> Next {
    let look = consumer.acquisition_lock_timeout().unwrap_or(LOCK) / 3;
    let received = async {
        let room = workers.room().await;
        if let Some(until) = quiet_until {
            runtime::sleep_until(until).await;
        }
        (consumer.recv().await, room)
    };
    tokio::select! {
        biased;
        () = workers.stopping() => Next::Stop,
        Some((partition, error)) = failures.recv() => Next::InVain(partition, error),
        (received, room) = received => Next::Received(received, room),
        () = runtime::sleep_until(runtime::now() + look) => Next::Look,
    }
}

/// Lets what is in hand end, and leaves the group.
async fn end(workers: &Workers, consumer: ShareConsumer) {
    workers.stop();
    workers.join().await;
    let shared = workers.shared();
    let now = runtime::now();
    let left = shared.close_by.get().map_or(LEAVE, |by| by.saturating_duration_since(now));
    if let Err(error) = consumer.close(left).await {
        warn!(%error, "the share group was not left in time");
        *lock(&shared.ended) = Err(Error::from_client(error, During::Close));
    }
}

/// Tells the handler of an error, which may stop it.
async fn tell(workers: &Workers, error: ClientError, partition: Option<TopicPartition>) {
    let error = Error::from_client(error, During::Consume);
    let shared = workers.shared();
    if !calls::tell(shared.caller(), workers.handler(), error, partition).await {
        workers.stop();
    }
}

/// So many failed runs of acknowledgements are told at most before the handler has heard of one (a
/// guess).
const FAILURES: usize = 64;
/// `share.record.lock.duration.ms` by default.
const LOCK: Duration = Duration::from_secs(30);
/// How long leaving may take when a handler has stopped by itself (a guess: a few requests).
const LEAVE: Duration = Duration::from_secs(10);
