//! Faults are rules: a condition on a request, and what happens to it then.

use std::ops::RangeInclusive;
use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::ApiKey;

use super::clock::Random;
use super::state::TopicPartition;

/// A rule that a cluster applies to the requests it receives.
///
/// Without conditions it meets every request. Conditions all have to hold; [`Fault::nth`],
/// [`Fault::times`] and [`Fault::probability`] count only the requests that meet the others.
///
/// ```
/// use kavka_testcontainers::embedded::{ApiKey, ErrorCode, Fault, Reaction};
///
/// let lost_once = Fault::on(ApiKey::Produce).partition("t", 0).nth(2).then(Reaction::CloseAfter);
/// let flaky = Fault::on(ApiKey::Fetch).probability(0.05).then(Reaction::Answer(ErrorCode::UnknownServerError));
/// # let _ = (lost_once, flaky);
/// ```
#[derive(Clone, Debug)]
pub struct Fault {
    api: Option<ApiKey>,
    broker: Option<i32>,
    client_id: Option<String>,
    version: i16,
    topic: Option<String>,
    partition: Option<i32>,
    /// Which of the requests that meet the condition, counted from 1.
    turns: RangeInclusive<u64>,
    millionths: u32,
    reaction: Reaction,
}

/// What happens to a request that meets a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reaction {
    /// Nothing: the rule only counts.
    Observe,
    /// It waits before it is served, and so does what is behind it on the connection.
    Delay(Duration),
    /// It is served, and the reply waits.
    DelayReply(Duration),
    /// It is served, and the reply asks for silence of this length (KIP-219); the broker listens
    /// all the same, which shows who obeys.
    Throttle(Duration),
    /// It is served, but the connection never says anything again.
    DropReply,
    /// The connection closes and the request is not served.
    CloseBefore,
    /// It is served, then the connection closes without a reply.
    CloseAfter,
    /// The error code is answered, for every partition that meets the rule, and nothing is done.
    Answer(ResponseError),
    /// The partitions it names that meet the rule get another leader, or this one, before it is
    /// served.
    MoveLeader(Option<i32>),
    /// The group's or transaction's coordinator moves to another broker, or this one, before it is
    /// served.
    MoveCoordinator(Option<i32>),
    /// The broker claims other versions of an API from now on.
    SetVersions {
        /// Whose versions.
        api: ApiKey,
        /// The lowest it claims.
        min: i16,
        /// The highest it claims.
        max: i16,
    },
    /// It is served, but the reply's body is noise of this length.
    Garbage(usize),
    /// It is served, but only the first bytes of the reply go out before the connection closes.
    Truncate(usize),
    /// It is served, but the reply has another correlation id.
    WrongCorrelation,
    /// It is served, but the reply is spoiled behind its correlation id, by the cluster's seed: a
    /// lying server.
    Mutate,
    /// It is served, but the frame announces this length.
    WrongLength(i32),
}

/// A rule in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FaultId(u64);

impl Fault {
    /// A rule for one API.
    pub fn on(api: ApiKey) -> Self {
        Self { api: Some(api), ..Self::any() }
    }

    /// A rule for every request.
    pub fn any() -> Self {
        Self {
            api: None,
            broker: None,
            client_id: None,
            version: 0,
            topic: None,
            partition: None,
            turns: 1..=u64::MAX,
            millionths: 1_000_000,
            reaction: Reaction::Observe,
        }
    }

    /// Only requests to this broker.
    #[must_use]
    pub fn broker(mut self, id: i32) -> Self {
        self.broker = Some(id);
        self
    }

    /// Only requests of this client.
    #[must_use]
    pub fn client_id(mut self, id: impl Into<String>) -> Self {
        self.client_id = Some(id.into());
        self
    }

    /// Only requests of this version of the API, or a later one.
    #[must_use]
    pub fn from_version(mut self, version: i16) -> Self {
        self.version = version;
        self
    }

