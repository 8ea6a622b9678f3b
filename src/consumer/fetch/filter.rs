//! From the bytes of one partition's answer to pieces of the buffer, by the headers of its batches
//! alone.
//!
//! Pure. Says where to fetch on, what the application may not see, and from which offset on nothing
//! can be read.

use bytes::Bytes;

use crate::consumer::fetch::buffer::{BufferedBatch, Content};
use crate::consumer::isolation::{Aborted, BatchKind, Isolation};
use crate::consumer::position::Position;
use crate::error::{Error, ErrorKind};
use crate::wire::batch::{Batch, BatchError, Batches, ControlMarker, DecodeOptions};

/// What came of an answer.
#[derive(Debug)]
pub(crate) struct FetchFilter {
    /// In offset order. The last one may be a failure.
    pub(crate) buffered_batches: Vec<BufferedBatch>,
    /// What to fetch next; where it was if the answer held nothing new.
    pub(crate) next: Position,
    /// What ends the reading of this partition, also told by the last piece.
    pub(crate) failure: Option<Error>,
}

/// Sorts the batches of an answer to a fetch from `from`.
///
/// The last batch may be cut off, which is how brokers fill a reply, but then others come before it
/// (KIP-74).
pub(crate) fn sort(
    records: Bytes,
    from: Position,
    aborted: Vec<Aborted>,
    options: &DecodeOptions,
) -> FetchFilter {
    let mut isolation = Isolation::new(aborted);
    let mut filter = FetchFilter { buffered_batches: Vec::new(), next: from, failure: None };
    let is_empty = records.is_empty();
    let mut has_batch = false;
    for batch in Batches::new(records) {
        let batch = match batch {
            Ok(batch) => batch,
            Err(error) => {
                filter.fail(error.into());
                return filter;
            }
        };
        has_batch = true;
        if batch.last_offset() < filter.next.offset {
            continue;
        }
        let admitted = kind(&batch, &isolation, options).map(|kind| {
            isolation.admits(kind, batch.producer().map(|(id, _)| id), batch.last_offset())
        });
        match admitted {
            Ok(is_admitted) => filter.take(batch, is_admitted),
            Err(error) => {
                filter.fail(error.into());
                return filter;
            }
        }
    }
    if !has_batch && !is_empty {
        filter.fail(Error::new(
            ErrorKind::Corrupt,
            "the broker's answer does not hold one whole batch",
        ));
    }
    filter
}

impl FetchFilter {
    fn take(&mut self, batch: Batch, is_admitted: bool) {
        let leader_epoch = batch.leader_epoch();
        let start = self.next;
        let next = batch.next_offset();
        self.next =
            Position { offset: next, leader_epoch: leader_epoch.or(self.next.leader_epoch) };
        match self.buffered_batches.last_mut() {
            Some(last) if !is_admitted => last.next = next,
            _ => {
                let content = if is_admitted { Content::Fetched(batch) } else { Content::Skipped };
                self.buffered_batches.push(BufferedBatch { content, start, next });
            }
        }
    }

    fn fail(&mut self, error: Error) {
        let Position { offset: next, .. } = self.next;
        self.buffered_batches.push(BufferedBatch {
            content: Content::Failed(error.clone()),
            start: self.next,
            next,
        });
        self.failure = Some(error);
    }
}

const MARKER_BYTES: usize = 64 * 1024;

fn kind(
    batch: &Batch,
    isolation: &Isolation,
    options: &DecodeOptions,
) -> Result<BatchKind, BatchError> {
    if !batch.is_control() {
        return Ok(if batch.is_transactional() {
            BatchKind::Transactional
        } else {
            BatchKind::Plain
        });
    }
    if !isolation.needs_markers() {
        return Ok(BatchKind::Control);
    }
    // A marker takes a few bytes, whatever it claims to decompress to.
    let options =
        DecodeOptions { max_decompressed: options.max_decompressed.min(MARKER_BYTES), ..*options };
    let marker = batch.control(&options)?.map(|record| record.marker);
    Ok(if marker == Some(ControlMarker::Abort) {
        BatchKind::AbortMarker
    } else {
        BatchKind::Control
    })
}
