//! Regular expressions over topic names, resolved by the coordinator (KIP-848).
//!
//! Kafka resolves them after the heartbeat that brought them, in another thread; the next heartbeat
//! finds the result. Here they are resolved when the heartbeat is done.

use std::collections::BTreeSet;
use std::time::Duration;

use kafka_protocol::ResponseError;
use regex_lite::Regex;
use tokio::time::Instant;

use super::member::ConsumerMember;
use super::{ConsumerGroup, Context};

/// Kafka's `REGEX_BATCH_REFRESH_MIN_INTERVAL_MS`.
const SELDOM: Duration = Duration::from_secs(10);

/// What a regular expression meant when it was last looked at.
#[derive(Clone, Debug)]
pub(super) struct Resolved {
    pub(super) topics: BTreeSet<String>,
    /// How many topics had been created by then.
    created: u64,
    at: Instant,
}

/// What became of a member's regular expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RegexChange {
    None,
    /// It is another one, which is not resolved yet.
    Updated,
    /// It is another one that is known, or none any more.
    Resolved,
}

impl ConsumerGroup {
    /// What changes when `old` becomes `new`; drops what nobody uses any more. `self` still has the
    /// members from before.
    pub(super) fn change_regex(
        &mut self,
        old: &ConsumerMember,
        new: &ConsumerMember,
    ) -> Result<RegexChange, ResponseError> {
        if old.regex == new.regex {
            return Ok(RegexChange::None);
        }
        let is_known = match new.regex() {
            Some(regex) if self.users_of(regex) == 0 => {
                compile(regex)?;
                false
            }
            Some(regex) => self.resolved.contains_key(regex),
            None => true,
        };
        if let Some(regex) = old.regex().filter(|regex| self.users_of(regex) == 1) {
            self.resolved.remove(regex);
        }
        Ok(if is_known { RegexChange::Resolved } else { RegexChange::Updated })
    }

    /// Whether the expressions are to be looked at now; `before` is the group before the heartbeat.
    pub(super) fn must_resolve(&self, before: &Self, cx: Context<'_>) -> bool {
        let wanted = self.regexes();
        if wanted.is_empty() {
            return false;
        }
        let Some(last) = before.resolved.values().next() else { return true };
        if cx.now <= last.at + SELDOM {
            return false;
        }
        wanted.len() != before.resolved.len()
            || last.created < cx.created
            || cx.now > last.at + cx.settings.regex_refresh
    }

    /// Finds the topics of every expression; the group epoch goes up if they are others.
    pub(super) fn resolve(&mut self, cx: Context<'_>) {
        let mut has_changed = false;
        for regex in self.regexes() {
            // It was compiled when it came.
            let Ok(compiled) = compile(&regex) else { continue };
            let matches = cx.topics.keys().filter(|name| compiled.is_match(name));
            let topics: BTreeSet<String> = matches.cloned().collect();
            let old = self.resolved.get(&regex).map(|resolved| &resolved.topics);
            has_changed |= *old.unwrap_or(&BTreeSet::new()) != topics;
            self.resolved.insert(regex, Resolved { topics, created: cx.created, at: cx.now });
        }
        self.look_at_topics(has_changed, cx);
    }

    fn users_of(&self, regex: &str) -> usize {
        self.members.values().filter(|member| member.regex() == Some(regex)).count()
    }

    pub(super) fn regexes(&self) -> BTreeSet<String> {
        self.members.values().filter_map(ConsumerMember::regex).map(str::to_owned).collect()
    }
}

/// A name must match as a whole, as RE2/J's `matches` has it.
fn compile(regex: &str) -> Result<Regex, ResponseError> {
    // Compiled alone first: what is only valid in parentheses is not valid.
    let invalid = |_| ResponseError::InvalidRegularExpression;
    Regex::new(regex).map_err(invalid)?;
    Regex::new(&format!("^(?:{regex})$")).map_err(invalid)
}
