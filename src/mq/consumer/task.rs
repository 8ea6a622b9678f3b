//! The tasks of a consumer: one receives, one commits and looks at lag, and each lane has one that calls its handler.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::mpsc;
use tracing::{Instrument, debug, error, warn};

use super::Shared;
use super::handler::{LastResort, Outcome, Registered};
use super::lanes::{Lanes, Work};
use crate::consumer::{BoxFuture, Consumer, ConsumerHandle, ConsumerRecord, RebalanceListener};
use crate::error::ErrorKind;
use crate::ids::TopicPartition;
use crate::mq::error::{Code, During, Error};
use crate::mq::message::Message;
use crate::runtime::{self, Runtime};

/// Receives until the consumer is closed, then ends it in order.
pub(super) async fn run(shared: Arc<Shared>, mut consumer: Consumer, workers: Runtime) {
    let mut lanes = Lanes::new(Arc::clone(&shared), workers);
    loop {
        let has_handlers = !shared.handlers().list.is_empty();
        if lanes.is_full() {
            lanes.flush();
        }
        tokio::select! {
            biased;
            () = shared.closing.cancelled() => break,
            () = shared.changed.notified() => lanes.retain(),
            () = shared.room.notified(), if lanes.is_full() => {}
            received = consumer.recv(), if has_handlers => match take(&shared, &mut lanes, &mut consumer, received) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Closed => break,
                // The handlers have changed between the look and the call, or the user must change something.
                Err(error) if error.kind() == ErrorKind::Config && error.place().partition.is_none() => {
                    tokio::select! {
                        () = shared.changed.notified() => lanes.retain(),
                        () = shared.closing.cancelled() => break,
                    }
                }
                Err(error) => tell(&shared, error).await,
            },
        }
    }
    lanes.end().await;
    if shared.config.consumer.enable_auto_commit
        && let Err(error) = shared.commit_done(None).await
    {
        warn!(%error, "what was handled last is not committed, and will come again");
    }
    let now = runtime::now();
    let left = shared.close_by.get().map_or(Duration::ZERO, |by| by.saturating_duration_since(now));
    if let Err(error) = consumer.close(left).await {
        warn!(%error, "the group was not left in time");
    }
}

/// Commits and looks at lag, now and then.
pub(super) async fn keep_house(shared: Arc<Shared>) {
    let commits = shared.config.consumer.enable_auto_commit;
    let (every, look_every) = (shared.config.consumer.auto_commit_interval, shared.config.monitoring.metrics_interval);
    let begun = runtime::now();
    let (mut commit_at, mut look_at) = (begun + every, begun + look_every);
    loop {
        tokio::select! {
            biased;
            () = shared.closing.cancelled() => return,
            () = runtime::sleep_until(commit_at), if commits => {
                if let Err(error) = shared.commit_done(None).await {
                    warn!(%error, "offsets are not committed; tried again later");
                }
                commit_at = runtime::now() + every;
            }
            () = runtime::sleep_until(look_at) => {
                if shared.meter.is_on && !shared.handle.assignment().is_empty()
                    && let Err(error) = shared.look_at_lag().await
                {
                    debug!(%error, "lag is not known");
                }
                look_at = runtime::now() + look_every;
            }
        }
    }
}

/// Gives a record to its lane, and others that are there already: waiting for all that may happen costs more than a record.
fn take(
    shared: &Arc<Shared>,
    lanes: &mut Lanes,
    consumer: &mut Consumer,
    first: crate::error::Result<ConsumerRecord>,
) -> crate::error::Result<()> {
    dispatch(shared, lanes, &first?);
    for _ in 1..TAKEN_AT_ONCE {
        if lanes.is_full() {
            break;
        }
        match consumer.recv().now_or_never() {
            Some(received) => dispatch(shared, lanes, &received?),
            None => break,
        }
    }
    Ok(())
}

/// Records that are taken before anything else is looked at (a guess: some 100 µs of work).
const TAKEN_AT_ONCE: usize = 128;

fn dispatch(shared: &Arc<Shared>, lanes: &mut Lanes, record: &ConsumerRecord) {
    let partition = record.topic_partition();
    let Some(registered) = shared.handler_of(&partition.topic) else { return };
    let Some(generation) = shared.progress().generation(partition) else { return };
    let work =
        Work { partition: partition.clone(), generation, next: record.offset().advance(1), message: Message::received(record) };
    lanes.push(&registered, work);
}

/// Tells the handler of a partition, or all of them, of an error.
async fn tell(shared: &Arc<Shared>, error: crate::error::Error) {
    let partition = error.place().partition.clone();
    let error = Error::from_client(error, During::Consume);
    let told: Vec<_> = match &partition {
        Some(partition) => shared.handler_of(&partition.topic).into_iter().collect(),
        None => shared.handlers().list.clone(),
    };
    for registered in told {
        if matches!(registered.handler.failed(error.clone(), partition.clone()).await, Outcome::Stop) {
            stop(shared, &registered);
        }
    }
}

