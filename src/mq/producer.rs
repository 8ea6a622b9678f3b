//! Sending messages.
//!
//! ```text
//!  send ──▶ crate::Producer (batches, retries, memory)       Receipt, awaited or dropped
//!  send_async ──▶ crate::Producer ──▶ completions ──▶ one task: awaits verdicts by partition, in order ──▶ callback
//! ```
//! Nothing is queued or batched here: what waits in `completions` are verdicts, not messages.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tracing::Instrument;

use super::config::Config;
use super::error::{Code, During, Error, Result};
use super::message::{Message, MessageHeader};
use super::metrics::{ProducerMeter, ProducerMetrics};
use crate::client::Client;
use crate::ids::{TopicName, TopicPartition};
use crate::producer::{self, Delivery};
use crate::record::{Record, RecordMetadata};
use crate::runtime::{self, Runtime};

/// Sends messages. Cheap to clone; any number of tasks can use it at once.
///
/// Messages with the same key keep their order. [`Producer::send`] takes a record and returns a
/// future of its outcome, which may be awaited later or dropped: prefer it. [`Producer::send_sync`]
/// also waits for the acknowledgement, [`Producer::send_async`] reports it to a callback, and the
/// batch methods do the same for several messages.
#[derive(Clone, Debug)]
pub struct Producer {
    shared: Arc<ProducerInner>,
}

#[derive(Debug)]
struct ProducerInner {
    producer: producer::Producer,
    meter: Arc<ProducerMeter>,
    completions: mpsc::Sender<Completion>,
    is_traced: bool,
    /// Kept only by a producer that stands alone, whose client it is.
    _client: Option<Client>,
}

/// Where an acknowledged message was written.
pub type Sent = RecordMetadata;

/// The outcome of one message of a batch.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BatchResult {
    /// The topic.
    pub topic: TopicName,
    /// Where the message was written, or why it failed.
    pub result: Result<Sent>,
    /// The time from the send to the outcome.
    pub latency: Duration,
}

/// Called with the fate of a message.
pub(super) type SendCallback = Box<dyn FnOnce(Result<Sent>) + Send>;

/// A message whose verdict somebody, or only the meter, waits for.
struct Completion {
    delivery: Delivery,
    begun: Instant,
    callback: Option<SendCallback>,
}

/// A future that resolves to the outcome of a message. It may be dropped: the message is sent and
/// counted nevertheless.
///
/// # Errors
/// As [`Producer::send_sync`].
///
/// # Cancel safety
/// Safe: it can be polled again, or dropped, at any time.
#[must_use = "a message may fail after `send` has returned: await its receipt, or drop it on \
              purpose"]
#[derive(Debug)]
pub struct Receipt {
    delivery: Option<Delivery>,
    begun: Instant,
    shared: Arc<ProducerInner>,
}

impl Receipt {
    /// Returns the partition the message was assigned to; `None` once the receipt has resolved.
    pub fn topic_partition(&self) -> Option<&TopicPartition> {
        self.delivery.as_ref().map(Delivery::topic_partition)
    }
}

impl Producer {
    /// Creates a producer with a client of its own, which is closed with it.
    ///
    /// # Errors
    /// [`Code::MissingConfig`] or [`Code::InvalidConfig`]; the message names the key.
    pub fn new(config: impl Into<Config>) -> Result<Self> {
        let config = config.into();
        config.validate()?;
        let client = config.new_client()?;
        Self::on(&client, &config, Some(client.clone()))
    }

    pub(super) fn on(client: &Client, config: &Config, own: Option<Client>) -> Result<Self> {
        let producer = client.producer(config.core_producer()?).map_err(super::config::invalid)?;
        let meter = Arc::new(ProducerMeter::new(config.monitoring.enable_metrics, runtime::now()));
        let (completions, received) = mpsc::channel(COMPLETIONS);
        Runtime::current(false)
            .map_err(super::config::invalid)?
            .spawn(complete(received, Arc::clone(&meter)));
        let is_traced = config.monitoring.enable_tracing;
        Ok(Self {
            shared: Arc::new(ProducerInner {
                producer,
                meter,
                completions,
                is_traced,
                _client: own,
            }),
        })
    }

