//! A topic: its partitions, who leads them, and its settings.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::log::{AppendRules, Log};

#[derive(Clone, Debug)]
pub(crate) struct Topic {
    pub(crate) id: Uuid,
    pub(crate) partitions: Vec<Partition>,
    pub(crate) configs: BTreeMap<String, String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Partition {
    pub(crate) replicas: Vec<i32>,
    pub(crate) leader: Option<i32>,
    pub(crate) leader_epoch: i32,
    pub(crate) log: Log,
    /// Where the leader sends consumers (KIP-392), when a test says so.
    pub(crate) preferred_replica: Option<i32>,
}

impl Topic {
    pub(crate) fn partition(&self, index: i32) -> Option<&Partition> {
        self.partitions.get(usize::try_from(index).ok()?)
    }

    pub(crate) fn partition_mut(&mut self, index: i32) -> Option<&mut Partition> {
        self.partitions.get_mut(usize::try_from(index).ok()?)
    }

    pub(crate) fn is_compacted(&self) -> bool {
        self.configs
            .get("cleanup.policy")
            .is_some_and(|policy| policy.split(',').any(|one| one.trim() == "compact"))
    }

    pub(crate) fn uses_append_time(&self) -> bool {
        self.configs.get("message.timestamp.type").is_some_and(|kind| kind == "LogAppendTime")
    }

    /// A numeric setting of the topic.
    pub(crate) fn number(&self, key: &str) -> Option<usize> {
        self.configs.get(key)?.parse().ok()
    }

    /// What a batch must obey here.
    pub(crate) fn append_rules(
        &self,
        leader_epoch: i32,
        default_max_bytes: usize,
        now_ms: i64,
    ) -> AppendRules {
        AppendRules {
            max_bytes: self.number("max.message.bytes").unwrap_or(default_max_bytes),
            compacted: self.is_compacted(),
            append_time: self.uses_append_time().then_some(now_ms),
            leader_epoch,
        }
    }
}

impl Partition {
    /// A partition that its first replica leads.
    pub(crate) fn new(replicas: Vec<i32>) -> Self {
        let leader = replicas.first().copied();
        let mut log = Log::default();
        log.note_epoch(0, 0);
        Self { replicas, leader, leader_epoch: 0, log, preferred_replica: None }
    }

    /// Gives the lead to `leader` under the next epoch.
    pub(crate) fn elect(&mut self, leader: Option<i32>) {
        if self.leader == leader {
            return;
        }
        self.leader = leader;
        self.leader_epoch += 1;
        self.log.producers.forget_verifications();
        if leader.is_some() {
            let end = self.log.end();
            self.log.note_epoch(self.leader_epoch, end);
        }
    }
}

/// Whether a name may be a topic's: Kafka's `Topic.validate`.
pub(crate) fn is_valid_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !name.is_empty()
        && name.len() <= 249
        && name != "."
        && name != ".."
        && name.bytes().all(allowed)
}
