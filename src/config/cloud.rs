//! Tokens for OAUTHBEARER from the metadata services of clouds: which there are, and how properties
//! choose them.

#[cfg(all(feature = "oidc", feature = "tls"))]
use std::path::PathBuf;
#[cfg(feature = "oidc")]
use std::sync::Arc;

use super::*;

/// Tokens of a managed identity of Azure, from the Instance Metadata Service (IMDS) of the virtual
/// machine that the program runs on. No secret is needed. Requires the feature `oidc`.
///
/// The properties that select it, as in librdkafka, are
/// `sasl.oauthbearer.metadata.authentication.type=azure_imds` and
/// `sasl.oauthbearer.config=query=...`, with the query that [`AzureImds::new`] takes.
///
/// ```
/// use kavka::{AzureImds, ClientConfig, Sasl, TlsConfig};
///
/// let query = "api-version=2018-02-01&resource=https://demo.servicebus.windows.net";
/// let config = ClientConfig::new("demo.servicebus.windows.net:9093")
///     .tls(TlsConfig::new())
///     .sasl(Sasl::oauthbearer(AzureImds::new(query)));
/// ```
///
/// # Errors
/// Connecting fails with [`ErrorKind::Connect`](crate::ErrorKind::Connect) if the service does not
/// answer within 5 s or is busy, so that the client tries again; with
/// [`ErrorKind::Authentication`](crate::ErrorKind::Authentication) if it refuses, as it does if the
/// machine has no identity; and with [`ErrorKind::Config`](crate::ErrorKind::Config) if it cannot be
/// asked by this endpoint or query.
#[cfg(feature = "oidc")]
#[derive(Clone, Debug)]
pub struct AzureImds {
    pub(crate) query: Secret,
    pub(crate) endpoint: EndpointUrl,
    pub(crate) extensions: Vec<(String, String)>,
}

/// Tokens of the service account of a virtual machine or a pod in Google Cloud, from its metadata
/// server, in the form that Google Cloud Managed Service for Apache Kafka takes. No secret is
/// needed. Requires the feature `oidc`.
///
/// The property that selects it, as with Google's library for Java, is
/// `sasl.login.callback.handler.class=com.google.cloud.hosted.kafka.auth.GcpLoginCallbackHandler`.
///
/// ```
/// use kavka::{ClientConfig, GoogleMetadata, Sasl, TlsConfig};
///
/// let broker = "bootstrap.demo.europe-west1.managedkafka.my-project.cloud.goog:9092";
/// let config = ClientConfig::new(broker)
///     .tls(TlsConfig::new())
///     .sasl(Sasl::oauthbearer(GoogleMetadata::new()));
/// ```
///
/// # Errors
/// Connecting fails with [`ErrorKind::Connect`](crate::ErrorKind::Connect) if the server does not
/// answer within 5 s or is busy, so that the client tries again; with
/// [`ErrorKind::Authentication`](crate::ErrorKind::Authentication) if it refuses, or is none of
/// Google's; and with [`ErrorKind::Config`](crate::ErrorKind::Config) if it cannot be asked by this
/// endpoint.
#[cfg(feature = "oidc")]
#[derive(Clone, Debug)]
pub struct GoogleMetadata {
    pub(crate) endpoint: EndpointUrl,
}

/// Tokens of a service account of Google Cloud whose key is in a file, in the form that Google Cloud
/// Managed Service for Apache Kafka takes: for a program that runs elsewhere. Requires the features
/// `oidc` and `tls`.
///
/// The key signs a JWT, for which the `token_uri` in the file gives an access token (RFC 7523). From
/// properties, `GcpLoginCallbackHandler` selects it in place of [`GoogleMetadata`] if the environment
/// variable `GOOGLE_APPLICATION_CREDENTIALS` names such a file, as with Google's library.
///
/// # Errors
/// Connecting fails with [`ErrorKind::Config`](crate::ErrorKind::Config) if the file cannot be read
/// or is no key of a service account; with [`ErrorKind::Connect`](crate::ErrorKind::Connect) if the
/// endpoint does not answer; and with
/// [`ErrorKind::Authentication`](crate::ErrorKind::Authentication) if it refuses.
#[cfg(all(feature = "oidc", feature = "tls"))]
#[derive(Clone, Debug)]
pub struct GoogleServiceAccount {
    pub(crate) key_file: PathBuf,
    pub(crate) tls: TlsConfig,
}

