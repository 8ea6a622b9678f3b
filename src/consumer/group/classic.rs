//! The membership of one consumer in a classic group (KIP-62, KIP-345, KIP-394, KIP-429, KIP-559,
//! KIP-800, KIP-814).
//!
//! Pure: it says what to do ([`MemberAction`]) and is told what came of it. The task keeps to one
//! order: what concerns the application (revoke, assign, lost) happens one after the other, calls
//! go out at once.
//!
//! ```text
//!              wanted                    given up              member id required
//!   Away ───────────────▶ Giving ──────────────────▶ Joining ◀──┐
//!    ▲                    ▲  ▲  │ to leave              │  └─────┘
//!    │ left               │  │  └──────▶ Leaving        │ joined
//!    ├────────────────────┼──┼──────────────┘           ├───follower──────────┐
//!    │                    │  │                          ▼                     ▼
//!    │         rebalance, │  │ taken away            Describing ─Deciding▶ Syncing
//!    │       new interest │  └──(cooperative)───────────┐                     │
//!    │                    └─────────────────────────── Stable ◀───────────────┘
//!    │                                                  │
//!   Idle ◀──not polled, or refused─────────────────────┘      Failed ◀──fenced── any
//! ```
//! `Revoking` is left out where there is nothing to give up. A failed call leads to `Waiting`, and
//! after a backoff to `Joining` again. Whoever finds that the coordinator may have given up on it
//! (session over, unknown member, illegal generation) loses all it owned at once, and joins again.
//!
//! Every call carries the number of the attempt; a reply to an older attempt changes nothing.

mod transitions;

use std::collections::{BTreeSet, VecDeque};
use std::time::Instant;

use super::assignor::{Assignor, GroupAssignment, OwnedPartitions, TopicRacks};
use super::member::{GroupMemberIdentity, JoinReason, MemberAction, MemberSettings, WantedTopics};
use crate::clock::Random;
use crate::cluster::not_polled;
use crate::consumer::assignor::{
    GroupMember, GroupSubscription, MemberAssignment, MemberSubscription,
};
use crate::consumer::closing::GroupMembershipOperation;
use crate::error::{Error, ErrorCode, ErrorKind, Result};
use crate::ids::{Attempt, Generation, TopicName, TopicPartition};

/// What JoinGroup answered.
#[derive(Clone, Debug)]
pub(crate) struct Joined {
    pub(crate) member: String,
    pub(crate) generation: Generation,
    pub(crate) protocol: String,
    pub(crate) leader: String,
    /// The leader comes back as a static member: the coordinator keeps the assignment (KIP-814).
    pub(crate) skips_assignment: bool,
    /// Of the leader only: all members with the bytes of their subscription.
    pub(crate) members: Vec<(String, Option<String>, Vec<u8>)>,
}

