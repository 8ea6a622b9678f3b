//! Sends: as fast as possible, or what is due each millisecond.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kavka::{Client, Record};
use kavka_programs::{Interrupt, Outcome, Stop};
use kavka_tools::progress::Progress;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::PATIENCE;
use super::handler::Handled;
use super::observe::{Observer, Sent, nanos};
use super::options::{Moment, Options};
use super::payload::Values;
use super::pipe::Pipe;
use super::report::{Report, Tally};

/// Records that go to the observer together, or into one call of `send_all`.
const CHUNK: u64 = 256;

/// Chunks that may wait for the observer: no more of them than this many are in flight in a
/// producer of usual memory.
const CHUNKS: usize = 16_384;

/// How long after a signal what was sent may still be acknowledged.
const IMPATIENCE: Duration = Duration::from_secs(10);

/// How often something becomes due.
const TICK: Duration = Duration::from_millis(1);

/// One task's part of the work: the records `first`, `first + step`, ….
struct Sender {
    pipe: Pipe,
    handled: Option<Arc<Handled>>,
    topic: Arc<str>,
    values: Arc<Values>,
    first: u64,
    step: u64,
    count: u64,
    /// Of all tasks together.
    rate: Option<u64>,
    from_due: bool,
    is_batch: bool,
    started: Instant,
    sent: mpsc::Sender<Sent>,
    interrupt: Interrupt,
    tally: Tally,
}

/// Produces and measures; an error only before the measurement.
pub(crate) async fn run(
    options: &Options,
    client: &Client,
    bootstrap: &str,
    interrupt: Interrupt,
) -> Outcome<Report> {
    let pipe = Pipe::open(options, client)?;
    let values = Arc::new(Values::new(options.payload, options.size));
    let (admin, mut early) = (client.admin(), interrupt.clone());
    tokio::select! {
        described = admin.describe_topic(&options.topic) => if let Err(error) = described
            && !error.is_retriable()
        {
            return Err(error.into());
        },
        () = early.received() => return Err(Stop::failure("interrupted before the topic was \
                                                           described")),
    }
    // A topic that is not there yet is created by the first record, if the cluster does that.
    warm_up(options, &pipe, &values, &interrupt).await?;
    let handled = if options.to_handler {
        Some(consume_too(options, client, bootstrap).await?)
    } else {
        None
    };

    let progress = Progress::start(options.records);
    let started = handled.as_ref().map_or_else(Instant::now, |handled| handled.started());
    let mut tasks = Vec::new();
    for first in 0..options.tasks.min(options.records) {
        let (sent, receiver) = mpsc::channel(CHUNKS);
        let observer = tokio::spawn(Observer::new(receiver, started, progress.clone()).run());
        let sender = Sender {
            pipe: pipe.clone(),
            handled: handled.clone(),
            topic: options.topic.as_str().into(),
            values: Arc::clone(&values),
            first,
            step: options.tasks,
            count: (options.records - first).div_ceil(options.tasks),
            rate: options.rate,
            from_due: options.latency_from == Moment::Due,
            is_batch: options.batch_api,
            started,
            sent,
            interrupt: interrupt.clone(),
            tally: Tally::default(),
        };
        let sender = match options.rate {
            None => tokio::spawn(sender.run()),
            // A thread of its own keeps the ticks more exactly than the runtime's timer.
            Some(_) => {
                let runtime = tokio::runtime::Handle::current();
                tokio::task::spawn_blocking(move || runtime.block_on(sender.run()))
            }
        };
        tasks.push((sender, observer));
    }
    let mut verdicts = pin!(gather(tasks, pipe.clone()));
    let mut impatient = interrupt.clone();
    let mut tally = tokio::select! {
        tally = &mut verdicts => tally?,
        () = async { impatient.received().await; tokio::time::sleep(IMPATIENCE).await } => {
            // Then all that is open fails.
            pipe.clone().close(Duration::ZERO).await;
            verdicts.await?
        }
    };
    progress.stop();
    if !interrupt.is_received() {
        tally.lose(options.records);
    }
    let acknowledged = tally.acknowledged;
    let mut report = Report::produced(tally, options.size);
    if let Some(handled) = handled {
        report = report.handled(handled.finish(acknowledged).await?, handled.probes());
    }
    pipe.close(PATIENCE).await;
    Ok(report)
}

/// Has a handler read the topic, by a client of its own as in another service.
async fn consume_too(options: &Options, client: &Client, bootstrap: &str) -> Outcome<Arc<Handled>> {
    let topic = client.admin().describe_topic(&options.topic).await?;
    let mut config = options.mq_config()?;
    config.brokers = vec![bootstrap.to_owned()];
    Handled::start(options, config, topic.partitions.len()).await
}

/// Waits for the senders, then for the last verdict.
async fn gather(tasks: Vec<(JoinHandle<Tally>, JoinHandle<Tally>)>, pipe: Pipe) -> Outcome<Tally> {
    let mut tally = Tally::default();
    let mut observers = Vec::new();
    for (sender, observer) in tasks {
        tally.merge(sender.await.map_err(Stop::failure)?);
        observers.push(observer);
    }
    pipe.flush().await;
    for observer in observers {
        tally.merge(observer.await.map_err(Stop::failure)?);
    }
    Ok(tally)
}

