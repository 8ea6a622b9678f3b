//! Private keys that a password encrypts.

use rustls::pki_types::PrivateKeyDer;

use crate::config::Secret;
use crate::error::{Error, Result};

const BEGIN: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";

/// What turns a key of any encryption into one without.
const DECRYPT: &str = "openssl pkey -in key.pem -out plain.pem decrypts it";

/// The key in a PEM text if it is encrypted; `None` if no key there is.
///
/// # Errors
/// Config if it cannot be decrypted.
pub(super) fn decrypted(
    property: &str,
    pem: &[u8],
    password_property: &str,
    password: Option<&Secret>,
) -> Option<Result<PrivateKeyDer<'static>>> {
    let holds = |mark: &str| pem.windows(mark.len()).any(|part| part == mark.as_bytes());
    if holds("Proc-Type: 4,ENCRYPTED") {
        let converting = "openssl pkcs8 -topk8 -in key.pem -out new.pem makes one of PKCS#8";
        return Some(Err(Error::config(format!(
            "{property}: the private key is encrypted as OpenSSL once did, which this library does not decrypt: {converting}"
        ))));
    }
    if !holds(BEGIN) {
        return None;
    }
    let Some(password) = password else {
        return Some(Err(Error::config(format!(
            "{property}: the private key is encrypted: set {password_property}, or {DECRYPT}"
        ))));
    };
    Some(decrypt(property, pem, password_property, password))
}

#[cfg(feature = "encrypted-keys")]
fn decrypt(property: &str, pem: &[u8], password_property: &str, password: &Secret) -> Result<PrivateKeyDer<'static>> {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use pkcs8::EncryptedPrivateKeyInfoRef;
    use pkcs8::pkcs5::Error as Scheme;
    use rustls::pki_types::PrivatePkcs8KeyDer;

    let damaged = || Error::config(format!("{property}: the encrypted private key is damaged"));
    // As Java, which allows any white space, and so a key on one line of a properties file.
    let text = std::str::from_utf8(pem).map_err(|_| damaged())?;
    let text = text
        .split_once(BEGIN)
        .and_then(|(_, rest)| rest.split_once("-----END ENCRYPTED PRIVATE KEY-----"))
        .map(|(text, _)| text)
        .ok_or_else(damaged)?;
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let bytes = STANDARD.decode(text).map_err(|_| damaged())?;
    let strange = || {
        Error::config(format!("{property}: the private key is damaged, or encrypted in a way that is not supported: {DECRYPT}"))
    };
    let encrypted = EncryptedPrivateKeyInfoRef::try_from(&*bytes).map_err(|_| strange())?;
    let key = encrypted.decrypt(password.expose()).map_err(|error| match error {
        pkcs8::Error::EncryptedPrivateKey(Scheme::NoPbes1CryptSupport | Scheme::UnsupportedAlgorithm { .. }) => strange(),
        _ => Error::config(format!("{property}: the private key cannot be decrypted: check {password_property}")),
    })?;
    Ok(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec()).into())
}

#[cfg(not(feature = "encrypted-keys"))]
fn decrypt(property: &str, _: &[u8], _: &str, _: &Secret) -> Result<PrivateKeyDer<'static>> {
    Err(Error::config(format!(
        "{property}: the private key is encrypted, but this program was built without kavka's feature encrypted-keys: {DECRYPT}"
    )))
}

#[cfg(all(test, feature = "encrypted-keys"))]
mod tests {
    use rustls::pki_types::pem::PemObject;

    use super::super::vectors;
    use super::*;

    fn key(pem: &str, password: Option<&str>) -> Result<PrivateKeyDer<'static>> {
        decrypted("ssl.keystore.key", pem.as_bytes(), "ssl.key.password", password.map(Secret::from).as_ref()).expect("encrypted")
    }

    #[test]
    fn keys_that_openssl_has_encrypted_are_decrypted() {
        let plain = PrivateKeyDer::from_pem_slice(vectors::KEY.as_bytes()).expect("a key");
        let on_one_line = vectors::AES.replace('\n', " ");
        let beside_a_certificate = format!("{}{}", vectors::CERTIFICATE, vectors::AES);
        for pem in [vectors::AES, vectors::SCRYPT, vectors::TRIPLE_DES, &on_one_line, &beside_a_certificate] {
            assert_eq!(key(pem, Some("hunter2")).expect("decrypted").secret_der(), plain.secret_der());
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
            (BEGIN, Some("hunter2"), "damaged"),
        ] {
            let error = key(pem, password).expect_err(word).to_string();
            assert!(error.contains(word) && !error.contains("hunter"), "{error}");
        }
    }
}
