//! The task of a queue whose handler has output: what it returns is written in transactions, with
//! the offsets of the messages that it was called with (KIP-447).
//!
//! ```text
//!  handler queue ─▶ handler ─▶ unit ─▶ nothing waits, or it is full or old
//!                               ▲             │
//!                               │      begin, outputs, offsets, commit ─▶ done
//!                               └── aborted ──┘   (written again; the handler is not called again)
//! ```
//! The partitions of a unit are in hand until it ends, so that a rebalance waits for it. One that
//! goes all the same, or is sought, takes its outputs out of the unit. That is looked at under the
//! lock under which partitions go, together with who the member is: if one goes later, the group has
//! gone on by then, and refuses the member.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{debug, warn};

use super::failure::{Disposition, stop};
use super::line::{NextInLine, QueuedMessage};
use super::progress::{Part, Progress};
use super::worker::WorkerPlace;
use crate::consumer::ConsumerRecord;
use crate::error::{Class, Error as ClientError, ErrorKind};
use crate::exactly_once::{abort, commit};
use crate::group_metadata::{ConsumerGroupMetadata, OffsetAndMetadata};
use crate::ids::{Offset, TopicPartition, TransactionalId};
use crate::mq::calls;
use crate::mq::error::{During, Error};
use crate::mq::message::Message;
use crate::producer::TransactionalProducer;
use crate::runtime;

/// The transactional id of a handler's queue.
pub(super) fn id_of(id: &TransactionalId, queue: usize) -> TransactionalId {
    if queue == 0 { id.clone() } else { format!("{id}-{queue}").into() }
}

/// Calls a handler for what comes on a queue, and commits what it returns.
pub(super) async fn work(place: WorkerPlace, id: TransactionalId) {
    let mut worker = TransactionWorker { place, id, producer: None, unit: Unit::default() };
    loop {
        let message = match worker.place.line.try_next(None) {
            NextInLine::Message(message) => message,
            nothing => {
                if !worker.settle().await || matches!(nothing, NextInLine::Closed) {
                    return;
                }
                let Some(message) = worker.place.line.next(None).await else { return };
                message
            }
        };
        if worker.place.shared.closing.is_cancelled() {
            worker.settle().await;
            return;
        }
        if !worker.handle(&message).await {
            return;
        }
        runtime::yield_now().await;
    }
}

struct TransactionWorker {
    place: WorkerPlace,
    id: TransactionalId,
    producer: Option<TransactionalProducer>,
    unit: Unit,
}

/// What is handled and not committed.
#[derive(Default)]
struct Unit {
    parts: BTreeMap<TopicPartition, InHand>,
    /// With the partition of the message that each comes from.
    outputs: Vec<(TopicPartition, Message)>,
    messages: usize,
    begun: Option<Instant>,
}

/// A partition with messages in a unit.
struct InHand {
    part: Arc<Part>,
    generation: u64,
    /// What is handled of it.
    handled: Option<Range<Offset>>,
}

/// How an attempt to commit has gone.
enum CommitAttempt {
    Committed,
    /// Nothing of it is visible.
    Aborted,
}

impl TransactionWorker {
    /// Has a message handled; false if the handler has stopped.
    async fn handle(&mut self, message: &QueuedMessage) -> bool {
        let record = &message.record;
        let is_older = self.unit.is_of_older_generation(message);
        if is_older && !self.settle().await {
            return false;
        }
        if !self.unit.begin(message) {
            return true;
        }
        match self.place.process(message).await {
            Disposition::Produced(messages) => self.unit.handled(record, messages),
            Disposition::Done => self.unit.handled(record, Vec::new()),
            Disposition::DoneAndStop => {
                self.unit.handled(record, Vec::new());
                return self.end().await;
            }
            Disposition::Stop => return self.end().await,
            Disposition::Left | Disposition::Elsewhere => {}
            letter @ Disposition::Letter { .. } => {
                // What came before is committed first, as it would be on any other way.
                if !self.settle().await {
                    return false;
                }
                if message.begin() {
                    let fate = self.place.post(message, letter).await;
                    return self.place.conclude(message, &fate);
                }
            }
        }
        !self.unit.is_due(self.place.line.load().most()) || self.settle().await
    }

    /// Commits what is handled, and stops the handler.
    async fn end(&mut self) -> bool {
        if self.settle().await {
            stop(&self.place.shared, &self.place.registered);
        }
        false
    }

