//! Tokens for OAUTHBEARER: where they come from, by properties and in code.

use std::sync::Arc;

use super::*;

/// Where the tokens of OAUTHBEARER come from.
#[derive(Clone, Debug)]
pub(crate) enum TokenOrigin {
    Source(Arc<dyn TokenSource>),
    Unsecured(UnsecuredToken),
    Oidc(Box<OidcConfig>),
}

/// A token that nobody has signed, for tests: an unsecured JWS, as Java's
/// `unsecuredLoginStringClaim_sub` makes it.
#[derive(Clone, Debug)]
pub(crate) struct UnsecuredToken {
    pub(crate) subject: String,
    pub(crate) lifetime_seconds: i64,
    pub(crate) extensions: Vec<(String, String)>,
}

/// Requests tokens from an HTTP endpoint, with a client id and secret (KIP-768) or with a signed
/// assertion (KIP-1139).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OidcConfig {
    pub(crate) token_endpoint_url: EndpointUrl,
    pub(crate) grant: Grant,
    pub(crate) scope: Option<String>,
    pub(crate) url_encodes_header: bool,
    /// Where a secret goes: in the form, or else in the header (RFC 6749, section 2.3.1).
    #[cfg_attr(not(feature = "oidc"), allow(dead_code, reason = "only what asks reads it"))]
    pub(crate) is_secret_in_form: bool,
    /// What a refusal says to check, where the settings are not those of `sasl.oauthbearer.*`.
    #[cfg_attr(not(feature = "oidc"), allow(dead_code, reason = "only what asks reads it"))]
    pub(crate) advice: Option<&'static str>,
    pub(crate) extensions: Vec<(String, String)>,
    pub(crate) connect_timeout: Duration,
    pub(crate) read_timeout: Duration,
    pub(crate) retry_backoff: Duration,
    pub(crate) retry_backoff_max: Duration,
    pub(crate) tls: TlsConfig,
}

/// The URL of an endpoint, in which some providers want a secret: in the query, or as a user.
#[derive(Clone)]
pub(crate) struct EndpointUrl(pub(crate) Secret);

impl fmt::Debug for EndpointUrl {
    /// Writes the host, if there is one, and nothing of the rest.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = self.0.expose().split_once("://").unwrap_or_default();
        let (host, _) = rest.split_once('/').unwrap_or((rest, ""));
        let is_host =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
        match matches!(scheme, "http" | "https") && host.chars().all(is_host) && !rest.contains('@')
        {
            true => write!(f, "\"{scheme}://{}/...\"", shown(host)),
            false => f.write_str("[hidden]"),
        }
    }
}

impl FromProperty for EndpointUrl {
    const ALLOWED: &'static str = "a URL";
    const IS_SECRET: bool = true;

    fn from_property(text: &str) -> Option<Self> {
        Some(Self(Secret::from(text)))
    }
}

/// What the endpoint gives tokens for.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "oidc"), allow(dead_code, reason = "it is parsed, and then refused"))]
pub(crate) enum Grant {
    /// Client credentials, by a secret (RFC 6749, section 4.4).
    ClientSecret { id: String, secret: Secret },
    /// Client credentials, by an assertion (RFC 7523, section 2.2).
    ClientAssertion { id: Option<String>, assertion: Assertion },
    /// The assertion itself is the grant (RFC 7523, section 2.1).
    JwtBearer(Assertion),
}

impl OidcConfig {
    /// Requests tokens from `token_endpoint_url` (`sasl.oauthbearer.token.endpoint.url`) with the
    /// client's id and secret (`sasl.oauthbearer.client.credentials.client.id` and `.secret`).
    pub fn new(
        token_endpoint_url: impl Into<String>,
        client_id: impl Into<String>,
        client_secret: impl Into<Secret>,
    ) -> Self {
        Self::with(
            token_endpoint_url,
            Grant::ClientSecret { id: client_id.into(), secret: client_secret.into() },
        )
    }

