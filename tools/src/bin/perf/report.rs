//! The line at the end: rates, latencies, and what the process cost.

use std::time::Duration;

use kavka_programs::{Outcome, Stop};
use serde_json::{Value, json};

use super::options::{Mode, Options};

/// What became of the records of one task.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) acknowledged: u64,
    pub(crate) errors: u64,
    pub(crate) first_error: Option<Stop>,
    /// When the last verdict came, in nanoseconds since the start.
    pub(crate) last: u64,
    latencies: Histogram,
}

impl Tally {
    pub(crate) fn acknowledge(&mut self, since: u64, now: u64, records: u64) {
        self.acknowledged += records;
        self.latencies.record(now.saturating_sub(since), records);
    }

    pub(crate) fn fail(&mut self, records: u64, error: Stop) {
        self.errors += records;
        self.first_error.get_or_insert(error);
    }

    /// Counts as errors what has no verdict because nothing more was sent after one.
    pub(crate) fn lose(&mut self, wanted: u64) {
        self.errors = self.errors.max(wanted.saturating_sub(self.acknowledged));
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
        self.last = self.last.max(other.last);
        self.latencies.merge(&other.latencies);
    }
}

/// What was measured.
#[derive(Debug)]
pub(crate) struct Report {
    records: u64,
    bytes: u64,
    seconds: f64,
    errors: u64,
    first_error: Option<Stop>,
    latencies: Option<Histogram>,
    handled: Option<Handled>,
}

/// How long records took to a handler.
#[derive(Debug)]
struct Handled {
    latencies: Histogram,
    /// Other records, sent to find out that it reads.
    probes: u64,
}

impl Report {
    pub(crate) fn produced(tally: Tally, size: usize) -> Self {
        Self {
            records: tally.acknowledged,
            bytes: tally.acknowledged * size as u64,
            seconds: Duration::from_nanos(tally.last).as_secs_f64(),
            errors: tally.errors,
            first_error: tally.first_error,
            latencies: Some(tally.latencies),
            handled: None,
        }
    }

    pub(crate) fn consumed(records: u64, bytes: u64, elapsed: Duration) -> Self {
        Self {
            records,
            bytes,
            seconds: elapsed.as_secs_f64(),
            errors: 0,
            first_error: None,
            latencies: None,
            handled: None,
        }
    }

    /// Adds how long records took to a handler, and how many others were sent to find out that it
    /// reads.
    pub(crate) fn handled(mut self, latencies: Histogram, probes: u64) -> Self {
        self.handled = Some(Handled { latencies, probes });
        self
    }

    /// The line; null for what is not measured in this mode or on this system.
    pub(crate) fn json(&self, options: &Options) -> Value {
        let per_second = |count: f64| if self.seconds > 0.0 { count / self.seconds } else { 0.0 };
        let milliseconds = |share| {
            self.latencies
                .as_ref()
                .and_then(|latencies| latencies.quantile(share))
                .map(as_milliseconds)
        };
        let handler = self.handled.as_ref().map(|Handled { latencies, probes }| {
            let milliseconds = |share| latencies.quantile(share).map(as_milliseconds);
            json!({
                "records": latencies.count(),
                "probes": probes,
                "p50_ms": milliseconds(0.5),
                "p95_ms": milliseconds(0.95),
                "p99_ms": milliseconds(0.99),
                "p999_ms": milliseconds(0.999),
                "max_ms": as_milliseconds(latencies.max()),
            })
        });
        let usage = Usage::of_this_process();
        json!({
            "client": if options.mq { "kavka-mq" } else { "kavka" },
            "mode": match options.mode {
                Mode::Produce => "produce",
                Mode::Consume => "consume",
                Mode::Share => "share",
            },
            "records": self.records,
            "bytes": self.bytes,
            "seconds": self.seconds,
            "records_per_s": per_second(self.records as f64),
            "mb_per_s": per_second(self.bytes as f64) / 1e6,
            "p50_ms": milliseconds(0.5),
            "p95_ms": milliseconds(0.95),
            "p99_ms": milliseconds(0.99),
            "p999_ms": milliseconds(0.999),
            "max_ms": self.latencies.as_ref().filter(|latencies| latencies.count() > 0).map(|latencies| as_milliseconds(latencies.max())),
            "handler": handler,
            "cpu_user_s": usage.cpu_user,
            "cpu_sys_s": usage.cpu_sys,
            "max_rss_kb": usage.max_rss_kb,
            "errors": self.errors,
        })
    }

