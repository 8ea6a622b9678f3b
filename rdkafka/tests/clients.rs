//! Programs as users of rust-rdkafka write them, on the embedded cluster over TCP: threads that block,
//! callbacks, and futures on whatever runtime.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt as _;
use kavka_testcontainers::embedded::{ApiKey, EmbeddedCluster, ErrorCode, Fault, Reaction};
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{
    BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance, StreamConsumer,
};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{Header, Headers, OwnedHeaders};
use rdkafka::producer::{
    BaseProducer, BaseRecord, DeliveryResult, FutureProducer, FutureRecord, Producer,
    ProducerContext, PurgeConfig, ThreadedProducer,
};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::util::Timeout;
use rdkafka::{ClientConfig, ClientContext, Message, Offset, Timestamp, TopicPartitionList};
use tokio::runtime::Runtime;

const SOON: Duration = Duration::from_secs(20);

/// A cluster on threads of its own, as the tests block theirs.
struct Kafka {
    cluster: EmbeddedCluster,
    runtime: Runtime,
}

impl Kafka {
    fn with(topics: &[(&str, i32)]) -> Self {
        let runtime = Runtime::new().expect("threads");
        let builder = topics.iter().fold(EmbeddedCluster::builder().tcp(), |builder, topic| {
            builder.topic(topic.0, topic.1, 1)
        });
        let cluster = runtime.block_on(builder.start()).expect("a port");
        Self { cluster, runtime }
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.cluster.bootstrap_servers());
        config
    }

    fn group(&self, group: &str) -> ClientConfig {
        let mut config = self.config();
        config
            .set("group.id", group)
            .set("auto.offset.reset", "earliest")
            .set("enable.auto.commit", "false");
        config
    }

    /// Writes values that are the numbers up to `count`, all to one partition.
    fn fill(&self, topic: &str, partition: i32, count: usize) {
        let producer: ThreadedProducer<_> =
            self.config().create::<ThreadedProducer<_>>().expect("a producer");
        for number in 0..count {
            let value = number.to_string();
            let record = BaseRecord::<str, str>::to(topic).partition(partition).payload(&value);
            producer.send(record).map_err(|(error, _)| error).expect("room");
        }
        producer.flush(SOON).expect("all are acknowledged");
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        self.runtime.block_on(self.cluster.shutdown());
    }
}

/// The values of the next messages.
fn values<C: ConsumerContext>(consumer: &BaseConsumer<C>, count: usize) -> Vec<String> {
    let texts = consumer.iter().take(count).map(|message| {
        let message = message.expect("a message");
        message.payload_view::<str>().expect("a value").expect("text").to_owned()
    });
    texts.collect()
}

#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<(usize, Result<i64, KafkaError>)>>>);

impl ClientContext for Heard {}

impl ProducerContext for Heard {
    type DeliveryOpaque = usize;

    fn delivery(&self, delivered: &DeliveryResult<'_>, opaque: usize) {
        let outcome = match delivered {
            Ok(message) => Ok(message.offset()),
            Err((error, message)) => {
                assert_eq!(message.payload(), Some(&b"v"[..]), "it is given back");
                Err(error.clone())
            }
        };
        self.0.lock().expect("no panic").push((opaque, outcome));
    }
}