    /// Only requests that name a partition of this topic.
    #[must_use]
    pub fn topic(mut self, name: impl Into<String>) -> Self {
        self.topic = Some(name.into());
        self
    }

    /// Only requests that name this partition.
    #[must_use]
    pub fn partition(self, topic: impl Into<String>, partition: i32) -> Self {
        Self { partition: Some(partition), ..self.topic(topic) }
    }

    /// Only the n-th such request, counted from 1.
    #[must_use]
    pub fn nth(mut self, n: u64) -> Self {
        self.turns = n..=n;
        self
    }

    /// Only the first `n` such requests.
    #[must_use]
    pub fn times(mut self, n: u64) -> Self {
        self.turns = 1..=n;
        self
    }

    /// Only such requests after the first `n`.
    #[must_use]
    pub fn after(mut self, n: u64) -> Self {
        self.turns = n.saturating_add(1)..=u64::MAX;
        self
    }

    /// Only some of such requests, by the cluster's seed.
    #[must_use]
    pub fn probability(mut self, probability: f64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to 0..=1,000,000"
        )]
        let millionths = (probability.clamp(0.0, 1.0) * 1e6) as u32;
        self.millionths = millionths;
        self
    }

    /// What happens then.
    #[must_use]
    pub fn then(mut self, reaction: Reaction) -> Self {
        self.reaction = reaction;
        self
    }

    fn meets(&self, request: &Facts<'_>) -> bool {
        let differs = |want: Option<i32>, is: i32| want.is_some_and(|want| want != is);
        if self.api.is_some_and(|api| api != request.api) || differs(self.broker, request.broker) {
            return false;
        }
        if self.client_id.as_deref().is_some_and(|id| Some(id) != request.client_id) {
            return false;
        }
        if request.version < self.version {
            return false;
        }
        self.topic.is_none()
            || request.partitions.iter().any(|partition| self.names(&partition.0, partition.1))
    }

    fn names(&self, topic: &str, partition: i32) -> bool {
        self.topic.as_deref().is_none_or(|name| name == topic)
            && self.partition.is_none_or(|index| index == partition)
    }
}

/// What a rule can ask about a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) api: ApiKey,
    pub(crate) broker: i32,
    pub(crate) version: i16,
    pub(crate) client_id: Option<&'a str>,
    pub(crate) partitions: &'a [TopicPartition],
}

/// A reaction, with the rule's idea of which partitions it is for.
#[derive(Clone, Debug)]
pub(crate) struct Hit {
    rule: Fault,
}

impl Hit {
    pub(crate) fn reaction(&self) -> Reaction {
        self.rule.reaction
    }

    pub(crate) fn is_for(&self, topic: &str, partition: i32) -> bool {
        self.rule.names(topic, partition)
    }
}

/// The rules in force, in the order in which they were added.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    rules: Vec<(FaultId, Fault, u64, u64)>,
    next: u64,
}

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) -> FaultId {
        self.next += 1;
        let id = FaultId(self.next);
        self.rules.push((id, fault, 0, 0));
        id
    }

    pub(crate) fn remove(&mut self, id: FaultId) {
        self.rules.retain(|(known, ..)| *known != id);
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    /// How often a rule has acted.
    pub(crate) fn hits(&self, id: FaultId) -> u64 {
        self.rules.iter().find(|(known, ..)| *known == id).map_or(0, |(.., hits)| *hits)
    }

    /// The rules that a request meets now.
    pub(crate) fn judge(&mut self, request: &Facts<'_>, random: &mut Random) -> Vec<Hit> {
        let mut met = Vec::new();
        for (_, rule, seen, hits) in &mut self.rules {
            if !rule.meets(request) {
                continue;
            }
            *seen += 1;
            if rule.turns.contains(seen)
                && (rule.millionths >= 1_000_000 || random.chance(rule.millionths))
            {
                *hits += 1;
                met.push(Hit { rule: rule.clone() });
            }
        }
        met
    }
}
