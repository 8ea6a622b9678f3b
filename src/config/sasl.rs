//! How a client proves who it is: the mechanisms of SASL, and the trait for those of the user's
//! own.

use std::sync::Arc;

use super::*;
use crate::boxed::BoxFuture;
use crate::ids::Timestamp;

/// The error of a mechanism or token source. It becomes the source of an [`Error`] of kind
/// [`ErrorKind::Authentication`](crate::ErrorKind::Authentication), or is returned unchanged if it
/// is an [`Error`] itself.
pub type SaslError = Box<dyn std::error::Error + Send + Sync>;

/// A SASL mechanism with its credentials (`sasl.mechanism`).
///
/// ```
/// use kavka::{ClientConfig, Sasl, TlsConfig};
///
/// let config = ClientConfig::new("broker:9093")
///     .tls(TlsConfig::new().truststore_location("ca.pem"))
///     .sasl(Sasl::scram_sha_512("alice", "her password"));
/// ```
#[derive(Clone, Debug)]
pub struct Sasl(pub(crate) Mechanism);

/// Which mechanism.
#[derive(Clone, Debug)]
pub(crate) enum Mechanism {
    Plain(Credentials),
    #[cfg_attr(not(feature = "scram"), allow(dead_code, reason = "the mechanism is not built in"))]
    Scram {
        hash: ScramHash,
        credentials: Credentials,
        is_token: bool,
    },
    OAuthBearer(TokenOrigin),
    #[cfg(feature = "aws-msk-iam")]
    AwsMskIam(AwsMskIam),
    Custom(Arc<dyn SaslMechanism>),
}

#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    pub(crate) username: String,
    pub(crate) password: Secret,
}

/// The hash of SCRAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScramHash {
    Sha256,
    Sha512,
}

impl Sasl {
    /// PLAIN: sends the password in clear text, so use it over TLS.
    pub fn plain(username: impl Into<String>, password: impl Into<Secret>) -> Self {
        Self(Mechanism::Plain(Credentials { username: username.into(), password: password.into() }))
    }

    /// SCRAM-SHA-256: proves that client and broker know the password without sending it. Requires
    /// the feature `scram`.
    pub fn scram_sha_256(username: impl Into<String>, password: impl Into<Secret>) -> Self {
        Self::scram(ScramHash::Sha256, username, password)
    }

    /// SCRAM-SHA-512: as SCRAM-SHA-256, with the longer hash. Requires the feature `scram`.
    pub fn scram_sha_512(username: impl Into<String>, password: impl Into<Secret>) -> Self {
        Self::scram(ScramHash::Sha512, username, password)
    }

    /// Makes the SCRAM user name the id of a delegation token, and the password its HMAC (KIP-48,
    /// `tokenauth="true"` in Java).
    ///
    /// Has no effect on other mechanisms.
    #[must_use]
    pub fn delegation_token(mut self) -> Self {
        if let Mechanism::Scram { is_token, .. } = &mut self.0 {
            *is_token = true;
        }
        self
    }

    /// OAUTHBEARER with tokens from a custom source. Tokens are sent in clear text, so use it over
    /// TLS.
    pub fn oauthbearer(source: impl TokenSource) -> Self {
        Self(Mechanism::OAuthBearer(TokenOrigin::Source(Arc::new(source))))
    }

    /// OAUTHBEARER with tokens from an HTTP endpoint, requested with a client id and secret or with
    /// an assertion. Requires the feature `oidc`.
    pub fn oauthbearer_oidc(oidc: OidcConfig) -> Self {
        Self(Mechanism::OAuthBearer(TokenOrigin::Oidc(Box::new(oidc))))
    }

    /// AWS_MSK_IAM: signs requests with AWS credentials, for Amazon MSK.
    #[cfg(feature = "aws-msk-iam")]
    pub fn aws_msk_iam(settings: AwsMskIam) -> Self {
        Self(Mechanism::AwsMskIam(settings))
    }

    /// A mechanism that this library does not provide.
    pub fn custom(mechanism: impl SaslMechanism) -> Self {
        Self(Mechanism::Custom(Arc::new(mechanism)))
    }

    fn scram(hash: ScramHash, username: impl Into<String>, password: impl Into<Secret>) -> Self {
        let credentials = Credentials { username: username.into(), password: password.into() };
        Self(Mechanism::Scram { hash, credentials, is_token: false })
    }