#[tokio::test]
async fn futures_tell_where_messages_were_written_and_streams_have_them() {
    let kafka = tokio::task::spawn_blocking(|| Kafka::with(&[("t", 1)])).await.expect("started");
    let producer: FutureProducer = kafka.config().create().expect("a producer");
    let headers = OwnedHeaders::new()
        .insert(Header { key: "a", value: Some("1") })
        .insert(Header { key: "b", value: None::<&str> });
    for offset in 0..3 {
        let record = FutureRecord::to("t").key("k").payload("v").headers(headers.clone());
        let delivery = producer.send(record.timestamp(1234), Timeout::Never).await;
        let delivery = delivery.map_err(|(error, _)| error).expect("acknowledged");
        assert_eq!((delivery.partition, delivery.offset), (0, offset));
    }
    let consumer: StreamConsumer = kafka.group("g").create().expect("a consumer");
    consumer.subscribe(&["t"]).expect("subscribed");
    for offset in 0..3 {
        let message = consumer.recv().await.expect("a message");
        assert_eq!((message.offset(), message.key()), (offset, Some(&b"k"[..])));
        assert_eq!(message.timestamp(), Timestamp::CreateTime(1234));
        let headers: Vec<_> = message.headers().expect("there are some").iter().collect();
        let expected =
            [Header { key: "a", value: Some(&b"1"[..]) }, Header { key: "b", value: None }];
        assert_eq!(headers, expected);
        consumer.commit_message(&message, CommitMode::Sync).expect("committed");
    }
    drop(consumer);
    let consumer: BaseConsumer = kafka.group("g").create().expect("a consumer");
    let mut list = TopicPartitionList::new();
    list.add_partition("t", 0);
    let committed = consumer.committed_offsets(list, SOON).expect("an answer");
    assert_eq!(committed.elements()[0].offset(), Offset::Offset(3));
    drop((consumer, producer));
    tokio::task::spawn_blocking(|| drop(kafka)).await.expect("ended");
}

#[test]
fn deliveries_are_heard_in_their_order_when_the_producer_is_polled() {
    let kafka = Kafka::with(&[("t", 1)]);
    let heard = Heard::default();
    let producer: BaseProducer<Heard> =
        kafka.config().create_with_context(heard.clone()).expect("a producer");
    for number in 0..100 {
        let record = BaseRecord::<str, str, _>::with_opaque_to("t", number).payload("v");
        producer.send(record).map_err(|(error, _)| error).expect("room");
    }
    assert_eq!(producer.in_flight_count(), 100, "nothing is heard before a poll");
    producer.flush(SOON).expect("all are acknowledged");
    assert_eq!(producer.in_flight_count(), 0);
    let heard = heard.0.lock().expect("no panic");
    let expected: Vec<_> = (0..100).map(|number| (number, Ok(number as i64))).collect();
    assert_eq!(*heard, expected);
}

#[test]
fn a_full_queue_gives_the_record_back() {
    let kafka = Kafka::with(&[("t", 1)]);
    let heard = Heard::default();
    let mut config = kafka.config();
    config.set("queue.buffering.max.messages", "2");
    let producer: BaseProducer<Heard> =
        config.create_with_context(heard.clone()).expect("a producer");
    let send = |number| {
        let record = BaseRecord::<str, str, _>::with_opaque_to("t", number).payload("v");
        producer.send(record).map_err(|(error, record)| (error, record.delivery_opaque))
    };
    assert_eq!((send(0), send(1)), (Ok(()), Ok(())));
    let full = KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);
    assert_eq!(send(2), Err((full, 2)));
    producer.flush(SOON).expect("all are acknowledged");
    assert_eq!(send(3), Ok(()), "there is room once the context has heard");
    producer.flush(SOON).expect("all are acknowledged");
    assert_eq!(heard.0.lock().expect("no panic").len(), 3);
}

#[test]
fn what_is_purged_or_left_at_the_end_fails_with_the_code_that_tells_where_it_was() {
    let kafka = Kafka::with(&[("t", 1)]);
    kafka.cluster.fault(Fault::on(ApiKey::Produce).times(1000).then(Reaction::DropReply));
    let heard = Heard::default();
    let producer: BaseProducer<Heard> =
        kafka.config().create_with_context(heard.clone()).expect("a producer");
    let send = |topic, number| {
        let record = BaseRecord::<str, str, _>::with_opaque_to(topic, number).payload("v");
        producer.send(record).map_err(|(error, _)| error).expect("room");
    };
    send("no-such-topic", 0);
    producer.purge(PurgeConfig::default().queue());
    producer.poll(Duration::ZERO);
    let purged = |code| Err(KafkaError::MessageProduction(code));
    let first = heard.0.lock().expect("no panic").first().cloned();
    assert_eq!(first, Some((0, purged(RDKafkaErrorCode::PurgeQueue))));
    send("t", 1);
    while kafka.cluster.requests_of(ApiKey::Produce).is_empty() {
        producer.poll(Duration::from_millis(10));
    }
    drop(producer);
    let last = heard.0.lock().expect("no panic").last().cloned();
    assert_eq!(last, Some((1, purged(RDKafkaErrorCode::PurgeInflight))));
}

