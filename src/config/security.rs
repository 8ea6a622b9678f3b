//! Which of TLS and SASL stand between client and broker (`security.protocol`), and their
//! properties.

use super::sasl::MECHANISMS;
use super::*;

/// How a connection is secured (`security.protocol`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SecurityProtocol {
    /// Not at all: anybody on the network path can read and change the data.
    #[default]
    Plaintext,
    /// TLS.
    Ssl,
    /// SASL without TLS: the client is authenticated, but anybody on the network path can read the
    /// data.
    SaslPlaintext,
    /// SASL over TLS.
    SaslSsl,
}

impl SecurityProtocol {
    /// Returns whether the protocol uses TLS.
    pub fn has_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }

    /// Returns whether the protocol authenticates the client with SASL.
    pub fn has_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }

    fn of(has_tls: bool, has_sasl: bool) -> Self {
        match (has_tls, has_sasl) {
            (false, false) => Self::Plaintext,
            (true, false) => Self::Ssl,
            (false, true) => Self::SaslPlaintext,
            (true, true) => Self::SaslSsl,
        }
    }
}

impl FromProperty for SecurityProtocol {
    const ALLOWED: &'static str = "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL";

    fn from_property(text: &str) -> Option<Self> {
        match text.to_ascii_uppercase().as_str() {
            "PLAINTEXT" => Some(Self::Plaintext),
            "SSL" => Some(Self::Ssl),
            "SASL_PLAINTEXT" => Some(Self::SaslPlaintext),
            "SASL_SSL" => Some(Self::SaslSsl),
            _ => None,
        }
    }
}

impl fmt::Display for SecurityProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Plaintext => "PLAINTEXT",
            Self::Ssl => "SSL",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
            Self::SaslSsl => "SASL_SSL",
        })
    }
}

/// The security settings of a client.
#[derive(Clone, Debug, Default)]
pub(crate) struct SecurityConfig {
    pub(crate) protocol: SecurityProtocol,
    pub(crate) tls: TlsConfig,
    pub(crate) sasl: Option<Sasl>,
    pub(crate) token_refresh: TokenRefresh,
}

impl SecurityConfig {
    pub(super) fn from_settings(settings: &Settings<'_>) -> Result<Self> {
        let protocol = settings.read("security.protocol")?.unwrap_or_default();
        cloud::warn_of_ignored(settings)?;
        let tls = TlsConfig::from_settings(settings)?;
        // As in Java, a mechanism has no say without SASL, be it one that this library lacks.
        let sasl = if SecurityProtocol::has_sasl(protocol) {
            Sasl::from_settings(settings)?
        } else {
            None
        };
        let token_refresh = TokenRefresh::from_settings(settings)?;
        Ok(Self { protocol, tls, sasl, token_refresh })
    }

    pub(super) fn validate(&self) -> Result<()> {
        if self.protocol.has_tls() {
            if !cfg!(feature = "tls") {
                let protocol = self.protocol;
                return Err(Error::config(format!(
                    "security.protocol is {protocol}, but this program was built without kavka's \
                     feature tls"
                )));
            }
            self.tls.validate()?;
        }
        self.token_refresh.validate()?;
        match &self.sasl {
            _ if !self.protocol.has_sasl() => Ok(()),
            Some(sasl) => sasl.validate(),
            None => Err(Error::config(format!(
                "security.protocol is {}, but sasl.mechanism is not set: {MECHANISMS} is allowed",
                self.protocol
            ))),
        }
    }
}

impl ClientConfig {
    /// Sets how connections are secured (`security.protocol`; default PLAINTEXT).
    ///
    /// [`ClientConfig::tls`] and [`ClientConfig::sasl`] each add their part to it. To remove one
    /// again, call this method after them.
    #[must_use]
    pub fn security_protocol(mut self, protocol: SecurityProtocol) -> Self {
        self.security.protocol = protocol;
        self
    }

    /// Enables TLS with the given settings. Requires the feature `tls`, which is on by default.
    #[must_use]
    pub fn tls(mut self, tls: TlsConfig) -> Self {
        self.security.tls = tls;
        self.security.protocol = SecurityProtocol::of(true, self.security.protocol.has_sasl());
        self
    }

    /// Enables SASL authentication with the given mechanism.
    #[must_use]
    pub fn sasl(mut self, sasl: Sasl) -> Self {
        self.security.sasl = Some(sasl);
        self.security.protocol = SecurityProtocol::of(self.security.protocol.has_tls(), true);
        self
    }

