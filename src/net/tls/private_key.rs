//! A private key, out of PEM or a store, and overwritten when it is dropped.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer,
};
use rustls::sign::SigningKey;
use zeroize::Zeroizing;

use super::encrypted::{self, decrypted};
use super::pem::{Section, sections};
use crate::config::{CONVERT, Secret};
use crate::error::{Error, Result};

/// A chain of certificates, and the key of its first.
pub(super) type Chain = (Vec<CertificateDer<'static>>, PrivateKey);

/// A private key that is overwritten when it is dropped. What rustls makes of it is not: rustls
/// takes keys over, and keeps them.
pub(super) struct PrivateKey {
    form: KeyForm,
    der: Zeroizing<Vec<u8>>,
}

/// The form of a key's DER.
#[derive(Clone, Copy)]
enum KeyForm {
    Pkcs1,
    Pkcs8,
    Sec1,
}

/// A private key as PKCS#8, PKCS#1 or SEC1, with the property that says its password.
///
/// # Errors
/// [`ErrorKind::Config`](crate::ErrorKind::Config), which quotes nothing of the text.
pub(super) fn private_key(
    property: &str,
    pem: &[u8],
    password_property: &str,
    password: Option<&Secret>,
) -> Result<PrivateKey> {
    let damaged =
        |flaw| Error::config(format!("{property}: the private key is damaged: {flaw} of the PEM"));
    let found = sections(pem).map_err(damaged)?;
    let is_key = |section: &&Section<'_>| section.label.ends_with("PRIVATE KEY");
    let Some(section) = found.iter().find(is_key) else { return Err(no_key(property)) };
    let form = match section.label {
        encrypted::LABEL => {
            return Ok(PrivateKey::pkcs8(decrypted(
                property,
                section,
                password_property,
                password,
            )?));
        }
        _ if section.has_headers() => return Err(encrypted::refused(property)),
        "PRIVATE KEY" => KeyForm::Pkcs8,
        "RSA PRIVATE KEY" => KeyForm::Pkcs1,
        "EC PRIVATE KEY" => KeyForm::Sec1,
        _ => return Err(no_key(property)),
    };
    Ok(PrivateKey { form, der: section.der().map_err(damaged)? })
}

fn no_key(property: &str) -> Error {
    Error::config(format!(
        "{property}: there is no private key in PEM, be it PKCS#8, PKCS#1 or SEC1; {CONVERT}"
    ))
}

impl PrivateKey {
    pub(super) fn pkcs8(der: Zeroizing<Vec<u8>>) -> Self {
        Self { form: KeyForm::Pkcs8, der }
    }

    /// What signs with it.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if the cryptography does not know such a
    /// key; its own words are not shown, as it has seen the key.
    pub(super) fn signing(
        &self,
        property: &str,
        provider: &CryptoProvider,
    ) -> Result<Arc<dyn SigningKey>> {
        provider.key_provider.load_private_key(self.to_rustls()).map_err(|_| {
            Error::config(format!(
                "{property}: the private key cannot be used: it is damaged, or of another kind \
                 than RSA, Ed25519 and the curves P-256 and P-384, which the cryptography that \
                 is built in knows"
            ))
        })
    }

    /// A copy, as rustls takes it over.
    pub(super) fn to_rustls(&self) -> PrivateKeyDer<'static> {
        let der = self.der.to_vec();
        match self.form {
            KeyForm::Pkcs1 => PrivatePkcs1KeyDer::from(der).into(),
            KeyForm::Pkcs8 => PrivatePkcs8KeyDer::from(der).into(),
            KeyForm::Sec1 => PrivateSec1KeyDer::from(der).into(),
        }
    }
}
