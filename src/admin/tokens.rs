//! Delegation tokens: passwords for a time, which a user makes for their programs (KIP-48,
//! KIP-373).

use std::fmt;
use std::time::Duration;

use super::{Admin, check};
use crate::cluster::Route;
#[cfg(feature = "scram")]
use crate::config::Secret;
use crate::error::Result;
use crate::ids::Timestamp;
use crate::wire::messages::create_delegation_token::{
    CreatableRenewers, CreateDelegationTokenRequest, CreateDelegationTokenResponse,
};
use crate::wire::messages::describe_delegation_token::{
    DescribeDelegationTokenOwner, DescribeDelegationTokenRequest, DescribeDelegationTokenResponse,
    DescribedDelegationToken,
};
use crate::wire::messages::expire_delegation_token::{
    ExpireDelegationTokenRequest, ExpireDelegationTokenResponse,
};
use crate::wire::messages::renew_delegation_token::{
    RenewDelegationTokenRequest, RenewDelegationTokenResponse,
};

/// A principal: the identity of a client as authenticated by the cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Principal {
    /// The type: `User`, unless the cluster has custom types.
    pub kind: String,
    /// The name.
    pub name: String,
}

impl Principal {
    /// A user.
    pub fn user(name: impl Into<String>) -> Self {
        Self::new("User", name)
    }

    /// A principal of a type.
    pub fn new(kind: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind: kind.into(), name: name.into() }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.name)
    }
}

/// A delegation token to create.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewDelegationToken {
    owner: Option<Principal>,
    renewers: Vec<Principal>,
    max_lifetime: Option<Duration>,
}

impl NewDelegationToken {
    /// A token for the client's own user, with the maximum lifetime that the cluster allows.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates the token for another user (Kafka 3.3).
    #[must_use]
    pub fn owner(mut self, owner: Principal) -> Self {
        self.owner = Some(owner);
        self
    }

    /// Allows another principal to renew the token.
    #[must_use]
    pub fn renewer(mut self, renewer: Principal) -> Self {
        self.renewers.push(renewer);
        self
    }

    /// Sets the maximum lifetime, including all renewals (default and maximum:
    /// `delegation.token.max.lifetime.ms`).
    #[must_use]
    pub fn max_lifetime(mut self, lifetime: Duration) -> Self {
        self.max_lifetime = Some(lifetime);
        self
    }
}

/// A delegation token. Its `Debug` output does not show the secret.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DelegationToken {
    /// The token's id, which is the SCRAM user name.
    pub id: String,
    /// The secret. Its base64 form is the SCRAM password (`password`, with the feature `scram`).
    pub hmac: Vec<u8>,
    /// The principal the token authenticates.
    pub owner: Principal,
    /// The principal that requested the token, if the broker tells (3.3 and newer).
    pub requester: Option<Principal>,
    /// The other principals that may renew the token. Empty in the result of creating it.
    pub renewers: Vec<Principal>,
    /// When the token was issued.
    pub issued: Timestamp,
    /// When the token expires unless renewed.
    pub expires: Timestamp,
    /// When the token expires at the latest.
    pub max: Timestamp,
}

#[cfg(feature = "scram")]
impl DelegationToken {
    /// Returns the password that authenticates with this token: `Sasl::scram_sha_256(&token.id,
    /// token.password()).delegation_token()`.
    pub fn password(&self) -> Secret {
        use base64::Engine as _;
        Secret::new(base64::engine::general_purpose::STANDARD.encode(&self.hmac))
    }
}

impl fmt::Debug for DelegationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, hmac: _, owner, requester, renewers, issued, expires, max } = self;
        f.debug_struct("DelegationToken")
            .field("id", id)
            .field("owner", owner)
            .field("requester", requester)
            .field("renewers", renewers)
            .field("issued", issued)
            .field("expires", expires)
            .field("max", max)
            .finish_non_exhaustive()
    }
}

