//! The knobs of a consumer.

use std::time::Duration;

/// The settings of a [`Consumer`](crate::Consumer); [`ClientConfig`](crate::ClientConfig) has those that all handles share.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConsumerConfig {
    pub(crate) group_id: Option<String>,
    pub(crate) group_instance_id: Option<String>,
    pub(crate) partition_assignment_strategy: Vec<AssignmentStrategy>,
    pub(crate) session_timeout: Duration,
    pub(crate) heartbeat_interval: Duration,
    pub(crate) max_poll_interval: Duration,
    pub(crate) max_poll_records: usize,
    pub(crate) fetch_min_bytes: i32,
    pub(crate) fetch_max_bytes: i32,
    pub(crate) max_partition_fetch_bytes: i32,
    pub(crate) fetch_max_wait: Duration,
    pub(crate) auto_offset_reset: AutoOffsetReset,
    /// `None`: not said by the user, see [`ConsumerConfig::commits_automatically`].
    pub(crate) enable_auto_commit: Option<bool>,
    pub(crate) auto_commit_interval: Duration,
    pub(crate) isolation_level: IsolationLevel,
    pub(crate) check_crcs: bool,
    pub(crate) allow_auto_create_topics: bool,
    pub(crate) exclude_internal_topics: bool,
    pub(crate) client_rack: Option<String>,
    pub(crate) max_decompressed_batch_bytes: usize,
}

/// How the partitions of a group are shared among its members (`partition.assignment.strategy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AssignmentStrategy {
    /// Of each topic a run of neighbouring partitions; equal partitions of several topics go to the same member.
    Range,
    /// All partitions in turn.
    RoundRobin,
    /// Balanced, and moving as little as possible; all stop while partitions move.
    Sticky,
    /// As `Sticky`, but only partitions that move are given up (KIP-429).
    CooperativeSticky,
}

/// Where a consumer starts in a partition without a usable position (`auto.offset.reset`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AutoOffsetReset {
    /// At the first record there is.
    Earliest,
    /// At the end: only records that come later.
    #[default]
    Latest,
    /// Nowhere: the consumer fails with [`ErrorKind::NoOffset`](crate::ErrorKind::NoOffset).
    None,
    /// At the first record that is younger than this, counted back from now (KIP-1106).
    ByDuration(Duration),
}

/// Which records of transactions a consumer sees (`isolation.level`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IsolationLevel {
    /// All, also those of open and aborted transactions.
    #[default]
    ReadUncommitted,
    /// Those of committed transactions and those outside one.
    ReadCommitted,
}

impl IsolationLevel {
    /// As Fetch and ListOffsets say it.
    pub(crate) fn wire(self) -> i8 {
        match self {
            Self::ReadUncommitted => 0,
            Self::ReadCommitted => 1,
        }
    }
}

impl ConsumerConfig {
    /// Kafka's defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether positions are committed by the client: if the user did not say, then if there is a group, as Java.
    pub(crate) fn commits_automatically(&self) -> bool {
        self.enable_auto_commit.unwrap_or(true) && self.group_id.is_some()
    }
}

impl Default for ConsumerConfig {
    fn default() -> Self {
        Self {
            group_id: None,
            group_instance_id: None,
            partition_assignment_strategy: vec![AssignmentStrategy::Range, AssignmentStrategy::CooperativeSticky],
            session_timeout: Duration::from_secs(45),
            heartbeat_interval: Duration::from_secs(3),
            max_poll_interval: Duration::from_secs(300),
            max_poll_records: 500,
            fetch_min_bytes: 1,
            fetch_max_bytes: 50 * 1024 * 1024,
            max_partition_fetch_bytes: 1024 * 1024,
            fetch_max_wait: Duration::from_millis(500),
            auto_offset_reset: AutoOffsetReset::Latest,
            enable_auto_commit: None,
            auto_commit_interval: Duration::from_secs(5),
            isolation_level: IsolationLevel::ReadUncommitted,
            check_crcs: true,
            allow_auto_create_topics: true,
            exclude_internal_topics: true,
            client_rack: None,
            max_decompressed_batch_bytes: 1 << 30,
        }
    }
}
