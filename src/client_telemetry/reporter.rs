//! When to ask for a subscription and when to push: the rules of Java's `ClientTelemetryReporter`.
//!
//! ```text
//!            ┌── nothing wanted, or an error that may pass ──┐
//!            ▼                                               │
//!         Needed ── Ask ──▶ Asking ── metrics wanted ──▶ Subscribed ── Push ──▶ Pushing
//!            ▲                                               ▲                   │ │
//!            │                                               └──── answered ─────┘ │
//!            └──────────────────────────── an error that may pass ─────────────────┘
//!         any ── a refusal for good, closing without a subscription, the last push ──▶ Over
//! ```

use std::time::{Duration, Instant};

use crate::clock::Random;
use crate::error::{Error, ErrorCode, ErrorKind};
use crate::ids::ClientInstanceId;
use crate::wire::compress::Compression;

/// What a broker wants to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TelemetrySubscription {
    pub(super) instance: ClientInstanceId,
    pub(super) id: i32,
    pub(super) interval: Duration,
    pub(super) compression: Compression,
    /// Whether totals are told as what was added since they were told last.
    pub(super) is_delta: bool,
    pub(super) selection: Selection,
}

/// Which metrics are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Selection {
    Nothing,
    All,
    /// Those whose names begin with one of these.
    Prefixes(Vec<String>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PushAction {
    /// Ask for a subscription, under the id that was given before.
    Ask(Option<ClientInstanceId>),
    /// Push what the subscription wants.
    Push { is_last: bool },
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Reporter {
    state: State,
    subscription: Option<TelemetrySubscription>,
    random: Random,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Needed { at: Instant },
    Asking,
    Subscribed { at: Instant },
    Pushing,
    LastPushNeeded,
    Over,
}

impl Selection {
    /// Reads the names of a subscription (Java's `getSelectorFromRequestedMetrics`).
    pub(super) fn of(names: &[&str]) -> Self {
        match names {
            [] => Self::Nothing,
            ["*"] => Self::All,
            names => Self::Prefixes(names.iter().map(|name| (*name).to_owned()).collect()),
        }
    }

    pub(super) fn wants(&self, name: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::All => true,
            Self::Prefixes(prefixes) => {
                prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()))
            }
        }
    }
}

impl Reporter {
    pub(super) fn new(random: Random, now: Instant) -> Self {
        Self { state: State::Needed { at: now }, subscription: None, random }
    }

