//! What members say of records that they have: `SharePartition.acknowledge`.

use kafka_protocol::ResponseError;
use tokio::time::Instant;

use super::in_flight::{InFlightBatch, InFlightState, Kept, ShareRecordState};
use super::partition::{SharePartition, ShareTerms};

/// What a member says of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// There is no such record.
    Gap,
    Accept,
    Release,
    Reject,
    /// It needs it longer (KIP-1222).
    Renew,
}

/// What a member says of a range of offsets: one word for all, or one for each.
#[derive(Clone, Debug)]
pub(crate) struct Acknowledgement {
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) said: Vec<Said>,
}

impl Said {
    pub(crate) fn read(number: i8) -> Option<Self> {
        match number {
            0 => Some(Self::Gap),
            1 => Some(Self::Accept),
            2 => Some(Self::Release),
            3 => Some(Self::Reject),
            4 => Some(Self::Renew),
            _ => None,
        }
    }

    /// `None` when the record stays with the member.
    fn state(self) -> Option<ShareRecordState> {
        match self {
            Self::Gap | Self::Reject => Some(ShareRecordState::Archived),
            Self::Accept => Some(ShareRecordState::Acknowledged),
            Self::Release => Some(ShareRecordState::Available),
            Self::Renew => None,
        }
    }
}

impl Acknowledgement {
    /// What is said of one offset.
    fn of(&self, offset: i64) -> Option<Said> {
        match self.said.as_slice() {
            [one] => Some(*one),
            each => each.get(usize::try_from(offset - self.first).ok()?).copied(),
        }
    }
}

/// Who says it, and by which rules.
struct Speaker<'a> {
    member: &'a str,
    terms: &'a ShareTerms,
    now: Instant,
}

impl SharePartition {
    /// Begins what a member says of records: all of it or, if it may not say that, nothing but
    /// renewals. It counts once [`SharePartition::finish`] has written it down.
    pub(crate) fn acknowledge(
        &mut self,
        member: &str,
        acknowledgements: &[Acknowledgement],
        terms: &ShareTerms,
        now: Instant,
    ) -> Result<(), ResponseError> {
        let speaker = Speaker { member, terms, now };
        let result = acknowledgements.iter().try_for_each(|one| self.begin(one, &speaker));
        if result.is_err() {
            self.take_back();
        }
        result
    }

    fn begin(&mut self, one: &Acknowledgement, speaker: &Speaker<'_>) -> Result<(), ResponseError> {
        if one.last < self.start {
            return Ok(());
        }
        let from = self.holding(one)?;
        let start = self.start;
        for batch in self.batches.range_mut(from..=one.last).map(|(_, batch)| batch) {
            if batch.last >= start {
                begin_batch(batch, one, start, speaker)?;
            }
        }
        Ok(())
    }

    /// The first batch that an acknowledgement is about.
    fn holding(&self, one: &Acknowledgement) -> Result<i64, ResponseError> {
        let floor = |offset: i64| self.batches.range(..=offset).next_back().map(|(at, _)| *at);
        let at_start = || self.starts_within(one.first, one.last).then(|| floor(self.start));
        let from = floor(one.first)
            .or_else(|| at_start().flatten())
            .ok_or(ResponseError::InvalidRecordState)?;
        let known = self.batches.range(from..=one.last.max(from)).next_back();
        let last = known.map(|(_, batch)| batch.last).ok_or(ResponseError::InvalidRecordState)?;
        if last < one.first || last < one.last {
            return Err(ResponseError::InvalidRequest);
        }
        Ok(from)
    }
}

fn begin_batch(
    batch: &mut InFlightBatch,
    one: &Acknowledgement,
    start: i64,
    speaker: &Speaker<'_>,
) -> Result<(), ResponseError> {
    let is_whole = batch.is_within(one.first, one.last)
        && one.said.len() == 1
        && !(batch.first < start && batch.last >= start);
    if let Kept::Whole(state) = &mut batch.kept {
        speaker.check(state)?;
        if is_whole {
            return speaker.begin(state, one.of(one.first));
        }
    }
    let each = batch.split().range_mut(one.first.max(start)..=one.last.max(start));
    for (offset, state) in each.filter(|(offset, _)| **offset <= one.last) {
        speaker.check(state)?;
        speaker.begin(state, one.of(*offset))?;
    }
    Ok(())
}

impl Speaker<'_> {
    /// It must have the record, and not have said anything of it in this request.
    fn check(&self, state: &InFlightState) -> Result<(), ResponseError> {
        let is_its = state.state == ShareRecordState::Acquired
            && !state.is_changing()
            && state.is_held_by(self.member);
        if is_its { Ok(()) } else { Err(ResponseError::InvalidRecordState) }
    }

    fn begin(&self, state: &mut InFlightState, said: Option<Said>) -> Result<(), ResponseError> {
        match said.ok_or(ResponseError::InvalidRequest)?.state() {
            None if self.terms.renews => {
                state.lock = Some(self.now + self.terms.lock);
                Ok(())
            }
            None => Err(ResponseError::InvalidRecordState),
            Some(next) if state.begin(next, self.terms.most_deliveries) => Ok(()),
            Some(_) => Err(ResponseError::InvalidRecordState),
        }
    }
}
