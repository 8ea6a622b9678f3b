//! The membership of one consumer in a share group (KIP-932).
//!
//! Pure. The coordinator assigns partitions, several members the same ones, and tells of them in the
//! replies to heartbeats; nothing is given up before another may have it, so that an assignment is
//! taken as it comes.
//!
//! ```text
//!             wanted              answered
//!  Unjoined ─────────▶ Joining ────────────▶ Stable
//!     ▲                 ▲  ▲ fenced, unknown   │
//!     │ not wanted      │  └──────────────────┤
//!     └──── any         └── Stale ◀───────────┘ not polled, or refused
//! ```
//! What always holds:
//! - One heartbeat is on its way at a time. It says what has changed since the last that was
//!   answered, and everything after one that was not.
//! - The member keeps its id while it lives: what the brokers have acquired for it is its own under
//!   every epoch.
//! - Whoever is fenced has no assignment, and joins again.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use crate::clock::Random;
use crate::cluster::{Backoff, FIRST_INTERVAL, heartbeat_interval, new_member_id, not_polled};
use crate::error::{Error, ErrorCode, ErrorKind, Result};
use crate::ids::{Attempt, PartitionsById, TopicName};

/// What does not change while the consumer lives.
#[derive(Clone, Debug)]
pub(crate) struct ShareMemberSettings {
    pub(crate) max_poll_interval: Duration,
    pub(crate) backoff: Backoff,
}

/// What a heartbeat says; `None` is what has not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShareHeartbeat {
    pub(crate) member: String,
    /// 0 joins, and -1 leaves.
    pub(crate) epoch: i32,
    /// Whether it says what never changes, too.
    pub(crate) is_full: bool,
    pub(crate) topics: Option<BTreeSet<TopicName>>,
}

