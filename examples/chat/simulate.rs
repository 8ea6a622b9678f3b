//! Many users at once, and a check that each room hears everyone, once and in order.
//!
//! Users send some messages one by one without waiting and some in batches. A group of one consumer
//! takes all rooms. A message says its user and number; a room must hold each user's numbers
//! without a gap. Redelivery after a rebalance, which at-least-once allows, is told by its offset,
//! passed over as a service would, and counted apart.

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use kavka::mq::{Config, HandlerOptions, Message, Mq};
use kavka::{AutoOffsetReset, ClientConfig, Offset, TopicName};
use kavka_programs::{Interrupt, Outcome, Stop, say};

use crate::{connect, room};

/// What is to be simulated.
pub(crate) struct Plan {
    pub(crate) users: u32,
    pub(crate) rooms: u32,
    /// Messages per second and user.
    pub(crate) rate: f64,
    pub(crate) lasts: Duration,
}

/// How long the last messages may take to come.
const PATIENCE: Duration = Duration::from_secs(150);
/// How often metrics are printed.
const REPORT: Duration = Duration::from_secs(10);
/// Messages of a user that go as one batch, now and then.
const BATCH: u64 = 5;

#[derive(Debug, Default)]
struct Ledger {
    /// The next number of each user in each room.
    next: HashMap<(TopicName, u32), u64>,
    last_offset: HashMap<TopicName, Offset>,
    heard: u64,
    redelivered: u64,
    /// What is amiss, the first few of it.
    faults: Vec<String>,
    fault_count: u64,
    micros: Vec<u32>,
}

/// What users have done.
#[derive(Debug, Default)]
struct Tally {
    acknowledged: AtomicU64,
    failed: AtomicU64,
    over: AtomicBool,
}