async fn warm_up(
    options: &Options,
    pipe: &Pipe,
    values: &Values,
    interrupt: &Interrupt,
) -> Outcome<()> {
    let warming = async {
        let mut pending = VecDeque::new();
        for record in 0..options.warmup {
            pending
                .push_back(pipe.send(Record::to(&options.topic).value(values.get(record))).await?);
        }
        pipe.flush().await;
        for mut pending in pending {
            poll_fn(|context| pending.poll(context)).await?;
        }
        Ok(())
    };
    let mut interrupt = interrupt.clone();
    tokio::select! {
        warmed = warming => warmed,
        () = interrupt.received() => Err(Stop::failure("interrupted")),
    }
}

impl Sender {
    async fn run(mut self) -> Tally {
        let mut done = 0;
        while done < self.count && !self.interrupt.is_received() {
            let due = self.due(done);
            while done < due {
                let end = due.min(done + CHUNK);
                let is_good = match self.is_batch {
                    true => self.send_chunk(done, end).await,
                    false => self.send_each(done, end).await,
                };
                if !is_good {
                    return self.tally;
                }
                done = end;
            }
        }
        self.tally
    }

    /// How many records of this task may have been sent by now; sleeps until there is one more than
    /// `done`.
    fn due(&self, done: u64) -> u64 {
        let Some(rate) = self.rate else { return (done + CHUNK).min(self.count) };
        let due_at = |tick: u64| {
            let all = u128::from(tick) * TICK.as_nanos() * u128::from(rate) / NANOS;
            let all = u64::try_from(all).unwrap_or(u64::MAX);
            // Of the records before `all`, those of this task.
            all.saturating_sub(self.first).div_ceil(self.step).min(self.count)
        };
        let tick_now = nanos(self.started) / TICK_NANOS;
        if due_at(tick_now) > done {
            return due_at(tick_now);
        }
        let next = self.due_tick(done, rate);
        std::thread::sleep(
            Duration::from_nanos(next * TICK_NANOS).saturating_sub(self.started.elapsed()),
        );
        due_at(next).max(done)
    }

    /// The tick at which a record of this task is due: the first at which, by the rate, it may have
    /// been sent.
    fn due_tick(&self, record: u64, rate: u64) -> u64 {
        let number = u128::from(self.first + record * self.step) + 1;
        u64::try_from((number * NANOS).div_ceil(u128::from(rate) * TICK.as_nanos()))
            .unwrap_or(u64::MAX)
    }

    /// From when the latency of a record counts: when it is due, or now.
    #[inline]
    fn since(&self, record: u64) -> u64 {
        match self.rate.filter(|_| self.from_due) {
            Some(rate) => self.due_tick(record, rate) * TICK_NANOS,
            None => nanos(self.started),
        }
    }

    async fn send_each(&mut self, from: u64, to: u64) -> bool {
        let mut chunk = Vec::with_capacity(usize::try_from(to - from).unwrap_or(0));
        for record in from..to {
            let since = self.since(record);
            let value = self.values.get(self.first + record * self.step);
            let stamped = self.handled.as_ref().map(|handled| handled.stamp(since, value));
            let value = stamped.as_deref().unwrap_or(value);
            let mut sending = pin!(self.pipe.send(Record::to(&self.topic).value(value)));
            let sent = poll_fn(|context| {
                let sent = sending.as_mut().poll(context);
                if sent.is_pending() && !chunk.is_empty() {
                    // While this one waits for room, those before it are acknowledged.
                    let ready = std::mem::take(&mut chunk);
                    if let Err(mpsc::error::TrySendError::Full(Sent::Each(ready))) =
                        self.sent.try_send(Sent::Each(ready))
                    {
                        chunk = ready;
                    }
                }
                sent
            });
            match sent.await {
                Ok(delivery) => chunk.push((since, delivery)),
                Err(error) => {
                    self.tally.fail(1, error);
                    let _ = self.sent.send(Sent::Each(chunk)).await;
                    return false;
                }
            }
        }
        self.sent.send(Sent::Each(chunk)).await.is_ok()
    }

    async fn send_chunk(&mut self, from: u64, to: u64) -> bool {
        let since = self.since(from);
        let records = (from..to).map(|record| {
            let value = self.values.get(self.first + record * self.step);
            Record::to(&self.topic).value(value)
        });
        // With `mq` there is no such call, which the options say.
        let Pipe::Client(producer) = &self.pipe else { return false };
        let deliveries = producer.send_all(records).await;
        let is_good = deliveries.accepted() == to - from;
        self.sent.send(Sent::Call { since, records: to - from, deliveries }).await.is_ok()
            && is_good
    }
}

const NANOS: u128 = 1_000_000_000;
const TICK_NANOS: u64 = 1_000_000;
