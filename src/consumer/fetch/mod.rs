//! Fetching: from the position of each assigned partition to batches that wait to be handed over.

pub(super) mod buffer;
pub(super) mod filter;
pub(super) mod lookup;
pub(super) mod planner;
pub(super) mod resting;
pub(super) mod rpc;
pub(super) mod session;
pub(super) mod strikes;
pub(super) mod task;
