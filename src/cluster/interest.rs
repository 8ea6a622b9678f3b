//! Which topics somebody uses, so that metadata is asked for these and no others (KIP-526).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::ids::TopicName;

/// What one handle uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MetadataInterest {
    pub(crate) topics: BTreeSet<TopicName>,
    /// Every topic of the cluster, to match a pattern against.
    pub(crate) all: bool,
    /// Whether brokers may create what does not exist (`allow.auto.create.topics`).
    pub(crate) auto_create: bool,
}

/// What all handles want together, each topic as those want it who use it: what one handle asks for
/// is not done to the topics of another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CombinedInterest {
    /// Every topic of the cluster.
    pub(super) all: bool,
    /// Topics by name, and whether brokers may create them if they do not exist.
    pub(super) topics: BTreeMap<TopicName, bool>,
}

/// What has come to be wanted since it was asked last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Added {
    pub(super) all: bool,
    pub(super) topics: BTreeSet<TopicName>,
}

/// Keeps an interest until it is dropped.
#[derive(Debug)]
pub(crate) struct InterestGuard {
    id: u64,
    interests: Arc<Interests>,
}

/// The interests of all handles.
#[derive(Debug, Default)]
pub(super) struct Interests {
    registered: Mutex<RegisteredInterest>,
    changed: Arc<Notify>,
}

#[derive(Debug, Default)]
struct RegisteredInterest {
    next: u64,
    interests: BTreeMap<u64, MetadataInterest>,
    added: Added,
}

impl Interests {
    /// `changed` is notified when something new becomes interesting.
    pub(super) fn new(changed: Arc<Notify>) -> Arc<Self> {
        Arc::new(Self { registered: Mutex::default(), changed })
    }

    pub(super) fn register(self: &Arc<Self>, interest: MetadataInterest) -> InterestGuard {
        let mut registered = self.lock();
        let id = registered.next;
        registered.next += 1;
        registered.interests.insert(id, MetadataInterest::default());
        drop(registered);
        let guard = InterestGuard { id, interests: Arc::clone(self) };
        guard.set(interest);
        guard
    }

    /// What to ask the cluster for.
    pub(super) fn wanted(&self) -> CombinedInterest {
        let registered = self.lock();
        let mut wanted = CombinedInterest::default();
        for interest in registered.interests.values() {
            wanted.all |= interest.all;
            for topic in &interest.topics {
                match wanted.topics.get_mut(topic) {
                    Some(may_create) => *may_create |= interest.auto_create,
                    None => drop(wanted.topics.insert(topic.clone(), interest.auto_create)),
                }
            }
        }
        wanted
    }

    /// What is new since this was called last.
    pub(super) fn take_added(&self) -> Added {
        std::mem::take(&mut self.lock().added)
    }

    fn lock(&self) -> MutexGuard<'_, RegisteredInterest> {
        self.registered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InterestGuard {
    /// Replaces the interest; metadata is asked for if that adds a topic.
    pub(crate) fn set(&self, interest: MetadataInterest) {
        let mut registered = self.interests.lock();
        let RegisteredInterest { interests, added, .. } = &mut *registered;
        let Some(current) = interests.get_mut(&self.id) else { return };
        let adds_all = interest.all && !current.all;
        let may_create_more = interest.auto_create && !current.auto_create;
        let mut grew = adds_all;
        for topic in interest
            .topics
            .iter()
            .filter(|topic| may_create_more || !current.topics.contains(*topic))
        {
            added.topics.insert(topic.clone());
            grew = true;
        }
        added.all |= adds_all;
        *current = interest;
        drop(registered);
        if grew {
            self.interests.changed.notify_one();
        }
    }
}

impl Drop for InterestGuard {
    fn drop(&mut self) {
        self.interests.lock().interests.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interest(topics: &[&str]) -> MetadataInterest {
        MetadataInterest {
            topics: topics.iter().map(TopicName::from).collect(),
            ..MetadataInterest::default()
        }
    }

    fn names(wanted: &CombinedInterest) -> Vec<&str> {
        wanted.topics.keys().map(TopicName::as_str).collect()
    }

    #[test]
    fn metadata_is_wanted_for_the_union_while_it_is_used() {
        let interests = Interests::new(Arc::default());
        let first = interests.register(interest(&["a", "b"]));
        let second = interests.register(interest(&["b", "c"]));
        assert_eq!(names(&interests.wanted()), ["a", "b", "c"]);
        first.set(interest(&["b"]));
        assert_eq!(names(&interests.wanted()), ["b", "c"]);
        drop(second);
        assert_eq!(names(&interests.wanted()), ["b"]);
    }

    #[test]
    fn a_pattern_leaves_the_wishes_of_others_as_they_are() {
        let interests = Interests::new(Arc::default());
        let _names = interests.register(MetadataInterest { auto_create: true, ..interest(&["a"]) });
        let pattern =
            interests.register(MetadataInterest { all: true, ..MetadataInterest::default() });
        let topics = BTreeMap::from([("a".into(), true)]);
        assert_eq!(interests.wanted(), CombinedInterest { all: true, topics: topics.clone() });
        drop(pattern);
        assert_eq!(interests.wanted(), CombinedInterest { all: false, topics });
    }

    #[test]
    fn a_topic_may_be_created_if_one_of_those_who_use_it_allows_that() {
        let interests = Interests::new(Arc::default());
        let _consumer = interests.register(interest(&["mine", "shared"]));
        let _producer = interests
            .register(MetadataInterest { auto_create: true, ..interest(&["shared", "its"]) });
        let expected = [("its", true), ("mine", false), ("shared", true)];
        assert_eq!(
            interests.wanted().topics,
            expected.map(|(name, may)| (name.into(), may)).into()
        );
    }

    #[test]
    fn only_what_is_new_is_added() {
        let interests = Interests::new(Arc::default());
        let guard = interests.register(interest(&["a"]));
        assert_eq!(interests.take_added().topics, ["a".into()].into());
        guard.set(interest(&["a", "b"]));
        assert_eq!(interests.take_added().topics, ["b".into()].into());
        guard.set(interest(&["b"]));
        assert_eq!(interests.take_added(), Added::default());
    }
}
