//! Dead letters, and what is to be tried again later: messages that their handler has given up for
//! now or for ever, on their way to another topic.
//!
//! ```text
//!  given up ─▶ written ─▶ done                       in the queue, for as long as that takes a moment
//!                 │
//!                 └─ not yet ─▶ the partition is set aside, the queue goes on without it
//!                                   ├─▶ written ─▶ done, the partition comes again behind it
//!                                   └─▶ refused ─▶ told ─▶ tried again after growing pauses, until the partition goes
//! ```
//! A topic that is missing, or a broker that is, thus holds up what has a message for it, and
//! nothing else. A letter too large for the topic would hold up its partition for ever: once that
//! is told, it goes without its value, which is still where it came from.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tracing::{debug, error, warn};

use super::{Disposition, LetterKind, conclude};
use crate::error::{Class, Error as ClientError};
use crate::ids::{Offset, TopicName, TopicPartition};
use crate::mq::Message;
use crate::mq::consumer::calls;
use crate::mq::consumer::handler::RegisteredHandler;
use crate::mq::consumer::progress::Part;
use crate::mq::consumer::retry_topics::{self, OriginHeaders};
use crate::mq::consumer::shared::{ConsumerInner, stale};
use crate::mq::error::{Code, During, Error};
use crate::producer::Producer;
use crate::runtime::{self, Runtime};
use crate::sync::lock;

/// A message that its handler has given up.
pub(in crate::mq::consumer) struct Letter {
    pub(in crate::mq::consumer) shared: Arc<ConsumerInner>,
    pub(in crate::mq::consumer) registered: Arc<RegisteredHandler>,
    pub(in crate::mq::consumer) partition: TopicPartition,
    pub(in crate::mq::consumer) part: Arc<Part>,
    pub(in crate::mq::consumer) generation: u64,
    pub(in crate::mq::consumer) offsets: Range<Offset>,
    pub(in crate::mq::consumer) message: Message,
    pub(in crate::mq::consumer) to: TopicName,
    pub(in crate::mq::consumer) as_what: LetterKind,
    pub(in crate::mq::consumer) why: String,
}

/// Sends a letter: here if that is quick, else in a task of its own, while its partition is set
/// aside.
pub(in crate::mq::consumer) async fn post(letter: Letter, workers: &Runtime) -> Disposition {
    let (shared, partition, part) =
        (Arc::clone(&letter.shared), letter.partition.clone(), Arc::clone(&letter.part));
    let (registered, generation, offsets) =
        (Arc::clone(&letter.registered), letter.generation, letter.offsets.clone());
    let mut delivering = Box::pin(letter.deliver());
    if let Ok(fate) = tokio::time::timeout(MOMENT, &mut delivering).await {
        return fate;
    }
    shared.progress().set_aside(&partition);
    shared.hold_back(&partition);
    workers.spawn(async move {
        let fate = delivering.await;
        conclude(&shared, &registered, &part, generation, &fate, offsets);
    });
    Disposition::Elsewhere
}

impl LetterKind {
    fn name(self) -> &'static str {
        match self {
            Self::Retry { .. } => "retry",
            Self::Dead => "dead-letter",
        }
    }
}

