//! One run: clients, trouble, calm, and what must hold then.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kavka::{AutoOffsetReset, Client, ConsumerConfig, ErrorKind, TopicPartition, Written};
use kavka_testcontainers::embedded::EmbeddedCluster;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use crate::dice::Dice;
use crate::faults;
use crate::harness;
use crate::log::Log;
use crate::members::{self, Ledger};
use crate::plan::Plan;
use crate::writers::{self, Fates, Verdict, short};

/// What a timer may be late, and a task that it wakes.
pub(crate) const SLACK: Duration = Duration::from_millis(20);

/// How long after the trouble everything must have converged: a lost JoinGroup is given up after
/// the rebalance timeout of 20 s and 5 s, and the same may have happened to the next.
pub(crate) const CALM: Duration = Duration::from_secs(120);

/// More requests than a run has any use for: somebody asks in a hot loop.
const MANY_REQUESTS: usize = 30_000;

/// What all parts of a run share.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) embedded: EmbeddedCluster,
    pub(crate) log: Log,
    pub(crate) fates: Fates,
}

/// What is left of a run: its events, and how many promises it broke.
pub(crate) struct Report {
    pub(crate) lines: Vec<String>,
    pub(crate) wrongs: usize,
}

impl World {
    /// A client as a process of its own would have it.
    pub(crate) fn client(&self, id: &str, dice: &mut Dice) -> Client {
        Client::new(harness::config(&self.embedded, id, self.plan.request_timeout, dice.next()))
            .unwrap()
    }

    pub(crate) fn api_timeout(&self) -> Duration {
        harness::api_timeout(self.plan.request_timeout)
    }

    pub(crate) fn partitions(&self) -> Vec<TopicPartition> {
        let of = |(name, count, _): &(String, i32, i16)| {
            let name = name.clone();
            (0..*count).map(move |partition| TopicPartition::new(name.as_str(), partition))
        };
        self.plan.topics.iter().flat_map(of).collect()
    }

    /// How many records a partition has.
    pub(crate) fn end(&self, partition: &TopicPartition) -> i64 {
        self.embedded.offsets(&partition.topic, partition.partition.0).map_or(0, |(_, end)| end)
    }

    /// Awaits a call that must succeed, and end within its time; what it gave, if it did.
    pub(crate) async fn in_time<T>(
        &self,
        what: &str,
        longest: Duration,
        call: impl Future<Output = kavka::Result<T>>,
    ) -> Option<T> {
        let outcome = timeout(longest + SLACK, call).await;
        match outcome {
            Ok(Ok(given)) => return Some(given),
            Ok(Err(error)) => self.log.wrong(format_args!("{what}: {error:?}")),
            Err(_) => self.log.wrong(format_args!("{what} took longer than {longest:?}")),
        }
        None
    }

    /// A member that closes leaves its group, unless the coordinator cannot be reached for
    /// `request.timeout.ms`; tells whether it did.
    pub(crate) async fn leaves_in_time(
        &self,
        longest: Duration,
        closing: impl Future<Output = kavka::Result<()>>,
    ) -> bool {
        let begun = Instant::now();
        let leaving = async {
            match closing.await {
                Err(error)
                    if error.kind() == ErrorKind::Timeout
                        && begun.elapsed() >= self.plan.request_timeout =>
                {
                    self.log.say(format_args!("a group is not left: {error}"));
                    Ok(false)
                }
                closed => closed.map(|()| true),
            }
        };
        self.in_time("consumer.close", longest, leaving).await == Some(true)
    }

    /// Ends the cluster, and looks at what all runs promise: no task is left, and nobody has asked
    /// without a pause.
    pub(crate) async fn report(&self) -> Report {
        self.embedded.shutdown().await;
        // Faults that were to end later.
        sleep(Duration::from_secs(7)).await;
        let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        self.log.check(tasks == 0, || format!("{tasks} tasks are left"));

        let requests = self.embedded.requests();
        self.log.check(requests.len() < MANY_REQUESTS, || format!("{} requests", requests.len()));
        let mut lines = self.log.lines();
        lines.extend(self.embedded.transaction_history().iter().map(|step| format!("{step:?}")));
        lines.extend(
            requests.iter().map(|request| format!("{:>7} {request:?}", request.at.as_millis())),
        );
        Report { lines, wrongs: self.log.wrongs() }
    }
}

