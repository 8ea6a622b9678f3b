//! Whole clients that are used in unusual ways: every public method in random order from several
//! tasks, settings from the whole range that each allows, topics that go and come, brokers that
//! refuse, handles that end under their users. Paused time on the embedded cluster, each run drawn
//! from one seed.
//!
//! A profile is one part of that, so that a fault in one does not hide another's. What is promised,
//! and who checks it, is in [`promise::Promise`]; a failure names the promise, the profile and the
//! seed.
//!
//! `KAVKA_SEEDS` is how many seeds each profile runs (default: a few), `KAVKA_SEED=n` runs that one
//! alone and prints all that happened; `KAVKA_FIRST_SEED` is where to begin. `FOUND.md` has the
//! faults that these seeds find, each with its seed.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test ends at its first surprise"
)]

#[path = "../seeds/dice.rs"]
mod dice;
#[path = "../seeds/harness.rs"]
mod harness;
#[path = "../seeds/log.rs"]
mod log;

mod books;
mod consumers;
mod ends;
mod operator;
mod producers;
mod promise;
mod refusals;
mod run;
mod seat;
mod services;
mod topics;
mod trouble;
mod world;

use run::Profile;

#[test]
fn consumers_that_call_everything() {
    run::many(Profile::Consumers);
}

#[test]
fn consumers_under_trouble_that_call_everything() {
    run::many(Profile::ConsumersInTrouble);
}

#[test]
fn coordinated_consumers_that_call_everything() {
    run::many(Profile::Coordinated);
}

#[test]
fn coordinated_consumers_under_trouble_that_call_everything() {
    run::many(Profile::CoordinatedInTrouble);
}

#[test]
fn clients_that_are_closed_under_their_consumers() {
    run::many(Profile::Closing);
}

#[test]
fn members_of_which_replies_are_lost() {
    run::many(Profile::Groups);
}

#[test]
fn producers_with_any_settings() {
    run::many(Profile::Producers);
}

#[test]
fn producers_under_trouble_with_any_settings() {
    run::many(Profile::ProducersInTrouble);
}

#[test]
fn brokers_that_refuse() {
    run::many(Profile::Refusals);
}

#[test]
fn services_whose_handlers_come_and_go() {
    run::many(Profile::Services);
}

#[test]
fn topics_that_go_and_come() {
    run::many(Profile::Topics);
}

#[test]
fn runtimes_that_end_under_their_users() {
    run::many(Profile::Ends);
}

#[test]
fn a_seed_run_twice_gives_the_same_log() {
    use Profile::{
        Closing, Consumers, ConsumersInTrouble, Coordinated, CoordinatedInTrouble, Groups,
        ProducersInTrouble, Refusals, Services, Topics,
    };
    [
        Consumers,
        ConsumersInTrouble,
        Coordinated,
        CoordinatedInTrouble,
        Closing,
        Groups,
        ProducersInTrouble,
        Refusals,
        Services,
        Topics,
    ]
    .into_iter()
    .for_each(run::twice);
}
