//! When to ask for metadata.
//!
//! ```text
//!            age, request          reply
//!   Fresh ───────────────▶ Asking ───────▶ Fresh
//!                            │ ▲
//!                    failure ▼ │ backoff passed
//!                           Waiting
//! ```
//!
//! After a refusal that lasts (wrong credentials, a certificate that is not trusted) it waits until somebody wants to know again, or
//! for the age at which it would ask anyway: an account is not locked out by a client that nobody uses.
//!
//! A request for a refresh is merged with one that is under way only if that one has not been sent yet: what is asked
//! after it was sent may not be in its reply.

use std::time::{Duration, Instant};

use super::retry::Backoff;
use crate::clock::Random;

/// Decides when the metadata task asks.
#[derive(Debug)]
pub(crate) struct Refresh {
    max_age: Duration,
    backoff: Backoff,
    state: State,
    /// Something asked for newer metadata than what the last sent request will bring.
    wanted: bool,
    failures: u32,
    /// No request leaves before this, so that errors in a row do not flood the brokers.
    not_before: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing was ever learned.
    Empty,
    Fresh {
        since: Instant,
    },
    Asking,
    Waiting,
    /// Trying again by itself would help nobody.
    Refused {
        since: Instant,
    },
}

impl Refresh {
    pub(crate) fn new(max_age: Duration, backoff: Backoff, now: Instant) -> Self {
        Self { max_age, backoff, state: State::Empty, wanted: false, failures: 0, not_before: now }
    }

    /// Somebody needs newer metadata.
    pub(crate) fn handle_wanted(&mut self) {
        self.wanted = true;
    }

    /// The reply has come. `complete` says whether it held everything that was asked for; otherwise it is asked again.
    pub(crate) fn handle_reply(&mut self, complete: bool, random: &mut Random, now: Instant) {
        self.state = State::Fresh { since: now };
        // A stale reply must not lead to asking in a tight loop, but what is complete need not slow the next question.
        self.failures = if complete { 0 } else { self.failures.saturating_add(1) };
        self.wanted |= !complete;
        self.not_before = now + self.backoff.after(self.failures.max(1), random);
    }

    /// The request failed.
    pub(crate) fn handle_failure(&mut self, random: &mut Random, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        self.state = State::Waiting;
        self.not_before = now + self.backoff.after(self.failures, random);
    }

    /// The brokers will not talk to this client, and trying again changes nothing.
    pub(crate) fn handle_refusal(&mut self, random: &mut Random, now: Instant) {
        self.handle_failure(random, now);
        self.state = State::Refused { since: now };
        // Those who have wanted it so far hear of the refusal.
        self.wanted = false;
    }

    /// Whether to ask now; the caller then asks and tells the outcome.
    pub(crate) fn poll(&mut self, now: Instant) -> bool {
        if self.poll_timeout().is_none_or(|due| due > now) {
            return false;
        }
        self.state = State::Asking;
        self.wanted = false;
        true
    }

    /// When [`Refresh::poll`] will want to ask.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Asking => None,
            State::Empty if !self.wanted => None,
            State::Fresh { since } | State::Refused { since } if !self.wanted => Some(self.not_before.max(since + self.max_age)),
            State::Fresh { .. } | State::Refused { .. } | State::Empty | State::Waiting => Some(self.not_before),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AGE: Duration = Duration::from_secs(300);

    fn machine(now: Instant) -> (Refresh, Random) {
        (Refresh::new(AGE, Backoff::new(Duration::from_millis(100), Duration::from_secs(1)), now), Random::new(7))
    }

    #[test]
    fn nothing_is_asked_before_somebody_wants_it() {
        let now = Instant::now();
        let (mut refresh, _) = machine(now);
        assert!(!refresh.poll(now + AGE * 10));
        refresh.handle_wanted();
        assert!(refresh.poll(now));
    }

    #[test]
    fn age_alone_makes_it_ask_again() {
        let now = Instant::now();
        let (mut refresh, mut random) = machine(now);
        refresh.handle_wanted();
        assert!(refresh.poll(now));
        refresh.handle_reply(true, &mut random, now);
        assert!(!refresh.poll(now + AGE - Duration::from_millis(1)));
        assert!(refresh.poll(now + AGE));
    }

    #[test]
    fn what_is_wanted_after_the_request_left_is_asked_again() {
        let now = Instant::now();
        let (mut refresh, mut random) = machine(now);
        refresh.handle_wanted();
        assert!(refresh.poll(now));
        refresh.handle_wanted();
        assert!(!refresh.poll(now), "one at a time");
        refresh.handle_reply(true, &mut random, now);
        assert!(!refresh.poll(now), "not at once");
        assert!(refresh.poll(now + Duration::from_millis(120)));
    }

    #[test]
    fn failures_back_off_and_go_on() {
        let now = Instant::now();
        let (mut refresh, mut random) = machine(now);
        refresh.handle_wanted();
        let mut at = now;
        for expected in [100, 200, 400, 800, 1000, 1000] {
            assert!(refresh.poll(at));
            refresh.handle_failure(&mut random, at);
            let next = refresh.poll_timeout().unwrap();
            let wait = (next - at).as_millis();
            assert!((expected * 8 / 10..=expected * 12 / 10).contains(&wait), "{wait} ms for {expected}");
            at = next;
        }
    }

    #[test]
    fn a_refusal_is_not_tried_again_before_somebody_wants_it() {
        let now = Instant::now();
        let (mut refresh, mut random) = machine(now);
        refresh.handle_wanted();
        assert!(refresh.poll(now));
        refresh.handle_wanted();
        refresh.handle_refusal(&mut random, now);
        assert!(!refresh.poll(now + AGE - Duration::from_millis(1)));
        refresh.handle_wanted();
        assert!(!refresh.poll(now), "not at once");
        assert!(refresh.poll(now + Duration::from_millis(120)));
        refresh.handle_refusal(&mut random, now);
        assert!(refresh.poll(now + AGE), "as old metadata");
    }

    proptest! {
        #[test]
        fn requests_are_never_closer_than_the_backoff(steps in prop::collection::vec((0_u64..500, 0_u8..3), 1..200), seed: u64) {
            let mut now = Instant::now();
            let (mut refresh, _) = machine(now);
            let mut random = Random::new(seed);
            let mut last = None;
            for (millis, what) in steps {
                now += Duration::from_millis(millis);
                refresh.handle_wanted();
                if refresh.poll(now) {
                    if let Some(last) = last {
                        prop_assert!(now - last >= Duration::from_millis(80));
                    }
                    last = Some(now);
                    match what {
                        0 => refresh.handle_failure(&mut random, now),
                        1 => refresh.handle_reply(false, &mut random, now),
                        _ => refresh.handle_reply(true, &mut random, now),
                    }
                }
            }
        }
    }
}
