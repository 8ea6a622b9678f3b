//! Certificates and private keys out of files and texts.

use std::fmt;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::super::files::read;
use super::encrypted::decrypted;
#[cfg(feature = "pkcs12")]
use super::pkcs12;
use crate::config::{CONVERT, Identity, Secret, TlsConfig, Trust};
use crate::error::{Error, Result};

/// Whom to trust.
///
/// # Errors
/// Config if that cannot be read, or is nobody.
pub(super) fn roots(settings: &TlsConfig) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    match &settings.trust {
        Trust::Webpki => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Trust::System => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
            if roots.is_empty() {
                let why = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
                return Err(Error::config(format!(
                    "the system trusts no authority{why}: set ssl.truststore.location to a PEM file, or use \
                     TlsConfig::webpki_roots()"
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
            roots.add_parsable_certificates(found);
        }
        Trust::Pem(text) => {
            roots.add_parsable_certificates(certificates("ssl.truststore.certificates", &"the text", text.as_bytes())?);
        }
    }
    if roots.is_empty() {
        return Err(Error::config("none of the certificates to be trusted can be read as one of an authority"));
    }
    Ok(roots)
}

pub(super) type Certified = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// The certificate to show, with its key.
///
/// # Errors
/// Config if they cannot be read.
pub(super) fn identity(settings: &TlsConfig) -> Result<Option<Certified>> {
    let password = settings.key_password.as_ref();
    let certified = match &settings.identity {
        Identity::None => return Ok(None),
        Identity::File(file) => {
            let name = "ssl.keystore.location";
            let bytes = read(name, file)?;
            match is_store(&bytes) {
                true => in_store(name, &bytes, settings.keystore_password.as_ref())?,
                false => (certificates(name, &file.display(), &bytes)?, private_key(name, &bytes, KEY_PASSWORD, password)?),
            }
        }
        Identity::Files { chain, key } => {
            let (chain_name, key_name) = ("ssl.certificate.location", "ssl.key.location");
            let pem = read(key_name, key)?;
            let chain = certificates(chain_name, &chain.display(), &read(chain_name, chain)?)?;
            (chain, private_key(key_name, &pem, KEY_PASSWORD, password)?)
        }
        Identity::Pem { chain, key } => {
            let chain = certificates("ssl.keystore.certificate.chain", &"the text", chain.as_bytes())?;
            (chain, private_key("ssl.keystore.key", key.expose().as_bytes(), KEY_PASSWORD, password)?)
        }
    };
    Ok(Some(certified))
}

/// Whether a file is DER, whose first byte says a sequence, and so a store of PKCS#12; a JKS file begins with FEEDFEED.
fn is_store(bytes: &[u8]) -> bool {
    bytes.first() == Some(&0x30)
}

#[cfg(feature = "pkcs12")]
use pkcs12::{identity as in_store, trusted};

#[cfg(not(feature = "pkcs12"))]
fn in_store(property: &str, _: &[u8], _: Option<&Secret>) -> Result<Certified> {
    Err(no_stores(property))
}

#[cfg(not(feature = "pkcs12"))]
fn trusted(property: &str, _: &[u8], _: Option<&Secret>) -> Result<Vec<CertificateDer<'static>>> {
    Err(no_stores(property))
}

#[cfg(not(feature = "pkcs12"))]
fn no_stores(property: &str) -> Error {
    Error::config(format!(
        "{property}: the file is a store of PKCS#12, but this program was built without kavka's feature pkcs12; {CONVERT}"
    ))
}

fn certificates(property: &str, place: &dyn fmt::Display, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(Error::config(format!("{property}: {place} has no certificate in PEM; {CONVERT}"))),
        Err(error) => Err(Error::config(format!("{property}: {place} is no PEM: {error}"))),
    }
}

const KEY_PASSWORD: &str = "ssl.key.password";

/// A private key as PKCS#8, PKCS#1 or SEC1, with the property that says its password.
pub(super) fn private_key(
    property: &str,
    pem: &[u8],
    password_property: &str,
    password: Option<&Secret>,
) -> Result<PrivateKeyDer<'static>> {
    if let Some(key) = decrypted(property, pem, password_property, password) {
        return key;
    }
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| {
        Error::config(format!("{property}: there is no private key in PEM, be it PKCS#8, PKCS#1 or SEC1; {CONVERT}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(settings: &TlsConfig) -> String {
        identity(settings).expect_err("not usable").to_string()
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
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n",
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

    #[test]
    fn files_that_are_not_there_or_hold_something_else_are_refused_by_property() {
        let error = refusal(&TlsConfig::new().keystore_location("no/such.pem"));
        assert!(error.contains("ssl.keystore.location") && error.contains("no/such.pem"), "{error}");
        let error = roots(&TlsConfig::new().truststore_location("Cargo.toml")).expect_err("no certificate").to_string();
        assert!(error.contains("ssl.truststore.location") && error.contains("openssl pkcs12"), "{error}");
        let error =
            roots(&TlsConfig::new().truststore_certificates("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
                .expect_err("junk");
        assert!(error.to_string().contains("none of the certificates"), "{error}");
    }
}
