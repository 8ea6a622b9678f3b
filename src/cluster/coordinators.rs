//! Which broker coordinates which group or transactional id, as far as it was asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ids::BrokerId;

/// What a coordinator coordinates.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum CoordinatorKey {
    Group(Arc<str>),
    Transaction(Arc<str>),
}

impl CoordinatorKey {
    pub(crate) fn group(id: &str) -> Self {
        Self::Group(id.into())
    }

    #[cfg(feature = "admin")]
    pub(crate) fn transaction(id: &str) -> Self {
        Self::Transaction(id.into())
    }

    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Group(name) | Self::Transaction(name) => name,
        }
    }

    /// What it is, for messages.
    pub(crate) fn what(&self) -> &'static str {
        match self {
            Self::Group(_) => "group",
            Self::Transaction(_) => "transactional id",
        }
    }

    /// The protocol's number for its kind.
    pub(crate) fn kind(&self) -> i8 {
        match self {
            Self::Group(_) => 0,
            Self::Transaction(_) => 1,
        }
    }
}

/// The cache. An entry lives until a broker says that it is wrong or cannot be reached.
#[derive(Debug, Default)]
pub(crate) struct Coordinators {
    known: BTreeMap<CoordinatorKey, BrokerId>,
}

impl Coordinators {
    pub(crate) fn get(&self, key: &CoordinatorKey) -> Option<BrokerId> {
        self.known.get(key).copied()
    }

    pub(crate) fn learn(&mut self, key: CoordinatorKey, broker: BrokerId) {
        self.known.insert(key, broker);
    }

    /// Forgets one coordinator, unless another broker has been learned since.
    pub(crate) fn forget(&mut self, key: &CoordinatorKey, broker: BrokerId) {
        if self.known.get(key) == Some(&broker) {
            self.known.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_complaint_does_not_forget_the_new_coordinator() {
        let mut coordinators = Coordinators::default();
        let key = CoordinatorKey::group("g");
        coordinators.learn(key.clone(), BrokerId(1));
        coordinators.learn(key.clone(), BrokerId(2));
        coordinators.forget(&key, BrokerId(1));
        assert_eq!(coordinators.get(&key), Some(BrokerId(2)));
        coordinators.forget(&key, BrokerId(2));
        assert_eq!(coordinators.get(&key), None);
    }
}