#[test]
fn transactions_are_committed_with_offsets_or_leave_nothing() {
    let kafka = Kafka::with(&[("in", 1), ("out", 1)]);
    kafka.fill("in", 0, 2);
    let consumer: BaseConsumer = kafka.group("g").create().expect("a consumer");
    consumer.subscribe(&["in"]).expect("subscribed");
    assert_eq!(values(&consumer, 2), ["0", "1"]);
    let mut config = kafka.config();
    config.set("transactional.id", "id");
    let producer: BaseProducer = config.create().expect("a producer");
    let record = || BaseRecord::<str, str>::to("out").payload("v");
    let early = producer.send(record()).map_err(|(error, _)| error);
    assert_eq!(early, Err(KafkaError::MessageProduction(RDKafkaErrorCode::State)));
    producer.init_transactions(SOON).expect("ready");
    for commits in [false, true] {
        producer.begin_transaction().expect("begun");
        producer.send(record()).map_err(|(error, _)| error).expect("room");
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition_offset("in", 0, Offset::Offset(1 + i64::from(commits))).expect("one");
        let group = consumer.group_metadata().expect("it is a member");
        producer.send_offsets_to_transaction(&offsets, &group, SOON).expect("sent");
        match commits {
            true => producer.commit_transaction(SOON).expect("committed"),
            false => producer.abort_transaction(SOON).expect("aborted"),
        }
        let committed = consumer.committed(SOON).expect("an answer");
        let expected = if commits { Offset::Offset(2) } else { Offset::Invalid };
        assert_eq!(committed.elements()[0].offset(), expected);
    }
    let mut config = kafka.group("readers");
    config.set("enable.partition.eof", "true");
    let reader: BaseConsumer = config.create().expect("a consumer");
    let mut list = TopicPartitionList::new();
    list.add_partition("out", 0);
    reader.assign(&list).expect("assigned");
    let seen: Vec<_> = reader.iter().map(|message| message.map(|_| ())).take(2).collect();
    assert_eq!(seen, [Ok(()), Err(KafkaError::PartitionEOF(0))], "read_committed is the default");
}

/// Notes rebalances, and begins each partition at offset 2.
#[derive(Clone, Default)]
struct StartsAtTwo(Arc<Mutex<Vec<String>>>);

impl ClientContext for StartsAtTwo {}

impl ConsumerContext for StartsAtTwo {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        error: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        let notes = |what: &str| self.0.lock().expect("no panic").push(what.to_owned());
        match error {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                for mut element in list.elements() {
                    element.set_offset(Offset::Offset(2)).expect("a number");
                }
                consumer.assign(list).expect("assigned");
                notes("assigned");
            }
            _ => {
                // Other members wait for it, so that what was done can still be committed.
                consumer.commit_consumer_state(CommitMode::Sync).expect("committed");
                consumer.unassign().expect("unassigned");
                notes("revoked");
            }
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        let offsets: Vec<_> = offsets.elements().iter().map(|element| element.offset()).collect();
        self.0.lock().expect("no panic").push(format!("{result:?} {offsets:?}"));
    }
}

