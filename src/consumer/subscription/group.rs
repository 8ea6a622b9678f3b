//! What the group's task does: partitions come, start where they were committed, and go.

use super::{AssignedPartition, AssignmentSource, CommitPosition, Subscription, reset_phase};
use crate::consumer::position::{AssignmentEpoch, FetchState, Position};
use crate::group_metadata::OffsetAndMetadata;
use crate::ids::TopicPartition;

impl Subscription {
    /// Adds partitions that the group gave, held until [`Subscription::release`]; those already
    /// here stay as they are.
    ///
    /// What the application does not want any more is only to be given back.
    pub(crate) fn assigned(&mut self, partitions: impl IntoIterator<Item = TopicPartition>) {
        for partition in partitions {
            if self.interest.is_shared() {
                self.add(partition, AssignmentSource::Group);
            }
        }
    }

    /// Lets delivery of held partitions begin or go on, once the application's listener has been
    /// told.
    pub(crate) fn release<'a>(&mut self, partitions: impl IntoIterator<Item = &'a TopicPartition>) {
        self.set_held(partitions, false);
    }

    /// Stops delivery of partitions that are about to be revoked; they stay owned and can be
    /// committed.
    pub(crate) fn hold<'a>(&mut self, partitions: impl IntoIterator<Item = &'a TopicPartition>) {
        self.set_held(partitions, true);
    }

    /// Takes the group's partitions away: their assignments end. Returns those that were here, with
    /// the last assignment of each.
    pub(crate) fn revoke<'a>(
        &mut self,
        partitions: impl IntoIterator<Item = &'a TopicPartition>,
    ) -> Vec<(TopicPartition, AssignmentEpoch)> {
        let mut gone = Vec::new();
        for partition in partitions {
            let is_groups = |entry: &AssignedPartition| entry.owner == AssignmentSource::Group;
            let entry = match self.entries.get(partition) {
                Some(entry) if is_groups(entry) => self.entries.remove(partition),
                _ => self.take_leaving(partition, is_groups),
            };
            let Some(entry) = entry else { continue };
            self.end(&entry);
            if entry.assignment.delivered().map(|at| at.offset)
                > entry.committed.max(entry.assignment.started_at())
            {
                self.forfeited.insert(partition.clone());
            }
            gone.push((partition.clone(), entry.assignment.id()));
        }
        gone
    }

    /// Whether the group has given a partition and has not taken it away, also if the application
    /// has given it up.
    pub(crate) fn is_of_group(&self, partition: &TopicPartition) -> bool {
        let leaving = self.leaving.get(partition).into_iter().flatten();
        self.entries
            .get(partition)
            .into_iter()
            .chain(leaving)
            .any(|entry| entry.owner == AssignmentSource::Group)
    }

    /// Parts with what the application had chosen by itself and has given up; returned is what is
    /// finished of it and not committed.
    pub(crate) fn take_abandoned(&mut self) -> Vec<CommitPosition> {
        let mut abandoned = Vec::new();
        for partition in self.leaving.keys().cloned().collect::<Vec<_>>() {
            while let Some(entry) =
                self.take_leaving(&partition, |entry| entry.owner == AssignmentSource::Application)
            {
                abandoned.push(entry);
            }
        }
        let mut commits: Vec<_> =
            abandoned.iter().filter_map(|entry| entry.commit(entry.assignment.done()?)).collect();
        // A partition that was chosen again and moved since is committed from where it is now.
        commits.retain(|commit| {
            self.entries
                .get(&commit.partition)
                .is_none_or(|entry| entry.assignment.done().is_none())
        });
        commits
    }

    fn take_leaving(
        &mut self,
        partition: &TopicPartition,
        is_meant: impl Fn(&AssignedPartition) -> bool,
    ) -> Option<AssignedPartition> {
        let entries = self.leaving.get_mut(partition)?;
        let entry = entries.remove(entries.iter().position(is_meant)?);
        if entries.is_empty() {
            self.leaving.remove(partition);
        }
        Some(entry)
    }

    /// What was taken away with delivered records that are not committed: another member works on
    /// them again.
    pub(crate) fn forfeited(&self) -> impl Iterator<Item = &TopicPartition> {
        self.forfeited.iter()
    }

    /// The application asks for records, and by that has taken notice of what was taken away.
    pub(crate) fn forget_forfeited(&mut self) {
        self.forfeited.clear();
    }

    /// The partitions whose committed offset nobody knows yet, with their assignments.
    pub(crate) fn awaiting_committed(&self) -> Vec<(TopicPartition, AssignmentEpoch)> {
        let is_waiting =
            |entry: &AssignedPartition| matches!(entry.fetch_state, FetchState::AwaitingCommitted);
        // What is about to be committed of it comes first.
        let waiting = self
            .entries
            .iter()
            .filter(|(tp, entry)| is_waiting(entry) && !self.leaving.contains_key(*tp));
        waiting.map(|(tp, entry)| (tp.clone(), entry.assignment.id())).collect()
    }

    /// Starts a partition at its committed offset or, if there is none, where `auto.offset.reset`
    /// says.
    pub(crate) fn start_at_committed(
        &mut self,
        partition: &TopicPartition,
        assignment: AssignmentEpoch,
        committed: Option<&OffsetAndMetadata>,
    ) {
        let reset = self.reset;
        let Some(entry) = self.assigned_under(partition, assignment) else { return };
        if !matches!(entry.fetch_state, FetchState::AwaitingCommitted) {
            return;
        }
        match committed {
            Some(committed) => {
                let position =
                    Position { offset: committed.offset, leader_epoch: committed.leader_epoch };
                entry.committed = Some(committed.offset);
                entry.assignment.start_at(position);
                entry.fetch_state = FetchState::Fetching(position);
            }
            None => {
                entry.fetch_state = reset_phase(reset, partition, "there is no committed offset")
            }
        }
        self.changed.insert(partition.clone());
    }

    fn set_held<'a>(
        &mut self,
        partitions: impl IntoIterator<Item = &'a TopicPartition>,
        held: bool,
    ) {
        for partition in partitions {
            if let Some(entry) = self
                .entries
                .get_mut(partition)
                .filter(|entry| entry.owner == AssignmentSource::Group)
                && entry.held != held
            {
                entry.held = held;
                entry.apply_delivery();
                self.changed.insert(partition.clone());
            }
        }
    }
}
