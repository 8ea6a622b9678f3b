//! The coordinator of a classic group, after Kafka's `GroupMetadataManager`.
//!
//! ```text
//!            first join                all joined, or time is up              leader's sync
//!   Empty ───────────────▶ Preparing ───────────────────────────▶ Completing ───────────────▶ Stable
//!     ▲                      ▲   ▲                                    │                          │
//!     │ nobody left          │   └──── join, leave, death, no sync ───┘                          │
//!     └──────────────────────┘ ◀──────── join, leave, death, leader or subscription changed ────┘
//! ```
//!
//! Members that wait for an answer are oneshot channels; time is an argument, and
//! [`ClassicGroup::deadline`] says when [`ClassicGroup::tick`] is due.

mod convert;
mod join;
pub(crate) mod member;
pub(crate) mod serve;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use tokio::time::Instant;

use member::{Joined, Member, NotJoined};

/// The members of a classic group and what they agree on.
#[derive(Debug, Default)]
pub(crate) struct ClassicGroup {
    phase: Phase,
    generation: i32,
    protocol_type: Option<String>,
    protocol: Option<String>,
    leader: Option<String>,
    members: BTreeMap<String, Member>,
    /// Ids that were given but not used yet, until when.
    pending: BTreeMap<String, Instant>,
    joined_so_far: u64,
    /// What a new coordinator would read from the log.
    persisted: Option<Persisted>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    #[default]
    Empty,
    /// Members join until all have, or until then.
    Preparing {
        until: Instant,
        /// The first generation waits on purpose, that others may come: this much more at most.
        delay_left: Option<Duration>,
        someone_came: bool,
    },
    /// The leader assigns; who has not synced by then is dropped.
    Completing {
        until: Instant,
    },
    Stable,
}

#[derive(Debug)]
struct Persisted {
    generation: i32,
    protocol_type: Option<String>,
    protocol: Option<String>,
    leader: Option<String>,
    members: Vec<Member>,
}

impl ClassicGroup {
    /// Does what is due: expired ids, dead members, ended phases.
    pub(crate) fn tick(&mut self, now: Instant) {
        self.pending.retain(|_, until| *until > now);
        let dead: Vec<String> = self
            .members
            .values()
            .filter(|one| !one.is_waiting() && one.alive_until <= now)
            .map(|one| one.id.clone())
            .collect();
        for id in dead {
            tracing::debug!(member = %id, "session timed out");
            self.remove(&id, now);
        }
        match self.phase {
            Phase::Preparing { until, delay_left: Some(left), someone_came } if until <= now => {
                if someone_came && !left.is_zero() {
                    let step = left.min(Duration::from_secs(3));
                    self.phase = Phase::Preparing {
                        until: now + step,
                        delay_left: Some(left - step),
                        someone_came: false,
                    };
                } else {
                    self.complete_join(now);
                }
            }
            Phase::Preparing { until, .. } if until <= now => self.complete_join(now),
            Phase::Preparing { .. } => self.maybe_complete_join(now),
            Phase::Completing { until } if until <= now => {
                let silent: Vec<String> = self
                    .members
                    .values()
                    .filter(|one| one.syncing.is_none())
                    .map(|one| one.id.clone())
                    .collect();
                for id in silent {
                    self.remove(&id, now);
                }
            }
            _ => {}
        }
    }

