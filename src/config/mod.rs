//! What the user sets: client-wide settings, and the one table of Kafka's property names.
//!
//! A value is checked twice: its form when it is parsed ([`Settings`]), its range and its agreement
//! with the others in `validate`, which every handle calls before it starts. So a setter never
//! fails, and a config from code and one from a file meet the same rules.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::shown::shown;

mod address;
mod assertion;
#[cfg(feature = "aws-msk-iam")]
mod aws;
mod client;
mod cloud;
mod iso8601;
mod jaas;
mod keys;
mod oauth;
mod properties;
mod providers;
#[cfg(test)]
pub(crate) mod readers;
mod sasl;
mod secret;
mod security;
mod settings;
mod tls;
mod token;
mod token_refresh;

pub(crate) use address::BootstrapAddresses;
pub use address::{AddressFamily, BrokerAddress};
pub use assertion::{Assertion, AssertionAlgorithm, AssertionSigner};
#[cfg(feature = "aws-msk-iam")]
pub use aws::{AwsCredentials, AwsCredentialsProvider, AwsMskIam};
pub use client::{ClientConfig, MetadataRecoveryStrategy};
pub(crate) use client::{STATISTICS_INTERVAL, StatisticsCallback};
#[cfg(all(feature = "oidc", feature = "tls"))]
pub use cloud::{AzureIdentity, GoogleCredentials};
#[cfg(feature = "oidc")]
pub use cloud::{AzureImds, GoogleMetadata};
pub use oauth::OidcConfig;
pub use properties::Properties;
pub use sasl::{Sasl, SaslContext, SaslError, SaslMechanism, SaslSession, SaslWork};
pub use secret::Secret;
pub use security::SecurityProtocol;
pub use tls::{TlsConfig, TlsVersion};
pub use token::{Token, TokenSource};
pub use token_refresh::TokenRefresh;

#[cfg(all(feature = "oidc", feature = "tls"))]
pub(crate) use assertion::PASSPHRASE as ASSERTION_PASSPHRASE;
#[cfg(feature = "oidc")]
pub(crate) use assertion::{AssertionKey, FILE as ASSERTION_FILE};
#[cfg(feature = "aws-msk-iam")]
pub(crate) use aws::{
    AwsChain, AwsChainCredentials, AwsChainStart, AwsCredentialsOrigin, AwsHanded, AwsRole,
    of_variables,
};
#[cfg(all(feature = "oidc", feature = "tls"))]
pub(crate) use cloud::{AzureCredential, AzureProof};
pub(crate) use iso8601::parse_duration;
pub(crate) use keys::HandleKind;
#[cfg(test)]
pub(crate) use keys::assert_every_setting_is_read;
#[cfg(feature = "mq")]
pub(crate) use keys::edit_distance;
#[cfg(all(
    test,
    feature = "encrypted-keys",
    feature = "oidc",
    feature = "pkcs12",
    feature = "tls"
))]
pub(crate) use keys::{secrets, settings_ending};
#[cfg(feature = "oidc")]
pub(crate) use oauth::{EndpointUrl, Grant};
pub(crate) use oauth::{TokenOrigin, UnsecuredToken};
#[cfg(feature = "scram")]
pub(crate) use sasl::ScramHash;
pub(crate) use sasl::{Credentials, Mechanism};
pub(crate) use security::SecurityConfig;
pub(crate) use settings::{FractionalMillis, FromProperty, OrNone, Settings, Words};

#[cfg(feature = "tls")]
pub(crate) use tls::{CONVERT, ClientCertificate, Trust};

use jaas::Jaas;
use providers::Providers;

/// The longest duration that is told from "never": 100 years, so that adding it to a clock cannot
/// overflow.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// The longest duration that fits the 32-bit millisecond fields of the protocol.
const LONGEST_INT: Duration = Duration::from_millis(2_147_483_647);

/// Makes a duration safe to add to a clock.
pub(crate) fn bounded(duration: Duration) -> Duration {
    duration.min(FOREVER)
}

/// Refuses a duration below `least`, or one that the protocol's 32-bit milliseconds cannot say.
pub(crate) fn check_millis(key: &str, value: Duration, least: Duration) -> Result<()> {
    check_range(key, value.as_millis(), least.as_millis(), LONGEST_INT.as_millis())
}

/// Refuses a value outside a range.
pub(crate) fn check_range<T: PartialOrd + fmt::Display>(
    key: &str,
    value: T,
    least: T,
    most: T,
) -> Result<()> {
    if value < least || value > most {
        return Err(Error::config(format!("{key} is {value}: from {least} to {most} is allowed")));
    }
    Ok(())
}

/// Refuses a text that the protocol's 16-bit lengths cannot say.
pub(crate) fn check_text(key: &str, value: &str) -> Result<()> {
    match i16::try_from(value.len()) {
        Ok(_) => Ok(()),
        Err(_) => Err(Error::config(format!(
            "{key} has {} bytes: at most {} are allowed",
            value.len(),
            i16::MAX
        ))),
    }
}

/// One millisecond: the least of a duration that would mean spinning, or failing at once, if it
/// were zero.
pub(crate) const MILLISECOND: Duration = Duration::from_millis(1);
