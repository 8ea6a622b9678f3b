//! What the fetcher does: phases move on, and what was fetched is taken.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{AssignedPartition, PartitionSnapshot, Subscription, reset_phase};
use crate::consumer::config::AutoOffsetReset;
use crate::consumer::fetch::buffer::{BufferedBatch, Content, ReplyMemory};
use crate::consumer::fetch::filter::FetchFilter;
use crate::consumer::fetch::session::Want;
use crate::consumer::position::{AssignmentEpoch, FetchState, Position, ResetTo};
use crate::error::{Error, ErrorKind};
use crate::ids::{LeaderEpoch, Offset, TopicId, TopicName, TopicPartition};

/// Of a topic of which nothing is known yet.
const BEGINNING: Position = Position { offset: Offset(0), leader_epoch: None };

impl Subscription {
    /// The partitions that changed since the last call, in order.
    pub(crate) fn take_changed(&mut self) -> BTreeSet<TopicPartition> {
        std::mem::take(&mut self.changed)
    }

    /// Whether the fetcher has anything to look at.
    pub(crate) fn has_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// How a partition stands, or `None` if it is not assigned.
    pub(crate) fn snapshot(&self, partition: &TopicPartition) -> Option<PartitionSnapshot> {
        let entry = self.entries.get(partition)?;
        Some(PartitionSnapshot {
            assignment: Arc::clone(&entry.assignment),
            fetch_state: entry.fetch_state.clone(),
            held: entry.paused || entry.held,
            is_full: self.buffer.is_full(entry.assignment.id()),
        })
    }

    /// [`Subscription::snapshot`], after [`Subscription::leader_is`] with what `leader_epoch` knows
    /// for the assignment.
    pub(crate) fn snapshot_under(
        &mut self,
        partition: &TopicPartition,
        leader_epoch: impl FnOnce(AssignmentEpoch) -> Option<LeaderEpoch>,
    ) -> Option<PartitionSnapshot> {
        let assignment = self.entries.get(partition)?.assignment.id();
        if let Some(epoch) = leader_epoch(assignment) {
            self.leader_is(partition, assignment, epoch);
        }
        self.snapshot(partition)
    }

    /// Ends a reset with the offset that the leader named. True if the assignment still waited for
    /// it.
    ///
    /// An offset before the position comes from a log that was cut: the application goes back,
    /// under a new assignment.
    pub(crate) fn offset_found(
        &mut self,
        partition: &TopicPartition,
        assignment: AssignmentEpoch,
        position: Position,
    ) -> bool {
        let Some(entry) = self.assigned_under(partition, assignment) else { return false };
        if !matches!(entry.fetch_state, FetchState::Resetting(_)) {
            return false;
        }
        entry.validated = None;
        match entry.assignment.position() {
            None => entry.assignment.start_at(position),
            Some(at) if at <= position.offset => {}
            Some(_) => return self.jump(partition, FetchState::Fetching(position)).is_ok(),
        }
        entry.fetch_state = FetchState::Fetching(position);
        self.changed.insert(partition.clone());
        true
    }

    /// No record is as young as a reset asked for: it is the end, then.
    pub(crate) fn offset_not_found(
        &mut self,
        partition: &TopicPartition,
        assignment: AssignmentEpoch,
    ) {
        let Some(entry) = self.assigned_under(partition, assignment) else { return };
        if let FetchState::Resetting(to) = &mut entry.fetch_state {
            *to = ResetTo::Latest;
            self.changed.insert(partition.clone());
        }
    }

    /// Takes note of which topics have their names by a view of the cluster; returns those that
    /// were deleted and created anew since they were read.
    ///
    /// Each task that follows the view says so before it acts on it, and the first one counts: were
    /// it the fetcher's alone, the group's task could commit a place in the old topic under the
    /// name of the new one.
    pub(crate) fn follow(
        &mut self,
        version: u64,
        id_of: impl Fn(&TopicName) -> Option<TopicId>,
    ) -> BTreeSet<TopicName> {
        // A task may be late with a view that another has left behind.
        if version <= self.followed {
            return BTreeSet::new();
        }
        self.followed = version;
        let is_gone = |entry: &AssignedPartition| {
            entry.assignment.topic().is_some_and(|read| {
                id_of(&entry.assignment.partition().topic).is_some_and(|id| id != read)
            })
        };
        let mut last = BTreeMap::new();
        for entry in self.leaving.values_mut().flatten().filter(|entry| is_gone(entry)) {
            last.insert(entry.assignment.partition().clone(), entry.assignment.id());
            entry.committed = None;
            entry.assignment.start_at(BEGINNING);
        }
        let gone: Vec<_> = self
            .entries
            .values()
            .filter(|entry| is_gone(entry))
            .map(|entry| Arc::clone(&entry.assignment))
            .collect();
        for assignment in &gone {
            last.insert(assignment.partition().clone(), assignment.id());
            self.begin_anew(assignment.partition());
        }
        if self.has_group {
            self.recreated.append(&mut last);
        }
        gone.into_iter().map(|assignment| assignment.partition().topic.clone()).collect()
    }

