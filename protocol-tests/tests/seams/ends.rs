//! Runtimes that end under the handles that were made on them: every call that is under way then,
//! or comes later, ends, and says why.
//!
//! The users live on another runtime, which stays.

use std::fmt::Debug;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::OnceLock;
use std::time::Duration;

use futures_core::Stream;
use kavka::admin::{GroupFilter, OffsetSpec};
use kavka::mq::{self, Message, Mq};
use kavka::{
    Admin, AutoOffsetReset, Client, Consumer, ConsumerConfig, ConsumerHandle, Delivery, Error,
    ErrorKind, NewTopic, Offset, Producer, ProducerConfig, Record, Result, TopicPartition,
};
use kavka_testcontainers::embedded::{ApiKey, EmbeddedCluster, Fault, Reaction};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::dice::Dice;
use crate::harness;
use crate::log::Log;
use crate::promise::Promise::{CallsEnd, LeavesNothing, Tells};

/// In which a call ends that nobody answers any more.
const AT_ONCE: Duration = Duration::from_secs(1);

/// In which tasks have ended.
const SOON: Duration = Duration::from_millis(20);

const TOPIC: &str = "topic";

/// How many calls there are to [`Users::call`].
const CALLS: u64 = 36;

/// All handles that a client gives.
struct Users {
    log: Log,
    client: Client,
    admin: Admin,
    producer: Producer,
    handle: ConsumerHandle,
    consumer: Consumer,
    mq: Mq,
    mq_consumer: mq::Consumer,
}

pub(crate) fn live(seed: u64, log: &OnceLock<Log>) -> Vec<String> {
    let mut dice = Dice::new(seed);
    let paused = || Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let is_shared = dice.once_in(3);
    let first = if is_shared {
        Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
    } else {
        paused()
    };
    // Threads that are told to end take their time.
    let second = if is_shared {
        Builder::new_current_thread().enable_all().build().unwrap()
    } else {
        paused()
    };
    let log = second.block_on(async { log.get_or_init(Log::new).clone() });
    let (users, deliveries) = first.block_on(Users::start(&mut dice, log.clone()));
    // Where it ends before its users look, or under their calls.
    let first = if dice.once_in(2) {
        Some(first)
    } else {
        drop(first);
        None
    };
    second.block_on(async {
        users.outlive(first, deliveries, &mut dice).await;
        sleep(SOON).await;
        let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        log.check(tasks == 0, || format!("{LeavesNothing} {tasks} tasks are left"));
    });
    Vec::new()
}

impl Users {
    /// Has everything at work: partitions assigned, records on their way, in the buffer and open.
    async fn start(dice: &mut Dice, log: Log) -> (Self, Vec<Delivery>) {
        let embedded = EmbeddedCluster::builder()
            .brokers(1)
            .in_memory()
            .topic(TOPIC, 2, 1)
            .start()
            .await
            .unwrap();
        for partition in 0..2 {
            embedded.append(TOPIC, partition, &[(None, Some(b"x".as_slice())); 20]).unwrap();
        }
        let client =
            Client::new(harness::config(&embedded, "client", Duration::from_secs(30), dice.next()))
                .unwrap();
        let linger = Duration::from_millis(dice.pick(&[0, 10, 60_000]));
        let producer = client.producer(ProducerConfig::new().linger(linger)).unwrap();
        let config =
            ConsumerConfig::new().group_id("group").auto_offset_reset(AutoOffsetReset::Earliest);
        let mut consumer = client.consumer(config).unwrap();
        consumer.subscribe([TOPIC]).unwrap();
        let mut config = mq::Config::new(embedded.bootstrap_servers());
        config.consumer.group_id = Some("service".to_owned());
        config.consumer.auto_offset_reset = AutoOffsetReset::Earliest;
        let mq = Mq::with_client(client.clone(), config).unwrap();
        let mq_consumer = mq.consumer().unwrap();
        mq_consumer.subscribe([TOPIC], async |_: Message| {}).unwrap();
        if !dice.once_in(4) {
            timeout(Duration::from_secs(30), consumer.recv()).await.unwrap().unwrap();
        }
        if dice.once_in(2) {
            embedded.fault(Fault::on(ApiKey::Produce).then(Reaction::DropReply));
        }
        let mut deliveries = Vec::new();
        for topic in [TOPIC, TOPIC, "new"] {
            deliveries.push(producer.send(Record::to(topic).value("x")).await.unwrap());
        }
        if dice.once_in(2) {
            sleep(Duration::from_millis(20)).await;
        }
        let (admin, handle) = (client.admin(), consumer.handle());
        (Self { log, client, admin, producer, handle, consumer, mq, mq_consumer }, deliveries)
    }

