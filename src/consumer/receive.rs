//! The receiving half's inner loop: one batch in hand, record by record or whole.
//!
//! The batch in hand belongs to the receiver alone, so a record costs its walk, one reference count
//! and two plain stores. What the group or another handle does meanwhile shows in the assignment:
//! held, the rest goes back to the buffer; ended, it is dropped.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

mod many;

use self::many::ReturnedRecords;
use crate::consumer::fetch::buffer::{BufferedBatch, Content, Piece};
use crate::consumer::position::{AssignmentEpoch, DeliveryGate, PartitionAssignment, Position};
use crate::consumer::record::{BatchContext, BatchProgress, ConsumerRecord, RecordBatch};
use crate::consumer::shared::ConsumerShared;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::Offset;
use crate::observability::ConsumerEvent;
use crate::runtime::Turn;
use crate::wire::batch::{Batch, RecordCursor, Records};

/// See the [module](self).
pub(super) struct Receiver {
    shared: Arc<ConsumerShared>,
    current: Option<CurrentBatch>,
    /// The batch that `next_batch` returned last.
    given: Option<(Arc<BatchProgress>, Arc<BatchContext>)>,
    /// What `recv_many` returned last of batches that it has finished with.
    returned: BTreeMap<AssignmentEpoch, ReturnedRecords>,
    max_poll_records: usize,
    turn: Turn,
}

/// A batch that is being delivered.
struct CurrentBatch {
    assignment: Arc<PartitionAssignment>,
    batch: Batch,
    records: Records,
    batch_context: Arc<BatchContext>,
    cursor: RecordCursor,
    /// Up to where records were told of as consumed.
    told: RecordCursor,
    /// Where the batch was begun.
    start: Position,
    /// Where the application stands within the batch.
    position: Offset,
    /// Where it stands after it.
    next: Offset,
    /// A record of the batch was delivered.
    is_begun: bool,
    /// The epoch of the batch is told to the assignment.
    is_noted: bool,
}

impl Receiver {
    pub(super) fn new(shared: Arc<ConsumerShared>, max_poll_records: usize) -> Self {
        Self {
            shared,
            current: None,
            given: None,
            returned: BTreeMap::new(),
            max_poll_records: max_poll_records.max(1),
            turn: Turn::default(),
        }
    }

