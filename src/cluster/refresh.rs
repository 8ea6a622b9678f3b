//! When to ask for metadata, and of which topics.
//!
//! ```text
//!            age, stale            reply
//!   Fresh ───────────────▶ asking ───────▶ Fresh       all that is wanted
//!                            │ ▲
//!                    failure ▼ │ backoff passed
//!                           Waiting
//!
//!            at once               described
//!   Open  ───────────────▶ asking ───────▶ (gone)      a topic that is new, or in trouble
//!     ▲                      │ not there, no leader
//!     └── its pause grows ◀──┘
//! ```
//!
//! A topic that has just come to be wanted is asked for alone and at once. One that is not there,
//! or has a partition without a leader, is asked for again alone, after pauses of its own that grow
//! with the time that this has lasted: the trouble of one topic is not that of another.
//!
//! After a refusal that lasts (wrong credentials, a certificate that is not trusted) it waits until
//! somebody wants to know again, or for the age at which it would ask anyway: an account is not
//! locked out by a client that nobody uses.
//!
//! A request for a refresh is merged with one that is under way only if that one has not been sent
//! yet: what is asked after it was sent may not be in its reply.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::complaint::Complaint;
use super::retry::Backoff;
use super::view::TopicTrouble;
use crate::clock::Random;
use crate::ids::TopicName;

/// Decides when the metadata task asks.
#[derive(Debug)]
pub(crate) struct MetadataRefresh {
    max_age: Duration,
    backoff: Backoff,
    state: State,
    asking: Option<RefreshRequest>,
    /// Something asked for newer metadata than what the last sent request will bring.
    is_stale: bool,
    failures: u32,
    /// Replies in a row that have brought nothing new although somebody thought that they would
    /// (KIP-580).
    unchanged: u32,
    /// No request of all that is wanted leaves before this, so that errors in a row do not flood
    /// the brokers.
    not_before: Instant,
    /// No request at all leaves before this, after one that failed.
    retry_at: Instant,
    open: BTreeMap<TopicName, IncompleteTopic>,
}

/// What to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RefreshRequest {
    /// All that is wanted.
    Whole,
    /// These topics.
    Topics(BTreeSet<TopicName>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing was ever learned.
    Empty,
    Fresh {
        since: Instant,
    },
    /// Trying again by itself would help nobody.
    Refused {
        since: Instant,
    },
}

/// A topic that is not described as it should be.
#[derive(Clone, Copy, Debug)]
struct IncompleteTopic {
    /// Since when it has been in trouble; `None` if it was not asked for yet.
    since: Option<Instant>,
    failures: u32,
    not_before: Instant,
    complaint: Complaint,
}

/// A topic whose trouble has lasted so long that it is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LastingTrouble {
    pub(crate) topic: TopicName,
    pub(crate) trouble: TopicTrouble,
    pub(crate) lasted: Duration,
}

/// A topic in trouble waits for so much of the time that this has lasted before it is asked for
/// again.
const PART_OF_TROUBLE: u32 = 8;

/// The longest pause for a partition without a leader: whoever writes to it waits for the end of it
/// (a guess).
const LEADERLESS: Duration = Duration::from_secs(5);

impl MetadataRefresh {
    pub(crate) fn new(max_age: Duration, backoff: Backoff, now: Instant) -> Self {
        Self {
            max_age,
            backoff,
            state: State::Empty,
            asking: None,
            is_stale: false,
            failures: 0,
            unchanged: 0,
            not_before: now,
            retry_at: now,
            open: BTreeMap::new(),
        }
    }

    /// Somebody needs newer metadata.
    pub(crate) fn handle_stale(&mut self) {
        self.is_stale = true;
    }

    /// Somebody needs every topic of the cluster.
    pub(crate) fn handle_all_wanted(&mut self, now: Instant) {
        self.is_stale = true;
        self.not_before = now;
    }

