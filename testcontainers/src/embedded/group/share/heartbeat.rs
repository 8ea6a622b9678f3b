//! A heartbeat of a member of a share group: who it is, what it wants, what it is to have.

use std::collections::BTreeSet;
use std::time::Duration;

use kafka_protocol::ResponseError;

use super::assignor::assign;
use super::{ShareGroup, ShareMember};
use crate::embedded::group::consumer::Context;
use crate::embedded::group::consumer::member::Partitions;
use crate::embedded::group::consumer::request::{JOIN, LEAVE};

/// The most characters of a member id.
const LONGEST_ID: usize = 36;

/// A heartbeat; `None` is what the member has said before.
#[derive(Clone, Debug)]
pub(crate) struct ShareBeat {
    pub(crate) member_id: String,
    pub(crate) epoch: i32,
    pub(crate) rack: Option<String>,
    pub(crate) names: Option<Vec<String>>,
    pub(crate) client_id: String,
}

/// What a member is told.
#[derive(Clone, Debug)]
pub(crate) struct ShareBeaten {
    pub(crate) member_id: String,
    pub(crate) epoch: i32,
    pub(crate) interval: Duration,
    /// All that it is to have, when that has changed or it says all.
    pub(crate) assignment: Option<Partitions>,
}

/// Whether a member may be called so.
pub(crate) fn is_member_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= LONGEST_ID
}

impl ShareBeat {
    /// What is refused unseen: Kafka's `throwIfShareGroupHeartbeatRequestIsInvalid`.
    pub(crate) fn check(&self, group: &str) -> Result<(), ResponseError> {
        let is_blank = |text: &str| text.trim().is_empty();
        let joins_nothing = self.names.as_ref().is_none_or(Vec::is_empty);
        let is_bad = !is_member_id(&self.member_id)
            || is_blank(&self.member_id)
            || is_blank(group)
            || self.rack.as_deref().is_some_and(is_blank)
            || self.epoch == JOIN && joins_nothing
            || self.epoch < LEAVE;
        if is_bad { Err(ResponseError::InvalidRequest) } else { Ok(()) }
    }
}

impl ShareGroup {
    /// The group after a heartbeat, the reply to it, and the partitions whose state is to begin.
    pub(crate) fn beat(
        &self,
        beat: &ShareBeat,
        cx: Context<'_>,
    ) -> Result<(Self, ShareBeaten, Partitions), ResponseError> {
        let known = self.members.get(&beat.member_id);
        if self.members.len() >= cx.share.max_size && known.is_none() {
            return Err(ResponseError::GroupMaxSizeReached);
        }
        let old = self.find(beat, cx)?;
        let mut member = old.clone();
        member.update(beat);
        let mut next = self.clone();
        next.members.insert(member.id.clone(), member.clone());
        let mut bumps =
            member.names != old.names || self.target_epoch >= self.epoch && self.has_unassigned(cx);
        if bumps || self.is_stale {
            let topics = next.metadata(cx);
            bumps |= topics != self.topics;
            if bumps {
                next.epoch += 1;
                next.topics = topics;
            }
            next.is_stale = false;
        }
        next.maybe_assign(cx);
        next.reconcile(&mut member, bumps, cx);
        member.alive_until = cx.now + cx.configs.share_session_timeout(&self.name, cx.share);
        let is_told = beat.epoch == JOIN || beat.names.is_some() || member.assigned != old.assigned;
        let beaten = ShareBeaten {
            member_id: member.id.clone(),
            epoch: member.epoch,
            interval: cx.configs.share_heartbeat_interval(&self.name, cx.share),
            assignment: is_told.then(|| member.assigned.clone()),
        };
        next.members.insert(member.id.clone(), member);
        let begins = next.uninitialized(cx);
        Ok((next, beaten, begins))
    }

    /// A member goes.
    pub(crate) fn leave(
        &mut self,
        beat: &ShareBeat,
        cx: Context<'_>,
    ) -> Result<ShareBeaten, ResponseError> {
        if !self.members.contains_key(&beat.member_id) {
            return Err(ResponseError::UnknownMemberId);
        }
        self.fence(&beat.member_id, cx);
        let (member_id, epoch) = (beat.member_id.clone(), beat.epoch);
        Ok(ShareBeaten { member_id, epoch, interval: Duration::ZERO, assignment: None })
    }

