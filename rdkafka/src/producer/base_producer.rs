//! Producers that tell a context of deliveries when they are polled.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::client::Client;
use crate::config::{ClientConfig, FromClientConfig, FromClientConfigAndContext};
use crate::consumer::ConsumerGroupMetadata;
use crate::error::{KafkaError, KafkaResult, RDKafkaError, RDKafkaErrorCode};
use crate::events::{self, Events};
use crate::log::warn;
use crate::message::{BorrowedMessage, OwnedHeaders, OwnedMessage, Timestamp, ToBytes};
use crate::producer::outbox::{Outbox, ProducerEvent, Sending};
use crate::producer::partitioning::OfContext;
use crate::producer::transactions::{Command, Transactions};
use crate::producer::{
    DefaultProducerContext, NoCustomPartitioner, Partitioner, Producer, ProducerContext,
    PurgeConfig,
};
use crate::runtime;
use crate::topic_partition_list::TopicPartitionList;
use crate::util::{Deadline, IntoOpaque, Timeout};

pub use crate::message::DeliveryResult;

/// How long dropping a producer waits for the context to hear of what is given up.
const FAREWELL: Duration = Duration::from_millis(500);

/// How often a thread that polls looks whether it is to end.
const TURN: Duration = Duration::from_millis(100);

/// What is set in the same way in the records of both kinds of producers.
macro_rules! record_setters {
    () => {
        /// Sets the partition.
        #[must_use]
        pub fn partition(mut self, partition: i32) -> Self {
            self.partition = Some(partition);
            self
        }

        /// Sets the value.
        #[must_use]
        pub fn payload(mut self, payload: &'a P) -> Self {
            self.payload = Some(payload);
            self
        }

        /// Sets the key.
        #[must_use]
        pub fn key(mut self, key: &'a K) -> Self {
            self.key = Some(key);
            self
        }

        /// Sets the timestamp, in milliseconds since 1970.
        #[must_use]
        pub fn timestamp(mut self, timestamp: i64) -> Self {
            self.timestamp = Some(timestamp);
            self
        }

        /// Sets the headers.
        #[must_use]
        pub fn headers(mut self, headers: OwnedHeaders) -> Self {
            self.headers = Some(headers);
            self
        }
    };
}
pub(super) use record_setters;

/// A message for a [`BaseProducer`] or a [`ThreadedProducer`].
#[derive(Debug)]
pub struct BaseRecord<'a, K: ToBytes + ?Sized = (), P: ToBytes + ?Sized = (), D: IntoOpaque = ()> {
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
    /// What is given back with the delivery.
    pub delivery_opaque: D,
}

impl<'a, K: ToBytes + ?Sized, P: ToBytes + ?Sized, D: IntoOpaque> BaseRecord<'a, K, P, D> {
    /// Creates a message for a topic, with what is given back with its delivery.
    pub fn with_opaque_to(topic: &'a str, delivery_opaque: D) -> Self {
        Self {
            topic,
            partition: None,
            payload: None,
            key: None,
            timestamp: None,
            headers: None,
            delivery_opaque,
        }
    }

    record_setters!();

    /// Sets the topic.
    #[must_use]
    pub fn topic(mut self, topic: &'a str) -> Self {
        self.topic = topic;
        self
    }

    /// Sets what is given back with the delivery.
    #[must_use]
    pub fn delivery_opaque(mut self, delivery_opaque: D) -> Self {
        self.delivery_opaque = delivery_opaque;
        self
    }

    /// The message with memory of its own.
    pub(crate) fn to_message(&self) -> OwnedMessage {
        OwnedMessage {
            payload: self.payload.map(|payload| payload.to_bytes().to_vec()),
            key: self.key.map(|key| key.to_bytes().to_vec()),
            topic: self.topic.to_owned(),
            timestamp: self.timestamp.map_or(Timestamp::NotAvailable, Timestamp::CreateTime),
            partition: self.partition.unwrap_or(-1),
            offset: 0,
            headers: self.headers.clone(),
        }
    }
}