    /// The next record; what was returned before counts as finished.
    pub(super) fn poll_record(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<ConsumerRecord>> {
        ready!(self.begin(context))?;
        loop {
            if let Some(current) = &mut self.current {
                current.finish();
                match current.assignment.delivery() {
                    DeliveryGate::Open => {
                        if let Some(record) = current.record() {
                            return Poll::Ready(record.map_err(|error| self.fail(error)));
                        }
                        current.finish_batch();
                        self.lay_down();
                    }
                    DeliveryGate::Held => self.put_back(),
                    DeliveryGate::Ended => drop(self.lay_down()),
                }
            }
            ready!(self.poll_hand(context))?;
        }
    }

    /// The next records of one partition; what was returned before counts as finished.
    pub(super) fn poll_batch(&mut self, context: &mut Context<'_>) -> Poll<Result<RecordBatch>> {
        ready!(self.begin(context))?;
        loop {
            if let Some(current) = &mut self.current {
                current.finish();
                match current.assignment.delivery() {
                    DeliveryGate::Open => {
                        let batch = current
                            .records(self.max_poll_records)
                            .map_err(|error| self.fail(error))?;
                        match &mut self.current {
                            Some(current) if current.position != current.next => {
                                current.tell(&self.shared)
                            }
                            _ => drop(self.lay_down()),
                        }
                        if let Some((batch, progress, batch_context)) = batch {
                            self.given = Some((progress, batch_context));
                            return Poll::Ready(Ok(batch));
                        }
                    }
                    DeliveryGate::Held => self.put_back(),
                    DeliveryGate::Ended => drop(self.lay_down()),
                }
            }
            ready!(self.poll_hand(context))?;
        }
    }

    /// Counts all that was returned as finished.
    pub(super) fn finish(&mut self) {
        // What could not be read is for the next call, which never comes.
        let _ = self.finish_given();
        if let Some(current) = &mut self.current {
            current.finish();
        }
    }

    /// The application asks for more.
    fn begin(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.shared.activity.touch();
        ready!(self.turn.poll(context));
        Poll::Ready(self.finish_given())
    }

    fn poll_piece(&self, context: &mut Context<'_>) -> Poll<Result<Piece>> {
        // A receiver that always finds something must still let others run.
        let coop = ready!(tokio::task::coop::poll_proceed(context));
        let taken = ready!(self.shared.poll_piece(context))?;
        coop.made_progress();
        Poll::Ready(Ok(taken))
    }

    /// Takes the next batch in hand, if none is.
    fn poll_hand(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        if self.current.is_some() {
            return Poll::Ready(Ok(()));
        }
        let Poll::Ready(taken) = self.poll_piece(context) else {
            self.turn.end();
            return Poll::Pending;
        };
        let (assignment, buffered) = taken?;
        Poll::Ready(self.take_up(assignment, buffered))
    }

    /// Takes a piece in hand, of which one may be nothing.
    fn take_up(
        &mut self,
        assignment: Arc<PartitionAssignment>,
        buffered: BufferedBatch,
    ) -> Result<()> {
        let BufferedBatch { content, start, next } = buffered;
        let (batch, records) = match content {
            Content::Fetched(batch) => match batch.decode(&self.shared.decode) {
                // One that came compressed needs its bytes no more.
                Ok(records) if batch.is_heavy() => (batch.header(), records),
                Ok(records) => (batch, records),
                Err(error) => return Err(self.stop(&assignment, error.into())),
            },
            Content::Decoded { batch, records } => (batch, records),
            Content::Skipped => {
                self.pass(&assignment, next);
                return Ok(());
            }
            Content::Failed(error) => return Err(self.stop(&assignment, error)),
            Content::End if assignment.tell_end(next) => return Err(end_of(&assignment, next)),
            Content::End => return Ok(()),
        };
        let batch_context = BatchContext {
            assignment: Arc::clone(&assignment),
            data: records.data().clone(),
            timestamp_type: batch.timestamp_type(),
            leader_epoch: batch.leader_epoch(),
        };
        let mut current = CurrentBatch {
            assignment,
            batch,
            records,
            batch_context: Arc::new(batch_context),
            cursor: RecordCursor::default(),
            told: RecordCursor::default(),
            start,
            position: start.offset,
            next,
            is_begun: false,
            is_noted: false,
        };
        if let Err(error) = current.skip_to(start.offset) {
            return Err(self.stop(&current.assignment, error));
        }
        current.told = current.cursor;
        self.current = Some(current);
        Ok(())
    }

    /// Moves past what holds no record.
    fn pass(&mut self, assignment: &PartitionAssignment, next: Offset) {
        assignment.deliver_to(next);
        match self.returned.get_mut(&assignment.id()) {
            // What comes before is not finished yet.
            Some(returned) => returned.next = next,
            None => assignment.finish_to(next),
        }
    }

    /// Counts what was returned as finished, or finds that the walk of the last batch met a record
    /// that cannot be read.
    fn finish_given(&mut self) -> Result<()> {
        self.finish_returned();
        let Some((progress, batch_context)) = self.given.take() else { return Ok(()) };
        if let Some(error) = progress.failure.get() {
            self.lay_down();
            return Err(self.stop(&progress.assignment, error.clone()));
        }
        progress.assignment.finish_to(progress.next);
        progress.assignment.finish_epoch(batch_context.leader_epoch);
        Ok(())
    }

    #[cold]
    fn fail(&mut self, error: Error) -> Error {
        match self.lay_down() {
            Some(current) => self.stop(&current.assignment, error),
            None => error,
        }
    }

    /// Stops a partition at what cannot be read, until a seek.
    #[cold]
    fn stop(&self, assignment: &PartitionAssignment, error: Error) -> Error {
        let error = error.at_partition(assignment.partition().clone());
        self.shared.update(|subscription| {
            subscription.stop(assignment.partition(), assignment.id(), error.clone())
        });
        error
    }

    /// Parts with the batch in hand, and tells how much of it was delivered.
    fn lay_down(&mut self) -> Option<CurrentBatch> {
        let mut current = self.current.take()?;
        current.tell(&self.shared);
        Some(current)
    }

    fn put_back(&mut self) {
        if let Some(current) = self.lay_down() {
            let content = Content::Decoded { batch: current.batch, records: current.records };
            let epoch = if current.is_noted {
                current.batch_context.leader_epoch
            } else {
                current.start.leader_epoch
            };
            let buffered = BufferedBatch {
                content,
                start: Position { offset: current.position, leader_epoch: epoch },
                next: current.next,
            };
            self.shared.put_back(&current.assignment, buffered);
        }
    }
}

/// Tells the application that it has reached the end of what may be read.
fn end_of(assignment: &PartitionAssignment, at: Offset) -> Error {
    let message = format!("all that may be read was received, up to offset {at}");
    Error::new(ErrorKind::PartitionEof, message).at_partition(assignment.partition().clone())
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.lay_down();
    }
}

