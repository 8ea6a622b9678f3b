//! Producers whose every method is called, with settings from the whole range, and handles that end
//! under their users.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kavka::{
    Acks, Client, Compression, Delivery, ErrorKind, Offset, Producer, ProducerConfig, Record,
    TopicPartition, Written,
};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::dice::Dice;
use crate::log::Log;
use crate::promise::Promise::{CallsEnd, NoNeedlessError, OneVerdict, WrittenIsTrue};
use crate::trouble;
use crate::world::{self, Ended, Life, SLACK, World};

/// How far the numbers of two producers are apart.
const THOUSANDS: u64 = 1_000_000;

#[derive(Clone, Debug)]
struct Plan {
    config: ProducerConfig,
    acks: Acks,
    is_idempotent: bool,
    is_readable: bool,
    delivery_timeout: Duration,
    max_block: Duration,
}

/// What a record's sender was told.
#[derive(Clone, Debug)]
enum Fate {
    /// Not accepted, or its `send` was dropped.
    Refused,
    /// Accepted, or perhaps, and nobody waits for the verdict.
    Unwatched,
    /// Written with others.
    AllWritten,
    Acknowledged(TopicPartition, Option<Offset>),
    Failed(Option<Written>),
}

type Fates = Arc<Mutex<BTreeMap<u64, Fate>>>;

/// One producer and its users.
#[derive(Clone)]
struct Desk {
    world: Arc<World>,
    plan: Plan,
    fates: Fates,
    life: Life,
    until: Instant,
}

pub(crate) async fn live(seed: u64, log: Log, is_troubled: bool) -> Vec<String> {
    let mut dice = Dice::new(seed);
    let world = Arc::new(world::start(&mut dice, log, is_troubled).await);
    let until = Instant::now() + dice.millis(2_000..=15_000);
    let fates = Fates::default();
    let mut desks = JoinSet::new();
    for number in 0..dice.within(1..=2) {
        let plan = Plan::new(&mut dice, &world);
        world.log.say(format_args!("producer {number}: {plan:?}"));
        let (died, life) = watch::channel(false);
        let desk = Desk { world: Arc::clone(&world), plan, fates: Arc::clone(&fates), life, until };
        desks.spawn(desk.live(number, died, dice.fork()));
    }
    if is_troubled {
        trouble::rage(&world, &["none".to_owned()], until, dice.fork()).await;
    } else {
        trouble::move_leaders(&world, until, dice.fork()).await;
    }
    let mut is_readable = true;
    while let Some(ended) = desks.join_next().await {
        is_readable &= ended.unwrap().is_readable;
    }
    if is_readable {
        check_truth(&world, &fates.lock().unwrap());
    }
    world.check_rests(2_500);
    world.end_all().await
}

impl Plan {
    fn new(dice: &mut Dice, world: &World) -> Self {
        let acks = dice.pick(&[Acks::None, Acks::Leader, Acks::All, Acks::All, Acks::All]);
        let is_idempotent = acks == Acks::All && !dice.once_in(3);
        let linger = Duration::from_millis(dice.pick(&[0, 0, 5, 100, 1_000]));
        let batch_size: usize = dice.pick(&[0, 1, 200, 1_000, 16_384, 16_384, 1 << 20]);
        let delivery_timeout = match dice.once_in(2) {
            true => Duration::from_secs(120),
            false => world.request_timeout + linger + dice.millis(0..=5_000),
        };
        let max_block = dice.pick(&[0, 100, 5_000, 60_000]);
        let compression =
            dice.pick(&[Compression::NONE, Compression::NONE, Compression::NONE, Compression::LZ4]);
        let config = ProducerConfig::new()
            .acks(acks)
            .enable_idempotence(is_idempotent)
            .linger(linger)
            .batch_size(batch_size)
            .buffer_memory(batch_size.max(1) * dice.pick(&[1, 4, 1_000]) + dice.pick(&[0, 100_000]))
            .max_request_size(dice.pick(&[1_000, 1 << 20]))
            .max_in_flight_requests_per_connection(dice.pick(&[1, 2, 5]))
            .retries(if is_idempotent {
                dice.pick(&[1, 2_147_483_647])
            } else {
                dice.pick(&[0, 1, 2_147_483_647])
            })
            .compression(compression)
            .delivery_timeout(delivery_timeout)
            .max_block(Duration::from_millis(max_block));
        Self {
            config,
            acks,
            is_idempotent,
            is_readable: compression == Compression::NONE,
            delivery_timeout,
            max_block: Duration::from_millis(max_block),
        }
    }
}

