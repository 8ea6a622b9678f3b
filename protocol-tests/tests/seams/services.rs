//! Services: handlers of `kavka::mq` that come and go, slow ones and failing ones, partitions
//! paused and sought.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kavka::mq::{Config, FailurePolicy, HandlerOptions, Message, Mq};
use kavka::{AutoOffsetReset, TopicPartition};
use tokio::sync::watch;
use tokio::time::{Instant, advance, sleep, timeout};

use crate::dice::Dice;
use crate::log::Log;
use crate::promise::Promise::{CallsEnd, CommitsWhatIsDone, Delivers, SkipsNothing};
use crate::trouble::{self, CALM};
use crate::world::{self, SLACK, World};

const GROUP: &str = "service";

/// What handlers have begun and ended.
#[derive(Debug, Default)]
struct Handled {
    done: BTreeMap<TopicPartition, BTreeSet<i64>>,
    /// What nobody needs to handle: a seek went past it.
    waived: BTreeMap<TopicPartition, i64>,
    known_commits: usize,
}

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Running,
    /// Nothing is written or called any more, and all that there is comes.
    Calm,
    Over,
}

type Ledger = Arc<Mutex<Handled>>;

pub(crate) async fn live(seed: u64, log: Log) -> Vec<String> {
    let mut dice = Dice::new(seed);
    let world = Arc::new(world::start(&mut dice, log, false).await);
    let ledger = Ledger::default();
    let until = Instant::now() + dice.millis(5_000..=25_000);
    let (calm, calms) = watch::channel(Stage::Running);
    let writer = tokio::spawn(write(Arc::clone(&world), dice.fork(), calms.clone()));
    let services: Vec<_> = (0..dice.within(1..=2))
        .map(|number| {
            tokio::spawn(serve(
                Arc::clone(&world),
                Arc::clone(&ledger),
                number,
                until,
                calms.clone(),
                dice.fork(),
            ))
        })
        .collect();
    trouble::move_leaders(&world, until, dice.fork()).await;
    sleep(Duration::from_secs(10)).await;
    world.log.say("calm");
    calm.send_replace(Stage::Calm);
    let ends: Vec<_> = world
        .partitions()
        .into_iter()
        .map(|partition| (partition.clone(), world.end(&partition)))
        .collect();
    let begun = Instant::now();
    loop {
        let missing: Vec<_> =
            ends.iter().filter(|(partition, end)| frontier(&ledger, partition) < *end).collect();
        if missing.is_empty() {
            break;
        }
        if begun.elapsed() > CALM {
            let at: Vec<_> = missing
                .iter()
                .map(|(partition, end)| (partition.to_string(), frontier(&ledger, partition), end))
                .collect();
            world.wrong(Delivers, format_args!("not handled: partition, next, end {at:?}"));
            break;
        }
        check_commits(&world, &ledger);
        sleep(Duration::from_millis(200)).await;
    }
    calm.send_replace(Stage::Over);
    for service in services {
        service.await.unwrap();
    }
    check_commits(&world, &ledger);
    writer.abort();
    let _ = writer.await;
    world.check_rests(600);
    world.end_all().await
}

fn frontier(ledger: &Ledger, partition: &TopicPartition) -> i64 {
    let handled = ledger.lock().unwrap();
    let mut next = handled.waived.get(partition).copied().unwrap_or_default();
    while handled.done.get(partition).is_some_and(|done| done.contains(&next)) {
        next += 1;
    }
    next
}

/// What is committed was handled.
fn check_commits(world: &World, ledger: &Ledger) {
    let commits = world.embedded.commits_after(ledger.lock().unwrap().known_commits);
    ledger.lock().unwrap().known_commits += commits.len();
    for commit in commits {
        let partition = TopicPartition::new(commit.topic.as_str(), commit.partition);
        let next = frontier(ledger, &partition);
        world.check(commit.offset <= next, CommitsWhatIsDone, || {
            format!(
                "{} of {partition} is committed, handled is what comes before {next}",
                commit.offset
            )
        });
    }
}

