//! Which offsets are on their way to the coordinator, and which wait for their turn.
//!
//! Pure. One OffsetCommit is in flight at a time and they go in the order in which they were asked
//! for, so a committed offset never goes back by a retry that overtook its successor. A commit
//! waits while the coordinator would refuse it (between JoinGroup's reply and SyncGroup's), and is
//! tried again while its failure may pass and its partitions are still owned; what is taken away
//! meanwhile fails, since another member may be on it already.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use super::member::GroupMemberIdentity;
use crate::clock::Random;
use crate::cluster::Backoff;
use crate::consumer::position::AssignmentEpoch;
use crate::consumer::subscription::{CommitPosition, not_owned};
use crate::error::{Error, ErrorCode, ErrorKind, Result};
use crate::group_metadata::OffsetAndMetadata;
use crate::ids::TopicPartition;

/// Offsets by partition.
pub(crate) type Offsets = BTreeMap<TopicPartition, OffsetAndMetadata>;

/// What became of each partition; `Err` if the request as a whole failed.
pub(crate) type CommitOutcome = Result<Vec<(TopicPartition, Result<()>)>>;

/// Names a commit that somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// As whom commits are sent now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CommitIdentity {
    /// Nobody: the membership is in doubt.
    Nobody,
    /// A member of a group.
    Member(GroupMemberIdentity),
    /// A consumer that chose its partitions by itself.
    Alone,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub(crate) enum CommitAction {
    /// Send OffsetCommit.
    Send { sender: CommitIdentity, offsets: Offsets },
    /// A commit that somebody waits for is over, or one that nobody waits for has failed; with the
    /// partitions that failed.
    Done { ticket: Option<Ticket>, failures: Vec<(TopicPartition, Error)> },
}

/// Why an offset that waits is not to be committed any more.
type Reason = fn(&TopicPartition) -> Error;

#[derive(Debug)]
struct CommitBatch {
    offsets: Offsets,
    /// Under which assignment each was consumed.
    assignments: BTreeMap<TopicPartition, AssignmentEpoch>,
    /// How often a partition was not known to the coordinator.
    unknown: BTreeMap<TopicPartition, u32>,
    /// Of partitions that the application had chosen by itself: if it joins meanwhile, others may
    /// have them.
    is_own: bool,
    ticket: Option<Ticket>,
    failures: Vec<(TopicPartition, Error)>,
    deadline: Instant,
}

impl CommitBatch {
    fn new(commits: Vec<CommitPosition>, ticket: Option<Ticket>, deadline: Instant) -> Self {
        let assignments =
            commits.iter().map(|commit| (commit.partition.clone(), commit.assignment)).collect();
        let is_own = !commits.is_empty() && commits.iter().all(|commit| commit.is_own);
        let offsets = commits.into_iter().map(|commit| (commit.partition, commit.offset)).collect();
        Self {
            offsets,
            assignments,
            unknown: BTreeMap::new(),
            is_own,
            ticket,
            failures: Vec::new(),
            deadline,
        }
    }
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Commits {
    queue: VecDeque<CommitBatch>,
    /// The first job of the queue has been sent.
    in_flight: bool,
    /// What has gone while it was in flight, with its last assignment and the reason: not to be
    /// tried again.
    gone: BTreeMap<TopicPartition, (AssignmentEpoch, Reason)>,
    again_at: Option<Instant>,
    tries: u32,
    next_ticket: u64,
    backoff: Backoff,
    random: Random,
    done: VecDeque<CommitAction>,
}

impl Commits {
    pub(crate) fn new(backoff: Backoff, random: Random) -> Self {
        Self {
            queue: VecDeque::new(),
            in_flight: false,
            gone: BTreeMap::new(),
            again_at: None,
            tries: 0,
            next_ticket: 0,
            backoff,
            random,
            done: VecDeque::new(),
        }
    }

    /// Commits offsets after all that were asked for before, and tells when it is over. No offsets
    /// at all make a barrier.
    pub(crate) fn submit_awaited(
        &mut self,
        commits: Vec<CommitPosition>,
        deadline: Instant,
    ) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.queue.push_back(CommitBatch::new(commits, Some(ticket), deadline));
        ticket
    }

