//! The membership of one consumer in a group of the consumer protocol (KIP-848, KIP-1082).
//!
//! Pure, as [`classic`](super::classic), and with the same actions. The coordinator decides what each
//! member shall own (the target) and tells it in the replies to heartbeats; the member gets there by
//! itself, and says in its heartbeats what it owns. What moves goes to its new owner only when the
//! old one has said that it owns it no more.
//!
//! ```text
//!              wanted               answered                  target takes some
//!   Unjoined ─────────▶ Joining ───────────────▶ Stable ───────────────────▶ Revoking
//!      ▲                   ▲                     ▲  ▲ │ target adds some        │ given up
//!      │ left              │ fenced, unknown     │  │ └──────▶ Assigning ◀──────┤
//!      ├───────────────────┼─────────────────────┘  └────────────┘ told         │
//!      │                   └── any that is a member                             │
//!      └────────────────────────────────────────────────────────────to leave────┘
//!   Stale ◀── not polled, or refused ── any        Failed ◀── fenced instance ── any
//! ```
//! What always holds:
//! - One heartbeat is on its way at a time; it says what has changed since the last that was
//!   answered, and everything after one that was not: then the reply has the target again.
//! - A heartbeat that says what is owned says all that the application has, may get, or has not given
//!   up: never is anything released that somebody reads.
//! - Nothing comes by a target that is older than what was last said to be owned.
//! - A target that is not what the coordinator has heard is answered by what is owned, once that is
//!   reached.
//! - Whoever joins or gives something up hears of an assignment after that, if only of an empty one, as
//!   under the classic protocol.
//! - Whoever is fenced loses all it owned at once, and joins again.
//!
//! Every heartbeat carries the number of the attempt; a reply to an older attempt changes nothing.

mod transitions;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use super::commits::is_about_membership;
use super::member::{
    GroupMemberIdentity, MemberAction, MemberHeartbeat, MemberSettings, WantedTopics,
};
use crate::clock::Random;
use crate::cluster::{FIRST_INTERVAL, heartbeat_interval, new_member_id, not_polled};
use crate::consumer::closing::GroupMembershipOperation;
use crate::error::{Error, ErrorCode, Result};
use crate::ids::{Attempt, Generation, PartitionsById, TopicId, TopicName, TopicPartition};

/// What the coordinator answers.
#[derive(Clone, Debug)]
pub(crate) struct HeartbeatAnswer {
    pub(crate) member: Option<String>,
    pub(crate) epoch: i32,
    pub(crate) interval: Duration,
    /// What the member shall own, if that has changed or was asked for.
    pub(crate) target: Option<PartitionsById>,
}

#[derive(Debug)]
enum State {
    /// Not a member, and nothing makes it one but a wish.
    Unjoined,
    /// Not a member until the application asks for records again.
    Stale,
    /// Its first heartbeat is not answered.
    Joining,
    /// It owns the target, as far as the topics of that are known.
    Stable,
    /// The application is giving up partitions.
    Revoking { giving: BTreeMap<TopicPartition, TopicId>, then: AfterGiving },
    /// The application hears of partitions that come.
    Assigning { coming: BTreeMap<TopicPartition, TopicId> },
    /// For good.
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AfterGiving {
    Reconcile,
    Leave,
}

/// What the coordinator has heard of a member.
#[derive(Clone, Debug)]
struct Heard {
    topics: BTreeSet<TopicName>,
    /// Empty for none.
    regex: String,
    owned: PartitionsById,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Reconciling {
    settings: MemberSettings,
    random: Random,
    /// The id is its own, made anew when the coordinator has forgotten it.
    identity: GroupMemberIdentity,
    attempt: Attempt,
    state: State,
    wanted: Option<WantedTopics>,
    target: PartitionsById,
    /// The topics of the target by name, as far as they are known.
    names: BTreeMap<TopicId, TopicName>,
    /// Without what goes and what comes.
    owned: BTreeMap<TopicPartition, TopicId>,
    /// What the coordinator has heard last.
    heard: Option<Heard>,
    /// The coordinator waits to hear what is owned, even if that is what it has heard before: it may
    /// have told of partitions that came and went since.
    owes_word: bool,
    /// What is owned has been said, and not answered: the coordinator may have given partitions of
    /// the target, which are not among them, to others by now.
    is_target_in_doubt: bool,
    /// Something was given up, or it has just joined, and the application has not heard yet that this
    /// is all.
    owes_assignment: bool,
    /// The heartbeat on its way.
    in_flight: Option<MemberHeartbeat>,
    interval: Duration,
    next_heartbeat: Instant,
    failures: u32,
    last_poll: Instant,
    departs_by: GroupMembershipOperation,
    actions: VecDeque<MemberAction>,
}

impl Reconciling {
    pub(crate) fn new(settings: MemberSettings, mut random: Random, now: Instant) -> Self {
        Self {
            settings,
            identity: GroupMemberIdentity { member: new_member_id(&mut random), generation: None },
            random,
            attempt: Attempt::default(),
            state: State::Unjoined,
            wanted: None,
            target: PartitionsById::new(),
            names: BTreeMap::new(),
            owned: BTreeMap::new(),
            heard: None,
            owes_word: false,
            is_target_in_doubt: false,
            owes_assignment: false,
            in_flight: None,
            interval: FIRST_INTERVAL,
            next_heartbeat: now,
            failures: 0,
            last_poll: now,
            departs_by: GroupMembershipOperation::Default,
            actions: VecDeque::new(),
        }
    }

