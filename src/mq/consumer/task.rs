//! The tasks of a consumer: one receives, one commits and looks at lag, and each lane has one that calls its handler.

use std::future::poll_fn;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::mpsc;
use tracing::{Instrument, debug, error, warn};

use super::Shared;
use super::handler::{HandlerFuture, LastResort, Outcome, Registered};
use super::lanes::{Lanes, Load, Work};
use super::progress::Part;
use crate::consumer::{BoxFuture, Consumer, ConsumerHandle, ConsumerRecord, RebalanceListener, RecordBatch};
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
        if lanes.has_aside() {
            lanes.resettle();
        }
        let is_patient = lanes.is_patient();
        tokio::select! {
            biased;
            () = shared.closing.cancelled() => break,
            () = shared.changed.notified() => lanes.retain(),
            () = shared.room.notified(), if lanes.is_full() => {}
            () = runtime::sleep_until(runtime::now() + PATIENCE), if is_patient => lanes.pause(),
            // A message that is still in hand of a handler that has gone.
            () = runtime::sleep_until(runtime::now() + 10 * PATIENCE), if lanes.has_aside() => {}
            received = consumer.next_batch(), if has_handlers && !is_patient => match take(&shared, &mut lanes, &mut consumer, received) {
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

/// How long a full lane keeps all others waiting before its partitions are paused (a guess: a handler that needs less than 4 µs a message
/// has made room by then).
const PATIENCE: Duration = Duration::from_millis(1);

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

/// Gives a batch to its lane, and others that are there already: waiting for all that may happen costs more than a batch.
fn take(
    shared: &Arc<Shared>,
    lanes: &mut Lanes,
    consumer: &mut Consumer,
    first: crate::error::Result<RecordBatch>,
) -> crate::error::Result<()> {
    let mut taken = dispatch(shared, lanes, &first?);
    while taken < TAKEN_AT_ONCE && !lanes.is_full() {
        match consumer.next_batch().now_or_never() {
            Some(received) => taken += dispatch(shared, lanes, &received?),
            None => break,
        }
    }
    Ok(())
}

/// So many records are taken before anything else is looked at (a guess: some 50 µs of work).
const TAKEN_AT_ONCE: usize = 512;

/// Gives the records of a batch to the lane of their handler; returns how many.
///
/// They are all walked here, so that the consumer, asked for more, tells of one that cannot be read.
fn dispatch(shared: &Arc<Shared>, lanes: &mut Lanes, batch: &RecordBatch) -> usize {
    let partition = batch.topic_partition();
    let registered = shared.handler_of(&partition.topic);
    let progress = shared.progress();
    // A batch from before a seek is not of the generation that began with it.
    let Some((part, generation)) = progress.part(partition).filter(|_| batch.is_current()) else { return 0 };
    drop(progress);
    if let Some(first) = batch.iter().next() {
        part.received(first.offset());
    }
    let Some(registered) = registered else {
        lanes.set_aside(partition);
        return 1;
    };
    let records: Vec<_> = batch.iter().map(|record| record.to_record()).collect();
    let count = records.len();
    if count > 0 {
        lanes.push(&registered, Work { partition: partition.clone(), part, generation, records });
    }
    count
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
pub(super) async fn work(shared: Arc<Shared>, registered: Arc<Registered>, mut from_task: mpsc::Receiver<Work>, load: Arc<Load>) {
    while let Some(Work { part, generation, records, .. }) = from_task.recv().await {
        for record in records {
            load.leave();
            if shared.closing.is_cancelled() {
                return;
            }
            if !part.begin(generation) {
                continue;
            }
            let fate = attend(&shared, &registered, &part, generation, &record).await;
            let done = matches!(fate, Fate::Done | Fate::DoneAndStop).then(|| record.offset().advance(1));
            if part.end(generation, done) {
                shared.freed.notify_waiters();
            }
            if shared.is_full.load(Ordering::SeqCst) && load.is_half_free() {
                shared.room.notify_one();
            }
            match fate {
                Fate::Done => {}
                // The partition goes, or the consumer is closed: nothing after this message is begun.
                Fate::Left => continue,
                Fate::DoneAndStop | Fate::Stop => return stop(&shared, &registered),
            }
            runtime::breathe().await;
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
    part: &Part,
    generation: u64,
    record: &ConsumerRecord,
) -> Fate {
    let begun = runtime::now();
    let bytes = record.key().map_or(0, <[u8]>::len) + record.value().map_or(0, <[u8]>::len);
    let mut failures = 0;
    loop {
        let failure = match call(shared, registered, Message::received(record)).await {
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
            return give_up(shared, registered, &Message::received(record), failure.as_ref(), failures).await;
        };
        debug!(%failure, partition = %record.topic_partition(), offset = %record.offset(), failures, ?pause, "a handler failed and is called again");
        tokio::select! {
            biased;
            () = shared.closing.cancelled() => return Fate::Left,
            () = stale(shared, part, generation) => return Fate::Left,
            () = runtime::sleep_until(runtime::now() + pause) => {}
        }
    }
}

/// One call of a handler, which may not take for ever.
async fn call(shared: &Shared, registered: &Registered, message: Message) -> Outcome {
    if !shared.config.monitoring.enable_tracing {
        return in_time(shared, registered.handler.handle(message)).await;
    }
    let span = tracing::info_span!(
        "kafka.process",
        messaging.system = "kafka",
        messaging.destination.name = %message.topic,
        messaging.destination.partition.id = message.partition.map(|partition| partition.0),
        messaging.kafka.offset = message.offset.map(|offset| offset.0),
    );
    in_time(shared, Box::pin(registered.handler.handle(message).instrument(span))).await
}

async fn in_time(shared: &Shared, mut handling: HandlerFuture<'_>) -> Outcome {
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
async fn stale(shared: &Shared, part: &Part, generation: u64) {
    when(shared, || !part.is_current(generation)).await;
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
