//! The task of a queue: it calls the handler for one message after the other. That of a handler with
//! output is in [`transacting`](super::transacting).

use std::sync::Arc;

use tokio::sync::mpsc;
use tracing::debug;

use super::calls;
use super::failure::{Disposition, Letter, give_up, post, stop};
use super::handler::{Outcome, RegisteredHandler};
use super::handler_queue::HandlerWork;
use super::progress::Part;
use super::room::QueueLoad;
use super::shared::{ConsumerInner, stale};
use crate::consumer::ConsumerRecord;
use crate::mq::error::{Code, Error};
use crate::mq::message::Message;
use crate::runtime::{self, Runtime};

/// Where a worker stands: for which handler, and at which queue.
pub(super) struct WorkerPlace {
    pub(super) shared: Arc<ConsumerInner>,
    pub(super) registered: Arc<RegisteredHandler>,
    pub(super) workers: Runtime,
    pub(super) load: Arc<QueueLoad>,
}

/// Calls a handler for what comes on a queue.
pub(super) async fn work(place: WorkerPlace, mut from_task: mpsc::Receiver<HandlerWork>) {
    let WorkerPlace { shared, registered, workers, load } = place;
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
                let (shared, registered, part) =
                    (Arc::clone(&shared), Arc::clone(&registered), Arc::clone(&part));
                let (partition, message) = (partition.clone(), Message::received(&record));
                fate = post(
                    Letter { shared, registered, partition, part, generation, message, to, why },
                    &workers,
                )
                .await;
            }
            let done = fate.is_done().then(|| record.offset().advance(1));
            if !matches!(fate, Disposition::Elsewhere) && part.end(generation, done) {
                shared.has_settled();
            }
            if fate.is_stop() {
                return stop(&shared, &registered);
            }
            runtime::yield_now().await;
        }
    }
}

/// Calls a handler for a message as often as its policy allows.
pub(super) async fn process(
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
            Outcome::Produce(messages) if registered.options.transactional_id.is_some() => {
                shared.meter.handled(bytes, runtime::now() - begun);
                return Disposition::Produced(messages);
            }
            Outcome::Produce(_) => Box::new(Error::new(
                Code::InvalidConfig,
                "the handler returns messages: that needs HandlerOptions::transactional_id",
            )),
            Outcome::Failed(failure) => failure,
        };
        shared.meter.failed();
        failures += 1;
        let is_in_vain = failure.downcast_ref::<Error>().is_some_and(|error| {
            matches!(error.code(), Code::DeserializationFailed | Code::InvalidConfig)
        });
        let pause = registered.options.policy.pause(failures).filter(|_| !is_in_vain);
        let Some(pause) = pause else {
            return give_up(registered, record, failure.as_ref(), failures);
        };
        debug!(
            %failure,
            partition = %record.topic_partition(),
            offset = %record.offset(),
            failures,
            ?pause,
            "a handler failed and is called again",
        );
        tokio::select! {
            biased;
            () = shared.closing.cancelled() => return Disposition::Left,
            () = stale(shared, part, generation) => return Disposition::Left,
            () = runtime::sleep_until(runtime::now() + pause) => {}
        }
    }
}