    /// What is to be done now; the answer to it must be handled before there is more.
    pub(super) fn poll(&mut self, now: Instant) -> Option<PushAction> {
        let (next, action) = match self.state {
            State::Needed { at } if at <= now => {
                (State::Asking, PushAction::Ask(self.subscription.as_ref().map(|of| of.instance)))
            }
            State::Subscribed { at } if at <= now => {
                (State::Pushing, PushAction::Push { is_last: false })
            }
            State::LastPushNeeded => (State::Over, PushAction::Push { is_last: true }),
            _ => return None,
        };
        self.state = next;
        Some(action)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Needed { at } | State::Subscribed { at } => Some(at),
            _ => None,
        }
    }

    pub(super) fn subscription(&self) -> Option<&TelemetrySubscription> {
        self.subscription.as_ref()
    }

    /// Whether anybody will be told what is measured from here on.
    pub(super) fn is_listened_to(&self) -> bool {
        matches!(self.state, State::Subscribed { .. } | State::Pushing | State::LastPushNeeded)
    }

    pub(super) fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// There is no connection to ask on: none is made for this.
    pub(super) fn handle_nobody(&mut self, now: Instant) {
        if self.state != State::Over {
            self.state = State::Needed { at: now + NOBODY };
        }
    }

    pub(super) fn handle_subscription(
        &mut self,
        outcome: Result<TelemetrySubscription, Error>,
        now: Instant,
    ) {
        if self.state != State::Asking {
            return;
        }
        match outcome {
            Ok(subscription) => {
                let interval = subscription.interval;
                self.state = match subscription.selection {
                    Selection::Nothing => State::Needed { at: now + interval },
                    // Spread out, so that clients that were started together do not all push
                    // together.
                    _ => State::Subscribed {
                        at: now + self.random.jitter(interval, FIRST_PUSH_SPREAD),
                    },
                };
                self.subscription = Some(subscription);
            }
            Err(error) => self.handle_error(&error, LEAST_INTERVAL, now),
        }
    }

    pub(super) fn handle_push(&mut self, outcome: Result<(), Error>, now: Instant) {
        if self.state != State::Pushing {
            return;
        }
        match outcome {
            Ok(()) => self.state = State::Subscribed { at: now + self.interval() },
            Err(error) => self.handle_error(&error, Duration::ZERO, now),
        }
    }

    /// The client is being closed: what was measured since the last push is pushed, if somebody has
    /// subscribed.
    pub(super) fn handle_close(&mut self) {
        let is_subscribed = match self.state {
            State::Subscribed { .. } | State::Pushing => true,
            State::Asking => {
                self.subscription.as_ref().is_some_and(|of| of.selection != Selection::Nothing)
            }
            State::Needed { .. } | State::LastPushNeeded | State::Over => false,
        };
        self.state = if is_subscribed { State::LastPushNeeded } else { State::Over };
    }

    /// Whatever failed, the next thing is to ask for a subscription (Java's
    /// `maybeFetchErrorIntervalMs`).
    fn handle_error(&mut self, error: &Error, at_once: Duration, now: Instant) {
        let again = match error.code() {
            Some(ErrorCode::UNKNOWN_SUBSCRIPTION_ID | ErrorCode::UNSUPPORTED_COMPRESSION_TYPE) => {
                Some(at_once)
            }
            Some(ErrorCode::TELEMETRY_TOO_LARGE | ErrorCode::THROTTLING_QUOTA_EXCEEDED) => {
                Some(self.interval())
            }
            Some(_) => None,
            // A broker without a receiver: another may have one, or it may get one. Nothing was
            // sent to it.
            None if error.kind() == ErrorKind::Unsupported || error.is_retriable() => {
                Some(DEFAULT_INTERVAL)
            }
            None => None,
        };
        self.state = again.map_or(State::Over, |after| State::Needed { at: now + after });
    }

    fn interval(&self) -> Duration {
        self.subscription.as_ref().map_or(DEFAULT_INTERVAL, |subscription| subscription.interval)
    }
}

/// How often to push where a broker does not say (Kafka's default).
pub(super) const DEFAULT_INTERVAL: Duration = Duration::from_secs(300);

/// Kafka's own bound of `interval.ms`: no broker makes us ask or push more often.
pub(super) const LEAST_INTERVAL: Duration = Duration::from_millis(100);

/// The first push comes after half to one and a half of the interval (Java).
const FIRST_PUSH_SPREAD: f64 = 0.5;