    /// Commits offsets after all that were asked for before.
    pub(crate) fn submit(&mut self, commits: Vec<CommitPosition>, deadline: Instant) {
        if commits.is_empty() {
            return;
        }
        let job = CommitBatch::new(commits, None, deadline);
        let is_in_flight = self.in_flight && self.queue.len() == 1;
        match self
            .queue
            .back_mut()
            .filter(|last| last.ticket.is_none() && last.is_own == job.is_own && !is_in_flight)
        {
            // Keeps the queue as short as there are partitions.
            Some(last) => {
                last.offsets.extend(job.offsets);
                last.assignments.extend(job.assignments);
                last.deadline = deadline;
            }
            None => self.queue.push_back(job),
        }
    }

    /// Leaves only what goes beyond the offsets under way: an automatic commit must not take back
    /// what the application commits. What is under way from before the application went elsewhere
    /// does not count.
    pub(crate) fn retain_newer(&self, commits: &mut Vec<CommitPosition>) {
        let under_way = |commit: &CommitPosition| {
            let of_now = self
                .queue
                .iter()
                .filter(|job| job.assignments.get(&commit.partition) >= Some(&commit.since));
            of_now
                .filter_map(|job| job.offsets.get(&commit.partition))
                .map(|offset| offset.offset)
                .max()
        };
        commits.retain(|commit| {
            under_way(commit).is_none_or(|under_way| under_way < commit.offset.offset)
        });
    }

    /// Whether an offset of the partition is under way.
    pub(crate) fn is_under_way(&self, partition: &TopicPartition) -> bool {
        self.queue.iter().any(|job| job.offsets.contains_key(partition))
    }

    /// These are not owned any more, or are of a topic that is gone: what waits of them, up to the
    /// assignment that is named, fails, and what is in flight is not tried again.
    pub(crate) fn handle_gone(
        &mut self,
        partitions: &[(TopicPartition, AssignmentEpoch)],
        reason: Reason,
    ) {
        let waiting = usize::from(self.in_flight);
        for job in self.queue.iter_mut().skip(waiting) {
            for (tp, last) in partitions {
                if job.assignments.get(tp).is_some_and(|assignment| assignment <= last)
                    && job.offsets.remove(tp).is_some()
                {
                    job.failures.push((tp.clone(), reason(tp)));
                }
            }
        }
        if self.in_flight {
            self.gone.extend(partitions.iter().map(|(tp, last)| (tp.clone(), (*last, reason))));
        }
    }

    /// What became of the request in flight. Returns the offsets that are committed now, with the
    /// assignments they were consumed under.
    pub(crate) fn handle_reply(
        &mut self,
        outcome: CommitOutcome,
        sender: &CommitIdentity,
        now: Instant,
    ) -> Vec<(TopicPartition, AssignmentEpoch, OffsetAndMetadata)> {
        let mut committed = Vec::new();
        let Some(job) = self.queue.front_mut().filter(|_| self.in_flight) else { return committed };
        self.in_flight = false;
        let gone = std::mem::take(&mut self.gone);
        let results: BTreeMap<TopicPartition, Result<()>> = match outcome {
            Ok(results) => results.into_iter().collect(),
            Err(error) => job.offsets.keys().map(|tp| (tp.clone(), Err(error.clone()))).collect(),
        };
        for (tp, offset) in std::mem::take(&mut job.offsets) {
            let Some(assignment) = job.assignments.get(&tp).copied() else { continue };
            let missing = || {
                Err(Error::new(
                    ErrorKind::Protocol,
                    "the coordinator left the partition out of its reply",
                ))
            };
            let result = results.get(&tp).cloned().unwrap_or_else(missing);
            match (result, gone.get(&tp).filter(|(last, _)| assignment <= *last)) {
                (Ok(()), _) => committed.push((tp, assignment, offset)),
                (Err(_), Some((_, reason))) => job.failures.push((tp.clone(), reason(&tp))),
                (Err(error), None)
                    if may_pass(&error, sender)
                        && !is_unknown_for_good(&mut job.unknown, &tp, &error) =>
                {
                    job.offsets.insert(tp, offset);
                }
                (Err(error), None) => job.failures.push((tp.clone(), error.at_partition(tp))),
            }
        }
        if job.offsets.is_empty() {
            self.tries = 0;
        } else {
            self.tries += 1;
            self.again_at = Some(now + self.backoff.after(self.tries, &mut self.random));
        }
        committed
    }