    /// Requests tokens with an assertion as the grant:
    /// `urn:ietf:params:oauth:grant-type:jwt-bearer` (KIP-1139).
    ///
    /// The properties that select it are `sasl.oauthbearer.jwt.retriever.class` with the value
    /// `org.apache.kafka.common.security.oauthbearer.JwtBearerJwtRetriever`, or librdkafka's
    /// `sasl.oauthbearer.grant.type` with that URN.
    pub fn jwt_bearer(
        token_endpoint_url: impl Into<String>,
        assertion: impl Into<Assertion>,
    ) -> Self {
        Self::with(token_endpoint_url, Grant::JwtBearer(assertion.into()))
    }

    /// Requests tokens with client credentials, using an assertion instead of a secret. The client
    /// id is sent if given, though most endpoints take it from the assertion.
    ///
    /// The properties that select it, as in Java, are `sasl.oauthbearer.assertion.file` and
    /// `sasl.oauthbearer.assertion.claim.iss`.
    pub fn client_assertion(
        token_endpoint_url: impl Into<String>,
        client_id: Option<String>,
        assertion: impl Into<Assertion>,
    ) -> Self {
        Self::with(
            token_endpoint_url,
            Grant::ClientAssertion { id: client_id, assertion: assertion.into() },
        )
    }

    fn with(token_endpoint_url: impl Into<String>, grant: Grant) -> Self {
        Self {
            token_endpoint_url: EndpointUrl(Secret::new(token_endpoint_url)),
            grant,
            scope: None,
            url_encodes_header: false,
            is_secret_in_form: false,
            advice: None,
            extensions: Vec::new(),
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(10),
            retry_backoff: Duration::from_millis(100),
            retry_backoff_max: Duration::from_secs(10),
            tls: TlsConfig::new(),
        }
    }

    /// Requests a scope (`sasl.oauthbearer.scope`; default: the endpoint's).
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = Some(scope.into()).filter(|scope: &String| !scope.is_empty());
        self
    }

    /// Sets whether id and secret are URL-encoded in the header, as RFC 6749 requires
    /// (`sasl.oauthbearer.header.urlencode`; default false, as most endpoints expect).
    #[must_use]
    pub fn header_urlencode(mut self, encodes: bool) -> Self {
        self.url_encodes_header = encodes;
        self
    }

    /// Adds a SASL extension (KIP-342).
    #[must_use]
    pub fn extension(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.extensions.push((name.into(), value.into()));
        self
    }

    /// Sets how long connecting to the endpoint may take (`sasl.login.connect.timeout.ms`; default
    /// 10 s).
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = bounded(timeout);
        self
    }

    /// Sets how long the endpoint may take to answer (`sasl.login.read.timeout.ms`; default 10 s).
    #[must_use]
    pub fn read_timeout(mut self, timeout: Duration) -> Self {
        self.read_timeout = bounded(timeout);
        self
    }

    /// Sets the first and the maximum backoff between attempts (`sasl.login.retry.backoff.ms`,
    /// `sasl.login.retry.backoff.max.ms`; default 100 ms and 10 s).
    #[must_use]
    pub fn retry_backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.retry_backoff = bounded(first);
        self.retry_backoff_max = bounded(longest);
        self
    }

    /// Sets the TLS settings for an HTTPS endpoint; by default, the operating system's certificate
    /// authorities are trusted. Its cryptography also signs assertions.
    #[must_use]
    pub fn tls(mut self, tls: TlsConfig) -> Self {
        self.tls = tls;
        self
    }
}

