//! What an open batch becomes: the sender task gets it by an event when it is full, or takes it
//! when it is due.

use std::time::Instant;

use super::memory::Reservation;
use crate::producer::delivery::Promise;
use crate::producer::sender::batch_queue::BatchId;
use crate::wire::batch::RecordsBuilder;

/// A batch that takes no more records.
#[derive(Debug)]
pub(in crate::producer) struct ClosedBatch {
    pub(in crate::producer) id: BatchId,
    pub(in crate::producer) records: RecordsBuilder,
    pub(in crate::producer) memory: Reservation,
    pub(in crate::producer) promise: Promise,
    pub(in crate::producer) opened: Instant,
}
