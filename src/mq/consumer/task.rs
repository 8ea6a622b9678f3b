//! The tasks of a consumer: one receives, one commits and looks at lag, and each queue has one that calls its handler.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::sync::mpsc;
use tracing::{debug, error, warn};

use super::handler::{ExhaustedAction, Outcome, RegisteredHandler};
use super::handler_queue::{HandlerQueues, HandlerWork, QueueLoad};
use super::letters::{Letter, post};
use super::progress::Part;
use super::{ConsumerInner, calls, lock};
use crate::boxed::BoxFuture;
use crate::config::bounded;
use crate::consumer::{Consumer, ConsumerHandle, ConsumerRecord, RebalanceListener, RecordBatch};
use crate::error::{ErrorCode, ErrorKind};
use crate::ids::{Offset, TopicName, TopicPartition};
use crate::mq::error::{Code, During, Error};
use crate::mq::message::Message;
use crate::runtime::{self, Runtime};

/// Receives until the consumer is closed, by its user or with its client, then ends it in order.
pub(super) async fn run(shared: Arc<ConsumerInner>, mut consumer: Consumer, workers: Runtime) {
    let mut queues = HandlerQueues::new(Arc::clone(&shared), workers);
    let mut errors = Errors::default();
    loop {
        let has_handlers = !shared.handlers().list.is_empty();
        if queues.is_full() {
            queues.flush();
        }
        queues.resettle();
        let is_patient = queues.is_waiting_for_room();
        tokio::select! {
            biased;
            () = shared.closing.cancelled() => break,
            () = shared.changed.notified() => queues.retain(),
            () = shared.settled.notified() => {}
            () = shared.room.notified(), if queues.is_full() => {}
            () = runtime::sleep_until(runtime::now() + PATIENCE), if is_patient => queues.pause(),
            () = runtime::sleep_until_some(errors.quiet_until), if errors.quiet_until.is_some() => errors.quiet_until = None,
            received = consumer.next_batch(), if has_handlers && !is_patient && errors.quiet_until.is_none() => {
                match take(&shared, &mut queues, &mut consumer, received) {
                    Ok(()) => errors = Errors::default(),
                    // The handlers have changed between the look and the call, or the user must change something.
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

/// Errors without a message between them. One for each partition is none too many; then they are paced.
#[derive(Debug, Default)]
struct Errors {
    count: usize,
    quiet_until: Option<Instant>,
}

impl Errors {
    fn one_more(&mut self, partitions: usize) {
        self.count = self.count.saturating_add(1);
        if let Some(too_many @ 1..) = self.count.checked_sub(partitions) {
            let pause = Duration::from_millis(1 << too_many.min(10));
            self.quiet_until = Some(runtime::now() + pause);
        }
    }
}

/// Finishes what is in hand, commits and leaves the group.
async fn end(shared: &ConsumerInner, queues: HandlerQueues, consumer: Consumer) -> crate::mq::Result<()> {
    queues.end().await;
    // Of those that are being given up, the listener commits.
    let assigned = shared.handle.assignment();
    let committed = if shared.config.consumer.enable_auto_commit { shared.commit_done(Some(&assigned)).await } else { Ok(()) };
    if let Err(error) = &committed {
        warn!(%error, "what was handled last is not committed, and will come again");
    }
    let now = runtime::now();
    let left = shared.close_by.get().map_or(Duration::ZERO, |by| by.saturating_duration_since(now));
    let closed = consumer.close(left).await;
    if let Err(error) = &closed {
        warn!(%error, "the group was not left in time");
    }
    // Nobody goes on in a topic that was deleted.
    let committed = committed.or_else(|error| if error.code() == Code::TopicNotFound { Ok(()) } else { Err(error) });
    committed.and(closed.map_err(|error| Error::from_client(error, During::Commit)))
}

/// How long a full queue keeps all others waiting before its partitions are paused (a guess: a handler that needs less than 4 µs a message
/// has made room by then).
const PATIENCE: Duration = Duration::from_millis(1);

/// Commits and looks at lag, now and then.
pub(super) async fn housekeeping(shared: Arc<ConsumerInner>) {
    let commits = shared.config.consumer.enable_auto_commit;
    let (every, look_every) = (shared.config.consumer.auto_commit_interval, shared.config.monitoring.metrics_interval);
    let (every, look_every) = (bounded(every), bounded(look_every));
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
                    && let Err(error) = shared.measure_lag().await
                {
                    debug!(%error, "lag is not known");
                }
                look_at = runtime::now() + look_every;
            }
        }
    }
}

/// Gives a batch to its queue, and others that are there already: waiting for all that may happen costs more than a batch.
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

/// Gives the records of a batch to the queue of their handler; returns how many.
///
/// They are all walked here, so that the consumer, asked for more, tells of one that cannot be read.
fn dispatch(shared: &Arc<ConsumerInner>, queues: &mut HandlerQueues, batch: &RecordBatch) -> usize {
    let partition = batch.topic_partition();
    let registered = shared.handler_of(&partition.topic);
    let progress = shared.progress();
    // A batch from before a seek is not of the generation that began with it.
    let Some((part, generation)) = progress.part(partition).filter(|_| batch.is_current()) else { return 0 };
    // Whatever has it come, such as the user's `resume`: it goes on where it stopped, and not before.
    let is_aside = progress.is_aside(partition);
    drop(progress);
    if let Some(first) = batch.iter().next() {
        part.received(first.offset());
    }
    let Some(registered) = registered.filter(|_| !is_aside) else {
        queues.set_aside(partition);
        return 1;
    };
    let records: Vec<_> = batch.iter().map(|record| record.to_record()).collect();
    let count = records.len();
    if count > 0 {
        queues.push(&registered, HandlerWork { partition: partition.clone(), part, generation, records });
    }
    count
}

/// Tells the handler of a partition, or all of them, of an error.
async fn report_error(shared: &Arc<ConsumerInner>, error: crate::error::Error) {
    let partition = error.context().partition.clone();
    let error = Error::from_client(error, During::Consume);
    let told: Vec<_> = match &partition {
        Some(partition) => shared.handler_of(&partition.topic).into_iter().collect(),
        None => shared.handlers().list.clone(),
    };
    for registered in told {
        if !calls::tell(shared, &registered, error.clone(), partition.clone()).await {
            stop(shared, &registered);
        }
    }
}

/// Calls a handler for what comes on a queue.
pub(super) async fn work(
    shared: Arc<ConsumerInner>,
    registered: Arc<RegisteredHandler>,
    workers: Runtime,
    mut from_task: mpsc::Receiver<HandlerWork>,
    load: Arc<QueueLoad>,
) {
    while let Some(HandlerWork { partition, part, generation, records }) = from_task.recv().await {
        for record in records {
            load.release();
            if shared.closing.is_cancelled() {
                return;
            }
            if !part.begin(generation) {
                continue;
            }
            let mut fate = process(&shared, &registered, &part, generation, &record).await;
            if let Disposition::Letter { to, why } = fate {
                let (shared, registered, part) = (Arc::clone(&shared), Arc::clone(&registered), Arc::clone(&part));
                let (partition, message) = (partition.clone(), Message::received(&record));
                fate = post(Letter { shared, registered, partition, part, generation, message, to, why }, &workers).await;
            }
            let done = fate.is_done().then(|| record.offset().advance(1));
            if !matches!(fate, Disposition::Elsewhere) && part.end(generation, done) {
                shared.has_settled();
            }
            // After `leave`, as `HandlerQueues::push` explains.
            if shared.is_full.load(Ordering::SeqCst) && load.is_half_free() {
                shared.room.notify_one();
            }
            if fate.is_stop() {
                return stop(&shared, &registered);
            }
            runtime::yield_now().await;
        }
    }
}

/// What became of a message.
pub(super) enum Disposition {
    Done,
    DoneAndStop,
    /// It is not done, and the handler stops.
    Stop,
    /// It is not done, and somebody else gets it, later: the partition goes, or the consumer is closed, and nothing after it is begun.
    Left,
    /// It is to go to another topic.
    Letter {
        to: TopicName,
        why: String,
    },
    /// It is still in hand, elsewhere, and its partition is set aside.
    Elsewhere,
}

impl Disposition {
    fn is_done(&self) -> bool {
        matches!(self, Self::Done | Self::DoneAndStop)
    }

    fn is_stop(&self) -> bool {
        matches!(self, Self::Stop | Self::DoneAndStop)
    }
}

/// Ends a message that was in hand elsewhere than in its queue; its partition may come again.
pub(super) fn conclude(
    shared: &ConsumerInner,
    registered: &RegisteredHandler,
    partition: &TopicPartition,
    part: &Part,
    generation: u64,
    fate: &Disposition,
    offset: Option<Offset>,
) {
    let mut progress = shared.progress();
    if part.is_current(generation) {
        // What came meanwhile was not begun, and is fetched again.
        progress.going(partition);
    }
    part.end(generation, offset.filter(|_| fate.is_done()).map(|offset| offset.advance(1)));
    drop(progress);
    shared.has_settled();
    if fate.is_stop() {
        stop(shared, registered);
    }
}

async fn process(
    shared: &Arc<ConsumerInner>,
    registered: &Arc<RegisteredHandler>,
    part: &Part,
    generation: u64,
    record: &ConsumerRecord,
) -> Disposition {
    let begun = runtime::now();
    let bytes = record.key().map_or(0, <[u8]>::len) + record.value().map_or(0, <[u8]>::len);
    let mut failures = 0;
    loop {
        let failure = match calls::call(shared, registered, Message::received(record)).await {
            Outcome::Continue => {
                shared.meter.handled(bytes, runtime::now() - begun);
                return Disposition::Done;
            }
            Outcome::Stop => {
                shared.meter.handled(bytes, runtime::now() - begun);
                return Disposition::DoneAndStop;
            }
            Outcome::Failed(failure) => failure,
        };
        shared.meter.failed();
        failures += 1;
        let is_unreadable = failure.downcast_ref::<Error>().is_some_and(|error| error.code() == Code::DeserializationFailed);
        let pause = registered.options.policy.pause(failures).filter(|_| !is_unreadable);
        let Some(pause) = pause else {
            return give_up(registered, record, failure.as_ref(), failures);
        };
        debug!(%failure, partition = %record.topic_partition(), offset = %record.offset(), failures, ?pause, "a handler failed and is called again");
        tokio::select! {
            biased;
            () = shared.closing.cancelled() => return Disposition::Left,
            () = stale(shared, part, generation) => return Disposition::Left,
            () = runtime::sleep_until(runtime::now() + pause) => {}
        }
    }
}

/// What is left to do with a message that no attempt is left for.
fn give_up(
    registered: &RegisteredHandler,
    record: &ConsumerRecord,
    failure: &(dyn std::error::Error + Send + Sync),
    failures: u32,
) -> Disposition {
    let (partition, offset) = (record.topic_partition(), record.offset());
    match &registered.options.policy.resort {
        ExhaustedAction::Skip => {
            warn!(%failure, %partition, %offset, failures, "a message is passed over");
            Disposition::Done
        }
        ExhaustedAction::Stop => {
            error!(%failure, %partition, %offset, failures, "a handler stops at a message it fails on");
            Disposition::Stop
        }
        ExhaustedAction::DeadLetter(to) => Disposition::Letter { to: to.clone(), why: failure.to_string() },
    }
}

fn stop(shared: &ConsumerInner, registered: &RegisteredHandler) {
    let changed = shared.change(|handlers| {
        handlers.list.retain(|other| other.id != registered.id);
        Ok(())
    });
    if let Err(error) = changed {
        debug!(%error, "a handler stops while the consumer ends");
    }
}

/// Hears of partitions that come and go.
pub(super) struct MqRebalanceListener(pub(super) Weak<ConsumerInner>);

impl RebalanceListener for MqRebalanceListener {
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
            shared.has_settled();
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

fn forget(shared: &ConsumerInner, partitions: &[TopicPartition]) {
    let mut progress = shared.progress();
    partitions.iter().for_each(|partition| progress.gone(partition));
    drop(progress);
    lock(&shared.paused).retain(|paused| !partitions.contains(paused));
    lock(&shared.lag).retain(|partition, _| !partitions.contains(partition));
    // Who waits to call its handler again does so no more.
    shared.has_settled();
}

/// Waits until no message of the partitions is in hand.
async fn settled(shared: &ConsumerInner, partitions: &[TopicPartition]) {
    when(shared, || !partitions.iter().any(|partition| shared.progress().is_in_hand(partition))).await;
}

/// Waits until what is in hand of a partition should not be begun again, as that goes or was sought.
pub(super) async fn stale(shared: &ConsumerInner, part: &Part, generation: u64) {
    when(shared, || !part.is_current(generation)).await;
}

/// Waits until something holds of the progress.
async fn when(shared: &ConsumerInner, holds: impl Fn() -> bool) {
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