    /// Adds a record to a batch, and returns a future that resolves to its outcome.
    ///
    /// Only waits while the topic's partitions are unknown or the buffer memory is exhausted.
    ///
    /// ```no_run
    /// # async fn run(producer: kavka::mq::Producer) -> kavka::mq::Result<()> {
    /// use kavka::Record;
    ///
    /// let receipt = producer.send(Record::to("chat-messages").key("room-7").value("Hello")).await?;
    /// println!("{:?}", receipt.await?.offset);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The message was not sent:
    /// - [`Code::Timeout`] if there was no buffer memory or no metadata within 60 s.
    /// - [`Code::MessageTooLarge`] if it exceeds `max_message_bytes`.
    /// - [`Code::ProducerClosed`] if the producer was closed.
    /// - [`Code::TopicNotFound`] and others for the reason why the cluster refuses the topic.
    ///
    /// # Cancel safety
    /// If the future is dropped before it completes, the message is not sent.
    pub async fn send<'a>(&self, record: impl Into<Record<'a>>) -> Result<Receipt> {
        let begun = runtime::now();
        let record = record.into();
        self.shared.meter.sent(payload(&record));
        let sent = if self.shared.is_traced {
            let span = tracing::info_span!(
                "kafka.send",
                messaging.system = "kafka",
                messaging.destination.name = record.topic
            );
            Box::pin(self.shared.producer.send(record).instrument(span)).await
        } else {
            self.shared.producer.send(record).await
        };
        let delivery = sent.map_err(|error| self.refused(error))?;
        Ok(Receipt { delivery: Some(delivery), begun, shared: Arc::clone(&self.shared) })
    }

    /// Sends a message and waits until it is acknowledged.
    ///
    /// # Errors
    /// As [`Producer::send`], and moreover:
    /// - [`Code::Timeout`] if it was not acknowledged within 120 s.
    /// - [`Code::RetryExhausted`] after `max_retries` errors of its leader.
    /// - [`Code::ProduceFailed`] and others for errors of the broker.
    ///
    /// [`Error::client_error`] tells whether the message may have been written.
    ///
    /// # Cancel safety
    /// If the future is dropped, the message may be sent nevertheless.
    pub async fn send_sync(&self, topic: &str, value: impl AsRef<[u8]>) -> Result<Sent> {
        self.settled(Record::to(topic).value(value.as_ref())).await
    }

    /// Sends as [`Producer::send_sync`] does, with a key. Messages with the same key keep their
    /// order.
    ///
    /// # Errors
    /// As [`Producer::send_sync`].
    pub async fn send_sync_with_key(
        &self,
        topic: &str,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> Result<Sent> {
        self.settled(Record::to(topic).key(key.as_ref()).value(value.as_ref())).await
    }

    /// Sends as [`Producer::send_sync`] does, with an optional key and with headers.
    ///
    /// # Errors
    /// As [`Producer::send_sync`].
    pub async fn send_sync_with_headers(
        &self,
        topic: &str,
        key: Option<&[u8]>,
        value: impl AsRef<[u8]>,
        headers: &[MessageHeader],
    ) -> Result<Sent> {
        self.send_message(&framed(topic, key, value.as_ref(), headers)).await?.await
    }

    /// Sends an owned message as [`Producer::send`] does.
    ///
    /// # Errors
    /// As [`Producer::send`].
    ///
    /// # Cancel safety
    /// If the future is dropped before it completes, the message is not sent.
    pub async fn send_message(&self, message: &Message) -> Result<Receipt> {
        self.send(message.record()).await
    }

    /// Sends a message without waiting for its acknowledgement, and calls `callback` with the
    /// outcome.
    ///
    /// Callbacks of one partition are called in the order of its messages. All callbacks run on one
    /// task: they must be quick and must not block. To wait instead, await the receipt of
    /// [`Producer::send`].
    ///
    /// # Errors
    /// As [`Producer::send`]; the callback is then not called.
    ///
    /// # Cancel safety
    /// If the future is dropped before it completes, the message may be sent without the callback
    /// being called.
    pub async fn send_async(
        &self,
        topic: &str,
        value: impl AsRef<[u8]>,
        callback: impl FnOnce(Result<Sent>) + Send + 'static,
    ) -> Result<()> {
        self.told(Record::to(topic).value(value.as_ref()), Box::new(callback)).await
    }

    /// Sends as [`Producer::send_async`] does, with a key. Messages with the same key keep their
    /// order.
    ///
    /// # Errors
    /// As [`Producer::send_async`].
    pub async fn send_async_with_key(
        &self,
        topic: &str,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        callback: impl FnOnce(Result<Sent>) + Send + 'static,
    ) -> Result<()> {
        self.told(Record::to(topic).key(key.as_ref()).value(value.as_ref()), Box::new(callback))
            .await
    }

    /// Sends as [`Producer::send_async`] does, with an optional key and with headers.
    ///
    /// # Errors
    /// As [`Producer::send_async`].
    pub async fn send_async_with_headers(
        &self,
        topic: &str,
        key: Option<&[u8]>,
        value: impl AsRef<[u8]>,
        headers: &[MessageHeader],
        callback: impl FnOnce(Result<Sent>) + Send + 'static,
    ) -> Result<()> {
        let receipt = self.send_message(&framed(topic, key, value.as_ref(), headers)).await?;
        self.watch(receipt, Box::new(callback)).await
    }

    /// Sends messages, waits until each is acknowledged or has failed, and returns one result per
    /// message, in order.
    ///
    /// A message that is refused does not keep the others from being sent.
    ///
    /// # Cancel safety
    /// If the future is dropped, some of the first messages, or all, are sent nevertheless.
    pub async fn send_batch_sync(&self, messages: &[Message]) -> Vec<BatchResult> {
        let mut receipts = Vec::with_capacity(messages.len());
        for message in messages {
            let begun = runtime::now();
            receipts.push((message.topic.clone(), begun, self.send_message(message).await));
        }
        let mut results = Vec::with_capacity(receipts.len());
        for (topic, begun, receipt) in receipts {
            let result = match receipt {
                Ok(receipt) => receipt.await,
                Err(error) => Err(error),
            };
            results.push(BatchResult { topic, result, latency: runtime::now() - begun });
        }
        results
    }

    /// Sends messages without waiting for their acknowledgement, and calls `callback` with one
    /// result per message, in order.
    ///
    /// # Errors
    /// [`Code::InvalidConfig`] outside a tokio runtime.
    pub fn send_batch_async(
        &self,
        messages: Vec<Message>,
        callback: impl FnOnce(Vec<BatchResult>) + Send + 'static,
    ) -> Result<()> {
        let producer = self.clone();
        Runtime::current(false)
            .map_err(super::config::invalid)?
            .spawn(async move { callback(producer.send_batch_sync(&messages).await) });
        Ok(())
    }

    /// Sends a value as JSON and waits until it is acknowledged.
    ///
    /// # Errors
    /// [`Code::SerializationFailed`] if the value cannot be serialized; otherwise as
    /// [`Producer::send_sync`].
    #[cfg(feature = "json")]
    pub async fn send_json<T: serde::Serialize>(
        &self,
        topic: &str,
        key: Option<&[u8]>,
        value: &T,
    ) -> Result<Sent> {
        let bytes = serde_json::to_vec(value).map_err(|error| {
            Error::new(Code::SerializationFailed, format!("no JSON for {topic}: {error}"))
                .with_source(error)
        })?;
        let mut record = Record::to(topic).value(&bytes);
        record.key = key;
        self.settled(record).await
    }

    /// Sends all accepted messages without lingering, and waits until each is acknowledged or has
    /// failed.
    ///
    /// # Errors
    /// [`Code::ProducerClosed`] if the producer is closed before that.
    pub async fn flush(&self) -> Result<()> {
        self.shared
            .producer
            .flush()
            .await
            .map_err(|error| Error::from_client(error, During::Produce))
    }

    /// Stops accepting messages, waits until each accepted message is acknowledged or has failed,
    /// and ends the producer with all its clones.
    ///
    /// # Errors
    /// [`Code::Timeout`] if some were not acknowledged within `timeout`; these have failed with
    /// [`Code::ProducerClosed`].
    pub async fn close(&self, timeout: Duration) -> Result<()> {
        let closed = self.shared.producer.clone().close(timeout).await;
        closed.map_err(|error| Error::from_client(error, During::Produce))
    }

    /// Returns the producer's metrics.
    pub fn metrics(&self) -> ProducerMetrics {
        let stats = self.shared.producer.stats();
        ProducerMetrics {
            adaptive_linger: stats.adaptive_linger,
            waits_for_replies: stats.waits_for_replies,
            ..self.shared.meter.snapshot(runtime::now())
        }
    }

    /// Returns the counters of the underlying producer.
    pub fn stats(&self) -> producer::ProducerStats {
        self.shared.producer.stats()
    }

    /// [`Producer::send_async`] if there is nothing to wait for; else gives the callback back.
    pub(super) fn try_send_async(
        &self,
        topic: &str,
        value: &[u8],
        callback: SendCallback,
    ) -> Option<SendCallback> {
        let ProducerInner { producer, meter, completions, .. } = &*self.shared;
        let Ok(room) = completions.try_reserve() else { return Some(callback) };
        let begun = runtime::now();
        let Ok(delivery) = producer.try_send(Record::to(topic).value(value)) else {
            return Some(callback);
        };
        meter.sent(value.len());
        room.send(Completion { delivery, begun, callback: Some(callback) });
        None
    }

    async fn settled(&self, record: Record<'_>) -> Result<Sent> {
        self.send(record).await?.await
    }

    async fn told(&self, record: Record<'_>, callback: SendCallback) -> Result<()> {
        let receipt = self.send(record).await?;
        self.watch(receipt, callback).await
    }

    async fn watch(&self, mut receipt: Receipt, callback: SendCallback) -> Result<()> {
        let Some(delivery) = receipt.delivery.take() else { return Ok(()) };
        let completion = Completion { delivery, begun: receipt.begun, callback: Some(callback) };
        self.shared
            .completions
            .send(completion)
            .await
            .map_err(|_| Error::new(Code::ProducerClosed, "its runtime has ended"))
    }

    fn refused(&self, error: crate::error::Error) -> Error {
        self.shared.meter.failed();
        Error::from_client(error, During::Produce)
    }
}

