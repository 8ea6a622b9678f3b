//! Runs seeds, each on a thread of its own with a watch that looks at the real clock.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::panic;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::sleep;

use crate::consumers::{self, Wildness};
use crate::ends;
use crate::harness::{count_panics, panics, setting};
use crate::log::Log;
use crate::producers;
use crate::promise::Promise;
use crate::refusals;
use crate::services;
use crate::topics;

/// How many seeds of each profile `cargo test` runs.
const DEFAULT_SEEDS: u64 = 5;

/// How many of the last events a failure prints.
const LAST_EVENTS: usize = 60;

/// How often in 100 ms something may have to be done: twice what was seen at most in 200 seeds of
/// each profile (200, two for each millisecond of the timer).
const MOST_PARKS: u64 = 400;

/// Paused time that stands still for so long is a loop that never rests. The one limit by the real
/// clock, generous to a busy machine.
const STANDSTILL: Duration = Duration::from_secs(30);

/// A part of what a client can be put through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Consumers on a healthy network.
    Consumers,
    /// The same, with faults around them.
    ConsumersInTrouble,
    /// Members of groups whose coordinator assigns (KIP-848).
    Coordinated,
    /// The same, with faults around them.
    CoordinatedInTrouble,
    /// Clients are closed under their consumers.
    Closing,
    /// Members of groups of which replies are lost.
    Groups,
    /// Producers on a healthy network.
    Producers,
    /// The same, with faults around them.
    ProducersInTrouble,
    /// Brokers that lack, forbid or garble something.
    Refusals,
    /// Handlers of `kavka::mq`.
    Services,
    /// Topics that go, come and grow.
    Topics,
    /// Runtimes that end under their users.
    Ends,
}

/// What is left of a run.
pub(crate) struct Report {
    pub(crate) lines: Vec<String>,
    wrongs: usize,
    /// How often something was done within 100 ms, at most.
    most_parks: u64,
}

/// What is seen of a run from outside.
#[derive(Debug, Default)]
struct Pulse {
    beats: AtomicU64,
    most_parks: AtomicU64,
}

impl Report {
    fn broken(&self) -> BTreeSet<&str> {
        let wrongs =
            self.lines.iter().filter_map(|line| line.split_once("WRONG [").map(|(_, rest)| rest));
        wrongs.filter_map(|rest| rest.split_once(']').map(|(name, _)| name)).collect()
    }
}

/// Runs the seeds of a profile.
pub(crate) fn many(profile: Profile) {
    if let Some(seed) = setting("KAVKA_SEED") {
        let report = attempt(profile, seed);
        report.lines.iter().for_each(|line| println!("{line}"));
        assert_eq!(report.wrongs, 0, "{profile:?}, seed {seed}: {:?} are broken", report.broken());
        return;
    }
    let first = setting("KAVKA_FIRST_SEED").unwrap_or(1);
    let seeds = first..first + setting("KAVKA_SEEDS").unwrap_or(DEFAULT_SEEDS);
    let mut failed = Vec::new();
    let mut most_parks = 0;
    for seed in seeds {
        let report = attempt(profile, seed);
        most_parks = most_parks.max(report.most_parks);
        if report.wrongs > 0 {
            println!(
                "{profile:?}, seed {seed}: {:?} are broken; run it alone with KAVKA_SEED={seed}",
                report.broken()
            );
            report
                .lines
                .iter()
                .filter(|line| line.contains("WRONG"))
                .take(setting("KAVKA_WRONGS").map_or(4, |count| usize::try_from(count).unwrap()))
                .for_each(|line| println!("{line}"));
            failed.push((seed, report));
        }
    }
    println!("{profile:?}: at most {most_parks} parks in 100 ms");
    if let Some((seed, report)) = failed.first() {
        println!("the last events of seed {seed}:");
        report
            .lines
            .iter()
            .skip(report.lines.len().saturating_sub(LAST_EVENTS))
            .for_each(|line| println!("{line}"));
    }
    let failed: Vec<_> = failed.iter().map(|(seed, _)| seed).collect();
    assert!(failed.is_empty(), "{profile:?}: these seeds broke a promise: {failed:?}");
}

/// Among the events is every request that a broker received, so that this covers what the clients
/// did.
pub(crate) fn twice(profile: Profile) {
    for seed in setting("KAVKA_SEED").map_or(1..=1, |seed| seed..=seed) {
        let [first, second] = [(); 2].map(|()| attempt(profile, seed).lines);
        let differs = first.iter().zip(&second).position(|(one, other)| one != other);
        if let Some(at) = differs {
            first[at.saturating_sub(20)..at].iter().for_each(|line| println!("{line}"));
            println!("event {at}:\n{}\n{}", first[at], second[at]);
        }
        assert!(
            first == second,
            "{profile:?}, seed {seed}: two runs differ from event {differs:?} on"
        );
    }
}

