//! The assignors of the broker: who is to have which partition.
//!
//! They give what Kafka's give, with members and topics in the order of their ids where Java's go
//! by hashes.

mod mixed;
mod range;
mod uniform;

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::member::Partitions;

/// A member as assignors see it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subscriber {
    pub(crate) instance: Option<String>,
    pub(crate) topics: BTreeSet<Uuid>,
    /// Its target until now.
    pub(crate) target: Partitions,
}

/// What is to be assigned.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    pub(crate) members: BTreeMap<String, Subscriber>,
    /// How many partitions each topic has.
    pub(crate) sizes: BTreeMap<Uuid, i32>,
    /// All members are subscribed to the same.
    pub(crate) is_homogeneous: bool,
}

/// An assignor of the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Assignor {
    /// Spreads partitions evenly, and moves few.
    Uniform,
    /// Gives each member a range of each topic.
    Range,
}

impl Assignor {
    /// Returns Kafka's name for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Range => "range",
        }
    }

    pub(crate) fn assign(self, plan: &Plan) -> BTreeMap<String, Partitions> {
        match self {
            Self::Uniform if plan.is_homogeneous => uniform::assign(plan),
            Self::Uniform => mixed::assign(plan),
            Self::Range => range::assign(plan),
        }
    }
}

impl Plan {
    fn size(&self, topic: &Uuid) -> i32 {
        self.sizes.get(topic).copied().unwrap_or(0)
    }
}

/// Takes a partition away; a topic without partitions is not there.
fn take(from: &mut Partitions, topic: &Uuid, partition: i32) {
    if let Some(partitions) = from.get_mut(topic) {
        partitions.remove(&partition);
        if partitions.is_empty() {
            from.remove(topic);
        }
    }
}
