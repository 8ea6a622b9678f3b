//! Users that log in by SCRAM (KIP-554).

use std::collections::BTreeMap;
use std::fmt;

#[cfg(feature = "scram")]
use zeroize::Zeroizing;

use super::wire_enum::numbered;
use super::{Admin, Outcomes, check};
use crate::cluster::{Item, Route};
use crate::error::Result;
#[cfg(feature = "scram")]
use crate::error::{Error, ErrorCode};
#[cfg(feature = "scram")]
use crate::wire::messages::alter_user_scram_credentials::ScramCredentialUpsertion;
use crate::wire::messages::alter_user_scram_credentials::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, ScramCredentialDeletion,
};
use crate::wire::messages::describe_user_scram_credentials::{
    DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse, UserName,
};

numbered! {
    /// The hash of a SCRAM credential.
    ScramMechanism(i8) {
        /// SCRAM-SHA-256.
        Sha256 = 1, "SCRAM-SHA-256";
        /// SCRAM-SHA-512.
        Sha512 = 2, "SCRAM-SHA-512";
    }
}

/// A user's SCRAM credential, without the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScramCredential {
    /// The mechanism.
    pub mechanism: ScramMechanism,
    /// The number of iterations of the hash.
    pub iterations: u32,
}

impl ScramCredential {
    /// Creates a credential with the minimum number of iterations, 4,096.
    pub fn new(mechanism: ScramMechanism) -> Self {
        Self { mechanism, iterations: 4096 }
    }

    /// Sets the number of iterations of the hash.
    #[must_use]
    pub fn iterations(mut self, iterations: u32) -> Self {
        self.iterations = iterations;
        self
    }
}

/// A user, as the item of a request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct User(String);

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Item for User {
    const KIND: &'static str = "user";
}

impl Admin {
    /// Describes the SCRAM credentials of users; with no user given, those of all users.
    ///
    /// # Errors
    /// - [`CLUSTER_AUTHORIZATION_FAILED`](crate::ErrorCode::CLUSTER_AUTHORIZATION_FAILED).
    /// - [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) before Kafka 2.7.
    /// - For a user: [`RESOURCE_NOT_FOUND`](crate::ErrorCode::RESOURCE_NOT_FOUND).
    pub async fn describe_scram_users(
        &self,
        names: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Outcomes<String, Vec<ScramCredential>>> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let request = |_| DescribeUserScramCredentialsRequest {
            users: (!names.is_empty())
                .then(|| names.iter().map(|name| UserName { name }).collect()),
        };
        let read = |response: &DescribeUserScramCredentialsResponse<'_>| {
            check(response.error_code, response.error_message)?;
            let users = response.results.iter().map(|user| {
                let credentials = user.credential_infos.iter().map(|info| ScramCredential {
                    mechanism: ScramMechanism::from_code(info.mechanism),
                    iterations: u32::try_from(info.iterations).unwrap_or(0),
                });
                (
                    user.user.to_owned(),
                    check(user.error_code, user.error_message).map(|()| credentials.collect()),
                )
            });
            Ok(users.collect())
        };
        self.ask(Route::Any, request, read).await
    }

    /// Sets a user's password for a mechanism, replacing an earlier one. Only the salted hash is
    /// sent.
    ///
    /// # Errors
    /// - [`UNACCEPTABLE_CREDENTIAL`](crate::ErrorCode::UNACCEPTABLE_CREDENTIAL) if there are fewer
    ///   than 4,096 or more than 16,384 iterations.
    /// - [`CLUSTER_AUTHORIZATION_FAILED`](crate::ErrorCode::CLUSTER_AUTHORIZATION_FAILED).
    /// - [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) before Kafka 2.7.
    #[cfg(feature = "scram")]
    pub async fn upsert_scram_user(
        &self,
        name: impl Into<String>,
        credential: ScramCredential,
        password: impl AsRef<[u8]>,
    ) -> Result<()> {
        let ScramCredential { mechanism, iterations } = credential;
        let mut salt = [0_u8; 24];
        getrandom::fill(&mut salt).map_err(|error| {
            Error::config(format!("the operating system gives no randomness: {error}"))
        })?;
        let password = Zeroizing::new(password.as_ref().to_vec());
        // The broker refuses more; to hash a thousand times as often would only take time.
        let bounded = iterations.min(1 << 20);
        let hashing = self
            .cluster
            .runtime()
            .offload(usize::MAX, move || salted(mechanism, &password, &salt, bounded));
        let salted_password = hashing.await?;
        let users = BTreeMap::from([(User(name.into()), ())]);
        super::only(
            self.change_each(
                &users,
                |_| Route::Controller,
                |share, _| ScramRequest {
                    deletions: Vec::new(),
                    upsertions: share
                        .iter()
                        .map(|(user, ())| ScramCredentialUpsertion {
                            name: &user.0,
                            mechanism: mechanism.code(),
                            iterations: i32::try_from(iterations).unwrap_or(i32::MAX),
                            salt: &salt,
                            salted_password: &salted_password,
                        })
                        .collect(),
                },
                altered,
            )
            .await,
        )
    }

    /// Deletes the passwords of users for a mechanism.
    ///
    /// # Errors
    /// For a user: [`RESOURCE_NOT_FOUND`](crate::ErrorCode::RESOURCE_NOT_FOUND),
    /// [`CLUSTER_AUTHORIZATION_FAILED`](crate::ErrorCode::CLUSTER_AUTHORIZATION_FAILED);
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) before Kafka 2.7.
    pub async fn delete_scram_users(
        &self,
        users: impl IntoIterator<Item = (impl Into<String>, ScramMechanism)>,
    ) -> Outcomes<String, ()> {
        let mut deletions: BTreeMap<User, Vec<ScramMechanism>> = BTreeMap::new();
        for (name, mechanism) in users {
            deletions.entry(User(name.into())).or_default().push(mechanism);
        }
        let outcomes = self
            .change_each(
                &deletions,
                |_| Route::Controller,
                |share, _| ScramRequest {
                    deletions: share
                        .iter()
                        .flat_map(|(user, mechanisms)| {
                            let of = |mechanism: &ScramMechanism| ScramCredentialDeletion {
                                name: &user.0,
                                mechanism: mechanism.code(),
                            };
                            mechanisms.iter().map(of)
                        })
                        .collect(),
                    upsertions: Vec::new(),
                },
                altered,
            )
            .await;
        outcomes.into_iter().map(|(User(name), outcome)| (name, outcome)).collect()
    }
}

