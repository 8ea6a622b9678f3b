//! SyncGroup, Heartbeat and LeaveGroup of classic members in a consumer group.

use bytes::Bytes;
use kafka_protocol::ResponseError;

use super::ByClassic;
use super::embedded::write_assignment;
use crate::embedded::group::Claim;
use crate::embedded::group::consumer::member::{ConsumerMember, MemberState, epoch_of};
use crate::embedded::group::consumer::{ConsumerGroup, Context};

impl ConsumerGroup {
    /// A classic member fetches its assignment.
    pub(crate) fn sync(
        &mut self,
        claim: Claim<'_>,
        (kind, name): (Option<&str>, Option<&str>),
        cx: Context<'_>,
    ) -> Result<Bytes, ResponseError> {
        let id = self.claimed(claim)?;
        let differs = |said: Option<&str>, is: &str| said.is_some_and(|said| said != is);
        let (member, by) = self.classic_member(&id)?;
        if differs(kind, "consumer") || differs(name, by.first().0) {
            return Err(ResponseError::InconsistentGroupProtocol);
        }
        // One that has something to give up has joined already, and does so first.
        if self.target_epoch > member.epoch && member.state != MemberState::UnrevokedPartitions {
            self.ask_to_join(&id, cx);
            return Err(ResponseError::RebalanceInProgress);
        }
        let assigned = member.assigned.iter();
        let assigned = assigned.map(|(topic, of)| (*topic, of.keys().copied().collect())).collect();
        let assignment = write_assignment(&assigned, &by.first().1, cx);
        self.heard(&id, cx);
        if let Some(by) = self.members.get_mut(&id).and_then(|member| member.classic.as_mut()) {
            by.sync_until = None;
        }
        Ok(assignment)
    }

    /// A sign of life of a classic member, which hears whether it is to join again.
    pub(crate) fn heartbeat(
        &mut self,
        claim: Claim<'_>,
        cx: Context<'_>,
    ) -> Result<(), ResponseError> {
        let id = self.claimed(claim)?;
        self.heard(&id, cx);
        let (member, _) = self.classic_member(&id)?;
        let is_behind = member.epoch < self.target_epoch;
        let may_get = member.state == MemberState::UnreleasedPartitions && !self.waits(member);
        if is_behind || member.state == MemberState::UnrevokedPartitions || may_get {
            self.ask_to_join(&id, cx);
            return Err(ResponseError::RebalanceInProgress);
        }
        Ok(())
    }

    /// The member that a LeaveGroup is for, which may be of either protocol.
    pub(crate) fn leaving(
        &self,
        member_id: &str,
        instance: Option<&str>,
    ) -> Result<String, ResponseError> {
        let unknown = ResponseError::UnknownMemberId;
        let Some(instance) = instance else {
            return self.members.get(member_id).map(|member| member.id.clone()).ok_or(unknown);
        };
        let owner = self.owner_of(instance).ok_or(unknown)?;
        if member_id.is_empty() || owner.id == member_id {
            Ok(owner.id.clone())
        } else {
            Err(ResponseError::FencedInstanceId)
        }
    }

    /// The classic member that a request names, in its generation.
    fn claimed(&self, claim: Claim<'_>) -> Result<String, ResponseError> {
        let id = match claim.instance {
            None => claim.member_id,
            Some(instance) => {
                let owner = self.owner_of(instance).ok_or(ResponseError::UnknownMemberId)?;
                if owner.id != claim.member_id {
                    return Err(ResponseError::FencedInstanceId);
                }
                &owner.id
            }
        };
        let (member, _) = self.classic_member(id)?;
        if member.epoch == claim.generation {
            Ok(id.to_owned())
        } else {
            Err(ResponseError::IllegalGeneration)
        }
    }

    fn classic_member(&self, id: &str) -> Result<(&ConsumerMember, &ByClassic), ResponseError> {
        let member = self.members.get(id);
        let found = member.and_then(|member| Some((member, member.classic.as_ref()?)));
        found.ok_or(ResponseError::UnknownMemberId)
    }

    fn heard(&mut self, id: &str, cx: Context<'_>) {
        let Some(member) = self.members.get_mut(id) else { return };
        let session = member.classic.as_ref().map(|by| by.session_timeout);
        member.alive_until = cx.now + session.unwrap_or(cx.settings.session_timeout);
    }

    /// It has as long as a rebalance may take, from when it was told first.
    fn ask_to_join(&mut self, id: &str, cx: Context<'_>) {
        let Some(member) = self.members.get_mut(id) else { return };
        let until = cx.now + member.rebalance_timeout;
        if let Some(by) = &mut member.classic {
            by.join_until.get_or_insert(until);
        }
    }

    /// Something that the member is to have is still with others.
    fn waits(&self, member: &ConsumerMember) -> bool {
        let target = self.targets.get(&member.id);
        let target = target.into_iter().flatten();
        let mut missing = target.flat_map(|(topic, of)| of.iter().map(move |one| (topic, *one)));
        missing.any(|(topic, one)| {
            epoch_of(&member.assigned, topic, one).is_none()
                && self.members.values().any(|other| other.holds(topic, one))
        })
    }
}