    /// The name of the mechanism.
    pub(crate) fn name(&self) -> &str {
        match &self.0 {
            Mechanism::Plain(_) => "PLAIN",
            Mechanism::Scram { hash: ScramHash::Sha256, .. } => "SCRAM-SHA-256",
            Mechanism::Scram { hash: ScramHash::Sha512, .. } => "SCRAM-SHA-512",
            Mechanism::OAuthBearer(_) => "OAUTHBEARER",
            #[cfg(feature = "aws-msk-iam")]
            Mechanism::AwsMskIam(_) => "AWS_MSK_IAM",
            Mechanism::Custom(mechanism) => mechanism.name(),
        }
    }

    /// Whether whoever hears the exchange could log in by what was said.
    pub(crate) fn tells_secret(&self) -> bool {
        match &self.0 {
            Mechanism::Plain(_) => true,
            Mechanism::Scram { .. }
            | Mechanism::Custom(_)
            | Mechanism::OAuthBearer(TokenOrigin::Unsecured(_)) => false,
            Mechanism::OAuthBearer(_) => true,
            #[cfg(feature = "aws-msk-iam")]
            Mechanism::AwsMskIam(_) => true,
        }
    }

    /// Refuses what no exchange could say, and what this build lacks.
    pub(super) fn validate(&self) -> Result<()> {
        match &self.0 {
            Mechanism::Plain(credentials) => credentials.validate(),
            Mechanism::Scram { .. } if !cfg!(feature = "scram") => Err(Error::config(
                "sasl.mechanism is SCRAM, but this program was built without kavka's feature scram",
            )),
            Mechanism::Scram { credentials, .. } => credentials.validate(),
            Mechanism::OAuthBearer(origin) => origin.validate(),
            #[cfg(feature = "aws-msk-iam")]
            Mechanism::AwsMskIam(_) => Ok(()),
            Mechanism::Custom(_) => Ok(()),
        }
    }

    /// Reads the properties of the mechanism that they name.
    pub(super) fn from_settings(settings: &Settings<'_>) -> Result<Option<Self>> {
        let Some(mechanism) = settings.read::<String>("sasl.mechanism")? else { return Ok(None) };
        let mechanism = mechanism.to_ascii_uppercase();
        let jaas = settings
            .read::<Secret>("sasl.jaas.config")?
            .map(|text| Jaas::parse(text.expose()))
            .transpose()?;
        match mechanism.as_str() {
            "PLAIN" => {
                let credentials =
                    Credentials::read(settings, jaas.as_ref(), "PlainLoginModule", &mechanism)?;
                Ok(Some(Self(Mechanism::Plain(credentials))))
            }
            "SCRAM-SHA-256" | "SCRAM-SHA-512" => {
                let credentials =
                    Credentials::read(settings, jaas.as_ref(), "ScramLoginModule", &mechanism)?;
                let hash =
                    if mechanism.ends_with("256") { ScramHash::Sha256 } else { ScramHash::Sha512 };
                let is_token = jaas.as_ref().and_then(|jaas| jaas.option("tokenauth"));
                let is_token = is_token.is_some_and(|value| value.eq_ignore_ascii_case("true"));
                Ok(Some(Self(Mechanism::Scram { hash, credentials, is_token })))
            }
            "OAUTHBEARER" => Ok(Some(Self(Mechanism::OAuthBearer(TokenOrigin::from_settings(
                settings,
                jaas.as_ref(),
            )?)))),
            #[cfg(feature = "aws-msk-iam")]
            "AWS_MSK_IAM" => {
                Ok(Some(Self(Mechanism::AwsMskIam(AwsMskIam::from_jaas(jaas.as_ref())?))))
            }
            #[cfg(not(feature = "aws-msk-iam"))]
            "AWS_MSK_IAM" => Err(Error::config(
                "sasl.mechanism is AWS_MSK_IAM, but this program was built without kavka's \
                 feature aws-msk-iam",
            )),
            "GSSAPI" => Err(Error::config(
                "sasl.mechanism is GSSAPI, which kavka does not have by itself: take the mechanism \
                 of its repository's examples/kerberos, and give it to ClientConfig::sasl by \
                 Sasl::custom, without this property",
            )),
            _ => Err(Error::config(format!(
                "sasl.mechanism is {}: {MECHANISMS} is allowed; another one is set by \
                 ClientConfig::sasl and Sasl::custom",
                shown(&mechanism)
            ))),
        }
    }
}