#[cfg(feature = "oidc")]
impl AzureImds {
    /// Asks with this query: `api-version=2018-02-01&resource=...`, where the resource is the
    /// application id URI of the brokers; `&client_id=...` names one of several identities. Its
    /// values are URL-encoded where they have to be.
    pub fn new(query: impl Into<String>) -> Self {
        Self {
            query: Secret::new(query),
            endpoint: EndpointUrl(Secret::from(AZURE_IMDS)),
            extensions: Vec::new(),
        }
    }

    /// Sets another URL than `http://169.254.169.254/metadata/identity/oauth2/token`
    /// (`sasl.oauthbearer.token.endpoint.url`), which begins with `http://`.
    #[must_use]
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = EndpointUrl(Secret::new(url));
        self
    }

    /// Adds a SASL extension (KIP-342), such as the `logicalCluster` and the `identityPoolId` of
    /// Confluent Cloud (`sasl.oauthbearer.extensions`).
    #[must_use]
    pub fn extension(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.extensions.push((name.into(), value.into()));
        self
    }

    fn from_settings(settings: &Settings<'_>, extensions: &[(String, String)]) -> Result<Self> {
        let text = settings.read::<String>(CONFIG)?.unwrap_or_default();
        let mut words = text.split_ascii_whitespace();
        let query = match (words.next(), words.next()) {
            (None, _) => Some(""),
            (Some(word), None) => word.strip_prefix("query="),
            _ => None,
        };
        let url = settings.read::<EndpointUrl>(ENDPOINT)?;
        let has_query = url.as_ref().is_some_and(|url| url.0.expose().contains('?'));
        let query = query.filter(|query| has_query || !query.is_empty()).ok_or_else(|| {
            Error::config(format!(
                "{CONFIG} does not say what to ask Azure's metadata service for: \
                 query=api-version=2018-02-01&resource=... is allowed, URL-encoded"
            ))
        })?;
        let mut imds = Self::new(query);
        if let Some(url) = url {
            imds.endpoint = url;
        }
        imds.extensions = extensions.to_vec();
        Ok(imds)
    }
}

#[cfg(feature = "oidc")]
impl GoogleMetadata {
    /// Asks `http://metadata.google.internal` for tokens of the default service account.
    pub fn new() -> Self {
        Self { endpoint: EndpointUrl(Secret::from("http://metadata.google.internal")) }
    }

    /// Sets another URL than `http://metadata.google.internal`, which begins with `http://`; the
    /// paths of the metadata server are appended to it.
    #[must_use]
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = EndpointUrl(Secret::new(url));
        self
    }
}

#[cfg(feature = "oidc")]
impl Default for GoogleMetadata {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(feature = "oidc", feature = "tls"))]
impl GoogleServiceAccount {
    /// Uses the key in a file of JSON, as Google Cloud's console writes it. It is read for every
    /// token, so that a new key needs no restart.
    pub fn key_file(file: impl Into<PathBuf>) -> Self {
        Self { key_file: file.into(), tls: TlsConfig::new() }
    }

    /// Sets the TLS settings for the endpoint; by default, the operating system's certificate
    /// authorities are trusted. Its cryptography also signs.
    #[must_use]
    pub fn tls(mut self, tls: TlsConfig) -> Self {
        self.tls = tls;
        self
    }
}

/// As Google's default credentials: the key file that the variable names, else the metadata server.
#[cfg(feature = "oidc")]
fn google(key_file: Option<std::ffi::OsString>) -> Result<TokenOrigin> {
    match key_file.filter(|file| !file.is_empty()) {
        None => Ok(TokenOrigin::Source(Arc::new(GoogleMetadata::new()))),
        #[cfg(feature = "tls")]
        Some(file) => Ok(TokenOrigin::Source(Arc::new(GoogleServiceAccount::key_file(file)))),
        #[cfg(not(feature = "tls"))]
        Some(_) => Err(Error::config(
            "GOOGLE_APPLICATION_CREDENTIALS names a key file, but this program was built without \
             kavka's feature tls: unset it to use the metadata server",
        )),
    }
}

