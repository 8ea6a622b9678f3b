//! How brokers treat consumer groups: `group.consumer.*`.

use std::time::Duration;

use super::assignor::Assignor;
use super::mixed::MigrationPolicy;

/// How brokers treat consumer groups.
#[derive(Clone, Debug)]
pub(crate) struct ConsumerGroups {
    pub(crate) heartbeat_interval: Duration,
    pub(crate) session_timeout: Duration,
    pub(crate) max_size: usize,
    /// The first is for members that name none.
    pub(crate) assignors: Vec<Assignor>,
    /// Between two target assignments. Kafka waits 1 s since 4.3; a test does not want to.
    pub(crate) assignment_interval: Duration,
    pub(crate) regex_refresh: Duration,
    pub(crate) migration_policy: MigrationPolicy,
}

impl Default for ConsumerGroups {
    fn default() -> Self {
        Self {
            heartbeat_interval: Duration::from_secs(5),
            session_timeout: Duration::from_secs(45),
            max_size: usize::MAX,
            assignors: vec![Assignor::Uniform, Assignor::Range],
            assignment_interval: Duration::ZERO,
            regex_refresh: Duration::from_secs(600),
            migration_policy: MigrationPolicy::default(),
        }
    }
}

impl ConsumerGroups {
    pub(crate) fn assignor(&self, name: &str) -> Option<Assignor> {
        self.assignors.iter().copied().find(|assignor| assignor.name() == name)
    }

    pub(crate) fn default_assignor(&self) -> Assignor {
        self.assignors.first().copied().unwrap_or(Assignor::Uniform)
    }
}
