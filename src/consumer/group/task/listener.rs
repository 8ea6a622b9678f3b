//! What the listener is told: one change after the other, each when it has dealt with the one
//! before.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;
use tracing::{info, warn};

use super::{GroupEvent, GroupTask};
use crate::consumer::group::{Change, lock};
use crate::consumer::shared::ConsumerShared;

impl GroupTask {
    /// Tells the application of the next change, if it has dealt with the one before.
    pub(super) fn tell_next(&mut self, now: Instant) {
        if self.is_telling {
            return;
        }
        let Some(change) = self.to_tell.pop_front() else { return };
        self.is_telling = true;
        info!(group = self.group.rpc.group, ?change, "assignment changes");
        let listener = lock(&self.group.listener).clone();
        let committed = if let Change::Revoked(partitions) = &change {
            let mut last = self.finished();
            last.retain(|commit| {
                self.group.commits_automatically && partitions.contains(&commit.partition)
            });
            // Without offsets it waits for the commits that were asked for before.
            let waiter =
                self.group.pending_commits().submit_awaited(last, self.commit_deadline(now));
            self.send_commits(now);
            Some(waiter)
        } else {
            None
        };
        let told = Told { sender: self.sender.clone(), change: Some(change.clone()) };
        let shared = Arc::clone(&self.group.shared);
        self.runtime.spawn(async move {
            if let Some(committed) = committed
                && let Ok(failures) = committed.await
            {
                for (partition, error) in failures {
                    warn!(%partition, %error, "could not commit before giving the partition up");
                }
            }
            if let Some(listener) = listener {
                listener(as_it_has_become(change, &shared)).await;
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
            Change::Revoked(mut partitions) => {
                partitions.retain(|tp| self.giving.contains(tp));
                self.take_away(&partitions);
                if !self.to_tell.iter().any(|change| matches!(change, Change::Revoked(_))) {
                    self.machine.handle_revoked(now);
                }
            }
            Change::Lost(_) => {}
        }
    }
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