impl<'a, K: ToBytes + ?Sized, P: ToBytes + ?Sized> BaseRecord<'a, K, P, ()> {
    /// Creates a message for a topic.
    pub fn to(topic: &'a str) -> Self {
        Self::with_opaque_to(topic, ())
    }
}

/// A producer that has to be polled, so that its context hears of deliveries.
#[must_use = "dropping a producer gives up what it has not sent"]
pub struct BaseProducer<C = DefaultProducerContext, Part = NoCustomPartitioner>
where
    Part: Partitioner,
    C: ProducerContext<Part>,
{
    client: Client<C>,
    outbox: Arc<Outbox<C::DeliveryOpaque>>,
    partitioner: PhantomData<Part>,
}

impl FromClientConfig for BaseProducer<DefaultProducerContext> {
    fn from_config(config: &ClientConfig) -> KafkaResult<Self> {
        Self::from_config_and_context(config, DefaultProducerContext)
    }
}

impl<C, Part> FromClientConfigAndContext<C> for BaseProducer<C, Part>
where
    Part: Partitioner,
    C: ProducerContext<Part>,
{
    fn from_config_and_context(config: &ClientConfig, context: C) -> KafkaResult<Self> {
        let created = |error: kavka::Error| KafkaError::ClientCreation(error.to_string());
        let config = config.create_native_config()?;
        let events = Arc::new(Events::default());
        let client = {
            let events = Arc::clone(&events);
            let tell = move |event| events::tell(&events, event, ProducerEvent::Client);
            Client::create(&config, Arc::new(context), tell)?
        };
        let mut properties = config.properties();
        // How long a call may wait is each call's own argument.
        properties.set("max.block.ms", i32::MAX.to_string());
        let mut settings = kavka::ProducerConfig::from_properties(&properties).map_err(created)?;
        if client.context().get_custom_partitioner().is_some() {
            let is_for_keys = config.number("sticky.partitioning.linger.ms") > 0;
            let context = Arc::clone(client.context());
            settings = settings.partitioner(OfContext::new(context, is_for_keys));
        }
        let _runtime = runtime::enter();
        let sending = if config.text("transactional.id").is_some() {
            let producer = client.kavka().transactional_producer(settings).map_err(created)?;
            Sending::Transactional(Transactions::start(producer))
        } else {
            Sending::Plain(client.kavka().producer(settings).map_err(created)?)
        };
        let most = match config.number("queue.buffering.max.messages") {
            0 => usize::MAX,
            most => usize::try_from(most).unwrap_or(usize::MAX),
        };
        let outbox = Outbox::new(sending, events, most, config.time("message.timeout.ms"));
        Ok(Self { client, outbox, partitioner: PhantomData })
    }
}

impl<C, Part> BaseProducer<C, Part>
where
    Part: Partitioner,
    C: ProducerContext<Part>,
{
    /// Tells the context what has happened, until the time has run out.
    pub fn poll<T: Into<Timeout>>(&self, timeout: T) {
        self.serve_until(timeout.into().deadline(), || false);
    }

    /// Accepts a message, which is copied. It never waits.
    ///
    /// # Errors
    /// [`KafkaError::MessageProduction`], with the record:
    /// [`RDKafkaErrorCode::QueueFull`] if `queue.buffering.max.messages` or
    /// `queue.buffering.max.kbytes` is reached, so that the producer has to be polled first.
    pub fn send<'a, K, P>(
        &self,
        record: BaseRecord<'a, K, P, C::DeliveryOpaque>,
    ) -> Result<(), (KafkaError, BaseRecord<'a, K, P, C::DeliveryOpaque>)>
    where
        K: ToBytes + ?Sized,
        P: ToBytes + ?Sized,
    {
        // Before the copy: a full queue is tried again and again.
        if let Err(error) = self.outbox.reserve() {
            return Err((error, record));
        }
        let message = record.to_message();
        let BaseRecord { topic, partition, payload, key, timestamp, headers, delivery_opaque } =
            record;
        self.outbox.send(message, delivery_opaque).map_err(|(error, delivery_opaque)| {
            let record =
                BaseRecord { topic, partition, payload, key, timestamp, headers, delivery_opaque };
            (error, record)
        })
    }

    fn serve_until(&self, deadline: Deadline, is_enough: impl Fn() -> bool) {
        let events = &self.outbox.events;
        runtime::wait_for(events.wakers(), deadline, || {
            while let Some(event) = events.pop() {
                self.serve(event);
                if deadline.has_passed() {
                    break;
                }
            }
            is_enough().then_some(())
        });
    }

    fn serve(&self, event: ProducerEvent<C::DeliveryOpaque>) {
        let context = self.client.context();
        match event {
            ProducerEvent::Client(event) => event.serve(&**context),
            ProducerEvent::Delivered(outcome, message, opaque) => {
                let message = BorrowedMessage::produced(message);
                let delivered = match outcome {
                    Ok(()) => Ok(message),
                    Err(error) => Err((error, message)),
                };
                self.outbox.heard();
                context.delivery(&delivered, opaque);
            }
        }
    }

    fn transact(&self, command: Command, timeout: Timeout) -> KafkaResult<()> {
        match &self.outbox.sending {
            Sending::Transactional(transactions) => transactions.call(command, timeout),
            Sending::Plain(_) => Err(KafkaError::Transaction(RDKafkaError::not_configured())),
        }
    }
}

