//! Whom to trust and what to show, out of files and texts.

use std::fmt;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use tracing::warn;

use super::super::files::read;
use super::pem::sections;
#[cfg(feature = "pkcs12")]
use super::pkcs12;
use super::private_key::{Chain, private_key};
use crate::config::{CONVERT, ClientCertificate, Secret, TlsConfig, Trust};
use crate::error::{Error, Result};

/// Whom to trust.
///
/// # Errors
/// [`ErrorKind::Config`](crate::ErrorKind::Config) if that cannot be read, or is nobody.
pub(super) fn roots(settings: &TlsConfig) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    match &settings.trust {
        Trust::Webpki => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Trust::System => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
            if roots.is_empty() {
                let why =
                    found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
                return Err(Error::config(format!(
                    "the system trusts no authority{why}: set ssl.truststore.location to a PEM \
                     file, or use TlsConfig::webpki_roots()"
                )));
            }
        }
        Trust::File(file) => {
            let name = "ssl.truststore.location";
            let bytes = read(name, file)?;
            let found = match is_store(&bytes) {
                true => trusted(name, &bytes, settings.truststore_password.as_ref())?,
                false => certificates(name, &file.display(), &bytes)?,
            };
            add(&mut roots, name, found)?;
        }
        Trust::Pem(text) => {
            let name = "ssl.truststore.certificates";
            add(&mut roots, name, certificates(name, &"the text", text.expose().as_bytes())?)?;
        }
    }
    Ok(roots)
}

/// Adds what the user trusts; says which of it cannot be used, as a bundle may hold a curious one
/// among many.
fn add(
    roots: &mut RootCertStore,
    property: &str,
    certificates: Vec<CertificateDer<'static>>,
) -> Result<()> {
    let count = certificates.len();
    let mut unusable = Vec::new();
    for (number, certificate) in (1_usize..).zip(certificates) {
        if roots.add(certificate).is_err() {
            unusable.push(number.to_string());
        }
    }
    match (roots.is_empty(), unusable.join(", ")) {
        (true, _) => Err(Error::config(format!(
            "{property}: none of the certificates to be trusted, of which there are {count}, can \
             be read as one of an authority: they are damaged"
        ))),
        (false, which) => {
            if !which.is_empty() {
                warn!(property, %which, count, "certificates cannot be read and are not trusted: \
                                                they are damaged");
            }
            Ok(())
        }
    }
}

/// The certificate to show, and what signs for it.
///
/// # Errors
/// [`ErrorKind::Config`](crate::ErrorKind::Config) if they cannot be read, or do not belong
/// together.
pub(super) fn identity(
    settings: &TlsConfig,
    provider: &CryptoProvider,
) -> Result<Option<CertifiedKey>> {
    let Some((property, (chain, key))) = chain(settings)? else { return Ok(None) };
    let certified = CertifiedKey::new(chain, key.signing(property, provider)?);
    match certified.keys_match() {
        // A key that does not tell which certificate is its own may be the right one.
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {
            Ok(Some(certified))
        }
        Err(rustls::Error::InconsistentKeys(_)) => Err(Error::config(format!(
            "{property}: the private key is not that of the certificate: the client's own \
             certificate comes first, then those of the authorities between"
        ))),
        Err(_) => {
            Err(Error::config(format!("{property}: the first certificate of the chain is damaged")))
        }
    }
}

const KEY_PASSWORD: &str = "ssl.key.password";

/// The chain to show, with its key, and the property that says the key.
fn chain(settings: &TlsConfig) -> Result<Option<(&'static str, Chain)>> {
    let password = settings.key_password.as_ref();
    let chain = match &settings.identity {
        ClientCertificate::None => return Ok(None),
        ClientCertificate::File(file) => {
            let name = "ssl.keystore.location";
            let bytes = read(name, file)?;
            let (password_name, password) = match is_store(&bytes) {
                true => ("ssl.keystore.password", settings.keystore_password.as_ref()),
                false => (KEY_PASSWORD, password),
            };
            (name, in_file(name, &file.display(), &bytes, password_name, password)?)
        }
        ClientCertificate::Files { chain, key } => {
            let (chain_name, key_name) = ("ssl.certificate.location", "ssl.key.location");
            let pem = read(key_name, key)?;
            let chain = certificates(chain_name, &chain.display(), &read(chain_name, chain)?)?;
            (key_name, (chain, private_key(key_name, &pem, KEY_PASSWORD, password)?))
        }
        ClientCertificate::Pem { chain, key } => {
            let name = "ssl.keystore.key";
            let chain = certificates(
                "ssl.keystore.certificate.chain",
                &"the text",
                chain.expose().as_bytes(),
            )?;
            (name, (chain, private_key(name, key.expose().as_bytes(), KEY_PASSWORD, password)?))
        }
    };
    Ok(Some(chain))
}

/// The one key in a file, with its chain: in PEM, or a store of PKCS#12.
///
/// # Errors
/// [`ErrorKind::Config`](crate::ErrorKind::Config) if one of them is not there, or cannot be read.
pub(super) fn in_file(
    property: &str,
    place: &dyn fmt::Display,
    bytes: &[u8],
    password_property: &str,
    password: Option<&Secret>,
) -> Result<Chain> {
    match is_store(bytes) {
        true => in_store(property, bytes, password_property, password),
        false => Ok((
            certificates(property, place, bytes)?,
            private_key(property, bytes, password_property, password)?,
        )),
    }
}