/// Runs on one thread and in paused time: what happens follows from the seed alone.
pub(crate) fn alone(live: impl Future<Output = Report>) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(live)
}

/// Runs one seed.
pub(crate) fn run(seed: u64) -> Report {
    alone(live(seed))
}

async fn live(seed: u64) -> Report {
    let log = Log::new();
    let mut dice = Dice::new(seed);
    let plan = Plan::new(&mut dice);
    log.say(format_args!("{plan:#?}"));
    let embedded = plan.cluster(&mut dice).start().await.unwrap();
    let world = Arc::new(World { plan, embedded, log: log.clone(), fates: Fates::default() });

    let producers: Vec<_> = (0..world.plan.producers.len())
        .map(|index| writers::start(&world, index, &mut dice))
        .collect();
    let mut groups = Vec::new();
    for plan in &world.plan.groups {
        let ledger = Arc::new(Ledger::new(&plan.name, &log));
        let (end, ended) = oneshot::channel();
        let churn = members::churn(
            Arc::clone(&world),
            plan.clone(),
            Arc::clone(&ledger),
            dice.fork(),
            ended,
        );
        groups.push((ledger, end, tokio::spawn(churn)));
    }
    let history = Arc::new(Mutex::new(BTreeMap::new()));
    let (end_reader, reader_ended) = oneshot::channel();
    let reader =
        tokio::spawn(read(Arc::clone(&world), Arc::clone(&history), dice.fork(), reader_ended));
    let watch = tokio::spawn(watch_commits(
        Arc::clone(&world),
        groups.iter().map(|(ledger, ..)| Arc::clone(ledger)).collect(),
    ));

    faults::rage(&world, dice.fork(), &[]).await;
    for producer in producers {
        producer.await.unwrap();
    }
    let calm = Instant::now();
    let is_all_read = || {
        let read = history.lock().unwrap();
        world
            .partitions()
            .iter()
            .all(|tp| read.get(tp).map_or(0, Vec::len) as u64 == world.end(tp).unsigned_abs())
    };
    while !is_all_read() || !groups.iter().all(|(ledger, ..)| ledger.is_complete(&world)) {
        if calm.elapsed() > CALM {
            let progress: Vec<_> = groups.iter().map(|(ledger, ..)| ledger.progress()).collect();
            log.wrong(format_args!(
                "not everything is read: alone {}, {progress:?}",
                is_all_read()
            ));
            break;
        }
        sleep(Duration::from_millis(200)).await;
    }
    log.say("all has converged");

    end_reader.send(()).unwrap();
    reader.await.unwrap();
    let ledgers: Vec<_> = groups.iter().map(|(ledger, ..)| Arc::clone(ledger)).collect();
    for (_, end, churn) in groups {
        end.send(()).unwrap();
        churn.await.unwrap();
    }
    watch.abort();
    let _ = watch.await;
    ledgers.iter().for_each(|ledger| ledger.check_commits(&world));
    check_history(&world, &history.lock().unwrap());
    world.report().await
}

async fn watch_commits(world: Arc<World>, ledgers: Vec<Arc<Ledger>>) {
    loop {
        ledgers.iter().for_each(|ledger| ledger.check_commits(&world));
        sleep(Duration::from_millis(50)).await;
    }
}

/// The values of each partition, in the order of their offsets.
type History = BTreeMap<TopicPartition, Vec<String>>;

