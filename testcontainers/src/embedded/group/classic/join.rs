//! Joining a group.

use std::time::Duration;

use kafka_protocol::ResponseError;
use tokio::sync::oneshot;
use tokio::time::Instant;
use uuid::Uuid;

use super::member::{Answer, JoinResult, Joiner, Member, NotJoined};
use super::{ClassicGroup, Phase};

impl ClassicGroup {
    /// A member joins or joins again; `fresh` makes the id of a new one.
    pub(crate) fn join(
        &mut self,
        joiner: Joiner,
        fresh: Uuid,
        delay: Duration,
        now: Instant,
    ) -> Answer<JoinResult> {
        if !self.can_speak(&joiner) {
            return refuse(&joiner, ResponseError::InconsistentGroupProtocol);
        }
        if joiner.member_id.is_empty() {
            self.join_new(joiner, fresh, delay, now)
        } else {
            self.rejoin(joiner, delay, now)
        }
    }

    fn join_new(
        &mut self,
        joiner: Joiner,
        fresh: Uuid,
        delay: Duration,
        now: Instant,
    ) -> Answer<JoinResult> {
        if let Some(instance) = joiner.instance.clone() {
            let id = format!("{instance}-{fresh}");
            return match self.owner_of(&instance).map(str::to_owned) {
                Some(old) => self.replace(joiner, &old, id, now),
                None => self.add(joiner, id, delay, now),
            };
        }
        let id = format!("{}-{fresh}", joiner.client_id);
        if joiner.knows_ids {
            self.pending.insert(id.clone(), now + joiner.session_timeout);
            return Answer::Now(Err(NotJoined {
                error: ResponseError::MemberIdRequired,
                member_id: id,
            }));
        }
        self.add(joiner, id, delay, now)
    }

    fn rejoin(&mut self, joiner: Joiner, delay: Duration, now: Instant) -> Answer<JoinResult> {
        let id = joiner.member_id.clone();
        if self.pending.remove(&id).is_some() {
            return self.add(joiner, id, delay, now);
        }
        let member = match self.member_mut(&id, joiner.instance.as_deref()) {
            Ok(member) => member,
            Err(error) => return refuse(&joiner, error),
        };
        let is_same = member.protocols == joiner.protocols;
        let leads = self.leader.as_deref() == Some(id.as_str());
        match self.phase {
            Phase::Empty => refuse(&joiner, ResponseError::UnknownMemberId),
            // Its last answer may have been lost.
            Phase::Completing { .. } if is_same => Answer::Now(Ok(self.describe(&id))),
            Phase::Stable if is_same && !leads => Answer::Now(Ok(self.describe(&id))),
            Phase::Preparing { .. } | Phase::Completing { .. } | Phase::Stable => {
                self.await_join(&joiner, &id, now)
            }
        }
    }

    fn add(
        &mut self,
        joiner: Joiner,
        id: String,
        delay: Duration,
        now: Instant,
    ) -> Answer<JoinResult> {
        self.joined_so_far += 1;
        self.protocol_type = Some(joiner.protocol_type.clone());
        let member = Member::new(&joiner, id.clone(), self.joined_so_far, now);
        self.members.insert(id.clone(), member);
        if let Phase::Preparing { someone_came, .. } = &mut self.phase {
            *someone_came = true;
        }
        if self.phase == Phase::Empty {
            let left = joiner.rebalance_timeout.saturating_sub(delay);
            let delay_left = (!delay.is_zero()).then_some(left);
            self.phase = Phase::Preparing { until: now + delay, delay_left, someone_came: false };
        }
        self.await_join(&joiner, &id, now)
    }

    /// The member waits for the next generation, which starts if nothing hinders it.
    fn await_join(&mut self, joiner: &Joiner, id: &str, now: Instant) -> Answer<JoinResult> {
        let (waiter, waiting) = oneshot::channel();
        if let Some(member) = self.members.get_mut(id) {
            member.update(joiner);
            member.heard(now);
            // An older join of the same member is on a connection that it has left.
            member.answer_join(Err(NotJoined {
                error: ResponseError::RebalanceInProgress,
                member_id: id.to_owned(),
            }));
            member.joining = Some(waiter);
        }
        match self.phase {
            Phase::Preparing { .. } => self.maybe_complete_join(now),
            Phase::Empty | Phase::Completing { .. } | Phase::Stable => self.prepare(now),
        }
        Answer::Later(waiting)
    }

    /// A static member came back under a new id: it takes the place of the old one.
    fn replace(
        &mut self,
        joiner: Joiner,
        old: &str,
        id: String,
        now: Instant,
    ) -> Answer<JoinResult> {
        let Some(mut member) = self.members.remove(old) else {
            return refuse(&joiner, ResponseError::UnknownMemberId);
        };
        let fenced = ResponseError::FencedInstanceId;
        member.answer_join(Err(NotJoined { error: fenced, member_id: old.to_owned() }));
        member.answer_sync(Err(fenced));
        member.id.clone_from(&id);
        member.update(&joiner);
        member.heard(now);
        self.members.insert(id.clone(), member);
        let led = self.leader.as_deref() == Some(old);
        if led {
            self.leader = Some(id.clone());
        }
        if self.phase != Phase::Stable || self.select_protocol() != self.protocol {
            return self.await_join(&joiner, &id, now);
        }
        // Same protocol, so the assignment stands (KIP-345); the leader must not assign anew
        // (KIP-814).
        self.persist();
        let mut joined = self.describe(&id);
        if led && joiner.can_skip {
            joined.skip_assignment = true;
        } else if led {
            joined.leader = old.to_owned();
            joined.members.clear();
        }
        Answer::Now(Ok(joined))
    }

    fn can_speak(&self, joiner: &Joiner) -> bool {
        if joiner.protocol_type.is_empty() || joiner.protocols.is_empty() {
            return false;
        }
        let mut others = self.members.values().filter(|one| one.id != joiner.member_id).peekable();
        if others.peek().is_none() {
            return true;
        }
        if self.protocol_type.as_deref().is_some_and(|kind| kind != joiner.protocol_type) {
            return false;
        }
        let others: Vec<&Member> = others.collect();
        joiner.protocols.iter().any(|(name, _)| others.iter().all(|one| one.supports(name)))
    }
}

fn refuse(joiner: &Joiner, error: ResponseError) -> Answer<JoinResult> {
    Answer::Now(Err(NotJoined { error, member_id: joiner.member_id.clone() }))
}
