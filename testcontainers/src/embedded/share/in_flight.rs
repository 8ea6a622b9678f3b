//! Records that were delivered and are not behind the start offset yet: Kafka's `InFlightState` and
//! `InFlightBatch`.

use std::collections::BTreeMap;

use tokio::time::Instant;

/// What has become of a record in a share group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ShareRecordState {
    /// It can be acquired.
    Available,
    /// A member has it, for a while.
    Acquired,
    /// It was accepted.
    Acknowledged,
    /// It is not delivered any more: rejected, delivered too often, or gone.
    Archived,
}

impl ShareRecordState {
    /// Nothing becomes of it any more.
    pub(crate) fn is_final(self) -> bool {
        matches!(self, Self::Acknowledged | Self::Archived)
    }

    fn may_become(self, next: Self) -> bool {
        match self {
            Self::Available => next == Self::Acquired,
            Self::Acquired => next != Self::Acquired,
            Self::Acknowledged | Self::Archived => false,
        }
    }
}

/// The state of a record, or of a batch that has one state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InFlightState {
    pub(crate) state: ShareRecordState,
    /// How often it was delivered.
    pub(crate) deliveries: i32,
    /// Who has it.
    pub(crate) member: Option<String>,
    /// When the lock ends.
    pub(crate) lock: Option<Instant>,
    /// What it was before a change that is not written down yet.
    before: Option<(ShareRecordState, Option<String>)>,
}

impl InFlightState {
    pub(crate) fn new(
        state: ShareRecordState,
        deliveries: i32,
        member: Option<String>,
        lock: Option<Instant>,
    ) -> Self {
        Self { state, deliveries, member, lock, before: None }
    }

    pub(crate) fn is_changing(&self) -> bool {
        self.before.is_some()
    }

    /// It may be acquired now.
    pub(crate) fn is_available(&self) -> bool {
        self.state == ShareRecordState::Available && !self.is_changing()
    }

    pub(crate) fn is_held_by(&self, member: &str) -> bool {
        self.member.as_deref() == Some(member)
    }

    /// A member takes it; false if it cannot.
    pub(crate) fn acquire(&mut self, member: &str, until: Instant) -> bool {
        if !self.is_available() {
            return false;
        }
        self.state = ShareRecordState::Acquired;
        self.deliveries += 1;
        self.member = Some(member.to_owned());
        self.lock = Some(until);
        true
    }

    /// Nobody has it any more; what was delivered `most` times is archived rather than available.
    /// False if it cannot become that.
    pub(crate) fn give_up(&mut self, next: ShareRecordState, most: i32) -> bool {
        let is_too_often = next == ShareRecordState::Available && self.deliveries >= most;
        let next = if is_too_often { ShareRecordState::Archived } else { next };
        if self.is_changing() || !self.state.may_become(next) {
            return false;
        }
        self.state = next;
        self.member = None;
        true
    }

    /// The same, until [`InFlightState::complete`] says whether it was written down.
    pub(crate) fn begin(&mut self, next: ShareRecordState, most: i32) -> bool {
        let before = (self.state, self.member.clone());
        let is_changed = self.give_up(next, most);
        if is_changed {
            self.before = Some(before);
        }
        is_changed
    }

    pub(crate) fn complete(&mut self, is_written: bool) {
        let Some((state, member)) = self.before.take() else { return };
        if is_written {
            self.lock = None;
        } else {
            (self.state, self.member) = (state, member);
        }
    }

    pub(crate) fn archive(&mut self) {
        self.state = ShareRecordState::Archived;
        self.member = None;
        self.lock = None;
        self.before = None;
    }
}

/// Records that were delivered together.
#[derive(Clone, Debug)]
pub(crate) struct InFlightBatch {
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) kept: Kept,
}

/// A batch has one state until its records part.
#[derive(Clone, Debug)]
pub(crate) enum Kept {
    Whole(InFlightState),
    Each(BTreeMap<i64, InFlightState>),
}

impl InFlightBatch {
    pub(crate) fn new(first: i64, last: i64, state: InFlightState) -> Self {
        Self { first, last, kept: Kept::Whole(state) }
    }

    pub(crate) fn count(&self) -> i64 {
        self.last - self.first + 1
    }

    pub(crate) fn is_within(&self, first: i64, last: i64) -> bool {
        self.first >= first && self.last <= last
    }

    pub(crate) fn whole(&self) -> Option<&InFlightState> {
        match &self.kept {
            Kept::Whole(state) => Some(state),
            Kept::Each(_) => None,
        }
    }

    /// The states, each with the offsets it is for.
    pub(crate) fn states(&self) -> Vec<(i64, i64, &InFlightState)> {
        match &self.kept {
            Kept::Whole(state) => vec![(self.first, self.last, state)],
            Kept::Each(each) => each.iter().map(|(at, state)| (*at, *at, state)).collect(),
        }
    }

    pub(crate) fn states_mut(&mut self) -> Vec<(i64, i64, &mut InFlightState)> {
        match &mut self.kept {
            Kept::Whole(state) => vec![(self.first, self.last, state)],
            Kept::Each(each) => each.iter_mut().map(|(at, state)| (*at, *at, state)).collect(),
        }
    }

    /// From now on each record has a state of its own.
    pub(crate) fn split(&mut self) -> &mut BTreeMap<i64, InFlightState> {
        if let Kept::Whole(state) = &self.kept {
            let each = (self.first..=self.last).map(|offset| (offset, state.clone()));
            self.kept = Kept::Each(each.collect());
        }
        match &mut self.kept {
            Kept::Each(each) => each,
            Kept::Whole(_) => unreachable!("it was split above"),
        }
    }
}
