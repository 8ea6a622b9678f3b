//! Service accounts of Google Cloud: their settings, and which of them is meant.

#[cfg(feature = "tls")]
use std::path::PathBuf;
use std::sync::Arc;

use super::*;

/// Tokens of the service account of a virtual machine or a pod in Google Cloud, from its metadata
/// server, in the form that Google Cloud Managed Service for Apache Kafka takes. No secret is
/// needed. Requires the feature `oidc`.
///
/// From properties, [`GoogleCredentials`] ends here if there is no file.
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
#[derive(Clone, Debug)]
pub struct GoogleMetadata {
    pub(crate) endpoint: EndpointUrl,
}

/// Tokens of Google Cloud's Application Default Credentials, in the form that Google Cloud Managed
/// Service for Apache Kafka takes. Requires the features `oidc` and `tls`.
///
/// They are what the environment variable `GOOGLE_APPLICATION_CREDENTIALS` names, else what
/// `gcloud auth application-default login` has written, else what [`GoogleMetadata`] gives, asked at
/// `GCE_METADATA_HOST` if that is set. Files may be of these types:
///
/// | `type` | what it is |
/// |---|---|
/// | `service_account` | a key of a service account |
/// | `external_account` | workload identity federation: a token in a `file` or at a `url`, exchanged at Google's Security Token Service, and for one of a service account if there is a `service_account_impersonation_url` |
/// | `authorized_user` | the login of a person |
/// | `impersonated_service_account` | one of these, acting as a service account |
///
/// Subject tokens by AWS's requests (`environment_id`), programs (`executable`) and certificates are
/// not supported. Where neither a file nor Google says whose tokens they are, as for an
/// `external_account` without impersonation, the variable `GOOGLE_MANAGED_KAFKA_AUTH_PRINCIPAL` does.
///
/// A file is trusted in what it says, as no list of Google's hosts is kept here: whoever can write it
/// decides where secrets are sent, over TLS or to this machine alone. Only the `url` of a
/// `credential_source` may be one of `http` elsewhere, as the services are that vouch for a machine.
///
/// The property that selects it, as with Google's library for Java, is
/// `sasl.login.callback.handler.class=com.google.cloud.hosted.kafka.auth.GcpLoginCallbackHandler`.
///
/// # Errors
/// Connecting fails with [`ErrorKind::Config`](crate::ErrorKind::Config) if a file cannot be read
/// or is none of these; with [`ErrorKind::Connect`](crate::ErrorKind::Connect) if nobody answers, so
/// that the client tries again; and with
/// [`ErrorKind::Authentication`](crate::ErrorKind::Authentication) if the credentials are refused.
#[cfg(feature = "tls")]
#[derive(Clone, Debug)]
pub struct GoogleCredentials {
    /// What the environment says, if there is none.
    pub(crate) file: Option<PathBuf>,
    pub(crate) tls: TlsConfig,
}

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

impl Default for GoogleMetadata {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(feature = "tls")]
impl GoogleCredentials {
    /// Uses what the environment says.
    pub fn application_default() -> Self {
        Self { file: None, tls: TlsConfig::new() }
    }

    /// Uses a file. It is read for every token, so that another needs no restart.
    pub fn file(file: impl Into<PathBuf>) -> Self {
        Self { file: Some(file.into()), tls: TlsConfig::new() }
    }

    /// Sets the TLS settings for Google's endpoints; by default, the operating system's certificate
    /// authorities are trusted. Its cryptography also signs.
    #[must_use]
    pub fn tls(mut self, tls: TlsConfig) -> Self {
        self.tls = tls;
        self
    }
}

/// What Google's handler uses.
#[cfg(feature = "tls")]
pub(super) fn default_credentials() -> Result<TokenOrigin> {
    Ok(TokenOrigin::Source(Arc::new(GoogleCredentials::application_default())))
}

/// What Google's handler uses, where it needs no TLS.
#[cfg(not(feature = "tls"))]
pub(super) fn default_credentials() -> Result<TokenOrigin> {
    match std::env::var_os("GOOGLE_APPLICATION_CREDENTIALS").filter(|file| !file.is_empty()) {
        None => Ok(TokenOrigin::Source(Arc::new(GoogleMetadata::new()))),
        Some(_) => Err(Error::config(
            "GOOGLE_APPLICATION_CREDENTIALS names a file, but this program was built without \
             kavka's feature tls: unset it to use the metadata server",
        )),
    }
}