    /// When [`ClassicGroup::tick`] is due next.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let phase = match self.phase {
            Phase::Preparing { until, .. } | Phase::Completing { until } => Some(until),
            Phase::Empty | Phase::Stable => None,
        };
        let sessions =
            self.members.values().filter(|one| !one.is_waiting()).map(|one| one.alive_until);
        sessions.chain(self.pending.values().copied()).chain(phase).min()
    }

    /// The coordinator moves: waiters are told, and the new one has what the log had.
    pub(crate) fn unload(&mut self, now: Instant) {
        let error = ResponseError::NotCoordinator;
        for member in self.members.values_mut() {
            member.answer_join(Err(NotJoined { error, member_id: member.id.clone() }));
            member.answer_sync(Err(error));
        }
        self.pending.clear();
        self.members.clear();
        let Some(persisted) = &self.persisted else {
            self.phase = Phase::Empty;
            return;
        };
        self.generation = persisted.generation;
        self.protocol_type.clone_from(&persisted.protocol_type);
        self.protocol.clone_from(&persisted.protocol);
        self.leader.clone_from(&persisted.leader);
        self.members = persisted
            .members
            .iter()
            .map(|member| (member.id.clone(), member.persisted()))
            .collect();
        self.members.values_mut().for_each(|member| member.heard(now));
        self.phase = if self.members.is_empty() { Phase::Empty } else { Phase::Stable };
    }

    pub(crate) fn state_name(&self) -> &'static str {
        match self.phase {
            Phase::Empty => "Empty",
            Phase::Preparing { .. } => "PreparingRebalance",
            Phase::Completing { .. } => "CompletingRebalance",
            Phase::Stable => "Stable",
        }
    }

    pub(crate) fn protocol_type(&self) -> &str {
        self.protocol_type.as_deref().unwrap_or_default()
    }

    pub(crate) fn protocol(&self) -> &str {
        self.protocol.as_deref().unwrap_or_default()
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Drops a member and rebalances the others.
    fn remove(&mut self, id: &str, now: Instant) {
        let Some(mut member) = self.members.remove(id) else { return };
        member.answer_join(Err(NotJoined {
            error: ResponseError::UnknownMemberId,
            member_id: id.to_owned(),
        }));
        member.answer_sync(Err(ResponseError::UnknownMemberId));
        if self.leader.as_deref() == Some(id) {
            self.leader = None;
        }
        match self.phase {
            Phase::Stable | Phase::Completing { .. } => self.prepare(now),
            Phase::Preparing { .. } => self.maybe_complete_join(now),
            Phase::Empty => {}
        }
    }

    /// Starts a rebalance.
    fn prepare(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Completing { .. }) {
            for member in self.members.values_mut() {
                member.assignment = Bytes::new();
                if member.syncing.is_some() {
                    member.heard(now);
                    member.answer_sync(Err(ResponseError::RebalanceInProgress));
                }
            }
        }
        let timeout =
            self.members.values().map(|one| one.rebalance_timeout).max().unwrap_or_default();
        self.phase =
            Phase::Preparing { until: now + timeout, delay_left: None, someone_came: false };
        self.maybe_complete_join(now);
    }

    fn maybe_complete_join(&mut self, now: Instant) {
        let Phase::Preparing { delay_left: None, .. } = self.phase else { return };
        if self.pending.is_empty() && self.members.values().all(|one| one.joining.is_some()) {
            self.complete_join(now);
        }
    }

    /// Begins the next generation with who has joined.
    fn complete_join(&mut self, now: Instant) {
        // Static members keep their place until their session ends (KIP-345).
        self.members.retain(|_, one| one.joining.is_some() || one.instance.is_some());
        if self.members.is_empty() {
            self.become_empty();
            return;
        }
        let oldest =
            self.members.values().filter(|one| one.joining.is_some()).min_by_key(|one| one.number);
        let Some(oldest) = oldest.map(|one| one.id.clone()) else {
            // Only static members that are away: wait another round for them.
            let timeout =
                self.members.values().map(|one| one.rebalance_timeout).max().unwrap_or_default();
            self.phase =
                Phase::Preparing { until: now + timeout, delay_left: None, someone_came: false };
            return;
        };
        let leads = |id: &String| self.members.get(id).is_some_and(|one| one.joining.is_some());
        if !self.leader.as_ref().is_some_and(leads) {
            self.leader = Some(oldest);
        }
        self.generation += 1;
        self.protocol = self.select_protocol();
        let timeout =
            self.members.values().map(|one| one.rebalance_timeout).max().unwrap_or_default();
        self.phase = Phase::Completing { until: now + timeout };
        let ids: Vec<String> = self.members.keys().cloned().collect();
        for id in ids {
            let told = self.describe(&id);
            if let Some(member) = self.members.get_mut(&id) {
                member.heard(now);
                member.answer_join(Ok(told));
            }
        }
    }

    fn become_empty(&mut self) {
        self.generation += 1;
        self.protocol = None;
        self.leader = None;
        self.phase = Phase::Empty;
        self.persist();
    }

    /// Writes down what survives a move of the coordinator.
    fn persist(&mut self) {
        self.persisted = Some(Persisted {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            members: self.members.values().map(Member::persisted).collect(),
        });
    }

    /// What the current generation is to a member.
    fn describe(&self, id: &str) -> Joined {
        let protocol = self.protocol();
        let leads = self.leader.as_deref() == Some(id);
        let members = self.members.values().filter(|_| leads);
        Joined {
            member_id: id.to_owned(),
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone().unwrap_or_default(),
            skip_assignment: false,
            members: members
                .map(|one| (one.id.clone(), one.instance.clone(), one.metadata(protocol)))
                .collect(),
        }
    }

    /// The protocol that all support and most prefer; the first by name where votes are equal.
    fn select_protocol(&self) -> Option<String> {
        let is_common = |name: &str| self.members.values().all(|member| member.supports(name));
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for member in self.members.values() {
            let choice =
                member.protocols.iter().map(|(name, _)| name.as_str()).find(|name| is_common(name));
            *votes.entry(choice?).or_default() += 1;
        }
        let most = votes.values().copied().max()?;
        votes.iter().find(|(_, count)| **count == most).map(|(name, _)| (*name).to_owned())
    }

    /// Finds a member, and that its instance is still its own.
    fn member_mut(
        &mut self,
        id: &str,
        instance: Option<&str>,
    ) -> Result<&mut Member, ResponseError> {
        if let Some(instance) = instance {
            let owner = self.owner_of(instance).ok_or(ResponseError::UnknownMemberId)?;
            if owner != id {
                return Err(ResponseError::FencedInstanceId);
            }
        }
        self.members.get_mut(id).ok_or(ResponseError::UnknownMemberId)
    }

    /// The member that a static instance is now.
    fn owner_of(&self, instance: &str) -> Option<&str> {
        let owner = self.members.values().find(|one| one.instance.as_deref() == Some(instance));
        owner.map(|member| member.id.as_str())
    }
}
