//! A classic group that was a consumer group, or becomes one (KIP-848).

use kafka_protocol::ResponseError;
use tokio::time::Instant;

use super::member::{Member, NotJoined};
use super::{ClassicGroup, Phase};

impl ClassicGroup {
    /// A group whose members have their assignments, but no leader yet.
    pub(crate) fn of_members(generation: i32, members: Vec<Member>) -> Self {
        let mut group = Self {
            phase: Phase::Stable,
            generation,
            protocol_type: Some("consumer".to_owned()),
            joined_so_far: u64::try_from(members.len()).unwrap_or(u64::MAX),
            members: members.into_iter().map(|member| (member.id.clone(), member)).collect(),
            ..Self::default()
        };
        group.protocol = group.select_protocol();
        group.persist();
        group
    }

    /// Members are to join again.
    pub(crate) fn rebalance(&mut self, now: Instant) {
        self.prepare(now);
    }

    /// Tells all who wait to come again.
    pub(crate) fn send_away(&mut self) {
        let error = ResponseError::RebalanceInProgress;
        for member in self.members.values_mut() {
            member.answer_join(Err(NotJoined { error, member_id: member.id.clone() }));
            member.answer_sync(Err(error));
        }
    }

    pub(crate) fn generation(&self) -> i32 {
        self.generation
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }
}
