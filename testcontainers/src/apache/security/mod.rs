//! Secured listeners: which there are, what the nodes are told of them, and the certificates and
//! tokens that go with them.

mod certificates;
mod tokens;

use std::collections::BTreeMap;
use std::path::Path;

pub use self::certificates::Certificates;
pub use self::tokens::TokenEndpoint;

/// The users and passwords of every SASL listener; `admin` may do everything.
pub const USERS: [(&str, &str); 3] =
    [("admin", "admin-secret"), ("alice", "alice-secret"), ("bob", "bob-secret")];

/// How an additional listener of each node is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Security {
    /// TLS.
    Ssl,
    /// TLS with client certificates required.
    MutualTls,
    /// TLS with a certificate for `wrong.example`.
    SslWrongName,
    /// TLS with a certificate that has expired.
    SslExpired,
    /// PLAIN.
    SaslPlain,
    /// SCRAM-SHA-256 and SCRAM-SHA-512.
    SaslScram,
    /// PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512 over TLS.
    SaslSsl,
    /// OAUTHBEARER with unsigned tokens.
    OAuthUnsecured,
    /// OAUTHBEARER with signed tokens from
    /// [`Cluster::token_endpoint`](super::Cluster::token_endpoint).
    OAuthOidc,
}

const PLAIN: &str = "org.apache.kafka.common.security.plain.PlainLoginModule required";
const SCRAM: &str = "org.apache.kafka.common.security.scram.ScramLoginModule required";
const OAUTH: &str = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required";

impl Security {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Ssl,
        Self::MutualTls,
        Self::SslWrongName,
        Self::SslExpired,
        Self::SaslPlain,
        Self::SaslScram,
        Self::SaslSsl,
        Self::OAuthUnsecured,
        Self::OAuthOidc,
    ];

    /// Returns the value of `security.protocol` for its clients.
    pub fn protocol(self) -> &'static str {
        match self {
            Self::Ssl | Self::MutualTls | Self::SslWrongName | Self::SslExpired => "SSL",
            Self::SaslSsl => "SASL_SSL",
            Self::SaslPlain | Self::SaslScram | Self::OAuthUnsecured | Self::OAuthOidc => {
                "SASL_PLAINTEXT"
            }
        }
    }

    /// Returns the values of `sasl.mechanism` that it accepts.
    pub fn mechanisms(self) -> &'static [&'static str] {
        match self {
            Self::Ssl | Self::MutualTls | Self::SslWrongName | Self::SslExpired => &[],
            Self::SaslPlain => &["PLAIN"],
            Self::SaslScram => &["SCRAM-SHA-256", "SCRAM-SHA-512"],
            Self::SaslSsl => &["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"],
            Self::OAuthUnsecured | Self::OAuthOidc => &["OAUTHBEARER"],
        }
    }

    /// The listener's name, which Kafka wants in capitals here and in small letters there.
    pub(super) fn listener(self) -> String {
        format!("{self:?}").to_uppercase()
    }

    /// What a node is told of the listener.
    pub(super) fn properties(self, folder: &Path) -> BTreeMap<String, String> {
        let prefix = format!("listener.name.{}", self.listener().to_lowercase());
        let mut all = BTreeMap::new();
        let mut set =
            |name: &str, value: String| drop(all.insert(format!("{prefix}.{name}"), value));
        if self.protocol().contains("SSL") && self.protocol() != "SASL_PLAINTEXT" {
            let certificate = match self {
                Self::SslWrongName => "wrong-name",
                Self::SslExpired => "expired",
                _ => "server",
            };
            set("ssl.keystore.type", "PEM".into());
            set(
                "ssl.keystore.location",
                folder.join(format!("{certificate}.pem")).display().to_string(),
            );
            set("ssl.truststore.type", "PEM".into());
            set("ssl.truststore.location", folder.join("authority.pem").display().to_string());
            set(
                "ssl.client.auth",
                if self == Self::MutualTls { "required" } else { "none" }.into(),
            );
            set("ssl.principal.mapping.rules", "RULE:^.*CN=([^,]+).*$/$1/,DEFAULT".into());
        }
        if !self.mechanisms().is_empty() {
            set("sasl.enabled.mechanisms", self.mechanisms().join(","));
        }
        let users: String =
            USERS.iter().map(|(user, password)| format!(" user_{user}=\"{password}\"")).collect();
        for mechanism in self.mechanisms() {
            let jaas = match *mechanism {
                "PLAIN" => format!("{PLAIN}{users};"),
                "OAUTHBEARER" if self == Self::OAuthUnsecured => {
                    format!("{OAUTH} unsecuredLoginStringClaim_sub=\"broker\";")
                }
                "OAUTHBEARER" => format!("{OAUTH};"),
                _ => format!("{SCRAM};"),
            };
            set(&format!("{}.sasl.jaas.config", mechanism.to_lowercase()), jaas);
        }
        let handler = "oauthbearer.sasl.server.callback.handler.class";
        let package = "org.apache.kafka.common.security.oauthbearer";
        match self {
            Self::OAuthUnsecured => {
                set(
                    handler,
                    format!(
                        "{package}.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler"
                    ),
                );
            }
            Self::OAuthOidc => {
                set(handler, format!("{package}.OAuthBearerValidatorCallbackHandler"));
                let keys = folder.join("jwks.json").display().to_string();
                all.insert("sasl.oauthbearer.jwks.endpoint.url".into(), format!("file://{keys}"));
                all.insert("sasl.oauthbearer.expected.audience".into(), tokens::AUDIENCE.into());
            }
            _ => {}
        }
        all
    }
}
