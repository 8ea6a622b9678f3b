//! What the brokers have said of the cluster's features.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::wire::versions::Features;

/// The features that the cluster had finalised by the newest ApiVersions reply of all connections.
#[derive(Debug, Default)]
pub(crate) struct NewestFeatures(Mutex<Features>);

impl NewestFeatures {
    /// The level of a feature; 0 if it is off or unknown.
    pub(crate) fn level(&self, name: &str) -> i16 {
        self.lock().level(name).unwrap_or(0)
    }

    /// A broker that is behind the others says less than is known.
    pub(super) fn note(&self, features: &Features) {
        let mut newest = self.lock();
        if features.epoch() >= newest.epoch() {
            newest.clone_from(features);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Features> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_broker_says_that_is_behind_the_others_is_not_believed() {
        let said = |epoch, level: Option<i16>| {
            let levels = level.map(|level| ("transaction.version".to_owned(), level));
            Features::new(epoch, levels.into_iter().collect())
        };
        let features = NewestFeatures::default();
        let told = [
            (said(None, None), 0),
            (said(Some(3), Some(1)), 1),
            (said(Some(5), Some(2)), 2),
            (said(Some(4), Some(1)), 2),
            (said(None, None), 2),
            (said(Some(6), Some(1)), 1),
            (said(Some(7), None), 0),
        ];
        for (said, level) in told {
            features.note(&said);
            assert_eq!(features.level("transaction.version"), level, "{said:?}");
        }
    }
}