impl TokenOrigin {
    pub(super) fn validate(&self) -> Result<()> {
        let Self::Oidc(oidc) = self else { return Ok(()) };
        if !cfg!(feature = "oidc") {
            return Err(Error::config(
                "tokens are to come from an endpoint, but this program was built without kavka's \
                 feature oidc",
            ));
        }
        let url = oidc.token_endpoint_url.0.expose();
        let is_https = url.starts_with("https://");
        if !is_https && !url.starts_with("http://") {
            return Err(Error::config(
                "sasl.oauthbearer.token.endpoint.url is no URL: https://host/path or \
                 http://host/path is allowed",
            ));
        }
        if is_https && !cfg!(feature = "tls") {
            return Err(Error::config(
                "sasl.oauthbearer.token.endpoint.url is https, but this program was built \
                 without kavka's feature tls",
            ));
        }
        for (key, limit) in [
            ("sasl.login.connect.timeout.ms", oidc.connect_timeout),
            ("sasl.login.read.timeout.ms", oidc.read_timeout),
        ] {
            check_range(key, limit.as_millis(), 1, FOREVER.as_millis())?;
        }
        match &oidc.grant {
            Grant::ClientSecret { id, secret } if id.is_empty() || secret.expose().is_empty() => {
                Err(Error::config(
                    "the client id or secret of the token endpoint is empty: any other text is \
                     allowed",
                ))
            }
            Grant::ClientSecret { .. } => Ok(()),
            Grant::ClientAssertion { assertion, .. } | Grant::JwtBearer(assertion) => {
                assertion.validate()
            }
        }
    }

    pub(super) fn from_settings(settings: &Settings<'_>, jaas: Option<&Jaas>) -> Result<Self> {
        if let Some(jaas) = jaas {
            jaas.expect_module("OAuthBearerLoginModule", "OAUTHBEARER")?;
        }
        let extensions = extensions(settings, jaas)?;
        let option = |name| jaas.and_then(|jaas| jaas.option(name));
        if let Some(subject) = option("unsecuredLoginStringClaim_sub") {
            let lifetime = option("unsecuredLoginLifetimeSeconds").unwrap_or("3600");
            let lifetime_seconds = lifetime.parse().map_err(|_| {
                Error::config(
                    "unsecuredLoginLifetimeSeconds of sasl.jaas.config is no number: a whole \
                     number is allowed",
                )
            })?;
            return Ok(Self::Unsecured(UnsecuredToken {
                subject: subject.to_owned(),
                lifetime_seconds,
                extensions,
            }));
        }
        if let Some(origin) = cloud::from_settings(settings, jaas, &extensions)? {
            return Ok(origin);
        }
        let EndpointUrl(url) =
            settings.read("sasl.oauthbearer.token.endpoint.url")?.ok_or_else(|| {
                Error::config(
                    "sasl.mechanism is OAUTHBEARER, but sasl.oauthbearer.token.endpoint.url is \
                     not set: set it, or pass a source of tokens to Sasl::oauthbearer",
                )
            })?;
        let mut oidc = OidcConfig::with(url.expose(), Grant::from_settings(settings, jaas)?);
        let scope = settings
            .read::<String>("sasl.oauthbearer.scope")?
            .or_else(|| option("scope").map(str::to_owned));
        oidc = oidc.scope(scope.unwrap_or_default());
        oidc.extensions = extensions;
        settings.set("sasl.oauthbearer.header.urlencode", &mut oidc.url_encodes_header)?;
        settings.set("sasl.login.connect.timeout.ms", &mut oidc.connect_timeout)?;
        settings.set("sasl.login.read.timeout.ms", &mut oidc.read_timeout)?;
        settings.set("sasl.login.retry.backoff.ms", &mut oidc.retry_backoff)?;
        settings.set("sasl.login.retry.backoff.max.ms", &mut oidc.retry_backoff_max)?;
        oidc.tls = tls_of_https(settings)?;
        Ok(Self::Oidc(Box::new(oidc)))
    }
}