    fn find(&self, beat: &ShareBeat, cx: Context<'_>) -> Result<ShareMember, ResponseError> {
        let joins = beat.epoch == JOIN;
        match self.members.get(&beat.member_id) {
            None if joins => Ok(ShareMember::new(beat.member_id.clone(), cx.now)),
            None => Err(ResponseError::UnknownMemberId),
            // The reply with the newest epoch may have been lost.
            Some(member)
                if joins
                    || beat.epoch == member.epoch
                    || beat.epoch < member.epoch && beat.epoch == member.previous_epoch =>
            {
                Ok(member.clone())
            }
            Some(_) => Err(ResponseError::FencedMemberEpoch),
        }
    }

    /// Partitions whose state has begun, of topics that members want, are not assigned as they are.
    fn has_unassigned(&self, cx: Context<'_>) -> bool {
        let names = self.members.values().flat_map(|member| &member.names);
        let ids: BTreeSet<_> =
            names.filter_map(|name| cx.topics.get(name)).map(|topic| topic.id).collect();
        let assigned = |topic| {
            let of = self.targets.values().filter_map(|target| target.get(topic));
            of.flatten().copied().collect::<BTreeSet<i32>>()
        };
        let mut begun = self.initialized.iter().filter(|(topic, _)| ids.contains(topic));
        begun.any(|(topic, of)| assigned(topic) != *of)
    }

    /// Computes new targets if the group epoch has gone beyond them, but not too often.
    fn maybe_assign(&mut self, cx: Context<'_>) {
        let interval = cx.configs.share_assignment_interval(&self.name, cx.share);
        let is_early = self.assigned_at.is_some_and(|last| cx.now < last + interval);
        if self.target_epoch >= self.epoch || is_early {
            return;
        }
        let ids = |member: &ShareMember| -> BTreeSet<_> {
            let topics = member.names.iter().filter_map(|name| cx.topics.get(name));
            topics.map(|topic| topic.id).collect()
        };
        let members = self.members.values().map(|member| (member.id.clone(), ids(member)));
        self.targets = assign(&members.collect(), &self.targets, &self.initialized);
        self.target_epoch = self.epoch;
        self.assigned_at = Some(cx.now);
    }

    /// Gives the member its target, of the topics that it wants.
    fn reconcile(&self, member: &mut ShareMember, bumps: bool, cx: Context<'_>) {
        let is_behind = member.epoch != self.target_epoch;
        if !is_behind && !bumps {
            return;
        }
        let target = self.targets.get(&member.id).cloned().unwrap_or_default();
        let wants = |topic| {
            member.names.iter().filter_map(|name| cx.topics.get(name)).any(|one| one.id == topic)
        };
        let assigned = target.into_iter().filter(|(topic, of)| !of.is_empty() && wants(*topic));
        member.assigned = assigned.collect();
        if is_behind {
            member.previous_epoch = member.epoch;
            member.epoch = self.target_epoch;
        }
    }

    /// Partitions of the topics that members want whose state has not begun.
    fn uninitialized(&self, cx: Context<'_>) -> Partitions {
        let mut begins = Partitions::new();
        for (id, count) in self.metadata(cx).into_values() {
            let all = 0..i32::try_from(count).unwrap_or(i32::MAX);
            let known = self.initialized.get(&id);
            let new: BTreeSet<i32> =
                all.filter(|one| known.is_none_or(|known| !known.contains(one))).collect();
            if !new.is_empty() {
                begins.insert(id, new);
            }
        }
        begins
    }
}

impl ShareMember {
    fn new(id: String, now: tokio::time::Instant) -> Self {
        Self {
            id,
            rack: None,
            client_id: String::new(),
            names: BTreeSet::new(),
            epoch: 0,
            previous_epoch: -1,
            assigned: Partitions::new(),
            alive_until: now,
        }
    }

    /// Takes what the request says; what it leaves out stays.
    fn update(&mut self, beat: &ShareBeat) {
        if beat.rack.is_some() {
            self.rack.clone_from(&beat.rack);
        }
        if let Some(names) = &beat.names {
            self.names = names.iter().cloned().collect();
        }
        self.client_id.clone_from(&beat.client_id);
    }
}
