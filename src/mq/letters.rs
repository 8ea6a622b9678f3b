//! Messages that a handler has given up, for now or for ever, on their way to another topic, with
//! headers that tell where they came from and why.
//!
//! A letter too large for its topic would be tried for ever: once that is told, it goes without its
//! value, which is still where it came from.

use std::sync::Mutex;
use std::time::Duration;

use tracing::{debug, error, warn};

use super::calls::{self, Caller};
use super::config::Config;
use super::error::{Code, During, Error};
use super::handler::Handler;
use super::message::Message;
use super::retry_topics::{self, OriginHeaders, RetryTopics};
use crate::client::Client;
use crate::error::{Class, Error as ClientError};
use crate::ids::{TopicName, TopicPartition};
use crate::producer::Producer;
use crate::runtime;
use crate::sync::lock;

/// Writes letters with a producer of their own, which is made for the first.
pub(super) struct Letters {
    client: Client,
    config: Config,
    producer: Mutex<Option<Producer>>,
}

/// A message that its handler has given up.
pub(super) struct GivenUp {
    /// As it was received.
    pub(super) message: Message,
    pub(super) to: TopicName,
    pub(super) as_what: LetterKind,
    pub(super) why: String,
    /// Those of its handler.
    pub(super) topics: RetryTopics,
}

/// Why a message goes to another topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LetterKind {
    /// To be handled again, after so many attempts.
    Retry {
        attempts: u32,
    },
    Dead,
}

/// How the delivery of a letter has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivered {
    Written,
    /// The handler was told that it cannot be written, and stops.
    Stopped,
    /// The message is not this consumer's any more.
    Abandoned,
}

impl LetterKind {
    fn name(self) -> &'static str {
        match self {
            Self::Retry { .. } => "retry",
            Self::Dead => "dead-letter",
        }
    }
}

impl Letters {
    pub(super) fn new(client: &Client, config: &Config) -> Self {
        Self { client: client.clone(), config: config.clone(), producer: Mutex::default() }
    }

    /// Writes a letter, however long that takes, until `gone` says that it is not to be written any
    /// more. The handler is told of each failure.
    pub(super) async fn deliver<F: Future<Output = ()>>(
        &self,
        letter: &GivenUp,
        caller: Caller<'_>,
        handler: &dyn Handler,
        gone: impl Fn() -> F,
    ) -> Delivered {
        let GivenUp { message, to, as_what, .. } = letter;
        let (partition, offset) = (message.topic_partition(), message.offset);
        let mut pause = SHORTEST_PAUSE;
        let mut is_whole = true;
        loop {
            let sent = tokio::select! {
                biased;
                sent = self.send(letter, is_whole) => sent,
                // What is on its way is mostly there in a moment, and would be written twice
                // otherwise.
                () = async { gone().await; tokio::time::sleep(MOMENT).await } => {
                    return Delivered::Abandoned;
                }
            };
            let error = match sent {
                Ok(()) => {
                    letter.has_arrived();
                    return Delivered::Written;
                }
                Err(error) => Error::from_client(error, During::Produce)
                    .context(format_args!("the {} topic {to} cannot be written", as_what.name())),
            };
            let loses_value = is_whole && error.code() == Code::MessageTooLarge;
            if loses_value {
                error!(%error, ?partition, ?offset, "a message is too large for the topic that it \
                                                     is given up to, and goes there without its value");
            } else {
                error!(%error, ?partition, ?offset, ?pause, "a message waits for the topic that it \
                                                             is given up to");
            }
            if !calls::tell(caller, handler, error, partition.clone()).await {
                return Delivered::Stopped;
            }
            if loses_value {
                is_whole = false;
                continue;
            }
            tokio::select! {
                biased;
                () = gone() => return Delivered::Abandoned,
                () = runtime::sleep_until(runtime::now() + pause) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Writes a letter, whole or without its value, and waits until it is there.
    async fn send(&self, letter: &GivenUp, is_whole: bool) -> crate::error::Result<()> {
        let GivenUp { message, to, as_what, why, topics } = letter;
        let producer = self.producer()?;
        let mut letter =
            Message { topic: to.clone(), partition: None, offset: None, ..message.clone() };
        if !is_whole {
            let bytes = letter.value.take().map_or(0, |value| value.len());
            letter = letter.header(DEAD_LETTER_OMITTED, bytes.to_string());
        }
        letter = match as_what {
            LetterKind::Dead => {
                retry_topics::with_origin(letter, message, topics, &DEAD_LETTER_ORIGIN)
                    .header(DEAD_LETTER_ERROR, why.clone())
            }
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
            *lock(&self.producer) = None;
        }
        sent.map(drop)
    }

    fn producer(&self) -> crate::error::Result<Producer> {
        let mut producer = lock(&self.producer);
        if let Some(producer) = &*producer {
            return Ok(producer.clone());
        }
        let config =
            self.config.core_producer().map_err(|error| ClientError::config(error.to_string()))?;
        let longest = self.config.producer.delivery_timeout.min(LONGEST_BLOCK);
        let made = self.client.producer(config.max_block(longest))?;
        *producer = Some(made.clone());
        Ok(made)
    }
}

impl GivenUp {
    fn has_arrived(&self) {
        let Self { message, to, as_what, why, .. } = self;
        let partition: Option<TopicPartition> = message.topic_partition();
        let offset = message.offset;
        if *as_what == LetterKind::Dead {
            warn!(
                failure = %why,
                ?partition,
                ?offset,
                %to,
                "a message went to the dead-letter topic",
            );
        } else {
            debug!(failure = %why, ?partition, ?offset, %to, "a message is tried later");
        }
    }
}

/// How long a letter that is on its way waits for its verdict when its message goes (a guess: many
/// times what a broker needs).
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
