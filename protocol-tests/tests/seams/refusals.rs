//! Brokers that lack or forbid an API, answer one error for ever, answer garbage for a while, or
//! hang: what can work does, what cannot is told, nobody asks in a loop, and every call ends.

use std::sync::Arc;
use std::time::Duration;

use kavka::{AutoOffsetReset, Client, ConsumerConfig, NewTopic, ProducerConfig, Record};
use kavka_testcontainers::embedded::{ApiKey, ErrorCode, Fault, Reaction};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::dice::Dice;
use crate::log::Log;
use crate::promise::Promise::{CallsEnd, Delivers, NoNeedlessError, Tells};
use crate::world::{self, Life, SLACK, World};

/// How long a client has to find its way.
const PATIENCE: Duration = Duration::from_secs(60);

/// What brokers do, and what must come of it.
struct Refusal {
    name: &'static str,
    begin: fn(&World),
    consumer: Must,
    /// Everything works all the same, and nothing is to be told.
    is_harmless: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Must {
    Deliver,
    /// `recv` says why not.
    Tell,
    /// It is told, or works all the same.
    Either,
    /// It has nothing to do with it.
    Nothing,
}

const REFUSALS: [Refusal; 17] = [
    Refusal { name: "nothing is wrong", begin: |_| {}, consumer: Must::Deliver, is_harmless: true },
    Refusal {
        name: "no OffsetForLeaderEpoch",
        begin: |world| lack(world, ApiKey::OffsetForLeaderEpoch),
        consumer: Must::Deliver,
        is_harmless: true,
    },
    Refusal {
        name: "OffsetForLeaderEpoch is forbidden",
        begin: |world| {
            answer(world, ApiKey::OffsetForLeaderEpoch, ErrorCode::TopicAuthorizationFailed)
        },
        consumer: Must::Either,
        is_harmless: false,
    },
    Refusal {
        name: "metadata without topic ids",
        begin: |world| {
            each(world, |broker| world.embedded.set_versions(broker, ApiKey::Metadata, 0, 9))
        },
        consumer: Must::Deliver,
        is_harmless: true,
    },
    Refusal {
        name: "Fetch is forbidden",
        begin: |world| answer(world, ApiKey::Fetch, ErrorCode::TopicAuthorizationFailed),
        consumer: Must::Tell,
        is_harmless: false,
    },
    Refusal {
        name: "JoinGroup is forbidden",
        begin: |world| answer(world, ApiKey::JoinGroup, ErrorCode::GroupAuthorizationFailed),
        consumer: Must::Tell,
        is_harmless: false,
    },
    Refusal {
        name: "OffsetFetch is forbidden",
        begin: |world| answer(world, ApiKey::OffsetFetch, ErrorCode::GroupAuthorizationFailed),
        consumer: Must::Tell,
        is_harmless: false,
    },
    Refusal {
        name: "OffsetCommit is forbidden",
        begin: |world| answer(world, ApiKey::OffsetCommit, ErrorCode::GroupAuthorizationFailed),
        consumer: Must::Deliver,
        is_harmless: false,
    },
    Refusal {
        name: "every offset is out of range",
        begin: |world| answer(world, ApiKey::Fetch, ErrorCode::OffsetOutOfRange),
        consumer: Must::Nothing,
        is_harmless: false,
    },
    Refusal {
        name: "every sequence is out of order",
        begin: |world| answer(world, ApiKey::Produce, ErrorCode::OutOfOrderSequenceNumber),
        consumer: Must::Deliver,
        is_harmless: false,
    },
    Refusal {
        name: "every producer is unknown",
        begin: |world| answer(world, ApiKey::Produce, ErrorCode::UnknownProducerId),
        consumer: Must::Deliver,
        is_harmless: false,
    },
    Refusal {
        name: "every producer epoch is invalid",
        begin: |world| answer(world, ApiKey::Produce, ErrorCode::InvalidProducerEpoch),
        consumer: Must::Deliver,
        is_harmless: false,
    },
    Refusal {
        name: "wrong correlation ids for a while",
        begin: |world| {
            rule(world, Fault::on(ApiKey::Metadata).times(3).then(Reaction::WrongCorrelation))
        },
        consumer: Must::Deliver,
        is_harmless: true,
    },
    Refusal {
        name: "garbage for a while",
        begin: |world| {
            rule(world, Fault::on(ApiKey::Metadata).times(3).then(Reaction::Garbage(40)))
        },
        consumer: Must::Deliver,
        is_harmless: true,
    },
    Refusal {
        name: "metadata names no broker yet",
        begin: |world| {
            each(world, |broker| world.embedded.hide_broker(broker, true));
            let (embedded, brokers) = (world.embedded.clone(), world.brokers);
            tokio::spawn(async move {
                sleep(Duration::from_secs(3)).await;
                (1..=brokers).for_each(|broker| embedded.hide_broker(broker, false));
            });
        },
        consumer: Must::Deliver,
        is_harmless: true,
    },
    Refusal {
        name: "one broker never answers for metadata",
        begin: |world| rule(world, Fault::on(ApiKey::Metadata).times(1).then(Reaction::DropReply)),
        consumer: Must::Deliver,
        is_harmless: true,
    },
    Refusal {
        name: "ApiVersions v4 resets the connection",
        begin: |world| {
            rule(world, Fault::on(ApiKey::ApiVersions).from_version(4).then(Reaction::CloseBefore))
        },
        consumer: Must::Deliver,
        is_harmless: true,
    },
];

fn each(world: &World, act: impl Fn(i32)) {
    (1..=world.brokers).for_each(act);
}

fn lack(world: &World, api: ApiKey) {
    each(world, |broker| world.embedded.remove_api(broker, api));
}

fn rule(world: &World, fault: Fault) {
    world.embedded.fault(fault);
}

fn answer(world: &World, api: ApiKey, code: ErrorCode) {
    world.embedded.fault(Fault::on(api).then(Reaction::Answer(code)));
}

pub(crate) async fn live(seed: u64, log: Log) -> Vec<String> {
    let mut dice = Dice::new(seed);
    let world = Arc::new(world::start(&mut dice, log, false).await);
    for partition in world.partitions() {
        world.write(&partition, 5, 100);
    }
    // Each in its turn, so that few seeds meet them all.
    let refusal = &REFUSALS[usize::try_from(seed % REFUSALS.len() as u64).unwrap()];
    world.log.say(refusal.name);
    // What is refused once it has worked may never be asked again.
    let late = dice.once_in(2) && refusal.consumer != Must::Tell;
    if !late {
        (refusal.begin)(&world);
    }
    let (died, life) = watch::channel(false);
    let clients: Vec<_> = ["consumer", "producer", "admin"]
        .iter()
        .map(|name| world.client(name, &mut dice))
        .collect();
    let consuming =
        tokio::spawn(consume(Arc::clone(&world), clients[0].clone(), refusal, life.clone()));
    let producing = tokio::spawn(produce(
        Arc::clone(&world),
        clients[1].clone(),
        refusal,
        life.clone(),
        dice.fork(),
    ));
    let administering =
        tokio::spawn(administer(Arc::clone(&world), clients[2].clone(), life.clone()));
    if late {
        sleep(dice.millis(10..=3_000)).await;
        (refusal.begin)(&world);
        for partition in world.partitions() {
            world.embedded.move_leader(&partition.topic, partition.partition.0, None);
        }
    }
    let writer = tokio::spawn(write(Arc::clone(&world)));
    consuming.await.unwrap();
    producing.await.unwrap();
    administering.await.unwrap();
    writer.abort();
    let _ = writer.await;
    for client in clients {
        let closed = timeout(Duration::from_secs(5), client.close(Duration::from_secs(5))).await;
        world.check(matches!(closed, Ok(Ok(()))), CallsEnd, || format!("client.close: {closed:?}"));
    }
    drop(died);
    world.check_rests(200);
    world.end_all().await
}

async fn write(world: Arc<World>) {
    loop {
        sleep(Duration::from_millis(500)).await;
        world.partitions().iter().for_each(|partition| world.write(partition, 1, 10));
    }
}

/// Waits for a record of each partition that came after the refusal began, or to be told why there
/// is none.
async fn consume(world: Arc<World>, client: Client, refusal: &'static Refusal, life: Life) {
    let config =
        ConsumerConfig::new().group_id("group").auto_offset_reset(AutoOffsetReset::Earliest);
    let mut consumer = client.consumer(config).unwrap();
    consumer.subscribe(world.topics.iter().map(|(name, _)| name.as_str())).unwrap();
    let (begun, mut is_told) = (Instant::now(), false);
    let mut missing: std::collections::BTreeSet<_> = world.partitions().into_iter().collect();
    let mut waits = refusal.consumer == Must::Nothing;
    while begun.elapsed() < PATIENCE && (waits || !missing.is_empty()) {
        match timeout(PATIENCE.saturating_sub(begun.elapsed()), consumer.recv()).await {
            Ok(Ok(record)) if begun.elapsed() > Duration::from_secs(4) => {
                missing.remove(record.topic_partition());
            }
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                world.log.say(format_args!("cannot receive: {error}"));
                world.check(!refusal.is_harmless, NoNeedlessError, || {
                    format!("{}: {error:?}", refusal.name)
                });
                is_told = true;
                waits &= refusal.consumer == Must::Nothing;
                sleep(Duration::from_millis(100)).await;
            }
            Err(_) => break,
        }
        if is_told && matches!(refusal.consumer, Must::Tell | Must::Either) {
            break;
        }
    }
    let what = refusal.name;
    match refusal.consumer {
        Must::Deliver => world.check(missing.is_empty(), Delivers, || {
            format!("{what}: nothing of {missing:?} in {PATIENCE:?}")
        }),
        Must::Tell => {
            world.check(is_told, Tells, || format!("{what}: recv said nothing in {PATIENCE:?}"))
        }
        Must::Either => world.check(is_told || missing.is_empty(), Tells, || {
            format!("{what}: recv said nothing, and nothing came")
        }),
        Must::Nothing => {}
    }
    let longest = world.api_timeout();
    let partitions = world.partitions();
    drop(world.call("commit", longest, &life, None, consumer.commit()).await);
    drop(
        world.call("committed", longest, &life, None, consumer.committed(partitions.clone())).await,
    );
    drop(world.call("end_offsets", longest, &life, None, consumer.end_offsets(partitions)).await);
    let closed =
        timeout(Duration::from_secs(30) + SLACK, consumer.close(Duration::from_secs(30))).await;
    world.check(closed.is_ok(), CallsEnd, || format!("{what}: consumer.close"));
}