/// As many verdicts may wait for their turn before those who send wait, too (a guess: a second at
/// 65,536 messages per second).
const COMPLETIONS: usize = 65_536;

impl Future for Receipt {
    type Output = Result<Sent>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(delivery) = &mut this.delivery else {
            return Poll::Ready(Err(Error::new(
                Code::InvalidConfig,
                "the receipt has been given already",
            )));
        };
        let verdict = std::task::ready!(Pin::new(&mut *delivery).poll(context));
        let settled = settle(verdict, this.begun, delivery, &this.shared.meter);
        this.delivery = None;
        Poll::Ready(settled)
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        if let Some(delivery) = self.delivery.take().filter(|_| self.shared.meter.is_on) {
            // A verdict that is not awaited is counted as long as there is room for it.
            let _ = self.shared.completions.try_send(Completion {
                delivery,
                begun: self.begun,
                callback: None,
            });
        }
    }
}

fn settle(
    verdict: crate::error::Result<Sent>,
    begun: Instant,
    delivery: &Delivery,
    meter: &ProducerMeter,
) -> Result<Sent> {
    match verdict {
        Ok(sent) => {
            if let Some(decided) = delivery.decided_at() {
                meter.acknowledged(decided.saturating_duration_since(begun));
            }
            Ok(sent)
        }
        Err(error) => {
            meter.failed();
            Err(Error::from_client(error, During::Produce))
        }
    }
}

