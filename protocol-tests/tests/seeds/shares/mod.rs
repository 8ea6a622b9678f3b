//! Runs of share groups: a writer fills topics, the members of one or two groups take the records
//! and say of each what became of it, in all the ways that there are; what they are given and told
//! is held against what the brokers know.
//!
//! ```text
//!  writer ──▶ topics ──share groups──▶ members ── accept, release, reject, renew, say nothing
//!                        ▲                                │
//!                        └────────── books ◀──────────────┘ deliveries, answers, the listener's
//! ```
//! One run in three has no trouble: there, and once the trouble of another has passed, the rules are
//! exact, as nothing can be lost on the way.

mod application;
mod books;
mod brokers;
mod load;
mod members;
mod plan;
mod trouble;
mod voices;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kavka::TopicPartition;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use crate::dice::Dice;
use crate::faults;
use crate::log::Log;
use crate::run::{CALM, Report, World, alone};
use books::Books;
use plan::{GROUPS, GroupPlan, Writing};

/// What all parts of a run share.
struct Stage {
    world: World,
    groups: Vec<GroupPlan>,
    writing: Writing,
    /// Since when nothing is lost on the way that was acquired since.
    quiet: Mutex<Option<Instant>>,
    /// Members do what makes an end of it.
    calm: Mutex<Option<Instant>>,
}

/// Runs one seed.
pub(crate) fn run(seed: u64) -> Report {
    alone(live(seed))
}

async fn live(seed: u64) -> Report {
    let log = Log::new();
    let mut dice = Dice::new(seed ^ 0x7368_6172);
    let is_undisturbed = dice.once_in(3);
    let stage = Arc::new(Stage::new(&log, &mut dice).await);
    let world = &stage.world;
    if is_undisturbed {
        *stage.quiet.lock().unwrap() = Some(Instant::now());
    }
    log.say(format_args!("undisturbed: {is_undisturbed}"));
    let writer = tokio::spawn(write(Arc::clone(&stage), dice.fork()));
    let mut groups = Vec::new();
    for plan in &stage.groups {
        let books = Arc::new(Books::new(&stage, plan));
        let (end, ended) = oneshot::channel();
        let churn = members::churn(Arc::clone(&stage), Arc::clone(&books), dice.fork(), ended);
        groups.push((books, end, tokio::spawn(churn)));
    }
    let all: Vec<_> = groups.iter().map(|(books, ..)| Arc::clone(books)).collect();
    let watch = tokio::spawn(watch(all.clone()));
    if is_undisturbed {
        sleep(world.plan.trouble).await;
    } else {
        faults::rage(world, dice.fork(), trouble::KINDS).await;
        trouble::mend(world);
        stage.becomes_quiet();
    }
    writer.await.unwrap();
    let calm = Instant::now();
    *stage.calm.lock().unwrap() = Some(calm);
    while !all.iter().all(|books| books.is_complete()) {
        if calm.elapsed() > CALM {
            let progress: Vec<_> = all.iter().map(|books| books.progress()).collect();
            log.wrong(format_args!("not everything is settled: {progress:?}"));
            break;
        }
        sleep(Duration::from_millis(200)).await;
    }
    log.say("all is settled");
    for (_, end, churn) in groups {
        end.send(()).unwrap();
        churn.await.unwrap();
    }
    for books in &all {
        books.look();
        books.check_answered();
    }
    watch.abort();
    let _ = watch.await;
    load::check(world, &all);
    world.report().await
}

impl Stage {
    async fn new(log: &Log, dice: &mut Dice) -> Self {
        let plan = plan::plan(dice);
        let count = usize::try_from(dice.within(1..=2)).unwrap();
        let groups: Vec<_> =
            GROUPS.iter().take(count).map(|name| GroupPlan::new(name, dice)).collect();
        let writing = Writing::new(dice);
        log.say(format_args!("{plan:#?} {groups:#?} {writing:?}"));
        let interval = dice.pick(&[0, 0, 1_000]);
        let cluster = plan.cluster(dice).share_assignment_interval(Duration::from_millis(interval));
        let embedded = cluster.start().await.unwrap();
        for group in &groups {
            let set = |name: &str, value: &str| embedded.set_group_config(group.name, name, value);
            set("share.auto.offset.reset", "earliest");
            set("share.record.lock.duration.ms", &group.lock.as_millis().to_string());
            set("share.delivery.count.limit", &group.limit.to_string());
            set("share.heartbeat.interval.ms", &group.heartbeat.as_millis().to_string());
            set("share.session.timeout.ms", &group.session.as_millis().to_string());
        }
        let world = World { plan, embedded, log: log.clone(), fates: Default::default() };
        Self { world, groups, writing, quiet: Mutex::new(None), calm: Mutex::new(None) }
    }

    /// From when on nothing is on its way any more that the trouble has touched: what a broker has
    /// acquired for whoever did not hear of it included.
    fn becomes_quiet(self: &Arc<Self>) {
        let lock = self.groups.iter().map(|group| group.lock).max().unwrap_or_default();
        let plan = &self.world.plan;
        let passes = plan.request_timeout * 2 + plan.detection + lock + Duration::from_secs(4);
        *self.quiet.lock().unwrap() = Some(Instant::now() + passes);
    }

    /// Whether nothing has been lost that was acquired at an instant.
    fn is_quiet_since(&self, at: Instant) -> bool {
        self.quiet.lock().unwrap().is_some_and(|since| since <= at)
    }

    fn is_calm(&self) -> bool {
        self.calm.lock().unwrap().is_some()
    }

    /// What no request exceeds, with what a fetch may wait.
    fn longest_request(&self) -> Duration {
        self.world.plan.request_timeout + Duration::from_secs(1)
    }
}

/// What a record holds.
fn value_of(partition: &TopicPartition, offset: i64) -> String {
    format!("{partition} {offset}")
}

/// Writes to all partitions.
async fn write(stage: Arc<Stage>, mut dice: Dice) {
    let (world, writing) = (&stage.world, &stage.writing);
    let partitions = world.partitions();
    for _ in 0..writing.batches {
        for partition in &partitions {
            if dice.once_in(3) {
                continue;
            }
            let first = world.end(partition);
            let last = first + i64::try_from(dice.within(1..=writing.most_records)).unwrap();
            let values: Vec<_> = (first..last).map(|at| value_of(partition, at)).collect();
            let records: Vec<_> =
                values.iter().map(|value| (None, Some(value.as_bytes()))).collect();
            world.embedded.append(&partition.topic, partition.partition.0, &records).unwrap();
        }
        sleep(dice.millis(1..=writing.pause)).await;
    }
    world.log.say("all is written");
}

/// Looks at what the brokers know, from time to time.
async fn watch(all: Vec<Arc<Books>>) {
    loop {
        all.iter().for_each(|books| books.look());
        sleep(Duration::from_millis(50)).await;
    }
}
