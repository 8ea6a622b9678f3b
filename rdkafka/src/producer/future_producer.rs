//! A producer whose deliveries are futures.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_channel::oneshot;

use crate::client::{Client, ClientContext, DefaultClientContext, OAuthToken};
use crate::config::{ClientConfig, FromClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use crate::consumer::ConsumerGroupMetadata;
use crate::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use crate::message::{Message, OwnedHeaders, OwnedMessage, Timestamp, ToBytes};
use crate::producer::base_producer::{producer_by, record_setters};
use crate::producer::{
    BaseRecord, DeliveryResult, NoCustomPartitioner, Partitioner, Producer, ProducerContext,
    PurgeConfig, ThreadedProducer,
};
use crate::statistics::Statistics;
use crate::topic_partition_list::TopicPartitionList;
use crate::util::{AsyncRuntime, DefaultRuntime, IntoOpaque, Timeout};

/// How often a full queue is tried again.
const TURN: Duration = Duration::from_millis(100);

/// A message for a [`FutureProducer`].
#[derive(Debug)]
pub struct FutureRecord<'a, K: ToBytes + ?Sized, P: ToBytes + ?Sized> {
    /// The topic.
    pub topic: &'a str,
    /// The partition; `None` leaves it to the partitioner.
    pub partition: Option<i32>,
    /// The value.
    pub payload: Option<&'a P>,
    /// The key.
    pub key: Option<&'a K>,
    /// The timestamp in milliseconds since 1970; `None` for the present time.
    pub timestamp: Option<i64>,
    /// The headers.
    pub headers: Option<OwnedHeaders>,
}

impl<'a, K: ToBytes + ?Sized, P: ToBytes + ?Sized> FutureRecord<'a, K, P> {
    /// Creates a message for a topic.
    pub fn to(topic: &'a str) -> Self {
        let (partition, payload, key, timestamp, headers) = (None, None, None, None, None);
        Self { topic, partition, payload, key, timestamp, headers }
    }

    record_setters!();

    fn from_base<D: IntoOpaque>(record: BaseRecord<'a, K, P, D>) -> Self {
        let BaseRecord { topic, partition, payload, key, timestamp, headers, .. } = record;
        Self { topic, partition, payload, key, timestamp, headers }
    }

    fn into_base<D: IntoOpaque>(self, delivery_opaque: D) -> BaseRecord<'a, K, P, D> {
        let Self { topic, partition, payload, key, timestamp, headers } = self;
        BaseRecord { topic, partition, payload, key, timestamp, headers, delivery_opaque }
    }
}

/// The context of a [`FutureProducer`], around the program's.
#[derive(Clone, Debug)]
pub struct FutureProducerContext<C: ClientContext + 'static> {
    wrapped_context: C,
}

/// Where a message was written.
#[derive(Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// The timestamp.
    pub timestamp: Timestamp,
}

/// What became of a message; one that was not written is given back.
pub type OwnedDeliveryResult = Result<Delivery, (KafkaError, OwnedMessage)>;

impl<C: ClientContext + 'static> ClientContext for FutureProducerContext<C> {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = C::ENABLE_REFRESH_OAUTH_TOKEN;

    fn log(&self, level: RDKafkaLogLevel, fac: &str, log_message: &str) {
        self.wrapped_context.log(level, fac, log_message);
    }

    fn stats(&self, statistics: Statistics) {
        self.wrapped_context.stats(statistics);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.wrapped_context.stats_raw(statistics);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.wrapped_context.error(error, reason);
    }

    fn generate_oauth_token(
        &self,
        oauthbearer_config: Option<&str>,
    ) -> Result<OAuthToken, Box<dyn Error>> {
        self.wrapped_context.generate_oauth_token(oauthbearer_config)
    }
}

impl<C: ClientContext + 'static, Part: Partitioner> ProducerContext<Part>
    for FutureProducerContext<C>
{
    type DeliveryOpaque = Box<oneshot::Sender<OwnedDeliveryResult>>;

    fn delivery(&self, delivery_result: &DeliveryResult<'_>, waiting: Self::DeliveryOpaque) {
        let outcome = match delivery_result {
            Ok(message) => Ok(Delivery {
                partition: message.partition(),
                offset: message.offset(),
                timestamp: message.timestamp(),
            }),
            Err((error, message)) => Err((error.clone(), message.detach())),
        };
        // Nobody has to wait for it.
        let _ = waiting.send(outcome);
    }
}

