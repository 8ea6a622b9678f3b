//! The version of Apache Kafka, and what depends on it.

use std::fmt;
use std::str::FromStr;

use super::error::{Error, Result};

/// A released version of Apache Kafka, such as 4.3.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    major: u16,
    minor: u16,
    patch: u16,
}

impl Version {
    /// The version that tests use by default.
    pub const DEFAULT: Self = Self::new(4, 3, 1);

    /// Creates a version from its three numbers.
    pub const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self { major, minor, patch }
    }

    /// Whether brokers keep their metadata in ZooKeeper: KRaft is for production from 3.3
    /// (KIP-833).
    pub fn needs_zookeeper(self) -> bool {
        self < Self::new(3, 3, 0)
    }

    /// Whether Kafka logs by log4j 2 (KIP-653, from 4.0).
    pub(super) fn logs_by_log4j2(self) -> bool {
        self.major >= 4
    }

    /// The version of the Java tools: `kafka-tools` was not published for every release.
    pub(super) fn tools(self) -> Self {
        match (self.major, self.minor, self.patch) {
            (4, 4, 0) => Self::new(4, 3, 1),
            (4, 2, 2) => Self::new(4, 2, 1),
            (3, 4, 1) => Self::new(3, 4, 0),
            _ => self,
        }
    }

    /// The main class of a tool that moved, under its newest name: KAFKA-14525 moved the tools out
    /// of `kafka.*`.
    pub(super) fn tool_class(self, class: &str) -> String {
        let old = match class {
            "org.apache.kafka.tools.TopicCommand" if self < Self::new(3, 7, 0) => {
                "kafka.admin.TopicCommand"
            }
            "org.apache.kafka.tools.consumer.ConsoleConsumer" if self < Self::new(3, 8, 0) => {
                "kafka.tools.ConsoleConsumer"
            }
            "org.apache.kafka.tools.AclCommand" if self < Self::new(4, 2, 0) => {
                "kafka.admin.AclCommand"
            }
            "org.apache.kafka.tools.ConsoleProducer" if self < Self::new(4, 0, 0) => {
                "kafka.tools.ConsoleProducer"
            }
            "org.apache.kafka.tools.AclCommand" if self < Self::new(4, 0, 0) => {
                "kafka.admin.AclCommand"
            }
            "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
                if self < Self::new(3, 8, 0) =>
            {
                "kafka.admin.ConsumerGroupCommand"
            }
            _ => class,
        };
        old.to_owned()
    }
}

impl FromStr for Version {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let numbers: Option<Vec<u16>> = text.split('.').map(|number| number.parse().ok()).collect();
        match numbers.as_deref() {
            Some(&[major, minor, patch]) => Ok(Self::new(major, minor, patch)),
            _ => Err(Error::Config(format!(
                "{text:?} is not a version of Apache Kafka, such as 4.3.1"
            ))),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_three_numbers() {
        assert_eq!("4.3.1".parse::<Version>().unwrap(), Version::DEFAULT);
        for bad in ["", "4", "4.3", "4.3.x", "4.3.1.1", "-1.0.0"] {
            assert!(bad.parse::<Version>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn versions_before_3_3_need_zookeeper() {
        assert!(Version::new(3, 2, 3).needs_zookeeper());
        assert!(!Version::new(3, 3, 0).needs_zookeeper());
    }
}