/// Whom to trust at an endpoint. The brokers' authority is seldom its own, so `ssl.*` has no say.
pub(super) fn tls_of_https(settings: &Settings<'_>) -> Result<TlsConfig> {
    let file = settings.read::<String>("https.ca.location")?;
    let pem = settings.read::<Secret>("https.ca.pem")?;
    Ok(match (file, pem) {
        (Some(file), _) => TlsConfig::new().truststore_location(file),
        (None, Some(pem)) => TlsConfig::new().truststore_certificates(pem.expose()),
        (None, None) => TlsConfig::new(),
    })
}

impl Grant {
    fn from_settings(settings: &Settings<'_>, jaas: Option<&Jaas>) -> Result<Self> {
        let (id, secret) = (
            "sasl.oauthbearer.client.credentials.client.id",
            "sasl.oauthbearer.client.credentials.client.secret",
        );
        let option = |name| jaas.and_then(|jaas| jaas.option(name));
        let client_id =
            settings.read::<String>(id)?.or_else(|| option("clientId").map(str::to_owned));
        let assertion = Assertion::from_settings(settings)?;
        let is_bearer = is_jwt_bearer(settings)?;
        let has_issuer = settings.read::<String>("sasl.oauthbearer.assertion.claim.iss")?.is_some();
        match assertion {
            Some(assertion) if is_bearer => return Ok(Self::JwtBearer(assertion)),
            // What chooses it in Java's ClientCredentialsRequestFormatterFactory.
            Some(assertion) if has_issuer || matches!(assertion, Assertion::File(_)) => {
                return Ok(Self::ClientAssertion { id: client_id, assertion });
            }
            Some(Assertion::Signed(signer)) => {
                return Err(Error::config(format!(
                    "{} is set, but nothing uses it: set {RETRIEVER} to {JWT_BEARER}, or \
                     sasl.oauthbearer.assertion.claim.iss for client credentials with an assertion",
                    signer.key.property()
                )));
            }
            _ if is_bearer || has_issuer => {
                return Err(Error::config(format!(
                    "an assertion is to be sent to the token endpoint, but there is none: set {} \
                     or {}",
                    assertion::KEY_FILE,
                    assertion::FILE
                )));
            }
            _ => {}
        }
        let missing =
            |name: &str| Error::config(format!("{name} is not set: the token endpoint needs it"));
        let client_secret =
            settings.read::<Secret>(secret)?.or_else(|| option("clientSecret").map(Secret::from));
        Ok(Self::ClientSecret {
            id: client_id.ok_or_else(|| missing(id))?,
            secret: client_secret.ok_or_else(|| missing(secret))?,
        })
    }
}

const RETRIEVER: &str = "sasl.oauthbearer.jwt.retriever.class";
const GRANT_TYPE: &str = "sasl.oauthbearer.grant.type";
const JWT_BEARER: &str = "org.apache.kafka.common.security.oauthbearer.JwtBearerJwtRetriever";

/// The SASL extensions (KIP-342) of both forms.
fn extensions(settings: &Settings<'_>, jaas: Option<&Jaas>) -> Result<Vec<(String, String)>> {
    let mut extensions: Vec<(String, String)> = Vec::new();
    if let Some(jaas) = jaas {
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        extensions.extend(jaas.options_after("extension_").map(own));
    }
    // librdkafka's form: name=value,name=value.
    for pair in
        settings.read::<String>("sasl.oauthbearer.extensions")?.unwrap_or_default().split(',')
    {
        match pair.split_once('=') {
            Some((name, value)) => {
                extensions.push((name.trim().to_owned(), value.trim().to_owned()))
            }
            None if pair.trim().is_empty() => {}
            None => {
                return Err(Error::config(
                    "sasl.oauthbearer.extensions has a part without =: name=value,name=value is \
                     allowed",
                ));
            }
        }
    }
    Ok(extensions)
}