    async fn outlive(mut self, first: Option<Runtime>, deliveries: Vec<Delivery>, dice: &mut Dice) {
        let mut under_way = JoinSet::new();
        for delivery in deliveries {
            let log = self.log.clone();
            under_way.spawn(async move {
                ended(&log, "delivery", false, delivery).await;
            });
        }
        if let Some(first) = first {
            for call in (0..CALLS).filter(|_| dice.once_in(2)) {
                let calls = self.calls(false);
                under_way.spawn(async move { calls.call(call).await });
            }
            tokio::task::yield_now().await;
            first.shutdown_background();
        }
        let waited =
            timeout(AT_ONCE * 2, async { while under_way.join_next().await.is_some() {} }).await;
        self.log.check(waited.is_ok(), || {
            format!("{CallsEnd} {} calls outlive their runtime", under_way.len())
        });
        drop(under_way);
        let mut order: Vec<_> = (0..CALLS + 3).collect();
        while !order.is_empty() {
            let call =
                order.swap_remove(usize::try_from(dice.next() % order.len() as u64).unwrap());
            match call.checked_sub(CALLS) {
                Some(0) => ended(&self.log, "recv", true, received(&mut self.consumer)).await,
                Some(1) => ended(&self.log, "next_batch", true, batch(&mut self.consumer)).await,
                Some(_) => {
                    let item = timeout(
                        AT_ONCE,
                        poll_fn(|context| Pin::new(&mut self.consumer).poll_next(context)),
                    )
                    .await;
                    let is_over = matches!(item, Ok(None | Some(Ok(_))));
                    self.log.check(is_over, || format!("{CallsEnd} the stream goes on: {item:?}"));
                }
                None => self.calls(true).call(call).await,
            }
        }
        let Self { log, client, producer, consumer, mq, mq_consumer, .. } = self;
        let patience = dice.pick(&[Duration::ZERO, Duration::from_secs(60), Duration::MAX]);
        let ends = |what: &str, is_over: bool| {
            log.check(is_over, || format!("{CallsEnd} {what} waits for a runtime that has ended"))
        };
        ends("producer.close", timeout(AT_ONCE, producer.close(patience)).await.is_ok());
        ends("consumer.close", timeout(AT_ONCE, consumer.close(patience)).await.is_ok());
        ends("mq.consumer.close", timeout(AT_ONCE, mq_consumer.close(patience)).await.is_ok());
        ends("mq.close", timeout(AT_ONCE, mq.close()).await.is_ok());
        ends("client.close", timeout(AT_ONCE, client.close(patience)).await.is_ok());
    }

    fn calls(&self, is_late: bool) -> Calls {
        Calls {
            log: self.log.clone(),
            handle: self.handle.clone(),
            producer: self.producer.clone(),
            admin: self.admin.clone(),
            client: self.client.clone(),
            mq: self.mq.clone(),
            mq_consumer: self.mq_consumer.clone(),
            is_late,
        }
    }
}

/// What is there again until that has been taken is given before the end is told.
async fn received(consumer: &mut Consumer) -> Result<()> {
    while consumer.recv().await.is_ok() {}
    consumer.recv().await.map(drop)
}

async fn batch(consumer: &mut Consumer) -> Result<()> {
    while consumer.next_batch().await.is_ok() {}
    consumer.next_batch().await.map(drop)
}

/// Handles that call once.
struct Calls {
    log: Log,
    handle: ConsumerHandle,
    producer: Producer,
    admin: Admin,
    client: Client,
    mq: Mq,
    mq_consumer: mq::Consumer,
    /// The runtime has ended before.
    is_late: bool,
}