async fn serve(
    world: Arc<World>,
    ledger: Ledger,
    number: u64,
    until: Instant,
    mut stage: watch::Receiver<Stage>,
    mut dice: Dice,
) {
    let mut config = Config::new(world.embedded.bootstrap_servers());
    config.consumer.group_id = Some(GROUP.to_owned());
    config.consumer.auto_offset_reset = AutoOffsetReset::Earliest;
    // What a lane has no room for is paused, and goes first where there is no room either.
    config.consumer.fetch_buffer_bytes = dice.pick(&[None, Some(1), Some(2_000)]);
    let mq =
        Mq::with_client(world.client(&format!("service-{number}"), &mut dice), config).unwrap();
    let consumer = mq.consumer().unwrap();
    let longest = world.api_timeout() + SLACK;
    let all: Vec<_> = world.topics.iter().map(|(name, _)| name.clone()).collect();
    let mut taken: BTreeSet<String> = BTreeSet::new();
    let subscribe = |taken: &mut BTreeSet<String>, dice: &mut Dice, topics: &[String]| {
        for topic in topics {
            if !taken.insert(topic.clone()) {
                continue;
            }
            let options = HandlerOptions::new()
                .partitions_in_parallel(usize::try_from(dice.within(0..=4)).unwrap())
                .on_failure(
                    FailurePolicy::retry(u32::MAX)
                        .backoff(Duration::from_millis(1), Duration::from_millis(50)),
                );
            let subscribed = consumer.subscribe_with(
                [topic.as_str()],
                options,
                handler(&world, &ledger, number, dice.fork()),
            );
            world.log.say(format_args!("{number} subscribes to {topic}: {subscribed:?}"));
        }
    };
    subscribe(&mut taken, &mut dice, &all);
    while Instant::now() < until {
        let topic = all[usize::try_from(dice.next() % all.len() as u64).unwrap()].clone();
        let mine = consumer.assignment();
        let some: Vec<_> = mine.iter().filter(|_| dice.once_in(2)).cloned().collect();
        match dice.within(0..=12) {
            0..=2 => {
                let left = consumer.unsubscribe([topic.as_str()]);
                world.log.say(format_args!("{number} unsubscribes from {topic}: {left:?}"));
                taken.remove(&topic);
                if dice.once_in(2) {
                    subscribe(&mut taken, &mut dice, &[topic]);
                }
            }
            3 => {
                let left = consumer.unsubscribe_all();
                world.log.say(format_args!("{number} unsubscribes from all: {left:?}"));
                taken.clear();
                subscribe(&mut taken, &mut dice, &all);
            }
            4 | 5 => subscribe(&mut taken, &mut dice, &all),
            6 => drop(consumer.pause(&some)),
            7 => drop(consumer.resume(&mine)),
            8 => {
                let committed = timeout(longest, consumer.commit()).await;
                world.check(committed.is_ok(), CallsEnd, || "mq commit".to_owned());
            }
            9 => {
                for partition in &some {
                    let back =
                        i64::try_from(dice.within(0..=frontier(&ledger, partition).unsigned_abs()))
                            .unwrap();
                    let sought = consumer.seek(partition, back);
                    world.log.say(format_args!("{number} seeks {partition} {back}: {sought:?}"));
                }
            }
            10 => {
                for partition in &some {
                    let found = timeout(longest, consumer.committed_offset(partition)).await;
                    world.check(found.is_ok(), CallsEnd, || "mq committed_offset".to_owned());
                    let found = timeout(longest, consumer.current_offset(partition)).await;
                    world.check(found.is_ok(), CallsEnd, || "mq current_offset".to_owned());
                }
            }
            11 => {
                let lag = timeout(longest, consumer.lag()).await;
                world.check(lag.is_ok(), CallsEnd, || "mq lag".to_owned());
                let pinged = timeout(longest, mq.ping()).await;
                world.check(pinged.is_ok(), CallsEnd, || "mq ping".to_owned());
            }
            _ => drop(consumer.metrics()),
        }
        sleep(dice.millis(0..=1_500)).await;
    }
    drop(consumer.resume(&consumer.assignment()));
    subscribe(&mut taken, &mut dice, &all);
    let _ = stage.wait_for(|stage| *stage >= Stage::Calm).await;
    drop(consumer.resume(&consumer.assignment()));
    let _ = stage.wait_for(|stage| *stage == Stage::Over).await;
    let closed = timeout(Duration::from_secs(31), mq.close()).await;
    world.check(matches!(closed, Ok(Ok(()))), CallsEnd, || {
        format!("mq close of {number}: {closed:?}")
    });
}

/// Takes its time, and fails now and then.
fn handler(
    world: &Arc<World>,
    ledger: &Ledger,
    number: u64,
    dice: Dice,
) -> impl Fn(Message) -> std::pin::Pin<Box<dyn Future<Output = Result<(), String>> + Send>>
+ Send
+ Sync
+ 'static {
    let (world, ledger, dice) = (Arc::clone(world), Arc::clone(ledger), Arc::new(Mutex::new(dice)));
    let last = Arc::new(Mutex::new(BTreeMap::<TopicPartition, i64>::new()));
    move |message: Message| {
        let (world, ledger, mut dice) =
            (Arc::clone(&world), Arc::clone(&ledger), dice.lock().unwrap().fork());
        let last = Arc::clone(&last);
        Box::pin(async move {
            let (partition, offset) =
                (message.topic_partition().unwrap(), message.offset.unwrap().0);
            check_commits(&world, &ledger);
            let pause = dice.pick(&[0, 0, 0, 5, 100, 1_000]);
            if dice.once_in(8) {
                // Time goes by, and nobody else can run: the handler blocks the thread.
                advance(dice.millis(0..=50)).await;
            } else {
                sleep(dice.millis(0..=pause)).await;
            }
            if dice.once_in(20) {
                return Err("not today".to_owned());
            }
            check_commits(&world, &ledger);
            let before = last.lock().unwrap().insert(partition.clone(), offset);
            ledger.lock().unwrap().done.entry(partition.clone()).or_default().insert(offset);
            // It may go back, and on where others were; never past what nobody has handled.
            if before.is_some_and(|before| offset > before + 1) {
                let next = frontier(&ledger, &partition);
                world.check(next > offset, SkipsNothing, || {
                    format!("{number}: {partition} {offset} is handled, {next} is not")
                });
            }
            Ok(())
        })
    }
}

async fn write(world: Arc<World>, mut dice: Dice, stage: watch::Receiver<Stage>) {
    let partitions = world.partitions();
    loop {
        if *stage.borrow() == Stage::Running {
            let partition =
                &partitions[usize::try_from(dice.next() % partitions.len() as u64).unwrap()];
            let count = dice.pick(&[1, 1, 5, 20]);
            world.write(partition, count, 20);
        }
        sleep(dice.millis(100..=600)).await;
    }
}