/// Whether the assertion is the grant, by Java's property or by librdkafka's.
fn is_jwt_bearer(settings: &Settings<'_>) -> Result<bool> {
    let class = settings.read::<String>(RETRIEVER)?.filter(|class| !class.is_empty());
    let by_class = match class
        .as_deref()
        .map(|class| class.rsplit_once('.').map_or(class, |(_, name)| name))
    {
        None | Some("DefaultJwtRetriever") => None,
        Some("ClientCredentialsJwtRetriever") => Some(false),
        Some("JwtBearerJwtRetriever") => Some(true),
        Some(_) => {
            return Err(Error::config(format!(
                "{RETRIEVER} is {}: DefaultJwtRetriever, ClientCredentialsJwtRetriever or \
                 JwtBearerJwtRetriever of org.apache.kafka.common.security.oauthbearer is \
                 allowed; Sasl::oauthbearer takes a source of your own",
                class.unwrap_or_default()
            )));
        }
    };
    let by_type = match settings.read::<String>(GRANT_TYPE)?.as_deref() {
        None => None,
        Some("client_credentials") => Some(false),
        Some("urn:ietf:params:oauth:grant-type:jwt-bearer") => Some(true),
        Some(other) => {
            return Err(Error::config(format!(
                "{GRANT_TYPE} is {other}: client_credentials or \
                 urn:ietf:params:oauth:grant-type:jwt-bearer is allowed"
            )));
        }
    };
    match (by_class, by_type) {
        (Some(class), Some(grant)) if class != grant => Err(Error::config(format!(
            "{RETRIEVER} and {GRANT_TYPE} want different grants: give one of them"
        ))),
        (class, grant) => Ok(class.or(grant).unwrap_or(false)),
    }
}

#[cfg(all(test, feature = "oidc", feature = "tls"))]
mod tests {
    use super::*;

    /// What properties make of the grant, in the words of `Debug`.
    fn grant(pairs: &[(&str, &str)]) -> std::result::Result<String, String> {
        let mut properties: Properties = [
            ("bootstrap.servers", "a:1"),
            ("security.protocol", "SASL_PLAINTEXT"),
            ("sasl.mechanism", "OAUTHBEARER"),
            ("sasl.oauthbearer.token.endpoint.url", "http://localhost/token"),
        ]
        .into_iter()
        .collect();
        properties.extend(pairs.iter().copied());
        let config = ClientConfig::from_properties(&properties)
            .and_then(|config| config.validate().map(|()| config));
        let config = config.map_err(|error| error.to_string())?;
        let Some(Sasl(super::super::sasl::Mechanism::OAuthBearer(TokenOrigin::Oidc(oidc)))) =
            config.security.sasl
        else {
            panic!("OIDC")
        };
        Ok(format!("{:?}", oidc.grant))
    }

    const BEARER: (&str, &str) = (RETRIEVER, JWT_BEARER);
    const KEY: (&str, &str) = ("sasl.oauthbearer.assertion.private.key.file", "key.pem");
    const FILE: (&str, &str) = ("sasl.oauthbearer.assertion.file", "a.jwt");
    const ISSUER: (&str, &str) = ("sasl.oauthbearer.assertion.claim.iss", "me");
    const SECRET: [(&str, &str); 2] = [
        ("sasl.oauthbearer.client.credentials.client.id", "me"),
        ("sasl.oauthbearer.client.credentials.client.secret", "hunter2"),
    ];