    /// Somebody needs a topic that is not described.
    pub(crate) fn handle_added(&mut self, topic: TopicName, now: Instant) {
        let open = self.open.entry(topic).or_insert_with(|| IncompleteTopic::new(now));
        open.not_before = open.not_before.min(now + self.backoff.least());
        if matches!(self.state, State::Refused { .. }) {
            self.is_stale = true;
        }
    }

    /// Forgets the troubles of topics that nobody wants.
    pub(crate) fn retain(&mut self, is_wanted: impl Fn(&TopicName) -> bool) {
        self.open.retain(|topic, _| is_wanted(topic));
    }

    /// The reply has come: what is wrong with the topics that were asked for, and whether anything
    /// is new. Returns what is to be told.
    pub(crate) fn handle_reply(
        &mut self,
        topics: impl IntoIterator<Item = (TopicName, Option<TopicTrouble>)>,
        brought_news: bool,
        random: &mut Random,
        now: Instant,
    ) -> Vec<LastingTrouble> {
        self.failures = 0;
        self.retry_at = now;
        if self.asking.take() == Some(RefreshRequest::Whole) || self.state == State::Empty {
            self.state = State::Fresh { since: now };
            // A stale reply must not lead to asking in a tight loop.
            let is_in_a_row = self.not_before + 2 * self.backoff.longest() > now;
            self.unchanged = if brought_news {
                0
            } else if is_in_a_row {
                self.unchanged.saturating_add(1)
            } else {
                1
            };
            self.not_before = now + self.backoff.after(self.unchanged.max(1), random);
        }
        let mut lasting = Vec::new();
        for (topic, trouble) in topics {
            match trouble {
                None => drop(self.open.remove(&topic)),
                Some(trouble) => {
                    let open =
                        self.open.entry(topic.clone()).or_insert_with(|| IncompleteTopic::new(now));
                    let lasted =
                        open.handle_trouble(trouble, self.backoff, self.max_age, random, now);
                    lasting.extend(lasted.map(|lasted| LastingTrouble { topic, trouble, lasted }));
                }
            }
        }
        lasting
    }

    /// The request failed.
    pub(crate) fn handle_failure(&mut self, random: &mut Random, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        self.is_stale |= self.asking.take() == Some(RefreshRequest::Whole);
        self.retry_at = now + self.backoff.after(self.failures, random);
    }

    /// The brokers will not talk to this client, and trying again changes nothing.
    pub(crate) fn handle_refusal(&mut self, random: &mut Random, now: Instant) {
        self.handle_failure(random, now);
        self.state = State::Refused { since: now };
        // Those who have wanted it so far hear of the refusal.
        self.is_stale = false;
    }

    /// What to ask now; the caller then asks and tells the outcome.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<RefreshRequest> {
        if self.poll_timeout().is_none_or(|due| due > now) {
            return None;
        }
        let question = match self.whole_due() {
            Some(due) if due <= now => {
                self.is_stale = false;
                RefreshRequest::Whole
            }
            _ => RefreshRequest::Topics(self.open_due(now)),
        };
        self.asking = Some(question.clone());
        Some(question)
    }

    /// When [`MetadataRefresh::poll`] will want to ask.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        if self.asking.is_some() {
            return None;
        }
        let open = self
            .open
            .values()
            .map(|open| open.not_before)
            .filter(|_| matches!(self.state, State::Fresh { .. }))
            .min();
        let due = [self.whole_due(), open].into_iter().flatten().min()?;
        Some(due.max(self.retry_at))
    }

    fn whole_due(&self) -> Option<Instant> {
        match self.state {
            State::Empty => (self.is_stale || !self.open.is_empty()).then_some(self.not_before),
            State::Fresh { since } | State::Refused { since } if !self.is_stale => {
                Some(self.not_before.max(since + self.max_age))
            }
            State::Fresh { .. } | State::Refused { .. } => Some(self.not_before),
        }
    }

    fn open_due(&self, now: Instant) -> BTreeSet<TopicName> {
        self.open
            .iter()
            .filter(|(_, open)| open.not_before <= now)
            .map(|(topic, _)| topic.clone())
            .collect()
    }
}

impl IncompleteTopic {
    fn new(now: Instant) -> Self {
        Self { since: None, failures: 0, not_before: now, complaint: Complaint::default() }
    }

