//! The machines of the producer against a model of a cluster: the rules by name, then random
//! scripts.

use std::time::Duration;

use self::model::{World, settings};
use crate::error::{Error, Written};

mod adaptive;
mod batching;
mod ends;
mod model;
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
