//! Leaving, and being fenced: by a session or a rebalance that lasts too long.

use std::time::Duration;

use kafka_protocol::ResponseError;
use tokio::time::Instant;

use super::heartbeat::Beaten;
use super::member::{ConsumerMember, Owned};
use super::mixed::ByClassic;
use super::request::{Beat, LEAVE_FOR_NOW};
use super::{ConsumerGroup, Context};

impl ConsumerGroup {
    /// A member goes: for now, or for good, when its id is given and it is to be fenced.
    pub(crate) fn leave(&mut self, beat: &Beat) -> Result<(Beaten, Option<String>), ResponseError> {
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
        let for_now = beat.instance.is_some() && beat.epoch == LEAVE_FOR_NOW;
        if for_now {
            self.leave_for_now(&id);
        }
        let gone = (!for_now).then(|| id.clone());
        let (epoch, interval) = (beat.epoch, Duration::ZERO);
        Ok((Beaten { member_id: id, epoch, interval, assignment: None }, gone))
    }

    /// A static member will be back: it keeps what it has until its session ends.
    fn leave_for_now(&mut self, id: &str) {
        let Some(member) = self.members.get_mut(id) else { return };
        member.epoch = LEAVE_FOR_NOW;
        member.revoking = Owned::new();
        member.assigned.values_mut().flat_map(|of| of.values_mut()).for_each(|epoch| *epoch = 0);
    }

    /// Members are no more, and what they had is free.
    pub(crate) fn fence(&mut self, gone: &[String], cx: Context<'_>) {
        if gone.is_empty() {
            return;
        }
        for id in gone {
            self.members.remove(id);
            self.targets.remove(id);
        }
        self.is_homogeneous = self.subscribe_to_the_same();
        let used = self.regexes();
        self.resolved.retain(|regex, _| used.contains(regex));
        self.look_at_topics(true, cx);
    }

    /// Who is silent, or does not do in time what it is to: give up, join or sync.
    pub(crate) fn late(&mut self, now: Instant) -> Vec<String> {
        let is_late = |member: &ConsumerMember| {
            let revokes = member.revoke_until;
            member.alive_until <= now
                || revokes.is_some_and(|(until, at)| until <= now && at == member.epoch)
                || member.classic.iter().flat_map(ByClassic::deadlines).any(|until| until <= now)
        };
        let late = self.members.values().filter(|member| is_late(member));
        let late = late.map(|member| member.id.clone()).collect();
        // One that has gone on to another epoch is not late any more.
        for member in self.members.values_mut() {
            member.revoke_until = member.revoke_until.filter(|(until, _)| *until > now);
        }
        late
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let revoked = self.members.values().filter_map(|member| member.revoke_until);
        let sessions = self.members.values().map(|member| member.alive_until);
        let classic = self.members.values().filter_map(|member| member.classic.as_ref());
        sessions
            .chain(revoked.map(|(until, _)| until))
            .chain(classic.flat_map(ByClassic::deadlines))
            .min()
    }
}
