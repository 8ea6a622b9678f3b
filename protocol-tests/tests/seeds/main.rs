//! Whole clients on the embedded cluster under paused time, each run drawn from one seed: how many
//! brokers, producers, groups and members there are, how they are configured, and what goes wrong
//! around them for a while. Afterwards all must converge, and throughout every promise of the
//! client must hold.
//!
//! | promise | checked by |
//! |---|---|
//! | nothing acknowledged is lost, nothing of an idempotent producer is written twice, each task's order is kept, what failed as not written is not in the log | `run::check_history` |
//! | each delivery has one verdict, in time; nothing fails that had time enough | `writers` |
//! | every group reads every record, no partition has two live owners, nothing is delivered that is not owned, offsets rise without a gap | `members::Ledger` |
//! | nothing is committed that the application has not asked past, and no commit goes back | `Ledger::check_commits` |
//! | no call exceeds its deadline; closing is in time and leaves no task; nobody asks in a hot loop | `run` |
//! | what is committed is visible whole, what is aborted is not at all, each input is copied exactly once and in order, no partition stays closed to readers of committed records | `transactions` |
//! | share groups: what is confirmed as accepted or rejected has ended so at the brokers and never comes again; nothing ends but by somebody's word or its last delivery; in the end everything has ended | `shares::books::checks::{check_taken, check_delivery, look}`, `Books::is_complete` |
//! | counts of deliveries rise and stay within the limit; no record is with two who live; the older delivery of a record knows that it is void | `check_delivery`, `check_others` |
//! | each word has one answer, in time, which the listener is told as well; undisturbed no word and no call fails but by its own fault | `check_failure`, `check_listener`, `check_unheard`, `application` |
//! | no member hoards records; what a client asks within a second follows from what it was asked | `check_hoard`, `shares::load` |
//!
//! `KAVKA_SEEDS` is how many seeds are run (default 24), `KAVKA_SEED=n` runs that one alone and
//! prints all that happened.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test ends at its first surprise"
)]

mod dice;
mod faults;
mod harness;
mod log;
mod members;
mod plan;
mod run;
mod shares;
mod transactions;
mod writers;

use std::panic;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use harness::{count_panics, panics, setting};
use run::Report;

const DEFAULT_SEEDS: u64 = 24;

/// How many of the last events a failure prints.
const LAST_EVENTS: usize = 400;

/// Runs what follows from a seed.
type Profile = fn(u64) -> Report;

#[test]
fn many_seeds_keep_every_promise() {
    try_many(run::run);
}

#[test]
fn many_seeds_of_transactions_keep_every_promise() {
    try_many(transactions::run);
}

#[test]
fn many_seeds_of_share_groups_keep_every_promise() {
    try_many(shares::run);
}

fn try_many(profile: Profile) {
    if let Some(seed) = setting("KAVKA_SEED") {
        let report = attempt(profile, seed);
        report.lines.iter().for_each(|line| println!("{line}"));
        assert_eq!(report.wrongs, 0, "seed {seed}");
        return;
    }
    let (next, seeds) = (AtomicU64::new(1), setting("KAVKA_SEEDS").unwrap_or(DEFAULT_SEEDS));
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|threads| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            threads.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed > seeds {
                        break;
                    }
                    let report = attempt(profile, seed);
                    if report.wrongs > 0 {
                        failed.lock().unwrap().push((seed, report));
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner().unwrap();
    failed.sort_by_key(|(seed, _)| *seed);
    for (seed, report) in &failed {
        println!("seed {seed}: {report:?}; run it alone with KAVKA_SEED={seed}");
        report
            .lines
            .iter()
            .filter(|line| line.contains("WRONG"))
            .take(10)
            .for_each(|line| println!("{line}"));
    }
    if let Some((seed, report)) = failed.first() {
        println!("the last events of seed {seed}:");
        report
            .lines
            .iter()
            .skip(report.lines.len().saturating_sub(LAST_EVENTS))
            .for_each(|line| println!("{line}"));
    }
    let failed: Vec<_> = failed.iter().map(|(seed, _)| seed).collect();
    assert!(failed.is_empty(), "of {seeds} seeds these broke a promise: {failed:?}");
}

/// Among the events is every request that a broker received, so that the hash covers what the
/// clients did, byte counts included.
#[test]
fn one_of_the_seeds_run_twice_gives_the_same_log() {
    repeats(run::run);
}

#[test]
fn a_seed_of_transactions_run_twice_gives_the_same_log() {
    repeats(transactions::run);
}

#[test]
fn a_seed_of_share_groups_run_twice_gives_the_same_log() {
    repeats(shares::run);
}

fn repeats(profile: Profile) {
    for seed in setting("KAVKA_SEED").map_or(1..=10, |seed| seed..=seed) {
        let [first, second] = [(); 2].map(|()| attempt(profile, seed).lines);
        let differs = first.iter().zip(&second).position(|(one, other)| one != other);
        if let Some(at) = differs {
            first[at.saturating_sub(20)..at].iter().for_each(|line| println!("{line}"));
            println!("seed {seed}, event {at}:\n{}\n{}", first[at], second[at]);
        }
        assert_eq!(hash(&first), hash(&second), "seed {seed}, from event {differs:?} on");
        println!("seed {seed}: {} events, {:016x}", first.len(), hash(&first));
    }
}

/// FNV-1a, stable over runs and Rust versions.
fn hash(lines: &[String]) -> u64 {
    let bytes = lines.iter().flat_map(|line| line.bytes().chain([b'\n']));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Runs a seed; a panic anywhere, also in a task of the client, counts as a broken promise.
fn attempt(profile: Profile, seed: u64) -> Report {
    count_panics();
    let ended = panic::catch_unwind(|| profile(seed));
    let mut report = ended
        .unwrap_or_else(|_| Report { lines: vec!["WRONG the run panicked".to_owned()], wrongs: 0 });
    report.wrongs += panics();
    report
}
