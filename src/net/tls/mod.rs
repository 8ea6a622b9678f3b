//! TLS on top of a byte stream, and words for what goes wrong with it.

mod encrypted;
mod explain;
#[cfg(feature = "oidc")]
mod jwt;
mod material;
mod pem;
#[cfg(feature = "pkcs12")]
mod pkcs12;
mod private_key;
#[cfg(all(test, any(feature = "encrypted-keys", feature = "pkcs12")))]
#[allow(dead_code, reason = "each of the features wants its own")]
pub(super) mod vectors;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::SingleCertAndKey;
use rustls::{CertificateError, DigitallySignedStruct, SignatureScheme, SupportedProtocolVersion};
use tokio_rustls::TlsConnector;
use tracing::{info, warn};

use self::explain::explain;
#[cfg(feature = "oidc")]
pub(super) use self::jwt::JwtKey;
#[cfg(all(test, feature = "oidc"))]
pub(super) use self::jwt::is_signed;
use self::material::{identity, roots};
use super::connector::Io;
use crate::config::{ClientCertificate, TlsConfig, TlsVersion, Trust};
use crate::error::{Error, ErrorKind, Result};

/// TLS as one client speaks it; its sessions are resumed from one connection to the next.
pub(crate) struct Tls {
    settings: TlsConfig,
    loaded: Mutex<Loaded>,
}

/// What was made of the settings, and of which state of the files.
struct Loaded {
    connector: TlsConnector,
    stamps: Vec<FileStamp>,
}

/// Tells one state of a file from the next; a file that cannot be looked at has neither.
#[derive(Clone, Debug, PartialEq, Eq)]
struct FileStamp {
    file: PathBuf,
    state: Option<(SystemTime, u64)>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads certificates and keys.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if a file cannot be read or holds something else, or if there is no
    /// cryptography.
    pub(crate) fn new(settings: TlsConfig) -> Result<Self> {
        if settings.any_server_name {
            warn!(
                "ssl.endpoint.identification.algorithm is empty: every certificate of a trusted \
                 authority passes for a broker's"
            );
        }
        let stamps = stamps(&settings);
        let loaded = Loaded { connector: connector(&settings)?, stamps };
        Ok(Self { settings, loaded: Mutex::new(loaded) })
    }

    /// Agrees on keys with the peer, which must prove that it is `host`.
    ///
    /// # Errors
    /// [`ErrorKind::Tls`] if it does not, or refuses this client; [`ErrorKind::Connect`] if the
    /// peer goes away, as one that speaks no TLS does.
    pub(super) async fn handshake(&self, io: Box<dyn Io>, host: &str) -> Result<Box<dyn Io>> {
        // The zone of an IPv6 address is of no concern to the peer.
        let name = host.split('%').next().unwrap_or(host).to_owned();
        let name = ServerName::try_from(name).map_err(|_| {
            Error::new(
                ErrorKind::Tls,
                format!(
                    "{host} is no name that a certificate can hold: connect by one that it holds"
                ),
            )
        })?;
        let stream = self.connector().connect(name, io).await.map_err(|error| {
            explain(&error, &self.settings).unwrap_or_else(|| {
                let message = format!(
                    "the peer went away during the TLS handshake ({error}): a plaintext listener \
                     does so; set security.protocol to PLAINTEXT or SASL_PLAINTEXT, or use the \
                     port of a TLS listener"
                );
                Error::new(ErrorKind::Connect, message).with_source(error)
            })
        })?;
        Ok(Box::new(stream))
    }

    /// Says what an error of an open stream means, if it is one of TLS.
    pub(super) fn explain(&self, error: &io::Error) -> Option<Error> {
        explain(error, &self.settings)
    }

