//! Which offsets are on their way to the coordinator, and which wait for their turn.
//!
//! Pure. One OffsetCommit is in flight at a time and they go in the order in which they were asked for, so a committed
//! offset never goes back by a retry that overtook its successor. A commit waits while the coordinator would refuse it
//! (between JoinGroup's reply and SyncGroup's), and is tried again while its failure may pass and its partitions are
//! still owned; what is taken away meanwhile fails, since another member may be on it already.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use super::classic::Identity;
use crate::clock::Random;
use crate::cluster::Backoff;
use crate::consumer::position::OffsetAndMetadata;
use crate::error::{Error, ErrorCode, ErrorKind, Result};
use crate::ids::TopicPartition;

/// Offsets by partition.
pub(crate) type Offsets = BTreeMap<TopicPartition, OffsetAndMetadata>;

/// What became of each partition; `Err` if the request as a whole failed.
pub(crate) type Outcome = Result<Vec<(TopicPartition, Result<()>)>>;

/// Names a commit that somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// As whom commits are sent now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    /// Nobody: the membership is in doubt.
    Nobody,
    /// A member of a group.
    Member(Identity),
    /// A consumer that chose its partitions by itself.
    Alone,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// Send OffsetCommit.
    Send { sender: Sender, offsets: Offsets },
    /// A commit that somebody waits for is over, or one that nobody waits for has failed; with the partitions that failed.
    Done { ticket: Option<Ticket>, failures: Vec<(TopicPartition, Error)> },
}

#[derive(Debug)]
struct Job {
    offsets: Offsets,
    ticket: Option<Ticket>,
    failures: Vec<(TopicPartition, Error)>,
    deadline: Instant,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Commits {
    queue: VecDeque<Job>,
    /// The first job of the queue has been sent.
    in_flight: bool,
    /// What was taken away while it was in flight: not to be tried again.
    gone: BTreeSet<TopicPartition>,
    again_at: Option<Instant>,
    tries: u32,
    next_ticket: u64,
    backoff: Backoff,
    random: Random,
    done: VecDeque<Action>,
}

impl Commits {
    pub(crate) fn new(backoff: Backoff, random: Random) -> Self {
        Self {
            queue: VecDeque::new(),
            in_flight: false,
            gone: BTreeSet::new(),
            again_at: None,
            tries: 0,
            next_ticket: 0,
            backoff,
            random,
            done: VecDeque::new(),
        }
    }

    /// Commits offsets after all that were asked for before, and tells when it is over. No offsets at all make a barrier.
    pub(crate) fn submit_awaited(&mut self, offsets: Offsets, deadline: Instant) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.queue.push_back(Job { offsets, ticket: Some(ticket), failures: Vec::new(), deadline });
        ticket
    }

    /// Commits offsets after all that were asked for before.
    pub(crate) fn submit(&mut self, offsets: Offsets, deadline: Instant) {
        if offsets.is_empty() {
            return;
        }
        let is_in_flight = self.in_flight && self.queue.len() == 1;
        match self.queue.back_mut().filter(|last| last.ticket.is_none() && !is_in_flight) {
            // Keeps the queue as short as there are partitions.
            Some(last) => {
                last.offsets.extend(offsets);
                last.deadline = deadline;
            }
            None => self.queue.push_back(Job { offsets, ticket: None, failures: Vec::new(), deadline }),
        }
    }

    /// Leaves only what goes beyond the offsets under way: an automatic commit must not take back what the application commits.
    pub(crate) fn retain_newer(&self, offsets: &mut Offsets) {
        let under_way =
            |tp: &TopicPartition| self.queue.iter().filter_map(|job| job.offsets.get(tp)).map(|offset| offset.offset).max();
        offsets.retain(|tp, offset| under_way(tp).is_none_or(|under_way| under_way < offset.offset));
    }

    /// These are not owned any more: what waits of them fails, and what is in flight is not tried again.
    pub(crate) fn handle_gone(&mut self, partitions: &[TopicPartition]) {
        let waiting = usize::from(self.in_flight);
        for job in self.queue.iter_mut().skip(waiting) {
            for tp in partitions {
                if job.offsets.remove(tp).is_some() {
                    job.failures.push((tp.clone(), not_owned(tp)));
                }
            }
        }
        if self.in_flight {
            self.gone.extend(partitions.iter().cloned());
        }
    }