impl<C, Part> Producer<C, Part> for BaseProducer<C, Part>
where
    Part: Partitioner,
    C: ProducerContext<Part>,
{
    fn client(&self) -> &Client<C> {
        &self.client
    }

    fn in_flight_count(&self) -> i32 {
        i32::try_from(self.outbox.unheard()).unwrap_or(i32::MAX)
    }

    fn flush<T: Into<Timeout>>(&self, timeout: T) -> KafkaResult<()> {
        self.outbox.hurry();
        self.serve_until(timeout.into().deadline(), || self.outbox.unheard() == 0);
        match self.outbox.unheard() {
            0 => Ok(()),
            _ => Err(KafkaError::Flush(RDKafkaErrorCode::OperationTimedOut)),
        }
    }

    fn purge(&self, flags: PurgeConfig) {
        self.outbox.purge(flags);
    }

    fn init_transactions<T: Into<Timeout>>(&self, timeout: T) -> KafkaResult<()> {
        self.transact(Command::Init, timeout.into())
    }

    fn begin_transaction(&self) -> KafkaResult<()> {
        self.transact(Command::Begin, Timeout::Never)
    }

    fn send_offsets_to_transaction<T: Into<Timeout>>(
        &self,
        offsets: &TopicPartitionList,
        cgm: &ConsumerGroupMetadata,
        timeout: T,
    ) -> KafkaResult<()> {
        let command = Command::Offsets(offsets.committable(), cgm.0.clone());
        self.transact(command, timeout.into())
    }

    fn commit_transaction<T: Into<Timeout>>(&self, timeout: T) -> KafkaResult<()> {
        let timeout = timeout.into();
        self.flush(timeout)?;
        self.transact(Command::Commit, timeout)
    }

    fn abort_transaction<T: Into<Timeout>>(&self, timeout: T) -> KafkaResult<()> {
        self.transact(Command::Abort, timeout.into())
    }
}

impl<C, Part> Drop for BaseProducer<C, Part>
where
    Part: Partitioner,
    C: ProducerContext<Part>,
{
    fn drop(&mut self) {
        self.purge(PurgeConfig::default().queue().inflight());
        if let Err(error) = self.flush(FAREWELL) {
            warn!(
                "the producer was dropped with messages of which its context has not heard: {error}"
            );
        }
    }
}

impl<C, Part> fmt::Debug for BaseProducer<C, Part>
where
    Part: Partitioner,
    C: ProducerContext<Part>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BaseProducer").field("client", &self.client).finish_non_exhaustive()
    }
}

/// A [`BaseProducer`] with a thread that polls it.
#[must_use = "dropping a producer gives up what it has not sent"]
pub struct ThreadedProducer<C, Part: Partitioner = NoCustomPartitioner>
where
    C: ProducerContext<Part>,
{
    producer: Arc<BaseProducer<C, Part>>,
    thread: Option<Arc<Polling>>,
}