/// Reads everything from the first record on, without a group, until told to end.
async fn read(
    world: Arc<World>,
    history: Arc<Mutex<History>>,
    mut dice: Dice,
    mut end: oneshot::Receiver<()>,
) {
    let client = world.client("reader", &mut dice);
    let mut consumer = client
        .consumer(ConsumerConfig::new().auto_offset_reset(AutoOffsetReset::Earliest))
        .unwrap();
    consumer.assign(world.partitions()).unwrap();
    loop {
        let received = tokio::select! {
            biased;
            _ = &mut end => break,
            received = consumer.recv() => received,
        };
        let record = match received {
            Ok(record) => record,
            Err(error) => {
                world.log.wrong(format_args!("the reader cannot receive: {error:?}"));
                continue;
            }
        };
        let mut history = history.lock().unwrap();
        let values = history.entry(record.topic_partition().clone()).or_default();
        let (offset, expected) = (record.offset().0, i64::try_from(values.len()).unwrap());
        let partition = record.topic_partition();
        world.log.check(offset == expected, || {
            format!("the reader got {partition} {offset} instead of {expected}")
        });
        values.push(String::from_utf8(record.value().unwrap_or_default().to_vec()).unwrap());
    }
    let short = Duration::from_secs(5);
    world.in_time("reader's close", short, consumer.close(short)).await;
    world.in_time("client.close", short, client.close(short)).await;
}

/// Compares what the logs hold with what the producers were told.
fn check_history(world: &World, history: &History) {
    let log = &world.log;
    let mut places: BTreeMap<&str, Vec<(&TopicPartition, i64)>> = BTreeMap::new();
    for (partition, values) in history {
        for (offset, value) in (0..).zip(values) {
            places.entry(value).or_default().push((partition, offset));
        }
    }
    let fates = world.fates.all();
    for value in places.keys().filter(|value| !fates.contains_key(**value)) {
        log.wrong(format_args!("nobody sent {}", short(value)));
    }
    for (value, fate) in &fates {
        let found: &[_] = places.get(value.as_str()).map_or(&[], Vec::as_slice);
        let name = short(value);
        match &fate.verdict {
            Verdict::Pending => log.wrong(format_args!("{name} has no verdict")),
            Verdict::Acknowledged(partition, offset) => {
                let is_there = |&(tp, at): &(&TopicPartition, i64)| {
                    tp == partition && offset.is_none_or(|offset| offset.0 == at)
                };
                log.check(found.iter().any(is_there), || {
                    format!("{name} was acknowledged at {partition} {offset:?}, found at {found:?}")
                });
            }
            Verdict::Refused | Verdict::Failed(_, Some(Written::No)) => {
                log.check(found.is_empty(), || {
                    format!("{name} is {:?}, but at {found:?}", fate.verdict)
                });
            }
            Verdict::Failed(..) => {}
        }
        log.check(!fate.is_idempotent || found.len() < 2, || {
            format!("{name} is written more than once: {found:?}")
        });
    }
    for (partition, values) in history {
        let mut newest = BTreeMap::new();
        for value in values {
            let Some(fate) = fates.get(value).filter(|fate| fate.is_idempotent) else { continue };
            let before = newest.insert(fate.sender, fate.number);
            let in_order = before.is_none_or(|before| before < fate.number);
            log.check(in_order, || format!("{} is behind {before:?} in {partition}", short(value)));
        }
    }
    check_stored(world, history);
}

/// The embedded cluster's own view of its logs, as far as it looks into batches.
fn check_stored(world: &World, history: &History) {
    for (partition, values) in history {
        for batch in world.embedded.log(&partition.topic, partition.partition.0) {
            let first = usize::try_from(batch.header.base_offset).unwrap();
            for (record, value) in
                batch.records().into_iter().flatten().zip(values.iter().skip(first))
            {
                let same = record.value == Some(value.as_bytes());
                world
                    .log
                    .check(same, || format!("{partition}: the log does not hold {}", short(value)));
            }
        }
    }
}

impl Debug for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} events, {} promises broken", self.lines.len(), self.wrongs)
    }
}
