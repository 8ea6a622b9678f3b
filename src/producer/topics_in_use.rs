//! The topics that a producer has metadata kept for, and when it stops (`metadata.max.idle.ms`,
//! KIP-526).
//!
//! A topic that the cluster does not have is let go of as soon as nobody sends to it, or each
//! refresh would ask again, and create it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::ids::TopicName;

#[derive(Debug)]
pub(super) struct TopicsInUse {
    topics: BTreeMap<TopicName, Use>,
    max_idle: Duration,
    unknown: usize,
    next_look: Instant,
}

#[derive(Debug)]
struct Use {
    is_known: bool,
    last: Instant,
}

impl TopicsInUse {
    pub(super) fn new(max_idle: Duration, now: Instant) -> Self {
        Self { topics: BTreeMap::new(), max_idle, unknown: 0, next_look: now }
    }

    /// Somebody sends to a topic. Whether it was not wanted before.
    pub(super) fn want(&mut self, topic: &TopicName, now: Instant) -> bool {
        if let Some(known) = self.topics.get_mut(topic) {
            known.last = now;
            return false;
        }
        self.topics.insert(topic.clone(), Use { is_known: false, last: now });
        self.unknown += 1;
        self.next_look = self.next_look.min(now + UNKNOWN_LOOK).max(now);
        true
    }

    /// Whether the cluster has the topic.
    pub(super) fn set_known(&mut self, topic: &TopicName, is_known: bool) {
        let Some(known) = self.topics.get_mut(topic).filter(|known| known.is_known != is_known)
        else {
            return;
        };
        known.is_known = is_known;
        self.unknown = if is_known { self.unknown.saturating_sub(1) } else { self.unknown + 1 };
        if !is_known {
            self.next_look = self.next_look.min(known.last + UNKNOWN_LOOK);
        }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &TopicName> {
        self.topics.keys()
    }

    pub(super) fn has(&self, topic: &TopicName) -> bool {
        self.topics.contains_key(topic)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        (!self.topics.is_empty()).then_some(self.next_look)
    }

    /// Lets go of the topics that have not been used for long, by what `is_used` says of each since
    /// the last look.
    pub(super) fn handle_timeout(
        &mut self,
        mut is_used: impl FnMut(&TopicName) -> bool,
        now: Instant,
    ) -> Vec<TopicName> {
        let mut idle = Vec::new();
        for (name, known) in &mut self.topics {
            if is_used(name) {
                known.last = now;
                continue;
            }
            let most = if known.is_known { self.max_idle } else { Duration::ZERO };
            if now.saturating_duration_since(known.last) >= most {
                idle.push(name.clone());
            }
        }
        for name in &idle {
            let gone = self.topics.remove(name);
            self.unknown -= usize::from(gone.is_some_and(|gone| !gone.is_known));
        }
        let pause =
            if self.unknown > 0 { UNKNOWN_LOOK } else { (self.max_idle / LOOKS).max(UNKNOWN_LOOK) };
        self.next_look = now + pause;
        idle
    }
}

/// How often topics are looked at that the cluster does not have (a guess).
const UNKNOWN_LOOK: Duration = Duration::from_secs(1);

/// How often known topics are looked at within `metadata.max.idle.ms`: by that part of it one may
/// be kept longer (a guess).
const LOOKS: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(80);

    /// When a topic is let go of that was used until `used`.
    fn forgotten(is_known: bool, used: Duration) -> Duration {
        let start = Instant::now();
        let (mut wanted, topic) = (TopicsInUse::new(IDLE, start), TopicName::from("t"));
        assert!(wanted.want(&topic, start) && !wanted.want(&topic, start));
        wanted.set_known(&topic, is_known);
        for _ in 0..1000 {
            let now = wanted.poll_timeout().unwrap();
            let gone = wanted.handle_timeout(|_| now - start <= used, now);
            if !gone.is_empty() {
                assert_eq!(wanted.poll_timeout(), None);
                return now - start;
            }
            assert!(wanted.poll_timeout().unwrap() > now, "each look is followed by a pause");
        }
        panic!("kept for ever");
    }

    #[test]
    fn a_known_topic_is_let_go_of_when_it_was_idle_for_long_and_an_unknown_one_at_once() {
        let used = Duration::from_secs(200);
        let known = forgotten(true, used) - used;
        assert!(known >= IDLE - IDLE / LOOKS && known <= IDLE + 2 * IDLE / LOOKS, "{known:?}");
        assert!(forgotten(false, used) - used <= 2 * UNKNOWN_LOOK);
    }

    #[test]
    fn a_topic_that_is_deleted_is_let_go_of_as_one_that_never_was() {
        let now = Instant::now();
        let (mut wanted, topic) = (TopicsInUse::new(IDLE, now), TopicName::from("t"));
        wanted.want(&topic, now);
        wanted.set_known(&topic, true);
        wanted.set_known(&topic, false);
        assert!(wanted.poll_timeout().unwrap() <= now + UNKNOWN_LOOK);
        assert_eq!(wanted.handle_timeout(|_| false, now + UNKNOWN_LOOK), [topic]);
    }
}