    /// The newest state of the files; the last good one while they cannot be read.
    fn connector(&self) -> TlsConnector {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        // Small files, looked at once a connection: not worth a thread.
        let stamps = stamps(&self.settings);
        if loaded.stamps != stamps {
            match connector(&self.settings) {
                Ok(connector) => {
                    info!("read the changed certificates again");
                    *loaded = Loaded { connector, stamps };
                }
                Err(error) => {
                    warn!(%error, "the changed certificates cannot be used; going on with those \
                                   of before");
                    loaded.stamps = stamps;
                }
            }
        }
        loaded.connector.clone()
    }
}

fn stamps(settings: &TlsConfig) -> Vec<FileStamp> {
    let mut files: Vec<&Path> = Vec::new();
    if let Trust::File(file) = &settings.trust {
        files.push(file);
    }
    match &settings.identity {
        ClientCertificate::File(file) => files.push(file),
        ClientCertificate::Files { chain, key } => files.extend([chain.as_path(), key]),
        ClientCertificate::None | ClientCertificate::Pem { .. } => {}
    }
    let stamp = |file: &Path| {
        let state =
            std::fs::metadata(file).and_then(|metadata| Ok((metadata.modified()?, metadata.len())));
        FileStamp { file: file.to_owned(), state: state.ok() }
    };
    files.into_iter().map(stamp).collect()
}

fn connector(settings: &TlsConfig) -> Result<TlsConnector> {
    let config = match &settings.client_config {
        Some(config) => Arc::clone(&config.0),
        None => Arc::new(client_config(settings)?),
    };
    Ok(TlsConnector::from(config))
}

fn client_config(settings: &TlsConfig) -> Result<rustls::ClientConfig> {
    let provider = Arc::new(provider(settings)?);
    let impossible = |error: rustls::Error| Error::config(format!("TLS cannot be set up: {error}"));
    let verifier = WebPkiServerVerifier::builder_with_provider(
        Arc::new(roots(settings)?),
        Arc::clone(&provider),
    )
    .build()
    .map_err(|error| Error::config(format!("TLS cannot be set up: {error}")))?;
    let versions = versions(&settings.enabled_protocols);
    let identity = identity(settings, &provider)?;
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions)
        .map_err(impossible)?;
    let builder = if settings.any_server_name {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(ChainVerifier(verifier)))
    } else {
        builder.with_webpki_verifier(verifier)
    };
    Ok(match identity {
        None => builder.with_no_client_auth(),
        Some(certified) => {
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
        }
    })
}

/// The user's cryptography, else the process's, else graviola.
fn provider(settings: &TlsConfig) -> Result<CryptoProvider> {
    let mut provider = match (&settings.crypto_provider, CryptoProvider::get_default()) {
        (Some(provider), _) => (*provider.0).clone(),
        (None, Some(provider)) => (**provider).clone(),
        (None, None) => builtin_provider(processor_suffices())?,
    };
    if !settings.cipher_suites.is_empty() {
        restrict(&mut provider, &settings.cipher_suites)?;
    }
    Ok(provider)
}

/// Graviola, which would abort the program on a processor that it is not written for.
fn builtin_provider(processor_suffices: bool) -> Result<CryptoProvider> {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    if processor_suffices {
        return Ok(rustls_graviola::default_provider());
    }
    let _ = processor_suffices;
    Err(Error::config(
        "there is no cryptography for TLS: the one built in (graviola) needs an x86-64 processor \
         with ADX, AES, AVX2, BMI1 and PCLMULQDQ, or an aarch64 processor with AES, NEON, PMULL \
         and SHA-2; pass another to TlsConfig::crypto_provider(..)",
    ))
}

/// Whether this processor has what graviola asserts (its `is_cpu_supported`).
fn processor_suffices() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected as has;
        has!("adx")
            && has!("aes")
            && has!("avx")
            && has!("avx2")
            && has!("bmi1")
            && has!("pclmulqdq")
    }
    #[cfg(target_arch = "aarch64")]
    {
        use std::arch::is_aarch64_feature_detected as has;
        has!("aes") && has!("neon") && has!("pmull") && has!("sha2")
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    false
}

