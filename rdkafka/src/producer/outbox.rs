//! Where messages are from `send` until the context has heard of them.
//!
//! ```text
//!  send ─▶ kavka's producer ─▶ broker         topics whose partitions are not known yet: held, in
//!    └───▶ held ──┘   │                       their order, by a task for each
//!  poll ◀─ events ◀───┘
//! ```

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kavka::{Delivery, ErrorKind, Purge, Record, RecordMetadata, Written};
use tokio::sync::Notify;

use crate::error::{KafkaError, RDKafkaErrorCode, code_of};
use crate::events::{ClientEvent, Events};
use crate::message::{OwnedHeaders, OwnedMessage, Timestamp};
use crate::producer::PurgeConfig;
use crate::producer::transactions::{NoTransaction, Transactions};
use crate::runtime;
use crate::util::Deadline;

/// What the context is to hear, when the producer is polled.
#[derive(Debug)]
pub(crate) enum ProducerEvent<D> {
    Client(ClientEvent),
    Delivered(Result<(), KafkaError>, OwnedMessage, D),
}

/// A producer, or a transactional one.
#[derive(Debug)]
pub(crate) enum Sending {
    Plain(kavka::Producer),
    Transactional(Transactions),
}

pub(crate) struct Outbox<D> {
    pub(crate) sending: Sending,
    pub(crate) events: Arc<Events<ProducerEvent<D>>>,
    /// Messages that the context has not heard of; at most `most`
    /// (`queue.buffering.max.messages`).
    unheard: AtomicUsize,
    most: usize,
    /// `message.timeout.ms`.
    timeout: Option<Duration>,
    held: Mutex<HashMap<String, VecDeque<Held<D>>>>,
    purged: Notify,
}

/// A message of a topic whose partitions are not known yet.
struct Held<D> {
    message: OwnedMessage,
    opaque: D,
    deadline: Option<Instant>,
}

