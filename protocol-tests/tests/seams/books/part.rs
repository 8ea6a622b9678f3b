//! What the books say of one partition: what its group has done with it, and where a consumer that
//! has it stands.

use std::collections::BTreeSet;
use std::time::Duration;

use kavka::AutoOffsetReset;
use tokio::time::Instant;

/// What the group as a whole has done with a partition.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) done: BTreeSet<i64>,
    /// The application wants nothing below: it went past it, or committed it by itself.
    pub(super) waived: i64,
    pub(super) commits: Vec<(Duration, i64)>,
    /// What was committed lies beyond the end at times, and the brokers decide then where to start.
    pub(super) is_beyond: bool,
    /// How often the application committed offsets of its own, and when last.
    pub(super) own_commits: (usize, Option<Instant>),
}

/// By which right a consumer has a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum How {
    Group,
    Manual,
}

/// What the books have to know of how a consumer is configured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MemberPlan {
    /// `max.poll.interval.ms`.
    pub(crate) may_stay_away: Duration,
    /// It speaks the consumer protocol.
    pub(crate) is_coordinated: bool,
    /// Its group has members of both protocols.
    pub(crate) is_mixed: bool,
}

/// A partition that a consumer has.
#[derive(Clone, Debug)]
pub(super) struct Hand {
    pub(super) next: Next,
    /// The offset after the last record that it was given since it came here.
    pub(super) handed: Option<i64>,
    pub(super) since: Instant,
    pub(super) jumped: Instant,
    pub(super) finished: Option<Instant>,
    pub(super) is_going: bool,
    pub(super) is_unsubscribed: bool,
}

/// Which record must come next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Next {
    At(i64),
    /// What is committed, or was since then.
    Committed(Duration),
    /// Wherever the brokers say, from here on.
    From(i64),
}

impl Part {
    /// The first offset that is neither done nor waived.
    pub(super) fn frontier(&self) -> i64 {
        let mut next = self.waived;
        while self.done.contains(&next) {
            next += 1;
        }
        next
    }

    pub(super) fn committed(&self) -> Option<i64> {
        self.commits.last().map(|(_, offset)| *offset)
    }

    /// What was committed at some time since then; `None` for nothing.
    pub(super) fn committed_since(&self, since: Duration) -> Vec<Option<i64>> {
        let before =
            self.commits.iter().rev().find(|(at, _)| *at < since).map(|(_, offset)| *offset);
        let mut values = vec![before];
        values.extend(
            self.commits.iter().filter(|(at, _)| *at >= since).map(|(_, offset)| Some(*offset)),
        );
        values
    }
}

impl Hand {
    pub(super) fn new(next: Next) -> Self {
        let now = Instant::now();
        Self {
            next,
            handed: None,
            since: now,
            jumped: now,
            finished: None,
            is_going: false,
            is_unsubscribed: false,
        }
    }

    /// It stands where the brokers said, which the application does not know yet.
    pub(super) fn is_free(&self, reset: AutoOffsetReset) -> bool {
        match self.next {
            Next::At(_) => false,
            Next::From(_) => true,
            Next::Committed(_) => reset != AutoOffsetReset::Earliest,
        }
    }
}
