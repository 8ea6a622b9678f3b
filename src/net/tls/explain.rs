//! Words for what goes wrong with TLS.

use std::io;

use rustls::{AlertDescription, CertificateError, PeerIncompatible};

use crate::config::{ClientCertificate, TlsConfig};
use crate::error::{Error, ErrorKind};
use crate::shown::shown;

/// What went wrong, and what to change; `None` if it is no matter of TLS.
pub(super) fn explain(error: &io::Error, settings: &TlsConfig) -> Option<Error> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    let message = match error {
        rustls::Error::InvalidCertificate(error) => explain_certificate(error),
        rustls::Error::AlertReceived(alert) => {
            explain_alert(*alert, !matches!(settings.identity, ClientCertificate::None))
        }
        rustls::Error::InvalidMessage(_) => {
            "the peer speaks no TLS: set security.protocol to PLAINTEXT or SASL_PLAINTEXT, or \
             use the port of a TLS listener"
                .to_owned()
        }
        rustls::Error::PeerIncompatible(
            PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon,
        ) => "the broker demands a client certificate of another kind: set ssl.keystore.location \
              to one with another key"
            .to_owned(),
        rustls::Error::PeerIncompatible(why) => {
            format!(
                "the broker and this client have no TLS in common ({why:?}): see \
                 ssl.enabled.protocols and ssl.cipher.suites"
            )
        }
        other => format!("TLS failed: {other}"),
    };
    Some(Error::new(ErrorKind::Tls, message).with_source(error.clone()))
}

fn explain_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer => "the broker's certificate is of an authority that is \
                                            not trusted: set ssl.truststore.location to the \
                                            authority's certificate"
            .to_owned(),
        CertificateError::NotValidForName => {
            "the broker's certificate is for another name than the one connected to: connect by \
             a name that it holds, see advertised.listeners"
                .to_owned()
        }
        CertificateError::NotValidForNameContext { expected, presented }
            if presented.is_empty() =>
        {
            format!(
                "the broker's certificate holds no name of a host (a common name does not \
                 count): give the broker one with subjectAltName=DNS:{}",
                expected.to_str(),
            )
        }
        CertificateError::NotValidForNameContext { expected, presented } => format!(
            "the broker's certificate is for {}, not for {}: connect by a name that it holds, \
             see advertised.listeners, or give the broker another certificate",
            shown(&presented.iter().map(|name| plain_name(name)).collect::<Vec<_>>().join(", ")),
            expected.to_str(),
        ),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!(
                "the broker's certificate has expired ({error}): renew it, or set this machine's \
                 clock"
            )
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            format!(
                "the broker's certificate is not valid yet ({error}): set this machine's clock, \
                 or that of the authority"
            )
        }
        CertificateError::BadEncoding => "the broker's certificate, or one of those beside it, \
                                          is damaged: give it another"
            .to_owned(),
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => format!(
            "the broker's certificate, or one of its authorities', has {KNOWN_KEYS}: give the \
             broker another, or pass a cryptography that knows it to TlsConfig::crypto_provider"
        ),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "the broker's certificate is not for servers: give the broker one with \
             extendedKeyUsage=serverAuth"
                .to_owned()
        }
        // webpki's name of it, which rustls does not have.
        other if other.to_string().contains("CaUsedAsEndEntity") => {
            "the broker shows the certificate of an authority (CA:TRUE) as its own: give the \
             broker one that the authority has signed, with basicConstraints=CA:FALSE"
                .to_owned()
        }
        other => format!("the broker's certificate is not good: {}", shown(&other.to_string())),
    }
}

/// What the cryptography that is built in cannot check, in words that go on after "has".
const KNOWN_KEYS: &str =
    "a key or a signature that is none of RSA, Ed25519 and ECDSA on P-256 and P-384";

/// The name in rustls' `DnsName("name")`.
fn plain_name(presented: &str) -> &str {
    presented
        .split_once('(')
        .map_or(presented, |(_, name)| name.trim_end_matches(')').trim_matches('"'))
}

fn explain_alert(alert: AlertDescription, has_identity: bool) -> String {
    let refuses_certificate = matches!(
        alert,
        AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::AccessDenied
    );
    let expired = matches!(
        alert,
        AlertDescription::CertificateExpired | AlertDescription::CertificateRevoked
    );
    match (has_identity, refuses_certificate) {
        _ if expired => format!(
            "the broker says that this client's certificate has expired or was revoked ({alert:?})"
        ),
        (true, true) => format!(
            "the broker refused this client's certificate ({alert:?}): ssl.keystore.location \
             must hold one of an authority that the broker trusts"
        ),
        (false, true) => format!(
            "the broker demands a client certificate ({alert:?}): set ssl.keystore.location"
        ),
        (false, false) if alert == AlertDescription::HandshakeFailure => format!(
            "the broker broke off the TLS handshake ({alert:?}): it may demand a client \
             certificate (ssl.keystore.location), or have no cipher suite in common \
             (ssl.cipher.suites), or a certificate with {KNOWN_KEYS}"
        ),
        _ => format!("the broker broke off TLS ({alert:?})"),
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::ServerName;

    use super::*;

    fn said(error: CertificateError) -> String {
        let error = io::Error::other(rustls::Error::InvalidCertificate(error));
        explain(&error, &TlsConfig::new()).expect("one of TLS").to_string()
    }

    #[test]
    fn a_certificate_that_is_not_good_is_told_with_what_to_change() {
        let expected = ServerName::try_from("b.example").expect("a name");
        let named = |presented: &[&str]| CertificateError::NotValidForNameContext {
            expected: expected.clone(),
            presented: presented.iter().map(|name| (*name).to_owned()).collect(),
        };
        let many = vec!["DnsName(\"other.example\")"; 5000];
        for (error, words) in [
            (named(&[]), &["no name of a host", "subjectAltName=DNS:b.example"][..]),
            (named(&many[..1]), &["for other.example, not for b.example"]),
            (named(&many), &["bytes)", "advertised.listeners"]),
            (CertificateError::BadEncoding, &["damaged"]),
            (CertificateError::InvalidPurpose, &["serverAuth"]),
            (CertificateError::UnknownIssuer, &["ssl.truststore.location"]),
        ] {
            let said = said(error);
            assert!(said.len() < 1000 && words.iter().all(|word| said.contains(word)), "{said}");
        }
    }

    #[cfg(any(feature = "encrypted-keys", feature = "pkcs12"))]
    #[tokio::test]
    async fn an_authority_s_certificate_as_a_broker_s_own_is_told() {
        use std::sync::Arc;

        use rustls::pki_types::pem::PemObject;
        use rustls::pki_types::{CertificateDer, PrivateKeyDer};

        use super::super::{Tls, vectors};

        let chain = vec![
            CertificateDer::from_pem_slice(vectors::CERTIFICATE.as_bytes()).expect("a certificate"),
        ];
        let key = PrivateKeyDer::from_pem_slice(vectors::KEY.as_bytes()).expect("a key");
        let server = rustls::ServerConfig::builder_with_provider(Arc::new(
            rustls_graviola::default_provider(),
        ))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .expect("a server");
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let accepting = tokio_rustls::TlsAcceptor::from(Arc::new(server)).accept(theirs);
        let tls = Tls::new(TlsConfig::new().truststore_certificates(vectors::CERTIFICATE))
            .expect("an authority");
        let (connected, _) = tokio::join!(tls.handshake(Box::new(ours), "alice"), accepting);
        let Err(error) = connected else { panic!("it was taken") };
        assert!(error.to_string().contains("basicConstraints=CA:FALSE"), "{error}");
    }
}
