//! Producers, and what they were told about each record.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kavka::{
    Delivery, Error, ErrorCode, ErrorKind, Offset, Producer, Purge, Record, TopicPartition, Written,
};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep};

use crate::dice::Dice;
use crate::plan::ProducerPlan;
use crate::run::{SLACK, World};

/// How long a healthy cluster may take to end a handle.
const CLOSE: Duration = Duration::from_secs(150);

/// What became of a record, by its value, which names its sender and counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fates(Arc<Mutex<BTreeMap<String, Fate>>>);

#[derive(Clone, Debug)]
pub(crate) struct Fate {
    /// The task that sent it.
    pub(crate) sender: (usize, u64),
    pub(crate) number: u64,
    pub(crate) is_idempotent: bool,
    pub(crate) verdict: Verdict,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// `send` did not accept it.
    Refused,
    Pending,
    Acknowledged(TopicPartition, Option<Offset>),
    Failed(TopicPartition, Option<Written>),
}

impl Fates {
    pub(crate) fn all(&self) -> BTreeMap<String, Fate> {
        self.0.lock().unwrap().clone()
    }

    fn set(&self, value: &str, fate: Fate) {
        self.0.lock().unwrap().insert(value.to_owned(), fate);
    }
}

/// Starts a producer with a client of its own; the task ends when everything has its verdict and
/// the producer is closed.
pub(crate) fn start(world: &Arc<World>, index: usize, dice: &mut Dice) -> JoinHandle<()> {
    let plan = world.plan.producers[index].clone();
    let client = world.client(&format!("producer-{index}"), dice);
    let producer = client.producer(plan.config.clone()).unwrap();
    let mut tasks = JoinSet::new();
    for task in 0..plan.tasks {
        tasks.spawn(write(
            Arc::clone(world),
            producer.clone(),
            plan.clone(),
            (index, task),
            dice.fork(),
        ));
    }
    let world = Arc::clone(world);
    tokio::spawn(async move {
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap();
        }
        world.in_time("producer.close", CLOSE, producer.close(CLOSE)).await;
        world.in_time("client.close", CLOSE, client.close(CLOSE)).await;
        world.log.say(format_args!("producer {index} is closed"));
    })
}

async fn write(
    world: Arc<World>,
    producer: Producer,
    plan: ProducerPlan,
    sender: (usize, u64),
    mut dice: Dice,
) {
    let mut watches = JoinSet::new();
    for number in 0..plan.records {
        let (topic, partitions, _) = &world.plan.topics
            [usize::try_from(dice.next() % world.plan.topics.len() as u64).unwrap()];
        let padding = "x".repeat(usize::try_from(dice.within(0..=120)).unwrap());
        let value = format!("{}-{}-{number}-{padding}", sender.0, sender.1);
        let key = format!("key-{}", dice.within(0..=9));
        let mut record = Record::to(topic).value(&value);
        match dice.within(0..=2) {
            0 => record = record.key(&key),
            1 => {
                record = record.partition(
                    i32::try_from(dice.next() % u64::from(partitions.unsigned_abs())).unwrap(),
                )
            }
            _ => {}
        }
        let fate =
            Fate { sender, number, is_idempotent: plan.is_idempotent, verdict: Verdict::Refused };
        let begun = Instant::now();
        let sent = producer.send(record).await;
        world.log.check(begun.elapsed() <= plan.max_block + SLACK, || {
            format!("send took {:?}", begun.elapsed())
        });
        match sent {
            Ok(delivery) => {
                world.fates.set(&value, Fate { verdict: Verdict::Pending, ..fate.clone() });
                watches.spawn(watch(
                    Arc::clone(&world),
                    delivery,
                    plan.delivery_timeout,
                    value,
                    fate,
                ));
            }
            Err(error) => {
                world.log.say(format_args!("{} was refused: {error}", short(&value)));
                world.log.check(error.written() == Some(Written::No), || {
                    format!("a refusal that may be written: {error:?}")
                });
                world.fates.set(&value, fate);
            }
        }
        if dice.once_in(3) {
            sleep(dice.millis(0..=plan.pause)).await;
        }
        if dice.once_in(30) {
            let flushed = producer.flush();
            world.in_time("producer.flush", plan.delivery_timeout, flushed).await;
        }
        if dice.once_in(200) {
            let records = if dice.once_in(2) { Purge::queue() } else { Purge::all() };
            world.log.say(format_args!("producer {} purges {records:?}", sender.0));
            world.in_time("producer.purge", SLACK, producer.purge(records)).await;
        }
    }
    while let Some(ended) = watches.join_next().await {
        ended.unwrap();
    }
}

async fn watch(
    world: Arc<World>,
    mut delivery: Delivery,
    timeout: Duration,
    value: String,
    fate: Fate,
) {
    let begun = Instant::now();
    let verdict = (&mut delivery).await;
    let name = short(&value);
    world.log.check(begun.elapsed() <= timeout + SLACK, || {
        format!("the verdict of {name} took {:?}", begun.elapsed())
    });
    let again = delivery.try_get().unwrap();
    let partition = delivery.topic_partition().clone();
    let same = match (&verdict, &again) {
        (Ok(one), Ok(other)) => one == other,
        (Err(one), Err(other)) => one.written() == other.written() && one.kind() == other.kind(),
        _ => false,
    };
    world.log.check(same, || format!("{name} has two verdicts: {verdict:?} and {again:?}"));
    let verdict = match verdict {
        Ok(metadata) => {
            world.log.say(format_args!("{name} is at {partition} {:?}", metadata.offset));
            Verdict::Acknowledged(partition, metadata.offset)
        }
        Err(error) => {
            world.log.say(format_args!("{name} failed: {error} {:?}", error.written()));
            world.log.check(is_expected(&error, timeout), || {
                format!("{name} failed without need: {error:?}")
            });
            Verdict::Failed(partition, error.written())
        }
    };
    world.fates.set(&value, Fate { verdict, ..fate });
}

/// Whatever goes wrong passes: with enough time nothing fails but what is purged. Without it nothing fails but for the
/// lack of it, or because what came before has failed so, and then only what may be written, which
/// no other sequence may carry (rule d).
fn is_expected(error: &Error, timeout: Duration) -> bool {
    let follows = error.code() == Some(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER)
        && error.written() == Some(Written::Maybe);
    if error.kind() == ErrorKind::Purged {
        return error.written().is_some();
    }
    timeout < Duration::from_secs(100)
        && (error.kind() == ErrorKind::Timeout && error.written().is_some() || follows)
}

/// A value without its padding.
pub(crate) fn short(value: &str) -> &str {
    value.rsplit_once('-').map_or(value, |(name, _)| name)
}