    /// What became of the request in flight. Returns the offsets that are committed now.
    pub(crate) fn handle_reply(&mut self, outcome: Outcome, sender: &Sender, now: Instant) -> Offsets {
        let mut committed = Offsets::new();
        let Some(job) = self.queue.front_mut().filter(|_| self.in_flight) else { return committed };
        self.in_flight = false;
        let gone = std::mem::take(&mut self.gone);
        let results: BTreeMap<TopicPartition, Result<()>> = match outcome {
            Ok(results) => results.into_iter().collect(),
            Err(error) => job.offsets.keys().map(|tp| (tp.clone(), Err(error.clone()))).collect(),
        };
        for (tp, offset) in std::mem::take(&mut job.offsets) {
            let missing = || Err(Error::new(ErrorKind::Protocol, "the coordinator left the partition out of its reply"));
            match results.get(&tp).cloned().unwrap_or_else(missing) {
                Ok(()) => {
                    committed.insert(tp, offset);
                }
                Err(_) if gone.contains(&tp) => job.failures.push((tp.clone(), not_owned(&tp))),
                Err(error) if may_pass(&error, sender) => {
                    job.offsets.insert(tp, offset);
                }
                Err(error) => job.failures.push((tp.clone(), error.at_partition(tp))),
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

    /// What to do next, as `sender`.
    pub(crate) fn poll(&mut self, sender: Sender, now: Instant) -> Option<Action> {
        self.finish(now);
        if let Some(done) = self.done.pop_front() {
            return Some(done);
        }
        let waits = self.in_flight || self.again_at.is_some_and(|at| at > now) || sender == Sender::Nobody;
        let first = self.queue.front().filter(|_| !waits)?;
        self.in_flight = true;
        self.again_at = None;
        Some(Action::Send { sender, offsets: first.offsets.clone() })
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        if self.in_flight {
            return None;
        }
        let deadline = self.queue.front().map(|job| job.deadline);
        [deadline, self.again_at.filter(|_| !self.queue.is_empty())].into_iter().flatten().min()
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
                    let error = Error::new(ErrorKind::Timeout, "the offset could not be committed in time");
                    job.failures.push((tp.clone(), error.at_partition(tp)));
                }
            }
            if !job.offsets.is_empty() {
                return;
            }
            self.again_at = None;
            if let Some(Job { ticket, failures, .. }) = self.queue.pop_front()
                && (ticket.is_some() || !failures.is_empty())
            {
                self.done.push_back(Action::Done { ticket, failures });
            }
        }
    }
}

/// Whether to try again. The errors of a membership pass if the rebalance leaves the partition where it is; if it does
/// not, [`Commits::handle_gone`] comes first.
fn may_pass(error: &Error, sender: &Sender) -> bool {
    match error.code() {
        Some(ErrorCode::REBALANCE_IN_PROGRESS | ErrorCode::ILLEGAL_GENERATION | ErrorCode::UNKNOWN_MEMBER_ID) => {
            matches!(sender, Sender::Member(_))
        }
        _ => error.is_retriable(),
    }
}

