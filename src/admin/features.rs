//! The features of a cluster and their levels (KIP-584).

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;

use super::wire_enum::numbered;
use super::{Admin, Outcomes, check};
use crate::cluster::{Item, Route};
use crate::error::Result;
use crate::ids::BrokerId;
use crate::wire::messages::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use crate::wire::messages::update_features::{
    FeatureUpdateKey, UpdateFeaturesRequest, UpdateFeaturesResponse,
};

/// The features of a cluster and their levels.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FeatureVersions {
    /// The epoch of the finalized features, incremented at each change; `None` if the cluster has
    /// no features.
    pub epoch: Option<i64>,
    /// The features by name, such as `metadata.version`.
    pub features: BTreeMap<String, Feature>,
}

/// A feature.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Feature {
    /// The levels supported by the broker that answered.
    pub supported: Option<RangeInclusive<i16>>,
    /// The levels finalized by the cluster, of which the maximum is in effect; `None` if the
    /// feature is off.
    pub finalized: Option<RangeInclusive<i16>>,
}

numbered! {
    /// Which changes of a feature's level are allowed.
    FeatureUpgrade(i8) {
        /// Only to a higher level.
        Upgrade = 1, "upgrade";
        /// Also to a lower level, if no metadata is lost.
        SafeDowngrade = 2, "safe-downgrade";
        /// Also to a lower level, even if metadata is lost.
        UnsafeDowngrade = 3, "unsafe-downgrade";
    }
}

/// A change of a feature's level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FeatureUpdate {
    /// The new level; 0 switches the feature off.
    pub level: i16,
    /// Which changes are allowed.
    pub upgrade: FeatureUpgrade,
}

impl FeatureUpdate {
    /// Raises the level.
    pub fn upgrade(level: i16) -> Self {
        Self { level, upgrade: FeatureUpgrade::Upgrade }
    }

    /// Lowers the level (0 switches the feature off), unless metadata would be lost.
    pub fn safe_downgrade(level: i16) -> Self {
        Self { level, upgrade: FeatureUpgrade::SafeDowngrade }
    }

    /// Lowers the level (0 switches the feature off), even if metadata is lost.
    pub fn unsafe_downgrade(level: i16) -> Self {
        Self { level, upgrade: FeatureUpgrade::UnsafeDowngrade }
    }
}

/// A feature, as the item of a request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Name(String);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Item for Name {
    const KIND: &'static str = "feature";
}

impl Admin {
    /// Describes the features of the cluster, as one broker knows them.
    ///
    /// # Errors
    /// [`Class::Retriable`](crate::Class::Retriable) if no broker answered in time.
    pub async fn describe_features(&self) -> Result<FeatureVersions> {
        self.features(Route::Any).await
    }

    /// Describes the features of the cluster, as this broker knows them; this controller, if
    /// controllers are asked (KIP-1160).
    ///
    /// # Errors
    /// - [`BROKER_NOT_AVAILABLE`](crate::ErrorCode::BROKER_NOT_AVAILABLE) if there is no such node.
    /// - [`Class::Retriable`](crate::Class::Retriable) if it did not answer in time.
    pub async fn describe_features_of(&self, node: impl Into<BrokerId>) -> Result<FeatureVersions> {
        self.features(Route::Broker(node.into())).await
    }

    async fn features(&self, of: Route) -> Result<FeatureVersions> {
        let request = |_| ApiVersionsRequest {
            client_software_name: env!("CARGO_PKG_NAME"),
            client_software_version: env!("CARGO_PKG_VERSION"),
            ..ApiVersionsRequest::default()
        };
        let read = |response: &ApiVersionsResponse<'_>| {
            check(response.error_code, None)?;
            let mut features: BTreeMap<String, Feature> = BTreeMap::new();
            for found in &response.supported_features {
                features.entry(found.name.to_owned()).or_default().supported =
                    Some(found.min_version..=found.max_version);
            }
            for found in &response.finalized_features {
                let levels = found.min_version_level..=found.max_version_level;
                features.entry(found.name.to_owned()).or_default().finalized = Some(levels);
            }
            Ok(FeatureVersions {
                epoch: super::non_negative(response.finalized_features_epoch),
                features,
            })
        };
        self.ask(of, request, read).await
    }

    /// Changes the levels of features. Since Kafka 4.0, either all changes are made or none.
    ///
    /// # Errors
    /// Of a feature: INVALID_UPDATE_VERSION, FEATURE_UPDATE_FAILED, CLUSTER_AUTHORIZATION_FAILED;
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) before Kafka 2.7.
    pub async fn update_features(
        &self,
        updates: impl IntoIterator<Item = (impl Into<String>, FeatureUpdate)>,
    ) -> Outcomes<String, ()> {
        let updates: BTreeMap<Name, FeatureUpdate> =
            updates.into_iter().map(|(name, update)| (Name(name.into()), update)).collect();
        let read = |share: &[(&Name, &FeatureUpdate)], response: &UpdateFeaturesResponse<'_>| {
            check(response.error_code, response.error_message)?;
            // From version 2 on there is one result for all.
            if response.results.is_empty() {
                return Ok(share.iter().map(|(name, _)| ((*name).clone(), Ok(()))).collect());
            }
            let results = response.results.iter();
            Ok(results
                .map(|result| {
                    (
                        Name(result.feature.to_owned()),
                        check(result.error_code, result.error_message),
                    )
                })
                .collect())
        };
        let outcomes = self
            .ask_each(
                &updates,
                |_| Route::Controller,
                |share, version| UpdateFeaturesRequest {
                    timeout_ms: self.timeout_ms(),
                    feature_updates: share
                        .iter()
                        .map(|(name, update)| FeatureUpdateKey {
                            feature: &name.0,
                            max_version_level: update.level,
                            allow_downgrade: version == 0
                                && update.upgrade != FeatureUpgrade::Upgrade,
                            upgrade_type: if version >= 1 {
                                update.upgrade.code()
                            } else {
                                FeatureUpgrade::Upgrade.code()
                            },
                        })
                        .collect(),
                    validate_only: self.validates_only,
                },
                read,
            )
            .await;
        outcomes.into_iter().map(|(Name(name), outcome)| (name, outcome)).collect()
    }
}