/// A producer whose deliveries are futures. Cheap to clone.
#[must_use = "dropping a producer gives up what it has not sent"]
pub struct FutureProducer<C = DefaultClientContext, R = DefaultRuntime, Part = NoCustomPartitioner>
where
    Part: Partitioner,
    C: ClientContext + 'static,
{
    producer: std::sync::Arc<ThreadedProducer<FutureProducerContext<C>, Part>>,
    runtime: PhantomData<fn() -> R>,
}

impl<C: ClientContext + 'static, R> Clone for FutureProducer<C, R> {
    fn clone(&self) -> Self {
        Self { producer: std::sync::Arc::clone(&self.producer), runtime: PhantomData }
    }
}

impl<R: AsyncRuntime> FromClientConfig for FutureProducer<DefaultClientContext, R> {
    fn from_config(config: &ClientConfig) -> KafkaResult<Self> {
        Self::from_config_and_context(config, DefaultClientContext)
    }
}

impl<C: ClientContext + 'static, R: AsyncRuntime> FromClientConfigAndContext<C>
    for FutureProducer<C, R>
{
    fn from_config_and_context(config: &ClientConfig, context: C) -> KafkaResult<Self> {
        let context = FutureProducerContext { wrapped_context: context };
        let producer = ThreadedProducer::from_config_and_context(config, context)?;
        Ok(Self { producer: std::sync::Arc::new(producer), runtime: PhantomData })
    }
}

/// What [`FutureProducer::send_result`] returns: resolves to what became of the message.
#[derive(Debug)]
pub struct DeliveryFuture {
    outcome: oneshot::Receiver<OwnedDeliveryResult>,
}

impl Future for DeliveryFuture {
    type Output = Result<OwnedDeliveryResult, oneshot::Canceled>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.outcome).poll(context)
    }
}

impl<C: ClientContext + 'static, R: AsyncRuntime> FutureProducer<C, R> {
    /// Sends a message, and waits until it is acknowledged or has failed. While the queue is full,
    /// it is tried again for `queue_timeout`.
    ///
    /// # Errors
    /// [`KafkaError::MessageProduction`], with the message.
    pub async fn send<K, P, T>(
        &self,
        record: FutureRecord<'_, K, P>,
        queue_timeout: T,
    ) -> OwnedDeliveryResult
    where
        K: ToBytes + ?Sized,
        P: ToBytes + ?Sized,
        T: Into<Timeout>,
    {
        let deadline = queue_timeout.into().deadline();
        let (done, outcome) = oneshot::channel();
        let mut record = record.into_base(Box::new(done));
        loop {
            let full = KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);
            match self.producer.send(record) {
                Ok(()) => {
                    return outcome.await.unwrap_or_else(|_| panic!("the producer has ended"));
                }
                Err((error, back)) if error == full && !deadline.has_passed() => {
                    record = back;
                    R::delay_for(deadline.left_up_to(TURN)).await;
                }
                Err((error, record)) => return Err((error, record.to_message())),
            }
        }
    }

    /// Sends a message, without waiting.
    ///
    /// # Errors
    /// [`KafkaError::MessageProduction`], with the record.
    pub fn send_result<'a, K, P>(
        &self,
        record: FutureRecord<'a, K, P>,
    ) -> Result<DeliveryFuture, (KafkaError, FutureRecord<'a, K, P>)>
    where
        K: ToBytes + ?Sized,
        P: ToBytes + ?Sized,
    {
        let (done, outcome) = oneshot::channel();
        match self.producer.send(record.into_base(Box::new(done))) {
            Ok(()) => Ok(DeliveryFuture { outcome }),
            Err((error, record)) => Err((error, FutureRecord::from_base(record))),
        }
    }

    /// Polls, which a thread does anyway.
    pub fn poll<T: Into<Timeout>>(&self, timeout: T) {
        self.producer.poll(timeout);
    }
}

impl<C, R, Part> Producer<FutureProducerContext<C>, Part> for FutureProducer<C, R, Part>
where
    C: ClientContext + 'static,
    R: AsyncRuntime,
    Part: Partitioner,
{
    fn client(&self) -> &Client<FutureProducerContext<C>> {
        self.producer.client()
    }

    producer_by!(producer);
}

impl<C: ClientContext + 'static, R, Part: Partitioner> fmt::Debug for FutureProducer<C, R, Part> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FutureProducer").field("producer", &self.producer).finish()
    }
}
