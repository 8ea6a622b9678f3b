//! A heartbeat of a member: who it is, what it wants, what it is to have.

use std::time::Duration;

use kafka_protocol::ResponseError;

use super::member::{ConsumerMember, Owned, Partitions};
use super::regex::RegexChange;
use super::request::{Beat, JOIN, LEAVE_FOR_NOW};
use super::{ConsumerGroup, Context};

/// What a member is told.
#[derive(Clone, Debug)]
pub(crate) struct Beaten {
    pub(crate) member_id: String,
    pub(crate) epoch: i32,
    pub(crate) interval: Duration,
    /// All that it is to have, when that has changed or it asks for all.
    pub(crate) assignment: Option<Owned>,
}

impl ConsumerGroup {
    /// The group after a heartbeat, and the reply to it. `fresh` is for members without an id.
    pub(crate) fn beat(
        &self,
        beat: &Beat,
        fresh: String,
        cx: Context<'_>,
    ) -> Result<(Self, Beaten), ResponseError> {
        let id = Some(&beat.member_id).filter(|id| !id.is_empty()).cloned().unwrap_or(fresh);
        if self.members.len() >= cx.settings.max_size && !self.members.contains_key(&beat.member_id)
        {
            return Err(ResponseError::GroupMaxSizeReached);
        }
        let mut next = self.clone();
        let old = next.find(beat, id, cx)?;
        let mut member = old.clone();
        member.update(beat);
        let has_changed = next.subscribe(self, &old, &member, Protocol::Consumer, cx)?;
        next.maybe_assign(cx);
        next.reconcile(self, &mut member, has_changed, beat.owned.as_ref(), cx);
        member.alive_until = cx.now + cx.settings.session_timeout;
        let is_told = beat.epoch == JOIN || beat.is_full() || member.assigned != old.assigned;
        let beaten = Beaten {
            member_id: member.id.clone(),
            epoch: member.epoch,
            interval: cx.settings.heartbeat_interval,
            assignment: is_told.then(|| member.assigned.clone()),
        };
        next.finish(self, member, cx);
        Ok((next, beaten))
    }

    /// Takes the member in as it wants to be; gives whether its subscription has changed. The group
    /// epoch goes up if that may change the target, or a topic has changed.
    pub(super) fn subscribe(
        &mut self,
        before: &Self,
        old: &ConsumerMember,
        member: &ConsumerMember,
        protocol: Protocol,
        cx: Context<'_>,
    ) -> Result<bool, ResponseError> {
        let regex = self.change_regex(old, member)?;
        self.members.insert(member.id.clone(), member.clone());
        let names_changed = member.names != old.names;
        let has_changed = names_changed || regex != RegexChange::None;
        // A pattern that is not resolved yet bumps the epoch when it is.
        let bumps = match protocol {
            Protocol::Consumer => names_changed || regex == RegexChange::Resolved,
            Protocol::Classic => has_changed,
        };
        if bumps || before.is_stale {
            self.look_at_topics(bumps, cx);
            self.is_stale = false;
            self.is_homogeneous = self.subscribe_to_the_same();
        }
        Ok(has_changed)
    }

    /// Notes what has become of the member.
    pub(super) fn finish(&mut self, before: &Self, member: ConsumerMember, cx: Context<'_>) {
        let written = before.members.get(&member.id);
        let is_written = written.is_none_or(|written| !written.is_written_as(&member));
        self.members.insert(member.id.clone(), member);
        if is_written {
            self.is_homogeneous = self.subscribe_to_the_same();
        }
        if self.must_resolve(before, cx) {
            self.resolve(cx);
        }
    }

    /// The member as it was; a static one takes the place of the one that it was before.
    fn find(
        &mut self,
        beat: &Beat,
        id: String,
        cx: Context<'_>,
    ) -> Result<ConsumerMember, ResponseError> {
        let joins = beat.epoch == JOIN;
        let Some(instance) = &beat.instance else {
            return match self.members.get(&id) {
                Some(member) => {
                    check_epoch(member, beat.epoch, beat.owned.as_ref())?;
                    Ok(member.clone())
                }
                None if joins => Ok(ConsumerMember::new(id, cx.now)),
                None => Err(ResponseError::UnknownMemberId),
            };
        };
        match self.owner_of(instance).cloned() {
            None if joins => {
                let known = self.members.get(&id).cloned();
                Ok(known.unwrap_or_else(|| ConsumerMember::new(id, cx.now)))
            }
            None => Err(ResponseError::UnknownMemberId),
            Some(owner) if joins => {
                // Only who has said that it will be back makes room, or is of the other protocol.
                if owner.epoch != LEAVE_FOR_NOW && owner.classic.is_none() {
                    return Err(ResponseError::UnreleasedInstanceId);
                }
                Ok(self.replace(&owner, id))
            }
            Some(owner) if owner.id != id => Err(ResponseError::FencedInstanceId),
            Some(owner) => {
                check_epoch(&owner, beat.epoch, beat.owned.as_ref())?;
                Ok(owner)
            }
        }
    }

    /// A static member takes the place of the one that it was.
    pub(super) fn replace(&mut self, owner: &ConsumerMember, id: String) -> ConsumerMember {
        let target = self.targets.remove(&owner.id).unwrap_or_default();
        self.members.remove(&owner.id);
        let member = owner.replaced_by(id);
        self.targets.insert(member.id.clone(), target);
        self.members.insert(member.id.clone(), member.clone());
        member
    }
}

/// The protocol by which a member comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Classic,
    Consumer,
}

/// The epoch of a heartbeat is the member's, or the one before: the reply with the new one may have
/// been lost, if the member has nothing but what it was given.
fn check_epoch(
    member: &ConsumerMember,
    epoch: i32,
    owned: Option<&Partitions>,
) -> Result<(), ResponseError> {
    let is_lost = || {
        epoch < member.epoch
            && epoch == member.previous_epoch
            && owned.is_some_and(|owned| is_within(owned, &member.assigned))
    };
    if epoch == JOIN || epoch == member.epoch || is_lost() {
        Ok(())
    } else {
        Err(ResponseError::FencedMemberEpoch)
    }
}

fn is_within(owned: &Partitions, assigned: &Owned) -> bool {
    owned.iter().all(|(topic, partitions)| {
        assigned.get(topic).is_some_and(|of| partitions.iter().all(|one| of.contains_key(one)))
    })
}