/// When to look again for an open connection (a guess).
const NOBODY: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(60);
    const INSTANCE: ClientInstanceId = ClientInstanceId([7; 16]);

    fn subscription(names: &[&str]) -> TelemetrySubscription {
        TelemetrySubscription {
            instance: INSTANCE,
            id: 3,
            interval: INTERVAL,
            compression: Compression::NONE,
            is_delta: true,
            selection: Selection::of(names),
        }
    }

    /// A reporter that has subscribed, and when it will push first.
    fn subscribed(seed: u64) -> (Reporter, Instant) {
        let now = Instant::now();
        let mut reporter = Reporter::new(Random::new(seed), now);
        assert_eq!(reporter.poll(now), Some(PushAction::Ask(None)));
        assert_eq!(reporter.poll(now), None, "one request at a time");
        reporter.handle_subscription(Ok(subscription(&["*"])), now);
        let first = reporter.poll_timeout().expect("a push");
        let after = first - now;
        assert!((INTERVAL / 2..=INTERVAL * 3 / 2).contains(&after), "{after:?}");
        (reporter, first)
    }

    fn pushing() -> (Reporter, Instant) {
        let (mut reporter, now) = subscribed(1);
        assert_eq!(reporter.poll(now), Some(PushAction::Push { is_last: false }));
        (reporter, now)
    }

    #[test]
    fn first_pushes_are_spread_and_the_next_come_every_interval() {
        let start = Instant::now();
        let firsts: std::collections::BTreeSet<_> =
            (0..20).map(|seed| (subscribed(seed).1 - start).as_secs()).collect();
        assert!(firsts.len() > 10, "{firsts:?}");
        let (mut reporter, now) = pushing();
        reporter.handle_push(Ok(()), now);
        assert_eq!(reporter.poll_timeout(), Some(now + INTERVAL));
        assert_eq!(reporter.poll(now + INTERVAL), Some(PushAction::Push { is_last: false }));
    }

    #[test]
    fn a_subscription_to_nothing_is_asked_for_again_after_its_interval_with_the_id() {
        let now = Instant::now();
        let mut reporter = Reporter::new(Random::new(1), now);
        reporter.poll(now);
        reporter.handle_subscription(Ok(subscription(&[])), now);
        assert!(!reporter.is_listened_to());
        assert_eq!(reporter.poll_timeout(), Some(now + INTERVAL));
        assert_eq!(reporter.poll(now + INTERVAL), Some(PushAction::Ask(Some(INSTANCE))));
    }

    #[test]
    fn each_error_of_a_push_has_its_time_to_ask_again() {
        for (error, again) in [
            (Error::broker(ErrorCode::UNKNOWN_SUBSCRIPTION_ID), Some(Duration::ZERO)),
            (Error::broker(ErrorCode::UNSUPPORTED_COMPRESSION_TYPE), Some(Duration::ZERO)),
            (Error::broker(ErrorCode::TELEMETRY_TOO_LARGE), Some(INTERVAL)),
            (Error::broker(ErrorCode::THROTTLING_QUOTA_EXCEEDED), Some(INTERVAL)),
            (Error::broker(ErrorCode::INVALID_RECORD), None),
            (Error::broker(ErrorCode::INVALID_REQUEST), None),
            (Error::broker(ErrorCode::UNSUPPORTED_VERSION), None),
            (Error::broker(ErrorCode::UNKNOWN_SERVER_ERROR), None),
            (Error::new(ErrorKind::Disconnected, ""), Some(DEFAULT_INTERVAL)),
            (Error::new(ErrorKind::Unsupported, ""), Some(DEFAULT_INTERVAL)),
            (Error::new(ErrorKind::Protocol, ""), Some(DEFAULT_INTERVAL)),
            (Error::new(ErrorKind::Corrupt, ""), None),
        ] {
            let (mut reporter, now) = pushing();
            let name = error.to_string();
            reporter.handle_push(Err(error), now);
            assert_eq!(reporter.poll_timeout(), again.map(|after| now + after), "{name}");
            assert_eq!(reporter.is_over(), again.is_none(), "{name}");
            if let Some(after) = again {
                assert_eq!(
                    reporter.poll(now + after),
                    Some(PushAction::Ask(Some(INSTANCE))),
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn a_broker_that_refuses_subscriptions_for_ever_is_not_asked_in_a_loop() {
        let now = Instant::now();
        let mut reporter = Reporter::new(Random::new(1), now);
        reporter.poll(now);
        reporter.handle_subscription(Err(Error::broker(ErrorCode::UNKNOWN_SUBSCRIPTION_ID)), now);
        assert_eq!(reporter.poll_timeout(), Some(now + LEAST_INTERVAL));
    }

    #[test]
    fn closing_pushes_once_more_only_where_somebody_has_subscribed() {
        let (mut reporter, now) = pushing();
        reporter.handle_close();
        assert_eq!(reporter.poll(now), Some(PushAction::Push { is_last: true }));
        reporter.handle_push(Err(Error::broker(ErrorCode::UNKNOWN_SUBSCRIPTION_ID)), now);
        assert!(reporter.is_over() && reporter.poll(now).is_none());

        let mut reporter = Reporter::new(Random::new(1), now);
        reporter.poll(now);
        reporter.handle_close();
        reporter.handle_subscription(Ok(subscription(&["*"])), now);
        assert!(reporter.is_over() && reporter.poll(now).is_none(), "it came too late");
    }

    #[test]
    fn names_are_prefixes_and_a_star_alone_is_all() {
        let selection =
            Selection::of(&["org.apache.kafka.producer.node.", "org.apache.kafka.consumer"]);
        assert!(selection.wants("org.apache.kafka.producer.node.request.latency.avg"));
        assert!(!selection.wants("org.apache.kafka.producer.connection.creation.rate"));
        assert!(Selection::of(&["*"]).wants("a") && !Selection::of(&[]).wants("a"));
        assert!(!Selection::of(&["*", "b"]).wants("a"), "as in Java");
    }
}
