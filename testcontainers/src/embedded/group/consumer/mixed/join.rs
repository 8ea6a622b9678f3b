//! JoinGroup of a classic member to a consumer group: Kafka's `classicGroupJoinToConsumerGroup`.

use kafka_protocol::ResponseError;

use super::embedded::{Subscription, read_subscription};
use super::{ByClassic, MigrationPolicy};
use crate::embedded::group::classic::ClassicGroup;
use crate::embedded::group::classic::member::{Joined, Joiner};
use crate::embedded::group::consumer::heartbeat::Protocol;
use crate::embedded::group::consumer::member::ConsumerMember;
use crate::embedded::group::consumer::{ConsumerGroup, Context};

/// The group after a classic member has joined it.
#[derive(Debug)]
pub(crate) enum ClassicJoin {
    Consumer(ConsumerGroup),
    /// The last member by the consumer protocol was static, and this one has its place now.
    Classic(ClassicGroup),
}

impl ConsumerGroup {
    /// The group after a classic member has joined, and what the member is told: at once, and only
    /// of itself.
    pub(crate) fn join(
        &self,
        joiner: &Joiner,
        fresh: String,
        cx: Context<'_>,
    ) -> Result<(ClassicJoin, Joined), (ResponseError, String)> {
        let is_new = joiner.member_id.is_empty();
        let id = if is_new { fresh } else { joiner.member_id.clone() };
        let refuse = |error| Err((error, String::new()));
        if let Err(error) = self.check_joiner(joiner, &id, cx) {
            return refuse(error);
        }
        if is_new && joiner.instance.is_none() && joiner.knows_ids {
            return Err((ResponseError::MemberIdRequired, id));
        }
        let read =
            joiner.protocols.first().and_then(|(_, bytes)| read_subscription(bytes.clone(), cx));
        let Some(subscription) = read else { return refuse(ResponseError::UnknownServerError) };
        self.take_in(joiner, id, is_new, &subscription, cx).or_else(refuse)
    }

    fn check_joiner(
        &self,
        joiner: &Joiner,
        id: &str,
        cx: Context<'_>,
    ) -> Result<(), ResponseError> {
        let inconsistent = Err(ResponseError::InconsistentGroupProtocol);
        if cx.settings.migration_policy == MigrationPolicy::Disabled {
            return inconsistent;
        }
        if self.members.len() >= cx.settings.max_size && !self.members.contains_key(id) {
            return Err(ResponseError::GroupMaxSizeReached);
        }
        // A protocol that all classic members know.
        let is_common = |name: &String| {
            let mut classic = self.members.values().filter_map(|member| member.classic.as_ref());
            classic.all(|by| by.protocols.iter().any(|(known, _)| known == name))
        };
        let is_supported = joiner.protocols.iter().any(|(name, _)| is_common(name));
        if joiner.protocol_type != "consumer" || !is_supported {
            return inconsistent;
        }
        Ok(())
    }

    fn take_in(
        &self,
        joiner: &Joiner,
        id: String,
        is_new: bool,
        subscription: &Subscription,
        cx: Context<'_>,
    ) -> Result<(ClassicJoin, Joined), ResponseError> {
        let mut next = self.clone();
        let replaced = joiner.instance.as_deref().and_then(|instance| self.owner_of(instance));
        let replaced = replaced.map(|member| member.id.clone());
        let old = next.find_joiner(joiner, id, is_new, cx)?;
        let mut member = old.clone();
        member.join_by(joiner, subscription, cx);
        let has_changed = next.subscribe(self, &old, &member, Protocol::Classic, cx)?;
        let is_last = replaced.is_some_and(|replaced| self.is_downgraded_by(&replaced, cx));
        let needs_target = next.target_epoch < next.epoch;
        if !is_last {
            next.maybe_assign(cx);
        }
        if !is_last || !needs_target {
            next.reconcile(self, &mut member, has_changed, Some(&subscription.owned), cx);
        }
        let joined = told(&member);
        next.finish(self, member, cx);
        let group = if is_last {
            // Kafka converts the group as it was, with this member in its place.
            next.epoch = self.epoch;
            let mut classic = next.to_classic(&[], cx);
            if needs_target {
                classic.rebalance(cx.now);
            }
            ClassicJoin::Classic(classic)
        } else {
            ClassicJoin::Consumer(next)
        };
        Ok((group, joined))
    }

    /// The member as it was. Dynamic ones are who they say they are; a static one takes the place
    /// of the one before, whether that has left or not.
    fn find_joiner(
        &mut self,
        joiner: &Joiner,
        id: String,
        is_new: bool,
        cx: Context<'_>,
    ) -> Result<ConsumerMember, ResponseError> {
        let known = self.members.get(&id).cloned();
        let known = known.unwrap_or_else(|| ConsumerMember::new(id.clone(), cx.now));
        let Some(instance) = &joiner.instance else { return Ok(known) };
        match self.owner_of(instance).cloned() {
            None if is_new => Ok(known),
            None => Err(ResponseError::UnknownMemberId),
            Some(owner) if is_new => {
                // Two by the consumer protocol are told apart by a goodbye; this one is classic.
                Ok(self.replace(&owner, id))
            }
            Some(owner) if owner.id != id => Err(ResponseError::FencedInstanceId),
            Some(owner) => Ok(owner),
        }
    }

    /// The member that is replaced is the only one that is not classic.
    fn is_downgraded_by(&self, replaced: &str, cx: Context<'_>) -> bool {
        let is_classic = |member: &ConsumerMember| member.classic.is_some();
        cx.settings.migration_policy.may_downgrade()
            && self.members.values().all(|one| is_classic(one) != (one.id == replaced))
    }
}

impl ConsumerMember {
    fn join_by(&mut self, joiner: &Joiner, subscription: &Subscription, cx: Context<'_>) {
        if joiner.instance.is_some() {
            self.instance.clone_from(&joiner.instance);
        }
        if subscription.rack.is_some() {
            self.rack.clone_from(&subscription.rack);
        }
        self.rebalance_timeout = joiner.rebalance_timeout;
        self.names = subscription.topics.iter().cloned().collect();
        self.regex.clear();
        self.client_id.clone_from(&joiner.client_id);
        self.alive_until = cx.now + joiner.session_timeout;
        self.classic = Some(ByClassic {
            session_timeout: joiner.session_timeout,
            protocols: joiner.protocols.clone(),
            join_until: None,
            sync_until: Some(cx.now + joiner.rebalance_timeout),
        });
    }
}

fn told(member: &ConsumerMember) -> Joined {
    let protocol = member.classic.as_ref().map(|by| by.first().0.to_owned());
    Joined {
        member_id: member.id.clone(),
        generation: member.epoch,
        protocol_type: Some("consumer".to_owned()),
        protocol,
        leader: String::new(),
        skip_assignment: false,
        members: Vec::new(),
    }
}
