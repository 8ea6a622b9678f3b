//! Where a partition's log begins and ends, as fetches say.

use crate::consumer::config::IsolationLevel;
use crate::ids::Offset;

/// Where the log of a partition begins and ends, as its last fetch said (librdkafka's
/// `rd_kafka_get_watermark_offsets`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Watermarks {
    /// The first offset of the log; `None` from brokers before 0.11.
    pub log_start_offset: Option<Offset>,
    /// The offset after the last record that all in-sync replicas have: where `read_uncommitted`
    /// ends.
    pub high_watermark: Offset,
    /// The offset of the first record of a transaction that is not decided yet, or the high
    /// watermark if there is none: where `read_committed` ends. `None` from brokers before 0.11.
    pub last_stable_offset: Option<Offset>,
}

impl Watermarks {
    /// Where what may be read ends.
    pub(crate) fn end(&self, isolation: IsolationLevel) -> Option<Offset> {
        match isolation {
            IsolationLevel::ReadUncommitted => Some(self.high_watermark),
            IsolationLevel::ReadCommitted => self.last_stable_offset,
        }
    }
}
