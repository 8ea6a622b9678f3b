//! The settings of a consumer that are one word of several.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use crate::config::{FromProperty, bounded, parse_duration};
use crate::consumer::assignor::PartitionAssignor;

/// By which protocol a consumer is a member of its group (`group.protocol`, KIP-848).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GroupProtocol {
    /// The members assign partitions among themselves; works with every broker.
    #[default]
    Classic,
    /// The group's coordinator assigns partitions, and members go on while others change. Needs
    /// Kafka 4.0 or later.
    Consumer,
    /// [`GroupProtocol::Consumer`] if the cluster has it when the group is joined for the first
    /// time, otherwise [`GroupProtocol::Classic`]. Not a value of Java's client.
    Auto,
}

/// How a group assigns partitions to its members (`partition.assignment.strategy`).
///
/// Strategies are equal if their names are, by which the members of a group agree on one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AssignmentStrategy {
    /// Assigns a range of consecutive partitions of each topic. Partitions of the same number in
    /// several topics go to the same member.
    Range,
    /// Assigns all partitions in turn.
    RoundRobin,
    /// Balances the assignment while moving as few partitions as possible. All members stop while
    /// partitions move.
    Sticky,
    /// As `Sticky`, but members only stop consuming the partitions that move (KIP-429).
    CooperativeSticky,
    /// As an assignor of the user's own says. Properties cannot name it.
    Custom(Arc<dyn PartitionAssignor>),
}

/// Where to start in a partition without a valid position (`auto.offset.reset`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AutoOffsetReset {
    /// At the first record in the log.
    Earliest,
    /// At the end of the log: only later records are consumed.
    #[default]
    Latest,
    /// Nowhere: the consumer fails with [`ErrorKind::NoOffset`](crate::ErrorKind::NoOffset).
    None,
    /// At the first record that is at most this old (KIP-1106).
    ByDuration(Duration),
}

/// Which transactional records a consumer sees (`isolation.level`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IsolationLevel {
    /// All records, including those of open and aborted transactions.
    #[default]
    ReadUncommitted,
    /// Records of committed transactions, and records outside transactions.
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

impl FromProperty for AutoOffsetReset {
    const ALLOWED: &'static str = "earliest, latest, none or by_duration:PnDTnHnMnS";

    /// Takes Java's words and librdkafka's.
    fn from_property(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "earliest" | "smallest" | "beginning" => Some(Self::Earliest),
            "latest" | "largest" | "end" => Some(Self::Latest),
            "none" | "error" => Some(Self::None),
            other => parse_duration(other.strip_prefix("by_duration:")?)
                .map(|age| Self::ByDuration(bounded(age))),
        }
    }
}

impl FromProperty for IsolationLevel {
    const ALLOWED: &'static str = "read_uncommitted or read_committed";

    fn from_property(text: &str) -> Option<Self> {
        match text {
            "read_uncommitted" => Some(Self::ReadUncommitted),
            "read_committed" => Some(Self::ReadCommitted),
            _ => None,
        }
    }
}

impl FromProperty for GroupProtocol {
    const ALLOWED: &'static str = "classic, consumer or auto";

    /// In any case, as Java.
    fn from_property(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "classic" => Some(Self::Classic),
            "consumer" => Some(Self::Consumer),
            "auto" => Some(Self::Auto),
            _ => None,
        }
    }
}

/// A list of assignment strategies.
pub(super) struct Strategies(pub(super) Vec<AssignmentStrategy>);

impl FromProperty for Strategies {
    const ALLOWED: &'static str = "a list of range, roundrobin, sticky and cooperative-sticky, \
                                   or the names of Java's classes for them,";

    fn from_property(text: &str) -> Option<Self> {
        text.split(',')
            .map(|name| AssignmentStrategy::parse(name.trim()))
            .collect::<Option<_>>()
            .map(Self)
    }
}

impl AssignmentStrategy {
    /// Creates a strategy from an assignor of the user's own.
    pub fn custom(assignor: impl PartitionAssignor) -> Self {
        Self::Custom(Arc::new(assignor))
    }

    /// Returns the name of the strategy in the group protocol.
    pub fn name(&self) -> &str {
        match self {
            Self::Range => "range",
            Self::RoundRobin => "roundrobin",
            Self::Sticky => "sticky",
            Self::CooperativeSticky => "cooperative-sticky",
            Self::Custom(assignor) => assignor.name(),
        }
    }

    fn parse(name: &str) -> Option<Self> {
        let class = name.strip_prefix("org.apache.kafka.clients.consumer.");
        [
            (Self::Range, "RangeAssignor"),
            (Self::RoundRobin, "RoundRobinAssignor"),
            (Self::Sticky, "StickyAssignor"),
            (Self::CooperativeSticky, "CooperativeStickyAssignor"),
        ]
        .into_iter()
        .find_map(|(strategy, java)| {
            (name == strategy.name() || class == Some(java)).then_some(strategy)
        })
    }
}

impl PartialEq for AssignmentStrategy {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for AssignmentStrategy {}

impl Hash for AssignmentStrategy {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}
