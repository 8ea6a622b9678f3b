//! What both kinds of seeds run with: their settings, a count of panics, and clients.

use std::cell::Cell;
use std::panic;
use std::sync::Once;
use std::time::Duration;

use kavka::{ClientConfig, Timestamp};
use kavka_protocol_tests::InMemory;
use kavka_testcontainers::embedded::EmbeddedCluster;
use tokio::time::Instant;

thread_local!(static PANICS: Cell<usize> = const { Cell::new(0) });

/// A number from the environment.
pub(crate) fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// Counts the panics of this thread from here on, also those in tasks of a client.
pub(crate) fn count_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let default = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            PANICS.set(PANICS.get() + 1);
            default(info);
        }));
    });
    PANICS.set(0);
}

/// How many there have been.
pub(crate) fn panics() -> usize {
    PANICS.get()
}

/// How long calls of a a client by [`config`] may take.
pub(crate) fn api_timeout(request_timeout: Duration) -> Duration {
    request_timeout + Duration::from_secs(4)
}

/// What a client has as a process of its own.
pub(crate) fn config(
    embedded: &EmbeddedCluster,
    id: &str,
    request_timeout: Duration,
    seed: u64,
) -> ClientConfig {
    let started = Instant::now();
    ClientConfig::new(embedded.bootstrap_servers())
        .client_id(id)
        .request_timeout(request_timeout)
        .default_api_timeout(api_timeout(request_timeout))
        .connector(InMemory(embedded.clone()))
        .wall_clock(move || {
            Timestamp(1_700_000_000_000 + i64::try_from(started.elapsed().as_millis()).unwrap())
        })
        .seed(seed)
}