    /// Commits what is handled, until that is done; false if the handler has stopped.
    ///
    /// What is not committed when the consumer closes comes again.
    async fn settle(&mut self) -> bool {
        let mut pause = SHORTEST_PAUSE;
        while !self.unit.parts.is_empty() {
            let attempt = self.attempt().await;
            let (shared, registered) = (&self.place.shared, &self.place.registered);
            match attempt {
                Ok(CommitAttempt::Committed) => {
                    self.release(true);
                    return true;
                }
                Ok(CommitAttempt::Aborted) => {
                    debug!(?pause, "a transaction of a handler's output was aborted")
                }
                Err(error) => {
                    let is_last = is_last(&error);
                    let error = Error::from_client(error, During::Produce)
                        .context(format_args!("the output of a handler cannot be written"));
                    warn!(%error, ?pause, "a handler's output waits");
                    if !calls::tell(shared.caller(), registered.handler.as_ref(), error, None).await
                        || is_last
                    {
                        self.release(false);
                        stop(&self.place.shared, &self.place.registered);
                        return false;
                    }
                }
            }
            tokio::select! {
                biased;
                () = self.place.shared.closing.cancelled() => self.release(false),
                () = runtime::sleep_until(runtime::now() + pause) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        true
    }

    /// Nothing of the unit is in hand any more.
    fn release(&mut self, is_committed: bool) {
        let shared = &self.place.shared;
        self.unit.end(&mut shared.progress(), is_committed);
        shared.has_settled();
    }

    /// Writes and commits the unit once.
    async fn attempt(&mut self) -> crate::error::Result<CommitAttempt> {
        let shared = &self.place.shared;
        let (offsets, member) =
            self.unit.commit_as(&mut shared.progress(), || shared.handle.member())?;
        if offsets.is_empty() {
            return Ok(CommitAttempt::Committed);
        }
        if self.producer.is_none() {
            let config = shared.config.core_producer();
            let config = config.map_err(|error| ClientError::config(error.to_string()))?;
            let config = config.transactional_id(self.id.clone());
            self.producer = Some(shared.client.transactional_producer(config)?);
        }
        let Some(producer) = &mut self.producer else { return Ok(CommitAttempt::Aborted) };
        let mut transaction = producer.begin().await?;
        for (_, message) in &self.unit.outputs {
            // What becomes of it the commit tells.
            if let Err(error) = transaction.send(message.record()).await {
                abort(&mut transaction).await?;
                return if error.class() == Class::Abortable {
                    Ok(CommitAttempt::Aborted)
                } else {
                    Err(error)
                };
            }
        }
        if commit(&mut transaction, offsets, member).await? {
            return Ok(CommitAttempt::Committed);
        }
        abort(&mut transaction).await?;
        Ok(CommitAttempt::Aborted)
    }
}

impl Unit {
    fn is_of_older_generation(&self, message: &QueuedMessage) -> bool {
        let held = self.parts.get(message.record.topic_partition());
        held.is_some_and(|held| held.generation != message.generation)
    }

    /// Takes a message in hand; false if it is not to be handled.
    fn begin(&mut self, message: &QueuedMessage) -> bool {
        let (partition, generation) = (message.record.topic_partition(), message.generation);
        if self.parts.contains_key(partition) {
            return message.part.is_current(generation);
        }
        let begins = message.begin();
        if begins {
            let held = InHand { part: Arc::clone(&message.part), generation, handled: None };
            self.parts.insert(partition.clone(), held);
            self.begun.get_or_insert_with(runtime::now);
        }
        begins
    }

    fn handled(&mut self, record: &ConsumerRecord, outputs: Vec<Message>) {
        let partition = record.topic_partition();
        if let Some(held) = self.parts.get_mut(partition) {
            let Range { start, end } = record.covered();
            held.handled = Some(held.handled.take().map_or(start, |handled| handled.start)..end);
        }
        self.messages += 1 + outputs.len();
        self.outputs.extend(outputs.into_iter().map(|output| (partition.clone(), output)));
    }

    fn is_due(&self, most: usize) -> bool {
        self.messages >= most || self.begun.is_some_and(|begun| runtime::now() >= begun + INTERVAL)
    }

    /// The offsets to commit, and as whom; what does not count any more is taken out.
    fn commit_as(
        &mut self,
        progress: &mut Progress,
        member: impl FnOnce() -> crate::error::Result<ConsumerGroupMetadata>,
    ) -> crate::error::Result<(BTreeMap<TopicPartition, OffsetAndMetadata>, ConsumerGroupMetadata)>
    {
        self.parts.retain(|partition, held| {
            let counts = progress.counts(partition, &held.part, held.generation);
            if !counts {
                held.part.end(held.generation, None);
            }
            counts
        });
        let Self { parts, outputs, .. } = self;
        outputs.retain(|(from, _)| parts.contains_key(from));
        let offsets = parts.iter().filter_map(|(partition, held)| {
            Some((partition.clone(), OffsetAndMetadata::new(held.handled.as_ref()?.end)))
        });
        Ok((offsets.collect(), member()?))
    }

    /// Nothing of it is in hand any more.
    fn end(&mut self, progress: &mut Progress, is_committed: bool) {
        let mut committed = Vec::new();
        for (partition, held) in std::mem::take(self).parts {
            let handled = held.handled.filter(|_| is_committed);
            held.part.end(held.generation, handled.clone());
            if let Some(handled) =
                handled.filter(|_| progress.counts(&partition, &held.part, held.generation))
            {
                committed.push((partition, handled.end));
            }
        }
        progress.committed(&committed);
    }
}

/// Whether a producer can write nothing more after an error.
fn is_last(error: &ClientError) -> bool {
    error.kind() == ErrorKind::ProducerFenced || error.class() == Class::Fatal
}

/// How old a unit gets (`commit.interval.ms` of Kafka Streams with exactly once).
const INTERVAL: Duration = Duration::from_millis(100);
/// The pause before a unit is written again; it doubles.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
