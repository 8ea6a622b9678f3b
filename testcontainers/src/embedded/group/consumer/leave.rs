//! Leaving, and being fenced: by a session or a rebalance that lasts too long.

use std::time::Duration;

use kafka_protocol::ResponseError;
use tokio::time::Instant;

use super::heartbeat::Beaten;
use super::member::Owned;
use super::request::{Beat, LEAVE_FOR_NOW};
use super::{ConsumerGroup, Context};

impl ConsumerGroup {
    /// A member goes.
    pub(crate) fn leave(&mut self, beat: &Beat, cx: Context<'_>) -> Result<Beaten, ResponseError> {
        let unknown = ResponseError::UnknownMemberId;
        let member = match &beat.instance {
            None => self.members.get(&beat.member_id).ok_or(unknown)?,
            Some(instance) => {
                let owner = self.owner_of(instance).ok_or(unknown)?;
                if owner.id != beat.member_id {
                    return Err(ResponseError::FencedInstanceId);
                }
                owner
            }
        };
        let id = member.id.clone();
        if beat.instance.is_some() && beat.epoch == LEAVE_FOR_NOW {
            self.leave_for_now(&id);
        } else {
            self.fence(&id, cx);
        }
        let interval = Duration::ZERO;
        Ok(Beaten { member_id: id, epoch: beat.epoch, interval, assignment: None })
    }

    /// A static member will be back: it keeps what it has until its session ends.
    fn leave_for_now(&mut self, id: &str) {
        let Some(member) = self.members.get_mut(id) else { return };
        member.epoch = LEAVE_FOR_NOW;
        member.revoking = Owned::new();
        member.assigned.values_mut().flat_map(|of| of.values_mut()).for_each(|epoch| *epoch = 0);
    }

    /// A member is no more, and what it had is free.
    pub(crate) fn fence(&mut self, id: &str, cx: Context<'_>) {
        if self.members.remove(id).is_none() {
            return;
        }
        self.targets.remove(id);
        let used = self.regexes();
        self.resolved.retain(|regex, _| used.contains(regex));
        self.look_at_topics(true, cx);
    }

    /// Fences who is silent, or does not give up what it is to.
    pub(crate) fn tick(&mut self, cx: Context<'_>) {
        let is_late = |until: Option<(Instant, i32)>, epoch: i32| {
            until.is_some_and(|(until, at)| until <= cx.now && at == epoch)
        };
        let late = self
            .members
            .values()
            .filter(|one| one.alive_until <= cx.now || is_late(one.revoke_until, one.epoch));
        let late: Vec<String> = late.map(|member| member.id.clone()).collect();
        for id in late {
            tracing::debug!(member = %id, "session or rebalance timed out");
            self.fence(&id, cx);
        }
        // A member that has gone on to another epoch is not late any more.
        for member in self.members.values_mut() {
            member.revoke_until = member.revoke_until.filter(|(until, _)| *until > cx.now);
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let revoked = self.members.values().filter_map(|member| member.revoke_until);
        let sessions = self.members.values().map(|member| member.alive_until);
        sessions.chain(revoked.map(|(until, _)| until)).min()
    }
}
