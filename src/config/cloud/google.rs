//! Service accounts of Google Cloud: their settings, and which of them is meant.

#[cfg(feature = "tls")]
use std::path::PathBuf;
use std::sync::Arc;

use super::*;

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
#[cfg(feature = "tls")]
#[derive(Clone, Debug)]
pub struct GoogleServiceAccount {
    pub(crate) key_file: PathBuf,
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
pub(super) fn default_credentials(key_file: Option<std::ffi::OsString>) -> Result<TokenOrigin> {
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

#[cfg(all(test, feature = "tls"))]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_that_the_environment_names_comes_before_the_metadata_server() {
        for (file, chosen) in [
            (None, "GoogleMetadata"),
            (Some(""), "GoogleMetadata"),
            (Some("/k.json"), "GoogleServiceAccount { key_file: \"/k.json\""),
        ] {
            let made = format!("{:?}", default_credentials(file.map(Into::into)).expect(chosen));
            assert!(made.contains(chosen), "{made}");
        }
    }
}
