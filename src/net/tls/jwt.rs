//! Signatures of JWTs (RFC 7518, section 3), made by the cryptography of TLS.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::pki_types::CertificateDer;
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{InconsistentKeys, SignatureScheme};
use sha2::{Digest, Sha256};

use super::material::in_file;
use super::private_key::private_key;
use super::provider;
use crate::config::{ASSERTION_PASSPHRASE, AssertionAlgorithm, AssertionSigner, TlsConfig};
use crate::error::{Error, Result};

/// Half of a signature of P-256.
const SCALAR: usize = 32;

/// A private key that signs JWTs, and the certificate that says whose it is.
pub(in crate::net) struct JwtKey {
    property: &'static str,
    key: Arc<dyn SigningKey>,
    certificate: Option<CertificateDer<'static>>,
}

impl JwtKey {
    /// The key of a signer, out of a PEM text; with its certificate, if tokens are to name it, and
    /// then also out of a store of PKCS#12.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if there is no key or no certificate, they do
    /// not belong together, or the key cannot be decrypted.
    pub(in crate::net) fn new(
        signer: &AssertionSigner,
        settings: &TlsConfig,
        bytes: &[u8],
    ) -> Result<Self> {
        let (property, provider) = (signer.key.property(), provider(settings)?);
        let password = signer.passphrase.as_ref();
        if !signer.names_certificate {
            let key = private_key(property, bytes, ASSERTION_PASSPHRASE, password)?;
            let key = key.signing(property, &provider)?;
            return Ok(Self { property, key, certificate: None });
        }
        let (chain, key) = in_file(property, &"the file", bytes, ASSERTION_PASSPHRASE, password)?;
        let both = CertifiedKey::new(chain, key.signing(property, &provider)?);
        // A certificate that cannot be looked into, such as one of X.509's first version, may do.
        if let Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) =
            both.keys_match()
        {
            return Err(Error::config(format!(
                "{property}: the private key is not that of the first certificate: the \
                 application's own certificate comes first"
            )));
        }
        Ok(Self { property, key: both.key, certificate: both.cert.into_iter().next() })
    }

    /// Which certificate it is, by its SHA-256 as the header `x5t#S256` has it; `None` if tokens are
    /// not to name it.
    pub(in crate::net) fn thumbprint(&self) -> Option<String> {
        let certificate = self.certificate.as_ref()?;
        Some(URL_SAFE_NO_PAD.encode(Sha256::digest(certificate)))
    }

    /// Signs a message.
    ///
    /// # Errors
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) if it is no key for the algorithm.
    pub(in crate::net) fn sign(
        &self,
        algorithm: AssertionAlgorithm,
        message: &[u8],
    ) -> Result<Vec<u8>> {
        let property = self.property;
        let (scheme, wanted) = match algorithm {
            AssertionAlgorithm::Rs256 => (SignatureScheme::RSA_PKCS1_SHA256, "a key of RSA"),
            AssertionAlgorithm::Es256 => {
                (SignatureScheme::ECDSA_NISTP256_SHA256, "an EC key of the curve P-256")
            }
            // Its salt is as long as the hash, as RFC 7518 (section 3.5) has it too.
            AssertionAlgorithm::Ps256 => (SignatureScheme::RSA_PSS_SHA256, "a key of RSA"),
        };
        let signer = self.key.choose_scheme(&[scheme]).ok_or_else(|| {
            Error::config(format!(
                "{property}: the private key is for another algorithm: \
                 sasl.oauthbearer.assertion.algorithm is {algorithm}, which takes {wanted}"
            ))
        })?;
        let failed =
            || Error::config(format!("{property}: the private key did not sign the assertion"));
        let signature = signer.sign(message).map_err(|_| failed())?;
        match algorithm {
            AssertionAlgorithm::Rs256 | AssertionAlgorithm::Ps256 => Ok(signature),
            AssertionAlgorithm::Es256 => fixed(&signature).ok_or_else(failed),
        }
    }
}