impl Calls {
    async fn call(&self, call: u64) {
        let Self { log, handle, producer, admin, client, mq, mq_consumer, is_late } = self;
        let is_late = *is_late;
        let partition = TopicPartition::new(TOPIC, 0);
        let one = || [partition.clone()];
        let record = || Record::to(TOPIC).value("late");
        match call {
            0 => ended(log, "send", is_late, producer.send(record())).await,
            1 => {
                ended(
                    log,
                    "send to a topic that is not known",
                    is_late,
                    producer.send(Record::to("unknown").value("x")),
                )
                .await
            }
            2 => told(log, "try_send", is_late, producer.try_send(record())),
            3 => {
                ended(log, "send_all", is_late, async {
                    producer.send_all([record(), record()]).await.await
                })
                .await
            }
            4 => ended(log, "flush", is_late, producer.flush()).await,
            5 => {
                ended(
                    log,
                    "producer.client_instance_id",
                    is_late,
                    producer.client_instance_id(Duration::from_secs(9)),
                )
                .await
            }
            6 => ended(log, "commit", is_late, handle.commit()).await,
            7 => told(log, "commit_async", is_late, handle.commit_async()),
            8 => {
                ended(
                    log,
                    "commit_offsets",
                    is_late,
                    handle.commit_offsets([(partition.clone(), 1)]),
                )
                .await
            }
            9 => ended(log, "committed", is_late, handle.committed(one())).await,
            10 => ended(log, "position", is_late, handle.position(&partition)).await,
            11 => ended(log, "beginning_offsets", is_late, handle.beginning_offsets(one())).await,
            12 => ended(log, "end_offsets", is_late, handle.end_offsets(one())).await,
            13 => {
                let times = [(partition.clone(), kavka::Timestamp(1))];
                ended(log, "offsets_for_times", is_late, handle.offsets_for_times(times)).await;
            }
            14 => {
                ended(
                    log,
                    "client_instance_id",
                    is_late,
                    handle.client_instance_id(Duration::from_secs(9)),
                )
                .await
            }
            15 => told(log, "subscribe", is_late, handle.subscribe([TOPIC])),
            16 => told(log, "subscribe_pattern", is_late, handle.subscribe_pattern("t.*")),
            17 => told(log, "seek", is_late, handle.seek(&partition, 1)),
            18 => told(log, "seek_to_end", is_late, handle.seek_to_end(&one())),
            19 => told(log, "pause", is_late, handle.pause(&one())),
            20 => told(log, "resume", is_late, handle.resume(&one())),
            21 => told(log, "client.producer", is_late, client.producer(ProducerConfig::new())),
            22 => told(log, "client.consumer", is_late, client.consumer(ConsumerConfig::new())),
            23 => ended(log, "list_topics", is_late, admin.list_topics()).await,
            24 => ended(log, "create_topic", is_late, admin.create_topic(NewTopic::new("n"))).await,
            25 => ended(log, "describe_cluster", is_late, admin.describe_cluster()).await,
            26 => ended(log, "list_groups", is_late, admin.list_groups(GroupFilter::all())).await,
            27 => {
                let asked = async {
                    admin
                        .list_offsets([(partition.clone(), OffsetSpec::Latest)])
                        .await
                        .remove(&partition)
                        .unwrap()
                };
                ended(log, "list_offsets", is_late, asked).await;
            }
            28 => ends(log, "mq.ping", is_late, mq.ping()).await,
            29 => ends(log, "mq.send_sync", is_late, mq.producer().send_sync(TOPIC, "late")).await,
            30 => ends(log, "mq.flush", is_late, mq.producer().flush()).await,
            31 => {
                ends(log, "mq.commit", is_late, mq_consumer.commit_offset(&partition, Offset(1)))
                    .await
            }
            32 => ended(log, "caught_up", is_late, handle.caught_up()).await,
            33 => ended(log, "partitions_for", is_late, handle.partitions_for(TOPIC)).await,
            34 => ends(log, "mq.lag", is_late, mq_consumer.lag()).await,
            _ => {
                ends(log, "mq.committed_offset", is_late, mq_consumer.committed_offset(&partition))
                    .await
            }
        }
    }
}

/// A call of `kavka::mq`, whose errors have codes of their own.
async fn ends<T>(log: &Log, what: &str, is_late: bool, call: impl Future<Output = mq::Result<T>>) {
    match timeout(AT_ONCE, call).await {
        Err(_) => log.wrong(format_args!("{CallsEnd} {what} outlives its runtime")),
        Ok(Ok(_)) if is_late => {
            log.wrong(format_args!("{Tells} {what} succeeds without a runtime"))
        }
        Ok(Ok(_)) => {}
        Ok(Err(error)) => {
            use mq::Code::{ConnectionClosed, ConsumerClosed, ProducerClosed};
            let is_told =
                matches!(error.code(), ConnectionClosed | ConsumerClosed | ProducerClosed);
            log.check(is_told || !is_late, || format!("{Tells} {what}: {error:?}"));
        }
    }
}

async fn ended<T: Debug>(
    log: &Log,
    what: &str,
    is_late: bool,
    call: impl Future<Output = Result<T>>,
) {
    match timeout(AT_ONCE, call).await {
        Err(_) => log.wrong(format_args!("{CallsEnd} {what} outlives its runtime")),
        Ok(outcome) => told(log, what, is_late, outcome),
    }
}

fn told<T>(log: &Log, what: &str, is_late: bool, outcome: Result<T>) {
    let is_closed = |error: &Error| error.kind() == ErrorKind::Closed;
    log.say(format_args!("{what}: {:?}", outcome.as_ref().map(drop)));
    if is_late {
        log.check(outcome.as_ref().is_err_and(is_closed), || {
            format!("{Tells} {what}: {:?}", outcome.map(drop))
        });
    }
}