#[derive(Debug)]
enum State {
    /// Not a member, and nothing makes it one but a wish.
    Unjoined,
    /// Not a member until the application asks for records again.
    Stale,
    /// The application is giving up partitions.
    Revoking {
        giving: Vec<TopicPartition>,
        then: AfterRevoking,
    },
    /// Something failed; joins again at that time.
    Waiting(Instant),
    Joining,
    /// The leader waits for the partitions of the topics.
    Describing {
        strategy: Assignor,
        members: Vec<GroupMember>,
        skips_assignment: bool,
    },
    /// The leader waits for what its assignor decides.
    Deciding(Assignor),
    Syncing(Assignor),
    Stable,
    /// For good.
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum AfterRevoking {
    Join(JoinReason),
    Leave(&'static str),
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Classic {
    settings: MemberSettings,
    random: Random,
    is_cooperative: bool,
    identity: GroupMemberIdentity,
    /// Who the member was when it got an assignment last.
    confirmed: GroupMemberIdentity,
    attempt: Attempt,
    state: State,
    wanted: Option<WantedTopics>,
    /// The topics of the last JoinGroup.
    joined_with: BTreeSet<TopicName>,
    /// Without what is being given up.
    owned: BTreeSet<TopicPartition>,
    /// What the sticky assignors tell of themselves.
    held: Option<OwnedPartitions>,
    /// Of the leader: what it decided on.
    described: Option<TopicRacks>,
    failures: u32,
    next_heartbeat: Instant,
    heartbeat_in_flight: bool,
    /// When the coordinator may give up on the member.
    session_ends: Instant,
    /// When JoinGroup or SyncGroup was sent last.
    asked: Instant,
    last_poll: Instant,
    departs_by: GroupMembershipOperation,
    actions: VecDeque<MemberAction>,
}

impl Classic {
    pub(crate) fn new(settings: MemberSettings, random: Random, now: Instant) -> Self {
        // As Kafka's consumer: cooperative only if every strategy that may be agreed on is.
        let is_cooperative = settings.strategies.iter().all(|strategy| strategy.is_cooperative());
        Self {
            settings,
            random,
            is_cooperative,
            identity: GroupMemberIdentity::default(),
            confirmed: GroupMemberIdentity::default(),
            attempt: Attempt::default(),
            state: State::Unjoined,
            wanted: None,
            joined_with: BTreeSet::new(),
            owned: BTreeSet::new(),
            held: None,
            described: None,
            failures: 0,
            next_heartbeat: now,
            heartbeat_in_flight: false,
            session_ends: now,
            asked: now,
            last_poll: now,
            departs_by: GroupMembershipOperation::Default,
            actions: VecDeque::new(),
        }
    }

    /// The application wants these topics, or with `None` not to be a member.
    pub(crate) fn handle_wanted(&mut self, wanted: Option<WantedTopics>, now: Instant) {
        let before = std::mem::replace(&mut self.wanted, wanted);
        match (&self.wanted, &self.state) {
            (None, _) => self.leave("the consumer unsubscribed", now),
            (Some(_), State::Unjoined) => {
                self.last_poll = now;
                self.prepare("the consumer subscribed", now);
            }
            (Some(wanted), State::Stale)
                if before.is_none_or(|before| before.topics != wanted.topics) =>
            {
                self.prepare("the consumer subscribed", now);
            }
            (Some(_), State::Revoking { .. }) => {
                if let State::Revoking { then: then @ AfterRevoking::Leave(_), .. } =
                    &mut self.state
                {
                    *then = AfterRevoking::Join("the consumer subscribed again".into());
                }
            }
            (Some(wanted), State::Stable) if wanted.topics != self.joined_with => {
                self.prepare("the topics that match or are subscribed have changed", now);
            }
            _ => {}
        }
    }

    /// Gives up everything and leaves the group, or remains in it.
    pub(crate) fn handle_close(&mut self, operation: GroupMembershipOperation, now: Instant) {
        self.departs_by = operation;
        self.wanted = None;
        self.leave("the consumer is being closed", now);
    }

    /// The application asked for records, or is waiting for some.
    pub(crate) fn handle_polled(&mut self, now: Instant) {
        self.last_poll = now;
        if matches!(self.state, State::Stale) && self.wanted.is_some() {
            match self.failures {
                0 => self.prepare("the consumer polls again", now),
                failures => {
                    self.state = State::Waiting(
                        now + self.settings.backoff.after(failures, &mut self.random),
                    )
                }
            }
        }
    }

    /// The application wants the group to assign anew (KIP-568). A rebalance under way is that.
    pub(crate) fn handle_enforced(&mut self, reason: String, now: Instant) {
        if matches!(self.state, State::Stable) {
            self.prepare(reason, now);
        }
    }

    /// The application has given up what it was asked to.
    pub(crate) fn handle_revoked(&mut self, now: Instant) {
        if let State::Revoking { then, .. } = &self.state {
            let then = then.clone();
            self.state = State::Unjoined;
            match then {
                AfterRevoking::Join(reason) => self.join(reason, now),
                AfterRevoking::Leave(reason) => self.depart(reason),
            }
        }
    }

    pub(crate) fn handle_joined(
        &mut self,
        attempt: Attempt,
        outcome: Result<Joined>,
        now: Instant,
    ) {
        if attempt != self.attempt || !matches!(self.state, State::Joining) {
            return;
        }
        match outcome {
            Ok(joined) => self.joined(joined, now),
            Err(error) => self.failed(error, now),
        }
    }

    /// The coordinator wants the member to join again with the id that it has given (KIP-394).
    pub(crate) fn handle_member_id(&mut self, attempt: Attempt, member: String, now: Instant) {
        if attempt == self.attempt && matches!(self.state, State::Joining) {
            self.identity.member = member;
            self.join("the coordinator gave a member id", now);
        }
    }

    /// What the leader asked for by [`MemberAction::Describe`].
    pub(crate) fn handle_described(&mut self, attempt: Attempt, topics: TopicRacks, now: Instant) {
        if attempt != self.attempt {
            return;
        }
        let State::Describing { strategy, members, skips_assignment } = &mut self.state else {
            return;
        };
        let (strategy, members) = (strategy.clone(), std::mem::take(members));
        let skips_assignment = *skips_assignment;
        self.described = Some(topics.clone());
        if skips_assignment {
            return self.sync(strategy, Vec::new(), now);
        }
        self.state = State::Deciding(strategy.clone());
        let group = GroupSubscription::new(topics, members);
        self.actions.push_back(MemberAction::Decide { attempt, strategy, group });
    }

    /// What the leader asked for by [`MemberAction::Decide`].
    pub(crate) fn handle_decided(
        &mut self,
        attempt: Attempt,
        outcome: Result<GroupAssignment>,
        now: Instant,
    ) {
        if attempt != self.attempt {
            return;
        }
        let State::Deciding(strategy) = &self.state else { return };
        let strategy = strategy.clone();
        let encoded = outcome.and_then(|decided| {
            let encode =
                |(member, assignment): (_, MemberAssignment)| Ok((member, assignment.encode()?));
            decided.into_iter().map(encode).collect::<Result<Vec<_>>>()
        });
        match encoded {
            Ok(assignments) => self.sync(strategy, assignments, now),
            Err(error) => self.failed(error, now),
        }
    }

    /// The bytes of what the member shall own.
    pub(crate) fn handle_synced(
        &mut self,
        attempt: Attempt,
        outcome: Result<Vec<u8>>,
        now: Instant,
    ) {
        if attempt != self.attempt {
            return;
        }
        let State::Syncing(strategy) = &self.state else { return };
        let strategy = strategy.clone();
        match outcome.and_then(|bytes| MemberAssignment::decode(&bytes)) {
            Ok(assignment) => self.synced(&strategy, assignment, now),
            // The coordinator may hold the member's answer or not: a new round clears it up.
            Err(error) => self.failed(error, now),
        }
    }

    /// The reply to a heartbeat that was sent at `sent`.
    pub(crate) fn handle_heartbeat(
        &mut self,
        attempt: Attempt,
        outcome: Result<()>,
        sent: Instant,
        now: Instant,
    ) {
        if attempt != self.attempt {
            return;
        }
        self.heartbeat_in_flight = false;
        let code = outcome.as_ref().err().and_then(Error::code);
        if outcome.is_ok() || code == Some(ErrorCode::REBALANCE_IN_PROGRESS) {
            // The coordinator has heard of the member either way.
            self.failures = 0;
            self.session_ends = self.session_ends.max(sent + self.settings.session_timeout);
        }
        match outcome {
            Ok(()) => {}
            // The reply on its way says what has become of the generation; if it does not come, the
            // session ends.
            Err(error) if self.awaits_generation() && is_about_generation(&error) => {}
            Err(error) if self.is_membership_error(&error) || !error.is_retriable() => {
                self.handle_error(&error, now)
            }
            Err(_) => {
                self.failures += 1;
                let again = now + self.settings.backoff.after(self.failures, &mut self.random);
                self.next_heartbeat = self.next_heartbeat.min(again);
            }
        }
    }

    /// A commit was refused, perhaps because of the membership under which it was sent.
    pub(crate) fn handle_refused(
        &mut self,
        sent_by: &GroupMemberIdentity,
        error: &Error,
        now: Instant,
    ) {
        let is_of_now = *sent_by == self.identity && self.identity.generation.is_some();
        let is_expected = self.awaits_generation() && is_about_generation(error);
        if is_of_now && !is_expected && self.is_membership_error(error) {
            self.handle_error(error, now);
        }
    }

    /// What the topics of [`Classic::led_topics`] look like now.
    pub(crate) fn handle_topics(&mut self, topics: &TopicRacks, now: Instant) {
        let Some(before) = &self.described else { return };
        let counts = |topics: &TopicRacks| {
            topics.iter().map(|(name, racks)| (name.clone(), racks.len())).collect::<Vec<_>>()
        };
        let racks_changed = self.settings.rack.is_some() && before != topics;
        if matches!(self.state, State::Stable)
            && (counts(before) != counts(topics) || racks_changed)
        {
            self.prepare("the partitions of subscribed topics have changed", now);
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.polled_by().is_some_and(|deadline| now >= deadline) {
            return self.stop_because_not_polled();
        }
        if self.session_by().is_some_and(|deadline| now >= deadline) {
            // Before the coordinator can have given the partitions to another.
            self.lose();
            return self.rejoin("no heartbeat was answered for session.timeout.ms", now);
        }
        match self.state {
            State::Waiting(until) if now >= until => self.join("the last attempt failed", now),
            // The reply may be lost, and with it the group would wait for this member. Where it is
            // not, the coordinator takes this for the same.
            _ if self.answer_by().is_some_and(|late| now >= late) => {
                self.join("no answer came for session.timeout.ms", now);
            }
            _ => {}
        }
        if self.heartbeat_by().is_some_and(|due| now >= due) {
            self.heartbeat_in_flight = true;
            self.next_heartbeat = now + self.settings.heartbeat_interval;
            self.actions.push_back(MemberAction::Heartbeat {
                attempt: self.attempt,
                identity: self.identity.clone(),
            });
        }
    }

    pub(crate) fn poll(&mut self) -> Option<MemberAction> {
        self.actions.pop_front()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let waiting = if let State::Waiting(until) = self.state { Some(until) } else { None };
        [waiting, self.heartbeat_by(), self.session_by(), self.answer_by(), self.polled_by()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Who the member is; commits carry it.
    pub(crate) fn identity(&self) -> &GroupMemberIdentity {
        &self.identity
    }

    /// Who the member is, or was, in the last generation of which it has an assignment: in whose
    /// name a transaction may commit what was read, and no other.
    ///
    /// ```text
    ///  JoinGroup: generation 8 ─▶ the coordinator fails before SyncGroup, and 8 with it
    ///  ─▶ the next one knows 7 ─▶ somebody joins: 8 again, in which another may own our partitions
    /// ```
    /// A generation is written down with its assignment, and only then never given twice; meanwhile
    /// a cooperative member goes on reading.
    pub(crate) fn confirmed(&self) -> &GroupMemberIdentity {
        &self.confirmed
    }

    /// The topics that this member decides on, if it leads the group.
    pub(crate) fn led_topics(&self) -> Option<&TopicRacks> {
        self.described.as_ref().filter(|_| matches!(self.state, State::Stable))
    }

    /// Whether nothing is left to be done for a consumer that is being closed.
    pub(crate) fn is_away(&self) -> bool {
        matches!(self.state, State::Unjoined | State::Stale | State::Failed)
            && self.actions.is_empty()
    }

    /// Whether it waits for the application to ask for records again.
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.state, State::Stale)
    }

    /// Whether it is, or is about to be, a member.
    pub(crate) fn is_member(&self) -> bool {
        !matches!(self.state, State::Unjoined | State::Stale | State::Failed)
    }

    /// Whether it owns what it is assigned, and no rebalance is known of.
    pub(crate) fn is_stable(&self) -> bool {
        matches!(self.state, State::Stable)
    }

    /// Whether the coordinator would take a commit now: between JoinGroup's reply and SyncGroup's
    /// it would not.
    pub(crate) fn can_commit(&self) -> bool {
        self.identity.generation.is_some()
            && !matches!(
                self.state,
                State::Describing { .. } | State::Deciding(_) | State::Syncing(_)
            )
    }
}

/// What a member of the generation before is told while, and after, the group rebalances.
fn is_about_generation(error: &Error) -> bool {
    matches!(error.code(), Some(ErrorCode::REBALANCE_IN_PROGRESS | ErrorCode::ILLEGAL_GENERATION))
}

#[cfg(test)]
mod tests;