/// Calls a handler for what comes on a lane.
pub(super) async fn work(shared: Arc<Shared>, registered: Arc<Registered>, mut from_task: mpsc::Receiver<Work>) {
    while let Some(Work { partition, generation, next, message }) = from_task.recv().await {
        if shared.closing.is_cancelled() {
            return;
        }
        if !shared.progress().begin(&partition, generation) {
            continue;
        }
        let fate = attend(&shared, &registered, &partition, generation, message).await;
        let done = matches!(fate, Fate::Done | Fate::DoneAndStop).then_some(next);
        shared.progress().end(&partition, generation, done);
        shared.freed.notify_waiters();
        if shared.is_full.load(Ordering::SeqCst) && from_task.len() <= from_task.max_capacity() / 2 {
            shared.room.notify_one();
        }
        match fate {
            Fate::Done => {}
            // The partition goes, or the consumer is closed: nothing after this message is begun.
            Fate::Left => continue,
            Fate::DoneAndStop | Fate::Stop => return stop(&shared, &registered),
        }
    }
}

/// What became of a message.
enum Fate {
    Done,
    DoneAndStop,
    /// It is not done, and the handler stops.
    Stop,
    /// It is not done, and somebody else gets it, later.
    Left,
}

async fn attend(
    shared: &Arc<Shared>,
    registered: &Arc<Registered>,
    partition: &TopicPartition,
    generation: u64,
    message: Message,
) -> Fate {
    let begun = runtime::now();
    let bytes = message.key.as_ref().map_or(0, |key| key.len()) + message.value.as_ref().map_or(0, |value| value.len());
    let mut failures = 0;
    loop {
        let failure = match call(shared, registered, message.clone()).await {
            Outcome::Continue => {
                shared.meter.handled(bytes, runtime::now() - begun);
                return Fate::Done;
            }
            Outcome::Stop => {
                shared.meter.handled(bytes, runtime::now() - begun);
                return Fate::DoneAndStop;
            }
            Outcome::Failed(failure) => failure,
        };
        shared.meter.failed();
        failures += 1;
        let is_unreadable = failure.downcast_ref::<Error>().is_some_and(|error| error.code() == Code::DeserializationFailed);
        let pause = registered.options.policy.pause(failures).filter(|_| !is_unreadable);
        let Some(pause) = pause else {
            return give_up(shared, registered, &message, failure.as_ref(), failures).await;
        };
        debug!(%failure, %partition, offset = ?message.offset, failures, ?pause, "a handler failed and is called again");
        tokio::select! {
            biased;
            () = shared.closing.cancelled() => return Fate::Left,
            () = stale(shared, partition, generation) => return Fate::Left,
            () = runtime::sleep_until(runtime::now() + pause) => {}
        }
    }
}

/// One call of a handler, which may not take for ever.
async fn call(shared: &Shared, registered: &Registered, message: Message) -> Outcome {
    let longest = shared.config.consumer.max_poll_interval;
    let span = if shared.config.monitoring.enable_tracing {
        tracing::info_span!(
            "kafka.process",
            messaging.system = "kafka",
            messaging.destination.name = %message.topic,
            messaging.destination.partition.id = message.partition.map(|partition| partition.0),
            messaging.kafka.offset = message.offset.map(|offset| offset.0),
        )
    } else {
        tracing::Span::none()
    };
    let handling = registered.handler.handle(message).instrument(span);
    match tokio::time::timeout(longest, handling).await {
        Ok(outcome) => outcome,
        Err(_) => Outcome::Failed(Box::new(Error::new(
            Code::Timeout,
            format!("the handler took longer than consumer.max_poll_interval, {longest:?}"),
        ))),
    }
}

/// What is left to do with a message that no attempt is left for.
async fn give_up(
    shared: &Arc<Shared>,
    registered: &Registered,
    message: &Message,
    failure: &(dyn std::error::Error + Send + Sync),
    failures: u32,
) -> Fate {
    let (topic, partition, offset) = (&message.topic, message.partition, message.offset);
    match &registered.options.policy.resort {
        LastResort::Skip => {
            warn!(%failure, %topic, ?partition, ?offset, failures, "a message is passed over");
            Fate::Done
        }
        LastResort::Stop => {
            error!(%failure, %topic, ?partition, ?offset, failures, "a handler stops at a message it fails on");
            Fate::Stop
        }
        LastResort::DeadLetter(to) => match bury(shared, message, to, &failure.to_string()).await {
            Ok(()) => {
                warn!(%failure, %topic, ?partition, ?offset, failures, %to, "a message went to the dead-letter topic");
                shared.meter.dead_letter();
                Fate::Done
            }
            Err(error) => {
                error!(%error, %topic, ?partition, ?offset, %to, "a handler stops, as the dead-letter topic cannot be written");
                Fate::Stop
            }
        },
    }
}