    fn handle_trouble(
        &mut self,
        trouble: TopicTrouble,
        backoff: Backoff,
        max_age: Duration,
        random: &mut Random,
        now: Instant,
    ) -> Option<Duration> {
        let since = *self.since.get_or_insert(now);
        self.failures = self.failures.saturating_add(1);
        let longest = match trouble {
            TopicTrouble::Missing(_) => max_age,
            TopicTrouble::Leaderless => LEADERLESS.min(max_age),
        };
        let pause = backoff.after(self.failures, random);
        self.not_before = now + pause.max(((now - since) / PART_OF_TROUBLE).min(longest));
        self.complaint.begin(now);
        self.complaint.poll(now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::error::ErrorCode;

    const AGE: Duration = Duration::from_secs(300);
    const MISSING: Option<TopicTrouble> =
        Some(TopicTrouble::Missing(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));

    fn machine(now: Instant) -> (MetadataRefresh, Random) {
        (
            MetadataRefresh::new(
                AGE,
                Backoff::new(Duration::from_millis(100), Duration::from_secs(1)),
                now,
            ),
            Random::new(7),
        )
    }

    /// One that has asked once.
    fn fresh(now: Instant) -> (MetadataRefresh, Random) {
        let (mut refresh, mut random) = machine(now);
        refresh.handle_stale();
        assert_eq!(refresh.poll(now), Some(RefreshRequest::Whole));
        refresh.handle_reply([], true, &mut random, now);
        (refresh, random)
    }

    fn topics(names: &[&str]) -> Option<RefreshRequest> {
        Some(RefreshRequest::Topics(names.iter().map(TopicName::from).collect()))
    }

    #[test]
    fn nothing_is_asked_before_somebody_wants_it() {
        let now = Instant::now();
        let (mut refresh, _) = machine(now);
        assert_eq!(refresh.poll(now + AGE * 10), None);
        refresh.handle_added("t".into(), now);
        assert_eq!(refresh.poll(now), Some(RefreshRequest::Whole));
    }

    #[test]
    fn age_alone_makes_it_ask_again() {
        let now = Instant::now();
        let (mut refresh, _) = fresh(now);
        assert_eq!(refresh.poll(now + AGE - Duration::from_millis(1)), None);
        assert_eq!(refresh.poll(now + AGE), Some(RefreshRequest::Whole));
    }

    #[test]
    fn what_is_wanted_after_the_request_left_is_asked_again() {
        let now = Instant::now();
        let (mut refresh, mut random) = machine(now);
        refresh.handle_stale();
        assert!(refresh.poll(now).is_some());
        refresh.handle_stale();
        assert_eq!(refresh.poll(now), None, "one at a time");
        refresh.handle_reply([], true, &mut random, now);
        assert_eq!(refresh.poll(now), None, "not at once");
        assert_eq!(refresh.poll(now + Duration::from_millis(120)), Some(RefreshRequest::Whole));
    }

    #[test]
    fn a_new_topic_is_asked_for_alone_and_at_once() {
        let now = Instant::now();
        let (mut refresh, mut random) = fresh(now);
        for name in ["a", "b", "c"] {
            refresh.handle_added(name.into(), now);
            assert_eq!(refresh.poll(now), topics(&[name]));
            refresh.handle_reply([(name.into(), None)], true, &mut random, now);
        }
        assert_eq!(refresh.poll_timeout(), Some(now + AGE));
    }

    #[test]
    fn a_topic_in_trouble_is_asked_for_alone_and_ever_more_rarely_and_told() {
        let now = Instant::now();
        let (mut refresh, mut random) = fresh(now);
        refresh.handle_added("wrong".into(), now);
        let (mut asked, mut told) = (Vec::new(), Vec::new());
        let mut at = now;
        while at < now + AGE - Duration::from_secs(1) {
            assert_eq!(refresh.poll(at), topics(&["wrong"]));
            asked.push(at);
            let lasting = refresh.handle_reply([("wrong".into(), MISSING)], false, &mut random, at);
            told.extend(lasting.iter().map(|lasting| lasting.lasted.as_secs()));
            // What is new does not wait for it.
            refresh.handle_added("right".into(), at);
            assert_eq!(refresh.poll(at), topics(&["right"]));
            refresh.handle_reply([("right".into(), None)], true, &mut random, at);
            at = refresh.poll_timeout().unwrap();
        }
        assert!(asked.len() < 45, "{} requests", asked.len());
        let soon = asked.iter().filter(|at| **at < now + Duration::from_secs(2)).count();
        assert!(soon >= 4, "{soon} requests in the first two seconds");
        assert!(told[0] <= 2 && (5..=9).contains(&told.len()), "{told:?}");
    }

    #[test]
    fn a_leader_is_never_waited_for_longer_than_a_while() {
        let now = Instant::now();
        let (mut refresh, mut random) = fresh(now);
        refresh.handle_added("t".into(), now);
        let mut at = now;
        for _ in 0..60 {
            assert!(refresh.poll(at).is_some());
            refresh.handle_reply(
                [("t".into(), Some(TopicTrouble::Leaderless))],
                false,
                &mut random,
                at,
            );
            let next = refresh.poll_timeout().unwrap();
            assert!(next - at <= LEADERLESS);
            at = next;
        }
    }

    #[test]
    fn failures_back_off_and_go_on() {
        let now = Instant::now();
        let (mut refresh, mut random) = machine(now);
        refresh.handle_stale();
        let mut at = now;
        for expected in [100, 200, 400, 800, 1000, 1000] {
            assert!(refresh.poll(at).is_some());
            // What comes meanwhile changes nothing.
            refresh.handle_added("t".into(), at);
            refresh.handle_failure(&mut random, at);
            let next = refresh.poll_timeout().unwrap();
            let wait = (next - at).as_millis();
            assert!(
                (expected * 8 / 10..=expected * 12 / 10).contains(&wait),
                "{wait} ms for {expected}"
            );
            at = next;
        }
    }

    #[test]
    fn a_refusal_is_not_tried_again_before_somebody_wants_it() {
        let now = Instant::now();
        let (mut refresh, mut random) = machine(now);
        refresh.handle_added("t".into(), now);
        assert!(refresh.poll(now).is_some());
        refresh.handle_stale();
        refresh.handle_refusal(&mut random, now);
        assert_eq!(refresh.poll(now + AGE - Duration::from_millis(1)), None);
        refresh.handle_stale();
        assert_eq!(refresh.poll(now), None, "not at once");
        assert!(refresh.poll(now + Duration::from_millis(120)).is_some());
        refresh.handle_refusal(&mut random, now);
        refresh.handle_added("u".into(), now);
        assert!(refresh.poll(now + Duration::from_millis(240)).is_some());
        refresh.handle_refusal(&mut random, now);
        assert!(refresh.poll(now + AGE).is_some(), "as old metadata");
    }

    proptest! {
        #[test]
        fn requests_do_not_flood(
            steps in prop::collection::vec((0_u64..500, 0_u8..3), 1..200),
            seed: u64,
        ) {
            let start = Instant::now();
            let mut now = start;
            let (mut refresh, _) = machine(now);
            let mut random = Random::new(seed);
            let mut asked = 0;
            let name = TopicName::from("t");
            for (millis, what) in steps {
                now += Duration::from_millis(millis);
                refresh.handle_stale();
                refresh.handle_added(name.clone(), now);
                while refresh.poll(now).is_some() {
                    asked += 1;
                    match what {
                        0 => refresh.handle_failure(&mut random, now),
                        1 => drop(refresh.handle_reply([(name.clone(), MISSING)], false, &mut random, now)),
                        _ => drop(refresh.handle_reply([(name.clone(), MISSING)], true, &mut random, now)),
                    }
                }
            }
            // One kind of question does not wait for the other.
            prop_assert!(
                asked <= 2 + 2 * (now - start).as_millis() / 80, "{asked} in {:?}", now - start
            );
        }
    }
}