impl Admin {
    /// Creates a delegation token.
    ///
    /// # Errors
    /// - [`DELEGATION_TOKEN_AUTH_DISABLED`](crate::ErrorCode::DELEGATION_TOKEN_AUTH_DISABLED) if
    ///   the brokers have no delegation token secret key.
    /// - [`DELEGATION_TOKEN_REQUEST_NOT_ALLOWED`](crate::ErrorCode::DELEGATION_TOKEN_REQUEST_NOT_ALLOWED)
    ///   if the client itself is not authenticated or has authenticated by a token.
    pub async fn create_delegation_token(
        &self,
        token: NewDelegationToken,
    ) -> Result<DelegationToken> {
        let request = |_| CreateDelegationTokenRequest {
            owner_principal_type: token.owner.as_ref().map(|owner| owner.kind.as_str()),
            owner_principal_name: token.owner.as_ref().map(|owner| owner.name.as_str()),
            renewers: token
                .renewers
                .iter()
                .map(|renewer| CreatableRenewers {
                    principal_type: &renewer.kind,
                    principal_name: &renewer.name,
                })
                .collect(),
            max_lifetime_ms: token.max_lifetime.map_or(-1, millis),
        };
        let read = |response: &CreateDelegationTokenResponse<'_>| {
            check(response.error_code, None)?;
            Ok(DelegationToken {
                id: response.token_id.to_owned(),
                hmac: response.hmac.to_vec(),
                owner: Principal::new(response.principal_type, response.principal_name),
                requester: known(
                    response.token_requester_principal_type,
                    response.token_requester_principal_name,
                ),
                renewers: Vec::new(),
                issued: Timestamp(response.issue_timestamp_ms),
                expires: Timestamp(response.expiry_timestamp_ms),
                max: Timestamp(response.max_timestamp_ms),
            })
        };
        self.change(Route::Any, request, read).await
    }

    /// Renews a token, by default for `delegation.token.expiry.time.ms`, and returns its new expiry
    /// time.
    ///
    /// # Errors
    /// [`DELEGATION_TOKEN_NOT_FOUND`](crate::ErrorCode::DELEGATION_TOKEN_NOT_FOUND),
    /// [`DELEGATION_TOKEN_EXPIRED`](crate::ErrorCode::DELEGATION_TOKEN_EXPIRED),
    /// [`DELEGATION_TOKEN_OWNER_MISMATCH`](crate::ErrorCode::DELEGATION_TOKEN_OWNER_MISMATCH).
    pub async fn renew_delegation_token(
        &self,
        hmac: &[u8],
        period: Option<Duration>,
    ) -> Result<Timestamp> {
        let request =
            |_| RenewDelegationTokenRequest { hmac, renew_period_ms: period.map_or(-1, millis) };
        let read = |response: &RenewDelegationTokenResponse| {
            check(response.error_code, None).map(|()| Timestamp(response.expiry_timestamp_ms))
        };
        self.change(Route::Any, request, read).await
    }

    /// Expires a token after a period, or at once, and returns its new expiry time.
    ///
    /// # Errors
    /// As [`Admin::renew_delegation_token`].
    pub async fn expire_delegation_token(
        &self,
        hmac: &[u8],
        period: Option<Duration>,
    ) -> Result<Timestamp> {
        let request = |_| ExpireDelegationTokenRequest {
            hmac,
            expiry_time_period_ms: period.map_or(-1, millis),
        };
        let read = |response: &ExpireDelegationTokenResponse| {
            check(response.error_code, None).map(|()| Timestamp(response.expiry_timestamp_ms))
        };
        self.change(Route::Any, request, read).await
    }

    /// Describes the tokens of some owners that the client may see; with no owner given, those of
    /// all owners.
    ///
    /// # Errors
    /// As [`Admin::create_delegation_token`].
    pub async fn describe_delegation_tokens(
        &self,
        owners: impl IntoIterator<Item = Principal>,
    ) -> Result<Vec<DelegationToken>> {
        let owners: Vec<Principal> = owners.into_iter().collect();
        let request = |_| DescribeDelegationTokenRequest {
            owners: (!owners.is_empty()).then(|| {
                let owners = owners.iter();
                owners
                    .map(|Principal { kind, name }| DescribeDelegationTokenOwner {
                        principal_type: kind,
                        principal_name: name,
                    })
                    .collect()
            }),
        };
        let read = |response: &DescribeDelegationTokenResponse<'_>| {
            check(response.error_code, None).map(|()| response.tokens.iter().map(token).collect())
        };
        self.ask(Route::Any, request, read).await
    }
}

fn token(token: &DescribedDelegationToken<'_>) -> DelegationToken {
    let renewers = token
        .renewers
        .iter()
        .map(|renewer| Principal::new(renewer.principal_type, renewer.principal_name));
    DelegationToken {
        id: token.token_id.to_owned(),
        hmac: token.hmac.to_vec(),
        owner: Principal::new(token.principal_type, token.principal_name),
        requester: known(
            token.token_requester_principal_type,
            token.token_requester_principal_name,
        ),
        renewers: renewers.collect(),
        issued: Timestamp(token.issue_timestamp),
        expires: Timestamp(token.expiry_timestamp),
        max: Timestamp(token.max_timestamp),
    }
}

fn known(kind: &str, name: &str) -> Option<Principal> {
    (!kind.is_empty()).then(|| Principal::new(kind, name))
}

fn millis(period: Duration) -> i64 {
    i64::try_from(period.as_millis()).unwrap_or(i64::MAX)
}