/// The metadata service that properties choose, if they do.
pub(super) fn from_settings(
    settings: &Settings<'_>,
    extensions: &[(String, String)],
) -> Result<Option<TokenOrigin>> {
    let is_azure = is_azure(settings)?;
    let is_google = settings.read::<String>(HANDLER)?.is_some_and(|class| class == GOOGLES);
    let chosen = match (is_azure, is_google) {
        (false, false) => return Ok(None),
        (true, true) => {
            return Err(Error::config(format!(
                "{TYPE} and {HANDLER} want tokens of different clouds: give one of them"
            )));
        }
        (true, false) => TYPE,
        (false, true) => HANDLER,
    };
    origin(chosen, settings, extensions).map(Some)
}

#[cfg(feature = "oidc")]
fn origin(
    chosen: &str,
    settings: &Settings<'_>,
    extensions: &[(String, String)],
) -> Result<TokenOrigin> {
    match chosen == TYPE {
        true => Ok(TokenOrigin::Source(Arc::new(AzureImds::from_settings(settings, extensions)?))),
        false => google(std::env::var_os("GOOGLE_APPLICATION_CREDENTIALS")),
    }
}

#[cfg(not(feature = "oidc"))]
fn origin(chosen: &str, _: &Settings<'_>, _: &[(String, String)]) -> Result<TokenOrigin> {
    Err(Error::config(format!(
        "{chosen} wants tokens of a cloud's metadata service, but this program was built without \
         kavka's feature oidc"
    )))
}

/// Warns of values that say nothing here, with what to do instead.
pub(super) fn warn_of_ignored(settings: &Settings<'_>) -> Result<()> {
    let is_known = |class: &str| class.is_empty() || class == GOOGLES || JAVAS.contains(&class);
    let class = settings.read::<String>(HANDLER)?;
    let is_handler_ignored = class.is_some_and(|class| !is_known(&class));
    let config = settings.read::<String>(CONFIG)?;
    let kind = settings.read::<String>(TYPE)?;
    let is_config_ignored = config.is_some() && kind.is_none_or(|kind| !is_imds(&kind));
    for (name, is_ignored) in [(HANDLER, is_handler_ignored), (CONFIG, is_config_ignored)] {
        if is_ignored && let Some(key) = keys::find(name) {
            settings::warn_of_ignored(name, key);
        }
    }
    Ok(())
}

fn is_azure(settings: &Settings<'_>) -> Result<bool> {
    match settings.read::<String>(TYPE)?.as_deref() {
        Some(kind) if is_imds(kind) => Ok(true),
        None => Ok(false),
        Some(kind) if kind.eq_ignore_ascii_case("none") => Ok(false),
        Some(kind) => Err(Error::config(format!(
            "{TYPE} is {:?}: none or azure_imds is allowed; tokens of another cloud come from a \
             source of your own: Sasl::oauthbearer",
            shown(kind)
        ))),
    }
}

fn is_imds(kind: &str) -> bool {
    kind.eq_ignore_ascii_case("azure_imds")
}

const TYPE: &str = "sasl.oauthbearer.metadata.authentication.type";
const HANDLER: &str = "sasl.login.callback.handler.class";
const CONFIG: &str = "sasl.oauthbearer.config";
#[cfg(feature = "oidc")]
const ENDPOINT: &str = "sasl.oauthbearer.token.endpoint.url";

/// Where Azure's service is on every machine.
#[cfg(feature = "oidc")]
const AZURE_IMDS: &str = "http://169.254.169.254/metadata/identity/oauth2/token";

const GOOGLES: &str = "com.google.cloud.hosted.kafka.auth.GcpLoginCallbackHandler";

/// The handlers that come with Java's client, which do what is done here without them.
const JAVAS: [&str; 3] = [
    "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler",
    "org.apache.kafka.common.security.oauthbearer.secured.OAuthBearerLoginCallbackHandler",
    "org.apache.kafka.common.security.oauthbearer.internals.unsecured.\
     OAuthBearerUnsecuredLoginCallbackHandler",
];

#[cfg(all(test, feature = "oidc"))]
mod tests {
    use super::*;
    use crate::observability::captured_logs::CapturedLogs;

