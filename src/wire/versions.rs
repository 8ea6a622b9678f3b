//! Which APIs and versions a broker speaks, and which we speak with it.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::call::Request;
pub(crate) use super::messages::ApiKey;

/// What one broker said that it can do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ApiVersions {
    /// By API key, those we do not know included.
    ranges: BTreeMap<i16, (i16, i16)>,
    features: Features,
}

/// The features that a cluster has switched on (KIP-584).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Features {
    /// Rises with each change; `None` if the broker has not said.
    epoch: Option<i64>,
    levels: BTreeMap<String, i16>,
}

impl ApiVersions {
    pub(crate) fn new(ranges: BTreeMap<i16, (i16, i16)>, features: Features) -> Self {
        Self { ranges, features }
    }

    /// The newest version of an API that both sides speak.
    ///
    /// Brokers advertise Produce from version 0 for the sake of an old client and refuse versions
    /// below 3 all the same (KAFKA-18659); since ours begin at 3, that is never chosen.
    pub(crate) fn negotiate(&self, api: ApiKey, ours: RangeInclusive<i16>) -> Option<i16> {
        let (oldest, newest) = *self.ranges.get(&api.key())?;
        let version = newest.min(*ours.end());
        (version >= oldest && version >= *ours.start()).then_some(version)
    }

    /// [`ApiVersions::negotiate`] for all that we speak of a request.
    pub(crate) fn version_of<R: Request>(&self) -> Option<i16> {
        self.negotiate(R::API, R::VERSIONS)
    }

    /// [`ApiVersions::version_of`], at most `newest`.
    pub(crate) fn version_up_to<R: Request>(&self, newest: i16) -> Option<i16> {
        self.negotiate(R::API, *R::VERSIONS.start()..=newest.min(*R::VERSIONS.end()))
    }

    /// What the broker speaks of an API.
    pub(crate) fn range(&self, api: ApiKey) -> Option<RangeInclusive<i16>> {
        self.ranges.get(&api.key()).map(|&(oldest, newest)| oldest..=newest)
    }

    pub(crate) fn features(&self) -> &Features {
        &self.features
    }
}

impl Features {
    pub(crate) fn new(epoch: Option<i64>, levels: BTreeMap<String, i16>) -> Self {
        Self { epoch, levels }
    }

    pub(crate) fn epoch(&self) -> Option<i64> {
        self.epoch
    }

    /// The level that all brokers of the cluster have agreed on; `None` if the feature is off or
    /// unknown.
    pub(crate) fn level(&self, name: &str) -> Option<i16> {
        self.levels.get(name).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broker(ranges: &[(ApiKey, i16, i16)]) -> ApiVersions {
        let ranges =
            ranges.iter().map(|&(api, oldest, newest)| (api.key(), (oldest, newest))).collect();
        ApiVersions::new(ranges, Features::default())
    }

    #[test]
    fn the_newest_version_that_both_speak_is_chosen() {
        let broker = broker(&[(ApiKey::Fetch, 4, 11)]);
        assert_eq!(broker.negotiate(ApiKey::Fetch, 4..=18), Some(11));
        assert_eq!(broker.negotiate(ApiKey::Fetch, 4..=9), Some(9));
        assert_eq!(broker.negotiate(ApiKey::Fetch, 12..=18), None);
        assert_eq!(broker.negotiate(ApiKey::Fetch, 0..=3), None);
        assert_eq!(broker.negotiate(ApiKey::Produce, 3..=13), None);
    }

    #[test]
    fn produce_below_3_is_never_chosen_although_brokers_advertise_it() {
        assert_eq!(
            broker(&[(ApiKey::Produce, 0, 13)]).negotiate(ApiKey::Produce, 3..=13),
            Some(13)
        );
        assert_eq!(broker(&[(ApiKey::Produce, 0, 2)]).negotiate(ApiKey::Produce, 3..=13), None);
    }

    #[test]
    fn an_advertised_range_that_is_empty_is_never_chosen() {
        assert_eq!(broker(&[(ApiKey::Fetch, 9, 5)]).negotiate(ApiKey::Fetch, 4..=18), None);
    }
}
