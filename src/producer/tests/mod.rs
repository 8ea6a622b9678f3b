//! The machines of the producer against a model of a cluster: the rules by name, then random
//! scripts.

use std::ops::Range;
use std::time::Duration;

use self::model::{World, settings};
use crate::error::{Error, Written};

mod adaptive;
mod batching;
mod ends;
mod model;
mod purge;
mod random;
mod retries;
mod rules;
mod transaction_faults;
mod transaction_scenarios;
mod transactions;
mod whole;

const SECOND: Duration = Duration::from_secs(1);

/// The base sequences of what was sent, with the epoch.
fn stamps(world: &World) -> Vec<(i16, i32)> {
    let stamps =
        world.sent.iter().flat_map(|sent| &sent.batches).filter_map(|outgoing| outgoing.stamp);
    stamps.map(|stamp| (stamp.identity.epoch.0, stamp.base.0)).collect()
}

/// A world whose leader has acknowledged a batch of one record, so that several may fly.
fn confirmed() -> World {
    let mut world = World::ready(settings(), 1);
    world.accept_batch(0, 1);
    world.serve_well(1);
    world
}

fn written(world: &World, record: u64) -> Option<Written> {
    world.verdicts[&record].as_ref().err().and_then(Error::written)
}

/// The seeds of random scripts: these, or the one that `KAVKA_SEED` names.
pub(super) fn seeds(all: Range<u64>) -> Range<u64> {
    let alone = std::env::var("KAVKA_SEED").ok().and_then(|seed| seed.parse().ok());
    alone.map_or(all, |seed: u64| seed..seed + 1)
}

/// Says which seed it was.
pub(super) struct Seed(pub(super) u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failed with KAVKA_SEED={}", self.0);
        }
    }
}
