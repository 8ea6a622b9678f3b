//! The commits of a member: automatic ones, those that are asked for, and from where the partitions
//! start that were committed before.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use tracing::{Instrument, error, warn};

use super::{GroupEvent, GroupTask};
use crate::consumer::group::commits::{self, CommitIdentity, CommitOutcome, is_about_membership};
use crate::consumer::group::member::GroupMemberIdentity;
use crate::consumer::group::rpc::Committed;
use crate::consumer::position::AssignmentEpoch;
use crate::consumer::subscription::Subscription;
use crate::error::Result;
use crate::group_metadata::OffsetAndMetadata;
use crate::ids::TopicPartition;
use crate::observability::{MemberEvent, spans};
use crate::sync::lock;

impl GroupTask {
    /// Commits what is finished of the partitions that the application has chosen by itself and
    /// chosen no more.
    pub(super) fn part_with_abandoned(&mut self, now: Instant) {
        let mut commits = self.group.shared.update(Subscription::take_abandoned);
        let deadline = self.commit_deadline(now);
        let mut pending_commits = self.group.pending_commits();
        pending_commits.commits.retain_newer(&mut commits);
        if self.auto_commit_interval.is_some() {
            pending_commits.commits.submit(commits, deadline);
        }
        drop(pending_commits);
        // Before it may become a member.
        self.send_commits(now);
    }

    pub(super) fn commit_automatically(&mut self, now: Instant) {
        let Some(interval) = self.auto_commit_interval else { return };
        if now >= self.next_auto_commit {
            self.next_auto_commit = now + interval;
            let mut finished = self.group.finished();
            finished.retain(|commit| !self.giving.contains(&commit.partition));
            let deadline = self.commit_deadline(now);
            self.group.pending_commits().commits.submit(finished, deadline);
        }
    }

    pub(super) fn send_commits(&mut self, now: Instant) {
        loop {
            let sender = self.commits_as();
            let mut pending_commits = self.group.pending_commits();
            let Some(action) = pending_commits.commits.poll(sender, self.machine.is_member(), now)
            else {
                return;
            };
            match action {
                commits::CommitAction::Done { ticket, failures } => {
                    let waiter = ticket.and_then(|ticket| pending_commits.waiters.remove(&ticket));
                    drop(pending_commits);
                    let told = failures.iter().map(|(tp, error)| (tp.clone(), Err(error.clone())));
                    let is_told = self.tell_of_commits(told);
                    match waiter {
                        // Whoever waited may have gone.
                        Some(waiter) => drop(waiter.send(failures)),
                        None if is_told => {}
                        None => {
                            for (partition, error) in failures {
                                warn!(%partition, %error, "could not commit");
                            }
                        }
                    }
                }
                commits::CommitAction::Send { sender, offsets } => {
                    drop(pending_commits);
                    let group = Arc::clone(&self.group);
                    let span = spans::commit(&group.rpc.coordinator.group, offsets.len());
                    self.spawn(async move {
                        let outcome = group.rpc.commit(&sender, &offsets).instrument(span).await;
                        GroupEvent::Committed { sender, sent: now, outcome }
                    });
                }
            }
        }
    }

    /// Tells the application what became of commits, if it listens.
    fn tell_of_commits(
        &self,
        outcomes: impl Iterator<Item = (TopicPartition, Result<OffsetAndMetadata>)>,
    ) -> bool {
        let Some(listener) = lock(&self.group.commit_listener).clone() else { return false };
        let outcomes: BTreeMap<_, _> = outcomes.collect();
        // A panic of the application's must not end its membership.
        if !outcomes.is_empty() && catch_unwind(AssertUnwindSafe(|| listener(&outcomes))).is_err() {
            error!(group = self.group.rpc.coordinator.group, "the listener for commits panicked");
        }
        true
    }

    pub(super) fn commits_as(&self) -> CommitIdentity {
        if self.machine.can_commit() {
            return CommitIdentity::Member(self.machine.identity().clone());
        }
        let is_shared_out =
            || self.group.shared.read(|subscription| subscription.interest().is_shared());
        if self.machine.is_member() || is_shared_out() {
            CommitIdentity::Nobody
        } else {
            CommitIdentity::Alone
        }
    }

