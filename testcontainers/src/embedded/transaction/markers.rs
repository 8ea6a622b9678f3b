//! Markers: the control batches that end a transaction in each of its partitions, and what follows
//! from a coordinator that moves.
//!
//! Each marker comes a while after the decision, drawn from the cluster's seed; a partition without
//! a leader, or one that a test holds, waits for longer. A new coordinator knows the decision but
//! not who has its marker, and writes all again.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;
use tokio::time::{Duration, Instant};

use super::add::{OFFSETS_TOPIC, offsets_partition};
use super::{Phase, Transaction};
use crate::embedded::clock::Moment;
use crate::embedded::state::{State, TRANSACTION_KEY, TopicPartition};

/// The end of a transaction, as it lies in the log of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Marker {
    pub(crate) producer_id: i64,
    pub(crate) epoch: i16,
    pub(crate) committed: bool,
    pub(crate) coordinator_epoch: i32,
    /// `transaction.version` of its transaction: from 2 on the epoch must be above the producer's
    /// (KIP-1228).
    pub(crate) version: i16,
}

impl State {
    /// Draws when the marker of each partition comes; without partitions the transaction is
    /// complete at once.
    pub(super) fn send_markers(&mut self, id: &str, now: Moment) {
        let from = self.transactions.loading.get(id).copied().unwrap_or(now.at).max(now.at);
        let Some(Phase::Prepared { partitions, .. }) =
            self.transactions.by_id.get(id).map(|one| &one.phase)
        else {
            return;
        };
        let mut due = BTreeMap::new();
        for partition in partitions.clone() {
            due.insert(partition, from + self.draw_marker_delay());
        }
        if let Some(Phase::Prepared { waiting, is_stuck, .. }) =
            self.transactions.by_id.get_mut(id).map(|one| &mut one.phase)
        {
            (*waiting, *is_stuck) = (due, false);
        }
        self.complete(id, now);
    }

    /// Writes the markers whose time has come; true when there were some.
    pub(super) fn write_due_markers(&mut self, now: Moment) -> bool {
        let mut due = Vec::new();
        for (id, transaction) in &self.transactions.by_id {
            let Phase::Prepared { waiting, is_stuck: false, .. } = &transaction.phase else {
                continue;
            };
            if self.coordinator_runs(transaction) {
                let ready = waiting
                    .iter()
                    .filter(|(partition, at)| **at <= now.at && !self.holds_back(partition));
                due.extend(ready.map(|(partition, _)| (id.clone(), partition.clone())));
            }
        }
        for (id, partition) in &due {
            self.write_marker_of(id, partition, now);
        }
        !due.is_empty()
    }

    /// When the next marker of a transaction comes.
    pub(super) fn next_marker(&self, transaction: &Transaction) -> Option<Instant> {
        let Phase::Prepared { waiting, is_stuck: false, .. } = &transaction.phase else {
            return None;
        };
        waiting.iter().filter(|(partition, _)| !self.holds_back(partition)).map(|(_, at)| *at).min()
    }

    /// Ends the transaction of a producer in a partition.
    pub(crate) fn write_marker(
        &mut self,
        partition: &TopicPartition,
        marker: Marker,
        now: Moment,
    ) -> Result<(), ResponseError> {
        let producers =
            self.producers_of(partition).ok_or(ResponseError::UnknownTopicOrPartition)?;
        producers.check_marker(&marker)?;
        if partition.0 == OFFSETS_TOPIC {
            producers.end_transaction(&marker, now.ms);
            self.end_offsets(partition.1, marker, now);
            return Ok(());
        }
        let found = self
            .partition_mut(&partition.0, partition.1)
            .ok_or(ResponseError::UnknownTopicOrPartition)?;
        found.log.append_marker(marker, found.leader_epoch, now.ms);
        Ok(())
    }

    /// Tells transactions whose coordinator is not the one that it was.
    pub(crate) fn settle_transactions(&mut self, now: Moment) {
        let ids: Vec<String> = self.transactions.by_id.keys().cloned().collect();
        for id in ids {
            let coordinator = self.coordinator(TRANSACTION_KEY, &id);
            let load = self.settings.coordinator_load;
            let Some(transaction) =
                self.transactions.by_id.get_mut(&id).filter(|one| one.coordinator != coordinator)
            else {
                continue;
            };
            transaction.coordinator = coordinator;
            transaction.coordinator_epoch += 1;
            if !load.is_zero() {
                self.transactions.loading.insert(id.clone(), now.at + load);
            }
            self.send_markers(&id, now);
        }
    }

    fn write_marker_of(&mut self, id: &str, partition: &TopicPartition, now: Moment) {
        let Some(transaction) = self.transactions.by_id.get(id) else { return };
        let Phase::Prepared { committed, .. } = transaction.phase else { return };
        let marker = Marker {
            producer_id: transaction.producer_id,
            epoch: transaction.epoch,
            committed,
            coordinator_epoch: transaction.coordinator_epoch,
            version: transaction.version,
        };
        let written = self.write_marker(partition, marker, now);
        let Some(Phase::Prepared { waiting, is_stuck, .. }) =
            self.transactions.by_id.get_mut(id).map(|one| &mut one.phase)
        else {
            return;
        };
        match written {
            // A topic that is gone needs no marker.
            Ok(()) | Err(ResponseError::UnknownTopicOrPartition) => drop(waiting.remove(partition)),
            Err(error) => {
                tracing::warn!(%id, ?partition, ?error, "a marker was refused for good");
                *is_stuck = true;
            }
        }
        self.complete(id, now);
    }

    /// Ends the transaction when no marker is missing.
    fn complete(&mut self, id: &str, now: Moment) {
        let Some(transaction) = self.transactions.by_id.get_mut(id) else { return };
        let committed = match &transaction.phase {
            Phase::Prepared { committed, waiting, is_stuck: false, .. } if waiting.is_empty() => {
                *committed
            }
            _ => return,
        };
        let before = transaction.producer_id;
        (transaction.producer_id, transaction.epoch) = transaction.successor();
        transaction.next_producer_id = None;
        transaction.step(Phase::Complete { committed }, before, now);
        self.transactions.note(id, now);
    }

    /// Whether no marker can be written to a partition.
    fn holds_back(&self, partition: &TopicPartition) -> bool {
        if self.transactions.held.contains(partition) {
            return true;
        }
        // A partition that is gone is no hindrance, and neither is one of the offsets, which has no
        // leader here.
        self.partition(&partition.0, partition.1)
            .is_some_and(|found| !found.leader.is_some_and(|leader| self.runs(leader)))
    }

    fn draw_marker_delay(&mut self) -> Duration {
        let (least, most) = self.settings.marker_delay;
        let spread = u64::try_from(most.saturating_sub(least).as_millis()).unwrap_or(u64::MAX);
        // No dice without need: they are shared with fault rules.
        least
            + Duration::from_millis(if spread == 0 {
                0
            } else {
                self.random.below(spread.saturating_add(1))
            })
    }

    /// Commits or drops what a producer's transaction has for the groups of one offsets partition.
    fn end_offsets(&mut self, partition: i32, marker: Marker, now: Moment) {
        let groups =
            self.groups.iter_mut().filter(|(group, _)| offsets_partition(group) == partition);
        for (name, group) in groups {
            let materialized = group.offsets.end(marker.producer_id, marker.committed);
            self.commits.extend(materialized.into_iter().map(|((topic, partition), committed)| {
                committed.tracked(now.elapsed, name, topic, partition)
            }));
        }
    }
}
