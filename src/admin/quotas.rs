//! Limits of what users, clients and addresses may take.

use std::collections::BTreeMap;
use std::fmt;

use super::{Admin, Outcomes, check};
use crate::cluster::{Item, Route};
use crate::error::Result;
use crate::wire::messages::alter_client_quotas::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, OpData, RequestEntityData,
    RequestEntryData,
};
use crate::wire::messages::describe_client_quotas::{
    ComponentData, DescribeClientQuotasRequest, DescribeClientQuotasResponse,
};

/// The entity a quota applies to: a user, a client id, both together, or an IP address.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct QuotaEntity {
    /// Names by type (`user`, `client-id`, `ip`). `None` is the default for entities without a
    /// quota of their own.
    pub parts: BTreeMap<String, Option<String>>,
}

impl QuotaEntity {
    /// A user.
    pub fn user(name: impl Into<String>) -> Self {
        Self::default().with("user", Some(name.into()))
    }

    /// All users without a quota of their own.
    pub fn default_user() -> Self {
        Self::default().with("user", None)
    }

    /// A client id.
    pub fn client_id(id: impl Into<String>) -> Self {
        Self::default().with("client-id", Some(id.into()))
    }

    /// All client ids without a quota of their own.
    pub fn default_client_id() -> Self {
        Self::default().with("client-id", None)
    }

    /// An IP address.
    pub fn ip(address: impl Into<String>) -> Self {
        Self::default().with("ip", Some(address.into()))
    }

    /// All IP addresses without a quota of their own.
    pub fn default_ip() -> Self {
        Self::default().with("ip", None)
    }

    /// Narrows the entity, for example a user to one client id.
    #[must_use]
    pub fn with(mut self, kind: impl Into<String>, name: Option<String>) -> Self {
        self.parts.insert(kind.into(), name);
        self
    }
}

impl fmt::Display for QuotaEntity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (kind, name)) in self.parts.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{kind} {}", name.as_deref().unwrap_or("(default)"))?;
        }
        Ok(())
    }
}

impl Item for QuotaEntity {
    const KIND: &'static str = "quotas of";
}

/// The limits of one entity, by name, such as `producer_byte_rate`.
pub type Quota = BTreeMap<String, f64>;

/// A change of one limit.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum QuotaAlteration {
    /// Sets the limit.
    Set {
        /// The name of the limit, such as `consumer_byte_rate`.
        name: String,
        /// The new value.
        value: f64,
    },
    /// Removes the limit.
    Remove {
        /// The name of the limit.
        name: String,
    },
}

impl QuotaAlteration {
    /// Sets a limit.
    pub fn set(name: impl Into<String>, value: f64) -> Self {
        Self::Set { name: name.into(), value }
    }

    /// Removes a limit.
    pub fn remove(name: impl Into<String>) -> Self {
        Self::Remove { name: name.into() }
    }

    fn as_request(&self) -> OpData<'_> {
        match self {
            Self::Set { name, value } => OpData { key: name, value: *value, remove: false },
            Self::Remove { name } => OpData { key: name, value: 0.0, remove: true },
        }
    }
}

/// What a part of an entity must be to match.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QuotaMatch {
    /// This name.
    Name(String),
    /// The default for entities without a quota of their own.
    Default,
    /// Either.
    Any,
}

/// Selects quota entities; by default, all that have a quota.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QuotaFilter {
    parts: BTreeMap<String, QuotaMatch>,
    is_strict: bool,
}

impl QuotaFilter {
    /// Selects all entities that have a quota.
    pub fn all() -> Self {
        Self::default()
    }

    /// Selects entities with a matching part of this type (`user`, `client-id`, `ip`).
    #[must_use]
    pub fn part(mut self, kind: impl Into<String>, matches: QuotaMatch) -> Self {
        self.parts.insert(kind.into(), matches);
        self
    }

    /// Excludes entities that have other parts as well.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.is_strict = true;
        self
    }
}

impl Admin {
    /// Returns the quotas of the selected entities.
    ///
    /// # Errors
    /// - [`CLUSTER_AUTHORIZATION_FAILED`](crate::ErrorCode::CLUSTER_AUTHORIZATION_FAILED).
    /// - [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) before Kafka 2.6.
    pub async fn describe_quotas(
        &self,
        filter: QuotaFilter,
    ) -> Result<BTreeMap<QuotaEntity, Quota>> {
        let request = |_| DescribeClientQuotasRequest {
            components: filter
                .parts
                .iter()
                .map(|(kind, matches)| {
                    let (match_type, name) = match matches {
                        QuotaMatch::Name(name) => (0, Some(name.as_str())),
                        QuotaMatch::Default => (1, None),
                        QuotaMatch::Any => (2, None),
                    };
                    ComponentData { entity_type: kind, match_type, r#match: name }
                })
                .collect(),
            strict: filter.is_strict,
        };
        let read = |response: &DescribeClientQuotasResponse<'_>| {
            check(response.error_code, response.error_message)?;
            let found = response.entries.iter().flatten().map(|entry| {
                let parts = entry
                    .entity
                    .iter()
                    .map(|part| (part.entity_type.to_owned(), part.entity_name.map(str::to_owned)));
                let values = entry.values.iter().map(|value| (value.key.to_owned(), value.value));
                (QuotaEntity { parts: parts.collect() }, values.collect::<Quota>())
            });
            Ok(found.collect())
        };
        self.ask(Route::Any, request, read).await
    }

    /// Changes quotas; other limits keep their values.
    ///
    /// # Errors
    /// For an entity: [`INVALID_REQUEST`](crate::ErrorCode::INVALID_REQUEST),
    /// [`CLUSTER_AUTHORIZATION_FAILED`](crate::ErrorCode::CLUSTER_AUTHORIZATION_FAILED);
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) before Kafka 2.6.
    pub async fn alter_quotas(
        &self,
        alterations: impl IntoIterator<Item = (QuotaEntity, Vec<QuotaAlteration>)>,
    ) -> Outcomes<QuotaEntity, ()> {
        let mut merged: BTreeMap<QuotaEntity, Vec<QuotaAlteration>> = BTreeMap::new();
        for (entity, alterations) in alterations {
            merged.entry(entity).or_default().extend(alterations);
        }
        let read = |_: &[_], response: &AlterClientQuotasResponse<'_>| {
            let altered = response.entries.iter().map(|entry| {
                let parts = entry
                    .entity
                    .iter()
                    .map(|part| (part.entity_type.to_owned(), part.entity_name.map(str::to_owned)));
                (
                    QuotaEntity { parts: parts.collect() },
                    check(entry.error_code, entry.error_message),
                )
            });
            Ok(altered.collect())
        };
        self.ask_each(
            &merged,
            |_| Route::Controller,
            |share, _| AlterClientQuotasRequest {
                entries: share
                    .iter()
                    .map(|(entity, alterations)| RequestEntryData {
                        entity: entity
                            .parts
                            .iter()
                            .map(|(kind, name)| RequestEntityData {
                                entity_type: kind,
                                entity_name: name.as_deref(),
                            })
                            .collect(),
                        ops: alterations.iter().map(QuotaAlteration::as_request).collect(),
                    })
                    .collect(),
                validate_only: self.validates_only,
            },
            read,
        )
        .await
    }
}
