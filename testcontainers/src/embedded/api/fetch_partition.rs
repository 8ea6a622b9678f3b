//! What a fetch gives for one partition.

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::fetch_response::{
    AbortedTransaction, EpochEndOffset, LeaderIdAndEpoch, PartitionData,
};
use kafka_protocol::messages::{BrokerId, ProducerId};

use crate::embedded::log::batch::BatchHeader;
use crate::embedded::sessions::{Told, Wanted};
use crate::embedded::state::State;
use crate::embedded::topic::Partition;

/// From this version on consumers may read from followers (KIP-392).
const FOLLOWER_FETCH: i16 = 11;
/// From this version on a reply may name the leader.
const LEADER_HINTS: i16 = 12;

/// What holds for every partition of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader {
    pub(super) broker: i32,
    pub(super) version: i16,
    pub(super) committed_only: bool,
    pub(super) names_rack: bool,
}

/// The bytes that a reply may still take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    left: usize,
    /// Nothing was given yet: the first batch comes whole, however large.
    is_first: bool,
}

/// The answer for a partition.
#[derive(Clone, Debug)]
pub(super) struct Read {
    data: PartitionData,
}

impl Limits {
    pub(super) fn new(max_bytes: i32) -> Self {
        Self { left: usize::try_from(max_bytes).unwrap_or(0), is_first: true }
    }
}

impl Reader {
    /// The bytes that could be given now, or `None` when there is an error or news to tell at once.
    pub(super) fn available(
        &self,
        state: &State,
        topic: &str,
        index: i32,
        wanted: Wanted,
        enough: usize,
    ) -> Option<usize> {
        let partition = self.check(state, topic, index, wanted).ok()?;
        if self.preferred(partition).is_some() || diverging(partition, wanted).is_some() {
            return None;
        }
        let limit = enough.min(usize::try_from(wanted.max_bytes).unwrap_or(0)).max(1);
        Some(partition.log.available(wanted.offset, self.end(partition), limit))
    }

    pub(super) fn read(
        &self,
        state: &State,
        topic: &str,
        index: i32,
        wanted: Wanted,
        limits: &mut Limits,
    ) -> Read {
        match self.check(state, topic, index, wanted) {
            Ok(partition) => self.read_checked(partition, index, wanted, limits),
            Err(error) => {
                let mut read = Read::failed(index, error);
                let moved = matches!(
                    error,
                    ResponseError::NotLeaderOrFollower | ResponseError::FencedLeaderEpoch
                );
                if let (true, true, Some(partition)) =
                    (moved, self.version >= LEADER_HINTS, state.partition(topic, index))
                {
                    read.data.current_leader = LeaderIdAndEpoch::default()
                        .with_leader_id(BrokerId(partition.leader.unwrap_or(-1)))
                        .with_leader_epoch(partition.leader_epoch);
                }
                read
            }
        }
    }

    fn read_checked(
        &self,
        partition: &Partition,
        index: i32,
        wanted: Wanted,
        limits: &mut Limits,
    ) -> Read {
        let log = &partition.log;
        let mut data = PartitionData::default()
            .with_partition_index(index)
            .with_high_watermark(log.high_watermark())
            .with_last_stable_offset(log.last_stable_offset())
            .with_log_start_offset(log.start())
            .with_aborted_transactions(self.committed_only.then(Vec::new))
            .with_records(Some(Bytes::new()));
        if let Some(replica) = self.preferred(partition) {
            return Read { data: data.with_preferred_read_replica(BrokerId(replica)) };
        }
        if let Some(end) = diverging(partition, wanted) {
            return Read { data: data.with_diverging_epoch(end) };
        }
        let end = self.end(partition);
        let limit = usize::try_from(wanted.max_bytes).unwrap_or(0).min(limits.left);
        let records = log.read(wanted.offset, end, limit, limits.is_first);
        limits.left = limits.left.saturating_sub(records.len());
        limits.is_first &= records.is_empty();
        if self.committed_only && !records.is_empty() {
            let aborted =
                log.aborted_between(wanted.offset, last_offset(&records) + 1).map(|aborted| {
                    AbortedTransaction::default()
                        .with_producer_id(ProducerId(aborted.producer_id))
                        .with_first_offset(aborted.first_offset)
                });
            data.aborted_transactions = Some(aborted.collect());
        }
        Read { data: data.with_records(Some(records)) }
    }

