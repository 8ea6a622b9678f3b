//! Nobody asks in a hot loop: what a client asks within a second follows from what its application
//! has called.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::books::Books;
use crate::run::World;

/// What a client asks by itself within a second: heartbeats, fetches that wait, metadata.
const BY_ITSELF: usize = 60;

/// What one call may cause: a fetch and an acknowledgement at each of three brokers.
const BY_CALL: usize = 6;

pub(super) fn check(world: &World, all: &[Arc<Books>]) {
    let mut calls: BTreeMap<(String, u64), usize> = BTreeMap::new();
    for (client, at) in all.iter().flat_map(|books| books.calls()) {
        // What is asked may come somewhat later.
        for second in at.as_secs()..=at.as_secs() + 1 {
            *calls.entry((client.clone(), second)).or_default() += 1;
        }
    }
    let mut asked: BTreeMap<(String, u64), usize> = BTreeMap::new();
    for request in world.embedded.requests() {
        let client = request.client_id.unwrap_or_default();
        *asked.entry((client, request.at.as_secs())).or_default() += 1;
    }
    for (at, count) in asked {
        let allowed = BY_ITSELF + BY_CALL * calls.get(&at).copied().unwrap_or(0);
        world.log.check(count <= allowed, || {
            let (client, second) = &at;
            format!("{client} asked {count} times in second {second}, {allowed} is enough")
        });
    }
}