/// What the coordinator answers.
#[derive(Clone, Debug)]
pub(crate) struct ShareHeartbeatAnswer {
    pub(crate) epoch: i32,
    pub(crate) interval: Duration,
    /// What to fetch from, if that has changed or was asked for.
    pub(crate) assignment: Option<PartitionsById>,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub(crate) enum ShareMemberAction {
    /// Send a heartbeat.
    Heartbeat { attempt: Attempt, heartbeat: ShareHeartbeat },
    /// Send a last heartbeat and do not wait for more than its reply, once the sessions are closed.
    Leave(ShareHeartbeat),
    /// Fetch from these partitions, and no others.
    Assign(PartitionsById),
    /// Tell the application of this failure.
    Report(Error),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not a member, and nothing makes it one but a wish.
    Unjoined,
    /// Not a member until the application asks for records again.
    Stale,
    /// Its first heartbeat is not answered.
    Joining,
    Stable,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct ShareMembership {
    settings: ShareMemberSettings,
    random: Random,
    member: String,
    epoch: i32,
    state: State,
    attempt: Attempt,
    wanted: Option<BTreeSet<TopicName>>,
    /// What the coordinator has heard last.
    heard: Option<BTreeSet<TopicName>>,
    /// The heartbeat on its way.
    in_flight: Option<ShareHeartbeat>,
    interval: Duration,
    next_heartbeat: Instant,
    /// How many heartbeats may still come early, as there is no assignment yet.
    early: u32,
    failures: u32,
    last_poll: Instant,
    actions: VecDeque<ShareMemberAction>,
}

impl ShareMembership {
    pub(crate) fn new(settings: ShareMemberSettings, mut random: Random, now: Instant) -> Self {
        Self {
            settings,
            member: new_member_id(&mut random),
            random,
            epoch: 0,
            state: State::Unjoined,
            attempt: Attempt::default(),
            wanted: None,
            heard: None,
            in_flight: None,
            interval: FIRST_INTERVAL,
            next_heartbeat: now,
            early: 0,
            failures: 0,
            last_poll: now,
            actions: VecDeque::new(),
        }
    }

    /// Who the member is.
    pub(crate) fn member(&self) -> &str {
        &self.member
    }

    /// The application wants these topics, or with `None` not to be a member.
    pub(crate) fn handle_wanted(&mut self, wanted: Option<BTreeSet<TopicName>>, now: Instant) {
        let has_changed = self.wanted != wanted;
        self.wanted = wanted;
        match self.state {
            _ if self.wanted.is_none() => self.leave(),
            State::Unjoined => {
                self.last_poll = now;
                self.join(now);
            }
            State::Stale if has_changed => self.join(now),
            State::Stable if has_changed => self.beat_soon(now),
            _ => {}
        }
    }

    /// The application asked for records, or is waiting for some.
    pub(crate) fn handle_polled(&mut self, now: Instant) {
        self.last_poll = now;
        if self.state == State::Stale && self.wanted.is_some() {
            self.join(now);
        }
    }

    /// The reply to a heartbeat.
    pub(crate) fn handle_heartbeat(
        &mut self,
        attempt: Attempt,
        outcome: Result<ShareHeartbeatAnswer>,
        now: Instant,
    ) {
        if attempt != self.attempt {
            return;
        }
        let Some(sent) = self.in_flight.take() else { return };
        match outcome {
            Ok(answer) => self.answered(sent, answer, now),
            Err(error) => self.failed(&sent, error, now),
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.polled_by().is_some_and(|by| by <= now) {
            self.lose();
            self.send_leave();
            self.state = State::Stale;
            let limit = self.settings.max_poll_interval;
            self.actions.push_back(ShareMemberAction::Report(not_polled(limit)));
        }
        if self.heartbeat_by().is_some_and(|by| by <= now) {
            self.beat(now);
        }
    }

    pub(crate) fn poll(&mut self) -> Option<ShareMemberAction> {
        self.actions.pop_front()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.heartbeat_by().into_iter().chain(self.polled_by()).min()
    }

    /// Whether it waits for the application to ask for records again.
    pub(crate) fn is_idle(&self) -> bool {
        self.state == State::Stale
    }

    /// Whether it is, or is about to be, a member.
    pub(crate) fn is_member(&self) -> bool {
        matches!(self.state, State::Joining | State::Stable)
    }

    fn join(&mut self, now: Instant) {
        self.next_attempt();
        self.state = State::Joining;
        self.heard = None;
        self.early = MOST_EARLY;
        self.next_heartbeat = match self.failures {
            0 => now,
            failures => now + self.settings.backoff.after(failures, &mut self.random),
        };
    }

    fn beat(&mut self, now: Instant) {
        self.next_heartbeat = now + self.interval;
        let Some(topics) = &self.wanted else { return };
        let heartbeat = ShareHeartbeat {
            member: self.member.clone(),
            epoch: self.epoch,
            is_full: self.heard.is_none(),
            topics: (self.heard.as_ref() != Some(topics)).then(|| topics.clone()),
        };
        self.in_flight = Some(heartbeat.clone());
        self.actions.push_back(ShareMemberAction::Heartbeat { attempt: self.attempt, heartbeat });
    }

    fn answered(&mut self, sent: ShareHeartbeat, answer: ShareHeartbeatAnswer, now: Instant) {
        if answer.epoch <= 0 {
            let message = format!("the coordinator gave the member epoch {}", answer.epoch);
            return self.refuse(Error::new(ErrorKind::Protocol, message));
        }
        self.failures = 0;
        self.heard = sent.topics.or(self.heard.take());
        self.epoch = answer.epoch;
        self.state = State::Stable;
        self.interval = heartbeat_interval(answer.interval);
        self.next_heartbeat = now + self.interval;
        match &answer.assignment {
            Some(assignment) if !assignment.is_empty() => self.early = 0,
            _ if self.early > 0 => {
                self.early -= 1;
                self.next_heartbeat = now + self.interval.min(EARLY);
            }
            _ => {}
        }
        if let Some(assignment) = answer.assignment {
            self.actions.push_back(ShareMemberAction::Assign(assignment));
        }
        if self.heard != self.wanted {
            self.beat_soon(now);
        }
    }

    /// The next heartbeat goes out now, unless one is on its way or was in vain.
    fn beat_soon(&mut self, now: Instant) {
        if self.failures == 0 {
            self.next_heartbeat = self.next_heartbeat.min(now);
        }
    }

    fn failed(&mut self, sent: &ShareHeartbeat, error: Error, now: Instant) {
        self.failures += 1;
        // The coordinator may have heard it or not, and its answer is lost.
        self.heard = None;
        match error.code() {
            Some(ErrorCode::FENCED_MEMBER_EPOCH | ErrorCode::UNKNOWN_MEMBER_ID) => self.rejoin(now),
            // With its last member the group has gone. One that cannot be joined is another's.
            Some(ErrorCode::GROUP_ID_NOT_FOUND) if sent.epoch != 0 => self.rejoin(now),
            _ if error.is_retriable() => {
                self.next_heartbeat =
                    now + self.settings.backoff.after(self.failures, &mut self.random);
            }
            _ => self.refuse(error),
        }
    }

    /// The coordinator has given up on it.
    fn rejoin(&mut self, now: Instant) {
        self.lose();
        // The first time at once.
        self.failures -= 1;
        self.join(now);
        self.failures += 1;
    }

    /// The coordinator does not let it be a member for a reason that only the application can
    /// change.
    fn refuse(&mut self, error: Error) {
        let was_member = self.epoch > 0;
        self.lose();
        if was_member {
            self.send_leave();
        }
        self.failures = self.failures.max(1);
        self.state = State::Stale;
        self.actions.push_back(ShareMemberAction::Report(error));
    }

    fn lose(&mut self) {
        self.next_attempt();
        self.epoch = 0;
        self.actions.push_back(ShareMemberAction::Assign(PartitionsById::new()));
    }

    fn leave(&mut self) {
        if self.is_member() {
            self.lose();
            self.send_leave();
        }
        self.state = State::Unjoined;
        self.failures = 0;
    }

    fn send_leave(&mut self) {
        self.actions.push_back(ShareMemberAction::Leave(ShareHeartbeat {
            member: self.member.clone(),
            epoch: LEAVES,
            is_full: false,
            topics: None,
        }));
    }

    fn next_attempt(&mut self) {
        self.attempt = self.attempt.next();
        self.in_flight = None;
    }

    fn heartbeat_by(&self) -> Option<Instant> {
        (self.is_member() && self.in_flight.is_none()).then_some(self.next_heartbeat)
    }

    fn polled_by(&self) -> Option<Instant> {
        self.is_member().then(|| self.last_poll + self.settings.max_poll_interval)
    }
}

const LEAVES: i32 = -1;

/// A coordinator never assigns anything in its first answer, but a second later
/// (`group.share.assignment.interval.ms`): whoever has joined asks again then, so many times, and does
/// not wait for its next heartbeat.
const EARLY: Duration = Duration::from_secs(1);
const MOST_EARLY: u32 = 3;

#[cfg(test)]
mod tests;