    /// The partitions of topics that were created anew since the last call, with the last
    /// assignment of the old topic: what was consumed under that or one before it is not to be
    /// committed any more.
    pub(crate) fn take_recreated(&mut self) -> Vec<(TopicPartition, AssignmentEpoch)> {
        std::mem::take(&mut self.recreated).into_iter().collect()
    }

    /// The topic was deleted and created anew: positions in the old one mean nothing, and all of
    /// the new one is news.
    pub(super) fn begin_anew(&mut self, partition: &TopicPartition) {
        let Some(entry) = self.entries.get_mut(partition) else { return };
        entry.committed = None;
        if matches!(entry.fetch_state, FetchState::AwaitingCommitted) {
            return;
        }
        let fetch_state = match self.reset {
            AutoOffsetReset::None => {
                reset_phase(self.reset, partition, "the topic was created anew")
            }
            _ => FetchState::Resetting(ResetTo::Earliest),
        };
        let is_stopped = matches!(fetch_state, FetchState::Stopped(_));
        // It is assigned, as was seen above.
        let _ = self.jump_to_topic(None, partition, fetch_state);
        if let Some(entry) = self.entries.get(partition).filter(|_| !is_stopped) {
            // To be committed though the leader was not asked yet: what is committed of the old
            // topic would be taken for a place in this.
            entry.assignment.start_at(BEGINNING);
        }
    }

    /// Tells the epoch of the partition's leader; a newer one must confirm a position that was read
    /// under an older (KIP-320).
    pub(crate) fn leader_is(
        &mut self,
        partition: &TopicPartition,
        assignment: AssignmentEpoch,
        epoch: LeaderEpoch,
    ) {
        let Some(entry) = self.assigned_under(partition, assignment) else { return };
        let FetchState::Fetching(position) = entry.fetch_state else { return };
        if entry.validated.is_some_and(|validated| validated >= epoch) {
            return;
        }
        if position.leader_epoch.is_some() {
            entry.fetch_state = FetchState::Validating(position);
            self.changed.insert(partition.clone());
        } else {
            entry.validated = Some(epoch);
        }
    }

    /// Ends a validation: the leader of `epoch` holds all that was read.
    pub(crate) fn position_holds(
        &mut self,
        partition: &TopicPartition,
        assignment: AssignmentEpoch,
        epoch: Option<LeaderEpoch>,
    ) {
        let Some(entry) = self.assigned_under(partition, assignment) else { return };
        if let FetchState::Validating(position) = entry.fetch_state {
            entry.validated = epoch.max(entry.validated);
            entry.fetch_state = FetchState::Fetching(position);
            self.changed.insert(partition.clone());
        }
    }

    /// The log was cut at `divergence`, before what was fetched: goes back there under a new
    /// assignment.
    ///
    /// Returns the error that the application must see: only if it was given records that are gone,
    /// not if they were buffered.
    pub(crate) fn truncated(
        &mut self,
        partition: &TopicPartition,
        assignment: AssignmentEpoch,
        divergence: Position,
    ) -> Option<Error> {
        let entry = self.assigned_under(partition, assignment)?;
        let (FetchState::Validating(_) | FetchState::Fetching(_)) = entry.fetch_state else {
            return None;
        };
        match entry.assignment.delivered() {
            Some(at) if at.offset <= divergence.offset => {
                self.restart(partition, at);
                None
            }
            at => {
                self.jump(partition, FetchState::Fetching(divergence)).ok()?;
                let from = at.map_or(divergence.offset, |at| at.offset);
                let message = format!(
                    "the log was cut at offset {}, but was consumed up to {from}",
                    divergence.offset
                );
                Some(Error::new(ErrorKind::LogTruncated, message).at_partition(partition.clone()))
            }
        }
    }

    /// Takes what a fetch from `from` brought, in slices of `memory` if of anything, and moves what
    /// is to be fetched next. False, and nothing is taken, if the position or assignment has
    /// changed since the request was made.
    pub(crate) fn fetched(
        &mut self,
        partition: &TopicPartition,
        assignment: AssignmentEpoch,
        from: Offset,
        FetchFilter { buffered_batches, next, failure }: FetchFilter,
        memory: Option<ReplyMemory>,
    ) -> bool {
        let Some(entry) =
            self.entries.get_mut(partition).filter(|entry| entry.assignment.id() == assignment)
        else {
            return false;
        };
        match &mut entry.fetch_state {
            FetchState::Fetching(position) if position.offset == from && next.offset >= from => {
                *position = next
            }
            _ => return false,
        }
        if let Some(error) = failure {
            entry.fetch_state = FetchState::Stopped(error);
            self.changed.insert(partition.clone());
        }
        for buffered in buffered_batches {
            self.buffer.push(&entry.assignment, buffered, memory);
        }
        true
    }