    /// The application wants these topics, or with `None` not to be a member.
    pub(crate) fn handle_wanted(&mut self, wanted: Option<WantedTopics>, now: Instant) {
        let before = std::mem::replace(&mut self.wanted, wanted);
        let Some(wanted) = &self.wanted else {
            return self.leave();
        };
        let has_changed = before.is_none_or(|before| before != *wanted);
        match &mut self.state {
            State::Unjoined => {
                self.last_poll = now;
                self.join(now);
            }
            State::Stale if has_changed => self.join(now),
            State::Revoking { then, .. } => *then = AfterGiving::Reconcile,
            State::Joining | State::Stable | State::Assigning { .. } if has_changed => {
                self.reconcile(now);
            }
            _ => {}
        }
    }

    /// Gives up everything and leaves the group, or remains in it.
    pub(crate) fn handle_close(&mut self, operation: GroupMembershipOperation, _: Instant) {
        self.departs_by = operation;
        self.wanted = None;
        self.leave();
    }

    /// The application asked for records, or is waiting for some.
    pub(crate) fn handle_polled(&mut self, now: Instant) {
        self.last_poll = now;
        if matches!(self.state, State::Stale) && self.wanted.is_some() {
            self.join(now);
        }
    }

    /// The application has given up what it was asked to.
    pub(crate) fn handle_revoked(&mut self, now: Instant) {
        if let State::Revoking { then, .. } = self.state {
            self.state = State::Stable;
            match then {
                AfterGiving::Reconcile => self.reconcile(now),
                AfterGiving::Leave => self.depart(),
            }
        }
    }

    /// The application has heard of what it was assigned.
    pub(crate) fn handle_assigned(&mut self, now: Instant) {
        if let State::Assigning { coming } = &mut self.state {
            self.owned.append(coming);
            self.state = State::Stable;
            self.reconcile(now);
        }
    }

    /// The reply to a heartbeat.
    pub(crate) fn handle_heartbeat(
        &mut self,
        attempt: Attempt,
        outcome: Result<HeartbeatAnswer>,
        now: Instant,
    ) {
        if attempt != self.attempt {
            return;
        }
        let Some(sent) = self.in_flight.take() else { return };
        match outcome {
            Ok(answer) => self.answered(sent, answer, now),
            Err(error) => self.failed(&sent, &error, now),
        }
    }

    /// What the topics of the target are called, as far as that is known now.
    pub(crate) fn handle_names(
        &mut self,
        name_of: impl Fn(TopicId) -> Option<TopicName>,
        now: Instant,
    ) {
        // What an id stands for never changes: a topic that metadata lacks for a while is not given
        // up, as the coordinator says when it is gone.
        let unknown = self.target.keys().filter(|id| !self.names.contains_key(*id));
        let found: Vec<_> = unknown.filter_map(|id| Some((*id, name_of(*id)?))).collect();
        if !found.is_empty() {
            self.names.extend(found);
            self.reconcile(now);
        }
    }

    /// A request was refused, perhaps because of the membership under which it was sent: heartbeats say
    /// what has become of that.
    pub(crate) fn handle_refused(
        &mut self,
        sent_by: &GroupMemberIdentity,
        error: &Error,
        now: Instant,
    ) {
        if is_about_membership(error) && *sent_by == self.identity {
            self.beat_soon(now);
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.polled_by().is_some_and(|deadline| now >= deadline) {
            return self.stop_because_not_polled();
        }
        if self.heartbeat_by().is_some_and(|due| now >= due) {
            self.beat(now);
        }
    }

    pub(crate) fn poll(&mut self) -> Option<MemberAction> {
        self.actions.pop_front()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        [self.heartbeat_by(), self.polled_by()].into_iter().flatten().min()
    }

    /// Who the member is; commits carry it.
    pub(crate) fn identity(&self) -> &GroupMemberIdentity {
        &self.identity
    }

    /// Whether a topic of the target is not known by name.
    pub(crate) fn misses_names(&self) -> bool {
        self.names.len() < self.target.len()
    }

    /// The topics of the target that are not known by name.
    pub(crate) fn nameless(&self) -> BTreeSet<TopicId> {
        self.target.keys().filter(|id| !self.names.contains_key(*id)).copied().collect()
    }

    /// Whether nothing is left to be done for a consumer that is being closed.
    pub(crate) fn is_away(&self) -> bool {
        !self.is_member() && self.actions.is_empty()
    }

    /// Whether it waits for the application to ask for records again.
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.state, State::Stale)
    }

    /// Whether it is, or is about to be, a member.
    pub(crate) fn is_member(&self) -> bool {
        !matches!(self.state, State::Unjoined | State::Stale | State::Failed)
    }

    /// Whether it owns what it is assigned, as far as is known.
    pub(crate) fn is_stable(&self) -> bool {
        matches!(self.state, State::Stable)
    }

    /// Whether the coordinator would take a commit now.
    pub(crate) fn can_commit(&self) -> bool {
        self.identity.generation.is_some()
    }
}

#[cfg(test)]
mod tests;