/// The thread, which ends when nobody needs it any more.
struct Polling {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Polling {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            warn!("the thread that polls a producer has panicked");
        }
    }
}

impl FromClientConfig for ThreadedProducer<DefaultProducerContext> {
    fn from_config(config: &ClientConfig) -> KafkaResult<Self> {
        Self::from_config_and_context(config, DefaultProducerContext)
    }
}

impl<C, Part> FromClientConfigAndContext<C> for ThreadedProducer<C, Part>
where
    Part: Partitioner,
    C: ProducerContext<Part>,
{
    fn from_config_and_context(config: &ClientConfig, context: C) -> KafkaResult<Self> {
        let producer = Arc::new(BaseProducer::from_config_and_context(config, context)?);
        let is_over = Arc::new(AtomicBool::new(false));
        let polled = Arc::clone(&producer);
        let ends = Arc::clone(&is_over);
        let thread = thread::Builder::new()
            .name("producer polling thread".to_owned())
            .spawn(move || {
                while !ends.load(Ordering::Acquire) {
                    polled.poll(TURN);
                }
            })
            .map_err(|error| KafkaError::ClientCreation(error.to_string()))?;
        let thread = Some(Arc::new(Polling { is_over, thread: Some(thread) }));
        Ok(Self { producer, thread })
    }
}

impl<C, Part> ThreadedProducer<C, Part>
where
    Part: Partitioner,
    C: ProducerContext<Part>,
{
    /// Accepts a message: see [`BaseProducer::send`].
    ///
    /// # Errors
    /// As there.
    pub fn send<'a, K, P>(
        &self,
        record: BaseRecord<'a, K, P, C::DeliveryOpaque>,
    ) -> Result<(), (KafkaError, BaseRecord<'a, K, P, C::DeliveryOpaque>)>
    where
        K: ToBytes + ?Sized,
        P: ToBytes + ?Sized,
    {
        self.producer.send(record)
    }

    /// Polls, which the thread does anyway.
    pub fn poll<T: Into<Timeout>>(&self, timeout: T) {
        self.producer.poll(timeout);
    }
}

/// What a producer leaves to another that it has inside.
macro_rules! producer_by {
    ($field:ident) => {
        fn in_flight_count(&self) -> i32 {
            self.$field.in_flight_count()
        }

        fn flush<T: Into<Timeout>>(&self, timeout: T) -> KafkaResult<()> {
            self.$field.flush(timeout)
        }

        fn purge(&self, flags: PurgeConfig) {
            self.$field.purge(flags);
        }

        fn init_transactions<T: Into<Timeout>>(&self, timeout: T) -> KafkaResult<()> {
            self.$field.init_transactions(timeout)
        }

        fn begin_transaction(&self) -> KafkaResult<()> {
            self.$field.begin_transaction()
        }

        fn send_offsets_to_transaction<T: Into<Timeout>>(
            &self,
            offsets: &TopicPartitionList,
            cgm: &ConsumerGroupMetadata,
            timeout: T,
        ) -> KafkaResult<()> {
            self.$field.send_offsets_to_transaction(offsets, cgm, timeout)
        }

        fn commit_transaction<T: Into<Timeout>>(&self, timeout: T) -> KafkaResult<()> {
            self.$field.commit_transaction(timeout)
        }

        fn abort_transaction<T: Into<Timeout>>(&self, timeout: T) -> KafkaResult<()> {
            self.$field.abort_transaction(timeout)
        }
    };
}
pub(super) use producer_by;

impl<C, Part> Producer<C, Part> for ThreadedProducer<C, Part>
where
    Part: Partitioner,
    C: ProducerContext<Part>,
{
    fn client(&self) -> &Client<C> {
        self.producer.client()
    }

    producer_by!(producer);
}

impl<C: ProducerContext> Clone for ThreadedProducer<C> {
    fn clone(&self) -> Self {
        Self { producer: Arc::clone(&self.producer), thread: self.thread.clone() }
    }
}

impl<C, Part> fmt::Debug for ThreadedProducer<C, Part>
where
    Part: Partitioner,
    C: ProducerContext<Part>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadedProducer").field("producer", &self.producer).finish()
    }
}
