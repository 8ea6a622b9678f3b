//! Tokens for OAUTHBEARER: where they come from, and for how long they are good.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::*;
use crate::ids::Timestamp;

/// A token, and what is known of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Token {
    /// What the broker gets.
    pub value: Secret,
    /// Until when it is good; `None` if that is not known, and then it is asked for again for each connection.
    pub expires_at: Option<Timestamp>,
    /// SASL extensions (KIP-342): names of letters, and values.
    pub extensions: Vec<(String, String)>,
}

impl Token {
    /// A token of which nothing is known.
    pub fn new(value: impl Into<Secret>) -> Self {
        Self { value: value.into(), expires_at: None, extensions: Vec::new() }
    }

    /// Says until when it is good.
    #[must_use]
    pub fn expires_at(mut self, time: Timestamp) -> Self {
        self.expires_at = Some(time);
        self
    }

    /// Adds a SASL extension (KIP-342).
    #[must_use]
    pub fn extension(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.extensions.push((name.into(), value.into()));
        self
    }
}

/// Where tokens come from.
///
/// A token is kept and used for further connections until four fifths of its time have passed
/// (Java's default of
/// `sasl.login.refresh.window.factor`); then the next connection, or the next proof that a broker wants, asks for another.
pub trait TokenSource: fmt::Debug + Send + Sync + 'static {
    /// A token that is good from `now` on.
    ///
    /// # Cancel safety
    /// The client drops the future when connecting takes too long.
    fn token(&self, now: Timestamp) -> TokenFuture<'_>;
}

/// What [`TokenSource::token`] returns.
pub type TokenFuture<'a> = Pin<Box<dyn Future<Output = Result<Token, SaslError>> + Send + 'a>>;

/// Where the tokens of OAUTHBEARER come from.
#[derive(Clone, Debug)]
pub(crate) enum TokenOrigin {
    Source(Arc<dyn TokenSource>),
    Unsecured(UnsecuredToken),
    Oidc(Box<OidcConfig>),
}

/// A token that nobody has signed, for tests: an unsecured JWS, as Java's `unsecuredLoginStringClaim_sub` makes it.
#[derive(Clone, Debug)]
pub(crate) struct UnsecuredToken {
    pub(crate) subject: String,
    pub(crate) lifetime_seconds: i64,
    pub(crate) extensions: Vec<(String, String)>,
}

/// The client-credentials flow of OAuth 2 (KIP-768): a token for an id and a secret, from an HTTP endpoint.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OidcConfig {
    pub(crate) token_endpoint_url: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: Secret,
    pub(crate) scope: Option<String>,
    pub(crate) url_encodes_header: bool,
    pub(crate) extensions: Vec<(String, String)>,
    pub(crate) connect_timeout: Duration,
    pub(crate) read_timeout: Duration,
    pub(crate) retry_backoff: Duration,
    pub(crate) retry_backoff_max: Duration,
    pub(crate) tls: TlsConfig,
}

impl OidcConfig {
    /// Asks for tokens at `token_endpoint_url` (`sasl.oauthbearer.token.endpoint.url`) as the client of that id and secret
    /// (`sasl.oauthbearer.client.credentials.client.id` and `.secret`).
    pub fn new(token_endpoint_url: impl Into<String>, client_id: impl Into<String>, client_secret: impl Into<Secret>) -> Self {
        Self {
            token_endpoint_url: token_endpoint_url.into(),
            client_id: client_id.into(),
            client_secret: client_secret.into(),
            scope: None,
            url_encodes_header: false,
            extensions: Vec::new(),
            connect_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(10),
            retry_backoff: Duration::from_millis(100),
            retry_backoff_max: Duration::from_secs(10),
            tls: TlsConfig::new(),
        }
    }