async fn produce(
    world: Arc<World>,
    client: Client,
    refusal: &'static Refusal,
    life: Life,
    mut dice: Dice,
) {
    let deadline = Duration::from_secs(20);
    let block = Duration::from_secs(10);
    let producer =
        client.producer(ProducerConfig::new().delivery_timeout(deadline).max_block(block)).unwrap();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(30) {
        let (topic, _) =
            &world.topics[usize::try_from(dice.next() % world.topics.len() as u64).unwrap()];
        let sent = world
            .call(
                "send",
                block,
                &life,
                None,
                producer.send(Record::to(topic).partition(0).value("x")),
            )
            .await;
        world.check(sent.is_ok() || !refusal.is_harmless, NoNeedlessError, || {
            format!("{}: send failed", refusal.name)
        });
        if let world::Ended::With(Ok(delivery)) = sent {
            let (world, life) = (Arc::clone(&world), life.clone());
            tokio::spawn(async move {
                let told = world.call("delivery", deadline, &life, None, delivery).await;
                world.check(told.is_ok() || !refusal.is_harmless, NoNeedlessError, || {
                    format!("{}: a delivery failed", refusal.name)
                });
            });
        }
        sleep(dice.millis(1..=1_000)).await;
    }
    let closed = timeout(deadline + SLACK, producer.close(deadline)).await;
    world.check(closed.is_ok(), CallsEnd, || "producer.close".to_owned());
}

async fn administer(world: Arc<World>, client: Client, life: Life) {
    let (admin, longest) = (client.admin(), world.api_timeout());
    for number in 0..3 {
        drop(world.call("list_topics", longest, &life, None, admin.list_topics()).await);
        drop(world.call("describe_cluster", longest, &life, None, admin.describe_cluster()).await);
        let created = admin.create_topic(
            NewTopic::new(format!("new-{number}")).partitions(2).replication_factor(1),
        );
        drop(world.call("create_topic", longest, &life, None, created).await);
        drop(
            world
                .call(
                    "describe_topic",
                    longest,
                    &life,
                    None,
                    admin.describe_topic(format!("new-{number}")),
                )
                .await,
        );
        drop(
            world
                .call(
                    "delete_topic",
                    longest,
                    &life,
                    None,
                    admin.delete_topic(format!("new-{number}")),
                )
                .await,
        );
        sleep(Duration::from_secs(5)).await;
    }
}