/// Runs a seed; a panic anywhere, also in a task of the client, counts as a broken promise.
fn attempt(profile: Profile, seed: u64) -> Report {
    let (done, ended) = mpsc::channel();
    let shared = Arc::new(OnceLock::new());
    let pulse = Arc::new(Pulse::default());
    let (log, beating) = (Arc::clone(&shared), Arc::clone(&pulse));
    let run = move || {
        count_panics();
        let ended =
            panic::catch_unwind(panic::AssertUnwindSafe(|| live(profile, seed, &log, &beating)));
        let log = log.get().unwrap();
        if panics() > 0 || ended.is_err() {
            log.wrong(format_args!("{} {} times", Promise::NoPanic, panics()));
        }
        let mut lines = log.lines();
        lines.extend(ended.unwrap_or_default());
        // Nobody listens any more to a run that took too long.
        let most_parks = beating.most_parks.load(Ordering::Relaxed);
        let _ = done.send(Report { lines, wrongs: log.wrongs(), most_parks });
    };
    std::thread::Builder::new().name(format!("{profile:?} {seed}")).spawn(run).unwrap();
    let mut seen = 0;
    loop {
        if let Ok(report) = ended.recv_timeout(STANDSTILL) {
            return report;
        }
        let now = pulse.beats.load(Ordering::Relaxed);
        if now == seen {
            let log: &Log = shared.get().unwrap();
            log.wrong(format_args!("{} time stands still", Promise::Rests));
            return Report { lines: log.lines(), wrongs: log.wrongs(), most_parks: 0 };
        }
        seen = now;
    }
}

/// One run; gives the requests that brokers received.
fn live(profile: Profile, seed: u64, log: &OnceLock<Log>, pulse: &Pulse) -> Vec<String> {
    if profile == Profile::Ends {
        return ends::live(seed, log);
    }
    // One thread and paused time: what happens follows from the seed alone.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let log = log.get_or_init(Log::new).clone();
        tokio::select! {
            biased;
            lines = play(profile, seed, log.clone()) => lines,
            never = beat(pulse, &log) => match never {},
        }
    })
}

/// Counts as long as time passes, and how often something is done meanwhile.
async fn beat(pulse: &Pulse, log: &Log) -> Infallible {
    let metrics = tokio::runtime::Handle::current().metrics();
    let mut parks = 0;
    loop {
        sleep(Duration::from_millis(100)).await;
        pulse.beats.fetch_add(1, Ordering::Relaxed);
        let now = metrics.worker_park_count(0);
        pulse.most_parks.fetch_max(now - parks, Ordering::Relaxed);
        log.check(now - parks <= MOST_PARKS, || {
            format!(
                "{} the thread had something to do {} times in 100 ms",
                Promise::Rests,
                now - parks
            )
        });
        parks = now;
    }
}

async fn play(profile: Profile, seed: u64, log: Log) -> Vec<String> {
    match profile {
        Profile::Consumers => consumers::live(seed, log, Wildness::default()).await,
        Profile::ConsumersInTrouble => {
            consumers::live(seed, log, Wildness { is_troubled: true, ..Wildness::default() }).await
        }
        Profile::Coordinated => {
            consumers::live(seed, log, Wildness { is_of_coordinator: true, ..Wildness::default() })
                .await
        }
        Profile::CoordinatedInTrouble => {
            consumers::live(
                seed,
                log,
                Wildness { is_of_coordinator: true, is_troubled: true, ..Wildness::default() },
            )
            .await
        }
        Profile::Closing => {
            consumers::live(seed, log, Wildness { closes_clients: true, ..Wildness::default() })
                .await
        }
        Profile::Groups => {
            consumers::live(
                seed,
                log,
                Wildness { is_troubled: true, is_about_groups: true, ..Wildness::default() },
            )
            .await
        }
        Profile::Producers => producers::live(seed, log, false).await,
        Profile::ProducersInTrouble => producers::live(seed, log, true).await,
        Profile::Refusals => refusals::live(seed, log).await,
        Profile::Services => services::live(seed, log).await,
        Profile::Topics => topics::live(seed, log).await,
        Profile::Ends => unreachable!("it has runtimes of its own"),
    }
}