pub(crate) async fn run(
    client: ClientConfig,
    plan: &Plan,
    mut interrupt: Interrupt,
) -> Outcome<ExitCode> {
    let run = format!("{:x}-{}", std::process::id(), Instant::now().elapsed().as_nanos());
    let mut config = Config::default();
    config.consumer.group_id = Some(format!("chat.simulation.{run}"));
    config.consumer.auto_offset_reset = AutoOffsetReset::Earliest;
    let mq = connect(client, config)?;
    let rooms: Vec<String> = (0..plan.rooms).map(|number| format!("{run}.{number}")).collect();
    for room in &rooms {
        room::open(&mq, room).await?;
    }
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let clock = Instant::now();
    listen(&mq, &rooms, &ledger, clock)?;

    let tally = Arc::new(Tally::default());
    let began = Instant::now();
    let mut users = tokio::task::JoinSet::new();
    for user in 0..plan.users {
        let room = &rooms[usize::try_from(user % plan.rooms).unwrap_or(0)];
        let pause = Duration::from_secs_f64(1.0 / plan.rate);
        users.spawn(talk(mq.clone(), user, room::topic(room), pause, Arc::clone(&tally), clock));
    }
    let end = tokio::time::sleep(plan.lasts);
    tokio::pin!(end);
    let mut report = tokio::time::interval(REPORT);
    report.tick().await;
    loop {
        tokio::select! {
            () = &mut end => break,
            () = interrupt.received() => break,
            _ = report.tick() => print_metrics(&mq)?,
        }
    }
    tally.over.store(true, Relaxed);
    let mut sent = 0;
    while let Some(joined) = users.join_next().await {
        sent += joined.map_err(Stop::failure)?;
    }
    mq.producer().flush().await?;
    let talked = began.elapsed();
    let all_heard = async {
        while lock(&ledger).heard < sent && lock(&ledger).fault_count == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let is_complete = tokio::time::timeout(PATIENCE, all_heard).await.is_ok();
    let latency = mq.producer().metrics().latency;
    mq.close().await?;
    conclude(plan, &tally, &mut lock(&ledger), sent, is_complete, talked, &latency)
}

fn listen(mq: &Mq, rooms: &[String], ledger: &Arc<Mutex<Ledger>>, clock: Instant) -> Outcome<()> {
    let topics: Vec<String> = rooms.iter().map(|room| room::topic(room)).collect();
    let ledger = Arc::clone(ledger);
    let options = HandlerOptions::new().partitions_in_parallel(4);
    let handler = move |message: Message| {
        lock(&ledger).hear(&message, clock);
        std::future::ready(())
    };
    Ok(mq.consumer()?.subscribe_with(topics, options, handler)?)
}

impl Ledger {
    fn hear(&mut self, message: &Message, clock: Instant) {
        let now = clock.elapsed();
        let Some(offset) = message.offset else { return };
        if self.last_offset.get(&message.topic).is_some_and(|last| offset <= *last) {
            self.redelivered += 1;
            return;
        }
        self.last_offset.insert(message.topic.clone(), offset);
        let mut words = message.text().unwrap_or("").split(' ');
        let user = words.next().and_then(|word| word.parse::<u32>().ok());
        let number = words.next().and_then(|word| word.parse::<u64>().ok());
        let (Some(user), Some(number)) = (user, number) else {
            return self.fault(format!("{message:?} has no number"));
        };
        let next = self.next.entry((message.topic.clone(), user)).or_insert(0);
        let expected = std::mem::replace(next, number + 1);
        if number != expected {
            self.fault(format!(
                "{message:?}: user {user} said {number} where {expected} should come"
            ));
        }
        self.heard += 1;
        if let Some(sent) = message
            .last_header("sent")
            .and_then(|bytes| bytes.try_into().ok())
            .map(u64::from_be_bytes)
        {
            let took = now.saturating_sub(Duration::from_nanos(sent));
            self.micros.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
        }
    }

    fn fault(&mut self, what: String) {
        self.fault_count += 1;
        if self.faults.len() < 10 {
            self.faults.push(what);
        }
    }

    fn quantile_ms(&self, of_thousand: usize) -> f64 {
        let at = self.micros.len() * of_thousand / 1000;
        self.micros.get(at).or(self.micros.last()).map_or(0.0, |micros| f64::from(*micros) / 1000.0)
    }
}

/// Talks until it is over; returns how much was said.
async fn talk(
    mq: Mq,
    user: u32,
    topic: String,
    pause: Duration,
    tally: Arc<Tally>,
    clock: Instant,
) -> u64 {
    // Users do not speak in step.
    tokio::time::sleep(pause.mul_f64(f64::from(user % 97) / 97.0)).await;
    let mut ticks = tokio::time::interval(pause);
    let mut number = 0;
    let line = |number: u64| {
        let sent =
            u64::try_from(clock.elapsed().as_nanos()).unwrap_or(u64::MAX).to_be_bytes().to_vec();
        let text = format!("{user} {number} {WORDS}");
        Message::new(topic.as_str(), text).key(user.to_string()).header("sent", sent)
    };
    while !tally.over.load(Relaxed) {
        ticks.tick().await;
        if number % 50 == 45 {
            let lines: Vec<_> = (number..number + BATCH).map(line).collect();
            for result in mq.producer().send_batch_sync(&lines).await {
                tally.note(result.result.is_ok());
            }
            number += BATCH;
            continue;
        }
        let message = line(number);
        let noted = Arc::clone(&tally);
        let told = move |sent: kavka::mq::Result<_>| noted.note(sent.is_ok());
        let (key, value) = (message.key.as_deref(), message.value.as_deref().unwrap_or_default());
        let sent =
            mq.producer().send_async_with_headers(&topic, key, value, &message.headers, told).await;
        if let Err(error) = sent {
            // Nothing was sent, so the number is still free; the next attempt waits for room again.
            eprintln!("user {user}: {error}");
            continue;
        }
        number += 1;
    }
    number
}

const WORDS: &str = "says that the tea is ready, that the river has risen over the lower meadow \
                     again, and that nobody should take the old bridge before the carpenters \
                     have been there";

impl Tally {
    fn note(&self, is_acknowledged: bool) {
        if is_acknowledged { &self.acknowledged } else { &self.failed }.fetch_add(1, Relaxed);
    }
}

fn print_metrics(mq: &Mq) -> Outcome<()> {
    let (sent, taken, pool) =
        (mq.producer().metrics(), mq.consumer()?.metrics(), mq.connection_pool().stats());
    eprintln!(
        "sent {:.0}/s, failed {}, p99 {:?}; received {:.0}/s, lag {}; connections {} ({} active, \
         {} closed)",
        sent.messages_per_second,
        sent.failed_messages,
        sent.latency.p99,
        taken.messages_per_second,
        taken.lag,
        pool.total_connections,
        pool.active_connections,
        pool.closed,
    );
    Ok(())
}

fn conclude(
    plan: &Plan,
    tally: &Tally,
    ledger: &mut Ledger,
    sent: u64,
    is_complete: bool,
    talked: Duration,
    latency: &kavka::mq::Latencies,
) -> Outcome<ExitCode> {
    ledger.micros.sort_unstable();
    let acknowledged = tally.acknowledged.load(Relaxed);
    let failed = tally.failed.load(Relaxed);
    say!(
        "{} users in {} rooms said {sent} messages in {:.1} s ({:.0}/s): {acknowledged} \
         acknowledged, {failed} failed, {} heard, {} redelivered, {} faults; acknowledged p50 \
         {:.2} ms p99 {:.2} ms p99.9 {:.2} ms; heard p50 {:.2} ms p99 {:.2} ms p99.9 {:.2} ms",
        plan.users,
        plan.rooms,
        talked.as_secs_f64(),
        f64::from(u32::try_from(sent).unwrap_or(u32::MAX)) / talked.as_secs_f64(),
        ledger.heard,
        ledger.redelivered,
        ledger.fault_count,
        millis(latency.p50),
        millis(latency.p99),
        millis(latency.p999),
        ledger.quantile_ms(500),
        ledger.quantile_ms(990),
        ledger.quantile_ms(999),
    );
    for fault in &ledger.faults {
        eprintln!("{fault}");
    }
    if !is_complete || failed > 0 || ledger.fault_count > 0 || ledger.heard != sent {
        return Err(Stop::failure("a message was lost, doubled or out of order"));
    }
    Ok(ExitCode::SUCCESS)
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