/// What a commit of a partition that was taken away fails with: the application's work on it may be done again by another.
pub(crate) fn not_owned(partition: &TopicPartition) -> Error {
    let error = Error::broker(ErrorCode::ILLEGAL_GENERATION);
    error.context("the partition is not assigned to this consumer any more").at_partition(partition.clone())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn tp(partition: i32) -> TopicPartition {
        TopicPartition::new("t", partition)
    }

    fn offsets(of: &[(i32, i64)]) -> Offsets {
        of.iter().map(|&(partition, offset)| (tp(partition), OffsetAndMetadata::new(offset))).collect()
    }

    fn commits() -> (Commits, Instant) {
        (Commits::new(Backoff::new(Duration::from_millis(100), SECOND), Random::new(1)), Instant::now())
    }

    fn sent(action: Option<Action>) -> Offsets {
        match action {
            Some(Action::Send { offsets, .. }) => offsets,
            other => panic!("{other:?}"),
        }
    }

    fn code(code: ErrorCode) -> Outcome {
        Ok(vec![(tp(0), Err(Error::broker(code)))])
    }

    fn member() -> Sender {
        Sender::Member(Identity { member: "m".to_owned(), generation: Some(3.into()) })
    }

    #[test]
    fn a_later_commit_waits_for_an_earlier_one_that_is_tried_again() {
        let (mut commits, now) = commits();
        let first = commits.submit_awaited(offsets(&[(0, 5)]), now + 60 * SECOND);
        assert_eq!(sent(commits.poll(Sender::Alone, now)), offsets(&[(0, 5)]));
        commits.submit(offsets(&[(0, 9)]), now + 60 * SECOND);
        assert!(commits.poll(Sender::Alone, now).is_none());
        commits.handle_reply(Err(Error::new(ErrorKind::Disconnected, "")), &Sender::Alone, now);
        assert!(commits.poll(Sender::Alone, now).is_none(), "backs off");
        let now = now + SECOND;
        assert_eq!(sent(commits.poll(Sender::Alone, now)), offsets(&[(0, 5)]));
        let committed = commits.handle_reply(Ok(vec![(tp(0), Ok(()))]), &Sender::Alone, now);
        assert_eq!(committed, offsets(&[(0, 5)]));
        assert!(
            matches!(commits.poll(Sender::Alone, now), Some(Action::Done { ticket, failures }) if ticket == Some(first) && failures.is_empty())
        );
        assert_eq!(sent(commits.poll(Sender::Alone, now)), offsets(&[(0, 9)]));
    }

    #[test]
    fn commits_nobody_waits_for_are_merged_and_the_later_offset_wins() {
        let (mut commits, now) = commits();
        for offset in 0..100 {
            commits.submit(offsets(&[(0, offset), (i32::try_from(offset % 3).unwrap() + 1, offset)]), now + SECOND);
        }
        assert_eq!(commits.queue.len(), 1);
        assert_eq!(sent(commits.poll(Sender::Alone, now)), offsets(&[(0, 99), (1, 99), (2, 97), (3, 98)]));
    }

    #[test]
    fn a_commit_during_a_rebalance_waits_and_goes_under_the_new_generation() {
        let (mut commits, now) = commits();
        commits.submit(offsets(&[(0, 5)]), now + 60 * SECOND);
        sent(commits.poll(member(), now));
        commits.handle_reply(code(ErrorCode::REBALANCE_IN_PROGRESS), &member(), now);
        let now = now + SECOND;
        assert!(commits.poll(Sender::Nobody, now).is_none());
        let next = Sender::Member(Identity { member: "m".to_owned(), generation: Some(4.into()) });
        let Some(Action::Send { sender, .. }) = commits.poll(next.clone(), now) else { panic!("not sent") };
        assert_eq!(sender, next);
    }

    #[test]
    fn what_is_taken_away_fails_and_is_not_tried_again() {
        let (mut commits, now) = commits();
        let ticket = commits.submit_awaited(offsets(&[(0, 5)]), now + 60 * SECOND);
        let waiting = commits.submit_awaited(offsets(&[(0, 6), (1, 6)]), now + 60 * SECOND);
        sent(commits.poll(member(), now));
        commits.handle_gone(&[tp(0)]);
        commits.handle_reply(code(ErrorCode::ILLEGAL_GENERATION), &member(), now);
        let Some(Action::Done { ticket: done, failures }) = commits.poll(member(), now) else { panic!("not done") };
        assert_eq!((done, failures.len()), (Some(ticket), 1));
        assert_eq!(failures[0].1.class(), crate::error::Class::Rejoin);
        assert_eq!(sent(commits.poll(member(), now)), offsets(&[(1, 6)]));
        commits.handle_reply(Ok(vec![(tp(1), Ok(()))]), &member(), now);
        let Some(Action::Done { ticket: done, failures }) = commits.poll(member(), now) else { panic!("not done") };
        assert_eq!((done, failures.len()), (Some(waiting), 1));
    }

    #[test]
    fn one_partition_may_fail_for_good_while_another_succeeds() {
        let (mut commits, now) = commits();
        commits.submit_awaited(offsets(&[(0, 5), (1, 5)]), now + SECOND);
        sent(commits.poll(Sender::Alone, now));
        let outcome = vec![(tp(0), Err(Error::broker(ErrorCode::OFFSET_METADATA_TOO_LARGE))), (tp(1), Ok(()))];
        assert_eq!(commits.handle_reply(Ok(outcome), &Sender::Alone, now), offsets(&[(1, 5)]));
        let Some(Action::Done { failures, .. }) = commits.poll(Sender::Alone, now) else { panic!("not done") };
        assert_eq!(failures[0].1.code(), Some(ErrorCode::OFFSET_METADATA_TOO_LARGE));
    }

    #[test]
    fn a_commit_fails_at_its_deadline() {
        let (mut commits, now) = commits();
        commits.submit_awaited(offsets(&[(0, 5)]), now + SECOND);
        assert!(commits.poll(Sender::Nobody, now).is_none());
        assert_eq!(commits.poll_timeout(), Some(now + SECOND));
        let Some(Action::Done { failures, .. }) = commits.poll(Sender::Nobody, now + SECOND) else { panic!("not done") };
        assert_eq!(failures[0].1.kind(), ErrorKind::Timeout);
        assert!(commits.is_idle());
    }

    #[test]
    fn an_automatic_commit_does_not_take_back_what_is_under_way() {
        let (mut commits, now) = commits();
        commits.submit(offsets(&[(0, 5)]), now + SECOND);
        sent(commits.poll(Sender::Alone, now));
        let mut automatic = offsets(&[(0, 4), (1, 4)]);
        commits.retain_newer(&mut automatic);
        assert_eq!(automatic, offsets(&[(1, 4)]));
    }

    #[test]
    fn a_barrier_is_done_when_all_before_it_are() {
        let (mut commits, now) = commits();
        commits.submit(offsets(&[(0, 5)]), now + SECOND);
        let barrier = commits.submit_awaited(Offsets::new(), now + SECOND);
        sent(commits.poll(Sender::Alone, now));
        assert!(commits.poll(Sender::Alone, now).is_none());
        commits.handle_reply(Ok(vec![(tp(0), Ok(()))]), &Sender::Alone, now);
        assert!(matches!(commits.poll(Sender::Alone, now), Some(Action::Done { ticket, .. }) if ticket == Some(barrier)));
    }
}