/// Whether a file is DER, whose first byte says a sequence, and so a store of PKCS#12; a JKS file
/// begins with FEEDFEED.
fn is_store(bytes: &[u8]) -> bool {
    bytes.first() == Some(&0x30)
}

#[cfg(feature = "pkcs12")]
use pkcs12::{identity as in_store, trusted};

#[cfg(not(feature = "pkcs12"))]
fn in_store(property: &str, _: &[u8], _: &str, _: Option<&Secret>) -> Result<Chain> {
    Err(no_stores(property))
}

#[cfg(not(feature = "pkcs12"))]
fn trusted(property: &str, _: &[u8], _: Option<&Secret>) -> Result<Vec<CertificateDer<'static>>> {
    Err(no_stores(property))
}

#[cfg(not(feature = "pkcs12"))]
fn no_stores(property: &str) -> Error {
    Error::config(format!(
        "{property}: the file is a store of PKCS#12, but this program was built without kavka's \
         feature pkcs12; {CONVERT}"
    ))
}

/// The certificates in a text, which may hold other things besides.
fn certificates(
    property: &str,
    place: &dyn fmt::Display,
    pem: &[u8],
) -> Result<Vec<CertificateDer<'static>>> {
    let flawed = |flaw| Error::config(format!("{property}: {place} is no good PEM: {flaw}"));
    let found = sections(pem).map_err(flawed)?;
    let found =
        found.iter().filter(|section| matches!(section.label, "CERTIFICATE" | "X509 CERTIFICATE"));
    let found: Vec<_> = found
        .map(|section| Ok(CertificateDer::from(section.der()?.to_vec())))
        .collect::<Result<_, _>>()
        .map_err(flawed)?;
    match found.is_empty() {
        true => {
            Err(Error::config(format!("{property}: {place} has no certificate in PEM; {CONVERT}")))
        }
        false => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(settings: &TlsConfig) -> String {
        chain(settings).map(drop).expect_err("not usable").to_string()
    }

    #[test]
    fn a_key_that_is_encrypted_or_none_is_refused_with_what_to_do() {
        let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (key, words) in [
            (
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
                &["encrypted", "ssl.key.password", "openssl pkey"][..],
            ),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA \
                 PRIVATE KEY-----\n",
                &["encrypted", "openssl pkcs8 -topk8"],
            ),
            ("hunter2", &["PKCS#8", "ssl.keystore.key"]),
            (certificate, &["no private key"]),
        ] {
            let error = refusal(&TlsConfig::new().keystore_certificate_chain(certificate, key));
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
            assert!(!error.contains("hunter2") && !error.contains("AAAA"), "{error}");
        }
    }

    #[cfg(any(feature = "encrypted-keys", feature = "pkcs12"))]
    #[test]
    fn a_damaged_certificate_among_good_ones_is_told_and_does_not_take_them_along() {
        let good = super::super::vectors::CERTIFICATE;
        let no_base_64 = good.replacen("MIIBdjCC", "!IIBdjCC", 1);
        let error = roots(&TlsConfig::new().truststore_certificates(format!("{good}{no_base_64}")))
            .expect_err("damaged")
            .to_string();
        assert!(
            error.contains("ssl.truststore.certificates") && error.contains("section 2 is damaged"),
            "{error}"
        );
        let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let trusted =
            roots(&TlsConfig::new().truststore_certificates(format!("{no_certificate}{good}")))
                .expect("one is good");
        assert_eq!(trusted.len(), 1);
    }

    #[cfg(any(feature = "encrypted-keys", feature = "pkcs12"))]
    #[test]
    fn a_key_of_a_kind_that_is_not_known_is_refused_with_those_that_are() {
        let (certificate, key) = (super::super::vectors::CERTIFICATE, super::super::vectors::KEY);
        let provider = super::super::provider(&TlsConfig::new()).expect("cryptography");
        let of = |chain: &str, key: &str| {
            identity(&TlsConfig::new().keystore_certificate_chain(chain, key), &provider).map(drop)
        };
        of(certificate, key).expect("they belong together");
        // The curve of the same key by the name of another, 1.3.132.0.35: P-521.
        let other = key.replacen("CCqGSM49AwEH", "BSuBBAAjAwEH", 1);
        let error = of(certificate, &other).expect_err("not known").to_string();
        assert!(error.contains("ssl.keystore.key") && error.contains("P-384"), "{error}");
    }

    #[test]
    fn files_that_are_not_there_or_hold_something_else_are_refused_by_property() {
        let error = refusal(&TlsConfig::new().keystore_location("no/such.pem"));
        assert!(
            error.contains("ssl.keystore.location") && error.contains("no/such.pem"),
            "{error}"
        );
        let error = roots(&TlsConfig::new().truststore_location("Cargo.toml"))
            .expect_err("no certificate")
            .to_string();
        assert!(
            error.contains("ssl.truststore.location") && error.contains("openssl pkcs12"),
            "{error}"
        );
        let error = roots(&TlsConfig::new().truststore_certificates(
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ))
        .expect_err("junk");
        assert!(error.to_string().contains("none of the certificates"), "{error}");
    }
}