/// Writes a message to a dead-letter topic, and waits until it is there.
async fn bury(shared: &Shared, message: &Message, to: &crate::ids::TopicName, why: &str) -> crate::mq::Result<()> {
    let config = || shared.config.core_producer();
    let producer = shared
        .dead_letters
        .get_or_try_init(|| async {
            shared.client.producer(config()?).map_err(|error| Error::from_client(error, During::Produce))
        })
        .await?;
    let mut letter = Message { topic: to.clone(), partition: None, offset: None, ..message.clone() };
    letter = letter
        .header(DEAD_LETTER_TOPIC, message.topic.as_str().to_owned())
        .header(DEAD_LETTER_PARTITION, message.partition.map_or(String::new(), |partition| partition.to_string()))
        .header(DEAD_LETTER_OFFSET, message.offset.map_or(String::new(), |offset| offset.to_string()))
        .header(DEAD_LETTER_ERROR, why.to_owned());
    let headers = letter.borrowed_headers();
    let sent = async { producer.send(letter.record(&headers)).await?.await };
    sent.await.map(drop).map_err(|error| Error::from_client(error, During::Produce))
}

/// The header with the topic that a dead letter came from.
const DEAD_LETTER_TOPIC: &str = "kavka.dead-letter.topic";
/// Its partition there.
const DEAD_LETTER_PARTITION: &str = "kavka.dead-letter.partition";
/// Its offset there.
const DEAD_LETTER_OFFSET: &str = "kavka.dead-letter.offset";
/// Why its handler failed.
const DEAD_LETTER_ERROR: &str = "kavka.dead-letter.error";

fn stop(shared: &Shared, registered: &Registered) {
    let changed = shared.change(|handlers| handlers.list.retain(|other| other.id != registered.id));
    if let Err(error) = changed {
        debug!(%error, "a handler stops while the consumer ends");
    }
}

/// Hears of partitions that come and go.
pub(super) struct Listener(pub(super) Weak<Shared>);

impl RebalanceListener for Listener {
    fn on_assigned<'a>(&'a self, _: &'a ConsumerHandle, partitions: &'a [TopicPartition]) -> BoxFuture<'a> {
        if let Some(shared) = self.0.upgrade() {
            let mut progress = shared.progress();
            partitions.iter().for_each(|partition| progress.assigned(partition));
        }
        Box::pin(std::future::ready(()))
    }

    fn on_revoked<'a>(&'a self, _: &'a ConsumerHandle, partitions: &'a [TopicPartition]) -> BoxFuture<'a> {
        Box::pin(async move {
            let Some(shared) = self.0.upgrade() else { return };
            partitions.iter().for_each(|partition| shared.progress().going(partition));
            shared.freed.notify_waiters();
            let by = runtime::now() + shared.config.consumer.max_poll_interval / 2;
            if tokio::time::timeout_at(by.into(), settled(&shared, partitions)).await.is_err() {
                warn!(?partitions, "partitions go while a handler still works on them: its message will come again");
            }
            if shared.config.consumer.enable_auto_commit
                && let Err(error) = shared.commit_done(Some(partitions)).await
            {
                warn!(%error, "what was handled last is not committed, and will come again");
            }
            forget(&shared, partitions);
        })
    }

    fn on_lost<'a>(&'a self, _: &'a ConsumerHandle, partitions: &'a [TopicPartition]) -> BoxFuture<'a> {
        if let Some(shared) = self.0.upgrade() {
            forget(&shared, partitions);
        }
        Box::pin(std::future::ready(()))
    }
}

fn forget(shared: &Shared, partitions: &[TopicPartition]) {
    let mut progress = shared.progress();
    partitions.iter().for_each(|partition| progress.gone(partition));
    drop(progress);
    super::lock(&shared.paused).retain(|paused| !partitions.contains(paused));
    super::lock(&shared.lag).retain(|partition, _| !partitions.contains(partition));
}

/// Waits until no message of the partitions is in hand.
async fn settled(shared: &Shared, partitions: &[TopicPartition]) {
    when(shared, || !partitions.iter().any(|partition| shared.progress().is_in_hand(partition))).await;
}

/// Waits until what is in hand of a partition should not be begun again, as that goes or was sought.
async fn stale(shared: &Shared, partition: &TopicPartition, generation: u64) {
    when(shared, || shared.progress().generation(partition) != Some(generation)).await;
}

/// Waits until something holds of the progress.
async fn when(shared: &Shared, holds: impl Fn() -> bool) {
    loop {
        let freed = shared.freed.notified();
        tokio::pin!(freed);
        freed.as_mut().enable();
        if holds() {
            return;
        }
        freed.await;
    }
}
