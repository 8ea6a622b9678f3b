//! The way from `send` to a handler of `kavka::mq`, measured in one process and so with one clock
//! (`--to-handler`).
//!
//! A value begins with a number of this run, by which records of others are told apart, and with
//! the time from which it counts.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use kavka::mq::{Config, Message, Mq};
use kavka::{PartitionId, Record};
use kavka_programs::{Outcome, Stop};

use super::observe::nanos;
use super::options::Options;
use super::report::Histogram;

/// Bytes at the beginning of a value: the run, then nanoseconds since its start.
pub(crate) const STAMP: usize = 16;

/// After so long there is no assignment, or a record does not come any more.
const AT_MOST: Duration = Duration::from_secs(30);

/// What handlers have seen of this run.
#[derive(Debug)]
pub(crate) struct Handled {
    run: u64,
    /// When every partition was handled: before that nothing is due.
    started: OnceLock<Instant>,
    seen: Mutex<Seen>,
    mq: Mq,
    probes: AtomicU64,
}

#[derive(Debug, Default)]
struct Seen {
    probed: BTreeSet<PartitionId>,
    latencies: Histogram,
}

/// Stands for the time in a record that only finds out whether its partition is consumed.
const PROBE: u64 = u64::MAX;

impl Handled {
    /// Consumes the topic from its end on; returns when every partition of it is handled.
    pub(crate) async fn start(
        options: &Options,
        config: Config,
        partitions: usize,
    ) -> Outcome<Arc<Self>> {
        let run = std::time::UNIX_EPOCH
            .elapsed()
            .map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(0));
        let mut config = config;
        config.consumer.group_id = Some(format!("perf-{run}"));
        let mq = Mq::new(config)?;
        let handled = Arc::new(Self {
            run,
            started: OnceLock::new(),
            seen: Mutex::default(),
            mq: mq.clone(),
            probes: AtomicU64::new(0),
        });
        let notes = Arc::clone(&handled);
        let handler = move |message: Message| {
            notes.note(&message);
            std::future::ready(())
        };
        mq.consumer()?.subscribe([options.topic.as_str()], handler)?;
        let begun = Instant::now();
        while handled.seen().probed.len() < partitions {
            if begun.elapsed() > AT_MOST {
                return Err(Stop::failure("the handler was not given every partition in time"));
            }
            for partition in 0..partitions {
                let probe = handled.stamp(PROBE, &[0; STAMP]);
                let record = Record::to(&options.topic)
                    .partition(i32::try_from(partition).unwrap_or(0))
                    .value(&probe);
                handled.probes.fetch_add(1, Relaxed);
                mq.producer().send(record).await?.await?;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(handled)
    }

    /// A value that says from when it counts, by the clock of this.
    pub(crate) fn stamp(&self, since: u64, value: &[u8]) -> Vec<u8> {
        let mut stamped = value.to_vec();
        let stamp = [self.run.to_be_bytes(), since.to_be_bytes()].concat();
        stamped.iter_mut().zip(stamp).for_each(|(byte, own)| *byte = own);
        stamped
    }

    /// What `since` counts from: the first call.
    pub(crate) fn started(&self) -> Instant {
        *self.started.get_or_init(Instant::now)
    }

    /// Waits for so many records, and tells how long each took.
    pub(crate) async fn finish(&self, records: u64) -> Outcome<Histogram> {
        let begun = Instant::now();
        while self.seen().latencies.count() < records {
            if begun.elapsed() > AT_MOST {
                let seen = self.seen().latencies.count();
                return Err(Stop::failure(format_args!(
                    "the handler saw {seen} of {records} records"
                )));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.mq.close().await?;
        Ok(std::mem::take(&mut self.seen().latencies))
    }

    /// How many records were sent that only find out whether their partition is consumed.
    pub(crate) fn probes(&self) -> u64 {
        self.probes.load(Relaxed)
    }

    fn note(&self, message: &Message) {
        let number = |at: usize| {
            let bytes = message.value.as_deref()?.get(at..)?.first_chunk::<8>()?;
            Some(u64::from_be_bytes(*bytes))
        };
        match (number(0), number(8)) {
            (Some(run), _) if run != self.run => {}
            (Some(_), Some(PROBE)) => self.seen().probed.extend(message.partition),
            (Some(_), Some(since)) => {
                let now = nanos(self.started());
                self.seen().latencies.record(now.saturating_sub(since), 1);
            }
            _ => {}
        }
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