/// Two integers of fixed length, as JWT has it, out of a sequence of two of DER, as TLS has it;
/// `None` if it is none.
fn fixed(der: &[u8]) -> Option<Vec<u8>> {
    let (body, rest) = element(0x30, der)?;
    let (r, others) = element(0x02, body)?;
    let (s, others) = element(0x02, others)?;
    if !rest.is_empty() || !others.is_empty() {
        return None;
    }
    let mut signature = Vec::with_capacity(2 * SCALAR);
    for integer in [r, s] {
        // A zero in front says that the number is not negative.
        let digits = integer.strip_prefix(&[0]).unwrap_or(integer);
        signature.resize(signature.len() + SCALAR.checked_sub(digits.len())?, 0);
        signature.extend_from_slice(digits);
    }
    Some(signature)
}

/// What an element of less than 128 bytes holds, and what follows it.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&found, der) = der.split_first()?;
    let (&length, der) = der.split_first()?;
    if found != tag || length >= 0x80 {
        return None;
    }
    der.split_at_checked(length.into())
}

/// Whether a message is signed with PS256 by the RSA key of a certificate.
#[cfg(test)]
pub(in crate::net) fn is_signed(certificate: &[u8], message: &[u8], signature: &[u8]) -> bool {
    // What follows the algorithm's name is null and a bit string with PKCS#1 in it.
    const NAME: [u8; 11] = [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 1];
    let at = certificate.windows(NAME.len()).position(|part| part == NAME).expect("RSA");
    let key = &certificate[at + NAME.len() + 2 + 5..];
    let key = &key[..4 + usize::from(u16::from_be_bytes([key[2], key[3]]))];
    let algorithms = provider(&TlsConfig::new()).expect("one").signature_verification_algorithms;
    let mut found = algorithms.mapping.iter();
    let (_, pss) = found
        .find(|(scheme, _)| *scheme == SignatureScheme::RSA_PSS_SHA256)
        .expect("TLS 1.3 has it");
    pss.iter().any(|by| by.verify_signature(key, message, signature).is_ok())
}

#[cfg(test)]
mod tests {
    use kavka_testcontainers::apache::Certificates;
    use rustls::pki_types::pem::PemObject;

    use super::*;

    #[test]
    fn a_signature_with_padding_of_pss_is_one_to_others() {
        let folder = std::env::temp_dir().join(format!("kavka-jwt-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let files = Certificates::write(&folder).expect("certificates");
        let read = |file: &std::path::Path| std::fs::read(file).expect("a file");
        let pem = [read(&files.alice_rsa_key), read(&files.alice_rsa_certificate)].concat();
        let _ = std::fs::remove_dir_all(&folder);
        let signer = AssertionSigner::key_pem(AssertionAlgorithm::Ps256, "unused");
        let settings = TlsConfig::new();
        let key = JwtKey::new(&signer, &settings, &pem).expect("a key");
        let signature = key.sign(AssertionAlgorithm::Ps256, b"a.b").expect("signed");
        assert_eq!(key.thumbprint(), None);
        let certificate = CertificateDer::from_pem_slice(&pem).expect("a certificate");
        let is_good = |message: &[u8]| is_signed(&certificate, message, &signature);
        assert!(is_good(b"a.b") && !is_good(b"a.c"));
    }

    #[test]
    fn integers_of_any_length_become_ones_of_32_bytes() {
        let long = [&[0x30, 0x45, 2, 33, 0][..], &[0xff; 32], &[2, 32], &[0x7f; 32]].concat();
        assert_eq!(fixed(&long), Some([[0xff; 32], [0x7f; 32]].concat()));
        let mut expected = vec![0; 64];
        (expected[31], expected[62], expected[63]) = (5, 1, 2);
        assert_eq!(fixed(&[0x30, 7, 2, 1, 5, 2, 2, 1, 2]), Some(expected));
    }

    #[test]
    fn what_is_no_pair_of_integers_is_refused() {
        let too_long =
            [&[0x30, 0x46, 2, 33, 1][..], &[0xff; 32], &[2, 33, 1], &[0x7f; 32]].concat();
        let refused: [&[u8]; 7] = [
            &[],
            &[0x30],
            &[0x30, 0x80],
            &[0x30, 9, 2, 1, 5],
            &[0x30, 6, 2, 1, 5, 2, 1, 5, 0],
            &[0x30, 6, 3, 1, 5, 2, 1, 5],
            &too_long,
        ];
        for der in refused {
            assert_eq!(fixed(der), None, "{der:?}");
        }
    }
}