    /// What properties make of the source of tokens, in the words of `Debug`.
    fn read(pairs: &[(&str, &str)]) -> std::result::Result<String, String> {
        let mut properties: Properties = [
            ("bootstrap.servers", "a:1"),
            ("security.protocol", "SASL_PLAINTEXT"),
            ("sasl.mechanism", "OAUTHBEARER"),
        ]
        .into_iter()
        .collect();
        properties.extend(pairs.iter().copied());
        let config = ClientConfig::from_properties(&properties)
            .and_then(|config| config.validate().map(|()| config));
        let config = config.map_err(|error| error.to_string())?;
        Ok(format!("{:?}", config.security.sasl))
    }

    const UNSECURED: &str = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule \
                             required unsecuredLoginStringClaim_sub=\"me\";";
    const IMDS: (&str, &str) = (TYPE, "azure_imds");
    const QUERY: (&str, &str) = (CONFIG, "query=api-version=2018-02-01&resource=api://hunter2");

    #[test]
    fn properties_choose_a_cloud() {
        for (pairs, chosen) in [
            (&[IMDS, QUERY][..], "http://169.254.169.254/..."),
            (&[(TYPE, "AZURE_IMDS"), QUERY], "AzureImds"),
            (&[IMDS, QUERY, (ENDPOINT, "http://localhost:1/x")], "http://localhost:1/..."),
            (&[IMDS, (ENDPOINT, "http://localhost:1/x?resource=y")], "http://localhost:1/..."),
            (
                &[IMDS, QUERY, ("sasl.oauthbearer.extensions", "logicalCluster=lkc-1")],
                "[(\"logicalCluster\", \"lkc-1\")]",
            ),
            (&[(HANDLER, GOOGLES)], "GoogleMetadata"),
            (&[(HANDLER, GOOGLES), (TYPE, "none")], "http://metadata.google.internal/..."),
        ] {
            let made = read(pairs).expect(chosen);
            assert!(made.contains(chosen) && !made.contains("hunter2"), "{made}");
        }
    }

    #[cfg(feature = "tls")]
    #[test]
    fn a_key_file_that_the_environment_names_comes_before_the_metadata_server() {
        for (file, chosen) in [
            (None, "GoogleMetadata"),
            (Some(""), "GoogleMetadata"),
            (Some("/k.json"), "GoogleServiceAccount { key_file: \"/k.json\""),
        ] {
            let made = format!("{:?}", google(file.map(Into::into)).expect(chosen));
            assert!(made.contains(chosen), "{made}");
        }
    }

    #[test]
    fn a_handler_or_config_that_nothing_reads_is_warned_of() {
        let unsecured = ("sasl.jaas.config", UNSECURED);
        for (pair, told) in [
            ((HANDLER, "com.example.Mine"), "Sasl::oauthbearer takes a source"),
            ((CONFIG, "principal=hunter2"), "unsecured tokens come from a source of your own"),
            ((HANDLER, JAVAS[0]), ""),
            ((HANDLER, ""), ""),
        ] {
            let log = CapturedLogs::warnings();
            read(&[unsecured, pair]).expect(pair.0);
            let expected = usize::from(!told.is_empty());
            assert_eq!(log.count(&["ignored", pair.0]), expected, "{}", log.text());
            assert!(log.text().contains(told) && !log.text().contains("hunter2"), "{}", log.text());
        }
        let log = CapturedLogs::warnings();
        read(&[IMDS, QUERY]).expect("a query");
        assert_eq!(log.count(&["ignored"]), 0, "{}", log.text());
    }

    #[test]
    fn what_no_cloud_can_be_asked_with_is_refused() {
        for (pairs, words) in [
            (&[IMDS][..], &[CONFIG, "query=api-version"][..]),
            (&[IMDS, (CONFIG, "principal=hunter2")], &[CONFIG, "query=api-version"]),
            (&[IMDS, (CONFIG, "query=a b")], &[CONFIG, "URL-encoded"]),
            (&[IMDS, QUERY, (HANDLER, GOOGLES)], &["different clouds"]),
            (&[(TYPE, "aws_iam")], &["aws_iam", "none or azure_imds", "Sasl::oauthbearer"]),
            (&[(HANDLER, "com.example.Mine")], &[ENDPOINT, "Sasl::oauthbearer"]),
        ] {
            let error = read(pairs).expect_err("refused");
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