    /// What to do next, as `sender`; as long as the consumer is no member, what it chose by itself
    /// is for nobody else to commit.
    pub(crate) fn poll(
        &mut self,
        sender: CommitIdentity,
        is_member: bool,
        now: Instant,
    ) -> Option<CommitAction> {
        self.finish(now);
        let mut sender = sender;
        if let Some(job) = self.queue.front_mut().filter(|job| job.is_own && !self.in_flight) {
            if is_member {
                let offsets = std::mem::take(&mut job.offsets).into_keys();
                job.failures.extend(offsets.map(|tp| (tp.clone(), not_owned(&tp))));
                self.finish(now);
            } else {
                sender = CommitIdentity::Alone;
            }
        }
        if let Some(done) = self.done.pop_front() {
            return Some(done);
        }
        let waits = self.in_flight
            || self.again_at.is_some_and(|at| at > now)
            || sender == CommitIdentity::Nobody;
        let first = self.queue.front().filter(|_| !waits)?;
        self.in_flight = true;
        self.again_at = None;
        Some(CommitAction::Send { sender, offsets: first.offsets.clone() })
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        if self.in_flight {
            return None;
        }
        let deadline = self.queue.front().map(|job| job.deadline);
        [deadline, self.again_at.filter(|_| !self.queue.is_empty())].into_iter().flatten().min()
    }

    /// Whether a request is on its way.
    pub(crate) fn is_in_flight(&self) -> bool {
        self.in_flight
    }

    /// Whether nothing waits or is in flight.
    pub(crate) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.done.is_empty()
    }

    /// Ends the jobs at the head that are over.
    fn finish(&mut self, now: Instant) {
        while let Some(job) = self.queue.front_mut().filter(|_| !self.in_flight) {
            if now >= job.deadline {
                for tp in std::mem::take(&mut job.offsets).into_keys() {
                    let error =
                        Error::new(ErrorKind::Timeout, "the offset could not be committed in time");
                    job.failures.push((tp.clone(), error.at_partition(tp)));
                }
            }
            if !job.offsets.is_empty() {
                return;
            }
            self.again_at = None;
            if let Some(CommitBatch { ticket, failures, .. }) = self.queue.pop_front()
                && (ticket.is_some() || !failures.is_empty())
            {
                self.done.push_back(CommitAction::Done { ticket, failures });
            }
        }
    }
}

/// Whether to try again. The errors of a membership pass if the rebalance leaves the partition
/// where it is; if it does not, [`Commits::handle_gone`] comes first.
fn may_pass(error: &Error, sender: &CommitIdentity) -> bool {
    if is_about_membership(error) {
        return matches!(sender, CommitIdentity::Member(_));
    }
    error.is_retriable()
}

/// Whether the coordinator refuses who asks, and not what is asked.
pub(crate) fn is_about_membership(error: &Error) -> bool {
    matches!(
        error.code(),
        Some(
            ErrorCode::REBALANCE_IN_PROGRESS
                | ErrorCode::ILLEGAL_GENERATION
                | ErrorCode::UNKNOWN_MEMBER_ID
                | ErrorCode::STALE_MEMBER_EPOCH
                | ErrorCode::FENCED_MEMBER_EPOCH
        )
    )
}

/// Whether the coordinator does not know the topic.
pub(crate) fn is_unknown(error: &Error) -> bool {
    matches!(
        error.code(),
        Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION | ErrorCode::UNKNOWN_TOPIC_ID)
    )
}

/// A topic that the coordinator does not know is new or deleted: for one that is new to be known it
/// is asked again, but one that is deleted must not hold up the commits of all others, nor the
/// rebalance that waits for them.
fn is_unknown_for_good(
    unknown: &mut BTreeMap<TopicPartition, u32>,
    partition: &TopicPartition,
    error: &Error,
) -> bool {
    if !is_unknown(error) {
        return false;
    }
    let times = unknown.entry(partition.clone()).or_default();
    *times += 1;
    *times >= UNKNOWN_AT_MOST
}

/// With the default backoff some two seconds (a guess: brokers tell one another of topics in
/// milliseconds).
const UNKNOWN_AT_MOST: u32 = 5;

/// What a commit fails with that waited while its topic was deleted and created anew: most versions
/// of the request name no ids, so that it would be taken for an offset of the new topic.
pub(crate) fn of_old_topic(partition: &TopicPartition) -> Error {
    let error = Error::broker(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    error
        .with_context(
            "the topic was deleted and created anew, and the offset is one of the old topic",
        )
        .at_partition(partition.clone())
}

#[cfg(test)]
mod tests;