impl<D: Send + Sync + 'static> Outbox<D> {
    pub(crate) fn new(
        sending: Sending,
        events: Arc<Events<ProducerEvent<D>>>,
        most: usize,
        timeout: Option<Duration>,
    ) -> Arc<Self> {
        let (unheard, held, purged) = (AtomicUsize::new(0), Mutex::default(), Notify::new());
        Arc::new(Self { sending, events, unheard, most, timeout, held, purged })
    }

    pub(crate) fn unheard(&self) -> usize {
        self.unheard.load(Ordering::Acquire)
    }

    /// The context has heard of one.
    pub(crate) fn heard(&self) {
        self.unheard.fetch_sub(1, Ordering::AcqRel);
    }

    /// Makes room for a message, which is then given to [`Outbox::send`].
    pub(crate) fn reserve(&self) -> Result<(), KafkaError> {
        let take = |unheard| (unheard < self.most).then_some(unheard + 1);
        match self.unheard.fetch_update(Ordering::AcqRel, Ordering::Acquire, take) {
            Ok(_) => Ok(()),
            Err(_) => Err(KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)),
        }
    }

    /// Takes a message for which there is room, or gives back what was hung on it, and the room.
    pub(crate) fn send(
        self: &Arc<Self>,
        message: OwnedMessage,
        opaque: D,
    ) -> Result<(), (KafkaError, D)> {
        let mut held = self.lock();
        // What comes later must not overtake what is held.
        if let Some(earlier) = held.get_mut(&message.topic) {
            earlier.push_back(self.hold(message, opaque));
            return Ok(());
        }
        match self.try_send(&message) {
            Ok(delivery) => {
                drop(held);
                self.follow(delivery, message, opaque);
                Ok(())
            }
            Err(Refusal::Kavka(error)) if error.kind() == ErrorKind::NoMetadata => {
                let topic = message.topic.clone();
                held.insert(topic.clone(), VecDeque::from([self.hold(message, opaque)]));
                drop(held);
                runtime::spawn(Arc::clone(self).send_held(topic));
                Ok(())
            }
            Err(error) => {
                self.heard();
                Err((error.about(&message), opaque))
            }
        }
    }

    fn hold(&self, message: OwnedMessage, opaque: D) -> Held<D> {
        let deadline = self.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        Held { message, opaque, deadline }
    }

    /// Sends what is held of a topic as soon as its partitions are known.
    async fn send_held(self: Arc<Self>, topic: String) {
        loop {
            let purged = self.purged.notified();
            let next = {
                let mut held = self.lock();
                let next = held.get_mut(&topic).and_then(VecDeque::pop_front);
                if next.is_none() {
                    held.remove(&topic);
                }
                next
            };
            let Some(Held { message, opaque, deadline }) = next else { return };
            let sent = tokio::select! {
                sent = until(deadline, self.send_one(&message)) => {
                    sent.ok_or(RDKafkaErrorCode::MessageTimedOut)
                }
                () = purged => Err(RDKafkaErrorCode::PurgeQueue),
            };
            match sent {
                Ok(Ok(delivery)) => self.follow(delivery, message, opaque),
                Ok(Err(error)) => {
                    tell(&self.events, Err(error.about(&message)), message, opaque);
                }
                Err(code) => {
                    let error = KafkaError::MessageProduction(code);
                    tell(&self.events, Err(error), message, opaque);
                }
            }
        }
    }

    /// Gives up what waits, what is on its way, or both. What belongs to a transaction is given up
    /// with it.
    pub(crate) fn purge(&self, PurgeConfig { queue, inflight, .. }: PurgeConfig) {
        if queue {
            self.purge_held();
        }
        let purge = match (queue, inflight) {
            (true, true) => Purge::all(),
            (true, false) => Purge::queue(),
            (false, true) => Purge::in_flight(),
            (false, false) => return,
        };
        if let Sending::Plain(producer) = &self.sending {
            let producer = producer.clone();
            let purged = async move { producer.purge(purge).await };
            // A producer that has ended has nothing left to be given up.
            let _ = runtime::block_on(Deadline(None), purged);
        }
    }

    /// Fails what is held.
    fn purge_held(&self) {
        let purged: Vec<_> = self.lock().values_mut().flat_map(std::mem::take).collect();
        for Held { message, opaque, .. } in purged {
            let error = KafkaError::MessageProduction(RDKafkaErrorCode::PurgeQueue);
            tell(&self.events, Err(error), message, opaque);
        }
        self.purged.notify_waiters();
    }

    /// Sends what lingers.
    pub(crate) fn hurry(&self) {
        match &self.sending {
            Sending::Plain(producer) => {
                let producer = producer.clone();
                runtime::spawn(async move { producer.flush().await });
            }
            Sending::Transactional(transactions) => {
                let Some(sender) = transactions.sender() else { return };
                runtime::spawn(async move { sender.flush().await });
            }
        }
    }

    fn try_send(&self, message: &OwnedMessage) -> Result<Delivery, Refusal> {
        let headers = headers(message);
        let record = record(message, &headers);
        Ok(match &self.sending {
            Sending::Plain(producer) => producer.try_send(record)?,
            Sending::Transactional(transactions) => transactions.open()?.try_send(record)?,
        })
    }

    async fn send_one(&self, message: &OwnedMessage) -> Result<Delivery, Refusal> {
        let headers = headers(message);
        let record = record(message, &headers);
        Ok(match &self.sending {
            Sending::Plain(producer) => producer.send(record).await?,
            Sending::Transactional(transactions) => transactions.open()?.send(record).await?,
        })
    }

    /// Tells what becomes of a message. It does not keep the producer: whoever drops that gives up
    /// what is on its way.
    fn follow(&self, delivery: Delivery, mut message: OwnedMessage, opaque: D) {
        message.partition = delivery.topic_partition().partition.0;
        let events = Arc::clone(&self.events);
        delivery.on_completion(move |outcome| {
            let outcome = match outcome {
                Ok(RecordMetadata { offset, timestamp, .. }) => {
                    message.offset = offset.map_or(-1001, |offset| offset.0);
                    message.timestamp = Timestamp::CreateTime(timestamp.0);
                    Ok(())
                }
                Err(error) => Err(production_error(&error, &message)),
            };
            tell(&events, outcome, message, opaque);
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, VecDeque<Held<D>>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a message was not taken.
enum Refusal {
    Kavka(kavka::Error),
    NoTransaction,
}

impl From<kavka::Error> for Refusal {
    fn from(error: kavka::Error) -> Self {
        Self::Kavka(error)
    }
}

impl From<NoTransaction> for Refusal {
    fn from(_: NoTransaction) -> Self {
        Self::NoTransaction
    }
}

impl Refusal {
    fn about(&self, message: &OwnedMessage) -> KafkaError {
        match self {
            Self::Kavka(error) => production_error(error, message),
            Self::NoTransaction => KafkaError::MessageProduction(RDKafkaErrorCode::State),
        }
    }
}

fn tell<D>(
    events: &Events<ProducerEvent<D>>,
    outcome: Result<(), KafkaError>,
    message: OwnedMessage,
    opaque: D,
) {
    events.push(ProducerEvent::Delivered(outcome, message, opaque));
}

async fn until<T>(deadline: Option<Instant>, task: impl Future<Output = T>) -> Option<T> {
    match deadline {
        Some(at) => tokio::time::timeout_at(at.into(), task).await.ok(),
        None => Some(task.await),
    }
}

fn headers(message: &OwnedMessage) -> Vec<kavka::Header<'_>> {
    use crate::message::Headers;
    let headers = message.headers.as_ref().map(OwnedHeaders::as_borrowed);
    let headers = headers.into_iter().flat_map(Headers::iter);
    headers.map(|header| kavka::Header::new(header.key, header.value)).collect()
}

fn record<'a>(message: &'a OwnedMessage, headers: &'a [kavka::Header<'a>]) -> Record<'a> {
    let mut record = Record::to(&message.topic).headers(headers);
    record.key = message.key.as_deref();
    record.value = message.payload.as_deref();
    record.partition = (message.partition >= 0).then_some(kavka::PartitionId(message.partition));
    record.timestamp = message.timestamp.to_millis().map(kavka::Timestamp);
    record
}

/// What librdkafka says of a message that was not sent.
fn production_error(error: &kavka::Error, message: &OwnedMessage) -> KafkaError {
    KafkaError::MessageProduction(match (error.kind(), error.written()) {
        (ErrorKind::Timeout, _) => RDKafkaErrorCode::MessageTimedOut,
        (ErrorKind::Closed | ErrorKind::Purged, Some(Written::Maybe)) => {
            RDKafkaErrorCode::PurgeInflight
        }
        (ErrorKind::Closed | ErrorKind::Purged, _) => RDKafkaErrorCode::PurgeQueue,
        _ => match code_of(error) {
            // librdkafka knows what there is before it sends.
            RDKafkaErrorCode::UnknownTopicOrPartition if message.partition >= 0 => {
                RDKafkaErrorCode::UnknownPartition
            }
            RDKafkaErrorCode::UnknownTopicOrPartition => RDKafkaErrorCode::UnknownTopic,
            code => code,
        },
    })
}