impl Letter {
    async fn deliver(self) -> Disposition {
        let Self { shared, registered, partition, part, generation, message, to, as_what, .. } =
            &self;
        let offset = message.offset;
        let mut pause = SHORTEST_PAUSE;
        let mut is_whole = true;
        loop {
            let gone = async {
                tokio::select! {
                    () = shared.closing.cancelled() => {}
                    () = stale(shared, part, *generation) => {}
                }
            };
            let sent = tokio::select! {
                biased;
                sent = send(shared, &self, is_whole) => sent,
                // What is on its way is mostly there in a moment, and would be written twice
                // otherwise.
                () = async { gone.await; tokio::time::sleep(MOMENT).await } => {
                    return Disposition::Left;
                }
            };
            let error = match sent {
                Ok(()) => {
                    self.has_arrived();
                    return Disposition::Done;
                }
                Err(error) => Error::from_client(error, During::Produce)
                    .context(format_args!("the {} topic {to} cannot be written", as_what.name())),
            };
            let loses_value = is_whole && error.code() == Code::MessageTooLarge;
            if loses_value {
                error!(%error, %partition, ?offset, "a message is too large for the topic that it \
                                                     is given up to, and goes there without its value");
            } else {
                error!(%error, %partition, ?offset, ?pause, "a partition waits for the topic that \
                                                             its message is given up to");
            }
            if !calls::tell(shared, registered, error, Some(partition.clone())).await {
                return Disposition::Stop;
            }
            if loses_value {
                is_whole = false;
                continue;
            }
            tokio::select! {
                biased;
                () = shared.closing.cancelled() => return Disposition::Left,
                () = stale(shared, part, *generation) => return Disposition::Left,
                () = runtime::sleep_until(runtime::now() + pause) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn has_arrived(&self) {
        let Self { shared, partition, message, to, as_what, why, .. } = self;
        let offset = message.offset;
        if *as_what == LetterKind::Dead {
            warn!(
                failure = %why,
                %partition,
                ?offset,
                %to,
                "a message went to the dead-letter topic",
            );
            shared.meter.dead_letter();
        } else {
            debug!(failure = %why, %partition, ?offset, %to, "a message is tried later");
        }
    }
}

/// Writes a message, whole or without its value, to a dead-letter topic, and waits until it is
/// there.
async fn send(
    shared: &ConsumerInner,
    Letter { registered, message, to, as_what, why, .. }: &Letter,
    is_whole: bool,
) -> crate::error::Result<()> {
    let producer = producer(shared)?;
    let mut letter =
        Message { topic: to.clone(), partition: None, offset: None, ..message.clone() };
    if !is_whole {
        let bytes = letter.value.take().map_or(0, |value| value.len());
        letter = letter.header(DEAD_LETTER_OMITTED, bytes.to_string());
    }
    let topics = &registered.options.policy.retry_topics;
    letter = match as_what {
        LetterKind::Dead => retry_topics::with_origin(letter, message, topics, &DEAD_LETTER_ORIGIN)
            .header(DEAD_LETTER_ERROR, why.clone()),
        LetterKind::Retry { attempts } => {
            // It is due a delay after the time of this.
            letter.timestamp = None;
            retry_topics::with_origin(letter, message, topics, &retry_topics::RETRY_ORIGIN)
                .header(retry_topics::ATTEMPT, attempts.to_string())
                .header(retry_topics::ERROR, why.clone())
        }
    };
    let sent = async { producer.send(letter.record()).await?.await }.await;
    if sent.as_ref().is_err_and(|error| error.class() == Class::Fatal) {
        // This one will never send again; another may.
        *lock(&shared.dead_letters) = None;
    }
    sent.map(drop)
}

fn producer(shared: &ConsumerInner) -> crate::error::Result<Producer> {
    let mut producer = lock(&shared.dead_letters);
    if let Some(producer) = &*producer {
        return Ok(producer.clone());
    }
    let config =
        shared.config.core_producer().map_err(|error| ClientError::config(error.to_string()))?;
    let longest = shared.config.producer.delivery_timeout.min(LONGEST_BLOCK);
    let made = shared.client.producer(config.max_block(longest))?;
    *producer = Some(made.clone());
    Ok(made)
}

/// How long a queue waits for a letter, and a letter for its verdict when its partition goes (a
/// guess: many times what a broker needs).
const MOMENT: Duration = Duration::from_secs(1);
/// How long a letter waits for its topic before somebody is told.
const LONGEST_BLOCK: Duration = Duration::from_secs(5);
/// The pause before a letter that was refused is sent again; it doubles.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Where a dead letter came from.
const DEAD_LETTER_ORIGIN: OriginHeaders = OriginHeaders {
    topic: "kavka.dead-letter.topic",
    partition: "kavka.dead-letter.partition",
    offset: "kavka.dead-letter.offset",
    timestamp: None,
};
/// The bytes of its value, if that was left out.
const DEAD_LETTER_OMITTED: &str = "kavka.dead-letter.omitted";
/// Why its handler failed.
const DEAD_LETTER_ERROR: &str = "kavka.dead-letter.error";
