//! How brokers treat share groups: `group.share.*`.

use std::time::Duration;

/// How brokers treat share groups; a group may have settings of its own.
#[derive(Clone, Debug)]
pub(crate) struct ShareGroups {
    pub(crate) heartbeat_interval: Duration,
    pub(crate) session_timeout: Duration,
    pub(crate) max_size: usize,
    /// Between two target assignments. Kafka waits 1 s since 4.3; a test does not want to.
    pub(crate) assignment_interval: Duration,
    pub(crate) record_lock_duration: Duration,
    pub(crate) delivery_count_limit: i32,
    pub(crate) partition_max_record_locks: i64,
    /// Of each broker.
    pub(crate) max_share_sessions: usize,
}

impl Default for ShareGroups {
    fn default() -> Self {
        Self {
            heartbeat_interval: Duration::from_secs(5),
            session_timeout: Duration::from_secs(45),
            max_size: 200,
            assignment_interval: Duration::ZERO,
            record_lock_duration: Duration::from_secs(30),
            delivery_count_limit: 5,
            partition_max_record_locks: 2000,
            max_share_sessions: 2000,
        }
    }
}
