//! Locks and atomics of what models run: std's, or loom's where a model runs it.
//!
//! `.ci/run loom` builds the unit tests with `--cfg kavka_loom` and runs the modules `models`, each
//! of which tries the interleavings, and the values that a weak memory may show, of one protocol
//! that goes without a lock; `docs/dev/locks.md` tells them. It is not `--cfg loom`, for which tokio
//! leaves out processes and signals. Outside of a model loom's types panic, so only models run in that
//! build.

#[cfg(not(all(test, kavka_loom)))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic};

#[cfg(all(test, kavka_loom))]
pub(crate) use loom::sync::{Mutex, MutexGuard, atomic};

/// Locks one of std's, whoever panicked while holding it: what it guards is changed in one go.
pub(crate) fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Runs `run` once for each interleaving of the threads that it spawns, with at most three
/// switches away from a thread that could go on (most faults need two; `LOOM_MAX_PREEMPTIONS`).
#[cfg(all(test, kavka_loom))]
pub(crate) fn model(run: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(3);
    builder.check(run);
}
