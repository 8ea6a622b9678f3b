//! Private keys that a password encrypts.

use zeroize::Zeroizing;

use super::pem::Section;
use crate::config::Secret;
use crate::error::{Error, Result};

pub(super) const LABEL: &str = "ENCRYPTED PRIVATE KEY";

/// What turns a key of any encryption into one without.
const DECRYPT: &str = "openssl pkey -in key.pem -out plain.pem decrypts it";

/// A key that is encrypted as OpenSSL once did it.
pub(super) fn refused(property: &str) -> Error {
    let converting = "openssl pkcs8 -topk8 -in key.pem -out new.pem makes one of PKCS#8";
    Error::config(format!(
        "{property}: the private key is encrypted as OpenSSL once did, which this library does \
         not decrypt: {converting}"
    ))
}

/// What a key of PKCS#8 that is encrypted says.
///
/// # Errors
/// [`ErrorKind::Config`](crate::ErrorKind::Config) if it cannot be decrypted.
pub(super) fn decrypted(
    property: &str,
    section: &Section<'_>,
    password_property: &str,
    password: Option<&Secret>,
) -> Result<Zeroizing<Vec<u8>>> {
    let Some(password) = password else {
        return Err(Error::config(format!(
            "{property}: the private key is encrypted: set {password_property}, or {DECRYPT}"
        )));
    };
    decrypt(property, section, password_property, password)
}

#[cfg(feature = "encrypted-keys")]
fn decrypt(
    property: &str,
    section: &Section<'_>,
    password_property: &str,
    password: &Secret,
) -> Result<Zeroizing<Vec<u8>>> {
    use pkcs8::EncryptedPrivateKeyInfoRef;
    use pkcs8::pkcs5::Error as Scheme;

    let der = section.der().map_err(|flaw| {
        Error::config(format!("{property}: the encrypted private key is damaged: {flaw}"))
    })?;
    let strange = || {
        Error::config(format!(
            "{property}: the private key is damaged, or encrypted in a way that is not \
             supported: {DECRYPT}"
        ))
    };
    let encrypted = EncryptedPrivateKeyInfoRef::try_from(der.as_slice()).map_err(|_| strange())?;
    let key = encrypted.decrypt(password.expose()).map_err(|error| match error {
        pkcs8::Error::EncryptedPrivateKey(
            Scheme::NoPbes1CryptSupport | Scheme::UnsupportedAlgorithm { .. },
        ) => strange(),
        _ => Error::config(format!(
            "{property}: the private key cannot be decrypted: check {password_property}"
        )),
    })?;
    Ok(Zeroizing::new(key.as_bytes().to_vec()))
}

#[cfg(not(feature = "encrypted-keys"))]
fn decrypt(property: &str, _: &Section<'_>, _: &str, _: &Secret) -> Result<Zeroizing<Vec<u8>>> {
    Err(Error::config(format!(
        "{property}: the private key is encrypted, but this program was built without kavka's \
         feature encrypted-keys: {DECRYPT}"
    )))
}

#[cfg(all(test, feature = "encrypted-keys"))]
mod tests {
    use rustls::pki_types::PrivateKeyDer;
    use rustls::pki_types::pem::PemObject;

    use super::super::private_key::private_key;
    use super::super::vectors;
    use super::*;

    fn key(pem: &str, password: Option<&str>) -> Result<PrivateKeyDer<'static>> {
        let password = password.map(Secret::from);
        private_key("ssl.keystore.key", pem.as_bytes(), "ssl.key.password", password.as_ref())
            .map(|key| key.to_rustls())
    }

    #[test]
    fn keys_that_openssl_has_encrypted_are_decrypted() {
        let plain = PrivateKeyDer::from_pem_slice(vectors::KEY.as_bytes()).expect("a key");
        let on_one_line = vectors::AES.replace('\n', " ");
        let beside_a_certificate = format!("{}{}", vectors::CERTIFICATE, vectors::AES);
        for pem in [
            vectors::AES,
            vectors::SCRYPT,
            vectors::TRIPLE_DES,
            &on_one_line,
            &beside_a_certificate,
        ] {
            assert_eq!(
                key(pem, Some("hunter2")).expect("decrypted").secret_der(),
                plain.secret_der()
            );
        }
    }

    #[test]
    fn what_cannot_be_decrypted_is_refused_with_what_to_do() {
        let damaged = vectors::AES.replace("MIHs", "MIHt");
        for (pem, password, word) in [
            (vectors::AES, None, "ssl.key.password"),
            (vectors::AES, Some("hunter3"), "ssl.key.password"),
            (vectors::PBES1, Some("hunter2"), "openssl pkey"),
            (&damaged, Some("hunter2"), "damaged"),
            ("-----BEGIN ENCRYPTED PRIVATE KEY-----", Some("hunter2"), "section 1 does not end"),
        ] {
            let error = key(pem, password).expect_err(word).to_string();
            assert!(error.contains(word) && !error.contains("hunter"), "{error}");
        }
    }
}
