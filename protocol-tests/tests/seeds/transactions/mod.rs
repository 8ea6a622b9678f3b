//! Runs of transactions: writers write the input in transactions, copiers in a group copy it, and
//! what readers of committed records see in the end is compared with what everybody was told.
//!
//! ```text
//!  writers ──transactions──▶ input ──copiers (a group, read_committed)──transactions──▶ output
//! ```

mod calls;
mod copiers;
mod ledger;
mod trouble;
mod writers;

use std::sync::Arc;
use std::time::Duration;

use kavka::{AssignmentStrategy, ProducerConfig, TopicPartition};
use kavka_testcontainers::embedded::TransactionState;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use crate::dice::Dice;
use crate::faults;
use crate::log::Log;
use crate::plan::{GroupPlan, Plan};
use crate::run::{CALM, Report, World, alone};
use ledger::Ledger;

const INPUT: &str = "input";
const OUTPUT: &str = "output";
const GROUP: &str = "copiers";

/// How long a handle may take to close.
const CLOSE: Duration = Duration::from_secs(150);

/// A run, and what it has of its own.
struct Stage {
    world: World,
    ledger: Ledger,
    partitions: i32,
    writers: Vec<WriterPlan>,
}

/// Who writes the input; two with one name are rivals.
#[derive(Clone, Debug)]
struct WriterPlan {
    transactional_id: String,
    transactions: u64,
    most_records: u64,
    /// Nobody else has its transactional id.
    is_alone: bool,
    settings: Settings,
}

/// What producers of a run have in common.
#[derive(Clone, Debug)]
struct Settings {
    config: ProducerConfig,
    max_block: Duration,
}

/// Runs one seed.
pub(crate) fn run(seed: u64) -> Report {
    alone(live(seed))
}

async fn live(seed: u64) -> Report {
    let log = Log::new();
    let mut dice = Dice::new(seed ^ 0x7472_616e);
    let stage = Arc::new(Stage::new(&log, &mut dice).await);
    let world = &stage.world;

    let writers: Vec<_> = stage
        .writers
        .iter()
        .enumerate()
        .map(|(index, plan)| {
            tokio::spawn(writers::write(Arc::clone(&stage), index, plan.clone(), dice.fork()))
        })
        .collect();
    let (end, ended) = oneshot::channel();
    let copiers = tokio::spawn(copiers::churn(Arc::clone(&stage), dice.fork(), ended));
    faults::rage(world, dice.fork(), trouble::KINDS).await;
    trouble::mend(&stage);
    for writer in writers {
        writer.await.unwrap();
    }
    let calm = Instant::now();
    while !stage.is_settled() {
        if calm.elapsed() > CALM {
            log.wrong(format_args!("it does not settle: {}", stage.progress()));
            break;
        }
        sleep(Duration::from_millis(500)).await;
    }
    log.say("all has settled");
    end.send(()).unwrap();
    copiers.await.unwrap();
    stage.ledger.check(&stage);
    world.report().await
}

impl Stage {
    async fn new(log: &Log, dice: &mut Dice) -> Self {
        let plan = plan(dice);
        let partitions = plan.topics[0].1;
        let writers = writer_plans(dice, &plan);
        let level = i16::try_from(dice.within(0..=2)).unwrap();
        log.say(format_args!("{plan:#?} {writers:#?}, transaction.version {level}"));
        let cluster = plan
            .cluster(dice)
            .transaction_version(level)
            .marker_delay(Duration::ZERO..=dice.pick(&[1, 100, 2_000]).millis());
        let embedded = cluster.start().await.unwrap();
        let fates = crate::writers::Fates::default();
        let world = World { plan, embedded, log: log.clone(), fates };
        Self { world, ledger: Ledger::default(), partitions, writers }
    }

    /// The values of a partition that readers of committed records see.
    fn committed(&self, topic: &str, partition: i32) -> Vec<String> {
        let batches = self.world.embedded.committed_log(topic, partition);
        let text = |value: Option<&[u8]>| String::from_utf8(value.unwrap_or_default().to_vec());
        batches
            .iter()
            .flat_map(|batch| batch.records().unwrap())
            .map(|record| text(record.value).unwrap())
            .collect()
    }