    /// Asks for a scope (`sasl.oauthbearer.scope`; default the endpoint's).
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = Some(scope.into()).filter(|scope: &String| !scope.is_empty());
        self
    }

    /// Sets whether id and secret are URL-encoded in the header, as RFC 6749 has it (`sasl.oauthbearer.header.urlencode`; default
    /// false, which is what most endpoints want).
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

    /// Sets how long connecting to the endpoint may take (`sasl.login.connect.timeout.ms`; default 10 s).
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

    /// Sets the first and the longest pause between attempts (`sasl.login.retry.backoff.ms`, `sasl.login.retry.backoff.max.ms`;
    /// default 100 ms and 10 s).
    #[must_use]
    pub fn retry_backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.retry_backoff = bounded(first);
        self.retry_backoff_max = bounded(longest);
        self
    }

    /// Sets whom to trust when the endpoint is HTTPS; default the operating system's authorities.
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
                "tokens are to come from an endpoint, but this program was built without kavka's feature oidc",
            ));
        }
        let url = &oidc.token_endpoint_url;
        let is_https = url.starts_with("https://");
        if !is_https && !url.starts_with("http://") {
            return Err(Error::config(
                "sasl.oauthbearer.token.endpoint.url is no URL: https://host/path or http://host/path is allowed",
            ));
        }
        if is_https && !cfg!(feature = "tls") {
            return Err(Error::config(
                "sasl.oauthbearer.token.endpoint.url is https, but this program was built without kavka's feature tls",
            ));
        }
        if oidc.client_id.is_empty() || oidc.client_secret.expose().is_empty() {
            return Err(Error::config("the client id or secret of the token endpoint is empty: any other text is allowed"));
        }
        Ok(())
    }

    pub(super) fn from_settings(settings: &Settings<'_>, jaas: Option<&Jaas>) -> Result<Self> {
        if let Some(jaas) = jaas {
            jaas.expect_module("OAuthBearerLoginModule", "OAUTHBEARER")?;
        }
        let mut extensions: Vec<(String, String)> = Vec::new();
        if let Some(jaas) = jaas {
            let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
            extensions.extend(jaas.options_after("extension_").map(own));
        }
        // librdkafka's form: name=value,name=value.
        for pair in settings.read::<String>("sasl.oauthbearer.extensions")?.unwrap_or_default().split(',') {
            if let Some((name, value)) = pair.split_once('=') {
                extensions.push((name.trim().to_owned(), value.trim().to_owned()));
            }
        }
        let option = |name| jaas.and_then(|jaas| jaas.option(name));
        if let Some(subject) = option("unsecuredLoginStringClaim_sub") {
            let lifetime = option("unsecuredLoginLifetimeSeconds").unwrap_or("3600");
            let lifetime_seconds = lifetime.parse().map_err(|_| {
                Error::config("unsecuredLoginLifetimeSeconds of sasl.jaas.config is no number: a whole number is allowed")
            })?;
            return Ok(Self::Unsecured(UnsecuredToken { subject: subject.to_owned(), lifetime_seconds, extensions }));
        }
        let url: String = settings.read("sasl.oauthbearer.token.endpoint.url")?.ok_or_else(|| {
            Error::config(
                "sasl.mechanism is OAUTHBEARER, but sasl.oauthbearer.token.endpoint.url is not set: set it, or pass a source of \
                 tokens to Sasl::oauthbearer",
            )
        })?;
        let missing = |name: &str| Error::config(format!("{name} is not set: the token endpoint needs it"));
        let (id, secret) = ("sasl.oauthbearer.client.credentials.client.id", "sasl.oauthbearer.client.credentials.client.secret");
        let client_id =
            settings.read::<String>(id)?.or_else(|| option("clientId").map(str::to_owned)).ok_or_else(|| missing(id))?;
        let client_secret = settings
            .read::<Secret>(secret)?
            .or_else(|| option("clientSecret").map(Secret::from))
            .ok_or_else(|| missing(secret))?;
        let mut oidc = OidcConfig::new(url, client_id, client_secret);
        let scope = settings.read::<String>("sasl.oauthbearer.scope")?.or_else(|| option("scope").map(str::to_owned));
        oidc = oidc.scope(scope.unwrap_or_default());
        oidc.extensions = extensions;
        settings.set("sasl.oauthbearer.header.urlencode", &mut oidc.url_encodes_header)?;
        settings.set("sasl.login.connect.timeout.ms", &mut oidc.connect_timeout)?;
        settings.set("sasl.login.read.timeout.ms", &mut oidc.read_timeout)?;
        settings.set("sasl.login.retry.backoff.ms", &mut oidc.retry_backoff)?;
        settings.set("sasl.login.retry.backoff.max.ms", &mut oidc.retry_backoff_max)?;
        // The brokers' authority is seldom the endpoint's, so `ssl.*` has no say here.
        match (settings.read::<String>("https.ca.location")?, settings.read::<String>("https.ca.pem")?) {
            (Some(file), _) => oidc.tls = oidc.tls.truststore_location(file),
            (None, Some(pem)) => oidc.tls = oidc.tls.truststore_certificates(pem),
            (None, None) => {}
        }
        Ok(Self::Oidc(Box::new(oidc)))
    }
}