impl Desk {
    async fn live(self, number: u64, died: watch::Sender<bool>, mut dice: Dice) -> Plan {
        let client = self.world.client(&format!("producer-{number}"), &mut dice);
        let producer = client.producer(self.plan.config.clone()).unwrap();
        let mut users = JoinSet::new();
        for user in 0..dice.within(1..=3) {
            users.spawn(self.clone().use_it(
                producer.clone(),
                self.first_number(number, user),
                dice.fork(),
            ));
        }
        let early = dice.once_in(2);
        tokio::time::sleep_until(if early {
            self.until - dice.millis(0..=1_500)
        } else {
            self.until + Duration::from_secs(1)
        })
        .await;
        self.end(client, producer, &died, &mut dice).await;
        while let Some(ended) = users.join_next().await {
            ended.unwrap();
        }
        self.world.log.say(format_args!("producer {number} has ended"));
        self.plan
    }

    /// Ends it in one of the ways there are, while it is used.
    async fn end(
        &self,
        client: Client,
        producer: Producer,
        died: &watch::Sender<bool>,
        dice: &mut Dice,
    ) {
        let world = &self.world;
        let patience = dice.pick(&[
            Duration::ZERO,
            Duration::from_secs(1),
            Duration::from_secs(150),
            Duration::MAX,
        ]);
        let longest = patience.min(self.plan.delivery_timeout + world.request_timeout) + SLACK;
        match dice.within(0..=2) {
            0 => {
                let closing = timeout(longest, producer.close(patience)).await;
                world.log.say(format_args!("producer.close({patience:?}): {closing:?}"));
                died.send_replace(true);
                let is_meant = |error: &kavka::Error| error.kind() == ErrorKind::Timeout;
                match closing {
                    Ok(Err(error)) if !is_meant(&error) => {
                        world.wrong(NoNeedlessError, format_args!("producer.close: {error:?}"))
                    }
                    Err(_) => world.wrong(CallsEnd, format_args!("producer.close({patience:?})")),
                    Ok(_) => {}
                }
            }
            1 => {
                died.send_replace(true);
                let closed =
                    timeout(Duration::from_secs(10), client.clone().close(Duration::from_secs(10)))
                        .await;
                world.log.say(format_args!("client.close: {closed:?}"));
                world.check(matches!(closed, Ok(Ok(()))), CallsEnd, || {
                    format!("client.close: {closed:?}")
                });
                sleep(SLACK).await;
                let sent =
                    producer.try_send(Record::to(&world.topics[0].0).partition(0).value("late"));
                world.check(sent.is_err(), CallsEnd, || {
                    "a producer whose client is closed takes records".to_owned()
                });
                let closing =
                    timeout(Duration::from_secs(1), producer.close(Duration::from_secs(1))).await;
                world.check(closing.is_ok(), CallsEnd, || {
                    "producer.close after client.close".to_owned()
                });
            }
            // The users' clones are the last ones.
            _ => drop(producer),
        }
        let _ = timeout(Duration::from_secs(200), async {
            while !*died.borrow() && died.receiver_count() > 2 {
                sleep(Duration::from_secs(1)).await;
            }
        })
        .await;
        died.send_replace(true);
        let closed = timeout(Duration::from_secs(10), client.close(Duration::from_secs(10))).await;
        world.check(matches!(closed, Ok(Ok(()))), CallsEnd, || format!("client.close: {closed:?}"));
    }

