//! What senders wish to know: topics that the producer has not met, from the call that first names
//! one to the metadata that describes it.
//!
//! Those who wait are counted, so that a topic nobody waits for is not asked for. Names that were
//! only tried ([`Producer::try_send`]) are kept for a while, and not more than some.
//!
//! [`Producer::try_send`]: super::Producer::try_send

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::ids::TopicName;

#[derive(Debug, Default)]
pub(super) struct Wishes(Mutex<BTreeMap<TopicName, Wish>>);

#[derive(Debug)]
struct Wish {
    waiting: usize,
    last: Instant,
    /// The task has not seen it, or has been asked again.
    is_new: bool,
}

/// Somebody waits for a topic, until this is dropped.
#[derive(Debug)]
pub(super) struct Waiter<'a> {
    wishes: &'a Wishes,
    topic: &'a str,
}

impl Wishes {
    /// Counts one who waits.
    pub(super) fn wait<'a>(&'a self, topic: &'a str, now: Instant) -> Waiter<'a> {
        let mut wishes = self.lock();
        let wish =
            wishes.entry(topic.into()).or_insert(Wish { waiting: 0, last: now, is_new: true });
        wish.waiting += 1;
        (wish.last, wish.is_new) = (now, true);
        Waiter { wishes: self, topic }
    }

    /// Notes that a topic was tried; whether the task should hear of it.
    pub(super) fn attempt(&self, topic: &str, now: Instant) -> bool {
        let mut wishes = self.lock();
        if let Some(wish) = wishes.get_mut(topic) {
            let is_due = now.saturating_duration_since(wish.last) >= AGAIN && !wish.is_new;
            if is_due {
                (wish.last, wish.is_new) = (now, true);
            }
            return is_due;
        }
        if wishes.len() >= MOST {
            wishes.retain(|_, wish| {
                wish.waiting > 0 || now.saturating_duration_since(wish.last) < WISH_LIFETIME
            });
        }
        if wishes.len() >= MOST {
            return false;
        }
        wishes.insert(topic.into(), Wish { waiting: 0, last: now, is_new: true });
        true
    }

    /// What was wished for since this was called last.
    pub(super) fn take_new(&self) -> Vec<TopicName> {
        let mut wishes = self.lock();
        wishes
            .iter_mut()
            .filter_map(|(name, wish)| std::mem::take(&mut wish.is_new).then(|| name.clone()))
            .collect()
    }

    /// Whether somebody waits for a topic, or has tried it a moment ago.
    pub(super) fn has(&self, topic: &TopicName, now: Instant) -> bool {
        self.lock().get(topic).is_some_and(|wish| {
            wish.waiting > 0 || now.saturating_duration_since(wish.last) < WISH_LIFETIME
        })
    }

    /// The topic is known, or given up.
    pub(super) fn forget(&self, topic: &TopicName) {
        self.lock().remove(topic);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TopicName, Wish>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        if let Some(wish) = self.wishes.lock().get_mut(self.topic) {
            wish.waiting = wish.waiting.saturating_sub(1);
        }
    }
}

/// How long a topic is asked for that was tried once (a guess: a few refreshes of metadata).
pub(super) const WISH_LIFETIME: Duration = Duration::from_secs(5);

/// One who tries again and again is as good as one who waits: metadata is asked for at this pace
/// (Kafka's `retry.backoff.ms`).
const AGAIN: Duration = Duration::from_millis(100);

/// More unknown names at a time are a mistake; those who wait are counted beyond it (a guess).
const MOST: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_wished_for_while_somebody_waits_and_a_moment_after() {
        let (wishes, now) = (Wishes::default(), Instant::now());
        let name = TopicName::from("a");
        let waiter = wishes.wait("a", now);
        assert_eq!(wishes.take_new(), std::slice::from_ref(&name));
        assert!(wishes.take_new().is_empty());
        assert!(wishes.has(&name, now + 100 * WISH_LIFETIME));
        drop(waiter);
        assert!(wishes.has(&name, now) && !wishes.has(&name, now + WISH_LIFETIME));
    }

    #[test]
    fn a_loop_of_attempts_is_heard_now_and_then_and_many_names_are_bounded() {
        let (wishes, now) = (Wishes::default(), Instant::now());
        let heard = (0..10_000).filter(|_| wishes.attempt("a", now)).count();
        assert_eq!(heard, 1);
        assert_eq!(wishes.take_new().len(), 1);
        assert!(!wishes.attempt("a", now + AGAIN / 2) && wishes.attempt("a", now + AGAIN));
        for number in 0..3 * MOST {
            wishes.attempt(&number.to_string(), now);
        }
        assert_eq!(wishes.lock().len(), MOST);
        wishes.attempt("later", now + 2 * WISH_LIFETIME);
        assert_eq!(wishes.lock().len(), 1, "what nobody wishes for any more makes room");
    }
}
