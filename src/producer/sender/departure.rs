//! Whether what is given up has gone out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// Which batches of a request have been given to a connection: before, nobody can have got them,
/// and they can be withdrawn.
///
/// One atomic of each, since the request is made while the sender decides: it either leaves or is
/// withdrawn.
#[derive(Clone, Debug)]
pub(in crate::producer) struct Departure(Arc<[AtomicU8]>);

const WAITING: u8 = 0;
const LEFT: u8 = 1;
const WITHDRAWN: u8 = 2;

impl Departure {
    pub(super) fn of(batches: usize) -> Self {
        Self((0..batches).map(|_| AtomicU8::new(WAITING)).collect())
    }

    /// A batch, by its place, is given to a connection. False if it must not be any more.
    pub(in crate::producer) fn mark_sent(&self, place: usize) -> bool {
        self.decide(place, LEFT)
    }

    /// A batch is given up. False if it has left.
    pub(super) fn withdraw(&self, place: usize) -> bool {
        self.decide(place, WITHDRAWN)
    }

    fn decide(&self, place: usize, as_: u8) -> bool {
        let Some(batch) = self.0.get(place) else { return false };
        let before = batch.compare_exchange(WAITING, as_, Ordering::Relaxed, Ordering::Relaxed);
        before.is_ok() || before == Err(as_)
    }

    pub(super) fn has_left(&self) -> bool {
        self.0.iter().any(|batch| batch.load(Ordering::Relaxed) == LEFT)
    }
}