    /// Everything is copied, and nothing is open.
    fn is_settled(&self) -> bool {
        let embedded = &self.world.embedded;
        let is_open = |state| {
            matches!(
                state,
                TransactionState::Ongoing
                    | TransactionState::PrepareAbort
                    | TransactionState::PrepareCommit
            )
        };
        !embedded.transactions().iter().any(|transaction| is_open(transaction.state))
            && self.each().all(|(topic, partition)| {
                let end = self.world.end(&TopicPartition::new(topic, partition));
                embedded.last_stable_offset(topic, partition) == Some(end)
            })
            && (0..self.partitions).all(|partition| {
                self.committed(INPUT, partition).len() <= self.committed(OUTPUT, partition).len()
            })
    }

    fn each(&self) -> impl Iterator<Item = (&'static str, i32)> {
        let partitions = self.partitions;
        [INPUT, OUTPUT]
            .into_iter()
            .flat_map(move |topic| (0..partitions).map(move |at| (topic, at)))
    }

    fn progress(&self) -> String {
        let embedded = &self.world.embedded;
        let partitions: Vec<_> = self
            .each()
            .map(|(topic, partition)| {
                let end = self.world.end(&TopicPartition::new(topic, partition));
                let stable = embedded.last_stable_offset(topic, partition);
                let committed = self.committed(topic, partition).len();
                format!("{topic}-{partition}: {committed} committed, stable {stable:?} of {end}")
            })
            .collect();
        format!("{partitions:?} {:?}", embedded.transactions())
    }
}

fn plan(dice: &mut Dice) -> Plan {
    use AssignmentStrategy::{CooperativeSticky, Range, Sticky};
    let brokers = dice.within(1..=3);
    let partitions = i32::try_from(dice.within(1..=3)).unwrap();
    let replication = i16::try_from(dice.within(1..=brokers)).unwrap();
    let strategies: &[&[AssignmentStrategy]] = &[&[Range], &[Sticky], &[CooperativeSticky]];
    let group = GroupPlan {
        name: GROUP.to_owned(),
        protocols: vec![kavka::GroupProtocol::Classic],
        strategies: dice.pick(strategies).to_vec(),
        commits_automatically: false,
        marks: false,
        session_timeout: dice.millis(6_000..=10_000),
        members: dice.within(1..=2),
        changes: dice.within(0..=5),
    };
    Plan {
        brokers: i32::try_from(brokers).unwrap(),
        topics: [INPUT, OUTPUT].map(|name| (name.to_owned(), partitions, replication)).into(),
        message_max_bytes: if dice.once_in(6) { 1_500 } else { 1_048_588 },
        detection: dice.pick(&[Duration::ZERO, Duration::from_millis(2_500)]),
        request_timeout: dice.millis(1_500..=6_000),
        trouble: dice.millis(5_000..=20_000),
        producers: Vec::new(),
        groups: vec![group],
    }
}

fn writer_plans(dice: &mut Dice, plan: &Plan) -> Vec<WriterPlan> {
    let mut writers = Vec::new();
    for index in 0..dice.within(1..=2) {
        let is_alone = !dice.once_in(4);
        let writer = WriterPlan {
            transactional_id: format!("writer-{index}"),
            transactions: dice.within(4..=20),
            most_records: dice.pick(&[1, 4, 30]),
            is_alone,
            settings: Settings::new(dice, plan),
        };
        if !is_alone {
            writers.push(writer.clone());
        }
        writers.push(writer);
    }
    writers
}

impl Settings {
    fn new(dice: &mut Dice, plan: &Plan) -> Self {
        let linger = dice.pick(&[0, 0, 5, 100]);
        let delivery_timeout = match dice.once_in(2) {
            true => Duration::from_secs(120),
            false => plan.request_timeout + linger.millis() + dice.millis(0..=5_000),
        };
        let max_block = dice.millis(4_000..=30_000);
        let batch_size = dice.pick(&[200, 1_000, 16_384]);
        let config = ProducerConfig::new()
            .linger(linger.millis())
            .batch_size(batch_size)
            .buffer_memory(batch_size * dice.pick(&[4, 1_000]))
            .max_in_flight_requests_per_connection(dice.pick(&[1, 2, 5, 5]))
            .transaction_timeout(dice.millis(3_000..=20_000))
            .delivery_timeout(delivery_timeout)
            .max_block(max_block);
        Self { config, max_block }
    }
}

/// Milliseconds.
trait Millis {
    fn millis(self) -> Duration;
}

impl Millis for u64 {
    fn millis(self) -> Duration {
        Duration::from_millis(self)
    }
}
