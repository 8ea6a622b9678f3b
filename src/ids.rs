//! The identifiers, offsets, epochs and sequences of Kafka as types of their own.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::shown::{padded, shown};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($int:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $int);

        impl From<$int> for $name {
            fn from(value: $int) -> Self {
                Self(value)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

number! {
    /// The id of a broker, unique within its cluster (`node.id`).
    BrokerId(i32)
}
number! {
    /// The number of a partition within its topic, starting at 0.
    PartitionId(i32)
}
number! {
    /// The position of a record within its partition.
    Offset(i64)
}
number! {
    /// The epoch of a partition's leader, incremented at each leader election (KIP-320).
    LeaderEpoch(i32)
}
number! {
    /// The timestamp of a record, in milliseconds since the Unix epoch.
    Timestamp(i64)
}
number! {
    /// The id that the cluster assigns to an idempotent producer (KIP-98).
    ProducerId(i64)
}
number! {
    /// The epoch of a producer id, incremented with each incarnation of the producer (KIP-98,
    /// KIP-360).
    ProducerEpoch(i16)
}
number! {
    /// The sequence number of a record among those sent to one partition under one producer id and
    /// epoch (KIP-98).
    Sequence(i32)
}
number! {
    /// The generation of a classic group, incremented at each rebalance.
    Generation(i32)
}

impl Offset {
    /// Returns the offset `count` records further, saturating at the largest offset.
    pub fn advance(self, count: i64) -> Self {
        Self(self.0.saturating_add(count))
    }
}

impl Sequence {
    /// The first sequence of a producer id and epoch.
    pub(crate) const ZERO: Self = Self(0);

    /// The sequence `count` records further; wraps from 2^31-1 to 0, as brokers do.
    pub(crate) fn advance(self, count: u32) -> Self {
        let sum = (i64::from(self.0) + i64::from(count)) & i64::from(i32::MAX);
        Self(i32::try_from(sum).expect("masked to 31 bits"))
    }
}

/// The digits of Kafka's ids: URL-safe base 64.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A UUID as messages hold it, whatever it names.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[allow(unreachable_pub, reason = "public with the feature `unstable-wire`")]
pub struct Uuid(pub(crate) [u8; 16]);

impl Uuid {
    /// What the protocol sends for "no id".
    pub(crate) const ZERO: Self = Self([0; 16]);

    /// What it names: nothing if it is all zeros.
    pub(crate) fn known<T: From<Self>>(self) -> Option<T> {
        (self != Self::ZERO).then(|| T::from(self))
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&TopicId::from(*self), f)
    }
}

impl<T: Into<Self>> From<Option<T>> for Uuid {
    fn from(id: Option<T>) -> Self {
        id.map_or(Self::ZERO, Into::into)
    }
}

/// The error of parsing an id: the text is not Kafka's form of a UUID, 22 digits of URL-safe
/// base64.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an id: 22 digits of URL-safe base64 are expected")]
pub struct ParseIdError {
    text: String,
}

macro_rules! uuid {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 16]);

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id.0)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                Self(id.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl fmt::Display for $name {
            /// Writes the id as Kafka's tools do: URL-safe base64 without padding.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let bits = u128::from_be_bytes(self.0);
                let digits = (0..22).map(|i| {
                    let sextet = if i == 21 { bits << 4 } else { bits >> (122 - 6 * i) } & 63;
                    char::from(DIGITS[usize::try_from(sextet).expect("masked to 6 bits")])
                });
                f.pad(&digits.collect::<String>())
            }
        }

        impl std::str::FromStr for $name {
            type Err = ParseIdError;

            /// Reads an id as Kafka's tools write it.
            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let digit = |byte: u8| DIGITS.iter().position(|digit| *digit == byte).and_then(|at| u128::try_from(at).ok());
                let digits: Option<Vec<u128>> = text.bytes().map(digit).collect();
                match digits.as_deref() {
                    // 22 digits hold 132 bits, of which the last four are none of the id's.
                    Some([first @ .., last]) if first.len() == 21 && last & 15 == 0 => {
                        let bits = first.iter().fold(0, |bits: u128, digit| bits << 6 | digit);
                        Ok(Self((bits << 2 | last >> 4).to_be_bytes()))
                    }
                    _ => Err(ParseIdError { text: shown(text).to_string() }),
                }
            }
        }
    };
}

uuid! {
    /// The id of a topic (KIP-516). A topic deleted and created again under the same name gets
    /// another id.
    TopicId
}
uuid! {
    /// The id of a log directory of a broker (KIP-858).
    DirectoryId
}
uuid! {
    /// The id that a broker assigns to a client for its pushed metrics (KIP-714). The cluster's
    /// operators see the client's metrics under this id.
    ClientInstanceId
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Returns the name as a string slice.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl<T: AsRef<str>> From<T> for $name {
            fn from(name: T) -> Self {
                Self(name.as_ref().into())
            }
        }

        impl std::ops::Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&shown(&self.0), f)
            }
        }

        impl fmt::Display for $name {
            /// Writes the name; of one that Kafka does not allow, as a broker may make it up, what
            /// can be shown on one line.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&shown(&self.0), f)
            }
        }
    };
}