    async fn use_it(self, producer: Producer, first: u64, mut dice: Dice) {
        let mut watches = JoinSet::new();
        let mut number = first;
        while Instant::now() < self.until && !*self.life.borrow() {
            for _ in 0..dice.pick(&[1, 1, 5, 40]) {
                number += 1;
                self.send(&producer, number, &mut watches, &mut dice).await;
            }
            match dice.within(0..=8) {
                8 => {
                    let count = dice.pick(&[0, 1, 3, 200]);
                    self.send_all(&producer, number + 1..number + 1 + count, &mut dice).await;
                    number += count;
                }
                0 => {
                    let patience = dice.once_in(2).then(|| dice.millis(0..=20));
                    let flush = producer.flush();
                    drop(
                        self.world
                            .call("flush", self.plan.delivery_timeout, &self.life, patience, flush)
                            .await,
                    );
                }
                1 => drop(producer.stats()),
                2 => {
                    let wait = dice.millis(0..=300);
                    drop(
                        self.world
                            .call(
                                "client_instance_id",
                                wait,
                                &self.life,
                                None,
                                producer.client_instance_id(wait),
                            )
                            .await,
                    );
                }
                _ => {}
            }
            let pause = dice.pick(&[0, 10, 300, 1_000]);
            sleep(dice.millis(1..=pause + 1)).await;
        }
        drop(producer);
        while let Some(ended) = watches.join_next().await {
            ended.unwrap();
        }
    }

    /// Records of a user count from here, and tell whether they are numbered for the brokers too.
    fn first_number(&self, producer: u64, user: u64) -> u64 {
        (producer * 2 + u64::from(self.plan.is_idempotent)) * THOUSANDS + user * 100_000
    }

    async fn send(
        &self,
        producer: &Producer,
        number: u64,
        watches: &mut JoinSet<()>,
        dice: &mut Dice,
    ) {
        let world = &self.world;
        let (topic, partitions) =
            &world.topics[usize::try_from(dice.next() % world.topics.len() as u64).unwrap()];
        let value = format!(
            "{number}-{}",
            "x".repeat(
                usize::try_from(dice.within(0..=dice.clone().pick(&[10, 300, 5_000]))).unwrap()
            )
        );
        let mut record = Record::to(topic).value(&value);
        if dice.once_in(2) {
            record = record.partition(
                i32::try_from(dice.next() % u64::from(partitions.unsigned_abs())).unwrap(),
            );
        }
        self.fates.lock().unwrap().insert(number, Fate::Refused);
        let sent = if dice.once_in(4) {
            producer.try_send(record)
        } else {
            let patience = dice.once_in(6).then(|| dice.millis(0..=20));
            match world
                .call("send", self.plan.max_block, &self.life, patience, producer.send(record))
                .await
            {
                Ended::With(sent) => sent,
                Ended::Dropped | Ended::Never => return,
            }
        };
        match sent {
            Ok(delivery) => {
                self.fates.lock().unwrap().insert(number, Fate::Unwatched);
                if !dice.once_in(10) {
                    watches.spawn(self.clone().watch(delivery, number));
                }
            }
            Err(error) => world.check(
                error.written() == Some(Written::No) || error.kind() == ErrorKind::Closed,
                WrittenIsTrue,
                || format!("{number} was refused, and may be written: {error:?}"),
            ),
        }
    }

