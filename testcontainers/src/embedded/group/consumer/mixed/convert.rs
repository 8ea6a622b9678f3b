//! Groups that go from one protocol to the other with their members.

use bytes::Bytes;
use kafka_protocol::ResponseError;

use super::ByClassic;
use super::embedded::{read_assignment, read_subscription, write_assignment};
use crate::embedded::group::classic::ClassicGroup;
use crate::embedded::group::classic::member::{Joiner, Member};
use crate::embedded::group::consumer::member::{ConsumerMember, Owned, Partitions};
use crate::embedded::group::consumer::{ConsumerGroup, Context};

impl ConsumerGroup {
    /// The consumer group that a classic one becomes when a member joins by the new protocol:
    /// Kafka's `ConsumerGroup.fromClassicGroup`.
    pub(crate) fn from_classic(
        classic: &mut ClassicGroup,
        cx: Context<'_>,
    ) -> Result<Self, ResponseError> {
        if !cx.settings.migration_policy.may_upgrade()
            || classic.protocol_type() != "consumer"
            || classic.len() > cx.settings.max_size
        {
            return Err(ResponseError::GroupIdNotFound);
        }
        classic.send_away();
        if classic.protocol().is_empty() {
            // Kafka has nothing to take the subscriptions from, and stumbles.
            return Err(ResponseError::UnknownServerError);
        }
        let generation = classic.generation();
        let mut group = Self { epoch: generation, target_epoch: generation, ..Self::new() };
        for member in classic.members() {
            let converted = convert(member, classic.protocol(), generation, cx);
            let (member, target) = converted.ok_or(ResponseError::GroupIdNotFound)?;
            group.targets.insert(member.id.clone(), target);
            group.members.insert(member.id.clone(), member);
        }
        group.is_homogeneous = group.subscribe_to_the_same();
        group.topics = group.metadata(cx);
        Ok(group)
    }

    /// Whether it is to become a classic group once these members have gone: only members by the
    /// classic protocol are left.
    pub(crate) fn is_classic_without(&self, gone: &[String], cx: Context<'_>) -> bool {
        let mut left = self.members.values().filter(|member| !gone.contains(&member.id)).peekable();
        cx.settings.migration_policy.may_downgrade()
            && left.peek().is_some()
            && left.all(|member| member.classic.is_some())
    }

    /// The classic group that it becomes without these members: `ClassicGroup.fromConsumerGroup`.
    pub(crate) fn to_classic(&self, gone: &[String], cx: Context<'_>) -> ClassicGroup {
        let left = self.members.values().filter(|member| !gone.contains(&member.id));
        let members = left.zip(1..).filter_map(|(member, number)| {
            let by = member.classic.as_ref()?;
            let mut converted = Member::new(&joiner(member, by), member.id.clone(), number, cx.now);
            let target = self.targets.get(&member.id).cloned().unwrap_or_default();
            converted.assignment = write_assignment(&target, &by.first().1, cx);
            Some(converted)
        });
        ClassicGroup::of_members(self.epoch, members.collect())
    }
}

/// A member as it was in its generation, with what it was assigned.
fn convert(
    member: &Member,
    protocol: &str,
    generation: i32,
    cx: Context<'_>,
) -> Option<(ConsumerMember, Partitions)> {
    let subscription = read_subscription(member.metadata(protocol), cx)?;
    let assigned: Bytes = member.assignment.clone();
    let target = read_assignment(assigned, cx)?;
    let since = |of: &std::collections::BTreeSet<i32>| {
        of.iter().map(|partition| (*partition, generation)).collect()
    };
    let assigned: Owned = target.iter().map(|(topic, of)| (*topic, since(of))).collect();
    let converted = ConsumerMember {
        instance: member.instance.clone(),
        rack: subscription.rack,
        client_id: member.client_id.clone(),
        rebalance_timeout: member.rebalance_timeout,
        names: subscription.topics.into_iter().collect(),
        epoch: generation,
        previous_epoch: generation,
        assigned,
        alive_until: cx.now + member.session_timeout,
        classic: Some(ByClassic {
            session_timeout: member.session_timeout,
            protocols: member.protocols.clone(),
            join_until: None,
            sync_until: None,
        }),
        ..ConsumerMember::new(member.id.clone(), cx.now)
    };
    Some((converted, target))
}

fn joiner(member: &ConsumerMember, by: &ByClassic) -> Joiner {
    Joiner {
        member_id: member.id.clone(),
        instance: member.instance.clone(),
        client_id: member.client_id.clone(),
        session_timeout: by.session_timeout,
        rebalance_timeout: member.rebalance_timeout,
        protocol_type: "consumer".to_owned(),
        protocols: by.protocols.clone(),
        knows_ids: true,
        can_skip: true,
    }
}
