//! What the application wants, what it has been given, and where each partition stands.
//!
//! Pure: one value behind one lock, changed by three parties and read by all.
//! - The application subscribes, assigns, seeks, pauses (`application`).
//! - The group says what is owned (`group`), and what was committed (`commits`).
//! - The fetcher moves phases on, and brings what is buffered (`fetching`).
//!
//! Every answer from the network names the assignment it was asked under; an answer to an ended
//! assignment changes nothing. Not here: how records are fetched (`fetch`), and how ownership is
//! agreed (`group` of the consumer).
//!
//! ```text
//!           subscribe, the group gives                  the group takes, or the member is lost
//!   ───────────────────────────────────▶ entries ───────────────────────────────────────────────▶ gone
//!           assign                          │                                                       ▲
//!                                           └──unsubscribe, or assigned no more──▶ leaving ─────────┘
//!                                                                committed, the listener told
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

mod application;
mod commits;
mod fetching;
mod group;
mod interest;

pub(crate) use self::commits::not_owned;
pub(crate) use self::interest::{Pattern, SubscriptionKind};
use crate::consumer::config::AutoOffsetReset;
use crate::consumer::fetch::buffer::Buffer;
use crate::consumer::position::{
    AssignmentEpoch, DeliveryGate, FetchState, PartitionAssignment, Position, ResetTo,
};
use crate::error::{Error, ErrorKind, Result};
use crate::group_metadata::OffsetAndMetadata;
use crate::ids::{LeaderEpoch, Offset, TopicId, TopicPartition};
use crate::statistics::PartitionReading;

/// What may be committed for one partition, and under which assignment it was consumed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommitPosition {
    pub(crate) partition: TopicPartition,
    pub(crate) assignment: AssignmentEpoch,
    /// The assignment by which the application came where it is: a commit under an older one is of
    /// another place.
    pub(crate) since: AssignmentEpoch,
    pub(crate) offset: OffsetAndMetadata,
    /// The application had chosen the partition by itself: it is not for a member to commit.
    pub(crate) is_own: bool,
}

/// Who takes a partition away again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AssignmentSource {
    /// The application chose it by itself.
    Application,
    Group,
}

/// What a partition looks like to the fetcher.
#[derive(Clone, Debug)]
pub(crate) struct PartitionSnapshot {
    pub(crate) assignment: Arc<PartitionAssignment>,
    pub(crate) fetch_state: FetchState,
    /// Paused or held: nothing is fetched, but offsets are looked up.
    pub(crate) held: bool,
    /// So much of it is buffered that no more is fetched.
    pub(crate) is_full: bool,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Subscription {
    interest: SubscriptionKind,
    interest_version: u64,
    /// How often the application has unsubscribed: each time ends a membership, also if it has
    /// subscribed again since.
    unsubscribed: u64,
    entries: BTreeMap<TopicPartition, AssignedPartition>,
    /// What the application has given up and the group's task has not yet: nothing of it is
    /// delivered, but it is committed and told of as any partition that goes. A partition may be
    /// there more than once, oldest first: given up, chosen again and given up.
    leaving: BTreeMap<TopicPartition, Vec<AssignedPartition>>,
    /// What was taken away with records that were delivered and not committed, since the
    /// application asked for records last.
    forfeited: BTreeSet<TopicPartition>,
    changed: BTreeSet<TopicPartition>,
    next_assignment: u64,
    /// The newest version of the view that was followed.
    followed: u64,
    /// What was deleted and created anew since the group's task looked, with the last assignment of
    /// the old topic.
    recreated: BTreeMap<TopicPartition, AssignmentEpoch>,
    reset: AutoOffsetReset,
    has_group: bool,
    /// The application says what is done of what it was handed (`enable.auto.offset.store=false`).
    is_marked_by_application: bool,
    /// The application wants to be told when it has reached the end of a partition.
    pub(crate) tells_ends: bool,
    /// What was fetched and not yet handed over. It is here so that no partition can move without
    /// it: what leaves it other than to the application is fetched again, or belongs to an
    /// assignment that has ended.
    pub(crate) buffer: Buffer,
}

#[derive(Debug)]
struct AssignedPartition {
    owner: AssignmentSource,
    assignment: Arc<PartitionAssignment>,
    /// The first assignment since the application last went elsewhere.
    since: AssignmentEpoch,
    fetch_state: FetchState,
    paused: bool,
    held: bool,
    validated: Option<LeaderEpoch>,
    committed: Option<Offset>,
    /// Between these two, the first of which was to be fetched, there is nothing to read.
    nothing_between: Option<(Offset, Offset)>,
}

impl AssignedPartition {
    /// The commit of a position, unless it is committed.
    fn commit(&self, at: Position) -> Option<CommitPosition> {
        (self.committed != Some(at.offset)).then(|| self.commit_at(at))
    }

