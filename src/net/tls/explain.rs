//! Words for what goes wrong with TLS.

use std::io;
use std::sync::Arc;

use rustls::{AlertDescription, CertificateError, PeerIncompatible};

use crate::config::{Identity, TlsConfig};
use crate::error::{Error, ErrorKind};

/// What went wrong, and what to change; `None` if it is no matter of TLS.
pub(super) fn explain(error: &io::Error, settings: &TlsConfig) -> Option<Error> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    let message = match error {
        rustls::Error::InvalidCertificate(error) => explain_certificate(error),
        rustls::Error::AlertReceived(alert) => explain_alert(*alert, !matches!(settings.identity, Identity::None)),
        rustls::Error::InvalidMessage(_) => {
            "the peer speaks no TLS: set security.protocol to PLAINTEXT or SASL_PLAINTEXT, or use \
                                             the port of a TLS listener"
                .to_owned()
        }
        rustls::Error::PeerIncompatible(PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon) => {
            "the broker demands a client certificate of another kind: set ssl.keystore.location to one with another key"
                .to_owned()
        }
        rustls::Error::PeerIncompatible(why) => {
            format!("the broker and this client have no TLS in common ({why:?}): see ssl.enabled.protocols and ssl.cipher.suites")
        }
        other => format!("TLS failed: {other}"),
    };
    Some(Error::new(ErrorKind::Tls, message).with_source(Arc::new(error.clone()) as Arc<dyn std::error::Error + Send + Sync>))
}

fn explain_certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer => "the broker's certificate is of an authority that is not trusted: set \
                                            ssl.truststore.location to the authority's certificate"
            .to_owned(),
        CertificateError::NotValidForName => {
            "the broker's certificate is for another name than the one connected to: connect by a \
                                              name that it holds, see advertised.listeners"
                .to_owned()
        }
        CertificateError::NotValidForNameContext { expected, presented } => format!(
            "the broker's certificate is for {}, not for {}: connect by a name that it holds, see advertised.listeners, or give \
             the broker another certificate",
            presented.iter().map(|name| plain_name(name)).collect::<Vec<_>>().join(", "),
            expected.to_str(),
        ),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!("the broker's certificate has expired ({error}): renew it, or set this machine's clock")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            format!("the broker's certificate is not valid yet ({error}): set this machine's clock, or that of the authority")
        }
        other => format!("the broker's certificate is not good: {other}"),
    }
}

/// The name in rustls' `DnsName("name")`.
fn plain_name(presented: &str) -> &str {
    presented.split_once('(').map_or(presented, |(_, name)| name.trim_end_matches(')').trim_matches('"'))
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
    let expired = matches!(alert, AlertDescription::CertificateExpired | AlertDescription::CertificateRevoked);
    match (has_identity, refuses_certificate) {
        _ if expired => format!("the broker says that this client's certificate has expired or was revoked ({alert:?})"),
        (true, true) => format!(
            "the broker refused this client's certificate ({alert:?}): ssl.keystore.location must hold one of an authority that \
             the broker trusts"
        ),
        (false, true) => format!("the broker demands a client certificate ({alert:?}): set ssl.keystore.location"),
        (false, false) if alert == AlertDescription::HandshakeFailure => format!(
            "the broker broke off the TLS handshake ({alert:?}): it may demand a client certificate (ssl.keystore.location), or \
             have no cipher suite in common (ssl.cipher.suites)"
        ),
        _ => format!("the broker broke off TLS ({alert:?})"),
    }
}
