//! What the application asks for.

use std::collections::BTreeSet;

use crate::cluster::ClusterView;
use crate::error::{Error, Result};
use crate::ids::TopicName;

/// Which topics or partitions the application asked for.
#[derive(Clone, Debug, Default)]
pub(crate) enum SubscriptionKind {
    #[default]
    Nothing,
    /// Topics by name, shared with the group.
    Topics(BTreeSet<TopicName>),
    /// Topics by pattern, shared with the group.
    Pattern(Pattern),
    /// Partitions that the application chose by itself.
    Manual,
}

impl SubscriptionKind {
    /// Whether a group shares the partitions out.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self, Self::Topics(_) | Self::Pattern(_))
    }

    /// The topics to share with the group; for a pattern, those that match it in this view.
    pub(crate) fn topics(
        &self,
        view: &ClusterView,
        excludes_internal: bool,
    ) -> Option<BTreeSet<TopicName>> {
        match self {
            Self::Nothing | Self::Manual => None,
            Self::Topics(topics) => Some(topics.clone()),
            Self::Pattern(pattern) => {
                let visible = view.topics().filter(|topic| !topic.partitions.is_empty());
                let visible = visible.filter(|topic| !(excludes_internal && topic.is_internal));
                let matching = visible.filter(|topic| pattern.matches(&topic.name));
                Some(matching.map(|topic| topic.name.clone()).collect())
            }
        }
    }
}

/// A regular expression that a whole topic name must match.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    text: String,
    /// `None` if only the coordinator reads it.
    regex: Option<regex_lite::Regex>,
}

impl Pattern {
    pub(crate) fn new(text: &str) -> Result<Self> {
        let regex = regex_lite::Regex::new(&format!("^(?:{text})$")).map_err(|error| {
            Error::config(format!("the pattern {text:?} is no regular expression: {error}"))
        })?;
        Ok(Self { text: text.to_owned(), regex: Some(regex) })
    }

    /// One that only the coordinator reads, which may understand what this client does not.
    pub(crate) fn of_coordinator(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Err(Error::config("the pattern is empty: a regular expression is allowed"));
        }
        Ok(Self { text: text.to_owned(), regex: None })
    }

    pub(crate) fn is_of_coordinator(&self) -> bool {
        self.regex.is_none()
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn matches(&self, topic: &str) -> bool {
        self.regex.as_ref().is_some_and(|regex| regex.is_match(topic))
    }
}

/// By what it says.
impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// Kafka's rule for topic names (`org.apache.kafka.common.internals.Topic`).
pub(super) fn is_topic_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=249).contains(&name.len()) && name != "." && name != ".." && name.bytes().all(is_allowed)
}