    /// A failure if a record failed.
    pub(crate) fn check(&self) -> Outcome<()> {
        match &self.first_error {
            Some(Stop::Usage(message)) if self.records == 0 => Err(Stop::usage(message)),
            Some(Stop::Usage(error) | Stop::Failure(error)) => Err(Stop::failure(format_args!(
                "{} records failed, the first: {error}",
                self.errors
            ))),
            Some(Stop::Asked(_)) | None => Ok(()),
        }
    }
}

fn as_milliseconds(nanos: u64) -> f64 {
    nanos as f64 / 1e6
}

/// Latencies in nanoseconds, to a thousandth.
#[derive(Debug)]
pub(crate) struct Histogram(hdrhistogram::Histogram<u64>);

impl Default for Histogram {
    fn default() -> Self {
        Self(hdrhistogram::Histogram::new(3).expect("3 digits are allowed"))
    }
}

impl Histogram {
    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    pub(crate) fn record(&mut self, value: u64, times: u64) {
        // It grows to whatever comes.
        let _ = self.0.record_n(value, times);
    }

    fn merge(&mut self, other: &Self) {
        self.0 += &other.0;
    }

    fn max(&self) -> u64 {
        self.0.max()
    }

    /// The smallest value that so large a share of all does not exceed, rounded up to what is told
    /// apart.
    fn quantile(&self, share: f64) -> Option<u64> {
        (!self.0.is_empty()).then(|| self.0.value_at_quantile(share))
    }
}

/// What this process has used so far, as far as the system tells.
#[derive(Debug, Default)]
struct Usage {
    cpu_user: Option<f64>,
    cpu_sys: Option<f64>,
    max_rss_kb: Option<u64>,
}

/// What Linux counts CPU time in for user programs, on every architecture.
const TICKS_PER_SECOND: f64 = 100.0;

impl Usage {
    fn of_this_process() -> Self {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        Self::read(&stat, &status)
    }

    fn read(stat: &str, status: &str) -> Self {
        // The name in parentheses may hold anything; user and system time are the 14th and 15th
        // field.
        let mut times = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .skip(11)
            .map(str::parse::<u32>);
        let mut seconds = || Some(f64::from(times.next()?.ok()?) / TICKS_PER_SECOND);
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        Self {
            cpu_user: seconds(),
            cpu_sys: seconds(),
            max_rss_kb: peak.and_then(|peak| peak.split_whitespace().next()?.parse().ok()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_exact_to_a_hundredth() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), None);
        (1..=1000).for_each(|value| histogram.record(value * 1_000_000, 1));
        for (share, exact) in [(0.5, 500e6), (0.95, 950e6), (0.999, 999e6), (1.0, 1000e6)] {
            let found = histogram.quantile(share).expect("not empty") as f64;
            assert!((exact..=exact * 1.01).contains(&found), "{share}: {found}");
        }
    }

    #[test]
    fn what_was_not_sent_after_a_refusal_is_an_error() {
        let mut tally = Tally::default();
        tally.acknowledge(0, 5, 3);
        tally.lose(10);
        assert_eq!(tally.errors, 7);
    }

    #[test]
    fn linux_tells_times_behind_a_name_with_spaces() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 100 0 0 0 250 75 0 0 20 0 4 0 100 0 0";
        let usage = Usage::read(stat, "Name:\tperf\nVmPeak:\t 9 kB\nVmHWM:\t    1234 kB\n");
        assert_eq!(
            (usage.cpu_user, usage.cpu_sys, usage.max_rss_kb),
            (Some(2.5), Some(0.75), Some(1234))
        );
    }
}