    /// Sends many at once, and waits until they have their verdicts, if it has the patience.
    async fn send_all(&self, producer: &Producer, numbers: Range<u64>, dice: &mut Dice) {
        let (world, plan) = (&self.world, &self.plan);
        let (topic, _) =
            &world.topics[usize::try_from(dice.next() % world.topics.len() as u64).unwrap()];
        let values: Vec<_> = numbers.clone().map(|number| format!("{number}-")).collect();
        self.tell(numbers.clone(), &Fate::Unwatched);
        let patience = dice.once_in(4).then(|| dice.millis(0..=20));
        let sending = async {
            Ok(producer.send_all(values.iter().map(|value| Record::to(topic).value(value))).await)
        };
        // Each of them may have to wait.
        let longest = plan.max_block * u32::try_from(values.len() + 1).unwrap();
        let Ended::With(Ok(deliveries)) =
            world.call("send_all", longest, &self.life, patience, sending).await
        else {
            return;
        };
        let accepted = numbers.start + deliveries.accepted();
        self.tell(accepted..numbers.end, &Fate::Refused);
        let told =
            world.call("deliveries", plan.delivery_timeout, &self.life, patience, deliveries).await;
        if told.is_ok() {
            world.check(accepted == numbers.end, OneVerdict, || {
                format!("{numbers:?} are written, {accepted} was refused")
            });
            self.tell(
                numbers,
                if plan.acks == Acks::None { &Fate::Unwatched } else { &Fate::AllWritten },
            );
        }
    }

    fn tell(&self, numbers: Range<u64>, fate: &Fate) {
        self.fates.lock().unwrap().extend(numbers.map(|number| (number, fate.clone())));
    }

    async fn watch(self, mut delivery: Delivery, number: u64) {
        let told = async { Ok::<_, kavka::Error>((&mut delivery).await) };
        let told = self
            .world
            .call(
                &format!("the verdict of {number}"),
                self.plan.delivery_timeout,
                &self.life,
                None,
                told,
            )
            .await;
        let Ended::With(Ok(verdict)) = told else { return };
        let again = delivery.try_get();
        let is_same = match (&verdict, &again) {
            (Ok(one), Some(Ok(other))) => one == other,
            (Err(one), Some(Err(other))) => {
                one.written() == other.written() && one.kind() == other.kind()
            }
            _ => false,
        };
        self.world.check(is_same, OneVerdict, || format!("{number}: {verdict:?}, then {again:?}"));
        let fate = match verdict {
            Ok(metadata) => Fate::Acknowledged(
                metadata.topic_partition,
                metadata.offset.filter(|_| self.plan.acks != Acks::None),
            ),
            Err(error) => {
                self.world.log.say(format_args!("{number} failed: {error} {:?}", error.written()));
                Fate::Failed(error.written())
            }
        };
        self.fates.lock().unwrap().insert(number, fate);
    }
}

/// Compares what the logs hold with what was told.
fn check_truth(world: &World, fates: &BTreeMap<u64, Fate>) {
    let mut places: BTreeMap<u64, Vec<(TopicPartition, i64)>> = BTreeMap::new();
    for partition in world.partitions() {
        for batch in world.embedded.log(&partition.topic, partition.partition.0) {
            for (offset, record) in
                (batch.header.base_offset..).zip(batch.records().into_iter().flatten())
            {
                let value = std::str::from_utf8(record.value.unwrap()).unwrap();
                let Some(number) =
                    value.split_once('-').and_then(|(number, _)| number.parse().ok())
                else {
                    continue;
                };
                places.entry(number).or_default().push((partition.clone(), offset));
            }
        }
    }
    for (number, fate) in fates {
        let found = places.get(number).map_or(&[] as &[_], Vec::as_slice);
        let holds = match fate {
            Fate::Refused | Fate::Failed(Some(Written::No)) => found.is_empty(),
            Fate::Acknowledged(partition, Some(offset)) => {
                found.contains(&(partition.clone(), offset.0))
            }
            Fate::AllWritten => !found.is_empty(),
            Fate::Acknowledged(..) | Fate::Failed(_) | Fate::Unwatched => true,
        };
        let is_idempotent = (number / THOUSANDS) % 2 == 1;
        world.check(!is_idempotent || found.len() < 2, WrittenIsTrue, || {
            format!("{number} is written twice: {found:?}")
        });
        world.check(holds, WrittenIsTrue, || {
            format!("{number} is {fate:?}, and in the logs at {found:?}")
        });
    }
}