#[test]
fn a_context_handles_rebalances_on_the_thread_that_polls() {
    let kafka = Kafka::with(&[("t", 1)]);
    kafka.fill("t", 0, 5);
    let context = StartsAtTwo::default();
    let consumer: BaseConsumer<_> =
        kafka.group("g").create_with_context(context.clone()).expect("a consumer");
    consumer.subscribe(&["t"]).expect("subscribed");
    assert_eq!(values(&consumer, 2), ["2", "3"]);
    let position = consumer.position().expect("a group");
    assert_eq!(position.elements()[0].offset(), Offset::Offset(4));
    drop(consumer);
    let notes = context.0.lock().expect("no panic").clone();
    assert_eq!(notes.first().map(String::as_str), Some("assigned"));
    assert!(notes.contains(&"revoked".to_owned()), "{notes:?}");
    let successor: BaseConsumer = kafka.group("g").create().expect("a consumer");
    successor.subscribe(&["t"]).expect("subscribed");
    assert_eq!(values(&successor, 1), ["4"], "what was committed while it was revoked counts");
}

/// Counts rebalances by the default's two methods.
#[derive(Default)]
struct Counts {
    before: AtomicUsize,
    after: AtomicUsize,
}

impl ClientContext for Counts {}

impl ConsumerContext for Counts {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, _: &Rebalance<'_>) {
        self.before.fetch_add(1, Ordering::Relaxed);
    }

    fn post_rebalance(&self, _: &BaseConsumer<Self>, _: &Rebalance<'_>) {
        self.after.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_poll_ends_without_a_message_when_the_context_has_heard_of_something() {
    let kafka = Kafka::with(&[("t", 1)]);
    let consumer: BaseConsumer<_> =
        kafka.group("g").create_with_context(Counts::default()).expect("a consumer");
    consumer.subscribe(&["t"]).expect("subscribed");
    assert!(consumer.poll(SOON).is_none(), "it is assigned");
    let counts = consumer.context();
    assert_eq!(counts.before.load(Ordering::Relaxed), 1);
    assert_eq!(counts.after.load(Ordering::Relaxed), 1);
}

/// tokio lets a task do so much in one turn, and asks it to let others run: a thread that blocks
/// within one must not wait for a turn that never ends.
#[tokio::test(flavor = "current_thread")]
async fn a_thread_may_block_within_a_task() {
    let kafka = tokio::task::spawn_blocking(|| {
        let kafka = Kafka::with(&[("t", 1)]);
        kafka.fill("t", 0, 1000);
        kafka
    });
    let kafka = kafka.await.expect("started");
    let consumer: BaseConsumer = kafka.group("g").create().expect("a consumer");
    consumer.subscribe(&["t"]).expect("subscribed");
    for number in 0..1000 {
        let message = consumer.iter().next().expect("it never ends").expect("a message");
        assert_eq!(message.offset(), number);
        if number % 100 == 0 {
            // Longer than a task keeps its thread.
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    drop(consumer);
    tokio::task::spawn_blocking(|| drop(kafka)).await.expect("ended");
}

#[test]
fn a_partition_that_is_split_off_has_its_messages_in_its_own_queue() {
    let kafka = Kafka::with(&[("t", 2)]);
    kafka.fill("t", 0, 3);
    kafka.fill("t", 1, 3);
    let consumer: BaseConsumer = kafka.group("g").create().expect("a consumer");
    let consumer = Arc::new(consumer);
    let mut list = TopicPartitionList::new();
    list.add_partition_offset("t", 0, Offset::Offset(1)).expect("a number");
    list.add_partition_offset("t", 1, Offset::OffsetTail(2)).expect("a number");
    consumer.assign(&list).expect("assigned");
    let queue = consumer.split_partition_queue("t", 1).expect("there is one");
    for offset in [1, 2] {
        let message = consumer.poll(SOON).expect("in time").expect("a message");
        assert_eq!((message.partition(), message.offset()), (0, offset));
    }
    assert!(consumer.poll(Duration::ZERO).is_none());
    assert_eq!(consumer.position().expect("a group").elements()[1].offset(), Offset::Invalid);
    for offset in [1, 2] {
        let message = queue.poll(SOON).expect("in time").expect("a message");
        assert_eq!((message.partition(), message.offset()), (1, offset));
    }
}

#[test]
fn a_partition_that_is_paused_is_read_on_where_it_was() {
    let kafka = Kafka::with(&[("t", 1)]);
    kafka.fill("t", 0, 10);
    let consumer: BaseConsumer = kafka.group("g").create().expect("a consumer");
    consumer.subscribe(&["t"]).expect("subscribed");
    assert_eq!(values(&consumer, 4), ["0", "1", "2", "3"]);
    let list = consumer.assignment().expect("assigned");
    consumer.pause(&list).expect("paused");
    assert!(consumer.poll(Duration::from_millis(200)).is_none());
    consumer.resume(&list).expect("resumed");
    assert_eq!(values(&consumer, 2), ["4", "5"]);
    consumer.seek("t", 0, Offset::Beginning, SOON).expect("sought");
    assert_eq!(values(&consumer, 1), ["0"]);
    let unknown = consumer.seek("t", 7, Offset::Beginning, SOON);
    assert!(matches!(unknown, Err(KafkaError::Seek(_))), "{unknown:?}");
}

#[test]
fn only_what_is_stored_is_committed() {
    let kafka = Kafka::with(&[("t", 1)]);
    kafka.fill("t", 0, 5);
    let mut config = kafka.group("g");
    config.set("enable.auto.offset.store", "false");
    let consumer: BaseConsumer = config.create().expect("a consumer");
    consumer.subscribe(&["t"]).expect("subscribed");
    assert_eq!(values(&consumer, 5).len(), 5);
    let nothing = consumer.commit_consumer_state(CommitMode::Sync);
    assert_eq!(nothing, Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset)));
    consumer.store_offset("t", 0, 1).expect("stored");
    consumer.commit_consumer_state(CommitMode::Sync).expect("committed");
    let committed = consumer.committed(SOON).expect("an answer");
    assert_eq!(committed.elements()[0].offset(), Offset::Offset(2));
}

#[test]
fn topics_are_administered() {
    let kafka = Kafka::with(&[]);
    let admin: AdminClient<DefaultClientContext> =
        kafka.config().create().expect("an administrator");
    let options = AdminOptions::new();
    let runtime = Runtime::new().expect("threads");
    runtime.block_on(async {
        let topic = NewTopic::new("t", 1, TopicReplication::Fixed(1));
        let created = admin.create_topics([&topic, &topic], &options).await;
        assert!(created.is_ok(), "{created:?}");
        let bad = NewTopic::new("bad", 1, TopicReplication::Variable(&[&[0], &[0]]));
        let refused = admin.create_topics([&bad], &options).await;
        assert!(matches!(refused, Err(KafkaError::AdminOpCreation(_))), "{refused:?}");
        let grown = admin.create_partitions(&[NewPartitions::new("t", 3)], &options).await;
        assert_eq!(grown, Ok(vec![Ok("t".to_owned())]));
        let topic = ResourceSpecifier::Topic("t");
        let set = AlterConfig::new(topic).set("retention.ms", "1");
        let altered = admin.alter_configs(&[set], &options).await;
        assert!(matches!(&altered.as_deref(), Ok([Ok(_)])), "{altered:?}");
        // What it has set could not be taken back, so nothing is set.
        let denied = Reaction::Answer(ErrorCode::TopicAuthorizationFailed);
        let denied = kafka.cluster.fault(Fault::on(ApiKey::DescribeConfigs).then(denied));
        let set = AlterConfig::new(topic).set("retention.ms", "2");
        let altered = admin.alter_configs(&[set], &options).await;
        let code = RDKafkaErrorCode::TopicAuthorizationFailed;
        assert!(matches!(&altered.as_deref(), Ok([Err((_, of))]) if *of == code), "{altered:?}");
        kafka.cluster.remove_fault(denied);
        let described = admin.describe_configs([&topic], &options).await.expect("an answer");
        let entries = &described[0].as_ref().expect("described").entries;
        let retention = entries.iter().find(|entry| entry.name == "retention.ms").expect("one");
        assert_eq!(retention.value.as_deref(), Some("1"));
        let deleted = admin.delete_topics(&["t", "none"], &options).await;
        let none = ("none".to_owned(), RDKafkaErrorCode::UnknownTopicOrPartition);
        assert_eq!(deleted, Ok(vec![Ok("t".to_owned()), Err(none)]));
    });
}

#[test]
fn metadata_and_watermarks_are_asked_for_from_a_thread() {
    let kafka = Kafka::with(&[("t", 2)]);
    kafka.fill("t", 1, 3);
    let producer: FutureProducer = kafka.config().create().expect("a producer");
    let client = producer.client();
    assert_eq!(client.fetch_watermarks("t", 1, SOON), Ok((0, 3)));
    let metadata = client.fetch_metadata(Some("t"), SOON).expect("an answer");
    assert_eq!(metadata.topics()[0].partitions().len(), 2);
    let missing = client.fetch_metadata(Some("none"), SOON).expect("an answer");
    let error = missing.topics()[0].error();
    assert_eq!(error, Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART));
    assert!(client.fetch_cluster_id(SOON).is_some());
}