    #[test]
    fn properties_say_what_the_setters_say() {
        let signer = AssertionSigner::key_file(AssertionAlgorithm::Es256, "key.pem")
            .passphrase("hunter2")
            .template_file("t.json")
            .audience("a")
            .issuer("me")
            .subject("s")
            .lifetime(Duration::from_secs(20))
            .leeway(Duration::from_secs(0))
            .include_id(true);
        let assertion = |name: &'static str| format!("sasl.oauthbearer.assertion.{name}");
        let names: Vec<(String, &str)> = [
            ("algorithm", "es256"),
            ("private.key.passphrase", "hunter2"),
            ("jwt.template.file", "t.json"),
            ("claim.aud", "a"),
            ("claim.sub", "s"),
            ("claim.exp.seconds", "20"),
            ("claim.nbf.seconds", "0"),
            ("claim.jti.include", "true"),
        ]
        .map(|(name, value)| (assertion(name), value))
        .into();
        let mut pairs: Vec<(&str, &str)> =
            names.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        pairs.extend([KEY, ISSUER]);
        let made = OidcConfig::jwt_bearer("x", signer.clone()).grant;
        assert_eq!(grant(&[&pairs[..], &[BEARER]].concat()), Ok(format!("{made:?}")));
        let by_type =
            ("sasl.oauthbearer.grant.type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
        assert_eq!(grant(&[&pairs[..], &[by_type]].concat()), Ok(format!("{made:?}")));
        let client = OidcConfig::client_assertion("x", Some("me".into()), signer).grant;
        assert_eq!(grant(&[&pairs[..], &SECRET].concat()), Ok(format!("{client:?}")));
        assert!(!format!("{made:?}{client:?}").contains("hunter2"));
    }

    #[test]
    fn the_grant_is_chosen_as_in_java() {
        for (pairs, chosen) in [
            (&SECRET[..], "ClientSecret"),
            (&[SECRET[0], SECRET[1], FILE], "ClientAssertion { id: Some(\"me\"), assertion: File"),
            (&[FILE], "ClientAssertion { id: None, assertion: File"),
            (&[KEY, ISSUER], "ClientAssertion { id: None, assertion: Signed"),
            // What is there makes what would make it idle.
            (&[BEARER, KEY, FILE], "JwtBearer(File"),
            (&[(RETRIEVER, "ClientCredentialsJwtRetriever"), FILE], "ClientAssertion"),
            (
                &[
                    (RETRIEVER, "org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever"),
                    SECRET[0],
                    SECRET[1],
                ],
                "ClientSecret",
            ),
        ] {
            let made = grant(pairs).expect(chosen);
            assert!(made.starts_with(chosen), "{made}");
        }
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for (pairs, words) in [
            (&[BEARER][..], &["assertion.private.key.file", "assertion.file"][..]),
            (&[ISSUER], &["assertion.private.key.file"]),
            (&[KEY], &["nothing uses it", "JwtBearerJwtRetriever"]),
            (&[BEARER, KEY, ("sasl.oauthbearer.assertion.private.key.pem", "x")], &["both set"]),
            (
                &[BEARER, KEY, ("sasl.oauthbearer.assertion.algorithm", "HS256")],
                &["RS256, ES256 or PS256"],
            ),
            (
                &[BEARER, KEY, ("sasl.oauthbearer.assertion.claim.exp.seconds", "0")],
                &["exp.seconds is 0"],
            ),
            (
                &[BEARER, KEY, ("sasl.oauthbearer.assertion.claim.nbf.seconds", "-1")],
                &["nbf.seconds", "whole number"],
            ),
            (
                &[(RETRIEVER, "com.example.Mine"), SECRET[0], SECRET[1]],
                &["com.example.Mine", "Sasl::oauthbearer"],
            ),
            (
                &[BEARER, FILE, ("sasl.oauthbearer.grant.type", "client_credentials")],
                &["different grants"],
            ),
            (
                &[FILE, ("sasl.oauthbearer.grant.type", "password")],
                &["password", "client_credentials"],
            ),
            (
                &[SECRET[0], SECRET[1], ("sasl.login.read.timeout.ms", "0")],
                &["read.timeout.ms is 0", "allowed"],
            ),
            (
                &[SECRET[0], SECRET[1], ("sasl.oauthbearer.extensions", "a=b,c")],
                &["extensions", "name=value"],
            ),
            (&[], &["client.id is not set"]),
        ] {
            let error = grant(pairs).expect_err("refused");
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
        }
    }
}
