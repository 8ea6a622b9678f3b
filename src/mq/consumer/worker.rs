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
use crate::ids::TopicName;
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
    while let Some(mut work) = from_task.recv().await {
        for record in std::mem::take(&mut work.records) {
            place.load.release();
            if place.shared.closing.is_cancelled() {
                return;
            }
            if !work.part.begin(work.generation) {
                continue;
            }
            let fate = place.process(&work, &record).await;
            let fate = match fate {
                Disposition::Letter { to, why } => place.post(&work, &record, to, why).await,
                fate => fate,
            };
            if !place.conclude(&work, &record, &fate) {
                return;
            }
            runtime::yield_now().await;
        }
    }
}

impl WorkerPlace {
    /// Calls the handler for a message as often as its policy allows.
    pub(super) async fn process(&self, work: &HandlerWork, record: &ConsumerRecord) -> Disposition {
        process(&self.shared, &self.registered, &work.part, work.generation, record).await
    }

    /// Sends a message that is in hand, and given up, as a dead letter.
    pub(super) async fn post(
        &self,
        work: &HandlerWork,
        record: &ConsumerRecord,
        to: TopicName,
        why: String,
    ) -> Disposition {
        let letter = Letter {
            shared: Arc::clone(&self.shared),
            registered: Arc::clone(&self.registered),
            partition: work.partition.clone(),
            part: Arc::clone(&work.part),
            generation: work.generation,
            message: Message::received(record),
            to,
            why,
        };
        post(letter, &self.workers).await
    }

    /// Ends a message that was in hand; false if the handler stops.
    pub(super) fn conclude(
        &self,
        work: &HandlerWork,
        record: &ConsumerRecord,
        fate: &Disposition,
    ) -> bool {
        let done = fate.is_done().then(|| record.offset().advance(1));
        if !matches!(fate, Disposition::Elsewhere) && work.part.end(work.generation, done) {
            self.shared.has_settled();
        }
        if fate.is_stop() {
            stop(&self.shared, &self.registered);
        }
        !fate.is_stop()
    }
}

/// Calls a handler for a message as often as its policy allows.
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