/// Awaits verdicts and calls callbacks, of each partition in order, until all senders are gone.
async fn complete(mut received: mpsc::Receiver<Completion>, meter: Arc<ProducerMeter>) {
    let mut queues: HashMap<TopicPartition, VecDeque<Completion>> = HashMap::new();
    let mut heads = FuturesUnordered::new();
    let mut waiting = 0;
    let mut is_open = true;
    while is_open || waiting > 0 {
        tokio::select! {
            biased;
            Some((verdict, head)) = heads.next(), if waiting > 0 => {
                let head: Completion = head;
                let partition = head.delivery.topic_partition().clone();
                finish(verdict, head, &meter);
                waiting -= 1;
                let Some(queue) = queues.get_mut(&partition) else { continue };
                // What comes behind the first of a batch has mostly been decided with it.
                while let Some(verdict) = queue.front().and_then(|next| next.delivery.try_get()) {
                    let Some(next) = queue.pop_front() else { break };
                    finish(verdict, next, &meter);
                    waiting -= 1;
                }
                match queue.pop_front() {
                    Some(next) => heads.push(first(next)),
                    None => { queues.remove(&partition); }
                }
            }
            next = received.recv(), if is_open && waiting < COMPLETIONS => match next {
                Some(completion) => {
                    waiting += 1;
                    match queues.get_mut(completion.delivery.topic_partition()) {
                        Some(queue) => queue.push_back(completion),
                        None => {
                            queues.insert(completion.delivery.topic_partition().clone(), VecDeque::new());
                            heads.push(first(completion));
                        }
                    }
                }
                None => is_open = false,
            },
        }
    }
}

/// Waits for the verdict of the first message of a partition that has none.
async fn first(mut completion: Completion) -> (crate::error::Result<Sent>, Completion) {
    let verdict = (&mut completion.delivery).await;
    (verdict, completion)
}

fn finish(verdict: crate::error::Result<Sent>, completion: Completion, meter: &ProducerMeter) {
    let settled = settle(verdict, completion.begun, &completion.delivery, meter);
    if let Some(callback) = completion.callback
        && std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| callback(settled))).is_err()
    {
        // It was the caller's last wish for its message; the others have theirs.
        tracing::error!("a callback of send_async panicked");
    }
}

fn framed(topic: &str, key: Option<&[u8]>, value: &[u8], headers: &[MessageHeader]) -> Message {
    let mut message = Message::new(topic, value.to_vec());
    message.key = key.map(|key| key.to_vec().into());
    message.headers = headers.to_vec();
    message
}

#[inline]
fn payload(record: &Record<'_>) -> usize {
    record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len)
}