type ScramRequest<'a> = AlterUserScramCredentialsRequest<'a>;

fn altered<V>(
    _: &[(&User, &V)],
    response: &AlterUserScramCredentialsResponse<'_>,
) -> Result<Vec<(User, Result<()>)>> {
    let results = response.results.iter();
    Ok(results
        .map(|result| {
            (User(result.user.to_owned()), check(result.error_code, result.error_message))
        })
        .collect())
}

/// The password as brokers keep it: PBKDF2 of RFC 5802.
#[cfg(feature = "scram")]
fn salted(
    mechanism: ScramMechanism,
    password: &[u8],
    salt: &[u8],
    iterations: u32,
) -> Result<Zeroizing<Vec<u8>>> {
    let mut salted = Zeroizing::new(Vec::new());
    match mechanism {
        ScramMechanism::Sha256 => {
            salted.resize(32, 0);
            pbkdf2::pbkdf2_hmac::<sha2::Sha256>(password, salt, iterations, &mut salted);
        }
        ScramMechanism::Sha512 => {
            salted.resize(64, 0);
            pbkdf2::pbkdf2_hmac::<sha2::Sha512>(password, salt, iterations, &mut salted);
        }
        ScramMechanism::Other(_) => {
            return Err(Error::broker(ErrorCode::UNSUPPORTED_SASL_MECHANISM));
        }
    }
    Ok(salted)
}

#[cfg(all(test, feature = "scram"))]
mod tests {
    use super::*;

    /// The example of RFC 7677 gives salt and password; the salted password was computed by
    /// Python's hashlib.
    #[test]
    fn a_password_is_salted_as_the_rfc_says() {
        let salt = [
            0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e, 0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36,
            0xfa, 0x81,
        ];
        let salted = salted(ScramMechanism::Sha256, b"pencil", &salt, 4096).expect("known");
        let hex: String = salted.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "c4a49510323ab4f952cac1fa99441939e78ea74d6be81ddf7096e87513dc615d");
    }
}
