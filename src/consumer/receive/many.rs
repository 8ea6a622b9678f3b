//! Records of all partitions at once.
//!
//! Nothing is taken before there is enough of it, or the time has come; then all of it is, in one
//! go: whoever drops the future loses nothing, and nothing is kept aside for the next call.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::{CurrentBatch, Receiver};
use crate::consumer::fetch::buffer::{BufferedBatch, Content, Piece};
use crate::consumer::position::{AssignmentEpoch, DeliveryGate, PartitionAssignment};
use crate::consumer::record::ConsumerRecord;
use crate::error::{Error, Result};
use crate::ids::{LeaderEpoch, Offset};

/// Records of one partition that were returned, up to the end of a batch.
pub(super) struct ReturnedRecords {
    assignment: Arc<PartitionAssignment>,
    pub(super) next: Offset,
    leader_epoch: Option<LeaderEpoch>,
}

impl Receiver {
    /// The next `max` records of all partitions, or those that there are if `is_late` or no more
    /// can come before some are taken; what was returned before counts as finished.
    pub(in crate::consumer) fn poll_many(
        &mut self,
        context: &mut Context<'_>,
        max: usize,
        is_late: bool,
    ) -> Poll<Result<Vec<ConsumerRecord>>> {
        ready!(self.begin(context))?;
        if let Some(current) = &mut self.current {
            current.finish();
        }
        loop {
            // A receiver that always finds something must still let others run.
            let coop = ready!(tokio::task::coop::poll_proceed(context));
            let wanted = max.saturating_sub(self.current.as_ref().map_or(0, CurrentBatch::left));
            let in_hand = self.current.as_ref().map(|current| &current.assignment);
            let Poll::Ready(pieces) = self.shared.poll_pieces(context, in_hand, wanted, is_late)
            else {
                self.turn.end();
                return Poll::Pending;
            };
            coop.made_progress();
            let records = self.take_many(max, pieces?)?;
            if is_late || max == 0 || !records.is_empty() {
                return Poll::Ready(Ok(records));
            }
        }
    }

    /// Counts what `poll_many` returned of whole batches as finished.
    pub(super) fn finish_returned(&mut self) {
        for (_, returned) in std::mem::take(&mut self.returned) {
            returned.assignment.finish_to(returned.next);
            returned.assignment.finish_epoch(returned.leader_epoch);
        }
    }

    /// Takes records out of the batch in hand and then out of the pieces, and gives back what is
    /// too much.
    ///
    /// # Errors
    /// What keeps a partition from being read, unless records come before it: then the next call
    /// meets it.
    fn take_many(&mut self, max: usize, pieces: Vec<Piece>) -> Result<Vec<ConsumerRecord>> {
        let mut records = Vec::new();
        let mut given_back = GivenBack::default();
        let mut pieces = pieces.into_iter();
        let failure = loop {
            match self.take_from_hand(max, &mut records) {
                Err(failure) => break Some(failure),
                Ok(()) if records.len() >= max => break None,
                Ok(()) => {}
            }
            let Some((assignment, buffered)) = pieces.next() else { break None };
            let is_event = buffered.is_event();
            match assignment.delivery() {
                DeliveryGate::Ended => {}
                DeliveryGate::Open if !given_back.has(&assignment) => {
                    if is_event && !records.is_empty() {
                        given_back.add(assignment, buffered);
                        break None;
                    }
                    let stopped = Arc::clone(&assignment);
                    if let Err(error) = self.take_up(assignment, buffered) {
                        break Some((stopped, error));
                    }
                }
                DeliveryGate::Open | DeliveryGate::Held => given_back.add(assignment, buffered),
            }
        };
        let stopped = failure.as_ref().map(|(assignment, _)| assignment.id());
        for (assignment, buffered) in pieces.filter(|(of, _)| Some(of.id()) != stopped) {
            given_back.add(assignment, buffered);
        }
        for (assignment, buffered) in given_back.pieces.into_iter().rev() {
            if assignment.delivery() != DeliveryGate::Ended {
                self.shared.put_back(&assignment, buffered);
            }
        }
        match failure {
            Some((assignment, error)) if !records.is_empty() => {
                self.tell_next(&assignment, error);
                Ok(records)
            }
            Some((_, error)) => Err(error),
            None => Ok(records),
        }
    }

    /// Takes records out of the batch in hand, and lays it down if it has no more.
    fn take_from_hand(
        &mut self,
        max: usize,
        records: &mut Vec<ConsumerRecord>,
    ) -> Result<(), (Arc<PartitionAssignment>, Error)> {
        let Some(current) = &mut self.current else { return Ok(()) };
        match current.assignment.delivery() {
            DeliveryGate::Open => {}
            DeliveryGate::Held => {
                self.put_back();
                return Ok(());
            }
            DeliveryGate::Ended => {
                self.lay_down();
                return Ok(());
            }
        }
        while records.len() < max {
            match current.record() {
                Some(Ok(record)) => records.push(record),
                Some(Err(error)) => {
                    let assignment = Arc::clone(&current.assignment);
                    self.end_hand();
                    return Err((Arc::clone(&assignment), self.stop(&assignment, error)));
                }
                None => {
                    let (assignment, next) = (Arc::clone(&current.assignment), current.next);
                    self.end_hand();
                    self.pass(&assignment, next);
                    break;
                }
            }
        }
        Ok(())
    }

    /// Lays down the batch in hand, of which records were returned and are not finished.
    fn end_hand(&mut self) {
        let Some(current) = self.lay_down() else { return };
        if current.is_begun {
            let returned = ReturnedRecords {
                next: current.position,
                leader_epoch: current.batch_context.leader_epoch,
                assignment: current.assignment,
            };
            self.returned.insert(returned.assignment.id(), returned);
        }
    }

    /// Has the next call return an error that stopped a partition, in its place.
    fn tell_next(&self, assignment: &Arc<PartitionAssignment>, error: Error) {
        if let Some(start) = assignment.delivered() {
            let failed =
                BufferedBatch { content: Content::Failed(error), start, next: start.offset };
            self.shared.put_back(assignment, failed);
        }
    }
}

impl CurrentBatch {
    /// How many more records it can hand over, as it claims.
    fn left(&self) -> usize {
        if self.assignment.delivery() != DeliveryGate::Open {
            return 0;
        }
        let (read, _) = self.cursor.since(Default::default());
        self.records.claimed_count().saturating_sub(read)
    }
}

/// Pieces that were taken and cannot be handed over now.
#[derive(Default)]
struct GivenBack {
    pieces: Vec<Piece>,
    assignments: BTreeSet<AssignmentEpoch>,
}

impl GivenBack {
    fn add(&mut self, assignment: Arc<PartitionAssignment>, buffered: BufferedBatch) {
        self.assignments.insert(assignment.id());
        self.pieces.push((assignment, buffered));
    }

    /// Whether an earlier piece of the assignment is among them, so that what follows it must be.
    fn has(&self, assignment: &PartitionAssignment) -> bool {
        self.assignments.contains(&assignment.id())
    }
}
