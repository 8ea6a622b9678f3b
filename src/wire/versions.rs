//! Which APIs and versions a broker speaks, and which we speak with it.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::call::Request;
pub(crate) use super::messages::ApiKey;
use crate::error::{Error, Result};
use crate::shown::shown;

/// What one broker said that it can do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ApiVersions {
    /// By API key, those we do not know included.
    ranges: BTreeMap<i16, (i16, i16)>,
    features: Features,
    caps: Arc<VersionCaps>,
}

/// The newest versions that the user allows us to speak, by API key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct VersionCaps(BTreeMap<i16, i16>);

/// The features that a cluster has switched on (KIP-584).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Features {
    /// Rises with each change; `None` if the broker has not said.
    epoch: Option<i64>,
    levels: BTreeMap<String, i16>,
}

impl ApiVersions {
    pub(crate) fn new(ranges: BTreeMap<i16, (i16, i16)>, features: Features) -> Self {
        Self { ranges, features, caps: Arc::default() }
    }

    pub(crate) fn capped(self, caps: Arc<VersionCaps>) -> Self {
        Self { caps, ..self }
    }

    /// The newest version of an API that both sides speak.
    ///
    /// Brokers advertise Produce from version 0 for the sake of an old client and refuse versions
    /// below 3 all the same (KAFKA-18659); since ours begin at 3, that is never chosen.
    pub(crate) fn negotiate(&self, api: ApiKey, ours: RangeInclusive<i16>) -> Option<i16> {
        let (oldest, newest) = *self.ranges.get(&api.key())?;
        let version = newest.min(*ours.end()).min(self.cap(api).unwrap_or(i16::MAX));
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

    /// The newest version of an API that the user allows.
    pub(crate) fn cap(&self, api: ApiKey) -> Option<i16> {
        self.caps.of(api)
    }

    pub(crate) fn features(&self) -> &Features {
        &self.features
    }
}

impl VersionCaps {
    /// Reads them from names of Kafka's schemas, or keys.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if there is no such API, or we speak no
    /// version of it that is allowed.
    pub(crate) fn new(caps: &[(String, i16)]) -> Result<Self> {
        let mut newest = BTreeMap::new();
        for (text, cap) in caps {
            let by_key = || text.parse().ok().and_then(ApiKey::from_key);
            let Some(api) = ApiKey::from_name(text).or_else(by_key) else {
                return Err(Error::config(format!(
                    "max_api_version is of {:?}: the name or the key of an API that this client \
                     uses is allowed, such as Fetch or 1",
                    shown(text)
                )));
            };
            let ours = api.versions();
            if cap < ours.start() {
                return Err(Error::config(format!(
                    "max_api_version of {} is {cap}: this client speaks v{} to v{}, so at least {} \
                     is allowed",
                    api.name(),
                    ours.start(),
                    ours.end(),
                    ours.start()
                )));
            }
            newest.insert(api.key(), *cap);
        }
        Ok(Self(newest))
    }

    pub(crate) fn of(&self, api: ApiKey) -> Option<i16> {
        self.0.get(&api.key()).copied()
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
    fn no_version_above_a_cap_is_chosen() {
        let caps = VersionCaps::new(&[("Fetch".to_owned(), 7), ("0".to_owned(), 99)]).unwrap();
        let capped = |oldest| {
            let ranges = [(ApiKey::Fetch, oldest, 11), (ApiKey::Produce, 0, 13)];
            broker(&ranges).capped(Arc::new(caps.clone()))
        };
        assert_eq!(capped(4).negotiate(ApiKey::Fetch, 4..=18), Some(7));
        assert_eq!(capped(4).negotiate(ApiKey::Fetch, 4..=6), Some(6));
        assert_eq!(capped(8).negotiate(ApiKey::Fetch, 4..=18), None);
        assert_eq!(capped(4).negotiate(ApiKey::Produce, 3..=13), Some(13));
    }

    #[test]
    fn a_cap_that_leaves_no_version_is_refused() {
        let refusal = |api: &str, version| {
            VersionCaps::new(&[(api.to_owned(), version)]).unwrap_err().to_string()
        };
        assert_eq!(
            refusal("Fetch", 3),
            "max_api_version of Fetch is 3: this client speaks v4 to v18, so at least 4 is allowed"
        );
        for unknown in ["fetched", "-1", "32767", ""] {
            let refusal = refusal(unknown, 9);
            assert!(refusal.starts_with(&format!("max_api_version is of {unknown:?}: the name")));
        }
    }

    #[test]
    fn an_advertised_range_that_is_empty_is_never_chosen() {
        assert_eq!(broker(&[(ApiKey::Fetch, 9, 5)]).negotiate(ApiKey::Fetch, 4..=18), None);
    }
}