    fn commit_at(&self, at: Position) -> CommitPosition {
        self.commit_of(OffsetAndMetadata {
            offset: at.offset,
            leader_epoch: at.leader_epoch,
            metadata: String::new(),
        })
    }

    fn commit_of(&self, offset: OffsetAndMetadata) -> CommitPosition {
        let is_own = self.owner == AssignmentSource::Application;
        CommitPosition {
            partition: self.assignment.partition().clone(),
            assignment: self.assignment.id(),
            since: self.since,
            offset,
            is_own,
        }
    }

    fn apply_delivery(&self) {
        self.assignment.set_delivery(if self.paused || self.held {
            DeliveryGate::Held
        } else {
            DeliveryGate::Open
        });
    }
}

impl Subscription {
    /// `has_group`: there are committed offsets to start from.
    pub(crate) fn new(reset: AutoOffsetReset, has_group: bool, buffer: Buffer) -> Self {
        Self {
            interest: SubscriptionKind::Nothing,
            interest_version: 0,
            unsubscribed: 0,
            entries: BTreeMap::new(),
            leaving: BTreeMap::new(),
            forfeited: BTreeSet::new(),
            changed: BTreeSet::new(),
            next_assignment: 0,
            followed: 0,
            recreated: BTreeMap::new(),
            reset,
            has_group,
            is_marked_by_application: false,
            tells_ends: false,
            buffer,
        }
    }

    /// The application says what is done of what it was handed.
    pub(crate) fn marked_by_application(mut self) -> Self {
        self.is_marked_by_application = true;
        self
    }

    pub(crate) fn is_marked_by_application(&self) -> bool {
        self.is_marked_by_application
    }

    pub(crate) fn interest(&self) -> &SubscriptionKind {
        &self.interest
    }

    /// Rises whenever the application unsubscribes from a group.
    pub(crate) fn unsubscribed(&self) -> u64 {
        self.unsubscribed
    }

    /// Rises whenever the interest changes.
    pub(crate) fn interest_version(&self) -> u64 {
        self.interest_version
    }

    pub(crate) fn assignment(&self) -> impl Iterator<Item = &TopicPartition> {
        self.entries.keys()
    }

    pub(crate) fn paused(&self) -> impl Iterator<Item = &TopicPartition> {
        self.entries.iter().filter(|(_, entry)| entry.paused).map(|(tp, _)| tp)
    }

    /// All partitions with where this consumer stands in them.
    pub(crate) fn readings(&self) -> impl Iterator<Item = (TopicPartition, PartitionReading)> {
        self.entries.iter().map(|(partition, entry)| {
            let (assignment, watermarks) = (&entry.assignment, entry.assignment.watermarks());
            let reading = PartitionReading {
                position: assignment.position(),
                stored: assignment.done().map(|done| done.offset),
                committed: entry.committed,
                log_start: watermarks.and_then(|watermarks| watermarks.log_start_offset),
                high_watermark: watermarks.map(|watermarks| watermarks.high_watermark),
                last_stable: watermarks.and_then(|watermarks| watermarks.last_stable_offset),
                end: assignment.end(),
            };
            (partition.clone(), reading)
        })
    }

    /// The assignment by which the application came where it is.
    #[cfg(test)]
    pub(crate) fn since(&self, partition: &TopicPartition) -> Option<AssignmentEpoch> {
        self.entries.get(partition).map(|entry| entry.since)
    }

    /// The assignment of an assigned partition.
    pub(crate) fn assignment_of(
        &self,
        partition: &TopicPartition,
    ) -> Option<&Arc<PartitionAssignment>> {
        self.entries.get(partition).map(|entry| &entry.assignment)
    }

    /// The next offset to hand over; `None` while it is looked up.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the partition is not assigned; what stopped it, if it has stopped
    /// before it had a position.
    pub(crate) fn position(&self, partition: &TopicPartition) -> Result<Option<Offset>> {
        let entry = self.entry(partition)?;
        match (entry.assignment.position(), &entry.fetch_state) {
            (None, FetchState::Stopped(error)) => Err(error.clone()),
            (position, _) => Ok(position),
        }
    }

    /// Whether the application has all that there is of a partition before an offset.
    pub(crate) fn has_read_to(&self, partition: &TopicPartition, end: Offset) -> bool {
        let Some(entry) = self.entries.get(partition) else { return false };
        entry.assignment.position().is_some_and(|at| {
            at >= end || entry.nothing_between.is_some_and(|(from, to)| at == from && end <= to)
        })
    }

