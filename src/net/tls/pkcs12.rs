//! Stores of PKCS#12, as `keytool` and OpenSSL make them.

use p12_keystore::error::Error as StoreError;
use p12_keystore::{Certificate, KeyStore, KeyStoreEntry, Pkcs12Archive, Pkcs12ImportPolicy};
use rustls::pki_types::CertificateDer;
use zeroize::Zeroizing;

use super::private_key::{Chain, PrivateKey};
use crate::config::{CONVERT, Secret};
use crate::error::{Error, Result};

/// The certificates that a trust store vouches for: as in Java, those that were imported as
/// trusted.
pub(super) fn trusted(
    property: &str,
    store: &[u8],
    password: Option<&Secret>,
) -> Result<Vec<CertificateDer<'static>>> {
    let archive = Pkcs12Archive::from_pkcs12(store, password.map_or("", Secret::expose));
    let archive =
        archive.map_err(|error| unreadable(property, "ssl.truststore.password", &error))?;
    let trusted: Vec<_> =
        archive.certs.iter().filter(|bag| bag.trusted).map(|bag| der(&bag.cert)).collect();
    if trusted.is_empty() {
        return Err(Error::config(format!(
            "{property}: the store has no certificate that it marks as trusted, as Java demands: \
             keytool -importcert makes one that has; of a file that OpenSSL made, give the PEM \
             form"
        )));
    }
    Ok(trusted)
}

/// The one key of a key store, with its chain, and the property that says the store's password.
pub(super) fn identity(
    property: &str,
    store: &[u8],
    password_property: &str,
    password: Option<&Secret>,
) -> Result<Chain> {
    let store = KeyStore::from_pkcs12(
        store,
        password.map_or("", Secret::expose),
        Pkcs12ImportPolicy::Strict,
    );
    let store = store.map_err(|error| unreadable(property, password_property, &error))?;
    let mut chains = store.entries().filter_map(|(_, entry)| match entry {
        KeyStoreEntry::PrivateKeyChain(chain) => Some(chain),
        _ => None,
    });
    let refuse = |found: &str| {
        Err(Error::config(format!(
            "{property}: the store holds {found} with a certificate: one is allowed"
        )))
    };
    match (chains.next(), chains.next()) {
        (Some(chain), None) => {
            let key = PrivateKey::pkcs8(Zeroizing::new(chain.key().as_der().to_vec()));
            Ok((chain.certs().iter().map(der).collect(), key))
        }
        (None, _) => refuse("no private key"),
        (Some(_), Some(_)) => refuse("more than one private key"),
    }
}

fn der(certificate: &Certificate) -> CertificateDer<'static> {
    CertificateDer::from(certificate.as_der().to_vec())
}

fn unreadable(property: &str, password: &str, error: &StoreError) -> Error {
    // In words of our own: those of a reader that has seen the key might quote it.
    let why = match error {
        StoreError::MacError(_) | StoreError::UnpadError | StoreError::Pkcs5Error(_) => {
            format!("check {password}")
        }
        StoreError::UnsupportedMacAlgorithm
        | StoreError::UnsupportedEncryptionScheme
        | StoreError::InvalidParameters => {
            format!("it is protected in a way that is not supported; {CONVERT}")
        }
        _ => format!("it is damaged, or no store of PKCS#12; {CONVERT}"),
    };
    Error::config(format!("{property}: the store of PKCS#12 cannot be read: {why}"))
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::PrivateKeyDer;
    use rustls::pki_types::pem::PemObject;

    use super::super::vectors;
    use super::*;

    const PASSWORD: &str = "ssl.keystore.password";

    fn bytes(text: &str) -> Vec<u8> {
        let pem = format!("-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n");
        CertificateDer::from_pem_slice(pem.as_bytes()).expect("base 64").to_vec()
    }

    fn hunter2() -> Option<Secret> {
        Some(Secret::from("hunter2"))
    }

    #[test]
    fn key_stores_of_openssl_old_and_new_are_read() {
        let certificate =
            CertificateDer::from_pem_slice(vectors::CERTIFICATE.as_bytes()).expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(vectors::KEY.as_bytes()).expect("a key");
        for store in [vectors::KEY_STORE, vectors::OLD_KEY_STORE] {
            let (chain, found) =
                identity("ssl.keystore.location", &bytes(store), PASSWORD, hunter2().as_ref())
                    .expect("a key store");
            assert_eq!(
                (chain, found.to_rustls().secret_der()),
                (vec![certificate.clone()], key.secret_der())
            );
        }
    }

    #[test]
    fn a_trust_store_of_keytool_is_read() {
        let certificate =
            CertificateDer::from_pem_slice(vectors::CERTIFICATE.as_bytes()).expect("a certificate");
        let found =
            trusted("ssl.truststore.location", &bytes(vectors::TRUST_STORE), hunter2().as_ref())
                .expect("a trust store");
        assert_eq!(found, [certificate]);
    }

    #[test]
    fn a_store_of_another_kind_or_with_another_password_is_refused() {
        let (keys, trust) = (bytes(vectors::KEY_STORE), bytes(vectors::TRUST_STORE));
        let other = Some(Secret::from("hunter3"));
        let (key_store, trust_store) = ("ssl.keystore.location", "ssl.truststore.location");
        for (refused, word) in [
            (
                identity(key_store, &keys, PASSWORD, other.as_ref()).map(drop),
                "ssl.keystore.password",
            ),
            (identity(key_store, &keys, PASSWORD, None).map(drop), "ssl.keystore.password"),
            (identity(key_store, &trust, PASSWORD, hunter2().as_ref()).map(drop), "no private key"),
            (trusted(trust_store, &trust, other.as_ref()).map(drop), "ssl.truststore.password"),
            (trusted(trust_store, &keys, hunter2().as_ref()).map(drop), "keytool -importcert"),
            (trusted(trust_store, &keys[..100], hunter2().as_ref()).map(drop), trust_store),
        ] {
            let error = refused.expect_err(word).to_string();
            assert!(error.contains(word) && !error.contains("hunter"), "{error}");
        }
    }
}
