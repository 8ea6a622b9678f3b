//! Syncing, heartbeats, leaving, and who may commit.

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::member::{Answer, SyncResult};
use super::{ClassicGroup, Phase};
use crate::embedded::group::Claim;

impl ClassicGroup {
    /// A member wants its assignment; the leader brings everybody's.
    pub(crate) fn sync(
        &mut self,
        claim: Claim<'_>,
        protocol: (Option<&str>, Option<&str>),
        assignments: &BTreeMap<String, Bytes>,
        now: Instant,
    ) -> Answer<SyncResult> {
        match self.check_sync(claim, protocol, now) {
            Ok(Some(assignment)) => Answer::Now(Ok(assignment)),
            Err(error) => Answer::Now(Err(error)),
            Ok(None) => self.await_sync(claim, assignments, now),
        }
    }

    /// A sign of life; the error tells the member what to do.
    pub(crate) fn heartbeat(
        &mut self,
        claim: Claim<'_>,
        now: Instant,
    ) -> Result<(), ResponseError> {
        self.heard(claim, now)?;
        match self.phase {
            Phase::Empty => Err(ResponseError::UnknownMemberId),
            Phase::Preparing { .. } => Err(ResponseError::RebalanceInProgress),
            Phase::Completing { .. } | Phase::Stable => Ok(()),
        }
    }

    /// A member goes; a static one may be named by its instance alone.
    pub(crate) fn leave(
        &mut self,
        member_id: &str,
        instance: Option<&str>,
        now: Instant,
    ) -> Result<(), ResponseError> {
        if instance.is_none() && self.pending.remove(member_id).is_some() {
            self.maybe_complete_join(now);
            return Ok(());
        }
        let id = match instance {
            Some(instance) if member_id.is_empty() => {
                self.owner_of(instance).unwrap_or_default().to_owned()
            }
            _ => member_id.to_owned(),
        };
        self.member_mut(&id, instance)?;
        self.remove(&id, now);
        Ok(())
    }

    /// Whether offsets may be committed in this name.
    pub(crate) fn check_commit(
        &mut self,
        claim: Claim<'_>,
        transactional: bool,
        now: Instant,
    ) -> Result<(), ResponseError> {
        if claim.generation < 0 && self.phase == Phase::Empty {
            return Ok(());
        }
        if claim.generation >= 0 || !claim.member_id.is_empty() || claim.instance.is_some() {
            self.heard(claim, now)?;
        } else if !transactional {
            // Somebody who is no member commits to a group that has some.
            return Err(ResponseError::UnknownMemberId);
        }
        match self.phase {
            Phase::Completing { .. } if !transactional => Err(ResponseError::RebalanceInProgress),
            _ => Ok(()),
        }
    }

    fn check_sync(
        &mut self,
        claim: Claim<'_>,
        (kind, name): (Option<&str>, Option<&str>),
        now: Instant,
    ) -> Result<Option<Bytes>, ResponseError> {
        self.heard(claim, now)?;
        let differs =
            |said: Option<&str>, is: Option<&str>| said.is_some() && is.is_some() && said != is;
        if differs(kind, self.protocol_type.as_deref()) || differs(name, self.protocol.as_deref()) {
            return Err(ResponseError::InconsistentGroupProtocol);
        }
        match self.phase {
            Phase::Empty => Err(ResponseError::UnknownMemberId),
            Phase::Preparing { .. } => Err(ResponseError::RebalanceInProgress),
            Phase::Completing { .. } => Ok(None),
            Phase::Stable => {
                Ok(self.members.get(claim.member_id).map(|member| member.assignment.clone()))
            }
        }
    }

    fn await_sync(
        &mut self,
        claim: Claim<'_>,
        assignments: &BTreeMap<String, Bytes>,
        now: Instant,
    ) -> Answer<SyncResult> {
        let (waiter, waiting) = oneshot::channel();
        if let Some(member) = self.members.get_mut(claim.member_id) {
            member.answer_sync(Err(ResponseError::RebalanceInProgress));
            member.syncing = Some(waiter);
        }
        if self.leader.as_deref() == Some(claim.member_id) {
            for member in self.members.values_mut() {
                member.assignment = assignments.get(&member.id).cloned().unwrap_or_default();
                member.heard(now);
                let assignment = member.assignment.clone();
                member.answer_sync(Ok(assignment));
            }
            self.phase = Phase::Stable;
            self.persist();
        }
        Answer::Later(waiting)
    }

    /// The member is who it says, in this generation, and alive.
    fn heard(&mut self, claim: Claim<'_>, now: Instant) -> Result<(), ResponseError> {
        let current = self.generation;
        let member = self.member_mut(claim.member_id, claim.instance)?;
        if claim.generation != current {
            return Err(ResponseError::IllegalGeneration);
        }
        member.heard(now);
        Ok(())
    }
}