    pub(super) fn committed(
        &mut self,
        sender: &CommitIdentity,
        sent: Instant,
        outcome: CommitOutcome,
        now: Instant,
    ) {
        let mut errors = Vec::new();
        match &outcome {
            Ok(results) => {
                errors.extend(results.iter().filter_map(|(_, result)| result.clone().err()))
            }
            Err(error) => errors.push(error.clone()),
        }
        if errors.iter().any(commits::is_unknown) {
            // It may have been created anew.
            self.group.rpc.coordinator.cluster.request_refresh();
        }
        let took = now.saturating_duration_since(sent);
        self.observer.tell(MemberEvent::Committed { took, has_failed: !errors.is_empty() });
        let committed = self.group.pending_commits().commits.handle_reply(outcome, sender, now);
        self.group.shared.update(|subscription| {
            for (tp, assignment, offset) in &committed {
                subscription.committed(tp, *assignment, offset.offset);
            }
        });
        self.tell_of_commits(committed.into_iter().map(|(tp, _, offset)| (tp, Ok(offset))));
        if let CommitIdentity::Member(identity) = sender {
            for error in &errors {
                self.machine.handle_refused(identity, error, now);
            }
        }
    }

    /// Asks where the partitions start that nobody has said it of.
    pub(super) fn fetch_committed(&mut self, now: Instant) {
        if !self.fetching.may_begin(now) {
            return;
        }
        let mut assignments = self.group.shared.read(Subscription::awaiting_committed);
        let pending_commits = self.group.pending_commits();
        assignments.retain(|(tp, _)| !pending_commits.commits.is_under_way(tp));
        drop(pending_commits);
        if assignments.is_empty() {
            return;
        }
        self.fetching.begin();
        let group = Arc::clone(&self.group);
        // Who is no member, as after it was left for partitions of the application's own choice, asks as
        // anybody may.
        let member = self.machine.reconciling().filter(|member| member.can_commit());
        let asker = member.map(|member| member.identity().clone());
        self.spawn(async move {
            let partitions: Vec<_> = assignments.iter().map(|(tp, _)| tp.clone()).collect();
            let outcome = group.rpc.committed(&partitions, asker.as_ref()).await;
            GroupEvent::Fetched { assignments, asker, outcome }
        });
    }

    pub(super) fn fetched(
        &mut self,
        assignments: &[(TopicPartition, AssignmentEpoch)],
        asker: Option<&GroupMemberIdentity>,
        outcome: Result<Committed>,
        now: Instant,
    ) {
        let mut again = false;
        let (mut refused, mut outdated) = (Vec::new(), None);
        self.group.shared.update(|subscription| {
            for (tp, assignment) in assignments {
                let result = match &outcome {
                    // What it left out is asked for again.
                    Ok(committed) => committed.get(tp).cloned(),
                    Err(error) => Some(Err(error.clone())),
                };
                match result {
                    Some(Ok(committed)) => {
                        subscription.start_at_committed(tp, *assignment, committed.as_ref())
                    }
                    // What is still the member's is asked for again, as who it is by then.
                    Some(Err(error)) if asker.is_some() && is_about_membership(&error) => {
                        again = true;
                        outdated = Some(error);
                    }
                    Some(Err(error)) if !error.is_retriable() => {
                        let error = error.at_partition(tp.clone());
                        if subscription.stop(tp, *assignment, error.clone()) {
                            refused.push(error);
                        }
                    }
                    Some(Err(_)) | None => again = true,
                }
            }
        });
        if let Some((asker, error)) = asker.zip(outdated) {
            self.machine.handle_refused(asker, &error, now);
        }
        for error in refused {
            self.group.shared.raise(error);
        }
        self.fetching.answered(again, &self.group.rpc.coordinator.cluster, now);
    }

    pub(super) fn commit_deadline(&self, now: Instant) -> Instant {
        let deadline = now + self.group.rpc.coordinator.cluster.config().default_api_timeout;
        self.closing.map_or(deadline, |closing| deadline.min(closing))
    }
}