fn restrict(provider: &mut CryptoProvider, names: &[String]) -> Result<()> {
    // rustls writes TLS13_ where IANA and Java write TLS_.
    let name = |suite: &rustls::SupportedCipherSuite| {
        format!("{:?}", suite.suite()).replace("TLS13_", "TLS_")
    };
    let known: Vec<String> = provider.cipher_suites.iter().map(name).collect();
    let by_openssl =
        |suite: &rustls::SupportedCipherSuite| names.contains(&openssl_name(&name(suite)));
    // Such a list says nothing of TLS 1.3 there, which has another.
    let is_of_openssl = provider.cipher_suites.iter().any(by_openssl);
    provider.cipher_suites.retain(|suite| {
        names.contains(&name(suite))
            || by_openssl(suite)
            || is_of_openssl && suite.tls13().is_some()
    });
    if provider.cipher_suites.is_empty() {
        let (names, known) = (names.join(","), known.join(", "));
        return Err(Error::config(format!(
            "ssl.cipher.suites is {names}, of which there is none: of {known} any are allowed"
        )));
    }
    Ok(())
}

/// What OpenSSL calls a suite of TLS 1.2: `ECDHE-RSA-AES128-GCM-SHA256`, `ECDHE-RSA-CHACHA20-POLY1305`.
fn openssl_name(iana: &str) -> String {
    let Some((exchange, cipher)) = iana.trim_start_matches("TLS_").split_once("_WITH_") else {
        return String::new();
    };
    let cipher = cipher.replace("AES_", "AES").replace("POLY1305_SHA256", "POLY1305");
    format!("{exchange}_{cipher}").replace('_', "-")
}

fn versions(enabled: &[TlsVersion]) -> Vec<&'static SupportedProtocolVersion> {
    let all = [
        (TlsVersion::Tls13, &rustls::version::TLS13),
        (TlsVersion::Tls12, &rustls::version::TLS12),
    ];
    all.into_iter()
        .filter(|(version, _)| enabled.is_empty() || enabled.contains(version))
        .map(|(_, version)| version)
        .collect()
}

/// Checks everything but the name.
#[derive(Debug)]
struct ChainVerifier(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for ChainVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        // The name is looked at last, so a certificate that fails by it alone is otherwise good.
        match self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
        {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_processor_without_the_instructions_is_a_config_error_that_names_the_way_out() {
        let error = builtin_provider(false).expect_err("no cryptography");
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("crypto_provider(..)"), "{error}");
    }

    #[test]
    fn suites_are_restricted_by_the_names_of_iana_or_openssl() {
        let names = |wanted: &[&str]| {
            let settings = TlsConfig::new().cipher_suites(wanted.iter().copied());
            provider(&settings).map(|provider| {
                provider.cipher_suites.iter().map(|suite| format!("{:?}", suite.suite())).collect()
            })
        };
        let both: Vec<String> = names(&[
            "TLS_AES_128_GCM_SHA256",
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            "TLS_RSA_WITH_RC4_128_MD5",
        ])
        .expect("two");
        assert_eq!(both, ["TLS13_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]);
        let of_openssl =
            names(&["ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305", "AES128-SHA"])
                .expect("two, and those of TLS 1.3");
        let (new, old): (Vec<_>, Vec<_>) =
            of_openssl.into_iter().partition(|name| name.starts_with("TLS13_"));
        assert_eq!(new.len(), 3);
        assert_eq!(
            old,
            [
                "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
                "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
            ]
        );
        let error = names(&["RC4"]).expect_err("none").to_string();
        assert!(
            error.contains("ssl.cipher.suites") && error.contains("TLS_AES_256_GCM_SHA384"),
            "{error}"
        );
    }

    #[test]
    fn the_roots_of_mozilla_make_a_client_of_both_versions() {
        let config = client_config(&TlsConfig::new().webpki_roots()).expect("compiled in");
        assert!(config.alpn_protocols.is_empty() && config.enable_sni);
    }
}
