//! Who may commit and fetch offsets: Kafka's `ConsumerGroup.validateOffsetCommit` and
//! `validateOffsetFetch`.

use kafka_protocol::ResponseError;

use super::member::{ConsumerMember, epoch_of};
use super::{ConsumerGroup, Context};
use crate::embedded::group::CommitRequest;

/// From this version on OffsetCommit knows members of consumer groups.
const KNOWS_EPOCHS: i16 = 9;

impl ConsumerGroup {
    /// Whether offsets may be committed in this name: at the member's epoch, or at an older one at
    /// which it had the partitions already (KIP-1251).
    pub(crate) fn check_commit(
        &self,
        request: &CommitRequest<'_>,
        cx: Context<'_>,
    ) -> Result<(), ResponseError> {
        let claim = request.claim;
        if claim.generation < 0 && self.is_empty() {
            return Ok(());
        }
        let is_nobody =
            claim.generation == -1 && claim.member_id.is_empty() && claim.instance.is_none();
        if request.is_transactional && is_nobody {
            return Ok(());
        }
        let unknown = ResponseError::UnknownMemberId;
        let member = self.members.get(claim.member_id).ok_or(unknown)?;
        let is_classic = member.classic.is_some();
        if !request.is_transactional && !is_classic && request.version < KNOWS_EPOCHS {
            return Err(ResponseError::UnsupportedVersion);
        }
        let stale = if request.is_transactional || is_classic {
            ResponseError::IllegalGeneration
        } else {
            ResponseError::StaleMemberEpoch
        };
        let has_had = |(topic, partition): &(String, i32)| {
            let topic = cx.topics.get(topic)?.id;
            since(member, &topic, *partition).filter(|since| *since <= claim.generation)
        };
        let may = claim.generation == member.epoch
            || claim.generation < member.epoch
                && request.partitions.iter().all(|partition| has_had(partition).is_some());
        if may { Ok(()) } else { Err(stale) }
    }

    pub(crate) fn check_fetch(
        &self,
        member_id: Option<&str>,
        epoch: i32,
    ) -> Result<(), ResponseError> {
        let Some(member_id) = member_id else {
            // Kafka stumbles over an epoch without a member.
            return if epoch < 0 { Ok(()) } else { Err(ResponseError::UnknownServerError) };
        };
        let member = self.members.get(member_id).ok_or(ResponseError::UnknownMemberId)?;
        match &member.classic {
            _ if member.epoch == epoch => Ok(()),
            Some(_) => Err(ResponseError::IllegalGeneration),
            None => Err(ResponseError::StaleMemberEpoch),
        }
    }
}

/// The epoch since which a member has a partition that it still has, or is to give up.
fn since(member: &ConsumerMember, topic: &uuid::Uuid, partition: i32) -> Option<i32> {
    epoch_of(&member.assigned, topic, partition)
        .or_else(|| epoch_of(&member.revoking, topic, partition))
}
