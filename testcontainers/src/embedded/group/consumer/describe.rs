//! A consumer group as ConsumerGroupDescribe shows it, and as a test does.

use super::member::{ConsumerMember, Owned, Partitions};
use super::{ConsumerGroup, Context};

impl ConsumerGroup {
    pub(crate) fn epoch(&self) -> i32 {
        self.epoch
    }

    pub(crate) fn target_epoch(&self) -> i32 {
        self.target_epoch
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &ConsumerMember> {
        self.members.values()
    }

    pub(crate) fn target(&self, id: &str) -> Partitions {
        self.targets.get(id).cloned().unwrap_or_default()
    }

    pub(crate) fn assignor_name(&self, cx: Context<'_>) -> &'static str {
        self.assignor(cx).name()
    }
}

impl ConsumerMember {
    /// What it has, with what it has still to give up.
    pub(crate) fn held(&self) -> Partitions {
        let mut held = Partitions::new();
        let each = |owned: &Owned, to: &mut Partitions| {
            for (topic, of) in owned {
                to.entry(*topic).or_default().extend(of.keys());
            }
        };
        each(&self.assigned, &mut held);
        each(&self.revoking, &mut held);
        held
    }
}
