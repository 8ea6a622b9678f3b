//! What one broker is asked next: a fetch, which takes acknowledgements along, or acknowledgements
//! alone.
//!
//! Pure. One request is under way at a time: the epochs of the session leave no other way, as a
//! broker throws away the records of a fetch that another request has overtaken.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::session::{ShareSession, SharedPartition};
use crate::clock::Random;
use crate::cluster::Backoff;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct ShareBroker {
    pub(crate) session: ShareSession,
    /// What to fetch from.
    pub(crate) wanted: BTreeSet<SharedPartition>,
    is_in_flight: bool,
    /// The last fetch has brought nothing.
    is_dry: bool,
    /// For which call of the application it was asked last.
    asked_for: Option<u64>,
    /// Since when something waits to be acknowledged.
    said_since: Option<Instant>,
    is_urgent: bool,
    /// The session is to be closed.
    closes: bool,
    failures: u32,
    rests_until: Option<Instant>,
}

/// What the application wants, and what was said, as it is now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShareDemand {
    /// How often the application has asked for records.
    pub(crate) calls: u64,
    /// It waits for records.
    pub(crate) is_waiting: bool,
    /// So few are buffered that more may come.
    pub(crate) has_room: bool,
    /// Records that this broker has acquired were acknowledged.
    pub(crate) has_said: bool,
    /// Some of them are of partitions that are not fetched any more, which no fetch takes along.
    pub(crate) has_said_elsewhere: bool,
    /// Locks are to be renewed.
    pub(crate) renews: bool,
    /// So much was said that it does not wait.
    pub(crate) has_many: bool,
}

/// What to ask a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ShareCall {
    /// Fetch, and acknowledge by the way.
    Fetch {
        /// Whether the broker may wait for records.
        may_wait: bool,
        /// Whether it takes along what was said of some records of an acquisition, too, and not
        /// only what was said of whole ones.
        takes_parts: bool,
    },
    /// Acknowledge, and renew locks, which no fetch does.
    Acknowledge,
    /// Acknowledge, and end the session.
    Close,
}

/// How long acknowledgements wait for a fetch that takes them along (a guess).
const LINGER: Duration = Duration::from_millis(100);

impl ShareBroker {
    pub(crate) fn new() -> Self {
        Self {
            session: ShareSession::default(),
            wanted: BTreeSet::new(),
            is_in_flight: false,
            is_dry: false,
            asked_for: None,
            said_since: None,
            is_urgent: false,
            closes: false,
            failures: 0,
            rests_until: None,
        }
    }

    /// Somebody waits for what becomes of acknowledgements.
    pub(crate) fn hurry(&mut self) {
        self.is_urgent = true;
    }

    /// Has the session closed.
    pub(crate) fn close(&mut self) {
        self.closes = true;
        self.wanted.clear();
    }

    /// Whether the broker has nothing of this consumer, and is not asked anything.
    pub(crate) fn is_idle(&self) -> bool {
        !self.is_in_flight && !self.session.is_open()
    }

    /// Whether an answer is awaited, without which there is nothing to ask.
    pub(crate) fn is_in_flight(&self) -> bool {
        self.is_in_flight
    }

    /// What to ask now.
    pub(crate) fn poll(&mut self, demand: &ShareDemand, now: Instant) -> Option<ShareCall> {
        self.said_since = demand.has_said.then(|| self.said_since.unwrap_or(now));
        self.rests_until = self.rests_until.filter(|until| *until > now);
        if self.is_in_flight {
            return None;
        }
        // There is nothing to close, and what comes is of another membership.
        self.closes &= self.session.is_open();
        if self.rests_until.is_some() {
            return None;
        }
        let call = self.choose(demand, now)?;
        self.is_in_flight = true;
        if let ShareCall::Fetch { .. } = call {
            self.asked_for = Some(demand.calls);
        }
        let leaves_some = match call {
            ShareCall::Fetch { takes_parts, .. } => !takes_parts || demand.has_said_elsewhere,
            ShareCall::Acknowledge | ShareCall::Close => false,
        };
        if self.session.is_open() && !demand.renews && !leaves_some {
            self.said_since = None;
            self.is_urgent = false;
        }
        Some(call)
    }

    fn choose(&self, demand: &ShareDemand, now: Instant) -> Option<ShareCall> {
        if self.closes {
            return self.session.is_open().then_some(ShareCall::Close);
        }
        let can_say = self.session.is_open() && demand.has_said;
        let has_lingered = self.said_since.is_some_and(|since| since + LINGER <= now);
        let is_due = self.is_urgent || demand.has_many || has_lingered;
        // An application that waits has one fetch made after the other.
        if can_say && (demand.renews || demand.has_said_elsewhere && is_due) {
            return Some(ShareCall::Acknowledge);
        }
        // Without a word of the application since the last time, what comes would only wait for its
        // lock to run out, and be counted as delivered.
        let is_asked = demand.is_waiting || self.asked_for != Some(demand.calls);
        let fetches = !self.wanted.is_empty()
            && demand.has_room
            && is_asked
            && (demand.is_waiting || !self.is_dry);
        // Only a fetch begins a session, which alone can be told what is due.
        let opens = !self.session.is_open()
            && demand.has_said
            && is_due
            && demand.has_room
            && !self.wanted.is_empty();
        if fetches || opens {
            // A broker that hears of a part of what it has handed out at once keeps a state and a
            // timer for each of those records from then on.
            let takes_parts = self.is_urgent || has_lingered;
            // Who waits for what becomes of acknowledgements does not wait for records.
            let may_wait = demand.is_waiting && !(self.is_urgent && can_say);
            return Some(ShareCall::Fetch { may_wait, takes_parts });
        }
        (can_say && is_due).then_some(ShareCall::Acknowledge)
    }

    /// When there is something to do without news.
    pub(crate) fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        if self.is_in_flight {
            return None;
        }
        let due = self.rests_until.or(self.said_since.map(|since| since + LINGER));
        due.filter(|at| *at > now)
    }

    /// A fetch was answered.
    pub(crate) fn fetched(&mut self, has_records: bool) {
        self.is_dry = !has_records;
        self.answered();
    }

    /// A request was answered.
    pub(crate) fn answered(&mut self) {
        self.session.answered();
        self.is_in_flight = false;
        self.failures = 0;
    }

    /// The session has ended as it should.
    pub(crate) fn closed(&mut self) {
        self.session.failed();
        self.is_in_flight = false;
        self.closes = false;
    }

    /// A request was not sent after all.
    pub(crate) fn not_sent(&mut self) {
        self.is_in_flight = false;
    }

    /// A request was refused or lost.
    pub(crate) fn failed(&mut self, backoff: &Backoff, random: &mut Random, now: Instant) {
        self.session.failed();
        self.is_in_flight = false;
        self.closes = false;
        self.rest(backoff, random, now);
    }

    /// Asks nothing for a while, as what it answers does not help.
    pub(crate) fn rest(&mut self, backoff: &Backoff, random: &mut Random, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        self.rests_until = Some(now + backoff.after(self.failures, random));
    }
}

#[cfg(test)]
mod tests;