name! {
    /// The name of a topic. Cheap to clone.
    TopicName
}
name! {
    /// The id of a group (`group.id`). Cheap to clone.
    GroupId
}
name! {
    /// The id of a transactional producer (`transactional.id`). Cheap to clone.
    TransactionalId
}

/// The longest name that brokers give a topic (Kafka's `Topic.MAX_NAME_LENGTH`).
const LONGEST_TOPIC_NAME: usize = 249;

impl TopicName {
    /// Whether a broker would let a topic have the name, by the rules of Kafka's `Topic.validate`.
    /// What has another name does not exist, and a request that holds a name of any length may be
    /// the end of its connection.
    pub(crate) fn is_legal(&self) -> bool {
        let is_of =
            |letter: u8| letter.is_ascii_alphanumeric() || matches!(letter, b'.' | b'_' | b'-');
        !matches!(self.as_str(), "" | "." | "..")
            && self.len() <= LONGEST_TOPIC_NAME
            && self.bytes().all(is_of)
    }
}

/// A partition of a topic.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic.
    pub topic: TopicName,
    /// The number of the partition within the topic.
    pub partition: PartitionId,
}

impl TopicPartition {
    /// Creates the identifier of a partition from its topic and number.
    pub fn new(topic: impl Into<TopicName>, partition: impl Into<PartitionId>) -> Self {
        Self { topic: topic.into(), partition: partition.into() }
    }

    /// Partitions by topic, as most requests name them.
    pub(crate) fn by_topic<'k, V>(
        partitions: impl IntoIterator<Item = (&'k Self, V)>,
    ) -> BTreeMap<&'k TopicName, Vec<(PartitionId, V)>> {
        let mut topics: BTreeMap<&TopicName, Vec<_>> = BTreeMap::new();
        for (partition, value) in partitions {
            topics.entry(&partition.topic).or_default().push((partition.partition, value));
        }
        topics
    }
}

impl fmt::Debug for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for TopicPartition {
    /// Writes `topic-partition`, as Kafka's own logs do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        padded(f, format_args!("{}-{}", self.topic, self.partition))
    }
}

/// Tells the replies of one attempt to be a member from those of another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Attempt(u64);

impl Attempt {
    pub(crate) fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Partitions by the ids of their topics, as heartbeats have them.
pub(crate) type PartitionsById = BTreeMap<TopicId, BTreeSet<PartitionId>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_wraps_to_zero_after_the_largest() {
        assert_eq!(Sequence(i32::MAX).advance(1), Sequence(0));
        assert_eq!(Sequence(i32::MAX - 1).advance(3), Sequence(1));
        assert_eq!(Sequence(7).advance(0), Sequence(7));
    }

    #[test]
    fn a_topic_has_a_name_that_brokers_allow() {
        for legal in ["a", "a.b_c-D9", "...", &"x".repeat(249)] {
            assert!(TopicName::from(legal).is_legal(), "{legal}");
        }
        for illegal in ["", ".", "..", "a b", "a/b", "ä", "a\n", &"x".repeat(250)] {
            assert!(!TopicName::from(illegal).is_legal(), "{illegal}");
        }
    }

    #[test]
    fn topic_id_prints_as_kafkas_uuid() {
        let id = TopicId(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef_u128.to_be_bytes());
        assert_eq!(id.to_string(), "ASNFZ4mrze8BI0VniavN7w");
        assert_eq!("ASNFZ4mrze8BI0VniavN7w".parse::<TopicId>().ok(), Some(id));
        let highest = TopicId([255; 16]);
        assert_eq!(highest.to_string().parse::<TopicId>().ok(), Some(highest));
    }

    #[test]
    fn what_is_printed_keeps_to_the_width() {
        let partition = TopicPartition::new("orders", 7);
        assert_eq!(
            format!("{partition:>10}|{:<8}|{:>4}", partition.topic, partition.partition),
            "  orders-7|orders  |   7"
        );
        assert_eq!(format!("{:24}|", TopicId([0; 16])).len(), 25);
        assert_eq!(format!("{:>8}", crate::Compression::LZ4), "     lz4");
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in [
            "",
            "orders",
            "ASNFZ4mrze8BI0VniavN7",
            "ASNFZ4mrze8BI0VniavN7x",
            "ASNFZ4mrze8BI0VniavN7/",
        ] {
            assert!(text.parse::<TopicId>().is_err(), "{text:?}");
        }
    }
}
