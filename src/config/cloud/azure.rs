//! Managed identities of Azure: their settings.

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
#[derive(Clone, Debug)]
pub struct AzureImds {
    pub(crate) query: Secret,
    pub(crate) endpoint: EndpointUrl,
    pub(crate) extensions: Vec<(String, String)>,
}

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

    pub(super) fn from_settings(
        settings: &Settings<'_>,
        extensions: &[(String, String)],
    ) -> Result<Self> {
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

/// Where Azure's service is on every machine.
const AZURE_IMDS: &str = "http://169.254.169.254/metadata/identity/oauth2/token";
