//! What the share coordinator has written down of share partitions (KIP-932): a new leader begins
//! with it.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;
use uuid::Uuid;

use super::in_flight::ShareRecordState;

/// A partition as a share group sees it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ShareKey {
    pub(crate) group: String,
    pub(crate) topic: Uuid,
    pub(crate) partition: i32,
}

/// Records of one state: first and last offset, state, deliveries.
pub(crate) type StateBatch = (i64, i64, ShareRecordState, i32);

/// What is written of a share partition.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) state_epoch: i32,
    /// Of the newest leader that has read or written.
    pub(crate) leader_epoch: i32,
    /// `None` until the first acknowledgement, unless it was set.
    pub(crate) start: Option<i64>,
    /// How many records from the start on are final; `None` before it is known.
    pub(crate) complete: Option<i64>,
    records: BTreeMap<i64, (ShareRecordState, i32)>,
}

/// A change of a share partition.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) state_epoch: i32,
    pub(crate) leader_epoch: i32,
    pub(crate) start: i64,
    pub(crate) complete: i64,
    pub(crate) batches: Vec<StateBatch>,
}

/// Everything that is written down.
#[derive(Clone, Debug, Default)]
pub(crate) struct ShareStore {
    partitions: BTreeMap<ShareKey, Written>,
    /// What has become of records in the end, and how often each was delivered, for tests to ask.
    ends: BTreeMap<ShareKey, BTreeMap<i64, (ShareRecordState, i32)>>,
}

/// The leader epoch while no leader has read it.
const NO_LEADER: i32 = 0;

impl ShareStore {
    pub(crate) fn get(&self, key: &ShareKey) -> Option<&Written> {
        self.partitions.get(key)
    }

    /// The ends that were written down of a partition.
    pub(crate) fn ends(&self, key: &ShareKey) -> Option<&BTreeMap<i64, (ShareRecordState, i32)>> {
        self.ends.get(key)
    }

    /// Begins anew, from `start` if it is given.
    pub(crate) fn initialize(
        &mut self,
        key: ShareKey,
        state_epoch: i32,
        start: Option<i64>,
    ) -> Result<(), ResponseError> {
        if self.partitions.get(&key).is_some_and(|known| known.state_epoch > state_epoch) {
            return Err(ResponseError::FencedStateEpoch);
        }
        let leader_epoch = self.partitions.get(&key).map_or(NO_LEADER, |known| known.leader_epoch);
        let complete = start.map(|_| 0);
        let records = BTreeMap::new();
        let written = Written { state_epoch, leader_epoch, start, complete, records };
        self.partitions.insert(key, written);
        Ok(())
    }

    /// Forgets whom `is_gone` names.
    pub(crate) fn forget(&mut self, is_gone: impl Fn(&ShareKey) -> bool) {
        self.partitions.retain(|key, _| !is_gone(key));
    }

    /// A leader takes over.
    pub(crate) fn read(
        &mut self,
        key: &ShareKey,
        leader_epoch: i32,
    ) -> Result<&Written, ResponseError> {
        // INVALID_REQUEST of the share coordinator, which the leader does not pass on.
        let written = self.partitions.get_mut(key).ok_or(ResponseError::UnknownServerError)?;
        if written.leader_epoch > leader_epoch {
            return Err(ResponseError::NotLeaderOrFollower);
        }
        written.leader_epoch = leader_epoch;
        Ok(written)
    }

    /// The leader writes down what has become of records.
    pub(crate) fn write(&mut self, key: &ShareKey, write: &Write) -> Result<(), ResponseError> {
        let written = self.partitions.get_mut(key).ok_or(ResponseError::UnknownServerError)?;
        // FENCED_LEADER_EPOCH and FENCED_STATE_EPOCH of the share coordinator.
        if written.leader_epoch > write.leader_epoch || written.state_epoch > write.state_epoch {
            return Err(ResponseError::NotLeaderOrFollower);
        }
        written.start = Some(write.start);
        written.complete = Some(write.complete);
        for (first, last, state, deliveries) in &write.batches {
            for offset in *first..=*last {
                written.records.insert(offset, (*state, *deliveries));
            }
            if state.is_final() {
                let ends = self.ends.entry(key.clone()).or_default();
                ends.extend((*first..=*last).map(|offset| (offset, (*state, *deliveries))));
            }
        }
        written.records = written.records.split_off(&write.start);
        Ok(())
    }
}

impl Written {
    /// Neighbours of the same state as one: Kafka's `PersisterStateBatchCombiner`.
    pub(crate) fn batches(&self) -> Vec<StateBatch> {
        let mut batches: Vec<StateBatch> = Vec::new();
        for (offset, (state, deliveries)) in &self.records {
            let same = |last: &&mut StateBatch| {
                last.1 + 1 == *offset && (last.2, last.3) == (*state, *deliveries)
            };
            match batches.last_mut().filter(same) {
                Some(last) => last.1 = *offset,
                None => batches.push((*offset, *offset, *state, *deliveries)),
            }
        }
        batches
    }
}
