//! Decoding ahead: which batch is next, how much room is set aside for it, and what came of it.

use super::{Buffer, Content};
use crate::consumer::position::AssignmentEpoch;
use crate::error::Error;
use crate::wire::batch::{Batch, BatchErrorReason, DecodeOptions, Records};
use crate::wire::compress::CodecError;

/// A batch to decode ahead.
#[derive(Debug)]
pub(crate) struct DecodeJob {
    pub(crate) assignment: AssignmentEpoch,
    pub(crate) number: u64,
    pub(crate) batch: Batch,
    /// The room that is set aside for what comes out.
    limit: usize,
}

/// What came of a [`DecodeJob`].
#[derive(Debug)]
pub(crate) enum DecodeOutcome {
    Done(Result<Records, Error>),
    /// It holds more than the room that was set aside.
    Outgrown,
}

/// To how many times its size a batch may decompress at least, or it is not decoded ahead (a guess:
/// text shrinks 3 to 10 times).
pub(super) const EXPANSION: usize = 4;

/// As far as the expectation rises.
const MOST_EXPANSION: usize = 256;

impl DecodeJob {
    pub(crate) fn run(&self, options: &DecodeOptions) -> DecodeOutcome {
        let limit = options.max_decompressed.min(self.limit);
        match self.batch.decode(&DecodeOptions { max_decompressed: limit, ..*options }) {
            Err(error) if limit < options.max_decompressed && is_limit(&error.reason) => {
                DecodeOutcome::Outgrown
            }
            result => DecodeOutcome::Done(result.map_err(Error::from)),
        }
    }
}

fn is_limit(reason: &BatchErrorReason) -> bool {
    matches!(reason, BatchErrorReason::Codec(CodecError::Limit { .. }))
}

impl Buffer {
    /// The next batch to decode ahead, while there is room for what comes out, which is set aside.
    pub(crate) fn next_job(&mut self) -> Option<DecodeJob> {
        self.short_of = None;
        while let Some(&(assignment, number)) = self.undecoded.front() {
            let (budget, room, expansion) =
                (self.budget, self.budget.saturating_sub(self.held), self.expansion);
            if let Some(slot) = self.slot(assignment, number).filter(|slot| !slot.is_working)
                && let Content::Fetched(batch) = &slot.buffered.content
                && batch.is_heavy()
            {
                let least = slot.wire_bytes.saturating_mul(EXPANSION);
                // What can never have room is left to the application's side.
                if least <= budget {
                    if room < least {
                        self.short_of = Some(least);
                        return None;
                    }
                    let batch = batch.clone();
                    let limit = slot.wire_bytes.saturating_mul(expansion).min(room);
                    slot.own += limit;
                    slot.is_working = true;
                    self.held += limit;
                    self.undecoded.pop_front();
                    return Some(DecodeJob { assignment, number, batch, limit });
                }
            }
            self.undecoded.pop_front();
        }
        None
    }

    /// Whether [`Buffer::next_job`] has room now for what it refused before.
    pub(crate) fn has_job(&self) -> bool {
        self.short_of.is_some_and(|least| self.budget.saturating_sub(self.held) >= least)
    }

    /// Takes the result of a job; of an assignment that has ended it is dropped.
    pub(crate) fn decoded(
        &mut self,
        assignment: AssignmentEpoch,
        number: u64,
        outcome: DecodeOutcome,
    ) {
        let Some(slot) = self.slot(assignment, number).filter(|slot| slot.is_working) else {
            return;
        };
        slot.is_working = false;
        let Content::Fetched(batch) = &slot.buffered.content else { return };
        let (before, wire_bytes) = (slot.own, slot.wire_bytes);
        let left = match outcome {
            DecodeOutcome::Done(Ok(records)) => {
                let expansion = records.len() / wire_bytes.max(1);
                slot.own = records.len();
                slot.buffered.content = Content::Decoded { batch: batch.header(), records };
                let (left, own) = (slot.memory.take(), slot.own);
                self.held = self.held - before + own;
                self.expect(expansion);
                left
            }
            DecodeOutcome::Done(Err(error)) => {
                slot.own = 0;
                slot.buffered.content = Content::Failed(error);
                let left = slot.memory.take();
                self.held -= before;
                left
            }
            DecodeOutcome::Outgrown => {
                slot.own = if slot.memory.is_none() { wire_bytes } else { 0 };
                let own = slot.own;
                self.held = self.held - before + own;
                self.expansion = (self.expansion * 2).min(MOST_EXPANSION);
                None
            }
        };
        if let Some(reply) = left {
            self.leave_reply(reply, wire_bytes);
        }
    }

    /// Expects half as much again as was seen: at once if it is more, and little by little if it is
    /// less.
    fn expect(&mut self, seen: usize) {
        let wanted = (seen + seen / 2 + 1).clamp(EXPANSION, MOST_EXPANSION);
        self.expansion =
            wanted.max(self.expansion - self.expansion.saturating_sub(wanted).div_ceil(8));
    }
}
