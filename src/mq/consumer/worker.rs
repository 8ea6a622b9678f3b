//! The tasks of a queue, each of which calls the handler for one message after the other. That of a
//! handler with output is in [`transacting`](super::transacting).

use std::sync::Arc;

use tracing::debug;

use super::failure::{Disposition, Letter, give_up, post, stop};
use super::line::{HandlerLine, QueuedMessage};
use super::shared::{ConsumerInner, stale};
use crate::mq::calls;
use crate::mq::error::{Code, Error};
use crate::mq::handler::{Outcome, RegisteredHandler, is_in_vain};
use crate::mq::letters::GivenUp;
use crate::mq::message::Message;
use crate::mq::retry_topics;
use crate::runtime::{self, Runtime};

/// Where a worker stands: for which handler, and at which line.
#[derive(Clone)]
pub(super) struct WorkerPlace {
    pub(super) shared: Arc<ConsumerInner>,
    pub(super) registered: Arc<RegisteredHandler>,
    pub(super) workers: Runtime,
    pub(super) line: Arc<HandlerLine>,
}

/// Calls a handler for what comes in its line.
pub(super) async fn work(place: WorkerPlace) {
    let mut ended = None;
    while let Some(message) = place.line.next(ended.take()).await {
        if place.shared.closing.is_cancelled() {
            return;
        }
        ended = message.key;
        if !message.begin() {
            continue;
        }
        let fate = match place.process(&message).await {
            letter @ Disposition::Letter { .. } => place.post(&message, letter).await,
            fate => fate,
        };
        if !place.conclude(&message, &fate) {
            return;
        }
        runtime::yield_now().await;
    }
}

impl WorkerPlace {
    /// Calls the handler for a message as often as its policy allows.
    pub(super) async fn process(&self, message: &QueuedMessage) -> Disposition {
        process(&self.shared, &self.registered, message).await
    }

    /// Sends a message that is in hand, and given up, as a dead letter.
    pub(super) async fn post(&self, message: &QueuedMessage, letter: Disposition) -> Disposition {
        let Disposition::Letter { to, as_what, why } = letter else { return letter };
        let letter = Letter {
            shared: Arc::clone(&self.shared),
            registered: Arc::clone(&self.registered),
            partition: message.record.topic_partition().clone(),
            part: Arc::clone(&message.part),
            generation: message.generation,
            offsets: message.record.covered(),
            given_up: GivenUp {
                message: Message::received(&message.record),
                to,
                as_what,
                why,
                topics: self.registered.options.policy.retry_topics.clone(),
            },
        };
        post(letter, &self.workers).await
    }

    /// Ends a message that was in hand; false if the handler stops.
    pub(super) fn conclude(&self, message: &QueuedMessage, fate: &Disposition) -> bool {
        let done = fate.is_done().then(|| message.record.covered());
        if !matches!(fate, Disposition::Elsewhere) && message.part.end(message.generation, done) {
            self.shared.has_settled();
        }
        if fate.is_stop() {
            self.line.close();
            stop(&self.shared, &self.registered);
        }
        !fate.is_stop()
    }
}

impl QueuedMessage {
    /// Takes it in hand; false if it is not to be handled.
    pub(super) fn begin(&self) -> bool {
        self.part.begin(self.generation, self.record.offset())
    }
}

/// Calls a handler for a message as often as its policy allows.
async fn process(
    shared: &Arc<ConsumerInner>,
    registered: &Arc<RegisteredHandler>,
    message: &QueuedMessage,
) -> Disposition {
    let QueuedMessage { part, record, generation, .. } = message;
    let begun = runtime::now();
    let bytes = record.key().map_or(0, <[u8]>::len) + record.value().map_or(0, <[u8]>::len);
    let is_retry = registered.options.policy.retry_topics.has(record.topic());
    let before =
        if is_retry { retry_topics::attempts_before(&Message::received(record)) } else { 0 };
    let mut failures = 0;
    loop {
        let attempt = before.saturating_add(failures + 1);
        let message = Message { attempt, ..Message::received(record) };
        let failure = match calls::call(shared.caller(), registered.handler.as_ref(), message).await
        {
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
        let is_in_vain = is_in_vain(failure.as_ref());
        let pause = registered.options.policy.pause(failures).filter(|_| !is_in_vain && !is_retry);
        let Some(pause) = pause else {
            return give_up(registered, record, failure.as_ref(), attempt, is_in_vain);
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
            () = stale(shared, part, *generation) => return Disposition::Left,
            () = runtime::sleep_until(runtime::now() + pause) => {}
        }
    }
}