    /// What has stopped a partition until a seek, once the application has all that comes before.
    pub(crate) fn stopped(&self, partition: &TopicPartition) -> Option<Error> {
        match self.entries.get(partition) {
            Some(AssignedPartition {
                fetch_state: FetchState::Stopped(error), assignment, ..
            }) if !self.buffer.has(assignment.id()) => Some(error.clone()),
            _ => None,
        }
    }

    fn add(&mut self, partition: TopicPartition, owner: AssignmentSource) {
        if self.entries.contains_key(&partition) {
            return;
        }
        let fetch_state = if self.has_group {
            FetchState::AwaitingCommitted
        } else {
            reset_phase(self.reset, &partition, "the partition was assigned without an offset")
        };
        let assignment = self.new_assignment(&partition);
        let (since, held) = (assignment.id(), owner == AssignmentSource::Group);
        let entry = AssignedPartition {
            owner,
            assignment,
            since,
            fetch_state,
            paused: false,
            held,
            validated: None,
            committed: None,
            nothing_between: None,
        };
        entry.apply_delivery();
        self.entries.insert(partition.clone(), entry);
        self.changed.insert(partition);
    }

    fn new_assignment(&mut self, partition: &TopicPartition) -> Arc<PartitionAssignment> {
        let (id, partition) = (self.new_assignment_id(), partition.clone());
        Arc::new(if self.is_marked_by_application {
            PartitionAssignment::marked_by_application(id, partition)
        } else {
            PartitionAssignment::new(id, partition)
        })
    }

    fn new_assignment_id(&mut self) -> AssignmentEpoch {
        self.next_assignment += 1;
        AssignmentEpoch(self.next_assignment)
    }

    /// Goes elsewhere in the topic, and forgets where the application was.
    fn jump(&mut self, partition: &TopicPartition, fetch_state: FetchState) -> Result<()> {
        let before = Arc::clone(&self.entry(partition)?.assignment);
        self.jump_to_topic(before.topic(), partition, fetch_state)?;
        // A broker that was asked before says no more of a partition of which nothing has changed.
        self.entry(partition)?.assignment.ends_as(&before);
        Ok(())
    }

    /// [`Subscription::jump`] into the topic that has the name, or has had it, or whichever has it
    /// if that is not known.
    fn jump_to_topic(
        &mut self,
        topic: Option<TopicId>,
        partition: &TopicPartition,
        fetch_state: FetchState,
    ) -> Result<()> {
        let assignment = self.new_assignment(partition);
        let entry = self.entries.get_mut(partition).ok_or_else(|| not_assigned(partition))?;
        self.buffer.end(&entry.assignment);
        if let FetchState::Fetching(position) = fetch_state {
            assignment.start_at(position);
        }
        if let Some(topic) = topic {
            assignment.is_of(topic);
        }
        entry.since = assignment.id();
        // Automatic commits follow wherever it goes, and back.
        entry.committed = None;
        entry.assignment = assignment;
        entry.fetch_state = fetch_state;
        entry.validated = None;
        entry.nothing_between = None;
        entry.apply_delivery();
        self.changed.insert(partition.clone());
        Ok(())
    }

    fn assigned_under(
        &mut self,
        partition: &TopicPartition,
        assignment: AssignmentEpoch,
    ) -> Option<&mut AssignedPartition> {
        self.entries.get_mut(partition).filter(|entry| entry.assignment.id() == assignment)
    }

    fn entry(&self, partition: &TopicPartition) -> Result<&AssignedPartition> {
        self.entries.get(partition).ok_or_else(|| not_assigned(partition))
    }

    /// The consumer has ended: nothing is delivered any more, but what was processed may still be
    /// committed.
    pub(crate) fn close(&mut self) {
        for entry in self.entries.values() {
            self.buffer.end(&entry.assignment);
        }
    }

    /// Ends the assignment of what is taken away.
    fn end(&mut self, entry: &AssignedPartition) {
        self.buffer.end(&entry.assignment);
        self.changed.insert(entry.assignment.partition().clone());
    }
}

fn not_assigned(partition: &TopicPartition) -> Error {
    Error::config("the partition is not assigned to this consumer").at_partition(partition.clone())
}

fn reset_phase(policy: AutoOffsetReset, partition: &TopicPartition, why: &str) -> FetchState {
    FetchState::Resetting(match policy {
        AutoOffsetReset::Earliest => ResetTo::Earliest,
        AutoOffsetReset::Latest => ResetTo::Latest,
        AutoOffsetReset::ByDuration(ago) => ResetTo::Ago(ago),
        AutoOffsetReset::None => {
            let message = format!("{why} and auto.offset.reset is none: seek to go on");
            return FetchState::Stopped(
                Error::new(ErrorKind::NoOffset, message).at_partition(partition.clone()),
            );
        }
    })
}

#[cfg(test)]
mod tests;
