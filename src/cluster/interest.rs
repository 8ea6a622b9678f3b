//! Which topics somebody uses, so that metadata is asked for these and no others (KIP-526).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::rpc::Wanted;
use crate::ids::TopicName;

/// What one handle uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Interest {
    pub(crate) topics: BTreeSet<TopicName>,
    /// Every topic of the cluster, to match a pattern against.
    pub(crate) all: bool,
    /// Whether brokers may create what does not exist (`allow.auto.create.topics`).
    pub(crate) auto_create: bool,
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
    registered: Mutex<Registered>,
    changed: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Registered {
    next: u64,
    interests: BTreeMap<u64, Interest>,
}

impl Interests {
    /// `changed` is notified when something new becomes interesting.
    pub(super) fn new(changed: Arc<Notify>) -> Arc<Self> {
        Arc::new(Self { registered: Mutex::default(), changed })
    }

    pub(super) fn register(self: &Arc<Self>, interest: Interest) -> InterestGuard {
        let mut registered = self.lock();
        let id = registered.next;
        registered.next += 1;
        registered.interests.insert(id, Interest::default());
        drop(registered);
        let guard = InterestGuard { id, interests: Arc::clone(self) };
        guard.set(interest);
        guard
    }

    /// What to ask the cluster for.
    pub(super) fn wanted(&self) -> Wanted {
        let registered = self.lock();
        let interests = registered.interests.values();
        if interests.clone().any(|interest| interest.all) {
            return Wanted::All;
        }
        let auto_create = interests.clone().any(|interest| interest.auto_create && !interest.topics.is_empty());
        let names = interests.flat_map(|interest| interest.topics.iter().cloned()).collect();
        Wanted::Topics { names, auto_create }
    }

    fn lock(&self) -> MutexGuard<'_, Registered> {
        self.registered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InterestGuard {
    /// Replaces the interest; metadata is asked for if that adds a topic.
    pub(crate) fn set(&self, interest: Interest) {
        let mut registered = self.interests.lock();
        let Some(current) = registered.interests.get_mut(&self.id) else { return };
        let grew = !interest.topics.is_subset(&current.topics) || (interest.all && !current.all);
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

    fn interest(topics: &[&str]) -> Interest {
        Interest { topics: topics.iter().map(TopicName::from).collect(), ..Interest::default() }
    }

    fn names(wanted: Wanted) -> Vec<String> {
        match wanted {
            Wanted::Topics { names, .. } => names.iter().map(ToString::to_string).collect(),
            Wanted::All => vec!["*".to_owned()],
        }
    }

    #[test]
    fn metadata_is_wanted_for_the_union_while_it_is_used() {
        let interests = Interests::new(Arc::default());
        let first = interests.register(interest(&["a", "b"]));
        let second = interests.register(interest(&["b", "c"]));
        assert_eq!(names(interests.wanted()), ["a", "b", "c"]);
        first.set(interest(&["b"]));
        assert_eq!(names(interests.wanted()), ["b", "c"]);
        drop(second);
        assert_eq!(names(interests.wanted()), ["b"]);
    }

    #[test]
    fn one_pattern_makes_all_topics_wanted() {
        let interests = Interests::new(Arc::default());
        let _names = interests.register(interest(&["a"]));
        let pattern = interests.register(Interest { all: true, ..Interest::default() });
        assert_eq!(interests.wanted(), Wanted::All);
        drop(pattern);
        assert_eq!(names(interests.wanted()), ["a"]);
    }
}