/// What `sasl.mechanism` can be in this build.
pub(super) const MECHANISMS: &str = match (cfg!(feature = "scram"), cfg!(feature = "aws-msk-iam")) {
    (true, true) => "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER or AWS_MSK_IAM",
    (true, false) => "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER",
    (false, true) => "PLAIN, OAUTHBEARER or AWS_MSK_IAM",
    (false, false) => "PLAIN or OAUTHBEARER",
};

impl Credentials {
    fn read(
        settings: &Settings<'_>,
        jaas: Option<&Jaas>,
        module: &str,
        mechanism: &str,
    ) -> Result<Self> {
        let (username, password) = match jaas {
            Some(jaas) => {
                jaas.expect_module(module, mechanism)?;
                (
                    jaas.option("username").map(str::to_owned),
                    jaas.option("password").map(Secret::from),
                )
            }
            None => (settings.read("sasl.username")?, settings.read("sasl.password")?),
        };
        let missing = |what: &str| {
            Error::config(format!(
                "sasl.mechanism is {mechanism}, but there is no {what}: give sasl.jaas.config \
                 with it, or sasl.username and sasl.password"
            ))
        };
        Ok(Self {
            username: username.ok_or_else(|| missing("username"))?,
            password: password.ok_or_else(|| missing("password"))?,
        })
    }

    fn validate(&self) -> Result<()> {
        for (what, text) in
            [("username", self.username.as_str()), ("password", self.password.expose())]
        {
            if text.is_empty() || text.contains('\0') {
                return Err(Error::config(format!(
                    "the {what} of SASL is empty or has a NUL: any other text is allowed"
                )));
            }
        }
        Ok(())
    }
}

/// A custom SASL mechanism.
///
/// It is used once for every connection, and again for each re-authentication (KIP-368).
pub trait SaslMechanism: fmt::Debug + Send + Sync + 'static {
    /// Returns the mechanism's name as known to brokers, such as `GSSAPI`.
    fn name(&self) -> &str;

    /// Prepares one exchange, for example by fetching a token or reading a ticket.
    ///
    /// # Cancel safety
    /// The client drops the future when connecting takes too long.
    fn start<'a>(
        &'a self,
        context: SaslContext<'a>,
    ) -> BoxFuture<'a, Result<Box<dyn SaslSession>, SaslError>>;
}

/// One SASL exchange between client and broker.
pub trait SaslSession: Send {
    /// Returns the response to a challenge of the broker; the first challenge is empty. `None` ends
    /// the exchange, once the broker is authenticated.
    ///
    /// # Errors
    /// If the challenge is not valid; the connection is then closed.
    fn respond(&mut self, challenge: &[u8]) -> Result<Option<Vec<u8>>, SaslError>;

    /// Returns work that must be done before [`SaslSession::respond`] can answer this challenge and
    /// that is slow, such as a key derivation. The client runs it on a blocking thread and calls
    /// `respond` afterwards. By default, there is none.
    fn prepare(&mut self, challenge: &[u8]) -> Option<SaslWork> {
        let _ = challenge;
        None
    }

    /// Called when the broker has rejected the exchange. Returns whether the client should connect
    /// again because another exchange may succeed: for example, if a cached token was sent and the
    /// next one will be new. The default is false.
    fn handle_refusal(&mut self) -> bool {
        false
    }

    /// Returns what the user should do after the broker has rejected the exchange. By default,
    /// nothing.
    fn advice(&self) -> Option<String> {
        None
    }
}

/// Slow work of a SASL exchange, as returned by [`SaslSession::prepare`].
pub type SaslWork = Box<dyn FnOnce() + Send>;

/// The inputs of a mechanism for one exchange.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SaslContext<'a> {
    /// The broker's host, as connected to.
    pub host: &'a str,
    /// The broker's port.
    pub port: u16,
    /// The time of the wall clock.
    pub now: Timestamp,
    /// Random bytes, never used before.
    pub nonce: [u8; 24],
}

impl FromProperty for Secret {
    const ALLOWED: &'static str = "any text";
    const IS_SECRET: bool = true;

    fn from_property(text: &str) -> Option<Self> {
        Some(Self::from(text))
    }
}