    fn check<'a>(
        &self,
        state: &'a State,
        topic: &str,
        index: i32,
        wanted: Wanted,
    ) -> Result<&'a Partition, ResponseError> {
        let partition =
            state.partition(topic, index).ok_or(ResponseError::UnknownTopicOrPartition)?;
        let is_leader = partition.leader == Some(self.broker);
        let may_follow =
            self.version >= FOLLOWER_FETCH && partition.replicas.contains(&self.broker);
        if !is_leader && !may_follow {
            return Err(ResponseError::NotLeaderOrFollower);
        }
        State::check_epoch(partition, wanted.current_leader_epoch)?;
        if wanted.offset < partition.log.start() || wanted.offset > partition.log.end() {
            return Err(ResponseError::OffsetOutOfRange);
        }
        Ok(partition)
    }

    /// Where the leader sends this consumer instead.
    fn preferred(&self, partition: &Partition) -> Option<i32> {
        let is_leader = partition.leader == Some(self.broker);
        partition
            .preferred_replica
            .filter(|replica| is_leader && self.names_rack && *replica != self.broker)
    }

    fn end(&self, partition: &Partition) -> i64 {
        if self.committed_only {
            partition.log.last_stable_offset()
        } else {
            partition.log.high_watermark()
        }
    }
}

impl Read {
    pub(super) fn failed(index: i32, error: ResponseError) -> Self {
        let data = PartitionData::default()
            .with_partition_index(index)
            .with_error_code(error.code())
            .with_high_watermark(-1)
            .with_aborted_transactions(None)
            .with_records(Some(Bytes::new()));
        Self { data }
    }

    pub(super) fn has_records(&self) -> bool {
        self.data.records.as_ref().is_some_and(|records| !records.is_empty())
    }

    pub(super) fn told(&self) -> Told {
        Told { high_watermark: self.data.high_watermark, log_start: self.data.log_start_offset }
    }

    /// Whether an incremental reply has to mention the partition.
    pub(super) fn is_news(&self, told: Option<Told>) -> bool {
        self.has_records()
            || self.data.error_code != 0
            || self.data.preferred_read_replica.0 >= 0
            || self.data.diverging_epoch.epoch >= 0
            || told != Some(self.told())
    }

    /// The leader that the reply names, and whose address it therefore gives (KIP-951).
    pub(super) fn hinted_leader(&self) -> Option<i32> {
        Some(self.data.current_leader.leader_id.0).filter(|id| *id >= 0)
    }

    pub(super) fn into_response(self) -> PartitionData {
        self.data
    }
}

/// Where the consumer's log and ours part, if it read something that was cut off since.
fn diverging(partition: &Partition, wanted: Wanted) -> Option<EpochEndOffset> {
    if wanted.last_fetched_epoch < 0 {
        return None;
    }
    let (epoch, end) = partition.log.end_of_epoch(wanted.last_fetched_epoch)?;
    let parted = epoch < wanted.last_fetched_epoch || end < wanted.offset;
    parted.then(|| EpochEndOffset::default().with_epoch(epoch).with_end_offset(end))
}

/// The last offset of the batches in `records`, of which the last may be cut.
fn last_offset(mut records: &[u8]) -> i64 {
    let mut last = -1;
    while let Some(header) = BatchHeader::read(records) {
        last = header.last_offset();
        let length = usize::try_from(header.length).unwrap_or(usize::MAX).saturating_add(12);
        records = records.get(length..).unwrap_or_default();
    }
    last
}