impl CurrentBatch {
    /// The next record, which the application then has.
    #[inline]
    fn record(&mut self) -> Option<Result<ConsumerRecord>> {
        let mut records = self.records.resume(self.cursor);
        let record = match records.next()? {
            Ok(record) => record,
            Err(error) => return Some(Err(error.into())),
        };
        self.cursor = self.records.cursor(&records);
        let end = record.offset.advance(1);
        let record = ConsumerRecord::new(&self.batch_context, &record, self.before(record.offset));
        self.deliver_to(end, end);
        Some(Ok(record))
    }

    /// The rest of the batch or as many records as are allowed, which the application then has;
    /// `None` if there are none.
    fn records(
        &mut self,
        most: usize,
    ) -> Result<Option<(RecordBatch, Arc<BatchProgress>, Arc<BatchContext>)>> {
        let from = self.cursor;
        let mut walk = self.records.resume(from);
        // Where the application marks what is done, it matters which record is the last.
        let is_whole =
            self.records.claimed_count() <= most && !self.assignment.is_marked_by_application();
        let mut limit = usize::MAX;
        let mut next = self.next;
        let mut records_end = next;
        if is_whole {
            self.cursor = self.records.end();
            // Found empty without a walk: a batch whose records compaction has removed.
            if walk.clone().next().is_none() {
                self.finish_batch();
                self.position = self.next;
                return Ok(None);
            }
        } else {
            let mut count = 0;
            let mut last = None;
            while count < most
                && let Some(record) = walk.next()
            {
                last = Some(record?.offset);
                count += 1;
            }
            let Some(last) = last else {
                self.finish_batch();
                self.position = self.next;
                return Ok(None);
            };
            records_end = last.advance(1);
            self.cursor = self.records.cursor(&walk);
            if count == most && walk.next().is_some() {
                (limit, next) = (count, records_end);
            }
        }
        let progress = Arc::new(BatchProgress {
            assignment: Arc::clone(&self.assignment),
            next,
            failure: OnceLock::new(),
        });
        let batch = RecordBatch::new(
            Arc::clone(&self.batch_context),
            self.records.clone(),
            from,
            self.before(self.position),
            limit,
            Arc::clone(&progress),
        );
        self.deliver_to(records_end, next);
        self.is_begun = false;
        Ok(Some((batch, progress, Arc::clone(&self.batch_context))))
    }

    /// The offset behind the record that was handed over before one of this offset.
    #[inline]
    fn before(&self, offset: Offset) -> Offset {
        self.assignment.records_end().unwrap_or(offset)
    }

    #[inline]
    fn deliver_to(&mut self, records_end: Offset, next: Offset) {
        self.position = next;
        self.assignment.deliver_records(records_end, next);
        if !self.is_noted {
            self.is_noted = true;
            self.assignment.deliver_epoch(self.batch_context.leader_epoch);
        }
        self.is_begun = true;
    }

    /// Counts what was delivered as finished: the application asks for more.
    #[inline]
    fn finish(&mut self) {
        if self.is_begun {
            self.is_begun = false;
            self.assignment.finish_to(self.position);
            self.assignment.finish_epoch(self.batch_context.leader_epoch);
        }
    }

    /// Tells of what was delivered since this was last told.
    fn tell(&mut self, shared: &ConsumerShared) {
        let (records, bytes) = self.cursor.since(self.told);
        self.told = self.cursor;
        let partition = self.assignment.partition();
        if records > 0 {
            shared.observer.tell(ConsumerEvent::Delivered { partition, records, bytes });
        }
        if self.assignment.delivery() != DeliveryGate::Ended {
            let lag = self.assignment.lag();
            shared.observer.tell(ConsumerEvent::Lagging { partition, lag });
        }
    }

    /// Moves past the batch.
    fn finish_batch(&self) {
        self.assignment.deliver_to(self.next);
        self.assignment.finish_to(self.next);
    }

    /// Passes over records that were delivered before.
    fn skip_to(&mut self, start: Offset) -> Result<()> {
        // Of the records, since a compressed batch of the old formats knows only its last offset.
        if self.records.base_offset() >= start {
            return Ok(());
        }
        let mut records = self.records.iter();
        loop {
            let here = self.records.cursor(&records);
            match records.next().transpose()? {
                Some(record) if record.offset < start => {}
                _ => {
                    self.cursor = here;
                    return Ok(());
                }
            }
        }
    }
}