    /// A fetch of the partition was answered: if that has brought all that may be read, or
    /// `is_empty` says that nothing is left there to read, the application is told so behind it,
    /// if it wants to. True if it is news that nothing is left where the log goes on.
    ///
    /// Behind a position there may be nothing though the log goes on, since compaction has removed
    /// it. An answer that is empty for one partition alone does not show that: there may have been
    /// no room for it.
    pub(crate) fn fetched_all(
        &mut self,
        partition: &TopicPartition,
        want: Want,
        is_empty: bool,
    ) -> bool {
        let Some(entry) =
            self.entries.get_mut(partition).filter(|it| it.assignment.id() == want.assignment)
        else {
            return false;
        };
        let FetchState::Fetching(position) = entry.fetch_state else { return false };
        let Some(end) = entry.assignment.end() else { return false };
        let is_behind = position.offset < end;
        if is_behind && !(is_empty && position.offset == want.offset) {
            return false;
        }
        if self.tells_ends && entry.assignment.told_end() != Some(position.offset) {
            self.buffer.push_end(&entry.assignment, position);
        }
        let nothing_between = Some((position.offset, end));
        is_behind
            && std::mem::replace(&mut entry.nothing_between, nothing_between) != nothing_between
    }

    /// Stops a partition until a seek behind all that is buffered, where the application is told
    /// why.
    pub(crate) fn cannot_be_read(
        &mut self,
        partition: &TopicPartition,
        assignment: AssignmentEpoch,
        from: Offset,
        error: Error,
    ) {
        let Some(entry) = self.assigned_under(partition, assignment) else { return };
        let FetchState::Fetching(position) = entry.fetch_state else { return };
        let failed = BufferedBatch {
            content: Content::Failed(error.clone()),
            start: position,
            next: position.offset,
        };
        self.fetched(
            partition,
            assignment,
            from,
            FetchFilter { buffered_batches: vec![failed], next: position, failure: Some(error) },
            None,
        );
    }

    /// Makes room by what paused partitions have buffered, and has it fetched again.
    ///
    /// Whatever a partition was doing, it goes back to before the first piece that it lost; what
    /// the application was given is not touched.
    pub(crate) fn evict_held(&mut self) {
        for (assignment, position) in self.buffer.evict_held() {
            let Some(entry) = self
                .entries
                .get_mut(assignment.partition())
                .filter(|entry| entry.assignment.id() == assignment.id())
            else {
                continue;
            };
            entry.fetch_state = match entry.fetch_state {
                FetchState::Validating(_) if position.leader_epoch.is_some() => {
                    FetchState::Validating(position)
                }
                // Also of one that is being reset, or has stopped, behind what it has lost: the
                // leader says so again.
                _ => FetchState::Fetching(position),
            };
            self.changed.insert(assignment.partition().clone());
        }
    }

    /// The leader does not hold the offset that was asked for: resets by policy.
    pub(crate) fn out_of_range(
        &mut self,
        partition: &TopicPartition,
        assignment: AssignmentEpoch,
        from: Offset,
    ) {
        let reset = self.reset;
        let Some(entry) = self.assigned_under(partition, assignment) else { return };
        let (FetchState::Fetching(Position { offset, .. }), at) =
            (&entry.fetch_state, entry.assignment.position())
        else {
            return;
        };
        if *offset != from {
            return;
        }
        let fetch_state =
            reset_phase(reset, partition, &format!("offset {from} is not in the log"));
        if at == Some(from) {
            // Nothing is buffered, so the old position means nothing from here on.
            let _ = self.jump(partition, fetch_state);
        } else {
            entry.fetch_state = fetch_state;
            self.changed.insert(partition.clone());
        }
    }

    /// Stops a partition until a seek, and drops what is buffered behind. False if the assignment
    /// has ended.
    pub(crate) fn stop(
        &mut self,
        partition: &TopicPartition,
        assignment: AssignmentEpoch,
        error: Error,
    ) -> bool {
        let Some(entry) = self.assigned_under(partition, assignment) else { return false };
        entry.fetch_state = FetchState::Stopped(error);
        self.buffer.drop_assignment(assignment);
        self.changed.insert(partition.clone());
        true
    }

    /// Fetches anew from where the application is: what is buffered, or in hand and not delivered,
    /// is of a log that is gone.
    fn restart(&mut self, partition: &TopicPartition, at: Position) {
        let id = self.new_assignment_id();
        let Some(entry) = self.entries.get_mut(partition) else { return };
        let assignment = Arc::new(entry.assignment.successor(id));
        self.buffer.end(&entry.assignment);
        entry.assignment = assignment;
        entry.fetch_state = FetchState::Fetching(at);
        entry.apply_delivery();
        self.changed.insert(partition.clone());
    }
}
