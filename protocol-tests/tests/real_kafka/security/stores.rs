//! Key store and trust store of PKCS#12, made of a cluster's PEM files.

use std::path::Path;

use kavka::Properties;
use kavka_testcontainers::apache::{Cluster, Security};
use p12_keystore::{Certificate, KeyStore, KeyStoreEntry, PrivateKey, PrivateKeyChain};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use super::{base, certificates, with};

const PASSWORD: &str = "a password";

/// As Java's users write it, for the listener that wants a certificate.
pub(super) fn properties(cluster: &Cluster) -> Properties {
    let files = certificates(cluster);
    let key = PrivatePkcs8KeyDer::from_pem_file(&files.alice).unwrap();
    let key = PrivateKey::from_der(key.secret_pkcs8_der()).unwrap();
    let alice = KeyStoreEntry::PrivateKeyChain(PrivateKeyChain::new("1", key, chain(&files.alice)));
    let authority = KeyStoreEntry::Certificate(chain(&files.authority).remove(0));
    let write = |file: &str, alias: &str, entry| {
        let mut store = KeyStore::new();
        store.add_entry(alias, entry);
        cluster.file(file, &store.writer(PASSWORD).write().unwrap()).unwrap()
    };
    let (keys, trust) =
        (write("alice.p12", "alice", alice), write("trust.p12", "authority", authority));
    with(
        base(cluster, Security::MutualTls),
        &[
            ("ssl.keystore.type", "PKCS12"),
            ("ssl.keystore.location", keys.to_str().unwrap()),
            ("ssl.keystore.password", PASSWORD),
            ("ssl.truststore.type", "PKCS12"),
            ("ssl.truststore.location", trust.to_str().unwrap()),
            ("ssl.truststore.password", PASSWORD),
        ],
    )
}

fn chain(file: &Path) -> Vec<Certificate> {
    let certificates = CertificateDer::pem_file_iter(file).unwrap();
    certificates.map(|certificate| Certificate::from_der(&certificate.unwrap()).unwrap()).collect()
}