    /// Sets when OAUTHBEARER asks for its next token (`sasl.login.refresh.*`; default Java's).
    #[must_use]
    pub fn token_refresh(mut self, refresh: TokenRefresh) -> Self {
        self.security.token_refresh = refresh;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(pairs: &[(&str, &str)]) -> std::result::Result<ClientConfig, String> {
        let mut properties: Properties =
            [("bootstrap.servers", "localhost:9092")].into_iter().collect();
        properties.extend(pairs.iter().copied());
        ClientConfig::from_properties(&properties).map_err(|error| error.to_string())
    }

    #[test]
    fn tls_and_sasl_add_up_to_the_protocol() {
        let config = ClientConfig::new("a:1").sasl(Sasl::plain("u", "p"));
        assert_eq!(config.security.protocol, SecurityProtocol::SaslPlaintext);
        let config = config.tls(TlsConfig::new());
        assert_eq!(config.security.protocol, SecurityProtocol::SaslSsl);
        assert_eq!(
            ClientConfig::new("a:1").tls(TlsConfig::new()).security.protocol,
            SecurityProtocol::Ssl
        );
    }

    #[cfg(feature = "tls")]
    #[test]
    fn java_s_and_librdkafka_s_properties_say_the_same() {
        let java = from(&[
            ("security.protocol", "SASL_SSL"),
            ("sasl.mechanism", "PLAIN"),
            (
                "sasl.jaas.config",
                "a.b.PlainLoginModule required username=\"alice\" password=\"hunter2\";",
            ),
            ("ssl.truststore.type", "PEM"),
            ("ssl.truststore.location", "/ca.pem"),
        ]);
        let other = from(&[
            ("security.protocol", "sasl_ssl"),
            ("sasl.mechanisms", "PLAIN"),
            ("sasl.username", "alice"),
            ("sasl.password", "hunter2"),
            ("ssl.ca.location", "/ca.pem"),
        ]);
        let (java, other) = (java.expect("allowed"), other.expect("allowed"));
        assert_eq!(format!("{java:?}"), format!("{other:?}"));
        assert!(!format!("{java:?}").contains("hunter2"));
        let Some(Sasl(super::super::sasl::Mechanism::Plain(credentials))) = java.security.sasl
        else {
            panic!("PLAIN")
        };
        assert_eq!(
            (credentials.username.as_str(), credentials.password.expose()),
            ("alice", "hunter2")
        );
    }

    #[test]
    fn sasl_without_a_mechanism_or_credentials_is_refused() {
        for (pairs, word) in [
            (&[("security.protocol", "SASL_PLAINTEXT")][..], "sasl.mechanism is not set"),
            (
                &[("security.protocol", "SASL_PLAINTEXT"), ("sasl.mechanism", "GSSAPI")],
                "examples/kerberos",
            ),
            (&[("security.protocol", "SASL_PLAINTEXT"), ("sasl.mechanism", "PLAIN")], "username"),
            (
                &[
                    ("security.protocol", "SASL_PLAINTEXT"),
                    ("sasl.mechanism", "PLAIN"),
                    ("sasl.username", "x"),
                ],
                "password",
            ),
            (&[("security.protocol", "SASL")], "SASL_PLAINTEXT"),
        ] {
            let error = from(pairs).expect_err(word);
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn blanks_at_the_ends_of_librdkafka_s_password_belong_to_it() {
        let config = from(&[
            ("security.protocol", "SASL_PLAINTEXT "),
            ("sasl.mechanism", " PLAIN"),
            ("sasl.username", "alice "),
            ("sasl.password", " hunter2 "),
        ]);
        let Some(Sasl(super::super::sasl::Mechanism::Plain(credentials))) =
            config.expect("allowed").security.sasl
        else {
            panic!("PLAIN")
        };
        assert_eq!(
            (credentials.username.as_str(), credentials.password.expose()),
            ("alice ", " hunter2 ")
        );
    }

    #[test]
    fn all_mechanisms_that_are_built_in_are_named() {
        let error =
            from(&[("security.protocol", "SASL_PLAINTEXT"), ("sasl.mechanism", "DIGEST-MD5")])
                .expect_err("unknown");
        assert_eq!(error.contains("AWS_MSK_IAM"), cfg!(feature = "aws-msk-iam"), "{error}");
        assert_eq!(error.contains("SCRAM-SHA-512"), cfg!(feature = "scram"), "{error}");
    }

    #[test]
    fn what_has_no_say_is_not_looked_at() {
        from(&[("sasl.mechanism", "GSSAPI"), ("ssl.truststore.location", "x.jks")])
            .expect("PLAINTEXT");
    }
}
