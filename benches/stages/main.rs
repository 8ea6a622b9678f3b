//! Each stage of a record's way, beside its floor:
//! `cargo bench --bench stages --features test-util`, and behind `--` the name of a stage for that
//! alone.
//!
//! Times are of one batch, request or reply; the throughput counters give records per second, or
//! where it says so something else. Each bench has checked that its work is right before it is
//! timed. Figures and what they taught: `docs/performance.md`.

mod accumulate;
mod append;
mod checksum;
mod frame;
mod libraries;
mod material;
mod partition;
mod read;
mod seal;
mod walk;

use std::time::Duration;

use divan::Divan;

fn main() {
    // A hundred samples of a microsecond would measure a processor that has just woken up.
    Divan::default().min_time(Duration::from_millis(300)).config_with_args().main();
}
