//! What may be committed, and what has been.

use std::collections::BTreeMap;

use super::{AssignedPartition, AssignmentSource, CommitPosition, Subscription};
use crate::consumer::position::AssignmentEpoch;
use crate::error::{Error, ErrorCode, Result};
use crate::group_metadata::OffsetAndMetadata;
use crate::ids::{Offset, TopicPartition};

impl Subscription {
    /// What is finished beyond what is committed: for automatic commits, which never take back what
    /// the application committed by itself.
    ///
    /// Of partitions that the application chose by itself all is committed again and again, as by
    /// Java: the offsets of a group without members expire one by one
    /// (`offsets.retention.minutes`).
    pub(crate) fn finished(&self) -> Vec<CommitPosition> {
        let finished = |entry: &AssignedPartition| {
            let done = entry.assignment.done()?;
            let is_news = entry.committed.is_none_or(|committed| committed < done.offset);
            let is_refreshed = entry.owner == AssignmentSource::Application
                && entry.committed == Some(done.offset);
            if is_news || is_refreshed { Some(entry.commit_at(done)) } else { None }
        };
        self.owned().filter_map(finished).collect()
    }

    /// What was handed over and not yet committed, or where the application marks what is done, that:
    /// for the application's own commits. `is_under_way`: whether an offset of a partition is, behind
    /// which this one must come, whatever is committed now.
    ///
    /// What was handed over is finished by that, or the next automatic commit would go back behind
    /// this one. What the
    /// application chose by itself is committed again, as by Java: nobody keeps others of the group
    /// from committing it too.
    pub(crate) fn committable(
        &self,
        is_under_way: impl Fn(&TopicPartition) -> bool,
    ) -> Vec<CommitPosition> {
        let committable = |entry: &AssignedPartition| {
            let position = entry.assignment.finish_delivered()?;
            if entry.owner == AssignmentSource::Application
                || is_under_way(entry.assignment.partition())
            {
                Some(entry.commit_at(position))
            } else {
                entry.commit(position)
            }
        };
        self.owned().filter_map(committable).collect()
    }

    /// Offsets that the application names, under the assignments of this moment.
    pub(crate) fn commits_of(
        &self,
        offsets: BTreeMap<TopicPartition, OffsetAndMetadata>,
    ) -> Vec<CommitPosition> {
        let commit = |(partition, offset)| match self.newest(&partition) {
            Some(entry) => entry.commit_of(offset),
            None => {
                let assignment = AssignmentEpoch(self.next_assignment);
                CommitPosition {
                    partition,
                    assignment,
                    since: assignment,
                    offset,
                    is_own: !self.interest.is_shared(),
                }
            }
        };
        offsets.into_iter().map(commit).collect()
    }

    /// Marks everything of a partition before an offset as done.
    ///
    /// # Errors
    /// As [`Subscription::check_owned`].
    pub(crate) fn mark_to(&self, partition: &TopicPartition, offset: Offset) -> Result<()> {
        self.owned_entry(partition)?.assignment.mark_to(offset);
        Ok(())
    }

    /// Whether what was handed over of a partition may still be committed.
    ///
    /// # Errors
    /// [`Class::Rejoin`](crate::Class::Rejoin) if the partition is not assigned any more.
    pub(crate) fn check_owned(&self, partition: &TopicPartition) -> Result<()> {
        self.owned_entry(partition).map(drop)
    }

    fn owned_entry(&self, partition: &TopicPartition) -> Result<&AssignedPartition> {
        self.newest(partition).ok_or_else(|| not_owned(partition))
    }

    /// A partition as it is now, or was given up last.
    fn newest(&self, partition: &TopicPartition) -> Option<&AssignedPartition> {
        self.entries.get(partition).or_else(|| self.leaving.get(partition)?.last())
    }

    /// A partition of a group that may not be committed, as it is not owned.
    pub(crate) fn not_owned<'a>(
        &self,
        mut partitions: impl Iterator<Item = &'a TopicPartition>,
    ) -> Option<&'a TopicPartition> {
        if !self.interest.is_shared() {
            return None;
        }
        partitions.find(|tp| self.newest(tp).is_none())
    }

    /// Notes that a commit succeeded. If the application has gone elsewhere since it was asked for,
    /// it is only what the broker holds.
    pub(crate) fn committed(
        &mut self,
        partition: &TopicPartition,
        assignment: AssignmentEpoch,
        offset: Offset,
    ) {
        let leaving = self.leaving.get_mut(partition).into_iter().flatten();
        for entry in leaving
            .chain(self.entries.get_mut(partition))
            .filter(|entry| (entry.since..=entry.assignment.id()).contains(&assignment))
        {
            entry.committed = Some(offset);
        }
    }

    /// All partitions with a position to commit; of one that has been given up and chosen again, as
    /// it is now.
    fn owned(&self) -> impl Iterator<Item = &AssignedPartition> {
        let is_moved = |tp: &TopicPartition| {
            self.entries.get(tp).is_some_and(|entry| entry.assignment.done().is_some())
        };
        let leaving = self.leaving.iter().filter(move |(tp, _)| !is_moved(tp));
        leaving.flat_map(|(_, entries)| entries).chain(self.entries.values())
    }
}

/// What a commit of a partition that was taken away fails with: the application's work on it may be
/// done again by another.
pub(crate) fn not_owned(partition: &TopicPartition) -> Error {
    let error = Error::broker(ErrorCode::ILLEGAL_GENERATION);
    error
        .with_context("the partition is not assigned to this consumer any more")
        .at_partition(partition.clone())
}
