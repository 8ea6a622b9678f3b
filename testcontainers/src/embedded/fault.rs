//! Faults are rules: a condition on a request, and what happens to it then.

use std::ops::RangeInclusive;
use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::ApiKey;

use super::clock::Random;
use super::state::TopicPartition;

/// A rule that a cluster applies to the requests it receives.
///
/// Without conditions it applies to every request; otherwise all conditions must hold.
/// [`Fault::nth`], [`Fault::times`] and [`Fault::probability`] count only the requests that meet
/// the other conditions.
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

/// What happens to a request to which a rule applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reaction {
    /// Nothing happens: the rule only counts.
    Observe,
    /// It waits before it is served, as do the requests behind it on the connection.
    Delay(Duration),
    /// It is served, but the reply waits.
    DelayReply(Duration),
    /// It is served, and the reply asks the client to pause for this long (KIP-219). The broker
    /// goes on reading, which shows whether the client obeys.
    Throttle(Duration),
    /// It is served, but nothing is ever sent on the connection again.
    DropReply,
    /// The connection closes and the request is not served.
    CloseBefore,
    /// It is served, then the connection closes without a reply.
    CloseAfter,
    /// It is not served; the reply has this error code for every partition to which the rule
    /// applies.
    Answer(ResponseError),
    /// Before it is served, the partitions to which the rule applies get this leader, or another
    /// one.
    MoveLeader(Option<i32>),
    /// Before it is served, the group's or transaction's coordinator moves to this broker, or to
    /// another one.
    MoveCoordinator(Option<i32>),
    /// The broker advertises other versions of an API from then on.
    SetVersions {
        /// Whose versions.
        api: ApiKey,
        /// The lowest it claims.
        min: i16,
        /// The highest it claims.
        max: i16,
    },
    /// It is served, but the body of the reply is random bytes of this length.
    Garbage(usize),
    /// It is served, but only so many bytes of the reply are sent before the connection closes.
    Truncate(usize),
    /// It is served, but the reply has another correlation id.
    WrongCorrelation,
    /// It is served, but the reply is corrupted after its correlation id, as the cluster's seed
    /// says.
    Mutate,
    /// It is served, but the frame of the reply has this length field.
    WrongLength(i32),
}

/// Names a rule that was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FaultId(u64);

impl Fault {
    /// Creates a rule for one API.
    pub fn on(api: ApiKey) -> Self {
        Self { api: Some(api), ..Self::any() }
    }

    /// Creates a rule for every request.
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

    /// Applies only to requests to this broker.
    #[must_use]
    pub fn broker(mut self, id: i32) -> Self {
        self.broker = Some(id);
        self
    }

    /// Applies only to requests of this client.
    #[must_use]
    pub fn client_id(mut self, id: impl Into<String>) -> Self {
        self.client_id = Some(id.into());
        self
    }

    /// Applies only to requests of this version of the API, or a later one.
    #[must_use]
    pub fn from_version(mut self, version: i16) -> Self {
        self.version = version;
        self
    }

    /// Applies only to requests that name a partition of this topic.
    #[must_use]
    pub fn topic(mut self, name: impl Into<String>) -> Self {
        self.topic = Some(name.into());
        self
    }

    /// Applies only to requests that name this partition.
    #[must_use]
    pub fn partition(self, topic: impl Into<String>, partition: i32) -> Self {
        Self { partition: Some(partition), ..self.topic(topic) }
    }

    /// Applies only to the n-th such request, counted from 1.
    #[must_use]
    pub fn nth(mut self, n: u64) -> Self {
        self.turns = n..=n;
        self
    }

    /// Applies only to the first `n` such requests.
    #[must_use]
    pub fn times(mut self, n: u64) -> Self {
        self.turns = 1..=n;
        self
    }

    /// Applies only to such requests after the first `n`.
    #[must_use]
    pub fn after(mut self, n: u64) -> Self {
        self.turns = n.saturating_add(1)..=u64::MAX;
        self
    }

    /// Applies with this probability, as the cluster's seed says.
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

    /// Sets what happens then.
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
