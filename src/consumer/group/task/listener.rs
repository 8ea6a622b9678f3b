//! What the listener is told: one change after the other, each when it has dealt with the one
//! before.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;
use tracing::{info, warn};

use super::{GroupEvent, GroupTask};
use crate::consumer::group::{Change, GroupInner};
use crate::consumer::shared::ConsumerShared;
use crate::consumer::subscription::Subscription;
use crate::ids::TopicPartition;
use crate::observability::{AssignmentChange, ConsumerEvent};
use crate::sync::lock;

impl GroupTask {
    /// Tells the application of the next change, if it has dealt with the one before.
    pub(super) fn tell_next(&mut self, now: Instant) {
        if self.is_telling {
            return;
        }
        let Some(change) = self.to_tell.pop_front() else { return };
        self.is_telling = true;
        info!(group = self.group.rpc.coordinator.group, ?change, "assignment changes");
        let listener = lock(&self.group.listener).clone();
        let going = match &change {
            Change::Revoked(partitions) | Change::Abandoned(partitions) => partitions.clone(),
            Change::Assigned(_) | Change::Lost(_) => Vec::new(),
        };
        let told = Told { sender: self.sender.clone(), change: Some(change.clone()) };
        let group = Arc::clone(&self.group);
        let deadline = self.commit_deadline(now);
        self.runtime.spawn(async move {
            group.commit_last(&going, deadline).await;
            let change = as_it_has_become(change, &group.shared);
            tell_of(&change, &group);
            if let Some(listener) = listener {
                listener(change).await;
                if group.shared.read(Subscription::is_marked_by_application) {
                    // What the application has done while it was told.
                    group.commit_last(&going, deadline).await;
                }
            }
            told.send().await;
        });
    }

    /// The application has dealt with a change.
    pub(super) fn told(&mut self, change: Change, now: Instant) {
        self.is_telling = false;
        match change {
            Change::Assigned(partitions) => {
                // Those that are being taken away again stay held.
                let stay = partitions.iter().filter(|tp| !self.giving.contains(tp));
                self.group.shared.update(|subscription| subscription.release(stay));
                if !self.to_tell.iter().any(|change| matches!(change, Change::Assigned(_))) {
                    self.machine.handle_assigned(now);
                }
            }
            Change::Revoked(mut partitions) | Change::Abandoned(mut partitions) => {
                partitions.retain(|tp| self.giving.contains(tp));
                self.take_away(&partitions);
                let gives_up =
                    |change: &Change| matches!(change, Change::Revoked(_) | Change::Abandoned(_));
                if !self.to_tell.iter().any(gives_up) {
                    self.machine.handle_revoked(now);
                }
            }
            Change::Lost(_) => {}
        }
    }
}

impl GroupInner {
    /// Commits what is finished of partitions that go, if the client commits by itself, after the
    /// commits that were asked for before.
    async fn commit_last(&self, going: &[TopicPartition], deadline: Instant) {
        if going.is_empty() {
            return;
        }
        let mut last = self.finished();
        last.retain(|commit| self.commits_automatically && going.contains(&commit.partition));
        let Some(committed) = self.submit_awaited(last, deadline) else { return };
        for (partition, error) in committed.await.unwrap_or_default() {
            warn!(%partition, %error, "could not commit before giving the partition up");
        }
    }
}

/// Tells all others who listen.
fn tell_of(change: &Change, group: &GroupInner) {
    let (change, partitions) = match change {
        Change::Assigned(partitions) => (AssignmentChange::Assigned, partitions),
        Change::Revoked(partitions) | Change::Abandoned(partitions) => {
            (AssignmentChange::Revoked, partitions)
        }
        Change::Lost(partitions) => (AssignmentChange::Lost, partitions),
    };
    let group_id = &group.rpc.coordinator.group;
    group.shared.observer.tell(ConsumerEvent::Rebalancing { group: group_id, change, partitions });
}

/// A member that was lost while its last commits were under way has nothing left to give up, nor to
/// commit.
fn as_it_has_become(change: Change, shared: &ConsumerShared) -> Change {
    match change {
        Change::Revoked(partitions)
            if shared
                .read(|subscription| !partitions.iter().any(|tp| subscription.is_of_group(tp))) =>
        {
            Change::Lost(partitions)
        }
        change => change,
    }
}

/// Says that the application has been told, even if it panicked on it.
struct Told {
    sender: mpsc::Sender<GroupEvent>,
    change: Option<Change>,
}

impl Told {
    async fn send(mut self) {
        if let Some(change) = self.change.take() {
            let _ = self.sender.clone().send(GroupEvent::Told(change)).await;
        }
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        if let Some(change) = self.change.take() {
            let _ = self.sender.try_send(GroupEvent::Told(change));
        }
    }
}