/// Counts statistics and troubles.
#[derive(Clone, Default)]
struct Watches(Arc<Mutex<(usize, Vec<KafkaError>)>>);

impl ClientContext for Watches {
    fn stats(&self, statistics: rdkafka::Statistics) {
        assert_eq!(statistics.client_id, "me");
        self.0.lock().expect("no panic").0 += 1;
    }

    fn error(&self, error: KafkaError, _reason: &str) {
        self.0.lock().expect("no panic").1.push(error);
    }
}

impl ConsumerContext for Watches {}

#[test]
fn a_context_hears_statistics_and_of_brokers_that_are_not_there() {
    let context = Watches::default();
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", "localhost:1")
        .set("client.id", "me")
        .set("statistics.interval.ms", "10");
    let consumer: BaseConsumer<_> =
        config.create_with_context(context.clone()).expect("a consumer");
    let mut list = TopicPartitionList::new();
    list.add_partition("t", 0);
    consumer.assign(&list).expect("assigned");
    let has_heard = || {
        let heard = context.0.lock().expect("no panic");
        heard.0 > 0 && !heard.1.is_empty()
    };
    while !has_heard() {
        consumer.poll(Duration::from_millis(10));
    }
    let troubles = context.0.lock().expect("no panic").1.clone();
    assert_eq!(troubles[0], KafkaError::Global(RDKafkaErrorCode::BrokerTransportFailure));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_of_one_consumer_share_its_messages() {
    let kafka = tokio::task::spawn_blocking(|| {
        let kafka = Kafka::with(&[("t", 1)]);
        kafka.fill("t", 0, 100);
        kafka
    });
    let kafka = kafka.await.expect("started");
    let consumer: StreamConsumer = kafka.group("g").create().expect("a consumer");
    consumer.subscribe(&["t"]).expect("subscribed");
    let consumer = Arc::new(consumer);
    let tasks: Vec<_> = (0..5)
        .map(|_| {
            let consumer = Arc::clone(&consumer);
            tokio::spawn(async move {
                let messages = consumer.stream().take(20);
                messages
                    .map(|message| message.expect("a message").offset())
                    .collect::<Vec<_>>()
                    .await
            })
        })
        .collect();
    let mut offsets = Vec::new();
    for task in tasks {
        offsets.extend(task.await.expect("no panic"));
    }
    offsets.sort_unstable();
    assert_eq!(offsets, (0..100).collect::<Vec<_>>());
    drop(consumer);
    tokio::task::spawn_blocking(|| drop(kafka)).await.expect("ended");
}
